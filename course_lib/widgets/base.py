"""What every widget shares: its source for the browser, its checks, its still picture and state.

A widget is one Python class of traits here and one view in static/; the arithmetic is in cnn.js.
"""

from __future__ import annotations

import difflib
import json
from numbers import Integral
from pathlib import Path

import anywidget
import numpy as np
import traitlets

from course_lib.shapes import ShapeError

STATIC = Path(__file__).parent / "static"
WIDGET_MIMETYPE = "application/vnd.course.widget+json"
LARGEST = 64  # rows or columns of one grid: more cells than that are too small to see
MOST_LAYERS = 16  # channels or filters: more sheets than that are too many to pick from

KERNELS = {
    "vertical edge": [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]],
    "horizontal edge": [[-1, -1, -1], [0, 0, 0], [1, 1, 1]],
    "blur": [[1 / 9, 1 / 9, 1 / 9], [1 / 9, 1 / 9, 1 / 9], [1 / 9, 1 / 9, 1 / 9]],
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "identity": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
}


class WidgetError(traitlets.TraitError, ShapeError):
    """A value that a widget cannot show; the widget keeps the value it had."""


def static_text(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


# Parts that only some views need; each is put between grid.js and the view.
PARTS = {
    "draw_digit": ("network",),
    "gradient_flow": ("gradient",),
    "sample_size": ("chart", "chance"),
    "shape_tracer": ("recipe", "flatten_map"),
    "step_size": ("chart",),
    "training_player": ("chart",),
}


def module_source(name: str) -> str:
    """Return one view as a whole ES module: the kernels, cnn.js, grid.js, its PARTS, the view.

    >>> module_source("sliding_kernel").splitlines()[0][:23]
    'export const KERNELS = '
    """
    if not name.isidentifier() or not (STATIC / f"{name}.js").is_file():
        raise ValueError(f"module_source: expected the name of a view in static/, got {name!r}.")
    kernels = f"export const KERNELS = {json.dumps(KERNELS)};\n"
    parts = ("cnn", "grid", *PARTS.get(name, ()), name)
    return kernels + "\n".join(static_text(f"{part}.js") for part in parts)


def style_source(*names: str) -> str:
    """Return the looks of these views: course.css, which all share, then each one's own sheet."""
    own = [f"{name}.css" for name in dict.fromkeys(names) if (STATIC / f"{name}.css").is_file()]
    return "".join(map(static_text, ("course.css", *own)))


class Checked(traitlets.TraitType):
    """A trait that the widget's own @validate checks, None included (traitlets.Any lets it in)."""


class Flag(traitlets.TraitType):
    """A trait that is True or False."""

    default_value = False

    def validate(self, widget, value):
        if not isinstance(value, (bool, np.bool_)):
            raise WidgetError(
                f"{type(widget).__name__}: {self.name} must be True or False, got {value!r:.80}.")
        return bool(value)


class Matrix(traitlets.TraitType):
    """A trait that turns an array into nested lists; a kernel may be a name in KERNELS.

    axes: the shapes that are allowed, by the names of their axes; the last two are at most 64.
    """

    def __init__(self, *axes, **options):
        super().__init__(**options)
        self.axes = axes or ("(rows, columns)",)
        self.is_kernel = "KH" in self.axes[0]

    def validate(self, widget, value):
        who = f"{type(widget).__name__}: {self.name}"
        if isinstance(value, str):
            return [list(row) for row in named_kernel(value, who, self.is_kernel)]
        allowed = [names.count(",") + 1 for names in self.axes]
        try:
            array = np.asarray(value)
            array = array if np.iscomplexobj(array) else array.astype(np.float64)
        except (TypeError, ValueError):
            numbers = " or ".join(f"{n}-D" for n in allowed)
            raise WidgetError(
                f"{who} must be a {numbers} array of numbers, got {value!r:.80}."
            ) from None
        if np.iscomplexobj(array):
            raise WidgetError(f"{who} must hold real numbers, got complex ones.")
        limits = [MOST_LAYERS] * (array.ndim - 2) + [LARGEST] * 2
        fits = [1 <= size <= limit for size, limit in zip(array.shape, limits)]
        colour = "" if self.is_kernel else colours_last(array.shape, 3 in allowed)
        if array.ndim not in allowed or not all(fits) or (colour and min(array.shape[:2]) > 4):
            layers = f"channels and filters 1 to {MOST_LAYERS}, " * (len(allowed) > 1)
            raise WidgetError(
                f"{who} must have the shape {' or '.join(self.axes)}, {layers}rows and columns "
                f"each 1 to {LARGEST}, got {array.shape}; "
                + (colour or "one channel of one image of a batch is x[0, 0].")
            )
        if not np.isfinite(array).all():
            raise WidgetError(f"{who} must hold finite numbers, got NaN or infinity.")
        return array.tolist()


class Bias(traitlets.TraitType):
    """A trait that is None, one number for every filter, or a list of one number a filter."""

    default_value = None

    def validate(self, widget, value):
        if value is None:
            return None
        try:
            array = np.array(np.nan) if np.iscomplexobj(value) else np.asarray(value, np.float64)
        except (TypeError, ValueError):
            array = np.array(np.nan)
        if array.ndim > 1 or not np.isfinite(array).all():
            raise WidgetError(
                f"{type(widget).__name__}: {self.name} must be None, a number or a number for "
                f"each filter, got {value!r:.80}."
            )
        return array.tolist()


def colours_last(shape, has_channels: bool) -> str:
    """What to do with an image (rows, columns, 3 or 4 colours); "" for every other shape.

    >>> colours_last((8, 8, 3), True), colours_last((3, 8, 8), True)
    ('in a colour image the channels come first: x.transpose(2, 0, 1).', '')
    """
    if len(shape) != 3 or shape[2] not in (3, 4):
        return ""
    return ("in a colour image the channels come first: x.transpose(2, 0, 1)." if has_channels
            else "one channel of a colour image is x[:, :, 0].")


def named_kernel(name: str, who: str, is_kernel: bool) -> list:
    if not is_kernel:
        raise WidgetError(f"{who} must be an array, got {name!r}; names are for kernels, and a "
                          "picture is loaded to an array first: course_lib.image_folder.")
    if name not in KERNELS:
        raise WidgetError(f"{who} must be an array or one of {', '.join(KERNELS)}; got {name!r}.")
    return KERNELS[name]


def plain(value):
    """NumPy's integers and arrays of them as Python's own and tuples, which JSON can hold.

    >>> plain((np.int64(2), 1)), plain("same")
    ((2, 1), 'same')
    """
    if isinstance(value, (list, tuple, np.ndarray)):
        return tuple(plain(part) for part in value)
    return int(value) if isinstance(value, Integral) and not isinstance(value, bool) else value


class CourseWidget(anywidget.AnyWidget):
    """A widget that leaves a still picture, a sentence and its own state in the notebook.

    A subclass sets `module` (its view in static/), `_esm`, `_css`, `__repr__` and `still()`.
    """

    module = ""

    def __setattr__(self, name, value):
        """Set what exists; a name that is not known, often a slip of the keyboard, is refused."""
        if not name.startswith("_") and not hasattr(type(self), name):
            shared = {*anywidget.AnyWidget.class_trait_names(), "playing"}
            own = sorted(n for n in {*self.trait_names()} - shared if not n.startswith("_"))
            near = difflib.get_close_matches(name, own, 1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(own)}."
            raise AttributeError(f"{type(self).__name__} has no {name!r} to set: {hint}")
        super().__setattr__(name, value)

    def state(self) -> dict:
        """Return the traits of the subclass by name: all that a page needs to start the view."""
        shared = set(anywidget.AnyWidget.class_trait_names())
        names = sorted(self.trait_names(sync=True))
        return {n: getattr(self, n) for n in names if n not in shared and not n.startswith("_")}

    def _repr_mimebundle_(self, **options):
        """The live view for a notebook; PNG, text and state for everything that has no kernel."""
        live, _ = super()._repr_mimebundle_(**options)
        still, metadata = self.still()._repr_mimebundle_()
        page = {"module": self.module, "state": self.state()}
        text = {"text/plain": repr(self), WIDGET_MIMETYPE: page}
        return {**live, "image/png": still["image/png"], **text}, metadata
