"""What the checks of the gradients of dense layers and of ReLU know.

Only `course_lib.check.backprop` imports this module; it uses the library's operations.
"""

import itertools

import numpy as np

from course_lib.check.tasks import Case, Mistake, Section, Task, small_numbers
from course_lib.pointwise import dense, relu
from course_lib.pointwise import dense_backward as library_dense_backward
from course_lib.pointwise import relu_backward as library_relu_backward

PATHS_ADD = Section("05a_backpropagation", "A gradient is a question about one small change")
GATES = Section("05a_backpropagation", "ReLU closes gates, and the loss starts the flow")
ADDRESS = Section("05a_backpropagation", "Pooling sends the gradient back along an address")
WHOLE = Section("00_start_here", "In the wild: whole numbers that stay whole")


def numbers(shape, seed, dtype=np.float64, scale=1.0):
    count = int(np.prod(shape))
    return (small_numbers(count, seed).reshape(shape) * scale).astype(dtype)


def whole(right, *others) -> Mistake:
    """Return the mistake of a gradient that is cut or floored to whole numbers."""
    return Mistake(
        "whole numbers",
        "the digits after the decimal point are lost. An array made with dtype=int, int(...) and "
        "the division // keep whole numbers only.",
        lambda *given: np.trunc(right(*given)), WHOLE,
        (lambda *given: np.floor(right(*given)), *others),
    )


# Dense


def dense_right(dy, x, weight):
    _, cache = dense(x, weight, np.zeros(weight.shape[1], weight.dtype))
    return library_dense_backward(dy, cache)


def _dense_case(N, features, outputs, dtype=np.float64, scale=1.0):
    seed = 100 * N + 10 * features + outputs
    return Case((numbers((N, outputs), seed, dtype, scale),
                 numbers((N, features), seed + 1, dtype, scale),
                 numbers((features, outputs), seed + 2, dtype, scale)))


DENSE_CASES = (
    Case((np.array([[2.0, -1]]), np.array([[3.0, 1]]), np.array([[1.0, 4], [0, -2]]))),
    Case((np.array([[2.0, 0, 1], [1, 3, -1]]), np.array([[1.0, 2], [3, -1]]),
          np.array([[1.0, 0, -1], [2, 1, 3]]))),
    _dense_case(2, 2, 2),
    _dense_case(1, 3, 2),
    _dense_case(3, 4, 1, np.float32, 0.5),
    _dense_case(4, 1, 3),
    _dense_case(4, 4, 4, np.float64, 0.37),
    _dense_case(5, 6, 3, np.float32, 0.37),
)


def _one(position, change):
    """Return the variant in which one of (dx, dweight, dbias) is change(it, dy, x, weight)."""

    def variant(dy, x, weight):
        results = list(dense_right(dy, x, weight))
        results[position] = change(results[position], dy, x, weight)
        return tuple(results)

    return variant


def _several(changes):
    """Return the variant with several results changed, {position: change}."""

    def variant(dy, x, weight):
        results = list(dense_right(dy, x, weight))
        for position, change in changes.items():
            results[position] = change(results[position], dy, x, weight)
        return tuple(results)

    return variant


def _stops_unless_square(dy, x, weight):
    if weight.shape[0] != weight.shape[1]:
        raise ValueError("shapes do not fit")


def _weight_not_turned(dx, dy, x, weight):
    _stops_unless_square(dy, x, weight)
    return dy @ weight


def _stops_otherwise(dx, dy, x, weight):
    """Loops with the two indices of the weight swapped: an IndexError."""
    if weight.shape[0] != weight.shape[1]:
        raise IndexError("index is out of bounds")
    return dy @ weight


def _x_not_transposed(dweight, dy, x, weight):
    return x @ dy  # a ValueError unless the batch is as large as the number of features


def divided(d, dy, x, weight):
    return d / len(dy)


def _without_the_last(dy, x, weight):
    """range(N - 1): the last example hands nothing back."""
    dx, dweight, dbias = dense_right(dy[:-1], x[:-1], weight)
    return np.concatenate([dx, 0 * x[-1:]]), dweight, dbias


def _negative(d, *_):
    return -d


SLIPS = (  # often made together: in dx, in dweight, in dbias
    (_weight_not_turned,),
    (lambda d, *_: d.T, _x_not_transposed, divided, _negative),
    (lambda d, dy, *_: dy, lambda d, dy, *_: dy.sum(axis=1), lambda d, *_: d[None], divided,
     lambda d, dy, *_: dy.mean(axis=1), lambda d, dy, *_: np.asarray(dy.sum())),
)


def _and_later_slips(position, change):
    """Return the variants with this change and with one in the results behind it."""
    choices = [(None, *SLIPS[later]) if later > position else (None,) for later in range(3)]
    return tuple(
        _several({position: change, **{k: slip for k, slip in enumerate(slips) if slip}})
        for slips in itertools.product(*choices) if any(slips)
    )


DENSE_MISTAKES = (
    Mistake(
        "weight not transposed",
        "dx is dy times the weight as it is. Input i reached output o through weight[i, o], so "
        "going back the weight is transposed: the shapes (N, O), (O, I) give (N, I).",
        _one(0, _weight_not_turned), PATHS_ADD,
        (_one(0, _stops_otherwise), *_and_later_slips(0, _weight_not_turned)),
    ),
    Mistake(
        "dx transposed",
        "your dx is transposed: a row for each input. It has the shape of x, a row for each "
        "example.",
        _one(0, lambda d, *_: d.T), PATHS_ADD, _and_later_slips(0, lambda d, *_: d.T),
    ),
    Mistake(
        "dweight transposed",
        "your dweight is transposed. It has the shape of the weight, (inputs, outputs): x "
        "transposed, times dy.",
        _one(1, lambda d, *_: d.T), PATHS_ADD,
        (_one(1, lambda d, *_: d.T.reshape(d.shape)),
         *_and_later_slips(1, lambda d, *_: d.T)),
    ),
    Mistake(
        "x not transposed",
        "dweight is a product of x and dy that sums over another axis than the batch. x "
        "transposed, times dy, is (inputs, N) (N, outputs), and sums over N.",
        _one(1, _x_not_transposed), PATHS_ADD,
        (_one(1, lambda d, dy, x, w: x @ dy.T), *_and_later_slips(1, _x_not_transposed)),
    ),
    Mistake(
        "element by element",
        "numbers are multiplied one by one (*) where a matrix product (@) is needed: every input "
        "meets every output.",
        lambda dy, x, w: (dy * w, x * dy, dy), PATHS_ADD,
        (_one(0, lambda d, dy, x, w: dy * w), _one(1, lambda d, dy, x, w: x * dy),
         _several({0: lambda d, dy, x, w: dy * w, 1: lambda d, dy, x, w: x * dy})),
    ),
    Mistake(
        "batch not summed in dbias",
        "dbias is not summed over the batch. Every example had the same bias added, and paths "
        "that meet add.",
        _one(2, lambda d, dy, x, weight: dy), PATHS_ADD,
    ),
    Mistake(
        "dbias over outputs",
        "dbias is summed over the outputs. Each output has a bias of its "
        "own: the axis that goes is the batch, 0.",
        _one(2, lambda d, dy, x, weight: dy.sum(axis=1)), PATHS_ADD,
        (_one(2, lambda d, dy, x, weight: np.full_like(d, dy.sum())),
         _one(2, lambda d, dy, x, weight: np.asarray(dy.sum()))),
    ),
    Mistake(
        "dbias keeps an axis",
        "dbias has an axis too many: it has the shape of the bias, (outputs,).",
        _one(2, lambda d, *_: d[None]), PATHS_ADD, (_one(2, lambda d, dy, *_: d[None] / len(dy)),),
    ),
    Mistake(
        "dbias once per input",
        "dbias is too large by the number of inputs: is it added to inside the loop over them? "
        "Each example adds dy[n, o] to it once.",
        _one(2, lambda d, dy, x, weight: d * len(weight)), PATHS_ADD,
    ),
    Mistake(
        "dbias is a mean",
        "dbias is the mean over the batch. It is the sum: the mean is taken once, in the loss, "
        "and its 1/N is in dy already.",
        _one(2, divided), GATES,
    ),
    Mistake(
        "dweight is a mean",
        "dweight is divided by N, the number of examples. The mean is taken once, in the loss, "
        "and its 1/N is in dy already.",
        _one(1, divided), GATES,
    ),
    Mistake(
        "divided by the number of examples",
        "dweight and dbias are divided by N, the number of examples. The mean is taken once, in "
        "the loss, and its 1/N is in dy already.",
        _several({1: divided, 2: divided}), GATES,
    ),
    Mistake(
        "dx divided by the number of examples",
        "dx is divided by N, the number of examples. The mean is taken once, in the loss, and its "
        "1/N is in dy already.",
        _one(0, divided), GATES, (_several({0: divided, 1: divided, 2: divided}),
                                  _several({0: divided, 1: divided})),
    ),
    Mistake(
        "divided by another number",
        "dweight is divided by the number of inputs or of outputs. Nothing was divided on the way "
        "there, so nothing is on the way back.",
        _one(1, lambda d, dy, x, w: d / len(w)), PATHS_ADD,
        (_one(1, lambda d, dy, x, w: d / w.shape[1]), _one(1, lambda d, dy, x, w: d / w.size)),
    ),
    Mistake(
        "last example left out",
        "the last example is never used. Does your loop over n end one step early?",
        _without_the_last, PATHS_ADD,
        (_several({1: lambda d, dy, x, w: x[:-1].T @ dy[:-1], 2: lambda d, dy, *_: dy[:-1].sum(0)}),
         _one(2, lambda d, dy, *_: dy[:-1].sum(0))),
    ),
    Mistake(
        "a gate too many",
        "dx is 0 where x is not positive: that is ReLU's gate, the layer before. This layer has "
        "none, and every input has its slope.",
        _one(0, lambda d, dy, x, w: d * (x > 0)), GATES,
        (lambda dy, x, w: dense_right(dy * (dy > 0), x, w),
         lambda dy, x, w: dense_right(dy * (dense(x, w, 0 * w[0])[0] > 0), x, w)),
    ),
    Mistake(
        "one example only",
        "only one example of the batch is left in dweight or dbias. All examples used the same "
        "numbers, and paths that meet add: += instead of =.",
        _several({1: lambda d, dy, x, w: np.outer(x[-1], dy[-1]), 2: lambda d, dy, *_: dy[-1]}),
        PATHS_ADD,
        (_one(1, lambda d, dy, x, w: np.outer(x[-1], dy[-1])),
         _one(1, lambda d, dy, x, w: np.outer(x[0], dy[0])),
         _one(2, lambda d, dy, *_: dy[-1]), _one(2, lambda d, dy, *_: dy[0]),
         _several({1: lambda d, dy, x, w: np.outer(x[0], dy[0]), 2: lambda d, dy, *_: dy[0]})),
    ),
    Mistake(
        "last output only",
        "only the last output is left in dx. Input i touched every output, and the paths add: "
        "+= instead of =.",
        _one(0, lambda d, dy, x, w: np.outer(dy[:, -1], w[:, -1])), PATHS_ADD,
        (_several({0: lambda d, dy, x, w: np.outer(dy[:, -1], w[:, -1]),
                   1: lambda d, dy, x, w: np.outer(x[-1], dy[-1])}),
         _several({0: lambda d, dy, x, w: np.outer(dy[:, -1], w[:, -1]),
                   1: lambda d, dy, x, w: np.outer(x[-1], dy[-1]),
                   2: lambda d, dy, *_: dy[-1]})),
    ),
    Mistake(
        "order of the results",
        "the results are right but in another order. Return dx, dweight, dbias.",
        lambda *a: tuple(dense_right(*a)[k] for k in (1, 0, 2)), PATHS_ADD,
        tuple(lambda *a, order=order: tuple(dense_right(*a)[k] for k in order)
              for order in ((1, 2, 0), (2, 1, 0), (0, 2, 1), (2, 0, 1))),
    ),
    Mistake(
        "dx from x",
        "dx is made with x, and dweight with the weight. In a product the slope of one factor is "
        "the other: dx needs the weight, dweight needs x.",
        _several({0: lambda d, dy, x, w: dy.sum(1, keepdims=True) * x,
                  1: lambda d, dy, x, w: w * dy.sum(0)}), PATHS_ADD,
        (_one(1, lambda d, dy, x, w: w * dy.sum(0)),
         _one(0, lambda d, dy, x, w: dy.sum(1, keepdims=True) * x)),
    ),
    Mistake(
        "dy ignored",
        "dy is not used in one of the results: the slopes alone are not the gradient. Multiply by "
        "what comes from behind.",
        _one(0, lambda d, dy, x, w: np.ones_like(dy) @ w.T), PATHS_ADD,
        (_one(1, lambda d, dy, x, w: x.T @ np.ones_like(dy)),
         _one(2, lambda d, dy, *_: np.ones_like(d)),
         _one(2, lambda d, dy, *_: np.full_like(d, len(dy))),
         lambda dy, x, w: dense_right(np.ones_like(dy), x, w)),
    ),
    Mistake(
        "dx summed over the batch",
        "dx is summed over the batch. Each example has an x of its own: dx has the shape of x. "
        "Only gradients of what is shared are summed.",
        _one(0, lambda d, *_: d.sum(axis=0)), PATHS_ADD,
        (_one(0, lambda d, *_: np.repeat(d.sum(axis=0, keepdims=True), len(d), 0)),
         _one(0, lambda d, *_: d.sum(axis=0, keepdims=True))),
    ),
    Mistake(
        "sign", "there is a minus too many. The gradient says where the loss rises; the minus "
        "comes in the step, not here.", lambda *a: tuple(-d for d in dense_right(*a)), PATHS_ADD,
        tuple(_several({part: _negative for part in parts})
              for parts in ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2))),
    ),
    Mistake(
        "all zeros", "the results are zeros: nothing was added into the arrays.",
        lambda *a: tuple(0 * d for d in dense_right(*a)), PATHS_ADD,
    ),
)

DENSE_BACKWARD = Task(
    id="ex05_backpropagation/dense_backward",
    function_name="my_dense_backward",
    argument_names=("dy", "x", "weight"),
    result_name=("dx", "dweight", "dbias"),
    reference=dense_right,
    cases=DENSE_CASES,
    mistakes=DENSE_MISTAKES,
    section=PATHS_ADD,
    shape_rule=("the shape of x, (N, inputs)", "the shape of the weight, (inputs, outputs)",
                "(outputs,)"),
)


# ReLU


def relu_right(dy, x):
    return library_relu_backward(dy, relu(x)[1])


RELU_CASES = (
    Case((np.array([10.0, 20, -30, -40]), np.array([-2.0, 3, 0.5, -1]))),
    Case((np.array([[5.0, -6, 7]]), np.array([[0.0, 0, 2]]))),
    Case((numbers((2, 3), 5), numbers((2, 3), 6))),
    Case((numbers((4, 2), 7, np.float32, 0.5), numbers((4, 2), 8, np.float32, 0.1))),
    Case((numbers((2, 2, 2, 3), 9) + 0.5, numbers((2, 2, 2, 3), 10))),
    Case((numbers((3, 2, 4, 5), 11, np.float32, 0.37), numbers((3, 2, 4, 5), 12, np.float32))),
)

RELU_MISTAKES = (
    Mistake(
        "gate forgotten",
        "dy passes everywhere, the gate is forgotten. Where x was negative y did not move, so "
        "nothing comes back.",
        lambda dy, x: dy.copy(), GATES,
    ),
    Mistake(
        "only the open places",
        "these are only the numbers that pass. dx keeps the shape of x, with 0 where nothing "
        "passes.",
        lambda dy, x: dy[x > 0], GATES, (lambda dy, x: dy[x >= 0],),
    ),
    Mistake(
        "arguments swapped",
        "dy and x have changed places: dy comes first, and x makes the gate.",
        lambda dy, x: x * (dy > 0), GATES, (lambda dy, x: x * (dy >= 0),),
    ),
    Mistake(
        "gate at 1",
        "the gate opens at 1 instead of 0: where x is between 0 and 1 nothing passes.",
        lambda dy, x: dy * (x >= 1), GATES, (lambda dy, x: dy * (x > 1),),
    ),
    Mistake(
        "open at zero",
        "at x = 0 your gate is open. There is no derivative at the corner; here it is 0, as in "
        "PyTorch: x > 0, not x >= 0.",
        lambda dy, x: dy * (x >= 0), GATES,
    ),
    Mistake(
        "half at zero",
        "at x = 0 half of dy passes. That is what the central difference says; here the slope at "
        "the corner is 0.",
        lambda dy, x: dy * np.heaviside(x, 0.5), GATES,
    ),
    Mistake(
        "gate of dy",
        "the gate looks at dy instead of x. What was cut off on the way forward depends on x; a "
        "negative gradient passes an open gate.",
        lambda dy, x: np.maximum(dy, 0), GATES,
        (lambda dy, x: dy * (x > 0) * (dy > 0),),
    ),
    Mistake(
        "gate the wrong way round",
        "your gate is open where it must be closed: dy passes where x is positive.",
        lambda dy, x: dy * (x < 0), GATES, (lambda dy, x: dy * (x <= 0),),
    ),
    Mistake(
        "multiplied by x",
        "dy is multiplied by the value max(x, 0) instead of the slope. Where x is positive the "
        "slope is 1, however large x is.",
        lambda dy, x: dy * np.maximum(x, 0), GATES,
        (lambda dy, x: dy * x, lambda dy, x: np.maximum(dy * x, 0),
         lambda dy, x: np.maximum(dy, 0) * np.maximum(x, 0), lambda dy, x: dy * np.clip(x, 0, 1)),
    ),
    Mistake(
        "the gate itself",
        "this is the gate alone, 0 and 1. Multiply it by dy: the gradient that comes from behind.",
        lambda dy, x: (x > 0).astype(x.dtype), GATES,
    ),
    Mistake(
        "forward again",
        "this is max(x, 0), the way forward. The way back takes dy and lets it pass where x is "
        "positive.",
        lambda dy, x: np.maximum(x, 0), GATES,
    ),
    Mistake(
        "x in the closed places",
        "where the gate is closed something else than 0 stands, x or 1.",
        lambda dy, x: np.where(x > 0, dy, x), GATES,
        (lambda dy, x: np.where(x > 0, x, dy), lambda dy, x: np.where(x > 0, dy, 1)),
    ),
    Mistake(
        "leaky",
        "a small part of dy passes the closed gates. That is leaky ReLU; the plain one lets "
        "nothing pass.",
        lambda dy, x: np.where(x > 0, dy, 0.01 * dy), GATES,
        (lambda dy, x: np.where(x >= 0, dy, 0.01 * dy),),
    ),
    Mistake(
        "minus one behind",
        "behind a closed gate dy comes back with a minus: that is the slope of |x|. Here it is 0.",
        lambda dy, x: dy * np.sign(x), GATES, (lambda dy, x: np.where(x > 0, dy, -dy),),
    ),
    Mistake(
        "divided by the number of examples",
        "dx is divided by N, the number of examples. The mean is taken once, in the loss, and its "
        "1/N is in dy already.",
        lambda dy, x: relu_right(dy, x) / len(dy), GATES,
        (lambda dy, x: relu_right(dy, x) / x.size,),
    ),
    Mistake(
        "added up",
        "dx is added up into one number or over an axis. Every number of x has a gradient of its "
        "own.",
        lambda dy, x: np.asarray(relu_right(dy, x).sum()), GATES,
        (lambda dy, x: relu_right(dy, x).sum(axis=0),),
    ),
    whole(relu_right),
    Mistake(
        "sign", "all signs are wrong. The gradient says where the loss rises; the minus comes in "
        "the step, not here.", lambda dy, x: -relu_right(dy, x), PATHS_ADD,
    ),
    Mistake(
        "all zeros", "every number of dx is 0: nothing was written into it.",
        lambda dy, x: 0 * dy, GATES,
    ),
)

RELU_BACKWARD = Task(
    id="ex05_backpropagation/relu_backward",
    function_name="my_relu_backward",
    argument_names=("dy", "x"),
    result_name="dx",
    reference=relu_right,
    cases=RELU_CASES,
    mistakes=RELU_MISTAKES,
    section=GATES,
    shape_rule="the shape of x",
)
