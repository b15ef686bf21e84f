"""Training: batches, the loop, and honest numbers about the result.

Imports everything that a training step needs, and nothing that draws.
"""

from __future__ import annotations

import math
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from numbers import Real
from typing import Callable, Iterator, NamedTuple

import numpy as np

from course_lib import losses, optim
from course_lib.doors import check_data, check_images, check_number
from course_lib.layers import Dropout
from course_lib.model import labels_from_logits
from course_lib.shapes import as_integer

LOSSES = {
    "cross_entropy": losses.softmax_cross_entropy,
    "binary_cross_entropy": losses.binary_cross_entropy,
    "hinge": losses.hinge,
    "mean_squared_error": losses.mean_squared_error,
}
SCHEDULES = {
    "constant": lambda lr, steps: optim.constant(lr),
    "step": lambda lr, steps: optim.step_decay(lr, every=max(steps // 3, 1)),
    "cosine": optim.cosine,
    "one_cycle": optim.one_cycle,
}
SHUFFLE, AUGMENT, SPLIT, DROPOUT = 0, 1, 2, 100  # streams of random numbers, one a purpose


@dataclass
class History:
    """What happened, an entry an epoch; step_loss has an entry a step.

    loss and accuracy are means over the epoch's training examples, taken while the weights
    moved; validation_loss and validation_accuracy are taken after it. lr is the last step's.
    """

    epoch: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    step_loss: list[float] = field(default_factory=list)
    interrupted: bool = False

    def to_dict(self) -> dict:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "History":
        return cls(**values)


class Evaluation(NamedTuple):
    """accuracy is right answers / count; interval is Wilson's, 95 %."""

    loss: float
    accuracy: float
    interval: tuple[float, float]
    count: int
    labels: np.ndarray
    predicted: np.ndarray
    logits: np.ndarray


def iterate_batches(images, labels, batch_size: int, rng: np.random.Generator | None = None
                    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (images, labels) of batch_size examples; the last batch may be smaller.

    With `rng` the *examples* are shuffled first; each comes exactly once.
    >>> [len(y) for x, y in iterate_batches(np.zeros((7, 1, 2, 2)), np.zeros(7, int), 3)]
    [3, 3, 1]
    """
    check_data(images, labels, "iterate_batches")
    batch_size = as_integer(batch_size, "batch_size", "iterate_batches")
    order = np.arange(len(images)) if rng is None else rng.permutation(len(images))
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        yield images[batch], labels[batch]


def fit(model, images, labels, *, epochs: int = 1, batch_size: int = 32, optimizer="sgd",
        lr: float | None = None, schedule="constant", loss=None, validation=None, augment=None,
        seed: int = 0, engine: str | None = None, watch: Callable | None = None,
        progress: bool = True) -> History:
    """Train `model` on images (N, ...) and labels (N,): shuffle, batch, step, epoch by epoch.

    optimizer   "sgd", "rmsprop", "adam", or an Optimizer; lr None: the optimiser's own
    schedule    "constant", "step", "cosine", "one_cycle", or a function of the step number
    loss        None: the one that fits model.output; a name of LOSSES, or a function
                (logits, labels) -> (loss, dlogits)
    validation  (images, labels), or the fraction of the training images to set aside
    augment     a function (images, rng) -> images, or the pixels of a random shift
    engine      "formula", "windows" or "vectorised": which rung computes
    watch       called as watch(model, history) after every epoch; True from it ends the training
    progress    a text bar on stderr
    Ctrl-C ends the training and keeps model and history (history.interrupted). The same seed
    gives the same run: every random draw comes from default_rng([seed, stream, epoch, step]).
    """
    batch_size = as_integer(batch_size, "batch_size", "fit")
    images, labels, held_out = split_validation(images, labels, validation, seed)
    steps = as_integer(epochs, "epochs", "fit") * math.ceil(len(images) / batch_size)
    optimizer = make_optimizer(optimizer, model, lr)
    schedule = make_schedule(schedule, optimizer.lr, steps)
    loss, augment = find_loss(loss, model, "fit"), make_augment(augment)
    dropouts = [layer for layer in model.layers if isinstance(layer, Dropout)]
    history = History()
    with (settings_of(model, optimizer, engine), interruptible(history),
          text_bar(steps, progress) as bar):
        for epoch in range(epochs):
            started, right, total = time.perf_counter(), 0, 0.0
            shuffler = generator(seed, SHUFFLE, epoch)
            for step, (x, y) in enumerate(iterate_batches(images, labels, batch_size, shuffler)):
                for stream, layer in enumerate(dropouts, start=DROPOUT):
                    layer.rng = generator(seed, stream, epoch, step)
                x = augment(x, generator(seed, AUGMENT, epoch, step))
                optimizer.lr = float(schedule(len(history.step_loss)))
                optimizer.zero_grad()
                logits = model.forward(x)
                value, dlogits = loss(logits, y)
                model.backward(dlogits, need_dx=False)
                optimizer.step()
                history.step_loss.append(float(value))
                right += int((labels_from_logits(logits) == class_numbers(y)).sum())
                total += float(value) * len(y)
                bar.update()
            result = None if held_out is None else evaluate(model, *held_out, loss=loss)
            seconds = time.perf_counter() - started
            record(history, total / len(images), right / len(images), optimizer.lr, seconds, result)
            answer = None if watch is None else watch(model, history)
            if isinstance(answer, (bool, np.bool_)) and answer:  # a picture does not stop it
                break
    return history


def evaluate(model, images, labels, loss=None, batch_size: int = 256) -> Evaluation:
    """Loss, accuracy and its 95 % interval on examples that the network was not trained on."""
    check_data(images, labels, "evaluate")
    logits = model.predict(images, batch_size)
    value, _ = find_loss(loss, model, "evaluate")(logits, labels)
    predicted, labels = labels_from_logits(logits), class_numbers(labels)
    right = int((predicted == labels).sum())
    return Evaluation(float(value), right / len(labels), wilson_interval(right, len(labels)),
                      len(labels), labels, predicted, logits)


# Numbers for people
def accuracy(predicted, labels) -> float:
    """The fraction of right answers."""
    check_data(predicted, labels, "accuracy")
    return float(np.mean(class_numbers(predicted) == class_numbers(labels)))


def wilson_interval(correct: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Where the true accuracy plausibly lies, after `correct` of `n` right (Wilson, 1927).

    centre = (p + z²/2n) / (1 + z²/n),  half = z sqrt(p(1-p)/n + z²/4n²) / (1 + z²/n)

    z = 1.96 gives 95 %. Unlike p ± z sqrt(p(1-p)/n) it stays within 0..1 and does not claim
    certainty from 25 right of 25.
    >>> [round(100 * end, 1) for end in wilson_interval(195, 200)]
    [94.3, 98.9]
    """
    if n < 1 or not 0 <= correct <= n:
        raise ValueError(f"wilson_interval: expected 0 <= correct <= n and n >= 1, "
                         f"got {correct} of {n}.")
    p, shrink = correct / n, 1 + z * z / n
    centre = (p + z * z / (2 * n)) / shrink
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / shrink
    return max(0.0, centre - half), min(1.0, centre + half)


def confusion_matrix(labels, predicted, classes: int | None = None) -> np.ndarray:
    """(K, K) counts: row the true class, column the predicted one.

    >>> confusion_matrix([0, 1, 1], [0, 1, 0])
    array([[1, 0],
           [1, 1]])
    """
    check_data(labels, predicted, "confusion_matrix")
    labels, predicted = class_numbers(labels), class_numbers(predicted)
    if labels.dtype.kind not in "iub" or predicted.dtype.kind not in "iub":
        raise ValueError("confusion_matrix: expected class numbers, integers, "
                         f"got {labels.dtype} and {predicted.dtype}.")
    largest = int(max(labels.max(), predicted.max()))
    classes = largest + 1 if classes is None else classes
    if largest >= classes or min(labels.min(), predicted.min()) < 0:
        raise ValueError(f"confusion_matrix: expected classes 0..{classes - 1}, got labels "
                         f"{labels.min()}..{labels.max()}, predicted "
                         f"{predicted.min()}..{predicted.max()}.")
    counts = np.bincount(labels.astype(np.int64) * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes)


def precision_recall(confusion) -> tuple[np.ndarray, np.ndarray]:
    """For each class: right / predicted as it, right / truly it (NaN where that count is 0)."""
    confusion = np.asarray(confusion)
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1]:
        raise ValueError("precision_recall: expected a confusion matrix (K, K), "
                         f"got {confusion.shape}.")
    right = np.diag(confusion).astype(float)
    with np.errstate(invalid="ignore"):
        return right / confusion.sum(axis=0), right / confusion.sum(axis=1)


def random_shift(images: np.ndarray, rng: np.random.Generator, pixels: int = 1) -> np.ndarray:
    """Move all images of a batch by one random step of at most `pixels` up, down, left, right.

    What leaves is lost, what enters is 0. Shapes  (N, C, H, W) -> the same
    """
    _, _, H, W = check_images(images, "random_shift")
    down, right = (int(step) for step in rng.integers(-pixels, pixels + 1, size=2))
    padded = np.pad(images, ((0, 0), (0, 0), (pixels, pixels), (pixels, pixels)))
    return padded[:, :, pixels - down : pixels - down + H, pixels - right : pixels - right + W]


# What fit is made of
def generator(seed: int, *place: int) -> np.random.Generator:
    """The random numbers of one place in a run; no state has to be kept to resume there."""
    return np.random.default_rng([seed, *place])


def split_validation(images, labels, validation, seed: int):
    """(images, labels, held out pair or None); a fraction is drawn at random by the seed."""
    images, labels = np.asarray(images), np.asarray(labels)
    check_data(images, labels, "fit")
    seed = as_integer(seed, "seed", "fit", minimum=0)
    if validation is None:
        return images, labels, None
    if isinstance(validation, (tuple, list)) and len(validation) == 2:
        check_data(*validation, "fit, validation")
        return images, labels, validation
    if not isinstance(validation, Real) or not 0 < validation < 1:
        raise ValueError("fit: expected validation to be (images, labels) or a fraction between "
                         f"0 and 1, got {validation!r:.60}.")
    n = len(images)
    order, count = generator(seed, SPLIT).permutation(n), round(validation * n)
    if not 0 < count < n:
        raise ValueError(f"fit: validation={validation} of {n} examples leaves an empty part.")
    held, kept = order[:count], order[count:]
    return images[kept], labels[kept], (images[held], labels[held])


def make_optimizer(optimizer, model, lr: float | None) -> optim.Optimizer:
    """An Optimizer as it is, or a new one by name."""
    if isinstance(optimizer, str) and optimizer in optim.OPTIMIZERS:
        options = {} if lr is None else {"lr": lr}
        return optim.OPTIMIZERS[optimizer](model.parameters(), **options)
    if not isinstance(optimizer, optim.Optimizer):
        raise ValueError(f"fit: expected optimizer to be one of {', '.join(optim.OPTIMIZERS)} "
                         f"or an Optimizer, got {optimizer!r}.")
    if not set(optimizer.parameters.values()) <= set(model.parameters().values()):
        raise ValueError("fit: expected an optimizer of this network's parameters, got one of "
                         "another network's: make it from model.parameters().")
    if lr is not None:
        optimizer.lr = check_number(lr, "lr", "fit", above=0)
    return optimizer


def make_schedule(schedule, lr: float, steps: int) -> Callable[[int], float]:
    """A function of the step number as it is, or one of SCHEDULES by name."""
    if callable(schedule):
        return schedule
    name = schedule or "constant"
    if not isinstance(name, str) or name not in SCHEDULES:
        raise ValueError(f"fit: expected schedule to be one of {', '.join(SCHEDULES)} "
                         f"or a function of the step, got {schedule!r}.")
    return SCHEDULES[name](lr, steps)


def find_loss(loss, model, who: str) -> Callable:
    """A function as it is, one of LOSSES by name, or the one that fits the network's output."""
    if callable(loss):
        return loss
    name = loss or ("binary_cross_entropy" if model.output == "sigmoid" else "cross_entropy")
    if name not in LOSSES:
        raise ValueError(f"{who}: expected loss to be one of {', '.join(LOSSES)} or a function, "
                         f"got {loss!r}.")
    return LOSSES[name]


def make_augment(augment) -> Callable:
    """A function as it is, a random shift by so many pixels, or nothing at all."""
    if callable(augment):
        return augment
    pixels = as_integer(augment or 0, "augment", "fit", minimum=0)
    return lambda images, rng: random_shift(images, rng, pixels) if pixels else images


def class_numbers(labels) -> np.ndarray:
    """(N,) from labels (N,) or (N, 1); of one-hot rows (N, K) the place of the largest."""
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] > 1:
        return labels.argmax(axis=1)
    return labels.reshape(len(labels))


def record(history: History, loss: float, right: float, lr: float, seconds: float,
           validation: Evaluation | None) -> None:
    """Write down one finished epoch, all of it at once."""
    history.epoch.append(len(history.epoch) + 1)
    history.loss.append(loss)
    history.accuracy.append(right)
    history.lr.append(lr)
    history.seconds.append(seconds)
    if validation is not None:
        history.validation_loss.append(validation.loss)
        history.validation_accuracy.append(validation.accuracy)


@contextmanager
def settings_of(model, optimizer, engine: str | None):
    """Compute by this rung; afterwards rung and learning rate are again what they were before."""
    before, lr = [layer.engine for layer in model.layers], optimizer.lr
    if engine is not None:
        model.use_engine(engine)
    try:
        yield
    finally:
        for layer, name in zip(model.layers, before):
            layer.engine = name
        optimizer.lr = lr


@contextmanager
def interruptible(history: History):
    """Ctrl-C ends the block and is noted; what was learned and recorded stays."""
    try:
        yield
    except KeyboardInterrupt:
        history.interrupted = True


def text_bar(steps: int, progress: bool):
    """A tqdm bar of plain text on stderr, where that is a terminal or a notebook, not a file."""
    from tqdm import tqdm

    shown = progress and (sys.stderr.isatty() or "ipykernel" in type(sys.stderr).__module__)
    return tqdm(total=steps, disable=not shown, unit="step", ascii=True, leave=False)
