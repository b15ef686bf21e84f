"""The still of the pixel inspector: the image, its channels in grey, one pixel and one window.

Imports plots; arrays in, a Picture out.
"""

from __future__ import annotations

import re
import textwrap

import numpy as np

from course_lib.plots import (
    BLUE, GREY, MARGIN, SMALL, WIDTH, Picture, draw_outline, headed, in_our_look, place_axes,
)

NAMES = {1: ("grey",), 3: ("red", "green", "blue")}
SIDE = {1: 2.4, 3: 1.45}  # inches


@in_our_look
def draw_pixel_inspector(image, channel: int, position: tuple[int, int], rows=None, columns=None, *,
                         told: str = "", title: str | None = None) -> Picture:
    """Draw an image (C, H, W), values 0 to 1, with one pixel outlined and a window dashed.

    For three channels: the image in colour, then red, green and blue as grey images. rows,
    columns: the indices that a slice takes, in any shape; told: the sentence below.
    >>> draw_pixel_inspector(np.zeros((1, 4, 5)), 0, (1, 2), told="x[0, 0, 1, 2] = 0.").alt
    'An image of 4×5 pixels, 1 channel, pixel (1, 2) outlined: x[0, 0, 1, 2] = 0.'
    """
    image = np.asarray(image, dtype=float)
    if image.ndim != 3 or len(image) not in NAMES:
        raise ValueError("draw_pixel_inspector: expected an image (1, H, W) or (3, H, W), got "
                         f"shape {image.shape}.")
    C, H, W = image.shape
    i, j = position
    pictures = [image.transpose(1, 2, 0), *image] if C == 3 else [image[0]]
    names = ["colour", *(f"{name}, c = {c}" for c, name in enumerate(NAMES[3]))] if C == 3 else [
        f"{H} rows × {W} columns"]
    side = SIDE[C]
    together = re.sub(r"\[[^\]]*\]", lambda found: found[0].replace(" ", "\xa0"), told)
    below = textwrap.fill(together, int((WIDTH - 2 * MARGIN) / 0.092))
    foot = 0.2 * (below.count("\n") + 1) + 0.15
    high = side * H / max(H, W)
    figure, whole = headed(WIDTH, high + 0.3 + foot,
                           f"Pixel row {i}, column {j}" if title is None else title)
    figure.text(0.5, MARGIN / whole, below, ha="center", va="bottom")
    gap = 0.12
    left = (WIDTH - len(pictures) * side - gap * (len(pictures) - 1)) / 2
    contiguous = window_of(rows, columns)
    for k, (picture, name) in enumerate(zip(pictures, names)):
        ax = place_axes(figure, left + k * (side + gap), MARGIN + foot, side, high)
        ax.imshow(picture, cmap=GREY, vmin=0, vmax=1, interpolation="nearest")
        ax.set_title(name + (" ◂" if C == 3 and k == channel + 1 else ""), fontsize=SMALL, pad=4)
        if contiguous:
            draw_outline(ax, *contiguous, BLUE, "--")
        draw_outline(ax, i, j, (1, 1))
    channels = "1 channel" if C == 1 else f"{C} channels"
    return Picture(figure, f"An image of {H}×{W} pixels, {channels}, pixel ({i}, {j}) outlined"
                   + (f": {told}" if told else "."))


def window_of(rows, columns):
    """(row, column, shape) of the box around these indices; None where there are none.

    >>> window_of([[2, 2], [3, 3]], [[0, 1], [0, 1]])
    (2, 0, (2, 2))
    """
    if rows is None or not np.size(rows):
        return None
    top, left = int(np.min(rows)), int(np.min(columns))
    return top, left, (int(np.max(rows)) - top + 1, int(np.max(columns)) - left + 1)
