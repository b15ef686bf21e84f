"""Convolution against PyTorch, against central differences, and its rungs against each other."""

import re

import numpy as np
import pytest
from conftest import need
from oracle import (
    close, frozen, pair, pick, random_case, rungs_agree, run_rung, same_slope, tensors, upstream,
    values,
)

from course_lib import formula
from course_lib.conv import RUNGS, conv2d, conv2d_backward, crop, pad
from course_lib.layers import Conv2D
from course_lib.shapes import ShapeError


def random_arrays(rng, case):
    """x, weight, bias with N, C and F of 1 to 3, mostly C different from F."""
    N, C, F = (int(n) for n in rng.integers(1, 4, 3))
    bias = values(rng, F) if rng.random() < 0.7 else None
    return values(rng, N, C, *case.size), values(rng, F, C, *pair(case.kernel_size)), bias


def conv2d_agrees(rng):
    """One random configuration: y, dx, dweight, dbias of the function and of the layer."""
    torch = need("torch")
    case = random_case(rng)
    x, weight, bias = random_arrays(rng, case)
    leaves = tensors(torch, x, weight, bias)
    (top, bottom), (left, right) = case.zeros
    padded = torch.nn.functional.pad(leaves[0], (left, right, top, bottom))
    wanted = torch.nn.functional.conv2d(padded, *leaves[1:], stride=pair(case.stride))
    dy = values(rng, *wanted.shape)
    wanted.backward(torch.tensor(np.ascontiguousarray(dy)))
    expected = [None if leaf is None else leaf.grad for leaf in leaves]

    y, cache = frozen(lambda *a: conv2d(*a, case.stride, case.padding), x, weight, bias)
    close(y, wanted, what=case)
    for actual, gradient in zip(frozen(lambda dy: conv2d_backward(dy, cache), dy), expected):
        close(actual, gradient, what=case)

    layer = Conv2D(x.shape[1], len(weight), case.kernel_size, case.stride, case.padding,
                   bias=bias is not None, dtype=np.float64)
    for parameter, data in zip(layer.parameters().values(), (weight, bias)):
        parameter.data[...] = data
    close(layer.forward(x), wanted, what=case)
    assert layer.output_shape(x.shape[1:]) == y.shape[1:]
    close(layer.backward(dy), expected[0], what=case)
    for parameter, gradient in zip(layer.parameters().values(), expected[1:]):
        close(parameter.grad, gradient, what=case)


AGREES = {"conv2d": (150, conv2d_agrees)}


def test_rungs_are_equal(rng):
    for _ in range(60):
        case = random_case(rng)
        options = {"stride": case.stride, "padding": case.padding}
        rungs_agree(RUNGS, random_arrays(rng, case), options, rng)


def test_rungs_are_equal_in_float32_and_on_integers(rng):
    x, weight = rng.integers(-9, 9, (2, 2, 5, 4)), rng.integers(-9, 9, (3, 2, 2, 3))
    expected, _ = conv2d(x.astype(float), weight.astype(float), padding=1)
    for name in RUNGS:
        y, _ = run_rung(name, RUNGS[name], (x, weight), {"padding": 1}, np.zeros(expected.shape))
        close(y, expected, 0, what=name)
    small = x.astype(np.uint8)  # 200 * 200 does not fit into a uint8
    for name in RUNGS:
        y, _ = RUNGS[name][0](small, weight.astype(np.uint8))
        close(np.array(y), conv2d(small.astype(float), weight.astype(np.uint8))[0], 0, what=name)


@pytest.mark.parametrize("name", RUNGS)
def test_every_rung_reads_arrays_and_lists(rng, name):
    x, weight, bias = (rng.standard_normal(s) for s in ((2, 2, 4, 5), (3, 2, 3, 2), (3,)))
    expected, cache = conv2d(x, weight, bias, 2, 1)
    dy = rng.standard_normal(expected.shape)
    gradients = conv2d_backward(dy, cache)
    forward, backward = RUNGS[name]
    for change in (np.asarray, np.ndarray.tolist):
        y, cache = forward(change(x), change(weight), change(bias), 2, 1)
        close(np.array(y), expected, 1e-12)
        for actual, gradient in zip(backward(change(dy), cache), gradients):
            close(np.array(actual), gradient, 1e-12)


@pytest.mark.parametrize("name", RUNGS)
def test_without_dx_the_others_are_the_same(rng, name):
    arrays = [rng.standard_normal(s) for s in ((2, 3, 5, 4), (2, 3, 2, 3), (2,))]
    dy = rng.standard_normal((2, 2, 3, 1))
    options = {"stride": (2, 3), "padding": ((1, 0), (0, 1))}
    _, full = run_rung(name, RUNGS[name], arrays, options, dy)
    _, part = run_rung(name, RUNGS[name], arrays, options, dy, need_dx=False)
    assert part[0] is None and full[0] is not None
    close(part[1], full[1], 0)
    close(part[2], full[2], 0)


def test_a_rung_skips_what_has_no_gradient(rng):
    arrays = [rng.standard_normal(s) for s in ((2, 2, 5, 5), (2, 2, 2, 2), (2,))]
    _, cache = conv2d(*arrays)
    dy = rng.standard_normal((2, 2, 4, 4)) * (rng.random((2, 2, 4, 4)) < 0.2)
    expected = conv2d_backward(dy, cache)
    _, gradients = run_rung("formula", RUNGS["formula"], arrays, {}, dy)
    for actual, gradient in zip(gradients, expected):
        close(actual, gradient, 1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_gradients_are_slopes(seed):
    rng = np.random.default_rng(seed)
    case = random_case(rng)
    C, F = pick(rng, (1, 2), (3, 1), (2, 3))
    x = rng.standard_normal((2, C, *case.size))
    weight, bias = rng.standard_normal((F, C, *pair(case.kernel_size))), rng.standard_normal(F)

    def forward():
        return conv2d(x, weight, bias, case.stride, case.padding)[0]

    dy = upstream(rng, forward().shape)
    gradients = conv2d_backward(dy, conv2d(x, weight, bias, case.stride, case.padding)[1])
    for array, gradient in zip((x, weight, bias), gradients):
        same_slope(gradient, forward, array, dy)


def test_the_kernel_is_not_flipped():
    x = np.zeros((1, 1, 5, 5))
    x[0, 0, 2, 2] = 1
    weight = np.arange(9.0).reshape(1, 1, 3, 3)
    np.testing.assert_array_equal(conv2d(x, weight)[0][0, 0], weight[0, 0, ::-1, ::-1])


@pytest.mark.parametrize("name", RUNGS)
def test_one_value_under_one_weight(name):
    y, gradients = run_rung(name, RUNGS[name], [np.full((1, 1, 1, 1), 3.0),
                            np.full((1, 1, 1, 1), 5.0), np.array([7.0])], {},
                            np.full((1, 1, 1, 1), 2.0))
    assert y.ravel() == [22] and [g.item() for g in gradients] == [10, 6, 2]


def test_an_empty_batch_gives_an_empty_batch():
    weight = np.ones((2, 3, 2, 2))
    y, cache = conv2d(np.zeros((0, 3, 4, 5)), weight, np.ones(2), padding=1)
    assert y.shape == (0, 2, 5, 6)
    dx, dweight, dbias = conv2d_backward(y, cache)
    assert dx.shape == (0, 3, 4, 5)
    assert not dweight.any() and dweight.shape == weight.shape and not dbias.any()


@pytest.mark.parametrize("name", [name for name in RUNGS if name != "formula"])
@pytest.mark.parametrize("dtype, result", [
    (np.float32, np.float32), (np.float64, np.float64), (np.float16, np.float32),
    (np.int64, np.float64), (np.uint8, np.float64),
])
def test_float32_stays_and_integers_become_float64(name, dtype, result):
    x, weight, bias = (np.ones(s).astype(dtype) for s in ((2, 1, 4, 5), (3, 1, 2, 2), (3,)))
    forward, backward = RUNGS[name]
    y, cache = forward(x, weight, bias, 1, 1)
    assert y.dtype == result
    assert [g.dtype for g in backward(np.ones(y.shape, dtype), cache)] == [result] * 3
    assert [a.dtype for a in (x, weight, bias)] == [dtype] * 3


@pytest.mark.parametrize("name", RUNGS)
def test_nothing_handed_in_is_changed_or_handed_out(rng, name):
    forward, backward = RUNGS[name]
    arrays = [rng.standard_normal(s) for s in ((2, 2, 4, 4), (2, 2, 1, 1), (2,))]
    y, cache = frozen(lambda *a: forward(*a), *arrays)
    dy = rng.standard_normal((2, 2, 4, 4))
    gradients = frozen(lambda dy: backward(dy, cache), dy)
    for result in (y, *gradients):
        assert not any(np.shares_memory(np.asarray(result), a) for a in (*arrays, dy))
    again = backward(dy, cache)  # a cache may be used twice: backward did not write to it
    for first, second in zip(gradients, again):
        close(np.array(second), np.array(first), 0)


def test_crop_undoes_pad(rng):
    x = rng.standard_normal((2, 3, 4, 5))
    for padding in (((0, 0), (0, 0)), ((1, 2), (0, 3)), ((0, 1), (2, 0))):
        padded = pad(x, padding, -1.0)
        (top, bottom), (left, right) = padding
        assert padded.shape == (2, 3, 4 + top + bottom, 5 + left + right)
        assert padded.sum() == pytest.approx(x.sum() - (padded.size - x.size))
        np.testing.assert_array_equal(crop(padded, padding), x)
        lists = formula.pad_lists(x.tolist(), padding, -1.0)
        np.testing.assert_array_equal(lists, padded)
        np.testing.assert_array_equal(formula.crop_lists(lists, padding), x)


X, WEIGHT, BIAS = np.zeros((2, 3, 5, 6)), np.zeros((4, 3, 3, 2)), np.zeros(4)


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("arguments, message", [
    ((X[:, :2], WEIGHT), r"^conv2d: expected images \(N, 3, H, W\), got \(2, 2, 5, 6\)"),
    ((X[0], WEIGHT), r"images \(N, 3, H, W\), got \(3, 5, 6\): .* batch axis with x\[None\]"),
    ((X[0, 0], WEIGHT), r"images \(N, 3, H, W\), got \(5, 6\)"),
    ((X, WEIGHT[0]), r"expected weight \(F, C, KH, KW\), got \(3, 3, 2\)"),
    ((X, np.zeros((4, 0, 3, 2))), r"expected weight \(F, C, KH, KW\), got \(4, 0"),
    ((X, WEIGHT, BIAS[:3]), r"expected bias \(4,\), one number a filter, got \(3,\)"),
    ((X, WEIGHT, BIAS[None]), r"expected bias \(4,\), one number a filter, got \(1, 4\)"),
    ((X, WEIGHT, BIAS, 0), r"conv2d: stride must be a whole number, at least 1, got 0"),
    ((X, WEIGHT, BIAS, 1.5), r"stride must be a whole number, at least 1, got 1\.5"),
    ((X, WEIGHT, BIAS, 1, -1), r"conv2d: padding must be .* at least 0, got -1"),
    ((X, WEIGHT, BIAS, 1, "SAME"), r"'valid' or 'same', got 'SAME'"),
    ((X[:, :, :2], WEIGHT),
     r"the kernel, 3x2, is larger than the padded image, 2x6 \(image 2x6, padding .*smaller"),
])
def test_wrong_arguments_are_refused_by_every_rung(rung, arguments, message):
    for change in (np.asarray, lambda a: a.tolist() if np.ndim(a) else a):
        with pytest.raises(ShapeError, match=message):
            RUNGS[rung][0](*map(change, arguments[:3]), *arguments[3:])


@pytest.mark.parametrize("rung", RUNGS)
def test_a_wrong_upstream_gradient_is_refused(rung):
    forward, backward = RUNGS[rung]
    _, cache = forward(X.tolist(), WEIGHT.tolist(), None)
    with pytest.raises(ShapeError, match=r"conv2d_backward: .* shape \(2, 4, 3, 5\), got \(2, 4"):
        backward(np.zeros((2, 4, 3, 6)).tolist(), cache)
    with pytest.raises(ShapeError, match=r"output's shape \(2, 4, 3, 5\), got \(4, 3, 5\)"):
        backward(np.zeros((4, 3, 5)), cache)


def test_complex_numbers_are_refused():
    for wrong in ((X + 1j, WEIGHT), (X, WEIGHT + 1j), (X, WEIGHT, BIAS + 1j)):
        for name in set(RUNGS) - {"formula"}:
            with pytest.raises(ValueError, match="^conv2d: expected real numbers .* complex128"):
                RUNGS[name][0](*wrong)
    _, cache = conv2d(X, WEIGHT)
    with pytest.raises(ValueError, match="conv2d_backward: expected real numbers .* complex128"):
        conv2d_backward(np.zeros((2, 4, 3, 5), complex), cache)


@pytest.mark.parametrize("arguments, hint", [
    ((np.ones((3, 3)), np.ones((1, 1, 2, 2))), "For one 2-D array write x[None, None]."),
    ((np.ones((1, 1, 3, 3)), np.ones((2, 2))), "For one 2-D kernel write weight[None, None]."),
    ((np.ones((1, 1, 3, 3)), np.ones((5, 1, 2, 2)), 2), "Did you mean stride=2?"),
])
def test_messages_say_the_way_out(arguments, hint):
    with pytest.raises(ShapeError, match=re.escape(hint)):
        conv2d(*arguments)
