"""Draw a digit: a trained network reads it in the browser, every layer in view."""

from __future__ import annotations

import base64
import copy

import numpy as np
import traitlets

from course_lib.model import Sequential
from course_lib.plots import Picture
from course_lib.stills.draw_digit import draw_draw_digit
from course_lib.widgets.base import (
    Checked, CourseWidget, Flag, WidgetError, module_source, style_source,
)
from course_lib.widgets.browser_network import network_state
from course_lib.widgets.centring import SIDE, by_area, centre_digit

SHEET = 2 * SIDE  # rows and columns of the sheet that is drawn on
LOOKED_AT = 2000  # test digits among which examples are looked for
WRONG_ONES = 6


class DrawDigit(CourseWidget):
    """Draw a digit and see the image that the network gets, each layer's maps and the answer.

    model: a trained Sequential for 1x28x28 images that ends in Softmax(); its weights are copied
    (`w.model = model` copies them anew). digits: test digits to choose examples from, a Digits or
    (images, labels): one of each class that is read right, and the surest mistakes. image: the
    first drawing, (28, 28) or (56, 56) from 0 (paper) to 1 (ink). centring=False leaves out the
    scaling and centring (`centre_digit`) that MNIST's digits had. saliency: None, "answer" or a
    digit k: where more ink changes logit k, d logit[k] / d image.
    `image` (28, 28), what the network gets; `probabilities()`; `load(k)`, an example; `clear()`.
    Every argument stays an attribute that can be read and set. Raises WidgetError, a ShapeError.
    >>> from course_lib.layers import Dense, Flatten, Softmax
    >>> rng = np.random.default_rng(0)
    >>> w = DrawDigit(Sequential([Flatten(), Dense(784, 10, rng=rng), Softmax()]))
    >>> w
    DrawDigit: Flatten() → Dense(784, 10) → softmax: nothing drawn: I read a 0 (10 %), then 1 (10 %)
    >>> w.image = np.eye(28)
    >>> w.probabilities().shape
    (10,)
    """

    module = "draw_digit"
    _esm = module_source("draw_digit")
    _css = style_source("draw_digit")

    network = traitlets.Dict(read_only=True).tag(sync=True)
    examples = traitlets.List(read_only=True).tag(sync=True)
    drawing = Checked("").tag(sync=True)  # the sheet's bytes, row by row, as base64
    centring = Flag(True).tag(sync=True)
    saliency = traitlets.Any(None).tag(sync=True)

    def __init__(self, model, digits=None, *, image=None, centring=True, saliency=None):
        self._model = check_reader(model)
        super().__init__(drawing=as_text(np.zeros((SHEET, SHEET))), centring=centring)
        self.model = model
        self.saliency = saliency
        if digits is not None:
            self.set_trait("examples", choose_examples(self._model, digits))
            self.load(0)
        if image is not None:
            self.image = image

    @property
    def model(self) -> Sequential:
        """The copy whose weights the widget shows; set it to show those of another network."""
        return self._model

    @model.setter
    def model(self, model):
        own = check_reader(model)
        self.set_trait("network", network_state(own, (1, SIDE, SIDE), "DrawDigit"))
        self._model = own

    @property
    def image(self) -> np.ndarray:
        """What the network gets: (28, 28) float32, 0 to 1."""
        return seen_image(self.sheet(), self.centring)

    @image.setter
    def image(self, image):
        self.drawing = as_text(as_sheet(image))

    def sheet(self) -> np.ndarray:
        """What was drawn: (56, 56) from 0 to 255."""
        return from_text(self.drawing, SHEET)

    def probabilities(self) -> np.ndarray:
        """The network's answer to `image`, one number a class."""
        return self._model.predict_proba(self.image[None, None])[0]

    def load(self, number: int):
        """Put an example on the sheet: number 0 to len(examples) - 1."""
        count = len(self.examples)
        if not isinstance(number, (int, np.integer)) or not 0 <= number < count:
            raise WidgetError(f"DrawDigit: expected an example from 0 to {count - 1}, got "
                              f"{number!r}; DrawDigit(model, digits) chooses some." if count else
                              "DrawDigit: there are no examples; DrawDigit(model, digits) "
                              "chooses some.")
        self.centring = True  # an example's answer is that to the centred image
        self.image = from_text(self.examples[number]["image"], SIDE) / 255

    def clear(self):
        self.image = np.zeros((SHEET, SHEET))

    def still(self) -> Picture:
        return draw_draw_digit(self.image, self.probabilities(), f"{self._sentence()}.")

    def _sentence(self) -> str:
        """The same words as in the browser."""
        shares = self.probabilities()
        first, second = (int(k) for k in np.argsort(-shares, kind="stable")[:2])
        read = (f"I read a{'n' * (first == 8)} {first} ({in_percent(shares[first])}), "
                f"then {second} ({in_percent(shares[second])})")
        return read if self.sheet().any() else f"nothing drawn: {read}"

    @traitlets.validate("drawing")
    def _check_drawing(self, proposal):
        from_text(proposal.value, SHEET)
        return proposal.value

    @traitlets.validate("saliency")
    def _check_saliency(self, proposal):
        value = proposal.value
        classes = self._model.shapes((1, SIDE, SIDE))[-1][0]
        is_class = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if is_class and 0 <= value < classes:
            return int(value)
        if value is None or isinstance(value, str) and value == "answer":
            return value
        raise WidgetError(f"DrawDigit: saliency must be None, 'answer' or a digit from 0 to "
                          f"{classes - 1}, got {value!r}.")

    def __repr__(self) -> str:
        layers = " → ".join([*map(repr, self._model.layers), "softmax"])
        return f"DrawDigit: {layers}: {self._sentence()}"


def check_reader(model) -> Sequential:
    """A copy of a network that reads digits; WidgetError where it cannot be shown."""
    network_state(model, (1, SIDE, SIDE), "DrawDigit")
    logits = model.shapes((1, SIDE, SIDE))[-1]
    if model.output != "softmax" or len(logits) != 1 or not 2 <= logits[0] <= 10:
        raise WidgetError("DrawDigit: expected a network that ends in 2 to 10 classes and "
                          f"Softmax(), got {logits} and {model.output or 'logits'}; "
                          "put Dense(..., 10) and Softmax() last.")
    return copy.deepcopy(model).astype(np.float32)


def seen_image(sheet: np.ndarray, centring: bool) -> np.ndarray:
    """The image that the network gets of a sheet (56, 56) with values from 0 to 255."""
    seen = centre_digit(sheet) if centring else by_area(by_area(sheet, SIDE).T, SIDE).T
    return (seen / 255).astype(np.float32)


def as_sheet(image) -> np.ndarray:
    """A sheet (56, 56) from an image (28, 28), (1, 28, 28) or (56, 56) with values from 0 to 1."""
    array = np.asarray(image, dtype=np.float64)
    array = array[0] if array.shape == (1, SIDE, SIDE) else array
    if array.shape not in ((SIDE, SIDE), (SHEET, SHEET)) or not (
            (array >= 0) & (array <= 1)).all():
        values = f" from {array.min():g} to {array.max():g}" if array.size else ""
        raise WidgetError(f"DrawDigit: image must be ({SIDE}, {SIDE}) or ({SHEET}, {SHEET}) with "
                          f"values from 0 to 1, got {array.shape}{values}.")
    return np.kron(array, np.ones((2, 2))) if len(array) == SIDE else array


def choose_examples(model: Sequential, digits) -> list[dict]:
    """One digit of each class that is read right, then the surest mistakes, as plain data."""
    images, labels = check_digits(digits)
    seen = np.stack([seen_image(as_sheet(image) * 255, True) for image in images])[:, None]
    shares = model.predict_proba(seen)
    answers, right = shares.argmax(axis=1), shares.argmax(axis=1) == labels
    firsts = [np.flatnonzero(right & (labels == k))[:1] for k in range(shares.shape[1])]
    surest = np.argsort(-shares.max(axis=1), kind="stable")
    chosen = [*np.concatenate(firsts), *surest[~right[surest]][:WRONG_ONES]]
    if not chosen:
        raise WidgetError("DrawDigit: expected test digits of the network's classes 0 to "
                          f"{shares.shape[1] - 1}, got labels {labels.min()} to {labels.max()}.")
    return [{"number": int(k), "label": int(labels[k]), "answer": int(answers[k]),
             "image": as_text(images[k])} for k in chosen]


def check_digits(digits) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 28, 28) and labels (N,), at most 2,000, of a Digits or a pair."""
    if hasattr(digits, "test_images"):
        digits = (digits.test_images, digits.test_labels)
    images, labels = (np.asarray(part)[:LOOKED_AT] for part in digits)
    if images.shape not in ((len(labels), 1, SIDE, SIDE), (len(labels), SIDE, SIDE)):
        raise WidgetError(f"DrawDigit: expected digits as images (N, 1, {SIDE}, {SIDE}) and labels "
                          f"(N,), got {images.shape} and {labels.shape}.")
    return images.reshape(-1, SIDE, SIDE), labels


def as_text(image: np.ndarray) -> str:
    """Values from 0 to 1 as bytes, in base64."""
    return base64.b64encode(np.rint(image * 255).astype(np.uint8).tobytes()).decode("ascii")


def from_text(text: str, side: int) -> np.ndarray:
    """The bytes of as_text as an array (side, side) from 0 to 255."""
    try:
        values = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    except (TypeError, ValueError):
        values = np.zeros(0)
    if values.size != side * side:
        raise WidgetError(f"DrawDigit: drawing must be {side * side} bytes in base64, got "
                          f"{text!r:.60}; to set it from an array use image.")
    return values.reshape(side, side).astype(np.float64)


def in_percent(share: float) -> str:
    """A share in whole percent, never 0 and never 100.

    >>> in_percent(0.974), in_percent(0.0001), in_percent(0.9999)
    ('97 %', '<1 %', '>99 %')
    """
    if share < 0.005:
        return "<1 %"
    return ">99 %" if share >= 0.995 else f"{int(100 * share + 0.5)} %"
