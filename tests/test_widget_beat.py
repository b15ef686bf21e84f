"""The beat of plain ipywidgets: a control and a picture, and what of it a page can keep.

At the end: a beat and both widgets of lessons 02 and 03 alive in a real JupyterLab.
"""

import base64
import json

import ipywidgets
import numpy as np
import pytest
from browser import (
    jupyter_lab, open_chromium, open_notebook, open_page, run_cell, run_cell_until,
)
from conftest import need
from site_notebooks import code, markdown, notebook, shown, write

from course_lib.plots import show_images
from course_lib.site import build_site
from course_lib.widgets import Beat, WidgetError

VIEW = "application/vnd.jupyter.widget-view+json"


def beat(value=1, **options):
    slider = ipywidgets.IntSlider(value, 1, 9, description="stride")
    screen = ipywidgets.Image(format="png", width=300)

    def draw(change=None):
        screen.value = show_images(np.eye(9)[:, : slider.value]).png()

    slider.observe(draw, "value")
    draw()
    return Beat(slider, screen, **options)


def test_a_notebook_gets_the_live_view_and_everybody_else_the_picture():
    shown = beat(3)
    data, metadata = shown._repr_mimebundle_()
    assert data[VIEW]["model_id"] == shown.box.model_id
    assert shown.box.children == (shown.control, shown.picture)
    assert base64.b64decode(data["image/png"]) == show_images(np.eye(9)[:, :3]).png()
    assert metadata == {"image/png": {"alt": "stride: 3", "width": 300}}
    assert data["text/plain"] == "Beat: stride: 3"
    assert set(data) == {VIEW, "image/png", "text/plain"}


def test_the_picture_is_that_of_the_moment():
    shown = beat()
    first = shown._repr_mimebundle_()[0]["image/png"]
    shown.control.value = 5
    data, metadata = shown._repr_mimebundle_()
    assert data["image/png"] != first and metadata["image/png"]["alt"] == "stride: 5"


def test_two_beats_leave_the_same_bytes():
    def kept():
        data, metadata = beat()._repr_mimebundle_()
        del data[VIEW]  # its id is new every time
        return json.dumps([data, metadata])

    assert kept() == kept()


def test_alt_can_be_written():
    shown = beat(alt="The identity, cut off.")
    assert shown._repr_mimebundle_()[1]["image/png"]["alt"] == "The identity, cut off."
    assert repr(Beat(shown.control, shown.picture, "Cut off.")) == "Beat: Cut off."


def test_a_choice_is_told_by_its_label_and_a_box_by_its_children():
    menu = ipywidgets.Dropdown(options={"vertical edge": [1], "blur": [2]}, description="kernel:")
    box = ipywidgets.HBox([menu, ipywidgets.Label("and"), ipywidgets.IntSlider(2, description="s")])
    assert repr(Beat(box, ipywidgets.HTML("x"))) == "Beat: kernel: vertical edge, s: 2"


def test_html_stands_for_itself():
    data, metadata = Beat(ipywidgets.IntSlider(description="k"), ipywidgets.HTML("<b>0</b>")
                          )._repr_mimebundle_()
    assert data["text/html"] == "<b>0</b>" and "image/png" not in data and metadata == {}


def test_on_a_page_the_still_is_shown_with_its_text(tmp_path):
    build_site([write(tmp_path, "01_a", notebook(markdown("# 01. A"), code("b", shown(beat(4)))))],
               tmp_path)
    page = (tmp_path / "01_a.html").read_text(encoding="utf-8")
    assert '<div class="output figure"><img width="' in page and 'alt="stride: 4"' in page
    assert "In the notebook a control changes this picture. Here: stride: 4." in page


def overview():
    return show_images(np.eye(9)[None].repeat(9, 0), [f"stride {s}" for s in range(1, 10)],
                       alt="Nine strides, side by side.")


def test_an_overview_of_all_settings_stands_for_the_control_where_no_kernel_runs(tmp_path):
    made = beat(4, overview=overview())
    data, metadata = made._repr_mimebundle_()
    assert data[VIEW]["model_id"] == made.box.model_id and made.box.children[1] is made.picture
    assert base64.b64decode(data["image/png"]) == overview().png()
    expected = overview()._repr_mimebundle_()[1]["image/png"]
    assert metadata == {"image/png": {**expected, "beat": "overview"}}
    assert data["text/plain"] == "Beat: stride: 4"
    build_site([write(tmp_path, "01_a", notebook(markdown("# 01. A"), code("b", shown(made))))],
               tmp_path)
    page = (tmp_path / "01_a.html").read_text(encoding="utf-8")
    assert 'alt="Nine strides, side by side."' in page and "stride: 4" not in page
    assert "In the notebook you can change this; here are all settings side by side." in page


def test_an_overview_stands_for_html_too():
    data, metadata = Beat(ipywidgets.IntSlider(description="k"), ipywidgets.HTML("<b>0</b>"),
                          overview=overview())._repr_mimebundle_()
    assert "text/html" not in data and metadata["image/png"]["beat"] == "overview"


def test_two_overviews_leave_the_same_bytes():
    def kept():
        data, metadata = beat(overview=overview())._repr_mimebundle_()
        return json.dumps([{**data, VIEW: None}, metadata])

    assert kept() == kept()


SLIDER = ipywidgets.IntSlider(description="k")


@pytest.mark.parametrize("make, message", [
    (lambda: Beat(SLIDER, "picture.png"), "picture must be an ipywidgets.Image or .*got str"),
    (lambda: Beat(3, ipywidgets.HTML("x")), "control must be an ipywidgets slider.*got int"),
    (lambda: Beat(ipywidgets.IntSlider(), ipywidgets.HTML("x")),
     "expected a control with a description, or alt=.*got neither"),
    (lambda: Beat(SLIDER, ipywidgets.HTML("x"), overview="all.png"),
     r"overview must be a Picture of all settings, as show_images\(...\) gives it, got str"),
    (lambda: Beat(SLIDER, ipywidgets.Image())._repr_mimebundle_(),
     "the picture is empty: call the callback once before"),
    (lambda: Beat(SLIDER, ipywidgets.Image(value=b"GIF89a"))._repr_mimebundle_(),
     r"must be a PNG, as Picture.png\(\) gives it"),
])
def test_what_cannot_be_shown_is_refused(make, message):
    with pytest.raises(WidgetError, match=f"Beat: .*{message}"):
        make()


# ---- JupyterLab


LAB_CELLS = [
    """import ipywidgets, numpy as np
from course_lib.plots import show_images
from course_lib.widgets import Beat, PaddingStride, PoolingWindow
slider = ipywidgets.IntSlider(1, 1, 9, description="stride")
screen = ipywidgets.Image(format="png", width=300)
def draw(change=None):
    screen.value = show_images(np.eye(9)[:, :slider.value]).png()
slider.observe(draw, "value")
draw()
Beat(slider, screen)""",
    "p = PaddingStride()\np",
    "w = PoolingWindow()\nw",
    "print(slider.value, p.size, p.padding, p.position, w.shift, w.kind, w.position)",
    "p.position = (2, 1)\nw.shift = 'down'",
]


def test_all_three_are_alive_in_jupyterlab(tmp_path):
    chromium = need("browser")
    folder = tmp_path / "lab"
    write(folder, "try", notebook(*[code(source) for source in LAB_CELLS]))
    with (jupyter_lab(folder, tmp_path / "settings") as address, open_chromium(chromium) as browser,
          open_page(browser, f"{address}/lab/tree/try.ipynb?reset", width=1300) as page):
        open_notebook(page)
        for number in range(3):
            run_cell(page, number)
        picture = page.locator(".jp-OutputArea-output img")
        first = picture.get_attribute("src")
        assert picture.count() == 1, "no still beside the widgets"
        page.get_by_role("slider").focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("(first) => document.querySelector('.jp-OutputArea-output img')"
                               ".src !== first", arg=first)
        explorer, pooling = page.locator(".cnn-widget").all()
        explorer.get_by_label("Image rows", exact=True).fill("9")
        explorer.get_by_label("Padding", exact=True).select_option(label="same")
        explorer.get_by_role("grid").press("ArrowRight")
        pooling.get_by_role("button", name="Shift the image left by one pixel").click()
        pooling.get_by_label("Pooling", exact=True).select_option(label="average")
        pooling.get_by_role("grid").press("Home")
        run_cell_until(page, 3, "2 (9, 8) same (0, 1) (0, -1) average (0, 0)")
        run_cell(page, 4)
        explorer.get_by_text("output (2, 1): rows 4 to 6").wait_for()
        pooling.get_by_text("Pooling, shifted 1 down: ").wait_for()
