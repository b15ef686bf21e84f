"""Training: batches, the loop against one written in PyTorch, interruption, honest numbers."""

import io
import itertools
import json
import math
import signal
import sys

import numpy as np
import pytest
from conftest import need
from test_model import normalised, to_torch, two_blocks

from course_lib import fast
from course_lib.augment import random_shift
from course_lib.data import load_small_digits, make_lines
from course_lib.layers import (
    BatchNorm2D, Conv2D, Dense, Dropout, Flatten, Layer, MaxPool2D, ReLU, Sigmoid, Softmax,
)
from course_lib.losses import softmax_cross_entropy
from course_lib.model import Sequential
from course_lib.optim import SGD, Adam
from course_lib.train import (
    AT_SCALE, LOSSES, SCHEDULES, History, accuracy, confusion_matrix, evaluate, fit,
    iterate_batches, precision_recall, split_validation, wilson_interval,
)


def data(count=7, classes=3, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, 2)).astype(dtype), rng.integers(0, classes, count)


def small(seed=0, classes=3, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return Sequential([Dense(2, 5, rng=rng, dtype=dtype), ReLU(),
                       Dense(5, classes, rng=rng, dtype=dtype), Softmax()])


def quiet(model, images, labels, **options):
    return fit(model, images, labels, progress=False, **options)


def weights(model):
    return {name: array.tobytes() for name, array in model.state().items()}


# Batches
def test_batches_without_a_generator_keep_the_order():
    images, labels = np.arange(7) * 10, np.arange(7)
    batches = list(iterate_batches(images, labels, 3))
    assert [list(y) for _, y in batches] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [list(x) for x, _ in batches] == [[0, 10, 20], [30, 40, 50], [60]]


@pytest.mark.parametrize("first", [0, 1, 3, 4, 9])
def test_batches_from_a_later_one_on_are_the_same(first):
    images, labels = np.arange(11) * 10, np.arange(11)

    def of(**options):
        return [(x.tolist(), y.tolist()) for x, y in iterate_batches(
            images, labels, 3, np.random.default_rng(1), **options)]

    assert of(first=first) == of()[first:] and len(of()) == 4


def test_shuffling_mixes_examples_not_the_starts_of_batches():
    labels, neighbours = np.arange(1000), []
    for _, y in iterate_batches(labels, labels, 10, np.random.default_rng(0)):
        neighbours.append(np.mean(np.diff(y) == 1))
    assert np.mean(neighbours) < 0.05
    one, two = (np.concatenate([y for _, y in iterate_batches(
        labels, labels, 10, np.random.default_rng(seed))]) for seed in (0, 1))
    assert np.mean(one == two) < 0.05


def test_each_epoch_is_shuffled_anew():
    images, labels = data(40)
    seen = []
    quiet(small(), images, labels, epochs=2, batch_size=40,
          augment=lambda x, rng: seen.append(x) or x)
    assert not np.array_equal(seen[0], seen[1])
    assert np.array_equal(np.sort(seen[0], axis=0), np.sort(seen[1], axis=0))


# The loop
TORCH_RUNS = {
    "sgd": ({"optimizer": "sgd", "lr": 0.1}, "SGD", {"lr": 0.1}, None),
    "momentum, step": ({"optimizer": lambda p: SGD(p, lr=0.05, momentum=0.9, weight_decay=0.01),
                        "schedule": "step"},
                       "SGD", {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01},
                       lambda torch, o, steps: torch.optim.lr_scheduler.StepLR(o, steps // 3)),
    "rmsprop": ({"optimizer": "rmsprop", "lr": 0.003}, "RMSprop", {"lr": 0.003}, None),
    "adam, cosine": ({"optimizer": "adam", "schedule": "cosine"}, "Adam", {"lr": 0.001},
                     lambda torch, o, steps: torch.optim.lr_scheduler.CosineAnnealingLR(
                         o, steps - 1)),
}


@pytest.mark.parametrize("make", [two_blocks, normalised])
@pytest.mark.parametrize("run", TORCH_RUNS)
def test_fit_equals_a_loop_written_in_pytorch(run, make):
    """Same weights, same batches, float64: every step's loss, and the weights at the end."""
    torch = need("torch")
    options, name, torch_options, schedule = TORCH_RUNS[run]
    model, epochs, batch_size, seed, count = make(), 3, 4, 5, 10
    rng = np.random.default_rng(1)
    images = rng.normal(size=(count, *model.input_shape))
    labels = rng.integers(0, model.shapes()[-1][0], count)
    twin = to_torch(torch, model)
    steps = epochs * math.ceil(count / batch_size)
    reference = getattr(torch.optim, name)(twin.parameters(), **torch_options)
    scheduler = schedule(torch, reference, steps) if schedule else None

    losses, right = [], 0
    for epoch in range(epochs):
        right = 0
        order = np.random.default_rng([seed, 0, epoch]).permutation(count)
        for start in range(0, count, batch_size):
            batch = order[start : start + batch_size]
            logits, y = twin(torch.tensor(images[batch])), torch.tensor(labels[batch])
            loss = torch.nn.functional.cross_entropy(logits, y)
            reference.zero_grad()
            loss.backward()
            reference.step()
            if scheduler and len(losses) < steps - 1:
                scheduler.step()
            losses.append(loss.item())
            right += int((logits.argmax(1) == y).sum())

    if callable(options["optimizer"]):
        options = options | {"optimizer": options["optimizer"](model.parameters())}
    history = quiet(model, images, labels, epochs=epochs, batch_size=batch_size, seed=seed,
                    **options)
    np.testing.assert_allclose(history.step_loss, losses, rtol=1e-9)
    assert history.accuracy[-1] == right / count
    assert history.lr[-1] == pytest.approx(reference.param_groups[0]["lr"], abs=1e-15)
    twin.eval()
    with torch.no_grad():
        np.testing.assert_allclose(model.predict(images), twin(torch.tensor(images)).numpy(),
                                   rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("engine", ["formula", "windows", "fast"])
def test_every_engine_trains_the_same_network(engine):
    digits = load_small_digits(28)
    results = {}
    for name in (engine, "vectorised"):
        model = two_blocks()
        history = quiet(model, digits.train_images[:6], digits.train_labels[:6], epochs=2,
                        batch_size=4, lr=0.03, engine=name, validation=2 / 6)
        results[name] = history, model.state()
    (ours, a), (theirs, b) = results[engine], results["vectorised"]
    np.testing.assert_allclose(ours.step_loss, theirs.step_loss, rtol=1e-9)
    np.testing.assert_allclose(ours.validation_loss, theirs.validation_loss, rtol=1e-9)
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=0, atol=1e-9 * np.abs(b[name]).max())


def test_training_does_not_ask_for_the_gradient_of_the_images():
    images, labels = data()
    model, asked = small(), []
    first = model.layers[0]

    def backward(dy, need_dx=True):
        asked.append(need_dx)
        return type(first).backward(first, dy, need_dx)

    first.backward = backward
    quiet(model, images, labels, batch_size=4)
    assert asked == [False, False]


def test_the_named_engine_is_the_one_that_computes():
    images, labels = data()
    model = small()
    seen = []
    quiet(model, images, labels, engine="formula",
          watch=lambda model, history: seen.append([layer.rung() for layer in model.layers]))
    assert seen == [["formula"] * 3]
    assert [layer.engine for layer in model.layers] == ["vectorised"] * 3


class Engines:
    """Notes for what the fast layout is asked, and lets it do its work."""

    def __init__(self, monkeypatch):
        self.calls = []
        for name in ("Trainer", "Predictor"):
            monkeypatch.setattr(fast, name, self.noting(name, getattr(fast, name)))

    def noting(self, name, do):
        return lambda *words, **options: self.calls.append(name) or do(*words, **options)

    def of(self, run):
        self.calls.clear()
        run()
        return self.calls


def test_who_computes_where_nobody_chose(monkeypatch):
    """From AT_SCALE examples on the fast layout; below it, and by one's own choice, the layers."""
    images, labels = data(AT_SCALE)
    few, held_out = slice(AT_SCALE - 1), data(3)
    engines, own = Engines(monkeypatch), small()
    own.use_engine("windows")
    assert engines.of(lambda: quiet(small(), images, labels)) == ["Trainer"]
    assert engines.of(lambda: quiet(small(), images[few], labels[few])) == []
    assert engines.of(lambda: quiet(small(), images, labels, engine="vectorised")) == []
    assert engines.of(lambda: quiet(own, images, labels)) == []
    assert engines.of(lambda: quiet(own, images, labels, engine="fast")) == ["Trainer"]
    assert own.layers[0].engine == "windows"
    assert engines.of(lambda: quiet(small(), images[:4], labels[:4], engine="fast",
                                    validation=held_out)) == ["Trainer", "Predictor"]
    assert engines.of(lambda: quiet(small(), images[:4], labels[:4], validation=held_out)) == []
    assert engines.of(lambda: evaluate(small(), images, labels)) == ["Predictor"]
    assert engines.of(lambda: evaluate(small(), images[few], labels[few])) == []
    assert engines.of(lambda: evaluate(own, images, labels)) == []
    assert engines.of(lambda: evaluate(small(), images, labels, engine="windows")) == []
    assert engines.of(lambda: evaluate(own, *data(), engine="fast")) == ["Predictor"]
    with pytest.raises(ValueError, match="evaluate: expected engine to be one of .*, fast, got 'q"):
        evaluate(own, images, labels, engine="quick")


def test_a_named_engine_judges_by_its_rungs_and_leaves_none_behind():
    model, seen = small(), []
    predict = type(model.layers[0]).predict
    model.layers[0].predict = lambda x: seen.append(model.layers[0].rung()) or predict(
        model.layers[0], x)
    evaluate(model, *data(), engine="formula")
    assert seen == ["formula"] and model.layers[0].engine == "vectorised"


def test_it_overfits_ten_images():
    digits = load_small_digits(28)
    images, labels = digits.train_images[:10], digits.train_labels[:10]
    model = two_blocks(dtype=np.float32)
    history = quiet(model, images, labels, epochs=25, batch_size=5, optimizer="adam", lr=0.005)
    assert evaluate(model, images, labels).accuracy == 1 and history.loss[-1] < 0.05


def test_the_first_loss_of_ten_classes_is_near_ln_10():
    digits = load_small_digits(28)
    model = two_blocks(dtype=np.float32)
    loss = evaluate(model, digits.train_images[:200], digits.train_labels[:200]).loss
    assert abs(loss - math.log(10)) < 0.7  # He's spread on the last layer adds a little
    for layer in (model.layers[-1].weight, model.layers[-1].bias):
        layer.data *= 0  # all classes alike: ln 10 to the last digit
    loss = evaluate(model, digits.train_images[:200], digits.train_labels[:200]).loss
    assert loss == pytest.approx(math.log(10), rel=1e-6)


def test_a_sigmoid_network_learns_lines():
    """S0's shape of network (filters, pool, one unit, sigmoid) on S2's lines."""
    images, labels = make_lines(np.random.default_rng(0))
    rng = np.random.default_rng(0)
    model = Sequential([Conv2D(1, 3, 3, rng=rng), ReLU(), MaxPool2D(2), Flatten(),
                        Dense(27, 1, rng=rng), Sigmoid()], input_shape=(1, 8, 8))
    kernel = model.layers[0].weight.data.copy()
    history = quiet(model, images[:200], labels[:200], epochs=15, batch_size=8, lr=0.1)
    assert history.loss[-1] < history.loss[0] / 2
    result = evaluate(model, images[200:], labels[200:])
    assert result.accuracy >= 0.95
    assert result.logits.shape == (40, 1) and result.predicted.shape == (40,)
    p = model.predict_proba(images[200:])[:, 0]
    right = np.where(labels[200:] == 1, p, 1 - p)
    assert result.loss == pytest.approx(-np.log(right).mean(), rel=1e-4)
    assert np.abs(model.layers[0].weight.data - kernel).max() > 0.01  # the filter learned too


def test_a_frozen_kernel_stays():
    images, labels = make_lines(np.random.default_rng(0), 20)
    rng = np.random.default_rng(0)
    model = Sequential([Conv2D(1, 1, 3, rng=rng), Flatten(), Dense(36, 2, rng=rng)])
    before = weights(model)
    quiet(model, images, labels, optimizer=SGD(model.layers[2].parameters(), lr=0.1))
    assert {name for name, value in weights(model).items() if value != before[name]} == {
        "2.weight", "2.bias"}


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_trains_by_its_name(loss):
    images, labels = data(40, classes=2)
    labels = (images[:, 0] > 0).astype(int)
    one = loss == "binary_cross_entropy"
    model = small(classes=1 if one else 2)
    targets = np.eye(2)[labels] if loss == "mean_squared_error" else labels
    history = quiet(model, images, targets, epochs=60, batch_size=10, lr=0.1, loss=loss)
    assert history.loss[-1] < history.loss[0] / 2
    result = evaluate(model, images, targets, loss=loss)
    assert result.accuracy == np.mean(model.predict_labels(images) == labels) >= 0.9
    assert result.loss == LOSSES[loss](model.predict(images), targets)[0]
    assert np.array_equal(result.labels, labels)


def test_targets_in_a_column_count_as_labels():
    """(N, 1) targets against (N,) answers must not be compared as a table of N x N."""
    images, labels = data(12, classes=2)
    rng = np.random.default_rng(0)
    model = Sequential([Dense(2, 1, rng=rng), Sigmoid()])
    histories = [quiet(Sequential([Dense(2, 1, rng=np.random.default_rng(0)), Sigmoid()]),
                       images, y, epochs=2, batch_size=5) for y in (labels, labels[:, None])]
    assert histories[0].accuracy == histories[1].accuracy
    assert evaluate(model, images, labels[:, None]).accuracy == evaluate(
        model, images, labels).accuracy


def test_the_default_loss_fits_the_output():
    images, labels = data(8, classes=2)
    for model, name in ((small(classes=2), "cross_entropy"),
                        (Sequential([Dense(2, 2)]), "cross_entropy"),
                        (Sequential([Dense(2, 1), Sigmoid()]), "binary_cross_entropy")):
        expected = LOSSES[name](model.predict(images), labels)[0]
        assert evaluate(model, images, labels).loss == expected
        assert quiet(model, images, labels, batch_size=8).step_loss[0] == pytest.approx(expected)


def test_a_loss_may_be_a_function():
    images, labels = data()
    seen = []

    def loss(logits, labels):
        seen.append(len(labels))
        value, dlogits = softmax_cross_entropy(logits, labels)
        return np.float64(10 * value), 10 * dlogits

    tenth, ten = small(), small()
    history = quiet(tenth, images, labels, loss=loss, lr=0.01, batch_size=3)
    quiet(ten, images, labels, lr=0.1, batch_size=3)
    assert seen == [3, 3, 1] and all(type(value) is float for value in history.step_loss)
    for name, array in ten.state().items():
        np.testing.assert_allclose(tenth.state()[name], array, rtol=1e-12)


# History
def test_history_has_an_entry_an_epoch_and_a_loss_a_step():
    images, labels = data(7)
    history = quiet(small(), images, labels, epochs=3, batch_size=3, validation=data(4, seed=1))
    assert history.epoch == [1, 2, 3] and len(history.step_loss) == 9
    for name in ("loss", "accuracy", "validation_loss", "validation_accuracy", "lr", "seconds"):
        entries = getattr(history, name)
        assert len(entries) == 3 and all(type(entry) is float for entry in entries)
    assert min(history.seconds) > 0 and not history.interrupted
    for epoch in range(3):  # the last batch has one example, not three
        first, second, third = history.step_loss[3 * epoch : 3 * epoch + 3]
        assert history.loss[epoch] == pytest.approx((3 * first + 3 * second + third) / 7)


def test_training_accuracy_is_counted_while_the_weights_move():
    images, labels = data(20)
    right = []

    def loss(logits, labels):
        right.extend(logits.argmax(axis=1) == labels)
        return softmax_cross_entropy(logits, labels)

    history = quiet(small(), images, labels, epochs=2, batch_size=8, lr=0.5, loss=loss)
    assert history.accuracy == [np.mean(right[:20]), np.mean(right[20:])]


def test_without_validation_there_is_none():
    history = quiet(small(), *data(), epochs=2)
    assert history.validation_loss == history.validation_accuracy == []


def test_history_survives_json():
    history = quiet(small(), *data(), epochs=2, validation=0.3)
    text = json.dumps(history.to_dict())
    again = History.from_dict(json.loads(text))
    assert again == history
    history.to_dict()["loss"].append(1.0)
    assert again == history
    assert set(json.loads(text)) == {"epoch", "loss", "accuracy", "validation_loss", "lr",
                                     "validation_accuracy", "seconds", "step_loss", "interrupted"}


# Validation
@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.99 - 1e-9])
def test_a_validation_split_is_disjoint_and_never_trained_on(fraction):
    images, labels = np.arange(50.0).reshape(50, 1), np.arange(50) % 3
    kept, kept_labels, (held, held_labels) = split_validation(images, labels, fraction, seed=4)
    assert len(held) == round(50 * fraction)
    assert sorted([*kept[:, 0], *held[:, 0]]) == list(range(50))
    assert np.array_equal(kept_labels, kept[:, 0] % 3)
    assert np.array_equal(held_labels, held[:, 0] % 3)
    assert not np.array_equal(held[:, 0], np.sort(held[:, 0])) or len(held) == 1

    trained = []
    model = Sequential([Dense(1, 3, dtype=float)])
    history = quiet(model, images, labels, epochs=2, batch_size=7, validation=fraction, seed=4,
                    lr=1e-6, augment=lambda x, rng: trained.extend(x[:, 0]) or x)
    assert sorted(trained) == sorted([*kept[:, 0], *kept[:, 0]])
    result = evaluate(model, held, held_labels)
    assert history.validation_loss[-1] == pytest.approx(result.loss, rel=1e-12)
    assert history.validation_accuracy[-1] == result.accuracy
    other = split_validation(images, labels, fraction, seed=5)[2][0]
    assert not np.array_equal(other, held)


def test_validation_does_not_change_training():
    images, labels = data(20)
    plain, checked = small(), small()
    model_with_norm = [normalised(), normalised()]
    quiet(plain, images, labels, epochs=2)
    quiet(checked, images, labels, epochs=2, validation=data(5, seed=9))
    assert weights(plain) == weights(checked)
    images = np.random.default_rng(0).normal(size=(6, 2, 9, 8))
    for model, validation in zip(model_with_norm, (None, (images + 5, np.zeros(6, int)))):
        quiet(model, images, np.arange(6) % 3, batch_size=3, validation=validation)
    assert weights(model_with_norm[0]) == weights(model_with_norm[1])


# Watching and stopping
def test_watch_must_be_a_function_before_anything_is_trained():
    model = small()
    before = model.state()
    with pytest.raises(ValueError, match=r"watch to be a function watch\(model, history\), got 5"):
        quiet(model, *data(7), watch=5)
    assert all(np.array_equal(before[name], array) for name, array in model.state().items())


def test_generators_of_dropout_are_the_users_afterwards():
    rng = np.random.default_rng(8)
    model = Sequential([Dropout(0.5, rng=rng), Dense(2, 3, rng=np.random.default_rng(0))])
    quiet(model, *data(7))
    assert model.layers[0].rng is rng and rng.random() == np.random.default_rng(8).random()


@pytest.mark.parametrize("pixels, message", [
    (-1, "pixels >= 0|at least 0"), (1.5, "pixels"), ("1", "pixels"), (None, "pixels"),
    (6, "less than the image's size, 6 x 7, got 6"), (10**6, "less than the image's size"),
])
def test_a_shift_is_less_than_the_image(pixels, message):
    with pytest.raises(ValueError, match=message):
        random_shift(np.zeros((2, 1, 6, 7)), np.random.default_rng(0), pixels)


def test_watch_sees_every_epoch_and_may_stop():
    seen = []

    def watch(model, history):
        seen.append((len(history.loss), len(history.validation_loss), model.output))
        return np.True_ if len(seen) == 3 else None

    history = quiet(small(), *data(), epochs=9, watch=watch, validation=0.3)
    assert seen == [(1, 1, "softmax"), (2, 2, "softmax"), (3, 3, "softmax")]
    assert len(history.loss) == 3 and not history.interrupted


@pytest.mark.parametrize("answer", [1, "stop", False, np.False_, np.ones(3), object()])
def test_only_true_stops(answer):
    assert len(quiet(small(), *data(), epochs=2, watch=lambda m, h: answer).loss) == 2
    assert len(quiet(small(), *data(), epochs=2, watch=lambda m, h: True).loss) == 1


class Interrupting(Layer):
    """Passes x on; raises at a given forward, or at a given prediction."""

    rungs = {"vectorised": (lambda x: (x, None), lambda dy, cache: dy)}

    def __init__(self, error, at=None, at_predict=None):
        self.error, self.at, self.at_predict, self.calls = error, at, at_predict, 0

    def forward(self, x):
        self.calls += 1
        if self.calls == self.at:
            raise self.error
        return super().forward(x)

    def predict(self, x):
        if self.at_predict:
            raise self.error
        return super().predict(x)


def test_ctrl_c_keeps_model_and_history():
    images, labels = data(7)
    model, plain = small(), small()
    model.layers.insert(1, Interrupting(KeyboardInterrupt(), at=8))  # in the middle of epoch 3
    seen = []
    history = quiet(model, images, labels, epochs=5, batch_size=3, validation=data(3, seed=1),
                    watch=lambda m, h: seen.append(len(h.loss)))
    assert history.interrupted and history.epoch == [1, 2] and seen == [1, 2]
    assert len(history.step_loss) == 7
    full = quiet(plain, images, labels, epochs=5, batch_size=3)
    assert history.step_loss == full.step_loss[:7] and history.loss == full.loss[:2]
    assert [layer.engine for layer in model.layers] == ["vectorised"] * 4
    again = quiet(model, images, labels, epochs=1, batch_size=3)  # it trains on
    assert not again.interrupted and again.loss[0] < history.loss[0]


def test_ctrl_c_during_validation_leaves_lists_of_one_length():
    model = small()
    model.layers.insert(1, Interrupting(KeyboardInterrupt(), at_predict=True))
    history = quiet(model, *data(), epochs=2, validation=data(3, seed=1))
    assert history.interrupted and len(history.step_loss) == 1
    assert history.epoch == history.loss == history.validation_loss == history.seconds == []


def test_the_real_ctrl_c():
    steps = itertools.count()

    def augment(x, rng):
        if next(steps) == 4:
            signal.raise_signal(signal.SIGINT)
        return x

    history = quiet(small(), *data(7), epochs=9, batch_size=3, augment=augment)
    assert history.interrupted and history.epoch == [1] and len(history.step_loss) == 4


@pytest.mark.parametrize("error", [ZeroDivisionError("mine"), KeyboardInterrupt()])
def test_engine_and_rate_are_as_before_even_after_errors(error):
    model = small()
    model.layers.insert(1, Interrupting(error, at=2))
    model.layers[0].engine = "windows"
    optimizer = Adam(model.parameters(), lr=0.25)
    options = {"engine": "formula", "schedule": "cosine", "epochs": 9, "optimizer": optimizer}
    if isinstance(error, KeyboardInterrupt):
        assert quiet(model, *data(), **options).interrupted
    else:
        with pytest.raises(ZeroDivisionError, match="mine"):
            quiet(model, *data(), **options)
    assert [layer.engine for layer in model.layers] == ["windows"] + ["vectorised"] * 3
    assert optimizer.lr == 0.25


# Learning rates
@pytest.mark.parametrize("name", SCHEDULES)
def test_named_schedules_run_over_all_steps(name):
    used = []

    class Spy(SGD):
        def step(self):
            used.append(self.lr)
            super().step()

    model = small()
    history = quiet(model, *data(7), epochs=4, batch_size=3, schedule=name,
                    optimizer=Spy(model.parameters(), lr=0.2))
    expected = [SCHEDULES[name](0.2, 12)(step) for step in range(12)]
    assert used == expected and history.lr == expected[2::3]
    middle = {"constant": 0.2, "step": 0.02, "cosine": None, "one_cycle": None}[name]
    assert middle is None or used[5] == pytest.approx(middle)


def test_a_schedule_may_be_a_function_and_lr_may_be_given():
    model = small()
    optimizer = SGD(model.parameters(), lr=0.1)
    history = quiet(model, *data(7), epochs=2, batch_size=7, optimizer=optimizer, lr=0.7)
    assert history.lr == [0.7, 0.7] and optimizer.lr == 0.7 and optimizer.steps == 2
    history = quiet(model, *data(7), epochs=2, batch_size=7, schedule=lambda step: np.float64(step))
    assert history.lr == [0.0, 1.0] and all(type(lr) is float for lr in history.lr)
    assert quiet(model, *data(7), schedule=None).lr == [0.01]  # SGD's own
    assert quiet(model, *data(7), optimizer="adam").lr == [0.001]


def test_an_optimizer_keeps_its_memory_between_two_calls():
    straight, twice = small(), small()
    images, labels = data(6)
    quiet(straight, images, labels, epochs=2, batch_size=6, optimizer="adam")
    optimizer = Adam(twice.parameters())
    for _ in range(2):
        quiet(twice, images, labels, epochs=1, batch_size=6, optimizer=optimizer)
    for name, array in straight.state().items():  # one batch: the order within it does not matter
        np.testing.assert_allclose(twice.state()[name], array, rtol=1e-9)


# Randomness
def test_the_same_seed_gives_the_same_run_and_another_one_another():
    def run(seed):
        rng = np.random.default_rng(0)
        model = Sequential([Dense(2, 8, rng=rng), Dropout(0.5), Dense(8, 3, rng=rng)])
        history = quiet(model, *data(20), epochs=2, batch_size=8, seed=seed, validation=0.2)
        return weights(model), history.step_loss

    assert run(1) == run(1) and run(1) != run(2)


def test_dropout_masks_differ_by_layer_and_step_and_come_again():
    class Spy(Dropout):
        def forward(self, x):
            y = super().forward(x)
            masks.append(self.memory[0] != 0)
            return y

    def run():
        model = Sequential([Spy(0.5), Spy(0.5), Dense(40, 2, rng=np.random.default_rng(0))])
        quiet(model, np.ones((6, 40)), np.zeros(6, int), epochs=2, batch_size=3)
        return [masks.pop(0) for _ in range(8)]

    masks = []
    first, second = run(), run()
    assert all(np.array_equal(a, b) for a, b in zip(first, second))
    for a, b in itertools.combinations(first, 2):
        assert 0.3 < np.mean(a == b) < 0.7  # unrelated


def test_masks_do_not_depend_on_how_a_batch_is_split():
    x = np.ones((5, 2, 3, 4))
    whole, parts = (Dropout(0.4, rng=np.random.default_rng([0, 100, 2, 3])) for _ in range(2))
    split = np.concatenate([parts.forward(x[:2]), parts.forward(x[2:])])
    assert np.array_equal(whole.forward(x), split)
    narrow = Dropout(0.4, rng=np.random.default_rng([0, 100, 2, 3])).forward(x.astype(np.float32))
    assert narrow.dtype == np.float32 and np.array_equal(narrow != 0, split != 0)


def test_augment_gets_each_batch_and_a_generator_of_its_own():
    images, labels = np.arange(12.0).reshape(6, 2), np.arange(6) % 3
    seen, draws = [], []

    def augment(x, rng):
        seen.append(x.copy())
        draws.append(rng.random())
        return np.zeros_like(x)

    model = small()
    model.layers[0].bias.data[:] = 1
    before = model.layers[0].weight.data.copy()
    history = quiet(model, images, labels, epochs=2, batch_size=4, augment=augment,
                    validation=(images, labels))
    assert [len(x) for x in seen] == [4, 2, 4, 2] and len(set(draws)) == 4
    assert sorted(np.concatenate(seen[:2])[:, 0]) == list(images[:, 0])
    assert np.array_equal(model.layers[0].weight.data, before)  # it saw zeros only
    assert history.validation_loss[-1] == evaluate(model, images, labels).loss  # not augmented


def test_a_number_of_pixels_shifts_training_images():
    images, labels = make_lines(np.random.default_rng(0), 8)
    for augment, moved in ((2, True), (0, False), (None, False), (False, False)):
        seen = []

        def loss(logits, labels):
            seen.append(logits.copy())
            return 0.0, np.zeros_like(logits)

        model = Sequential([Flatten(), Dense(64, 64, rng=np.random.default_rng(0), dtype=float)])
        model.layers[1].weight.data[...] = np.eye(64)
        quiet(model, images, labels, epochs=6, batch_size=8, augment=augment, loss=loss)
        same = [np.allclose(np.sort(x, axis=0), np.sort(images.reshape(8, 64), axis=0))
                for x in seen]
        assert all(same) != moved and len(seen) == 6


def test_each_image_is_shifted_by_itself_and_every_shift_is_drawn():
    images = np.zeros((200, 2, 5, 7), np.float32)
    images[:, 0, 2, 3], images[:, 1, 1, 2] = 1, 2
    shifted = random_shift(images, np.random.default_rng(0), 1)
    assert shifted.dtype == np.float32 and images[:, 0, 2, 3].all()
    places = [tuple(np.argwhere(image[0])[0]) for image in shifted]
    assert set(places) == {(i, j) for i in (1, 2, 3) for j in (2, 3, 4)}
    assert max(places.count(place) for place in set(places)) < 50  # 200 / 9 is 22
    for image, (i, j) in zip(shifted, places):  # the channels of an image go together
        assert image[1, i - 1, j - 1] == 2 and image.sum() == 3
    assert np.array_equal(random_shift(images, np.random.default_rng(0), 0), images)


# Numbers for people
def test_evaluate_equals_brute_force():
    model, (images, labels) = small(), data(23)
    before = weights(model)
    result = evaluate(model, images, labels, batch_size=5)
    rows = [model.predict(image[None])[0] for image in images]
    loss = np.mean([np.log(np.exp(row).sum()) - row[label] for row, label in zip(rows, labels)])
    right = sum(int(np.argmax(row) == label) for row, label in zip(rows, labels))
    assert result.loss == pytest.approx(loss, rel=1e-12) and type(result.loss) is float
    assert result.accuracy == right / 23 and result.count == 23
    assert result.interval == wilson_interval(right, 23)
    np.testing.assert_allclose(result.logits, rows, rtol=1e-12)
    assert list(result.predicted) == [np.argmax(row) for row in rows]
    assert list(result.labels) == list(labels) and weights(model) == before
    assert evaluate(model, images, labels.tolist()).accuracy == result.accuracy


@pytest.mark.parametrize("correct, n, low, high", [
    (195, 200, 94.3, 98.9), (25, 25, 86.7, 100.0), (0, 10, 0.0, 27.8), (81, 263, 25.5, 36.6)])
def test_wilson_gives_published_intervals(correct, n, low, high):
    """81 of 263: Newcombe (1998), method 3; 195 of 200 and 25 of 25: the course's seeds."""
    found = wilson_interval(correct, n)
    assert [round(100 * end, 1) for end in found] == [low, high]


@pytest.mark.parametrize("correct, n, z", [(3, 17, 1.96), (50, 50, 1.96), (0, 4, 2.58), (1, 2, 1)])
def test_wilson_ends_solve_the_score_equation(correct, n, z):
    """An end is where |correct/n - p| is z standard errors of p itself; found by halving."""
    def excess(p):
        return abs(correct / n - p) - z * math.sqrt(p * (1 - p) / n)

    def solve(inside, outside):
        for _ in range(200):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if excess(middle) <= 0 else (inside, middle)
        return inside

    nudge = 1e-12
    inside = min(max(correct / n, nudge), 1 - nudge)
    low, high = wilson_interval(correct, n, z)
    assert low == pytest.approx(solve(inside, 0.0) if correct else 0.0, abs=1e-9)
    assert high == pytest.approx(solve(inside, 1.0) if correct < n else 1.0, abs=1e-9)


def test_confusion_precision_and_recall_equal_brute_force(rng):
    labels, predicted = rng.integers(0, 4, (2, 200))
    confusion = confusion_matrix(labels, predicted)
    for true, answer in itertools.product(range(4), repeat=2):
        count = sum(1 for a, b in zip(labels, predicted) if (a, b) == (true, answer))
        assert confusion[true, answer] == count
    precision, recall = precision_recall(confusion)
    for k in range(4):
        hits = sum(1 for a, b in zip(labels, predicted) if a == b == k)
        assert precision[k] == hits / sum(1 for b in predicted if b == k)
        assert recall[k] == hits / sum(1 for a in labels if a == k)


def test_classes_that_never_came_are_not_a_number():
    confusion = confusion_matrix([0, 0, 1], [0, 1, 1], classes=4)
    assert confusion.shape == (4, 4) and confusion.sum() == 3
    precision, recall = precision_recall(confusion)
    np.testing.assert_array_equal(precision, [1, 0.5, np.nan, np.nan])
    np.testing.assert_array_equal(recall, [0.5, 1, np.nan, np.nan])


def test_small_integer_types_do_not_overflow():
    labels = np.array([19, 3, 19], np.uint8)
    confusion = confusion_matrix(labels, labels, classes=20)
    assert confusion[19, 19] == 2 and confusion[3, 3] == 1 and confusion.sum() == 3


def test_accuracy_is_the_fraction_of_right_answers():
    assert accuracy([1, 2, 3, 4], [1, 2, 0, 0]) == 0.5
    assert accuracy(np.array([1, 0, 1]), np.array([[1], [0], [0]])) == 2 / 3
    assert type(accuracy([1], [1])) is float


# Progress
def test_the_bar_is_text_on_stderr(capsys, monkeypatch):
    fit(small(), *data(7), epochs=2, batch_size=3)
    assert capsys.readouterr() == ("", ""), "a file gets no bar"
    notebooks = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})
    terminal = type("Terminal", (io.StringIO,), {"isatty": lambda self: True})
    for kind in (terminal, notebooks):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", kind())
            fit(small(), *data(7), epochs=2, batch_size=3)
            shown = sys.stderr.getvalue()
        assert "6" in shown and shown.isascii() and capsys.readouterr().out == ""
    quiet(small(), *data(7))
    assert capsys.readouterr() == ("", "")


# What it refuses
@pytest.mark.parametrize("options, message", [
    ({"epochs": 0}, "fit: epochs must be a whole number, at least 1, got 0"),
    ({"epochs": 1.5}, "fit: epochs must be .* got 1.5"),
    ({"batch_size": 0}, "fit: batch_size must be a whole number, at least 1, got 0"),
    ({"batch_size": "8"}, "fit: batch_size must be .* got '8'"),
    ({"seed": -1}, "fit: seed must be a whole number, at least 0, got -1"),
    ({"seed": None}, "fit: seed must be .* got None"),
    ({"optimizer": "sdg"}, "fit: expected optimizer to be one of sgd, rmsprop, adam or .*'sdg'"),
    ({"optimizer": SGD}, "fit: expected optimizer to be one of .* or an Optimizer, got <class"),
    ({"lr": -1}, "SGD: expected lr > 0, got -1"),
    ({"schedule": "cosin"}, "fit: expected schedule to be one of constant, step, .*'cosin'"),
    ({"schedule": 0.5}, "fit: expected schedule to be one of .* or a function .* got 0.5"),
    ({"loss": "entropy"}, "fit: expected loss to be one of cross_entropy, .*got 'entropy'"),
    ({"engine": "turbo"}, "fit: expected engine to be one of formula, windows, vectorised, fast, "
                          "got 'turbo'"),
    ({"augment": -1}, "fit: augment must be a whole number, at least 0, got -1"),
    ({"augment": "shift"}, "fit: augment must be .* got 'shift'"),
    ({"validation": 1.0}, r"validation to be \(images, labels\) or a fraction .*, got 1.0"),
    ({"validation": 0}, "fraction between 0 and 1, got 0"),
    ({"validation": "some"}, "fraction between 0 and 1, got 'some'"),
    ({"validation": (1, 2, 3)}, r"fraction between 0 and 1, got \(1, 2, 3\)"),
    ({"validation": (np.ones((2, 2)), [1])}, "fit, validation: expected as many labels as images, "
                                             "got 2 and 1"),
    ({"validation": ([], [])}, "fit, validation: expected at least one example, got none"),
    ({"validation": 0.01}, "fit: validation=0.01 of 7 examples leaves an empty part"),
    ({"validation": 0.99}, "fit: validation=0.99 of 7 examples leaves an empty part"),
])
def test_wrong_options_are_refused_before_anything_moves(options, message):
    model = small()
    before = weights(model)
    with pytest.raises(ValueError, match=message):
        quiet(model, *data(7), **options)
    assert weights(model) == before


def test_an_optimizer_of_another_network_is_refused():
    with pytest.raises(ValueError, match="optimizer of this network's parameters, got one of ano"):
        quiet(small(), *data(), optimizer=SGD(small().parameters()))
    model = small()
    with pytest.raises(ValueError, match="fit: expected lr > 0, got 0"):
        quiet(model, *data(), optimizer=SGD(model.parameters()), lr=0)


def test_a_network_that_cannot_learn_is_refused():
    with pytest.raises(ValueError, match="SGD: expected parameters to move, got none"):
        quiet(Sequential([ReLU()]), *data())


@pytest.mark.parametrize("call, message", [
    (lambda x, y: fit(small(), x, y[:3]), "fit: expected as many labels as images, got 7 and 3"),
    (lambda x, y: fit(small(), x[:0], y[:0]), "fit: expected at least one example, got none"),
    (lambda x, y: evaluate(small(), x, y[:3]), "evaluate: expected as many .* got 7 and 3"),
    (lambda x, y: evaluate(small(), x[:0], y[:0]), "evaluate: expected at least one example"),
    (lambda x, y: evaluate(small(), x, y, loss="squares"),
     "evaluate: expected loss to be one of .* got 'squares'"),
    (lambda x, y: list(iterate_batches(x, y[:3], 2)), "iterate_batches: expected as many labels"),
    (lambda x, y: list(iterate_batches(x, y, 0)), "iterate_batches: batch_size must be .* got 0"),
    (lambda x, y: accuracy([1, 2], [1]), "accuracy: expected as many .* got 2 and 1"),
    (lambda x, y: accuracy([], []), "accuracy: expected at least one example, got none"),
    (lambda x, y: confusion_matrix([0, 1], [0]), "confusion_matrix: expected as many"),
    (lambda x, y: confusion_matrix([0, 5], [0, 1], classes=3),
     r"confusion_matrix: expected classes 0..2, got labels 0..5, predicted 0..1"),
    (lambda x, y: confusion_matrix([0, 1], [-1, 1]), r"predicted -1..1"),
    (lambda x, y: confusion_matrix([0.0, 1.0], [0, 1]), "integers, got float64 and int64"),
    (lambda x, y: precision_recall(np.ones((2, 3))), r"confusion matrix \(K, K\), got \(2, 3\)"),
    (lambda x, y: precision_recall(np.ones(4)), r"confusion matrix \(K, K\), got \(4,\)"),
    (lambda x, y: wilson_interval(0, 0), "expected 0 <= correct <= n and n >= 1, got 0 of 0"),
    (lambda x, y: wilson_interval(5, 4), "got 5 of 4"),
    (lambda x, y: wilson_interval(-1, 4), "got -1 of 4"),
    (lambda x, y: random_shift(np.ones((4, 4)), None), r"random_shift: expected images .*\(4, 4\)"),
])
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(*data(7))


def test_labels_out_of_range_are_named():
    with pytest.raises(ValueError, match="expected labels 0..2 for 3 classes, got 3"):
        quiet(small(), data()[0], np.full(7, 3))


def test_batch_norm_trains_and_predicts_by_its_running_statistics():
    rng = np.random.default_rng(0)
    images, labels = make_lines(rng, 60)
    model = Sequential([Conv2D(1, 4, 3, rng=rng), BatchNorm2D(4), ReLU(), MaxPool2D(2), Flatten(),
                        Dense(36, 2, rng=rng), Softmax()], input_shape=(1, 8, 8))
    quiet(model, images, labels, epochs=6, batch_size=10, lr=0.1, validation=0.2)
    assert evaluate(model, images, labels).accuracy >= 0.95
    assert np.all(model.buffers()["1.running_var"] != 1)
