"""What the published systems got wrong, each shown by the smallest case that shows it.

The names are those of the systems, S0 to S4. Mistakes that change a training stand in
test_experiments.py; here are sums, claims and gradients.
"""

import math

import numpy as np
import pytest
from oracle import central_differences

from course_lib import config
from course_lib.conv import conv2d, conv2d_backward
from course_lib.experiments import measure, systems
from course_lib.formula import stable_sigmoid
from course_lib.initializers import fan_in_and_out, he_normal, sine, xavier_normal
from course_lib.layers import Conv2D
from course_lib.losses import binary_cross_entropy, hinge, softmax_cross_entropy
from course_lib.metrics import wilson_interval
from course_lib.pointwise import softmax
from course_lib.pool import avg_pool2d, max_pool2d, max_pool2d_backward
from course_lib.shapes import ShapeError, output_size

X = np.array([[[[0.0, 3, 4], [9, 5, 0], [6, 2, 1]]]])  # S3's worked example
F = np.array([[[[0.0, 1], [0, 2]]]])


# ---- S0


def test_s0_the_derivative_of_the_sigmoid_does_not_belong_into_the_gradient():
    z, t = np.array([-8.0]), np.array([1.0])  # sure, and wrong
    slope, _ = central_differences(lambda: np.array(binary_cross_entropy(z, t)[0]), z,
                                   np.array(1.0))
    p = stable_sigmoid(-8.0)
    assert slope[0] == pytest.approx(p - 1, rel=1e-6)
    assert abs((p - 1) * p * (1 - p)) < abs(slope[0]) / 1_000  # it would hardly learn


def test_s0_the_plain_sigmoid_and_the_plain_logarithm_break():
    with pytest.raises(OverflowError):
        1 / (1 + math.exp(710))
    assert stable_sigmoid(-710) == pytest.approx(0)
    with pytest.raises(ValueError):
        math.log(1 - stable_sigmoid(40))
    assert binary_cross_entropy(np.array([1000.0]), np.array([0.0]))[0] == pytest.approx(1000)


def test_s0_zeros_and_ones_need_no_learning():
    rows = measure.stored("s0")["tables"]["Frozen or trained kernel, judged on all zeros and "
                                          "ones it never saw"]
    shares = {row["trial"]: row["mean"] for row in rows}
    assert shares["brightness"] > 0.88 and shares["brightness of the centre"] > 0.93
    assert shares["kernel frozen"] > 0.97  # learning adds a little; training the kernel less


# ---- S1


def test_s1_its_seconds_are_not_proportional_to_its_epochs():
    each = [seconds / epochs for epochs, seconds in systems.S1_SECONDS.items()]
    assert [round(value, 1) for value in each] == [18.4, 20.7, 25.7, 24.9]


def test_s1_25_of_25_is_compatible_with_87_percent():
    assert wilson_interval(25, 25)[0] == pytest.approx(0.867, abs=5e-4)
    assert 0.025 ** (1 / 25) == pytest.approx(0.863, abs=5e-4)  # exact: Clopper and Pearson


def test_s1_nearly_all_its_parameters_lie_in_one_dense_layer():
    recipe = config.parse(systems.S1_NETWORK)
    counts = [layer.parameters for layer in recipe.layers]
    assert counts == [160, 0, 401_536, 258] and 401_536 / recipe.parameters > 0.998


def test_s1_softmax_without_subtracting_the_maximum_overflows():
    with pytest.raises(OverflowError):
        math.exp(710.0)
    assert softmax(np.array([[1000.0, 0.0]]))[0].tolist() == [[1.0, 0.0]]


# ---- S2


def test_s2_counts_of_parameters():
    pixels = 224 * 224 * 3
    dense = {units: config.parse(f"2\nInput shape=3x224x224\nDense units={units}").parameters
             for units in (128, 256)}
    assert dense == {128: 19_267_712, 256: 38_535_424}  # "128 units, over 37 million"
    assert dense[128] == pixels * 128 + 128
    # "628 times fewer": 128 outputs against 10,816. With as many outputs a dense layer has:
    assert 16 * 26 * 26 == 10_816 and (784 + 1) * 10_816 == 8_490_560


@pytest.mark.parametrize("padding, without_floor, right", [(0, 3.5, 3), (1, 4.5, 4)])
def test_s2_the_size_formula_needs_its_floor(padding, without_floor, right):
    assert (8 - 3 + 2 * padding) / 2 + 1 == without_floor
    assert output_size(8, 3, 2, (padding, padding)) == right


def test_s2_same_padding_is_not_always_half_the_kernel():
    assert (4 - 1) / 2 == 1.5  # an even kernel
    assert output_size(8, 3, 2, (1, 1)) != 8  # a stride


def test_s2_pooling_is_hardly_invariant_to_a_shift():
    image = np.zeros((1, 1, 6, 6))
    image[0, 0, :2, 4:] = [[5, 8], [7, 3]]
    moved = np.roll(image, (1, -1), axis=(2, 3))
    pooled = [max_pool2d(x, 2)[0][0, 0] for x in (image, moved)]
    np.testing.assert_array_equal(pooled[0], [[0, 0, 8], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(pooled[1], [[0, 5, 8], [0, 7, 3], [0, 0, 0]])
    assert pooled[0][0, 2] == pooled[1][0, 2] and (pooled[0] != pooled[1]).sum() == 3


def test_s2_what_it_calls_xavier_is_he(rng):
    shape = (4, 1, 3, 3)
    fan_in, fan_out = fan_in_and_out(shape)
    assert math.sqrt(2 / fan_in) == pytest.approx(0.471, abs=5e-4)
    assert math.sqrt(2 / (fan_in + fan_out)) == pytest.approx(0.211, abs=5e-4)
    assert he_normal((4000, 1, 3, 3), rng).std() == pytest.approx(0.471, rel=0.02)


def test_s2_all_ties_double_a_gradient_that_random_images_leave_right():
    rows = measure.stored("s2")["tables"]["Its pool gradient (all ties): error of the first "
                                          "layer's gradient"]
    lines, random = (row["mean"] for row in rows)
    assert lines > 0.1 and random < 1e-9


def test_s2_a_small_number_inside_the_logarithm_makes_a_negative_loss_with_a_ceiling():
    assert -math.log(1 + 1e-10) < 0
    assert -math.log(0 + 1e-10) == pytest.approx(23.03, abs=5e-3)
    loss, _ = softmax_cross_entropy(np.array([[0.0, 100.0]]), [0])
    assert loss == pytest.approx(100)


def test_s2_s3_gradients_in_an_array_of_the_images_integers_fail():
    image = np.array([[1, 2], [3, 4]])
    with pytest.raises(TypeError, match="[Cc]annot cast"):
        dx = np.zeros_like(image)
        dx += np.array([[0.5, 0], [0, 0]])
    dx = max_pool2d_backward(np.array([[[[0.5]]]]), max_pool2d(image[None, None], 2)[1])
    assert dx[0, 0].tolist() == [[0, 0], [0, 0.5]]


def test_s2_a_kernel_larger_than_the_image_is_an_error_with_both_sizes():
    assert np.zeros((2 - 3 + 1, 2)).size == 0  # what it computes: an empty array, silently
    with pytest.raises(ShapeError, match="(?s)3.*2"):
        conv2d(np.zeros((1, 1, 2, 2)), np.zeros((1, 1, 3, 3)))


def test_s2_its_direct_comparison_compares_two_networks():
    ours, theirs = map(config.parse, (systems.S2_NETWORK, systems.S2_FRAMEWORK_NETWORK))
    assert (ours.parameters, theirs.parameters) == (114, 674)


# ---- S3


def test_s3_its_worked_example_is_right_and_is_a_cross_correlation():
    np.testing.assert_array_equal(conv2d(X, F)[0][0, 0], [[13, 4], [9, 2]])
    turned = conv2d(X, F[:, :, ::-1, ::-1])[0][0, 0]  # a true convolution
    np.testing.assert_array_equal(turned, [[9, 11], [24, 12]])


def test_s3_its_gradients_have_an_offset_and_the_shape_of_what_they_belong_to():
    dy = np.array([[[[1.0, 2], [3, 4]]]])
    dx, dweight, _ = conv2d_backward(dy, conv2d(X, F)[1])
    np.testing.assert_array_equal(dweight[0, 0], [[53, 26], [45, 15]])  # not one number for all
    np.testing.assert_array_equal(dx[0, 0], [[0, 1, 2], [0, 5, 8], [0, 6, 8]])  # 3x3, not 2x2
    turned = F[:, :, ::-1, ::-1]
    full = conv2d(dy, turned, padding=1)[0]  # a full cross-correlation with the turned filter
    np.testing.assert_array_equal(full, dx)
    assert conv2d(dy, turned)[0].shape == (1, 1, 1, 1)  # "perform a convolution": not a valid one


def test_s3_its_variance_of_xavier_is_he_s(rng):
    fan_in, fan_out = 300, 100
    weights = xavier_normal((fan_in, fan_out), rng)
    assert weights.var() == pytest.approx(2 / (fan_in + fan_out), rel=0.03)
    assert 2 / fan_in > 1.3 * weights.var()


def test_s3_most_windows_of_a_digit_are_tied(mnist):
    x = mnist.train_images[:2_000].reshape(-1, 14, 2, 14, 2).transpose(0, 1, 3, 2, 4)
    windows = x.reshape(-1, 4)
    tied = (windows == windows.max(axis=1, keepdims=True)).sum(axis=1) > 1
    assert tied.mean() == pytest.approx(0.83, abs=0.015)
    assert (tied & (windows.max(axis=1) > 0)).mean() == pytest.approx(0.08, abs=0.015)


def test_s3_convolution_average_pool_and_dense_are_one_linear_map(rng):
    weight, dense = rng.normal(size=(2, 1, 3, 3)), rng.normal(size=(2 * 3 * 3, 4))

    def network(x, activation):
        return avg_pool2d(activation(conv2d(x, weight)[0]), 2)[0].reshape(len(x), -1) @ dense

    a, b = rng.normal(size=(2, 3, 1, 8, 8))
    for activation, linear in ((lambda y: y, True), (lambda y: np.maximum(y, 0), False)):
        together = network(a + b, activation)
        apart = network(a, activation) + network(b, activation)
        assert np.allclose(together, apart) == linear


def test_s3_a_layer_that_reads_rows_first_and_writes_channels_first_cannot_be_stacked(rng):
    def published(x, filters):  # x (H, W, C), filters (F, 3, 3, C) -> (F, H - 2, W - 2)
        H, W, _ = x.shape
        return np.array([[[(x[i:i + 3, j:j + 3] * f).sum() for j in range(W - 2)]
                          for i in range(H - 2)] for f in filters])

    image = rng.normal(size=(8, 8, 1))
    y = published(image, rng.normal(size=(4, 3, 3, 1)))
    with pytest.raises(ValueError, match=r"\(3,3,6\) \(3,3,4\)"):
        published(y, rng.normal(size=(2, 3, 3, 4)))
    y, second = published(image, rng.normal(size=(6, 3, 3, 1))), rng.normal(size=(2, 3, 3, 6))
    z = published(y, second)  # six filters on 6x6 maps: it runs, and is wrong
    assert not np.allclose(z, published(y.transpose(1, 2, 0), second))


def test_s3_softmax_has_a_whole_jacobian():
    p = np.array([0.245, 0.665, 0.090])
    _, right = softmax_cross_entropy(np.log(p)[None], [2])
    np.testing.assert_allclose(right[0], [0.245, 0.665, -0.910], atol=1e-9)
    elementwise = np.array([0, 0, -1 / p[2]]) * p * (1 - p)
    np.testing.assert_allclose(elementwise, [0, 0, -0.910], atol=1e-9)  # the wrong ones get 0


def test_s3_its_difference_between_two_rates_is_no_difference():
    a, b = (systems.S3_PUBLISHED[lr][3][1] for lr in (0.01, 0.1))
    error = math.sqrt(a * (1 - a) / 2000 + b * (1 - b) / 2000)
    assert a - b == pytest.approx(0.0070) and error == pytest.approx(0.0074, abs=5e-5)
    assert systems.S3_PUBLISHED[0.1][2][1] > systems.S3_PUBLISHED[0.01][2][1]  # the other way
    for rates in systems.S3_PUBLISHED.values():
        for _, test in rates.values():
            assert (test * 2000) == pytest.approx(round(test * 2000))


def test_s3_hinge_is_three_different_losses(rng):
    logits, labels = 3 * rng.normal(size=(20, 10)), rng.integers(0, 10, 20)
    losses = {kind: hinge(logits, labels, kind)[0] for kind in ("sum", "mean_classes", "crammer")}
    assert losses["mean_classes"] == pytest.approx(losses["sum"] / 10)
    assert losses["mean_classes"] < losses["crammer"] < losses["sum"]


def test_s3_an_array_of_layers_updated_from_the_second_on():
    layers, updated = ["first", "second", "third"], []
    for i in range(1, len(layers)):
        updated.append(layers[i])
    assert "first" not in updated  # what this costs: test_experiments and the stored result


def test_s3_no_bias_says_nothing_about_a_black_image(rng):
    black = np.zeros((1, 1, 5, 5))
    assert not Conv2D(1, 3, 3, bias=False, rng=rng).forward(black).any()


# ---- S4


def test_s4_195_of_200_and_how_far_slices_of_200_lie_apart():
    low, high = wilson_interval(195, 200)
    assert (low, high) == (pytest.approx(0.943, abs=5e-4), pytest.approx(0.989, abs=5e-4))
    runs = measure.stored("s4")["trials"]["random subsets"]
    for run in runs:  # every one of these networks has a slice as good as the published score
        assert len(run["slices"]) == 50
        assert max(run["slices"]) >= 0.975 and max(run["slices"]) - min(run["slices"]) > 0.08
        assert run["all_accuracy"] < 0.95


def test_s4_some_constants_of_the_sine_make_all_filters_equal_or_zero():
    equal = sine((8, 1, 3, 3), alpha=2 * math.pi / 9).astype(float)
    np.testing.assert_allclose(equal, np.broadcast_to(equal[:1], equal.shape), atol=1e-6)
    assert np.abs(sine((8, 1, 3, 3), alpha=math.pi, dtype=float)).max() < 1e-13
    plain = sine((8, 1, 3, 3), alpha=1.0)
    assert np.abs(plain - plain[:1]).max() > 0.1
    rows = {row["label"]: row["mean"] for row in measure.stored("s4")["tables"][
        "Its sine initialiser, whose constants are not stated (first 1,000 and 200)"]}
    assert rows["alpha pi, gamma 0.1"] < 0.2 < 0.6 < rows["alpha 1, gamma 0.1"]


def test_s4_accuracy_does_not_prove_gradients():
    rows = measure.stored("s4")["tables"]["Which mistakes does accuracy hide? All test images "
                                          "after 5 epochs"]
    hidden = {row["label"] for row in rows if row["gain"] and row["gain"]["mean"] > -0.01}
    assert {"ties doubled", "no conv bias gradient", "first layer frozen"} <= hidden


def test_s4_its_second_pool_drops_a_row_and_a_column(rng):
    x = rng.normal(size=(1, 1, 11, 11))
    y, cache = max_pool2d(x, 2)
    dx = max_pool2d_backward(np.ones_like(y), cache)
    assert y.shape == (1, 1, 5, 5)
    assert not dx[..., 10, :].any() and not dx[..., :, 10].any() and dx.sum() == 25
    assert 16 * 5 * 5 == 400 and config.parse(systems.S4_NETWORK).parameters == 5_258
