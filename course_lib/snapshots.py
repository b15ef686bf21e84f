"""What a network looked like after every epoch: its first kernels, its confusion, its mistakes.

Imports layers and train; a Snapshots is what `fit(..., watch=...)` calls.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from course_lib.doors import check_images
from course_lib.layers import Conv2D
from course_lib.shapes import as_integer
from course_lib.train import History, confusion_matrix

LARGEST = 32  # rows or columns of an image that is kept


class Mistake(NamedTuple):
    """Image `index` is a `label`, and was read as `answer` with probability `share`."""

    index: int
    label: int
    answer: int
    share: float


class Snapshot(NamedTuple):
    """One moment of a training; kernels (F, C, KH, KW), None where no layer is a Conv2D."""

    epoch: int
    kernels: np.ndarray | None
    confusion: np.ndarray
    mistakes: list[Mistake]


class Snapshots:
    """Look at a network after every epoch: `fit(..., watch=seen)`, then `TrainingPlayer(seen)`.

    images (N, C, H, W), at most 32x32, and labels (N,): held-out examples, read once an epoch.
    mistakes: how many of the surest are kept. `seen(model)` before fit keeps the untrained
    network, as epoch 0. Each moment is a Snapshot in `frames`; `history` is that of the run, and
    `thumbnails` holds the bytes (H, W) of every image among the mistakes. Raises ValueError.
    >>> from course_lib.layers import Dense, Flatten, Softmax
    >>> from course_lib.model import Sequential
    >>> model = Sequential([Flatten(), Dense(4, 2, rng=np.random.default_rng(0)), Softmax()])
    >>> seen = Snapshots(np.zeros((3, 1, 2, 2)), [0, 1, 1])
    >>> seen(model)
    >>> seen
    Snapshots: 3 images, 1 moment, epoch 0 to 0
    """

    def __init__(self, images, labels, *, mistakes: int = 6):
        N, C, H, W = check_images(images, "Snapshots")
        if max(H, W) > LARGEST:
            raise ValueError(f"Snapshots: expected images of at most {LARGEST}x{LARGEST}, which "
                             f"stay small in a notebook, got {H}x{W}; take x[:, :, ::2, ::2].")
        labels = np.asarray(labels)
        if labels.shape != (N,):
            raise ValueError(f"Snapshots: expected {N} labels, one an image, got {labels.shape}.")
        self.images, self.labels = np.asarray(images), labels
        self.mistakes = as_integer(mistakes, "mistakes", "Snapshots", minimum=0)
        self.history: History | None = None
        self.frames: list[Snapshot] = []
        self.thumbnails: dict[int, np.ndarray] = {}

    def __call__(self, model, history: History | None = None) -> None:
        """Keep one moment; fit calls this after every epoch."""
        if model.output != "softmax":
            raise ValueError("Snapshots: expected a network that ends in Softmax(), got "
                             f"{model.output or 'logits'}.")
        if history is not None and self.history is not None and history is not self.history:
            raise ValueError("Snapshots: each run needs its own, and this one has seen another "
                             "run; make a new Snapshots(images, labels).")
        self.history = self.history if history is None else history
        epoch = history.epoch[-1] if history is not None and history.epoch else 0
        self.frames.append(self.look(model, epoch))

    def look(self, model, epoch: int) -> Snapshot:
        with np.errstate(invalid="ignore"):  # a run that diverged is worth looking at too
            shares = model.predict_proba(self.images)
        answers, sure = shares.argmax(axis=1), shares.max(axis=1)
        wrong = np.flatnonzero(answers != self.labels)
        wrong = wrong[np.argsort(-sure[wrong], kind="stable")][: self.mistakes]
        for k in wrong:
            grey = self.images[k].mean(axis=0)
            self.thumbnails[int(k)] = np.rint(np.clip(grey, 0, 1) * 255).astype(np.uint8)
        first = next((layer for layer in model.layers if isinstance(layer, Conv2D)), None)
        return Snapshot(
            epoch, None if first is None else first.weight.data.copy(),
            confusion_matrix(self.labels, answers, shares.shape[1]),
            [Mistake(int(k), int(self.labels[k]), int(answers[k]), float(sure[k])) for k in wrong])

    def __repr__(self) -> str:
        count = f"{len(self.frames)} moment{'s' * (len(self.frames) != 1)}"
        ends = f", epoch {self.frames[0].epoch} to {self.frames[-1].epoch}" if self.frames else ""
        return f"Snapshots: {len(self.images):,} images, {count}{ends}"
