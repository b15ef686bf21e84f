"""`course bench`: what it counts is counted again, what it compares is made wrong on purpose."""

import itertools
import json
import os
import platform
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import need

from course_lib import benchmark, machine
from course_lib.benchmark import Block, Examples, Row, Runner
from course_lib.commands import THREADS, bench
from course_lib.machine import Cost

FOLDER = Path(__file__).parents[1]
ORDER = ("formula", "windows", "vectorised", "fast")  # slowest first; PyTorch's place depends
REPORT = {"machine", "load_at_start", "rounds", "block_seconds", "engines", "absent", "malloc",
          "malloc_settings", "malloc_keeps_freed_memory", "roof", "data", "rows", "wrong",
          "load_at_end", "share_of_a_core", "busy"}
ROW = {"net", "mode", "batch", "engine", "images_a_step", "flops", "deviation", "peak_bytes",
       "baseline", "ratios", "ratio_best", "ratio_median", "rates", "median", "low", "high",
       "pages_a_step", "share_of_roof", "malloc"}
FEW = ("--rounds", "2", "--seconds", "0.02", "--batches", "8", "--nets", "A")


def run(*words, expect=0, **environment):
    """The command in another process, as a user types it: (stdout, stderr)."""
    done = subprocess.run([sys.executable, "-m", "course_lib", "bench", *map(str, words)],
                          cwd=FOLDER, env={**os.environ, "PYTHONIOENCODING": "utf-8",
                                           **environment},
                          encoding="utf-8", capture_output=True, timeout=300)
    assert done.returncode == expect, done.stderr
    return done.stdout, done.stderr


def read(text):
    return json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


@pytest.fixture(scope="module")
def short():
    """The report and the text of --short, measured once."""
    out, err = run("--short", "--json", "-")
    assert out.count("\n") == 1
    return read(out), err


@pytest.fixture
def here(monkeypatch, capsys):
    """bench.main in this process; (exit status, stdout, stderr)."""
    for name in THREADS:
        monkeypatch.setenv(name, "1")
    monkeypatch.setattr(machine, "cpu_seconds", lambda action: action() is action or 0.1)
    monkeypatch.setattr(machine, "SGEMM_SIZES", (16,))

    def call(*words):
        try:
            status = bench.main([str(word) for word in words])
        except SystemExit as left:
            status = left.code
        return status, *capsys.readouterr()

    return call


@pytest.fixture(scope="module")
def examples():
    rng = np.random.default_rng(0)
    return Examples(rng.random((70, 1, 28, 28), np.float32), rng.integers(0, 10, 70), "noise")


def spin(seconds):
    """Use so many CPU seconds of this process."""
    start = time.process_time()
    while time.process_time() - start < seconds:
        pass


# ---- the short form


def test_short_is_complete(short):
    report, _ = short
    assert set(report) == REPORT
    there = [name for name in benchmark.ENGINES if not benchmark.lacking(name)]
    assert report["engines"] == there and set(ORDER) <= set(there)
    assert set(report["absent"]) == set(benchmark.ENGINES) - set(there)
    assert all(report["absent"].values())  # each with its reason
    found = [(row["mode"], row["engine"]) for row in report["rows"]]
    own = [name for name in there if name not in (*benchmark.LOOPS, *benchmark.TORCH)]
    assert found == [*itertools.product(benchmark.MODES, there), *(("fit", name) for name in own)]
    assert report["machine"]["numpy"] == np.__version__
    assert report["machine"]["python"] == platform.python_version()
    assert all(report["machine"][key] for key in ("cpu", "cores", "system", "blas"))
    assert report["roof"]["sgemm_flops_per_second"] > 1e8 < report["roof"]["copy_bytes_per_second"]
    assert report["wrong"] == [] and report["malloc"] == "system"


def test_rows_follow_from_their_blocks(short):
    report, _ = short
    for row in report["rows"]:
        assert set(row) == ROW
        rates = row["rates"]
        loop = row["engine"] in benchmark.LOOPS
        assert len(rates) == (min(report["rounds"], benchmark.LOOP_ROUNDS) if loop
                              else report["rounds"])
        assert (row["low"], row["high"]) == (min(rates), max(rates))
        assert row["median"] == np.median(rates) and row["low"] > 0
        share = row["high"] * row["flops"] / report["roof"]["sgemm_flops_per_second"]
        assert row["share_of_roof"] == pytest.approx(share) and share < 1  # a roof is a roof
        measured = row["mode"] != "fit" and row["engine"] not in (*benchmark.LOOPS,
                                                                  *benchmark.TORCH)
        assert (row["peak_bytes"] is not None) == measured
        if row["mode"] == "fit":
            continue
        base, = (other for other in report["rows"] if other["engine"] == row["baseline"]
                 and other["mode"] == row["mode"])
        assert row["baseline"] == ("torch" if "torch" in report["engines"] else "vectorised")
        pairs = zip(rates, base["rates"])
        assert row["ratios"] == pytest.approx([own / its for own, its in pairs])
        assert row["ratio_median"] == pytest.approx(np.median(row["ratios"]))
        assert row["ratio_best"] == pytest.approx(row["high"] / base["high"])


def test_engines_keep_their_order(short):
    """Each step up the ladder is faster: 9, 160, 3,000 and 8,000 images a second when written.

    Our windows take all filters, channels and images of a batch at once, so that they beat the
    lists even on one image (25 to 9 a second in training); a loop for each patch of each image
    and filter would not. fast against PyTorch depends on BLAS and processor: printed, not asked.
    """
    report, _ = short
    for mode in benchmark.MODES:
        rates = {row["engine"]: row["high"] for row in report["rows"] if row["mode"] == mode}
        ladder = [rates[name] for name in ORDER]
        assert ladder == sorted(ladder), (mode, rates)
        for name in ("torch", "channels_last", "fused"):
            if name in rates:
                print(f"{mode}: fast / {name} {rates['fast'] / rates[name]:.2f}, "
                      f"kernel {report['machine']['blas_kernel']}")


def test_text_says_what_json_says(short):
    report, text = short
    lines = text.splitlines()
    assert max(map(len, lines)) <= bench.WIDTH
    for row in report["rows"]:
        name = bench.NAMES.get(row["engine"], row["engine"])
        best = f"{row['ratio_best']:.2f}" if row["ratio_best"] > 0.1 else "0.0"
        words = (name, bench.number(row["median"]), best)
        assert any(all(word in line for word in words) for line in lines), words
    assert f"load average {report['load_at_start']:.1f}" in text.lower()
    assert ("WARNING: other programs" in text) == report["busy"]
    assert f"Images: {report['data']}." in text
    assert "formula: only at the smallest batch size, on at most 1 image a step" in text
    assert "All engines compute the same" in text
    assert "1.63 MFLOP an image" in text and "0.58 MFLOP an image" in text
    for engine, reason in report["absent"].items():
        assert f"Not measured: {bench.NAMES.get(engine, engine)} ({reason})." in text


def test_a_file_a_plot_and_few_engines(tmp_path):
    out, _ = run(*FEW, "--engines", "vectorised,fast", "--training", "--json",
                 tmp_path / "speed.json", "--plot", tmp_path / "speed.png")
    report = read((tmp_path / "speed.json").read_text(encoding="utf-8"))
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")
    assert [(row["mode"], row["engine"], row["baseline"]) for row in report["rows"]] == [
        ("training", "vectorised", "vectorised"), ("training", "fast", "vectorised"),
        ("fit", "vectorised", "bare loop"), ("fit", "fast", "bare loop")]
    assert "/ vectorised" in out and "inference:" not in out
    assert f"wrote {tmp_path / 'speed.json'}" in out and f"wrote {tmp_path / 'speed.png'}" in out


# ---- settings that count only when a process starts


def test_it_starts_again_with_one_thread():
    out, _ = run(*FEW, "--engines", "vectorised", "--inference", "--json", "-",
                 **dict.fromkeys(THREADS, "2"))
    assert [row["engine"] for row in read(out)["rows"]] == ["vectorised"]


def test_blas_with_two_threads_is_refused():
    if machine.blas_kernel() is None or (os.cpu_count() or 1) < 2:
        pytest.skip("needs OpenBLAS and two cores")
    code = "from course_lib import machine; machine.measure_roof()"
    said = []
    for _ in range(3):  # on a busy machine this thread may wait, and count, for the other one
        done = subprocess.run([sys.executable, "-c", code], cwd=FOLDER, encoding="utf-8",
                              env=os.environ | dict.fromkeys(THREADS, "2"), timeout=120,
                              capture_output=True)
        said.append(done.stderr)
        if "ThreadsError: expected one thread" in done.stderr:
            return
    raise AssertionError(said)


def test_other_threads_are_noticed():
    def two():
        other = threading.Thread(target=spin, args=(0.5,))
        other.start()
        other.join()

    assert 0.1 <= machine.cpu_seconds(lambda: spin(0.1)) <= 0.15
    with pytest.raises(machine.ThreadsError, match="expected one thread, but .* times"):
        machine.cpu_seconds(two)


def test_both_mallocs():
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("needs glibc")
    out, err = run(*FEW, "--engines", "vectorised", "--inference", "--both-mallocs", "--json", "-")
    report = read(out)
    assert [row["malloc"] for row in report["rows"]] == ["system", "tuned"]
    assert "malloc: as it is; 64 MiB that were freed are not used again" in err
    assert "malloc: trim and mmap thresholds at 1 GiB; 64 MiB that were freed are used again" in err
    assert "wrote" not in err and report["malloc_keeps_freed_memory"] is False
    assert set(report["malloc_settings"].values()) == {None}


def test_words_for_the_second_run():
    words = ["--rounds", "3", "--json", "a.json", "--both-mallocs", "--plot=a.png", "--short"]
    left = bench.without(words, "--both-mallocs", "--json", "--plot")
    assert left == ["--rounds", "3", "--short"]


# ---- the measuring


class Spinner(Runner):
    """Uses 10 ms of CPU a step, and sleeps for another 10."""

    def __init__(self, images, pause=0.01):
        self.engine, self.images_a_step, self.pause = "fast", images, pause

    def step(self, mode):
        spin(0.01)
        time.sleep(self.pause)


def test_a_rate_is_images_per_cpu_second():
    block = benchmark.block(Spinner(8), "training", seconds=0.1)
    assert block.images == 8 * block.steps and 0.1 <= block.cost.cpu < 0.15
    row = Row("A", "training", 8, "fast", 8, 1, [block])
    assert 600 < row.median <= 800  # slept seconds do not count
    assert benchmark.share_of_a_core([row]) < 0.6
    once = benchmark.block(Spinner(8), "training", seconds=1e-9)
    assert once.steps == 1


def test_everyone_takes_part_in_every_round_and_loops_in_few(monkeypatch, examples):
    order = []

    def block(runner, mode, seconds):
        order.append((runner.engine, runner.images_a_step, seconds))
        return Block(1, 1, Cost(1.0, 1.0, 0))

    monkeypatch.setattr(benchmark, "block", block)
    monkeypatch.setattr(benchmark, "shortest_block", lambda: 0.25)
    engines = ("windows", "vectorised", "fast")
    rows = benchmark.measure("A", "inference", 16, engines, examples, rounds=5, seconds=0.1,
                             memory=False)
    assert [len(row.blocks) for row in rows] == [benchmark.LOOP_ROUNDS, 5, 5]
    assert [row.images_a_step for row in rows] == [8, 16, 16]
    assert {seconds for *_, seconds in order} == {0.25}  # the clock cannot tell shorter ones
    first = [order[0], order[3], order[6]]
    assert [name for name, *_ in first] == list(engines)  # nobody is always the first
    assert {row.baseline for row in rows} == {"vectorised"}


@pytest.mark.parametrize("engine", benchmark.ENGINES)
def test_a_wrong_engine_is_found_out(engine, examples):
    """One whose steps are a tenth too long, and one that adds 0.01 to every logit."""
    if benchmark.lacking(engine):
        pytest.skip(benchmark.lacking(engine))
    base = "fast" if engine == "vectorised" else "vectorised"
    for mode in benchmark.MODES:
        right, wrong = (benchmark.make_runner("A", engine, examples, 4) for _ in range(2))
        assert benchmark.deviation(right, "A", mode, base) < 1e-5
        if engine in benchmark.TORCH:
            wrong.optimizer.param_groups[0]["lr"] *= 1.1
        else:
            wrong.optimizer.lr *= 1.1
        predict = wrong.predict
        wrong.predict = lambda chosen: predict(chosen) + np.float32(1e-2)
        assert benchmark.deviation(wrong, "A", mode, base) > benchmark.TOLERANCE


@pytest.mark.parametrize("engine", ["formula", "windows", "vectorised", "fast", "fused"])
def test_our_layout_is_what_the_engine_is_called(engine, examples):
    if benchmark.lacking(engine):
        pytest.skip(benchmark.lacking(engine))
    runner = benchmark.make_runner("C", engine, examples, 4)
    if engine in benchmark.LAYOUT:
        for plan in (runner.compute, runner.logits):
            homes = {type(stage).__module__ for stage in plan.stages}
            assert "course_lib.fast" in homes
            assert ("course_lib.fused" in homes) == (engine == "fused")
    else:
        assert {layer.engine for layer in runner.model.layers} == {engine}


@pytest.mark.parametrize("engine", benchmark.TORCH)
def test_torchs_layout_is_what_the_engine_is_called(engine, examples):
    torch, seen = need("torch"), []
    runner = benchmark.make_runner("A", engine, examples, 4)
    assert torch.get_num_threads() == 1
    for layer in runner.model:
        layer.register_forward_hook(lambda _, before, after: seen.append(before[0].stride()))
    runner.train(np.arange(4))
    runner.predict(slice(0, 4))
    maps = [strides for strides in seen if len(strides) == 4]
    assert len(maps) == 2 * 7  # two convolutions, ReLUs and pools and a flatten, twice
    assert {strides[1] == 1 for strides in maps} == {engine == "channels_last"}


def test_the_command_fails_where_an_engine_is_wrong(monkeypatch, here):
    wrong = [("vectorised", 2e-4), ("fast", float("nan")), ("windows", 1e-5)]
    deviations = dict(wrong)
    monkeypatch.setattr(benchmark, "deviation", lambda runner, *_: deviations[runner.engine])
    status, out, _ = here(*FEW, "--engines", "windows,vectorised,fast", "--inference")
    assert status == 1 and "All engines compute the same" not in out
    assert "WRONG: A, inference, batch 8: vectorised" in out
    assert "(relative difference 2.0e-04)" in out
    assert "WRONG: A, inference, batch 8: fast" in out and "batch 8: windows" not in out
    status, out, _ = here(*FEW, "--engines", "vectorised,fast", "--inference", "--json", "-")
    report = read(out)
    assert status == 1 and report["wrong"][1] == ["A", "inference", 8, "fast"]
    assert [row["deviation"] for row in report["rows"]] == [2e-4, None]


def test_peak_memory_is_that_of_one_step():
    class Allocates(Spinner):
        kept = np.zeros(2**21, np.uint8)  # data: it does not count

        def step(self, mode):
            first = np.ones(3 * 2**20, np.uint8)
            second = np.ones(5 * 2**20, np.uint8)
            del first, second
            np.ones(2**20, np.uint8)

    runner = Allocates(8)
    assert benchmark.peak_bytes(runner, "training") == pytest.approx(8 * 2**20, rel=0.01)
    for name in ("formula", "torch", "channels_last"):
        runner.engine = name
        assert benchmark.peak_bytes(runner, "training") is None


@pytest.mark.parametrize("net", benchmark.NETS)
def test_flops_are_those_that_torch_counts(net):
    torch = need("torch")
    from torch.utils.flop_counter import FlopCounterMode

    model, images = benchmark.in_torch(benchmark.build(net)), torch.rand(2, 1, 28, 28)
    with FlopCounterMode(display=False) as counter:
        logits = model(images)
    assert counter.get_total_flops() == 2 * benchmark.flops_an_image(benchmark.build(net),
                                                                     "inference")
    with FlopCounterMode(display=False) as backward:
        torch.nn.functional.cross_entropy(logits, torch.tensor([3, 4])).backward()
    total = counter.get_total_flops() + backward.get_total_flops()
    assert total == 2 * benchmark.flops_an_image(benchmark.build(net), "training")


def test_torch_refuses_layers_that_it_would_not_copy(rng):
    need("torch")
    from course_lib.layers import Tanh
    from course_lib.model import Sequential

    with pytest.raises(ValueError, match="in_torch: expected layers of .* A, B and C, got Tanh"):
        benchmark.in_torch(Sequential([Tanh()]))


def test_a_batch_of_more_images_than_there_are_is_refused(here, monkeypatch):
    with pytest.raises(ValueError, match="at most 10 images, all there are, got 11"):
        next(benchmark.batches(10, 11, True))
    few = benchmark.Examples(np.zeros((40, 1, 28, 28), np.float32), np.zeros(40, int), "few")
    monkeypatch.setattr(benchmark, "load_examples", lambda: few)
    code, _, err = here("--nets", "A", "--engines", "fast", "--batches", "8,41")
    assert code == 2 and "--batches: expected at most 40, all images that are here, got 41" in err


@pytest.mark.parametrize("words, message", [
    (("--json", "nowhere/a.json"), "--json nowhere/a.json: there is no folder nowhere."),
    (("--json", "."), "--json .: expected a file, and a folder is there."),
    (("--plot", "nowhere/a.png"), "--plot nowhere/a.png: there is no folder nowhere."),
])
def test_what_cannot_be_written_is_found_before_the_measuring(words, message, here, monkeypatch):
    monkeypatch.setattr(benchmark, "measure", lambda *_: pytest.fail("measured"))
    code, _, err = here("--short", "--engines", "fast", *words)
    assert code == 1 and message in err


def test_batches_are_all_images_once_and_the_same_for_everyone():
    shuffled = benchmark.batches(23, 5, shuffle=True)
    epochs = [np.concatenate(list(itertools.islice(shuffled, 4))) for _ in range(2)]
    assert all(len(set(epoch)) == 20 and epoch.max() < 23 for epoch in epochs)
    assert not np.array_equal(*epochs) and not np.array_equal(epochs[0], np.sort(epochs[0]))
    again = np.concatenate(list(itertools.islice(benchmark.batches(23, 5, shuffle=True), 4)))
    assert np.array_equal(again, epochs[0])
    slices = list(itertools.islice(benchmark.batches(11, 5, shuffle=False), 3))
    assert slices == [slice(0, 5), slice(5, 10), slice(0, 5)]


@pytest.mark.parametrize("engine", ["fast", "fused"])
def test_fit_is_compared_with_the_bare_loop(engine, monkeypatch, examples):
    """A fit that also spins for as long as it trains is half as fast as the bare loop."""
    calls, real = [], benchmark.fit

    def twice(model, images, labels, **options):
        start = time.process_time()
        history = real(model, images, labels, **options)
        calls.append((len(images), options["engine"], len(history.step_loss)))
        assert os.environ["COURSE_FUSED"] == ("1" if engine == "fused" else "0")
        spin(time.process_time() - start)

    if benchmark.lacking(engine):
        pytest.skip(benchmark.lacking(engine))
    monkeypatch.delenv("COURSE_FUSED", raising=False)
    monkeypatch.setattr(benchmark, "fit", twice)
    row = benchmark.measure_fit("C", 8, engine, examples, rounds=5, seconds=0.05)
    assert (row.engine, row.baseline) == (engine, "bare loop")
    assert len(row.ratios) == len(calls) == 5 and 0.3 < row.ratio_median < 0.7
    assert {name for _, name, _ in calls} == {"fast"}
    assert all(count == 8 * steps == row.blocks[0].images for count, _, steps in calls)
    assert "COURSE_FUSED" not in os.environ


def test_the_ladder_goes_up(examples):
    rungs = benchmark.ladder(examples, engines=("fast", "vectorised", "formula"), rounds=2,
                             seconds=0.05)
    assert [rung.engine for rung in rungs] == ["fast", "vectorised", "formula"]
    rates = [rung.images_per_second for rung in rungs]
    assert rates == sorted(rates, reverse=True)


# ---- data and the command line


def test_images_are_mnist_or_random_never_silently(monkeypatch, tmp_path, here):
    monkeypatch.delenv("COURSE_DATA", raising=False)
    monkeypatch.setattr(benchmark.data, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(benchmark, "RANDOM_IMAGES", 64)
    images, labels, name = benchmark.load_examples()
    assert images.shape == (64, 1, 28, 28) and images.dtype == np.float32
    assert labels.dtype == np.int64 and set(labels) <= set(range(10)) and name == "random images"
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    status, _, err = here(*FEW, "--engines", "vectorised")
    assert status == 1 and f"course bench: {tmp_path} (the folder that COURSE_DATA names" in err


def test_mnist_is_used_where_it_is(mnist):
    images, labels, name = benchmark.load_examples()
    assert name == "MNIST" and np.array_equal(images, mnist.train_images)
    assert np.array_equal(labels, mnist.train_labels)


@pytest.mark.parametrize("words, message", [
    (["--nets", "A,D"], "expected names of A, B, C, with commas between, got 'D'"),
    (["--engines", "quick"], "expected names of formula, .*, got 'quick'"),
    (["--batches", "8,0"], "expected a whole number, 1 or more, got '0'"),
    (["--batches", "8,x"], "expected a whole number, 1 or more, got 'x'"),
    (["--rounds", "-1"], "expected a whole number, 1 or more, got '-1'"),
    (["--seconds", "nan"], "expected a number above 0, got 'nan'"),
    (["--plot", "a.pdf"], "expected a path that ends in .png, got 'a.pdf'"),
    (["--tuned-malloc", "--both-mallocs"], "expected --tuned-malloc or --both-mallocs, got both"),
    (["--quick"], "unrecognized arguments: --quick"),
])
def test_wrong_words_are_named(words, message, here, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    status, _, err = here(*words)
    assert status == 2 and re.search(message, err), err


def test_what_cannot_run_here_is_said(here, monkeypatch):
    monkeypatch.setattr(benchmark.importlib.util, "find_spec", lambda name: None)
    assert benchmark.lacking("torch") == "PyTorch is not installed"
    monkeypatch.setenv("COURSE_FUSED", "0")
    assert benchmark.lacking("fused") in ("no Numba", "COURSE_FUSED=0 forbids it")
    status, _, err = here("--engines", "torch,channels_last")
    assert status == 2 and "none of these engines can run here: PyTorch is not installed" in err
    monkeypatch.setattr(sys, "platform", "darwin")
    status, _, err = here("--tuned-malloc")
    assert status == 2 and "sets thresholds of glibc's malloc, which Linux has" in err


def test_options_have_the_defaults_that_help_names():
    usual = bench.parse([])
    assert (usual.nets, usual.batches, usual.rounds) == (("A", "B", "C"), (8, 32, 64, 128, 256), 6)
    assert usual.engines == benchmark.ENGINES and usual.modes == list(benchmark.MODES)
    brief = bench.parse(["--short", "--batches", "64,8,64", "--inference"])
    assert (brief.nets, brief.batches, brief.modes) == (("A",), (64, 8), ["inference"])
