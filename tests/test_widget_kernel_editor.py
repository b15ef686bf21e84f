"""The kernel editor: in Python, and in Chromium on a page."""

import json
import re

import numpy as np
import pytest
from browser import open_chromium, open_page
from conftest import need
from widget_view import (
    CONTRASTS, WITH_FAKE_MODEL, WidgetView, build_page, listen_outside, no_sideways_scrolling,
    run_cases,
)

from course_lib.conv import conv2d
from course_lib.stills.kernel_editor import draw_kernel_editor
from course_lib.widgets import KERNELS, WIDGET_MIMETYPE, KernelEditor
from course_lib.widgets.kernel_tools import drawn_shapes, normalised_response, rotated

RNG = np.random.default_rng(5)
NOISE = RNG.random((3, 9, 12))
LEARNED = RNG.normal(size=(4, 1, 3, 3))


def correlation_by_numpy(image, kernel):
    """Pearson's correlation of every window with the kernel, by np.corrcoef; 0 for a constant."""
    k = len(kernel)
    H, W = image.shape
    y = np.zeros((H - k + 1, W - k + 1))
    for i, j in np.ndindex(y.shape):
        window = image[i : i + k, j : j + k]
        if window.std() > 1e-9 and np.std(kernel) > 1e-9:
            y[i, j] = np.corrcoef(window.ravel(), np.ravel(kernel))[0, 1]
    return y


def response_by_conv2d(image, kernel):
    return conv2d(np.array(image)[None, None], np.array(kernel)[None, None])[0][0, 0]


def random_case(rng):
    """An image, a kernel and the two switches; some images have flat parts, some kernels are 0."""
    k = int(rng.choice([3, 5, 7]))
    image = rng.random(rng.integers(7, 13, size=2)).round(3)
    if rng.random() < 0.3:
        image[:, : int(rng.integers(1, 7))] = rng.integers(0, 2)
    kernel = rng.normal(size=(k, k)).round(3) * (rng.random() < 0.95)
    return [image.tolist(), kernel.tolist(), bool(rng.integers(2)), bool(rng.integers(2))]


# ---- Python


@pytest.mark.parametrize("size", [3, 5, 7])
def test_two_turns_of_45_degrees_are_one_of_90_and_eight_are_none(size):
    kernel = np.arange(size * size).reshape(size, size)
    assert np.array_equal(rotated(kernel, 2), np.rot90(kernel, -1))
    assert np.array_equal(rotated(kernel, 8), kernel)
    assert np.array_equal(rotated(rotated(kernel, 3), -3), kernel)
    once = rotated(kernel, 1)
    assert once[0, size // 2] == kernel[0, 0], "the corner comes to the middle of the side"
    assert once[0, size - 1] == kernel[0, size // 2] and once[size // 2, size // 2] == (
        kernel[size // 2, size // 2])
    assert kernel[0, 0] == 0, "the kernel itself stays"


def test_a_turned_edge_finds_the_edges_of_the_other_direction():
    w = KernelEditor()
    assert w.kernel == KERNELS["vertical edge"]
    vertical = w.response()
    w.rotate(90)
    assert np.allclose(w.response(), np.rot90(vertical, -1)), "the square is its own turn"
    w.rotate(-90)
    w.rotate(45)
    assert w.kernel == [[-1, -1, 0], [-1, 0, 1], [0, 1, 1]]


def test_flip_and_normalise():
    w = KernelEditor(NOISE, kernel=[[1, 2, 3], [0, 0, 0], [-4, 0, 0]])
    before = w.response()
    w.flip()
    assert np.allclose(w.response(), -before)
    w.normalise()
    assert np.isclose(np.abs(w.kernel).sum(), 1) and np.abs(w.response()).max() <= 1
    w.kernel = np.zeros((3, 3))
    w.normalise()
    assert w.kernel == [[0, 0, 0]] * 3


def test_response_largest_and_relu():
    w = KernelEditor(NOISE[:, None], kernel="sharpen", image=1)
    y = response_by_conv2d(NOISE[1].round(5), KERNELS["sharpen"])
    assert np.allclose(w.response(), y)
    assert w.largest() == np.unravel_index(y.argmax(), y.shape) == w.position
    w.relu = True
    assert np.allclose(w.response(), np.maximum(y, 0))
    assert repr(w) == (f"KernelEditor: image 1 9×12, kernel 3×3; response after ReLU 7×10, from 0 "
                       f"to {y.max():.4g}, largest at {w.largest()}")


def test_normalised_response_is_the_correlation(rng):
    for _ in range(20):
        image, kernel, _, _ = random_case(rng)
        found = normalised_response(np.array(image), np.array(kernel))
        assert np.allclose(found, correlation_by_numpy(np.array(image), kernel), atol=1e-7)


def test_a_matched_filter_is_found_where_it_was_taken():
    w = KernelEditor(NOISE, kernel=np.zeros((5, 5)), normalised=True)
    for place in [(0, 0), (2, 3), (4, 7)]:
        w.match(place)
        window = np.array(w.images[0])[place[0] : place[0] + 5, place[1] : place[1] + 5]
        assert np.allclose(w.kernel, window - window.mean()) and w.matched == (0, *place)
        assert w.largest() == place and np.isclose(w.response()[place], 1)
        assert f"the window {place} of image 0" in repr(w)
    w.image = 2
    assert w.matched == (0, 4, 7), "the same filter may look for itself elsewhere"
    w.flip()
    assert w.matched is None and "the window" not in repr(w)


def test_the_position_stays_inside_and_what_comes_together_is_checked_together():
    w = KernelEditor(NOISE, position=(6, 9))
    w.kernel = np.ones((7, 7))
    assert w.position == (2, 5)
    window = np.array(w.images[1])[1:4, 2:5]
    w.set_state({"matched": [1, 1, 2], "image": 1, "kernel": (window - window.mean()).tolist(),
                 "position": [6, 9]})
    assert (w.matched, w.image, w.position) == ((1, 1, 2), 1, (6, 9))


WRONG = [
    (dict(images=np.zeros((2, 6, 9))), r"images must be .* got 2 of shape \(6, 9\)"),
    (dict(images=np.zeros((1, 3, 9, 9))), r"images must be .* got 1 of shape \(3, 9, 9\)"),
    (dict(images=np.zeros((13, 9, 9))), "1 to 12 grey images .* got 13 of shape"),
    (dict(images=[]), "got 0 of shape none"),
    (dict(images="digits"), "images must be arrays of numbers, got 'digits'"),
    (dict(images=np.full((1, 9, 9), np.inf)), "images must be .* finite numbers"),
    (dict(kernel=np.zeros((3, 5))), r"kernel must be a square of 3×3, 5×5 .* the shape \(3, 5\)"),
    (dict(kernel=np.zeros((4, 4))), r"kernel must be a square .* the shape \(4, 4\)"),
    (dict(kernel="edge"), "kernel must be an array or one of vertical edge, .*; got 'edge'"),
    (dict(kernel=np.full((3, 3), np.nan)), "kernel must hold finite numbers"),
    (dict(kernels={}), r"kernels must be \{name: \(k, k\)\}, got \{\}"),
    (dict(kernels={"odd": [[1]]}), r"kernels, odd must be a square .* the shape \(1, 1\)"),
    (dict(learned=np.zeros((33, 3, 3))), r"at most 32 kernels, got 33; take some with weight"),
    (dict(learned=np.zeros((4, 3, 5, 5))), r"learned must hold kernels of one input channel, "
     r"\(F, k, k\) or \(F, 1, k, k\), got one of shape \(3, 5, 5\); pass weight\[:, 0\]"),
    (dict(learned=[np.zeros((3, 3)), np.zeros((1, 4, 5))]), r"got the shape \(4, 5\)"),
    (dict(learned=np.full((1, 3, 3), np.nan)), "learned must hold finite numbers"),
    (dict(names=["a"]), r"names must be 3 words, one an image, got \['a'\]"),
    (dict(image=3), "image must be a whole number from 0 to 2, got 3"),
    (dict(position=(7, 0)), r"position must be \(row, column\) with row 0 to 6 .*got \(7, 0\)"),
    (dict(relu="yes"), "relu must be True or False, got 'yes'"),
    (dict(normalised=None), "normalised must be True or False, got None"),
]


@pytest.mark.parametrize("change, message", WRONG)
def test_wrong_values_are_refused_and_the_old_ones_stay(change, message):
    with pytest.raises(ValueError, match=f"KernelEditor: .*{message}"):
        KernelEditor(**({"images": NOISE} | change))
    w = KernelEditor(NOISE, learned=LEARNED)
    before = w.state()
    name, value = next(iter(change.items()))
    if value is not None:
        with pytest.raises(ValueError, match=message):
            setattr(w, name, value)
        assert w.state() == before


def test_new_images_bring_what_belongs_to_them():
    w = KernelEditor(NOISE, names="abc", image=2)
    w.match((6, 9))
    w.images = NOISE[:1, :8, :8]
    assert (w.names, w.image, w.position, w.matched) == (["0"], 0, (5, 5), None)
    w.names = ["noise"]
    assert "image noise 8×8" in repr(w)


@pytest.mark.parametrize("value", [3, (0, 1), (0.0, 1, 2), (9, 0, 0)])
def test_matched_is_a_window(value):
    with pytest.raises(ValueError, match=r"matched must be None or \(image, row, column\)"):
        KernelEditor().matched = value


def test_rotate_takes_eighths_of_a_turn():
    with pytest.raises(ValueError, match="KernelEditor: rotate expects a multiple of 45 degrees"):
        KernelEditor().rotate(30)


def test_bundle_holds_view_still_text_and_state_and_is_the_same_twice():
    def kept():
        w = KernelEditor(NOISE, learned=LEARNED, names="abc", position=(1, 2))
        data, metadata = w._repr_mimebundle_()
        assert data.pop("application/vnd.jupyter.widget-view+json")
        assert data["text/plain"] == repr(w) and "image a 9×12" in repr(w)
        assert data[WIDGET_MIMETYPE] == {"module": "kernel_editor", "state": w.state()}
        alt = metadata["image/png"]["alt"]
        assert "the window (1, 2) outlined" in alt and "4 learned kernels" in alt
        return json.dumps([data, metadata])

    assert kept() == kept()


def test_the_still_shows_the_response_and_refuses_another_one():
    w = KernelEditor(NOISE, position=(1, 2))
    axes = w.still().figure.axes
    assert [ax.get_title() for ax in axes] == ["image 9×12", "kernel 3×3", "response 7×10"]
    assert np.allclose(axes[2].images[0].get_array(), w.response())
    with pytest.raises(ValueError, match=r"expected a response of shape \(7, 10\), got \(9, 12\)"):
        draw_kernel_editor(NOISE[0], np.ones((3, 3)), NOISE[0], (0, 0), (0, 0))


# ---- the browser


SHOWN = {
    "shapes": KernelEditor(),
    "noise": KernelEditor(NOISE, {"corner": [[1, -1, 0], [-1, 0, 0], [0, 0, 2]],
                                  "wide": np.eye(5)}, LEARNED, position=(1, 2)),
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
    def __init__(self, page, name="noise"):
        super().__init__(page, NAMES.index(name), output=2)
        self.image, self.kernel, _ = self.grids

    @property
    def weights(self):
        texts = self.kernel.locator("input").evaluate_all("all => all.map((i) => i.value)")
        values = [float(text.replace("\u2212", "-")) for text in texts]
        side = int(len(values) ** 0.5)
        return np.array(values).reshape(side, side)

    @property
    def largest(self):
        (place,) = self.where(self.output, ".cnn-winner")
        return place

    def shows(self, image, kernel, normalised=False, relu=False):
        """Does the response show this, to the two decimals of a cell?"""
        expected = (correlation_by_numpy(image, kernel) if normalised
                    else response_by_conv2d(image, kernel))
        expected = np.maximum(expected, 0) if relu else expected
        found = self.values(self.output)
        assert found.shape == expected.shape and np.abs(found - expected).max() <= 0.00501
        assert self.largest == np.unravel_index(expected.argmax(), expected.shape)
        return True


def test_the_browsers_responses_equal_the_packages(page, rng):
    cases = [random_case(rng) for _ in range(500)]
    found = run_cases(page, cases, "return [cnn.responseOf(...given), "
                                   "cnn.largestOf(cnn.responseOf(...given))];")
    for (image, kernel, normalised, relu), (y, largest) in zip(cases, found, strict=True):
        expected = (correlation_by_numpy(np.array(image), kernel) if normalised
                    else response_by_conv2d(image, kernel))
        expected = np.maximum(expected, 0) if relu else expected
        assert np.allclose(y, expected, atol=1e-7)
        w = KernelEditor([image], kernel=kernel, normalised=normalised, relu=relu)
        assert w.largest() == tuple(largest)


def test_the_browsers_kernels_equal_pythons(page, rng):
    cases = [[rng.normal(size=(k, k)).tolist(), int(size)] for k, size in
             zip(rng.choice([3, 5, 7], 500), rng.choice([3, 5, 7], 500))]
    found = run_cases(page, cases, """
        const [kernel, size] = given;
        return [cnn.turnEighth(kernel), cnn.flipSign(kernel), cnn.normalise(kernel),
            cnn.minusMean(kernel), cnn.resize(kernel, size)];""")
    for (kernel, size), (turned, flipped, scaled, centred, resized) in zip(cases, found,
                                                                           strict=True):
        array = np.array(kernel)
        assert np.array_equal(turned, rotated(array, 1)) and np.array_equal(flipped, -array)
        assert np.allclose(scaled, array / np.abs(array).sum())
        assert np.allclose(centred, array - array.mean())
        middle = np.pad(array, 2)[2 + (len(array) - size) // 2:, 2 + (len(array) - size) // 2:]
        assert np.array_equal(resized, middle[:size, :size])


@pytest.mark.parametrize("name", NAMES)
def test_image_kernel_response_and_the_largest(page, name):
    w, view = SHOWN[name], View(page, name)
    assert np.abs(view.values(view.image) - np.array(w.images[0])).max() <= 0.00501
    assert np.array_equal(view.weights, w.kernel) and view.position == w.position
    assert view.shows(np.array(w.images[0]), w.kernel)


def test_the_window_and_the_sentence_follow_the_response(page):
    w, view = SHOWN["noise"], View(page)
    y = w.response()
    a, b = w.largest()
    for i, j in [(0, 0), (6, 9), (3, 4)]:
        view.cell(i, j).hover()
        assert view.position == (i, j)
        assert view.framed(view.image) == [(i + u, j + v) for u in range(3) for v in range(3)]
        said = [float(part) for part in re.findall(r"(?:=|is) (-?[\d.]+)", view.sentence)]
        assert np.allclose(said, [y[i, j], y[a, b]], atol=0.00501)
        assert view.sentence.startswith(f"Response ({i}, {j}) = ")
        assert f"at ({a}, {b})" in view.sentence


def test_pointing_at_the_image_puts_the_window_around_the_pixel(page):
    view = View(page)
    for cell, expected in [((4, 5), (3, 4)), ((0, 0), (0, 0)), ((8, 11), (6, 9))]:
        view.image.locator(f"[data-row='{cell[0]}'][data-column='{cell[1]}']").hover()
        assert view.position == expected


def test_any_weight_can_be_edited(page):
    view = View(page)
    kernel = np.array(SHOWN["noise"].kernel)
    for (i, j), text in {(0, 0): "2.5", (1, 2): "-1", (2, 2): "−0,5"}.items():
        view.kernel.get_by_label(f"Kernel row {i}, column {j}").fill(text)
        kernel[i, j] = float(text.replace("−", "-").replace(",", "."))
        assert view.shows(NOISE[0], kernel)
    wrong = view.kernel.get_by_label("Kernel row 1, column 1")
    wrong.fill("two")
    assert wrong.get_attribute("aria-invalid") == "true" and view.shows(NOISE[0], kernel)
    view.button("Reset").click()
    assert np.array_equal(view.weights, SHOWN["noise"].kernel)


def test_turn_flip_centre_and_scale(page):
    view, kernel = View(page), np.array(SHOWN["noise"].kernel)
    for name, change in [
        ("Turn by 45", lambda k: rotated(k, 1)), ("Turn by 90", lambda k: np.rot90(k, -1)),
        ("Flip the sign", lambda k: -k), ("subtract the mean", lambda k: k - k.mean()),
        ("scale", lambda k: k / np.abs(k).sum()),
    ]:
        view.button(name).click()
        kernel = change(kernel)
        assert np.abs(view.weights - kernel).max() <= 0.00501, name
        assert view.shows(NOISE[0], kernel)


def test_pictures_can_be_clicked_and_the_one_in_use_is_marked(page):
    w, view = SHOWN["noise"], View(page)
    pressed = view.root.locator("[aria-pressed=true]")
    names = ["Image 0", "corner"]
    assert [node.get_attribute("aria-label") for node in pressed.all()] == names
    for k, kernel in enumerate(w.learned):
        view.button(f"learned {k}").click()
        assert np.abs(view.weights - kernel).max() <= 0.00501
        assert pressed.last.get_attribute("aria-label") == f"learned {k}"
    view.button("Image 2").click()
    assert view.shows(NOISE[2].round(5), w.learned[3])
    view.button("wide").click()
    assert view.shows(NOISE[2].round(5), np.eye(5))
    groups = view.root.locator(".cnn-gallery").evaluate_all("all => all.map((g) => g.ariaLabel)")
    assert groups == ["Image", "Designed", "Learned"]
    other = View(page, "shapes")
    assert not other.root.get_by_role("group", name="Learned").is_visible()
    assert other.root.locator("[aria-label^='Image ']").evaluate_all(
        "all => all.map((n) => n.title)") == [f"Image {name}" for name in drawn_shapes()]


def test_small_pictures_are_the_kernels(page):
    view = View(page)
    pixels = view.button("learned 1").locator("canvas").evaluate(
        "c => [...c.getContext('2d').getImageData(0, 0, 3, 3).data]")
    red, blue = np.array(pixels).reshape(3, 3, 4)[..., [0, 2]].transpose(2, 0, 1)
    assert np.array_equal(red > blue, LEARNED[1, 0] > 0)


def test_the_size_can_change(page):
    view, kernel = View(page), np.array(SHOWN["noise"].kernel)
    view.choose("Size", "5 × 5")
    assert view.shows(NOISE[0], np.pad(kernel, 1))
    view.choose("Size", "3 × 3")
    assert np.array_equal(view.weights, kernel)


def test_the_switches(page):
    w, view = SHOWN["noise"], View(page)
    view.root.get_by_label("ReLU", exact=True).check()
    assert view.shows(NOISE[0], w.kernel, relu=True)
    y = w.response()
    i, j = np.unravel_index(y.argmin(), y.shape)
    view.cell(i, j).hover()
    assert f"({i}, {j}) = 0 ({y.min():.2f} before ReLU)" in view.sentence
    view.root.get_by_label("normalised", exact=True).check()
    assert view.shows(NOISE[0], w.kernel, normalised=True, relu=True)
    title = view.root.locator(".cnn-title").last.inner_text()
    assert title == "Normalised response, ReLU 7 × 10"


def test_a_window_as_matched_filter(page):
    view = View(page)
    view.root.get_by_label("normalised", exact=True).check()
    view.cell(5, 7).click()
    view.button("Match this window").click()
    window = NOISE[0].round(5)[5:8, 7:10]
    assert np.abs(view.weights - (window - window.mean())).max() <= 0.00501
    assert view.largest == (5, 7)
    assert view.sentence == ("Response (5, 7) = 1; the largest is 1 at (5, 7), where the kernel "
                             "was taken from.")
    source = [(i, j) for i in (5, 6, 7) for j in (7, 8, 9)]
    assert view.under(view.image, ".cnn-dashed") == source
    view.root.get_by_label("normalised", exact=True).uncheck()
    y = response_by_conv2d(NOISE[0], window - window.mean())
    told = view.sentence.rpartition("; the largest")[2]
    a, b = np.unravel_index(y.argmax(), y.shape)
    assert told.endswith("where the kernel was taken from." if (a, b) == (5, 7)
                         else f"at ({a}, {b}); the kernel was taken from (5, 7).")
    view.button("Image 1").click()
    assert view.sentence.endswith("; the kernel was taken from image 0.")
    assert not view.image.locator(".cnn-dashed").is_visible()
    view.button("Flip the sign").click()
    assert "taken" not in view.sentence


def test_the_keyboard_path(page):
    view = View(page)
    for key, expected in [("ArrowRight", (1, 3)), ("ArrowDown", (2, 3)), ("ArrowLeft", (2, 2)),
                          ("ArrowUp", (1, 2)), ("Home", SHOWN["noise"].largest())]:
        view.press(key)
        assert view.position == expected, key
    view.press(*["ArrowDown"] * 9, *["ArrowRight"] * 12)
    assert view.position == (6, 9)
    assert view.output.get_attribute("aria-activedescendant").endswith("-6-9")
    view.choose("Size", "5 × 5")
    assert view.position == (4, 7)
    view.button("learned 2").focus()
    page.keyboard.press("Enter")
    assert np.abs(view.weights - LEARNED[2, 0]).max() <= 0.00501


def test_keys_do_not_leave_the_widget(page):
    listen_outside(page)
    view = View(page)
    view.press("a", "ArrowDown", "Home")
    view.kernel.get_by_label("Kernel row 0, column 0").press("1")
    view.button("Match").press("b")
    assert page.evaluate("window.heard") == []


def test_a_telephone_needs_no_sideways_scrolling(chromium, address):
    with open_page(chromium, address, width=360, has_touch=True) as page:
        view = View(page, "shapes")
        view.cell(12, 20).tap()
        assert view.position == (12, 20)
        assert no_sideways_scrolling(page)
        view.choose("Size", "7 × 7")
        assert no_sideways_scrolling(page)
        boxes = [grid.bounding_box() for grid in view.grids]
        assert abs(boxes[0]["y"] - boxes[2]["y"]) < 60, "image and response stand side by side"


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
        assert all("the largest response" in still.get_attribute("alt") for still in stills.all())


def test_changes_that_arrive_together_and_taking_the_view_away(page):
    """The image may be told before the kernel that fits on it."""
    state = KernelEditor(kernel=np.ones((7, 7)), position=(20, 20)).state()
    changes = {"images": [np.eye(5).tolist()], "position": [1, 2], "kernel": np.eye(3).tolist()}
    told, children, listeners = page.evaluate(WITH_FAKE_MODEL.replace(
        "view.initialize({ model })", "() => {}"), [state, changes])
    assert told == "Response (1, 2) = 0; the largest is 3 at (0, 0)."
    assert (children, listeners) == (0, 0)


def test_the_tools_are_explained_and_the_keys_when_asked(page):
    view = View(page)
    told = view.root.locator(".cnn-help")
    assert [one.is_visible() for one in told.all()] == [False, True]
    for words in ("mean 0: subtract the mean", "scale: divide by the sum", "normalised: window"):
        assert words in told.last.inner_text()
    view.button("^Keys$").click()
    assert "Home goes to the largest" in told.first.inner_text() and told.first.is_visible()
