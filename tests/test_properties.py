"""Laws that hold for every input: 71 properties by hypothesis, and two that walk all operations.

Sizes and seeds are drawn by hypothesis, values by NumPy from the seed. Uneven sizes, strides
that do not divide, batches of one and kernels as large as the image all come up.
"""

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from course_lib import config, conv, losses, pointwise, pool
from course_lib.augment import random_shift
from course_lib.conv import conv2d, conv2d_backward
from course_lib.doors import HINGES
from course_lib.layers import (
    AvgPool2D, BatchNorm2D, Conv2D, Dense, Dropout, Flatten, GlobalAvgPool2D, LeakyReLU,
    MaxPool2D, ReLU, Sigmoid, Softmax, Tanh,
)
from course_lib.model import Sequential
from course_lib.optim import cosine, one_cycle, step_decay
from course_lib.pool import (
    avg_pool2d, avg_pool2d_backward, global_avg_pool2d, max_pool2d, max_pool2d_backward,
)
from course_lib.shapes import output_size, receptive_field, resolve_windows
from course_lib.train import (
    accuracy, confusion_matrix, iterate_batches, precision_recall, wilson_interval,
)

quick = settings(max_examples=20, deadline=None)
sizes = st.integers(1, 4)
seeds = st.integers(0, 2**32 - 1)


def values(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def close(a, b, scale=1e-11):
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape
    np.testing.assert_allclose(a, b, rtol=scale, atol=scale * max(1.0, np.abs(b).max(initial=0)))


def inner(a, b):
    return float((np.asarray(a) * np.asarray(b)).sum())


class Case(NamedTuple):
    """One convolution or pooling: images, weights, an upstream gradient, and how it is done."""

    x: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    stride: tuple
    padding: tuple
    seed: int

    def conv(self, x=None, weight=None, bias=None):
        x = self.x if x is None else x
        weight = self.weight if weight is None else weight
        return conv2d(x, weight, bias, self.stride, self.padding)[0]


@st.composite
def cases(draw, stride=None, padding=None):
    kernel = draw(st.tuples(sizes, sizes))
    if padding is None:
        padding = tuple(draw(st.tuples(st.integers(0, k // 2), st.integers(0, k // 2)))
                        for k in kernel)
    extra = draw(st.tuples(st.integers(0, 4), st.integers(0, 4)))
    H, W = (max(1, k - sum(p) + more) for k, p, more in zip(kernel, padding, extra))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) if stride is None else stride
    N, C, F, seed = draw(sizes), draw(sizes), draw(sizes), draw(seeds)
    x, weight = values(seed, N, C, H, W), values(seed + 1, F, C, *kernel)
    return Case(x, weight, values(seed + 2, F), stride, padding, seed)


PLAIN = {"stride": (1, 1), "padding": ((0, 0), (0, 0))}


def as_rung(rung, function, *arrays, **options):
    """Call a rung: the formula gets nested lists."""
    if rung == "formula":
        arrays = [None if array is None else array.tolist() for array in arrays]
    return function(*arrays, **options)


# Convolution
@pytest.mark.parametrize("rung", conv.RUNGS)
@quick
@given(cases(), st.floats(-3, 3))
def test_convolution_is_linear_in_x(rung, case, a):
    forward, _ = conv.RUNGS[rung]
    other = values(case.seed + 3, *case.x.shape)
    how = {"stride": case.stride, "padding": case.padding}
    together, one, two = (
        np.array(as_rung(rung, forward, x, case.weight, **how)[0])
        for x in (a * case.x + other, case.x, other))
    close(together, a * one + two)


@quick
@given(cases(), st.floats(-3, 3))
def test_convolution_is_linear_in_the_weight(case, a):
    other = values(case.seed + 3, *case.weight.shape)
    close(case.conv(weight=a * case.weight + other),
          a * case.conv() + case.conv(weight=other))


@quick
@given(cases())
def test_a_bias_raises_its_whole_map(case):
    difference = case.conv(bias=case.bias) - case.conv()
    close(difference, np.broadcast_to(case.bias[:, None, None], difference.shape))


@pytest.mark.parametrize("rung", conv.RUNGS)
@quick
@given(cases())
def test_convolution_backward_is_the_adjoint(rung, case):
    """⟨dy, conv x⟩ = ⟨dx, x⟩ = ⟨dweight, weight⟩, and ⟨dbias, bias⟩ is what the bias adds."""
    forward, backward = conv.RUNGS[rung]
    y, cache = as_rung(rung, forward, case.x, case.weight, case.bias,
                       stride=case.stride, padding=case.padding)
    y, without = np.array(y), case.conv()
    dy = values(case.seed + 3, *y.shape)
    dx, dweight, dbias = backward(dy.tolist() if rung == "formula" else dy, cache)
    assert np.shape(dx) == case.x.shape and np.shape(dweight) == case.weight.shape
    close(inner(dx, case.x), inner(dy, without))
    close(inner(dweight, case.weight), inner(dy, without))
    close(inner(dbias, case.bias), inner(dy, y - without))


@quick
@given(cases())
def test_the_weight_gradient_does_not_depend_on_need_dx(case):
    y, cache = conv2d(case.x, case.weight, case.bias, case.stride, case.padding)
    dy = values(case.seed, *y.shape)
    dx, dweight, dbias = conv2d_backward(dy, cache, need_dx=False)
    assert dx is None
    for got, full in zip((dweight, dbias), conv2d_backward(dy, cache)[1:]):
        assert np.array_equal(got, full)


@quick
@given(cases(**PLAIN), st.integers(0, 3), st.integers(0, 3))
def test_shifting_the_image_shifts_the_maps_inside_the_border(case, down, right):
    y = case.conv()
    OH, OW = y.shape[2:]
    assume(down < OH and right < OW)
    moved = case.conv(np.roll(case.x, (down, right), axis=(2, 3)))
    close(moved[:, :, down:, right:], y[:, :, : OH - down, : OW - right])


@quick
@given(cases(padding=((0, 0), (0, 0))))
def test_shifting_by_the_stride_moves_every_value_one_place(case):
    y = case.conv()
    moved = case.conv(np.roll(case.x, case.stride, axis=(2, 3)))
    close(moved[:, :, 1:, 1:], y[:, :, :-1, :-1])


@quick
@given(cases())
def test_a_stride_is_subsampling(case):
    full = conv2d(case.x, case.weight, None, 1, case.padding)[0]
    close(case.conv(), full[:, :, :: case.stride[0], :: case.stride[1]])


@quick
@given(cases())
def test_a_batch_gives_what_its_images_give_alone(case):
    close(case.conv(), np.concatenate([case.conv(x[None]) for x in case.x]))


@quick
@given(cases())
def test_gradients_of_a_batch_are_the_sum_of_its_images(case):
    def gradients(x, dy):
        _, cache = conv2d(x, case.weight, case.bias, case.stride, case.padding)
        return conv2d_backward(dy, cache)[1:]

    dy = values(case.seed, *case.conv().shape)
    singles = [gradients(case.x[n : n + 1], dy[n : n + 1]) for n in range(len(dy))]
    for whole, parts in zip(gradients(case.x, dy), zip(*singles)):
        close(whole, sum(parts))


@quick
@given(sizes, sizes, sizes, sizes, sizes, seeds)
def test_a_1x1_convolution_is_a_dense_layer_at_every_pixel(N, C, F, H, W, seed):
    x, weight = values(seed, N, C, H, W), values(seed + 1, F, C, 1, 1)
    pixels = x.transpose(0, 2, 3, 1).reshape(-1, C)
    y = pointwise.dense(pixels, weight[:, :, 0, 0].T)[0]
    close(conv2d(x, weight)[0], y.reshape(N, H, W, F).transpose(0, 3, 1, 2))


@quick
@given(sizes, sizes, sizes, sizes, sizes, seeds)
def test_a_kernel_as_large_as_the_image_is_a_dense_layer(N, C, F, H, W, seed):
    x, weight = values(seed, N, C, H, W), values(seed + 1, F, C, H, W)
    y = pointwise.dense(x.reshape(N, -1), weight.reshape(F, -1).T)[0]
    close(conv2d(x, weight)[0], y[:, :, None, None])


@quick
@given(sizes, sizes, st.integers(1, 6), st.integers(1, 6), st.sampled_from([1, 3, 5]), seeds)
def test_a_one_in_the_middle_of_the_kernel_changes_nothing(N, C, H, W, k, seed):
    x, weight = values(seed, N, C, H, W), np.zeros((C, C, k, k))
    weight[np.arange(C), np.arange(C), k // 2, k // 2] = 1
    close(conv2d(x, weight, padding="same")[0], x)


@quick
@given(cases())
def test_padding_is_a_convolution_of_the_padded_image(case):
    padded = np.pad(case.x, ((0, 0), (0, 0), *case.padding))
    close(case.conv(), conv2d(padded, case.weight, None, case.stride, "valid")[0])


@quick
@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_channels_does_not_matter(case, random):
    order = random.sample(range(case.x.shape[1]), case.x.shape[1])
    close(case.conv(case.x[:, order], case.weight[:, order]), case.conv())


@quick
@given(cases(), st.randoms(use_true_random=False))
def test_reordering_filters_reorders_maps(case, random):
    order = random.sample(range(len(case.weight)), len(case.weight))
    close(case.conv(weight=case.weight[order]), case.conv()[:, order])


@quick
@given(cases())
def test_channels_add_up(case):
    channels = range(case.x.shape[1])
    parts = [case.conv(case.x[:, [c]], case.weight[:, [c]]) for c in channels]
    close(case.conv(), sum(parts))


@quick
@given(cases(**PLAIN))
def test_turning_image_and_kernel_turns_the_map(case):
    close(case.conv(case.x[:, :, ::-1, ::-1], case.weight[:, :, ::-1, ::-1]),
          case.conv()[:, :, ::-1, ::-1])


@quick
@given(cases())
def test_rows_and_columns_are_treated_alike(case):
    turned = conv2d(case.x.swapaxes(2, 3), case.weight.swapaxes(2, 3), None,
                    case.stride[::-1], case.padding[::-1])[0]
    close(turned, case.conv().swapaxes(2, 3))


@quick
@given(cases(**PLAIN))
def test_convolution_gradients_are_convolutions(case):
    """dweight = x ⋆ dy; dx = the full cross-correlation of dy with the turned kernel."""
    y, cache = conv2d(case.x, case.weight)
    dy = values(case.seed + 3, *y.shape)
    dx, dweight, _ = conv2d_backward(dy, cache)
    seen = conv2d(case.x.swapaxes(0, 1), dy.swapaxes(0, 1))[0]
    close(dweight, seen.swapaxes(0, 1))
    KH, KW = case.weight.shape[2:]
    turned = case.weight.swapaxes(0, 1)[:, :, ::-1, ::-1]
    close(dx, conv2d(dy, turned, padding=(KH - 1, KW - 1))[0])


# Sizes
@quick
@given(st.integers(1, 30), st.integers(1, 6), st.integers(1, 5), st.integers(0, 3),
       st.integers(0, 3))
def test_output_size_counts_the_windows(size, kernel, stride, before, after):
    assume(size + before + after >= kernel)
    starts = [s for s in range(-before, size + after, stride) if s + kernel <= size + after]
    assert output_size(size, kernel, stride, (before, after)) == len(starts)


@quick
@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 6), st.integers(1, 5))
def test_same_padding_gives_a_window_a_stride(H, W, kernel, stride):
    where = resolve_windows((H, W), kernel, stride, "same")
    assert where.output == (math.ceil(H / stride), math.ceil(W / stride))
    for before, after in where.padding:
        assert after - before in (0, 1)


@quick
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 2)), min_size=1, max_size=3))
def test_the_receptive_field_spans_what_changes_an_output(layers):
    """Light one pixel at a time and see which move the first output; a stride may leave gaps."""
    size = 24
    x = np.eye(size).reshape(size, 1, 1, size)  # one image an impulse
    for kernel, stride in layers:
        x = conv2d(x, np.ones((1, 1, 1, kernel)), stride=(1, stride))[0]
    touched = np.flatnonzero(x[:, 0, 0, 0])
    assert touched[0] == 0 and touched[-1] == receptive_field(layers) - 1


# Pooling
@pytest.mark.parametrize("count_include_pad", [True, False])
@pytest.mark.parametrize("rung", pool.AVG_RUNGS)
@quick
@given(case=cases())
def test_average_pooling_backward_is_the_adjoint(rung, count_include_pad, case):
    forward, backward = pool.AVG_RUNGS[rung]
    y, cache = as_rung(rung, forward, case.x, kernel_size=case.weight.shape[2:],
                       stride=case.stride, padding=case.padding,
                       count_include_pad=count_include_pad)
    dy = values(case.seed, *np.shape(y))
    dx = backward(dy.tolist() if rung == "formula" else dy, cache)
    close(inner(dx, case.x), inner(dy, y))


@quick
@given(cases(padding=((0, 0), (0, 0))))
def test_the_average_lies_between_the_smallest_and_the_largest(case):
    kernel = case.weight.shape[2:]
    average = avg_pool2d(case.x, kernel, case.stride)[0]
    assert np.all(max_pool2d(case.x, kernel, case.stride)[0] >= average - 1e-12)
    assert np.all(-max_pool2d(-case.x, kernel, case.stride)[0] <= average + 1e-12)


@quick
@given(cases(), st.floats(0.1, 3), st.floats(-2, 2))
def test_max_pooling_commutes_with_growing_functions(case, scale, shift):
    def maximum(x):
        return max_pool2d(x, case.weight.shape[2:], case.stride, case.padding)[0]

    assert np.array_equal(maximum(scale * case.x + shift), scale * maximum(case.x) + shift)
    assert np.array_equal(maximum(pointwise.leaky_relu(case.x, 0.1)[0]),
                          pointwise.leaky_relu(maximum(case.x), 0.1)[0])
    assert np.array_equal(maximum(pointwise.relu(case.x)[0]), pointwise.relu(maximum(case.x))[0])


@pytest.mark.parametrize("rung", pool.MAX_RUNGS)
@quick
@given(case=cases())
def test_max_pooling_passes_the_whole_gradient_on(rung, case):
    """Nothing is lost or doubled, ties included, and only maxima receive."""
    forward, backward = pool.MAX_RUNGS[rung]
    x = np.round(case.x)  # many ties
    y, cache = as_rung(rung, forward, x, kernel_size=case.weight.shape[2:], stride=case.stride,
                       padding=case.padding)
    dy = np.abs(values(case.seed, *np.shape(y)))
    dx = np.array(backward(dy.tolist() if rung == "formula" else dy, cache))
    close(dx.sum(axis=(2, 3)), dy.sum(axis=(2, 3)))
    assert np.isin(x[dx > 0], y).all()
    close(inner(dx, x), inner(dy, y))  # the maximum of each window, once


@quick
@given(cases())
def test_average_pooling_passes_the_whole_gradient_on(case):
    y, cache = avg_pool2d(case.x, case.weight.shape[2:], case.stride, case.padding,
                          count_include_pad=False)
    dy = values(case.seed, *y.shape)
    close(avg_pool2d_backward(dy, cache).sum(axis=(2, 3)), dy.sum(axis=(2, 3)))


@quick
@given(cases())
def test_average_pooling_is_a_convolution_of_each_channel(case):
    KH, KW = case.weight.shape[2:]
    kernel = np.full((1, 1, KH, KW), 1 / (KH * KW))
    channels = [conv2d(case.x[:, [c]], kernel, None, case.stride, case.padding)[0]
                for c in range(case.x.shape[1])]
    close(avg_pool2d(case.x, (KH, KW), case.stride, case.padding)[0],
          np.concatenate(channels, axis=1))


@quick
@given(cases())
def test_an_average_that_ignores_padding_keeps_a_flat_image_flat(case):
    y, _ = avg_pool2d(np.full_like(case.x, 2.5), case.weight.shape[2:], case.stride,
                      case.padding, count_include_pad=False)
    close(y, np.full_like(y, 2.5))


@quick
@given(cases())
def test_the_global_average_is_one_window_over_all(case):
    close(global_avg_pool2d(case.x)[0], avg_pool2d(case.x, case.x.shape[2:])[0][:, :, 0, 0])


@quick
@given(sizes, sizes, st.integers(1, 3), st.integers(1, 3), st.integers(0, 4), seeds)
def test_two_max_pools_make_a_larger_one(N, C, first, second, extra, seed):
    x = values(seed, N, C, first + second + extra, first + second)
    twice = max_pool2d(max_pool2d(x, first, 1)[0], second, 1)[0]
    assert np.array_equal(twice, max_pool2d(x, first + second - 1, 1)[0])


@quick
@given(cases(), st.randoms(use_true_random=False))
def test_pooling_treats_images_and_channels_alone(case, random):
    order = random.sample(range(case.x.shape[1]), case.x.shape[1])
    for operation in (max_pool2d, avg_pool2d):
        y = operation(case.x, case.weight.shape[2:], case.stride, case.padding)[0]
        again = operation(case.x[::-1][:, order], case.weight.shape[2:], case.stride,
                          case.padding)[0]
        assert np.array_equal(again, y[::-1][:, order])


@quick
@given(cases())
def test_pools_of_one_pixel_only_pick(case):
    for operation in (max_pool2d, avg_pool2d):
        picked = operation(case.x, 1, case.stride)[0]
        assert np.array_equal(picked, case.x[:, :, :: case.stride[0], :: case.stride[1]])


# Dense, flatten, activations
@pytest.mark.parametrize("rung", pointwise.RUNGS["dense"])
@quick
@given(N=sizes, inputs=sizes, outputs=sizes, seed=seeds)
def test_dense_backward_is_the_adjoint(rung, N, inputs, outputs, seed):
    forward, backward = pointwise.RUNGS["dense"][rung]
    x, weight = values(seed, N, inputs), values(seed + 1, inputs, outputs)
    y, cache = as_rung(rung, forward, x, weight)
    dy = values(seed + 2, N, outputs)
    dx, dweight, dbias = backward(dy.tolist() if rung == "formula" else dy, cache)
    close(inner(dx, x), inner(dy, y))
    close(inner(dweight, weight), inner(dy, y))
    assert dbias is None


@quick
@given(sizes, sizes, sizes, sizes, seeds)
def test_two_dense_layers_are_one(N, inputs, middle, outputs, seed):
    x, first, second = (values(seed, N, inputs), values(seed + 1, inputs, middle),
                        values(seed + 2, middle, outputs))
    close(pointwise.dense(pointwise.dense(x, first)[0], second)[0],
          pointwise.dense(x, first @ second)[0])


@pytest.mark.parametrize("rung", pointwise.RUNGS["flatten"])
@quick
@given(N=sizes, C=sizes, H=sizes, W=sizes, seed=seeds)
def test_flatten_there_and_back(rung, N, C, H, W, seed):
    forward, backward = pointwise.RUNGS["flatten"][rung]
    x = values(seed, N, C, H, W)
    y, cache = as_rung(rung, forward, x)
    assert np.array_equal(y, x.reshape(N, -1))
    assert np.array_equal(backward(y, cache), x)


@quick
@given(sizes, sizes, seeds)
def test_relu_twice_is_relu(N, K, seed):
    x = values(seed, N, K)
    y = pointwise.relu(x)[0]
    assert np.array_equal(pointwise.relu(y)[0], y)
    assert np.array_equal(y - pointwise.relu(-x)[0], x)


@quick
@given(sizes, sizes, seeds)
def test_leaky_relu_lies_between_relu_and_nothing(N, K, seed):
    x = values(seed, N, K)
    assert np.array_equal(pointwise.leaky_relu(x, alpha=1)[0], x)
    assert np.array_equal(pointwise.leaky_relu(x, alpha=0)[0], pointwise.relu(x)[0])


@quick
@given(st.lists(st.floats(-800, 800), min_size=1, max_size=5))
def test_sigmoid_is_symmetric(numbers):
    x = np.array(numbers)
    close(pointwise.sigmoid(-x)[0], 1 - pointwise.sigmoid(x)[0])


@quick
@given(st.lists(st.floats(-50, 50), min_size=1, max_size=5))
def test_tanh_is_a_stretched_sigmoid(numbers):
    x = np.array(numbers)
    close(pointwise.tanh(x)[0], 2 * pointwise.sigmoid(2 * x)[0] - 1)


@quick
@given(sizes, sizes, st.floats(-1e6, 1e6), seeds)
def test_softmax_does_not_see_a_shift(N, K, shift, seed):
    x = values(seed, N, K)
    close(pointwise.softmax(x + shift)[0], pointwise.softmax(x)[0], 1e-8)


@quick
@given(sizes, sizes, st.floats(0, 500), seeds)
def test_softmax_rows_are_probabilities(N, K, scale, seed):
    y = pointwise.softmax(scale * values(seed, N, K))[0]
    assert np.all((y >= 0) & (y <= 1))
    close(y.sum(axis=1), np.ones(N))


@quick
@given(sizes, sizes, seeds, st.randoms(use_true_random=False))
def test_softmax_treats_classes_alike(N, K, seed, random):
    order, x = random.sample(range(K), K), values(seed, N, K)
    y = pointwise.softmax(x)[0]
    close(pointwise.softmax(x[:, order])[0], y[:, order])
    assert np.array_equal(np.argsort(x, axis=1), np.argsort(y, axis=1))


@quick
@given(sizes, sizes, seeds)
def test_log_softmax_is_the_logarithm_of_softmax(N, K, seed):
    x = 3 * values(seed, N, K)
    close(pointwise.log_softmax(x)[0], np.log(pointwise.softmax(x)[0]))


@quick
@given(sizes, sizes, seeds)
def test_softmax_gradients_cannot_raise_all_scores(N, K, seed):
    x, dy = values(seed, N, K), values(seed + 1, N, K)
    for name in ("softmax", "log_softmax"):
        _, cache = getattr(pointwise, name)(x)
        dx = getattr(pointwise, f"{name}_backward")(dy, cache)
        close(dx.sum(axis=1), np.zeros(N))


# Dropout and batch norm
@quick
@given(sizes, sizes, seeds)
def test_dropout_of_nothing_changes_nothing(N, K, seed):
    x = values(seed, N, K)
    y, keep = pointwise.dropout(x, 0, np.random.default_rng(seed))
    assert np.array_equal(y, x)
    assert np.array_equal(pointwise.dropout_backward(x, keep), x)


@quick
@given(st.floats(0, 0.9), seeds)
def test_dropout_keeps_the_mean(p, seed):
    count = 20_000
    y, _ = pointwise.dropout(np.ones((count, 1)), p, np.random.default_rng(seed))
    kept = y[y != 0]
    close(kept, np.full(len(kept), 1 / (1 - p)))
    spread = math.sqrt(p / (1 - p) / count)  # of the mean of `count` such values
    assert abs(y.mean() - 1) <= 6 * spread + 1e-12


@quick
@given(sizes, sizes, st.floats(0, 0.9), seeds)
def test_dropout_backward_is_the_adjoint(N, K, p, seed):
    x, dy = values(seed, N, K), values(seed + 1, N, K)
    y, keep = pointwise.dropout(x, p, np.random.default_rng(seed))
    close(inner(pointwise.dropout_backward(dy, keep), x), inner(dy, y))


def batch_norm(x, weight=None, bias=None, **options):
    C = x.shape[1]
    weight = np.ones(C) if weight is None else weight
    return pointwise.batch_norm2d(x, weight, np.zeros(C) if bias is None else bias, **options)


@quick
@given(sizes, sizes, sizes, seeds)
def test_batch_norm_gives_the_chosen_mean_and_deviation(N, C, H, seed):
    x, weight, bias = values(seed, N, C, H, 3), values(seed + 1, C), values(seed + 2, C)
    y, _ = batch_norm(x, weight, bias, eps=0)
    close(y.mean(axis=(0, 2, 3)), bias)
    close(y.std(axis=(0, 2, 3)), np.abs(weight))


@quick
@given(sizes, sizes, sizes, st.floats(0.1, 100), st.floats(-10, 10), seeds)
def test_batch_norm_does_not_see_brightness_or_contrast(N, C, H, scale, shift, seed):
    x = values(seed, N, C, H, 3)
    close(batch_norm(scale * x + shift, eps=0)[0], batch_norm(x, eps=0)[0], 1e-9)


@quick
@given(sizes, sizes, sizes, seeds)
def test_batch_norm_gradients_cannot_shift_or_stretch_the_input(N, C, H, seed):
    x, dy = values(seed, N, C, H, 3), values(seed + 1, N, C, H, 3)
    _, cache = batch_norm(x, weight=values(seed + 2, C), eps=0)
    dx, _, _ = pointwise.batch_norm2d_backward(dy, cache)
    close(dx.sum(axis=(0, 2, 3)), np.zeros(C), 1e-9)
    close((dx * x).sum(axis=(0, 2, 3)), np.zeros(C), 1e-9)


@quick
@given(st.integers(1, 7), sizes, sizes, st.integers(1, 4), seeds)
def test_groups_of_a_batch_are_batches(N, C, H, group_size, seed):
    x, dy = values(seed, N, C, H, 3), values(seed + 1, N, C, H, 3)
    y, cache = batch_norm(x, group_size=group_size)
    dx = pointwise.batch_norm2d_backward(dy, cache)[0]
    for start in range(0, N, group_size):
        part = slice(start, start + group_size)
        alone, cache = batch_norm(x[part])
        close(y[part], alone)
        close(dx[part], pointwise.batch_norm2d_backward(dy[part], cache)[0])


@quick
@given(sizes, sizes, sizes, st.floats(0, 1), seeds)
def test_batch_norm_with_given_statistics_is_a_straight_line(N, C, H, a, seed):
    x, other = values(seed, N, C, H, 3), values(seed + 1, N, C, H, 3)
    weight, bias, mean = values(seed + 2, 3, C)
    variance = values(seed + 3, C) ** 2

    def straight(x):
        return pointwise.batch_norm2d_inference(x, weight, bias, mean, variance)

    close(straight(a * x + (1 - a) * other), a * straight(x) + (1 - a) * straight(other), 1e-9)
    statistics = {"mean": x.mean(axis=(0, 2, 3)), "variance": x.var(axis=(0, 2, 3))}
    close(pointwise.batch_norm2d_inference(x, weight, bias, **statistics),
          batch_norm(x, weight, bias)[0], 1e-9)


# Losses
@st.composite
def classified(draw):
    N, K, seed = draw(sizes), draw(st.integers(2, 5)), draw(seeds)
    labels = np.random.default_rng(seed + 1).integers(0, K, N)
    return 2 * values(seed, N, K), labels


@quick
@given(classified())
def test_cross_entropy_is_positive_and_ln_k_for_equal_scores(case):
    logits, labels = case
    assert losses.softmax_cross_entropy(logits, labels)[0] >= 0
    equal, _ = losses.softmax_cross_entropy(np.full_like(logits, 7.0), labels)
    close(equal, math.log(logits.shape[1]))


@quick
@given(classified(), st.floats(-100, 100), st.randoms(use_true_random=False))
def test_cross_entropy_sees_neither_a_shift_nor_the_names_of_classes(case, shift, random):
    logits, labels = case
    loss, dlogits = losses.softmax_cross_entropy(logits, labels)
    close(losses.softmax_cross_entropy(logits + shift, labels)[0], loss, 1e-9)
    order = np.array(random.sample(range(logits.shape[1]), logits.shape[1]))
    renamed, gradient = losses.softmax_cross_entropy(logits[:, order], np.argsort(order)[labels])
    close(renamed, loss)
    close(gradient, dlogits[:, order])


@quick
@given(classified())
def test_gradients_of_classification_losses_sum_to_zero(case):
    logits, labels = case
    gradients = [losses.softmax_cross_entropy(logits, labels)[1]]
    gradients += [losses.hinge(logits, labels, kind)[1] for kind in HINGES]
    rows = np.arange(len(labels))
    for gradient in gradients:
        close(gradient.sum(axis=1), np.zeros(len(labels)))
        assert np.all(gradient[rows, labels] <= 0)  # raising the right score never hurts


@quick
@given(classified())
def test_the_three_hinges_are_related(case):
    logits, labels = case
    K = logits.shape[1]
    total, mean, largest = (losses.hinge(logits, labels, kind)[0] for kind in HINGES)
    close(total, K * mean)
    assert largest <= total + 1e-12 and total <= (K - 1) * largest + 1e-12
    certain = logits.copy()
    certain[np.arange(len(labels)), labels] = logits.max(axis=1) + 1
    for kind in HINGES:
        loss, gradient = losses.hinge(certain + 0.0, labels, kind)
        assert loss <= 1e-12 and np.abs(gradient).max() <= (loss > 0)


def every_loss(logits, labels):
    """Each loss as a function of a slice of the batch: (slice, examples) -> (loss, gradient)."""
    targets, scores = (labels > 0).astype(float), logits[:, 0]
    one_hot, p = np.eye(logits.shape[1])[labels], pointwise.sigmoid(logits[:, 0])[0]
    from_probabilities = losses.binary_cross_entropy_from_probabilities
    return {
        "cross entropy": lambda s, n: losses.softmax_cross_entropy(logits[s], labels[s], n),
        "binary": lambda s, n: losses.binary_cross_entropy(scores[s], targets[s], n),
        "probabilities": lambda s, n: from_probabilities(p[s], targets[s], n),
        "squares": lambda s, n: losses.mean_squared_error(logits[s], one_hot[s], n),
        **{kind: lambda s, n, kind=kind: losses.hinge(logits[s], labels[s], kind, n)
           for kind in HINGES},
    }


@quick
@given(classified(), st.integers(1, 3))
def test_parts_of_a_batch_add_up(case, cut):
    count = len(case[1])
    for function in every_loss(*case).values():
        loss, gradient = function(slice(None), None)
        parts = [function(s, count) for s in (slice(0, cut), slice(cut, None))
                 if len(case[1][s])]
        close(sum(part[0] for part in parts), loss)
        close(np.concatenate([part[1] for part in parts]), gradient)


@quick
@given(classified())
def test_a_batch_twice_over_has_the_same_loss_and_half_the_gradient(case):
    logits, labels = case
    doubled = every_loss(np.concatenate([logits, logits]), np.concatenate([labels, labels]))
    for name, function in every_loss(*case).items():
        loss, gradient = function(slice(None), None)
        again, halved = doubled[name](slice(None), None)
        close(again, loss)
        close(2 * halved, np.concatenate([gradient, gradient]))


@quick
@given(sizes, seeds)
def test_binary_cross_entropy_three_ways(N, seed):
    z, t = 3 * values(seed, N), np.random.default_rng(seed).integers(0, 2, N)
    loss, dz = losses.binary_cross_entropy(z, t)
    p, cache = pointwise.sigmoid(z)
    again, dp = losses.binary_cross_entropy_from_probabilities(p, t)
    pair, dpair = losses.softmax_cross_entropy(np.stack([np.zeros(N), z], axis=1), t)
    close([again, pair], [loss, loss], 1e-9)
    close(pointwise.sigmoid_backward(dp, cache), dz, 1e-9)
    close(dpair[:, 1], dz, 1e-9)


@quick
@given(sizes, sizes, st.floats(-5, 5), seeds)
def test_squared_errors_scale(N, K, a, seed):
    y, t = values(seed, N, K), values(seed + 1, N, K)
    loss, dy = losses.mean_squared_error(y, t)
    close(losses.mean_squared_error(a * y, a * t)[0], a * a * loss)
    close(inner(dy, y - t), 2 * loss)


# Every operation
def every_operation(dtype):
    """name -> (function of arrays, its arrays): forward and backward of all, in one dtype."""
    def make(seed, *shape):
        return values(seed, *shape).astype(dtype)

    x, weight, bias = make(0, 2, 3, 5, 4), make(1, 2, 3, 3, 2), make(2, 2)
    flat, matrix, row, scores = make(3, 4, 6), make(4, 6, 3), make(5, 3), make(6, 4, 5)
    channel, labels, z = np.abs(make(7, 3)) + 1, np.array([0, 4, 2, 2]), make(8, 4)
    drop = np.random.default_rng
    operations = {
        "conv2d": (lambda *a: conv2d(*a, 2, 1), conv2d_backward, (x, weight, bias)),
        "conv2d by windows": (lambda *a: conv.conv2d_by_windows(*a, 2, 1),
                              conv.conv2d_by_windows_backward, (x, weight, bias)),
        "max pool": (lambda a: max_pool2d(a, 3, 2, 1), max_pool2d_backward, (x,)),
        "avg pool": (lambda a: avg_pool2d(a, 3, 2, 1, False), avg_pool2d_backward, (x,)),
        "global": (global_avg_pool2d, pool.global_avg_pool2d_backward, (x,)),
        "dense": (pointwise.dense, pointwise.dense_backward, (flat, matrix, row)),
        "dropout": (lambda a: pointwise.dropout(a, 0.3, drop(0)), pointwise.dropout_backward, (x,)),
        "batch norm": (pointwise.batch_norm2d, pointwise.batch_norm2d_backward,
                       (x, channel, channel)),
        "leaky_relu": (lambda a: pointwise.leaky_relu(a, 0.1), pointwise.leaky_relu_backward,
                       (x,)),
    }
    for name in ("relu", "sigmoid", "tanh", "flatten", "softmax", "log_softmax"):
        operations[name] = (getattr(pointwise, name), getattr(pointwise, f"{name}_backward"),
                            (scores,))
    one_number = {
        "cross entropy": (lambda a: losses.softmax_cross_entropy(a, labels), (scores,)),
        "binary": (lambda a: losses.binary_cross_entropy(a, labels > 0), (z,)),
        "squares": (losses.mean_squared_error, (scores, scores[::-1])),
        "inference": (lambda *a: (0.0, pointwise.batch_norm2d_inference(*a)), (x, *[channel] * 4)),
        **{kind: (lambda a, kind=kind: losses.hinge(a, labels, kind), (scores,))
           for kind in HINGES},
    }
    return operations, one_number


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_operation_keeps_the_float_type(dtype):
    operations, one_number = every_operation(dtype)
    for name, (forward, backward, arrays) in operations.items():
        y, cache = forward(*arrays)
        gradients = backward(np.ones_like(y), cache)
        for array in (y, *(gradients if isinstance(gradients, tuple) else (gradients,))):
            assert array.dtype == dtype, name
    for name, (function, arrays) in one_number.items():
        loss, gradient = function(*arrays)
        assert type(loss) is float and gradient.dtype == dtype, name


def test_no_operation_writes_to_its_inputs():
    operations, one_number = every_operation(np.float64)
    for name, (forward, backward, arrays) in operations.items():
        copies = [array.copy() for array in arrays]
        y, cache = forward(*arrays)
        dy = np.ones_like(y)
        backward(dy, cache)
        backward(dy, cache)
        assert all(np.array_equal(a, b) for a, b in zip(arrays, copies)), name
        assert np.all(dy == 1), name
        assert np.array_equal(forward(*arrays)[0], y), name
    for name, (function, arrays) in one_number.items():
        copies = [array.copy() for array in arrays]
        function(*arrays)
        assert all(np.array_equal(a, b) for a, b in zip(arrays, copies)), name


# Networks and their files
@st.composite
def networks(draw):
    """A random network on 2-channel images, with its weights drawn and its statistics moved."""
    rng = np.random.default_rng(draw(seeds))
    H, W = draw(st.integers(6, 9)), draw(st.integers(6, 9))
    layers, shape = [], (2, H, W)
    for _ in range(draw(st.integers(0, 3))):
        layer = draw(st.sampled_from(["conv", "max", "average", "norm", "drop", "act"]))
        C = shape[0]
        layers.append({
            "conv": lambda: Conv2D(C, int(rng.integers(1, 4)), (2, 3), stride=(1, 2),
                                   padding=draw(st.sampled_from([0, 1, (0, 1), "same"])),
                                   bias=draw(st.booleans()), rng=rng),
            "max": lambda: MaxPool2D((2, 1)),
            "average": lambda: AvgPool2D(2, 1, 1, count_include_pad=draw(st.booleans())),
            "norm": lambda: BatchNorm2D(C, momentum=0.3, eps=1e-3),
            "drop": lambda: Dropout(0.3, rng=rng),
            "act": lambda: draw(st.sampled_from([ReLU(), LeakyReLU(0.2), Tanh(), Sigmoid()])),
        }[layer]())
        try:
            shape = layers[-1].output_shape(shape)
        except ValueError:  # the image became too small for this one
            layers.pop()
    layers.append(draw(st.sampled_from([Flatten, GlobalAvgPool2D]))())
    inputs = layers[-1].output_shape(shape)[0]
    classes = draw(st.integers(1, 3))
    layers.append(Dense(inputs, classes, rng=rng))
    layers += [Sigmoid()] if classes == 1 else draw(st.sampled_from([[], [Softmax()]]))
    model = Sequential(layers, input_shape=(2, H, W))
    model.forward(rng.normal(size=(3, 2, H, W)))  # moves running statistics
    return model


@quick
@given(networks(), st.sampled_from([np.float32, np.float64]), seeds)
def test_saving_and_loading_keeps_every_bit(tmp_path_factory, model, dtype, seed):
    path = tmp_path_factory.mktemp("saved") / "model.npz"
    model.astype(dtype)
    config.save(path, model)
    again = config.load(path)
    assert repr(again) == repr(model) and again.output == model.output
    before, after = model.state(), again.state()
    assert list(before) == list(after)
    for name in before:
        assert before[name].dtype == after[name].dtype == dtype
        assert before[name].tobytes() == after[name].tobytes()
    x = values(seed, 2, *model.input_shape).astype(dtype)
    assert model.predict(x).tobytes() == again.predict(x).tobytes()


@quick
@given(networks())
def test_a_network_and_its_text_are_two_forms_of_one_thing(model):
    text = config.to_text(model)
    again = config.build(text, np.random.default_rng(0))
    assert repr(again) == repr(model)
    assert config.to_text(again) == text
    assert str(again.summary()) == str(model.summary())


@quick
@given(networks(), st.integers(1, 5), seeds)
def test_prediction_does_not_depend_on_batches(model, batch_size, seed):
    model.astype(np.float64)
    x = values(seed, 5, *model.input_shape)
    close(model.predict(x, batch_size=batch_size), model.predict(x))


@quick
@given(networks(), seeds)
def test_the_state_of_a_network_is_all_of_it(model, seed):
    x, state = values(seed, 2, *model.input_shape), model.state()
    before = model.predict(x)
    for parameter in model.parameters().values():
        parameter.data += 1
    for array in model.buffers().values():
        array += 1
    model.load_state(state)
    assert np.array_equal(model.predict(x), before)


# Numbers about training
@quick
@given(st.integers(1, 60), st.integers(1, 70), seeds)
def test_batches_hold_each_example_once(count, batch_size, seed):
    images, labels = np.arange(count) * 10, np.arange(count)
    batches = list(iterate_batches(images, labels, batch_size, np.random.default_rng(seed)))
    assert [len(x) for x, _ in batches[:-1]] == [batch_size] * (math.ceil(count / batch_size) - 1)
    seen = np.concatenate([y for _, y in batches])
    assert sorted(seen) == list(range(count))
    assert np.array_equal(np.concatenate([x for x, _ in batches]), 10 * seen)


@quick
@given(st.integers(1, 10_000), st.floats(0, 1))
def test_the_interval_holds_the_fraction_and_shrinks(n, fraction):
    correct = round(fraction * n)
    low, high = wilson_interval(correct, n)
    assert 0 <= low <= correct / n + 1e-12 and correct / n - 1e-12 <= high <= 1
    assert low < high
    narrow = wilson_interval(4 * correct, 4 * n)
    assert narrow[1] - narrow[0] < high - low
    mirrored = wilson_interval(n - correct, n)
    close([1 - mirrored[1], 1 - mirrored[0]], [low, high])


@quick
@given(st.integers(1, 40), st.integers(1, 5), seeds)
def test_a_confusion_matrix_counts_every_example(count, classes, seed):
    labels, predicted = np.random.default_rng(seed).integers(0, classes, (2, count))
    confusion = confusion_matrix(labels, predicted, classes)
    assert list(confusion.sum(axis=1)) == [(labels == k).sum() for k in range(classes)]
    assert list(confusion.sum(axis=0)) == [(predicted == k).sum() for k in range(classes)]
    close(np.trace(confusion) / count, accuracy(predicted, labels))
    precision, recall = precision_recall(confusion)
    turned = precision_recall(confusion.T)
    assert np.array_equal(precision, turned[1], equal_nan=True)
    assert np.array_equal(recall, turned[0], equal_nan=True)


@quick
@given(st.floats(1e-4, 1), st.integers(1, 200), st.floats(0, 0.9))
def test_schedules_stay_between_their_ends(lr, steps, warmup):
    cycle, half, stairs = one_cycle(lr, steps, warmup), cosine(lr, steps), step_decay(lr, 7, 0.5)
    for schedule in (cycle, half, stairs):
        rates = [schedule(step) for step in range(steps)]
        assert all(0 <= rate <= lr * (1 + 1e-12) for rate in rates)
        top = int(np.argmax(rates))
        assert all(a <= b + 1e-15 for a, b in zip(rates[:top], rates[1 : top + 1]))
        assert all(a >= b - 1e-15 for a, b in zip(rates[top:], rates[top + 1 :]))


@quick
@given(sizes, sizes, st.integers(1, 5), st.integers(1, 5), st.integers(0, 7), seeds)
def test_a_random_shift_moves_each_image_by_a_step(N, C, H, W, pixels, seed):
    pixels %= min(H, W)  # more is refused: whole images would leave
    images = 1 + np.arange(N * C * H * W, dtype=float).reshape(N, C, H, W)
    shifted = random_shift(images, np.random.default_rng(seed), pixels)
    steps = range(-pixels, pixels + 1)
    framed = np.pad(images, ((0, 0), (0, 0), (pixels, pixels), (pixels, pixels)))
    candidates = [np.roll(framed, (down, right), axis=(2, 3))[
        :, :, pixels : pixels + H, pixels : pixels + W] for down in steps for right in steps]
    assert shifted.shape == images.shape
    for n in range(N):
        assert any(np.array_equal(shifted[n], candidate[n]) for candidate in candidates)
