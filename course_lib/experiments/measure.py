"""Running an experiment's trials through any executor, and results as small JSON files.

Imports systems, trials and train.
"""

from __future__ import annotations

import json
import math
import platform
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, \
    as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Callable, Iterator

import numpy as np

from course_lib import data
from course_lib.experiments import trials
from course_lib.experiments.systems import EXPERIMENTS, Experiment, Row, Trial
from course_lib.metrics import precision_recall, wilson_interval

STORED = Path(__file__).parents[1] / "assets" / "results"
EXECUTORS = ("serial", "threads", "processes", "dask")


# ---- executors


class Serial(Executor):
    """An executor that does each call at once, in this thread."""

    def submit(self, function, /, *arguments, **options):
        future = Future()
        try:
            future.set_result(function(*arguments, **options))
        except Exception as error:
            future.set_exception(error)
        return future


@contextmanager
def open_executor(name: str = "serial", workers: int | None = None) -> Iterator[Executor]:
    """One of EXECUTORS; workers None: as many as it finds right.

    "dask" makes a cluster on this machine, or joins the one that DASK_SCHEDULER_ADDRESS names,
    whose workers need the course and its data. Raises ValueError, ImportError without dask.
    """
    if name == "serial":
        yield Serial()
    elif name == "threads":
        with ThreadPoolExecutor(workers) as pool:
            yield pool
    elif name == "processes":
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            yield pool
    elif name == "dask":
        from distributed import Client

        with Client(**({} if workers is None else {"n_workers": workers})) as client:
            yield client.get_executor(pure=False)  # pure: equal calls would be done once
    else:
        raise ValueError(f"open_executor: expected one of {', '.join(EXECUTORS)}, got {name!r}.")


# ---- running


def find_source(announce: Callable[[str], object] = print) -> str:
    """"mnist" where this machine has it, else "small", and one line that says so."""
    return "mnist" if data.load_digits(announce=announce).name == "MNIST" else "small"


def measure(key: str, *, full: bool = False, seeds: int | None = None, source: str = "mnist",
            executor: Executor | None = None, progress: bool = True) -> dict:
    """Run every trial of an experiment once for each seed; returns what `save` stores.

    key       one of EXPERIMENTS
    full      everything as published, and more seeds: hours
    seeds     this many for every trial (None: each trial's own number)
    source    "mnist", or "small" for the embedded digits
    executor  any concurrent.futures.Executor; None: one run after the other
    The numbers, times aside, do not depend on the executor. Ctrl-C ends it, nothing is kept.
    """
    experiment = find(key)
    chosen = [trial for trial in experiment.trials if full or not trial.only_full]
    jobs = [job for trial in chosen for job in jobs_of(trial, full, seeds, source)]
    runs = run_all(jobs, executor or Serial(), experiment.title, progress)
    found: dict = {trial.name: [] for trial in chosen}
    for job, result in zip(jobs, runs):
        found[job["trial"]].append(result)
    result = {"experiment": key, "title": experiment.title, "author": experiment.author,
              "data": "MNIST" if source == "mnist" else "small digits", "full": full,
              "versions": versions(), "cpu_seconds": sum(run["seconds"] for run in runs),
              "trials": found}
    return result | {"tables": tables(result)}


def find(key: str) -> Experiment:
    if key not in EXPERIMENTS:
        raise ValueError(f"measure: expected one of {', '.join(EXPERIMENTS)}, got {key!r}.")
    return EXPERIMENTS[key]


def jobs_of(trial: Trial, full: bool, seeds: int | None, source: str) -> list[dict]:
    """What `trials.run` takes, one a seed: names and numbers only, so that it travels cheaply."""
    count = seeds or (full and trial.full_seeds) or trial.seeds
    options = trial.options | (trial.full if full else {})
    return [{"trial": trial.name, "kind": trial.kind, "seed": seed, "source": source,
             "options": options}
            for seed in range(trial.first_seed, trial.first_seed + count)]


def run_all(jobs: list[dict], executor: Executor, title: str, progress: bool) -> list[dict]:
    """The results in the order of the jobs, with a text bar on stderr while they come in."""
    from tqdm import tqdm

    futures: dict = {}
    with tqdm(total=len(jobs), desc=title.partition(":")[0], unit="run", ascii=True,
              disable=not progress) as bar:
        for index, job in enumerate(jobs):
            future = executor.submit(trials.run, job)
            futures[future] = index
            future.add_done_callback(lambda _: bar.update())
        try:
            for future in as_completed(futures):
                future.result()  # the first failure ends it
        except BaseException:
            for future in futures:
                future.cancel()
            raise
    return [future.result() for future in futures]


def versions() -> dict:
    return {"python": platform.python_version(), "numpy": np.__version__,
            "engine": trials.QUICK}


# ---- rows


def tables(result: dict) -> dict[str, list[dict]]:
    """{table: rows} of a result, each row a published number beside what its runs gave.

    A row: label, published, published_count, published_interval, mean, sd (None for one run),
    low and high (smallest and largest run), runs, count (test images), interval (Wilson's, of the
    mean at that count), reached (how many runs are as good as published), unit, and gain: (mean,
    sd, pairs) of the differences to the runs of the same seeds of the trial `against`.
    """
    found = {}
    for name, rows in find(result["experiment"]).tables.items():
        made = [make_row(row, result["trials"]) for row in rows]
        made = [row for row in made if row is not None]
        if made:
            found[name] = made
    return found


def make_row(row: Row, runs_of: dict[str, list[dict]]) -> dict | None:
    """One row as plain values; None where its trial was not run, could not be, or was shorter."""
    pairs = [value_of(run, row) for run in runs_of.get(row.trial, []) if has(run, row)]
    if not pairs:
        return None
    values = [value for value, _ in pairs if value is not None]
    count, unit = pairs[0][1], "share" if pairs[0][1] else "number"
    made = {"label": row.label, "trial": row.trial, "unit": unit, "published": row.published,
            "published_count": row.count, "published_interval": wilson(row.published, row.count),
            "runs": len(pairs), "diverged": len(pairs) - len(values), "mean": None, "sd": None,
            "low": None, "high": None, "count": count, "interval": None, "reached": None,
            "against": row.against, "gain": gain_of(row, runs_of)}
    if values:
        made |= {"low": min(values), "high": max(values)} | spread(values)
        made["interval"] = wilson(made["mean"], count)
    if row.published is not None and row.better:
        made["reached"] = sum(row.better * (value - row.published) >= 0 for value in values)
    return made


def spread(values: list[float]) -> dict:
    """Mean, and standard deviation with n - 1 (None for a single value)."""
    return {"mean": float(np.mean(values)),
            "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None}


def gain_of(row: Row, runs_of: dict[str, list[dict]]) -> dict | None:
    """What the trial is worth against another one: pairs of runs with the same seed."""
    if row.against is None:
        return None
    other = {run["seed"]: value_of(run, row)[0] for run in runs_of.get(row.against, [])}
    own = {run["seed"]: value_of(run, row)[0] for run in runs_of[row.trial]}
    gains = [own[seed] - other[seed] for seed in own
             if own[seed] is not None and other.get(seed) is not None]  # None: it diverged
    return {**spread(gains), "pairs": len(gains)} if gains else None


def has(run: dict, row: Row) -> bool:
    """Was this run done, and did it last as long as the row's epoch?"""
    values = run.get(row.metric)
    return "missing" not in run and not (isinstance(values, list) and row.epoch > len(values))


def value_of(run: dict, row: Row) -> tuple[float | None, int | None]:
    """(value, number of images that a share was taken on) of one run."""
    name = row.metric
    if name in ("worst_slice", "best_slice"):
        return (min if name == "worst_slice" else max)(run["slices"]), run["slice_count"]
    part, _, rest = name.partition("_")
    if rest.startswith(("precision_", "recall_")):
        kind, _, label = rest.partition("_")
        confusion = np.array(run[f"{part}_confusion"])
        value = precision_recall(confusion)[kind == "recall"][int(label)]
        count = confusion.sum(axis=int(kind == "recall"))[int(label)]
        return (float(value) if math.isfinite(value) else None), int(count)
    value = run[name]
    if isinstance(value, list):
        value = value[row.epoch - 1 if row.epoch > 0 else -1]
    counts = {"accuracy": "train_count", "test_accuracy": "test_count", "all_accuracy": "all_count"}
    count = run[counts[name]] if name in counts else None
    return (None if value is None else value * row.scale), count


def wilson(share: float | None, count: int | None) -> list[float] | None:
    """Wilson's 95 % interval of a share of `count` images; None where there is no such count."""
    if share is None or not count:
        return None
    low, high = wilson_interval(round(share * count), count)
    return [min(low, share), max(high, share)]  # rounding may leave all right of all outside


# ---- stored


def save(result: dict, path: str | Path) -> None:
    """Write a result as JSON, numbers with six digits."""
    text = json.dumps(shortened(result), allow_nan=False, separators=(",", ":"))
    Path(path).write_text(text.replace("},", "},\n") + "\n", encoding="utf-8")


def shortened(value):
    if isinstance(value, dict):
        return {key: shortened(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [shortened(part) for part in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def stored(key: str, full: bool = False) -> dict:
    """The result that travels with the course: measured on MNIST with the defaults, or `full`.

    >>> stored("s4")["data"]
    'MNIST'
    """
    path = STORED / f"{find(key).key}{'_full' if full else ''}.json"
    if not path.is_file():
        raise ValueError(f"stored: no result of {key}{' --full' if full else ''} is kept; "
                         "measure it with `python3 -m course_lib reproduce`.")
    return json.loads(path.read_text(encoding="utf-8"))
