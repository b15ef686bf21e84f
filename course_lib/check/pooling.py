"""What the checks of pooling know: their cases, and the mistakes that they recognise.

A mistake is a deliberately wrong variant of the task's function with the sentence that a student
reads who makes it. Only `course_lib.check` imports this module; it uses the library's operations.
"""

import numpy as np

from course_lib.check.loops import Stops
from course_lib.check.tasks import Case, Mistake, Section, Task, small_numbers
from course_lib.pool import avg_pool2d, max_pool2d
from course_lib.shapes import as_pair

KEEPS = Section("03_pooling", "Max keeps the strongest, average keeps the mean")
ADDRESS = Section("03_pooling", "A maximum has an address")
STRIDE = Section("02_padding_and_stride", "Stride skips, and the floor drops")
UNEVEN = Section("02_padding_and_stride", 'Nothing has to be square, and "same" has a limit')
MAX_TASK = Section("ex03_pooling", "3.2 Write the function: `my_max_pool2d`")
AVERAGE_TASK = Section("ex03_pooling", "3.3 Write the function: `my_avg_pool2d`")
ADDRESS_TASK = Section("ex03_pooling", "3.4 Write the function: `my_argmax_of_windows`")
WEIGHT_TASK = Section("ex03_pooling", "3.5 Extend: `my_average_weight`")
REPAIR_TASK = Section("ex03_pooling", "3.6 Repair: `my_repaired_pool`")


# Cases


def _case(shape, kernel_size, stride, dtype=np.float64, scale=1.0, shift=0) -> Case:
    """Return a case of images of this shape, filled by `small_numbers`: ties and negatives."""
    numbers = small_numbers(int(np.prod(shape)), sum(shape) + 31 * shape[2] + shape[3])
    x = ((numbers.reshape(shape) + shift) * scale).astype(dtype)
    return Case((x, kernel_size, stride))


def _hand_example(kernel_size, stride) -> Case:
    """Return the example that the exercise computes by hand."""
    x = np.array([[[[2, 7, 1, 0], [4, 3, 5, 1], [6, 0, 8, 2], [1, 5, 3, 8]]]], np.float64)
    return Case((x, kernel_size, stride))


# From small to large: the first that fails is the one that a student sees.
SQUARE_CASES = (
    _hand_example(2, 2),
    _case((1, 1, 3, 3), 2, 1),
    _case((1, 1, 2, 4), 2, 2, shift=-6),  # negative numbers only
    _case((1, 1, 3, 4), 2, 1, scale=0.5),
    _case((1, 1, 5, 4), 2, 2),  # the floor drops a row
    _case((1, 1, 4, 5), 3, 1),
    _case((1, 1, 5, 7), 2, 3),  # rows between two windows are never seen
    _case((1, 2, 4, 4), 2, 2),
    _case((2, 1, 4, 4), 2, 2),
    _case((1, 1, 3, 3), 3, 1),  # the window is as large as the image
    _case((1, 1, 6, 6), 3, 2),
    Case((np.full((2, 2, 4, 6), -2.0), 2, 2)),
    _case((2, 2, 3, 4), 1, 1, scale=0.37),
    _case((2, 3, 6, 5), 3, 2, np.float32, 0.37),
    _case((3, 2, 5, 8), 3, 2, scale=0.37),
    _case((2, 3, 8, 7), 2, 3, np.float32, 0.37, -5),
)
UNEVEN_CASES = (
    _hand_example((2, 2), (2, 2)),
    _case((1, 1, 3, 3), (2, 2), (1, 1)),
    _case((1, 1, 3, 4), (2, 3), (1, 1), scale=0.5),
    _case((1, 1, 5, 4), (2, 2), (2, 2)),
    _case((1, 1, 4, 5), (3, 2), (1, 2)),
    _case((1, 1, 4, 4), (1, 3), (2, 1)),
    _case((1, 1, 5, 7), (2, 2), (3, 3)),
    _case((1, 2, 4, 4), (2, 2), (2, 2)),
    _case((2, 1, 4, 4), (2, 2), (2, 2)),
    _case((1, 1, 3, 4), (3, 4), (1, 1)),
    _case((1, 1, 6, 6), (3, 3), (2, 2)),
    Case((np.full((2, 2, 4, 6), -2.0), (2, 2), (2, 2))),
    _case((2, 2, 3, 4), (1, 1), (1, 1), scale=0.37),
    _case((2, 3, 6, 5), (3, 2), (2, 1), np.float32, 0.37),
    _case((3, 2, 5, 8), (2, 4), (1, 2), scale=0.37),
    _case((2, 3, 8, 7), (2, 3), (3, 2), np.float32, 0.37, -5),
)
# For the mean, no case in which a usual mistake cuts an empty window out: its mean is nan.
AVERAGE_CASES = (
    *UNEVEN_CASES[:2],
    _case((1, 1, 3, 4), (2, 3), (1, 1), scale=0.5),
    _case((1, 1, 5, 4), (2, 2), (2, 2)),
    _case((1, 1, 4, 5), (3, 2), (1, 2)),
    _case((1, 1, 5, 7), (2, 2), (3, 3)),
    *UNEVEN_CASES[7:9],
    _case((1, 1, 4, 4), (3, 2), (1, 2)),
    _case((1, 1, 3, 4), (3, 4), (1, 1)),
    _case((1, 1, 5, 5), (3, 3), (2, 2)),
    _case((1, 1, 5, 6), (2, 2), (2, 2)),
    Case((np.full((2, 2, 6, 5), -2.0), (2, 2), (2, 2))),
    _case((2, 3, 6, 4), (4, 3), (2, 1), np.float32, 0.37),
    _case((3, 2, 4, 6), (3, 4), (1, 2), scale=0.37),
    _case((2, 3, 8, 7), (2, 3), (3, 2), np.float32, 0.37, -5),
)


# Reading windows as students do


def _fits(size: int, kernel_size: int, stride: int) -> int:
    return (size - kernel_size) // stride + 1


def _spans(count: int, size: int, step: int) -> list[tuple[int, int]]:
    """Return (start, stop) of each window along one axis."""
    if count < 0:
        raise ValueError("negative dimensions are not allowed")  # as np.zeros says
    return [(i * step, i * step + size) for i in range(count)]


def _cut(image, rows, columns):
    """A slice ends at the border, without a word."""
    return image[rows[0] : rows[1], columns[0] : columns[1]]


def _picked(image, rows, columns):
    """An index beyond the end is an IndexError."""
    return image[np.arange(*rows)][:, np.arange(*columns)]


def _read(x, rows, columns, keep, reader=_cut):
    """y[n, c, i, j] = keep(the window in these rows and columns)."""
    y = np.zeros((*x.shape[:2], len(rows), len(columns)), x.dtype)
    for n, c, i, j in np.ndindex(y.shape):
        y[n, c, i, j] = keep(reader(x[n, c], rows[i], columns[j]))
    return y


def _mean(window):
    """The mean; of an empty window nan, without NumPy's warning."""
    return window.mean() if window.size else np.nan


def _reading(place, keeps):
    """Return the variants that read where place(H, W, KH, KW, sh, sw) -> (rows, columns) says."""

    def one(keep, reader):
        def variant(x, kernel_size, stride):
            sizes = (*x.shape[2:], *as_pair(kernel_size, "kernel_size"), *as_pair(stride, "stride"))
            return _read(x, *place(*sizes), keep, reader)

        return variant

    return tuple(one(keep, reader) for keep in keeps for reader in (_cut, _picked))


def _each(rows_of, columns_of=None):
    """Return the place in which rows follow rows_of(H, KH, sh), and columns the same rule."""

    def place(H, W, KH, KW, sh, sw):
        return rows_of(H, KH, sh), (columns_of or rows_of)(W, KW, sw)

    return place


def _right_spans(size, kernel_size, stride):
    return _spans(_fits(size, kernel_size, stride), kernel_size, stride)


def _step_of_one(size, kernel_size, stride):
    return _spans(_fits(size, kernel_size, 1), kernel_size, 1)


def _right_count_step_of_one(size, kernel_size, stride):
    return _spans(_fits(size, kernel_size, stride), kernel_size, 1)


def _next_to_each_other(size, kernel_size, stride):
    return _spans(_fits(size, kernel_size, stride), kernel_size, kernel_size)


def _as_many_as_fit(size, kernel_size, stride):
    return _spans(size // kernel_size, kernel_size, kernel_size)


def _stride_wide(size, kernel_size, stride):
    return _spans(_fits(size, kernel_size, stride), stride, stride)


def _stride_wide_everywhere(size, kernel_size, stride):
    return _spans(size // stride, stride, stride)


def _one_too_few(size, kernel_size, stride):
    return _spans(_fits(size, kernel_size, stride) - 1, kernel_size, stride)


def _size_over_stride(size, kernel_size, stride):
    return _spans(size // stride, kernel_size, stride)


def _rounded_up(size, kernel_size, stride):
    return _spans(-(-(size - kernel_size) // stride) + 1, kernel_size, stride)


def _one_larger(size, kernel_size, stride):
    return _spans(_fits(size, kernel_size, stride), kernel_size + 1, stride)


def _one_smaller(size, kernel_size, stride):
    return _spans(_fits(size, kernel_size, stride), kernel_size - 1, stride)


def _image_swapped(H, W, KH, KW, sh, sw):
    return _right_spans(W, KH, sh), _right_spans(H, KW, sw)


def _windows_swapped(H, W, KH, KW, sh, sw):
    return _right_spans(H, KW, sh), _right_spans(W, KH, sw)


def _strides_swapped(H, W, KH, KW, sh, sw):
    return _right_spans(H, KH, sw), _right_spans(W, KW, sh)


def _kernel_height_for_both(H, W, KH, KW, sh, sw):
    return _right_spans(H, KH, sh), _right_spans(W, KH, sw)


def _kernel_width_for_both(H, W, KH, KW, sh, sw):
    return _right_spans(H, KW, sh), _right_spans(W, KW, sw)


def _vertical_stride_for_both(H, W, KH, KW, sh, sw):
    return _right_spans(H, KH, sh), _right_spans(W, KW, sh)


def _horizontal_stride_for_both(H, W, KH, KW, sh, sw):
    return _right_spans(H, KH, sw), _right_spans(W, KW, sw)


def _columns_counted_like_rows(H, W, KH, KW, sh, sw):
    return _right_spans(H, KH, sh), _spans(_fits(H, KH, sh), KW, sw)


def _rows_counted_like_columns(H, W, KH, KW, sh, sw):
    return _spans(_fits(W, KW, sw), KH, sh), _right_spans(W, KW, sw)


def _window_at(keeps):
    """Return the variants whose output (i, j) takes the window in row j and column i."""

    def place(H, W, KH, KW, sh, sw):
        return _spans(_fits(W, KW, sw), KH, sh), _spans(_fits(H, KH, sh), KW, sw)

    def turned(variant):
        return lambda *arguments: variant(*arguments).swapaxes(2, 3)

    return tuple(map(turned, _reading(place, keeps)))


# What becomes of the right answer


def _written_transposed(y):
    """y[n, c, j, i] = ... into an array of shape (N, C, OH, OW)."""
    if y.shape[2] != y.shape[3]:
        raise IndexError("index is out of bounds")
    return y.swapaxes(2, 3)


def _last_left_zero(y):
    y[:, :, -1] = y[:, :, :, -1] = 0
    return y


def _first_image_only(y):
    y[1:] = 0
    return y


def _first_channel_only(y):
    y[:, 1:] = 0
    return y


def _square_only(right):
    def variant(x, kernel_size, stride):
        if x.shape[2] != x.shape[3]:
            raise Stops
        return right(x, kernel_size, stride)

    return variant


def _made(right, *changes):
    """Return variants: the right answer, then changed."""
    return tuple(lambda *arguments, change=change: change(right(*arguments).copy())
                 for change in changes)


def _mistake(name, sentence, section, variants) -> Mistake:
    return Mistake(name, sentence, variants[0], section, tuple(variants[1:]))


def _mistakes_of_place(keeps, section):
    """Return the mistakes that every pooling can have, for one that keeps keep(window)."""

    def at(name, sentence, where, *places):
        return _mistake(name, sentence, where,
                        [v for place in places for v in _reading(place, keeps)])

    return (
        at("stride as window",
           "your windows are as large as the stride. `stride` says how far a window moves, "
           "`kernel_size` how large it is: its last row is the first plus kernel_size - 1.",
           KEEPS, _each(_stride_wide), _each(_stride_wide_everywhere)),
        at("windows next to each other",
           "your windows lie next to each other: they move by their own size. They move by "
           "`stride`, and overlap where it is smaller than the window.",
           KEEPS, _each(_next_to_each_other), _each(_as_many_as_fit)),
        at("stride ignored",
           "stride is ignored: your window moves by one pixel each time. Output i looks at the "
           "rows from i * stride on.", STRIDE, _each(_step_of_one)),
        at("stride in the size only",
           "the output has the size that stride gives, but your window moves by one pixel each "
           "time. Output i looks at the rows from i * stride on, not from i on.",
           STRIDE, _each(_right_count_step_of_one)),
        at("stride on rows only",
           "stride is used for the rows and ignored for the columns. Both move by their stride.",
           STRIDE, _each(_right_spans, _step_of_one),
           _each(_right_spans, _right_count_step_of_one)),
        at("stride on columns only",
           "stride is used for the columns and ignored for the rows. Both move by their stride.",
           STRIDE, _each(_step_of_one, _right_spans),
           _each(_right_count_step_of_one, _right_spans)),
        at("one row and column too few",
           "the last row and the last column of the output are missing. The number of windows "
           "ends with + 1: of the first one, at 0.", section, _each(_one_too_few)),
        at("size without the window",
           "you count H // stride windows. A window must fit as a whole: its own size comes off "
           "first, (H - KH) // stride + 1.", STRIDE, _each(_size_over_stride)),
        at("half windows kept",
           "the number of windows is rounded up, so that the last one sticks out of the image. "
           "Half a window is no window: round down, with //.", STRIDE, _each(_rounded_up)),
        at("window one too large",
           "your windows are one row and one column too large. A slice ends before its second "
           "number: rows top : top + KH are KH rows already.", section, _each(_one_larger)),
        at("window one too small",
           "your windows are one row and one column too small. A slice ends before its second "
           "number: KH rows are top : top + KH, without - 1.", section, _each(_one_smaller)),
        at("height and width swapped",
           "height and width of the image are swapped. Rows come first: x is (N, C, H, W); OH "
           "comes from H, OW from W.", UNEVEN, _image_swapped),
        at("width from a height",
           "your OW is computed from a height. Rows and columns have the same formula, each with "
           "its own numbers.", UNEVEN, _columns_counted_like_rows),
        at("height from a width",
           "your OH is computed from a width. Rows and columns have the same formula, each with "
           "its own numbers.", UNEVEN, _rows_counted_like_columns),
    )


def _mistakes_of_pairs(keeps):
    """Return the mistakes of windows and strides that are pairs."""

    def at(name, sentence, *places):
        return _mistake(name, sentence, UNEVEN,
                        [v for place in places for v in _reading(place, keeps)])

    return (
        at("window sides swapped",
           "the sides of the window are swapped. kernel_size is (KH, KW): rows first.",
           _windows_swapped),
        at("strides swapped",
           "the two strides are swapped. stride is (sh, sw): the step down first, then the step "
           "to the right.", _strides_swapped),
        at("square windows", "your windows are square. Both numbers of kernel_size=(KH, KW) "
           "count: KH rows, KW columns.", _kernel_height_for_both, _kernel_width_for_both),
        at("one stride for both",
           "one of the two strides is used for both axes. stride is (sh, sw): rows move by sh, "
           "columns by sw.", _vertical_stride_for_both, _horizontal_stride_for_both),
    )


def _mistakes_of_result(right, keeps, section):
    """Return the mistakes that every pooling can have with what it has computed."""
    return (
        _mistake(
            "output transposed",
            "the output is transposed: its rows and columns are swapped. y[n, c, i, j] belongs "
            "to the window in row i and column j.", UNEVEN,
            (*_made(right, lambda y: y.swapaxes(2, 3), _written_transposed,
                    lambda y: y.reshape(*y.shape[:2], y.shape[3], y.shape[2])),
             *_window_at(keeps)),
        ),
        Mistake(
            "square images only",
            "it is right for square images and stops for all others. Is H used where W belongs, "
            "or are they swapped? x is (N, C, H, W): H rows, W columns.",
            _square_only(right), UNEVEN,
        ),
        _mistake(
            "first image everywhere",
            "every image of the batch gets the first image's result. Output n belongs to x[n].",
            section, _made(right, lambda y: np.repeat(y[:1], len(y), axis=0)),
        ),
        _mistake(
            "first image only",
            "only the first image of the batch is computed; the others stay zero. Loop over n, "
            "too.", section, _made(right, _first_image_only),
        ),
        _mistake(
            "first channel everywhere",
            "every channel gets the first channel's result. Pooling takes each channel by itself.",
            KEEPS, _made(right, lambda y: np.repeat(y[:, :1], y.shape[1], axis=1)),
        ),
        _mistake(
            "first channel only",
            "only the first channel is computed; the others are zero or missing. Pooling takes "
            "each channel by itself, and keeps their number.",
            KEEPS, _made(right, _first_channel_only, lambda y: y[:, :1]),
        ),
        _mistake(
            "channels last",
            "your output is ordered (N, OH, OW, C). The channels come second here: "
            "(N, C, OH, OW).", section, _made(right, lambda y: y.transpose(0, 2, 3, 1)),
        ),
        _mistake(
            "last row and column left zero",
            "the last row and the last column of the output are never computed. Do your loops "
            "end one step early?", section, _made(right, _last_left_zero),
        ),
        _mistake(
            "all zeros",
            "every output is 0: the array was made, but nothing was written into it.",
            section, _made(right, np.zeros_like),
        ),
    )


def _whole_numbers(right):
    sentence = ("the digits after the decimal point are lost. An array made with dtype=int, "
                "int(...), round(...) and // keep whole numbers only.")
    inputs = (lambda x, *rest: right(np.trunc(x), *rest),)
    return _mistake("whole numbers", sentence, KEEPS,
                    (*_made(right, np.trunc, np.rint, np.floor), *inputs))


def _merged(right, whole, axis):
    """Return the variant that pools over all images (axis 0) or all channels (axis 1) at once."""

    def variant(x, kernel_size, stride):
        y = right(x, kernel_size, stride)
        return np.broadcast_to(whole(y, axis=axis, keepdims=True), y.shape)

    return variant


def _merged_away(right, whole):
    return lambda *arguments: whole(right(*arguments), axis=1, keepdims=True)


# Max pooling


def _max(x, kernel_size, stride):
    y, _ = max_pool2d(x, kernel_size, stride)
    return y


def _keeping(*keeps):
    """Return variants with the right windows that keep another number of each."""
    return _reading(_each(_right_spans), keeps)[::2]


def _max_mistakes(section):
    keeps = (np.max,)
    return (
        *_mistakes_of_place(keeps, section),
        *_mistakes_of_result(_max, keeps, section),
        _mistake(
            "starts at 0",
            "where all numbers of a window are negative, you return 0, which is not among them. "
            "Does your search for the largest start at 0? Start at the window's first number.",
            ADDRESS, _keeping(lambda window: max(0, window.max())),
        ),
        _mistake("smallest", "you keep the smallest number of each window, not the largest.",
                 KEEPS, _keeping(np.min)),
        _mistake("mean", "you keep the mean of each window. That is average pooling; max pooling "
                 "keeps the largest number.", KEEPS, _keeping(_mean)),
        _mistake("sum", "you add up each window. Max pooling keeps its largest number.",
                 KEEPS, _keeping(np.sum)),
        _mistake("absolute values",
                 "you compare without the sign: −4 counts as more than 3. The largest number is "
                 "meant, and any positive number is larger than a negative one.", KEEPS,
                 _keeping(lambda w: np.abs(w).max(),
                          lambda w: w.flat[np.abs(w).argmax()])),
        _mistake("corner only", "you take the window's top left pixel without looking at the "
                 "others. That is what a stride does, not a maximum.",
                 KEEPS, _keeping(lambda w: w[0, 0])),
        _mistake("last one seen", "you keep the last pixel of each window. Replace what you have "
                 "only where the new number is larger.", KEEPS, _keeping(lambda w: w[-1, -1])),
        _mistake("first row only", "only the first row of each window is searched. The window has "
                 "rows and columns: all its numbers count.",
                 KEEPS, _keeping(lambda w: w[0].max())),
        _mistake("first column only", "only the first column of each window is searched. The "
                 "window has rows and columns: all its numbers count.",
                 KEEPS, _keeping(lambda w: w[:, 0].max())),
        _mistake("diagonal only", "only the diagonal of each window is searched: row u goes "
                 "together with every column v, not with column u alone.",
                 KEEPS, _keeping(lambda w: w.diagonal().max())),
        _mistake("address instead of value", "you return where the largest number sits. Its value "
                 "is asked for: .max(), not .argmax().", ADDRESS, _keeping(np.argmax)),
        _mistake("channels merged", "you take the largest number over all channels. Pooling takes "
                 "each channel by itself, and keeps their number.", KEEPS,
                 (_merged(_max, np.max, 1), _merged_away(_max, np.max))),
        _mistake("images merged", "you take the largest number over all images of the batch. Each "
                 "image has its own result, y[n].", section, (_merged(_max, np.max, 0),)),
        _whole_numbers(_max),
    )


MAX_SHAPE = ("(N, C, OH, OW) with OH = (H - kernel_size) // stride + 1, and OW likewise")
UNEVEN_SHAPE = "(N, C, OH, OW) with OH = (H - KH) // sh + 1 and OW = (W - KW) // sw + 1"
ARGUMENTS = ("x", "kernel_size", "stride")

MAX_POOL2D = Task(
    id="ex03_pooling/max_pool2d", function_name="my_max_pool2d", argument_names=ARGUMENTS,
    result_name="y", reference=_max, cases=SQUARE_CASES, mistakes=_max_mistakes(MAX_TASK),
    section=MAX_TASK, shape_rule=MAX_SHAPE,
)
REPAIRED_POOL = Task(
    id="ex03_pooling/repaired_pool", function_name="my_repaired_pool", argument_names=ARGUMENTS,
    result_name="y", reference=_max, cases=SQUARE_CASES, mistakes=_max_mistakes(REPAIR_TASK),
    section=REPAIR_TASK, shape_rule=MAX_SHAPE,
)


# Average pooling


def _average(x, kernel_size, stride):
    y, _ = avg_pool2d(x, kernel_size, stride)
    return y


def _divided(by):
    """Return the variant that divides the sum by by(KH, KW, sh, sw, x)."""

    def variant(x, kernel_size, stride):
        (KH, KW), (sh, sw) = as_pair(kernel_size, "kernel_size"), as_pair(stride, "stride")
        return _average(x, kernel_size, stride) * (KH * KW) / by(KH, KW, sh, sw, x)

    return variant


def _sum_over_fixed(place):
    """Return variants of `place` that divide by KH*KW even where a slice was cut short."""

    def variant(x, kernel_size, stride):
        KH, KW = kernel_size
        (summed, *_) = _reading(place, (np.sum,))
        return summed(x, kernel_size, stride) / x.dtype.type(KH * KW)

    return (variant,)


def _with_fixed_divisor(mistakes):
    """Add to the mistakes of place the variants that divide by KH*KW."""
    places = {
        "stride as window": (_each(_stride_wide), _each(_stride_wide_everywhere)),
        "windows next to each other": (_each(_next_to_each_other),),
        "size without the window": (_each(_size_over_stride),),
        "half windows kept": (_each(_rounded_up),),
        "window one too large": (_each(_one_larger),),
        "window one too small": (_each(_one_smaller),),
        "height and width swapped": (_image_swapped,),
        "width from a height": (_columns_counted_like_rows,),
        "height from a width": (_rows_counted_like_columns,),
    }
    return tuple(
        Mistake(m.id, m.sentence, m.variant, m.section,
                (*m.others, *(v for p in places.get(m.id, ()) for v in _sum_over_fixed(p))))
        for m in mistakes
    )


AVG_POOL2D = Task(
    id="ex03_pooling/avg_pool2d", function_name="my_avg_pool2d", argument_names=ARGUMENTS,
    result_name="y", reference=_average, cases=AVERAGE_CASES,
    mistakes=(
        *_with_fixed_divisor(_mistakes_of_place((_mean,), AVERAGE_TASK)),
        *_mistakes_of_pairs((_mean,)),
        *_mistakes_of_result(_average, (_mean,), AVERAGE_TASK),
        _mistake("sum", "you add up each window. The average divides the sum by the number of its "
                 "cells, KH*KW.", KEEPS, (_divided(lambda *_: 1),)),
        _mistake("divided by one side", "you divide by one side of the window. It has KH*KW cells.",
                 KEEPS, (_divided(lambda KH, KW, *_: KH), _divided(lambda KH, KW, *_: KW))),
        _mistake("divided by the sides added", "you divide by KH + KW. A window has KH*KW cells.",
                 KEEPS, (_divided(lambda KH, KW, *_: KH + KW),)),
        _mistake("divided by the stride", "you divide by the stride, sh*sw. The mean divides by "
                 "the number of cells in the window, KH*KW.",
                 KEEPS, (_divided(lambda KH, KW, sh, sw, x: sh * sw),)),
        _mistake("divided by the image", "you divide by the number of pixels of the image. The "
                 "mean divides by the number of cells in the window, KH*KW.",
                 KEEPS, (_divided(lambda KH, KW, sh, sw, x: x[0, 0].size),)),
        _mistake("divided by the channels too", "you divide by the number of channels as well. "
                 "Pooling takes each channel by itself: KH*KW is all.", KEEPS,
                 (_divided(lambda KH, KW, sh, sw, x: KH * KW * x.shape[1]),)),
        _mistake("divided by one less", "you divide by KH*KW - 1. That is for a variance; a mean "
                 "divides by the number of cells.", KEEPS,
                 (_divided(lambda KH, KW, *_: np.float64(KH * KW - 1)),)),
        _mistake("largest", "you keep the largest number of each window. That is max pooling; "
                 "here the mean is asked for.", KEEPS, _keeping(np.max)),
        _mistake("median", "you keep the number in the middle (the median). The average is the "
                 "sum divided by the number of cells.", KEEPS, _keeping(np.median)),
        _mistake("without the zeros", "you average only the cells that are not 0. A 0 inside the "
                 "image counts as a cell.", KEEPS,
                 _keeping(lambda w: w.sum() / max(1, np.count_nonzero(w)))),
        _mistake("last product only", "only the last pixel of each window is left. Add the pixels "
                 "up (+=) instead of replacing what was there (=).", KEEPS,
                 (*_keeping(lambda w: w[-1, -1] / w.size), *_keeping(lambda w: w[-1, -1]))),
        _mistake("first row only", "only the first row of each window is averaged. All rows and "
                 "columns count.", KEEPS,
                 _keeping(lambda w: w[0].mean(), lambda w: w[0].sum() / w.size)),
        _mistake("channels merged", "you average over the channels as well. Pooling takes each "
                 "channel by itself, and keeps their number.", KEEPS,
                 (_merged(_average, np.mean, 1), _merged(_average, np.sum, 1),
                  _merged_away(_average, np.mean))),
        _mistake("images merged", "you average over all images of the batch. Each image has its "
                 "own result, y[n].", AVERAGE_TASK,
                 (_merged(_average, np.mean, 0), _merged(_average, np.sum, 0))),
        _whole_numbers(_average),
    ),
    section=AVERAGE_TASK, shape_rule=UNEVEN_SHAPE,
)


# Where the maximum sits


def _addresses(x, kernel_size, stride):
    return max_pool2d(x, kernel_size, stride)[1].choice


def _at(address):
    """Return the variant with address(window, top, left, W) of each window."""

    def variant(x, kernel_size, stride):
        (H, W), (KH, KW), (sh, sw) = x.shape[2:], kernel_size, stride
        y = np.zeros((*x.shape[:2], _fits(H, KH, sh), _fits(W, KW, sw)))
        for n, c, i, j in np.ndindex(y.shape):
            top, left = i * sh, j * sw
            window = x[n, c, top : top + KH, left : left + KW]
            y[n, c, i, j] = address(window, top, left, W)
        return y

    return variant


def _row_and_column(window, first=np.argmax):
    return np.unravel_index(first(window), window.shape)


def _by_columns(window, *_):
    return window.T.argmax()


def _times_height(window, *_):
    u, v = _row_and_column(window)
    return u * window.shape[0] + v


def _column_major(window, *_):
    u, v = _row_and_column(window)
    return v * window.shape[0] + u


def _in_image(window, top, left, W):
    u, v = _row_and_column(window)
    return (top + u) * W + left + v


def _in_image_row(window, top, left, W):
    u, v = _row_and_column(window)
    return u * W + v


def _from_one(window, *_):
    return window.argmax() + 1


def _first_stays_0(address):
    """The address is written only where a larger number is found: never for the first cell."""
    return lambda window, *place: address(window, *place) if window.argmax() else 0


def _last_maximum(window, *_):
    return window.size - 1 - window[::-1, ::-1].argmax()


def _first_above_zero(window, *_):
    """best = 0: a window without a positive number keeps the address 0."""
    return window.argmax() if window.max() > 0 else 0


ARGMAX_OF_WINDOWS = Task(
    id="ex03_pooling/argmax_of_windows", function_name="my_argmax_of_windows",
    argument_names=ARGUMENTS, result_name="choice", reference=_addresses,
    cases=(*UNEVEN_CASES[:1], Case((np.array([[[[3.0, 3], [1, 3]]]]), (2, 2), (1, 1))),
           *UNEVEN_CASES[1:],
           Case((-np.array([[[[9.0, 8, 8], [7, 7, 9]]]]), (2, 2), (1, 1)))),
    mistakes=(
        _mistake("last maximum", "of several equal maxima you take the last one. The first, read "
                 "row by row, wins: replace it only where a number is larger, > and not >=.",
                 ADDRESS, (_at(_last_maximum),)),
        _mistake("first by columns", "of several equal maxima you take the first one column by "
                 "column. Read row by row: the inner loop runs along the columns.", ADDRESS,
                 (_at(lambda w, *_: np.ravel_multi_index(
                     _row_and_column(w.T)[::-1], w.shape)),)),
        _mistake("counted by columns", "your addresses count down the columns first. They count "
                 "row by row: u*KW + v.", ADDRESS, (_at(_column_major), _at(_by_columns))),
        _mistake("times the height", "your address is u*KH + v. A row has KW cells, so that row "
                 "u begins at u*KW.", ADDRESS, (_at(_times_height),)),
        _mistake("address in the image", "your address counts the pixels of the whole image. "
                 "Count inside the window: its top left cell has the address 0.", ADDRESS,
                 (_at(_in_image), _at(_in_image_row), _at(_first_stays_0(_in_image)),
                  _at(_first_stays_0(_in_image_row)))),
        _mistake("counted from 1", "your addresses count from 1. The window's top left cell has "
                 "the address 0.", ADDRESS, (_at(_from_one), _at(_first_stays_0(_from_one)))),
        _mistake("row only", "you return the row of the maximum in its window. The address counts "
                 "all cells: u*KW + v.", ADDRESS,
                 (_at(lambda w, *_: _row_and_column(w)[0]),)),
        _mistake("column only", "you return the column of the maximum in its window. The address "
                 "counts all cells: u*KW + v.", ADDRESS,
                 (_at(lambda w, *_: _row_and_column(w)[1]),)),
        _mistake("row and column added", "you add row and column of the maximum. Two cells would "
                 "share an address: it is u*KW + v.", ADDRESS,
                 (_at(lambda w, *_: sum(_row_and_column(w))),)),
        _mistake("value instead of address", "you return the largest number itself. Asked for is "
                 "where it sits in its window: 0 for the top left cell.", ADDRESS, (_max,)),
        _mistake("smallest", "you return the address of the smallest number, not of the largest.",
                 ADDRESS, (_at(lambda w, *_: w.argmin()),)),
        _mistake("absolute values", "you compare without the sign: −4 counts as more than 3. Any "
                 "positive number is larger than a negative one.", ADDRESS,
                 (_at(lambda w, *_: np.abs(w).argmax()),)),
        _mistake("starts at 0", "where no number of a window is positive, your address stays 0. "
                 "Does your search for the largest start at 0? Start at the window's first "
                 "number.", ADDRESS, (_at(_first_above_zero),)),
        _mistake("how many are equal", "you count how many cells are as large as the maximum. "
                 "Asked for is the address of the first one.", ADDRESS,
                 (_at(lambda w, *_: (w == w.max()).sum()),)),
        *_mistakes_of_place((np.argmax,), ADDRESS_TASK),
        *_mistakes_of_pairs((np.argmax,)),
        *_mistakes_of_result(_addresses, (np.argmax,), ADDRESS_TASK),
    ),
    section=ADDRESS_TASK, shape_rule=UNEVEN_SHAPE, keeps_dtype=False,
)


# Average pooling as a convolution


def _weight_case(shape, kernel_size, dtype=np.float64) -> Case:
    return Case(_case(shape, 1, 1, dtype).arguments[:1] + (kernel_size,))


def _average_weight(x, kernel_size):
    """Each channel by itself: filter c is 1/(KH*KW) in its slice c and 0 in all others."""
    return _of_channels(np.eye)(x, kernel_size)


def _of_channels(which, share=lambda KH, KW, x: KH * KW):
    """Return the variant with which(C)[f, c] / share in every cell of slice c of filter f."""

    def variant(x, kernel_size):
        KH, KW = kernel_size
        slices = which(x.shape[1])[:, :, None, None] * np.ones((KH, KW))
        return (slices / share(KH, KW, x)).astype(x.dtype)

    return variant


def _everywhere(channels):
    return np.ones((channels, channels))


def _first_of_all(channels):
    first = np.zeros((channels, channels))
    first[0, 0] = 1
    return first


def _one_cell(u, v):
    def variant(x, kernel_size):
        weight = np.zeros_like(_average_weight(x, kernel_size))
        weight[:, :, u, v] = np.eye(x.shape[1])
        return weight

    return variant


def _after(change):
    return lambda x, kernel_size: change(_average_weight(x, kernel_size))


def _filters_for_images(x, kernel_size):
    KH, KW = kernel_size
    return (np.eye(len(x), x.shape[1])[:, :, None, None] * np.ones((KH, KW)) / (KH * KW)).astype(
        x.dtype)


AVERAGE_WEIGHT = Task(
    id="ex03_pooling/average_weight", function_name="my_average_weight",
    argument_names=("x", "kernel_size"), result_name="weight", reference=_average_weight,
    cases=(
        _weight_case((1, 1, 4, 4), (2, 2)), _weight_case((1, 1, 3, 4), (1, 3)),
        _weight_case((1, 2, 2, 3), (2, 2)), _weight_case((3, 2, 3, 3), (3, 1)),
        _weight_case((2, 3, 3, 4), (2, 3), np.float32), _weight_case((1, 3, 2, 2), (1, 1)),
        _weight_case((2, 4, 5, 3), (4, 2)),
    ),
    mistakes=(
        _mistake("channels added up", "every filter looks at all channels, and the convolution "
                 "adds them up. Filter c looks at channel c alone: its other slices are 0.", KEEPS,
                 (_of_channels(_everywhere),)),
        _mistake("channels averaged", "every filter averages over all channels. Pooling takes "
                 "each channel by itself: filter c looks at channel c alone.", KEEPS,
                 (_of_channels(_everywhere, lambda KH, KW, x: KH * KW * x.shape[1]),)),
        _mistake("ones", "your weights are 1, which adds up each window. The mean needs "
                 "1/(KH*KW).", KEEPS, (_of_channels(np.eye, lambda *_: 1),)),
        _mistake("ones everywhere", "your weights are 1, and in every slice: that adds up windows "
                 "and channels. Filter c has 1/(KH*KW) in its slice c, and 0 in all others.",
                 KEEPS, (_of_channels(_everywhere, lambda *_: 1),)),
        _mistake("divided by one side", "you divide by one side of the window. It has KH*KW "
                 "cells.", KEEPS, (_of_channels(np.eye, lambda KH, KW, x: KH),
                                   _of_channels(np.eye, lambda KH, KW, x: KW))),
        _mistake("divided by the sides added", "you divide by KH + KW. A window has KH*KW cells.",
                 KEEPS, (_of_channels(np.eye, lambda KH, KW, x: KH + KW),)),
        _mistake("divided by the channels too", "you divide by the number of channels as well. "
                 "Each filter looks at one channel: KH*KW is all.", KEEPS,
                 (_of_channels(np.eye, lambda KH, KW, x: KH * KW * x.shape[1]),)),
        _mistake("divided by the image", "you divide by the number of pixels of the image. The "
                 "mean divides by the number of cells in the window, KH*KW.", KEEPS,
                 (_of_channels(np.eye, lambda KH, KW, x: x[0, 0].size),)),
        _mistake("one cell", "one cell of each slice has all the weight: that picks a pixel. All "
                 "KH*KW cells share it equally.", KEEPS,
                 (_one_cell(0, 0), _one_cell(-1, -1))),
        _mistake("first filter only", "only the first filter is written, the others are 0. Every "
                 "channel needs its filter.", KEEPS, (_of_channels(_first_of_all),)),
        _mistake("channels reversed", "filter f looks at channel C - 1 - f, so that the channels "
                 "come out in reverse order. Filter c looks at channel c.", KEEPS,
                 (_of_channels(lambda C: np.eye(C)[::-1]),)),
        _mistake("one slice a filter", "your filters have one slice. weight is (F, C, KH, KW): a "
                 "filter has a slice for each channel, also where it is 0.", KEEPS,
                 (_after(lambda w: w.sum(1, keepdims=True)),
                  _after(lambda w: w.sum(1)))),
        _mistake("one filter", "there is one filter. Each gives one channel of the output, so that "
                 "you need as many filters as channels.", KEEPS,
                 (_after(lambda w: w.sum(0, keepdims=True)), _after(lambda w: w[:1]))),
        _mistake("filters for images", "you made a filter for each image of the batch. Filters "
                 "belong to channels: x is (N, C, H, W), weight is (C, C, KH, KW).", KEEPS,
                 (_filters_for_images,)),
        _mistake("window sides swapped", "the sides of the window are swapped. kernel_size is "
                 "(KH, KW): rows first.", UNEVEN, (_after(lambda w: w.swapaxes(2, 3)),)),
        _mistake("all zeros", "every weight is 0: the array was made, but nothing was written "
                 "into it.", WEIGHT_TASK, (_after(np.zeros_like),)),
        _mistake("whole numbers", "the digits after the decimal point are lost, and 1/4 becomes 0. "
                 "An array made with dtype=int and // keep whole numbers only.", WEIGHT_TASK,
                 (_after(np.trunc),)),
    ),
    section=WEIGHT_TASK, shape_rule="(C, C, KH, KW): as many filters as channels",
)

TASKS = (MAX_POOL2D, AVG_POOL2D, ARGMAX_OF_WINDOWS, AVERAGE_WEIGHT, REPAIRED_POOL)
