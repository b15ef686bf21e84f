"""The shape tracer: in Python, and in Chromium on a page."""

import base64
import json
import re

import numpy as np
import pytest
from browser import open_chromium, open_page
from conftest import need
from widget_view import (
    CONTRASTS, WITH_FAKE_MODEL, build_page, listen_outside, no_sideways_scrolling, run_cases,
)

from course_lib.config import ConfigError, build, parse
from course_lib.layers import BatchNorm2D, Conv2D, Dense, Flatten, MaxPool2D, ReLU
from course_lib.model import Sequential
from course_lib.widgets import WIDGET_MIMETYPE, ShapeTracer
from course_lib.widgets.shape_tracer import MOST_UNITS, PUBLISHED, dense_weights, with_input

SMALL = """4
Input shape=2x5x6
Conv2D filters=3 kernel=2x3 bias=false  # no bias
AvgPool2D pool=2 stride=1 padding=0+1
Dense units=4 activation=sigmoid
"""
FLAT = "3\nInput shape=12\nDense units=4 activation=leaky_relu alpha=0.2\nDense units=1"
AFTER = ["none", "relu", "leaky_relu", "leaky_relu alpha=0.2", "sigmoid", "tanh"]
PADDINGS = ["", " padding=same", " padding=valid", " padding=1", " padding=1x0", " padding=0+1x2",
            " padding=0+1", " padding=0+1x1+2"]
MISTAKES = [
    "", " ", "x", "=", "\n", "\n ", "#", "-1", "0", "stride=2", "Flaten", "softmax", "é'", "\t",
    "padding=same", "\nSoftmax", "\nInput shape=3", "\nTrain lr=1", "999999999", "1e3", "x3", ".5",
    "activation=Relu", "\nConv2D filters=4", "\nDense units=1 activation=softmax", "toString",
    "\nmaxpool2d pool=2", "kernal=3", " padding=7", "Dense", " alpha=0.1", "\nGlobalAvgPool2D",
    "\nTrain momentum=0.9", "bias=maybe", "\nBatchNorm2D group=3", '"', "\\", "😀", " every=3",
    "\nDense units=90000000", "\u00a0", "\nTrain schedule=cosine every=2", " count_include_pad=no",
]


def random_text(rng):
    """A network in the text form; most can be built, in some a kernel does not fit."""
    def pick(*options):
        return options[rng.integers(len(options))]

    def size(most):
        high, wide = rng.integers(1, most, size=2)
        return pick(f"{high}", f"{high}x{wide}")

    def after():
        return pick("", f" activation={pick(*AFTER)}")

    C, (H, W) = rng.integers(1, 4), rng.integers(5, 24, size=2)
    flat = rng.random() < 0.1
    lines = [f"Input shape={rng.integers(1, 40)}" if flat else f"Input shape={C}x{H}x{W}"]
    for _ in range(0 if flat else rng.integers(0, 5)):
        stride = pick("", f" stride={size(4)}")
        lines.append(pick(
            f"Conv2D filters={rng.integers(1, 9)} kernel={size(5)}{stride}{pick(*PADDINGS)}"
            f"{pick('', ' bias=false', ' bias=true')}{after()}",
            f"MaxPool2D pool={size(4)}{stride}{pick(*PADDINGS)}",
            f"AvgPool2D pool={size(4)}{stride}{pick('', ' count_include_pad=false')}"
            f"{pick(*PADDINGS)}",
            f"BatchNorm2D{pick('', ' group_size=4', ' eps=0.001 momentum=.5')}{after()}",
            pick("ReLU", "LeakyReLU alpha=1e-5", "LeakyReLU", "Tanh", "Sigmoid"),
            pick("Dropout", "Dropout p=0.25"),
        ))
    lines += pick([], [], ["Flatten"], ["GlobalAvgPool2D"])
    for _ in range(rng.integers(0, 3)):
        lines.append(f"Dense units={rng.integers(1, 30)}{pick('', ' bias=false')}{after()}")
        lines += pick([], [], [pick("Dropout p=0.1", "ReLU", "Flatten")])
    lines += pick([], ["Dense units=3 activation=softmax"], ["Dense units=1 activation=sigmoid"],
                  ["Dense units=4", "Softmax"])
    return "\n".join([str(len(lines)), *lines]) + pick("", "\n", "\n\nTrain optimizer=adam # ok")


def spoil(text, rng):
    """One or two mistakes somewhere in the text."""
    for _ in range(rng.integers(1, 3)):
        start = rng.integers(0, len(text) + 1)
        stop = start + int(rng.integers(0, 8)) * int(rng.integers(0, 2))
        text = text[:start] + MISTAKES[rng.integers(len(MISTAKES))] + text[stop:]
    return text


def as_the_package_says(text):
    """The rows of model.summary, or the message of config and its line."""
    try:
        summary = build(text, np.random.default_rng(0)).summary()
    except ConfigError as error:
        line = re.match(r"text, line (\d+): ", str(error))
        return {"message": str(error), "line": int(line[1]) if line else None}
    return {"output": summary.output, "rows": [
        [row.name, list(row.output_shape), row.parameters, row.flops] for row in summary.rows]}


def small_model():
    rng = np.random.default_rng(3)
    return Sequential([Conv2D(2, 3, (2, 3), rng=rng), ReLU(), MaxPool2D(2, stride=1), Flatten(),
                       Dense(27, 20, rng=rng), Dense(20, 2, rng=rng)], input_shape=(2, 5, 6))


# ---- Python


def test_the_default_is_the_published_network():
    w = ShapeTracer(index=1234)
    summary = w.summary()
    assert [row.output_shape for row in summary.rows if row.parameters] == [
        (16, 28, 28), (128,), (2,)]
    assert (summary.parameters, w.maps(), w.place()) == (401_954, (16, 14, 14), (6, 4, 2))
    assert repr(w).endswith("index 1234 of 3136 is channel 6, row 4, column 2")


@pytest.mark.parametrize("text", [PUBLISHED, SMALL, FLAT])
def test_repr_place_and_still_agree_with_the_package(text):
    w = ShapeTracer(text)
    summary = build(text, np.random.default_rng(0)).summary()
    assert f"{summary.parameters:,} parameters, {summary.flops:,} FLOPs" in repr(w)
    maps = w.maps()
    if maps is None:
        assert text == FLAT and w.place() is None
    else:
        x = np.arange(np.prod(maps)).reshape(1, *maps)
        for k in (0, 1, int(np.prod(maps)) - 1):
            w.index = k
            assert Flatten().predict(x)[0, k] == k == x[0][w.place()]
    alt = w.still().alt
    assert alt.count(", then ") == len(summary.rows) - 1 and f"{summary.flops:,} FLOPs" in alt


def test_a_long_network_has_a_still_of_forty_boxes():
    text = "62\nInput shape=1x4x4\n" + "ReLU\n" * 60 + "Dense units=2\n"
    alt = ShapeTracer(text).still().alt
    assert "Flow chart of 40 boxes" in alt and "… 24 layers …" in alt and "Dense(16, 2)" in alt


def test_a_model_shows_its_text_and_the_weights_of_its_first_units():
    model = small_model()
    w = ShapeTracer(model)
    assert [row.name for row in w.summary().rows] == [row.name for row in model.summary().rows]
    weights = w.weights
    assert (weights["count"], weights["of"], weights["shape"]) == (MOST_UNITS, 20, [3, 3, 3])
    numbers = np.frombuffer(base64.b64decode(weights["values"]), "<i2").reshape(16, 27)
    expected = model.parameters()["4.weight"].data[:, :16].T
    assert np.abs(numbers * weights["scale"] - expected).max() <= 0.51 * weights["scale"]
    assert np.abs(numbers).max() == 2**15 - 1
    assert ShapeTracer(model, unit=15).unit == 15


def test_weights_are_few_enough_for_a_page_or_none():
    rng = np.random.default_rng(0)
    model = build(PUBLISHED, rng)
    assert len(json.dumps(ShapeTracer(model).state())) < 200_000
    no_flatten = Sequential([Dense(4, 3, rng=rng)], input_shape=(4,))
    assert ShapeTracer(no_flatten).weights is None
    huge = Sequential([Flatten(), Dense(90_000, 1, rng=rng)], input_shape=(1, 300, 300))
    assert dense_weights(huge, (1, 300, 300)) is None
    zero = small_model()
    zero.parameters()["4.weight"].data[...] = 0
    assert dense_weights(zero, (2, 5, 6))["scale"] == 1.0


def test_a_shape_can_be_given():
    assert ShapeTracer(SMALL, (3, 9, 8)).summary().rows[0].output_shape == (3, 9, 8)
    model = small_model()
    model.input_shape = None
    assert ShapeTracer(model, (2, 5, 6)).maps() == (3, 3, 3)
    assert model.input_shape is None, "the model itself stays as it was"
    assert with_input(PUBLISHED, np.array([1, 8, 8])) == PUBLISHED.replace("28x28", "8x8")


class Odd(ReLU):
    pass


WRONG = [
    (dict(text="5\nInput"), "ShapeTracer: text, line 2: Input: the option shape= is missing"),
    (dict(text=7), "ShapeTracer: text: expected the text of a network, got int"),
    (dict(text=PUBLISHED, input_shape=(1, 1, 1)), "line 5: MaxPool2D: the kernel, 2x2, is larger"),
    (dict(text=Sequential([ReLU()])), "ShapeTracer: to_text: the text begins with the input's"),
    (dict(text=Sequential([Odd()], input_shape=(4,))), "ShapeTracer: to_text: Odd has no line"),
    (dict(draft=3), "ShapeTracer: draft must be a text of at most 100,000 characters, got 3"),
    (dict(layer=8), "ShapeTracer: layer must be a whole number from 0 to 7, got 8"),
    (dict(layer=True), "layer must be a whole number from 0 to 7, got True"),
    (dict(index=3136), "ShapeTracer: index must be a whole number from 0 to 3135, got 3136"),
    (dict(index=1.0), "index must be .* got 1.0"),
    (dict(index=None), "index must be .* got None"),
    (dict(unit=1), "ShapeTracer: unit must be a whole number from 0 to 0, got 1"),
]


@pytest.mark.parametrize("change, message", WRONG)
def test_wrong_values_are_refused_and_the_old_ones_stay(change, message):
    with pytest.raises(ValueError, match=message):
        ShapeTracer(**change)
    w = ShapeTracer(layer=3, index=5)
    before = w.state()
    name, value = next(iter(change.items()))
    if len(change) == 1 and not isinstance(value, Sequential):
        with pytest.raises(ValueError, match=message):
            setattr(w, name, value)
        assert w.state() == before


def test_weights_only_come_from_a_network():
    with pytest.raises(ValueError, match=r"weights come from a network, ShapeTracer\(model\)"):
        ShapeTracer().weights = [1, 2]
    model = small_model()
    model.parameters()["4.weight"].data[0, 0] = np.nan
    with pytest.raises(ValueError, match="ShapeTracer: weights must hold finite numbers"):
        ShapeTracer(model)


def test_a_draft_may_be_wrong_and_becomes_the_text_when_it_is_right():
    w = ShapeTracer(draft=PUBLISHED.replace("kernel", "kernal"), index=9)
    assert w.text == PUBLISHED
    assert w.problem() == "text, line 3: Conv2D: unknown option 'kernal'. Did you mean kernel?"
    assert "the draft is wrong: text, line 3" in repr(w)
    w.draft = FLAT
    assert (w.text, w.problem(), w.index, w.place()) == (FLAT, "", 0, None)
    w.text = SMALL
    assert w.draft == SMALL


def test_what_comes_from_the_browser_together_is_checked_together():
    w = ShapeTracer(layer=7, index=3000)
    w.set_state({"text": SMALL, "draft": SMALL})
    assert (w.layer, w.index) == (4, 47) and w.place() == (2, 3, 3)


def test_bundle_holds_view_still_text_and_state_and_is_the_same_twice():
    def kept():
        w = ShapeTracer(small_model(), unit=3)
        data, metadata = w._repr_mimebundle_()
        assert data.pop("application/vnd.jupyter.widget-view+json")
        assert data["text/plain"] == repr(w)
        assert data[WIDGET_MIMETYPE] == {"module": "shape_tracer", "state": w.state()}
        return json.dumps([data, metadata])

    assert kept() == kept()


# ---- the browser


SHOWN = {
    "published": ShapeTracer(index=1234),
    "small": ShapeTracer(SMALL, layer=1),
    "model": ShapeTracer(small_model(), unit=2),
    "flat": ShapeTracer(FLAT),
    "wrong": ShapeTracer(draft=PUBLISHED.replace("kernel", "kernal")),
    "large": ShapeTracer("2\nInput shape=3x150x100\nDense units=2"),
}
NAMES = list(SHOWN)


@pytest.fixture(scope="module")
def chromium():
    with open_chromium(need("browser")) as browser:
        yield browser


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    return build_page(tmp_path_factory.mktemp("site"), SHOWN.values())


@pytest.fixture
def page(chromium, address):
    with open_page(chromium, address) as page:
        yield page


class View:
    def __init__(self, page, name="published"):
        self.page = page
        self.root = page.locator(".cnn-widget").nth(NAMES.index(name))
        self.root.wait_for()
        self.editor = self.root.get_by_label("The network as text")
        self.blocks = self.root.get_by_role("grid", name="Layers")
        self.maps = self.root.get_by_role("slider")
        self.says = self.root.locator(".cnn-tracer .cnn-sentence")

    @property
    def rows(self):
        return self.blocks.locator("[role=row]").evaluate_all(
            "rows => rows.map((row) => [...row.children].map((cell) => "
            "cell.textContent.replace('\u00ad', '')))")  # where a narrow column may break it

    @property
    def layer(self):
        (chosen,) = self.blocks.locator("[aria-selected=true]").all()
        assert self.blocks.get_attribute("aria-activedescendant") == chosen.get_attribute("id")
        return int(chosen.get_attribute("data-layer"))

    @property
    def marked(self):
        """The line numbers that are marked wrong, and the message below."""
        lines = self.root.locator(".cnn-line.cnn-wrong").all_inner_texts()
        alert = self.root.locator(".cnn-warning")
        return lines, alert.inner_text() if alert.is_visible() else ""

    @property
    def fields(self):
        return [int(self.root.get_by_label(name, exact=True).input_value())
                for name in ("Index", "Channel", "Row", "Column")]

    @property
    def place(self):
        return self.root.locator(".cnn-place").inner_text().replace("\u2212", "-")

    def middle(self, place, shape):
        """The middle of a pixel on the stack, in pixels from its corner, as it was laid out."""
        columns, cell, gap = self.layout(shape)
        c, i, j = place
        _, H, W = shape
        return ((c % columns) * (W * cell + gap) + (j + 0.5) * cell,
                (c // columns) * (H * cell + gap) + (i + 0.5) * cell)

    def layout(self, shape):
        """Columns, cell and gap, found from the size of the canvas alone."""
        box = self.maps.locator("canvas").bounding_box()
        (C, H, W), gap = shape, 4
        for columns in range(1, C + 1):
            rows = -(-C // columns)
            across = (box["width"] + gap - gap * columns) / (columns * W)
            down = (box["height"] + gap - gap * rows) / (rows * H)
            if abs(across - down) < 0.01:
                return columns, across, gap
        raise AssertionError("the maps do not fill the canvas")

    def frame(self):
        """The middle of the frame, from the corner of the stack."""
        frame, stack = (self.maps.locator(name).bounding_box()
                        for name in (".cnn-frame", "canvas"))
        return [frame[a] + frame[b] / 2 - stack[a] for a, b in (("x", "width"), ("y", "height"))]


def table(w):
    """What the table says, from model.summary."""
    summary = w.summary()
    rows = [[row.name, "×".join(map(str, row.output_shape)), f"{row.parameters:,}",
             f"{row.flops:,}"] for row in summary.rows]
    total = f"total, output {summary.output}" if summary.output else "total"
    return [["layer", "output shape", "parameters", "FLOPs"], *rows,
            [total, "", f"{summary.parameters:,}", f"{summary.flops:,}"]]


TRACE = """
    try {
        const { rows, output } = cnn.trace(given);
        return { output, rows: rows.map((r) => [r.name, r.shape, r.parameters, r.flops]) };
    } catch (error) {
        if (!(error instanceof cnn.ConfigError)) throw error;
        return { message: error.message, line: error.line };
    }"""


def test_the_browser_reads_networks_as_config_does_and_sums_them_up_as_the_model_does(page, rng):
    texts = [random_text(rng) for _ in range(1500)]
    found = run_cases(page, texts, TRACE)
    right = 0
    for text, answer in zip(texts, found, strict=True):
        assert answer == as_the_package_says(text), text
        right += "rows" in answer
    assert right >= 500, "too few networks that can be built"


def test_the_browser_says_what_is_wrong_in_the_same_words_at_the_same_line(page, rng):
    texts = [spoil(PUBLISHED if k % 2 else random_text(rng), rng) for k in range(1500)]
    texts += ["", "# nothing", "5", "x", "0" * 100_001, "2\nInput shape=9999999x9999999x9999999",
              "3\nInput shape=1x9x9\nConv2D filters=999999999 kernel=3 padding=999999999\nReLU",
              "3\nInput shape=4\nDense units=20000000\nReLU", "1002" + "\nReLU" * 1001,
              " 3\nInput shape=4", "2\nInput shape=4\nSoftmax", "2\nInput shape=1x2x2\nSoftmax"]
    found = run_cases(page, texts, TRACE)
    messages = set()
    for text, answer in zip(texts, found, strict=True):
        assert answer == as_the_package_says(text), text
        if "message" in answer:
            messages.add(re.sub(r"'.*?'|\d+", "_", answer["message"])[:60])
    assert len(messages) > 60, "too few kinds of mistakes"


def test_the_map_of_flatten_is_numpys(page, rng):
    cases = [[rng.integers(1, 7, size=3).tolist()] for _ in range(60)]
    found = run_cases(page, cases, """
        const [shape] = given;
        const size = shape.reduce((a, b) => a * b, 1);
        const places = Array.from({ length: size }, (_, k) => cnn.placeOf(k, shape));
        return [places, places.map((place) => cnn.indexOf(place, shape))];""")
    checked = 0
    for (shape,), (places, indices) in zip(cases, found, strict=True):
        assert places == np.argwhere(np.ones(shape)).tolist()
        assert indices == list(range(int(np.prod(shape))))
        checked += len(indices)
    assert checked > 500


@pytest.mark.parametrize("name", NAMES)
def test_the_table_is_the_summary(page, name):
    assert View(page, name).rows == table(SHOWN[name])


def test_bars_show_the_share_of_the_whole(page):
    view = View(page)
    widths = view.blocks.locator("[data-layer] .cnn-entry:nth-child(3)").evaluate_all(
        "cells => cells.map((c) => parseFloat(getComputedStyle(c, '::after').width) "
        "/ c.clientWidth)")
    summary = SHOWN["published"].summary()
    expected = [row.parameters / summary.parameters for row in summary.rows]
    assert np.allclose(widths, expected, atol=0.01)


def test_editing_the_text_changes_the_table_at_once(page):
    view = View(page)
    text = PUBLISHED.replace("filters=16", "filters=4").replace("pool=2x2 stride=2", "pool=3x2")
    view.editor.fill(text)
    assert view.rows == table(ShapeTracer(text)) and view.marked == ([], "")
    assert view.fields == [503, 3, 8, 13], "the last index of the smaller vector"


@pytest.mark.parametrize("old, new, line", [
    ("kernel=3x3", "kernal=3x3", 3), ("padding=same", "padding=some", 4), ("Dense", "Dence", 6),
    ("5\n", "6\n", 1), ("pool=2x2", "pool=99", 5), ("units=2 ", "units=1 ", 7),
])
def test_a_mistake_is_marked_at_its_line_with_configs_message(page, old, new, line):
    view = View(page)
    before = view.rows
    text = PUBLISHED.replace(old, new, 1)
    view.editor.fill(text)
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert view.marked == ([f"⚠ {line}"], f"⚠ {caught.value} The table shows the last network "
                           "that works.")
    assert view.editor.get_attribute("aria-invalid") == "true"
    described = view.editor.get_attribute("aria-describedby")
    assert page.locator(f"#{described}").inner_text() == view.marked[1]
    assert view.rows == before
    band, field = (node.bounding_box() for node in (
        view.root.locator(".cnn-wrong"), view.editor))
    inside = (band["y"] + band["height"] / 2 - field["y"]) / (field["height"] / 8)
    assert int(inside) == line - 1, "the mark stands beside its line"
    view.editor.fill(PUBLISHED)
    assert view.marked == ([], "") and view.editor.get_attribute("aria-invalid") == "false"
    assert view.editor.get_attribute("aria-describedby") is None


def test_a_page_may_begin_with_a_mistake_and_reset_brings_it_back(page):
    view = View(page, "wrong")
    assert view.marked[0] == ["⚠ 3"] and "Did you mean kernel?" in view.marked[1]
    view.editor.fill(FLAT)
    assert view.rows == table(SHOWN["flat"])
    view.root.get_by_role("button", name="Reset").click()
    assert view.marked[0] == ["⚠ 3"] and view.rows == table(SHOWN["wrong"])


def test_layers_by_pointer_and_keys(page):
    view = View(page)
    assert view.layer == 0
    view.blocks.locator("[data-layer='1']").hover()
    assert view.layer == 1
    assert view.says.inner_text() == (
        "Conv2D(1, 16, kernel_size=3, padding='same'): 16 filters × (9 weights + 1 bias) = 160 "
        "parameters; each of 16·28·28 outputs takes 18 FLOPs: 225,792.")
    assert view.root.locator(".cnn-line.cnn-here").inner_text() == "3"
    page.mouse.move(0, 0)
    view.blocks.focus()
    for key, expected in [("ArrowDown", 2), ("End", 7), ("ArrowDown", 7), ("ArrowUp", 6),
                          ("Home", 0), ("ArrowUp", 0)]:
        page.keyboard.press(key)
        assert view.layer == expected, key


@pytest.mark.parametrize("name", ["published", "small", "model"])
def test_every_sentence_adds_up(page, name):
    view = View(page, name)
    rows = SHOWN[name].summary().rows
    for k, row in enumerate(rows):
        view.blocks.locator(f"[data-layer='{k}']").click()
        said = view.says.inner_text().replace(",", "")
        if row.parameters:
            F, weights, bias, total = re.search(
                r"(\d+) (?:filter|unit)s? × \((\d+) weights?(?: \+ (1) bias)?\) = (\d+)",
                said).groups()
            assert int(F) * (int(weights) + int(bias or 0)) == int(total) == row.parameters
        found = re.search(r"each of ([\d·]+) outputs takes (\d+) FLOPs: (\d+)", said)
        if found:
            outputs = np.prod([int(part) for part in found[1].split("·")])
            assert outputs * int(found[2]) == int(found[3]) == row.flops
        elif row.flops:
            assert f": {row.flops}." in said


def test_the_map_by_pointer_by_fields_and_back(page):
    view, shape = View(page), (16, 14, 14)
    assert view.fields == [1234, 6, 4, 2]
    assert view.place == ("Index 1234 is x[n, 6, 4, 2]: channel 6, row 4, column 2, because "
                          "(6·14 + 4)·14 + 2 = 1234.")
    for place in [(0, 0, 0), (7, 13, 0), (15, 13, 13), (9, 5, 12)]:
        x, y = view.middle(place, shape)
        view.maps.locator("canvas").hover(position={"x": x, "y": y})
        index = int(np.ravel_multi_index(place, shape))
        assert view.fields == [index, *place]
        assert np.allclose(view.frame(), (x, y), atol=0.6)
    view.root.get_by_label("Index", exact=True).fill("200")
    assert view.fields == [200, *map(int, np.unravel_index(200, shape))]
    view.root.get_by_label("Channel", exact=True).fill("15")
    assert view.fields[1:] == [15, 0, 4] and view.fields[0] == 15 * 196 + 4
    strip = view.root.locator(".cnn-vector canvas")
    width = strip.bounding_box()["width"]
    strip.hover(position={"x": width * 0.5, "y": 10})
    assert abs(view.fields[0] - 1568) <= 5
    marker = view.root.locator(".cnn-vector .cnn-frame").bounding_box()
    middle = marker["x"] + marker["width"] / 2 - strip.bounding_box()["x"]
    assert abs(middle - width * 0.5) < 2


@pytest.mark.parametrize("label, text", [("Index", "3136"), ("Index", ""), ("Row", "14"),
                                         ("Column", "-1"), ("Channel", "2.5")])
def test_no_place_of_the_map_is_marked_and_the_old_one_stays(page, label, text):
    view = View(page)
    field = view.root.get_by_label(label, exact=True)
    field.fill(text)
    assert field.get_attribute("aria-invalid") == "true" and "Index 1234 is" in view.place
    field.blur()
    assert view.fields == [1234, 6, 4, 2] and field.get_attribute("aria-invalid") == "false"


def test_keys_walk_over_the_map(page):
    view = View(page, "small")
    shape = SHOWN["small"].maps()
    view.maps.focus()
    for key, place in [("ArrowRight", (0, 0, 1)), ("ArrowDown", (0, 1, 1)), ("PageDown", (1, 1, 1)),
                       ("ArrowLeft", (1, 1, 0)), ("ArrowLeft", (1, 0, 3)), ("End", (2, 3, 3)),
                       ("PageDown", (2, 3, 3)), ("ArrowRight", (2, 3, 3)), ("ArrowUp", (2, 2, 3)),
                       ("PageUp", (1, 2, 3)), ("Home", (0, 0, 0)), ("ArrowLeft", (0, 0, 0))]:
        page.keyboard.press(key)
        assert view.fields == [int(np.ravel_multi_index(place, shape)), *place], key
    assert view.maps.get_attribute("aria-valuenow") == "0"
    assert view.maps.get_attribute("aria-valuetext") == "0: channel 0, row 0, column 0"


def test_the_order_is_painted_from_light_to_dark(page):
    view = View(page)
    read = """canvas => { const draw = canvas.getContext('2d');
        return [3, canvas.width - 3].map((x) => draw.getImageData(x, 9, 1, 1).data[0]); }"""
    first, last = view.root.locator(".cnn-vector canvas").evaluate(read)
    assert first > 200 and last < 30


def test_a_dense_row_is_a_picture(page):
    w, view = SHOWN["model"], View(page, "model")
    weight = small_model().parameters()["4.weight"].data
    for unit, index in [(2, 0), (0, 13), (15, 26)]:
        view.root.get_by_label("Weights of unit").select_option(str(unit))
        view.root.get_by_label("Index", exact=True).fill(str(index))
        said = float(re.search(rf"Unit {unit} multiplies it by (\S+)\.$", view.place)[1])
        assert abs(said - weight[index, unit]) < 0.006 * abs(weight[index, unit]) + 1e-4
        place = np.unravel_index(index, w.maps())
        x, y = view.middle(place, w.maps())
        red, _, blue = view.maps.locator("canvas").evaluate(
            "(canvas, [x, y]) => [...canvas.getContext('2d').getImageData(x * devicePixelRatio, "
            "y * devicePixelRatio, 1, 1).data]", [x, y])[:3]
        assert (red > blue) == (weight[index, unit] > 0), "red is positive, blue negative"


def test_weights_of_another_network_are_not_shown(page):
    view = View(page, "model")
    assert view.root.get_by_label("Weights of unit").is_visible()
    view.editor.fill(PUBLISHED)
    assert not view.root.get_by_label("Weights of unit").is_visible()
    assert "multiplies" not in view.place
    assert not View(page).root.get_by_label("Weights of unit").is_visible()


def test_without_flatten_there_is_no_map_and_a_large_one_is_not_drawn(page):
    assert not View(page, "flat").maps.is_visible()
    large = View(page, "large")
    assert not large.maps.is_visible() and large.place.endswith("Too many values to be drawn.")
    large.root.get_by_label("Index", exact=True).fill("44999")
    assert large.fields == [44999, 2, 149, 99]


def test_keys_do_not_leave_the_widget(page):
    listen_outside(page)
    view = View(page)
    view.editor.press("a")
    view.blocks.press("ArrowDown")
    view.maps.press("ArrowRight")
    view.root.get_by_label("Index", exact=True).press("ArrowUp")
    view.root.get_by_role("button", name="Reset").press("b")
    assert page.evaluate("window.heard") == []


def test_a_telephone_needs_no_sideways_scrolling(chromium, address):
    with open_page(chromium, address, width=360, has_touch=True) as page:
        view = View(page)
        view.blocks.locator("[data-layer='3']").tap()
        assert view.layer == 3
        place = (10, 3, 4)
        x, y = view.middle(place, (16, 14, 14))
        view.maps.locator("canvas").tap(position={"x": x, "y": y})
        assert view.fields[1:] == list(place)
        assert no_sideways_scrolling(page)
        view.editor.fill(PUBLISHED.replace("kernel=3x3", "k" * 60))
        assert view.marked[0] == ["⚠ 3"] and no_sideways_scrolling(page)


@pytest.mark.parametrize("width", [360, 700, 1100])
def test_long_lines_wrap_and_their_numbers_stand_beside_them(chromium, address, width):
    text = PUBLISHED.replace("softmax", "softmax" + " " * 30 + "#") + "\n" + "x" * 70
    with open_page(chromium, address, width=width) as page:
        view = View(page)
        view.editor.fill(text)
        heights = view.root.locator(".cnn-line").evaluate_all(
            "lines => lines.map((line) => line.offsetHeight)")
        one = min(heights)
        assert len(heights) == len(text.split("\n")) and (width > 360 or max(heights) > one)
        # the text itself, as the browser wraps it, is as high as all of its numbers
        real = view.editor.evaluate("(area) => { area.style.height = 0; const high = "
                                    "area.scrollHeight; area.style.height = ''; return high; }")
        assert real == pytest.approx(sum(heights), abs=2)
        assert view.editor.evaluate("area => area.scrollWidth <= area.clientWidth")


def test_the_keys_are_told_when_asked(page):
    view = View(page)
    assert not view.root.locator(".cnn-help").is_visible()
    view.root.get_by_role("button", name="Keys").click()
    assert "Page keys by a channel" in view.root.locator(".cnn-help").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_are_both_readable(chromium, address, scheme):
    with open_page(chromium, address, color_scheme=scheme) as page:
        View(page)
        contrasts = page.evaluate(CONTRASTS.replace("p, span", "p, textarea, .cnn-line, span"))
        assert len(contrasts) > 100 and min(contrasts)[0] >= 4.5, min(contrasts)


def test_without_scripts_the_still_is_shown(chromium, address):
    with open_page(chromium, address, java_script_enabled=False) as page:
        stills = page.locator(".course-widget img")
        assert stills.count() == len(SHOWN)
        assert all("parameters" in still.get_attribute("alt") for still in stills.all())


def test_taking_the_view_away_ends_all(page):
    state = {**SHOWN["published"].state()}
    told, children, listeners = page.evaluate(WITH_FAKE_MODEL.replace(
        "view.initialize({ model })", "() => {}"), [state, {"layer": 2, "text": SMALL}])
    assert told.startswith("AvgPool2D(kernel_size=2, stride=1") and (children, listeners) == (0, 0)
