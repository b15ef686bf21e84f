"""The checks of padding and stride judge right and wrong answers, written out by hand here."""

import math
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from course_lib import check
from course_lib.check import padding, sandbox
from course_lib.notebooks import cell_source, read_notebook

ROOT = Path(__file__).parents[1]
TASKS = {task.id.partition("/")[2]: task for task in padding.TASKS}

SIZE = '''
def answer(size, kernel_size, stride, padding):
    longer = size + 2 * padding
    return (longer - kernel_size) // stride + 1
'''
PAD = '''
def answer(x, padding):
    N, C, H, W = x.shape
    (top, bottom), (left, right) = padding
    y = np.zeros((N, C, top + H + bottom, left + W + right), dtype=x.dtype)
    y[:, :, top : top + H, left : left + W] = x
    return y
'''
COPIED = '''
def answer(x, padding):
    N, C, H, W = x.shape
    (top, bottom), (left, right) = padding
    y = np.zeros((N, C, H + top + bottom, W + left + right), dtype=x.dtype)
    for n in range(N):
        for c in range(C):
            for i in range(H):
                for j in range(W):
                    y[n, c, top + i, left + j] = x[n, c, i, j]
    return y
'''
SAME = '''
def answer(size, kernel_size, stride):
    wanted = math.ceil(size / stride)
    total = (wanted - 1) * stride + kernel_size - size
    total = max(total, 0)
    before = total // 2
    after = total - before
    return before, after
'''
CONV = '''
def answer(x, weight, stride, padding):
    (top, bottom), (left, right) = padding
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    N, C, H, W = x.shape
    F, _, KH, KW = weight.shape
    sh, sw = stride
    OH = (H - KH) // sh + 1
    OW = (W - KW) // sw + 1
    y = np.zeros((N, F, OH, OW), dtype=x.dtype)
    for n, f, i, j in np.ndindex(N, F, OH, OW):
        total = 0
        for c in range(C):
            for u in range(KH):
                for v in range(KW):
                    total += weight[f, c, u, v] * x[n, c, i * sh + u, j * sw + v]
        y[n, f, i, j] = total
    return y
'''
LOOPS = CONV[CONV.index("        total = 0"):CONV.index("        y[n, f")]
SLICED = CONV.replace(LOOPS, '''\
        window = x[n, :, i * sh : i * sh + KH, j * sw : j * sw + KW]
        total = (window * weight[f]).sum()
''')
CROP = '''
def answer(x, padding):
    N, C, H, W = x.shape
    (top, bottom), (left, right) = padding
    return x[:, :, top : H - bottom, left : W - right]
'''


def made(source, *edits):
    """Return the `answer` that `source` defines after replacing each (old, new)."""
    for old, new in edits:
        assert old in source, old
        source = source.replace(old, new)
    namespace = {"np": np, "math": math}
    exec(source, namespace)  # noqa: S102  (our own text)
    return namespace["answer"]


@pytest.fixture(autouse=True)
def progress_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress"))


# Right answers


def zeros_around(x, sides):
    return np.pad(x, ((0, 0), (0, 0), *sides))


def stacked(x, sides):
    """Row by row of zeros, glued to the image."""
    for axis, (before, after) in zip((2, 3), sides, strict=True):
        shape = list(x.shape)
        blocks = []
        for count in (before, after):
            shape[axis] = count
            blocks.append(np.zeros(shape, x.dtype))
        x = np.concatenate([blocks[0], x, blocks[1]], axis=axis)
    return x


def view_of(x, weight, stride, sides):
    windows = sliding_window_view(zeros_around(x, sides), weight.shape[2:], (2, 3))
    return windows[:, :, :: stride[0], :: stride[1]]


def raw_view(x, weight, stride, sides):
    x = np.ascontiguousarray(zeros_around(x, sides))
    (N, C, H, W), (KH, KW), (sh, sw) = x.shape, weight.shape[2:], stride
    n, c, h, w = x.strides
    shape = (N, C, (H - KH) // sh + 1, (W - KW) // sw + 1, KH, KW)
    windows = as_strided(x, shape, (n, c, h * sh, w * sw, h, w))
    return np.tensordot(windows, weight, ((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)


def bounds_checked(x, weight, stride, sides):
    """The formula as printed, with a check for pixels outside."""
    (N, C, H, W), (F, _, KH, KW), (sh, sw) = x.shape, weight.shape, stride
    (top, bottom), (left, right) = sides
    y = np.zeros((N, F, (top + H + bottom - KH) // sh + 1, (left + W + right - KW) // sw + 1),
                 x.dtype)
    for n, f, i, j in np.ndindex(y.shape):
        for c, u, v in np.ndindex(C, KH, KW):
            row, column = i * sh + u - top, j * sw + v - left
            if 0 <= row < H and 0 <= column < W:
                y[n, f, i, j] += weight[f, c, u, v] * x[n, c, row, column]
    return y


def counted(size, kernel_size, stride, padding):
    """As in the lesson: the starts of all windows that fit."""
    longer = size + 2 * padding
    return sum(start + kernel_size <= longer for start in range(0, longer, stride))


def searched(size, kernel_size, stride):
    """The smallest total with which ceil(size / stride) windows fit."""
    total, wanted = 0, math.ceil(size / stride)
    while (size + total - kernel_size) // stride + 1 < wanted:
        total += 1
    return total // 2, math.ceil(total / 2)


RIGHT = {
    "output_size": [
        made(SIZE), counted, lambda n, k, s, p: math.floor((n + 2 * p - k) / s) + 1,
        lambda n, k, s, p: (n + 2 * p - k + s) // s, lambda *a: np.int64(counted(*a)),
        lambda n, k, s, p: len(range(0, n + 2 * p - k + 1, s)),
    ],
    "pad": [made(PAD), made(COPIED), zeros_around, stacked,
            lambda x, sides: zeros_around(x.astype(np.float32), sides).astype(x.dtype)],
    "same_padding": [made(SAME), searched, lambda *a: list(searched(*a)),
                     lambda *a: tuple(map(np.int64, searched(*a))),
                     lambda n, k, s: (max(0, k - (n % s or s)) // 2,
                                      (max(0, k - (n % s or s)) + 1) // 2)],
    "strided_conv2d": [
        made(CONV), made(SLICED), raw_view, bounds_checked,
        lambda x, w, *a: np.einsum("ncijuv,fcuv->nfij", view_of(x, w, *a), w),
        lambda x, w, *a: bounds_checked(x.astype(np.float32), w, *a).astype(x.dtype),
    ],
    "crop": [
        made(CROP), lambda x, sides: made(CROP)(x, sides).copy(),
        lambda x, sides: x[:, :, sides[0][0] :, sides[1][0] :][
            :, :, : x.shape[2] - sum(sides[0]), : x.shape[3] - sum(sides[1])],
        lambda x, sides: x[:, :, sides[0][0] : -sides[0][1] or None,
                           sides[1][0] : -sides[1][1] or None],
        lambda x, sides: x.take(range(sides[0][0], x.shape[2] - sides[0][1]), 2).take(
            range(sides[1][0], x.shape[3] - sides[1][1]), 3),
    ],
}


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


def test_cases_contain_what_square_tests_miss():
    for cases in (padding.PAD_CASES, padding.CONV_CASES, padding.CROP_CASES):
        sides = [case.arguments[-1] for case in cases]
        assert any(b == 0 < t for (t, b), _ in sides) and any(t == 0 < b for (t, b), _ in sides)
        assert any(right == 0 < left for _, (left, right) in sides) and padding.NONE in sides
        shapes = [case.arguments[0].shape for case in cases]
        assert any(N > 1 and C > 1 and H != W for N, C, H, W in shapes)
        kinds = {str(case.arguments[0].dtype) for case in cases}
        assert kinds == {"float32", "float64"}
    strides = {case.arguments[2] for case in padding.CONV_CASES}
    assert any(sh > sw for sh, sw in strides) and any(sh < sw for sh, sw in strides)
    sizes = [case.arguments for case in padding.SIZE_CASES]
    assert any((n + 2 * p - k) % s for n, k, s, p in sizes) and any(s > k for _, k, s, _ in sizes)
    assert any(n == k for n, k, *_ in sizes)
    sizes = [case.arguments for case in padding.SAME_CASES]
    assert any(k % 2 == 0 and s == 1 for _, k, s in sizes) and any(n % s for n, _, s in sizes)
    assert any((math.ceil(n / s) - 1) * s + k < n for n, k, s in sizes), "no zeros, and to spare"


# Wrong answers that are recognised


VARIANTS = [(name, mistake.id, n) for name, task in TASKS.items() for mistake in task.mistakes
            for n in range(len(mistake.variants))]


@pytest.mark.parametrize("name, identity, n", VARIANTS)
def test_every_mistake_of_the_catalogue_is_named(name, identity, n, capfd):
    [mistake] = [m for m in TASKS[name].mistakes if m.id == identity]
    result = getattr(check, name)(mistake.variants[n])
    out, err = capfd.readouterr()
    assert result.state == "failed" and result.mistake == identity, out
    assert mistake.sentence in out and str(mistake.section) in out and err == ""
    assert "in the case below, " not in out


PLACE = "y[:, :, top : top + H, left : left + W] = x"
NUMPY = "((0, 0), (0, 0), (top, bottom), (left, right))"
SIDES = "(top, bottom), (left, right) = padding"
STEP = "i * sh + u, j * sw + v"
CUT = "i * sh : i * sh + KH, j * sw : j * sw + KW"
OF_HEIGHT, OF_WIDTH = "(H - KH) // sh + 1", "(W - KW) // sw + 1"
HALF = "before = total // 2"
TYPICAL = [  # (task, mistake, solution, edits): as students write them
    *[("output_size", mistake, SIZE, [("(longer - kernel_size) // stride + 1", line)])
      for mistake, line in (
          ("one too few", "(longer - kernel_size) // stride"),
          ("without the floor", "(longer - kernel_size) / stride + 1"),
          ("rounded up", "math.ceil((longer - kernel_size) / stride) + 1"),
          ("rounded", "round((longer - kernel_size) / stride) + 1"),
          ("stride ignored", "longer - kernel_size + 1"),
          ("+ 1 divided too", "(longer - kernel_size + 1) // stride"),
          ("kernel after the division", "longer // stride - kernel_size + 1"),
          ("kernel ignored", "longer // stride"),
          ("kernel ignored", "longer // stride + 1"),
          ("windows next to each other", "longer // kernel_size"))],
    ("output_size", "padding on one side", SIZE, [("2 * padding", "padding")]),
    ("output_size", "padding ignored", SIZE, [(" + 2 * padding", "")]),
    ("output_size", "padding taken away", SIZE, [("+ 2 * padding", "- 2 * padding")]),
    ("pad", "minus zero", PAD, [(PLACE, "y[:, :, top:-bottom, left:-right] = x")]),
    ("pad", "sides swapped", PAD, [(SIDES, "(bottom, top), (right, left) = padding")]),
    ("pad", "axes swapped", PAD, [(SIDES, "(left, right), (top, bottom) = padding")]),
    ("pad", "pairs torn apart", PAD, [(SIDES, "(top, left), (bottom, right) = padding")]),
    ("pad", "placed at the corner", PAD, [(PLACE, "y[:, :, :H, :W] = x")]),
    ("pad", "placed at the corner", COPIED, [("top + i, left + j", "i, j")]),
    ("pad", "placed at left and top", PAD, [(PLACE, "y[:, :, left : left + H, top : top + W] = x")]),
    ("pad", "sides swapped", PAD, [(PLACE, "y[:, :, bottom : bottom + H, right : right + W] = x")]),
    ("pad", "first numbers only", PAD, [(SIDES, "(top, _), (left, _) = padding"),
                                        ("H + bottom", "H + top"), ("W + right", "W + left")]),
    ("pad", "before only", PAD, [(" + bottom", ""), (" + right", "")]),
    ("pad", "after only", PAD, [("top + H + bottom", "H + bottom"), (PLACE, "y[:, :, :H, :W] = x"),
                                ("left + W + right", "W + right")]),
    ("pad", "ones", PAD, [("np.zeros", "np.ones")]),
    ("pad", "all zeros", PAD, [(PLACE, "")]),
    ("pad", "whole numbers", PAD, [("dtype=x.dtype", "dtype=int")]),
    ("pad", "first image only", COPIED, [("range(N)", "range(1)")]),
    ("pad", "first channel only", COPIED, [("range(C)", "range(1)")]),
    ("pad", "rows only", PAD, [("left + W + right", "W"), ("left : left + W", ":")]),
    ("pad", "columns only", PAD, [("top + H + bottom", "H"), ("top : top + H", ":")]),
    ("pad", "not padded", PAD, [("return y", "return x")]),
    ("same_padding", "odd one before", SAME, [("return before, after", "return after, before")]),
    ("same_padding", "odd one lost", SAME, [("total - before", "before")]),
    ("same_padding", "odd one twice", SAME, [(HALF, "before = (total + 1) // 2"),
                                             ("total - before", "before")]),
    ("same_padding", "half a zero", SAME, [("// 2", "/ 2")]),
    ("same_padding", "all on each side", SAME, [(HALF, "before = after = total"),
                                                ("after = total - before", "pass")]),
    ("same_padding", "all after", SAME, [(HALF, "before = 0")]),
    ("same_padding", "all before", SAME, [(HALF, "before = total")]),
    ("same_padding", "below zero", SAME, [("max(total, 0)", "total")]),
    ("same_padding", "stride ignored", SAME, [("max(total, 0)", "kernel_size - 1")]),
    ("same_padding", "for odd kernels only", SAME, [
        ("total = max(total, 0)", "return ((kernel_size - 1) // 2,) * 2")]),
    ("same_padding", "as large as the image", SAME, [("math.ceil(size / stride)", "size")]),
    ("same_padding", "rounded down", SAME, [("math.ceil(size / stride)", "size // stride")]),
    ("same_padding", "one output more", SAME, [("wanted - 1", "wanted")]),
    ("same_padding", "kernel minus stride", SAME, [("max(total, 0)", "max(kernel_size - stride, 0)")]),
    *[("strided_conv2d", mistake, source, edits) for source in (CONV, SLICED) for mistake, edits in (
        ("strides swapped", [("sh, sw = s", "sw, sh = s")]),
        ("stride down for both", [("sh, sw = stride", "sh = sw = stride[0]")]),
        ("stride right for both", [("sh, sw = stride", "sh = sw = stride[1]")]),
        ("first numbers for both sides", [(NUMPY, NUMPY.replace("bottom", "top").replace(
            "right", "left"))]),
        ("second numbers for both sides", [(NUMPY, NUMPY.replace("top", "bottom").replace(
            "left", "right"))]),
        ("padding sides swapped", [(SIDES, "(bottom, top), (right, left) = padding")]),
        ("padding axes swapped", [(SIDES, "(left, right), (top, bottom) = padding")]),
        ("padding on rows only", [("(left, right)))", "(0, 0)))")]),
        ("padding ignored", [(NUMPY, "((0, 0),) * 4")]),
        ("first filter everywhere", [("weight[f", "weight[0")]),
        ("first image everywhere", [("x[n, ", "x[0, ")]),
        ("first image only", [("np.ndindex(N, ", "np.ndindex(1, ")]),
        ("one row and column too few", [("// sh + 1", "// sh"), ("// sw + 1", "// sw")]),
        ("width from a height", [(OF_WIDTH, OF_HEIGHT)]),
        ("width from a height", [(OF_WIDTH, "(W - KH) // sw + 1")]),
        ("height from a width", [(OF_HEIGHT, OF_WIDTH)]),
        ("output transposed", [("return y", "return y.swapaxes(2, 3)")]),
        ("whole numbers", [("OW), dtype=x.dtype", "OW), dtype=int")]),
        ("mean over the window", [("= total", "= total / weight[f].size")]))],
    ("strided_conv2d", "stride in the size only", CONV, [(STEP, "i + u, j + v")]),
    ("strided_conv2d", "stride in the size only", SLICED, [(CUT, CUT.replace(" * sh", "").replace(
        " * sw", ""))]),
    ("strided_conv2d", "stride ignored", CONV, [(STEP, "i + u, j + v"), (" // sh", ""),
                                                (" // sw", "")]),
    ("strided_conv2d", "stride on rows only", CONV, [("j * sw + v", "j + v")]),
    ("strided_conv2d", "stride on columns only", CONV, [("i * sh + u", "i + u")]),
    ("strided_conv2d", "windows next to each other", CONV, [("i * sh", "i * KH"),
                                                            ("j * sw", "j * KW")]),
    ("strided_conv2d", "stride inside the window", CONV, [(STEP, "i + u * sh, j + v * sw")]),
    ("strided_conv2d", "kernel rotated", CONV, [("[f, c, u, v]", "[f, c, -1 - u, -1 - v]")]),
    ("strided_conv2d", "first channel only", CONV, [("range(C)", "range(1)")]),
    ("strided_conv2d", "last channel only", CONV, [
        ("for c in range(C):", "for c in range(C):\n            total = 0")]),
    ("strided_conv2d", "all zeros", CONV, [("y[n, f, i, j] = total", "pass")]),
    ("crop", "minus zero", CROP, [("H - bottom", "-bottom"), ("W - right", "-right")]),
    ("crop", "minus zero", CROP, [("H - bottom", "-bottom")]),
    ("crop", "before for both", CROP, [("- bottom", "- top"), ("- right", "- left")]),
    ("crop", "before only", CROP, [("H - bottom", ""), ("W - right", "")]),
    ("crop", "after only", CROP, [("top :", ":"), ("left :", ":")]),
    ("crop", "cut to the padding", CROP, [("H - bottom", "bottom"), ("W - right", "right")]),
    ("crop", "one too few", CROP, [("- bottom", "- bottom - 1"), ("- right", "- right - 1")]),
    ("crop", "axes swapped", CROP, [(SIDES, "(left, right), (top, bottom) = padding")]),
    ("crop", "sides swapped", CROP, [(SIDES, "(bottom, top), (right, left) = padding")]),
    ("crop", "rows only", CROP, [(", left : W - right", "")]),
    ("crop", "columns only", CROP, [("top : H - bottom", ":")]),
    ("crop", "not cropped", CROP, [("x[:, :, top : H - bottom, left : W - right]", "x")]),
]


@pytest.mark.parametrize("name, mistake, source, edits", TYPICAL,
                         ids=[f"{row[0]} {n} {row[1]}" for n, row in enumerate(TYPICAL)])
def test_typical_wrong_answers_get_the_right_sentence(name, mistake, source, edits, capfd):
    result = getattr(check, name)(made(source, *edits))
    out, err = capfd.readouterr()
    assert not result.passed and result.mistake == mistake, out
    assert err == "" and "in the case below, " not in out


def test_the_broken_crop_of_the_exercise_is_named(capsys):
    cells = read_notebook(
        ROOT / "solutions/ex02_padding_and_stride/ex02_padding_and_stride.ipynb")["cells"]
    [source] = [cell_source(c) for c in cells if c["id"] == "broken-crop"]
    source = source.split("\nframed")[0].replace("almost_crop", "answer")
    assert check.crop(made(source)).mistake == "minus zero"


# Wrong answers that are in no list, and misbehaving ones


def endless(*arguments):
    while True:
        pass


@pytest.mark.parametrize("name", ["pad", "strided_conv2d", "crop"])
def test_other_wrong_answers_are_rejected_and_described(name, capfd):
    right = RIGHT[name][1]

    def off(*arguments):
        result = right(*arguments).copy()
        result.flat[-1] += 1
        return result

    def writes(x, *arguments):
        result = right(x, *arguments).copy()
        x += 1
        return result

    for answer, said in (
        (off, "value of y is wrong"), (writes, "x was changed in place"),
        (lambda *a: None, "it returns None"), (lambda *a: right(*a).tolist(), "of type list"),
        (lambda *a: right(*a)[..., None], "wrong shape"),
        (lambda *a: right(*a) * np.nan, "holds nan"), (lambda *a: right(*a)[0], "wrong shape"),
        (lambda *a: right(*a).astype(np.float64), "y is float64"),
        (lambda *a: 1 / 0, "ZeroDivisionError"), (lambda *a: (right(*a), 0), "of type tuple"),
    ):
        assert not getattr(check, name)(answer).passed
        out, err = capfd.readouterr()
        assert said in out and err == "", out


@pytest.mark.parametrize("name, answer, said", [
    ("output_size", lambda *a: None, "it returns None"),
    ("output_size", lambda *a: str(counted(*a)), "count must be a number, got a value of type str"),
    ("output_size", lambda *a: np.array([counted(*a)]), "count has the wrong shape"),
    ("output_size", lambda *a: counted(*a) + 100, "the value of count is wrong"),
    ("output_size", lambda *a: math.nan, "count holds nan"),
    ("same_padding", lambda *a: sum(searched(*a)), "it must return 2 results, (before, after)"),
    ("same_padding", lambda *a: (*searched(*a), 0), "it must return 2 results, (before, after)"),
    ("same_padding", lambda *a: (searched(*a)[0], 77), "the value of after is wrong"),
    ("same_padding", lambda *a: None, "it returns None"),
])
def test_numbers_are_judged_like_arrays(name, answer, said, capfd):
    assert not getattr(check, name)(answer).passed
    out, err = capfd.readouterr()
    assert said in out and err == "", out


@pytest.mark.parametrize("name", TASKS)
def test_endless_loops_end_and_stubs_are_not_attempted(name, monkeypatch, capfd):
    def stub(*arguments):
        raise NotImplementedError

    assert getattr(check, name)(stub).state == "not attempted"
    monkeypatch.setattr(sandbox, "SECONDS", 0.3)
    start = time.monotonic()
    assert not getattr(check, name)(endless).passed and time.monotonic() - start < 5
    assert "did not come back within" in capfd.readouterr().out


@pytest.mark.parametrize("name", TASKS)
def test_no_code_of_an_answer_is_shown(name, capsys):
    for mistake in TASKS[name].mistakes[:6]:
        getattr(check, name)(mistake.variant)
    out = capsys.readouterr().out
    for word in ("def ", "range(", "sliding_window", "np.", "import ", "H - bottom]"):
        assert word not in out
