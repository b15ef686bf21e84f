"""The fast layout: a Sequential trained in arrays (rows, channels, columns, images).

The images lie innermost, so every copy is a long run and every product a BLAS call whose result
already has the layout of the next layer. Same numbers as the layers, to rounding. Imports what a
training step needs; `fused` only where it is asked for.

    x (H, C, W, N)     row 0     channel 0   column 0   image 0 1 2 ... N-1
                                             column 1   image 0 1 2 ... N-1
                                 channel 1   column 0   image 0 1 2 ... N-1
                       row 1     ...
"""

from __future__ import annotations

import inspect
import math
import os
from functools import lru_cache, reduce

import numpy as np
from numpy.lib.stride_tricks import as_strided

from course_lib import layers, pointwise
from course_lib.doors import check_gradient
from course_lib.formula import window_counts
from course_lib.shapes import Windows, as_integer, resolve_windows

MICRO = 32  # images that run forward and backward together, so that their arrays stay in cache
HEAVY = 256 * 1024  # bytes of dense weights from which on they see the whole batch
WIDE = 512  # in_channels * out_channels of a convolution from which on bands pay
FEW = 8  # images: up to so many, bands do not pay, and a dense layer goes in pieces
UNPACKED = 1_000_000  # multiplications up to which OpenBLAS does not first copy its matrices


# The convolution: one screen
def conv(x, weight, where: Windows):
    """Cross-correlate: copy the columns KW times, not the pixels KH*KW times.

    columns (top + H + bottom, KW, C, OW, N): columns[h, v, c, j] is the pixel that kernel column
    v sees at output column j of row h. Below one row lies the next, so the KH rows of a window
    are one block of memory as it is: `windows` (OH, KH*KW*C, OW*N) overlaps and copies nothing.

    Shapes  x (H, C, W, N), weight (F, C, KH, KW) -> y (OH, F, OW, N), windows
    """
    (H, C, W, N), (F, _, KH, KW) = x.shape, weight.shape
    (OH, OW), _, (sh, sw), ((top, bottom), (left, _)) = where
    down = meeting(H, top + H + bottom, top, 1)
    across = [meeting(OW, W, v - left, sw)[::-1] for v in range(KW)]
    columns = shifted_columns(x, (top + H + bottom, KW, C, OW, N), down, across)
    windows = rows_together(columns, KH, sh, OH)
    y = np.matmul(weight.transpose(0, 2, 3, 1).reshape(F, -1), windows)
    return y.reshape(OH, F, OW, N), windows


def conv_backward(dy, windows, weight, size, where: Windows, need_dx: bool = True):
    """dweight from the windows; dx is conv of the spread-out dy with every kernel turned by 180°.

    Output (i, j) came from pixels i*stride + u - padding: seen from the pixels, dy lies `stride`
    apart, with KH - 1 - padding rows of zeros around it (cut off, where that is negative).
    """
    (OH, F, OW, N), (_, C, KH, KW), (H, W) = dy.shape, weight.shape, size
    _, _, (sh, sw), ((top, _), (left, _)) = where
    dweight = np.matmul(windows, dy.reshape(OH, F, OW * N).transpose(0, 2, 1)).sum(axis=0)
    dweight = dweight.reshape(KH, KW, C, F).transpose(3, 2, 0, 1)
    if not need_dx:
        return None, dweight
    down = meeting(OH, H + KH - 1, KH - 1 - top, sh)
    across = [meeting(OW, W, KW - 1 - left - v, sw) for v in range(KW)]
    columns = shifted_columns(dy, (H + KH - 1, KW, F, W, N), down, across)
    turned = weight[:, :, ::-1, ::-1].transpose(1, 2, 3, 0).reshape(C, -1)
    dx = np.matmul(turned, rows_together(columns, KH, 1, H))
    return dx.reshape(H, C, W, N), dweight


def shifted_columns(x, shape, down, across):
    """x's rows and columns at the places that `down` and `across` name, zeros everywhere else.

    down is (rows of x, their places); across has such a pair for each of the KW kernel columns.
    """
    (rows, places), apart = down, down[1].step > 1 or across[0][1].step > 1  # zeros between them?
    columns = (np.zeros if apart else np.empty)(shape, x.dtype)
    columns[: places.start] = columns[places.stop :] = 0
    for v, (seen, out) in enumerate(across):
        columns[places, v, :, : out.start] = columns[places, v, :, out.stop :] = 0
        columns[places, v, :, out] = x[rows, :, seen]
    return columns


@lru_cache(1024)
def meeting(count: int, size: int, offset: int, step: int) -> tuple[slice, slice]:
    """Which i of range(count) have a place i*step + offset in range(size), and those places."""
    first = max(0, -(offset // step))
    stop = max(first, min(count, -((offset - size) // step)))
    return slice(first, stop, 1), slice(first * step + offset, stop * step + offset, step)


def rows_together(columns, KH: int, step: int, count: int):
    """(R, KW, C, W, N) -> (count, KH*KW*C, W*N): KH neighbouring rows as one block, uncopied."""
    _, KW, C, W, N = columns.shape
    strides = (step * columns.strides[0], W * N * columns.itemsize, columns.itemsize)
    return as_strided(columns, (count, KH * KW * C, W * N), strides, writeable=False)


# The same for wide layers, band by band: a second screen
def conv_pool_bands(x, weight, pool_band=None):
    """Stride 1, no padding, then 2x2 max pooling: two output rows at a time, which stay in cache.

    band (2, W, KH, C, N) holds for each column the KH rows that a window needs; KW neighbouring
    columns are one block, so each pixel is one product (F, KW*KH*C) @ (KW*KH*C, N). The rows of y
    are pooled as soon as they are there: y is never stored whole.

    Shapes  x (H, C, W, N), weight (F, C, KH, KW) -> pooled (OH//2, F, OW//2, N), and what
            pool_band notes of each window for the way back
    """
    (H, C, W, N), (F, _, KH, KW), pool_band = x.shape, weight.shape, pool_band or max_of_band
    rows, width = (H - KH + 1) // 2, (W - KW + 1) // 2
    matrix = weight.transpose(0, 3, 2, 1).reshape(F, -1)  # (F, KW*KH*C)
    pooled, notes = np.empty((rows, F, width, N), x.dtype), []
    band = np.empty((2, W, KH, C, N), x.dtype)
    windows = columns_together(band, KW, 2 * width)
    for h in range(rows):
        for u in range(KH):
            band[:, :, u] = x[2 * h + u : 2 * h + u + 2].transpose(0, 2, 1, 3)
        y = np.matmul(matrix, windows)  # (2, 2*width, F, N)
        notes.append(pool_band(y, pooled[h]))
    return pooled, notes


def conv_pool_bands_backward(dy, x, notes, weight, need_dx: bool = True, unpool_band=None):
    """Band by band: unpool, dweight, and dx gathered over columns and scattered over rows."""
    (H, C, W, N), (F, _, KH, KW), (rows, _, width, _) = x.shape, weight.shape, dy.shape
    OW, unpool_band = 2 * width, unpool_band or max_of_band_backward
    split = next(k for k in (4, 3, 2, 1) if OW % k == 0)  # pixels a product of dweight sums over
    turned = weight[:, :, :, ::-1].transpose(2, 1, 3, 0).reshape(KH * C, -1)  # (KH*C, KW*F)
    dweight = np.zeros((KW, KH * C, F), dy.dtype)
    dx = np.zeros(x.shape, dy.dtype) if need_dx else None
    dband = np.zeros((2, OW + 2 * (KW - 1), F, N), dy.dtype)  # zeros left and right
    inner, spread = dband[:, KW - 1 : KW - 1 + OW], columns_together(dband, KW, OW + KW - 1)
    for h in range(rows):
        unpool_band(dy[h], notes[h], dband, KW - 1)
        seen = pixels_together(x[2 * h :], KH, KW, OW, split)
        turned_dy = inner.transpose(0, 1, 3, 2).reshape(2, 1, OW // split, split * N, F)
        dweight += np.matmul(seen, turned_dy).sum(axis=(0, 2))
        if need_dx:
            t = np.matmul(turned, spread).reshape(2, OW + KW - 1, KH, C, N)
            for u in range(KH):
                dx[2 * h + u : 2 * h + u + 2, :, : OW + KW - 1] += t[:, :, u].transpose(0, 2, 1, 3)
    return dx, dweight.reshape(KW, KH, C, F).transpose(3, 2, 1, 0)


def max_of_band(y, pooled):
    """y (2, 2*width, F, N) -> pooled (F, width, N), and which pixels beat those before them."""
    best, won = largest([y[0, 0::2], y[0, 1::2], y[1, 0::2], y[1, 1::2]])
    pooled[...] = best.transpose(1, 0, 2)
    return won


def max_of_band_backward(dy, won, dband, first: int) -> None:
    """dy (F, width, N) into the winning pixels of dband (2, ..., F, N), from column `first` on."""
    stop = first + 2 * dy.shape[1]
    places = [dband[row, column:stop:2] for row in range(2) for column in (first, first + 1)]
    hand_back(dy.transpose(1, 0, 2).copy(), won, places, overlap=False)


def columns_together(band, KW: int, count: int):
    """(2, W, ..., C, N) -> (2, count, KW*...*C, N): KW neighbouring columns as one block."""
    N, item = band.shape[-1], band.itemsize
    block = math.prod(band.shape[2:-1])
    strides = (band.strides[0], band.strides[1], N * item, item)
    return as_strided(band, (2, count, KW * block, N), strides, writeable=False)


def pixels_together(x, KH: int, KW: int, OW: int, split: int):
    """x (H, C, W, N) -> (2, KW, OW//split, KH*C, split*N): what two rows of windows see, uncopied.

    Rows and channels lie W*N apart, one after the other; a column shift is an offset of N.
    """
    _, C, W, N = x.shape
    row, channel, column, item = x.strides
    return as_strided(x, (2, KW, OW // split, KH * C, split * N),
                      (row, column, split * column, channel, item), writeable=False)


# Stages: what the layers do, on arrays whose last axis is the batch.
# forward(x) -> (y, cache); backward(dy, cache, need_dx) -> dx, adding to the gradients; infer(x).
# A stage never needs its output again, nor the dy that it was given: who comes next may write
# into them.
class Stage:
    """One step on batch-last arrays; `layer` owns the parameters and hyperparameters."""

    learns = False
    whole_batch = False  # needs all images at once

    def __init__(self, layer):
        self.layer = layer

    def infer(self, x):
        return self.forward(x)[0]

    def begin(self) -> None:
        """What is done once a batch, before any of its parts: the last one may have failed."""

    def finish(self) -> None:
        """What is done once a batch, after all of its parts went forward."""


class Convolve(Stage):
    """Conv2D without its bias."""

    learns = True

    def forward(self, x):
        H, _, W, _ = x.shape
        where = windows_of(self.layer, H, W)
        y, windows = conv(x, self.layer.weight.data, where)
        return y, (windows, (H, W), where)

    def backward(self, dy, cache, need_dx):
        weight = self.layer.weight
        dx, dweight = conv_backward(dy, cache[0], weight.data, *cache[1:], need_dx)
        weight.give(dweight)
        return dx


class ConvolveApart(Stage):
    """The network's first Conv2D, without its bias, and the 2x2 max pool behind it.

    The even columns of the output are computed apart from the odd ones: the pool then compares
    two arrays from end to end, not every second short run of one. Only at the front, where nobody
    needs dx. (Numba's pool reads the runs as they lie.)
    """

    learns = True

    @staticmethod
    def takes(conv: Stage, pool: Stage) -> bool:
        """Is this pair of the plain kind? (stages_of asks for the first two stages only.)"""
        return (isinstance(conv, Convolve) and conv.layer.stride[1] == 1
                and isinstance(pool, MaxPool) and is_plain(pool.layer))

    def halves(self, x):
        """[even, odd] columns of the output (OH, F, OW//2, N), and the windows that they saw.

        Output column 2*i + k sees at kernel column v the pixel 2*i + k + v: number i + (k + v)//2
        of the even pixels, or of the odd ones.
        """
        H, C, W, N = x.shape
        F, _, KH, KW = self.layer.weight.data.shape
        (OH, OW), _, (step, _), padding = windows_of(self.layer, H, W)
        padded = pad(x, padding)
        pixels = [np.ascontiguousarray(padded[:, :, k::2]) for k in range(2)]
        columns = np.empty((2, len(padded), KW, C, OW // 2, N), x.dtype)
        for k in range(2):
            for v in range(KW):
                first = (k + v) // 2
                columns[k, :, v] = pixels[(k + v) % 2][:, :, first : first + OW // 2]
        windows = [rows_together(half, KH, step, OH) for half in columns]
        matrix = self.layer.weight.data.transpose(0, 2, 3, 1).reshape(F, -1)
        return [np.matmul(matrix, half).reshape(OH, F, OW // 2, N) for half in windows], windows

    def forward(self, x):
        H, _, W, _ = x.shape
        halves, windows = self.halves(x)
        pooled, note = self.pool_halves(*halves)
        return pooled, (note, halves[0].shape, windows, (H, W))

    def infer(self, x):
        even, odd = self.halves(x)[0]
        upper, lower = pairs_of_rows(np.maximum(odd, even))
        return np.maximum(lower, upper)

    def backward(self, dy, cache, need_dx):
        note, shape, windows, size = cache
        weight, where = self.layer.weight, windows_of(self.layer, *size)
        for half, seen in zip(self.unpool_halves(dy, note, shape), windows):
            weight.give(conv_backward(half, seen, weight.data, size, where, need_dx=False)[1])

    def pool_halves(self, even, odd):
        """Even and odd columns (H, C, OW, N) -> pooled (H//2, C, OW, N), and who won."""
        widest, across = largest([even, odd])
        pooled, down = largest(pairs_of_rows(widest))
        return pooled, (across, down)

    def unpool_halves(self, dy, note, shape):
        """dy (H//2, C, OW, N) to the winners: even and odd columns (H, C, OW, N)."""
        across, down = note
        dwidest, *halves = np.empty((3, *shape), dy.dtype)
        dwidest[2 * len(dy) :] = 0
        hand_back(dy, down, pairs_of_rows(dwidest), overlap=False)
        hand_back(dwidest, across, halves, overlap=False)
        return halves


class ConvolvePool(Stage):
    """Conv2D without its bias and the 2x2 max pool behind it, in bands; for wide layers.

    A few images go through the two stages of `plain`, one after the other: rows are long enough
    for BLAS then, pixels are not.
    """

    learns = True
    pool_band = unpool_band = None  # those of NumPy

    def __init__(self, convolve: Stage, pool: Stage):
        super().__init__(convolve.layer)
        self.plain = convolve, pool

    @staticmethod
    def takes(conv: Stage, pool: Stage) -> bool:
        """Does this pair gain from bands? Both must be of the plain kind, the layer wide."""
        if not (isinstance(conv, Convolve) and isinstance(pool, MaxPool)):
            return False
        inner = conv.layer
        return (inner.stride == (1, 1) and is_plain(pool.layer)
                and inner.in_channels * inner.out_channels >= WIDE)

    def forward(self, x):
        H, _, W, N = x.shape
        if N <= FEW:
            y, first = self.plain[0].forward(x)
            y, second = self.plain[1].forward(y)
            return y, (first, second)
        where = windows_of(self.layer, H, W)
        padded = pad(x, where.padding)
        y, notes = conv_pool_bands(padded, self.layer.weight.data, self.pool_band)
        return y, (padded, notes, (H, W), where)

    def backward(self, dy, cache, need_dx):
        if dy.shape[-1] <= FEW:
            first, second = cache
            return self.plain[0].backward(self.plain[1].backward(dy, second, True), first, need_dx)
        padded, notes, size, where = cache
        weight = self.layer.weight
        dx, dweight = conv_pool_bands_backward(
            dy, padded, notes, weight.data, need_dx, self.unpool_band)
        weight.give(dweight)
        return crop(dx, where.padding, size) if need_dx else None


class AddBias(Stage):
    """One number a channel, or a feature, on top."""

    learns = True

    def forward(self, x):
        bias = self.layer.bias.data
        x += bias[:, None, None] if x.ndim == 4 else bias[:, None]
        return x, None

    def backward(self, dy, cache, need_dx):
        self.layer.bias.give(channel_sums(dy) if dy.ndim == 4 else dy.sum(axis=1))
        return dy


class Dense(Stage):
    """Dense without its bias: x (in_features, N) -> y (out_features, N).

    Few images: some features at a time, in products that BLAS multiplies as they lie.
    """

    learns = True

    def forward(self, x):
        weight = self.layer.weight.data
        y, *others = (np.matmul(weight[some].T, x[some]) for some in self.pieces(x.shape[1]))
        return sum(others, start=y), x

    def backward(self, dy, x, need_dx):
        weight = self.layer.weight
        outer = np.dot if x.shape[1] == 1 else np.matmul  # matmul is slow there: no BLAS
        weight.give(outer(x, np.ascontiguousarray(dy.T)))
        if not need_dx:
            return None
        dx = np.empty_like(x)
        for some in self.pieces(x.shape[1]):
            np.matmul(weight.data[some], dy, out=dx[some])
        return dx

    def pieces(self, N: int) -> list[slice]:
        """The features, in slices; in one where slices would be many and short."""
        features, outputs = self.layer.weight.data.shape
        size = UNPACKED // (outputs * N)
        return parts(features, size if N <= FEW and size >= 32 else features)


class ReLU(Stage):
    """Also leaky: where x <= 0 the slope is alpha."""

    def __init__(self, layer):
        super().__init__(layer)
        self.alpha = getattr(layer, "alpha", 0.0)

    def forward(self, x):
        positive = x > 0
        if self.alpha:
            slope = np.where(positive, x.dtype.type(1), x.dtype.type(self.alpha))
            return np.multiply(x, slope, out=x), slope
        return np.maximum(x, 0, out=x), positive

    def infer(self, x):
        return self.forward(x)[0] if self.alpha else np.maximum(x, 0, out=x)

    def backward(self, dy, slope, need_dx):
        return np.multiply(dy, slope, out=dy)


class Sigmoid(Stage):
    def forward(self, x):
        y = pointwise.sigmoid(x)[0]
        return y, y * (1 - y)

    def backward(self, dy, slope, need_dx):
        return np.multiply(dy, slope, out=dy)


class Tanh(Stage):
    def forward(self, x):
        y = np.tanh(x)
        return y, 1 - y * y

    backward = Sigmoid.backward


class MaxPool(Stage):
    """Of the pixels of a window the largest, of equal ones the first, read row by row.

    First along the columns, then along the rows: within each, one pixel after the other challenges
    the largest so far. Backward, from the last to the first, each takes the gradient if it won
    and leaves the rest to those before it.
    """

    def forward(self, x):
        H, _, W, _ = x.shape
        where = windows_of(self.layer, H, W)
        padded = pad(x, where.padding, -np.inf)
        widest, across = largest(along_columns(padded, where))
        y, down = largest(along_rows(widest, where))
        return y, (padded.shape, across, down, (H, W), where)

    def infer(self, x):
        where = windows_of(self.layer, x.shape[0], x.shape[2])
        padded = pad(x, where.padding, -np.inf)
        widest = reduce(np.maximum, along_columns(padded, where))
        y = reduce(np.maximum, along_rows(widest, where))
        return y.copy() if y.base is not None else y

    def backward(self, dy, cache, need_dx):
        (H, C, W, N), across, down, size, where = cache
        (OH, OW), (KH, KW), (sh, sw), padding = where
        rows = np.empty if KH == sh and OH * KH == H else np.zeros
        columns = np.empty if KW == sw and OW * KW == W else np.zeros
        dwidest = rows((H, C, OW, N), dy.dtype)
        hand_back(dy, down, along_rows(dwidest, where), overlap=KH > sh)
        dx = columns((H, C, W, N), dy.dtype)
        hand_back(dwidest, across, along_columns(dx, where), overlap=KW > sw)
        return crop(dx, padding, size)


class AvgPool(Stage):
    def forward(self, x):
        H, _, W, _ = x.shape
        where = windows_of(self.layer, H, W)
        counts = np.array(window_counts((H, W), where, self.layer.count_include_pad), x.dtype)
        padded = pad(x, where.padding)
        y = sum(offsets(padded, where)) / counts[:, None, :, None]
        return y, (counts, padded.shape, (H, W), where)

    def backward(self, dy, cache, need_dx):
        counts, shape, size, where = cache
        dx, share = np.zeros(shape, dy.dtype), dy / counts.astype(dy.dtype)[:, None, :, None]
        for place in offsets(dx, where):
            place += share
        return crop(dx, where.padding, size)


class GlobalAvgPool(Stage):
    def forward(self, x):
        return x.mean(axis=(0, 2)), x.shape

    def backward(self, dy, shape, need_dx):
        share = dy / dy.dtype.type(shape[0] * shape[2])
        return np.broadcast_to(share[None, :, None], shape).copy()


class BatchNorm(Stage):
    """Statistics over consecutive groups of images, as in the layer."""

    learns = True

    def __init__(self, layer):
        super().__init__(layer)
        self.whole_batch = layer.group_size is None
        self.seen = []  # (images, mean, unbiased variance) of each group since finish

    def forward(self, x):
        H, C, W, N = x.shape
        size = self.layer.group_size or N
        groups = [slice(start, min(start + size, N)) for start in range(0, N, size)]
        if H * W * (groups[-1].stop - groups[-1].start) < 2:
            self.layer.forward(to_images(x))  # raises, with the layer's name
        weight, bias = self.layer.weight.data, self.layer.bias.data
        centred, deviation = x, []
        y = np.empty_like(x)
        for group in groups:
            part = x[..., group]
            count = part.size // C
            mean = channel_sums(part) / count
            part -= mean[:, None, None]
            variance = squares(part, part) / count
            root = np.sqrt(variance + x.dtype.type(self.layer.eps))
            np.multiply(part, (weight / root)[:, None, None], out=y[..., group])
            deviation.append(root)
            self.seen.append((part.shape[-1], mean, variance * (count / (count - 1))))
        y += bias[:, None, None]
        return y, (centred, deviation, groups)

    def backward(self, dy, cache, need_dx):
        centred, deviation, groups = cache
        weight, bias = self.layer.weight, self.layer.bias
        for root, group in zip(deviation, groups):
            d, part = dy[..., group], centred[..., group]
            count = d.size // len(root)
            dbias, dweight = channel_sums(d), squares(d, part) / root
            bias.give(dbias)
            weight.give(dweight)
            if need_dx:
                part *= (dweight / root / count)[:, None, None]
                d -= part
                d -= (dbias / count)[:, None, None]
                d *= (weight.data / root)[:, None, None]
        return dy

    def infer(self, x):
        layer = self.layer
        scale = layer.weight.data / np.sqrt(layer.running_var + x.dtype.type(layer.eps))
        shift = layer.bias.data - scale * layer.running_mean
        return np.add(x * scale[:, None, None], shift[:, None, None])

    def begin(self):
        self.seen.clear()

    def finish(self):
        images, means, variances = (np.array(column) for column in zip(*self.seen))
        self.seen.clear()
        self.layer.move_running(images, means, variances)


class Dropout(Stage):
    """The mask is drawn image by image, so that it does not depend on how a batch is cut."""

    def forward(self, x):
        N = x.shape[-1]
        shape = to_images(x).shape
        keep = (self.layer.rng.random(shape) >= self.layer.p) / (1 - self.layer.p)
        keep = to_columns(keep.astype(x.dtype))
        return x * keep, keep

    def infer(self, x):
        return x

    def backward(self, dy, keep, need_dx):
        return np.multiply(dy, keep, out=dy)


class Flatten(Stage):
    """(H, C, W, N) -> (C*H*W, N), channel by channel, as the layer counts.

    by_channels: the stage before it writes, and takes back, maps that lie so in memory.
    """

    by_channels = False

    def forward(self, x):
        if x.ndim != 4:
            return x.reshape(math.prod(x.shape[:-1]), x.shape[-1]), x.shape
        H, C, W, N = x.shape
        return np.ascontiguousarray(x.transpose(1, 0, 2, 3)).reshape(C * H * W, N), x.shape

    def backward(self, dy, shape, need_dx):
        if len(shape) != 4:
            return dy.reshape(shape)
        H, C, W, N = shape
        dx = dy.reshape(C, H, W, N).transpose(1, 0, 2, 3)
        return dx if self.by_channels else np.ascontiguousarray(dx)


class Reference(Stage):
    """Any other layer: it computes itself, on the usual layout and the whole batch."""

    whole_batch = True

    def __init__(self, layer):
        super().__init__(layer)
        self.learns = bool(layer.parameters())

    def forward(self, x):
        return to_columns(self.layer.forward(to_images(x))), None

    def infer(self, x):
        return to_columns(self.layer.predict(to_images(x)))

    def backward(self, dy, cache, need_dx):
        dx = self.layer.backward(to_images(dy), need_dx=need_dx)
        return None if dx is None else to_columns(dx)


STAGES = {
    layers.Conv2D: (Convolve, AddBias), layers.Dense: (Dense, AddBias),
    layers.MaxPool2D: (MaxPool,), layers.AvgPool2D: (AvgPool,),
    layers.GlobalAvgPool2D: (GlobalAvgPool,), layers.BatchNorm2D: (BatchNorm,),
    layers.ReLU: (ReLU,), layers.LeakyReLU: (ReLU,), layers.Sigmoid: (Sigmoid,),
    layers.Tanh: (Tanh,), layers.Dropout: (Dropout,), layers.Flatten: (Flatten,),
}


METHODS = {"forward", "backward", "predict", "compute", "differentiate", "rungs"}  # of a layer


def stages_of(model, fused: bool | None = None) -> list[Stage]:
    """The network as stages; what commutes with a max pool that follows goes behind it.

    fused: let Numba put chains of stages together; None: where it is installed.
    """
    stages = []
    for layer in model.layers:
        kinds = STAGES.get(type(layer), (Reference,))
        if METHODS & set(vars(layer)):
            kinds = (Reference,)  # somebody changed this one
        stages += [kind(layer) for kind in kinds if kind is not AddBias or layer.bias is not None]
    moved = True
    while moved:
        moved = False
        for k in range(len(stages) - 1):
            if isinstance(stages[k + 1], MaxPool) and commutes_with_max(stages[k]):
                stages[k], stages[k + 1] = stages[k + 1], stages[k]
                moved = True
    for k in reversed(range(len(stages) - 1)):
        if ConvolvePool.takes(stages[k], stages[k + 1]):
            stages[k : k + 2] = [ConvolvePool(*stages[k : k + 2])]
    if with_numba() if fused is None else fused:
        from course_lib.fused import fuse

        return fuse(stages)
    if len(stages) > 1 and ConvolveApart.takes(*stages[:2]):
        stages[:2] = [ConvolveApart(stages[0].layer)]
    return stages


def with_numba() -> bool:
    """Does Numba take part where nobody chose? Where it is forbidden, nothing of it is touched."""
    if os.environ.get("COURSE_FUSED") == "0":
        return False
    from course_lib import fused

    return fused.numba is not None


def commutes_with_max(stage: Stage) -> bool:
    """Never falls where its input rises, and treats all pixels of a channel alike."""
    return isinstance(stage, AddBias) or isinstance(stage, ReLU) and stage.alpha >= 0


class Trainer:
    """trainer(images, labels) -> (loss, logits), adding to the gradient of every parameter.

    What model.forward, the loss and model.backward do together, on the model's own parameters.
    A batch goes through in parts, forward and backward, so that their arrays stay in cache; large
    dense layers, and losses that cannot be added up, see the whole batch at once.
    """

    def __init__(self, model, loss, fused: bool | None = None):
        self.model, self.loss = model, loss
        self.numba = with_numba() if fused is None else fused
        self.stages = stages_of(model, self.numba)
        learners = [k for k, stage in enumerate(self.stages) if stage.learns]
        self.first = min(learners, default=len(self.stages))
        self.adds_up = "examples" in inspect.signature(loss).parameters
        self.head = head_of(self.stages)
        self.parameters = list(model.parameters().values())
        self.known = set()  # shapes and kinds of images that were checked
        self.parts_share_nothing = self.adds_up and self.head == len(self.stages)
        self.name = repr(model.layers[-1]) if model.layers else ""

    def __call__(self, images, labels):
        images, labels = np.asarray(images), np.asarray(labels)
        if len(images) != len(labels) or not known_to_fit(self.model, images, self.known):
            return self.as_the_layers_do(images, labels)
        N, size = len(images), micro_of(self.stages, len(images))
        for stage in self.stages:
            stage.begin()
        batch = images.astype(dtype_of(self.parameters, images), copy=False)
        results = [self.step(batch[part], labels[part], N, size)
                   for part in parts(N, size if self.parts_share_nothing else N)]
        for stage in self.stages:
            stage.finish()
        values, logits = zip(*results)
        return sum(values), np.concatenate(logits)

    def step(self, images, labels, examples: int, size: int):
        """The body in parts of `size` images, head and loss on all of them, and back."""
        cuts, memory, features = parts(len(images), size), [], []
        for part in cuts:
            y, caches = self.forward(to_columns(images[part]), 0, self.head)
            features.append(y)
            memory.append(caches)
        y = features[0] if len(cuts) == 1 else np.concatenate(features, axis=-1)
        y, caches = self.forward(y, self.head, len(self.stages))
        logits = to_images(y)
        options = {"examples": examples} if self.adds_up else {}
        value, dlogits = self.loss(logits, labels, **options)
        check_gradient(dlogits, logits.shape, self.name)
        dy = self.backward(to_columns(np.asarray(dlogits)), caches, self.head)
        for part, caches in zip(cuts, memory):
            if dy is not None:
                mine = dy if len(cuts) == 1 else np.ascontiguousarray(dy[..., part])
                self.backward(mine, caches, 0)
        return value, logits

    def forward(self, x, start: int, stop: int):
        """Through the stages from `start` on; what each will need is kept."""
        caches = []
        for stage in self.stages[start:stop]:
            x, cache = stage.forward(x)
            caches.append(cache)
        return x, caches

    def backward(self, dy, caches: list, start: int):
        """Back to stage `start`, at most to the first that learns; then None."""
        while caches:
            place = start + len(caches) - 1
            if place < self.first:
                return None
            dy = self.stages[place].backward(dy, caches.pop(), need_dx=place > self.first)
        return dy

    def as_the_layers_do(self, images, labels):
        """For images that do not fit: the layers say why, or have a way."""
        logits = self.model.forward(images)
        value, dlogits = self.loss(logits, labels)
        self.model.backward(dlogits, need_dx=False)
        return value, logits


class Predictor:
    """predictor(images, batch_size) -> logits (N, K): model.predict in the fast layout.

    The plan is made once, from the layers as they are then; the parameters are read at each call.
    """

    def __init__(self, model, fused: bool | None = None):
        self.model, self.stages = model, stages_of(model, fused)
        self.known = set()  # shapes and kinds of images that were checked

    def __call__(self, images, batch_size: int = MICRO):
        """At most batch_size images at a time, and no more than stay in cache."""
        batch_size = as_integer(batch_size, "batch_size", "fast.predict")
        images, logits = np.asarray(images), []
        if not known_to_fit(self.model, images, self.known):
            return self.model.predict(images, batch_size)
        dtype = dtype_of(self.model.parameters().values(), images)
        for part in parts(len(images), min(batch_size, MICRO)):
            x = to_columns(images[part].astype(dtype, copy=False))
            for stage in self.stages:
                x = stage.infer(x)
            logits.append(to_images(x))
        return np.concatenate(logits)


def predict(model, images, batch_size: int = MICRO, fused: bool | None = None):
    """model.predict in the fast layout, once: logits (N, K), nothing remembered."""
    return Predictor(model, fused)(images, batch_size)


# How a batch is cut
def parts(N: int, size: int) -> list[slice]:
    """range(N) in consecutive slices of `size`; the last one may be smaller."""
    return [slice(start, min(start + size, N)) for start in range(0, N, size)]


def head_of(stages: list[Stage]) -> int:
    """The place from which on all images go together: before the dense layers, if they are large.

    Reading and adding to a large weight costs more than a part of the batch computes with it.
    """
    flat = [k for k, stage in enumerate(stages) if isinstance(stage, (Flatten, GlobalAvgPool))]
    place = flat[-1] if flat else 0
    dense = sum(stage.layer.weight.data.nbytes for stage in stages[place:]
                if isinstance(stage, Dense))
    return place if dense > HEAVY else len(stages)


def micro_of(stages: list[Stage], N: int) -> int:
    """Images a part: about MICRO, whole groups of every batch norm, or all."""
    if any(stage.whole_batch for stage in stages):
        return N
    groups = [stage.layer.group_size for stage in stages if isinstance(stage, BatchNorm)]
    group = math.lcm(*groups)
    return min(N, group * max(1, MICRO // group))


def fits(model, images) -> bool:
    """Are these images of numbers, whose shape the layers' own sizes explain?"""
    try:
        model.shapes(images.shape[1:])
    except ValueError:
        return False
    return images.dtype.kind in "fiub"


def known_to_fit(model, images, known: set) -> bool:
    """Are there images, and do they fit? Remembers in `known` what did."""
    kind = images.shape[1:], images.dtype.kind
    if kind not in known and fits(model, images):
        known.add(kind)
    return kind in known and len(images) > 0


def dtype_of(parameters, images):
    """The float type in which the layers would compute."""
    mine = images.dtype if images.dtype.kind == "f" else np.float64
    return np.result_type(np.float32, mine, *{parameter.data.dtype for parameter in parameters})


# Layouts, and windows in them
def to_columns(x):
    """A copy with the batch last: (N, C, H, W) -> (H, C, W, N), (N, K) -> (K, N)."""
    turned = x.transpose(2, 1, 3, 0) if x.ndim == 4 else x.transpose(*range(1, x.ndim), 0)
    return np.array(turned, order="C")


def to_images(x):
    """A copy with the batch first again."""
    turned = x.transpose(3, 1, 0, 2) if x.ndim == 4 else x.transpose(-1, *range(x.ndim - 1))
    return np.array(turned, order="C")


def windows_of(layer, H: int, W: int) -> Windows:
    """Where the windows of a convolution or a pool lie in this image."""
    return resolved((H, W), layer.kernel_size, layer.stride, layer.padding)


resolved = lru_cache(1024)(resolve_windows)


def is_plain(pool) -> bool:
    """Windows of 2x2 side by side, no border?"""
    return pool.kernel_size == pool.stride == (2, 2) and pool.padding == ((0, 0), (0, 0))


def pairs_of_rows(x) -> list:
    """(H, ...) -> the upper and the lower row of every whole pair, as views."""
    stop = len(x) // 2 * 2
    return [x[0:stop:2], x[1:stop:2]]


def offsets(padded, where: Windows) -> list:
    """For each offset in a window: that pixel of every window, as a strided view."""
    (OH, OW), (KH, KW), (sh, sw), _ = where
    return [padded[u : u + sh * (OH - 1) + 1 : sh, :, v : v + sw * (OW - 1) + 1 : sw]
            for u in range(KH) for v in range(KW)]


def along_columns(x, where: Windows) -> list:
    """For each column of a window: what it sees at every output column, as a view of all rows."""
    (_, OW), (_, KW), (_, sw), _ = where
    return [x[:, :, v : v + sw * (OW - 1) + 1 : sw] for v in range(KW)]


def along_rows(x, where: Windows) -> list:
    """For each row of a window: what it sees at every output row, as a view of all columns."""
    (OH, _), (KH, _), (sh, _), _ = where
    return [x[u : u + sh * (OH - 1) + 1 : sh] for u in range(KH)]


def largest(candidates: list):
    """The largest at each place; for every candidate but the first: did it beat those before?"""
    y, *others = candidates
    won = []
    for other in others:
        won.append(other > y)
        y = np.maximum(other, y)
    return y if others else y.copy(), won


def hand_back(dy, won: list, places: list, overlap: bool) -> None:
    """Write into `places` what largest's backward gives to each candidate; dy may be used up."""
    first, *others = places
    if not others:
        first[...] = first + dy if overlap else dy
    for place, mine in zip(reversed(others), reversed(won)):
        share = np.multiply(dy, mine, out=None if overlap else place)
        if overlap:
            place += share
        dy = np.subtract(dy, share, out=dy if overlap else first)
    if overlap and others:
        first += dy


def pad(x, padding, value=0.0):
    """Rows and columns of `value` around every image (H, C, W, N)."""
    (top, bottom), (left, right) = padding
    if top == bottom == left == right == 0:
        return x
    H, C, W, N = x.shape
    padded = np.full((top + H + bottom, C, left + W + right, N), value, x.dtype)
    padded[top : top + H, :, left : left + W] = x
    return padded


def crop(padded, padding, size):
    """Take the padding off again."""
    (top, _), (left, _) = padding
    H, W = size
    if padded.shape[0] == H and padded.shape[2] == W:
        return padded
    return np.ascontiguousarray(padded[top : top + H, :, left : left + W])


def channel_sums(x):
    """(H, C, W, N) -> (C,)."""
    return np.einsum("hcwn->c", x)


def squares(a, b):
    """The sum of a*b over everything but the channels: (H, C, W, N) twice -> (C,)."""
    return np.einsum("hcwn,hcwn->c", a, b)
