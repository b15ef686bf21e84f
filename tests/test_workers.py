"""Several processes: the same numbers as one, and nothing left behind, however a run ends."""

import gc
import json
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies
from test_fast import distance, random_network, restart_dropout

from course_lib import fast, losses, optim, workers
from course_lib.checkpoint import Checkpoint
from course_lib.layers import (
    BatchNorm2D, Conv2D, Dense, Dropout, Flatten, Layer, LeakyReLU, MaxPool2D, ReLU,
)
from course_lib.model import Sequential
from course_lib.train import fit

ROOT = Path(__file__).parents[1]
LINUX = sys.platform == "linux"
on_linux = pytest.mark.skipif(not LINUX, reason="workers are forked, on Linux only")
BITS = [np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox,
        np.random.SFC64]


def network(dtype=np.float64, group=3, units=20, **options):
    """Everything that needs care where a batch is cut: batch norm in groups, dropout twice."""
    options = {"rng": np.random.default_rng(1), "dtype": dtype} | options
    return Sequential([
        Conv2D(1, 4, 3, padding=1, bias=False, **options),
        BatchNorm2D(4, group_size=group, dtype=dtype), ReLU(), MaxPool2D(2),
        Dropout(0.3, rng=np.random.default_rng(2)), Flatten(),
        Dense(4 * 3 * 4, units, **options), LeakyReLU(), Dropout(0.2, rng=np.random.default_rng(3)),
        Dense(units, 5, **options)], (1, 6, 8))


def plain(**options):
    return Sequential([Flatten(), Dense(6, 4, rng=np.random.default_rng(0), **options)], (1, 2, 3))


def digits(N=22, shape=(1, 6, 8), classes=5, dtype=np.float64):
    rng = np.random.default_rng(0)
    return rng.normal(size=(N, *shape)).astype(dtype), rng.integers(0, classes, N)


def by_the_layers(model, loss, images, labels):
    """The reference: what fit does with the layers themselves."""
    logits = model.forward(images)
    value, dlogits = loss(logits, labels)
    model.backward(dlogits, need_dx=False)
    return value, logits


def train(model, compute, batches, make=partial(optim.SGD, lr=0.1, momentum=0.9)):
    """Steps on these batches; the (loss, logits) of each."""
    optimizer, found = make(model.parameters()), []
    for step, batch in enumerate(batches):
        restart_dropout(model, step)
        optimizer.zero_grad()
        found.append(compute(*batch))
        optimizer.step()
    return found


def train_in(count, model, loss, batches, **options):
    with workers.Pool(model, loss, count) as compute:
        return train(model, compute, batches, **options)


def assert_same(first, second, runs, tolerance):
    """Networks, running statistics and every step's loss and logits."""
    for (value, logits), (its, logits_of_its) in zip(*runs, strict=True):
        assert abs(value - its) <= tolerance * max(1, abs(value))
        assert distance(logits, logits_of_its) <= tolerance
    for (name, ours), theirs in zip(first.state().items(), second.state().values()):
        assert ours.dtype == theirs.dtype and distance(ours, theirs) <= tolerance, name


def alive(pid: int) -> bool:
    """Is it still running? A zombie is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def wait_until(condition, seconds=10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


# ---- the same numbers as one process
@on_linux
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("heavy", [0, 10**9])  # the dense layers see their whole part, or do not
@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-10), (np.float32, 1e-5)])
def test_five_steps_are_those_of_one_process(count, heavy, dtype, tolerance, monkeypatch):
    monkeypatch.setattr(fast, "MICRO", 6)
    monkeypatch.setattr(fast, "HEAVY", heavy)
    images, labels = digits(5 * 22, dtype=dtype)
    batches = [(images[k : k + 22], labels[k : k + 22]) for k in range(0, 110, 22)]
    loss = losses.softmax_cross_entropy
    own, one, layers = (network(dtype) for _ in range(3))
    found = train_in(count, own, loss, batches)
    assert_same(one, own, (train(one, fast.Trainer(one, loss), batches), found), tolerance)
    expected = train(layers, partial(by_the_layers, layers, loss), batches)
    assert_same(layers, own, (expected, found), tolerance)


@on_linux
@pytest.mark.parametrize("seed", range(60))
def test_random_networks_train_as_the_layers_do(seed):
    rng = np.random.default_rng([seed, 2])
    own, layers = (random_network(seed, np.float64) for _ in range(2))
    N, count = int(rng.integers(1, 12)), int(rng.integers(2, 5))
    images, labels = rng.normal(size=(N, *own.input_shape)), rng.integers(0, 4, N)
    before = images.copy(), labels.copy()
    loss = [losses.softmax_cross_entropy, losses.hinge, partial(losses.hinge, kind="crammer")][
        seed % 3]
    if any(isinstance(layer, BatchNorm2D) and layer.group_size is None for layer in own.layers):
        with pytest.raises(ValueError, match="over the whole batch: give it group_size=32"):
            workers.Pool(own, loss, count)
        return
    batches = [(images, labels)] * 3
    found = train_in(count, own, loss, batches)
    expected = train(layers, partial(by_the_layers, layers, loss), batches)
    assert_same(layers, own, (expected, found), 1e-10)
    assert np.array_equal(images, before[0]) and np.array_equal(labels, before[1])


@on_linux
def test_digits_train_as_in_pytorch(mnist):
    from conftest import need

    torch = need("torch")
    options = {"rng": np.random.default_rng(0)}
    own = Sequential([Conv2D(1, 8, 3, padding=1, **options), ReLU(), MaxPool2D(2), Flatten(),
                      Dense(8 * 14 * 14, 10, **options)], (1, 28, 28))
    theirs = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.ReLU(),
                                 torch.nn.MaxPool2d(2), torch.nn.Flatten(),
                                 torch.nn.Linear(8 * 14 * 14, 10))
    with torch.no_grad():
        for mine, parameter in zip(own.parameters().values(), theirs.parameters()):
            turned = mine.data.T if mine.data.ndim == 2 else mine.data
            parameter.copy_(torch.from_numpy(turned.copy()))
    batches = [(mnist.train_images[k : k + 128], mnist.train_labels[k : k + 128])
               for k in range(0, 5 * 128, 128)]
    found = train_in(2, own, losses.softmax_cross_entropy, batches, make=partial(optim.SGD, lr=0.1))
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1)
    for (value, logits), (images, labels) in zip(found, batches):
        optimizer.zero_grad()
        outputs = theirs(torch.from_numpy(images))
        expected = torch.nn.functional.cross_entropy(outputs, torch.from_numpy(labels).long())
        expected.backward()
        optimizer.step()
        assert abs(value - expected.item()) <= 1e-5 * abs(value)
        assert distance(logits, outputs.detach().numpy()) <= 1e-5
    assert found[-1][0] < 0.8 * found[0][0]  # it learned something


@on_linux
@pytest.mark.parametrize("loss", [losses.mean_squared_error, losses.binary_cross_entropy])
def test_other_targets(loss):
    images, _ = digits(9, (1, 2, 3))
    targets = np.random.default_rng(5).random((9, 4 if loss is losses.mean_squared_error else 1))
    own, one = (Sequential([Flatten(), Dense(6, targets.shape[1], rng=np.random.default_rng(0),
                                             dtype=np.float64)], (1, 2, 3)) for _ in range(2))
    found = train_in(2, own, loss, [(images, targets)] * 3)
    expected = train(one, fast.Trainer(one, loss), [(images, targets)] * 3)
    assert_same(one, own, (expected, found), 1e-10)


@on_linux
def test_the_same_count_gives_the_same_bits():
    images, labels = digits(40, dtype=np.float32)
    states = []
    for _ in range(2):
        model = network(np.float32)
        train_in(3, model, losses.softmax_cross_entropy, [(images, labels)] * 4,
                 make=partial(optim.Adam, lr=0.01))
        states.append({name: array.tobytes() for name, array in model.state().items()})
    assert states[0] == states[1]


@on_linux
@pytest.mark.parametrize("bits", BITS)
def test_generators_of_dropout_end_where_one_process_leaves_them(bits):
    images, labels = digits()
    models = network(), network()
    for model in models:
        for k in (4, 8):
            model.layers[k].rng = np.random.Generator(bits(k))
            model.layers[k].rng.integers(0, 9, 3, np.uint32)  # half a draw is left for the next
    loss = losses.softmax_cross_entropy
    with workers.Pool(models[0], loss, 3) as compute:
        for _ in range(2):
            found = compute(images, labels), fast.Trainer(models[1], loss)(images, labels)
            assert distance(found[0][1], found[1][1]) <= 1e-10
    for k in (4, 8):
        mine, its = (model.layers[k].rng for model in models)
        assert np.array_equal(mine.integers(0, 2**31, 3, np.uint32),
                              its.integers(0, 2**31, 3, np.uint32))
        assert np.array_equal(mine.random(3), its.random(3))


@on_linux
def test_gradients_are_added_to_what_is_there():
    images, labels = digits()
    own, one = network(), network()
    for model in (own, one):
        for k, parameter in enumerate(model.parameters().values()):
            parameter.grad[...] = k + 1
    with workers.Pool(own, losses.hinge, 2) as compute:
        compute(images, labels)
    fast.Trainer(one, losses.hinge)(images, labels)
    for mine, its in zip(own.parameters().values(), one.parameters().values()):
        assert distance(its.grad, mine.grad) <= 1e-10


@on_linux
def test_a_parameter_in_two_layers_counts_once():
    def tied():
        rng = np.random.default_rng(0)
        first, second, last = (Dense(n, m, rng=rng, dtype=np.float64)
                               for n, m in ((6, 6), (6, 6), (6, 4)))
        second.weight = first.weight
        return Sequential([Flatten(), first, ReLU(), second, ReLU(), last], (1, 2, 3))

    images, labels = digits(8, (1, 2, 3), 4)
    own, one = tied(), tied()
    with workers.Pool(own, losses.hinge, 2) as compute:
        compute(images, labels)
        first = compute.others
        found = train(own, compute, [(images, labels)] * 3)
        assert compute.others is first  # nothing had to start anew
    expected = train(one, fast.Trainer(one, losses.hinge), [(images, labels)] * 3)
    assert_same(one, own, (expected, found), 1e-10)
    assert own.layers[1].weight.data is own.layers[3].weight.data


@on_linux
@pytest.mark.parametrize("fused", [False, None])
def test_every_process_computes_by_the_stages_of_one(fused):
    with workers.Pool(network(np.float32), losses.hinge, 2, fused) as compute:
        compute(*digits(dtype=np.float32))
        for trainer in (compute.alone, compute.share.compute):
            kinds = [type(stage) for stage in fast.Trainer(network(), losses.hinge, fused).stages]
            assert [type(stage) for stage in trainer.stages] == kinds


@on_linux
def test_batches_of_any_size_and_type_one_after_the_other():
    images, labels = digits(30)
    sizes, pids = (4, 30, 1, 7, 2, 30), []
    batches = [(images[:n], labels[:n]) for n in sizes]
    batches += [(images[:7].astype(np.float32), labels[:7].astype(np.uint8)),
                ((images[:7] > 0).astype(np.uint8), labels[:7])]
    own, one = network(), network()

    def compute_and_look(images, labels):
        result = compute(images, labels)
        pids.append([other.process.pid for other in compute.others])
        return result

    with workers.Pool(own, losses.hinge, 2) as compute:
        found = train(own, compute_and_look, batches)
    expected = train(one, fast.Trainer(one, losses.hinge), batches)
    assert_same(one, own, (expected, found), 1e-10)
    assert pids[0] != pids[1] == pids[2] == pids[3] == pids[4] == pids[5]  # room for 30 holds 2
    assert not any(map(alive, pids[0]))


@on_linux
def test_new_arrays_in_the_parameters_are_seen():
    images, labels = digits()
    own, one = network(), network()
    with workers.Pool(own, losses.hinge, 2) as compute:
        for model, train_step in ((own, compute), (one, fast.Trainer(one, losses.hinge))):
            train(model, train_step, [(images, labels)])
            for parameter in model.parameters().values():
                parameter.data = parameter.data / 2
            train(model, train_step, [(images, labels)])
        last = own.layers[-1].bias.data = np.ones(5)
    assert own.layers[-1].bias.data is last
    one.layers[-1].bias.data = last
    assert_same(one, own, ([], []), 1e-10)


# ---- how the batch is cut
@given(strategies.integers(1, 300), strategies.integers(1, 9), strategies.integers(1, 40))
def test_parts_are_whole_groups_and_about_equal(N, count, group):
    parts = workers.cut(N, count, group)
    assert [k for part in parts for k in range(N)[part]] == list(range(N))
    assert len(parts) == min(count, math.ceil(N / group))
    assert all(part.start % group == 0 and part.start < part.stop for part in parts)
    groups = [math.ceil((part.stop - part.start) / group) for part in parts]
    assert max(groups) - min(groups) <= 1


@given(strategies.sampled_from(BITS), strategies.integers(0, 2000), strategies.booleans())
def test_skipping_is_drawing(bits, count, half):
    skipped, drawn = (np.random.Generator(bits(7)) for _ in range(2))
    if half:
        skipped.integers(0, 9, 1, np.uint32), drawn.integers(0, 9, 1, np.uint32)
    workers.skip(skipped, count)
    drawn.random(count)
    assert np.array_equal(skipped.integers(0, 9, 5, np.uint32), drawn.integers(0, 9, 5, np.uint32))
    assert np.array_equal(skipped.random(5), drawn.random(5))


# ---- what cannot be cut, and mistakes
class Doubling(Layer):
    rungs = {"vectorised": (lambda x: (2 * x, None), lambda dy, cache: 2 * dy)}


def own_loss(logits, labels):
    return losses.hinge(logits, labels)


@on_linux
@pytest.mark.parametrize("build, loss, message", [
    (network, own_loss, "a loss whose parts add up, with an argument examples .* got own_loss"),
    (partial(network, group=None), losses.hinge, r"BatchNorm2D\(4\) takes its statistics over"),
    (lambda: Sequential([Doubling(), Flatten(), plain().layers[1]]), losses.hinge,
     r"the fast layout does not know Doubling\(\)"),
])
def test_what_needs_the_whole_batch_is_refused(build, loss, message):
    with pytest.raises(ValueError, match=message):
        workers.Pool(build(), loss, 2)
    images, labels = digits(8, build().input_shape or (1, 2, 3), 4)
    own, one = build(), build()
    found = train_in(1, own, loss, [(images, labels)] * 2)  # one process takes it
    expected = train(one, fast.Trainer(one, loss), [(images, labels)] * 2)
    assert_same(one, own, (expected, found), 0)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_another_system_is_refused(system, monkeypatch):
    monkeypatch.setattr(sys, "platform", system)
    with pytest.raises(ValueError, match=f"expected Linux, .* got {system}: use one process"):
        workers.Pool(plain(), losses.hinge, 2)


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2"])
def test_a_count_is_a_whole_number(count):
    with pytest.raises(ValueError, match="workers.Pool: count must be a whole number, at least 1"):
        workers.Pool(plain(), losses.hinge, count)


@on_linux
@on_linux
def test_no_more_processes_than_parts():
    model, (images, labels) = network(group=4), digits(10)
    with workers.Pool(model, losses.softmax_cross_entropy, count=50) as compute:
        compute(images, labels)
        assert len(compute.others) == 2, "three groups of four: three parts, one of them here"
        compute(*digits(22))
        assert len(compute.others) == 5


def test_dropouts_with_one_generator_are_refused():
    model, (images, labels) = network(), digits()
    model.layers[4].rng = model.layers[8].rng
    with workers.Pool(model, losses.hinge, 2) as compute:
        with pytest.raises(ValueError, match="a generator of its own in every Dropout"):
            compute(images, labels)
        restart_dropout(model, 0)
        compute(images, labels)


def wrong_batches():
    images, labels = digits()
    for place in (0, 21):
        wrong = labels.copy()
        wrong[place] = 5
        yield images, wrong
    yield images, labels - 1
    yield images, labels[:-1]
    yield images, labels.astype(float)
    yield images, labels[:, None]
    yield images, labels.astype(object)
    yield images[:0], labels[:0]
    yield images[0], labels
    yield images[:, :, :5], labels
    yield np.concatenate([images, images], axis=1), labels
    yield images[0, 0, 0, 0], labels


def complaint(compute, images, labels):
    with pytest.raises(Exception) as caught:
        compute(images, labels)
    return type(caught.value), str(caught.value)


@on_linux
def test_mistakes_are_told_as_by_one_process():
    loss, images_and_labels, complaints = losses.softmax_cross_entropy, digits(), []
    own, one = network(), network()
    with workers.Pool(own, loss, 2) as compute:
        for batch in wrong_batches():
            complaints.append(complaint(compute, *batch))
            assert complaints[-1] == complaint(fast.Trainer(one, loss), *batch)
        for model in (own, one):  # and then it goes on
            restart_dropout(model, 0)
            for layer in model.layers[1:2]:
                layer.running_mean[...], layer.running_var[...] = 0, 1
            for parameter in model.parameters().values():
                parameter.grad.fill(0)
        found = compute(*images_and_labels), fast.Trainer(one, loss)(*images_and_labels)
        assert abs(found[0][0] - found[1][0]) <= 1e-10
    assert_same(one, own, ([], []), 1e-10)
    assert len(set(complaints)) >= 8  # not always the same one


class Unsendable(Exception):
    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


@on_linux
@pytest.mark.parametrize("error, message", [
    (KeyError("lost"), "KeyError: 'lost'"), (Unsendable(1, 2), "RuntimeError: Unsendable: 1 and 2"),
])
def test_an_error_of_a_worker_alone_is_told_too(error, message):
    parent = os.getpid()

    def fails_elsewhere(logits, labels, examples=None):
        if os.getpid() != parent:
            raise error
        return losses.hinge(logits, labels, examples=examples)

    images, labels = digits()
    with workers.Pool(network(), fails_elsewhere, 2) as compute:
        with pytest.raises(type(error) if isinstance(error, KeyError) else RuntimeError) as caught:
            compute(images, labels)
    assert f"{type(caught.value).__name__}: {caught.value}" == message
    if isinstance(error, KeyError):
        assert "fails_elsewhere" in caught.value.__notes__[0]  # where it happened


# ---- processes and memory
@on_linux
@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_after_the_block(fails):
    model, (images, labels) = network(), digits()
    parameters, before = model.parameters(), multiprocessing.active_children()
    with pytest.raises(ZeroDivisionError) if fails else pytest.MonkeyPatch.context():
        with workers.Pool(model, losses.hinge, 3) as compute:
            assert multiprocessing.active_children() == before  # none without need
            compute(images, labels)
            pids = [other.process.pid for other in compute.others]
            assert len(pids) == 2 and all(map(alive, pids))
            state = model.state()
            1 / (not fails)
    assert not any(map(alive, pids)) and multiprocessing.active_children() == before
    assert all(own is its for own, its in zip(parameters.values(), model.parameters().values()))
    assert all(parameter.data.base is None for parameter in parameters.values())
    assert_same(model, model, ([], []), 0)
    assert all(np.array_equal(array, state[name]) for name, array in model.state().items())


@on_linux
def test_a_worker_leaves_the_parents_garbage_alone(tmp_path):
    """Whose end may close a socket, or delete a folder that the parent still uses."""
    def loss(logits, labels, examples=None):
        gc.collect()
        return losses.hinge(logits, labels, examples=examples)

    class Circle:
        def __init__(self, path):
            self.circle, self.path = self, path

        def __del__(self):
            with self.path.open("a") as file:
                file.write(f"{os.getpid()} ")

    gc.disable()
    try:
        Circle(tmp_path / "ended")
        with workers.Pool(network(), loss, 3) as compute:
            compute(*digits())
    finally:
        gc.enable()
    assert (tmp_path / "ended").read_text().split() == [str(os.getpid())]


@on_linux
@pytest.mark.parametrize("when", ["between steps", "in a step"])
def test_a_killed_worker_ends_the_run_with_the_last_step_kept(when):
    model, (images, labels), parent = network(), digits(), os.getpid()

    def dies(logits, labels, examples=None):
        if os.getpid() != parent and when == "in a step" and labels[-1] == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        return losses.hinge(logits, labels, examples=examples)

    labels[-1] = 3
    with workers.Pool(model, dies, 3) as compute:
        train(model, compute, [(images, labels)] * 2)
        state, rngs = model.state(), [str(model.layers[k].rng.bit_generator.state) for k in (4, 8)]
        pids = [other.process.pid for other in compute.others]
        for parameter in model.parameters().values():
            parameter.grad.fill(0)
        if when == "between steps":
            os.kill(pids[1], signal.SIGKILL)
            assert wait_until(lambda: not alive(pids[1]))
        labels[-1] = 4
        started = time.monotonic()
        with pytest.raises(ChildProcessError, match="worker 2 of 2 was ended by SIGKILL during a "
                           "step; the network is as it was after the step before"):
            compute(images, labels)
        assert time.monotonic() - started < 5
        assert not any(map(alive, pids)) and not multiprocessing.active_children()
        assert all(np.array_equal(array, state[name]) for name, array in model.state().items())
        assert rngs == [str(model.layers[k].rng.bit_generator.state) for k in (4, 8)]
        assert all(not parameter.grad.any() and parameter.data.base is None
                   for parameter in model.parameters().values())
        labels[-1] = 3
        assert math.isfinite(compute(images, labels)[0])  # who wants to, goes on with new ones
    assert not multiprocessing.active_children()


@on_linux
def test_a_worker_that_leaves_is_told_by_its_exit_status():
    parent = os.getpid()

    def leaves(logits, labels, examples=None):
        if os.getpid() != parent:
            os._exit(7)
        return losses.hinge(logits, labels, examples=examples)

    with workers.Pool(network(), leaves, 2) as compute:
        with pytest.raises(ChildProcessError, match="worker 1 of 1 ended with exit status 7"):
            compute(*digits())


# ---- fit and train
class Recording(optim.SGD):
    """Keeps a copy of the weights after every step."""

    def __init__(self, parameters):
        super().__init__(parameters, lr=0.05, momentum=0.9)
        self.states = []

    def step(self):
        super().step()
        self.states.append([own.data.copy() for own in self.parameters.values()])


def fit_network(model, loss=None, **options):
    images, labels = digits(66)
    optimizer = Recording(model.parameters())
    options = {"epochs": 3, "batch_size": 24, "augment": 1, "validation": 0.2, "seed": 4,
               "progress": False} | options
    return optimizer, fit(model, images, labels, optimizer=optimizer, loss=loss, **options)


@on_linux
def test_fit_is_that_of_one_process():
    own, one = network(), network()
    _, found = fit_network(own, workers=2)
    _, expected = fit_network(one, engine="fast")
    assert_same(one, own, ([], []), 1e-10)
    for name, values in expected.to_dict().items():
        if name not in ("seconds", "interrupted"):
            assert distance(np.array(values), np.array(found.to_dict()[name])) <= 1e-10, name
    assert not found.interrupted and not multiprocessing.active_children()
    assert all(parameter.data.base is None for parameter in own.parameters().values())


@on_linux
@pytest.mark.parametrize("options, message", [
    ({"workers": 2, "engine": "windows"}, "fit: 2 workers compute in the fast layout: leave eng"),
    ({"workers": 0}, "fit: workers must be a whole number, at least 1, got 0"),
])
def test_fit_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        fit_network(network(), **options)


def fatal(step):
    """A loss that kills the worker who computes it in this step."""
    parent, steps = os.getpid(), iter(range(1000))

    def loss(logits, labels, examples=None):
        if os.getpid() != parent and next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return losses.softmax_cross_entropy(logits, labels, examples=examples)

    return loss


@on_linux
@pytest.mark.parametrize("step", [0, 4])
def test_after_a_lost_worker_fit_stands_at_the_last_step(step, tmp_path):
    whole, cut_off = network(), network()
    recorded, expected = fit_network(whole, fatal(-1), workers=2)
    start = [own.data.copy() for own in cut_off.parameters().values()]
    with pytest.raises(ChildProcessError, match="was ended by SIGKILL") as caught:
        fit_network(cut_off, fatal(step), workers=2,
                    checkpoint=Checkpoint(tmp_path / "run.npz", 1000))
    history = caught.value.history
    assert history.interrupted and history.step_loss == expected.step_loss[:step]
    for own, its in zip(cut_off.parameters().values(), [start, *recorded.states][step]):
        assert np.array_equal(own.data, its) and own.data.base is None

    again = network()
    with pytest.raises(ValueError, match="workers: 2 there, 1 here"):
        fit_network(again, fatal(-1), engine="fast", checkpoint=tmp_path / "run.npz", resume=True)
    optimizer, history = fit_network(again, fatal(-1), workers=2, resume=True,
                                     checkpoint=tmp_path / "run.npz")
    assert len(optimizer.states) == len(expected.step_loss) - step  # nothing was done twice
    assert history.step_loss == expected.step_loss
    for (name, own), its in zip(again.state().items(), whole.state().values()):
        assert np.array_equal(own, its), name


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@on_linux
def test_the_command_trains_with_workers(tmp_path):
    words = [sys.executable, "-m", "course_lib", "train", "--data", "small", "--batch-size", "64"]
    told = [json.loads(subprocess.run([*words, "--epochs", "2", "--json", *more], cwd=ROOT,
                                      check=True, capture_output=True).stdout)
            for more in ([], ["--workers", "2"])]
    losses_of_both = [np.array(facts["history"]["step_loss"]) for facts in told]
    assert distance(*losses_of_both) <= 1e-5 and len(losses_of_both[0]) > 20

    process = subprocess.Popen([*words, "--epochs", "999", "--workers", "2", "--out", tmp_path],
                               cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert wait_until(lambda: len(children_of(process.pid)) == 1, 60)
        time.sleep(0.5)
        os.kill(children_of(process.pid)[0], signal.SIGKILL)
        started = time.monotonic()
        _, err = process.communicate(timeout=60)
        assert time.monotonic() - started < 20
    finally:
        process.kill()
    assert process.returncode == 1 and "worker 1 of 1 was ended by SIGKILL" in err
    assert "Traceback" not in err and (tmp_path / "checkpoint.npz").exists()


# ---- however the program ends
RUN = """
import json, multiprocessing, os, signal, sys, time
import numpy as np
from course_lib import losses, workers
from course_lib.layers import Dense, Flatten
from course_lib.model import Sequential

model = Sequential([Flatten(), Dense(6, 4, rng=np.random.default_rng(0))], (1, 2, 3))
images, labels = np.zeros((8, 1, 2, 3), np.float32), np.arange(8) % 4
parent = os.getpid()
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever starts this
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, lambda *arguments: None)

def loss(logits, labels, examples=None):
    if "slow" in sys.argv and os.getpid() != parent:
        time.sleep(0.2)
    return losses.hinge(logits, labels, examples=examples)

compute = workers.Pool(model, loss, 3)
compute(images, labels)
print(json.dumps([other.process.pid for other in compute.others]), flush=True)
"""
ENDINGS = {
    "idle": "time.sleep(60)",
    "busy": "while True:\n    compute(images, labels)",
    "forgets to close": "",
    "exits": "sys.exit(3)",
    "ctrl-c": "try:\n    with compute:\n        while True:\n            compute(images, labels)\n"
              "except KeyboardInterrupt:\n"
              "    print(json.dumps([len(multiprocessing.active_children()),\n"
              "        all(p.data.base is None for p in model.parameters().values())]))",
}


def start_run(ending, *words):
    """A program with two workers, its own process group; (process, pids of the workers)."""
    process = subprocess.Popen([sys.executable, "-c", RUN + ENDINGS[ending], *words], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT,
                               start_new_session=True)
    pids = json.loads(process.stdout.readline() or "[]")
    assert len(pids) == 2, process.communicate(timeout=60)
    return process, pids


@on_linux
@pytest.mark.parametrize("words", [(), ("slow",)])
@pytest.mark.parametrize("ending", ["idle", "busy"])
def test_workers_die_with_their_parent(ending, words):
    process, pids = start_run(ending, *words)
    time.sleep(0.3)  # into its steps
    assert all(map(alive, pids))
    process.kill()
    assert wait_until(lambda: not any(map(alive, pids)), 5)
    assert process.communicate(timeout=60) == ("", "")


@on_linux
@pytest.mark.parametrize("words", [(), ("deaf",)])
@pytest.mark.parametrize("ending, code", [("forgets to close", 0), ("exits", 3)])
def test_a_pool_that_nobody_closes_ends_with_the_program(ending, code, words):
    process, pids = start_run(ending, *words)
    assert process.communicate(timeout=60) == ("", "") and process.returncode == code
    assert wait_until(lambda: not any(map(alive, pids)), 5)


@on_linux
@pytest.mark.parametrize("words", [(), ("slow",)])
@pytest.mark.parametrize("whole_group", [False, True])  # as a terminal sends it, or a notebook
def test_ctrl_c_ends_workers_and_gives_the_parameters_back(words, whole_group):
    process, pids = start_run("ctrl-c", *words)
    time.sleep(0.3)
    assert all(map(alive, pids))
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (json.loads(out), err, process.returncode) == ([0, True], "", 0)
    assert not any(map(alive, pids))
