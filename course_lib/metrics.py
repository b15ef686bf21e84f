"""Metrics: numbers about a network's answers, for people.

Imports doors. Classes are numbers: (N,), or one-hot rows (N, K).
"""

from __future__ import annotations

import math

import numpy as np

from course_lib.doors import check_data


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


def class_numbers(labels) -> np.ndarray:
    """(N,) from labels (N,) or (N, 1); of one-hot rows (N, K) the place of the largest."""
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] > 1:
        return labels.argmax(axis=1)
    return labels.reshape(len(labels))
