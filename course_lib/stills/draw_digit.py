"""The still of the drawing widget: the image that a network gets and the ten probabilities.

Arrays in, a Picture out; imports plots.
"""

from __future__ import annotations

import numpy as np

from course_lib.plots import (
    BLUE, INK, MARGIN, SMALL, VERMILLION, Picture, draw_greys, headed, in_our_look, place_axes,
)

HIGH, BETWEEN, WIDE = 2.0, 0.4, 3.4  # inches: both pictures, between them, the bars


@in_our_look
def draw_draw_digit(image, probabilities, said: str) -> Picture:
    """Draw the image (28, 28) from 0 to 1 beside one bar a class; `said` is the title.

    >>> draw_draw_digit(np.zeros((28, 28)), [0.25, 0.75], "I read a 1 (75 %).").alt
    'I read a 1 (75 %). Left the 28×28 image, right the probabilities in %: 0: 25.0, 1: 75.0.'
    """
    image, shares = np.asarray(image, float), np.asarray(probabilities, float)
    if image.ndim != 2 or shares.ndim != 1 or not np.isclose(shares.sum(), 1, atol=1e-3):
        raise ValueError("draw_draw_digit: expected an image (H, W) and probabilities (classes,) "
                         f"that add up to 1, got {image.shape} and {shares.shape}.")
    figure, _ = headed(2 * MARGIN + HIGH + BETWEEN + WIDE, HIGH + 0.25, said)
    picture = place_axes(figure, MARGIN, MARGIN + 0.25, HIGH, HIGH)
    draw_greys([picture], [image], (0, 1))
    bars = place_axes(figure, MARGIN + HIGH + BETWEEN, MARGIN + 0.25, WIDE, HIGH - 0.15)
    colours = [VERMILLION if k == shares.argmax() else BLUE for k in range(len(shares))]
    bars.bar(range(len(shares)), 100 * shares, color=colours)
    bars.set(xticks=range(len(shares)), ylim=(0, 112))
    bars.spines[["top", "left", "right"]].set_visible(False)
    numbers = [f"{100 * share:.1f}".replace("100.0", "100") for share in shares]
    for k, (share, number) in enumerate(zip(shares, numbers)):
        bars.text(k, 100 * share + 2, number, ha="center", fontsize=SMALL, color=INK,
                  weight="bold" if k == shares.argmax() else "normal")
    listed = ", ".join(f"{k}: {number}" for k, number in enumerate(numbers))
    by = "×".join(map(str, image.shape))
    return Picture(figure, f"{said} Left the {by} image, right the probabilities in %: {listed}.")
