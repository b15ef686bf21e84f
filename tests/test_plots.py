"""Figures say what the data says: titles, marks, scales, numbers, alt text, all counted again."""

import base64
import io
import os
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import colormaps
from matplotlib.colors import to_hex, to_rgb
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL import Image

from course_lib import plots
from course_lib.plots import (
    Picture, draw_sliding_kernel, show_confusion, show_curves, show_errors, show_feature_maps,
    show_flow, show_histogram, show_images, show_intervals, show_kernels, show_predictions,
    show_speeds,
)

RNG = np.random.default_rng(0)
IMAGES = RNG.random((7, 1, 8, 6)).astype(np.float32)
LABELS = np.array([4, 4, 7, 1, 0, 9, 3])
READ = np.array([4, 9, 7, 7, 0, 9, 5])  # wrong at 1, 3 and 6
SURE = np.array([0.9, 0.6, 0.8, 0.99, 0.5, 1.0, 0.7])
KERNELS = RNG.normal(size=(4, 1, 3, 2))
MAPS = RNG.normal(size=(5, 6, 4))
CONFUSION = np.array([[995, 3, 2], [0, 1200, 1], [14, 0, 785]])
HISTORY = {
    "epoch": [1, 2, 3], "loss": [0.5, 0.25, 0.125], "accuracy": [0.8, 0.9, 0.95],
    "validation_loss": [0.6, 0.375, 0.25], "validation_accuracy": [0.75, 0.875, 0.9],
}
PAPER = {"epoch": [1, 3], "loss": [0.82, 0.22], "validation_accuracy": [0.91, 0.96]}
LAYERS = [("image", (1, 28, 28)), ("Conv2D(1, 8, kernel_size=3)", (8, 26, 26)), ("Dense", 10)]
SPEEDS = {"fast": [(8, 9000, 8500, 9100), (32, 22000, 19000, 22500), (256, 21000, 20500, 24000)],
          "PyTorch channels_last": [(8, 5000, 5000, 5000), (32, 12000, 9000, 12500)]}
ARRAY = np.array([[0, 3, 4], [9, 5, 0], [6, 2, 1]])

EXAMPLES = {
    "images": (show_images, (IMAGES, LABELS), {}),
    "one image": (show_images, (IMAGES[0, 0],), {"title": "An image whose title needs two lines"}),
    "RGB": (show_images, (RNG.random((3, 3, 5, 5)), ["a", "two\nlines", "a longer caption"]), {}),
    "long captions": (show_images, (RNG.random((9, 4, 4)), ["fourteen words"] * 9), {}),
    "many images": (show_images, (RNG.random((30, 4, 4)),), {}),
    "sizes": (show_images, ([np.ones((4, 9)), np.zeros((8, 2))], ["wide", "tall"]), {}),
    "kernels": (show_kernels, (KERNELS,), {}),
    "kernel": (show_kernels, ([[-1, 0, 1]],), {}),
    "filters of channels": (show_kernels, (RNG.normal(size=(4, 8, 3, 3)),), {}),
    "maps": (show_feature_maps, (MAPS,), {}),
    "maps after ReLU": (show_feature_maps, (np.maximum(MAPS, 0)[None],), {}),
    "predictions": (show_predictions, (IMAGES, LABELS, READ), {}),
    "errors": (show_errors, (IMAGES, LABELS, READ, SURE), {}),
    "no errors": (show_errors, (IMAGES, LABELS, LABELS), {}),
    "confusion": (show_confusion, (CONFUSION,), {}),
    "confusion of ten": (show_confusion, (np.full((10, 10), 1234),), {}),
    "confusion, named": (show_confusion, ([[5, 1], [0, 3]], ["vertical", "horizontal"]), {}),
    "curves": (show_curves, (HISTORY,), {}),
    "curves, published": (show_curves, (HISTORY,), {"published": PAPER, "held_out": "test"}),
    "runs": (show_curves, ({f"lr {lr}": HISTORY for lr in (0.001, 0.01, 0.2)},), {}),
    "one epoch": (show_curves, ({"loss": [0.5]},), {}),
    "long names beside each other": (show_curves, (
        {f"lr 0.2: {k} of 10 do not learn": {"loss": [2, 1]} for k in (2, 8)},), {}),
    "intervals": (show_intervals, ({"a": (0.94, 0.9, 0.96), "a rather long name of a row": 0.5},),
                  {"published": {"a": (0.975, 0.943, 0.989), "only in print": 0.9}}),
    "histogram": (show_histogram, (MAPS,), {"x_label": "weight"}),
    "histograms": (show_histogram, ({f"layer {k}": MAPS * k for k in range(5)},), {}),
    "speeds": (show_speeds, ({"A, training": SPEEDS},), {}),
    "speeds of three": (show_speeds, ({name: SPEEDS for name in "ABC"},), {}),
    "flow": (show_flow, (LAYERS,), {}),
    "sliding": (draw_sliding_kernel, (ARRAY, [[0, 1], [0, 2]]), {}),
    "sliding, padded": (draw_sliding_kernel, (RNG.random((4, 5)), RNG.normal(size=(3, 2))),
                        {"stride": (2, 1), "padding": 1, "position": (1, 2)}),
    "sliding, large": (draw_sliding_kernel, (RNG.random((28, 28)), np.ones((5, 5)) / 25), {}),
}
every = pytest.mark.parametrize("name", EXAMPLES)


def draw(name, **more):
    helper, arguments, options = EXAMPLES[name]
    return helper(*arguments, **options, **more)


def images_of(picture):
    return [ax for ax in picture.figure.axes if ax.images]


def pixels_of(picture):
    return np.asarray(Image.open(io.BytesIO(picture.png())).convert("RGB"))


# ------------------------------------------------------------------- promises of every helper


@every
def test_title_and_alt_are_there_and_can_be_chosen(name):
    picture = draw(name)
    assert isinstance(picture, Picture)
    assert picture.figure.get_suptitle() and picture.alt
    assert "  " not in picture.alt and "\n" not in picture.alt
    assert draw(name, alt="Mine.").alt == "Mine."
    if not EXAMPLES[name][2].get("title"):
        assert draw(name, title="Short").figure.get_suptitle() == "Short"


@every
def test_text_is_large_enough_and_nothing_is_cut_or_covered(name):
    picture = draw(name)
    pixels = pixels_of(picture)
    for edge in (pixels[:5], pixels[-5:], pixels[:, :5], pixels[:, -5:]):
        assert (edge == 255).all()  # a white margin, on a light and on a dark page
    assert all(text.get_fontsize() >= 9 for text in picture.figure.findobj(Text))
    axes = picture.figure.axes
    texts = picture.figure.texts + [text for ax in axes for text in (ax.title, *ax.texts)]
    boxes = [text.get_window_extent().padded(-1) for text in texts if text.get_text()]
    for k, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:k])


@every
def test_same_data_same_bytes_and_inputs_untouched(name):
    helper, arguments, options = EXAMPLES[name]
    arrays = [a for a in arguments if isinstance(a, np.ndarray)]
    before = [array.copy() for array in arrays]
    picture = draw(name)
    bundle = picture._repr_mimebundle_()
    assert picture._repr_mimebundle_() == bundle == draw(name)._repr_mimebundle_()
    assert all(np.array_equal(a, b) for a, b in zip(arrays, before))
    data, metadata = bundle
    assert data["text/plain"] == metadata["image/png"]["alt"] == picture.alt
    png = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert png.format == "PNG" and not png.info.keys() & {"Software", "Creation Time", "date"}
    shown, held = metadata["image/png"]["width"], png.width
    assert 300 <= shown <= 700 and held == pytest.approx(1.5 * shown, abs=2)  # sharp, not huge


@pytest.mark.parametrize("name", ["images", "maps", "confusion", "curves", "histograms", "flow"])
def test_the_readers_settings_neither_change_a_figure_nor_are_changed(name):
    expected = draw(name).png()
    with matplotlib.rc_context({"font.size": 30, "figure.facecolor": "black", "text.color": "red",
                                "axes.grid": True, "image.cmap": "jet", "savefig.dpi": 20}):
        before = dict(dict.items(matplotlib.rcParams))
        assert draw(name).png() == expected
        assert dict(dict.items(matplotlib.rcParams)) == before


def test_twenty_figures_stay_below_a_megabyte(rng):
    noise = rng.random((25, 28, 28))  # the worst case for PNG; digits take less
    pictures = [draw(name) for name in list(EXAMPLES)[:19]] + [show_images(noise)]
    sizes = [len(picture._repr_mimebundle_()[0]["image/png"]) for picture in pictures]
    assert sum(sizes) < 1_000_000 and max(sizes) < 100_000


def test_importing_and_drawing_needs_no_display_and_no_pyplot():
    code = (
        "import matplotlib; before = dict(dict.items(matplotlib.rcParams))\n"
        "from course_lib.plots import show_images\n"
        "show_images([[0.0, 1.0]]).png()\n"
        "assert dict(dict.items(matplotlib.rcParams)) == before\n"
        "import sys; assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    without = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "MPLBACKEND")}
    subprocess.run([sys.executable, "-c", code], check=True, env=without)


def test_a_notebook_gets_png_with_alt_text():
    formatters = pytest.importorskip("IPython.core.formatters")
    data, metadata = formatters.DisplayFormatter().format(draw("kernel"))
    assert set(data) == {"image/png", "text/plain"}
    assert data["text/plain"] == draw("kernel").alt == metadata["image/png"]["alt"]


def test_save_writes_the_same_png(tmp_path):
    picture = draw("flow")
    path = picture.save(tmp_path / "flow.png")
    assert path.read_bytes() == picture.png()
    with pytest.raises(ValueError, match=r"Picture.save: expected .* ends in .png, got .*flow.svg"):
        picture.save(tmp_path / "flow.svg")
    with pytest.raises(FileNotFoundError, match="Picture.save: expected an existing folder, .*no"):
        picture.save(str(tmp_path / "no" / "flow.png"))


def test_colours_are_told_apart_on_white():
    for colour, _ in plots.RUNS + plots.PUBLISHED:
        assert contrast(colour, "white") >= 3  # WCAG, graphics
    for colour in (plots.GREEN, plots.VERMILLION, plots.BLUE, plots.PALE):
        assert max(contrast(colour, "white"), contrast(colour, plots.INK)) > 3.5
    markers = [marker for _, marker in plots.RUNS + plots.PUBLISHED]
    assert len(set(markers)) == len(markers)


# ------------------------------------------------------------------------------ images and maps


def test_images_have_an_axes_each_one_scale_and_their_captions():
    picture = show_images(IMAGES * 200, LABELS)
    axes = picture.figure.axes
    assert len(axes) == 7
    for ax, image, label in zip(axes, IMAGES, LABELS):
        (drawn,) = ax.images
        assert np.array_equal(drawn.get_array(), image[0] * 200)
        assert drawn.get_clim() == ((IMAGES * 200).min(), (IMAGES * 200).max())
        assert drawn.get_cmap().name == "gray" and ax.get_title() == str(label)
    assert picture.alt == "7 images, 8×6: 4, 4, 7, 1, 0, 9, 3."
    assert images_of(show_images(IMAGES))[0].images[0].get_clim() == (0, 1)
    assert images_of(show_images(IMAGES, limits=(-1, 2)))[3].images[0].get_clim() == (-1, 2)


def test_images_are_laid_out_from_left_to_right_then_down():
    axes = show_images(IMAGES, columns=3).figure.axes
    places = [ax.get_position() for ax in axes]
    assert [round(-p.y0, 6) for p in places] == sorted(round(-p.y0, 6) for p in places)
    rows = sorted({round(p.y0, 6) for p in places}, reverse=True)
    assert [[round(p.y0, 6) for p in places].count(row) for row in rows] == [3, 3, 1]
    assert places[0].x0 < places[1].x0 < places[2].x0
    assert len({round(ax.get_position().y0, 6) for ax in draw("many images").figure.axes}) == 5


def test_rgb_images_keep_their_colours():
    rgb = np.random.default_rng(1).random((2, 3, 4, 5))
    for ax, image in zip(show_images(rgb).figure.axes, rgb):
        assert np.array_equal(ax.images[0].get_array(), np.moveaxis(image, 0, -1))
    ax = show_images(rgb * 255).figure.axes[0]
    assert 0 == pytest.approx(ax.images[0].get_array().min(), abs=0.1)
    assert ax.images[0].get_array().max() <= 1


@pytest.mark.parametrize("show, data", [(show_kernels, KERNELS), (show_feature_maps, MAPS)])
def test_signed_maps_share_one_scale_centred_on_zero(show, data):
    picture = show(data * 3)
    *axes, bar = picture.figure.axes
    assert len(axes) == len(data) and bar.get_ylabel() in ("weight", "activation")
    most = np.abs(data * 3).max()
    for ax, array in zip(axes, data.reshape(-1, *data.shape[-2:])):
        assert ax.images[0].get_clim() == (-most, most)
        assert ax.images[0].get_cmap().name == "RdBu_r"
        assert np.array_equal(ax.images[0].get_array(), array * 3)
    assert bar.get_ylim() == (-most, most)
    assert f"{(data * 3).min():.3g} to {(data * 3).max():.3g}" in picture.alt


def test_a_single_zero_kernel_still_has_a_scale():
    assert images_of(show_kernels(np.zeros((2, 2))))[0].images[0].get_clim() == (-1, 1)


def test_filters_of_several_channels_get_a_row_each():
    weights = np.arange(2 * 3 * 4).reshape(2, 3, 2, 2)
    axes = images_of(show_kernels(weights))
    assert [ax.get_title() for ax in axes] == [f"f{f} c{c}" for f in range(2) for c in range(3)]
    assert len({round(ax.get_position().y0, 6) for ax in axes[:3]}) == 1
    assert axes[3].get_position().y0 < axes[0].get_position().y0
    assert np.array_equal(axes[4].images[0].get_array(), weights[1, 1])


def test_feature_maps_after_relu_are_grey_from_zero_and_silent_ones_are_counted():
    maps = np.maximum(MAPS, 0)
    maps[1] = 0
    picture = show_feature_maps(maps)
    for ax in images_of(picture)[:5]:
        assert ax.images[0].get_cmap().name == "gray"
        assert ax.images[0].get_clim() == (0, maps.max())
    largest = max(range(5), key=lambda c: maps[c].max())
    assert f"largest value is in map {largest}; 1 map all zero." in picture.alt


# ------------------------------------------------------------------------------ right and wrong


def test_predictions_are_marked_by_sign_colour_and_width():
    picture = show_predictions(IMAGES, LABELS, READ)
    for ax, label, read in zip(picture.figure.axes, LABELS, READ):
        right = label == read
        assert ax.get_title() == (f"✓ {read}" if right else f"✗ {read}, is {label}")
        spine = ax.spines["left"]
        assert (spine.get_linewidth() < 2) == right
        assert to_hex(spine.get_edgecolor()).upper() == (plots.GREEN if right else plots.VERMILLION)
    assert picture.alt == (
        "7 predictions, 4 right (✓) and 3 wrong (✗): image 1 is 4, read as 9; "
        "image 3 is 1, read as 7; image 6 is 3, read as 5."
    )
    assert picture.figure.get_suptitle() == "4 right (✓) and 3 wrong (✗)"
    named = show_predictions(IMAGES[:2], [0, 1], [0, 0], class_names=["cat", "dog"])
    assert [ax.get_title() for ax in named.figure.axes] == ["✓ cat", "✗ cat, is dog"]
    all_wrong = show_predictions(IMAGES, LABELS, (LABELS + 1) % 10)
    assert all_wrong.alt.endswith("and 2 more.")


def test_errors_come_surest_first_with_truth_answer_probability_and_index():
    picture = show_errors(IMAGES, LABELS, READ, SURE)
    assert [ax.get_title() for ax in picture.figure.axes] == [
        "1 read as 7\n99.0 %\nno. 3", "3 read as 5\n70.0 %\nno. 6", "4 read as 9\n60.0 %\nno. 1",
    ]
    assert np.array_equal(picture.figure.axes[0].images[0].get_array(), IMAGES[3, 0])
    assert picture.alt == (
        "3 of 7 images read wrongly: number 3 is 1, read as 7 (99.0 %); "
        "number 6 is 3, read as 5 (70.0 %); number 1 is 4, read as 9 (60.0 %)."
    )
    table = np.full((7, 10), 0.01)
    table[np.arange(7), READ] = SURE
    assert show_errors(IMAGES, LABELS, READ, table).png() == picture.png()
    plain = show_errors(IMAGES, LABELS, READ, limit=2)
    assert [ax.get_title() for ax in plain.figure.axes] == [
        "4 read as 9\nno. 1", "1 read as 7\nno. 3"]
    assert "3 of 7 images" in plain.figure.get_suptitle()


def test_no_error_is_a_picture_too():
    picture = show_errors(IMAGES, LABELS, LABELS)
    assert picture.alt == "0 of 7 images read wrongly." and not picture.figure.axes


def contrast(one, other):
    """WCAG 2's contrast ratio, from its definition."""
    def luminance(colour):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
                  for c in to_rgb(colour)]
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_confusion_writes_each_count_in_its_cell_readably():
    picture = show_confusion(CONFUSION, ["a", "b", "c"])
    (ax,) = picture.figure.axes
    assert ax.get_ylabel() == "true class" and ax.get_xlabel() == "read as"
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b", "c"]
    drawn = ax.images[0]
    cells = {text.get_position(): text for text in ax.texts}
    assert len(cells) == 9
    for true in range(3):
        for read in range(3):
            text = cells[read, true]  # x is the column: what was read
            assert text.get_text() == f"{CONFUSION[true, read]:,}"
            assert contrast(text.get_color(), drawn.to_rgba(drawn.get_array()[true, read])) >= 4.5
    assert picture.alt == ("Confusion matrix of 3,000 images: 99.3 % on the diagonal; "
                           "most often c is read as a, 14 times.")
    assert "nothing is confused" in show_confusion(np.eye(3, dtype=int)).alt


@given(st.sampled_from(["RdBu_r", "gray", "Blues"]), st.floats(0, 1))
def test_ink_stands_out_on_every_colour(name, level):
    colour = colormaps[name](level)
    assert contrast(plots.ink_on(colour), colour) >= 4.5


# --------------------------------------------------------------------------------------- charts


def curves_of(ax):
    return {line.get_label(): line for line in ax.lines}


def test_curves_draw_the_history_solid_and_dashed():
    loss, accuracy = show_curves(HISTORY).figure.axes
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == ("loss", "accuracy (%)")
    assert loss.get_xlabel() == "epoch" and loss.get_title() == "Loss"
    for ax, key, scale in ((loss, "loss", 1), (accuracy, "accuracy", 100)):
        lines = curves_of(ax)
        assert list(lines) == ["training", "validation"]
        assert np.array_equal(lines["training"].get_xdata(), [1, 2, 3])
        assert np.allclose(lines["training"].get_ydata(), scale * np.array(HISTORY[key]))
        held_out = scale * np.array(HISTORY[f"validation_{key}"])
        assert np.allclose(lines["validation"].get_ydata(), held_out)
        assert lines["training"].get_linestyle() != lines["validation"].get_linestyle()
        assert lines["training"].get_markerfacecolor() != lines["validation"].get_markerfacecolor()
    assert show_curves(HISTORY).alt == (
        "Loss against epoch: training from 0.5 at epoch 1 to 0.125 at epoch 3; "
        "validation from 0.6 at epoch 1 to 0.25 at epoch 3. "
        "Accuracy against epoch: training from 80.0 % at epoch 1 to 95.0 % at epoch 3; "
        "validation from 75.0 % at epoch 1 to 90.0 % at epoch 3."
    )


def test_published_points_are_unjoined_and_have_their_own_marker():
    picture = show_curves(HISTORY, published={"S4": PAPER}, held_out="test")
    loss, accuracy = map(curves_of, picture.figure.axes)
    assert set(loss) == {"ours, training", "ours, test", "S4, training"}
    assert set(accuracy) == {"ours, training", "ours, test", "S4, test"}
    ours, theirs = accuracy["ours, test"], accuracy["S4, test"]
    assert theirs.get_linestyle() == "None" and ours.get_linestyle() == "--"
    assert theirs.get_marker() != ours.get_marker()
    assert np.allclose(theirs.get_xdata(), [1, 3]) and np.allclose(theirs.get_ydata(), [91, 96])
    legend = {text.get_text() for text in picture.figure.legends[0].texts}
    assert legend == set(loss) | set(accuracy)
    assert "S4, test from 91.0 % at epoch 1 to 96.0 % at epoch 3" in picture.alt


def test_several_runs_have_different_markers_and_a_history_is_taken_as_it_is():
    class History:
        def to_dict(self):
            return dict(HISTORY, validation_loss=[], validation_accuracy=[None] * 3)

    picture = show_curves({"low": History(), "high": History()})
    lines = curves_of(picture.figure.axes[0])
    assert list(lines) == ["low, training", "high, training"]
    assert len({line.get_marker() for line in lines.values()}) == 2
    assert len({line.get_color() for line in lines.values()}) == 2
    assert list(curves_of(show_curves(History()).figure.axes[1])) == ["training"]


def test_a_diverged_run_is_told():
    picture = show_curves({"loss": [2.3, 9.5, np.nan, np.inf]})
    assert picture.alt == ("Loss against epoch: training from 2.3 at epoch 1 to 9.5 at epoch 2, "
                           "then not finite from epoch 3.")
    assert picture.figure.axes[0].get_xlim()[1] > 4  # the line visibly stops
    for lost in (np.nan, None):  # None: as JSON has it
        assert "training never finite" in show_curves({"loss": [lost, lost]}).alt
    picture = show_curves({"loss": np.ones(900)}, across="step")
    assert "from 1 at step 1 to 1 at step 900" in picture.alt
    assert picture.figure.axes[0].get_xlabel() == "step"


def test_intervals_reach_from_low_to_high_and_say_so():
    picture = show_intervals({"ours": (0.94, 0.9, 0.96)}, {"ours": 0.975, "S3": 0.945})
    ax = picture.figure.axes[0]
    bars = [np.array(bar.get_segments()[0])[:, 0] for bar in ax.collections]
    assert np.allclose(bars[0], [90, 96]) and np.allclose(bars[1], [97.5, 97.5])
    ours, theirs = (c.lines[0] for c in ax.containers[:2])
    assert ours.get_marker() != theirs.get_marker()
    only_theirs = ax.containers[2].lines[0]
    assert ours.get_ydata() < theirs.get_ydata() < 0.5 < only_theirs.get_ydata()
    assert [t.get_text() for t in ax.get_yticklabels()] == ["ours", "S3"]
    assert picture.alt == ("accuracy: ours measured 94.0 % (90.0 to 96.0), published 97.5 %; "
                           "S3 published 94.5 %.")
    assert ax.get_xlabel() == "accuracy (%)"
    words = [text.get_text() for text in picture.figure.findobj(Text)]
    assert "94.0 % (90.0 to 96.0) measured" in words and "94.5 % published" in words


def test_runs_lie_below_the_bar_of_their_row():
    picture = show_intervals({"ours": (0.94, 0.9, 0.96), "none": 0.5}, {"ours": 0.975},
                             runs={"ours": [0.89, 0.97, 0.96]}, note="what the bars are")
    ax = picture.figure.axes[0]
    (dots,) = [line for line in ax.lines if line.get_marker() == "."]
    assert np.allclose(dots.get_xdata(), [89, 97, 96])
    ours, theirs = (c.lines[0].get_ydata()[0] for c in (ax.containers[0], ax.containers[2]))
    assert ours < dots.get_ydata()[0] < theirs < 0.5
    assert "ours measured 94.0 % (90.0 to 96.0), 3 runs from 89.0 to 97.0, published 97.5 %;" \
        in picture.alt
    assert ax.get_xlabel() == "accuracy (%)\nwhat the bars are"
    with pytest.raises(ValueError, match="runs of measured rows, got theirs"):
        show_intervals({"ours": 0.9}, {"theirs": 0.9}, runs={"theirs": [0.9]})


def test_four_histograms_stand_in_a_square():
    grids = [show_histogram({str(k): MAPS for k in range(count)}).figure.axes[0].get_gridspec()
             for count in (2, 3, 4, 5)]
    assert [(grid.nrows, grid.ncols) for grid in grids] == [(1, 2), (1, 3), (2, 2), (2, 3)]


def test_histograms_share_bins_and_count_every_value():
    data = {"first": MAPS, "second": MAPS * 10 + 1}
    picture = show_histogram(data, bins=12, x_label="activation")
    axes = picture.figure.axes
    assert len(axes) == 2 and picture.figure.get_supxlabel() == "activation"
    drawn = [ax.patches[0].get_data() for ax in axes]
    assert np.array_equal(drawn[0].edges, drawn[1].edges) and len(drawn[0].values) == 12
    for (name, array), ax, steps in zip(data.items(), axes, drawn):
        assert steps.values.sum() == array.size
        inside = (array >= steps.edges[3]) & (array < steps.edges[4])
        assert steps.values[3] == inside.sum()
        assert ax.get_title() == f"{name}\nmean {array.mean():.3g}, sd {array.std():.3g}"
    assert f"second: mean {data['second'].mean():.3g}, " in picture.alt
    assert len(draw("histograms").figure.axes) == 5


# ------------------------------------------------------------------------------------- diagrams


def test_speeds_have_a_panel_each_from_zero_with_bars_and_a_marker_an_engine():
    picture = show_speeds({"A, training": SPEEDS, "B": {"PyTorch channels_last": [(8, 2, 1, 3)]}})
    first, second = picture.figure.axes
    assert first.get_title() == "A, training" and second.get_title() == "B"
    assert first.get_ylim()[0] == second.get_ylim()[0] == 0 and second.get_ylim()[1] > 3
    assert first.get_xlabel() == second.get_xlabel() == "batch size"
    fast, other = first.containers
    assert fast.lines[0].get_xydata().tolist() == [[8, 9000], [32, 22000], [256, 21000]]
    ends = [segment[:, 1].tolist() for segment in fast.lines[2][0].get_segments()]
    assert ends == [[8500, 9100], [19000, 22500], [20500, 24000]]
    assert fast.lines[0].get_marker() != other.lines[0].get_marker()
    assert second.containers[0].lines[0].get_marker() == other.lines[0].get_marker()
    assert [text.get_text() for text in first.get_xticklabels()] == ["8", "32", "256"]
    (legend,) = picture.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(SPEEDS)
    assert picture.alt == (
        "Images per CPU second. A, training: fast from 9,000 at batch size 8 to 21,000 at batch "
        "size 256; PyTorch channels_last from 5,000 at batch size 8 to 12,000 at batch size 32. "
        "B: PyTorch channels_last 2 at batch size 8.")


def test_flow_has_a_box_and_a_shape_for_each_row_downwards():
    picture = show_flow(LAYERS)
    (ax,) = picture.figure.axes
    places = {text.get_text(): text.get_position() for text in ax.texts if text.get_text()}
    assert list(places) == ["image", "1×28×28", "Conv2D(1, 8, kernel_size=3)", "8×26×26", "Dense",
                            "10"]
    assert places["image"][1] > places["Conv2D(1, 8, kernel_size=3)"][1] > places["Dense"][1]
    assert len(ax.patches) == 3
    assert picture.alt == ("Flow chart of 3 boxes: image 1×28×28, "
                           "then Conv2D(1, 8, kernel_size=3) 8×26×26, then Dense 10.")


@settings(max_examples=25)
@given(st.data())
def test_the_window_lies_where_the_sum_was_taken(data):
    integers = st.integers(-9, 9)
    H, W, KH, KW = (data.draw(st.integers(*r)) for r in ((2, 6), (2, 5), (1, 3), (1, 2)))
    stride = data.draw(st.tuples(st.integers(1, 2), st.integers(1, 3)))
    padding = data.draw(st.tuples(st.integers(0, 2), st.integers(0, 1)))
    if H + 2 * padding[0] < KH:
        padding = (1, padding[1])
    image = np.array(data.draw(st.lists(integers, min_size=H * W, max_size=H * W))).reshape(H, W)
    kernel = np.array(data.draw(st.lists(integers, min_size=KH * KW, max_size=KH * KW)))
    kernel = kernel.reshape(KH, KW)
    OH = (H + 2 * padding[0] - KH) // stride[0] + 1
    OW = (W + 2 * padding[1] - KW) // stride[1] + 1
    i, j = data.draw(st.tuples(st.integers(0, OH - 1), st.integers(0, OW - 1)))
    total = 0
    for u in range(KH):
        for v in range(KW):
            row, column = i * stride[0] + u - padding[0], j * stride[1] + v - padding[1]
            if 0 <= row < H and 0 <= column < W:
                total += int(image[row, column]) * int(kernel[u, v])

    picture = draw_sliding_kernel(image, kernel, stride, padding, (i, j))
    assert picture.alt.endswith(f"of {OH}×{OW}, " + picture.alt.split(", ")[-1])
    assert picture.alt.endswith(f" = {total:,}.")
    assert picture.alt.count("·") == KH * KW
    left, middle, right = picture.figure.axes
    window = [p for p in left.patches if isinstance(p, Rectangle)][-1]
    assert window.get_xy() == (j * stride[1] - 0.5, i * stride[0] - 0.5)
    assert (window.get_width(), window.get_height()) == (KW, KH)
    (cell,) = right.patches
    assert cell.get_xy() == (j - 0.5, i - 0.5)
    assert right.images[0].get_array()[i, j] == total
    assert np.array_equal(middle.images[0].get_array(), kernel)
    assert len(left.patches) == (2 if any(padding) else 1)
    words = {t.get_position(): t.get_text() for t in right.texts}
    assert words[j, i] == f"{total:,}"


def test_the_worked_sum_stands_below_and_rounding_is_admitted():
    picture = draw("sliding")
    assert "0·0 + 3·1 + 9·0 + 5·2 = 13" in [t.get_text() for t in picture.figure.texts]
    assert " ≈ " in draw_sliding_kernel(np.full((3, 3), 1 / 3), np.ones((2, 2))).alt
    assert "2·(-1) = -2." in draw_sliding_kernel([[2]], [[-1]]).alt
    large = draw_sliding_kernel(np.ones((7, 7)), np.ones((6, 6)))
    assert "the sum of 36 products = 36" in large.alt
    assert not draw("sliding, large").figure.axes[0].texts  # no numbers where none would fit


# --------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("call, message", [
    (lambda: show_images(np.zeros(3)), r"show_images: expected images .*, got shape \(3,\)"),
    (lambda: show_images(np.zeros((0, 1, 8, 8))), r"show_images: .*got shape \(0, 1, 8, 8\)"),
    (lambda: show_images([]), "show_images: expected images .*, got shape"),
    (lambda: show_images(np.zeros((2, 4, 8, 8))), r"an image of shape \(4, 8, 8\)"),
    (lambda: show_images(np.zeros((161, 2, 2))), "expected 1 to 160 images, got 161"),
    (lambda: show_images(np.full((1, 2, 2), np.nan)), "finite numbers in images, got 4 NaN"),
    (lambda: show_images(np.array([["a"]])), "expected real numbers in images, got <U1"),
    (lambda: show_images(IMAGES, ["a"]), "show_images: expected 7 captions, got 1"),
    (lambda: show_images(IMAGES, columns=0), "show_images: expected at least 1 column, got 0"),
    (lambda: show_images(IMAGES, limits=(1, 1)), r"limits \(low, high\), low < high, got \(1, 1\)"),
    (lambda: show_kernels(np.zeros((1, 1, 1, 3, 3))), r"show_kernels: .*got \(1, 1, 1, 3, 3\)"),
    (lambda: show_kernels(np.zeros((0, 3, 3))), "show_kernels: expected .*got"),
    (lambda: show_kernels(KERNELS, ["a"]), "show_kernels: expected 4 captions, got 1"),
    (lambda: show_feature_maps(IMAGES), r"one image; take one with y\[0\], got \(7, 1, 8, 6\)"),
    (lambda: show_predictions(IMAGES, LABELS[:6], READ), r"7 whole numbers in labels, .*\(6,\)"),
    (lambda: show_predictions(IMAGES, LABELS, READ / 2), "7 whole numbers in predicted, .*float64"),
    (lambda: show_predictions(IMAGES, LABELS, READ, class_names=["a", "b"]),
     "show_predictions: expected labels of 2 classes, got .*4, 4, 7"),
    (lambda: show_errors(IMAGES[:0], [], []), r"show_errors: expected images .*\(0, 1, 8, 6\)"),
    (lambda: show_errors(IMAGES, LABELS, READ, SURE[:3]), r"probabilities \(7,\).*, got \(3,\)"),
    (lambda: show_errors(IMAGES, LABELS, READ, SURE * 2), "probabilities from 0 to 1, got .* to 2"),
    (lambda: show_errors(IMAGES, LABELS, READ, limit=0), "a limit of at least 1, got 0"),
    (lambda: show_confusion(np.zeros((2, 3), int)), r"square matrix of counts.*got \(2, 3\)"),
    (lambda: show_confusion(np.zeros((2, 2), int)), "counts of at least one image, got int64"),
    (lambda: show_confusion(np.eye(2) / 2), "whole, non-negative counts.*, got float64"),
    (lambda: show_confusion(CONFUSION, ["a"]), "show_confusion: expected 3 class names, got 1"),
    (lambda: show_curves({}), "show_curves: expected a History, its dict or .*, got {}"),
    (lambda: show_curves([1, 2]), r"show_curves: expected a History.*, got \[1, 2\]"),
    (lambda: show_curves({"lr": [1]}), r"numbers under loss or accuracy, got \['lr'\]"),
    (lambda: show_curves({"epoch": [1], "loss": [1, 2]}), "1 values under loss, .* epoch, got 2"),
    (lambda: show_curves({"a": HISTORY, "loss": [1]}), "expected runs only, or lists only"),
    (lambda: show_curves({str(k): HISTORY for k in range(7)}), "at most 6 runs .*, got 7 and 0"),
    (lambda: show_intervals({}), "show_intervals: expected 1 to 30 named values, got 0"),
    (lambda: show_intervals({"a": (0.5, 0.6, 0.7)}), "low <= value <= high <= 1 for a"),
    (lambda: show_intervals({"a": 97.5}), "fractions.* for a, got 97.5"),
    (lambda: show_histogram([]), r"show_histogram: expected real numbers in values, got .*\(0,\)"),
    (lambda: show_histogram({"a": [np.inf]}), "finite numbers in values a, got 1 NaN or infinite"),
    (lambda: show_histogram({}), "show_histogram: expected 1 to 24 arrays, got 0"),
    (lambda: show_histogram([1], bins=0), "show_histogram: expected at least 1 bin, got 0"),
    (lambda: show_speeds({}), "show_speeds: expected 1 to 10 engines, got 0"),
    (lambda: show_speeds({"A": {"fast": [(8, 5, 6, 7)]}}), "0 < least <= rate <= most, for fast"),
    (lambda: show_speeds({"A": {"fast": [(8, 5, 4)]}}), "rows .size, rate, least, most.*for fast"),
    (lambda: show_flow([]), r"show_flow: expected 1 to 40 rows \(name, shape\), got 0 rows"),
    (lambda: show_flow([("a", 1, 2)]), r"expected rows \(name, shape\), got \('a', 1, 2\)"),
    (lambda: draw_sliding_kernel(ARRAY, [1, 2]), r"\(KH, KW\), got \(3, 3\) and \(2,\)"),
    (lambda: draw_sliding_kernel(ARRAY, [[1]], position=(3, 0)),
     r"draw_sliding_kernel: expected a position inside the 3×3 output, got \(3, 0\)"),
    (lambda: draw_sliding_kernel(ARRAY, np.ones((4, 4))), "larger than the padded image"),
])
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
