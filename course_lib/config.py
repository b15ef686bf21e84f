"""A network as a text file, and a trained network as one .npz file.

Imports shapes, layers, model and npz; no training code, no plots.
"""

from __future__ import annotations

import difflib
import os
import re
import textwrap
from dataclasses import dataclass, field
from math import isfinite, prod
from pathlib import Path
from typing import Callable, Iterator

import numpy as np

from course_lib import npz
from course_lib.layers import (
    AvgPool2D, BatchNorm2D, Conv2D, Dense, Dropout, Flatten, GlobalAvgPool2D, LeakyReLU,
    MaxPool2D, ReLU, Sigmoid, Softmax, Tanh,
)
from course_lib.model import Sequential
from course_lib.shapes import resolve_padding, resolve_windows

# Limits, checked on sizes alone, before any array is made.
MAX_CHARACTERS = 100_000  # of a text
MAX_LAYERS = 1_000
MAX_PARAMETERS = 50_000_000  # of a network: 200 MB in float32
MAX_ACTIVATIONS = 20_000_000  # of one image, all feature maps and their padding together


class ConfigError(ValueError):
    """A text or a file that does not describe a network; says where, and what was expected."""


@dataclass(frozen=True)
class LayerLine:
    """One line of the text: `Conv2D filters=16 kernel=3x3` and what follows from it."""

    name: str
    options: dict
    line: int
    output_shape: tuple[int, ...]
    parameters: int


@dataclass(frozen=True)
class Recipe:
    """A text that was understood; `build` makes the network from it."""

    input_shape: tuple[int, ...]
    layers: list[LayerLine]
    train: dict = field(default_factory=dict)
    source: str = "text"

    @property
    def parameters(self) -> int:
        """Numbers that training changes."""
        return sum(layer.parameters for layer in self.layers)


# ---- what the lines may say


@dataclass(frozen=True)
class Kind:
    """A kind of value: what a message calls it, and how a word becomes one (or ValueError)."""

    expected: str
    read: Callable[[str], object]


def _whole(least: int) -> Callable[[str], int]:
    def read(word: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", word) or int(word) < least:
            raise ValueError
        return int(word)

    return read


def _pair(word: str) -> tuple[int, int]:
    parts = word.split("x") if "x" in word else [word, word]
    if len(parts) != 2:
        raise ValueError
    return _whole(1)(parts[0]), _whole(1)(parts[1])


def _padding(word: str):
    """same, valid, 1, 1x2 (vertical x horizontal) or 0+1x2+3 (before+after, each axis)."""
    if word in ("same", "valid"):
        return word
    parts = word.split("x") if "x" in word else [word, word]
    sides = [[_whole(0)(side) for side in part.split("+")] for part in parts]
    if len(sides) != 2 or max(map(len, sides)) > 2:
        raise ValueError
    if sides[0] == sides[1] and len(sides[0]) == 1:
        return sides[0][0]
    if max(map(len, sides)) == 1:
        return sides[0][0], sides[1][0]
    return tuple((side[0], side[-1]) for side in sides)


def _number(accept: Callable[[float], bool]) -> Callable[[str], float]:
    form = re.compile(r"[+-]?([0-9]{1,20}(\.[0-9]{0,25})?|\.[0-9]{1,25})([eE][+-]?[0-9]{1,3})?")

    def read(word: str) -> float:
        if not form.fullmatch(word) or not isfinite(float(word)) or not accept(float(word)):
            raise ValueError
        return float(word)

    return read


def _choice(values: dict) -> Kind:
    def read(word: str):
        if word not in values:
            raise ValueError
        return values[word]

    return Kind(f"one of {', '.join(values)}", read)


def _names(*names: str) -> Kind:
    return _choice({name: name for name in names})


def _none_or(nothing, read: Callable[[str], object]) -> Callable[[str], object]:
    return lambda word: nothing if word == "none" else read(word)


def _shape(word: str) -> tuple[int, ...]:
    shape = tuple(_whole(1)(size) for size in word.split("x"))
    if len(shape) not in (1, 3):
        raise ValueError
    return shape


COUNT = Kind("a whole number, 1 or more", _whole(1))
PAIR = Kind("a size: one number like 3, or height x width like 3x5, each 1 or more", _pair)
PADDING = Kind("same, valid, a number like 1, or height x width like 1x0", _padding)
POSITIVE = Kind("a number above 0", _number(lambda value: value > 0))
NOT_NEGATIVE = Kind("a number, 0 or more", _number(lambda value: value >= 0))
FRACTION = Kind("a number from 0 to below 1", _number(lambda value: 0 <= value < 1))
MOMENTUM = Kind("a number above 0, at most 1", _number(lambda value: 0 < value <= 1))
GROUP = Kind("a whole number or none", _none_or(None, _whole(1)))
TRUTH = _choice({"true": True, "false": False})
ACTIVATIONS = {"relu": ReLU, "leaky_relu": LeakyReLU, "sigmoid": Sigmoid, "tanh": Tanh,
               "softmax": Softmax}
ACTIVATION = {"activation": _names("none", *ACTIVATIONS), "alpha": NOT_NEGATIVE}
POOL = {"pool": PAIR, "stride": PAIR, "padding": PADDING}

LAYERS: dict[str, dict[str, Kind]] = {
    "Input": {"shape": Kind("channels x height x width like 1x28x28, or one number", _shape)},
    "Conv2D": {"filters": COUNT, "kernel": PAIR, "stride": PAIR, "padding": PADDING,
               "bias": TRUTH, **ACTIVATION},
    "MaxPool2D": POOL,
    "AvgPool2D": {**POOL, "count_include_pad": TRUTH},
    "GlobalAvgPool2D": {},
    "Flatten": {},
    "Dense": {"units": COUNT, "bias": TRUTH, **ACTIVATION},
    "BatchNorm2D": {"momentum": MOMENTUM, "eps": POSITIVE, "group_size": GROUP, **ACTIVATION},
    "Dropout": {"p": FRACTION},
    "ReLU": {}, "LeakyReLU": {"alpha": NOT_NEGATIVE}, "Sigmoid": {}, "Tanh": {}, "Softmax": {},
}
TRAIN: dict[str, Kind] = {
    "optimizer": _names("sgd", "rmsprop", "adam"),
    "lr": POSITIVE,
    "epochs": COUNT,
    "batch": COUNT,
    "schedule": _names("constant", "step", "cosine", "one_cycle"),
    "every": COUNT,  # step: epochs between two reductions
    "factor": POSITIVE,  # step: what the rate is multiplied by
    "augment": Kind("none, or the pixels of a random shift like 1", _none_or(0, _whole(0))),
    "momentum": FRACTION,
    "weight_decay": NOT_NEGATIVE,
    "seed": Kind("a whole number, 0 or more", _whole(0)),
}
REQUIRED = {"Input": ["shape"], "Conv2D": ["filters", "kernel"], "MaxPool2D": ["pool"],
            "AvgPool2D": ["pool"], "Dense": ["units"]}


def describe(example: str = "") -> str:
    """The text form in short, from the tables above: an example, each layer, each option.

    >>> print(describe("1\\nFlatten").split("\\n\\n")[1])
        1
        Flatten
    """
    optional = [(name, list(kinds), REQUIRED.get(name, [])) for name, kinds in LAYERS.items()]
    optional.append(("Train", list(TRAIN), []))
    lines = []
    for name, options, needed in optional:
        rest = "= ".join(option for option in options if option not in needed)
        words = [f"{option}=" for option in needed] + ([f"[{rest}=]"] if rest else [])
        lines += textwrap.wrap(" ".join(words), 96, initial_indent=f"  {name:17}",
                               subsequent_indent=" " * 19) or [f"  {name}"]
    return "\n\n".join([ABOUT, _indented(example), "\n".join(lines), _values()])


ABOUT = """The text form of a network: first the number of layers (Input counts, Train does not),
then one layer a line, then, if you like, a Train line. A line that begins with a blank
continues the line above; # begins a comment. What stands in [ ] may be left out."""


def _indented(text: str) -> str:
    return "\n".join("    " + line for line in text.strip().splitlines())


def _values() -> str:
    """A line for each option: what it expects, and whose it is where that differs."""
    whose: dict[str, dict[str, str]] = {}
    for name, kinds in [*LAYERS.items(), ("Train", TRAIN)]:
        for option, kind in kinds.items():
            whose.setdefault(option, {}).setdefault(kind.expected, name)
    lines = []
    for option, meanings in whose.items():
        for expected, name in meanings.items():
            of = f" ({name})" if len(meanings) > 1 else ""
            lines.append(f"  {option + '=':19}{expected}{of}")
    return "\n".join(lines)


# ---- text -> Recipe


def parse(text: str, source: str = "text") -> Recipe:
    """Read the text form of a network.

        5
        Input shape=1x28x28
        Conv2D filters=16 kernel=3x3 stride=1
         padding=same activation=relu
        MaxPool2D pool=2x2 stride=2
        Dense units=128 activation=relu
        Dense units=2 activation=softmax
        Train optimizer=adam lr=0.01 epochs=2 batch=64

    The first line counts the layers: Input counts, the Flatten that is put before a Dense on
    feature maps does not, nor does the Train line, which may follow the layers.
    A line that begins with a blank (space or tab) continues the line above. A # begins a comment;
    empty lines and lines of comment only are skipped. Words are separated by blanks; an option
    is written name=value, in any order, at most once.

    Defaults: stride=1 (a pool: its own size), padding=valid, bias=true, activation=none.
    activation= and alpha= (for leaky_relu) may stand on Conv2D, Dense and BatchNorm2D; a line
    ReLU, LeakyReLU, Sigmoid, Tanh or Softmax does the same anywhere else. softmax only at the end.
    Sizes are checked here, before a single array is made. Raises ConfigError.
    >>> recipe = parse("3\\nInput shape=1x8x8\\nConv2D filters=4 kernel=3x3\\nDense units=2")
    >>> [layer.output_shape for layer in recipe.layers], recipe.parameters
    ([(4, 6, 6), (2,)], 330)
    """
    if not isinstance(text, str):
        raise ConfigError(f"{source}: expected the text of a network, got {type(text).__name__}.")
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(f"{source}: more than {MAX_CHARACTERS:,} characters: not a network.")
    statements = list(_statements(text, source))
    if not statements:
        raise ConfigError(f"{source}: empty. Expected the number of layers on the first line, "
                          "then one layer a line, from Input shape=... on.")
    layers, train = _split(statements, source)
    if not layers or layers[0][0].text != "Input":
        where = layers[0] if layers else statements[0]
        raise _error(source, where[0], "expected the line Input shape=... after the count, "
                     f"got {_shown(where[0].text) if layers else 'nothing'}")
    input_shape = _options(layers[0], LAYERS["Input"], source)["shape"]
    lines = _follow(input_shape, layers, source)
    _check_count(statements[0], len(layers), source)
    settings = _options(train, TRAIN, source) if train else {}
    if train:
        _check_train(train, settings, source)
    return Recipe(input_shape, lines, settings, source)


def read(path: str | os.PathLike) -> Recipe:
    """Read the text form from a UTF-8 file; CRLF line ends and a byte order mark are fine.

    Raises ConfigError for a wrong text, OSError for a file that is not there or cannot be read.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(4 * MAX_CHARACTERS + 1)
    except OSError as error:
        raise _unreadable(Path(path), error) from None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"{path}, line {line}: not UTF-8 text (byte 0x{content[error.start]:02x}). "
            "Save the file as UTF-8."
        ) from None
    return parse(text, str(path))


def _unreadable(path: Path, error: OSError) -> OSError:
    """The same kind of error in plain words, with the text files that lie beside the path."""
    kind = {"FileNotFoundError": f"no file {path}", "IsADirectoryError": f"{path} is a folder",
            "PermissionError": f"{path} cannot be read"}.get(type(error).__name__, str(error))
    folder = path if path.is_dir() else path.parent
    texts = sorted(beside.name for beside in folder.glob("*.txt") if beside.is_file())
    near = difflib.get_close_matches(path.name, texts, n=1)
    hint = f" Did you mean {folder / near[0]}?" if near else ""
    if texts and not near:
        hint = f" Text files in {folder}: {', '.join(texts[:5])}{', …' * (len(texts) > 5)}."
    return type(error)(f"{kind}; expected a text file with a network (see the README, or "
                       f"`train --help`).{hint}")


@dataclass(frozen=True)
class Word:
    text: str
    line: int


def _statements(text: str, source: str) -> Iterator[list[Word]]:
    """Lines joined with their continuations, without comments, as words that know their line."""
    statement: list[Word] = []
    for number, line in enumerate(re.split("\r\n|\r|\n", text.removeprefix("\ufeff")), 1):
        line = line.partition("#")[0]
        words = [Word(word, number) for word in re.split("[ \t]+", line.strip(" \t")) if word]
        if not words:
            continue
        if line[0] not in " \t":
            if statement:
                yield statement
            statement = words
        elif statement and not re.fullmatch("[0-9]+", statement[0].text):
            statement += words
        else:
            raise _error(source, words[0], "this line begins with a blank, so it continues the "
                         f"line above, but there is no layer above it: {_shown(words[0].text)}. "
                         "Remove the blanks (in Python: textwrap.dedent)")
    if statement:
        yield statement


_KNOWN = [*LAYERS, "Train"]


def _split(statements, source: str):
    """(layer lines, Train line or None); the first statement, the count, is left out."""
    first, *rest = statements
    if not re.fullmatch("[0-9]{1,9}", first[0].text) or len(first) > 1:
        raise _count_error(first, rest, source)
    if len(rest) > MAX_LAYERS:
        raise ConfigError(f"{source}: more than {MAX_LAYERS} layers.")
    for position, words in enumerate(rest):
        name = words[0]
        if name.text not in _KNOWN:
            raise _error(source, name, f"unknown layer {_shown(name.text)}. "
                         f"{_suggest(name.text, _KNOWN)}")
        if name.text == "Train" and position + 1 < len(rest):
            raise _error(source, rest[position + 1][0], "the Train line is the last one, but "
                         f"{_shown(rest[position + 1][0].text)} follows. Move Train to the end")
    if rest and rest[-1][0].text == "Train":
        return rest[:-1], rest[-1]
    return rest, None


def _count_error(first: list[Word], rest, source: str) -> ConfigError:
    """The first line is no number: say which it should be, from the lines that follow."""
    count = sum(words[0].text != "Train" for words in rest)
    is_layer = any(word.text in _KNOWN or "=" in word.text for word in first)
    if is_layer:  # the count is missing, or stands on the line of the first layer
        count += first[0].text != "Train"
    what = f"{count} here (Input counts, Train does not)"
    if count and is_layer:
        fix = f"Write {what} on a line of its own, above {_shown(_layer_word(first))}"
    elif count:
        fix = f"Write {what}"
    else:
        fix = "No layers follow; they come one a line, from Input shape=... on"
    got = _shown(" ".join(word.text for word in first))
    return _error(source, first[0], f"the first line must be the number of layers, and nothing "
                  f"else, got {got}. {fix}")


def _layer_word(first: list[Word]) -> str:
    """The word that the layer on the first line begins with, a number before it left out."""
    numbers = len(first) > 1 and re.fullmatch("[0-9]+", first[0].text)
    return first[1 if numbers else 0].text


def _check_count(first: list[Word], found: int, source: str) -> None:
    if int(first[0].text) != found:
        raise _error(source, first[0], f"the first line says {first[0].text} layers, but {found} "
                     "follow (Input counts; the implicit Flatten and the Train line do not). "
                     f"Write {found}")


def _options(words: list[Word], kinds: dict[str, Kind], source: str) -> dict:
    """{option: value} of one line."""
    name, found = words[0].text, {}
    for word in words[1:]:
        option, equals, value = word.text.partition("=")
        if not equals:
            hint = "A new layer begins at the left margin" if option in _KNOWN else \
                f"Write {_meant(name, word.text, kinds, found)}"
            raise _error(source, word, f"{name}: expected option=value without blanks, "
                         f"got {_shown(word.text)}. {hint}")
        if option not in kinds:
            raise _error(source, word, f"{name}: unknown option {_shown(option)}. "
                         f"{_suggest(option, list(kinds))}")
        if option in found:
            raise _error(source, word, f"{name}: the option {option} is given twice, the second "
                         f"time as {_shown(word.text)}. Remove one")
        try:
            found[option] = kinds[option].read(value)
        except ValueError:
            raise _error(source, word, f"{name}: {option}= expects {kinds[option].expected}, "
                         f"got {_shown(value)}{_value_hint(kinds[option], value)}") from None
    for option in REQUIRED.get(name, []):
        if option not in found:
            raise _error(source, words[0], f"{name}: the option {option}= is missing; it expects "
                         f"{kinds[option].expected}")
    return found


def _meant(name: str, value: str, kinds: dict[str, Kind], found: dict) -> str:
    """What a bare value was probably meant to be: `shape=1x28x28` for `1x28x28`, say.

    A number could be anything but the first option that the line still needs; a word like relu
    belongs to the option that knows it.
    """
    missing = [option for option in REQUIRED.get(name, []) if option not in found]
    number = re.match("[0-9.+-]", value)
    for option in missing[:1] if number else kinds:
        try:
            kinds[option].read(value)
        except ValueError:
            continue
        return f"{name} {option}={value}"
    return f"{value}=VALUE, with no blank around =" if value in kinds else "name=value"


def _check_train(words: list[Word], settings: dict, source: str) -> None:
    needs = {"momentum": ("optimizer", "sgd"), "every": ("schedule", "step"),
             "factor": ("schedule", "step")}
    for option, (other, value) in needs.items():
        if option in settings and settings.get(other) != value:
            word = next(word for word in words if word.text.startswith(option + "="))
            raise _error(source, word, f"Train: {option}= belongs to {other}={value}, but {other} "
                         f"is {settings.get(other, 'not given')}")


def _suggest(word: str, known: list[str]) -> str:
    if not known:
        return "It takes no options"
    lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word[:40].lower(), lower, n=1)
    return f"Did you mean {lower[close[0]]}?" if close else f"Known are {', '.join(known)}"


def _value_hint(kind: Kind, value: str) -> str:
    if not kind.expected.startswith("one of "):
        return ""
    close = difflib.get_close_matches(value[:40].lower(), kind.expected[7:].split(", "), n=1)
    return f". Did you mean {close[0]}?" if close else ""


def _shown(word: str) -> str:
    return ascii(word) if len(word) <= 40 else ascii(word[:37] + "...")


def _error(source: str, word: Word | LayerLine, message: str) -> ConfigError:
    end = "" if message.endswith((".", "?")) else "."
    return ConfigError(f"{source}, line {word.line}: {message}{end}")


# ---- shapes, followed from layer to layer before anything is made


def _follow(shape: tuple[int, ...], statements, source: str) -> list[LayerLine]:
    """Read each layer line and say what shape it gives."""
    first = statements[0][0]
    if len(statements) < 2:
        raise _error(source, first, "expected at least one layer after Input")
    lines: list[LayerLine] = []
    if len(statements) == 2 and statements[1][0].text in ("Softmax", "Sigmoid"):
        raise _error(source, statements[1][0], f"{statements[1][0].text} turns the scores of the "
                     "layers above into probabilities, but there are none. Put a Dense there")
    numbers = _check_activations(prod(shape), first, source)
    for words in statements[1:]:
        name = words[0].text
        options = _options(words, LAYERS[name], source)
        try:
            _check_end(name, options, last=words is statements[-1])
            output, parameters, work = _sizes(name, options, shape)
        except ValueError as error:
            raise _error(source, words[0], _named(name, str(error))) from None
        lines.append(LayerLine(name, options, words[0].line, output, parameters))
        total = sum(line.parameters for line in lines)
        if total > MAX_PARAMETERS:
            raise _error(source, words[0], f"{name}: the network would have {total:,} parameters; "
                         f"the limit is {MAX_PARAMETERS:,}. Use fewer filters or units, or pool "
                         "before Dense")
        numbers = _check_activations(numbers + work, words[0], source)
        shape = output
    return lines


def _check_activations(numbers: int, word: Word, source: str) -> int:
    if numbers > MAX_ACTIVATIONS:
        raise _error(source, word, f"{word.text}: the feature maps of one image would hold "
                     f"{numbers:,} numbers; the limit is {MAX_ACTIVATIONS:,}. Use smaller images, "
                     "fewer filters or less padding")
    return numbers


def _check_end(name: str, options: dict, last: bool) -> None:
    """Rules about activations that no single option can check."""
    activation = options.get("activation", "none")
    if name == "Input":
        raise ValueError("Input may only stand on the first line after the count")
    if "alpha" in options and name != "LeakyReLU" and activation != "leaky_relu":
        raise ValueError(f"alpha= belongs to activation=leaky_relu, not to {activation}")
    if "softmax" in (activation, name.lower()):
        if name not in ("Dense", "Softmax"):
            raise ValueError("softmax turns the scores of the last Dense into probabilities; "
                             "here use relu, leaky_relu, sigmoid or tanh")
        if not last:
            raise ValueError("softmax may only stand on the last layer; here use relu, "
                             "leaky_relu, sigmoid or tanh")


def _sizes(name: str, options: dict, shape) -> tuple[tuple[int, ...], int, int]:
    """(output shape, parameters, numbers that one image needs) of a layer on `shape`."""
    bias = options.get("bias", True)
    softmax = "softmax" in (options.get("activation"), name.lower())
    if name in ("Conv2D", "MaxPool2D", "AvgPool2D", "GlobalAvgPool2D", "BatchNorm2D"):
        if len(shape) != 3:
            raise ValueError(f"expected feature maps (C, H, W), but the layers above leave a flat "
                             f"vector of {shape[0]} numbers. Put {name} before Flatten and Dense")
    if name == "Dense":
        units = options["units"]
        if softmax and units == 1:
            raise ValueError("softmax over one unit is always 1. Use units=2, or sigmoid")
        return (units,), units * (prod(shape) + bias), units
    if name == "Conv2D":
        C, F, (KH, KW) = shape[0], options["filters"], options["kernel"]
        output, padded = _windows(options, options["kernel"], shape, default_stride=1)
        return (F, *output), F * (C * KH * KW + bias), C * padded + F * prod(output)
    if name in ("MaxPool2D", "AvgPool2D"):
        _, padded = _windows(options, options["pool"], shape, default_stride=options["pool"])
        output = _layers(name, options, shape)[0].output_shape(shape)
        return output, 0, shape[0] * padded + prod(output)
    if name == "BatchNorm2D":
        return shape, 2 * shape[0], prod(shape)
    if softmax and (len(shape) != 1 or shape[0] == 1):
        raise ValueError(f"expected a flat vector of at least two scores, got shape {shape}")
    output = _layers(name, options, shape)[-1].output_shape(shape)
    return tuple(output), 0, prod(output)


def _windows(options, kernel, shape, default_stride) -> tuple[tuple[int, int], int]:
    """(output size, pixels of one padded channel); the padded size is checked first."""
    stride = options.get("stride", default_stride)
    stride = (stride, stride) if isinstance(stride, int) else stride
    padding = resolve_padding(options.get("padding", 0), shape[1:], kernel, stride)
    padded = prod(size + sum(sides) for size, sides in zip(shape[1:], padding))
    return resolve_windows(shape[1:], kernel, stride, padding).output, padded


def _named(name: str, message: str) -> str:
    return message if message.startswith(name) else f"{name}: {message}"


# ---- Recipe -> Sequential


def build(recipe: Recipe | str, rng: np.random.Generator, dtype=np.float32) -> Sequential:
    """Make the network of a recipe or of its text; rng draws the first weights.

    >>> model = build("2\\nInput shape=3x8x9\\nDense units=2 activation=softmax",
    ...               np.random.default_rng(0))
    >>> model.output, sorted(model.parameters())
    ('softmax', ['1.bias', '1.weight'])
    """
    recipe = recipe if isinstance(recipe, Recipe) else parse(recipe)
    return _make(recipe, rng=rng, dtype=dtype)


def _make(recipe: Recipe, **making) -> Sequential:
    layers, shape = [], recipe.input_shape
    for line in recipe.layers:
        try:
            layers += _layers(line.name, line.options, shape, **making)
        except ValueError as error:
            raise _error(recipe.source, line, _named(line.name, str(error))) from None
        shape = line.output_shape
    return Sequential(layers, input_shape=recipe.input_shape)


def _layers(name: str, options: dict, shape, **making) -> list:
    """The layer objects of one line: Flatten where Dense needs it, the layer, its activation."""
    options = dict(options)
    activation, alpha = options.pop("activation", "none"), options.pop("alpha", None)
    bias, stride = options.pop("bias", True), options.pop("stride", None)
    after = [_activation(ACTIVATIONS[activation], alpha)] if activation != "none" else []
    if name == "Conv2D":
        conv = Conv2D(shape[0], options["filters"], options["kernel"], stride=stride or 1,
                      padding=options.get("padding", 0), bias=bias, **making)
        return [conv, *after]
    if name == "Dense":
        flatten = [Flatten()] if len(shape) == 3 else []
        return [*flatten, Dense(prod(shape), options["units"], bias=bias, **making), *after]
    if name == "BatchNorm2D":
        return [BatchNorm2D(shape[0], dtype=making["dtype"], **options), *after]
    if name in ("MaxPool2D", "AvgPool2D"):
        pool = {"MaxPool2D": MaxPool2D, "AvgPool2D": AvgPool2D}[name]
        return [pool(options.pop("pool"), stride=stride, **options)]
    if name == "LeakyReLU":
        return [_activation(LeakyReLU, alpha)]
    if name == "Dropout" and making.get("rng") is not None:
        options["rng"] = np.random.default_rng(making["rng"].integers(2**63))  # its own stream
    return [SIMPLE[name](**options)]


SIMPLE = {"GlobalAvgPool2D": GlobalAvgPool2D, "Flatten": Flatten, "Dropout": Dropout,
          "ReLU": ReLU, "Sigmoid": Sigmoid, "Tanh": Tanh, "Softmax": Softmax}


def _activation(kind, alpha):
    return kind() if alpha is None else kind(alpha=alpha)


# ---- Sequential -> text


def to_text(model: Sequential, train: dict | None = None) -> str:
    """Write a network in the text form; parse and build give the same layers again.

    An activation is written on the line of the layer before it where that line may hold one,
    and the Flatten before a Dense is left implicit. `train` becomes the Train line.
    Raises ConfigError for a layer that the form does not know, or without model.input_shape.
    """
    if model.input_shape is None:
        raise ConfigError("to_text: the text begins with the input's shape. Make the model with "
                          "Sequential(layers, input_shape=(1, 28, 28)), or set model.input_shape.")
    lines = [("Input", {"shape": _by_x(model.input_shape)})]
    shape, layers = tuple(model.input_shape), list(model.layers)
    for index, layer in enumerate(layers):
        following = layers[index + 1] if index + 1 < len(layers) else None
        implicit = isinstance(layer, Flatten) and len(shape) == 3 and isinstance(following, Dense)
        if not implicit:
            _write_layer(lines, layer)
        shape = tuple(layer.output_shape(shape))
    if model.output == "softmax" and lines[-1][0] != "Dense":
        lines.append(("Softmax", {}))
    elif model.output:
        _write_activation(lines, model.output, {})
    count, settings = len(lines), [("Train", _train_words(train))] if train else []
    text = f"{count}\n" + "".join(map(_line, lines + settings))
    parse(text, "to_text")  # what cannot be read again is not written
    return text


def _write_layer(lines: list, layer) -> None:
    name = type(layer).__name__
    words = {kind.__name__: word for word, kind in ACTIVATIONS.items()}
    if name in words:
        options = {}
        if name == "LeakyReLU" and layer.alpha != LeakyReLU().alpha:
            options["alpha"] = repr(float(layer.alpha))
        _write_activation(lines, words[name], options)
    elif name in LAYERS:
        lines.append((name, _layer_words(name, layer)))
    else:
        raise ConfigError(f"to_text: {name} has no line in the text form, which knows "
                          f"{', '.join(LAYERS)}. Save its parameters with model.state() instead.")


def _write_activation(lines: list, word: str, options: dict) -> None:
    """On the line above where it may stand and none stands yet, else on a line of its own."""
    name, above = lines[-1]
    if "activation" in LAYERS[name] and "activation" not in above:
        above.update(activation=word, **options)
    else:
        lines.append((ACTIVATIONS[word].__name__, options))


def _layer_words(name: str, layer) -> dict[str, str]:
    """The options of a layer as words, those at their default left out (kernel and stride in)."""
    words = {}
    if name == "Conv2D":
        words = {"filters": str(layer.out_channels), "kernel": _size(layer.kernel_size, True),
                 "stride": _size(layer.stride), **_padding_word(layer.padding)}
    elif name == "Dense":
        words = {"units": str(layer.out_features)}
    elif name in ("MaxPool2D", "AvgPool2D"):
        words = {"pool": _size(layer.kernel_size, True), "stride": _size(layer.stride),
                 **_padding_word(layer.padding)}
        if name == "AvgPool2D" and not layer.count_include_pad:
            words["count_include_pad"] = "false"
    elif name == "Dropout":
        words = {"p": repr(float(layer.p))}
    elif name == "BatchNorm2D":
        words = {"momentum": repr(float(layer.momentum)), "eps": repr(float(layer.eps))}
        if layer.group_size is not None:
            words["group_size"] = str(layer.group_size)
    if name in ("Conv2D", "Dense") and "bias" not in layer.parameters():
        words["bias"] = "false"
    return words


def _padding_word(padding) -> dict[str, str]:
    """A layer keeps "same", or ((top, bottom), (left, right))."""
    if padding == ((0, 0), (0, 0)):
        return {}
    if padding == "same":
        return {"padding": "same"}
    sides = [str(side[0]) if side[0] == side[1] else "+".join(map(str, side)) for side in padding]
    return {"padding": _size(sides)}


def _size(size, both: bool = False) -> str:
    height, width = size
    return f"{height}x{width}" if both or height != width else str(height)


def _by_x(shape) -> str:
    return "x".join(map(str, shape))


def _train_words(train: dict) -> dict[str, str]:
    return {key: repr(value) if isinstance(value, float) else str(value)
            for key, value in train.items()}


def _line(line) -> str:
    name, words = line
    return " ".join([name, *(f"{key}={value}" for key, value in words.items())]) + "\n"


# ---- a network and its weights as one file


def save(path: str | os.PathLike, model: Sequential) -> None:
    """Write a network to `path`: its text, every parameter and every buffer, in .npz form.

    np.load(path, allow_pickle=False) opens it too: "config" holds the text, "0.weight" an array.
    The name is used as given, nothing is appended. The file appears complete or not at all, and
    the same network gives the same bytes. Raises ConfigError for NaN, infinity or mixed dtypes.
    """
    arrays = model.state()
    dtypes = sorted({str(array.dtype) for array in arrays.values()})
    if len(dtypes) > 1 or not set(dtypes) <= {"float32", "float64"}:
        raise ConfigError(f"save: expected all arrays in float32 or all in float64, got "
                          f"{' and '.join(dtypes)}. Use model.astype(np.float32) first.")
    for name, array in arrays.items():
        _check_finite(array, f"save: {name}")
    contents = {"config": np.array(to_text(model)), **arrays}
    npz.write(path, contents)


def load(path: str | os.PathLike) -> Sequential:
    """Read a network that `save` wrote, bit for bit, with its dtype.

    Nothing in the file is executed, and no size in it is believed before it has been compared
    with the network's. Raises ConfigError naming the file, or OSError where it cannot be opened.
    """
    try:
        with npz.reading(path, "weights file", "course_lib.config.save") as arrays:
            model, state = _read_model(arrays, str(path))
    except npz.NpzError as error:
        raise ConfigError(str(error)) from None
    for name, array in state.items():
        _check_finite(array, f"{path}: {name}.npy")
    model.load_state(state)
    return model


TEXT = "the network's text"  # where the expected shapes come from


def _read_model(arrays: npz.Arrays, path: str):
    """The network of the file's text, and the arrays that belong into it."""
    if "config" not in arrays.names:
        raise npz.NpzError(f"{path}: expected a key config with the network's text, found "
                           f"{_few(arrays.names)}. Was the file written by "
                           "course_lib.config.save?")
    text = arrays.text("config", MAX_CHARACTERS)
    try:
        model = _make(parse(text, f"{path}, its config"), init=_zeros, dtype=np.float32)
    except ConfigError as error:  # in its own words, not as a damaged file
        raise npz.NpzError(str(error)) from None
    expected, names = model.state(), set(arrays.names) - {"config"}
    missing, extra = sorted(set(expected) - names), sorted(names - set(expected))
    if missing or extra:
        raise npz.NpzError(f"{path}: the arrays are not those of its network: missing "
                           f"{_few(missing)}; not expected {_few(extra)}.")
    shapes = {name: array.shape for name, array in expected.items()}
    dtypes = {arrays.dtype(name, shape, TEXT) for name, shape in shapes.items()}
    if len(dtypes) > 1:
        raise npz.NpzError(f"{path}: expected one dtype, found {_few(map(str, dtypes))}.")
    if dtypes:
        model.astype(dtypes.pop())
    return model, {name: arrays.array(name, shape, TEXT) for name, shape in shapes.items()}


def _zeros(shape, rng, dtype):
    """Weights that cost no memory until they are filled."""
    return np.zeros(shape, dtype)


def _check_finite(array: np.ndarray, who: str) -> None:
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ConfigError(f"{who}: expected finite numbers, found {array[where]} at {where}. "
                          "Did training diverge? Try a smaller lr.")


def _few(names) -> str:
    names = list(names)
    text = ", ".join(_shown(str(name)) for name in names[:8])
    return (text or "nothing") + (f" and {len(names) - 8} more" if len(names) > 8 else "")
