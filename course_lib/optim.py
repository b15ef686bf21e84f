"""Optimisers, which turn gradients into steps, and schedules, which choose the learning rate.

Imports shapes and doors; a parameter is anything with `data`, `grad` and `zero_grad`.
"""

from __future__ import annotations

import math

import numpy as np

from course_lib.doors import check_number
from course_lib.shapes import ShapeError, as_integer

PIECE = 65_536  # numbers


class Optimizer:
    """Holds the parameters it moves; step() edits each `data` in place from its `grad`.

    parameters: a dict name -> Parameter (`model.parameters()`) or a list. A parameter that
    stands there twice is moved once.
    """

    def __init__(self, parameters, lr: float, weight_decay: float = 0.0):
        who = type(self).__name__
        if not hasattr(parameters, "__iter__"):
            raise ValueError(f"{who}: expected parameters such as model.parameters(), "
                             f"got {parameters!r}.")
        if not isinstance(parameters, dict):
            parameters = {str(index): parameter for index, parameter in enumerate(parameters)}
        if not parameters:
            raise ValueError(f"{who}: expected parameters to move, got none.")
        self.parameters = {}
        for name, parameter in parameters.items():
            if not hasattr(parameter, "grad"):
                raise ValueError(f"{who}: expected {name} to be a Parameter, got {parameter!r}.")
            if all(parameter is not known for known in self.parameters.values()):
                self.parameters[name] = parameter
        self.lr = check_number(lr, "lr", who, above=0)
        self.weight_decay = check_number(weight_decay, "weight_decay", who)
        self.steps = 0
        self.memory = {name: self.start(parameter) for name, parameter in self.parameters.items()}

    def start(self, parameter) -> dict[str, np.ndarray]:
        """The running arrays that this rule keeps for one parameter."""
        return {}

    def change(self, gradient: np.ndarray, memory: dict[str, np.ndarray]) -> np.ndarray:
        """What to subtract from the parameter."""
        raise NotImplementedError

    def step(self) -> None:
        """Move every parameter once; call it after backward."""
        self.steps += 1
        for name, parameter in self.parameters.items():
            for data, gradient, memory in self.pieces(parameter, self.memory[name]):
                if self.weight_decay:
                    gradient = gradient + self.weight_decay * data
                data -= self.change(gradient, memory)

    def pieces(self, parameter, memory: dict):
        """Views of data, grad and memory: a large array PIECE numbers at a time, to stay in cache.

        Only for the rules of this module, which treat every number alike.
        """
        arrays = [parameter.data, parameter.grad, *memory.values()]
        if (parameter.data.size <= PIECE or type(self) not in OPTIMIZERS.values()
                or not all(array.flags.c_contiguous for array in arrays)):
            yield parameter.data, parameter.grad, memory
            return
        flat = [array.reshape(-1) for array in arrays]
        for start in range(0, parameter.data.size, PIECE):
            data, gradient, *kept = (array[start : start + PIECE] for array in flat)
            yield data, gradient, dict(zip(memory, kept))

    def zero_grad(self) -> None:
        """Forget the gradients of the last batch; backward adds to what is there."""
        for parameter in self.parameters.values():
            parameter.zero_grad()

    def state(self) -> dict:
        """A copy of everything needed to go on later: {"steps": ..., "0.weight.velocity": ...}."""
        arrays = {f"{name}.{key}": array.copy() for name, memory in self.memory.items()
                  for key, array in memory.items()}
        return {"steps": self.steps} | arrays

    def load_state(self, state: dict) -> None:
        """Put a copy back; a state of another optimiser or network is refused, nothing changed."""
        if set(state) != set(self.state()):
            raise ValueError(f"{type(self).__name__}: this state is of another optimiser or "
                             f"network: expected {sorted(self.state())}, got {sorted(state)}.")
        arrays = {f"{name}.{key}": array for name, memory in self.memory.items()
                  for key, array in memory.items()}
        for name, array in arrays.items():
            if np.shape(state[name]) != array.shape:
                raise ShapeError(f"{type(self).__name__}: expected {name} {array.shape}, "
                                 f"got {np.shape(state[name])}.")
        for name, array in arrays.items():
            array[...] = state[name]
        self.steps = int(state["steps"])


class SGD(Optimizer):
    """Stochastic gradient descent.

    velocity <- momentum * velocity + gradient;  data <- data - lr * velocity

    momentum 0 is the plain rule W <- W - lr * gradient. weight_decay adds weight_decay * W to
    the gradient (an L2 penalty).
    """

    def __init__(self, parameters, lr: float = 0.01, momentum: float = 0.0,
                 weight_decay: float = 0.0):
        self.momentum = check_number(momentum, "momentum", "SGD", below=1)
        super().__init__(parameters, lr, weight_decay)

    def start(self, parameter):
        return {"velocity": np.zeros_like(parameter.data)} if self.momentum else {}

    def change(self, gradient, memory):
        if not self.momentum:
            return self.lr * gradient
        memory["velocity"] *= self.momentum
        memory["velocity"] += gradient
        return self.lr * memory["velocity"]


class RMSProp(Optimizer):
    """Divide each gradient by the recent size of its own.

    square <- rho * square + (1 - rho) * gradient²
    data   <- data - lr * gradient / (sqrt(square) + eps)
    """

    def __init__(self, parameters, lr: float = 0.001, rho: float = 0.99, eps: float = 1e-8,
                 weight_decay: float = 0.0):
        self.rho = check_number(rho, "rho", "RMSProp", below=1)
        self.eps = check_number(eps, "eps", "RMSProp")
        super().__init__(parameters, lr, weight_decay)

    def start(self, parameter):
        return {"square": np.zeros_like(parameter.data)}

    def change(self, gradient, memory):
        square = memory["square"]
        square += (1 - self.rho) * (gradient * gradient - square)
        return self.lr * gradient / (np.sqrt(square) + self.eps)


class Adam(Optimizer):
    """Momentum and RMSProp together, both corrected for having started at 0.

    mean   <- beta1 * mean   + (1 - beta1) * gradient
    square <- beta2 * square + (1 - beta2) * gradient²
    data   <- data - lr * (mean / (1 - beta1^t)) / (sqrt(square / (1 - beta2^t)) + eps)

    t counts the steps from 1 (Kingma and Ba, 2015).
    """

    def __init__(self, parameters, lr: float = 0.001, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 0.0):
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise ValueError(f"Adam: expected betas, a pair such as (0.9, 0.999), got {betas!r}.")
        self.betas = tuple(check_number(beta, "betas", "Adam", below=1) for beta in betas)
        self.eps = check_number(eps, "eps", "Adam")
        super().__init__(parameters, lr, weight_decay)

    def start(self, parameter):
        return {"mean": np.zeros_like(parameter.data), "square": np.zeros_like(parameter.data)}

    def change(self, gradient, memory):
        mean, square, (beta1, beta2) = memory["mean"], memory["square"], self.betas
        mean += (1 - beta1) * (gradient - mean)
        square += (1 - beta2) * (gradient * gradient - square)
        mean_now = mean / (1 - beta1**self.steps)
        square_now = square / (1 - beta2**self.steps)
        return self.lr * mean_now / (np.sqrt(square_now) + self.eps)


OPTIMIZERS = {"sgd": SGD, "rmsprop": RMSProp, "adam": Adam}


# Schedules: functions of the step number, counted from 0
def constant(lr: float):
    """The same learning rate at every step."""
    return lambda step: lr


def step_decay(lr: float, every: int, factor: float = 0.1):
    """lr * factor^floor(step / every).

    >>> schedule = step_decay(1.0, every=10, factor=0.5)
    >>> schedule(9), schedule(10), schedule(25)
    (1.0, 0.5, 0.25)
    """
    every = as_integer(every, "every", "step_decay")
    return lambda step: lr * factor ** (step // every)


def cosine(lr: float, steps: int, final: float = 0.0):
    """From lr at step 0 down to `final` at the last step, along half a cosine.

    >>> schedule = cosine(1.0, steps=11)
    >>> round(schedule(0), 3), round(schedule(5), 3), round(schedule(10), 3)
    (1.0, 0.5, 0.0)
    """
    last = max(as_integer(steps, "steps", "cosine") - 1, 1)
    return lambda step: final + (lr - final) * (1 + math.cos(math.pi * min(step / last, 1))) / 2


def one_cycle(lr: float, steps: int, warmup: float = 0.25, start: float = 0.04,
              final: float = 1e-4):
    """Up to lr during the first part of all steps, then down, each along half a cosine.

    Begins at lr*start, reaches lr after warmup*steps, ends at lr*final (Smith and Topin, 2018).
    """
    last = max(as_integer(steps, "steps", "one_cycle") - 1, 1)
    peak = check_number(warmup, "warmup", "one_cycle", below=1) * last

    def schedule(step: int) -> float:
        if step < peak:
            low, position = start, step / peak
        else:
            low, position = final, 1 - min((step - peak) / (last - peak), 1)
        return lr * (low + (1 - low) * (1 - math.cos(math.pi * position)) / 2)

    return schedule
