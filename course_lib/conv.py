"""Convolution three times over: by the formula, window by window, and vectorised.

Each rung has the same signature, the same cache and its own backward. Imports only shapes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from course_lib.shapes import (
    Padding, ShapeError, Windows, as_floats, check_gradient, check_images, nested_shape,
    resolve_windows,
)


class ConvCache(NamedTuple):
    """What the backward pass needs: the padded input, the weights and where windows lie."""

    padded: np.ndarray
    weight: np.ndarray
    has_bias: bool
    windows: Windows


def conv2d(x, weight, bias=None, stride=1, padding=0) -> tuple[np.ndarray, ConvCache]:
    """Slide every filter over every image: the cross-correlation that the field calls convolution.

    y[n, f, i, j] = bias[f] + sum over c, u, v of
        weight[f, c, u, v] * x[n, c, i*stride + u - padding, j*stride + v - padding]

    Shapes  x (N, C, H, W), weight (F, C, KH, KW), bias (F,) or None -> y (N, F, OH, OW)
            OH = floor((H + 2*padding - KH) / stride) + 1, and OW likewise
    The kernel is not flipped, pixels outside the image are 0. stride: a number or a pair;
    padding: a number, a pair, "valid", "same" or ((top, bottom), (left, right)).
    Returns (y, cache); raises ShapeError where the sizes do not fit.
    >>> x = np.array([[[[0, 3, 4], [9, 5, 0], [6, 2, 1]]]])
    >>> y, cache = conv2d(x, np.array([[[[0, 1], [0, 2]]]]))
    >>> y[0, 0]
    array([[13.,  4.],
           [ 9.,  2.]])
    """
    x, weight, bias = as_floats(x, weight, bias, who="conv2d")
    where = check_convolution(x, weight, bias, stride, padding)
    KH, KW = where.kernel_size
    sh, sw = where.stride
    padded = pad(x, where.padding)
    windows = sliding_window_view(padded, (KH, KW), axis=(2, 3))[:, :, ::sh, ::sw]
    y = np.tensordot(weight, windows, axes=((1, 2, 3), (1, 4, 5)))  # (F, N, OH, OW)
    y = np.ascontiguousarray(y.transpose(1, 0, 2, 3))
    if bias is not None:
        y += bias[:, None, None]
    return y, ConvCache(padded, weight, bias is not None, where)


def conv2d_backward(dy, cache: ConvCache, need_dx: bool = True):
    """Gradients of the loss from the upstream gradient dy, of the shape of y.

    dweight[f, c, u, v] = sum over n, i, j of dy[n, f, i, j] * padded[n, c, i*stride + u, ...]
    dbias[f]            = sum over n, i, j of dy[n, f, i, j]
    dx: every output hands dy * weight back to the pixels of its window; what falls on the
        padding is cropped. One product for each of the KH*KW offsets in the kernel.
    Returns (dx, dweight, dbias); dbias is None where there was no bias, dx where nobody needs it.
    """
    dy, N, C, F = check_conv_gradient(dy, cache)
    padded, weight, has_bias, where = cache
    (OH, OW), (KH, KW), (sh, sw), padding = where
    dy_flat = dy.reshape(N, F, OH * OW)
    dweight = np.zeros_like(weight)
    dpadded = np.zeros(padded.shape, np.result_type(dy, weight))
    for u in range(KH):
        for v in range(KW):
            seen = np.s_[:, :, u : u + sh * OH : sh, v : v + sw * OW : sw]
            window = padded[seen].reshape(N, C, OH * OW)
            dweight[:, :, u, v] = np.matmul(dy_flat, window.transpose(0, 2, 1)).sum(axis=0)
            if need_dx:
                dpadded[seen] += np.matmul(weight[:, :, u, v].T, dy_flat).reshape(N, C, OH, OW)
    dbias = dy.sum(axis=(0, 2, 3)) if has_bias else None
    return crop(dpadded, padding) if need_dx else None, dweight, dbias


def conv2d_by_windows(x, weight, bias=None, stride=1, padding=0):
    """conv2d as a loop over output positions: cut out one window of all images, multiply, sum."""
    x, weight, bias = as_floats(x, weight, bias, who="conv2d")
    where = check_convolution(x, weight, bias, stride, padding)
    (OH, OW), (KH, KW), (sh, sw), _ = where
    padded = pad(x, where.padding)
    y = np.zeros((len(x), len(weight), OH, OW), x.dtype)
    for i in range(OH):
        for j in range(OW):
            window = padded[:, :, i * sh : i * sh + KH, j * sw : j * sw + KW]
            y[:, :, i, j] = np.tensordot(window, weight, axes=((1, 2, 3), (1, 2, 3)))
    if bias is not None:
        y += bias[:, None, None]
    return y, ConvCache(padded, weight, bias is not None, where)


def conv2d_by_windows_backward(dy, cache: ConvCache, need_dx: bool = True):
    """conv2d_backward as a loop over output positions: each hands its gradient to its window."""
    dy, N, C, F = check_conv_gradient(dy, cache)
    padded, weight, has_bias, where = cache
    (OH, OW), (KH, KW), (sh, sw), padding = where
    dweight = np.zeros_like(weight)
    dpadded = np.zeros(padded.shape, np.result_type(dy, weight))
    for i in range(OH):
        for j in range(OW):
            seen = np.s_[:, :, i * sh : i * sh + KH, j * sw : j * sw + KW]
            dweight += np.tensordot(dy[:, :, i, j], padded[seen], axes=(0, 0))
            if need_dx:
                dpadded[seen] += np.tensordot(dy[:, :, i, j], weight, axes=(1, 0))
    dbias = dy.sum(axis=(0, 2, 3)) if has_bias else None
    return crop(dpadded, padding) if need_dx else None, dweight, dbias


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


RUNGS = {
    "formula": (conv2d_by_formula, conv2d_by_formula_backward),
    "windows": (conv2d_by_windows, conv2d_by_windows_backward),
    "vectorised": (conv2d, conv2d_backward),
}


def check_convolution(x, weight, bias, stride, padding) -> Windows:
    """Refuse arrays that do not fit together; say where the windows lie."""
    who = "conv2d"
    shape = nested_shape(weight)
    if len(shape) != 4 or min(shape) < 1:
        raise ShapeError(f"{who}: expected weight (F, C, KH, KW), got {shape}.")
    N, C, H, W = check_images(x, who, channels=shape[1])
    if bias is not None and nested_shape(bias) != (shape[0],):
        raise ShapeError(
            f"{who}: expected bias ({shape[0]},), one number a filter, got {nested_shape(bias)}."
        )
    return resolve_windows((H, W), shape[2:], stride, padding, who)


def check_conv_gradient(dy, cache: ConvCache):
    """Return dy as a float array with N, C and F, or say what shape was expected."""
    N, C = cache.padded.shape[:2]
    F = len(cache.weight)
    check_gradient(dy, (N, F, *cache.windows.output), "conv2d_backward")
    return as_floats(dy, who="conv2d_backward")[0], N, C, F


def pad(x: np.ndarray, padding: Padding, value: float = 0.0) -> np.ndarray:
    """Put rows and columns of `value` around every image (N, C, H, W)."""
    (top, bottom), (left, right) = padding
    if top == bottom == left == right == 0:
        return x
    N, C, H, W = x.shape
    padded = np.full((N, C, top + H + bottom, left + W + right), value, x.dtype)
    padded[:, :, top : top + H, left : left + W] = x
    return padded


def crop(padded: np.ndarray, padding: Padding) -> np.ndarray:
    """Take the padding off again: the reverse of `pad`, right for padding 0 too."""
    (top, bottom), (left, right) = padding
    H, W = padded.shape[2:]
    return padded[:, :, top : H - bottom, left : W - right]


def pad_lists(x, padding: Padding, value: float = 0.0) -> list:
    """`pad` for nested lists; the result shares nothing with x."""
    (top, bottom), (left, right) = padding
    width = left + len(x[0][0][0]) + right if len(x) else 0
    return [[[[value] * width for _ in range(top)]
             + [[value] * left + list(row) + [value] * right for row in channel]
             + [[value] * width for _ in range(bottom)]
             for channel in image] for image in x]


def crop_lists(padded, padding: Padding) -> list:
    """`crop` for nested lists."""
    (top, bottom), (left, right) = padding
    return [[[row[left : len(row) - right] for row in channel[top : len(channel) - bottom]]
             for channel in image] for image in padded]


def zeros_like(nested) -> list:
    """Nested lists of the same shape, all 0.0."""
    if isinstance(nested, (list, tuple)):
        return [zeros_like(part) for part in nested]
    return 0.0
