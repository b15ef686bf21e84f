"""Sequential: whole networks against PyTorch, outputs, states, tables, and what it refuses."""

import numpy as np
import pytest
from conftest import need

from course_lib.layers import (
    AvgPool2D, BatchNorm2D, Conv2D, Dense, Dropout, Flatten, GlobalAvgPool2D, LeakyReLU,
    MaxPool2D, Parameter, ReLU, Sigmoid, Softmax, Tanh,
)
from course_lib.losses import binary_cross_entropy, softmax_cross_entropy
from course_lib.model import Sequential, labels_from_logits
from course_lib.shapes import ShapeError


def two_blocks(seed=0, size=28, dtype=np.float64):
    """S4's network: conv 8, pool, conv 16, pool, dense 10."""
    rng = np.random.default_rng(seed)
    side = ((size - 2) // 2 - 2) // 2
    return Sequential([
        Conv2D(1, 8, 3, rng=rng, dtype=dtype), ReLU(), MaxPool2D(2),
        Conv2D(8, 16, 3, rng=rng, dtype=dtype), ReLU(), MaxPool2D(2),
        Flatten(), Dense(16 * side * side, 10, rng=rng, dtype=dtype), Softmax(),
    ], input_shape=(1, size, size))


def normalised(seed=0, dtype=np.float64):
    """Batch norm, leaky ReLU, average pooling, uneven kernels and strides, two colours."""
    rng = np.random.default_rng(seed)
    return Sequential([
        Conv2D(2, 5, (3, 2), stride=(2, 1), padding=(1, 0), bias=False, rng=rng, dtype=dtype),
        BatchNorm2D(5, dtype=dtype), LeakyReLU(0.1), AvgPool2D((2, 3), stride=(1, 2), padding=1),
        Conv2D(5, 4, 3, padding=1, rng=rng, dtype=dtype), Tanh(), GlobalAvgPool2D(),
        Dense(4, 3, rng=rng, dtype=dtype),
    ], input_shape=(2, 9, 8))


def to_torch(torch, model):
    """The same network, with the same weights, out of PyTorch's own layers."""
    nn, layers = torch.nn, []
    for layer in model.layers:
        kind = type(layer).__name__
        if kind == "Conv2D":
            sides = [side[0] for side in layer.padding]
            made = nn.Conv2d(layer.in_channels, layer.out_channels, layer.kernel_size,
                             layer.stride, sides, bias=layer.bias is not None)
        elif kind == "MaxPool2D":
            made = nn.MaxPool2d(layer.kernel_size, layer.stride)
        elif kind == "AvgPool2D":
            sides = [side[0] for side in layer.padding]
            made = nn.AvgPool2d(layer.kernel_size, layer.stride, sides)
        elif kind == "GlobalAvgPool2D":
            layers.append(nn.AdaptiveAvgPool2d(1))
            made = nn.Flatten()
        elif kind == "Dense":
            made = nn.Linear(layer.in_features, layer.out_features)
        elif kind == "BatchNorm2D":
            made = nn.BatchNorm2d(layer.channels, eps=layer.eps, momentum=layer.momentum)
        elif kind == "LeakyReLU":
            made = nn.LeakyReLU(layer.alpha)
        else:
            made = {"ReLU": nn.ReLU, "Tanh": nn.Tanh, "Flatten": nn.Flatten}[kind]()
        made = made.double()
        with torch.no_grad():
            for name, parameter in layer.parameters().items():
                array = parameter.data.T if kind == "Dense" and name == "weight" else parameter.data
                getattr(made, name).copy_(torch.tensor(array))
        layers.append(made)
    return nn.Sequential(*layers)


def torch_gradients(model, twin):
    """PyTorch's gradients under this library's names, in this library's layout."""
    found, learners = {}, (layer for layer in twin if list(layer.parameters(recurse=False)))
    for index, layer in enumerate(model.layers):
        if not layer.parameters():
            continue
        other = next(learners)
        for name in layer.parameters():
            gradient = getattr(other, name).grad.numpy()
            turn = isinstance(layer, Dense) and name == "weight"
            found[f"{index}.{name}"] = gradient.T if turn else gradient
    return found


def close(a, b, tolerance=1e-10):
    assert a.shape == b.shape
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(np.abs(b).max(), 1e-300))


# Against PyTorch
@pytest.mark.parametrize("make", [two_blocks, normalised])
def test_a_network_equals_pytorch(make, rng):
    torch = need("torch")
    model = make()
    x = rng.normal(size=(5, *model.input_shape))
    labels = rng.integers(0, model.shapes()[-1][0], 5)
    twin, tx = to_torch(torch, model), torch.tensor(x, requires_grad=True)
    logits, expected = model.forward(x), twin(tx)
    close(logits, expected.detach().numpy())
    loss, dlogits = softmax_cross_entropy(logits, labels)
    wanted = torch.nn.functional.cross_entropy(expected, torch.tensor(labels))
    wanted.backward()
    assert loss == pytest.approx(wanted.item(), rel=1e-12)
    close(model.backward(dlogits), tx.grad.numpy())
    gradients = torch_gradients(model, twin)
    assert set(gradients) == set(model.parameters())
    largest = max(np.abs(gradient).max() for gradient in gradients.values())
    for name, parameter in model.parameters().items():
        close(parameter.grad / largest, gradients[name] / largest)
    twin.eval()
    with torch.no_grad():
        close(model.predict(x), twin(torch.tensor(x)).numpy())


def test_gradients_are_added_not_assigned(rng):
    model = two_blocks(size=10)
    x, dlogits = rng.normal(size=(2, 1, 10, 10)), rng.normal(size=(2, 10))
    model.forward(x)
    model.backward(dlogits)
    once = {name: parameter.grad.copy() for name, parameter in model.parameters().items()}
    model.forward(x)
    model.backward(dlogits)
    for name, parameter in model.parameters().items():
        assert np.array_equal(parameter.grad, 2 * once[name])


def test_a_parameter_used_twice_gets_both_gradients(rng):
    one = Sequential([Dense(3, 3, bias=False, rng=rng, dtype=float),
                      Dense(3, 3, bias=False, rng=rng, dtype=float)])
    x, dy = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    weight = one.layers[1].weight = one.layers[0].weight
    one.forward(x)
    one.backward(dy)
    W = weight.data
    np.testing.assert_allclose(weight.grad, x.T @ dy @ W.T + (x @ W).T @ dy, rtol=1e-12)


def test_backward_may_end_at_the_first_layer_that_learns(rng):
    def make():
        rng = np.random.default_rng(3)
        return Sequential([AvgPool2D(2), LeakyReLU(), Conv2D(1, 2, 2, rng=rng, dtype=float),
                           ReLU(), Flatten(), Dense(8, 3, rng=rng, dtype=float)])

    x, dlogits = rng.normal(size=(2, 1, 6, 7)), rng.normal(size=(2, 3))
    whole, short = make(), make()
    assert whole.forward(x).shape == short.forward(x).shape == (2, 3)
    assert whole.backward(dlogits).shape == x.shape
    called = []
    for index, layer in enumerate(short.layers):
        def backward(dy, need_dx=True, index=index, original=layer.backward):
            called.append((index, need_dx))
            return original(dy, need_dx)
        layer.backward = backward
    assert short.first_that_learns() == 2
    assert short.backward(dlogits, need_dx=False) is None
    assert called == [(5, True), (4, True), (3, True), (2, False)]
    for name, parameter in whole.parameters().items():
        assert np.array_equal(short.parameters()[name].grad, parameter.grad)


def test_a_network_that_learns_nothing_still_goes_backward():
    model = Sequential([ReLU(), Tanh()])
    model.forward(np.ones((1, 2)))
    assert model.backward(np.ones((1, 2)), need_dx=False) is None
    assert model.parameters() == {}


# The output function
def test_softmax_is_remembered_and_applied_once(rng):
    model = two_blocks(size=10)
    assert model.output == "softmax" and not any(isinstance(a, Softmax) for a in model.layers)
    x = rng.normal(size=(3, 1, 10, 10))
    logits, p = model.predict(x), model.predict_proba(x)
    assert np.array_equal(model.forward(x), logits)
    assert np.abs(logits.sum(axis=1) - 1).max() > 0.1  # logits are no probabilities
    powers = np.exp(logits)
    np.testing.assert_allclose(p, powers / powers.sum(axis=1, keepdims=True), rtol=1e-12)
    assert np.array_equal(model.predict_labels(x), np.argmax(p, axis=1))


def test_sigmoid_is_remembered_and_applied_once(rng):
    model = Sequential([Dense(4, 1, rng=rng, dtype=float), Sigmoid()])
    x = rng.normal(size=(9, 4))
    assert model.output == "sigmoid" and len(model.layers) == 1
    logits, p = model.predict(x), model.predict_proba(x)
    np.testing.assert_allclose(p, 1 / (1 + np.exp(-logits)), rtol=1e-12)
    labels = model.predict_labels(x)
    assert labels.shape == (9,) and np.array_equal(labels, (p[:, 0] > 0.5).astype(int))
    assert set(labels) == {0, 1}
    loss, _ = binary_cross_entropy(model.forward(x), labels)
    np.testing.assert_allclose(loss, -np.log(np.where(labels, p[:, 0], 1 - p[:, 0])).mean())


def test_a_network_without_an_output_function_has_no_probabilities(rng):
    model = Sequential([Dense(4, 3, rng=rng)])
    assert model.output is None and model.predict_labels(np.ones((2, 4))).shape == (2,)
    with pytest.raises(ValueError, match=r"no probabilities.*Softmax\(\) or Sigmoid\(\)"):
        model.predict_proba(np.ones((2, 4)))


def test_a_sigmoid_in_the_middle_stays_a_layer(rng):
    model = Sequential([Dense(4, 3, rng=rng), Sigmoid(), Dense(3, 2, rng=rng)])
    assert model.output is None and len(model.layers) == 3


def test_labels_from_logits():
    assert list(labels_from_logits(np.array([[0.1, 0.3, 0.2], [5.0, 5.0, 1.0]]))) == [1, 0]
    assert list(labels_from_logits(np.array([[-1.0], [0.0], [2.0]]))) == [0, 0, 1]
    assert list(labels_from_logits(np.array([-1.0, 2.0]))) == [0, 1]


# Prediction
def test_predict_leaves_no_trace(rng):
    model = normalised()
    model.layers.insert(3, Dropout(0.4, rng=np.random.default_rng(1)))
    x, dlogits = rng.normal(size=(4, 2, 9, 8)), rng.normal(size=(4, 3))
    model.forward(x)
    state = model.state()
    draws = model.layers[3].rng.bit_generator.state
    memories = [layer.memory for layer in model.layers]
    model.predict(rng.normal(size=(7, 2, 9, 8)), batch_size=3)
    assert all(a is b for a, b in zip(memories, [layer.memory for layer in model.layers]))
    assert model.layers[3].rng.bit_generator.state == draws
    assert all(np.array_equal(state[name], array) for name, array in model.state().items())
    assert all(not parameter.grad.any() for parameter in model.parameters().values())
    model.backward(dlogits)  # the memory of forward is still there


def test_predict_is_forward_where_nothing_is_random_or_normalised(rng):
    model = two_blocks(size=10)
    x = rng.normal(size=(5, 1, 10, 10))
    np.testing.assert_allclose(model.predict(x, batch_size=2), model.forward(x), rtol=1e-12)
    assert model.predict(x[:0]).shape == (0, 10)


def test_predict_drops_nothing_and_uses_running_statistics(rng):
    model = Sequential([BatchNorm2D(1, momentum=1.0, dtype=float), Dropout(0.9), Flatten()])
    x = rng.normal(3, 2, size=(6, 1, 2, 2))
    model.forward(x)  # momentum 1: the running statistics are this batch's
    expected = (x - x.mean()) / np.sqrt(x.var(ddof=1) + 1e-5)
    np.testing.assert_allclose(model.predict(x[:2]), expected[:2].reshape(2, 4), rtol=1e-12)


@pytest.mark.parametrize("batch_size", [0, -1, 2.5])
def test_predict_refuses_a_batch_size(batch_size):
    with pytest.raises(ValueError, match=f"batch_size must be a whole number.*got {batch_size}"):
        two_blocks(size=10).predict(np.zeros((2, 1, 10, 10)), batch_size)


# State
def test_state_is_a_copy_and_loads_bit_for_bit(rng):
    model, other = normalised(0, np.float32), normalised(1, np.float32)
    model.forward(rng.normal(size=(3, 2, 9, 8)))
    state = model.state()
    assert list(state) == ["0.weight", "1.weight", "1.bias", "4.weight", "4.bias", "7.weight",
                           "7.bias", "1.running_mean", "1.running_var"]
    other.load_state(state)
    for array in state.values():
        array += 1  # neither network may see this
    for name, array in other.state().items():
        assert array.dtype == np.float32
        assert array.tobytes() == model.state()[name].tobytes() != state[name].tobytes()
    assert np.any(model.buffers()["1.running_mean"] != 0)


@pytest.mark.parametrize("spoil, error, message", [
    (lambda s: s.pop("4.bias"), ValueError,
     r"another network: missing \['4.bias'\], not known \[\]"),
    (lambda s: s.update({"9.weight": np.ones(1)}), ValueError, r"not known \['9.weight'\]"),
    (lambda s: s.update({"7.bias": np.ones((1, 3))}), ShapeError,
     r"expected 7.bias \(3,\), got \(1, 3\)"),
    (lambda s: s.update({"1.running_var": np.ones(1)}), ShapeError,
     r"expected 1.running_var \(5,\), got \(1,\)"),
    (lambda s: s.update({"7.bias": ["a", "b", "c"]}), ValueError, "could not convert"),
])
def test_a_state_that_does_not_fit_changes_nothing(spoil, error, message):
    model = normalised(0)
    before, state = model.state(), normalised(1).state()
    spoil(state)
    with pytest.raises(error, match=message):
        model.load_state(state)
    for name, array in model.state().items():
        assert np.array_equal(array, before[name])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_astype_turns_everything(dtype, rng):
    model = normalised(0, np.float64 if dtype == np.float32 else np.float32)
    parameters = model.parameters()
    assert model.astype(dtype) is model
    assert all(model.parameters()[name] is p for name, p in parameters.items())
    assert {a.dtype for a in model.state().values()} == {np.dtype(dtype)}
    x = rng.normal(size=(2, 2, 9, 8)).astype(dtype)
    logits = model.forward(x)
    assert model.backward(logits).dtype == logits.dtype == dtype
    assert {p.grad.dtype for p in parameters.values()} == {np.dtype(dtype)}
    assert model.buffers()["1.running_mean"].any()  # forward moved the new buffer
    assert model.predict(x).dtype == dtype


def test_astype_refuses_whole_numbers():
    with pytest.raises(ValueError, match="Sequential: expected floats, such as float32, got int"):
        normalised().astype(int)


# Engines
@pytest.mark.parametrize("make", [two_blocks, normalised])
def test_engines_give_the_same_network(make, rng):
    x = rng.normal(size=(2, *make().input_shape))
    results = {}
    for engine in ("formula", "windows", "vectorised"):
        model = make()
        model.use_engine(engine)
        assert {layer.engine for layer in model.layers} == {engine}
        logits = model.forward(x)
        dx = model.backward(np.cos(np.arange(logits.size).reshape(logits.shape)))
        results[engine] = [logits, dx, *(p.grad for p in model.parameters().values())]
    for engine in ("formula", "windows"):
        for a, b in zip(results[engine], results["vectorised"]):
            close(a, b)


def test_the_formula_engine_computes_by_the_formula(rng, monkeypatch):
    model = Sequential([Conv2D(1, 2, 2, rng=rng), ReLU()])
    forward, backward = model.layers[0].rungs["formula"]
    seen = []

    def spy(*lists, **options):
        seen.append(type(lists[0]))
        return forward(*lists, **options)

    monkeypatch.setitem(model.layers[0].rungs, "formula", (spy, backward))
    model.predict(np.ones((1, 1, 3, 3)))
    assert seen == []
    model.use_engine("formula")
    model.predict(np.ones((1, 1, 3, 3)))
    assert seen == [list]


def test_an_unknown_engine_is_refused():
    with pytest.raises(ValueError, match="engine to be one of formula, windows, vect.*'turbo'"):
        two_blocks().use_engine("turbo")


# The table
def first_seed():
    rng = np.random.default_rng(0)
    return Sequential([
        Conv2D(1, 16, 3, padding="same", rng=rng), ReLU(), MaxPool2D(2), Flatten(),
        Dense(3136, 128, rng=rng), ReLU(), Dense(128, 2, rng=rng), Softmax(),
    ], input_shape=(1, 28, 28))


def test_summary_of_the_first_seed():
    summary = first_seed().summary()
    assert summary.parameters == 401_954
    shapes = [row.output_shape for row in summary.rows]
    assert shapes == [(1, 28, 28), (16, 28, 28), (16, 28, 28), (16, 14, 14), (3136,), (128,),
                      (128,), (2,)]
    assert [row.parameters for row in summary.rows] == [0, 160, 0, 0, 0, 401_536, 0, 258]
    text = str(summary)
    assert "401,954" in text and "16x14x14" in text and "total, output softmax" in text
    assert repr(summary) == text


def test_summary_of_the_fourth_seed():
    summary = two_blocks().summary()
    assert summary.parameters == 5_258
    assert [row.output_shape for row in summary.rows][-2:] == [(400,), (10,)]
    assert [row.parameters for row in summary.rows] == [0, 80, 0, 0, 1168, 0, 0, 0, 4010]
    # one multiplication and one addition a weight, one comparison a value
    by_hand = [0, 26 * 26 * 8 * 18, 26 * 26 * 8, 13 * 13 * 8 * 4, 11 * 11 * 16 * 144,
               11 * 11 * 16, 5 * 5 * 16 * 4, 0, 400 * 10 * 2]
    assert [row.flops for row in summary.rows] == by_hand
    assert summary.flops == sum(by_hand) == 398_480
    fields = [row.receptive_field for row in summary.rows]
    assert fields == [(1, 1), (3, 3), (3, 3), (4, 4), (8, 8), (8, 8), (10, 10), None, None]


def test_the_table_lines_up_and_knows_uneven_windows():
    model = normalised()
    lines = str(model.summary()).splitlines()
    assert len(lines) == len(model.layers) + 3 and lines[-1].startswith("total ")
    assert len({len(line) for line in lines[:8]}) == 1  # those with a receptive field
    assert all(len(line) < len(lines[0]) for line in lines[8:])
    fields = [row.receptive_field for row in model.summary().rows]
    assert fields == [(1, 1), (3, 2), (3, 2), (3, 2), (5, 4), (9, 8), (9, 8), None, None]


def test_the_receptive_field_is_what_changes_a_value():
    """Move one input pixel after another and see whether a middle value of the maps moves."""
    rng = np.random.default_rng(0)
    model = Sequential([Conv2D(1, 2, (3, 2), rng=rng, dtype=float), LeakyReLU(),
                        AvgPool2D((1, 2)), Conv2D(2, 1, (2, 3), stride=(2, 1), rng=rng,
                                                  dtype=float)], input_shape=(1, 9, 14))
    field = model.summary().rows[-1].receptive_field
    rest = model.predict(np.zeros((1, 1, 9, 14)))
    impulses = np.eye(9 * 14).reshape(-1, 1, 9, 14)
    moved = np.flatnonzero(model.predict(impulses)[:, 0, 1, 1] != rest[0, 0, 1, 1])
    rows, columns = np.unravel_index(moved, (9, 14))
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == field == (4, 7)


def test_the_table_as_html_is_escaped_and_complete():
    summary = first_seed().summary()
    page = summary._repr_html_()
    assert page.count("<tr>") == len(summary.rows) + 2
    assert page.count('scope="col"') == 5 and "401,954" in page
    summary.output = "<b>"
    assert "&lt;b&gt;" in summary._repr_html_() and "<b>" not in summary._repr_html_()


def test_a_network_on_rows_of_numbers_has_no_receptive_field():
    model = Sequential([Dense(4, 3), ReLU()])
    assert [row.receptive_field for row in model.summary((4,)).rows] == [None] * 3
    assert "total  " in str(model.summary((4,)))


def test_repr_names_the_layers():
    assert repr(Sequential([Dense(4, 2), Softmax()])) == "Sequential(Dense(4, 2) → softmax)"


# What it refuses
def test_layers_that_do_not_fit_are_refused_at_once():
    with pytest.raises(ShapeError, match=r"Dense\(10, 2\): expected 10 features, got \(32,\)"):
        Sequential([Conv2D(1, 2, 3), Flatten(), Dense(10, 2)], input_shape=(1, 6, 6))


@pytest.mark.parametrize("layers, message", [
    ([], "expected at least one layer that computes"),
    ([Softmax()], "expected at least one layer that computes"),
    ([Softmax(), Dense(2, 2)], r"Softmax\(\) belongs in the last place, got it in place 0 of 2"),
    ([ReLU(), 3], "expected layers, got 3 in place 1"),
    ([ReLU], "expected layers, got <class.*ReLU'> in place 0"),
    (ReLU(), r"expected a list, Sequential\(\[first, second, ...\]\), got ReLU\(\) alone"),
])
def test_wrong_layers_are_refused(layers, message):
    with pytest.raises(ValueError, match=message):
        Sequential(layers)


def test_the_same_layer_twice_is_refused():
    relu = ReLU()
    with pytest.raises(ValueError, match=r"got the same ReLU\(\) again in place 2"):
        Sequential([relu, Dense(2, 2), relu])
    Sequential([ReLU(), Dense(2, 2), ReLU()])  # equal ones are fine


def test_shapes_need_an_input_shape():
    with pytest.raises(ValueError, match=r"expected input_shape.*\(1, 28, 28\), got None"):
        Sequential([ReLU()]).summary()


def test_backward_without_forward_is_refused():
    model = Sequential([Dense(2, 2)])
    with pytest.raises(RuntimeError, match=r"Dense\(2, 2\): backward needs a forward before it"):
        model.backward(np.ones((1, 2)))
    model.forward(np.ones((1, 2)))
    model.backward(np.ones((1, 2)))
    with pytest.raises(RuntimeError, match="each forward serves one backward"):
        model.backward(np.ones((1, 2)))


def test_errors_name_the_layer_they_come_from():
    with pytest.raises(ShapeError, match=r"Conv2D\(1, 8, kernel_size=3\): expected images "
                                         r"\(N, 1, H, W\), got \(2, 3, 28, 28\)"):
        two_blocks().forward(np.zeros((2, 3, 28, 28)))


def test_parameters_are_named_by_place():
    parameters = two_blocks().parameters()
    assert list(parameters) == ["0.weight", "0.bias", "3.weight", "3.bias", "7.weight", "7.bias"]
    assert all(isinstance(parameter, Parameter) for parameter in parameters.values())
