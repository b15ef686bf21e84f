"""Snapshots: what is kept after every epoch, and that looking changes nothing."""

import numpy as np
import pytest

from course_lib.data import load_small_digits
from course_lib.layers import Conv2D, Dense, Flatten, MaxPool2D, ReLU, Sigmoid, Softmax
from course_lib.model import Sequential
from course_lib.snapshots import Snapshots
from course_lib.train import fit


def network(seed=0, channels=1, last=Softmax):
    rng = np.random.default_rng(seed)
    return Sequential([Conv2D(channels, 4, 3, padding=1, rng=rng), ReLU(), MaxPool2D(2), Flatten(),
                       Dense(64, 10, rng=rng), last()])


@pytest.fixture(scope="module")
def digits():
    return load_small_digits(size=8)


def run(digits, watch, epochs=3):
    model = network()
    history = fit(model, digits.train_images[:300], digits.train_labels[:300], epochs=epochs,
                  lr=0.1, watch=watch, progress=False)
    return model, history


def test_every_epoch_is_kept_as_it_was(digits):
    images, labels = digits.test_images[:150], digits.test_labels[:150]
    kept = []

    def watch(model, history):
        seen(model, history)
        kept.append((model.layers[0].weight.data.copy(), model.predict_proba(images)))

    seen = Snapshots(images, labels, mistakes=5)
    model, history = run(digits, watch)
    assert [frame.epoch for frame in seen.frames] == history.epoch == [1, 2, 3]
    assert seen.history is history
    for frame, (kernels, shares) in zip(seen.frames, kept, strict=True):
        assert np.array_equal(frame.kernels, kernels)
        answers = shares.argmax(axis=1)
        expected = np.zeros((10, 10), int)
        for label, answer in zip(labels, answers):
            expected[label, answer] += 1
        assert np.array_equal(frame.confusion, expected)
        wrong = sorted((-shares[k, answers[k]], k) for k in range(150) if answers[k] != labels[k])
        assert [k for _, k, in wrong[:5]] == [mistake.index for mistake in frame.mistakes]
        for index, label, answer, share in frame.mistakes:
            assert (label, answer) == (labels[index], answers[index])
            assert share == pytest.approx(shares[index, answer])
            assert np.abs(seen.thumbnails[index] - 255 * images[index, 0]).max() <= 0.5
    assert not np.array_equal(kept[0][0], kept[2][0]), "the kernels moved"
    assert set(seen.thumbnails) == {m.index for frame in seen.frames for m in frame.mistakes}


def test_looking_changes_nothing(digits):
    seen = Snapshots(digits.test_images[:20], digits.test_labels[:20])
    alone, watched = run(digits, None), run(digits, seen)
    assert alone[1].step_loss == watched[1].step_loss
    for name, array in alone[0].state().items():
        assert np.array_equal(array, watched[0].state()[name])


def test_before_the_training_is_epoch_0(digits):
    seen = Snapshots(digits.test_images[:20], digits.test_labels[:20], mistakes=0)
    assert repr(seen) == "Snapshots: 20 images, 0 moments"
    seen(network())
    run(digits, seen, epochs=2)
    assert [frame.epoch for frame in seen.frames] == [0, 1, 2]
    assert repr(seen) == "Snapshots: 20 images, 3 moments, epoch 0 to 2"
    assert not seen.thumbnails and not seen.frames[0].mistakes
    with pytest.raises(ValueError, match="Snapshots: each run needs its own, .* make a new Snap"):
        run(digits, seen, epochs=1)


def test_networks_without_a_convolution_with_colours_or_diverged():
    rng = np.random.default_rng(0)
    dense = Sequential([Flatten(), Dense(16, 2, rng=rng), Softmax()])
    seen = Snapshots(rng.random((9, 1, 4, 4)), rng.integers(0, 2, 9))
    seen(dense)
    assert seen.frames[0].kernels is None
    images = rng.random((9, 3, 8, 8))
    model = network(channels=3)
    seen = Snapshots(images, (model.predict_labels(images) + 1) % 10)
    seen(model)
    assert seen.frames[0].kernels.shape == (4, 3, 3, 3) and len(seen.thumbnails) == 6
    for index, thumbnail in seen.thumbnails.items():
        assert np.abs(thumbnail - 255 * images[index].mean(axis=0)).max() <= 0.5
    for parameter in model.parameters().values():
        parameter.data[:] = np.inf
    seen(model)
    assert seen.frames[1].confusion.sum() == 9


@pytest.mark.parametrize("make, message", [
    (lambda: Snapshots(np.zeros((2, 8, 8)), [0, 1]), r"Snapshots: expected images \(N, C, H, W\)"),
    (lambda: Snapshots(np.zeros((2, 1, 8, 33)), [0, 1]), "at most 32x32, .* got 8x33; take x"),
    (lambda: Snapshots(np.zeros((2, 1, 8, 8)), [0, 1, 2]), r"expected 2 labels, .* got \(3,\)"),
    (lambda: Snapshots(np.zeros((2, 1, 8, 8)), [0, 1], mistakes=-1), "mistakes must be .* -1"),
    (lambda: Snapshots(np.zeros((2, 1, 8, 8)), [0, 11])(network()), r"expected classes 0\.\.9"),
    (lambda: Snapshots(np.zeros((2, 1, 8, 8)), [0, 1])(network(last=Sigmoid)),
     r"Snapshots: expected a network that ends in Softmax\(\), got sigmoid"),
    (lambda: Snapshots(np.zeros((2, 1, 8, 8)), [0, 1])(network(last=ReLU)), "got logits"),
])
def test_wrong_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
