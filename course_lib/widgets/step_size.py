"""The step-size curve: the error of a numerical gradient against h, in float64 and float32."""

from __future__ import annotations

from numbers import Real

import numpy as np
import traitlets

from course_lib.plots import Picture
from course_lib.stills.step_size import draw_step_size
from course_lib.widgets.base import (
    Checked, CourseWidget, Flag, WidgetError, module_source, style_source,
)

PLACE = 0.7  # the x at which the gradient is asked for
STEPS = [float(f"{10 ** (k / 8):.2e}") for k in range(-96, 1)]  # 1e-12 to 1, eight a decade
CHOICES = {"function": ("smooth", "kink"), "difference": ("central", "forward")}
LIMITS = {"h": (1e-12, 1.0), "distance": (1e-8, 1.0)}


class StepSizeCurve(CourseWidget):
    """Move h and see the relative error of a numerical gradient: a U, and a jump at a kink.

    central (f(x + h) - f(x - h)) / 2h, forward (f(x + h) - f(x)) / h; x = 0.7
    error = |numeric - analytic| / max(|numeric|, |analytic|), as in gradcheck

    function "smooth": f(x) = x³; "kink": x³ + relu(x - kink), the kink at x + distance, so that
    the gradient at x is 3x² for both. difference "central" or "forward"; h 1e-12 to 1, distance
    1e-8 to 1. show_curve: the whole curve in the browser, not only the points at every h that was
    tried. Every argument stays an attribute that can be read and set. Raises WidgetError.
    >>> w = StepSizeCurve(h=1e-5)
    >>> w.error() < 1e-9 < w.error(np.float32, h=1e-3) < 1e-3
    True
    >>> w.h = 0.1
    >>> w
    StepSizeCurve: smooth, central difference, h 0.1: relative error 6.8e-03 in float64, 6.8e-03 \
in float32
    """

    module = "step_size"
    _esm = module_source("step_size")
    _css = style_source("step_size")

    function = Checked("smooth").tag(sync=True)
    difference = Checked("central").tag(sync=True)
    h = Checked(1e-2).tag(sync=True)
    distance = Checked(1e-3).tag(sync=True)
    show_curve = Flag().tag(sync=True)

    def __init__(self, function="smooth", difference="central", h=1e-2, *, distance=1e-3,
                 show_curve=False):
        super().__init__(function=function, difference=difference, h=h, distance=distance,
                         show_curve=show_curve)

    def numeric(self, dtype=np.float64, h: float | None = None) -> float:
        """The difference quotient, every operation in `dtype`."""
        x, step = dtype(PLACE), dtype(self.h if h is None else h)
        kink = x + dtype(self.distance)

        def f(at):
            bend = max(at - kink, dtype(0)) if self.function == "kink" else dtype(0)
            return at * at * at + bend

        if self.difference == "forward":
            return float((f(x + step) - f(x)) / step)
        return float((f(x + step) - f(x - step)) / (step + step))

    def error(self, dtype=np.float64, h: float | None = None) -> float:
        """The relative error of numeric(dtype, h); the analytic gradient is that of dtype's x."""
        x = float(dtype(PLACE))
        numeric, analytic = self.numeric(dtype, h), 3 * x * x
        return abs(numeric - analytic) / max(abs(numeric), abs(analytic))

    def errors(self, dtype=np.float64) -> np.ndarray:
        """The whole curve: error(dtype, h) for every h of STEPS."""
        return np.array([self.error(dtype, h) for h in STEPS])

    def still(self) -> Picture:
        return draw_step_size(STEPS, {"float64": self.errors(), "float32": self.errors(np.float32)},
                              self.h, self.distance if self.function == "kink" else None,
                              difference=self.difference)

    @traitlets.validate("function", "difference")
    def _check_choice(self, proposal):
        name, value = proposal.trait.name, proposal.value
        if value not in CHOICES[name]:
            raise WidgetError(f"StepSizeCurve: {name} must be one of "
                              f"{', '.join(map(repr, CHOICES[name]))}, got {value!r}.")
        return value

    @traitlets.validate("h", "distance")
    def _check_length(self, proposal):
        name, value = proposal.trait.name, proposal.value
        low, high = LIMITS[name]
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        if not (is_number and low <= value <= high):
            raise WidgetError(f"StepSizeCurve: {name} must be a number from {low:g} to {high:g}, "
                              f"got {value!r}.")
        return float(value)

    def __repr__(self) -> str:
        kink = f", kink {self.distance:g} away" if self.function == "kink" else ""
        return (f"StepSizeCurve: {self.function}{kink}, {self.difference} difference, h "
                f"{self.h:g}: relative error {self.error():.1e} in float64, "
                f"{self.error(np.float32):.1e} in float32")
