"""The training player: scrub or play the epochs of one run, or of two side by side."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping

import numpy as np
import traitlets

from course_lib.plots import Picture
from course_lib.snapshots import Snapshots
from course_lib.stills.training_player import draw_training_player
from course_lib.train import History
from course_lib.widgets.base import (
    Checked, CourseWidget, Flag, WidgetError, module_source, style_source,
)

MEASURES = ("loss", "accuracy", "validation_loss", "validation_accuracy")
MOST_KERNELS = 16
ALONE = "training"  # the name of a run that has none


class TrainingPlayer(CourseWidget):
    """Scrub or play a training: curves, first kernels, confusion matrix and mistakes by epoch.

    runs: a Snapshots, which fit has called (`fit(..., watch=seen)`), a History, which has only
    the curves, or {name: either} for one run or two side by side. epoch: the moment in view, by
    default the last. `play()`, `pause()`. epoch can be read and set. Raises WidgetError.
    >>> history = History(epoch=[1, 2], loss=[0.5, 0.25], accuracy=[0.8, 0.9])
    >>> w = TrainingPlayer({"lr 0.1": history})
    >>> w.epoch = 1
    >>> w
    TrainingPlayer: epochs 1 to 2; after epoch 1: lr 0.1: loss 0.500, accuracy 80.0 %
    """

    module = "training_player"
    _esm = module_source("training_player")
    _css = style_source("training_player")

    runs = traitlets.List(read_only=True).tag(sync=True)
    epoch = Checked(0).tag(sync=True)
    playing = Flag().tag(sync=True)

    def __init__(self, runs, *, epoch=None):
        described = [run_state(name, run) for name, run in named_runs(runs).items()]
        super().__init__()
        self.set_trait("runs", described)
        self.epoch = self.epochs()[-1] if epoch is None else epoch

    def epochs(self) -> list[int]:
        """Every epoch of which a run has numbers or a picture, in order."""
        return sorted({k for run in self.runs for k in epochs_of(run)})

    def play(self):
        """Go on in the browser, an epoch at a time, to the last one."""
        self.playing = True

    def pause(self):
        self.playing = False

    def still(self) -> Picture:
        frames = [frame_at(run, self.epoch) for run in self.runs]
        pictures = [[] if frame is None else [
            (from_text(run["thumbnails"][str(k)], run["size"]), f"{label} as {answer}")
            for k, label, answer, _ in frame["mistakes"]]
            for run, frame in zip(self.runs, frames)]
        kernels = [frame and frame["kernels"] for frame in frames]
        return draw_training_player(self.runs, self.epoch, kernels, pictures, self._sentence())

    def _sentence(self) -> str:
        """The same words as in the browser."""
        told = "; ".join(f"{run['name']}: {numbers_at(run, self.epoch)}" for run in self.runs)
        when = f"after epoch {self.epoch}" if self.epoch else "before the training"
        return f"{when}: {told}"

    @traitlets.validate("epoch")
    def _check_epoch(self, proposal):
        epochs, value = self.epochs(), proposal.value
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) \
                or value not in epochs:
            raise WidgetError(f"TrainingPlayer: epoch must be one of {epochs[0]} to {epochs[-1]}, "
                              f"got {value!r}.")
        return int(value)

    def __repr__(self) -> str:
        epochs = self.epochs()
        return f"TrainingPlayer: epochs {epochs[0]} to {epochs[-1]}; {self._sentence()}"


# ---- runs as plain data


def named_runs(runs) -> dict:
    """{name: Snapshots or History} of one or two runs, or WidgetError."""
    found = dict(runs) if isinstance(runs, Mapping) else {ALONE: runs}
    wrong = [run for run in found.values() if not isinstance(run, (Snapshots, History))]
    if wrong or not 1 <= len(found) <= 2:
        got = f"{len(found)} runs" if not wrong else f"{wrong[0]!r:.60}"
        raise WidgetError("TrainingPlayer: expected a Snapshots, a History, or {name: either} for "
                          f"one run or two, got {got}.")
    return found


def run_state(name: str, run: Snapshots | History) -> dict:
    """One run as plain numbers and text: its curves, and a frame for each moment that was kept."""
    seen = run if isinstance(run, Snapshots) else None
    history = (seen.history or History()) if seen else run
    frames = [frame_state(frame) for frame in seen.frames] if seen else []
    if not history.epoch and not frames:
        raise WidgetError(f"TrainingPlayer: expected a run of at least one epoch, got none in "
                          f"{name!r}; pass the Snapshots to fit as watch=.")
    curves = {key: [rounded(value) for value in getattr(history, key)] for key in MEASURES}
    thumbnails = seen.thumbnails if seen else {}
    texts = {str(k): base64.b64encode(image.tobytes()).decode("ascii")
             for k, image in sorted(thumbnails.items())}
    return {"name": str(name), "epochs": list(history.epoch), **curves, "frames": frames,
            "thumbnails": texts, "size": list(seen.images.shape[2:]) if seen else [0, 0]}


def frame_state(frame) -> dict:
    kernels = frame.kernels
    if kernels is not None:
        sheets = kernels.reshape(-1, *kernels.shape[2:])[:MOST_KERNELS]
        kernels = [[[rounded(value) for value in row] for row in sheet] for sheet in sheets]
    return {"epoch": frame.epoch, "kernels": kernels, "confusion": frame.confusion.tolist(),
            "mistakes": [[k, label, answer, rounded(share)]
                         for k, label, answer, share in frame.mistakes]}


def rounded(value: float) -> float | None:
    """Five digits are enough to draw; None, for JSON, where a run has diverged.

    >>> rounded(0.1234567), rounded(float("nan"))
    (0.12346, None)
    """
    return float(f"{value:.5g}") if math.isfinite(value) else None


def from_text(text: str, size: tuple[int, int]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(size) / 255


# ---- one moment


def epochs_of(run: dict) -> list[int]:
    return [*run["epochs"], *(frame["epoch"] for frame in run["frames"])]


def frame_at(run: dict, epoch: int) -> dict | None:
    """The last frame up to this epoch (the first one, where none is so early)."""
    frames = run["frames"]
    return max([f for f in frames if f["epoch"] <= epoch] or frames[:1],
               key=lambda frame: frame["epoch"], default=None)


def numbers_at(run: dict, epoch: int) -> str:
    """Loss and accuracy after this epoch, in words."""
    last = max(epochs_of(run))
    ended = f"ended after epoch {last}, " if epoch > last else ""
    now = min(epoch, last)
    if now not in run["epochs"]:
        frame = frame_at(run, now)
        return f"{ended}no numbers" if frame is None or frame["epoch"] != now else (
            f"{ended}{share_right(frame['confusion'])} of the images shown are right")
    k = run["epochs"].index(now)
    loss, right, _, held_out = (run[key][k] if k < len(run[key]) else None for key in MEASURES)
    loss = "not finite" if loss is None else f"{math.floor(1000 * loss + 0.5) / 1000:.3f}"
    said = f"{ended}loss {loss}, accuracy {percent(right)}"
    return said if held_out is None else f"{said}, on held-out images {percent(held_out)}"


def share_right(confusion) -> str:
    counts = np.asarray(confusion)
    return percent(np.trace(counts) / counts.sum())


def percent(share: float) -> str:
    """One decimal, halves up, as in the browser: 98.4 %."""
    return f"{math.floor(1000 * share + 0.5) / 10:.1f} %"
