"""The checks of ex06 accept what is right and name what is wrong; answers are written by hand."""

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))

from course_lib import check
from course_lib.check import sandbox, training
from course_lib.notebooks import cell_source, read_notebook
from course_lib.optim import SGD
from course_lib.train import accuracy, confusion_matrix, wilson_interval

BY_NAME = {task.id.partition("/")[2]: task for task in training.TASKS}

SOLVED = {
    "batch_means": '''
def answer(x, order, batch_size):
    steps = -(-len(x) // batch_size)
    means = np.zeros(steps)
    for step in range(steps):
        start = step * batch_size
        stop = start + batch_size
        chosen = order[start:stop]
        batch = x[chosen]
        total = 0.0
        for value in batch:
            total += value
        means[step] = total / len(batch)
    return means
''',
    "sgd_step": '''
def answer(weight, dweight, lr):
    step = lr * dweight
    return weight - step
''',
    "momentum_step": '''
def answer(weight, dweight, velocity, lr, momentum):
    new = momentum * velocity + dweight
    step = lr * new
    stepped = weight - step
    return stepped, new
''',
    "one_epoch": '''
def answer(weight, x, targets, order, batch_size, lr):
    x_mixed, targets_mixed = x[order], targets[order]
    first = weight
    for start in range(0, len(x), batch_size):
        images = x_mixed[start : start + batch_size]
        wanted = targets_mixed[start : start + batch_size]
        error = images @ weight - wanted
        dweight = images.T @ error / len(images)
        weight = weight - lr * dweight
    return weight
''',
    "accuracy": '''
def answer(logits, labels):
    N, K = logits.shape
    right = 0
    for n in range(N):
        best = 0
        for k in range(K):
            if logits[n, k] > logits[n, best]:
                best = k
        right += best == labels[n]
    return right / N
''',
    "wilson": '''
def answer(correct, n):
    z = 1.96
    p = correct / n
    shrink = 1 + z * z / n
    centre = (p + z * z / (2 * n)) / shrink
    inside = p * (1 - p) / n + z * z / (4 * n * n)
    half = z * np.sqrt(inside) / shrink
    return centre - half, centre + half
''',
    "confusion_matrix": '''
def answer(labels, predicted, classes):
    counts = np.zeros((classes, classes), int)
    for n in range(len(labels)):
        row, column = labels[n], predicted[n]
        counts[row, column] += 1
    return counts
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


def batches(order, size):
    return [order[k : k + size] for k in range(0, len(order), size)]


def means_by_sums(x, order, batch_size):
    """A cumulative sum, and differences of it."""
    stops = np.minimum(np.arange(0, len(x), batch_size) + batch_size, len(x))
    sums = np.append(0, x[order].astype(float).cumsum())
    starts = np.arange(0, len(x), batch_size)
    return (sums[stops] - sums[starts]) / (stops - starts)


def means_by_while(x, order, batch_size):
    means, rest = [], list(order)
    while rest:
        now, rest = rest[:batch_size], rest[batch_size:]
        means.append(sum(x[k] for k in now) / len(now))
    return np.array(means)


def epoch_by_rows(weight, x, targets, order, batch_size, lr):
    weight = weight.copy()
    for chosen in batches(order, batch_size):
        dweight = np.zeros_like(weight)
        for k in chosen:
            dweight += (np.dot(x[k], weight) - targets[k]) * x[k]
        weight -= weight.dtype.type(lr) * dweight / weight.dtype.type(len(chosen))
    return weight


def epoch_by_einsum(weight, x, targets, order, batch_size, lr):
    for chosen in batches(order, batch_size):
        error = np.einsum("nd,d->n", x[chosen], weight) - targets[chosen]
        weight = weight - lr * np.einsum("n,nd->d", error, x[chosen]) / error.size
    return weight


def epoch_in_float32(weight, x, targets, *rest):
    single = [array.astype(np.float32) for array in (weight, x, targets)]
    return epoch_by_einsum(*single, *rest).astype(weight.dtype)


def epoch_by_taking(weight, x, targets, order, batch_size, lr):
    for chosen in np.split(order, range(batch_size, len(order), batch_size)):
        rows, wanted = x.take(chosen, axis=0), targets.take(chosen)
        weight = weight - lr * ((rows @ weight - wanted)[:, None] * rows).mean(axis=0)
    return weight


def the_librarys_sgd(weight, dweight, velocity, lr, momentum):
    """The optimiser of the course, its velocity put in by hand."""
    class Parameter:
        data, grad = weight.copy(), dweight

    sgd = SGD([Parameter], lr=lr, momentum=momentum)
    if not momentum:
        sgd.step()
        return Parameter.data, dweight.copy()
    sgd.memory["0"]["velocity"][:] = velocity
    sgd.step()
    return Parameter.data, sgd.memory["0"]["velocity"]


def momentum_in_place(weight, dweight, velocity, lr, momentum):
    velocity = velocity.copy()
    velocity *= momentum
    velocity += dweight
    return weight + -lr * velocity, velocity


def flat_loop(weight, dweight, lr):
    y = np.empty_like(weight)
    for place in np.ndindex(weight.shape):
        y[place] = weight[place] - lr * dweight[place]
    return y


def wilson_by_roots(correct, n):
    """The ends are where (p - q)² = z² q (1 - q) / n: a quadratic in q."""
    p, z2 = correct / n, 1.96**2 / n
    a, b, c = 1 + z2, -(2 * p + z2), p**2
    root = np.sqrt(b**2 - 4 * a * c)
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def matrix_by_bincount(labels, predicted, classes):
    counts = np.bincount(labels * classes + predicted, minlength=classes**2)
    return counts.reshape(classes, classes)


def matrix_by_one_hot(labels, predicted, classes):
    return np.eye(classes)[labels].T @ np.eye(classes)[predicted]


def matrix_by_add_at(labels, predicted, classes):
    counts = np.zeros((classes, classes), np.float32)
    np.add.at(counts, (labels, predicted), 1)
    return counts


RIGHT = {
    "batch_means": [
        means_by_sums, means_by_while,
        lambda x, order, size: np.array([x[b].mean() for b in batches(order, size)], np.float32),
        lambda x, order, size: np.add.reduceat(x[order], range(0, len(x), size))
        / [len(b) for b in batches(order, size)],
    ],
    "sgd_step": [
        flat_loop, lambda w, g, lr: w + (-lr) * g,
        lambda w, g, lr: np.subtract(w, np.multiply(lr, g)),
        lambda w, g, lr: (w.astype(np.float32) - np.float32(lr) * g).astype(w.dtype),
    ],
    "momentum_step": [
        momentum_in_place, the_librarys_sgd,
        lambda w, g, v, lr, m: [w - lr * (g + v * m), g + v * m],
        lambda w, g, v, lr, m: (w - lr * m * v - lr * g, v - (1 - m) * v + g),
    ],
    "one_epoch": [epoch_by_rows, epoch_by_einsum, epoch_in_float32, epoch_by_taking],
    "accuracy": [
        lambda z, t: (z.argmax(1) == t).mean(), lambda z, t: accuracy(z.argmax(axis=1), t),
        lambda z, t: float((z[np.arange(len(t)), t] == z.max(axis=1)).sum() / len(t)),
        lambda z, t: np.float32(np.mean([np.argsort(row)[-1] == k for row, k in zip(z, t)])),
    ],
    "wilson": [
        wilson_by_roots,
        lambda correct, n: tuple(np.transpose([wilson_interval(int(k), n) for k in correct])),
        lambda correct, n: wilson_by_roots(correct.astype(np.float32), n),
        lambda correct, n: [np.clip(end, 0, 1) for end in wilson_by_roots(correct, n)],
    ],
    "confusion_matrix": [
        matrix_by_bincount, matrix_by_one_hot, matrix_by_add_at, confusion_matrix,
    ],
}


@pytest.mark.parametrize("name, n", [(name, n) for name in RIGHT for n in range(-1, 4)])
def test_right_answers_pass(name, n, capfd):
    result = getattr(check, name)(RIGHT[name][n] if n >= 0 else answer_from(SOLVED[name]))
    out, err = capfd.readouterr()
    assert result.passed and err == "", out
    assert out.endswith(f"passed, {result.cases} cases of {result.cases}.\n")


def test_cases_contain_what_even_cases_miss():
    """Batches that do not come out even and those that do, a batch of all, uneven shapes."""
    for name, count, size in (("batch_means", 1, 2), ("one_epoch", 3, 4)):
        sizes = [(len(c.arguments[count]), c.arguments[size]) for c in BY_NAME[name].cases]
        assert any(n % b for n, b in sizes) and any(n % b == 0 and n > b for n, b in sizes)
        assert any(n <= b for n, b in sizes)
        orders = [case.arguments[count] for case in BY_NAME[name].cases]
        assert all(sorted(order) == list(range(len(order))) for order in orders)
        assert any((order[order] != np.arange(len(order))).any() for order in orders)
    for name in ("batch_means", "sgd_step", "momentum_step", "one_epoch"):
        kinds = {str(case.arguments[0].dtype) for case in BY_NAME[name].cases}
        assert kinds == {"float32", "float64"}
    logits = [case.arguments[0] for case in BY_NAME["accuracy"].cases]
    assert any(N == K for N, K in map(np.shape, logits)) and any((z < 0).any() for z in logits)
    assert all((np.sort(z)[:, -1] > np.sort(z)[:, -2]).all() for z in logits), "no ties"
    pairs = [(*case.arguments[0], case.arguments[1]) for case in BY_NAME["wilson"].cases]
    assert any(0 in pair[:-1] and pair[-1] in pair[:-1] for pair in pairs)
    assert any(classes > max(labels.max(), predicted.max()) + 1 for labels, predicted, classes
               in (case.arguments for case in BY_NAME["confusion_matrix"].cases))


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


EMPTY = "means = np.zeros(steps)"
MEAN = "total / len(batch)"
RULE = "new = momentum * velocity + dweight"
ERROR = "error = images @ weight - wanted"
STEPPED = "weight = weight - lr * dweight"
INSIDE = "inside = p * (1 - p) / n + z * z / (4 * n * n)"
CENTRE = "centre = (p + z * z / (2 * n)) / shrink"
COUNT = "counts[row, column] += 1"
TYPICAL = [  # as students write them: edits of the loops above
    ("batch_means", "order ignored", [("batch = x[chosen]", "batch = x[start:stop]")]),
    ("batch_means", "order inverted", [("batch = x[chosen]", (
        "mixed = np.zeros_like(x); mixed[order] = x; batch = mixed[start:stop]"))]),
    ("batch_means", "last batch dropped", [("-(-len(x) // batch_size)", "len(x) // batch_size")]),
    ("batch_means", "always divided by batch_size", [(MEAN, "total / batch_size")]),
    ("batch_means", "sums", [(MEAN, "total")]),
    ("batch_means", "starts shuffled", [("batch = x[chosen]", (
        "batch = x[order[start] : order[start] + batch_size]"))]),
    ("batch_means", "running mean", [("order[start:stop]", "order[:stop]")]),
    ("batch_means", "one too many", [("start + batch_size", "start + batch_size + 1")]),
    ("batch_means", "one step on", [("step * batch_size", "step")]),
    ("batch_means", "split evenly", [("chosen = order[start:stop]",
                                      "chosen = np.array_split(order, steps)[step]")]),
    ("batch_means", "last start missing", [
        ("-(-len(x) // batch_size)", "len(range(0, len(x) - batch_size, batch_size))")]),
    ("batch_means", "batch_size batches", [
        (EMPTY, "steps = batch_size; means = np.zeros(steps)"),
        ("order[start:stop]", "np.array_split(order, batch_size)[step]")]),
    ("batch_means", "every so many", [("order[start:stop]", "order[step::steps]")]),
    ("batch_means", "a batch for each example", [
        ("-(-len(x) // batch_size)", "len(x)"), ("step * batch_size", "step")]),
    ("batch_means", "places averaged", [("batch = x[chosen]", "batch = chosen")]),
    ("batch_means", "empty batch", [(EMPTY, "means = np.zeros(len(x) // batch_size + 1)")]),
    ("batch_means", "whole numbers", [(EMPTY, "means = np.zeros(steps, dtype=int)")]),
    ("batch_means", "whole numbers", [(MEAN, "total // len(batch)")]),
    ("sgd_step", "uphill", [("weight - step", "weight + step")]),
    ("sgd_step", "lr forgotten", [("lr * dweight", "dweight")]),
    ("sgd_step", "divided by lr", [("lr * dweight", "dweight / lr")]),
    ("sgd_step", "step only", [("weight - step", "step")]),
    ("sgd_step", "step only", [("weight - step", "-step")]),
    ("sgd_step", "weight scaled", [("lr * dweight", "dweight"), ("weight - step", (
        "lr * (weight - step)"))]),
    ("sgd_step", "gradient minus weight", [("weight - step", "step - weight")]),
    ("sgd_step", "sign only", [("lr * dweight", (
        "lr * np.where(dweight > 0, 1, np.where(dweight < 0, -1, 0))"))]),
    ("sgd_step", "mean gradient", [("lr * dweight", "lr * np.mean(dweight)")]),
    ("sgd_step", "divided again", [("lr * dweight", "lr * dweight / weight.shape[0]")]),
    ("sgd_step", "multiplied", [("weight - step", "weight - weight * step")]),
    ("sgd_step", "not moved", [("weight - step", "weight")]),
    ("momentum_step", "uphill", [("weight - step", "weight + step")]),
    ("momentum_step", "lr forgotten", [("lr * new", "new")]),
    ("momentum_step", "without momentum", [("lr * new", "lr * dweight")]),
    ("momentum_step", "without momentum", [(RULE, "new = dweight + 0")]),
    ("momentum_step", "old velocity", [("lr * new", "lr * velocity")]),
    ("momentum_step", "velocity not kept", [("stepped, new", "stepped, velocity")]),
    ("momentum_step", "lr in the velocity", [(RULE, RULE.replace("+ d", "+ lr * d")),
                                             ("lr * new", "new")]),
    ("momentum_step", "lr twice", [(RULE, RULE.replace("+ d", "+ lr * d"))]),
    ("momentum_step", "running mean", [(RULE, RULE + " * (1 - momentum)")]),
    ("momentum_step", "momentum at the gradient", [(RULE, "new = velocity + momentum * dweight")]),
    ("momentum_step", "nothing fades", [(RULE, "new = velocity + dweight")]),
    ("momentum_step", "gradient subtracted", [(RULE, RULE.replace("+", "-"))]),
    ("momentum_step", "gradient subtracted", [(RULE, RULE.replace("+", "-")),
                                              ("weight - step", "weight + step")]),
    ("momentum_step", "step only", [("weight - step", "step")]),
    ("momentum_step", "results swapped", [("stepped, new", "new, stepped")]),
    ("one_epoch", "targets not shuffled", [("targets[order]", "targets")]),
    ("one_epoch", "examples not shuffled", [("x[order]", "x")]),
    ("one_epoch", "order ignored", [("x[order], targets[order]", "x, targets")]),
    ("one_epoch", "last batch dropped", [("range(0, len(x), batch_size)", (
        "range(0, len(x) - batch_size + 1, batch_size)"))]),
    ("one_epoch", "always divided by batch_size", [("/ len(images)", "/ batch_size")]),
    ("one_epoch", "divided by all", [("/ len(images)", "/ len(x)")]),
    ("one_epoch", "sums", [("/ len(images)", "")]),
    ("one_epoch", "uphill", [("weight - lr", "weight + lr")]),
    ("one_epoch", "uphill", [(ERROR, "error = wanted - images @ weight")]),
    ("one_epoch", "lr forgotten", [("lr * dweight", "dweight")]),
    ("one_epoch", "all from the start", [("images @ weight", "images @ first")]),
    ("one_epoch", "last step only", [(STEPPED, "weight = first - lr * dweight"),
                                     ("images @ weight", "images @ first")]),
    ("one_epoch", "first step only", [("    return weight", "        return weight")]),
    ("one_epoch", "all examples in each step", [
        ("x_mixed[start : start + batch_size]", "x"),
        ("targets_mixed[start : start + batch_size]", "targets")]),
    ("one_epoch", "gradients pile up", [("first = weight", "grad = 0"), (
        STEPPED, "grad = grad + dweight; weight = weight - lr * grad")]),
    ("one_epoch", "not moved", [(STEPPED, "weight - lr * dweight")]),
    ("accuracy", "percent", [("right / N", "100 * right / N")]),
    ("accuracy", "count", [("right / N", "right")]),
    ("accuracy", "one for each image", [("right = 0", "right = np.zeros(N)"), (
        "right += best", "right[n] = best"), ("right / N", "right")]),
    ("accuracy", "error rate", [("best ==", "best !=")]),
    ("accuracy", "smallest logit", [("k] >", "k] <")]),
    ("accuracy", "size of the logit", [("if logits[n, k] > logits[n, best]", (
        "if abs(logits[n, k]) > abs(logits[n, best])"))]),
    ("accuracy", "divided by classes", [("right / N", "right / K")]),
    ("accuracy", "divided by all logits", [("right / N", "right / logits.size")]),
    ("accuracy", "whole number", [("right / N", "right // N")]),
    ("accuracy", "values compared", [("best == labels[n]", "logits[n, best] == labels[n]")]),
    ("accuracy", "logit above 0", [("best == labels[n]", "logits[n, labels[n]] > 0")]),
    ("accuracy", "one answer for all", [("best == labels[n]", "np.argmax(logits) == labels[n]")]),
    ("accuracy", "wrong axis", [("    N, K", (
        "    return np.mean(np.equal(np.argmax(logits, axis=0), labels))\n    N, K"))]),
    ("accuracy", "mean over classes", [("return right / N", (
        "hits = np.argmax(logits, 1) == labels\n"
        "    return np.mean([np.mean(hits[labels == k]) for k in set(labels.tolist())])"))]),
    ("wilson", "plain interval", [(INSIDE, "inside = p * (1 - p) / n; shrink = 1"),
                                  (CENTRE, "centre = p")]),
    ("wilson", "swapped", [("centre - half, centre + half", "centre + half, centre - half")]),
    ("wilson", "percent", [("return centre - half, centre + half", (
        "return 100 * (centre - half), 100 * (centre + half)"))]),
    ("wilson", "errors", [("p = correct / n", "p = (n - correct) / n")]),
    ("wilson", "z forgotten", [("z = 1.96", "z = 1")]),
    ("wilson", "another z", [("z = 1.96", "z = 1.645")]),
    ("wilson", "not divided", [("shrink = 1 + z * z / n", "shrink = 1")]),
    ("wilson", "half width not divided", [("np.sqrt(inside) / shrink", "np.sqrt(inside)")]),
    ("wilson", "centre not moved", [(CENTRE, "centre = p")]),
    ("wilson", "centre too high", [(CENTRE, "centre = (p + z * z / n) / shrink")]),
    ("wilson", "centre too low", [(CENTRE, "centre = p / shrink")]),
    ("wilson", "second term missing", [(" + z * z / (4 * n * n)", "")]),
    ("wilson", "second term too large", [("/ (4 * n * n)", "/ (4 * n)")]),
    ("wilson", "second term too large", [("/ (4 * n * n)", "/ n / n")]),
    ("wilson", "root forgotten", [("np.sqrt(inside)", "inside")]),
    ("wilson", "twice as wide", [("half = z", "half = 2 * z")]),
    ("wilson", "half as wide", [("centre - half, centre + half", (
        "centre - half / 2, centre + half / 2"))]),
    ("wilson", "plus four", [("p = correct / n", "n = n + 4; p = (correct + 2) / n; shrink = 1"),
                             ("    shrink = 1 + z * z / n\n", ""), (CENTRE, "centre = p"),
                             (" + z * z / (4 * n * n)", "")]),
    ("confusion_matrix", "transposed", [("counts[row, column]", "counts[column, row]")]),
    ("confusion_matrix", "counted once", [(COUNT, "counts[row, column] = 1")]),
    ("confusion_matrix", "counted once", [
        ("    for n", "    counts[labels, predicted] += 1\n    return counts\n    for n")]),
    ("confusion_matrix", "as many classes as seen", [
        ("    counts = ", "    classes = max(labels.max(), predicted.max()) + 1\n    counts = ")]),
    ("confusion_matrix", "classes from 1", [(COUNT, "counts[row - 1, column - 1] += 1")]),
    ("confusion_matrix", "one too far", [(COUNT, "counts[row + 1, column + 1] += 1")]),
    ("confusion_matrix", "shares of all", [("return counts", "return counts / len(labels)")]),
    ("confusion_matrix", "shares of the row", [("return counts", (
        "return counts / np.maximum(1, counts.sum(1))[:, None]"))]),
    ("confusion_matrix", "diagonal only", [(COUNT, COUNT + " if row == column else 0")]),
    ("confusion_matrix", "diagonal only", [("        counts[", (
        "        if row == column:\n            counts["))]),
    ("confusion_matrix", "mistakes only", [(COUNT, COUNT.replace("1", "int(row != column)"))]),
    ("confusion_matrix", "answers ignored", [("predicted[n]", "labels[n]")]),
    ("confusion_matrix", "labels ignored", [("labels[n], p", "predicted[n], p")]),
    ("confusion_matrix", "both ways", [(COUNT, f"{COUNT}; counts[column, row] += 1")]),
    ("confusion_matrix", "begun with ones", [("np.zeros", "np.ones")]),
    ("confusion_matrix", "last image forgotten", [("(len(labels))", "(len(labels) - 1)")]),
    ("confusion_matrix", "first image forgotten", [("range(len", "range(1, len")]),
    ("confusion_matrix", "all zeros", [(COUNT, "pass")]),
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
        assert len({mistake for task, mistake, _ in TYPICAL if task == name}) >= 10, name


# Other wrong answers


def endless(*arguments):
    while True:
        pass


def nothing(*arguments):
    return None


def text(*arguments):
    return "0.5"


OTHERS = [
    (name, answer, said)
    for name, task in BY_NAME.items()
    for answer, said in (
        (endless, "did not come back within"), (nothing, "returns None"),
        (text, "it must return 2 results" if len(task.result_names) > 1 else "type str"),
    )
] + [
    ("batch_means", lambda *a: RIGHT["batch_means"][0](*a)[:, None], "wrong shape: expected (2,)"),
    ("batch_means", lambda *a: RIGHT["batch_means"][0](*a) * np.nan, "holds nan"),
    ("batch_means", lambda x, order, size: (means_by_sums(x, order, size), order.sort())[0],
     "order was changed in place"),
    ("sgd_step", lambda w, g, lr: w.__isub__(lr * g), "weight was changed in place"),
    ("sgd_step", lambda w, g, lr: (w - lr * g)[None], "wrong shape: expected (2,), got (1, 2)"),
    ("sgd_step", lambda w, g, lr: np.zeros_like(w), "all values of stepped are wrong"),
    ("momentum_step", lambda w, g, v, lr, m: the_librarys_sgd(w, g, v, lr, m)[0], "2 results"),
    ("momentum_step", lambda w, g, v, lr, m: (w - lr * (g + m * v), v.__imul__(m) + g),
     "velocity was changed in place"),
    ("one_epoch", lambda *a: epoch_by_rows(*a).astype(float), "wrong dtype"),
    ("accuracy", lambda z, t: 0.75, "the value of accuracy is wrong"),
    ("accuracy", lambda z, t: np.nan, "nan"),
    ("wilson", lambda k, n: wilson_by_roots(k, n)[0], "it must return 2 results"),
    ("wilson", lambda k, n: (wilson_by_roots(k, n)[0], 1.0), "high must be one NumPy array"),
    ("confusion_matrix", lambda t, p, k: matrix_by_bincount(t, p, k).tolist(), "type list"),
    ("confusion_matrix", lambda t, p, k: matrix_by_bincount(t, p, k)[None], "wrong shape"),
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
    folder = "ex06_mnist/ex06_mnist.ipynb"
    solved = {c["id"]: cell_source(c) for c in read_notebook(ROOT / "solutions" / folder)["cells"]}
    given = {c["id"]: cell_source(c) for c in read_notebook(ROOT / "exercises" / folder)["cells"]}
    assert list(solved) == list(given)
    for name, task in BY_NAME.items():
        cell = task.function_name.replace("_", "-")
        assert "raise NotImplementedError()" in given[cell] and "BEGIN" not in given[cell]
        namespace = {"np": np}
        exec(solved[cell], namespace)  # noqa: S102  (our own text)
        assert check.judge(task, namespace[task.function_name]).passed, name


def test_the_broken_epoch_is_what_its_hints_say():
    """It does not learn, and its mistake has the name that a student reads."""
    cells = read_notebook(ROOT / "solutions/ex06_mnist/ex06_mnist.ipynb")["cells"]
    [source] = [cell_source(c) for c in cells if c["id"] == "broken-epoch"]
    namespace = {"np": np}
    exec(source, namespace)  # noqa: S102  (our own text)
    assert np.abs(namespace["weight"]).max() < 0.5
    assert check.one_epoch(namespace["broken_epoch"]).mistake == "targets not shuffled"


@pytest.mark.parametrize("answer", [
    lambda x, order, size: x[order][: len(x) // size * size].reshape(-1, size).mean(axis=0),
    lambda x, order, size: _by_slices(x[order], order, size),  # the order applied twice
    lambda x, order, size: _by_slices(x, np.random.permutation(len(x)), size),
    lambda x, order, size: _by_slices(np.sort(x), np.arange(len(x)), size),
])
def test_the_first_case_of_batch_means_is_like_no_other_order(answer, capsys):
    """Its numbers are such that a batch of other examples has another mean."""
    assert not check.batch_means(answer).passed
    assert "in the order in which they lie" not in capsys.readouterr().out


def _by_slices(x, order, size):
    return np.array([x[order[start : start + size]].mean() for start in range(0, len(x), size)])
