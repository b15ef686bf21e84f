"""The five published systems as experiments: the data, the runs, their tables and figures."""

import json
import math
import statistics
from importlib.util import find_spec

import numpy as np
import pytest
from conftest import need
from oracle import central_differences, upstream
from small_experiments import shrink

from course_lib import config, data
from course_lib.experiments import in_pytorch, measure, mistakes, report, systems, trials
from course_lib.experiments.measure import Serial, find, jobs_of, make_row, open_executor, run_all
from course_lib.experiments.mistakes import AllTies, MISTAKES, make_mistakes
from course_lib.experiments.systems import EXPERIMENTS, Row, Trial
from course_lib.initializers import sine
from course_lib.layers import MaxPool2D
from course_lib.losses import softmax_cross_entropy
from course_lib.train import History, fit

KEYS = list(EXPERIMENTS)
TIMES = {"seconds", "epoch_seconds", "formula_seconds", "quick_seconds"}


def numbers(runs):
    """Runs without what a clock says."""
    return [{key: value for key, value in run.items() if key not in TIMES} for run in runs]


def train(seed=0, source="small", **options):
    job = {"kind": "train", "seed": seed, "source": source, "options": {
        "network": systems.S3_RIGHT, "images": {"train": 30, "test": 20}, "lr": 0.02, "epochs": 2,
        **options}}
    return trials.run(job)


# ---- the data


@pytest.mark.parametrize("key", KEYS)
def test_every_row_has_its_trial_and_every_trial_can_be_called(key):
    experiment = find(key)
    names = [trial.name for trial in experiment.trials]
    assert len(names) == len(set(names))
    for rows in experiment.tables.values():
        for row in rows:
            assert row.trial in names and (row.against is None or row.against in names)
    for trial in experiment.trials:
        assert trial.kind in trials.KINDS and trial.seeds > 0
        config.parse(trial.options.get("network", systems.S0_NETWORK))
        assert set(trial.options.get("mistakes", ())) <= set(MISTAKES)
        json.dumps(trial.options)  # names and numbers only: it travels to a worker
    assert set(report.FIGURES) == set(KEYS) and experiment.choices


def test_the_networks_are_the_published_ones():
    counts = {name: config.parse(text).parameters for name, text in {
        "S1": systems.S1_NETWORK, "S2": systems.S2_NETWORK, "S4": systems.S4_NETWORK}.items()}
    assert counts == {"S1": 401_954, "S2": 40 + 74, "S4": 80 + 1_168 + 4_010}
    shapes = [layer.output_shape for layer in config.parse(systems.S1_NETWORK).layers]
    assert shapes == [(16, 28, 28), (16, 14, 14), (128,), (2,)]
    shapes = [layer.output_shape for layer in config.parse(systems.S4_NETWORK).layers]
    assert shapes == [(8, 26, 26), (8, 13, 13), (16, 11, 11), (16, 5, 5), (10,)]


def test_the_published_numbers_are_the_published_ones():
    def published(key, start):
        rows = next(rows for name, rows in find(key).tables.items() if name.startswith(start))
        return [row.published for row in rows]

    assert published("s4", "Its table, beside 20") == [.91, .95, .96, .965, .975,
                                                       .82, .40, .22, .15, .12]
    assert published("s1", "Seconds of training, quickest") == [92, 207, 514, 1247]
    grid = published("s3", "Its table beside all 60,000 images, as published, cross")
    assert grid == [.9069, .9130, .9234, .9205, .9446, .9385, .9645, .9450,
                    .9460, .9400, .9706, .9380]
    assert published("s1", "Accuracy on the evaluation")[0] == 1.0


# ---- images by name


def test_a_recipe_of_images():
    found = data.load_small_digits(28)
    (x, y), (tests, truth), (every, labels) = trials.examples("small", 0, train=50, test=30)
    assert (len(x), len(tests), len(every)) == (50, 30, 382)
    again = trials.examples("small", 0, train=50, test=30)
    other = trials.examples("small", 1, train=50, test=30)
    np.testing.assert_array_equal(x, again[0][0])
    assert not np.array_equal(x, other[0][0])
    (x, y), (tests, _), _ = trials.examples("small", 3, train=50, test=30, pick="first")
    np.testing.assert_array_equal(x, found.train_images[:50])
    np.testing.assert_array_equal(tests, found.test_images[:30])
    (x, y), _, (_, labels) = trials.examples("small", 0, classes=2, train=40)
    assert set(y) == set(labels) == {0, 1} and len(y) == 40
    assert len(labels) == (found.test_labels <= 1).sum()
    with pytest.raises(ValueError, match="read-only"):
        trials.digits("small").train_images[0] = 1


def test_lines_are_made_anew_for_every_seed():
    (x, y), (tests, truth), _ = trials.examples("", 0, name="lines", train=200, test=40)
    assert x.shape == (200, 1, 8, 8) and tests.shape == (40, 1, 8, 8)
    assert np.bincount(y).tolist() == [100, 100] and np.bincount(truth).tolist() == [20, 20]


def test_image_folders_are_written_and_come_back_bit_for_bit(tmp_path):
    found = data.load_small_digits(28)
    trials.write_image_folders(tmp_path, "small")
    lines = (tmp_path / "train" / "labels.txt").read_text().splitlines()
    assert len(lines) == len(list((tmp_path / "train").glob("*.png"))) == 200
    assert sum(line.endswith(" 0") for line in lines) == 100
    assert len((tmp_path / "evaluation" / "labels.txt").read_text().splitlines()) == 25
    (x, y), (tests, truth) = trials.image_folders("small")
    zeros = found.train_images[found.train_labels == 0][:100]
    np.testing.assert_array_equal(x[y == 0], np.float32(np.rint(zeros * 255) / 255))
    judged = found.test_labels <= 1
    np.testing.assert_array_equal(truth, found.test_labels[judged][:25])
    np.testing.assert_allclose(tests, found.test_images[judged][:25], atol=0.5 / 255)


# ---- runs


def test_a_run_is_what_fit_and_evaluate_say():
    run = train(seed=3, keep=["slices", "confusion", "predictions"])
    (x, y), judged, every = trials.examples("small", 3, train=30, test=20)
    model = trials.build(systems.S3_RIGHT, 3)
    history = fit(model, x, y, epochs=2, batch_size=1, lr=0.02, seed=3, validation=judged,
                  engine="vectorised", progress=False)
    np.testing.assert_allclose(run["loss"], history.loss, rtol=1e-4)
    assert run["test_accuracy"] == history.validation_accuracy
    right = model.predict_labels(every[0]) == every[1]
    assert run["all_accuracy"] == pytest.approx(right.mean())
    assert run["all_count"] == 382 and run["slices"] == [pytest.approx(right[:200].mean())]
    confusion = np.array(run["all_confusion"])
    assert np.trace(confusion) == right.sum() and confusion.sum() == 382
    assert np.array(run["test_confusion"]).sum() == 20
    wrong = {(a, b): n for a, b, n in run["pairs"]}
    assert all(confusion[pair] == n for pair, n in wrong.items())
    assert max(wrong.values()) == (confusion - np.diag(np.diag(confusion))).max()
    assert run["shown_labels"] == every[1][:24].tolist() and run["seconds"] > 0


def test_the_first_weights_differ_by_seed_and_the_sine_has_none():
    one, other = (trials.build(systems.S4_NETWORK, seed).layers[0].weight.data for seed in (0, 1))
    assert not np.array_equal(one, other)
    init = {"alpha": 12.9898, "gamma": 0.1}
    model = trials.build(systems.S4_NETWORK, 0, init)
    for name, parameter in model.parameters().items():
        expected = 0 if name.endswith("bias") else sine(parameter.data.shape, **init)
        np.testing.assert_array_equal(parameter.data, expected)


def test_what_never_learns_is_computed_once_with_the_same_numbers(monkeypatch):
    options = {"network": systems.S3_PLAIN, "mistakes": systems.FROZEN + systems.TIES,
               "keep": ["all", "kernels"]}
    divided = train(**options)
    monkeypatch.setattr(trials, "divide", lambda model: (None, model))
    whole = train(**options)
    np.testing.assert_allclose(divided["loss"], whole["loss"], rtol=1e-5)
    assert divided["all_accuracy"] == whole["all_accuracy"] and divided["moved"] == 0


def test_a_summed_gradient_is_the_mean_times_the_batch():
    model = trials.build(systems.S4_NETWORK, 0)
    logits, labels = np.random.default_rng(0).normal(size=(8, 10)), np.arange(8)
    value, dlogits = trials.sum_of(None, model)(logits, labels)
    mean, gradient = softmax_cross_entropy(logits, labels)
    assert value == mean
    np.testing.assert_allclose(dlogits, 8 * gradient)


def test_pure_python_takes_the_same_steps():
    for key, steps in (("s0", 4), ("s1", 1), ("s4", 1)):
        trial = next(trial for trial in find(key).trials if trial.kind == "engines")
        run = trials.run({"kind": "engines", "seed": 1, "source": "small",
                          "options": trial.options | {"steps": steps}})
        assert run["difference"] < 1e-12 and run["images"] == steps * trial.options["batch"]
        assert run["formula_seconds"] > run["quick_seconds"] > 0
        assert all(math.isfinite(loss) for loss in run["losses"]) and len(run["losses"]) == steps


def test_engines_notice_another_result(monkeypatch):
    real = trials.fit

    def wrong(model, x, y, *, lr, engine, **options):
        return real(model, x, y, lr=lr * (1.001 if engine == "formula" else 1), engine=engine,
                    **options)

    monkeypatch.setattr(trials, "fit", wrong)
    run = trials.run({"kind": "engines", "seed": 0, "source": "small", "options": {
        "network": systems.S0_NETWORK, "images": {"classes": 2, "train": 10}, "lr": 0.01,
        "batch": 1, "steps": 3}})
    assert run["difference"] > 1e-7


def test_brightness_is_the_best_threshold_of_the_training_images():
    run = trials.run({"kind": "brightness", "seed": 0, "source": "small",
                      "options": {"images": {"classes": 2, "train": 60}}})
    (x, y), _, (every, labels) = trials.examples("small", 0, classes=2, train=60)
    means, best = x.mean(axis=(1, 2, 3)), 0
    for cut in np.linspace(means.min() - 1e-3, means.max() + 1e-3, 20_001):
        best = max(best, np.mean((means > cut) == y), np.mean((means > cut) != y))
    assert run["accuracy"] == [pytest.approx(best)] and run["all_count"] == len(labels)
    assert 0.5 < run["all_accuracy"] <= 1


def test_the_centre_is_the_centre():
    images = np.zeros((1, 1, 28, 28))
    images[0, 0, 12:16, 12:16] = 1
    assert trials.mean_brightness(images, 4).tolist() == [1]
    assert trials.mean_brightness(images, None).tolist() == [16 / 784]


def test_cosines():
    assert trials.best_cosine(trials.EDGES[:2] * -3, trials.EDGES) == pytest.approx(1)
    assert trials.best_cosine(trials.LINES, trials.EDGES[:2]) == pytest.approx(0)


def test_an_interrupted_run_is_not_kept(monkeypatch):
    def interrupted(*_, **__):
        history = History()
        history.interrupted = True
        return history

    monkeypatch.setattr(trials, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train()


def test_a_run_that_diverges_is_a_result():
    run = train(lr=1e30, images={"train": 20, "test": 20}, keep=["all"])
    assert run["loss"][-1] is None
    json.dumps(run, allow_nan=False)


# ---- the same weights in PyTorch


@pytest.mark.parametrize("network", [systems.S1_NETWORK, systems.S2_NETWORK, systems.S4_NETWORK,
                                     systems.S2_FRAMEWORK_NETWORK, systems.S3_PLAIN])
def test_pytorch_says_the_same(network, rng):
    need("torch")
    model = trials.build(network, 0, dtype=np.float64)
    x = rng.normal(size=(5, *model.input_shape))
    found = in_pytorch.compare(model, x, rng.integers(0, 2, 5))
    assert max(found["logits"], found["gradients"], found["loss"]) < 1e-12
    assert found["arrays"] == len(model.parameters()) + 1


@pytest.mark.parametrize("mistake", ["no ReLU backward", "dX with the kernel unturned",
                                     "gradient to the whole window", "no conv bias gradient"])
def test_the_comparison_with_pytorch_finds_mistakes(mistake, rng):
    need("torch")
    model = make_mistakes(trials.build(systems.S4_NETWORK, 0, dtype=np.float64), [mistake])
    x, y = rng.normal(size=(3, 1, 28, 28)), np.array([1, 2, 3])
    monkey = {layer: type(layer).__mro__[1] for layer in model.layers
              if type(layer).__module__ == mistakes.__name__}
    assert monkey  # the twin is made of the right layers; ours keep the mistake
    assert in_pytorch.compare(model, x, y)["gradients"] > 1e-3


def test_without_pytorch_it_says_so(monkeypatch):
    def missing(*_):
        raise ImportError("no", name="torch")

    monkeypatch.setattr(trials, "compare", missing)
    shrink(monkeypatch, "s2")
    result = measure.measure("s2", source="small", progress=False)
    assert "PyTorch, which is not installed (torch)" in report.text(result)
    assert not any("PyTorch" in name for name in result["tables"])


def test_an_unknown_layer_has_no_counterpart():
    need("torch")
    model = config.build("3\nInput shape=1x8x8\nAvgPool2D pool=2\nDense units=2",
                         np.random.default_rng(0), np.float64)
    with pytest.raises(ValueError, match="AvgPool2D.* has no counterpart"):
        in_pytorch.to_pytorch(model)


# ---- the mistakes are mistakes


def test_the_loop_from_one_leaves_the_first_layer_as_it_was():
    for names, moves in (([], True), (["first layer frozen"], False)):
        run = train(mistakes=names, keep=["kernels"])
        assert (run["moved"] > 1e-4) == moves
        assert run["loss"][-1] < run["loss"][0]  # and the loss falls all the same


def test_all_ties_get_the_whole_gradient(rng):
    x = rng.integers(0, 3, (2, 3, 5, 6)).astype(float)
    dy = upstream(rng, (2, 3, 2, 3))
    layer = AllTies(2)
    y, expected = layer.forward(x), np.zeros(x.shape)
    for n, c, i, j in np.ndindex(*dy.shape):
        window = np.s_[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        expected[window] += dy[n, c, i, j] * (x[window] == x[window].max())
    np.testing.assert_array_equal(y, MaxPool2D(2).forward(x))
    np.testing.assert_allclose(layer.backward(dy), expected)
    assert np.abs(expected).sum() > np.abs(dy).sum()  # more comes out than went in


def test_all_ties_agree_with_one_winner_where_nothing_is_tied(rng):
    x, dy = rng.normal(size=(2, 3, 7, 6)), upstream(rng, (2, 3, 3, 2))
    found = []
    for kind in (AllTies, MaxPool2D):
        layer = kind(3, stride=2, padding=((1, 0), (0, 0)))
        layer.forward(x)
        found.append(layer.backward(dy))
    np.testing.assert_allclose(*found)


@pytest.mark.parametrize("name", [name for name in MISTAKES if name not in
                                  ("first layer frozen", "ties doubled")])
def test_central_differences_find_the_other_mistakes(name, rng):
    network = systems.S4_NETWORK.replace("1x28x28", "1x14x14")
    x, y = rng.normal(size=(2, 1, 14, 14)), np.array([3, 7])

    def error(names):
        model = make_mistakes(trials.build(network, 0, dtype=np.float64), names)
        model.backward(softmax_cross_entropy(model.forward(x), y)[1], need_dx=False)
        layer = model.layers[0]
        worst = 0
        for parameter in (layer.weight, layer.bias):
            slope, smooth = central_differences(
                lambda: np.array(softmax_cross_entropy(model.predict(x), y)[0]), parameter.data,
                np.array(1.0))
            worst = max(worst, np.abs(parameter.grad - slope)[smooth].max() / np.abs(slope).max())
        return worst

    assert error([]) < 1e-6 and error([name]) > 1e-2


def test_an_unknown_mistake():
    with pytest.raises(ValueError, match="expected names among first layer frozen, .*got 'tie'"):
        make_mistakes(trials.build(systems.S2_NETWORK, 0), ["tie"])


def test_bias_and_ties_are_worth_nothing_while_the_first_layer_is_frozen():
    plain = train(network=systems.S3_PLAIN, mistakes=systems.FROZEN + systems.TIES)
    no_ties = train(network=systems.S3_PLAIN, mistakes=systems.FROZEN)
    bias = train(network=systems.S3_NETWORK.format(""), mistakes=systems.FROZEN)
    assert plain["loss"] == no_ties["loss"] == bias["loss"]


# ---- executors


def small_jobs():
    options = {"network": systems.S2_NETWORK, "images": {"name": "lines", "train": 30, "test": 20},
               "lr": 0.01, "epochs": 2, "keep": ["kernels"]}
    mnist_like = {"network": systems.S4_NETWORK, "images": {"train": 16, "test": 8}, "lr": 0.03,
                  "batch": 8, "epochs": 1, "keep": ["slices"]}
    return [job for trial in (Trial("right", options, seeds=3),
                              Trial("ties", options | {"mistakes": systems.TIES}, seeds=2),
                              Trial("digits", mnist_like, seeds=2))
            for job in jobs_of(trial, False, None, "small")]


@pytest.fixture(scope="module")
def serial():
    runs = run_all(small_jobs(), Serial(), "tests", progress=False)
    assert len({json.dumps(run) for run in numbers(runs)}) == len(runs) == 7
    for job, run in zip(small_jobs(), runs):  # in the order of the jobs
        assert numbers([run]) == numbers([trials.run(job)])
    return runs


@pytest.mark.parametrize("name", ["serial", "threads", "processes", "dask"])
def test_every_executor_gives_identical_numbers(name, serial):
    if name == "dask" and find_spec("distributed") is None:
        pytest.skip("needs dask: pip install 'cnn-from-scratch-course[cluster]'")
    jobs = small_jobs()
    with open_executor(name, workers=2) as executor:
        runs = run_all(jobs, executor, "tests", progress=False)
    assert numbers(runs) == numbers(serial)  # to the last digit, in the order of the jobs


def test_equal_jobs_are_all_done(serial):
    if find_spec("distributed") is None:
        pytest.skip("needs dask: pip install 'cnn-from-scratch-course[cluster]'")
    job = small_jobs()[0]
    with open_executor("dask", workers=1) as executor:
        one, two = run_all([job, dict(job)], executor, "tests", progress=False)
    assert numbers([one]) == numbers([two]) and one["seconds"] != two["seconds"]


def test_jobs_carry_names_and_numbers_no_arrays():
    for key in KEYS:
        for trial in find(key).trials:
            for job in jobs_of(trial, True, None, "mnist"):
                assert len(json.dumps(job)) < 2_000


def test_a_failure_ends_it_and_says_what_failed():
    jobs = small_jobs()[:3]
    jobs[1]["options"] = jobs[1]["options"] | {"lr": -1}
    with pytest.raises(ValueError, match="lr"):
        run_all(jobs, Serial(), "tests", progress=False)


def test_seeds_and_full():
    trial = Trial("name", {"lr": 1}, seeds=2, full={"lr": 2}, full_seeds=4, first_seed=7)
    assert [job["seed"] for job in jobs_of(trial, False, None, "mnist")] == [7, 8]
    assert [job["seed"] for job in jobs_of(trial, True, None, "mnist")] == [7, 8, 9, 10]
    assert [job["seed"] for job in jobs_of(trial, True, 1, "mnist")] == [7]
    assert jobs_of(trial, True, 1, "mnist")[0]["options"] == {"lr": 2}
    assert jobs_of(trial, False, 1, "mnist")[0]["options"] == {"lr": 1}


def test_unknown_words():
    with pytest.raises(ValueError, match="expected one of s0, s1, s2, s3, s4, got 's5'"):
        measure.measure("s5")
    with pytest.raises(ValueError, match="expected one of serial, threads.*got 'cluster'"):
        with open_executor("cluster"):
            pass


# ---- rows


def test_a_row_is_mean_spread_range_interval_and_how_many_reach_it():
    runs = [{"seed": k, "test_accuracy": [0.5, value], "test_count": 200}
            for k, value in enumerate((0.90, 0.95, 0.98))]
    row = make_row(Row("label", "a", published=0.95, count=200), {"a": runs})
    assert row["mean"] == pytest.approx(statistics.mean([0.90, 0.95, 0.98]))
    assert row["sd"] == pytest.approx(statistics.stdev([0.90, 0.95, 0.98]))
    assert (row["low"], row["high"], row["runs"], row["reached"]) == (0.90, 0.98, 3, 2)
    assert row["published_interval"] == [pytest.approx(0.9104, abs=5e-4),
                                         pytest.approx(0.9726, abs=5e-4)]
    assert row["interval"][0] < row["mean"] < row["interval"][1] and row["count"] == 200
    loss = make_row(Row("loss", "a", "loss", 1, 0.5, better=-1),
                    {"a": [{"seed": 0, "loss": [0.4, None]}]})
    assert loss["reached"] == 1 and loss["interval"] is None and loss["sd"] is None
    lost = make_row(Row("loss", "a", "loss", 2), {"a": [{"seed": 0, "loss": [0.4, None]}]})
    assert lost["mean"] is None and lost["diverged"] == 1
    assert make_row(Row("label", "b"), {"a": runs}) is None
    assert make_row(Row("label", "a", "loss", 3), {"a": [{"loss": [1, 2]}]}) is None


def test_an_interval_that_can_be_drawn_holds_its_mean():
    low, high = measure.wilson(1.0, 25)
    assert low == pytest.approx(0.867, abs=5e-4) and high == 1
    assert measure.wilson(0.5, None) is None


def test_what_a_change_is_worth_compares_equal_seeds():
    def runs(*pairs):
        return [{"seed": seed, "all_accuracy": value, "all_count": 100} for seed, value in pairs]

    found = {"before": runs((0, 0.5), (1, 0.7), (2, 0.9)), "after": runs((1, 0.8), (0, 0.7))}
    gain = make_row(Row("x", "after", "all_accuracy", against="before"), found)["gain"]
    assert gain["mean"] == pytest.approx(0.15) and gain["pairs"] == 2
    assert gain["sd"] == pytest.approx(statistics.stdev([0.1, 0.2]))
    found["before"][0]["all_accuracy"] = None  # a run that diverged is half of no pair
    gain = make_row(Row("x", "after", "all_accuracy", against="before"), found)["gain"]
    assert gain["pairs"] == 1 and gain["sd"] is None


def test_precision_and_recall_with_their_counts():
    run = {"seed": 0, "all_confusion": [[8, 2], [1, 9]]}
    assert measure.value_of(run, Row("", "", "all_precision_0")) == (pytest.approx(8 / 9), 9)
    assert measure.value_of(run, Row("", "", "all_recall_0")) == (pytest.approx(0.8), 10)
    assert measure.value_of(run, Row("", "", "all_precision_1")) == (pytest.approx(9 / 11), 11)


# ---- whole experiments, small


@pytest.mark.parametrize("key", KEYS)
def test_a_small_experiment_from_beginning_to_end(key, monkeypatch, tmp_path):
    shrink(monkeypatch, key)
    result = measure.measure(key, full=key == "s3", source="small", progress=False)
    rows = [row for rows in result["tables"].values() for row in rows]
    shares = [row for row in rows if row["unit"] == "share"]
    assert shares and all(row["count"] and row["interval"] for row in shares)
    assert all(row["published_interval"] for row in shares if row["published_count"])
    measure.save(result, tmp_path / "result.json")
    again = json.loads((tmp_path / "result.json").read_text(), parse_constant=pytest.fail)
    assert measure.tables(again).keys() == result["tables"].keys()
    told = report.text(again)
    assert find(key).choices[0] in told
    digits = not find(key).images  # S2 draws its own
    assert ("small digits" in told) == ("MNIST's" in told) == digits
    pictures = report.figures(again)
    expected = set(report.FIGURES[key]) | set(report.FULL.get(key, {}))
    assert set(pictures) == expected
    for picture in pictures.values():
        assert len(picture.alt) > 20 and len(picture.png()) > 2_000
    for table in report.tables(again).values():
        assert "<caption>" in table._repr_html_() and len(set(map(len, table.cells()))) == 1


# ---- the results that travel with the course


KEPT = sorted(path.stem for path in measure.STORED.glob("*.json"))


@pytest.mark.parametrize("name", KEPT)
def test_a_stored_result_is_of_mnist_and_its_rows_are_its_runs(name):
    key, _, full = name.partition("_")
    result = measure.stored(key, bool(full))
    assert result["data"] == "MNIST" and result["experiment"] == key
    assert result["full"] == bool(full)
    trials_run = [t for t in find(key).trials if full or not t.only_full]
    assert set(result["trials"]) == {trial.name for trial in trials_run}
    for trial in trials_run:
        expected = [job["seed"] for job in jobs_of(trial, bool(full), None, "mnist")]
        assert [run["seed"] for run in result["trials"][trial.name]] == expected, trial.name
    computed = measure.shortened(measure.tables(result))
    assert list(computed) == list(result["tables"])
    for table, rows in computed.items():
        for row, kept in zip(rows, result["tables"][table], strict=True):
            for what, value in row.items():
                if isinstance(value, float):
                    assert value == pytest.approx(kept[what], rel=1e-4, abs=1e-6)
                elif isinstance(value, (int, str, type(None))):
                    assert value == kept[what], (table, row["label"], what)


def test_every_experiment_has_its_stored_result():
    assert set(KEYS) <= set(KEPT)


def test_there_is_no_stored_result_of_everything():
    with pytest.raises(ValueError, match="no result of s4 --full is kept; measure it with"):
        measure.stored("s4", full=True)


def test_all_is_within_its_budget():
    assert sum(measure.stored(key)["cpu_seconds"] for key in KEYS) <= 15 * 60


@pytest.mark.parametrize("key, name", [
    ("s0", "kernel frozen"), ("s1", "logistic regression"), ("s2", "right"),
    ("s3", "as published"), ("s4", "the first 1,000 and 200"),
])
def test_a_stored_run_can_be_repeated(key, name, mnist):
    """The first run again: the same losses, to what another CPU rounds."""
    kept = measure.stored(key)["trials"][name][0]
    trial = next(trial for trial in find(key).trials if trial.name == name)
    run = trials.run(jobs_of(trial, False, 1, "mnist")[0])
    assert run["loss"][0] == pytest.approx(kept["loss"][0], rel=0.02)
    assert run["accuracy"][-1] == pytest.approx(kept["accuracy"][-1], abs=0.03)
