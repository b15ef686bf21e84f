"""The widgets as people meet them: in Chromium, on exported pages, and in a real JupyterLab.

The oracle is the course's own conv2d. Needs a browser; COURSE_REQUIRE=browser makes it a must.
"""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from browser import jupyter_lab, open_chromium, open_page
from conftest import need
from site_notebooks import code, markdown, notebook, shown, write

from course_lib.conv import conv2d
from course_lib.shapes import resolve_padding
from course_lib.site import build_site
from course_lib.widgets import KERNELS, SlidingKernel

LESSON = Path(__file__).parents[1] / "notebooks" / "01_convolution.ipynb"
NOISE = np.random.default_rng(5).integers(-5, 6, size=(5, 7))
SHOWN = {  # what stands on the page, in this order
    "default": SlidingKernel(),
    "published": SlidingKernel([[0, 3, 4], [9, 5, 0], [6, 2, 1]], [[0, 1], [0, 2]]),
    "strides": SlidingKernel(NOISE, [[1, -2, 3], [0, 4, -1]], stride=(2, 3), padding=(1, 2)),
    "uneven": SlidingKernel(NOISE, [[2], [-1]], padding=((0, 2), (3, 1)), position=(2, 4)),
    "same": SlidingKernel(NOISE / 4, np.arange(8).reshape(2, 4), stride=2, padding="same"),
    "whole": SlidingKernel(NOISE, NOISE[::-1]),
    "tiny": SlidingKernel([[1, 2, 3, 4], [5, 6, 7, 8]], [[-1, 1]]),
    "large": SlidingKernel(np.eye(28), "blur", position=(12, 12)),
}
NAMES = list(SHOWN)


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
        image, kernel, output = self.root.locator(".cnn-grid").all()
        self.image, self.kernel, self.output = image, kernel, output

    def values(self, grid):
        """The numbers that are printed in a grid's cells, as an array."""
        rows = grid.evaluate(
            "grid => [...grid.querySelectorAll('.cnn-row')].map(row => [...row.children].map("
            "cell => cell.querySelector('input')?.value ?? cell.textContent))"
        )
        return np.array([[float(text.replace("\u2212", "-")) for text in row] for row in rows])

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
        return [float(text.replace("\u2212", "-"))
                for text in self.root.locator(".cnn-value").all_inner_texts()]

    def cell(self, i, j):
        return self.output.locator(f"[data-row='{i}'][data-column='{j}']")

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


# ---- what stands in the grids


@pytest.mark.parametrize("name", NAMES[:-1])
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


@pytest.mark.parametrize("name", NAMES[:-1])
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
    with open_page(chromium, "about:blank") as page:
        page.clock.install()
        page.goto(address)
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
        with open_page(chromium, "about:blank", reduced_motion=motion) as page:
            page.clock.install()
            page.goto((tmp_path / "01_a.html").as_uri())
            view = View(page)
            page.clock.run_for(700)
            assert view.position == expected


# ---- pages


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
            last = SHOWN[name].output().shape
            view.cell(last[0] - 1, last[1] - 1).tap()
            assert view.position == (last[0] - 1, last[1] - 1)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        boxes = page.locator(".cnn-widget *").evaluate_all(
            "nodes => nodes.map((node) => node.getBoundingClientRect().right)")
        assert max(boxes) <= 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_are_both_readable(chromium, address, scheme):
    with open_page(chromium, address, color_scheme=scheme) as page:
        View(page)
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
            const texts = document.querySelectorAll('p, .cnn-cell, .cnn-title, .cnn-factors, '
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


# ---- JupyterLab


LAB_CELLS = [
    "from course_lib.widgets import SlidingKernel\nw = SlidingKernel()\nw",
    "print(w.position, w.kernel[0][0], w.stride)",
    "w.position = (2, 3)",
]
RUN_CELL = """async (index) => {
    const panel = window.jupyterapp.shell.currentWidget;
    panel.content.activeCellIndex = index;
    await window.jupyterapp.commands.execute('notebook:run-cell');
    const outputs = panel.content.widgets[index].model.outputs.toJSON();
    return outputs.map((output) => output.text ?? output.evalue ?? '').flat().join('');
}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    need("browser")
    folder = tmp_path_factory.mktemp("lab")
    write(folder, "try", notebook(*[code(source) for source in LAB_CELLS]))
    with jupyter_lab(folder, tmp_path_factory.mktemp("settings")) as address:
        yield address


def test_in_jupyterlab_the_browser_and_python_hold_the_same_state(chromium, lab):
    with open_page(chromium, f"{lab}/lab/tree/try.ipynb?reset", width=1300) as page:
        kernel = "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel"
        page.wait_for_function(kernel, timeout=60_000)
        page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.ready")
        page.evaluate(RUN_CELL, 0)
        view = View(page)
        assert page.locator(".jp-OutputArea-output img").count() == 0, "no still beside the widget"
        assert page.evaluate(RUN_CELL, 1).strip() == "(0, 0) -1.0 1"
        view.press("ArrowRight", "ArrowDown", "a", "b", "d", "d")
        view.kernel.locator("input").first.fill("4")
        view.choose("Stride", "2")
        assert view.position == (1, 1)
        assert page.evaluate(RUN_CELL, 1).strip() == "(1, 1) 4.0 2"
        cells = page.evaluate("window.jupyterapp.shell.currentWidget.content.widgets.length")
        assert cells == len(LAB_CELLS), "keys pressed in the widget are no notebook commands"
        view.choose("Stride", "1")
        page.evaluate(RUN_CELL, 2)
        page.get_by_text(re.compile(r"^Output \(2, 3\) = ")).wait_for()
        assert view.position == (2, 3) and view.framed(view.image)[0] == (2, 3)
