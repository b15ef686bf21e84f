"""Checkpoints: a training run as one file, from which it goes on as if nothing had happened.

`fit` tells a Saver where it is; the Saver decides when to write. Imports npz and doors.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import threading
import time
import warnings
import zlib
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from course_lib import npz
from course_lib.doors import check_number

SECONDS = 10.0  # between two saves in an epoch; at an epoch's end a tenth of it is enough
PATIENCE = 30  # and the time since the last save is at least so many times what that took
LONGEST = 1_000_000  # characters of the text in a checkpoint
EPOCH_LISTS = ("epoch", "loss", "accuracy", "validation_loss", "validation_accuracy", "lr",
               "seconds")


class CheckpointError(ValueError):
    """A file that is no checkpoint, a damaged one, or one of another run; says what to do."""


@dataclass
class Checkpoint:
    """Where to keep a run, and how often: `fit(..., checkpoint=Checkpoint("run.npz", 60))`.

    seconds  between two saves within an epoch, 0: after every step
    """

    path: str | os.PathLike
    seconds: float = SECONDS


@dataclass
class Position:
    """How far a run is: `epoch` epochs, and `step` steps of the next one, are done.

    loss (summed over examples), right (answers) and seconds are those of the unfinished epoch,
    lr that of the last step.
    """

    epoch: int = 0
    step: int = 0
    loss: float = 0.0
    right: int = 0
    seconds: float = 0.0
    lr: float = 0.0
    finished: bool = False

    def count_step(self, loss: float, right: int, lr: float, seconds: float) -> None:
        """One step more, `seconds` after the epoch began."""
        self.step += 1
        self.loss += loss
        self.right += right
        self.lr, self.seconds = lr, seconds

    def next_epoch(self, finished: bool) -> None:
        """One epoch more; in one go, so that Ctrl-C finds all of it or nothing."""
        vars(self).update(asdict(Position(self.epoch + 1, finished=finished)))


class Saver:
    """What fit says about its run. This one, of a run that nobody keeps, only listens."""

    def whole_steps(self):
        """The block in which steps are done."""
        return nullcontext()

    def step_done(self) -> None:
        """Between two steps, inside that block."""

    def epoch_done(self) -> None:
        """After an epoch, its validation and `watch`."""

    def interrupted(self) -> None:
        """After Ctrl-C."""


class FileSaver(Saver):
    """Writes the run to `path`; the file there is always a complete one.

    Inside `whole_steps` a first Ctrl-C waits for the end of the step, so that what is saved is
    the state between two steps; a second one does not wait, and nothing is saved.
    """

    def __init__(self, path, seconds: float, model, optimizer, history, at: Position,
                 settings: dict):
        self.path = Path(path)
        self.seconds = check_number(seconds, "seconds", "Checkpoint")
        self.model, self.optimizer, self.history, self.at = model, optimizer, history, at
        self.settings = settings
        self.torn = self.asked = False
        self.last, self.wait = time.perf_counter(), self.seconds

    def begin(self, resume: bool) -> None:
        """Refuse what must not be overwritten, take over what can be resumed, or start a file."""
        if self.path.exists():
            with opened(self.path) as arrays:
                facts = read_facts(arrays)
            if resume:
                self.compare(facts["settings"])
                with opened(self.path) as arrays:
                    values = self.read(arrays, facts)
                self.take_over(facts, values)
            elif not facts["position"]["finished"]:
                raise CheckpointError(
                    f"{self.path} holds a run that was cut off in epoch "
                    f"{facts['position']['epoch'] + 1} of {facts['settings'].get('epochs')}: go on "
                    "with it (fit: resume=True, train: --resume), name another file, or delete it.")
        npz.remove_parts(self.path)
        self.save()

    # ---- what fit says

    @contextmanager
    def whole_steps(self):
        with self.waiting_ctrl_c():
            self.torn = True
            try:
                yield
            except ChildProcessError:  # a worker is lost, before its step changed anything
                self.torn = False
                raise
            self.torn = False

    def step_done(self) -> None:
        if self.asked:
            self.torn = False
            raise KeyboardInterrupt
        if time.perf_counter() - self.last >= self.wait:
            self.try_to_save()

    def epoch_done(self) -> None:
        if self.at.finished or time.perf_counter() - self.last >= self.wait / 10:
            self.try_to_save()

    def interrupted(self) -> None:
        if not self.torn:
            self.try_to_save()

    @contextmanager
    def waiting_ctrl_c(self):
        """The first Ctrl-C sets `asked`, a second one does what it always did."""
        before = signal.getsignal(signal.SIGINT)
        if not callable(before) or threading.current_thread() is not threading.main_thread():
            yield
            return

        def ask(number, frame):
            if self.asked:
                before(number, frame)
            self.asked = True

        signal.signal(signal.SIGINT, ask)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    # ---- to the file

    def save(self) -> None:
        started = time.perf_counter()
        npz.write(self.path, self.contents())
        self.last = time.perf_counter()
        self.wait = max(self.seconds, PATIENCE * (self.last - started)) if self.seconds else 0.0

    def try_to_save(self) -> None:
        """A full disk must not end a training that goes well."""
        try:
            self.save()
        except OSError as error:
            self.last = time.perf_counter()
            warnings.warn(f"{self.path}: this checkpoint could not be written ({error}); the "
                          "training goes on, and the last complete one is kept.", stacklevel=4)

    def contents(self) -> dict[str, np.ndarray]:
        told = self.history.to_dict()
        lists = {name: told[name][: self.at.epoch] for name in EPOCH_LISTS}
        lists["step_loss"] = told["step_loss"]
        facts = {"settings": self.settings, "position": asdict(self.at),
                 "steps": self.optimizer.steps,
                 "lengths": {name: len(entries) for name, entries in lists.items()}}
        arrays = {f"history.{name}": np.array(entries, float) for name, entries in lists.items()}
        return {"checkpoint": np.array(json.dumps(facts)), **arrays, **self.state()}

    def state(self) -> dict[str, np.ndarray]:
        """Weights, buffers and the optimiser's memory, by the names they have in the file."""
        state = {f"model.{name}": array for name, array in self.model.state().items()}
        memory = self.optimizer.state()
        return state | {f"optimizer.{name}": array for name, array in memory.items()
                        if name != "steps"}

    # ---- from the file

    def compare(self, found: dict) -> None:
        """Is it this run? Says what is not the same."""
        own = self.settings
        names = [*own, *(name for name in found if name not in own)]
        other = [f"{name}: {found.get(name, 'nothing')} there, {own.get(name, 'nothing')} here"
                 for name in names if found.get(name) != own.get(name)]
        if other:
            raise CheckpointError(
                f"{self.path} is of another run, and cannot go on with these settings: "
                f"{'; '.join(other[:6])}{' …' * (len(other) > 6)}. Give what it was begun with, "
                "or begin a new run in another file.")

    def read(self, arrays: npz.Arrays, facts: dict) -> dict[str, np.ndarray]:
        """Every array that this run needs, of the shape and type that it has here."""
        expected = {name: array.shape for name, array in self.state().items()}
        expected |= {f"history.{name}": (int(facts["lengths"][name]),)
                     for name in (*EPOCH_LISTS, "step_loss")}
        if set(arrays.names) != {*expected, "checkpoint"}:
            raise npz.NpzError(f"{self.path}: its arrays are not those of this run.")
        return {name: arrays.array(name, shape, "this run") for name, shape in expected.items()}

    def take_over(self, facts: dict, values: dict[str, np.ndarray]) -> None:
        """Put weights, optimiser, history and position back."""
        parts = {kind: {name.removeprefix(f"{kind}."): array for name, array in values.items()
                        if name.startswith(f"{kind}.")}
                 for kind in ("model", "optimizer", "history")}
        self.model.load_state(parts["model"])
        self.optimizer.load_state(parts["optimizer"] | {"steps": facts["steps"]})
        for name, array in parts["history"].items():
            getattr(self.history, name)[:] = array.tolist()
        self.history.epoch[:] = map(int, self.history.epoch)
        vars(self.at).update(asdict(Position(**facts["position"])))


def make_saver(checkpoint, resume: bool, model, optimizer, history, at: Position,
               settings: dict) -> Saver:
    """The Saver of a run: `checkpoint` is a path, a Checkpoint, or None for none."""
    if checkpoint is None:
        if resume:
            raise ValueError("fit: resume=True needs checkpoint=, the file to go on from.")
        return Saver()
    if not isinstance(checkpoint, Checkpoint):
        checkpoint = Checkpoint(checkpoint)
    check_place(checkpoint.path)
    facts = {**describe_settings(optimizer, settings), **describe_model(model)}
    dtypes = {str(array.dtype) for array in model.state().values()}
    if not dtypes <= {"float32", "float64"}:
        raise CheckpointError("fit: a checkpoint holds float32 and float64, but this network is "
                              f"in {', '.join(sorted(dtypes))}: model.astype(np.float32).")
    saver = FileSaver(checkpoint.path, checkpoint.seconds, model, optimizer, history, at, facts)
    try:
        saver.begin(resume)
    except npz.NpzError as error:
        raise CheckpointError(f"{error} It is left as it is: name another file, or delete "
                              "it.") from None
    return saver


def check_place(path) -> None:
    """A checkpoint's name must be that of a file, new or old, in a folder that is there."""
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise ValueError(f"fit: expected checkpoint to be the name of a file, got {path!r}.")
    if os.path.isdir(path):
        raise IsADirectoryError(f"fit: expected checkpoint to be a file, and {path} is a folder.")
    if not Path(path).parent.is_dir():
        raise FileNotFoundError(f"fit: there is no folder {Path(path).parent} for the checkpoint "
                                f"{path}: make it first.")


def opened(path):
    """The arrays of a checkpoint; only npz's own errors may come from inside."""
    return npz.reading(path, "checkpoint", "fit(..., checkpoint=...)")


def read_facts(arrays: npz.Arrays) -> dict:
    """The text of a checkpoint."""
    if "checkpoint" not in arrays.names:
        raise npz.NpzError(f"{arrays.path} is no checkpoint.")
    facts = json.loads(arrays.text("checkpoint", LONGEST))
    Position(**facts["position"])
    return {name: facts[name] for name in ("settings", "position", "steps", "lengths")}


# ---- what makes a run this run


def describe_settings(optimizer, settings: dict) -> dict[str, str]:
    """Each setting as a text; a function by its name, a schedule by what it gives, data by hash."""
    settings = dict(settings)
    schedule, steps = settings.pop("schedule"), settings.pop("steps")
    places = sorted({round(k * (steps - 1) / 5) for k in range(6)})
    rates = ", ".join(f"{float(schedule(step)):.9g}" for step in places)
    settings |= {"optimizer": type(optimizer)} | {
        name: value for name, value in vars(optimizer).items()
        if name not in ("parameters", "memory", "steps")}
    return {
        **{name: describe(value) for name, value in settings.items()},
        "learning rates": f"{rates} at steps {', '.join(map(str, places))}",
        "parameters that learn": ", ".join(optimizer.parameters),
    }


def describe_model(model) -> dict[str, str]:
    """Each layer with what it was made of, and the shapes and types of its arrays."""
    layers = {}
    for index, layer in enumerate(model.layers):
        own = {name: value for name, value in vars(layer).items()
               if name != "engine" and isinstance(value, (bool, int, float, str, tuple))}
        arrays = {name: p.data for name, p in layer.parameters().items()} | layer.buffers()
        shapes = [f"{name} {array.shape} {array.dtype}" for name, array in arrays.items()]
        layers[f"layer {index}"] = " ".join(
            [f"{type(layer).__name__}({_words(own)})", *shapes, f"by {layer.engine}"])
    return {**layers, "output": str(model.output)}


def _words(values: dict) -> str:
    return ", ".join(f"{name}={describe(value)}" for name, value in values.items())


def describe(value) -> str:
    """A value as a text that is the same in every process and differs where it matters."""
    if isinstance(value, np.ndarray):
        content = zlib.crc32(np.ascontiguousarray(value).data)
        return f"{value.shape} {value.dtype} {content:08x}"
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(describe, value))})"
    if isinstance(value, functools.partial):
        return f"{describe(value.func)}({_words(value.keywords)})"
    if callable(value):
        return getattr(value, "__qualname__", type(value).__qualname__)
    return repr(value)
