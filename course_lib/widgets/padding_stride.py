"""The padding-and-stride explorer: where the windows lie, what they see, what the floor drops."""

from __future__ import annotations

import numpy as np
import traitlets

from course_lib.plots import Picture, draw_padding_stride
from course_lib.shapes import ShapeError, Windows, as_pair, resolve_windows
from course_lib.widgets.base import (
    LARGEST, Checked, WidgetError, module_source, plain, style_source,
)
from course_lib.widgets.walk import WalkingWidget


class PaddingStride(WalkingWidget):
    """Walk a kernel over a padded image and count how often each pixel is seen.

    output = floor((size + before + after - kernel_size) / stride) + 1, for each axis by itself

    size (H, W), kernel_size and stride: a whole number or a pair (vertical, horizontal); padding:
    "valid", "same", a number, a pair or ((top, bottom), (left, right)); position (i, j) in the
    output. Image and padding together: at most 64 rows and columns. Every argument stays an
    attribute that can be read and set. Raises WidgetError, a ShapeError.
    >>> w = PaddingStride(size=(7, 8), padding="valid")
    >>> w.position = (2, 1)
    >>> w
    PaddingStride: image 7×8, kernel 3×3, stride 2×2, padding valid -> output 3×3; dropped: \
0 rows, 1 column; at output (2, 1)
    """

    module = "padding_stride"
    shaping = ("size", "kernel_size", "stride", "padding")
    _esm = module_source("padding_stride")
    _css = style_source("padding_stride")

    size = Checked((7, 8)).tag(sync=True)
    kernel_size = Checked((3, 3)).tag(sync=True)
    stride = Checked((2, 2)).tag(sync=True)
    padding = Checked(1).tag(sync=True)

    def __init__(self, size=(7, 8), kernel_size=(3, 3), stride=(2, 2), padding=1, *,
                 position=(0, 0)):
        super().__init__(size=size, kernel_size=kernel_size, stride=stride, padding=padding,
                         position=position)

    def visits(self) -> np.ndarray:
        """How many windows each cell of the padded image lies in: (H + padding, W + padding)."""
        (OH, OW), (KH, KW), (sh, sw), padding = self._windows()
        counts = np.zeros([n + sum(sides) for n, sides in zip(self.size, padding)], int)
        for i in range(OH):
            for j in range(OW):
                counts[i * sh : i * sh + KH, j * sw : j * sw + KW] += 1
        return counts

    def dropped(self) -> tuple[int, int]:
        """How many rows and columns at the end of the padded image lie in no window."""
        (OH, OW), (KH, KW), (sh, sw), padding = self._windows()
        rows, columns = (n + sum(sides) for n, sides in zip(self.size, padding))
        return rows - (OH - 1) * sh - KH, columns - (OW - 1) * sw - KW

    def still(self) -> Picture:
        return draw_padding_stride(self.size, self._windows(), self.visits(), self.position)

    def _windows(self, **changes) -> Windows:
        now = {name: plain(getattr(self, name)) for name in self.shaping} | changes
        try:
            size = as_pair(now["size"], "size", "PaddingStride")
            where = resolve_windows(
                size, now["kernel_size"], now["stride"], now["padding"], "PaddingStride")
        except ShapeError as error:
            raise WidgetError(str(error)) from None
        rows, columns = (n + sum(sides) for n, sides in zip(size, where.padding))
        if max(rows, columns) > LARGEST:
            raise WidgetError(
                f"PaddingStride: image and padding together must have at most {LARGEST} rows and "
                f"columns, got {rows}×{columns}; use a smaller size or less padding."
            )
        return where

    @traitlets.validate("size", "kernel_size", "stride")
    def _check_pair(self, proposal):
        value = plain(proposal.value)
        self._windows(**{proposal.trait.name: value})
        return as_pair(value, proposal.trait.name)

    @traitlets.validate("padding")
    def _check_padding(self, proposal):
        value = plain(proposal.value)
        self._windows(padding=value)
        return value

    def __repr__(self) -> str:
        by = ["×".join(map(str, pair)) for pair in
              (self.size, self.kernel_size, self.stride, self._windows().output)]
        rows, columns = self.dropped()
        return (f"PaddingStride: image {by[0]}, kernel {by[1]}, stride {by[2]}, padding "
                f"{self.padding} -> output {by[3]}; dropped: {rows} row{'s' * (rows != 1)}, "
                f"{columns} column{'s' * (columns != 1)}; at output {self.position}")
