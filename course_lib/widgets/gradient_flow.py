"""The gradient of one convolution, scattered and gathered; and how pooling routes it, with ties."""

from __future__ import annotations

import numpy as np
import traitlets

from course_lib.conv import conv2d, conv2d_backward, pad
from course_lib.plots import Picture
from course_lib.pool import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward
from course_lib.shapes import ShapeError, Windows, as_pair, resolve_windows
from course_lib.stills.gradient_flow import draw_gradient_flow
from course_lib.widgets.base import (
    Checked, Flag, Matrix, WidgetError, module_source, plain, style_source,
)
from course_lib.widgets.walk import WalkingWidget

# Pavithra Solai's worked example of a convolution's backward pass, and a map with ties to pool.
IMAGE, KERNEL = [[0, 3, 4], [9, 5, 0], [6, 2, 1]], [[0, 1], [0, 2]]
TIES = [[0, 0, 5, 1], [0, 0, 2, 3], [4, 1, 7, 7], [2, 4, 7, 0]]
MOST_PIXELS, MOST_WEIGHTS = 12, 5  # rows or columns: with more, the numbers are too small to read
CHOICES = {
    "kind": ("conv", "max", "average"),
    "rule": ("first", "all", "shared"),
    "view": ("scatter", "dw", "dx"),
}


class GradientFlow(WalkingWidget):
    """Choose an upstream cell and see what it adds to dX and dW; or gather one cell of either.

    kind "conv", one channel, one filter, y = x ⋆ weight:
        scatter  dX[i*stride + u - padding, …] += dy[i, j] * weight[u, v], dW[u, v] += dy[i, j] * x
        dw       dW = padded x ⋆ dy, with zeros between the values of dy where stride > 1
        dx       padded dX = full dy ⋆ kernel turned by 180 degrees; the padding is cropped
    kind "max" or "average": x is pooled; rule says who gets dy where several maxima are equal:
    the "first" one (ours and PyTorch's), "all" of them in full, or all a "shared" part.

    Shapes  x (H, W), weight (KH, KW), dy (OH, OW); dy=None counts 1, 2, 3, … row by row, and so
            does dy when another size is needed. x with its padding at most 12, weight 5.
    kernel_size (2) and rule ("first") are for pooling only.
    view: "scatter", "dw" or "dx"; position: a cell of dy, of dW or of dX. The browser shows a cell
    of dW or dX once it has been visited, and all of them where show_all is True. Every argument
    stays an attribute that can be read and set. Raises WidgetError, a ShapeError.
    >>> w = GradientFlow()
    >>> w.view, w.position = "dx", (1, 1)
    >>> w
    GradientFlow: conv of x 3×3 with weight 2×2, stride 1×1, padding 0 -> dy 2×2; view dx at \
(1, 1): dX = 5; sum of dy 10, of dX 30, of dW 139
    >>> GradientFlow(kind="max", rule="all").gradients()[0].sum().tolist()
    24.0
    """

    module = "gradient_flow"
    shaping = ("x", "weight", "kind", "kernel_size", "stride", "padding", "view")
    _esm = module_source("gradient_flow")
    _css = style_source("gradient_flow")

    x = Matrix().tag(sync=True)
    weight = Matrix("(KH, KW)").tag(sync=True)
    dy = Matrix("(OH, OW)", default_value=[[1.0]]).tag(sync=True)
    kind = Checked("conv").tag(sync=True)
    kernel_size = Checked((2, 2)).tag(sync=True)
    stride = Checked((1, 1)).tag(sync=True)
    padding = Checked(0).tag(sync=True)
    rule = Checked("first").tag(sync=True)
    view = Checked("scatter").tag(sync=True)
    show_all = Flag().tag(sync=True)

    def __init__(self, x=None, weight=KERNEL, dy=None, kind="conv", *, kernel_size=None,
                 stride=None, padding=0, rule=None, view="scatter", position=(0, 0),
                 show_all=False):
        if kind == "conv":
            self._refuse_what_pools(kernel_size=kernel_size, rule=rule)
        if x is None:
            x = IMAGE if kind == "conv" else TIES
        kernel_size = 2 if kernel_size is None else kernel_size
        if stride is None:
            stride = 1 if kind == "conv" else kernel_size
        super().__init__(x=x, weight=weight, kind=kind, kernel_size=kernel_size, stride=stride,
                         padding=padding, rule="first" if rule is None else rule,
                         show_all=show_all)
        self.dy = counted(self._where().output) if dy is None else dy  # now its size is known
        self.view = view
        self.position = position

    @staticmethod
    def _refuse_what_pools(**given):
        for name, value in given.items():
            if value is not None:
                raise WidgetError(f"GradientFlow: {name} is for pooling, got {name}={value!r} with "
                                  "kind='conv'; add kind='max' or leave it out.")

    def gradients(self) -> tuple[np.ndarray, np.ndarray | None]:
        """dX (H, W) and dW (KH, KW), by the course's operations; dW is None for pooling."""
        x, dy = (np.array(part)[None, None] for part in (self.x, self.dy))
        where = self._where()
        if self.kind == "conv":
            cache = conv2d(x, np.array(self.weight)[None, None], None, where.stride,
                           where.padding)[1]
            dx, dweight, _ = conv2d_backward(dy, cache)
            return dx[0, 0], dweight[0, 0]
        if self.kind == "average":
            cache = avg_pool2d(x, where.kernel_size, where.stride)[1]
            return avg_pool2d_backward(dy, cache)[0, 0], None
        if self.rule == "first":
            cache = max_pool2d(x, where.kernel_size, where.stride)[1]
            return max_pool2d_backward(dy, cache)[0, 0], None
        return self._pay_all_maxima(x[0, 0], dy[0, 0], where), None

    def _pay_all_maxima(self, x, dy, where: Windows) -> np.ndarray:
        """dX where every maximum of a window is paid: in full ("all"), or a part ("shared")."""
        dx, (KH, KW), (sh, sw) = np.zeros(x.shape), where.kernel_size, where.stride
        for i, j in np.ndindex(dy.shape):
            seen = np.s_[i * sh : i * sh + KH, j * sw : j * sw + KW]
            ties = x[seen] == x[seen].max()
            dx[seen] += dy[i, j] * ties / (ties.sum() if self.rule == "shared" else 1)
        return dx

    def still(self) -> Picture:
        x, where = np.array(self.x), self._where()
        padded = pad(x[None, None], where.padding)[0, 0]
        dx, dweight = self.gradients()
        return draw_gradient_flow(padded, np.array(self.weight), np.array(self.dy), dx, dweight,
                                  where, self.position, kind=self.kind, rule=self.rule,
                                  view=self.view)

    def _where(self, **changes) -> Windows:
        """Where the windows of the forward pass lie, or would lie after these changes."""
        names = ("x", "weight", "kind", "kernel_size", "stride", "padding")
        now = {name: plain(getattr(self, name)) for name in names} | changes
        is_conv = now["kind"] == "conv"
        kernel_size = np.shape(now["weight"]) if is_conv else now["kernel_size"]
        try:
            where = resolve_windows(np.shape(now["x"]), kernel_size, now["stride"],
                                    now["padding"], "GradientFlow")
        except ShapeError as error:
            raise WidgetError(str(error)) from None
        padded = [n + sum(sides) for n, sides in zip(np.shape(now["x"]), where.padding)]
        if not is_conv and where.padding != ((0, 0), (0, 0)):
            raise WidgetError(f"GradientFlow: padding must be 0 for kind={now['kind']!r}, got "
                              f"{now['padding']!r}; put the border into x.")
        if max(padded) > MOST_PIXELS or max(where.kernel_size) > MOST_WEIGHTS:
            raise WidgetError(
                f"GradientFlow: x with its padding must have at most {MOST_PIXELS} rows and "
                f"columns and the kernel at most {MOST_WEIGHTS}, got {padded[0]}×{padded[1]} and "
                f"{where.kernel_size[0]}×{where.kernel_size[1]}; use a smaller example.")
        return where

    def _windows(self, **changes) -> Windows:
        """As _where(), with the size of what the view walks over as the output."""
        where = self._where(**changes)
        walked = {"scatter": where.output, "dw": where.kernel_size, "dx": np.shape(self.x)}
        return where._replace(output=walked[self.view])

    def _stay_inside(self, change):
        if self.kind != "conv":
            self.view = "scatter"
        output = self._where().output
        if np.shape(self.dy) != output:
            self.dy = counted(output)
        super()._stay_inside(change)

    @traitlets.validate("x", "weight")
    def _check_array(self, proposal):
        self._where(**{proposal.trait.name: proposal.value})
        return proposal.value

    @traitlets.validate("dy")
    def _check_dy(self, proposal):
        output = self._where().output
        if np.shape(proposal.value) != output:
            by = "×".join(map(str, np.shape(proposal.value)))
            raise WidgetError(f"GradientFlow: dy must have the shape of y, "
                              f"{output[0]}×{output[1]}, got {by}; set x, weight, stride and "
                              "padding first.")
        return proposal.value

    @traitlets.validate("kernel_size", "stride")
    def _check_pair(self, proposal):
        value = plain(proposal.value)
        self._where(**{proposal.trait.name: value})
        return as_pair(value, proposal.trait.name)

    @traitlets.validate("padding")
    def _check_padding(self, proposal):
        value = plain(proposal.value)
        self._where(padding=value)
        return value

    @traitlets.validate("kind", "rule", "view")
    def _check_choice(self, proposal):
        name, value = proposal.trait.name, proposal.value
        value = "average" if value == "avg" else value  # as short as avg_pool2d
        if value not in CHOICES[name]:
            near = str(value).lower()
            hint = f"; did you mean {near!r}?" if near in CHOICES[name] else "."
            raise WidgetError(f"GradientFlow: {name} must be one of "
                              f"{', '.join(map(repr, CHOICES[name]))}, got {value!r}{hint}")
        if name == "kind":
            self._where(kind=value)
        if name == "view" and value != "scatter" and self.kind != "conv":
            raise WidgetError(f"GradientFlow: view must be 'scatter' for kind={self.kind!r}, got "
                              f"{value!r}: pooling has no weights to gather with.")
        return value

    def __repr__(self) -> str:
        where, (dx, dweight) = self._where(), self.gradients()
        by = ["×".join(map(str, pair)) for pair in
              (np.shape(self.x), where.kernel_size, where.stride, where.output)]
        what = f"conv of x {by[0]} with weight {by[1]}, stride {by[2]}, padding {self.padding}"
        if self.kind != "conv":
            rule = f", rule {self.rule}" if self.kind == "max" else ""
            what = f"{self.kind} of x {by[0]} in windows {by[1]}, stride {by[2]}{rule}"
        name, found = {"scatter": ("dy", np.array(self.dy)), "dw": ("dW", dweight),
                       "dx": ("dX", dx)}[self.view]
        of_weight = "" if dweight is None else f", of dW {dweight.sum():.4g}"
        return (f"GradientFlow: {what} -> dy {by[3]}; view {self.view} at {self.position}: {name} "
                f"= {found[self.position]:.4g}; sum of dy {np.sum(self.dy):.4g}, of dX "
                f"{dx.sum():.4g}{of_weight}")


def counted(shape) -> np.ndarray:
    """1, 2, 3, … in reading order.

    >>> counted((2, 2)).tolist()
    [[1, 2], [3, 4]]
    """
    return np.arange(1, shape[0] * shape[1] + 1).reshape(shape)
