"""The fast layout: the same numbers as the layers and as PyTorch, whatever the network."""

import numpy as np
import pytest

from course_lib import fast, losses, optim
from course_lib.conv import conv2d, conv2d_backward
from course_lib.layers import (
    AvgPool2D, BatchNorm2D, Conv2D, Dense, Dropout, Flatten, GlobalAvgPool2D, LeakyReLU, MaxPool2D,
    ReLU, Sigmoid, Softmax, Tanh,
)
from course_lib.model import Sequential
from course_lib.shapes import resolve_windows

LOSSES = [losses.softmax_cross_entropy, losses.hinge, lambda z, t: losses.hinge(z, t, "crammer")]


def random_network(seed, dtype):
    """Layers, sizes, strides and paddings drawn at random; no pool that ties could decide."""
    rng = np.random.default_rng(seed)
    options = {"rng": np.random.default_rng(seed), "dtype": dtype}

    def draw(low, high):
        return int(rng.integers(low, high + 1))

    def windows(H, W, most_padding=2):
        kernel = (draw(1, min(4, H)), draw(1, min(4, W)))
        padding = [draw(0, most_padding), (draw(0, 1), draw(0, 2)), "same", "valid",
                   ((draw(0, 2), draw(0, 1)), (draw(0, 1), draw(0, 3)))][draw(0, 4)]
        return kernel, (draw(1, 3), draw(1, 3)), padding

    def small(kernel, padding):  # a pool's padding is at most half its kernel
        return padding if isinstance(padding, str) and padding == "valid" else tuple(
            (draw(0, k // 2), draw(0, k // 2)) for k in kernel)

    shape = (draw(1, 3), draw(4, 9), draw(4, 9))
    layers, input_shape, groups = [], shape, [None, 1, 2, 3][draw(0, 3)]
    for _ in range(draw(1, 6)):
        C, H, W = shape
        kernel, stride, padding = windows(H, W)
        activation = [ReLU, LeakyReLU, Tanh, Sigmoid, lambda: LeakyReLU(-0.3)][draw(0, 4)]
        layer = [
            lambda: Conv2D(C, draw(1, 5), kernel, stride, padding, bias=bool(draw(0, 1)),
                           **options),
            lambda: Conv2D(C, draw(1, 4), 3, 1, 1, **options),
            activation, activation,
            lambda: MaxPool2D(kernel, stride, small(kernel, padding)),
            lambda: MaxPool2D(min(2, H, W)),
            lambda: AvgPool2D(kernel, stride, small(kernel, padding), bool(draw(0, 1))),
            lambda: BatchNorm2D(C, group_size=groups, dtype=dtype),
            lambda: Dropout(0.3, rng=np.random.default_rng(seed)),
        ][draw(0, 8)]()
        if isinstance(layer, BatchNorm2D) and H * W < 2:
            continue
        layers.append(layer)
        shape = tuple(layer.output_shape(shape))
    if draw(0, 2) or isinstance(layers[-1:] and layers[-1], BatchNorm2D):  # whose mean is 0
        layers.append(Flatten())
        size = int(np.prod(shape))
    else:
        layers.append(GlobalAvgPool2D())
        size = shape[0]
    if draw(0, 1):
        layers += [Dense(size, 7, bias=bool(draw(0, 1)), **options), ReLU()]
        size = 7
    layers.append(Dense(size, 4, **options))
    return Sequential(layers, input_shape)


def restart_dropout(model, step):
    for k, layer in enumerate(model.layers):
        if isinstance(layer, Dropout):
            layer.rng = np.random.default_rng([step, k])


def train_both(build, images, labels, loss, steps, micro, monkeypatch, heavy=None, fused=False):
    """Two equal networks, one by the layers and one by the fast layout; return both and losses."""
    monkeypatch.setattr(fast, "MICRO", micro)
    if heavy is not None:
        monkeypatch.setattr(fast, "HEAVY", heavy)
    slow, quick = build(), build()
    trainer, found = fast.Trainer(quick, loss, fused), []
    optimizers = [optim.SGD(model.parameters(), lr=0.05) for model in (slow, quick)]
    for step in range(steps):
        for model, optimizer in zip((slow, quick), optimizers):
            restart_dropout(model, step)
            optimizer.zero_grad()
        logits = slow.forward(images)
        value, dlogits = loss(logits, labels)
        slow.backward(dlogits, need_dx=False)
        value_fast, logits_fast = trainer(images, labels)
        for optimizer in optimizers:
            optimizer.step()
        found.append((value, value_fast, logits, logits_fast))
    return slow, quick, found


def distance(a, b):
    """The largest difference, measured in the largest number (at least 1)."""
    return np.abs(a - b).max() / max(1.0, np.abs(a).max()) if a.size else 0.0


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("seed", range(300))
def test_random_networks_train_as_the_layers_do(seed, fused, monkeypatch):
    if fused:
        pytest.importorskip("numba")
    rng = np.random.default_rng([seed, 1])
    shape = random_network(seed, np.float64).input_shape
    N = int(rng.integers(1, 9))
    images, labels = rng.normal(size=(N, *shape)), rng.integers(0, 4, N)
    before = images.copy()
    loss = LOSSES[seed % len(LOSSES)]
    slow, quick, found = train_both(lambda: random_network(seed, np.float64), images, labels, loss,
                                    3, int(rng.integers(1, 6)), monkeypatch, seed % 2 * 10**6,
                                    fused)
    assert np.array_equal(images, before)
    for value, value_fast, logits, logits_fast in found:
        assert abs(value - value_fast) <= 1e-10 * max(1, abs(value))
        assert distance(logits, logits_fast) <= 1e-10
    for (name, ours), theirs in zip(slow.state().items(), quick.state().values()):
        assert distance(ours, theirs) <= 1e-10, name
    assert distance(slow.predict(images), fast.predict(quick, images, 3, fused)) <= 1e-9
