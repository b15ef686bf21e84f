"""Optimisers against PyTorch's, step by step; schedules against theirs and at their ends."""

import math

import numpy as np
import pytest
from conftest import need

from course_lib import optim
from course_lib.layers import Parameter
from course_lib.optim import SGD, Adam, RMSProp, cosine, one_cycle, step_decay
from course_lib.shapes import ShapeError


def parameters(dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return {"0.weight": Parameter(rng.normal(size=(3, 4)).astype(dtype)),
            "0.bias": Parameter(rng.normal(size=4).astype(dtype))}


def gradients(step, shape, dtype=np.float64):
    return np.random.default_rng([step, *shape]).normal(size=shape).astype(dtype)


def run(optimizer, steps, first=0):
    for step in range(first, first + steps):
        optimizer.zero_grad()
        for parameter in optimizer.parameters.values():
            parameter.grad += gradients(step, parameter.data.shape, parameter.data.dtype)
        optimizer.step()


CASES = {
    "plain": (SGD, {"lr": 0.1}, "SGD", {"lr": 0.1}),
    "sgd decay": (SGD, {"lr": 0.1, "weight_decay": 0.3}, "SGD", {"lr": 0.1, "weight_decay": 0.3}),
    "momentum": (SGD, {"lr": 0.05, "momentum": 0.9}, "SGD", {"lr": 0.05, "momentum": 0.9}),
    "both": (SGD, {"lr": 0.05, "momentum": 0.8, "weight_decay": 0.1},
             "SGD", {"lr": 0.05, "momentum": 0.8, "weight_decay": 0.1}),
    "rmsprop": (RMSProp, {"lr": 0.01}, "RMSprop", {"lr": 0.01, "alpha": 0.99, "eps": 1e-8}),
    "rmsprop decay": (RMSProp, {"lr": 0.02, "rho": 0.9, "eps": 0.1, "weight_decay": 0.2},
                      "RMSprop", {"lr": 0.02, "alpha": 0.9, "eps": 0.1, "weight_decay": 0.2}),
    "adam": (Adam, {}, "Adam", {}),
    "adam decay": (Adam, {"lr": 0.03, "betas": (0.7, 0.95), "eps": 0.1, "weight_decay": 0.2},
                   "Adam", {"lr": 0.03, "betas": (0.7, 0.95), "eps": 0.1, "weight_decay": 0.2}),
}


@pytest.mark.parametrize("case", CASES)
def test_every_step_equals_pytorch(case):
    torch = need("torch")
    kind, options, name, torch_options = CASES[case]
    ours = parameters()
    theirs = [torch.nn.Parameter(torch.tensor(p.data)) for p in ours.values()]
    optimizer = kind(ours, **options)
    reference = getattr(torch.optim, name)(theirs, **torch_options)
    for step in range(20):
        run(optimizer, 1, first=step)
        for tensor in theirs:
            tensor.grad = torch.tensor(gradients(step, tuple(tensor.shape)))
        reference.step()
        for parameter, tensor in zip(ours.values(), theirs):
            np.testing.assert_allclose(parameter.data, tensor.detach().numpy(), rtol=1e-12,
                                       atol=1e-13)


def test_plain_descent_by_hand():
    p = Parameter(np.array([1.0, -2.0]))
    p.grad += [10.0, 0.5]
    optimizer = SGD([p], lr=0.1)
    optimizer.step()
    np.testing.assert_allclose(p.data, [0.0, -2.05], rtol=1e-15)
    optimizer.zero_grad()
    assert not p.grad.any()
    optimizer.step()
    np.testing.assert_allclose(p.data, [0.0, -2.05], rtol=1e-15)


@pytest.mark.parametrize("kind", [RMSProp, Adam])
def test_first_steps_have_the_size_of_the_learning_rate(kind):
    """Adam's correction makes the first step lr, whatever the gradient; RMSProp's is longer."""
    p = Parameter(np.zeros(3))
    p.grad += [1e-3, -5.0, 400.0]
    kind([p], lr=0.01).step()
    wanted = 0.01 if kind is Adam else 0.01 / math.sqrt(1 - 0.99)
    np.testing.assert_allclose(p.data, wanted * np.array([-1, 1, -1]), rtol=1e-4)


@pytest.mark.parametrize("kind, options", [
    (SGD, {"lr": 0.1}), (SGD, {"lr": 0.1, "momentum": 0.5}), (RMSProp, {}), (Adam, {})])
def test_a_shared_parameter_is_moved_once(kind, options):
    alone, shared, other = (Parameter(np.ones(2)) for _ in range(3))
    run(kind({"a": alone}, **options), 3)
    optimizer = kind({"a": shared, "b": other, "c": shared}, **options)
    assert list(optimizer.parameters) == ["a", "b"]
    run(optimizer, 3)
    assert np.array_equal(shared.data, alone.data)
    assert np.array_equal(other.data, alone.data)  # the same gradients, its own memory
    assert len(kind([shared, shared], **options).parameters) == 1


def test_only_the_named_parameters_move():
    every = parameters()
    before = every["0.weight"].data.copy()
    run(SGD([every["0.bias"]], lr=0.1), 1)
    every["0.weight"].grad += 1
    assert np.array_equal(every["0.weight"].data, before)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind, options", [
    (SGD, {"momentum": 0.9, "weight_decay": 0.1}), (RMSProp, {"weight_decay": 0.1}),
    (Adam, {"weight_decay": 0.1})])
def test_steps_keep_the_array_and_its_type(kind, options, dtype):
    ours = parameters(dtype)
    arrays = [p.data for p in ours.values()]
    optimizer = kind(ours, **options)
    optimizer.lr = np.float64(0.01)  # a schedule's number must not widen anything
    run(optimizer, 2)
    assert all(p.data is array and array.dtype == dtype for p, array in zip(ours.values(), arrays))
    assert all(a.dtype == dtype for memory in optimizer.memory.values() for a in memory.values())


def test_weight_decay_does_not_touch_the_gradient():
    p = Parameter(np.ones(2))
    p.grad += 3
    SGD([p], lr=0.1, weight_decay=0.5).step()
    assert list(p.grad) == [3, 3]
    np.testing.assert_allclose(p.data, 1 - 0.1 * 3.5)


# State
@pytest.mark.parametrize("kind, options", [
    (SGD, {"lr": 0.1}), (SGD, {"lr": 0.1, "momentum": 0.9}), (RMSProp, {}), (Adam, {})])
def test_a_state_resumes_bit_for_bit(kind, options):
    straight, resumed = parameters(np.float32), parameters(np.float32)
    run(kind(straight, **options), 8)
    first = kind(resumed, **options)
    run(first, 5)
    state = first.state()
    run(first, 1, first=99)  # must not reach the copy
    for name, parameter in resumed.items():
        parameter.data[...] = straight_after(5, kind, options)[name]
    second = kind(resumed, **options)
    second.load_state(state)
    assert second.steps == 5
    for value in state.values():
        if isinstance(value, np.ndarray):
            value += 1  # must not reach the optimiser
    run(second, 3, first=5)
    for name, parameter in straight.items():
        assert parameter.data.tobytes() == resumed[name].data.tobytes()


def straight_after(steps, kind, options):
    fresh = parameters(np.float32)
    run(kind(fresh, **options), steps)
    return {name: parameter.data for name, parameter in fresh.items()}


def test_states_have_names():
    state = Adam(parameters()).state()
    assert set(state) == {"steps", "0.weight.mean", "0.weight.square", "0.bias.mean",
                          "0.bias.square"}
    assert set(SGD(parameters()).state()) == {"steps"}
    assert set(SGD(parameters(), momentum=0.1).state()) == {"steps", "0.weight.velocity",
                                                            "0.bias.velocity"}


@pytest.mark.parametrize("spoil, error, message", [
    (lambda s: s.pop("0.bias.mean"), ValueError, "Adam: this state is of another optimiser"),
    (lambda s: s.update({"x": 1}), ValueError, r"expected \['0.bias.mean'.*got .*'x'\]"),
    (lambda s: s.update({"0.bias.square": np.ones(1)}), ShapeError,
     r"Adam: expected 0.bias.square \(4,\), got \(1,\)"),
])
def test_a_state_that_does_not_fit_changes_nothing(spoil, error, message):
    optimizer = Adam(parameters())
    run(optimizer, 2)
    before, state = optimizer.state(), Adam(parameters()).state()
    spoil(state)
    with pytest.raises(error, match=message):
        optimizer.load_state(state)
    for name, value in optimizer.state().items():
        assert np.array_equal(value, before[name])


# Schedules
def test_constant():
    assert [optim.constant(0.3)(step) for step in (0, 5, 10**6)] == [0.3] * 3


def torch_rates(torch, scheduler, steps, lr=0.4, **options):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    made, rates = getattr(torch.optim.lr_scheduler, scheduler)(optimizer, **options), []
    for step in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step < steps - 1:
            made.step()
    return rates


def test_step_decay_equals_pytorch():
    rates = torch_rates(need("torch"), "StepLR", 25, step_size=7, gamma=0.3)
    schedule = step_decay(0.4, every=7, factor=0.3)
    np.testing.assert_allclose([schedule(step) for step in range(25)], rates, rtol=1e-12)


@pytest.mark.parametrize("steps, final", [(2, 0.0), (25, 0.0), (24, 0.1)])
def test_cosine_equals_pytorch(steps, final):
    rates = torch_rates(need("torch"), "CosineAnnealingLR", steps, T_max=steps - 1, eta_min=final)
    schedule = cosine(0.4, steps, final)
    np.testing.assert_allclose([schedule(step) for step in range(steps)], rates, atol=1e-12)


@pytest.mark.parametrize("steps, warmup, start, final", [(41, 0.25, 0.04, 1e-4),
                                                         (31, 0.5, 0.2, 0.01)])
def test_one_cycle_equals_pytorch(steps, warmup, start, final):
    """PyTorch peaks at step pct_start*steps - 1, this library at warmup*(steps - 1)."""
    rates = torch_rates(
        need("torch"), "OneCycleLR", steps, max_lr=0.4, total_steps=steps, div_factor=1 / start,
        pct_start=(warmup * (steps - 1) + 1) / steps, final_div_factor=start / final,
        cycle_momentum=False)
    schedule = one_cycle(0.4, steps, warmup, start, final)
    np.testing.assert_allclose([schedule(step) for step in range(steps)], rates, atol=1e-12)


def test_schedules_at_their_ends():
    assert cosine(0.5, 11)(0) == 0.5
    assert cosine(0.5, 11, final=0.1)(10) == cosine(0.5, 11, final=0.1)(99) == pytest.approx(0.1)
    assert cosine(0.5, 11)(5) == pytest.approx(0.25)
    cycle = one_cycle(0.5, 101)
    assert cycle(0) == pytest.approx(0.5 * 0.04)
    assert cycle(25) == max(cycle(step) for step in range(101)) == 0.5
    assert cycle(100) == cycle(1000) == pytest.approx(0.5 * 1e-4)
    assert cosine(0.5, 1)(0) == 0.5 and one_cycle(0.5, 1, warmup=0)(0) == 0.5
    assert step_decay(1.0, 10)(10) == pytest.approx(0.1)  # factor 0.1 unless chosen


# What is refused
@pytest.mark.parametrize("make, message", [
    (lambda p: SGD(p, lr=0), "SGD: expected lr > 0, got 0"),
    (lambda p: SGD(p, lr=-1), "SGD: expected lr > 0, got -1"),
    (lambda p: SGD(p, lr=math.nan), "SGD: expected lr > 0, got nan"),
    (lambda p: Adam(p, lr=math.inf), "Adam: expected lr > 0, got inf"),
    (lambda p: SGD(p, lr="0.1"), "SGD: expected lr > 0, got '0.1'"),
    (lambda p: SGD(p, lr=None), "SGD: expected lr > 0, got None"),
    (lambda p: SGD(p, momentum=1), "SGD: expected momentum >= 0 and < 1, got 1"),
    (lambda p: SGD(p, momentum=-0.1), "SGD: expected momentum >= 0 and < 1, got -0.1"),
    (lambda p: SGD(p, weight_decay=-1), "SGD: expected weight_decay >= 0, got -1"),
    (lambda p: RMSProp(p, rho=1.0), "RMSProp: expected rho >= 0 and < 1, got 1.0"),
    (lambda p: RMSProp(p, eps=-1), "RMSProp: expected eps >= 0, got -1"),
    (lambda p: Adam(p, eps=-1), "Adam: expected eps >= 0, got -1"),
    (lambda p: Adam(p, betas=(0.9, 1)), "Adam: expected betas >= 0 and < 1, got 1"),
    (lambda p: Adam(p, betas=0.9), r"Adam: expected betas, a pair such as .*, got 0.9"),
    (lambda p: Adam(p, betas=(0.9,)), r"Adam: expected betas, a pair .*, got \(0.9,\)"),
    (lambda p: SGD({}), "SGD: expected parameters to move, got none"),
    (lambda p: Adam([]), "Adam: expected parameters to move, got none"),
    (lambda p: SGD(3), r"SGD: expected parameters such as model.parameters\(\), got 3"),
    (lambda p: SGD([np.ones(2)]), "SGD: expected 0 to be a Parameter, got array"),
    (lambda p: step_decay(1, 0), "step_decay: every must be a whole number.*got 0"),
    (lambda p: cosine(1, 0), "cosine: steps must be a whole number.*got 0"),
    (lambda p: one_cycle(1, 2.5), "one_cycle: steps must be a whole number.*got 2.5"),
    (lambda p: one_cycle(1, 5, warmup=1), "one_cycle: expected warmup >= 0 and < 1, got 1"),
])
def test_wrong_numbers_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make(parameters())


def test_the_table_of_names():
    assert optim.OPTIMIZERS == {"sgd": SGD, "rmsprop": RMSProp, "adam": Adam}
    with pytest.raises(NotImplementedError):
        optim.Optimizer(parameters(), lr=0.1).step()
