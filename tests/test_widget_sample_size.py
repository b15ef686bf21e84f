"""The sample size: its draws against exact probabilities, and in Chromium against Python's."""

import json
import math
import re

import numpy as np
import pytest
from browser import (
    jupyter_lab, open_chromium, open_notebook, open_page, run_cell, run_cell_until,
)
from conftest import need
from site_notebooks import code, notebook, write
from widget_view import (
    CONTRASTS, WITH_FAKE_MODEL, WidgetView, build_page, listen_outside, no_sideways_scrolling,
    run_cases,
)

from course_lib.stills.sample_size import draw_sample_size
from course_lib.train import wilson_interval
from course_lib.widgets import WIDGET_MIMETYPE, SampleSize, WidgetError
from course_lib.widgets.sample_size import Streams
from course_lib.widgets.training_player import percent

PUBLISHED = {"S4": (195, 200), "S1": (25, 25)}


def binomial(n, p):
    """The probability of 0 … n right, exact but for rounding."""
    return np.array([math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])


def hypergeometric(n, right, size):
    return np.array([math.comb(right, k) * math.comb(size - right, n - k) / math.comb(size, n)
                     for k in range(n + 1)])


# ---- Python


@pytest.mark.parametrize("options, expected", [
    (dict(n=25, accuracy=0.9), binomial(25, 0.9)),
    (dict(n=60, accuracy=0.5), binomial(60, 0.5)),
    (dict(n=25, answers=(45, 50)), hypergeometric(25, 45, 50)),
    (dict(n=40, answers=(80, 100)), hypergeometric(40, 80, 100)),
])
def test_draws_have_the_exact_distribution(options, expected):
    """Pearson's chi-square over 6,000 draws, cells with fewer than 20 expected put together."""
    counts = np.concatenate([SampleSize(**options, draws=300, seed=seed).counts()
                             for seed in range(20)])
    seen = np.bincount(counts, minlength=len(expected))
    usual = 6000 * expected >= 20
    cells = [(seen[k], 6000 * expected[k]) for k in np.flatnonzero(usual)]
    cells.append((seen[~usual].sum(), max(6000 * expected[~usual].sum(), 1e-9)))
    chi = sum((got - mean) ** 2 / mean for got, mean in cells)
    freedom = len(cells) - 1
    assert abs(chi - freedom) < 3.5 * math.sqrt(2 * freedom)


def test_a_test_set_of_all_images_has_no_luck():
    w = SampleSize(1000, answers=np.arange(1000) % 8 > 0, draws=30)
    assert w.answers == (875, 1000) and set(w.counts()) == {875}


def test_streams_differ_and_a_larger_test_set_is_the_same_and_more():
    w = SampleSize(100, 0.8, draws=50)
    few = w.counts()
    w.n = 101
    assert set(w.counts() - few) == {0, 1} and len(set(few)) > 5
    w.seed = 1
    assert (w.counts() != few).mean() > 0.7
    numbers = np.array([Streams(7, 300).next() for _ in range(1)])[0]
    assert len(np.unique(numbers)) == 300 and abs(numbers.mean() - 0.5) < 0.06


def test_the_interval_holds_the_truth_in_about_95_of_100_draws():
    held = [SampleSize(200, 0.92, draws=300, seed=seed).holding() for seed in range(10)]
    assert 0.93 < sum(held) / 3000 < 0.97


def test_what_is_told_is_counted():
    w = SampleSize(200, 0.96, draws=40, published=PUBLISHED)
    counts = w.counts()
    assert w.reaching() == {"S4": (counts >= 195).sum(), "S1": (counts == 200).sum()}
    ends = [wilson_interval(int(k), 200) for k in counts]
    assert np.array_equal(w.intervals(), ends)
    assert w.holding() == sum(low <= 0.96 <= high for low, high in ends)
    assert repr(w).endswith(f"in {w.holding()} of 40; 97.5 % (S4) or more in {w.reaching()['S4']}; "
                            f"100.0 % (S1) or more in {w.reaching()['S1']}")


WRONG = [
    (dict(n=24), "n must be a whole number from 25 to 10,000, got 24"),
    (dict(n=200.0), "n must be a whole number .*got 200.0"),
    (dict(n=True), "n must be a whole number .*got True"),
    (dict(n=10_001), "n must be a whole number .*got 10001"),
    (dict(draws=0), "draws must be a whole number from 1 to 300, got 0"),
    (dict(draws=301), "draws must be a whole number .*got 301"),
    (dict(seed=-1), "seed must be a whole number from 0 to 1,000,000, got -1"),
    (dict(accuracy=1.0), "accuracy must be a number from 0.5 to 0.999, got 1.0"),
    (dict(accuracy="90"), "accuracy must be a number .*got '90'"),
    (dict(accuracy=float("nan")), "accuracy must be a number .*got nan"),
    (dict(answers=(9, 8)), r"answers must be True or False for each of 25 to 10,000 images, .*"
                           r"or \(right, N\), got \(9, 8\)"),
    (dict(answers=np.ones(30)), "answers must be True or False .*got array"),
    (dict(answers=np.ones(20, bool)), "answers must be True or False"),
    (dict(answers=np.ones(50, bool)), "n = 200 cannot be drawn from 50 answers; set n first"),
    (dict(published={"S4": 0.975}), r"published must be \{name: \(right, n\)\} .*got 'S4': 0.975"),
    (dict(published={"S4": (201, 200)}), r"published must be .*got 'S4': \(201, 200\)"),
    (dict(published={"S" * 25: (1, 2)}), "a name of at most 24 letters"),
    (dict(published={str(k): (1, 2) for k in range(5)}), "at most 4 published results, got 5"),
]


@pytest.mark.parametrize("change, message", WRONG)
def test_wrong_values_are_refused_and_the_old_ones_stay(change, message):
    w = SampleSize()
    before = w.state()
    with pytest.raises(ValueError, match=f"SampleSize: .*{message}"):
        setattr(w, *next(iter(change.items())))
    assert w.state() == before
    with pytest.raises(WidgetError, match="SampleSize: "):
        SampleSize(**change)


def test_accuracy_and_answers_exclude_each_other():
    with pytest.raises(WidgetError, match="expected accuracy or answers, got both"):
        SampleSize(accuracy=0.9, answers=(900, 1000))
    w = SampleSize(answers=(900, 1000))
    with pytest.raises(WidgetError, match="accuracy is the mean of answers here; set answers ="):
        w.accuracy = 0.8
    with pytest.raises(WidgetError, match="n must be a whole number from 25 to 1,000, got 1001"):
        w.n = 1001
    w.answers = None
    w.accuracy = 0.8
    assert w.truth() == 0.8


def test_bundle_holds_view_still_text_and_state_and_is_the_same_twice():
    def kept():
        w = SampleSize(np.int64(400), answers=(9000, 10000), published=PUBLISHED, draws=3)
        data, metadata = w._repr_mimebundle_()
        assert data.pop("application/vnd.jupyter.widget-view+json")
        assert data["text/plain"] == repr(w)
        page = json.loads(json.dumps(data[WIDGET_MIMETYPE]))
        assert page == {"module": "sample_size", "state": {
            "n": 400, "accuracy": 0.95, "answers": [9000, 10000], "draws": 3, "seed": 0,
            "published": [["S4", 195, 200], ["S1", 25, 25]]}}
        assert metadata["image/png"]["alt"].startswith("3 test sets of 400 images, true accuracy "
                                                       "90.0 %: accuracy from ")
        return json.dumps([data, metadata])

    assert kept() == kept()


def test_the_still_shows_every_draw_the_truth_and_the_intervals():
    w = SampleSize(100, 0.9, draws=60, published=PUBLISHED)
    dots, bars = w.still().figure.axes
    stacked = dots.lines[0].get_xdata()
    assert np.allclose(sorted(stacked), sorted(w.counts())) and len(stacked) == 60
    heights = np.asarray(dots.lines[0].get_ydata())
    for place in np.unique(stacked):
        at_place = heights[np.isclose(stacked, place)].tolist()
        assert at_place == list(range(1, len(at_place) + 1)), "stacked one on the other"
    ring = [dots.lines[1].get_xdata()[0], dots.lines[1].get_ydata()[0]]
    assert np.allclose(ring, [w.counts()[-1], heights[-1]]), "the ring is on the last draw"
    assert all(np.allclose(line.get_xdata(), 90) for line in (dots.lines[-1], bars.lines[-1]))
    segments = [bar[2][0].get_segments()[0][:, 0] for bar in bars.containers]
    expected = [w.intervals()[-1], wilson_interval(195, 200), wilson_interval(25, 25)]
    assert np.allclose(segments, 100 * np.array(expected))
    assert len({bar[0].get_marker() for bar in bars.containers}) == 3


def test_the_still_refuses_more_right_than_images():
    with pytest.raises(ValueError, match="draw_sample_size: expected counts from 0 to n = 25"):
        draw_sample_size([26], 25, 0.9, [])


# ---- the browser

SHOWN = {
    "default": SampleSize(200, 0.92, draws=20, published=PUBLISHED),
    "real": SampleSize(500, answers=(9164, 10000), draws=100, published={"S4": (195, 200)}),
    "alone": SampleSize(25, 0.8, draws=300),
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

    def slider(self, name="Images n"):
        return self.root.get_by_label(name, exact=True)

    @property
    def told(self):
        return [text.replace("\u00a0", " ")
                for text in self.root.locator(".cnn-sentence p").all_inner_texts()]

    def numbers(self, selector, *names):
        """Attributes of the parts of the picture, as numbers: (parts, names)."""
        return np.array(self.chart.locator(selector).evaluate_all(
            "(nodes, names) => nodes.map((node) => names.map((n) => Number(node.getAttribute(n))))",
            list(names)))

    @property
    def truth(self):
        """Where the dashed line stands, in the picture's pixels."""
        d = self.chart.locator(".cnn-chance-truth").get_attribute("d")
        return float(re.match(r"M([\d.]+) ", d)[1])


def sentences(w):
    """What the widget says of these draws, from Python's numbers alone."""
    counts, n = w.counts(), w.n
    low, high = wilson_interval(int(counts[-1]), n)
    held = "holds" if low <= w.truth() <= high else "misses"
    many = f"{w.draws} draws" if w.draws > 1 else "1 draw"
    told = [f"Draw {w.draws}: {counts[-1]:,} of {n:,} right, {percent(counts[-1] / n)}; interval "
            f"{percent(low)} to {percent(high)}, which {held} the true {percent(w.truth())}.",
            f"{many}: from {percent(counts.min() / n)} to {percent(counts.max() / n)}; the "
            f"interval holds the truth in {w.holding()} of {w.draws}."]
    reached = [f"{percent(right / of)} ({name}, {right:,} of {of:,}) or more in "
               f"{w.reaching()[name]}" for name, right, of in w.published]
    return told + ([f"Of {many}: {'; '.join(reached)}."] if reached else [])


def test_the_browsers_draws_equal_pythons(page, rng):
    cases = []
    for k in range(400):
        size = int(rng.integers(25, 3000))
        answers = [int(rng.integers(0, size + 1)), size] if k % 2 else None
        n = int(rng.integers(25, size + 1))
        cases.append([n, float(rng.uniform(0.5, 0.999)), answers, int(rng.integers(0, 10**6)),
                      int(rng.integers(0, 300))])
    found = run_cases(page, cases, """
        const [n, accuracy, answers, seed, stream] = given;
        return cnn.drawTestSet({ n, accuracy, answers, seed }, stream);""")
    for (n, accuracy, answers, seed, stream), right in zip(cases, found, strict=True):
        chosen = dict(answers=answers) if answers else dict(accuracy=accuracy)
        w = SampleSize(n, **chosen, seed=seed, draws=stream + 1)
        assert w.counts()[-1] == right, (n, accuracy, answers, seed, stream)


def test_the_browsers_generator_is_pythons_bit_for_bit(page):
    cases = [[seed, stream] for seed in (0, 1, 12345, 10**6) for stream in (0, 1, 77, 299)]
    found = run_cases(page, cases, """
        const random = cnn.makeRandom(...given);
        return Array.from({ length: 200 }, random);""")
    for (seed, stream), numbers in zip(cases, found, strict=True):
        streams = Streams(seed, stream + 1)
        assert [streams.next()[stream] for _ in range(200)] == numbers


@pytest.mark.parametrize("n, pixels", [(200, 885), (200, 500), (1000, 900), (37, 500), (25, 200)])
def test_every_stack_holds_as_many_scores(page, n, pixels):
    """Else the heap becomes a comb: of one score, of two scores, of one score."""
    counts = list(range(n, n // 2, -1))
    (found,) = run_cases(page, [[counts, n, pixels]], """
        const [counts, n, pixels] = given;
        return cnn.stackDots(counts, n, { at: (share) => share * pixels });""")
    places, heights = np.unique(np.round([x for x, _, _ in found], 6), return_counts=True)
    assert len(set(heights[1:])) == 1, "the lowest stack may be cut off"
    assert np.allclose(np.diff(places), heights[-1] * pixels / n) and np.diff(places).min() > 5.99
    assert np.abs(np.array(counts) / n * pixels - [x for x, _, _ in found]).max() <= 3
    assert places.max() <= pixels, "nothing lies beyond 100 %"


def test_the_still_stacks_as_many_scores_together():
    w = SampleSize(2000, 0.93, draws=300)
    (stacked, *_), _ = w.still().figure.axes[0].lines, None
    steps = np.diff(np.unique(np.round(stacked.get_xdata(), 6))) * 20
    assert steps.min() > 1 and np.allclose(steps / steps.min(), np.round(steps / steps.min()))
    assert np.abs(np.array(stacked.get_xdata()) * 20 - w.counts()).max() <= steps.min() / 2


def test_the_browsers_intervals_equal_the_librarys(page, rng):
    sizes = [int(10 ** rng.uniform(0, 4.5)) for _ in range(600)]
    cases = [[int(rng.integers(0, n + 1)), n] for n in sizes] + [[0, 1], [1, 1], [25, 25]]
    found = run_cases(page, cases, "return cnn.wilsonInterval(...given);")
    expected = [wilson_interval(*case) for case in cases]
    assert np.abs(np.array(found) - expected).max() < 1e-15
    shares = [right / n for right, n in cases]
    texts = run_cases(page, shares, "return cnn.percentText(given);")
    assert [text.replace("\u00a0", " ") for text in texts] == [percent(one) for one in shares]


def test_the_browsers_summary_equals_pythons(page, rng):
    widgets = [SampleSize(int(rng.choice([25, 100, 200, 1000])), float(rng.uniform(0.6, 0.99)),
                          draws=int(rng.integers(1, 60)), seed=k,
                          published={"a": (int(rng.integers(20, 26)), 25), "b": (190, 200)})
               for k in range(200)]
    cases = [[w.counts().tolist(), w.n, w.truth(), w.state()["published"]] for w in widgets]
    found = run_cases(page, cases, "return cnn.summariseDraws(...given);")
    for w, told in zip(widgets, found, strict=True):
        assert told == {"least": w.counts().min(), "most": w.counts().max(),
                        "holding": w.holding(), "reaching": list(w.reaching().values())}


@pytest.mark.parametrize("name", NAMES)
def test_the_sentences_are_those_of_pythons_numbers(page, name):
    assert View(page, name).told == sentences(SHOWN[name])


@pytest.mark.parametrize("name", NAMES)
def test_dots_and_bars_lie_where_their_numbers_are(page, name):
    w, view = SHOWN[name], View(page, name)
    dots = view.numbers("circle[data-draw]", "data-draw", "cx", "cy")
    assert dots[:, 0].tolist() == list(range(w.draws))
    texts = view.chart.locator("text[text-anchor=middle]").evaluate_all(
        "all => all.map((one) => [one.textContent, Number(one.getAttribute('x'))])")
    ticks = [(float(text), x) for text, x in texts if re.fullmatch(r"[\d.]+", text)]
    values, xs = np.array(ticks).T
    slope, start = np.polyfit(values, xs, 1)
    assert len(ticks) >= 3 and slope > 0
    at = lambda share: slope * 100 * np.asarray(share) + start  # noqa: E731
    assert np.abs(dots[:, 1] - at(w.counts() / w.n)).max() <= 3.1
    assert view.truth == pytest.approx(at(w.truth()), abs=0.5)
    for x in np.unique(dots[:, 1]):
        heights = sorted(dots[dots[:, 1] == x, 2], reverse=True)
        steps = np.diff(heights)
        assert (steps < 0).all() and np.allclose(steps, steps[:1]), "stacked one on the other"
    ring = view.numbers(".cnn-chance-last", "cx", "cy")[0]
    assert np.allclose(ring, dots[-1, 1:])
    bars = view.numbers("[data-low]", "data-low", "data-high")
    expected = [w.intervals()[-1], *(wilson_interval(k, n) for _, k, n in w.published)]
    assert np.allclose(bars, expected, atol=1e-12)
    ends = view.chart.locator("[data-low]").evaluate_all(
        "bars => bars.map((b) => [b.getBBox().x, b.getBBox().x + b.getBBox().width])")
    assert np.allclose(ends, at(expected), atol=0.5)


def test_buttons_and_keys_draw_again(page):
    view, w = View(page), SampleSize(200, 0.92, draws=20, published=PUBLISHED)
    view.slider().press("Control+d")
    assert view.told == sentences(w), "Ctrl+D is the browser's"
    view.button("^Draw again$").click()
    w.draws = 21
    assert view.told == sentences(w)
    view.slider().press("d")
    view.slider().press("D")
    w.draws = 23
    assert view.told == sentences(w) and len(view.numbers("circle[data-draw]", "cx")) == 23
    view.button("^Draw 100 more$").click()
    w.draws = 123
    assert view.told == sentences(w)
    view.slider().press("f")
    view.slider().press("f")
    w.draws = 300
    assert view.told == sentences(w)
    assert view.button("^Draw again$").get_attribute("aria-disabled") == "true"
    view.button("^Draw again$").click(force=True)
    assert view.told == sentences(w)
    view.button("Reset").click()
    assert view.told == sentences(SHOWN["default"])
    assert view.button("^Draw again$").get_attribute("aria-disabled") == "false"


def test_new_luck_is_another_seed(page):
    view, w = View(page), SampleSize(200, 0.92, draws=20, published=PUBLISHED, seed=1)
    view.button("^New luck").click()
    assert view.told == sentences(w)
    w.seed = 2
    view.button("^New luck").click()
    assert view.told == sentences(w)


def test_the_sliders_change_size_and_truth(page):
    view, w = View(page), SampleSize(200, 0.92, draws=20, published=PUBLISHED)
    view.slider().press("ArrowRight")
    w.n = 300
    assert view.told == sentences(w) and view.slider().get_attribute("aria-valuetext") == "300"
    view.slider().press("End")
    w.n = 10_000
    assert view.told == sentences(w)
    view.slider().press("Home")
    w.n = 25
    assert view.told == sentences(w)
    truth = view.slider("True accuracy")
    truth.press("ArrowLeft")
    w.accuracy = 0.919
    assert view.told == sentences(w)
    truth.press("End")
    w.accuracy = 0.999
    assert view.told == sentences(w) and truth.get_attribute("aria-valuetext") == "99.9\u00a0%"


def test_the_spread_shrinks_with_the_test_set(page):
    view = View(page)
    widths = []
    for key in ("Home", "End"):
        view.slider().press(key)
        xs = view.numbers("circle[data-draw]", "cx")
        widths.append(xs.max() - xs.min())
    assert widths[1] < widths[0] / 5


def test_a_real_model_has_no_slider_for_the_truth_and_no_more_images_than_it_has(page):
    view = View(page, "real")
    assert not view.slider("True accuracy").is_visible()
    view.slider().press("End")
    assert view.told[0].startswith("Draw 100: 9,164 of 10,000 right, 91.6 %")
    assert view.told[1].startswith("100 draws: from 91.6 % to 91.6 %; the interval holds the truth "
                                   "in 100 of 100")


def test_the_sizes_end_with_the_images_there_are(page):
    found = run_cases(page, [None, [900, 1000], [40, 60], [25, 25]],
                      "return cnn.sizesFor(given);")
    assert [sizes[0] for sizes in found] == [25] * 4
    assert [sizes[-1] for sizes in found] == [10_000, 1000, 60, 25]
    assert all(sizes == sorted(set(sizes)) for sizes in found) and len(found[0]) >= 20


def test_what_it_shows_is_told_and_the_change_is_announced(page):
    view = View(page)
    label = view.chart.get_attribute("aria-label").replace("\u00a0", " ")
    assert label.startswith("20 test sets of 200 images, accuracy from ")
    assert "S4: 195 of 200, 97.5 %, interval 94.3 % to 98.9 %; S1: 25 of 25, 100.0 %, interval " \
        "86.7 % to 100.0 %." in label
    assert view.root.locator(".cnn-sentence").get_attribute("aria-live") == "polite"
    assert not view.root.locator(".cnn-help").is_visible()
    view.button("^Keys$").click()
    assert "D draws again" in view.root.locator(".cnn-help").inner_text()


def test_keys_do_not_leave_the_widget(page):
    listen_outside(page)
    view = View(page)
    view.slider().press("d")
    view.button("Reset").press("b")
    assert page.evaluate("window.heard") == []


def test_results_differ_by_more_than_colour(page):
    view = View(page)
    marks = view.chart.locator(":is([data-low]) + *").evaluate_all(
        "nodes => nodes.map((node) => node.tagName)")
    assert marks == ["circle", "rect", "path"]
    words = view.chart.locator("text[text-anchor=start]").all_text_contents()
    assert [word.split(":")[0] for word in words] == ["draw 20", "S4", "S1"]


def test_a_telephone_needs_no_sideways_scrolling(chromium, address):
    with open_page(chromium, address, width=360, has_touch=True) as page:
        for name in NAMES:
            view = View(page, name)
            assert 250 < view.chart.bounding_box()["width"] < 340
            assert view.looks(view.chart, "fontSize") == "13px"
            view.button("^New luck").tap()
        boxes = page.locator(".cnn-chart text").evaluate_all(
            "nodes => nodes.map((n) => [n.getBoundingClientRect().left, "
            "n.getBoundingClientRect().right])")
        assert np.min(boxes) >= 0 and np.max(boxes) <= 360
        assert no_sideways_scrolling(page)


def test_the_picture_follows_the_width(chromium, address):
    with open_page(chromium, address, width=1000) as page:
        before = View(page).chart.bounding_box()["width"]
        page.set_viewport_size({"width": 500, "height": 900})
        page.wait_for_function(
            "() => document.querySelector('svg[role=img]').getAttribute('width') < 480")
        assert View(page).chart.bounding_box()["width"] < before


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_are_both_readable(chromium, address, scheme):
    with open_page(chromium, address, color_scheme=scheme) as page:
        View(page)
        contrasts = page.evaluate(CONTRASTS)
        assert len(contrasts) > 10 and min(contrasts)[0] >= 4.5, min(contrasts)


def test_without_scripts_the_still_is_shown(chromium, address):
    with open_page(chromium, address, java_script_enabled=False) as page:
        stills = page.locator(".course-widget img")
        assert stills.count() == len(SHOWN)
        assert all("true accuracy" in still.get_attribute("alt") for still in stills.all())


def test_changes_that_arrive_together_and_taking_the_view_away(page):
    source = WITH_FAKE_MODEL.replace("view.initialize({ model })", "() => {}")
    w = SampleSize(300, 0.9, draws=30)
    changed = {**w.state(), "published": []}
    told, children, listeners = page.evaluate(source, [SampleSize().state(), changed])
    assert told.replace("\u00a0", " ") == "".join(sentences(w)) and children == listeners == 0


def test_no_request_leaves_the_page_and_nothing_fails(page):
    View(page).button("^Draw 100 more$").click()
    assert page.outside == [] and page.errors == []


# ---- JupyterLab

LAB_CELLS = ["from course_lib.widgets import SampleSize\nw = SampleSize()\nw",
             "print(w.n, w.accuracy, w.draws, w.seed)", "w.n = 400\nw.answers = (900, 1000)"]


def test_in_jupyterlab_the_widget_and_python_agree(chromium, tmp_path):
    folder = tmp_path / "lab"
    write(folder, "try", notebook(*[code(source) for source in LAB_CELLS]))
    with (jupyter_lab(folder, tmp_path / "settings") as address,
          open_page(chromium, f"{address}/lab/tree/try.ipynb?reset", width=1300) as page):
        open_notebook(page)
        run_cell(page, 0)
        root = page.locator(".cnn-widget")
        root.wait_for()
        root.get_by_label("Images n", exact=True).press("ArrowRight")
        root.get_by_label("True accuracy", exact=True).press("ArrowLeft")
        root.get_by_label("Images n", exact=True).press("d")
        root.get_by_role("button", name=re.compile("^New luck")).click()
        run_cell_until(page, 1, "300 0.949 2 1")
        run_cell(page, 2)
        root.get_by_text("which holds the true 90.0").or_(
            root.get_by_text("which misses the true 90.0")).wait_for()
