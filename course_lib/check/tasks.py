"""What a task of an exercise is: its cases, its right answer, and the mistakes that it recognises.

The topics (convolution, pooling, ...) make their tasks of these; imports only NumPy.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Case:
    """One call of the student's function: its arguments by position; arrays are read-only."""

    arguments: tuple

    def __post_init__(self):
        for argument in self.arguments:
            if isinstance(argument, np.ndarray):
                argument.flags.writeable = False


@dataclass(frozen=True)
class Section:
    """Where to read again: a heading of a lesson or of the exercise; a test looks it up."""

    notebook: str
    heading: str

    def __str__(self) -> str:
        return f"{self.notebook}, “{self.heading}”"


@dataclass(frozen=True)
class Mistake:
    """A mistake that a check recognises: name, sentence, wrong variant, where to read again.

    `others` are further variants of the same mistake, which give other numbers or other errors.
    """

    id: str
    sentence: str
    variant: Callable
    section: Section
    others: tuple[Callable, ...] = ()

    @property
    def variants(self) -> tuple[Callable, ...]:
        return (self.variant, *self.others)


@dataclass(frozen=True)
class Task:
    """One write-the-function task: `reference` is right, `mistakes` are wrong in known ways.

    result_name, shape_rule: of the one array or number that is returned, or a tuple with one for
    each of several. keeps_dtype: whether a result has the dtype of the first argument.
    as_a_whole: a mistake is what all cases show together; it is never named for one of them.
    """

    id: str
    function_name: str
    argument_names: tuple[str, ...]
    result_name: str | tuple[str, ...]
    reference: Callable
    cases: tuple[Case, ...]
    mistakes: tuple[Mistake, ...]
    section: Section
    shape_rule: str | tuple[str, ...]
    keeps_dtype: bool = True
    as_a_whole: bool = False

    @property
    def result_names(self) -> tuple[str, ...]:
        return (self.result_name,) if isinstance(self.result_name, str) else self.result_name

    @property
    def shape_rules(self) -> tuple[str, ...]:
        return (self.shape_rule,) if isinstance(self.shape_rule, str) else self.shape_rule


def small_numbers(count: int, start: int) -> np.ndarray:
    """Return `count` whole numbers from −4 to 4 that look random and are the same everywhere."""
    numbers = []
    for _ in range(count):
        start = (start * 1103515245 + 12345) % 2**31
        numbers.append((start >> 16) % 9 - 4)
    return np.array(numbers)
