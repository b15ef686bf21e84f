"""The training player: in Python, and in Chromium on a page."""

import json
import re

import numpy as np
import pytest
from browser import open_chromium, open_page
from conftest import need
from widget_view import (
    CONTRASTS, WITH_FAKE_MODEL, build_page, listen_outside, no_sideways_scrolling, page_with_clock,
    run_cases,
)

from course_lib.data import load_small_digits
from course_lib.layers import Conv2D, Dense, Flatten, MaxPool2D, ReLU, Softmax
from course_lib.model import Sequential
from course_lib.snapshots import Snapshots
from course_lib.stills.training_player import draw_training_player
from course_lib.train import History, fit
from course_lib.widgets import WIDGET_MIMETYPE, TrainingPlayer, WidgetError


def network(seed=0, filters=4, side=8):
    rng = np.random.default_rng(seed)
    return Sequential([
        Conv2D(1, filters, 3, padding=1, rng=rng), ReLU(), MaxPool2D(2), Flatten(),
        Dense(filters * (side // 2) ** 2, 10, rng=rng), Softmax()])


def watched(lr, epochs, before=True):
    """A short run on small digits, with everything that a player shows."""
    digits = load_small_digits(size=8)
    held_out = digits.test_images[:120], digits.test_labels[:120]
    seen, model = Snapshots(*held_out), network()
    if before:
        seen(model)
    fit(model, digits.train_images[:300], digits.train_labels[:300], epochs=epochs, lr=lr,
        validation=held_out, watch=seen, progress=False)
    return seen


RUNS = {"lr 0.1": watched(0.1, 5), "lr 0.02": watched(0.02, 3, before=False)}
DIVERGED = History(epoch=[1, 2, 3], loss=[2.5, float("inf"), float("nan")],
                   accuracy=[0.25, 0.125, 0.1])


def capital(text):
    return f"{text[0].upper()}{text[1:]}."


# ---- Python


def test_the_state_is_plain_and_holds_runs_and_moments():
    w = TrainingPlayer(RUNS)
    state = json.loads(json.dumps(w.state(), allow_nan=False))
    assert sorted(state) == ["epoch", "playing", "runs"] and state["epoch"] == 5
    for run, (name, seen) in zip(state["runs"], RUNS.items(), strict=True):
        assert run["name"] == name and run["epochs"] == seen.history.epoch
        for key in ("loss", "accuracy", "validation_loss", "validation_accuracy"):
            assert np.allclose(run[key], getattr(seen.history, key), rtol=1e-4)
        for frame, kept in zip(run["frames"], seen.frames, strict=True):
            assert np.allclose(frame["kernels"], kept.kernels[:, 0], rtol=1e-4)
            assert np.array_equal(frame["confusion"], kept.confusion)
            assert [k for k, *_ in frame["mistakes"]] == [m.index for m in kept.mistakes]
    assert TrainingPlayer(DIVERGED).state()["runs"][0]["loss"] == [2.5, None, None]


def test_ten_snapshots_of_two_runs_are_small():
    digits = load_small_digits(size=28)
    runs = {}
    for name in "ab":
        seen = Snapshots(digits.test_images[:300], digits.test_labels[:300])
        seen.history = History(*[[0.123456] * 10 for _ in range(7)])
        for epoch in range(1, 11):  # untrained networks: each makes other mistakes
            seen.frames.append(seen.look(network(ord(name) + epoch, 16, 28), epoch))
        runs[name] = seen
    w = TrainingPlayer(runs)
    assert sum(len(run["frames"]) for run in w.state()["runs"]) == 20
    assert min(len(run["thumbnails"]) for run in w.state()["runs"]) > 20
    assert len(json.dumps(w.state())) <= 300_000


def test_epochs_and_the_sentence():
    w = TrainingPlayer(RUNS)
    assert w.epochs() == [0, 1, 2, 3, 4, 5]
    one, two = (RUNS[name].history for name in RUNS)
    w.epoch = 2
    told = [f"loss {h.loss[1]:.3f}, accuracy {100 * h.accuracy[1]:.1f} %, on held-out images "
            f"{100 * h.validation_accuracy[1]:.1f} %" for h in (one, two)]
    said = f"after epoch 2: lr 0.1: {told[0]}; lr 0.02: {told[1]}"
    assert repr(w) == f"TrainingPlayer: epochs 0 to 5; {said}"
    w.epoch = 5
    assert "; lr 0.02: ended after epoch 3, loss " in repr(w)
    w.epoch = 0
    right = np.trace(RUNS["lr 0.1"].frames[0].confusion) / 1.2
    assert repr(w).endswith(f"before the training: lr 0.1: {right:.1f} % of the images shown are "
                            "right; lr 0.02: no numbers")
    assert "after epoch 3: training: loss not finite, accuracy 10.0 %" in repr(
        TrainingPlayer(DIVERGED))


def test_play_and_pause():
    w = TrainingPlayer(DIVERGED)
    w.play()
    assert w.state()["playing"]
    w.pause()
    assert not w.playing


@pytest.mark.parametrize("epoch", [6, -1, 2.0, "3", True, None])
def test_an_epoch_that_is_not_there_is_refused_and_the_old_one_stays(epoch):
    if epoch is not None:  # None asks for the last one
        with pytest.raises(WidgetError, match="epoch must be one of 0 to 5"):
            TrainingPlayer(RUNS, epoch=epoch)
    w = TrainingPlayer(RUNS, epoch=3)
    with pytest.raises(WidgetError, match=f"TrainingPlayer: epoch must be one of 0 to 5, got "
                                          f"{re.escape(repr(epoch))}"):
        w.epoch = epoch
    assert w.epoch == 3


@pytest.mark.parametrize("runs, message", [
    ([1, 2], r"expected a Snapshots, a History, or {name: either} .*got \[1, 2\]"),
    ({"a": DIVERGED, "b": {"loss": [1]}}, "expected a Snapshots, .*got {'loss'"),
    ({}, "for one run or two, got 0 runs"),
    ({name: DIVERGED for name in "abc"}, "for one run or two, got 3 runs"),
    (History(), "expected a run of at least one epoch, got none in 'training'; pass the Snap"),
    ({"a": DIVERGED, "b": Snapshots(np.zeros((1, 1, 4, 4)), [0])}, "got none in 'b'"),
])
def test_wrong_runs_are_refused(runs, message):
    with pytest.raises(WidgetError, match=f"TrainingPlayer: .*{message}"):
        TrainingPlayer(runs)


def test_bundle_holds_view_still_text_and_state_and_is_the_same_twice():
    def kept():
        w = TrainingPlayer(RUNS, epoch=2)
        data, metadata = w._repr_mimebundle_()
        assert data.pop("application/vnd.jupyter.widget-view+json")
        assert data["text/plain"] == repr(w)
        assert data[WIDGET_MIMETYPE] == {"module": "training_player", "state": w.state()}
        alt = metadata["image/png"]["alt"]
        assert alt == f"Loss and accuracy by epoch, {w._sentence()}. Below, the first kernels " \
                      "and the surest mistakes."
        return json.dumps([data, metadata])

    assert kept() == kept()


def test_the_still_draws_curves_the_epoch_kernels_and_mistakes():
    loss, right, *pictures = TrainingPlayer(RUNS, epoch=2).still().figure.axes
    for ax, key, scale in ((loss, "loss", 1), (right, "accuracy", 100)):
        drawn = [line.get_ydata() for line in ax.lines[:-1]]
        expected = [getattr(seen.history, name) for seen in RUNS.values()
                    for name in (key, f"validation_{key}")]
        for one, other in zip(drawn, expected, strict=True):
            assert np.allclose(one, scale * np.array(other), rtol=1e-4)
        assert set(ax.lines[-1].get_xdata()) == {2}
    per_run = 4 + 3
    assert len(pictures) == 2 * per_run
    for k, seen in enumerate(RUNS.values()):
        frame = next(frame for frame in seen.frames if frame.epoch == 2)
        images = [ax.images[0].get_array() for ax in pictures[k * per_run : (k + 1) * per_run]]
        assert np.allclose(images[:4], frame.kernels[:, 0], rtol=1e-4)
        assert np.allclose(images[4], seen.thumbnails[frame.mistakes[0].index] / 255)
        caption = pictures[k * per_run + 4].get_title()
        assert caption == f"{frame.mistakes[0].label} as {frame.mistakes[0].answer}"
    with pytest.raises(ValueError, match="draw_training_player: expected kernels and mistakes"):
        draw_training_player([], 1, [], [], "said")


# ---- the browser

SHOWN = {"two": TrainingPlayer(RUNS), "one": TrainingPlayer(RUNS["lr 0.1"], epoch=2),
         "history": TrainingPlayer(DIVERGED, epoch=1)}
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
    """One player of a page."""

    def __init__(self, page, name="two"):
        self.page, self.name = page, name
        self.root = page.locator(".cnn-widget").nth(NAMES.index(name))
        self.root.wait_for()
        self.slider = self.root.get_by_role("slider")
        self.charts = self.root.locator("svg.cnn-chart")

    @property
    def sentence(self):
        return self.root.locator(".cnn-sentence").inner_text()

    @property
    def epoch(self):
        """The epoch that slider, label, and the cursors of both charts agree on."""
        text = self.root.locator(".cnn-player-count").inner_text()
        epoch = int(re.fullmatch(r"Epoch (\d+) of \d+", text)[1])
        epochs = SHOWN[self.name].epochs()
        assert epochs[int(self.slider.input_value())] == epoch
        assert self.slider.get_attribute("aria-valuetext") == f"epoch {epoch}"
        for chart in self.charts.all():
            at = chart.evaluate("""svg => {
                const box = svg.querySelector('.cnn-chart-cursor').getBoundingClientRect();
                return svg.xAt(box.left + box.width / 2); }""")
            assert at == pytest.approx(epoch, abs=0.02)
        return epoch

    def button(self, name):
        return self.root.get_by_role("button", name=re.compile(name))

    def slide(self, epoch):
        self.slider.fill(str(SHOWN[self.name].epochs().index(epoch)))

    def table(self, k):
        rows = self.root.locator(".cnn-player-confusion").nth(k).locator("tr")
        texts = [row.locator("td").all_inner_texts() for row in rows.all()]
        return np.array([[int(text) for text in row] for row in texts[1:]])


PIXELS = """canvases => canvases.map((canvas) => [canvas.height, canvas.width, Array.from(
    canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data)])"""


def pixels(canvases):
    return [np.array(values).reshape(rows, columns, 4)
            for rows, columns, values in canvases.evaluate_all(PIXELS)]


def random_history(rng):
    """Gaps in nothing; ties of rounding, values that are not finite, with or without held-out."""
    count = int(rng.integers(1, 7))

    def values(top):
        return (rng.integers(0, 16 * top, size=count) / 16 + rng.choice([0, 1e-4], count)).tolist()

    loss, right = values(4), values(1)
    loss[int(rng.integers(count))] *= float(rng.choice([1, np.nan, np.inf]))
    held_out = bool(rng.integers(2))
    return History(list(range(1, count + 1)), loss, right, values(2) if held_out else [],
                   values(1) if held_out else [])


def random_player(rng):
    runs = {}
    for name in ("a", "lr 0.5")[: rng.integers(1, 3)]:
        run = random_history(rng)
        if rng.integers(2):
            run, history = Snapshots(np.zeros((4, 1, 2, 2)), [0, 1, 1, 0]), run
            run.history = history
            model = Sequential([Flatten(), Dense(4, 2, rng=rng), Softmax()])
            for epoch in sorted(set(rng.integers(0, len(history.epoch) + 1, size=2).tolist())):
                run.frames.append(run.look(model, epoch))
        runs[name] = run
    w = TrainingPlayer(runs)
    w.epoch = int(rng.choice(w.epochs()))
    return w


def test_the_browsers_sentences_equal_pythons(page, rng):
    players = [random_player(rng) for _ in range(500)]
    found = run_cases(page, [player.state() for player in players],
                      "return cnn.sentence(given.runs, given.epoch);")
    assert found == [capital(player._sentence()) for player in players]
    assert any("ended after" in text for text in found)
    assert any("of the images shown" in text for text in found)
    assert any("not finite" in text for text in found)


@pytest.mark.parametrize("name", NAMES)
def test_every_epoch_is_shown(page, name):
    view, w = View(page, name), SHOWN[name]
    assert view.epoch == w.epoch
    for epoch in w.epochs():
        view.slide(epoch)
        assert view.epoch == epoch
        w = TrainingPlayer({"two": RUNS, "one": RUNS["lr 0.1"], "history": DIVERGED}[name],
                           epoch=epoch)
        assert view.sentence == capital(w._sentence())


@pytest.mark.parametrize("epoch", [0, 2, 5])
def test_confusion_kernels_and_mistakes_are_those_of_the_epoch(page, epoch):
    view = View(page)
    view.slide(epoch)
    for k, (name, seen) in enumerate(RUNS.items()):
        epochs = [frame.epoch for frame in seen.frames]
        frame = seen.frames[max(i for i, e in enumerate(epochs) if e <= max(epoch, epochs[0]))]
        panel = view.root.locator(".cnn-player-run").nth(k)
        right = np.trace(frame.confusion)
        assert panel.locator(".cnn-player-name").inner_text() == f"{name}: {right} of 120 right"
        assert np.array_equal(view.table(k), frame.confusion)
        top = max(np.abs(one.kernels).max() for one in seen.frames)
        drawn = pixels(panel.locator(".cnn-player-kernels canvas"))
        for canvas, kernel in zip(drawn, frame.kernels[:, 0], strict=True):
            signed = canvas[:, :, 0].astype(int) - canvas[:, :, 2]
            strong = np.abs(kernel) > 0.1 * top
            assert np.array_equal(np.sign(signed[strong]), np.sign(kernel[strong]))
            assert (np.abs(signed)[np.abs(kernel) < 0.02 * top] < 12).all()
        ends = panel.locator(".cnn-title").first.inner_text().replace("−", "-")
        low, high = re.fullmatch(r"First kernels, (\S+) to (\S+)", ends).groups()
        assert [float(low), float(high)] == pytest.approx(
            [frame.kernels.min(), frame.kernels.max()], abs=0.0051)
        images = pixels(panel.locator(".cnn-player-mistake canvas"))
        texts = panel.locator(".cnn-player-mistake").evaluate_all(  # a narrow one hides the last
            "all => all.map((one) => [...one.querySelectorAll('span')].map((s) => s.textContent))")
        for canvas, text, mistake in zip(images, texts, frame.mistakes, strict=True):
            assert np.array_equal(canvas[:, :, 1], seen.thumbnails[mistake.index])
            share = int(100 * mistake.share + 0.5)
            assert text == [f"{mistake.label} as {mistake.answer}", f"{share} %"]


def test_a_run_without_moments_shows_its_curves_only(page):
    view = View(page, "history")
    assert view.charts.count() == 2
    assert not view.root.locator(".cnn-player-run").is_visible()
    assert not View(page, "one").root.get_by_text("Surest mistakes").all()[0].is_hidden()


def test_the_charts_hold_every_number(page):
    view = View(page)
    for chart, key, scale in zip(view.charts.all(), ("loss", "accuracy"), (1, 100), strict=True):
        said = chart.get_attribute("aria-label").replace("−", "-")
        for name, seen in RUNS.items():
            for label, values in ((name, getattr(seen.history, key)),
                                  (f"{name}, held out", getattr(seen.history, f"validation_{key}"))):
                ends = re.search(rf"{re.escape(label)}: from (\S+) at epoch (\d+) to (\S+) at "
                                 r"epoch (\d+)", said)
                numbers = [float(text) for text in ends.groups()]
                assert numbers[1::2] == [1, len(values)]
                assert numbers[::2] == pytest.approx(
                    [scale * values[0], scale * values[-1]], rel=0.006)
        marks = chart.locator("circle, rect, path").count()
        assert marks > 2 * (5 + 3), "a mark for every point"


def test_step_reset_and_the_slider_by_keys(page):
    view = View(page, "one")
    for expected in (3, 4, 5, 0, 1):
        view.button("Step").click()
        assert view.epoch == expected
    view.button("Reset").click()
    assert view.epoch == 2
    view.slider.focus()
    for key, expected in [("ArrowRight", 3), ("End", 5), ("ArrowRight", 5), ("ArrowLeft", 4),
                          ("Home", 0)]:
        page.keyboard.press(key)
        assert view.epoch == expected, key


def test_pointing_at_a_curve_chooses_the_epoch(page):
    view = View(page)
    view.slide(0)
    for chart, epoch in ((0, 4), (1, 1)):
        target = view.charts.nth(chart)
        target.scroll_into_view_if_needed()
        box = target.bounding_box()
        across = target.evaluate("""(svg, wanted) => {
            const box = svg.getBoundingClientRect();
            const all = Array.from({ length: 400 }, (_, k) => box.left + k * box.width / 400);
            return all.reduce((best, x) => Math.abs(svg.xAt(x) - wanted)
                < Math.abs(svg.xAt(best) - wanted) ? x : best); }""", epoch + 0.3)
        page.mouse.move(across, box["y"] + box["height"] / 2)
        assert view.epoch != epoch, "hovering alone changes nothing"
        page.mouse.down()
        assert view.epoch == epoch
        page.mouse.up()


def test_keys_do_not_leave_the_widget(page):
    listen_outside(page)
    view = View(page)
    for key in ("a", "ArrowLeft", "Home", " ", " "):
        view.slider.press(key)
    view.button("Step").press("b")
    assert page.evaluate("window.heard") == []


def test_play_goes_on_to_the_last_epoch_and_stops(chromium, address):
    with page_with_clock(chromium, address) as page:
        view = View(page, "one")
        live = view.root.locator(".cnn-sentence")
        view.button("Play").click()
        seen = []
        for _ in range(3):
            page.clock.run_for(900)
            seen.append(view.epoch)
        assert seen == [3, 4, 5]
        assert live.get_attribute("aria-live") == "off" and view.button("Pause").is_visible()
        page.clock.run_for(900)
        assert view.button("Play").is_visible() and live.get_attribute("aria-live") == "polite"
        view.slider.focus()
        page.keyboard.press(" ")  # from the end it begins again
        assert view.epoch == 0
        page.clock.run_for(900)
        page.keyboard.press(" ")
        page.clock.run_for(5000)
        assert view.epoch == 1
        view.button("Play").click()
        view.slide(4)
        page.clock.run_for(5000)
        assert view.epoch == 4, "who takes the slider stops the playing"


def test_reduced_motion_does_not_start_by_itself(chromium, tmp_path):
    w = TrainingPlayer(DIVERGED, epoch=1)
    w.play()
    address = build_page(tmp_path, [w])
    for motion, expected in (("reduce", 1), ("no-preference", 2)):
        with page_with_clock(chromium, address, reduced_motion=motion) as page:
            page.locator(".cnn-widget").wait_for()
            page.clock.run_for(900)
            count = page.locator(".cnn-player-count")
            assert count.inner_text() == f"Epoch {expected} of 3"


def test_a_telephone_needs_no_sideways_scrolling(chromium, address):
    with open_page(chromium, address, width=360, has_touch=True) as page:
        view = View(page)
        view.button("Step").tap()
        assert view.epoch == 0
        box = view.charts.first.bounding_box()
        page.touchscreen.tap(box["x"] + box["width"] - 5, box["y"] + 80)
        assert view.epoch == 5
        assert no_sideways_scrolling(page)


def test_a_finger_drags_along_a_curve(chromium, address):
    with open_page(chromium, address, width=360, has_touch=True) as page:
        view = View(page)
        box = view.charts.last.bounding_box()
        finger = page.context.new_cdp_session(page)

        def touch(kind, share):
            points = [] if share is None else [{"y": round(box["y"] + box["height"] / 2),
                "x": round(box["x"] + box["width"] * (62 + share * 334) / 410)}]
            finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
            page.evaluate("() => new Promise((done) => "
                          "requestAnimationFrame(() => requestAnimationFrame(done)))")

        touch("touchStart", 0.2)
        seen = [view.epoch]
        for share in (0.3, 0.4, 0.6, 0.8, 1, 0.6):
            touch("touchMove", share)
            seen.append(view.epoch)
        touch("touchEnd", None)
        assert seen[0] == 1 and seen[2:] == [2, 3, 4, 5, 3]
        assert page.evaluate("scrollY") == 0


@pytest.mark.parametrize("epochs", [1, 2, 3, 12])
def test_the_ticks_are_whole_epochs(page, epochs):
    (ticks,) = run_cases(page, [epochs], """
        const svg = cnn.drawChart({ width: 410, height: 170, wholeX: true, xLabel: "epoch",
            x: [1, Math.max(given, 2)], series: [{ label: "a", points: [[1, 0.5], [given, 1]] }] });
        return [...svg.querySelectorAll(":scope > text[text-anchor=middle]")]
            .map((text) => text.textContent).filter((text) => /[0-9]/.test(text));""")
    assert len(ticks) > 1 and all(re.fullmatch("[0-9]+", tick) for tick in ticks), ticks
    assert len(set(ticks)) == len(ticks)


def test_an_axis_has_at_least_two_round_numbers(page, rng):
    cases = [[0.06, 1.6, 3, False], [50, 98, 3, False], [0, 1, 5, True], [-2.5, 40, 4, True]]
    for _ in range(300):
        size = 10 ** rng.uniform(-3, 4)
        low = 3 * size * rng.normal()
        cases.append([low, low + size, int(rng.integers(2, 10)), False])
    found = run_cases(page, cases, "return cnn.roundNumbersBetween(...given);")
    for (low, high, most, whole), ticks in zip(cases, found, strict=True):
        values, steps = np.array([v for v, _ in ticks]), np.diff([v for v, _ in ticks])
        assert len(values) >= 2 and np.allclose(steps, steps[0], rtol=1e-6), (low, high, ticks)
        assert low - 1e-6 * steps[0] <= values[0] and values[-1] <= high + 1e-6 * steps[0]
        assert f"{steps[0]:.0e}"[0] in "125" and (not whole or steps[0] >= 1)
        assert len(values) <= most + 1 or len(values) <= 10
        texts = [float(text.replace("\u2212", "-")) for _, text in ticks]
        assert np.allclose(texts, values, atol=1e-3 * steps[0])


def test_short_runs_have_whole_ticks_and_the_keys_are_told_when_asked(chromium, tmp_path):
    short = History(epoch=[1, 2], loss=[2.5, 1.5], accuracy=[0.25, 0.5])
    with open_page(chromium, build_page(tmp_path, [TrainingPlayer(short)])) as page:
        across = page.locator(".cnn-player-charts svg > text[text-anchor=middle]")
        texts = [text for text in across.all_text_contents() if text[0].isdigit()]
        assert texts == ["1", "2", "1", "2"]
        told = page.locator(".cnn-help")
        assert not told.is_visible()
        page.get_by_role("button", name="Keys").click()
        assert told.is_visible() and "Confusion matrix" in told.inner_text()


def test_the_views_fit_a_slide(chromium, address):
    with open_page(chromium, address, width=1024) as page:
        for name in NAMES:
            assert View(page, name).root.bounding_box()["height"] < 768, name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_are_both_readable(chromium, address, scheme):
    with open_page(chromium, address, color_scheme=scheme) as page:
        View(page)
        contrasts = page.evaluate(CONTRASTS.replace(":is(p,", ":is(p, td, th, caption,")
                                  .replace(" input,", " input:not([type=range]),"))
        assert len(contrasts) > 300 and min(contrasts)[0] >= 4.5, min(contrasts)


def test_without_scripts_the_still_is_shown(chromium, address):
    with open_page(chromium, address, java_script_enabled=False) as page:
        stills = page.locator(".course-widget img")
        assert stills.count() == len(SHOWN)
        assert all("by epoch" in still.get_attribute("alt") for still in stills.all())


def test_what_python_changes_is_shown_and_taking_the_view_away_ends_all(page):
    w = TrainingPlayer(RUNS)
    told, children, listeners = page.evaluate(WITH_FAKE_MODEL, [w.state(), {"epoch": 2}])
    w.epoch = 2
    assert told == capital(w._sentence())
    assert (children, listeners) == (0, 0)
