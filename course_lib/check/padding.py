"""What the checks of padding and stride know: their cases, and the mistakes that they recognise.

A mistake is a deliberately wrong variant of the task's function with the sentence that a student
reads who makes it. Only `course_lib.check` imports this module; it uses the library's operations.
"""

import math

import numpy as np

from course_lib.check.loops import READERS, offsets, pixels
from course_lib.check.slips import (
    CARRIED_ON,
    RETURNED_EARLY,
    all_filters,
    cut,
    filter_of_the_image,
    looped,
    matrix_product,
    product_sum,
)
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


LONGER = {"padding is ignored (the row becomes size + 2*padding long)": lambda n, p: n,
          "padding is counted once (it lies on each side)": lambda n, p: n + p}
DIVIDED = {"you do not round down (// does, / does not)": lambda n, s: n / s,
           "you round up (half a window is no window)": lambda n, s: -(-n // s),
           "stride is ignored": lambda n, s: n}
COUNTED = {"the + 1 for the window at the start is missing": 0,
           "2 are added for the window at the start, not 1": 2}


def _two_things(first, second, formula) -> Mistake:
    return _mistake(f"{first}; {second}", f"two things: {first}, and {second}.", STRIDE,
                    _size(formula))


def _two_mistakes_at_once():
    """Yield the mistakes that leave or change two of: the padding, the division, the + 1."""
    for longer, row in LONGER.items():
        for divided, by in DIVIDED.items():
            yield _two_things(longer, divided,
                              lambda n, k, s, p, row=row, by=by: by(row(n, p) - k, s) + 1)
        for counted, one in COUNTED.items():
            yield _two_things(longer, counted,
                              lambda n, k, s, p, row=row, one=one: (row(n, p) - k) // s + one)
        yield _two_things(longer, "the + 1 is divided, too",
                          lambda n, k, s, p, row=row: (row(n, p) - k + 1) // s)
    for divided, by in list(DIVIDED.items())[::2]:
        for counted, one in COUNTED.items():
            yield _two_things(divided, counted,
                              lambda n, k, s, p, by=by, one=one: by(n + 2 * p - k, s) + one)


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
        _mistake("brackets missing", "only the kernel's size is divided: // comes before + and -. "
                 "Brackets around size + 2*padding - kernel_size.", STRIDE,
                 _size(lambda n, k, s, p: n + 2 * p - k // s + 1)),
        _mistake("two too few", "you are two windows short: 1 is subtracted. Add it, for the "
                 "window at the start.", WITHOUT,
                 _size(lambda n, k, s, p: (n + 2 * p - k) // s - 1)),
        _mistake("remainder", "% gives the remainder of a division. Rounded down is //.", STRIDE,
                 _size(lambda n, k, s, p: (n + 2 * p - k) % s + 1),
                 _size(lambda n, k, s, p: (n + 2 * p - k) % s)),
        _mistake("half the kernel", "half of the kernel's size is taken off. The last window must "
                 "start a whole kernel_size before the end.", WITHOUT,
                 _size(lambda n, k, s, p: (n + 2 * p - k // 2) // s + 1),
                 _size(lambda n, k, s, p: (n + 2 * p - k // 2) // s)),
        _mistake("size of \"same\"", "you return ⌈size / stride⌉, the size of \"same\" padding. "
                 "Here the padding is given: it may be more or less.", STRIDE,
                 _size(lambda n, k, s, p: -(-n // s))),
        _mistake("padding squared", "padding is squared (**). Two times padding is 2*padding.",
                 PADDING, _size(lambda n, k, s, p: (n + p ** 2 - k) // s + 1)),
        _mistake("last window left out", "the last window that still fits is left out. It may end "
                 "exactly at the end of the row: <= and not <, or a range that goes one further.",
                 WITHOUT, _size(lambda n, k, s, p: len(range(0, n + 2 * p - k, s)))),
        _mistake("kernel added", "the kernel's size is added. It comes off: the last window must "
                 "start kernel_size before the end.", WITHOUT,
                 _size(lambda n, k, s, p: (n + 2 * p + k) // s + 1)),
        _mistake("stride for the kernel", "kernel_size and stride are swapped: subtract "
                 "kernel_size, divide by stride.", STRIDE,
                 _size(lambda n, k, s, p: (n + 2 * p - s) // k + 1)),
        _mistake("arguments in another order", "stride and padding are swapped in the first line "
                 "of your function. The order is size, kernel_size, stride, padding.", STRIDE,
                 _size(lambda n, k, s, p: (n + 2 * s - k) // p + 1)),
        _mistake("last start", "you return where the last window starts, not how many there are. "
                 "Divide by the stride and count the one at 0.", STRIDE,
                 _size(lambda n, k, s, p: (n + 2 * p - k) // s * s)),
        *_two_mistakes_at_once(),
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


def _stops_where(reached):
    """Return the variant that is right, but a ValueError where reached(top, bottom, left, right).

    NumPy: could not broadcast input array from shape ... into shape ...
    """

    def variant(x, padding):
        if reached(*padding[0], *padding[1]):
            raise ValueError("could not broadcast input array")
        return pad(x, padding)

    return variant


def _one_further(x, padding):
    """y[:, :, top + 1 : top + 1 + H, ...] = x, or pixel by pixel."""
    (_, bottom), (_, right) = padding
    if not (bottom and right):
        raise ValueError("could not broadcast input array")
    return _placed_at(lambda t, b, l, r: (t + 1, l + 1))(x, padding)


def _one_further_by_pixels(x, padding):
    (_, bottom), (_, right) = padding
    if not (bottom and right):
        raise IndexError("index is out of bounds")
    return _one_further(x, padding)


def _by_pixels_at_left_and_top(x, padding):
    try:
        return _stops_outside(x, padding)
    except ValueError:
        raise IndexError("index is out of bounds") from None


def _last_of_x_left_out(x, padding):
    (_, bottom), (_, right) = padding
    y = pad(x, padding).copy()
    y[:, :, y.shape[2] - bottom - 1] = y[:, :, :, y.shape[3] - right - 1] = 0
    return y


def _only_if_all(x, padding):
    """if bottom and right: y[:, :, top:-bottom, left:-right] = x"""
    (_, bottom), (_, right) = padding
    return pad(x, padding) * x.dtype.type(bottom > 0 and right > 0)


def _one_number(of):
    """Return the variant with of(top, bottom, left, right) zeros on all four sides."""
    return _padded(lambda t, b, l, r: ((of(t, b, l, r),) * 2,) * 2)


def _after_padding(change):
    return lambda x, padding: change(pad(x, padding), x)


def _zeros(y, x):
    return np.zeros_like(y)


def _first_of_all(y, x):
    """y[0, 0, ...] = x[0, 0]"""
    first = np.zeros_like(y)
    first[0, 0] = y[0, 0]
    return first


def _whole(y, x):
    return np.trunc(y)


PAD = Task(
    id="ex02_padding_and_stride/pad", function_name="my_pad", argument_names=("x", "padding"),
    result_name="y", reference=pad, cases=PAD_CASES,
    mistakes=(
        _mistake("minus zero", "it stops where no zeros are asked for below or on the right. Did "
                 "you write into the slice top:-bottom? -0 is 0, and that slice is empty; end it "
                 "at top + H.", PAD_TASK, _minus_slices),
        _mistake("slice without its start", "it stops where `top` or `left` is not 0. Did you "
                 "write into the slice top:H? It ends at row top + H, counted from the start.",
                 PAD_TASK, _stops_where(lambda t, b, l, r: t or l)),
        _mistake("slice one too long", "it stops where there are zeros below or on the right. Is "
                 "your slice one row and one column longer than x? It ends at top + H, without "
                 "+ 1.", PAD_TASK, _stops_where(lambda t, b, l, r: b or r)),
        _mistake("one further", "x begins one row and one column too late. Counting begins at 0: "
                 "with `top` rows above it, its first row is row `top`.", PAD_TASK, _one_further,
                 _one_further_by_pixels),
        _mistake("one number for all sides", "one number is used for all four sides. padding is "
                 "((top, bottom), (left, right)).", UNEVEN,
                 *map(_one_number, (lambda t, b, l, r: t, lambda t, b, l, r: b,
                                    lambda t, b, l, r: l, lambda t, b, l, r: r))),
        _mistake("last row and column of x left out", "the last row and the last column of x are "
                 "not written. Does a loop end one step early?", PAD_TASK, _last_of_x_left_out),
        _mistake("only where all are padded", "x is written only where there are zeros below and "
                 "on the right. It has its place in every case.", PAD_TASK, _only_if_all),
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
                     x, padding), _by_pixels_at_left_and_top),
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
        _mistake("ones", "the border is filled with another number than 0. Padding is filled with "
                 "zeros.", PADDING, _padded(_sides, constant_values=1),
                 _padded(_sides, constant_values=-1), _padded(_sides, constant_values=-np.inf)),
        _mistake("one pair halved", "one number of a pair is used for both of its sides. padding "
                 "is ((top, bottom), (left, right)).", UNEVEN,
                 _padded(lambda t, b, l, r: ((t, t), (l, r))),
                 _padded(lambda t, b, l, r: ((b, b), (l, r))),
                 _padded(lambda t, b, l, r: ((t, b), (l, l))),
                 _padded(lambda t, b, l, r: ((t, b), (r, r)))),
        _mistake("two axes", "y has two axes: one image, one channel. It has four, (N, C, ...), "
                 "also where N and C are 1.", PAD_TASK,
                 lambda x, padding: pad(x, padding)[0, 0].copy()),
        _mistake("copies of the edge", "the border is filled with the image's own pixels. Here, "
                 "padding is filled with zeros.", PADDING, _padded(_sides, mode="edge"),
                 *(_padded(_sides, mode=mode) for mode in ("reflect", "symmetric", "wrap", "mean",
                                                           "maximum"))),
        _mistake("not padded", "x comes back as it is. Put `top` rows of zeros above it, `bottom` "
                 "below it, `left` and `right` columns beside it.", PADDING,
                 lambda x, padding: x.copy()),
        _mistake("all zeros", "everything is 0: the larger array was made, but x was not written "
                 "into it.", PAD_TASK, _after_padding(_zeros)),
        _mistake("whole numbers", "the digits after the decimal point are lost. Make the array "
                 "with dtype=x.dtype.", PAD_TASK, _after_padding(_whole)),
        _mistake("first image only", "only the first image is there. All images and all of their "
                 "channels are padded alike: take whole slices, y[:, :, ...].", PAD_TASK,
                 _after_padding(lambda y, x: y * (np.arange(len(y)) == 0)[:, None, None, None]),
                 _after_padding(lambda y, x: y[:1]), _after_padding(_first_of_all)),
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
        _mistake("half the kernel", "each side gets kernel_size // 2 zeros. That is right for odd "
                 "kernels at a stride of 1; in general, take what ⌈size / stride⌉ windows need, "
                 "and put the odd zero after.", UNEVEN, lambda n, k, s: (k // 2,) * 2,
                 lambda n, k, s: (k // 2, k - 1 - k // 2)),
        _mistake("half of kernel - 1", "each side gets (kernel_size - 1) / 2 zeros, which is no "
                 "whole number for even kernels and right only at a stride of 1. Take what "
                 "⌈size / stride⌉ windows need.", UNEVEN, lambda n, k, s: ((k - 1) / 2,) * 2),
        _mistake("one more after", "the side after always gets one more than the side before. It "
                 "gets the rest: total - before.", PADDING,
                 lambda *sizes: (_total(*sizes) // 2, _total(*sizes) // 2 + 1),
                 lambda *sizes: tuple(max(0, _unbounded(*sizes) // 2 + one) for one in (0, 1))),
        _mistake("kernel forgotten", "the kernel's size is missing: the last window does not end "
                 "where it starts. m windows need (m - 1)·stride + kernel_size pixels.", UNEVEN,
                 _halves(lambda n, k, s: max(0, -(-n // s) * s - n))),
        _mistake("none", "you never return any zeros. Count what ⌈size / stride⌉ windows need, and "
                 "what is missing to that.", UNEVEN, lambda n, k, s: (0, 0)),
        _mistake("outputs instead of zeros", "you return the total and the number of outputs. "
                 "Asked for are the zeros before and after the row.", PADDING,
                 lambda *sizes: (_total(*sizes), -(-sizes[0] // sizes[2]))),
        _mistake("kernel one too small", "one pixel of the last window is missing. From its start "
                 "it takes kernel_size pixels, not kernel_size - 1.", UNEVEN,
                 _halves(lambda n, k, s: max(0, (-(-n // s) - 1) * s + k - 1 - n))),
        _mistake("rounded to even", "round rounds halves to the next even number, and so the odd "
                 "zero goes before at times. Round down, //, for the side before.", PADDING,
                 lambda *sizes: (round(_total(*sizes) / 2),
                                 _total(*sizes) - round(_total(*sizes) / 2))),
        _mistake("divided by the stride", "you divide kernel_size - 1 by the stride. Ask how many "
                 "pixels ⌈size / stride⌉ windows need, and what is missing.", UNEVEN,
                 _halves(lambda n, k, s: (k - 1) // s)),
        _mistake("below zero, odd one before", "two things: you return less than 0 zeros where "
                 "none are needed (take 0 then), and the odd zero goes before. It goes after.",
                 UNEVEN, _halves(_unbounded, after_first=False)),
        _mistake("rounded down, below zero", "two things: you ask for ⌊size / stride⌋ outputs, "
                 "where \"same\" rounds up, and you return less than 0 zeros where none are "
                 "needed.", UNEVEN,
                 _halves(lambda n, k, s: (n // s - 1) * s + k - n)),
        _mistake("as large as the image", "you keep the output as large as the image at every "
                 "stride. \"Same\" means ⌈size / stride⌉ outputs.", UNEVEN,
                 _halves(_total_for(lambda n, s: n))),
        _mistake("rounded down", "you ask for ⌊size / stride⌋ outputs. \"Same\" rounds up: "
                 "⌈size / stride⌉.", UNEVEN, _halves(_total_for(lambda n, s: n // s))),
        _mistake("one output more", "you leave room for one window more. ⌈size / stride⌉ windows "
                 "make one step fewer.", UNEVEN, _halves(_total_for(lambda n, s: -(-n // s) + 1)),
                 _halves(_total_for(lambda n, s: n // s + 1))),
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


# Loops with slices, as students write them, one thing at a time wrong


def _slice(i, kernel_size, stride, other):
    return i * stride, i * stride + kernel_size


def _own_size(H, W, KH, KW, sh, sw, padding):
    return _fits(H, KH, sh), _fits(W, KW, sw)


def _sliced(size=_own_size, rows=_slice, combine=product_sum, of_padded=True, swapped=()):
    """Return the variant with another size, other slices, or another sum.

    size(H, W, KH, KW, sh, sw, padding) of the padded image; rows(i, KH, sh, sw). swapped: which of
    "image", "kernel" are unpacked as width, height; "steps": strides swapped in the slices alone.
    """

    def variant(x, weight, stride, padding):
        padded = pad(x, padding)
        (H, W), (KH, KW), (sh, sw) = padded.shape[2:], weight.shape[2:], stride
        if "image" in swapped:
            H, W = W, H
        if "kernel" in swapped:
            KH, KW = KW, KH
        shape = size(H, W, KH, KW, sh, sw, padding)
        if "steps" in swapped:
            sh, sw = sw, sh
        return cut(padded if of_padded else x, weight, np.zeros(len(weight), x.dtype), shape,
                   lambda i: rows(i, KH, sh, sw), lambda j: rows(j, KW, sw, sh), combine)

    return variant


def _columns_by_rows(x, weight, stride, padding):
    """The window of output j begins at j*sh; the size is right."""
    image, (sh, sw) = pad(x, padding), stride
    (H, W), (KH, KW) = image.shape[2:], weight.shape[2:]
    return cut(image, weight, np.zeros(len(weight), x.dtype), (_fits(H, KH, sh), _fits(W, KW, sw)),
               lambda i: _slice(i, KH, sh, sw), lambda j: _slice(j, KW, sh, sw))


def _padded_again(H, W, KH, KW, sh, sw, padding):
    return _fits(H + sum(padding[0]), KH, sh), _fits(W + sum(padding[1]), KW, sw)


def _first_numbers_doubled(H, W, KH, KW, sh, sw, padding):
    (top, bottom), (left, right) = padding
    return _fits(H + top - bottom, KH, sh), _fits(W + left - right, KW, sw)


def _over_the_stride(H, W, KH, KW, sh, sw, padding):
    return H // sh, W // sw


def _looped_over_pixels(x, weight, stride, padding):
    return looped(_conv(x, weight, stride, padding).copy(), *x.shape[2:])


def _guarded(inside):
    """Return the variant that skips pixels unless inside(row, size); Python counts from the end."""

    def variant(x, weight, stride, padding):
        y, ((top, _), (left, _)) = np.zeros_like(_conv(x, weight, stride, padding)), padding
        (H, W), (sh, sw) = x.shape[2:], stride
        for i, j, u, v in np.ndindex(*y.shape[2:], *weight.shape[2:]):
            row, column = i * sh + u - top, j * sw + v - left
            if inside(row, H) and inside(column, W):
                y[:, :, i, j] += x[:, :, row, column] @ weight[:, :, u, v].T
        return y

    return variant


def _with_images_added(x, weight, stride, padding):
    y = _conv(x, weight, stride, padding)
    return np.broadcast_to(y.sum(axis=0, keepdims=True), y.shape)


def _thinned_out(x, weight, stride, padding):
    """conv2d(x[:, :, ::sh, ::sw], weight): the stride taken inside the windows too."""
    return _conv(pad(x, padding)[:, :, :: stride[0], :: stride[1]], weight, (1, 1), 0)


def _padded_at(place):
    """Return the variant with x at place(top, bottom, left, right); a slice cut short stops it."""

    def variant(x, weight, stride, padding):
        image, (row, column) = np.zeros_like(pad(x, padding)), place(*padding[0], *padding[1])
        image[:, :, row : row + x.shape[2], column : column + x.shape[3]] = x
        return _conv(image, weight, stride, 0)

    return variant


def _last_cells_left_out(weight):
    weight = weight.copy()
    weight[:, :, -1] = weight[:, :, :, -1] = 0
    return weight


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
        _mistake("padding counted again", "in your OH and OW the padding is counted twice. H and W "
                 "of the padded image have it in them already.", PADDING, _sliced(_padded_again)),
        _mistake("first number doubled", "your OH and OW count 2*top and 2*left. The zeros are "
                 "top + bottom and left + right.", UNEVEN, _sliced(_first_numbers_doubled)),
        _mistake("size over the stride", "you count H // sh windows. A window must fit as a whole: "
                 "its own size comes off first, (H - KH) // sh + 1.", STRIDE,
                 _sliced(_over_the_stride)),
        _mistake("cut from x", "the windows are cut from x itself, not from the padded image.",
                 PADDING, _sliced(of_padded=False)),
        _mistake("step down for the columns", "the size is right, but the windows move by sh to "
                 "the right as well. Columns move by sw.", UNEVEN, _columns_by_rows),
        _mistake("steps swapped", "the size is right, but your windows move by sw down and by sh "
                 "to the right. Rows move by sh, columns by sw.", UNEVEN,
                 _sliced(swapped=("steps",))),
        _mistake("kernel sides swapped", "the sides of the kernel are swapped. weight is "
                 "(F, C, KH, KW): KH rows first, then KW columns.", UNEVEN,
                 _sliced(swapped=("kernel",))),
        _mistake("height and width swapped", "height and width of the image are swapped. x is "
                 "(N, C, H, W): H rows first, then W columns.", UNEVEN,
                 _sliced(swapped=("image",)), _sliced(swapped=("image", "kernel"))),
        _mistake("kernel transposed", "your kernel is transposed: rows and columns are swapped. "
                 "Its first axis goes down, its second to the right.", TURNED,
                 _with_weight(lambda w: w.swapaxes(2, 3))),
        _mistake("negative indices", "above and left of the image your index is negative, and "
                 "Python then counts from the end: x[-1] is the last row, not a zero.", PADDING,
                 _guarded(lambda row, size: row < size)),
        _mistake("first row and column left out", "the image's first row and column are skipped: "
                 "row 0 lies inside. 0 <= row, not 0 < row.", PADDING,
                 _guarded(lambda row, size: 0 < row < size)),
        _mistake("window one too small", "your windows are one row and one column too small. A "
                 "slice ends before its second number: i*sh + KH, without - 1.", CONV_TASK,
                 _sliced(rows=lambda i, k, s, other: (i * s, i * s + k - 1))),
        _mistake("end without the stride", "the end of your slice leaves the stride out, so that "
                 "the window shrinks. It ends KH rows after i*sh.", STRIDE,
                 _sliced(rows=lambda i, k, s, other: (i * s, i + k))),
        _mistake("last kernel row and column left out", "the kernel's last row and last column are "
                 "left out. range(KH) ends before KH already.", SUMS,
                 _with_weight(_last_cells_left_out)),
        _mistake("rounded up", "OH and OW are rounded up, so that the last window sticks out of "
                 "the image. Half a window is no window: round down, with //.", STRIDE,
                 _sliced(lambda H, W, KH, KW, sh, sw, padding: (
                     -(-(H - KH) // sh) + 1, -(-(W - KW) // sw) + 1))),
        _mistake("+ 1 divided too", "in your OH and OW the + 1 is divided by the stride, too. It "
                 "stands outside the division.", STRIDE,
                 _sliced(lambda H, W, KH, KW, sh, sw, padding: (
                     (H - KH + 1) // sh, (W - KW + 1) // sw))),
        _mistake("weights ignored", "your windows are summed without the kernel. Multiply each "
                 "pixel by its weight first.", SUMS, _with_weight(np.ones_like)),
        _mistake("first slice for every channel", "every input channel meets the filter's first "
                 "slice. Channel c has its own: weight[f, c].", CHANNELS,
                 _with_weight(lambda w: np.repeat(w[:, :1], w.shape[1], axis=1))),
        _mistake("reshaped instead of transposed", "the numbers are right, but stand in wrong "
                 "places: reshape cuts them anew and moves no axis. Bring the axes into the order "
                 "(N, F, OH, OW) with transpose.", CHANNELS,
                 _then(lambda y: y.transpose(0, 2, 3, 1).reshape(y.shape)),
                 _then(lambda y: y.swapaxes(0, 1).reshape(y.shape))),
        _mistake("\"same\" whatever the padding", "you pad for \"same\", whatever padding says.",
                 PADDING, lambda x, weight, stride, padding: _conv(x, weight, stride, "same")),
        _mistake("x begins at the wrong place", "the padded size is right, but x does not begin in "
                 "row `top` and column `left` of it.", PADDING,
                 _padded_at(lambda t, b, l, r: (t, t)), _padded_at(lambda t, b, l, r: (l, l)),
                 _padded_at(lambda t, b, l, r: (l, t)), _padded_at(lambda t, b, l, r: (0, 0))),
        _mistake("thinned out", "every sh-th row of the image is kept and the others are lost. The "
                 "windows are whole; only their starts lie sh rows apart.", STRIDE, _thinned_out),
        _mistake("matrix product", "@ and np.dot are matrix products, row times column. Here each "
                 "number meets the one on which it lies: multiply with *, then add all up.", SUMS,
                 _sliced(combine=matrix_product)),
        _mistake("all filters", "every output is the sum over all filters. Channel f of y belongs "
                 "to weight[f] alone.", CHANNELS, _sliced(combine=all_filters)),
        _mistake("filter of the image", "image n gets filter n. Every image meets every filter: "
                 "weight[f], not weight[n].", CHANNELS, _sliced(combine=filter_of_the_image)),
        _mistake("images added up", "the images of the batch are added up. Each image has its own "
                 "result, y[n].", CONV_TASK, _with_images_added),
        _mistake("channels last", "your output is ordered (N, OH, OW, F). The channels come second "
                 "here: (N, F, OH, OW).", CHANNELS, _then(lambda y: y.transpose(0, 2, 3, 1))),
        _mistake("loops over the image", "your loops run over the rows and columns of x. They run "
                 "over those of y: OH and OW.", CONV_TASK, _looped_over_pixels),
        _mistake("total carried on", "your sum still holds the products of the windows before. "
                 "Start it anew for each number of y.", CONV_TASK, *map(_then, CARRIED_ON)),
        _mistake("returned too early", "only the beginning of y is written, the rest stays 0. Does "
                 "`return` stand inside a loop? It ends the function.", CONV_TASK,
                 *map(_then, RETURNED_EARLY)),
        _mistake("turned, stride ignored", "two things: your kernel is rotated by 180° (the layer "
                 "slides it as it is), and stride is ignored.", TURNED,
                 lambda x, w, stride, padding: _conv(x, w[:, :, ::-1, ::-1], (1, 1), padding)),
        _mistake("neither stride nor padding", "two things are not used yet: stride (the window of "
                 "output i begins at row i*sh) and padding.", STRIDE,
                 lambda x, weight, stride, padding: _conv(x, weight, (1, 1), 0)),
        _mistake("all pairs swapped", "two things: the strides are swapped (stride is (sh, sw)), "
                 "and so is the padding of rows and columns (the rows' pair comes first).", UNEVEN,
                 lambda x, weight, stride, padding: _conv(x, weight, stride[::-1], padding[::-1])),
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


def _with_sizes(sizes):
    """Return the variant that reads H, W = sizes(x.shape)."""

    def variant(x, padding):
        (top, bottom), (left, right) = padding
        H, W = sizes(*x.shape)
        return x[:, :, top : H - bottom, left : W - right].copy()

    return variant


def _only_if_all_cut(x, padding):
    (_, bottom), (_, right) = padding
    return crop(x, padding).copy() if bottom and right else x.copy()


def _zeroed(x, padding):
    y, (top, _), (left, _) = np.zeros_like(x), *padding
    inside = crop(x, padding)
    y[:, :, top : top + inside.shape[2], left : left + inside.shape[3]] = inside
    return y


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
        _mistake("before only", "rows and columns are cut off above and left only. H is the "
                 "height of x, zeros included: `bottom` rows of it go at the end.", PADDING,
                 _both(lambda b, a, n: (b, n))),
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
        _mistake("height and width swapped", "H and W are swapped: x is (N, C, H, W), rows first. "
                 "Rows end at H - bottom, columns at W - right.", UNEVEN,
                 _with_sizes(lambda N, C, H, W: (W, H)), _with_sizes(lambda N, C, H, W: (H, H)),
                 _with_sizes(lambda N, C, H, W: (W, W))),
        _mistake("sizes of other axes", "H and W are read from the wrong axes: x.shape is "
                 "(N, C, H, W), and len(x) is N. H and W are x.shape[2:].", CROP_TASK,
                 _with_sizes(lambda N, C, H, W: (N, C)), _with_sizes(lambda N, C, H, W: (N, N)),
                 _with_sizes(lambda N, C, H, W: (C, H)), _with_sizes(lambda N, C, H, W: (C, C))),
        _mistake("one instead of none", "where `bottom` or `right` is 0, one row or column is cut "
                 "off all the same. Nothing goes then: the slice ends at H.", CROP_TASK,
                 _both(lambda b, a, n: (b, n - max(a, 1)))),
        _mistake("only where all are cut", "where `bottom` or `right` is 0, x comes back as it is. "
                 "The other sides are cut off in any case.", CROP_TASK, _only_if_all_cut),
        _mistake("columns from the start", "where `right` is 0, `left` columns stay. They are cut "
                 "off in any case.", CROP_TASK,
                 _cut(_inside, lambda b, a, n: (b, n - a) if a else (0, n))),
        _mistake("rows from the start", "where `bottom` is 0, `top` rows stay. They are cut off in "
                 "any case.", CROP_TASK,
                 _cut(lambda b, a, n: (b, n - a) if a else (0, n), _inside)),
        _mistake("one too far in", "one row and one column too many are cut off at the start. "
                 "Counting begins at 0: the image begins in row `top`, without + 1.", CROP_TASK,
                 _both(lambda b, a, n: (b + 1, n - a))),
        _mistake("pairs torn apart", "the four numbers are read as top, left, bottom, right. They "
                 "are ((top, bottom), (left, right)).", UNEVEN,
                 _crop_sides(lambda t, b, l, r: ((t, l), (b, r)))),
        _mistake("one everywhere", "one row and one column go on each side, whatever padding says.",
                 CROP_TASK, lambda x, padding: x[:, :, 1:-1, 1:-1].copy()),
        _mistake("minus zero, sides swapped", "two things: above and below are swapped, and so are "
                 "left and right; and -0 is 0, so that the slice is empty where nothing goes.",
                 CROP_TASK, _both(lambda b, a, n: (a, -b))),
        _mistake("zeros instead of a cut", "what is to go is set to 0, but still there. The result "
                 "is smaller than x.", CROP_TASK, _zeroed),
        _mistake("padded", "zeros are put around x. They are to come off.", CROP_TASK,
                 lambda x, padding: pad(x, padding).copy()),
        _mistake("first axes", "the first two axes are cut, the batch and the channels. Rows and "
                 "columns are axes 2 and 3: x[:, :, ...].", CROP_TASK,
                 lambda x, padding: x[padding[0][0] : x.shape[2] - padding[0][1],
                                      padding[1][0] : x.shape[3] - padding[1][1]].copy(),
                 lambda x, padding: x[padding[0][0] : -padding[0][1],
                                      padding[1][0] : -padding[1][1]].copy()),
        _mistake("not cropped", "x comes back as it is. Cut `top` rows off above, `bottom` below, "
                 "`left` and `right` columns beside it.", PADDING, lambda x, padding: x.copy()),
    ),
    section=CROP_TASK, shape_rule="(N, C, H - top - bottom, W - left - right)",
)

TASKS = (OUTPUT_SIZE, PAD, SAME_PADDING, STRIDED_CONV2D, CROP)
