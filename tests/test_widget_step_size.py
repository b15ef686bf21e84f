"""The step-size curve and the chart it is drawn with: in Python, and in Chromium on a page."""

import json
from fractions import Fraction

import numpy as np
import pytest
from browser import open_chromium, open_page
from conftest import need
from hypothesis import given
from hypothesis import strategies as st
from widget_view import (
    CONTRASTS, WITH_FAKE_MODEL, WidgetView, build_page, listen_outside, no_sideways_scrolling,
    run_cases,
)

from course_lib.gradcheck import step_sizes
from course_lib.stills.step_size import draw_step_size
from course_lib.widgets import WIDGET_MIMETYPE, StepSizeCurve, WidgetError
from course_lib.widgets.step_size import STEPS

X = 0.7
ROUNDED = {"float64": np.float64, "float32": np.float32}


def parts_of_the_error(function, difference, h, distance, dtype=np.float64):
    """(truncation, kink) of the difference quotient, in exact fractions."""
    x, h = (Fraction(float(dtype(value))) for value in (X, h))
    offsets = (0, h) if difference == "forward" else (-h, h)
    cubes = [(x + at) ** 3 for at in offsets]
    bends = [max(at - Fraction(distance), 0) if function == "kink" else 0 for at in offsets]
    width = offsets[1] - offsets[0]
    return float((cubes[1] - cubes[0]) / width - 3 * x * x), float((bends[1] - bends[0]) / width)


# ---- Python


def test_the_default_is_the_one_of_the_lesson():
    assert repr(StepSizeCurve()) == (
        "StepSizeCurve: smooth, central difference, h 0.01: relative error 6.8e-05 in float64, "
        "6.7e-05 in float32")
    assert repr(StepSizeCurve("kink", "forward", 1e-4, distance=1e-6)).startswith(
        "StepSizeCurve: kink, kink 1e-06 away, forward difference, h 0.0001: relative error ")


def test_errors_equal_those_of_the_gradient_check():
    w = StepSizeCurve()
    curve = step_sizes(lambda x: (x * x * x).sum(), np.array([X]), np.array([3 * X * X]), STEPS)
    steps, expected = zip(*curve)
    assert list(steps) == STEPS and len(STEPS) == 97
    assert np.allclose(w.errors()[-40:], expected[-40:], rtol=1e-4)
    noise = np.array(STEPS[:48]) * [w.errors()[:48], expected[:48]]  # rounding: eps / h
    assert noise.max() < 1e-15 and (np.median(noise, axis=1) > 1e-18).all()


@given(st.floats(1e-3, 1), st.sampled_from(["smooth", "kink"]),
       st.sampled_from(["central", "forward"]), st.floats(1e-4, 1))
def test_large_steps_err_by_truncation_and_kink(h, function, difference, distance):
    w = StepSizeCurve(function, difference, h, distance=distance)
    truncation, kink = parts_of_the_error(function, difference, h, distance)
    assert w.numeric() - 3 * X * X == pytest.approx(truncation + kink, abs=1e-9)
    assert w.numeric(np.float32) - 3 * X * X == pytest.approx(truncation + kink, abs=2e-3)


def test_the_bottoms_of_the_curves_lie_where_the_course_says():
    for difference, dtype, low, high, deep in [
            ("central", np.float64, 1e-6, 1e-4, 1e-9), ("forward", np.float64, 1e-10, 1e-7, 1e-7),
            ("central", np.float32, 5e-4, 3e-2, 1e-4), ("forward", np.float32, 1e-6, 3e-3, 1e-2)]:
        errors = StepSizeCurve(difference=difference).errors(dtype)
        assert low < STEPS[errors.argmin()] < high and errors.min() < deep
    assert StepSizeCurve(h=1e-12).error(np.float32) == 1  # x + h is x


def test_the_error_jumps_where_h_steps_over_the_kink():
    w = StepSizeCurve("kink", distance=1e-5)
    assert w.error(h=0.99e-5) < 1e-9 and w.error(h=1.5e-5) > 0.05
    w.function = "smooth"
    assert w.error(h=1.5e-5) < 1e-9


WRONG = [
    (dict(function="tanh"), "function must be one of 'smooth', 'kink', got 'tanh'"),
    (dict(difference=None), "difference must be one of 'central', 'forward', got None"),
    (dict(h=0), "h must be a number from 1e-12 to 1, got 0"),
    (dict(h=2), "h must be a number from 1e-12 to 1, got 2"),
    (dict(h="0.1"), "h must be a number from 1e-12 to 1, got '0.1'"),
    (dict(h=float("nan")), "h must be a number .*got nan"),
    (dict(h=True), "h must be a number .*got True"),
    (dict(distance=1e-9), "distance must be a number from 1e-08 to 1, got 1e-09"),
    (dict(show_curve="yes"), "show_curve must be True or False, got 'yes'"),
    (dict(distance=None), "distance must be a number from 1e-08 to 1, got None"),
]


@pytest.mark.parametrize("change, message", WRONG)
def test_wrong_values_are_refused_and_the_old_ones_stay(change, message):
    with pytest.raises(WidgetError, match=f"StepSizeCurve: {message}"):
        StepSizeCurve(**change)
    w = StepSizeCurve()
    before = w.state()
    with pytest.raises(ValueError, match=message):
        setattr(w, *next(iter(change.items())))
    assert w.state() == before


def test_bundle_holds_view_still_text_and_state_and_is_the_same_twice():
    def kept():
        w = StepSizeCurve("kink", h=np.float32(0.5))
        data, metadata = w._repr_mimebundle_()
        assert data.pop("application/vnd.jupyter.widget-view+json")
        assert data["text/plain"] == repr(w)
        assert data[WIDGET_MIMETYPE] == {"module": "step_size", "state": {
            "function": "kink", "difference": "central", "h": 0.5, "distance": 0.001,
            "show_curve": False}}
        alt = metadata["image/png"]["alt"]
        assert alt.startswith("Relative error of a central difference against h: float64 from ")
        assert alt.endswith("h stands at 5e-01; a kink lies 1e-03 from x.")
        return json.dumps([data, metadata])

    assert kept() == kept()


def test_the_still_shows_both_curves_and_h():
    w = StepSizeCurve(h=1e-4)
    (ax,) = w.still().figure.axes
    curves = {line.get_label(): line.get_ydata() for line in ax.lines}
    assert np.array_equal(curves["float64"], np.maximum(w.errors(), 1e-16))
    assert np.array_equal(curves["float32"], w.errors(np.float32))
    assert any(np.array_equal(line.get_xdata(), [1e-4, 1e-4]) for line in ax.lines)


def test_the_still_refuses_what_does_not_fit_together():
    with pytest.raises(ValueError, match="draw_step_size: expected 2 errors under float64, got 1"):
        draw_step_size([0.1, 0.2], {"float64": [1.0]}, 0.1)


# ---- the browser

SHOWN = {
    "default": StepSizeCurve(),
    "kink": StepSizeCurve("kink", h=1e-2, distance=1e-5),
    "forward": StepSizeCurve(difference="forward", h=1e-7),
    "shown": StepSizeCurve("kink", h=1e-2, distance=1e-5, show_curve=True),
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
        self.page = page
        self.root = page.locator(".cnn-widget").nth(NAMES.index(name))
        self.root.wait_for()
        self.chart = self.root.get_by_role("img")

    def slider(self, name="Step size h"):
        return self.root.get_by_label(name, exact=True)

    def marks(self, shape):
        return self.chart.locator(f"svg > {shape}").count()

    @property
    def shown(self):
        """What is told of each precision: {"float64": (numeric, relative error, why)}."""
        told = {}
        for line in self.root.locator(".cnn-sentence p").all_inner_texts():
            name, numbers, why = line.replace("\u2212", "-").split(": ", 2)
            numeric, _, error = (part.rsplit(" ", 1)[1] for part in numbers.split(", "))
            told[name] = float(numeric), plain_number(error), why
        return told

    @property
    def cursor(self):
        """Where the dashed line stands, in pixels of the page."""
        box = self.root.locator(".cnn-chart-cursor").bounding_box()
        return box["x"] + box["width"] / 2


def plain_number(text):
    """6.8·10⁻⁵ -> 6.8e-5"""
    powers = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    digits, _, power = text.partition("·10")
    return float(digits) * 10.0 ** int(power.translate(powers) or 0)


def test_the_browsers_numbers_equal_numpys_in_both_precisions(page, rng):
    cases = [[["smooth", "kink"][k % 2], ["central", "forward"][k // 2 % 2],
              float(10 ** rng.uniform(-12, 0)), float(10 ** rng.uniform(-8, 0))]
             for k in range(600)]
    found = run_cases(page, cases, """
        const [kind, difference, h, distance] = given;
        const values = { function: kind, difference, distance };
        return [Math.fround, (value) => value].map((round) => {
            const numeric = cnn.numericGradient(values, h, round);
            const parts = cnn.errorParts(values, h, round);
            return [numeric, cnn.relativeError(numeric, cnn.analyticGradient(round)),
                parts, cnn.largestPart(parts)];
        });""")
    for (function, difference, h, distance), both in zip(cases, found, strict=True):
        w = StepSizeCurve(function, difference, h, distance=distance)
        for dtype, (numeric, error, parts, largest) in zip((np.float32, np.float64), both):
            assert numeric == w.numeric(dtype) and error == w.error(dtype)  # to the last bit
            truncation, kink = parts_of_the_error(function, difference, h, distance, dtype)
            assert parts["truncation"] == pytest.approx(truncation, rel=1e-12)
            assert parts["kink"] == pytest.approx(kink, rel=1e-9, abs=1e-15)
            assert sum(parts.values()) == pytest.approx(numeric - 3 * float(dtype(X)) ** 2,
                                                        abs=1e-12)
            assert abs(parts[largest]) == max(map(abs, parts.values()))


def test_the_steps_of_the_slider_are_those_of_the_curve(page):
    found = run_cases(page, list(range(-96, 1)), "return [cnn.stepAt(given), "
                                                 "cnn.positionOf(cnn.stepAt(given))];")
    assert found == [[h, k] for h, k in zip(STEPS, range(-96, 1))]


def test_charts_put_values_where_their_axes_say(page, rng):
    cases = []
    for _ in range(200):
        low, wide = rng.uniform(-5, 5), rng.uniform(0.1, 50)
        cases.append([[low, low + wide], (low + wide * rng.uniform(0, 1)), False])
        low, factor = 10 ** rng.uniform(-9, 2), 10 ** rng.uniform(0.5, 9)
        cases.append([[low, low * factor], low * factor ** rng.uniform(0, 1), True])
    found = run_cases(page, cases, """
        const [range, value, isLog] = given;
        const svg = cnn.drawChart({ width: 500, height: 300, x: range, y: range, logX: isLog,
            logY: isLog, cursor: value, title: "t", series: [{ label: "a",
            points: [[value, value]], mark: "circle" }] });
        document.body.append(svg);
        const left = svg.getBoundingClientRect().left;
        const ring = svg.querySelector(":scope > circle[r='7']");
        const [x, y] = ["cx", "cy"].map((name) => Number(ring.getAttribute(name)));
        const ticks = [...svg.querySelectorAll("text[text-anchor=middle]")]
            .map((text) => [text.textContent, Number(text.getAttribute("x"))])
            .filter(([text, at]) => text && at);
        const back = svg.xAt(left + x);
        svg.remove();
        return [x, y, ticks, back];""")
    left, right, top, bottom = 62, 486, 35, 256
    for (limits, value, is_log), (x, y, ticks, back) in zip(cases, found, strict=True):
        scale = np.log10 if is_log else float
        fraction = (scale(value) - scale(limits[0])) / (scale(limits[1]) - scale(limits[0]))
        assert x == pytest.approx(left + fraction * (right - left), abs=1e-6)
        assert y == pytest.approx(bottom + fraction * (top - bottom), abs=1e-6)
        assert scale(back) == pytest.approx(scale(value), abs=1e-3)
        assert is_log or 2 <= len(ticks) <= 9
        for text, at in ticks:
            number = plain_number("1·" + text) if is_log else float(text.replace("\u2212", "-"))
            part = (scale(number) - scale(limits[0])) / (scale(limits[1]) - scale(limits[0]))
            assert at == pytest.approx(left + part * (right - left), abs=1)


def test_a_chart_leaves_gaps_and_says_what_it_shows(page):
    (found,) = run_cases(page, [0], """
        const svg = cnn.drawChart({ title: "Loss", xLabel: "epoch", logY: true, series: [
            { label: "a", points: [[1, 4], [2, null], [3, 2], [4, 0], [5, 1], [6, NaN]] },
            { label: "b", points: [[1, 1], [6, 3]], line: false, mark: "cross" },
            { label: "none", points: [] }] });
        const inside = svg.querySelector("svg");
        const path = inside.querySelector("path").getAttribute("d");
        return [path.match(/[ML]/g).join(""), inside.querySelectorAll("circle").length,
            inside.querySelectorAll("path").length, svg.getAttribute("aria-label"),
            svg.getAttribute("role"), svg.querySelectorAll(":scope > text")[0].textContent];""")
    assert found == ["MMM", 3, 4, "Loss. a: from 4 at epoch 1 to 1 at epoch 5, smallest 0 at epoch "
                     "4; b: from 1 at epoch 1 to 3 at epoch 6, smallest 1 at epoch 1; none: "
                     "nothing to show.", "img", "a"]


@pytest.mark.parametrize("name", NAMES)
def test_the_sentences_tell_numeric_error_and_why(page, name):
    w, view = SHOWN[name], View(page, name)
    why = {"default": ["truncation", "truncation"], "kink": ["the kink", "the kink"],
           "shown": ["the kink", "the kink"], "forward": ["truncation", "rounding"]}[name]
    for (precision, dtype), reason in zip(ROUNDED.items(), why):
        numeric, error, said = view.shown[precision]
        assert numeric == pytest.approx(w.numeric(dtype), rel=1e-7)
        assert error == pytest.approx(w.error(dtype), rel=0.06)
        assert said.startswith(f"{reason} dominates: ")
    kink = ", a kink 1.0·10⁻⁵ from x" if w.function == "kink" else ""
    kink += "" if w.show_curve else ", at the steps tried"
    label = view.chart.get_attribute("aria-label")
    assert label.startswith(f"Relative error of a {w.difference} difference{kink}. float64: from ")
    assert label.count("smallest") == 2


def test_the_curve_that_is_drawn_is_numpys(page):
    view = View(page, "shown")
    w = SHOWN["shown"]
    for k, dtype in enumerate((np.float64, np.float32)):
        path = view.chart.locator("svg > path").nth(k).get_attribute("d")
        y = np.array([float(part.split()[1]) for part in path.strip("M").split("L")])
        errors = np.log10(np.maximum(w.errors(dtype), 1e-17))
        slope, start = np.polyfit(errors, y, 1)
        assert slope < 0 and np.abs(slope * errors + start - y).max() < 0.02 and len(y) == 97


def test_every_step_that_is_tried_leaves_its_point_until_the_curve_is_asked_for(page):
    view = View(page)
    points = lambda: (view.marks("circle"), view.marks("rect"))  # noqa: E731
    assert points() == (1, 1) and view.chart.locator("svg > path[stroke-dasharray]").count() == 0
    for _ in range(30):  # more than a curve has marks
        view.slider().press("ArrowLeft")
    assert points() == (31, 31)
    view.slider().press("ArrowRight")
    assert points() == (31, 31), "a step that was tried before"
    view.button("^Show the curve$").click()
    assert view.chart.locator("svg > path").count() == 2
    view.button("^Hide the curve$").click()
    assert points() == (31, 31)
    view.choose("Difference", "forward")
    assert points() == (1, 1), "the points of another curve"
    view.choose("Difference", "central")
    view.slider().press("ArrowLeft")
    view.button("^Show the curve$").click()
    view.button("Reset").click()
    assert points() == (1, 1) and view.button("^Show the curve$").is_visible()


def test_the_points_lie_where_their_errors_are(page):
    view = View(page)
    tried = [1e-2, *[StepSizeCurve(h=10.0 ** -k).h for k in (3, 5, 7)]]
    for h in tried[1:]:
        view.slider().fill(str(round(8 * np.log10(h))))
    heights = view.chart.locator("svg > circle").evaluate_all(
        "dots => dots.map((dot) => [Number(dot.getAttribute('cx')), "
        "Number(dot.getAttribute('cy'))])")
    errors = np.log10([StepSizeCurve(h=h).error() for h in sorted(tried)])
    (xs, ys) = np.array(heights).T
    assert len(xs) == 4
    for found, expected in ((xs, np.log10(sorted(tried))), (ys, errors)):
        slope, start = np.polyfit(expected, found, 1)
        assert np.abs(slope * np.array(expected) + start - found).max() < 0.5


def test_the_keyboard_moves_h_and_the_distance(page):
    view = View(page, "kink")
    h = view.slider()
    h.press("End")
    assert view.shown["float64"][0] == pytest.approx(StepSizeCurve("kink", h=1, distance=1e-5)
                                                     .numeric())
    h.press("Home")
    assert view.shown["float32"][2] == "x + h is rounded to x itself, and nothing is left of h."
    assert h.get_attribute("aria-valuetext") == "1·10⁻¹²".replace("1·", "1.0·")
    for _ in range(8):
        h.press("ArrowRight")
    assert view.shown["float64"][1] == pytest.approx(StepSizeCurve(h=1e-11).error(), rel=0.06)
    assert "rounding dominates" in view.shown["float64"][2]
    distance = view.slider("Distance to the kink")
    h.fill("-40")  # 1e-5
    distance.fill("-48")
    assert "the kink dominates" in view.shown["float64"][2]
    distance.press("End")
    assert view.shown["float64"][1] == pytest.approx(StepSizeCurve(h=1e-5).error(), rel=0.06)
    distance.press("Home")
    assert distance.get_attribute("aria-valuetext") == "1.0·10⁻⁸"


def test_pointing_into_the_chart_moves_h(page):
    view = View(page)
    box = view.chart.bounding_box()
    left, right = box["x"] + 62, box["x"] + box["width"] - 14
    for power in (-9, -3, 0):
        x = left + (power + 12) / 12 * (right - left)
        page.mouse.move(x, box["y"] + 120)
        assert view.cursor == pytest.approx(x, abs=1.5)
        error = StepSizeCurve(h=10.0**power).error()
        assert view.shown["float64"][1] == pytest.approx(error, rel=0.06)
    page.mouse.move(box["x"] + 5, box["y"] + 120)  # left of the axis
    assert view.slider().input_value() == "-96"


def test_function_difference_and_reset(page):
    view = View(page)
    assert not view.slider("Distance to the kink").is_visible()
    view.choose("Function", "kink: x³ + ReLU")
    assert view.slider("Distance to the kink").is_visible()
    assert "kink" in view.chart.get_attribute("aria-label")
    view.choose("Difference", "forward")
    expected = StepSizeCurve("kink", "forward")
    assert view.shown["float64"][0] == pytest.approx(expected.numeric())
    view.slider().press("Home")
    view.button("Reset").click()
    assert view.shown["float64"][0] == pytest.approx(StepSizeCurve().numeric())
    assert not view.slider("Distance to the kink").is_visible()


def test_the_keys_are_told_when_asked(page):
    view = View(page)
    assert not view.root.locator(".cnn-help").is_visible()
    view.button("^Keys$").click()
    assert "every h leaves its point" in view.root.locator(".cnn-help").inner_text()


def test_keys_do_not_leave_the_widget(page):
    listen_outside(page)
    view = View(page)
    view.slider().press("a")
    view.slider().press("ArrowLeft")
    view.button("Reset").press("b")
    assert page.evaluate("window.heard") == []


def test_curves_differ_by_more_than_colour(page):
    view = View(page, "shown")
    lines = view.chart.locator("svg > path")
    dashes = [lines.nth(k).get_attribute("stroke-dasharray") for k in range(3)]
    assert len(set(dashes)) == 3
    assert view.chart.locator("svg > circle").count() > 10 < view.chart.locator("svg > rect").count()


def test_a_telephone_needs_no_sideways_scrolling(chromium, address):
    with open_page(chromium, address, width=360, has_touch=True) as page:
        for name in NAMES:
            view = View(page, name)
            box = view.chart.bounding_box()
            assert 250 < box["width"] < 340 and view.looks(view.chart, "fontSize") == "13px"
            view.chart.tap(position={"x": box["width"] - 16, "y": 100})
            assert view.slider().get_attribute("aria-valuetext") in ("1", "0.75")
        assert no_sideways_scrolling(page)


def test_the_chart_follows_the_width(chromium, address):
    with open_page(chromium, address, width=1000) as page:
        view = View(page)
        before = view.chart.bounding_box()["width"]
        page.set_viewport_size({"width": 500, "height": 900})
        page.wait_for_function(  # drawn anew, not scaled down: its text keeps its size
            "() => document.querySelector('svg[role=img]').getAttribute('width') < 480")
        after = page.evaluate("document.querySelector('svg[role=img]').clientWidth")
        assert 400 < after < before


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_are_both_readable(chromium, address, scheme):
    with open_page(chromium, address, color_scheme=scheme) as page:
        View(page)
        contrasts = page.evaluate(CONTRASTS)
        assert len(contrasts) > 10 and min(contrasts)[0] >= 4.5, min(contrasts)
        inks = page.evaluate("""() => ['text', 'svg > path', 'svg > circle', 'svg > rect'].map(
            (part) => { const node = document.querySelector(`svg[role=img] ${part}`);
                const looks = getComputedStyle(node);
                return part === 'svg > path' ? looks.stroke : looks.fill; })""")
        luminances = [luminance(ink) for ink in inks]
        paper = luminance("rgb(255, 255, 255)" if scheme == "light" else "rgb(28, 33, 40)")
        for ink in luminances:
            high, low = max(ink, paper), min(ink, paper)
            assert (high + 0.05) / (low + 0.05) >= 3


def luminance(colour):
    parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_without_scripts_the_still_is_shown(chromium, address):
    with open_page(chromium, address, java_script_enabled=False) as page:
        stills = page.locator(".course-widget img")
        assert stills.count() == len(SHOWN)
        assert all("h stands at" in still.get_attribute("alt") for still in stills.all())


def test_changes_that_arrive_together_and_taking_the_view_away(page):
    changes = {"h": 1e-4, "function": "kink", "distance": 1e-6}
    fake = WITH_FAKE_MODEL.replace("view.initialize({ model })", "() => {}")
    told, children, listeners = page.evaluate(fake, [StepSizeCurve().state(), changes])
    expected = StepSizeCurve("kink", h=1e-4, distance=1e-6).numeric()
    assert told.startswith(f"float64: numeric {expected:.5g}") and "the kink dominates" in told
    assert (children, listeners) == (0, 0)
