"""Layers: thin classes that keep what must survive between calls, and nothing else.

The arithmetic is in conv, pool and pointwise; a layer holds parameters, hyperparameters and one
memory. Imports those three, initializers and shapes.
"""

from __future__ import annotations

import math
from contextlib import contextmanager

import numpy as np

from course_lib import conv, doors, pointwise, pool
from course_lib.initializers import he_normal
from course_lib.shapes import (
    ShapeError, as_integer, as_pair, describe_windows, keep_padding, resolve_windows,
)

ENGINES = ("formula", "windows", "vectorised")


class Parameter:
    """An array that learns: `data`, and `grad`, the gradient of the loss with respect to it.

    grad is zeros until something is added to it, and again after zero_grad.
    """

    def __init__(self, data: np.ndarray):
        doors.check_float_type(data.dtype, "Parameter")
        self.data, self._grad = data, None

    def zero_grad(self) -> None:
        """Forget the gradient; the zeros are made when somebody asks for them."""
        self._grad = None

    @property
    def grad(self) -> np.ndarray:
        if self._grad is None:
            self._grad = np.zeros_like(self.data)
        return self._grad

    @grad.setter
    def grad(self, gradient: np.ndarray) -> None:
        self._grad = gradient

    def give(self, gradient: np.ndarray) -> None:
        """grad += gradient, from one who will not use that array again: the first may be kept."""
        if self._grad is None and gradient.dtype == self.data.dtype:
            self._grad = np.ascontiguousarray(gradient)
        else:
            self.grad += gradient

    def __repr__(self) -> str:
        return f"Parameter{self.data.shape}"


class Layer:
    """One step of a network.

    forward(x) computes and remembers; backward(dy) uses that memory once, adds to each
    parameter's grad and returns dx; predict(x) computes without a trace.
    """

    rungs: dict = {}  # engine -> (forward, backward); see conv.RUNGS
    skips_dx = False  # whether backward takes need_dx
    weight = bias = None  # Parameters, where a layer learns
    engine = "vectorised"
    memory = None

    def parameters(self) -> dict[str, Parameter]:
        """What learns, by name, in the order in which the operation takes it."""
        own = {"weight": self.weight, "bias": self.bias}
        return {name: parameter for name, parameter in own.items() if parameter is not None}

    def buffers(self) -> dict[str, np.ndarray]:
        """What is kept and saved, but not learned."""
        return {}

    def options(self) -> dict:
        """The hyperparameters that the operation takes."""
        return {}

    def output_shape(self, input_shape: tuple) -> tuple:
        """The shape of one example after this layer, from its shape before (no batch axis)."""
        return tuple(input_shape)

    def flops(self, input_shape: tuple) -> int:
        """Multiplications, additions and comparisons for one example."""
        return math.prod(input_shape)

    def forward(self, x) -> np.ndarray:
        """Compute the layer's output and remember what backward will need."""
        with self.named_in_errors():
            y, cache = self.compute(x)
        self.memory = (cache, self.rung(), y.dtype)
        return y

    def predict(self, x) -> np.ndarray:
        """The output as after training: nothing is remembered, nothing dropped or updated."""
        with self.named_in_errors():
            return self.compute(x)[0]

    def backward(self, dy, need_dx: bool = True) -> np.ndarray | None:
        """Add to every parameter's grad; return dx (None if need_dx is False and it saves work)."""
        if self.memory is None:
            raise RuntimeError(
                f"{self!r}: backward needs a forward before it, and each forward serves one "
                "backward: call forward again."
            )
        cache, rung, dtype = self.memory
        with self.named_in_errors():
            results = self.differentiate(dy, cache, rung, need_dx)
        self.memory = None
        dx, *gradients = results if isinstance(results, tuple) else (results,)
        for parameter, gradient in zip(self.parameters().values(), gradients):
            parameter.grad += gradient
        return None if dx is None else np.asarray(dx, dtype)

    def rung(self) -> str:
        """The engine's rung where this layer has it, else the vectorised one."""
        return self.engine if self.engine in self.rungs else "vectorised"

    def compute(self, x):
        """(y, cache) by the layer's rung; the formula gets nested lists and gives them back."""
        arrays = doors.as_floats(x, *(p.data for p in self.parameters().values()))
        forward, _ = self.rungs[self.rung()]
        if self.rung() == "formula":
            y, cache = forward(*(array.tolist() for array in arrays), **self.options())
            return np.array(y, arrays[0].dtype), cache
        return forward(*arrays, **self.options())

    def differentiate(self, dy, cache, rung: str, need_dx: bool):
        """The operation's backward: dx, or (dx, dweight, ...)."""
        _, backward = self.rungs[rung]
        dy = np.asarray(dy).tolist() if rung == "formula" else dy
        return backward(dy, cache, need_dx) if self.skips_dx else backward(dy, cache)

    @contextmanager
    def named_in_errors(self):
        """Put this layer's own description in front of what an operation complains about."""
        try:
            yield
        except ValueError as error:
            who, colon, message = str(error).partition(": ")
            text = message if colon and who.isidentifier() else str(error)
            raise type(error)(f"{self!r}: {text}") from None

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Conv2D(Layer):
    """Slide `out_channels` filters over an image and add a bias to each result.

    y[n, f, i, j] = bias[f] + sum over c, u, v of
        weight[f, c, u, v] * x[n, c, i*stride + u - padding, j*stride + v - padding]

    Shapes  x (N, in_channels, H, W)  ->  y (N, out_channels, OH, OW)
            OH = floor((H + 2*padding - kernel_size) / stride) + 1, and OW likewise
    The kernel is not flipped (cross-correlation); pixels outside the image are 0.
    kernel_size and stride: a number or a pair; padding also "valid" or "same".
    >>> layer = Conv2D(1, 8, kernel_size=3, padding=1, rng=np.random.default_rng(0))
    >>> layer.forward(np.zeros((2, 1, 5, 6))).shape
    (2, 8, 5, 6)
    """

    rungs = conv.RUNGS
    skips_dx = True

    def __init__(self, in_channels: int, out_channels: int, kernel_size, stride=1, padding=0,
                 bias: bool = True, *, init=he_normal, rng: np.random.Generator | None = None,
                 dtype=np.float32):
        self.in_channels = as_integer(in_channels, "in_channels", "Conv2D")
        self.out_channels = as_integer(out_channels, "out_channels", "Conv2D")
        self.kernel_size = as_pair(kernel_size, "kernel_size", "Conv2D")
        self.stride = as_pair(stride, "stride", "Conv2D")
        self.padding = keep_padding(padding, "Conv2D")
        shape = (self.out_channels, self.in_channels, *self.kernel_size)
        self.weight = Parameter(init(shape, rng=doors.check_rng(rng, "Conv2D"), dtype=dtype))
        self.bias = Parameter(np.zeros(self.out_channels, dtype)) if bias else None

    def options(self):
        return {"stride": self.stride, "padding": self.padding}

    def output_shape(self, input_shape):
        with self.named_in_errors():
            _, C, H, W = doors.check_example(input_shape, channels=self.in_channels)
            where = resolve_windows((H, W), self.kernel_size, self.stride, self.padding)
        return (self.out_channels, *where.output)

    def flops(self, input_shape):
        multiply_adds = self.in_channels * math.prod(self.kernel_size)
        return (2 * multiply_adds - (not self.bias)) * math.prod(self.output_shape(input_shape))

    def __repr__(self):
        return (f"Conv2D({self.in_channels}, {self.out_channels}, "
                f"{describe_windows(self, stride=(1, 1))}{'' if self.bias else ', bias=False'})")


class Pool2D(Layer):
    """What max and average pooling share; stride None means kernel_size."""

    def __init__(self, kernel_size, stride=None, padding=0):
        name = type(self).__name__
        self.kernel_size = as_pair(kernel_size, "kernel_size", name)
        self.stride = self.kernel_size if stride is None else as_pair(stride, "stride", name)
        self.padding = keep_padding(padding, name)

    def windows(self):
        return {"kernel_size": self.kernel_size, "stride": self.stride, "padding": self.padding}

    options = windows

    def output_shape(self, input_shape):
        with self.named_in_errors():
            empty = np.empty(doors.check_example(input_shape))
            _, where = doors.check_pool_shape(empty, **self.windows(), who="")
        return (input_shape[0], *where.output)

    def flops(self, input_shape):
        return math.prod(self.kernel_size) * math.prod(self.output_shape(input_shape))

    def __repr__(self):
        return f"{type(self).__name__}({describe_windows(self, stride=self.kernel_size)})"


class MaxPool2D(Pool2D):
    """Keep the largest value of every window; of equal ones the first.

    y[n, c, i, j] = max over u, v of x[n, c, i*stride + u - padding, j*stride + v - padding]

    Shapes  x (N, C, H, W)  ->  y (N, C, OH, OW), sizes as in Conv2D
    >>> MaxPool2D(2).forward(np.arange(16.0).reshape(1, 1, 4, 4))[0, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """

    rungs = pool.MAX_RUNGS


class AvgPool2D(Pool2D):
    """Average every window; with count_include_pad=False only over cells inside the image.

    y[n, c, i, j] = 1/count * sum over u, v of x[n, c, i*stride + u - padding, ...]

    Shapes  x (N, C, H, W)  ->  y (N, C, OH, OW), sizes as in Conv2D
    """

    rungs = pool.AVG_RUNGS

    def __init__(self, kernel_size, stride=None, padding=0, count_include_pad: bool = True):
        super().__init__(kernel_size, stride, padding)
        self.count_include_pad = bool(count_include_pad)

    def options(self):
        return self.windows() | {"count_include_pad": self.count_include_pad}

    def __repr__(self):
        text = super().__repr__()
        return text if self.count_include_pad else text[:-1] + ", count_include_pad=False)"


class GlobalAvgPool2D(Layer):
    """Average each channel over all its pixels: x (N, C, H, W) -> y (N, C)."""

    rungs = pool.GLOBAL_RUNGS

    def output_shape(self, input_shape):
        with self.named_in_errors():
            doors.check_example(input_shape)
        return (input_shape[0],)


class Dense(Layer):
    """Every output is a weighted sum of every input.

    y[n, o] = bias[o] + sum over i of x[n, i] * weight[i, o]

    Shapes  x (N, in_features)  ->  y (N, out_features)
    >>> Dense(784, 10, rng=np.random.default_rng(0)).forward(np.zeros((2, 784))).shape
    (2, 10)
    """

    rungs = pointwise.RUNGS["dense"]
    skips_dx = True

    def __init__(self, in_features: int, out_features: int, bias: bool = True, *,
                 init=he_normal, rng: np.random.Generator | None = None, dtype=np.float32):
        self.in_features = as_integer(in_features, "in_features", "Dense")
        self.out_features = as_integer(out_features, "out_features", "Dense")
        shape = (self.in_features, self.out_features)
        self.weight = Parameter(init(shape, rng=doors.check_rng(rng, "Dense"), dtype=dtype))
        self.bias = Parameter(np.zeros(self.out_features, dtype)) if bias else None

    def output_shape(self, input_shape):
        if tuple(input_shape) != (self.in_features,):
            hint = " Put a Flatten layer in front." if len(input_shape) == 3 else ""
            raise ShapeError(f"{self!r}: expected {self.in_features} features, "
                             f"got {tuple(input_shape)}.{hint}")
        return (self.out_features,)

    def flops(self, input_shape):
        return (2 * self.in_features - (not self.bias)) * self.out_features

    def __repr__(self):
        no_bias = "" if self.bias else ", bias=False"
        return f"Dense({self.in_features}, {self.out_features}{no_bias})"


class Flatten(Layer):
    """x (N, C, H, W) -> y (N, C*H*W), channel by channel, row by row."""

    rungs = pointwise.RUNGS["flatten"]

    def output_shape(self, input_shape):
        return (math.prod(input_shape),)

    def flops(self, input_shape):
        return 0


class ReLU(Layer):
    """y = x where x > 0, else 0. Shapes: any."""

    rungs = pointwise.RUNGS["relu"]


class LeakyReLU(Layer):
    """y = x where x > 0, else alpha * x. Shapes: any."""

    rungs = pointwise.RUNGS["leaky_relu"]

    def __init__(self, alpha: float = 0.01):
        self.alpha = float(alpha)

    def options(self):
        return {"alpha": self.alpha}

    def __repr__(self):
        return f"LeakyReLU(alpha={self.alpha:g})"


class Sigmoid(Layer):
    """y = 1 / (1 + exp(-x)). Shapes: any. At the end of a Sequential it becomes `output`."""

    rungs = pointwise.RUNGS["sigmoid"]


class Tanh(Layer):
    """y = tanh(x). Shapes: any."""

    rungs = pointwise.RUNGS["tanh"]


class Softmax(Layer):
    """y[n, k] = exp(x[n, k]) / sum over j of exp(x[n, j]). At the end of a Sequential: `output`."""

    rungs = pointwise.RUNGS["softmax"]


class Dropout(Layer):
    """While training, set values to 0 with probability p and divide the others by 1 - p."""

    rungs = {"vectorised": (pointwise.dropout, pointwise.dropout_backward)}

    def __init__(self, p: float = 0.5, *, rng: np.random.Generator | None = None):
        self.p = doors.check_probability(p, "Dropout")
        self.rng = doors.check_rng(rng, "Dropout")

    def options(self):
        return {"p": self.p, "rng": self.rng}

    def predict(self, x):
        with self.named_in_errors():
            return doors.as_floats(x)[0]

    def __repr__(self):
        return f"Dropout(p={self.p:g})"


class BatchNorm2D(Layer):
    """Give each channel mean 0 and variance 1 over the batch, then scale by weight, add bias.

    y[n, c] = weight[c] * (x[n, c] - mean[c]) / sqrt(variance[c] + eps) + bias[c]

    Shapes  x (N, channels, H, W)  ->  y, the same
    forward uses the statistics of the batch (of consecutive groups of group_size images, where
    given) and moves the running ones towards them by `momentum`, once a call; predict uses the
    running ones. running_var is the unbiased variance (divided by the count less 1), as in
    PyTorch; the batch itself is normalised by the biased one.
    """

    rungs = {"vectorised": (pointwise.batch_norm2d, pointwise.batch_norm2d_backward)}

    def __init__(self, channels: int, momentum: float = 0.1, eps: float = 1e-5,
                 group_size: int | None = None, *, dtype=np.float32):
        self.channels = as_integer(channels, "channels", "BatchNorm2D")
        self.momentum, self.eps = doors.check_batch_norm(momentum, eps)
        self.group_size = (None if group_size is None
                           else as_integer(group_size, "group_size", "BatchNorm2D"))
        self.weight = Parameter(np.ones(channels, dtype))
        self.bias = Parameter(np.zeros(channels, dtype))
        self.running_mean, self.running_var = np.zeros(channels, dtype), np.ones(channels, dtype)

    def buffers(self):
        return {"running_mean": self.running_mean, "running_var": self.running_var}

    def options(self):
        return {"eps": self.eps, "group_size": self.group_size}

    def forward(self, x):
        y = super().forward(x)
        cache, _, _ = self.memory
        images = np.array([group.stop - group.start for group in cache.groups])
        count = (images * math.prod(y.shape[2:]))[:, None]
        self.move_running(images, cache.mean, cache.variance * (count / (count - 1)))
        return y

    def move_running(self, images, mean, variance):
        """Move towards the statistics (G, C) of G groups, weighted by their images (G,)."""
        share = (images / images.sum())[:, None]
        for running, batch in ((self.running_mean, mean), (self.running_var, variance)):
            running += self.momentum * ((share * batch).sum(axis=0) - running)

    def predict(self, x):
        with self.named_in_errors():
            return pointwise.batch_norm2d_inference(
                x, self.weight.data, self.bias.data, self.running_mean, self.running_var, self.eps)

    def output_shape(self, input_shape):
        with self.named_in_errors():
            doors.check_example(input_shape, channels=self.channels)
        return tuple(input_shape)

    def flops(self, input_shape):
        return 2 * math.prod(input_shape)

    def __repr__(self):
        group = "" if self.group_size is None else f", group_size={self.group_size}"
        return f"BatchNorm2D({self.channels}{group})"
