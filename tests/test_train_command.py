"""`course train` as a user types it: in another process, on data that is quickly learned."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import need

from course_lib import config, data
from course_lib.commands import train as command
from course_lib.train import evaluate, wilson_interval

FOLDER = Path(__file__).parents[1]
PICTURES = {"curves.png", "confusion.png", "errors.png"}
TINY = """4
Input shape=1x8x8
Conv2D filters=4 kernel=3 activation=relu
MaxPool2D pool=2
Dense units=2 activation=softmax
"""
KEYS = {"test_accuracy", "interval", "test_loss", "test_images", "history", "seconds", "data",
        "classes", "parameters", "config", "interrupted", "diverged", "learned_nothing"}


def start(*words, preexec_fn=None, **environment):
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
    return subprocess.Popen(
        [sys.executable, "-m", "course_lib", "train", *map(str, words)], cwd=FOLDER,
        env={**os.environ, **threads, **environment}, encoding="utf-8",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=preexec_fn,
    )


def train(*words, expect=0, **environment):
    """Run the command to its end; (stdout, stderr)."""
    process = start(*words, **environment)
    out, err = process.communicate(timeout=240)
    assert process.returncode == expect, err
    return out, err


def run_json(*words, **options):
    out, _ = train(*words, "--json", **options)
    assert out.count("\n") == 1
    return json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


def here(*words, capsys):
    """The same in this process: (exit status, stdout, stderr)."""
    try:
        status = command.main([str(word) for word in words])
    except SystemExit as left:
        status = left.code
    return status, *capsys.readouterr()


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "net.txt"
    path.write_text(TINY + "Train optimizer=sgd lr=0.125 momentum=0.5 epochs=4 batch=16 seed=3")
    return path


@pytest.fixture
def folder(tmp_path):
    """Lines as an image folder, not divided, with class names."""
    images, labels = data.make_lines(np.random.default_rng(1), 60)
    data.write_image_folder(tmp_path / "drawings", images.clip(0, 1), labels,
                            class_names=["upright", "lying"])
    return tmp_path / "drawings"


# ---- what comes out


def test_json_and_out(tmp_path):
    out, err = train("--data", "lines", "--json", "--seed", 5, "--out", tmp_path / "new" / "run")
    facts = json.loads(out)
    assert out.count("\n") == 1 and set(facts) == KEYS
    assert set(os.listdir(tmp_path / "new" / "run")) == PICTURES | {
        "weights.npz", "history.json", "checkpoint.npz"}
    assert json.loads((tmp_path / "new" / "run" / "history.json").read_text()) == facts
    for name in PICTURES:
        assert (tmp_path / "new" / "run" / name).read_bytes().startswith(b"\x89PNG")

    assert facts["data"] == "lines" and facts["classes"] == ["vertical", "horizontal"]
    assert facts["test_accuracy"] >= 0.95 and facts["test_images"] == 40
    right = round(facts["test_accuracy"] * 40)
    assert facts["interval"] == pytest.approx(wilson_interval(right, 40))
    epochs = command.DEFAULT_EPOCHS["lines"]
    assert facts["history"]["epoch"] == list(range(1, epochs + 1))
    assert len(facts["history"]["loss"]) == epochs
    assert facts["seconds"] >= sum(facts["history"]["seconds"]) * 0.99
    assert not facts["interrupted"] and not facts["diverged"] and not facts["learned_nothing"]

    # the saved network, judged again by hand, is the one that was reported
    model = config.load(tmp_path / "new" / "run" / "weights.npz")
    images, labels = data.make_lines(np.random.default_rng([5, 0]), count=240)
    result = evaluate(model, images[200:], labels[200:])
    assert result.accuracy == facts["test_accuracy"]
    assert result.loss == pytest.approx(facts["test_loss"])
    assert facts["parameters"] == 80 + 1168 + 130
    assert config.build(facts["config"], np.random.default_rng(0)).layers[0].out_channels == 8

    assert "step" not in err and "\r" not in err  # no bar where nobody watches
    assert "lines: 200 images to train, 40 to test, 1x8x8, 2 classes" in err
    assert "Conv2D(1, 8" in err and "total, output softmax" in err
    assert "95 % interval" in err


def test_text(tmp_path):
    out, err = train("--data", "lines", "--epochs", 3, "--validation", 0.25)
    assert "lines: 200 images to train (25 % of them set aside), 40 to test" in out
    rows = [line.split() for line in out.splitlines() if line.strip()[:1] in "123"]
    assert [row[0] for row in rows if row[0].isdigit()] == ["1", "2", "3"]
    heading = "epoch  training loss  training accuracy  held-out accuracy  lr at its end  seconds"
    assert heading in out.splitlines() and err == ""
    assert {len(line) for line in out.splitlines() if line.endswith("seconds")
            or line.strip()[:2] in ("1 ", "2 ", "3 ")} == {len(heading)}
    assert out.count("test accuracy") == 1 and "40 images)" in out


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_a_terminal_gets_the_bar():
    import pty
    import termios

    master, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    process = subprocess.Popen(
        [sys.executable, "-m", "course_lib", "train", "--data", "lines", "--epochs", "9"],
        cwd=FOLDER, stdout=subprocess.DEVNULL, stderr=terminal)
    os.close(terminal)
    shown = b""
    try:
        while piece := os.read(master, 4096):
            shown += piece
    except OSError:  # Linux says so when the other end is closed
        pass
    finally:
        os.close(master)
        assert process.wait(60) == 0
    assert b"step/s" in shown


def test_the_same_seed_gives_the_same_weights_in_another_process(tmp_path):
    words = "--data", "lines", "--epochs", 2
    runs = [run_json(*words, "--seed", seed, "--out", tmp_path / name)
            for seed, name in ((1, "a"), (1, "b"), (2, "c"))]
    weights = [(tmp_path / name / "weights.npz").read_bytes() for name in "abc"]
    assert weights[0] == weights[1] != weights[2]
    assert runs[0]["history"]["step_loss"] == runs[1]["history"]["step_loss"]
    assert (tmp_path / "a" / "curves.png").read_bytes() == \
        (tmp_path / "b" / "curves.png").read_bytes()


@pytest.mark.parametrize("seed", [1, 2])
def test_the_seed_draws_the_first_weights(seed, tmp_path, capsys):
    """With a tiny learning rate they are still there at the end."""
    here("--data", "lines", "--epochs", 1, "--optimizer", "sgd", "--lr", "1e-9", "--seed", seed,
         "--out", tmp_path, capsys=capsys)
    model = config.load(tmp_path / "weights.npz")
    first = config.build(config.parse(config.to_text(model)), np.random.default_rng(seed))
    for name, array in first.state().items():
        assert np.abs(model.state()[name] - array).max() < 1e-6


def test_the_errors_are_shown_with_the_probability_of_what_was_predicted(
        tmp_path, capsys, monkeypatch):
    (tmp_path / "net.txt").write_text("2\nInput shape=1x8x8\nDense units=1 activation=sigmoid")
    seen = {}
    show_errors = command.plots.show_errors

    def watched(images, labels, predicted, probabilities, **options):
        seen.update(predicted=predicted, probabilities=probabilities)
        return show_errors(images, labels, predicted, probabilities, **options)

    monkeypatch.setattr(command.plots, "show_errors", watched)
    status, _, _ = here("--config", tmp_path / "net.txt", "--data", "lines", "--epochs", 1,
                        "--out", tmp_path / "o", capsys=capsys)
    assert status == 0 and set(seen["predicted"]) == {0, 1}
    assert (seen["probabilities"] >= 0.5).all()


def test_the_config_in_the_result_repeats_the_run(tmp_path):
    first = run_json("--data", "lines", "--epochs", 2, "--seed", 7, "--lr", 0.02)
    (tmp_path / "again.txt").write_text(first["config"])
    again = run_json("--data", "lines", "--config", tmp_path / "again.txt")
    assert again["config"] == first["config"]
    assert again["history"]["step_loss"] == first["history"]["step_loss"]


# ---- data


def test_without_mnist_the_small_digits_are_announced(tmp_path):
    environment = {"XDG_CACHE_HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path),
                   "HOME": str(tmp_path), "COURSE_DATA": ""}
    out, err = train("--epochs", 1, "--json", **environment)
    assert json.loads(out)["data"] == "small digits"
    announced = [line for line in err.splitlines() if "MNIST is not on this machine" in line]
    assert len(announced) == 1
    out, err = train("--epochs", 1, **environment)
    assert "MNIST is not on this machine" in out


def test_mnist_is_the_default_where_it_is():
    need("mnist")
    facts = run_json("--epochs", 1)
    assert facts["data"] == "MNIST" and facts["test_images"] == 10_000
    assert facts["test_accuracy"] >= 0.97
    assert facts["parameters"] == 9098


def test_small_digits_at_their_own_size(tmp_path, capsys):
    path = tmp_path / "net.txt"
    path.write_text("2\nInput shape=1x8x8\nDense units=10\nTrain epochs=1 batch=50")
    status, out, _ = here("--config", path, "--data", "small", capsys=capsys)
    assert status == 0 and "1x8x8, 10 classes" in out


def test_a_folder_is_divided(folder, tmp_path, capsys):
    status, out, _ = here("--data", folder, "--epochs", 2, "--out", tmp_path / "o", capsys=capsys)
    assert status == 0
    assert "drawings: 48 images to train, 12 to test, 1x8x8, 2 classes" in out
    facts = json.loads((tmp_path / "o" / "history.json").read_text())
    assert facts["classes"] == ["lying", "upright"]


def test_a_folder_with_train_and_test(tmp_path, capsys):
    images, labels = data.make_lines(np.random.default_rng(1), 30)
    names = ["zero", "one"]
    data.write_image_folder(tmp_path / "set" / "train", images[:20].clip(0, 1), labels[:20], names)
    data.write_image_folder(tmp_path / "set" / "test", images[20:].clip(0, 1), labels[20:], names)
    status, out, _ = here("--data", tmp_path / "set", "--epochs", 1, capsys=capsys)
    assert status == 0 and "set: 20 images to train, 10 to test" in out


def test_train_and_test_number_the_classes_alike(tmp_path):
    images = np.zeros((3, 1, 8, 8))
    names = ["ant", "bee", "cow"]
    data.write_image_folder(tmp_path / "train", images, np.arange(3), names)
    data.write_image_folder(tmp_path / "test", images[:2], np.array([1, 2]), names)  # no ant
    examples = command.load(str(tmp_path), None, 0, print)
    assert examples.classes == names and examples.test[1].tolist() == [1, 2]


def test_the_config_decides_size_and_colour(tmp_path, capsys):
    rgb = np.random.default_rng(0).random((10, 3, 9, 12))
    data.write_image_folder(tmp_path / "rgb", rgb, np.arange(10) % 2)
    (tmp_path / "net.txt").write_text("2\nInput shape=3x6x5\nDense units=1 activation=sigmoid\n"
                                      "Train optimizer=sgd lr=0.1 epochs=2 batch=4")
    status, out, _ = here("--data", tmp_path / "rgb", "--config", tmp_path / "net.txt",
                          "--out", tmp_path / "o", capsys=capsys)
    assert status == 0 and "8 images to train, 2 to test, 3x6x5, 2 classes" in out
    assert PICTURES <= set(os.listdir(tmp_path / "o"))


# ---- settings


def settings(*words, recipe=None, name="MNIST"):
    examples = command.Examples(name, (), (), [])
    return command.choose_settings(command._parser().parse_args(words), recipe, examples, seed=0)


def test_the_command_line_beats_the_train_line_beats_the_defaults(recipe, capsys):
    net = config.read(recipe)
    assert settings(recipe=net) | {"augment": 0} == {
        "optimizer": "sgd", "lr": 0.125, "momentum": 0.5, "epochs": 4, "batch": 16, "seed": 0,
        "augment": 0, "schedule": settings()["schedule"]}
    changed = settings("--lr", "0.5", "--epochs", "9", "--batch-size", "7", recipe=net)
    assert (changed["lr"], changed["epochs"], changed["batch"]) == (0.5, 9, 7)
    assert changed["momentum"] == 0.5
    adam = settings("--optimizer", "adam", recipe=net)
    assert "momentum" not in adam and adam["lr"] == 0.125


def test_a_default_lr_belongs_to_the_default_optimizer():
    default = config.parse(command.DEFAULT_RECIPE).train
    assert settings()["lr"] == default["lr"] and settings()["optimizer"] == default["optimizer"]
    assert "lr" not in settings("--optimizer", "sgd")
    assert settings("--optimizer", "sgd", "--lr", "0.5")["lr"] == 0.5


def test_epochs_depend_on_how_much_data_there_is():
    default = config.parse(command.DEFAULT_RECIPE).train["epochs"]
    assert settings()["epochs"] == default
    assert settings(name="lines")["epochs"] == command.DEFAULT_EPOCHS["lines"]
    assert settings(name="holiday photos")["epochs"] == command.FOLDER_EPOCHS
    assert settings("--epochs", "2", name="lines")["epochs"] == 2


def test_the_default_network_is_the_published_one():
    model = config.build(command.DEFAULT_RECIPE, np.random.default_rng(0))
    assert [type(layer).__name__ for layer in model.layers] == [
        "Conv2D", "ReLU", "MaxPool2D", "Conv2D", "ReLU", "MaxPool2D", "Flatten", "Dense"]
    assert [layer.out_channels for layer in model.layers if hasattr(layer, "out_channels")] == \
        [8, 16]
    assert model.output == "softmax" and model.input_shape == (1, 28, 28)


def test_every_train_option_is_used(tmp_path, capsys):
    """Each changes what is learned, so none is read and forgotten."""
    base = "optimizer=sgd lr=0.05 epochs=4 batch=16 schedule=step every=2 factor=0.5"
    changed = ["", " momentum=0.9", " weight_decay=0.1", " augment=1", " seed=4",
               ("every=2", "every=1"), ("factor=0.5", "factor=0.9"), ("=step every=2 factor=0.5",
                                                                      "=cosine")]
    losses = set()
    for change in changed:
        line = base.replace(*change) if isinstance(change, tuple) else base + change
        (tmp_path / "net.txt").write_text(TINY + f"Train {line}")
        status, out, _ = here("--config", tmp_path / "net.txt", "--data", "lines", "--json",
                              capsys=capsys)
        history = json.loads(out)["history"]
        losses.add(history["loss"][-1])
        if change == "":
            assert history["lr"] == pytest.approx([0.05, 0.05, 0.025, 0.025])
    assert len(losses) == len(changed)


# ---- what goes wrong


WRONG = [
    (["--epochs", "0"], 2, r"--epochs: expected a whole number, 1 or more, got '0'"),
    (["--epochs", "many"], 2, r"--epochs: expected a whole number, 1 or more, got 'many'"),
    (["--batch-size", "-4"], 2, r"--batch-size"),
    (["--lr", "0"], 2, r"--lr: expected a number above 0, got '0'"),
    (["--lr", "nan"], 2, r"--lr: expected a number above 0, got 'nan'"),
    (["--lr", "inf"], 2, r"--lr: expected a number above 0, got 'inf'"),
    (["--out", ""], 2, r"--out: expected a name, got nothing \(an empty variable\?\)"),
    (["--config", ""], 2, r"--config: expected a name, got nothing"),
    (["--data", ""], 2, r"--data: expected a name, got nothing"),
    (["--validation", "1"], 2, r"--validation: expected a share like 0\.1, got '1'"),
    (["--seed", "-1"], 2, r"--seed"),
    (["--optimizer", "adem"], 2, r"--optimizer: invalid choice: 'adem'"),
    (["--wings", "9"], 2, r"unknown option --wings\. Known are --help, --config, --data, --epo"),
    (["--epoch", "3"], 2, r"unknown option --epoch\. Did you mean --epochs\?"),
    (["--epoch=3"], 2, r"unknown option --epoch\. Did you mean --epochs\?"),
    (["--ep", "3"], 2, r"unknown option --ep\."),
    (["--batch", "3"], 2, r"unknown option --batch\. Did you mean --batch-size\?"),
    (["--learning_rate", "3"], 2, r"unknown option --learning_rate\. Did you mean --lr\?"),
    (["-lr", "3"], 2, r"unknown option -lr\. Did you mean --lr\?"),
    (["small"], 2, r"expected an option in front of 'small'\. Did you mean --data small\?"),
    (["."], 2, r"expected an option in front of '\.'\. Did you mean --data \.\?"),
    (["nest.txt"], 2, r"expected an option in front of 'nest\.txt'\. Did you mean --config nest"),
    (["fast"], 2, r"expected options only, got 'fast'\. Known are --help, --config"),
    (["--data", "mnits"], 1, r"expects mnist, small, lines or a folder .*no folder mnits\. Did you"
                             r" mean mnist\?"),
    (["--config", "net.txt"], 1, r"course train: no file net\.txt; expected a text file with a "
     r"network \(see the README, or `train --help`\)\. Did you mean nest\.txt\?"),
    (["--config", "x"], 1, r"no file x; expected a text file .*\. Text files in \.: nest\.txt\."),
]


@pytest.mark.parametrize("words, status, message", WRONG, ids=range(len(WRONG)))
def test_a_wrong_command_line(words, status, message, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nest.txt").write_text("")
    found, out, err = here(*words, capsys=capsys)
    assert found == status and out == ""
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(err)


NETWORKS = [
    ("3\nInput shape=1x8x8\nConv2D filters=2\nDense units=2", r"net\.txt, line 3: Conv2D: the "
     r"option kernel= is missing"),
    ("4\nInput 1x8x8\nDense units=2", r"net\.txt, line 2: Input: .*Write Input shape=1x8x8"),
    (TINY[2:], r"net\.txt, line 1: the first line must be the number of layers.*Write 4 here"),
    (TINY.replace("1x8x8", "3x8x8"), r"net\.txt: the network expects images 3x8x8, but those of "
     r"lines are 1x8x8\. Write Input shape=1x8x8"),
    (TINY.replace("Dense units=2 activation=softmax", "Dense units=1"),
     r"net\.txt, line 5: lines has 2 classes, but the network ends with shape 1\. End it with "
     r"Dense units=2 activation=softmax \(or, for two classes, units=1 activation=sigmoid\)"),
    (TINY.replace("Dense units=2 activation=softmax", "Tanh"), r"net\.txt, line 5: lines has 2 "
     r"classes, but the network ends with shape 4x3x3"),
    (TINY.replace("units=2 activation=softmax", "units=2 activation=sigmoid"),
     r"net\.txt, line 5: lines has 2 classes"),
    ("2\nInput shape=1x8x8\nFlatten", r"net\.txt: this network has no parameters"),
]


@pytest.mark.parametrize("text, message", NETWORKS, ids=range(len(NETWORKS)))
def test_a_wrong_network(text, message, tmp_path, capsys):
    (tmp_path / "net.txt").write_text(text)
    status, out, err = here("--config", tmp_path / "net.txt", "--data", "lines", capsys=capsys)
    assert status == 2 and "epoch" not in out
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(err)


def test_a_wrong_folder(tmp_path, folder, capsys):
    (folder / "labels.txt").write_text("00000.png upright\nnowhere.png lying\n")
    status, _, err = here("--data", folder, capsys=capsys)
    assert status == 1 and "line 2: nowhere.png: no such file" in err
    data.write_image_folder(tmp_path / "one", np.zeros((1, 1, 8, 8)), np.zeros(1, int))
    status, _, err = here("--data", tmp_path / "one", capsys=capsys)
    assert status == 1 and "expected at least 2 images" in err
    for part, side in (("train", 8), ("test", 9)):
        data.write_image_folder(tmp_path / "two" / part, np.zeros((2, 1, side, 8)), np.arange(2))
    status, _, err = here("--data", tmp_path / "two", capsys=capsys)
    assert status == 1 and "train are (1, 8, 8), those in test (1, 9, 8): expected one" in err


def test_out_is_checked_before_the_training(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    status, out, err = here("--data", "lines", "--out", tmp_path / "file", capsys=capsys)
    assert status == 1 and "epoch" not in out
    assert f"--out {tmp_path / 'file'}: expected a folder, and a file is there" in err


def test_a_full_disk_costs_pictures_and_no_weights(tmp_path, capsys, monkeypatch):
    write = Path.write_bytes

    def full(path, content):
        if path.suffix == ".png":
            write(path, content[:100])
            raise OSError(28, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    status, _, err = here("--data", "lines", "--epochs", "1", "--out", tmp_path, capsys=capsys)
    assert status == 1 and "No space left on device" in err and "curves.png" in err
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.npz", "history.json",
                                                          "weights.npz"}


def test_too_little_memory_is_no_traceback(capsys, monkeypatch):
    def fail(*words, **options):
        raise MemoryError("9 TiB")

    monkeypatch.setattr(command, "fit", fail)
    status, _, err = here("--data", "lines", capsys=capsys)
    assert status == 1 and "too little memory (9 TiB). Try a smaller --batch-size" in err


def test_a_diverged_run_says_so_and_leaves_no_weights(tmp_path):
    train("--data", "lines", "--epochs", 1, "--out", tmp_path)
    assert (tmp_path / "weights.npz").exists()
    out, err = train("--data", "lines", "--optimizer", "sgd", "--lr", "1e20", "--json", "--out",
                     tmp_path, expect=1)
    facts = json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert facts["diverged"] and None in facts["history"]["loss"]
    assert len(facts["history"]["epoch"]) < command.DEFAULT_EPOCHS["lines"]  # stopped early
    assert "the training diverged" in err and "smaller --lr than 1e+20" in err
    assert "Traceback" not in err and "RuntimeWarning" not in err
    assert not {"weights.npz", "confusion.png", "errors.png"} & set(os.listdir(tmp_path))
    assert "history.json" in os.listdir(tmp_path)


def test_help_shows_the_default_network_and_the_text_form(capsys):
    status, out, _ = here("--help", capsys=capsys)
    assert status == 0 and config.describe(command.DEFAULT_RECIPE) in out
    assert "    Conv2D filters=8 kernel=3x3 padding=same activation=relu\n" in out
    assert "\n  Dropout          [p=]\n" in out and max(map(len, out.splitlines())) <= 100


def test_the_short_help_names_every_option():
    """Where NumPy is missing, the docstring is all that there is."""
    options = set(command._parser()._option_string_actions) - {"-h", "--help"}
    paragraphs = command.__doc__.split("\n\n")
    listed = next(text for text in paragraphs if text.startswith("Options: "))
    assert set(listed.split()[1:]) == options


# ---- learned nothing


def test_a_rate_far_too_large_is_named(tmp_path):
    out, err = train("--data", "small", "--epochs", 2, "--lr", 100, "--json", "--out", tmp_path)
    facts = json.loads(out)
    assert facts["learned_nothing"] and not facts["diverged"]
    message = r"course train: the network learned nothing: it is right for [\d.]+ % of the " \
        r"images it was trained on, not clearly more than always answering the most " \
        r"frequent class \(10\.\d %\)\. Its loss jumped from 2\.\d+ to [\de+.]+: the steps are " \
        r"too large\. Try a smaller --lr than 100\.0\.\n"
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(err)
    assert "weights.npz" in os.listdir(tmp_path)


def test_a_rate_far_too_small_is_told_from_it(capsys):
    words = "--data", "lines", "--epochs", 2, "--lr", "1e-9"
    status, out, err = here(*words, capsys=capsys)
    assert status == 0 and "the network learned nothing" not in out
    assert "course train: the network learned nothing: " in err
    assert "always answering the most frequent class (50.0 %). Its loss hardly moved, from" in err
    assert "another --lr than 1e-09, ten times smaller or larger, or more --epochs than 2." in err
    status, out, err = here(*words[:-1], "0.01", capsys=capsys)
    assert status == 0 and "learned nothing" not in out + err


class Fixed:
    """A network that gives each image the logits it was made with."""

    output, layers = "softmax", ()

    def __init__(self, logits):
        self.logits = np.asarray(logits, np.float64)

    def predict(self, images, batch_size=256):
        return self.logits


def nothing_learned(logits, labels):
    """Ask the command, with an epoch that was no better than nothing."""
    labels = np.asarray(labels)
    examples = command.Examples("", (np.zeros((len(labels), 1)), labels), (), [])
    history = command.History()
    history.accuracy.append(0.0)
    history.loss.append(99.0)
    return command._learned_nothing(Fixed(logits), examples, history)


def test_what_learned_nothing_means():
    """Neither right clearly more often than the most frequent class, nor of a lower loss."""
    ninety = np.repeat([0, 1], [90, 10])
    shares = np.log([0.9, 0.1])
    blind = np.tile(shares, (100, 1))
    assert command._blind(ninety) == pytest.approx((0.9, -(0.9 * shares[0] + 0.1 * shares[1])))
    assert nothing_learned(blind, ninety)
    assert nothing_learned(50 * blind, ninety)  # as often right, and far too sure
    surer = blind + 0.5 * np.eye(2)[ninety]  # as often right, but knows something
    assert (surer.argmax(1) == 0).all() and not nothing_learned(surer, ninety)
    assert not nothing_learned(20 * np.eye(2)[ninety], ninety)  # all are right
    labels = np.arange(1000) % 10
    assert command._blind(labels) == pytest.approx((0.1, np.log(10)))
    assert nothing_learned(np.zeros((1000, 10)), labels)
    for right, verdict in ((100, True), (115, True), (150, False)):  # Wilson: 0.097, then 0.129
        predicted = np.where(np.arange(1000) < right, labels, (labels + 1) % 10)
        assert wilson_interval(right, 1000)[0] <= 0.1 or not verdict
        assert nothing_learned(99 * np.eye(10)[predicted], labels) is verdict
    assert not nothing_learned(np.zeros((5, 2)), np.zeros(5, int))  # one class: nothing to learn


def test_an_epoch_that_was_better_than_nothing_is_believed():
    """No further look at all the images where the training's own numbers are good."""
    labels = np.arange(1000) % 10
    examples = command.Examples("", (np.zeros((1000, 1)), labels), (), [])
    for accuracy, loss in ((0.5, 99.0), (0.1, 1.0)):
        history = command.History()
        history.accuracy.append(accuracy)
        history.loss.append(loss)
        assert not command._learned_nothing(None, examples, history)


def _listen_to_ctrl_c():
    """A shell that runs this in the background tells its children to ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send Ctrl-C to one process")
@pytest.mark.parametrize("rows", [0, 2])
def test_ctrl_c_keeps_what_was_learned(tmp_path, rows):
    """Before the first epoch has ended, and after two."""
    data_words = ["small", "--batch-size", 1] if rows == 0 else ["lines"]
    process = start("--data", *data_words, "--epochs", 100_000, "--json", "--out", tmp_path,
                    preexec_fn=_listen_to_ctrl_c)
    try:
        seen = 0
        while seen <= rows:  # the head of the table, then its rows
            line = process.stderr.readline()
            assert line, "the command ended by itself"
            seen += "accuracy  lr" in line or (seen > 0 and " % " in line)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, err
    facts = json.loads(out)
    assert facts["interrupted"] and facts["history"]["interrupted"]
    assert len(facts["history"]["epoch"]) >= rows and 0 <= facts["test_accuracy"] <= 1
    assert facts["history"]["step_loss"]
    files = {"weights.npz", "history.json", "confusion.png", "errors.png", "checkpoint.npz"}
    assert set(os.listdir(tmp_path)) == files | ({"curves.png"} if rows else set())
    assert config.load(tmp_path / "weights.npz").output == "softmax"


# ---- going on with a run


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send Ctrl-C to one process")
def test_resume_ends_as_if_there_had_been_no_break(tmp_path):
    words = ["--data", "lines", "--epochs", 150, "--validation", 0.2, "--json"]
    whole = run_json(*words, "--out", tmp_path / "whole")
    process = start(*words, "--out", tmp_path / "cut", preexec_fn=_listen_to_ctrl_c)
    try:
        while not process.stderr.readline().strip().startswith("3 "):
            assert process.poll() is None, "the command ended by itself"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130 and "the same words and --resume go on with it" in err
    cut = json.loads(out)
    assert 3 <= len(cut["history"]["epoch"]) < 150

    content = (tmp_path / "cut" / "checkpoint.npz").read_bytes()
    _, err = train(*words, "--out", tmp_path / "cut", expect=1)
    assert "checkpoint.npz holds a run that was cut off in epoch" in err
    assert "train: --resume" in err and "Traceback" not in err
    _, err = train(*words, "--lr", 0.5, "--out", tmp_path / "cut", "--resume", expect=1)
    assert "checkpoint.npz is of another run" in err and "lr: 0.01 there, 0.5 here" in err
    assert (tmp_path / "cut" / "checkpoint.npz").read_bytes() == content

    out, err = train(*words, "--out", tmp_path / "cut", "--resume")
    assert f"going on with {tmp_path / 'cut' / 'checkpoint.npz'}" in err
    assert re.findall(r"^ +(\d+) .* %", err, re.M) == [str(n) for n in range(1, 151)]
    again = json.loads(out)
    for facts in (whole, again):
        seconds = facts["history"].pop("seconds")
        assert len(seconds) == 150 and facts.pop("seconds") >= sum(seconds) * 0.99
    assert again == whole
    weights = [(tmp_path / name / "weights.npz").read_bytes() for name in ("whole", "cut")]
    assert weights[0] == weights[1]


def test_resume_begins_where_there_is_nothing_and_needs_a_folder(tmp_path, capsys):
    words = "--data", "lines", "--epochs", 2
    status, out, _ = here(*words, "--out", tmp_path, "--resume", capsys=capsys)
    assert status == 0 and f"no checkpoint.npz in {tmp_path}: the run begins" in out
    rows = re.findall(r"^ +[12] .* %.*", out, re.M)
    _, out, _ = here(*words, "--out", tmp_path, "--resume", capsys=capsys)
    assert re.findall(r"^ +[12] .* %.*", out, re.M) == rows and len(rows) == 2  # it had ended
    status, out, _ = here(*words, "--out", tmp_path, capsys=capsys)
    assert status == 0  # a run that has ended may be done again
    status, _, err = here(*words, "--resume", capsys=capsys)
    assert status == 2 and "--resume needs --out DIR, the folder of the run" in err


# ---- the recipes that come with the course

RECIPES = sorted((FOLDER / "recipes").glob("*.txt"))


def test_the_help_names_every_recipe(capsys):
    assert {path.stem for path in RECIPES} >= {"quick", "good", "best", "reach"}
    _, out, _ = here("--help", capsys=capsys)
    for path in RECIPES:
        first = path.read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith("# ") and first.isascii()
        assert f"recipes/{path.name}" in out and first[2:] in out
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_learns(path, tmp_path, capsys):
    """Some steps on the small digits: every line of it is understood, and the loss falls."""
    recipe = config.read(path)
    assert recipe.input_shape == (1, 28, 28) and recipe.layers[-1].output_shape == (10,)
    assert set(recipe.train) >= {"optimizer", "lr", "epochs", "batch", "schedule", "seed"}
    text = path.read_text(encoding="utf-8")
    assert config.parse(text).train == config.parse(config.to_text(
        config.build(recipe, np.random.default_rng(0)), recipe.train)).train
    status, out, _ = here("--config", path, "--data", "small", "--epochs", 2, "--json",
                          capsys=capsys)
    facts = json.loads(out)
    assert status == 0 and not facts["diverged"]
    assert facts["history"]["loss"][1] < 0.7 * facts["history"]["loss"][0]
    assert facts["test_accuracy"] > 0.7
