"""The checks of backpropagation judge right, wrong and misbehaving answers, written out by hand."""

from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from course_lib import check
from course_lib.check import backprop, sandbox
from course_lib.notebooks import cell_source, read_notebook

ROOT = Path(__file__).parents[1]
SOLUTION = ROOT / "solutions" / "ex05_backpropagation" / "ex05_backpropagation.ipynb"
TASKS = {task.id.partition("/")[2]: task for task in backprop.TASKS}


@pytest.fixture(autouse=True)
def progress_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress"))


# Right answers, as loops: the wrong ones below are edits of these

SOURCES = {
    "dense_backward": '''
def answer(dy, x, weight):
    N, I = x.shape
    O = weight.shape[1]
    dx, dweight, dbias = np.zeros_like(x), np.zeros_like(weight), np.zeros(O, dy.dtype)
    for n in range(N):
        for o in range(O):
            dbias[o] += dy[n, o]
            for i in range(I):
                dx[n, i] += dy[n, o] * weight[i, o]
                dweight[i, o] += dy[n, o] * x[n, i]
    return dx, dweight, dbias
''',
    "relu_backward": '''
def answer(dy, x):
    dx = np.zeros_like(dy)
    for place in np.ndindex(*x.shape):
        if x[place] > 0:
            dx[place] = dy[place]
    return dx
''',
    "max_pool2d_backward": '''
def answer(dy, x, kernel_size, stride):
    N, C, OH, OW = dy.shape
    dx = np.zeros_like(x)
    for n in range(N):
        for c in range(C):
            for i in range(OH):
                for j in range(OW):
                    top, left = i * stride, j * stride
                    best, place = -np.inf, None
                    for u in range(kernel_size):
                        for v in range(kernel_size):
                            if x[n, c, top + u, left + v] > best:
                                best, place = x[n, c, top + u, left + v], (u, v)
                    dx[n, c, top + place[0], left + place[1]] += dy[n, c, i, j]
    return dx
''',
    "avg_pool2d_backward": '''
def answer(dy, x, kernel_size, stride):
    N, C, OH, OW = dy.shape
    dx = np.zeros_like(x)
    for n in range(N):
        for c in range(C):
            for i in range(OH):
                for j in range(OW):
                    for u in range(kernel_size):
                        for v in range(kernel_size):
                            share = dy[n, c, i, j] / kernel_size**2
                            dx[n, c, i * stride + u, j * stride + v] += share
    return dx
''',
    "conv2d_backward_bias": '''
def answer(dy):
    N, F, OH, OW = dy.shape
    dbias = np.zeros(F, dy.dtype)
    for n in range(N):
        for f in range(F):
            for i in range(OH):
                for j in range(OW):
                    dbias[f] += dy[n, f, i, j]
    return dbias
''',
    "conv2d_backward_weight": '''
def answer(dy, x, weight_shape, stride, padding):
    N, F, OH, OW = dy.shape
    F, C, KH, KW = weight_shape
    H, W = x.shape[2:]
    p = padding
    padded = np.zeros((N, C, H + 2 * p, W + 2 * p), x.dtype)
    padded[:, :, p : p + H, p : p + W] = x
    dweight = np.zeros(weight_shape, dy.dtype)
    for n in range(N):
        for f in range(F):
            for i in range(OH):
                for j in range(OW):
                    for c in range(C):
                        for u in range(KH):
                            for v in range(KW):
                                pixel = padded[n, c, i * stride + u, j * stride + v]
                                dweight[f, c, u, v] += dy[n, f, i, j] * pixel
    return dweight
''',
    "conv2d_backward_input": '''
def answer(dy, weight, x_shape, stride, padding):
    N, C, H, W = x_shape
    F, C, KH, KW = weight.shape
    OH, OW = dy.shape[2:]
    p = padding
    dpadded = np.zeros((N, C, H + 2 * p, W + 2 * p), dy.dtype)
    for n in range(N):
        for f in range(F):
            for i in range(OH):
                for j in range(OW):
                    for c in range(C):
                        for u in range(KH):
                            for v in range(KW):
                                g = dy[n, f, i, j] * weight[f, c, u, v]
                                dpadded[n, c, i * stride + u, j * stride + v] += g
    return dpadded[:, :, p : p + H, p : p + W]
''',
}
GATHER = '''
def answer(dy, weight, x_shape, stride, padding):
    N, C, H, W = x_shape
    F, C, KH, KW = weight.shape
    OH, OW = dy.shape[2:]
    p = padding
    rh, rw = (H + 2 * p - KH) % stride, (W + 2 * p - KW) % stride
    dilated = np.zeros((N, F, (OH - 1) * stride + 1, (OW - 1) * stride + 1), dy.dtype)
    dilated[:, :, ::stride, ::stride] = dy
    big = np.pad(dilated, ((0, 0), (0, 0), (KH - 1, KH - 1 + rh), (KW - 1, KW - 1 + rw)))
    turned = weight[:, :, ::-1, ::-1]
    GH, GW = big.shape[2] - KH + 1, big.shape[3] - KW + 1
    dx = np.zeros((N, C, GH, GW), dy.dtype)
    for n in range(N):
        for c in range(C):
            for i in range(GH):
                for j in range(GW):
                    dx[n, c, i, j] = (big[n, :, i : i + KH, j : j + KW] * turned[:, c]).sum()
    return dx[:, :, p : p + H, p : p + W]
'''
CORRELATE = '''
def answer(dy, x, weight_shape, stride, padding):
    N, F, OH, OW = dy.shape
    F, C, KH, KW = weight_shape
    p, s = padding, stride
    padded = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    dweight = np.zeros(weight_shape, dy.dtype)
    for u in range(KH):
        for v in range(KW):
            seen = padded[:, :, u : u + s * OH : s, v : v + s * OW : s]
            dweight[:, :, u, v] = np.einsum("nfij,ncij->fc", dy, seen)
    return dweight
'''
WINDOWS = '''
def answer(dy, x, kernel_size, stride):
    K, s = kernel_size, stride
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dy.shape):
        window = x[n, c, i * s : i * s + K, j * s : j * s + K]
        u, v = np.unravel_index(window.argmax(), window.shape)
        dx[n, c, i * s + u, j * s + v] += dy[n, c, i, j]
    return dx
'''
MATRICES = '''
def answer(dy, x, weight):
    N = len(x)
    dx = dy @ weight.T
    dweight = x.T @ dy
    dbias = dy.sum(axis=0)
    return dx, dweight, dbias
'''
SUMMED = '''
def answer(dy):
    N, F, OH, OW = dy.shape
    return dy.sum(axis=(0, 2, 3))
'''
MASKED = '''
def answer(dy, x):
    return dy * (x > 0)
'''
OTHERS = {"gather": GATHER, "correlate": CORRELATE, "windows": WINDOWS, "matrices": MATRICES,
          "summed": SUMMED, "masked": MASKED}


def answer_from(source, *edits):
    """Return the function after replacing each (old, new), which must occur."""
    for old, new in edits:
        assert old in source, old
        source = source.replace(old, new)
    namespace = {"np": np}
    exec(source, namespace)  # noqa: S102  (our own text)
    return namespace["answer"]


def einsum_dx(dy, weight, x_shape, stride, padding):
    """Every place of the kernel at once, into a strided view."""
    (N, C, H, W), (OH, OW), (KH, KW) = x_shape, dy.shape[2:], weight.shape[2:]
    whole = np.zeros((N, C, H + 2 * padding, W + 2 * padding), dy.dtype)
    for u in range(KH):
        for v in range(KW):
            view = whole[:, :, u : u + stride * OH : stride, v : v + stride * OW : stride]
            view += np.einsum("nfij,fc->ncij", dy, weight[:, :, u, v])
    return whole[:, :, padding : padding + H, padding : padding + W]


def tensordot_dx(dy, weight, x_shape, stride, padding):
    N, C, H, W = x_shape
    KH, KW = weight.shape[2:]
    p, whole = padding, np.zeros((N, C, H + 2 * padding, W + 2 * padding), dy.dtype)
    for i, j in np.ndindex(*dy.shape[2:]):
        window = whole[:, :, i * stride : i * stride + KH, j * stride : j * stride + KW]
        window += np.tensordot(dy[:, :, i, j], weight, axes=(1, 0))
    return whole[:, :, p : p + H, p : p + W]


def bounds_checked_dx(dy, weight, x_shape, stride, padding):
    dx = np.zeros(x_shape, np.float32)
    for n, f, i, j in np.ndindex(*dy.shape):
        for c, u, v in np.ndindex(*weight.shape[1:]):
            row, column = i * stride + u - padding, j * stride + v - padding
            if 0 <= row < x_shape[2] and 0 <= column < x_shape[3]:
                dx[n, c, row, column] += dy[n, f, i, j] * weight[f, c, u, v]
    return dx.astype(dy.dtype)


def view_dw(dy, x, weight_shape, stride, padding):
    p = (padding, padding)
    view = sliding_window_view(np.pad(x, ((0, 0), (0, 0), p, p)), weight_shape[2:], (2, 3))
    return np.einsum("nfij,ncijuv->fcuv", dy, view[:, :, ::stride, ::stride])


def tensordot_dw(dy, x, weight_shape, stride, padding):
    KH, KW = weight_shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    dweight = np.zeros(weight_shape, np.float32)
    for i, j in np.ndindex(*dy.shape[2:]):
        window = padded[:, :, i * stride : i * stride + KH, j * stride : j * stride + KW]
        dweight += np.tensordot(dy[:, :, i, j], window, axes=(0, 0)).astype(np.float32)
    return dweight.astype(dy.dtype)


def flat_argmax(dy, x, kernel_size, stride):
    view = sliding_window_view(x, (kernel_size, kernel_size), (2, 3))[:, :, ::stride, ::stride]
    choice = view.reshape(*dy.shape, -1).argmax(axis=4)
    n, c, i, j = np.indices(dy.shape)
    dx = np.zeros_like(x)
    np.add.at(dx, (n, c, i * stride + choice // kernel_size, j * stride + choice % kernel_size), dy)
    return dx


def first_seen(dy, x, kernel_size, stride):
    """Offsets outside; a window whose winner was found takes no second one."""
    s, (OH, OW) = stride, dy.shape[2:]
    dx, left = np.zeros_like(x), np.ones(dy.shape, bool)
    view = sliding_window_view(x, (kernel_size, kernel_size), (2, 3))[:, :, ::s, ::s]
    largest = view.max(axis=(4, 5))
    for u, v in np.ndindex(kernel_size, kernel_size):
        rows, columns = slice(u, u + s * OH, s), slice(v, v + s * OW, s)
        wins = (x[:, :, rows, columns] == largest) & left
        dx[:, :, rows, columns] += dy * wins
        left &= ~wins
    return dx


def avg_slices(dy, x, kernel_size, stride):
    dx, K = np.zeros(x.shape, x.dtype), kernel_size
    for i, j in np.ndindex(*dy.shape[2:]):
        top, left = i * stride, j * stride
        dx[:, :, top : top + K, left : left + K] += dy[:, :, i, j, None, None] / (K * K)
    return dx


def avg_offsets(dy, x, kernel_size, stride):
    dx, (OH, OW) = np.zeros(x.shape, np.float32), dy.shape[2:]
    for u, v in np.ndindex(kernel_size, kernel_size):
        dx[:, :, u : u + stride * OH : stride, v : v + stride * OW : stride] += dy
    return (dx / kernel_size**2).astype(x.dtype)


def avg_kron(dy, x, kernel_size, stride):
    dx, K = np.zeros_like(x), kernel_size
    for n, c, i, j in np.ndindex(*dy.shape):
        mask = np.zeros(x.shape[2:], x.dtype)
        mask[i * stride : i * stride + K, j * stride : j * stride + K] = 1 / K**2
        dx[n, c] += dy[n, c, i, j] * mask
    return dx


def x_shape_of(dy, weight, p):
    (N, _, OH, OW), (_, C, KH, KW) = dy.shape, weight.shape
    return N, C, OH + KH - 1 - 2 * p, OW + KW - 1 - 2 * p


RIGHT = {
    "dense_backward": [
        MATRICES,
        lambda dy, x, w: (np.einsum("no,io->ni", dy, w), np.einsum("no,ni->io", dy, x), dy.sum(0)),
        lambda dy, x, w: [np.tensordot(dy, w, (1, 1)), np.tensordot(x, dy, (0, 0)),
                          np.ones(len(dy), dy.dtype) @ dy],
        lambda dy, x, w: ((w @ dy.T).T, (dy.T @ x).T, np.add.reduce(dy)),
    ],
    "relu_backward": [
        MASKED,
        lambda dy, x: np.where(x > 0, dy, 0).astype(dy.dtype),
        lambda dy, x: np.where(x <= 0, np.zeros_like(dy), dy),
        lambda dy, x: np.multiply(dy, np.heaviside(x, 0).astype(np.float32)).astype(dy.dtype),
    ],
    "max_pool2d_backward": [WINDOWS, flat_argmax, first_seen, lambda dy, x, K, s: answer_from(
        WINDOWS)(dy.astype(np.float32), x.astype(np.float32), K, s).astype(x.dtype)],
    "avg_pool2d_backward": [avg_slices, avg_offsets, avg_kron, lambda *a: avg_slices(*a)],
    "conv2d_backward_bias": [
        SUMMED, lambda dy: np.einsum("nfij->f", dy), lambda dy: dy.sum(3).sum(2).sum(0),
        lambda dy: dy.transpose(1, 0, 2, 3).reshape(dy.shape[1], -1).sum(1),
    ],
    "conv2d_backward_weight": [CORRELATE, view_dw, tensordot_dw, lambda *a: view_dw(*a)],
    "conv2d_backward_input": [GATHER, einsum_dx, tensordot_dx, bounds_checked_dx],
    "repair_pool": [lambda dy, x: flat_argmax(dy, x, 2, 2), lambda dy, x: first_seen(dy, x, 2, 2)],
    "repair_filter": [lambda dy, x, s: view_dw(dy, x, s, 1, 0),
                      lambda dy, x, s: tensordot_dw(dy, x, s, 1, 0)],
    "repair_image": [lambda dy, w, p: einsum_dx(dy, w, x_shape_of(dy, w, p), 1, p),
                     lambda dy, w, p: tensordot_dx(dy, w, x_shape_of(dy, w, p), 1, p)],
}
FOR_ALL = [(name, answer) for name, answers in RIGHT.items()
           for answer in [*answers, *([SOURCES[name]] if name in SOURCES else [])]]


@pytest.mark.parametrize("name, answer", FOR_ALL, ids=lambda value: getattr(
    value, "__name__", str(value))[:40].strip())
def test_right_answers_pass(name, answer, capfd):
    result = getattr(check, name)(answer_from(answer) if isinstance(answer, str) else answer)
    out, err = capfd.readouterr()
    assert result.passed and err == "", out
    assert out == f"{TASKS[name].function_name}: passed, {result.cases} cases of {result.cases}.\n"


# Wrong answers that are recognised


VARIANTS = {f"{name}: {mistake.id} {n}": (name, mistake, variant) for name, task in TASKS.items()
            for mistake in task.mistakes for n, variant in enumerate(mistake.variants)}


@pytest.mark.parametrize("key", VARIANTS)
def test_every_mistake_of_the_catalogue_is_named(key, monkeypatch, capfd):
    monkeypatch.setattr(sandbox, "can_fork", lambda: False)  # quicker, and as right
    name, mistake, variant = VARIANTS[key]
    result = getattr(check, name)(variant)
    out, err = capfd.readouterr()
    assert result.state == "failed" and result.mistake == mistake.id
    assert mistake.sentence in out and str(mistake.section) in out and err == ""
    assert "in the case below, " not in out


PLACE, CUT = "i * stride + u, j * stride + v", "dpadded[:, :, p : p + H, p : p + W]"
NEXT = "dx[:, :, p : p + H, p : p + W]"
EARLY = (("range(OH)", "range(OH - 1)"), ("range(OW)", "range(OW - 1)"))
BIG = "(KH - 1, KH - 1 + rh), (KW - 1, KW - 1 + rw)"
SUM = 'np.einsum("nfij,ncij->fc", dy, seen)'
BROKEN_FILTER = '''
def answer(dy, x, weight_shape):
    out = np.zeros(weight_shape, dy.dtype)
    height, width = dy.shape[2:]
    for row, column in np.ndindex(*weight_shape[2:]):
        pixels = x[:, :, :height, :width]
        out[:, :, row, column] = np.einsum("nfij,ncij->fc", dy, pixels)
    return out
'''
TYPICAL = {  # (which source, expected mistake, edits)
    "conv2d_backward_input": [
        (0, "kernel the wrong way round", ("weight[f, c, u, v]", "weight[f, c, KH-1-u, KW-1-v]")),
        (GATHER, "kernel the wrong way round", ("weight[:, :, ::-1, ::-1]", "weight")),
        (GATHER, "kernel the wrong way round", ("turned[:, c]", "turned[:, c, ::-1, ::-1]")),
        (GATHER, "turned in the rows only", ("::-1, ::-1]", "::-1]")),
        (GATHER, "turned in the columns only", ("::-1, ::-1]", ":, ::-1]")),
        (GATHER, "kernel transposed", ("weight[:, :, ::-1, ::-1]", "weight.swapaxes(2, 3)")),
        (0, "kernel transposed", ("weight[f, c, u, v]", "weight[f, c, v, u]")),
        (0, "replaced instead of added", ("] += g", "] = g")),
        (GATHER, "last filter only", ("(big[n, :, i : i + KH, j : j + KW] * turned[:, c]).sum()",
                                      "(big[n, -1, i:i+KH, j:j+KW] * turned[-1, c]).sum()")),
        (GATHER, "first filter only", ("(big[n, :, i : i + KH, j : j + KW] * turned[:, c]).sum()",
                                       "(big[n, 0, i:i+KH, j:j+KW] * turned[0, c]).sum()")),
        (0, "first filter only", ("range(F)", "range(1)")),
        (0, "mean over filters", (f"return {CUT}", f"return {CUT} / F")),
        (0, "divided by the number of images", (f"return {CUT}", f"return {CUT} / N")),
        (0, "mean over the window", (f"return {CUT}", f"return {CUT} / (KH * KW)")),
        (0, "padding not cropped", (CUT, "dpadded")),
        (GATHER, "padding not cropped", (NEXT, "dx")),
        (0, "cropped at the end only", (CUT, "dpadded[:, :, :H, :W]")),
        (0, "cropped in front only", (CUT, "dpadded[:, :, p:, p:]")),
        (0, "cropped twice", (CUT, "dpadded[:, :, p:H, p:W]")),
        (0, "cropped on rows only", (CUT, "dpadded[:, :, p : p + H]")),
        (0, "cropped on columns only", (CUT, "dpadded[:, :, :, p : p + W]")),
        (0, "empty without padding", (CUT, "dpadded[:, :, p:-p, p:-p]")),
        (GATHER, "empty without padding", (NEXT, "dx[:, :, p:-p, p:-p]")),
        (0, "indices wrap around", (PLACE, "i * stride + u - p, j * stride + v - p"), (CUT, "dx"),
         ("dpadded", "dx"), ("H + 2 * p, W + 2 * p", "H, W")),
        (0, "without padding only", ("H + 2 * p, W + 2 * p", "H, W"), (CUT, "dpadded")),
        (0, "stride ignored", (PLACE, "i + u, j + v")),
        (GATHER, "stride ignored", ("(OH - 1) * stride + 1, (OW - 1) * stride + 1", "OH, OW"),
         ("::stride, ::stride", ":, :"), ("rh), (KW", "0), (KW"), ("- 1 + rw", "- 1"),
         (NEXT, "dx[:, :, p : GH - p, p : GW - p]")),
        (0, "stride on rows only", (PLACE, "i * stride + u, j + v")),
        (0, "stride on columns only", (PLACE, "i + u, j * stride + v")),
        (GATHER, "one zero too many between", ("p = padding", "p = padding; full = stride + 1"),
         ("(OH - 1) * stride + 1, (OW - 1) * stride + 1", "(OH - 1) * full + 1, (OW-1) * full + 1"),
         ("::stride, ::stride", "::full, ::full")),
        (GATHER, "dropped pixels forgotten", ("rh), (KW", "0), (KW"), ("- 1 + rw", "- 1"),
         (NEXT, "dx[:, :, p : GH - p, p : GW - p]")),
        (GATHER, "dropped pixels forgotten", ("KH - 1 + rh", "KH - 1"), ("KW - 1 + rw", "KW - 1")),
        (GATHER, "dy not padded", (BIG, "(0, 0), (0, 0)"),
         (NEXT, "dx")),
        (GATHER, "dy padded like x", (BIG, "(p, p), (p, p)"), (NEXT, "dx")),
        (GATHER, "dy padded by one too many", (BIG, "(KH, KH + rh), (KW, KW + rw)")),
        (0, "filters and channels swapped", ("weight[f, c, u, v]", "weight[c, f, u, v]")),
        (0, "first slice for every channel", ("weight[f, c, u, v]", "weight[f, 0, u, v]")),
        (0, "one image only", ("range(N)", "range(1)")),
        (0, "one image only", ("dy[n, f, i, j]", "dy[0, f, i, j]")),
        (0, "images added up", (f"return {CUT}", f"return {CUT}.sum(0)[None].repeat(N, 0)")),
        (0, "dy transposed", ("dy[n, f, i, j]", "dy[n, f, j, i]")),
        (0, "dx transposed", (f"return {CUT}", f"return {CUT}.swapaxes(2, 3)")),
        (0, "weights ignored", (" * weight[f, c, u, v]", "")),
        (0, "dy ignored", ("dy[n, f, i, j] * ", "")),
        (0, "last outputs left out", *EARLY),
        (0, "sign", ("+= g", "-= g")),
        (0, "all zeros", ("+= g", "+= 0 * g")),
    ],
    "conv2d_backward_weight": [
        (0, "offset lost", (PLACE, "i * stride, j * stride")),
        (0, "turned", ("return dweight", "return dweight[:, :, ::-1, ::-1]")),
        (0, "turned", ("dweight[f, c, u, v]", "dweight[f, c, KH - 1 - u, KW - 1 - v]")),
        (0, "rows reversed", ("dweight[f, c, u, v]", "dweight[f, c, -1 - u, v]")),
        (0, "columns reversed", ("dweight[f, c, u, v]", "dweight[f, c, u, -1 - v]")),
        (0, "transposed", ("return dweight", "return dweight.swapaxes(2, 3)")),
        (0, "last window only", ("] += dy", "] = dy")),
        (0, "last image only", ("range(N)", "range(N - 1, N)")),
        (0, "last image only", ("range(N)", "range(1)")),
        (CORRELATE, "divided by the number of images", (SUM, f"{SUM} / N")),
        (CORRELATE, "mean over the outputs", (SUM, f"{SUM} / (OH * OW)")),
        (CORRELATE, "mean over the outputs", (SUM, f"{SUM} / (N * OH * OW)")),
        (0, "x without padding", ("padded[n", "x[n")),
        (CORRELATE, "x without padding", ("padded[:", "x[:")),
        (0, "x without padding", ("padded[n", "x[n"),
         (PLACE, "i * stride + u - p, j * stride + v - p")),
        (0, "padded behind only", ("padded[:, :, p : p + H, p : p + W]", "padded[:, :, :H, :W]")),
        (0, "negative indices", ("padded[n, c, i * stride + u, j * stride + v]",
                                 ("x[n, c, a, b] if (a := i * stride + u - p) < H and "
                                 "(b := j * stride + v - p) < W else 0"))),
        (CORRELATE, "padding twice", ("(p, p), (p, p)", "(2*p, 2*p), (2*p, 2*p)")),
        (CORRELATE, "padding not with zeros", ("(p, p), (p, p))", "(p, p), (p, p)), mode='edge'")),
        (0, "stride ignored", (PLACE, "i + u, j + v")),
        (CORRELATE, "stride ignored", ("p, s = padding, stride", "p, s = padding, 1")),
        (0, "stride on rows only", (PLACE, "i * stride + u, j + v")),
        (0, "stride on columns only", (PLACE, "i + u, j * stride + v")),
        (0, "stride on the offset", (PLACE, "i + u * stride, j + v * stride")),
        (0, "windows next to each other", (PLACE, "i * KH + u, j * KW + v")),
        (0, "filters and channels swapped", ("return dweight", "return dweight.swapaxes(0, 1)")),
        (0, "filters and channels swapped", ("dweight[f, c, u, v]", "dweight[c, f, u, v]")),
        (0, "first channel everywhere", ("padded[n, c,", "padded[n, 0,")),
        (0, "first filter everywhere", ("dy[n, f, i, j]", "dy[n, 0, i, j]")),
        (CORRELATE, "filters added up", ('"nfij,ncij->fc"', '"nfij,ncij->c"')),
        (CORRELATE, "channels added up", (SUM, f"{SUM}.sum(1, keepdims=True)")),
        (0, "dy transposed", ("dy[n, f, i, j]", "dy[n, f, j, i]")),
        (0, "dy ignored", ("dy[n, f, i, j] * ", "")),
        (0, "x ignored", (" * pixel", "")),
        (0, "last outputs left out", *EARLY),
        (0, "sign", ("+= dy", "-= dy")),
        (0, "all zeros", ("+= dy", "+= 0 * dy")),
    ],
    "max_pool2d_backward": [
        (WINDOWS, "every tie gets all", ("i * s + u, j * s + v] += dy[n, c, i, j]",
                                         ("i*s:i*s+K, j*s:j*s+K] += (window == window.max()) * "
                                         "dy[n, c, i, j]"))),
        (WINDOWS, "ties share", ("i * s + u, j * s + v] += dy[n, c, i, j]",
                                 ("i*s:i*s+K, j*s:j*s+K] += (window == window.max()) * "
                                 "dy[n, c, i, j] / (window == window.max()).sum()"))),
        (0, "last winner", ("> best", ">= best")),
        (WINDOWS, "first by columns", ("u, v =", "v, u ="),
         ("window.argmax(), window.shape", "window.T.argmax(), (K, K)")),
        (WINDOWS, "address transposed", ("u, v =", "v, u =")),
        (0, "replaced instead of added", ("] += dy", "] = dy")),
        (0, "nothing below zero", ("best, place = -np.inf, None", "best, place = 0, (0, 0)")),
        (0, "smallest", ("> best", "< best"), ("-np.inf", "np.inf")),
        (WINDOWS, "smallest", ("argmax", "argmin")),
        (WINDOWS, "largest without sign", ("window.argmax()", "np.abs(window).argmax()")),
        (WINDOWS, "everybody gets it", ("i * s + u, j * s + v]", "i*s:i*s+K, j*s:j*s+K]")),
        (WINDOWS, "shared equally", ("i * s + u, j * s + v] += dy[n, c, i, j]",
                                     "i*s:i*s+K, j*s:j*s+K] += dy[n, c, i, j] / K**2")),
        (0, "maximum instead of dy", ("+= dy[n, c, i, j]", "+= best")),
        (0, "dy ignored", ("+= dy[n, c, i, j]", "+= 1")),
        (0, "multiplied by the value", ("+= dy[n, c, i, j]", "+= dy[n, c, i, j] * best")),
        (0, "stride ignored", ("top, left = i * stride, j * stride", "top, left = i, j")),
        (0, "windows next to each other",
         ("i * stride, j * stride", "i * kernel_size, j * kernel_size")),
        (WINDOWS, "written into the first window", ("dx[n, c, i * s + u, j * s + v]",
                                                    "dx[n, c, u, v]")),
        (WINDOWS, "written at the output's place", ("dx[n, c, i * s + u, j * s + v]",
                                                    "dx[n, c, i + u, j + v]")),
        (0, "rows and columns swapped", ("dy[n, c, i, j]", "dy[n, c, j, i]")),
        (0, "first image only", ("range(N)", "range(1)")),
        (0, "first channel only", ("range(C)", "range(1)")),
        (0, "last windows left out", *EARLY),
        (0, "divided by the number of images", ("return dx", "return dx / N")),
        (0, "sign", ("+= dy", "-= dy")),
        (0, "all zeros", ("+= dy", "+= 0 * dy")),
    ],
    "avg_pool2d_backward": [
        (0, "not divided", (" / kernel_size**2", "")),
        (0, "divided by K", ("kernel_size**2", "kernel_size")),
        (0, "divided by the number of outputs", ("kernel_size**2", "(OH * OW)")),
        (0, "divided by the image", ("kernel_size**2", "x[0, 0].size")),
        (0, "multiplied by K²", ("/ kernel_size**2", "* kernel_size**2")),
        (0, "divided twice", ("kernel_size**2", "kernel_size**4")),
        (0, "replaced instead of added", ("] += share", "] = share")),
        (0, "stride ignored", (PLACE, "i + u, j + v")),
        (0, "windows next to each other", (PLACE, "i * kernel_size + u, j * kernel_size + v")),
        (0, "only the first pixel", ("range(kernel_size)", "range(1)")),
        (0, "written into the first window", (PLACE, "u, v")),
        (0, "rows and columns swapped", ("dy[n, c, i, j]", "dy[n, c, j, i]")),
        (0, "first image only", ("range(N)", "range(1)")),
        (0, "first channel only", ("range(C)", "range(1)")),
        (0, "dy ignored", ("dy[n, c, i, j] /", "1 /")),
        (0, "divided by the number of images", ("return dx", "return dx / N")),
        (0, "last windows left out", *EARLY),
        (0, "sign", ("+= share", "-= share")),
        (0, "windows that fill the image only", ("return dx", ("return np.kron(dy, np.full("
         "(kernel_size,) * 2, 1 / kernel_size**2))"))),
    ],
    "dense_backward": [
        (0, "weight not transposed", ("* weight[i, o]", "* weight[o, i]")),
        (MATRICES, "weight not transposed", ("weight.T", "weight")),
        (MATRICES, "dweight transposed", ("x.T @ dy", "dy.T @ x")),
        (MATRICES, "x not transposed", ("x.T @ dy", "x @ dy")),
        (MATRICES, "batch not summed in dbias", ("dy.sum(axis=0)", "dy")),
        (MATRICES, "dbias over outputs", ("axis=0", "axis=1")),
        (MATRICES, "dbias keeps an axis", ("axis=0", "axis=0, keepdims=True")),
        (MATRICES, "dbias is a mean", ("dy.sum(", "dy.mean(")),
        (MATRICES, "dweight is a mean", ("x.T @ dy", "x.T @ dy / N")),
        (MATRICES, "divided by the number of examples", ("x.T @ dy", "x.T @ dy / N"),
         ("sum(axis=0)", "mean(axis=0)")),
        (0, "one example only", ("dbias[o] +=", "dbias[o] =")),
        (0, "one example only", ("dweight[i, o] +=", "dweight[i, o] =")),
        (0, "last output only", ("dx[n, i] +=", "dx[n, i] =")),
        (0, "last output only", ("+=", "=")),
        (0, "order of the results", ("return dx, dweight", "return dweight, dx")),
        (0, "dx from x", ("dy[n, o] * weight[i, o]", "dy[n, o] * x[n, i]")),
        (0, "dy ignored", ("dbias[o] += dy[n, o]", "dbias[o] += 1")),
        (MATRICES, "dx summed over the batch", ("weight.T", "weight.T; dx = dx.sum(axis=0)")),
    ],
    "relu_backward": [
        (MASKED, "gate forgotten", (" * (x > 0)", " * 1")),
        (0, "open at zero", ("> 0", ">= 0")),
        (MASKED, "gate of dy", ("x > 0", "dy > 0")),
        (MASKED, "gate of dy", ("dy * (x > 0)", "np.maximum(dy, 0)")),
        (0, "gate the wrong way round", ("> 0", "< 0")),
        (MASKED, "multiplied by x", ("(x > 0)", "np.maximum(x, 0)")),
        (MASKED, "multiplied by x", ("(x > 0)", "x")),
        (0, "the gate itself", ("= dy[place]", "= 1")),
        (MASKED, "forward again", ("dy * (x > 0)", "x * (x > 0)")),
        (0, "x in the closed places", ("dx = np.zeros_like(dy)", "dx = x.copy()")),
        (MASKED, "leaky", ("(x > 0)", "np.where(x > 0, 1, 0.01)")),
        (MASKED, "minus one behind", ("(x > 0)", "np.sign(x)")),
        (0, "all zeros", ("= dy[place]", "= 0")),
    ],
    "conv2d_backward_bias": [
        (SUMMED, "sum over the batch forgotten", ("(0, 2, 3)", "(2, 3)")),
        (0, "one image only", ("range(N)", "range(1)")),
        (SUMMED, "positions not added up", ("(0, 2, 3)", "0")),
        (SUMMED, "one axis too few", ("(0, 2, 3)", "(0, 2)")),
        (0, "replaced instead of added", ("+=", "=")),
        (SUMMED, "mean", (".sum", ".mean")),
        (SUMMED, "mean over positions", ("(0, 2, 3))", "(0, 2, 3)) / (OH * OW)")),
        (SUMMED, "divided by the number of images", ("(0, 2, 3))", "(0, 2, 3)) / N")),
        (SUMMED, "filters added up", ("(0, 2, 3)", "(1, 2, 3)")),
        (SUMMED, "one number", ("axis=(0, 2, 3)", "keepdims=True")),
        (SUMMED, "axes kept", ("(0, 2, 3)", "(0, 2, 3), keepdims=True")),
        (0, "counted", ("+= dy[n, f, i, j]", "+= 1")),
        (0, "sign", ("+=", "-=")),
    ],
}
TYPICAL["repair_filter"] = [(BROKEN_FILTER, "offset lost"), (
    BROKEN_FILTER, "end not shifted", (":height, :width", "row:height, column:width")), (
    BROKEN_FILTER, "divided by the number of images", ("return out", "return out / len(dy)"),
    (":height, :width", "row : row + height, column : column + width"))]
STUDENTS = [(name, *rest) for name, answers in TYPICAL.items() for rest in answers]


@pytest.mark.parametrize("name, source, expected, edits", [
    (name, source, expected, edits) for name, source, expected, *edits in STUDENTS
], ids=[f"{n} {name} {expected}" for n, (name, _, expected, *_) in enumerate(STUDENTS)])
def test_the_same_mistakes_as_students_write_them(name, source, expected, edits, capfd):
    result = getattr(check, name)(answer_from(source or SOURCES[name], *edits))
    assert result.state == "failed"
    assert result.mistake == expected, capfd.readouterr().out


def test_there_are_as_many_student_mistakes_as_promised():
    counts = {name: len({expected for _, expected, *_ in answers})
              for name, answers in TYPICAL.items()}
    assert min(counts[name] for name in TYPICAL if "2d" in name) >= 12, counts
    del counts["repair_filter"]
    assert min(counts.values()) >= 8 and sum(counts.values()) >= 100


def sources_of(start):
    """Return the sources of the solution's code cells that begin with `start`."""
    cells = read_notebook(SOLUTION)["cells"]
    return [cell_source(cell) for cell in cells
            if cell["cell_type"] == "code" and cell_source(cell).startswith(start)]


PLANTED = {"repair_pool": ("broken_pool", "every tie gets all"),
           "repair_softmax": ("broken_softmax", "element by element"),
           "repair_filter": ("broken_filter", "offset lost"),
           "repair_image": ("broken_image", "empty without padding")}


@pytest.mark.parametrize("name", PLANTED)
def test_the_broken_functions_of_the_exercise_are_named(name, capsys):
    function, mistake = PLANTED[name]
    namespace = {"np": np}
    for source in sources_of(f"def {function}"):
        exec(source.split("\n\n\n")[0], namespace)  # noqa: S102  (our own text)
    assert getattr(check, name)(namespace[function]).mistake == mistake
    out = capsys.readouterr().out
    assert "still" in out and "in the case below, " not in out


def test_every_task_of_the_exercise_has_its_check():
    called = " ".join(sources_of("check."))
    for name, task in TASKS.items():
        assert f"check.{name}({task.function_name})" in called


# Misbehaving answers


@pytest.fixture(params=["forked", "in this process"])
def guard(request, monkeypatch):
    if request.param == "forked" and not sandbox.can_fork():
        pytest.skip("no fork on this system")
    if request.param != "forked":
        monkeypatch.setattr(sandbox, "can_fork", lambda: False)
    return request.param


def endless(*arguments):
    while True:
        pass


def adds_into_dy(dy, x):
    dy *= x > 0
    return dy


def adds_into_the_weight(dy, x, weight):
    results = answer_from(MATRICES)(dy, x, weight)
    weight -= 0.1 * results[1]
    return results


MISBEHAVING = [
    ("relu_backward", adds_into_dy, "dy was changed in place"),
    ("dense_backward", adds_into_the_weight, "weight was changed in place"),
    ("dense_backward", lambda dy, x, w: dy @ w.T, "must return 3 results, (dx, dweight, dbias)"),
    ("dense_backward", lambda dy, x, w: (dy @ w.T, x.T @ dy, None), "dbias is None"),
    ("conv2d_backward_bias", lambda dy: dy.sum(), "dbias must be one NumPy array"),
    ("conv2d_backward_bias", lambda dy: dy.sum((0, 2, 3)).tolist(), "got a value of type list"),
    ("conv2d_backward_bias", lambda dy: dy.sum((0, 2, 3)) / 0 * 0, "holds nan"),
    ("conv2d_backward_bias", lambda dy: dy.sum((0, 2, 3)).astype(float), "wrong dtype"),
    ("conv2d_backward_bias", lambda dy: np.array([5.0]), "dbias has the wrong shape"),
    ("conv2d_backward_input", lambda *a: einsum_dx(*a)[:, :1, :1], "wrong shape"),
    ("conv2d_backward_input", lambda *a: None, "it returns None"),
    ("conv2d_backward_input", lambda *a: einsum_dx(*a) + 1, "all values of dx are wrong"),
    ("conv2d_backward_weight", lambda *a: np.zeros(a[2], complex), "every number of dweight is 0"),
    ("max_pool2d_backward", lambda dy, x, K, s: 1 / 0, "ZeroDivisionError"),
    ("max_pool2d_backward", lambda dy, x: x, "takes 2 positional arguments but 4"),
]


@pytest.mark.parametrize("name, answer, sentence", MISBEHAVING)
def test_misbehaving_answers_are_rejected_and_described(name, answer, sentence, guard, capfd):
    result = getattr(check, name)(answer)
    out, err = capfd.readouterr()
    assert result.state == "failed" and sentence in out and err == ""


def test_an_endless_loop_ends(guard, monkeypatch, capsys):
    monkeypatch.setattr(sandbox, "SECONDS", 0.3)
    assert not check.relu_backward(endless).passed
    assert not check.gradients(endless, np.ones(3), backward=endless).passed
    out = capsys.readouterr().out
    assert "did not come back within" in out and "max_coordinates=20" in out


def test_stubs_are_not_attempted_yet(guard, capsys):
    def stub(*arguments):
        raise NotImplementedError

    for name, task in TASKS.items():
        assert getattr(check, name)(stub).state == "not attempted"
        assert capsys.readouterr().out == f"{task.function_name}: not attempted yet.\n"
    assert check.gradients(stub, np.ones(3), backward=stub).state == "not attempted"
    assert capsys.readouterr().out == "stub: not attempted yet.\n"


# check.gradients


class Scale:
    """y = x * factor; `change` spoils dx."""

    def __init__(self, change=lambda dx: dx):
        self.change = change

    def forward(self, x):
        return 3 * x

    def backward(self, dy):
        return self.change(3 * dy)


def squared_error(y, targets):
    return float(((y - targets) ** 2).mean()), 2 * (y - targets)


def cubed(x):
    return x**3, x


POINTS = np.random.default_rng(0).normal(size=(4, 4))


@pytest.mark.parametrize("arguments, options", [
    ((Scale(), POINTS), {}),
    ((cubed, POINTS), {"backward": lambda dy, x: 3 * dy * x**2}),
    ((lambda y, t: (float(((y - t) ** 2).mean()), 2 * (y - t) / y.size), POINTS, POINTS.T), {}),
    ((lambda x, w: (x @ w, (x, w)), (POINTS, POINTS.T)),
     {"backward": lambda dy, cache: (dy @ cache[1].T, cache[0].T @ dy)}),
])
def test_right_gradients_pass(arguments, options, guard, capfd):
    result = check.gradients(*arguments, **options)
    out, err = capfd.readouterr()
    assert result.passed and result.state == "passed" and err == "", out
    assert out == result.message + "\n" and ": passed (h = 1e-05" in out


@pytest.mark.parametrize("arguments, options, sentence", [
    ((Scale(lambda dx: -dx), POINTS), {}, "Scale, not yet: in x: the sign is wrong"),
    ((Scale(lambda dx: dx.T), POINTS), {}, "transposed"),
    ((Scale(lambda dx: dx.sum(0)), POINTS), {}, "the gradient must have the shape of x"),
    ((Scale(lambda dx: None), POINTS), {}, "backward gives no gradient"),
    ((Scale(lambda dx: 0 * dx), POINTS), {}, "gives only zeros"),
    ((Scale(lambda dx: dx / 3), POINTS), {}, "a factor of 3"),
    ((squared_error, POINTS[:, 0], POINTS[0]), {}, "1/4, and there are 4 examples"),
    ((Scale(lambda dx: 1.1 * dx), POINTS.astype(np.float32)), {}, "Use float64"),
    ((cubed, POINTS), {"backward": lambda dy, x: 3 * dy * x**2, "h": 0.1}, "the step h = 0.1"),
    ((lambda x: (np.maximum(x, 0), x), np.zeros(6)), {"backward": lambda dy, x: dy * (x > 0)},
     "ReLU at 0"),
    ((Scale(lambda dx: 1 / 0), POINTS), {}, "it stopped with ZeroDivisionError: division by zero ("),
    ((Scale, POINTS), {}, "expected a layer, got the class Scale. Make one first: Scale(...)"),
    ((3, POINTS), {}, "expected a layer, a model, a loss"),
    ((Scale(), np.arange(3)), {}, "must hold floating point numbers"),
])
def test_wrong_gradients_are_explained(arguments, options, sentence, guard, capfd):
    result = check.gradients(*arguments, **options)
    out, err = capfd.readouterr()
    assert result.state == "failed" and not result.passed and err == ""
    assert sentence in out, out
    assert check.gradients(*arguments, **options).message == result.message


def test_a_check_leaves_the_layer_and_the_generator_alone(guard):
    layer, x = Scale(), POINTS.copy()
    layer.calls = []
    before = np.random.get_state()[1].copy()
    check.gradients(layer, x)
    assert layer.calls == [] and np.array_equal(x, POINTS)
    assert np.array_equal(before, np.random.get_state()[1])


# Last, because every fork takes longer once PyTorch is loaded


@pytest.mark.parametrize("name", ["conv2d_backward_input", "conv2d_backward_weight",
                                  "conv2d_backward_bias", "max_pool2d_backward",
                                  "avg_pool2d_backward", "dense_backward", "relu_backward",
                                  "repair_softmax"])
def test_references_are_pytorchs(name):
    """An oracle that shares no line with ours."""
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    for case in TASKS[name].cases:
        arguments = [torch.tensor(a.astype(np.float64) if a.dtype.kind == "f" else a)
                     if isinstance(a, np.ndarray) else a for a in case.arguments]
        dy, *rest = arguments
        if name == "conv2d_backward_input":
            x = torch.zeros(rest[1], dtype=torch.float64, requires_grad=True)
            wanted, y = [x], F.conv2d(x, rest[0], stride=rest[2], padding=rest[3])
        elif name == "conv2d_backward_weight":
            weight = torch.zeros(rest[1], dtype=torch.float64, requires_grad=True)
            wanted, y = [weight], F.conv2d(rest[0], weight, stride=rest[2], padding=rest[3])
        elif name == "conv2d_backward_bias":
            bias = torch.zeros(dy.shape[1], dtype=torch.float64, requires_grad=True)
            wanted, y = [bias], torch.zeros_like(dy) + bias[:, None, None]
        elif name == "dense_backward":
            wanted = [rest[0].requires_grad_(), rest[1].requires_grad_(),
                      torch.zeros(dy.shape[1], dtype=torch.float64, requires_grad=True)]
            y = wanted[0] @ wanted[1] + wanted[2]
        elif name == "repair_softmax":
            wanted, y = [dy.requires_grad_()], F.cross_entropy(dy, rest[0])
            dy = torch.ones((), dtype=torch.float64)
        else:
            layer = {"max_pool2d_backward": F.max_pool2d, "avg_pool2d_backward": F.avg_pool2d,
                     "relu_backward": lambda x: F.relu(x)}[name]
            wanted = [rest[0].requires_grad_()]
            y = layer(wanted[0], *rest[1:])
        y.backward(dy)
        results = TASKS[name].reference(*case.arguments)
        for ours, theirs in zip(results if isinstance(results, tuple) else [results], wanted,
                                strict=True):
            np.testing.assert_allclose(ours, theirs.grad.numpy(), rtol=1e-5, atol=1e-5)
