"""Losses against PyTorch (or their definition in its autograd) and central differences."""

import math

import numpy as np
import pytest
from conftest import need
from oracle import central_differences, close, frozen, lists, pick, same_slope, tensors, values

from course_lib.doors import HINGES
from course_lib.losses import (
    RUNGS, binary_cross_entropy, binary_cross_entropy_from_probabilities, hinge,
    mean_squared_error, softmax_cross_entropy,
)
from course_lib.shapes import ShapeError


def scores(rng, smallest=1):
    """logits (N, K) and labels (N,) as an array or a list."""
    N, K = int(rng.integers(1, 6)), int(rng.integers(smallest, 6))
    labels = rng.integers(0, K, N)
    dtype = pick(rng, np.int64, np.int32, np.uint8, list)
    return values(rng, N, K), labels.tolist() if dtype is list else labels.astype(dtype)


def agree(loss, array, wanted, leaf, what):
    """The loss and its gradient are PyTorch's."""
    wanted.backward()
    value, gradient = frozen(loss, array)
    assert type(value) is float
    close(np.float64(value), wanted, what=what)
    close(gradient, leaf.grad, what=what)


def cross_entropy_agrees(rng):
    torch = need("torch")
    logits, labels = scores(rng, smallest=2)
    logits = logits * pick(rng, 1, 10, 300)
    (leaf,) = tensors(torch, logits)
    wanted = torch.nn.functional.cross_entropy(leaf, torch.tensor(np.array(labels, np.int64)))
    agree(lambda z: softmax_cross_entropy(z, labels), logits, wanted, leaf, logits.shape)


def binary_agrees(rng):
    torch = need("torch")
    N = int(rng.integers(1, 8))
    z = values(rng, *pick(rng, (N,), (N, 1))) * pick(rng, 1, 10, 100)
    targets = pick(rng, rng.random(N), rng.integers(0, 2, N), rng.random(N) < 0.5)
    (leaf,) = tensors(torch, z)
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(
        leaf.ravel(), torch.tensor(targets.astype(float)))
    agree(lambda z: binary_cross_entropy(z, targets), z, wanted, leaf, z.shape)


def probabilities_agree(rng):
    torch = need("torch")
    N = int(rng.integers(1, 8))
    p = 1 / (1 + np.exp(-4 * values(rng, *pick(rng, (N,), (N, 1)))))
    targets = pick(rng, rng.random(N), rng.integers(0, 2, N))
    (leaf,) = tensors(torch, p)
    wanted = torch.nn.functional.binary_cross_entropy(
        leaf.ravel(), torch.tensor(targets.astype(float)))
    agree(lambda p: binary_cross_entropy_from_probabilities(p, targets), p, wanted, leaf, p.shape)


def multi_margin_agrees(rng):
    torch = need("torch")
    logits, labels = scores(rng)  # integers too: a margin of exactly 0 has gradient 0 there as well
    (leaf,) = tensors(torch, logits)
    wanted = torch.nn.functional.multi_margin_loss(leaf, torch.tensor(np.array(labels, np.int64)))
    agree(lambda z: hinge(z, labels, "mean_classes"), logits, wanted, leaf, logits.shape)


def hinge_agrees(kind):
    def agrees(rng):
        torch = need("torch")
        logits, labels = scores(rng, smallest=2)
        logits = rng.standard_normal(logits.shape)
        (leaf,) = tensors(torch, logits)
        rows, right = torch.arange(len(logits)), torch.tensor(np.array(labels, np.int64))
        wrong = torch.nn.functional.one_hot(right, logits.shape[1]) == 0
        margins = (1 + leaf - leaf[rows, right][:, None])[wrong].reshape(len(logits), -1).relu()
        wanted = (margins.sum(1) if kind == "sum" else margins.max(1).values).mean()
        agree(lambda z: hinge(z, labels, kind), logits, wanted, leaf, logits.shape)

    return agrees


def squared_error_agrees(rng):
    torch = need("torch")
    shape = tuple(int(n) for n in rng.integers(1, 5, rng.integers(1, 5)))
    y, targets = values(rng, *shape), values(rng, *shape)
    (leaf,) = tensors(torch, y)
    wanted = torch.nn.functional.mse_loss(leaf, torch.tensor(np.ascontiguousarray(targets)))
    agree(lambda y: mean_squared_error(y, targets), y, wanted, leaf, shape)


AGREES = {
    "softmax_cross_entropy": (30, cross_entropy_agrees),
    "binary_cross_entropy": (30, binary_agrees),
    "binary_cross_entropy_from_probabilities": (20, probabilities_agree),
    "multi_margin": (25, multi_margin_agrees),
    "hinge_sum": (12, hinge_agrees("sum")),
    "hinge_crammer": (12, hinge_agrees("crammer")),
    "mean_squared_error": (20, squared_error_agrees),
}


def arguments_of(name, rng):
    """Random (scores, targets, options) for a loss of RUNGS."""
    if name == "binary_cross_entropy":
        shape = pick(rng, (4,), (4, 1))
        return 10 * values(rng, *shape), rng.random(4), {}
    if name == "mean_squared_error":
        shape = pick(rng, (3,), (3, 2), (2, 1, 3))
        return values(rng, *shape), values(rng, *shape), {}
    logits, labels = scores(rng)
    return logits, np.array(labels), {"kind": pick(rng, *HINGES)} if name == "hinge" else {}


@pytest.mark.parametrize("name", RUNGS)
def test_rungs_are_equal(name, rng):
    assert len(RUNGS[name]) > 1
    for _ in range(25):
        array, targets, options = arguments_of(name, rng)
        options["examples"] = pick(rng, None, len(array) + 3)
        expected = RUNGS[name]["vectorised"](array, targets, **options)
        for rung in RUNGS[name].values():
            for change in (lists, np.asarray):
                loss, gradient = rung(change(array), change(targets), **options)
                assert type(loss) is float
                assert loss == pytest.approx(expected[0], rel=1e-12, abs=1e-15)
                close(np.array(gradient, float), expected[1], 1e-12)


def both(logits, labels, kind):
    """The hinge of every rung, demanded to be the same."""
    results = [rung(logits, labels, kind) for rung in RUNGS["hinge"].values()]
    for loss, gradient in results:
        assert loss == results[0][0]
        np.testing.assert_array_equal(gradient, results[0][1])
    return results[0][0], np.array(results[0][1]).tolist()


def test_hinge_by_hand():
    logits = [[3.0, 2.0, 2.0, 2.5]]  # margins of classes 1, 2, 3: 0, 0 (kinks) and 0.5
    assert both(logits, [0], "sum") == (0.5, [[-1, 0, 0, 1]])
    assert both(logits, [0], "mean_classes") == (0.125, [[-0.25, 0, 0, 0.25]])
    assert both(logits, [0], "crammer") == (0.5, [[-1, 0, 0, 1]])
    tied = [[0.0, 4.0, 1.0, 4.0]]  # of equal largest margins the first counts
    assert both(tied, [2], "crammer") == (4, [[0, 1, -1, 0]])
    assert both(tied, [2], "sum") == (8, [[0, 1, -2, 1]])
    assert both([[5.0, 1.0]], [0], "crammer") == (0, [[0, 0]])
    assert both([[7.0]], [0], "sum") == (0, [[0]])


def test_the_default_hinge_is_the_sum(rng):
    logits, labels = rng.standard_normal((3, 4)), [0, 3, 2]
    assert hinge(logits, labels)[0] == hinge(logits, labels, "sum")[0]


def calls(rng):
    """Every loss with arrays that it takes, as (name, function of the scores, scores)."""
    labels, targets = rng.integers(0, 4, 3), rng.random(3)
    many = rng.random((3, 2, 2))
    yield "cross_entropy", lambda z, **k: softmax_cross_entropy(z, labels, **k), (3, 4)
    for kind in HINGES:
        yield kind, lambda z, kind=kind, **k: hinge(z, labels, kind, **k), (3, 4)
    yield "binary", lambda z, **k: binary_cross_entropy(z, targets, **k), (3, 1)
    yield "squared", lambda z, **k: mean_squared_error(z, many, **k), (3, 2, 2)
    yield ("probabilities",
           lambda z, **k: binary_cross_entropy_from_probabilities(z, targets, **k), (3,))


@pytest.mark.parametrize("seed", range(3))
def test_gradients_are_slopes(seed):
    rng = np.random.default_rng(seed)
    for _, loss, shape in calls(rng):
        z = rng.uniform(0.1, 0.9, shape)
        gradient, smooth = central_differences(lambda: loss(z)[0], z, 1.7)
        assert smooth.all()
        close(1.7 * loss(z)[1], gradient, 1e-7)


def test_a_margin_of_0_is_a_kink():
    z = np.array([[1.0, 2.0, 0.3, -4.0]])  # the right class 1 is exactly 1 above class 0
    same_slope(hinge(z, [1])[1], lambda: hinge(z, [1])[0], z, 1.0, kinks=2)


def test_parts_of_a_batch_add_up(rng):
    for name, loss, shape in calls(rng):
        z = rng.uniform(0.1, 0.9, shape)
        whole, gradient = loss(z)
        value, part = loss(z, examples=12)
        assert value == pytest.approx(whole * 3 / 12, rel=1e-12), name
        close(part, gradient * 3 / 12, 1e-12)


def test_the_first_loss_of_ten_classes_is_log_10():
    loss, dlogits = softmax_cross_entropy(np.zeros((4, 10)), [0, 1, 2, 9])
    assert loss == pytest.approx(math.log(10), rel=1e-15)
    assert dlogits[0, 0] == pytest.approx(-0.9 / 4) and dlogits[0, 1] == pytest.approx(0.1 / 4)


def test_a_sure_and_wrong_answer_costs_its_distance():
    with np.errstate(all="raise", under="ignore"):
        for rung in RUNGS["softmax_cross_entropy"].values():
            assert rung([[1000.0, 0.0]], [1])[0] == 1000
        for rung in RUNGS["binary_cross_entropy"].values():
            assert rung([-1000.0], [1])[0] == 1000 and rung([800.0], [0])[0] == 800


@pytest.mark.parametrize("dtype, result", [
    (np.float32, np.float32), (np.float64, np.float64), (np.float16, np.float32),
    (np.int64, np.float64), (np.uint8, np.float64),
])
def test_float32_stays_and_integers_become_float64(dtype, result, rng):
    for name, loss, shape in calls(rng):
        z = rng.uniform(0.1, 0.9, shape).astype(dtype)
        if name == "probabilities" and z.dtype.kind != "f":
            continue
        value, gradient = loss(z, examples=np.int64(5))
        assert type(value) is float and gradient.dtype == result, name
        assert np.all(np.isfinite(gradient)) and z.dtype == dtype


def test_a_float32_loss_is_summed_in_float64():
    logits = np.zeros((1 << 16, 2), np.float32)
    logits[:, 1] = 1e-3 * (np.arange(1 << 16) % 7)
    labels = np.zeros(1 << 16, int)
    exact, _ = softmax_cross_entropy(logits.astype(np.float64), labels)
    assert softmax_cross_entropy(logits, labels)[0] == pytest.approx(exact, rel=1e-6)


Z = np.zeros((2, 3))
CLASSES = {"softmax_cross_entropy": softmax_cross_entropy, "hinge": hinge}


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("logits, labels, message", [
    (Z, [0, 3], r"expected labels 0\.\.2 for 3 classes, got 3"),
    (Z, [-1, 0], r"expected labels 0\.\.2 for 3 classes, got -1"),
    (Z, [0.0, 1.0], r"expected labels to be integers, got float64"),
    (Z, [True, False], r"expected labels to be integers, got bool"),
    (Z, ["0", "1"], r"expected labels to be integers, got <U1"),
    (Z, [0, 1, 2], r"expected labels \(2,\), one class number an image, got \(3,\)"),
    (Z, [[1, 0, 0], [0, 1, 0]], r"expected labels \(2,\), .* got \(2, 3\)"),
    (Z, 1, r"expected labels \(2,\), .* got \(\)"),
    (Z[0], [0, 1], r"expected logits \(N, K\) with at least one class, got \(3,\)"),
    (Z[:, :0], [0, 1], r"expected logits \(N, K\) with at least one class, got \(2, 0\)"),
    (Z[..., None], [0, 1], r"expected logits \(N, K\) .* got \(2, 3, 1\)"),
    (Z[:0], [], r"expected at least one example, got an empty batch"),
    (Z + 1j, [0, 1], r"expected real numbers .* got complex128"),
])
def test_wrong_logits_and_labels_are_refused_by_every_rung(name, logits, labels, message):
    for rung in RUNGS[name].values():
        with pytest.raises(ValueError, match=f"^{name}: {message}"):
            rung(logits, labels)


def test_shapes_raise_shape_errors():
    for loss in CLASSES.values():
        for logits, labels in ((Z, [0]), (Z[0], [0, 1]), (Z[:0], np.zeros(0, int))):
            with pytest.raises(ShapeError):
                loss(logits, labels)


def test_an_unknown_hinge_is_refused():
    for rung in RUNGS["hinge"].values():
        with pytest.raises(ValueError, match="hinge: expected kind to be one of sum, mean_classes, "
                                             "crammer, got 'mean'"):
            rung(Z, [0, 1], "mean")


@pytest.mark.parametrize("examples", [0, -3, 2.5, True, "4"])
def test_the_count_to_divide_by_is_a_whole_number(examples, rng):
    for name, loss, shape in calls(rng):
        with pytest.raises(ValueError, match=f"examples must be a whole number, at least 1, got "
                                             f"{examples!r}"):
            loss(np.full(shape, 0.5), examples=examples)
    for table in RUNGS.values():
        for rung in table.values():
            with pytest.raises(ValueError, match="examples must be"):
                rung([[0.5]], [[0.5]] if rung.__name__.startswith("mean") else [0],
                     examples=examples)


@pytest.mark.parametrize("scores, targets, message", [
    (np.zeros(3), np.zeros(2), r"expected targets \(3,\), like the scores, got \(2,\)"),
    (np.zeros((3, 1)), np.zeros(2), r"expected targets \(3, 1\), like the scores, got \(2,\)"),
    (np.zeros(3), np.zeros((3, 1)), r"expected targets \(3,\), like the scores, got \(3, 1\)"),
    (np.zeros((3, 2)), np.zeros((3, 2)), r"one score an example, .* got \(3, 2\)"),
    (np.zeros((3, 2)), np.zeros(3), r"expected targets \(3, 2\), like the scores, got \(3,\)"),
    (np.zeros(3), [0, 1, 1.5], r"expected targets between 0 and 1, got 1\.5"),
    (np.zeros(3), [0, -1, 1], r"expected targets between 0 and 1, got -1"),
    (np.zeros(0), np.zeros(0), r"expected at least one example, got an empty batch"),
    (np.float64(0), np.float64(0), r"expected targets \(\), like the scores, got \(\)"),
    (np.zeros(3, complex), np.zeros(3), r"expected real numbers .* got complex128"),
    (np.zeros(3), np.zeros(3, complex), r"expected real numbers .* got complex128"),
])
def test_wrong_targets_are_refused(scores, targets, message):
    for rung in RUNGS["binary_cross_entropy"].values():
        with pytest.raises(ValueError, match=f"^binary_cross_entropy: .*{message}"):
            rung(scores, targets)
    with pytest.raises(ValueError, match=f"_from_probabilities: .*{message}"):
        binary_cross_entropy_from_probabilities(scores + 0.5, targets)


@pytest.mark.parametrize("p", [0.0, 1.0, -0.5, 2.0, math.nan])
def test_probabilities_lie_between_0_and_1(p):
    with pytest.raises(ValueError, match=f"strictly between 0 and 1, got {p}: use "
                                         "binary_cross_entropy on the logits"):
        binary_cross_entropy_from_probabilities([0.5, p], [0, 1])


@pytest.mark.parametrize("y, targets, message", [
    (np.zeros((2, 3)), np.zeros((3, 2)), r"expected targets \(2, 3\), .* got \(3, 2\)"),
    (np.zeros((2, 1)), np.zeros(2), r"expected targets \(2, 1\), .* got \(2,\)"),
    (np.zeros((0, 3)), np.zeros((0, 3)), r"at least one example, got an empty batch"),
    (np.zeros((3, 0)), np.zeros((3, 0)), r"at least one example, got an empty batch"),
])
def test_squared_error_wants_two_arrays_of_one_shape(y, targets, message):
    for rung in RUNGS["mean_squared_error"].values():
        with pytest.raises(ShapeError, match=f"^mean_squared_error: .*{message}"):
            rung(y, targets)
