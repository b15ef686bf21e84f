"""A trained Sequential as plain data that static/network.js runs: layers by name, sizes resolved.

Imports layers, model and shapes.
"""

from __future__ import annotations

import base64

import numpy as np

from course_lib import layers
from course_lib.model import Sequential
from course_lib.shapes import resolve_windows
from course_lib.widgets.base import WidgetError

KINDS = {  # every layer that network.js computes, and its name there
    layers.Conv2D: "conv2d", layers.MaxPool2D: "max_pool", layers.AvgPool2D: "average_pool",
    layers.GlobalAvgPool2D: "global_pool", layers.Dense: "dense", layers.Flatten: "flatten",
    layers.ReLU: "relu", layers.LeakyReLU: "leaky_relu", layers.Sigmoid: "sigmoid",
    layers.Tanh: "tanh", layers.Dropout: "dropout", layers.BatchNorm2D: "batch_norm",
}
MOST_WEIGHTS = 100_000  # 0.5 MB of text in the notebook and on the page


def network_state(model: Sequential, input_shape: tuple, who: str) -> dict:
    """Return {"input", "layers", "weights"}: all that the browser needs to compute the logits.

    A layer is {"kind", "name", "shape", "arrays": {name: [start, end]}} and its hyperparameters;
    "weights" is the base64 text of all arrays, one after the other, as 32-bit floats.
    Raises WidgetError where the browser cannot compute what the model computes.
    """
    shapes = check_model(model, input_shape, who)
    described, arrays, start = [], [], 0
    for layer, before, after in zip(model.layers, shapes, shapes[1:]):
        places = {}
        own = {name: parameter.data for name, parameter in layer.parameters().items()}
        for name, array in (own | layer.buffers()).items():
            places[name] = [start, start + array.size]
            start += array.size
            arrays.append(np.asarray(array, "<f4").ravel())
        described.append({"kind": KINDS[type(layer)], "name": repr(layer), "shape": list(after),
                          "arrays": places, **hyperparameters(layer, before)})
    weights = np.concatenate([np.zeros(0, "<f4"), *arrays]).astype("<f4").tobytes()
    text = base64.b64encode(weights).decode("ascii")
    return {"input": list(input_shape), "layers": described, "weights": text}


def check_model(model, input_shape: tuple, who: str) -> list[tuple]:
    """Return the shapes between the layers; WidgetError where this is no network for browsers."""
    if not isinstance(model, Sequential):
        raise WidgetError(f"{who}: expected a trained Sequential, got {model!r:.60}.")
    wanted = "x".join(map(str, input_shape))
    try:
        if model.input_shape not in (None, tuple(input_shape)):
            raise ValueError(f"it was made for {'x'.join(map(str, model.input_shape))}")
        shapes = model.shapes(input_shape)
    except ValueError as error:
        raise WidgetError(f"{who}: expected a network for {wanted} images, but {error}") from None
    for layer in model.layers:
        if type(layer) not in KINDS:
            known = ", ".join(kind.__name__ for kind in KINDS)
            raise WidgetError(f"{who}: expected layers that the browser can compute ({known}), "
                              f"got {layer!r}.")
    arrays = model.state().values()
    count = sum(array.size for array in arrays)
    if count > MOST_WEIGHTS:
        raise WidgetError(f"{who}: expected at most {MOST_WEIGHTS:,} weights, which a page can "
                          f"carry, got {count:,}; use fewer channels or a smaller Dense layer.")
    if not all(np.isfinite(array).all() for array in arrays):
        raise WidgetError(f"{who}: expected finite weights, got NaN or infinity: the training "
                          "diverged; try a smaller learning rate.")
    return shapes


def hyperparameters(layer, before: tuple) -> dict:
    """What else the browser needs of one layer, the windows resolved for its input's size."""
    found = {name: getattr(layer, name) for name in ("alpha", "eps") if hasattr(layer, name)}
    if hasattr(layer, "kernel_size"):
        where = resolve_windows(before[1:], layer.kernel_size, layer.stride, layer.padding)
        found |= {"kernel_size": list(where.kernel_size), "stride": list(where.stride),
                  "padding": [list(sides) for sides in where.padding]}
    if hasattr(layer, "count_include_pad"):
        found["include_pad"] = layer.count_include_pad
    return found
