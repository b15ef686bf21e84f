"""First weights: their variance is measured on many of them, the sine's trap is shown."""

import math
from functools import partial

import numpy as np
import pytest

from course_lib.doors import check_rng
from course_lib.initializers import (
    INITIALIZERS, fan_in_and_out, he_normal, he_uniform, sine, xavier_normal,
    xavier_uniform,
)
from course_lib.layers import Conv2D, Dense
from course_lib.shapes import ShapeError

SHAPES = {  # enough weights that the measured variance is within 2 % of the true one
    (400, 200): (400, 200),
    (50, 800): (50, 800),
    (64, 32, 5, 5): (32 * 25, 64 * 25),
    (16, 200, 3, 4): (200 * 12, 16 * 12),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_fans_by_counting(shape):
    assert fan_in_and_out(shape) == SHAPES[shape]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", INITIALIZERS)
def test_mean_and_variance(name, shape, rng):
    fan_in, fan_out = SHAPES[shape]
    variance = 2 / fan_in if name.startswith("he") else 2 / (fan_in + fan_out)
    weight = INITIALIZERS[name](shape, rng, dtype=np.float64)
    # five standard errors: that of a variance is at most sqrt(2 / count) of it
    assert weight.shape == shape
    assert abs(weight.mean()) < 5 * math.sqrt(variance / weight.size)
    assert abs(weight.var() / variance - 1) < 5 * math.sqrt(2 / weight.size)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_normal_and_uniform_have_their_shapes(name, rng):
    weight = INITIALIZERS[name]((400, 200), rng, np.float64)
    sigmas = weight / weight.std()
    if name.endswith("uniform"):
        assert 1.72 < np.abs(sigmas).max() < 1.75  # sqrt(3): the ends of a uniform distribution
        assert abs(np.mean(np.abs(sigmas) < math.sqrt(3) / 2) - 0.5) < 0.01
    else:
        assert np.abs(sigmas).max() > 3.5
        assert abs(np.mean(np.abs(sigmas) < 1) - 0.6827) < 0.01


def test_he_keeps_the_second_moment_through_relu_layers(rng):
    x = rng.standard_normal((200, 300))
    for _ in range(5):
        before = np.mean(x * x)
        x = np.maximum(x @ he_normal((300, 300), rng, np.float64), 0)
        assert 0.8 < np.mean(x * x) / before < 1.25


@pytest.mark.parametrize("name", INITIALIZERS)
def test_dtype_and_the_generator_decide(name):
    init = INITIALIZERS[name]
    weight = init((3, 4), np.random.default_rng(5))
    assert weight.dtype == np.float32
    assert init((3, 4), np.random.default_rng(5), np.float64).dtype == np.float64
    np.testing.assert_array_equal(weight, init((3, 4), np.random.default_rng(5)))
    assert np.any(weight != init((3, 4), np.random.default_rng(6)))


def test_the_table_names_its_functions():
    assert INITIALIZERS == {function.__name__: function for function in
                            (he_normal, he_uniform, xavier_normal, xavier_uniform)}


def test_sine_is_what_its_formula_says():
    weight = sine((2, 1, 3, 2), alpha=0.7, beta=0.2, gamma=3.0, dtype=np.float64)
    expected = [3 * math.sin(0.7 * i + 0.2) for i in range(12)]
    np.testing.assert_allclose(weight.ravel(), expected, rtol=1e-14)
    default = sine((2, 5))
    assert default.dtype == np.float32 and default.shape == (2, 5)
    np.testing.assert_allclose(default.ravel(), [0.1 * math.sin(i) for i in range(10)], rtol=1e-6)


def test_sine_with_a_ninth_of_the_circle_makes_all_kernels_equal():
    weight = sine((4, 2, 3, 3), alpha=2 * math.pi / 9)
    for kernel in weight.reshape(8, 3, 3):
        np.testing.assert_allclose(kernel, weight[0, 0], atol=1e-6)
    assert np.ptp(sine((4, 2, 3, 3), alpha=1.0)[:, 0, 0, 0]) > 0.05
    np.testing.assert_allclose(sine((4, 2, 3, 3), alpha=math.pi), 0, atol=1e-6)


def test_a_layer_takes_any_initialiser(rng):
    np.testing.assert_array_equal(Conv2D(2, 3, 3, init=sine).weight.data, sine((3, 2, 3, 3)))
    layer = Dense(4, 5, init=partial(sine, alpha=2.0, gamma=1.0), dtype=np.float64)
    np.testing.assert_array_equal(layer.weight.data, sine((4, 5), 2.0, 0.0, 1.0, np.float64))
    for init in INITIALIZERS.values():
        layer = Conv2D(2, 3, (3, 2), init=init, rng=np.random.default_rng(1))
        expected = init((3, 2, 3, 2), np.random.default_rng(1))
        np.testing.assert_array_equal(layer.weight.data, expected)


@pytest.mark.parametrize("shape, got", [((3,), r"\(3,\)"), ((2, 3, 4), r"\(2, 3, 4\)")])
def test_only_dense_and_convolution_weights_have_fans(shape, got, rng):
    for call in (lambda: fan_in_and_out(shape), lambda: he_uniform(shape, rng)):
        with pytest.raises(ShapeError, match=f"fan_in_and_out: expected a weight .* got {got}"):
            call()


@pytest.mark.parametrize("wrong", [0, "seed", np.random.RandomState(0)])
def test_a_seed_is_not_a_generator(wrong):
    with pytest.raises(ValueError, match=r"Dense: expected rng to be a np.random.Generator, got .*"
                                         r"try np.random.default_rng\(0\)"):
        Dense(2, 3, rng=wrong)


def test_a_generator_stays_and_nothing_gives_a_fresh_one(rng):
    assert check_rng(rng, "Dense") is rng
    assert check_rng(None, "Dense").random() != check_rng(None, "Dense").random()
