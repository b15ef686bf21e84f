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
     "everybody gets it", "shared equally", "written at the output's place",
     "written into the first window", "dy ignored", "all zeros"),
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
    ("offset lost", "turned", "rows reversed", "columns reversed", "transposed", "last image only",
     "last window only", "divided by the number of images", "mean over the outputs",
     "windows next to each other", "filters and channels swapped", "dy ignored", "all zeros"),
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


FILTER_MISTAKES += (
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


SOFTMAX_MISTAKES = (
    Mistake(
        "element by element",
        "the wrong classes still get 0: the two derivatives are multiplied element by element. "
        "Every probability depends on every logit; taken together, p − t is left.",
        _softmax(lambda p, t, N: -t * (1 - p) / N), JACOBIAN,
        (_softmax(lambda p, t, N: -t * (1 - p)), _softmax(lambda p, t, N: t * (p - 1) * p / N)),
    ),
    Mistake(
        "slope kept",
        "p − t is right, but the factor p(1 − p) is still there. In cross-entropy it cancels.",
        _softmax(lambda p, t, N: (p - t) * p * (1 - p) / N), GATES,
        (_softmax(lambda p, t, N: (p - t) * p * (1 - p)),),
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
     "kernel the wrong way round", "replaced instead of added", "last filter only",
     "filters and channels swapped", "without padding only", "all zeros"),
    _stride_1,
    planted="with padding 0 your dx is still empty: [p:-p] is then [0:0], which is nothing. "
    "Compute where the image ends, p + H, and slice to there.",
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
