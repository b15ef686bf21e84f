"""Train a network on digits, lines or a folder of images, and judge it on images it never saw.

    python3 -m course_lib train
    python3 -m course_lib train --data small --epochs 5 --out results
    python3 -m course_lib train --config recipes/quick.txt --out results
    python3 -m course_lib train --config recipes/quick.txt --out results --resume

Options: --config --data --epochs --batch-size --lr --optimizer --validation --seed --workers --out
--resume --json

With --out the run is kept in the folder while it goes on (checkpoint.npz). One that was cut off
(Ctrl-C, a crash, a power cut) goes on with the same words and --resume, to the same weights as
without the break: bit for bit on the same machine with the same packages, to rounding on another
one. Without --resume it is not overwritten. Other words are refused.

Exit status: 0 trained, 1 a file, the data or the training failed (its loss is no longer a number),
2 the command line or the network's text is wrong, 130 interrupted by Ctrl-C (what was learned till
then is judged and kept).

A network that learned nothing gets a sentence on stderr and "learned_nothing": true in --json; the
status stays 0, for the numbers are right and a short trial run is no failure. It means: on the
images it was trained on, the network is neither clearly more often right than always answering the
most frequent class (whose share is not below the 95 % interval of its accuracy), nor is its loss
lower than that of who only knows the classes' shares (ln K for K equally frequent classes).
"""

from __future__ import annotations

import argparse
import difflib
import json
import math
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from course_lib import config, data, optim, plots
from course_lib.commands import folder_to_write, some_name
from course_lib.train import (
    Evaluation, History, confusion_matrix, evaluate, fit, split_validation, wilson_interval,
)

# The network and the settings that are used where the user gives none: their only home.
DEFAULT_RECIPE = """6
Input shape=1x28x28
Conv2D filters=8 kernel=3x3 padding=same activation=relu
MaxPool2D pool=2x2
Conv2D filters=16 kernel=3x3 padding=same activation=relu
MaxPool2D pool=2x2
Dense units=10 activation=softmax
Train optimizer=adam lr=0.01 epochs=6 batch=64 schedule=one_cycle augment=1 seed=0
"""
DEFAULT_EPOCHS = {"small digits": 20, "lines": 15}  # they are few; all else as in the recipe
FOLDER_EPOCHS = 20
CHECKPOINT = "checkpoint.npz"  # in --out
RECIPES = Path(__file__).parents[2] / "recipes"
TEST_SHARE = 0.2  # of an image folder that is not divided into train and test
WORDS = ("mnist", "small", "lines")
OTHER_NAMES = {"--learning-rate": "--lr", "--network": "--config", "--model": "--config"}


@dataclass
class Examples:
    """What to train on and what to judge by."""

    name: str
    train: tuple[np.ndarray, np.ndarray]  # images, labels
    test: tuple[np.ndarray, np.ndarray]
    classes: list[str]


def main(words: list[str] | None = None) -> int:
    """Run `course train` with the words that follow it; return the exit status."""
    arguments = _parse(words)
    say = _speaker(sys.stderr if arguments.json else sys.stdout)
    try:
        return run(arguments, say)
    except config.ConfigError as error:
        print(f"course train: {error}", file=sys.stderr)
        return 2
    except (ValueError, OSError) as error:
        print(f"course train: {error}", file=sys.stderr)
        return 1
    except MemoryError as error:
        print(f"course train: too little memory ({error}). Try a smaller --batch-size or network.",
              file=sys.stderr)
        return 1


def run(arguments: argparse.Namespace, say) -> int:
    """Read, train, judge, write; say what happens."""
    recipe = config.read(arguments.config) if arguments.config else None
    out = folder_to_write("--out", arguments.out)
    seed = _first(arguments.seed, recipe and recipe.train.get("seed"), 0)
    examples = load(arguments.data, recipe, seed, say)
    settings = choose_settings(arguments, recipe, examples, seed)
    recipe = recipe or default_recipe(examples)
    _check_fits(recipe, examples)
    model = config.build(recipe, np.random.default_rng(seed))
    (images, _), (test_images, _) = examples.train, examples.test
    shape = "x".join(map(str, images.shape[1:]))
    aside = f" ({100 * arguments.validation:g} % of them set aside)" if arguments.validation else ""
    say(f"{examples.name}: {len(images):,} images to train{aside}, {len(test_images):,} to test, "
        f"{shape}, {len(examples.classes)} classes")
    say(str(model.summary()))
    started = time.perf_counter()
    history = train(model, examples, settings, arguments.validation, say, out, arguments.resume,
                    arguments.workers)
    seconds = max(time.perf_counter() - started, sum(history.seconds))
    result = evaluate(model, *examples.test)
    _report(result, history, seconds, say)
    facts = _facts(model, examples, settings, history, result, seconds)
    if out:
        write(out, model, examples, result, history, facts, say)
    else:
        say("nothing was written: --out DIR keeps weights, history and pictures")
    if facts["diverged"]:
        print("course train: the training diverged: the loss is no longer a number. Try a "
              f"smaller --lr than {settings.get('lr', 'the default')}.", file=sys.stderr)
    if facts["learned_nothing"]:
        print(f"course train: {_why_nothing(model, examples, settings, history)}", file=sys.stderr)
    if history.interrupted and out:
        say("interrupted; the same words and --resume go on with it")
    if arguments.json:
        print(json.dumps(facts, allow_nan=False))
    return 130 if history.interrupted else int(facts["diverged"])


# ---- what to train on


def load(word: str | None, recipe: config.Recipe | None, seed: int, say) -> Examples:
    """The data that --data names; without it MNIST if it is here, else the small digits."""
    if word == "lines":
        images, labels = data.make_lines(np.random.default_rng([seed, 0]), count=240)
        return Examples("lines", (images[:200], labels[:200]), (images[200:], labels[200:]),
                        ["vertical", "horizontal"])
    if word in (None, "mnist", "small"):
        if word == "mnist":
            digits = data.load_mnist(download=True)
        elif word == "small":
            digits = data.load_small_digits(8 if recipe and recipe.input_shape[1:] == (8, 8)
                                            else 28)
        else:
            digits = data.load_digits(announce=say)
        return Examples(digits.name, (digits.train_images, digits.train_labels),
                        (digits.test_images, digits.test_labels), [str(k) for k in range(10)])
    return _load_folder(Path(word), recipe, seed)


def _load_folder(folder: Path, recipe: config.Recipe | None, seed: int) -> Examples:
    """FOLDER/train and FOLDER/test, or FOLDER cut in two at random."""
    if not folder.is_dir():
        near = difflib.get_close_matches(str(folder), WORDS, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise data.DataError(f"--data expects {', '.join(WORDS)} or a folder of images, and there "
                             f"is no folder {folder}.{hint}")
    options = {}
    if recipe is not None and len(recipe.input_shape) == 3:
        C, H, W = recipe.input_shape
        options = {"size": (H, W), "color": "rgb" if C == 3 else "grey"}
    name = folder.resolve().name
    if (folder / "train").is_dir() and (folder / "test").is_dir():
        *train, classes = data.load_image_folder(folder / "train", **options)
        *test, _ = data.load_image_folder(folder / "test", class_names=classes, **options)
        if train[0].shape[1:] != test[0].shape[1:]:
            raise data.DataError(f"{folder}: the images in train are {train[0].shape[1:]}, those "
                                 f"in test {test[0].shape[1:]}: expected one size.")
        return Examples(name, tuple(train), tuple(test), list(classes))
    images, labels, classes = data.load_image_folder(folder, **options)
    if len(images) < 2:
        raise data.DataError(f"{folder}: expected at least 2 images, one to train and one to "
                             f"test, found {len(images)}.")
    share = max(1, round(TEST_SHARE * len(images))) / len(images)
    *train, test = split_validation(images, labels, share, seed)
    return Examples(name, tuple(train), test, list(classes))


# ---- the network and how to train it


def default_recipe(examples: Examples) -> config.Recipe:
    """DEFAULT_RECIPE with the images' shape and the number of classes."""
    shape = "x".join(map(str, examples.train[0].shape[1:]))
    text = DEFAULT_RECIPE.replace("1x28x28", shape)
    return config.parse(text.replace("units=10", f"units={max(len(examples.classes), 2)}"),
                        "the default network")


def choose_settings(arguments, recipe, examples: Examples, seed: int) -> dict:
    """The Train line in force: command line, else the recipe's line, else the defaults.

    A default lr belongs to the default optimiser: with another one it is that optimiser's own.
    A recipe's images are shifted only where it says so.
    """
    defaults = dict(config.parse(DEFAULT_RECIPE).train)
    if recipe:
        defaults["augment"] = 0
    if examples.name != "MNIST":
        defaults["epochs"] = DEFAULT_EPOCHS.get(examples.name, FOLDER_EPOCHS)
    given = dict(recipe.train) if recipe else {}
    line = {"epochs": arguments.epochs, "batch": arguments.batch_size, "lr": arguments.lr,
            "optimizer": arguments.optimizer}
    given |= {name: value for name, value in line.items() if value is not None}
    settings = defaults | given | {"seed": seed}
    if "lr" not in given and settings["optimizer"] != defaults["optimizer"]:
        del settings["lr"]
    if settings["optimizer"] != "sgd":
        settings.pop("momentum", None)
    return settings


def _check_fits(recipe: config.Recipe, examples: Examples) -> None:
    """Does the network take these images and tell these classes apart?"""
    shape, outputs = examples.train[0].shape[1:], recipe.layers[-1].output_shape
    if recipe.input_shape != shape:
        raise config.ConfigError(
            f"{recipe.source}: the network expects images {_by_x(recipe.input_shape)}, but those "
            f"of {examples.name} are {_by_x(shape)}. Write Input shape={_by_x(shape)}."
        )
    if not recipe.parameters:
        raise config.ConfigError(f"{recipe.source}: this network has no parameters: nothing can "
                                 "be learned. Add a Conv2D or a Dense.")
    classes = int(max(examples.train[1].max(), examples.test[1].max())) + 1
    last = recipe.layers[-1]
    sigmoid = last.name == "Sigmoid" or last.options.get("activation") == "sigmoid"
    room = 2 if outputs == (1,) and sigmoid else outputs[0]
    if len(outputs) != 1 or (outputs == (1,)) != sigmoid or classes > room:
        raise config.ConfigError(
            f"{recipe.source}, line {last.line}: {examples.name} has {classes} classes, but the "
            f"network ends with shape {_by_x(outputs)}. End it with Dense units="
            f"{max(classes, 2)} activation=softmax"
            + (" (or, for two classes, units=1 activation=sigmoid)." if classes <= 2 else ".")
        )


def train(model, examples: Examples, settings: dict, validation: float | None, say,
          out: Path | None = None, resume: bool = False, workers: int = 1) -> History:
    """fit with a row an epoch, kept in `out`; stops where the loss is no longer a number."""
    images, _ = examples.train
    kept = len(images) - (round(validation * len(images)) if validation else 0)
    steps_an_epoch = math.ceil(kept / settings["batch"])
    options = {key: settings[key] for key in ("lr", "momentum", "weight_decay") if key in settings}
    optimizer = optim.OPTIMIZERS[settings["optimizer"]](model.parameters(), **options)
    schedule = settings["schedule"]
    if schedule == "step" and {"every", "factor"} & set(settings):
        schedule = optim.step_decay(optimizer.lr, settings.get("every", 1) * steps_an_epoch,
                                    settings.get("factor", 0.1))
    checkpoint = None if out is None else out / CHECKPOINT
    if resume:
        say(f"going on with {checkpoint}" if checkpoint.exists() else
            f"no {CHECKPOINT} in {out}: the run begins")
    held_out = "  held-out accuracy" if validation else ""
    say(f"epoch  training loss  training accuracy{held_out}  lr at its end  seconds")

    shown = []

    def rows(model, history: History) -> bool:
        """Also those of before a break; True stops the training."""
        for k in range(len(shown), len(history.epoch)):
            own = f"  {100 * history.validation_accuracy[k]:15.2f} %" if validation else ""
            say(f"{history.epoch[k]:5d}  {history.loss[k]:13.4f}  "
                f"{100 * history.accuracy[k]:15.2f} %{own}  {history.lr[k]:13.2g}  "
                f"{history.seconds[k]:7.1f}")
            shown.append(k)
        return bool(shown) and not math.isfinite(history.loss[-1])

    with np.errstate(over="ignore", invalid="ignore"):  # a diverging run is reported, not warned
        history = fit(model, *examples.train, epochs=settings["epochs"],
                      batch_size=settings["batch"], optimizer=optimizer, schedule=schedule,
                      augment=settings["augment"], validation=validation, seed=settings["seed"],
                      watch=rows, checkpoint=checkpoint, resume=resume, workers=workers)
    rows(model, history)  # those of a run that had ended before
    return history


# ---- what came out


def _report(result: Evaluation, history: History, seconds: float, say) -> None:
    low, high = result.interval
    when = "after an interruption" if history.interrupted else f"in {seconds:.1f} s"
    say(f"trained {when}; test accuracy {100 * result.accuracy:.2f} % "
        f"(95 % interval {100 * low:.2f} to {100 * high:.2f}, {result.count:,} images)")


def _facts(model, examples, settings, history, result, seconds) -> dict:
    """The one object of --json and of history.json; numbers that are not finite become null."""
    parameters = model.parameters().values()
    diverged = not all(np.isfinite(parameter.data).all() for parameter in parameters)
    diverged |= not all(map(math.isfinite, history.loss))
    nothing = not (diverged or history.interrupted) and _learned_nothing(model, examples, history)
    return _plain({
        "test_accuracy": result.accuracy, "interval": result.interval, "test_loss": result.loss,
        "test_images": result.count, "history": history.to_dict(), "seconds": seconds,
        "data": examples.name, "classes": examples.classes,
        "parameters": sum(parameter.data.size for parameter in parameters),
        "config": config.to_text(model, settings), "interrupted": history.interrupted,
        "diverged": diverged, "learned_nothing": nothing,
    })


def _blind(labels: np.ndarray) -> tuple[float, float]:
    """Accuracy and loss of who knows the classes' shares p, but never looks at an image.

    max p, by always answering the most frequent class; -sum p ln p, by naming the shares.
    """
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return float(shares.max()), float(-(shares * np.log(shares)).sum())


def _learned_nothing(model, examples: Examples, history: History) -> bool:
    """Is it no better than `_blind` on the images it was trained on? One class is no question."""
    accuracy, loss = _blind(examples.train[1])

    def poor(correct: float, n: int, its_loss: float) -> bool:
        return wilson_interval(round(correct), n)[0] <= accuracy and its_loss >= 0.99 * loss

    n = len(examples.train[1])
    if accuracy == 1 or not poor(history.accuracy[-1] * n, n, history.loss[-1]):
        return False
    result = evaluate(model, *examples.train)  # the numbers above include its first steps
    return poor(result.accuracy * n, n, result.loss)


def _why_nothing(model, examples: Examples, settings: dict, history: History) -> str:
    """The sentence for a network that learned nothing: what it does, and what to try."""
    accuracy, loss = _blind(examples.train[1])
    predicted = model.predict_labels(examples.train[0])
    right = 100 * float((predicted == examples.train[1]).mean())
    lr = settings.get("lr", "the default")
    text = (f"the network learned nothing: it is right for {right:.1f} % of the images it was "
            "trained on, not clearly more than always answering the most frequent class "
            f"({100 * accuracy:.1f} %).")
    first, worst = history.step_loss[0], max(history.step_loss)
    if worst > 2 * max(first, loss):
        return (f"{text} Its loss jumped from {first:.3g} to {worst:.3g}: the steps are too large. "
                f"Try a smaller --lr than {lr}.")
    return (f"{text} Its loss hardly moved, from {first:.3g} to {history.step_loss[-1]:.3g}. Try "
            f"another --lr than {lr}, ten times smaller or larger, or more --epochs than "
            f"{settings['epochs']}.")


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


def write(out: Path, model, examples, result, history, facts, say) -> None:
    """weights.npz, history.json, curves.png, confusion.png and errors.png, those that can be.

    What costs most to make again comes first: a disk may be full.
    """
    written = []
    if not facts["diverged"]:
        config.save(out / "weights.npz", model)
        written.append("weights.npz")
    (out / "history.json").write_text(json.dumps(facts, indent=1, allow_nan=False) + "\n",
                                      encoding="utf-8")
    written.append("history.json")
    if history.epoch:
        plots.show_curves(facts["history"]).save(out / "curves.png")
        written.append("curves.png")
    if not facts["diverged"]:
        written += _write_mistakes(out, model, examples, result)
    for name in {"curves.png", "confusion.png", "errors.png", "weights.npz"} - set(written):
        (out / name).unlink(missing_ok=True)  # of an earlier run: it would contradict this one
    say(f"wrote {', '.join(written)} into {out}")


def _write_mistakes(out: Path, model, examples, result) -> list[str]:
    written, classes = ["errors.png"], examples.classes
    sure = None
    if model.output:
        chances = model.predict_proba(examples.test[0])
        sure = np.where(result.predicted == 1, chances[:, 0], 1 - chances[:, 0]) \
            if chances.shape[1] == 1 else chances
    count = max(len(classes), result.logits.shape[1])
    classes = classes + [str(k) for k in range(len(classes), count)]
    plots.show_errors(examples.test[0], result.labels, result.predicted, sure,
                      class_names=classes).save(out / "errors.png")
    if count <= 30:
        confusion = confusion_matrix(result.labels, result.predicted, count)
        plots.show_confusion(confusion, classes).save(out / "confusion.png")
        written.append("confusion.png")
    return written


# ---- small things


def _speaker(stream):
    """Print a line without tearing the progress bar."""
    return lambda line: tqdm.write(line, file=stream)


def _first(*values):
    return next(value for value in values if value is not None)


def _by_x(shape) -> str:
    return "x".join(map(str, shape))


def _number(accept, wanted: str, kind):
    def read(word: str):
        try:
            value = kind(word)
            if accept(value):
                return value
        except ValueError:
            pass
        raise argparse.ArgumentTypeError(f"expected {wanted}, got {word!r}")

    return read


def _parse(words: list[str] | None) -> argparse.Namespace:
    """The options; a word that is none gets the nearest one that is."""
    parser = _parser()
    arguments, unknown = parser.parse_known_args(words)
    if unknown:
        parser.error(_unknown(unknown[0], parser))
    if arguments.resume and not arguments.out:
        parser.error("--resume needs --out DIR, the folder of the run that was cut off")
    return arguments


def _unknown(word: str, parser: argparse.ArgumentParser) -> str:
    known = [option for option in parser._option_string_actions if option.startswith("--")]
    if word.startswith("-"):
        name = word.partition("=")[0]
        plain = "--" + name.strip("-").replace("_", "-").lower()
        near = difflib.get_close_matches(OTHER_NAMES.get(plain, plain), known, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Known are {', '.join(known)}."
        return f"unknown option {name}. {hint}"
    if word in WORDS or Path(word).is_dir():
        return f"expected an option in front of {word!r}. Did you mean --data {word}?"
    if Path(word).is_file():
        return f"expected an option in front of {word!r}. Did you mean --config {word}?"
    return f"expected options only, got {word!r}. Known are {', '.join(known)}."


def _recipes() -> str:
    """The recipes that come with the course, each with its first line of comment."""
    files = sorted(RECIPES.glob("*.txt")) if RECIPES.is_dir() else []
    lines = [f"  {'recipes/' + file.name:19} "
             f"{file.read_text(encoding='utf-8').splitlines()[0].lstrip('# ')}" for file in files]
    return "\n\nRecipes for --config, chosen on MNIST:\n" + "\n".join(lines) if files else ""


def _parser() -> argparse.ArgumentParser:
    count = _number(lambda value: 1 <= value < 10**9, "a whole number, 1 or more", int)
    parser = argparse.ArgumentParser(
        prog="course train", description="Train a network and judge it on images it never saw.",
        epilog="Without --data: MNIST if it is on this machine, else the small digits. Options\n"
        "override the Train line of the config. Without --config the network is the one below.\n\n"
        + config.describe(DEFAULT_RECIPE) + _recipes(), allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", metavar="FILE", type=some_name,
                        help="the network, in the text form below")
    parser.add_argument("--data", metavar="DATA", type=some_name, help="mnist, small, lines or an "
                        "image FOLDER (with train/ and test/ in it, or it is divided)")
    parser.add_argument("--epochs", type=count, metavar="N", help="times through all "
                        "images; default 6, with small digits and folders 20, with lines 15")
    parser.add_argument("--batch-size", type=count, metavar="N", help="images a step")
    parser.add_argument("--lr", metavar="X", help="learning rate (the schedule's peak)",
                        type=_number(lambda value: 0 < value < math.inf, "a number above 0", float))
    parser.add_argument("--optimizer", choices=list(optim.OPTIMIZERS))
    parser.add_argument("--validation", metavar="SHARE", help="set this share of the training "
                        "images aside and judge by it after each epoch, e.g. 0.1",
                        type=_number(lambda value: 0 < value < 1, "a share like 0.1", float))
    parser.add_argument("--seed", metavar="N", help="of the weights and of every shuffle",
                        type=_number(lambda value: 0 <= value < 10**9, "a whole number, 0 or more",
                                     int))
    parser.add_argument("--workers", type=count, default=1, metavar="N", help="processes that "
                        "share the work of each step (Linux)")
    parser.add_argument("--out", metavar="DIR", type=some_name,
                        help="write weights, history and pictures there")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out that "
                        "was cut off; all other words as they were")
    parser.add_argument("--json", action="store_true",
                        help="one JSON object on stdout, all else on stderr")
    return parser
