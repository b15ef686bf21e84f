"""The text form and the weights file: against the layers themselves, and against bad input."""

import io
import os
import re
import time
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from course_lib.config import (
    LAYERS, MAX_CHARACTERS, REQUIRED, TRAIN, ConfigError, Recipe, build, describe, load, parse,
    read, save, to_text,
)
from course_lib.layers import (
    AvgPool2D, BatchNorm2D, Conv2D, Dense, Dropout, Flatten, GlobalAvgPool2D, LeakyReLU,
    MaxPool2D, ReLU, Sigmoid, Softmax, Tanh,
)
from course_lib.model import Sequential

S1 = """5
Input shape=1x28x28
Conv2D filters=16 kernel=3x3 stride=1
 padding=same activation=relu
MaxPool2D pool=2x2 stride=2
Dense units=128 activation=relu
Dense units=2 activation=softmax
"""
SMALL = """4
Input shape=2x5x6
Conv2D filters=3 kernel=3x2 padding=1 activation=relu
BatchNorm2D
Dense units=4 activation=softmax
"""


def network(*lines, source="text"):
    return parse("\n".join([str(len(lines)), *lines]), source)


def described(model):
    return [repr(layer) for layer in model.layers], model.output, model.input_shape


# ---- reading


def test_the_published_example():
    recipe = parse(S1)
    shapes = [recipe.input_shape] + [layer.output_shape for layer in recipe.layers]
    assert shapes == [(1, 28, 28), (16, 28, 28), (16, 14, 14), (128,), (2,)]
    assert recipe.parameters == 401_954
    assert [layer.line for layer in recipe.layers] == [3, 5, 6, 7]
    model = build(recipe, np.random.default_rng(0))
    assert model.output == "softmax"
    assert sum(p.data.size for p in model.parameters().values()) == 401_954
    assert [repr(layer) for layer in model.layers] == [
        "Conv2D(1, 16, kernel_size=3, padding='same')", "ReLU()", "MaxPool2D(kernel_size=2)",
        "Flatten()", "Dense(3136, 128)", "ReLU()", "Dense(128, 2)"]


def test_rgb_and_ten_classes():
    text = S1.replace("1x28x28", "3x64x64").replace("units=2", "units=10")
    model = build(text, np.random.default_rng(0))
    images = np.random.default_rng(1).random((2, 3, 64, 64), dtype=np.float32)
    assert model.predict_proba(images).shape == (2, 10)


@pytest.mark.parametrize("change", [
    lambda text: text.replace("\n", "\r\n"),
    lambda text: text.replace("\n", "\r"),
    lambda text: "\ufeff" + text,
    lambda text: text.replace(" ", "\t"),
    lambda text: text.replace(" ", "   ").replace("\n", "  \n"),
    lambda text: text.replace("\n", "\n\n   \n# a comment = nothing\n  # indented\n"),
    lambda text: text.replace("\n", " # why\n"),
    lambda text: text.rstrip("\n"),
    lambda text: text.replace("activation=relu\nMax", "\n  activation=relu\nMax"),
    lambda text: text.replace("kernel=3x3", "kernel=3").replace("pool=2x2", "pool=2"),
    lambda text: text.replace(" stride=1", ""),
    lambda text: text.replace(" stride=2", ""),
    lambda text: text.replace("padding=same", "padding=1"),
    lambda text: text.replace("5\n", "6\n").replace("\nDense units=128",
                                                    "\nFlatten\nDense units=128"),
    lambda text: text.replace("5\n", "6\n").replace("units=2 activation=softmax",
                                                    "units=2\nSoftmax"),
    lambda text: text + "Train optimizer=sgd lr=0.01\n  epochs=10",
])
def test_other_ways_to_write_the_same_network(change):
    expected = build(S1, np.random.default_rng(0))
    model = build(change(S1), np.random.default_rng(0))
    same = {"Conv2D(1, 16, kernel_size=3, padding=1)":
            "Conv2D(1, 16, kernel_size=3, padding='same')"}
    assert [same.get(repr(layer), repr(layer)) for layer in model.layers] == \
        [repr(layer) for layer in expected.layers]
    assert model.output == expected.output


@pytest.mark.parametrize("option, padding", [
    ("padding=valid", ((0, 0), (0, 0))), ("padding=0", ((0, 0), (0, 0))),
    ("padding=2", ((2, 2), (2, 2))), ("padding=1x2", ((1, 1), (2, 2))),
    ("padding=0+1x2+3", ((0, 1), (2, 3))), ("padding=1x2+0", ((1, 1), (2, 0))),
    ("padding=same", "same"), ("", ((0, 0), (0, 0))),
])
def test_padding(option, padding):
    model = build(f"2\nInput shape=1x6x7\nConv2D filters=2 kernel=3x2 stride=2x1 {option}",
                  np.random.default_rng(0))
    assert model.layers[0].padding == padding
    assert model.layers[0].stride == (2, 1) and model.layers[0].kernel_size == (3, 2)


def test_every_option_reaches_its_layer():
    model = build("""12
Input shape=2x12x14
Conv2D filters=4 kernel=3 bias=false
BatchNorm2D momentum=0.2 eps=1e-3 group_size=4 activation=leaky_relu alpha=0.3
AvgPool2D pool=3x2 stride=2x1 padding=1 count_include_pad=false
Tanh
MaxPool2D pool=2x3 padding=1
Dropout p=0.25
LeakyReLU alpha=0
Conv2D filters=3 kernel=1 activation=sigmoid
GlobalAvgPool2D
Dense units=5 bias=false activation=tanh
Dense units=1 activation=sigmoid
""", np.random.default_rng(0))
    conv, norm, leaky, avg, tanh, pool, drop, leaky0, conv2, sigmoid, mean, dense, _, last = \
        model.layers
    assert conv.bias is None and dense.bias is None and last.bias is not None
    assert (norm.momentum, norm.eps, norm.group_size) == (0.2, 1e-3, 4)
    assert (leaky.alpha, leaky0.alpha, drop.p) == (0.3, 0.0, 0.25)
    assert (avg.kernel_size, avg.stride, avg.count_include_pad) == ((3, 2), (2, 1), False)
    assert pool.stride == (2, 3)  # a pool's stride is its size
    assert isinstance(sigmoid, Sigmoid) and isinstance(mean, GlobalAvgPool2D)
    assert isinstance(tanh, Tanh) and isinstance(conv2, Conv2D)
    assert model.output == "sigmoid"


def test_the_train_line():
    recipe = parse(S1 + "Train optimizer=sgd lr=0.03 epochs=5 batch=8 schedule=step every=2 "
                   "factor=0.5 momentum=0.9\n weight_decay=1e-4 augment=2 seed=0")
    assert recipe.train == {
        "optimizer": "sgd", "lr": 0.03, "epochs": 5, "batch": 8, "schedule": "step", "every": 2,
        "factor": 0.5, "momentum": 0.9, "weight_decay": 1e-4, "augment": 2, "seed": 0}
    assert parse(S1).train == {}


def test_the_same_rng_gives_the_same_weights():
    text = SMALL.replace("4\n", "5\n", 1).replace("Dense", "Dropout\nDense")
    first, second = (build(text, np.random.default_rng(3)) for _ in range(2))
    for name, array in first.state().items():
        assert np.array_equal(array, second.state()[name])
    images = np.ones((3, 2, 5, 6), np.float32)
    assert np.array_equal(first.forward(images), second.forward(images))  # dropout too
    assert build(text, np.random.default_rng(3), dtype=np.float64).state()["0.weight"].dtype == \
        np.float64


# ---- what is wrong


def s1(old, new):
    assert old in S1
    return S1.replace(old, new, 1)


WRONG = [
    ("", r"^text: empty\. Expected the number of layers"),
    ("# only a comment\n\n", r"^text: empty"),
    ("5", r"line 1: expected the line Input shape=\.\.\. after the count, got nothing"),
    (S1[2:], r"line 1: the first line must be the number of layers, and nothing else, got "
             r"'Input shape=1x28x28'\. Write 5 here \(Input counts, Train does not\) on a line of "
             r"its own, above 'Input'\.$"),
    (S1[2:].lower(), r"line 1: the first line must be the number .* Write 5 here .* above 'input'"),
    ("Conv2D filters=3\nDens units = 3\nTrain lr=1", r"got 'Conv2D filters=3'\. Write 2 here"),
    ("Train lr=1", r"line 1: the first line must be the number.*No layers follow; they come one a "
                   r"line, from Input shape=\.\.\. on"),
    ("hello", r"line 1: the first line must be the number .* got 'hello'\. No layers follow"),
    ("5 " + S1[2:], r"line 1: the first line must be the number of layers, and nothing else, got "
                    r"'5 Input shape=1x28x28'\. Write 5 here .* above 'Input'"),
    (S1[2:] + "Train lr=1", r"line 1: .* Write 5 here"),
    (s1("5", "five"), r"line 1: the first line must be .* got 'five'\. Write 5 here \(Input "
                      r"counts, Train does not\)\.$"),
    (s1("5", "-5"), r"line 1: .* got '-5'"),
    (s1("5", "5.0"), r"line 1: .* got '5.0'"),
    (s1("5\n", "5 layers\n"), r"line 1: .* got '5 layers'"),
    (s1("5", "\u0665"), r"line 1: .* got '\\u0665'"),
    (s1("5", "6"), r"line 1: the first line says 6 layers, but 5 follow .*Write 5\.$"),
    (s1("5", "4"), r"line 1: the first line says 4 layers, but 5 follow"),
    (s1("5", "0"), r"line 1: the first line says 0 layers"),
    (S1 + "Train lr=1\n" + "Dense units=3", r"line 9: the Train line is the last one, but 'Dense'"),
    (S1 + "Train lr=1\nTrain lr=2", r"line 9: the Train line is the last one, but 'Train'"),
    (S1 + "and some words", r"line 8: unknown layer 'and'\. Known are Input, Conv2D"),
    (s1("Conv2D", "Conv2d"), r"line 3: unknown layer 'Conv2d'\. Did you mean Conv2D\?"),
    (s1("MaxPool2D", "Maxpool"), r"line 5: unknown layer 'Maxpool'\. Did you mean MaxPool2D\?"),
    (s1("Dense", "Transformer"), r"line 6: unknown layer 'Transformer'"),
    (s1("Input", "Flatten"), r"line 2: .*expected the line Input shape"),
    (s1("MaxPool2D pool=2x2 stride=2", "Input shape=16x28x28"),
     r"line 5: Input may only stand on the first line"),
    ("1\nInput shape=1x28x28", r"line 2: expected at least one layer after Input"),
    ("2\nInput shape=9\nSoftmax", r"line 3: Softmax turns the scores .* there are none"),
    (s1("filters=16", "filter=16"), r"line 3: Conv2D: unknown option 'filter'\. .*mean filters\?"),
    (s1("padding=same", "padd=same"), r"line 4: Conv2D: unknown option 'padd'.*mean padding\?"),
    (s1("pool=2x2", "pool=2x2 bias=true"), r"line 5: MaxPool2D: unknown option 'bias'"),
    (s1("Dense units=128", "Flatten units=128"),
     r"line 6: Flatten: unknown option 'units'\. It takes no options"),
    (s1("stride=2", "stride=2 stride=2"), r"line 5: MaxPool2D: the option stride is given twice"),
    (s1("padding=same", "stride=2"), r"line 4: Conv2D: the option stride is given twice"),
    (s1("filters=16 ", ""), r"line 3: Conv2D: the option filters= is missing; .*whole number"),
    (s1("kernel=3x3 ", ""), r"line 3: Conv2D: the option kernel= is missing"),
    (s1("pool=2x2 ", ""), r"line 5: MaxPool2D: the option pool= is missing"),
    (s1("units=128 ", ""), r"line 6: Dense: the option units= is missing"),
    (s1("shape=1x28x28", ""), r"line 2: Input: the option shape= is missing"),
    (s1("units=128", "units = 128"), r"line 6: Dense: expected option=value without blanks, got "
                                     r"'units'\. Write units=VALUE, with no blank around =\.$"),
    (s1("shape=1x28x28", "1x28x28"), r"line 2: Input: expected option=value without blanks, got "
                                     r"'1x28x28'\. Write Input shape=1x28x28\.$"),
    (s1("units=128", "128"), r"line 6: .* got '128'\. Write Dense units=128\.$"),
    (s1("filters=16 kernel=3x3", "filters=16 3x3"), r"got '3x3'\. Write Conv2D kernel=3x3\.$"),
    (s1("pool=2x2 stride=2", "pool=2x2 2"), r"line 5: .* got '2'\. Write name=value\.$"),
    (s1("activation=relu", "relu"), r"line 4: .* got 'relu'\. Write Conv2D activation=relu\.$"),
    (s1("padding=same", "same"), r"line 4: .* got 'same'\. Write Conv2D padding=same\.$"),
    (S1 + "Train adam", r"line 8: .* got 'adam'\. Write Train optimizer=adam\.$"),
    (s1(" padding=same", " MaxPool2D pool=2"), r"line 4: Conv2D: .* got 'MaxPool2D'\. A new layer "
                                               r"begins at the left margin"),
    (S1.replace("\n", "\n  "),
     r"line 2: this line begins with a blank.*no layer above it: 'Input'"),
    ("  " + S1, r"line 1: this line begins with a blank.*'5'\. Remove the blanks"),
    (s1("units=128", "units=many"), r"line 6: Dense: units= expects a whole number.* got 'many'"),
    (s1("units=128", "units="), r"line 6: Dense: units= expects .* got ''"),
    (s1("units=128", "units=0"), r"units= expects a whole number, 1 or more, got '0'"),
    (s1("units=128", "units=-3"), r"got '-3'"),
    (s1("units=128", "units=1_000"), r"got '1_000'"),
    (s1("units=128", "units=\u0661\u0662"), r"line 6: .* got '\\u0661\\u0662'"),
    (s1("units=128", "units=1e3"), r"got '1e3'"),
    (s1("units=128", "units=" + "9" * 5000), r"line 6: Dense: units= expects"),
    (s1("kernel=3x3", "kernel=3x"), r"kernel= expects a size: one number like 3.* got '3x'"),
    (s1("kernel=3x3", "kernel=3x3x3"), r"kernel= expects .* got '3x3x3'"),
    (s1("kernel=3x3", "kernel=0x3"), r"kernel= expects .* got '0x3'"),
    (s1("stride=1", "stride=0"), r"stride= expects .* got '0'"),
    (s1("padding=same", "padding=half"), r"padding= expects same, valid, a number .* got 'half'"),
    (s1("padding=same", "padding=-1"), r"padding= expects .* got '-1'"),
    (s1("1x28x28", "28x28"), r"line 2: Input: shape= expects channels x height x width.*'28x28'"),
    (s1("1x28x28", "1x0x28"), r"line 2: Input: shape= expects .* got '1x0x28'"),
    (s1("activation=relu", "activation=relo"), r"line 4: .*got 'relo'\. Did you mean relu\?"),
    (s1("activation=relu", "alpha=0.1"), r"alpha= belongs to activation=leaky_relu, not to none"),
    (s1("activation=relu", "activation=leaky_relu alpha=nan"), r"alpha= expects .* got 'nan'"),
    (s1("activation=relu", "activation=leaky_relu alpha=1e999"), r"alpha= expects .*'1e999'"),
    (s1("stride=1", "bias=yes"), r"line 3: Conv2D: bias= expects one of true, false, got 'yes'"),
    (s1("MaxPool2D pool=2x2 stride=2", "Dropout p=1"), r"p= expects a number from 0 to below 1"),
    (s1("kernel=3x3", "kernel=40x3").replace("same", "1"),
     r"line 3: Conv2D: the kernel, 40x3, is larger than the padded image"),
    (s1("pool=2x2", "pool=29x2"), r"line 5: MaxPool2D: the kernel, 29x2, is larger"),
    (s1("pool=2x2", "pool=2x2 padding=2"), r"line 5: MaxPool2D.*at most half the kernel"),
    (s1("MaxPool2D pool=2x2 stride=2", "Flatten").replace("Dense units=128 activation=relu",
                                                          "MaxPool2D pool=2x2"),
     r"line 6: MaxPool2D: expected feature maps .* flat vector of 12544 numbers"),
    (s1("MaxPool2D pool=2x2 stride=2", "Dense units=7").replace("Dense units=128",
                                                               "Conv2D filters=2 kernel=1"),
     r"line 6: Conv2D: expected feature maps .*vector of 7 numbers\. Put Conv2D before"),
    (s1("MaxPool2D pool=2x2 stride=2", "Dense units=7").replace("Dense units=128", "BatchNorm2D"),
     r"line 6: BatchNorm2D: expected feature maps"),
    (s1("128 activation=relu", "128 activation=softmax"),
     r"line 6: Dense: softmax may only stand on the last layer"),
    (s1("MaxPool2D pool=2x2 stride=2", "Softmax"), r"line 5: Softmax: softmax may only stand"),
    (s1("same activation=relu", "same activation=softmax"),
     r"line 3: Conv2D: softmax turns the scores of the last Dense"),
    (s1("Dense units=2 ", "BatchNorm2D "), r"line 7: BatchNorm2D: softmax turns the scores"),
    (s1("Dense units=2 activation=softmax", "Softmax").replace(
        "Dense units=128 activation=relu", "Dropout"), r"line 7: Softmax: expected a flat vector"),
    (s1("units=2 ", "units=1 "), r"line 7: Dense: softmax over one unit is always 1"),
    (S1 + "Train lr=0", r"line 8: Train: lr= expects a number above 0, got '0'"),
    (S1 + "Train learning_rate=1", r"line 8: Train: unknown option 'learning_rate'"),
    (S1 + "Train epoch=1", r"line 8: Train: unknown option 'epoch'\. Did you mean epochs\?"),
    (S1 + "Train\n lr=1\n lr=2", r"line 10: Train: the option lr is given twice"),
    (S1 + "Train optimizer=adem", r"line 8: Train: optimizer= expects one of sgd, rmsprop, adam, "
                                  r"got 'adem'\. Did you mean adam\?"),
    (S1 + "Train momentum=0.9", r"line 8: Train: momentum= belongs to optimizer=sgd, but optimizer"
                                r" is not given"),
    (S1 + "Train optimizer=adam\n momentum=0.9", r"line 9: .*optimizer is adam"),
    (S1 + "Train every=2", r"line 8: Train: every= belongs to schedule=step"),
]


@pytest.mark.parametrize("text, message", WRONG, ids=range(len(WRONG)))
def test_errors_name_the_line_and_the_word(text, message):
    with pytest.raises(ConfigError, match=message):
        parse(text)


def test_errors_name_the_source_and_fit_on_a_screen():
    with pytest.raises(ConfigError, match=r"^net\.txt, line 3: Conv2D"):
        parse(s1("filters=16", "filters=x"), source="net.txt")
    with pytest.raises(ConfigError) as caught:
        parse(s1("Conv2D", "C" * 10_000))
    assert len(str(caught.value)) < 400
    with pytest.raises(ConfigError, match="expected the text of a network, got int"):
        parse(5)
    with pytest.raises(ConfigError, match="more than 100,000 characters"):
        parse("5\n" + "#" * MAX_CHARACTERS)
    with pytest.raises(ConfigError, match="more than 1000 layers"):
        parse("5\nInput shape=9\n" + "ReLU\n" * 1001)


@pytest.mark.parametrize("lines, message", [
    (["Input shape=1x28x28", "Dense units=999999999"], r"line 3: Dense: the network would have "
     r"784,999,999,215 parameters; the limit is 50,000,000"),
    (["Input shape=1x28x28", *["Dense units=5000"] * 4], r"line 5: Dense: .*parameters"),
    (["Input shape=999999999x999999999x999999999", "Flatten"], r"line 2: Input: .*feature maps"),
    (["Input shape=1x9x9", "Conv2D filters=40000000 kernel=1 bias=false"], "feature maps"),
    (["Input shape=1x9x9", "Conv2D filters=1 kernel=3 padding=99999999"], "less padding"),
    (["Input shape=1x9x9", "MaxPool2D pool=999999998 padding=499999999"], "feature maps"),
    (["Input shape=3x900x900", *["Conv2D filters=9 kernel=3 padding=same"] * 3],
     r"line 4: Conv2D: the feature maps"),
    (["Input shape=64x9x9", "Conv2D filters=90000 kernel=9"], r"parameters"),
    (["Input shape=19999999", "Dense units=3"], r"line 3: Dense: .*60,000,000 parameters"),
])
def test_absurd_sizes_are_refused_before_anything_is_made(lines, message):
    start = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(ConfigError, match=message):
            network(*lines)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    assert time.process_time() - start < 2


WORDS = ["5", "Input", "Conv2D", "MaxPool2D", "AvgPool2D", "GlobalAvgPool2D", "Dense", "Flatten",
         "BatchNorm2D", "Dropout", "Softmax", "LeakyReLU", "Train", "shape=1x9x9", "filters=2",
         "kernel=3", "pool=2", "units=3", "padding=same", "padding=1x2", "stride=2", "bias=false",
         "activation=relu", "activation=softmax", "alpha=0.1", "p=0.5", "lr=1", "group_size=2",
         "=", "#", "x", "=3", "shape=", "\t", "\x00", "\u2028", "\ud800", "\xa0", "1" * 30]
JUMBLE = st.lists(st.sampled_from(WORDS + [" ", "\n", "\n", "\n "]), max_size=40).map(" ".join)


@settings(max_examples=300)
@given(st.one_of(st.text(max_size=300), JUMBLE, st.builds(
    lambda at, cut, new: S1[:at] + new + S1[at + cut:],
    st.integers(0, len(S1)), st.integers(0, 12), st.one_of(st.sampled_from(WORDS), st.text()))))
@example("2\nInput shape=1x9x9\nSigmoid")
@example("2\nInput shape=9\nDense units=3\n" + "Conv2D" * 1000)
def test_any_text_gives_a_recipe_or_a_config_error(text):
    start = time.process_time()
    try:
        recipe = parse(text)
    except ConfigError:
        pass
    else:
        assert isinstance(recipe, Recipe)
        if recipe.parameters < 100_000:
            build(recipe, np.random.default_rng(0))
    assert time.process_time() - start < 2


@pytest.mark.parametrize("text", [
    "5\n" + "Dense " * 16_000, "5\n" + " \n" * 30_000, "9" * 99_999, "=" * 99_999,
    "2\nInput shape=9\nDense units=" + "1" * 90_000 + "x",
    "2\nInput shape=9\nLeakyReLU alpha=" + "1" * 90_000 + "e",
    "2\nInput shape=" + "1x" * 45_000, "2\nInput shape=9\nDense " + "a=" * 40_000,
])
def test_long_texts_are_refused_quickly(text):
    start = time.process_time()
    with pytest.raises(ConfigError):
        parse(text)
    assert time.process_time() - start < 2


# ---- files


def test_read(tmp_path):
    path = tmp_path / "net.txt"
    path.write_bytes(b"\xef\xbb\xbf" + S1.replace("\n", "\r\n").encode())
    assert read(path).parameters == 401_954
    path.write_bytes(s1("filters", "filtres").encode())
    with pytest.raises(ConfigError, match=r"net\.txt, line 3: Conv2D: .*Did you mean filters"):
        read(path)
    path.write_bytes(b"5\nInput shape=1x28x28 # \xe9t\xe9")
    with pytest.raises(ConfigError, match=r"net\.txt, line 2: not UTF-8 text \(byte 0xe9\)"):
        read(path)
    path.write_bytes(b"")
    with pytest.raises(ConfigError, match=r"net\.txt: empty"):
        read(path)
    path.write_bytes(S1.encode("utf-16"))
    with pytest.raises(ConfigError, match=r"net\.txt, line 1: not UTF-8"):
        read(path)
    path.write_bytes(b"#" * 1_000_000)
    with pytest.raises(ConfigError, match=r"net\.txt: more than 100,000 characters"):
        read(path)


def test_a_file_that_is_not_there(tmp_path):
    wanted = r"no file .*missing\.txt; expected a text file with a network \(see the README, or " \
             r"`train --help`\)\."
    with pytest.raises(FileNotFoundError, match=wanted + "$"):
        read(tmp_path / "missing.txt")
    with pytest.raises(FileNotFoundError, match=r"no file .*nowhere.missing\.txt; expected"):
        read(tmp_path / "nowhere" / "missing.txt")
    for name in ("mising.txt", "weights.npz", "notes.txt"):
        (tmp_path / name).write_text("")
    with pytest.raises(FileNotFoundError, match=wanted + r" Did you mean .*mising\.txt\?$"):
        read(tmp_path / "missing.txt")
    with pytest.raises(FileNotFoundError, match=r"no file .*xyz\.cfg; .* Text files in .*: "
                                                r"mising\.txt, notes\.txt\.$"):
        read(tmp_path / "xyz.cfg")
    with pytest.raises(OSError, match=r"(is a folder|cannot be read); expected a text file with a "
                                      r"network .*Text files in .*: mising\.txt, notes\.txt\."):
        read(tmp_path)
    for k in range(6):
        (tmp_path / f"net{k}.txt").write_text("")
    with pytest.raises(FileNotFoundError, match=r"mising\.txt, net0\.txt, .* net3\.txt, …\.$"):
        read(tmp_path / "a.very.other.name")


def test_the_short_form_names_every_layer_and_option():
    """From the tables: a line taken from it can be read, and nothing is left out."""
    text = describe("3\nInput shape=1x2x3")
    assert "\n    3\n    Input shape=1x2x3\n" in text
    assert max(map(len, text.splitlines())) <= 100
    head, _, layers, values = text.split("\n\n")
    assert "Input counts, Train does not" in head
    lines = dict(re.match(r"  (\w+) *(.*)", line).groups() for line in
                 layers.replace("\n" + " " * 19, " ").splitlines())
    assert set(lines) == {*LAYERS, "Train"}
    for name, kinds in [*LAYERS.items(), ("Train", TRAIN)]:
        needed, _, _ = lines[name].partition("[")
        assert re.findall(r"(\w+)=", needed) == REQUIRED.get(name, [])
        assert set(re.findall(r"(\w+)=", lines[name])) == set(kinds)
        for option, kind in kinds.items():
            assert re.search(rf"^  {option}= +{re.escape(kind.expected)}( \(.*\))?$", values, re.M)
    assert "momentum=          a number from 0 to below 1 (Train)" in values


# ---- writing the text


def rng0():
    return np.random.default_rng(0)


HAND_MADE = [
    ([Conv2D(1, 4, 3, rng=rng0()), BatchNorm2D(4), ReLU(), MaxPool2D(2), Flatten(),
      Dense(4 * 3 * 4, 3, rng=rng0()), Softmax()], (1, 8, 10)),
    ([ReLU(), Flatten(), Flatten(), Dense(12, 2, rng=rng0())], (3, 2, 2)),
    ([Conv2D(3, 2, (1, 2), stride=(2, 1), padding=((0, 1), (2, 3)), bias=False), Tanh(), ReLU(),
      GlobalAvgPool2D(), Softmax()], (3, 4, 4)),
    ([AvgPool2D(3, 2, 1, count_include_pad=False), LeakyReLU(0.25), Dropout(0.1), Sigmoid(),
      Flatten()], (2, 5, 7)),
    ([Dense(5, 4, bias=False), LeakyReLU(), Dense(4, 1), Sigmoid()], (5,)),
    ([Dense(5, 4), Sigmoid(), Sigmoid()], (5,)),
    ([Dense(5, 4), ReLU(), Softmax()], (5,)),
    ([Conv2D(1, 1, 3, padding="same"), Sigmoid()], (1, 5, 5)),
    ([Conv2D(1, 2, 3, padding=(1, 0)), BatchNorm2D(2, 0.3, 1e-4, 8), LeakyReLU(1 / 3),
      MaxPool2D((2, 1), (1, 3), (1, 0)), Dropout(1 / 3)], (1, 5, 5)),
]


@pytest.mark.parametrize("layers, shape", HAND_MADE, ids=range(len(HAND_MADE)))
def test_a_network_made_by_hand_survives_the_text(layers, shape):
    model = Sequential(layers, input_shape=shape)
    text = to_text(model)
    again = build(text, np.random.default_rng(1))
    assert described(again) == described(model)
    assert to_text(again) == text
    for ours, theirs in zip(model.layers, again.layers):  # what a repr leaves out
        for name in ("alpha", "p", "momentum", "eps", "group_size", "padding"):
            assert getattr(ours, name, None) == getattr(theirs, name, None)


def test_the_text_is_the_published_form():
    text = to_text(build(S1, np.random.default_rng(0)))
    assert text == S1.replace("\n padding", " padding")
    settings = {"optimizer": "sgd", "lr": 1e-05, "epochs": 3, "momentum": 0.9}
    text = to_text(build(S1, np.random.default_rng(0)), train=settings)
    assert text.endswith("\nTrain optimizer=sgd lr=1e-05 epochs=3 momentum=0.9\n")
    assert parse(text).train == settings


def test_what_cannot_be_written():
    class Squeeze(ReLU):
        pass

    with pytest.raises(ConfigError, match=r"to_text: the text begins with the input's shape"):
        to_text(Sequential([Dense(2, 2)]))
    with pytest.raises(ConfigError, match=r"to_text: Squeeze has no line in the text form"):
        to_text(Sequential([Dense(2, 2), Squeeze()], input_shape=(2,)))
    with pytest.raises(ConfigError, match=r"to_text, line 4: Train: unknown option 'speed'"):
        to_text(Sequential([Dense(2, 2)], input_shape=(2,)), train={"speed": 1})


PAIRS = st.one_of(st.integers(1, 3).map(str), st.tuples(
    st.integers(1, 3), st.integers(1, 3)).map(lambda pair: "{}x{}".format(*pair)))
PADDINGS = st.sampled_from(["same", "valid", "0", "1", "1x0", "0x2", "0+1x1+0"])
ACTIVATION = st.sampled_from(["", " activation=relu", " activation=leaky_relu alpha=0.2",
                              " activation=leaky_relu", " activation=tanh",
                              " activation=sigmoid", " activation=none"])


@st.composite
def networks(draw):
    """A text that fits together, for images that are not square."""
    lines = [f"Input shape={draw(st.integers(1, 3))}x{draw(st.integers(6, 9))}x"
             f"{draw(st.integers(6, 11))}"]
    for kind in draw(st.lists(st.sampled_from(
            ["Conv2D", "MaxPool2D", "AvgPool2D", "BatchNorm2D", "Dropout", "ReLU", "Tanh"]),
            max_size=5)):
        if kind == "Conv2D":
            lines.append(f"Conv2D filters={draw(st.integers(1, 4))} kernel={draw(PAIRS)} "
                         f"stride={draw(PAIRS)} padding={draw(PADDINGS)}{draw(ACTIVATION)}"
                         f"{draw(st.sampled_from(['', ' bias=false', ' bias=true']))}")
        elif kind.endswith("Pool2D"):
            lines.append(f"{kind} pool={draw(PAIRS)} stride={draw(PAIRS)}")
        elif kind == "BatchNorm2D":
            lines.append(f"BatchNorm2D{draw(ACTIVATION)}")
        else:
            lines.append(kind)
    lines += draw(st.sampled_from([[], ["Flatten"], ["GlobalAvgPool2D"]]))
    if draw(st.booleans()):
        lines += [f"Dense units={draw(st.integers(1, 5))}{draw(ACTIVATION)}", "Dropout p=0.2"]
    lines.append(draw(st.sampled_from(["Dense units=3", "Dense units=2 activation=softmax",
                                       "Dense units=1 activation=sigmoid", "Flatten"])))
    return "\n".join([str(len(lines)), *lines])


@settings(max_examples=150)
@given(networks(), st.integers(1, 3))
def test_recipe_network_text_and_forward_pass_agree(text, examples):
    try:
        recipe = parse(text)
    except ConfigError as error:
        assert "larger than the padded image" in str(error)  # the only way these go wrong
        return
    model = build(recipe, np.random.default_rng(0))
    assert recipe.parameters == sum(p.data.size for p in model.parameters().values())
    images = np.random.default_rng(1).random((examples, *recipe.input_shape), dtype=np.float32)
    assert model.predict(images).shape == (examples, *recipe.layers[-1].output_shape)
    again = build(to_text(model), np.random.default_rng(0))
    assert described(again) == described(model)
    assert to_text(again) == to_text(model)
    for name, array in model.state().items():
        assert np.array_equal(array, again.state()[name])


# ---- weights


def trained(text=SMALL, dtype=np.float32):
    """A network whose every array, running statistics too, is something random."""
    model, rng = build(text, np.random.default_rng(0), dtype), np.random.default_rng(1)
    for name, array in (state := model.state()).items():
        values = rng.standard_normal(array.shape)
        array[...] = np.abs(values) + 0.1 if name.endswith("running_var") else values
    model.load_state(state)
    return model


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_save_and_load_bit_for_bit(tmp_path, dtype):
    model = trained(dtype=dtype)
    weight = model.parameters()["0.weight"].data
    weight.flat[:3] = np.finfo(dtype).smallest_subnormal, -0.0, np.finfo(dtype).max
    save(tmp_path / "weights", model)
    again = load(tmp_path / "weights")
    assert described(again) == described(model)
    assert set(again.state()) == set(model.state()) and "2.running_var" in again.state()
    for name, array in model.state().items():
        assert again.state()[name].dtype == dtype
        assert again.state()[name].tobytes() == array.tobytes()
    weight.flat[2] = 0
    again.parameters()["0.weight"].data.flat[2] = 0
    images = np.random.default_rng(2).random((3, 2, 5, 6)).astype(dtype)
    assert np.array_equal(again.predict(images), model.predict(images))
    assert np.array_equal(again.forward(images), model.forward(images))
    assert all(p.grad.dtype == dtype for p in again.parameters().values())


@settings(max_examples=40)
@given(networks(), st.sampled_from([np.float32, np.float64]))
def test_every_network_can_be_saved(tmp_path_factory, text, dtype):
    try:
        model = trained(text, dtype)
    except ConfigError:
        return
    path = tmp_path_factory.mktemp("saved") / "w.npz"
    save(path, model)
    again = load(path)
    assert described(again) == described(model)
    for name, array in model.state().items():
        assert again.state()[name].tobytes() == array.tobytes()


def test_the_file_is_at_the_path_given_plain_and_reproducible(tmp_path):
    for name in ("weights", "weights.npz", "w.dat"):
        save(str(tmp_path / name), trained())
    assert sorted(os.listdir(tmp_path)) == ["w.dat", "weights", "weights.npz"]
    assert (tmp_path / "weights").read_bytes() == (tmp_path / "w.dat").read_bytes()
    with np.load(tmp_path / "weights.npz", allow_pickle=False) as arrays:
        assert set(arrays) == {"config", *trained().state()}
        assert str(arrays["config"]) == to_text(trained())
        assert np.array_equal(arrays["0.weight"], trained().state()["0.weight"])
    with zipfile.ZipFile(tmp_path / "weights") as archive:  # no clock: the same bytes tomorrow
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert os.stat(tmp_path / "weights").st_mode & 0o777 == \
        os.stat(_touch(tmp_path / "plain")).st_mode & 0o777


def _touch(path):
    path.write_text("")
    return path


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "w.npz"
    save(path, trained())
    before = path.read_bytes()
    for place, name in ((np.lib.format, "write_array"), (os, "fsync"), (os, "replace")):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, _fail)
            with pytest.raises(OSError, match="disk full"):
                save(path, trained())
        assert path.read_bytes() == before and os.listdir(tmp_path) == ["w.npz"]


def _fail(*_, **__):
    raise OSError("disk full")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["0.bias", "2.running_var"])
def test_numbers_that_are_not_finite_are_neither_saved_nor_loaded(tmp_path, value, name):
    model = trained()
    state = model.state()
    state[name][1] = value
    model.load_state(state)
    with pytest.raises(ConfigError, match=rf"save: {name}: expected finite .* at \(1,\).*diverge"):
        save(tmp_path / "w.npz", model)
    assert os.listdir(tmp_path) == []
    write_npz(tmp_path / "w.npz", config=to_text(model), **state)
    with pytest.raises(ConfigError,
                       match=rf"^[^(]*w\.npz: {name}\.npy: expected finite .* at \(1,\)"):
        load(tmp_path / "w.npz")


def test_mixed_or_other_dtypes_are_not_saved(tmp_path):
    with pytest.raises(ConfigError, match="got float32 and float64"):
        save(tmp_path / "w", Sequential([Dense(2, 2), Dense(2, 2, dtype=np.float64)], (2,)))
    with pytest.raises(ConfigError, match="got float16"):
        save(tmp_path / "w", trained().astype(np.float16))


def write_npz(path, **arrays):
    with open(path, "wb") as file:
        np.savez(file, **arrays)


def contents():
    return {"config": np.array(to_text(trained())), **trained().state()}


def without(name):
    return {key: value for key, value in contents().items() if key != name}


BAD_ARRAYS = [
    (without("0.bias"), r"missing '0\.bias'; not expected nothing"),
    ({**contents(), "9.weight": np.ones(2)}, r"missing nothing; not expected '9\.weight'"),
    (without("2.running_mean"), r"missing '2\.running_mean'"),
    (without("config"), r"expected a key config with the network's text, found '0\.weight'"),
    ({}, r"expected a key config .* found nothing"),
    ({**contents(), "0.bias": np.zeros(4, np.float32)},
     r"0\.bias\.npy: expected shape \(3,\) from the network's text, found \(4,\)"),
    ({**contents(), "0.bias": np.zeros((1, 3), np.float32)}, r"expected shape \(3,\)"),
    ({**contents(), "0.bias": np.zeros(3, np.int64)}, r"expected float32 or float64, found int64"),
    ({**contents(), "0.bias": np.zeros(3, np.float16)}, r"found float16"),
    ({**contents(), "0.bias": np.zeros(3, np.complex64)}, r"found complex64"),
    ({**contents(), "0.bias": np.zeros(3, np.float64)}, r"expected one dtype, found '"),
    ({**contents(), "0.bias": np.array([None, 1, 2])},
     r"0\.bias\.npy holds pickled Python objects"),
    ({**contents(), "config": np.array([None])}, r"config\.npy holds pickled Python objects"),
    ({**contents(), "config": np.array([1.0, 2.0])}, r"config: expected a text"),
    ({**contents(), "config": np.array(["a", "b"])}, r"config: expected a text"),
    ({**contents(), "config": np.array("")}, r"its config: empty"),
    ({**contents(), "config": np.array("x" * 200_000)}, r"config: expected a text of at most"),
    ({**contents(), "config": np.array(SMALL.replace("Dense", "Dens"))},
     r"its config, line 5: unknown layer 'Dens'"),
    ({**contents(), "config": np.array(SMALL.replace("units=4", "units=5"))},
     r"expected shape \(90, 5\).*found \(90, 4\)|expected shape"),
]


@pytest.mark.parametrize("arrays, message", BAD_ARRAYS, ids=range(len(BAD_ARRAYS)))
def test_arrays_that_are_not_the_networks(tmp_path, arrays, message):
    path = tmp_path / "w.npz"
    write_npz(path, **arrays)
    with pytest.raises(ConfigError, match=rf"w\.npz.*{message}"):
        load(path)


def test_files_that_are_not_weights(tmp_path):
    path = tmp_path / "w.npz"
    save(path, trained())
    whole = path.read_bytes()
    for damaged in (b"", b"<!DOCTYPE html>", whole[:-1], whole[: len(whole) // 2], whole[100:],
                    whole[:-22]):
        path.write_bytes(damaged)
        with pytest.raises(ConfigError, match=r"w\.npz: not a readable weights file"):
            load(path)
    np.save(tmp_path / "array.npy", np.ones(3))
    with pytest.raises(ConfigError, match=r"array\.npy: not a readable weights file"):
        load(tmp_path / "array.npy")
    with pytest.raises(OSError, match="nothing.npz"):
        load(tmp_path / "nothing.npz")


def test_two_arrays_of_one_name(tmp_path):
    path = tmp_path / "w.npz"
    save(path, trained())
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning):
        archive.writestr("0.bias.npy", b"")
    with pytest.raises(ConfigError, match=r"w\.npz: two arrays .* same name"):
        load(path)


@settings(max_examples=150)
@given(st.integers(0, 10**9), st.integers(1, 255), st.integers(1, 4))
def test_a_damaged_byte_is_an_error_or_harmless(tmp_path_factory, where, change, count):
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    save(path, trained())
    content = bytearray(path.read_bytes())
    for index in range(count):
        content[(where * (index + 1)) % len(content)] ^= change
    path.write_bytes(bytes(content))
    try:
        again = load(path)
    except ConfigError as error:
        assert str(path) in str(error)
    else:  # e.g. a byte of the date
        for name, array in trained().state().items():
            assert again.state()[name].tobytes() == array.tobytes()


def npy(array, shape=None, descr=None):
    """The bytes of an array whose header says what it likes."""
    buffer = io.BytesIO()
    header = {"descr": descr or np.lib.format.dtype_to_descr(array.dtype),
              "fortran_order": False, "shape": shape or array.shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue() + array.tobytes()


@pytest.mark.parametrize("member, message", [
    (npy(np.zeros(3, np.float32), shape=(10**12,)), r"shape \(1000000000000,\) of float32 needs"),
    (npy(np.zeros(3, np.float32), shape=(2,)), r"needs .* bytes, but the file says"),
    (npy(np.zeros(50_000_000, np.float32)), r"expected shape \(3,\).*found \(50000000,\)"),
    (npy(np.zeros(3, np.float32), descr="<U100000000"), r"needs"),
])
def test_sizes_in_the_file_are_not_believed(tmp_path, member, message):
    """A forged header, and a zip bomb: 200 MB of zeros in 200 kB."""
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in contents().items():
            archive.writestr(f"{name}.npy", member if name == "0.bias" else npy(array))
    del member
    tracemalloc.start()
    try:
        with pytest.raises(ConfigError, match=rf"bomb\.npz: 0\.bias\.npy: .*{message}"):
            load(path)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_a_compressed_text_of_many_zeros_is_not_read(tmp_path):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.npy", npy(np.array("5" * 20_000_000)))
    tracemalloc.start()
    try:
        with pytest.raises(ConfigError, match=r"bomb\.npz: config: expected a text of at most"):
            load(path)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_column_order_and_compressed_files_are_read(tmp_path):
    arrays = {name: np.asfortranarray(array) if array.ndim else array
              for name, array in contents().items()}
    np.savez_compressed(tmp_path / "w.npz", **arrays)
    for name, array in trained().state().items():
        assert np.array_equal(load(tmp_path / "w.npz").state()[name], array)
