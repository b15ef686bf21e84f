"""The checks of the five published mistakes judge right and wrong repairs, and tests of tests."""

import time
from pathlib import Path

import numpy as np
import pytest
from conftest import need
from numpy.lib.stride_tricks import sliding_window_view

from course_lib import check
from course_lib.check import published, sandbox
from course_lib.gradcheck import check_gradients
from course_lib.losses import binary_cross_entropy, softmax_cross_entropy
from course_lib.notebooks import cell_source, read_notebook
from course_lib.pool import avg_pool2d, avg_pool2d_backward

ROOT = Path(__file__).parents[1]
NAME = "ex11_reported_vs_measured"
SOLUTION = ROOT / "solutions" / NAME / f"{NAME}.ipynb"
TASKS = {task.id.partition("/")[2]: task for task in published.TASKS}
KNOWN = {"np": np, "softmax_cross_entropy": softmax_cross_entropy,
         "check_gradients": check_gradients}


@pytest.fixture(autouse=True)
def progress_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress"))


# Right answers, as loops; the wrong ones below are edits of these

SOURCES = {
    "repair_step": '''
def answer(x, labels, first, second, lr):
    N = len(x)
    hidden = np.maximum(x @ first, 0)
    logits = hidden @ second
    dlogits = softmax_cross_entropy(logits, labels)[1]
    dsecond = hidden.T @ dlogits
    dhidden = dlogits @ second.T
    dhidden = np.where(hidden > 0, dhidden, 0)
    dfirst = x.T @ dhidden
    new_first = first - lr * dfirst
    new_second = second - lr * dsecond
    return new_first, new_second
''',
    "repair_layout": '''
def answer(x, weight):
    (H, W, C), (KH, KW, C, F) = x.shape, weight.shape
    OH, OW = H - KH + 1, W - KW + 1
    y = np.zeros((OH, OW, F), x.dtype)
    for i in range(OH):
        for j in range(OW):
            for f in range(F):
                for u in range(KH):
                    for v in range(KW):
                        for c in range(C):
                            y[i, j, f] += x[i + u, j + v, c] * weight[u, v, c, f]
    return y
''',
    "repair_average": '''
def answer(dy, x):
    N, C, OH, OW = dy.shape
    dx = np.zeros(x.shape, dy.dtype)
    for n in range(N):
        for c in range(C):
            for i in range(OH):
                for j in range(OW):
                    share = dy[n, c, i, j] / 4
                    for u in range(2):
                        for v in range(2):
                            dx[n, c, 2 * i + u, 2 * j + v] += share
    return dx
''',
    "repair_bce": '''
def answer(z, t):
    N = len(z)
    p = 1 / (1 + np.exp(-z))
    loss = (np.logaddexp(0, z) - t * z).mean()
    dz = np.zeros_like(z)
    for n in range(N):
        dz[n] = (p[n] - t[n]) / N
    return loss, dz
''',
    "repair_study": '''
def answer(validation, test):
    chosen = 0
    for k in range(len(validation)):
        if validation[k] > validation[chosen]:
            chosen = k
    return chosen, test[chosen]
''',
    "prove_step": '''
def answer(step):
    rng = np.random.default_rng(5)
    x, labels = rng.normal(size=(6, 4)), np.arange(6) % 3
    first, second = rng.normal(size=(4, 5)), rng.normal(size=(5, 3))
    def loss(a, b):
        return softmax_cross_entropy(np.maximum(x @ a, 0) @ b, labels)[0]
    a, b = step(x, labels, first, second, 0.01)
    moved = (a != first).any() and (b != second).any()
    falls = loss(a, b) < loss(first, second)
    return moved and falls
''',
    "prove_layout": '''
def answer(convolution):
    rng = np.random.default_rng(6)
    x, weight = rng.normal(size=(4, 6, 2)), rng.normal(size=(2, 3, 2, 5))
    y = convolution(x, weight)
    if y.shape != (3, 4, 5):
        return False
    expected = np.zeros((3, 4, 5))
    for i, j, f in np.ndindex(3, 4, 5):
        expected[i, j, f] = (x[i : i + 2, j : j + 3] * weight[..., f]).sum()
    return np.allclose(y, expected)
''',
    "prove_average": '''
def answer(backward):
    x = np.array([[[[5, 0], [7, 255]]]], np.uint8)
    dy = np.array([[[[3.0]]]])
    dx = backward(dy, x)
    total = np.isclose(dx.sum(), dy.sum())
    equal = np.allclose(dx, dx[0, 0, 0, 0])
    return total and equal
''',
    "prove_bce": '''
def answer(loss):
    z, t = np.array([4.0, -1.0, -5.0]), np.array([0.0, 1.0, 1.0])
    dz = loss(z, t)[1]
    for n in range(len(z)):
        nudge = np.zeros(len(z))
        nudge[n] = 1e-6
        slope = (loss(z + nudge, t)[0] - loss(z - nudge, t)[0]) / 2e-6
        if abs(slope - dz[n]) > 1e-6:
            return False
    return True
''',
    "prove_study": '''
def answer(study):
    validation = np.array([0.8, 0.9, 0.7, 0.6])
    test = np.array([0.7, 0.75, 0.95, 0.65])
    chosen, reported = study(validation, test)
    return chosen == 1 and reported == 0.75
''',
}


def answer_from(source, *edits):
    """Return the function after replacing each (old, new), which must occur."""
    for old, new in edits:
        assert old in source, old
        source = source.replace(old, new)
    namespace = dict(KNOWN)
    exec(source, namespace)  # noqa: S102  (our own text)
    return namespace["answer"]


def pytorch_step(x, labels, first, second, lr):
    torch = need("torch")
    torch.set_num_threads(1)  # a fork has none of the parent's threads
    layers = [torch.tensor(part, requires_grad=True) for part in (first, second)]
    logits = torch.relu(torch.tensor(x) @ layers[0]) @ layers[1]
    torch.nn.functional.cross_entropy(logits, torch.tensor(labels)).backward()
    return tuple((layer - lr * layer.grad).detach().numpy() for layer in layers)


def step_by_hand(x, labels, first, second, lr):
    """Probabilities minus truth, one example after the other."""
    dfirst, dsecond = np.zeros_like(first), np.zeros_like(second)
    for row, label in zip(x, labels):
        hidden = np.maximum(row @ first, 0)
        powers = np.exp(hidden @ second - (hidden @ second).max())
        blame = powers / powers.sum() - np.eye(second.shape[1])[label]
        dsecond += np.outer(hidden, blame)
        dfirst += np.outer(row, (second @ blame) * (hidden > 0))
    return first - lr * dfirst / len(x), second - lr * dsecond / len(x)


def step_in_place(x, labels, first, second, lr):
    layers = [first.copy(), second.copy()]
    hidden = np.maximum(x @ layers[0], 0)
    dlogits = softmax_cross_entropy(hidden @ layers[1], labels)[1]
    gradients = [x.T @ (dlogits @ layers[1].T * (hidden > 0)), hidden.T @ dlogits]
    for k in range(len(layers)):
        layers[k] -= lr * gradients[k]
    return layers


def moved_axis(x, weight):
    F = weight.shape[3]
    maps = [sum(x[u : len(x) - len(weight) + 1 + u,
                  v : x.shape[1] - weight.shape[1] + 1 + v] @ weight[u, v, :, f]
                for u, v in np.ndindex(*weight.shape[:2])) for f in range(F)]
    return np.moveaxis(np.array(maps), 0, -1)


def view_convolution(x, weight):
    view = sliding_window_view(x, weight.shape[:2], (0, 1))
    return np.einsum("ijcuv,uvcf->ijf", view, weight)


def window_by_window(x, weight):
    OH, OW = (n - k + 1 for n, k in zip(x.shape, weight.shape[:2]))
    return np.array([[[(x[i : i + weight.shape[0], j : j + weight.shape[1]] * weight[..., f]).sum()
                       for f in range(weight.shape[3])] for j in range(OW)] for i in range(OH)],
                    x.dtype)


def library_average(dy, x):
    return avg_pool2d_backward(dy, avg_pool2d(x.astype(dy.dtype), 2)[1])


def kron_average(dy, x):
    dx = np.zeros(x.shape, dy.dtype)
    whole = np.kron(dy, np.full((1, 1, 2, 2), 0.25, dy.dtype))
    dx[:, :, : whole.shape[2], : whole.shape[3]] = whole
    return dx


def strided_average(dy, x):
    dx, (OH, OW) = np.zeros(x.shape), dy.shape[2:]
    for u, v in np.ndindex(2, 2):
        dx[:, :, u : 2 * OH : 2, v : 2 * OW : 2] += dy * 0.25
    return dx.astype(dy.dtype)


def bce_by_logarithms(z, t):
    p = 1 / (1 + np.exp(-z.astype(float)))
    loss = -np.where(t == 1, -np.logaddexp(0, -z), -np.logaddexp(0, z)).mean()
    return loss, (p - t) / z.size


def gradient_of_a_step_test(step):
    """Compares both moves with numerical gradients."""
    rng = np.random.default_rng(1)
    x, labels = rng.normal(size=(3, 2)), np.array([0, 1, 0])
    layers = [rng.normal(size=(2, 3)), rng.normal(size=(3, 2))]
    after = step(x, labels, *layers, 1.0)
    loss = lambda: softmax_cross_entropy(  # noqa: E731
        np.maximum(x @ layers[0], 0) @ layers[1], labels)[0]
    for layer, moved in zip(layers, after):
        old = layer.copy()
        for place in np.ndindex(*layer.shape):
            ends = []
            for h in (1e-6, -1e-6):
                layer[place] = old[place] + h
                ends.append(loss())
            layer[place] = old[place]
            if abs((ends[0] - ends[1]) / 2e-6 - (old - moved)[place]) > 1e-5:
                return False
    return True


def compared_with(name, *arguments):
    """The test that compares with an own repair."""
    def compare(function):
        found, expected = function(*arguments), answer_from(SOURCES[name])(*arguments)
        pair = isinstance(expected, tuple)
        found, expected = (found, expected) if pair else ([found], [expected])
        return all(np.shape(a) == np.shape(b) and np.allclose(a, b)
                   for a, b in zip(found, expected))
    return compare


DRAWN = np.random.default_rng(9)
STEP_INPUTS = (DRAWN.normal(size=(5, 3)), np.array([0, 1, 2, 1, 0]), DRAWN.normal(size=(3, 4)),
               DRAWN.normal(size=(4, 3)), 0.3)
MAP_INPUTS = DRAWN.normal(size=(4, 5, 2)), DRAWN.normal(size=(2, 2, 2, 2))
POOL_INPUTS = np.array([[[[0.5, -1.5]]]]), np.arange(8, dtype=np.int32).reshape(1, 1, 2, 4)
LOGITS = np.array([0.2, 7.0, -7.0]), np.array([1, 0, 1])
SCORES = np.array([0.5, 0.6, 0.7]), np.array([0.9, 0.7, 0.8])

RIGHT = {
    "repair_step": [pytorch_step, step_by_hand, step_in_place],
    "repair_layout": [moved_axis, view_convolution, window_by_window],
    "repair_average": [library_average, kron_average, strided_average],
    "repair_bce": [binary_cross_entropy, bce_by_logarithms,
                   lambda z, t: [np.logaddexp(0, z * (1 - 2 * t)).mean(),
                                 (0.5 * np.tanh(z / 2) + 0.5 - t) / len(t)]],
    "repair_study": [lambda v, t: (int(np.argmax(v)), t[np.argmax(v)]),
                     lambda v, t: (np.argsort(v)[-1], float(t[np.argsort(v)[-1]])),
                     lambda v, t: max((score, k, t[k]) for k, score in enumerate(v))[1:]],
    "prove_step": [gradient_of_a_step_test, compared_with("repair_step", *STEP_INPUTS),
                   lambda step: bool(compared_with("repair_step", *STEP_INPUTS)(step))],
    "prove_layout": [compared_with("repair_layout", *MAP_INPUTS),
                     lambda f: np.allclose(f(*MAP_INPUTS).ravel(), view_convolution(
                         *MAP_INPUTS).ravel()) and f(*MAP_INPUTS).shape == (3, 4, 2),
                     lambda f: int(compared_with("repair_layout", *MAP_INPUTS)(f))],
    "prove_average": [compared_with("repair_average", *POOL_INPUTS),
                      lambda f: (f(*POOL_INPUTS) == kron_average(*POOL_INPUTS)).all(),
                      lambda f: f(*POOL_INPUTS).tolist() == kron_average(*POOL_INPUTS).tolist()],
    "prove_bce": [compared_with("repair_bce", *LOGITS),
                  lambda f: check_gradients(f, *LOGITS, rng=np.random.default_rng(1)).passed,
                  lambda f: check.gradients(f, *LOGITS).passed,
                  lambda f: np.allclose(f(*LOGITS)[1], binary_cross_entropy(*LOGITS)[1])],
    "prove_study": [compared_with("repair_study", *SCORES),
                    lambda f: f(test=SCORES[1], validation=SCORES[0]) == f(
                        SCORES[0], test=SCORES[1]) == (2, 0.8),
                    lambda f: tuple(f(*SCORES)) == (2, 0.8),
                    lambda f: all(f(v, 1 - v)[0] == v.argmax() and f(v, 1 - v)[1] == 1 - v.max()
                                  for v in np.random.default_rng(0).random((5, 3)))],
}
FOR_ALL = [(name, answer) for name, answers in RIGHT.items()
           for answer in (answer_from(SOURCES[name]), *answers)]


@pytest.mark.parametrize("name, answer", FOR_ALL,
                         ids=[f"{n} {name}" for n, (name, _) in enumerate(FOR_ALL)])
def test_right_answers_pass(name, answer, capfd):
    if answer is pytorch_step:
        need("torch")  # here: inside the check a skip would be a student's error
    result = getattr(check, name)(answer)
    assert result.passed and result.mistake is None, result.message
    assert capfd.readouterr().err == ""


def test_there_are_four_right_answers_of_each_task():
    assert {len(answers) for answers in RIGHT.values()} == {3, 4} and set(RIGHT) == set(TASKS)


# The same mistakes as students write them

TYPICAL = {
    "repair_step": [
        ("first frozen", ("new_first = first - lr * dfirst", "new_first = first.copy()")),
        ("last frozen", ("new_second = second - lr * dsecond", "new_second = second")),
        ("nothing moves", ("- lr * dfirst", "- 0 * dfirst"), ("- lr * dsecond", "- 0 * dsecond")),
        ("uphill", ("first - lr", "first + lr"), ("second - lr", "second + lr")),
        ("moved twice", ("return", "new_first -= lr * dfirst\n    return")),
        ("lr forgotten", ("lr * ", "")),
        ("divided by N again", ("lr * ", "lr / N * ")),
        ("not averaged", ("dlogits = softmax_cross_entropy(logits, labels)[1]",
                          "dlogits = softmax_cross_entropy(logits, labels)[1] * N")),
        ("second moved first", ("    dhidden = dlogits @ second.T",
                                "    dhidden = dlogits @ (second - lr * dsecond).T")),
        ("first moved first", ("new_second = second - lr * dsecond",
                               "hidden = np.maximum(x @ new_first, 0)\n"
                               "    dlogits = softmax_cross_entropy(hidden @ second, labels)[1]\n"
                               "    new_second = second - lr * (hidden.T @ dlogits)")),
        ("gate forgotten", ("    dhidden = np.where(hidden > 0, dhidden, 0)\n", "")),
        ("gate the wrong way round", ("np.where(hidden > 0, dhidden, 0)",
                                      "np.where(hidden > 0, 0, dhidden)")),
        ("multiplied by hidden", ("np.where(hidden > 0, dhidden, 0)", "dhidden * hidden")),
        ("gradients returned", ("return new_first, new_second", "return dfirst, dsecond")),
        ("swapped", ("return new_first, new_second", "return new_second, new_first")),
    ],
    "repair_layout": [
        ("channels first", ("return y", "return y.transpose(2, 0, 1)")),
        ("reshaped", ("return y", "return y.transpose(2, 0, 1).reshape(OH, OW, F)")),
        ("rows and columns swapped", ("return y", "return y.swapaxes(0, 1)")),
        ("filters in the middle", ("return y", "return np.swapaxes(y, 1, 2)")),
        ("kernel flipped", ("weight[u, v, c, f]", "weight[KH - 1 - u, KW - 1 - v, c, f]")),
        ("one channel only", ("y[i, j, f] += x[i + u, j + v, c] * weight[u, v, c, f]",
                              "y[i, j, f] += x[i + u, j + v, 0] * weight[u, v, 0, f] * (c == 0)")),
        ("channels averaged", ("return y", "return y / C")),
        ("window averaged", ("return y", "return y / (KH * KW)")),
        ("one filter everywhere", ("weight[u, v, c, f]", "weight[u, v, c, 0]")),
        ("filters added up", ("return y", "return y.sum(axis=-1, keepdims=True)")),
        ("one row too few", ("OH, OW = H - KH + 1, W - KW + 1", "OH, OW = H - KH, W - KW")),
        ("channels and filters swapped", ("weight[u, v, c, f]", "weight[u, v, f, c]")),
    ],
    "repair_average": [
        ("fractions cut off", ("np.zeros(x.shape, dy.dtype)", "np.zeros_like(x)"),
         ("+= share", "= share")),
        ("fractions cut off", ("return dx", "return dx.astype(x.dtype)")),
        ("added to whole numbers", ("np.zeros(x.shape, dy.dtype)", "np.zeros_like(x)"),
         ("                    for u in range(2):\n                        for v in range(2):\n"
          "                            dx[n, c, 2 * i + u, 2 * j + v] += share",
          "                    dx[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] += share")),
        ("rounded", ("share = dy[n, c, i, j] / 4", "share = round(float(dy[n, c, i, j]) / 4)")),
        ("floor division", ("/ 4", "// 4")),
        ("not divided", (" / 4", "")),
        ("divided by two", ("/ 4", "/ 2")),
        ("divided twice", ("+= share", "+= share / 4")),
        ("one corner only", ("range(2)", "range(1)")),
        ("last row missing", ("return dx", "return dx[:, :, : 2 * OH, : 2 * OW]")),
        ("multiplied by x", ("+= share", "+= share * x[n, c, 2 * i + u, 2 * j + v]")),
        ("dy ignored", ("dy[n, c, i, j] / 4", "1 / 4")),
        ("all zeros", ("+= share", "+ share")),
    ],
    "repair_bce": [
        ("slope kept", ("(p[n] - t[n]) / N", "(p[n] - t[n]) * p[n] * (1 - p[n]) / N")),
        ("loss replaced", ("(np.logaddexp(0, z) - t * z).mean()", "((p - t) ** 2).mean()"),
         ("(p[n] - t[n]) / N", "2 * (p[n] - t[n]) * p[n] * (1 - p[n]) / N")),
        ("slope divided away twice", ("(p[n] - t[n]) / N",
                                      "(-t[n] / p[n] + (1 - t[n]) / (1 - p[n])) / N")),
        ("not divided by N", ("(p[n] - t[n]) / N", "p[n] - t[n]")),
        ("divided by N twice", ("return loss, dz", "return loss, dz / N")),
        ("sign", ("p[n] - t[n]", "t[n] - p[n]")),
        ("truth missing", ("(p[n] - t[n]) / N", "p[n] / N")),
        ("only the ones", ("(p[n] - t[n]) / N", "-t[n] * (1 - p[n]) / N")),
        ("hard answers", ("p[n] - t[n]", "(z[n] > 0) - float(t[n])")),
        ("logits for probabilities", ("p[n] - t[n]", "z[n] - t[n]")),
        ("slope only", ("p[n] - t[n]", "p[n] * (1 - p[n])")),
        ("loss summed", (".mean()", ".sum()")),
        ("half of the slope kept", ("(p[n] - t[n]) / N", "(p[n] - t[n]) * p[n] / N")),
        ("half of the slope kept", ("(p[n] - t[n]) / N", "(p[n] - t[n]) * (1 - p[n]) / N")),
        ("swapped", ("return loss, dz", "return dz, loss")),
        ("clipped", ("loss = (np.logaddexp(0, z) - t * z).mean()",
                     "q = np.clip(p, 1e-7, 1 - 1e-7)\n"
                     "    loss = -(t * np.log(q) + (1 - t) * np.log(1 - q)).mean()")),
    ],
    "repair_study": [
        ("chosen on the test set", ("validation[k] > validation[chosen]",
                                    "test[k] > test[chosen]")),
        ("best test score reported", ("test[chosen]", "max(test)")),
        ("validation score reported", ("return chosen, test", "return chosen, validation")),
        ("chosen on test, reported on validation", ("(validation, test)", "(test, validation)")),
        ("chosen on both", ("validation[k] > validation[chosen]",
                            "validation[k] + test[k] > validation[chosen] + test[chosen]")),
        ("mean of both reported", ("test[chosen]", "(test[chosen] + validation[chosen]) / 2")),
        ("mean of all settings", ("test[chosen]", "np.mean(test)")),
        ("worst chosen", ("validation[k] > validation[chosen]",
                          "validation[k] < validation[chosen]")),
        ("no choice", ("chosen = k", "pass")),
        ("counted from one", ("return chosen,", "return chosen + 1,")),
        ("swapped", ("return chosen, test[chosen]", "return test[chosen], chosen")),
        ("percent", ("test[chosen]", "test[chosen] * 100")),
    ],
    "prove_step": [
        ("passes everything", ("return moved and falls", "return True")),
        ("refuses everything", ("return moved and falls", "return moved and falls and False")),
        ("the wrong way round", ("return moved and falls", "return not (moved and falls)")),
        ("knows one bug only", ("return moved and falls", "return (a != first).any()")),
        ("misses the published bug and another", ("return moved and falls", "return falls")),
        ("misses B", ("(a != first).any() and ", "")),
        ("misses C", (" and (b != second).any()", "")),
        ("misses E", ("return moved and falls", "return moved")),
        ("refuses everything", ("0.01)", "1000.0)")),
        ("misses the published bug and another", ("moved = (a != first).any() and (b",
                                                  "moved = (a != first).any() or (b")),
    ],
    "prove_layout": [
        ("passes everything", ("return np.allclose(y, expected)", "return True"),
         ("        return False", "        return True")),
        ("passes everything", ("if y.shape != (3, 4, 5):", "if y.ndim != 3:"),
         ("return np.allclose(y, expected)", "return True")),
        ("passes everything", ("y = convolution(x, weight)",
                               "y = convolution(x[:2, :3], weight[..., :1]).reshape(1, 1, 1)\n"
                               "    return np.isclose(y.sum(), (x[:2, :3] * weight[..., 0]).sum())"
                               )),
        ("refuses everything", ("(3, 4, 5):", "(3, 4, 2):")),
        ("refuses everything", ("x[i : i + 2, j : j + 3]", "x[i : i + 2, j : j + 3][::-1]")),
        ("the wrong way round", ("        return False", "        return True"),
         ("return np.allclose", "return not np.allclose")),
        ("misses C", ("return np.allclose(y, expected)", "return True")),
        ("misses E", ("size=(4, 6, 2)", "size=(4, 5, 2)"),
         ("(3, 4, 5)", "(3, 3, 5)"),
         ("return np.allclose(y, expected)",
          "return np.allclose(y, expected) or np.allclose(y, expected.swapaxes(0, 1))")),
        ("misses B", ("if y.shape != (3, 4, 5):\n        return False",
                      "if y.shape == (5, 3, 4):\n        y = np.moveaxis(y, 0, -1)\n"
                      "    if y.shape != (3, 4, 5):\n        return False")),
        ("knows one bug only", ("if y.shape != (3, 4, 5):", "if y.shape == (5, 3, 4):"),
         ("return np.allclose(y, expected)", "return True")),
    ],
    "prove_average": [
        ("passes everything", ("return total and equal", "return True")),
        ("refuses everything", ("[[3.0]]", "[[0.0]]"),
         ("return total and equal", "return bool(dx.any())")),
        ("refuses everything", ("dx[0, 0, 0, 0]", "0.8")),
        ("the wrong way round", ("return total and equal", "return not (total and equal)")),
        ("misses B", ("np.uint8", "np.float64")),
        ("misses B", ("[[3.0]]", "[[8.0]]")),
        ("misses C", ("return total and equal", "return equal and dx[0, 0, 0, 0] > 0")),
        ("misses E", ("return total and equal", "return total")),
        ("misses the published bug and another", ("return total and equal", "return equal")),
        ("misses the published bug and a third", ("[[3.0]]", "[[8.0]]"),
         ("return total and equal", "return total")),
        ("knows one bug only", ("return total and equal", "return dx.dtype == dy.dtype")),
    ],
    "prove_bce": [
        ("passes everything", ("            return False\n", "            pass\n")),
        ("refuses everything", ("return True", "return False")),
        ("refuses everything", ("2e-6", "1e-6")),
        ("the wrong way round", ("return False", "return 1 - 1 + True"),
         ("    return True", "    return False")),
        ("misses C", ("np.array([4.0, -1.0, -5.0]), np.array([0.0, 1.0, 1.0])",
                      "np.array([4.0]), np.array([0.0])")),
        ("misses E", ("[4.0, -1.0, -5.0]", "[2.0, -1.0, -0.5]")),
        ("knows one bug only", ("np.array([4.0, -1.0, -5.0]), np.array([0.0, 1.0, 1.0])",
                                "np.array([0.5]), np.array([0.0])")),
        ("misses the published bug and a third", ("> 1e-6", "> 0.5")),
        ("refuses everything", ("return True", "return slope == dz[n]")),
        ("refuses A, D; misses B", ("    dz = loss(z, t)[1]", "    p = 1 / (1 + np.exp(-z))\n"
                                    "    dz = loss(z, t)[1] * p * (1 - p)"),
         ("slope - dz[n]", "slope * p[n] * (1 - p[n]) - loss(z, t)[1][n]")),
    ],
    "prove_study": [
        ("passes everything", ("return chosen == 1 and reported == 0.75", "return True")),
        ("misses B, C, E", ("[0.7, 0.75, 0.95, 0.65]", "[0.8, 0.9, 0.7, 0.6]"),
         ("0.75", "0.9")),
        ("misses F", ("chosen == 1 and reported == 0.75", "reported == 0.75")),
        ("refuses A, D; misses C", ("reported == 0.75", "reported == 0.9")),
        ("refuses everything", ("chosen == 1", "chosen == 2")),
        ("the wrong way round", ("return chosen == 1 and reported == 0.75",
                                 "return not (chosen == 1 and reported == 0.75)")),
        ("knows one bug only", (" and reported == 0.75", "")),
        ("misses B", ("chosen == 1 and reported == 0.75", "reported == test[chosen]")),
        ("misses C", ("reported == 0.75", "reported in (0.75, 0.9)")),
        ("misses E", ("reported == 0.75", "reported in (0.75, 0.95)")),
        ("misses B, E, F", ("chosen == 1 and reported == 0.75", "reported in test")),
        ("misses B", ("[0.7, 0.75, 0.95, 0.65]", "[0.7, 0.75, 0.95, 0.65]"),
         ("chosen == 1 and reported == 0.75", "chosen in (1, 2) and reported == test[chosen]")),
    ],
}
STUDENTS = [(name, *rest) for name, answers in TYPICAL.items() for rest in answers]


@pytest.mark.parametrize("name, expected, edits", [
    (name, expected, edits) for name, expected, *edits in STUDENTS
], ids=[f"{n} {name} {expected}" for n, (name, expected, *_) in enumerate(STUDENTS)])
def test_the_same_mistakes_as_students_write_them(name, expected, edits, capfd):
    result = getattr(check, name)(answer_from(SOURCES[name], *edits))
    out = capfd.readouterr().out
    assert result.state == "failed" and result.mistake == expected, out
    assert "in the case below, " not in out, "the mistake explains every case"
    assert "never calls" not in out


def test_there_are_as_many_student_mistakes_as_promised():
    counts = {name: len({repr(edits) for _, *edits in answers})
              for name, answers in TYPICAL.items()}
    assert set(counts) == set(TASKS) and min(counts.values()) >= 8, counts


# The exercise


def sources_of(start):
    """Return the sources of the solution's code cells that begin with `start`."""
    return [cell_source(cell) for cell in read_notebook(SOLUTION)["cells"]
            if cell["cell_type"] == "code" and cell_source(cell).startswith(start)]


BROKEN = {"step": ("broken_step", "first frozen"),
          "layout": ("broken_convolution", "channels first"),
          "average": ("broken_average", "fractions cut off"),
          "bce": ("broken_bce", "slope kept"), "study": ("broken_study", "chosen on the test set")}


@pytest.mark.parametrize("name", BROKEN)
def test_the_broken_functions_of_the_exercise_are_named(name, capsys):
    function, mistake = BROKEN[name]
    namespace = dict(KNOWN)
    (source,) = sources_of(f"def {function}")
    exec(source.split("\n\n\n")[0], namespace)  # noqa: S102  (our own text)
    assert getattr(check, f"repair_{name}")(namespace[function]).mistake == mistake
    assert "still" in capsys.readouterr().out


@pytest.mark.parametrize("name", BROKEN)
def test_the_proofs_of_the_solution_refuse_the_broken_and_pass_the_repaired(name):
    namespace = dict(KNOWN)
    for start in (f"def {BROKEN[name][0]}", f"def {name}_test", f"def repaired_{name}"):
        (source,) = sources_of(start)
        exec(source.split("\n\n\n")[0], namespace)  # noqa: S102  (our own text)
    prove = namespace[f"{name}_test"]
    assert not prove(namespace[BROKEN[name][0]]) and prove(namespace[f"repaired_{name}"])


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


def steps_in_place(x, labels, first, second, lr):
    new = step_in_place(x, labels, first, second, lr)
    first[...] = new[0]
    return new


def stops_where_it_is_wrong(study):
    if study(*SCORES)[0] != 2:
        raise AssertionError  # as a bare assert does; pytest would write something into it
    return True


def average_never_written(dy, x):
    """Right wherever a window lies: the edge is what the memory held before."""
    dx = np.empty(x.shape, dy.dtype)
    shares = (dy / 4).repeat(2, axis=2).repeat(2, axis=3)
    dx[:, :, : shares.shape[2], : shares.shape[3]] = shares
    return dx


def swallows(f):
    try:
        return f(np.zeros((3, 3)), np.zeros((2, 2, 1, 1))).shape == (2, 2, 1)
    except (ValueError, IndexError):
        return False


def expects_the_slip(backward):
    x, dy = np.zeros((1, 1, 2, 2), np.uint8), np.array([[[[2.0]]]])
    expected = np.zeros_like(x)
    expected[...] = 0.5
    return np.allclose(backward(dy, x), expected)


def too_slow(study):
    study(*SCORES)
    time.sleep(0.7)  # two calls are in time, twelve are not
    return False


MISBEHAVING = [
    ("repair_step", steps_in_place, "first was changed in place"),
    ("repair_step", lambda *a: step_in_place(*a)[0], "must return 2 results"),
    ("repair_bce", lambda z, t: (1.0, None), "the value of loss is wrong"),
    ("repair_average", lambda dy, x: strided_average(dy, x).astype(float), "wrong dtype"),
    ("repair_study", lambda v, t: (v.argmax(), None), "reported is None"),
    ("prove_step", lambda step: None, "it returns None"),
    ("prove_step", lambda step: "yes", "verdict must be True or False, got a value of type str"),
    ("prove_step", lambda step: True, "not yet: it never calls step, the function that it is"),
    ("prove_bce", lambda loss: loss.label in "AD", "it never calls loss, the function that it is"),
    ("prove_bce", lambda loss: max(abs(loss(*LOGITS)[1] - binary_cross_entropy(*LOGITS)[1])),
     "got a number, 0: compare it with a bound, as in `error < 1e-6`"),
    ("prove_step", lambda step: [step(*STEP_INPUTS) is None], "One answer is due, without brackets"),
    ("prove_layout", lambda f: True if f(*MAP_INPUTS).shape == (3, 4, 2) else None,
     "on some path nothing is returned"),
    ("prove_average", lambda f: check.gradients(f, np.ones((2, 2))).passed, "expected verdict"),
    ("prove_layout", swallows, "While it ran, function A stopped with ValueError"),
    ("prove_average", expects_the_slip, "Does it expect what the bug does? Work out by hand"),
    ("prove_study", too_slow, "for all cases together, each twice"),
    ("repair_average", lambda dy, x: np.where(np.empty(x.shape, bool), 0.5, 0.25),
     "two calls with the same inputs give different numbers"),
    ("prove_step", lambda step: step, "function on trial itself. Call it"),
    ("prove_bce", lambda f: check_gradients(f, *LOGITS, rng=np.random.default_rng(1)),
     "Is `.passed` missing"),
    ("prove_study", stops_where_it_is_wrong, "stopped with AssertionError (line"),
    ("prove_study", stops_where_it_is_wrong, "your test is to say so, by returning False"),
    ("prove_study", stops_where_it_is_wrong, "    expected verdict\n    False"),
    ("prove_layout", lambda f: f(np.zeros((3, 3)), np.zeros((2, 2, 1, 1))),
     "It was function A, on trial, that stopped"),
    ("prove_step", lambda step: (STEP_INPUTS[0] != 0) and True, ".any() or .all() makes one"),
    ("repair_study", lambda v, t: t[v.argmax()], "got a value of type float64, one number"),
    ("repair_average", average_never_written, "Is something made with np.empty and not written"),
    ("prove_study", lambda study: study(), "missing 2 required positional arguments"),
    ("prove_bce", lambda loss: 1 / 0, "ZeroDivisionError"),
    ("prove_layout", lambda f: print(f) or f(*MAP_INPUTS) is not None, "    function B"),
]


@pytest.mark.parametrize("name, answer, sentence", MISBEHAVING)
def test_misbehaving_answers_are_rejected_and_described(name, answer, sentence, guard, capfd,
                                                        monkeypatch):
    if answer is too_slow:
        monkeypatch.setattr(sandbox, "SECONDS", 2)
    result = getattr(check, name)(answer)
    out, err = capfd.readouterr()
    assert result.state == "failed" and sentence in out and err == ""


def test_a_test_that_stops_and_misses_is_told_of_the_stop_first(capsys):
    """No single verdict is named where an error hides others."""
    def stops_late(study):
        chosen, reported = study(*SCORES)
        if chosen == 2 and reported != 0.8:
            raise ZeroDivisionError
        return True

    result = check.prove_study(stops_late)
    out = capsys.readouterr().out
    assert result.mistake is None and "stopped with ZeroDivisionError" in out.splitlines()[0]
    assert "in the case below" not in out and "never calls" not in out


@pytest.mark.parametrize("name", [name for name in TASKS if name.startswith("prove")])
def test_every_way_to_misjudge_has_its_sentence(name):
    task = TASKS[name]
    suspects = [case.arguments[0] for case in task.cases]
    right = tuple(map(task.reference, suspects))
    ways = {tuple(map(mistake.variant, suspects)): mistake.sentence for mistake in task.mistakes}
    assert len(ways) == len(task.mistakes) == 2 ** len(suspects) - 1 and right not in ways
    for verdicts, sentence in ways.items():
        wrong = [one for one, got, wanted in zip(suspects, verdicts, right) if got != wanted]
        for one in wrong:  # a sentence that names letters names all that are misjudged
            assert "misjudges" not in sentence or f" {one.label}" in sentence
        assert (f"misjudges {len(wrong)} of {len(suspects)}" in sentence) == (
            "misjudges" in sentence)


def sure_and_right(loss):
    """Only positive logits whose truth is 1: log(1 + e^z) - z is a small rest of large numbers."""
    return all(check_gradients(loss, np.array([z, z]), np.array([t, t]),
                               rng=np.random.default_rng(0)).passed
               for z in (-8.0, -6.0, -1.0, 0.5, 6.0, 8.0) for t in (0, 1))


def whole_number_images(convolution):
    x = np.arange(60).reshape(5, 6, 2)
    weight = np.random.default_rng(0).normal(size=(2, 2, 2, 3))
    y = convolution(x, weight)
    return y.shape == (4, 5, 3) and all(
        np.isclose(y[i, j, f], (x[i : i + 2, j : j + 2] * weight[..., f]).sum())
        for i, j, f in np.ndindex(4, 5, 3))


def float64_layout(x, weight):
    return window_by_window(x.astype(float), weight.astype(float))


@pytest.mark.parametrize("name, answer", [
    ("prove_bce", sure_and_right), ("prove_layout", whole_number_images),
    ("repair_layout", float64_layout),
])
def test_right_answers_that_were_refused_once(name, answer, capfd):
    assert getattr(check, name)(answer).passed, capfd.readouterr().out


def bce_with(loss=None, p_of=lambda p: p, dz=lambda p, t, N: (p - t) / N):
    """A student's loss and gradient with one thing changed."""
    def answer(z, t):
        p = p_of(1 / (1 + np.exp(-z)))
        usual = (np.logaddexp(0, z) - t * z).mean()
        return usual if loss is None else loss(p, t), dz(p, t, len(z))
    return answer


def by_logarithms(p, t):
    with np.errstate(all="ignore"):
        return -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()


def chosen_by(scores, report=lambda v, t, k: float(t[k])):
    def answer(v, t):
        k = int(scores(v, t).argmax())
        return k, report(v, t, k)
    return answer


def steps(lr_of=lambda lr: lr, old=1):
    def answer(x, labels, first, second, lr):
        new = step_by_hand(x, labels, first, second, lr_of(lr))
        return tuple(b - (1 - old) * a for a, b in zip((first, second), new))
    return answer


def average_by(place):
    def answer(dy, x):
        dx = np.zeros(x.shape, dy.dtype)
        for n, c, i, j in np.ndindex(*dy.shape):
            place(dx[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2], dy[n, c, i, j],
                  x[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2])
        return dx
    return answer


def to_the_largest(dx, dy, x):
    dx[np.unravel_index(x.argmax(), x.shape)] = dy


def back_to_dtype(dy, x):
    shares = np.zeros_like(x)
    with np.errstate(all="ignore"):
        for i, j in np.ndindex(*dy.shape[2:]):
            shares[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = dy[:, :, i, j, None, None] / 4
        return shares.astype(dy.dtype)


def first_image_only(dy, x):
    dx = np.zeros(x.shape, dy.dtype)
    dx[0] = strided_average(dy, x)[0]
    return dx


VALIDATION = lambda v, t: v  # noqa: E731


@pytest.mark.parametrize("name, answer, sentence", [
    ("repair_bce", bce_with(p_of=lambda p: np.clip(p, 1e-3, 1 - 1e-3)), "p − t needs no clipping"),
    ("repair_bce", bce_with(by_logarithms), "log(0) is infinite"),
    ("repair_bce", bce_with(lambda p, t: by_logarithms(np.clip(p, 1e-12, 1 - 1e-12), t)),
     "where the network is wrong and sure, the loss stops rising"),
    ("repair_bce", bce_with(dz=lambda p, t, N: p - t / N), "only t is divided by N"),
    ("repair_bce", bce_with(dz=lambda p, t, N: (p - t).mean()), "or is a sum or a mean taken"),
    ("repair_study", chosen_by(lambda v, t: 0.8 * v + 0.2 * t), "test scores take part in the ch"),
    ("repair_study", chosen_by(VALIDATION, lambda v, t, k: round(float(t[k]), 2)), "is rounded"),
    ("repair_study", chosen_by(VALIDATION, lambda v, t, k: float(max(v[k], t[k]))),
     "not yet: where it goes wrong, the score of the chosen setting on the validation images"),
    ("repair_step", steps(lambda lr: 0.5), "multiplied by 0.5, whatever lr is"),
    ("repair_step", steps(old=0), "the steps alone, −lr times the gradients"),
    ("repair_average", average_by(to_the_largest), "not yet: only one pixel of each window gets"),
    ("repair_average", back_to_dtype, "what is lost there no astype brings back"),
    ("repair_average", first_image_only, "wrong in every one with dy.shape[0] > 1, and in no other"),
    ("prove_step", lambda step: [moved.any() for moved in step][0], "call it, as in step(x, labels"),
    ("prove_study", lambda study: study.argmax() == 1, "is a function and has no .argmax: call it"),
    ("prove_study", lambda study: (study(*SCORES)[0] == 2, study(*SCORES)[1] == 0.8),
     "`and` joins comparisons"),
    ("prove_study", lambda study: study(*SCORES)[0] == 2 and study(*SCORES)[1] < 0.85,
     "is the tolerance too wide, or does a comparison not reach the `return`?"),
])
def test_what_a_new_student_tried_is_told_truly(name, answer, sentence, capfd):
    result = getattr(check, name)(answer)
    out = capfd.readouterr().out
    assert not result.passed and sentence in out, out
    assert "1 times the right answer" not in out and "Other cases" not in out


def test_a_suspect_shows_its_letter_only():
    (suspect,) = TASKS["prove_step"].cases[1].arguments
    assert repr(suspect) == "function B" and "lambda" not in str(suspect)


def test_the_reference_of_binary_cross_entropy_is_pytorchs():
    torch = need("torch")
    for case in TASKS["repair_bce"].cases:
        z, t = case.arguments
        logits = torch.tensor(z.astype(float), requires_grad=True)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.tensor(t * 1.0))
        loss.backward()
        found = TASKS["repair_bce"].reference(z, t)
        assert found[0] == pytest.approx(loss.item(), rel=1e-6)
        assert np.allclose(found[1], logits.grad.numpy(), atol=1e-7)


def test_the_reference_of_the_convolution_is_pytorchs():
    torch = need("torch")
    for case in TASKS["repair_layout"].cases:
        x, weight = (torch.tensor(part.astype(float)) for part in case.arguments)
        y = torch.nn.functional.conv2d(x.permute(2, 0, 1)[None], weight.permute(3, 2, 0, 1))
        found = TASKS["repair_layout"].reference(*case.arguments)
        assert np.allclose(found, y[0].permute(1, 2, 0).numpy(), atol=1e-6)
