"""Sequential: layers one after the other, and the table that sums them up.

Imports layers, shapes and summary.
"""

from __future__ import annotations

import numpy as np

from course_lib.doors import check_float_type
from course_lib.layers import ENGINES, Layer, Parameter, Sigmoid, Softmax
from course_lib.shapes import ShapeError, as_integer, receptive_field
from course_lib.summary import Summary, SummaryRow

OUTPUTS = {Softmax: "softmax", Sigmoid: "sigmoid"}


class Sequential:
    """A network: forward through all layers, backward through them in reverse.

    forward(x) returns logits. A Softmax or Sigmoid in the last place is not computed there: it
    is remembered as `output`, predict_proba applies it, and the losses take logits, so that it
    is never applied twice. input_shape, one example's, is optional; it checks the layers at once.
    >>> from course_lib.layers import Dense, ReLU
    >>> rng = np.random.default_rng(0)
    >>> model = Sequential([Dense(4, 3, rng=rng), ReLU(), Dense(3, 2, rng=rng), Softmax()])
    >>> model.predict_proba(np.zeros((1, 4)))
    array([[0.5, 0.5]])
    """

    def __init__(self, layers: list[Layer], input_shape: tuple | None = None):
        if isinstance(layers, Layer):
            raise ValueError("Sequential: expected a list, Sequential([first, second, ...]), "
                             f"got {layers!r} alone.")
        layers = list(layers)
        for index, layer in enumerate(layers):
            if not isinstance(layer, Layer):
                raise ValueError(f"Sequential: expected layers, got {layer!r} in place {index}.")
            if isinstance(layer, Softmax) and index < len(layers) - 1:
                raise ValueError("Sequential: Softmax() belongs in the last place, "
                                 f"got it in place {index} of {len(layers)}.")
            if any(layer is other for other in layers[:index]):
                raise ValueError(f"Sequential: expected a layer of its own in every place, got the "
                                 f"same {layer!r} again in place {index}: it has one memory.")
        self.output = OUTPUTS.get(type(layers[-1])) if layers else None
        self.layers = layers[:-1] if self.output else layers
        if not self.layers:
            raise ValueError("Sequential: expected at least one layer that computes.")
        self.input_shape = None if input_shape is None else tuple(input_shape)
        if self.input_shape is not None:
            self.shapes()

    def forward(self, x) -> np.ndarray:
        """Logits of a batch; every layer remembers what backward needs."""
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dlogits, need_dx: bool = True) -> np.ndarray | None:
        """Add to every parameter's grad; return the gradient with respect to the input.

        With need_dx=False the pass ends at the first layer that learns, and returns None.
        """
        first = 0 if need_dx else self.first_that_learns()
        dy = dlogits
        for index in reversed(range(first, len(self.layers))):
            dy = self.layers[index].backward(dy, need_dx=need_dx or index > first)
        return dy if need_dx else None

    def first_that_learns(self) -> int:
        """The place of the first layer with parameters (the last layer if none has any)."""
        learners = [i for i, layer in enumerate(self.layers) if layer.parameters()]
        return learners[0] if learners else len(self.layers) - 1

    def predict(self, x, batch_size: int = 256) -> np.ndarray:
        """Logits as after training, a batch at a time: nothing is remembered."""
        parts, batch_size = [], as_integer(batch_size, "batch_size", "Sequential.predict")
        for start in range(0, max(len(x), 1), batch_size):
            part = x[start : start + batch_size]
            for layer in self.layers:
                part = layer.predict(part)
            parts.append(part)
        return np.concatenate(parts)

    def predict_proba(self, x, batch_size: int = 256) -> np.ndarray:
        """Probabilities: the logits through the network's output function."""
        if self.output is None:
            raise ValueError("Sequential: no probabilities, because the network does not end in "
                             "Softmax() or Sigmoid(); predict(x) returns its logits.")
        layer = Softmax() if self.output == "softmax" else Sigmoid()
        return layer.predict(self.predict(x, batch_size))

    def predict_labels(self, x, batch_size: int = 256) -> np.ndarray:
        """The most probable class of each example; for one logit an example, 1 where it is > 0."""
        return labels_from_logits(self.predict(x, batch_size))

    def parameters(self) -> dict[str, Parameter]:
        """Every parameter by name: "0.weight" is the weight of layer 0."""
        return {f"{index}.{name}": parameter for index, layer in enumerate(self.layers)
                for name, parameter in layer.parameters().items()}

    def buffers(self) -> dict[str, np.ndarray]:
        """What is saved beside the parameters, by name."""
        return {f"{index}.{name}": array for index, layer in enumerate(self.layers)
                for name, array in layer.buffers().items()}

    def state(self) -> dict[str, np.ndarray]:
        """A copy of every parameter and buffer."""
        arrays = {name: parameter.data for name, parameter in self.parameters().items()}
        return {name: array.copy() for name, array in (arrays | self.buffers()).items()}

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Put a copy back; names and shapes must be this network's, or nothing is changed."""
        own = {name: parameter.data for name, parameter in self.parameters().items()}
        own |= self.buffers()
        if set(state) != set(own):
            missing, extra = sorted(set(own) - set(state)), sorted(set(state) - set(own))
            raise ValueError(f"Sequential: this state is of another network: "
                             f"missing {missing}, not known {extra}.")
        values = {name: np.asarray(state[name], array.dtype) for name, array in own.items()}
        for name, array in own.items():
            if values[name].shape != array.shape:
                raise ShapeError(f"Sequential: expected {name} {array.shape}, "
                                 f"got {values[name].shape}.")
        for name, array in own.items():
            array[...] = values[name]

    def use_engine(self, engine: str) -> None:
        """Let every layer compute by this rung, where it has it."""
        if engine not in ENGINES:
            raise ValueError(f"Sequential: expected engine to be one of {', '.join(ENGINES)}, "
                             f"got {engine!r}.")
        for layer in self.layers:
            layer.engine = engine

    def astype(self, dtype) -> "Sequential":
        """Turn every parameter and buffer into this float type; returns the network itself."""
        check_float_type(dtype, "Sequential")
        for parameter in self.parameters().values():
            parameter.data = parameter.data.astype(dtype)
            parameter.grad = parameter.grad.astype(dtype)
        for layer in self.layers:
            for name, array in layer.buffers().items():
                setattr(layer, name, array.astype(dtype))
        return self

    def shapes(self, input_shape: tuple | None = None) -> list[tuple]:
        """One example's shape before the first layer and after each one."""
        shape = self.input_shape if input_shape is None else tuple(input_shape)
        if shape is None:
            raise ValueError("Sequential: expected input_shape, one example's shape such as "
                             "(1, 28, 28), got None.")
        shapes = [shape]
        for layer in self.layers:
            shapes.append(tuple(layer.output_shape(shapes[-1])))
        return shapes

    def summary(self, input_shape: tuple | None = None) -> "Summary":
        """A table: layer, output shape, parameters, FLOPs, receptive field."""
        shapes = self.shapes(input_shape)
        first = (1, 1) if len(shapes[0]) == 3 else None
        rows, windows = [SummaryRow("Input", shapes[0], 0, 0, first)], []
        for layer, before, after in zip(self.layers, shapes, shapes[1:]):
            windows.append((getattr(layer, "kernel_size", (1, 1)),
                            getattr(layer, "stride", (1, 1))))
            field = tuple(receptive_field([(k[axis], s[axis]) for k, s in windows])
                          for axis in range(2)) if len(after) == 3 else None
            count = sum(p.data.size for p in layer.parameters().values())
            rows.append(SummaryRow(repr(layer), after, count, layer.flops(before), field))
        return Summary(rows, self.output)

    def __repr__(self) -> str:
        names = [repr(layer) for layer in self.layers] + ([self.output] if self.output else [])
        return "Sequential(" + " → ".join(names) + ")"


def labels_from_logits(logits: np.ndarray) -> np.ndarray:
    """(N, K) -> the class with the largest score; (N, 1) or (N,) -> 1 where the score is > 0."""
    if logits.ndim == 1 or logits.shape[1] == 1:
        return (logits.reshape(-1) > 0).astype(np.int64)
    return logits.argmax(axis=1)
