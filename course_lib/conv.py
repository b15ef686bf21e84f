"""Convolution three times over: by the formula, window by window, and vectorised.

Each rung has the same signature, the same cache and its own backward; the formula's stands in
formula.py, in pure Python. Imports shapes, doors and formula.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from course_lib.doors import as_floats, check_conv_gradient, check_convolution
from course_lib.formula import ConvCache, conv2d_by_formula, conv2d_by_formula_backward
from course_lib.shapes import Padding


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


RUNGS = {
    "formula": (conv2d_by_formula, conv2d_by_formula_backward),
    "windows": (conv2d_by_windows, conv2d_by_windows_backward),
    "vectorised": (conv2d, conv2d_backward),
}


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


