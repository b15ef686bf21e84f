"""Layers without windows: dense, activations, softmax, flatten, dropout, batch norm.

The first four kinds also stand in formula.py, in pure Python. Imports shapes, doors and formula.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from course_lib import formula
from course_lib.doors import (
    as_floats, check_channels, check_dense, check_gradient, check_probability, check_scores,
)
from course_lib.shapes import ShapeError, as_integer


# Dense
def dense(x, weight, bias=None):
    """Every output is a weighted sum of every input.

    y[n, o] = bias[o] + sum over i of x[n, i] * weight[i, o]

    Shapes  x (N, in_features), weight (in_features, out_features), bias (out_features,) or None
            -> y (N, out_features)
    >>> dense(np.array([[1., 2.]]), np.array([[1., 0.], [10., 1.]]), np.array([0., 5.]))[0]
    array([[21.,  7.]])
    """
    x, weight, bias = as_floats(x, weight, bias, who="dense")
    check_dense(x, weight, bias)
    y = x @ weight
    if bias is not None:
        y += bias
    return y, (x, weight, bias is not None)


def dense_backward(dy, cache, need_dx=True):
    """dx = dy Wᵀ, dweight = xᵀ dy, dbias = sum over n of dy[n]: returns the three."""
    x, weight, has_bias = cache
    check_gradient(dy, (len(x), weight.shape[1]), "dense_backward")
    (dy,) = as_floats(dy, who="dense_backward")
    return dy @ weight.T if need_dx else None, x.T @ dy, dy.sum(axis=0) if has_bias else None


# Activations: one number in, one number out
def relu(x):
    """y = x where x > 0, else 0. Shapes: any. The gradient at exactly 0 is taken as 0."""
    (x,) = as_floats(x, who="relu")
    return np.maximum(x, 0), x > 0


def relu_backward(dy, positive):
    """dx = dy where x > 0, else 0."""
    check_gradient(dy, positive.shape, "relu_backward")
    return as_floats(dy, who="relu_backward")[0] * positive


def leaky_relu(x, alpha=0.01):
    """y = x where x > 0, else alpha * x. Shapes: any."""
    (x,) = as_floats(x, who="leaky_relu")
    slope = np.where(x > 0, 1, float(alpha)).astype(x.dtype)
    return x * slope, slope


def leaky_relu_backward(dy, slope):
    """dx = dy where x > 0, else alpha * dy."""
    check_gradient(dy, slope.shape, "leaky_relu_backward")
    return as_floats(dy, who="leaky_relu_backward")[0] * slope


def sigmoid(x):
    """y = 1 / (1 + exp(-x)), written so that exp never overflows. Shapes: any."""
    (x,) = as_floats(x, who="sigmoid")
    small = np.exp(-np.abs(x))  # between 0 and 1
    y = np.where(x >= 0, 1.0, small).astype(x.dtype) / (1 + small)
    return y, y


def sigmoid_backward(dy, y):
    """dx = dy * y * (1 - y)."""
    check_gradient(dy, y.shape, "sigmoid_backward")
    return as_floats(dy, who="sigmoid_backward")[0] * y * (1 - y)


def tanh(x):
    """y = tanh(x). Shapes: any."""
    (x,) = as_floats(x, who="tanh")
    y = np.tanh(x)
    return y, y


def tanh_backward(dy, y):
    """dx = dy * (1 - y²)."""
    check_gradient(dy, y.shape, "tanh_backward")
    return as_floats(dy, who="tanh_backward")[0] * (1 - y * y)


# Softmax: scores to probabilities
def softmax(x):
    """y[n, k] = exp(x[n, k]) / sum over j of exp(x[n, j]), along axis 1.

    The largest score is subtracted first: the result is the same and exp cannot overflow.
    >>> softmax(np.array([[1000.0, 1000.0]]))[0]
    array([[0.5, 0.5]])
    """
    x = check_scores(x, "softmax")
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    y = powers / powers.sum(axis=1, keepdims=True)
    return y, y


def softmax_backward(dy, y):
    """dx = y * (dy - sum over j of dy[n, j] y[n, j]): every score moves every probability."""
    check_gradient(dy, y.shape, "softmax_backward")
    (dy,) = as_floats(dy, who="softmax_backward")
    return y * (dy - (dy * y).sum(axis=1, keepdims=True))


def log_softmax(x):
    """The logarithm of softmax, exact where softmax itself would round to 0."""
    x = check_scores(x, "log_softmax")
    shifted = x - x.max(axis=1, keepdims=True)
    y = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return y, y


def log_softmax_backward(dy, y):
    """dx = dy - softmax(x) * sum over j of dy[n, j]."""
    check_gradient(dy, y.shape, "log_softmax_backward")
    (dy,) = as_floats(dy, who="log_softmax_backward")
    return dy - np.exp(y) * dy.sum(axis=1, keepdims=True)


# Flatten
def flatten(x):
    """(N, C, H, W) -> (N, C*H*W), channel by channel, row by row; returns (y, shape of x)."""
    (x,) = as_floats(x, who="flatten")
    if x.ndim < 2:
        raise ShapeError(f"flatten: expected a batch (N, ...), got {x.shape}.")
    return x.reshape(len(x), math.prod(x.shape[1:])), x.shape


def flatten_backward(dy, shape):
    """Give dy the shape that x had."""
    check_gradient(dy, (shape[0], math.prod(shape[1:])), "flatten_backward")
    return as_floats(dy, who="flatten_backward")[0].reshape(shape)


# Only in NumPy
def dropout(x, p: float, rng: np.random.Generator):
    """Set each value to 0 with probability p, divide the others by 1 - p: the mean stays.

    The mask is drawn in float64 in the order of x's axes, so that it depends only on `rng`.
    """
    (x,) = as_floats(x, who="dropout")
    p = check_probability(p, "dropout")
    keep = ((rng.random(x.shape) >= p) / (1 - p)).astype(x.dtype)
    return x * keep, keep


def dropout_backward(dy, keep):
    """What was dropped gets no gradient, what was scaled gets it scaled."""
    check_gradient(dy, keep.shape, "dropout_backward")
    return as_floats(dy, who="dropout_backward")[0] * keep


class BatchNormCache(NamedTuple):
    """`mean` and `variance` (G, C) hold one row for each of the G groups of the batch."""

    normalised: np.ndarray
    weight: np.ndarray
    deviation: list
    groups: list
    mean: np.ndarray
    variance: np.ndarray


def batch_norm2d(x, weight, bias, eps: float = 1e-5, group_size: int | None = None):
    """Give each channel mean 0 and variance 1 over its group of images, then scale and shift.

    y[n, c] = weight[c] * (x[n, c] - mean[c]) / sqrt(variance[c] + eps) + bias[c]

    Shapes  x (N, C, H, W), weight and bias (C,) -> y (N, C, H, W)
    mean and variance (divided by the count) run over the images and pixels of consecutive
    groups of `group_size` images (None: the whole batch); the last group may be smaller.
    """
    x, weight, bias = as_floats(x, weight, bias, who="batch_norm2d")
    N, C, H, W = check_channels(x, eps, weight=weight, bias=bias)
    size = max(N, 1) if group_size is None else as_integer(group_size, "group_size", "batch_norm2d")
    groups = [slice(start, min(start + size, N)) for start in range(0, max(N, 1), size)]
    normalised, deviation = np.empty_like(x), []
    mean, variance = np.zeros((2, len(groups), C), x.dtype)
    for g, group in enumerate(groups):
        if (group.stop - group.start) * H * W < 2:
            raise ShapeError(
                "batch_norm2d: expected at least two values a channel to take a variance of, "
                f"got images {x.shape} in groups of {size}."
            )
        mean[g] = x[group].mean(axis=(0, 2, 3))
        centred = x[group] - mean[g][:, None, None]
        variance[g] = (centred * centred).mean(axis=(0, 2, 3))
        deviation.append(np.sqrt(variance[g] + x.dtype.type(eps))[:, None, None])
        normalised[group] = centred / deviation[g]
    y = weight[:, None, None] * normalised + bias[:, None, None]
    return y, BatchNormCache(normalised, weight, deviation, groups, mean, variance)


def batch_norm2d_backward(dy, cache: BatchNormCache):
    """dx = weight / deviation * (dy - mean(dy) - x̂ mean(dy x̂)), x̂ the normalised input.

    The two means are there because every pixel moves the mean and the variance of its group.
    Returns (dx, dweight, dbias).
    """
    normalised, weight, deviation, groups, _, _ = cache
    check_gradient(dy, normalised.shape, "batch_norm2d_backward")
    (dy,) = as_floats(dy, who="batch_norm2d_backward")
    dx = np.empty_like(normalised)
    for g, group in enumerate(groups):
        d, hat = dy[group], normalised[group]
        mean_d = d.mean(axis=(0, 2, 3), keepdims=True)
        mean_d_hat = (d * hat).mean(axis=(0, 2, 3), keepdims=True)
        dx[group] = weight[:, None, None] / deviation[g] * (d - mean_d - hat * mean_d_hat)
    return dx, (dy * normalised).sum(axis=(0, 2, 3)), dy.sum(axis=(0, 2, 3))


def batch_norm2d_inference(x, weight, bias, mean, variance, eps: float = 1e-5):
    """batch_norm2d with given statistics (C,): each image alone gives what it gives in a batch."""
    x, weight, bias, mean, variance = as_floats(
        x, weight, bias, mean, variance, who="batch_norm2d")
    check_channels(x, eps, weight=weight, bias=bias, mean=mean, variance=variance)
    scale = weight / np.sqrt(variance + x.dtype.type(eps))
    return scale[:, None, None] * x + (bias - scale * mean)[:, None, None]


def both(name: str) -> dict:
    """The two rungs of a pointwise operation, each (forward, backward)."""
    return {
        "formula": (getattr(formula, f"{name}_by_formula"),
                    getattr(formula, f"{name}_by_formula_backward")),
        "vectorised": (globals()[name], globals()[f"{name}_backward"]),
    }


RUNGS = {name: both(name) for name in
         ("dense", "relu", "leaky_relu", "sigmoid", "tanh", "softmax", "flatten")}
