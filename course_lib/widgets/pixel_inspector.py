"""The pixel inspector: an image as an array x[n, c, i, j]; one pixel and one slice of it."""

from __future__ import annotations

import re

import numpy as np
import traitlets

from course_lib.plots import Picture
from course_lib.stills.pixel_inspector import draw_pixel_inspector
from course_lib.widgets.base import (
    LARGEST, Checked, CourseWidget, WidgetError, module_source, plain, style_source,
)

AXES = ("n", "c", "i", "j")
MOST_IMAGES = 10
DIGITS = 6  # decimals that travel to the browser
WHOLE = re.compile("[+-]?[0-9]{1,9}")
RANGE = re.compile(
    "([+-]?[0-9]{1,9})? *: *([+-]?[0-9]{1,9})? *(?:: *([+-]?[0-9]{1,9})? *)?")


class Images(traitlets.TraitType):
    """A trait that turns one image or a few into nested lists (N, C, H, W), values 0 to 1."""

    def validate(self, widget, value):
        who = f"{type(widget).__name__}: {self.name}"
        try:
            array = np.asarray(value)
            x = array.astype(np.float64)
        except (TypeError, ValueError):
            raise WidgetError(f"{who} must be an array of numbers, got {value!r:.80}.") from None
        x = x[(None,) * max(0, 4 - x.ndim)] if x.ndim > 1 else x
        N, C, H, W = x.shape if x.ndim == 4 else (0, 0, 0, 0)
        if not (1 <= N <= MOST_IMAGES and C in (1, 3) and 1 <= min(H, W)
                and max(H, W) <= LARGEST):
            raise WidgetError(
                f"{who} must have the shape (H, W), (C, H, W) or (N, C, H, W), with 1 channel or "
                f"3, at most {MOST_IMAGES} images and {LARGEST} rows and columns, got "
                f"{array.shape}; a few images of a batch are x[:4], RGB with the channels last is "
                "turned by x.transpose(2, 0, 1)."
            )
        if not (np.isfinite(x).all() and 0 <= x.min() and x.max() <= 255):
            raise WidgetError(f"{who} must hold values from 0 to 1, or from 0 to 255, got "
                              f"{x.min():g} to {x.max():g}.")
        if array.dtype == np.uint8 or x.max() > 1:
            x = x / 255
        return x.round(DIGITS).tolist()


class PixelInspector(CourseWidget):
    """Point at a pixel and read its index x[n, c, i, j] and value; write a slice and see it.

    image: (H, W), (C, H, W) or (N, C, H, W), 1 channel or 3, at most 64 rows and columns; values
    0 to 1, or 0 to 255, which are divided by 255 (uint8 always is). number, channel and
    position (i, j): the pixel in view; slice: what stands between the brackets of x[...], ""
    for none. All can be read and set. Raises WidgetError, a ShapeError.
    >>> w = PixelInspector(np.eye(4), slice="0, 0, 1:3, :2")
    >>> w.position = (1, 1)
    >>> w
    PixelInspector: x.shape (1, 1, 4, 4); x[0, 0, 1, 1] = 1.000, or 255 of 255; \
x[0, 0, 1:3, :2] has the shape (2, 2)
    >>> w.selected()
    array([[0., 1.],
           [0., 0.]])
    """

    module = "pixel_inspector"
    _esm = module_source("pixel_inspector")
    _css = style_source("pixel_inspector")

    image = Images().tag(sync=True)
    number = Checked(0).tag(sync=True)
    channel = Checked(0).tag(sync=True)
    position = Checked((0, 0)).tag(sync=True)
    slice = Checked("").tag(sync=True)

    def __init__(self, image, *, position=(0, 0), channel=0, number=0, slice=""):
        super().__init__(image=image)
        self.set_trait("number", number)
        self.channel, self.position, self.slice = channel, position, slice

    def array(self) -> np.ndarray:
        """x (N, C, H, W), values from 0 to 1."""
        return np.array(self.image)

    def selected(self) -> np.ndarray | None:
        """What the slice takes of x; None without a slice. Raises WidgetError where it is wrong."""
        if not self.slice.strip():
            return None
        x = self.array()
        return x[read_slice(self.slice, x.shape)]

    def problem(self) -> str:
        """What is wrong with the slice; "" where nothing is."""
        try:
            self.selected()
        except WidgetError as error:
            return str(error)
        return ""

    def still(self) -> Picture:
        chosen = None if self.problem() else self.selected()
        rows = columns = None
        if chosen is not None:
            places = np.indices((len(self.image), *np.shape(self.image)[1:]))
            _, _, rows, columns = (axis[read_slice(self.slice, axis.shape)] for axis in places)
        return draw_pixel_inspector(self.array()[self.number], self.channel, self.position,
                                    rows, columns, told=repr(self).partition(": ")[2])

    @traitlets.validate("number", "channel")
    def _check_count(self, proposal):
        name, value = proposal.trait.name, plain(proposal.value)
        last = self.array().shape[("number", "channel").index(name)] - 1
        if type(value) is not int or not 0 <= value <= last:
            raise WidgetError(f"PixelInspector: {name} must be a whole number from 0 to {last}, "
                              f"got {proposal.value!r}.")
        return value

    @traitlets.validate("position")
    def _check_position(self, proposal):
        H, W = self.array().shape[2:]
        value = plain(proposal.value)
        whole = isinstance(value, tuple) and [type(part) for part in value] == [int, int]
        if not (whole and 0 <= value[0] < H and 0 <= value[1] < W):
            raise WidgetError(f"PixelInspector: position must be (row, column) with row 0 to "
                              f"{H - 1} and column 0 to {W - 1}, got {proposal.value!r}.")
        return value

    @traitlets.validate("slice")
    def _check_slice(self, proposal):
        if not isinstance(proposal.value, str) or len(proposal.value) > 200:
            raise WidgetError("PixelInspector: slice must be a short text such as "
                              f"'0, 0, 10:20, 5:15', got {proposal.value!r:.80}.")
        return proposal.value

    @traitlets.observe("image")
    def _stay_inside(self, change):
        N, C, H, W = self.array().shape
        self.number, self.channel = min(self.number, N - 1), min(self.channel, C - 1)
        self.position = (min(self.position[0], H - 1), min(self.position[1], W - 1))

    def __repr__(self) -> str:
        x, (i, j) = self.array(), self.position
        value = x[self.number, self.channel, i, j]
        told = (f"PixelInspector: x.shape {x.shape}; x[{self.number}, {self.channel}, {i}, {j}] "
                f"= {value:.3f}, or {round(float(value) * 255, 1):g} of 255")
        if not self.slice.strip():
            return told
        wrong = self.problem().partition(": ")[2].rstrip(".")
        return f"{told}; " + (wrong or f"x[{inside(self.slice)}] has the shape "
                              f"{self.selected().shape}")


def inside(text: str) -> str:
    """What stands between the brackets, where somebody wrote them too."""
    return re.sub(r"^x *\[(.*)\]$", r"\1", text.strip())


def read_slice(text: str, shape: tuple[int, ...]) -> tuple:
    """The index that a text such as "0, :, 10:20, 5:15" means, for an array of this shape.

    >>> read_slice("x[0, ..., :5]", (1, 1, 28, 28))
    (0, slice(None, None, None), slice(None, None, None), slice(None, 5, None))
    """
    def wrong(message):
        return WidgetError(f"PixelInspector: x[{text}]: {message}.")

    parts = [part.strip(" ") for part in inside(text).split(",")]
    if len(parts) > 1 and parts[-1] == "":
        parts.pop()
    if parts.count("...") > 1:
        raise wrong("an index can only have a single ellipsis ('...')")
    written = len(parts) - parts.count("...")
    if written > len(shape):
        raise wrong(f"too many indices: the array has {len(shape)} axes, but {written} were "
                    "indexed")
    where = parts.index("...") if "..." in parts else len(parts)
    all_parts = [*parts[:where], *[":"] * (len(shape) - written), *parts[where + 1:]]
    index = []
    for axis, (part, size) in enumerate(zip(all_parts, shape)):
        found = RANGE.fullmatch(part)
        if WHOLE.fullmatch(part):
            if not -size <= int(part) < size:
                raise wrong(f"index {int(part)} is out of bounds for axis {axis} ({AXES[axis]}) "
                            f"with size {size}")
            index.append(int(part))
        elif found is None:
            raise wrong(f"expected a whole number or start:stop for axis {axis} ({AXES[axis]}), "
                        f"got '{part}'")
        else:
            start, stop, step = (None if word is None else int(word) for word in found.groups())
            if step == 0:
                raise wrong("slice step cannot be zero")
            index.append(slice(start, stop, step))
    return tuple(index)
