"""The checks of ex07 accept what is right and name what is wrong; answers are written by hand."""

from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from course_lib import check
from course_lib.check import filters, sandbox
from course_lib.notebooks import cell_source, read_notebook

ROOT = Path(__file__).parents[1]
BY_NAME = {task.id.partition("/")[2]: task for task in filters.TASKS}

SOLVED = {
    "oriented_edge": '''
def answer(kernel, angle):
    walk = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
    steps = angle // 45
    turned = np.zeros_like(kernel)
    turned[1, 1] = kernel[1, 1]
    for place in range(8):
        turned[walk[(place + steps) % 8]] = kernel[walk[place]]
    return turned
''',
    "matched_filter": '''
def answer(pattern):
    mean = pattern.mean()
    rest = pattern - mean
    length = np.sqrt((rest * rest).sum())
    if length == 0:
        return rest
    return rest / length
''',
    "normalised_correlation": '''
def ready(values):
    values = values - values.mean()
    length = np.sqrt((values * values).sum())
    return values / length if length > 1e-6 else 0 * values

def answer(image, pattern):
    H, W = image.shape
    KH, KW = pattern.shape
    OH, OW = H - KH + 1, W - KW + 1
    kernel = ready(pattern)
    y = np.zeros((OH, OW), dtype=image.dtype)
    for i in range(OH):
        for j in range(OW):
            window = image[i : i + KH, j : j + KW]
            window = ready(window)
            y[i, j] = (window * kernel).sum()
    return y
''',
    "occlusion": '''
def answer(image, weight, size, grey):
    H, W = image.shape
    OH, OW = H - size + 1, W - size + 1
    y = np.zeros((OH, OW), dtype=image.dtype)
    before = (image * weight).sum()
    for i in range(OH):
        for j in range(OW):
            hidden = image.copy()
            hidden[i : i + size, j : j + size] = grey
            after = (hidden * weight).sum()
            y[i, j] = before - after
    return y
''',
}


def answer_from(source):
    """Return the function that `source` defines."""
    namespace = {"np": np}
    exec(source, namespace)  # noqa: S102  (our own text)
    return namespace["answer"]


def edited(task, *edits):
    """Return the solved function after replacing each (old, new), which must occur."""
    source = SOLVED[task]
    for old, new in edits:
        assert old in source
        source = source.replace(old, new)
    return answer_from(source)


@pytest.fixture(autouse=True)
def progress_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress"))


# Right answers


def turned_by_table(kernel, angle):
    """Which of the nine numbers, in reading order, comes where."""
    source = [3, 0, 1, 6, 4, 2, 7, 8, 5]
    flat = kernel.ravel()
    for _ in range(angle // 45):
        flat = flat[source]
    return flat.reshape(3, 3)


def turned_by_names(kernel, angle):
    (a, b, c), (d, e, f), (g, h, i) = kernel
    ring = [a, b, c, f, i, h, g, d]
    steps = angle // 45
    a, b, c, f, i, h, g, d = ring[len(ring) - steps :] + ring[: len(ring) - steps]
    return np.array([[a, b, c], [d, e, f], [g, h, i]], dtype=kernel.dtype)


def turned_by_quarters(kernel, angle):
    """Whole quarter turns by rot90, and one step of 45 where one is left."""
    turned = np.rot90(kernel, -(angle // 90)).copy()
    if angle % 90:
        (a, b, c), (d, e, f), (g, h, i) = turned.tolist()
        turned[:] = [[d, a, b], [g, e, c], [h, i, f]]
    return turned


def turned_by_matrix(kernel, angle):
    """A 9×9 table of zeros and ones, raised to a power."""
    step = np.eye(9)[[3, 0, 1, 6, 4, 2, 7, 8, 5]]
    power = np.linalg.matrix_power(step, angle // 45)
    return (power @ kernel.ravel()).reshape(3, 3).astype(kernel.dtype)


def by_norm(pattern):
    rest = pattern - pattern.mean()
    length = np.linalg.norm(rest)
    return rest if length == 0 else rest / length


def by_standard_deviation(pattern):
    deviation = pattern.std()
    scale = deviation * np.sqrt(pattern.size).astype(pattern.dtype)
    return (pattern - pattern.mean()) / (scale if deviation > 0 else 1)


def by_loops(pattern):
    total = sum(float(value) for value in pattern.ravel()) / pattern.size
    length = sum((float(value) - total) ** 2 for value in pattern.ravel()) ** 0.5
    kernel = np.zeros_like(pattern)
    for place in np.ndindex(pattern.shape):
        kernel[place] = (pattern[place] - total) / max(length, 1e-12)
    return kernel


def in_float32(pattern):
    return by_norm(pattern.astype(np.float32)).astype(pattern.dtype)


def unit(values, axes):
    values = values - values.mean(axis=axes, keepdims=True)
    length = np.sqrt((values**2).sum(axis=axes, keepdims=True))
    return np.where(length > 1e-6, values / np.maximum(length, 1e-6), 0)


def correlation_by_einsum(image, pattern):
    windows = unit(sliding_window_view(image, pattern.shape), (2, 3))
    return np.einsum("ijuv,uv->ij", windows, unit(pattern, (0, 1))).astype(image.dtype)


def correlation_by_strides(image, pattern):
    image = np.ascontiguousarray(image)
    shape = (image.shape[0] - pattern.shape[0] + 1, image.shape[1] - pattern.shape[1] + 1)
    windows = as_strided(image, (*shape, *pattern.shape), image.strides * 2)
    y = np.tensordot(unit(windows, (2, 3)), unit(pattern, (0, 1)), axes=2)
    return y.astype(image.dtype)


def correlation_by_numpy(image, pattern):
    """Pearson's correlation, of which this is another name."""
    windows = sliding_window_view(image, pattern.shape)
    y = np.zeros(windows.shape[:2], image.dtype)
    for place in np.ndindex(y.shape):
        if np.ptp(windows[place]) and np.ptp(pattern):
            y[place] = np.corrcoef(windows[place].ravel(), pattern.ravel())[0, 1]
    return y


def correlation_in_float32(image, pattern):
    single = correlation_by_einsum(image.astype(np.float32), pattern.astype(np.float32))
    return single.astype(image.dtype)


def occlusion_by_windows(image, weight, size, grey):
    """Only the pixels under the square change the score."""
    lost = sliding_window_view((image - image.dtype.type(grey)) * weight, (size, size))
    return lost.sum(axis=(2, 3))


def occlusion_by_sums(image, weight, size, grey):
    table = np.pad(((image - grey) * weight).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    y = (table[size:, size:] - table[:-size, size:] - table[size:, :-size]
         + table[:-size, :-size])
    return y.astype(image.dtype)


def occlusion_restored(image, weight, size, grey):
    """One copy, put back after each square."""
    hidden = image.copy()
    OH, OW = (length - size + 1 for length in image.shape)
    falls = []
    for place in range(OH * OW):
        i, j = divmod(place, OW)
        square = np.s_[i : i + size, j : j + size]
        hidden[square] = grey
        falls.append(np.sum((image - hidden) * weight))
        hidden[square] = image[square]
    return np.array(falls, image.dtype).reshape(OH, OW)


def occlusion_by_masks(image, weight, size, grey):
    OH, OW = (length - size + 1 for length in image.shape)
    i, j, u, v = np.ogrid[:OH, :OW, : image.shape[0], : image.shape[1]]
    under = (u >= i) & (u < i + size) & (v >= j) & (v < j + size)
    hidden = np.where(under, grey, image)
    y = (image * weight).sum() - np.einsum("ijuv,uv->ij", hidden, weight)
    return y.astype(image.dtype)


RIGHT = {
    "oriented_edge": [turned_by_table, turned_by_names, turned_by_quarters, turned_by_matrix],
    "matched_filter": [by_norm, by_standard_deviation, by_loops, in_float32],
    "normalised_correlation": [correlation_by_einsum, correlation_by_strides, correlation_by_numpy,
                               correlation_in_float32],
    "occlusion": [occlusion_by_windows, occlusion_by_sums, occlusion_restored, occlusion_by_masks],
}


@pytest.mark.parametrize("name, n", [(name, n) for name in RIGHT for n in range(-1, 4)])
def test_right_answers_pass(name, n, capfd):
    result = getattr(check, name)(RIGHT[name][n] if n >= 0 else answer_from(SOLVED[name]))
    out, err = capfd.readouterr()
    assert result.passed and err == "", out
    assert out.endswith(f"passed, {result.cases} cases of {result.cases}.\n")


def test_cases_contain_what_square_tests_miss():
    for name, task in BY_NAME.items():
        first = [case.arguments[0] for case in task.cases]
        assert {str(array.dtype) for array in first} == {"float32", "float64"}
        assert any((array < 0).any() for array in first) or name == "occlusion"
    kernels = BY_NAME["oriented_edge"].cases
    assert {case.arguments[1] for case in kernels} == {0, 45, 90, 135}
    assert any(len(np.unique(case.arguments[0])) == 9 for case in kernels), "no number twice"
    patterns = [case.arguments[0] for case in BY_NAME["matched_filter"].cases]
    assert any(np.ptp(pattern) == 0 for pattern in patterns)
    pairs = [case.arguments for case in BY_NAME["normalised_correlation"].cases]
    assert any(image.shape == pattern.shape for image, pattern in pairs)
    assert any(image.shape[0] != image.shape[1] and pattern.shape[0] != pattern.shape[1]
               for image, pattern in pairs)
    assert any((np.ptp(sliding_window_view(image, pattern.shape), axis=(2, 3)) == 0).any()
               for image, pattern in pairs), "a window without contrast"
    squares = [(case.arguments[0].shape, *case.arguments[2:]) for case in BY_NAME["occlusion"].cases]
    assert {size for _, size, _ in squares} >= {1, 2, 3} and len({g for *_, g in squares}) >= 3


# Wrong answers that are recognised


VARIANTS = [(name, mistake.id, n) for name, task in BY_NAME.items() for mistake in task.mistakes
            for n in range(len(mistake.variants))]


@pytest.mark.parametrize("name, which, n", VARIANTS)
def test_every_mistake_of_the_catalogue_is_named(name, which, n, monkeypatch, capfd):
    monkeypatch.setattr(sandbox, "can_fork", lambda: False)  # quicker, and as right
    [mistake] = [mistake for mistake in BY_NAME[name].mistakes if mistake.id == which]
    result = getattr(check, name)(mistake.variants[n])
    out, err = capfd.readouterr()
    assert result.state == "failed" and result.mistake == which
    assert mistake.sentence in out and str(mistake.section) in out and err == ""
    assert "in the case below, " not in out


WALK = "(place + steps) % 8"
REST = "rest = pattern - mean"
LENGTH = "length = np.sqrt((rest * rest).sum())"
WINDOW = "            window = ready(window)\n"
DOT = "(window * kernel).sum()"
SIZES = "OH, OW = H - KH + 1, W - KW + 1"
SQUARE = "i : i + size, j : j + size"
COPY = "hidden = image.copy()"
FALL = "y[i, j] = before - after"
TYPICAL = [  # as students write them: edits of the loops above
    ("oriented_edge", "wrong way", [(WALK, "(place - steps) % 8")]),
    ("oriented_edge", "wrong way", [
        ("turned[walk[(place + steps) % 8]] = kernel[walk[place]]",
         "turned[walk[place]] = kernel[walk[(place + steps) % 8]]")]),
    ("oriented_edge", "one step too many", [("angle // 45", "angle // 45 + 1")]),
    ("oriented_edge", "one step too few", [("angle // 45", "angle // 45 - 1")]),
    ("oriented_edge", "angle as steps", [("angle // 45", "angle")]),
    ("oriented_edge", "two steps for one", [("angle // 45", "2 * angle // 45")]),
    ("oriented_edge", "two steps for one", [
        ("    walk", "    return np.rot90(kernel, k=-angle // 45)\n    walk")]),
    ("oriented_edge", "quarter turns only", [("angle // 45", "angle // 90 * 2")]),
    ("oriented_edge", "quarter turns only", [
        ("    walk", "    return np.rot90(kernel, angle // 90)\n    walk")]),
    ("oriented_edge", "rolled row by row", [
        ("    walk", "    return np.roll(kernel.ravel(), angle // 45).reshape(3, 3)\n    walk")]),
    ("oriented_edge", "ring read row by row", [
        ("(1, 2), (2, 2), (2, 1), (2, 0), (1, 0)", "(1, 0), (1, 2), (2, 0), (2, 1), (2, 2)")]),
    ("oriented_edge", "middle lost", [("    turned[1, 1] = kernel[1, 1]\n", "")]),
    ("oriented_edge", "corners stay", [
        ("    return", "    for i, j in walk[::2]: turned[i, j] = kernel[i, j]\n    return")]),
    ("oriented_edge", "not turned", [("return turned", "return kernel")]),
    ("oriented_edge", "transposed", [("kernel[walk[place]]", "kernel[walk[place][::-1]]")]),
    ("oriented_edge", "written out", [("    walk", (
        "    return np.array({0: [[-1, 0, 1]] * 3, 45: [[-1, -1, 0], [-1, 0, 1], [0, 1, 1]], "
        "90: [[-1] * 3, [0] * 3, [1] * 3], 135: [[0, -1, -1], [1, 0, -1], [1, 1, 0]]}[angle], "
        "dtype=kernel.dtype)\n    walk"))]),
    ("oriented_edge", "sign changed", [("return turned", "return -turned")]),
    ("matched_filter", "mean not taken off", [(REST, "rest = pattern")]),
    ("matched_filter", "not scaled", [("return rest / length", "return rest")]),
    ("matched_filter", "divided by the sum of squares", [("np.sqrt((rest * rest).sum())", (
        "(rest * rest).sum()"))]),
    ("matched_filter", "divided by the sum of sizes", [(LENGTH, "length = abs(rest).sum()")]),
    ("matched_filter", "divided by the largest", [(LENGTH, "length = rest.max()")]),
    ("matched_filter", "divided by the largest", [(LENGTH, "length = abs(rest).max()")]),
    ("matched_filter", "divided by the standard deviation", [(LENGTH, "length = pattern.std()")]),
    ("matched_filter", "divided by the standard deviation", [(".sum())", ".mean())")]),
    ("matched_filter", "length of the pattern", [("rest * rest", "pattern * pattern")]),
    ("matched_filter", "length of the pattern", [
        (REST, "rest = pattern / np.linalg.norm(pattern)"),
        ("return rest / length", "return rest - rest.mean()")]),
    ("matched_filter", "mean of each row", [("mean()", "mean(axis=1)[:, None]")]),
    ("matched_filter", "mean of each column", [("mean()", "mean(axis=0)")]),
    ("matched_filter", "median", [("pattern.mean()", "np.median(pattern)")]),
    ("matched_filter", "smallest taken off", [("pattern.mean()", "pattern.min()")]),
    ("matched_filter", "sum taken off", [("pattern.mean()", "pattern.sum()")]),
    ("matched_filter", "turned by 180°", [("rest / length", "np.flip(rest / length)")]),
    ("matched_filter", "sign changed", [(REST, "rest = mean - pattern")]),
    ("matched_filter", "flat pattern divided by 0", [
        ("    if length == 0:\n        return rest\n", "")]),
    ("matched_filter", "flat pattern kept", [("        return rest", "        return pattern + 0")]),
    ("normalised_correlation", "windows not scaled", [(WINDOW, (
        "            window = window - window.mean()\n"))]),
    ("normalised_correlation", "windows not scaled", [(WINDOW, "")]),
    ("normalised_correlation", "pattern not scaled", [("kernel = ready(pattern)", "kernel = pattern")]),
    ("normalised_correlation", "nothing scaled", [("values / length if length > 1e-6 else 0 * values",
                                                   "values")]),
    ("normalised_correlation", "plain correlation", [
        ("kernel = ready(pattern)", "kernel = pattern"), (WINDOW, "")]),
    ("normalised_correlation", "means not taken off", [("values - values.mean()", "values")]),
    ("normalised_correlation", "windows keep their mean", [(WINDOW, (
        "            window = window / max(1e-9, np.sqrt((window ** 2).sum()))\n"))]),
    ("normalised_correlation", "scaled as a whole", [
        ("    kernel =", "    image = ready(image)\n    kernel ="), (WINDOW, "")]),
    ("normalised_correlation", "mean of the image", [(WINDOW, (
        "            window = window - image.mean()\n"
        "            window = window / max(1e-9, np.sqrt((window ** 2).sum()))\n"))]),
    ("normalised_correlation", "pattern rotated", [("kernel = ready(pattern)", (
        "kernel = np.flip(ready(pattern))"))]),
    ("normalised_correlation", "size of the answer", [(DOT, f"abs({DOT})")]),
    ("normalised_correlation", "negative cut off", [(DOT, f"max(0, {DOT})")]),
    ("normalised_correlation", "squared", [(DOT, f"{DOT} ** 2")]),
    ("normalised_correlation", "mean of products", [(DOT, "(window * kernel).mean()")]),
    ("normalised_correlation", "last row and column missing", [(SIZES, "OH, OW = H - KH, W - KW")]),
    ("normalised_correlation", "last row and column left zero", [
        ("range(OH)", "range(OH - 1)"), ("range(OW)", "range(OW - 1)")]),
    ("normalised_correlation", "output transposed", [("return y", "return y.T")]),
    ("normalised_correlation", "whole numbers", [("dtype=image.dtype", "dtype=int")]),
    ("occlusion", "squares pile up", [
        (f"            {COPY}\n", ""), ("    before", f"    {COPY}\n    before")]),
    ("occlusion", "squares pile up in a row", [
        (f"            {COPY}\n", ""), ("        for j", f"        {COPY}\n        for j")]),
    ("occlusion", "squares pile up", [("before = (image", "whole = image.copy(); before = (whole"),
                                      (COPY, "hidden = whole")]),
    ("occlusion", "since the last", [
        (f"            {COPY}\n", ""), ("    before", f"    {COPY}\n    before"),
        (FALL, f"{FALL}; before = after")]),
    ("occlusion", "rise", [("before - after", "after - before")]),
    ("occlusion", "score after", [("before - after", "after")]),
    ("occlusion", "size of the fall", [("before - after", "abs(before - after)")]),
    ("occlusion", "negative cut off", [("before - after", "max(before - after, 0)")]),
    ("occlusion", "nothing falls", [
        (COPY, "hidden = image"), ("before - after", "(image * weight).sum() - after")]),
    ("occlusion", "black", [("] = grey", "] = 0")]),
    ("occlusion", "white", [("] = grey", "] = 1")]),
    ("occlusion", "one pixel", [(SQUARE, "i, j")]),
    ("occlusion", "square too large", [(SQUARE, "i : i + size + 1, j : j + size + 1")]),
    ("occlusion", "square too small", [(SQUARE, "i : i + size - 1, j : j + size - 1")]),
    ("occlusion", "outside covered", [
        (COPY, "hidden = np.full_like(image, grey)"),
        (f"[{SQUARE}] = grey", f"[{SQUARE}] = image[{SQUARE}]")]),
    ("occlusion", "last row and column missing", [(" - size + 1", " - size")]),
    ("occlusion", "last row and column left zero", [
        ("range(OH)", "range(OH - 1)"), ("range(OW)", "range(OW - 1)")]),
]


@pytest.mark.parametrize("n", range(len(TYPICAL)))
def test_typical_wrong_answers_get_the_right_sentence(n, capfd):
    name, mistake, edits = TYPICAL[n]
    result = getattr(check, name)(edited(name, *edits))
    out, err = capfd.readouterr()
    assert result.state == "failed" and result.mistake == mistake, out
    assert err == "" and "in the case below, " not in out


def test_there_are_enough_typical_mistakes():
    for name in BY_NAME:
        assert len({mistake for task, mistake, _ in TYPICAL if task == name}) >= 12, name


# Other wrong answers


def endless(*arguments):
    while True:
        pass


def nothing(*arguments):
    return None


def text(*arguments):
    return "0.5"


def not_a_number(first, *arguments):
    return RIGHT[BY_ARGUMENTS[len(arguments)]][0](first, *arguments) * np.nan


BY_ARGUMENTS = {0: "matched_filter", 3: "occlusion"}

OTHERS = [
    (name, answer, said)
    for name in BY_NAME
    for answer, said in (
        (endless, "did not come back within"), (nothing, "returns None"), (text, "type str"),
    )
] + [
    ("oriented_edge", lambda k, a: turned_by_table(k, a).tolist(), "type list"),
    ("oriented_edge", lambda k, a: turned_by_table(k, a)[None], "wrong shape: expected (3, 3)"),
    ("oriented_edge", lambda k, a: turned_by_table(k, a).astype(float), "wrong dtype"),
    ("oriented_edge", lambda k, a: k if a else k + 1, "all values of turned are wrong"),
    ("matched_filter", not_a_number, "holds nan"),
    ("matched_filter", lambda p: by_norm(p)[:1, :1], "wrong shape: expected (2, 2), got (1, 1)"),
    ("matched_filter", lambda p: by_norm(p.__isub__(p.mean())), "pattern was changed in place"),
    ("matched_filter", lambda p: by_norm(p).astype(float), "wrong dtype"),
    ("normalised_correlation", lambda i, p: correlation_by_numpy(i, p)[..., None], "wrong shape"),
    ("normalised_correlation", lambda i, p: correlation_by_numpy(i, p) * 0.9, "values of y are wrong"),
    ("normalised_correlation", lambda i, p: correlation_by_numpy(i, p).max(), "a single number"),
    ("occlusion", not_a_number, "holds nan"),
    ("occlusion", lambda i, w, s, g: (occlusion_by_windows(i, w, s, g), i.fill(g))[0],
     "image was changed in place"),
    ("occlusion", lambda i, w, s, g: occlusion_by_windows(i, w, s, g).sum(), "a single number"),
]


@pytest.mark.parametrize("n", range(len(OTHERS)))
def test_other_wrong_answers_are_rejected_and_described(n, monkeypatch, capfd):
    name, answer, said = OTHERS[n]
    if answer is endless:
        monkeypatch.setattr(sandbox, "SECONDS", 0.2)
    result = getattr(check, name)(answer)
    out, err = capfd.readouterr()
    assert result.state == "failed" and result.mistake is None and err == ""
    assert said in out, out


@pytest.mark.parametrize("name", BY_NAME)
def test_a_stub_is_not_attempted_yet(name, capsys):
    def stub(*arguments):
        raise NotImplementedError

    result = getattr(check, name)(stub)
    assert result.state == "not attempted"
    assert capsys.readouterr().out == f"{BY_NAME[name].function_name}: not attempted yet.\n"


# The exercise


def test_the_exercise_holds_a_stub_for_each_task_and_the_solution_passes():
    folder = "ex07_filters/ex07_filters.ipynb"
    solved = {c["id"]: cell_source(c) for c in read_notebook(ROOT / "solutions" / folder)["cells"]}
    given = {c["id"]: cell_source(c) for c in read_notebook(ROOT / "exercises" / folder)["cells"]}
    assert list(solved) == list(given)
    for name, task in BY_NAME.items():
        cell = task.function_name.replace("_", "-")
        assert "raise NotImplementedError()" in given[cell] and "BEGIN" not in given[cell]
        namespace = {"np": np}
        exec(solved[cell], namespace)  # noqa: S102  (our own text)
        assert check.judge(task, namespace[task.function_name]).passed, name


def test_the_broken_occlusion_is_what_its_hints_say(capsys):
    cells = read_notebook(ROOT / "solutions/ex07_filters/ex07_filters.ipynb")["cells"]
    [source] = [cell_source(c) for c in cells if c["id"] == "broken-occlusion"]
    namespace = {"np": np}
    exec(source, namespace)  # noqa: S102  (our own text)
    assert "[ 1.  2.  3.  4.]" in capsys.readouterr().out
    assert check.occlusion(namespace["broken_occlusion"]).mistake == "squares pile up"
