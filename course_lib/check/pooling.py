"""What the checks of pooling know: their cases, and the mistakes that they recognise.

A mistake is a deliberately wrong variant of the task's function with the sentence that a student
reads who makes it. Only `course_lib.check` imports this module; it uses the library's operations.
"""

import numpy as np

from course_lib.check.loops import Stops
from course_lib.check.slips import CARRIED_ON, RETURNED_EARLY, carried_on, each, looped
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
    _case((1, 2, 4, 5), 2, 2, scale=1e4, shift=-100),  # a search must not start at -1000 either
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
    _case((1, 2, 4, 5), (2, 3), (2, 2), scale=1e4, shift=-100),
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
    _case((2, 2, 3, 4), (1, 1), (1, 1), scale=0.37),
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


def _width_from_kernel_height(H, W, KH, KW, sh, sw):
    return _right_spans(H, KH, sh), _spans(_fits(W, KH, sw), KW, sw)


def _width_from_vertical_stride(H, W, KH, KW, sh, sw):
    return _right_spans(H, KH, sh), _spans(_fits(W, KW, sh), KW, sw)


def _height_from_kernel_width(H, W, KH, KW, sh, sw):
    return _spans(_fits(H, KW, sh), KH, sh), _right_spans(W, KW, sw)


def _height_from_horizontal_stride(H, W, KH, KW, sh, sw):
    return _spans(_fits(H, KH, sw), KH, sh), _right_spans(W, KW, sw)


def _steps_swapped(H, W, KH, KW, sh, sw):
    return _spans(_fits(H, KH, sh), KH, sw), _spans(_fits(W, KW, sw), KW, sh)


def _columns_step_like_rows(H, W, KH, KW, sh, sw):
    return _right_spans(H, KH, sh), _spans(_fits(W, KW, sw), KW, sh)


def _window_as_wide_as_high(H, W, KH, KW, sh, sw):
    return _right_spans(H, KH, sh), _spans(_fits(W, KW, sw), KH, sw)


def _window_turned(H, W, KH, KW, sh, sw):
    return _spans(_fits(H, KH, sh), KW, sh), _spans(_fits(W, KW, sw), KH, sw)


def _both_swapped(H, W, KH, KW, sh, sw):
    return _right_spans(H, KW, sw), _right_spans(W, KH, sh)


def _stride_wide_of_right_count(size, kernel_size, stride):
    return _spans(_fits(size, kernel_size, stride), stride, stride)


def _one_divided_too(size, kernel_size, stride):
    return _spans((size - kernel_size + 1) // stride, kernel_size, stride)


def _spread(keep, start):
    """Rows start(i, u, stride) of the image, u inside the window, and columns likewise."""

    def variant(x, kernel_size, stride):
        (KH, KW), (sh, sw) = as_pair(kernel_size, "kernel_size"), as_pair(stride, "stride")
        (N, C, H, W) = x.shape
        y = np.zeros((N, C, _fits(H, KH, sh), _fits(W, KW, sw)), x.dtype)
        for n, c, i, j in np.ndindex(y.shape):
            rows, columns = start(i, np.arange(KH), sh), start(j, np.arange(KW), sw)
            y[n, c, i, j] = keep(x[n, c][rows][:, columns])
        return y

    return variant


def _ends_at_the_size(size, kernel_size, stride):
    return [(i * stride, kernel_size) for i in range(_fits(size, kernel_size, stride))]


def _along_one_index(keeps, both_rows):
    """Return the variants whose window begins at row i and column i, or at row j and column j."""

    def one(keep, reader):
        def variant(x, kernel_size, stride):
            (KH, KW), (sh, sw) = as_pair(kernel_size, "kernel_size"), as_pair(stride, "stride")
            (H, W), (N, C) = x.shape[2:], x.shape[:2]
            y = np.zeros((N, C, _fits(H, KH, sh), _fits(W, KW, sw)), x.dtype)
            for n, c, i, j in np.ndindex(y.shape):
                top, left = ((i if both_rows else j) * step for step in (sh, sw))
                y[n, c, i, j] = keep(reader(x[n, c], (top, top + KH), (left, left + KW)))
            return y

        return variant

    return tuple(one(keep, reader) for keep in keeps for reader in (_cut, _picked))


def _blocks_cut_anew(keep):
    """x.reshape(N, C, OH, OW, KH, KW): reshape cuts rows into pieces, not images into windows."""

    def variant(x, kernel_size, stride):
        (N, C, H, W), (KH, KW) = x.shape, as_pair(kernel_size, "kernel_size")
        OH, OW = H // KH, W // KW
        blocks = x[:, :, : OH * KH, : OW * KW].reshape(N, C, OH, OW, KH, KW)
        y = np.zeros((N, C, OH, OW), x.dtype)
        for place in np.ndindex(y.shape):
            y[place] = keep(blocks[place])
        return y

    return variant


def _blocks_only(keep):
    """x.reshape(N, C, H // KH, KH, W // KW, KW): a ValueError where windows do not divide x."""

    def variant(x, kernel_size, stride):
        (N, C, H, W), (KH, KW) = x.shape, as_pair(kernel_size, "kernel_size")
        if H % KH or W % KW:
            raise ValueError("cannot reshape array")
        y = np.zeros((N, C, H // KH, W // KW), x.dtype)
        for n, c, i, j in np.ndindex(y.shape):
            y[n, c, i, j] = keep(x[n, c, i * KH : (i + 1) * KH, j * KW : (j + 1) * KW])
        return y

    return variant


def _channels_taken_last(keep):
    """N, H, W, C = x.shape, and then as usual: x[n, c, rows, columns]."""

    def variant(x, kernel_size, stride):
        N, H, W, C = x.shape
        (KH, KW), (sh, sw) = as_pair(kernel_size, "kernel_size"), as_pair(stride, "stride")
        y = np.zeros((N, C, _fits(H, KH, sh), _fits(W, KW, sw)), x.dtype)
        for n, c, i, j in np.ndindex(y.shape):
            y[n, c, i, j] = keep(x[n, c, i * sh : i * sh + KH, j * sw : j * sw + KW])
        return y

    return variant


def _with_zeros_behind(right):
    def variant(x, kernel_size, stride):
        return right(np.pad(x, ((0, 0), (0, 0), (0, 1), (0, 1))), kernel_size, stride)

    return variant


def _looped_over_pixels(keep):
    """for i in range(H), for j in range(W): past OH and OW, y has no place."""

    def variant(x, kernel_size, stride):
        (N, C, H, W), (KH, KW) = x.shape, as_pair(kernel_size, "kernel_size")
        sh, sw = as_pair(stride, "stride")
        y = np.zeros((N, C, _fits(H, KH, sh), _fits(W, KW, sw)), x.dtype)
        for n, c, i, j in np.ndindex(x.shape):
            y[n, c, i, j] = keep(x[n, c, i * sh : i * sh + KH, j * sw : j * sw + KW])
        return y

    return variant


def _as_large_as_x(right):
    def variant(x, kernel_size, stride):
        y, small = np.zeros_like(x), right(x, kernel_size, stride)
        y[:, :, : small.shape[2], : small.shape[3]] = small
        return y

    return variant


def _columns_looped_like_rows(right, rest=0):
    """for j in range(OH), in an array of the right size that was filled with `rest`."""

    def variant(x, kernel_size, stride):
        y = right(x, kernel_size, stride).copy()
        looped(y, y.shape[2], y.shape[2])[:, :, :, y.shape[2] :] = rest
        return y

    return variant


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


def _first_row_only(y):
    y[:, :, 1:] = 0
    return y


def _first_number_only(y):
    y[:, :, 1:] = y[:, :, :, 1:] = 0
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
        _mistake("row for both",
                 "i is used for the columns as well: the window begins at row i and column i. It "
                 "begins at row i * stride and column j * stride.",
                 UNEVEN, _along_one_index(keeps, both_rows=True)),
        _mistake("column for both",
                 "j is used for the rows as well: the window begins at row j and column j. It "
                 "begins at row i * stride and column j * stride.",
                 UNEVEN, _along_one_index(keeps, both_rows=False)),
        _mistake("reshaped into windows",
                 "reshape cuts x anew, in the order in which its numbers lie: pieces of rows, not "
                 "windows. Slice the windows out.", section, tuple(map(_blocks_cut_anew, keeps))),
        _mistake("windows that divide the image",
                 "your reshape needs windows that lie side by side and divide the image. Windows "
                 "move by `stride`, may overlap, and leave a rest.",
                 section, tuple(map(_blocks_only, keeps))),
        _mistake("channels taken last", "x is unpacked as N, H, W, C. It is (N, C, H, W): the "
                 "channels come second.", UNEVEN, tuple(map(_channels_taken_last, keeps))),
        _mistake("loops over the image", "your loops run over the rows and columns of x, past the "
                 "end of y. They run over those of y: OH and OW.", section,
                 tuple(map(_looped_over_pixels, keeps))),
        at("+ 1 divided too", "in your OH and OW the + 1 is divided by the stride, too. It counts "
           "the window at the start and stands outside the division.", STRIDE,
           _each(_one_divided_too)),
        _mistake("stride inside the window",
                 "stride is multiplied with the window's offset u, so that your window is spread "
                 "out. Only its start moves by the stride: row u of it is row i * stride + u.",
                 STRIDE, tuple(_spread(keep, start) for keep in keeps for start in (
                     lambda i, u, s: (i + u) * s, lambda i, u, s: i + u * s))),
        at("ends at the size",
           "your slice ends at KH, counted from the top of the image. The window that begins at "
           "row i * stride ends before row i * stride + KH.", section, _each(_ends_at_the_size)),
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
        at("size from the other side",
           "OH or OW takes a number that belongs to the other axis. OH comes from H, KH and sh, OW "
           "from W, KW and sw.", _width_from_kernel_height, _width_from_vertical_stride,
           _height_from_kernel_width, _height_from_horizontal_stride),
        at("steps of the other side",
           "the size is right, but the windows move by the other axis' stride. Rows move by sh, "
           "columns by sw.", _steps_swapped, _columns_step_like_rows),
        at("window of the other side",
           "the size is right, but your windows take a side of the other axis. A window has KH "
           "rows and KW columns.", _window_turned, _window_as_wide_as_high),
        at("both pairs swapped",
           "two things: the sides of the window are swapped, and so are the strides. Both pairs "
           "begin with the rows: (KH, KW), (sh, sw).", _both_swapped),
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
            "zeros behind", "a row and a column of zeros are put behind the image, so that one "
            "window more fits. What is left at the border is dropped.", STRIDE,
            (_with_zeros_behind(right),),
        ),
        _mistake(
            "columns looped like rows", "your loop over the columns runs to OH. It runs to OW.",
            UNEVEN, (_columns_looped_like_rows(right), _columns_looped_like_rows(right, -np.inf)),
        ),
        _mistake(
            "as large as x", "your array is as large as x. It has OH rows and OW columns.",
            section, (_as_large_as_x(right),),
        ),
        _mistake(
            "returned too early", "only the beginning is written, the rest stays 0. Does `return` "
            "stand inside a loop? It ends the function; move it to the left.",
            section, _made(right, *RETURNED_EARLY, _first_row_only, _first_number_only),
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
                 (_merged(_max, np.max, 1), _merged_away(_max, np.max),
                  _merged(_max, np.max, (0, 1)))),
        _mistake("images merged", "you take the largest number over all images of the batch. Each "
                 "image has its own result, y[n].", section, (_merged(_max, np.max, 0),)),
        _mistake("starts at a number", "where all numbers of a window are small, you return a "
                 "number that is not among them. Does your search start at a number that you "
                 "chose? Start at the window's first number, or at -np.inf.", ADDRESS,
                 _keeping(*(lambda w, start=start: max(start, w.max()) for start in STARTS))),
        _mistake("starts at infinity", "you return infinity: the search for the largest starts "
                 "above everything. It starts at *minus* infinity, -np.inf.", ADDRESS,
                 _keeping(lambda w: np.inf)),
        _mistake("starts at the largest", "your search starts at the largest number of x: nothing "
                 "is larger. Start at the window's first number.", ADDRESS,
                 (lambda x, *rest: np.full_like(_max(x, *rest), x.max()),)),
        _mistake("stride in the size only, starts at 0", "two things: your window moves by one "
                 "pixel each time (output i looks at the rows from i * stride on), and the search "
                 "starts at 0, which may be more than all numbers of the window.", STRIDE,
                 _reading(_each(_right_count_step_of_one), (_at_least_0,))),
        _mistake("second largest", "you keep the second largest number.", KEEPS,
                 _keeping(lambda w: np.sort(w, axis=None)[-2:][0])),
        _mistake("starts at the image's first pixel", "your search starts at the image's first "
                 "pixel, which most windows do not hold. Start at the first number of the window.",
                 ADDRESS, (lambda x, *rest: np.maximum(_max(x, *rest), x[:1, :1, :1, :1]),
                           lambda x, *rest: np.maximum(_max(x, *rest), x[:, :, :1, :1]))),
        _mistake("largest so far", "the largest number of the windows before is still remembered. "
                 "Start the search anew in each window.", section,
                 _made(_max, *each(lambda y: carried_on(y, np.maximum.accumulate), 4))),
        _mistake("first row and column skipped", "the window's first row and first column are not "
                 "searched. range begins at 0 by itself; range(1, ...) leaves row 0 out.", section,
                 _keeping(lambda w: w[1:, 1:].max(initial=w[0, 0]),
                          lambda w: w[1:, 1:].max(initial=-np.inf))),
        _mistake("2x2 whatever the size", "you compare four pixels, whatever kernel_size is. The "
                 "window has kernel_size rows and columns.", section, (_four_pixels,)),
        _mistake("rows of the stride", "your windows have as many rows as the stride. They have "
                 "kernel_size rows and kernel_size columns.", KEEPS,
                 _reading(_each(_stride_wide_of_right_count, _right_spans), keeps)),
        _mistake("columns of the stride", "your windows have as many columns as the stride. They "
                 "have kernel_size rows and kernel_size columns.", KEEPS,
                 _reading(_each(_right_spans, _stride_wide_of_right_count), keeps)),
        _mistake("stride as window, starts at 0", "two things: your windows are as large as the "
                 "stride (kernel_size says how large they are), and the search starts at 0, which "
                 "may be more than all numbers of the window.", KEEPS,
                 _reading(_each(_stride_wide_of_right_count), (_at_least_0,))),
        _mistake("half of it, starts at 0", "two things: your windows are as large as the stride "
                 "along one axis (kernel_size is their size along both), and the search starts at "
                 "0, which may be more than all numbers of the window.", KEEPS,
                 (*_reading(_each(_stride_wide_of_right_count, _right_spans), (_at_least_0,)),
                  *_reading(_each(_right_spans, _stride_wide_of_right_count), (_at_least_0,)))),
        _mistake("mean, stride ignored", "two things: you keep the mean (max pooling keeps the "
                 "largest), and your window moves by one pixel each time.", KEEPS,
                 _reading(_each(_right_count_step_of_one), (_mean,))),
        _mistake("returned too early, from −∞ on", "only the beginning is written, the rest is as "
                 "it was made. Does `return` stand inside a loop? It ends the function; move it to "
                 "the left.", section,
                 _made(_max, lambda y: _rest_infinite(y, _first_row_only),
                       lambda y: _rest_infinite(y, _first_number_only))),
        _mistake("kernel minus stride", "you look at kernel_size - stride rows and columns of each "
                 "window. It has kernel_size of each, whatever the stride is.", KEEPS,
                 (_without_the_stride,)),
        _whole_numbers(_max),
    )


def _rest_infinite(y, written):
    return np.where(written(np.ones(y.shape, bool)), y, -np.inf)


STARTS = (-1, 1, -2, -3, -4, -6, -7, -8, -9, -20, -128, -1024, -5, -10, -50, -99, -100, -255, -256,
          -500, -999, -1000, -9999, -10000, -1e5)


def _at_least_0(window):
    return max(0, window.max())


def _without_the_stride(x, kernel_size, stride):
    """for u in range(kernel_size - stride), beginning at minus infinity."""
    y = np.full_like(_max(x, kernel_size, stride), -np.inf)
    for i, j in np.ndindex(y.shape[2:]):
        for u, v in np.ndindex(2 * (max(kernel_size - stride, 0),)):
            y[:, :, i, j] = np.maximum(y[:, :, i, j], x[:, :, i * stride + u, j * stride + v])
    return y


def _four_pixels(x, kernel_size, stride):
    """The pixels [a, b], [a + 1, b], [a, b + 1], [a + 1, b + 1]."""
    y = np.zeros_like(_max(x, kernel_size, stride))
    for i, j in np.ndindex(y.shape[2:]):
        a, b = i * stride, j * stride
        y[:, :, i, j] = np.max([x[:, :, a + u, b + v] for u in (0, 1) for v in (0, 1)], axis=0)
    return y


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


def _halved_again_and_again(window):
    mean = 0
    for pixel in window.flat:
        mean = (mean + pixel) / 2
    return mean


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
        _mistake("brackets missing", "you divide by KH and multiply by KW: / and * come one after "
                 "the other. Brackets around KH * KW.", KEEPS,
                 (_divided(lambda KH, KW, *_: KH / KW),)),
        _mistake("divided by the square of one side", "you divide by the square of one side. "
                 "Windows need not be square: KH*KW.", KEEPS,
                 (_divided(lambda KH, KW, *_: KH**2), _divided(lambda KH, KW, *_: KW**2))),
        _mistake("divided by 4", "you divide by 4, whatever the window's size is. It has KH*KW "
                 "cells.", KEEPS, (_divided(lambda *_: 4),)),
        _mistake("total carried on", "your sum still holds the pixels of the windows before. Set "
                 "it to 0 for each window.", AVERAGE_TASK, _made(_average, *CARRIED_ON)),
        _mistake("last row only", "only the last row of each window counts. All rows and columns "
                 "do.", KEEPS, _keeping(lambda w: w[-1].mean(), lambda w: w[-1].sum() / w.size)),
        _mistake("means of means", "you take the mean of what you have and the next pixel, again "
                 "and again: the last pixel counts half. Add all up first, then divide once.",
                 KEEPS, _keeping(_halved_again_and_again)),
        _mistake("middle between largest and smallest", "you keep the middle between the largest "
                 "and the smallest. The mean is the sum divided by the number of cells.", KEEPS,
                 _keeping(lambda w: (w.max() + w.min()) / 2)),
        _mistake("sum, strides swapped", "two things: you add up each window without dividing by "
                 "KH*KW, and the two strides are swapped. stride is (sh, sw), rows first.", UNEVEN,
                 _reading(_strides_swapped, (np.sum,))[:1]),
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
                  _merged_away(_average, np.mean), _merged(_average, np.mean, (0, 1)))),
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


def _in_image_by_window(window, top, left, W):
    u, v = _row_and_column(window)
    return (top + u) * window.shape[1] + left + v


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


def _pairs_of_places(x, kernel_size, stride):
    choice = _addresses(x, kernel_size, stride)
    return np.stack([choice // kernel_size[1], choice % kernel_size[1]], axis=-1)


def _column_major_by_width(window, *_):
    u, v = _row_and_column(window)
    return v * window.shape[1] + u


def _last_by_columns(window, *_):
    """v*KW + u of the last of equal maxima."""
    u, v = divmod(_last_maximum(window), window.shape[1])
    return v * window.shape[1] + u


def _last_larger_than_first(window, *_):
    """The largest so far is not remembered: the last cell that is larger than the first."""
    larger = np.flatnonzero(window > window[0, 0])
    return larger[-1] if larger.size else 0


def _with_memory(x, kernel_size, stride):
    """best and its address are not set back for each window."""
    y, best, where = np.zeros(_addresses(x, kernel_size, stride).shape), -np.inf, 0
    (KH, KW), (sh, sw) = kernel_size, stride
    for n, c, i, j in np.ndindex(y.shape):
        for u, v in np.ndindex(KH, KW):
            if x[n, c, i * sh + u, j * sw + v] > best:
                best, where = x[n, c, i * sh + u, j * sw + v], u * KW + v
        y[n, c, i, j] = where
    return y


def _address_with_memory(x, kernel_size, stride):
    """The address alone is not set back: a first cell that is the largest leaves the last one."""
    y, where = np.zeros(_addresses(x, kernel_size, stride).shape), 0
    (KH, KW), (sh, sw) = kernel_size, stride
    for n, c, i, j in np.ndindex(y.shape):
        window = x[n, c, i * sh : i * sh + KH, j * sw : j * sw + KW]
        where = window.argmax() or where
        y[n, c, i, j] = where
    return y


def _of_whole(axes):
    """Return the variant with the address in each image's channel, or in all of x."""

    def variant(x, kernel_size, stride):
        y = np.zeros(_addresses(x, kernel_size, stride).shape)
        for n, c in np.ndindex(x.shape[:2]):
            y[n, c] = x.argmax() if axes == "all" else x[n, c].argmax()
        return y

    return variant


def _starting_at(start):
    """Address 0 where no number of the window is larger than `start`."""
    return lambda window, *_: window.argmax() if window.max() > start else 0


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
                 (_at(_in_image), _at(_in_image_row), _at(_in_image_by_window),
                  _at(_first_stays_0(_in_image)),
                  _at(_first_stays_0(_in_image_by_window)),
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
                 "where it sits in its window: 0 for the top left cell.", ADDRESS,
                 (_max, lambda *arguments: np.trunc(_max(*arguments)))),
        _mistake("row and column instead of an address", "you return two numbers for each window, "
                 "row and column. The address is one: u*KW + v.", ADDRESS, (_pairs_of_places,)),
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
        _mistake("starts at a number", "where all numbers of a window are small, your address "
                 "stays 0. Does your search start at a number that you chose? Start at the "
                 "window's first number, or at -np.inf.", ADDRESS,
                 tuple(_at(_starting_at(start)) for start in STARTS)),
        _mistake("counted by columns, by width", "your address is v*KW + u: u and v are swapped. "
                 "u counts the rows: u*KW + v.", ADDRESS, (_at(_column_major_by_width),)),
        _mistake("last, by columns", "two things: of several equal maxima you take the last one "
                 "(write > and not >=), and in your address u and v are swapped: u*KW + v.",
                 ADDRESS, (_at(_last_by_columns),)),
        _mistake("last, starts at 0", "two things: of several equal maxima you take the last one "
                 "(write > and not >=), and your search starts at 0, so that windows of negative "
                 "numbers keep the address 0.", ADDRESS,
                 (_at(lambda w, *_: _last_maximum(w) if w.max() >= 0 else 0),)),
        _mistake("largest not remembered", "you remember where a larger number is, but not how "
                 "large it is: the last one that is larger than the first wins.", ADDRESS,
                 (_at(_last_larger_than_first),)),
        _mistake("search goes on", "what the search remembers is not set back: it goes on from one "
                 "window to the next. Start anew in each window.", ADDRESS_TASK,
                 (_with_memory, _address_with_memory)),
        _mistake("of the whole image", "this is where the largest number of the whole image is. "
                 "Search each window by itself.", ADDRESS, (_of_whole("each"), _of_whole("all"))),
        _mistake("counted from behind", "your addresses count from the window's last cell. The top "
                 "left cell has the address 0.", ADDRESS,
                 (_at(lambda w, *_: w[::-1, ::-1].argmax()),
                  _at(lambda w, *_: w.size - 1 - w.argmax()))),
        _mistake("rows of the columns", "argmax(axis=0) gives a row for each column, and you keep "
                 "the largest of these. Without an axis, argmax counts the cells.", ADDRESS,
                 (_at(lambda w, *_: w.argmax(axis=0).max()),
                  _at(lambda w, *_: w.argmax(axis=1).max()))),
        _mistake("true or false", "you say whether there is a maximum (1), not where. Asked for is "
                 "its address.", ADDRESS, (_at(lambda w, *_: 1),)),
        _mistake("first column only", "only the first column of each window is searched. All "
                 "cells count: a loop over u *and* one over v.", ADDRESS,
                 (_at(lambda w, *_: w[:, 0].argmax() * w.shape[1]),
                  _at(lambda w, *_: w[:, 0].argmax()))),
        _mistake("first row only", "only the first row of each window is searched. All cells "
                 "count: a loop over u *and* one over v.", ADDRESS,
                 (_at(lambda w, *_: w[0].argmax()),)),
        _mistake("from 1, stride ignored", "two things: your addresses count from 1 (the top left "
                 "cell has 0), and your window moves by one pixel each time.", ADDRESS,
                 _reading(_each(_right_count_step_of_one), (lambda w: w.argmax() + 1,))),
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


def _ones_elsewhere(x, kernel_size):
    others = 1 - np.eye(x.shape[1])[:, :, None, None]
    return (_average_weight(x, kernel_size) + others).astype(x.dtype)


def _to_first_channel(channels):
    first = np.zeros((channels, channels))
    first[:, 0] = 1
    return first


def _without_last(channels):
    return np.diag(np.arange(channels) < channels - 1) * 1.0


def _first_cells(x, kernel_size):
    """weight[c, c, 0, 0] = 1 / (KH*KW)"""
    right = _average_weight(x, kernel_size)
    weight = np.zeros_like(right)
    weight[:, :, 0, 0] = right[:, :, 0, 0]
    return weight


def _weight_for(count_of):
    """Return the variant with count_of(N, C, H, W) channels."""

    def variant(x, kernel_size):
        images = np.zeros((1, count_of(*x.shape), 1, 1), x.dtype)
        return _average_weight(images, kernel_size)

    return variant


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
                 (_one_cell(0, 0), _one_cell(-1, -1), _first_cells)),
        _mistake("brackets missing", "you divide by KH and multiply by KW: / and * come one after "
                 "the other. Brackets around KH * KW.", KEEPS,
                 (_of_channels(np.eye, lambda KH, KW, x: KH / KW),)),
        _mistake("divided by the square of one side", "you divide by the square of one side. "
                 "Windows need not be square: KH*KW.", KEEPS,
                 (_of_channels(np.eye, lambda KH, KW, x: KH**2),
                  _of_channels(np.eye, lambda KH, KW, x: KW**2))),
        _mistake("divided by 4", "you divide by 4, whatever the window's size is. It has KH*KW "
                 "cells.", KEEPS, (_of_channels(np.eye, lambda *_: 4),)),
        _mistake("divided by the channels", "you divide by the number of channels. Each filter "
                 "looks at one channel, at KH*KW cells of it.", KEEPS,
                 (_of_channels(np.eye, lambda KH, KW, x: x.shape[1]),)),
        _mistake("all but its own", "filter c looks at every channel but c. Only its slice c is "
                 "not 0.", KEEPS, (_of_channels(lambda C: 1 - np.eye(C)),)),
        _mistake("other slices not 0", "the slices of the other channels are not 0, and the "
                 "convolution adds them up. Begin with np.zeros.", KEEPS, (_ones_elsewhere,)),
        _mistake("first channel for all", "every filter looks at channel 0. Filter c looks at "
                 "channel c: weight[c, c].", KEEPS, (_of_channels(_to_first_channel),)),
        _mistake("all channels into the first filter", "the first filter looks at every channel, "
                 "the others at none. Filter c looks at channel c: weight[c, c].", KEEPS,
                 (_of_channels(lambda C: _to_first_channel(C).T),)),
        _mistake("last filter missing", "the last filter is not written. range(C) ends before C "
                 "already.", WEIGHT_TASK, (_of_channels(_without_last),)),
        _mistake("for one channel", "these are the weights for one channel. weight has four axes, "
                 "(C, C, KH, KW), with C from x.", WEIGHT_TASK,
                 (_after(lambda w: w[:1, :1]), _after(lambda w: w[0, 0]))),
        _mistake("channels from another axis", "C is read from the wrong axis. x is (N, C, H, W): "
                 "x.shape[1].", WEIGHT_TASK,
                 tuple(map(_weight_for, (lambda N, C, H, W: N, lambda N, C, H, W: W,
                                         lambda N, C, H, W: H)))),
        _mistake("no window", "the window is missing: your array says which filter looks at which "
                 "channel, but weight is (C, C, KH, KW).", WEIGHT_TASK,
                 (lambda x, kernel_size: np.eye(x.shape[1]),)),
        _mistake("images pooled already", "you return the pooled images. Asked for are the weights "
                 "with which conv2d pools them.", WEIGHT_TASK,
                 tuple(lambda x, kernel_size, stride=stride: avg_pool2d(
                     x, kernel_size, stride)[0] for stride in (None, 1))),
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
