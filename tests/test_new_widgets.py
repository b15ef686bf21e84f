"""The widgets of lessons 00, 04 to 07 and 11, one test each: on a page, on a deck, in JupyterLab."""

import re

import numpy as np
import pytest
from browser import (
    jupyter_lab, open_chromium, open_notebook, open_page, run_cell, run_cell_until, settle,
)
from conftest import need
from site_notebooks import code, markdown, notebook, shown, write
from widget_view import CONTRASTS, build_page, no_sideways_scrolling

from course_lib.data import load_small_digits
from course_lib.layers import Conv2D, Dense, Flatten, MaxPool2D, ReLU, Softmax
from course_lib.model import Sequential
from course_lib.slides import build_deck
from course_lib.snapshots import Snapshots
from course_lib.train import fit
from course_lib.widgets import (
    DrawDigit, GradientFlow, KernelEditor, PixelInspector, SampleSize, ShapeTracer, StepSizeCurve,
    TrainingPlayer,
)
from course_lib.widgets.centring import centre_digit

DIGITS = load_small_digits(size=28)


def network(seed=0):
    rng = np.random.default_rng(seed)
    return Sequential([Conv2D(1, 8, 3, padding=1, rng=rng), ReLU(), MaxPool2D(2),
                       Conv2D(8, 16, 3, padding=1, rng=rng), ReLU(), MaxPool2D(2), Flatten(),
                       Dense(784, 10, rng=rng), Softmax()], input_shape=(1, 28, 28))


def watched(lr):
    """Two epochs, with the pictures that a player shows."""
    held_out = DIGITS.test_images[:300], DIGITS.test_labels[:300]
    seen, model = Snapshots(*held_out), network()
    fit(model, DIGITS.train_images[:100], DIGITS.train_labels[:100], epochs=2, lr=lr,
        validation=held_out, watch=seen, progress=False)
    return seen


@pytest.fixture(scope="module")
def widgets():
    """Each in the size in which it is hardest to fit on a slide."""
    rng = np.random.default_rng(0)
    return {
        "pixel_inspector": PixelInspector(rng.random((3, 20, 20)).round(2)),
        "shape_tracer": ShapeTracer(layer=1),
        "gradient_flow": GradientFlow(np.arange(36).reshape(6, 6) % 10, np.ones((3, 3)), stride=2,
                                      padding=1, view="dx", position=(0, 1)),
        "step_size": StepSizeCurve("kink", h=1e-4),
        "training_player": TrainingPlayer({"lr 0.1": watched(0.1), "lr 0.02": watched(0.02)}),
        "draw_digit": DrawDigit(network(), DIGITS),
        "kernel_editor": KernelEditor(DIGITS.test_images[:5],
                                      learned=rng.normal(size=(8, 5, 5))),
        "sample_size": SampleSize(200, 0.92, draws=120,
                                  published={"S4": (195, 200), "S1": (25, 25)}),
    }


NAMES = ["pixel_inspector", "shape_tracer", "gradient_flow", "step_size", "training_player",
         "draw_digit", "kernel_editor", "sample_size"]


class View:
    """One widget on a page or a slide, as a person reads and moves it."""

    def __init__(self, page, root):
        self.page, self.root = page, root
        self.root.wait_for()

    def says(self, place=""):
        return self.root.locator(f"{place} .cnn-sentence").first.inner_text().replace("−", "-")

    def button(self, name):
        return self.root.get_by_role("button", name=re.compile(name))

    def named(self, label):
        return self.root.get_by_label(label, exact=True)

    def grid(self):
        return self.root.locator("[role=grid]:visible").last

    def hover(self, i, j):
        self.grid().locator(f"[data-row='{i}'][data-column='{j}']").hover()

    def box(self, node):
        """x, y, width and height on the screen, once it is in sight."""
        return node.evaluate("""(node) => {
            node.scrollIntoView({ block: 'nearest' });
            return node.getBoundingClientRect().toJSON(); }""")

    def press(self, node, *keys):
        node.focus()
        for key in keys:
            self.page.keyboard.press(key)


# ---- what a visitor does with each: the value is right, the pointer and the keys move it


def use_pixel_inspector(view, w):
    x = np.array(w.image)
    view.press(view.grid(), "Home", "ArrowRight", "ArrowDown", "ArrowDown")
    assert view.says().startswith(f"x[0, 0, 2, 1] = {x[0, 0, 2, 1]:.3f} from 0 to 1")
    view.hover(7, 9)
    assert view.says().startswith(f"x[0, 0, 7, 9] = {x[0, 0, 7, 9]:.3f} from 0 to 1")
    view.named("Slice").fill("0, 1, 3:6, 4")
    mean = x[0, 1, 3:6, 4].mean()
    told = view.root.locator(".cnn-answer").inner_text()
    assert "has the shape (3,)" in told and told.endswith(f"mean {mean:.3f}.")


def use_shape_tracer(view, w):
    summary = w.summary()
    total = view.root.locator(".cnn-total").inner_text()
    assert f"{summary.parameters:,}" in total and f"{summary.flops:,}" in total
    view.root.locator("[data-layer='5']").hover()
    assert view.says(".cnn-tracer").startswith(summary.rows[5].name)
    view.press(view.named("Layers"), "Home", "ArrowDown", "ArrowDown")
    assert view.says(".cnn-tracer").startswith(summary.rows[2].name)
    C, H, W = w.maps()
    view.press(view.root.get_by_role("slider"), "Home", "ArrowDown", "ArrowDown", "ArrowRight")
    assert int(view.named("Index").input_value()) == 2 * W + 1
    strip = view.box(view.root.locator(".cnn-vector canvas"))
    view.page.mouse.move(strip["x"] + strip["width"] / 2, strip["y"] + 5)
    assert int(view.named("Index").input_value()) == pytest.approx(C * H * W / 2, abs=10)


def use_gradient_flow(view, w):
    dx, dweight = w.gradients()
    text = lambda cell: cell.inner_text().replace("−", "-")  # noqa: E731
    cell = lambda i, j: view.grid().locator(  # noqa: E731 (before dX stands a row of padding)
        f"[data-row='{i + 1}'][data-column='{j + 1}']")
    assert float(text(cell(0, 1))) == dx[0, 1] and text(cell(4, 4)) == "?"
    cell(4, 4).hover()
    assert float(text(cell(4, 4))) == dx[4, 4] and f" = {dx[4, 4]:g}: " in view.says()
    view.press(view.grid(), "End")
    assert f"dX(5, 5) = {dx[5, 5]:g}: " in view.says() or f" = {dx[5, 5]:g}: " in view.says()
    view.button("Show all").click()
    assert float(text(cell(2, 3))) == dx[2, 3]
    view.named("Gather dW").check()
    view.hover(1, 2)
    assert view.says().startswith("dW(1, 2) = ") and f" = {dweight[1, 2]:g}: " in view.says()


def use_step_size(view, w):
    fresh = StepSizeCurve("kink", h=1e-4)
    slider, chart = view.named("Step size h"), view.root.get_by_role("img")
    numeric = lambda: float(re.search("numeric ([-0-9.e]+)", view.says())[1])  # noqa: E731
    assert numeric() == pytest.approx(fresh.numeric(), rel=1e-9)
    view.press(slider, *["ArrowLeft"] * 8)
    assert numeric() == pytest.approx(fresh.numeric(h=1e-5), rel=1e-9)
    assert chart.locator("svg > circle").count() == 9
    box = view.box(chart)
    view.page.mouse.click(box["x"] + box["width"] * 0.985, box["y"] + box["height"] / 2)
    assert numeric() == pytest.approx(fresh.numeric(h=1.0), rel=1e-9)
    view.button("Show the curve").click()
    assert chart.locator("svg > path").count() == 3


def use_training_player(view, w):
    told = lambda epoch: [f"After epoch {epoch}"] + [  # noqa: E731
        f"{run['name']}: loss {int(1000 * run['loss'][epoch - 1] + 0.5) / 1000:.3f}"
        for run in w.runs]
    slider = view.named("Epoch")
    view.press(slider, "Home")
    assert all(words in view.says() for words in told(1))
    view.press(slider, "End")
    assert all(words in view.says() for words in told(2))
    box = view.box(view.root.locator("svg.cnn-chart").last)
    view.page.mouse.click(box["x"] + box["width"] * 0.2, box["y"] + box["height"] / 2)
    assert all(words in view.says() for words in told(1))
    diagonal = view.root.locator(".cnn-player-run").first.locator(".cnn-player-right")
    frame = w.runs[0]["frames"][0]
    assert [int(text) for text in diagonal.all_inner_texts()] == np.diag(
        frame["confusion"]).tolist()


def use_draw_digit(view, w):
    view.named("Test digit").select_option(index=1)
    chosen = int(re.search(r"no\. (\d+)", view.named("Test digit").evaluate(
        "list => list.selectedOptions[0].textContent"))[1])
    seen = centre_digit(np.rint(255 * DIGITS.test_images[chosen, 0])) / 255
    expected = network().predict_proba(seen[None, None].astype(np.float32))[0]
    read = view.root.locator(".cnn-digit-number").all_inner_texts()
    assert np.allclose([float(text) for text in read], 100 * expected, atol=0.051)
    sheet = view.root.locator(".cnn-digit-sheet")
    view.button("Clear").click()
    assert view.says().startswith("Nothing is drawn")
    box = view.box(sheet)
    view.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.2)
    view.page.mouse.down()
    view.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.8, steps=4)
    view.page.mouse.up()
    ink = "(sheet, [i, j]) => sheet.getContext('2d').getImageData(j, i, 1, 1).data[0]"
    assert [sheet.evaluate(ink, place) for place in ([28, 28], [28, 5])] == [255, 0]
    view.press(sheet, "Delete")
    assert view.says().startswith("Nothing is drawn")
    view.press(sheet, "Home", "ArrowLeft", " ")
    assert view.says().startswith("I read") and sheet.evaluate(ink, [28, 26]) == 255


def use_kernel_editor(view, w):
    y = w.response()
    view.hover(10, 12)
    told = lambda: float(re.search(r"\) = (-?[0-9.]+)", view.says())[1])  # noqa: E731
    assert view.says().startswith("Response (10, 12) = ")
    assert told() == pytest.approx(y[10, 12], abs=0.006)
    view.press(view.grid(), "ArrowRight", "ArrowDown")
    assert view.says().startswith("Response (11, 13) = ")
    assert told() == pytest.approx(y[11, 13], abs=0.006)
    view.button("Flip the sign").click()
    assert told() == pytest.approx(-y[11, 13], abs=0.006)
    view.button("Reset").click()


def use_sample_size(view, w):
    def told(draws, n):
        """What it must say of so many draws of so many images: Python draws the same ones."""
        counts = SampleSize(n, 0.92, draws=draws).counts()
        return f"Draw {draws}: {counts[-1]:,} of {n:,} right, {100 * counts[-1] / n:.1f}"

    def says():
        return view.says().replace("\u00a0", " ")

    images = view.named("Images n")
    assert says().startswith(told(120, 200))
    view.press(images, "d")
    assert says().startswith(told(121, 200))
    view.button("^Draw 100 more").click()
    assert says().startswith(told(221, 200))
    view.press(images, "ArrowRight")
    assert says().startswith(told(221, 300))
    view.button("Reset").click()
    assert says().startswith(told(120, 200))


USES = {name: globals()[f"use_{name}"] for name in NAMES}


def readable(page):
    contrasts = page.evaluate(CONTRASTS.replace(" input,", " input:not([type=range]),"))
    return len(contrasts) > 5 and min(contrasts)[0] >= 4.5


# ---- on a page


@pytest.fixture(scope="module")
def chromium():
    with open_chromium(need("browser")) as browser:
        yield browser


@pytest.fixture(scope="module")
def address(widgets, tmp_path_factory):
    return build_page(tmp_path_factory.mktemp("site"), [widgets[name] for name in NAMES])


@pytest.fixture(scope="module")
def page(chromium, address):
    with open_page(chromium, address) as page:
        yield page
        assert page.outside == [] and page.errors == []


@pytest.mark.parametrize("name", NAMES)
def test_on_a_page(page, widgets, name):
    USES[name](View(page, page.locator(".cnn-widget").nth(NAMES.index(name))), widgets[name])
    assert page.outside == [] and page.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_page_light_and_dark_are_readable(chromium, address, scheme):
    with open_page(chromium, address, color_scheme=scheme) as page:
        page.locator(".cnn-widget").nth(len(NAMES) - 1).wait_for()
        assert readable(page)


def test_on_a_telephone_nothing_is_cut(chromium, address):
    with open_page(chromium, address, width=360, has_touch=True) as page:
        page.locator(".cnn-widget").nth(len(NAMES) - 1).wait_for()
        assert no_sideways_scrolling(page)
        cut = page.locator(".cnn-widget :is(p, span, button, label, textarea)").evaluate_all(
            "nodes => nodes.filter((node) => node.scrollWidth > node.clientWidth + 1 "
            "&& node.clientWidth > 0 && getComputedStyle(node).display !== 'inline')"
            ".map((node) => node.className)")
        assert cut == []


# ---- on a deck

QUESTION = "Which cells change where one number changes, and by how much do they change? " * 2
LETTERS = """(root) => {
    const zoom = root.getBoundingClientRect().width / root.offsetWidth;
    return [...root.querySelectorAll('*')].filter((node) => node.checkVisibility()
        && !node.closest('.cnn-grid:not(table), td, th, option')
        && [...node.childNodes].some((one) => one.nodeType === 3 && one.data.trim()))
        .map((node) => {
            const chart = node.closest('svg.cnn-chart');
            const scale = chart ? chart.getBoundingClientRect().width / chart.viewBox.baseVal.width
                : zoom;
            return [parseFloat(getComputedStyle(node).fontSize) * scale, node.textContent];
        });
}"""


@pytest.fixture(scope="module", params=["light", "dark"])
def deck(request, chromium, widgets, tmp_path_factory):
    """A question of two lines and a widget on each slide; the tests go through it."""
    folder = tmp_path_factory.mktemp("deck")

    def slide(kind, cell):
        return {**cell, "metadata": {**cell["metadata"], "slideshow": {"slide_type": kind}}}

    cells = [slide("slide", markdown("# 01. Widgets"))]
    for name in NAMES:
        cells += [slide("slide", markdown(QUESTION)), slide("-", code("w", shown(widgets[name])))]
    build_deck(write(folder, "01_widgets", notebook(*cells)), folder / "out")
    (file,) = (folder / "out").glob("*.html")
    with open_page(chromium, file.as_uri(), width=1024, color_scheme=request.param) as page:
        page.set_viewport_size({"width": 1024, "height": 768})
        page.wait_for_function("() => document.documentElement.dataset.deck === 'ready'")
        yield page
        assert page.outside == [] and page.errors == []


AT_REST = """(place) => new Promise((done) => {
    let changes = 0;
    const watcher = new MutationObserver((all) => { changes += all.length; });
    watcher.observe(place, { subtree: true, childList: true, attributes: true });
    setTimeout(() => { watcher.disconnect(); done(changes); }, 150);
})"""


def all_in_sight(deck):
    """Nothing of the slide's widget is cut, and all of its letters can be read."""
    settle(deck)
    place = deck.locator("section.present .piece.live").last
    root = place.locator(".cnn-widget")
    assert place.evaluate(AT_REST) == 0, "widget and deck chase each other's size"
    box = root.bounding_box()
    assert place.evaluate("place => place.scrollHeight <= place.clientHeight + 1")
    assert box["y"] + box["height"] <= 768, "question and widget on one screen"
    assert root.evaluate("root => root.scrollWidth <= root.clientWidth")
    assert min(root.evaluate(LETTERS))[0] >= 13.9, "readable from the last row"


@pytest.mark.parametrize("name", NAMES)
def test_on_a_deck(deck, widgets, name):
    deck.evaluate("(number) => Reveal.slide(number)", NAMES.index(name) + 1)
    all_in_sight(deck)
    assert readable(deck)
    USES[name](View(deck, deck.locator(".cnn-widget").nth(NAMES.index(name))), widgets[name])
    all_in_sight(deck)
    assert deck.outside == [] and deck.errors == []


# ---- JupyterLab

LAB_CELLS = {
    "flow": "from course_lib.widgets import *\nf = GradientFlow()\nf",
    "read flow": "print(f.view, f.position, f.show_all, f.padding, f.dy[0])",
    "change flow": "f.view, f.position = 'dx', (1, 1)",
    "step": "s = StepSizeCurve()\ns",
    "read step": "print(s.h, s.difference, s.show_curve)",
    "change step": "s.h = 1e-9",
    "tracer": "t = ShapeTracer()\nt",
    "read tracer": "print(t.layer, t.index, t.summary().parameters, t.text == t.draft)",
    "inspector": "import numpy as np\np = PixelInspector(np.arange(12).reshape(3, 4) / 11)\np",
    "read inspector": "print(p.position, p.slice)",
    "editor": "k = KernelEditor()\nk",
    "read editor": "print(k.position, k.relu, k.kernel[0])",
    "player": "from course_lib.train import History\n"
              "r = TrainingPlayer(History(epoch=[1, 2, 3], loss=[3, 2, 1], accuracy=[0, 0.5, 1]))\n"
              "r",
    "read player": "print(r.epoch)",
    "change player": "r.epoch = 2",
}


def run(lab, name):
    return run_cell(lab, list(LAB_CELLS).index(name))


def run_until(lab, name, expected):
    run_cell_until(lab, list(LAB_CELLS).index(name), expected)


@pytest.fixture(scope="module")
def lab(chromium, tmp_path_factory):
    """One JupyterLab with one notebook; every test shows its own widget in it."""
    folder = tmp_path_factory.mktemp("lab")
    write(folder, "try", notebook(*[code(source) for source in LAB_CELLS.values()]))
    with (jupyter_lab(folder, tmp_path_factory.mktemp("settings")) as address,
          open_page(chromium, f"{address}/lab/tree/try.ipynb?reset", width=1300) as page):
        open_notebook(page)
        run(page, "flow")
        yield page


def lab_view(lab, name):
    run(lab, name)
    cell = lab.locator(".jp-Notebook .jp-Cell").nth(list(LAB_CELLS).index(name))
    return View(lab, cell.locator(".cnn-widget"))


def test_in_jupyterlab_the_gradient_view_and_python_agree(lab):
    view = lab_view(lab, "flow")
    run_until(lab, "read flow", "scatter (0, 0) False 0 [1.0, 2.0]")
    dy = view.root.locator("[role=grid]").first
    view.press(dy, "ArrowDown", "ArrowRight", "d", "d")
    view.button("Show all").click()
    run_until(lab, "read flow", "scatter (1, 1) True 0 [1.0, 2.0]")
    run(lab, "change flow")
    view.root.get_by_text(re.compile(r"^dX\(1, 1\) = 1·2 \+ 2·0 \+ 3·1 \+ 4·0 = 5: ")).wait_for()
    view.named("Padding").select_option(label="1")
    run_until(lab, "read flow", "dx (1, 1) True 1 [1.0, 2.0, 3.0, 4.0]")
    cells = lab.evaluate("window.jupyterapp.shell.currentWidget.content.widgets.length")
    assert cells == len(LAB_CELLS), "keys pressed in the widget are no notebook commands"


def test_in_jupyterlab_the_step_size_and_python_agree(lab):
    view = lab_view(lab, "step")
    view.press(view.named("Step size h"), "ArrowLeft", "ArrowLeft")
    view.named("Difference").select_option(label="forward")
    view.button("Show the curve").click()
    run_until(lab, "read step", "0.00562 forward True")
    run(lab, "change step")
    view.root.get_by_text(re.compile("^float64: numeric .*rounding dominates")).wait_for()
    assert view.named("Step size h").get_attribute("aria-valuetext") == "1.0·10⁻⁹"


def test_in_jupyterlab_the_network_and_python_agree(lab):
    view = lab_view(lab, "tracer")
    view.press(view.named("Layers"), "ArrowDown", "ArrowDown")
    view.press(view.root.get_by_role("slider"), "ArrowRight", "PageDown")
    run_until(lab, "read tracer", "2 197 401954 True")
    source = view.named("The network as text")
    source.fill(source.input_value().replace("units=128", "units=64"))
    run_until(lab, "read tracer", "2 197 201058 True")
    source.press("End")
    lab.keyboard.type("x")
    run_until(lab, "read tracer", "2 197 201058 False")
    assert view.root.locator(".cnn-warning").is_visible()


def test_in_jupyterlab_a_pixel_and_a_slice_arrive_in_python(lab):
    view = lab_view(lab, "inspector")
    view.press(view.grid(), "ArrowRight", "ArrowDown", "ArrowDown")
    view.named("Slice").fill("0, 0, :, 1")
    run_until(lab, "read inspector", "(2, 1) 0, 0, :, 1")


def test_in_jupyterlab_the_kernel_arrives_in_python(lab):
    view = lab_view(lab, "editor")
    view.hover(3, 4)
    view.named("ReLU").check()
    view.button("Flip the sign").click()
    run_until(lab, "read editor", "(3, 4) True [1.0, 0.0, -1.0]")


def test_in_jupyterlab_the_epoch_and_python_agree(lab):
    view = lab_view(lab, "player")
    view.press(view.named("Epoch"), "Home")
    run_until(lab, "read player", "1")
    run(lab, "change player")
    view.root.get_by_text("Epoch 2 of 3").wait_for()
