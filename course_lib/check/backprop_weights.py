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
from course_lib.check.backprop_layers import whole
from course_lib.check.backprop_pools import as_many_columns_as_rows, as_many_rows_as_columns
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


def sliced(image_of=zero_padded, size_of=None, change=lambda products: products):
    """Cut each window out as a slice, which ends at the border, and add up dy times it.

    size_of(KH, KW): the size of the slice. change: of the products of one window.
    """

    def variant(dy, x, weight_shape, stride, padding):
        image, dweight = image_of(x, padding), np.zeros(weight_shape, dy.dtype)
        KH, KW = (size_of or (lambda KH, KW: (KH, KW)))(*weight_shape[2:])
        for i, j in np.ndindex(*dy.shape[2:]):
            window = image[:, :, i * stride : i * stride + KH, j * stride : j * stride + KW]
            dweight += change(np.tensordot(dy[:, :, i, j], window, axes=(0, 0)))
        return dweight

    return variant


def _without_the_last_columns(columns):
    """The kernel's columns are counted like its rows: an IndexError, or some stay 0."""

    def variant(dy, x, weight_shape, *rest):
        dweight = weight_right(dy, x, weight_shape, *rest)
        one, other = weight_shape[2:] if columns else weight_shape[:1:-1]
        if one > other:
            raise IndexError("index is out of bounds")
        where = np.s_[:, :, :, one:] if columns else np.s_[:, :, one:]
        dweight[where] = 0
        return dweight

    return variant


def _padded_everywhere(x, padding):
    return np.pad(x, padding)


def _pixel_by_pixel_everywhere(dy, x, *rest):
    """np.pad(x, padding) pads images and channels too, and the first ones are zeros then."""
    weight_shape, stride, padding = rest
    N, C = x.shape[:2]
    return reading(_right_rows, lambda x, p: np.pad(x, p)[:N, :C])(dy, x, *rest)


def _one_sum_for_all(dy, x, weight_shape, stride, padding):
    """(window * dy).sum() over everything, filters and channels too."""
    image, dweight, (OH, OW) = zero_padded(x, padding), np.zeros(weight_shape), dy.shape[2:]
    for u, v in np.ndindex(*weight_shape[2:]):
        seen = image[:, :, u : u + stride * OH : stride, v : v + stride * OW : stride]
        dweight[:, :, u, v] = (seen * dy).sum()
    return dweight


def _images_and_filters_mixed(dy):
    """dy.reshape(F, -1), read as if the filters were the first axis."""
    N, F, OH, OW = dy.shape
    return dy.reshape(F, N, OH, OW).swapaxes(0, 1)


def _dy_of_the_channel(dy, x, weight_shape, *rest):
    """dy[n, c] for dy[n, f]: an IndexError where there are more channels than filters."""
    own = weight_right(dy[:, np.arange(weight_shape[1])], x, (weight_shape[1], *weight_shape[1:]),
                       *rest)
    one = np.stack([own[c, c] for c in range(weight_shape[1])])
    return np.broadcast_to(one, weight_shape)


def _first_window(images):
    def change(dy):
        first = np.zeros_like(dy)
        first[images, :, 0, 0] = dy[images, :, 0, 0]
        return first

    return change


def _very_first(dy):
    first = np.zeros_like(dy)
    first[0, 0, 0, 0] = dy[0, 0, 0, 0]
    return first


def _counted_from_one(count, kernel_size, stride, padding):
    return offsets(count, kernel_size, stride) + 1


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
        "offset in the rows only",
        "the kernel's offset v is lost: all columns of a kernel get the same gradient. Weight "
        "(u, v) met column j * stride + v.",
        reading(_right_rows, columns_of=without_offset), BOOKKEEPING,
    ),
    Mistake(
        "offset in the columns only",
        "the kernel's offset u is lost: all rows of a kernel get the same gradient. Weight (u, v) "
        "met row i * stride + u.",
        reading(without_offset, columns_of=_right_rows), BOOKKEEPING,
    ),
    Mistake(
        "offset counted from 1",
        "the windows begin one row and one column too late. The kernel's offsets u and v begin "
        "with 0.",
        reading(_counted_from_one, lambda x, padding: np.pad(
            zero_padded(x, padding), ((0, 0), (0, 0), (0, 1), (0, 1)))), BOOKKEEPING,
    ),
    Mistake(
        "only one product",
        "dy and x are multiplied number by number, and nothing is added up. A weight met a pixel "
        "in every window: sum over n, i and j.",
        lambda dy, x, *rest: dy * x, ONE_DIMENSION,
    ),
    Mistake(
        "one sum for all",
        "one number is the sum over all filters and channels. Keep these two axes: sum over n, i "
        "and j only.",
        _one_sum_for_all, BOOKKEEPING,
    ),
    Mistake(
        "square kernel",
        "the kernel is taken for a square. It is KH rows high and KW columns wide.",
        sliced(size_of=lambda KH, KW: (KH, KH)), BOOKKEEPING,
        (sliced(size_of=lambda KH, KW: (KW, KW)), _without_the_last_columns(True),
         _without_the_last_columns(False)),
    ),
    Mistake(
        "one range for both",
        "rows and columns of dy are counted with the same range. There are OH rows and OW "
        "columns, dy.shape[2] and dy.shape[3].",
        _dy_changed(as_many_columns_as_rows), BOOKKEEPING,
        (_dy_changed(as_many_rows_as_columns),),
    ),
    Mistake(
        "windows read as channels last",
        "the windows were written as rows in another order, with the channels last, than "
        "reshape(F, C, KH, KW) reads them. Channels come first, then rows, then columns.",
        _dw_changed(lambda d, dy: d.transpose(0, 2, 3, 1).reshape(d.shape)), BOOKKEEPING,
        (_dw_changed(lambda d, dy: d.transpose(0, 2, 3, 1)),),
    ),
    Mistake(
        "images and filters mixed",
        "numbers of different filters are mixed: dy.reshape(F, -1) cuts (N, F, OH, OW) in the "
        "wrong places. Bring the filters to the front first, with transpose.",
        _dy_changed(_images_and_filters_mixed), BOOKKEEPING,
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
        "first window only",
        "only the first window is in dweight. Is the return inside the loop?",
        _dy_changed(_first_window(slice(None))), ONE_DIMENSION,
        (_dy_changed(_very_first), _dy_changed(_first_window(0))),
    ),
    Mistake(
        "divided by the number of images",
        "dweight is divided by N, the number of images. The mean is taken once, in the loss, and "
        "its 1/N is in dy already: here, sum.",
        _dw_changed(lambda d, dy: d / len(dy)), MEAN_ONCE,
        (_dw_changed(lambda d, dy: d / (len(dy) * len(d))),),
    ),
    Mistake(
        "mean over the outputs",
        "dweight is divided by the number of outputs. A gradient adds up everything that a weight "
        "touched: sum, not mean.",
        _dw_changed(lambda d, dy: d / dy[0, 0].size), ONE_DIMENSION,
        (_dw_changed(lambda d, dy: d / dy[:, 0].size), _dw_changed(lambda d, dy: d / dy.size)),
    ),
    Mistake(
        "mean over the window",
        "dweight is divided by the size of the kernel. Nothing was divided on the way there, so "
        "nothing is on the way back.",
        _dw_changed(lambda d, dy: d / d[0, 0].size), ONE_DIMENSION,
    ),
    Mistake(
        "padded on every axis",
        "np.pad(x, padding) also adds images and channels of zeros. Say how much for each axis: "
        "nothing for the first two.",
        sliced(_padded_everywhere), BOOKKEEPING, (_pixel_by_pixel_everywhere,),
    ),
    Mistake(
        "padded behind only",
        "the zeros are put below and to the right of x only. `padding` counts the zeros on each "
        "side, above and to the left too.",
        sliced(_padded_at(0, 1)), BOOKKEEPING, (reading(_right_rows, _padded_at(0, 2)),),
    ),
    Mistake(
        "padded on one axis",
        "x is padded above and below only, or left and right only. Rows and columns both are.",
        sliced(_padded_at(1, 1, axes=(2,))), BOOKKEEPING, (sliced(_padded_at(1, 1, axes=(3,))),),
    ),
    Mistake(
        "x without padding",
        "x is not padded. The kernel read the padded image, so dweight needs it too: put "
        "`padding` rows and columns of zeros on each side of x first.",
        _without_padding_only, BOOKKEEPING,
        (_slices_of_x, sliced(lambda x, padding: x),
         reading(_shifted_back, lambda x, padding: x)),
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
        "dy turned",
        "dy meets the windows in the wrong order: it is turned by 180°. dy[n, f, i, j] belongs to "
        "the window in row i and column j.",
        _dy_changed(lambda dy: dy[:, :, ::-1, ::-1]), BOOKKEEPING,
    ),
    Mistake(
        "dy of the channel",
        "dy is looked up by the channel, dy[n, c]. It is the filter that made a map: dy[n, f].",
        _dy_of_the_channel, BOOKKEEPING,
    ),
    Mistake(
        "dy ignored",
        "dy is not used: you add up the windows alone. Each window counts dy[n, f, i, j] times.",
        _dy_changed(np.ones_like), ONE_DIMENSION,
    ),
    Mistake(
        "negative dy cut off",
        "negative numbers of dy are not used. A gradient may be negative, and a convolution has "
        "no gate.",
        _dy_changed(lambda dy: np.maximum(dy, 0)), MEAN_ONCE,
    ),
    whole(weight_right, sliced(change=np.trunc), sliced(change=np.floor)),
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
        "channels last",
        "the last axis is kept. The filters are axis 1: (N, F, OH, OW). Sum over the three others.",
        lambda dy: dy.sum(axis=(0, 1, 2)), BOOKKEEPING, (lambda dy: dy.sum(axis=(0, 1, 3)),),
    ),
    Mistake(
        "last outputs left out",
        "the last row and the last column of dy are never used. Do your loops end one step early?",
        lambda dy: dy[:, :, :-1, :-1].sum(axis=(0, 2, 3)), ONE_DIMENSION,
    ),
    Mistake(
        "first filter everywhere",
        "every filter gets the sum of the first one. Filter f made map f: dy[:, f].",
        lambda dy: np.repeat(bias_right(dy)[:1], dy.shape[1]), BOOKKEEPING,
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
        lambda dy: dy.sum(axis=(1, 2, 3)), BOOKKEEPING, (lambda dy: dy.sum(axis=1),),
    ),
    Mistake(
        "one number",
        "everything is added up into one number. Each filter has a bias of its own: the sum goes "
        "over n, i and j, not over f.",
        lambda dy: np.full(dy.shape[1], dy.sum(), dy.dtype), BOOKKEEPING,
        (lambda dy: dy.sum(keepdims=True), lambda dy: dy.sum(keepdims=True).ravel(),
         lambda dy: np.asarray(dy.sum())),
    ),
    Mistake(
        "axes kept",
        "axes of length 1 are left: dbias has the shape of the bias, (F,), not (1, F, 1, 1).",
        lambda dy: dy.sum(axis=(0, 2, 3), keepdims=True), BOOKKEEPING,
        (lambda dy: bias_right(dy)[:, None], lambda dy: bias_right(dy)[None],
         lambda dy: dy.mean(axis=(0, 2, 3), keepdims=True)),
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
        (lambda dy: -bias_right(dy) / len(dy),),
    ),
    whole(bias_right),
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
