"""One network in PyTorch, with the weights of ours: logits, loss and gradients side by side.

PyTorch is imported where it is used: a machine may lack it. Of the course: layers and losses.
"""

from __future__ import annotations

import numpy as np

from course_lib.layers import Conv2D, Dense, Flatten, MaxPool2D, ReLU
from course_lib.losses import softmax_cross_entropy


def to_pytorch(model):
    """The same layers in float64 as a torch.nn.Sequential, with copies of the weights.

    Knows the layers that the five systems use; raises ValueError for another, ImportError
    where PyTorch is not installed.
    """
    import torch

    return torch.nn.Sequential(*map(_layer, model.layers))


def _layer(layer):
    from torch import nn

    if isinstance(layer, ReLU):
        return nn.ReLU()
    if isinstance(layer, Flatten):
        return nn.Flatten()
    if isinstance(layer, MaxPool2D):
        return nn.MaxPool2d(layer.kernel_size, layer.stride)
    if isinstance(layer, Conv2D):
        return _filled(nn.Conv2d(layer.in_channels, layer.out_channels, layer.kernel_size,
                                 layer.stride, _padding(layer), bias=layer.bias is not None),
                       layer, layer.weight.data)
    if isinstance(layer, Dense):
        made = nn.Linear(layer.in_features, layer.out_features, layer.bias is not None)
        return _filled(made, layer, layer.weight.data.T)  # PyTorch keeps (out, in)
    raise ValueError(f"to_pytorch: {layer!r} has no counterpart here.")


def _padding(layer):
    if layer.padding == "same":
        return "same"
    (above, below), (left, right) = layer.padding
    if above != below or left != right:
        raise ValueError(f"to_pytorch: expected the same padding on both sides, got {layer!r}.")
    return above, left


def _filled(made, layer, weight):
    import torch

    made = made.double()
    with torch.no_grad():
        made.weight.copy_(torch.from_numpy(np.array(weight, float)))
        if layer.bias is not None:
            made.bias.copy_(torch.from_numpy(np.array(layer.bias.data, float)))
    return made


def compare(model, x: np.ndarray, y: np.ndarray) -> dict:
    """Largest differences of logits, loss and every gradient, each as a share of the largest value.

    Shapes  x (N, C, H, W), y (N,); the model in float64
    """
    import torch

    twin = to_pytorch(model)
    logits = model.forward(x)
    loss, dlogits = softmax_cross_entropy(logits, y)
    dx = model.backward(dlogits)
    leaf = torch.tensor(x, requires_grad=True)
    their_logits = twin(leaf)
    their_loss = torch.nn.functional.cross_entropy(their_logits, torch.tensor(y))
    their_loss.backward()
    theirs = [p.grad.T if p.grad.dim() == 2 else p.grad for p in twin.parameters()]
    ours = [parameter.grad for parameter in model.parameters().values()]
    gaps = [_gap(a, b.numpy()) for a, b in zip(ours + [dx], theirs + [leaf.grad])]
    return {"logits": _gap(logits, their_logits.detach().numpy()), "gradients": max(gaps),
            "loss": abs(loss - their_loss.item()) / abs(their_loss.item()),
            "arrays": len(gaps), "images": len(x), "version": torch.__version__}


def _gap(ours, theirs) -> float:
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())
