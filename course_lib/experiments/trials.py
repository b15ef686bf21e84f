"""The kinds of runs that experiments are made of: names and numbers in, plain numbers out.

Each is a function of a seed that a worker anywhere can call: it fetches its data by name. Imports
the library up to train, and mistakes.
"""

from __future__ import annotations

import math
import tempfile
import time
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from course_lib import config, data, fast, losses
from course_lib.experiments.in_pytorch import compare
from course_lib.experiments.mistakes import LoopFromOne, make_mistakes
from course_lib.initializers import sine
from course_lib.layers import Conv2D
from course_lib.metrics import confusion_matrix
from course_lib.model import Sequential
from course_lib.train import evaluate, find_loss, fit, iterate_batches

QUICK = "fast"  # the quickest engine
FROZEN = "first layer frozen"
CHOICE, START = 0, 1  # streams of random numbers: which images, which first weights
SLICE = 200  # images, S4's test set
GRID = 24  # predictions that are kept to be shown


def run(job: dict) -> dict:
    """One job: {"kind", "seed", "source", "options"} -> the numbers that its kind of run gives.

    "seconds" is the CPU time of the thread that did it. Ctrl-C ends the run, it is not kept.
    """
    started = time.thread_time()
    with np.errstate(over="ignore", invalid="ignore"):  # a run that diverges is a result
        result = KINDS[job["kind"]](job["seed"], job["source"], **job["options"])
    return plain({"seed": job["seed"], **result, "seconds": time.thread_time() - started})


# ---- data by name


@lru_cache(maxsize=None)
def digits(source: str) -> data.Digits:
    """"mnist" or "small": loaded once in each process, never written to."""
    found = data.load_mnist() if source == "mnist" else data.load_small_digits(28)
    for array in found[:4]:
        array.flags.writeable = False
    return found


@lru_cache(maxsize=None)
def image_folders(source: str):
    """S1's two folders, written as PNG files and read back: (train, evaluation) pairs."""
    with tempfile.TemporaryDirectory() as folder:
        write_image_folders(folder, source)
        train, evaluation = (data.load_image_folder(Path(folder) / part, class_names=("0", "1"))
                             for part in ("train", "evaluation"))
    return train[:2], evaluation[:2]


def write_image_folders(folder: str | Path, source: str, each: int = 100, judge: int = 25) -> None:
    """Write `folder`/train (`each` zeros and ones) and `folder`/evaluation (`judge` in all).

    Image files beside a labels.txt, as S1 has them; the first ones of the data set's two parts,
    so that no image is in both.
    """
    found = digits(source)
    train = np.concatenate([np.flatnonzero(found.train_labels == k)[:each] for k in (0, 1)])
    test = np.flatnonzero(found.test_labels <= 1)[:judge]
    for part, images, labels, chosen in (
            ("train", found.train_images, found.train_labels, train),
            ("evaluation", found.test_images, found.test_labels, test)):
        names = [f"{'zero' if labels[i] == 0 else 'one'}_{i:05d}.png" for i in chosen]
        data.write_image_folder(Path(folder) / part, images[chosen], labels[chosen], names=names)


def examples(source: str, seed: int, *, name: str = "digits", classes: int = 10,
             train: int | None = None, test: int | None = None, pick: str = "random"):
    """(training pair, test pair, pair of all test images) of a recipe.

    name      "digits"; "folders", S1's; "lines", S2's, made anew for every seed
    classes   only the digits below it
    train     how many to train on, test: how many to judge by (None or too many: all there are)
    pick      "random" images of each part, drawn by the seed, or the "first" of the files
    """
    if name == "lines":
        images, labels = data.make_lines(np.random.default_rng(seed), train + test)
        held_out = images[train:], labels[train:]
        return (images[:train], labels[:train]), held_out, held_out
    found, rng = digits(source), np.random.default_rng([CHOICE, seed])
    taught = found.train_images, found.train_labels
    judged = every = some(found.test_images, found.test_labels, classes)
    if name == "folders":
        taught, judged = image_folders(source)
    taught = some(*taught, classes, train, rng if pick == "random" else None)
    judged = some(*judged, classes, test, rng if pick == "random" else None)
    return taught, judged, every


def some(images, labels, classes: int, count: int | None = None, rng=None):
    """`count` of the images of classes below `classes`: those that rng draws, or the first."""
    order = np.flatnonzero(labels < classes)
    order = order if rng is None else rng.permutation(order)
    if len(order) == len(labels) and rng is None:
        return images[:count], labels[:count]  # a view
    return images[order[:count]], labels[order[:count]]


# ---- kinds


def train(seed: int, source: str, *, network: str, images: dict, lr: float, epochs: int,
          batch: int = 1, loss: str | None = None, summed: bool = False, init: dict | None = None,
          mistakes=(), engine: str | None = None, judge: bool = True, keep=()) -> dict:
    """Train one network and judge it, after each epoch by its test images, at the end by all.

    images    the recipe that `examples` takes
    init      constants of the sine initialiser; None: He's, drawn by the seed
    mistakes  names of MISTAKES; summed: the loss's gradient is a sum over the batch, no mean
    engine    which rung computes; None: the quickest
    judge     whether to stop after each epoch for the test images
    keep      what more to note: names of KEEP
    """
    taught, judged, every = examples(source, seed, **images)
    model = make_mistakes(build(network, seed, init), mistakes)
    begun = first_kernels(model)
    engine = engine or QUICK
    body, head = (None, model) if engine == "formula" else divide(model)
    taught, tests = (through(body, *pair) for pair in (taught, judged))
    started, ends = time.thread_time(), []
    history = fit(head, *taught, epochs=epochs, batch_size=batch, lr=lr, seed=seed,
                  loss=sum_of(loss, head) if summed else loss, progress=False, engine=engine,
                  validation=tests if judge else None,
                  watch=lambda *_: ends.append(time.thread_time() - started))
    if history.interrupted:
        raise KeyboardInterrupt
    found = {"engine": engine, "train_count": len(taught[0]), "test_count": len(judged[0]),
             "epoch_seconds": ends, "loss": history.loss, "accuracy": history.accuracy}
    if judge:
        found["test_accuracy"] = history.validation_accuracy
    result = evaluate(model, *every, engine=QUICK) if keep else None
    for name in keep:
        found |= KEEP[name](model, judged, result, begun)
    return found


def divide(model):
    """(what never learns, the rest): layers in front that no optimiser finds, and all others."""
    if not isinstance(model, LoopFromOne):
        return None, model
    first = model.first_that_learns()
    head = Sequential(model.layers[first:])
    head.output = model.output
    return Sequential(model.layers[:first]), head


def through(body, x, y):
    """Images as the layers that learn will see them: computed once, for they never change."""
    return (x if body is None else fast.predict(body, x)), y


def build(network: str, seed: int, init: dict | None = None, dtype=np.float32):
    """The network of a text, with He's or with the sine's first weights."""
    model = config.build(network, np.random.default_rng([START, seed]), dtype)
    for name, parameter in model.parameters().items() if init else ():
        if name.endswith("weight"):
            parameter.data[...] = sine(parameter.data.shape, **init)
    return model


def sum_of(loss, model):
    """A loss whose gradient is the sum over the batch: somebody forgot to divide by N."""
    mean = find_loss(loss, model, "train")

    def summed(logits, labels):
        value, dlogits = mean(logits, labels)
        return value, dlogits * len(labels)

    return summed


def first_kernels(model) -> np.ndarray | None:
    """A copy of the first convolution's kernels (F, C, KH, KW); None where there is none."""
    convs = [layer for layer in model.layers if isinstance(layer, Conv2D)]
    return convs[0].weight.data.copy() if convs else None


def keep_all(model, judged, result, begun) -> dict:
    """Accuracy on all test images; result: what evaluate said about them."""
    return {"all_accuracy": result.accuracy, "all_count": result.count}


def keep_slices(model, judged, result, begun) -> dict:
    """Accuracy over disjoint slices of 200 of all test images, in the order of the file."""
    right = result.predicted == result.labels
    count = max(1, len(right) // SLICE)
    slices = [float(part.mean()) for part in np.split(right[: count * SLICE], count)]
    return {"all_accuracy": result.accuracy, "all_count": result.count, "slices": slices,
            "slice_count": min(SLICE, len(right))}


def keep_confusion(model, judged, result, begun) -> dict:
    """Confusion matrices of the test images and of all there are."""
    classes = model.layers[-1].out_features
    tests = evaluate(model, *judged, engine=QUICK)
    return {"test_confusion": confusion_matrix(tests.labels, tests.predicted, classes),
            "all_confusion": confusion_matrix(result.labels, result.predicted, classes)}


def keep_predictions(model, judged, result, begun) -> dict:
    """What it says about the first 24 of all test images, and how often it takes which for which.

    "pairs" counts the mistakes on all of them: [[true class, answer, count], ...], most first.
    """
    wrong = result.predicted != result.labels
    pairs, counts = np.unique(np.stack([result.labels, result.predicted])[:, wrong], axis=1,
                              return_counts=True)
    order = np.argsort(-counts, kind="stable")[:10]
    return {"shown_labels": result.labels[:GRID], "shown_answers": result.predicted[:GRID],
            "pairs": [[*pairs[:, i], counts[i]] for i in order]}


def keep_kernels(model, judged, result, begun) -> dict:
    """The first layer's kernels before and after, and how much they look like edges and lines."""
    ended = first_kernels(model)
    found = {"moved": np.abs(ended - begun).max(), "begun": begun[:, 0], "ended": ended[:, 0]}
    for name, designed in (("edges", EDGES), ("lines", LINES)):
        for when, kernels in (("begun", begun[:, 0]), ("ended", ended[:, 0])):
            found[f"{name}_{when}"] = best_cosine(kernels, designed)
    return found


KEEP = {"all": keep_all, "slices": keep_slices, "confusion": keep_confusion,
        "predictions": keep_predictions, "kernels": keep_kernels}

EDGES = np.array([  # vertical, horizontal, both diagonals
    [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]], [[-1, -1, -1], [0, 0, 0], [1, 1, 1]],
    [[0, 1, 1], [-1, 0, 1], [-1, -1, 0]], [[1, 1, 0], [1, 0, -1], [0, -1, -1]]], float)
LINES = np.array([[[-1, 2, -1]] * 3, [[-1] * 3, [2] * 3, [-1] * 3]], float)


def best_cosine(kernels, designed) -> float:
    """Mean over the kernels (F, 3, 3) of the largest |cosine| with one of `designed` (K, 3, 3)."""
    rows, columns = (array.reshape(len(array), -1) for array in (kernels, designed))
    norms = np.linalg.norm(rows, axis=1)[:, None] * np.linalg.norm(columns, axis=1)
    return float(np.abs(rows @ columns.T / norms).max(axis=1).mean())


def brightness(seed: int, source: str, *, images: dict, centre: int | None = None) -> dict:
    """Tell 0 from 1 without learning a weight: the threshold of mean brightness that fits best.

    Chosen on the training images; centre: the mean of that many pixels in the middle each way.
    """
    taught, judged, every = examples(source, seed, **images)
    feature = partial(mean_brightness, centre=centre)
    values, labels = feature(taught[0]), taught[1]
    cuts = np.sort(values)
    cuts = np.concatenate([cuts[:1] - 1, (cuts[1:] + cuts[:-1]) / 2, cuts[-1:] + 1])
    right = [max(((values > cut) == labels).mean(), ((values > cut) != labels).mean())
             for cut in cuts]
    cut = cuts[int(np.argmax(right))]
    above = ((values > cut) == labels).mean() >= 0.5
    found = {"train_count": len(labels), "accuracy": [max(right)]}
    for name, (pictures, truth) in (("test", judged), ("all", every)):
        found[f"{name}_accuracy"] = (((feature(pictures) > cut) == above) == truth).mean()
        found[f"{name}_count"] = len(truth)
    return found


def mean_brightness(images, centre: int | None) -> np.ndarray:
    H = images.shape[2]
    cut = slice(None) if centre is None else slice((H - centre) // 2, (H + centre) // 2)
    return images[:, 0, cut, cut].mean(axis=(1, 2))


def engines(seed: int, source: str, *, network: str, images: dict, lr: float, batch: int,
            steps: int) -> dict:
    """The same steps by pure Python and by the quickest rung, in float64: are they one?

    difference: the largest gap between their losses and their weights, as a share of the largest
    weight. formula_seconds and quick_seconds are CPU seconds an image; steps * batch images each.
    """
    taught, _, _ = examples(source, seed, **images)
    batches = list(iterate_batches(taught[0].astype(float), taught[1], batch))[:steps]
    options, runs = {"batch_size": batch, "lr": lr, "seed": seed, "progress": False}, {}
    fit(build(network, seed, dtype=np.float64), *batches[0], engine=QUICK, **options)  # warm
    for engine in ("formula", QUICK):
        model = build(network, seed, dtype=np.float64)
        started, losses = time.thread_time(), []
        for x, y in batches:
            losses += fit(model, x, y, engine=engine, **options).step_loss
        runs[engine] = model.state(), losses, time.thread_time() - started
    (slow, slow_losses, slow_time), (quick, quick_losses, quick_time) = runs.values()
    gaps = [np.abs(slow[name] - quick[name]).max() for name in slow]
    gaps.append(np.abs(np.subtract(slow_losses, quick_losses)).max())
    seen = sum(len(x) for x, _ in batches)
    return {"images": seen, "engine": QUICK, "losses": slow_losses,
            "difference": max(gaps) / max(np.abs(array).max() for array in slow.values()),
            "formula_seconds": slow_time / seen, "quick_seconds": quick_time / seen}


def pytorch(seed: int, source: str, *, network: str, images: dict, batch: int) -> dict:
    """The same weights in PyTorch: how far logits, loss and gradients are apart, in float64.

    Each difference is a share of the largest value; {"missing": why} where PyTorch is not there.
    """
    taught, _, _ = examples(source, seed, **images)
    model = build(network, seed, dtype=np.float64)
    try:
        return compare(model, taught[0][:batch].astype(float), taught[1][:batch])
    except ImportError as error:
        return {"missing": f"the comparison with PyTorch, which is not installed ({error.name})"}


def gradient_error(seed: int, source: str, *, network: str, mistakes, pixels: str) -> dict:
    """How wrong the first layer's gradient is with a mistake, on images of two kinds.

    pixels  "lines": one bright line on black, S2's images without the noise; "random": normal
    The error is the largest difference from the right gradient, as a share of its largest value.
    """
    rng = np.random.default_rng(seed)
    x, y = data.make_lines(rng, count=4, noise=0)
    x = rng.normal(size=x.shape) if pixels == "random" else x.astype(float)
    gradients = []
    for names in ((), mistakes):
        model = make_mistakes(build(network, seed, dtype=np.float64), names)
        model.backward(losses.softmax_cross_entropy(model.forward(x), y)[1], need_dx=False)
        gradients.append(model.layers[0].weight.grad)
    right, wrong = gradients
    return {"error": np.abs(wrong - right).max() / np.abs(right).max()}


KINDS = {kind.__name__: kind for kind in
         (train, brightness, engines, pytorch, gradient_error)}


def plain(value):
    """Numbers as JSON holds them; what is not finite becomes None."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
