"""Sizes and doors: every size formula and padding rule, and the checks of arrays that come in.

Imports nothing of the course; every other module may import this one.
"""

from __future__ import annotations

from numbers import Integral
from typing import NamedTuple, Sequence

import numpy as np

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]


class ShapeError(ValueError):
    """An array, a kernel or a stride has a size that cannot work here."""


class Windows(NamedTuple):
    """Where the windows of one layer lie: everything resolved to pairs of integers."""

    output: Pair
    kernel_size: Pair
    stride: Pair
    padding: Padding


def as_integer(value, name: str, who: str = "", minimum: int = 1) -> int:
    """Return `value` as a Python int; refuse anything else, or less than `minimum`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < minimum:
        raise ShapeError(
            f"{prefix(who)}{name} must be a whole number, at least {minimum}, got {value!r}."
        )
    return int(value)


def as_pair(value, name: str, who: str = "", minimum: int = 1) -> Pair:
    """Return (vertical, horizontal) from one whole number or from a pair of them.

    >>> as_pair(3, "stride"), as_pair((2, 1), "stride")
    ((3, 3), (2, 1))
    """
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ShapeError(
                f"{prefix(who)}{name} must be a whole number or a pair "
                f"(vertical, horizontal), got {value!r}."
            )
        return as_integer(value[0], name, who, minimum), as_integer(value[1], name, who, minimum)
    number = as_integer(value, name, who, minimum)
    return number, number


def prefix(who: str) -> str:
    return f"{who}: " if who else ""


def output_size(size: int, kernel_size: int, stride: int = 1, padding: int | Pair = 0) -> int:
    """How many windows fit along one axis.

    floor((size + before + after - kernel_size) / stride) + 1

    `padding` is a number for each side, or (before, after). The floor drops the last rows or
    columns where the stride does not divide.
    >>> output_size(28, 3), output_size(28, 3, padding=1), output_size(8, 3, stride=2)
    (26, 28, 3)
    """
    before, after = padding if isinstance(padding, (tuple, list)) else (padding, padding)
    return (size + before + after - kernel_size) // stride + 1


def same_padding(size: int, kernel_size: int, stride: int) -> Pair:
    """Zeros (before, after) one axis so that the output has ceil(size / stride) values.

    An odd pixel goes after, as in Keras and ONNX's SAME_UPPER.
    >>> same_padding(28, 3, 1), same_padding(5, 2, 1), same_padding(28, 3, 2)
    ((1, 1), (0, 1), (0, 1))
    """
    wanted = -(-size // stride)  # ceil
    total = max(0, (wanted - 1) * stride + kernel_size - size)
    return total // 2, total - total // 2


def resolve_padding(padding, size, kernel_size, stride, who: str = "") -> Padding:
    """Return ((top, bottom), (left, right)) from a number, a pair, "valid", "same" or itself.

    `size`, `kernel_size` and `stride` are pairs (vertical, horizontal).
    >>> resolve_padding(1, (5, 6), (3, 3), (1, 1))
    ((1, 1), (1, 1))
    >>> resolve_padding("same", (5, 6), (2, 3), (1, 1))
    ((0, 1), (1, 1))
    """
    if isinstance(padding, str):
        if padding == "valid":
            return (0, 0), (0, 0)
        if padding == "same":
            vertical = same_padding(size[0], kernel_size[0], stride[0])
            return vertical, same_padding(size[1], kernel_size[1], stride[1])
        raise ShapeError(
            f"{prefix(who)}padding must be a whole number, a pair, 'valid' or 'same', "
            f"got {padding!r}."
        )
    if isinstance(padding, (tuple, list)) and any(isinstance(p, (tuple, list)) for p in padding):
        if len(padding) != 2:
            raise ShapeError(
                f"{prefix(who)}padding must be ((top, bottom), (left, right)), got {padding!r}."
            )
        vertical, horizontal = padding
        return (
            as_pair(vertical, "padding (top, bottom)", who, minimum=0),
            as_pair(horizontal, "padding (left, right)", who, minimum=0),
        )
    vertical, horizontal = as_pair(padding, "padding", who, minimum=0)
    return (vertical, vertical), (horizontal, horizontal)


def resolve_windows(size, kernel_size, stride=1, padding=0, who: str = "") -> Windows:
    """Turn what a person wrote into pairs, and say how many windows fit.

    Raises ShapeError where the kernel is larger than the padded image.
    >>> resolve_windows((5, 6), 3, stride=2, padding=1).output
    (3, 3)
    """
    kernel_size = as_pair(kernel_size, "kernel_size", who)
    stride = as_pair(stride, "stride", who)
    padding = resolve_padding(padding, size, kernel_size, stride, who)
    padded = tuple(n + before + after for n, (before, after) in zip(size, padding))
    if padded[0] < kernel_size[0] or padded[1] < kernel_size[1]:
        raise ShapeError(
            f"{prefix(who)}the kernel, {kernel_size[0]}x{kernel_size[1]}, is larger than the "
            f"padded image, {padded[0]}x{padded[1]} (image {size[0]}x{size[1]}, "
            f"padding {padding}): use a smaller kernel or more padding."
        )
    output = (
        output_size(size[0], kernel_size[0], stride[0], padding[0]),
        output_size(size[1], kernel_size[1], stride[1], padding[1]),
    )
    return Windows(output, kernel_size, stride, padding)


def receptive_field(layers: Sequence[tuple[int, int]]) -> int:
    """Input pixels, along one axis, that can change one output value.

    `layers` lists (kernel_size, stride) from the first layer to the last. Each layer adds
    (kernel_size - 1) steps, and a step is as long as all strides before it multiplied.
    >>> receptive_field([(3, 1), (2, 2), (3, 1), (2, 2)])
    10
    """
    field, step = 1, 1
    for kernel_size, stride in layers:
        field += (kernel_size - 1) * step
        step *= stride
    return field


def nested_shape(nested) -> tuple[int, ...]:
    """The shape of an array, or of nested lists read along their first elements.

    >>> nested_shape([[1, 2, 3], [4, 5, 6]])
    (2, 3)
    """
    if hasattr(nested, "shape"):
        return tuple(nested.shape)
    shape = []
    while isinstance(nested, (list, tuple)):
        shape.append(len(nested))
        if not nested:
            break
        nested = nested[0]
    return tuple(shape)


def check_images(x, who: str, channels: int | None = None) -> tuple[int, int, int, int]:
    """Return (N, C, H, W) of a batch of images, or say what is wrong with it."""
    shape = nested_shape(x)
    wanted = f"images (N, {'C' if channels is None else channels}, H, W)"
    if len(shape) == 3:
        raise ShapeError(
            f"{prefix(who)}expected {wanted}, got {shape}: for a single image, add the batch "
            "axis with x[None]."
        )
    if len(shape) != 4 or (channels is not None and shape[1] != channels):
        raise ShapeError(f"{prefix(who)}expected {wanted}, got {shape}.")
    if min(shape[1:]) < 1:
        raise ShapeError(f"{prefix(who)}expected {wanted} without an empty axis, got {shape}.")
    return shape


def check_gradient(dy, shape, who: str) -> None:
    """Refuse an upstream gradient that does not have the shape of the output."""
    if nested_shape(dy) != tuple(shape):
        raise ShapeError(
            f"{prefix(who)}the upstream gradient dy must have the output's shape "
            f"{tuple(shape)}, got {nested_shape(dy)}."
        )


def as_floats(*arrays, who: str = "") -> list:
    """Return the arrays in one floating type: float32 stays, integers become float64.

    None stays None. Lists are read as arrays; complex numbers and objects are refused.
    """
    found = [None if array is None else np.asarray(array) for array in arrays]
    for array in found:
        if array is not None and array.dtype.kind not in "fiub":
            raise ValueError(
                f"{prefix(who)}expected real numbers (float32, float64 or integers), "
                f"got {array.dtype}."
            )
    kinds = [array.dtype if array.dtype.kind == "f" else np.float64
             for array in found if array is not None]
    dtype = np.result_type(np.float32, *kinds)
    return [None if array is None else array.astype(dtype, copy=False) for array in found]
