"""Checks judge right, wrong and misbehaving answers; each answer here is written out by hand."""

import builtins
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from course_lib import check
from course_lib.check import attempts, convolution, sandbox, values
from course_lib.notebooks import cell_source, read_notebook

ROOT = Path(__file__).parents[1]

RIGHT = '''
def my_conv2d(x, weight, bias, stride, padding):
    N, C, H, W = x.shape
    F, _, KH, KW = weight.shape
    OH = (H + 2 * padding - KH) // stride + 1
    OW = (W + 2 * padding - KW) // stride + 1
    padded = np.zeros((N, C, H + 2 * padding, W + 2 * padding), dtype=x.dtype)
    padded[:, :, padding : padding + H, padding : padding + W] = x
    y = np.zeros((N, F, OH, OW), dtype=x.dtype)
    for n in range(N):
        for f in range(F):
            for i in range(OH):
                for j in range(OW):
                    total = bias[f]
                    for c in range(C):
                        for u in range(KH):
                            for v in range(KW):
                                pixel = padded[n, c, i * stride + u, j * stride + v]
                                total += weight[f, c, u, v] * pixel
                    y[n, f, i, j] = total
    return y
'''


def answer_from(source):
    """Return the my_conv2d that `source` defines."""
    namespace = {"np": np}
    exec(source, namespace)  # noqa: S102  (our own text)
    return namespace["my_conv2d"]


def edited(*edits):
    """Return RIGHT as a function after replacing each (old, new), which must occur."""
    source = RIGHT
    for old, new in edits:
        assert old in source
        source = source.replace(old, new)
    return answer_from(source)


loops = answer_from(RIGHT)


@pytest.fixture(autouse=True)
def progress_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress"))
    return tmp_path / "progress"


@pytest.fixture(params=["forked", "in this process"])
def guard(request, monkeypatch):
    """Run a test under both guards; the forked one exists on Linux only."""
    if request.param == "forked" and not sandbox.can_fork():
        pytest.skip("no fork on this system")
    if request.param != "forked":
        monkeypatch.setattr(sandbox, "can_fork", lambda: False)
    return request.param


# Right answers


def zero_padded(x, p):
    return np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))


def windows(x, weight, bias, stride, padding):
    x = zero_padded(x, padding)
    KH, KW = weight.shape[2:]
    OH, OW = (x.shape[2] - KH) // stride + 1, (x.shape[3] - KW) // stride + 1
    y = np.empty((len(x), len(weight), OH, OW), x.dtype)
    for i, j in np.ndindex(OH, OW):
        window = x[:, None, :, i * stride : i * stride + KH, j * stride : j * stride + KW]
        y[:, :, i, j] = (window * weight).sum((2, 3, 4)) + bias
    return y


def einsum(x, weight, bias, stride, padding):
    view = sliding_window_view(zero_padded(x, padding), weight.shape[2:], (2, 3))
    view = view[:, :, ::stride, ::stride]
    return np.einsum("ncijuv,fcuv->nfij", view, weight) + bias[:, None, None]


def strided(x, weight, bias, stride, padding):
    x = np.ascontiguousarray(zero_padded(x, padding))
    N, C, H, W = x.shape
    F, _, KH, KW = weight.shape
    OH, OW = (H - KH) // stride + 1, (W - KW) // stride + 1
    n, c, h, w = x.strides
    view = as_strided(x, (N, OH, OW, C, KH, KW), (n, h * stride, w * stride, c, h, w))
    y = view.reshape(N, OH * OW, -1) @ weight.reshape(F, -1).T + bias
    return y.transpose(0, 2, 1).reshape(N, F, OH, OW)


def shifts(x, weight, bias, stride, padding):
    x = zero_padded(x, padding)
    KH, KW = weight.shape[2:]
    OH, OW = (x.shape[2] - KH) // stride + 1, (x.shape[3] - KW) // stride + 1
    y = 0
    for u, v in np.ndindex(KH, KW):
        rows, columns = slice(u, u + stride * OH, stride), slice(v, v + stride * OW, stride)
        y = y + np.tensordot(x[:, :, rows, columns], weight[:, :, u, v], axes=(1, 1))
    return (y + bias).transpose(0, 3, 1, 2)


def in_float32(x, weight, bias, stride, padding):
    single = [array.astype(np.float32) for array in (x, weight, bias)]
    return einsum(*single, stride, padding).astype(x.dtype)


class Layer:
    """An object that can be called is as good as a function."""

    def __call__(self, x, weight, bias, stride, padding):
        return loops(x, weight, bias, stride, padding)


def tensordot(x, weight, bias, stride, padding):
    """Window by window, all filters at once."""
    x = zero_padded(x, padding)
    KH, KW = weight.shape[2:]
    OH, OW = (x.shape[2] - KH) // stride + 1, (x.shape[3] - KW) // stride + 1
    y = np.zeros((len(x), len(weight), OH, OW), x.dtype)
    for n, i, j in np.ndindex(len(x), OH, OW):
        window = x[n, :, i * stride : i * stride + KH, j * stride : j * stride + KW]
        y[n, :, i, j] = np.tensordot(weight, window, axes=3) + bias
    return y


def bounds_checked(x, weight, bias, stride, padding):
    """The formula as printed, with a check for pixels outside."""
    N, C, H, W = x.shape
    F, _, KH, KW = weight.shape
    OH, OW = (H + 2 * padding - KH) // stride + 1, (W + 2 * padding - KW) // stride + 1
    y = np.zeros((N, F, OH, OW), x.dtype)
    for n, f, i, j in np.ndindex(N, F, OH, OW):
        y[n, f, i, j] = bias[f]
        for c, u, v in np.ndindex(C, KH, KW):
            r, q = i * stride + u - padding, j * stride + v - padding
            if 0 <= r < H and 0 <= q < W:
                y[n, f, i, j] += weight[f, c, u, v] * x[n, c, r, q]
    return y


RIGHT_ANSWERS = [loops, windows, einsum, strided, shifts, tensordot, bounds_checked, in_float32,
                 Layer()]


@pytest.mark.parametrize("answer", RIGHT_ANSWERS, ids=lambda a: getattr(a, "__name__", "object"))
def test_right_answers_pass(answer, capfd):
    result = check.conv2d(answer)
    out, err = capfd.readouterr()
    assert result.passed and result.state == "passed" and result.mistake is None, out
    assert out == result.message + "\n" and err == ""
    assert out == f"my_conv2d: passed, {result.cases} cases of {result.cases}.\n"
    assert result.guard in (sandbox.FORKED, sandbox.TIMED)


def test_cases_contain_what_square_tests_miss():
    """The list of DESIGN: a check with fewer kinds of cases lets wrong answers through."""
    shapes = [(c.arguments[0].shape, c.arguments[1].shape, *c.arguments[3:])
              for c in convolution.CONV2D_CASES]
    assert {padding for *_, padding in shapes} == {0, 1, 2}
    assert {stride for *_, stride, _ in shapes} == {1, 2, 3}
    assert any(x[0] > 1 and x[1] > 1 and x[2] != x[3] and w[2] != w[3] and stride > 1 and padding
               for x, w, stride, padding in shapes)
    assert any((x[2] + 2 * p - w[2]) % stride for x, w, stride, p in shapes)
    assert any(x[2:] == w[2:] for x, w, *_ in shapes)
    assert any(w[2:] == (1, 1) for _, w, *_ in shapes)
    arrays = [case.arguments[0] for case in convolution.CONV2D_CASES]
    assert {str(array.dtype) for array in arrays} == {"float32", "float64"}
    assert any((array < 0).any() for array in arrays)
    assert any(np.unique(array).size == 1 for array in arrays)
    behind = [(x[2] + 2 * p - w[2]) % stride >= p and (x[3] + 2 * p - w[3]) % stride >= p
              for x, w, stride, p in shapes if p]
    assert any(behind), "a case in which indices below 0 give numbers, and none is past the end"


# Wrong answers that are recognised


VARIANTS = {f"{mistake.id} {n}": (mistake, variant) for mistake in convolution.CONV2D_MISTAKES
            for n, variant in enumerate(mistake.variants)}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_mistake_of_the_catalogue_is_named(name, capfd):
    mistake, variant = VARIANTS[name]
    result = check.conv2d(variant)
    out, err = capfd.readouterr()
    assert result.state == "failed" and result.mistake == mistake.id
    assert mistake.sentence in out and str(mistake.section) in out and err == ""
    assert "in the case below, " not in out


def test_every_pointer_leads_to_a_heading_and_every_sentence_is_one():
    assert len({mistake.id for mistake in convolution.CONV2D_MISTAKES}) >= 12
    for mistake in (convolution.CONV2D, *convolution.CONV2D_MISTAKES):
        name, heading = mistake.section.notebook, mistake.section.heading
        folder = f"solutions/{name}" if name.startswith("ex") else "notebooks"
        cells = read_notebook(ROOT / folder / f"{name}.ipynb")["cells"]
        lines = [line for cell in cells for line in cell_source(cell).split("\n")]
        assert f"## {heading}" in lines
    for mistake in convolution.CONV2D_MISTAKES:
        assert mistake.sentence[-1] in ".?"
        assert not re.match("[A-Z][a-z]+ ", mistake.sentence)  # it goes on after "not yet: "


STEP = "i * stride + u, j * stride + v"
PUT = "padded[:, :, padding : padding + H, padding : padding + W] = x"
MADE = "padded = np.zeros((N, C, H + 2 * padding, W + 2 * padding), dtype=x.dtype)"
TYPICAL = {  # the same mistakes as students write them: edits of the loops above
    "kernel rotated": [("weight[f, c, u, v]", "weight[f, c, KH - 1 - u, KW - 1 - v]")],
    "rows reversed": [("weight[f, c, u, v]", "weight[f, c, -1 - u, v]")],
    "stride ignored": [("// stride", ""), (STEP, "i + u, j + v")],
    "stride in the size only": [(STEP, "i + u, j + v")],
    "stride on rows only": [(STEP, "i * stride + u, j + v")],
    "stride on columns only": [(STEP, "i + u, j * stride + v")],
    "windows next to each other": [(STEP, "i * KH + u, j * KW + v")],
    "stride inside the window": [(STEP, "i + u * stride, j + v * stride")],
    "bias once per channel": [
        ("total = bias[f]", "total = 0"),
        ("for c in range(C):", "for c in range(C):\n                        total += bias[f]"),
    ],
    "bias once per product": [
        ("total = bias[f]", "total = 0"), ("v] * pixel", "v] * pixel + bias[f]"),
    ],
    "padding ignored": [("2 * padding", "0"), (PUT, "padded[:] = x")],
    "padding in the size only": [(MADE, "padded = np.zeros((N, C, 99, 99))"), (PUT, (
        "padded[:, :, :H, :W] = x; fits = lambda i, u, S: (i * stride + u) < S\n    "
        "inside = ((H - KH) // stride + 1, (W - KW) // stride + 1)")),
        ("y[n, f, i, j] = total", "y[n, f, i, j] = total * (i < inside[0] and j < inside[1])")],
    "all padding after": [(PUT, "padded[:, :, :H, :W] = x")],
    "padding after only": [("2 * padding", "padding"), (PUT, "padded[:, :, :H, :W] = x")],
    "first channel only": [("range(C)", "range(1)")],
    "last channel only": [("for c in range(C):", (
        "for c in range(C):\n                        total = bias[f]"))],
    "bias forgotten": [("total = bias[f]", "total = 0")],
    "first bias everywhere": [("bias[f]", "bias[0]")],
    "first filter everywhere": [("weight[f, c, u, v]", "weight[0, c, u, v]"),
                                ("bias[f]", "bias[0]")],
    "first slice for every channel": [("weight[f, c, u, v]", "weight[f, 0, u, v]")],
    "first image only": [("for n in range(N)", "for n in range(1)")],
    "first image everywhere": [("padded[n, c,", "padded[0, c,")],
    "last product only": [("total += weight", "total = bias[f] + weight")],
    "last row and column left zero": [("range(OH)", "range(OH - 1)"),
                                      ("range(OW)", "range(OW - 1)")],
    "one row and column too few": [("// stride + 1", "// stride")],
    "negative values cut off": [("] = total", "] = max(total, 0)")],
    "whole numbers": [("OH, OW), dtype=x.dtype", "OH, OW), dtype=int")],
    "all zeros": [("y[n, f, i, j] = total", "pass")],
}


ITEM = "padded[n, c, i * stride + u, j * stride + v]"
LITERAL = "x[n, c, i * stride + u - padding, j * stride + v - padding]"
SUM = "total += weight[f, c, u, v] * pixel"
LOOPS = """                    for c in range(C):
                        for u in range(KH):
                            for v in range(KW):
                                pixel = padded[n, c, i * stride + u, j * stride + v]
                                total += weight[f, c, u, v] * pixel
"""
CUT = "window = padded[n, :, i * stride : i * stride + KH, j * stride : j * stride + KW]"
NEXT = CUT.replace("i * stride", "i * KH").replace("j * stride", "j * KW")
SLICE = f"""                    {CUT}
                    total += (window * weight[f]).sum()
"""
DOT = f"""                    {CUT}
                    total += np.tensordot(window, weight[f], 3)
"""
PADDED = (f"{MADE}\n    {PUT}", "p = (padding,) * 2; padded = np.pad(x, ((0, 0), (0, 0), p, p))")
SHAPE, KERNEL_SHAPE = "N, C, H, W = x.shape", "F, _, KH, KW = weight.shape"
WIDTH, HEIGHT = "(W + 2 * padding - KW)", "(H + 2 * padding - KH)"
CELL = "y[n, f, i, j] = total"
TRIED = f"""try:
                                    pixel = {LITERAL}
                                except IndexError:
                                    pixel = 0"""
CHECKED = f"pixel = {LITERAL} if i * stride + u - padding %s and j * stride + v - padding %s else 0"


def summed(places):
    """Return the edit that adds up in y itself, in an array of whole numbers."""
    return [("dtype=x.dtype)\n    for", "dtype=int)\n    for"), *places]


SPELLINGS = [  # one mistake, as different students write it
    ("indices leave the image", [(ITEM, LITERAL)]),
    ("indices leave the image", [(PUT, ""), (MADE, ""), (ITEM, (
        "x[n, c, r, q] if (r := i * stride + u - padding) <= H and "
        "(q := j * stride + v - padding) <= W else 0"))]),
    ("indices leave the image", [(LOOPS, """
                    for c, u, v in np.ndindex(C, KH, KW):
                        row, column = i * stride - padding + u, j * stride - padding + v
                        total += x[n, c, row, column] * weight[f, c, u, v]
""")]),
    ("negative indices", [(f"pixel = {ITEM}", TRIED)]),
    ("negative indices", [(f"pixel = {ITEM}", CHECKED % ("< H", "< W"))]),
    ("negative indices", [(f"pixel = {ITEM}", "pixel = 0"), (SUM, (
        "inside = i * stride + u < H + padding and j * stride + v < W + padding\n"
        f"{' ' * 32}total += weight[f, c, u, v] * {LITERAL} if inside else 0"))]),
    ("padding wraps around", [(ITEM, LITERAL.replace("i * stride + u - padding",
                                                     "(i * stride + u - padding) % H").replace(
        "j * stride + v - padding", "(j * stride + v - padding) % W"))]),
    ("past the end", [(f"pixel = {ITEM}", CHECKED % (">= 0", ">= 0"))]),
    ("without padding only", [(LOOPS, SLICE), (CUT, (
        "window = x[n, :, i * stride - padding : i * stride - padding + KH, "
        "j * stride - padding : j * stride - padding + KW]"))]),
    ("without padding only", [(LOOPS, DOT), (f"{MADE}\n    {PUT}", "padded = np.pad(x, padding)")]),
    ("padding on every axis", [(f"{MADE}\n    {PUT}", "padded = np.pad(x, padding)")]),
    ("padding on every axis", [(LOOPS, SLICE),
                               (f"{MADE}\n    {PUT}", "padded = np.pad(x, padding)")]),
    ("square images only", [(SHAPE, "N, C, W, H = x.shape")]),
    ("square images only", [
        (PUT, PUT.replace("+ H", "+ ?").replace("+ W", "+ H").replace("?", "W"))]),
    ("square images only", [(SHAPE, "N, C, W, H = x.shape"), (LOOPS, DOT)]),
    ("height and width swapped", [(SHAPE, "N, C, W, H = x.shape"), PADDED]),
    ("height and width swapped", [(SHAPE, "N, C, W, H = x.shape"), PADDED, (LOOPS, SLICE)]),
    ("height and width swapped", [(SHAPE, "N, C, W, H = x.shape"), PADDED, (LOOPS, DOT)]),
    ("height and width swapped", [(SHAPE, "N, C, W, H = x.shape"), PADDED,
                                  (KERNEL_SHAPE, "F, _, KW, KH = weight.shape")]),
    ("height and width swapped", [(SHAPE, "N, C, W, H = x.shape"),
                                  (KERNEL_SHAPE, "F, _, KW, KH = weight.shape")]),
    ("height and width swapped", [(KERNEL_SHAPE, "F, _, KW, KH = weight.shape")]),
    ("height and width swapped", [(KERNEL_SHAPE, "F, _, KW, KH = weight.shape"), (LOOPS, SLICE)]),
    ("height and width swapped", [(ITEM, "padded[n, c, j * stride + v, i * stride + u]")]),
    ("height and width swapped", [("for i in range(OH)", "for i in range(OW)"),
                                  ("for j in range(OW)", "for j in range(OH)")]),
    ("height and width swapped", [("    N, C", "    x = x.swapaxes(2, 3)\n    N, C")]),
    ("width from a height", [(WIDTH, "(H + 2 * padding - KW)")]),
    ("width from a height", [(WIDTH, "(H + 2 * padding - KW)"), (LOOPS, SLICE)]),
    ("width from a height", [(WIDTH, "(H + 2 * padding - KW)"), (LOOPS, DOT)]),
    ("width from a height", [(WIDTH, HEIGHT)]),
    ("width from a height", [(WIDTH, HEIGHT), (LOOPS, SLICE)]),
    ("width from a height", [(WIDTH, "(W + 2 * padding - KH)")]),
    ("width from a height", [("for j in range(OW)", "for j in range(OH)")]),
    ("height from a width", [(HEIGHT, "(W + 2 * padding - KH)")]),
    ("height from a width", [(HEIGHT, WIDTH), (LOOPS, SLICE)]),
    ("height from a width", [(HEIGHT, WIDTH), (LOOPS, DOT)]),
    ("output transposed", [("return y", "return y.transpose(0, 1, 3, 2)")]),
    ("output transposed", [("np.zeros((N, F, OH, OW)", "np.zeros((N, F, OW, OH)"),
                           (CELL, "y[n, f, j, i] = total")]),
    ("output transposed", [(CELL, "y[n, f, j, i] = total")]),
    ("output transposed", [("return y", "return y.reshape(N, F, OW, OH)")]),
    ("output transposed", [(ITEM, "padded[n, c, j * stride + u, i * stride + v]")]),
    ("kernel transposed", [("weight[f, c, u, v]", "weight[f, c, v, u]")]),
    ("reshaped instead of transposed", [
        ("return y", "return y.transpose(0, 2, 3, 1).reshape(N, F, OH, OW)")]),
    ("whole numbers", [("= total", "= int(total)")]),
    ("whole numbers", [("OH, OW), dtype=x.dtype", "OH, OW), dtype=np.int64")]),
    ("whole numbers", [("return y", "return y.round()")]),
    ("whole numbers", [("return y", "return y.astype(int)")]),
    ("whole numbers", summed([("total = bias[f]", CELL.replace("total", "bias[f]")),
                              ("total +=", "y[n, f, i, j] +="), (f"\n{' ' * 20}{CELL}", "")])),
    ("whole numbers", summed([("total = bias[f]", "pass"), ("total +=", "y[n, f, i, j] +="),
                              (CELL, "y[n, f, i, j] += bias[f]")])),
    ("whole numbers", [("padding), dtype=x.dtype)", "padding), dtype=int)")]),
    ("whole numbers", [("total = bias[f]", "total = int(bias[f])")]),
    ("stride in the size only", [(LOOPS, SLICE), (CUT, CUT.replace(" * stride", ""))]),
    ("stride in the size only", [(LOOPS, DOT), (CUT, CUT.replace(" * stride", ""))]),
    ("windows next to each other", [(LOOPS, SLICE), (CUT, NEXT)]),
    ("windows next to each other", [(LOOPS, DOT), (CUT, NEXT)]),
    ("stride inside the window", [(STEP, "(i + u) * stride, (j + v) * stride")]),
]


@pytest.mark.parametrize("n", range(len(SPELLINGS)))
def test_a_mistake_is_named_however_it_is_written(n, capfd):
    mistake, edits = SPELLINGS[n]
    result = check.conv2d(edited(*edits))
    out, err = capfd.readouterr()
    assert not result.passed and result.mistake == mistake, out
    assert "in the case below, " not in out and err == ""
    assert "Read again: 0" in out or "Read again: ex01" in out


@pytest.mark.parametrize("spoil", [
    lambda y, *_: y + 0.01, lambda y, x, *_: y + (x.shape[1] == 2), lambda y, *_: y * 1.01,
])
@pytest.mark.parametrize("n", [0, 3, 7, 15, 25, 35, 42])
def test_a_mistake_with_another_beside_it_is_not_named_alone(n, spoil, capsys):
    """Honest: named without "in the case below" only where every case is explained."""
    mistake, edits = SPELLINGS[n]
    function = edited(*edits)
    result = check.conv2d(lambda *arguments: spoil(function(*arguments), *arguments))
    out = capsys.readouterr().out
    assert result.mistake is None or "in the case below, " in out, (mistake, out)


def test_an_error_alone_names_no_mistake(capsys):
    """Where other cases differ, only the same wrong numbers count, not the same error."""
    function = edited((ITEM, LITERAL))
    result = check.conv2d(lambda *arguments: function(*arguments) + (len(arguments[0]) == 3))
    assert result.mistake is None
    assert "my_conv2d, not yet: my_conv2d stopped with IndexError" in capsys.readouterr().out


def test_an_error_of_another_kind_is_another_mistake(capsys):
    """The right cases stop, but not as an index that leaves the image does."""
    function = edited((ITEM, LITERAL))

    def otherwise(*arguments):
        try:
            return function(*arguments)
        except IndexError:
            raise ZeroDivisionError from None

    result = check.conv2d(otherwise)
    assert result.mistake is None and "ZeroDivisionError" in capsys.readouterr().out


def test_a_recognised_mistake_that_stops_shows_where(capsys):
    check.conv2d(edited((ITEM, LITERAL)))
    out = capsys.readouterr().out
    assert "x[-1] is the last row, not a zero" in out
    assert "In the case below, my_conv2d stopped with IndexError: index 3 is out of bounds" in out
    assert "(line " in out and "padding=1)" in out
    check.conv2d(edited((WIDTH, HEIGHT), (LOOPS, SLICE)))
    assert "Therefore y has the wrong shape: expected (1, 1, 2, 3), got (1, 1, 2, 2)" in (
        capsys.readouterr().out)


def test_whole_numbers_in_whole_cases_are_told_from_float64(capsys):
    check.conv2d(lambda *a: loops(*a) if (loops(*a) % 1).any() else loops(*a).astype(np.int32))
    assert "y is int32, which keeps whole numbers only. Say np.zeros(shape, dtype=x.dtype)." in (
        capsys.readouterr().out)


@pytest.mark.parametrize("mistake", TYPICAL)
def test_typical_wrong_answers_get_the_right_sentence(mistake, capfd):
    result = check.conv2d(edited(*TYPICAL[mistake]))
    out, err = capfd.readouterr()
    assert not result.passed and result.mistake == mistake, out
    assert err == ""


def test_two_mistakes_are_named_one_after_the_other(capsys):
    rotated = edited(("weight[f, c, u, v]", "weight[f, c, KH - 1 - u, KW - 1 - v]"))
    result = check.conv2d(lambda *a: rotated(*a) + (a[3] > 1) * np.arange(len(a[1]))[:, None, None])
    assert result.mistake == "kernel rotated"
    assert "in the case below, your kernel is rotated" in capsys.readouterr().out
    assert check.conv2d(edited(("total = bias[f]", "total = 0"))).mistake == "bias forgotten"


# Wrong answers that are in no list


def one_value_off(*arguments):
    y = loops(*arguments)
    y[-1, -1, -1, -1] += 0.01
    return y


def calls_counted(x, weight, bias, stride, padding, calls=[]):  # noqa: B006
    calls.append(1)
    return loops(x, weight, bias, stride, padding) + (len(calls) % 2 == 0)


def pads_in_place(x, weight, bias, stride, padding):
    y = loops(x, weight, bias, stride, padding)
    x *= 0.5
    return y


def hard_coded(x, weight, bias, stride, padding):
    return np.array([[[[13.0, 4.0], [9.0, 2.0]]]])


def needs_square(x, weight, bias, stride, padding):
    if x.shape[2] != x.shape[3]:
        raise IndexError("index 3 is out of bounds")
    return loops(x, weight, bias, stride, padding)


def needs_two_channels(x, weight, bias, stride, padding):
    if x.shape[1] != 2:
        raise IndexError("index 3 is out of bounds")
    return loops(x, weight, bias, stride, padding)


def only_without_padding(x, weight, bias, stride, padding):
    if padding:
        raise NotImplementedError
    return loops(x, weight, bias, stride, padding)


UNLISTED = {
    "one value": (one_value_off, "one value of y is wrong"),
    "nan": (lambda *a: loops(*a) / 0 * 0, "holds nan"),
    "infinity": (lambda *a: loops(*a) + np.inf, "all values of y are wrong"),
    "one shape": (lambda *a: np.full((1, 1, 2, 2), 13.0), "some values of y are wrong"),
    "hard-coded": (hard_coded, "wrong shape"),
    "broadcasts": (lambda *a: loops(*a)[:, :, :1], "wrong shape"),
    "no batch axis": (lambda *a: loops(*a)[0], "wrong shape"),
    "a number": (lambda *a: 13.0, "got a value of type float"),
    "NumPy number": (lambda *a: loops(*a).sum(), "got a value of type float64"),
    "list": (lambda *a: loops(*a).tolist(), "got a value of type list"),
    "tuple": (lambda *a: (loops(*a), None), "got a value of type tuple"),
    "None": (lambda *a: None, "it returns None"),
    "text": (lambda *a: "13", "got a value of type str"),
    "generator": (lambda *a: (row for row in loops(*a)), "got a value of type generator"),
    "masked array": (lambda *a: np.ma.array(loops(*a)), "got a value of type MaskedArray"),
    "objects": (lambda *a: loops(*a).astype(object), "dtype object"),
    "complex": (lambda *a: loops(*a).astype(complex), "wrong dtype"),
    "always float64": (lambda *a: loops(*a).astype(np.float64), "y is float64"),
    "always float32": (lambda *a: loops(*a).astype(np.float32), "y is float32"),
    "x changed": (pads_in_place, "x was changed in place"),
    "unsteady": (calls_counted, "two calls with the same inputs give different numbers"),
    "error": (lambda *a: 1 / 0, "ZeroDivisionError: division by zero"),
    "error on some": (needs_two_channels, "IndexError: index 3 is out of bounds (line"),
    "three arguments": (lambda x, weight, bias: x, "takes 3 positional arguments but 5"),
    "half done": (only_without_padding, "this case is left to do"),
    "enormous answer": (lambda *a: np.broadcast_to(1.0, (10**5,) * 4), "wrong shape"),
}


def test_rounding_may_differ_from_call_to_call(guard):
    """Where an array lies in memory can change the last bits of a sum: that is no unsteadiness."""
    calls = []

    def rounded_otherwise(*arguments):
        calls.append(1)
        return loops(*arguments) * (1 + 1e-7 * (len(calls) % 2))

    assert check.conv2d(rounded_otherwise).passed


@pytest.mark.parametrize("kind", UNLISTED)
def test_other_wrong_answers_are_rejected_and_described(kind, guard, capfd):
    answer, sentence = UNLISTED[kind]
    result = check.conv2d(answer)
    out, err = capfd.readouterr()
    assert result.state == "failed" and result.mistake is None
    assert sentence in out and err == ""


@pytest.mark.parametrize("thing", [None, 3, "my_conv2d", np.zeros((1, 1, 2, 2))])
def test_what_is_no_function_is_refused(thing, capsys):
    result = check.conv2d(thing)
    assert not result.passed
    kind = type(thing).__name__
    assert f"expected my_conv2d, without brackets behind it, got a value of type {kind}" in (
        capsys.readouterr().out
    )


def test_a_stub_is_not_attempted_yet(guard, capsys):
    def stub(x, weight, bias, stride, padding):
        raise NotImplementedError()

    result = check.conv2d(stub)
    assert result.state == "not attempted" and not result.passed
    assert capsys.readouterr().out == "my_conv2d: not attempted yet.\n"


def test_the_message_shows_the_smallest_case(capsys):
    check.conv2d(convolution._rotated)
    out = capsys.readouterr().out
    shown = "x[0, 0] weight[0, 0] bias 0 3 4 0 1 0 9 5 0 0 2 6 2 1 expected y[0, 0] 13 4 9 2"
    assert f"{shown} your y[0, 0] 9 11 24 12" in " ".join(out.split())
    assert "my_conv2d(x, weight, bias, stride=1, padding=0)" in out
    assert "4 of 4 values are wrong; the first is y[0, 0, 0, 0]: expected 13, got 9" in out
    assert out.endswith("cases.\n") and "Right so far: 2 of 17 cases." in out


@pytest.mark.parametrize("wrong, of, sentence, line", [
    (1, 4, "one value of y is wrong.",
     "1 of 4 values is wrong, y[0, 0, 0, 0]: expected 13, got 14"),
    (2, 4, "some values of y are wrong.",
     "2 of 4 values are wrong; the first is y[0, 0, 0, 0]: expected 13, got 14"),
    (4, 4, "all values of y are wrong.",
     "4 of 4 values are wrong; the first is y[0, 0, 0, 0]: expected 13, got 14"),
    (1, 1, "the only value of y is wrong.",
     "the only value, y[0, 0, 0, 0], is wrong: expected 13, got 14"),
])
def test_one_is_said_otherwise_than_many(wrong, of, sentence, line):
    right = np.array([13.0, 4, 9, 2])[:of].reshape(1, 1, 1, -1)
    got = right + (np.arange(of) < wrong)
    assert values.how_many_wrong("y", values.where_wrong(got, right)) == sentence
    assert values.first_difference("y", got, right) == "    " + line


def test_the_message_is_the_same_every_time(guard):
    for answer in (loops, one_value_off, convolution._padding_ignored, needs_square):
        assert check.conv2d(answer).message == check.conv2d(answer).message


def test_no_message_shows_code_of_a_right_answer(capsys):
    for answer in (one_value_off, convolution._rotated, lambda *a: None, lambda *a: 1 / 0):
        check.conv2d(answer)
    out = capsys.readouterr().out
    for word in ("def ", "range(", "tensordot", "sliding_window", "np.pad", "import "):
        assert word not in out


def test_globals_that_are_called_like_builtins_are_the_students(guard):
    function = answer_from(RIGHT.replace("bias[f]", "bias[f] * input * exit"))
    function.__globals__.update(input=np.array(2.0), exit=0.5)
    assert check.conv2d(function).passed
    assert function.__globals__["exit"] == 0.5


def test_what_a_function_prints_is_shown_when_it_fails(guard, capfd):
    def talks(*arguments):
        print("here I am")
        print("trouble", file=sys.stderr)
        os.write(1, b"") if guard == "in this process" else os.write(2, b"raw trouble")
        return one_value_off(*arguments)

    check.conv2d(talks)
    out, err = capfd.readouterr()
    assert "It printed:\n    here I am\n    trouble\n" in out and err == ""
    assert check.conv2d(lambda *a: print("noise") or loops(*a)).passed
    assert "It also prints something" in capfd.readouterr().out


# Misbehaving answers


def endless(*arguments):
    while True:
        pass


def endless_and_stubborn(*arguments):
    while True:
        try:
            endless()
        except BaseException:  # noqa: BLE001, S110  (that is its misbehaviour)
            pass


def asleep(*arguments):
    time.sleep(60)


def leaves(*arguments):
    os._exit(0)


def leaves_politely(*arguments):
    sys.exit(0)


def asks(*arguments):
    return loops(*arguments) * float(input("scale? "))


def takes_all_memory(*arguments):
    return np.ones(2**45)


def floods(*arguments):
    print("y" * 50_000_000)
    return one_value_off(*arguments)


MISBEHAVING = {
    endless: "did not come back within",
    endless_and_stubborn: "did not come back within",
    asleep: "did not come back within",
    leaves: "ends Python itself",
    leaves_politely: "ends Python itself",
    asks: "asks for input()",
    takes_all_memory: "far more memory",
    floods: "one value of y is wrong",
}


def state_of_the_kernel():
    """Everything that a check must leave as it was."""
    modules = [{name: id(value) for name, value in vars(module).items()}
               for module in (builtins, np, np.random, np.linalg, os, random, time)]
    return {
        "modules": modules,
        "numpy random": np.random.get_state()[1].tolist(),
        "random": random.getstate(),
        "errors": np.geterr(),
        "printing": np.get_printoptions(),
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "streams": [id(stream) for stream in (sys.stdin, sys.stdout, sys.stderr)],
        "interrupt": signal.getsignal(signal.SIGINT),
        "recursion": sys.getrecursionlimit(),
        "path": list(sys.path),
        "threads": threading.active_count(),
        "files": sorted(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0,
    }


@pytest.mark.parametrize("answer", MISBEHAVING, ids=lambda answer: answer.__name__)
def test_misbehaving_answers_get_a_verdict_and_do_no_harm(answer, guard, monkeypatch, capfd):
    if "did not come back" in MISBEHAVING[answer]:
        monkeypatch.setattr(sandbox, "SECONDS", 0.5)
    before = state_of_the_kernel()
    start = time.monotonic()
    result = check.conv2d(answer)
    assert time.monotonic() - start < 10
    assert state_of_the_kernel() == before
    out, err = capfd.readouterr()
    assert result.state == "failed" and MISBEHAVING[answer] in out and err == ""
    assert len(out) < 3000
    assert result.guard == (sandbox.FORKED if guard == "forked" else sandbox.TIMED)
    assert result.guard not in out and "called twice" not in out


def vandal(*arguments):
    y = loops(*arguments)
    np.random.seed(1), random.seed(1), np.seterr(all="raise"), sys.setrecursionlimit(5000)
    np.set_printoptions(precision=1)
    np.sum = np.array_equal = np.abs = np.allclose = np.asarray = lambda *a, **k: True
    np.float32 = np.random.default_rng = None
    builtins.len = builtins.all = builtins.sum = builtins.bool = lambda *a: 1
    builtins.print = builtins.zip = None
    builtins.added = np.added = 1
    os.environ["COURSE_VANDAL"] = "1"
    os.chdir(os.sep)
    sys.path.insert(0, "nowhere")
    sys.stdout = None
    return y


def test_patched_numpy_and_builtins_change_neither_verdict_nor_kernel(guard, capfd):
    before = state_of_the_kernel()
    assert check.conv2d(vandal).passed
    result = check.conv2d(lambda *a: vandal(*a) + 1)
    assert result.state == "failed" and result.mistake is None
    assert state_of_the_kernel() == before
    assert capfd.readouterr().err == ""


def test_numpy_patched_before_the_check_does_not_fool_it(guard, monkeypatch, capsys):
    zero = np.zeros(1)
    patches = {"abs": lambda *a: zero, "isnan": lambda *a: zero, "asarray": lambda a: zero,
               "tensordot": lambda *a, **k: zero, "argwhere": None}
    for name, patch in patches.items():
        monkeypatch.setattr(np, name, patch)
    monkeypatch.setattr(builtins, "all", lambda *a: True)
    assert check.conv2d(loops).passed
    assert not check.conv2d(one_value_off).passed
    assert all([False]) and np.argwhere is None, "the notebook's own patches are back"


@pytest.mark.skipif(not sandbox.can_fork(), reason="needs fork")
@pytest.mark.parametrize("end", [
    lambda *a: signal.raise_signal(signal.SIGKILL), lambda *a: signal.raise_signal(signal.SIGSEGV)
])
def test_a_crash_of_python_is_survived(end, capfd):
    assert not check.conv2d(end).passed
    out, err = capfd.readouterr()
    assert "made Python crash (signal" in out and err == ""


@pytest.mark.skipif(not sandbox.can_fork(), reason="needs fork")
def test_real_exit_and_children_of_the_child_are_survived(tmp_path):
    leave, note = os._exit, tmp_path / "grandchild"

    def forks_and_leaves(*arguments):
        grandchild = os.fork()
        if grandchild == 0:
            time.sleep(60)
        note.write_text(str(grandchild))
        leave(3)

    start = time.monotonic()
    result = check.conv2d(forks_and_leaves)
    assert not result.passed and time.monotonic() - start < 5
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    stat = Path("/proc") / note.read_text() / "stat"
    for _ in range(100):  # killed: gone, or a zombie that nobody buries
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the grandchild is still alive")


@pytest.mark.skipif(not sandbox.can_fork(), reason="needs fork")
def test_memory_is_limited_beyond_what_the_kernel_uses(capfd, monkeypatch):
    monkeypatch.setattr(sandbox, "MEMORY", 2**27)
    ballast = np.ones(2**25)  # 256 MiB that the parent holds already: not the student's

    def hoards(*arguments):
        hoard = []
        while True:
            hoard.append(bytearray(2**22))

    assert check.conv2d(loops).passed and ballast.size
    assert not check.conv2d(hoards).passed
    assert "far more memory" in capfd.readouterr().out


def test_stop_reaches_the_student_not_the_check(monkeypatch):
    """Ctrl-C during a check is an interrupt, not a wrong answer."""
    monkeypatch.setattr(sandbox, "can_fork", lambda: False)
    handler, threads = signal.getsignal(signal.SIGINT), threading.active_count()

    def pressed(*arguments):
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        check.conv2d(pressed)
    assert signal.getsignal(signal.SIGINT) is handler and threading.active_count() == threads


def test_outside_the_main_thread_there_is_no_timer_and_it_says_so(monkeypatch):
    monkeypatch.setattr(sandbox, "can_fork", lambda: False)
    found = []
    thread = threading.Thread(target=lambda: found.append(check.conv2d(loops)))
    thread.start()
    thread.join()
    assert found[0].passed and found[0].guard == sandbox.UNGUARDED


def test_no_process_left_falls_back_to_this_process(monkeypatch):
    def no_more():
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", no_more, raising=False)
    result = check.conv2d(loops)
    assert result.passed and result.guard == sandbox.TIMED


@pytest.mark.skipif(not sandbox.can_fork(), reason="needs fork")
def test_a_check_forks_once_and_calls_twice_a_case(monkeypatch, capsys):
    forks, pipe, fork = [], os.pipe(), os.fork
    monkeypatch.setattr(os, "fork", lambda: forks.append(1) or fork())

    def counted(*arguments):
        os.write(pipe[1], b".")
        return einsum(*arguments)

    assert check.conv2d(counted).passed
    cases = int(re.search(r"of (\d+)", capsys.readouterr().out)[1])
    assert len(forks) == 1 and cases > 10 and os.read(pipe[0], 1000) == b"." * 2 * cases


def test_an_ordinary_check_is_quick():
    """Against a loop of Python timed beside it, where no other test's memory makes a fork dear.

    Some 45 ms or five such loops; ten leave room for a busy machine, none for a second check.
    """
    tool = Path(__file__).parents[1] / "tools" / "measure_checks.py"
    done = subprocess.run([sys.executable, tool, "conv2d", "relu", "--json"], text=True,
                          capture_output=True, check=True)
    costs = json.loads(done.stdout)
    assert 0 < costs["relu"]["loops"] < 10 and 0 < costs["conv2d"]["loops"] < 10, costs


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64])
def test_whole_numbers_at_both_ends_of_their_type_differ(dtype):
    """Their difference is more than the type holds: in int8, |−64 − 64| is −128."""
    ends = np.iinfo(dtype)
    low = np.array([ends.min // 2, ends.min], dtype)
    high = np.array([ends.max // 2 + 1, ends.max], dtype)
    assert values.where_wrong(low, high).all() and values.where_wrong(high, low).all()
    assert not values.where_wrong(low, low.copy()).any()


def test_a_long_line_is_cut_where_one_sees_it_and_a_generator_is_no_helper(capsys):
    def long(x, weight, bias, stride, padding):
        return (x, weight, bias, stride, padding, "a line of some length", "longer", "and longer")[9].nothing_that_it_has  # noqa: E501

    def inner(x, weight, bias, stride, padding):
        return np.array(sum(image[99] for image in x))

    assert not check.conv2d(long).passed and not check.conv2d(inner).passed
    first, second = (line for line in capsys.readouterr().out.splitlines() if "(line " in line)
    assert re.search(r": return \(x, weight, .*  # no…\)", first) and "noqa" not in first
    assert re.search(r"\(line \d+: return np.array\(sum\(image\[99\] for image in x\)\)\)", second)


# The sandbox by itself


@pytest.mark.parametrize("value", [
    None, 3, 2.5, "text", True, np.arange(6.0).reshape(2, 3)[:, ::2], np.zeros((0, 2)),
    np.array(5, np.int8), (np.ones(2, np.float32), [np.zeros(1), None]), np.array([True, False]),
], ids=str)
def test_values_come_out_of_the_sandbox_as_they_are(value, guard):
    [answer], _ = sandbox.call(lambda: value, [()])
    assert answer.how == "returned"
    np.testing.assert_equal(answer.value, value)
    if isinstance(value, np.ndarray):
        assert answer.value.dtype == value.dtype and answer.value.shape == value.shape


def test_each_call_gets_its_own_copies_and_changes_are_reported(guard):
    x, w = np.arange(3.0), np.zeros(2)

    def writes(x, w):
        w[0] = 1
        return x.sum()

    answers, _ = sandbox.call(writes, [(x, w)] * 3)
    assert [answer.changed for answer in answers] == [(1,)] * 3
    assert w.tolist() == [0, 0]


def test_nan_and_minus_zero_count_as_unchanged_and_changed(guard):
    def negates(x):
        x *= -1

    answers, _ = sandbox.call(negates, [(np.array([0.0]),)])
    assert answers[0].changed == (0,)
    answers, _ = sandbox.call(lambda x: 1, [(np.array([np.nan]),)])
    assert answers[0].changed == ()


def test_of_what_is_printed_the_first_characters_are_kept(guard):
    def counts():
        for number in range(10_000):
            print("line", number)

    [answer], _ = sandbox.call(counts, [()])
    assert len(answer.printed) == sandbox.LONGEST_TEXT
    assert answer.printed.startswith("line 0\nline 1\n")


def test_reshaping_an_input_is_a_change(guard):
    def reshapes(x):
        x.shape = (2, 2)

    answers, _ = sandbox.call(reshapes, [(np.arange(4.0),)])
    assert answers[0].changed == (0,)


# Progress


def test_progress_is_kept_elsewhere(progress_folder, tmp_path, monkeypatch, capsys):
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    check.progress()
    assert capsys.readouterr().out == "No task has been checked yet.\n"
    for answer in (one_value_off, loops, one_value_off, loops):
        check.conv2d(answer)
    capsys.readouterr()
    check.progress()
    shown = capsys.readouterr().out.splitlines()
    assert "ex01_convolution/conv2d passed 2 attempts" in [" ".join(line.split()) for line in shown]
    assert shown[0].startswith("ex00_start_here: none of its ")
    assert shown[-1] == f"1 of {len(check.TASKS)} tasks passed"
    stored = json.loads((progress_folder / "progress.json").read_text())
    assert stored["tasks"] == {"ex01_convolution/conv2d": {"state": "passed", "attempts": 2}}
    assert list(work.iterdir()) == [] and os.listdir(progress_folder) == ["progress.json"]


def test_attempts_are_counted_until_a_task_is_passed(progress_folder, tmp_path, capsys):
    for answer in (one_value_off, lambda *a: 1 / 0, one_value_off):
        check.conv2d(answer)
    capsys.readouterr()
    check.progress(copy=tmp_path / "deep" / "progress.json")
    out = capsys.readouterr().out
    assert "failed         3 attempts\n" in out and "Written to" in out
    assert (tmp_path / "deep" / "progress.json").read_bytes() == (
        progress_folder / "progress.json").read_bytes()


def test_a_stub_is_no_attempt(progress_folder, capsys):
    def stub(*arguments):
        raise NotImplementedError

    check.conv2d(stub)
    capsys.readouterr()
    check.progress()
    assert "ex01_convolution/conv2d                      not attempted\n" in capsys.readouterr().out
    stored = json.loads((progress_folder / "progress.json").read_text())
    assert stored["tasks"]["ex01_convolution/conv2d"] == {"state": "not attempted", "attempts": 0}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"tasks": []}', '{"tasks": {"a": 3}}', "\x00"])
def test_a_broken_progress_file_is_started_again(content, progress_folder, capsys):
    progress_folder.mkdir()
    (progress_folder / "progress.json").write_text(content)
    assert check.conv2d(loops).passed
    assert "passed" in (progress_folder / "progress.json").read_text()


def test_a_folder_that_cannot_be_written_is_no_ones_problem(tmp_path, monkeypatch, capfd):
    blocked = tmp_path / "a file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("COURSE_PROGRESS", str(blocked))
    assert check.conv2d(loops).passed
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("system, variable", [
    ("linux", "XDG_DATA_HOME"), ("win32", "LOCALAPPDATA"), ("darwin", "HOME"),
])
def test_progress_lies_in_the_users_data_folder(system, variable, tmp_path, monkeypatch):
    monkeypatch.delenv("COURSE_PROGRESS")
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setenv(variable, str(tmp_path))
    path = attempts.progress_file()
    assert tmp_path in path.parents and path.parent.name == "cnn-from-scratch-course"


# Tasks with several results, and with numbers


def two_results(task="of_two"):
    return check.tasks.Task(
        id=f"test/{task}", function_name="my_pair", argument_names=("x",),
        result_name=("total", "doubled"), reference=lambda x: (x.sum(), 2 * x),
        cases=(check.tasks.Case((np.arange(3.0),)), check.tasks.Case((np.ones((2, 2)),))),
        mistakes=(check.tasks.Mistake("mean", "this is the mean, not the sum.",
                                      lambda x: (x.mean(), 2 * x), convolution.ONE_OUTPUT),),
        section=convolution.ONE_OUTPUT, shape_rule=("a number", "the shape of x"),
    )


@pytest.mark.parametrize("answer, expected", [
    (lambda x: (x.sum(), 2 * x), "passed, 2 cases of 2"),
    (lambda x: [float(x.sum()), x + x], "passed, 2 cases of 2"),
    (lambda x: (x.mean(), 2 * x), "this is the mean, not the sum."),
    (lambda x: (x.sum(), x), "values of doubled are wrong."),
    (lambda x: x.sum(), "it must return 2 results, (total, doubled)"),
    (lambda x: (x.sum(), 2 * x, x), "got a value of type tuple of 3"),
    (lambda x: (x, 2 * x), "total has the wrong shape: expected (), got (3,). It is a number."),
    (lambda x: (None, 2 * x), "total is None"),
    (lambda x: (x.sum(), 2), "doubled must be one NumPy array"),
    (lambda x: (x.sum() + 1, 2 * x), "the value of total is wrong."),
])
def test_several_results_are_judged_one_by_one(answer, expected, guard, capsys):
    check.judge(two_results(), answer)
    assert expected in capsys.readouterr().out


def test_every_task_has_its_function():
    assert set(check.TASKS) >= {"conv2d"}
    for name, task in check.TASKS.items():
        assert callable(getattr(check, name)) and task.function_name in getattr(check, name).__doc__
        assert task.id.startswith("ex") and len(task.cases) >= 3 and task.mistakes
