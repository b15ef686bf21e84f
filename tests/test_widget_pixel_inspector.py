"""The pixel inspector: in Python, and in Chromium on a page."""

import json

import numpy as np
import pytest
from browser import open_chromium, open_page
from conftest import need
from widget_view import (
    CONTRASTS, WITH_FAKE_MODEL, WidgetView, build_page, listen_outside, no_sideways_scrolling,
    run_cases,
)

from course_lib.stills.pixel_inspector import draw_pixel_inspector
from course_lib.widgets import WIDGET_MIMETYPE, PixelInspector
from course_lib.widgets.pixel_inspector import read_slice

RAMP = np.arange(30).reshape(5, 6) / 30
i, j = np.indices((12, 16))
COLOURS = np.stack([i / 11, j / 15, (i + j) % 2])
BATCH = np.stack([RAMP[None], 1 - RAMP[None], RAMP[None] ** 2])


def random_slice(rng, axes=4):
    """What a learner might write between the brackets; some of it is wrong."""
    def pick(*options):
        return options[rng.integers(len(options))]

    def number():
        return str(rng.integers(-9, 9))

    def part():
        some = [pick("", number()) for _ in range(3)]
        return pick(number(), ":", ":", f"{some[0]}:{some[1]}", f"{some[0]} : {some[1]}",
                    ":".join(some), *pick(["..."], [":"], ["x"], [""], ["1.5"], ["+1"], ["0:2:0"]))

    text = pick(", ", ",").join(part() for _ in range(rng.integers(1, axes + 2)))
    return pick(text, text, f"x[{text}]", text + pick("", ","))


def as_numpy_says(text, x):
    """x[...] by Python's own reading of the text; None where it is no such index."""
    inside = text.strip()
    inside = inside[2:-1] if inside.startswith("x[") else inside
    parts = [part.strip() for part in inside.split(",")]
    if any(part.strip("0123456789:+- ") not in ("", "...") for part in parts):
        return None
    try:
        return eval(f"x[{inside}]", {"x": x})
    except (SyntaxError, IndexError, ValueError):
        return None


# ---- Python


@pytest.mark.parametrize("image, expected", [
    (RAMP, RAMP[None, None]), (RAMP[None], RAMP[None, None]), (COLOURS, COLOURS[None]),
    (BATCH, BATCH), (np.float32([[0.1, 1]]), [[[[0.1, 1]]]]),
    (np.uint8([[0, 1], [51, 255]]), np.array([[[[0, 1], [51, 255]]]]) / 255),
    ([[0, 102], [255, 1]], np.array([[[[0, 102], [255, 1]]]]) / 255),
    (np.eye(3, dtype=int), np.eye(3)[None, None]), (np.eye(2, dtype=bool), np.eye(2)[None, None]),
])
def test_images_of_every_kind_become_a_batch_from_0_to_1(image, expected):
    x = PixelInspector(image).array()
    assert x.shape == np.shape(expected) and np.abs(x - expected).max() < 1e-6


def test_slices_are_numpys(rng):
    x, right = BATCH[:2], 0
    for _ in range(3000):
        text = random_slice(rng)
        expected = as_numpy_says(text, x)
        if expected is None:
            with pytest.raises(ValueError, match=r"PixelInspector: x\[.*\]: "):
                read_slice(text, x.shape)
            continue
        found = x[read_slice(text, x.shape)]
        assert found.shape == np.shape(expected) and np.array_equal(found, expected), text
        right += 1
    assert right > 500


def test_selected_is_the_slice_and_none_without_one():
    w = PixelInspector(BATCH, slice="1, :, 1:3, ::2")
    assert np.allclose(w.selected(), BATCH[1, :, 1:3, ::2], atol=1e-6)
    assert repr(w).endswith("x[1, :, 1:3, ::2] has the shape (1, 2, 3)")
    w.slice = " "
    assert w.selected() is None and "shape (3, 1, 5, 6); x[0, 0, 0, 0] = 0.000" in repr(w)


@pytest.mark.parametrize("text, message", [
    ("0, 0, 5", r"x\[0, 0, 5\]: index 5 is out of bounds for axis 2 \(i\) with size 5\."),
    ("-4", r"index -4 is out of bounds for axis 0 \(n\) with size 3"),
    ("a", r"expected a whole number or start:stop for axis 0 \(n\), got 'a'"),
    ("::0", "slice step cannot be zero"),
    ("0,0,0,0,0", "too many indices: the array has 4 axes, but 5 were indexed"),
    ("..., ...", r"an index can only have a single ellipsis \('...'\)"),
])
def test_wrong_slices_are_kept_and_said(text, message):
    w = PixelInspector(BATCH, slice=text)
    with pytest.raises(ValueError, match=message):
        w.selected()
    assert w.problem() and repr(w).count(w.problem().partition(": ")[2].rstrip(".")) == 1
    assert w.still().alt


WRONG = [
    (dict(image=np.zeros((2, 5, 5))), r"image must have the shape .*got \(2, 5, 5\); .*x\[:4\]"),
    (dict(image=np.zeros((65, 5))), r"at most 10 images and 64 rows and columns, got \(65, 5\)"),
    (dict(image=np.zeros((11, 1, 5, 5))), r"got \(11, 1, 5, 5\)"),
    (dict(image=np.zeros(5)), r"got \(5,\)"),
    (dict(image=np.zeros((0, 5))), r"got \(0, 5\)"),
    (dict(image=[[0, 256]]), "values from 0 to 1, or from 0 to 255, got 0 to 256"),
    (dict(image=[[-1, 0]]), "got -1 to 0"),
    (dict(image=[[np.nan]]), "got nan to nan"),
    (dict(image="square"), "image must be an array of numbers, got 'square'"),
    (dict(number=1), "number must be a whole number from 0 to 0, got 1"),
    (dict(channel=None), "channel must be a whole number from 0 to 0, got None"),
    (dict(position=(5, 0)), r"position must be \(row, column\) with row 0 to 4 .*got \(5, 0\)"),
    (dict(position=None), "position must be .* got None"),
    (dict(slice=3), "slice must be a short text such as '0, 0, 10:20, 5:15', got 3"),
    (dict(slice=":" * 201), "slice must be a short text"),
]


@pytest.mark.parametrize("change, message", WRONG)
def test_wrong_values_are_refused_and_the_old_ones_stay(change, message):
    with pytest.raises(ValueError, match=f"PixelInspector: .*{message}"):
        PixelInspector(**({"image": RAMP} | change))
    w = PixelInspector(RAMP, position=(1, 2), slice="0")
    before = w.state()
    name, value = next(iter(change.items()))
    with pytest.raises(ValueError, match=message):
        setattr(w, name, value)
    assert w.state() == before


def test_what_is_in_view_stays_inside_a_new_image():
    w = PixelInspector(COLOURS, channel=2, position=(11, 15))
    w.image = RAMP
    assert (w.channel, w.number, w.position) == (0, 0, (4, 5))


def test_the_state_is_plain_and_not_large():
    rng = np.random.default_rng(0)
    w = PixelInspector(rng.random((3, 64, 64)), position=np.array([3, 4]))
    assert len(json.dumps(w.state())) < 130_000 and json.loads(json.dumps(w.state()))


def test_bundle_holds_view_still_text_and_state_and_is_the_same_twice():
    def kept():
        w = PixelInspector(COLOURS, position=(3, 4), channel=1, slice="0, 1, 2:9, 3:7")
        data, metadata = w._repr_mimebundle_()
        assert data.pop("application/vnd.jupyter.widget-view+json")
        assert data["text/plain"] == repr(w)
        assert data[WIDGET_MIMETYPE] == {"module": "pixel_inspector", "state": w.state()}
        alt = metadata["image/png"]["alt"]
        assert alt.startswith("An image of 12×16 pixels, 3 channels, pixel (3, 4) outlined: x.")
        return json.dumps([data, metadata])

    assert kept() == kept()


def test_the_still_outlines_the_pixel_and_the_window():
    w = PixelInspector(RAMP, position=(3, 4), slice="0, 0, 1:3, 2:6")
    (ax,) = w.still().figure.axes
    boxes = [(p.get_y() + 0.5, p.get_x() + 0.5, p.get_height(), p.get_width())
             for p in ax.patches]
    assert boxes == [(1, 2, 2, 4), (3, 4, 1, 1)]
    assert np.allclose(ax.images[0].get_array(), RAMP, atol=1e-6)
    with pytest.raises(ValueError, match=r"expected an image \(1, H, W\) or \(3, H, W\), got"):
        draw_pixel_inspector(RAMP, 0, (0, 0))


# ---- the browser


SHOWN = {
    "grey": PixelInspector(RAMP),
    "colours": PixelInspector(COLOURS, position=(3, 4), channel=1, slice="0, :, 2:9, 3:7"),
    "batch": PixelInspector(BATCH, number=1, slice="1, 0, ::2, 1:4"),
    "large": PixelInspector(np.eye(64), slice="0, 0, 70"),
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


class View(WidgetView):
    def __init__(self, page, name="grey"):
        super().__init__(page, NAMES.index(name), output=0)
        self.field = self.root.get_by_label("Slice", exact=True)

    @property
    def index(self):
        """n, c, i, j as the axes show them, each with its size."""
        return [tuple(node.locator("strong, span:last-child").all_inner_texts())
                for node in self.root.locator(".cnn-axis").all()]

    @property
    def answer(self):
        return self.root.locator(".cnn-answer").inner_text().replace("\u2212", "-")

    @property
    def clear(self):
        """The cells that no veil covers."""
        return set(self.where(self.output, ":not(.cnn-veiled)"))

    def dashed(self):
        border = self.output.locator(".cnn-dashed")
        return self.under(self.output, ".cnn-dashed") if border.is_visible() else []


def test_the_browser_reads_slices_as_numpy_and_as_python_does(page, rng):
    x = BATCH[:2]
    texts = [random_slice(rng) for _ in range(1500)]
    found = run_cases(page, [[x.tolist(), text] for text in texts], """
        const [x, text] = given;
        const shape = [x.length, x[0].length, x[0][0].length, x[0][0][0].length];
        try {
            const axes = cnn.readSlice(text, shape);
            return [axes.filter((axis) => axis.kept).map((axis) => axis.indices.length),
                cnn.takeSlice(x, axes)];
        } catch (error) {
            if (!(error instanceof RangeError)) throw error;
            return error.message;
        }""")
    right = 0
    for text, answer in zip(texts, found, strict=True):
        expected = as_numpy_says(text, x)
        if expected is None:
            with pytest.raises(ValueError) as caught:
                read_slice(text, x.shape)
            assert str(caught.value) == f"PixelInspector: x[{text}]: {answer}."
            continue
        shape, values = answer
        assert tuple(shape) == np.shape(expected) and np.allclose(values, np.ravel(expected)), text
        right += 1
    assert right > 500


@pytest.mark.parametrize("name", NAMES)
def test_pixels_are_painted(page, name):
    w, view = SHOWN[name], View(page, name)
    x = w.array()[w.number]
    colours = view.output.locator(".cnn-cell").evaluate_all(
        "cells => cells.map((c) => c.style.backgroundColor.match(/[\\d.]+/g).slice(0, 3)"
        ".map(Number))")
    expected = np.rint(255 * np.broadcast_to(x, (3, *x.shape[1:]))).reshape(3, -1).T
    assert np.abs(np.array(colours) - expected).max() <= (1 if len(x) == 3 else 2)


def test_a_small_grey_image_shows_its_numbers(page):
    assert np.array_equal(View(page).values(View(page).output), RAMP.round(2))


def test_the_pixel_its_index_and_its_value(page):
    view = View(page)
    for i, j in [(0, 0), (4, 5), (2, 3)]:
        view.cell(i, j).hover()
        assert view.position == (i, j)
        assert view.index == [("0", "of 1"), ("0", "of 1"), (str(i), "of 5"), (str(j), "of 6")]
        value = RAMP[i, j]
        assert view.sentence == (f"x[0, 0, {i}, {j}] = {value:.3f} from 0 to 1, or "
                                 f"{round(255 * value, 1):g} from 0 to 255.")
        swatch = view.looks(view.root.locator(".cnn-swatch"), "backgroundColor")
        grey = int(255 * value + 0.5)
        assert swatch == f"rgb({grey}, {grey}, {grey})"
    axes = view.root.locator(".cnn-axis").all_inner_texts()
    assert [text.split("\n")[0] for text in axes] == ["image n", "channel c", "row i", "column j"]
    assert "x.shape = (1, 1, 5, 6): N = 1 image, C = 1 channel, H = 5 rows, W = 6 columns." in (
        view.root.inner_text())


def test_channels_apart(page):
    view = View(page, "colours")
    films = view.root.locator(".cnn-channel")
    assert films.all_inner_texts() == ["red 0.273", "green 0.267", "blue 1.000"]
    pixels = films.locator("canvas").evaluate_all(
        "all => all.map((c) => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
        ".filter((_, k) => k % 4 === 0))")
    assert np.abs(np.array(pixels).reshape(3, 12, 16) - 255 * COLOURS).max() <= 0.51
    assert films.evaluate_all("all => all.map((f) => f.ariaPressed)") == ["false", "true", "false"]
    box = films.nth(2).locator("canvas").bounding_box()
    films.nth(2).locator("canvas").hover(position={"x": box["width"] * 7.5 / 16,
                                                   "y": box["height"] * 10.5 / 12})
    assert view.position == (10, 7)
    assert view.sentence == ("x[0, 2, 10, 7] = 1.000 from 0 to 1, or 255 from 0 to 255 (blue); all "
                             "three channels: red 0.909, green 0.467, blue 1.000.")
    frame = films.nth(0).locator(".cnn-frame").bounding_box()
    film = films.nth(0).locator("canvas").bounding_box()
    assert abs(frame["x"] + frame["width"] / 2 - film["x"] - film["width"] * 7.5 / 16) < 1
    films.nth(0).press("Enter")
    assert view.position == (10, 7) and view.index[1] == ("0", "of 3")
    assert not View(page).root.locator(".cnn-films").is_visible()


@pytest.mark.parametrize("text", [
    "0, 0, 1:3, 2:6", "0, :, 2:9, 3:7", "...", "0, 1, ::3, 5", ":, :, -2:, :3", "0, 2, 3:3, :",
    "x[0, 1, 4:6, 4:6]"])
def test_a_slice_is_highlighted_and_its_shape_printed(page, text):
    view = View(page, "colours")
    view.field.fill(text)
    taken = as_numpy_says(text, COLOURS[None])
    marked = np.arange(COLOURS[None].size).reshape(COLOURS[None].shape)
    taken_places = as_numpy_says(text, marked)
    here = {tuple(map(int, place)) for place in
            np.argwhere(np.isin(marked[0, 1], np.ravel(taken_places)))}  # channel 1 is in view
    assert view.clear == here
    rows, columns = ({place[axis] for place in here} for axis in (0, 1))
    whole = here and all(max(s) - min(s) + 1 == len(s) for s in (rows, columns))
    assert view.dashed() == (sorted(here) if whole else [])
    inside = text.removeprefix("x[").removesuffix("]") if text[0] == "x" else text
    assert view.answer.startswith(f"x[{inside}] has the shape {taken.shape}: ")
    if taken.size:
        assert f"{taken.size} numbers, mean {taken.mean():.3f}." in view.answer
    else:
        assert "nothing is left" in view.answer


def test_a_small_slice_is_printed_as_numbers(page):
    view = View(page)
    view.field.fill("0, 0, 1:3, 2:5")
    printed = view.root.locator(".cnn-printed")
    assert printed.inner_text() == "\n".join(
        " ".join(f"{value:.2f}" for value in row) for row in RAMP[1:3, 2:5])
    view.field.fill("0, 0, 1, 2")
    assert view.answer == f"x[0, 0, 1, 2] is one number: {RAMP[1, 2]:.3f}."
    view.field.fill("")
    assert view.answer == "" and not printed.is_visible() and len(view.clear) == 30


def test_a_wrong_slice_is_said(page):
    view = View(page, "large")
    assert view.answer == "⚠ x[0, 0, 70]: index 70 is out of bounds for axis 2 (i) with size 64."
    assert view.field.get_attribute("aria-invalid") == "true" and len(view.clear) == 64 * 64
    view.field.fill("0, 0, 63")
    assert view.field.get_attribute("aria-invalid") == "false"
    assert view.clear == {(63, k) for k in range(64)}
    view.button("Reset").click()
    assert view.field.input_value() == "0, 0, 70"


def test_images_of_a_batch(page):
    view = View(page, "batch")
    assert view.root.get_by_role("radio").count() == 3
    assert view.clear == {(i, j) for i in (0, 2, 4) for j in (1, 2, 3)} and view.dashed() == []
    view.root.get_by_label("Image 2").check()
    assert np.array_equal(view.values(view.output), (RAMP**2).round(2))
    assert view.clear == set() and view.index[0] == ("2", "of 3")
    assert view.button("Reset").is_visible() and not View(page).root.get_by_role("radio").count()


def test_the_keyboard_path(page):
    view = View(page, "colours")
    for key, expected in [("ArrowRight", (3, 5)), ("ArrowDown", (4, 5)), ("ArrowLeft", (4, 4)),
                          ("Home", (0, 0)), ("ArrowUp", (0, 0)), ("ArrowLeft", (0, 0))]:
        view.press(key)
        assert view.position == expected, key
    view.press(*["ArrowDown"] * 12, *["ArrowRight"] * 16)
    assert view.position == (11, 15)
    assert view.output.get_attribute("aria-activedescendant").endswith("-11-15")
    view.button("Reset").click()
    assert view.position == (3, 4)


def test_keys_do_not_leave_the_widget(page):
    listen_outside(page)
    view = View(page, "colours")
    view.press("a", "ArrowDown", "Home")
    view.field.press("x")
    view.root.locator(".cnn-channel").first.press("b")
    view.button("Reset").press("c")
    assert page.evaluate("window.heard") == []


def test_a_telephone_needs_no_sideways_scrolling(chromium, address):
    with open_page(chromium, address, width=360, has_touch=True) as page:
        for name in NAMES[:3]:
            view = View(page, name)
            view.cell(4, 5).tap()
            assert view.position == (4, 5)
        films = View(page, "colours").root.locator(".cnn-channel")
        box = films.nth(1).locator("canvas").bounding_box()
        films.nth(1).locator("canvas").tap(position={"x": box["width"] * 2.5 / 16,
                                                     "y": box["height"] * 6.5 / 12})
        assert View(page, "colours").position == (6, 2)
        assert no_sideways_scrolling(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_are_both_readable(chromium, address, scheme):
    with open_page(chromium, address, color_scheme=scheme) as page:
        View(page)
        contrasts = page.evaluate(CONTRASTS.replace("p, span", "p, pre, strong, span"))
        assert len(contrasts) > 100 and min(contrasts)[0] >= 4.5, min(contrasts)


def test_without_scripts_the_still_is_shown(chromium, address):
    with open_page(chromium, address, java_script_enabled=False) as page:
        stills = page.locator(".course-widget img")
        assert stills.count() == len(SHOWN)
        assert all("outlined: x.shape" in still.get_attribute("alt") for still in stills.all())


def test_changes_that_arrive_together_and_taking_the_view_away(page):
    state = SHOWN["colours"].state()
    changes = {"position": [4, 5], "channel": 0, "image": PixelInspector(RAMP).image}
    told, children, listeners = page.evaluate(WITH_FAKE_MODEL.replace(
        "view.initialize({ model })", "() => {}"), [state, changes])
    assert told == "x[0, 0, 4, 5] = 0.967 from 0 to 1, or 246.5 from 0 to 255."
    assert (children, listeners) == (0, 0)


def test_the_keys_are_told_when_asked(page):
    view = View(page)
    told = view.root.locator(".cnn-help").last
    assert not told.is_visible()
    view.button("^Keys$").click()
    assert told.is_visible() and "stop not included" in told.inner_text()
