"""A run that was killed, interrupted or stopped goes on to the same end, bit for bit."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from course_lib import fast, npz
from course_lib.checkpoint import Checkpoint, CheckpointError, FileSaver
from course_lib.data import make_lines
from course_lib.layers import (
    BatchNorm2D, Conv2D, Dense, Dropout, Flatten, LeakyReLU, MaxPool2D, ReLU, Softmax,
)
from course_lib.losses import softmax_cross_entropy
from course_lib.model import Sequential
from course_lib.optim import SGD, Adam
from course_lib.train import evaluate, fit

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
OPTIONS = {"epochs": 3, "batch_size": 16, "optimizer": "adam", "schedule": "one_cycle",
           "lr": 0.01, "validation": 0.25, "augment": 1, "seed": 4, "progress": False}
STEPS, EPOCH = 9, 3  # of those options on 60 lines, a quarter set aside


def network(seed=0, dtype=np.float32, p=0.5, momentum=0.1):
    """Everything that draws at random, and what a batch norm keeps beside its parameters."""
    rng = np.random.default_rng(seed)
    return Sequential([
        Conv2D(1, 3, 3, padding="same", rng=rng, dtype=dtype),
        BatchNorm2D(3, momentum=momentum, group_size=4, dtype=dtype), ReLU(), MaxPool2D(2),
        Dropout(0.2), Flatten(), Dense(48, 10, rng=rng, dtype=dtype), LeakyReLU(0.1), Dropout(p),
        Dense(10, 2, rng=rng, dtype=dtype), Softmax()])


def lines(count=60, seed=0):
    return make_lines(np.random.default_rng(seed), count=count)


def outcome(model, history):
    """All that must be equal: weights, buffers, history without its seconds, test accuracy."""
    told = history.to_dict()
    assert len(told.pop("seconds")) == len(told["epoch"])
    weights = {name: array.tobytes() for name, array in model.state().items()}
    return weights, told, evaluate(model, *lines(40, seed=1)).accuracy


def train(path=None, model=None, data=None, **options):
    """(model, history) of the run, kept in `path` after every step."""
    model = network() if model is None else model
    keep = {} if path is None else {"checkpoint": Checkpoint(path, 0)}
    return model, fit(model, *(data or lines()), **(OPTIONS | keep | options))


class Breaking:
    """An augmentation that ends the run in its `at`-th step, the first being 0."""

    def __init__(self, at, how):
        self.at, self.how, self.calls = at, how, 0

    def __call__(self, images, rng):
        self.calls += 1
        if self.calls == self.at + 1:
            self.how()
        return images + rng.normal(size=images.shape).astype(images.dtype)


def crash():
    raise ZeroDivisionError("cut off")


def ctrl_c():
    signal.raise_signal(signal.SIGINT)


def broken(path, at=4, how=crash, **options):
    """Cut a run off in its step `at`; the augmentation that goes with it."""
    augment = Breaking(at, how)
    with pytest.raises(ZeroDivisionError):
        train(path, augment=augment, **options)
    return Breaking(-1, how)


# ---- the same end


@pytest.mark.parametrize("engine", ["vectorised", "fast"])
@pytest.mark.parametrize("at", range(1, STEPS))
def test_a_run_cut_off_in_any_step_ends_the_same(tmp_path, at, engine):
    whole = outcome(*train(augment=Breaking(-1, crash), engine=engine))
    augment = broken(tmp_path / "run.npz", at, engine=engine)
    again = train(tmp_path / "run.npz", network(seed=9), augment=augment, engine=engine,
                  resume=True)
    assert augment.calls == STEPS - at  # nothing is computed twice
    assert outcome(*again) == whole
    assert os.listdir(tmp_path) == ["run.npz"]


@pytest.mark.parametrize("optimizer", [
    lambda p: SGD(p, lr=0.05, momentum=0.9, weight_decay=0.01), lambda p: SGD(p, lr=0.05),
    lambda p: Adam(dict(list(p.items())[2:]), lr=0.01)])
def test_an_optimizer_of_ones_own_goes_on_too(tmp_path, optimizer):
    """With momentum, without memory, and one that leaves the first layer as it is."""
    def run(path=None, **options):
        model = network(dtype=np.float64)
        return train(path, model, optimizer=optimizer(model.parameters()), lr=None, **options)

    augment = Breaking(-1, crash)
    whole = outcome(*run(augment=augment))
    with pytest.raises(ZeroDivisionError):
        run(tmp_path / "r", augment=Breaking(5, crash))
    assert outcome(*run(tmp_path / "r", augment=augment, resume=True)) == whole


def victim(path, resume, slow):
    """Train in this process, telling each step and, if slow, each write; print what came out."""
    def told_and_slow(number):
        print("write", flush=True)
        time.sleep(0.01)

    if slow:
        npz.os.fsync = told_and_slow
    images, labels = lines(80)

    def augment(images, rng):
        print("step", flush=True)
        return images + rng.normal(size=images.shape).astype(images.dtype) / 9

    keep = {} if path is None else {"checkpoint": Checkpoint(path, 0), "resume": resume}
    model = network()
    optimizer = Adam(model.parameters(), lr=0.01)
    history = fit(model, images, labels, **OPTIONS | keep | {
        "epochs": KILLED_EPOCHS, "batch_size": 8, "optimizer": optimizer, "lr": None,
        "augment": augment, "engine": "fast"})
    weights, told, accuracy = outcome(model, history)
    memory = {name: hashlib.sha256(np.asarray(array).tobytes()).hexdigest()
              for name, array in optimizer.state().items()}
    print(json.dumps([{name: hashlib.sha256(data).hexdigest() for name, data in weights.items()},
                      memory, told, accuracy]))


KILLS = int(os.environ.get("COURSE_KILLS", 20))
KILLED_EPOCHS = 5 * KILLS // 2  # they are killed before they end, however many


def start(*words):
    here = Path(__file__).parent
    paths = [str(here), *(path for path in sys.path if path)]
    environment = os.environ | {name: "1" for name in THREADS} | {
        "PYTHONPATH": os.pathsep.join(paths)}
    program = f"import test_checkpoint as t; t.victim(*{words!r})"
    return subprocess.Popen([sys.executable, "-c", program], text=True, env=environment,
                            cwd=here.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


def test_a_run_killed_at_twenty_random_moments_ends_the_same(tmp_path):
    """SIGKILL, each time the run has been resumed; some of them in the middle of a write."""
    path, chance, torn = tmp_path / "run.npz", random.Random(), 0
    for kill in range(KILLS):
        process = start(str(path), kill > 0, True)
        with process.stdout, process.stderr:
            for _ in range(chance.randint(1, 25)):  # steps and writes; each life gets somewhere
                assert process.stdout.readline() in ("step\n", "write\n"), process.stderr.read()
            time.sleep(chance.choice([0, chance.uniform(0, 0.02)]))
            process.kill()
            process.wait(60)
        assert process.returncode != 0, "the run had ended before it was killed"
        torn += len(list(tmp_path.glob(".run.npz.*.part")))
    assert torn >= 1, "no kill struck a write"
    assert finish(start(str(path), True, False)) == finish(start(None, False, False))
    assert os.listdir(tmp_path) == ["run.npz"]  # what the killed writers left is gone
    assert finish(start(str(path), True, False))  # ended: nothing is left to do


def test_resuming_without_a_file_begins_and_with_an_ended_run_returns_it(tmp_path):
    first = train(tmp_path / "run.npz", resume=True)
    assert outcome(*first) == outcome(*train())
    before = (tmp_path / "run.npz").read_bytes()
    calls = []
    again = train(tmp_path / "run.npz", network(seed=5), resume=True,
                  watch=lambda model, history: calls.append(1))
    assert outcome(*again) == outcome(*first) and calls == []
    assert again[1].seconds == first[1].seconds
    assert json.loads(read(tmp_path / "run.npz")["checkpoint"].item())["position"] == json.loads(
        str(read_bytes(before)["checkpoint"]))["position"]


def test_the_history_says_how_long_all_of_it_took(tmp_path):
    pause = [0.3]

    def slow(images, rng):
        time.sleep(pause[0])
        return images

    with pytest.raises(ZeroDivisionError):
        train(tmp_path / "r", augment=slow, loss=Failing(at=EPOCH + 3))  # in its sixth step
    pause[0] = 0
    _, history = train(tmp_path / "r", augment=slow, loss=Failing(at=-1), resume=True)
    assert history.seconds[0] >= 0.9 and history.seconds[1] >= 0.6


class Failing:
    """A loss that fails in its `at`-th call, the first being 0; each validation is one, too."""

    def __init__(self, at, how=crash):
        self.at, self.how, self.calls = at, how, 0

    def __call__(self, logits, labels):
        self.calls += 1
        if self.calls - 1 == self.at:
            self.how()
        return softmax_cross_entropy(logits, labels)


def test_a_diverged_run_can_be_resumed(tmp_path):
    """Not a number stays what it is."""
    def run(path=None, at=-1, **options):
        return train(path, loss=Failing(at), optimizer="sgd", lr=1e20, **options)

    with np.errstate(all="ignore"):
        model, history = run()
        assert np.isnan(history.step_loss[-1])
        with pytest.raises(ZeroDivisionError):
            run(tmp_path / "r", at=STEPS - 1)
        again, told = run(tmp_path / "r", resume=True)
    np.testing.assert_array_equal(told.step_loss, history.step_loss)
    for name, array in model.state().items():
        np.testing.assert_array_equal(again.state()[name], array)


# ---- watch


def test_watch_is_asked_again_if_it_was_cut_off_and_never_skipped(tmp_path):
    seen = []

    def watch(model, history):
        seen.append(len(history.epoch))
        if seen == [1, 2]:
            crash()

    with pytest.raises(ZeroDivisionError):
        train(tmp_path / "r", watch=watch)
    _, history = train(tmp_path / "r", watch=watch, resume=True)
    assert seen == [1, 2, 2, 3] and history.epoch == [1, 2, 3]
    assert outcome(_, history) == outcome(*train())


def test_a_run_that_watch_stopped_has_ended(tmp_path):
    first = train(tmp_path / "r", watch=lambda model, history: len(history.epoch) == 2)
    again = train(tmp_path / "r", resume=True)
    assert outcome(*again) == outcome(*first) and again[1].epoch == [1, 2]


def test_what_watch_does_to_the_network_is_kept(tmp_path):
    def watch(model, history):
        model.layers[0].weight.data *= 0.5

    whole = outcome(*train(watch=watch, augment=Breaking(-1, crash)))
    augment = broken(tmp_path / "r", EPOCH + 1, watch=watch)
    assert outcome(*train(tmp_path / "r", watch=watch, augment=augment, resume=True)) == whole


# ---- Ctrl-C


@pytest.mark.parametrize("at", [0, 1, EPOCH - 1, EPOCH, STEPS - 1])
def test_ctrl_c_keeps_the_state_between_two_steps(tmp_path, at):
    """It arrives within a step, which is done to its end first; nothing is lost."""
    keep = {"checkpoint": Checkpoint(tmp_path / "run.npz", 3600)}
    handler = signal.getsignal(signal.SIGINT)
    model, history = train(augment=Breaking(at, ctrl_c), **keep)
    assert history.interrupted and len(history.step_loss) == at + 1
    assert signal.getsignal(signal.SIGINT) is handler
    augment = Breaking(-1, ctrl_c)
    again = train(augment=augment, resume=True, **keep)
    assert augment.calls == STEPS - at - 1 and not again[1].interrupted
    assert outcome(*again) == outcome(*train(augment=Breaking(-1, ctrl_c)))


@pytest.mark.parametrize("where", ["watch", "validation"])
def test_ctrl_c_outside_the_steps_does_not_wait(tmp_path, where, monkeypatch):
    from course_lib import train as module

    keep = {"checkpoint": Checkpoint(tmp_path / "run.npz", 3600)}
    calls = []

    def stop(*words, **options):
        calls.append(1)
        if len(calls) == 2:
            ctrl_c()
            pytest.fail("it waited")
        return evaluate(*words, **options) if where == "validation" else None

    options = {"watch": stop} if where == "watch" else {}
    with monkeypatch.context() as patch:
        if where == "validation":
            patch.setattr(module, "evaluate", stop)
        model, history = train(**keep, **options)
    assert history.interrupted and len(history.step_loss) == 2 * EPOCH
    again = train(resume=True, **keep)
    assert outcome(*again) == outcome(*train())


def test_a_second_ctrl_c_does_not_wait_and_saves_nothing_half_done(tmp_path):
    def twice():
        ctrl_c()
        ctrl_c()

    keep = {"checkpoint": Checkpoint(tmp_path / "run.npz", 3600)}
    _, history = train(loss=Failing(EPOCH + 2, twice), **keep)  # batch norm has moved
    assert history.interrupted and len(history.step_loss) == 4
    again = train(loss=Failing(-1), resume=True, **keep)
    assert outcome(*again) == outcome(*train(loss=Failing(-1)))


def test_it_works_outside_the_main_thread(tmp_path):
    results = []
    thread = threading.Thread(target=lambda: results.append(train(tmp_path / "run.npz")))
    thread.start()
    thread.join()
    assert outcome(*results[0]) == outcome(*train())


# ---- when it writes


def test_how_often_it_writes(tmp_path, monkeypatch):
    writes = []
    monkeypatch.setattr(npz, "write", lambda path, arrays: writes.append(path))
    for seconds, count in ((0, 1 + STEPS + 3), (3600, 1 + 1)):  # the first state; the last one
        writes.clear()
        train(checkpoint=Checkpoint(tmp_path / "run.npz", seconds))
        assert len(writes) == count


def test_a_slow_disk_is_written_to_less_often(tmp_path, monkeypatch):
    """A thirtieth of the time at most, whatever was asked for (but 0, which is for tests)."""
    writes, write = [], npz.write

    def slow(path, arrays):
        writes.append(1)
        time.sleep(0.05)
        write(path, arrays)

    monkeypatch.setattr(npz, "write", slow)
    train(checkpoint=Checkpoint(tmp_path / "run.npz", 1e-6))
    assert len(writes) < 1 + STEPS  # nine quick steps do not take 30 * 50 ms


def test_a_full_disk_does_not_end_the_training(tmp_path, monkeypatch):
    path, calls = tmp_path / "run.npz", []
    replace = os.replace

    def full(*names):
        calls.append(names)
        if len(calls) > 3:
            raise OSError("no space left on device")
        replace(*names)

    monkeypatch.setattr(os, "replace", full)
    with pytest.warns(UserWarning, match=r"run\.npz: this checkpoint could not be written \(no "
                                         "space left on device\\); the training goes on"):
        model, history = train(path)
    assert outcome(model, history) == outcome(*train())
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["run.npz"]
    assert outcome(*train(path, resume=True)) == outcome(*train())  # from the last complete one


def test_a_place_that_cannot_be_written_is_found_before_the_training(tmp_path):
    model = network()
    before = model.state()
    with pytest.raises(OSError, match="nowhere"):
        train(tmp_path / "nowhere" / "run.npz", model)
    assert all(np.array_equal(before[name], array) for name, array in model.state().items())


# ---- what the file is


def read(path):
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def read_bytes(content):
    import io

    return read(io.BytesIO(content))


def test_numpy_reads_it_without_pickle(tmp_path):
    model, history = train(tmp_path / "run.npz")
    arrays = read(tmp_path / "run.npz")
    for name, array in model.state().items():
        assert arrays[f"model.{name}"].tobytes() == array.tobytes()
    assert arrays["history.step_loss"].tolist() == history.step_loss
    assert {"optimizer.0.weight.mean", "optimizer.0.weight.square"} <= set(arrays)
    facts = json.loads(str(arrays["checkpoint"]))
    assert facts["position"] | {"seconds": 0} == {
        "epoch": 3, "step": 0, "loss": 0.0, "right": 0, "seconds": 0, "lr": 0.0, "finished": True}


# ---- what is refused, and left as it is


def other(part):
    images, labels = lines()
    if part == "image":
        images[7, 0, 3, 3] += 0.5
    if part == "label":
        labels[7] = 1 - labels[7]
    return (images[:-1], labels[:-1]) if part == "fewer" else (images, labels)


OTHERS = [
    ({"epochs": 4}, r"epochs: 3 there, 4 here"),
    ({"batch_size": 8}, r"batch_size: 16 there, 8 here"),
    ({"seed": 5}, r"seed: 4 there, 5 here"),
    ({"lr": 0.02}, r"lr: 0\.01 there, 0\.02 here"),
    ({"optimizer": "sgd"}, r"optimizer: Adam there, SGD here"),
    ({"schedule": "cosine"}, r"learning rates: 0\.0004, .* there, 0\.01, .* at steps 0, 2"),
    ({"schedule": lambda step: 0.01}, r"learning rates: 0\.0004, .* there, 0\.01, 0\.01"),
    ({"engine": "windows"}, r"engine: 'vectorised' there, 'windows' here"),
    ({"loss": "hinge"}, r"loss: softmax_cross_entropy there, hinge here"),
    ({"augment": 2}, r"augment: random_shift\(pixels=1\) there, random_shift\(pixels=2\) here"),
    ({"augment": None}, r"augment: random_shift\(pixels=1\) there, None here"),
    ({"augment": Breaking(-1, crash)}, r"augment: random_shift\(pixels=1\) there, Breaking here"),
    ({"validation": None}, r"images: \(45, 1, 8, 8\) float32 \w+ there, \(60, .*; validation: \("),
    ({"validation": 0.5}, r"images: \(45, 1, 8, 8\) float32 \w+ there, \(30, "),
    ({"data": other("image")}, r"(images|validation): .*float32 \w+.* there, .*float32 \w+.* here"),
    ({"data": other("label")}, r"(labels|validation): .*int64 \w+.* there, .*int64 \w+.* here"),
    ({"data": other("fewer")}, r"images: \(45, .*\(44, "),
    ({"model": network(dtype=np.float64)}, r"layer 0: .*float32.* there, .*float64"),
    ({"model": network(p=0.4)}, r"layer 8: Dropout\(p=0\.5\) .*Dropout\(p=0\.4\)"),
    ({"model": network(momentum=0.2)}, r"layer 1: BatchNorm2D\(.*momentum=0\.1, .*momentum=0\.2"),
    ({"model": Sequential(network().layers)}, r"output: softmax there, None here"),
    ({"model": Sequential(network().layers + [ReLU()])}, r"layer 10: nothing there, ReLU\(\)"),
    ({"model": Sequential([Flatten(), Dense(64, 2)])}, r"layer 0: Conv2D\(.*Flatten\(\)"),
]


@pytest.mark.parametrize("change, message", OTHERS, ids=range(len(OTHERS)))
def test_another_run_is_refused_by_what_differs(tmp_path, change, message):
    path = tmp_path / "run.npz"
    with pytest.raises(ZeroDivisionError):
        train(path, watch=lambda model, history: crash(), engine="vectorised")
    content = path.read_bytes()
    model = change.get("model", network(seed=3))
    before = {name: array.copy() for name, array in model.state().items()}
    with pytest.raises(CheckpointError, match=rf"run\.npz is of another run, and .*{message}"):
        train(path, **{"model": model, "engine": "vectorised"} | change, resume=True)
    assert path.read_bytes() == content and os.listdir(tmp_path) == ["run.npz"]
    assert all(np.array_equal(before[name], array) for name, array in model.state().items())


def test_a_run_that_was_cut_off_is_not_overwritten_but_one_that_ended_is(tmp_path):
    path = tmp_path / "run.npz"
    broken(path, at=EPOCH + 1)
    content = path.read_bytes()
    with pytest.raises(CheckpointError, match=r"run\.npz holds a run that was cut off in epoch 2 "
                                              "of 3: go on with it .*resume=True"):
        train(path)
    assert path.read_bytes() == content
    path.unlink()
    train(path)
    _, history = train(path, seed=5)
    assert len(history.epoch) == 3
    assert json.loads(str(read(path)["checkpoint"]))["settings"]["seed"] == "5"


def damaged(content):
    """Cut at many places, changed in many bytes."""
    yield from (content[:size] for size in (0, 1, 100, len(content) // 2, len(content) - 1))
    chance = random.Random(0)
    for _ in range(60):
        place = chance.randrange(len(content))
        yield content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :]


def test_a_damaged_file_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "run.npz"
    broken(path)
    whole, refused = path.read_bytes(), 0
    expected = None
    for content in damaged(whole):
        path.write_bytes(content)
        for resume in (True, False):
            model = network()
            before = model.state()
            try:
                result = train(path, model, augment=Breaking(-1, crash), resume=resume)
            except CheckpointError as error:
                refused += resume
                assert "run.npz" in str(error)
                assert path.read_bytes() == content
                assert all(np.array_equal(before[n], array) for n, array in model.state().items())
            else:  # a byte that says nothing, such as one of a date
                assert resume
                expected = expected or outcome(*train(augment=Breaking(-1, crash)))
                assert outcome(*result) == expected
                path.write_bytes(content)
    assert refused >= 50


@pytest.mark.parametrize("content, message", [
    (b"", r"run\.npz: not a readable checkpoint \(BadZipFile: .* cut short or changed\? .*left as"),
    (b"my thesis", r"run\.npz: not a readable checkpoint .* It is left as it is: name another f"),
    ({"0.weight": np.ones(3)}, r"run\.npz is no checkpoint\. It is left as it is"),
    ({"checkpoint": np.array("{}")}, r"run\.npz: not a readable checkpoint \(KeyError"),
    ({"checkpoint": np.array("no json")}, r"run\.npz: not a readable checkpoint \(JSONDecodeErr"),
    ({"checkpoint": np.array([None])}, r"holds pickled Python objects, .*refused"),
])
@pytest.mark.parametrize("resume", [True, False])
def test_what_is_no_checkpoint_is_left_alone(tmp_path, content, message, resume):
    path = tmp_path / "run.npz"
    if isinstance(content, dict):
        np.savez(path, **content)
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=message):
        train(path, resume=resume)
    assert path.read_bytes() == before


@pytest.mark.parametrize("change, message", [
    (lambda arrays: arrays.pop("model.0.bias"), "its arrays are not those of this run"),
    (lambda arrays: arrays.update(extra=np.ones(2)), "its arrays are not those of this run"),
    (lambda arrays: arrays.update({"model.0.bias": np.ones(4, np.float32)}),
     r"model\.0\.bias\.npy: expected shape \(3,\) from this run, found \(4,\)"),
    (lambda arrays: arrays.update({"optimizer.0.bias.mean": np.array([None] * 3)}), "pickled"),
])
def test_arrays_that_do_not_belong_are_refused(tmp_path, change, message):
    path = tmp_path / "run.npz"
    augment = broken(path)
    arrays = read(path)
    change(arrays)
    np.savez(path, **arrays)
    model = network()
    before = model.state()
    with pytest.raises(CheckpointError, match=message):
        train(path, model, augment=augment, resume=True)
    assert all(np.array_equal(before[name], array) for name, array in model.state().items())


def test_wrong_words_are_refused(tmp_path):
    with pytest.raises(ValueError, match="resume=True needs checkpoint="):
        train(resume=True)
    with pytest.raises(ValueError, match="Checkpoint: expected seconds >= 0, got -1"):
        train(checkpoint=Checkpoint(tmp_path / "r", -1))
    half = Sequential([Flatten(), Dense(64, 2, dtype=np.float16)])
    with pytest.raises(CheckpointError, match="float16"):
        train(checkpoint=tmp_path / "r", model=half)


def test_a_place_for_no_file_is_named(tmp_path):
    for path, error, message in (
            (5, ValueError, "expected checkpoint to be the name of a file, got 5"),
            ("", ValueError, "expected checkpoint to be the name of a file, got ''"),
            (tmp_path, IsADirectoryError, "expected checkpoint to be a file, and .* is a folder"),
            (tmp_path / "no" / "r", FileNotFoundError, "there is no folder .*no for the checkp")):
        with pytest.raises(error, match=message):
            train(checkpoint=path)


def test_a_run_goes_on_with_numba_only_if_it_began_with_it(tmp_path, monkeypatch):
    for began, goes_on in (("0", "1"), ("1", "0")):
        path = tmp_path / began
        monkeypatch.setattr(fast, "with_numba", lambda: began == "1")
        augment = broken(path, engine="fast")
        monkeypatch.setattr(fast, "with_numba", lambda: goes_on == "1")
        with pytest.raises(CheckpointError, match=f"numba: {began == '1'} there, "
                                                  f"{goes_on == '1'} here"):
            train(path, augment=augment, engine="fast", resume=True)


def test_a_plain_path_is_enough(tmp_path):
    for path in (tmp_path / "run", str(tmp_path / "run2.npz")):
        assert outcome(*train(checkpoint=path)) == outcome(*train())
        assert outcome(*train(checkpoint=path, resume=True)) == outcome(*train())


def test_only_parts_of_its_own_name_are_removed(tmp_path):
    mine, others = ".run.npz.123.part", [".run.npz.part", ".other.npz.123.part", "run.npz.1.part",
                                         ".run.npz.1.2.part", ".run.npz.12.parts"]
    for name in (mine, *others):
        (tmp_path / name).write_bytes(b"")
    train(tmp_path / "run.npz")
    assert sorted(os.listdir(tmp_path)) == sorted([*others, "run.npz"])


def test_no_warning_and_no_saver_without_a_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(FileSaver, "__init__", lambda *words: pytest.fail("a saver was made"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train()
