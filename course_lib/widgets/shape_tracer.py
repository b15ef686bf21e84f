"""The shape tracer: a network's text, the shapes, parameters and FLOPs of its layers, Flatten."""

from __future__ import annotations

import base64
import copy
import functools
import re

import numpy as np
import traitlets

from course_lib.config import MAX_CHARACTERS, ConfigError, build, parse, to_text
from course_lib.layers import Dense, Flatten
from course_lib.model import Sequential, Summary
from course_lib.plots import Picture, show_flow
from course_lib.widgets.base import (
    Checked, CourseWidget, WidgetError, module_source, plain, style_source,
)

# Bach Nguyen Vu's network, in the published text form.
PUBLISHED = """5
Input shape=1x28x28
Conv2D filters=16 kernel=3x3 stride=1
 padding=same activation=relu
MaxPool2D pool=2x2 stride=2
Dense units=128 activation=relu
Dense units=2 activation=softmax
"""
MOST_UNITS = 16  # units of a dense layer whose weights travel to the browser
MOST_WEIGHTS = 80_000  # of all these units together
MOST_BOXES = 40  # of a flow chart
LARGEST_INTEGER = 2**15 - 1


class ShapeTracer(CourseWidget):
    """Write a network as text and follow its shapes; point at the map of its Flatten.

    index = (channel * H + row) * W + column

    text: a network in the text form of config, or a Sequential, whose first Dense after Flatten
    then shows its weights, unit by unit. input_shape: one example's shape, for a Sequential that
    does not know its own, or instead of the text's. draft: what stands in the editor, perhaps
    with a mistake; `text` is the last network that works. layer: the row of the table in view;
    index: a place in the flattened vector; unit: a unit of the dense layer. All can be read and
    set. Raises WidgetError with the line that is wrong.
    >>> w = ShapeTracer()
    >>> w.index = 1234
    >>> w
    ShapeTracer: 8 rows from 1×28×28 to 2, 401,954 parameters, 1,054,336 FLOPs, output softmax; \
index 1234 of 3136 is channel 6, row 4, column 2
    """

    module = "shape_tracer"
    _esm = module_source("shape_tracer")
    _css = style_source("shape_tracer")

    text = Checked(PUBLISHED).tag(sync=True)
    draft = Checked(PUBLISHED).tag(sync=True)
    layer = Checked(0).tag(sync=True)
    index = Checked(0).tag(sync=True)
    unit = Checked(0).tag(sync=True)
    weights = Checked(None).tag(sync=True)

    def __init__(self, text: str | Sequential = PUBLISHED, input_shape: tuple | None = None, *,
                 draft: str | None = None, layer: int = 0, index: int = 0, unit: int = 0):
        weights = None
        if isinstance(text, Sequential):
            model = text
            text = text_of(model, input_shape)
            weights = dense_weights(model, parse(text).input_shape)
        elif input_shape is not None:
            text = with_input(text, input_shape)
        super().__init__(text=text, weights=weights)
        self.layer, self.index, self.unit = layer, index, unit
        if draft is not None:
            self.draft = draft

    def summary(self) -> Summary:
        """The table of the network in view: Sequential.summary."""
        return summary_of(self.text)

    def problem(self) -> str:
        """What is wrong with the draft, and on which line; "" where nothing is."""
        try:
            parse(self.draft)
        except ConfigError as error:
            return str(error)
        return ""

    def maps(self) -> tuple[int, int, int] | None:
        """(C, H, W) in front of the first Flatten on feature maps; None without one."""
        rows = self.summary().rows
        for before, row in zip(rows, rows[1:]):
            if row.name == "Flatten()" and len(before.output_shape) == 3:
                return before.output_shape
        return None

    def place(self) -> tuple[int, int, int] | None:
        """(channel, row, column) of `index`; None where nothing is flattened."""
        maps = self.maps()
        return None if maps is None else tuple(map(int, np.unravel_index(self.index, maps)))

    def still(self) -> Picture:
        summary = self.summary()
        boxes = [(row.name, row.output_shape) for row in summary.rows]
        if len(boxes) > MOST_BOXES:
            left_out = len(boxes) - MOST_BOXES + 1
            boxes = [*boxes[: MOST_BOXES - 2], (f"… {left_out} layers …", ""), boxes[-1]]
        total = (f"{summary.parameters:,} parameters, {summary.flops:,} FLOPs"
                 + (f", output {summary.output}" if summary.output else ""))
        flow = show_flow(boxes, title=total)
        return Picture(flow.figure, f"{flow.alt} In all {total}. {self._told()}".strip())

    def _told(self) -> str:
        place = self.place()
        if place is None:
            return ""
        c, i, j = place
        return (f"Index {self.index} of {int(np.prod(self.maps()))} is channel {c}, row {i}, "
                f"column {j}.")

    @traitlets.validate("text")
    def _check_text(self, proposal):
        return known_text(proposal.value)

    @traitlets.validate("draft")
    def _check_draft(self, proposal):
        value = proposal.value
        if not isinstance(value, str) or len(value) > MAX_CHARACTERS:
            raise WidgetError(f"ShapeTracer: draft must be a text of at most {MAX_CHARACTERS:,} "
                              f"characters, got {value!r:.80}.")
        return value

    @traitlets.observe("text")
    def _take_text(self, change):
        self.draft = self.text
        maps = self.maps()
        self.layer = min(self.layer, len(self.summary().rows) - 1)
        self.index = min(self.index, int(np.prod(maps)) - 1) if maps else 0

    @traitlets.observe("draft")
    def _take_draft(self, change):
        if not self.problem():
            self.text = self.draft

    @traitlets.validate("layer", "index", "unit")
    def _check_count(self, proposal):
        name, value, maps = proposal.trait.name, plain(proposal.value), self.maps()
        last = {"layer": len(self.summary().rows), "index": int(np.prod(maps)) if maps else 1,
                "unit": self.weights["count"] if self.weights else 1}[name] - 1
        if type(value) is not int or not 0 <= value <= last:
            raise WidgetError(f"ShapeTracer: {name} must be a whole number from 0 to {last}, got "
                              f"{proposal.value!r}.")
        return value

    @traitlets.validate("weights")
    def _check_weights(self, proposal):
        value = proposal.value
        keys = {"count", "of", "scale", "shape", "values"}
        if value is not None and not (isinstance(value, dict) and set(value) == keys):
            raise WidgetError("ShapeTracer: weights come from a network, ShapeTracer(model), got "
                              f"{value!r:.80}.")
        return value

    def __repr__(self) -> str:
        summary = self.summary()
        first, last = ("×".join(map(str, summary.rows[k].output_shape)) for k in (0, -1))
        output = f", output {summary.output}" if summary.output else ""
        told = self._told().rstrip(".")
        wrong = f"; the draft is wrong: {self.problem()}" if self.problem() else ""
        return (f"ShapeTracer: {len(summary.rows)} rows from {first} to {last}, "
                f"{summary.parameters:,} parameters, {summary.flops:,} FLOPs{output}"
                + (f"; {told[0].lower()}{told[1:]}" if told else "") + wrong)


@functools.lru_cache(maxsize=8)
def summary_of(text: str) -> Summary:
    """Sequential.summary of a text; kept, because the widget asks for it again and again."""
    return build(text, np.random.default_rng(0)).summary()


def known_text(text) -> str:
    """The text, if it is a network's; WidgetError with config's own message where it is not."""
    try:
        parse(text)
    except ConfigError as error:
        raise WidgetError(f"ShapeTracer: {error}") from None
    return text


def text_of(model: Sequential, input_shape: tuple | None = None) -> str:
    """A network's text; input_shape where the network does not know its own."""
    known = copy.copy(model)
    known.input_shape = model.input_shape if input_shape is None else tuple(input_shape)
    try:
        return to_text(known)
    except ValueError as error:
        raise WidgetError(f"ShapeTracer: {error}") from None


def with_input(text: str, input_shape: tuple) -> str:
    """The text with another shape on its Input line.

    >>> with_input("2\\nInput shape=1x8x8\\nDense units=2", (3, 4, 5)).splitlines()[1]
    'Input shape=3x4x5'
    """
    shape = "x".join(map(str, plain(tuple(input_shape))))
    return re.sub(r"(?m)^(Input\b\s[^#]*?shape=)\S+", rf"\g<1>{shape}", text, count=1)


def dense_weights(model: Sequential, input_shape: tuple) -> dict | None:
    """The first units of the Dense that follows a Flatten on feature maps, as 16-bit numbers.

    weight[index, unit] is about scale times the number; None where there is no such layer.
    """
    shapes = model.shapes(input_shape)
    for before, flatten, layer in zip(shapes, model.layers, model.layers[1:]):
        if isinstance(flatten, Flatten) and isinstance(layer, Dense) and len(before) == 3:
            size, units = layer.weight.data.shape
            count = min(units, MOST_UNITS, MOST_WEIGHTS // size)
            if count == 0:
                return None
            rows = layer.weight.data[:, :count].T.astype(np.float64)
            if not np.isfinite(rows).all():
                raise WidgetError("ShapeTracer: weights must hold finite numbers, got NaN or "
                                  "infinity. Did training diverge?")
            scale = float(np.abs(rows).max()) / LARGEST_INTEGER or 1.0
            numbers = np.rint(rows / scale).astype("<i2")
            return {"count": count, "of": units, "scale": scale, "shape": list(before),
                    "values": base64.b64encode(numbers.tobytes()).decode("ascii")}
    return None
