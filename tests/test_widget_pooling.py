"""The pooling window: in Python, and in Chromium on a page."""

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

from course_lib.plots import draw_pooling
from course_lib.pool import AVG_RUNGS, MAX_RUNGS
from course_lib.shapes import ShapeError, resolve_windows
from course_lib.widgets import WIDGET_MIMETYPE, PoolingWindow

PUBLISHED = [[1, 3, 2, 4], [5, 6, 1, 2], [7, 2, 3, 1], [4, 8, 5, 6]]
NOISE = np.random.default_rng(7).integers(-3, 4, size=(7, 8))


def pool(image, kind, kernel_size, stride):
    """The oracle: the rung that follows the formula; values, and the first maximum's index."""
    forward, _ = (MAX_RUNGS if kind == "max" else AVG_RUNGS)["windows"]
    y, cache = forward(np.array(image, float)[None, None], kernel_size, stride)
    return y[0, 0], getattr(cache, "choice", np.zeros((1, 1, 1, 1)))[0, 0]


def shift(image, down, right):
    """The image on a large black canvas, moved there, cut out again."""
    H, W = np.shape(image)
    canvas = np.zeros((3 * H, 3 * W))
    canvas[H + down:2 * H + down, W + right:2 * W + right] = image
    return canvas[H:2 * H, W:2 * W]


def edges(image):
    """The vertical edges, in the image's size: right column of each window minus left column."""
    p = np.pad(np.array(image, float), 1)
    threes = p[:-2] + p[1:-1] + p[2:]
    return threes[:, 2:] - threes[:, :-2]


def kept(a, b):
    return int(np.isclose(a, b).sum()), a.size


def moved(before, after, down, right):
    """(equal, compared) between the map moved on a canvas of NaN and the new map."""
    H, W = before.shape
    canvas = np.full((3 * H, 3 * W), np.nan)
    if abs(down) >= H or abs(right) >= W:
        return 0, 0
    canvas[H + down:2 * H + down, W + right:2 * W + right] = before
    there = canvas[H:2 * H, W:2 * W]
    return int(np.isclose(there, after).sum()), int(np.isfinite(there).sum())


# ---- Python


def test_the_default_is_the_published_demonstration():
    w = PoolingWindow(shift=(1, -1))
    assert repr(w) == ("PoolingWindow: image 6×6, max 2×2, stride 2×2 -> output 3×3; output (0, 2) "
                       "= 8; shift (1, -1): 6 of 9 pooled cells are unchanged")
    assert w.output().tolist() == [[0, 0, 8], [0, 0, 0], [0, 0, 0]]
    assert w.output(shifted=True).tolist() == [[0, 5, 8], [0, 7, 3], [0, 0, 0]]


@given(st.integers(0, 10**6), st.sampled_from(["max", "average"]))
def test_outputs_and_counts_agree_with_the_operations(seed, kind):
    rng = np.random.default_rng(seed)
    H, W = rng.integers(3, 8, size=2)
    image = rng.integers(-2, 3, size=(H, W))
    kernel_size, stride = rng.integers(1, 4, size=2), rng.integers(1, 4, size=2)
    by = int(rng.integers(1 - H, H)), int(rng.integers(1 - W, W))
    w = PoolingWindow(image, kind, kernel_size, stride, shift=by)
    there = shift(image, *by)
    y, y_there = (pool(x, kind, tuple(kernel_size), tuple(stride))[0] for x in (image, there))
    assert np.allclose(w.output(), y) and np.allclose(w.output(shifted=True), y_there)
    assert np.array_equal(w.shifted(), there)
    counts = w.unchanged()
    assert counts.pooled == kept(y, y_there)
    assert counts.convolved == kept(edges(image), edges(there))
    assert counts.moved == moved(*(edges(x)[1:-1, 1:-1] for x in (image, there)), *by)
    assert counts.moved[0] == counts.moved[1], "convolution is equivariant"


def test_position_starts_at_the_largest_value_and_can_be_given():
    assert PoolingWindow(PUBLISHED).position == (1, 0)
    assert PoolingWindow(PUBLISHED, position=(0, 1)).position == (0, 1)


def test_stride_follows_the_window_unless_given():
    assert PoolingWindow(kernel_size=3).stride == (3, 3)
    assert PoolingWindow(kernel_size=(3, 2), stride=1).stride == (1, 1)


@pytest.mark.parametrize("name, by", [("none", (0, 0)), ("up", (-1, 0)), ("down", (1, 0)),
                                      ("left", (0, -1)), ("right", (0, 1))])
def test_a_shift_can_be_named(name, by):
    w = PoolingWindow(NOISE)
    w.shift = name
    assert w.shift == by and np.array_equal(w.shifted(), shift(NOISE, *by))


def test_tiny_images_have_nothing_inside_the_border():
    counts = PoolingWindow([[1, 2], [3, 4]], shift="down").unchanged()
    assert counts.convolved == (0, 4) and counts.moved == (0, 0)


def test_the_state_is_plain_python_whatever_came_in():
    w = PoolingWindow(np.ones((4, 5), np.float32), "average", np.array([2, 3]), np.int64(1),
                      shift=(np.int8(1), 0), position=np.array([2, 1]))
    assert json.loads(json.dumps(w.state())) == {
        "image": [[1.0] * 5] * 4, "kind": "average", "kernel_size": [2, 3], "stride": [1, 1],
        "shift": [1, 0], "playing": False, "position": [2, 1], "compare": False,
    }


WRONG = [
    (dict(image=np.ones((1, 1, 3, 3))), r"image must have the shape \(rows, columns\)"),
    (dict(image=[[np.nan]]), "image must hold finite numbers"),
    (dict(image=[[1, 2, 3]]), "the window, 2×2, is larger than the image, 1×3: use a smaller "
     "window"),
    (dict(kind="min"), "kind must be 'max' or 'average', got 'min'"),
    (dict(kernel_size=7), "the window, 7×7, is larger than the image, 6×6"),
    (dict(kernel_size=0), "kernel_size must be a whole number, at least 1, got 0"),
    (dict(stride=1.5), "stride must be a whole number, at least 1, got 1.5"),
    (dict(shift="north"), "one of none, up, down, left, right or whole pixels.*got 'north'"),
    (dict(shift=(6, 0)), r"each less than the image's 6×6, got \(6, 0\)"),
    (dict(shift=(0, -6)), r"each less than the image's 6×6, got \(0, -6\)"),
    (dict(shift=(0.5, 0)), r"got \(0.5, 0\)"),
    (dict(shift=1), "shift must be .*got 1"),
    (dict(position=(3, 0)), r"row 0 to 2 and column 0 to 2, got \(3, 0\)"),
    (dict(image=np.ones((8, 8, 3))), r"shape \(rows, columns\).*got \(8, 8, 3\); one channel of a "
     r"colour image is x\[:, :, 0\]"),
    (dict(image="stripes"), "image must be an array, got 'stripes'"),
    (dict(kind=None), "kind must be 'max' or 'average', got None"),
    (dict(kernel_size=None), "kernel_size must be .*got None"),
    (dict(shift=None), "shift must be .*got None"),
    (dict(compare=None), "compare must be True or False, got None"),
]


def test_none_means_what_the_docstring_says():
    w = PoolingWindow(NOISE, kernel_size=(2, 3), stride=1, position=(0, 0))
    w.stride = None
    assert w.stride == (2, 3)
    w.position = None
    assert w.position == np.unravel_index(w.output().argmax(), w.output().shape)


def test_avg_is_short_for_average():
    assert PoolingWindow(NOISE, "avg").kind == "average"



@pytest.mark.parametrize("change, message", WRONG)
def test_wrong_values_are_refused_and_the_old_ones_stay(change, message):
    with pytest.raises(ShapeError, match=f"PoolingWindow: .*{message}"):
        PoolingWindow(**change)
    w = PoolingWindow(shift="left")
    before = w.state()
    name, value = next(iter(change.items()))
    with pytest.raises(ValueError, match=message):
        setattr(w, name, value)
    assert w.state() == before


def test_a_smaller_image_pulls_position_and_shift_inside():
    w = PoolingWindow(shift=(-5, 4), position=(2, 2))
    w.image = np.eye(3)
    assert (w.position, w.shift) == ((0, 0), (-2, 2))


def test_bundle_holds_view_still_text_and_state_and_is_the_same_twice():
    def bundle():
        w = PoolingWindow(shift=(1, -1))
        data, metadata = w._repr_mimebundle_()
        assert data.pop("application/vnd.jupyter.widget-view+json")
        assert data["text/plain"] == repr(w)
        assert data[WIDGET_MIMETYPE] == {"module": "pooling", "state": w.state()}
        alt = metadata["image/png"]["alt"]
        assert "the max of 5, 8, 7, 3 is 8; after the shift 6 of 9 pooled cells" in alt
        return json.dumps([data, metadata])

    assert bundle() == bundle()


def test_still_rings_the_winner_and_writes_what_changed():
    w = PoolingWindow(shift=(1, -1))
    image, pooled, _, again = w.still().figure.axes
    (ring,) = [patch for patch in image.patches if hasattr(patch, "radius")]
    assert ring.center == (5, 0)  # x is the column
    assert [t.get_text() for t in again.texts] == ["=", "5", "=", "=", "7", "3", "=", "=", "="]
    assert not [p for p in PoolingWindow(kind="average").still().figure.axes[0].patches
                if hasattr(p, "radius")]


def test_still_refuses_what_does_not_fit_together():
    where = resolve_windows((4, 4), 2, 2)
    with pytest.raises(ValueError, match=r"draw_pooling: expected a pooled map \(2, 2\), got \(3,"):
        draw_pooling(np.ones((4, 4)), np.ones((3, 2)), where)
    with pytest.raises(ValueError, match=r"a position inside the 2×2 map, got \(0, 2\)"):
        draw_pooling(np.ones((4, 4)), np.ones((2, 2)), where, (0, 2))


# ---- the browser


SHOWN = {
    "default": PoolingWindow(),
    "demonstration": PoolingWindow(shift=(1, -1), compare=True),
    "published": PoolingWindow(PUBLISHED, position=(0, 0)),
    "average": PoolingWindow(PUBLISHED, "average", shift="right", position=(0, 0), compare=True),
    "overlapping": PoolingWindow(NOISE, "max", (3, 2), (2, 1), shift=(0, 2), compare=True),
    "ties": PoolingWindow([[3, 3], [1, 3]], shift="down", compare=True),
    "strides": PoolingWindow(NOISE / 3, "average", 2, (2, 3), shift=(-2, 3), compare=True),
    "gone": PoolingWindow(shift=(-2, 0)),
    "large": PoolingWindow(np.eye(28) * 9, kernel_size=7, shift="up", compare=True),
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
        image, pooled, shifted, again, edges, moved_edges = self.grids
        self.before, self.after = (image, pooled, edges), (shifted, again, moved_edges)

    def signs(self, grid):
        rows = grid.evaluate("grid => [...grid.querySelectorAll('.cnn-row')]"
                             ".map(row => [...row.children].map(cell => cell.dataset.sign))")
        shown = grid.evaluate("grid => getComputedStyle(grid.querySelector('.cnn-cell'), '::after')"
                              ".content.replaceAll('\"', '')")
        small = grid.locator("xpath=ancestor::*[contains(@class, 'cnn-small')]").count()
        assert shown == ({"=": "none", "≠": ""} if small else {"=": "=", "≠": "≠"})[rows[0][0]]
        return np.array(rows)

    def shift(self, *names):
        for name in names:
            self.button(f"Shift the image {name} by one pixel").click()


def random_case(rng):
    H, W = rng.integers(3, 9, size=2)
    kernel_size = [int(rng.integers(1, n + 1)) for n in (H, W)]
    stride = rng.integers(1, 4, size=2).tolist()
    image = rng.integers(-3, 4, size=(H, W)) if rng.integers(2) else rng.normal(size=(H, W))
    by = [int(rng.integers(1 - n, n)) for n in (H, W)]
    return image.tolist(), ["max", "average"][rng.integers(2)], kernel_size, stride, by


def test_the_browsers_pooling_equals_the_packages(page, rng):
    cases = [random_case(rng) for _ in range(600)]
    found = run_cases(page, cases, """
        const [image, kind, kernelSize, stride] = given;
        const windows = cnn.resolveWindows(cnn.sizeOf(image), kernelSize, stride, 0);
        const y = cnn.pool2d(image, kind, kernelSize, stride);
        const windowsOf = y.map((row, i) => row.map((_, j) =>
            cnn.poolWindow(image, kind, i, j, windows)));
        const choice = windowsOf.map((row) => row.map(({ terms, winner }) =>
            terms.indexOf(winner)));
        const equal = windowsOf.map((row) => row.map((window) => window.equal.length));
        return [y, choice, equal];""")
    ties = 0
    for (image, kind, kernel_size, stride, _), (y, choice, equal) in zip(cases, found, strict=True):
        expected, first = pool(image, kind, tuple(kernel_size), tuple(stride))
        assert np.shape(y) == expected.shape and np.allclose(y, expected, rtol=0, atol=1e-12)
        if kind == "max":
            assert np.array_equal(choice, first)
            where = resolve_windows(np.shape(image), tuple(kernel_size), tuple(stride))
            for i, j in np.ndindex(*expected.shape):
                top, left = i * where.stride[0], j * where.stride[1]
                window = np.array(image)[top:top + kernel_size[0], left:left + kernel_size[1]]
                assert equal[i][j] == (window == window.max()).sum()
                ties += equal[i][j] > 1
    assert ties > 200, "the cases hold ties"


def test_the_browsers_shifts_and_counts_equal_the_packages(page, rng):
    cases = [random_case(rng) for _ in range(600)]
    found = run_cases(page, cases, """
        const [image, kind, kernelSize, stride, by] = given;
        const shifted = cnn.shiftImage(image, by);
        const [a, b] = [image, shifted].map((x) => cnn.pool2d(x, kind, kernelSize, stride));
        return [shifted, cnn.keptCells(a, b), cnn.movedCells(a, b, by)];""")
    for (image, kind, kernel_size, stride, by), (shifted, same, along) in zip(cases, found):
        there = shift(image, *by)
        assert np.array_equal(shifted, there)
        a, b = (pool(x, kind, tuple(kernel_size), tuple(stride))[0] for x in (image, there))
        assert np.array_equal(same, np.isclose(a, b, rtol=1e-9, atol=1e-9))
        assert tuple(along) == moved(a, b, *by)


@pytest.mark.parametrize("name", NAMES[:-1])
def test_grids_print_image_pooled_map_and_convolution(page, name):
    w, view = SHOWN[name], View(page, name)
    for grids, image, y in ((view.before, w.image, w.output()),
                            (view.after, w.shifted(), w.output(shifted=True))):
        if grids is view.after and not any(w.shift):
            assert not any(grid.is_visible() for grid in grids)
            continue
        assert np.allclose(view.values(grids[0]), image, atol=0.005)
        assert np.allclose(view.values(grids[1]), y, atol=0.005)
        assert grids[2].is_visible() == w.compare
        if w.compare:
            assert np.allclose(view.values(grids[2]), edges(image), atol=0.005)


@pytest.mark.parametrize("name", NAMES[:-1])
def test_every_window_its_maximum_and_its_ties_are_marked(page, name):
    w, view = SHOWN[name], View(page, name)
    (OH, OW), (KH, KW), (sh, sw), _ = w._windows()
    image, y = np.array(w.image), w.output()
    for i, j in np.ndindex(OH, OW):
        view.cell(i, j).click()
        window = [(i * sh + u, j * sw + v) for u in range(KH) for v in range(KW)]
        assert view.position == (i, j) and view.framed(view.before[0]) == window
        values = [image[place] for place in window]
        highest = [place for place in window if image[place] == max(values)]
        expected = highest if w.kind == "max" else []
        assert view.where(view.before[0], ".cnn-winner") == expected[:1]
        assert view.where(view.before[0], "[data-badge=max]") == expected[:1]
        assert view.where(view.before[0], ".cnn-tied") == expected[1:]
        assert view.sentence.startswith(f"Output ({i}, {j}) = ")
        said = re.search(r"(?:max of [-\d., ]*|/ \d+) [=≈] (-?\d+(?:\.\d+)?)", view.sentence)
        assert float(said[1]) == pytest.approx(y[i, j], abs=0.005)
        ties = f"({len(expected)} equal; the first one wins)"
        assert (ties in view.sentence.split(" After ")[0]) == (len(expected) > 1)
        if any(w.shift):
            assert view.framed(view.after[0]) == window and view.framed(view.after[1]) == [(i, j)]


def test_maximum_and_tie_differ_by_more_than_colour(page):
    view = View(page, "ties")
    cells = [view.before[0].locator(f".cnn-cell{name}").first
             for name in (".cnn-winner", ".cnn-tied", ":not(.cnn-winner):not(.cnn-tied)")]
    styles = [view.looks(cell, "borderTopStyle", "::before") for cell in cells]
    assert styles == ["solid", "dashed", "none"]
    assert view.looks(cells[0], "borderTopLeftRadius", "::before") == "50%"
    assert view.looks(cells[0], "content", "::after") == '"max"'


def test_signs_are_printed_and_in_large_maps_corners(page):
    view = View(page, "demonstration")
    assert view.looks(view.after[1].locator("[data-sign='=']").first, "content", "::after") == '"="'
    assert view.looks(view.after[1].locator("[data-sign='≠']").first, "content", "::after") == '"≠"'
    large = View(page, "large").after[2]
    assert view.looks(large.locator("[data-sign='=']").first, "content", "::after") == "none"
    corner = large.locator("[data-sign='≠']").first
    assert view.looks(corner, "content", "::after") == '""'
    assert float(view.looks(corner, "borderTopWidth", "::after")[:-2]) > 0


def test_sentences(page):
    view = View(page, "published")
    assert view.sentence == "Output (0, 0) = max of 1, 3, 5, 6 = 6, from row 1, column 1."
    view.choose("Pooling", "average")
    assert view.sentence == "Output (0, 0) = (1 + 3 + 5 + 6) / 4 = 3.75."
    assert View(page, "ties").sentence == (
        "Output (0, 0) = max of 3, 3, 1, 3 = 3 (3 equal; the first one wins), from row 0, "
        "column 0. After the shift: max of 0, 0, 3, 3 = 3 (2 equal; the first one wins), from "
        "row 1, column 0: unchanged.")
    assert "≈" in View(page, "strides").sentence


@pytest.mark.parametrize("name", NAMES[1:])
def test_counts_and_signs_after_a_shift(page, name):
    w, view = SHOWN[name], View(page, name)
    left = ["The pattern has left the image: press None."] * (name == "gone")
    if not any(w.shift):
        assert view.lines == ["Shift the image by one pixel: how many pooled cells stay the same?"]
        return
    counts = w.unchanged()
    assert view.lines[:len(left)] == left and len(view.lines) == len(left) + 1 + w.compare
    lines = view.lines[len(left):]
    assert " {} of {} pooled cells ".format(*counts.pooled) in lines[0]
    y, y_there = w.output(), w.output(shifted=True)
    zeros = int(((y == 0) & (y_there == 0)).sum())
    assert (f" ({zeros} of them " in lines[0]) if zeros else "of them" not in lines[0]
    steps = np.divide(w.shift, w.stride)
    told = re.search(r"whole number of strides: .* (\d+) of (\d+) cells agree", lines[0])
    assert (told is not None) == all(step == int(step) for step in steps)
    if told:
        expected = moved(y, y_there, *steps.astype(int))
        assert (int(told[1]), int(told[2])) == expected
    assert (view.signs(view.after[1]) == "=").sum() == counts.pooled[0]
    assert np.array_equal(view.signs(view.after[1]) == "=",
                          np.isclose(w.output(), w.output(shifted=True)))
    assert set(view.signs(view.after[1]).flat) <= {"=", "≠"}
    if not w.compare:
        assert not view.before[2].is_visible() and not view.after[2].is_visible()
        return
    assert "padding 1): {} of {} cells ".format(*counts.convolved) in lines[1]
    ending = ("shift, {} of {} cells inside the border (dashed) agree: the map moves"
              .format(*counts.moved) if counts.moved[1] else "no cell is inside the border before")
    assert ending in lines[1]
    for grid, image, sign in ((view.before[2], w.image, 1), (view.after[2], w.shifted(), -1)):
        down, right = (sign * by for by in w.shift)
        H, W = np.shape(image)
        compared = [(i, j) for i in range(1, H - 1) for j in range(1, W - 1)
                    if 0 < i + down < H - 1 and 0 < j + right < W - 1]
        assert (view.framed(grid) if compared else []) == compared
        assert grid.locator(".cnn-frame").is_visible() == bool(compared)
    if name != "large":
        assert (view.signs(view.after[2]) == "=").sum() == counts.convolved[0]


def test_the_published_count(page):
    view = View(page, "demonstration")
    assert view.lines == [
        "Pooling, shifted 1 down and 1 left: 6 of 9 pooled cells are unchanged "
        "(5 of them are 0 both times).",
        "Convolution (vertical edge, padding 1): 20 of 36 cells are unchanged in place; moved by "
        "the same shift, 9 of 9 cells inside the border (dashed) agree: the map moves with the "
        "image (equivariance)."]


def test_a_shift_by_the_stride_moves_the_pooled_map(page):
    view = View(page)
    view.shift("down")
    assert "whole number of strides" not in view.lines[0]
    view.shift("down")
    assert view.lines[0].endswith("The shift is a whole number of strides: moved along with it, "
                                  "6 of 6 cells agree.")


@pytest.mark.parametrize("name, by", [("up", (-1, 0)), ("down", (1, 0)), ("left", (0, -1)),
                                      ("right", (0, 1))])
def test_shift_buttons(page, name, by):
    view = View(page, "published")
    view.shift(name)
    assert np.array_equal(view.values(view.after[0]), shift(PUBLISHED, *by))
    view.shift(*[name] * 5)
    far = shift(PUBLISHED, 3 * by[0], 3 * by[1])
    assert np.array_equal(view.values(view.after[0]), far), "one row or column always stays"
    view.button("No shift").click()
    assert not view.after[0].is_visible()


def test_shifts_add_up(page):
    view = View(page)
    view.shift("down", "left")
    assert view.lines == View(page, "demonstration").lines[:1]


@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize("window, size", [("2 × 2", 2), ("3 × 3", 3), ("4 × 4", 4)])
@pytest.mark.parametrize("stride", [1, 2, 3, 4])
def test_kind_window_and_stride_choices(page, kind, window, size, stride):
    view = View(page)
    view.choose("Pooling", kind)
    view.choose("Window", window)
    view.choose("Stride", str(stride))
    expected = PoolingWindow()
    expected.kind, expected.kernel_size = kind, size
    expected.stride = stride
    assert np.allclose(view.values(view.output), expected.output(), atol=0.005)
    title = view.root.locator(".cnn-title").nth(1).inner_text()
    assert title == ("Max" if kind == "max" else "Average") + " {} × {}".format(
        *expected.output().shape)
    assert view.position == expected.position


def test_choices_that_cannot_work_are_greyed_out(page):
    view = View(page, "ties")
    options = view.root.get_by_label("Window", exact=True).locator("option:disabled")
    assert options.all_inner_texts() == ["3 × 3", "4 × 4"]
    images = View(page, "large").root.get_by_label("Image", exact=True)
    assert images.locator("option:disabled").all_inner_texts() == ["one spot", "stripes",
                                                                   "all equal"]


def test_ready_made_images_answer_the_lessons_questions(page):
    view = View(page)
    view.choose("Image", "one spot")
    view.shift("right")
    assert " 9 of 9 pooled cells are unchanged" in view.lines[0], "it moved inside its window"
    view.shift("right")
    assert " 7 of 9 pooled cells are unchanged" in view.lines[0]
    view.button("No shift").click()
    view.choose("Image", "all equal")
    assert "(4 equal; the first one wins)" in view.sentence
    view.choose("Image", "stripes")
    view.shift("left")
    assert " 9 of 9 pooled cells are unchanged" in view.lines[0]
    view.choose("Image", "as given")
    assert np.array_equal(view.values(view.before[0]), SHOWN["default"].image)


def test_new_numbers(page):
    view = View(page, "published")
    view.button("New numbers").click()
    image = view.values(view.before[0])
    assert image.shape == (4, 4) and not np.array_equal(image, PUBLISHED)
    assert np.array_equal(view.values(view.output), pool(image, "max", 2, 2)[0])
    chosen = view.root.get_by_label("Image", exact=True)
    assert chosen.input_value() == '"new numbers"'
    view.button("Reset").click()
    assert np.array_equal(view.values(view.before[0]), PUBLISHED)
    assert chosen.input_value() == '"as given"'


def test_the_keyboard_path(page):
    view = View(page)
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('role')") == "grid":
            break
    page.keyboard.press("Home")
    for key, expected in [("ArrowRight", (0, 1)), ("ArrowDown", (1, 1)), ("ArrowLeft", (1, 0)),
                          ("ArrowLeft", (1, 0)), ("ArrowUp", (0, 0)), ("ArrowUp", (0, 0))]:
        page.keyboard.press(key)
        assert view.position == expected, key
    view.press(*["ArrowDown"] * 9, *["ArrowRight"] * 9)
    assert view.position == (2, 2)
    view.press("Home", "End")
    assert view.position == (2, 2)
    active = view.output.get_attribute("aria-activedescendant")
    assert page.locator(f"#{active}").evaluate("cell => cell === document.querySelectorAll("
                                               "'.cnn-grid')[1].querySelectorAll('.cnn-cell')[8]")
    view.button("Shift the image down").press("Enter")
    assert "shifted 1 down:" in view.lines[0]


def test_hover_step_and_reset(page):
    view = View(page, "published")
    for expected in [(0, 1), (1, 0), (1, 1), (0, 0)]:
        view.button("Step").click()
        assert view.position == expected
    view.cell(1, 0).hover()
    assert view.position == (1, 0)
    view.shift("up")
    view.choose("Pooling", "average")
    view.button("Reset").click()
    assert view.position == (0, 0) and not view.after[0].is_visible()
    assert np.array_equal(view.values(view.output), [[6, 4], [8, 6]])


def test_keys_do_not_leave_the_widget(page):
    listen_outside(page)
    view = View(page)
    view.press("a", "ArrowDown", " ", " ", "Home")
    view.button("Step").press("b")
    assert page.evaluate("window.heard") == []


def test_play_goes_through_all_windows_and_stops(chromium, address):
    with page_with_clock(chromium, address) as page:
        view = View(page, "published")
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


def test_reduced_motion_does_not_start_by_itself(chromium, tmp_path):
    w = PoolingWindow(position=(0, 0))
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
            last = tuple(n - 1 for n in SHOWN[name].output().shape)
            view.cell(*last).tap()
            assert view.position == last
            view.button("Shift the image right").tap()
            assert "Pooling, shifted" in view.lines[name == "gone"]
        assert no_sideways_scrolling(page)


def test_the_button_stays_under_the_finger(chromium, address):
    with open_page(chromium, address, width=360, has_touch=True) as page:
        page.set_viewport_size({"width": 360, "height": 740})
        view = View(page)
        arrow = view.button("Shift the image left")
        arrow.scroll_into_view_if_needed()
        places = [arrow.bounding_box()]
        for _ in range(3):
            arrow.tap()
            places.append(arrow.bounding_box())
        assert all(place == places[0] for place in places)
        boxes = [grid.bounding_box() for grid in (*view.before[:2], *view.after[:2])]
        assert boxes[3]["y"] + boxes[3]["height"] - places[0]["y"] <= 740, "all on one screen"


def test_before_and_after_stand_side_by_side(page):
    view = View(page)
    alone = view.before[0].bounding_box()
    arrow = view.button("Shift the image left")
    place = arrow.bounding_box()
    arrow.click()
    assert arrow.bounding_box() == place and view.before[0].bounding_box() == alone
    after = view.after[0].bounding_box()
    assert after["y"] == alone["y"] and after["x"] > alone["x"] + alone["width"]
    line = view.root.locator(".cnn-counts").bounding_box()
    assert place["y"] < line["y"] < alone["y"], "the result stands between button and picture"


def test_the_convolution_comes_when_it_is_asked_for(page):
    view = View(page)
    view.shift("left")
    assert len(view.lines) == 1 and not view.before[2].is_visible()
    switch = view.root.get_by_label("compare with a convolution")
    switch.check()
    assert view.before[2].is_visible() and view.after[2].is_visible()
    assert view.lines[1].startswith("Convolution (vertical edge, padding 1): ")
    below = view.root.locator(".cnn-sentence").bounding_box()["y"]
    assert view.before[2].bounding_box()["y"] > below
    switch.uncheck()
    assert not view.after[2].is_visible()


def test_a_pattern_that_has_left_is_told(page):
    view = View(page)
    view.shift("up", "up")
    assert view.lines[0] == "The pattern has left the image: press None."
    view.shift("down")
    assert len(view.lines) == 1 and "press None" not in view.lines[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_are_both_readable(chromium, address, scheme):
    with open_page(chromium, address, color_scheme=scheme) as page:
        View(page)
        contrasts = page.evaluate(CONTRASTS)
        assert len(contrasts) > 100 and min(contrasts)[0] >= 4.5, min(contrasts)


def test_without_scripts_the_still_is_shown(chromium, address):
    with open_page(chromium, address, java_script_enabled=False) as page:
        stills = page.locator(".course-widget img")
        assert stills.count() == len(SHOWN)
        assert all("windows of a" in still.get_attribute("alt") for still in stills.all())


def test_changes_that_arrive_together_and_taking_the_view_away(page):
    """A position may be told before the sizes it belongs to; what render returns ends all."""
    state = {"image": [[1, 2], [3, 4]], "kind": "max", "kernel_size": [2, 2], "stride": [2, 2],
             "shift": [0, 0], "position": [0, 0], "playing": False}
    changes = {"position": [1, 2], "image": np.arange(24).reshape(4, 6).tolist()}
    told, children, listeners = page.evaluate(WITH_FAKE_MODEL, [state, changes])
    assert told.startswith("Output (1, 2) = max of 16, 17, 22, 23 = 23, ")
    assert (children, listeners) == (0, 0)
