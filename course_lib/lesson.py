"""What every lesson needs beside the layers: is this the quick run, and claims that are checked.

Imports nothing of the course.
"""

from __future__ import annotations

import os

FAST = os.environ.get("COURSE_FAST") == "1"  # CI's quick run: short training, no bands


def claim(sentence: str, value: float, low: float, high: float, data: str = "MNIST") -> None:
    """Print a measured number, and see that it still lies where the text says it does.

    sentence: a format string for `value`, rounded as the text quotes it. low, high: the band,
    from at least three seeds. It binds at full size on MNIST only: not with COURSE_FAST=1, and
    not where `data`, the name of the data set in use, says that these are other digits.
    Raises AssertionError outside the band.
    >>> claim("about {:.0%} right", 0.9821, 0.97, 0.99)
    about 98% right
    """
    print(sentence.format(value))
    if data == "MNIST" and not FAST and not low <= value <= high:
        raise AssertionError(
            f"claim: expected {low:g} to {high:g} for {sentence!r}, got {value:g}: the text of "
            "this lesson no longer says what its code does."
        )
