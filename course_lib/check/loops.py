"""A convolution's loops as students write them: with NumPy's own answer to an index that is wrong.

`convolution` makes its wrong variants of these readers; they import only NumPy.
"""

import numpy as np


class Stops(Exception):
    """Raised by a variant that ends with an error, whichever."""


def output_size(size: int, kernel_size: int, stride: int, padding: int) -> int:
    """Return OH for H and KH; as the formula says, not refused where it is 0 or negative."""
    return (size + 2 * padding - kernel_size) // stride + 1


def offsets(count: int, kernel_size: int, stride: int = 1, start: int = 0) -> np.ndarray:
    """Return (count, kernel_size): window i reads the rows start + i*stride + u.

    >>> offsets(2, 3, stride=2, start=-1).tolist()
    [[-1, 0, 1], [1, 2, 3]]
    """
    if count < 0:
        raise ValueError("negative dimensions are not allowed")  # as np.zeros says
    return start + np.arange(count)[:, None] * stride + np.arange(kernel_size)


def zero_padded(x: np.ndarray, padding: int) -> np.ndarray:
    """Return x (N, C, H, W) with `padding` rows and columns of zeros on each side."""
    return np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))


def pixels(x, weight, bias, rows, columns):
    """Read pixel by pixel: the sum of weight[f, c, u, v] * x[n, c, rows[i, u], columns[j, v]].

    Index −1 is the last row, and an index beyond the end is an IndexError: of x, and of weight.
    """
    (OH, KH), (OW, KW) = rows.shape, columns.shape
    if OH == 0 or OW == 0:
        return np.zeros((len(x), len(weight), OH, OW), x.dtype)
    kernel = weight[:, :, np.arange(KH)[:, None], np.arange(KW)]
    windows = x[:, :, rows[:, :, None, None], columns]  # (N, C, OH, KH, OW, KW)
    return np.einsum("nciujv,fcuv->nfij", windows, kernel) + bias[:, None, None]


def slices(x, weight, bias, rows, columns):
    """Cut each window out as a slice, which ends at the border, and multiply by `weight`.

    A window that was cut short is a ValueError, unless NumPy can broadcast it.
    """
    y = np.zeros((len(x), len(weight), len(rows), len(columns)), x.dtype)
    for i, j in np.ndindex(y.shape[2:]):
        y[:, :, i, j] = (_window(x, rows[i], columns[j])[:, None] * weight).sum((2, 3, 4)) + bias
    return y


def whole_windows(x, weight, bias, rows, columns):
    """Cut out slices and refuse each that has not the kernel's shape, as np.tensordot does."""
    for i, j in np.ndindex(len(rows), len(columns)):
        if _window(x, rows[i], columns[j]).shape[1:] != weight.shape[1:]:
            raise ValueError("shape-mismatch for sum")
    return slices(x, weight, bias, rows, columns)


def _window(x, rows, columns):
    top, left = int(rows[0]), int(columns[0])
    return x[:, :, top : top + len(rows), left : left + len(columns)]


READERS = (pixels, slices, whole_windows)
