"""Optional: Numba does bias, ReLU and pooling in one pass over memory, where NumPy needs several.

The products stay in BLAS; finite numbers become what the stages in fast.py make of them. Kernels
are compiled once and kept on disk. Without Numba (the extra `fused`), or with COURSE_FUSED=0,
nothing here is used.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from course_lib.fast import (
    AddBias, BatchNorm, ConvolvePool, Flatten, MaxPool, ReLU, Stage, is_plain,
)

try:
    import numba
except Exception:  # noqa: BLE001  (not installed, or broken: fast.py does without)
    numba = None


def compiled(function, inline: str = "never"):
    """The function, compiled at its first call; sums may be taken in another order."""
    if numba is None:
        return function
    options = {"fastmath": {"reassoc", "nsz", "contract"}, "nogil": True, "error_model": "numpy",
               "inline": inline}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder for the cache can be written
        return numba.njit(**options)(function)


inlined = partial(compiled, inline="always")  # part of the kernel that calls it


# One window's four pixels of all images; one inner loop for each row that is written: with two in
# one loop the compiler no longer vectorises.
@inlined
def pool_window(first, second, third, fourth, bias, alpha, y, code):
    """y = ReLU(largest of the four + bias); code: which was it, plus 4 where the ReLU is shut."""
    for n in range(len(y)):
        best, k = first[n], 0
        k = 1 if second[n] > best else k
        best = second[n] if second[n] > best else best
        k = 2 if third[n] > best else k
        best = third[n] if third[n] > best else best
        k = 3 if fourth[n] > best else k
        best = (fourth[n] if fourth[n] > best else best) + bias
        y[n] = best if best > 0 else alpha * best
        code[n] = k if best > 0 else k + 4


@inlined
def unpool_window(dy, code, alpha, first, second, third, fourth):
    """The way back: dy to the pixel that won, 0 to the others; dy is used up. Returns its sum."""
    total = dy[0] * 0
    for n in range(len(dy)):
        dy[n] = dy[n] if code[n] < 4 else alpha * dy[n]
        total += dy[n]
    for n in range(len(dy)):
        first[n] = dy[n] if code[n] & 3 == 0 else 0
    for n in range(len(dy)):
        second[n] = dy[n] if code[n] & 3 == 1 else 0
    for n in range(len(dy)):
        third[n] = dy[n] if code[n] & 3 == 2 else 0
    for n in range(len(dy)):
        fourth[n] = dy[n] if code[n] & 3 == 3 else 0
    return total


@compiled
def pool_bias_relu(x, bias, alpha, y, down, across, code):
    """2x2 windows of x (2*OH or more, C, 2*OW or more, N) -> y (OH*C, OW, N), code (OH, C, OW, N).

    Row h of channel c is y[h * down + c * across]: see in_rows.
    """
    OH, C, OW, N = code.shape
    for h in range(OH):
        for c in range(C):
            row = y[h * down + c * across]
            for w in range(OW):
                pool_window(x[2 * h, c, 2 * w], x[2 * h, c, 2 * w + 1],
                            x[2 * h + 1, c, 2 * w], x[2 * h + 1, c, 2 * w + 1],
                            bias[c], alpha, row[w], code[h, c, w])


@compiled
def pool_bias_relu_backward(dy, down, across, code, alpha, dx, dbias):
    """Write dx at the pixels of whole windows, add to dbias; dy in rows as y."""
    OH, C, OW, N = code.shape
    for h in range(OH):
        for c in range(C):
            row = dy[h * down + c * across]
            for w in range(OW):
                dbias[c] += unpool_window(row[w], code[h, c, w], alpha,
                                          dx[2 * h, c, 2 * w], dx[2 * h, c, 2 * w + 1],
                                          dx[2 * h + 1, c, 2 * w], dx[2 * h + 1, c, 2 * w + 1])


@compiled
def bias_relu(x, bias, alpha, positive):
    """x = ReLU(x + bias) in place, x (rows, C, length); positive: where the ReLU is open."""
    H, C, L = x.shape
    for h in range(H):
        for c in range(C):
            row, b, mark = x[h, c], bias[c], positive[h, c]
            for n in range(L):
                value = row[n] + b
                row[n] = value if value > 0 else alpha * value
                mark[n] = value > 0


@compiled
def bias_relu_backward(dy, positive, alpha, dbias):
    """dy = dy where the ReLU is open, else alpha * dy, in place; adds to dbias."""
    H, C, L = dy.shape
    for h in range(H):
        for c in range(C):
            row, mark, total = dy[h, c], positive[h, c], dbias[c]
            for n in range(L):
                row[n] = row[n] if mark[n] else alpha * row[n]
                total += row[n]
            dbias[c] = total


@compiled
def pool_bias_relu_band(y, bias, alpha, pooled, code):
    """The same for a band y (2, 2*width, F, N) -> pooled (F, width, N), code (width, F, N)."""
    F, width, N = pooled.shape
    for w in range(width):
        for f in range(F):
            pool_window(y[0, 2 * w, f], y[0, 2 * w + 1, f], y[1, 2 * w, f], y[1, 2 * w + 1, f],
                        bias[f], alpha, pooled[f, w], code[w, f])


@compiled
def pool_bias_relu_band_backward(dy, code, alpha, dband, first, dbias):
    """dy (F, width, N) into dband (2, ..., F, N), from column `first` on; adds to dbias."""
    F, width, N = dy.shape
    for w in range(width):
        left = first + 2 * w
        for f in range(F):
            dbias[f] += unpool_window(dy[f, w], code[w, f], alpha,
                                      dband[0, left, f], dband[0, left + 1, f],
                                      dband[1, left, f], dband[1, left + 1, f])


@compiled
def statistics(x, mean, variance):
    """Mean and variance of each channel of x (rows, C, length)."""
    H, C, L = x.shape
    for c in range(C):
        total = x[0, c, 0] * 0
        for h in range(H):
            row = x[h, c]
            for n in range(L):
                total += row[n]
        m = total / (H * L)
        total = total * 0
        for h in range(H):
            row = x[h, c]
            for n in range(L):
                total += (row[n] - m) * (row[n] - m)
        mean[c], variance[c] = m, total / (H * L)


@compiled
def normalise(x, mean, scale, shift, y):
    """y = scale * (x - mean) + shift, one of each a channel; x and y (rows, C, length)."""
    H, C, L = x.shape
    for h in range(H):
        for c in range(C):
            row, out, m, a, b = x[h, c], y[h, c], mean[c], scale[c], shift[c]
            for n in range(L):
                out[n] = a * (row[n] - m) + b


@compiled
def batch_norm_sums(dy, x, mean, total, total_centred):
    """For each channel the sums of dy and of dy * (x - mean)."""
    H, C, L = dy.shape
    for h in range(H):
        for c in range(C):
            d, row, m, first, second = dy[h, c], x[h, c], mean[c], total[c], total_centred[c]
            for n in range(L):
                first += d[n]
                second += d[n] * (row[n] - m)
            total[c], total_centred[c] = first, second


@compiled
def batch_norm_dx(dy, x, mean, scale, average, slope):
    """dy = scale * (dy - average - slope * (x - mean)), in place."""
    H, C, L = dy.shape
    for h in range(H):
        for c in range(C):
            d, row, m, a, b, k = dy[h, c], x[h, c], mean[c], scale[c], average[c], slope[c]
            for n in range(L):
                d[n] = a * (d[n] - b - k * (row[n] - m))


# Stages made of these kernels, in place of those of fast.py
class PoolBiasReLU(Stage):
    """2x2 max pooling, and what stands behind it of bias and ReLU (no ReLU is slope 1).

    by_channels: its output lies in memory channel by channel, so that Flatten moves nothing.
    """

    by_channels = False

    def __init__(self, pool, bias=None, relu=None):
        super().__init__(pool.layer)
        self.bias = bias and bias.layer.bias
        self.learns = bias is not None
        self.alpha = relu.alpha if relu else 1.0

    def forward(self, x):
        H, C, W, N = x.shape
        y = np.empty((C, H // 2, W // 2, N), x.dtype).transpose(1, 0, 2, 3) if self.by_channels \
            else np.empty((H // 2, C, W // 2, N), x.dtype)
        code = np.empty(y.shape, np.uint8)
        pool_bias_relu(x, numbers(self.bias, C, x.dtype), x.dtype.type(self.alpha), *in_rows(y),
                       code)
        return y, (code, x.shape)

    def backward(self, dy, cache, need_dx):
        code, (H, C, W, N) = cache
        whole = H % 2 == W % 2 == 0
        dx = (np.empty if whole else np.zeros)((H, C, W, N), dy.dtype)
        dbias = np.zeros(C, dy.dtype)
        pool_bias_relu_backward(*in_rows(dy), code, dy.dtype.type(self.alpha), dx, dbias)
        if self.learns:
            self.bias.give(dbias)
        return dx


class ConvolvePoolBiasReLU(ConvolvePool):
    """The bands of a wide convolution, with pooling, bias and ReLU in one pass over each."""

    def __init__(self, bands, bias=None, relu=None):
        convolve, pool = bands.plain
        super().__init__(convolve, PoolBiasReLU(pool, bias, relu))
        self.bias = bias and bias.layer.bias
        self.alpha = relu.alpha if relu else 1.0

    def pool_band(self, y, pooled):
        F, width, N = pooled.shape
        code = np.empty((width, F, N), np.uint8)
        pool_bias_relu_band(y, numbers(self.bias, F, y.dtype), y.dtype.type(self.alpha), pooled,
                            code)
        return code

    def unpool_band(self, dy, code, dband, first):
        dbias = np.zeros(len(dy), dy.dtype)
        pool_bias_relu_band_backward(dy, code, dy.dtype.type(self.alpha), dband, first, dbias)
        if self.bias is not None:
            self.bias.give(dbias)


class FusedBatchNorm(BatchNorm):
    """BatchNorm with one pass where NumPy needs several; groups within a part as there."""

    def forward(self, x):
        H, C, W, N = x.shape
        size = self.layer.group_size or N
        if size < N or H * W * N < 2:
            y, cache = super().forward(x)
            return y, ("groups", cache)
        weight = self.layer.weight.data.astype(x.dtype, copy=False)
        mean, variance = np.empty((2, C), x.dtype)
        statistics(by_channel(x), mean, variance)
        deviation = np.sqrt(variance + x.dtype.type(self.layer.eps))
        scale, y = weight / deviation, np.empty_like(x)
        shift = self.layer.bias.data.astype(x.dtype, copy=False)
        normalise(by_channel(x), mean, scale, shift, by_channel(y))
        count = H * W * N
        self.seen.append((N, mean, variance * (count / (count - 1))))
        return y, ("whole", (x, mean, deviation))

    def backward(self, dy, cache, need_dx):
        how, cache = cache
        if how == "groups":
            return super().backward(dy, cache, need_dx)
        x, mean, deviation = cache
        weight, count = self.layer.weight, dy.size // len(mean)
        dbias, centred = np.zeros((2, len(mean)), dy.dtype)
        batch_norm_sums(by_channel(dy), by_channel(x), mean, dbias, centred)
        if need_dx:
            scale = weight.data.astype(dy.dtype, copy=False) / deviation
            slope = centred / (deviation * deviation) / count
            batch_norm_dx(by_channel(dy), by_channel(x), mean, scale, dbias / count, slope)
        self.layer.bias.give(dbias)
        weight.give(centred / deviation)
        return dy

    def infer(self, x):
        layer = self.layer
        weight, shift, mean, variance = (array.astype(x.dtype, copy=False) for array in (
            layer.weight.data, layer.bias.data, layer.running_mean, layer.running_var))
        scale = weight / np.sqrt(variance + x.dtype.type(layer.eps))
        normalise(by_channel(x), mean, scale, shift, by_channel(x))
        return x


class BiasReLU(Stage):
    """The bias of a convolution or a dense layer and the ReLU behind it."""

    learns = True

    def __init__(self, bias, relu):
        super().__init__(bias.layer)
        self.alpha = relu.alpha

    def forward(self, x):
        rows = by_channel(x)
        positive = np.empty(rows.shape, bool)
        bias = numbers(self.layer.bias, rows.shape[1], x.dtype)
        bias_relu(rows, bias, x.dtype.type(self.alpha), positive)
        return x, positive

    def backward(self, dy, positive, need_dx):
        dbias = np.zeros(positive.shape[1], dy.dtype)
        bias_relu_backward(by_channel(dy), positive, dy.dtype.type(self.alpha), dbias)
        self.layer.bias.give(dbias)
        return dy


def fuse(stages: list[Stage]) -> list[Stage]:
    """The stages with every chain that a kernel knows put together."""
    result, k = [], 0
    while k < len(stages):
        chain = following(stages, k + 1)
        if isinstance(stages[k], MaxPool) and is_plain(stages[k].layer):
            result.append(PoolBiasReLU(stages[k], **chain))
            k += 1 + len(chain)
        elif isinstance(stages[k], BatchNorm):
            result.append(FusedBatchNorm(stages[k].layer))
            k += 1
        elif isinstance(stages[k], ConvolvePool):
            result.append(ConvolvePoolBiasReLU(stages[k], **chain))
            k += 1 + len(chain)
        elif isinstance(stages[k], AddBias) and list(chain) == ["relu"]:
            result.append(BiasReLU(stages[k], **chain))
            k += 2
        else:
            result.append(stages[k])
            k += 1
    for before, flat in zip(result, result[1:]):
        if isinstance(before, PoolBiasReLU) and isinstance(flat, Flatten):
            before.by_channels = flat.by_channels = True
    return result


def following(stages: list[Stage], k: int) -> dict[str, Stage]:
    """An AddBias, a ReLU (its slope not negative), or one after the other, from place k on."""
    chain = {}
    if k < len(stages) and isinstance(stages[k], AddBias):
        chain["bias"], k = stages[k], k + 1
    if k < len(stages) and isinstance(stages[k], ReLU) and stages[k].alpha >= 0:
        chain["relu"] = stages[k]
    return chain


def in_rows(x):
    """(OH, C, OW, N), stored row by row or channel by channel -> (OH*C, OW, N), row h of channel c
    being number h * down + c * across; returns that view, down and across."""
    OH, C = x.shape[:2]
    if x.flags.c_contiguous:
        return x.reshape(OH * C, *x.shape[2:]), C, 1
    return x.transpose(1, 0, 2, 3).reshape(C * OH, *x.shape[2:]), 1, OH


def by_channel(x):
    """(H, C, W, N) -> (H, C, W*N); (features, N) -> (1, features, N): a view."""
    return x.reshape(*x.shape[:2], -1) if x.ndim == 4 else x[None]


def numbers(parameter, count: int, dtype):
    """A bias in this float type, zeros where there is none."""
    return np.zeros(count, dtype) if parameter is None else parameter.data.astype(dtype, copy=False)
