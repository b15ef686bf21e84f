"""The Python side of the widgets: traits and their checks, what stays in a notebook."""

import json
import re

import numpy as np
import pytest
import traitlets
from hypothesis import given
from hypothesis import strategies as st

from course_lib.shapes import ShapeError
from course_lib import widgets
from course_lib.widgets import KERNELS, WIDGET_MIMETYPE, SlidingKernel, module_source
from course_lib.widgets.base import PARTS, STATIC
from course_lib.widgets.base import plain

SEED_IMAGE, SEED_KERNEL = [[0, 3, 4], [9, 5, 0], [6, 2, 1]], [[0, 1], [0, 2]]


def make(**options):
    return SlidingKernel(SEED_IMAGE, SEED_KERNEL, **options)


def test_output_is_the_published_example():
    assert make().output().tolist() == [[13, 4], [9, 2]]


def test_output_is_a_sum_over_windows(rng):
    image, kernel = rng.normal(size=(7, 5)), rng.normal(size=(2, 3))
    expected = [[np.sum(image[i:i + 2, j:j + 3] * kernel) for j in range(3)] for i in (0, 2, 4)]
    assert np.allclose(SlidingKernel(image, kernel, stride=(2, 1)).output(), expected)


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_can_be_named(name):
    assert np.allclose(SlidingKernel(kernel=name).kernel, KERNELS[name])


def test_named_kernels_do_what_their_name_says():
    columns = np.tile([0.0, 0, 9, 9], (4, 1))  # a vertical edge
    found = {name: SlidingKernel(columns, name).output() for name in KERNELS}
    assert (found["vertical edge"] > 0).all() and (found["horizontal edge"] == 0).all()
    assert np.allclose(found["identity"], columns[1:-1, 1:-1])
    assert np.allclose(found["blur"], [[3, 6], [3, 6]])
    assert np.allclose(found["sharpen"], [[-9, 18], [-9, 18]])


def test_the_state_is_plain_python_whatever_came_in():
    w = SlidingKernel(np.ones((4, 5), np.float32), np.ones((2, 2), int), stride=np.int64(2),
                      padding=((1, np.int32(0)), (0, 1)), position=np.array([1, 1]))
    assert json.loads(json.dumps(w.state())) == {
        "answers": [], "bias": None, "channel": 0, "drawing": False, "filter": 0,
        "flipped": False, "image": [[1.0] * 5] * 4, "kernel": [[1.0] * 2] * 2,
        "padding": [[1, 0], [0, 1]], "playing": False, "position": [1, 1], "predict": False,
        "seed": 0, "stride": 2,
    }


def test_the_callers_arrays_are_not_kept():
    image = np.zeros((4, 4))
    w = SlidingKernel(image)
    image += 7
    assert w.image == [[0.0] * 4] * 4


def test_a_named_kernel_is_a_copy():
    SlidingKernel(kernel="identity").kernel[1][1] = 5.0
    assert KERNELS["identity"][1][1] == 1


WRONG = [
    (dict(image=np.ones((1, 1, 3, 3))), r"image must have the shape \(rows, columns\) or "
     r"\(channels, rows, columns\).*x\[0, 0\]"),
    (dict(image=np.ones((65, 3))), r"each 1 to 64, got \(65, 3\)"),
    (dict(image=[[]]), r"each 1 to 64, got \(1, 0\)"),
    (dict(image=[[1, 2], [3]]), r"image must be a 2-D or 3-D array of numbers, got \[\[1, 2\], "
     r"\[3\]\]"),
    (dict(image=[[np.nan]]), "image must hold finite numbers"),
    (dict(kernel=[[np.inf]]), "kernel must hold finite numbers"),
    (dict(kernel=None), "kernel must .*got"),
    (dict(kernel="blurr"), "one of vertical edge, .*identity; got 'blurr'"),
    (dict(kernel=np.ones((4, 2))), "the kernel, 4x2, is larger than the padded image, 3x3"),
    (dict(stride=0), "stride must be a whole number, at least 1, got 0"),
    (dict(stride=1.5), "stride must be a whole number, at least 1, got 1.5"),
    (dict(padding=-1), "padding must be a whole number, at least 0, got -1"),
    (dict(padding="half"), "'valid' or 'same', got 'half'"),
    (dict(position=(2, 0)), r"row 0 to 1 and column 0 to 1, got \(2, 0\)"),
    (dict(position=(0, -1)), r"column 0 to 1, got \(0, -1\)"),
    (dict(position=(0.0, 1)), r"\(row, column\), whole numbers with row 0 to 1.*got \(0.0, 1\)"),
    (dict(position=None), "position must be .*got None"),
    (dict(image="photo.png"), "image must be an array, got 'photo.png'; names are for kernels, and "
     "a picture is loaded to an array first: course_lib.image_folder"),
    (dict(image="blur"), "image must be an array, got 'blur'; names are for kernels"),
    (dict(image=np.ones((8, 9, 3))), r"\(channels, rows, columns\).*got \(8, 9, 3\); in a colour "
     r"image the channels come first: x.transpose\(2, 0, 1\)"),
    (dict(image=np.ones((32, 32, 4))), r"got \(32, 32, 4\); .*x.transpose\(2, 0, 1\)"),
    (dict(image=np.eye(3) * 1j), "image must hold real numbers, got complex ones"),
    (dict(kernel=np.eye(2) + 0j), "kernel must hold real numbers, got complex ones"),
    (dict(kernel=[[1, 2], [3]]), "kernel must be a 2-D or 3-D or 4-D array of numbers, got"),
    (dict(bias=2j), "bias must be None, a number .*got 2j"),
    (dict(stride=None), "stride must be a whole number, at least 1, got None"),
    (dict(padding=None), "padding must be a whole number, at least 0, got None"),
    (dict(filter=None), "filter must be a whole number from 0 to 0, got None"),
    (dict(answers=None), "answers must be a list of .*got None"),
    (dict(flipped=None), "flipped must be True or False, got None"),
    (dict(predict=1), "predict must be True or False, got 1"),
    (dict(drawing="yes"), "drawing must be True or False, got 'yes'"),
    (dict(position=3), "position must be .*got 3"),
    (dict(image=np.ones((17, 3, 3))), r"channels and filters 1 to 16, rows .*got \(17, 3, 3\)"),
    (dict(kernel=np.ones((2, 2, 2))), r"kernel must have the shape \(KH, KW\), \(1, KH, KW\) or "
     r"\(F, 1, KH, KW\) for an image with 1 channel, got \(2, 2, 2\)"),
    (dict(kernel=np.ones((1, 1, 1, 1, 1))), r"\(F, C, KH, KW\), .*got \(1, 1, 1, 1, 1\)"),
    (dict(bias=[1, 2]), r"bias must be None, a number or 1 numbers, one a filter, got \[1.*2"),
    (dict(bias="one"), "bias must be None, a number or a number for each filter, got 'one'"),
    (dict(bias=np.nan), "bias must be None, a number .*got nan"),
    (dict(filter=1), "filter must be a whole number from 0 to 0, got 1"),
    (dict(channel=-1), "channel must be a whole number from 0 to 0, got -1"),
    (dict(seed=0.5), "seed must be a whole number from 0 to 2147483647, got 0.5"),
    (dict(answers=[(0, 2, 0, 1)]), r"answers must be a list of \(filter, row, column, number or "
     r"None\), each inside \(1, 2, 2\), got \[\(0, 2, 0, 1\)\]"),
    (dict(answers=[(0, 0, 0, "9")]), "answers must be a list of"),
    (dict(answers=3), "answers must be a list of"),
]


@pytest.mark.parametrize("change, message", WRONG)
def test_wrong_values_are_refused_and_the_old_ones_stay(change, message):
    with pytest.raises(ShapeError, match=f"SlidingKernel: .*{message}"):
        SlidingKernel(**{"image": SEED_IMAGE, "kernel": SEED_KERNEL} | change)
    w = make(position=(1, 1))
    before = w.state()
    name, value = next(iter(change.items()))
    with pytest.raises(ValueError, match=message):
        setattr(w, name, value)
    assert w.state() == before


def test_a_wrong_message_from_the_browser_changes_nothing():
    w = make()
    with pytest.raises(traitlets.TraitError, match="got 0"):
        w.set_state({"position": [1, 1], "stride": 0})
    assert w.stride == 1


def test_matrices_stay_lists():
    w = make()
    w.kernel = [[1, 2]]
    w.image = np.eye(3)
    assert w.kernel == [[1.0, 2.0]] and w.image[0] == [1.0, 0.0, 0.0]


def test_the_browser_can_change_two_things_at_once():
    w = make(padding=1, position=(3, 3))
    w.set_state({"position": [1, 1], "stride": 2})
    assert (w.position, w.stride) == ((1, 1), 2)


@given(st.integers(1, 4), st.integers(0, 3), st.integers(1, 3), st.integers(0, 6))
def test_the_position_moves_only_as_far_as_the_output_asks(stride, padding, size, start):
    w = make(padding=3, position=(start, 2))
    with w.hold_trait_notifications():
        w.kernel, w.stride, w.padding = np.ones((size, size)), stride, padding
    last = [rest - 1 for rest in w.output().shape]
    assert w.position == (min(start, last[0]), min(2, last[1]))


def test_play_and_pause_are_one_synchronised_trait():
    w = make()
    w.play()
    assert w.playing and w.state()["playing"]
    w.pause()
    assert not w.playing


# ---- channels, filters, bias, the turned kernel


def by_loops(x, weight, bias, turned):
    """y[f, i, j] straight from the definition; a true convolution counts its kernel backwards."""
    (F, C, KH, KW), (OH, OW) = weight.shape, np.array(x.shape[1:]) - weight.shape[2:] + 1
    y = np.zeros((F, OH, OW))
    for f, i, j, c, u, v in np.ndindex(F, OH, OW, C, KH, KW):
        pixel = x[c, i + (KH - 1 - u if turned else u), j + (KW - 1 - v if turned else v)]
        y[f, i, j] += weight[f, c, u, v] * pixel
    return y + np.reshape(bias, (-1, 1, 1))


@pytest.mark.parametrize("turned", [False, True])
def test_output_of_a_whole_layer(rng, turned):
    x, weight, bias = rng.normal(size=(3, 5, 6)), rng.normal(size=(4, 3, 2, 3)), rng.normal(size=4)
    w = SlidingKernel(x, weight, bias=bias, flipped=turned)
    expected = by_loops(x, weight, bias, turned)
    assert np.allclose(w.output(), expected)
    with w.hold_trait_notifications():
        w.kernel, w.bias = weight[1], None
    assert np.allclose(w.output(), expected[1] - bias[1]), "(C, KH, KW) is one filter"
    w.kernel, w.bias = weight[1, 0], 2
    same = np.repeat(weight[1:2, :1], 3, axis=1)
    assert np.allclose(w.output(), by_loops(x, same, 2, turned)[0]), "one kernel, every channel"


def test_the_sheets_in_view_stay_inside_the_stack():
    w = SlidingKernel(np.ones((3, 4, 4)), np.ones((2, 3, 2, 2)), filter=1, channel=2)
    assert (w.filter, w.channel) == (1, 2)
    w.kernel = np.ones((3, 2, 2))
    assert (w.filter, w.channel) == (0, 2)
    w.kernel = "identity"
    w.image = np.ones((2, 4, 4))
    assert w.channel == 1 and w.output().shape == (2, 2)


def test_image_and_kernel_change_together_where_they_must():
    w = SlidingKernel(np.ones((2, 4, 4)), np.ones((2, 3, 3)))
    with w.hold_trait_notifications():
        w.image, w.kernel = np.ones((5, 5)), np.ones((2, 2))
    assert w.output().tolist() == [[4.0] * 4] * 4


def test_a_layer_keeps_its_state_and_says_what_it_is():
    w = SlidingKernel(np.ones((2, 4, 5)), np.ones((3, 2, 2, 2)), bias=[1, 2, 3], flipped=True,
                      filter=2, channel=1, position=(2, 3))
    assert repr(w) == (
        "SlidingKernel: image 2×4×5, kernel 3×2×2×2, bias [1.0, 2.0, 3.0], turned by 180°, "
        "stride 1, padding 0 -> output 3×3×4; output (2, 2, 3) = 11")
    state = json.loads(json.dumps(w.state()))
    assert state.pop("playing") is False
    again = SlidingKernel(state.pop("image"), state.pop("kernel"), **state)
    assert again.state() == w.state() and np.array_equal(again.output(), w.output())


def test_the_still_shows_the_sheet_in_view_and_says_the_rest():
    image, kernel = np.zeros((2, 3, 3)), np.arange(16).reshape(2, 2, 2, 2)
    image[1] = [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    w = SlidingKernel(image, kernel, bias=5, filter=1, channel=1, flipped=True)
    alt = w.still().alt
    assert "1·15 + 0·14 + 0·13 + 0·12 = 15" in alt, "the last kernel, turned"
    assert "turned by 180°" in alt
    assert alt.endswith("channel 1 of 2, filter 1 of 2: with the other channels and the bias the "
                        "output is 20.")
    title = w.still().figure.get_suptitle().replace("\n", " ")
    assert title == "Output row 0, column 0, filter 1, channel 1, kernel turned by 180°"
    assert "turned" not in make().still().alt and "channel" not in make().still().alt


# ---- predictions, reset


def test_answers_are_counted_to_the_decimals_that_are_shown():
    w = make(predict=True, answers=[(0, 0, 0, 13), (0, 0, 1, 4.004), (0, 1, 0, 9.006),
                                    (0, 1, 1, None)])
    assert w.score() == (2, 3)
    assert make().score() == (0, 0)


def test_only_the_first_try_of_an_output_counts():
    w = make(predict=True, answers=[(0, 0, 0, 12), (0, 0, 0, 13), (0, 0, 1, 4), (0, 0, 1, 4)])
    assert w.score() == (1, 2)
    w.answers = [(0, 0, 0, None), (0, 1, 1, 3), (0, 1, 1, None)]
    assert w.score() == (0, 1), "what was only revealed is not counted"


def test_rounded_numbers_lead_to_right_answers():
    """1/9 is shown as 0.11 in many books: six of them are 0.66, which is as right as 0.67."""
    image = np.tile([0, 0, 1], (3, 1)) + np.tile([0, 1, 0], (3, 1))
    w = SlidingKernel(image, "blur", bias=0.125)
    exact, by_factors, by_products = 6 / 9 + 0.125, 6 * 0.11 + 0.13, 6 * 0.11 + 0.13
    for typed in (exact, by_factors, by_products, 0.79, 0.786, 0.796):
        w.answers = [(0, 0, 0, typed)]
        assert w.score() == (1, 1), typed
    for typed in (by_factors - 0.02, exact + 0.02, 0.77, 0.81):
        w.answers = [(0, 0, 0, typed)]
        assert w.score() == (0, 1), typed
    w = SlidingKernel([[5, 5, 5]], [[1 / 9, 1 / 9, 1 / 9]], answers=[(0, 0, 0, 3 * 0.56)])
    assert w.score() == (1, 1), "rounded products: 1.68, rounded factors 1.65, exact 1.67"


@pytest.mark.parametrize("change", [
    dict(image=np.ones((3, 3))), dict(kernel=[[1]]), dict(bias=1), dict(stride=2),
    dict(padding=1), dict(flipped=True),
])
def test_answers_are_forgotten_when_the_outputs_change(change):
    w = make(predict=True, answers=[(0, 0, 0, 13)])
    w.position = (1, 1)
    assert w.score() == (1, 1)
    for name, value in change.items():
        setattr(w, name, value)
    assert w.answers == () and w.score() == (0, 0)


def test_the_text_of_a_prediction_does_not_tell_it():
    w = make(predict=True, position=(1, 0))
    assert repr(w).endswith("output (1, 0) = ?")
    w.answers = [(0, 1, 0, 8), (0, 0, 0, 13)]
    assert repr(w).endswith("output (1, 0) = ?"), "a wrong try tells nothing"
    w.answers = [(0, 1, 0, 8), (0, 1, 0, 9)]
    assert repr(w).endswith("output (1, 0) = 9")
    w.answers = [(0, 1, 0, 8), (0, 1, 0, None)]
    assert repr(w).endswith("output (1, 0) = 9")


def test_reset_goes_back_to_the_beginning():
    w = make(position=(1, 1), bias=2)
    before = w.state()
    w.kernel, w.stride, w.padding, w.flipped, w.bias = "blur", 2, "same", True, None
    w.image = np.ones((2, 5, 5))
    w.position, w.channel, w.seed = (2, 1), 1, 7
    w.answers = [(0, 0, 0, 1)]
    w.predict = True
    w.play()
    w.reset()
    assert w.state() == {**before, "predict": True}


def test_unknown_arguments_are_refused():
    with pytest.raises(TypeError, match="pading"):
        SlidingKernel(pading=1)


@pytest.mark.parametrize("name, message", [
    ("postion", "SlidingKernel has no 'postion' to set: did you mean position?"),
    ("strides", "did you mean stride?"),
    ("colour", "has no 'colour' to set: it has answers, bias, channel, drawing, filter, flipped, "),
])
def test_unknown_attributes_are_refused(name, message):
    w = make()
    with pytest.raises(AttributeError, match=re.escape(message)):
        setattr(w, name, 3)
    assert not hasattr(w, name)


def test_private_and_known_attributes_can_be_set():
    w = make()
    w._mine, w.layout = 3, {}
    w.flipped = np.bool_(True)
    assert w._mine == 3 and w.flipped is True


def test_few_channels_of_three_columns_are_no_colour_image():
    for shape in [(3, 5, 3), (2, 4, 4), (1, 9, 4), (4, 4, 3)]:
        assert SlidingKernel(np.ones(shape), [[1]]).output().shape == shape[1:]


# ---- what a notebook keeps


def test_bundle_holds_view_still_text_and_state():
    w = make(position=(1, 0))
    data, metadata = w._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/plain"] == (
        "SlidingKernel: image 3×3, kernel 2×2, stride 1, padding 0 -> output 2×2; "
        "output (1, 0) = 9"
    )
    assert data[WIDGET_MIMETYPE] == {"module": "sliding_kernel", "state": w.state()}
    assert data["image/png"].startswith("iVBORw0KGgo")
    assert "3×3" in metadata["image/png"]["alt"] and "= 9" in metadata["image/png"]["alt"]


def test_two_widgets_leave_the_same_bytes():
    def kept():
        data, metadata = make(padding="same")._repr_mimebundle_()
        data.pop("application/vnd.jupyter.widget-view+json")  # its id is new every time
        return json.dumps([data, metadata])

    assert kept() == kept()


def test_the_kept_state_makes_the_same_widget_again():
    w = make(stride=(1, 2), padding=(0, 1), position=(1, 1))
    state = json.loads(json.dumps(w.state()))
    assert state.pop("playing") is False
    again = SlidingKernel(state.pop("image"), state.pop("kernel"), **state)
    assert repr(again) == repr(w) and np.array_equal(again.output(), w.output())


def test_module_source_is_one_whole_module():
    source = module_source("sliding_kernel")
    assert source.count("export default") == 1
    assert not [line for line in source.splitlines() if line.startswith("import ")]
    assert "function correlate" in source and "class NumberGrid" in source
    assert "http" not in source, "a widget asks nothing of the network"


@pytest.mark.parametrize("name", ["../host", "nothing", "", "course.css"])
def test_module_source_refuses_what_is_no_view(name):
    with pytest.raises(ValueError, match="expected the name of a view in static/, got"):
        module_source(name)


def test_plain_keeps_what_json_can_hold():
    assert plain([np.int64(1), (np.int8(2), 3)]) == (1, (2, 3))
    assert plain("same") == "same" and plain(True) is True and plain(1.5) == 1.5


def test_every_part_of_a_view_is_there_and_used():
    views = {path.stem for path in STATIC.glob("*.js")}
    parts = {part for names in PARTS.values() for part in names}
    assert set(PARTS) <= views and parts <= views
    shared = {"cnn", "grid", "host", "page", "deck"}
    modules = {one.module for one in every_widget()}
    assert views == shared | parts | modules, "a script that nobody loads, or a view without one"


def every_widget():
    """Every class of widgets with a view of its own."""
    made = (getattr(widgets, name) for name in widgets.__all__)
    return [one for one in made if isinstance(one, type) and getattr(one, "module", "")]
