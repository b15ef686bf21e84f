"""What wrong numbers have to do with the right ones, where no known mistake explains them.

Only what is exactly so in every case is said. Imports values.
"""

from itertools import permutations

import numpy as np

from course_lib.check.values import number_text, same_values, where_wrong

AXES = {4: ("image", "channel", "row", "column"), 3: ("channel", "row", "column"),
        2: ("row", "column"), 1: ("place",)}


def relation(pairs: list, wrong: list[int]) -> str:
    """One sentence, or none. pairs: (got, right, arguments) of every case; wrong: which are wrong.

    A relation must hold in the right cases too, where it must change nothing.
    """
    if not wrong or not all(looks_like_numbers(got) for got, _, _ in pairs):
        return ""
    for find in (as_multiple, as_shift, as_change, as_order, as_slice, as_place):
        text = find(pairs, wrong)
        if text:
            return text
    return ""


def looks_like_numbers(got) -> bool:
    return isinstance(got, np.ndarray) and got.dtype.kind in "fiub" and got.size > 0


def as_multiple(pairs, wrong) -> str:
    """Every value times the same number, in each case."""
    factors = []
    for n, (got, right, arguments) in enumerate(pairs):
        if got.shape != right.shape or not np.isfinite(got).all() or not np.isfinite(right).all():
            return ""
        square = float((right.astype(float) ** 2).sum())
        if square == 0:
            if n in wrong:
                return ""
            continue
        factor = float((got.astype(float) * right).sum()) / square
        if not same_values(got, factor * right) or abs(factor) < 1e-6:
            return ""
        first = arguments[0] if arguments else None
        factors.append((n, factor, len(first) if np.ndim(first) else 0, right.size))
    values = [factor for _, factor, _, _ in factors]
    if len(values) < 2:
        return ""

    def all_are(expected):
        return all(abs(factor / expected(N, size) - 1) < 1e-3 if expected(N, size) else False
                   for _, factor, N, size in factors)

    if all_are(lambda N, size: -1):
        return "Every sign is turned: it is minus the right answer."
    if all_are(lambda N, size: 1):
        return ""  # nearly right, but not by a factor
    if all_are(lambda N, size: values[0]):
        return f"In every case it is {number_text(values[0])} times the right answer."
    if all_are(lambda N, size: N):
        return ("In every case it is N times the right answer, N the length of the first argument: "
                "is a sum to be divided by it?")
    if all_are(lambda N, size: 1 / N if N else 0):
        return ("In every case it is the right answer divided by N, the length of the first "
                "argument: is it divided once too often?")
    if any(pairs[n][1].size < 3 for n in wrong):
        return ""  # one number is a multiple of any other
    shown = next(factor for n, factor, _, _ in factors if n == wrong[0])
    return (f"In every case it is a multiple of the right answer, {number_text(shown)} times in "
            "the one below: is something counted, or divided by, that should not be?")


def as_shift(pairs, wrong) -> str:
    """Every value too large or too small by the same number, in each case."""
    steps = []
    for got, right, _ in pairs:
        if got.shape != right.shape or not np.isfinite(got).all() or not np.isfinite(right).all():
            return ""
        step = float((got.astype(float) - right).mean())
        if not same_values(got, right + step) or right.size < 3:
            return ""
        steps.append(step)
    if max(map(abs, steps)) < 1e-6:
        return ""
    same = max(steps) - min(steps) < 1e-4 * max(map(abs, steps))
    much = number_text(abs(steps[wrong[0]]))
    way = "large" if steps[wrong[0]] > 0 else "small"
    return (f"Every value is too {way} by {much}{', in every case' if same else ' below'}: is "
            "something added that should not be, or left out?")


CHANGES = {
    "It is the right answer without its signs: every value is positive.": np.abs,
    "It is the right answer with all negative values set to 0.": lambda y: np.maximum(y, 0),
    "It is the right answer with its fractions cut off: whole numbers.": np.trunc,
    "It is the right answer rounded to whole numbers.": np.round,
    "It is the right answer rounded down to whole numbers.": np.floor,
    "It is the square of the right answer.": np.square,
    "It is the right answer upside down: its rows run backwards.": lambda y: y[..., ::-1, :],
    "It is the right answer as in a mirror: its columns run backwards.": lambda y: y[..., ::-1],
    "It is the right answer turned by 180°.": lambda y: y[..., ::-1, ::-1],
    "It is the right answer in the reverse order of its first axis.": lambda y: y[::-1],
    "It is the right answer with rows and columns exchanged.": lambda y: np.swapaxes(y, -1, -2),
}


def as_change(pairs, wrong) -> str:
    """The right answer after one of CHANGES."""
    for sentence, change in CHANGES.items():
        try:
            if all(same_values(got, change(right)) for got, right, _ in pairs):
                return sentence
        except (ValueError, IndexError):  # too few axes
            continue
    return ""


def as_order(pairs, wrong) -> str:
    """The right numbers with their axes in another order, or under another shape."""
    dimensions = {right.ndim for _, right, _ in pairs} | {got.ndim for got, _, _ in pairs}
    if len(dimensions) == 1 and 2 <= max(dimensions) <= 4:
        for order in permutations(range(max(dimensions))):
            if all(got.ndim == len(order) and same_values(got.transpose(order), right)
                   for got, right, _ in pairs):
                moved = next(a for a, b in enumerate(order) if a != b)
                return ("The numbers are right, but the axes stand in another order: what must be "
                        f"axis {moved} is axis {order[moved]} of yours.")
    if all(got.size == right.size and same_values(got.reshape(right.shape), right)
           for got, right, _ in pairs):
        return "The numbers and their order are right; only the shape is not."
    return ""


def as_slice(pairs, wrong) -> str:
    """The right numbers without the first or last of one axis, or with one too many."""
    dimensions = {right.ndim for _, right, _ in pairs}
    if len(dimensions) != 1 or not all(got.ndim in dimensions for got, _, _ in pairs):
        return ""
    [count] = dimensions
    for axis, name in enumerate(AXES.get(count, ())):
        for what, cut in (("last", slice(None, -1)), ("first", slice(1, None))):
            part = (slice(None),) * axis + (cut,)
            if all(same_values(pairs[n][0], pairs[n][1][part]) for n in wrong):
                return f"The {what} {name} is missing; the others are right."
            if all(same_values(pairs[n][0][part], pairs[n][1]) for n in wrong):
                return f"There is one {name} too many, the {what}; the others are right."
    return ""


def as_place(pairs, wrong) -> str:
    """Wrong only in the first or only in the last of one axis, or only at the border."""
    masks = []
    for n in wrong:
        got, right, _ = pairs[n]
        if got.shape != right.shape or right.ndim not in AXES or right.size < 2:
            return ""
        masks.append(where_wrong(got, right))
    if len({mask.ndim for mask in masks}) != 1:
        return ""
    axes = list(enumerate(AXES[masks[0].ndim]))
    for axis, name in axes:
        for what, index in (("last", -1), ("first", 0)):
            others = [np.delete(mask, index, axis) for mask in masks]
            if all(other.size and not other.any() for other in others):
                return f"Only values of the {what} {name} are wrong."
    for axis, name in axes:
        for what, index in (("last", -1), ("first", 0)):
            if all(mask.shape[axis] > 2 and not np.take(mask, index, axis).any()
                   for mask in masks):
                return f"The {what} {name} is right, others are not."
    inner = [mask[..., 1:-1, 1:-1] for mask in masks if mask.ndim >= 2]
    if len(inner) == len(masks) and all(one.size and not one.any() for one in inner):
        return "Only values at the border are wrong."
    return ""
