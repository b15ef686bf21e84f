"""What the kernel editor does to a kernel: turn it, compare it with each window; drawn shapes.

Pure functions on arrays; imports NumPy only.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def rotated(kernel: np.ndarray, eighths: int) -> np.ndarray:
    """Turned clockwise by eighths of a full turn: each ring moves on; two are np.rot90(.., -1).

    >>> rotated(np.array([[1, 2, 3], [8, 0, 4], [7, 6, 5]]), 1)
    array([[8, 1, 2],
           [7, 0, 3],
           [6, 5, 4]])
    """
    result, middle = kernel.copy(), len(kernel) // 2
    for r in range(1, middle + 1):
        side = np.arange(2 * r)
        first, last = middle - r, middle + r
        rows = np.concatenate([0 * side + first, first + side, 0 * side + last, last - side])
        columns = np.concatenate([first + side, 0 * side + last, last - side, 0 * side + first])
        result[np.roll(rows, -eighths * r), np.roll(columns, -eighths * r)] = kernel[rows, columns]
    return result


def normalised_response(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Normalised cross-correlation, from -1 to 1; 0 where window or kernel is constant.

    >>> image = np.arange(9.0).reshape(3, 3)
    >>> normalised_response(image, 5 * image + 2).round(6)
    array([[1.]])
    """
    windows = sliding_window_view(image, kernel.shape)
    windows = windows - windows.mean(axis=(2, 3), keepdims=True)
    kernel = kernel - kernel.mean()
    lengths = np.sqrt((windows**2).sum(axis=(2, 3))) * np.sqrt((kernel**2).sum())
    products = (windows * kernel).sum(axis=(2, 3))
    return np.where(lengths < 1e-9, 0, products / np.maximum(lengths, 1e-9))


def drawn_shapes() -> dict[str, np.ndarray]:
    """Shapes of 28×28 pixels, 1 on 0: what an edge looks like where one knows it."""
    i, j = np.indices((28, 28))
    return {name: shape.astype(float) for name, shape in {
        "square": (abs(i - 13.5) < 7) & (abs(j - 13.5) < 7),
        "disc": (i - 13.5) ** 2 + (j - 13.5) ** 2 < 64,
        "cross": ((abs(i - 13.5) < 2) | (abs(j - 13.5) < 2)) & (abs(i - 13.5) < 10)
        & (abs(j - 13.5) < 10),
        "stripes": (i + j) % 8 < 4,
    }.items()}
