"""The still of the training player: the curves with the moment in view, kernels and mistakes.

Plain numbers in, a Picture out; imports plots.
"""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import MaxNLocator

from course_lib.plots import (
    GREY, INK, MARGIN, RUNS, SIGNED, SMALL, TEXT_LINE, WIDTH, Picture, headed, in_our_look,
    place_axes,
)

HIGH, LEFT, BELOW = 1.7, 0.55, 0.45  # inches: a chart, room for its numbers beside and below it
CELL, BETWEEN = 0.45, 0.07  # a kernel or a mistake
MOST = {"kernels": 8, "mistakes": 3}


@in_our_look
def draw_training_player(runs, epoch: int, kernels, mistakes, said: str) -> Picture:
    """Draw loss and accuracy by epoch, a line at `epoch`, and a row of pictures for each run.

    runs: dicts with name, epochs, loss, accuracy, validation_loss, validation_accuracy (None is
    a gap); kernels: for each run None or (F, KH, KW); mistakes: for each run [(image, caption)].
    >>> run = dict(name="a", epochs=[1, 2], loss=[1, 0.5], accuracy=[0.5, 0.75],
    ...            validation_loss=[], validation_accuracy=[])
    >>> draw_training_player([run], 2, [None], [[]], "after epoch 2: a: loss 0.500").alt
    'Loss and accuracy by epoch, after epoch 2: a: loss 0.500.'
    """
    if not len(runs) == len(kernels) == len(mistakes) > 0:
        raise ValueError("draw_training_player: expected kernels and mistakes for each of the "
                         f"runs, got {len(runs)} runs, {len(kernels)} and {len(mistakes)}.")
    rows = [k for k in range(len(runs)) if kernels[k] is not None or mistakes[k]]
    row_high = CELL + 3 * TEXT_LINE
    when = said.partition(":")[0].capitalize()
    figure, whole = headed(WIDTH, HIGH + BELOW + row_high * len(rows), when)
    bottom = MARGIN + row_high * len(rows) + BELOW
    wide = (WIDTH - 2 * MARGIN) / 2 - LEFT
    for place, (measure, scale, name) in enumerate((("loss", 1, "loss"),
                                                    ("accuracy", 100, "accuracy (%)"))):
        ax = place_axes(figure, MARGIN + LEFT + place * (wide + LEFT), bottom, wide, HIGH - 0.1)
        draw_curves(ax, runs, measure, scale, epoch, name)
    for row, k in enumerate(rows):
        top = MARGIN + row_high * (len(rows) - row) - 0.1
        figure.text(MARGIN / WIDTH, top / whole, f"{runs[k]['name']}: first kernels, mistakes",
                    fontsize=SMALL, va="top")
        draw_row(figure, top - 2 * TEXT_LINE - CELL, kernels[k], mistakes[k])
    also = " Below, the first kernels and the surest mistakes." if rows else ""
    return Picture(figure, f"Loss and accuracy by epoch, {said}.{also}")


def draw_curves(ax, runs, measure: str, scale: float, epoch: int, name: str) -> None:
    """One measure of all runs: training solid, held-out images dashed and hollow."""
    for run, (colour, mark) in zip(runs, RUNS):
        for key, line, label in ((measure, "-", run["name"]),
                                 (f"validation_{measure}", "--", f"{run['name']}, held out")):
            y = np.array([np.nan if v is None else scale * v for v in run[key]], float)
            if len(y):
                ax.plot(run["epochs"][: len(y)], y, line, color=colour, marker=mark, label=label,
                        markerfacecolor=colour if line == "-" else "white", markersize=4)
    ax.axvline(epoch, color=INK, linestyle=":", linewidth=1.5)
    epochs = sorted({k for run in runs for k in run["epochs"]} | {epoch})
    ax.set_xticks(epochs[:: max(1, -(-len(epochs) // 8))])
    ax.yaxis.set_major_locator(MaxNLocator(5))
    ax.set_xlabel("epoch", fontsize=SMALL)
    ax.set_title(name, fontsize=SMALL, pad=3)
    if ax.get_legend_handles_labels()[0] and measure == "loss":
        ax.legend(loc="upper right", fontsize=SMALL - 1.5)


def draw_row(figure, bottom: float, kernels, mistakes) -> None:
    """Up to 8 kernels on one scale around 0, then up to 3 mistakes with their captions."""
    left = MARGIN
    sheets = np.array([] if kernels is None else kernels, float)[: MOST["kernels"]]
    top = np.nanmax(np.abs(sheets), initial=1e-9)
    for sheet in sheets:
        place_axes(figure, left, bottom, CELL, CELL).imshow(sheet, cmap=SIGNED, vmin=-top, vmax=top)
        left += CELL + BETWEEN
    for image, caption in mistakes[: MOST["mistakes"]]:
        ax = place_axes(figure, left + BETWEEN, bottom, CELL, CELL)
        ax.imshow(image, cmap=GREY, vmin=0, vmax=1)
        ax.set_title(caption, fontsize=SMALL - 1.5, pad=2)
        left += CELL + 3 * BETWEEN
