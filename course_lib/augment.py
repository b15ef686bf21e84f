"""Augmentation: training images that are a little different each time they are seen.

Imports shapes and doors. An augmentation is a function (images, rng) -> images.
"""

from __future__ import annotations

from functools import partial
from typing import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from course_lib.doors import check_images
from course_lib.shapes import as_integer


def random_shift(images: np.ndarray, rng: np.random.Generator, pixels: int = 1) -> np.ndarray:
    """Move each image by a random step of its own, at most `pixels` up, down, left, right.

    What leaves is lost, what enters is 0; pixels: less than the image's size.
    Shapes  (N, C, H, W) -> the same
    """
    N, C, H, W = check_images(images, "random_shift")
    pixels = as_integer(pixels, "pixels", "random_shift", minimum=0)
    if pixels >= min(H, W):
        raise ValueError(f"random_shift: expected pixels to be less than the image's size, "
                         f"{H} x {W}, got {pixels}: whole images would leave.")
    framed = np.zeros((N, C, H + 2 * pixels, W + 2 * pixels), images.dtype)
    framed[:, :, pixels : pixels + H, pixels : pixels + W] = images
    top, left = rng.integers(0, 2 * pixels + 1, size=(2, N))
    views = sliding_window_view(framed, (H, W), axis=(2, 3))  # every place where an image fits
    return views[np.arange(N), :, top, left]


def make_augment(augment) -> Callable | None:
    """A function as it is, a random shift by so many pixels, or None: nothing at all."""
    if callable(augment):
        return augment
    pixels = as_integer(augment or 0, "augment", "fit", minimum=0)
    return partial(random_shift, pixels=pixels) if pixels else None
