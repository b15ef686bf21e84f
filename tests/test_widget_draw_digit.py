"""The drawing widget and its network in the browser: in Python, and in Chromium on a page."""

import base64
import json
import re

import numpy as np
import pytest
from browser import open_chromium, open_page
from conftest import need
from hypothesis import given
from hypothesis import strategies as st
from widget_view import CONTRASTS, build_page, listen_outside, no_sideways_scrolling, run_cases

from course_lib.layers import (
    AvgPool2D, BatchNorm2D, Conv2D, Dense, Dropout, Flatten, GlobalAvgPool2D, LeakyReLU, MaxPool2D,
    ReLU, Sigmoid, Softmax, Tanh,
)
from course_lib.model import Sequential
from course_lib.stills.draw_digit import draw_draw_digit
from course_lib.train import fit
from course_lib.widgets import WIDGET_MIMETYPE, DrawDigit, WidgetError
from course_lib.widgets.browser_network import network_state
from course_lib.widgets.centring import centre_digit


def s4_network(seed=0):
    """The network of lesson 06."""
    rng = np.random.default_rng(seed)
    return Sequential([
        Conv2D(1, 8, kernel_size=3, padding=1, rng=rng), ReLU(), MaxPool2D(2),
        Conv2D(8, 16, kernel_size=3, padding=1, rng=rng), ReLU(), MaxPool2D(2),
        Flatten(), Dense(16 * 7 * 7, 10, rng=rng), Softmax(),
    ], input_shape=(1, 28, 28))


def odd_network(seed=1):
    """One of every layer, with uneven windows and numbers that are nobody's defaults."""
    rng = np.random.default_rng(seed)
    model = Sequential([
        Conv2D(1, 5, (3, 5), stride=(1, 2), padding="same", bias=False, rng=rng), BatchNorm2D(5),
        LeakyReLU(0.2), MaxPool2D((3, 2), stride=(2, 1), padding=1), Dropout(0.3),
        AvgPool2D(3, stride=2, padding=1, count_include_pad=False), Tanh(),
        Conv2D(5, 6, 3, stride=2, padding=((0, 1), (2, 0)), rng=rng), Sigmoid(), AvgPool2D(2, 1),
        GlobalAvgPool2D(), Dense(6, 4, bias=False, rng=rng), Softmax()])
    for parameter in model.parameters().values():
        parameter.data += rng.normal(0, 0.4, parameter.data.shape).astype(np.float32)
    for array in model.buffers().values():
        array += rng.uniform(0.1, 0.6, array.shape).astype(np.float32)
    return model


def drawn(seed=0, side=56):
    """A scribble: a few thick strokes."""
    rng = np.random.default_rng(seed)
    image = np.zeros((side, side))
    for _ in range(rng.integers(1, 4)):
        (i, j), (h, w) = rng.integers(0, side - 8, size=2), rng.integers(1, 12, size=2)
        image[i : i + h, j : j + w] = rng.uniform(0.2, 1, image[i : i + h, j : j + w].shape)
    return np.rint(image * 255) / 255


@pytest.fixture(scope="session")
def trained():
    """Lesson 06's network after one epoch of MNIST, and the digits."""
    need("mnist")
    from course_lib.data import load_mnist

    digits, model = load_mnist(), s4_network()
    fit(model, digits.train_images, digits.train_labels, epochs=1, batch_size=64,
        optimizer="adam", lr=0.01, schedule="one_cycle", progress=False)
    return model, digits


# ---- centring


def test_digits_of_mnist_come_back_unchanged(mnist):
    for image in np.rint(mnist.test_images[:1000, 0] * 255):
        assert np.allclose(centre_digit(image), image, atol=1e-9)
        assert np.allclose(centre_digit(np.kron(image, np.ones((2, 2)))), image, atol=1e-9)


@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(0, 30), st.integers(0, 30))
def test_place_and_whole_scales_do_not_matter(seed, scale, down, right):
    digit = drawn(seed, 20)
    sheet = np.zeros((120, 121))
    large = np.kron(digit, np.ones((scale, scale)))
    sheet[down : down + len(large), right : right + len(large)] = large
    assert np.allclose(centre_digit(sheet), centre_digit(digit))


@given(st.integers(0, 10**6))
def test_the_longer_side_is_20_and_the_centre_of_mass_in_the_middle(seed):
    image = drawn(seed)
    seen = centre_digit(image)
    rows, columns = np.nonzero(seen)
    box = np.array([np.ptp(rows) + 1, np.ptp(columns) + 1])
    assert box.max() == 20 and seen.max() <= image.max() + 1e-12
    inked = np.argwhere(image)
    wanted = np.ptp(inked, axis=0) + 1
    assert np.allclose(box, np.maximum(1, wanted * 20 / wanted.max()), atol=0.5 + 1e-9)
    ratio = box.prod() / wanted.prod()  # a mean over areas keeps ink for each area
    assert seen.sum() == pytest.approx(image.sum() * ratio)
    for axis, places in enumerate((rows, columns)):
        centre = (seen.sum(axis=1 - axis) * np.arange(28)).sum() / seen.sum()
        at_frame = places.min() == 0 or places.max() == 27
        assert at_frame or 13.5 - 1e-6 <= centre <= 14.5 + 1e-6


def test_a_stroke_by_hand():
    image = np.zeros((30, 40))
    image[5:10, 8] = 1  # 5 by 1 becomes 20 by 4
    seen = centre_digit(image)
    assert np.array_equal(np.argwhere(seen)[[0, -1]], [[4, 12], [23, 15]])
    assert seen.sum() == 80 and not centre_digit(np.zeros((3, 4))).any()


@pytest.mark.parametrize("image", [np.zeros((1, 28, 28)), [[np.nan]], [[1, -1]], 3])
def test_centring_refuses_what_is_no_drawing(image):
    with pytest.raises(WidgetError, match=r"centre_digit: expected one drawing \(H, W\)"):
        centre_digit(image)


def redrawn(images, seed):
    """Each digit cut out, enlarged by a number of its own and put anywhere on the sheet."""
    rng = np.random.default_rng(seed)
    for image in images:
        rows, columns = np.nonzero(image)
        cut = image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        H = int(len(cut) * rng.uniform(1, 2.7))
        W = max(1, round(H * cut.shape[1] / len(cut)))
        H, W = (H, W) if max(H, W) <= 56 else cut.shape
        large = cut[np.arange(H) * cut.shape[0] // H][:, np.arange(W) * cut.shape[1] // W]
        top, left = rng.integers(0, 57 - H), rng.integers(0, 57 - W)
        yield np.pad(large, ((top, 56 - H - top), (left, 56 - W - left)))


def test_held_out_digits_redrawn_are_read(trained):
    model, digits = trained
    w = DrawDigit(model)
    for count, least in ((100, 0.97), (1000, 0.96)):
        seen = []
        for sheet in redrawn(digits.test_images[:count, 0], seed=count):
            w.image = sheet
            seen.append(w.image)
        answers = model.predict_labels(np.stack(seen)[:, None])
        assert (answers == digits.test_labels[:count]).mean() >= least


# ---- Python


def test_image_and_probabilities():
    model = s4_network()
    w = DrawDigit(model, image=drawn(3))
    assert w.image.shape == (28, 28) and w.image.dtype == np.float32
    assert np.allclose(w.image, centre_digit(drawn(3)))
    assert np.allclose(w.probabilities(), model.predict_proba(w.image[None, None])[0], atol=1e-6)
    w.centring = False
    assert np.allclose(w.image, drawn(3).reshape(28, 2, 28, 2).mean(axis=(1, 3)))
    small = np.rint(np.random.default_rng(0).random((1, 28, 28)) * 255) / 255
    w.image = small
    assert np.allclose(w.image, small[0]), "28×28 is enlarged, and made smaller again"
    w.clear()
    assert not w.image.any() and not w.sheet().any()


def test_the_weights_are_a_copy():
    model = s4_network()
    w = DrawDigit(model, image=drawn(1))
    before, state = w.probabilities(), w.state()
    for parameter in model.parameters().values():
        parameter.data *= 1.5
    assert np.array_equal(w.probabilities(), before) and w.state() == state
    w.model = model
    assert np.allclose(w.probabilities(), model.predict_proba(w.image[None, None])[0], atol=1e-6)
    assert w.state()["network"] != state["network"]


def test_the_state_is_plain_and_holds_the_weights():
    model = odd_network()
    state = json.loads(json.dumps(DrawDigit(model).state()))
    assert sorted(state) == ["centring", "drawing", "examples", "network", "saliency"]
    numbers = np.frombuffer(base64.b64decode(state["network"]["weights"]), "<f4")
    arrays = model.state()
    for index, layer in enumerate(state["network"]["layers"]):
        for name, (start, end) in layer["arrays"].items():
            assert np.array_equal(numbers[start:end], arrays.pop(f"{index}.{name}").ravel())
    assert not arrays
    shapes = [tuple(layer["shape"]) for layer in state["network"]["layers"]]
    assert shapes == model.shapes((1, 28, 28))[1:]


def test_a_notebook_and_a_page_stay_small(trained, tmp_path):
    w = DrawDigit(*trained)
    data, metadata = w._repr_mimebundle_()
    assert len(json.dumps([data, metadata])) < 200_000
    build_page(tmp_path, [w])
    assert (tmp_path / "out" / "01_widgets.html").stat().st_size < 400_000


def test_examples_are_read_as_they_say(trained):
    model, digits = trained
    w = DrawDigit(model, digits)
    assert [one["label"] for one in w.examples[:10]] == list(range(10))
    wrong = [one for one in w.examples if one["label"] != one["answer"]]
    assert 3 <= len(wrong) == len(w.examples) - 10 <= 6
    surest = []
    for k, one in enumerate(w.examples):
        w.centring = False
        w.load(k)
        assert w.probabilities().argmax() == one["answer"]
        assert one["label"] == digits.test_labels[one["number"]]
        assert np.allclose(w.image, digits.test_images[one["number"], 0], atol=1e-6)
        surest += [w.probabilities().max()] * (one["label"] != one["answer"])
    assert surest == sorted(surest, reverse=True)
    pair = DrawDigit(model, (digits.test_images[:50, 0], digits.test_labels[:50]))
    assert {one["number"] for one in pair.examples} <= set(range(50))


class Doubled(ReLU):
    """A layer that the browser has never heard of."""


def network(*layers, **options):
    return Sequential([*layers, Softmax()], **options)


def dense(inputs=784, outputs=10):
    return Dense(inputs, outputs, rng=np.random.default_rng(0))


def diverged():
    model = s4_network()
    model.layers[0].weight.data[0, 0, 1, 1] = np.nan
    return model


WRONG_MODELS = [
    (lambda: "s4", "expected a trained Sequential, got 's4'"),
    (lambda: network(Conv2D(3, 4, 3, rng=np.random.default_rng(0)), Flatten(), dense()),
     r"expected a network for 1x28x28 images, but Conv2D\(3, 4, .*expected one image's shape"),
    (lambda: network(Flatten(), dense(64), input_shape=(1, 8, 8)),
     "expected a network for 1x28x28 images, but it was made for 1x8x8"),
    (lambda: network(Doubled(), Flatten(), dense()),
     r"expected layers that the browser can compute \(Conv2D, .*BatchNorm2D\), got Doubled\(\)"),
    (lambda: network(Flatten(), dense(784, 128), dense(128, 10)),
     "expected at most 100,000 weights, .* got 101,770; use fewer channels"),
    (diverged, "expected finite weights, got NaN or infinity: the training diverged"),
    (lambda: Sequential([Flatten(), dense()]),
     r"expected a network that ends in 2 to 10 classes and Softmax\(\), got \(10,\) and logits"),
    (lambda: network(Flatten(), dense(784, 11)), r"2 to 10 classes and Softmax\(\), got \(11,\)"),
    (lambda: network(ReLU()), r"2 to 10 classes and Softmax\(\), got \(1, 28, 28\) and softmax"),
]


@pytest.mark.parametrize("make, message", WRONG_MODELS)
def test_wrong_networks_are_refused_and_the_old_one_stays(make, message):
    with pytest.raises(WidgetError, match=f"DrawDigit: .*{message}"):
        DrawDigit(make())
    w = DrawDigit(s4_network())
    before = w.state()
    with pytest.raises(WidgetError, match=message):
        w.model = make()
    assert w.state() == before and w.probabilities().shape == (10,)


WRONG = [
    (dict(saliency=10), "saliency must be None, 'answer' or a digit from 0 to 9, got 10"),
    (dict(saliency="loss"), "saliency must be .*got 'loss'"),
    (dict(saliency=True), "saliency must be .*got True"),
    (dict(image=np.zeros((8, 8))), r"image must be \(28, 28\) or \(56, 56\) .*got \(8, 8\)"),
    (dict(image=np.full((28, 28), 255)), "values from 0 to 1, got .* from 255 to 255"),
    (dict(image=np.full((28, 28), np.nan)), "values from 0 to 1, got"),
    (dict(drawing="AAAA"), "drawing must be 3136 bytes in base64, got 'AAAA'; .*use image"),
    (dict(drawing="no base64!"), "drawing must be 3136 bytes in base64, got 'no base64!'"),
    (dict(drawing=3), "drawing must be 3136 bytes in base64, got 3"),
    (dict(drawing=None), "drawing must be 3136 bytes in base64, got None"),
    (dict(centring="yes"), "centring must be True or False, got 'yes'"),
]


@pytest.mark.parametrize("change, message", WRONG)
def test_wrong_values_are_refused_and_the_old_ones_stay(change, message):
    w = DrawDigit(s4_network(), image=drawn(2), saliency=3)
    before = w.state()
    (name, value), = change.items()
    with pytest.raises(WidgetError, match=f"DrawDigit: .*{message}"):
        setattr(w, name, value)
    assert w.state() == before
    if name != "drawing":
        with pytest.raises(WidgetError, match=message):
            DrawDigit(s4_network(), **change)


def test_examples_and_digits_that_are_none_are_refused():
    model = s4_network()
    with pytest.raises(WidgetError, match=r"there are no examples; DrawDigit\(model, digits\)"):
        DrawDigit(model).load(0)
    with pytest.raises(WidgetError, match=r"images \(N, 1, 28, 28\) and labels \(N,\), got"):
        DrawDigit(model, (np.zeros((2, 1, 8, 8)), np.zeros(2, int)))
    images = np.stack([drawn(k, 28) for k in range(20)])[:, None]
    w = DrawDigit(model, (images, model.predict_labels(images)))
    for number in (len(w.examples), -1, "0"):
        with pytest.raises(WidgetError, match="expected an example from 0 to"):
            w.load(number)


def test_bundle_holds_view_still_text_and_state_and_is_the_same_twice():
    def kept():
        w = DrawDigit(s4_network(), image=drawn(4))
        data, metadata = w._repr_mimebundle_()
        assert data.pop("application/vnd.jupyter.widget-view+json")
        assert data["text/plain"] == repr(w) and "\n" not in repr(w)
        assert data[WIDGET_MIMETYPE] == {"module": "draw_digit", "state": w.state()}
        alt = metadata["image/png"]["alt"]
        shares = w.probabilities()
        assert alt.startswith(f"I read a{'n' * int(shares.argmax() == 8)} {shares.argmax()} (")
        assert f", 4: {100 * shares[4]:.1f}, 5" in alt
        return json.dumps([data, metadata])

    assert kept() == kept()


def test_the_still_draws_the_image_and_a_bar_for_each_class():
    shares = np.array([0.2, 0.7, 0.1])
    picture, bars = draw_draw_digit(drawn(5, 28), shares, "said").figure.axes
    assert np.allclose(picture.images[0].get_array(), drawn(5, 28))
    assert np.allclose([bar.get_height() for bar in bars.patches], 100 * shares)
    assert [text.get_text() for text in bars.texts] == ["20.0", "70.0", "10.0"]
    with pytest.raises(ValueError, match=r"draw_draw_digit: expected an image \(H, W\) and prob"):
        draw_draw_digit(drawn(5, 28), shares[:2], "said")


# ---- the network in the browser


def random_layer(rng):
    """A layer, and the shape of one input that it takes."""
    C, H, W = (int(n) for n in (rng.integers(1, 4), rng.integers(4, 9), rng.integers(4, 9)))
    kernel = tuple(int(n) for n in rng.integers(1, 4, size=2))
    stride = tuple(int(n) for n in rng.integers(1, 4, size=2))
    half = [[int(rng.integers(0, k // 2 + 1)) for _ in range(2)] for k in kernel]
    sides = [[int(n) for n in pair] for pair in rng.integers(0, 3, size=(2, 2))]
    pads = [0, "valid", "same", half]
    kind = int(rng.integers(12))
    if kind < 3:
        padding = [0, "same", sides][kind]
        return Conv2D(C, int(rng.integers(1, 4)), kernel, stride, padding, bool(rng.integers(2)),
                      rng=rng), (C, H, W)
    if kind < 5:
        return MaxPool2D(kernel, stride, pads[rng.integers(4)]), (C, H, W)
    if kind < 7:
        return AvgPool2D(kernel, stride, half, bool(rng.integers(2))), (C, H, W)
    if kind == 7:
        return Dense(H, W, bool(rng.integers(2)), rng=rng), (H,)
    plain = [GlobalAvgPool2D(), BatchNorm2D(C, eps=0.01), Flatten(), ReLU(), LeakyReLU(0.3),
             Sigmoid(), Tanh(), Dropout(0.4)]
    return plain[rng.integers(8)], (C, H, W)


def random_case(rng):
    """One layer's state for the browser, x, dy, and what the package's operations make of them."""
    layer, shape = random_layer(rng)
    model = Sequential([layer, ReLU()])  # a last Sigmoid would become the output
    for array in (*(p.data for p in layer.parameters().values()), *layer.buffers().values()):
        array += rng.uniform(0.1, 1, array.shape).astype(np.float32)
    state = network_state(model, shape, "test")
    model.astype(np.float64)
    x = rng.integers(-4, 5, size=(1, *shape)).astype(float) / 2  # ties
    y = layer.predict(x)
    dy = rng.normal(size=y.shape)
    if isinstance(layer, (BatchNorm2D, Dropout)):  # after training: y is a·x + b for each value
        dx = layer.predict(x + dy) - y
    else:
        layer.forward(x)
        dx = layer.backward(dy)
    flat = [part.ravel().tolist() for part in (x, dy)]
    return [state, *flat], (layer, y.ravel(), dx.ravel())


def test_every_layer_forward_and_backward_equals_the_packages(page, rng):
    cases, expected = zip(*(random_case(rng) for _ in range(700)))
    found = run_cases(page, cases, """
        const [state, x, dy] = given;
        const [layer] = cnn.openNetwork(state).layers;
        const { forward, backward } = cnn.LAYERS[layer.kind];
        const [input, upstream] = [x, dy].map((list) => Float64Array.from(list));
        const y = forward(layer, input);
        return [...[y, backward(layer, upstream, input, y)].map((part) => Array.from(part)),
            Array.from(input), Array.from(upstream)];""")
    kinds = set()
    for (layer, y, dx), (_, x, dy), (browser_y, browser_dx, *same) in zip(
            expected, cases, found, strict=True):
        kinds.add(type(layer))
        assert np.allclose(browser_y, y, rtol=1e-10, atol=1e-12), layer
        assert np.allclose(browser_dx, dx, rtol=1e-9, atol=1e-10), layer
        assert same == [x, dy], f"{layer} writes to its input"
    assert len(kinds) == 12


def test_centring_in_the_browser_equals_pythons(page, rng):
    sheets = [np.rint(drawn(seed, 56) * 255) for seed in range(250)]
    symmetric = np.zeros((56, 56))
    symmetric[10:20, 10:30] = symmetric[30:35, 10:30] = 255
    sheets += [symmetric, np.zeros((56, 56)), np.full((56, 56), 9.0), np.eye(56)]
    cases = [sheet.ravel().tolist() for sheet in sheets]
    found = run_cases(page, cases, """
        const sheet = Uint8Array.from(given);
        return [true, false].map((on) => Array.from(cnn.seenImage(sheet, on)));""")
    for sheet, (centred, smaller) in zip(sheets, found, strict=True):
        assert np.allclose(np.reshape(centred, (28, 28)), centre_digit(sheet) / 255, atol=1e-12)
        halves = sheet.reshape(28, 2, 28, 2).mean(axis=(1, 3)) / 255
        assert np.allclose(np.reshape(smaller, (28, 28)), halves, atol=1e-12)


RUN = """
    const opened = cnn.openNetwork(given.network);
    return given.images.map((image) =>
        Array.from(cnn.softmax(cnn.runNetwork(opened, image).at(-1))));"""


def test_probabilities_on_200_test_images_equal_predict_proba(page, trained):
    model, digits = trained
    images = digits.test_images[:200]
    case = {"network": network_state(model, (1, 28, 28), "test"),
            "images": images.reshape(200, -1).tolist()}
    found, = run_cases(page, [case], RUN)
    assert np.abs(np.array(found) - model.predict_proba(images)).max() < 1e-5


def test_probabilities_through_every_layer_equal_predict_proba(page, rng):
    model = odd_network()
    images = rng.random((50, 1, 28, 28)).astype(np.float32)
    case = {"network": network_state(model, (1, 28, 28), "test"),
            "images": images.reshape(50, -1).tolist()}
    found, = run_cases(page, [case], RUN)
    expected = model.predict_proba(images)
    assert np.ptp(expected, axis=0).max() > 1e-3, "the images make a difference"
    assert np.abs(np.array(found) - expected).max() < 1e-5


@pytest.mark.parametrize("make", [s4_network, odd_network])
def test_saliency_equals_central_differences(page, rng, make):
    model, h = make(), 1e-6
    state = network_state(model, (1, 28, 28), "test")
    model.astype(np.float64)
    image, k = rng.random((1, 28, 28)), 2
    found, = run_cases(page, [{"network": state, "image": image.ravel().tolist(), "k": k}], """
        const opened = cnn.openNetwork(given.network);
        return Array.from(cnn.saliency(opened, cnn.runNetwork(opened, given.image), given.k));""")
    pixels = rng.choice(784, size=120, replace=False)
    steps = h * np.eye(784)[pixels].reshape(-1, 1, 28, 28)
    logits = [model.predict(image[None] + sign * steps)[:, k] for sign in (1, -1)]
    expected = (logits[0] - logits[1]) / (2 * h)
    assert np.abs(expected).max() > 1e-4
    assert np.allclose(np.array(found)[pixels], expected, rtol=1e-5, atol=1e-8)


# ---- the view


def scribbles():
    """Networks and examples that need no MNIST."""
    model = s4_network()
    images = np.rint(np.stack([drawn(k, 28) for k in range(30)])[:, None] * 255) / 255
    seen = np.stack([centre_digit(image[0]) for image in images])[:, None].astype(np.float32)
    labels = model.predict_labels(seen)
    labels[::7] = (labels[::7] + 1) % 10
    return {"s4": DrawDigit(model, (images, labels)), "empty": DrawDigit(odd_network()),
            "saliency": DrawDigit(model, image=drawn(8), saliency="answer", centring=False)}


SHOWN = scribbles()
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


PIXELS = """(canvas) => [canvas.height, canvas.width, Array.from(canvas.getContext('2d')
    .getImageData(0, 0, canvas.width, canvas.height).data)]"""


class View:
    """One drawing widget of a page."""

    def __init__(self, page, name="s4"):
        self.page, self.name = page, name
        self.root = page.locator(".cnn-widget").nth(NAMES.index(name))
        self.root.wait_for()
        self.sheet = self.root.locator(".cnn-digit-sheet")

    @staticmethod
    def pixels(canvas):
        rows, columns, values = canvas.evaluate(PIXELS)
        return np.array(values).reshape(rows, columns, 4)

    @property
    def drawn(self):
        return self.pixels(self.sheet)[:, :, 0] / 255

    @property
    def seen(self):
        return self.pixels(self.root.locator(".cnn-digit-seen"))

    @property
    def numbers(self):
        texts = self.root.locator(".cnn-digit-number").all_inner_texts()
        return np.array([float(text) for text in texts])

    @property
    def sentence(self):
        return self.root.locator(".cnn-sentence").inner_text()

    @property
    def more(self):
        return self.root.locator(".cnn-digit-more").inner_text()

    def button(self, name):
        return self.root.get_by_role("button", name=re.compile(name))

    def choose(self, label, option):
        self.root.get_by_label(label, exact=True).select_option(label=option)

    def options(self, label):
        return self.root.get_by_label(label, exact=True).locator("option").all_inner_texts()

    def switch(self, label):
        self.root.get_by_label(label, exact=True).click()

    def point(self, row, column):
        """A place of the sheet, 0 to 56, on the screen."""
        self.sheet.scroll_into_view_if_needed()
        box = self.sheet.bounding_box()
        return box["x"] + column * box["width"] / 56, box["y"] + row * box["height"] / 56

    def stroke(self, *points):
        self.page.mouse.move(*self.point(*points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.point(*point))
        self.page.mouse.up()

    def press(self, *keys):
        self.sheet.focus()
        for key in keys:
            self.page.keyboard.press(key)

    def expected(self, **options):
        """The widget in Python, with what is drawn in the browser."""
        w = DrawDigit(SHOWN[self.name].model, image=self.drawn, **options)
        return w

    def agrees(self, **options):
        w = self.expected(**options)
        assert np.allclose(self.numbers, 100 * w.probabilities(), atol=0.0501)
        if w.sheet().any():
            assert self.sentence == f"{w._sentence()}."
        if w.saliency is None:
            assert np.abs(self.seen[:, :, 0] - 255 * w.image).max() <= 1
        return w


@pytest.mark.parametrize("name", NAMES)
def test_drawing_image_numbers_and_sentence_are_pythons(page, name):
    view, w = View(page, name), SHOWN[name]
    assert np.allclose(view.drawn, w.sheet() / 255)
    view.agrees(centring=w.centring, saliency=w.saliency)
    if not w.sheet().any():
        first = int(w.probabilities().argmax())
        assert view.sentence.startswith(f"Nothing is drawn yet, and still: I read a {first} (")


def test_bars_are_as_long_as_the_numbers_and_the_answer_is_marked(page):
    view = View(page)
    bars = view.root.locator(".cnn-digit-bars li")
    heights = bars.evaluate_all("""items => items.map((item) =>
        item.querySelector('.cnn-digit-bar').getBoundingClientRect().height)""")
    shares = SHOWN["s4"].probabilities()
    assert bars.count() == 10
    assert np.allclose(np.array(heights) / max(heights), shares / shares.max(), atol=0.03)
    top = [k for k in range(10) if "cnn-digit-top" in (bars.nth(k).get_attribute("class") or "")]
    assert top == [shares.argmax()]
    weights = bars.locator(".cnn-digit-name").evaluate_all(
        "names => names.map((name) => Number(getComputedStyle(name).fontWeight))")
    assert np.argmax(weights) == shares.argmax() and sorted(weights)[-2] < max(weights)


def test_a_stroke_is_painted_where_the_mouse_went(page):
    view = View(page, "empty")
    view.stroke((10, 12), (10, 40), (44, 40))
    drawn = view.drawn
    for row, column in [(10, 12), (10, 26), (10, 40), (30, 40), (44, 40)]:
        assert drawn[row - 1 : row + 1, column - 1 : column + 1].min() == 1
    distance = np.minimum(
        np.hypot(np.arange(56)[:, None] + 0.5 - 10,
                 np.maximum(0, np.abs(np.arange(56) + 0.5 - 26) - 14)),
        np.hypot(np.maximum(0, np.abs(np.arange(56)[:, None] + 0.5 - 27) - 17),
                 np.arange(56) + 0.5 - 40))
    assert np.abs(drawn - np.clip(2.7 - distance, 0, 1)).max() < 0.03
    view.agrees()
    view.page.mouse.move(*view.point(50, 5))
    assert np.array_equal(view.drawn, drawn), "without a button nothing is drawn"


def test_rubber_and_clear(page):
    view = View(page, "empty")
    view.stroke((20, 10), (20, 45))
    view.switch("rubber")
    view.stroke((10, 30), (30, 30))
    drawn = view.drawn
    assert drawn[20, 28:32].max() == 0 and drawn[20, 12:26].min() == 1
    view.agrees()
    view.button("Clear").click()
    assert not view.drawn.any()
    view.stroke((20, 10), (20, 45))
    assert not view.drawn.any(), "the rubber is still chosen"
    view.switch("rubber")
    view.stroke((20, 10), (20, 45))
    assert view.drawn.any()


def test_examples_are_listed_and_loaded(page):
    view, w = View(page), SHOWN["s4"]
    texts = view.options("Test digit")
    assert len(texts) == len(w.examples)
    view.switch("centre and scale as MNIST is")  # an example turns it on again
    for k, (text, one) in enumerate(zip(texts, w.examples)):
        right = one["label"] == one["answer"]
        assert text == f"no. {one['number']}: {one['label']} " + (
            "✓" if right else f"✗ read as {one['answer']}")
        view.choose("Test digit", text)
        w.load(k)
        assert np.allclose(view.drawn, w.sheet() / 255)
        view.agrees()
        assert f" {one['answer']} (" in view.sentence.split(",")[0]
    w.load(0)
    view.stroke((5, 5), (5, 8))
    select = view.root.get_by_label("Test digit", exact=True)
    assert select.locator("option:checked").inner_text() == "choose one"
    assert not View(page, "empty").root.get_by_label("Test digit", exact=True).is_visible()


def test_centring_can_be_left_out(page):
    view = View(page, "empty")
    view.stroke((5, 5), (20, 5), (20, 12))
    on = view.agrees()
    view.switch("centre and scale as MNIST is")
    off = view.agrees(centring=False)
    assert np.abs(on.image - off.image).max() > 0.5
    how = view.root.locator(".cnn-digit-where").last
    assert how.inner_text() == "28 × 28: your drawing made smaller"
    view.switch("centre and scale as MNIST is")
    view.agrees()
    assert how.inner_text() == "28 × 28: scaled to 20, centre of mass in the middle"


def test_saliency_overlay_and_its_words(page):
    view, w = View(page, "saliency"), SHOWN["saliency"]
    model = w.model
    answer = int(w.probabilities().argmax())
    for option, k in (("of the answer", answer), ("of 5", 5)):
        view.choose("Saliency", option)
        model.forward(w.image[None, None])
        dlogits = np.eye(10, dtype=np.float32)[k][None]
        slopes = model.backward(dlogits)[0, 0]
        high, low = (np.unravel_index(place, (28, 28))
                     for place in (slopes.argmax(), slopes.argmin()))
        assert view.more == (
            f"Red: more ink there raises the score of {k}, most at row {high[0]}, column {high[1]};"
            f" blue: it lowers the score, most at row {low[0]}, column {low[1]}.")
        colours = view.seen.astype(int)
        strongest = np.unravel_index(np.abs(slopes).argmax(), (28, 28))
        signed = colours[:, :, 0] - colours[:, :, 2]  # red less blue
        assert np.sign(signed[strongest]) == np.sign(slopes[strongest])
        assert np.abs(signed).max() == abs(signed[strongest]) > 80
        strong = np.abs(slopes) > 0.1 * np.abs(slopes).max()
        assert np.array_equal(np.sign(signed[strong]), np.sign(slopes[strong]))
    view.choose("Saliency", "off")
    assert not view.root.locator(".cnn-digit-more").is_visible()
    view.agrees(centring=False)
    grey = view.seen
    assert np.array_equal(grey[:, :, 0], grey[:, :, 2])


def layer_values(w):
    values = [w.image[None, None]]
    for layer in w.model.layers:
        values.append(layer.predict(values[-1]))
    return [value[0] for value in values[1:]]


@pytest.mark.parametrize("name", NAMES)
def test_every_layers_maps_are_drawn(page, name):
    view, w = View(page, name), SHOWN[name]
    values = layer_values(w)
    canvases = view.root.locator(".cnn-digit-maps")
    titles = view.root.locator(".cnn-digit-title").all_inner_texts()
    assert canvases.count() == len(titles) == len(values)
    for k, (layer, value) in enumerate(zip(w.model.layers, values)):
        low, high = min(0, value.min()), max(0, value.max())
        kind, shape, low_text, high_text = re.fullmatch(
            r"(\w+) → ([\d×]+), (\S+) to (\S+)", titles[k].replace("−", "-")).groups()
        assert kind == type(layer).__name__
        assert shape == "×".join(map(str, value.shape))
        assert [float(low_text), float(high_text)] == pytest.approx([low, high], abs=0.0051)
        assert repr(layer) in canvases.nth(k).get_attribute("aria-label")
        pixels = view.pixels(canvases.nth(k))
        cells = tiles(pixels, value.shape)
        assert len(cells) == len(value.reshape(-1, *value.shape[1:]))
        top = max(high, -low) or 1
        for map_pixels, expected in zip(cells, value if value.ndim == 3 else value[:, None, None]):
            if low < 0:
                signed = map_pixels[:, :, 0].astype(int) - map_pixels[:, :, 2]
                strong = np.abs(expected) > 0.15 * top
                assert np.array_equal(np.sign(signed[strong]), np.sign(expected[strong]))
            else:
                assert np.abs(map_pixels[:, :, 0] - 255 * expected / top).max() <= 1


def tiles(pixels, shape):
    """The maps of a strip: eight in a row, a clear line between; of a vector its numbers."""
    if len(shape) == 1:
        flat = pixels.reshape(-1, 4)
        assert (flat[: shape[0], 3] == 255).all() and (flat[shape[0] :, 3] == 0).all()
        return [one[None, None] for one in flat[: shape[0]]]
    C, H, W = shape
    across = min(C, 8)
    found = []
    for c in range(C):
        row, column = c // across * (H + 1), c % across * (W + 1)
        found.append(pixels[row : row + H, column : column + W])
        assert (found[-1][:, :, 3] == 255).all()
    assert pixels.shape[:2] == (-(-C // across) * (H + 1) - 1, across * (W + 1) - 1)
    return found


def test_the_keyboard_path(page):
    view = View(page, "empty")
    for _ in range(60):
        page.keyboard.press("Tab")
        if view.sheet.evaluate("canvas => canvas === document.activeElement"):
            break
    cursor = view.root.locator(".cnn-digit-cursor")
    where = view.root.locator(".cnn-digit-where").first
    assert cursor.evaluate("node => getComputedStyle(node).visibility") == "visible"
    for key, text in [("ArrowUp", "row 13, column 14"), ("ArrowLeft", "row 13, column 13"),
                      ("ArrowDown", "row 14, column 13"), ("ArrowRight", "row 14, column 14")]:
        page.keyboard.press(key)
        assert where.inner_text() == f"Pen at {text}"
    assert not view.drawn.any()
    page.keyboard.press(" ")
    assert where.inner_text() == "Pen at row 14, column 14, on ink"
    dot = view.drawn
    assert dot[27:29, 27:29].min() == 1 and dot[:22].max() == dot[35:].max() == 0
    middle = cursor.bounding_box()
    assert (middle["x"] + middle["width"] / 2, middle["y"] + middle["height"] / 2) == (
        pytest.approx(view.point(28, 28), abs=1))
    for _ in range(6):
        page.keyboard.press("Shift+ArrowDown")
    assert where.inner_text() == "Pen at row 20, column 14, on ink"
    drawn = view.drawn
    assert drawn[27:40, 27:29].min() == 1 and drawn[44:].max() == 0
    view.agrees()
    for _ in range(40):
        page.keyboard.press("ArrowLeft")
    assert where.inner_text() == "Pen at row 20, column 0"
    page.keyboard.press("Home")
    assert where.inner_text() == "Pen at row 14, column 14, on ink"
    page.keyboard.press("Delete")
    assert not view.drawn.any()


def test_keys_do_not_leave_the_widget(page):
    listen_outside(page)
    view = View(page)
    view.press("a", "ArrowDown", " ", "Home", "Delete", "Backspace")
    view.button("Clear").press("b")
    view.root.get_by_label("Saliency", exact=True).press("ArrowDown")
    assert page.evaluate("window.heard") == []


def test_a_finger_draws_on_a_telephone(chromium, address):
    with open_page(chromium, address, width=360, has_touch=True) as page:
        view = View(page, "empty")
        assert view.sheet.evaluate("one => getComputedStyle(one).touchAction") == "none"
        view.page.touchscreen.tap(*view.point(20, 30))
        assert view.drawn[19:21, 29:31].min() == 1 and view.drawn.sum() < 40
        view.agrees()
        assert no_sideways_scrolling(page)
        top = view.root.bounding_box()["y"]
        says = view.root.locator(".cnn-sentence").bounding_box()
        assert says["y"] + says["height"] - top < 640, "drawing and answer are seen together"


def test_the_view_fits_a_slide(chromium, address):
    with open_page(chromium, address, width=1024) as page:
        assert View(page).root.bounding_box()["height"] < 740


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_are_both_readable(chromium, address, scheme):
    with open_page(chromium, address, color_scheme=scheme) as page:
        View(page, "saliency")
        contrasts = page.evaluate(CONTRASTS)
        assert len(contrasts) > 60 and min(contrasts)[0] >= 4.5, min(contrasts)


def test_without_scripts_the_still_is_shown(chromium, address):
    with open_page(chromium, address, java_script_enabled=False) as page:
        stills = page.locator(".course-widget img")
        assert stills.count() == len(SHOWN)
        assert all("probabilities in %" in still.get_attribute("alt") for still in stills.all())


FAKE_MODEL = """async ([state, changes]) => {
    const source = document.querySelector('script[data-module]').textContent;
    const address = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
    const view = (await import(address)).default;
    const heard = [];
    const model = { get: (name) => state[name], set() {}, save_changes() {},
        on: (event, listener) => heard.push([event, listener]),
        off: (event, listener) => heard.splice(heard.findIndex(([, one]) => one === listener), 1) };
    const el = document.createElement('div');
    const stop = await view.render({ model, el });
    Object.assign(state, changes);
    Object.keys(changes).forEach((name) => heard.filter(([event]) => event === `change:${name}`)
        .forEach(([, listener]) => listener()));
    const told = [el.querySelector('.cnn-sentence').textContent,
        el.querySelectorAll('.cnn-digit-layer').length];
    stop();
    return [...told, el.children.length, heard.length];
}"""


def test_what_python_changes_is_shown_and_taking_the_view_away_ends_all(page):
    before, after = DrawDigit(s4_network()), DrawDigit(odd_network(), image=drawn(9))
    changes = {name: after.state()[name] for name in ("drawing", "network", "centring")}
    told, layers, children, listeners = page.evaluate(FAKE_MODEL, [before.state(), changes])
    assert told == f"{after._sentence()}." and layers == len(after.model.layers)
    assert (children, listeners) == (0, 0)


def test_the_keys_are_told_when_asked(page):
    told = page.locator(".cnn-help").first
    assert not told.is_visible()
    page.get_by_role("button", name="Keys").first.click()
    assert told.is_visible() and "space paints a dot" in told.inner_text()
