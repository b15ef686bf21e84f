"""The still of the kernel editor: image, kernel and response map, learned kernels below.

Imports plots; arrays in, a Picture out.
"""

from __future__ import annotations

import textwrap
from typing import Sequence

import numpy as np

from course_lib.plots import (
    GREY, MARGIN, SIGNED, SMALL, WIDTH, Picture, draw_numbers, draw_outline, headed, in_our_look,
    place_axes,
)

SIDE, KERNEL_SIDE, LEARNED_SIDE, GAP = 2.15, 1.6, 0.55, 0.2  # inches


@in_our_look
def draw_kernel_editor(image, kernel, response, position: tuple[int, int],
                       largest: tuple[int, int], *, learned: Sequence = (), told: str = "",
                       title: str | None = None) -> Picture:
    """Draw an image, a kernel and its response, one window outlined, the largest one marked.

    Shapes  image (H, W), kernel (k, k), response (H - k + 1, W - k + 1); position and largest:
    (i, j) in the response; learned: kernels to show below; told: the sentence below.
    >>> image, kernel = np.zeros((4, 4)), np.ones((3, 3))
    >>> draw_kernel_editor(image, kernel, np.zeros((2, 2)), (0, 1), (0, 0)).alt
    'A 3×3 kernel on a 4×4 image, the window (0, 1) outlined, the largest response at (0, 0).'
    """
    image, kernel, response = map(np.asarray, (image, kernel, response))
    k = len(kernel)
    wanted = tuple(n - k + 1 for n in image.shape)
    if response.shape != wanted:
        raise ValueError(f"draw_kernel_editor: expected a response of shape {wanted}, got "
                         f"{response.shape}.")
    below = textwrap.fill(told, int((WIDTH - 2 * MARGIN) / 0.092))
    foot = 0.2 * (below.count("\n") + 1) + 0.15 * bool(told)
    row = LEARNED_SIDE + 0.35 if len(learned) else 0
    figure, whole = headed(WIDTH, SIDE + 0.3 + foot + row,
                           "A kernel and its response" if title is None else title)
    figure.text(0.5, MARGIN / whole, below, ha="center", va="bottom")
    bottom, left = MARGIN + foot + row, (WIDTH - 2 * SIDE - KERNEL_SIDE - 2 * GAP) / 2
    first, second, third = (
        place_axes(figure, left + x, bottom + (SIDE - side) / 2, side, side)
        for x, side in ((0, SIDE), (SIDE + GAP, KERNEL_SIDE), (SIDE + KERNEL_SIDE + 2 * GAP, SIDE)))
    first.imshow(image, cmap=GREY, interpolation="nearest")
    draw_numbers(second, kernel, SIGNED, around_zero(kernel), KERNEL_SIDE / k)
    low, high = around_zero(response)
    third.imshow(response, cmap=SIGNED, vmin=low, vmax=high, interpolation="nearest")
    for ax, name, array in ((first, "image", image), (second, "kernel", kernel),
                            (third, "response", response)):
        ax.set_title(f"{name} {'×'.join(map(str, array.shape))}", fontsize=SMALL, pad=4)
    draw_outline(first, *position, (k, k))
    draw_outline(third, *position, (1, 1))
    third.plot(largest[1], largest[0], "o", markersize=13, markerfacecolor="none",
               markeredgecolor="black", markeredgewidth=2)
    draw_learned(figure, learned, MARGIN + foot)
    more = f" Below, {len(learned)} learned kernels." if len(learned) else ""
    (i, j), (a, b) = position, largest
    return Picture(figure, (
        f"A {k}×{k} kernel on a {'×'.join(map(str, image.shape))} image, the window ({i}, {j}) "
        f"outlined, the largest response at ({a}, {b})." + (f" {told}." if told else "") + more))


def draw_learned(figure, learned: Sequence, bottom: float) -> None:
    """One row of small kernels, each on its own scale around 0."""
    shown = list(learned)[:10]
    left = (WIDTH - len(shown) * (LEARNED_SIDE + 0.06)) / 2
    for n, kernel in enumerate(shown):
        ax = place_axes(figure, left + n * (LEARNED_SIDE + 0.06), bottom, LEARNED_SIDE,
                        LEARNED_SIDE)
        low, high = around_zero(kernel)
        ax.imshow(kernel, cmap=SIGNED, vmin=low, vmax=high, interpolation="nearest")
        if n == 0:
            ax.set_title("learned", fontsize=SMALL, pad=3, loc="left")


def around_zero(array) -> tuple[float, float]:
    most = float(np.abs(array).max()) or 1.0
    return -most, most
