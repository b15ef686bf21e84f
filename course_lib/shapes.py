"""Sizes: the only home of every size formula and padding rule, and of ShapeError.

Imports nothing of the course; every other module may import this one.
"""

from __future__ import annotations

from numbers import Integral
from typing import NamedTuple, Sequence

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
    whole = type(value) is int or isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < minimum:
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
    columns where the stride does not divide. Raises ShapeError where no window fits.
    >>> output_size(28, 3), output_size(28, 3, padding=1), output_size(8, 3, stride=2)
    (26, 28, 3)
    """
    before, after = as_pair(padding, "padding", "output_size", minimum=0)
    kernel_size = as_integer(kernel_size, "kernel_size", "output_size")
    stride = as_integer(stride, "stride", "output_size")
    if size + before + after < kernel_size:
        raise ShapeError(
            f"output_size: the kernel, {kernel_size}, is larger than the padded axis, "
            f"{size + before + after}: use a smaller kernel or more padding."
        )
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


def keep_padding(padding, who: str):
    """Check a padding as written; "same" waits for the image's size, all else is pairs."""
    resolved = resolve_padding(padding, (1, 1), (1, 1), (1, 1), who)
    return "same" if isinstance(padding, str) and padding == "same" else resolved


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


def describe_windows(layer, stride) -> str:
    """kernel_size, and stride and padding where they are not the default, as in a call."""
    words = [f"kernel_size={short(layer.kernel_size)}"]
    if layer.stride != stride:
        words.append(f"stride={short(layer.stride)}")
    if layer.padding == "same":
        words.append("padding='same'")
    elif layer.padding != ((0, 0), (0, 0)):
        sides = tuple(short(side) for side in layer.padding)
        # ((0, 1), (0, 1)) stays: (0, 1) would mean 0 above and below, 1 left and right
        words.append(f"padding={sides if isinstance(sides[0], tuple) else short(sides)}")
    return ", ".join(words)


def short(pair):
    """(3, 3) -> 3; (3, 2) stays."""
    return pair[0] if pair[0] == pair[1] else pair


def receptive_field(layers: Sequence[tuple[int, int]]) -> int:
    """How many input pixels one output value spans along one axis.

    Only these can change it; with a stride longer than the kernel some of them cannot.

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
