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
             _cut(lambda i, r: (i, i + r + 1)), _cut(lambda i, r: (i, i + r)))),
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
            AXES),
    Mistake("first channel only", "only one channel is left. The window keeps all channels: "
            "shape (C, K, K).",
            lambda x, i, j, radius: _window(x, i, j, radius)[0], AXES,
            (lambda x, i, j, radius: _window(x, i, j, radius)[:1],)),
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


SCALE_MISTAKES = (
    Mistake("whole division", "almost everything became 0: // divides and throws the rest away. "
            "Divide with / and keep the digits.", lambda images: images // 255, WHOLE,
            (lambda images: np.floor(images / 255),)),
    Mistake("rounded", "the digits after the decimal point are rounded away. Keep them: floats.",
            lambda images: np.rint(images / 255), WHOLE),
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


STANDARDISE_MISTAKES = (
    Mistake("one mean for all channels", "mean and deviation are taken over all channels together. "
            "Each channel has its own: average over the axes 0, 2 and 3.",
            _standardise(None), AXES, (_standardise((0, 1, 2, 3)),)),
    Mistake("each image alone", "each image has its own mean and deviation. Take them over the "
            "whole batch: axis 0 belongs to it.", _standardise((2, 3)), AXES,
            (_standardise((1, 2, 3)),)),
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
            _without_keepdims, AXES),
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


ONE_HOT_MISTAKES = (
    Mistake("classes as rows", "your array has a row for each class. It has a row for each label: "
            "shape (N, classes).", lambda labels, classes: _one_hot(labels, classes).T, SLICES),
    Mistake("all labels in every row", "every row has a 1 for all the labels: y[:, labels] means "
            "all rows. Pair each row with its own label, y[np.arange(N), labels].",
            _every_row, SLICES),
    Mistake("counted from 1", "the 1 stands one place too far left. Classes count from 0: label 3 "
            "is the fourth column.", _marked(lambda labels, classes: labels - 1), SLICES),
    Mistake("one too far", "the 1 stands one place too far right. Classes count from 0: label 0 is "
            "the first column.", _marked(lambda labels, classes: (labels + 1) % classes), SLICES),
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
                np.unique(labels, return_inverse=True)[1]],)),
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


CHANNEL_MISTAKES = (
    Mistake("each image alone", "there is a mean for each image and channel. The images are "
            "averaged too: axis 0 belongs to it.", _of_axes((2, 3)), AXES),
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


NCHW_MISTAKES = (
    Mistake("reshaped", "the shape is right, but the numbers are scrambled: reshape cuts them "
            "anew, row by row, and moves no axis. Move the last axis to place 1 with transpose.",
            lambda images: images.reshape(len(images), images.shape[3], *images.shape[1:3]), AXES),
    Mistake("height and width swapped", "the images lie on their side: rows and columns are "
            "swapped. The order of the old axes is 0, 3, 1, 2.",
            lambda images: images.transpose(0, 3, 2, 1), AXES),
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
            lambda images: _to_nchw(images)[:, ::-1], AXES),
    Mistake("first channel only", "only the first channel is left.",
            lambda images: _to_nchw(images)[:, :1], AXES,
            (lambda images: images[:, None, :, :, 0],)),
    Mistake("grey", "the channels are averaged. They stay apart.",
            lambda images: _to_nchw(images).mean(axis=1, keepdims=True), AXES),
    Mistake("channels in the middle", "the channels stand between rows and columns: (N, H, C, W). "
            "They belong in place 1.", lambda images: images.transpose(0, 1, 3, 2), AXES),
    Mistake("upside down", "the images stand on their head.",
            lambda images: _to_nchw(images)[:, :, ::-1], AXES),
    Mistake("first image only", "only the first image is written; the others stay 0.",
            lambda images: _to_nchw(images) * (np.arange(len(images)) == 0)[
                :, None, None, None], AXES),
    _nothing(_to_nchw),
)

TO_NCHW = Task(
    id=f"{EXERCISE}/to_nchw", function_name="my_to_nchw", argument_names=("images",),
    result_name="x", reference=_to_nchw,
    cases=tuple(Case((_counted(shape, dtype),)) for shape, dtype in (
        ((1, 2, 2, 3), np.float64), ((2, 2, 3, 2), np.float64), ((2, 3, 2, 3), np.float64),
        ((2, 3, 3, 3), np.float64), ((3, 4, 5, 3), np.float32), ((2, 4, 2, 1), np.float32))),
    mistakes=NCHW_MISTAKES, section=AXES, shape_rule="(N, C, H, W)",
)

TASKS = (WINDOW, SCALE, STANDARDISE, ONE_HOT, CHANNEL_MEANS, TO_NCHW)
