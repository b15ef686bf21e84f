"""The still of the gradient views: what enters one sum of the backward pass, outlined.

Arrays in, a Picture out; imports shapes, and plots' looks and tools.
"""

from __future__ import annotations

import numpy as np

from course_lib.plots import (
    BLUE, GREY, SIGNED, Picture, draw_numbers, draw_outline, in_our_look, short, side_by_side,
)
from course_lib.shapes import Windows

MOST_TERMS = 16  # a longer sum is not written out
PAID = {"first": "the first maximum", "all": "every maximum, in full,",
        "shared": "every maximum, in equal parts,"}


@in_our_look
def draw_gradient_flow(padded, weight, dy, dx, dweight, where: Windows, position, *,
                       kind: str = "conv", rule: str = "first", view: str = "scatter") -> Picture:
    """Draw the arrays of one view in a row, the cells of one sum outlined, the sum below them.

    Shapes  padded: x with its padding, weight (KH, KW), dy (OH, OW), dx (H, W), dweight (KH, KW)
            or None for pooling; where: what resolve_windows says; position: a cell of dy (view
            "scatter"), of dweight ("dw") or of dx ("dx").
    >>> from course_lib.shapes import resolve_windows
    >>> ones, where = np.ones((1, 1)), resolve_windows((1, 2), (1, 1))
    >>> draw_gradient_flow(np.array([[5, 7]]), ones, np.array([[2, 3]]), np.array([[2, 3]]),
    ...                    np.array([[31]]), where, (0, 0), view="dw").alt
    'Gradient of a convolution, dW = x ⋆ dy: dW(0, 0) = 2·5 + 3·7 = 31.'
    """
    if dy.shape != tuple(where.output):
        raise ValueError(f"draw_gradient_flow: expected dy of shape {tuple(where.output)}, got "
                         f"{dy.shape}.")
    panels, said, title = {
        "scatter": _scatter, "dw": _gather_weight, "dx": _gather_pixel,
    }[view](padded, weight, dy, dx, dweight, where, position)
    if kind != "conv":
        panels, said, title = _pool(padded, dy, dx, where, position, kind, rule)
    names = [name for name, _, _ in panels]
    figure, axes, cell = side_by_side([array for _, array, _ in panels], names, title, said)
    for ax, (name, array, outlined) in zip(axes, panels):
        limit = max(np.abs(array).max(), 1e-9)
        is_image = name.startswith("x") and array.min() >= 0
        draw_numbers(ax, array, GREY if is_image else SIGNED,
                     (0, limit) if is_image else (-limit, limit), cell)
        for row, column, shape, colour in outlined:
            draw_outline(ax, row, column, shape, colour)
    layer = "a convolution" if kind == "conv" else f"{kind} pooling"
    return Picture(figure, f"Gradient of {layer}, {title}: {said}")


def _window(where: Windows, i: int, j: int) -> tuple[int, int, tuple[int, int], str]:
    return i * where.stride[0], j * where.stride[1], where.kernel_size, BLUE


def _one(row: int, column: int) -> tuple[int, int, tuple[int, int], str]:
    return row, column, (1, 1), BLUE


def _scatter(padded, weight, dy, dx, dweight, where, position):
    i, j = position
    row, column, (KH, KW), colour = _window(where, i, j)
    (above, _), (before, _) = where.padding
    top, left = max(row - above, 0), max(column - before, 0)  # dX is drawn cropped
    bottom = min(row - above + KH, dx.shape[0])
    right = min(column - before + KW, dx.shape[1])
    inside = [(top, left, (bottom - top, right - left), colour)]
    panels = [("x, padded" if padded.shape != dx.shape else "x", padded, [_window(where, i, j)]),
              ("w", weight, []), ("dy", dy, [_one(i, j)]),
              ("dX", dx, inside if bottom > top and right > left else []), ("dW", dweight, [])]
    value = short(dy[i, j])
    return panels, (f"dy({i}, {j}) = {value} adds {value}·w to its window of dX, and {value} times "
                    "its window of x to dW."), "dX += dy·w, dW += dy·x"


def _gather_weight(padded, weight, dy, dx, dweight, where, position):
    u, v = position
    wide = _dilated(dy, where.stride)
    met = padded[u:, v:][: wide.shape[0] : where.stride[0], : wide.shape[1] : where.stride[1]]
    panels = [("x, padded" if padded.shape != dx.shape else "x", padded,
               [(u, v, wide.shape, BLUE)]),
              ("dy" if wide.shape == dy.shape else "dy, zeros between", wide, []),
              ("dW", dweight, [_one(u, v)])]
    said = f"dW({u}, {v}) {_sum(dy.ravel(), met.ravel(), dweight[u, v])}."
    return panels, said, "dW = x ⋆ dy"


def _gather_pixel(padded, weight, dy, dx, dweight, where, position):
    i, j = position
    wide, turned = _dilated(dy, where.stride), weight[::-1, ::-1]
    (KH, KW), (above, before) = weight.shape, (sides[0] for sides in where.padding)
    full = np.zeros((padded.shape[0] + KH - 1, padded.shape[1] + KW - 1))
    full[KH - 1 : KH - 1 + wide.shape[0], KW - 1 : KW - 1 + wide.shape[1]] = wide
    row, column = i + above, j + before
    met = full[row : row + KH, column : column + KW]
    panels = [("full dy", full, [(row, column, (KH, KW), BLUE)]), ("w turned", turned, []),
              ("dX", dx, [_one(i, j)])]
    said = f"dX({i}, {j}) {_sum(met.ravel(), turned.ravel(), dx[i, j])}."
    return panels, said, "dX = full dy ⋆ turned w"


def _pool(x, dy, dx, where, position, kind, rule):
    i, j = position
    panels = [("x", x, [_window(where, i, j)]), ("dy", dy, [_one(i, j)]),
              ("dX", dx, [_window(where, i, j)])]
    paid = PAID[rule] if kind == "max" else "every cell of the window, in equal parts,"
    kept = "as large as" if np.isclose(dx.sum(), dy.sum()) else "not"
    return panels, (f"Each value of dy goes to {paid}".removesuffix(",") + f": the sum of dX is "
                    f"{short(dx.sum())}, {kept} the sum of dy, {short(dy.sum())}."), "dy goes to dX"


def _dilated(dy, stride):
    """dy with stride - 1 zeros between its values."""
    wide = np.zeros([(n - 1) * s + 1 for n, s in zip(dy.shape, stride)])
    wide[:: stride[0], :: stride[1]] = dy
    return wide


def _sum(left, right, total) -> str:
    """"= 1·3 + 2·4 = 11"; "≈" where a number had to be rounded."""
    exact = all(float(short(v).replace(",", "")) == v for v in (*left, *right, total))
    sign = "=" if exact else "≈"
    if len(left) > MOST_TERMS:
        return f"{sign} {short(total)}, the sum of {len(left)} products"

    def factor(value):
        return f"({short(value)})" if value < 0 else short(value)

    products = " + ".join(f"{factor(a)}·{factor(b)}" for a, b in zip(left, right))
    return f"= {products} {sign} {short(total)}"
