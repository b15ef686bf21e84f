"""What the tests of operations share: ugly random cases, a comparison, central differences.

Nothing here uses the library: sizes and padding are worked out by counting.
"""

from typing import NamedTuple

import numpy as np

H = 1e-5  # the step of central differences


class Case(NamedTuple):
    """Windows on an image: sizes as a person writes them, and `zeros`, the padding in numbers."""

    size: tuple
    kernel_size: object
    stride: object
    padding: object
    zeros: tuple


def pick(rng, *choices):
    return choices[rng.integers(len(choices))]


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


def count_windows(n, k, s):
    """How many windows of k values fit into n when every s-th place counts."""
    return len(range(0, n - k + 1, s))


def zeros_around(padding, n, k, s, axis):
    """(before, after) along one axis; "same" is found by adding zeros until enough windows fit."""
    if padding == "valid":
        return 0, 0
    if padding == "same":
        total, wanted = 0, len(range(0, n, s))
        while count_windows(n + total, k, s) < wanted:
            total += 1
        return total // 2, (total + 1) // 2
    return pair(pair(padding)[axis])


def random_case(rng, pooling=False):
    """Uneven sizes, kernels, strides and paddings; sometimes the kernel is the image."""
    while True:
        size = tuple(int(n) for n in rng.integers(1, 9, 2))
        kernel = pick(rng, 1, 2, 3, 5, (1, 3), (3, 2), (2, 5), (4, 1), size)
        stride = pick(rng, 1, 1, 2, 3, 4, (1, 2), (3, 2), (2, 5))
        padding = pick(rng, 0, 0, 1, 2, (1, 0), (0, 2), (2, 1), "same", "valid",
                       ((1, 0), (0, 2)), ((0, 1), (0, 0)))
        kernels, strides = pair(kernel), pair(stride)
        zeros = tuple(zeros_around(padding, size[axis], kernels[axis], strides[axis], axis)
                      for axis in (0, 1))
        axes = list(zip(size, kernels, zeros))
        fits = all(n + sum(z) >= k for n, k, z in axes)
        if fits and not (pooling and any(max(z) > k // 2 for _, k, z in axes)):
            return Case(size, kernel, stride, padding, zeros)


def values(rng, *shape):
    """float64 numbers: normal, small integers (many ties), or normal but not contiguous."""
    kind = pick(rng, "normal", "integers", "strided", "reversed")
    if kind == "integers":
        return rng.integers(-2, 3, shape).astype(float)
    if kind == "strided":
        return rng.standard_normal((*shape[:-1], 2 * shape[-1]))[..., ::2]
    if kind == "reversed":
        return np.moveaxis(rng.standard_normal(shape[::-1]), range(len(shape)),
                           range(len(shape))[::-1])
    return rng.standard_normal(shape)


def close(actual, expected, tolerance=1e-9, dtype=np.float64, what=""):
    """Demand the shape, the dtype, and errors of at most `tolerance` of the array's maximum."""
    if expected is None or actual is None:
        assert actual is None and expected is None, (what, actual, expected)
        return
    if hasattr(expected, "detach"):
        expected = expected.detach().numpy()
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, (what, actual.shape, expected.shape)
    assert dtype is None or actual.dtype == dtype, (what, actual.dtype, dtype)
    if expected.size:
        error, scale = np.abs(actual - expected).max(), np.abs(expected).max()
        assert error <= tolerance * scale, f"{what}: error {error} for values up to {scale}"


def tensors(torch, *arrays):
    """The arrays as leaves of PyTorch's graph, in float64; None stays None."""
    return [None if a is None else torch.tensor(np.ascontiguousarray(a), requires_grad=True)
            for a in arrays]


def central_differences(function, x, dy):
    """d sum(dy * function()) / dx, and True where the slopes left and right agree (no kink)."""
    middle, gradient, smooth = np.sum(dy * function()), np.zeros(x.shape), np.ones(x.shape, bool)
    slopes = np.zeros((2, *x.shape))
    for index in np.ndindex(x.shape):
        saved = x[index]
        for side, sign in enumerate((1, -1)):
            x[index] = saved + sign * H
            slopes[(side, *index)] = sign * (np.sum(dy * function()) - middle) / H
        x[index] = saved
        gradient[index] = slopes[(slice(None), *index)].mean()
    smooth = np.abs(slopes[0] - slopes[1]) <= 1e-2 * np.abs(gradient).max()
    return gradient, smooth


def same_slope(actual, function, x, dy, kinks=0):
    """Demand that `actual` is the slope of function() along x, `kinks` coordinates left out."""
    expected, smooth = central_differences(function, x, dy)
    assert actual.shape == expected.shape
    assert np.sum(~smooth) == kinks, f"{np.sum(~smooth)} kinks, expected {kinks}"
    error = np.abs(actual - expected)[smooth].max() / np.abs(expected).max()
    assert error <= 1e-7, error


def upstream(rng, shape):
    """A random upstream gradient, never ones and nowhere near 0."""
    return rng.uniform(0.5, 2, shape) * rng.choice([-1, 1], shape)


def lists(argument):
    """Arrays as nested lists of Python numbers; all else as it is."""
    return argument.tolist() if isinstance(argument, np.ndarray) else argument


def run_rung(name, rung, arguments, options, dy, **backward_options):
    """y and a tuple of gradients of one rung; the formula gets nested lists."""
    forward, backward = rung
    change = lists if name == "formula" else (lambda argument: argument)
    y, cache = forward(*map(change, arguments), **options)
    gradients = backward(change(dy), cache, **backward_options)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    return np.array(y), [None if g is None else np.array(g) for g in gradients]


def rungs_agree(table, arguments, options, rng, **backward_options):
    """Demand that every rung of a table gives what its vectorised rung gives."""
    shape = np.shape(table["vectorised"][0](*arguments, **options)[0])
    dy = values(rng, *shape)
    y, gradients = run_rung("vectorised", table["vectorised"], arguments, options, dy,
                            **backward_options)
    assert len(table) > 1
    for name in table:
        found, others = run_rung(name, table[name], arguments, options, dy, **backward_options)
        close(found, y, 1e-12, what=name)
        assert len(others) == len(gradients), name
        for other, gradient in zip(others, gradients):
            close(other, gradient, 1e-12, what=name)


def frozen(function, *arrays):
    """Call function(*arrays) and demand that it leaves every array's values as they were."""
    before = [None if a is None else np.array(a) for a in arrays]
    result = function(*arrays)
    for array, old in zip(arrays, before):
        if old is not None:
            np.testing.assert_array_equal(array, old)
    return result
