"""What the checks of a convolution's gradients know: db, dW and dX, and how they go wrong.

Only `course_lib.check.backprop` imports this module; it uses the library's operations.
"""

import numpy as np

from course_lib.check.backprop_layers import whole
from course_lib.check.backprop_pools import as_many_columns_as_rows, as_many_rows_as_columns
from course_lib.check.loops import Stops
from course_lib.check.tasks import Case, Mistake, Section, Task, small_numbers
from course_lib.conv import conv2d, conv2d_backward

ONE_DIMENSION = Section("05b_backpropagation_convolution", "One dimension shows everything")
BOOKKEEPING = Section(
    "05b_backpropagation_convolution", "Two dimensions add bookkeeping, not ideas"
)
PATHS_ADD = Section("05a_backpropagation", "A gradient is a question about one small change")
MEAN_ONCE = Section("05a_backpropagation", "ReLU closes gates, and the loss starts the flow")


def _arrays(x, weight, stride, padding, dtype=np.float64, scale=1.0):
    """Return dy, x and weight of a convolution with these shapes, filled by `small_numbers`."""
    size = [(n + 2 * padding - k) // stride + 1 for n, k in zip(x[2:], weight[2:], strict=True)]
    arrays = []
    for position, shape in enumerate(((x[0], weight[0], *size), x, weight)):
        numbers = small_numbers(int(np.prod(shape)), sum(x) + 37 * sum(weight) + 11 * position)
        arrays.append((numbers.reshape(shape) * scale).astype(dtype))
    return arrays


def hand_example():
    """Return dy, x and weight of the example that the exercise computes by hand."""
    dy, x, weight = [[1, 2], [3, -1]], [[1, 0, 2], [3, 1, 0], [0, 2, 1]], [[1, 2], [0, -1]]
    return [np.array(array, np.float64)[None, None] for array in (dy, x, weight)]


# x, weight, stride, padding, then dtype and scale, from small to large.
SIZES = (
    ((1, 1, 3, 4), (1, 1, 2, 2), 1, 0),
    ((1, 1, 3, 4), (1, 1, 2, 3), 1, 0, np.float64, 0.5),
    ((1, 1, 4, 4), (1, 1, 2, 2), 2, 0),
    ((1, 1, 5, 3), (1, 1, 3, 2), 2, 0),
    ((1, 1, 4, 5), (1, 1, 2, 2), 2, 0),  # the last column is in no window
    ((1, 1, 2, 3), (1, 1, 2, 2), 1, 1),
    ((1, 1, 3, 4), (1, 1, 3, 3), 1, 1),
    ((1, 2, 3, 3), (1, 2, 2, 2), 1, 0),
    ((1, 1, 3, 3), (2, 1, 2, 2), 1, 0),
    ((1, 2, 3, 4), (2, 2, 2, 2), 1, 0),
    ((2, 1, 3, 3), (1, 1, 2, 2), 1, 0),
    ((2, 3, 2, 3), (4, 3, 1, 1), 1, 0),  # 1×1: a dense layer for each pixel
    ((1, 2, 3, 4), (2, 2, 3, 4), 1, 0),  # the kernel is as large as the image
    ((1, 1, 4, 4), (1, 1, 3, 3), 3, 2),  # no window reaches the zeros behind
    ((1, 2, 5, 6), (2, 2, 2, 3), 2, 1, np.float32),
    ((3, 2, 6, 5), (4, 2, 3, 2), 2, 0, np.float64, 0.37),
    ((2, 3, 7, 5), (2, 3, 3, 2), 3, 2, np.float32, 0.37),
)
EXAMPLES = tuple((*_arrays(*sizes), *sizes[2:4]) for sizes in SIZES)
EXAMPLES = ((*hand_example(), 1, 0), *EXAMPLES)


# The gradient of the image: dX


def input_right(dy, weight, x_shape, stride, padding):
    _, cache = conv2d(np.zeros(x_shape, dy.dtype), weight, None, stride, padding)
    return conv2d_backward(dy, cache)[0]


def _whole(dy, weight, x_shape, strides, padding):
    """Return the gradient of the padded image: every output adds to its window."""
    (sh, sw), (N, C, H, W) = strides, x_shape
    (OH, OW), (KH, KW) = dy.shape[2:], weight.shape[2:]
    whole = np.zeros((N, C, H + 2 * padding, W + 2 * padding), dy.dtype)
    for u, v in np.ndindex(KH, KW):
        seen = np.s_[:, :, u : u + sh * OH : sh, v : v + sw * OW : sw]
        whole[seen] += np.einsum("nfij,fc->ncij", dy, weight[:, :, u, v])
    return whole


def _cut(rows_of, columns_of=None):
    """Return the variant that cuts rows_of(H, padding) out of the gradient of the padded image."""

    def variant(dy, weight, x_shape, stride, padding):
        rows = rows_of(x_shape[2], padding)
        columns = (columns_of or rows_of)(x_shape[3], padding)
        return _whole(dy, weight, x_shape, (stride, stride), padding)[:, :, rows, columns]

    return variant


def _all(size, padding):
    return slice(None)


def _inside(size, padding):
    return slice(padding, padding + size)


def _moved(strides_of):
    """Return the variant whose windows move by strides_of(stride)."""

    def variant(dy, weight, x_shape, stride, padding):
        whole = _whole(dy, weight, x_shape, strides_of(stride), padding)
        return whole[:, :, _inside(x_shape[2], padding), _inside(x_shape[3], padding)]

    return variant


def _gathered(zeros_of, step_of, cut):
    """Return the variant that slides turned kernels over dy, dilated by step_of(stride).

    zeros_of(KH, padding): rows of zeros on each side of dy; cut(dx, H, padding, axis) ends it.
    """

    def variant(dy, weight, x_shape, stride, padding):
        step, (N, F, OH, OW) = step_of(stride), dy.shape
        dilated = np.zeros((N, F, (OH - 1) * step + 1, (OW - 1) * step + 1), dy.dtype)
        dilated[:, :, ::step, ::step] = dy
        sides = [(zeros_of(size, padding),) * 2 for size in weight.shape[2:]]
        turned = weight[:, :, ::-1, ::-1].swapaxes(0, 1)
        dx, _ = conv2d(np.pad(dilated, ((0, 0), (0, 0), *sides)), turned)
        for axis in (2, 3):
            dx = cut(dx, x_shape[axis], padding, axis)
        return dx

    return variant


def _to_size(array, size, padding, axis):
    return array.take(range(padding, padding + size), axis)


def _off_both_sides(array, size, padding, axis):
    return array.take(range(padding, array.shape[axis] - padding), axis)


def _nothing(array, size, padding, axis):
    return array


def gathered_by_slices(zeros_of, turned=True):
    """Gather pixel by pixel from dy with zeros_of(K, padding) zeros around it, slices of it.

    A window that was cut short is a ValueError, unless NumPy can broadcast it.
    """

    def variant(dy, weight, x_shape, stride, padding):
        kernel, (KH, KW) = weight[:, :, ::-1, ::-1] if turned else weight, weight.shape[2:]
        sides = [(zeros_of(size, padding),) * 2 for size in (KH, KW)]
        big, dx = np.pad(dy, ((0, 0), (0, 0), *sides)), np.zeros(x_shape, dy.dtype)
        for n, c, i, j in np.ndindex(*x_shape):
            dx[n, c, i, j] = (big[n, :, i : i + KH, j : j + KW] * kernel[:, c]).sum()
        return dx

    return variant


def scattered(height_of=lambda size, padding: size + 2 * padding, size_of=None, product=None,
              cut=_inside):
    """Scatter by slices: every output adds to its window of the padded image.

    height_of(H, padding): rows of the padded image, and columns likewise. size_of(KH, KW): of the
    slice. product(dy at one position, weight): what is added.
    """

    def variant(dy, weight, x_shape, stride, padding):
        (N, C, H, W), (KH, KW) = x_shape, weight.shape[2:]
        whole = np.zeros((N, C, height_of(H, padding), height_of(W, padding)), dy.dtype)
        KH, KW = size_of(KH, KW) if size_of else (KH, KW)
        for i, j in np.ndindex(*dy.shape[2:]):
            target = whole[:, :, i * stride : i * stride + KH, j * stride : j * stride + KW]
            target += (product or _summed_over_filters)(dy[:, :, i, j], weight)
        return whole[:, :, cut(H, padding), cut(W, padding)]

    return variant


def _summed_over_filters(dy, weight):
    return np.tensordot(dy, weight, axes=(1, 0))


def _spread(dy, weight, x_shape, stride, padding):
    """Row i + u*stride for i*stride + u: an IndexError beyond the end."""
    N, C, H, W = x_shape
    whole = np.zeros((N, C, H + 2 * padding, W + 2 * padding), dy.dtype)
    for i, j, u, v in np.ndindex(*dy.shape[2:], *weight.shape[2:]):
        whole[:, :, i + u * stride, j + v * stride] += dy[:, :, i, j] @ weight[:, :, u, v]
    return whole[:, :, _inside(H, padding), _inside(W, padding)]


def _not_summed(dy, weight):
    """(N, F, 1, 1) * (F, C, KH, KW): an error, unless the numbers are equal by chance."""
    return dy[:, :, None, None] * weight


def _forward_again(dy, weight, x_shape, stride, padding):
    return conv2d(dy, weight, None, stride, padding)[0]


def _padded_like_a_square(swapped):
    """conv2d(dy, turned, padding=KH - 1): as many columns of zeros as rows."""

    def variant(dy, weight, x_shape, stride, padding):
        kernel = weight[:, :, ::-1, ::-1]
        kernel = kernel.swapaxes(0, 1) if swapped else kernel
        return conv2d(dy, kernel, None, 1, weight.shape[2] - 1)[0]

    return variant


def _height_for_both(dy, weight, x_shape, stride, padding):
    whole = _whole(dy, weight, x_shape, (stride, stride), padding)
    return whole[:, :, _inside(x_shape[2], padding), _inside(x_shape[2], padding)]


def _height_and_width_swapped(dy, weight, x_shape, stride, padding):
    whole = _whole(dy, weight, x_shape, (stride, stride), padding)
    return whole[:, :, _inside(x_shape[3], padding), _inside(x_shape[2], padding)]


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


def _dy_changed(change):
    def variant(dy, *rest):
        return input_right(change(dy), *rest)

    return variant


def _weight_changed(change):
    def variant(dy, weight, *rest):
        return input_right(dy, change(weight), *rest)

    return variant


def _kernel_transposed(dy, weight, *rest):
    if weight.shape[2] != weight.shape[3]:
        raise Stops
    return input_right(dy, weight.swapaxes(2, 3), *rest)


def _axes_swapped(dy, weight, *rest):
    """weight[c, f] for weight[f, c]: an error unless there are as many filters as channels."""
    if weight.shape[0] != weight.shape[1]:
        raise Stops
    return input_right(dy, weight.swapaxes(0, 1), *rest)


def _filters(which):
    def variant(dy, weight, *rest):
        return input_right(dy[:, which], weight[which], *rest)

    return variant


def _dx_changed(change):
    """Return the variant change(dx, dy, weight) of the right dx."""

    def variant(dy, weight, *rest):
        return change(input_right(dy, weight, *rest), dy, weight)

    return variant


def _windows_replaced(by_offset, which):
    """= instead of +=: the last window (or the last offset) that is written wins."""

    def variant(dy, weight, x_shape, stride, padding):
        dy, weight = dy[:, which], weight[which]
        (OH, OW), (KH, KW), (N, C, H, W) = dy.shape[2:], weight.shape[2:], x_shape
        whole = np.zeros((N, C, H + 2 * padding, W + 2 * padding), dy.dtype)
        sizes = (KH, KW, OH, OW) if by_offset else (OH, OW, KH, KW)
        for place in np.ndindex(*sizes):
            u, v, i, j = place if by_offset else (*place[2:], *place[:2])
            whole[:, :, i * stride + u, j * stride + v] = dy[:, :, i, j] @ weight[:, :, u, v]
        return whole[:, :, _inside(H, padding), _inside(W, padding)]

    return variant


def _last_product(dy, weight, *rest):
    last = np.zeros_like(weight)
    last[-1, :, 0, 0] = weight[-1, :, 0, 0]
    return input_right(dy, last, *rest)


def _last_product_scattered(dy, weight, *rest):
    last = np.zeros_like(weight)
    last[-1, :, -1, -1] = weight[-1, :, -1, -1]
    return input_right(dy, last, *rest)


def _folded(stops_behind):
    """Indices below 0 are Python's from the end; those behind it stop, or are left out."""

    def variant(dy, weight, x_shape, stride, padding):
        reach = [(out - 1) * stride + k - padding for out, k
                 in zip(dy.shape[2:], weight.shape[2:], strict=True)]
        if stops_behind and (reach[0] > x_shape[2] or reach[1] > x_shape[3]):
            raise IndexError("index is out of bounds")
        dx = _whole(dy, weight, x_shape, (stride, stride), padding)
        for axis in (2, 3):
            dx = np.moveaxis(dx, axis, 0)
            before, size = dx[:padding], x_shape[axis]
            dx = dx[padding : padding + size].copy()
            dx[len(dx) - padding :] += before
            dx = np.moveaxis(dx, 0, axis)
        return dx

    return variant


def _without_padding_only(right):
    def variant(*arguments):
        if arguments[-1]:
            raise Stops
        return right(*arguments)

    return variant


def _last_outputs_left_out(right):
    def variant(dy, *rest):
        dy = dy.copy()
        dy[:, :, -1, :] = dy[:, :, :, -1] = 0
        return right(dy, *rest)

    return variant


def _dy_transposed(right):
    def variant(dy, *rest):
        if dy.shape[2] != dy.shape[3]:
            raise Stops
        return right(dy.swapaxes(2, 3), *rest)

    return variant


def one_image_everywhere(which):
    return lambda d, *_: np.repeat(d[[which]], len(d), axis=0)


def only_one_image(which):
    def change(d, *_):
        kept = np.zeros_like(d)
        kept[which] = d[which]
        return kept

    return change


def divided_by_images(d, dy, *_):
    return d / len(dy)


def all_images_added(d, *_):
    return np.repeat(d.sum(axis=0, keepdims=True), len(d), axis=0)


INPUT_MISTAKES = (
    Mistake(
        "kernel the wrong way round",
        "the kernel meets dy the wrong way round. If you gather from the padded dy, slide the "
        "kernel turned by 180° (once); if you add dy * weight into windows, do not turn it at all.",
        _weight_changed(lambda weight: weight[:, :, ::-1, ::-1]), ONE_DIMENSION,
        (_weight_changed(lambda weight: -weight[:, :, ::-1, ::-1]),),
    ),
    Mistake(
        "turned in the rows only",
        "the columns of the kernel meet dy in the wrong order, its rows in the right one. To "
        "gather, turn it by 180°: rows and columns; to scatter, leave both.",
        _weight_changed(lambda weight: weight[:, :, :, ::-1]), BOOKKEEPING,
    ),
    Mistake(
        "turned in the columns only",
        "the rows of the kernel meet dy in the wrong order, its columns in the right one. To "
        "gather, turn it by 180°: rows and columns; to scatter, leave both.",
        _weight_changed(lambda weight: weight[:, :, ::-1]), BOOKKEEPING,
    ),
    Mistake(
        "kernel transposed",
        "the kernel's rows and columns are swapped. Turning by 180° reverses both axes and swaps "
        "none: row u of the kernel goes down, column v goes right.",
        _kernel_transposed, BOOKKEEPING,
        (_weight_changed(lambda w: w.swapaxes(2, 3)[:, :, ::-1, ::-1] if w.shape[2] == w.shape[3]
                         else w[:, :, :0]),),
    ),
    Mistake(
        "square kernel",
        "the kernel is taken for a square. It is KH rows high and KW columns wide.",
        scattered(size_of=lambda KH, KW: (KH, KH)), BOOKKEEPING,
        (scattered(size_of=lambda KH, KW: (KW, KW)), _padded_like_a_square(True),
         _padded_like_a_square(False)),
    ),
    Mistake(
        "one range for both",
        "rows and columns of dy are counted with the same range. There are OH rows and OW "
        "columns, dy.shape[2] and dy.shape[3].",
        _dy_changed(as_many_columns_as_rows), BOOKKEEPING,
        (_dy_changed(as_many_rows_as_columns),),
    ),
    Mistake(
        "first window only",
        "only the first output hands something back. Is the return inside the loop?",
        _dy_changed(_first_window(slice(None))), BOOKKEEPING,
        (_dy_changed(_very_first), _dy_changed(_first_window(0))),
    ),
    Mistake(
        "forward again",
        "this is the forward pass, with dy in the place of x. Going back the numbers spread: each "
        "output hands dy * weight to the whole window that it read.",
        _forward_again, ONE_DIMENSION,
    ),
    Mistake(
        "filters not added up",
        "dy[:, :, i, j] is (N, F), the weight (F, C, KH, KW): multiplied as they are, filters meet "
        "channels, and nothing is summed. Sum the products over f, for each channel.",
        scattered(product=_not_summed), BOOKKEEPING,
    ),
    Mistake(
        "replaced instead of added",
        "windows overlap, and only the last one that touched a pixel is left in dx. Where paths "
        "meet they add: += instead of =.",
        _windows_replaced(False, slice(None)), ONE_DIMENSION,
        (_windows_replaced(False, slice(-1, None)), _windows_replaced(True, slice(None)),
         _windows_replaced(True, slice(-1, None)), _last_product, _last_product_scattered),
    ),
    Mistake(
        "last filter only",
        "only the last filter is left in dx. Every filter read the same pixels, so dx is a sum "
        "over the filters: += instead of =.",
        _filters(slice(-1, None)), BOOKKEEPING,
    ),
    Mistake(
        "first filter only",
        "only the first filter is used. Every filter read the same pixels, so dx is a sum over "
        "all filters f.",
        _filters(slice(1)), BOOKKEEPING,
    ),
    Mistake(
        "mean over filters",
        "the filters' parts are averaged. dx is their sum, not divided by their number.",
        _dx_changed(lambda dx, dy, weight: dx / len(weight)), BOOKKEEPING,
    ),
    Mistake(
        "mean over the window",
        "dx is divided by the size of the kernel. A convolution adds its products up and takes no "
        "mean, so nothing is divided on the way back.",
        _dx_changed(lambda dx, dy, weight: dx / weight[0, 0].size), BOOKKEEPING,
        (_dx_changed(lambda dx, dy, weight: dx / weight[0].size),),
    ),
    Mistake(
        "divided by the number of images",
        "dx is divided by N, the number of images. The mean is taken once, in the loss, and its "
        "1/N is in dy already.",
        _dx_changed(divided_by_images), MEAN_ONCE,
    ),
    Mistake(
        "padding not cropped",
        "your dx is the gradient of the padded image. Its border of zeros belongs to nobody: crop "
        "`padding` rows and columns on each side.",
        _cut(_all), BOOKKEEPING,
    ),
    Mistake(
        "padded on one side",
        "the array is too small for the padded image: it has H + padding rows. Padding is on both "
        "sides, H + 2*padding.",
        scattered(height_of=lambda size, padding: size + padding), BOOKKEEPING,
    ),
    Mistake(
        "height for the width",
        "height and width are mixed up where the padding is cropped: rows end at padding + H, "
        "columns at padding + W.",
        _height_for_both, BOOKKEEPING, (_height_and_width_swapped,),
    ),
    Mistake(
        "always cropped by 1",
        "one row and one column are cropped on each side, whatever the padding is. Crop `padding` "
        "of them.",
        _cut(lambda size, padding: slice(1, 1 + size)), BOOKKEEPING,
        (_cut(lambda size, padding: slice(1, -1)),),
    ),
    Mistake(
        "cropped at the end only",
        "dx is cut off at the wrong place: the padding's rows above and columns left of the image "
        "are still in it. The image begins at row `padding` of the padded one.",
        _cut(lambda size, padding: slice(0, size)), BOOKKEEPING,
        (_cut(lambda size, padding: slice(0, -padding)),
         _cut(lambda size, padding: slice(0, size + padding))),
    ),
    Mistake(
        "cropped in front only",
        "the padding is cropped above and left only. Crop `padding` rows below and columns on the "
        "right as well, no more than `padding` in front.",
        _cut(lambda size, padding: slice(padding, None)), BOOKKEEPING,
        (_cut(lambda size, padding: slice(2 * padding, None)),),
    ),
    Mistake(
        "cropped twice",
        "more than the padding is cropped: dx must keep all H rows and W columns of x.",
        _cut(lambda size, padding: slice(padding, size)), BOOKKEEPING,
        (_cut(lambda size, padding: slice(2 * padding, size)),
         _cut(lambda size, padding: slice(padding, padding + size - 1))),
    ),
    Mistake(
        "cropped on rows only",
        "the padding's rows are cropped, its columns are not.",
        _cut(_inside, _all), BOOKKEEPING,
    ),
    Mistake(
        "cropped on columns only",
        "the padding's columns are cropped, its rows are not.",
        _cut(_all, _inside), BOOKKEEPING,
    ),
    Mistake(
        "empty without padding",
        "with padding 0 your dx is empty: [p:-p] is [0:0], which is nothing. Slice from p to "
        "p + H.",
        _cut(lambda size, padding: slice(padding, -padding)), BOOKKEEPING,
        (_cut(_inside, lambda size, padding: slice(padding, -padding)),
         _cut(lambda size, padding: slice(padding, -padding), _inside)),
    ),
    Mistake(
        "indices wrap around",
        "what falls on the padding above or left of the image lands on its other side: index −1 "
        "is Python's last row. Leave it out, or add into a padded array and crop it at the end.",
        _folded(True), BOOKKEEPING, (_folded(False),),
    ),
    Mistake(
        "without padding only",
        "it is right without padding and stops wherever padding is not 0. Output (i, j) read the "
        "padded image from row i * stride on: add into an array of that size and crop it.",
        _without_padding_only(input_right), BOOKKEEPING,
    ),
    Mistake(
        "stride ignored",
        "stride is ignored: your windows move by one pixel. Output i read the rows from "
        "i * stride on (to gather, put stride − 1 zeros between the numbers of dy).",
        _moved(lambda stride: (1, 1)), BOOKKEEPING,
        (_gathered(lambda size, padding: size - 1, lambda stride: 1, _off_both_sides),),
    ),
    Mistake(
        "stride on rows only",
        "stride is used for the rows and ignored for the columns. Both move by `stride`.",
        _moved(lambda stride: (stride, 1)), BOOKKEEPING,
    ),
    Mistake(
        "stride on columns only",
        "stride is used for the columns and ignored for the rows. Both move by `stride`.",
        _moved(lambda stride: (1, stride)), BOOKKEEPING,
    ),
    Mistake(
        "stride on the offset",
        "the stride is multiplied with the kernel's offset u. It belongs to the output's position: "
        "i * stride + u.",
        _spread, BOOKKEEPING,
    ),
    Mistake(
        "one zero too many between",
        "there is one zero too many between the numbers of dy. Dilation puts stride − 1 zeros "
        "between them, none for a stride of 1: dilated[::stride] = dy.",
        _gathered(lambda size, padding: size - 1, lambda stride: stride + 1, _to_size),
        ONE_DIMENSION,
        (_gathered(lambda size, padding: size - 1, lambda stride: stride + 1, _off_both_sides),),
    ),
    Mistake(
        "dropped pixels forgotten",
        "where the stride does not divide, your dx is too small: the pixels that no window read "
        "are missing. dx has the shape of x, and those pixels get 0.",
        _gathered(lambda size, padding: size - 1, lambda stride: stride, _off_both_sides),
        ONE_DIMENSION,
    ),
    Mistake(
        "dy not padded",
        "dy is not padded: that is the valid correlation. Gathering needs the full one, with "
        "KH − 1 rows and KW − 1 columns of zeros on each side of dy.",
        _gathered(lambda size, padding: 0, lambda stride: stride, _nothing), ONE_DIMENSION,
        (_gathered(lambda size, padding: 0, lambda stride: 1, _nothing),
         gathered_by_slices(lambda size, padding: 0),
         gathered_by_slices(lambda size, padding: 0, turned=False)),
    ),
    Mistake(
        "dy padded by 1",
        "dy is padded by 1, whatever the kernel is. Gathering needs KH − 1 rows and KW − 1 columns "
        "of zeros on each side of dy.",
        gathered_by_slices(lambda size, padding: 1), ONE_DIMENSION,
        (gathered_by_slices(lambda size, padding: 1, turned=False),
         _gathered(lambda size, padding: 1, lambda stride: stride, _nothing)),
    ),
    Mistake(
        "dy padded like x",
        "dy is padded by `padding`, as x was. Gathering needs KH − 1 rows and KW − 1 columns of "
        "zeros on each side of dy, and crops `padding` at the end.",
        _gathered(lambda size, padding: padding, lambda stride: stride, _nothing), ONE_DIMENSION,
        (_gathered(lambda size, padding: padding, lambda stride: 1, _nothing),
         gathered_by_slices(lambda size, padding: padding)),
    ),
    Mistake(
        "dy padded by one too many",
        "dy is padded by KH and KW. The full correlation needs one less, KH − 1 and KW − 1: every "
        "window then contains at least one number of dy.",
        _gathered(lambda size, padding: size, lambda stride: stride, _to_size), ONE_DIMENSION,
        (_gathered(lambda size, padding: size, lambda stride: stride, _off_both_sides),),
    ),
    Mistake(
        "filters and channels swapped",
        "filters and channels are swapped in the weight: pixel channel c meets filter f in "
        "weight[f, c], filters first.",
        _axes_swapped, BOOKKEEPING,
    ),
    Mistake(
        "first slice for every channel",
        "every channel of dx comes from the filters' first slice. Channel c was read with "
        "weight[f, c].",
        _weight_changed(lambda weight: np.repeat(weight[:, :1], weight.shape[1], axis=1)),
        BOOKKEEPING,
    ),
    Mistake(
        "channels added up",
        "every channel of dx holds the sum over all channels. Channel c gets only what came "
        "through weight[f, c].",
        _dx_changed(lambda dx, *_: np.repeat(dx.sum(1, keepdims=True), dx.shape[1], axis=1)),
        BOOKKEEPING,
    ),
    Mistake(
        "images added up",
        "the images of the batch are added up. Only gradients of weights are: each image has "
        "pixels of its own, dx[n].",
        _dx_changed(all_images_added), BOOKKEEPING,
    ),
    Mistake(
        "one image only",
        "only one image of the batch gets its gradient. dx[n] comes from dy[n], for every n.",
        _dx_changed(only_one_image(0)), BOOKKEEPING,
        (_dx_changed(one_image_everywhere(0)), _dx_changed(only_one_image(-1))),
    ),
    Mistake(
        "dy transposed",
        "rows and columns of dy are swapped: dy[n, f, i, j] belongs to the window in row i and "
        "column j.",
        _dy_transposed(input_right), BOOKKEEPING,
    ),
    Mistake(
        "dx transposed",
        "your dx is transposed: its rows and columns are swapped. dx has the shape of x.",
        _dx_changed(lambda dx, *_: dx.swapaxes(2, 3)), BOOKKEEPING,
    ),
    Mistake(
        "weights ignored",
        "dy is handed back without the weights. A pixel was multiplied by weight[f, c, u, v], and "
        "so is the gradient that comes back to it.",
        _weight_changed(np.ones_like), ONE_DIMENSION,
    ),
    Mistake(
        "dy ignored",
        "dy is not used: your dx is right only if every upstream gradient is 1. Multiply by dy.",
        lambda dy, *rest: input_right(np.ones_like(dy), *rest), ONE_DIMENSION,
    ),
    Mistake(
        "negative dy cut off",
        "negative numbers of dy are not handed back. A gradient may be negative, and a "
        "convolution has no gate.",
        _dy_changed(lambda dy: np.maximum(dy, 0)), MEAN_ONCE,
    ),
    whole(input_right, scattered(product=lambda dy, weight: np.trunc(
        _summed_over_filters(dy, weight)))),
    Mistake(
        "last outputs left out",
        "the last row and the last column of dy are never used. Do your loops end one step early?",
        _last_outputs_left_out(input_right), BOOKKEEPING,
    ),
    Mistake(
        "sign", "all signs are wrong. The gradient says where the loss rises; the minus comes in "
        "the step, not here.", _dx_changed(lambda dx, *_: -dx), PATHS_ADD,
    ),
    Mistake(
        "all zeros", "every number of dx is 0: the array was made, but nothing was added into it.",
        _dx_changed(lambda dx, *_: np.zeros_like(dx)), ONE_DIMENSION,
    ),
)

CONV2D_BACKWARD_INPUT = Task(
    id="ex05_backpropagation/conv2d_backward_input",
    function_name="my_conv2d_backward_input",
    argument_names=("dy", "weight", "x_shape", "stride", "padding"),
    result_name="dx",
    reference=input_right,
    cases=tuple(Case((dy, weight, x.shape, stride, padding))
                for dy, x, weight, stride, padding in EXAMPLES),
    mistakes=INPUT_MISTAKES,
    section=BOOKKEEPING,
    shape_rule="x_shape, (N, C, H, W)",
)
