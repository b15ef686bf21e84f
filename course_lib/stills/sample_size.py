"""The still of the sample size: drawn test sets as dots, one interval, and published results.

Counts in, a Picture out; imports plots' looks and the interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from course_lib.plots import (
    BLUE, INK, SMALL, VERMILLION, WIDTH, Picture, in_our_look, new_figure, percent,
)

SMALLEST = 25  # the axis is as wide as the scatter of so small a test set
COLUMNS = 90  # dots side by side
MARKS = ("s", "^", "X", "P")


@in_our_look
def draw_sample_size(counts: Sequence[int], n: int, truth: float,
                     rows: Sequence[tuple]) -> Picture:
    """Draw one dot for each test set, stacked; below, the last one's interval and published ones.

    counts: right answers of each drawn test set of n images; truth: the accuracy that they
    scatter around; rows: (name, right, n, low, high), the last draw first.
    >>> draw_sample_size([190, 192], 200, 0.95, [("draw 2", 192, 200, 0.923, 0.98)]).alt
    '2 test sets of 200 images, true accuracy 95.0 %: accuracy from 95.0 % to 96.0 %. draw 2: 192 \
of 200, 96.0 %, interval 92.3 % to 98.0 %.'
    """
    counts = np.asarray(counts)
    if counts.ndim != 1 or not len(counts) or counts.min() < 0 or counts.max() > n:
        raise ValueError(f"draw_sample_size: expected counts from 0 to n = {n}, got "
                         f"{counts!r:.60}.")
    figure = new_figure(WIDTH, 3.0 + 0.42 * len(rows), True)
    dots, bars = figure.subplots(2, 1, sharex=True, height_ratios=(2.2, 0.55 * len(rows)))
    low = min([truth - 4 * np.sqrt(truth * (1 - truth) / SMALLEST), *(row[3] for row in rows[1:])])
    low = max(0.0, low - 0.005)
    draw_stacks(dots, counts / n, n, low)
    told = [draw_row(bars, k, row, low) for k, row in enumerate(rows)]
    for ax in (dots, bars):
        ax.axvline(100 * truth, color=INK, linestyle=(0, (4, 3)), linewidth=1.6)
    bars.set(xlim=(100 * low, 100.4), ylim=(len(rows) - 0.5, -0.9), yticks=[],
             xlabel="accuracy (%)")
    many = f"{len(counts)} test set{'s' * (len(counts) > 1)} of {n:,} images"
    dots.set(ylabel="draws", title=f"true accuracy {percent(truth)}: the dashed line")
    figure.suptitle(many)
    return Picture(figure, f"{many}, true accuracy {percent(truth)}: accuracy from "
                           f"{percent(counts.min() / n)} to {percent(counts.max() / n)}. "
                           f"{'; '.join(told)}.")


def draw_row(ax, k: int, row: tuple, left: float) -> str:
    """One result with its interval, as a bar with ends; return it in words."""
    name, right, n, low, high = row
    value, (colour, mark) = right / n, (VERMILLION, MARKS[(k - 1) % 4]) if k else (BLUE, "o")
    ax.errorbar(100 * value, k, xerr=[[100 * (value - low)], [100 * (high - value)]],
                color=colour, marker=mark, capsize=4, markersize=7)
    ax.annotate(f"{name}: {right:,} of {n:,}", (100 * left, k), xytext=(2, 6),
                textcoords="offset points", fontsize=SMALL)
    return (f"{name}: {right:,} of {n:,}, {percent(value)}, interval {percent(low)} to "
            f"{percent(high)}")


def draw_stacks(ax, shares: np.ndarray, n: int, low: float) -> None:
    """Dots in stacks, one for each score or, where these lie too close, for two, three, ..."""
    together = math.ceil(n * (1.004 - low) / COLUMNS)
    highest = n - together * ((n - np.round(shares * n)) // together)
    places = (highest - (together - 1) / 2) / n
    heights = [int((places[: k + 1] == place).sum()) for k, place in enumerate(places)]
    ax.plot(100 * places, heights, ".", color=BLUE, markersize=5)
    ax.plot(100 * places[-1], heights[-1], "o", markersize=11, markerfacecolor="none",
            markeredgecolor=INK, markeredgewidth=1.8)
    ax.set_ylim(0, max(12, 1.1 * max(heights) + 1))
