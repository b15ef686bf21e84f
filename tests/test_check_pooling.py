"""The checks of pooling judge right and wrong answers; each answer here is written out by hand."""

import time
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from course_lib import check
from course_lib.check import pooling, sandbox
from course_lib.conv import conv2d
from course_lib.notebooks import cell_source, read_notebook
from course_lib.pool import avg_pool2d

ROOT = Path(__file__).parents[1]
TASKS = {task.id.partition("/")[2]: task for task in pooling.TASKS}

MAX = '''
def answer(x, kernel_size, stride):
    N, C, H, W = x.shape
    OH = (H - kernel_size) // stride + 1
    OW = (W - kernel_size) // stride + 1
    y = np.zeros((N, C, OH, OW), dtype=x.dtype)
    for n in range(N):
        for c in range(C):
            for i in range(OH):
                for j in range(OW):
                    best = x[n, c, i * stride, j * stride]
                    for u in range(kernel_size):
                        for v in range(kernel_size):
                            pixel = x[n, c, i * stride + u, j * stride + v]
                            if pixel > best:
                                best = pixel
                    y[n, c, i, j] = best
    return y
'''
SLICED = '''
def answer(x, kernel_size, stride):
    N, C, H, W = x.shape
    OH = (H - kernel_size) // stride + 1
    OW = (W - kernel_size) // stride + 1
    y = np.zeros((N, C, OH, OW), dtype=x.dtype)
    for n, c, i, j in np.ndindex(N, C, OH, OW):
        top, left = i * stride, j * stride
        window = x[n, c, top : top + kernel_size, left : left + kernel_size]
        y[n, c, i, j] = window.max()
    return y
'''
AVERAGE = '''
def answer(x, kernel_size, stride):
    N, C, H, W = x.shape
    KH, KW = kernel_size
    sh, sw = stride
    OH = (H - KH) // sh + 1
    OW = (W - KW) // sw + 1
    y = np.zeros((N, C, OH, OW), dtype=x.dtype)
    for n, c, i, j in np.ndindex(N, C, OH, OW):
        window = x[n, c, i * sh : i * sh + KH, j * sw : j * sw + KW]
        y[n, c, i, j] = window.mean()
    return y
'''
SUMMED = AVERAGE.replace("window.mean()", "window.sum() / (KH * KW)")
ADDRESS = '''
def answer(x, kernel_size, stride):
    N, C, H, W = x.shape
    KH, KW = kernel_size
    sh, sw = stride
    OH = (H - KH) // sh + 1
    OW = (W - KW) // sw + 1
    y = np.zeros((N, C, OH, OW), dtype=int)
    for n, c, i, j in np.ndindex(N, C, OH, OW):
        best = x[n, c, i * sh, j * sw]
        for u in range(KH):
            for v in range(KW):
                pixel = x[n, c, i * sh + u, j * sw + v]
                if pixel > best:
                    best = pixel
                    y[n, c, i, j] = u * KW + v
    return y
'''
WEIGHT = '''
def answer(x, kernel_size):
    N, C, H, W = x.shape
    KH, KW = kernel_size
    weight = np.zeros((C, C, KH, KW), dtype=x.dtype)
    for c in range(C):
        weight[c, c] = 1 / (KH * KW)
    return weight
'''


def made(source, *edits):
    """Return the `answer` that `source` defines after replacing each (old, new)."""
    for old, new in edits:
        assert old in source, old
        source = source.replace(old, new)
    namespace = {"np": np}
    exec(source, namespace)  # noqa: S102  (our own text)
    return namespace["answer"]


@pytest.fixture(autouse=True)
def progress_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress"))


# Right answers


def view(x, kernel_size, stride):
    (KH, KW), (sh, sw) = np.broadcast_to(kernel_size, 2), np.broadcast_to(stride, 2)
    return sliding_window_view(x, (KH, KW), (2, 3))[:, :, ::sh, ::sw]


def raw_view(x, kernel_size, stride):
    """The windows by their strides in memory."""
    (KH, KW), (sh, sw) = np.broadcast_to(kernel_size, 2), np.broadcast_to(stride, 2)
    N, C, H, W = x.shape
    n, c, h, w = x.strides
    shape = (N, C, (H - KH) // sh + 1, (W - KW) // sw + 1, KH, KW)
    return as_strided(x, shape, (n, c, h * sh, w * sw, h, w))


def by_conv(x, kernel_size, stride):
    """Average pooling, a convolution of each channel by itself."""
    weight = np.full((1, 1, *kernel_size), 1 / np.prod(kernel_size), x.dtype)
    maps = [conv2d(x[:, c : c + 1], weight, stride=stride)[0] for c in range(x.shape[1])]
    return np.concatenate(maps, axis=1)


def shifted_maxima(x, kernel_size, stride):
    OH, OW = ((n - kernel_size) // stride + 1 for n in x.shape[2:])
    return np.max([x[:, :, u : u + stride * OH : stride, v : v + stride * OW : stride]
                   for u in range(kernel_size) for v in range(kernel_size)], axis=0)


def flat(windows):
    return windows.reshape(*windows.shape[:4], -1)


RIGHT = {
    "max_pool2d": [
        made(MAX), made(SLICED), lambda *a: view(*a).max((4, 5)), shifted_maxima,
        lambda *a: raw_view(*a).max((4, 5)), lambda *a: np.sort(flat(view(*a)))[..., -1],
        lambda x, *a: view(x.astype(np.float32), *a).max((4, 5)).astype(x.dtype),
        lambda *a: -(-view(*a)).min((4, 5)),
    ],
    "avg_pool2d": [
        made(AVERAGE), made(SUMMED), lambda *a: view(*a).mean((4, 5)), by_conv,
        lambda *a: np.einsum("ncijuv->ncij", view(*a)) / a[0].dtype.type(np.prod(a[1])),
        lambda *a: raw_view(*a).mean((4, 5)),
        lambda x, *a: view(x.astype(np.float32), *a).mean((4, 5)).astype(x.dtype),
    ],
    "argmax_of_windows": [
        made(ADDRESS), lambda *a: flat(view(*a)).argmax(-1), lambda *a: flat(raw_view(*a)).argmax(-1),
        lambda *a: flat(view(*a)).argmax(-1).astype(np.float32),
        lambda *a: flat(view(*a)).argmax(-1).astype(np.int8),
        lambda *a: np.argsort(-flat(view(*a)), axis=-1, kind="stable")[..., 0],
    ],
    "average_weight": [
        made(WEIGHT),
        lambda x, k: (np.eye(x.shape[1])[..., None, None] * np.ones(k) / np.prod(k)).astype(x.dtype),
        lambda x, k: np.einsum("fc,uv->fcuv", np.eye(x.shape[1], dtype=x.dtype),
                               np.full(k, 1 / (k[0] * k[1]), x.dtype)),
        lambda x, k: np.kron(np.eye(x.shape[1], dtype=x.dtype), np.full(k, 1 / np.prod(k), x.dtype))
        .reshape(x.shape[1], k[0], x.shape[1], k[1]).swapaxes(1, 2),
    ],
}
RIGHT["repaired_pool"] = RIGHT["max_pool2d"]


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint8, bool, np.float32])
def test_a_place_that_is_never_written_is_named_whatever_its_type(dtype, capsys):
    """np.empty holds numbers from one end of the type, then from the other."""
    def last_missing(*arguments):
        right = flat(view(*arguments)).argmax(-1)
        choice = np.empty(right.shape, dtype)
        choice.reshape(-1)[:-1] = right.reshape(-1)[:-1]
        return choice

    assert not check.argmax_of_windows(last_missing).passed
    assert "two calls with the same inputs give different numbers, at 1 of" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["empty", "empty_like"])
def test_np_empty_shows_under_the_name_that_it_was_imported_by(name, capsys):
    own = {"flat": flat, "view": view, "new": getattr(np, name)}
    exec("def first_only(*arguments):\n"
         "    right = flat(view(*arguments)).argmax(-1)\n"
         f"    choice = new({'right' if name == 'empty_like' else 'right.shape, int'})\n"
         "    choice.reshape(-1)[:-1] = right.reshape(-1)[:-1]\n"
         "    return choice\n", own)
    assert not check.argmax_of_windows(own["first_only"]).passed
    assert "two calls with the same inputs give different numbers, at 1 of" in capsys.readouterr().out
    assert own["new"] is getattr(np, name)


@pytest.mark.parametrize("largest", [
    lambda pixels, so_far: max(pixels, so_far), lambda pixels, so_far: max(so_far, pixels),
    lambda pixels, so_far: so_far if so_far > pixels else pixels,
    lambda pixels, so_far: float(np.fmax(pixels, so_far)),
])
def test_a_maximum_over_what_np_empty_held_is_refused(largest, capsys):
    def over_what_was_there(x, kernel_size, stride):
        windows = view(x, kernel_size, stride)
        y = np.empty(windows.shape[:4], x.dtype)
        for place in np.ndindex(*y.shape):
            for pixel in windows[place].ravel():
                y[place] = largest(pixel, y[place])
        return y

    assert not check.max_pool2d(over_what_was_there).passed
    assert "np.empty" in capsys.readouterr().out


@pytest.mark.parametrize("name, n", [(name, n) for name in RIGHT for n in range(len(RIGHT[name]))])
def test_right_answers_pass(name, n, capfd):
    result = getattr(check, name)(RIGHT[name][n])
    out, err = capfd.readouterr()
    assert result.passed and err == "", out
    count = len(TASKS[name].cases)
    assert out == f"{TASKS[name].function_name}: passed, {count} cases of {count}.\n"


def test_every_task_has_at_least_four_right_answers_and_twelve_mistakes():
    assert set(RIGHT) == set(TASKS)
    for name, task in TASKS.items():
        assert len(RIGHT[name]) >= 4 and len({m.id for m in task.mistakes}) >= 12
        assert len({m.id for m in task.mistakes}) == len(task.mistakes)


def test_the_weight_makes_conv2d_an_average_pooling():
    x = np.random.default_rng(0).normal(size=(2, 3, 7, 8))
    weight = pooling.AVERAGE_WEIGHT.reference(x, (2, 3))
    for stride in ((1, 1), (2, 3), (3, 1)):
        average = avg_pool2d(x, (2, 3), stride)[0]
        np.testing.assert_allclose(conv2d(x, weight, stride=stride)[0], average)


def test_cases_contain_what_square_tests_miss():
    for cases in (pooling.SQUARE_CASES, pooling.UNEVEN_CASES, pooling.AVERAGE_CASES):
        shapes = [(c.arguments[0].shape, *np.broadcast_arrays(*c.arguments[1:])) for c in cases]
        windows = [(x, np.resize(k, 2), np.resize(s, 2)) for x, k, s in shapes]
        assert any(x[0] > 1 and x[1] > 1 and x[2] != x[3] for x, _, _ in windows)
        assert any((s < k).any() for _, k, s in windows), "windows that overlap"
        assert any((s > k).any() for _, k, s in windows), "windows with gaps"
        assert any((x[2] - k[0]) % s[0] or (x[3] - k[1]) % s[1] for x, k, s in windows)
        assert any(x[2:] == tuple(k) for x, k, _ in windows)
        arrays = [case.arguments[0] for case in cases]
        assert {str(array.dtype) for array in arrays} == {"float32", "float64"}
        assert any((array < 0).all() for array in arrays)
        assert any(np.unique(array).size == 1 for array in arrays)
    pairs = [case.arguments[1:] for case in pooling.AVERAGE_CASES]
    assert any(k[0] != k[1] and s[0] != s[1] for k, s in pairs)


# Wrong answers that are recognised


VARIANTS = [(name, mistake.id, n) for name, task in TASKS.items() for mistake in task.mistakes
            for n in range(1 if name == "repaired_pool" else len(mistake.variants))]


@pytest.mark.parametrize("name, identity, n", VARIANTS)
def test_every_mistake_of_the_catalogue_is_named(name, identity, n, capfd):
    [mistake] = [m for m in TASKS[name].mistakes if m.id == identity]
    result = getattr(check, name)(mistake.variants[n])
    out, err = capfd.readouterr()
    assert result.state == "failed" and result.mistake == identity, out
    assert mistake.sentence in out and str(mistake.section) in out and err == ""
    assert "in the case below, " not in out


ITEM = "x[n, c, i * stride + u, j * stride + v]"
FIRST = "best = x[n, c, i * stride, j * stride]"
SHAPE = "N, C, H, W = x.shape"
OF_HEIGHT, OF_WIDTH = "(H - kernel_size) // stride + 1", "(W - kernel_size) // stride + 1"
SPAN = "top : top + kernel_size, left : left + kernel_size"
COUNTED = (OF_HEIGHT, OF_HEIGHT.replace("kernel_size", "stride")), (
    OF_WIDTH, OF_WIDTH.replace("kernel_size", "stride"))
NEXT = ("i * stride, j * stride", "i * kernel_size, j * kernel_size")
ALL = (ITEM, ITEM.replace(" * stride", "")), (FIRST, FIRST.replace(" * stride", ""))
ONE = ("y[n, c, i, j]", "y[0, c, i, j]")
TYPICAL_MAX = [  # (mistake, solution, edits): as students write it
    ("stride as window", MAX, [("range(kernel_size)", "range(stride)")]),
    ("stride as window", MAX, [("range(kernel_size)", "range(stride)"), *COUNTED]),
    ("stride as window", SLICED, [(SPAN, "top : top + stride, left : left + stride")]),
    ("windows next to each other", SLICED, [NEXT]),
    ("windows next to each other", SLICED, [
        NEXT, (OF_HEIGHT, "H // kernel_size"), (OF_WIDTH, "W // kernel_size")]),
    ("windows next to each other", MAX, [(" * stride", " * kernel_size")]),
    ("stride ignored", MAX, [("// stride", ""), *ALL]),
    ("stride ignored", SLICED, [("// stride", ""), ("i * stride, j * stride", "i, j")]),
    ("stride in the size only", MAX, [*ALL]),
    ("stride in the size only", SLICED, [("i * stride, j * stride", "i, j")]),
    ("stride on rows only", SLICED, [("j * stride", "j")]),
    ("stride on columns only", SLICED, [("i * stride", "i")]),
    ("one row and column too few", SLICED, [("// stride + 1", "// stride")]),
    ("size without the window", SLICED, [(OF_HEIGHT, "H // stride"), (OF_WIDTH, "W // stride")]),
    ("size without the window", MAX, [(OF_HEIGHT, "H // stride"), (OF_WIDTH, "W // stride")]),
    ("half windows kept", SLICED, [
        (OF_HEIGHT, "int(np.ceil((H - kernel_size) / stride)) + 1"),
        (OF_WIDTH, "int(np.ceil((W - kernel_size) / stride)) + 1")]),
    ("window one too large", SLICED, [
        (SPAN, "top : top + kernel_size + 1, left : left + kernel_size + 1")]),
    ("window one too large", MAX, [("range(kernel_size)", "range(kernel_size + 1)")]),
    ("window one too small", SLICED, [
        (SPAN, "top : top + kernel_size - 1, left : left + kernel_size - 1")]),
    ("height and width swapped", MAX, [(SHAPE, "N, C, W, H = x.shape")]),
    ("height and width swapped", SLICED, [(SHAPE, "N, C, W, H = x.shape")]),
    ("width from a height", SLICED, [(OF_WIDTH, OF_HEIGHT)]),
    ("width from a height", MAX, [(OF_WIDTH, OF_HEIGHT)]),
    ("height from a width", MAX, [(OF_HEIGHT, OF_WIDTH)]),
    ("output transposed", MAX, [("y[n, c, i, j]", "y[n, c, j, i]")]),
    ("output transposed", MAX, [("return y", "return y.swapaxes(2, 3)")]),
    ("output transposed", SLICED, [("i * stride, j * stride", "j * stride, i * stride")]),
    ("output transposed", SLICED, [("return y", "return y.reshape(N, C, OW, OH)")]),
    ("first image everywhere", MAX, [("x[n, c", "x[0, c")]),
    ("first image only", MAX, [("range(N)", "range(1)")]),
    ("first channel everywhere", SLICED, [("x[n, c", "x[n, 0")]),
    ("first channel only", MAX, [("range(C)", "range(1)")]),
    ("last row and column left zero", MAX, [("range(OH)", "range(OH - 1)"),
                                            ("range(OW)", "range(OW - 1)")]),
    ("all zeros", MAX, [("y[n, c, i, j] = best", "pass")]),
    ("starts at 0", MAX, [(FIRST, "best = 0")]),
    ("smallest", MAX, [("pixel > best", "pixel < best")]),
    ("smallest", SLICED, [("window.max()", "window.min()")]),
    ("mean", SLICED, [("window.max()", "window.mean()")]),
    ("sum", MAX, [(FIRST, "best = 0"), ("if pixel > best:", "if True:"),
                  ("best = pixel", "best += pixel")]),
    ("absolute values", MAX, [("pixel > best", "abs(pixel) > abs(best)")]),
    ("absolute values", SLICED, [("window.max()", "abs(window).max()")]),
    ("corner only", SLICED, [("window.max()", "window[0, 0]")]),
    ("corner only", MAX, [("if pixel > best:", "if False:")]),
    ("last one seen", MAX, [("if pixel > best:", "if True:")]),
    ("first row only", MAX, [("for u in range(kernel_size)", "for u in range(1)")]),
    ("first row only", SLICED, [("window.max()", "window[0].max()")]),
    ("first column only", SLICED, [("window.max()", "window.max(1)[0] * 0 + window[:, 0].max()")]),
    ("diagonal only", MAX, [("j * stride + v]", "j * stride + u]")]),
    ("address instead of value", SLICED, [("window.max()", "window.argmax()")]),
    ("channels merged", SLICED, [("window = x[n, c,", "window = x[n, :,")]),
    ("images merged", SLICED, [("window = x[n, c,", "window = x[:, c,")]),
    ("whole numbers", SLICED, [("dtype=x.dtype", "dtype=int")]),
    ("whole numbers", MAX, [("= best", "= int(best)")]),
    ("channels last", SLICED, [("return y", "return y.transpose(0, 2, 3, 1)")]),
]
TYPICAL_AVERAGE = [
    *[(mistake, source, edits) for mistake, edits in [
        ("stride as window", [("+ KH, j", "+ sh, j"), ("* sw + KW", "* sw + sw")]),
        ("windows next to each other", [("i * sh : i * sh", "i * KH : i * KH"),
                                        ("j * sw : j * sw", "j * KW : j * KW")]),
        ("stride in the size only", [("i * sh : i * sh", "i : i"), ("j * sw : j * sw", "j : j")]),
        ("stride ignored", [(" // sh", ""), (" // sw", ""), ("i * sh : i * sh", "i : i"),
                            ("j * sw : j * sw", "j : j")]),
        ("window sides swapped", [("KH, KW = k", "KW, KH = k")]),
        ("strides swapped", [("sh, sw = s", "sw, sh = s")]),
        ("square windows", [("KH, KW = kernel_size", "KH = KW = kernel_size[0]")]),
        ("square windows", [("KH, KW = kernel_size", "KH = KW = kernel_size[1]")]),
        ("one stride for both", [("sh, sw = stride", "sh = sw = stride[0]")]),
        ("one stride for both", [("sh, sw = stride", "sh = sw = stride[1]")]),
        ("window one too large", [("+ KH, j", "+ KH + 1, j"), ("* sw + KW]", "* sw + KW + 1]")]),
        ("height and width swapped", [(SHAPE, "N, C, W, H = x.shape")]),
        ("one row and column too few", [("// sh + 1", "// sh"), ("// sw + 1", "// sw")]),
        ("size without the window", [("(H - KH) // sh + 1", "H // sh"),
                                     ("(W - KW) // sw + 1", "W // sw")]),
        ("first image everywhere", [("x[n, c", "x[0, c")]),
        ("first channel everywhere", [("x[n, c", "x[n, 0")]),
        ("output transposed", [("return y", "return y.swapaxes(2, 3)")]),
        ("whole numbers", [("dtype=x.dtype", "dtype=int")]),
    ] for source in (AVERAGE, SUMMED)],
    ("sum", SUMMED, [(" / (KH * KW)", "")]),
    ("divided by one side", SUMMED, [("(KH * KW)", "KH")]),
    ("divided by one side", SUMMED, [("(KH * KW)", "KW")]),
    ("divided by the sides added", SUMMED, [("KH * KW", "KH + KW")]),
    ("divided by the stride", SUMMED, [("KH * KW", "sh * sw")]),
    ("divided by the image", SUMMED, [("KH * KW", "H * W")]),
    ("divided by the channels too", SUMMED, [("KH * KW", "C * KH * KW")]),
    ("divided by one less", SUMMED, [("KH * KW", "KH * KW - 1")]),
    ("largest", AVERAGE, [("mean", "max")]),
    ("median", AVERAGE, [("window.mean()", "np.median(window)")]),
    ("without the zeros", AVERAGE, [
        ("window.mean()", "window.sum() / max(1, (window != 0).sum())")]),
    ("first row only", AVERAGE, [("window.mean()", "window[0].mean()")]),
    ("channels merged", AVERAGE, [("window = x[n, c,", "window = x[n, :,")]),
    ("images merged", AVERAGE, [("window = x[n, c,", "window = x[:, c,")]),
    ("whole numbers", SUMMED, [("/ (KH * KW)", "// (KH * KW)")]),
]
TYPICAL_ADDRESS = [
    ("last maximum", [("pixel > best", "pixel >= best")]),
    ("counted by columns", [("u * KW + v", "v * KH + u")]),
    ("times the height", [("u * KW + v", "u * KH + v")]),
    ("address in the image", [("u * KW + v", "(i * sh + u) * W + j * sw + v")]),
    ("address in the image", [("u * KW + v", "u * W + v")]),
    ("row only", [("u * KW + v", "u")]),
    ("column only", [("u * KW + v", "v")]),
    ("row and column added", [("u * KW + v", "u + v")]),
    ("value instead of address", [("dtype=int", "dtype=x.dtype"),
                                  ("return y", "return view(x, kernel_size, stride).max((4, 5))")]),
    ("smallest", [("pixel > best", "pixel < best")]),
    ("absolute values", [("pixel > best", "abs(pixel) > abs(best)")]),
    ("starts at 0", [("best = x[n, c, i * sh, j * sw]", "best = 0")]),
    ("counted from 1", [("return y", "return y + 1")]),
    ("counted from 1", [("u * KW + v", "u * KW + v + 1")]),
    ("window sides swapped", [("KH, KW = k", "KW, KH = k")]),
    ("strides swapped", [("sh, sw = s", "sw, sh = s")]),
    ("stride in the size only", [("i * sh", "i"), ("j * sw", "j")]),
    ("stride as window", [("range(KH)", "range(sh)"), ("range(KW)", "range(sw)"),
                          ("u * KW + v", "u * sw + v")]),
    ("height and width swapped", [(SHAPE, "N, C, W, H = x.shape")]),
    ("one row and column too few", [("// sh + 1", "// sh"), ("// sw + 1", "// sw")]),
    ("first by columns", [("        for u in range(KH):\n            for v in range(KW):",
                           "        for v in range(KW):\n            for u in range(KH):")]),
    ("first image only", [("np.ndindex(N, ", "np.ndindex(1, ")]),
    ("first channel everywhere", [("x[n, c", "x[n, 0")]),
]
TYPICAL_WEIGHT = [
    ("channels added up", [("weight[c, c]", "weight[:, c]")]),
    ("channels added up", [("weight[c, c]", "weight[:]")]),
    ("channels averaged", [("weight[c, c] = 1 / (KH", "weight[:] = 1 / (C * KH")]),
    ("ones", [("1 / (KH * KW)", "1")]),
    ("ones everywhere", [("np.zeros", "np.ones"), ("weight[c, c] = 1 / (KH * KW)", "pass")]),
    ("divided by one side", [("(KH * KW)", "KH")]),
    ("divided by one side", [("(KH * KW)", "KW")]),
    ("divided by the sides added", [("KH * KW", "KH + KW")]),
    ("divided by the channels too", [("KH * KW)\n", "KH * KW * C)\n")]),
    ("divided by the image", [("KH * KW", "H * W")]),
    ("one cell", [("weight[c, c] = 1 / (KH * KW)", "weight[c, c, 0, 0] = 1")]),
    ("first filter only", [("range(C)", "range(1)")]),
    ("first filter only", [("weight[c, c]", "weight[0, 0]")]),
    ("channels reversed", [("weight[c, c]", "weight[c, C - 1 - c]")]),
    ("one slice a filter", [("np.zeros((C, C", "np.zeros((C, 1"), ("weight[c, c]", "weight[c, 0]")]),
    ("one filter", [("np.zeros((C, C", "np.zeros((1, C"), ("weight[c, c]", "weight[0, c]")]),
    ("window sides swapped", [("(C, C, KH, KW)", "(C, C, KW, KH)")]),
    ("all zeros", [("weight[c, c] = 1 / (KH * KW)", "pass")]),
    ("whole numbers", [("dtype=x.dtype", "dtype=int")]),
    ("whole numbers", [("1 / (KH", "1 // (KH")]),
]
TYPICAL = [
    *[("max_pool2d", *row) for row in TYPICAL_MAX],
    *[("repaired_pool", *row) for row in TYPICAL_MAX[::3]],
    *[("avg_pool2d", *row) for row in TYPICAL_AVERAGE],
    *[("argmax_of_windows", mistake, ADDRESS, edits) for mistake, edits in TYPICAL_ADDRESS],
    *[("average_weight", mistake, WEIGHT, edits) for mistake, edits in TYPICAL_WEIGHT],
]


@pytest.mark.parametrize("name, mistake, source, edits", TYPICAL,
                         ids=[f"{row[0]} {n} {row[1]}" for n, row in enumerate(TYPICAL)])
def test_typical_wrong_answers_get_the_right_sentence(name, mistake, source, edits, capfd):
    answer = made(source, *edits)
    answer.__globals__["view"] = view
    result = getattr(check, name)(answer)
    out, err = capfd.readouterr()
    assert not result.passed and result.mistake == mistake, out
    assert err == "" and "in the case below, " not in out


def test_the_broken_pool_of_the_exercise_is_rejected_and_half_repaired_named(capsys):
    cells = read_notebook(ROOT / "solutions/ex03_pooling/ex03_pooling.ipynb")["cells"]
    [source] = [cell_source(c) for c in cells if c["id"] == "broken-pool"]
    source = source.split("\nprint(")[0].replace("almost_max_pool2d", "answer")
    assert not check.repaired_pool(made(source)).passed
    window, start = ("range(stride)", "range(kernel_size)"), (
        "np.zeros((batch, channels, down, across),",
        "np.full((batch, channels, down, across), -np.inf,")
    assert check.repaired_pool(made(source, window)).mistake == "starts at 0"
    assert check.repaired_pool(made(source, start)).mistake == "stride as window"
    assert check.repaired_pool(made(source, window, start)).passed


# Wrong answers that are in no list, and misbehaving ones


def right_of(name):
    return RIGHT[name][1]


def endless(*arguments):
    while True:
        pass


@pytest.mark.parametrize("name", TASKS)
def test_other_wrong_answers_are_rejected_and_described(name, monkeypatch, capfd):
    right = right_of(name)
    y = TASKS[name].result_name

    def off(*arguments):
        result = right(*arguments).copy()
        result.flat[-1] += 1
        return result

    def writes(x, *arguments):
        result = right(x, *arguments)
        x += 1
        return result

    for answer, said in (
        (off, "value of " + y + " is wrong" if name == "average_weight" else y),
        (writes, "x was changed in place"),
        (lambda *a: None, "it returns None"), (lambda *a: right(*a).tolist(), "of type list"),
        (lambda *a: right(*a)[:, :, :1, :1], ""), (lambda *a: right(*a) * np.nan, "holds nan"),
        (lambda *a: right(*a).sum(), "a single number"), (lambda *a: right(*a)[None], "wrong shape"),
        (lambda *a: 1 / 0, "ZeroDivisionError"), (lambda *a: (right(*a), 0), "of type tuple"),
    ):
        assert not getattr(check, name)(answer).passed
        out, err = capfd.readouterr()
        assert said in out and err == "", out
    monkeypatch.setattr(sandbox, "SECONDS", 0.3)
    start = time.monotonic()
    assert not getattr(check, name)(endless).passed and time.monotonic() - start < 5
    assert "did not come back within" in capfd.readouterr().out


@pytest.mark.parametrize("name", TASKS)
def test_a_stub_is_not_attempted_and_no_code_of_an_answer_is_shown(name, capsys):
    def stub(*arguments):
        raise NotImplementedError

    assert getattr(check, name)(stub).state == "not attempted"
    for mistake in TASKS[name].mistakes[:6]:
        getattr(check, name)(mistake.variant)
    out = capsys.readouterr().out
    for word in ("def ", "range(", "sliding_window", "np.", "import ", "reshape"):
        assert word not in out


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_float64_for_float32_is_said(name, capsys):
    right = right_of(name)
    assert not getattr(check, name)(lambda *a: right(*a).astype(np.float64)).passed
    assert "y is float64" in capsys.readouterr().out
