"""The sliding-kernel widget: one kernel over one image, one window and its sum at a time."""

from __future__ import annotations

import numpy as np
import traitlets

from course_lib.conv import conv2d
from course_lib.plots import Picture, draw_sliding_kernel
from course_lib.shapes import ShapeError, Windows, resolve_windows
from course_lib.widgets.base import (
    CourseWidget, Matrix, WidgetError, module_source, plain, static_text,
)

SQUARE = [[0, 0, 0, 0, 0, 0], [0, 9, 9, 9, 9, 0], [0, 9, 9, 9, 9, 0],
          [0, 9, 9, 9, 9, 0], [0, 9, 9, 9, 9, 0], [0, 0, 0, 0, 0, 0]]


class SlidingKernel(CourseWidget):
    """Point at an output cell and see the window, the products and the sum that made it.

    y[i, j] = sum over u, v of kernel[u, v] * padded[i*stride + u, j*stride + v]

    image (H, W); kernel (KH, KW) or a name in KERNELS; stride and padding as in conv2d;
    position (i, j) in the output. Every argument stays an attribute that can be read and set;
    what the reader does in the browser arrives there too. Raises WidgetError, a ShapeError.
    >>> w = SlidingKernel([[0, 3, 4], [9, 5, 0], [6, 2, 1]], [[0, 1], [0, 2]])
    >>> w.position = (1, 0)
    >>> w
    SlidingKernel: image 3×3, kernel 2×2, stride 1, padding 0 -> output 2×2; output (1, 0) = 9
    """

    module = "sliding_kernel"
    _esm = module_source("sliding_kernel")
    _css = static_text("course.css")

    image = Matrix().tag(sync=True)
    kernel = Matrix().tag(sync=True)
    position = traitlets.Any((0, 0)).tag(sync=True)
    stride = traitlets.Any(1).tag(sync=True)
    padding = traitlets.Any(0).tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)

    def __init__(self, image=SQUARE, kernel="vertical edge", *, position=(0, 0), stride=1,
                 padding=0):
        super().__init__(image=image, kernel=kernel, position=position, stride=stride,
                         padding=padding)

    def play(self):
        """Walk over the output in the browser, a cell at a time, to the last one."""
        self.playing = True

    def pause(self):
        self.playing = False

    def output(self) -> np.ndarray:
        """The whole output (OH, OW), computed by the course's own conv2d."""
        image, kernel = np.array(self.image), np.array(self.kernel)
        y, _ = conv2d(image[None, None], kernel[None, None], None, self.stride, self.padding)
        return y[0, 0]

    def still(self) -> Picture:
        return draw_sliding_kernel(
            self.image, self.kernel, self.stride, self.padding, self.position
        )

    def _windows(self, **changes) -> Windows:
        """Where the windows lie, or would lie after these changes."""
        names = ("image", "kernel", "stride", "padding")
        now = {name: getattr(self, name) for name in names} | changes
        sizes = np.shape(now["image"]), np.shape(now["kernel"])
        try:
            return resolve_windows(*sizes, now["stride"], now["padding"], "SlidingKernel")
        except ShapeError as error:
            raise WidgetError(str(error)) from None

    @traitlets.validate("image", "kernel")
    def _check_fit(self, proposal):
        self._windows(**{proposal.trait.name: proposal.value})
        return proposal.value

    @traitlets.validate("stride", "padding")
    def _check_number(self, proposal):
        value = plain(proposal.value)
        self._windows(**{proposal.trait.name: value})
        return value

    @traitlets.validate("position")
    def _check_position(self, proposal):
        rows, columns = self._windows().output
        value = plain(proposal.value)
        whole = isinstance(value, tuple) and [type(part) for part in value] == [int, int]
        if not (whole and 0 <= value[0] < rows and 0 <= value[1] < columns):
            raise WidgetError(
                f"SlidingKernel: position must be (row, column) with row 0 to {rows - 1} and "
                f"column 0 to {columns - 1}, got {proposal.value!r}."
            )
        return value

    @traitlets.observe("image", "kernel", "stride", "padding")
    def _stay_inside(self, change):
        last = (size - 1 for size in self._windows().output)
        self.position = tuple(min(p, end) for p, end in zip(self.position, last))

    def __repr__(self) -> str:
        i, j = self.position
        y = self.output()
        by = ["×".join(map(str, np.shape(a))) for a in (self.image, self.kernel, y)]
        return (f"SlidingKernel: image {by[0]}, kernel {by[1]}, stride {self.stride}, padding "
                f"{self.padding} -> output {by[2]}; output ({i}, {j}) = {y[i, j]:.4g}")
