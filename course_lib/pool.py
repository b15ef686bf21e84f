"""Pooling: max, average and global average, each by the formula, by windows and vectorised.

The formulas stand in formula.py. Imports shapes, doors and formula, and conv's pad and crop.
"""

from __future__ import annotations

import numpy as np

from course_lib.conv import crop, pad
from course_lib.doors import as_floats, check_gradient, check_images, check_pool
from course_lib.formula import (
    AvgPoolCache, MaxPoolCache, avg_pool2d_by_formula, avg_pool2d_by_formula_backward,
    global_avg_pool2d_by_formula, global_avg_pool2d_by_formula_backward, max_pool2d_by_formula,
    max_pool2d_by_formula_backward, window_counts,
)
from course_lib.shapes import Windows, resolve_windows


def max_pool2d(x, kernel_size, stride=None, padding=0) -> tuple[np.ndarray, MaxPoolCache]:
    """Keep the largest value of every window.

    y[n, c, i, j] = max over u, v of x[n, c, i*stride + u - padding, j*stride + v - padding]

    Shapes  x (N, C, H, W) -> y (N, C, OH, OW), sizes as in conv2d
    stride None means kernel_size. The border counts as minus infinity; padding is at most half
    the kernel. Of equal maxima the first one, read row by row, wins (as in PyTorch).
    >>> x = np.array([[[[1, 3, 2, 4], [5, 6, 1, 2], [7, 2, 3, 1], [4, 8, 5, 6]]]])
    >>> max_pool2d(x, 2)[0][0, 0]
    array([[6., 4.],
           [8., 6.]])
    """
    x, where = check_pool(x, kernel_size, stride, padding, "max_pool2d")
    padded = pad(x, where.padding, -np.inf)
    candidates = shifted(padded, where)
    y = candidates[0]
    choice = np.zeros(y.shape, np.int32)
    for index, candidate in enumerate(candidates):
        larger = candidate > y  # not >=: of equal maxima the first one stays
        choice = np.maximum(choice, larger * np.int32(index))
        y = np.maximum(y, candidate)
    return y, MaxPoolCache(x.shape, choice, where)


def max_pool2d_backward(dy, cache: MaxPoolCache) -> np.ndarray:
    """Send each upstream value to the pixel that was the maximum; all others get 0."""
    check_gradient(dy, cache.choice.shape, "max_pool2d_backward")
    (dy,) = as_floats(dy, who="max_pool2d_backward")
    dpadded = padded_zeros(cache.shape, cache.windows, dy.dtype)
    for index, seen in enumerate(shifted(dpadded, cache.windows)):
        seen += dy * (cache.choice == index)
    return crop(dpadded, cache.windows.padding)


def avg_pool2d(
    x, kernel_size, stride=None, padding=0, count_include_pad=True
) -> tuple[np.ndarray, AvgPoolCache]:
    """Average every window: a convolution of each channel with the kernel 1 / (KH*KW).

    y[n, c, i, j] = 1/count * sum over u, v of x[n, c, i*stride + u - padding, ...]

    Shapes as in max_pool2d. count is KH*KW, or, with count_include_pad=False, the number of
    the window's cells that lie inside the image.
    >>> x = np.array([[[[1, 3, 2, 4], [5, 6, 1, 2], [7, 2, 3, 1], [4, 8, 5, 6]]]])
    >>> avg_pool2d(x, 2)[0][0, 0]
    array([[3.75, 2.25],
           [5.25, 3.75]])
    """
    x, where = check_pool(x, kernel_size, stride, padding, "avg_pool2d")
    counts = np.array(window_counts(x.shape[2:], where, count_include_pad), x.dtype)
    y = sum(shifted(pad(x, where.padding), where)) / counts
    return y, AvgPoolCache(x.shape, counts, where)


def avg_pool2d_backward(dy, cache: AvgPoolCache) -> np.ndarray:
    """Share each upstream value equally among the cells that were averaged."""
    N, C = cache.shape[:2]
    check_gradient(dy, (N, C, *cache.windows.output), "avg_pool2d_backward")
    (dy,) = as_floats(dy, who="avg_pool2d_backward")
    dpadded = padded_zeros(cache.shape, cache.windows, dy.dtype)
    share = dy / cache.counts.astype(dy.dtype)
    for seen in shifted(dpadded, cache.windows):
        seen += share
    return crop(dpadded, cache.windows.padding)


def global_avg_pool2d(x) -> tuple[np.ndarray, tuple[int, ...]]:
    """Average each channel over all of its pixels: y[n, c] = mean over i, j of x[n, c, i, j].

    Shapes  x (N, C, H, W) -> y (N, C), ready for a dense layer
    """
    shape = check_images(x, "global_avg_pool2d")
    (x,) = as_floats(x, who="global_avg_pool2d")
    return x.mean(axis=(2, 3)), shape


def global_avg_pool2d_backward(dy, shape) -> np.ndarray:
    """Share each upstream value equally among the H*W pixels of its channel."""
    check_gradient(dy, shape[:2], "global_avg_pool2d_backward")
    (dy,) = as_floats(dy, who="global_avg_pool2d_backward")
    H, W = shape[2:]
    return np.broadcast_to(dy[:, :, None, None] / (H * W), shape).copy()


def max_pool2d_by_windows(x, kernel_size, stride=None, padding=0):
    """max_pool2d as a loop over output positions, all images and channels at once."""
    x, where = check_pool(x, kernel_size, stride, padding, "max_pool2d")
    (OH, OW), (KH, KW), (sh, sw), _ = where
    padded = pad(x, where.padding, -np.inf)
    N, C = x.shape[:2]
    y, choice = np.zeros((N, C, OH, OW), x.dtype), np.zeros((N, C, OH, OW), np.int64)
    for i in range(OH):
        for j in range(OW):
            window = padded[:, :, i * sh : i * sh + KH, j * sw : j * sw + KW]
            y[:, :, i, j] = window.max(axis=(2, 3))
            choice[:, :, i, j] = window.reshape(N, C, KH * KW).argmax(axis=2)
    return y, MaxPoolCache(x.shape, choice, where)


def max_pool2d_by_windows_backward(dy, cache: MaxPoolCache):
    """max_pool2d_backward as a loop over output positions."""
    check_gradient(dy, cache.choice.shape, "max_pool2d_backward")
    (dy,) = as_floats(dy, who="max_pool2d_backward")
    (OH, OW), (KH, KW), (sh, sw), padding = cache.windows
    dpadded = padded_zeros(cache.shape, cache.windows, dy.dtype)
    positions = np.arange(KH * KW).reshape(KH, KW)
    for i in range(OH):
        for j in range(OW):
            winner = cache.choice[:, :, i, j, None, None] == positions
            seen = np.s_[:, :, i * sh : i * sh + KH, j * sw : j * sw + KW]
            dpadded[seen] += dy[:, :, i, j, None, None] * winner
    return crop(dpadded, padding)


def avg_pool2d_by_windows(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    """avg_pool2d as a loop over output positions, all images and channels at once."""
    x, where = check_pool(x, kernel_size, stride, padding, "avg_pool2d")
    (OH, OW), (KH, KW), (sh, sw), _ = where
    counts = np.array(window_counts(x.shape[2:], where, count_include_pad), x.dtype)
    padded = pad(x, where.padding)
    y = np.zeros((*x.shape[:2], OH, OW), x.dtype)
    for i in range(OH):
        for j in range(OW):
            window = padded[:, :, i * sh : i * sh + KH, j * sw : j * sw + KW]
            y[:, :, i, j] = window.sum(axis=(2, 3)) / counts[i, j]
    return y, AvgPoolCache(x.shape, counts, where)


def avg_pool2d_by_windows_backward(dy, cache: AvgPoolCache):
    """avg_pool2d_backward as a loop over output positions."""
    N, C = cache.shape[:2]
    check_gradient(dy, (N, C, *cache.windows.output), "avg_pool2d_backward")
    (dy,) = as_floats(dy, who="avg_pool2d_backward")
    (OH, OW), (KH, KW), (sh, sw), padding = cache.windows
    dpadded = padded_zeros(cache.shape, cache.windows, dy.dtype)
    share = dy / cache.counts.astype(dy.dtype)
    for i in range(OH):
        for j in range(OW):
            window = dpadded[:, :, i * sh : i * sh + KH, j * sw : j * sw + KW]
            window += share[:, :, i, j, None, None]
    return crop(dpadded, padding)


def global_avg_pool2d_by_windows(x):
    """global_avg_pool2d as average pooling whose only window is the whole image."""
    N, C, H, W = check_images(x, "global_avg_pool2d")
    y, _ = avg_pool2d_by_windows(x, (H, W))
    return y.reshape(N, C), (N, C, H, W)


def global_avg_pool2d_by_windows_backward(dy, shape):
    """global_avg_pool2d_backward through the same single window."""
    check_gradient(dy, shape[:2], "global_avg_pool2d_backward")
    (dy,) = as_floats(dy, who="global_avg_pool2d_backward")
    _, _, H, W = shape
    where = resolve_windows((H, W), (H, W))
    cache = AvgPoolCache(shape, np.full((1, 1), float(H * W)), where)
    return avg_pool2d_by_windows_backward(dy[:, :, None, None], cache)


MAX_RUNGS = {
    "formula": (max_pool2d_by_formula, max_pool2d_by_formula_backward),
    "windows": (max_pool2d_by_windows, max_pool2d_by_windows_backward),
    "vectorised": (max_pool2d, max_pool2d_backward),
}
AVG_RUNGS = {
    "formula": (avg_pool2d_by_formula, avg_pool2d_by_formula_backward),
    "windows": (avg_pool2d_by_windows, avg_pool2d_by_windows_backward),
    "vectorised": (avg_pool2d, avg_pool2d_backward),
}
GLOBAL_RUNGS = {
    "formula": (global_avg_pool2d_by_formula, global_avg_pool2d_by_formula_backward),
    "windows": (global_avg_pool2d_by_windows, global_avg_pool2d_by_windows_backward),
    "vectorised": (global_avg_pool2d, global_avg_pool2d_backward),
}


def shifted(padded, where: Windows) -> list[np.ndarray]:
    """For each of the KH*KW offsets in a window: that value of every window, as a strided view."""
    (OH, OW), (KH, KW), (sh, sw), _ = where
    return [padded[:, :, u : u + sh * OH : sh, v : v + sw * OW : sw]
            for u in range(KH) for v in range(KW)]


def padded_zeros(shape, where: Windows, dtype) -> np.ndarray:
    """Zeros of the shape of the padded input."""
    N, C, H, W = shape
    (top, bottom), (left, right) = where.padding
    return np.zeros((N, C, top + H + bottom, left + W + right), dtype)
