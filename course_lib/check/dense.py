"""What the checks of exercise 04 know: flatten, dense, activations, scores, a network's text.

A mistake is a deliberately wrong variant of the task's function with the sentence that a student
reads who makes it. Only `course_lib.check` and exercise 04 import this module.
"""

import inspect

import numpy as np

from course_lib.check.tasks import Case, Mistake, Section, Task, small_numbers
from course_lib.config import parse
from course_lib.losses import softmax_cross_entropy
from course_lib.pointwise import dense, flatten, leaky_relu, log_softmax, relu, sigmoid, softmax, \
    tanh

EXERCISE = "ex04_flatten_and_dense"
LIST = Section("04_flatten_and_dense", "Flatten turns maps into one list, and loses nothing")
BEND = Section("04_flatten_and_dense", "Without a bend, two layers are one")
SCORES = Section("04_flatten_and_dense",
                 "Scores become probabilities, and one number says how wrong")
TEXT = Section("04_flatten_and_dense", "A network fits into seven lines of text")
WHOLE = Section("00_start_here", "In the wild: whole numbers that stay whole")
AXES = Section("00_start_here", "An image is an array of numbers")
VECTORS = Section(EXERCISE, "4.4 Write the function: `my_dense`")

LOST_DIGITS = (
    "the digits after the decimal point are lost. An array made with dtype=int, int(...) and "
    "round(...) keep whole numbers only; make yours with dtype=x.dtype."
)
NOTHING_WRITTEN = "every number is 0: the array was made, but nothing was written into it."


def _numbers(shape, start, dtype=np.float64, scale=1.0) -> np.ndarray:
    """Return an array of this shape, filled by `small_numbers`."""
    return (small_numbers(int(np.prod(shape)), start).reshape(shape) * scale).astype(dtype)


def _whole(right) -> Mistake:
    """Return the mistake of a result that is cut, rounded or floored to whole numbers."""
    return Mistake("whole numbers", LOST_DIGITS, lambda *given: np.trunc(right(*given)), WHOLE,
                   (lambda *given: np.rint(right(*given)), lambda *given: np.floor(right(*given))))


def _nothing(right) -> Mistake:
    return Mistake("all zeros", NOTHING_WRITTEN, lambda *given: 0 * right(*given), WHOLE)


def _first_only(right, sentence: str, section: Section) -> Mistake:
    """Return the mistake of a loop that ends after the first row."""

    def variant(*given):
        y = right(*given).copy()
        y[1:] = 0
        return y

    return Mistake("first image only", sentence, variant, section)


def _first_everywhere(right, section: Section) -> Mistake:
    return Mistake(
        "first image everywhere",
        "every image of the batch gets the first image's numbers. Row n belongs to image n.",
        lambda *given: np.repeat(right(*given)[:1], len(given[0]), axis=0), section)


# Flatten and back

MAPS = ((1, 1, 2, 2), (1, 1, 2, 3), (1, 2, 2, 3), (2, 1, 2, 3), (2, 2, 3, 2), (3, 2, 2, 2),
        (2, 3, 4, 5))


def _counted(shape, dtype=np.float64) -> np.ndarray:
    """Return different numbers, some negative, so that every place can be told from the others."""
    return np.arange(-3, np.prod(shape) - 3, dtype=dtype).reshape(shape) * dtype(0.5)


def _flat(x):
    return flatten(x)[0]


def _written_at(x, index_of):
    """Write pixel by pixel at index_of(c, i, j, H, W): an IndexError beyond the end."""
    y, (H, W) = np.zeros(_flat(x).shape, x.dtype), x.shape[2:]
    for n, c, i, j in np.ndindex(x.shape):
        y[n, index_of(c, i, j, H, W)] = x[n, c, i, j]
    return y


FLATTEN_MISTAKES = (
    Mistake("batch flattened too",
            "all images end up in one single row. The batch axis stays: one row for each image, "
            "shape (N, C*H*W).",
            lambda x: x.reshape(1, -1), LIST, (lambda x: x.reshape(-1),)),
    Mistake("pixels before channels",
            "the channels of one pixel stand side by side (that is NHWC). Here a whole channel "
            "comes first, row by row, then the next channel.",
            lambda x: x.transpose(0, 2, 3, 1).reshape(len(x), -1), LIST),
    Mistake("columns before rows",
            "each map is read column by column. It is read row by row: index (c*H + i)*W + j.",
            lambda x: x.swapaxes(2, 3).reshape(len(x), -1), LIST),
    Mistake("first axis fastest",
            "the first axis runs fastest: channels, then rows, then columns (order=\"F\" does so, "
            "and a transpose). Here the last axis runs fastest, as NumPy does by itself.",
            lambda x: x.reshape(len(x), -1, order="F"), LIST),
    Mistake("channel forgotten in the index",
            "the channel is missing in the index: every channel is written over the one before. "
            "Pixel (c, i, j) stands at (c*H + i)*W + j.",
            lambda x: _written_at(x, lambda c, i, j, H, W: i * W + j), LIST),
    Mistake("height for width in the index",
            "height and width are mixed up in the index: a row of a map has W numbers, a map H "
            "rows. Pixel (c, i, j) stands at (c*H + i)*W + j.",
            lambda x: _written_at(x, lambda c, i, j, H, W: (c * W + i) * H + j), LIST,
            (lambda x: _written_at(x, lambda c, i, j, H, W: (c * W + i) * W + j),
             lambda x: _written_at(x, lambda c, i, j, H, W: (c * H + i) * H + j))),
    Mistake("only H*W numbers", "there is room for H*W numbers in a row. A row holds all channels: "
            "C*H*W.", lambda x: x.reshape(len(x), x.shape[2] * x.shape[3]), LIST),
    Mistake("averaged", "each channel is averaged, which leaves one number for it. Flatten does no "
            "arithmetic: all C*H*W numbers stay.", lambda x: x.mean(axis=(2, 3)), LIST,
            (lambda x: x.sum(axis=(2, 3)),)),
    Mistake("a row or column lost", "the last row or column of each map is missing. All C*H*W "
            "numbers stay.", lambda x: _flat(x[:, :, :-1]), LIST,
            (lambda x: _flat(x[:, :, :, :-1]), lambda x: _flat(x[:, :, :-1, :-1]))),
    Mistake("images added up", "the images are added up. Each has its own row.",
            lambda x: x.sum(axis=0).reshape(1, -1), LIST, (lambda x: x.sum(axis=0).ravel(),)),
    Mistake("axes the wrong way round",
            "your array has a column for each image. The images are the rows: shape (N, C*H*W).",
            lambda x: _flat(x).T, LIST, (lambda x: x.reshape(-1, len(x)),)),
    Mistake("channels kept",
            "the channels have kept their axis. They go into the row too: shape (N, C*H*W).",
            lambda x: x.reshape(*x.shape[:2], -1), LIST),
    Mistake("rows kept",
            "only the columns and the channels were joined. Three axes, C, H and W, become one.",
            lambda x: x.reshape(len(x), -1, x.shape[3]), LIST),
    Mistake("first channel only", "only the first channel is in the row. All of them follow, one "
            "behind the other.", lambda x: _flat(x[:, :1]), LIST),
    Mistake("channels added up", "the channels are added up. Flatten does no arithmetic: all "
            "C*H*W numbers stay as they are.", lambda x: _flat(x.sum(1, keepdims=True)), LIST),
    Mistake("images mixed", "numbers of different images stand in one row: a transpose or reshape "
            "moved the batch axis. Row n holds image n.",
            lambda x: x.swapaxes(0, 1).reshape(len(x), -1), LIST,
            (lambda x: x.reshape(-1, len(x)).T,)),
    Mistake("reversed", "each row stands in reverse order. It begins with channel 0, row 0, "
            "column 0.", lambda x: _flat(x)[:, ::-1], LIST),
    _first_only(_flat, "only the first image is written; the other rows stay 0.", LIST),
    _first_everywhere(_flat, LIST),
    _nothing(_flat),
)

FLATTEN = Task(
    id=f"{EXERCISE}/flatten", function_name="my_flatten", argument_names=("x",),
    result_name="y", reference=_flat,
    cases=(*(Case((_counted(shape),)) for shape in MAPS),
           Case((_counted((3, 2, 3, 2), np.float32),))),
    mistakes=FLATTEN_MISTAKES, section=LIST, shape_rule="(N, C*H*W), one row for each image",
)


def _back(y, C, H, W):
    return y.reshape(len(y), C, H, W)


def _read_at(y, C, H, W, place_of):
    """Write number k of each map at place_of(k): an IndexError beyond the end."""
    x = np.zeros((len(y), C, H, W), y.dtype)
    for n, c, k in np.ndindex(len(y), C, H * W):
        x[n, c, *place_of(k)] = y[n, c * H * W + k]
    return x


def _square_maps_only(y, C, H, W):
    if H != W:
        raise ValueError("could not broadcast input array")
    return _back(y, C, H, W).swapaxes(2, 3)


UNFLATTEN_MISTAKES = (
    Mistake("channels taken last",
            "the row is read as if the channels of a pixel stood side by side. The first H*W "
            "numbers are channel 0, the next H*W are channel 1.",
            lambda y, C, H, W: y.reshape(len(y), H, W, C).transpose(0, 3, 1, 2), LIST),
    Mistake("channels last",
            "your axes are (N, H, W, C). The channels come second here: (N, C, H, W).",
            lambda y, C, H, W: y.reshape(len(y), H, W, C), AXES,
            (lambda y, C, H, W: _back(y, C, H, W).transpose(0, 2, 3, 1),)),
    Mistake("height and width swapped",
            "height and width are swapped. Rows come first: (N, C, H, W).",
            lambda y, C, H, W: y.reshape(len(y), C, W, H), AXES,
            (lambda y, C, H, W: _back(y, C, H, W).swapaxes(2, 3),)),
    Mistake("columns before rows",
            "the numbers are put in column by column. A map is filled row by row: index "
            "(c*H + i)*W + j.",
            lambda y, C, H, W: y.reshape(len(y), C, W, H).swapaxes(2, 3), LIST,
            (_square_maps_only,)),
    Mistake("first axis fastest",
            'order="F" lets the first index run fastest. Flatten did not, so the way back must '
            "not either.",
            lambda y, C, H, W: y.reshape((len(y), C, H, W), order="F"), LIST),
    Mistake("images and channels swapped",
            "images and channels are swapped. The first axis is the batch: row n of y becomes "
            "image n.",
            lambda y, C, H, W: y.reshape(C, len(y), H, W), AXES,
            (lambda y, C, H, W: _back(y, C, H, W).swapaxes(0, 1),)),
    Mistake("images mixed", "numbers of different images stand in one map. Row n of y becomes "
            "image n, whole.",
            lambda y, C, H, W: y.reshape(C, len(y), H, W).swapaxes(0, 1), LIST),
    Mistake("channel axis missing", "the channel axis is missing. Grey images keep it too: "
            "(N, 1, H, W).", lambda y, C, H, W: y.reshape(len(y) * C, H, W), AXES,
            (lambda y, C, H, W: y.reshape(len(y), C * H, W),)),
    Mistake("batch axis missing", "only the first image comes back, without its batch axis.",
            lambda y, C, H, W: y[0].reshape(C, H, W), AXES,
            (lambda y, C, H, W: y[:1].reshape(1, C, H, W),)),
    Mistake("one image only", "the batch axis is missing: that fits one image only. The first "
            "length is the number of images.", lambda y, C, H, W: y.reshape(C, H, W), AXES,
            (lambda y, C, H, W: y.reshape(1, C, H, W),)),
    Mistake("rows not cut", "the maps are not cut into rows: shape (N, C, H*W). Two axes more, H "
            "and W, are needed.", lambda y, C, H, W: y.reshape(len(y), C, H * W), LIST),
    Mistake("divided by the height", "the index inside a map is divided by H. A row of a map has W "
            "numbers: divide by W, the quotient is the row.",
            lambda y, C, H, W: _read_at(y, C, H, W, lambda k: (k // H, k % H)), LIST),
    Mistake("square maps", "the maps are taken for squares. They have H rows and W columns.",
            lambda y, C, H, W: np.resize(y, (len(y), C, H, H)), LIST,
            (lambda y, C, H, W: y.reshape(len(y), C, H, H),
             lambda y, C, H, W: y.reshape(len(y), C, W, W))),
    Mistake("last number left out", "the last number of each row is never written. Does your loop "
            "end one step early?", lambda y, C, H, W: _back(
                np.concatenate([y[:, :-1], 0 * y[:, -1:]], axis=1), C, H, W), LIST),
    Mistake("first channel everywhere", "every channel holds the numbers of the first one. Channel "
            "c begins at index c*H*W.", lambda y, C, H, W: np.repeat(
                _back(y, C, H, W)[:, :1], C, axis=1), LIST),
    Mistake("not changed", "y comes back as it was. Cut each row into C maps of H rows and W "
            "columns.", lambda y, C, H, W: y, LIST),
    Mistake("reversed", "each image stands on its head: the numbers run backwards.",
            lambda y, C, H, W: _back(y[:, ::-1], C, H, W), LIST),
    _first_only(_back, "only the first image is written; the others stay 0.", LIST),
    _first_everywhere(lambda y, C, H, W: _back(y, C, H, W), LIST),
    _nothing(_back),
)

UNFLATTEN = Task(
    id=f"{EXERCISE}/unflatten", function_name="my_unflatten", argument_names=("y", "C", "H", "W"),
    result_name="x", reference=_back,
    cases=(*(Case((_counted((shape[0], int(np.prod(shape[1:])))), *shape[1:])) for shape in MAPS),
           Case((_counted((3, 12), np.float32), 2, 3, 2))),
    mistakes=UNFLATTEN_MISTAKES, section=LIST, shape_rule="(N, C, H, W)",
)


# Dense


def _dense_case(N, inputs, outputs, dtype=np.float64, scale=1.0) -> Case:
    start = N + 7 * inputs + 31 * outputs
    bias = _numbers((outputs,), start + 2, dtype, scale) + dtype(5)  # none is 0: none forgotten
    return Case((_numbers((N, inputs), start, dtype, scale),
                 _numbers((inputs, outputs), start + 1, dtype, scale), bias))


DENSE_CASES = (
    Case((np.array([[1.0, 2.0, 3.0]]), np.array([[1.0, 0.0], [10.0, 1.0], [0.0, -1.0]]),
          np.array([0.5, 5.0]))),
    _dense_case(1, 2, 1), _dense_case(1, 2, 3), _dense_case(2, 3, 2), _dense_case(2, 2, 2),
    _dense_case(3, 4, 2, np.float32), _dense_case(3, 1, 4), _dense_case(5, 4, 3, np.float64, 0.37),
    _dense_case(4, 7, 6, np.float32, 0.37),
)


def _weighted(x, weight, bias):
    return dense(x, weight, bias)[0]


def _row_times_row(x, weight, bias):
    """x @ weight.T stops, unless weight is square."""
    if weight.shape[0] != weight.shape[1]:
        raise ValueError("matmul: mismatch")
    return x @ weight.T + bias


def _one_only(which):
    """Return the variant with the product of one input only."""
    return lambda x, weight, bias: x[:, which, None] * weight[which] + bias


def _bias_at(place_of):
    """Add bias[place_of(n, N)] to row n: an IndexError where there are more images than outputs."""
    return lambda x, weight, bias: x @ weight + bias[
        [place_of(n, len(x)) for n in range(len(x))]][:, None]


DENSE_MISTAKES = (
    Mistake("bias forgotten", "the bias is not added. Each output o starts from bias[o].",
            lambda x, weight, bias: x @ weight, VECTORS),
    Mistake("bias once per input", "the bias is added once per input. Add it once to each output, "
            "after the sum.", lambda x, weight, bias: x @ weight + bias * len(weight), VECTORS),
    Mistake("bias subtracted", "the bias is subtracted. It is added.",
            lambda x, weight, bias: x @ weight - bias, VECTORS),
    Mistake("first bias everywhere", "every output gets bias[0]. Output o has its own, bias[o].",
            lambda x, weight, bias: x @ weight + bias[0], VECTORS),
    Mistake("bias multiplied", "the sum is multiplied by the bias. The bias is added to it.",
            lambda x, weight, bias: x @ weight * bias, VECTORS),
    Mistake("weight transposed",
            "weight is used transposed. Its rows belong to the inputs, its columns to the outputs: "
            "input i meets output o at weight[i, o].",
            _row_times_row, VECTORS,
            (lambda x, weight, bias: x @ weight.reshape(weight.shape[::-1]).T + bias,)),
    Mistake("last input only", "only the product of the last input is left. Add the products up "
            "(+=) instead of replacing what was there (=).", _one_only(-1), VECTORS,
            (lambda x, weight, bias: x[:, -1, None] * weight[-1],)),
    Mistake("first input only", "only the first input is used. Every output looks at every input.",
            _one_only(0), VECTORS),
    Mistake("last input left out", "the last input is left out. Does your loop over the inputs "
            "end one step early?",
            lambda x, weight, bias: x[:, :-1] @ weight[:-1] + bias, VECTORS,
            (lambda x, weight, bias: x[:, :-1] @ weight[:-1] - bias,
             lambda x, weight, bias: x[:, :-1] @ weight[:-1])),
    Mistake("mean over inputs", "each output is the mean of its products. It is their sum.",
            lambda x, weight, bias: x @ weight / len(weight) + bias, VECTORS),
    Mistake("weights ignored", "the inputs are summed without the weights. Multiply each by "
            "weight[i, o] first.",
            lambda x, weight, bias: x @ np.ones_like(weight) + bias, VECTORS),
    Mistake("first weights everywhere", "every output uses the weights of output 0. Output o has "
            "its own column, weight[:, o].",
            lambda x, weight, bias: x @ np.repeat(weight[:, :1], len(bias), axis=1) + bias,
            VECTORS),
    Mistake("images added up", "the images of the batch are added up. Each has its own row of "
            "outputs, y[n].",
            lambda x, weight, bias: np.repeat((x @ weight).sum(0, keepdims=True), len(x), 0) + bias,
            VECTORS),
    Mistake("element by element", "numbers are multiplied one by one (*). Every input meets every "
            "output: that is the matrix product x @ weight, or a sum in loops.",
            lambda x, weight, bias: x * weight + bias, VECTORS,
            (lambda x, weight, bias: x * weight,)),
    Mistake("weight first", "the product begins with weight. Rows of x meet columns of weight: x "
            "comes first, x @ weight.", lambda x, weight, bias: weight @ x + bias, VECTORS,
            (lambda x, weight, bias: weight.T @ x + bias, lambda x, weight, bias: weight @ x)),
    Mistake("everything added up", "the products of all outputs are added up into one number. Each "
            "output has its own sum.", lambda x, weight, bias: (x @ weight).sum() + bias, VECTORS,
            (lambda x, weight, bias: np.asarray((x @ weight + bias).sum()),
             lambda x, weight, bias: x @ weight * 0 + (x @ weight).sum() + bias)),
    Mistake("bias of the image", "the bias is looked up by the image, bias[n], or by the input. It "
            "belongs to the output: bias[o].", _bias_at(lambda n, N: n), VECTORS,
            (_bias_at(lambda n, N: -1),)),
    Mistake("sum not begun anew", "each sum goes on where the last one ended. Begin every output "
            "with 0, or with its bias.",
            lambda x, weight, bias: (x @ weight).cumsum().reshape(len(x), -1) + bias, VECTORS,
            (lambda x, weight, bias: (x @ weight).cumsum(axis=1) + bias,
             lambda x, weight, bias: (x @ weight + bias).cumsum().reshape(len(x), -1),
             lambda x, weight, bias: (x @ weight + bias).cumsum(axis=1))),
    Mistake("mean of the bias", "every output gets the mean or the sum of the bias. Output o has "
            "its own, bias[o].", lambda x, weight, bias: x @ weight + bias.mean(), VECTORS,
            (lambda x, weight, bias: x @ weight + bias.sum(),)),
    Mistake("bias in the weights", "the bias is added to the weights. It is added to the outputs, "
            "after the product.", lambda x, weight, bias: x @ (weight + bias), VECTORS),
    Mistake("last output left out", "the last output is never computed. Does your loop over the "
            "outputs end one step early?",
            lambda x, weight, bias: (x @ weight + bias) * (np.arange(len(bias)) < len(bias) - 1),
            VECTORS),
    Mistake("divided by the number of images", "the sums are divided by the number of images. A "
            "dense layer takes no mean.", lambda x, weight, bias: x @ weight / len(x) + bias,
            VECTORS, (lambda x, weight, bias: (x @ weight + bias) / len(x),)),
    Mistake("outputs as rows", "your array is transposed: it has a row for each output. Its rows "
            "are the images: shape (N, out_features).",
            lambda x, weight, bias: _weighted(x, weight, bias).T, VECTORS),
    Mistake("negative values cut off", "negative outputs are set to 0. That is ReLU, the next "
            "layer's work: leave them as they are.",
            lambda x, weight, bias: np.maximum(_weighted(x, weight, bias), 0), BEND),
    _first_only(_weighted, "only the first image is computed; the other rows stay 0.", VECTORS),
    _first_everywhere(_weighted, VECTORS),
    _whole(_weighted),
    _nothing(_weighted),
)

DENSE = Task(
    id=f"{EXERCISE}/dense_layer", function_name="my_dense",
    argument_names=("x", "weight", "bias"), result_name="y", reference=_weighted,
    cases=DENSE_CASES, mistakes=DENSE_MISTAKES, section=VECTORS,
    shape_rule="(N, out_features), one row for each image",
)


# Activations: the same for every number

BENT_CASES = (
    np.array([[-2.0, -0.5, 0.5, 2.0]]), _numbers((2, 3), 5), _numbers((3, 2), 9, scale=0.37),
    _numbers((1, 2, 3, 2), 4, np.float32, 0.75), _numbers((2, 2, 3, 4), 8, np.float64, 0.3),
)
NEAR_ZERO = np.array([[-0.3, -0.01, 0.01], [0.2, -0.1, 0.05]])
EXTREMES = (np.array([[-1000.0, -20.0, 20.0, 1000.0]]),
            np.array([[-200.0, 3.0], [-3.0, 200.0]], np.float32))


def _of(operation):
    """Return the operation without its memory."""
    return lambda *given: operation(*given)[0]


def _quiet(variant):
    """Return the variant without NumPy's warnings: that it overflows is its point."""

    def without_warnings(*given):
        with np.errstate(all="ignore"):
            return variant(*given)

    return without_warnings


RELU_MISTAKES = (
    Mistake("wrong side kept", "the negative numbers are kept and the positive ones set to 0. It "
            "is the other way round.", lambda x: np.minimum(x, 0), BEND),
    Mistake("absolute value", "negative numbers come out positive. They become 0, not -x.",
            lambda x: np.abs(x), BEND, (lambda x: np.where(x > 0, x, -0.01 * x),)),
    Mistake("mask returned", "the result says where x is positive (1 or 0). Positive numbers "
            "keep their value.", lambda x: (x > 0) * x.dtype.type(1), BEND),
    Mistake("leaky", "negative numbers leave a trace of 0.01·x: that is leaky ReLU. Here they "
            "become exactly 0.", lambda x: np.where(x > 0, x, 0.01 * x), BEND,
            (lambda x: np.where(x > 0, x, 0.1 * x),)),
    Mistake("not bent", "x comes back as it was: nothing is bent. Below 0 the result is 0.",
            lambda x: x, BEND),
    Mistake("capped at 1", "positive numbers are cut off at 1. ReLU lets them grow without limit.",
            lambda x: np.clip(x, 0, 1), BEND),
    Mistake("sign returned", "only the sign is left, −1, 0 or 1. Positive numbers keep their "
            "value, negative ones become 0.", lambda x: np.sign(x), BEND),
    Mistake("bend at 1", "the bend is at 1: numbers between 0 and 1 are lost. It is at 0.",
            lambda x: np.where(x >= 1, x, 0), BEND,
            (lambda x: np.where(x > 1, x, 0),)),
    Mistake("softplus", "log(1 + exp(x)) is softplus, a smooth relative. ReLU has a sharp bend: x "
            "above 0, 0 below.", lambda x: np.log1p(np.exp(x)), BEND),
    Mistake("sign flipped", "the sign is flipped: you took the negative part, max(-x, 0).",
            lambda x: np.maximum(-x, 0), BEND),
    Mistake("zero becomes one", "below 0 the result is 1. It is 0.",
            lambda x: np.where(x > 0, x, 1), BEND),
    Mistake("only the positive ones", "these are the positive numbers alone. y keeps the shape of "
            "x, with 0 in the other places.", lambda x: x[x > 0], BEND, (lambda x: x[x >= 0],)),
    Mistake("largest of an axis", "np.max takes the largest number along an axis, and its second "
            "argument is that axis. np.maximum compares number by number with 0.",
            lambda x: np.max(x, 0), BEND, (lambda x: np.asarray(np.max(x)),)),
    Mistake("one question for all", "the array is bent as a whole: all() and any() give one answer "
            "for all numbers. Each is to be bent alone, with np.maximum, np.where or a loop.",
            lambda x: x if (x > 0).all() else 0 * x, BEND,
            (lambda x: x if (x >= 0).all() else 0 * x,)),
    Mistake("not halved", "positive numbers come out twice as large: x + |x| is 2x there. Divide "
            "by 2.", lambda x: x + np.abs(x), BEND, (lambda x: 2 * np.maximum(x, 0),)),
    Mistake("squared", "positive numbers are squared. ReLU leaves them as they are.",
            lambda x: x * np.maximum(x, 0), BEND),
    Mistake("bend below 0", "the bend is below 0: some negative numbers stay, or become −1.",
            lambda x: np.maximum(x, -1), BEND, (lambda x: np.where(x > -1, x, 0),
                                                lambda x: np.where(x > 0, x, -1))),
    _whole(_of(relu)),
    _nothing(_of(relu)),
)

RELU = Task(
    id=f"{EXERCISE}/relu", function_name="my_relu", argument_names=("x",), result_name="y",
    reference=_of(relu), cases=tuple(Case((x,)) for x in (*BENT_CASES, NEAR_ZERO)),
    mistakes=RELU_MISTAKES, section=BEND, shape_rule="the shape of x",
)

def _quotient(x, alpha):
    with np.errstate(all="ignore"):
        return x / alpha if alpha else x / np.zeros_like(x)


LEAKY_MISTAKES = (
    Mistake("alpha ignored", "alpha is ignored: negative numbers become 0. They become alpha*x.",
            lambda x, alpha: np.maximum(x, 0), BEND),
    Mistake("always 0.01", "the slope is always 0.01. Use the alpha that was given.",
            lambda x, alpha: np.where(x > 0, x, 0.01 * x), BEND),
    Mistake("both sides", "positive numbers are multiplied by alpha as well. They stay as they "
            "are.", lambda x, alpha: alpha * x, BEND),
    Mistake("sides swapped", "the sides are swapped: alpha belongs to the negative numbers.",
            lambda x, alpha: np.where(x > 0, alpha * x, x), BEND),
    Mistake("sign flipped", "negative numbers come out positive: alpha·|x|. They keep their sign.",
            lambda x, alpha: np.where(x > 0, x, -alpha * x), BEND),
    Mistake("alpha itself", "below 0 the result is alpha itself. It is alpha times x.",
            lambda x, alpha: np.where(x > 0, x, alpha), BEND,
            (lambda x, alpha: np.maximum(x, alpha), lambda x, alpha: np.where(x > 0, x, -alpha))),
    Mistake("alpha added", "alpha is added to the negative numbers. They are multiplied by it.",
            lambda x, alpha: np.where(x > 0, x, x + alpha), BEND),
    Mistake("alpha subtracted", "alpha is subtracted from the negative numbers. They are "
            "multiplied by it.", lambda x, alpha: np.where(x > 0, x, x - alpha), BEND),
    Mistake("one minus alpha", "negative numbers are multiplied by 1 - alpha. The slope below 0 "
            "is alpha.", lambda x, alpha: np.where(x > 0, x, (1 - alpha) * x), BEND),
    Mistake("maximum", "np.maximum(x, alpha*x) is the same only while alpha is at most 1. Ask "
            "where x is positive instead.", lambda x, alpha: np.maximum(x, alpha * x), BEND),
    Mistake("minimum", "the smaller of x and alpha*x is taken: for a small alpha that is the "
            "wrong one on both sides.", lambda x, alpha: np.minimum(x, alpha * x), BEND),
    Mistake("added twice", "negative numbers get alpha*x on top of x: a slope of 1 + alpha. The "
            "slope below 0 is alpha.", lambda x, alpha: np.where(x > 0, x, x + alpha * x), BEND),
    Mistake("condition in the wrong place", "np.where gives the condition back: it comes first, "
            "np.where(x > 0, then, otherwise).",
            lambda x, alpha: np.where(x, x > 0, alpha * x), BEND,
            (lambda x, alpha: (x > 0) * 1.0,)),
    Mistake("added on both sides", "alpha, or alpha times x, is added on both sides of 0. Above 0 "
            "x stays as it is.", lambda x, alpha: np.maximum(x, 0) + alpha * x, BEND,
            (lambda x, alpha: np.maximum(x, 0) + alpha, lambda x, alpha: x + alpha * x)),
    Mistake("divided by alpha", "negative numbers are divided by alpha. They are multiplied by it.",
            lambda x, alpha: np.where(x > 0, x, _quotient(x, alpha)), BEND),
    Mistake("bend at another place", "the bend is not at 0: compare x with 0, not with alpha or 1.",
            lambda x, alpha: np.where(x > alpha, x, alpha * x), BEND,
            (lambda x, alpha: np.where(x >= 1, x, alpha * x),
             lambda x, alpha: np.where(x > 1, x, alpha * x),
             lambda x, alpha: np.where(x > -alpha, x, alpha * x))),
    Mistake("exponential", "below 0 the result is alpha·(exp(x) − 1): that is ELU. Leaky ReLU is "
            "straight there, alpha·x.", lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x)),
            BEND),
    Mistake("alpha twice", "negative numbers are multiplied by alpha twice.",
            lambda x, alpha: np.where(x > 0, x, alpha * alpha * x), BEND),
    Mistake("not bent", "x comes back as it was. Below 0 it is multiplied by alpha.",
            lambda x, alpha: x, BEND),
    _whole(_of(leaky_relu)),
    _nothing(_of(leaky_relu)),
)

LEAKY = Task(
    id=f"{EXERCISE}/leaky_relu", function_name="my_leaky_relu", argument_names=("x", "alpha"),
    result_name="y", reference=_of(leaky_relu),
    cases=tuple(Case((x, alpha)) for x, alpha in
                zip((*BENT_CASES, BENT_CASES[1], NEAR_ZERO),
                    (0.1, 0.25, 0.0, 0.01, 0.3, 2.0, 0.5), strict=True)),
    mistakes=LEAKY_MISTAKES, section=BEND, shape_rule="the shape of x",
)


def _halves(x):
    """exp(-|x|): between 0 and 1."""
    return np.exp(-np.abs(x))


SIGMOID_MISTAKES = (
    Mistake("exponential too large",
            "exp(1000) is too large for a float: it becomes inf, and inf/inf is nan. Take only "
            "exponentials of numbers below 0: exp(-|x|) never overflows.",
            _quiet(lambda x: np.exp(x) / (1 + np.exp(x))), SCORES),
    Mistake("sign flipped", "it falls where it should rise: the sign in the exponent is missing, "
            "or the two sides of np.where have changed places.",
            _quiet(lambda x: 1 / (1 + np.exp(x))), BEND),
    Mistake("one half only, upper", "it is right above 0 and mirrored below: with exp(-|x|) the "
            "two sides need different formulas.", lambda x: 1 / (1 + _halves(x)), BEND),
    Mistake("one half only, lower", "it is right below 0 and mirrored above: with exp(-|x|) the "
            "two sides need different formulas.", lambda x: _halves(x) / (1 + _halves(x)), BEND),
    Mistake("not divided", "1 + exp(-x) is only the denominator: sigmoid is 1 divided by all of "
            "it. Brackets? Python reads 1 / 1 + a as (1 / 1) + a.",
            _quiet(lambda x: 1 + np.exp(-x)), BEND),
    Mistake("minus below", "the denominator is 1 - exp(-x). It is 1 + exp(-x).",
            _quiet(lambda x: 1 / (1 - np.exp(-x))), BEND),
    Mistake("exponential alone", "one exponential alone grows without limit. Sigmoid stays "
            "between 0 and 1.",
            _quiet(lambda x: np.exp(x)), BEND,
            (_quiet(lambda x: np.exp(-x)),)),
    Mistake("tanh", "this is tanh, between −1 and 1. Sigmoid runs from 0 to 1.",
            lambda x: np.tanh(x), BEND),
    Mistake("step", "this is a step from 0 to 1. Sigmoid rises smoothly.",
            lambda x: (x > 0) * 1.0, BEND, (lambda x: (x >= 0) * 1.0,)),
    Mistake("softmax", "the numbers of a row are shared out to add up to 1: that is softmax. "
            "Sigmoid looks at each number alone.",
            lambda x: _along_last(x, softmax), SCORES),
    Mistake("derivative", "this is sigmoid's derivative, s·(1 - s). The value s itself is asked "
            "for.", lambda x: sigmoid(x)[0] * (1 - sigmoid(x)[0]), BEND),
    Mistake("logarithm", "this is the logarithm of sigmoid. The value itself is asked for.",
            lambda x: -np.logaddexp(0, -x), BEND),
    Mistake("softplus", "log(1 + exp(x)) is softplus, which grows without limit. Sigmoid is "
            "1 / (1 + exp(-x)).", lambda x: np.logaddexp(0, x), BEND,
            (_quiet(lambda x: np.log(1 + np.exp(x))),)),
    Mistake("another base", "the base of the power is not e: np.exp(-x).",
            _quiet(lambda x: 1 / (1 + 2.0**-x)), BEND, (_quiet(lambda x: 1 / (1 + 10.0**-x)),)),
    Mistake("tanh of x", "a tanh of x rises twice as fast. (1 + tanh(x/2)) / 2 is sigmoid.",
            lambda x: (1 + np.tanh(x)) / 2, BEND, (lambda x: np.tanh(x / 2) / 2,
                                                   lambda x: np.tanh(x / 2))),
    Mistake("cut off", "x is cut off at a number that is too small: at −20 and 20 sigmoid is not "
            "yet what it is at 1 or 10.",
            lambda x: sigmoid(np.clip(x, -1, 1))[0], BEND,
            (lambda x: sigmoid(np.clip(x, -2, 2))[0], lambda x: sigmoid(np.clip(x, -5, 5))[0])),
    Mistake("upper half another formula", "it is right below 0. Above 0 the numerator is 1: "
            "1 / (1 + exp(-x)).",
            lambda x: np.where(x >= 0, 1 - _halves(x), _halves(x)) / (1 + _halves(x)), BEND,
            (lambda x: np.where(x >= 0, 1 + _halves(x), _halves(x)) / (1 + _halves(x)),)),
    Mistake("nan covered up", "large numbers overflow, and nan is replaced by a number afterwards: "
            "by 0, where sigmoid is nearly 1. Do not let it overflow: exp(-|x|).",
            _quiet(lambda x: np.nan_to_num(np.exp(x) / (1 + np.exp(x)))), SCORES),
    Mistake("whole numbers", LOST_DIGITS, lambda x: np.trunc(sigmoid(x)[0]), WHOLE),
    _nothing(_of(sigmoid)),
)


def _along_last(x, operation):
    return operation(x.reshape(-1, x.shape[-1]))[0].reshape(x.shape)


SIGMOID = Task(
    id=f"{EXERCISE}/sigmoid", function_name="my_sigmoid", argument_names=("x",), result_name="y",
    reference=_of(sigmoid), cases=tuple(Case((x,)) for x in (*BENT_CASES, *EXTREMES)),
    mistakes=SIGMOID_MISTAKES, section=BEND, shape_rule="the shape of x",
)

def _tanh_by_formula(x):
    return (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))


TANH_MISTAKES = (
    Mistake("exponential too large",
            "exp(1000) is too large for a float: it becomes inf, and inf/inf is nan. Take only "
            "exponentials of numbers below 0, or use your sigmoid.",
            _quiet(lambda x: _tanh_by_formula(x)), SCORES,
            (_quiet(lambda x: np.sinh(x) / np.cosh(x)),
             _quiet(lambda x: (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1)),
             _quiet(lambda x: (1 - np.exp(-2 * x)) / (1 + np.exp(-2 * x))))),
    Mistake("sigmoid of x", "2·sigmoid(x) − 1 is tanh(x/2), which rises too slowly. What must "
            "sigmoid get in place of x?", lambda x: 2 * sigmoid(x)[0] - 1, BEND),
    Mistake("not shifted", "sigmoid(2x) runs from 0 to 1. tanh runs from −1 to 1: stretch "
            "it by 2 and shift it by 1.", lambda x: sigmoid(2 * x)[0], BEND),
    Mistake("stretched only", "it runs from 0 to 2. tanh runs from −1 to 1.",
            lambda x: 2 * sigmoid(2 * x)[0], BEND),
    Mistake("sigmoid", "this is sigmoid, from 0 to 1. tanh runs from −1 to 1.",
            lambda x: sigmoid(x)[0], BEND),
    Mistake("sign flipped", "the sign is flipped: it falls where it should rise.",
            lambda x: -np.tanh(x), BEND),
    Mistake("sign lost", "the sign is lost: tanh(−x) is −tanh(x).",
            lambda x: np.abs(np.tanh(x)), BEND),
    Mistake("upside down", "numerator and denominator are swapped. The difference of the "
            "exponentials stands above their sum.", _quiet(lambda x: 1 / np.tanh(x)), BEND),
    Mistake("not divided", "the numerator, exp(x) − exp(−x), is not divided by the sum.",
            _quiet(lambda x: np.exp(x) - np.exp(-x)), BEND, (_quiet(lambda x: np.sinh(x)),)),
    Mistake("divided by 2", "the difference is divided by twice the sum. Divide by the sum, "
            "exp(x) + exp(−x), once.", lambda x: np.tanh(x) / 2, BEND),
    Mistake("cut off", "x is cut off at −1 and 1. tanh bends smoothly.",
            lambda x: np.clip(x, -1, 1), BEND),
    Mistake("sign only", "only the sign is left. tanh rises smoothly from −1 to 1.",
            lambda x: np.sign(x), BEND),
    Mistake("tanh of 2x", "this is tanh(2x), which rises too fast. Is there a 2 too many?",
            lambda x: np.tanh(2 * x), BEND),
    Mistake("brackets missing", "brackets are missing: Python divides first. The whole difference "
            "is divided by the whole sum.",
            _quiet(lambda x: np.exp(x) - np.exp(-x) / np.exp(x) + np.exp(-x)), BEND,
            (_quiet(lambda x: (np.exp(x) - np.exp(-x)) / np.exp(x) + np.exp(-x)),
             _quiet(lambda x: np.exp(x) - np.exp(-x) / (np.exp(x) + np.exp(-x))))),
    Mistake("shifted only", "it runs from −1 to 0: sigmoid(2x) is shifted and not stretched. Twice "
            "it, minus 1.", lambda x: sigmoid(2 * x)[0] - 1, BEND),
    Mistake("half of x", "x is halved in the sigmoid. tanh rises faster than a sigmoid, not more "
            "slowly.", lambda x: 2 * sigmoid(x / 2)[0] - 1, BEND),
    Mistake("cut off before", "x is cut off at −1 and 1 first, so that the result ends at 0.76.",
            lambda x: np.tanh(np.clip(x, -1, 1)), BEND,
            (lambda x: np.tanh(np.clip(x, -2, 2)),)),
    Mistake("another function", "that is tan, arctan or sin. tanh is made of exponentials.",
            lambda x: np.tan(x), BEND, (lambda x: np.arctan(x), lambda x: np.sin(x))),
    Mistake("nan covered up", "large numbers overflow, and nan is replaced by one number "
            "afterwards, on both sides. Do not let it overflow: exp(-2|x|), and the sign of x.",
            _quiet(lambda x: np.nan_to_num(_tanh_by_formula(x), nan=1.0)), SCORES,
            (_quiet(lambda x: np.nan_to_num(_tanh_by_formula(x))),)),
    Mistake("whole numbers", LOST_DIGITS, lambda x: np.trunc(np.tanh(x)), WHOLE),
    Mistake("derivative", "this is the derivative of tanh, 1 − tanh². The value is asked for.",
            lambda x: 1 - np.tanh(x) ** 2, BEND),
    _nothing(_of(tanh)),
)

TANH = Task(
    id=f"{EXERCISE}/tanh", function_name="my_tanh", argument_names=("x",), result_name="y",
    reference=_of(tanh), cases=tuple(Case((x,)) for x in (*BENT_CASES, *EXTREMES)),
    mistakes=TANH_MISTAKES, section=BEND, shape_rule="the shape of x",
)


# Scores


def _score_case(N, K, dtype=np.float64, scale=1.0) -> np.ndarray:
    return _numbers((N, K), 3 * N + 17 * K, dtype, scale)


SCORES_OF = (
    np.array([[2.0, 1.0, 0.0]]), np.array([[0.5, -1.0], [2.0, 0.25]]), _score_case(2, 3),
    _score_case(3, 3), _score_case(4, 3, np.float32, 0.75), _score_case(3, 5, np.float64, 0.37),
)
LARGE = (np.array([[1000.0, 999.0, 0.0]]), np.array([[-1000.0, -1002.0], [3.0, 4.0]]),
         np.array([[90.0, 0.0, -90.0], [-200.0, -199.0, -203.0]], np.float32),
         np.array([[0.0, 1000.0, 998.0], [-5.0, 9.0, 10.0]]))  # the first is not the largest


def _without(score_of):
    """Return the variant of log-sum-exp that takes another score of each row out."""
    def variant(x):
        m = score_of(x)[:, None]
        return m[:, 0] + np.log(np.exp(x - m).sum(axis=1))
    return _quiet(variant)


def _log_sum_exp(x):
    largest = x.max(axis=1)
    return largest + np.log(np.exp(x - largest[:, None]).sum(axis=1))


def _of_powers(change):
    """Return the variant change(exp(x - largest), largest) of the stable way."""

    def variant(x):
        largest = x.max(axis=1)
        return change(np.exp(x - largest[:, None]), largest)

    return _quiet(variant)


LOG_SUM_EXP_MISTAKES = (
    Mistake("exponential too large",
            "it is right for small scores only. exp(1000) becomes inf, exp(-1000) becomes 0 and "
            "its logarithm -inf: take each row's largest score out first, put it back at the end.",
            _quiet(lambda x: np.log(np.exp(x).sum(axis=1))), SCORES),
    Mistake("largest not put back", "the largest score is subtracted, but not added again at the "
            "end: log(sum of exp(x - m)) is smaller by m.",
            _of_powers(lambda powers, m: np.log(powers.sum(1))), SCORES),
    Mistake("largest subtracted again", "at the end the largest score is subtracted again. It "
            "must be added: exp(x) is exp(m) times exp(x - m).",
            _of_powers(lambda powers, m: np.log(powers.sum(1)) - m), SCORES),
    Mistake("largest multiplied", "at the end the largest score is multiplied. The logarithm of a "
            "product is a sum: add it.",
            _of_powers(lambda powers, m: np.log(powers.sum(1)) * m), SCORES),
    Mistake("logarithm missing", "the sum of the exponentials is there, its logarithm is not.",
            _of_powers(lambda powers, m: powers.sum(1) * np.exp(m)), SCORES,
            (_of_powers(lambda powers, m: powers.sum(1)),
             _of_powers(lambda powers, m: powers.sum(1) + m))),
    Mistake("largest only", "this is the largest score alone. The others add a little: with equal "
            "scores the result is larger by log K.", lambda x: x.max(axis=1), SCORES),
    Mistake("sum of scores", "the scores are added up as they are. Take exp of each first.",
            lambda x: x.sum(axis=1), SCORES,
            (_quiet(lambda x: np.log(x.sum(axis=1))),
             _quiet(lambda x: np.log(np.exp(x)).sum(axis=1)))),
    Mistake("mean", "this is the logarithm of the mean of the exponentials. Take their sum.",
            lambda x: _log_sum_exp(x) - np.log(x.shape[1]), SCORES,
            (_quiet(lambda x: np.log(np.exp(x).mean(axis=1))),)),
    Mistake("along the batch", "the sum runs over the images (axis 0). It runs over the scores of "
            "each image: axis 1.", lambda x: _log_sum_exp(x.T), SCORES,
            (_quiet(lambda x: np.log(np.exp(x).sum(axis=0))),)),
    Mistake("axis kept", "the result still has an axis of length 1: sum without keepdims=True at "
            "the end. One number for each image is asked for, shape (N,).",
            lambda x: _log_sum_exp(x)[:, None], SCORES),
    Mistake("everything added up", "all images are added up into one number. Sum along axis 1: one "
            "number for each image.", _quiet(lambda x: np.asarray(np.log(np.exp(x).sum()))), SCORES,
            (lambda x: np.asarray(np.logaddexp.reduce(x, axis=None)),)),
    Mistake("maximum's axis lost", "the maximum has shape (N,) and meets the last axis of (N, K), "
            "where it stops or, for N = K, is subtracted from the wrong rows: [:, None] is "
            "missing.", _quiet(lambda x: x.max(1) + np.log(np.exp(x - x.max(1)).sum(1))), SCORES),
    Mistake("column meets row", "a maximum of shape (N, 1) and a sum of shape (N,) give (N, N) "
            "when they are added. Both need the shape (N,) there.",
            lambda x: x.max(1, keepdims=True) + _log_sum_exp(x - x.max(1, keepdims=True)), SCORES),
    Mistake("smallest taken out", "the smallest score, or the mean, is taken out of each row, not "
            "the largest: the largest one still overflows.",
            _without(lambda x: x.min(1)), SCORES, (_without(lambda x: x.mean(1)),)),
    Mistake("first taken out", "the first score of each row, or the last, is taken out: where "
            "another one is much larger, it still overflows. Take the largest.",
            _without(lambda x: x[:, 0]), SCORES, (_without(lambda x: x[:, -1]),)),
    Mistake("size taken out", "the largest *size* of a row is taken out, without its sign: where "
            "all scores are far below 0, only zeros are left. Take the largest score.",
            _without(lambda x: np.abs(x).max(1)), SCORES),
    Mistake("one maximum for all", "the largest score of the whole batch is taken out. A row far "
            "below it has only zeros left, and log(0) is −inf: each row needs its own.",
            _quiet(lambda x: _by_one_maximum(x)), SCORES),
    Mistake("sum not begun anew", "the sum of one image goes on into the next. Begin each row with "
            "0.", lambda x: x.max(1) + np.log(np.exp(x - x.max(1)[:, None]).sum(1).cumsum()),
            SCORES),
    Mistake("log-softmax returned", "this is the logarithm of softmax, one number for each score. "
            "Asked for is what log-softmax subtracts, one number for each image.",
            lambda x: log_softmax(x)[0], SCORES, (lambda x: softmax(x)[0],)),
    Mistake("one added", "there is a 1 too many in the logarithm: np.log1p(a) is log(1 + a).",
            _quiet(lambda x: np.logaddexp(_log_sum_exp(x), 0)), SCORES,
            (_of_powers(lambda powers, m: m + np.log1p(powers.sum(1))),)),
    Mistake("another base", "the logarithm has another base. The natural one, np.log, undoes "
            "np.exp.", _of_powers(lambda powers, m: m + np.log2(powers.sum(1))), SCORES,
            (_of_powers(lambda powers, m: m + np.log10(powers.sum(1))),
             _quiet(lambda x: np.log2(np.exp(x).sum(1))),
             _quiet(lambda x: np.log10(np.exp(x).sum(1))))),
    Mistake("sign flipped", "the sign is flipped: the result is about the largest score, not minus "
            "it.", lambda x: -_log_sum_exp(x), SCORES),
    _first_only(_log_sum_exp, "only the first image is computed; the others stay 0.", SCORES),
    _nothing(_log_sum_exp),
)


def _by_one_maximum(x):
    """The largest score of the whole batch is subtracted: other rows vanish, and log(0) = -inf."""
    return x.max() + np.log(np.exp(x - x.max()).sum(axis=1))


LOG_SUM_EXP = Task(
    id=f"{EXERCISE}/log_sum_exp", function_name="my_log_sum_exp", argument_names=("x",),
    result_name="y", reference=_log_sum_exp,
    cases=tuple(Case((x,)) for x in (*SCORES_OF, *LARGE)),
    mistakes=LOG_SUM_EXP_MISTAKES, section=SCORES, shape_rule="(N,), one number for each image",
)


def _cross_entropy(logits, labels):
    return softmax_cross_entropy(logits, labels)[0]


def _right_scores(logits, labels):
    """Return log softmax(logits[n])[labels[n]], one number for each image."""
    return log_softmax(logits)[0][np.arange(len(labels)), labels]


def _of_labels(change):
    return lambda logits, labels: _cross_entropy(logits, change(logits, labels))


def _softmaxed_over(axis):
    def variant(logits, labels):
        powers = np.exp(logits - logits.max())
        p = powers / powers.sum(axis=axis, keepdims=True)
        return -np.log(p[np.arange(len(labels)), labels]).mean()

    return _quiet(variant)


def _with_epsilon(epsilon):
    return lambda logits, labels: -np.log(np.exp(_right_scores(logits, labels)) + epsilon).mean()


def _clipped(epsilon):
    return lambda logits, labels: -np.log(
        np.clip(np.exp(_right_scores(logits, labels)), epsilon, 1 - epsilon)).mean()


def _with_eye(logits, labels):
    """The mean over all N*K numbers of the one-hot array times the logarithm."""
    return -_right_scores(logits, labels).sum() / logits.size


EPSILONS = (1e-8, 1e-10, 1e-12, 1e-7, 1e-9, 1e-15, 1e-6, 1e-5)
def _of_each_class(logits, labels):
    p, t = softmax(logits)[0], np.eye(logits.shape[1])[labels]
    return -(t * np.log(p) + (1 - t) * np.log(1 - p)).sum(axis=1).mean()


CROSS_ENTROPY_MISTAKES = (
    Mistake("epsilon", "a small number is added inside the logarithm, or the probability is cut "
            "off there. That caps the loss where it should grow. Use log-softmax: the score minus "
            "log-sum-exp.", _with_epsilon(EPSILONS[0]), SCORES,
            tuple(make(epsilon) for make in (_with_epsilon, _clipped) for epsilon in EPSILONS)),
    Mistake("summed", "the losses of the images are added up. Take their mean: a sum, and the "
            "step with it, would grow with the batch.",
            lambda logits, labels: -_right_scores(logits, labels).sum(), SCORES),
    Mistake("mean over classes too", "the sum is divided by N·K. Only one number for each image "
            "counts: divide by N.", _with_eye, SCORES),
    Mistake("minus forgotten", "the minus is forgotten: the logarithm of a probability is below 0, "
            "a loss is not.", lambda logits, labels: _right_scores(logits, labels).mean(), SCORES),
    Mistake("log of the mean", "you take the logarithm of the mean probability. Take the "
            "logarithm for each image first, then the mean.",
            _quiet(lambda logits, labels: -np.log(np.exp(_right_scores(logits, labels)).mean())),
            SCORES),
    Mistake("probability, not logarithm", "the logarithm is missing: this is the mean probability "
            "of the right class, or what it lacks to 1.",
            lambda logits, labels: 1 - np.exp(_right_scores(logits, labels)).mean(), SCORES,
            (lambda logits, labels: -np.exp(_right_scores(logits, labels)).mean(),
             lambda logits, labels: np.exp(_right_scores(logits, labels)).mean())),
    Mistake("predicted class", "the labels are not used: this is the loss of the class with the "
            "largest score. Take the score of labels[n].",
            _of_labels(lambda logits, labels: logits.argmax(axis=1)), SCORES),
    Mistake("class 0 always", "it is always the score of class 0. Take the score of labels[n] in "
            "row n.", _of_labels(lambda logits, labels: labels * 0), SCORES),
    Mistake("labels counted from 1", "labels[n] - 1 is another class. Labels count from 0, as "
            "Python does.", _of_labels(lambda logits, labels: (labels - 1) % logits.shape[1]),
            SCORES),
    Mistake("every label for every image", "logits[:, labels] takes all labels for every image. "
            "Pair each row with its own label: logits[np.arange(N), labels].",
            lambda logits, labels: -log_softmax(logits)[0][:, labels].mean(), SCORES),
    Mistake("all classes", "the logarithms of all classes are averaged. Only that of the right "
            "class counts.", lambda logits, labels: -log_softmax(logits)[0].mean(), SCORES,
            (lambda logits, labels: -log_softmax(logits)[0].sum() / len(logits),)),
    Mistake("softmax over the batch", "softmax runs over the images (axis 0). The scores of one "
            "image share one probability: axis 1.", _softmaxed_over(0), SCORES),
    Mistake("softmax over everything", "softmax runs over the whole array. Each image has its own "
            "sum: axis 1.", _softmaxed_over(None), SCORES),
    Mistake("log-sum-exp missing", "this is minus the right score alone. Its distance to the "
            "log-sum-exp of its row is the loss.",
            lambda logits, labels: -logits[np.arange(len(labels)), labels].mean(), SCORES),
    Mistake("largest score instead", "the right score is compared with the largest one. Compare it "
            "with the log-sum-exp of its row.",
            lambda logits, labels: (logits.max(1) - logits[np.arange(len(labels)), labels]).mean(),
            SCORES),
    Mistake("rows by label", "logits[labels] takes whole rows, the images of these numbers. Pair "
            "each row with its own label: logits[np.arange(N), labels].",
            lambda logits, labels: (_log_sum_exp(logits) - logits[labels]).mean(), SCORES,
            (lambda logits, labels: -log_softmax(logits)[0][labels].mean(),)),
    Mistake("other classes too", "the classes that are wrong are counted as well, with log(1 − p): "
            "that is the loss of K separate yes-or-no questions. Here only the right class counts.",
            _quiet(lambda logits, labels: _of_each_class(logits, labels)), SCORES),
    Mistake("softmax twice", "softmax is applied twice: the probabilities are taken for scores.",
            lambda logits, labels: _cross_entropy(softmax(logits)[0], labels), SCORES),
    Mistake("largest not put back", "the largest score is missing: log(sum of exp(x − m)) is "
            "smaller than log-sum-exp by m. Add m, or shift the right score too.",
            lambda logits, labels: _cross_entropy(logits, labels) - logits.max(1).mean(), SCORES),
    Mistake("one maximum for all", "the largest score of the whole batch is subtracted. A row far "
            "below it has only zeros left, and log(0) is −inf: each row needs its own.",
            _quiet(lambda logits, labels: (
                _by_one_maximum(logits) - logits[np.arange(len(labels)), labels]).mean()), SCORES),
    Mistake("squared error", "this is a squared error. Cross-entropy is −log of the probability of "
            "the right class.",
            lambda logits, labels: ((logits - np.eye(logits.shape[1])[labels]) ** 2).mean(), SCORES,
            (lambda logits, labels: (
                (softmax(logits)[0] - np.eye(logits.shape[1])[labels]) ** 2).mean(),)),
    Mistake("divided by the classes", "the sum is divided by the number of classes. The loss is a "
            "mean over the images.", lambda logits, labels: _cross_entropy(logits, labels)
            * len(labels) / logits.shape[1], SCORES),
    Mistake("first taken out", "the first score of each row is taken out before the exponential: "
            "where another one is much larger, it still overflows. Take the largest.",
            _quiet(lambda logits, labels: (_without(lambda x: x[:, 0])(logits) - logits[
                np.arange(len(labels)), labels]).mean()), SCORES),
    Mistake("largest loss", "this is the largest loss of the batch. Return the mean.",
            lambda logits, labels: (-_right_scores(logits, labels)).max(), SCORES),
    Mistake("another base", "the logarithm has another base. The loss is counted with the natural "
            "one, np.log.", lambda logits, labels: _cross_entropy(logits, labels) / np.log(2),
            SCORES, (lambda logits, labels: _cross_entropy(logits, labels) / np.log(10),)),
    Mistake("first image only", "only the first image counts. Take the mean over all of them.",
            lambda logits, labels: -_right_scores(logits, labels)[0], SCORES,
            (lambda logits, labels: -_right_scores(logits, labels)[0] / len(labels),)),
    Mistake("one loss for each image", "there is a loss for each image. Return their mean, one "
            "number.", lambda logits, labels: -_right_scores(logits, labels), SCORES),
    Mistake("exponential too large",
            "it is right for small scores only: an exponential becomes inf or 0, and the loss "
            "inf or nan. Not the logarithm of a finished softmax is stable, but the score "
            "minus log-sum-exp.",
            _quiet(lambda logits, labels: _naive_loss(logits, labels)), SCORES,
            (_quiet(lambda logits, labels: _log_of_softmax(logits, labels)),)),
)


def _naive_loss(logits, labels):
    powers = np.exp(logits)
    return -np.log((powers / powers.sum(1, keepdims=True))[np.arange(len(labels)), labels]).mean()


def _log_of_softmax(logits, labels):
    return -np.log(softmax(logits)[0][np.arange(len(labels)), labels]).mean()


CROSS_ENTROPY = Task(
    id=f"{EXERCISE}/cross_entropy", function_name="my_cross_entropy",
    argument_names=("logits", "labels"), result_name="loss", reference=_cross_entropy,
    cases=tuple(Case((logits, np.array(labels))) for logits, labels in zip(
        (*SCORES_OF, *LARGE),
        ([1], [1, 0], [2, 1], [1, 2, 2], [0, 2, 1, 1], [4, 1, 3], [2], [1, 0], [2, 0], [2, 1]),
        strict=True)),
    mistakes=CROSS_ENTROPY_MISTAKES, section=SCORES, shape_rule="one number, the mean",
    keeps_dtype=False,
)


# Repair: softmax


def _probabilities(logits):
    return softmax(logits)[0]


def _shared(powers_of, axis=1):
    """Return the variant powers / sum of powers, for powers made by powers_of(logits)."""

    def variant(logits):
        powers = powers_of(logits)
        return powers / powers.sum(axis=axis, keepdims=True)

    return _quiet(variant)


def _with_one_maximum(logits):
    return np.exp(logits - logits.max())


def _share_of_one_maximum(share):
    """Return the variant that covers the 0/0 of a row of zeros up."""
    def variant(logits):
        powers = _with_one_maximum(logits)
        return share(powers, powers.sum(axis=1, keepdims=True))
    return _quiet(variant)


def _with_own_maximum(logits):
    return np.exp(logits - logits.max(axis=1, keepdims=True))


def _sum_without_axis_kept(logits):
    powers = _with_own_maximum(logits)
    return powers / powers.sum(axis=1)


def _no_axis_kept(logits):
    powers = np.exp(logits - logits.max(axis=1))
    return powers / powers.sum(axis=1)


def _maximum_without_axis_kept(logits):
    powers = np.exp(logits - logits.max(axis=1))
    return powers / powers.sum(axis=1, keepdims=True)


SOFTMAX_MISTAKES = (
    Mistake("shared over the batch", "the columns add up to 1. The scores of one image share one "
            "probability: its row adds up to 1, so the sum runs along axis 1.",
            _shared(_with_one_maximum, 0), SCORES,
            (_shared(lambda logits: np.exp(logits - logits.max(axis=0)), 0),
             _shared(_with_own_maximum, 0),
             _shared(np.exp, 0))),
    Mistake("shared over everything", "all numbers together add up to 1. Each row does: sum along "
            "axis 1, and keep the axis.", _shared(_with_one_maximum, None), SCORES,
            (_shared(_with_own_maximum, None), _shared(np.exp, None))),
    Mistake("sum's axis lost", "the sum has lost an axis: shape (N,) meets the last axis of "
            "(N, K), where it stops or, for N = K, divides the wrong numbers. Keep it: "
            "keepdims=True.", _quiet(_sum_without_axis_kept), SCORES,
            (_quiet(_no_axis_kept),)),
    Mistake("largest added", "the largest score is added in the exponent. It is subtracted: then "
            "the largest exponential is 1.",
            _shared(lambda logits: np.exp(logits + logits.max(axis=1, keepdims=True))), SCORES),
    Mistake("first subtracted", "the first score of each row, or the last, is subtracted: where "
            "another one is much larger, it still overflows. Take the largest.",
            _shared(lambda logits: np.exp(logits - logits[:, :1])), SCORES,
            (_shared(lambda logits: np.exp(logits - logits[:, -1:])),)),
    Mistake("smallest subtracted", "the smallest score of each row, or the mean, is subtracted, "
            "not the largest: the largest one still overflows.",
            _shared(lambda logits: np.exp(logits - logits.min(axis=1, keepdims=True))), SCORES,
            (_shared(lambda logits: np.exp(logits - logits.mean(axis=1, keepdims=True))),)),
    Mistake("maximum of the batch", "each column's largest score is subtracted, a class over all "
            "images. It must be one number for each row: axis 1.",
            _shared(lambda logits: np.exp(logits - logits.max(axis=0))), SCORES),
    Mistake("divided by a length", "the exponentials are divided by the root of their sum of "
            "squares. The rows add up to 1 when you divide by the sum.",
            lambda logits: _with_own_maximum(logits) / np.linalg.norm(
                _with_own_maximum(logits), axis=1, keepdims=True), SCORES),
    Mistake("another base", "the base of the power is not e: np.exp.",
            _shared(lambda logits: 2.0 ** (logits - logits.max(axis=1, keepdims=True))), SCORES),
    Mistake("rounded", "the probabilities are rounded. Leave all their digits.",
            lambda logits: softmax(logits)[0].round(2), WHOLE,
            (lambda logits: softmax(logits)[0].round(3), lambda logits: softmax(logits)[0].round(1),
             lambda logits: np.trunc(softmax(logits)[0]))),
    Mistake("last image only", "only one image comes back. Each has its row: shape (N, K).",
            lambda logits: softmax(logits)[0][-1], SCORES, (lambda logits: softmax(logits)[0][0],)),
    Mistake("maximum's axis lost", "the maximum has lost an axis: shape (N,) meets the last axis "
            "of (N, K), where it stops or, for N = K, is subtracted in the wrong place. Keep it: "
            "keepdims=True.", _quiet(_maximum_without_axis_kept), SCORES),
    Mistake("not divided", "the exponentials are not divided by their sum: the rows do not add up "
            "to 1.", _with_own_maximum, SCORES, (_with_one_maximum, _quiet(np.exp))),
    Mistake("exponential missing", "the scores themselves are divided by their sum. With negative "
            "scores that is no probability: take exp first.",
            _quiet(lambda logits: logits / logits.sum(axis=1, keepdims=True)), SCORES),
    Mistake("mean", "the exponentials are divided by their mean: the rows add up to K.",
            lambda logits: softmax(logits)[0] * logits.dtype.type(logits.shape[1]), SCORES),
    Mistake("order reversed", "the smallest score gets the largest probability: the sign in the "
            "exponent is wrong.", lambda logits: softmax(-logits)[0], SCORES),
    Mistake("one-hot", "the largest score gets 1 and the others 0. Softmax leaves something for "
            "every class.",
            lambda logits: np.eye(logits.shape[1])[logits.argmax(axis=1)], SCORES),
    Mistake("sigmoid", "each score is squashed alone, by a sigmoid. The scores of a row share one "
            "probability.", lambda logits: sigmoid(logits)[0], SCORES),
    Mistake("logarithm", "these are the logarithms of the probabilities. Asked for are the "
            "probabilities.", lambda logits: log_softmax(logits)[0], SCORES),
    Mistake("exponential too large", "exp of a large score is inf, and inf/inf is nan. Subtract "
            "each row's largest score first.", _shared(np.exp), SCORES),
    Mistake("one maximum for all", "the largest score of the whole batch is subtracted. A row far "
            "below it gets 0/0 = nan: subtract each row's own largest score.",
            _shared(_with_one_maximum), SCORES,
            tuple(_share_of_one_maximum(share) for share in (
                lambda e, total: e / (total + 1e-10), lambda e, total: e / (total + 1e-8),
                lambda e, total: e / (total + 1e-12), lambda e, total: e / np.maximum(total, 1e-8),
                lambda e, total: np.nan_to_num(e / total)))),
    _nothing(_probabilities),
)

SOFTMAX = Task(
    id=f"{EXERCISE}/softmax", function_name="my_softmax", argument_names=("logits",),
    result_name="p", reference=_probabilities,
    cases=tuple(Case((x,)) for x in
                (*SCORES_OF, *LARGE, np.array([[800.0, 801.0], [-4.0, -2.0]]))),
    mistakes=SOFTMAX_MISTAKES, section=SCORES, shape_rule="(N, K), the shape of logits",
)


# A network as text

KINDS = ("Conv2D", "MaxPool2D", "AvgPool2D", "GlobalAvgPool2D", "Dense", "BatchNorm2D", "Dropout")
BENDS = ("none", "relu", "leaky_relu", "sigmoid", "tanh", "softmax")
LINES_OF_BENDS = {"ReLU": 1, "LeakyReLU": 2, "Sigmoid": 3, "Tanh": 4, "Softmax": 5}


def rows(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Return what a network's text says: (table, parameters), with a row for each layer.

    A row of the table is (kind, channels, height, width, bend); kind is the place in KINDS, bend in
    BENDS. Input and Flatten have no row; a line ReLU counts for the layer above it; a dense layer
    has height and width 1. The text may be indented, as in a function's triple quotes.
    >>> rows("3\\nInput shape=1x4x4\\nConv2D filters=2 kernel=3x3 activation=relu\\nDense units=5")
    (array([[0, 2, 2, 2, 1],
           [4, 5, 1, 1, 0]]), array([20, 45]))
    """
    table: list[list[int]] = []
    parameters: list[int] = []
    for layer in parse(inspect.cleandoc(text), "your text").layers:
        if layer.name in LINES_OF_BENDS and table:
            table[-1][-1] = LINES_OF_BENDS[layer.name]
        elif layer.name in KINDS:
            sizes = (*layer.output_shape, 1, 1)[:3]
            bend = BENDS.index(layer.options.get("activation") or "none")
            table.append([KINDS.index(layer.name), *sizes, bend])
            parameters.append(layer.parameters)
    return np.array(table).reshape(-1, 5), np.array(parameters)


NETWORK_LINES = (
    "Conv2D filters=6 kernel=5x3 activation=relu",
    "MaxPool2D pool=2x2",
    "Conv2D filters=12 kernel=3x3 stride=2 padding=same activation=relu",
    "Dense units=20 activation=relu",
    "Dense units=10 activation=softmax",
)


_ALL_BENDS = [(0, " activation=relu"), (2, " activation=relu"), (3, " activation=relu"),
              (4, " activation=softmax")]


def _network(*edits, channels=None, turned=False, left_out=None, order=range(5), shape=""):
    """Return the function that describes the network after replacing each (line, old, new)."""
    lines = list(NETWORK_LINES)
    for line, old, new in edits:
        if old not in lines[line]:
            raise ValueError(f"{old!r} is not in {lines[line]!r}")
        lines[line] = lines[line].replace(old, new)
    lines = [lines[n] for n in order if n != left_out]

    def described(x):
        C, H, W = x.shape[1:]
        H, W = (W, H) if turned else (H, W)
        first = f"Input shape={shape or f'{channels or C}x{H}x{W}'}"
        return rows("\n".join([str(len(lines) + 1), first, *lines]))

    return described


NETWORK_MISTAKES = (
    Mistake("padding forgotten", "the second convolution has no padding: padding=same is missing.",
            _network((2, " padding=same", "")), TEXT),
    Mistake("padding everywhere", "the first convolution has padding too. Only the second one has.",
            _network((0, "5x3", "5x3 padding=same")), TEXT),
    Mistake("padding in the wrong place", "the first convolution has the padding that belongs in "
            "the second.", _network((0, "5x3", "5x3 padding=same"), (2, " padding=same", "")),
            TEXT),
    Mistake("kernel turned", "the first kernel lies on its side. It is 5 rows high and 3 columns "
            "wide: rows come first.", _network((0, "5x3", "3x5")), TEXT,
            (_network((0, "5x3", "3x5"), (2, " padding=same", "")),
             _network((0, "5x3", "3x5"), (2, " stride=2", "")))),
    Mistake("square kernel", "the first kernel is square. It is 5 rows high and 3 columns wide.",
            _network((0, "5x3", "3x3")), TEXT, (_network((0, "5x3", "5x5")),)),
    Mistake("stride forgotten", "the second convolution moves by one pixel. Its stride is 2.",
            _network((2, " stride=2", "")), TEXT),
    Mistake("stride in the wrong place", "the stride of 2 stands in the first convolution. It "
            "belongs in the second.",
            _network((0, "5x3", "5x3 stride=2"), (2, " stride=2", "")), TEXT),
    Mistake("overlapping pool", "your pool moves by one pixel. Left out, its stride is its own "
            "size, 2.", _network((1, "2x2", "2x2 stride=1")), TEXT),
    Mistake("another pool", "your pool has windows of another size. They are 2 × 2.",
            _network((1, "2x2", "3x3")), TEXT, (_network((1, "2x2", "2x2 stride=3")),
                                                _network((1, "2x2", "4x4")))),
    Mistake("another second kernel", "the second convolution's kernel is not 3 × 3.",
            _network((2, "3x3", "5x5")), TEXT, (_network((2, "3x3", "2x2")),
                                                _network((2, "3x3", "1x1")),
                                                _network((2, "3x3", "5x3")))),
    Mistake("another stride", "the second convolution's stride is not 2.",
            _network((2, "stride=2", "stride=3")), TEXT),
    Mistake("another number of filters", "a convolution has another number of filters than 6, or "
            "12.", _network((2, "=12", "=16")), TEXT,
            (_network((2, "=12", "=6")), _network((0, "=6", "=12")), _network((0, "=6", "=8")))),
    Mistake("another number of units", "a dense layer has another number of units than 20, or 10.",
            _network((3, "20", "10")), TEXT, (_network((3, "20", "128")),
                                              _network((4, "10", "20")))),
    Mistake("pool in the wrong place", "the pool stands behind the second convolution. It stands "
            "between the two.", _network(order=(0, 2, 1, 3, 4)), TEXT),
    Mistake("another bend", "a layer has another activation than relu.",
            _network((0, "relu", "leaky_relu")), TEXT,
            (_network((2, "relu", "leaky_relu")), _network((3, "relu", "sigmoid")),
             _network((3, "relu", "tanh")), _network((0, "relu", "sigmoid")),
             _network((0, "relu", "tanh")))),
    Mistake("bends and softmax forgotten", "a relu is missing, and the softmax at the end: "
            "activation=relu, activation=softmax.",
            _network((0, " activation=relu", ""), (4, " activation=softmax", "")), BEND,
            (_network((2, " activation=relu", ""), (4, " activation=softmax", "")),
             _network((3, " activation=relu", ""), (4, " activation=softmax", "")),
             _network(*((n, edit, "") for n, edit in _ALL_BENDS)))),
    Mistake("average pool", "you pool by the mean. Asked for is the maximum, MaxPool2D.",
            _network((1, "Max", "Avg")), TEXT),
    Mistake("pool forgotten", "the pool is missing.", _network(left_out=1), TEXT),
    Mistake("filters swapped", "the numbers of filters are swapped: 6 first, then 12.",
            _network((0, "=6", "=12"), (2, "=12", "=6")), TEXT),
    Mistake("dense layer forgotten", "the dense layer with 20 units is missing.",
            _network(left_out=3), TEXT),
    Mistake("units swapped", "the numbers of units are swapped: 20 first, then 10, one for each "
            "class.", _network((3, "20", "10"), (4, "10", "20")), TEXT),
    Mistake("bend in convolutions forgotten", "a convolution has no activation. Without a bend two "
            "layers are one: activation=relu.", _network((0, " activation=relu", "")), BEND,
            (_network((2, " activation=relu", "")),
             _network((0, " activation=relu", ""), (2, " activation=relu", "")))),
    Mistake("bend between dense layers forgotten", "the dense layer with 20 units has no "
            "activation. Without a bend two layers are one.",
            _network((3, " activation=relu", "")), BEND),
    Mistake("no bend at all", "no layer has a relu: without a bend they are all one layer.",
            _network(*((n, " activation=relu", "") for n in (0, 2, 3))), BEND),
    Mistake("softmax forgotten", "the last layer gives scores. activation=softmax makes them "
            "probabilities.", _network((4, " activation=softmax", "")), SCORES),
    Mistake("relu at the end", "the last layer has a relu, which cuts off all scores below 0. It "
            "has a softmax.", _network((4, "softmax", "relu")), SCORES),
    Mistake("sigmoid at the end", "the last layer has a sigmoid, each class for itself. Ten "
            "classes of which one is right need a softmax.",
            _network((4, "softmax", "sigmoid")), SCORES),
    Mistake("height and width swapped", "your Input has height and width swapped. It is "
            "channels x height x width.", _network(turned=True), TEXT),
    Mistake("always one channel", "your Input always has one channel. Take the number from x.",
            _network(channels=1), TEXT),
    Mistake("always 28 × 28", "your Input is 1x28x28 whatever x is. Take the numbers from x.shape.",
            _network(shape="1x28x28"), TEXT),
    Mistake("images as channels", "your Input has as many channels as there are images. The axes "
            "of x are (N, C, H, W).", lambda x: _network(channels=len(x))(x), TEXT),
)

NETWORK = Task(
    id=f"{EXERCISE}/network_text", function_name="my_network", argument_names=("x",),
    result_name=("table", "parameters"), reference=_network(),
    cases=tuple(Case((np.zeros(shape, np.float32),))
                for shape in ((1, 1, 28, 28), (2, 1, 14, 20), (5, 3, 32, 24))),
    mistakes=NETWORK_MISTAKES, section=TEXT, keeps_dtype=False,
    shape_rule=("one row of five numbers for each of the five layers (no Input, no Flatten)",
                "one number for each layer"),
)

TASKS = (FLATTEN, UNFLATTEN, DENSE, RELU, LEAKY, SIGMOID, TANH, LOG_SUM_EXP, CROSS_ENTROPY,
         SOFTMAX, NETWORK)
