"""What the checks of exercise 00 know: windows, pixels, labels, channels and the order of axes.

A mistake is a deliberately wrong variant of the task's function with the sentence that a student
reads who makes it. Only `course_lib.check` imports this module.
"""

import numpy as np

from course_lib.check.tasks import Case, Mistake, Section, Task, small_numbers

EXERCISE = "ex00_start_here"
AXES = Section("00_start_here", "An image is an array of numbers")
SLICES = Section("00_start_here", "Slicing is all we need")
WHOLE = Section("00_start_here", "In the wild: whole numbers that stay whole")


def _numbers(shape, start, dtype=np.float64, scale=1.0) -> np.ndarray:
    return (small_numbers(int(np.prod(shape)), start).reshape(shape) * scale).astype(dtype)


def _counted(shape, dtype=np.float64) -> np.ndarray:
    """Return different numbers, so that every place can be told from the others."""
    return np.arange(1, np.prod(shape) + 1, dtype=dtype).reshape(shape)


def _nothing(right) -> Mistake:
    return Mistake(
        "all zeros", "every number is 0: the array was made, but nothing was written into it.",
        lambda *given: 0 * right(*given), SLICES)


# A window around a centre


def _window(x, i, j, radius):
    return x[:, i - radius : i + radius + 1, j - radius : j + radius + 1]


def _cut(rows_of, columns_of=None):
    """Return the variant that cuts rows_of(i, radius) and columns_of(j, radius): (start, stop)."""

    def variant(x, i, j, radius):
        top, bottom = rows_of(i, radius)
        left, right = (columns_of or rows_of)(j, radius)
        return x[:, top:bottom, left:right]

    return variant


def _read(first):
    """Return the variant that reads pixel by pixel from row first(i, radius) on.

    As NumPy does: index −1 is the last row, and one past the end is an IndexError.
    """

    def variant(x, i, j, radius):
        offsets = np.arange(2 * radius + 1)
        return x[:, first(i, radius) + offsets[:, None], first(j, radius) + offsets]

    return variant


def _around(centre, radius):
    return centre - radius, centre + radius + 1


def _centred(row_of, column_of, rows_of=None):
    """Return the variant whose window lies around row_of(i, j), column_of(i, j)."""
    cut = _cut(rows_of or _around)
    return lambda x, i, j, radius: cut(x, row_of(i, j), column_of(i, j), radius)


def _row_alone(i, j):
    return i


def _column_alone(i, j):
    return j


def _of_radius(fixed):
    return lambda x, i, j, radius: _window(x, i, j, fixed)


def _kept_in_place(x, i, j, radius):
    y = np.zeros_like(x)
    _window(y, i, j, radius)[...] = _window(x, i, j, radius)
    return y


def _changed_window(change):
    return lambda x, i, j, radius: change(_window(x, i, j, radius).copy(), radius)


def _last_left_zero(window, radius):
    window[:, -1] = window[:, :, -1] = 0
    return window


def _first_written(window, radius):
    window[1:] = 0
    return window


def _wrapped_round(window, radius):
    """y[c, u, v] with u and v from -radius on: what belongs to row 0 lies in row -radius."""
    return np.roll(window, (-radius, -radius), axis=(1, 2))


def _end_left_out(centre, radius):
    return centre - radius, centre + radius


WINDOW_MISTAKES = (
    Mistake("end left out",
            "the last row and the last column are missing: a slice ends before its second number. "
            "To have row i + radius in it, it must go to i + radius + 1.",
            _cut(_end_left_out), SLICES),
    Mistake("end left out in the rows", "the last row is missing, the columns are right. A slice "
            "ends before its second number.", _cut(_end_left_out, _around), SLICES),
    Mistake("end left out in the columns", "the last column is missing, the rows are right. A "
            "slice ends before its second number.", _cut(_around, _end_left_out), SLICES),
    Mistake("begins at the centre", "your window begins at (i, j), as if that were its upper left "
            "corner. It is the centre: begin radius rows above and radius columns to the left.",
            _cut(lambda i, r: (i, i + 2 * r + 1)), SLICES,
            (_read(lambda i, r: i),
             _cut(lambda i, r: (i, i + r + 1)), _cut(lambda i, r: (i, i + r)),
             _cut(lambda i, r: (i, i + 2 * r)), _cut(lambda i, r: (i, i + 3)))),
    Mistake("ends at the centre", "your window ends at (i, j). It goes on, radius rows below and "
            "radius columns to the right.", _cut(lambda i, r: (i - r, i + 1)), SLICES,
            (_read(lambda i, r: i - 2 * r),
             _cut(lambda i, r: (i - r, i)), _cut(lambda i, r: (i - 2 * r, i + 1)))),
    Mistake("begins one late", "your window begins one row and one column too late.",
            _cut(lambda i, r: (i - r + 1, i + r + 1)), SLICES,
            (_read(lambda i, r: i - r + 1), _cut(lambda i, r: (i - r + 1, i + r + 2)))),
    Mistake("begins one early", "your window begins one row and one column too early.",
            _cut(lambda i, r: (i - r - 1, i + r + 1)), SLICES,
            (_read(lambda i, r: i - r - 1), _cut(lambda i, r: (i - r - 1, i + r)))),
    Mistake("two too few", "two rows and two columns are missing at the end. A slice ends before "
            "its second number: to have row i + radius in it, it must go to i + radius + 1.",
            _cut(lambda i, r: (i - r, i + r - 1)), SLICES),
    Mistake("size added to the centre", "the end of your slice is counted from the centre as if "
            "it were the start. From i on, radius rows follow, not 2*radius.",
            _cut(lambda i, r: (i - r, i + 2 * r)), SLICES),
    Mistake("size for the end", "your slice ends at the window's size. After the colon stands the "
            "row before which it ends, counted from the top of the image, not how many there are.",
            _cut(lambda i, r: (i - r, 2 * r + 1)), SLICES, (_cut(lambda i, r: (i - r, 2 * r)),)),
    Mistake("radius fixed", "your window has one size, whatever radius is. Begin radius rows above "
            "i, and end radius rows below it.", _of_radius(1), SLICES, (_of_radius(2),)),
    Mistake("row for both", "i is used for the columns as well. They lie around j.",
            _centred(_row_alone, _row_alone), AXES,
            (_centred(_row_alone, _row_alone, _end_left_out),)),
    Mistake("column for both", "j is used for the rows as well. They lie around i.",
            _centred(_column_alone, _column_alone), AXES,
            (_centred(_column_alone, _column_alone, _end_left_out),)),
    Mistake("swapped and end left out", "two things: rows and columns are swapped (i counts from "
            "the top, j from the left), and the last row and column are missing, for a slice ends "
            "before its second number.", _centred(_column_alone, _row_alone, _end_left_out), AXES),
    Mistake("one too many", "your window has one row and one column too many at its end.",
            _cut(lambda i, r: (i - r, i + r + 2)), SLICES),
    Mistake("rows and columns swapped", "rows and columns are swapped. The row comes first: i "
            "counts from the top, j from the left.",
            lambda x, i, j, radius: _window(x, j, i, radius), AXES),
    Mistake("transposed", "the window is transposed: its rows are the columns.",
            lambda x, i, j, radius: _window(x, i, j, radius).swapaxes(1, 2), AXES),
    Mistake("rows only", "the rows are cut, the columns are not.",
            lambda x, i, j, radius: x[:, i - radius : i + radius + 1], SLICES),
    Mistake("columns only", "the columns are cut, the rows are not.",
            lambda x, i, j, radius: x[:, :, j - radius : j + radius + 1], SLICES),
    Mistake("channels cut", "your first slice cuts the channels. x has three axes, channels, rows "
            "and columns: a colon stands for \"all channels\".",
            lambda x, i, j, radius: x[i - radius : i + radius + 1, j - radius : j + radius + 1],
            AXES, (lambda x, i, j, radius: x[i : i + 3, j : j + 3],
                   lambda x, i, j, radius: x[i : i + 2 * radius + 1, j : j + 2 * radius + 1],
                   lambda x, i, j, radius: x[i - radius : i + radius, j - radius : j + radius])),
    Mistake("first channel only", "only one channel is left. The window keeps all channels: "
            "shape (C, K, K).",
            lambda x, i, j, radius: _window(x, i, j, radius)[0], AXES,
            (lambda x, i, j, radius: _window(x, i, j, radius)[:1],
             lambda x, i, j, radius: _window(x, i, j, radius)[-1],
             _changed_window(_first_written))),
    Mistake("axis lost", "an axis of length 1 is lost (squeeze?). The window keeps three axes, "
            "(C, K, K), also with one channel.",
            lambda x, i, j, radius: _window(x, i, j, radius).squeeze(), AXES),
    Mistake("last row and column left zero", "the last row and the last column of the window are "
            "never written. range stops before its end: range(-radius, radius + 1).",
            _changed_window(_last_left_zero), SLICES),
    Mistake("written below 0", "you write to rows and columns below 0, which Python counts from "
            "the end. In the window, counting begins at 0: add radius to u and v there.",
            _changed_window(_wrapped_round), SLICES),
    Mistake("diagonal only", "two index arrays in the same brackets are paired: that picks the "
            "window's diagonal. Slices give all rows with all columns.",
            lambda x, i, j, radius: _window(x, i, j, radius).diagonal(axis1=1, axis2=2), SLICES),
    Mistake("image kept", "your array is as large as the image. The window alone is asked for: "
            "(C, K, K).", _kept_in_place, SLICES),
    Mistake("centre only", "this is the pixel in the centre alone.",
            lambda x, i, j, radius: x[:, i, j], SLICES,
            (lambda x, i, j, radius: x[:, i : i + 1, j : j + 1],)),
    Mistake("radius counted as the size", "radius is taken for the size of the window. It counts "
            "the rows on each side of the centre: the window has 2*radius + 1.",
            _cut(lambda i, r: (i - r // 2, i - r // 2 + r)), SLICES,
            (_cut(lambda i, r: (i - r // 2, i + r // 2 + 1)),)),
    _nothing(_window),
)

WINDOW = Task(
    id=f"{EXERCISE}/window", function_name="my_window", argument_names=("x", "i", "j", "radius"),
    result_name="window", reference=_window,
    cases=tuple(Case((_counted(shape, dtype), i, j, radius)) for shape, i, j, radius, dtype in (
        ((1, 4, 5), 1, 2, 1, np.float64), ((1, 5, 4), 3, 1, 1, np.float64),
        ((2, 4, 4), 2, 1, 1, np.float64), ((3, 3, 3), 2, 1, 0, np.float32),
        ((1, 7, 8), 4, 3, 2, np.float64), ((3, 9, 12), 5, 6, 3, np.float32))),
    mistakes=WINDOW_MISTAKES, section=SLICES,
    shape_rule="(C, K, K) with K = 2*radius + 1: radius pixels on each side of the centre",
)


# Pixels from 0 to 1


def _scaled(images):
    return (images / 255).astype(np.float32)


def _stretched(axes):
    """Return the variant that brings the darkest pixel to 0 and the brightest to 1."""

    def variant(images):
        low, high = (take(images, axis=axes, keepdims=True) for take in (np.min, np.max))
        return (images - low) / np.maximum(high - low.astype(float), 1)

    return variant


def _by_maximum(axes):
    return lambda images: images / images.max(axis=axes, keepdims=True)


def _upside_down(images):
    with np.errstate(divide="ignore"):
        return 255 / images


def _divided_in_place(images):
    images = images.copy()
    images /= 255
    return images


SCALE_MISTAKES = (
    Mistake("whole division", "almost everything became 0: //, and whole numbers as dtype (int, "
            "uint8), throw the digits away. Divide with / and keep floats.",
            lambda images: images // 255, WHOLE,
            (lambda images: np.floor(images / 255),)),
    Mistake("rounded", "the digits after the decimal point are rounded away. Keep them: floats.",
            lambda images: np.rint(images / 255), WHOLE,
            (lambda images: np.round(images / 255, 1), lambda images: np.round(images / 255, 2))),
    Mistake("divided by 256", "255 is the largest byte, and it must become 1: divide by 255.",
            lambda images: images / 256, AXES),
    Mistake("divided by the largest pixel", "you divide by the largest pixel there is. A pale "
            "image would become as bright as all others: divide by 255, whatever is in it.",
            _by_maximum(None), AXES,
            (_by_maximum((1, 2, 3)), _by_maximum((2, 3)), _by_maximum((0, 2, 3)))),
    Mistake("stretched", "the darkest pixel becomes 0 and the brightest 1: that changes each image "
            "by another factor. Divide by 255, no more.", _stretched(None), AXES,
            (_stretched((1, 2, 3)), _stretched((2, 3)))),
    Mistake("not scaled", "the pixels still go up to 255: a float is not smaller for being one. "
            "Divide by 255.", lambda images: images.astype(np.float32), AXES),
    Mistake("multiplied", "the pixels are multiplied by 255. Divide.",
            lambda images: images * 255.0, AXES, (lambda images: images * np.uint8(255),)),
    Mistake("inverted", "black and white are swapped: 255 must become 1.",
            lambda images: 1 - images / 255, AXES),
    Mistake("from −1 to 1", "your numbers run from −1 to 1. Asked for is 0 to 1.",
            lambda images: images / 127.5 - 1, AXES, (lambda images: images / 128 - 1,
                                                     lambda images: images / 255 * 2 - 1)),
    Mistake("shifted", "0.5 is subtracted. Asked for is 0 to 1, so that 0 stays 0.",
            lambda images: images / 255 - 0.5, AXES),
    Mistake("black and white", "only 0 and 1 are left. The greys between them stay, as fractions.",
            lambda images: (images > 0) * 1.0, AXES, (lambda images: (images > 100) * 1.0,)),
    Mistake("another divisor", "you divide by another number than 255. A slip of the finger?",
            lambda images: images / 225, AXES,
            tuple(lambda images, by=by: images / by for by in (254, 250, 265, 25.5, 128, 127))),
    Mistake("divided by the sum", "you divide by the sum of the pixels. Divide by 255, whatever "
            "is in the image.", lambda images: images / images.sum(), AXES,
            (lambda images: images / images.sum((1, 2, 3), keepdims=True),)),
    Mistake("upside down", "the fraction is upside down: you divide 255 by the pixels.",
            _upside_down, AXES),
    Mistake("a mean subtracted", "a mean is subtracted and a deviation divided by, as in code for "
            "PyTorch. Asked for is 0 to 1: divide by 255, no more.",
            lambda images: (images / 255 - 0.1307) / 0.3081, AXES,
            (lambda images: images / 255 - images.mean() / 255,
             lambda images: (images - images.mean()) / images.std())),
    Mistake("half precision", "your floats have 16 bits and three digits only: float16. Our "
            "library takes float32.", lambda images: images.astype(np.float16) / 255, AXES),
    Mistake("divided in place", "/= writes the result back into the bytes, which hold no "
            "fractions. Make a new array, of floats, and leave images as they are.",
            _divided_in_place, WHOLE),
    Mistake("flattened", "each image is laid out in one row. y keeps the shape of images.",
            lambda images: (images / 255).reshape(len(images), -1), AXES,
            (lambda images: (images / 255).reshape(-1),)),
    Mistake("squared", "the fractions are squared, which makes dark pixels darker. Divide by 255, "
            "no more.", lambda images: (images / 255) ** 2, AXES,
            (lambda images: (images / 255) ** 0.5,)),
    Mistake("first image only", "only the first image is there. y has the shape of images.",
            lambda images: images[0] / 255, AXES, (lambda images: images[:1] / 255,)),
    Mistake("divided twice", "it is divided by 255 twice.", lambda images: images / 255 / 255,
            AXES),
    Mistake("percent", "you divide by 100. A byte goes up to 255.", lambda images: images / 100,
            AXES),
    _nothing(_scaled),
)


def _bytes(shape, start) -> np.ndarray:
    return (small_numbers(int(np.prod(shape)), start).reshape(shape) * 31 + 128).astype(np.uint8)


SCALE = Task(
    id=f"{EXERCISE}/scale", function_name="my_scale", argument_names=("images",),
    result_name="y", reference=_scaled,
    cases=(Case((np.array([[[[0, 51], [102, 255]]]], np.uint8),)),
           Case((np.array([[[[10, 51], [102, 204]]]], np.uint8),)),
           *(Case((_bytes(shape, n),)) for n, shape in
             enumerate(((1, 2, 2, 3), (2, 1, 3, 2), (3, 3, 4, 5))))),
    mistakes=SCALE_MISTAKES, section=AXES, keeps_dtype=False, shape_rule="the shape of images",
)


# Mean 0 and deviation 1 for each channel


def _standardised(x):
    return _standardise((0, 2, 3))(x)


def _standardise(axes, spread=np.std):
    """Return the variant with the mean and the spread over other axes, or another spread."""

    def variant(x):
        with np.errstate(all="ignore"):
            centred = x - x.mean(axis=axes, keepdims=True)
            return centred / spread(x, axis=axes, keepdims=True)

    return variant


def _mean(x):
    return x.mean(axis=(0, 2, 3), keepdims=True)


def _deviation(x):
    return x.std(axis=(0, 2, 3), keepdims=True)


def _sample_deviation(x, axis, keepdims):
    return x.std(axis=axis, keepdims=keepdims, ddof=1)


def _range(x, axis, keepdims):
    return x.max(axis=axis, keepdims=keepdims) - x.min(axis=axis, keepdims=keepdims)


def _without_keepdims(x):
    """Stops, or where W = C takes each channel's numbers for a column's."""
    return (x - x.mean(axis=(0, 2, 3))) / x.std(axis=(0, 2, 3))


def _by(spread):
    """Return the variant that divides what is left after the mean by spread(x)."""
    return lambda x: (x - _mean(x)) / spread(x)


def _from_0_to_1(axes):
    def variant(x):
        low = x.min(axis=axes, keepdims=True)
        return (x - low) / _range(x, axes, True)

    return variant


def _standardised_parts(x):
    parts = x.reshape(x.shape[1], -1)
    centred = parts - parts.mean(axis=1, keepdims=True)
    return (centred / parts.std(axis=1, keepdims=True)).reshape(x.shape)


def _image_for_channel(x):
    """x[c] for x[:, c] in the statistics; an IndexError with more channels than images."""
    y = np.zeros_like(x)
    for c in range(x.shape[1]):
        y[:, c] = (x[:, c] - x[c].mean()) / x[c].std()
    return y


def _of_last_channel(x):
    return (x - x[:, -1].mean()) / x[:, -1].std()


def _only_channel(which):
    def variant(x):
        y = np.zeros_like(x)
        y[:, which] = _standardised(x)[:, which]
        return y

    return variant


STANDARDISE_MISTAKES = (
    Mistake("one mean for all channels", "mean and deviation are taken over all channels together. "
            "Each channel has its own: average over the axes 0, 2 and 3.",
            _standardise(None), AXES, (_standardise((0, 1, 2, 3)),)),
    Mistake("each image alone", "each image has its own mean and deviation. Take them over the "
            "whole batch: axis 0 belongs to it.", _standardise((2, 3)), AXES,
            (_standardise((1, 2, 3)), _standardise((2, 3), _sample_deviation),
             _standardise((1, 2, 3), _sample_deviation),
             _by(lambda x: x.std(axis=(2, 3), keepdims=True)),
             lambda x: (x - x.mean(axis=(2, 3), keepdims=True)) / _deviation(x))),
    Mistake("reshaped", "reshape(C, -1) cuts the numbers into C parts in the order in which they "
            "lie, so images and channels get mixed. Average over axes instead.",
            _standardised_parts, AXES),
    Mistake("sign", "x is subtracted from the mean. Subtract the mean from x.",
            lambda x: -_standardised(x), AXES),
    Mistake("root of the deviation", "you divide by the root of the deviation. np.std has taken "
            "the root already (of the variance).", _by(lambda x: _deviation(x) ** 0.5), AXES),
    Mistake("each pixel alone", "each pixel has its own mean and deviation, over the images only. "
            "Take them over rows and columns too: axes 0, 2 and 3.", _standardise(0), AXES),
    Mistake("channels taken last", "the last axis is taken for the channels. They are axis 1 "
            "(NCHW); the last axis is the columns.", _standardise((0, 1, 2)), AXES),
    Mistake("over the channels", "mean and deviation run over the channels of each pixel. They run "
            "over everything else.", _standardise(1), AXES, (_standardise((1,)),)),
    Mistake("variance", "you divide by the variance. Divide by its square root, the deviation.",
            _standardise((0, 2, 3), np.var), AXES),
    Mistake("divided by n − 1", "the deviation is the one with n − 1 (ddof=1). Asked for "
            "is the plain one, which divides by the number of pixels.",
            _standardise((0, 2, 3), _sample_deviation), AXES),
    Mistake("divided by the range", "you divide by largest minus smallest. Divide by the "
            "deviation, np.std.", _standardise((0, 2, 3), _range), AXES),
    Mistake("mean not subtracted", "the mean is not subtracted: each channel must have the mean 0 "
            "afterwards.", lambda x: x / _deviation(x), AXES),
    Mistake("not divided", "the mean is subtracted, but nothing is divided: the deviation must "
            "be 1 afterwards.", lambda x: x - _mean(x), AXES),
    Mistake("mean added", "the mean is added. Subtract it.",
            lambda x: (x + _mean(x)) / _deviation(x), AXES),
    Mistake("multiplied", "you multiply by the deviation. Divide by it.",
            lambda x: (x - _mean(x)) * _deviation(x), AXES),
    Mistake("brackets missing", "only the mean is divided by the deviation: x - mean / deviation. "
            "Brackets around the difference.", lambda x: x - _mean(x) / _deviation(x), AXES),
    Mistake("divided first", "x is divided first and the old mean subtracted then. Subtract the "
            "mean first.", lambda x: x / _deviation(x) - _mean(x), AXES),
    Mistake("axis lost", "your means have the shape (C,), and NumPy lines that up with the last "
            "axis, the columns. Give them the shape (C, 1, 1), or use keepdims=True.",
            _without_keepdims, AXES,
            (lambda x: (x - _mean(x)) / x.std(axis=(0, 2, 3)),
             lambda x: (x - x.mean(axis=(0, 2, 3))) / _deviation(x),
             lambda x: x - x.mean(axis=(0, 2, 3)) / x.std(axis=(0, 2, 3)))),
    Mistake("one deviation for all channels", "each channel has its own mean, but all are divided "
            "by one deviation, that of everything. Take it over the axes 0, 2 and 3, too.",
            _by(np.std), AXES),
    Mistake("one mean for all, own deviations", "one mean, that of everything, is subtracted from "
            "all channels. Each has its own: average over the axes 0, 2 and 3.",
            lambda x: (x - x.mean()) / _deviation(x), AXES),
    Mistake("stretched", "smallest and largest are brought to 0 and 1. Asked for are the mean 0 "
            "and the deviation 1.", _from_0_to_1((0, 2, 3)), AXES, (_from_0_to_1(None),)),
    Mistake("squares added up", "you divide by the root of the *sum* of the squares. The deviation "
            "is the root of their mean.", _by(lambda x: _deviation(x) * (x[:, 0].size ** 0.5)),
            AXES),
    Mistake("mean distance", "you divide by the mean distance from the mean. The deviation is the "
            "root of the mean of the squares, np.std.",
            _by(lambda x: np.abs(x - _mean(x)).mean(axis=(0, 2, 3), keepdims=True)), AXES),
    Mistake("something added", "something is added to the deviation that changes the result. "
            "Against a division by 0, 1e-8 would do.", _by(lambda x: _deviation(x) + 1), AXES,
            tuple(_by(lambda x, eps=eps: _deviation(x) + eps) for eps in (0.1, 0.01, 0.5, 1e-3))),
    Mistake("no mean, variance", "two things: the mean is not subtracted, and you divide by the "
            "variance. Divide by its square root, the deviation.",
            lambda x: x / _deviation(x) ** 2, AXES),
    Mistake("image for channel", "x[c] is image c. Channel c of all images is x[:, c].",
            _image_for_channel, AXES),
    Mistake("last channel for all", "every channel gets the mean and the deviation of the last "
            "one. Does the line that uses them stand outside the loop?", _of_last_channel, AXES),
    Mistake("one channel only", "only one channel is written, the others stay 0. What belongs "
            "into the loop, and is return outside?", _only_channel(-1), AXES, (_only_channel(0),)),
    Mistake("median", "the median is subtracted. Asked for is the mean.",
            lambda x: (x - np.median(x, axis=(0, 2, 3), keepdims=True)) / _deviation(x), AXES),
    _nothing(_standardised),
)


def _uneven(shape, dtype) -> np.ndarray:
    """Return different numbers, so that no deviation over any axis is 0."""
    numbers = _numbers(shape, sum(shape), np.float64, 0.5)
    return (numbers + 0.13 * np.arange(numbers.size).reshape(shape)).astype(dtype)


STANDARDISE = Task(
    id=f"{EXERCISE}/standardise", function_name="my_standardise", argument_names=("x",),
    result_name="y", reference=_standardised,
    cases=tuple(Case((_uneven(shape, dtype),)) for shape, dtype in (
        ((2, 2, 1, 2), np.float64), ((2, 2, 3, 2), np.float64), ((2, 3, 2, 3), np.float32),
        ((4, 3, 4, 5), np.float32), ((1, 1, 2, 3), np.float64))),
    mistakes=STANDARDISE_MISTAKES, section=AXES, shape_rule="the shape of x",
)


# One-hot rows


def _one_hot(labels, classes):
    return np.eye(classes)[labels]


def _marked(columns_of):
    """Return the variant that writes 1 into row n, column columns_of(labels, classes)[n]."""

    def variant(labels, classes):
        y = np.zeros((len(labels), classes))
        y[np.arange(len(labels)), columns_of(labels, classes)] = 1
        return y

    return variant


def _every_row(labels, classes):
    y = np.zeros((len(labels), classes))
    y[:, labels] = 1
    return y


def _rows_filled(labels, classes):
    y = np.zeros((len(labels), classes))
    y[labels] = 1
    return y


def _column_for_row(labels, classes):
    y = np.zeros((len(labels), classes))
    y[labels, np.arange(len(labels))] = 1
    return y


def _rows_for_classes(labels, classes):
    """zeros of shape (classes, N), written as if it were (N, classes)."""
    y = np.zeros((classes, len(labels)))
    y[np.arange(len(labels)), labels] = 1
    return y


def _label_for_row(labels, classes):
    y = np.zeros((len(labels), classes))
    y[labels, labels] = 1
    return y


def _all_in_one(labels, classes):
    y = np.zeros(classes)
    y[labels] = 1
    return y


def _loop_over_classes(labels, classes):
    y = np.zeros((len(labels), classes))
    for n in range(classes):
        y[n, labels[n]] = 1
    return y


def _added_in_every_row(labels, classes):
    return np.tile(_one_hot(labels, classes).sum(0), (len(labels), 1))


ONE_HOT_MISTAKES = (
    Mistake("classes as rows", "your array has a row for each class. It has a row for each label: "
            "shape (N, classes).", lambda labels, classes: _one_hot(labels, classes).T, SLICES,
            (_rows_for_classes,)),
    Mistake("row and column swapped", "row and column are swapped: in row n, the 1 stands in "
            "column labels[n].", _column_for_row, SLICES),
    Mistake("label for the row", "the label is used for the row as well. Row n belongs to the "
            "n-th label: count the rows, `for n, label in enumerate(labels)`.",
            _label_for_row, SLICES),
    Mistake("whole rows", "y[labels] means whole rows, and fills them with ones. In row n only "
            "one place gets the 1: name row and column.", _rows_filled, SLICES),
    Mistake("all in one row", "there is one row for all labels. Each label has its own: shape "
            "(N, classes).", _all_in_one, SLICES),
    Mistake("labels again", "these are the labels as they came. Asked for is a row for each.",
            lambda labels, classes: labels.copy(), SLICES),
    Mistake("loop over the classes", "your loop runs over the classes. It runs over the labels: "
            "there is a row for each.", _loop_over_classes, SLICES),
    Mistake("ten classes", "the number of columns is fixed at 10. There are `classes` of them.",
            lambda labels, classes: np.eye(10)[labels], SLICES),
    Mistake("a class too many", "there is one column too many. Classes count from 0: the last one "
            "is classes - 1, and `classes` columns are enough.",
            lambda labels, classes: np.eye(classes + 1)[labels], SLICES),
    Mistake("a class too few", "there is one column too few: there are `classes` of them, from 0 "
            "to classes - 1.", lambda labels, classes: np.eye(classes - 1)[labels], SLICES),
    Mistake("all labels in every row", "every row has a 1 for all the labels: y[:, labels] means "
            "all rows. Pair each row with its own label, y[np.arange(N), labels].",
            _every_row, SLICES, (_added_in_every_row,)),
    Mistake("counted from 1", "the 1 stands one place too far left. Classes count from 0: label 3 "
            "is the fourth column.", _marked(lambda labels, classes: labels - 1), SLICES),
    Mistake("one too far", "the 1 stands one place too far right. Classes count from 0: label 0 is "
            "the first column.", _marked(lambda labels, classes: (labels + 1) % classes), SLICES,
            (_marked(lambda labels, classes: labels + 1),)),
    Mistake("label itself written", "the label itself is written into its column. Write a 1.",
            lambda labels, classes: _one_hot(labels, classes) * labels[:, None], SLICES),
    Mistake("inverted", "0 and 1 are swapped: each row has exactly one 1.",
            lambda labels, classes: 1 - _one_hot(labels, classes), SLICES),
    Mistake("filled up", "all columns up to the label hold a 1. Only the label's own does.",
            lambda labels, classes: (np.arange(classes) <= labels[:, None]) * 1.0, SLICES,
            (lambda labels, classes: (np.arange(classes) < labels[:, None]) * 1.0,)),
    Mistake("unit matrix", "your rows are those of the unit matrix in their own order. Row n is "
            "the one with the number labels[n].",
            lambda labels, classes: np.eye(len(labels), classes), SLICES),
    Mistake("too few classes", "the number of columns is taken from the labels. Classes that do "
            "not occur have a column too: there are `classes` of them.",
            lambda labels, classes: np.eye(labels.max() + 1)[labels], SLICES,
            (lambda labels, classes: np.eye(len(set(labels.tolist())))[
                np.unique(labels, return_inverse=True)[1]],
             lambda labels, classes: np.eye(len(labels))[labels],
             lambda labels, classes: np.eye(classes, len(labels))[labels])),
    Mistake("from the right", "the columns are counted from the right. Label 0 is the first.",
            _marked(lambda labels, classes: classes - 1 - labels), SLICES),
    Mistake("minus one", "the other classes hold −1. They hold 0.",
            lambda labels, classes: 2 * _one_hot(labels, classes) - 1, SLICES),
    Mistake("labels repeated", "each row repeats its label. It holds a 1 in the label's column and "
            "0 elsewhere.",
            lambda labels, classes: np.repeat(labels[:, None], classes, axis=1), SLICES),
    Mistake("last row only", "only the last label is written, the other rows stay 0.",
            lambda labels, classes: _one_hot(labels, classes)
            * (np.arange(len(labels)) == len(labels) - 1)[:, None], SLICES),
    Mistake("first row only", "only the first label is written, the other rows stay 0.",
            lambda labels, classes: _one_hot(labels, classes)
            * (np.arange(len(labels)) == 0)[:, None], SLICES),
    _nothing(_one_hot),
)

ONE_HOT = Task(
    id=f"{EXERCISE}/one_hot", function_name="my_one_hot", argument_names=("labels", "classes"),
    result_name="y", reference=_one_hot,
    cases=tuple(Case((np.array(labels), classes)) for labels, classes in (
        ([2, 0, 1], 4), ([1, 1], 3), ([0], 2), ([4, 0, 3, 3, 1], 5), ([3, 0, 9, 7], 10))),
    mistakes=ONE_HOT_MISTAKES, section=SLICES, keeps_dtype=False,
    shape_rule="(N, classes), one row for each label",
)


# The mean of each channel


def _channel_means(x):
    return x.mean(axis=(0, 2, 3))


def _of_axes(axes, take=np.mean):
    return lambda x: take(x, axis=axes)


def _carried_on(x):
    return np.cumsum(x.sum(axis=(0, 2, 3))) / x[:, 0].size


def _of_images(count_of):
    """Return the variant that takes x[c] for channel c, for count_of(x) of them."""
    return lambda x: np.array([x[c].mean() for c in range(count_of(x))], x.dtype)


def _three_channels(x):
    return np.array([x[:, c].mean() for c in range(3)], x.dtype)


CHANNEL_MISTAKES = (
    Mistake("each image alone", "there is a mean for each image and channel. The images are "
            "averaged too: axis 0 belongs to it.", _of_axes((2, 3)), AXES,
            (lambda x: x.mean(axis=(2, 3)).reshape(-1),)),
    Mistake("brackets missing", "you divide by N and multiply by H and W: / and * come one after "
            "the other. Brackets around N * H * W.",
            lambda x: x.sum((0, 2, 3)) / len(x) * x[0, 0].size, AXES),
    Mistake("middle", "you take the middle between the largest and the smallest. The mean is the "
            "sum divided by how many there are.",
            lambda x: (x.max((0, 2, 3)) + x.min((0, 2, 3))) / 2, AXES),
    Mistake("channels taken last", "the last axis is taken for the channels. They are axis 1 "
            "(NCHW); the last axis is the columns.", _of_axes((0, 1, 2)), AXES),
    Mistake("mean of each image", "there is one mean for each image. Keep axis 1, the channels, "
            "and average over the others.", _of_axes((1, 2, 3)), AXES),
    Mistake("channels averaged away", "the channels are averaged away. They are the axis that "
            "stays.", _of_axes(1), AXES, (_of_axes((0, 1)),)),
    Mistake("batch averaged only", "only the images are averaged. Rows and columns are, too.",
            _of_axes(0), AXES),
    Mistake("reshaped", "reshape(C, -1) cuts the numbers into C parts in the order in which they "
            "lie, so images and channels get mixed. Average over axes instead.",
            lambda x: x.reshape(x.shape[1], -1).mean(1), AXES,
            (lambda x: x.reshape(-1, x.shape[1]).mean(0),)),
    Mistake("axis left", "rows or columns are still there. One number for each channel: average "
            "over the images, the rows *and* the columns.", _of_axes((0, 2)), AXES,
            tuple(map(_of_axes, ((0, 3), 2, 3, (1, 2), (1, 3))))),
    Mistake("image for channel", "x[c] is image c. Channel c of all images is x[:, c].",
            _of_images(lambda x: x.shape[1]), AXES),
    Mistake("three channels", "you count on three channels. There are x.shape[1] of them.",
            _three_channels, AXES, (lambda x: np.array([x[:, 0].mean(), x[:, 1].mean(),
                                                        x[:, 2].mean()]),)),
    Mistake("carried on", "each channel's sum begins with that of the channels before. Set the "
            "total to 0 inside the loop over the channels.", _carried_on, AXES),
    Mistake("last image only", "only the last image counts: the next one replaces (=) what was "
            "there. Average over all of them.", lambda x: x[-1].mean(axis=(1, 2)), AXES),
    Mistake("divided by the channels too", "the sum is divided by the number of channels as well. "
            "A channel has N·H·W numbers.", lambda x: _channel_means(x) / x.shape[1], AXES),
    Mistake("divided by one image", "the sum is divided by C·H·W, the numbers of one image. A "
            "channel has N·H·W.", lambda x: x.sum((0, 2, 3)) / x[0].size, AXES),
    Mistake("deviation", "this is each channel's deviation. Asked for is the mean.",
            _of_axes((0, 2, 3), np.std), AXES, (_of_axes((0, 2, 3), np.var),)),
    Mistake("one channel only", "only one channel is written, the others stay 0. Does return "
            "stand inside the loop?", lambda x: _channel_means(x) * (np.arange(x.shape[1]) == 0),
            AXES),
    Mistake("summed", "the numbers are added up. Divide by how many there are: N·H·W.",
            _of_axes((0, 2, 3), np.sum), AXES),
    Mistake("divided by the pixels only", "the sum over all images is divided by H·W. It is "
            "divided by N·H·W.", lambda x: x.mean((2, 3)).sum(0), AXES),
    Mistake("divided by the images only", "the sum is divided by N. It is divided by N·H·W.",
            lambda x: x.mean(0).sum((1, 2)), AXES),
    Mistake("first image only", "only the first image counts. Average over all of them.",
            lambda x: x[0].mean(axis=(1, 2)), AXES),
    Mistake("largest", "this is each channel's largest number. Asked for is the mean.",
            _of_axes((0, 2, 3), np.max), AXES),
    Mistake("median", "this is each channel's median. Asked for is the mean.",
            _of_axes((0, 2, 3), np.median), AXES),
    Mistake("axes kept", "the averaged axes are still there, with length 1. Asked for is the shape "
            "(C,): without keepdims.", lambda x: x.mean(axis=(0, 2, 3), keepdims=True), AXES),
    Mistake("whole numbers", "the digits after the decimal point are lost: whole numbers stay "
            "whole. Make the array with dtype=x.dtype.", lambda x: np.trunc(_channel_means(x)),
            WHOLE, (lambda x: np.floor(_channel_means(x)), lambda x: np.rint(_channel_means(x)))),
    Mistake("rounded", "digits are rounded away. Return the mean as it is.",
            lambda x: np.round(_channel_means(x), 1), WHOLE,
            (lambda x: np.round(_channel_means(x), 2),)),
    Mistake("one mean for all", "every channel has the same number, the mean of everything. Each "
            "has its own.", lambda x: np.full(x.shape[1], x.mean()), AXES),
    _nothing(_channel_means),
)

CHANNEL_MEANS = Task(
    id=f"{EXERCISE}/channel_means", function_name="my_channel_means", argument_names=("x",),
    result_name="means", reference=_channel_means,
    cases=(Case((np.array([[[[1.0, 2.0]], [[10.0, 21.0]]]]),)),
           *(Case((_numbers(shape, n + 5, dtype, 0.5),)) for n, (shape, dtype) in enumerate((
               ((1, 3, 2, 2), np.float64), ((2, 1, 2, 3), np.float64), ((2, 3, 3, 2), np.float64),
               ((3, 2, 4, 5), np.float32))))),
    mistakes=CHANNEL_MISTAKES, section=AXES, shape_rule="(C,), one number for each channel",
)


# Repair: from NHWC to NCHW


def _to_nchw(images):
    return images.transpose(0, 3, 1, 2)


def _reshaped_after(*axes):
    """Return the variant that reorders the axes first and then reshapes all the same."""

    def variant(images):
        N, H, W, C = images.shape
        return images.transpose(axes).reshape(N, C, H, W)

    return variant


def _reshaped_then_turned(images):
    N, H, W, C = images.shape
    return images.reshape(N, C, W, H).swapaxes(2, 3)


def _read_in_new_order(images):
    """N, C, H, W = images.shape, and then pixel by pixel."""
    N, C, H, W = images.shape
    x = np.zeros((N, C, H, W), images.dtype)
    for n, c, i, j in np.ndindex(N, C, H, W):
        x[n, c, i, j] = images[n, i, j, c]
    return x


def _pixels_turned(images):
    """x[n, c, i, j] = images[n, j, i, c]: stops where images are not square."""
    N, H, W, C = images.shape
    x = np.zeros((N, C, H, W), images.dtype)
    for n, c, i, j in np.ndindex(N, C, H, W):
        x[n, c, i, j] = images[n, j, i, c]
    return x


NCHW_MISTAKES = (
    Mistake("reshaped", "the shape is right, but the numbers are scrambled: reshape cuts them "
            "anew, row by row, and moves no axis. Move the last axis to place 1 with transpose.",
            lambda images: images.reshape(len(images), images.shape[3], *images.shape[1:3]), AXES,
            (_reshaped_after(0, 2, 1, 3), _reshaped_after(3, 1, 2, 0), _reshaped_after(3, 0, 1, 2),
             _reshaped_after(3, 2, 1, 0), _reshaped_after(0, 1, 3, 2), _reshaped_after(0, 3, 2, 1),
             _reshaped_after(1, 0, 2, 3), _reshaped_then_turned)),
    Mistake("first channel everywhere", "every channel is the first one. Channel c of x is "
            "images[..., c].", lambda images: np.repeat(_to_nchw(images)[:, :1],
                                                        images.shape[3], axis=1), AXES),
    Mistake("unpacked in the new order", "images.shape is unpacked as N, C, H, W. Images come as "
            "(N, H, W, C); only the result is in the new order.", _read_in_new_order, AXES),
    Mistake("height and width swapped", "the images lie on their side: rows and columns are "
            "swapped. The order of the old axes is 0, 3, 1, 2.",
            lambda images: images.transpose(0, 3, 2, 1), AXES, (_pixels_turned,)),
    Mistake("not changed", "the axes stand as before. The channels move from the last place to "
            "place 1.", lambda images: images, AXES),
    Mistake("the other way", "this is the way from NCHW to NHWC. Here the channels come from the "
            "last place.", lambda images: images.transpose(0, 2, 3, 1), AXES),
    Mistake("channels first of all", "the channels stand before the images: (C, N, H, W). The "
            "batch comes first.", lambda images: images.transpose(3, 0, 1, 2), AXES),
    Mistake("rows and columns only", "rows and columns are swapped and the channels are still "
            "last.", lambda images: images.transpose(0, 2, 1, 3), AXES),
    Mistake("all axes reversed", "without a list of axes, transpose reverses all of them. Say "
            "which one goes where.", lambda images: images.T, AXES),
    Mistake("colours reversed", "the channels come in reverse order: red and blue are swapped.",
            lambda images: _to_nchw(images)[:, ::-1], AXES,
            (lambda images: _to_nchw(images)[:, [2, 1, 0]],)),
    Mistake("three channels", "you count on three channels. There may be any number of them: "
            "images.shape[3].", lambda images: np.stack([images[..., c] for c in range(3)], 1),
            AXES, (lambda images: images[..., :3].transpose(0, 3, 1, 2),)),
    Mistake("channels below each other", "the channels lie below each other in one image. They "
            "need an axis of their own, axis 1.",
            lambda images: np.concatenate(list(np.moveaxis(images, 3, 0)), axis=1), AXES),
    Mistake("scaled", "the axes are right, but the numbers are divided by 255. Here they only "
            "move.", lambda images: _to_nchw(images) / 255, AXES),
    Mistake("first channel only", "only the first channel is left.",
            lambda images: _to_nchw(images)[:, :1], AXES,
            (lambda images: images[:, None, :, :, 0],)),
    Mistake("grey", "the channels are averaged. They stay apart.",
            lambda images: _to_nchw(images).mean(axis=1, keepdims=True), AXES),
    Mistake("channels in the middle", "the channels stand between rows and columns: (N, H, C, W). "
            "They belong in place 1.", lambda images: images.transpose(0, 1, 3, 2), AXES),
    Mistake("upside down", "the images stand on their head.",
            lambda images: _to_nchw(images)[:, :, ::-1], AXES),
    Mistake("first image only", "only the first image is there. All images of the batch go along, "
            "along axis 0.",
            lambda images: _to_nchw(images) * (np.arange(len(images)) == 0)[
                :, None, None, None], AXES, (lambda images: images[0].transpose(2, 0, 1),
                                             lambda images: _to_nchw(images)[:1])),
    _nothing(_to_nchw),
)

TO_NCHW = Task(
    id=f"{EXERCISE}/to_nchw", function_name="my_to_nchw", argument_names=("images",),
    result_name="x", reference=_to_nchw,
    cases=tuple(Case((_counted(shape, dtype),)) for shape, dtype in (
        ((1, 2, 2, 3), np.float64), ((2, 2, 3, 2), np.float64), ((2, 3, 2, 3), np.float64),
        ((2, 3, 3, 3), np.float64), ((3, 4, 5, 3), np.float32), ((2, 4, 2, 1), np.float32),
        ((1, 3, 2, 4), np.float64))),
    mistakes=NCHW_MISTAKES, section=AXES, shape_rule="(N, C, H, W)",
)

TASKS = (WINDOW, SCALE, STANDARDISE, ONE_HOT, CHANNEL_MEANS, TO_NCHW)
