"""What the checks of dW and db of a convolution know, and how they go wrong.

Only `course_lib.check.backprop` imports this module; it uses the library's operations.
"""

import numpy as np

from course_lib.check.backprop_convolution import (
    BOOKKEEPING,
    EXAMPLES,
    MEAN_ONCE,
    ONE_DIMENSION,
    PATHS_ADD,
    hand_example,
)
from course_lib.check.loops import Stops, offsets, zero_padded
from course_lib.check.tasks import Case, Mistake, Task, small_numbers
from course_lib.conv import conv2d, conv2d_backward

# The gradient of the weights: dW


def weight_right(dy, x, weight_shape, stride, padding):
    _, cache = conv2d(x, np.zeros(weight_shape, dy.dtype), None, stride, padding)
    return conv2d_backward(dy, cache, need_dx=False)[1]


def _read(dy, image, rows, columns):
    """dW[f, c, u, v] = sum of dy[n, f, i, j] * image[n, c, rows[i, u], columns[j, v]]."""
    windows = image[:, :, rows[:, :, None, None], columns]  # (N, C, OH, KH, OW, KW)
    return np.einsum("nfij,nciujv->fcuv", dy, windows)


def reading(rows_of, image_of=zero_padded, columns_of=None):
    """Return the variant that reads image_of(x, padding) at rows_of(OH, KH, stride, padding)."""

    def variant(dy, x, weight_shape, stride, padding):
        (OH, OW), (KH, KW) = dy.shape[2:], weight_shape[2:]
        columns = (columns_of or rows_of)(OW, KW, stride, padding)
        return _read(dy, image_of(x, padding), rows_of(OH, KH, stride, padding), columns)

    return variant


def _right_rows(count, kernel_size, stride, padding):
    return offsets(count, kernel_size, stride)


def _by_one(count, kernel_size, stride, padding):
    return offsets(count, kernel_size)


def without_offset(count, kernel_size, stride, padding):
    return np.repeat(np.arange(count)[:, None] * stride, kernel_size, axis=1)


def _spread(count, kernel_size, stride, padding):
    return np.arange(count)[:, None] + np.arange(kernel_size) * stride


def _next_to_each_other(count, kernel_size, stride, padding):
    return offsets(count, kernel_size, kernel_size)


def _shifted_back(count, kernel_size, stride, padding):
    return offsets(count, kernel_size, stride, -padding)


def _padded_at(before, after, axes=(2, 3), **how):
    def image_of(x, padding):
        sides = [(before * padding, after * padding) if axis in axes else (0, 0)
                 for axis in range(4)]
        return np.pad(x, sides, **how)

    return image_of


def _zeros_behind_only(x, padding):
    """Zeros below and right of the image; above and left of it, x[-1] is the last row."""
    H, W = x.shape[2:]
    image = x[:, :, np.arange(-padding, H)][:, :, :, np.arange(-padding, W)]
    return np.pad(image, ((0, 0), (0, 0), (0, padding), (0, padding)))


def _correlated(step_of):
    """Slide the dilated dy over the padded x, as often as it fits: no pixel is dropped."""

    def variant(dy, x, weight_shape, stride, padding):
        step, image = step_of(stride), zero_padded(x, padding)
        counts = [image.shape[axis] - (dy.shape[axis] - 1) * step for axis in (2, 3)]
        if min(counts) < 1:
            raise Stops
        rows, columns = (np.arange(dy.shape[axis])[:, None] * step + np.arange(count)
                         for axis, count in zip((2, 3), counts, strict=True))
        return _read(dy, image, rows, columns)

    return variant


def _correlated_to_size(dy, x, weight_shape, stride, padding):
    """A dilation by one zero too many, as far as the image reaches."""
    rows, columns = (np.arange(dy.shape[axis])[:, None] * (stride + 1)
                     + np.arange(weight_shape[axis]) for axis in (2, 3))
    return _read(dy, zero_padded(x, padding), rows, columns)


def _dw_changed(change):
    """Return the variant change(dweight, dy) of the right one."""

    def variant(dy, x, *rest):
        return change(weight_right(dy, x, *rest), dy)

    return variant


def _dy_changed(change):
    def variant(dy, x, *rest):
        return weight_right(change(dy), x, *rest)

    return variant


def _slices_of_x(dy, x, weight_shape, stride, padding):
    """Slices of x itself: cut short at the border, where einsum broadcasts 1 and else stops."""
    (OH, OW), dweight = dy.shape[2:], np.zeros(weight_shape, dy.dtype)
    for u, v in np.ndindex(*weight_shape[2:]):
        seen = x[:, :, u : u + stride * OH : stride, v : v + stride * OW : stride]
        dweight[:, :, u, v] = np.einsum("nfij,ncij->fc", dy, seen)
    return dweight


def _images(which):
    def variant(dy, x, *rest):
        return weight_right(dy[which], x[which], *rest)

    return variant


def _last_window_only(images):
    def variant(dy, x, weight_shape, stride, padding):
        last = np.zeros_like(dy)
        last[images, :, -1, -1] = dy[images, :, -1, -1]
        return weight_right(last, x, weight_shape, stride, padding)

    return variant


def _square_transposed(dweight, dy):
    return dweight.swapaxes(2, 3)


def _axes_swapped_inside(dweight, dy):
    """dweight[c, f] += ...: an error unless there are as many filters as channels."""
    if dweight.shape[0] != dweight.shape[1]:
        raise Stops
    return dweight.swapaxes(0, 1)


def _dy_transposed(dy, x, *rest):
    if dy.shape[2] != dy.shape[3]:
        raise Stops
    return weight_right(dy.swapaxes(2, 3), x, *rest)


def _without_padding_only(dy, x, weight_shape, stride, padding):
    if padding:
        raise Stops
    return weight_right(dy, x, weight_shape, stride, padding)


def _last_left_out(dy):
    dy = dy.copy()
    dy[:, :, -1, :] = dy[:, :, :, -1] = 0
    return dy


def _everywhere(axis, keep):
    """keep: "first" repeats index 0 of an axis, "sum" its sum."""

    def change(dweight, *_):
        one = dweight.take([0], axis) if keep == "first" else dweight.sum(axis, keepdims=True)
        return np.repeat(one, dweight.shape[axis], axis)

    return change


WEIGHT_MISTAKES = (
    Mistake(
        "offset lost",
        "all weights of a slice get the same gradient: the kernel's offset is lost. Weight (u, v) "
        "met row i * stride + u and column j * stride + v of the padded image.",
        reading(without_offset), BOOKKEEPING,
    ),
    Mistake(
        "turned",
        "your dweight is turned by 180°. Only dx needs a turned kernel; weight (u, v) collects dy "
        "times the pixel that it met, at row i * stride + u.",
        _dw_changed(lambda d, dy: d[:, :, ::-1, ::-1]), BOOKKEEPING,
    ),
    Mistake(
        "rows reversed",
        "the rows of your dweight are reversed: row u of the kernel met row i * stride + u.",
        _dw_changed(lambda d, dy: d[:, :, ::-1]), BOOKKEEPING,
    ),
    Mistake(
        "columns reversed",
        "the columns of your dweight are reversed: column v of the kernel met column "
        "j * stride + v.",
        _dw_changed(lambda d, dy: d[:, :, :, ::-1]), BOOKKEEPING,
    ),
    Mistake(
        "transposed",
        "rows and columns of each kernel are swapped in your dweight: (F, C, KH, KW), u goes "
        "down and v goes right.",
        _dw_changed(_square_transposed), BOOKKEEPING,
    ),
    Mistake(
        "last image only",
        "only one image of the batch is in dweight. All images used the same weights, so dweight "
        "is a sum over n: += instead of =.",
        _images(slice(-1, None)), BOOKKEEPING, (_images(slice(1)),),
    ),
    Mistake(
        "last window only",
        "only the last window is left in dweight. A weight was used in every window, and paths "
        "that meet add: += instead of =.",
        _last_window_only(slice(None)), ONE_DIMENSION, (_last_window_only(-1),),
    ),
    Mistake(
        "divided by the number of images",
        "dweight is divided by N, the number of images. The mean is taken once, in the loss, and "
        "its 1/N is in dy already: here, sum.",
        _dw_changed(lambda d, dy: d / len(dy)), MEAN_ONCE,
    ),
    Mistake(
        "mean over the outputs",
        "dweight is divided by the number of outputs. A gradient adds up everything that a weight "
        "touched: sum, not mean.",
        _dw_changed(lambda d, dy: d / dy[0, 0].size), ONE_DIMENSION,
        (_dw_changed(lambda d, dy: d / dy[:, 0].size),),
    ),
    Mistake(
        "mean over the window",
        "dweight is divided by the size of the kernel. Nothing was divided on the way there, so "
        "nothing is on the way back.",
        _dw_changed(lambda d, dy: d / d[0, 0].size), ONE_DIMENSION,
    ),
    Mistake(
        "x without padding",
        "x is not padded. The kernel read the padded image, so dweight needs it too: put "
        "`padding` rows and columns of zeros on each side of x first.",
        _without_padding_only, BOOKKEEPING,
        (_slices_of_x, reading(_shifted_back, lambda x, padding: x),
         reading(_right_rows, _padded_at(0, 2))),
    ),
    Mistake(
        "negative indices",
        "above and left of the image your index is negative, and Python counts it from the end. "
        "Those pixels are 0: pad x first, or leave them out.",
        reading(_right_rows, _zeros_behind_only), BOOKKEEPING,
    ),
    Mistake(
        "padding twice",
        "twice as many zeros as asked for are put in front of x. `padding` counts the zeros on "
        "each side.",
        reading(_right_rows, _padded_at(2, 2)), BOOKKEEPING,
    ),
    Mistake(
        "padding not with zeros",
        "the padding holds other numbers than 0. The kernel read zeros there, on the way forward.",
        reading(_right_rows, _padded_at(1, 1, mode="edge")), BOOKKEEPING,
        (reading(_right_rows, _padded_at(1, 1, constant_values=1)),),
    ),
    Mistake(
        "stride ignored",
        "stride is ignored: output i read the rows from i * stride on (or: slide the dy with "
        "stride − 1 zeros between its numbers).",
        reading(_by_one), BOOKKEEPING, (_correlated(lambda stride: 1),),
    ),
    Mistake(
        "stride on rows only",
        "stride is used for the rows and ignored for the columns. Both move by `stride`.",
        reading(_right_rows, columns_of=_by_one), BOOKKEEPING,
    ),
    Mistake(
        "stride on columns only",
        "stride is used for the columns and ignored for the rows. Both move by `stride`.",
        reading(_by_one, columns_of=_right_rows), BOOKKEEPING,
    ),
    Mistake(
        "stride on the offset",
        "the stride is multiplied with the kernel's offset u. It belongs to the output's position: "
        "i * stride + u.",
        reading(_spread), BOOKKEEPING,
    ),
    Mistake(
        "windows next to each other",
        "your windows move by the kernel's size. They move by the stride: i * stride + u.",
        reading(_next_to_each_other), BOOKKEEPING,
    ),
    Mistake(
        "one zero too many between",
        "there is one zero too many between the numbers of dy. Dilation puts stride − 1 zeros "
        "between them, none for a stride of 1: dilated[::stride] = dy.",
        _correlated(lambda stride: stride + 1), ONE_DIMENSION, (_correlated_to_size,),
    ),
    Mistake(
        "dropped pixels not cut off",
        "where the stride does not divide, your dweight is too large: the pixels that no window "
        "read are still in x. Leave them out before you slide dy.",
        _correlated(lambda stride: stride), ONE_DIMENSION,
    ),
    Mistake(
        "filters and channels swapped",
        "filters and channels are swapped: dweight has the shape of the weight, (F, C, KH, KW), "
        "filters first.",
        _dw_changed(lambda d, dy: d.swapaxes(0, 1)), BOOKKEEPING,
        (_dw_changed(_axes_swapped_inside),
         _dw_changed(lambda d, dy: d.swapaxes(0, 1).reshape(d.shape))),
    ),
    Mistake(
        "channels added up",
        "every channel of a filter gets the sum over all channels. Slice c of a filter met only "
        "channel c of the image.",
        _dw_changed(_everywhere(1, "sum")), BOOKKEEPING,
    ),
    Mistake(
        "first channel everywhere",
        "every slice of a filter gets the gradient of the first channel. Slice c met x[n, c].",
        _dw_changed(_everywhere(1, "first")), BOOKKEEPING,
    ),
    Mistake(
        "filters added up",
        "every filter gets the sum over all filters. Filter f made only map f: dy[n, f].",
        _dw_changed(_everywhere(0, "sum")), BOOKKEEPING,
    ),
    Mistake(
        "first filter everywhere",
        "every filter gets the gradient of the first one. Filter f made map f: dy[n, f].",
        _dw_changed(_everywhere(0, "first")), BOOKKEEPING,
    ),
    Mistake(
        "dy transposed",
        "rows and columns of dy are swapped: dy[n, f, i, j] belongs to the window in row i and "
        "column j.",
        _dy_transposed, BOOKKEEPING,
    ),
    Mistake(
        "dy ignored",
        "dy is not used: you add up the windows alone. Each window counts dy[n, f, i, j] times.",
        _dy_changed(np.ones_like), ONE_DIMENSION,
    ),
    Mistake(
        "x ignored",
        "x is not used: every weight gets the sum of dy, which is the bias's gradient. Multiply by "
        "the pixel that the weight met.",
        lambda dy, x, *rest: weight_right(dy, np.ones_like(x), *rest), ONE_DIMENSION,
        (lambda dy, x, shape, *_: np.broadcast_to(dy.sum((0, 2, 3))[:, None, None, None], shape),),
    ),
    Mistake(
        "last outputs left out",
        "the last row and the last column of dy are never used. Do your loops end one step early?",
        _dy_changed(_last_left_out), BOOKKEEPING,
    ),
    Mistake(
        "sign", "all signs are wrong. The gradient says where the loss rises; the minus comes in "
        "the step, not here.", _dw_changed(lambda d, dy: -d), PATHS_ADD,
    ),
    Mistake(
        "all zeros", "every number of dweight is 0: nothing was added into it.",
        _dw_changed(lambda d, dy: np.zeros_like(d)), ONE_DIMENSION,
    ),
)

CONV2D_BACKWARD_WEIGHT = Task(
    id="ex05_backpropagation/conv2d_backward_weight",
    function_name="my_conv2d_backward_weight",
    argument_names=("dy", "x", "weight_shape", "stride", "padding"),
    result_name="dweight",
    reference=weight_right,
    cases=tuple(Case((dy, x, weight.shape, stride, padding))
                for dy, x, weight, stride, padding in EXAMPLES),
    mistakes=WEIGHT_MISTAKES,
    section=BOOKKEEPING,
    shape_rule="weight_shape, (F, C, KH, KW)",
)


# The gradient of the bias: db


def bias_right(dy):
    return dy.sum(axis=(0, 2, 3))


def _bias_cases():
    shapes = ((1, 2, 2, 3), (2, 1, 2, 2), (2, 3, 2, 4), (3, 2, 4, 2))
    arrays = [hand_example()[0]]
    for seed, shape in enumerate(shapes):
        dy = small_numbers(int(np.prod(shape)), 101 + seed).reshape(shape) * 0.5 + 1
        arrays.append(dy.astype(np.float32 if seed % 2 else np.float64))
    arrays.append(small_numbers(4 * 3 * 25, 9).reshape(4, 3, 5, 5) * 0.37)
    return tuple(Case((dy,)) for dy in arrays)


BIAS_MISTAKES = (
    Mistake(
        "sum over the batch forgotten",
        "the images are not added up. All images used the same bias, so dbias is a sum over n as "
        "well as over i and j.",
        lambda dy: dy.sum(axis=(2, 3)), BOOKKEEPING,
    ),
    Mistake(
        "one image only",
        "only one image of the batch is in dbias. Add all of them up.",
        lambda dy: dy[-1].sum(axis=(1, 2)), BOOKKEEPING, (lambda dy: dy[0].sum(axis=(1, 2)),),
    ),
    Mistake(
        "positions not added up",
        "the rows and columns of dy are not added up: filter f has one bias, which was added to "
        "every output of its map.",
        lambda dy: dy.sum(axis=0), ONE_DIMENSION,
    ),
    Mistake(
        "one axis too few",
        "one of the axes i and j is not summed. One bias served the whole map, rows and columns.",
        lambda dy: dy.sum(axis=(0, 2)), ONE_DIMENSION, (lambda dy: dy.sum(axis=(0, 3)),),
    ),
    Mistake(
        "one position only",
        "only one position of each map is in dbias. The bias was added everywhere: sum over i "
        "and j.",
        lambda dy: dy[:, :, 0, 0].sum(axis=0), ONE_DIMENSION,
        (lambda dy: dy[:, :, -1, -1].sum(axis=0),),
    ),
    Mistake(
        "replaced instead of added",
        "only the last number of dy is left in dbias. Paths that meet add: += instead of =.",
        lambda dy: dy[-1, :, -1, -1], PATHS_ADD,
    ),
    Mistake(
        "mean",
        "this is the mean of dy, not its sum. The bias has one path to every output, and paths "
        "that meet add.",
        lambda dy: dy.mean(axis=(0, 2, 3)), ONE_DIMENSION,
    ),
    Mistake(
        "mean over positions",
        "each map is averaged. The bias has one path to every output of its map: sum, not mean.",
        lambda dy: dy.mean(axis=(2, 3)).sum(axis=0), ONE_DIMENSION,
    ),
    Mistake(
        "divided by the number of images",
        "dbias is divided by N, the number of images. The mean is taken once, in the loss, and its "
        "1/N is in dy already.",
        lambda dy: bias_right(dy) / len(dy), MEAN_ONCE,
    ),
    Mistake(
        "filters added up",
        "the filters are added up instead of the images. dbias has one number a filter: the axis "
        "that stays is 1.",
        lambda dy: dy.sum(axis=(1, 2, 3)), BOOKKEEPING,
    ),
    Mistake(
        "one number",
        "everything is added up into one number. Each filter has a bias of its own: the sum goes "
        "over n, i and j, not over f.",
        lambda dy: np.full(dy.shape[1], dy.sum(), dy.dtype), BOOKKEEPING,
        (lambda dy: dy.sum(keepdims=True), lambda dy: dy.sum(keepdims=True).ravel()),
    ),
    Mistake(
        "axes kept",
        "the numbers are right, but axes of length 1 are left: dbias has the shape of the bias, "
        "(F,), not (1, F, 1, 1).",
        lambda dy: dy.sum(axis=(0, 2, 3), keepdims=True), BOOKKEEPING,
        (lambda dy: bias_right(dy)[:, None], lambda dy: bias_right(dy)[None]),
    ),
    Mistake(
        "counted",
        "the outputs are counted, not summed: the slope of each path is 1, and dy is what comes "
        "along it.",
        lambda dy: bias_right(np.ones_like(dy)), ONE_DIMENSION,
    ),
    Mistake(
        "sign", "all signs are wrong. The gradient says where the loss rises; the minus comes in "
        "the step, not here.", lambda dy: -bias_right(dy), PATHS_ADD,
    ),
    Mistake(
        "all zeros", "every number of dbias is 0: nothing was added into it.",
        lambda dy: 0 * bias_right(dy), ONE_DIMENSION,
    ),
)

CONV2D_BACKWARD_BIAS = Task(
    id="ex05_backpropagation/conv2d_backward_bias",
    function_name="my_conv2d_backward_bias",
    argument_names=("dy",),
    result_name="dbias",
    reference=bias_right,
    cases=_bias_cases(),
    mistakes=BIAS_MISTAKES,
    section=ONE_DIMENSION,
    shape_rule="(F,), one number a filter",
)
