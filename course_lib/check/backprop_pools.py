"""What the checks of the gradients of both pools know, and how they go wrong.

Only `course_lib.check.backprop` imports this module; it uses the library's operations.
"""

import numpy as np

from course_lib.check.backprop_layers import ADDRESS, GATES, PATHS_ADD, numbers, whole
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


def walking(share, *, replace=False, stride_of=None, at=None, complete=False, size_of=None):
    """Return the variant that walks over all windows and hands out share(window, dy of it).

    replace: = instead of +=. stride_of, size_of(kernel_size, stride): how far windows move, how
    large they are. at(i, j, top, left): where the share is written. complete: an IndexError beyond
    the border.
    """

    def variant(dy, x, kernel_size, stride):
        K, dx = size_of(kernel_size, stride) if size_of else kernel_size, np.zeros_like(x)
        step = stride_of(kernel_size, stride) if stride_of else stride
        for n, c, i, j in np.ndindex(*dy.shape):
            top, left = i * step, j * step
            window = x[n, c, top : top + K, left : left + K]
            handed = share(window, dy[n, c, i, j])
            row, column = at(i, j, top, left) if at else (top, left)
            target = dx[n, c, row : row + K, column : column + K]
            if target.shape != handed.shape or complete and window.shape != (K, K):
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


def _first_window(dy):
    """The return stands inside the loop over windows, of all images or of the first one."""
    dy, only = np.zeros_like(dy), dy[0, 0, 0, 0]
    dy[0, 0, 0, 0] = only
    return dy


def _first_windows(dy):
    first = np.zeros_like(dy)
    first[:, :, 0, 0] = dy[:, :, 0, 0]
    return first


def as_many_columns_as_rows(dy):
    """range(OH) for both: an IndexError, or columns that are never visited."""
    if dy.shape[2] > dy.shape[3]:
        raise IndexError("index is out of bounds")
    dy = dy.copy()
    dy[:, :, :, dy.shape[2] :] = 0
    return dy


def as_many_rows_as_columns(dy):
    return as_many_columns_as_rows(dy.swapaxes(2, 3)).swapaxes(2, 3)


def _of_dys_shape(dy, x, kernel_size, stride):
    """dx = np.zeros_like(dy): most places are beyond its end."""
    dx = np.zeros_like(dy)
    for n, c, i, j in np.ndindex(*dy.shape):
        top, left = i * stride, j * stride
        window = x[n, c, top : top + kernel_size, left : left + kernel_size]
        u, v = divmod(int(window.argmax()), kernel_size)
        dx[n, c, top + u, left + v] += dy[n, c, i, j]
    return dx


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


def _common(right, share, sized):
    """The mistakes that both pools have; sized(size_of, ...) walks with windows of another size."""
    return (
        Mistake(
            "replaced instead of added",
            "a pixel in several windows keeps only what the last one hands back. Where paths meet "
            "they add: += instead of =.",
            walking(share, replace=True), ADDRESS, (walking(share, replace="winner"),),
        ),
        Mistake(
            "window too small",
            "your windows are one row and one column too small. A slice ends before its stop: it "
            "goes from i * stride to i * stride + kernel_size.",
            sized(lambda K, stride: K - 1), ADDRESS,
        ),
        Mistake(
            "window too large",
            "your windows are one row and one column too large. A slice ends before its stop: it "
            "goes from i * stride to i * stride + kernel_size.",
            sized(lambda K, stride: K + 1), ADDRESS,
            (sized(lambda K, stride: K + 1, complete=True),),
        ),
        Mistake(
            "window as large as the stride",
            "your windows are as wide as the stride. They begin at i * stride and are kernel_size "
            "pixels wide and high.",
            sized(lambda K, stride: stride), ADDRESS,
        ),
        Mistake(
            "windows next to each other",
            "your windows lie next to each other: they move by kernel_size. They move by the "
            "stride: window (i, j) begins at row i * stride.",
            walking(share, stride_of=lambda kernel_size, stride: kernel_size), ADDRESS,
            (walking(share, stride_of=lambda kernel_size, stride: kernel_size, complete=True),
             _stops_where_windows_overlap(right)),
        ),
        Mistake(
            "stride ignored",
            "your windows move by one pixel each time. Window (i, j) begins at row i * stride and "
            "column j * stride.",
            walking(share, stride_of=lambda kernel_size, stride: 1), ADDRESS,
            (walking(share, stride_of=lambda kernel_size, stride: 1, replace=True),
             walking(share, stride_of=lambda kernel_size, stride: 1, replace="winner")),
        ),
        Mistake(
            "stride always 2",
            "your windows always move by 2. They move by `stride`.",
            walking(share, stride_of=lambda kernel_size, stride: 2), ADDRESS,
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
            (changed(right, lambda dx, dy, *_: dx / (dy.shape[0] * dy.shape[1])),
             changed(right, lambda dx, dy, *_: dx / dy.shape[1])),
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
            "negative dy cut off",
            "negative numbers of dy are not handed back. A gradient may be negative, and a pool "
            "has no gate.",
            _with_dy(right, lambda dy: np.maximum(dy, 0)), GATES,
        ),
        Mistake(
            "begun with x",
            "dx begins as a copy of x, which is still in it. Begin with zeros: np.zeros_like(x).",
            changed(right, lambda dx, dy, x, *_: dx + x), ADDRESS,
            (changed(right, lambda dx, *_: dx + 1),),
        ),
        Mistake(
            "first window only",
            "only the first window hands something back. Is the return inside the loop?",
            _with_dy(right, _first_window), ADDRESS, (_with_dy(right, _first_windows),),
        ),
        Mistake(
            "one range for both",
            "rows and columns of windows are counted with the same range. There are OH rows and "
            "OW columns, dy.shape[2] and dy.shape[3].",
            _with_dy(right, as_many_columns_as_rows), ADDRESS,
            (_with_dy(right, as_many_rows_as_columns),),
        ),
        Mistake(
            "last windows left out",
            "the last row and the last column of windows are never visited. Do your loops end one "
            "step early?",
            _with_dy(right, _last_left_out), ADDRESS,
        ),
        Mistake(
            "multiplied by the value",
            "dy is multiplied by pixels of x. The slope does not depend on how large they are.",
            walking(_times_value(share)), ADDRESS,
            (walking(lambda window, g: share(window, g) * window.mean()),
             walking(lambda window, g: np.full(window.shape, g * window.mean())),
             changed(right, lambda dx, dy, x, *_: dx * x)),
        ),
        whole(right, walking(lambda window, g: np.floor(share(window, g))),
              walking(lambda window, g: np.trunc(share(window, g)))),
        Mistake(
            "sign", "all signs are wrong. The gradient says where the loss rises; the minus comes "
            "in the step, not here.", changed(right, lambda dx, *_: -dx), PATHS_ADD,
            (walking(lambda window, g: -share(window, g), replace=True),),
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


def _first_along(window, axis):
    """Mark the first maximum of each row (axis 1) or column (axis 0)."""
    places = np.arange(window.shape[axis])
    places = places if axis else places[:, None]
    return places == np.expand_dims(window.argmax(axis), axis) if window.size else window


def _numbered(address_of, inside=True):
    """Return the variant that writes at address_of(argmax, kernel_size, stride) of the window."""

    def variant(dy, x, kernel_size, stride):
        dx, K = np.zeros_like(x), kernel_size
        for n, c, i, j in np.ndindex(*dy.shape):
            top, left = i * stride, j * stride
            k = int(x[n, c, top : top + K, left : left + K].argmax())
            row, column = address_of(k, kernel_size, stride)
            if inside:
                row = top + row
                column = column if isinstance(column, slice) else left + column
            dx[n, c, row, column] += dy[n, c, i, j]
        return dx

    return variant


def _to_the_largest(dy, x):
    dx = np.zeros_like(x)
    for n, c in np.ndindex(*x.shape[:2]):
        dx[n, c][np.unravel_index(x[n, c].argmax(), x[n, c].shape)] = dy[n, c].sum()
    return dx


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
        walking(_last_winner), ADDRESS, (walking(_last_winner, replace="winner"),),
    ),
    Mistake(
        "one of each row",
        "of equal maxima one in each row, or in each column, gets the gradient. Only one pixel of "
        "the window does: the first, read row by row.",
        walking(lambda window, g: every_tie(window, g) * _first_along(window, 1)), ADDRESS,
        (walking(lambda window, g: every_tie(window, g) * _first_along(window, 0)),),
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
        (walking(lambda window, g: -_transposed_winner(window, g)),),
    ),
    Mistake(
        "divided by another width",
        "the number that argmax gives is divided by the stride. It counts the pixels of a window "
        "row by row: divide by the window's width, kernel_size.",
        _numbered(lambda k, kernel_size, stride: divmod(k, stride)), ADDRESS,
    ),
    Mistake(
        "number as address",
        "the number that argmax gives is used as a row of the image. It counts the pixels of the "
        "window: make a row and a column of it, and add where the window begins.",
        _numbered(lambda k, kernel_size, stride: (k, slice(None)), inside=False), ADDRESS,
        (_numbered(lambda k, kernel_size, stride: (k, slice(None))),
         _numbered(lambda k, kernel_size, stride: (k, k)),
         _numbered(lambda k, kernel_size, stride: (k, k), inside=False)),
    ),
    Mistake(
        "dx with the shape of dy",
        "dx has the shape of dy. It has the shape of x: one gradient for each pixel.",
        _of_dys_shape, ADDRESS,
    ),
    Mistake(
        "maximum of the image",
        "the maximum of the whole image gets every gradient. Cut the window out first.",
        lambda dy, x, kernel_size, stride: _to_the_largest(dy, x), ADDRESS,
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
    *_common(max_right, first_winner, lambda size_of, **how: walking(
        first_winner, size_of=size_of, **how)),
)

def _without_new_axes(dy, x, kernel_size, stride):
    """(N, C) meets (N, C, K, K): right for one image with one channel, else wrong or an error."""
    dx, K = np.zeros_like(x), kernel_size
    for i, j in np.ndindex(*dy.shape[2:]):
        top, left = i * stride, j * stride
        dx[:, :, top : top + K, left : left + K] += dy[:, :, i, j] / K**2
    return dx


def _shares_of_another_size(size_of, **how):
    def variant(dy, x, kernel_size, stride):
        return walking(_all, size_of=size_of, **how)(dy / kernel_size**2, x, kernel_size, stride)

    return variant


def _repeated_by_stride(dy, x, kernel_size, stride):
    return dy.repeat(stride, 2).repeat(stride, 3) / kernel_size**2


AVG_MISTAKES = (
    Mistake(
        "not divided",
        "every pixel of a window gets the whole gradient. Its share in the mean was 1/K², and so "
        "is its share of dy.",
        walking(_all), ADDRESS, (_repeated(lambda K: 1), walking(_all, replace=True),
                                 walking(_all, stride_of=lambda K, stride: 1)),
    ),
    Mistake(
        "divided by K",
        "dy is divided by the side of the window. K · K pixels were averaged: divide by K².",
        walking(lambda window, g: _all(window, g / max(len(window), 1))), ADDRESS,
        (_repeated(lambda K: 1 / K),),
    ),
    Mistake(
        "divided by the stride",
        "dy is divided by the stride or its square. Divide by the number of pixels in a window, "
        "kernel_size².",
        lambda dy, x, K, stride: walking(_all)(dy / stride**2, x, K, stride), ADDRESS,
        (lambda dy, x, K, stride: walking(_all)(dy / stride, x, K, stride),),
    ),
    Mistake(
        "axes missing",
        "dy[:, :, i, j] has the shape (N, C), the block of dx (N, C, K, K): they meet at their "
        "last axes, images at rows. Give dy two axes of length 1 behind, [..., None, None].",
        _without_new_axes, ADDRESS,
    ),
    Mistake(
        "mean of dy",
        "every window hands back the mean of all dy. Window (i, j) hands back its own, "
        "dy[n, c, i, j].",
        lambda dy, *rest: avg_right(np.zeros_like(dy) + dy.mean((2, 3), keepdims=True), *rest),
        ADDRESS,
        (lambda dy, *rest: walking(_all)(np.zeros_like(dy) + dy.mean((2, 3), keepdims=True), *rest),
         lambda dy, *rest: avg_right(np.zeros_like(dy) + dy.mean(), *rest)),
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
        walking(first_winner), ADDRESS, (walking(lambda window, g: first_winner(window, g)
                                                 / max(window.size, 1)),),
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
        _repeated(lambda K: 1 / K**2), ADDRESS, (_repeated_by_stride,),
    ),
    *_common(avg_right, _equal_parts, _shares_of_another_size),
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
