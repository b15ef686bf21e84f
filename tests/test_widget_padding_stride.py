"""The padding-and-stride explorer: in Python, and in Chromium on a page."""

import json
import re

import numpy as np
import pytest
from browser import open_chromium, open_page
from conftest import need
from hypothesis import given
from hypothesis import strategies as st
from widget_view import (
    CONTRASTS, WITH_FAKE_MODEL, WidgetView, build_page, listen_outside, no_sideways_scrolling,
    page_with_clock, run_cases,
)

from course_lib.conv import conv2d, conv2d_backward
from course_lib.plots import draw_padding_stride
from course_lib.shapes import ShapeError, resolve_windows
from course_lib.widgets import WIDGET_MIMETYPE, PaddingStride

sizes = st.tuples(st.integers(1, 9), st.integers(1, 9))
steps = st.tuples(st.integers(1, 4), st.integers(1, 4))
paddings = st.one_of(st.just("valid"), st.just("same"), st.integers(0, 3),
                     st.tuples(st.tuples(st.integers(0, 3), st.integers(0, 3)), steps))


def visits_by_gradient(size, kernel_size, stride, padding):
    """Visits as the gradient of the sum of all windows: each visit adds 1 to a pixel's gradient."""
    where = resolve_windows(size, kernel_size, stride, padding)
    padded = [n + sum(sides) for n, sides in zip(size, where.padding)]
    x, ones = np.zeros((1, 1, *padded)), np.ones((1, 1, *where.kernel_size))
    y, cache = conv2d(x, ones, stride=where.stride)
    return conv2d_backward(np.ones_like(y), cache)[0][0, 0], where


def random_case(rng):
    size, kernel_size = rng.integers(1, 13, size=2), rng.integers(1, 6, size=2)
    stride = rng.integers(1, 5, size=2)
    sides = rng.integers(0, 4, size=(2, 2))
    options = [0, int(sides[0, 0]), sides[0].tolist(), sides.tolist(), "same", "valid"]
    padding = options[rng.integers(6)]
    return size.tolist(), kernel_size.tolist(), stride.tolist(), padding


# ---- Python


@given(sizes, steps, steps, paddings)
def test_visits_dropped_and_output_agree_with_the_operations(size, kernel_size, stride, padding):
    try:
        expected, where = visits_by_gradient(size, kernel_size, stride, padding)
    except ShapeError:
        with pytest.raises(ShapeError, match="PaddingStride: the kernel, .* is larger than"):
            PaddingStride(size, kernel_size, stride, padding)
        return
    w = PaddingStride(size, kernel_size, stride, padding)
    assert np.array_equal(w.visits(), expected)
    seen = np.argwhere(expected).max(axis=0)  # the last row and column that any window reaches
    assert w.dropped() == tuple(np.array(expected.shape) - 1 - seen)
    assert "output {}×{};".format(*where.output) in repr(w)


def test_the_default_is_the_example_of_the_lesson():
    w = PaddingStride()
    assert repr(w) == ("PaddingStride: image 7×8, kernel 3×3, stride 2×2, padding 1 -> output 4×4; "
                       "dropped: 0 rows, 1 column; at output (0, 0)")
    assert w.visits()[2].tolist() == [2, 2, 4, 2, 4, 2, 4, 2, 2, 0]


def test_the_state_is_plain_python_whatever_came_in():
    w = PaddingStride(np.array([5, 6]), 3, np.int64(2), ((np.int8(1), 0), (0, 2)),
                      position=np.array([1, 2]))
    assert json.loads(json.dumps(w.state())) == {
        "size": [5, 6], "kernel_size": [3, 3], "stride": [2, 2], "padding": [[1, 0], [0, 2]],
        "playing": False, "position": [1, 2],
    }


WRONG = [
    (dict(size=(0, 5)), "size must be a whole number, at least 1, got 0"),
    (dict(size=(3, 4, 5)), r"size must be .*pair.*got \(3, 4, 5\)"),
    (dict(size=2.5), "size must be a whole number, at least 1, got 2.5"),
    (dict(size=(60, 63), padding=1),
     "image and padding together must have at most 64 rows and columns, got 62×65; use"),
    (dict(kernel_size=10), r"the kernel, 10x10, is larger than the padded image, 9x10"),
    (dict(kernel_size="3"), "kernel_size must be .*got '3'"),
    (dict(stride=0), "stride must be a whole number, at least 1, got 0"),
    (dict(padding=-1), "padding must be a whole number, at least 0, got -1"),
    (dict(padding="half"), "'valid' or 'same', got 'half'"),
    (dict(position=(4, 0)), r"row 0 to 3 and column 0 to 3, got \(4, 0\)"),
    (dict(position=1), "position must be .*got 1"),
    (dict(position=None), "position must be .*got None"),
    (dict(size=None), "size must be .*got None"),
    (dict(kernel_size=None), "kernel_size must be .*got None"),
    (dict(stride=None), "stride must be .*got None"),
    (dict(padding=None), "padding must be .*got None"),
]


@pytest.mark.parametrize("change, message", WRONG)
def test_wrong_values_are_refused_and_the_old_ones_stay(change, message):
    with pytest.raises(ShapeError, match=f"PaddingStride: .*{message}"):
        PaddingStride(**change)
    w = PaddingStride(position=(1, 1))
    before = w.state()
    name, value = next(iter(change.items()))
    if len(change) == 1:
        with pytest.raises(ValueError, match=message):
            setattr(w, name, value)
        assert w.state() == before


def test_what_comes_from_the_browser_together_is_checked_together():
    w = PaddingStride(position=(3, 3))
    w.set_state({"kernel_size": [5, 5], "size": [5, 5], "padding": "valid", "position": [0, 0]})
    assert repr(w).endswith("output 1×1; dropped: 0 rows, 0 columns; at output (0, 0)")
    with pytest.raises(ShapeError, match="larger than"):
        w.set_state({"size": [4, 4], "stride": [1, 1]})
    assert (w.size, w.stride) == ((5, 5), (2, 2))


@given(steps, steps)
def test_the_position_stays_inside(stride, kernel_size):
    w = PaddingStride(stride=1, position=(6, 7))
    with w.hold_trait_notifications():
        w.stride, w.kernel_size = stride, kernel_size
    last = resolve_windows((7, 8), kernel_size, stride, 1).output
    assert w.position == (min(6, last[0] - 1), min(7, last[1] - 1))


def test_play_and_pause():
    w = PaddingStride()
    w.play()
    assert w.state()["playing"]
    w.pause()
    assert not w.playing


def test_bundle_holds_view_still_text_and_state_and_is_the_same_twice():
    def kept():
        w = PaddingStride(padding="same", position=(1, 2))
        data, metadata = w._repr_mimebundle_()
        assert data.pop("application/vnd.jupyter.widget-view+json")
        assert data["text/plain"] == repr(w)
        assert data[WIDGET_MIMETYPE] == {"module": "padding_stride", "state": w.state()}
        alt = metadata["image/png"]["alt"]
        assert "⌊(8 + 0 + 1 − 3) / 2⌋ + 1 = 4" in alt and "dropped: 0 rows, 0 columns" in alt
        return json.dumps([data, metadata])

    assert kept() == kept()


def test_still_refuses_what_does_not_fit_together():
    where = resolve_windows((3, 3), 2)
    with pytest.raises(ValueError, match=r"draw_padding_stride: expected visits of shape \(3, 3\)"):
        draw_padding_stride((3, 3), where, np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"a position inside the 2×2 output, got \(2, 0\)"):
        draw_padding_stride((3, 3), where, np.ones((3, 3)), (2, 0))


def test_still_shows_every_number_and_says_dropped():
    w = PaddingStride()
    image, output = w.still().figure.axes
    texts = [text.get_text() for text in image.texts]
    assert texts.count("dropped") == 1
    seen = [text for text in texts if text not in ("", "dropped")]
    assert [int(text) for text in seen] == w.visits()[:, :-1].ravel().tolist()
    assert [int(text.get_text()) for text in output.texts] == list(range(1, 17))


# ---- the browser


SHOWN = {
    "default": PaddingStride(),
    "gaps": PaddingStride((5, 9), (2, 3), (3, 4), ((1, 0), (0, 2))),
    "same": PaddingStride((6, 5), (4, 2), (1, 2), "same", position=(2, 1)),
    "one": PaddingStride((3, 3), 3, 5, "valid"),
    "both": PaddingStride((6, 7), 2, (3, 4), "valid"),
    "large": PaddingStride((28, 28), 5, 3, 2, position=(4, 4)),
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
    def __init__(self, page, name="default"):
        super().__init__(page, NAMES.index(name), output=1)
        self.image = self.grids[0]

    def field(self, name):
        return self.root.get_by_label(name, exact=True)

    @property
    def warning(self):
        return self.root.get_by_role("alert").inner_text() if self.warned else ""

    @property
    def warned(self):
        return self.root.locator(".cnn-warning").is_visible()

    @property
    def dropped(self):
        """Cells under a visible band that says so."""
        found = set()
        for k, band in enumerate(self.image.locator(".cnn-dropped").all()):
            if band.is_visible():
                assert band.inner_text().strip() == "dropped"
                kind = ".cnn-dropped.cnn-upright" if k else ".cnn-dropped:not(.cnn-upright)"
                found |= set(self.under(self.image, kind))
        return found


def filled(w):
    """The formula with numbers, once an axis."""
    where = w._windows()
    return ["⌊({} + {} + {} - {}) / {}⌋ + 1 = {}".format(n, *sides, k, s, out)
            for n, sides, k, s, out in zip(w.size, where.padding, where.kernel_size, where.stride,
                                           where.output)]


def test_the_browsers_visits_and_drops_equal_the_packages(page, rng):
    cases = []
    while len(cases) < 600:
        case = random_case(rng)
        try:
            visits_by_gradient(*case)
            cases.append(case)
        except ShapeError:
            pass
    found = run_cases(page, cases, """
        const [size, kernelSize, stride, padding] = given;
        const windows = cnn.resolveWindows(size, kernelSize, stride, padding);
        const dropped = [0, 1].map((a) =>
            cnn.droppedBy(size[a], kernelSize[a], stride[a], windows.padding[a]));
        return [cnn.countVisits(size, windows), windows.output, dropped];""")
    for case, (visits, output, dropped) in zip(cases, found, strict=True):
        expected, where = visits_by_gradient(*case)
        assert np.array_equal(visits, expected) and tuple(output) == where.output
        assert dropped == [(expected.any(axis=1 - a)[::-1].argmax()) for a in (0, 1)]


@pytest.mark.parametrize("name", NAMES)
def test_visits_border_starts_and_drops_are_drawn(page, name):
    w, view = SHOWN[name], View(page, name)
    visits, where = w.visits(), w._windows()
    assert np.array_equal(view.values(view.image), visits)
    (top, _), (left, _) = where.padding
    H, W = w.size
    everywhere = set(np.ndindex(*visits.shape))
    inner = {(top + i, left + j) for i in range(H) for j in range(W)}
    assert set(view.where(view.image, ".cnn-border")) == everywhere - inner
    (OH, OW), (sh, sw) = where.output, where.stride
    starts = [(i * sh, j * sw) for i in range(OH) for j in range(OW)]
    assert view.where(view.image, ".cnn-start") == starts
    rows, columns = w.dropped()
    assert view.dropped == {(i, j) for i, j in everywhere if i >= visits.shape[0] - rows
                            or j >= visits.shape[1] - columns}
    title = view.root.locator(".cnn-title").first.inner_text()
    padded = "" if visits.shape == w.size else ", padded {} × {}".format(*visits.shape)
    assert title == f"Image {H} × {W}{padded}"
    assert view.values(view.output).ravel().tolist() == list(range(1, OH * OW + 1))


def test_padding_windows_and_drops_differ_by_more_than_colour(page):
    view = View(page)
    border, inner = (view.image.locator(f".cnn-cell{name}").first
                     for name in (".cnn-border", ":not(.cnn-border)"))
    assert "repeating-linear-gradient" in view.looks(border, "backgroundImage")
    assert view.looks(inner, "backgroundImage") == "none"
    assert view.looks(border, "borderTopWidth", "::before") != "0px", "the first window's corner"
    assert view.looks(inner, "content", "::before") == "none"
    band = view.image.locator(".cnn-upright")
    assert view.looks(band, "borderLeftStyle") == "dashed"
    assert view.looks(band, "backgroundImage") == "none", "what lies below stays in view"


@pytest.mark.parametrize("name", NAMES)
def test_dropped_padding_is_hatched_and_dropped_pixels_are_dotted(page, name):
    w, view = SHOWN[name], View(page, name)
    (top, _), (left, _) = w._windows().padding
    (H, W), visits, (rows, columns) = w.size, w.visits(), w.dropped()
    out = {(i, j) for i, j in np.ndindex(*visits.shape)
           if i >= visits.shape[0] - rows or j >= visits.shape[1] - columns}
    pixels = {(i, j) for i, j in out if top <= i < top + H and left <= j < left + W}
    assert set(view.where(view.image, ".cnn-out")) == out
    for kind, places in (("repeating-linear", out - pixels), ("radial", pixels)):
        for i, j in list(places)[:3]:
            cell = view.image.locator(f"[data-row='{i}'][data-column='{j}']")
            assert view.looks(cell, "backgroundImage").startswith(kind)
    told = {kind: re.search(rf"(?:(\d+) rows?)?(?: and )?(?:(\d+) columns?)? of {kind} lies? in no "
                            "window", view.lines[2]) for kind in ("pixels", "padding")}
    after = [side[1] for side in w._windows().padding]
    zeros = tuple(min(*pair) for pair in zip((rows, columns), after))
    for kind, expected in (("padding", zeros),
                           ("pixels", (rows - zeros[0], columns - zeros[1]))):
        found = told[kind].groups() if told[kind] else (0, 0)
        assert tuple(int(number or 0) for number in found) == expected


def test_the_dropped_column_of_the_lesson_is_padding(page):
    assert View(page).lines[2] == ("Every pixel of the image lies in a window. 1 column of padding "
                                   "lies in no window.")


@pytest.mark.parametrize("name", NAMES)
def test_formulas_and_what_no_window_sees(page, name):
    w, view = SHOWN[name], View(page, name)
    rows, columns, unseen = view.lines
    for line, formula, count, word in zip((rows, columns), filled(w), w.dropped(),
                                          ("row", "column")):
        assert line.startswith(f"{word}s: {formula} (")
        ending = f": {count} {word}{'s' * (count != 1)} dropped)" if count else "nothing dropped)"
        assert line.endswith(ending)
    (top, _), (left, _) = w._windows().padding
    inside = w.visits()[top:top + w.size[0], left:left + w.size[1]]
    missed = int((inside == 0).sum())
    assert unseen.startswith(f"{missed} of {inside.size} pixels" if missed else "Every pixel")


@pytest.mark.parametrize("name", NAMES[:-1])
def test_every_window_is_outlined_and_told(page, name):
    w, view = SHOWN[name], View(page, name)
    (OH, OW), (KH, KW), (sh, sw), ((top, _), (left, _)) = w._windows()
    for i, j in np.ndindex(OH, OW):
        view.cell(i, j).click()
        window = [(i * sh + u, j * sw + v) for u in range(KH) for v in range(KW)]
        assert view.position == (i, j) and view.framed(view.image) == window
        padding = sum(not (top <= row < top + w.size[0] and left <= column < left + w.size[1])
                      for row, column in window)
        assert view.sentence.startswith(
            f"Window {i * OW + j + 1} of {OH * OW}, output ({i}, {j}): rows {i * sh} to ")
        assert f"{padding} of its {KH * KW} cells" in view.sentence
        assert f"columns {j * sw} to {j * sw + KW - 1}," in view.sentence


def test_the_published_sentence(page):
    view = View(page)
    assert view.lines[0] == "rows: ⌊(7 + 1 + 1 - 3) / 2⌋ + 1 = 4 (6 / 2 is whole: nothing dropped)"
    assert view.sentence == ("Window 1 of 16, output (0, 0): rows 0 to 2 and columns 0 to 2, "
                             "counted with padding; 5 of its 9 cells are padding.")


FIELDS = {"Image rows": 7, "Image columns": 8, "Kernel rows": 3, "Kernel columns": 3,
          "Stride down": 2, "Stride across": 2, "Zeros above and below": 1,
          "Zeros left and right": 1}


@pytest.mark.parametrize("changes", [
    {}, {"Image rows": 9, "Image columns": 5}, {"Kernel rows": 2, "Kernel columns": 5},
    {"Stride down": 3, "Stride across": 1},
    {"Zeros above and below": 0, "Zeros left and right": 2},
])
def test_number_fields(page, changes):
    view = View(page)
    assert {name: int(view.field(name).input_value()) for name in FIELDS} == FIELDS
    view.press(*["ArrowDown"] * 9, *["ArrowRight"] * 9)
    for name, value in changes.items():
        view.field(name).fill(str(value))
    numbers = list((FIELDS | changes).values())
    expected = PaddingStride(*zip(numbers[:6:2], numbers[1:6:2]), tuple(numbers[6:]))
    assert np.array_equal(view.values(view.image), expected.visits())
    assert all(f": {formula} (" in line for formula, line in zip(filled(expected), view.lines))
    assert view.position == tuple(min(3, n - 1) for n in expected._windows().output)
    assert {name: int(view.field(name).input_value()) for name in FIELDS} == FIELDS | changes
    assert not view.warned


@pytest.mark.parametrize("option, padding", [("valid (none)", "valid"), ("same", "same")])
def test_padding_choice(page, option, padding):
    view = View(page)
    view.choose("Padding", option)
    assert np.array_equal(view.values(view.image), PaddingStride(padding=padding).visits())
    assert not view.field("Zeros above and below").is_visible()
    view.choose("Padding", "a number")
    assert view.field("Zeros above and below").is_visible()
    assert np.array_equal(view.values(view.image), PaddingStride(padding=1).visits())


def test_a_number_can_be_chosen_where_none_was_given(page):
    view = View(page, "both")
    view.choose("Padding", "a number")
    expected = PaddingStride((6, 7), 2, (3, 4), 1)
    assert np.array_equal(view.values(view.image), expected.visits())


def test_four_different_sides_survive_other_changes(page):
    view = View(page, "gaps")
    assert view.root.get_by_label("Padding", exact=True).input_value() == '"sides"'
    view.field("Stride down").fill("1")
    expected = PaddingStride((5, 9), (2, 3), (1, 4), ((1, 0), (0, 2)))
    assert np.array_equal(view.values(view.image), expected.visits())


def test_what_does_not_fit_is_said_and_the_picture_stays(page):
    view = View(page)
    before = view.values(view.image)
    view.field("Kernel rows").fill("10")
    assert view.warning == ("⚠ The kernel, 10 × 3, does not fit into the image with its padding, "
                            "9 × 10: use a smaller kernel or more padding. "
                            "The picture shows the last sizes that work.")
    assert view.field("Kernel rows").get_attribute("aria-invalid") == "true"
    assert np.array_equal(view.values(view.image), before)
    view.field("Image rows").fill("8")  # together they fit
    assert not view.warned and view.field("Kernel rows").get_attribute("aria-invalid") == "false"
    expected = PaddingStride((8, 8), (10, 3))
    assert np.array_equal(view.values(view.image), expected.visits())


@pytest.mark.parametrize("name, text, message", [
    ("Image rows", "0", "⚠ Image: expected whole numbers from 1 to 64."),
    ("Image columns", "", "⚠ Image: expected whole numbers from 1 to 64."),
    ("Kernel columns", "2.5", "⚠ Kernel: expected whole numbers from 1 to 64."),
    ("Stride across", "-1", "⚠ Stride: expected whole numbers from 1 to 64."),
    ("Zeros left and right", "-1", "⚠ Padding: expected whole numbers from 0 to 64."),
    ("Image columns", "63", "⚠ The image with its padding, 9 × 65, is too large to be shown"),
])
def test_what_is_no_size_is_said_and_reset_clears_it(page, name, text, message):
    view = View(page)
    before = view.values(view.image)
    view.field(name).fill(text)
    assert view.warning.startswith(message)
    assert np.array_equal(view.values(view.image), before)
    marked = view.root.locator("[aria-invalid=true]")
    assert marked.count() == 2
    view.button("Reset").click()
    assert not view.warned and marked.count() == 0
    assert view.field("Image columns").input_value() == "8"
    assert view.field("Zeros left and right").input_value() == "1"


def test_the_keyboard_path(page):
    view = View(page)
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('role')") == "grid":
            break
    for key, expected in [("ArrowRight", (0, 1)), ("ArrowDown", (1, 1)), ("ArrowLeft", (1, 0)),
                          ("ArrowLeft", (1, 0)), ("ArrowUp", (0, 0)), ("ArrowUp", (0, 0))]:
        page.keyboard.press(key)
        assert view.position == expected, key
    view.press(*["ArrowDown"] * 9, *["ArrowRight"] * 9)
    assert view.position == (3, 3)
    active = view.output.get_attribute("aria-activedescendant")
    assert page.locator(f"#{active}").inner_text() == "16"
    view.press("Home")
    assert view.position == (0, 0)
    view.press("End")
    assert view.position == (3, 3)


def test_hover_step_and_reset(page):
    view = View(page, "both")
    for expected in [(0, 1), (1, 0), (1, 1), (0, 0), (0, 1)]:
        view.button("Step").click()
        assert view.position == expected
    view.cell(1, 0).hover()
    assert view.position == (1, 0)
    view.field("Stride down").fill("1")
    view.button("Reset").click()
    assert view.position == (0, 0)
    assert np.array_equal(view.values(view.image), SHOWN["both"].visits())


def test_keys_do_not_leave_the_widget(page):
    listen_outside(page)
    view = View(page)
    view.press("a", "ArrowDown", " ", " ", "Home")
    view.field("Image rows").press("ArrowUp")
    view.button("Step").press("b")
    assert page.evaluate("window.heard") == []
    assert view.field("Image rows").input_value() == "8"


def test_play_goes_through_all_windows_and_stops(chromium, address):
    with page_with_clock(chromium, address) as page:
        view = View(page, "both")
        live = view.root.locator(".cnn-sentence")
        view.button("Play").click()
        seen = []
        for _ in range(3):
            page.clock.run_for(700)
            seen.append(view.position)
        assert seen == [(0, 1), (1, 0), (1, 1)]
        assert live.get_attribute("aria-live") == "off" and view.button("Pause").is_visible()
        page.clock.run_for(700)
        assert view.button("Play").is_visible() and live.get_attribute("aria-live") == "polite"
        view.button("Play").click()
        assert view.position == (0, 0)
        page.clock.run_for(700)
        view.press(" ")
        page.clock.run_for(5000)
        assert view.position == (0, 1)


def test_reduced_motion_does_not_start_by_itself(chromium, tmp_path):
    w = PaddingStride()
    w.play()
    address = build_page(tmp_path, [w])
    for motion, expected in (("reduce", (0, 0)), ("no-preference", (0, 1))):
        with page_with_clock(chromium, address, reduced_motion=motion) as page:
            view = View(page)
            page.clock.run_for(700)
            assert view.position == expected


def test_a_telephone_needs_no_sideways_scrolling(chromium, address):
    with open_page(chromium, address, width=360, has_touch=True) as page:
        for name in NAMES:
            view = View(page, name)
            last = tuple(n - 1 for n in SHOWN[name]._windows().output)
            view.cell(*last).tap()
            assert view.position == last
        assert no_sideways_scrolling(page)
        View(page).field("Kernel rows").fill("64")
        assert no_sideways_scrolling(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_are_both_readable(chromium, address, scheme):
    with open_page(chromium, address, color_scheme=scheme) as page:
        View(page).field("Kernel rows").fill("10")
        contrasts = page.evaluate(CONTRASTS)
        assert len(contrasts) > 100 and min(contrasts)[0] >= 4.5, min(contrasts)


def test_without_scripts_the_still_is_shown(chromium, address):
    with open_page(chromium, address, java_script_enabled=False) as page:
        stills = page.locator(".course-widget img")
        assert stills.count() == len(SHOWN)
        assert all("dropped:" in still.get_attribute("alt") for still in stills.all())


def test_changes_that_arrive_together_and_taking_the_view_away(page):
    """A position may be told before the sizes it belongs to; what render returns ends all."""
    state = {"size": [4, 4], "kernel_size": [2, 2], "stride": [1, 1], "padding": 0,
             "position": [0, 0], "playing": False}
    changes = {"position": [5, 6], "size": [9, 8]}
    told, children, listeners = page.evaluate(WITH_FAKE_MODEL, [state, changes])
    assert told.startswith("Window 42 of 56, output (5, 6): ")
    assert (children, listeners) == (0, 0)
