"""What an error, or a value of the wrong kind, usually means: for mistakes that no task lists.

Sentences only of what was seen; imports only NumPy and the answers of the sandbox.
"""

import re

import numpy as np

from course_lib.check.answers import Answer, Unshown

ERRORS = (  # (what the error says, what that usually means), the first that fits
    (r"RecursionError", "the function calls itself and never stops: is another one meant?"),
    (r"NameError: name '(\w+)'", "nothing is called {0} there. Is it spelled as in the first "
     "line of the function? If it stands in another cell, run that cell first."),
    (r"UnboundLocalError", "the name is used before the line that gives it a value: does that "
     "line stand below, or inside an `if` or a loop that was not entered?"),
    (r"positional arguments? but|missing \d+ required|unexpected keyword",
     "a function is called with more or fewer arguments than its `def` line names, or by other "
     "names. (The check itself calls yours with the arguments in the order of the task.)"),
    (r"index (-?\d+) is out of bounds for axis (\d+) with size (\d+)",
     "the size of axis {1} is {2}, and its first index is 0. Count how many windows or values "
     "there are, and where the last one starts and ends."),
    (r"too many indices", "more indices than the array has axes: print its shape there. An index "
     "such as x[0] takes an axis away."),
    (r"(list|tuple|string) index out of range", "an index beyond the end: the {0} is shorter than "
     "you think. Print its length."),
    (r"could not be broadcast together|could not broadcast",
     "two arrays meet whose shapes do not fit. Most often a slice was cut short at the border, an "
     "axis is missing ([:, None, None]), or two axes changed places. Compare the shapes."),
    (r"shapes .* not aligned|matmul: Input|mismatch in its core dimension|shape-mismatch for sum",
     "a product whose inner sizes differ: write both shapes down, transpose or slice one."),
    (r"setting an array element with a sequence|inhomogeneous",
     "a whole array where one number belongs: is a sum missing, or an index?"),
    (r"cannot reshape", "the new shape holds another number of values than the old one: multiply "
     "its numbers out."),
    (r"negative dimensions", "a size came out negative: compute the output's size by hand for "
     "these inputs."),
    (r"axes don't match|AxisError|axis \d+ is out of bounds", "an axis that this array has not: "
     "count its axes from 0. A sum without keepdims takes one away."),
    (r"cannot be interpreted as an integer|slice indices must be integers|must be of integer|"
     r"expected a sequence of integers",
     "a size or an index is no whole number: / gives 2.0, // gives 2."),
    (r"only integers, slices", "an index is no whole number (/ gives 2.0, // gives 2), or it is "
     "a list or text."),
    (r"'NoneType'", "something is None: a function without `return`, or one that works in place "
     "and returns nothing, such as list.append."),
    (r"ndarray' object is not callable|tuple' object is not callable|list' object is not callable",
     "round brackets call a function; an index stands in square brackets: x[i], x.shape[0]."),
    (r"object is not callable", "something that is no function is called: did a variable take "
     "the function's name?"),
    (r"not subscriptable", "an index into something that has none: a number, or a function "
     "without its brackets."),
    (r"Cannot cast ufunc|same_kind", "the array keeps whole numbers only and cannot take the "
     "result: make it with dtype=x.dtype."),
    (r"read-only", "this array is a view that must not be written to: work on a copy."),
    (r"truth value of an array", "an `if` or `and` needs one yes or no and got an array of them: "
     ".any() or .all() makes one of many; np.where, or `&`, works value by value."),
    (r"can only convert an array of size 1|only (length-1|size-1|0-dimensional) arrays",
     "one number is asked for, and there is an array: is a sum missing, or an index? "
     "(And np.exp takes arrays, math.exp does not.)"),
    (r"unsupported operand type|can't multiply sequence|can only concatenate",
     "the two sides are no numbers or arrays: np.array(...) makes an array of a list."),
    (r"ZeroDivisionError", "something is divided by 0 for these inputs: which size is 0?"),
    (r"has no attribute '(\w+)'", "there is nothing called {0} in it: a misspelling, or it is of "
     "another type than you think. Print type(...)."),
    (r"einstein sum|einsum|subscript", "the letters of einsum do not fit the shapes: one letter "
     "an axis, in the order of the axes."),
    (r"not enough values to unpack|too many values to unpack", "the names on the left are not as "
     "many as the values on the right: print the shape."),
    (r"KeyError", "the dictionary has no such key: print its keys."),
    (r"ModuleNotFoundError|ImportError", "that cannot be imported here: NumPy is all it needs."),
    (r"AssertionError", "your own assert says so: what does it claim of these inputs?"),
)


def meaning(detail: str) -> str:
    """Return what an error usually means, or "" for one that is not known.

    >>> meaning("NameError: name 'wieght' is not defined")[:39]
    'Usually: nothing is called wieght there'
    """
    said = detail.partition(" (line ")[0]
    for pattern, sentence in ERRORS:
        if found := re.search(pattern, said):
            return "Usually: " + sentence.format(*found.groups(default=""))
    return ""


def stopped(answer: Answer) -> list[str]:
    """Return the lines that say more of an error: the shapes on its line, what it means."""
    seen = [f"On that line: {answer.seen}."] if answer.seen else []
    text = meaning(answer.detail)
    if answer.inside and "positional argument" not in answer.detail:
        text = (f"It was {answer.inside}, on trial, that stopped, on what it was given: has that "
                "the types and shapes that the task names?")
    return seen + ([text] if text else [])


# Values of the wrong kind


KINDS = {
    "list": "To make an array of a list of numbers: np.array(...).",
    "tuple": "Is there a comma behind the value, or does it return more than was asked for?",
    "generator": "It says `yield`: collect the values and `return` the whole.",
    "coroutine": "That is what `async def` makes: say `def`.",
    "function": "Are the brackets of a call missing?",
    "method": "Are the brackets of a call missing, as in y.sum()?",
    "builtin_function_or_method": "Are the brackets of a call missing, as in y.sum()?",
    "NotImplementedType": "Is `raise` missing in front of NotImplementedError?",
    "dict": "Return the values, not the dictionary.",
    "str": "Text cannot be compared with that.",
    "MaskedArray": "Return a plain array: np.asarray(y).",
    "matrix": "Return a plain array: np.asarray(y).",
    "Tensor": "Return a NumPy array, computed with NumPy.",
    "Report": "Is `.passed` missing? It is True or False.",
    "Suspect": "That is the function on trial itself. Call it, and judge what it returns.",
}


def kind(name: str, wanted: str = "") -> str:
    """Return what to do about a value of this type, or "", where `wanted` is due."""
    if wanted == "True or False" and name in ("list", "tuple"):
        return ("One answer is due, without brackets: `and` joins comparisons, .all() makes one "
                "of an array. What a function on trial returns is to be compared, not returned.")
    return KINDS.get(name, "")


def number(y: str, value: float, right: np.ndarray) -> str:
    """Say which number came where an array is due, as far as its value shows.

    >>> number("y", 9.0, np.array([2.0, 3.0, 4.0]))
    'It is the sum of all of y: sum over fewer axes, or not at all.'
    """
    flat = np.asarray(right, float).ravel()
    if flat.size > 1 and isinstance(value, (int, float)) and np.isfinite(flat).all():
        for one, sentence in (
            (flat[-1], f"It is the last value of {y}: return the whole array, not the last total."),
            (flat[0], f"It is the first value of {y}: does `return` stand inside the loop?"),
            (flat.sum(), f"It is the sum of all of {y}: sum over fewer axes, or not at all."),
            (flat.mean(), f"It is the mean of all of {y}: average over fewer axes, or not at all."),
            (flat.max(), f"It is the largest value of {y}: take the maximum over fewer axes."),
        ):
            if abs(one - value) <= 1e-4 * max(1.0, abs(one)):
                return sentence
    return (f"Make {y} first, put each number in its place, and return {y} itself; or is a sum or "
            "a mean taken that is one too many?")


def objects(value: Unshown) -> str:
    """Say what an array without numbers may come from."""
    return ("Arrays of objects come from lists of different lengths, or from None among the "
            "numbers." if value.dtype == "object" else "")


# Which cases


def only_where(names: tuple, cases: list, wrong: list) -> str:
    """Say what the wrong cases have in common and no right one has; "" if nothing so simple.

    cases: the arguments of each case. wrong: True, False, or None where it was not called.
    """
    known = [(arguments, bad) for arguments, bad in zip(cases, wrong, strict=True)
             if bad is not None]
    flags = [bad for _, bad in known]
    if all(flags) or sum(flags) < 2 or len(flags) - sum(flags) < 2:
        return ""
    for text, test in _properties(names, cases[0]):
        try:
            if [bool(test(arguments)) for arguments, _ in known] == flags:
                return f"Of the cases here it goes wrong in every one {text}, and in no other."
        except (TypeError, IndexError, AttributeError):  # not all cases are of one kind
            continue
    return ""


def _properties(names: tuple, example: tuple):
    """Yield (words, test of a case's arguments): simple things in which cases differ."""
    for place, (name, value) in enumerate(zip(names, example, strict=True)):
        if type(value) in (int, float):
            yield f"with {name} > 0", lambda a, p=place: a[p] > 0
            yield f"with {name} > 1", lambda a, p=place: a[p] > 1
        elif type(value) is tuple:
            yield f"with two different numbers in {name}", lambda a, p=place: a[p][0] != a[p][1]
        elif isinstance(value, np.ndarray):
            for axis in range(value.ndim):
                yield (f"with {name}.shape[{axis}] > 1",
                       lambda a, p=place, k=axis: a[p].shape[k] > 1)
            if value.ndim > 1:
                yield (f"in which the last two axes of {name} hold more than one number",
                       lambda a, p=place: a[p].shape[-1] * a[p].shape[-2] > 1)
                yield (f"in which the last two sizes of {name} differ",
                       lambda a, p=place: a[p].shape[-1] != a[p].shape[-2])
            yield f"in which {name} is float32", lambda a, p=place: a[p].dtype == np.float32
            yield (f"in which {name} holds negative numbers",
                   lambda a, p=place: bool((a[p] < 0).any()))
