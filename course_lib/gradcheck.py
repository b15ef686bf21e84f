"""Numerical gradient checking: central differences, and an explanation where they disagree.

Imports nothing of the course: a layer is anything with forward and backward.
"""

from __future__ import annotations

import copy
import inspect
from dataclasses import dataclass, field
from typing import Callable

import numpy as np

STEP = 1e-5  # near the best for central differences in float64: eps ** (1/3)


class GradientCheckError(ValueError):
    """The check cannot be made: what was given is not something that has a gradient here."""


def numerical_gradient(function: Callable, x, h: float = STEP) -> np.ndarray:
    """The gradient of one number with respect to every value of x, by central differences.

    gradient[i] = (function(x + h e_i) - function(x - h e_i)) / 2h

    Shapes  x any  ->  gradient, the same; function(x) returns one number, x is not changed
    Two calls of the function for every value of x: exact to about h² and slow.
    Raises GradientCheckError where x does not hold floats or function returns an array.
    >>> numerical_gradient(lambda x: (x**2).sum(), np.array([1.0, -3.0])).round(6)
    array([ 2., -6.])
    """
    x = _floats(x, "x").copy()
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        gradient[index] = _central(function, x, index, h)
    return gradient


def step_sizes(
    function: Callable, x, analytic, steps=None, dtype=np.float64
) -> list[tuple[float, float]]:
    """(h, error) for several steps: the U-curve, truncation on the right, rounding on the left.

    error = max |numeric - analytic| / max(|numeric|, |analytic|), as everywhere in this module;
    `dtype` is the precision in which function sees x. Steps: 1e-1 down to 1e-12 by default.
    >>> x, steps = np.array([1.0]), [1e-1, 1e-5, 1e-11]
    >>> curve = step_sizes(lambda x: np.exp(x).sum(), x, np.exp(x), steps)
    >>> [round(np.log10(error)) for h, error in curve if h != 1e-5], curve[1][1] < 1e-9
    ([-3, -5], True)
    """
    steps = [10.0**-power for power in range(1, 13)] if steps is None else steps
    x, analytic = np.asarray(x, dtype), np.asarray(analytic)
    return [(float(h), _error(numerical_gradient(function, x, h), analytic)) for h in steps]


@dataclass(frozen=True)
class ArrayReport:
    """What was found for one array: x, a parameter, the logits."""

    name: str
    shape: tuple[int, ...]
    error: float  # max-norm relative error over the coordinates that could be judged
    judged: int
    left_out: int  # next to a kink
    explanation: str = ""  # empty: passed

    @property
    def passed(self) -> bool:
        return not self.explanation


@dataclass(frozen=True)
class Report:
    """The result of check_gradients; print it."""

    who: str
    arrays: list[ArrayReport]
    h: float
    tolerance: float
    notes: list[str] = field(default_factory=list)  # failures that belong to no single array

    @property
    def passed(self) -> bool:
        return not self.notes and all(array.passed for array in self.arrays)

    @property
    def error(self) -> float:
        """The largest error of all arrays."""
        return max((array.error for array in self.arrays), default=0.0)

    @property
    def left_out(self) -> int:
        return sum(array.left_out for array in self.arrays)

    def __getitem__(self, name: str) -> ArrayReport:
        return next(array for array in self.arrays if array.name == name)

    def __str__(self) -> str:
        verdict = "passed" if self.passed else "FAILED"
        lines = [f"gradient check of {self.who}: {verdict} (h = {self.h:g}, "
                 f"tolerance {self.tolerance:g})",
                 f"  {'array':<20} {'shape':<18} {'error':>9} {'judged':>7} {'left out':>9}"]
        for array in self.arrays:
            shape = "x".join(map(str, array.shape)) or "number"
            lines.append(f"  {array.name:<20} {shape:<18} {array.error:9.1e} "
                         f"{array.judged:7d} {array.left_out:9d}")
        lines += [f"  {array.name}: {array.explanation}"
                  for array in self.arrays if not array.passed]
        return "\n".join(lines + [f"  {note}" for note in self.notes])

    __repr__ = __str__


def check_gradients(
    subject,
    x,
    targets=None,
    *,
    rng: np.random.Generator,
    loss: Callable | None = None,
    backward: Callable | None = None,
    h: float = STEP,
    tolerance: float = 1e-7,
    max_coordinates: int | None = 200,
) -> Report:
    """Compare a backward pass with central differences, and explain a difference.

    A layer or model      check_gradients(layer, x, rng=rng)
    a model and its loss  check_gradients(model, x, labels, loss=softmax_cross_entropy, rng=rng)
    a loss                check_gradients(softmax_cross_entropy, logits, labels, rng=rng)
    a pair of functions   check_gradients(conv2d, (x, weight), backward=conv2d_backward, rng=rng)

    Where the result is an array y, the number that is differentiated is sum(y * dy), and dy, the
    upstream gradient, is random: with ones, a backward that mixes up positions would pass.

    error = max |numeric - analytic| / max(|numeric|, |analytic|), one number an array.
    At most `max_coordinates` values of each array are tried, chosen by rng (None: all).

    Kinks. Where the function has a corner within h of x (a ReLU near 0, two nearly equal values
    in a max pool) the central difference is the mean of two slopes and says nothing about the
    gradient. Such a coordinate is recognised without looking at `backward`: halving h then
    changes the numerical derivative, or the second difference does not shrink four times.
    It is left out and counted; if more than half of an array is left out, the check fails.

    Dropout draws the same mask in every call, and `subject` itself is left as it was.
    >>> def square(x):
    ...     return x**2, x
    >>> report = check_gradients(square, np.array([1.0, 2.0]), rng=np.random.default_rng(0),
    ...                          backward=lambda dy, x: dy * x)   # the 2 is missing
    >>> report.passed, "factor of 2" in str(report)
    (False, True)
    """
    problem = _problem(subject, x, targets, loss, backward)
    # A stream of its own: dy must not be x again because both came from the same seed.
    rng = np.random.default_rng(rng.integers(2**32, size=4))
    return _check(problem, rng, h, tolerance, max_coordinates)


# ---- the three kinds of subject, brought to one form


@dataclass
class _Problem:
    """values() computes y from the arrays as they are now; gradients(dy) is what is checked."""

    who: str
    arrays: dict[str, np.ndarray]
    values: Callable[[], np.ndarray]
    gradients: Callable[[np.ndarray], dict[str, np.ndarray]]
    examples: int
    again: Callable | None = None  # gradients() without setting parameter.grad to zero first


def _problem(subject, x, targets, loss, backward) -> _Problem:
    if hasattr(subject, "forward") and hasattr(subject, "backward"):
        return _layer_problem(subject, x, targets, loss)
    if not callable(subject):
        raise GradientCheckError(
            "check_gradients: expected a layer, a model, a loss or a function with backward=, "
            f"got {type(subject).__name__}."
        )
    if backward is not None:
        return _function_problem(subject, x, backward)
    return _loss_problem(subject, x, targets)


def _layer_problem(subject, x, targets, loss) -> _Problem:
    if (loss is None) != (targets is None):
        raise GradientCheckError(
            "check_gradients: a model is checked with labels and loss= together, or with neither."
        )
    layer = copy.deepcopy(subject)  # running statistics and gradients of the original stay
    x = _floats(x, "x").copy()
    parameters = layer.parameters() if hasattr(layer, "parameters") else {}
    arrays = {"x": x, **{name: parameter.data for name, parameter in parameters.items()}}
    streams = _generators(layer)

    def forward():
        for generator, state in streams:
            generator.bit_generator.state = copy.deepcopy(state)  # the same dropout mask again
        y = layer.forward(x)
        return (y, None) if loss is None else loss(y, targets)

    def gradients(dy):
        for parameter in parameters.values():
            parameter.grad = np.zeros_like(parameter.data)
        return backward_pass(dy)

    def backward_pass(dy):
        _, dlogits = forward()
        dx = layer.backward(dy if loss is None else dlogits * dy)
        found = {name: parameter.grad for name, parameter in parameters.items()}
        return {"x": dx, **{name: None if g is None else np.array(g) for name, g in found.items()}}

    who = type(subject).__name__ if loss is None else f"{type(subject).__name__} with its loss"
    return _Problem(who, arrays, lambda: forward()[0], gradients, len(x), backward_pass)


def _function_problem(function, x, backward) -> _Problem:
    given = list(x) if isinstance(x, tuple) else [x]
    names = _argument_names(function, len(given))
    arrays = {name: _floats(value, name).copy() for name, value in zip(names, given)}

    def gradients(dy):
        found = backward(dy, function(*arrays.values())[1])
        found = found if isinstance(found, tuple) else (found,)
        return dict(zip(names, found))

    return _Problem(_name(function), arrays, lambda: function(*arrays.values())[0], gradients,
                    len(np.atleast_1d(given[0])))


def _loss_problem(loss, logits, targets) -> _Problem:
    logits = _floats(logits, "logits").copy()
    extra = () if targets is None else (targets,)
    result = loss(logits, *extra)
    if not isinstance(result, tuple) or len(result) != 2:
        raise GradientCheckError(
            f"check_gradients: {_name(loss)} must return (loss, dlogits), "
            f"got {type(result).__name__}; for a function with its own backward pass backward=."
        )
    return _Problem(_name(loss), {"logits": logits}, lambda: loss(logits, *extra)[0],
                    lambda dy: {"logits": loss(logits, *extra)[1] * dy},
                    len(np.atleast_1d(logits)))


# ---- the check


def _check(problem: _Problem, rng, h, tolerance, max_coordinates) -> Report:
    before = {name: array.copy() for name, array in problem.arrays.items()}
    y = np.array(problem.values())
    if notes := _written_to(problem.arrays, before):
        return Report(problem.who, [], h, tolerance, notes)
    if not np.array_equal(y, problem.values(), equal_nan=True):
        raise GradientCheckError(
            f"{problem.who}: two calls with the same input gave different results, so there is "
            "nothing to differentiate. Freeze the randomness: draw from a generator in an "
            "attribute, which this check rewinds, or seed it inside the call."
        )
    if not np.isfinite(y).all():
        raise GradientCheckError(f"{problem.who}: the forward pass gives NaN or infinity.")
    dy = rng.standard_normal(y.shape).astype(y.dtype) if y.ndim else np.ones((), y.dtype)
    given = dy.copy()
    analytic = problem.gradients(given)
    if notes := _written_to({**problem.arrays, "dy": given}, {**before, "dy": dy}):
        return Report(problem.who, [], h, tolerance, notes)
    reports = []
    for name, array in problem.arrays.items():
        numeric = _Numeric(problem.values, array, dy, h, tolerance)
        chosen = _choose(array.size, max_coordinates, rng)
        reports.append(_judge(name, numeric, analytic.get(name), chosen, problem, y.dtype))
    notes = [] if problem.again is None else _not_added(problem, analytic, dy)
    return Report(problem.who, reports, h, tolerance, notes)


class _Numeric:
    """Central differences of sum(y * dy) with respect to chosen values of one array."""

    def __init__(self, values, array, dy, h, tolerance):
        self.values, self.array, self.dy = values, array, dy
        self.h, self.tolerance = h, tolerance
        self.base = np.array(values())

    def change(self, flat: int, step: float) -> tuple[float, float, float]:
        """(y(x + step) - y(x)) · dy, how far rounding may spoil it, the step really made."""
        index = np.unravel_index(flat, self.array.shape)
        kept = self.array[index]
        self.array[index] = kept + step
        made = float(self.array[index]) - float(kept)
        # Subtract first, multiply after: outputs that did not change cancel without rounding.
        difference = self.values() - self.base
        self.array[index] = kept
        spoilt = np.linalg.norm((self.base * self.dy)[difference != 0])
        return float((difference * self.dy).sum()), 4 * np.finfo(float).eps * spoilt, made

    def slope(self, flat: int, h: float) -> tuple[float, float, float]:
        """The central difference, the second difference divided by 2h, and their rounding."""
        up, spoilt_up, step_up = self.change(flat, h)
        down, spoilt_down, step_down = self.change(flat, -h)
        if step_up == step_down:  # h vanished in the rounding of x
            return 0.0, 0.0, np.inf
        rounding = (spoilt_up + spoilt_down) / h
        return (up - down) / (step_up - step_down), (up + down) / (2 * h), rounding

    def derivatives(self, chosen, h=None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(slope, suspicion of a kink, rounding) for each chosen coordinate.

        A corner at distance u*h (0 <= u < 1) with a jump J in slope spoils the central
        difference by J (1-u)/2. Halving h changes the difference by J u/2 (u < 1/2), and the
        second difference, instead of shrinking four times, is off by J |1 - 3u|/2: the larger
        of the two is never less than a third of the damage. A smooth function gives ~ h² f'''.
        """
        h = self.h if h is None else h
        full = np.array([self.slope(flat, h) for flat in chosen]).reshape(-1, 3)
        half = np.array([self.slope(flat, h / 2) for flat in chosen]).reshape(-1, 3)
        odd = np.abs(full[:, 0] - half[:, 0])
        even = np.abs(full[:, 1] - 2 * half[:, 1])  # each was divided by its own h
        return full[:, 0], np.maximum(odd, even), full[:, 2]

    def kinks(self, suspicion, rounding, scale: float) -> np.ndarray:
        """Which coordinates are left out: the damage could reach the tolerance."""
        return suspicion > np.maximum(self.tolerance * scale / 3, rounding)

    def noise(self, flat: int) -> float:
        """What rounding inside the function does to a difference quotient, measured.

        A loss such as log(1 + e^z) - z is the small difference of large numbers: its last digits
        are noise, which looks like a kink. Over steps of h / 1000 and less the second difference
        of a smooth function vanishes and that of a kink is small; noise stays as large as it is.
        """
        steps = (self.h * part for part in (1e-4, 3e-4, 7e-4, 1e-3, 2e-3, 3e-3, 5e-3))
        seconds = [self.change(flat, step)[0] + self.change(flat, -step)[0] for step in steps]
        return 8 * max(map(abs, seconds)) / self.h


def _judge(name, numeric: _Numeric, analytic, chosen, problem, dtype) -> ArrayReport:
    array = numeric.array

    def report(error, judged, left_out, explanation=""):
        return ArrayReport(name, array.shape, error, judged, left_out, explanation)

    if analytic is None or np.shape(analytic) != array.shape:
        return report(np.inf, 0, 0, _shape_explanation(name, array.shape, analytic))
    analytic = np.asarray(analytic)
    if not np.isfinite(analytic).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(analytic))[0])
        return report(np.inf, 0, 0, f"the gradient is not finite, first at {where}.")
    slopes, suspicion, rounding = numeric.derivatives(chosen)
    a = analytic.ravel()[chosen].astype(np.float64)
    scale = max(_largest(slopes), _largest(analytic))
    left = numeric.kinks(suspicion, rounding, scale)
    for k in np.flatnonzero(left):
        left[k] = suspicion[k] > numeric.noise(chosen[k])
    n, a, judged = slopes[~left], a[~left], chosen[~left]
    if max(_largest(n), _largest(a)) <= _largest(rounding[~left]):
        error = 0.0  # both are zero as far as float64 can tell
    else:
        error = _largest(n - a) / max(_largest(n), _largest(analytic))
    explanation = ""
    if 2 * left.sum() > len(chosen):
        explanation = _explain_left_out(numeric, chosen, left, dtype)
    elif not error <= numeric.tolerance:
        found = _Found(n, a, judged, analytic, problem.examples)
        explanation = _explain(numeric, found, dtype)
    return report(error, int((~left).sum()), int(left.sum()), explanation)


# ---- what went wrong


@dataclass
class _Found:
    numeric: np.ndarray  # the judged coordinates, flat
    analytic: np.ndarray
    where: np.ndarray  # their flat indices
    whole: np.ndarray  # the analytic gradient, all of it
    examples: int


def _explain(numeric: _Numeric, found: _Found, dtype) -> str:
    """The first explanation that fits, then the worst value."""
    worst = int(np.argmax(np.abs(found.numeric - found.analytic)))
    index = tuple(int(i) for i in np.unravel_index(found.where[worst], numeric.array.shape))
    seen = (f"At {index}: numeric {found.numeric[worst]:.9g}, "
            f"backward {found.analytic[worst]:.9g}.")
    reason = (
        _float32(numeric, found.whole, dtype)
        or _same_everywhere(found)
        or _wrong_step(numeric, found, worst)
        or _constant_factor(found)
        or _rearranged(found)
        or _some_coordinates(numeric, found)
    )
    return f"{reason} {seen}"


def _float32(numeric: _Numeric, analytic, dtype) -> str:
    arrays = {"y": dtype, "the array": numeric.array.dtype, "the gradient": analytic.dtype}
    small = [name for name, kind in arrays.items() if np.dtype(kind).itemsize < 8]
    if not small:
        return ""
    return (f"{' and '.join(small)} {'is' if len(small) == 1 else 'are'} float32: with 7 digits "
            f"a difference over h = {numeric.h:g} is mostly rounding. Use float64 for the check "
            "(x.astype(np.float64), model.astype(np.float64)).")


def _same_everywhere(found: _Found) -> str:
    if not found.whole.any():
        return ("the backward pass gives only zeros. Is the gradient computed, returned and "
                "added to parameter.grad?")
    if not np.abs(found.numeric).max() > 0:
        return "the output does not depend on this array, but the gradient is not zero."
    return ""


def _wrong_step(numeric: _Numeric, found: _Found, worst: int) -> str:
    """Does another h agree with the backward pass at the worst coordinate?"""
    flat, analytic = int(found.where[worst]), found.analytic[worst]
    scale = max(_largest(found.numeric), _largest(found.whole))
    steps = [numeric.h * factor for factor in (1e3, 1e2, 10, 1, 0.1, 1e-2, 1e-3)]
    errors = [abs(numeric.slope(flat, h)[0] - analytic) / scale for h in steps]
    best = int(np.argmin(errors))
    if errors[best] > max(numeric.tolerance, 0.02 * errors[3]):
        return ""
    size = "large" if steps[best] < numeric.h else "small"
    what = "the curve bends within it" if size == "large" else "rounding is divided by it"
    table = ", ".join(f"{h:.0e}: {error:.0e}" for h, error in zip(steps, errors))
    return (f"the step h = {numeric.h:g} is too {size} ({what}); backward looks right. "
            f"Error by h: {table}.")


def _constant_factor(found: _Found) -> str:
    n, a = found.numeric, found.analytic
    factor = float(n @ a / (a @ a)) if a.any() else 0.0
    if not factor or _largest(n - factor * a) > 1e-5 * _largest(n):
        return ""
    if abs(factor + 1) < 1e-5:
        return "the sign is wrong: backward is minus the numerical gradient."
    named = _named_factor(abs(factor), found)
    sign = " (and the sign is wrong)" if factor < 0 else ""
    return (f"backward is off by a constant factor: numeric = {factor:.6g} * backward, a factor "
            f"of {named}{sign}. Is a mean, a sum or a coefficient forgotten, or taken twice?")


def _named_factor(factor: float, found: _Found) -> str:
    """2, 1/4 ... and, where it fits, the number of examples."""
    for base, form in ((factor, "{}"), (1 / factor, "1/{}")):
        if base >= 0.999 and abs(base - round(base)) < 1e-4 * base:
            count = round(base)
            same = count == found.examples and count > 1
            return form.format(count) + (f", and there are {count} examples" if same else "")
    return f"{factor:.6g}"


def _rearranged(found: _Found) -> str:
    """Right numbers in the wrong places: transposed, rotated, upside down."""
    whole = found.whole
    variants = {}
    if whole.ndim >= 2:
        if whole.shape[-1] == whole.shape[-2]:
            variants["transposed (its last two axes are swapped)"] = np.swapaxes(whole, -1, -2)
        if whole.shape[0] == whole.shape[1]:
            variants["transposed (its first two axes are swapped)"] = np.swapaxes(whole, 0, 1)
        variants["rotated by 180 degrees in its last two axes"] = whole[..., ::-1, ::-1]
    variants["in reverse order along its first axis"] = whole[::-1]
    for words, variant in variants.items():
        if _largest(found.numeric - variant.ravel()[found.where]) < 1e-5 * _largest(found.numeric):
            return f"the gradient has the right values in the wrong places: it is {words}."
    return ""


def _some_coordinates(numeric: _Numeric, found: _Found) -> str:
    """How many are wrong, and what the wrong ones have in common."""
    limit = numeric.tolerance * max(_largest(found.numeric), _largest(found.whole))
    wrong = np.abs(found.numeric - found.analytic) > limit
    text = f"{int(wrong.sum())} of {len(wrong)} values tried are wrong"
    if wrong.all():
        return f"{text}: all of them, and by no common factor."
    shape = numeric.array.shape
    places = np.array(np.unravel_index(found.where[wrong], shape))
    others = np.array(np.unravel_index(found.where[~wrong], shape))
    common = [f"index {np.unique(row)[0]} of axis {axis}" for axis, row in enumerate(places)
              if shape[axis] > 1 and len(np.unique(row)) == 1 and (others[axis] != row[0]).any()
              and wrong.sum() > 1]
    return f"{text}{': all at ' + ' and '.join(common) if common else ''}; the others are right."


def _explain_left_out(numeric: _Numeric, chosen, left, dtype) -> str:
    """Too many kinks: real ones stay whatever h is, false ones go with a better h."""
    text = f"{int(left.sum())} of {len(chosen)} values look as if they lay at a kink"
    if reason := _float32(numeric, numeric.array, dtype):
        return f"{text}, but {reason}"
    few = chosen[left][:20]
    for factor, size in ((1e-2, "large"), (1e-3, "large"), (1e2, "small"), (1e3, "small")):
        slopes, suspicion, rounding = numeric.derivatives(few, numeric.h * factor)
        if 4 * numeric.kinks(suspicion, rounding, _largest(slopes)).sum() < len(few):
            return (f"{text}, and with h = {numeric.h * factor:g} they do not: the step "
                    f"h = {numeric.h:g} is too {size}.")
    return (f"{text}, within h = {numeric.h:g} of one (ReLU at 0, equal values in a max pool): "
            "too few are left to judge. Move x away from it, e.g. add random noise.")


def _shape_explanation(name: str, shape, analytic) -> str:
    if analytic is None:
        return "backward gives no gradient (None)."
    found = np.shape(analytic)
    hint = ""
    if found == shape[::-1] and len(shape) > 1:
        hint = " It looks transposed."
    elif np.size(analytic) == np.prod(shape):
        hint = " The number of values is right: reshape it."
    return f"the gradient must have the shape of {name}, {shape}, got {found}.{hint}"


def _written_to(arrays: dict, before: dict) -> list[str]:
    return [f"forward or backward wrote into {name}, which is not its own: work on a copy."
            for name, array in arrays.items()
            if not np.array_equal(array, before[name], equal_nan=True)]


def _not_added(problem: _Problem, first, dy) -> list[str]:
    """After a second backward pass every parameter gradient must have doubled."""
    problem.gradients(dy)
    second = problem.again(dy)
    notes = []
    for name, gradient in first.items():
        usable = name != "x" and gradient is not None and np.any(gradient)
        if usable and np.array_equal(second[name], gradient):
            notes.append(f"{name}: the gradient is assigned, not added: a second backward pass "
                         "must double it, as a parameter used twice needs. Write grad += ...")
    return notes


# ---- small things


def _central(function, x, index, h) -> float:
    kept = x[index]
    x[index] = kept + h
    plus, above = _number(function(x)), float(x[index])
    x[index] = kept - h
    minus, below = _number(function(x)), float(x[index])
    x[index] = kept
    return (plus - minus) / (above - below) if above != below else 0.0  # the steps really made


def _number(value) -> float:
    if np.size(value) != 1:
        raise GradientCheckError(
            f"numerical_gradient: the function must return one number, got shape "
            f"{np.shape(value)}. Sum it, or multiply by a random array and sum."
        )
    return float(np.asarray(value).reshape(()))


def _floats(x, name: str) -> np.ndarray:
    x = np.asarray(x)
    if x.dtype.kind != "f":
        raise GradientCheckError(
            f"gradient check: {name} must hold floating point numbers, got {x.dtype}. "
            f"Use {name}.astype(np.float64)."
        )
    return x


def _largest(array) -> float:
    return float(np.abs(array).max()) if np.size(array) else 0.0


def _error(numeric, analytic) -> float:
    scale = max(_largest(numeric), _largest(analytic))
    return _largest(numeric - analytic) / scale if scale else 0.0


def _choose(size: int, most: int | None, rng) -> np.ndarray:
    if most is None or size <= most:
        return np.arange(size)
    return np.sort(rng.choice(size, most, replace=False))


def _name(function) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _argument_names(function, count: int) -> list[str]:
    try:
        names = list(inspect.signature(function).parameters)[:count]
    except (TypeError, ValueError):
        names = []
    return names if len(names) == count else [f"argument {i}" for i in range(count)]


def _generators(layer) -> list[tuple[np.random.Generator, dict]]:
    """Every random generator in a layer or in the layers it holds, with its present state."""
    found = []
    for part in [layer, *getattr(layer, "layers", [])]:
        for value in vars(part).values():
            if isinstance(value, np.random.Generator):
                found.append((value, value.bit_generator.state))
    return found
