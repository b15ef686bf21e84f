"""The sliding-kernel widget: kernels over an image, one window and its sum at a time."""

from __future__ import annotations

import numpy as np
import traitlets

from course_lib.conv import conv2d
from course_lib.plots import Picture, draw_sliding_kernel
from course_lib.shapes import ShapeError, Windows, resolve_windows
from course_lib.widgets.base import (
    Bias, Checked, Flag, Matrix, WidgetError, module_source, plain, style_source,
)
from course_lib.widgets.walk import WalkingWidget

SQUARE = [[0, 0, 0, 0, 0, 0], [0, 9, 9, 9, 9, 0], [0, 9, 9, 9, 9, 0],
          [0, 9, 9, 9, 9, 0], [0, 9, 9, 9, 9, 0], [0, 0, 0, 0, 0, 0]]
SHOWN_EXACTLY = 0.005  # two decimals are shown: a prediction this near is right


class SlidingKernel(WalkingWidget):
    """Point at an output cell and see the window, the products and the sum that made it.

    y[f, i, j] = bias[f] + sum over c, u, v of
        kernel[f, c, u, v] * padded[c, i*stride + u, j*stride + v]

    image (H, W) or (C, H, W); kernel (KH, KW), used on every channel, or a name in KERNELS, or
    (C, KH, KW) or (F, C, KH, KW); bias None, a number or F numbers; stride and padding as in
    conv2d; flipped=True turns the kernel by 180°: a true convolution. filter and channel: the
    sheets in view; position (i, j) in the output. predict=True hides each output until it is typed
    right or revealed (`answers`: every try; `score()`); drawing=True makes the pixels editable;
    seed: the next random kernel. Every argument stays an attribute that can be read and set; what
    the reader does in the browser arrives there too. Raises WidgetError, a ShapeError.
    >>> w = SlidingKernel([[0, 3, 4], [9, 5, 0], [6, 2, 1]], [[0, 1], [0, 2]])
    >>> w.position = (1, 0)
    >>> w
    SlidingKernel: image 3×3, kernel 2×2, stride 1, padding 0 -> output 2×2; output (1, 0) = 9
    """

    module = "sliding_kernel"
    shaping = ("image", "kernel", "bias", "stride", "padding")
    _esm = module_source("sliding_kernel")
    _css = style_source("sliding_kernel")

    image = Matrix("(rows, columns)", "(channels, rows, columns)").tag(sync=True)
    kernel = Matrix("(KH, KW)", "(C, KH, KW)", "(F, C, KH, KW)").tag(sync=True)
    bias = Bias().tag(sync=True)
    stride = Checked(1).tag(sync=True)
    padding = Checked(0).tag(sync=True)
    flipped = Flag().tag(sync=True)
    filter = Checked(0).tag(sync=True)
    channel = Checked(0).tag(sync=True)
    predict = Flag().tag(sync=True)
    answers = Checked(()).tag(sync=True)  # every try: (filter, row, column, number; None: revealed)
    drawing = Flag().tag(sync=True)
    seed = Checked(0).tag(sync=True)

    def __init__(self, image=SQUARE, kernel="vertical edge", *, bias=None, position=(0, 0),
                 stride=1, padding=0, flipped=False, filter=0, channel=0, predict=False,
                 answers=(), drawing=False, seed=0):
        super().__init__(image=image, kernel=kernel, bias=bias, stride=stride, padding=padding,
                         position=position, flipped=flipped, filter=filter, channel=channel,
                         predict=predict, drawing=drawing, seed=seed)
        self._beginning = {name: value for name, value in self.state().items()
                           if name not in ("predict", "drawing")}
        self.answers = answers
        self.observe(self._forget_answers, [*self.shaping, "flipped"])

    def reset(self):
        """Back to the values it was made with; answers are forgotten, predict stays as it is."""
        with self.hold_trait_notifications():
            for name, value in self._beginning.items():
                setattr(self, name, value)

    def output(self) -> np.ndarray:
        """The whole output by the course's own conv2d: (OH, OW), or (F, OH, OW) with filters."""
        x, weight, bias = self._layer()
        y, _ = conv2d(x[None], weight, bias, self.stride, self.padding)
        return y[0] if np.ndim(self.kernel) == 4 else y[0, 0]

    def score(self) -> tuple[int, int]:
        """(right at the first try, tried): how many outputs; a later try does not count.

        Right is what follows from the exact numbers or from those rounded to two decimals.
        """
        first = {}
        for f, i, j, typed in self.answers:
            if typed is not None:
                first.setdefault((f, i, j), typed)
        return sum(self._is_right(*place, typed) for place, typed in first.items()), len(first)

    def _is_right(self, f: int, i: int, j: int, typed: float) -> bool:
        """Is this number the output, or between what rounded factors or products add up to?"""
        x, weight, bias = self._layer()
        where = self._windows()
        (KH, KW), (sh, sw) = where.kernel_size, where.stride
        window = np.pad(x, ((0, 0), *where.padding))[:, i * sh : i * sh + KH, j * sw : j * sw + KW]
        sums = [rounded(window * weight[f]).sum(), (rounded(window) * rounded(weight[f])).sum()]
        if bias is not None:
            sums = [part + rounded(bias[f]) for part in sums]
        sums.append(self.output().reshape(-1, *where.output)[f, i, j])
        margin = SHOWN_EXACTLY + 1e-9
        return bool(min(sums) - margin <= typed <= max(sums) + margin)

    def _is_known(self, f: int, i: int, j: int) -> bool:
        """Has this output been typed right, or revealed?"""
        tries = [answer[3] for answer in self.answers if answer[:3] == (f, i, j)]
        return any(typed is None or self._is_right(f, i, j, typed) for typed in tries)

    def still(self) -> Picture:
        x, weight, bias = self._layer()
        f, c, (i, j) = self.filter, self.channel, self.position
        picture = draw_sliding_kernel(x[c], weight[f, c], self.stride, self.padding, (i, j),
                                      title=self._title(len(x), len(weight)))
        turned = " The kernel is turned by 180°." * self.flipped
        if len(x) == 1 and bias is None:
            return Picture(picture.figure, picture.alt + turned)
        only, _ = conv2d(x[c][None, None], weight[f, c][None, None], None, self.stride,
                         self.padding)
        total = self.output().reshape(-1, *only.shape[2:])[f, i, j]
        rest = (f" That is channel {c} of {len(x)}, filter {f} of {len(weight)}: with the other "
                f"channels and the bias the output is {total:.4g}.")
        return Picture(picture.figure, picture.alt + turned + rest)

    def _title(self, channels: int, filters: int) -> str:
        i, j = self.position
        layers = [f"filter {self.filter}"] * (filters > 1) + [
            f"channel {self.channel}"] * (channels > 1) + ["kernel turned by 180°"] * self.flipped
        return ", ".join([f"Output row {i}, column {j}", *layers])

    def _layer(self, **changes):
        """x (C, H, W), weight (F, C, KH, KW), turned where it is, and bias (F,) or None."""
        now = {name: getattr(self, name) for name in self.shaping} | changes
        x, kernel, bias = np.array(now["image"]), np.array(now["kernel"]), now["bias"]
        x = x.reshape(-1, *x.shape[-2:])
        C = len(x)
        if kernel.ndim == 2:
            kernel = np.repeat(kernel[None], C, axis=0)
        weight = kernel[None] if kernel.ndim == 3 else kernel
        if weight.shape[1] != C:
            raise WidgetError(
                f"SlidingKernel: kernel must have the shape (KH, KW), ({C}, KH, KW) or "
                f"(F, {C}, KH, KW) for an image with {C} channel{'s' * (C > 1)}, got "
                f"{kernel.shape}."
            )
        if isinstance(bias, list) and len(bias) != len(weight):
            raise WidgetError(
                f"SlidingKernel: bias must be None, a number or {len(weight)} numbers, one a "
                f"filter, got {bias!r}."
            )
        bias = None if bias is None else np.broadcast_to(bias, len(weight))
        return x, weight[:, :, ::-1, ::-1] if self.flipped else weight, bias

    def _windows(self, **changes) -> Windows:
        now = {name: getattr(self, name) for name in self.shaping} | changes
        x, weight, _ = self._layer(**changes)
        try:
            return resolve_windows(x.shape[1:], weight.shape[2:], now["stride"], now["padding"],
                                   "SlidingKernel")
        except ShapeError as error:
            raise WidgetError(str(error)) from None

    @traitlets.validate("image", "kernel", "bias")
    def _check_fit(self, proposal):
        self._windows(**{proposal.trait.name: proposal.value})
        return proposal.value

    @traitlets.validate("stride", "padding")
    def _check_number(self, proposal):
        value = plain(proposal.value)
        self._windows(**{proposal.trait.name: value})
        return value

    @traitlets.validate("filter", "channel", "seed")
    def _check_count(self, proposal):
        name, value = proposal.trait.name, plain(proposal.value)
        F, C = self._layer()[1].shape[:2]
        last = {"filter": F, "channel": C, "seed": 2**31}[name] - 1
        if type(value) is not int or not 0 <= value <= last:
            raise WidgetError(f"SlidingKernel: {name} must be a whole number from 0 to {last}, "
                              f"got {proposal.value!r}.")
        return value

    @traitlets.validate("answers")
    def _check_answers(self, proposal):
        value = plain(proposal.value)
        sizes = (len(self._layer()[1]), *self._windows().output)
        if not isinstance(value, tuple) or not all(is_answer(one, sizes) for one in value):
            raise WidgetError(
                "SlidingKernel: answers must be a list of (filter, row, column, number or None), "
                f"each inside {sizes}, got {proposal.value!r}."
            )
        return value

    def _stay_inside(self, change):
        F, C = self._layer()[1].shape[:2]
        self.filter, self.channel = min(self.filter, F - 1), min(self.channel, C - 1)
        super()._stay_inside(change)

    def _forget_answers(self, change):
        self.answers = ()

    def __repr__(self) -> str:
        i, j = self.position
        y = self.output().reshape(-1, *self._windows().output)
        by = ["×".join(map(str, np.shape(a))) for a in (self.image, self.kernel, self.output())]
        where = f"{self.filter}, {i}, {j}" if np.ndim(self.kernel) == 4 else f"{i}, {j}"
        more = f", bias {self.bias}" * (self.bias is not None) + ", turned by 180°" * self.flipped
        hidden = self.predict and not self._is_known(self.filter, i, j)
        value = "?" if hidden else f"{y[self.filter, i, j]:.4g}"
        return (f"SlidingKernel: image {by[0]}, kernel {by[1]}{more}, stride {self.stride}, "
                f"padding {self.padding} -> output {by[2]}; output ({where}) = {value}")


def rounded(values) -> np.ndarray:
    """Two decimals, as the browser shows them: halves away from 0, where np.round has even digits.

    >>> rounded([0.125, -0.125, 1 / 9]).tolist()
    [0.13, -0.13, 0.11]
    """
    return np.sign(values) * np.floor(np.abs(values) * 100 + 0.5) / 100


def is_answer(one, sizes) -> bool:
    """Is this (filter, row, column, number or None), inside an output of these sizes?

    >>> is_answer((0, 1, 2, -3.5), (1, 4, 4)), is_answer((0, 4, 0, None), (1, 4, 4))
    (True, False)
    """
    if not isinstance(one, tuple) or len(one) != 4:
        return False
    typed = one[3] is None or (type(one[3]) in (int, float) and np.isfinite(one[3]))
    return bool(typed) and all(type(k) is int and 0 <= k < n for k, n in zip(one, sizes))
