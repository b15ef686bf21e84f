"""Dense, activations, softmax, dropout and batch norm against PyTorch and central differences."""

import math

import numpy as np
import pytest
from conftest import need
from oracle import (
    close, frozen, pick, rungs_agree, run_rung, same_slope, tensors, upstream, values,
)

from course_lib import pointwise
from course_lib.layers import BatchNorm2D, Dense
from course_lib.pointwise import (
    RUNGS, batch_norm2d, batch_norm2d_backward, batch_norm2d_inference, dense, dense_backward,
    dropout, dropout_backward, flatten, flatten_backward, leaky_relu, log_softmax,
    log_softmax_backward, relu, sigmoid, softmax, softmax_backward, tanh,
)
from course_lib.shapes import ShapeError

ACTIVATIONS = ("relu", "leaky_relu", "sigmoid", "tanh")


def any_shape(rng):
    """1 to 4 axes of 1 to 4."""
    return tuple(int(n) for n in rng.integers(1, 5, rng.integers(1, 5)))


def forward_of(name):
    return getattr(pointwise, name)


def backward_of(name):
    return getattr(pointwise, f"{name}_backward")


def agree(operation, backward, arrays, wanted, leaves, rng, what):
    """The operation gives PyTorch's output and the gradient of every array."""
    torch = need("torch")
    dy = values(rng, *wanted.shape)
    wanted.backward(torch.tensor(np.ascontiguousarray(dy)))
    y, cache = frozen(operation, *arrays)
    close(y, wanted, what=what)
    gradients = frozen(lambda dy: backward(dy, cache), dy)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    assert len(gradients) == len(leaves)
    for actual, leaf in zip(gradients, leaves):
        close(actual, None if leaf is None else leaf.grad, what=what)


def dense_agrees(rng):
    torch = need("torch")
    N, inputs, outputs = (int(n) for n in rng.integers(1, 6, 3))
    x, weight = values(rng, N, inputs), values(rng, inputs, outputs)
    bias = values(rng, outputs) if rng.random() < 0.7 else None
    leaves = tensors(torch, x, weight, bias)
    wanted = torch.nn.functional.linear(leaves[0], leaves[1].T, leaves[2])
    agree(dense, dense_backward, (x, weight, bias), wanted, leaves, rng, x.shape)
    layer = Dense(inputs, outputs, bias=bias is not None, dtype=np.float64)
    for parameter, data in zip(layer.parameters().values(), (weight, bias)):
        parameter.data[...] = data
    close(layer.forward(x), wanted)


def activation_agrees(name, **options):
    def agrees(rng):
        torch = need("torch")
        x = 10.0 ** rng.integers(-2, 3) * values(rng, *any_shape(rng))
        leaves = tensors(torch, x)
        theirs = getattr(torch.nn.functional, name, getattr(torch, name, None))
        slope = {"negative_slope": float(rng.random())} if name == "leaky_relu" else {}
        agree(lambda x: forward_of(name)(x, *slope.values()), backward_of(name), (x,),
              theirs(leaves[0], **slope), leaves, rng, name)

    return agrees


def softmax_agrees(name):
    def agrees(rng):
        torch = need("torch")
        rest = any_shape(rng) if rng.random() < 0.3 else ()
        x = 10.0 ** rng.integers(-1, 2) * values(rng, rng.integers(1, 5), rng.integers(2, 6), *rest)
        leaves = tensors(torch, x)
        agree(forward_of(name), backward_of(name), (x,), getattr(torch, name)(leaves[0], dim=1),
              leaves, rng, x.shape)

    return agrees


def flatten_agrees(rng):
    torch = need("torch")
    x = values(rng, *any_shape(rng), 2)
    leaves = tensors(torch, x)
    agree(flatten, flatten_backward, (x,), leaves[0].flatten(1), leaves, rng, x.shape)


def dropout_agrees(rng):
    torch = need("torch")
    x, p, seed = values(rng, *any_shape(rng)), pick(rng, 0.0, 0.1, 0.5, 0.9), rng.integers(99)
    _, keep = dropout(x, p, np.random.default_rng(seed))
    assert np.all((keep == 0) | (keep == 1 / (1 - p)))
    leaves = tensors(torch, x)
    agree(lambda x: dropout(x, p, np.random.default_rng(seed)), dropout_backward, (x,),
          leaves[0] * torch.tensor(keep), leaves, rng, (x.shape, p))


def batch_norm2d_agrees(rng):
    torch = need("torch")
    N, C, H, W = (int(n) for n in rng.integers(1, 6, 4))
    W += H * W < 2
    group_size = pick(rng, None, 1, 2, 3, N, N + 1)
    eps = pick(rng, 1e-5, 1e-3, 0.1)
    x, weight, bias = values(rng, N, C, H, W), values(rng, C), values(rng, C)
    leaves = tensors(torch, x, weight, bias)
    wanted = torch.cat([
        torch.nn.functional.batch_norm(part, None, None, *leaves[1:], training=True, eps=eps)
        for part in leaves[0].split(group_size or N)
    ])
    agree(lambda *a: batch_norm2d(*a, eps, group_size), batch_norm2d_backward, (x, weight, bias),
          wanted, leaves, rng, (x.shape, group_size))


def batch_norm_layer_agrees(rng):
    """Some batches in training mode, then one in evaluation mode; running statistics too."""
    torch = need("torch")
    C = int(rng.integers(1, 4))
    momentum, eps = pick(rng, 0.1, 0.5, 1.0, 0.0), pick(rng, 1e-5, 1e-2)
    layer = BatchNorm2D(C, momentum, eps, dtype=np.float64)
    theirs = torch.nn.BatchNorm2d(C, eps=eps, momentum=momentum, dtype=torch.float64)
    for name, parameter in layer.parameters().items():
        parameter.data[...] = values(rng, C)
        getattr(theirs, name).data[...] = torch.tensor(parameter.data)
    for _ in range(3):
        x = 3 * values(rng, int(rng.integers(1, 4)), C, 2, int(rng.integers(1, 5))) + 1
        (leaf,) = tensors(torch, x)
        wanted = theirs(leaf)
        dy = values(rng, *x.shape)
        wanted.backward(torch.tensor(np.ascontiguousarray(dy)))
        close(layer.forward(x), wanted)
        close(layer.backward(dy), leaf.grad)
    for name, buffer in layer.buffers().items():
        close(buffer, getattr(theirs, name), what=name)
    for name, parameter in layer.parameters().items():  # summed over three batches
        close(parameter.grad, getattr(theirs, name).grad, what=name)
    x = values(rng, 1, C, 1, 1)  # one value a channel is enough once it is trained
    close(layer.predict(x), theirs.eval()(torch.tensor(np.ascontiguousarray(x))))


AGREES = {
    "dense": (25, dense_agrees),
    **{name: (12, activation_agrees(name)) for name in ACTIVATIONS},
    "softmax": (20, softmax_agrees("softmax")),
    "log_softmax": (20, softmax_agrees("log_softmax")),
    "flatten": (8, flatten_agrees),
    "dropout": (12, dropout_agrees),
    "batch_norm2d": (40, batch_norm2d_agrees),
    "batch_norm_layer": (15, batch_norm_layer_agrees),
}


def arguments_of(name, rng):
    """Random arrays that the rungs of `name` take."""
    if name == "dense":
        N, inputs, outputs = rng.integers(1, 5, 3)
        bias = pick(rng, None, values(rng, outputs))
        return values(rng, N, inputs), values(rng, inputs, outputs), bias
    if name == "softmax":
        return (10 * values(rng, rng.integers(1, 5), rng.integers(1, 5)),)
    shape = any_shape(rng)
    return (10 * values(rng, *(shape if name != "flatten" else (*shape, 3))),)


@pytest.mark.parametrize("name", RUNGS)
def test_rungs_are_equal(name, rng):
    for _ in range(12):
        options = {"alpha": rng.random()} if name == "leaky_relu" else {}
        rungs_agree(RUNGS[name], arguments_of(name, rng), options, rng)


@pytest.mark.parametrize("name", RUNGS)
def test_every_rung_reads_arrays_and_integers(name, rng):
    arguments = [None if a is None else rng.integers(100, 256, a.shape).astype(np.uint8)
                 for a in arguments_of(name, rng)]
    forward, backward = RUNGS[name]["vectorised"]
    expected, cache = forward(*[None if a is None else a.astype(float) for a in arguments])
    dy = rng.standard_normal(expected.shape)
    gradients = backward(dy, cache)
    for forward, backward in RUNGS[name].values():
        y, cache = forward(*arguments)
        close(np.array(y, float), expected, 1e-12)
        found = backward(dy, cache)
        pairs = zip(found, gradients) if name == "dense" else [(found, gradients)]
        for actual, gradient in pairs:
            close(None if actual is None else np.array(actual), gradient, 1e-12)


@pytest.mark.parametrize("name", RUNGS["dense"])
def test_without_dx_the_others_are_the_same(rng, name):
    arrays = [rng.standard_normal(s) for s in ((3, 4), (4, 2), (2,))]
    dy = rng.standard_normal((3, 2))
    _, full = run_rung(name, RUNGS["dense"][name], arrays, {}, dy)
    _, part = run_rung(name, RUNGS["dense"][name], arrays, {}, dy, need_dx=False)
    assert part[0] is None and full[0] is not None
    close(part[1], full[1], 0)
    close(part[2], full[2], 0)


@pytest.mark.parametrize("seed", range(3))
def test_gradients_are_slopes(seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((3, 4))
    for name in ("relu", "leaky_relu", "sigmoid", "tanh", "softmax", "log_softmax"):
        dy = upstream(rng, x.shape)
        gradient = backward_of(name)(dy, forward_of(name)(x)[1])
        same_slope(gradient, lambda: forward_of(name)(x)[0], x, dy)
    volume = rng.standard_normal((2, 3, 2, 4))
    dy = upstream(rng, (2, 24))
    same_slope(flatten_backward(dy, flatten(volume)[1]), lambda: flatten(volume)[0], volume, dy)
    dy = upstream(rng, volume.shape)

    def masked():
        return dropout(volume, 0.4, np.random.default_rng(seed))

    same_slope(dropout_backward(dy, masked()[1]), lambda: masked()[0], volume, dy)
    weight, bias = rng.standard_normal((4, 3)), rng.standard_normal(3)
    dy = upstream(rng, (3, 3))
    for array, gradient in zip((x, weight, bias), dense_backward(dy, dense(x, weight, bias)[1])):
        same_slope(gradient, lambda: dense(x, weight, bias)[0], array, dy)


@pytest.mark.parametrize("group_size", [None, 1, 2])
def test_batch_norm_gradients_are_slopes(rng, group_size):
    arrays = [rng.standard_normal(s) for s in ((3, 2, 2, 3), (2,), (2,))]

    def forward():
        return batch_norm2d(*arrays, 1e-3, group_size)

    dy = upstream(rng, (3, 2, 2, 3))
    for array, gradient in zip(arrays, batch_norm2d_backward(dy, forward()[1])):
        same_slope(gradient, lambda: forward()[0], array, dy)


@pytest.mark.parametrize("name", ["relu", "leaky_relu"])
def test_zero_is_a_kink(name, rng):
    x = rng.standard_normal((3, 4))
    x[0, 1] = x[2, 3] = 0
    dy = upstream(rng, x.shape)
    gradient = backward_of(name)(dy, forward_of(name)(x)[1])
    same_slope(gradient, lambda: forward_of(name)(x)[0], x, dy, kinks=2)
    assert gradient[0, 1] == (0 if name == "relu" else 0.01 * dy[0, 1])


def test_far_out_nothing_overflows():
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for dtype in (np.float32, np.float64):
            x = np.array([[-1e4, -1, 0, 1, 1e4]], dtype)
            for table in (RUNGS["sigmoid"], RUNGS["softmax"]):
                for name, rung in table.items():
                    y, _ = run_rung(name, rung, (x,), {}, np.ones((1, 5)))
                    assert np.all((y >= 0) & (y <= 1)) and y[0, -1] == 1 and y[0, 0] == 0
            y, _ = log_softmax(x)
            assert y[0, 0] == -2e4 and y[0, -1] == 0 and np.all(np.isfinite(y))


def test_softmax_of_one_class_is_1_and_has_no_slope(rng):
    x, dy = rng.standard_normal((3, 1)), rng.standard_normal((3, 1))
    y, cache = softmax(x)
    assert np.all(y == 1) and not softmax_backward(dy, cache).any()
    y, cache = log_softmax(x)
    assert not y.any() and not log_softmax_backward(dy, cache).any()


def test_dropout_keeps_the_mean_and_the_rate(rng):
    x = np.ones((100, 100))
    for p in (0.2, 0.5, 0.9):
        y, keep = dropout(x, p, rng)
        error = math.sqrt(p * (1 - p)) / 100  # standard deviation of a fraction of 10,000
        assert abs(np.mean(y == 0) - p) < 5 * error
        assert abs(y.mean() - 1) < 5 * error / (1 - p)
        assert np.unique(keep).tolist() == pytest.approx([0, 1 / (1 - p)])


def test_a_dropout_mask_depends_on_the_generator_only(rng):
    x = rng.standard_normal((4, 2, 3, 3))
    whole, _ = dropout(x, 0.5, np.random.default_rng(3))
    generator = np.random.default_rng(3)  # in two parts: the same mask
    parts = [dropout(part, 0.5, generator)[0] for part in (x[:1], x[1:])]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    small, _ = dropout(x.astype(np.float32), 0.5, np.random.default_rng(3))
    np.testing.assert_array_equal(small == 0, whole == 0)
    transposed = np.asfortranarray(x)
    np.testing.assert_array_equal(dropout(transposed, 0.5, np.random.default_rng(3))[0], whole)


def test_batch_norm_remembers_the_statistics_of_each_group(rng):
    x = rng.standard_normal((5, 2, 3, 2))
    _, cache = batch_norm2d(x, np.ones(2), np.zeros(2), group_size=2)
    assert cache.groups == [slice(0, 2), slice(2, 4), slice(4, 5)]
    for g, group in enumerate(cache.groups):
        close(cache.mean[g], x[group].mean(axis=(0, 2, 3)))
        close(cache.variance[g], x[group].var(axis=(0, 2, 3)))


def test_batch_norm_inference_uses_what_it_is_given(rng):
    x, (weight, bias, mean) = rng.standard_normal((2, 3, 2, 2)), rng.standard_normal((3, 3))
    variance = rng.random(3) + 0.1
    y = frozen(lambda *a: batch_norm2d_inference(*a, 0.01), x, weight, bias, mean, variance)
    for c in range(3):
        close(y[:, c], weight[c] * (x[:, c] - mean[c]) / math.sqrt(variance[c] + 0.01) + bias[c])


@pytest.mark.parametrize("dtype, result", [
    (np.float32, np.float32), (np.float64, np.float64), (np.float16, np.float32),
    (np.int64, np.float64), (np.uint8, np.float64),
])
def test_float32_stays_and_integers_become_float64(dtype, result):
    x = np.arange(12).reshape(3, 4).astype(dtype)
    dy = np.ones((3, 4), dtype)
    for name in ("relu", "leaky_relu", "sigmoid", "tanh", "softmax", "log_softmax", "flatten"):
        y, cache = forward_of(name)(x)
        assert (y.dtype, backward_of(name)(dy, cache).dtype) == (result, result), name
    assert leaky_relu(x, np.float64(0.1))[0].dtype == result
    y, cache = dropout(x, np.float64(0.5), np.random.default_rng(0))
    assert (y.dtype, dropout_backward(dy, cache).dtype) == (result, result)
    y, cache = dense(x, x.T, np.ones(3, dtype))
    assert [y.dtype, *(g.dtype for g in dense_backward(y, cache))] == [result] * 4
    ones, volume = np.ones(4, dtype), x.reshape(1, 4, 3, 1)
    y, cache = batch_norm2d(volume, ones, ones, np.float64(1e-5))
    assert [y.dtype, *(g.dtype for g in batch_norm2d_backward(y, cache))] == [result] * 4
    assert cache.mean.dtype == cache.variance.dtype == result
    assert batch_norm2d_inference(volume, ones, ones, ones, ones, np.float64(1e-5)).dtype == result
    assert x.dtype == dtype


def test_nothing_handed_in_is_changed(rng):
    x = rng.standard_normal((3, 4))
    for name in ("relu", "leaky_relu", "sigmoid", "tanh", "softmax", "log_softmax"):
        y, cache = frozen(forward_of(name), x)
        assert not np.shares_memory(y, x), name
        dy = rng.standard_normal((3, 4))
        dx = frozen(lambda dy: backward_of(name)(dy, cache), dy)
        assert not np.shares_memory(dx, dy), name
        close(backward_of(name)(dy, cache), dx, 0)


def test_an_empty_batch_gives_an_empty_batch():
    for name in (*ACTIVATIONS, "softmax", "log_softmax", "flatten"):
        y, cache = forward_of(name)(np.zeros((0, 3)))
        assert y.shape == (0, 3) and backward_of(name)(y, cache).shape == (0, 3)
    assert flatten(np.zeros((0, 2, 3, 4)))[0].shape == (0, 24)
    y, cache = dense(np.zeros((0, 3)), np.ones((3, 2)), np.ones(2))
    assert y.shape == (0, 2)
    assert [g.shape for g in dense_backward(y, cache)] == [(0, 3), (3, 2), (2,)]


@pytest.mark.parametrize("arguments, message", [
    ((np.ones((2, 3)), np.ones((4, 5))), r"^dense: expected x \(N, 4\), got \(2, 3\)\.$"),
    ((np.ones(4), np.ones((4, 5))), r"expected x \(N, 4\), got \(4,\)"),
    ((np.ones((2, 1, 2, 2)), np.ones((4, 5))),
     r"expected x \(N, 4\), got \(2, 1, 2, 2\)\. Put a Flatten layer in front\."),
    ((np.ones((2, 4)), np.ones(4)), r"expected weight \(in_features, out_features\), got \(4,\)"),
    ((np.ones((2, 4)), np.ones((4, 5)), np.ones(4)), r"expected bias \(5,\), got \(4,\)"),
    ((np.ones((2, 4)), np.ones((4, 5)), np.ones((1, 5))), r"expected bias \(5,\), got \(1, 5\)"),
])
def test_dense_refuses_arrays_that_do_not_fit(arguments, message):
    for forward, _ in RUNGS["dense"].values():
        for change in (np.asarray, np.ndarray.tolist):
            with pytest.raises(ShapeError, match=message):
                forward(*map(change, arguments))


@pytest.mark.parametrize("name", RUNGS)
def test_a_wrong_upstream_gradient_is_refused(name, rng):
    for forward, backward in RUNGS[name].values():
        x = np.ones((2, 3)).tolist()
        _, cache = forward(x, np.ones((3, 3)).tolist()) if name == "dense" else forward(x)
        with pytest.raises(ShapeError, match=f"{name}_backward: .*\\(2, 3\\), got \\(3, 2\\)"):
            backward(np.ones((3, 2)).tolist(), cache)


@pytest.mark.parametrize("call, message", [
    (lambda: softmax(np.ones(3)), r"softmax: expected scores \(N, K\) .*, got \(3,\)"),
    (lambda: log_softmax(np.ones(3)), r"log_softmax: expected scores \(N, K\) .*, got \(3,\)"),
    (lambda: softmax(np.ones((3, 0))), r"with at least one class, got \(3, 0\)"),
    (lambda: RUNGS["softmax"]["formula"][0]([1.0, 2.0]), r"expected scores \(N, K\).*got \(2,\)"),
    (lambda: RUNGS["softmax"]["formula"][0]([[], []]), r"at least one class, got \(2, 0\)"),
    (lambda: RUNGS["softmax"]["formula"][0]([[[1.0]]]), r"\(N, K\) .*, got \(1, 1, 1\)"),
    (lambda: flatten(np.ones(3)), r"flatten: expected a batch \(N, \.\.\.\), got \(3,\)"),
    (lambda: RUNGS["flatten"]["formula"][0]([1.0]), r"flatten: expected a batch .* got \(1,\)"),
    (lambda: dropout_backward(np.ones(2), np.ones(3)), r"dropout_backward.*\(3,\), got \(2,\)"),
    (lambda: log_softmax_backward(np.ones(2), np.ones((1, 2))),
     r"log_softmax_backward.*\(1, 2\), got \(2,\)"),
    (lambda: batch_norm2d_backward(np.ones(2), batch_norm2d(*BATCH)[1]),
     r"batch_norm2d_backward: .*\(2, 3, 2, 2\), got \(2,\)"),
])
def test_wrong_shapes_are_refused(call, message):
    with pytest.raises(ShapeError, match=message):
        call()


BATCH = X, W, B = np.ones((2, 3, 2, 2)), np.ones(3), np.zeros(3)


@pytest.mark.parametrize("operation", [
    lambda x, w=W, b=B, **k: batch_norm2d(x, w, b, **k),
    lambda x, w=W, b=B, **k: batch_norm2d_inference(x, w, b, B, W, **k),
])
@pytest.mark.parametrize("arguments, options, message", [
    ((X[0],), {}, r"expected images \(N, 3, H, W\), got \(3, 2, 2\): .*x\[None\]"),
    ((X[:, :2],), {}, r"expected images \(N, 3, H, W\), got \(2, 2, 2, 2\)"),
    ((X, W, B[:1]), {}, r"expected bias \(3,\), one number a channel, got \(1,\)"),
    ((X, W[None]), {}, r"expected weight \(3,\), one number a channel, got \(1, 3\)"),
    ((X,), {"eps": -1}, r"expected eps >= 0, got -1"),
    ((X,), {"eps": math.nan}, r"expected eps >= 0, got nan"),
])
def test_batch_norm_refuses_arrays_that_do_not_fit(operation, arguments, options, message):
    with pytest.raises(ValueError, match=f"^batch_norm2d: {message}"):
        operation(*arguments, **options)


@pytest.mark.parametrize("x, group_size, message", [
    (np.ones((1, 3, 1, 1)), None, r"at least two values a channel .* got images \(1, 3, 1, 1\)"),
    (np.ones((5, 3, 1, 1)), 1, r"two values a channel .*\(5, 3, 1, 1\) in groups of 1"),
    (np.ones((5, 3, 1, 1)), 2, r"two values a channel .*\(5, 3, 1, 1\) in groups of 2"),
    (np.ones((0, 3, 4, 4)), None, r"two values a channel .* got images \(0, 3, 4, 4\)"),
    (X, 0, r"group_size must be a whole number, at least 1, got 0"),
    (X, 1.5, r"group_size must be a whole number, at least 1, got 1\.5"),
])
def test_a_variance_needs_two_values(x, group_size, message):
    with pytest.raises(ShapeError, match=f"batch_norm2d: .*{message}"):
        batch_norm2d(x, W, B, group_size=group_size)


def test_given_statistics_must_be_one_a_channel():
    for name, arrays in (("mean", (B[:2], W)), ("variance", (B, W[:2]))):
        with pytest.raises(ShapeError, match=rf"expected {name} \(3,\), .* got \(2,\)"):
            batch_norm2d_inference(X, W, B, *arrays)


@pytest.mark.parametrize("p", [1, -0.1, 1.5, math.nan])
def test_dropout_wants_a_probability_below_1(p, rng):
    with pytest.raises(ValueError, match=f"dropout: expected a probability 0 <= p < 1, got {p}"):
        dropout(X, p, rng)


def test_complex_numbers_are_refused(rng):
    z = np.ones((2, 3), complex)
    for call in (lambda: relu(z), lambda: leaky_relu(z), lambda: sigmoid(z), lambda: tanh(z),
                 lambda: softmax(z), lambda: log_softmax(z), lambda: flatten(z),
                 lambda: dense(z, W[:, None]), lambda: dropout(z, 0.5, rng),
                 lambda: batch_norm2d(X + 1j, W, B)):
        with pytest.raises(ValueError, match=r"^\w+: expected real numbers .* got complex128"):
            call()
    for name in (*ACTIVATIONS, "softmax", "log_softmax", "flatten"):
        _, cache = forward_of(name)(np.ones((2, 3)))
        with pytest.raises(ValueError, match=f"{name}_backward: expected real numbers"):
            backward_of(name)(z, cache)
