"""What the checks of backpropagation know: all its tasks, and four planted bugs to repair.

The gradients themselves stand in the four other modules called backprop_…. Only `course_lib.check`
imports this module; it uses the library's operations.
"""

import numpy as np

from course_lib.check.backprop_convolution import (
    BOOKKEEPING,
    CONV2D_BACKWARD_INPUT,
    INPUT_MISTAKES,
    hand_example,
    input_right,
)
from course_lib.check.backprop_layers import (
    ADDRESS,
    DENSE_BACKWARD,
    GATES,
    RELU_BACKWARD,
    numbers,
)
from course_lib.check.backprop_pools import (
    AVG_POOL2D_BACKWARD,
    MAX_MISTAKES,
    MAX_POOL2D_BACKWARD,
    max_right,
)
from course_lib.check.backprop_weights import (
    CONV2D_BACKWARD_BIAS,
    CONV2D_BACKWARD_WEIGHT,
    WEIGHT_MISTAKES,
    weight_right,
)
from course_lib.check.tasks import Case, Mistake, Section, Task
from course_lib.losses import softmax_cross_entropy

JACOBIAN = Section("05a_backpropagation", "In the wild: two wrong classes that get no blame")


def _some(mistakes, names, arguments_of, planted=None):
    """Return the mistakes of these names for a task with fewer arguments.

    arguments_of(*fewer) gives all of them; `planted` is another sentence for the first name.
    """
    def fewer(variant):
        return lambda *arguments: variant(*arguments_of(*arguments))

    by_name = {mistake.id: mistake for mistake in mistakes}
    chosen = []
    for name in names:
        known = by_name[name]
        sentence = planted if planted and name == names[0] else known.sentence
        others = tuple(map(fewer, known.others))
        chosen.append(Mistake(name, sentence, fewer(known.variant), known.section, others))
    return tuple(chosen)


# Bug 1: a published max pool, windows of 2 next to each other


def _windows_of_2(dy, x):
    return dy, x, 2, 2


POOL_CASES = (
    Case((np.array([[[[4.0]]]]), np.array([[[[3.0, 3], [1, 3]]]]))),
    Case((np.array([[[[1.0, 2], [3, 4]]]]), np.array([[[[1.0, 3, 2, 4], [5, 6, 1, 2],
                                                       [7, 2, 3, 1], [4, 8, 5, 6]]]]))),
    Case((numbers((1, 1, 2, 3), 3), numbers((1, 1, 4, 6), 4) * 0)),
    Case((numbers((2, 3, 2, 1), 5), numbers((2, 3, 5, 3), 6))),
    Case((numbers((3, 2, 3, 4), 7, np.float32, 0.5), numbers((3, 2, 6, 8), 8, np.float32))),
)
POOL_MISTAKES = _some(
    MAX_MISTAKES,
    ("every tie gets all", "ties share", "last winner", "first by columns", "address transposed",
     "everybody gets it", "shared equally", "one of each row", "number as address", "smallest",
     "window too large", "window too small", "maximum instead of dy", "maximum of the image",
     "dx with the shape of dy", "begun with x", "first window only", "one range for both",
     "written at the output's place", "written into the first window", "stride ignored",
     "last windows left out", "multiplied by the value", "rows and columns swapped",
     "divided by the number of images", "negative dy cut off", "dy ignored", "sign",
     "whole numbers", "all zeros"),
    _windows_of_2,
    planted="more gradient comes out than went in: where several pixels share the maximum, each "
    "still gets all of dy. Only the first one, read row by row, gets it.",
)

# Bug 2: a published formula for the gradient of a filter, stride 1, no padding


def _no_padding(dy, x, weight_shape):
    return dy, x, weight_shape, 1, 0


def _filter_case(x, weight, seed, dtype=np.float64):
    shape = (x[0], weight[0], x[2] - weight[2] + 1, x[3] - weight[3] + 1)
    return Case((numbers(shape, seed, dtype, 0.5), numbers(x, seed + 1, dtype), weight))


FILTER_CASES = (
    Case((*hand_example()[:2], (1, 1, 2, 2))),
    _filter_case((1, 1, 4, 5), (1, 1, 3, 2), 21),
    _filter_case((1, 2, 3, 4), (2, 2, 2, 2), 24),
    _filter_case((2, 3, 4, 4), (4, 3, 2, 3), 27, np.float32),
    _filter_case((3, 2, 6, 5), (2, 2, 3, 3), 30),
)
FILTER_MISTAKES = _some(
    WEIGHT_MISTAKES,
    ("offset lost", "offset in the rows only", "offset in the columns only",
     "offset counted from 1", "turned", "rows reversed", "columns reversed", "transposed",
     "one sum for all", "square kernel", "one range for both", "last image only",
     "last window only", "first window only", "divided by the number of images",
     "mean over the outputs", "windows next to each other", "filters and channels swapped",
     "channels added up", "first channel everywhere", "filters added up",
     "first filter everywhere", "dy turned",
     "dy of the channel", "dy ignored", "x ignored", "last outputs left out", "sign",
     "whole numbers", "all zeros"),
    _no_padding,
    planted="all weights of a slice still get the same number. The window of weight (u, v) begins "
    "at row u and column v of the image.",
)

def _end_not_shifted(dy, x, weight_shape):
    """x[u:OH, v:OW] for x[u : u + OH, v : v + OW]; einsum stops, or broadcasts 1."""
    dweight, (OH, OW) = np.zeros(weight_shape, dy.dtype), dy.shape[2:]
    for u, v in np.ndindex(*weight_shape[2:]):
        dweight[:, :, u, v] = np.einsum("nfij,ncij->fc", dy, x[:, :, u:OH, v:OW])
    return dweight



def _slices_that_end(at):
    """Slices from the offset to `at(offset, size of dy, size of the kernel)`; einsum may stop."""

    def variant(dy, x, weight_shape):
        dweight, sizes = np.zeros(weight_shape, dy.dtype), dy.shape[2:]
        for offset in np.ndindex(*weight_shape[2:]):
            rows, columns = (slice(start, at(start, size, kernel)) for start, size, kernel in
                             zip(offset, sizes, weight_shape[2:], strict=True))
            dweight[:, :, *offset] = np.einsum("nfij,ncij->fc", dy, x[:, :, rows, columns])
        return dweight

    return variant


FILTER_MISTAKES += (
    Mistake(
        "window without an end",
        "the window of weight (u, v) has no end, so that it is larger than dy. It ends at u plus "
        "the height and v plus the width of dy.",
        _slices_that_end(lambda start, size, kernel: None), BOOKKEEPING,
    ),
    Mistake(
        "window as large as the kernel",
        "the window of weight (u, v) is as large as the kernel. It is as large as dy: the weight "
        "met one pixel for each output.",
        _slices_that_end(lambda start, size, kernel: start + kernel), BOOKKEEPING,
    ),
    Mistake(
        "end not shifted",
        "the window of weight (u, v) begins at its offset now, but ends where it ended before, so "
        "that it is too small. It ends at u plus the height and v plus the width of dy.",
        _end_not_shifted, BOOKKEEPING,
    ),
)


# Bug 3: a published softmax with cross-entropy


def softmax_right(logits, labels):
    return softmax_cross_entropy(logits, labels)[1]


def _probabilities(logits, axis=1):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def _one_hot(logits, labels):
    return (np.arange(logits.shape[1]) == labels[:, None]).astype(logits.dtype)


def _softmax_case(N, classes, seed, dtype=np.float64):
    return Case((numbers((N, classes), seed, dtype, 0.5), np.arange(seed, seed + N) % classes))


SOFTMAX_CASES = (
    Case((np.array([[1.0, 2, 0]]), np.array([2]))),
    Case((np.array([[1.0, 2, 0], [0, 0, 0]]), np.array([2, 0]))),
    _softmax_case(1, 4, 41),
    _softmax_case(3, 3, 43),
    _softmax_case(5, 4, 46, np.float32),
    Case((np.array([[800.0, 798, 0], [-800, 0, 1]]), np.array([1, 2]))),
)


def _softmax(change):
    """Return the variant change(p, t, N): probabilities, one-hot truth, examples."""
    return lambda logits, labels: change(
        _probabilities(logits), _one_hot(logits, labels), len(logits)
    )


def _without_keepdims(maximum, total):
    """(N,) meets (N, classes): an error, or for N = classes the wrong numbers."""

    def variant(logits, labels):
        largest = logits.max(axis=1, keepdims=not maximum)
        powers = np.exp(logits - largest)
        p = powers / powers.sum(axis=1, keepdims=not total)
        return (p - _one_hot(logits, labels)) / len(logits)

    return variant


def _naive(shifted):
    def variant(logits, labels):
        with np.errstate(all="ignore"):
            powers = np.exp(shifted(logits))
            p = powers / powers.sum(axis=1, keepdims=True)
        return (p - _one_hot(logits, labels)) / len(logits)

    return variant


SOFTMAX_MISTAKES = (
    Mistake(
        "element by element",
        "the wrong classes still get 0: the two derivatives are multiplied element by element. "
        "Every probability depends on every logit; taken together, p − t is left.",
        _softmax(lambda p, t, N: -t * (1 - p) / N), JACOBIAN,
        (_softmax(lambda p, t, N: -t * (1 - p)), _softmax(lambda p, t, N: t * (p - 1) * p / N),
         _softmax(lambda p, t, N: -t / N), _softmax(lambda p, t, N: -t)),
    ),
    Mistake(
        "slope kept",
        "p − t is right, but a factor p or p(1 − p) is still there. In cross-entropy it cancels.",
        _softmax(lambda p, t, N: (p - t) * p * (1 - p) / N), GATES,
        (_softmax(lambda p, t, N: (p - t) * p * (1 - p)), _softmax(lambda p, t, N: (p - t) * p / N),
         _softmax(lambda p, t, N: (p - t) * p)),
    ),
    Mistake(
        "not divided by the number of examples",
        "the loss is a mean over N examples, and its gradient carries 1/N. This is the one place "
        "where it belongs.",
        _softmax(lambda p, t, N: p - t), GATES,
    ),
    Mistake(
        "divided by the number of examples twice",
        "dlogits is divided by N twice. Once, in the loss, is enough.",
        _softmax(lambda p, t, N: (p - t) / N**2), GATES,
    ),
    Mistake(
        "divided by the number of classes",
        "dlogits is divided by the number of classes. The loss is a mean over the examples.",
        _softmax(lambda p, t, N: (p - t) / t.size), GATES,
        (_softmax(lambda p, t, N: (p - t) / t.shape[1]),),
    ),
    Mistake(
        "sign", "all signs are wrong: it is p − t, not t − p. Raising the right logit lowers the "
        "loss, so its gradient is negative.",
        _softmax(lambda p, t, N: (t - p) / N), GATES,
    ),
    Mistake(
        "truth not subtracted",
        "the truth is missing: these are the probabilities. Take 1 off at the right class.",
        _softmax(lambda p, t, N: p / N), GATES, (_softmax(lambda p, t, N: p),),
    ),
    Mistake(
        "truth divided away",
        "1/N stands at the truth or at the probabilities only. Divide the whole difference, "
        "(p − t) / N.",
        _softmax(lambda p, t, N: p - t / N), GATES, (_softmax(lambda p, t, N: p / N - t),),
    ),
    Mistake(
        "softmax over the batch",
        "your probabilities add up to 1 over the batch. They must for each example: over the "
        "classes, axis 1.",
        lambda logits, labels: (_probabilities(logits, 0) - _one_hot(logits, labels))
        / len(logits), GATES,
        (lambda logits, labels: (_probabilities(logits, None) - _one_hot(logits, labels))
         / len(logits),),
    ),
    Mistake(
        "labels subtracted",
        "the labels themselves are subtracted. Subtract 1 in one place of each row, the column "
        "labels[n].",
        lambda logits, labels: (_probabilities(logits) - labels[:, None]) / len(logits), GATES,
        (lambda logits, labels: (_probabilities(logits) - labels) / len(logits),),
    ),
    Mistake(
        "every label in every row",
        "p[:, labels] is the column of every label in all rows. Pair each row with its own label: "
        "p[np.arange(N), labels].",
        lambda logits, labels: (_probabilities(logits) - np.isin(
            np.arange(logits.shape[1]), labels)) / len(logits), GATES,
    ),
    Mistake(
        "first example only",
        "1 is subtracted in the first row only. Every example has its right class.",
        _softmax(lambda p, t, N: (p - t * (np.arange(N) == 0)[:, None]) / N), GATES,
        (_softmax(lambda p, t, N: (p - t * (np.arange(N) == N - 1)[:, None]) / N),),
    ),
    Mistake(
        "truth added",
        "1 is added at the right class. It is taken off: raising the right logit lowers the loss.",
        _softmax(lambda p, t, N: (p + t) / N), GATES, (_softmax(lambda p, t, N: p + t),),
    ),
    Mistake(
        "labels counted from 1",
        "1 is subtracted at the class before the right one. Labels count from 0, as Python does.",
        lambda logits, labels: (_probabilities(logits) - _one_hot(
            logits, (labels - 1) % logits.shape[1])) / len(logits), GATES,
    ),
    Mistake(
        "an axis lost",
        "the maximum or the sum has lost an axis: shape (N,) meets the last axis of (N, classes). "
        "Keep it, with keepdims=True.",
        _without_keepdims(True, True), GATES,
        (_without_keepdims(True, False), _without_keepdims(False, True)),
    ),
    Mistake(
        "exponential too large",
        "exp of a large score is inf, and inf/inf is nan. Subtract each row's largest score "
        "first: that line of the broken function is right.",
        _naive(lambda logits: logits), GATES,
        (_naive(lambda logits: logits - logits.max()),),
    ),
    Mistake(
        "derivative of the logarithm only",
        "this is the gradient with respect to the probabilities, −1/p. The softmax is still to "
        "be walked through.",
        _softmax(lambda p, t, N: np.where(t > 0, -1 / p, 0) / N), JACOBIAN,
    ),
)

# Bug 4: a convolution's dX that passed its test, with padding 1


def _stride_1(dy, weight, padding):
    (N, _, OH, OW), (_, C, KH, KW) = dy.shape, weight.shape
    size = (OH + KH - 1 - 2 * padding, OW + KW - 1 - 2 * padding)
    return dy, weight, (N, C, *size), 1, padding


def _image_case(x, weight, padding, seed, dtype=np.float64):
    size = [n + 2 * padding - k + 1 for n, k in zip(x[2:], weight[2:], strict=True)]
    return Case((numbers((x[0], weight[0], *size), seed, dtype),
                 numbers(weight, seed + 1, dtype, 0.5), padding))


IMAGE_CASES = (
    _image_case((1, 1, 3, 4), (1, 1, 2, 2), 1, 51),
    Case((hand_example()[0], hand_example()[2], 0)),
    _image_case((1, 1, 5, 4), (1, 1, 3, 2), 0, 53),
    _image_case((1, 2, 3, 4), (2, 2, 3, 3), 1, 55),
    _image_case((2, 3, 5, 6), (4, 3, 3, 4), 2, 58, np.float32),
    _image_case((3, 1, 4, 3), (2, 1, 1, 1), 0, 60),
)
IMAGE_MISTAKES = _some(
    INPUT_MISTAKES,
    ("empty without padding", "padding not cropped", "cropped at the end only",
     "cropped in front only", "cropped twice", "cropped on rows only", "cropped on columns only",
     "always cropped by 1", "height for the width", "kernel the wrong way round",
     "replaced instead of added", "last filter only", "first filter only",
     "filters and channels swapped", "filters not added up", "first slice for every channel",
     "channels added up", "last outputs left out", "dy ignored", "weights ignored",
     "divided by the number of images", "sign", "without padding only", "all zeros"),
    _stride_1,
    planted="with padding 0 your dx is still empty: [p:-p] is then [0:0], which is nothing. "
    "Compute where the image ends, p + H, and slice to there.",
)


def _ends_of_dy(end_of):
    """The crop ends at end_of(size of dy, padding), not where the image ends."""

    def variant(dy, weight, padding):
        (OH, OW), (KH, KW) = dy.shape[2:], weight.shape[2:]
        size = (len(dy), weight.shape[1], OH + KH - 1, OW + KW - 1)
        whole = input_right(dy, weight, size, 1, 0)
        return whole[:, :, padding : end_of(OH, padding), padding : end_of(OW, padding)]

    return variant


IMAGE_MISTAKES += (
    Mistake(
        "cropped to the size of dy",
        "the crop ends where dy ends. It ends where the image does: the size of the padded array, "
        "OH + KH − 1, minus the padding.",
        _ends_of_dy(lambda size, padding: size), BOOKKEEPING,
        (_ends_of_dy(lambda size, padding: size - padding),
         _ends_of_dy(lambda size, padding: size + padding)),
    ),
)


def _repair(name, argument_names, reference, cases, mistakes, section, **rest):
    return Task(
        id=f"ex05_backpropagation/repair_{name}", function_name=f"repaired_{name}",
        argument_names=argument_names, reference=reference, cases=cases, mistakes=mistakes,
        section=section, **rest,
    )


BUGS = (
    _repair("pool", ("dy", "x"), lambda dy, x: max_right(dy, x, 2, 2), POOL_CASES, POOL_MISTAKES,
            ADDRESS, result_name="dx", shape_rule="the shape of x, (N, C, H, W)"),
    _repair("filter", ("dy", "x", "weight_shape"), lambda *few: weight_right(*_no_padding(*few)),
            FILTER_CASES, FILTER_MISTAKES, BOOKKEEPING, result_name="dweight",
            shape_rule="weight_shape, (F, C, KH, KW)"),
    _repair("softmax", ("logits", "labels"), softmax_right, SOFTMAX_CASES, SOFTMAX_MISTAKES,
            JACOBIAN, result_name="dlogits", shape_rule="the shape of the logits, (N, classes)"),
    _repair("image", ("dy", "weight", "padding"), lambda *few: input_right(*_stride_1(*few)),
            IMAGE_CASES, IMAGE_MISTAKES, BOOKKEEPING, result_name="dx",
            shape_rule="(N, C, H, W) with H = OH + KH - 1 - 2*padding, and W likewise"),
)

TASKS = (
    DENSE_BACKWARD, RELU_BACKWARD, MAX_POOL2D_BACKWARD, AVG_POOL2D_BACKWARD,
    CONV2D_BACKWARD_BIAS, CONV2D_BACKWARD_WEIGHT, CONV2D_BACKWARD_INPUT, *BUGS,
)
