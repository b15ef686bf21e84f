"""Losses: logits and labels in, one number and its gradient out.

The mean over the batch is taken here, once and nowhere else. Imports doors, formula, pointwise.
"""

from __future__ import annotations

import math

import numpy as np

from course_lib.doors import check_classes, check_kind, check_pair, check_targets
from course_lib.formula import (
    binary_cross_entropy_by_formula, hinge_by_formula, mean_squared_error_by_formula,
    softmax_cross_entropy_by_formula,
)
from course_lib.pointwise import log_softmax, sigmoid


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
    check_kind(kind)
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


RUNGS = {
    "softmax_cross_entropy": {"formula": softmax_cross_entropy_by_formula,
                              "vectorised": softmax_cross_entropy},
    "binary_cross_entropy": {"formula": binary_cross_entropy_by_formula,
                             "vectorised": binary_cross_entropy},
    "hinge": {"formula": hinge_by_formula, "vectorised": hinge},
    "mean_squared_error": {"formula": mean_squared_error_by_formula,
                           "vectorised": mean_squared_error},
}


def dtype_of(array, number) -> np.floating:
    """`number` in the float type of `array`, so that float32 stays float32."""
    return array.dtype.type(number)


