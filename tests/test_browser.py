"""The widgets as people meet them: in Chromium, on exported pages, and in a real JupyterLab.

The oracle is the course's own conv2d. Needs a browser; COURSE_REQUIRE=browser makes it a must.
"""

import json
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from browser import (
    jupyter_lab, open_chromium, open_notebook, open_page, run_cell, run_cell_until,
)
from conftest import need
from site_notebooks import code, markdown, notebook, shown, write
from widget_view import WidgetView, page_with_clock

from course_lib.conv import conv2d
from course_lib.shapes import resolve_padding
from course_lib.site import build_site
from course_lib.slides import build_deck
from course_lib.widgets import KERNELS, PaddingStride, PoolingWindow, SlidingKernel

LESSON = Path(__file__).parents[1] / "notebooks" / "01_convolution.ipynb"
NOISE = np.random.default_rng(5).integers(-5, 6, size=(5, 7))
DEEP_IMAGE = np.random.default_rng(6).integers(-2, 4, size=(3, 4, 6))
DEEP_KERNEL = np.random.default_rng(7).integers(-2, 3, size=(2, 3, 3, 2))
SHOWN = {  # what stands on the page, in this order
    "default": SlidingKernel(),
    "published": SlidingKernel([[0, 3, 4], [9, 5, 0], [6, 2, 1]], [[0, 1], [0, 2]]),
    "strides": SlidingKernel(NOISE, [[1, -2, 3], [0, 4, -1]], stride=(2, 3), padding=(1, 2)),
    "uneven": SlidingKernel(NOISE, [[2], [-1]], padding=((0, 2), (3, 1)), position=(2, 4)),
    "same": SlidingKernel(NOISE / 4, np.arange(8).reshape(2, 4), stride=2, padding="same"),
    "whole": SlidingKernel(NOISE, NOISE[::-1]),
    "tiny": SlidingKernel([[1, 2, 3, 4], [5, 6, 7, 8]], [[-1, 1]]),
    "large": SlidingKernel(np.eye(28), "blur", position=(12, 12)),
    "deep": SlidingKernel(DEEP_IMAGE, DEEP_KERNEL, bias=[1, -2], stride=(1, 2), padding=1),
    "shared": SlidingKernel(DEEP_IMAGE[:2], [[1, 0], [2, -1]], position=(1, 1)),
    "turned": SlidingKernel(NOISE, [[1, -2, 3], [0, 4, -1]], flipped=True, bias=0.5),
    "predict": SlidingKernel([[0, 3, 4], [9, 5, 0], [6, 2, 1]], [[0, 1], [0, 2]], predict=True),
    "canvas": SlidingKernel(np.diag([7, 0, 7])[:, [0, 1, 2, 1]], padding=1, drawing=True),
}
NAMES = list(SHOWN)
PLAIN = NAMES[:NAMES.index("large")]  # one channel, one filter, cells large enough for numbers


@pytest.fixture(scope="module")
def chromium():
    with open_chromium(need("browser")) as browser:
        yield browser


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    cells = [code("w", shown(w)) for w in SHOWN.values()]
    long_line = markdown("# 01. Widgets\n\n`" + "x" * 90 + "` and $$y = " + "x + " * 40 + "x$$")
    path = write(folder, "01_widgets", notebook(long_line, *cells))
    build_site([path], folder / "out")
    return (folder / "out" / "01_widgets.html").as_uri()


class View:
    """One widget on a page, read and driven the way a person does."""

    def __init__(self, page, name="default"):
        self.page = page
        self.root = page.locator(".cnn-widget").nth(NAMES.index(name))
        self.root.wait_for()
        self.image, self.kernel, self.output, self.turned, self.bias = (
            self.root.locator(f".cnn-{name} .cnn-grid")
            for name in ("image", "kernel", "output", "turned", "bias"))

    def values(self, grid):
        """The numbers that are printed in a grid's cells, as an array."""
        rows = grid.evaluate(
            "grid => [...grid.querySelectorAll('.cnn-row')].map(row => [...row.children].map("
            "cell => cell.querySelector('input')?.value ?? cell.textContent))"
        )
        return np.array([[float(Fraction(text.replace("\u2212", "-"))) for text in row]
                         for row in rows])

    def framed(self, grid):
        """(row, column) of the cells that the thick frame encloses on the screen."""
        return [tuple(place) for place in grid.evaluate("""grid => {
            const frame = grid.querySelector('.cnn-frame').getBoundingClientRect();
            const inside = (box) => frame.left <= box.left + box.width / 2
                && box.left + box.width / 2 <= frame.right
                && frame.top <= box.top + box.height / 2
                && box.top + box.height / 2 <= frame.bottom;
            return [...grid.querySelectorAll('.cnn-cell')]
                .filter((cell) => inside(cell.getBoundingClientRect()))
                .map((cell) => [Number(cell.dataset.row), Number(cell.dataset.column)]);
        }""")]

    @property
    def position(self):
        (place,) = self.framed(self.output)
        return place

    @property
    def sentence(self):
        return self.root.locator(".cnn-sentence").inner_text().replace("\u2212", "-")

    @property
    def products(self):
        return [float(text.replace("\u2212", "-")) for text in
                self.root.locator(".cnn-products .cnn-value").all_inner_texts()]

    def cell(self, i, j):
        return self.output.locator(f"[data-row='{i}'][data-column='{j}']")

    def more(self, label):
        """A control under "More", which a person opens first."""
        if self.button("^More$").get_attribute("aria-expanded") == "false":
            self.button("^More$").click()
        return self.root.get_by_label(re.compile(label))

    @property
    def shown(self):
        """The texts of the output's cells, question marks included."""
        rows = self.output.locator(".cnn-row").all()
        return [row.locator(".cnn-cell").all_inner_texts() for row in rows]

    @property
    def sums(self):
        """The boxes under the products: channel 0, channel 1, …, bias, sum."""
        boxes = self.root.locator(".cnn-sums .cnn-product").all_inner_texts()
        return dict(box.replace("\u2212", "-").split("\n") for box in boxes)

    @property
    def verdict(self):
        return self.root.locator(".cnn-verdict").inner_text().replace("\u2212", "-")

    def button(self, name):
        return self.root.get_by_role("button", name=re.compile(name))

    def choose(self, label, option):
        self.root.get_by_label(label, exact=True).select_option(option)

    def press(self, *keys):
        self.output.focus()
        for key in keys:
            self.page.keyboard.press(key)


@pytest.fixture
def page(chromium, address):
    with open_page(chromium, address) as page:
        yield page


# ---- arithmetic: the page's own cnn.js against the package


def random_case(rng):
    """Arguments of one conv2d: uneven everything, a stride that does not divide, any padding."""
    N, C, F, KH, KW = (int(n) for n in rng.integers(1, 4, size=5))
    H, W = (int(n) for n in rng.integers(4, 9, size=2))
    stride = [3, 1, 2, (2, 3), (3, 1)][rng.integers(5)]
    p, q, r, s = (int(n) for n in rng.integers(0, 3, size=4))
    padding = [0, p, (p, q), ((p, q), (r, s)), "same", "valid"][rng.integers(6)]
    x, weight = rng.normal(size=(N, C, H, W)), rng.normal(size=(F, C, KH, KW))
    bias = rng.normal(size=F) if rng.integers(2) else None
    return x, weight, bias, stride, padding


def test_the_browsers_conv2d_equals_the_packages(page, rng):
    cases = [random_case(rng) for _ in range(600)]
    plain = [[a.tolist() if isinstance(a, np.ndarray) else a for a in case] for case in cases]
    found = page.evaluate("""async (text) => {
        const source = document.querySelector('script[data-module]').textContent;
        const blob = new Blob([source], { type: 'text/javascript' });
        const { conv2d } = await import(URL.createObjectURL(blob));
        return JSON.stringify(JSON.parse(text).map((given) => conv2d(...given)));
    }""", json.dumps(plain))
    for case, y in zip(cases, json.loads(found), strict=True):
        expected, _ = conv2d(*case)
        assert np.shape(y) == expected.shape and np.allclose(y, expected, rtol=0, atol=1e-12)


def random_widget(rng):
    """The state of one widget and the conv2d arguments it stands for; whole numbers throughout."""
    C, F, KH, KW = (int(n) for n in rng.integers(1, 4, size=4))
    _, _, _, stride, padding = random_case(rng)
    dims = int(rng.integers(2, 5))
    F = F if dims == 4 else 1
    kernel = rng.integers(-3, 4, size=(F, C, KH, KW)[4 - dims:])
    weight = np.broadcast_to(kernel, (F, C, KH, KW))
    image = rng.integers(-3, 10, size=(C, *rng.integers(4, 8, size=2)))
    bias = [None, int(rng.integers(-4, 5)), rng.integers(-4, 5, size=F).tolist()][rng.integers(3)]
    flipped = bool(rng.integers(2))
    used = np.rot90(weight, 2, axes=(2, 3)) if flipped else weight
    x = (image[0] if C == 1 and rng.integers(2) else image).tolist()
    state = {"image": x, "kernel": kernel.tolist(), "bias": bias, "stride": stride,
             "padding": padding, "flipped": flipped, "filter": int(rng.integers(F)),
             "channel": int(rng.integers(C)), "playing": False, "predict": False, "answers": []}
    each = None if bias is None else np.broadcast_to(bias, F)
    return state, (image[None].astype(float), used.astype(float), each, stride, padding)


RENDER = """async (text) => {
    const source = document.querySelector('script[data-module]').textContent;
    const blob = new Blob([source], { type: 'text/javascript' });
    const view = (await import(URL.createObjectURL(blob))).default;
    const number = (text) => Number(text.replace('\u2212', '-'));
    const model = (state) => ({ get: (name) => state[name], set() {}, save_changes() {}, on() {},
        off() {} });
    const seen = JSON.parse(text).map((state) => {
        const el = document.createElement('div');
        document.body.append(el);
        view.render({ model: model(state), el });
        const all = (selector) => [...el.querySelectorAll(selector)];
        const texts = (selector) => all(selector).map((node) =>
            number(node.querySelector('input')?.value ?? node.textContent));
        const frame = (name) => el.querySelector(`.cnn-${name} .cnn-frame`).style.gridArea;
        const cells = (name) => texts(`.cnn-${name} .cnn-cell`);
        const found = { output: cells('output'), kernel: cells('kernel'), image: cells('image'),
            turned: cells('turned'), bias: cells('bias'),
            products: texts('.cnn-products .cnn-value'), sums: texts('.cnn-sums .cnn-value'),
            window: frame('image'), cell: frame('output'),
            sentence: el.querySelector('.cnn-sentence').textContent.replaceAll('\u2212', '-') };
        el.remove();
        return found;
    });
    return JSON.stringify(seen);
}"""


def test_whole_widgets_print_what_conv2d_computes(page, rng):
    cases = [random_widget(rng) for _ in range(500)]
    expected = [conv2d(*arguments)[0][0, state["filter"]] for state, arguments in cases]
    for (state, _), y in zip(cases, expected):
        state["position"] = [int(rng.integers(n)) for n in y.shape]
    found = json.loads(page.evaluate(RENDER, json.dumps([state for state, _ in cases])))
    for (state, (x, weight, bias, stride, padding)), y, seen in zip(cases, expected, found):
        (f, c), (i, j) = (state["filter"], state["channel"]), state["position"]
        (KH, KW), (sh, sw) = weight.shape[2:], np.broadcast_to(stride, 2)
        padded = np.pad(x[0], ((0, 0), *resolve_padding(padding, x.shape[2:], (KH, KW), (sh, sw))))
        window = padded[:, i * sh:i * sh + KH, j * sw:j * sw + KW]
        products = window * weight[f]
        shift = None if bias is None else bias[f]
        assert seen["output"] == y.ravel().tolist()
        assert seen["image"] == padded[c].ravel().tolist()
        assert seen["products"] == products[c].ravel().tolist()
        assert seen["window"] == f"{i * sh + 1} / {j * sw + 1} / span {KH} / span {KW}"
        assert seen["cell"] == f"{i + 1} / {j + 1} / span 1 / span 1"
        drawn = weight[f, c] if not state["flipped"] else weight[f, c, ::-1, ::-1]
        assert seen["kernel"] == drawn.ravel().tolist()
        assert seen["turned"] == (weight[f, c].ravel().tolist() if state["flipped"] else [])
        assert seen["bias"] == ([] if shift is None else [shift])
        sums = products.sum(axis=(1, 2)).tolist()
        deep = [] if len(sums) == 1 else [*sums, *seen["bias"], y[i, j]]
        assert seen["sums"] == deep
        where = f"Output ({i}, {j})" + f" of filter {f}" * (len(weight) > 1)
        assert where in seen["sentence"]
        last = re.findall(r"-?\d+", seen["sentence"])[-1]
        assert int(last) == y[i, j]
        parts = ", ".join(f"channel {k}: {part:.0f}" for k, part in enumerate(sums))
        assert len(sums) == 1 or f": {parts}, " in seen["sentence"]


# ---- what stands in the grids


@pytest.mark.parametrize("name", PLAIN)
def test_grids_print_image_kernel_and_output(page, name):
    w, view = SHOWN[name], View(page, name)
    image, kernel = np.array(w.image), np.array(w.kernel)
    (top, _), (left, _) = padding = resolve_padding(
        w.padding, image.shape, kernel.shape, np.broadcast_to(w.stride, 2))
    assert np.allclose(view.values(view.image), np.pad(image, padding), atol=0.005)
    assert np.allclose(view.values(view.kernel), kernel, atol=0.005)
    assert np.allclose(view.values(view.output), w.output(), atol=0.005)
    inner = [tuple(map(int, (cell.get_attribute("data-row"), cell.get_attribute("data-column"))))
             for cell in view.image.locator(".cnn-cell:not(.cnn-border)").all()]
    assert inner == [(top + i, left + j) for i in range(len(image)) for j in range(len(image[0]))]


@pytest.mark.parametrize("name", PLAIN)
def test_every_output_cell_shows_its_window_products_and_sum(page, name):
    w, view = SHOWN[name], View(page, name)
    image, kernel, output = np.array(w.image), np.array(w.kernel), w.output()
    sh, sw = np.broadcast_to(w.stride, 2)
    padded = np.pad(image, resolve_padding(w.padding, image.shape, kernel.shape, (sh, sw)))
    KH, KW = kernel.shape
    for i, j in np.ndindex(*output.shape):
        view.cell(i, j).click()
        window = [(i * sh + u, j * sw + v) for u in range(KH) for v in range(KW)]
        assert view.position == (i, j) and view.framed(view.image) == window
        products = [padded[place] for place in window] * kernel.ravel()
        assert kernel.size > 25 or np.allclose(view.products, products, atol=0.005)
        said = re.fullmatch(r"Output \((\d+), (\d+)\) = (.*) [=≈] (\S+)\.", view.sentence)
        assert (int(said[1]), int(said[2])) == (i, j)
        assert float(said[4]) == pytest.approx(output[i, j], abs=0.005)
        assert kernel.size > 25 or said[3].count("×") == kernel.size


def test_the_sentence_adds_up(page):
    view = View(page, "published")
    assert view.sentence == "Output (0, 0) = 0×0 + 3×1 + 9×0 + 5×2 = 13."
    assert "≈" in View(page, "large").sentence, "0.11 stands for 1/9: the sum is not exact"


def test_a_large_image_shows_colours_instead_of_numbers(page):
    view = View(page, "large")
    assert view.framed(view.image) == [(i, j) for i in (12, 13, 14) for j in (12, 13, 14)]
    sizes = view.image.locator(".cnn-cell").evaluate_all(
        "cells => cells.map((cell) => getComputedStyle(cell).fontSize)")
    assert set(sizes) == {"0px"}


# ---- pointing, keys, buttons


def test_hovering_moves_the_window(page):
    view = View(page)
    view.cell(2, 1).hover()
    assert view.position == (2, 1)
    assert view.framed(view.image)[0] == (2, 1)


def test_the_keyboard_path(page):
    view = View(page)
    page.locator("body").press("Tab")
    for _ in range(80):
        if page.evaluate("document.activeElement.getAttribute('role')") == "grid":
            break
        page.keyboard.press("Tab")
    for key, expected in [("ArrowRight", (0, 1)), ("ArrowDown", (1, 1)), ("ArrowLeft", (1, 0)),
                          ("ArrowLeft", (1, 0)), ("ArrowUp", (0, 0)), ("ArrowUp", (0, 0))]:
        page.keyboard.press(key)
        assert view.position == expected, key
    view.press(*["ArrowDown"] * 9, *["ArrowRight"] * 9)
    assert view.position == (3, 3)
    active = view.output.get_attribute("aria-activedescendant")
    assert page.locator(f"#{active}").inner_text().replace("\u2212", "-") == "-18"
    view.press("Home")
    assert view.position == (0, 0)


def test_keys_do_not_leave_the_widget(page):
    page.evaluate("() => { window.heard = []; "
                  "document.addEventListener('keydown', (e) => window.heard.push(e.key)); }")
    view = View(page)
    view.output.focus()
    top = page.evaluate("scrollY")
    view.press("a", "ArrowDown", " ", " ", "Home")
    assert page.evaluate("scrollY") == top, "arrows and space do not scroll the page"
    view.kernel.locator("input").first.press("b")
    assert page.evaluate("window.heard") == []
    page.locator("a").first.press("c")
    assert page.evaluate("window.heard") == ["c"]


def test_play_goes_cell_by_cell_to_the_end_and_stops(chromium, address):
    with page_with_clock(chromium, address) as page:
        view = View(page, "published")
        live = view.root.locator(".cnn-sentence")
        assert live.get_attribute("aria-live") == "polite"
        view.button("Play").click()
        seen = []
        for _ in range(3):
            page.clock.run_for(700)
            seen.append(view.position)
        assert seen == [(0, 1), (1, 0), (1, 1)]
        assert live.get_attribute("aria-live") == "off" and view.button("Pause").is_visible()
        page.clock.run_for(700)
        assert view.position == (1, 1) and view.button("Play").is_visible()
        view.button("Play").click()
        assert view.position == (0, 0), "playing again starts again"
        page.clock.run_for(700)
        view.press(" ")
        page.clock.run_for(5000)
        assert view.position == (0, 1), "space pauses"


def test_step_and_reset(page):
    view = View(page, "published")
    for expected in [(0, 1), (1, 0), (1, 1), (0, 0), (0, 1)]:
        view.button("Step").click()
        assert view.position == expected
    view.choose("Kernel", "identity")
    view.choose("Padding", "2")
    view.choose("Stride", "3")
    view.button("Reset").click()
    assert np.allclose(view.values(view.output), SHOWN["published"].output())
    assert view.position == (0, 0)
    assert view.root.get_by_label("Stride", exact=True).input_value() == "1"


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1, 2, "same"])
def test_stride_and_padding_controls(page, stride, padding):
    view = View(page)
    view.press(*["ArrowDown"] * 3, *["ArrowRight"] * 3)
    view.choose("Stride", json.dumps(stride))
    view.choose("Padding", json.dumps(padding))
    expected = SlidingKernel(stride=stride, padding=padding)
    assert np.allclose(view.values(view.output), expected.output())
    rows, columns = expected.output().shape
    assert view.position[0] < rows and view.position[1] < columns


@pytest.mark.parametrize("name", KERNELS)
def test_ready_made_kernels(page, name):
    view = View(page)
    view.choose("Kernel", name)
    assert np.allclose(view.values(view.output), SlidingKernel(kernel=name).output(), atol=0.005)


def test_choices_that_cannot_work_are_greyed_out(page):
    view = View(page, "tiny")

    def greyed(label):
        options = view.root.get_by_label(label, exact=True).locator("option:disabled")
        return options.all_inner_texts()

    assert greyed("Kernel") == list(KERNELS), "3 by 3 does not fit into two rows"
    view.choose("Padding", "1")
    assert greyed("Kernel") == []
    view.choose("Kernel", "identity")
    assert greyed("Padding") == ["0"]
    assert view.values(view.output).tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_editing_a_kernel_cell(page):
    view = View(page, "published")
    cells = view.kernel.locator("input")
    cells.nth(1).fill("-0,5")
    kernel = [[0, -0.5], [0, 2]]
    expected = SlidingKernel(SHOWN["published"].image, kernel).output()
    assert np.allclose(view.values(view.output), expected)
    assert " = 0×0 + 3×(-0.5) + 9×0 + 5×2 = 8.5." in view.sentence
    cells.nth(1).fill("-")
    assert cells.nth(1).get_attribute("aria-invalid") == "true"
    assert " = 0×0 + 3×(-0.5) + 9×0 + 5×2 = 8.5." in view.sentence, "no number, no change"
    cells.nth(1).blur()
    assert cells.nth(1).input_value() == "\u22120.5"
    assert cells.nth(1).get_attribute("aria-label") == "Kernel row 0, column 1"


def test_fractions_in_a_kernel(page):
    view = View(page)
    cells = view.kernel.locator("input")
    view.choose("Kernel", "blur")
    assert {cell.input_value() for cell in cells.all()} == {"1/9"}
    assert " = 0\u00d71/9 + " in view.sentence and view.sentence.endswith(" = 4.")
    cells.nth(8).fill("-2/3")
    kernel = np.full((3, 3), 1 / 9)
    kernel[2, 2] = -2 / 3
    expected = SlidingKernel(kernel=kernel).output()
    assert np.allclose(view.values(view.output), expected, atol=0.005)
    cells.nth(8).blur()
    assert cells.nth(8).input_value() == "\u22122/3"
    cells.nth(0).fill("0.5")
    cells.nth(0).blur()
    assert [cells.nth(k).input_value() for k in (0, 1)] == ["0.5", "1/9"]
    assert "0.25" in View(page, "same").image.inner_text()


def test_one_decimal_does_not_make_all_cells_longer(page):
    view = View(page)
    view.kernel.locator("input").nth(0).fill("0.5")
    view.kernel.locator("input").nth(0).blur()
    texts = [cell.input_value() for cell in view.kernel.locator("input").all()]
    assert texts == ["0.5", "0", "1", "\u22121", "0", "1", "\u22121", "0", "1"]
    assert "13.5" in view.output.inner_text() and ".0" not in view.output.inner_text()


def test_junk_in_a_kernel_cell_is_told(page):
    view = View(page, "published")
    cell, warning = view.kernel.locator("input").nth(1), view.root.locator(".cnn-warning")
    for junk in ("abc", "1/0", "2//3", "1 2"):
        cell.fill(junk)
        cell.blur()
        assert warning.inner_text() == "Not a number: still using 1."
        assert view.sentence.startswith("Output (0, 0) = 0\u00d70 + 3\u00d71 + ")
    cell.fill("-")
    assert not warning.is_visible(), "that may become a number"
    cell.blur()
    assert warning.inner_text() == "Not a number: still using 1."
    cell.fill("4")
    assert not warning.is_visible() and " 3\u00d74 + " in view.sentence


def test_the_keys_are_told_when_asked(page):
    view = View(page)
    keys, told = view.button("^Keys$"), view.root.locator(".cnn-help")
    assert not told.is_visible() and keys.get_attribute("aria-expanded") == "false"
    keys.click()
    assert "click the output, then use the arrow keys" in told.inner_text()
    assert keys.get_attribute("aria-expanded") == "true"
    assert page.locator("#" + keys.get_attribute("aria-controls")).is_visible()
    keys.press("Enter")
    assert not told.is_visible()
    view.cell(1, 1).hover()
    focused = "document.activeElement.getAttribute('role')"
    assert page.evaluate(focused) != "grid", "hovering does not take the focus"
    view.cell(1, 1).click()
    assert page.evaluate(focused) == "grid"


def test_end_is_the_last_cell(page):
    view = View(page, "strides")
    view.press("End")
    assert view.position == tuple(n - 1 for n in SHOWN["strides"].output().shape)
    view.press("Home")
    assert view.position == (0, 0)


@pytest.mark.parametrize("name, width", [("default", 700), ("default", 1200), ("strides", 1000),
                                         ("deep", 1200), ("turned", 1000)])
def test_a_turned_kernel_stays_in_one_row(chromium, address, name, width):
    with open_page(chromium, address, width=width) as page:
        view = View(page, name)
        view.more("true convolution").check()
        boxes = [grid.bounding_box() for grid in (view.image, view.kernel, view.turned,
                                                  view.output)]
        assert all(a["x"] + a["width"] < b["x"] for a, b in zip(boxes, boxes[1:]))
        root = view.root.bounding_box()
        assert boxes[-1]["x"] + boxes[-1]["width"] < root["x"] + root["width"]


def test_on_a_telephone_window_output_and_sentence_are_on_one_screen(chromium, tmp_path):
    edge = np.repeat([[0, 0, 0, 0, 1, 1, 1, 1]], 8, axis=0)
    widgets = [SlidingKernel(), SlidingKernel(edge), SlidingKernel(predict=True)]
    path = write(tmp_path, "01_a", notebook(*[code("w", shown(w)) for w in widgets]))
    build_site([path], tmp_path)
    with open_page(chromium, (tmp_path / "01_a.html").as_uri(), width=360, has_touch=True) as page:
        page.set_viewport_size({"width": 360, "height": 740})
        for root in page.locator(".cnn-widget").all():
            top = root.locator(".cnn-image").bounding_box()["y"]
            said = root.locator(".cnn-sentence").bounding_box()
            assert said["y"] + said["height"] - top < 700
            cell = root.locator(".cnn-output .cnn-cell").first.bounding_box()
            assert cell["width"] >= 24, "large enough for a finger"


@pytest.mark.parametrize("name", ["default", "same", "large"])
def test_the_three_grids_stand_side_by_side_on_a_wide_screen(page, name):
    view = View(page, name)
    boxes = [grid.bounding_box() for grid in (view.image, view.kernel, view.output)]
    middles = [box["y"] + box["height"] / 2 for box in boxes]
    assert max(middles) - min(middles) < 2
    assert boxes[0]["x"] + boxes[0]["width"] < boxes[1]["x"] < boxes[2]["x"]


def test_reduced_motion_does_not_start_by_itself(chromium, tmp_path):
    w = SlidingKernel()
    w.play()
    build_site([write(tmp_path, "01_a", notebook(code("w", shown(w))))], tmp_path)
    for motion, expected in (("reduce", (0, 0)), ("no-preference", (0, 1))):
        address = (tmp_path / "01_a.html").as_uri()
        with page_with_clock(chromium, address, reduced_motion=motion) as page:
            view = View(page)
            page.clock.run_for(700)
            assert view.position == expected


# ---- channels and filters


def test_the_sheets_are_picked_with_the_mouse(page):
    view, w = View(page, "deep"), SHOWN["deep"]
    assert view.root.get_by_role("radio", checked=True).count() == 2
    for f, c in [(1, 2), (0, 1)]:
        view.root.get_by_label(f"Filter {f}", exact=True).click()
        view.root.get_by_label(f"Channel {c}", exact=True).click()
        assert np.allclose(view.values(view.output), w.output()[f])
        assert np.allclose(view.values(view.kernel), DEEP_KERNEL[f, c])
        assert np.allclose(view.values(view.image)[1:-1, 1:-1], DEEP_IMAGE[c])
        titles = view.root.locator(".cnn-title").all_inner_texts()
        assert titles == [f"Image 4 × 6\nchannel {c} of 3",
                          f"Kernel 3 × 2\nfilter {f}, channel {c}", f"Bias\nfilter {f}",
                          f"Output 4 × 4\nfilter {f} of 2"]


def test_the_sheets_are_picked_with_the_keyboard(page):
    view = View(page, "deep")
    view.root.get_by_label("Filter 0", exact=True).focus()
    page.keyboard.press("ArrowRight")
    assert np.allclose(view.values(view.output), SHOWN["deep"].output()[1])
    view.root.get_by_label("Channel 0", exact=True).focus()
    page.keyboard.press("ArrowLeft")
    assert np.allclose(view.values(view.kernel), DEEP_KERNEL[1, 2]), "round the end"


def test_channel_sums_add_up(page):
    view = View(page, "deep")
    view.cell(1, 2).click()
    padded = np.pad(DEEP_IMAGE, ((0, 0), (1, 1), (1, 1)))
    sums = (padded[:, 1:4, 4:6] * DEEP_KERNEL[0]).sum(axis=(1, 2))
    total = SHOWN["deep"].output()[0, 1, 2]
    assert view.sums == {**{f"channel {c}": str(sums[c]) for c in range(3)}, "bias": "1",
                         "sum": f"{total:.0f}"}
    said = ", ".join(f"channel {c}: {sums[c]}" for c in range(3))
    assert view.sentence.endswith(
        f" = {sums[0]}. Output (1, 2) of filter 0: {said}, bias 1, sum {total:.0f}.")
    chosen = view.root.locator(".cnn-sums .cnn-chosen")
    assert chosen.inner_text().startswith("channel 0")


def test_an_edit_changes_one_sheet_only(page):
    view = View(page, "deep")
    view.root.get_by_label("Filter 1", exact=True).click()
    view.root.get_by_label("Channel 2", exact=True).click()
    view.kernel.locator("input").nth(3).fill("5")
    view.bias.locator("input").fill("10")
    kernel = DEEP_KERNEL.copy()
    kernel[1, 2, 1, 1] = 5
    expected = SlidingKernel(DEEP_IMAGE, kernel, bias=[1, 10], stride=(1, 2), padding=1).output()
    assert np.allclose(view.values(view.output), expected[1])
    view.root.get_by_label("Filter 0", exact=True).click()
    assert np.allclose(view.values(view.output), expected[0])
    options = view.root.get_by_label("Kernel", exact=True).locator("option:disabled")
    assert options.all_inner_texts() == list(KERNELS), "3 by 3 is no sheet of a 3 by 2 stack"


def test_a_kernel_of_two_axes_is_used_on_every_channel(page):
    view = View(page, "shared")
    view.kernel.locator("input").nth(1).fill("3")
    view.root.get_by_label("Channel 1", exact=True).click()
    assert view.values(view.kernel).tolist() == [[1, 3], [2, -1]]
    expected = SlidingKernel(DEEP_IMAGE[:2], [[1, 3], [2, -1]]).output()
    assert np.allclose(view.values(view.output), expected)
    view.choose("Kernel", "blur")
    assert np.allclose(view.values(view.output),
                       SlidingKernel(DEEP_IMAGE[:2], "blur").output(), atol=0.005)


def test_one_channel_and_one_filter_show_no_sheets(page):
    view = View(page)
    assert view.root.get_by_role("radio").count() == 0
    assert view.root.locator(".cnn-sums").is_hidden() and view.bias.count() == 0
    assert view.root.locator(".cnn-predict").is_hidden() and view.turned.count() == 0


# ---- the turned kernel


def test_true_convolution_turns_the_kernel(page):
    view = View(page, "strides")
    kernel = np.array(SHOWN["strides"].kernel)
    assert view.turned.count() == 0
    view.more("true convolution").check()
    assert view.values(view.kernel).tolist() == kernel.tolist()
    assert view.values(view.turned).tolist() == kernel[::-1, ::-1].tolist()
    expected = SlidingKernel(NOISE, kernel[::-1, ::-1], stride=(2, 3), padding=(1, 2)).output()
    assert np.allclose(view.values(view.output), expected)
    assert view.root.locator(".cnn-star").inner_text() == "\u2217"
    view.kernel.locator("input").first.fill("6")
    assert view.values(view.turned)[1, 2] == 6
    view.more("true convolution").focus()
    page.keyboard.press(" ")
    kernel[0, 0] = 6
    expected = SlidingKernel(NOISE, kernel, stride=(2, 3), padding=(1, 2)).output()
    assert np.allclose(view.values(view.output), expected), "space unticks it"
    assert view.turned.count() == 0


def test_a_page_may_begin_turned(page):
    view = View(page, "turned")
    assert view.more("true convolution").is_checked()
    assert np.allclose(view.values(view.output), SHOWN["turned"].output())
    assert view.sentence.endswith(f" + 0.5 (bias) = {SHOWN['turned'].output()[0, 0]:g}.")


# ---- predictions


def test_a_prediction_by_keyboard(page):
    view = View(page, "predict")
    assert view.shown == [["?", "?"], ["?", "?"]]
    assert view.sentence == "Output (0, 0) = 0×0 + 3×1 + 9×0 + 5×2 = ?."
    assert set(view.root.locator(".cnn-products .cnn-value").all_inner_texts()) == {"?"}
    assert not re.search('[>" ]13[<". ]', view.root.inner_html()), "it is hidden nowhere"
    view.press("1", "0", "Enter")
    assert view.verdict == "Not yet: 3 too small. Try again, or Reveal."
    assert view.shown == [["?", "?"], ["?", "?"]] and view.sentence.endswith(" = ?.")
    assert not re.search('[>" ]13[<". ]', view.root.inner_html()), "a wrong try tells no more"
    page.keyboard.type("15")
    page.keyboard.press("Enter")
    assert view.verdict == "Not yet: 2 too large. Try again, or Reveal."
    page.keyboard.type("26/2")
    page.keyboard.press("Enter")
    assert view.verdict == "\u2713 Exactly right: 13."
    assert view.shown == [["13", "?"], ["?", "?"]] and view.sentence.endswith(" = 13.")
    assert view.root.locator(".cnn-score").inner_text() == "0 of 1 right at the first try"
    page.keyboard.press("Enter")
    assert view.position == (0, 1) and view.verdict == ""
    page.keyboard.type("4")
    page.keyboard.press("Enter")
    assert view.verdict == "\u2713 Exactly right: 4."
    assert view.root.locator(".cnn-score").inner_text() == "1 of 2 right at the first try"
    view.press("ArrowDown", "-", "2", ",", "5", "Enter")
    assert view.verdict == "Not yet: 4.5 too small. Try again, or Reveal."
    view.press("ArrowLeft")
    assert view.verdict == ""
    view.press("ArrowRight")
    assert view.verdict == "Not yet: 4.5 too small. Try again, or Reveal.", "it was tried already"
    view.button("Reveal").click()
    page.keyboard.press("Enter")
    assert view.position == (1, 0), "round the end to the cell without an answer"
    assert view.root.locator(".cnn-score").inner_text() == "1 of 3 right at the first try"


def test_a_prediction_by_mouse_and_reveal(page):
    view = View(page, "predict")
    field = view.root.get_by_label(re.compile("Your number for output"))
    view.cell(1, 1).hover()
    assert view.position == (0, 0), "the way to the field changes nothing"
    view.cell(1, 0).click()
    field.fill("nine")
    view.button("Check").click()
    assert view.verdict.startswith("Type a number") and view.shown[1][0] == "?"
    assert field.get_attribute("aria-invalid") == "true"
    field.fill("9")
    view.button("Check").click()
    assert view.verdict == "\u2713 Exactly right: 9." and not field.is_editable()
    view.button("Next cell").click()
    assert view.position == (1, 1)
    view.button("Reveal").click()
    assert view.verdict == "Revealed: 2." and view.shown == [["?", "?"], ["9", "2"]]
    assert view.root.locator(".cnn-score").inner_text() == "1 of 1 right at the first try"


@pytest.mark.parametrize("forget", ["edit", "padding", "image", "reset", "turn"])
def test_answers_hold_for_one_picture_only(page, forget):
    view = View(page, "predict")
    view.press("1", "3", "Enter")
    assert view.shown[0][0] == "13"
    {"edit": lambda: view.kernel.locator("input").first.fill("1"),
     "padding": lambda: view.choose("Padding", "1"),
     "image": lambda: view.more("^Image$").select_option("ramp"),
     "reset": lambda: view.button("Reset").click(),
     "turn": lambda: view.more("true convolution").check()}[forget]()
    assert set(sum(view.shown, [])) == {"?"}
    assert view.root.locator(".cnn-score").inner_text() == ""


def test_predict_can_be_switched(page):
    view = View(page)
    view.more("predict").check()
    assert set(sum(view.shown, [])) == {"?"}
    view.more("predict").uncheck()
    assert np.allclose(view.values(view.output), SHOWN["default"].output())


def test_an_answer_is_right_to_the_two_decimals_shown(page):
    view = View(page)
    view.choose("Kernel", "blur")
    view.more("predict").check()
    view.cell(0, 1).click()
    view.press("6", "Enter")
    assert view.verdict == "\u2713 Exactly right: 6."
    view.cell(0, 2).click()
    page.keyboard.type("5.94")  # six times 9 times 0.11
    page.keyboard.press("Enter")
    assert view.verdict == "\u2713 Right with rounded numbers; more exactly 6."
    assert view.root.locator(".cnn-score").inner_text() == "2 of 2 right at the first try"
    view.kernel.locator("input").first.fill("0.125")
    view.cell(1, 1).click()
    page.keyboard.type("9")
    page.keyboard.press("Enter")
    assert view.verdict == "Not yet: 0.13 too small. Try again, or Reveal."
    page.keyboard.type("9.13")
    page.keyboard.press("Enter")
    assert view.verdict == "\u2713 Right to two decimals: 9.13."


def test_the_browser_and_python_agree_on_what_is_right(page, rng):
    cases, expected = [], []
    while len(cases) < 500:
        state, _ = random_widget(rng)
        scale = [1, 9, 7][rng.integers(3)]
        state["kernel"] = (np.array(state["kernel"]) / scale).tolist()
        names = ("image", "kernel", "bias", "stride", "padding", "flipped")
        w = SlidingKernel(**{name: state[name] for name in names})
        y = w.output().reshape(-1, *w._windows().output)
        for _ in range(5):
            place = tuple(int(rng.integers(n)) for n in y.shape)
            typed = float(y[place] + rng.choice([0, 0.004, 0.006, -0.01, 0.02, -0.05, 1]))
            w.answers = [(*place, typed)]
            expected.append(w.score() == (1, 1))
            cases.append([state, [*place, typed]])
    found = json.loads(page.evaluate("""async (text) => {
        const source = document.querySelector('script[data-module]').textContent;
        const blob = new Blob([source], { type: 'text/javascript' });
        const view = await import(URL.createObjectURL(blob));
        return JSON.stringify(JSON.parse(text).map(([state, [f, i, j, typed]]) => {
            const layer = view.layerOf({ get: (name) => (name === 'filter' ? f : state[name]) });
            return view.isRight(view.partsOf(layer, i, j), layer.bias, typed);
        }));
    }""", json.dumps(cases)))
    assert found == expected and 100 < sum(expected) < 400


# ---- picking and drawing the image


READY = {
    "vertical edge": lambda i, j: 9 * (j > 2),
    "square": lambda i, j: 9 * (0 < i < 5 and 0 < j < 5),
    "cross": lambda i, j: 9 * (i == 3 or j == 3),
    "checker": lambda i, j: 9 * ((i + j) % 2 == 0),
    "ramp": lambda i, j: j,
}


@pytest.mark.parametrize("name", READY)
def test_ready_made_images(page, name):
    view = View(page)
    view.more("^Image$").select_option("checker" if name == "square" else "square")
    view.more("^Image$").select_option(name)
    image = [[int(READY[name](i, j)) for j in range(6)] for i in range(6)]
    assert view.values(view.image).tolist() == image
    assert np.allclose(view.values(view.output), SlidingKernel(image).output())


def test_a_ready_made_image_fills_one_channel(page):
    view = View(page, "deep")
    view.root.get_by_label("Channel 1", exact=True).click()
    view.more("^Image$").select_option("ramp")
    image = DEEP_IMAGE.copy()
    image[1] = range(6)
    expected = SlidingKernel(image, DEEP_KERNEL, bias=[1, -2], stride=(1, 2), padding=1).output()
    assert np.allclose(view.values(view.output), expected[0])


def test_drawing_with_the_mouse(page):
    view = View(page, "canvas")
    image = np.array(SHOWN["canvas"].image)

    def pixel(i, j):
        return view.image.locator(f"[data-row='{i + 1}'][data-column='{j + 1}']")

    pixel(0, 1).click()
    image[0, 1] = 7
    pixel(2, 2).click()
    image[2, 2] = 0
    assert np.allclose(view.values(view.image)[1:-1, 1:-1], image)
    view.root.get_by_label("Paint with").fill("3")
    pixel(1, 0).hover()
    page.mouse.down()
    for j in (1, 2, 3):
        pixel(1, j).hover()
    page.mouse.up()
    pixel(2, 3).hover()
    image[1] = 3
    assert np.allclose(view.values(view.image)[1:-1, 1:-1], image)
    assert np.allclose(view.values(view.output), SlidingKernel(image, padding=1).output())
    view.image.locator("[data-row='0'][data-column='0']").click()
    assert np.allclose(view.values(view.image)[1:-1, 1:-1], image), "padding is not the image"
    view.more("draw").uncheck()
    pixel(0, 0).click()
    assert np.allclose(view.values(view.image)[1:-1, 1:-1], image)


def test_drawing_with_the_keyboard(page):
    view = View(page, "canvas")
    image = np.array(SHOWN["canvas"].image)
    assert view.image.get_attribute("role") == "grid"
    view.image.focus()
    for key in ["ArrowDown", "ArrowRight", "ArrowRight", " ", "ArrowUp", "4", "ArrowLeft", "Enter"]:
        page.keyboard.press(key)
    image[1, 2], image[0, 2], image[0, 1] = 7, 4, 7
    assert np.allclose(view.values(view.image)[1:-1, 1:-1], image)
    page.keyboard.press(" ")
    assert view.values(view.image)[1, 2] == 0, "the same key erases"
    active = view.image.get_attribute("aria-activedescendant")
    cursor = view.root.locator(".cnn-cursor")
    assert cursor.get_attribute("id") == active
    assert (cursor.get_attribute("data-row"), cursor.get_attribute("data-column")) == ("1", "2")
    view.more("draw").uncheck()
    assert view.image.get_attribute("role") == "table" and cursor.count() == 0
    assert view.image.get_attribute("tabindex") is None


def test_drawing_with_a_finger(chromium, address):
    with open_page(chromium, address, width=360, has_touch=True) as page:
        view = View(page, "canvas")
        view.image.locator("[data-row='2'][data-column='1']").tap()
        assert view.values(view.image)[2, 1] == 7
        assert view.image.evaluate("grid => getComputedStyle(grid).touchAction") == "none"


def test_random_kernels_are_the_same_each_time(page):
    view = View(page, "published")
    seen = []
    for _ in range(2):
        for _ in range(3):
            view.choose("Kernel", "random")
            seen.append(view.values(view.kernel).tolist())
        view.button("Reset").click()
    assert seen[:3] == seen[3:] and len(set(map(str, seen))) == 3
    assert set(np.ravel(seen)) <= {-2, -1, 0, 1, 2}
    view.choose("Kernel", "random")
    expected = SlidingKernel(SHOWN["published"].image, seen[0]).output()
    assert np.allclose(view.values(view.output), expected)


# ---- pages


def test_a_page_with_an_older_state_still_works(page):
    new = {"bias", "flipped", "filter", "channel", "predict", "answers", "drawing", "seed"}
    state = {name: value for name, value in SHOWN["strides"].state().items() if name not in new}
    (seen,) = json.loads(page.evaluate(RENDER, json.dumps([state])))
    assert seen["output"] == SHOWN["strides"].output().ravel().tolist()
    assert seen["turned"] == seen["bias"] == seen["sums"] == []


def test_the_still_gives_way_to_the_widget(page):
    View(page, "large")
    assert page.locator(".course-widget img").count() == 0
    assert page.locator(".cnn-widget").count() == len(SHOWN)


def test_without_scripts_the_still_is_shown(chromium, address):
    with open_page(chromium, address, java_script_enabled=False) as page:
        stills = page.locator(".course-widget img")
        assert stills.count() == len(SHOWN)
        assert all("kernel" in still.get_attribute("alt") for still in stills.all())


def test_a_telephone_needs_no_sideways_scrolling(chromium, address):
    with open_page(chromium, address, width=360, has_touch=True) as page:
        for name in NAMES:
            view = View(page, name)
            last = SHOWN[name].output().shape[-2:]
            view.cell(last[0] - 1, last[1] - 1).tap()
            assert view.position == (last[0] - 1, last[1] - 1)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        boxes = page.locator(".cnn-widget *").evaluate_all(
            "nodes => nodes.map((node) => node.getBoundingClientRect().right)")
        assert max(boxes) <= 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_are_both_readable(chromium, address, scheme):
    with open_page(chromium, address, color_scheme=scheme) as page:
        view = View(page)
        view.button("^Keys$").click()
        view.more("predict").check()
        contrasts = page.evaluate("""() => {
            const canvas = document.createElement('canvas').getContext('2d');
            const rgb = (colour) => {
                canvas.fillStyle = colour;
                canvas.fillRect(0, 0, 1, 1);
                return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
            };
            const light = (colour) => rgb(colour).map((part) => part / 255)
                .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
                .reduce((sum, c, k) => sum + c * [0.2126, 0.7152, 0.0722][k], 0);
            const paperOf = (node) => {
                const colour = getComputedStyle(node).backgroundColor;
                return /^rgba.*, 0\\)$/.test(colour) && node.parentElement
                    ? paperOf(node.parentElement) : colour;
            };
            const texts = document.querySelectorAll('p, .cnn-switch, .cnn-fold, .cnn-cell, .cnn-title, .cnn-factors, '
                + '.cnn-value, .cnn-button, .cnn-choice, h1, code, pre span');
            return [...texts].map((node) => {
                const [a, b] = [light(getComputedStyle(node).color), light(paperOf(node))];
                return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), node.className];
            });
        }""")
        assert min(contrasts)[0] >= 4.5, min(contrasts)
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(255, 255, 255)") == (scheme == "light")


def test_paper_is_white_and_has_no_buttons(chromium, address):
    with open_page(chromium, address, color_scheme="dark") as page:
        view = View(page)
        page.emulate_media(media="print")
        papers = page.evaluate("['body', '.cnn-widget'].map((name) => "
                               "getComputedStyle(document.querySelector(name)).backgroundColor)")
        assert papers == ["rgb(255, 255, 255)"] * 2
        assert not view.button("Play").is_visible() and view.output.is_visible()


def test_the_lesson_itself_works_on_its_page(chromium, tmp_path):
    if not LESSON.exists():
        pytest.skip("01_convolution.ipynb is not written yet")
    build_site([LESSON], tmp_path)
    with open_page(chromium, (tmp_path / "01_convolution.html").as_uri(), width=360) as page:
        view = View(page)
        view.press("Home", "ArrowRight")
        assert view.position == (0, 1) and view.sentence.startswith("Output (0, 1) = ")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert all(image.get_attribute("alt") for image in page.locator("img").all())


# ---- decks


ON_SLIDES = {
    "sliding kernel": SlidingKernel(np.repeat([[0, 0, 0, 0, 1, 1, 1, 1]], 8, axis=0)),
    "turned": SlidingKernel(flipped=True),
    "padding": PaddingStride(),
    "padding 12": PaddingStride((12, 12), stride=3),
    "padding 28": PaddingStride((28, 28), 5, 3, 2),
    "pooling": PoolingWindow(shift="left"),
}
QUESTION = "Which output cells change where one pixel of the image changes? " * 2


@pytest.fixture(scope="module")
def deck(chromium, tmp_path_factory):
    """One deck, a question of two lines and a widget on each slide; the tests go through it."""
    folder = tmp_path_factory.mktemp("deck")

    def slide(kind, cell):
        return {**cell, "metadata": {**cell["metadata"], "slideshow": {"slide_type": kind}}}

    cells = [slide("slide", markdown("# 01. Widgets"))]
    for w in ON_SLIDES.values():
        cells += [slide("slide", markdown(QUESTION)), slide("-", code("w", shown(w)))]
    build_deck(write(folder, "01_widgets", notebook(*cells)), folder / "out")
    (address,) = (folder / "out").glob("*.html")
    with open_page(chromium, address.as_uri(), width=1024) as page:
        page.set_viewport_size({"width": 1024, "height": 768})
        page.wait_for_function("() => document.documentElement.dataset.deck === 'ready'")
        yield page
        assert page.outside == [] and page.errors == []


@pytest.mark.parametrize("name", ON_SLIDES)
def test_on_a_deck_a_widget_fits_and_works(deck, name):
    w, number = ON_SLIDES[name], list(ON_SLIDES).index(name)
    deck.evaluate("(number) => Reveal.slide(number + 1)", number)
    view = WidgetView(deck, number, output=0)
    view.output = view.root.locator("[role=grid]").last
    rows, columns = w._windows().output
    if isinstance(w, PaddingStride):
        expected = np.arange(1, rows * columns + 1).reshape(rows, columns)
    else:
        expected = w.output()
    assert np.array_equal(view.values(view.output), expected)
    view.press("Home", "ArrowRight", "ArrowDown")
    assert view.position == (1, 1)
    view.press("End")
    assert view.position == (rows - 1, columns - 1)
    view.cell(0, 1).hover()
    assert view.position == (0, 1) and "(0, 1)" in view.sentence
    view.cell(1, 0).click()
    assert view.position == (1, 0)
    view.button("^Play$").click()
    view.button("^Pause$").click()
    box = view.root.bounding_box()
    assert box["y"] + box["height"] <= 768, "question and widget on one screen"
    letters = view.root.evaluate("""(root) => [...root.querySelectorAll(
        'p, span, button, select, input, label, .cnn-title')].filter((node) =>
            node.checkVisibility() && node.textContent.trim() && !node.closest('.cnn-grid'))
        .map((node) => parseFloat(getComputedStyle(node).fontSize)
            * (root.getBoundingClientRect().width / root.offsetWidth))""")
    assert min(letters) >= 13.9, "readable from the last row"


# ---- JupyterLab


LAB_CELLS = {
    "make": "from course_lib.widgets import SlidingKernel\nw = SlidingKernel()\nw",
    "read": "print(w.position, w.kernel[0][0], w.stride, w.image[0][0], w.flipped)",
    "score": "print(w.answers, *w.score())",
    "move": "w.position = (2, 3)",
    "predict": "w.kernel = 'blur'\nw.predict = True\nw.position = (0, 1)",
    "play": "w.predict = False\nw.reset()\nw.play()",
    "layers": "SlidingKernel([[[1, 2], [3, 4]]] * 2, [[[[1]]] * 2] * 3)",
    "pause": "w.pause()\nprint(w.playing)",
    "padding": "from course_lib.widgets import *\np = PaddingStride(position=(2, 2))\np",
    "read padding": "print(p.size, p.kernel_size, p.stride, p.padding, p.position)",
    "change padding": "p.padding = 'valid'\np.position = (1, 2)",
    "pooling": "q = PoolingWindow()\nq",
    "read pooling": "print(q.kind, q.kernel_size, q.stride, q.shift, q.position, q.compare)",
    "change pooling": "q.shift = (1, -1)\nq.play()",
}


def run(page, name):
    return run_cell(page, list(LAB_CELLS).index(name))


def run_until(page, name, expected):
    run_cell_until(page, list(LAB_CELLS).index(name), expected)


@pytest.fixture(scope="module")
def lab(chromium, tmp_path_factory):
    """One JupyterLab with one notebook in which the widget stands; the tests go on from it."""
    folder = tmp_path_factory.mktemp("lab")
    write(folder, "try", notebook(*[code(source) for source in LAB_CELLS.values()]))
    with (jupyter_lab(folder, tmp_path_factory.mktemp("settings")) as address,
          open_page(chromium, f"{address}/lab/tree/try.ipynb?reset", width=1300) as page):
        open_notebook(page)
        run(page, "make")
        View(page)
        yield page


@pytest.fixture
def lab_view(lab):
    """The widget as it was made."""
    view = View(lab)
    view.button("Reset").click()
    return view


def test_in_jupyterlab_keys_move_the_position_in_python(lab, lab_view):
    assert lab.locator(".jp-OutputArea-output img").count() == 0, "no still beside the widget"
    run_until(lab, "read", "(0, 0) -1.0 1 0.0 False")
    lab_view.press("ArrowRight", "ArrowDown", "a", "b", "d", "d")
    assert lab_view.position == (1, 1)
    run_until(lab, "read", "(1, 1) -1.0 1 0.0 False")
    cells = lab.evaluate("window.jupyterapp.shell.currentWidget.content.widgets.length")
    assert cells == len(LAB_CELLS), "keys pressed in the widget are no notebook commands"
    run(lab, "move")
    lab.get_by_text(re.compile(r"^Output \(2, 3\) = ")).wait_for()
    assert lab_view.position == (2, 3) and lab_view.framed(lab_view.image)[0] == (2, 3)


def test_in_jupyterlab_an_edited_kernel_and_image_arrive_in_python(lab, lab_view):
    lab_view.kernel.locator("input").first.fill("4")
    lab_view.choose("Stride", "2")
    lab_view.more("true convolution").check()
    lab_view.more("draw").check()
    lab_view.image.focus()
    lab.keyboard.press("5")
    run_until(lab, "read", "(0, 0) 4.0 2 5.0 True")
    lab_view.more("draw").uncheck()


def test_in_jupyterlab_predictions_arrive_in_python(lab, lab_view):
    run(lab, "predict")
    lab.get_by_text(re.compile(r"^Output \(0, 1\) = .* = \?\.$|≈ \?\.$")).wait_for()
    lab_view.press("6", "Enter", "Enter")
    lab.keyboard.press("Enter")
    assert lab_view.position == (0, 2)
    lab.keyboard.type("5")
    lab.keyboard.press("Enter")
    assert lab_view.verdict == "Not yet: 1 too small. Try again, or Reveal."
    run_until(lab, "score", "((0, 0, 1, 6), (0, 0, 2, 5)) 1 2")


class LabView(WidgetView):
    """The widget that one cell of the notebook shows."""

    def __init__(self, lab, name):
        run(lab, name)
        self.page = lab
        cell = lab.locator(".jp-Notebook .jp-Cell").nth(list(LAB_CELLS).index(name))
        self.root = cell.locator(".cnn-widget")
        self.root.wait_for()
        self.output = self.root.locator("[role=grid]")


def test_in_jupyterlab_padding_and_stride_arrive_in_python(lab):
    view = LabView(lab, "padding")
    run_until(lab, "read padding", "(7, 8) (3, 3) (2, 2) 1 (2, 2)")
    view.press("ArrowRight", "ArrowUp")
    view.root.get_by_label("Stride across", exact=True).fill("3")
    view.root.get_by_label("Kernel rows", exact=True).fill("5")
    run_until(lab, "read padding", "(7, 8) (5, 3) (2, 3) (1, 1) (1, 2)")
    run(lab, "change padding")
    view.root.get_by_text("⌊(7 + 0 + 0 − 5) / 2⌋ + 1 = 2").wait_for()
    lab.wait_for_function("""() => [...document.querySelectorAll('.cnn-sentence')]
        .some((says) => says.textContent.startsWith('Window 4 of 4, output (1, 1): '))""")


def test_in_jupyterlab_pooling_arrives_in_python(lab):
    view = LabView(lab, "pooling")
    run_until(lab, "read pooling", "max (2, 2) (2, 2) (0, 0) (0, 2) False")
    view.choose("Pooling", "average")
    view.choose("Stride", "1")
    view.button("Shift the image down").click()
    view.root.get_by_label("compare with a convolution").check()
    view.press("End")
    run_until(lab, "read pooling", "average (2, 2) (1, 1) (1, 0) (4, 4) True")
    view.press("Home")
    run(lab, "change pooling")
    view.root.get_by_text("Pooling, shifted 1 down and 1 left: ").wait_for()
    view.root.get_by_text(re.compile(r"^Output \(0, 1\) = ")).wait_for()
    view.button("^Pause$").click()
    view.button("^Play$").wait_for()


def test_in_jupyterlab_two_widgets_do_not_mix(lab, lab_view):
    run(lab, "layers")
    run(lab, "layers")
    tabs = lab.get_by_role("radio", name="Filter 2")
    tabs.wait_for()
    tabs.click()
    run(lab, "make")
    View(lab)
    assert tabs.is_checked() and lab.get_by_role("radio", checked=True).count() == 2
    ids = lab.locator(".cnn-widget [id]").evaluate_all("nodes => nodes.map((node) => node.id)")
    assert len(set(ids)) == len(ids) > 0, "a name that is used twice points to the wrong widget"


def test_in_jupyterlab_a_teacher_plays_pauses_and_resets(lab, lab_view):
    run(lab, "predict")
    run(lab, "play")
    lab_view.button("Pause").wait_for()
    lab.get_by_text(re.compile(r"^Output \(0, 1\) = ")).wait_for()
    assert run(lab, "pause") == "False"
    lab_view.button("Play").wait_for()
    assert lab_view.values(lab_view.kernel)[0].tolist() == [-1, 0, 1]
