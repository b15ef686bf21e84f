"""Every figure of the course: arrays in, a Picture(figure, alt) out, nothing shown or registered.

With stills, the only home of matplotlib, and the only one of colours; of the course it imports
conv and shapes. Figures are laid out in inches for a page `WIDTH` inches wide, on white.
"""

from __future__ import annotations

import base64
import functools
import io
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Sequence

import numpy as np
from PIL import Image
from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from course_lib.conv import conv2d
from course_lib.shapes import Windows

# Okabe and Ito's colours, told apart by colour-blind readers; never the only signal.
BLUE, VERMILLION, GREEN, PURPLE, INK = "#0072B2", "#D55E00", "#007A5A", "#A6478A", "#202020"
RULE, PALE = "#767676", "#E8F1F8"
SIGNED, GREY, SHARE = "RdBu_r", "gray", "Blues"
RUNS = ((BLUE, "o"), (VERMILLION, "s"), (GREEN, "^"), (PURPLE, "v"), (INK, "X"), (RULE, "P"))
PUBLISHED = ((INK, "D"), (INK, "*"), (INK, "p"), (INK, "h"))

WIDTH, MARGIN, GAP = 6.6, 0.15, 0.12  # inches
TEXT_LINE, TEXT_LETTER = 0.165, 0.083  # inches that a line and a letter of small text take
SMALL, MEDIUM, LARGE = 9.5, 10.5, 12.5  # points
MOST = 160  # pictures in one figure

LOOK = {
    "font.family": "DejaVu Sans", "font.size": MEDIUM, "figure.dpi": 144, "savefig.dpi": "figure",
    "axes.titlesize": MEDIUM, "axes.labelsize": MEDIUM, "figure.titlesize": LARGE,
    "xtick.labelsize": SMALL, "ytick.labelsize": SMALL, "legend.fontsize": SMALL,
    "text.color": INK, "axes.edgecolor": RULE, "grid.color": "#D9D9D9", "lines.linewidth": 1.8,
    "axes.grid": False, "axes.axisbelow": True, "figure.facecolor": "white", "image.cmap": GREY,
}


@dataclass(frozen=True)
class Picture:
    """A figure and the sentence that says what it shows.

    A notebook shows the figure as PNG, a screen reader reads `alt`. Same data, same bytes.
    """

    figure: Figure
    alt: str

    def __post_init__(self):
        if self.figure.get_layout_engine() is not None:  # arrange once: a second time moves things
            self.figure.draw_without_rendering()
            self.figure.set_layout_engine("none")

    def png(self) -> bytes:
        """The figure as PNG: no date, no version, and 256 colours, a third of the bytes."""
        with style.context(["default", LOOK]):
            self.figure.canvas.draw()
        pixels = np.asarray(self.figure.canvas.buffer_rgba())[:, :, :3]
        file = io.BytesIO()
        Image.fromarray(pixels.copy()).quantize(256).save(file, "png", optimize=True)
        return file.getvalue()

    def save(self, path: str | Path) -> Path:
        """Write the PNG to `path`, which ends in .png, inside a folder that exists."""
        path = Path(path)
        _expect(path.suffix.lower() == ".png", "Picture.save", "a path that ends in .png", path)
        if not path.parent.is_dir():
            raise FileNotFoundError(
                f"Picture.save: expected an existing folder, got {path.parent}; create it first."
            )
        picture = self.png()
        try:
            path.write_bytes(picture)
        except OSError as error:  # half a picture is none
            path.unlink(missing_ok=True)
            raise OSError(error.errno, error.strerror, str(path)) from None
        return path

    def _repr_mimebundle_(self, include=None, exclude=None):
        data = {"image/png": base64.b64encode(self.png()).decode("ascii"), "text/plain": self.alt}
        width = round(self.figure.get_figwidth() * 96)  # CSS pixels; the PNG holds more
        return data, {"image/png": {"alt": self.alt, "width": width}}


# ---------------------------------------------------------------- images, kernels, feature maps


def in_our_look(draw):
    """Draw with the course's fonts and colours, whatever the reader's own matplotlib settings."""

    @functools.wraps(draw)
    def wrapper(*arguments, **options):
        with style.context(["default", LOOK]):
            return draw(*arguments, **options)

    return wrapper


@in_our_look
def show_images(images, captions: Sequence[str] | None = None, *, title: str | None = None,
                columns: int | None = None, limits: tuple[float, float] | None = None,
                alt: str | None = None) -> Picture:
    """Show images in a grid, all on one grey scale, a caption above each.

    Shapes  images (H, W), (N, H, W), (N, 1, H, W) or (N, 3, H, W) for RGB, or a list of images
            of different sizes; captions: N words or numbers.
    limits: the values shown black and white; by default 0 and 1 where all values lie between
    them, else the smallest and the largest value. Raises ValueError where counts do not match.
    >>> show_images(np.zeros((2, 1, 8, 8)), ["a", "b"]).alt
    '2 images, 8×8: a, b.'
    """
    who = "show_images"
    images = _image_list(images, who)
    captions = _captions(captions, len(images), who)
    _expect(columns is None or columns > 0, who, "at least 1 column", columns)
    _expect(limits is None or limits[0] < limits[1], who, "limits (low, high), low < high", limits)
    alt = alt or f"{_count(len(images), 'image')}, {_sizes(images)}" + _listed(captions)
    title = _count(len(images), "image") if title is None else title
    figure, axes = _grid(images, captions, title, columns)
    draw_greys(axes, images, limits)
    return Picture(figure, alt)


@in_our_look
def show_kernels(kernels, captions: Sequence[str] | None = None, *, title: str | None = None,
                 alt: str | None = None) -> Picture:
    """Show kernels on one scale centred on 0: blue negative, white 0, red positive.

    Shapes  kernels (KH, KW), (F, KH, KW) or (F, C, KH, KW), then with a row for each filter.
    >>> show_kernels([[-1, 0, 1]]).alt
    '1 kernel, 1×3, from -1 to 1; blue is negative, red is positive.'
    """
    who = "show_kernels"
    array = np.asarray(kernels)
    _expect(array.ndim in (2, 3, 4), who, "kernels (KH, KW), (F, KH, KW) or (F, C, KH, KW)",
            array.shape)
    columns, named = None, None
    if array.ndim == 4:
        F, C = array.shape[:2]
        columns = C if 1 < C <= 16 else None
        named = [f"f{f} c{c}" if C > 1 else f"filter {f}" for f in range(F) for c in range(C)]
    kernels = _image_list(array.reshape(-1, *array.shape[-2:]), who)
    captions = _captions(captions if captions is not None else named, len(kernels), who)
    name = _count(len(kernels), "kernel")
    if columns:
        name = f"{F} filters of {C} channels (f: filter, c: channel)"
    figure = _maps(kernels, captions, name if title is None else title, "weight", SIGNED, columns)
    low, high = _range(kernels)
    return Picture(figure, alt or f"{name}, {_sizes(kernels)}, from {low} to {high}; "
                                  "blue is negative, red is positive.")


@in_our_look
def show_feature_maps(maps, captions: Sequence[str] | None = None, *, title: str | None = None,
                      label: str = "activation", alt: str | None = None) -> Picture:
    """Show the feature maps of one image on one scale, so that weak maps look weak.

    Shapes  maps (C, H, W) or (1, C, H, W). Grey from 0 where no value is negative, as after
    ReLU; else red and blue around 0. label: what the scale measures.
    >>> show_feature_maps(np.ones((2, 4, 5))).alt
    '2 feature maps, 4×5, from 1 to 1 on one scale; the largest value is in map 0.'
    """
    who = "show_feature_maps"
    array = np.asarray(maps)
    if array.ndim == 4 and len(array) == 1:
        array = array[0]
    _expect(array.ndim == 3, who, "the maps (C, H, W) of one image; take one with y[0]",
            array.shape)
    maps = _image_list(array, who)
    captions = _captions(captions or [f"map {c}" for c in range(len(maps))], len(maps), who)
    name = _count(len(maps), "feature map")
    colours = SIGNED if array.min() < 0 else GREY
    figure = _maps(maps, captions, name if title is None else title, label, colours)
    low, high = _range(maps)
    silent = int((array == 0).all(axis=(1, 2)).sum())
    largest = int(array.max(axis=(1, 2)).argmax())
    return Picture(figure, alt or (
        f"{name}, {_sizes(maps)}, from {low} to {high} on one scale; "
        f"the largest value is in map {largest}"
        + (f"; {_count(silent, 'map')} all zero" if silent else "") + "."
    ))


# ---------------------------------------------------------------------------- right and wrong


@in_our_look
def show_predictions(images, labels, predicted, *, class_names: Sequence[str] | None = None,
                     title: str | None = None, alt: str | None = None) -> Picture:
    """Show what a network says: ✓ and a thin green frame where right, ✗ and a thick one where not.

    Shapes  images as in show_images, labels (N,), predicted (N,)
    >>> show_predictions(np.zeros((2, 8, 8)), [4, 7], [9, 7]).alt
    '2 predictions, 1 right (✓) and 1 wrong (✗): image 0 is 4, read as 9.'
    """
    who = "show_predictions"
    images = _image_list(images, who)
    labels, predicted, _ = _answers(len(images), labels, predicted, None, who)
    right = labels == predicted
    truth, answers = _names(labels, class_names, who), _names(predicted, class_names, who)
    captions = [f"✓ {p}" if ok else f"✗ {p}, is {t}" for t, p, ok in zip(truth, answers, right)]
    wrong = [f"image {i} is {truth[i]}, read as {answers[i]}" for i in np.flatnonzero(~right)]
    found = f"{right.sum()} right (✓) and {len(wrong)} wrong (✗)"
    figure, axes = _grid(images, captions, found if title is None else title)
    draw_greys(axes, images)
    for ax, ok in zip(axes, right):
        ax.title.set_color(GREEN if ok else VERMILLION)
        ax.spines[:].set(color=GREEN if ok else VERMILLION, linewidth=1.5 if ok else 3.5)
    more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
    return Picture(figure, alt or f"{_count(len(images), 'prediction')}, {found}"
                   + (": " + "; ".join(wrong[:5]) + more if wrong else "") + ".")


@in_our_look
def show_errors(images, labels, predicted, probabilities=None, *, limit: int = 20,
                class_names: Sequence[str] | None = None, title: str | None = None,
                alt: str | None = None) -> Picture:
    """Show the images that a network reads wrongly, its surest mistakes first.

    Each caption names the truth, the answer, its probability and the image's index.

    Shapes  images (N, 1, H, W), labels (N,), predicted (N,); probabilities (N,), of the
            predicted class, or (N, classes); without them the order is that of the images.
    >>> show_errors(np.zeros((3, 8, 8)), [4, 7, 1], [9, 7, 1]).alt
    '1 of 3 images read wrongly: number 0 is 4, read as 9.'
    """
    who = "show_errors"
    _expect(limit > 0, who, "a limit of at least 1", limit)
    _expect(np.ndim(images) >= 3 and len(images), who, "images (N, 1, H, W)", np.shape(images))
    labels, predicted, sure = _answers(len(images), labels, predicted, probabilities, who)
    wrong = np.flatnonzero(labels != predicted)
    if sure is not None:
        wrong = wrong[np.argsort(-sure[wrong], kind="stable")]
    said = f"{len(wrong)} of {_count(len(images), 'image')} read wrongly"
    title = said if title is None else title
    if not len(wrong):
        return Picture(headed(3.2, 0.0, title)[0], alt or f"{said}.")
    shown = wrong[:limit]
    truth = _names(labels[shown], class_names, who)
    answers = _names(predicted[shown], class_names, who)
    chances = [""] * len(shown) if sure is None else [percent(sure[i]) for i in shown]
    chosen = _image_list([np.asarray(images[i]) for i in shown], who)
    captions = [f"{t} read as {p}\n" + (f"{chance}\n" if chance else "") + f"no. {i}"
                for t, p, i, chance in zip(truth, answers, shown, chances)]
    figure, axes = _grid(chosen, captions, title)
    draw_greys(axes, chosen)
    told = [f"number {i} is {t}, read as {p}" + (f" ({chance})" if chance else "")
            for i, t, p, chance in zip(shown, truth, answers, chances)][:3]
    return Picture(figure, alt or f"{said}: {'; '.join(told)}{'; …' if len(wrong) > 3 else '.'}")


@in_our_look
def show_confusion(confusion, class_names: Sequence[str] | None = None, *,
                   title: str | None = None, alt: str | None = None) -> Picture:
    """Show a confusion matrix: rows are the true classes, columns what was read; counts in cells.

    A darker cell is a larger share of its row, on a bent scale that lets rare mistakes show.
    confusion: (classes, classes) counts, of at least one image.
    >>> show_confusion([[8, 2], [0, 10]]).alt
    'Confusion matrix of 20 images: 90.0 % on the diagonal; most often 0 is read as 1, 2 times.'
    """
    who = "show_confusion"
    counts = np.asarray(confusion)
    _expect(counts.ndim == 2 and counts.shape[0] == counts.shape[1] and 0 < len(counts) <= 30,
            who, "a square matrix of counts for 1 to 30 classes", counts.shape)
    _expect(counts.dtype.kind in "iu" and counts.min() >= 0 and counts.sum() > 0, who,
            "whole, non-negative counts of at least one image",
            f"{counts.dtype} from {' to '.join(_range([counts]))}")
    K = len(counts)
    _expect(class_names is None or len(class_names) == K, who, f"{K} class names",
            len(class_names or ()))
    names = _names(range(K), class_names, who)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = max(3.4, 0.1 * max(map(len, names)) * K, 0.5 * K)
    figure = new_figure(side + 0.8, side + 1.0, True)
    ax = figure.add_subplot(xlabel="read as", ylabel="true class")
    ax.set(xticks=range(K), xticklabels=names, yticks=range(K), yticklabels=names)
    draw_numbers(ax, share**0.4, SHARE, (0, 1), 1.0, [f"{n:,}" for n in counts.flat])
    right = np.trace(counts) / counts.sum()
    said = f"{percent(right)} on the diagonal"
    figure.suptitle(f"{counts.sum():,} images, {said}" if title is None else title)
    wrong = counts - np.diag(np.diag(counts))
    i, j = np.unravel_index(wrong.argmax(), wrong.shape)
    most = "nothing is confused"
    if wrong[i, j]:
        most = f"most often {names[i]} is read as {names[j]}, {_count(wrong[i, j], 'time')}"
    said = f"Confusion matrix of {_count(counts.sum(), 'image')}: {said}; {most}."
    return Picture(figure, alt or said)


# ------------------------------------------------------------------------------------- charts


@in_our_look
def show_curves(history, *, published: Mapping | None = None, across: str = "epoch",
                held_out: str = "validation", title: str | None = None,
                alt: str | None = None) -> Picture:
    """Show loss and accuracy against the epoch: training solid, held-out data dashed and hollow.

    history: a History, its dict (lists under "epoch", "loss", "accuracy", "validation_loss",
    "validation_accuracy", those that are there), or {name: either} for several runs.
    published: the same from a paper, drawn as points that no line joins. across: the key of the
    horizontal axis, counted from 1 where the key is missing. held_out: what to call that data.
    >>> show_curves({"loss": [2.3, 0.4]}).alt
    'Loss against epoch: training from 2.3 at epoch 1 to 0.4 at epoch 2.'
    """
    who = "show_curves"
    runs = _runs(history, "ours" if published else "", who)
    papers = {} if published is None else _runs(published, "published", who)
    _expect(len(runs) <= len(RUNS) and len(papers) <= len(PUBLISHED), who,
            f"at most {len(RUNS)} runs and {len(PUBLISHED)} published ones",
            f"{len(runs)} and {len(papers)}")
    panels = {}
    for metric in ("loss", "accuracy"):
        curves = (_curves(runs, RUNS, ("-", "--"), metric, across, held_out, who)
                  + _curves(papers, PUBLISHED, ("none", "none"), metric, across, held_out, who))
        panels.update({metric: curves} if curves else {})
    _expect(panels, who, "a history with numbers under loss or accuracy",
            sorted({key for run in runs.values() for key in run}))
    labels = list(dict.fromkeys(label for curves in panels.values() for label, *_ in curves))
    columns = 2 if len(panels) == 2 or max(map(len, labels)) <= 24 else 1  # of the legend
    width, height = WIDTH if len(panels) == 2 else 4.4, 3.4 + 0.24 * len(labels) / columns
    figure = new_figure(width, height, True)
    handles, told = {}, []
    for ax, (metric, curves) in zip(figure.subplots(1, len(panels), squeeze=False)[0],
                                    panels.items()):
        unit, words = (" (%)", percent) if metric == "accuracy" else ("", short)
        ax.set(title=metric.capitalize(), xlabel=across, ylabel=metric + unit)
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        ax.grid(True)
        for label, x, y, look in curves:
            (handles[label],) = ax.plot(x, 100 * y if unit else y, label=label, **look)
        first, last = min(c[1].min() for c in curves), max(c[1].max() for c in curves)
        room = 0.06 * (last - first) or 0.5
        ax.set_xlim(first - room, last + room)
        said = "; ".join(_told(label, x, y, across, words) for label, x, y, _ in curves)
        told.append(f"{metric.capitalize()} against {across}: {said}.")
    figure.legend(handles=[handles[label] for label in labels], loc="outside lower center",
                  ncols=columns, frameon=False)
    figure.suptitle(f"Training, {across} by {across}" if title is None else title)
    return Picture(figure, alt or " ".join(told))


def _curves(runs, looks, lines, metric: str, across: str, held_out: str, who: str) -> list[tuple]:
    """The curves of one metric as (label, x, y, how to draw it): a marker for each run."""
    found = []
    for (name, run), (colour, marker) in zip(runs.items(), looks):
        for key, part, line, fill in ((metric, "training", lines[0], colour),
                                      (f"validation_{metric}", held_out, lines[1], "white")):
            x, y = _series(run, key, across, who)
            look = dict(color=colour, marker=marker, linestyle=line, markerfacecolor=fill,
                        markersize=8 if line == "none" else 6, markevery=max(1, len(y) // 8))
            if len(y):
                found.append((f"{name}, {part}".removeprefix(", "), x, y, look))
    return found


@in_our_look
def show_intervals(measured: Mapping, published: Mapping | None = None, *,
                   runs: Mapping | None = None, x_label: str = "accuracy",
                   note: str = "", title: str | None = None,
                   alt: str | None = None) -> Picture:
    """Show fractions with their intervals, published ones beside them with another marker.

    measured, published: {name: (value, low, high)} or {name: value} where no interval is known.
    The same name in both shares a row. runs: {name: [fractions]}, small dots below that row's
    bar: where single runs lie. note: a line below the axis, for what the bars mean.
    >>> show_intervals({"ours": (0.92, 0.88, 0.95)}, {"ours": 0.975}).alt
    'accuracy: ours measured 92.0 % (88.0 to 95.0), published 97.5 %.'
    """
    who = "show_intervals"
    kinds = {"measured": measured, "published": published or {}}
    names = list(dict.fromkeys(name for rows in kinds.values() for name in rows))
    _expect(0 < len(names) <= 30, who, "1 to 30 named values", len(names))
    figure = new_figure(WIDTH, 1.35 + 0.55 * len(names) + 0.2 * bool(note), True)
    ax = figure.add_subplot(xlabel=f"{x_label} (%)" + f"\n{note}" * bool(note))
    places, texts, told = [], [], {name: [] for name in names}
    for (kind, rows), (colour, marker, shift) in zip(
            kinds.items(), ((BLUE, "o", -0.16), (VERMILLION, "D", 0.16))):
        for name, row in rows.items():
            value, low, high = _interval(name, row, who)
            y = names.index(name) + (shift if published else 0)
            ax.errorbar(100 * value, y, xerr=[[100 * (value - low)], [100 * (high - value)]],
                        color=colour, marker=marker, markersize=7, capsize=4,
                        markerfacecolor=colour if kind == "measured" else "white",
                        label=kind if not any(kind in t for t in texts) else None)
            words = percent(value)
            if high > low:
                words += f" ({100 * low:.1f} to {100 * high:.1f})"
            places.append(y)
            texts.append(f"{words} {kind}")
            told[name].append(f"{kind} {words}")
    for name, values in (runs or {}).items():
        _expect(name in measured and len(values) > 0, who, "runs of measured rows", name)
        values = 100 * np.array([_interval(name, value, who)[0] for value in values])
        ax.plot(values, np.full(len(values), names.index(name) + (0.06 if published else 0.26)),
                ".", color=INK, markersize=6, alpha=0.7)
        told[name].insert(1, f"{len(values)} runs from {values.min():.1f} to {values.max():.1f}")
    ax.set(yticks=range(len(names)), yticklabels=[textwrap.fill(str(n), 22) for n in names],
           ylim=(len(names) - 0.5, -0.5))
    beside = ax.secondary_yaxis("right")
    beside.set_yticks(places, texts)
    beside.tick_params(length=0)
    ax.grid(True, axis="x")
    figure.suptitle(f"{x_label.capitalize()} with its interval" if title is None else title)
    said = "; ".join(f"{name} {', '.join(words)}" for name, words in told.items())
    return Picture(figure, alt or f"{x_label}: {said}.")


@in_our_look
def show_histogram(values, *, bins: int = 30, x_label: str = "value", title: str | None = None,
                   alt: str | None = None) -> Picture:
    """Show how values are spread: one histogram, or one for each name on a shared axis.

    values: an array of any shape, or {name: array}; all finite.
    >>> show_histogram([0.0, 1.0, 2.0]).alt
    'Histogram of 3 values: mean 1, standard deviation 0.816, from 0 to 2.'
    """
    who = "show_histogram"
    named = dict(values) if isinstance(values, Mapping) else {"": values}
    named = {name: _finite(np.ravel(array), f"values {name}".strip(), who)
             for name, array in named.items()}
    _expect(named and len(named) <= 24, who, "1 to 24 arrays", len(named))
    _expect(bins > 0, who, "at least 1 bin", bins)
    ends = [min(map(np.min, named.values())), max(map(np.max, named.values()))]
    edges = np.histogram_bin_edges(ends, bins)
    columns = 2 if len(named) == 4 else min(3, len(named))
    rows = -(-len(named) // columns)
    figure = new_figure(4.8 if columns == 1 else WIDTH, 1.0 + (2.2 if columns == 1 else 1.7) * rows,
                     True)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    told = []
    for ax, (name, array) in zip(axes, named.items()):
        counts, _ = np.histogram(array, edges)
        ax.stairs(counts, edges, fill=True, color=BLUE)
        mean, deviation = short(array.mean(dtype=float)), short(array.std(dtype=float))
        ax.set_title(f"{name}\nmean {mean}, sd {deviation}".strip(), fontsize=SMALL)
        ax.tick_params(labelbottom=True)
        ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        ax.xaxis.set_major_locator(MaxNLocator(5))
        low, high = _range([array])
        told.append(f"{name}: ".lstrip(": ") + f"mean {mean}, standard deviation {deviation}, "
                    f"from {low} to {high}")
    for ax in axes[len(named):]:
        ax.remove()
    figure.supxlabel(x_label, fontsize=MEDIUM)
    figure.supylabel("how many", fontsize=MEDIUM)
    total = _count(sum(array.size for array in named.values()), "value")
    figure.suptitle(total if title is None else title)
    return Picture(figure, alt or f"Histogram of {total}: {'; '.join(told)}.")


@in_our_look
def show_speeds(panels: Mapping, *, what: str = "images per CPU second", across: str = "batch size",
                title: str | None = None, alt: str | None = None) -> Picture:
    """Show rates against a size that doubles: a panel a network, a marker and a line an engine.

    panels: {panel: {engine: [(size, rate, least, most), ...]}}; a bar reaches from the least to
    the most rate. An engine looks the same in every panel.
    >>> show_speeds({"A": {"fast": [(8, 900, 800, 950), (32, 2000, 1900, 2100)]}}).alt
    'Images per CPU second. A: fast from 900 at batch size 8 to 2,000 at batch size 32.'
    """
    who, looks = "show_speeds", RUNS + PUBLISHED
    engines = list(dict.fromkeys(engine for lines in panels.values() for engine in lines))
    _expect(engines and len(engines) <= len(looks), who, f"1 to {len(looks)} engines",
            len(engines))
    rows = -(-len(panels) // 2)
    height = 2.4 * rows + 0.8 + 0.11 * len(engines)
    figure = new_figure(WIDTH if len(panels) > 1 else 4.4, height, True)
    axes = figure.subplots(rows, min(2, len(panels)), squeeze=False).ravel()
    head, handles, told = what[:1].upper() + what[1:], {}, {panel: [] for panel in panels}
    for ax, (panel, lines) in zip(axes, panels.items()):
        for engine, points in lines.items():
            size, rate, least, most = _rates(points, engine, who)
            colour, marker = looks[engines.index(engine)]
            handles[engine] = ax.errorbar(
                size, rate, yerr=[rate - least, most - rate], color=colour, marker=marker,
                markersize=6, capsize=3, elinewidth=1, label=engine)
            told[panel].append(_told(engine, size.astype(int), rate, across, short))
        sizes = sorted({point[0] for points in lines.values() for point in points})
        ax.set_xscale("log", base=2)
        ax.set_xticks(sizes, map(str, sizes))
        ax.set(title=panel, ylim=(0, None), xlim=(sizes[0] / 1.3, sizes[-1] * 1.3))
        ax.yaxis.set_major_formatter("{x:,.0f}")
        ax.grid(True, axis="y")
    for ax in axes[len(panels):]:
        ax.remove()
    for ax in axes[max(0, len(panels) - 2) : len(panels)]:
        ax.set_xlabel(across)
    figure.supylabel(what, fontsize=MEDIUM)
    figure.legend(handles=handles.values(), loc="outside lower center", ncols=2, frameon=False)
    figure.suptitle(head if title is None else title)
    said = " ".join(f"{panel}: {'; '.join(words)}." for panel, words in told.items())
    return Picture(figure, alt or f"{head}. {said}")


# ------------------------------------------------------------------------------------ diagrams


@in_our_look
def show_flow(layers: Sequence[tuple], *, title: str | None = None,
              alt: str | None = None) -> Picture:
    """Show a network as a flow chart, from top to bottom: a box a layer, then its output shape.

    layers: (name, shape) rows, shape without the batch axis; the first row is the input.
    >>> show_flow([("image", (1, 8, 8)), ("Conv2D", (4, 6, 6))]).alt
    'Flow chart of 2 boxes: image 1×8×8, then Conv2D 4×6×6.'
    """
    who = "show_flow"
    rows = list(layers)
    _expect(0 < len(rows) <= 40, who, "1 to 40 rows (name, shape)", f"{len(rows)} rows")
    for row in rows:
        _expect(isinstance(row, (tuple, list)) and len(row) == 2, who, "rows (name, shape)", row)
    words = [(str(name), "×".join(map(str, np.atleast_1d(shape)))) for name, shape in rows]
    box, step = 0.36, 0.58  # heights in inches: of a box, of a box and its arrow
    wide = max(2.0, max(len(name) for name, _ in words) * 0.1 + 0.4)
    right = max(len(shape) for _, shape in words) * 0.1 + 0.2
    title = "The network, from input to output" if title is None else title
    width, height = max(3.2, wide + right), step * (len(rows) - 1) + box
    figure, whole = headed(width + 2 * MARGIN, height, title)
    ax = place_axes(figure, MARGIN, MARGIN, width, height)
    ax.set(xlim=(0, width), ylim=(0, height))
    ax.axis("off")
    for k, (name, shape) in enumerate(words):
        y = step * (len(rows) - 1 - k)
        ax.add_patch(FancyBboxPatch((0.05, y), wide - 0.1, box, edgecolor=BLUE, facecolor=PALE,
                                    boxstyle="round,pad=0,rounding_size=0.08", clip_on=False))
        ax.text(wide / 2, y + box / 2, name, ha="center", va="center_baseline", fontsize=MEDIUM)
        ax.text(wide + 0.1, y + box / 2, shape, va="center_baseline", fontsize=MEDIUM)
        if k:
            ax.annotate("", (wide / 2, y + box), (wide / 2, y + step),
                        arrowprops=dict(arrowstyle="-|>", color=INK, shrinkA=0, shrinkB=0))
    told = ", then ".join(f"{name} {shape}" for name, shape in words)
    return Picture(figure, alt or f"Flow chart of {_count(len(rows), 'box', 'boxes')}: {told}.")


@in_our_look
def draw_sliding_kernel(image, kernel, stride=1, padding=0, position: tuple[int, int] = (0, 0), *,
                        title: str | None = None, alt: str | None = None) -> Picture:
    """Draw one step of a convolution: image, kernel and output, the window outlined, its sum below.

    y[i, j] = sum over u, v of kernel[u, v] * padded[i*stride + u, j*stride + v]

    Shapes  image (H, W), kernel (KH, KW); position (i, j) in the output. stride and padding as
            in conv2d. Numbers stand in the cells where they fit.
    >>> draw_sliding_kernel([[0, 3, 4], [9, 5, 0], [6, 2, 1]], [[0, 1], [0, 2]]).alt
    'A 2×2 kernel on a 3×3 image: at output row 0, column 0 of 2×2, 0·0 + 3·1 + 9·0 + 5·2 = 13.'
    """
    who = "draw_sliding_kernel"
    image, kernel = (_finite(np.asarray(array), name, who)
                     for array, name in ((image, "image"), (kernel, "kernel")))
    _expect(image.ndim == kernel.ndim == 2, who, "an image (H, W) and a kernel (KH, KW)",
            f"{image.shape} and {kernel.shape}")
    y, cache = conv2d(image[None, None], kernel[None, None], stride=stride, padding=padding)
    y, padded, where = y[0, 0], cache.padded[0, 0], cache.windows
    i, j = position
    _expect(0 <= i < y.shape[0] and 0 <= j < y.shape[1], who,
            f"a position inside the {_by(y.shape)} output", position)
    top, left = i * where.stride[0], j * where.stride[1]
    window = padded[top:top + kernel.shape[0], left:left + kernel.shape[1]]
    names = f"image {_by(image.shape)}", f"kernel {_by(kernel.shape)}", f"output {_by(y.shape)}"
    if padded.shape != image.shape:
        names = (f"image {_by(image.shape)}\nwith padding",) + names[1:]
    total = _sum(window, kernel, y[i, j])
    title = f"Output row {i}, column {j}" if title is None else title
    figure, axes, cell = side_by_side((padded, kernel, y), names, title, total)
    draw_numbers(axes[0], padded, GREY, _limits([padded]), cell)
    draw_numbers(axes[1], kernel, SIGNED, _around_zero([kernel]), cell)
    draw_numbers(axes[2], y, SIGNED, _around_zero([y]), cell)
    (above, _), (before, _) = where.padding
    if padded.shape != image.shape:
        draw_outline(axes[0], above, before, image.shape, BLUE, "--")
    draw_outline(axes[0], top, left, kernel.shape)
    draw_outline(axes[2], i, j, (1, 1))
    return Picture(figure, alt or (
        f"A {_by(kernel.shape)} kernel on a {_by(image.shape)} image"
        + (f", stride {_by(where.stride)}" if where.stride != (1, 1) else "")
        + (f", padded to {_by(padded.shape)}" if padded.shape != image.shape else "")
        + f": at output row {i}, column {j} of {_by(y.shape)}, {total}."
    ))


@in_our_look
def draw_padding_stride(size, where: Windows, visits, position: tuple[int, int] = (0, 0), *,
                        title: str | None = None, alt: str | None = None) -> Picture:
    """Draw where the windows lie: visits a cell, padding hatched, what the floor drops, sizes.

    size (H, W) of the image, where: what resolve_windows says, visits (H + padding, W + padding):
    in how many windows each cell lies; position (i, j): the window that is outlined.
    >>> from course_lib.shapes import resolve_windows
    >>> where = resolve_windows((1, 4), (1, 3), (1, 2))
    >>> draw_padding_stride((1, 4), where, [[1, 1, 1, 0]]).alt
    'A 1×3 kernel on a 1×4 image, stride 1×2: rows ⌊(1 + 0 + 0 − 1) / 1⌋ + 1 = 1, columns \
⌊(4 + 0 + 0 − 3) / 2⌋ + 1 = 1; dropped: 0 rows, 1 column. A cell lies in 0 to 1 windows.'
    """
    who = "draw_padding_stride"
    visits, (i, j) = _finite(visits, "visits", who), position
    padded = tuple(n + sum(sides) for n, sides in zip(size, where.padding))
    _expect(visits.shape == padded, who, f"visits of shape {padded}", visits.shape)
    _expect(0 <= i < where.output[0] and 0 <= j < where.output[1], who,
            f"a position inside the {_by(where.output)} output", position)
    order = np.arange(1, np.prod(where.output) + 1).reshape(where.output)
    names = f"image {_by(size)}: windows\na cell lies in", f"output {_by(where.output)}"
    rows, columns = (_filled_formula(*numbers) for numbers in
                     zip(size, where.padding, where.kernel_size, where.stride, where.output))
    down, across = (n - (out - 1) * s - k for n, out, s, k in
                    zip(padded, where.output, where.stride, where.kernel_size))
    parts = [f"rows {rows}", f"columns {columns}",
             f"dropped: {_count(down, 'row')}, {_count(across, 'column')}"]
    said = f"{parts[0]}, {parts[1]}; {parts[2]}"
    below = "; ".join(part.replace(" ", "\xa0") for part in parts)  # a line ends between them
    title = f"Window at output row {i}, column {j}" if title is None else title
    figure, axes, cell = side_by_side((visits, order), names, title, f"{below}.")
    texts = [short(visits[row, column]) if row < padded[0] - down and column < padded[1] - across
             else "" for row, column in np.ndindex(*padded)]
    draw_numbers(axes[0], visits, SHARE, (0, 2 * max(1, visits.max())), cell, texts)
    draw_numbers(axes[1], order, SHARE, (0, 1e9), cell)
    (above, _), (before, _) = where.padding
    hatch = dict(facecolor="none", hatch="////", edgecolor="#A0A0A0", linewidth=0, zorder=1.5)
    for row, column in np.ndindex(*padded):
        if not (above <= row < above + size[0] and before <= column < before + size[1]):
            axes[0].add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, **hatch))
    if padded != tuple(size):
        draw_outline(axes[0], above, before, size, BLUE, "--")
    _dropped(axes[0], padded[0] - down, 0, (down, padded[1]), 0)
    _dropped(axes[0], 0, padded[1] - across, (padded[0] - down, across), 90)
    draw_outline(axes[0], i * where.stride[0], j * where.stride[1], where.kernel_size)
    draw_outline(axes[1], i, j, (1, 1))
    return Picture(figure, alt or (
        f"A {_by(where.kernel_size)} kernel on a {_by(size)} image, stride {_by(where.stride)}"
        + (f", padded to {_by(padded)}" if padded != tuple(size) else "")
        + f": {said}. A cell lies in {visits.min()} to {visits.max()} windows."
    ))


def _filled_formula(n, padding, k, s, output) -> str:
    return f"⌊({n} + {padding[0]} + {padding[1]} − {k}) / {s}⌋ + 1 = {output}"


def _dropped(ax, row: int, column: int, shape, rotation: float) -> None:
    """Hatch the rows or columns that no window reaches, and say so."""
    if not min(shape):
        return
    ax.add_patch(Rectangle((column - 0.5, row - 0.5), shape[1], shape[0], facecolor="white",
                           hatch="....", edgecolor=RULE, linewidth=1.5, zorder=3.5))
    ax.text(column + shape[1] / 2 - 0.5, row + shape[0] / 2 - 0.5, "dropped", ha="center",
            va="center", rotation=rotation, fontsize=SMALL, zorder=6,
            bbox=dict(facecolor="white", edgecolor="none", pad=1))


@in_our_look
def draw_pooling(image, pooled, where: Windows, position: tuple[int, int] = (0, 0),
                 kind: str = "max", *, winner: tuple[int, int] | None = None, shifted=None,
                 title: str | None = None, alt: str | None = None) -> Picture:
    """Draw an image, its pooled map and one window; beside it both after a shift of the image.

    Shapes  image (H, W), pooled (OH, OW); where: what resolve_windows says; winner: the pixel
            (row, column) to ring; shifted: (image, pooled) again, "=" is a cell as before.
    >>> from course_lib.shapes import resolve_windows
    >>> where = resolve_windows((2, 2), 2, 2)
    >>> draw_pooling([[1, 5], [2, 0]], [[5]], where, winner=(0, 1)).alt
    'The max of 2×2 windows of a 2×2 image, 1×1 of them: at output row 0, column 0, \
the max of 1, 5, 2, 0 is 5.'
    """
    who = "draw_pooling"
    image, pooled = (_finite(array, name, who)
                     for array, name in ((image, "the image"), (pooled, "the pooled map")))
    _expect(pooled.shape == tuple(where.output), who, f"a pooled map {where.output}", pooled.shape)
    i, j = position
    _expect(0 <= i < pooled.shape[0] and 0 <= j < pooled.shape[1], who,
            f"a position inside the {_by(pooled.shape)} map", position)
    top, left = i * where.stride[0], j * where.stride[1]
    window = image[top : top + where.kernel_size[0], left : left + where.kernel_size[1]]
    said = f"the {kind} of " + (", ".join(map(short, window.flat)) if window.size <= 25
                                else f"{window.size} pixels") + f" is {short(pooled[i, j])}"
    arrays, names = [image, pooled], [f"image {_by(image.shape)}", f"{kind}\n{_by(pooled.shape)}"]
    texts = [None, None, None, None]
    if shifted is not None:
        arrays += [_finite(array, "shifted", who) for array in shifted]
        names += ["shifted", f"its\n{kind}"]
        equal = np.isclose(arrays[3], pooled, rtol=1e-9, atol=1e-9)
        texts[3] = ["=" if same else short(value)
                    for value, same in zip(arrays[3].flat, equal.flat)]
        said += f"; after the shift {equal.sum()} of {equal.size} pooled cells are unchanged (=)"
    title = f"Output row {i}, column {j}" if title is None else title
    figure, axes, cell = side_by_side(arrays, names, title, f"{said[0].upper()}{said[1:]}.")
    limits = _limits(arrays)
    for ax, array, words in zip(axes, arrays, texts):
        draw_numbers(ax, array, GREY, limits, cell, words)
    for k in range(0, len(arrays), 2):
        draw_outline(axes[k], top, left, where.kernel_size)
        draw_outline(axes[k + 1], i, j, (1, 1))
    if winner is not None:
        axes[0].add_patch(Circle(winner[::-1], 0.4, fill=False, edgecolor=GREEN, linewidth=2.5,
                                 zorder=6, path_effects=[withStroke(linewidth=4.5,
                                                                    foreground="white")]))
    return Picture(figure, alt or (
        f"The {kind} of {_by(where.kernel_size)} windows of a {_by(image.shape)} image, "
        f"{_by(pooled.shape)} of them: at output row {i}, column {j}, {said}."
    ))


# --------------------------------------------------------------------- how figures are laid out


def new_figure(width: float, height: float, arranged: bool = False) -> Figure:
    figure = Figure((width, height), layout="constrained" if arranged else None)
    if arranged:
        figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
    FigureCanvasAgg(figure)  # draws without a display and without pyplot
    return figure


def headed(width: float, height: float, title: str) -> tuple[Figure, float]:
    """A figure with its title above `height` inches for the rest; returns the whole height too."""
    title = textwrap.fill(title, int((width - 2 * MARGIN) / 0.108))
    lines = title.count("\n") + 1 if title else 0
    whole = height + 2 * MARGIN + 0.25 * lines
    figure = new_figure(width, whole)
    figure.suptitle(title, y=1 - MARGIN / whole, va="top")
    return figure, whole


def place_axes(figure: Figure, left: float, bottom: float, width: float, height: float):
    """Add axes at a place given in inches, without ticks."""
    across, up = figure.get_size_inches()
    ax = figure.add_axes([left / across, bottom / up, width / across, height / up])
    ax.set(xticks=[], yticks=[])
    return ax


def _grid(images, captions, title: str, columns: int | None = None, bar: float = 0):
    """Axes for all images, each with its caption; cells are as wide as the longest caption.

    `bar` keeps that many inches free on the right, and its axes come last.
    """
    lines = [line for caption in captions for line in caption.split("\n")]
    text = max(map(len, lines)) * TEXT_LETTER
    room = WIDTH - 2 * MARGIN - bar + GAP
    if columns is None:
        fits = max(1, int(room / (max(0.62, text) + GAP)))
        even = (c for c in range(fits, fits // 2, -1) if len(images) % c == 0)
        columns = min(next(even, fits), len(images))
    rows = -(-len(images) // columns)
    largest = {1: 1.6, 2: 1.2}.get(rows, 0.85)
    wide = max(text, min(largest, room / columns - GAP))
    high = min(2.4, wide * max(image.shape[0] / image.shape[1] for image in images))
    caption = TEXT_LINE * max(c.count("\n") + 1 for c in captions) + 0.05 if text else 0
    used, down = columns * (wide + GAP) - GAP, rows * (high + caption + GAP) - GAP
    width = max(3.2, used + 2 * MARGIN + bar)
    figure, whole = headed(width, max(down, 1.2 if bar else 0), title)
    left, axes = (width - bar - used) / 2, []
    for k, words in enumerate(captions):
        row, column = divmod(k, columns)
        bottom = MARGIN + down - (row + 1) * (high + caption) - row * GAP
        ax = place_axes(figure, left + column * (wide + GAP), bottom, wide, high)
        ax.set_title(words, fontsize=SMALL, pad=3, linespacing=1.1)
        axes.append(ax)
    if bar:
        tall = max(min(down - caption, 2.6), 1.0)
        top = max(MARGIN + down - caption, MARGIN + tall)
        axes.append(place_axes(figure, left + used + 0.2, top - tall, 0.15, tall))
    return figure, axes


def draw_greys(axes, images, limits=None) -> None:
    low, high = limits or _limits(images)
    for ax, image in zip(axes, images):
        shown = image if image.ndim == 2 else np.clip((image - low) / (high - low), 0, 1)
        ax.imshow(shown, cmap=GREY, vmin=low, vmax=high, interpolation="nearest")


def _maps(maps, captions, title: str, what: str, colours: str, columns: int | None = None):
    """Draw maps on one scale with a colour bar: around 0 if signed, else grey from 0."""
    figure, axes = _grid(maps, captions, title, columns, bar=1.0)
    low, high = _around_zero(maps) if colours == SIGNED else (0, max(map(np.max, maps)) or 1)
    for ax, array in zip(axes, maps):
        drawn = ax.imshow(array, cmap=colours, vmin=low, vmax=high, interpolation="nearest")
    figure.colorbar(drawn, cax=axes[-1], label=what, ticks=MaxNLocator(4))
    return figure


def side_by_side(arrays, names, title: str, below: str):
    """Axes for grids of numbers that share one cell size, named above, a sentence below them."""
    columns = sum(array.shape[1] for array in arrays)
    between = 0.45
    cell = min(0.5, (WIDTH - 2 * MARGIN - between * (len(arrays) - 1)) / columns)
    widths = [max(cell * array.shape[1], max(map(len, name.split("\n"))) * TEXT_LETTER)
              for array, name in zip(arrays, names)]
    width = max(4.6, sum(widths) + between * (len(arrays) - 1) + 2 * MARGIN)
    below = textwrap.fill(below, int((width - 2 * MARGIN) / 0.092))
    foot = 0.2 * (below.count("\n") + 1) + 0.15
    tall, head = cell * max(array.shape[0] for array in arrays), 0.4
    figure, whole = headed(width, tall + head + foot, title)
    figure.text(0.5, MARGIN / whole, below, ha="center", va="bottom")
    left, axes = (width - sum(widths) - between * (len(arrays) - 1)) / 2, []
    for array, name, wide in zip(arrays, names, widths):
        high = cell * array.shape[0]
        ax = place_axes(figure, left, MARGIN + foot + (tall - high) / 2, wide, high)
        ax.set_title(name, fontsize=SMALL, pad=4)
        axes.append(ax)
        left += wide + between
    return figure, axes, cell


def draw_numbers(ax, array, colours: str, limits, cell: float, texts: Sequence[str] | None = None):
    """Draw cells, and where `cell` inches hold them, lines between and a number in each."""
    drawn = ax.imshow(array, cmap=colours, vmin=limits[0], vmax=limits[1], interpolation="nearest")
    H, W = array.shape
    texts = texts or [short(value) for value in array.flat]
    if cell < max(0.2, max(map(len, texts)) * TEXT_LETTER):
        return
    ax.vlines(np.arange(1, W) - 0.5, -0.5, H - 0.5, color=RULE, linewidth=0.6)
    ax.hlines(np.arange(1, H) - 0.5, -0.5, W - 0.5, color=RULE, linewidth=0.6)
    for k, (words, value) in enumerate(zip(texts, array.flat)):
        ink = ink_on(drawn.to_rgba(value))
        ax.text(k % W, k // W, words, ha="center", va="center", color=ink, fontsize=SMALL)


def draw_outline(ax, row: int, column: int, shape, colour: str = VERMILLION, line: str = "-"):
    """Outline `shape` cells from (row, column), with a white rim that shows on any colour."""
    ax.add_patch(Rectangle(
        (column - 0.5, row - 0.5), shape[1], shape[0], fill=False, edgecolor=colour,
        linewidth=3, linestyle=line, clip_on=False, zorder=5 if line == "-" else 4,
        path_effects=[withStroke(linewidth=5, foreground="white")],
    ))


def ink_on(colour) -> str:
    """Black or white, whichever contrasts more (WCAG's relative luminance)."""
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3])
    return "black" if 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 else "white"


# ------------------------------------------------------------- what comes in, and words for it


def _expect(ok, who: str, wanted: str, got) -> None:
    if not ok:
        raise ValueError(f"{who}: expected {wanted}, got {got}.")


def _finite(array, name: str, who: str):
    array = np.asarray(array)
    _expect(array.size and array.dtype.kind in "fiub", who, f"real numbers in {name}",
            f"{array.dtype} of shape {array.shape}")
    bad = int((~np.isfinite(array)).sum())
    _expect(not bad, who, f"finite numbers in {name}", f"{bad} NaN or infinite")
    return array


def _image_list(images, who: str) -> list[np.ndarray]:
    """Return (H, W) or (H, W, 3) arrays from everything that show_images takes."""
    wanted = "images (H, W), (N, H, W), (N, 1, H, W), (N, 3, H, W) or a list of images"
    if not isinstance(images, (list, tuple)) or np.ndim(images[0] if len(images) else 0) < 2:
        images = np.asarray(images)
        _expect(images.ndim in (2, 3, 4) and images.size, who, wanted, f"shape {images.shape}")
        images = images[None] if images.ndim == 2 else images
    _expect(0 < len(images) <= MOST, who, f"1 to {MOST} images", len(images))
    found = []
    for array in images:
        array = _finite(array, "images", who)
        grey = array.ndim == 2 or array.ndim == 3 and len(array) == 1
        _expect(grey or array.ndim == 3 and len(array) == 3, who, wanted,
                f"an image of shape {array.shape}")
        found.append(array.reshape(array.shape[-2:]) if grey else array.transpose(1, 2, 0))
    return found


def _captions(captions, count: int, who: str) -> list[str]:
    if captions is None:
        return [""] * count
    _expect(len(captions) == count, who, f"{count} captions", len(captions))
    return [str(caption) for caption in captions]


def _answers(count: int, labels, predicted, probabilities, who: str):
    """Return labels, predicted, and how sure each prediction is (None if not known)."""
    labels, predicted = np.asarray(labels), np.asarray(predicted)
    for name, array in (("labels", labels), ("predicted", predicted)):
        _expect(array.shape == (count,) and array.dtype.kind in "iub", who,
                f"{count} whole numbers in {name}", f"{array.dtype} of shape {array.shape}")
    if probabilities is None:
        return labels, predicted, None
    sure = np.asarray(probabilities)
    if sure.ndim == 2 and len(sure) == count and set(predicted) <= set(range(sure.shape[1])):
        sure = sure[np.arange(count), predicted]
    _expect(sure.shape == (count,), who, f"probabilities ({count},) or ({count}, classes)",
            sure.shape)
    _expect(((sure >= 0) & (sure <= 1)).all(), who, "probabilities from 0 to 1",
            " to ".join(_range([sure])))
    return labels, predicted, sure


def _names(labels, class_names, who: str) -> list[str]:
    if class_names is None:
        return [str(label) for label in labels]
    known = len(class_names)
    _expect(all(0 <= label < known for label in labels), who, f"labels of {known} classes",
            _listed(map(str, labels)))
    return [str(class_names[label]) for label in labels]


def _runs(history, alone: str, who: str) -> dict[str, Mapping]:
    """Return {name: dict of lists} from a History, its dict, or several under their names."""
    def plain(run):
        return run.to_dict() if hasattr(run, "to_dict") else run

    history = plain(history)
    _expect(isinstance(history, Mapping) and history, who,
            "a History, its dict or {name: History}", repr(history))
    runs = {str(name): plain(run) for name, run in history.items()}
    several = [isinstance(run, Mapping) for run in runs.values()]
    _expect(all(several) or not any(several), who, "runs only, or lists only", sorted(runs))
    return runs if all(several) else {alone: runs}


def _series(run: Mapping, key: str, across: str, who: str):
    """One curve as arrays x, y; empty where the run has no such numbers; gaps are NaN."""
    listed = list(run.get(key, ()))
    if key.startswith("validation_") and all(value is None for value in listed):
        listed = []  # nothing was held out; a None under "loss" is a run that diverged
    y = np.array([np.nan if value is None else value for value in listed], dtype=float)
    x = np.asarray(run.get(across, range(1, len(y) + 1)))
    _expect(len(y) in (0, len(x)), who, f"{len(x)} values under {key}, as under {across}", len(y))
    return x[:len(y)], y


def _told(label: str, x, y, across: str, words) -> str:
    """One curve in words: from where to where, and since when it is no longer finite."""
    finite = np.flatnonzero(np.isfinite(y))
    if not len(finite):
        return f"{label} never finite"
    first, last = finite[0], finite[-1]
    said = f"{label} {words(y[first])} at {across} {x[first]}"
    if last > first:
        said = (f"{label} from {words(y[first])} at {across} {x[first]} "
                f"to {words(y[last])} at {across} {x[last]}")
    return said + (f", then not finite from {across} {x[last + 1]}" if last + 1 < len(y) else "")


def _interval(name, row, who: str):
    value, low, high = (*row,) if np.ndim(row) else (row, row, row)
    _expect(0 <= low <= value <= high <= 1, who,
            f"fractions, 0 <= low <= value <= high <= 1 for {name}", row)
    return value, low, high


def _rates(points, engine: str, who: str):
    array = _finite(points, engine, who)
    fits = array.ndim == 2 and array.shape[1] == 4 and (array > 0).all()
    _expect(fits and (np.diff(array[:, [2, 1, 3]]) >= 0).all(), who,
            f"rows (size, rate, least, most), 0 < least <= rate <= most, for {engine}",
            array.tolist())
    return array.T


def _limits(images) -> tuple[float, float]:
    low, high = min(map(np.min, images)), max(map(np.max, images))
    return (0, 1) if 0 <= low and high <= 1 else (low, high if high > low else low + 1)


def _around_zero(arrays) -> tuple[float, float]:
    most = float(max(np.abs(array).max() for array in arrays)) or 1.0
    return -most, most


def _range(arrays) -> tuple[str, str]:
    return short(min(map(np.min, arrays))), short(max(map(np.max, arrays)))


def short(value) -> str:
    """At most three digits after rounding, whole numbers whole: 2, -0.125, 1,200, 3.1e-05."""
    value = float(value)
    if value == round(value, 0) and abs(value) < 1e7:
        return f"{value + 0:,.0f}"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.3g}"


def percent(fraction) -> str:
    return f"{100 * fraction:.1f} %"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _by(shape) -> str:
    return "×".join(map(str, shape))


def _sizes(images) -> str:
    shapes = list(dict.fromkeys(_by(image.shape[:2]) for image in images))
    return shapes[0] if len(shapes) == 1 else f"{shapes[0]} to {shapes[-1]}"


def _listed(captions: Sequence[str]) -> str:
    words = [" ".join(caption.split()) for caption in captions if caption]
    more = ", …" if len(words) > 20 else "."
    return f": {', '.join(words[:20])}{more}" if words else "."


def _sum(window, kernel, total) -> str:
    """The products under the kernel and their sum, "≈" where a number had to be rounded."""
    values = [*window.flat, *kernel.flat, total]
    sign = "=" if all(float(short(v).replace(",", "")) == v for v in values) else "≈"
    if kernel.size > 25:
        return f"the sum of {kernel.size} products {sign} {short(total)}"

    def factor(value):
        return f"({short(value)})" if value < 0 else short(value)

    products = (f"{factor(a)}·{factor(b)}" for a, b in zip(window.flat, kernel.flat))
    return f"{' + '.join(products)} {sign} {short(total)}"
