"""Layers: every engine, what they remember, add up, refuse; and all operations against PyTorch."""

import copy

import numpy as np
import pytest
import test_conv
import test_losses
import test_pointwise
import test_pool
from conftest import need
from oracle import close, frozen, values

from course_lib import layers
from course_lib.layers import (
    ENGINES, AvgPool2D, BatchNorm2D, Conv2D, Dense, Dropout, Flatten, GlobalAvgPool2D, Layer,
    LeakyReLU, MaxPool2D, Parameter, ReLU, Sigmoid, Softmax, Tanh,
)
from course_lib.shapes import ShapeError

AGREES = {name: case for module in (test_conv, test_pool, test_pointwise, test_losses)
          for name, case in module.AGREES.items()}
COMPARED = []


@pytest.mark.parametrize("name", AGREES)
def test_agrees_with_pytorch(name):
    """Random configurations, float64: forward and every gradient within 1e-9 of the maximum."""
    need("torch").set_num_threads(1)  # two threads on a busy machine wait for each other
    count, agrees = AGREES[name]
    rng = np.random.default_rng([len(name), ord(name[0])])
    for _ in range(count):
        agrees(rng)
        COMPARED.append(name)


def test_at_least_500_configurations_were_compared():
    need("torch")
    assert sum(count for count, _ in AGREES.values()) >= 500
    if set(COMPARED) == set(AGREES):  # not where -k or -x chose a few
        assert len(COMPARED) >= 500
    named = {"conv2d", "max_pool2d", "avg_pool2d", "global_avg_pool2d", "dense", "relu",
             "leaky_relu", "sigmoid", "tanh", "softmax", "log_softmax", "flatten", "dropout",
             "batch_norm2d", "batch_norm_layer", "softmax_cross_entropy", "binary_cross_entropy",
             "binary_cross_entropy_from_probabilities", "multi_margin", "hinge_sum",
             "hinge_crammer", "mean_squared_error"}
    assert named <= set(AGREES)


def make(dtype=np.float64):
    """One layer of every kind, and some with everything uneven, each with an input that fits."""
    rng, twin = np.random.default_rng(3), np.random.default_rng(4)
    uneven = {"stride": (2, 3), "padding": ((1, 0), (0, 1))}
    made = {
        "conv": (Conv2D(2, 3, 3, rng=rng, dtype=dtype), (2, 2, 5, 6)),
        "uneven conv": (Conv2D(3, 2, (2, 3), rng=rng, dtype=dtype, **uneven), (3, 3, 5, 7)),
        "conv without bias": (Conv2D(1, 2, (3, 1), bias=False, padding="same", rng=rng,
                                     dtype=dtype), (1, 1, 4, 2)),
        "max": (MaxPool2D(2), (2, 2, 5, 6)),
        "uneven max": (MaxPool2D((2, 3), (2, 1), (1, 0)), (1, 2, 5, 4)),
        "average": (AvgPool2D(2), (2, 2, 5, 6)),
        "uneven average": (AvgPool2D((3, 2), (1, 2), 1, count_include_pad=False), (2, 1, 4, 5)),
        "global": (GlobalAvgPool2D(), (2, 3, 4, 5)),
        "dense": (Dense(4, 3, rng=rng, dtype=dtype), (2, 4)),
        "dense without bias": (Dense(5, 2, bias=False, rng=rng, dtype=dtype), (1, 5)),
        "flatten": (Flatten(), (2, 3, 2, 4)),
        "relu": (ReLU(), (2, 3, 4, 2)),
        "leaky": (LeakyReLU(0.2), (3, 4)),
        "sigmoid": (Sigmoid(), (3, 4)),
        "tanh": (Tanh(), (2, 1, 3, 2)),
        "softmax": (Softmax(), (3, 4)),
        "dropout": (Dropout(0.4, rng=twin), (3, 4)),
        "batch norm": (BatchNorm2D(3, dtype=dtype), (4, 3, 2, 3)),
        "batch norm in groups": (BatchNorm2D(2, group_size=2, dtype=dtype), (5, 2, 2, 3)),
    }
    for layer, _ in made.values():
        for parameter in layer.parameters().values():
            parameter.data[...] = rng.standard_normal(parameter.data.shape)
    return made


NAMES = list(make())


def run(layer, x, dy, **options):
    y = layer.forward(x)
    dx = layer.backward(dy, **options)
    return y, dx, {name: p.grad for name, p in layer.parameters().items()}


def test_every_kind_of_layer_is_tested():
    kinds = {kind for kind in vars(layers).values()
             if isinstance(kind, type) and issubclass(kind, Layer)}
    assert kinds - {Layer, layers.Pool2D} == {type(layer) for layer, _ in make().values()}
    for layer, _ in make().values():
        assert "vectorised" in layer.rungs and set(layer.rungs) <= set(ENGINES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_gives_the_same(name, engine, rng):
    shape = make()[name][1]
    x = values(rng, *shape)
    layer, other = make()[name][0], make()[name][0]
    other.engine = engine
    assert other.rung() == (engine if engine in other.rungs else "vectorised")
    predicted = layer.predict(x)
    close(other.predict(x), predicted, 1e-12)
    dy = values(rng, *predicted.shape)
    expected = run(layer, x, dy)
    y, dx, gradients = run(other, x, dy)
    close(y, expected[0], 1e-12)
    close(dx, expected[1], 1e-12)
    assert gradients.keys() == expected[2].keys()
    for key in gradients:
        close(gradients[key], expected[2][key], 1e-12, what=key)
    part = make()[name][0]
    part.engine = engine
    _, dx, gradients = run(part, x, dy, need_dx=False)
    assert (dx is None) == layer.skips_dx
    for key in gradients:
        close(gradients[key], expected[2][key], 1e-12, what=key)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("engine", ENGINES)
def test_float32_stays_float32(name, engine, rng):
    layer, shape = make(np.float32)[name]
    layer.engine = engine
    x = rng.standard_normal(shape).astype(np.float32)
    assert layer.predict(x).dtype == np.float32
    y = layer.forward(x)
    dx = layer.backward(np.ones(y.shape, np.float32))
    assert y.dtype == dx.dtype == np.float32
    for parameter in layer.parameters().values():
        assert parameter.data.dtype == parameter.grad.dtype == np.float32
        assert parameter.grad.any()
    for buffer in layer.buffers().values():
        assert buffer.dtype == np.float32
    integers = rng.integers(-5, 5, shape)  # computed in float64, and the gradients stay float32
    y = layer.forward(integers)
    assert y.dtype == np.float64
    layer.backward(np.ones(y.shape, int))
    assert all(p.grad.dtype == np.float32 for p in layer.parameters().values())


@pytest.mark.parametrize("name", NAMES)
def test_layers_are_the_operations_with_a_memory(name, rng):
    """forward, backward and grad by the operation in float64, called by hand."""
    layer, shape = make()[name]
    x = rng.standard_normal(shape)
    forward, backward = layer.rungs["vectorised"]
    options = layer.options()
    if name == "dropout":
        options = options | {"rng": copy.deepcopy(layer.rng)}
    y, cache = forward(x, *(p.data for p in layer.parameters().values()), **options)
    dy = rng.standard_normal(y.shape)
    expected = backward(dy, cache)
    dx, *gradients = expected if isinstance(expected, tuple) else (expected,)
    found = run(layer, x, dy)
    close(found[0], y, 0)
    close(found[1], dx, 0)
    for grad, gradient in zip(found[2].values(), gradients):
        close(grad, gradient, 0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("engine", ENGINES)
def test_gradients_are_added_not_assigned(name, engine, rng):
    layer, shape = make()[name]
    layer.engine = engine
    x = rng.standard_normal(shape)
    dy = rng.standard_normal(layer.forward(x).shape)
    layer.backward(dy)
    once = {key: p.grad.copy() for key, p in layer.parameters().items()}
    grads = {key: p.grad for key, p in layer.parameters().items()}
    layer.forward(x)
    layer.backward(dy)
    for key, parameter in layer.parameters().items():
        close(parameter.grad, 2 * once[key], 1e-12)
        assert parameter.grad is grads[key]  # in place: who holds it sees it


def test_a_shared_parameter_gets_the_sum(rng):
    first, second = Dense(3, 3, rng=rng, dtype=np.float64), Dense(3, 3, dtype=np.float64)
    alone = copy.deepcopy(first), copy.deepcopy(first)
    second.weight, second.bias = first.weight, first.bias
    x, dy = rng.standard_normal((2, 3)), rng.standard_normal((2, 3))
    for one, two in ((first, second), alone):
        two.forward(one.forward(x))
        one.backward(two.backward(dy))
    for key in ("weight", "bias"):
        expected = sum(getattr(layer, key).grad for layer in alone)
        close(getattr(first, key).grad, expected, 1e-12)


def test_x_times_x_gets_both_gradients():
    shared = Parameter(np.array([[3.0]]))
    one, two = Dense(1, 1, bias=False, dtype=np.float64), Dense(1, 1, bias=False, dtype=np.float64)
    one.weight = two.weight = shared
    two.forward(one.forward([[1.0]]))
    one.backward(two.backward(np.ones((1, 1))))
    assert shared.grad == [[6.0]]  # d(w * w)/dw


def fingerprint(layer):
    """Everything a layer holds, as values."""
    held = {key: value for key, value in vars(layer).items() if key != "memory"}
    held |= {f"{key}.grad": p.grad for key, p in layer.parameters().items()}
    held |= {f"{key}.data": p.data for key, p in layer.parameters().items()}
    if isinstance(layer, Dropout):
        held["rng"] = str(layer.rng.bit_generator.state)
    return copy.deepcopy({key: value for key, value in held.items()
                          if not isinstance(value, Parameter)})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("engine", ENGINES)
def test_predict_leaves_no_trace(name, engine, rng):
    layer, shape = make()[name]
    layer.engine = engine
    x, other = rng.standard_normal(shape), rng.standard_normal(shape)
    layer.predict(x)
    assert layer.memory is None
    twin = copy.deepcopy(layer)
    y, expected = layer.forward(x), twin.forward(x)
    memory, before = layer.memory, fingerprint(layer)
    frozen(layer.predict, other)
    layer.predict(other[:1])
    assert layer.memory is memory
    np.testing.assert_equal(fingerprint(layer), before)
    close(y, expected, 0)
    dy = rng.standard_normal(y.shape)
    close(layer.backward(dy), twin.backward(dy), 0)


@pytest.mark.parametrize("name", NAMES)
def test_a_memory_serves_one_backward(name, rng):
    layer, shape = make()[name]
    message = "backward needs a forward before it, .* call forward again"
    with pytest.raises(RuntimeError, match=message) as caught:
        layer.backward(np.zeros(3))
    assert str(caught.value).startswith(f"{layer!r}: ")
    y = layer.forward(rng.standard_normal(shape))
    wrong = np.zeros((*y.shape, 1))
    with pytest.raises(ShapeError, match="upstream gradient dy must have the output's shape"):
        layer.backward(wrong)
    layer.backward(y)  # a refused gradient does not use the memory up
    with pytest.raises(RuntimeError, match=message):
        layer.backward(y)
    layer.forward(rng.standard_normal(shape))
    layer.backward(y)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("engine", ENGINES)
def test_inputs_and_upstream_gradients_stay_as_they_are(name, engine, rng):
    layer, shape = make()[name]
    layer.engine = engine
    data = {key: p.data.copy() for key, p in layer.parameters().items()}
    x = values(rng, *shape)
    y = frozen(layer.forward, x)
    before = y.copy()
    frozen(layer.backward, values(rng, *y.shape))
    np.testing.assert_array_equal(y, before)
    for key, parameter in layer.parameters().items():
        np.testing.assert_array_equal(parameter.data, data[key])


@pytest.mark.parametrize("name", NAMES)
def test_lists_are_read_and_output_shape_is_right(name, rng):
    layer, shape = make()[name]
    x = rng.standard_normal(shape)
    y = layer.predict(x)
    assert layer.output_shape(shape[1:]) == y.shape[1:]
    assert all(type(n) is int for n in layer.output_shape(shape[1:]))
    for engine in ENGINES:
        layer.engine = engine
        close(layer.predict(x.tolist()), y, 1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("engine", ENGINES)
def test_complex_input_is_refused_by_name(name, engine):
    layer, shape = make()[name]
    layer.engine = engine
    for call in (layer.forward, layer.predict):
        with pytest.raises(ValueError, match="expected real numbers .* got complex128") as caught:
            call(np.zeros(shape, complex))
        assert str(caught.value).startswith(f"{layer!r}: expected")
    y = layer.forward(np.zeros(shape))
    if engine == "vectorised":
        with pytest.raises(ValueError, match="expected real numbers") as caught:
            layer.backward(y + 1j)
        assert str(caught.value).startswith(f"{layer!r}: expected")


# Batch norm and dropout: training and afterwards
def test_running_statistics_of_groups_are_weighted_by_their_images(rng):
    x = 2 * rng.standard_normal((5, 2, 2, 3)) + 1
    layer = BatchNorm2D(2, momentum=0.3, group_size=2, dtype=np.float64)
    layer.forward(x)
    groups = [x[0:2], x[2:4], x[4:5]]
    mean = sum(len(g) / 5 * g.mean(axis=(0, 2, 3)) for g in groups)
    var = sum(len(g) / 5 * g.var(axis=(0, 2, 3), ddof=1) for g in groups)
    close(layer.running_mean, 0.3 * mean)
    close(layer.running_var, 0.7 + 0.3 * var)


def test_buffers_are_the_running_arrays(rng):
    layer = BatchNorm2D(3)
    buffers = layer.buffers()
    assert list(buffers) == ["running_mean", "running_var"]
    assert not buffers["running_mean"].any() and np.all(buffers["running_var"] == 1)
    layer.forward(rng.standard_normal((4, 3, 2, 2)) + 5)
    assert buffers["running_mean"].all() and buffers["running_mean"] is layer.running_mean
    assert buffers["running_var"] is layer.running_var
    assert all(not other.buffers() for other in (ReLU(), Conv2D(1, 1, 1), MaxPool2D(2)))


def test_a_refused_batch_moves_no_statistics():
    layer = BatchNorm2D(3)
    for wrong in (np.ones((1, 3, 1, 1)), np.ones((2, 4, 3, 3)), np.ones((0, 3, 2, 2))):
        with pytest.raises(ShapeError):
            layer.forward(wrong)
    assert not layer.running_mean.any() and np.all(layer.running_var == 1)


def test_dropout_only_drops_in_training(rng):
    layer, x = Dropout(0.5, rng=np.random.default_rng(1)), rng.standard_normal((20, 30))
    close(layer.predict(x), x, 0)
    y = layer.forward(x)
    dropped = y == 0
    assert 0.3 < dropped.mean() < 0.7
    close(y[~dropped], 2 * x[~dropped], 0)
    np.testing.assert_array_equal(layer.backward(np.ones(x.shape)), np.where(dropped, 0.0, 2.0))
    assert np.any(layer.forward(x) != y)
    close(Dropout(0).forward(x), x, 0)


def test_defaults_are_those_of_the_contract():
    conv, dense, norm = Conv2D(2, 3, 4), Dense(4, 5), BatchNorm2D(6)
    assert list(conv.parameters()) == list(dense.parameters()) == list(norm.parameters())
    assert list(conv.parameters()) == ["weight", "bias"]
    assert list(Conv2D(1, 2, 3, bias=False).parameters()) == ["weight"]
    assert list(Dense(1, 2, bias=False).parameters()) == ["weight"]
    assert not ReLU().parameters() and not MaxPool2D(2).parameters()
    assert conv.weight.data.shape == (3, 2, 4, 4) and conv.bias.data.shape == (3,)
    assert dense.weight.data.shape == (4, 5) and dense.bias.data.shape == (5,)
    assert not conv.bias.data.any() and not dense.bias.data.any() and conv.weight.data.all()
    assert np.all(norm.weight.data == 1) and not norm.bias.data.any()
    assert (norm.momentum, norm.eps, norm.group_size) == (0.1, 1e-5, None)
    assert (conv.stride, conv.padding) == ((1, 1), ((0, 0), (0, 0)))
    assert MaxPool2D((2, 3)).stride == (2, 3) and AvgPool2D(2).count_include_pad is True
    assert Dropout().p == 0.5 and LeakyReLU().alpha == 0.01
    assert all(p.data.dtype == np.float32 for layer in (conv, dense, norm)
               for p in layer.parameters().values())
    assert all(layer.engine == "vectorised" for layer, _ in make().values())


def test_two_layers_share_nothing():
    one, two = Conv2D(1, 1, 1, rng=np.random.default_rng(0)), Conv2D(1, 1, 1)
    one.engine = "formula"
    one.forward(np.ones((1, 1, 1, 1)))
    assert two.engine == "vectorised" and two.memory is None and ReLU().memory is None
    assert np.any(Dense(3, 3).weight.data != Dense(3, 3).weight.data)
    assert np.all(Dense(3, 3, rng=np.random.default_rng(0)).weight.data
                  == Dense(3, 3, rng=np.random.default_rng(0)).weight.data)


def test_a_parameter_starts_with_a_gradient_of_zeros():
    parameter = Parameter(np.ones((2, 3), np.float32))
    assert not parameter.grad.any() and parameter.grad.dtype == np.float32
    assert repr(parameter) == "Parameter(2, 3)"


@pytest.mark.parametrize("bias", [True, False])
def test_flops_are_products_and_sums(bias):
    dense = Dense(4, 3, bias=bias)
    conv = Conv2D(2, 3, (2, 3), stride=(1, 2), bias=bias)
    for layer, shape in ((conv, (2, 4, 5)), (dense, (4,))):
        # every product, and every sum but the first, which starts from 0 without a bias
        outputs = int(np.prod(layer.output_shape(shape)))
        products = outputs * (12 if layer is conv else 4)
        assert layer.flops(shape) == 2 * products - (0 if bias else outputs)


def test_flops_of_the_others():
    assert MaxPool2D(2, 1).flops((3, 4, 5)) == 4 * 3 * 3 * 4
    assert AvgPool2D((3, 2), 1, 1).flops((1, 4, 4)) == 6 * 4 * 5
    assert ReLU().flops((3, 4, 5)) == GlobalAvgPool2D().flops((3, 4, 5)) == 60
    assert BatchNorm2D(3).flops((3, 4, 5)) == 120 and Flatten().flops((3, 4, 5)) == 0


@pytest.mark.parametrize("layer, text", [
    (Conv2D(3, 8, 3), "Conv2D(3, 8, kernel_size=3)"),
    (Conv2D(3, 8, (3, 2), stride=2, padding=1),
     "Conv2D(3, 8, kernel_size=(3, 2), stride=2, padding=1)"),
    (Conv2D(1, 2, 3, (1, 2), "same", bias=False),
     "Conv2D(1, 2, kernel_size=3, stride=(1, 2), padding='same', bias=False)"),
    (Conv2D(1, 2, 3, padding="valid"), "Conv2D(1, 2, kernel_size=3)"),
    (Conv2D(1, 2, 3, padding=(1, 2)), "Conv2D(1, 2, kernel_size=3, padding=(1, 2))"),
    (Conv2D(1, 2, 3, padding=((1, 0), (0, 1))),
     "Conv2D(1, 2, kernel_size=3, padding=((1, 0), (0, 1)))"),
    (Conv2D(1, 2, 3, padding=((0, 1), (0, 1))),
     "Conv2D(1, 2, kernel_size=3, padding=((0, 1), (0, 1)))"),
    (MaxPool2D(2), "MaxPool2D(kernel_size=2)"),
    (MaxPool2D(3, 2, 1), "MaxPool2D(kernel_size=3, stride=2, padding=1)"),
    (MaxPool2D((2, 1), 1), "MaxPool2D(kernel_size=(2, 1), stride=1)"),
    (AvgPool2D(2, count_include_pad=False), "AvgPool2D(kernel_size=2, count_include_pad=False)"),
    (GlobalAvgPool2D(), "GlobalAvgPool2D()"),
    (Dense(784, 10), "Dense(784, 10)"),
    (Dense(784, 10, bias=False), "Dense(784, 10, bias=False)"),
    (Flatten(), "Flatten()"), (ReLU(), "ReLU()"), (Softmax(), "Softmax()"),
    (LeakyReLU(0.2), "LeakyReLU(alpha=0.2)"), (Dropout(0.25), "Dropout(p=0.25)"),
    (BatchNorm2D(4), "BatchNorm2D(4)"),
    (BatchNorm2D(4, group_size=2), "BatchNorm2D(4, group_size=2)"),
])
def test_a_layer_describes_itself_as_it_is_written(layer, text):
    assert repr(layer) == text
    again = eval(text, vars(layers))  # the description is a call that makes the same layer
    held = [{key: value for key, value in vars(each).items()
             if not isinstance(value, (Parameter, np.ndarray, np.random.Generator))}
            for each in (layer, again)]
    assert held[0] == held[1]


X = np.zeros((64, 1, 28, 28))


@pytest.mark.parametrize("layer, x, message", [
    (Conv2D(3, 8, 3), X, "Conv2D(3, 8, kernel_size=3): expected images (N, 3, H, W), "
                         "got (64, 1, 28, 28)."),
    (Conv2D(1, 8, 3), X[0], "Conv2D(1, 8, kernel_size=3): expected images (N, 1, H, W), got "
     "(1, 28, 28): for a single image, add the batch axis with x[None]."),
    (Conv2D(1, 8, 29), X, "Conv2D(1, 8, kernel_size=29): the kernel, 29x29, is larger than the "
     "padded image, 28x28 (image 28x28, padding ((0, 0), (0, 0))): use a smaller kernel or more "
     "padding."),
    (MaxPool2D(2), X[0], "MaxPool2D(kernel_size=2): expected images (N, C, H, W), got (1, 28, 28): "
     "for a single image, add the batch axis with x[None]."),
    (AvgPool2D(30), X, "AvgPool2D(kernel_size=30): the kernel, 30x30, is larger than the padded "
     "image, 28x28 (image 28x28, padding ((0, 0), (0, 0))): use a smaller kernel or more padding."),
    (MaxPool2D(2, 2, 2), X, "MaxPool2D(kernel_size=2, padding=2): padding must be at most half "
     "the kernel, or a window could lie outside the image; got padding ((2, 2), (2, 2)) for "
     "kernel (2, 2)."),
    (GlobalAvgPool2D(), X[0, 0], "GlobalAvgPool2D(): expected images (N, C, H, W), got (28, 28). "
                                 "For one 2-D array write x[None, None]."),
    (Dense(784, 10), X, "Dense(784, 10): expected x (N, 784), got (64, 1, 28, 28). Put a Flatten "
     "layer in front."),
    (Dense(784, 10), X[0, 0], "Dense(784, 10): expected x (N, 784), got (28, 28)."),
    (Flatten(), X[0, 0, 0], "Flatten(): expected a batch (N, ...), got (28,)."),
    (Softmax(), X[0, 0, 0], "Softmax(): expected scores (N, K) with at least one class, "
                            "got (28,)."),
    (BatchNorm2D(3), X, "BatchNorm2D(3): expected images (N, 3, H, W), got (64, 1, 28, 28)."),
    (BatchNorm2D(1), X[:1, :, :1, :1], "BatchNorm2D(1): expected at least two values a channel to "
     "take a variance of, got images (1, 1, 1, 1) in groups of 1."),
])
@pytest.mark.parametrize("engine", ENGINES)
def test_errors_begin_with_the_layer(layer, x, message, engine):
    layer = copy.deepcopy(layer)
    layer.engine = engine
    calls = [layer.forward] if "two values" in message else [layer.forward, layer.predict]
    for call in calls:
        with pytest.raises(ShapeError) as caught:
            call(x)
        assert str(caught.value) == message


@pytest.mark.parametrize("layer, shape, message", [
    (Conv2D(3, 8, 3), (1, 28, 28), r"^Conv2D\(3, 8, .* shape \(3, H, W\), got \(1, 28, 28\)"),
    (Conv2D(1, 8, 9), (1, 8, 20), r"^Conv2D\(1, 8, kernel_size=9\): the kernel, 9x9, is larger"),
    (Conv2D(1, 8, 9), (784,), r"^Conv2D\(1, .* shape \(1, H, W\), got \(784,\)"),
    (MaxPool2D(9), (1, 8, 20), r"^MaxPool2D\(kernel_size=9\): the kernel, 9x9, is larger"),
    (AvgPool2D(3, 1, 2), (1, 8, 20), r"^AvgPool2D\(kernel_size=3, .*\): padding must be at most"),
    (GlobalAvgPool2D(), (4,), r"^GlobalAvgPool2D\(\): expected one image.s shape \(C, H, W\), got \(4"),
    (Dense(784, 10), (1, 28, 28),
     r"^Dense\(784, 10\): expected 784 features, got \(1, 28, 28\)\. Put a Flatten layer"),
    (Dense(784, 10), (783,), r"^Dense\(784, 10\): expected 784 features, got \(783,\)\.$"),
    (BatchNorm2D(3), (4, 5, 5), r"^BatchNorm2D\(3\): .* \(3, H, W\), got \(4, 5, 5\)"),
])
def test_output_shape_refuses_what_forward_would(layer, shape, message):
    with pytest.raises(ShapeError, match=message):
        layer.output_shape(shape)


@pytest.mark.parametrize("make_layer, message", [
    (lambda: Conv2D(0, 8, 3), "^Conv2D: in_channels must be a whole number, at least 1, got 0"),
    (lambda: Conv2D(3, 8.0, 3), r"^Conv2D: out_channels must be a whole number.* got 8\.0"),
    (lambda: Conv2D(3, True, 3), "^Conv2D: out_channels must be .* got True"),
    (lambda: Conv2D(3, 8, 0), "^Conv2D: kernel_size must be a whole number, at least 1, got 0"),
    (lambda: Conv2D(3, 8, 3, stride=0), "^Conv2D: stride must be .* at least 1, got 0"),
    (lambda: Conv2D(3, 8, 3, padding=-1), "^Conv2D: padding must be .* at least 0, got -1"),
    (lambda: Conv2D(3, 8, 3, padding="full"), "^Conv2D: padding .* 'valid' or 'same', got 'full'"),
    (lambda: Conv2D(3, 8, 3, dtype=int), "^Parameter: expected floats, such as .*, got int64"),
    (lambda: Conv2D(3, 8, 3, rng=7), "^Conv2D: expected rng to be a np.random.Generator, got 7"),
    (lambda: MaxPool2D(0), "^MaxPool2D: kernel_size must be .* at least 1, got 0"),
    (lambda: MaxPool2D(2, 0), "^MaxPool2D: stride must be .* at least 1, got 0"),
    (lambda: AvgPool2D(2, 1, -2), "^AvgPool2D: padding must be .* at least 0, got -2"),
    (lambda: AvgPool2D((2, 2, 2)), r"^AvgPool2D: kernel_size must be .* pair .* got \(2, 2, 2\)"),
    (lambda: Dense(0, 3), "^Dense: in_features must be a whole number, at least 1, got 0"),
    (lambda: Dense(3, -1), "^Dense: out_features must be a whole number, at least 1, got -1"),
    (lambda: Dropout(1), "^Dropout: expected a probability 0 <= p < 1, got 1"),
    (lambda: Dropout(-0.1), r"^Dropout: expected a probability 0 <= p < 1, got -0\.1"),
    (lambda: Dropout(0.5, rng=3), "^Dropout: expected rng to be a np.random.Generator, got 3"),
    (lambda: BatchNorm2D(0), "^BatchNorm2D: channels must be .* at least 1, got 0"),
    (lambda: BatchNorm2D(3, group_size=0), "^BatchNorm2D: group_size must be .* 1, got 0"),
    (lambda: BatchNorm2D(3, momentum=1.5),
     r"^BatchNorm2D: expected 0 <= momentum <= 1 and eps >= 0, got momentum 1\.5 and eps 1e-05"),
    (lambda: BatchNorm2D(3, eps=-1), r"^BatchNorm2D: expected .* eps >= 0, got .* and eps -1"),
])
def test_wrong_hyperparameters_are_refused_at_once(make_layer, message):
    with pytest.raises(ValueError, match=message):
        make_layer()
