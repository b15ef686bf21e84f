"""What the checks know of each task: its cases, and the mistakes that they recognise.

A mistake is a deliberately wrong variant of the task's function with the sentence that a student
reads who makes it. Only `course_lib.check` imports this module; it uses the library's operations.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from course_lib.conv import conv2d


@dataclass(frozen=True)
class Case:
    """One call of the student's function: its arguments by position."""

    arguments: tuple


@dataclass(frozen=True)
class Section:
    """Where to read again: a heading of a lesson or of the exercise; a test looks it up."""

    notebook: str
    heading: str

    def __str__(self) -> str:
        return f'{self.notebook}, "{self.heading}"'


@dataclass(frozen=True)
class Mistake:
    """A mistake that a check recognises: name, sentence, wrong variant, where to read again."""

    id: str
    sentence: str
    variant: Callable
    section: Section


@dataclass(frozen=True)
class Task:
    """One write-the-function task: `reference` is right, `mistakes` are wrong in known ways."""

    id: str
    function_name: str
    argument_names: tuple[str, ...]
    result_name: str
    reference: Callable
    cases: tuple[Case, ...]
    mistakes: tuple[Mistake, ...]
    section: Section
    shape_rule: str


# Convolution

ONE_OUTPUT = Section("01_convolution", "One output is a sum of products")
TURNED = Section("01_convolution", "In the wild: convolution or cross-correlation?")
CHANNELS = Section("01_convolution", "From one number to a batch of maps")
PADDING = Section("02_padding_and_stride", "Padding lets the kernel reach the border")
STRIDE = Section("02_padding_and_stride", "Stride skips, and the floor drops")
THE_TASK = Section("ex01_convolution", "1.2 Write the function: `my_conv2d`")


def _small_numbers(count: int, start: int) -> np.ndarray:
    """Return `count` whole numbers from −4 to 4 that look random and are the same everywhere."""
    numbers = []
    for _ in range(count):
        start = (start * 1103515245 + 12345) % 2**31
        numbers.append((start >> 16) % 9 - 4)
    return np.array(numbers)


def _convolution_case(x, weight, stride, padding, dtype=np.float64, scale=1.0) -> Case:
    """Return a case of x (N, C, H, W), weight (F, C, KH, KW), each filled by `_small_numbers`."""
    arrays = []
    for position, shape in enumerate((x, weight, weight[:1])):
        numbers = _small_numbers(int(np.prod(shape)), sum(x) + 31 * sum(weight) + 7 * position)
        arrays.append((numbers.reshape(shape) * scale).astype(dtype))
    arrays[2] = arrays[2] + arrays[2].dtype.type(5)  # no bias is 0, so none can be forgotten
    return Case((*arrays, stride, padding))


def _hand_example() -> Case:
    """Return the example that the exercise computes by hand."""
    x = np.array([[[[0, 3, 4], [9, 5, 0], [6, 2, 1]]]], np.float64)
    weight = np.array([[[[0, 1], [0, 2]]]], np.float64)
    return Case((x, weight, np.zeros(1), 1, 0))


def _tied_case() -> Case:
    """Return a case in which all pixels are equal: flips and shifts inside cannot be seen."""
    return Case((np.full((2, 2, 4, 3), -2.0), np.ones((3, 2, 2, 3)), np.arange(1.0, 4.0), 1, 1))


# From small to large: the first that fails is the one that a student sees.
CONV2D_CASES = (
    _hand_example(),
    _convolution_case((1, 1, 3, 4), (1, 1, 2, 2), 1, 0),
    _convolution_case((1, 1, 3, 4), (1, 1, 2, 3), 1, 0, np.float64, 0.5),
    _convolution_case((1, 1, 4, 3), (1, 1, 2, 2), 2, 0),
    _convolution_case((1, 1, 2, 3), (1, 1, 2, 2), 1, 1),
    _convolution_case((1, 2, 3, 3), (1, 2, 2, 2), 1, 0),
    _convolution_case((1, 1, 3, 3), (2, 1, 2, 2), 1, 0),
    _convolution_case((2, 1, 3, 3), (1, 1, 2, 2), 1, 0),
    _convolution_case((1, 2, 3, 4), (2, 2, 3, 4), 1, 0),  # the kernel is as large as the image
    _convolution_case((2, 3, 2, 3), (4, 3, 1, 1), 1, 0),  # 1×1: a dense layer for each pixel
    _convolution_case((1, 1, 4, 4), (1, 1, 3, 3), 3, 2),
    _tied_case(),
    _convolution_case((1, 2, 5, 6), (2, 2, 2, 3), 2, 1, np.float32),
    _convolution_case((3, 2, 6, 5), (4, 2, 3, 2), 2, 0, np.float64, 0.37),
    _convolution_case((2, 3, 7, 5), (2, 3, 3, 2), 3, 2, np.float32, 0.37),
    _convolution_case((2, 3, 5, 8), (5, 3, 1, 3), 2, 2, np.float64, 0.37),
)


def _right(x, weight, bias, stride, padding):
    """The layer itself, without its cache: the wrong variants below start from it."""
    y, _ = conv2d(x, weight, bias, stride, padding)
    return y


def _without_bias(x, weight, bias, stride, padding):
    return _right(x, weight, None, stride, padding)


def _rotated(x, weight, bias, stride, padding):
    return _right(x, weight[:, :, ::-1, ::-1], bias, stride, padding)


def _rows_reversed(x, weight, bias, stride, padding):
    return _right(x, weight[:, :, ::-1], bias, stride, padding)


def _columns_reversed(x, weight, bias, stride, padding):
    return _right(x, weight[:, :, :, ::-1], bias, stride, padding)


def _transposed(x, weight, bias, stride, padding):
    return _right(x, weight.swapaxes(2, 3), bias, stride, padding)


def _stride_ignored(x, weight, bias, stride, padding):
    return _right(x, weight, bias, 1, padding)


def _stride_in_size_only(x, weight, bias, stride, padding):
    """The output has the right size, but its windows lie side by side: i + u, not i*stride + u."""
    _, _, OH, OW = _right(x, weight, bias, stride, padding).shape
    return _right(x, weight, bias, 1, padding)[:, :, :OH, :OW]


def _stride_on_rows_only(x, weight, bias, stride, padding):
    return _right(x, weight, bias, (stride, 1), padding)


def _padding_ignored(x, weight, bias, stride, padding):
    return _right(x, weight, bias, stride, 0)


def _padding_in_size_only(x, weight, bias, stride, padding):
    """The output has the right size, but only the windows inside the image were computed."""
    y = np.zeros_like(_right(x, weight, bias, stride, padding))
    inside = _right(x, weight, bias, stride, 0)
    y[:, :, : inside.shape[2], : inside.shape[3]] = inside
    return y


def _padding_at(before, after, **how):
    """Return the variant with before*padding rows and columns in front, after*padding behind."""

    def variant(x, weight, bias, stride, padding):
        sides = (before * padding, after * padding)
        return _right(np.pad(x, ((0, 0), (0, 0), sides, sides), **how), weight, bias, stride, 0)

    return variant


def _padding_on(axis):
    """Return the variant that pads one axis only: 2 for rows, 3 for columns."""

    def variant(x, weight, bias, stride, padding):
        sides = [(0, 0)] * 4
        sides[axis] = (padding, padding)
        return _right(np.pad(x, sides), weight, bias, stride, 0)

    return variant


def _bias_per_channel(x, weight, bias, stride, padding):
    C = x.shape[1]
    return _right(x, weight, bias * C, stride, padding)


def _bias_per_product(x, weight, bias, stride, padding):
    return _right(x, weight, bias * weight[0].size, stride, padding)


def _bias_subtracted(x, weight, bias, stride, padding):
    return _right(x, weight, -bias, stride, padding)


def _first_bias_everywhere(x, weight, bias, stride, padding):
    return _right(x, weight, np.full_like(bias, bias[0]), stride, padding)


def _first_channel_only(x, weight, bias, stride, padding):
    return _right(x[:, :1], weight[:, :1], bias, stride, padding)


def _last_channel_only(x, weight, bias, stride, padding):
    return _right(x[:, -1:], weight[:, -1:], bias, stride, padding)


def _first_slice_for_every_channel(x, weight, bias, stride, padding):
    return _right(x, np.repeat(weight[:, :1], x.shape[1], axis=1), bias, stride, padding)


def _mean_over_channels(x, weight, bias, stride, padding):
    return _right(x, weight / x.shape[1], bias, stride, padding)


def _mean_over_window(x, weight, bias, stride, padding):
    return _right(x, weight / weight[0].size, bias, stride, padding)


def _first_filter_everywhere(x, weight, bias, stride, padding):
    y = _right(x, weight, bias, stride, padding)
    return np.repeat(y[:, :1], y.shape[1], axis=1)


def _first_image_everywhere(x, weight, bias, stride, padding):
    y = _right(x, weight, bias, stride, padding)
    return np.repeat(y[:1], y.shape[0], axis=0)


def _first_image_only(x, weight, bias, stride, padding):
    y = _right(x, weight, bias, stride, padding)
    y[1:] = 0
    return y


def _images_summed(x, weight, bias, stride, padding):
    y = _right(x, weight, bias, stride, padding)
    return np.broadcast_to(y.sum(axis=0, keepdims=True), y.shape)


def _last_product_only(x, weight, bias, stride, padding):
    last = np.zeros_like(weight)
    last[:, -1, -1, -1] = weight[:, -1, -1, -1]
    return _right(x, last, bias, stride, padding)


def _weights_ignored(x, weight, bias, stride, padding):
    return _right(x, np.ones_like(weight), bias, stride, padding)


def _one_too_few(x, weight, bias, stride, padding):
    return _right(x, weight, bias, stride, padding)[:, :, :-1, :-1]


def _last_left_zero(x, weight, bias, stride, padding):
    y = _right(x, weight, bias, stride, padding)
    y[:, :, -1, :] = y[:, :, :, -1] = 0
    return y


def _output_transposed(x, weight, bias, stride, padding):
    return _right(x, weight, bias, stride, padding).swapaxes(2, 3)


def _channels_last(x, weight, bias, stride, padding):
    return _right(x, weight, bias, stride, padding).transpose(0, 2, 3, 1)


def _rectified(x, weight, bias, stride, padding):
    return np.maximum(_right(x, weight, bias, stride, padding), 0)


def _all_zeros(x, weight, bias, stride, padding):
    return np.zeros_like(_right(x, weight, bias, stride, padding))


def _whole_numbers(x, weight, bias, stride, padding):
    return np.trunc(_right(x, weight, bias, stride, padding))


# Where two variants give the same numbers on every case, the first is named.
CONV2D_MISTAKES = (
    Mistake(
        "kernel rotated",
        "your kernel is rotated by 180°: that is a true convolution. The layer slides the kernel "
        "as it is, weight[u, v] meets x[i + u, j + v].",
        _rotated, TURNED,
    ),
    Mistake(
        "stride ignored",
        "stride is ignored: your window moves by one pixel each time. Output i looks at the rows "
        "from i * stride on.",
        _stride_ignored, STRIDE,
    ),
    Mistake(
        "bias once per channel",
        "the bias is added once per input channel. Add it once to each output, after the sum over "
        "the channels.",
        _bias_per_channel, CHANNELS,
    ),
    Mistake(
        "padding ignored",
        "padding is ignored: your windows stay inside the image. Put `padding` rows and columns "
        "of zeros on each side first.",
        _padding_ignored, PADDING,
    ),
    Mistake(
        "first channel only",
        "only the first input channel is used. One filter has a slice for each channel, and the "
        "products of all slices are added up.",
        _first_channel_only, CHANNELS,
    ),
    Mistake(
        "last channel only",
        "only the last input channel is left in the sum. Add each channel's part (+=) instead of "
        "replacing what was there (=).",
        _last_channel_only, CHANNELS,
    ),
    Mistake(
        "bias forgotten",
        "the bias is not added. Each output of filter f starts from bias[f].",
        _without_bias, CHANNELS,
    ),
    Mistake(
        "rows reversed",
        "your kernel is upside down: its rows are reversed. Row u of the kernel meets row i + u of "
        "the image.",
        _rows_reversed, TURNED,
    ),
    Mistake(
        "columns reversed",
        "your kernel is mirrored: its columns are reversed. Column v of the kernel meets column "
        "j + v of the image.",
        _columns_reversed, TURNED,
    ),
    Mistake(
        "kernel transposed",
        "your kernel is transposed: rows and columns are swapped. The first kernel axis goes down, "
        "the second goes right.",
        _transposed, TURNED,
    ),
    Mistake(
        "stride in the size only",
        "the output has the right size, but your windows lie next to each other. With a stride, "
        "output i looks at the rows from i * stride on, not from i on.",
        _stride_in_size_only, STRIDE,
    ),
    Mistake(
        "stride on rows only",
        "stride is used for the rows and ignored for the columns. Both move by `stride`.",
        _stride_on_rows_only, STRIDE,
    ),
    Mistake(
        "padding in the size only",
        "the output has the size that padding gives, but no zeros were put around the image: the "
        "first window must start outside it.",
        _padding_in_size_only, PADDING,
    ),
    Mistake(
        "padding after only",
        "zeros are added after the image only (right and bottom). Padding goes on each side: left "
        "and top as well.",
        _padding_at(0, 1), PADDING,
    ),
    Mistake(
        "padding before only",
        "zeros are added before the image only (left and top). Padding goes on each side: right "
        "and bottom as well.",
        _padding_at(1, 0), PADDING,
    ),
    Mistake(
        "all padding after",
        "all the zeros are put after the image (right and bottom). Half of them belong before it: "
        "`padding` on each side.",
        _padding_at(0, 2), PADDING,
    ),
    Mistake(
        "all padding before",
        "all the zeros are put before the image (left and top). Half of them belong after it: "
        "`padding` on each side.",
        _padding_at(2, 0), PADDING,
    ),
    Mistake(
        "padding twice",
        "twice as many zeros as asked for are put around the image. `padding` counts the zeros on "
        "each side.",
        _padding_at(2, 2), PADDING,
    ),
    Mistake(
        "padding not with zeros",
        "the border is filled with copies of the edge pixels. Here, padding is filled with zeros.",
        _padding_at(1, 1, mode="edge"), PADDING,
    ),
    Mistake(
        "padding with ones",
        "the border is filled with ones. Padding is filled with zeros.",
        _padding_at(1, 1, constant_values=1), PADDING,
    ),
    Mistake(
        "padding on rows only",
        "zeros are put above and below the image, but not left and right of it.",
        _padding_on(2), PADDING,
    ),
    Mistake(
        "padding on columns only",
        "zeros are put left and right of the image, but not above and below it.",
        _padding_on(3), PADDING,
    ),
    Mistake(
        "bias once per product",
        "the bias is added to every product inside the window. Add it once to each output, after "
        "the sum.",
        _bias_per_product, CHANNELS,
    ),
    Mistake(
        "bias subtracted", "the bias is subtracted. It is added.", _bias_subtracted, CHANNELS
    ),
    Mistake(
        "first bias everywhere",
        "every filter gets bias[0]. Filter f has its own, bias[f].",
        _first_bias_everywhere, CHANNELS,
    ),
    Mistake(
        "first slice for every channel",
        "every input channel meets the filter's first slice. Channel c has its own: weight[f, c].",
        _first_slice_for_every_channel, CHANNELS,
    ),
    Mistake(
        "mean over channels",
        "the channels are averaged. Their parts are added up, not divided by their number.",
        _mean_over_channels, CHANNELS,
    ),
    Mistake(
        "mean over the window",
        "each window gives the mean of its products. The layer takes their sum.",
        _mean_over_window, ONE_OUTPUT,
    ),
    Mistake(
        "first filter everywhere",
        "every output channel holds the result of the first filter. Channel f of the output "
        "belongs to weight[f].",
        _first_filter_everywhere, CHANNELS,
    ),
    Mistake(
        "first image everywhere",
        "every image of the batch gets the first image's result. Output n belongs to x[n].",
        _first_image_everywhere, THE_TASK,
    ),
    Mistake(
        "first image only",
        "only the first image of the batch is computed; the others stay zero. Loop over n, too.",
        _first_image_only, THE_TASK,
    ),
    Mistake(
        "images added up",
        "the images of the batch are added up. Each image has its own result, y[n].",
        _images_summed, THE_TASK,
    ),
    Mistake(
        "last product only",
        "only the last product of each window is left. Add the products up (+=) instead of "
        "replacing what was there (=).",
        _last_product_only, ONE_OUTPUT,
    ),
    Mistake(
        "weights ignored",
        "your windows are summed without the kernel. Multiply each pixel by its weight first.",
        _weights_ignored, ONE_OUTPUT,
    ),
    Mistake(
        "one row and column too few",
        "the last row and the last column of the output are missing. The size ends with + 1: "
        "(H + 2*padding - KH) // stride + 1.",
        _one_too_few, THE_TASK,
    ),
    Mistake(
        "last row and column left zero",
        "the last row and the last column of the output are never computed. Do your loops end one "
        "step early?",
        _last_left_zero, THE_TASK,
    ),
    Mistake(
        "output transposed",
        "the output is transposed: its rows and columns are swapped.",
        _output_transposed, TURNED,
    ),
    Mistake(
        "channels last",
        "your output is ordered (N, OH, OW, F). The channels come second here: (N, F, OH, OW).",
        _channels_last, CHANNELS,
    ),
    Mistake(
        "negative values cut off",
        "negative outputs are set to 0. That is ReLU, the next layer's work: leave them as they "
        "are.",
        _rectified, ONE_OUTPUT,
    ),
    Mistake(
        "all zeros",
        "every output is 0: the array was made, but nothing was written into it.",
        _all_zeros, ONE_OUTPUT,
    ),
    Mistake(
        "whole numbers",
        "the digits after the decimal point are lost. Was y made for whole numbers (dtype=int)?",
        _whole_numbers, ONE_OUTPUT,
    ),
)

CONV2D = Task(
    id="ex01_convolution/conv2d",
    function_name="my_conv2d",
    argument_names=("x", "weight", "bias", "stride", "padding"),
    result_name="y",
    reference=_right,
    cases=CONV2D_CASES,
    mistakes=CONV2D_MISTAKES,
    section=THE_TASK,
    shape_rule="(N, F, OH, OW) with OH = (H + 2*padding - KH) // stride + 1, and OW likewise",
)
