"""The checks of exercise 00 judge right, wrong and misbehaving answers, all written by hand."""

import importlib
import time

import numpy as np
import pytest

from course_lib import check
from course_lib.check import sandbox

topic = importlib.import_module("course_lib.check.start")
TASKS = {task.id.partition("/")[2]: task for task in topic.TASKS}


@pytest.fixture(autouse=True)
def progress_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress"))


def answer(arguments, body):
    """Return the function that a student wrote with these arguments and this body."""
    lines = "\n".join("    " + line for line in body.strip("\n").split("\n"))
    namespace = {"np": np}
    exec(f"def my_answer({arguments}):\n{lines}\n", namespace)  # noqa: S102  (our own text)
    return namespace["my_answer"]


def edited(base, edits):
    """Return a body after replacing each (old, new), which must occur."""
    for old, new in edits:
        assert old in base, old
        base = base.replace(old, new)
    return base


# One body in loops for each task; the mistakes below are edits of it.
LOOPS = {
    "window": """
C = len(x)
K = 2 * radius + 1
y = np.zeros((C, K, K), dtype=x.dtype)
for c in range(C):
    for u in range(K):
        for v in range(K):
            y[c, u, v] = x[c, i - radius + u, j - radius + v]
return y""",
    "scale": """
y = np.zeros(images.shape, dtype=np.float32)
for place in np.ndindex(images.shape):
    y[place] = images[place] / 255
return y""",
    "standardise": """
y = np.zeros(x.shape, dtype=x.dtype)
for c in range(x.shape[1]):
    channel = x[:, c]
    mean = channel.sum() / channel.size
    deviation = ((channel - mean) ** 2).mean() ** 0.5
    y[:, c] = (channel - mean) / deviation
return y""",
    "one_hot": """
y = np.zeros((len(labels), classes))
for n in range(len(labels)):
    y[n, labels[n]] = 1
return y""",
    "channel_means": """
N, C, H, W = x.shape
means = np.zeros(C, dtype=x.dtype)
for c in range(C):
    total = 0
    for n in range(N):
        for i in range(H):
            for j in range(W):
                total += x[n, c, i, j]
    means[c] = total / (N * H * W)
return means""",
    "to_nchw": """
N, H, W, C = images.shape
x = np.zeros((N, C, H, W), dtype=images.dtype)
for n in range(N):
    for c in range(C):
        for i in range(H):
            for j in range(W):
                x[n, c, i, j] = images[n, i, j, c]
return x""",
}
CUT = "return x[:, i - radius : i + radius + 1, j - radius : j + radius + 1]"
SPLIT = """
mean = x.mean(axis=(0, 2, 3), keepdims=True)
deviation = x.std(axis=(0, 2, 3), keepdims=True)
return (x - mean) / deviation"""
HOT = "return np.eye(classes)[labels]"
MORE = {  # other right answers
    "window": [CUT, "r = slice(i - radius, i + radius + 1)\n"
               "return x[:, r][:, :, j - radius : j + radius + 1].copy()",
               "k = np.arange(-radius, radius + 1)\nreturn x[:, i + k[:, None], j + k]",
               "y = x[:, i - radius :, j - radius :]\n"
               "return y[:, : 2 * radius + 1, : 2 * radius + 1]"],
    "scale": ["return (images / 255).astype(np.float32)", "return images.astype(np.float32) / 255",
              "return images * np.float32(1 / 255)", "return np.divide(images, 255.0)",
              "return np.multiply(images, 1 / 255, dtype=np.float32)"],
    "standardise": [SPLIT, "m, d = x.mean((0, 2, 3)), x.std((0, 2, 3))\n"
                    "return (x - m[:, None, None]) / d[:, None, None]",
                    "t = x.swapaxes(1, 3)\n"
                    "return ((t - t.mean((0, 1, 2))) / t.std((0, 1, 2))).swapaxes(1, 3)",
                    edited(SPLIT, [("x.std(axis=(0, 2, 3), keepdims=True)",
                                    "x.var(axis=(0, 2, 3), keepdims=True) ** 0.5")]),
                    "n = x.size // x.shape[1]\nm = np.einsum('nchw->c', x) / n\n"
                    "c = x - m[:, None, None]\n"
                    "return c / np.sqrt(np.einsum('nchw,nchw->c', c, c) / n)[:, None, None]"],
    "one_hot": [HOT, "return (labels[:, None] == np.arange(classes)).astype(np.float32)",
                "y = np.zeros((len(labels), classes), dtype=int)\n"
                "y[np.arange(len(labels)), labels] = 1\nreturn y",
                "return np.array([[1.0 * (k == label) for k in range(classes)] "
                "for label in labels])"],
    "channel_means": ["return x.mean(axis=(0, 2, 3))", "return x.mean(0).mean(1).mean(1)",
                      "return np.array([x[:, c].mean() for c in range(x.shape[1])], x.dtype)",
                      "return np.einsum('nchw->c', x) / (x.size // x.shape[1])",
                      "return x.swapaxes(0, 1).reshape(x.shape[1], -1).mean(axis=1)"],
    "to_nchw": ["return images.transpose(0, 3, 1, 2)", "return np.moveaxis(images, 3, 1)",
                "return np.einsum('nhwc->nchw', images)",
                "return np.stack([images[..., c] for c in range(images.shape[3])], axis=1)",
                "return np.rollaxis(images, 3, 1).copy()"],
}
RIGHT_CUT = "i + radius + 1"
TYPICAL = {  # mistake -> how students write it, as edits of the loops or as a whole body
    "window": [
        ("end left out", "return x[:, i - radius : i + radius, j - radius : j + radius]"),
        ("end left out in the columns", edited(CUT, [("j + radius + 1", "j + radius")])),
        ("end left out in the rows", edited(CUT, [(RIGHT_CUT, "i + radius")])),
        ("begins at the centre", [("- radius", "")]),
        ("begins at the centre", "return x[:, i : i + radius + 1, j : j + radius + 1]"),
        ("ends at the centre", [("- radius", "- 2 * radius")]),
        ("begins one late", [("- radius", "- radius + 1")]),
        ("begins one early", [("- radius", "- radius - 1")]),
        ("one too many", [("2 * radius + 1", "2 * radius + 2")]),
        ("rows and columns swapped", [("i - radius + u, j - radius + v",
                                       "j - radius + u, i - radius + v")]),
        ("transposed", [("y[c, u, v]", "y[c, v, u]")]),
        ("rows only", "return x[:, i - radius : i + radius + 1]"),
        ("columns only", "return x[:, :, j - radius : j + radius + 1]"),
        ("channels cut", "return x[i - radius : i + radius + 1, j - radius : j + radius + 1]"),
        ("first channel only", edited(CUT, [("x[:,", "x[0,")])),
        ("centre only", "return x[:, i, j]"),
        ("all zeros", [("y[c, u, v] = x[c, i - radius + u, j - radius + v]", "pass")]),
    ],
    "scale": [
        ("whole division", [("/ 255", "// 255")]), ("rounded", [("/ 255", "/ 255 + 0.5"),
                                                                ("np.float32", "int")]),
        ("divided by 256", [("255", "256")]),
        ("divided by the largest pixel", [("255", "images.max()")]),
        ("divided by the largest pixel", "return images / images.max(axis=(1, 2, 3))[:, None, "
                                         "None, None]"),
        ("stretched", "low = images.min()\nreturn (images - low) / (images.max() - low)"),
        ("not scaled", [(" / 255", "")]), ("multiplied", [("/ 255", "* 255.0")]),
        ("inverted", [("= images[place] /", "= 1 - images[place] /")]),
        ("from −1 to 1", [("/ 255", "/ 127.5 - 1")]), ("shifted", [("/ 255", "/ 255 - 0.5")]),
        ("whole division", [("np.float32", "np.uint8")]),
        ("all zeros", [("images[place] / 255", "0")]),
        ("divided twice", [("/ 255", "/ 255 / 255")]),
    ],
    "standardise": [
        ("one mean for all channels", "return (x - x.mean()) / x.std()"),
        ("each image alone", edited(SPLIT, [("(0, 2, 3)", "(2, 3)")])),
        ("each image alone", edited(SPLIT, [("(0, 2, 3)", "(1, 2, 3)")])),
        ("each pixel alone", edited(SPLIT, [("(0, 2, 3)", "0")])),
        ("channels taken last", edited(SPLIT, [("(0, 2, 3)", "(0, 1, 2)")])),
        ("over the channels", edited(SPLIT, [("(0, 2, 3)", "1")])),
        ("variance", [(" ** 0.5", "")]),
        ("divided by n − 1", edited(SPLIT, [("x.std(", "x.std(ddof=1, ")])),
        ("mean not subtracted", [("(channel - mean) /", "channel /")]),
        ("not divided", [(" / deviation", "")]), ("mean added", [("(channel - mean) /",
                                                                  "(channel + mean) /")]),
        ("multiplied", [("/ deviation", "* deviation")]),
        ("brackets missing", [("(channel - mean) / deviation", "channel - mean / deviation")]),
        ("divided first", [("(channel - mean) / deviation", "channel / deviation - mean")]),
        ("axis lost", edited(SPLIT, [(", keepdims=True", "")])),
        ("all zeros", [("y[:, c] = (channel - mean) / deviation", "pass")]),
    ],
    "one_hot": [
        ("classes as rows", HOT + ".T"), ("all labels in every row", [("y[n,", "y[:,")]),
        ("counted from 1", [("labels[n]]", "labels[n] - 1]")]),
        ("one too far", [("labels[n]]", "(labels[n] + 1) % classes]")]),
        ("label itself written", [("= 1", "= labels[n]")]), ("inverted", "return 1 - np.eye("
                                                             "classes)[labels]"),
        ("inverted", [("zeros", "ones"), ("= 1", "= 0")]), ("filled up", [("labels[n]]",
                                                                        ": labels[n] + 1]")]),
        ("filled up", [("labels[n]]", ": labels[n]]")]),
        ("unit matrix", "return np.eye(len(labels), classes)"),
        ("too few classes", "return np.eye(max(labels) + 1)[labels]"),
        ("from the right", [("labels[n]]", "-1 - labels[n]]")]),
        ("minus one", [("zeros", "ones"), ("classes))", "classes)) * -1")]),
        ("first row only", [("range(len(labels))", "range(1)")]),
        ("last row only", [("    y[n", "    pass\ny[n")]),
        ("all zeros", [("y[n, labels[n]] = 1", "pass")]),
    ],
    "channel_means": [
        ("each image alone", "return x.mean(axis=(2, 3))"),
        ("channels taken last", "return x.mean(axis=(0, 1, 2))"),
        ("mean of each image", "return x.mean(axis=(1, 2, 3))"),
        ("channels averaged away", "return x.mean(axis=1)"),
        ("batch averaged only", "return x.mean(axis=0)"),
        ("reshaped", "return x.reshape(x.shape[1], -1).mean(axis=1)"),
        ("summed", [(" / (N * H * W)", "")]), ("divided by the pixels only", [("N * H", "H")]),
        ("divided by the images only", [("(N * H * W)", "N")]),
        ("first image only", "return x[0].mean((1, 2))"),
        ("axes kept", "return x.mean(axis=(0, 2, 3), keepdims=True)"),
        ("largest", "return x.max(axis=(0, 2, 3))"),
        ("median", "return np.median(x, axis=(0, 2, 3))"),
        ("whole numbers", [("dtype=x.dtype", "dtype=int")]),
        ("whole numbers", [("/ (N", "// (N")]),
        ("one mean for all", "return np.ones(x.shape[1]) * x.mean()"),
        ("all zeros", [("means[c] = total / (N * H * W)", "pass")]),
    ],
    "to_nchw": [
        ("reshaped", "N, H, W, C = images.shape\nreturn images.reshape(N, C, H, W)"),
        ("height and width swapped", "return images.transpose(0, 3, 2, 1)"),
        ("height and width swapped", "return images.swapaxes(1, 3)"),
        ("not changed", "return images"), ("the other way", "return images.transpose(0, 2, 3, 1)"),
        ("channels first of all", "return np.moveaxis(images, 3, 0)"),
        ("rows and columns only", "return images.swapaxes(1, 2)"),
        ("all axes reversed", "return images.transpose()"),
        ("colours reversed", [("i, j, c]", "i, j, C - 1 - c]")]),
        ("first channel only", "return images[:, None, :, :, 0]"),
        ("channels in the middle", "return images.swapaxes(2, 3)"),
        ("upside down", [("images[n, i,", "images[n, H - 1 - i,")]),
        ("first image only", [("range(N)", "range(1)")]),
        ("grey", "return images.mean(axis=3)[:, None]"),
        ("all zeros", [("x[n, c, i, j] = images[n, i, j, c]", "pass")]),
    ],
}
RIGHT = [(name, n) for name in TASKS for n in range(1 + len(MORE[name]))]
WRONG = [(name, n) for name in TYPICAL for n in range(len(TYPICAL[name]))]
VARIANTS = [(name, mistake.id, n) for name, task in TASKS.items() for mistake in task.mistakes
            for n in range(len(mistake.variants))]


def judge(name, function):
    return getattr(check, name)(function)


@pytest.mark.parametrize("name, n", RIGHT)
def test_right_answers_pass(name, n, capfd):
    arguments = ", ".join(TASKS[name].argument_names)
    result = judge(name, answer(arguments, [LOOPS[name], *MORE[name]][n]))
    out, err = capfd.readouterr()
    assert result.passed and err == "", out
    assert f"passed, {len(TASKS[name].cases)} cases of" in out


@pytest.mark.parametrize("name, mistake, n", VARIANTS)
def test_every_mistake_of_the_catalogue_is_named(name, mistake, n, monkeypatch):
    monkeypatch.setattr(sandbox, "can_fork", lambda: False)  # quicker, and as right
    [found] = [one for one in TASKS[name].mistakes if one.id == mistake]
    result = judge(name, found.variants[n])
    assert result.state == "failed" and result.mistake == mistake, result.message
    assert found.sentence in result.message and str(found.section) in result.message


@pytest.mark.parametrize("name, n", WRONG)
def test_typical_wrong_answers_get_the_right_sentence(name, n, capfd):
    mistake, edits = TYPICAL[name][n]
    body = edits if isinstance(edits, str) else edited(LOOPS[name], edits)
    result = judge(name, answer(", ".join(TASKS[name].argument_names), body))
    out, err = capfd.readouterr()
    assert result.state == "failed" and result.mistake == mistake, out
    assert err == "" and "Read again: 00_start_here" in out


@pytest.mark.parametrize("name", TASKS)
def test_there_are_enough_mistakes_and_answers(name):
    assert len({mistake.id for mistake in TASKS[name].mistakes}) >= 12
    assert len({mistake for mistake, _ in TYPICAL[name]}) >= 10 and len(MORE[name]) >= 3


def endless(*arguments):
    while True:
        pass


def spoils_its_input(right):
    def spoils(*arguments):
        result = right(*arguments).copy()
        arguments[0][...] = 7
        return result

    return spoils


@pytest.mark.parametrize("name", TASKS)
def test_misbehaving_answers_are_rejected(name, monkeypatch, capfd):
    right = TASKS[name].reference
    for wrong, words in (
        (lambda *a: None, "returns None"), (lambda *a: "text", "got a value of type str"),
        (lambda *a: right(*a) * np.nan, "holds nan"),
        (lambda *a: right(*a)[None, None], "wrong shape"),
        (lambda *a: right(*a) + 0.01, "not yet"), (spoils_its_input(right), "changed in place"),
    ):
        result = judge(name, wrong)
        assert result.state == "failed" and result.mistake is None and words in result.message
    monkeypatch.setattr(sandbox, "SECONDS", 0.3)
    start = time.monotonic()
    assert "did not come back" in judge(name, endless).message
    assert time.monotonic() - start < 5 and capfd.readouterr().err == ""


@pytest.mark.parametrize("name", TASKS)
def test_hard_coded_answers_and_stubs_are_no_solutions(name):
    first = TASKS[name].cases[0]
    right = TASKS[name].reference(*first.arguments)
    assert not judge(name, lambda *a: right).passed

    def stub(*arguments):
        raise NotImplementedError

    assert judge(name, stub).state == "not attempted"


@pytest.mark.parametrize("name", TASKS)
def test_cases_are_uneven(name):
    """Where all sizes are equal, swapped axes cannot be seen."""
    shapes = [case.arguments[0].shape for case in TASKS[name].cases]
    assert len(shapes) >= 5
    if name != "one_hot":
        assert any(len(set(shape[1:])) == len(shape) - 1 for shape in shapes)
        dtypes = {str(case.arguments[0].dtype) for case in TASKS[name].cases}
        assert dtypes == ({"uint8"} if name == "scale" else {"float32", "float64"})
