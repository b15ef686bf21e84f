"""Doors: what every function checks before it computes, and the messages for what cannot work.

Kept apart so that the arithmetic reads without interruption. Imports only shapes.
"""

from __future__ import annotations

import math
from numbers import Real

import numpy as np

from course_lib.shapes import ShapeError, Windows, as_integer, prefix, resolve_windows

HINGES = ("sum", "mean_classes", "crammer")


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
        hint = " For one 2-D array write x[None, None]." if len(shape) == 2 else ""
        raise ShapeError(f"{prefix(who)}expected {wanted}, got {shape}.{hint}")
    if min(shape[1:]) < 1:
        raise ShapeError(f"{prefix(who)}expected {wanted} without an empty axis, got {shape}.")
    return shape


def check_example(shape, channels: int | None = None) -> tuple[int, int, int, int]:
    """Return (0, C, H, W), an empty batch of one image's shape, or say what is wrong with it."""
    shape = tuple(shape)
    if len(shape) != 3 or min(shape) < 1 or channels not in (None, shape[0]):
        wanted = f"({'C' if channels is None else channels}, H, W)"
        raise ShapeError(f"expected one image's shape {wanted}, got {shape}.")
    return (0, *shape)


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


def check_convolution(x, weight, bias, stride, padding) -> Windows:
    """Refuse arrays that do not fit together; say where the windows lie."""
    who = "conv2d"
    shape = nested_shape(weight)
    if len(shape) != 4 or min(shape) < 1:
        hint = " For one 2-D kernel write weight[None, None]." if len(shape) == 2 else ""
        raise ShapeError(f"{who}: expected weight (F, C, KH, KW), got {shape}.{hint}")
    N, C, H, W = check_images(x, who, channels=shape[1])
    if bias is not None and nested_shape(bias) != (shape[0],):
        hint = "" if nested_shape(bias) else f" Did you mean stride={float(bias):g}?"
        raise ShapeError(f"{who}: expected bias ({shape[0]},), one number a filter, "
                         f"got {nested_shape(bias)}.{hint}")
    return resolve_windows((H, W), shape[2:], stride, padding, who)


def check_conv_gradient(dy, cache):
    """Return dy as a float array with N, C and F, or say what shape was expected."""
    N, C = cache.padded.shape[:2]
    F = len(cache.weight)
    check_gradient(dy, (N, F, *cache.windows.output), "conv2d_backward")
    return as_floats(dy, who="conv2d_backward")[0], N, C, F


def check_pool(x, kernel_size, stride, padding, who: str) -> tuple[np.ndarray, Windows]:
    """Return x as floats and where the windows lie, or say what does not fit."""
    _, where = check_pool_shape(x, kernel_size, stride, padding, who)
    return as_floats(x, who=who)[0], where


def check_pool_shape(x, kernel_size, stride, padding, who: str):
    """Return (shape of x, where the windows lie); padding is at most half the kernel."""
    shape = check_images(x, who)
    stride = kernel_size if stride is None else stride
    where = resolve_windows(shape[2:], kernel_size, stride, padding, who)
    for axis in range(2):
        if max(where.padding[axis]) > where.kernel_size[axis] // 2:
            raise ShapeError(
                f"{prefix(who)}padding must be at most half the kernel, or a window could lie "
                f"outside the image; got padding {where.padding} for kernel {where.kernel_size}."
            )
    return shape, where


def check_dense(x, weight, bias) -> None:
    """Refuse arrays that do not fit together."""
    shape = nested_shape(weight)
    if len(shape) != 2:
        raise ShapeError(f"dense: expected weight (in_features, out_features), got {shape}.")
    found = nested_shape(x)
    if len(found) != 2 or found[1] != shape[0]:
        hint = " Put a Flatten layer in front." if len(found) == 4 else ""
        raise ShapeError(f"dense: expected x (N, {shape[0]}), got {found}.{hint}")
    if bias is not None and nested_shape(bias) != (shape[1],):
        raise ShapeError(f"dense: expected bias ({shape[1]},), got {nested_shape(bias)}.")


def check_scores(x, who: str) -> np.ndarray:
    """Scores are (N, K), or (N, K, ...) with the classes on axis 1, and K is at least 1."""
    (x,) = as_floats(x, who=who)
    if x.ndim < 2 or x.shape[1] < 1:
        raise ShapeError(f"{who}: expected scores (N, K) with at least one class, got {x.shape}.")
    return x


def check_channels(x, eps: float, **arrays) -> tuple[int, int, int, int]:
    """Return (N, C, H, W); each of `arrays` is (C,), as many as weight has numbers; eps >= 0."""
    shape = check_images(x, "batch_norm2d", channels=arrays["weight"].size)
    for name, array in arrays.items():
        if array.shape != shape[1:2]:
            raise ShapeError(f"batch_norm2d: expected {name} ({shape[1]},), one number a channel, "
                             f"got {array.shape}.")
    if not eps >= 0:
        raise ValueError(f"batch_norm2d: expected eps >= 0, got {eps!r}.")
    return shape


def check_count(examples, n: int, who: str) -> int:
    """The number of examples to divide by: n, where nobody says otherwise."""
    if n == 0:
        raise ShapeError(f"{who}: expected at least one example, got an empty batch.")
    return n if examples is None else as_integer(examples, "examples", who)


def check_kind(kind: str) -> None:
    """Refuse a hinge that is not in HINGES."""
    if kind not in HINGES:
        raise ValueError(f"hinge: expected kind to be one of {', '.join(HINGES)}, got {kind!r}.")


def check_classes(logits, labels, examples, who: str):
    """Return logits as floats, labels as integers within 0..K-1, and the count to divide by."""
    (logits,) = as_floats(logits, who=who)
    labels = np.asarray(labels)
    if logits.ndim != 2 or logits.shape[1] < 1:
        raise ShapeError(f"{who}: expected logits (N, K) with at least one class, "
                         f"got {logits.shape}.")
    if labels.shape != logits.shape[:1]:
        raise ShapeError(f"{who}: expected labels ({len(logits)},), one class number an image, "
                         f"got {labels.shape}.")
    count = check_count(examples, len(labels), who)
    if labels.dtype.kind not in "iu":
        raise ValueError(f"{who}: expected labels to be integers, got {labels.dtype}.")
    K = logits.shape[1]
    if labels.min() < 0 or labels.max() >= K:
        bad = labels[(labels < 0) | (labels >= K)][0]
        raise ValueError(f"{who}: expected labels 0..{K - 1} for {K} classes, got {bad}.")
    return logits, labels, count


def check_pair(y, targets, examples, who: str):
    """Return y and targets of one shape and one float type, and the count to divide by."""
    (y,) = as_floats(y, who=who)
    (targets,) = as_floats(targets, who=who)
    if y.ndim < 1 or y.shape != targets.shape:
        raise ShapeError(f"{who}: expected targets {y.shape}, like the scores, "
                         f"got {targets.shape}.")
    return y, targets.astype(y.dtype), check_count(examples, len(y) if y.size else 0, who)


def check_targets(logits, targets, examples, who: str):
    """As check_pair, for one output an example: (N, 1) scores take (N,) targets too."""
    targets = np.asarray(targets)
    shape = nested_shape(logits)
    if len(shape) == 2 and shape[1] == 1 and targets.shape == shape[:1]:
        targets = targets[:, None]
    logits, targets, count = check_pair(logits, targets, examples, who)
    if logits.ndim != 1 and logits.shape[1:] != (1,):
        raise ShapeError(f"{who}: expected one score an example, (N,) or (N, 1), "
                         f"got {logits.shape}.")
    if np.any((targets < 0) | (targets > 1)):
        bad = targets[(targets < 0) | (targets > 1)][0]
        raise ValueError(f"{who}: expected targets between 0 and 1, got {bad}.")
    return logits, targets, count


def check_number(value, name: str, who: str, above: float | None = None,
                 below: float | None = None) -> float:
    """Return a float >= 0 (or > `above`, or < `below`), or say what was expected."""
    number = float(value) if isinstance(value, Real) else math.nan
    good = math.isfinite(number) and (number > above if above is not None else number >= 0)
    if not good or (below is not None and number >= below):
        wanted = f"> {above:g}" if above is not None else ">= 0"
        wanted += f" and < {below:g}" if below is not None else ""
        raise ValueError(f"{who}: expected {name} {wanted}, got {value!r}.")
    return number


def check_float_type(dtype, who: str) -> None:
    """Refuse a type that holds no fractions."""
    if np.dtype(dtype).kind != "f":
        raise ValueError(f"{who}: expected floats, such as float32, got {np.dtype(dtype)}.")


def check_batch_norm(momentum: float, eps: float) -> tuple[float, float]:
    """Return both as floats, or say what was expected."""
    if not (0 <= momentum <= 1 and eps >= 0):
        raise ValueError("BatchNorm2D: expected 0 <= momentum <= 1 and eps >= 0, "
                         f"got momentum {momentum} and eps {eps}.")
    return float(momentum), float(eps)


def check_probability(p, who: str) -> float:
    """Return a float in [0, 1), or say what was expected."""
    if not 0 <= p < 1:
        raise ValueError(f"{who}: expected a probability 0 <= p < 1, got {p!r}.")
    return float(p)


def check_data(images, labels, who: str) -> None:
    """As many labels as images, and at least one."""
    if len(images) != len(labels):
        raise ValueError(f"{who}: expected as many labels as images, "
                         f"got {len(images)} and {len(labels)}.")
    if len(images) == 0:
        raise ValueError(f"{who}: expected at least one example, got none.")


def check_rng(rng: np.random.Generator | None, who: str) -> np.random.Generator:
    """`rng`, or a fresh generator where none is given."""
    if rng is None:
        return np.random.default_rng()
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"{who}: expected rng to be a np.random.Generator, got {rng!r}: "
                         "try np.random.default_rng(0).")
    return rng
