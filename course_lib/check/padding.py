"""What the checks of padding and stride know: their cases, and the mistakes that they recognise.

A mistake is a deliberately wrong variant of the task's function with the sentence that a student
reads who makes it. Only `course_lib.check` imports this module; it uses the library's operations.
"""

import math

import numpy as np

from course_lib.check.loops import READERS, offsets, pixels
from course_lib.check.tasks import Case, Mistake, Section, Task, small_numbers
from course_lib.conv import conv2d, crop, pad
from course_lib.shapes import output_size, same_padding

WITHOUT = Section("02_padding_and_stride", "Without padding, every layer eats the border")
PADDING = Section("02_padding_and_stride", "Padding lets the kernel reach the border")
STRIDE = Section("02_padding_and_stride", "Stride skips, and the floor drops")
UNEVEN = Section("02_padding_and_stride", 'Nothing has to be square, and "same" has a limit')
SUMS = Section("01_convolution", "One output is a sum of products")
TURNED = Section("01_convolution", "In the wild: convolution or cross-correlation?")
CHANNELS = Section("01_convolution", "From one number to a batch of maps")
PAD_TASK = Section("ex02_padding_and_stride", "2.3 Write the function: `my_pad`")
CONV_TASK = Section("ex02_padding_and_stride", "2.5 Write the function: `my_strided_conv2d`")
CROP_TASK = Section("ex02_padding_and_stride", "2.6 Repair: `my_crop`")


def _mistake(name, sentence, section, *variants) -> Mistake:
    return Mistake(name, sentence, variants[0], section, variants[1:])


def _images(shape, dtype=np.float64, scale=1.0):
    numbers = small_numbers(int(np.prod(shape)), sum(shape) + 31 * shape[2] + shape[3])
    return (numbers.reshape(shape) * scale).astype(dtype)


# How many windows fit

SIZE_CASES = tuple(Case(numbers) for numbers in (
    (8, 3, 1, 0), (5, 2, 1, 0), (4, 4, 1, 0), (5, 3, 1, 1), (7, 3, 2, 0), (8, 3, 2, 0),
    (8, 3, 2, 1), (6, 1, 4, 0), (28, 5, 3, 2), (9, 2, 5, 0), (27, 4, 4, 3), (20, 6, 3, 1),
))


def _size(formula):
    return lambda size, kernel_size, stride, padding: formula(size, kernel_size, stride, padding)


OUTPUT_SIZE = Task(
    id="ex02_padding_and_stride/output_size", function_name="my_output_size",
    argument_names=("size", "kernel_size", "stride", "padding"), result_name="count",
    reference=output_size, cases=SIZE_CASES,
    mistakes=(
        _mistake("one too few", "you are one window short. The first window starts at 0 and the "
                 "last one at size - kernel_size: fences and posts, + 1.", WITHOUT,
                 _size(lambda n, k, s, p: (n + 2 * p - k) // s)),
        _mistake("without the floor", "half a window is no window: round down, with // and not "
                 "with /.", STRIDE, _size(lambda n, k, s, p: (n + 2 * p - k) / s + 1)),
        _mistake("rounded up", "you round up. A window that sticks out of the image does not "
                 "count: round down, with //.", STRIDE,
                 _size(lambda n, k, s, p: math.ceil((n + 2 * p - k) / s) + 1),
                 _size(lambda n, k, s, p: -(-(n + 2 * p) // s))),
        _mistake("rounded", "you round to the nearest whole number. Half a window is no window: "
                 "round down, with //.", STRIDE,
                 _size(lambda n, k, s, p: round((n + 2 * p - k) / s) + 1),
                 _size(lambda n, k, s, p: round((n + 2 * p - k) / s + 1))),
        _mistake("padding on one side", "padding is counted once. `padding` zeros are put on each "
                 "side: the row becomes size + 2*padding long.", PADDING,
                 _size(lambda n, k, s, p: (n + p - k) // s + 1)),
        _mistake("padding ignored", "padding is ignored. The row becomes size + 2*padding long.",
                 PADDING, _size(lambda n, k, s, p: (n - k) // s + 1)),
        _mistake("padding taken away", "padding is subtracted. It makes the row longer: "
                 "size + 2*padding.", PADDING,
                 _size(lambda n, k, s, p: (n - 2 * p - k) // s + 1)),
        _mistake("stride ignored", "stride is ignored. Only every stride-th place counts.", STRIDE,
                 _size(lambda n, k, s, p: n + 2 * p - k + 1)),
        _mistake("+ 1 divided too", "you divide the + 1, too. It counts the window at the start "
                 "and stands outside the floor.", STRIDE,
                 _size(lambda n, k, s, p: (n + 2 * p - k + 1) // s)),
        _mistake("kernel after the division", "you divide before the kernel is taken off. First "
                 "take off the kernel's size, then divide by the stride.", STRIDE,
                 _size(lambda n, k, s, p: (n + 2 * p) // s - k + 1)),
        _mistake("kernel ignored", "the kernel's size is not used. The last window must start "
                 "kernel_size pixels before the end.", WITHOUT,
                 _size(lambda n, k, s, p: (n + 2 * p) // s),
                 _size(lambda n, k, s, p: (n + 2 * p) // s + 1)),
        _mistake("kernel counted twice", "the kernel's size is taken off twice: for windows that "
                 "stop early on both sides. Only the end matters.", WITHOUT,
                 _size(lambda n, k, s, p: (n + 2 * p - 2 * k) // s + 1)),
        _mistake("windows next to each other", "you count windows that lie next to each other, "
                 "kernel_size apart. They lie `stride` apart.", STRIDE,
                 _size(lambda n, k, s, p: (n + 2 * p) // k),
                 _size(lambda n, k, s, p: (n + 2 * p - k) // k + 1)),
        _mistake("last start", "you return where the last window starts, not how many there are. "
                 "Divide by the stride and count the one at 0.", STRIDE,
                 _size(lambda n, k, s, p: (n + 2 * p - k) // s * s)),
    ),
    section=STRIDE, shape_rule="one whole number", keeps_dtype=False,
)


# Zeros around a batch


def _pad_case(shape, padding, dtype=np.float64, scale=1.0) -> Case:
    return Case((_images(shape, dtype, scale), padding))


PAD_CASES = (
    _pad_case((1, 1, 2, 3), ((1, 1), (1, 1))),
    _pad_case((1, 1, 2, 2), ((0, 1), (0, 0))),
    _pad_case((1, 1, 2, 3), ((1, 0), (2, 0)), scale=0.5),
    _pad_case((1, 1, 2, 2), ((0, 1), (0, 2))),
    _pad_case((1, 1, 3, 2), ((0, 0), (0, 0))),
    _pad_case((1, 1, 3, 2), ((0, 0), (1, 2))),
    _pad_case((2, 1, 2, 2), ((1, 0), (0, 0))),
    _pad_case((1, 2, 2, 3), ((2, 1), (0, 1))),
    _pad_case((2, 3, 4, 3), ((1, 3), (2, 0)), np.float32, 0.37),
    _pad_case((3, 2, 3, 5), ((0, 2), (1, 3)), scale=0.37),
)


def _padded(sides, **how):
    """Return the variant with np.pad's four pairs from sides(top, bottom, left, right)."""

    def variant(x, padding):
        (top, bottom), (left, right) = padding
        pairs = sides(top, bottom, left, right)
        pairs = pairs if len(pairs) == 4 else ((0, 0), (0, 0), *pairs)
        return np.pad(x, pairs, **how)

    return variant


def _sides(top, bottom, left, right):
    return (top, bottom), (left, right)


def _placed_at(place):
    """Return the variant of the right size that writes x at place(top, bottom, left, right)."""

    def variant(x, padding):
        y = np.zeros_like(pad(x, padding))
        (H, W), (i, j) = x.shape[2:], place(*padding[0], *padding[1])
        y[:, :, i : i + H, j : j + W] = x
        return y

    return variant


def _minus_slices(x, padding):
    """y[:, :, top:-bottom, left:-right] = x, which stops where bottom or right is 0."""
    (_, bottom), (_, right) = padding
    if not (bottom and right):
        raise ValueError("could not broadcast input array")
    return pad(x, padding)


def _after_padding(change):
    return lambda x, padding: change(pad(x, padding), x)


def _zeros(y, x):
    return np.zeros_like(y)


def _whole(y, x):
    return np.trunc(y)


PAD = Task(
    id="ex02_padding_and_stride/pad", function_name="my_pad", argument_names=("x", "padding"),
    result_name="y", reference=pad, cases=PAD_CASES,
    mistakes=(
        _mistake("minus zero", "it stops where no zeros are asked for below or on the right. Did "
                 "you write into the slice top:-bottom? -0 is 0, and that slice is empty; end it "
                 "at top + H.", PAD_TASK, _minus_slices),
        _mistake("first numbers only", "the first number of each pair is used for both sides. "
                 "padding is ((top, bottom), (left, right)).", UNEVEN,
                 _padded(lambda t, b, l, r: ((t, t), (l, l)))),
        _mistake("last numbers only", "the second number of each pair is used for both sides. "
                 "padding is ((top, bottom), (left, right)).", UNEVEN,
                 _padded(lambda t, b, l, r: ((b, b), (r, r)))),
        _mistake("sides swapped", "above and below are swapped, and so are left and right. Each "
                 "pair is (before, after): padding is ((top, bottom), (left, right)).", UNEVEN,
                 _padded(lambda t, b, l, r: ((b, t), (r, l))),
                 _placed_at(lambda t, b, l, r: (b, r))),
        _mistake("axes swapped", "rows and columns are swapped. The first pair, (top, bottom), "
                 "belongs to the rows, axis 2; the second to the columns, axis 3.", UNEVEN,
                 _padded(lambda t, b, l, r: ((l, r), (t, b)))),
        _mistake("pairs torn apart", "the four numbers are read as top, left, bottom, right. They "
                 "are ((top, bottom), (left, right)).", UNEVEN,
                 _padded(lambda t, b, l, r: ((t, l), (b, r)))),
        _mistake("placed at the corner", "the result has the right size, but x lies in its top "
                 "left corner. It begins in row `top` and column `left`.", PADDING,
                 _placed_at(lambda t, b, l, r: (0, 0))),
        _mistake("placed at the end", "the result has the right size, but x lies in its bottom "
                 "right corner. It begins in row `top` and column `left`.", PADDING,
                 _placed_at(lambda t, b, l, r: (t + b, l + r))),
        _mistake("placed at left and top", "x begins in row `left` and column `top`. It begins in "
                 "row `top` and column `left`.", UNEVEN, lambda x, padding: _stops_outside(
                     x, padding)),
        _mistake("rows only", "zeros are put above and below x, but not left and right of it.",
                 PADDING, _padded(lambda t, b, l, r: ((t, b), (0, 0)))),
        _mistake("columns only", "zeros are put left and right of x, but not above and below it.",
                 PADDING, _padded(lambda t, b, l, r: ((0, 0), (l, r)))),
        _mistake("before only", "zeros are put above and left of x only. `bottom` and `right` "
                 "count as well.", PADDING, _padded(lambda t, b, l, r: ((t, 0), (l, 0)))),
        _mistake("after only", "zeros are put below and right of x only. `top` and `left` count "
                 "as well.", PADDING, _padded(lambda t, b, l, r: ((0, b), (0, r)))),
        _mistake("on batch and channels", "zeros are put around the batch and the channels. They "
                 "are axes 0 and 1, and stay as they are; rows and columns are axes 2 and 3.",
                 PADDING, _padded(lambda t, b, l, r: ((t, b), (l, r), (0, 0), (0, 0))),
                 _padded(lambda t, b, l, r: ((0, 0), (t, b), (l, r), (0, 0))),
                 _padded(lambda t, b, l, r: ((t, b), (t, b), (l, r), (l, r)))),
        _mistake("ones", "the border is filled with ones. Padding is filled with zeros.", PADDING,
                 _padded(_sides, constant_values=1)),
        _mistake("copies of the edge", "the border is filled with copies of the edge pixels. Here, "
                 "padding is filled with zeros.", PADDING, _padded(_sides, mode="edge")),
        _mistake("not padded", "x comes back as it is. Put `top` rows of zeros above it, `bottom` "
                 "below it, `left` and `right` columns beside it.", PADDING,
                 lambda x, padding: x.copy()),
        _mistake("all zeros", "everything is 0: the larger array was made, but x was not written "
                 "into it.", PAD_TASK, _after_padding(_zeros)),
        _mistake("whole numbers", "the digits after the decimal point are lost. Make the array "
                 "with dtype=x.dtype.", PAD_TASK, _after_padding(_whole)),
        _mistake("first image only", "only the first image of the batch is there. All images and "
                 "channels are padded alike: take whole slices, y[:, :, ...].", PAD_TASK,
                 _after_padding(lambda y, x: y * (np.arange(len(y)) == 0)[:, None, None, None]),
                 _after_padding(lambda y, x: y[:1])),
        _mistake("first channel only", "only the first channel is there. All images and channels "
                 "are padded alike: take whole slices, y[:, :, ...].", PAD_TASK,
                 _after_padding(lambda y, x: y * (np.arange(y.shape[1]) == 0)[:, None, None]),
                 _after_padding(lambda y, x: y[:, :1])),
    ),
    section=PAD_TASK, shape_rule="(N, C, top + H + bottom, left + W + right)",
)


def _stops_outside(x, padding):
    """Write x at row `left` and column `top`; a slice that is cut short does not fit."""
    (top, bottom), (left, right) = padding
    if left > top + bottom or top > left + right:
        raise ValueError("could not broadcast input array")
    return _placed_at(lambda t, b, l, r: (l, t))(x, padding)


# "Same"

SAME_CASES = tuple(Case(numbers) for numbers in (
    (5, 3, 1), (6, 5, 1), (5, 2, 1), (28, 4, 1), (8, 3, 2), (7, 3, 2), (28, 5, 3), (9, 4, 3),
    (9, 2, 4), (10, 1, 3), (12, 2, 3), (29, 6, 4),
))


def _halves(total_of, after_first=True):
    """Return the variant that shares total_of(size, kernel_size, stride), the odd one after."""

    def variant(size, kernel_size, stride):
        total = total_of(size, kernel_size, stride)
        sides = (total // 2, total - total // 2)
        return sides if after_first else sides[::-1]

    return variant


def _total(size, kernel_size, stride):
    return sum(same_padding(size, kernel_size, stride))


def _total_for(wanted):
    return lambda n, k, s: max(0, (wanted(n, s) - 1) * s + k - n)


def _unbounded(size, kernel_size, stride):
    return (-(-size // stride) - 1) * stride + kernel_size - size


SAME_PADDING = Task(
    id="ex02_padding_and_stride/same_padding", function_name="my_same_padding",
    argument_names=("size", "kernel_size", "stride"), result_name=("before", "after"),
    reference=same_padding, cases=SAME_CASES,
    mistakes=(
        _mistake("odd one before", "the odd zero goes before. By convention it goes after, as in "
                 "Keras.", PADDING, _halves(_total, after_first=False)),
        _mistake("odd one lost", "both sides get the same number, and an odd zero is lost: then "
                 "the output is one too small. It goes after.", PADDING,
                 lambda *sizes: (_total(*sizes) // 2,) * 2),
        _mistake("odd one twice", "both sides get the same number, rounded up. Where the zeros are "
                 "odd in number, only the side after gets the odd one.", PADDING,
                 lambda *sizes: (-(-_total(*sizes) // 2),) * 2),
        _mistake("half a zero", "you return half zeros. Rows are whole: total // 2 before, the "
                 "rest after.", PADDING, lambda *sizes: (_total(*sizes) / 2,) * 2),
        _mistake("all on each side", "each side gets all the zeros. The total is shared by the two "
                 "sides.", PADDING, lambda *sizes: (_total(*sizes),) * 2),
        _mistake("all after", "all the zeros go after. Half of them belong before.", PADDING,
                 lambda *sizes: (0, _total(*sizes))),
        _mistake("all before", "all the zeros go before. Half of them belong after.", PADDING,
                 lambda *sizes: (_total(*sizes), 0)),
        _mistake("below zero", "you return less than 0 zeros. Where the stride is larger than the "
                 "kernel, none may be needed: take 0 then.", UNEVEN, _halves(_unbounded),
                 _halves(lambda *sizes: abs(_unbounded(*sizes)))),
        _mistake("stride ignored", "stride is ignored: k - 1 zeros are right for a stride of 1. "
                 "The last of ⌈size / stride⌉ windows starts (⌈size / stride⌉ - 1)·stride pixels "
                 "after the first.", UNEVEN, _halves(lambda n, k, s: k - 1)),
        _mistake("for odd kernels only", "each side gets (kernel_size - 1) // 2 zeros. That is "
                 "right for odd kernels at a stride of 1; in general, take what ⌈size / stride⌉ "
                 "windows need, and put the odd zero after.", UNEVEN,
                 lambda n, k, s: ((k - 1) // 2,) * 2),
        _mistake("as large as the image", "you keep the output as large as the image at every "
                 "stride. \"Same\" means ⌈size / stride⌉ outputs.", UNEVEN,
                 _halves(_total_for(lambda n, s: n))),
        _mistake("rounded down", "you ask for ⌊size / stride⌋ outputs. \"Same\" rounds up: "
                 "⌈size / stride⌉.", UNEVEN, _halves(_total_for(lambda n, s: n // s))),
        _mistake("one output more", "you leave room for one window more. ⌈size / stride⌉ windows "
                 "make one step fewer.", UNEVEN, _halves(_total_for(lambda n, s: -(-n // s) + 1))),
        _mistake("kernel minus stride", "you take kernel_size - stride for the total. That is "
                 "right only where the stride divides the size.", UNEVEN,
                 _halves(lambda n, k, s: max(0, k - s)), _halves(lambda n, k, s: k - s)),
    ),
    section=UNEVEN, shape_rule=("one whole number", "one whole number"), keeps_dtype=False,
)


# A convolution with pairs


def _conv_case(x, weight, stride, padding, dtype=np.float64, scale=1.0) -> Case:
    """Return a case of x (N, C, H, W), weight (F, C, KH, KW)."""
    return Case((_images(x, dtype, scale), _images(weight, dtype, scale), stride, padding))


NONE = ((0, 0), (0, 0))
CONV_CASES = (
    _conv_case((1, 1, 3, 3), (1, 1, 2, 2), (1, 1), NONE),
    _conv_case((1, 1, 4, 4), (1, 1, 2, 2), (2, 1), NONE),
    _conv_case((1, 1, 4, 4), (1, 1, 2, 2), (1, 2), NONE),
    _conv_case((1, 1, 3, 4), (1, 1, 2, 3), (1, 1), NONE),
    _conv_case((1, 1, 4, 3), (1, 1, 3, 2), (1, 1), NONE, scale=0.5),
    _conv_case((1, 1, 2, 2), (1, 1, 2, 2), (1, 1), ((0, 1), (0, 0))),
    _conv_case((1, 1, 2, 3), (1, 1, 2, 2), (1, 1), ((1, 1), (1, 1))),
    _conv_case((1, 1, 3, 3), (1, 1, 2, 3), (1, 1), ((1, 0), (0, 2))),
    _conv_case((1, 1, 3, 5), (1, 1, 2, 2), (2, 3), NONE),
    _conv_case((1, 2, 3, 3), (1, 2, 2, 2), (1, 1), NONE),
    _conv_case((1, 1, 3, 3), (3, 1, 2, 2), (1, 1), NONE),
    _conv_case((2, 1, 3, 3), (1, 1, 2, 2), (1, 1), NONE),
    _conv_case((2, 3, 3, 4), (4, 3, 1, 1), (1, 1), NONE),
    _conv_case((1, 2, 5, 6), (2, 2, 2, 3), (2, 1), ((1, 1), (0, 1)), np.float32),
    _conv_case((2, 2, 7, 5), (3, 2, 3, 2), (3, 2), ((1, 2), (2, 1)), np.float64, 0.37),
    _conv_case((2, 3, 5, 8), (4, 3, 2, 4), (1, 3), ((0, 1), (2, 0)), np.float32, 0.37),
)


def _conv(x, weight, stride, padding):
    """The layer itself, without its cache and without a bias."""
    return conv2d(x, weight, None, stride, padding)[0]


def _with_stride(change):
    return lambda x, weight, stride, padding: _conv(x, weight, change(stride), padding)


def _with_padding(change):
    return lambda x, weight, stride, padding: _conv(
        x, weight, stride, change(*padding[0], *padding[1]))


def _with_weight(change):
    return lambda x, weight, stride, padding: _conv(x, change(weight), stride, padding)


def _fits(size, kernel_size, stride):
    return (size - kernel_size) // stride + 1


def _reading(place, with_padding=True):
    """Return variants, one a reader, that read where place(H, W, KH, KW, sh, sw) says.

    H and W are those of the padded image.
    """

    def with_reader(reader):
        def variant(x, weight, stride, padding):
            image = pad(x, padding) if with_padding else x
            rows, columns = place(*image.shape[2:], *weight.shape[2:], *stride)
            return reader(image, weight, np.zeros(len(weight), x.dtype), rows, columns)

        return variant

    return tuple(map(with_reader, READERS))


def _at(OH, OW, KH, KW, down, right):
    return offsets(OH, KH, down), offsets(OW, KW, right)


def _right_size_step(down, right):
    """Return the place of the right size whose windows move by down(sh, KH), right(sw, KW)."""

    def place(H, W, KH, KW, sh, sw):
        return _at(_fits(H, KH, sh), _fits(W, KW, sw), KH, KW, down(sh, KH), right(sw, KW))

    return place


def _spread(H, W, KH, KW, sh, sw):
    (i, j), (u, v) = (np.arange(_fits(H, KH, sh)), np.arange(_fits(W, KW, sw))), (
        np.arange(KH), np.arange(KW))
    return i[:, None] + u * sh, j[:, None] + v * sw


def _unpadded_size(x, weight, stride, padding):
    """The size is that without padding: the last windows are missing."""
    (H, W), (KH, KW) = x.shape[2:], weight.shape[2:]
    counts = _fits(H, KH, stride[0]), _fits(W, KW, stride[1])
    return _conv(x, weight, stride, padding)[:, :, : max(counts[0], 0), : max(counts[1], 0)]


def _literal(x, weight, stride, padding):
    """x[n, c, i*sh + u - top, j*sw + v - left], without zeros around x."""
    OH, OW = _conv(x, weight, stride, padding).shape[2:]
    (top, _), (left, _) = padding
    rows = offsets(OH, weight.shape[2], stride[0], -top)
    columns = offsets(OW, weight.shape[3], stride[1], -left)
    return pixels(x, weight, np.zeros(len(weight), x.dtype), rows, columns)


def _then(change):
    return lambda *arguments: change(_conv(*arguments).copy())


def _first_image_only(y):
    y[1:] = 0
    return y


def _last_left_zero(y):
    y[:, :, -1] = y[:, :, :, -1] = 0
    return y


def _written_transposed(y):
    if y.shape[2] != y.shape[3]:
        raise IndexError("index is out of bounds")
    return y.swapaxes(2, 3)


STRIDED_CONV2D = Task(
    id="ex02_padding_and_stride/strided_conv2d", function_name="my_strided_conv2d",
    argument_names=("x", "weight", "stride", "padding"), result_name="y",
    reference=_conv, cases=CONV_CASES,
    mistakes=(
        _mistake("strides swapped", "the two strides are swapped. stride is (sh, sw): the step "
                 "down first, then the step to the right.", UNEVEN,
                 _with_stride(lambda s: s[::-1])),
        _mistake("stride down for both", "the step down, sh, is used for the columns as well. They "
                 "move by sw.", UNEVEN, _with_stride(lambda s: (s[0], s[0]))),
        _mistake("stride right for both", "the step to the right, sw, is used for the rows as "
                 "well. They move by sh.", UNEVEN, _with_stride(lambda s: (s[1], s[1]))),
        _mistake("stride ignored", "stride is ignored: your window moves by one pixel each time. "
                 "Output i looks at the rows from i*sh on.", STRIDE,
                 _with_stride(lambda s: (1, 1))),
        _mistake("stride in the size only", "the output has the size that stride gives, but your "
                 "window moves by one pixel each time. Output i looks at the rows from i*sh on, "
                 "not from i on.", STRIDE,
                 *_reading(_right_size_step(lambda sh, KH: 1, lambda sw, KW: 1))),
        _mistake("stride on rows only", "stride is used for the rows and ignored for the columns. "
                 "They move by sw.", STRIDE, _with_stride(lambda s: (s[0], 1)),
                 *_reading(_right_size_step(lambda sh, KH: sh, lambda sw, KW: 1))),
        _mistake("stride on columns only", "stride is used for the columns and ignored for the "
                 "rows. They move by sh.", STRIDE, _with_stride(lambda s: (1, s[1])),
                 *_reading(_right_size_step(lambda sh, KH: 1, lambda sw, KW: sw))),
        _mistake("windows next to each other", "your windows lie next to each other: they move by "
                 "the kernel's size. They move by the stride.", STRIDE,
                 *_reading(_right_size_step(lambda sh, KH: KH, lambda sw, KW: KW))),
        _mistake("stride inside the window", "stride is multiplied with the kernel's offset u, so "
                 "that your window is spread out. Only its start moves by the stride: row u of "
                 "the window is row i*sh + u.", STRIDE, *_reading(_spread)[:1]),
        _mistake("padding ignored", "padding is ignored: your windows stay inside the image. Put "
                 "the zeros around it first.", PADDING,
                 lambda x, weight, stride, padding: _conv(x, weight, stride, 0)),
        _mistake("size without padding", "the size is computed from x before it was padded: the "
                 "last windows are missing. Read H and W from the padded image.", PADDING,
                 _unpadded_size),
        _mistake("indices leave the image", "your index i*sh + u - top leaves the image. Below 0, "
                 "Python counts from the end: x[-1] is the last row, not a zero. Pixels outside "
                 "the image count as 0.", PADDING, _literal),
        _mistake("first numbers for both sides", "the first number of each padding pair is used "
                 "for both sides. padding is ((top, bottom), (left, right)).", UNEVEN,
                 _with_padding(lambda t, b, l, r: ((t, t), (l, l)))),
        _mistake("second numbers for both sides", "the second number of each padding pair is used "
                 "for both sides. padding is ((top, bottom), (left, right)).", UNEVEN,
                 _with_padding(lambda t, b, l, r: ((b, b), (r, r)))),
        _mistake("padding sides swapped", "above and below are swapped, and so are left and right. "
                 "Each pair is (before, after).", UNEVEN,
                 _with_padding(lambda t, b, l, r: ((b, t), (r, l)))),
        _mistake("padding axes swapped", "the padding of rows and columns is swapped. The first "
                 "pair, (top, bottom), belongs to the rows.", UNEVEN,
                 _with_padding(lambda t, b, l, r: ((l, r), (t, b)))),
        _mistake("padding on rows only", "zeros are put above and below the image, but not left "
                 "and right of it.", PADDING, _with_padding(lambda t, b, l, r: ((t, b), (0, 0)))),
        _mistake("padding on columns only", "zeros are put left and right of the image, but not "
                 "above and below it.", PADDING,
                 _with_padding(lambda t, b, l, r: ((0, 0), (l, r)))),
        _mistake("kernel rotated", "your kernel is rotated by 180°: that is a true convolution. "
                 "The layer slides the kernel as it is, weight[u, v] meets x[i*sh + u, j*sw + v].",
                 TURNED, _with_weight(lambda w: w[:, :, ::-1, ::-1])),
        _mistake("first channel only", "only the first input channel is used. The products of all "
                 "slices of a filter are added up.", CHANNELS,
                 lambda x, weight, stride, padding: _conv(x[:, :1], weight[:, :1], stride,
                                                          padding)),
        _mistake("last channel only", "only the last input channel is left in the sum. Add each "
                 "channel's part (+=) instead of replacing what was there (=).", CHANNELS,
                 lambda x, weight, stride, padding: _conv(x[:, -1:], weight[:, -1:], stride,
                                                          padding)),
        _mistake("first filter everywhere", "every output channel holds the result of the first "
                 "filter. Channel f of the output belongs to weight[f].", CHANNELS,
                 _then(lambda y: np.repeat(y[:, :1], y.shape[1], axis=1))),
        _mistake("first image everywhere", "every image of the batch gets the first image's "
                 "result. Output n belongs to x[n].", CONV_TASK,
                 _then(lambda y: np.repeat(y[:1], len(y), axis=0))),
        _mistake("first image only", "only the first image of the batch is computed; the others "
                 "stay zero. Loop over n, too.", CONV_TASK, _then(_first_image_only)),
        _mistake("mean over the window", "each window gives the mean of its products. The layer "
                 "takes their sum.", SUMS, _with_weight(lambda w: w / w[0].size)),
        _mistake("one row and column too few", "the last row and the last column of the output are "
                 "missing. The number of windows ends with + 1: of the first one, at 0.", STRIDE,
                 _then(lambda y: y[:, :, :-1, :-1])),
        _mistake("last row and column left zero", "the last row and the last column of the output "
                 "are never computed. Do your loops end one step early?", CONV_TASK,
                 _then(_last_left_zero)),
        _mistake("output transposed", "the output is transposed: its rows and columns are swapped. "
                 "y[n, f, i, j] belongs to the window in row i and column j.", UNEVEN,
                 _then(lambda y: y.swapaxes(2, 3)), _then(_written_transposed)),
        _mistake("width from a height", "your OW is computed from a height. Rows and columns have "
                 "the same formula, each with its own numbers: W, KW, sw.", UNEVEN,
                 *_reading(lambda H, W, KH, KW, sh, sw: _at(
                     _fits(H, KH, sh), _fits(H, KH, sh), KH, KW, sh, sw)),
                 *_reading(lambda H, W, KH, KW, sh, sw: _at(
                     _fits(H, KH, sh), _fits(W, KH, sw), KH, KW, sh, sw)),
                 *_reading(lambda H, W, KH, KW, sh, sw: _at(
                     _fits(H, KH, sh), _fits(W, KW, sh), KH, KW, sh, sw)),
                 *_reading(lambda H, W, KH, KW, sh, sw: _at(
                     _fits(H, KH, sh), _fits(H, KW, sw), KH, KW, sh, sw))),
        _mistake("height from a width", "your OH is computed from a width. Rows and columns have "
                 "the same formula, each with its own numbers: H, KH, sh.", UNEVEN,
                 *_reading(lambda H, W, KH, KW, sh, sw: _at(
                     _fits(W, KW, sw), _fits(W, KW, sw), KH, KW, sh, sw)),
                 *_reading(lambda H, W, KH, KW, sh, sw: _at(
                     _fits(H, KW, sh), _fits(W, KW, sw), KH, KW, sh, sw)),
                 *_reading(lambda H, W, KH, KW, sh, sw: _at(
                     _fits(H, KH, sw), _fits(W, KW, sw), KH, KW, sh, sw)),
                 *_reading(lambda H, W, KH, KW, sh, sw: _at(
                     _fits(W, KH, sh), _fits(W, KW, sw), KH, KW, sh, sw))),
        _mistake("all zeros", "every output is 0: the array was made, but nothing was written "
                 "into it.", CONV_TASK, _then(np.zeros_like)),
        _mistake("whole numbers", "the digits after the decimal point are lost. Make y with "
                 "dtype=x.dtype; int(...) and round(...) keep whole numbers only.", CONV_TASK,
                 _then(np.trunc), _then(np.rint), _then(np.floor)),
    ),
    section=CONV_TASK,
    shape_rule="(N, F, OH, OW) with OH = (top + H + bottom - KH) // sh + 1, and OW likewise",
)


# Padding taken off again


def _crop_case(shape, padding, dtype=np.float64, scale=1.0) -> Case:
    return Case((_images(shape, dtype, scale), padding))


CROP_CASES = (
    _crop_case((1, 1, 4, 4), ((1, 1), (1, 1))),
    _crop_case((1, 1, 3, 4), ((1, 1), (0, 0))),
    _crop_case((1, 1, 2, 3), NONE),
    _crop_case((1, 1, 4, 3), ((0, 1), (1, 0))),
    _crop_case((1, 1, 5, 4), ((1, 2), (0, 1))),
    _crop_case((1, 1, 4, 6), ((0, 1), (3, 1))),
    _crop_case((2, 3, 6, 5), ((2, 0), (1, 2)), np.float32, 0.37),
    _crop_case((3, 2, 5, 7), ((0, 3), (2, 0)), scale=0.37),
)


def _cut(rows, columns):
    """Return the variant that keeps rows(top, bottom, H) and columns(left, right, W)."""

    def variant(x, padding):
        (top, bottom), (left, right) = padding
        H, W = x.shape[2:]
        return x[:, :, slice(*rows(top, bottom, H)), slice(*columns(left, right, W))].copy()

    return variant


def _both(rule):
    return _cut(rule, rule)


def _inside(before, after, size):
    return before, size - after


def _crop_sides(change):
    return lambda x, padding: crop(x, change(*padding[0], *padding[1])).copy()


CROP = Task(
    id="ex02_padding_and_stride/crop", function_name="my_crop", argument_names=("x", "padding"),
    result_name="y", reference=lambda x, padding: crop(x, padding).copy(), cases=CROP_CASES,
    mistakes=(
        _mistake("minus zero", "where nothing is to be cut off after the image, nothing is left. "
                 "-0 is 0, and the slice top:0 is empty: count from the start, up to row "
                 "H - bottom.", CROP_TASK, _both(lambda b, a, n: (b, -a)),
                 _cut(lambda b, a, n: (b, -a), _inside), _cut(_inside, lambda b, a, n: (b, -a))),
        _mistake("before for both", "below, `top` rows are cut off as well, and on the right "
                 "`left` columns. There, `bottom` and `right` count.", UNEVEN,
                 _both(lambda b, a, n: (b, n - b))),
        _mistake("after for both", "above, `bottom` rows are cut off as well, and on the left "
                 "`right` columns. There, `top` and `left` count.", UNEVEN,
                 _both(lambda b, a, n: (a, n - a))),
        _mistake("before only", "rows and columns are cut off above and left only. `bottom` and "
                 "`right` count as well.", PADDING, _both(lambda b, a, n: (b, n))),
        _mistake("after only", "rows and columns are cut off below and right only. `top` and "
                 "`left` count as well.", PADDING, _both(lambda b, a, n: (0, n - a))),
        _mistake("all at the end", "all rows and columns are cut off at the end, so that zeros "
                 "above and left stay. The image begins in row `top` and column `left`.", PADDING,
                 _both(lambda b, a, n: (0, n - a - b))),
        _mistake("all at the start", "all rows and columns are cut off at the start. `bottom` and "
                 "`right` of them belong to the end.", PADDING,
                 _both(lambda b, a, n: (b + a, n))),
        _mistake("cut to the padding", "your slice ends at row `bottom`, counted from the start. "
                 "That many rows are cut off at the end: it ends at row H - bottom.", PADDING,
                 _both(lambda b, a, n: (b, a))),
        _mistake("one too few", "one row and one column too many are cut off. A slice ends before "
                 "its second number: H - bottom, without - 1.", CROP_TASK,
                 _both(lambda b, a, n: (b, n - a - 1))),
        _mistake("one too many", "a row and a column of zeros are left at the end. A slice ends "
                 "before its second number: H - bottom, without + 1.", CROP_TASK,
                 _both(lambda b, a, n: (b, n - a + 1))),
        _mistake("before taken off twice", "the slice ends at H - top - bottom. It is counted "
                 "from the start of the padded image: H - bottom.", CROP_TASK,
                 _both(lambda b, a, n: (b, n - b - a))),
        _mistake("axes swapped", "rows and columns are swapped. The first pair, (top, bottom), "
                 "belongs to the rows, axis 2.", UNEVEN,
                 _crop_sides(lambda t, b, l, r: ((l, r), (t, b)))),
        _mistake("sides swapped", "above and below are swapped, and so are left and right. Each "
                 "pair is (before, after).", UNEVEN,
                 _crop_sides(lambda t, b, l, r: ((b, t), (r, l)))),
        _mistake("rows only", "only rows are cut off. `left` and `right` columns go, too.", PADDING,
                 _crop_sides(lambda t, b, l, r: ((t, b), (0, 0)))),
        _mistake("columns only", "only columns are cut off. `top` and `bottom` rows go, too.",
                 PADDING, _crop_sides(lambda t, b, l, r: ((0, 0), (l, r)))),
        _mistake("not cropped", "x comes back as it is. Cut `top` rows off above, `bottom` below, "
                 "`left` and `right` columns beside it.", PADDING, lambda x, padding: x.copy()),
    ),
    section=CROP_TASK, shape_rule="(N, C, H - top - bottom, W - left - right)",
)

TASKS = (OUTPUT_SIZE, PAD, SAME_PADDING, STRIDED_CONV2D, CROP)
