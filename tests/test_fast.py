"""The fast layout: the same numbers as the layers and as PyTorch, whatever the network."""

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from conftest import need

from course_lib import fast, fused, losses, optim
from course_lib.conv import conv2d, conv2d_backward
from course_lib.data import load_mnist, load_small_digits
from course_lib.layers import (
    AvgPool2D, BatchNorm2D, Conv2D, Dense, Dropout, Flatten, GlobalAvgPool2D, Layer, LeakyReLU,
    MaxPool2D, ReLU, Sigmoid, Softmax, Tanh,
)
from course_lib.model import Sequential
from course_lib.pool import max_pool2d, max_pool2d_backward
from course_lib.shapes import resolve_windows

ROOT = Path(__file__).parents[1]
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
    monkeypatch.setattr(fast, "FEW", 1)  # most go in bands
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
        need("numba")
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


def test_the_columns_apart_are_the_convolution_and_the_pool_ties_included():
    rng = np.random.default_rng(2)
    for _ in range(500):
        (N, C, F), (KH, KW), step = rng.integers(1, 5, 3), rng.integers(1, 6, 2), rng.integers(1, 4)
        padding = tuple((int(a), int(b)) for a, b in rng.integers(0, 3, (2, 2)))
        H = int(max(1, KH + step - sum(padding[0])) + rng.integers(0, 7))
        W = int(max(1, KW + 1 - sum(padding[1])) + rng.integers(0, 7))
        convolution = Conv2D(C, F, (KH, KW), (step, 1), padding, bias=False)
        convolution.weight.data = rng.integers(-2, 3, (F, C, KH, KW)).astype(float)
        x = rng.integers(-3, 4, (N, C, H, W)).astype(float)
        y, cache = conv2d(x, convolution.weight.data, None, (step, 1), padding)
        expected, pool_cache = max_pool2d(y, 2)
        dy = rng.normal(size=expected.shape)
        _, dweight, _ = conv2d_backward(max_pool2d_backward(dy, pool_cache), cache)
        model = Sequential([convolution, MaxPool2D(2)])
        (stage,) = fast.stages_of(model, fused=False)
        assert type(stage) is fast.ConvolveApart
        pooled, memory = stage.forward(fast.to_columns(x))
        np.testing.assert_array_equal(fast.to_images(pooled), expected)
        np.testing.assert_array_equal(fast.to_images(stage.infer(fast.to_columns(x))), expected)
        assert stage.backward(fast.to_columns(dy), memory, False) is None
        np.testing.assert_allclose(convolution.weight.grad, dweight, atol=1e-11)


def test_columns_are_put_apart_only_where_that_is_the_same():
    def first(*layers):
        return type(fast.stages_of(Sequential(list(layers)), fused=False)[0]).__name__

    assert first(Conv2D(1, 2, 3), MaxPool2D(2)) == "ConvolveApart"
    assert first(Conv2D(1, 2, 3), MaxPool2D(3)) == "Convolve"
    assert first(Conv2D(1, 2, 3), MaxPool2D(2, 1)) == "Convolve"
    assert first(Conv2D(1, 2, 3), MaxPool2D(2, padding=1)) == "Convolve"
    assert first(Conv2D(1, 2, 3, stride=2), MaxPool2D(2)) == "Convolve"
    assert first(Conv2D(1, 2, 3), Sigmoid(), MaxPool2D(2)) == "Convolve"
    assert first(Conv2D(1, 2, 3), AvgPool2D(2)) == "Convolve"
    assert first(ReLU(), Conv2D(1, 2, 3), MaxPool2D(2)) == "ReLU"


@pytest.mark.parametrize("N", [1, 3, 8, 9])
def test_a_dense_layer_of_few_images_goes_piece_by_piece(N, monkeypatch):
    rng = np.random.default_rng(N)
    dense = Dense(190, 5, rng=rng, dtype=np.float64)
    stage = fast.Dense(dense)
    assert len(stage.pieces(N)) == 1  # small as it is
    monkeypatch.setattr(fast, "UNPACKED", 5 * 31 * N)
    assert len(stage.pieces(N)) == 1  # short pieces cost more than they gain
    monkeypatch.setattr(fast, "UNPACKED", 5 * 40 * N)
    assert [len(range(190)[some]) for some in stage.pieces(N)] == (
        [40, 40, 40, 40, 30] if N <= fast.FEW else [190])
    x, dy = rng.normal(size=(N, 190)), rng.normal(size=(N, 5))
    y, memory = stage.forward(fast.to_columns(x))
    dx = stage.backward(fast.to_columns(dy), memory, True)
    np.testing.assert_allclose(fast.to_images(y), x @ dense.weight.data, atol=1e-12)
    np.testing.assert_allclose(fast.to_images(dx), dy @ dense.weight.data.T, atol=1e-12)
    np.testing.assert_allclose(dense.weight.grad, x.T @ dy, atol=1e-12)


def test_a_predictor_plans_once_and_reads_the_weights_at_each_call():
    rng = np.random.default_rng(0)
    model = Sequential([Conv2D(1, 2, 3, rng=rng, dtype=np.float64), ReLU(), MaxPool2D(2),
                        Flatten(), Dense(8, 3, rng=rng, dtype=np.float64)], (1, 6, 6))
    predictor, images = fast.Predictor(model, fused=False), rng.normal(size=(5, 1, 6, 6))
    for size in (1, 2, 40):
        np.testing.assert_allclose(predictor(images, size), model.predict(images), atol=1e-12)
    model.layers[0].weight.data *= -2
    np.testing.assert_allclose(predictor(images), model.predict(images), atol=1e-12)
    assert predictor(images[:0]).shape == (0, 3)
    for bad in (images[0, 0], images[:, :, :, :5], images.astype(complex)):
        with pytest.raises(ValueError) as by_layers:
            model.predict(bad)
        with pytest.raises(ValueError) as by_plan:
            predictor(bad)
        assert str(by_layers.value) == str(by_plan.value)


@pytest.mark.parametrize("with_fused", [False, True])
@pytest.mark.parametrize("N", [1, 8, 9, 40])
@pytest.mark.parametrize("activation", [ReLU, lambda: LeakyReLU(0.2), None])
def test_few_images_and_many_go_the_same_way_through_a_wide_layer(activation, N, with_fused):
    if with_fused:
        need("numba")

    def build():
        rng = {"rng": np.random.default_rng(1), "dtype": np.float64}
        layers = [Conv2D(1, 16, 3, **rng), ReLU(), Conv2D(16, 32, 3, padding=1, **rng),
                  *([activation()] if activation else []), MaxPool2D(2), Flatten(),
                  Dense(32 * 3 * 2, 4, **rng)]
        for layer in (layers[0], layers[2]):
            layer.bias.data = rng["rng"].normal(size=layer.bias.data.shape)
        return Sequential(layers, (1, 9, 7))

    rng = np.random.default_rng(N)
    images, labels = rng.normal(size=(N, 1, 9, 7)), rng.integers(0, 4, N)
    slow, quick = build(), build()
    trainer = fast.Trainer(quick, losses.softmax_cross_entropy, with_fused)
    assert any(isinstance(stage, fast.ConvolvePool) for stage in trainer.stages)
    _, logits = trainer(images, labels)
    expected = slow.forward(images)
    slow.backward(losses.softmax_cross_entropy(expected, labels)[1], need_dx=False)
    np.testing.assert_allclose(logits, expected, atol=1e-10)
    np.testing.assert_allclose(fast.predict(quick, images, fused=with_fused), expected, atol=1e-10)
    for name, parameter in slow.parameters().items():
        np.testing.assert_allclose(quick.parameters()[name].grad, parameter.grad, atol=1e-10,
                                   err_msg=name)


# Three networks, as in the benchmark: S4's, a wide one, S1's; and one with everything else
def net_a(dtype):
    rng = {"rng": np.random.default_rng(0), "dtype": dtype}
    return Sequential([Conv2D(1, 8, 3, padding=1, **rng), ReLU(), MaxPool2D(2),
                       Conv2D(8, 16, 3, padding=1, **rng), ReLU(), MaxPool2D(2), Flatten(),
                       Dense(784, 10, **rng), Softmax()], (1, 28, 28))


def net_b(dtype):
    rng = {"rng": np.random.default_rng(0), "dtype": dtype}
    return Sequential([Conv2D(1, 32, 3, **rng), ReLU(), Conv2D(32, 64, 3, **rng), ReLU(),
                       MaxPool2D(2), Flatten(), Dense(9216, 128, **rng), ReLU(),
                       Dense(128, 10, **rng), Softmax()], (1, 28, 28))


def net_c(dtype):
    rng = {"rng": np.random.default_rng(0), "dtype": dtype}
    return Sequential([Conv2D(1, 16, 3, padding=1, **rng), ReLU(), MaxPool2D(2), Flatten(),
                       Dense(3136, 128, **rng), ReLU(), Dense(128, 10, **rng), Softmax()],
                      (1, 28, 28))


def net_d(dtype):
    rng = {"rng": np.random.default_rng(0), "dtype": dtype}
    return Sequential([Conv2D(1, 6, (3, 5), (2, 1), (1, 2), **rng), BatchNorm2D(6, dtype=dtype),
                       LeakyReLU(0.1), MaxPool2D(3, 2, 1), Conv2D(6, 8, 1, bias=False, **rng),
                       Tanh(), AvgPool2D(2, padding=1, count_include_pad=False), Flatten(),
                       Dense(8 * 4 * 8, 10, **rng), Softmax()], (1, 28, 28))


def in_torch(torch, model, dtype):
    """The same network in PyTorch, and its parameters in our order."""
    nn, made, found = torch.nn, [], []
    for layer in model.layers:
        kind = type(layer).__name__
        if kind == "Conv2D":
            (sides, _), (left, _) = layer.padding
            made.append(nn.Conv2d(layer.in_channels, layer.out_channels, layer.kernel_size,
                                  layer.stride, (sides, left), bias=layer.bias is not None))
        elif kind == "Dense":
            made.append(nn.Linear(layer.in_features, layer.out_features))
        elif kind == "BatchNorm2D":
            made.append(nn.BatchNorm2d(layer.channels, layer.eps, layer.momentum))
        elif kind == "MaxPool2D":
            made.append(nn.MaxPool2d(layer.kernel_size, layer.stride, layer.padding[0][0]))
        elif kind == "AvgPool2D":
            made.append(nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding[0][0],
                                     count_include_pad=layer.count_include_pad))
        elif kind == "LeakyReLU":
            made.append(nn.LeakyReLU(layer.alpha))
        else:
            made.append({"ReLU": nn.ReLU, "Tanh": nn.Tanh, "Flatten": nn.Flatten}[kind]())
        for name, parameter in layer.parameters().items():
            theirs = getattr(made[-1], name)
            data = parameter.data.T if kind == "Dense" else parameter.data
            theirs.data = torch.tensor(np.ascontiguousarray(data), dtype=dtype)
            found.append(theirs)
    return nn.Sequential(*made).to(dtype), found


@pytest.mark.parametrize("with_fused", [False, True])
@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("build", [net_a, net_b, net_c, net_d])
def test_five_steps_equal_pytorch_and_the_layers(build, precision, with_fused):
    torch = need("torch")
    if with_fused:
        need("numba")
    tolerance = {"float32": 1e-5, "float64": 1e-10}[precision]
    # Noise and enlarged digits have near ties: rounding in float32 decides who is the maximum.
    if precision == "float32":
        need("mnist")
    digits = load_mnist() if precision == "float32" else load_small_digits(28)
    quick, slow = build(precision), build(precision)
    twin, theirs = in_torch(torch, quick, getattr(torch, precision))
    trainer = fast.Trainer(quick, losses.softmax_cross_entropy, with_fused)
    steps = [optim.SGD(model.parameters(), lr=0.02, momentum=0.5) for model in (quick, slow)]
    descent = torch.optim.SGD(twin.parameters(), lr=0.02, momentum=0.5)
    for k in range(5):
        images = digits.train_images[44 * k : 44 * k + 44].astype(precision)
        labels = digits.train_labels[44 * k : 44 * k + 44]
        for step in [*steps, descent]:
            step.zero_grad()
        ours, _ = trainer(images, labels)
        reference, dlogits = losses.softmax_cross_entropy(slow.forward(images), labels)
        slow.backward(dlogits, need_dx=False)
        expected = torch.nn.functional.cross_entropy(
            twin(torch.tensor(images)), torch.tensor(labels))
        expected.backward()
        for step in [*steps, descent]:
            step.step()
        assert ours == pytest.approx(expected.item(), rel=tolerance)
        assert ours == pytest.approx(reference, rel=tolerance)
    for (name, parameter), other, layer in zip(
            quick.parameters().items(), theirs, slow.parameters().values(), strict=True):
        other = other.detach().numpy()
        other = other.T if other.shape != parameter.data.shape or other.ndim == 2 else other
        assert distance(other, parameter.data) <= tolerance, name
        assert distance(layer.data, parameter.data) <= tolerance, name
    for name, buffer in quick.buffers().items():
        assert distance(slow.buffers()[name], buffer) <= tolerance


# What it does not take
class Doubled(Layer):
    """A layer of one's own, with a parameter: y = 2 x + shift."""

    def __init__(self, dtype=np.float64):
        from course_lib.layers import Parameter

        self.weight = Parameter(np.ones(1, dtype))

    def forward(self, x):
        self.memory = "used"
        return 2 * x + self.weight.data

    predict = forward

    def backward(self, dy, need_dx=True):
        self.weight.grad += dy.sum()
        return 2 * dy


class Upside(MaxPool2D):
    """A pool that somebody changed: it keeps the smallest value."""

    def compute(self, x):
        y, cache = super().compute(-x)
        return -y, cache


def mixed():
    rng = {"rng": np.random.default_rng(0), "dtype": np.float64}
    shaky = ReLU()
    plain = shaky.forward
    shaky.forward = lambda x: plain(x) + 1  # changed on this one object
    return Sequential([Conv2D(2, 3, 3, **rng), Doubled(), Upside(2), shaky, Flatten(),
                       Dense(3 * 3 * 2, 4, **rng)], (2, 8, 6))


@pytest.mark.parametrize("N", [1, 5])
def test_layers_of_ones_own_compute_themselves(N, monkeypatch):
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(N, 2, 8, 6)), rng.integers(0, 4, N)
    slow, quick, found = train_both(mixed, images, labels, losses.softmax_cross_entropy, 3, 2,
                                    monkeypatch)
    for value, value_fast, logits, logits_fast in found:
        assert value == pytest.approx(value_fast, rel=1e-12)
    for name, array in slow.state().items():
        np.testing.assert_allclose(quick.state()[name], array, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(fast.predict(quick, images), slow.predict(images), atol=1e-12)


def test_a_loss_of_ones_own_sees_the_whole_batch(monkeypatch):
    seen = []

    def spread(logits, labels):  # not a mean over examples: parts of it do not add up
        seen.append(len(logits))
        centred = logits - logits.mean(axis=0)
        return float((centred**2).sum()), 2 * centred

    images, labels = np.random.default_rng(0).normal(size=(9, 1, 28, 28)), np.zeros(9, int)
    slow, quick, found = train_both(lambda: net_a(np.float64), images, labels, spread, 2, 2,
                                    monkeypatch)
    assert set(seen) == {9}
    for name, array in slow.state().items():
        np.testing.assert_allclose(quick.state()[name], array, rtol=1e-9, atol=1e-12)


def test_gradients_are_added_and_inputs_left_alone():
    rng = np.random.default_rng(0)
    images, labels = rng.random((40, 1, 28, 28)), rng.integers(0, 10, 40)
    kept = images.copy(), labels.copy()
    for build in (net_a, net_b, net_c):
        model = build(np.float64)
        trainer = fast.Trainer(model, losses.softmax_cross_entropy)
        trainer(images, labels)
        once = {name: p.grad.copy() for name, p in model.parameters().items()}
        trainer(images, labels)
        for name, parameter in model.parameters().items():
            np.testing.assert_allclose(parameter.grad, 2 * once[name], rtol=1e-9, atol=1e-14)
    assert np.array_equal(images, kept[0]) and np.array_equal(labels, kept[1])


def test_two_layers_may_share_a_parameter():
    rng = np.random.default_rng(0)

    def build():
        layers = [Dense(6, 6, rng=np.random.default_rng(k), dtype=np.float64) for k in (1, 2)]
        layers[1].weight = layers[0].weight
        return Sequential([layers[0], Tanh(), layers[1]], (6,))

    x, labels, gradients = rng.normal(size=(5, 6)), rng.integers(0, 6, 5), []
    slow, quick = build(), build()
    logits = slow.forward(x)
    slow.backward(losses.softmax_cross_entropy(logits, labels)[1], need_dx=False)
    fast.Trainer(quick, losses.softmax_cross_entropy)(x, labels)
    for ours, theirs in zip(quick.parameters().values(), slow.parameters().values()):
        np.testing.assert_allclose(ours.grad, theirs.grad, rtol=1e-10)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
def test_types_are_those_of_the_layers(dtype):
    images = np.random.default_rng(0).integers(0, 3, (5, 1, 28, 28)).astype(dtype)
    for precision in (np.float32, np.float64):
        model = net_a(precision)
        expected = model.forward(images)
        _, logits = fast.Trainer(model, losses.softmax_cross_entropy)(images, [1, 2, 3, 4, 5])
        assert logits.dtype == expected.dtype == fast.predict(model, images).dtype
        assert all(p.grad.dtype == precision for p in model.parameters().values())
        np.testing.assert_allclose(logits, expected, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("images, labels", [
    (np.zeros((28, 28)), [0]), (np.zeros((2, 3, 28, 28)), [0, 1]), (np.zeros((2, 1, 4, 4)), [0, 1]),
    (np.zeros((2, 1, 28, 28)), [0, 10]), (np.zeros((2, 1, 28, 28)), [0]),
    (np.zeros((0, 1, 28, 28)), []), (np.zeros((2, 1, 28, 28), complex), [0, 1]),
    (np.zeros((2, 1, 28, 28)), [0, 1, 2]), (np.zeros((2, 1, 28, 28), object), [0, 1]),
])
def test_what_cannot_work_is_refused_in_the_layers_words(images, labels):
    model = net_a(np.float32)
    with pytest.raises(ValueError) as expected:
        logits = model.forward(images)
        losses.softmax_cross_entropy(logits, labels)
    trainer = fast.Trainer(model, losses.softmax_cross_entropy)
    trainer(np.zeros((2, 1, 28, 28)), [0, 1])
    with pytest.raises(ValueError) as ours:
        trainer(images, labels)
    assert str(ours.value) == str(expected.value)


def test_a_batch_norm_with_one_value_a_channel_is_refused_by_name():
    model = Sequential([Conv2D(1, 2, 3), BatchNorm2D(2), Flatten(), Dense(2, 3)], (1, 3, 3))
    with pytest.raises(ValueError, match="^BatchNorm2D.2.: expected at least two values"):
        fast.Trainer(model, losses.softmax_cross_entropy)(np.zeros((1, 1, 3, 3)), [0])


@pytest.mark.parametrize("change, got", [
    (lambda d: d[:, :2], "(3, 2)"), (lambda d: d.T, "(4, 3)"), (lambda d: d[0], "(4,)"),
])
def test_a_wrong_gradient_from_a_loss_is_refused_in_the_layers_words(change, got):
    def loss(logits, labels):
        value, dlogits = losses.softmax_cross_entropy(logits, labels)
        return value, change(dlogits)

    model = Sequential([Flatten(), Dense(8, 4, rng=np.random.default_rng(0))])
    images, labels = np.zeros((3, 1, 2, 4)), np.arange(3)
    told = []
    for compute in (fast.Trainer(model, loss), lambda x, t: model.backward(
            loss(model.forward(x), t)[1])):
        with pytest.raises(ValueError, match="upstream gradient dy") as error:
            compute(images, labels)
        told.append(str(error.value))
    assert told[0] == told[1] and f"got {got}" in told[0]


def test_a_gradient_may_be_a_list_as_for_the_layers():
    model = Sequential([Flatten(), Dense(8, 4, rng=np.random.default_rng(0))])
    images, labels = np.random.default_rng(0).random((3, 1, 2, 4)), np.arange(3)
    fast.Trainer(model, losses.softmax_cross_entropy)(images, labels)
    expected = model.layers[1].weight.grad.copy()
    model.layers[1].weight.grad[...] = 0

    def listed(logits, labels):
        value, dlogits = losses.softmax_cross_entropy(logits, labels)
        return value, dlogits.tolist()

    fast.Trainer(model, listed)(images, labels)
    assert np.array_equal(model.layers[1].weight.grad, expected)


def test_a_call_that_failed_leaves_no_statistics_behind():
    def run(*labels):
        model = Sequential([BatchNorm2D(2, group_size=2), Flatten(),
                            Dense(8, 3, rng=np.random.default_rng(0))])
        trainer = fast.Trainer(model, losses.softmax_cross_entropy)
        for some in labels:
            try:
                trainer(np.random.default_rng(len(some)).normal(size=(len(some), 2, 2, 2)), some)
            except ValueError:
                continue
        return model.layers[0].running_mean

    good, bad = np.array([0, 1, 2, 0]), np.array([0, 9])
    assert np.array_equal(run(bad, good), run(good)) and run(good).any()


def test_a_layer_that_predicts_otherwise_is_asked(monkeypatch):
    model = Sequential([Conv2D(1, 2, 3, rng=np.random.default_rng(0)), ReLU(), Flatten()])
    images = np.random.default_rng(1).normal(size=(3, 1, 5, 5))
    monkeypatch.setattr(model.layers[1], "predict", lambda x: 3 * x, raising=False)
    assert np.allclose(fast.predict(model, images), model.predict(images))
    assert (fast.predict(model, images) < 0).any()


def test_the_memory_of_a_step():
    """Floors of what was promised, beyond data, parameters and gradients, batch 128."""
    rng = np.random.default_rng(0)
    images = rng.random((128, 1, 28, 28), dtype=np.float32)
    labels = rng.integers(0, 10, 128)
    for build, limit in ((net_a, 10), (net_c, 24), (net_b, 64)):
        model = build(np.float32)
        trainer = fast.Trainer(model, losses.softmax_cross_entropy)
        trainer(images, labels)
        tracemalloc.start()
        trainer(images, labels)
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        assert peak <= limit, f"{build.__name__}: {peak:.1f} MiB"


def test_without_numba_nothing_is_missing(monkeypatch):
    monkeypatch.setattr(fused, "numba", None)
    assert not fast.with_numba()
    assert not any(type(s).__module__ == "course_lib.fused" for s in fast.stages_of(net_a("f4")))
    code = ("import sys; sys.modules['numba'] = None; import numpy as np\n"
            "from course_lib import fast, fused; from course_lib.layers import *\n"
            "from course_lib.model import Sequential\n"
            "m = Sequential([Conv2D(1, 2, 3), ReLU(), MaxPool2D(2), Flatten(), Dense(8, 2)])\n"
            "print(fast.with_numba(), fast.predict(m, np.zeros((3, 1, 6, 6))).shape)")
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True,
                            text=True, check=True)
    assert result.stdout == "False (3, 2)\n" and result.stderr == ""


def test_a_broken_numba_is_none(tmp_path):
    (tmp_path / "numba").mkdir()
    (tmp_path / "numba" / "__init__.py").write_text("raise OSError('no shared object')")
    script = ("import sys, numpy as np; from course_lib import fast; "
              "from course_lib.model import Sequential; from course_lib.layers import Flatten; "
              "fast.predict(Sequential([Flatten()]), np.zeros((2, 1, 2, 2))); "
              "print(fast.with_numba(), 'course_lib.fused' in sys.modules)")
    for forbidden, said in (("1", "False True"), ("0", "False False")):
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                              cwd=ROOT, env={**os.environ, "PYTHONPATH": str(tmp_path),
                                             "COURSE_FUSED": forbidden})
        assert done.stdout.strip() == said, done.stderr


def test_numba_is_used_where_it_is_and_can_be_forbidden(monkeypatch):
    need("numba")
    monkeypatch.delenv("COURSE_FUSED", raising=False)
    names = [type(s).__name__ for s in fast.stages_of(net_b("f4"))]
    assert names == ["Convolve", "BiasReLU", "ConvolvePoolBiasReLU", "Flatten", "Dense", "BiasReLU",
                     "Dense", "AddBias"]
    monkeypatch.setenv("COURSE_FUSED", "0")
    names = [type(s).__name__ for s in fast.stages_of(net_a("f4"))]
    assert names == ["ConvolveApart", "AddBias", "ReLU", "Convolve", "MaxPool", "AddBias", "ReLU",
                     "Flatten", "Dense", "AddBias"]


@pytest.mark.parametrize("N", [1, 5, 40])
def test_a_fused_pool_before_flatten_lays_its_maps_as_flatten_wants_them(N):
    need("numba")
    model, rng = net_c(np.float64), np.random.default_rng(0)
    images, labels = rng.normal(size=(N, 1, 28, 28)), rng.integers(0, 10, N)
    plain, fuse = (fast.Trainer(model, losses.softmax_cross_entropy, fused=with_numba)
                   for with_numba in (False, True))
    place = [type(stage).__name__ for stage in fuse.stages].index("Flatten")
    pool, flatten = fuse.stages[place - 1 : place + 1]
    y, cache = pool.forward(rng.normal(size=(9, 16, 7, N)))
    flat, shape = flatten.forward(y)
    assert np.shares_memory(flat, y) and np.array_equal(flat.reshape(16, 4, 3, N), y.swapaxes(0, 1))
    back = rng.normal(size=flat.shape)
    dy = flatten.backward(back, shape, True)
    assert np.shares_memory(dy, back)
    assert np.array_equal(dy, back.reshape(16, 4, 3, N).swapaxes(0, 1))
    other = pool.backward(dy.copy(order="C"), cache, True)  # each uses its dy up
    assert np.array_equal(pool.backward(dy, cache, True), other)
    found = []
    for trainer in (plain, fuse):
        for parameter in model.parameters().values():
            parameter.grad[...] = 0
        trainer(images, labels)
        found.append([parameter.grad.copy() for parameter in model.parameters().values()])
    assert all(np.allclose(a, b, rtol=0, atol=1e-12) for a, b in zip(*found))


def test_what_commutes_with_a_maximum_and_what_does_not():
    def names(*layers):
        return [type(s).__name__ for s in fast.stages_of(Sequential(list(layers)), fused=False)]

    pool = MaxPool2D(3, 1)
    assert names(Conv2D(1, 2, 3), LeakyReLU(0.1), pool) == [
        "Convolve", "MaxPool", "AddBias", "ReLU"]
    assert names(Conv2D(1, 2, 3), LeakyReLU(-0.1), pool) == [
        "Convolve", "AddBias", "ReLU", "MaxPool"]
    assert names(Conv2D(1, 2, 3), Tanh(), pool) == ["Convolve", "AddBias", "Tanh", "MaxPool"]
    assert names(Conv2D(1, 2, 3), BatchNorm2D(2), ReLU(), pool) == [
        "Convolve", "AddBias", "BatchNorm", "MaxPool", "ReLU"]
    assert names(Conv2D(1, 2, 3), Dropout(0.5), pool) == [
        "Convolve", "AddBias", "Dropout", "MaxPool"]
    assert names(Conv2D(1, 2, 3), AvgPool2D(2)) == ["Convolve", "AddBias", "AvgPool"]
