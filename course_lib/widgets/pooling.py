"""The pooling window: maximum or average, ties, and what a shift of the image leaves unchanged."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import traitlets

from course_lib.conv import conv2d
from course_lib.plots import Picture, draw_pooling
from course_lib.pool import avg_pool2d, max_pool2d
from course_lib.shapes import ShapeError, Windows, as_pair, resolve_windows
from course_lib.widgets.base import (
    KERNELS, Checked, Flag, Matrix, WidgetError, module_source, plain, style_source,
)
from course_lib.widgets.walk import WalkingWidget

# Wasil Zafar's demonstration of "translation invariance": one bright corner, zeros elsewhere.
CORNER = [[0, 0, 0, 0, 5, 8], [0, 0, 0, 0, 7, 3], [0, 0, 0, 0, 0, 0],
          [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]]
SHIFTS = {"none": (0, 0), "up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}


class Unchanged(NamedTuple):
    """After a shift: cells that kept their value, and cells that found it again one shift on."""

    pooled: tuple[int, int]  # (kept, of) in place
    convolved: tuple[int, int]
    moved: tuple[int, int]  # convolved, moved by the same shift, compared inside the border


class PoolingWindow(WalkingWidget):
    """Point at a pooled cell and see its window; shift the image and count what stays the same.

    max: y[i, j] = max over u, v of image[i*stride + u, j*stride + v]; average: their mean

    image (H, W); kind "max" or "average" ("avg" for short); kernel_size and stride: a whole number
    or a pair, stride None means kernel_size; shift (down, right) in pixels, or "up", "down",
    "left", "right", "none"; compare=True puts the same count after a convolution below; position
    (i, j) in the output, None for its largest value. Every argument stays an attribute that can be
    read and set. Raises WidgetError, a ShapeError.
    >>> w = PoolingWindow()
    >>> w.shift = (1, -1)
    >>> w
    PoolingWindow: image 6×6, max 2×2, stride 2×2 -> output 3×3; output (0, 2) = 8; shift \
(1, -1): 6 of 9 pooled cells are unchanged
    >>> w.unchanged()
    Unchanged(pooled=(6, 9), convolved=(20, 36), moved=(9, 9))
    """

    module = "pooling"
    shaping = ("image", "kernel_size", "stride")
    _esm = module_source("pooling")
    _css = style_source("pooling")

    image = Matrix().tag(sync=True)
    kind = Checked("max").tag(sync=True)
    kernel_size = Checked((2, 2)).tag(sync=True)
    stride = Checked((2, 2)).tag(sync=True)
    shift = Checked((0, 0)).tag(sync=True)
    compare = Flag().tag(sync=True)

    def __init__(self, image=CORNER, kind="max", kernel_size=2, stride=None, *, shift=(0, 0),
                 position=None, compare=False):
        super().__init__(image=image, kind=kind, kernel_size=kernel_size, stride=stride,
                         shift=shift, position=position, compare=compare)

    def output(self, shifted: bool = False) -> np.ndarray:
        """The pooled map (OH, OW) of the image, or of the shifted image, by the course's pool."""
        image = np.array(self.shifted() if shifted else self.image)
        pool2d = max_pool2d if self.kind == "max" else avg_pool2d
        where = self._windows()
        return pool2d(image[None, None], where.kernel_size, where.stride)[0][0, 0]

    def shifted(self) -> np.ndarray:
        """The image moved by `shift`; what leaves is lost, zeros enter."""
        image = np.array(self.image)
        (H, W), (down, right) = image.shape, self.shift
        moved = np.zeros((H, W))
        kept = image[max(0, -down) : H - max(0, down), max(0, -right) : W - max(0, right)]
        top, left = max(0, down), max(0, right)
        moved[top : top + kept.shape[0], left : left + kept.shape[1]] = kept
        return moved

    def unchanged(self) -> Unchanged:
        """What the shift leaves: after pooling, and after convolution with a vertical edge.

        The convolution has padding 1. Inside the border no window touches the zeros outside.
        """
        pooled = count_equal(self.output(), self.output(shifted=True))
        kernel = np.array(KERNELS["vertical edge"])[None, None]
        before, after = (conv2d(np.array(image)[None, None], kernel, padding=1)[0][0, 0]
                         for image in (self.image, self.shifted()))
        (H, W), (down, right) = before.shape, self.shift
        pairs = [(before[i, j], after[i + down, j + right])
                 for i in range(1, H - 1) for j in range(1, W - 1)
                 if 0 < i + down < H - 1 and 0 < j + right < W - 1]
        moved = count_equal(*np.array(pairs).reshape(-1, 2).T)
        return Unchanged(pooled, count_equal(before, after), moved)

    def still(self) -> Picture:
        i, j = self.position
        where = self._windows()
        top, left = i * where.stride[0], j * where.stride[1]
        window = np.array(self.image)[top : top + where.kernel_size[0],
                                      left : left + where.kernel_size[1]]
        winner = None
        if self.kind == "max":
            u, v = np.unravel_index(window.argmax(), window.shape)
            winner = (int(top + u), int(left + v))
        shifted = (self.shifted(), self.output(shifted=True)) if any(self.shift) else None
        return draw_pooling(self.image, self.output(), where, self.position, self.kind,
                            winner=winner, shifted=shifted)

    def _windows(self, **changes) -> Windows:
        now = {name: getattr(self, name) for name in self.shaping} | changes
        stride = now["kernel_size"] if now["stride"] is None else now["stride"]
        size = np.shape(now["image"])
        try:
            window = as_pair(plain(now["kernel_size"]), "kernel_size", "PoolingWindow")
            if any(part > n for part, n in zip(window, size)):
                raise WidgetError(
                    f"PoolingWindow: the window, {window[0]}×{window[1]}, is larger than the "
                    f"image, {size[0]}×{size[1]}: use a smaller window or a larger image.")
            return resolve_windows(size, window, plain(stride), 0, "PoolingWindow")
        except ShapeError as error:
            raise WidgetError(str(error)) from None

    @traitlets.validate("image")
    def _check_image(self, proposal):
        self._windows(image=proposal.value)
        return proposal.value

    @traitlets.validate("kernel_size", "stride")
    def _check_pair(self, proposal):
        name, value = proposal.trait.name, plain(proposal.value)
        if name == "stride" and value is None:
            value = self.kernel_size
        self._windows(**{name: value})
        return as_pair(value, name)

    @traitlets.validate("position")
    def _check_position(self, proposal):
        if proposal.value is not None:
            return super()._check_position(proposal)
        output = self.output()
        return plain(np.array(np.unravel_index(output.argmax(), output.shape)))

    @traitlets.validate("kind")
    def _check_kind(self, proposal):
        kinds = {"max": "max", "average": "average", "avg": "average"}
        if not isinstance(proposal.value, str) or proposal.value not in kinds:
            raise WidgetError(
                f"PoolingWindow: kind must be 'max' or 'average', got {proposal.value!r}.")
        return kinds[proposal.value]

    @traitlets.validate("shift")
    def _check_shift(self, proposal):
        value = plain(proposal.value)
        value = SHIFTS.get(value, value) if isinstance(value, str) else value
        whole = isinstance(value, tuple) and [type(part) for part in value] == [int, int]
        H, W = np.shape(self.image)
        if not (whole and abs(value[0]) < H and abs(value[1]) < W):
            raise WidgetError(
                f"PoolingWindow: shift must be one of {', '.join(SHIFTS)} or whole pixels (down, "
                f"right), each less than the image's {H}×{W}, got {proposal.value!r}."
            )
        return value

    @traitlets.observe("image")
    def _keep_some_image(self, change):
        size = np.shape(self.image)
        self.shift = tuple(max(1 - n, min(part, n - 1)) for part, n in zip(self.shift, size))

    def __repr__(self) -> str:
        (i, j), y = self.position, self.output()
        by = ["×".join(map(str, pair)) for pair in
              (np.shape(self.image), self.kernel_size, self.stride, y.shape)]
        kept, of = self.unchanged().pooled
        told = f"; shift {self.shift}: {kept} of {of} pooled cells are unchanged"
        return (f"PoolingWindow: image {by[0]}, {self.kind} {by[1]}, stride {by[2]} -> output "
                f"{by[3]}; output ({i}, {j}) = {y[i, j]:.4g}" + told * any(self.shift))


def count_equal(a: np.ndarray, b: np.ndarray) -> tuple[int, int]:
    """(cells that are equal, cells in all); sums in another order may differ by 1e-9.

    >>> count_equal(np.array([1.0, 2.0]), np.array([1.0, 3.0]))
    (1, 2)
    """
    return int(np.isclose(a, b, rtol=1e-9, atol=1e-9).sum()), a.size
