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
from course_lib.pool import max_pool2d, max_pool2d_backward
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
    monkeypatch.setattr(fast, "WIDE", 6)
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


def sizes(rng):
    """Windows of any kind, more padding than kernel included."""
    KH, KW = (int(k) for k in rng.integers(1, 5, 2))
    stride = tuple(int(s) for s in rng.integers(1, 4, 2))
    padding = tuple((int(a), int(b)) for a, b in rng.integers(0, 5, (2, 2)))
    H = int(rng.integers(max(1, KH - sum(padding[0])), 9))
    W = int(rng.integers(max(1, KW - sum(padding[1])), 9))
    return H, W, (KH, KW), stride, padding


def test_the_convolution_is_the_layers_whatever_the_windows():
    rng = np.random.default_rng(0)
    for _ in range(2000):
        H, W, kernel, stride, padding = sizes(rng)
        N, C, F = (int(n) for n in rng.integers(1, 4, 3))
        x, weight = rng.normal(size=(N, C, H, W)), rng.normal(size=(F, C, *kernel))
        expected, cache = conv2d(x, weight, None, stride, padding)
        dy = rng.normal(size=expected.shape)
        dx, dweight, _ = conv2d_backward(dy, cache)
        where = resolve_windows((H, W), kernel, stride, padding)
        y, windows = fast.conv(fast.to_columns(x), weight, where)
        dx_fast, dweight_fast = fast.conv_backward(
            fast.to_columns(dy), windows, weight, (H, W), where)
        case = f"{x.shape} {weight.shape} {where}"
        np.testing.assert_allclose(fast.to_images(y), expected, atol=1e-12, err_msg=case)
        np.testing.assert_allclose(fast.to_images(dx_fast), dx, atol=1e-12, err_msg=case)
        np.testing.assert_allclose(dweight_fast, dweight, atol=1e-12, err_msg=case)


def test_the_bands_are_the_convolution_and_the_pool_ties_included():
    rng = np.random.default_rng(1)
    for _ in range(500):
        (N, C, F), (KH, KW) = rng.integers(1, 6, 3), rng.integers(1, 5, 2)
        H, W = KH + rng.integers(1, 9), KW + rng.integers(1, 9)
        x = rng.integers(-3, 4, (N, C, H, W)).astype(float)
        weight = rng.integers(-2, 3, (F, C, KH, KW)).astype(float)
        y, cache = conv2d(x, weight)
        expected, pool_cache = max_pool2d(y, 2)
        dy = rng.normal(size=expected.shape)
        dx, dweight, _ = conv2d_backward(max_pool2d_backward(dy, pool_cache), cache)
        columns = fast.to_columns(x)
        pooled, notes = fast.conv_pool_bands(columns, weight)
        dx_fast, dweight_fast = fast.conv_pool_bands_backward(
            fast.to_columns(dy), columns, notes, weight)
        np.testing.assert_array_equal(fast.to_images(pooled), expected)
        np.testing.assert_allclose(fast.to_images(dx_fast), dx, atol=1e-11)
        np.testing.assert_allclose(dweight_fast, dweight, atol=1e-11)
