"""Mistakes of published networks, made again on purpose: each a small change of a right network.

A mistake is a function that takes a Sequential and returns one with it. Imports layers, pool
and model. The layers compute themselves: the vectorised rung, within any engine.
"""

from __future__ import annotations

import numpy as np

from course_lib.conv import crop, pad
from course_lib.layers import Conv2D, Layer, MaxPool2D, ReLU
from course_lib.model import Sequential
from course_lib.pool import max_pool2d, padded_zeros, shifted


class LoopFromOne(Sequential):
    """S3: `for i in range(1, len(layers))`, so that layer 0 is never updated.

    Here it is not among the parameters, and nothing is computed that nobody would use.
    """

    def parameters(self):
        every = super().parameters()
        return {name: value for name, value in every.items() if not name.startswith("0.")}

    def first_that_learns(self):
        return min(int(name.partition(".")[0]) for name in self.parameters())


class AllTies(MaxPool2D):
    """S2 and S3: `window == max` hands the whole gradient to every maximum that is tied."""

    def compute(self, x):
        y, cache = max_pool2d(x, **self.options())
        return y, (x, y, cache)

    def differentiate(self, dy, cache, rung, need_dx):
        x, y, (shape, _, where) = cache
        dpadded = padded_zeros(shape, where, dy.dtype)
        values = shifted(pad(x, where.padding, -np.inf), where)
        for value, seen in zip(values, shifted(dpadded, where)):
            seen += dy * (value == y)
        return crop(dpadded, where.padding)


class WholeWindow(MaxPool2D):
    """The gradient goes to every pixel of the window, as if a max pool were a sum."""

    def differentiate(self, dy, cache, rung, need_dx):
        dpadded = padded_zeros(cache.shape, cache.windows, dy.dtype)
        for seen in shifted(dpadded, cache.windows):
            seen += dy
        return crop(dpadded, cache.windows.padding)


class NoMask(ReLU):
    """Backward forgets that ReLU stopped the negative values."""

    def differentiate(self, dy, cache, rung, need_dx):
        return np.asarray(dy)


class NoBiasGradient(Conv2D):
    """The bias of a convolution gets no gradient."""

    def differentiate(self, dy, cache, rung, need_dx):
        dx, dweight, dbias = super().differentiate(dy, cache, rung, need_dx)
        return dx, dweight, np.zeros_like(dbias)


class UnturnedKernel(Conv2D):
    """dX is gathered with the kernel as it stands, not rotated by 180 degrees."""

    def differentiate(self, dy, cache, rung, need_dx):
        _, dweight, dbias = super().differentiate(dy, cache, rung, False)
        turned = cache._replace(weight=cache.weight[:, :, ::-1, ::-1])
        return super().differentiate(dy, turned, rung, need_dx)[0], dweight, dbias


def like(kind: type, layer: Layer) -> Layer:
    """The same layer, with the same parameters, in another class."""
    changed = kind.__new__(kind)
    vars(changed).update(vars(layer))
    return changed


def every(plain: type, kind: type):
    """The mistake that makes every `plain` layer of a network a `kind`."""

    def make(model: Sequential) -> Sequential:
        model.layers = [like(kind, layer) if type(layer) is plain else layer
                        for layer in model.layers]
        return model

    return make


def loop_from_one(model: Sequential) -> Sequential:
    """The same network, whose first layer no optimiser will find."""
    changed = LoopFromOne.__new__(LoopFromOne)
    vars(changed).update(vars(model))
    return changed


MISTAKES = {
    "first layer frozen": loop_from_one,
    "ties doubled": every(MaxPool2D, AllTies),
    "gradient to the whole window": every(MaxPool2D, WholeWindow),
    "no ReLU backward": every(ReLU, NoMask),
    "no conv bias gradient": every(Conv2D, NoBiasGradient),
    "dX with the kernel unturned": every(Conv2D, UnturnedKernel),
}


def make_mistakes(model: Sequential, names) -> Sequential:
    """The network with these mistakes of MISTAKES in it; raises ValueError for an unknown one."""
    for name in names:
        if name not in MISTAKES:
            raise ValueError(f"make_mistakes: expected names among {', '.join(MISTAKES)}, "
                             f"got {name!r}.")
        model = MISTAKES[name](model)
    return model
