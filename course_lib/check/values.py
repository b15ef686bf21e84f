"""Comparing results: the same values but for rounding in float32, and words for what differs.

Imports only NumPy.
"""

import numpy as np

TOLERANCE = 1e-4  # of the largest expected value: room for an answer computed in float32


def parts(value, count: int) -> list | None:
    """Return the `count` results of one call, numbers as arrays; None where there are not so many.

    >>> parts((1.5, np.zeros(2)), 2)
    [array(1.5), array([0., 0.])]
    """
    if count > 1 and not (isinstance(value, (tuple, list)) and len(value) == count):
        return None
    several = value if count > 1 else [value]
    return [np.asarray(one) if type(one) in (bool, int, float) else one for one in several]


def same_values(got, right) -> bool:
    """Say whether two arrays have one shape and equal values, but for rounding in float32."""
    got, right = np.asarray(got), np.asarray(right)
    return got.shape == right.shape and not where_wrong(got, right).any()


def where_wrong(got: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return where two arrays of one shape differ by more than rounding, as True and False.

    Equal infinities are equal, and nan equals nan: wrong variants may give both.
    """
    if got.dtype.kind in "iu":  # a difference may be more than such a type holds
        got = got.astype(float)
    finite = np.isfinite(right)
    room = TOLERANCE * max(1.0, float(np.abs(right[finite]).max(initial=0.0)))
    with np.errstate(invalid="ignore", over="ignore"):
        if got.dtype.kind == right.dtype.kind == "b":
            return got != right
        same = (got == right) | (np.isnan(got) & np.isnan(right))
        return ~(same | (np.abs(got - right) <= room) & finite)


def number_text(number) -> str:
    """Return a number in at most six digits, without a minus in front of 0; or True or False.

    >>> number_text(np.float32(0.1)), number_text(-0.0), number_text(12.0), number_text(np.False_)
    ('0.1', '0', '12', 'False')
    """
    if np.asarray(number).dtype == bool:
        return str(bool(number))
    if isinstance(number, complex):
        return f"{number:.4g}"
    return f"{float(number) + 0.0:.6g}"


def how_many_wrong(name: str, wrong: np.ndarray) -> str:
    """Return "one value of y is wrong." and the like."""
    count = int(wrong.sum())
    if not wrong.ndim:
        return f"the value of {name} is wrong."
    if count == 1:
        return f"{'one' if wrong.size > 1 else 'the only'} value of {name} is wrong."
    return f"{'all' if count == wrong.size else 'some'} values of {name} are wrong."


def first_difference(name: str, got: np.ndarray, right: np.ndarray) -> str:
    """Return a line with the first wrong value and how many there are."""
    wrong = where_wrong(got, right)
    if not wrong.ndim:
        return f"    expected {number_text(right)}, got {number_text(got)}"
    place = tuple(int(index) for index in np.argwhere(wrong)[0])
    count, where = int(wrong.sum()), f"{name}[{', '.join(map(str, place))}]"
    many = f"{count} of {right.size} values are wrong; the first is {where}"
    one = f"1 of {right.size} values is wrong, {where}"
    only = f"the only value, {where}, is wrong"
    return (f"    {many if count > 1 else one if right.size > 1 else only}: "
            f"expected {number_text(right[place])}, got {number_text(got[place])}")
