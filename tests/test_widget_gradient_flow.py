"""Scatter and gather of a convolution's gradient, and pooling's ties: in Python and in Chromium."""

import json

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
from course_lib.pool import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward
from course_lib.shapes import ShapeError, resolve_windows
from course_lib.stills.gradient_flow import draw_gradient_flow
from course_lib.widgets import WIDGET_MIMETYPE, GradientFlow

DX, DW = [[0, 1, 2], [0, 5, 8], [0, 6, 8]], [[53, 26], [45, 15]]


def conv_gradients(x, weight, dy, stride, padding):
    x, weight, dy = (np.array(part, float)[None, None] for part in (x, weight, dy))
    cache = conv2d(x, weight, stride=stride, padding=padding)[1]
    return [part[0, 0] for part in conv2d_backward(dy, cache)[:2]]


def padded_dx(x, weight, dy, where):
    """dX before the crop, as the gradient with respect to an image that was padded by hand."""
    return conv_gradients(np.pad(x, where.padding), weight, dy, where.stride, 0)[0]


def pool_gradient(x, dy, kind, kernel_size, stride):
    """dX by the course's own pooling: its rule is the first maximum."""
    x, dy = (np.array(part, float)[None, None] for part in (x, dy))
    forward, backward = {"max": (max_pool2d, max_pool2d_backward),
                         "average": (avg_pool2d, avg_pool2d_backward)}[kind]
    return backward(dy, forward(x, kernel_size, stride)[1])[0, 0]


def published_pool_gradient(x, dy, kernel_size, stride):
    """As published twice: the window is compared with its maximum."""
    dx = np.zeros(np.shape(x))
    for i, j in np.ndindex(*np.shape(dy)):
        seen = np.s_[i * stride[0]:i * stride[0] + kernel_size[0],
                     j * stride[1]:j * stride[1] + kernel_size[1]]
        window = np.array(x)[seen]
        dx[seen] += (window == np.max(window)) * dy[i][j]
    return dx


def shared_pool_gradient(x, dy, kernel_size, stride):
    """PyTorch's amax shares a gradient evenly among equal maxima."""
    torch = pytest.importorskip("torch")
    x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    windows = x.unfold(0, kernel_size[0], stride[0]).unfold(1, kernel_size[1], stride[1])
    (windows.amax(dim=(2, 3)) * torch.tensor(dy, dtype=torch.float64)).sum().backward()
    return x.grad.numpy()


def random_case(rng):
    """x, weight, dy, stride and padding that fit together."""
    while True:
        size, kernel_size = rng.integers(1, 8, size=2), rng.integers(1, 4, size=2)
        stride, sides = rng.integers(1, 4, size=2).tolist(), rng.integers(0, 3, size=(2, 2))
        padding = [0, int(sides[0, 0]), sides.tolist(), "same"][rng.integers(4)]
        try:
            where = resolve_windows(tuple(size), tuple(kernel_size), tuple(stride), padding)
        except ShapeError:
            continue
        shapes = size, kernel_size, where.output
        return [rng.normal(size=shape).tolist() for shape in shapes] + [stride, padding]


def make(case, **options):
    x, weight, dy, stride, padding = case
    return GradientFlow(x, weight, dy, stride=stride, padding=padding, **options)


# ---- Python


def test_the_default_is_the_published_worked_example():
    w = GradientFlow()
    dx, dweight = w.gradients()
    assert dx.tolist() == DX and dweight.tolist() == DW
    assert w.dy == [[1, 2], [3, 4]]
    assert repr(w) == ("GradientFlow: conv of x 3×3 with weight 2×2, stride 1×1, padding 0 -> dy "
                       "2×2; view scatter at (0, 0): dy = 1; sum of dy 10, of dX 30, of dW 139")


@given(st.integers(0, 10**6))
def test_gradients_of_a_convolution_equal_torchs(seed):
    torch = pytest.importorskip("torch")
    case = random_case(np.random.default_rng(seed))
    w = make(case)
    x, weight = (torch.tensor(part, dtype=torch.float64)[None, None].requires_grad_()
                 for part in case[:2])
    (top, bottom), (left, right) = w._where().padding
    padded = torch.nn.functional.pad(x, (left, right, top, bottom))
    y = torch.nn.functional.conv2d(padded, weight, stride=case[3])
    (y[0, 0] * torch.tensor(case[2], dtype=torch.float64)).sum().backward()
    for found, expected in zip(w.gradients(), (x.grad, weight.grad)):
        np.testing.assert_allclose(found, expected[0, 0].numpy(), atol=1e-10)


@given(st.integers(0, 10**6), st.sampled_from([(2, 2), (2, 1), (3, 2)]), st.booleans())
def test_the_rules_for_ties(seed, kernel_size, apart):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 3, (5, 6))
    stride = kernel_size if apart else (1, 2)
    w = GradientFlow(x, kind="max", kernel_size=kernel_size, stride=stride)
    arguments = x.tolist(), w.dy, kernel_size, stride
    expected = {"first": pool_gradient(x, w.dy, "max", kernel_size, stride),
                "all": published_pool_gradient(*arguments)}
    for w.rule in ("first", "all"):
        np.testing.assert_allclose(w.gradients()[0], expected[w.rule])
    w.rule = "shared"
    np.testing.assert_allclose(w.gradients()[0], shared_pool_gradient(
        x.astype(float).tolist(), *arguments[1:]))
    assert w.gradients()[0].sum() == pytest.approx(np.sum(w.dy))
    w.kind = "average"
    np.testing.assert_allclose(w.gradients()[0],
                               pool_gradient(x, w.dy, "average", kernel_size, stride))
    assert w.gradients()[1] is None


def test_pooling_has_its_own_example_whose_ties_double_the_gradient():
    sums = {rule: GradientFlow(kind="max", rule=rule).gradients()[0].sum()
            for rule in ("first", "all", "shared")}
    assert sums == {"first": 10, "all": 24, "shared": 10}
    assert GradientFlow(kind="max").stride == (2, 2) and GradientFlow().stride == (1, 1)


def test_dy_is_counted_anew_where_its_size_no_longer_fits():
    w = GradientFlow()
    w.dy = [[5, 6], [7, 8]]
    w.stride = (1, 1)
    assert w.dy == [[5, 6], [7, 8]]
    w.padding = 1
    assert w.dy == (np.arange(16) + 1).reshape(4, 4).tolist()
    w.x = np.ones((2, 4))
    assert np.shape(w.dy) == (3, 5)
    w.weight = np.ones((3, 1))
    assert np.shape(w.dy) == (2, 6)
    w.x = np.ones((4, 4))
    w.padding = 0
    w.kind = "max"
    assert np.shape(w.dy) == (3, 3)
    w.kernel_size = 4
    assert w.dy == [[1]]


def test_each_view_walks_over_its_own_cells():
    w = GradientFlow(np.ones((4, 5)), np.ones((2, 3)), view="dx", position=(3, 4))
    w.view = "dw"
    assert w.position == (1, 2)
    w.view = "scatter"
    w.position = (2, 2)
    w.weight = [[1]]
    w.position = (3, 4)
    w.view = "dw"
    assert w.position == (0, 0)
    w.view, w.kind = "dx", "max"
    assert w.view == "scatter"


def test_play_and_pause():
    w = GradientFlow()
    w.play()
    assert w.state()["playing"]
    w.pause()
    assert not w.playing


def test_the_state_is_plain_python_whatever_came_in():
    w = GradientFlow(np.ones((3, 3), np.float32), "identity", np.int64([[4]]), stride=np.int64(2),
                     padding=((np.int8(0), 0), (0, 0)), view="dx", position=np.array([1, 2]))
    assert json.loads(json.dumps(w.state())) == {
        "x": [[1.0] * 3] * 3, "weight": [[0, 0, 0], [0, 1, 0], [0, 0, 0]], "dy": [[4.0]],
        "kind": "conv", "kernel_size": [2, 2], "stride": [2, 2], "padding": [[0, 0], [0, 0]],
        "rule": "first", "view": "dx", "position": [1, 2], "playing": False, "show_all": False,
    }


WRONG = [
    (dict(x=[1, 2]), r"x must have the shape \(rows, columns\).*got \(2,\)"),
    (dict(x=[[1]]), "the kernel, 2x2, is larger than the .*image, 1x1"),
    (dict(x=np.ones((3, 13))), "at most 12 rows and columns .* got 3×13 and 2×2; use a smaller"),
    (dict(weight=np.ones((1, 6)), x=np.ones((7, 7))), "kernel at most 5, got 7×7 and 1×6"),
    (dict(weight=[[np.nan]]), "weight must hold finite numbers"),
    (dict(dy=[[1, 2]]), "dy must have the shape of y, 2×2, got 1×2; set x, weight, stride and"),
    (dict(kind="mean"), "kind must be one of 'conv', 'max', 'average', got 'mean'"),
    (dict(rule="last", kind="max"), "rule must be one of 'first', 'all', 'shared', got 'last'"),
    (dict(view="dX"), "view must be one of 'scatter', 'dw', 'dx', got 'dX'; did you mean 'dx'[?]$"),
    (dict(view="dy"), "view must be one of 'scatter', 'dw', 'dx', got 'dy'[.]$"),
    (dict(show_all=1), "show_all must be True or False, got 1"),
    (dict(stride=0), "stride must be a whole number, at least 1, got 0"),
    (dict(padding=-1), "padding must be a whole number, at least 0, got -1"),
    (dict(padding=5), "at most 12 rows and columns"),
    (dict(kernel_size=0, kind="max"), "kernel_size must be a whole number, at least 1, got 0"),
    (dict(kind="max", padding=1), "padding must be 0 for kind='max', got 1; put the border into"),
    (dict(kind="average", view="dw"), "view must be 'scatter' for kind='average', got 'dw': pool"),
    (dict(position=(2, 0)), r"row 0 to 1 and column 0 to 1, got \(2, 0\)"),
    (dict(position=(3, 0), view="dx"), r"row 0 to 2 and column 0 to 2, got \(3, 0\)"),
]


@pytest.mark.parametrize("change, message", WRONG)
def test_wrong_values_are_refused_and_the_old_ones_stay(change, message):
    with pytest.raises(ShapeError, match=f"GradientFlow: .*{message}"):
        GradientFlow(**change)
    if len(change) > 1:
        return
    w = GradientFlow(position=(1, 1))
    before = w.state()
    name, value = next(iter(change.items()))
    with pytest.raises(ValueError, match=message):
        setattr(w, name, value)
    assert w.state() == before


@pytest.mark.parametrize("name, value", [("rule", "all"), ("kernel_size", 3)])
def test_what_only_pooling_knows_is_refused_for_a_convolution(name, value):
    with pytest.raises(ShapeError, match=f"GradientFlow: {name} is for pooling, got "
                                         f"{name}={value!r} with kind='conv'; add kind='max' or leave it out"):
        GradientFlow(**{name: value})
    w = GradientFlow(np.ones((4, 4)), kind="max", **{name: value})
    assert w.state()[name] == {"rule": "all", "kernel_size": (3, 3)}[name]


def test_what_comes_from_the_browser_together_is_checked_together():
    w = GradientFlow(position=(1, 1))
    w.set_state({"stride": [2, 2], "dy": [[7]], "view": "dx", "position": [2, 2]})
    assert (w.dy, w.view, w.position) == ([[7]], "dx", (2, 2))
    with pytest.raises(ShapeError, match="dy must have the shape"):
        w.set_state({"padding": 1, "dy": [[8]]})
    assert (w.padding, w.dy) == (0, [[7]])


def test_bundle_holds_view_still_text_and_state_and_is_the_same_twice():
    def kept():
        w = GradientFlow(view="dw", position=(0, 1))
        data, metadata = w._repr_mimebundle_()
        assert data.pop("application/vnd.jupyter.widget-view+json")
        assert data["text/plain"] == repr(w)
        assert data[WIDGET_MIMETYPE] == {"module": "gradient_flow", "state": w.state()}
        assert metadata["image/png"]["alt"] == ("Gradient of a convolution, dW = x ⋆ dy: dW(0, 1) "
                                                "= 1·3 + 2·4 + 3·5 + 4·0 = 26.")
        return json.dumps([data, metadata])

    assert kept() == kept()


@pytest.mark.parametrize("view, sum_of", [("dw", 1), ("dx", 0)])
def test_stills_write_the_sum_of_every_cell(view, sum_of, rng):
    w = GradientFlow(rng.integers(-3, 9, (5, 4)), rng.integers(-2, 3, (3, 2)), padding=(1, 0),
                     stride=(2, 1), view=view)
    found = w.gradients()[sum_of]
    for w.position in np.ndindex(*found.shape):
        alt = w.still().alt
        said = alt.split(": ")[1].removesuffix(".")
        products = said.split(" = ")[1] if " = " in said else "0"
        total = sum(np.prod([float(f.strip("()")) for f in term.split("·")])
                    for term in products.split(" + "))
        assert total == found[w.position] and said.endswith(f"= {found[w.position]:g}")
    long = GradientFlow(np.ones((6, 6)), view="dw").still().alt
    assert long.endswith("dW(0, 0) = 325, the sum of 25 products.")


def test_the_stills_of_scatter_and_pooling():
    assert GradientFlow(position=(0, 1)).still().alt.endswith(
        "dy(0, 1) = 2 adds 2·w to its window of dX, and 2 times its window of x to dW.")
    told = GradientFlow(kind="max", rule="all").still().alt
    assert "every maximum, in full: the sum of dX is 24, not the sum of dy, 10." in told
    assert "as large as the sum of dy, 10." in GradientFlow(kind="average").still().alt
    for w in (GradientFlow(padding=2, position=(0, 0)), GradientFlow(padding=2, position=(5, 5))):
        assert len(w.still().figure.axes) == 5  # a window that lies in the padding alone


def test_a_still_refuses_what_does_not_fit_together():
    with pytest.raises(ValueError, match=r"draw_gradient_flow: expected dy of shape \(1, 1\), got"):
        draw_gradient_flow(np.ones((2, 2)), np.ones((2, 2)), np.ones((2, 1)), np.ones((2, 2)),
                           np.ones((2, 2)), resolve_windows((2, 2), 2), (0, 0))


# ---- the browser

TALL = np.arange(42).reshape(6, 7) % 10
SHOWN = {
    "default": GradientFlow(),
    "padded": GradientFlow(padding=1, view="dx", position=(1, 1)),
    "strided": GradientFlow(TALL[:5, :6], [[1, -2, 0], [3, 1, -1]], stride=(2, 3),
                            padding=((0, 1), (1, 0)), view="dw"),
    "gaps": GradientFlow(TALL[:5, :5], [[2]], stride=2, view="dx"),
    "wide": GradientFlow(np.ones((6, 10)), np.ones((5, 5))),
    "max": GradientFlow(kind="max"),
    "average": GradientFlow(kind="average", x=TALL[:3, :4], stride=1),
}
NAMES = list(SHOWN)
CONV = NAMES[:4]


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
    """One gradient view; its grids go by the names that stand above them."""

    TITLES = {"scatter": ["x", "w", "dy", "dX", "dW"], "dw": ["x", "dy", "dW"],
              "dx": ["full dy", "w turned", "dX"], "pool": ["x", "dy", "dX"]}
    WALKED = {"scatter": "dy", "dw": "dW", "dx": "dX"}

    def __init__(self, page, name="default", view=None):
        super().__init__(page, NAMES.index(name), output=0)
        self.widget = SHOWN[name]
        self.panels = {}
        for panel in self.root.locator(".cnn-view").all():
            key = panel.get_attribute("data-view")
            titles = self.TITLES["pool" if self.widget.kind != "conv" else key]
            self.panels[key] = dict(zip(titles, panel.locator(".cnn-grid").all(), strict=True))
        self.go(view or self.widget.view)

    def go(self, view):
        self.view = view
        self.grid = self.panels[view]
        self.output = self.grid[self.WALKED[view]]
        names = {"scatter": "Scatter", "dw": "Gather dW", "dx": "Gather dX"}
        if self.widget.kind == "conv":
            self.root.get_by_label(names[view], exact=True).check()

    def show_all(self):
        self.button("^Show all of dW and dX$").click()

    @staticmethod
    def asked(grid):
        """The cells that show a question mark."""
        return [tuple(place) for place in grid.locator(".cnn-cell").evaluate_all(
            "cells => cells.filter((c) => c.textContent === '?')"
            ".map((c) => [Number(c.dataset.row), Number(c.dataset.column)])")]

    @property
    def place(self):
        """The position; in dX the padding in front of it is not counted."""
        (before, _), (left, _) = self.widget._where().padding if self.view == "dx" else ((0, 0),) * 2
        row, column = self.position
        return row - before, column - left

    def added(self, grid):
        cells = grid.locator(".cnn-cell[data-add]").evaluate_all(
            "cells => cells.map((c) => [+c.dataset.row, +c.dataset.column, c.dataset.add])")
        return {(i, j): float(text.replace("\u2212", "-")) for i, j, text in cells}

    def point(self, i, j):
        (before, _), (left, _) = self.widget._where().padding if self.view == "dx" else ((0, 0),) * 2
        self.cell(i + before, j + left).hover()


def test_the_browsers_gradients_equal_the_packages(page, rng):
    cases = [random_case(rng) for _ in range(600)]
    found = run_cases(page, cases, """
        const [x, weight, dy, stride, padding] = given;
        const windows = cnn.resolveWindows(cnn.sizeOf(x), cnn.sizeOf(weight), stride, padding);
        const scattered = cnn.scatter(x, weight, dy, windows);
        const gathered = cnn.gather(x, weight, dy, windows);
        return [[scattered, gathered].map(({ dpadded, dweight }) =>
            [cnn.crop(dpadded, windows.padding), dweight, dpadded]),
            cnn.correlate(cnn.fullGradient(dy, cnn.sizeOf(x), windows), cnn.turn(weight)),
            cnn.fullGradient(dy, cnn.sizeOf(x), windows).flatMap((row, i) => row.filter((v, j) =>
                cnn.upstreamAt(i, j, cnn.sizeOf(x), windows) !== null))];""")
    for case, (orders, correlated, upstream) in zip(cases, found, strict=True):
        x, weight, dy, stride, padding = case
        where = resolve_windows(np.shape(x), np.shape(weight), tuple(stride), padding)
        expected = [*conv_gradients(*case), padded_dx(x, weight, dy, where)]
        for order in orders:
            for part, right in zip(order, expected, strict=True):
                np.testing.assert_allclose(np.array(part).reshape(right.shape), right, atol=1e-9)
        np.testing.assert_allclose(correlated, expected[2], atol=1e-9)
        assert upstream == np.ravel(dy).tolist()


def test_the_browsers_routing_equals_torchs_and_the_published_one(page, rng):
    cases = []
    while len(cases) < 500:
        x = rng.integers(0, 4, rng.integers(2, 7, size=2))
        kernel_size, stride = rng.integers(1, 4, size=2), rng.integers(1, 4, size=2)
        if (kernel_size <= x.shape).all():
            where = resolve_windows(x.shape, tuple(kernel_size), tuple(stride))
            dy = rng.normal(size=where.output)
            cases.append([x.tolist(), dy.tolist(), kernel_size.tolist(), stride.tolist()])
    found = run_cases(page, cases, """
        const [x, dy, kernelSize, stride] = given;
        const windows = cnn.resolveWindows(cnn.sizeOf(x), kernelSize, stride, 0);
        return [["max", "first"], ["max", "all"], ["max", "shared"], ["average", "all"]]
            .map(([kind, rule]) => cnn.poolScatter(x, dy, kind, rule, windows));""")
    for (x, dy, kernel_size, stride), parts in zip(cases, found, strict=True):
        expected = [pool_gradient(x, dy, "max", tuple(kernel_size), tuple(stride)),
                    published_pool_gradient(x, dy, kernel_size, stride),
                    shared_pool_gradient(x, dy, kernel_size, stride),
                    pool_gradient(x, dy, "average", tuple(kernel_size), tuple(stride))]
        np.testing.assert_allclose(parts, expected, atol=1e-9)


@pytest.mark.parametrize("name", CONV)
def test_scatter_adds_one_upstream_value_after_the_other(page, name):
    w, view = SHOWN[name], View(page, name, "scatter")
    x, weight, dy = (np.array(part) for part in (w.x, w.weight, w.dy))
    where = w._where()
    (KH, KW), (sh, sw) = where.kernel_size, where.stride
    dpadded, dweight = np.zeros(view.values(view.grid["dX"]).shape), np.zeros(weight.shape)
    padded = np.pad(x, where.padding)
    for number, (i, j) in enumerate(np.ndindex(*dy.shape), 1):
        view.point(i, j)
        seen = np.s_[i * sh:i * sh + KH, j * sw:j * sw + KW]
        dpadded[seen] += dy[i, j] * weight
        dweight += dy[i, j] * padded[seen]
        window = [(i * sh + u, j * sw + v) for u in range(KH) for v in range(KW)]
        assert view.place == (i, j)
        assert view.framed(view.grid["x"]) == window == view.framed(view.grid["dX"])
        assert np.array_equal(view.values(view.grid["dX"]), dpadded)
        assert np.array_equal(view.values(view.grid["dW"]), dweight)
        shares = dict(zip(window, (dy[i, j] * weight).ravel()))
        assert view.added(view.grid["dX"]) == shares
        assert view.added(view.grid["dW"]) == dict(
            zip(np.ndindex(KH, KW), (dy[i, j] * padded[seen]).ravel()))
        assert view.sentence.startswith(f"dy({i}, {j}) = {dy[i, j]:g}: ")
        assert f"Added {number} of {dy.size}; db so far {dy.ravel()[:number].sum():g}." in (
            view.sentence)
    assert np.array_equal(dpadded, padded_dx(x, weight, dy, where))
    assert np.array_equal(dweight, w.gradients()[1])


@pytest.mark.parametrize("name", CONV)
def test_a_cell_of_dw_gathers_pixels_under_dy(page, name):
    w, view = SHOWN[name], View(page, name, "dw")
    dweight, (sh, sw) = w.gradients()[1], w._where().stride
    padded, dy = np.pad(w.x, w._where().padding), np.array(w.dy)
    OH, OW = dy.shape
    view.show_all()
    assert np.array_equal(view.values(view.grid["dW"]), dweight)
    assert np.array_equal(view.values(view.grid["dy"])[::sh, ::sw], dy)
    between = set(np.ndindex((OH - 1) * sh + 1, (OW - 1) * sw + 1)) - {
        (i * sh, j * sw) for i, j in np.ndindex(OH, OW)}
    assert set(view.where(view.grid["dy"], ".cnn-border")) == between
    for u, v in np.ndindex(*dweight.shape):
        view.point(u, v)
        used = [(u + i * sh, v + j * sw) for i, j in np.ndindex(OH, OW)]
        frame = [(u + i, v + j) for i, j in np.ndindex((OH - 1) * sh + 1, (OW - 1) * sw + 1)]
        assert view.place == (u, v) and view.framed(view.grid["x"]) == frame
        assert view.where(view.grid["x"], ".cnn-used") == (used if between else [])
        pixels = [padded[place] for place in used]
        products = " + ".join(f"{a:g}·{b:g}" for a, b in zip(dy.ravel(), pixels))
        assert view.sentence.startswith(f"dW({u}, {v}) = {products} = {dweight[u, v]:g}: ")


@pytest.mark.parametrize("name", CONV)
def test_a_cell_of_dx_gathers_dy_under_the_turned_kernel(page, name):
    w, view = SHOWN[name], View(page, name, "dx")
    dx, where = w.gradients()[0], w._where()
    weight, dy = np.array(w.weight), np.array(w.dy)
    full = view.values(view.grid["full dy"])
    (KH, KW), ((top, _), (left, _)) = weight.shape, where.padding
    assert np.array_equal(view.values(view.grid["w turned"]), np.rot90(weight, 2))
    view.show_all()
    drawn = view.values(view.grid["dX"])
    assert np.array_equal(drawn, padded_dx(w.x, weight, dy, where))
    assert np.array_equal(drawn[top:top + dx.shape[0], left:left + dx.shape[1]], dx)
    inner = {(top + i, left + j) for i, j in np.ndindex(*dx.shape)}
    assert set(view.where(view.grid["dX"], ".cnn-border")) == set(np.ndindex(drawn.shape)) - inner
    values = set(np.ndindex(full.shape)) - set(view.where(view.grid["full dy"], ".cnn-border"))
    assert [full[place] for place in sorted(values)] == dy.ravel().tolist()
    for i, j in np.ndindex(*dx.shape):
        view.point(i, j)
        frame = [(i + top + a, j + left + b) for a, b in np.ndindex(KH, KW)]
        assert view.place == (i, j) and view.framed(view.grid["full dy"]) == frame
        met = [place for place in frame if place in values]
        used = met if len(met) < KH * KW else []
        assert view.where(view.grid["full dy"], ".cnn-used") == used
        terms = [(full[a, b], np.rot90(weight, 2)[a - i - top, b - j - left]) for a, b in met]
        written = " + ".join(f"{value:g}·" + (f"({v:g})" if v < 0 else f"{v:g}")
                             for value, v in terms)
        assert view.sentence.startswith(f"dX({i}, {j}) = " + (
            f"{written} = {dx[i, j]:g}: {len(met)} output" if met
            else "0: no window reaches this pixel"))


def test_all_three_views_show_the_published_numbers_side_by_side(page):
    view = View(page)
    assert all(view.panels[key]["dW"].is_visible() for key in ("scatter", "dw"))
    view.press("End")
    assert np.array_equal(view.values(view.panels["scatter"]["dX"]), DX)
    assert np.array_equal(view.values(view.panels["scatter"]["dW"]), DW)
    view.show_all()
    assert np.array_equal(view.values(view.panels["dw"]["dW"]), DW)
    assert np.array_equal(view.values(view.panels["dx"]["dX"]), DX)
    view.go("dx")
    view.point(1, 1)
    assert view.sentence == "dX(1, 1) = 1·2 + 2·0 + 3·1 + 4·0 = 5: 4 outputs used this pixel."
    assert np.array_equal(view.values(view.panels["scatter"]["dX"]), DX)  # whole, not "so far"


def test_a_gathered_cell_is_a_question_until_it_was_visited(page):
    view = View(page)
    dw, dx = view.panels["dw"]["dW"], view.panels["dx"]["dX"]
    assert view.asked(dw) == list(np.ndindex(2, 2)) and view.asked(dx) == list(np.ndindex(3, 3))
    view.go("dw")
    assert view.asked(dw) == [(0, 1), (1, 0), (1, 1)], "the first one is the example"
    so_far = view.values(view.panels["scatter"]["dX"])
    assert so_far.tolist() == [[0, 1, 0], [0, 2, 0], [0, 0, 0]], "scatter waits where it was"
    view.point(1, 1)
    assert view.asked(dw) == [(0, 1), (1, 0)] and view.cell(1, 1).inner_text() == "15"
    view.press("Home", "ArrowRight")
    assert view.asked(dw) == [(1, 0)] and len(view.asked(dx)) == 9
    view.show_all()
    assert view.asked(dw) == view.asked(dx) == []
    assert np.array_equal(view.values(view.panels["scatter"]["dX"]), DX)
    view.button("^Hide what was not visited of dW and dX$").click()
    assert view.asked(dw) == [(1, 0)] and len(view.asked(dx)) == 9
    view.button("New numbers").click()
    assert view.asked(dw) == [(0, 0), (1, 0), (1, 1)], "new numbers are new questions"
    view.button("Reset").click()
    assert len(view.asked(dw)) == 4


def test_reset_asks_again_and_the_cropped_border_is_no_question(page):
    view = View(page, "padded", "dx")
    inner = [(1 + i, 1 + j) for i, j in np.ndindex(3, 3)]
    assert view.asked(view.grid["dX"]) == [place for place in inner if place != (2, 2)]
    view.press("End", "ArrowLeft")
    assert len(view.asked(view.grid["dX"])) == 6
    view.button("Reset").click()
    assert view.asked(view.grid["dX"]) == [place for place in inner if place != (2, 2)]


def test_python_can_show_all_and_an_older_state_hides(chromium, tmp_path):
    shown, old = GradientFlow(view="dw", show_all=True), GradientFlow(view="dw")
    state = old.state()
    state.pop("show_all")
    object.__setattr__(old, "state", lambda: state)
    with open_page(chromium, build_page(tmp_path, [shown, old])) as page:
        views = [WidgetView(page, k, 7) for k in (0, 1)]
        assert View.asked(views[0].output) == [] and len(View.asked(views[1].output)) == 3
        views[0].button("Reset").click()
        assert View.asked(views[0].output) == []
        views[1].button("^Show all").click()
        assert views[1].values(views[1].output).tolist() == DW


@pytest.mark.parametrize("stride, padding, dw, dx", [
    (1, 0, "= x ⋆ dy", "= full dy ⋆ turned w"),
    (2, 0, "= x ⋆ dilated dy", "= full dilated dy ⋆ turned w"),
    (1, 1, "= padded x ⋆ dy", "= full dy ⋆ turned w, cropped"),
    (2, 1, "= padded x ⋆ dilated dy", "= full dilated dy ⋆ turned w, cropped"),
])
def test_the_names_of_the_views_say_what_they_compute(page, stride, padding, dw, dx):
    view = View(page)
    view.choose("Stride", str(stride))
    view.choose("Padding", str(padding))
    told = [text.strip() for text in view.root.locator(".cnn-views small").all_inner_texts()]
    assert told == ["dX += dy·w, dW += dy·x", dw, dx]


def test_the_keys_are_told_when_asked(page):
    for name, words in (("default", "what is cropped"), ("max", "Solid ring")):
        view = View(page, name, "scatter")
        told = view.root.locator(".cnn-help")
        assert not told.is_visible()
        view.button("^Keys$").click()
        assert told.is_visible() and words in told.inner_text()


def test_tab_goes_to_the_view_that_was_chosen(page):
    view = View(page)
    view.root.get_by_label("Gather dX", exact=True).focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    assert view.sentence.startswith("dX(2, 2) = 4·2 = 8")
    assert view.root.get_by_label("Gather dX", exact=True).is_checked()
    stops = [panel[View.WALKED[key]].get_attribute("tabindex")
             for key, panel in view.panels.items()]
    assert stops == ["-1", "-1", "0"]


def test_a_larger_example_shows_one_view_at_a_time(page):
    view = View(page, "strided", "dw")
    assert view.panels["dw"]["dW"].is_visible()
    assert not view.panels["dx"]["dX"].is_visible()


def test_pointing_at_the_cropped_border_changes_nothing(page):
    view = View(page, "padded")
    view.point(2, 0)
    view.cell(0, 0).hover()
    assert view.place == (2, 0)


def test_what_marks_a_cell_is_more_than_a_colour(page):
    view = View(page, "strided", "dw")
    used = view.grid["x"].locator(".cnn-used").first
    assert "inset" in view.looks(used, "boxShadow")
    zero = view.grid["dy"].locator(".cnn-border").first
    assert "repeating-linear-gradient" in view.looks(zero, "backgroundImage")
    scatter = View(page)
    added = scatter.grid["dX"].locator("[data-add]").nth(3)
    assert scatter.looks(added, "content", "::after") == '"+2"'


@pytest.mark.parametrize("rule, option, sums, words", [
    ("first", "first maximum only", (3, 10), "the first one gets it"),
    ("all", "all, each in full", (6, 24), "each gets all of it"),
    ("shared", "all, in equal parts", (3, 10), "each gets 1/2 of it"),
])
def test_pooling_routes_ties_by_three_rules(page, rule, option, sums, words):
    view = View(page, "max")
    view.choose("Ties", option)
    w = GradientFlow(kind="max", rule=rule)
    view.press("End")
    assert np.array_equal(view.values(view.grid["dX"]).round(2), w.gradients()[0].round(2))
    view.cell(1, 0).hover()  # the window 4, 1, 2, 4
    assert view.where(view.grid["x"], ".cnn-winner") == [(2, 0)]
    assert view.where(view.grid["x"], ".cnn-tied") == [(3, 1)]
    assert f"dy(1, 0) = 3, window 4, 1, 2, 4: 2 equal maxima: {words}." in view.sentence
    shares = {"first": [3, 0, 0, 0], "all": [3, 0, 0, 3], "shared": [1.5, 0, 0, 1.5]}[rule]
    assert list(view.added(view.grid["dX"]).values()) == shares
    sent, told = sums[0], f"Sent {', '.join(f'{s:g}' for s in shares)}: in all {sums[0]:g}, "
    assert told + ("as much as dy." if sent == 3 else "not 3.") in view.sentence
    kept = "✓ kept." if sums[1] == 10 else "✗ not kept, 14 too much."
    assert view.lines[1] == f"After all cells: sum of dX = {sums[1]}, sum of dy = 10: {kept}"


def test_an_average_has_no_ties(page):
    view = View(page, "average")
    w = SHOWN["average"]
    assert not view.root.get_by_label("Ties", exact=True).is_visible()
    view.press("End")
    assert np.allclose(view.values(view.grid["dX"]), w.gradients()[0], atol=0.006)
    assert view.lines[0].endswith("sum of dX = 21, sum of dy = 21: ✓ kept.")
    view.choose("Pooling", "max")
    assert np.array_equal(view.values(view.grid["dX"]),
                          pool_gradient(w.x, w.dy, "max", 2, 1))


def test_every_number_can_be_edited(page):
    view = View(page)
    view.root.get_by_label("Edit", exact=True).check()
    boxes = view.root.locator(".cnn-cell input")
    assert boxes.count() == 9 + 4 + 4
    for name, value in (("x row 1, column 1", "-5"), ("w row 0, column 0", "1,5"),
                        ("dy row 1, column 0", "0")):
        view.root.get_by_label(name, exact=True).fill(value)
    view.root.get_by_label("w row 0, column 1", exact=True).fill("x")
    assert view.root.locator("input[aria-invalid='true']").count() == 1
    w = GradientFlow([[0, 3, 4], [9, -5, 0], [6, 2, 1]], [[1.5, 1], [0, 2]], [[1, 2], [0, 4]])
    assert view.place == (1, 0), "the cell of dy that is typed in is the one that is shown"
    view.root.get_by_label("Edit", exact=True).uncheck()
    assert boxes.count() == 0
    view.show_all()
    dx, dweight = w.gradients()
    assert np.allclose(view.values(view.panels["dx"]["dX"]), dx)
    assert np.allclose(view.values(view.panels["dw"]["dW"]), dweight)
    view.button("Reset").click()
    view.show_all()
    assert np.array_equal(view.values(view.panels["dx"]["dX"]), DX)


def test_typing_moves_nothing_and_stays_inside(page):
    listen_outside(page)
    view = View(page)
    view.root.get_by_label("Edit", exact=True).check()
    box = view.root.get_by_label("dy row 0, column 1", exact=True)
    box.click()
    for key in ("1", "ArrowLeft", "Home", " ", "2"):
        page.keyboard.press(key)
    assert view.place == (0, 1) and box.input_value().replace(" ", "") == "21"
    assert view.button("Play").is_visible()
    assert page.evaluate("window.heard") == []


@pytest.mark.parametrize("changes", [
    {"Stride": "2"}, {"Padding": "1"}, {"Padding": "2", "Stride": "3"}, {"Image": "6 × 6"},
    {"Image": "5 × 5", "Stride": "3"},
])
def test_sizes_can_be_chosen(page, changes):
    view = View(page)
    for label, option in changes.items():
        view.choose(label, option)
    view.show_all()
    view.go("dx")
    x = view.values(view.panels["scatter"]["x"])
    side = int(changes.get("Image", "3")[0])
    padding, stride = (int(changes.get(name, least)) for name, least in
                       (("Padding", 0), ("Stride", 1)))
    x = x[padding:padding + side, padding:padding + side]
    assert x[:3, :3].tolist() == GradientFlow().x
    w = GradientFlow(x, padding=padding, stride=stride)  # dy counts anew
    where = w._where()
    assert np.array_equal(view.values(view.grid["dX"]), padded_dx(w.x, w.weight, w.dy, where))
    assert np.array_equal(view.values(view.panels["dw"]["dW"]), w.gradients()[1])


def test_sizes_that_do_not_fit_are_greyed_out(page):
    view = View(page, "strided")
    options = view.root.get_by_label("Image", exact=True).locator("option")
    assert options.all_inner_texts() == ["3 × 3", "4 × 4", "5 × 5", "6 × 6", "5 × 6"]
    wide = View(page, "wide")
    for label, expected in (("Image", [True, True, False, False, False]),
                            ("Padding", [False, False, True])):
        options = wide.root.get_by_label(label, exact=True).locator("option").all()
        assert [o.is_disabled() for o in options] == expected, label


def test_new_numbers(page):
    view = View(page)
    view.button("New numbers").click()
    view.show_all()
    x, weight, dy = (view.values(view.grid[name]) for name in ("x", "w", "dy"))
    assert x.min() >= 0 and x.max() <= 9 and len(set(x.ravel())) > 2
    dx, dweight = conv_gradients(x, weight, dy, 1, 0)
    assert np.array_equal(view.values(view.panels["dx"]["dX"]), dx)
    assert np.array_equal(view.values(view.panels["dw"]["dW"]), dweight)
    pool = View(page, "max")
    pool.button("New numbers").click()
    pool.press("End")
    x, dy = (pool.values(pool.grid[name]) for name in ("x", "dy"))
    assert np.array_equal(pool.values(pool.grid["dX"]), pool_gradient(x, dy, "max", 2, 2))


def test_the_keyboard_path(page):
    view = View(page)
    view.press("ArrowRight", "ArrowDown")
    assert view.place == (1, 1)
    assert view.output.get_attribute("aria-activedescendant") == view.cell(1, 1).get_attribute("id")
    view.press("ArrowRight", "ArrowUp", "ArrowLeft", "ArrowLeft")
    assert view.place == (0, 0)
    view.press("End")
    assert view.place == (1, 1)
    view.press("Home")
    assert view.place == (0, 0)
    view.view, view.output = "dx", view.panels["dx"]["dX"]
    view.press("End")  # focus alone chooses the view
    assert view.place == (2, 2) and view.sentence.startswith("dX(2, 2) = 4·2 = 8")
    assert view.root.get_by_label("Gather dX", exact=True).is_checked()
    assert view.panels["scatter"]["dy"].get_attribute("aria-activedescendant") is None


def test_pointing_elsewhere_does_not_confuse_the_keys(page):
    view = View(page)
    view.press("Home")
    view.panels["dx"]["dX"].locator("[data-row='2'][data-column='2']").hover()
    assert view.sentence.startswith("dX(2, 2)")
    page.keyboard.press("ArrowLeft")  # the focus is still on dy
    assert view.sentence.startswith("dy(1, 0)")


def test_step_and_reset(page):
    view = View(page)
    for expected in [(0, 1), (1, 0), (1, 1), (0, 0), (0, 1)]:
        view.button("Step").click()
        assert view.place == expected
    view.choose("Padding", "2")
    view.go("dw")
    view.button("Reset").click()
    view.view, view.output = "scatter", view.panels["scatter"]["dy"]
    assert view.position == (0, 0) and np.array_equal(view.values(view.output), [[1, 2], [3, 4]])
    assert view.root.get_by_label("Scatter", exact=True).is_checked()


def test_keys_do_not_leave_the_widget(page):
    listen_outside(page)
    view = View(page)
    view.press("a", "ArrowDown", " ", " ", "Home", "End")
    view.button("Step").press("b")
    assert page.evaluate("window.heard") == []


@pytest.mark.parametrize("view_name, count", [("scatter", 4), ("dx", 9)])
def test_play_goes_through_the_cells_of_the_view_and_stops(chromium, address, view_name, count):
    with page_with_clock(chromium, address) as page:
        view = View(page, "default", view_name)
        live = view.root.locator(".cnn-sentence")
        view.button("Play").click()
        seen = [view.place]
        for _ in range(count - 1):
            page.clock.run_for(700)
            seen.append(view.place)
        side = 2 if count == 4 else 3
        assert seen == list(np.ndindex(side, side))
        assert live.get_attribute("aria-live") == "off" and view.button("Pause").is_visible()
        page.clock.run_for(700)
        assert view.button("Play").is_visible() and live.get_attribute("aria-live") == "polite"


def test_reduced_motion_does_not_start_by_itself(chromium, tmp_path):
    w = GradientFlow()
    w.play()
    address = build_page(tmp_path, [w])
    for motion, moves in (("reduce", False), ("no-preference", True)):
        with page_with_clock(chromium, address, reduced_motion=motion) as page:
            view = WidgetView(page, 0, 2)
            page.clock.run_for(700)
            assert (view.position != (0, 0)) == moves


def test_a_telephone_shows_one_view_and_needs_no_sideways_scrolling(chromium, address):
    with open_page(chromium, address, width=360, has_touch=True) as page:
        for name in NAMES:
            view = View(page, name)
            assert view.root.locator(".cnn-view:visible").count() == 1
            (before, _), (left, _) = SHOWN[name]._where().padding
            view.cell(0, 0).tap() if view.view != "dx" else view.cell(before, left).tap()
            assert view.place == (0, 0)
            assert no_sideways_scrolling(page)
        view = View(page)
        for key in ("dw", "dx", "scatter"):
            view.go(key)
            assert view.output.is_visible() and no_sideways_scrolling(page)
        box = view.cell(0, 0).bounding_box()
        assert box["width"] >= 28
        view.root.get_by_label("Edit", exact=True).check()
        assert no_sideways_scrolling(page)


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
        assert all(still.get_attribute("alt").startswith("Gradient of ") for still in stills.all())


def test_changes_that_arrive_together_and_taking_the_view_away(page):
    """A position may be told before the view it belongs to; what render returns ends all."""
    w = GradientFlow()
    changes = {"position": [2, 1], "view": "dx", "stride": [2, 2], "dy": [[7]]}
    told, children, listeners = page.evaluate(WITH_FAKE_MODEL, [w.state(), changes])
    assert told.startswith("dX(2, 1) = 0: no window reaches this pixel; 4 of the 4 weights meet")
    assert (children, listeners) == (0, 0)
