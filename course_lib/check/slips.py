"""Slips of every task that loops over images and windows, as changes of its right answer y.

y (N, F, OH, OW) or (N, C, OH, OW), a copy that may be written to; imports only NumPy.
"""

import numpy as np


def returned_early(y):
    """Yield what is there when `return` stands in the loop over filters, rows or columns."""
    for depth in (2, 3, 4):
        kept, first = np.zeros_like(y), (0,) * depth
        kept[first] = y[first]
        yield kept


def carried_on(y, add=np.cumsum):
    """Yield the totals when they are not set back for each number, row, map or image.

    add: np.cumsum, or np.maximum.accumulate for the largest so far.
    """
    for axes in (1, 2, 3, 4):
        flat = y.reshape(*y.shape[: y.ndim - axes], -1)
        yield add(flat, axis=-1).reshape(y.shape)


def each(changes, count):
    """Return `count` functions: y -> the first, second, ... of changes(y)."""
    return tuple(lambda y, n=n: list(changes(y))[n] for n in range(count))


RETURNED_EARLY = each(returned_early, 3)
CARRIED_ON = each(carried_on, 4)


def looped(y, rows, columns):
    """Loops over `rows` and `columns` in place of OH and OW: an IndexError, or zeros behind."""
    if rows > y.shape[2] or columns > y.shape[3]:
        raise IndexError("index is out of bounds")
    y[:, :, rows:] = y[:, :, :, columns:] = 0
    return y


def product_sum(window, weight, n, f):
    return (window * weight[f]).sum()


def matrix_product(window, weight, n, f):
    return (window @ weight[f]).sum()


def first_matrix_product(window, weight, n, f):
    return np.dot(window[0], weight[f, 0]).sum()


def filter_of_the_image(window, weight, n, f):
    return (window * weight[n]).sum()


def all_filters(window, weight, n, f):
    return (window * weight).sum()


def cut(image, weight, bias, shape, rows, columns, combine=product_sum, loops=None):
    """Cut image[n, :, rows(i), columns(j)] out as slices and combine each with the weights.

    rows(i), columns(j) -> (start, stop); a slice ends at the border without a word, and what NumPy
    cannot broadcast is a ValueError. loops: how far i and j run, where that is not y's shape.
    """
    N, F = len(image), len(weight)
    y = np.zeros((N, F, *shape), image.dtype)
    for n, f, i, j in np.ndindex(N, F, *(loops or shape)):
        window = image[n, :, slice(*rows(i)), slice(*columns(j))]
        y[n, f, i, j] = combine(window, weight, n, f) + bias[f]
    return y
