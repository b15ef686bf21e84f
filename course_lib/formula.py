"""The whole network in pure Python: nested lists, loops, and the sums exactly as they are printed.

The first rung of every operation, forward and backward; conv, pool, pointwise and losses hold the
faster ones. Imports shapes and doors, and computes without NumPy.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from course_lib.doors import (
    check_classes, check_convolution, check_dense, check_gradient, check_images, check_kind,
    check_pair, check_pool_shape, check_targets, nested_shape,
)
from course_lib.shapes import Padding, ShapeError, Windows


# Convolution
class ConvCache(NamedTuple):
    """What the backward pass needs: the padded input, the weights and where windows lie."""

    padded: object
    weight: object
    has_bias: bool
    windows: Windows


def conv2d_by_formula(x, weight, bias=None, stride=1, padding=0):
    """conv2d in pure Python on nested lists: the sum exactly as it is printed."""
    where = check_convolution(x, weight, bias, stride, padding)
    (OH, OW), (KH, KW), (sh, sw), _ = where
    padded = pad_lists(x, where.padding)
    y = []
    for image in padded:
        maps = []
        for f, kernels in enumerate(weight):
            rows = []
            for i in range(OH):
                row = []
                for j in range(OW):
                    total = 0.0 if bias is None else bias[f]
                    for c, kernel in enumerate(kernels):
                        for u in range(KH):
                            pixels, weights = image[c][i * sh + u], kernel[u]
                            for v in range(KW):
                                total += weights[v] * pixels[j * sw + v]
                    row.append(total)
                rows.append(row)
            maps.append(rows)
        y.append(maps)
    return y, ConvCache(padded, weight, bias is not None, where)


def conv2d_by_formula_backward(dy, cache: ConvCache, need_dx: bool = True):
    """conv2d_backward in pure Python: each output shares its gradient among its window."""
    padded, weight, has_bias, where = cache
    check_gradient(dy, (len(padded), len(weight), *where.output), "conv2d_backward")
    (OH, OW), (KH, KW), (sh, sw), padding = where
    dpadded, dweight, dbias = zeros_like(padded), zeros_like(weight), [0.0] * len(weight)
    for n, image in enumerate(padded):
        for f, kernels in enumerate(weight):
            for i in range(OH):
                for j in range(OW):
                    g = dy[n][f][i][j]
                    dbias[f] += g
                    if g == 0:  # behind a max pool most are: nothing to share
                        continue
                    for c, kernel in enumerate(kernels):
                        for u in range(KH):
                            pixels, dpixels = image[c][i * sh + u], dpadded[n][c][i * sh + u]
                            weights, dweights = kernel[u], dweight[f][c][u]
                            for v in range(KW):
                                dweights[v] += g * pixels[j * sw + v]
                                dpixels[j * sw + v] += g * weights[v]
    dx = crop_lists(dpadded, padding) if need_dx else None
    return dx, dweight, dbias if has_bias else None


# Pooling
class MaxPoolCache(NamedTuple):
    """`choice[n, c, i, j]`: which of a window's KH*KW values, read row by row, was largest."""

    shape: tuple[int, int, int, int]
    choice: object
    windows: Windows


class AvgPoolCache(NamedTuple):
    """`counts[i][j]`: by how many values the sum of that window was divided."""

    shape: tuple[int, int, int, int]
    counts: object
    windows: Windows


def max_pool2d_by_formula(x, kernel_size, stride=None, padding=0):
    """max_pool2d in pure Python on nested lists."""
    shape, where = check_pool_shape(x, kernel_size, stride, padding, "max_pool2d")
    (OH, OW), (KH, KW), (sh, sw), _ = where
    padded = pad_lists(x, where.padding, -float("inf"))
    y, choice = [], []
    for image in padded:
        y.append([])
        choice.append([])
        for channel in image:
            windows = [[[channel[i * sh + u][j * sw + v] for u in range(KH) for v in range(KW)]
                        for j in range(OW)] for i in range(OH)]
            y[-1].append([[max(window) for window in row] for row in windows])
            choice[-1].append([[window.index(max(window)) for window in row] for row in windows])
    return y, MaxPoolCache(shape, choice, where)


def max_pool2d_by_formula_backward(dy, cache: MaxPoolCache):
    """max_pool2d_backward in pure Python."""
    N, C = cache.shape[:2]
    (OH, OW), (KH, KW), (sh, sw), padding = cache.windows
    check_gradient(dy, (N, C, OH, OW), "max_pool2d_backward")
    dpadded = padded_lists(cache.shape, padding)
    for n in range(N):
        for c in range(C):
            for i in range(OH):
                for j in range(OW):
                    u, v = divmod(cache.choice[n][c][i][j], KW)
                    dpadded[n][c][i * sh + u][j * sw + v] += dy[n][c][i][j]
    return crop_lists(dpadded, padding)


def avg_pool2d_by_formula(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    """avg_pool2d in pure Python on nested lists."""
    shape, where = check_pool_shape(x, kernel_size, stride, padding, "avg_pool2d")
    (OH, OW), (KH, KW), (sh, sw), _ = where
    counts = window_counts(shape[2:], where, count_include_pad)
    padded = pad_lists(x, where.padding)
    y = [[[[sum(channel[i * sh + u][j * sw + v] for u in range(KH) for v in range(KW))
            / counts[i][j] for j in range(OW)] for i in range(OH)]
          for channel in image] for image in padded]
    return y, AvgPoolCache(shape, counts, where)


def avg_pool2d_by_formula_backward(dy, cache: AvgPoolCache):
    """avg_pool2d_backward in pure Python."""
    N, C = cache.shape[:2]
    (OH, OW), (KH, KW), (sh, sw), padding = cache.windows
    check_gradient(dy, (N, C, OH, OW), "avg_pool2d_backward")
    dpadded = padded_lists(cache.shape, padding)
    for n in range(N):
        for c in range(C):
            for i in range(OH):
                for j in range(OW):
                    share = dy[n][c][i][j] / cache.counts[i][j]
                    for u in range(KH):
                        for v in range(KW):
                            dpadded[n][c][i * sh + u][j * sw + v] += share
    return crop_lists(dpadded, padding)


def global_avg_pool2d_by_formula(x):
    """global_avg_pool2d in pure Python."""
    N, C, H, W = check_images(x, "global_avg_pool2d")
    y = [[sum(float(value) for row in channel for value in row) / (H * W) for channel in image]
         for image in x]
    return y, (N, C, H, W)


def global_avg_pool2d_by_formula_backward(dy, shape):
    """global_avg_pool2d_backward in pure Python."""
    check_gradient(dy, shape[:2], "global_avg_pool2d_backward")
    _, _, H, W = shape
    return [[[[g / (H * W)] * W for _ in range(H)] for g in row] for row in dy]


# Layers without windows
def dense_by_formula(x, weight, bias=None):
    """dense in pure Python on nested lists."""
    check_dense(x, weight, bias)
    x, weight = each(float, x), each(float, weight)
    columns = list(zip(*weight))
    bias_or_zeros = [0.0] * len(columns) if bias is None else bias
    y = [[b + sum(xi * wi for xi, wi in zip(row, column))
          for column, b in zip(columns, bias_or_zeros)] for row in x]
    return y, (x, weight, bias is not None)


def dense_by_formula_backward(dy, cache, need_dx=True):
    """dense_backward in pure Python."""
    x, weight, has_bias = cache
    check_gradient(dy, (len(x), len(weight[0])), "dense_backward")
    dweight = [[sum(row[i] * g[o] for row, g in zip(x, dy)) for o in range(len(weight[0]))]
               for i in range(len(weight))]
    dx = [[sum(g * w for g, w in zip(row, weights)) for weights in weight] for row in dy]
    return dx if need_dx else None, dweight, [sum(c) for c in zip(*dy)] if has_bias else None


def relu_by_formula(x):
    return each(lambda value: max(value, 0.0), x), x


def relu_by_formula_backward(dy, x):
    check_gradient(dy, nested_shape(x), "relu_backward")
    return each(lambda g, value: g if value > 0 else 0.0, dy, x)


def leaky_relu_by_formula(x, alpha=0.01):
    return each(lambda value: value if value > 0 else alpha * value, x), (x, alpha)


def leaky_relu_by_formula_backward(dy, cache):
    x, alpha = cache
    check_gradient(dy, nested_shape(x), "leaky_relu_backward")
    return each(lambda g, value: g if value > 0 else alpha * g, dy, x)


def stable_sigmoid(value: float) -> float:
    """1 / (1 + exp(-value)) in the form whose exp stays below 1."""
    small = math.exp(-abs(value))
    return (1.0 if value >= 0 else small) / (1 + small)


def sigmoid_by_formula(x):
    y = each(stable_sigmoid, x)
    return y, y


def sigmoid_by_formula_backward(dy, y):
    check_gradient(dy, nested_shape(y), "sigmoid_backward")
    return each(lambda g, value: g * value * (1 - value), dy, y)


def tanh_by_formula(x):
    y = each(math.tanh, x)
    return y, y


def tanh_by_formula_backward(dy, y):
    check_gradient(dy, nested_shape(y), "tanh_backward")
    return each(lambda g, value: g * (1 - value * value), dy, y)


def softmax_by_formula(x):
    shape = nested_shape(x)
    if len(shape) != 2 or shape[1] < 1:
        raise ShapeError(f"softmax: expected scores (N, K) with at least one class, got {shape}.")
    y = []
    for row in each(float, x):
        powers = [math.exp(value - max(row)) for value in row]
        y.append([power / sum(powers) for power in powers])
    return y, y


def softmax_by_formula_backward(dy, y):
    check_gradient(dy, nested_shape(y), "softmax_backward")
    dx = []
    for gradients, row in zip(dy, y):
        mean = sum(g * p for g, p in zip(gradients, row))
        dx.append([p * (g - mean) for g, p in zip(gradients, row)])
    return dx


def flatten_by_formula(x):
    if len(nested_shape(x)) < 2:
        raise ShapeError(f"flatten: expected a batch (N, ...), got {nested_shape(x)}.")

    def numbers(nested):
        if not hasattr(nested, "__len__"):
            return [nested]
        return [number for part in nested for number in numbers(part)]

    return [numbers(example) for example in x], nested_shape(x)


def flatten_by_formula_backward(dy, shape):
    check_gradient(dy, (shape[0], math.prod(shape[1:])), "flatten_backward")

    def fold(numbers, sizes):
        if not sizes:
            return numbers[0]
        step = len(numbers) // sizes[0]
        return [fold(numbers[k * step : (k + 1) * step], sizes[1:]) for k in range(sizes[0])]

    return [fold(row, shape[1:]) for row in dy]


# Losses
def softmax_cross_entropy_by_formula(logits, labels, examples=None):
    """softmax_cross_entropy on nested lists."""
    logits, labels, count = check_classes(logits, labels, examples, "softmax_cross_entropy")
    loss, dlogits = 0.0, []
    for row, label in zip(logits.tolist(), labels.tolist()):
        top = max(row)
        log_sum = top + math.log(sum(math.exp(value - top) for value in row))
        loss -= (row[label] - log_sum) / count
        dlogits.append([(math.exp(value - log_sum) - (k == label)) / count
                        for k, value in enumerate(row)])
    return loss, dlogits


def binary_cross_entropy_by_formula(logits, targets, examples=None):
    """binary_cross_entropy on lists."""
    z, t, count = check_targets(logits, targets, examples, "binary_cross_entropy")
    pairs = zip(z.ravel().tolist(), t.ravel().tolist())
    loss = sum(max(z, 0) - z * t + math.log1p(math.exp(-abs(z))) for z, t in pairs)
    return loss / count, each(lambda z, t: (stable_sigmoid(z) - t) / count, z.tolist(), t.tolist())


def hinge_by_formula(logits, labels, kind="sum", examples=None):
    """hinge on nested lists."""
    logits, labels, count = check_classes(logits, labels, examples, "hinge")
    check_kind(kind)
    count *= logits.shape[1] if kind == "mean_classes" else 1
    loss, dlogits = 0.0, []
    for row, label in zip(logits.tolist(), labels.tolist()):
        margins = [0.0 if k == label else max(0.0, 1 + s - row[label]) for k, s in enumerate(row)]
        if kind == "crammer":
            largest = margins.index(max(margins))
            margins = [m if k == largest else 0.0 for k, m in enumerate(margins)]
        gradient = [(m > 0) / count for m in margins]
        gradient[label] = -sum(gradient)
        loss += sum(margins) / count
        dlogits.append(gradient)
    return loss, dlogits


def mean_squared_error_by_formula(y, targets, examples=None):
    """mean_squared_error on nested lists."""
    y, targets, count = check_pair(y, targets, examples, "mean_squared_error")
    count *= math.prod(y.shape[1:])
    loss = sum((a - b) ** 2 for a, b in zip(y.ravel().tolist(), targets.ravel().tolist()))
    return loss / count, each(lambda a, b: 2 * (a - b) / count, y.tolist(), targets.tolist())


# Nested lists
def each(function, *nested):
    """Apply `function` to the numbers of nested lists (or arrays) of one shape."""
    if hasattr(nested[0], "tolist"):
        nested = [part.tolist() if hasattr(part, "tolist") else part for part in nested]
    if isinstance(nested[0], (list, tuple)):
        return [each(function, *parts) for parts in zip(*nested)]
    return function(*nested)


def pad_lists(x, padding: Padding, value: float = 0.0) -> list:
    """`pad` for nested lists, numbers made floats; the result shares nothing with x."""
    (top, bottom), (left, right) = padding
    width = left + len(x[0][0][0]) + right if len(x) else 0
    return [[[[value] * width for _ in range(top)]
             + [[value] * left + list(map(float, row)) + [value] * right for row in channel]
             + [[value] * width for _ in range(bottom)]
             for channel in image] for image in x]


def crop_lists(padded, padding: Padding) -> list:
    """`crop` for nested lists."""
    (top, bottom), (left, right) = padding
    return [[[row[left : len(row) - right] for row in channel[top : len(channel) - bottom]]
             for channel in image] for image in padded]


def zeros_like(nested) -> list:
    """Nested lists of the same shape, all 0.0."""
    if hasattr(nested, "__len__"):
        return [zeros_like(part) for part in nested]
    return 0.0


def padded_lists(shape, padding: Padding) -> list:
    """Nested lists of zeros, of the shape of the padded input."""
    N, C, H, W = shape
    (top, bottom), (left, right) = padding
    return [[[[0.0] * (left + W + right) for _ in range(top + H + bottom)]
             for _ in range(C)] for _ in range(N)]


def window_counts(size, where: Windows, count_include_pad: bool) -> list:
    """(OH, OW): by how many values the sum of each window is divided."""
    (OH, OW), (KH, KW), (sh, sw), ((top, _), (left, _)) = where
    H, W = size
    if count_include_pad:
        return [[KH * KW] * OW for _ in range(OH)]
    rows = [sum(0 <= i * sh + u - top < H for u in range(KH)) for i in range(OH)]
    columns = [sum(0 <= j * sw + v - left < W for v in range(KW)) for j in range(OW)]
    return [[row * column for column in columns] for row in rows]
