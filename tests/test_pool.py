"""Pooling against PyTorch (ties too), central differences, and its rungs against each other."""

import numpy as np
import pytest
from conftest import need
from oracle import (
    close, frozen, pair, pick, random_case, rungs_agree, run_rung, same_slope, tensors, upstream,
    values,
)

from course_lib.layers import AvgPool2D, GlobalAvgPool2D, MaxPool2D
from course_lib.pool import (
    AVG_RUNGS, GLOBAL_RUNGS, MAX_RUNGS, avg_pool2d, avg_pool2d_backward, global_avg_pool2d,
    global_avg_pool2d_backward, max_pool2d, max_pool2d_backward,
)
from course_lib.shapes import ShapeError

TABLES = {"max": MAX_RUNGS, "average": AVG_RUNGS}


def images(rng, case):
    return values(rng, *(int(n) for n in rng.integers(1, 4, 2)), *case.size)


def agree(operation, backward, layer, x, wanted, leaf, rng, case):
    """Function and layer give PyTorch's y and dx."""
    import torch

    dy = values(rng, *wanted.shape)
    wanted.backward(torch.tensor(np.ascontiguousarray(dy)))
    y, cache = frozen(operation, x)
    close(y, wanted, what=case)
    close(frozen(lambda dy: backward(dy, cache), dy), leaf.grad, what=case)
    close(layer.forward(x), wanted, what=case)
    assert layer.output_shape(x.shape[1:]) == y.shape[1:]
    close(layer.backward(dy), leaf.grad, what=case)


def max_pool2d_agrees(rng):
    torch = need("torch")
    case = random_case(rng, pooling=True)
    x = rng.integers(-2, 2, images(rng, case).shape).astype(float) if rng.random() < 0.6 \
        else images(rng, case)
    (leaf,) = tensors(torch, x)
    (top, bottom), (left, right) = case.zeros
    kernel, stride = pair(case.kernel_size), pair(case.stride)
    if top == bottom and left == right:  # PyTorch pads by itself
        wanted = torch.nn.functional.max_pool2d(leaf, kernel, stride, (top, left))
    else:
        padded = torch.nn.functional.pad(leaf, (left, right, top, bottom), value=-np.inf)
        wanted = torch.nn.functional.max_pool2d(padded, kernel, stride)
    options = (case.kernel_size, case.stride, case.padding)
    agree(lambda x: max_pool2d(x, *options), max_pool2d_backward, MaxPool2D(*options),
          x, wanted, leaf, rng, case)


def avg_pool2d_agrees(rng):
    torch = need("torch")
    case = random_case(rng, pooling=True)
    x, count_include_pad = images(rng, case), pick(rng, True, False)
    (leaf,) = tensors(torch, x)
    (top, bottom), (left, right) = case.zeros
    kernel, stride = pair(case.kernel_size), pair(case.stride)
    average, pad = torch.nn.functional.avg_pool2d, torch.nn.functional.pad
    if top == bottom and left == right:
        wanted = average(leaf, kernel, stride, (top, left), count_include_pad=count_include_pad)
    else:
        around = (left, right, top, bottom)
        wanted = average(pad(leaf, around), kernel, stride)
        if not count_include_pad:
            wanted = wanted / average(pad(torch.ones_like(leaf), around), kernel, stride)
    options = (case.kernel_size, case.stride, case.padding, count_include_pad)
    agree(lambda x: avg_pool2d(x, *options), avg_pool2d_backward, AvgPool2D(*options),
          x, wanted, leaf, rng, case)


def global_avg_pool2d_agrees(rng):
    torch = need("torch")
    x = values(rng, *(int(n) for n in rng.integers(1, 6, 4)))
    (leaf,) = tensors(torch, x)
    wanted = torch.nn.functional.adaptive_avg_pool2d(leaf, 1).flatten(1)
    agree(global_avg_pool2d, global_avg_pool2d_backward, GlobalAvgPool2D(),
          x, wanted, leaf, rng, x.shape)


AGREES = {
    "max_pool2d": (90, max_pool2d_agrees),
    "avg_pool2d": (90, avg_pool2d_agrees),
    "global_avg_pool2d": (20, global_avg_pool2d_agrees),
}


def test_rungs_are_equal(rng):
    for _ in range(60):
        case = random_case(rng, pooling=True)
        options = {"kernel_size": case.kernel_size, "stride": pick(rng, case.stride, None),
                   "padding": case.padding if case.stride else 0}
        x = images(rng, case)
        rungs_agree(MAX_RUNGS, (x,), options, rng)
        rungs_agree(AVG_RUNGS, (x,), options, rng)
        rungs_agree(AVG_RUNGS, (x,), options | {"count_include_pad": False}, rng)
        rungs_agree(GLOBAL_RUNGS, (x,), {}, rng)


def test_every_rung_reads_arrays_and_integers(rng):
    x = rng.integers(150, 256, (2, 2, 4, 5)).astype(np.uint8)
    options = {"kernel_size": (2, 3), "stride": 1, "padding": 1}
    for table, arguments in ((MAX_RUNGS, options), (AVG_RUNGS, options), (GLOBAL_RUNGS, {})):
        expected, cache = table["vectorised"][0](x.astype(float), **arguments)
        dy = rng.standard_normal(expected.shape)
        dx = table["vectorised"][1](dy, cache)
        for forward, backward in table.values():
            y, cache = forward(x, **arguments)
            close(np.array(y), expected, 1e-12, dtype=None)
            close(np.array(backward(dy, cache)), dx, 1e-12)


def test_stride_is_the_kernel_size_where_it_is_not_given(rng):
    x = rng.standard_normal((1, 2, 6, 7))
    for operation in (max_pool2d, avg_pool2d):
        close(operation(x, (2, 3))[0], operation(x, (2, 3), (2, 3))[0], 0)
        assert operation(x, (2, 3))[0].shape == (1, 2, 3, 2)


@pytest.mark.parametrize("name", MAX_RUNGS)
def test_of_equal_maxima_the_first_gets_the_gradient(name):
    x = np.array([[[[1.0, 2, 2], [2, 0, 2], [-1, -1, -3]]]])
    _, (dx,) = run_rung(name, MAX_RUNGS[name], (x,), {"kernel_size": 2, "stride": 1},
                        np.array([[[[1.0, 10], [100, 1000]]]]))
    np.testing.assert_array_equal(dx[0, 0], [[0, 11, 0], [100, 0, 1000], [0, 0, 0]])


@pytest.mark.parametrize("name", MAX_RUNGS)
def test_the_border_never_wins(name):
    x = -np.arange(1.0, 13).reshape(1, 1, 3, 4)
    options = {"kernel_size": 3, "stride": 2, "padding": 1}
    y, (dx,) = run_rung(name, MAX_RUNGS[name], (x,), options, np.ones((1, 1, 2, 2)))
    np.testing.assert_array_equal(y[0, 0], [[-1, -2], [-5, -6]])
    np.testing.assert_array_equal(dx[0, 0], [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]])


@pytest.mark.parametrize("case_seed", range(5))
def test_gradients_are_slopes(case_seed):
    rng = np.random.default_rng(case_seed)
    case = random_case(rng, pooling=True)
    shape = (2, 2, *case.size)
    x = rng.permutation(np.prod(shape)).reshape(shape) / 10  # all different: no kink in reach
    options = (case.kernel_size, case.stride, case.padding)
    for forward, backward in (
        (lambda: max_pool2d(x, *options), max_pool2d_backward),
        (lambda: avg_pool2d(x, *options), avg_pool2d_backward),
        (lambda: avg_pool2d(x, *options, False), avg_pool2d_backward),
        (lambda: global_avg_pool2d(x), global_avg_pool2d_backward),
    ):
        y, cache = forward()
        dy = upstream(rng, y.shape)
        same_slope(backward(dy, cache), lambda: forward()[0], x, dy)


def test_a_tie_is_a_kink_for_the_two_that_tie(rng):
    x = rng.permutation(24).reshape(1, 1, 4, 6) / 10
    x[0, 0, 1, 1] = x[0, 0, 0, 0] = 9.0
    y, cache = max_pool2d(x, 2)
    dy = upstream(rng, y.shape)
    same_slope(max_pool2d_backward(dy, cache), lambda: max_pool2d(x, 2)[0], x, dy, kinks=2)


@pytest.mark.parametrize("dtype, result", [
    (np.float32, np.float32), (np.float64, np.float64), (np.float16, np.float32),
    (np.int64, np.float64), (np.uint8, np.float64),
])
def test_float32_stays_and_integers_become_float64(dtype, result):
    x = np.arange(40).reshape(2, 1, 4, 5).astype(dtype)
    options = {"kernel_size": 3, "stride": 2, "padding": 1}
    for table, arguments in (
        (MAX_RUNGS, options), (AVG_RUNGS, options),
        (AVG_RUNGS, options | {"count_include_pad": False}), (GLOBAL_RUNGS, {}),
    ):
        for name in set(table) - {"formula"}:
            y, cache = table[name][0](x, **arguments)
            assert y.dtype == result, name
            assert table[name][1](np.ones(y.shape, dtype), cache).dtype == result, name
    assert x.dtype == dtype


@pytest.mark.parametrize("size", [1, 2])
def test_nothing_handed_in_is_changed_or_handed_out(rng, size):
    x = rng.standard_normal((2, 2, 4, 4))
    for table, options in ((MAX_RUNGS, {"kernel_size": size}), (AVG_RUNGS, {"kernel_size": size}),
                           (GLOBAL_RUNGS, {})):
        for forward, backward in table.values():
            y, cache = frozen(lambda x: forward(x, **options), x)
            dy = rng.standard_normal(np.shape(y))
            dx = frozen(lambda dy: backward(dy, cache), dy)
            for result in map(np.asarray, (y, dx)):
                assert not np.shares_memory(result, x) and not np.shares_memory(result, dy)
                assert result.flags.writeable
            close(np.array(backward(dy, cache)), np.array(dx), 0)


def test_an_empty_batch_gives_an_empty_batch():
    x = np.zeros((0, 3, 4, 5))
    for forward, backward in ((max_pool2d, max_pool2d_backward), (avg_pool2d, avg_pool2d_backward)):
        y, cache = forward(x, 2)
        assert y.shape == (0, 3, 2, 2) and backward(y, cache).shape == x.shape
    y, cache = global_avg_pool2d(x)
    assert y.shape == (0, 3) and global_avg_pool2d_backward(y, cache).shape == x.shape


X = np.zeros((2, 3, 5, 6))


@pytest.mark.parametrize("table, name", [("max", "max_pool2d"), ("average", "avg_pool2d")])
@pytest.mark.parametrize("arguments, message", [
    ((X[0], 2), r"expected images \(N, C, H, W\), got \(3, 5, 6\): .*x\[None\]"),
    ((X[0, 0], 2), r"expected images \(N, C, H, W\), got \(5, 6\)"),
    ((X, 0), r"kernel_size must be a whole number, at least 1, got 0"),
    ((X, 6), r"the kernel, 6x6, is larger than the padded image, 5x6"),
    ((X, 2, 0), r"stride must be a whole number, at least 1, got 0"),
    ((X, 2, 2, -1), r"padding must be a whole number, at least 0, got -1"),
    ((X, 2, 2, "full"), r"'valid' or 'same', got 'full'"),
    ((X, 3, 2, 2), r"padding must be at most half the kernel, .* got padding \(\(2, 2\), "
                   r"\(2, 2\)\) for kernel \(3, 3\)"),
    ((X, (4, 3), 2, ((2, 2), (1, 2))), r"at most half the kernel.* \(1, 2\)\) for kernel \(4, 3"),
    ((X, (1, 3), 2, 1), r"at most half the kernel.* for kernel \(1, 3\)"),
])
def test_wrong_arguments_are_refused_by_every_rung(table, name, arguments, message):
    for forward, _ in TABLES[table].values():
        for x in (arguments[0], arguments[0].tolist()):
            with pytest.raises(ShapeError, match=f"^{name}: .*{message}"):
                forward(x, *arguments[1:])


def test_half_the_kernel_is_still_allowed():
    assert max_pool2d(X, (2, 4), 1, (1, 2))[0].shape == (2, 3, 6, 7)


@pytest.mark.parametrize("table", [MAX_RUNGS, AVG_RUNGS, GLOBAL_RUNGS])
def test_a_wrong_upstream_gradient_is_refused(table):
    options = {} if table is GLOBAL_RUNGS else {"kernel_size": 2}
    expected = r"\(2, 3\)" if table is GLOBAL_RUNGS else r"\(2, 3, 2, 3\)"
    for forward, backward in table.values():
        _, cache = forward(X.tolist(), **options)
        with pytest.raises(ShapeError, match=f"pool2d_backward: .*shape {expected}, got \\(2, 2"):
            backward(np.zeros((2, 2, 2, 3)).tolist(), cache)


def test_global_average_wants_a_batch_of_images():
    for forward, _ in GLOBAL_RUNGS.values():
        with pytest.raises(ShapeError, match=r"global_avg_pool2d: .* got \(3, 5, 6\).*x\[None\]"):
            forward(X[0])
        with pytest.raises(ShapeError, match=r"without an empty axis, got \(2, 3, 5, 0\)"):
            forward(X[..., :0])


def test_complex_numbers_are_refused():
    for table, options in ((MAX_RUNGS, {"kernel_size": 2}), (AVG_RUNGS, {"kernel_size": 2}),
                           (GLOBAL_RUNGS, {})):
        for name in set(table) - {"formula"}:
            with pytest.raises(ValueError, match="pool2d: expected real numbers .* complex128"):
                table[name][0](X + 1j, **options)
