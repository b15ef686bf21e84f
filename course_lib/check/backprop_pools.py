"""What the checks of the gradients of both pools know, and how they go wrong.

Only `course_lib.check.backprop` imports this module; it uses the library's operations.
"""

import numpy as np

from course_lib.check.backprop_layers import ADDRESS, GATES, PATHS_ADD, numbers
from course_lib.check.loops import Stops
from course_lib.check.tasks import Case, Mistake, Task
from course_lib.pool import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward


def max_right(dy, x, kernel_size, stride):
    return max_pool2d_backward(dy, max_pool2d(x, kernel_size, stride)[1])


def avg_right(dy, x, kernel_size, stride):
    return avg_pool2d_backward(dy, avg_pool2d(x, kernel_size, stride)[1])


def _pool_case(shape, kernel_size, stride, dtype=np.float64, scale=1.0, shift=0.0):
    size = [(n - kernel_size) // stride + 1 for n in shape[2:]]
    seed = sum(shape) + 29 * kernel_size + 17 * stride
    x = numbers(shape, seed, dtype, scale) + np.dtype(dtype).type(shift)
    return Case((numbers((*shape[:2], *size), seed + 1, dtype, scale), x, kernel_size, stride))


PEAK = np.zeros((1, 1, 5, 5))
PEAK[0, 0, 2, 2] = 9
LESSON = np.array([[1.0, 3, 2, 4], [5, 6, 1, 2], [7, 2, 3, 1], [4, 8, 5, 6]])
FOUR = np.array([[[[1.0, 2], [3, 4]]]])
POOL_CASES = (
    Case((FOUR, LESSON[None, None], 2, 2)),
    Case((np.array([[[[4.0]]]]), np.array([[[[3.0, 3], [1, 3]]]]), 2, 2)),
    Case((FOUR, PEAK, 3, 2)),
    _pool_case((1, 1, 3, 4), 2, 1, shift=-6.0),  # all pixels are negative
    _pool_case((1, 1, 4, 5), 2, 2),
    _pool_case((1, 1, 5, 4), 2, 3),  # pixels between the windows
    _pool_case((1, 2, 3, 3), 2, 1),
    _pool_case((2, 1, 3, 2), 2, 1, shift=0.5),
    _pool_case((2, 3, 5, 7), 3, 2, np.float32),
    _pool_case((3, 2, 6, 4), 2, 2, np.float64, 0.37, -0.9),
    _pool_case((2, 2, 7, 5), 3, 1, np.float32, 0.37, -2.0),
)


def walking(share, *, replace=False, stride_of=None, at=None, whole=False):
    """Return the variant that walks over all windows and hands out share(window, dy of it).

    replace: = instead of +=. stride_of(kernel_size, stride): how far windows move.
    at(i, j, top, left): where the share is written. whole: an IndexError beyond the border.
    """

    def variant(dy, x, kernel_size, stride):
        K, dx = kernel_size, np.zeros_like(x)
        step = stride_of(kernel_size, stride) if stride_of else stride
        for n, c, i, j in np.ndindex(*dy.shape):
            top, left = i * step, j * step
            window = x[n, c, top : top + K, left : left + K]
            handed = share(window, dy[n, c, i, j])
            row, column = at(i, j, top, left) if at else (top, left)
            target = dx[n, c, row : row + K, column : column + K]
            if target.shape != handed.shape or whole and window.shape != (K, K):
                raise IndexError("index is out of bounds")
            if replace == "winner":
                target[handed != 0] = handed[handed != 0]
            elif replace:
                target[...] = handed
            else:
                target += handed
        return dx

    return variant


def _marked(window, place):
    mark = np.zeros(window.size)
    if window.size:
        mark[place] = 1
    return mark.reshape(window.shape)


def first_winner(window, g):
    return _marked(window, window.argmax() if window.size else 0) * g


def _last_winner(window, g):
    return _marked(window, window.size - 1 - window.ravel()[::-1].argmax()) * g


def every_tie(window, g):
    return (window == window.max(initial=-np.inf)) * g


def _shared_by_ties(window, g):
    ties = window == window.max(initial=-np.inf)
    return ties * g / max(ties.sum(), 1)


def _transposed_winner(window, g):
    """argmax, and then its row and column swapped."""
    return first_winner(window, g).T if window.shape[0] == window.shape[1] else window


def _found_column_by_column(window, g):
    return first_winner(np.ascontiguousarray(window.T), g).T


def _smallest(window, g):
    return _marked(window, window.argmin()) * g


def _largest_size(window, g):
    return _marked(window, np.abs(window).argmax()) * g


def _above_zero(window, g):
    """best = 0 to begin with: a window without a positive pixel has no winner."""
    return first_winner(window, g) * (window > 0)


def _above_zero_first(window, g):
    """best = 0 to begin with: without a positive pixel, the first one wins."""
    return first_winner(np.maximum(window, 0), g)


def _all(window, g):
    return np.full(window.shape, g)


def _equal_parts(window, g):
    return np.full(window.shape, g / max(window.size, 1))


def _times_value(share):
    return lambda window, g: share(window, g) * window


def changed(right, change):
    """Return the variant change(dx, dy, x, kernel_size, stride) of the right dx."""

    def variant(*arguments):
        return change(right(*arguments), *arguments)

    return variant


def _with_dy(right, change):
    def variant(dy, *rest):
        return right(change(dy), *rest)

    return variant


def _dy_transposed(right):
    def variant(dy, *rest):
        if dy.shape[2] != dy.shape[3]:
            raise Stops
        return right(dy.swapaxes(2, 3), *rest)

    return variant


def _last_left_out(dy):
    dy = dy.copy()
    dy[:, :, -1, :] = dy[:, :, :, -1] = 0
    return dy


def _first_only(axis):
    def change(dx, *_):
        kept = np.zeros_like(dx)
        kept[(slice(None),) * axis + (0,)] = dx.take(0, axis)
        return kept

    return change


def _added_up(axis):
    return lambda dx, *_: np.repeat(dx.sum(axis, keepdims=True), dx.shape[axis], axis)


def _repeated(share_of):
    """np.repeat along both axes: right for windows next to each other that fill the image."""

    def variant(dy, x, kernel_size, stride):
        dx = (dy * share_of(kernel_size)).repeat(kernel_size, 2).repeat(kernel_size, 3)
        return dx

    return variant


def _by_overlap(dx, dy, x, kernel_size, stride):
    count = walking(lambda window, g: np.ones(window.shape))(dy, x, kernel_size, stride)
    return dx / np.maximum(count, 1)


def _common(right, share):
    """The mistakes that both pools have."""
    return (
        Mistake(
            "replaced instead of added",
            "a pixel in several windows keeps only what the last one hands back. Where paths meet "
            "they add: += instead of =.",
            walking(share, replace=True), ADDRESS, (walking(share, replace="winner"),),
        ),
        Mistake(
            "windows next to each other",
            "your windows lie next to each other: they move by kernel_size. They move by the "
            "stride: window (i, j) begins at row i * stride.",
            walking(share, stride_of=lambda kernel_size, stride: kernel_size), ADDRESS,
            (walking(share, stride_of=lambda kernel_size, stride: kernel_size, whole=True),
             _stops_where_windows_overlap(right)),
        ),
        Mistake(
            "stride ignored",
            "your windows move by one pixel each time. Window (i, j) begins at row i * stride and "
            "column j * stride.",
            walking(share, stride_of=lambda kernel_size, stride: 1), ADDRESS,
        ),
        Mistake(
            "written into the first window",
            "everything lands in the first window: the place inside the window is used as a place "
            "in the image. Add the window's beginning, i * stride and j * stride.",
            walking(share, at=lambda i, j, top, left: (0, 0)), ADDRESS,
        ),
        Mistake(
            "rows and columns swapped",
            "rows and columns of the windows are swapped: dy[n, c, i, j] belongs to the window at "
            "row i * stride and column j * stride.",
            _dy_transposed(right), ADDRESS,
        ),
        Mistake(
            "first channel only",
            "only the first channel gets its gradient. Every channel is pooled by itself: loop "
            "over c, too.",
            changed(right, _first_only(1)), ADDRESS,
        ),
        Mistake(
            "first image only",
            "only the first image of the batch gets its gradient. Loop over n, too.",
            changed(right, _first_only(0)), ADDRESS,
        ),
        Mistake(
            "channels added up",
            "every channel holds the sum over all channels. Pooling never mixes channels.",
            changed(right, _added_up(1)), ADDRESS,
        ),
        Mistake(
            "images added up",
            "the images of the batch are added up. Each has pixels of its own: dx[n].",
            changed(right, _added_up(0)), ADDRESS,
        ),
        Mistake(
            "divided by the number of images",
            "dx is divided by N, the number of images. The mean is taken once, in the loss, and "
            "its 1/N is in dy already.",
            changed(right, lambda dx, dy, *_: dx / len(dy)), GATES,
        ),
        Mistake(
            "divided by the overlap",
            "pixels in several windows get the mean of what comes back. Paths that meet add.",
            changed(right, _by_overlap), ADDRESS,
        ),
        Mistake(
            "dy ignored",
            "dy is not used: this is right only if every upstream gradient is 1. Multiply by dy.",
            _with_dy(right, np.ones_like), ADDRESS,
        ),
        Mistake(
            "last windows left out",
            "the last row and the last column of windows are never visited. Do your loops end one "
            "step early?",
            _with_dy(right, _last_left_out), ADDRESS,
        ),
        Mistake(
            "multiplied by the value",
            "dy is multiplied by the pixel's value. The slope does not depend on how large the "
            "pixel is.",
            walking(_times_value(share)), ADDRESS,
        ),
        Mistake(
            "sign", "all signs are wrong. The gradient says where the loss rises; the minus comes "
            "in the step, not here.", changed(right, lambda dx, *_: -dx), PATHS_ADD,
        ),
        Mistake(
            "all zeros", "every number of dx is 0: nothing was added into it.",
            changed(right, lambda dx, *_: 0 * dx), ADDRESS,
        ),
    )


def _stops_where_windows_overlap(right):
    def variant(dy, x, kernel_size, stride):
        if kernel_size != stride:
            raise Stops
        return right(dy, x, kernel_size, stride)

    return variant


MAX_MISTAKES = (
    Mistake(
        "every tie gets all",
        "where several pixels share the maximum each of them gets the whole gradient, so that "
        "more comes out than came in. Only the first one, read row by row, gets it.",
        walking(every_tie), ADDRESS, (walking(every_tie, replace="winner"),),
    ),
    Mistake(
        "ties share",
        "where several pixels share the maximum they share the gradient. That keeps the sum and "
        "would do; this course gives all of it to the first one, as PyTorch does.",
        walking(_shared_by_ties), ADDRESS,
    ),
    Mistake(
        "last winner",
        "of equal maxima the last one gets the gradient. Here the first one wins, read row by row "
        "(> instead of >=).",
        walking(_last_winner), ADDRESS,
    ),
    Mistake(
        "first by columns",
        "of equal maxima the first one read column by column gets the gradient. Read row by row.",
        walking(_found_column_by_column), ADDRESS,
    ),
    Mistake(
        "address transposed",
        "row and column of the winner are swapped. argmax counts row by row: divide by the "
        "window's width, the quotient is the row.",
        walking(_transposed_winner), ADDRESS,
    ),
    Mistake(
        "everybody gets it",
        "every pixel of a window gets the whole gradient. Only the winner moved the output.",
        walking(_all), ADDRESS,
    ),
    Mistake(
        "shared equally",
        "the gradient is shared by all pixels of a window. That is average pooling; of a maximum "
        "only the winner moved the output.",
        walking(_equal_parts), ADDRESS,
    ),
    Mistake(
        "smallest",
        "the smallest pixel gets the gradient. The pool took the largest.",
        walking(_smallest), ADDRESS,
    ),
    Mistake(
        "largest without sign",
        "the pixel farthest from 0 gets the gradient. The pool took the largest: −5 is less "
        "than 1.",
        walking(_largest_size), ADDRESS,
    ),
    Mistake(
        "nothing below zero",
        "a window without a positive pixel is treated wrongly. Does your search for the maximum "
        "begin with 0? It must begin with a pixel of the window or with -np.inf.",
        walking(_above_zero), ADDRESS, (walking(_above_zero_first),),
    ),
    Mistake(
        "maximum instead of dy",
        "the maximum itself is put back at its address. What goes back is dy.",
        walking(lambda window, g: first_winner(window, window.max(initial=-np.inf))), ADDRESS,
    ),
    Mistake(
        "written at the output's place",
        "the gradient is handed back at row i and column j of the output. The window began at row "
        "i * stride and column j * stride of the image.",
        walking(first_winner, at=lambda i, j, top, left: (i, j)), ADDRESS,
    ),
    *_common(max_right, first_winner),
)

AVG_MISTAKES = (
    Mistake(
        "not divided",
        "every pixel of a window gets the whole gradient. Its share in the mean was 1/K², and so "
        "is its share of dy.",
        walking(_all), ADDRESS, (_repeated(lambda K: 1),),
    ),
    Mistake(
        "divided by K",
        "dy is divided by the side of the window. K · K pixels were averaged: divide by K².",
        walking(lambda window, g: _all(window, g / max(len(window), 1))), ADDRESS,
        (_repeated(lambda K: 1 / K),),
    ),
    Mistake(
        "divided by the number of outputs",
        "dy is divided by the number of outputs. Divide by the number of pixels in a window, K².",
        lambda dy, *rest: walking(_all)(dy / dy[0, 0].size, *rest), ADDRESS,
    ),
    Mistake(
        "divided by the image",
        "dy is divided by the number of pixels of the whole image. Divide by the number of pixels "
        "in a window, K².",
        lambda dy, x, *rest: walking(_all)(dy / x[0, 0].size, x, *rest), ADDRESS,
    ),
    Mistake(
        "multiplied by K²",
        "dy is multiplied by K² instead of divided by it.",
        lambda dy, x, K, stride: walking(_all)(dy * K * K, x, K, stride), ADDRESS,
    ),
    Mistake(
        "divided twice",
        "dy is divided by K² twice.",
        lambda dy, x, K, stride: avg_right(dy / (K * K), x, K, stride), ADDRESS,
    ),
    Mistake(
        "only the largest",
        "only the largest pixel of a window gets the gradient. That is max pooling; here every "
        "pixel had a share.",
        walking(first_winner), ADDRESS,
    ),
    Mistake(
        "only the first pixel",
        "only the upper left pixel of a window gets something. Every pixel had a share.",
        walking(lambda window, g: _marked(window, 0) * g), ADDRESS,
        (walking(lambda window, g: _marked(window, 0) * g / max(window.size, 1)),),
    ),
    Mistake(
        "windows that fill the image only",
        "dy is blown up by repeating its numbers. That fits windows next to each other that fill "
        "the image; others overlap, leave gaps, or leave out the last rows.",
        _repeated(lambda K: 1 / K**2), ADDRESS,
    ),
    *_common(avg_right, _equal_parts),
)

POOL = {
    "argument_names": ("dy", "x", "kernel_size", "stride"), "result_name": "dx",
    "cases": POOL_CASES, "section": ADDRESS, "shape_rule": "the shape of x, (N, C, H, W)",
}
MAX_POOL2D_BACKWARD = Task(
    id="ex05_backpropagation/max_pool2d_backward", function_name="my_max_pool2d_backward",
    reference=max_right, mistakes=MAX_MISTAKES, **POOL,
)
AVG_POOL2D_BACKWARD = Task(
    id="ex05_backpropagation/avg_pool2d_backward", function_name="my_avg_pool2d_backward",
    reference=avg_right, mistakes=AVG_MISTAKES, **POOL,
)
