"""Gradient checking: it agrees with calculus, finds planted mistakes and says which they are."""

import copy

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from course_lib import losses, pointwise
from course_lib.conv import conv2d, conv2d_backward
from course_lib.gradcheck import (
    GradientCheckError, check_gradients, numerical_gradient, step_sizes,
)
from course_lib.layers import (
    AvgPool2D, BatchNorm2D, Conv2D, Dense, Dropout, Flatten, GlobalAvgPool2D, Layer, LeakyReLU,
    MaxPool2D, Parameter, ReLU, Sigmoid, Softmax, Tanh,
)
from course_lib.model import Sequential
from course_lib.pool import max_pool2d, max_pool2d_backward


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def double(kind, *arguments, **options):
    """A layer in float64 with weights from a fixed seed."""
    return kind(*arguments, **options, rng=np.random.default_rng(1), dtype=np.float64)


# ---- numerical_gradient and step_sizes


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.sampled_from([(3,), (2, 3), (1, 2, 2)]))
def test_numerical_gradient_of_functions_with_a_known_gradient(seed, shape):
    x = normal(*shape, seed=seed)
    kept = x.copy()
    a = normal(*shape, seed=seed + 1)
    for function, gradient in [
        (lambda x: (a * x).sum(), a),
        (lambda x: (a * x**3).sum(), 3 * a * x**2),
        (lambda x: np.exp(x).sum(), np.exp(x)),
        (lambda x: np.prod(x), np.prod(x) / x),
    ]:
        found = numerical_gradient(function, x)
        assert np.abs(found - gradient).max() <= 1e-8 * max(1, np.abs(gradient).max())
    assert np.array_equal(x, kept)


def test_numerical_gradient_divides_by_the_step_that_was_made():
    """Near a million, x + 1e-5 is rounded to the next multiple of 1e-10."""
    x = np.array([1e6, -3e6])
    x.flags.writeable = False  # and nothing is written to x itself
    found = numerical_gradient(lambda x: (3 * (x - [1e6, -3e6])).sum(), x)
    assert found == pytest.approx([3, 3], abs=1e-12)


def test_numerical_gradient_is_second_order():
    errors = [abs(numerical_gradient(lambda x: (x**3)[0], np.array([2.0]), h)[0] - 12)
              for h in (1e-1, 5e-2)]
    assert errors == pytest.approx([1e-2, 2.5e-3], rel=1e-6)  # h², not h


def test_numerical_gradient_of_what_has_none():
    with pytest.raises(GradientCheckError, match=r"must return one number, got shape \(3,\)"):
        numerical_gradient(lambda x: x, np.ones(3))
    with pytest.raises(GradientCheckError, match=r"x must hold floating point numbers, got int64"):
        numerical_gradient(lambda x: x.sum(), np.ones(3, np.int64))


@pytest.mark.parametrize("dtype, best", [(np.float64, (1e-7, 1e-4)), (np.float32, (1e-3, 1e-1))])
def test_the_error_is_a_u_curve(dtype, best):
    x = normal(6)
    curve = dict(step_sizes(lambda x: np.exp(x).sum(), x, np.exp(x), dtype=dtype))
    assert best[0] <= min(curve, key=curve.get) <= best[1]
    assert curve[1e-1] > 1e-4 and curve[1e-12] > 1e-5  # truncation; rounding


# ---- everything that is right passes


LAYERS = [
    (double(Conv2D, 2, 3, (3, 2), stride=(2, 1), padding=(1, 0)), (2, 2, 5, 6)),
    (double(Conv2D, 1, 2, 3, padding="same", bias=False), (1, 1, 4, 5)),
    (double(Conv2D, 2, 1, (4, 5)), (3, 2, 4, 5)),
    (double(Dense, 5, 3), (4, 5)),
    (MaxPool2D((2, 3), stride=(1, 2), padding=1), (2, 2, 5, 7)),
    (AvgPool2D(3, stride=2, padding=1, count_include_pad=False), (2, 1, 5, 6)),
    (GlobalAvgPool2D(), (2, 3, 4, 5)), (Flatten(), (2, 3, 2, 2)),
    (ReLU(), (3, 4)), (LeakyReLU(0.2), (3, 4)), (Sigmoid(), (3, 4)), (Tanh(), (3, 4)),
    (Softmax(), (3, 4)),
    (Dropout(0.4, rng=np.random.default_rng(3)), (3, 5, 2, 2)),
    (BatchNorm2D(3, dtype=np.float64), (4, 3, 2, 3)),
    (BatchNorm2D(2, group_size=2, dtype=np.float64), (5, 2, 2, 3)),
]


@pytest.mark.parametrize("layer, shape", LAYERS, ids=lambda value: repr(value))
def test_every_layer_passes(layer, shape, rng):
    report = check_gradients(layer, normal(*shape), rng=rng, max_coordinates=None)
    assert report.passed, report
    assert report.error <= 1e-7
    assert [array.name for array in report.arrays] == ["x", *layer.parameters()]
    size = int(np.prod(shape)) + sum(p.data.size for p in layer.parameters().values())
    assert sum(array.judged + array.left_out for array in report.arrays) == size
    assert report.left_out <= 0.1 * size


LOSSES = [
    (losses.softmax_cross_entropy, (5, 4), np.array([0, 3, 1, 1, 2])),
    (losses.binary_cross_entropy, (5, 1), np.array([0.0, 1, 1, 0, 1])[:, None]),
    (losses.mean_squared_error, (3, 2), normal(3, 2, seed=9)),
    (losses.hinge, (5, 4), np.array([0, 3, 1, 1, 2])),
]


@pytest.mark.parametrize("loss, shape, targets", LOSSES, ids=lambda v: getattr(v, "__name__", ""))
def test_every_loss_passes(loss, shape, targets, rng):
    report = check_gradients(loss, normal(*shape), targets, rng=rng)
    assert report.passed, report
    assert report["logits"].judged >= 0.9 * np.prod(shape)


def plain_network():
    return Sequential([
        double(Conv2D, 1, 4, 3, padding="same"), ReLU(), MaxPool2D(2), double(Conv2D, 4, 3, 3),
        Tanh(), Flatten(), double(Dense, 3 * 2 * 3, 3), Softmax()], input_shape=(1, 8, 10))


def modern_network():
    return Sequential([
        double(Conv2D, 2, 3, 3, padding=1, bias=False), BatchNorm2D(3, dtype=np.float64),
        LeakyReLU(0.1), Dropout(0.3), AvgPool2D(2), double(Conv2D, 3, 4, 2, stride=(2, 1)),
        GlobalAvgPool2D(), double(Dense, 4, 5), Softmax()], input_shape=(2, 7, 6))


@pytest.mark.parametrize("make", [plain_network, modern_network])
def test_two_whole_networks_pass_and_are_left_as_they_were(make, rng):
    model = make()
    x = normal(4, *model.input_shape)
    before, kept = model.state(), x.copy()
    report = check_gradients(model, x, np.array([0, 2, 1, 2]), loss=losses.softmax_cross_entropy,
                             rng=rng)
    assert report.passed, report
    assert [array.name for array in report.arrays] == ["x", *model.parameters()]
    assert np.array_equal(x, kept)
    for name, array in before.items():  # running statistics too
        assert np.array_equal(model.state()[name], array)
    assert all(not parameter.grad.any() for parameter in model.parameters().values())
    assert check_gradients(model, x, rng=rng).passed  # without a loss: a random upstream gradient


def test_a_gradient_that_is_zero_passes(rng):
    """Batch norm takes the mean away again, so a bias in front of it changes nothing."""
    model = Sequential([double(Conv2D, 2, 3, 3), BatchNorm2D(3, dtype=np.float64), Tanh()])
    report = check_gradients(model, normal(4, 2, 6, 5), rng=rng)
    assert report.passed, report
    assert report["0.bias"].judged == 3


def test_a_pair_of_functions(rng):
    arrays = (normal(2, 2, 5, 4), normal(3, 2, 3, 2, seed=1), normal(3, seed=2))
    report = check_gradients(conv2d, arrays, backward=conv2d_backward, rng=rng)
    assert report.passed, report
    assert [array.name for array in report.arrays] == ["x", "weight", "bias"]
    assert check_gradients(lambda *a: conv2d(*a, stride=2), arrays, backward=conv2d_backward,
                           rng=rng).passed


def test_a_parameter_used_twice(rng):
    dense = double(Dense, 4, 4)

    class Twice(Layer):
        """dense(dense(x)): each use has its own memory, the gradients add up."""

        def parameters(self):
            return dense.parameters()

        def forward(self, x):
            self.uses = [copy.copy(dense), copy.copy(dense)]
            return self.uses[1].forward(self.uses[0].forward(x))

        def backward(self, dy):
            return self.uses[0].backward(self.uses[1].backward(dy))

    assert check_gradients(Twice(), normal(3, 4), rng=rng).passed


# ---- kinks


KINKS = np.array([0.0, 3e-6, -9e-6, 1e-5 / 3, 1e-5 / 4, 4e-6, -5e-6])


def test_coordinates_next_to_a_kink_are_left_out_and_counted(rng):
    x = np.concatenate([normal(40), KINKS])
    report = check_gradients(ReLU(), x, rng=rng, max_coordinates=None)
    assert report.passed, report
    assert (report["x"].judged, report["x"].left_out) == (40, len(KINKS))
    assert report.h == 1e-5


@settings(max_examples=60)
@given(st.floats(-0.999, 0.999), st.floats(-8, 2), st.integers(0, 1000))
@example(0.0, -6.0, 1)
@example(0.3, -6.0, 2)
@example(-0.25, -5.8, 3)
def test_a_kink_anywhere_within_h_is_found_or_harmless(u, power, seed):
    """A corner at u*h on top of a curved function, next to values that are smooth."""
    jump = 10.0**power
    x = normal(8, seed=seed)
    corner = x[0] + u * 1e-5

    def forward(x):
        return np.sin(3 * x) + jump * np.maximum(x - corner, 0) * (np.arange(8) == 0), x

    def backward(dy, x):
        return dy * (3 * np.cos(3 * x) + jump * (x > corner) * (np.arange(8) == 0))

    report = check_gradients(forward, x, backward=backward, rng=np.random.default_rng(seed))
    assert report.passed, report
    assert report["x"].left_out <= 1


@pytest.mark.parametrize("z", [[6.0], [6.0, 6.0], [4.0, 5.0, 7.0], [-6.0, 3.0], [0.0]])
def test_rounding_inside_a_loss_is_no_kink(z):
    """log(1 + e^z) - z loses digits: without a noise measured they looked like corners."""
    def loss(z, t):
        p = 1 / (1 + np.exp(-z))
        return (np.logaddexp(0, z) - t * z).mean(), (p - t) / len(z)

    report = check_gradients(loss, np.array(z), np.ones(len(z)), rng=np.random.default_rng(0))
    assert report.passed and report.left_out == 0, report


def test_ties_in_a_max_pool(rng):
    x = normal(2, 2, 6, 6)
    x[0, 0, 0, 1] = x[0, 0, 0, 0] = 9.0  # two equal maxima
    report = check_gradients(lambda x: max_pool2d(x, 2), (x,), backward=max_pool2d_backward,
                             rng=rng, max_coordinates=None)
    assert report.passed and report.left_out == 2


def test_too_many_kinks_are_not_a_pass(rng):
    report = check_gradients(ReLU(), np.zeros(6), rng=rng)
    assert not report.passed
    assert "6 of 6 values look as if they lay at a kink, within h = 1e-05 of one" in str(report)
    assert "add random noise" in str(report)


@pytest.mark.parametrize("wrong", [
    lambda dy, x: dy * (x > 0.5), lambda dy, x: dy * (x > 0) * 2, lambda dy, x: 0 * dy,
    lambda dy, x: dy,
])
def test_a_wrong_gradient_is_never_excused_as_a_kink(wrong, rng):
    report = check_gradients(lambda x: (np.maximum(x, 0), x), normal(50), backward=wrong, rng=rng)
    assert not report.passed and report.left_out == 0


# ---- what is wrong is named


X, W, B = normal(2, 3, 6, 6), normal(3, 3, 3, 3, seed=1), normal(3, seed=2)


def conv_with(change):
    """The convolution, with a mistake put into its gradients."""
    def backward(dy, cache):
        dx, dweight, dbias = (array.copy() for array in conv2d_backward(dy, cache))
        return change(dx, dweight, dbias)
    return check_gradients(lambda x, weight, bias: conv2d(x, weight, bias, padding=1), (X, W, B),
                           backward=backward, rng=np.random.default_rng(0))


def without(array, index):
    array[index] = 0
    return array


MISTAKES = [
    (lambda dx, dw, db: (dx, dw / 2, db), "weight", r"factor of 2, and there are 2 examples"),
    (lambda dx, dw, db: (dx, dw * 2, db), "weight", r"numeric = 0\.5 \* backward, a factor of 1/2"),
    (lambda dx, dw, db: (dx * 3, dw, db), "x", r"a factor of 1/3"),
    (lambda dx, dw, db: (dx, dw, db * 1.7), "bias", r"a factor of 0\.588235"),
    (lambda dx, dw, db: (dx, -2 * dw, db), "weight", r"factor of 1/2, and .*the sign is wrong"),
    (lambda dx, dw, db: (-dx, dw, db), "x", r"the sign is wrong: backward is minus"),
    (lambda dx, dw, db: (dx, 0 * dw, db), "weight", r"gives only zeros\. Is the gradient computed"),
    (lambda dx, dw, db: (dx, dw[..., ::-1, ::-1], db), "weight",
     r"right values in the wrong places: it is rotated by 180 degrees"),
    (lambda dx, dw, db: (dx, dw.transpose(0, 1, 3, 2), db), "weight", r"last two axes are swapped"),
    (lambda dx, dw, db: (dx, dw.transpose(1, 0, 2, 3), db), "weight", 
     r"first two axes are swapped"),
    (lambda dx, dw, db: (dx, dw, db[::-1]), "bias", r"in reverse order along its first axis"),
    (lambda dx, dw, db: (without(dx, np.s_[:, :, 0]), dw, db), "x",
     r"of 200 values tried are wrong: all at index 0 of axis 2; the others are right"),
    (lambda dx, dw, db: (dx, without(dw, np.s_[1, 2, 0, 2]), db), "weight",
     r"1 of 81 values tried are wrong; the others are right\. At \(1, 2, 0, 2\): numeric -?\d"),
    (lambda dx, dw, db: (dx, dw**2, db), "weight", r"81 of 81 .*wrong: all of them"),
    (lambda dx, dw, db: (dx, dw + np.nan, db), "weight", r"is not finite, first at \(0, 0, 0, 0\)"),
    (lambda dx, dw, db: (dx, dw.reshape(3, 27), db), "weight",
     r"must have the shape of weight, \(3, 3, 3, 3\), got \(3, 27\)\. The number of values is"),
    (lambda dx, dw, db: (None, dw, db), "x", r"backward gives no gradient \(None\)"),
]


@pytest.mark.parametrize("change, name, explanation", MISTAKES, ids=range(len(MISTAKES)))
def test_mistakes_are_found_and_named(change, name, explanation):
    report = conv_with(change)
    assert not report.passed
    assert [array.name for array in report.arrays if not array.passed] == [name]
    with pytest.raises(AssertionError, match=explanation):
        raise AssertionError(report)
    assert "gradient check of <lambda>: FAILED (h = 1e-05, tolerance 1e-07)" in str(report)


def test_the_right_answer_has_no_explanation():
    report = conv_with(lambda *gradients: gradients)
    assert report.passed and str(report).count("\n") == 4


def test_a_transposed_matrix_is_recognised(rng):
    def forward(x, weight):
        return x @ weight, (x, weight)

    def wrong(dy, cache):
        x, weight = cache
        return dy @ weight.T, dy.T @ x

    square = check_gradients(forward, (normal(3, 4), normal(4, 4)), backward=wrong, rng=rng)
    assert "transposed (its last two axes are swapped)" in square["weight"].explanation
    oblong = check_gradients(forward, (normal(3, 4), normal(4, 2)), backward=wrong, rng=rng)
    assert "(4, 2), got (2, 4). It looks transposed." in oblong["weight"].explanation
    assert square["x"].passed and oblong["x"].passed


def test_a_mean_taken_twice(rng):
    def loss(logits, labels):
        value, dlogits = losses.softmax_cross_entropy(logits, labels)
        return value, dlogits / len(logits)

    report = check_gradients(loss, normal(7, 3), np.arange(7) % 3, rng=rng)
    assert "numeric = 7 * backward, a factor of 7, and there are 7 examples" in str(report)


class Scale(Layer):
    """y = weight * x, with a choice of mistakes."""

    def __init__(self, mistake=""):
        self.mistake, self.weight = mistake, Parameter(np.array([1.5]))

    def parameters(self):
        return {"weight": self.weight}

    def forward(self, x):
        self.x = x
        if self.mistake == "writes":
            x *= 1.0000001
        return x * self.weight.data

    def backward(self, dy):
        gradient = (dy * self.x).sum(keepdims=True)[0]
        if self.mistake == "assigned":
            self.weight.grad = gradient
        elif self.mistake != "forgotten":
            self.weight.grad += gradient
        if self.mistake == "writes dy":
            dy *= 2
            return dy / 2 * self.weight.data
        return dy * self.weight.data


@pytest.mark.parametrize("mistake, explanation", [
    ("assigned", r"weight: the gradient is assigned, not added: .*Write grad \+="),
    ("forgotten", r"weight: the backward pass gives only zeros"),
    ("writes", r"forward or backward wrote into x, which is not its own: work on a copy"),
    ("writes dy", r"forward or backward wrote into dy, which is not its own: work on a copy"),
])
def test_mistakes_of_a_layer(mistake, explanation, rng):
    assert check_gradients(Scale(), normal(5), rng=rng).passed
    report = check_gradients(Scale(mistake), normal(5), rng=rng)
    assert not report.passed
    with pytest.raises(AssertionError, match=explanation):
        raise AssertionError(report)


@pytest.mark.parametrize("h, word", [(1e-1, "large"), (1e-2, "large"), (1e-11, "small"),
                                     (1e-13, "small")])
def test_a_bad_step_is_named(h, word, rng):
    report = check_gradients(Tanh(), normal(4, 5), rng=rng, h=h)
    assert not report.passed
    assert f"the step h = {h:g} is too {word}" in str(report)


def test_a_wrong_gradient_is_not_blamed_on_the_step(rng):
    for h in (1e-4, 1e-5, 1e-6):
        report = check_gradients(Tanh(), normal(4, 5), rng=rng, h=h)
        assert report.passed, report
        wrong = check_gradients(pointwise.tanh, normal(4, 5), rng=rng, h=h, backward=lambda dy, c:
                                1.001 * pointwise.tanh_backward(dy, c))
        assert "step" not in str(wrong) and "numeric = 0.999001 * backward" in str(wrong)


def test_float32_is_named(rng):
    layer = Dense(6, 4, rng=rng)
    report = check_gradients(layer, normal(3, 6).astype(np.float32), rng=rng)
    assert not report.passed
    assert "are float32" in str(report) and "model.astype(np.float64)" in str(report)
    hidden = check_gradients(lambda x: (x**2, x), normal(5), rng=rng, tolerance=1e-10,
                             backward=lambda dy, x: (2 * x * dy).astype(np.float32))
    assert "the gradient is float32: with 7 digits" in str(hidden)
    model = Sequential([layer, Tanh()]).astype(np.float64)
    assert check_gradients(model, normal(3, 6), rng=rng).passed


# ---- the check itself


def test_upstream_gradients_are_random(rng):
    """With ones upstream a softmax of any gradient would pass: its rows sum to one."""
    report = check_gradients(pointwise.softmax, normal(3, 4), backward=lambda dy, c: 0 * dy,
                             rng=rng)
    assert not report.passed


def test_x_from_the_same_seed_is_not_the_upstream_gradient():
    """dy = x would make the gradient of batch norm vanish: nothing would be checked."""
    x = np.random.default_rng(5).standard_normal((4, 2, 3, 3))
    report = check_gradients(BatchNorm2D(2, dtype=np.float64), x, rng=np.random.default_rng(5))
    assert report.passed, report


@pytest.mark.parametrize("off, passes", [(2e-8, True), (1.2e-7, False)])
def test_the_tolerance_is_of_the_largest_value_in_the_worst_place(off, passes, rng):
    """One of a hundred values is off, by a little of the largest."""
    def backward(dy, x):
        gradient = 2 * x * dy
        gradient[np.abs(gradient).argmax()] *= 1 + off
        return gradient

    report = check_gradients(lambda x: (x**2, x), normal(100), backward=backward, rng=rng)
    assert report.passed == passes
    assert report["x"].error == pytest.approx(off, rel=0.1)


def test_large_outputs_that_do_not_change_do_not_hide_a_mistake(rng):
    def forward(x):
        return np.concatenate([np.full(4, 1e11), np.tanh(x)]), x

    def backward(dy, x):
        return dy[4:] * (1 - np.tanh(x) ** 2)

    assert check_gradients(forward, normal(5), backward=backward, rng=rng).error < 1e-9
    wrong = check_gradients(forward, normal(5), rng=rng,
                            backward=lambda dy, x: 1.001 * backward(dy, x))
    assert "numeric = 0.999001 * backward" in str(wrong)


def test_coordinates_are_sampled_everywhere(rng):
    def backward(dy, x):
        return np.where(np.arange(400) < 100, 2 * x * dy, 0)  # right in the first quarter only

    report = check_gradients(lambda x: (x**2, x), normal(400), backward=backward, rng=rng,
                             max_coordinates=40)
    assert not report.passed and report["x"].judged == 40


def test_coordinates_are_sampled_by_rng():
    layer, x = double(Dense, 50, 20), normal(3, 50)
    reports = [check_gradients(layer, x, rng=np.random.default_rng(seed), max_coordinates=30)
               for seed in (0, 0, 1)]
    assert [array.judged for array in reports[0].arrays] == [30, 30, 20]
    assert str(reports[0]) == str(reports[1]) and reports[0].error != reports[2].error


def test_what_cannot_be_checked(rng):
    noise = np.random.default_rng(0)
    with pytest.raises(GradientCheckError, match="two calls with the same input gave different"):
        check_gradients(lambda x: (x * noise.random(), x), normal(3), backward=lambda dy, c: dy,
                        rng=rng)
    with pytest.raises(GradientCheckError, match="forward pass gives NaN or infinity"):
        check_gradients(Tanh(), np.array([1.0, np.nan]), rng=rng)
    with pytest.raises(GradientCheckError, match="x must hold floating point numbers, got int64"):
        check_gradients(ReLU(), np.array([1, 2]), rng=rng)
    with pytest.raises(GradientCheckError, match="expected a layer, a model, a loss .*got str"):
        check_gradients("relu", normal(3), rng=rng)
    with pytest.raises(GradientCheckError, match="labels and loss= together"):
        check_gradients(plain_network(), normal(1, 1, 8, 10), np.array([1]), rng=rng)
    with pytest.raises(GradientCheckError, match="must return .*got float.*pass backward="):
        check_gradients(lambda x: float(x.sum()), normal(3), rng=rng)
