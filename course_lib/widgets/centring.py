"""A drawing made as MNIST's digits were made: scaled into 20x20, its centre of mass in the middle.

Uses NumPy only; static/draw_digit.js does the same in the browser.
"""

from __future__ import annotations

import numpy as np

from course_lib.widgets.base import WidgetError

SIDE, BOX, MIDDLE = 28, 20, 14  # the image, the digit in it, and where its centre of mass goes


def centre_digit(image) -> np.ndarray:
    """Scale the drawn part of `image` into 20x20 and put its centre of mass in the middle of 28x28.

    1. box: the smallest rectangle that holds all ink (every value above 0)
    2. scale: its longer side becomes 20 pixels, the other keeps the proportion; each new pixel is
       the mean of the area that it covers
    3. place: the centre of mass, rounded to a pixel, becomes pixel (14, 14), as in MNIST; the
       digit stays inside the image

    Shapes  image (H, W), 0 for paper, more for ink -> (28, 28) float64; no ink gives zeros.
    A digit of MNIST comes back unchanged. Raises WidgetError. Source: the page of the MNIST
    data set (LeCun, Cortes, Burges) describes the steps.
    >>> image = np.zeros((56, 56))
    >>> image[10:50, 20:24] = 1  # an upright stroke, 40 by 4
    >>> np.argwhere(centre_digit(image))[[0, -1]].tolist()  # becomes 20 by 2
    [[4, 13], [23, 14]]
    """
    image = np.asarray(image, dtype=np.float64)
    if image.ndim != 2 or not np.isfinite(image).all() or image.min(initial=0) < 0:
        raise WidgetError("centre_digit: expected one drawing (H, W) of finite numbers, 0 for "
                          f"paper and more for ink, got {image.dtype} {image.shape}; "
                          "one image of a batch is x[0, 0].")
    seen = np.zeros((SIDE, SIDE))
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    if not len(rows):
        return seen
    digit = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    longer = max(digit.shape)
    H, W = (max(1, rounded(size * BOX / longer)) for size in digit.shape)
    digit = by_area(by_area(digit, H).T, W).T
    top, left = (placed(digit.sum(axis=1 - axis)) for axis in (0, 1))
    seen[top : top + H, left : left + W] = digit
    return seen


def by_area(image: np.ndarray, rows: int) -> np.ndarray:
    """Scale the rows: each new one is the mean of those that it covers. (H, W) -> (rows, W)

    >>> by_area(np.array([[0.0], [3.0], [6.0]]), 2).ravel()
    array([1., 5.])
    """
    H, W = image.shape
    return image.repeat(rows, axis=0).reshape(rows, H, W).mean(axis=1)


def placed(ink: np.ndarray) -> int:
    """Where the digit begins on one axis, so that its centre of mass comes to the middle."""
    centre = (ink * np.arange(len(ink))).sum() / ink.sum()
    return int(np.clip(MIDDLE - rounded(centre), 0, SIDE - len(ink)))


def rounded(value: float) -> int:
    """The nearest whole number, halves up, also where rounding errors made a half a bit less."""
    return int(np.floor(value + 0.5 + 1e-9))
