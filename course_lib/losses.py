"""Losses: logits and labels in, one number and its gradient out.

The mean over the batch is taken here, once and nowhere else. Imports shapes and pointwise.
"""

from __future__ import annotations

import math

import numpy as np

from course_lib.pointwise import log_softmax, sigmoid, stable_sigmoid
from course_lib.shapes import ShapeError, as_floats, nested_shape

HINGES = ("sum", "mean_classes", "crammer")


def softmax_cross_entropy(logits, labels, examples: int | None = None):
    """Minus the logarithm of the probability that softmax gives to the right class.

    loss = mean over n of -log softmax(logits[n])[labels[n]]
    dlogits[n, k] = (softmax(logits[n])[k] - [k == labels[n]]) / N

    Shapes  logits (N, K), labels (N,) integers 0..K-1 -> loss (a float), dlogits (N, K)
    examples: the count to divide by, N by default; give the size of the whole batch where the
    batch comes in parts, and the parts add up.
    >>> loss, dlogits = softmax_cross_entropy(np.zeros((1, 10)), [3])
    >>> round(loss, 6) == round(math.log(10), 6)
    True
    """
    logits, labels, count = check_classes(logits, labels, examples, "softmax_cross_entropy")
    log_p, _ = log_softmax(logits)
    rows = np.arange(len(labels))
    dlogits = np.exp(log_p)
    dlogits[rows, labels] -= 1
    loss = float(-log_p[rows, labels].sum(dtype=np.float64) / count)
    return loss, dlogits / dtype_of(logits, count)


def binary_cross_entropy(logits, targets, examples: int | None = None):
    """Cross-entropy of a sigmoid, from its logits: right where the sigmoid would round to 0 or 1.

    loss = mean over n of max(z, 0) - z*t + log(1 + exp(-|z|));  dlogits = (sigmoid(z) - t) / N

    Shapes  logits (N,) or (N, 1), targets (N,) in [0, 1] -> loss (a float), dlogits like logits
    """
    z, targets, count = check_targets(logits, targets, examples, "binary_cross_entropy")
    losses = np.maximum(z, 0) - z * targets + np.log1p(np.exp(-np.abs(z)))
    loss = float(losses.sum(dtype=np.float64) / count)
    return loss, (sigmoid(z)[0] - targets) / dtype_of(z, count)


def binary_cross_entropy_from_probabilities(probabilities, targets, examples: int | None = None):
    """loss = mean over n of -(t log p + (1 - t) log(1 - p)), p strictly between 0 and 1.

    Prefer binary_cross_entropy on logits. Here dp = (p - t) / (p (1 - p) N).
    """
    who = "binary_cross_entropy_from_probabilities"
    p, targets, count = check_targets(probabilities, targets, examples, who)
    if not np.all((p > 0) & (p < 1)):
        worst = p.flat[int(np.argmax(np.abs(p - 0.5)))]
        raise ValueError(f"{who}: expected probabilities strictly between 0 and 1, got {worst}: "
                         "use binary_cross_entropy on the logits.")
    losses = -(targets * np.log(p) + (1 - targets) * np.log1p(-p))
    loss = float(losses.sum(dtype=np.float64) / count)
    return loss, (p - targets) / (p * (1 - p)) / dtype_of(p, count)


def hinge(logits, labels, kind: str = "sum", examples: int | None = None):
    """How far each wrong score comes within 1 of the right one: m[k] = max(0, 1 + s[k] - s[right]).

    kind "sum"           mean over n of the sum of m over the wrong classes (CS231n)
         "mean_classes"  the same divided by K, wrong and right classes (PyTorch's MultiMarginLoss)
         "crammer"       mean over n of the largest m (Crammer and Singer; scikit-learn)
    Shapes  logits (N, K), labels (N,) -> loss (a float), dlogits (N, K)
    At a kink (m exactly 0) the gradient is taken as 0; of equal largest margins the first counts.
    """
    logits, labels, count = check_classes(logits, labels, examples, "hinge")
    if kind not in HINGES:
        raise ValueError(f"hinge: expected kind to be one of {', '.join(HINGES)}, got {kind!r}.")
    rows = np.arange(len(labels))
    margins = np.maximum(0, 1 + logits - logits[rows, labels][:, None])
    margins[rows, labels] = 0
    active = (margins > 0).astype(logits.dtype)
    if kind == "crammer":
        active *= np.arange(logits.shape[1]) == margins.argmax(axis=1)[:, None]
    scale = count * (logits.shape[1] if kind == "mean_classes" else 1)
    loss = float((margins * active).sum(dtype=np.float64) / scale)
    active[rows, labels] = -active.sum(axis=1)
    return loss, active / dtype_of(logits, scale)


def mean_squared_error(y, targets, examples: int | None = None):
    """loss = mean over n and over the outputs of (y - t)²;  dy = 2 (y - t) / (N * outputs).

    Shapes  y (N, ...), targets the same -> loss (a float), dy like y
    """
    y, targets, count = check_pair(y, targets, examples, "mean_squared_error")
    count *= math.prod(y.shape[1:])
    difference = y - targets
    loss = float((difference * difference).sum(dtype=np.float64) / count)
    return loss, 2 * difference / dtype_of(y, count)


# In pure Python: the loss of the seeds, and what a reader compares with 
def softmax_cross_entropy_by_formula(logits, labels, examples=None):
    """softmax_cross_entropy on nested lists."""
    check_class_shapes(nested_shape(logits), labels, "softmax_cross_entropy")
    loss, dlogits, count = 0.0, [], examples or len(labels)
    for row, label in zip(logits, labels):
        top = max(row)
        log_sum = top + math.log(sum(math.exp(value - top) for value in row))
        loss -= (row[label] - log_sum) / count
        dlogits.append([(math.exp(value - log_sum) - (k == label)) / count
                        for k, value in enumerate(row)])
    return loss, dlogits


def binary_cross_entropy_by_formula(logits, targets, examples=None):
    """binary_cross_entropy on a flat list of logits."""
    count = examples or len(logits)
    loss = sum(max(z, 0) - z * t + math.log1p(math.exp(-abs(z))) for z, t in zip(logits, targets))
    return loss / count, [(stable_sigmoid(z) - t) / count for z, t in zip(logits, targets)]


def hinge_by_formula(logits, labels, kind="sum", examples=None):
    """hinge on nested lists."""
    check_class_shapes(nested_shape(logits), labels, "hinge")
    count = (examples or len(labels)) * (len(logits[0]) if kind == "mean_classes" else 1)
    loss, dlogits = 0.0, []
    for row, label in zip(logits, labels):
        margins = [0.0 if k == label else max(0.0, 1 + s - row[label]) for k, s in enumerate(row)]
        if kind == "crammer":
            largest = margins.index(max(margins))
            margins = [m if k == largest else 0.0 for k, m in enumerate(margins)]
        gradient = [(m > 0) / count for m in margins]
        gradient[label] = -sum(gradient)
        loss += sum(margins) / count
        dlogits.append(gradient)
    return loss, dlogits


def mean_squared_error_by_formula(y, targets, examples=None):
    """mean_squared_error on (N, outputs) nested lists."""
    count = (examples or len(y)) * len(y[0])
    loss = sum((a - b) ** 2 for row, wanted in zip(y, targets) for a, b in zip(row, wanted))
    return loss / count, [[2 * (a - b) / count for a, b in zip(row, wanted)]
                          for row, wanted in zip(y, targets)]


RUNGS = {
    "softmax_cross_entropy": {"formula": softmax_cross_entropy_by_formula,
                              "vectorised": softmax_cross_entropy},
    "binary_cross_entropy": {"formula": binary_cross_entropy_by_formula,
                             "vectorised": binary_cross_entropy},
    "hinge": {"formula": hinge_by_formula, "vectorised": hinge},
    "mean_squared_error": {"formula": mean_squared_error_by_formula,
                           "vectorised": mean_squared_error},
}


# Doors 
def dtype_of(array, number) -> np.floating:
    """`number` in the float type of `array`, so that float32 stays float32."""
    return array.dtype.type(number)


def check_count(examples, n: int, who: str) -> int:
    """The number of examples to divide by: at least the number that came."""
    if n == 0:
        raise ShapeError(f"{who}: expected at least one example, got an empty batch.")
    count = n if examples is None else int(examples)
    if count < 1:
        raise ValueError(f"{who}: expected examples, the count to divide by, >= 1, got {examples}.")
    return count


def check_class_shapes(shape, labels, who: str) -> None:
    """Scores are (N, K) and there are N labels."""
    if len(shape) != 2:
        raise ShapeError(f"{who}: expected logits (N, K), got {shape}.")
    if nested_shape(labels) != shape[:1]:
        raise ShapeError(
            f"{who}: expected labels ({shape[0]},), one class number an image, "
            f"got {nested_shape(labels)}."
        )


def check_classes(logits, labels, examples, who: str):
    """Return logits as floats, labels as integers within 0..K-1, and the count to divide by."""
    (logits,) = as_floats(logits, who=who)
    labels = np.asarray(labels)
    check_class_shapes(logits.shape, labels, who)
    count = check_count(examples, len(labels), who)
    if labels.dtype.kind not in "iu":
        raise ValueError(f"{who}: expected labels to be integers, got {labels.dtype}.")
    K = logits.shape[1]
    if labels.min() < 0 or labels.max() >= K:
        bad = labels[(labels < 0) | (labels >= K)][0]
        raise ValueError(f"{who}: expected labels 0..{K - 1} for {K} classes, got {bad}.")
    return logits, labels, count


def check_pair(y, targets, examples, who: str):
    """Return y and targets of one shape and one float type, and the count to divide by."""
    (y,) = as_floats(y, who=who)
    (targets,) = as_floats(targets, who=who)
    if y.ndim < 1 or y.shape != targets.shape:
        raise ShapeError(f"{who}: expected targets {y.shape}, like the scores, "
                         f"got {targets.shape}.")
    return y, targets.astype(y.dtype), check_count(examples, len(y), who)


def check_targets(logits, targets, examples, who: str):
    """As check_pair, for one output an example: (N, 1) scores take (N,) targets too."""
    targets = np.asarray(targets)
    shape = nested_shape(logits)
    if len(shape) == 2 and shape[1] == 1 and targets.shape == shape[:1]:
        targets = targets[:, None]
    logits, targets, count = check_pair(logits, targets, examples, who)
    if logits.ndim != 1 and logits.shape[1:] != (1,):
        raise ShapeError(f"{who}: expected one score an example, (N,) or (N, 1), "
                         f"got {logits.shape}.")
    if np.any((targets < 0) | (targets > 1)):
        bad = targets[(targets < 0) | (targets > 1)][0]
        raise ValueError(f"{who}: expected targets between 0 and 1, got {bad}.")
    return logits, targets, count
