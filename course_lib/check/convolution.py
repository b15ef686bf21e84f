"""What the check of a convolution knows: its cases, and the mistakes that it recognises.

A mistake is a deliberately wrong variant of the task's function with the sentence that a student
reads who makes it. Only `course_lib.check` imports this module; it uses the library's operations.
"""

import numpy as np

from course_lib.check.loops import (
    READERS,
    Stops,
    offsets,
    output_size,
    pixels,
    slices,
    zero_padded,
)
from course_lib.check.slips import (
    CARRIED_ON,
    RETURNED_EARLY,
    all_filters,
    cut,
    filter_of_the_image,
    first_matrix_product,
    looped,
    matrix_product,
    product_sum,
)
from course_lib.check.tasks import Case, Mistake, Section, Task, small_numbers
from course_lib.conv import conv2d


# Convolution

ONE_OUTPUT = Section("01_convolution", "One output is a sum of products")
TURNED = Section("01_convolution", "In the wild: convolution or cross-correlation?")
CHANNELS = Section("01_convolution", "From one number to a batch of maps")
PADDING = Section("02_padding_and_stride", "Padding lets the kernel reach the border")
STRIDE = Section("02_padding_and_stride", "Stride skips, and the floor drops")
UNEVEN = Section("02_padding_and_stride", 'Nothing has to be square, and "same" has a limit')
THE_TASK = Section("ex01_convolution", "1.2 Write the function: `my_conv2d`")


def _convolution_case(x, weight, stride, padding, dtype=np.float64, scale=1.0) -> Case:
    """Return a case of x (N, C, H, W), weight (F, C, KH, KW), each filled by `small_numbers`."""
    arrays = []
    for position, shape in enumerate((x, weight, weight[:1])):
        numbers = small_numbers(int(np.prod(shape)), sum(x) + 31 * sum(weight) + 7 * position)
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
    _convolution_case((1, 1, 4, 4), (1, 1, 2, 3), 1, 0),
    _convolution_case((1, 1, 4, 3), (1, 1, 2, 2), 2, 0),
    _convolution_case((1, 1, 2, 3), (1, 1, 2, 2), 1, 1),
    _convolution_case((1, 2, 3, 3), (1, 2, 2, 2), 1, 0),
    _convolution_case((1, 1, 3, 3), (2, 1, 2, 2), 1, 0),
    _convolution_case((2, 1, 3, 3), (1, 1, 2, 2), 1, 0),
    _convolution_case((1, 2, 3, 4), (2, 2, 3, 4), 1, 0),  # the kernel is as large as the image
    _convolution_case((2, 3, 2, 3), (4, 3, 1, 1), 1, 0),  # 1×1: a dense layer for each pixel
    _convolution_case((1, 1, 4, 4), (1, 1, 3, 3), 3, 2),  # no window reaches the zeros behind
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
    """The output has the right size, but its windows move by one pixel: i + u, not i*stride + u."""
    _, _, OH, OW = _right(x, weight, bias, stride, padding).shape
    return _right(x, weight, bias, 1, padding)[:, :, :OH, :OW]


def _stride_on_rows_only(x, weight, bias, stride, padding):
    return _right(x, weight, bias, (stride, 1), padding)


def _stride_on_columns_only(x, weight, bias, stride, padding):
    return _right(x, weight, bias, (1, stride), padding)


def _one_axis_in_the_size_only(axis):
    """Return the variant of the right size that moves by one pixel along one axis, 2 or 3."""

    def variant(x, weight, bias, stride, padding):
        _, _, OH, OW = _right(x, weight, bias, stride, padding).shape
        strides = (1, stride) if axis == 2 else (stride, 1)
        return _right(x, weight, bias, strides, padding)[:, :, :OH, :OW]

    return variant


def _reading(reader, of_padded, rows_of, columns_of=None):
    """Return the variant that reads by `reader` where rows_of(H, KH, stride, padding) says.

    Without columns_of, columns follow the same rule, of W and KW.
    """

    def variant(x, weight, bias, stride, padding):
        (H, W), (KH, KW) = x.shape[2:], weight.shape[2:]
        image = zero_padded(x, padding) if of_padded else x
        columns = (columns_of or rows_of)(W, KW, stride, padding)
        return reader(image, weight, bias, rows_of(H, KH, stride, padding), columns)

    return variant


def _literally(size, kernel_size, stride, padding):
    """The formula as printed, on the image itself: i*stride + u - padding."""
    return offsets(output_size(size, kernel_size, stride, padding), kernel_size, stride, -padding)


def _side_by_side(size, kernel_size, stride, padding):
    return offsets(output_size(size, kernel_size, stride, padding), kernel_size, kernel_size)


def _as_many_as_fit(size, kernel_size, stride, padding):
    return offsets((size + 2 * padding) // kernel_size, kernel_size, kernel_size)


def _spread(size, kernel_size, stride, padding):
    """i + u*stride: the stride between the pixels of a window."""
    i = np.arange(output_size(size, kernel_size, stride, padding))[:, None]
    return i + np.arange(kernel_size) * stride


def _all_times_stride(size, kernel_size, stride, padding):
    return offsets(output_size(size, kernel_size, stride, padding), kernel_size) * stride


def _without_padding_only(x, weight, bias, stride, padding):
    if padding:
        raise Stops
    return _right(x, weight, bias, stride, padding)


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


def _zeros_behind_only(x, weight, bias, stride, padding):
    """Zeros below and right of the image; above and left of it, x[-1] is the last row."""
    H, W = x.shape[2:]
    image = x[:, :, np.arange(-padding, H)][:, :, :, np.arange(-padding, W)]
    image = np.pad(image, ((0, 0), (0, 0), (0, padding), (0, padding)))
    return _right(image, weight, bias, stride, 0)


def _zeros_before_only(x, weight, bias, stride, padding):
    """Zeros above and left of the image; below and right of it, an IndexError."""
    image = np.pad(x, ((0, 0), (0, 0), (padding, 0), (padding, 0)))
    rows, columns = (_literally(size, kernel_size, stride, padding) + padding for size, kernel_size
                     in zip(x.shape[2:], weight.shape[2:], strict=True))
    return pixels(image, weight, bias, rows, columns)


def _padded_on_every_axis(reader):
    """Return the variant with np.pad(x, padding): batch and channels get zeros as well."""

    def variant(x, weight, bias, stride, padding):
        N, C, H, W = x.shape
        KH, KW = weight.shape[2:]
        image = np.pad(x, padding)[:N]
        image = image[:, :C] if reader is pixels else image
        rows = offsets(output_size(H, KH, stride, padding), KH, stride)
        columns = offsets(output_size(W, KW, stride, padding), KW, stride)
        return reader(image, weight, bias, rows, columns)

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


def _output_reshaped(x, weight, bias, stride, padding):
    """The shape is (N, F, OW, OH), but the numbers still lie row by row."""
    y = _right(x, weight, bias, stride, padding)
    return y.reshape(*y.shape[:2], y.shape[3], y.shape[2])


def _written_transposed(x, weight, bias, stride, padding):
    """y[n, f, j, i] = ... into an array of shape (N, F, OH, OW)."""
    y = _right(x, weight, bias, stride, padding)
    if y.shape[2] != y.shape[3]:
        raise IndexError("index is out of bounds")
    return y.swapaxes(2, 3)


def _window_at(reader):
    """Return the variant whose output (i, j) takes the window at row j, column i."""

    def variant(x, weight, bias, stride, padding):
        (H, W), (KH, KW) = x.shape[2:], weight.shape[2:]
        rows = offsets(output_size(W, KW, stride, padding), KH, stride)
        columns = offsets(output_size(H, KH, stride, padding), KW, stride)
        return reader(zero_padded(x, padding), weight, bias, rows, columns).swapaxes(2, 3)

    return variant


def _pixel_at(x, weight, bias, stride, padding):
    """x[n, c, j*stride + v, i*stride + u]: the image's rows and columns are swapped."""
    (H, W), (KH, KW) = x.shape[2:], weight.shape[2:]
    rows = offsets(output_size(H, KH, stride, padding), KH, stride)
    columns = offsets(output_size(W, KW, stride, padding), KW, stride)
    return pixels(zero_padded(x, padding).swapaxes(2, 3), weight, bias, rows, columns)


def _image_transposed(x, weight, bias, stride, padding):
    return _sizes(pixels, lambda *sizes: sizes)(x.swapaxes(2, 3), weight, bias, stride, padding)


def _sizes(reader, change):
    """Return the variant in which change(H, W, KH, KW) says which sizes the student took."""

    def variant(x, weight, bias, stride, padding):
        H, W, KH, KW = change(*x.shape[2:], *weight.shape[2:])
        rows = offsets(output_size(H, KH, stride, padding), KH, stride)
        columns = offsets(output_size(W, KW, stride, padding), KW, stride)
        return reader(zero_padded(x, padding), weight, bias, rows, columns)

    return variant


def _put_into_the_middle(variant):
    """Return `variant` behind `padded[..., padding : padding + H, ...] = x` with H, W swapped."""

    def stops(x, *rest):
        if x.shape[2] != x.shape[3]:
            raise ValueError("could not broadcast input array")
        return variant(x, *rest)

    return stops


def _output_loops_swapped(x, weight, bias, stride, padding):
    """for i in range(OW), for j in range(OH): right where both are equal."""
    y = _right(x, weight, bias, stride, padding)
    if y.shape[2] != y.shape[3]:
        raise IndexError("index is out of bounds")
    return y


def _columns_looped_like_rows(x, weight, bias, stride, padding):
    """for j in range(OH): an IndexError where OW is smaller, zeros on the right where larger."""
    y = _right(x, weight, bias, stride, padding)
    if y.shape[2] > y.shape[3]:
        raise IndexError("index is out of bounds")
    y[:, :, :, y.shape[2] :] = 0
    return y


SWAPPED = (
    lambda H, W, KH, KW: (W, H, KH, KW),
    lambda H, W, KH, KW: (H, W, KW, KH),
    lambda H, W, KH, KW: (W, H, KW, KH),
)


def _output_size_from(OH_of, OW_of):
    """Return variants, one a reader, that take OH or OW from the wrong pair of sizes."""

    def with_reader(reader):
        def variant(x, weight, bias, stride, padding):
            (H, W), (KH, KW) = x.shape[2:], weight.shape[2:]
            OH, OW = (output_size(*of(H, W, KH, KW), stride, padding) for of in (OH_of, OW_of))
            image = zero_padded(x, padding)
            return reader(image, weight, bias, offsets(OH, KH, stride), offsets(OW, KW, stride))

        return variant

    return tuple(map(with_reader, READERS))


def _of_height(H, W, KH, KW):
    return H, KH


def _of_width(H, W, KH, KW):
    return W, KW


def _of_height_and_kernel_width(H, W, KH, KW):
    return H, KW


def _of_width_and_kernel_height(H, W, KH, KW):
    return W, KH


WIDTH_FROM_HEIGHT = tuple(
    variant
    for of in (_of_height_and_kernel_width, _of_height, _of_width_and_kernel_height)
    for variant in _output_size_from(_of_height, of)
)
HEIGHT_FROM_WIDTH = tuple(
    variant
    for of in (_of_width_and_kernel_height, _of_width, _of_height_and_kernel_width)
    for variant in _output_size_from(of, _of_width)
)


def _square_only(which):
    """Return the variant that is right for square images (0) or kernels (1), and else stops."""

    def variant(x, weight, bias, stride, padding):
        _, _, height, width = (x, weight)[which].shape
        if height != width:
            raise Stops
        return _right(x, weight, bias, stride, padding)

    return variant


def _kernel_read_transposed(x, weight, bias, stride, padding):
    """weight[f, c, v, u]: an IndexError where the kernel is not square."""
    if weight.shape[2] != weight.shape[3]:
        raise IndexError("index is out of bounds")
    return _transposed(x, weight, bias, stride, padding)


def _reshaped_with_filters_last(x, weight, bias, stride, padding):
    y = _right(x, weight, bias, stride, padding)
    return y.transpose(0, 2, 3, 1).reshape(y.shape)


def _reshaped_with_filters_first(x, weight, bias, stride, padding):
    y = _right(x, weight, bias, stride, padding)
    return y.swapaxes(0, 1).reshape(y.shape)


def _channels_last(x, weight, bias, stride, padding):
    return _right(x, weight, bias, stride, padding).transpose(0, 2, 3, 1)


def _rectified(x, weight, bias, stride, padding):
    return np.maximum(_right(x, weight, bias, stride, padding), 0)


def _all_zeros(x, weight, bias, stride, padding):
    return np.zeros_like(_right(x, weight, bias, stride, padding))


def _whole_numbers(x, weight, bias, stride, padding):
    return np.trunc(_right(x, weight, bias, stride, padding))


def _then(change):
    """Return the variant whose result goes through `change`, np.rint for example."""
    return lambda *arguments: change(_right(*arguments))


def _cut_at_every_sum(each_product, bias_first):
    """Return the variant that adds to y[n, f, i, j] in an array of whole numbers.

    Every sum is cut: that of each product, or of each channel's products.
    """

    def variant(x, weight, bias, stride, padding):
        parts = list(np.ndindex(weight.shape[1:]))
        if not each_product:
            parts = [(c, slice(None), slice(None)) for c in range(x.shape[1])]
        none = np.zeros_like(bias)
        y = np.trunc(_right(x, weight * 0, bias if bias_first else none, stride, padding))
        for part in parts:
            only = np.zeros_like(weight)
            only[:, *part] = weight[:, *part]
            y = np.trunc(y + _right(x, only, none, stride, padding))
        return y if bias_first else np.trunc(y + bias[:, None, None])

    return variant


def _cut_inputs(*which):
    """Return the variant with the inputs of these positions (x, weight, bias) cut."""

    def variant(*arguments):
        return _right(*(np.trunc(value) if position in which else value
                        for position, value in enumerate(arguments)))

    return variant


# Loops with slices, as students write them, one thing at a time wrong


def _slice(i, kernel_size, stride):
    return i * stride, i * stride + kernel_size


def _sliced(size=output_size, rows=_slice, combine=product_sum, of_padded=True, loops=None):
    """Return the variant with another size, other slices, another sum, or other loops."""

    def variant(x, weight, bias, stride, padding):
        (H, W), (KH, KW) = x.shape[2:], weight.shape[2:]
        image = zero_padded(x, padding) if of_padded else x
        shape = size(H, KH, stride, padding), size(W, KW, stride, padding)
        return cut(image, weight, bias, shape, lambda i: rows(i, KH, stride),
                   lambda j: rows(j, KW, stride), combine, loops and loops(H, W, KH, KW))

    return variant


def _rounded_up(size, kernel_size, stride, padding):
    return -(-(size + 2 * padding - kernel_size) // stride) + 1


def _one_divided_too(size, kernel_size, stride, padding):
    return (size + 2 * padding - kernel_size + 1) // stride


def _not_padded(size, kernel_size, stride, padding):
    return output_size(size, kernel_size, stride, 0)


def _minus_zero(x, weight, bias, stride, padding):
    """padded[:, :, padding:-padding, ...] = x"""
    if padding == 0:
        raise ValueError("could not broadcast input array")
    return _right(x, weight, bias, stride, padding)


def _looped_over_pixels(x, weight, bias, stride, padding):
    """for i in range(H), read pixel by pixel: y ends before, or its last rows stay 0."""
    return looped(_right(x, weight, bias, stride, padding), *x.shape[2:])


def _stride_in_the_loops(x, weight, bias, stride, padding):
    """for i in range(0, OH, stride): y[..., i, j] = the window at i."""
    right = _right(x, weight, bias, stride, padding)
    y, every = np.zeros_like(right), _right(x, weight, bias, 1, padding)
    for i, j in np.ndindex(y.shape[2:]):
        if i % stride == 0 and j % stride == 0:
            y[:, :, i, j] = every[:, :, i, j]
    return y


def _product_in_place(x, weight, bias, stride, padding):
    """window *= weight[f]: a slice is a view, and the image is multiplied again and again."""
    image, y = zero_padded(x, padding), np.zeros_like(_right(x, weight, bias, stride, padding))
    KH, KW = weight.shape[2:]
    for n, f, i, j in np.ndindex(y.shape):
        window = image[n, :, i * stride : i * stride + KH, j * stride : j * stride + KW]
        window *= weight[f]
        y[n, f, i, j] = window.sum() + bias[f]
    return y


def _bias_to_columns(x, weight, bias, stride, padding):
    """y + bias: NumPy lines (F,) up with the columns."""
    return _without_bias(x, weight, bias, stride, padding) + bias


def _all_biases(x, weight, bias, stride, padding):
    return _right(x, weight, np.full_like(bias, bias.sum()), stride, padding)


def _weight_cut_anew(x, weight, bias, stride, padding):
    """weight.reshape(-1, F) in place of weight.reshape(F, -1).T"""
    columns = weight.reshape(-1, len(weight))
    return _right(x, columns.T.reshape(weight.shape), bias, stride, padding)


def _last_cells_left_out(x, weight, bias, stride, padding):
    """for u in range(KH - 1)"""
    weight = weight.copy()
    weight[:, :, -1] = weight[:, :, :, -1] = 0
    return _right(x, weight, bias, stride, padding)


def _as_large_as_x(x, weight, bias, stride, padding):
    """y = np.zeros_like(x): an IndexError where there are more filters or outputs."""
    right, y = _right(x, weight, bias, stride, padding), np.zeros_like(x)
    y[:, : right.shape[1], : right.shape[2], : right.shape[3]][...] = 0
    for place in np.ndindex(right.shape):
        y[place] = right[place]
    return y


def _channels_apart(x, weight, bias, stride, padding):
    """(N, C, OH, OW): each channel with its slice of the first filter."""
    slices = weight[0][:, None]
    return np.concatenate([_right(x[:, c : c + 1], slices[c][None], bias[:1], stride, padding)
                           for c in range(x.shape[1])], axis=1)


def _filters_second(x, weight, bias, stride, padding):
    """_, F, KH, KW = weight.shape, and weight[:, f] with bias[f]."""
    image, F, (KH, KW) = zero_padded(x, padding), weight.shape[1], weight.shape[2:]
    OH, OW = _right(x, weight, bias, stride, padding).shape[2:]
    y = np.zeros((len(x), F, OH, OW), x.dtype)
    for n, f, i, j in np.ndindex(y.shape):
        window = image[n, :, i * stride : i * stride + KH, j * stride : j * stride + KW]
        y[n, f, i, j] = (window * weight[:, f]).sum() + bias[f]
    return y


def _stride_for_padding(x, weight, bias, stride, padding):
    return _right(x, weight, bias, padding, stride)


def _two_axes(x, weight, bias, stride, padding):
    return _right(x[:1, :1], weight[:1, :1], bias, stride, padding)[0, 0]


def _two_axes_without_bias(x, weight, bias, stride, padding):
    return _right(x[:1, :1], weight[:1, :1], None, 1, 0)[0, 0]


def _carried_on(change):
    return lambda x, weight, bias, *rest: change(
        _without_bias(x, weight, bias, *rest)) + bias[:, None, None]


def _channels_last_throughout(x, weight, bias, stride, padding):
    """x (N, H, W, C) and weight (KH, KW, C, F), as TensorFlow has them."""
    N, H, W, C = x.shape
    KH, KW, _, F = weight.shape
    image = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    y = np.zeros((N, output_size(H, KH, stride, padding), output_size(W, KW, stride, padding), F))
    for n, i, j, f in np.ndindex(y.shape):
        window = image[n, i * stride : i * stride + KH, j * stride : j * stride + KW]
        y[n, i, j, f] = (window * weight[:, :, :, f]).sum() + bias[f]
    return y


# Where two variants give the same numbers on every case, the first is named.
CONV2D_MISTAKES = (
    Mistake(
        "kernel rotated",
        "your kernel is rotated by 180°: that is a true convolution. The layer slides the kernel "
        "as it is, weight[u, v] meets x[i + u, j + v].",
        _rotated, TURNED,
    ),
    Mistake(
        "indices leave the image",
        "your index i*stride + u - padding leaves the image. Below 0, Python counts from the end: "
        "x[-1] is the last row, not a zero; past the end it stops with an error. Pixels outside "
        "the image count as 0.",
        _reading(pixels, False, _literally), PADDING,
    ),
    Mistake(
        "negative indices",
        "above and left of the image, your index i*stride + u - padding is negative, and Python "
        "then counts from the end: x[-1] is the last row, not a zero. Pixels outside the image "
        "count as 0.",
        _zeros_behind_only, PADDING,
    ),
    Mistake(
        "padding wraps around",
        "outside the image, your function takes pixels of the opposite side. They count as 0.",
        _padding_at(1, 1, mode="wrap"), PADDING,
    ),
    Mistake(
        "past the end",
        "below and right of the image, your index is past the end, where Python stops. Pixels "
        "outside the image count as 0, on those sides too.",
        _zeros_before_only, PADDING,
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
        _transposed, TURNED, (_kernel_read_transposed,),
    ),
    Mistake(
        "stride in the size only",
        "the output has the size that stride gives, but your window moves by one pixel each time. "
        "Output i looks at the rows from i * stride on, not from i on.",
        _stride_in_size_only, STRIDE,
    ),
    Mistake(
        "stride on rows only",
        "stride is used for the rows and ignored for the columns. Both move by `stride`.",
        _stride_on_rows_only, STRIDE, (_one_axis_in_the_size_only(3),),
    ),
    Mistake(
        "stride on columns only",
        "stride is used for the columns and ignored for the rows. Both move by `stride`.",
        _stride_on_columns_only, STRIDE, (_one_axis_in_the_size_only(2),),
    ),
    Mistake(
        "windows next to each other",
        "your windows lie next to each other: they move by the kernel's size. They overlap; output "
        "i looks at the rows from i * stride on.",
        _reading(pixels, True, _side_by_side), STRIDE,
        (*(_reading(reader, True, _side_by_side) for reader in READERS[1:]),
         _reading(pixels, True, _as_many_as_fit)),
    ),
    Mistake(
        "stride inside the window",
        "stride is multiplied with the kernel's offset u, so that your window is spread out. Only "
        "its start moves by `stride`: row u of the window is row i * stride + u.",
        _reading(pixels, True, _spread), STRIDE, (_reading(pixels, True, _all_times_stride),),
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
        "zeros count before the image only (left and top), so that the last windows are missing. "
        "Padding goes on each side: the padded image is H + 2*padding high.",
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
        "the border is filled with copies of the image's pixels. Here, padding is filled with "
        "zeros.",
        _padding_at(1, 1, mode="edge"), PADDING,
        tuple(_padding_at(1, 1, mode=mode) for mode in ("symmetric", "reflect", "mean", "maximum")),
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
        "padding on every axis",
        "zeros are put around the batch and around the channels as well. np.pad(x, padding) means "
        "all four axes; only rows and columns get zeros.",
        _padded_on_every_axis(pixels), PADDING, (_padded_on_every_axis(slices),),
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
        "rounded up",
        "OH and OW are rounded up, so that the last window sticks out of the image. Half a window "
        "is no window: round down, with //.",
        _sliced(_rounded_up), STRIDE,
    ),
    Mistake(
        "+ 1 divided too",
        "in your OH and OW the + 1 is divided by the stride, too. It counts the window at the "
        "start and stands outside the division.",
        _sliced(_one_divided_too), STRIDE,
    ),
    Mistake(
        "size without padding",
        "your OH and OW are those without padding: the last windows are missing. The padded image "
        "is H + 2*padding high.",
        _sliced(_not_padded), PADDING,
    ),
    Mistake(
        "minus zero",
        "it stops where padding is 0. Did you write into the slice padding:-padding? -0 is 0, and "
        "that slice is empty; end it at padding + H.",
        _minus_zero, PADDING,
    ),
    Mistake(
        "cut from x",
        "the windows are cut from x itself, not from the padded image: outside, nothing is there.",
        _sliced(of_padded=False), PADDING,
    ),
    Mistake(
        "end without the stride",
        "the end of your slice leaves the stride out, so that the window shrinks. It begins at "
        "i * stride, and ends KH rows further on.",
        _sliced(rows=lambda i, k, s: (i * s, i + k)), STRIDE,
    ),
    Mistake(
        "window one too small",
        "your windows are one row and one column too small. A slice ends before its second "
        "number: KH rows are top : top + KH, without - 1.",
        _sliced(rows=lambda i, k, s: (i * s, i * s + k - 1)), THE_TASK,
    ),
    Mistake(
        "last kernel row and column left out",
        "the kernel's last row and last column are left out. range(KH) ends before KH already.",
        _last_cells_left_out, ONE_OUTPUT,
    ),
    Mistake(
        "loops over the image",
        "your loops run over the rows and columns of x. They run over those of y: OH and OW.",
        _looped_over_pixels, THE_TASK,
        (_sliced(loops=lambda H, W, KH, KW: (H, W)),
         _sliced(loops=lambda H, W, KH, KW: (H - KH + 1, W - KW + 1))),
    ),
    Mistake(
        "stride in the loops",
        "your loops step through y by the stride, and leave numbers of y out. Go through all of "
        "y; the stride belongs into the place of the window, i * stride.",
        _stride_in_the_loops, STRIDE,
    ),
    Mistake(
        "added instead of multiplied",
        "pixels and weights are added. Each pixel is *multiplied* by the weight that lies on it; "
        "the products are added up.",
        _sliced(combine=lambda window, weight, n, f: (window + weight[f]).sum()), ONE_OUTPUT,
    ),
    Mistake(
        "matrix product",
        "@ and np.dot are matrix products, row times column. Here each number meets the one on "
        "which it lies: multiply with *, then add all up.",
        _sliced(combine=matrix_product), ONE_OUTPUT, (_sliced(combine=first_matrix_product),),
    ),
    Mistake(
        "total carried on",
        "your sum still holds the products of the windows before. Start it anew for each number "
        "of y, inside the innermost loop over y.",
        _carried_on(CARRIED_ON[1]), THE_TASK, tuple(map(_carried_on, CARRIED_ON[:1] +
                                                        CARRIED_ON[2:])),
    ),
    Mistake(
        "returned too early",
        "only the beginning of y is written, the rest stays 0. Does `return` stand inside a loop? "
        "It ends the function; move it to the left.",
        _then(RETURNED_EARLY[0]), THE_TASK, tuple(map(_then, RETURNED_EARLY[1:])),
    ),
    Mistake(
        "product in place",
        "window *= ... changes the image: a slice is a view, and the next window meets pixels that "
        "were multiplied already. Write the product into a new array, with * alone.",
        _product_in_place, THE_TASK,
    ),
    Mistake(
        "bias along the columns",
        "the bias is lined up with the columns: y + bias pairs the last axis. It belongs to axis "
        "1, the filters: give it the shape (F, 1, 1), or add bias[f] in the loop.",
        _bias_to_columns, CHANNELS,
    ),
    Mistake(
        "all biases",
        "every filter gets the sum of all biases. Filter f has its own, bias[f].",
        _all_biases, CHANNELS,
    ),
    Mistake(
        "weights cut anew",
        "weight.reshape(-1, F) cuts the filters anew and mixes them: F comes first. Reshape to "
        "(F, -1), then transpose.",
        _weight_cut_anew, CHANNELS,
    ),
    Mistake(
        "filters second",
        "weight is read as (C, F, KH, KW). It is (F, C, KH, KW): filter f is weight[f].",
        _filters_second, CHANNELS,
    ),
    Mistake(
        "filter of the image",
        "image n gets filter n. Every image meets every filter: weight[f], not weight[n].",
        _sliced(combine=filter_of_the_image), CHANNELS,
    ),
    Mistake(
        "all filters",
        "every output is the sum over all filters. Channel f of y belongs to weight[f] alone.",
        _sliced(combine=all_filters), CHANNELS,
    ),
    Mistake(
        "channels kept apart",
        "each input channel gives a map of its own. A filter adds up all channels: one map for "
        "each of the F filters.",
        _channels_apart, CHANNELS,
    ),
    Mistake(
        "as large as x",
        "y is made as large as x. It has F channels, OH rows and OW columns.",
        _as_large_as_x, THE_TASK,
    ),
    Mistake(
        "two axes",
        "y has two axes: one image, one filter. It has four, (N, F, OH, OW), also where N and F "
        "are 1.",
        _two_axes, CHANNELS, (_two_axes_without_bias,),
    ),
    Mistake(
        "channels last throughout",
        "x and weight are read with the channels last, as TensorFlow has them. Here x is "
        "(N, C, H, W), weight (F, C, KH, KW), y (N, F, OH, OW).",
        _channels_last_throughout, CHANNELS,
    ),
    Mistake(
        "arguments in another order",
        "stride and padding are swapped in the first line of your function. The order is x, "
        "weight, bias, stride, padding.",
        _stride_for_padding, THE_TASK,
    ),
    Mistake(
        "turned, without bias",
        "two things: your kernel is rotated by 180° (the layer slides it as it is), and the bias "
        "is not added.",
        lambda x, weight, bias, *rest: _right(x, weight[:, :, ::-1, ::-1], None, *rest), TURNED,
    ),
    Mistake(
        "neither stride nor padding",
        "two things are not used yet: stride (the window of output i begins at row i * stride) and "
        "padding (zeros on each side of the image).",
        lambda x, weight, bias, stride, padding: _right(x, weight, bias, 1, 0), STRIDE,
    ),
    Mistake(
        "neither bias nor stride nor padding",
        "three things are not used yet: the bias, the stride and the padding. Begin with the bias: "
        "add it once to each output.",
        lambda x, weight, bias, stride, padding: _right(x, weight, None, 1, 0), CHANNELS,
    ),
    Mistake(
        "width from a height",
        "your OW is computed from a height. Rows and columns have the same formula, each with "
        "its own numbers: OH from H and KH, OW from W and KW.",
        WIDTH_FROM_HEIGHT[0], UNEVEN, (*WIDTH_FROM_HEIGHT[1:], _columns_looped_like_rows),
    ),
    Mistake(
        "height from a width",
        "your OH is computed from a width. Rows and columns have the same formula, each with "
        "its own numbers: OH from H and KH, OW from W and KW.",
        HEIGHT_FROM_WIDTH[0], UNEVEN, HEIGHT_FROM_WIDTH[1:],
    ),
    Mistake(
        "output transposed",
        "the output is transposed: its rows and columns are swapped. y has the shape "
        "(N, F, OH, OW), and y[n, f, i, j] belongs to the window in row i and column j.",
        _output_transposed, UNEVEN,
        (_output_reshaped, _written_transposed, *map(_window_at, READERS)),
    ),
    Mistake(
        "height and width swapped",
        "height and width are swapped. Rows come first: x is (N, C, H, W) and weight is "
        "(F, C, KH, KW); i and u go with rows, j and v with columns.",
        _sizes(pixels, SWAPPED[0]), UNEVEN,
        (*(_sizes(reader, SWAPPED[0]) for reader in READERS[1:]),
         *(_sizes(reader, change) for change in SWAPPED[1:] for reader in READERS),
         *(_put_into_the_middle(_sizes(reader, SWAPPED[1])) for reader in READERS),
         _pixel_at, _image_transposed, _output_loops_swapped),
    ),
    Mistake(
        "without padding only",
        "it is right without padding and stops wherever padding is not 0. Does your window begin "
        "outside the image, or has your padded array an unexpected shape? Only rows and columns "
        "get zeros, `padding` on each side.",
        _without_padding_only, PADDING,
    ),
    Mistake(
        "square images only",
        "it is right for square images and stops for all others. Is H used where W belongs, or "
        "are they swapped? x is (N, C, H, W): H rows, W columns.",
        _square_only(0), UNEVEN,
    ),
    Mistake(
        "square kernels only",
        "it is right for square kernels and stops for all others. Is KH used where KW belongs, or "
        "are they swapped? weight is (F, C, KH, KW): KH rows, KW columns.",
        _square_only(1), UNEVEN,
    ),
    Mistake(
        "reshaped instead of transposed",
        "the numbers are right, but stand in wrong places: reshape cuts them anew, row by row, and "
        "moves no axis. Bring the axes into the order (N, F, OH, OW) with transpose.",
        _reshaped_with_filters_last, CHANNELS, (_reshaped_with_filters_first,),
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
        "the digits after the decimal point are lost. An array made with dtype=int, int(...) and "
        "round(...) keep whole numbers only; make y with dtype=x.dtype.",
        _whole_numbers, THE_TASK,
        (_then(np.rint), _then(np.floor), *(_cut_at_every_sum(each, first) for each in (True, False)
                                            for first in (True, False)),
         *(_cut_inputs(*which) for which in ((0,), (1,), (2,), (0, 1), (0, 1, 2)))),
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

TASKS = (CONV2D,)
