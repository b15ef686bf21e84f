"""The still of the step-size curve: relative errors against h on two log axes.

Arrays in, a Picture out; imports plots' looks and tools.
"""

from __future__ import annotations

from typing import Mapping, Sequence

import numpy as np

from course_lib.plots import BLUE, INK, MEDIUM, VERMILLION, Picture, in_our_look, new_figure

LOOKS = ((BLUE, "o", "-"), (VERMILLION, "s", "--"))


@in_our_look
def draw_step_size(steps: Sequence[float], errors: Mapping[str, Sequence[float]], h: float,
                   distance: float | None = None, *, difference: str = "central") -> Picture:
    """Draw the error of a numerical gradient against h, a curve a precision, and where h stands.

    errors: {name: one error a step}; at most two. distance: where a kink lies, if there is one.
    >>> draw_step_size([1e-6, 1e-2], {"float64": [1e-9, 1e-4]}, 1e-2).alt
    'Relative error of a central difference against h: float64 from 1e-09 at h = 1e-06 to 1e-04 \
at h = 1e-02, smallest 1e-09 at h = 1e-06. h stands at 1e-02.'
    """
    steps = np.asarray(steps, float)
    for name, values in errors.items():
        if len(values) != len(steps):
            raise ValueError(f"draw_step_size: expected {len(steps)} errors under {name}, got "
                             f"{len(values)}.")
    figure = new_figure(5.6, 3.6, True)
    ax = figure.add_subplot(xlabel="step size h", ylabel="relative error", xscale="log",
                            yscale="log", ylim=(1e-13, 10))
    ax.grid(True)
    told = []
    for (name, values), (colour, marker, line) in zip(errors.items(), LOOKS):
        values = np.asarray(values, float)
        ax.plot(steps, np.maximum(values, 1e-16), color=colour, marker=marker, linestyle=line,
                markevery=8, markersize=5, label=name)
        best = values.argmin()
        told.append(f"{name} from {values[0]:.0e} at h = {steps[0]:.0e} to {values[-1]:.0e} at "
                    f"h = {steps[-1]:.0e}, smallest {values[best]:.0e} at h = {steps[best]:.0e}")
    ax.axvline(h, color=INK, linestyle=(0, (4, 3)), linewidth=1.4)
    ax.annotate("h", (h, 10), xytext=(0, 3), textcoords="offset points", ha="center")
    kink = ""
    if distance is not None:
        ax.axvline(distance, color=INK, linestyle=":", linewidth=1.8)
        ax.annotate("kink", (distance, 10), xytext=(0, 3), textcoords="offset points", ha="center")
        kink = f"; a kink lies {distance:.0e} from x"
    ax.legend(loc="lower right", frameon=True, fontsize=MEDIUM)
    figure.suptitle(f"{difference.capitalize()} difference")
    return Picture(figure, f"Relative error of a {difference} difference against h: "
                           f"{'; '.join(told)}. h stands at {h:.0e}{kink}.")
