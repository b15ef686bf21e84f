"""Training: batches, the loop, and honest numbers about the result.

Imports everything that a training step needs, and nothing that draws.
"""

from __future__ import annotations

import math
import sys
import time
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from numbers import Real
from typing import Callable, Iterator, NamedTuple

import numpy as np

from course_lib import losses, optim
from course_lib.augment import make_augment
from course_lib.checkpoint import Position, Saver, make_saver
from course_lib.doors import check_data, check_number
from course_lib.layers import ENGINES, Dropout
from course_lib.metrics import (  # noqa: F401  (train offers them all)
    accuracy, class_numbers, confusion_matrix, precision_recall, wilson_interval,
)
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
AT_SCALE = 2_000  # examples from which on the fast layout computes where nobody chose
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


def iterate_batches(images, labels, batch_size: int, rng: np.random.Generator | None = None,
                    first: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (images, labels) of batch_size examples; the last batch may be smaller.

    With `rng` the *examples* are shuffled first; each comes exactly once. The batches before
    number `first` are left out.
    >>> [len(y) for x, y in iterate_batches(np.zeros((7, 1, 2, 2)), np.zeros(7, int), 3)]
    [3, 3, 1]
    """
    check_data(images, labels, "iterate_batches")
    batch_size = as_integer(batch_size, "batch_size", "iterate_batches")
    order = np.arange(len(images)) if rng is None else rng.permutation(len(images))
    for start in range(first * batch_size, len(order), batch_size):
        batch = order[start : start + batch_size]
        yield images[batch], labels[batch]


def fit(model, images, labels, *, epochs: int = 1, batch_size: int = 32, optimizer="sgd",
        lr: float | None = None, schedule="constant", loss=None, validation=None, augment=None,
        seed: int = 0, engine: str | None = None, watch: Callable | None = None,
        progress: bool = True, checkpoint=None, resume: bool = False,
        workers: int = 1) -> History:
    """Train `model` on images (N, ...) and labels (N,): shuffle, batch, step, epoch by epoch.

    optimizer   "sgd", "rmsprop", "adam", or an Optimizer; lr None: the optimiser's own
    schedule    "constant", "step", "cosine", "one_cycle", or a function of the step number
    loss        None: the one that fits model.output; a name of LOSSES, or a function
                (logits, labels) -> (loss, dlogits)
    validation  (images, labels), or the fraction of the training images to set aside
    augment     a function (images, rng) -> images, or the pixels of a random_shift
    engine      "formula", "windows", "vectorised" or "fast": what computes; None: what
                model.use_engine chose, or else "fast" from AT_SCALE examples on
    watch       called as watch(model, history) after every epoch; True from it ends the training
    progress    a text bar on stderr
    checkpoint  a file (or a Checkpoint) that keeps the run: weights, optimiser, history, position
    resume      go on from that file, where there is one, to the same end as without the break
    workers     processes that share the work of each step, in the fast layout (Linux)
    Ctrl-C ends the training and keeps model and history (history.interrupted). The same seed
    gives the same run: every random draw comes from default_rng([seed, stream, epoch, step]).
    A lost worker is a ChildProcessError; model and its `history` are those of the last step.
    """
    batch_size = as_integer(batch_size, "batch_size", "fit")
    images, labels, held_out = split_validation(images, labels, validation, seed)
    steps = as_integer(epochs, "epochs", "fit") * math.ceil(len(images) / batch_size)
    optimizer = make_optimizer(optimizer, model, lr)
    schedule = make_schedule(schedule, optimizer.lr, steps)
    loss, augment = find_loss(loss, model, "fit"), make_augment(augment)
    workers = as_integer(workers, "workers", "fit")
    if workers > 1 and engine is None:
        engine = "fast"
    engine = choose_engine(engine, model, len(images), "fit")
    compute = make_compute(model, loss, engine, workers)
    if watch is not None and not callable(watch):
        raise ValueError("fit: expected watch to be a function watch(model, history), got "
                         f"{watch!r}.")
    dropouts = [layer for layer in model.layers if isinstance(layer, Dropout)]
    history, at = History(), Position()
    saver = make_saver(checkpoint, resume, model, optimizer, history, at, dict(
        epochs=epochs, batch_size=batch_size, seed=seed, engine=engine, loss=loss, augment=augment,
        images=images, labels=labels, validation=held_out, schedule=schedule, steps=steps,
        workers=workers, numba=getattr(compute, "numba", False)))
    with (settings_of(model, engine, optimizer), interruptible(history, saver),
          compute if workers > 1 else nullcontext(), text_bar(steps, progress) as bar):
        bar.update(len(history.step_loss))
        while not at.finished:
            started = time.perf_counter() - at.seconds
            shuffler = generator(seed, SHUFFLE, at.epoch)
            with saver.whole_steps():
                for x, y in iterate_batches(images, labels, batch_size, shuffler, first=at.step):
                    for stream, layer in enumerate(dropouts, start=DROPOUT):
                        layer.rng = generator(seed, stream, at.epoch, at.step)
                    if augment is not None:
                        x = augment(x, generator(seed, AUGMENT, at.epoch, at.step))
                    optimizer.lr = float(schedule(len(history.step_loss)))
                    optimizer.zero_grad()
                    value, logits = compute(x, y)
                    optimizer.step()
                    history.step_loss.append(float(value))
                    right = int((labels_from_logits(logits) == class_numbers(y)).sum())
                    at.count_step(float(value) * len(y), right, optimizer.lr,
                                  time.perf_counter() - started)
                    bar.update()
                    saver.step_done()
            result = held_out and evaluate(model, *held_out, loss=loss, engine=engine)
            at.seconds = time.perf_counter() - started
            record(history, at, len(images), result)
            answer = None if watch is None else watch(model, history)
            stop = isinstance(answer, (bool, np.bool_)) and bool(answer)  # a picture is no answer
            at.next_epoch(finished=stop or at.epoch + 1 == epochs)
            saver.epoch_done()
    return history


def evaluate(model, images, labels, loss=None, batch_size: int = 256,
             engine: str | None = None) -> Evaluation:
    """Loss, accuracy and its 95 % interval on examples that the network was not trained on.

    engine  as in fit
    """
    check_data(images, labels, "evaluate")
    engine = choose_engine(engine, model, len(images), "evaluate")
    with settings_of(model, engine):
        logits = make_predict(model, engine)(images, batch_size)
    value, _ = find_loss(loss, model, "evaluate")(logits, labels)
    predicted, labels = labels_from_logits(logits), class_numbers(labels)
    right = int((predicted == labels).sum())
    return Evaluation(float(value), right / len(labels), wilson_interval(right, len(labels)),
                      len(labels), labels, predicted, logits)


# What fit is made of
def generator(seed: int, *place: int) -> np.random.Generator:
    """The random numbers of one place in a run; no state has to be kept to resume there."""
    return np.random.default_rng([seed, *place])


def choose_engine(engine: str | None, model, count: int, who: str) -> str | None:
    """The name given; "fast" for `count` examples at scale; None: each layer's own rung."""
    if engine not in (None, "fast", *ENGINES):
        raise ValueError(f"{who}: expected engine to be one of {', '.join(ENGINES)}, fast, "
                         f"got {engine!r}.")
    chosen = any(layer.engine != "vectorised" for layer in model.layers)
    return "fast" if engine is None and not chosen and count >= AT_SCALE else engine


def make_predict(model, engine: str | None) -> Callable:
    """predict(images, batch_size) -> logits, as after training."""
    if engine == "fast":
        from course_lib import fast

        return fast.Predictor(model)
    return model.predict


def make_compute(model, loss: Callable, engine: str | None, workers: int = 1) -> Callable:
    """compute(x, y) -> (loss of the batch, logits); it adds to every parameter's grad.

    With workers > 1 it is a context too: they end where it ends.
    """
    if workers > 1:
        from course_lib.workers import Pool

        if engine != "fast":
            raise ValueError(f"fit: {workers} workers compute in the fast layout: leave engine "
                             f"out, got {engine!r}.")
        return Pool(model, loss, workers)
    if engine == "fast":
        from course_lib import fast

        return fast.Trainer(model, loss)

    def compute(x, y):
        logits = model.forward(x)
        value, dlogits = loss(logits, y)
        model.backward(dlogits, need_dx=False)
        return value, logits

    return compute


def split_validation(images, labels, validation, seed: int):
    """(images, labels, held out pair or None); a fraction is drawn at random by the seed."""
    images, labels = np.asarray(images), np.asarray(labels)
    check_data(images, labels, "fit")
    seed = as_integer(seed, "seed", "fit", minimum=0)
    if validation is None:
        return images, labels, None
    if isinstance(validation, (tuple, list)) and len(validation) == 2:
        check_data(*validation, "fit, validation")
        return images, labels, tuple(map(np.asarray, validation))
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


def record(history: History, at: Position, examples: int, validation: Evaluation | None) -> None:
    """Write down one finished epoch, all of it at once."""
    history.epoch.append(at.epoch + 1)
    history.loss.append(at.loss / examples)
    history.accuracy.append(at.right / examples)
    history.lr.append(at.lr)
    history.seconds.append(at.seconds)
    if validation is not None:
        history.validation_loss.append(validation.loss)
        history.validation_accuracy.append(validation.accuracy)


@contextmanager
def settings_of(model, engine: str | None, optimizer=None):
    """Compute by this engine; then rung, learning rate and generators are those from before."""
    before, lr = [layer.engine for layer in model.layers], getattr(optimizer, "lr", None)
    rngs = [(layer, layer.rng) for layer in model.layers if isinstance(layer, Dropout)]
    if engine is not None:  # beside the fast layout stand vectorised layers
        model.use_engine("vectorised" if engine == "fast" else engine)
    try:
        yield
    finally:
        for layer, name in zip(model.layers, before):
            layer.engine = name
        for layer, rng in rngs:
            layer.rng = rng
        if optimizer is not None:
            optimizer.lr = lr


@contextmanager
def interruptible(history: History, saver: Saver):
    """Ctrl-C ends the block and is noted; what was learned and recorded stays."""
    try:
        yield
    except KeyboardInterrupt:
        history.interrupted = True
        saver.interrupted()
    except ChildProcessError as error:  # a lost worker
        history.interrupted, error.history = True, history
        saver.interrupted()
        raise


def text_bar(steps: int, progress: bool):
    """A tqdm bar of plain text on stderr, where that is a terminal or a notebook, not a file."""
    from tqdm import tqdm

    shown = progress and (sys.stderr.isatty() or "ipykernel" in type(sys.stderr).__module__)
    return tqdm(total=steps, disable=not shown, unit="step", ascii=True, leave=False)
