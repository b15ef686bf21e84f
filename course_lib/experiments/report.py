"""A result as people read it: tables, and a counterpart for every published figure.

Imports measure, trials and plots.
"""

from __future__ import annotations

import html
from typing import Callable

import numpy as np

from course_lib import plots
from course_lib.data import DataError
from course_lib.experiments import trials
from course_lib.experiments.measure import find, has, value_of
from course_lib.experiments.systems import S3_ENDS

HEAD = ("", "published", "its interval", "measured, mean ± sd", "smallest to largest", "runs",
        "images", "interval at that mean", "runs as good", "worth in points, same seeds")


class Table:
    """One table of a result: print it, or let a notebook show it.

    Intervals are Wilson's, 95 %, for so many images: what another test set of that size could
    have given. sd is the standard deviation over the runs, which differ in their seed.
    """

    def __init__(self, name: str, rows: list[dict]):
        self.name, self.rows = name, rows

    def cells(self) -> list[tuple[str, ...]]:
        """The table as words, its head first; columns that are empty in every row are left out."""
        table = [HEAD, *map(cells_of, self.rows)]
        used = [k for k in range(len(HEAD)) if k == 0 or any(row[k] for row in table[1:])]
        return [tuple(row[k] for k in used) for row in table]

    def __str__(self) -> str:
        table = self.cells()
        widths = [max(map(len, column)) for column in zip(*table)]
        lines = ["  ".join(cell.ljust(width) if k == 0 else cell.rjust(width)
                           for k, (cell, width) in enumerate(zip(row, widths))) for row in table]
        return "\n".join([self.name, *(f"  {line.rstrip()}" for line in lines)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, *rows = [[html.escape(cell) for cell in row] for row in self.cells()]
        line = "".join(f'<th scope="col">{cell}</th>' for cell in head)
        body = "".join(f'<tr><th scope="row">{row[0]}</th>'
                       + "".join(f"<td>{cell}</td>" for cell in row[1:]) + "</tr>" for row in rows)
        return (f"<table><caption>{html.escape(self.name)}</caption>"
                f"<thead><tr>{line}</tr></thead><tbody>{body}</tbody></table>")


def cells_of(row: dict) -> tuple[str, ...]:
    """One row of measure.tables in words."""
    def number(value):
        if value is None:
            return ""
        return f"{100 * value:.2f} %" if row["unit"] == "share" else f"{value:.3g}" \
            if abs(value) < 100 else f"{value:,.0f}"

    def between(ends):
        return "" if ends is None else f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f}"

    measured = number(row["mean"]) or "diverged"
    if row["sd"] is not None:
        spread = f"{100 * row['sd']:.2f}" if row["unit"] == "share" else f"{row['sd']:.2g}"
        measured += f" ± {spread}"
    ends = "" if row["sd"] is None else f"{number(row['low'])} to {number(row['high'])}"
    runs = str(row["runs"]) + (f", {row['diverged']} diverged" if row["diverged"] else "")
    published = number(row["published"]) if row["count"] or row["unit"] == "number" else ""
    reached = "" if row["reached"] is None else f"{row['reached']} of {row['runs']}"
    gain, worth = row["gain"], ""
    if gain:
        spread = "" if gain["sd"] is None else f" ± {100 * gain['sd']:.2f}"
        worth = f"{100 * gain['mean']:+.2f}{spread}"
    return (row["label"], published, between(row["published_interval"]), measured, ends, runs,
            f"{row['count']:,}" if row["count"] else "", between(row["interval"]), reached,
            worth)


def tables(result: dict) -> dict[str, Table]:
    """The tables of a result by name."""
    return {name: Table(name, rows) for name, rows in result["tables"].items()}


def text(result: dict) -> str:
    """All tables, and what was not stated and had to be chosen."""
    experiment = find(result["experiment"])
    size = "everything as published" if result["full"] else "the short form"
    images = experiment.images or result["data"]
    parts = [f"{result['title']} ({result['author']})\n"
             f"{images}, {size}, {result['cpu_seconds']:.0f} CPU seconds"]
    if images == "small digits":
        parts[0] += "\nThe published numbers are MNIST's: beside other digits they say little."
    parts += map(str, tables(result).values())
    missing = {run["missing"] for runs in result["trials"].values() for run in runs
               if "missing" in run}
    parts += [f"Left out: {why}." for why in sorted(missing)]
    return "\n\n".join([*parts, "\n".join(f"- {choice}" for choice in experiment.choices)])


# ---- figures


def figures(result: dict) -> dict[str, plots.Picture]:
    """{name: Picture} of a result; those that show images only where their data set is here."""
    found = {}
    drawn = FIGURES[result["experiment"]] | (FULL if result["full"] else {}).get(
        result["experiment"], {})
    for name, draw in drawn.items():
        try:
            found[name] = draw(result)
        except DataError:
            continue
    return found


def mean_of(runs: list[dict], *names: tuple[str, str]) -> dict:
    """The mean curve over the runs: {what it shall be called: numbers} for (called, key) pairs.

    It ends where the first of them has diverged (None).
    """
    found = {}
    for called, key in names:
        values = np.array([run[key] for run in runs], float)
        whole = np.isfinite(values).all(axis=0)
        found[called] = values[:, : len(whole) if whole.all() else whole.argmin()].mean(axis=0)
    return {called: curve.tolist() for called, curve in found.items()}


def table_rows(result: dict, start: str) -> list[dict]:
    """The rows of the table whose name starts so."""
    return next(rows for name, rows in result["tables"].items() if name.startswith(start))


def measured(rows: list[dict]) -> dict:
    """{label: (mean, low, high)}: the mean over the runs with Wilson's interval."""
    return {row["label"]: (row["mean"], *row["interval"]) for row in rows if row["interval"]}


def published(rows: list[dict]) -> dict:
    """The same of what was reported."""
    return {row["label"]: (row["published"], *row["published_interval"]) for row in rows
            if row["published_interval"]}


def singles(result: dict, start: str) -> dict:
    """{label: the values of the runs that did not diverge} of the table whose name starts so."""
    (rows,) = [rows for name, rows in find(result["experiment"]).tables.items()
               if name.startswith(start)]
    values = {row.label: [value_of(run, row)[0] for run in result["trials"].get(row.trial, ())
                          if has(run, row)] for row in rows}
    return {label: [one for one in some if one is not None] for label, some in values.items()}


def draw_rows(result: dict, start: str, title: str, x_label: str, ending: str = "",
              beside: bool = False) -> plots.Picture:
    """Draw the table whose name starts so, its labels without their `ending`: means, runs."""
    rows = [row | {"label": row["label"].removesuffix(ending)}
            for row in table_rows(result, start) if row["label"].endswith(ending)]
    bars = measured(rows)
    runs = {label.removesuffix(ending): values for label, values in singles(result, start).items()
            if label.endswith(ending)}
    return plots.show_intervals(
        bars, published(rows) if beside else None, x_label=x_label, title=title,
        runs={label: values for label, values in runs.items() if label in bars and len(values) > 1},
        note="bar: luck of the images alone (95 %); small dots: the single runs")


def s0_curves(result):
    curves = {}
    for epochs in (3, 5, 10):
        runs = result["trials"][f"pure Python, {epochs} epochs"]
        curves[f"{epochs} epochs, mean of {len(runs)}"] = mean_of(
            runs, ("loss", "loss"), ("accuracy", "accuracy"))
    return plots.show_curves(curves, title="S0's two figures: loss and accuracy on 100 images")


def s0_judged(result):
    return draw_rows(result, "Frozen or trained",
                     "Zeros against ones: what learning adds to a threshold",
                     "accuracy on unseen images")


def s1_samples(part: int):
    def draw(result):
        images, labels = trials.image_folders(source_of(result))[part]
        shown = np.linspace(0, len(images) - 1, 10).round().astype(int)
        name = "training" if part == 0 else "evaluation"
        return plots.show_images(images[shown], labels[shown],
                                 title=f"10 of {len(images)} {name} images, read from their folder")
    return draw


def s1_rates(result):
    """Means; of the rate that is too large the runs that learn apart from those that do not."""
    groups = {}
    for lr in ("lr 0.001", "lr 0.01", "lr 0.2"):
        runs = result["trials"][lr]
        learn = [run for run in runs if run["all_accuracy"] > 0.9]
        rest = [run for run in runs if run not in learn]
        groups |= {f"{lr}: {len(learn)} of {len(runs)} learn": learn,
                   f"{lr}: {len(rest)} of {len(runs)} do not": rest}
    curves = {name: mean_of(runs, ("loss", "loss")) for name, runs in groups.items() if runs}
    return plots.show_curves(curves, title="S1's three learning rates, 10 epochs: means")


def s1_confusion(part: str):
    def draw(result):
        confusion = np.array(result["trials"]["lr 0.01"][0][f"{part}_confusion"])
        return plots.show_confusion(confusion)
    return draw


def s1_judged(result):
    return draw_rows(result, "Accuracy on the evaluation folder",
                     "25 of 25 is compatible with 87 %", "accuracy on the evaluation images",
                     beside=True)


def s2_kernels(when: str):
    def draw(result):
        kernels = np.array(result["trials"]["right"][0][when])
        word = "before training" if when == "begun" else "after 15 epochs"
        return plots.show_kernels(kernels, title=f"S2's four filters, {word}")
    return draw


def s2_curves(result):
    curves = {name: mean_of(result["trials"][name], ("loss", "loss"),
                            ("validation_accuracy", "test_accuracy"))
              for name in ("right", "ties doubled, as published", "filters frozen")}
    return plots.show_curves(curves, held_out="test", title="S2's lines: means over the seeds")


def s3_ladder(result):
    return draw_rows(result, "One repair at a time", "S3 repaired, one mistake after the other",
                     "accuracy on all test images")


def s3_table(name: str, title: str):
    return lambda result: draw_rows(result, name, title, "test accuracy", ": test", beside=True)


def s4_curves(result):
    ours = {f"{name}, mean of {len(result['trials'][key])}": mean_of(
        result["trials"][key], ("loss", "loss"), ("validation_accuracy", "test_accuracy"))
        for name, key in (("random images", "random subsets"),
                          ("first images", "the first 1,000 and 200"))}
    rows = result["tables"]["Its table, beside 20 random subsets"]
    published = {"loss": [row["published"] for row in rows if row["unit"] == "number"],
                 "validation_accuracy": [row["published"] for row in rows
                                         if row["unit"] == "share"]}
    return plots.show_curves(ours, published={"published": published}, held_out="test",
                             title="S4's first figure: training loss and test accuracy")


def s4_predictions(result):
    run = result["trials"]["random subsets"][0]
    images = trials.digits(source_of(result)).test_images[:trials.GRID]
    return plots.show_predictions(images, run["shown_labels"], run["shown_answers"],
                                  title="S4's second figure: right ✓ and wrong ✗")


def s4_slices(result):
    runs = result["trials"]["random subsets"]
    right = [100 * run["test_accuracy"][-1] for run in runs]
    return plots.show_histogram(
        {"one network, disjoint slices of 200": [100 * share for share in runs[0]["slices"]],
         f"{len(runs)} networks, 200 images each": right}, bins=16, x_label="accuracy in %",
        title="How lucky is a test set of 200?")


def s4_sines(result):
    return draw_rows(result, "Its sine", "The constants that S4 does not state", "test accuracy")


def s4_hidden(result):
    return draw_rows(result, "Which mistakes", "Which mistakes does accuracy hide?",
                     "accuracy on all test images")


def source_of(result: dict) -> str:
    return "mnist" if result["data"] == "MNIST" else "small"


FIGURES: dict[str, dict[str, Callable]] = {
    "s0": {"curves": s0_curves, "judged": s0_judged},
    "s1": {"training_images": s1_samples(0), "evaluation_images": s1_samples(1),
           "learning_rates": s1_rates, "confusion": s1_confusion("test"),
           "confusion_all": s1_confusion("all"), "judged": s1_judged},
    "s2": {"filters_before": s2_kernels("begun"), "filters_after": s2_kernels("ended"),
           "curves": s2_curves},
    "s3": {"table": s3_table("Its table at lr 0.01, beside 10,000 images as published",
                             "S3's table, beside 10,000 images with its mistakes"),
           "table_repaired": s3_table("Its table at lr 0.01, beside 10,000 images repaired",
                                      "S3's table, beside 10,000 images, repaired"),
           "repairs": s3_ladder},
    "s4": {"curves": s4_curves, "predictions": s4_predictions, "slices": s4_slices,
           "sine": s4_sines, "hidden": s4_hidden},
}
FULL: dict[str, dict[str, Callable]] = {  # what only --full has
    "s3": {f"grid_{name.replace(' ', '_')}_{loss}": s3_table(
        f"Its table beside all 60,000 images, {name}, {loss}",
        f"S3's grid, beside all 60,000 images, {name}, {loss.replace('_', '-')}")
        for loss in ("cross_entropy", "hinge") for name in S3_ENDS},
}
