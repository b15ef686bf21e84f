"""Pooling: max, average and global average, each by the formula, by windows and vectorised.

Imports shapes, and the padding helpers of conv.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from course_lib.conv import crop, crop_lists, pad, pad_lists, zeros_like
from course_lib.shapes import (
    ShapeError, Windows, as_floats, check_gradient, check_images, resolve_windows,
)


class MaxPoolCache(NamedTuple):
    """`choice[n, c, i, j]`: which of a window's KH*KW values, read row by row, was largest."""

    shape: tuple[int, int, int, int]
    choice: np.ndarray
    windows: Windows


class AvgPoolCache(NamedTuple):
    """`counts[i][j]`: by how many values the sum of that window was divided."""

    shape: tuple[int, int, int, int]
    counts: np.ndarray
    windows: Windows


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
    y = candidates[0].copy()
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
    counts = window_counts(x.shape[2:], where, count_include_pad).astype(x.dtype)
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
    counts = window_counts(x.shape[2:], where, count_include_pad).astype(x.dtype)
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
    dpadded = padded_zeros(cache.shape, cache.windows, float).tolist()
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
    counts = window_counts(shape[2:], where, count_include_pad).tolist()
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
    dpadded = padded_zeros(cache.shape, cache.windows, float).tolist()
    for n in range(N):
        for c in range(C):
            for i in range(OH):
                for j in range(OW):
                    share = dy[n][c][i][j] / cache.counts[i][j]
                    for u in range(KH):
                        for v in range(KW):
                            dpadded[n][c][i * sh + u][j * sw + v] += share
    return crop_lists(dpadded, padding)


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


def global_avg_pool2d_by_formula(x):
    """global_avg_pool2d in pure Python."""
    N, C, H, W = check_images(x, "global_avg_pool2d")
    return [[sum(map(sum, channel)) / (H * W) for channel in image] for image in x], (N, C, H, W)


def global_avg_pool2d_by_formula_backward(dy, shape):
    """global_avg_pool2d_backward in pure Python."""
    check_gradient(dy, shape[:2], "global_avg_pool2d_backward")
    _, _, H, W = shape
    return [[[[g / (H * W)] * W for _ in range(H)] for g in row] for row in dy]


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


def window_counts(size, where: Windows, count_include_pad: bool) -> np.ndarray:
    """(OH, OW): by how many values the sum of each window is divided."""
    if count_include_pad:
        KH, KW = where.kernel_size
        return np.full(where.output, float(KH * KW))
    inside = pad(np.ones((1, 1, *size)), where.padding)
    return sum(shifted(inside, where))[0, 0]


def check_pool(x, kernel_size, stride, padding, who: str) -> tuple[np.ndarray, Windows]:
    """Return x as floats and where the windows lie, or say what does not fit."""
    _, where = check_pool_shape(x, kernel_size, stride, padding, who)
    return as_floats(x, who=who)[0], where


def check_pool_shape(x, kernel_size, stride, padding, who: str):
    """Return (shape of x, where the windows lie); padding is at most half the kernel."""
    shape = check_images(x, who)
    stride = kernel_size if stride is None else stride
    where = resolve_windows(shape[2:], kernel_size, stride, padding, who)
    for axis in range(2):
        if max(where.padding[axis]) > where.kernel_size[axis] // 2:
            raise ShapeError(
                f"{who}: padding must be at most half the kernel, or a window could lie outside "
                f"the image; got padding {where.padding} for kernel {where.kernel_size}."
            )
    return shape, where
