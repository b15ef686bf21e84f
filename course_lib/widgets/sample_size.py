"""How lucky is a test set of n? Test sets drawn from a model whose true accuracy is known."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real

import numpy as np
import traitlets

from course_lib.plots import Picture
from course_lib.stills.sample_size import draw_sample_size
from course_lib.train import wilson_interval
from course_lib.widgets.base import (
    Checked, CourseWidget, WidgetError, module_source, style_source,
)
from course_lib.widgets.training_player import percent

LIMITS = {"n": (25, 10_000), "draws": (1, 300), "seed": (0, 10**6)}
ACCURACIES = (0.5, 0.999)
MOST_PUBLISHED, LONGEST_NAME = 4, 24
WARM_UP, GOLDEN = 15, 0x9E3779B9  # as in chance.js


class SampleSize(CourseWidget):
    """Draw test sets of n images from a model of known accuracy: how far off is luck alone?

    Of each drawn test set the right answers are counted; Wilson's 95 % interval stands beside it.
    accuracy: the share of all images there could be that a model reads rightly; each image of a
    test set is another one (binomial). answers: True or False for each of N images of a real
    model, or the pair (right, N); test sets are drawn from these N, no image twice
    (hypergeometric), so that only the number of right ones matters and the order is forgotten.
    published: {name: (right, n)}, up to 4 results to show beside the draws. n 25 to 10,000, draws
    1 to 300, accuracy 0.5 to 0.999, seed a whole number. Every argument stays an attribute that
    can be read and set; answers reads as the pair, published as a tuple. Raises WidgetError.
    >>> w = SampleSize(200, 0.95, draws=20)
    >>> w
    SampleSize: 20 test sets of 200 images, true accuracy 95.0 %: from 91.5 % to 97.5 %; the last \
91.5 %, interval 86.8 % to 94.6 %; the interval holds the truth in 19 of 20
    >>> SampleSize(answers=np.arange(1000) % 10 > 0).truth()
    0.9
    """

    module = "sample_size"
    _esm = module_source("sample_size")
    _css = style_source("sample_size")

    n = Checked(200).tag(sync=True)
    accuracy = Checked(0.95).tag(sync=True)
    answers = Checked(None).tag(sync=True)
    published = Checked(()).tag(sync=True)
    draws = Checked(1).tag(sync=True)
    seed = Checked(0).tag(sync=True)

    def __init__(self, n=200, accuracy=None, *, answers=None, published=None, draws=1, seed=0):
        if accuracy is not None and answers is not None:
            raise WidgetError("SampleSize: expected accuracy or answers, got both; with answers "
                              "the accuracy is their mean.")
        super().__init__(n=n, accuracy=0.95 if accuracy is None else accuracy, draws=draws,
                         seed=seed, published={} if published is None else published)
        self.answers = answers

    def truth(self) -> float:
        """The accuracy that every draw scatters around."""
        return self.answers[0] / self.answers[1] if self.answers else self.accuracy

    def counts(self) -> np.ndarray:
        """How many of n are right in each draw, (draws,): the browser's own numbers."""
        random = Streams(self.seed, self.draws)
        right = np.zeros(self.draws, int)
        for k in range(self.n):
            if self.answers:
                known, size = self.answers
                right += random.next() * (size - k) < known - right
            else:
                right += random.next() < self.accuracy
        return right

    def intervals(self) -> np.ndarray:
        """Wilson's interval of each draw, (draws, 2)."""
        return np.array([wilson_interval(int(right), self.n) for right in self.counts()])

    def holding(self) -> int:
        """In how many draws the interval holds the truth."""
        low, high = self.intervals().T
        return int(((low <= self.truth()) & (self.truth() <= high)).sum())

    def reaching(self) -> dict[str, int]:
        """In how many draws the score is at least the published one, by its name."""
        counts = self.counts()
        return {name: int((counts * n >= right * self.n).sum())
                for name, right, n in self.published}

    def still(self) -> Picture:
        counts = self.counts()
        rows = [(f"draw {self.draws}", int(counts[-1]), self.n), *self.published]
        return draw_sample_size(counts, self.n, self.truth(),
                                [(*row, *wilson_interval(*row[1:])) for row in rows])

    @traitlets.validate("n", "draws", "seed")
    def _check_whole(self, proposal):
        name, value = proposal.trait.name, proposal.value
        low, high = LIMITS[name]
        if name == "n" and self.answers:
            high = min(high, self.answers[1])
        if not isinstance(value, Integral) or isinstance(value, bool) or not low <= value <= high:
            raise WidgetError(f"SampleSize: {name} must be a whole number from {low} to {high:,}, "
                              f"got {value!r}.")
        return int(value)

    @traitlets.validate("accuracy")
    def _check_accuracy(self, proposal):
        value, (low, high) = proposal.value, ACCURACIES
        if self.answers:
            raise WidgetError("SampleSize: accuracy is the mean of answers here; set answers = "
                              "None first.")
        if not isinstance(value, Real) or isinstance(value, bool) or not low <= value <= high:
            raise WidgetError(f"SampleSize: accuracy must be a number from {low} to {high}, got "
                              f"{value!r}.")
        return float(value)

    @traitlets.validate("answers")
    def _check_answers(self, proposal):
        pair = right_of_all(proposal.value)
        if pair and pair[1] < self.n:
            raise WidgetError(f"SampleSize: a test set of n = {self.n} cannot be drawn from "
                              f"{pair[1]} answers; set n first.")
        return pair

    @traitlets.validate("published")
    def _check_published(self, proposal):
        value = proposal.value
        rows = value.items() if isinstance(value, Mapping) else [
            (row[0], tuple(row[1:])) for row in value]  # as the browser sends it
        return tuple((str(name), *checked_result(name, pair)) for name, pair in first_few(rows))

    def __repr__(self) -> str:
        counts, n = self.counts(), self.n
        low, high = wilson_interval(int(counts[-1]), n)
        reached = "".join(f"; {percent(right / of)} ({name}) or more in {self.reaching()[name]}"
                          for name, right, of in self.published)
        return (f"SampleSize: {self.draws} test set{'s' * (self.draws > 1)} of {n:,} images, true "
                f"accuracy {percent(self.truth())}: from {percent(counts.min() / n)} to "
                f"{percent(counts.max() / n)}; the last {percent(counts[-1] / n)}, interval "
                f"{percent(low)} to {percent(high)}; the interval holds the truth in "
                f"{self.holding()} of {self.draws}{reached}")


class Streams:
    """sfc32 (C. Doty-Humphrey), many streams at once: the numbers of chance.js, bit for bit.

    >>> Streams(0, 2).next().round(4)
    array([0.7684, 0.8581])
    """

    def __init__(self, seed: int, count: int):
        self.a = np.full(count, seed, np.uint32)
        self.b = np.arange(count, dtype=np.uint32)
        self.c = np.full(count, GOLDEN, np.uint32)
        self.d = np.ones(count, np.uint32)
        for _ in range(WARM_UP):
            self.next()

    def next(self) -> np.ndarray:
        """One uniform number in [0, 1) of each stream, (count,) float64."""
        total = self.a + self.b + self.d
        self.d = self.d + np.uint32(1)
        self.a = self.b ^ (self.b >> np.uint32(9))
        self.b = self.c + (self.c << np.uint32(3))
        self.c = ((self.c << np.uint32(21)) | (self.c >> np.uint32(11))) + total
        return total / 2.0**32


def right_of_all(answers) -> tuple[int, int] | None:
    """(right, N) of one True or False an image, or of such a pair of whole numbers.

    >>> right_of_all(np.arange(40) < 30), right_of_all((30, 40)), right_of_all(None)
    ((30, 40), (30, 40), None)
    """
    if answers is None:
        return None
    array = np.asarray(answers)
    if array.dtype == bool and array.ndim == 1:
        array = np.array([array.sum(), array.size])
    least, most = LIMITS["n"]
    if not (array.dtype.kind in "iu" and array.shape == (2,)
            and least <= array[1] <= most and 0 <= array[0] <= array[1]):
        raise WidgetError(f"SampleSize: answers must be True or False for each of {least} to "
                          f"{most:,} images, as predicted == labels gives it, or (right, N), got "
                          f"{answers!r:.80}.")
    return int(array[0]), int(array[1])


def first_few(rows) -> list:
    rows = list(rows)
    if len(rows) > MOST_PUBLISHED:
        raise WidgetError(f"SampleSize: expected at most {MOST_PUBLISHED} published results, got "
                          f"{len(rows)}.")
    return rows


def checked_result(name, pair) -> tuple[int, int]:
    """(right, n) of a published result, or WidgetError."""
    right, n = pair if isinstance(pair, (tuple, list)) and len(pair) == 2 else (None, None)
    whole = all(isinstance(k, Integral) and not isinstance(k, bool) for k in (right, n))
    if not (whole and n >= 1 and 0 <= right <= n and len(str(name)) <= LONGEST_NAME):
        raise WidgetError("SampleSize: published must be {name: (right, n)} with a name of at most "
                          f"{LONGEST_NAME} letters and 0 <= right <= n, got {name!r}: {pair!r}.")
    return int(right), int(n)
