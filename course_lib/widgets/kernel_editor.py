"""The kernel editor: edit, turn and compare kernels, and take a window as a matched filter."""

from __future__ import annotations

import numpy as np
import traitlets

from course_lib.conv import conv2d
from course_lib.plots import Picture
from course_lib.stills.kernel_editor import draw_kernel_editor
from course_lib.widgets.base import (
    KERNELS, LARGEST, Checked, CourseWidget, Flag, Matrix, WidgetError, module_source, plain,
    style_source,
)
from course_lib.widgets.kernel_tools import drawn_shapes, normalised_response, rotated

SIZES = (3, 5, 7)
MOST_IMAGES = 12
MOST_LEARNED = 32
DIGITS = 5  # decimals of pixels and learned weights that travel to the browser


class KernelEditor(CourseWidget):
    """Edit or turn a kernel and see its response map on digits and drawn shapes.

    response[i, j] = sum over u, v of kernel[u, v] * image[i + u, j + v]
    normalised: window and kernel minus their means, divided by both lengths: from -1 to 1

    images: (N, H, W) or (N, 1, H, W), None for drawn shapes; kernels: {name: (k, k)}, None for
    the ready-made ones; learned: (F, k, k) or (F, 1, k, k), such as a trained Conv2D's weight;
    k is 3, 5 or 7. image: which one is in view; kernel: (k, k) or a name in KERNELS; relu,
    normalised: on or off; position (i, j) in the response. All can be read and set.
    Raises WidgetError, a ShapeError.
    >>> w = KernelEditor()
    >>> w.rotate(90)
    >>> w
    KernelEditor: image square 28×28, kernel 3×3; response 26×26, from -3 to 3, largest at (5, 7)
    """

    module = "kernel_editor"
    _esm = module_source("kernel_editor")
    _css = style_source("kernel_editor")

    images = Checked().tag(sync=True)
    names = Checked(()).tag(sync=True)
    kernels = Checked().tag(sync=True)
    learned = Checked(()).tag(sync=True)
    image = Checked(0).tag(sync=True)
    kernel = Matrix("(KH, KW)").tag(sync=True)
    relu = Flag().tag(sync=True)
    normalised = Flag().tag(sync=True)
    position = Checked((0, 0)).tag(sync=True)
    matched = Checked(None).tag(sync=True)  # (image, row, column) of the window taken

    def __init__(self, images=None, kernels=None, learned=None, *, names=None, image=0,
                 kernel=None, relu=False, normalised=False, position=None):
        shapes = drawn_shapes() if images is None else images
        if images is None and names is None:
            names, shapes = list(shapes), list(shapes.values())
        pixels = checked_images(shapes)
        names = numbered(pixels) if names is None else list(names)
        kernels = checked_kernels(KERNELS if kernels is None else kernels)
        learned = checked_learned([] if learned is None else learned)
        with_first = kernels[0][1] if kernel is None else kernel
        super().__init__(images=pixels, names=names, kernels=kernels, learned=learned,
                         kernel=with_first, relu=relu, normalised=normalised)
        self.image = image
        self.position = self.largest() if position is None else position

    def response(self) -> np.ndarray:
        """The response map by the course's own conv2d, (H - k + 1, W - k + 1), ReLU if it is on."""
        image, kernel = np.array(self.images[self.image]), np.array(self.kernel)
        if self.normalised:
            y = normalised_response(image, kernel)
        else:
            y = conv2d(image[None, None], kernel[None, None])[0][0, 0]
        return np.maximum(y, 0) if self.relu else y

    def largest(self) -> tuple[int, int]:
        """(row, column) of the largest response, the first row by row."""
        y = self.response()
        row, column = np.argwhere(np.isclose(y, y.max(), rtol=1e-9, atol=1e-9))[0]
        return int(row), int(column)

    def rotate(self, degrees: int) -> None:
        """Turn the kernel clockwise by a multiple of 45 degrees, ring by ring; 90 is exact."""
        degrees = plain(degrees)
        if type(degrees) is not int or degrees % 45:
            raise WidgetError(f"KernelEditor: rotate expects a multiple of 45 degrees, got "
                              f"{degrees!r}.")
        self.kernel = rotated(np.array(self.kernel), degrees // 45)

    def flip(self) -> None:
        """Change the sign of every weight."""
        self.kernel = -np.array(self.kernel) + 0.0

    def normalise(self) -> None:
        """Divide by the sum of absolute values: responses to pixels in 0 to 1 stay in -1 to 1."""
        kernel = np.array(self.kernel)
        self.kernel = kernel / (np.abs(kernel).sum() or 1.0)

    def match(self, position: tuple[int, int] | None = None) -> None:
        """Take the window at `position`, minus its mean, as the kernel: a matched filter."""
        if position is not None:
            self.position = position
        i, j = self.position
        k = len(self.kernel)
        window = np.array(self.images[self.image])[i : i + k, j : j + k]
        with self.hold_trait_notifications():
            self.kernel = window - window.mean()
            self.matched = (self.image, i, j)

    def still(self) -> Picture:
        return draw_kernel_editor(
            np.array(self.images[self.image]), np.array(self.kernel), self.response(),
            self.position, self.largest(), learned=[np.array(k) for k in self.learned],
            told=repr(self).partition(": ")[2])

    @traitlets.validate("images")
    def _check_images(self, proposal):
        return checked_images(proposal.value)

    @traitlets.validate("names")
    def _check_names(self, proposal):
        value, count = proposal.value, len(self.images)
        if not (isinstance(value, (list, tuple)) and len(value) == count
                and all(isinstance(name, str) for name in value)):
            raise WidgetError(f"KernelEditor: names must be {count} words, one an image, got "
                              f"{value!r:.80}.")
        return list(value)

    @traitlets.validate("kernels")
    def _check_kernels(self, proposal):
        return checked_kernels(dict(proposal.value))

    @traitlets.validate("learned")
    def _check_learned(self, proposal):
        return checked_learned(proposal.value)

    @traitlets.validate("kernel")
    def _check_kernel(self, proposal):
        return checked_kernel(proposal.value, "kernel")

    @traitlets.validate("image")
    def _check_image(self, proposal):
        value, last = plain(proposal.value), len(self.images) - 1
        if type(value) is not int or not 0 <= value <= last:
            raise WidgetError(f"KernelEditor: image must be a whole number from 0 to {last}, got "
                              f"{proposal.value!r}.")
        return value

    @traitlets.validate("position")
    def _check_position(self, proposal):
        rows, columns = self._size()
        value = plain(proposal.value)
        whole = isinstance(value, tuple) and [type(part) for part in value] == [int, int]
        if not (whole and 0 <= value[0] < rows and 0 <= value[1] < columns):
            raise WidgetError(f"KernelEditor: position must be (row, column) with row 0 to "
                              f"{rows - 1} and column 0 to {columns - 1}, got {proposal.value!r}.")
        return value

    @traitlets.validate("matched")
    def _check_matched(self, proposal):
        value = plain(proposal.value)
        if value is not None and not (isinstance(value, tuple) and len(value) == 3
                                      and all(type(part) is int for part in value)
                                      and 0 <= value[0] < len(self.images)):
            raise WidgetError("KernelEditor: matched must be None or (image, row, column) of an "
                              f"image that is there, got {proposal.value!r}; use "
                              "match((row, column)).")
        return value

    def _size(self) -> tuple[int, int]:
        (H, W), k = np.shape(self.images[self.image]), len(self.kernel)
        return H - k + 1, W - k + 1

    @traitlets.observe("images")
    def _take_images(self, change):
        if len(self.names) != len(self.images):
            self.names = numbered(self.images)
        self.matched = None
        self.image = min(self.image, len(self.images) - 1)
        self._follow(change)

    @traitlets.observe("kernel", "image")
    def _follow(self, change):
        last = [size - 1 for size in self._size()]
        self.position = tuple(min(p, end) for p, end in zip(self.position, last))
        if self.matched is not None and not self._is_matched():
            self.matched = None

    def _is_matched(self) -> bool:
        """Is the kernel still the window that it was taken from?"""
        image, i, j = self.matched
        k = len(self.kernel)
        window = np.array(self.images[image])[i : i + k, j : j + k]
        return (window.shape == (k, k)
                and np.allclose(window - window.mean(), self.kernel, rtol=0, atol=1e-9))

    def __repr__(self) -> str:
        y = self.response()
        by = ["×".join(map(str, np.shape(a))) for a in
              (self.images[self.image], self.kernel, y)]
        how = "normalised " * self.normalised + "response" + " after ReLU" * self.relu
        taken = ""
        if self.matched:
            image, i, j = self.matched
            taken = f", the window ({i}, {j}) of image {self.names[image]}"
        return (f"KernelEditor: image {self.names[self.image]} {by[0]}, kernel {by[1]}{taken}; "
                f"{how} {by[2]}, from {y.min():.4g} to {y.max():.4g}, largest at "
                f"{self.largest()}")


# ---- what comes in ------------------------------------------------------------------------------


def numbered(images) -> list[str]:
    return [str(k) for k in range(len(images))]


def checked_images(images) -> list:
    try:
        found = [np.asarray(image, dtype=np.float64) for image in images]
    except (TypeError, ValueError):
        raise WidgetError("KernelEditor: images must be arrays of numbers, got "
                          f"{images!r:.80}.") from None
    found = [image[0] if image.ndim == 3 and len(image) == 1 else image for image in found]
    fits = [image.ndim == 2 and max(SIZES) <= min(image.shape) and max(image.shape) <= LARGEST
            and np.isfinite(image).all() for image in found]
    if not (0 < len(found) <= MOST_IMAGES and all(fits)):
        shapes = sorted({image.shape for image in found})
        raise WidgetError(
            f"KernelEditor: images must be 1 to {MOST_IMAGES} grey images of finite numbers, "
            f"(N, H, W) or (N, 1, H, W), with {max(SIZES)} to {LARGEST} rows and columns, got "
            f"{len(found)} of shape {', '.join(map(str, shapes)) or 'none'}."
        )
    return [image.round(DIGITS).tolist() for image in found]


def checked_kernel(kernel, who: str) -> list:
    size = np.shape(kernel)
    if len(size) != 2 or size[0] != size[1] or size[0] not in SIZES:
        raise WidgetError(f"KernelEditor: {who} must be a square of 3×3, 5×5 or 7×7 numbers, got "
                          f"the shape {size}.")
    array = np.asarray(kernel, dtype=np.float64)
    if not np.isfinite(array).all():
        raise WidgetError(f"KernelEditor: {who} must hold finite numbers, got NaN or infinity.")
    return array.tolist()


def checked_kernels(kernels) -> list:
    if not isinstance(kernels, dict) or not kernels:
        raise WidgetError(f"KernelEditor: kernels must be {{name: (k, k)}}, got {kernels!r:.80}.")
    return [[str(name), checked_kernel(kernel, f"kernels, {name}")]
            for name, kernel in kernels.items()]


def checked_learned(learned) -> list:
    found = [np.asarray(kernel, dtype=np.float64) for kernel in learned]
    found = [kernel[0] if kernel.ndim == 3 and len(kernel) == 1 else kernel for kernel in found]
    several = [kernel.shape for kernel in found if kernel.ndim == 3]
    if several:
        raise WidgetError("KernelEditor: learned must hold kernels of one input channel, (F, k, k) "
                          f"or (F, 1, k, k), got one of shape {several[0]}; pass weight[:, 0].")
    if len(found) > MOST_LEARNED:
        raise WidgetError(f"KernelEditor: learned must hold at most {MOST_LEARNED} kernels, got "
                          f"{len(found)}; take some with weight[:{MOST_LEARNED}].")
    return [checked_kernel(kernel.round(DIGITS), "learned") for kernel in found]
