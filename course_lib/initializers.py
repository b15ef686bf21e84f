"""How weights begin: random with the variance that keeps signals alive, or S4's sine.

Imports nothing of the course but shapes.
"""

from __future__ import annotations

import math

import numpy as np

from course_lib.shapes import ShapeError


def fan_in_and_out(shape) -> tuple[int, int]:
    """How many inputs feed one output value, and how many outputs one input value feeds.

    Dense (in_features, out_features): those two. Convolution (F, C, KH, KW): C*KH*KW and F*KH*KW.
    >>> fan_in_and_out((784, 128)), fan_in_and_out((16, 8, 3, 3))
    ((784, 128), (72, 144))
    """
    if len(shape) == 2:
        return shape[0], shape[1]
    if len(shape) == 4:
        F, C, KH, KW = shape
        return C * KH * KW, F * KH * KW
    raise ShapeError(
        f"fan_in_and_out: expected a weight (in, out) or (F, C, KH, KW), got {tuple(shape)}."
    )


def he_normal(shape, rng: np.random.Generator, dtype=np.float32) -> np.ndarray:
    """Normal with variance 2 / fan-in: ReLU keeps half of it (He et al., 2015)."""
    fan_in, _ = fan_in_and_out(shape)
    return (rng.standard_normal(shape) * math.sqrt(2 / fan_in)).astype(dtype)


def he_uniform(shape, rng: np.random.Generator, dtype=np.float32) -> np.ndarray:
    """Uniform in ±sqrt(6 / fan-in): the same variance, 2 / fan-in."""
    fan_in, _ = fan_in_and_out(shape)
    limit = math.sqrt(6 / fan_in)
    return rng.uniform(-limit, limit, shape).astype(dtype)


def xavier_normal(shape, rng: np.random.Generator, dtype=np.float32) -> np.ndarray:
    """Normal with variance 2 / (fan-in + fan-out) (Glorot and Bengio, 2010)."""
    fan_in, fan_out = fan_in_and_out(shape)
    return (rng.standard_normal(shape) * math.sqrt(2 / (fan_in + fan_out))).astype(dtype)


def xavier_uniform(shape, rng: np.random.Generator, dtype=np.float32) -> np.ndarray:
    """Uniform in ±sqrt(6 / (fan-in + fan-out)): variance 2 / (fan-in + fan-out)."""
    fan_in, fan_out = fan_in_and_out(shape)
    limit = math.sqrt(6 / (fan_in + fan_out))
    return rng.uniform(-limit, limit, shape).astype(dtype)


def sine(shape, alpha: float = 1.0, beta: float = 0.0, gamma: float = 0.1,
         dtype=np.float32, rng=None) -> np.ndarray:
    """S4's deterministic start: weight number i is sin(alpha*i + beta) * gamma.

    The published system states no constants, and they matter: with alpha = 2*pi/9 all 3x3
    kernels of a layer are equal, with alpha = pi all weights are 0. rng is not used: it is there
    so that a layer can be told init=sine.
    """
    count = math.prod(shape)
    return (np.sin(alpha * np.arange(count) + beta) * gamma).reshape(shape).astype(dtype)


INITIALIZERS = {
    "he_normal": he_normal, "he_uniform": he_uniform,
    "xavier_normal": xavier_normal, "xavier_uniform": xavier_uniform,
}
