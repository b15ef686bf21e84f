"""Decks: the notebook's slides in order, notes for the lecturer only, readable, alive, offline."""

import fnmatch
import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from browser import open_chromium, open_page, settle
from conftest import need
from site_notebooks import code, markdown, notebook, shown, stream, write
from test_site import LESSONS, Page

from course_lib.commands import slides as command
from course_lib.notebooks import cell_source, read_notebook
from course_lib.plots import show_images
from course_lib.site import SiteError
from course_lib.slides import build_deck
from course_lib.widgets import SlidingKernel

ROOT = Path(__file__).parents[1]
STATIC = ROOT / "course_lib" / "widgets" / "static"
PROJECTOR = {"width": 1024, "height": 768}


def typed(kind, cell):
    return {**cell, "metadata": {**cell["metadata"], "slideshow": {"slide_type": kind}}}


def text(kind, source):
    return typed(kind, markdown(source))


def program(kind, source, *outputs):
    return typed(kind, code(source, *outputs))


class Deck(Page):
    """A deck as columns of screens; a screen is a list of [kind, step, text]; notes beside."""

    def __init__(self, source):
        self.columns, self.notes, self.into = [], [], None
        super().__init__(source)

    def handle_starttag(self, tag, attributes):
        super().handle_starttag(tag, attributes)
        given = dict(attributes)
        words = (given.get("class") or "").split()
        if tag == "section":
            if "screen" in words:
                self.columns[-1].append([])
                self.notes[-1].append("")
            else:
                self.columns.append([])
                self.notes.append([])
        elif tag == "aside":
            self.into = "notes"
        elif "piece" in words:
            self.into = [words[1], int(given.get("data-fragment-index", 0)), ""]
            self.columns[-1][-1].append(self.into)

    def handle_endtag(self, tag):
        if tag in ("section", "aside"):
            self.into = None

    def handle_data(self, data):
        super().handle_data(data)
        if self.into == "notes":
            self.notes[-1][-1] += data
        elif self.into:
            self.into[2] += data


def build(tmp_path, *cells, name="01_try"):
    path = write(tmp_path / "in", name, notebook(*cells))
    return Deck(build_deck(path, tmp_path / "out").read_text(encoding="utf-8"))


def short(screen):
    return [(kind, step, " ".join(words.split())) for kind, step, words in screen]


# ---- structure


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_deck_has_the_notebooks_slides(path, tmp_path):
    expected, notes = [], []  # a screen: the sources of its code cells
    for cell in read_notebook(path)["cells"]:
        kind = cell["metadata"]["slideshow"]["slide_type"]
        if kind == "slide":
            expected.append([])
        if kind in ("slide", "subslide"):
            expected[-1].append([])
        if kind == "notes":
            words = re.sub(r"</?details>|<summary>.*</summary>|[*`$\\]", "", cell_source(cell))
            notes.append(words.split()[:6])
        elif kind != "skip" and cell["cell_type"] == "code":
            expected[-1][-1].append(cell_source(cell).strip())
    deck = Deck(build_deck(path, tmp_path).read_text(encoding="utf-8"))
    found = [[[re.sub(r"^\s*The code of this (widget|picture)", "", words).strip()
               for kind, _, words in screen if kind in ("code", "making")]
              for screen in column] for column in deck.columns]
    assert found == expected
    assert [words.split()[:6] for column in deck.notes for words in column if words] == notes


def test_types_decide_where_a_cell_stands(tmp_path):
    deck = build(
        tmp_path, text("slide", "# 01. A"), text("skip", "left out"), text("-", "same"),
        text("subslide", "below"), text("slide", "next"), markdown("no type"))
    assert [[" ".join(words for *_, words in short(screen)) for screen in column]
            for column in deck.columns] == [["01. A same", "below"], ["next no type"]]


def test_fragments_are_steps_and_what_follows_belongs_to_them(tmp_path):
    deck = build(tmp_path, text("slide", "Why?"), program("-", "1", stream("one")),
                 text("fragment", "a"), text("-", "b"), text("fragment", "c"))
    assert [(step, words) for _, step, words in short(deck.columns[0][0])] == [
        (0, "Why?"), (0, "1"), (0, "one"), (1, "a"), (1, "b"), (2, "c")]


def steps(screen):
    return [(kind, step, words) for kind, step, words in short(screen)]


def test_a_question_comes_alone_then_the_code_then_the_answer(tmp_path):
    deck = build(tmp_path, text("slide", "How *many?*"), program("-", "define"),
                 program("-", "2 + 2", stream("four")), text("-", "Seen."),
                 text("subslide", "No question."), program("-", "1", stream("one")))
    assert steps(deck.columns[0][0]) == [
        ("text", 0, "How many?"), ("code", 1, "define"), ("code", 1, "2 + 2"),
        ("output", 2, "four"), ("text", 2, "Seen.")]
    assert [step for _, step, _ in deck.columns[0][1]] == [0, 0, 0]


def test_each_cell_of_an_answer_and_each_new_question_is_a_step(tmp_path):
    deck = build(tmp_path, text("slide", "Why?"), program("-", "a", stream("1")),
                 program("-", "b", stream("2")), text("-", "So."), text("-", "And now?"),
                 text("-", "Because."), text("-", "The rest."))
    assert steps(deck.columns[0][0]) == [
        ("text", 0, "Why?"), ("code", 1, "a"), ("output", 2, "1"), ("code", 3, "b"),
        ("output", 4, "2"), ("text", 4, "So."), ("text", 5, "And now?"), ("text", 6, "Because."),
        ("text", 6, "The rest.")]


def test_a_widget_is_there_with_its_question_and_its_code_is_below(tmp_path):
    deck = build(tmp_path, text("slide", "## Head"), text("-", "Which?"),
                 program("-", "w", shown(SlidingKernel())), text("-", "This one."),
                 text("-", "And which now?"), text("-", "<details>folded</details>"))
    assert [(kind, step) for kind, step, _ in deck.columns[0][0]] == [
        ("text", 0), ("told", 0), ("told", 1), ("told", 2), ("told", 2), ("live", 0),
        ("making", 0)]


def test_a_beat_waits_for_a_key_and_its_code_is_folded(tmp_path):
    still = shown(show_images(np.zeros((1, 1, 4, 4)), alt="A square"))
    still["data"]["text/plain"] = "Beat: stride: 3"
    deck = build(tmp_path, text("slide", "Which?"), program("-", "Beat(a, b)", still),
                 text("-", "This."))
    assert steps(deck.columns[0][0]) == [
        ("text", 0, "Which?"),
        ("figure", 1, "In the notebook a control changes this picture. Here: stride: 3."),
        ("making", 1, "The code of this picture Beat(a, b)"), ("text", 1, "This.")]


def test_no_space_is_left_where_a_file_had_its_name(tmp_path):
    deck = build(tmp_path, text("slide", "Before: [01. A](01_a.ipynb)."))
    assert "01. A (in the course folder: 01_a.ipynb)." in " ".join(deck.text.split())
    source = (tmp_path / "out" / "01_try.slides.html").read_text(encoding="utf-8")
    assert 'A<span class="quiet"> (in' in source  # a lecture does not show it


def test_notes_are_unfolded_and_for_the_lecturer_only(tmp_path):
    folded = "<details><summary>For the lecturer</summary>\n\nAsk *first*.\n</details>"
    deck = build(tmp_path, text("slide", "Seen"), text("notes", folded), text("notes", "Plain."))
    assert [note.split() for note in deck.notes[0]] == [["Ask", "first.", "Plain."]]
    assert deck.all("details") == [] and short(deck.columns[0][0]) == [("text", 0, "Seen")]


def test_an_unknown_type_and_a_stale_notebook_are_refused(tmp_path):
    with pytest.raises(SiteError, match="01_try.ipynb, cell 1: expected a slide type .*got 'page'"):
        build(tmp_path, text("page", "x"))
    made = notebook(code("x = 1"))
    made["cells"][0]["source"] = "x = 2"
    with pytest.raises(SiteError, match="01_stale.ipynb: .*its code changed .*execute.py"):
        build_deck(write(tmp_path, "01_stale", made), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_finds_lessons_by_number(tmp_path, capsys, monkeypatch):
    for name in ("01_one", "02_two"):
        write(tmp_path, name, notebook(markdown("# 0. Title")))
    monkeypatch.setattr(command, "LESSONS", tmp_path)
    assert command.main(["1", "02", "--out", str(tmp_path / "out")]) == 0
    assert re.findall(r"\w+\.slides\.html", capsys.readouterr().out) == [
        "01_one.slides.html", "02_two.slides.html"]
    assert command.main(["01_one.ipynb", "--out", str(tmp_path)]) == 1
    assert command.main(["07", "--out", str(tmp_path)]) == 1
    assert "number of one lesson, got '07'; there are: 01_one, 02_two." in capsys.readouterr().err


# ---- one file, nothing from outside


def test_a_deck_brings_everything_along(tmp_path):
    deck = build(tmp_path, text("slide", "[paper](https://example.org)"),
                 program("-", "w", shown(SlidingKernel())))
    loaded = [attributes.get("src", attributes.get("href", "")) for tag, attributes in deck.tags
              if tag in ("img", "script", "link", "iframe", "source")]
    assert all(address == "" or address.startswith("data:") for address in loaded)
    source = (tmp_path / "out" / "01_try.slides.html").read_text(encoding="utf-8")
    assert "@import" not in source and "sourceMappingURL" not in source
    (style,) = re.findall("<style>(.*?)</style>", source, re.DOTALL)
    assert "--scale" in style and not re.findall(r"url\((?!data:)", style)
    assert "Permission is hereby granted" in source and "reveal.js 4.6" in source


def test_what_a_deck_is_made_of_is_installed_and_small():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["course_lib"]
    files = [path for path in STATIC.rglob("*") if path.is_file()]
    names = [path.relative_to(ROOT / "course_lib").as_posix() for path in files]
    assert {"widgets/static/reveal/reveal.js", "widgets/static/deck.js"} <= set(names)
    for name in names:
        assert any(fnmatch.fnmatch(name, pattern) and name.count("/") == pattern.count("/")
                   for pattern in patterns), f"{name} would not be installed"
    assert sum(path.stat().st_size for path in (STATIC / "reveal").iterdir()) < 180_000


def test_decks_are_the_same_every_time(tmp_path):
    path = write(tmp_path, "01_a", notebook(text("slide", "x"), program("-", "1", stream("1"))))
    one, two = (build_deck(path, tmp_path / name).read_bytes() for name in ("a", "b"))
    assert one == two


# ---- in a browser


@pytest.fixture(scope="module")
def chromium():
    with open_chromium(need("browser")) as browser:
        yield browser


def opened(chromium, path, folder, more="", **options):
    address = build_deck(path, folder).as_uri() + more
    return open_page(chromium, address, width=PROJECTOR["width"], **options)


def ready(page):
    page.locator("html[data-deck=ready]").wait_for(timeout=60_000)
    page.set_viewport_size(PROJECTOR)
    return page


STATES = """() => {  // every state of every screen, as the keys show them
    const shown = (one) => one.checkVisibility({ opacityProperty: true });
    const all = [];
    for (let before = null; ; Reveal.next()) {
        const now = JSON.stringify(Reveal.getIndices());
        if (now === before) return all;
        before = now;
        const screen = Reveal.getCurrentSlide();
        const scale = Number(screen.style.getPropertyValue('--scale'));
        const zoom = (one) => Number(getComputedStyle(
            one.closest('.live') ?? screen).getPropertyValue('--zoom')) || 1;
        const size = (one) => parseFloat(getComputedStyle(one).fontSize) * zoom(one);
        const visible = (what) => [...screen.querySelectorAll(what)].filter(shown);
        const lettered = visible('.piece *').filter((one) => !one.closest('math, .cnn-grid, svg')
            && [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
        const { h, v, f } = Reveal.getIndices();
        all.push({
            h, v, f, scale, continued: 'continued' in screen.dataset,
            over: screen.scrollHeight - screen.clientHeight,
            text: visible('.piece').map((one) => one.textContent).join(' '),
            asks: visible('.told').some((one) => one.textContent.includes('?')),
            wide: Math.max(0, ...visible('pre').map((pre) => pre.scrollWidth - pre.clientWidth)),
            small: lettered.filter((one) => size(one) < 13.9)
                .map((one) => `${size(one)} ${one.outerHTML.slice(0, 90)}`),
            words: Math.min(...visible('.text p, .text li').map(size)),
            widgets: visible('.course-widget').length,
            grey: visible('.goes-on').map((one) => one.textContent),
            figures: visible('.figure img').map((one) => [one.clientWidth, one.clientHeight]),
            code: visible('pre.code').length,
            before: visible('pre.code').filter((code) => visible('.figure img').some((image) =>
                code.compareDocumentPosition(image) & Node.DOCUMENT_POSITION_FOLLOWING)).length,
            told: visible('.told').length,
            outside: visible('.piece *').filter((one) => {
                const { right, width } = one.getBoundingClientRect();
                return width && right > innerWidth && !one.closest('.cnn-widget, math');
            }).length,
        });
    }
}"""


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_state_of_a_lesson_is_whole_and_large_enough(chromium, path, tmp_path):
    with opened(chromium, path, tmp_path) as page:
        states = ready(page).evaluate(STATES)
        scrolling = page.locator("section.scrolls").count()
    deck = Deck(build_deck(path, tmp_path).read_text(encoding="utf-8"))
    made = [h for h, column in enumerate(deck.columns) for _ in column]
    assert [one["h"] for one in states if not one["continued"] and one["f"] in (-1, None)] == made
    assert not scrolling
    for one in states:
        where = (one["h"], one["v"], one["f"])
        assert one["over"] <= 0 and one["wide"] <= 1 and not one["outside"], where
        assert one["small"] == [] and (one["words"] or 27) >= 19.9, where
        if one["widgets"]:
            assert one["told"] and not one["grey"], f"{where}: a widget without its text"
            assert one["asks"] or one["f"] not in (-1, None), f"{where}: without its question"
        for width, height in one["figures"]:
            assert width >= 600 or height >= 250, f"{where}: a small figure, {width}x{height}"
        assert one["before"] == 0, f"{where}: code above its figure"


def test_one_key_leads_through_all_screens_of_all_columns(chromium, tmp_path):
    path = write(tmp_path, "01_a", notebook(*[
        text(kind, f"Screen {n}.") for n, kind in enumerate(
            ["slide", "subslide", "subslide", "slide", "subslide", "slide"])]))
    with opened(chromium, path, tmp_path) as page:
        ready(page)
        for n in range(6):
            assert inside(page, f"Screen {n}.").is_visible()
            page.keyboard.press("ArrowRight")


def test_a_beat_too_tall_goes_on_below_and_nothing_is_lost(chromium, tmp_path):
    cells = [
        text("slide", "# 01. Tall\n\n" + "\n\n".join(f"Paragraph {n} of many." for n in range(30))),
        text("notes", "Said on both."),
        program("subslide", "\n".join(f"a{n} = {n}" for n in range(22)),
                stream("\n".join(f"line {n}" for n in range(24)))),
        program("subslide", "print(1)", stream("\n".join(f"row {n}" for n in range(90)))),
        program("subslide", f"print('{'y' * 110}')"),
    ]
    path = write(tmp_path, "01_tall", notebook(*cells))
    before = Deck(build_deck(path, tmp_path).read_text(encoding="utf-8"))
    with opened(chromium, path, tmp_path) as page:
        states = ready(page).evaluate(STATES)
        assert page.evaluate("document.querySelectorAll('section.scrolls').length") == 1
        assert page.locator("section.scrolls").get_attribute("tabindex") == "0"
        first = page.locator("section.screen[data-continued]").first
        assert "01. Tall (continued)" in first.text_content()
        assert "Said on both." in first.locator("aside").text_content()
    words = " ".join(words for column in before.columns for screen in column
                     for *_, words in screen)
    assert " ".join(one["text"] for one in states).split() == words.split()
    assert [one["h"] for one in states].count(0) == len(states) >= 6
    assert sum(one["over"] > 0 for one in states) == 1, "only the 90 lines scroll"


def test_code_folds_when_its_output_needs_the_room(chromium, tmp_path):
    figure = show_images(np.eye(12)[None], title="A figure", alt="A diagonal")
    lines = "\n".join(f"a{n} = {n}" for n in range(14))
    path = write(tmp_path, "01_fold", notebook(
        text("slide", "What?"), program("-", lines, stream(lines)), text("-", "Seen. " * 30),
        text("slide", "Which?"), program("-", lines, shown(figure)), text("-", "This."),
        text("slide", "Few?"), program("-", "x = 1", stream("1"))))
    with opened(chromium, path, tmp_path) as page:
        states = ready(page).evaluate(STATES)
        assert [(one["h"], one["code"]) for one in states] == [
            (0, 0), (0, 1), (0, 0), (1, 0), (1, 1), (1, 0), (2, 0), (2, 1), (2, 1)]
        assert all(one["over"] <= 0 for one in states)
        (width, height), = states[5]["figures"]
        assert max(width / 904, height / 768) > 0.5
        go(page, 1)  # with all that was shown
        page.locator(".present .folds summary").click()
        assert page.locator(".present pre.code").is_visible()
        for key in ("ArrowLeft", "ArrowLeft"):
            page.keyboard.press(key)
        assert not page.locator(".present pre.code").is_visible()


def test_a_long_message_is_whole_on_a_slide_and_a_table_stays_one(chromium, tmp_path):
    message = "Error: expected images (N, 1, 28, 28), got (64, 28, 28, 3), " * 3
    table = "".join(f"layer {n}    {'7' * 60}    {n}\n" for n in range(3))
    path = write(tmp_path, "01_long", notebook(
        text("slide", "# 0. Long"), program("-", f"print('{'y' * 150}')", stream(message)),
        program("-", "t", stream(table))))
    with opened(chromium, path, tmp_path) as page:
        assert [(one["over"], one["wide"]) for one in ready(page).evaluate(STATES)] == [(0, 0)]
        tops = page.evaluate("""[...document.querySelectorAll('.output .line')].map((one) =>
            one.getBoundingClientRect().height / parseFloat(getComputedStyle(one).lineHeight))""")
    assert round(tops[0]) >= 2 and [round(lines) for lines in tops[1:]] == [1, 1, 1]


@pytest.fixture(scope="module")
def lecture(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lecture")
    return write(folder, "01_try", notebook(
        text("slide", "# 01. Try\n\nStart."), text("notes", "Greet them."),
        text("slide", "How many?"), program("-", "2 + 2", stream("four")), text("-", "Seen."),
        text("slide", "Play. Which?"), program("-", "w", shown(SlidingKernel())),
        text("-", "That one."), text("-", "And now, which?"),
        text("slide", "<details><summary>One</summary>\n\nFirst answer.\n</details>\n"
             "<details><summary>Two</summary>\n\nSecond answer.\n</details>")))


@pytest.fixture
def deck(chromium, lecture, tmp_path):
    with opened(chromium, lecture, tmp_path) as page:
        yield ready(page)


def place(page):
    return page.evaluate("Reveal.getIndices().h")


def go(page, h):
    page.evaluate(f"Reveal.slide({h})")


def inside(page, words):
    """What stands on a slide; reveal.js repeats it in a line for screen readers."""
    return page.locator(".slides").get_by_text(words, exact=True)


@pytest.mark.parametrize("key", ["ArrowRight", "ArrowDown", "Space", "PageDown"])
def test_keys_bring_the_question_then_code_then_the_answer(deck, key):
    deck.keyboard.press(key)
    assert place(deck) == 1 and inside(deck, "How many?").is_visible()
    assert not deck.locator(".present pre.code").is_visible()
    deck.keyboard.press(key)
    deck.locator(".present pre.code").wait_for(state="visible")
    assert not inside(deck, "four").is_visible()
    deck.keyboard.press(key)
    inside(deck, "four").wait_for(state="visible")
    assert place(deck) == 1 and inside(deck, "Seen.").is_visible()
    deck.keyboard.press(key)
    assert place(deck) == 2


@pytest.mark.parametrize("key", ["ArrowLeft", "ArrowUp", "PageUp"])
def test_keys_go_back_through_all_that_was_shown(deck, key):
    go(deck, 2)
    deck.keyboard.press(key)
    assert place(deck) == 1 and inside(deck, "four").is_visible()
    for _ in range(3):
        deck.keyboard.press(key)
    assert place(deck) == 0


def test_escape_shows_all_screens_at_a_glance(deck):
    deck.keyboard.press("Escape")
    assert deck.evaluate("Reveal.isOverview()")
    deck.keyboard.press("Escape")
    assert not deck.evaluate("Reveal.isOverview()")


def test_help_names_the_keys(capsys):
    with pytest.raises(SystemExit):
        command.main(["--help"])
    told = " ".join(capsys.readouterr().out.split())
    for words in ("Right, Down, Space, PageDown on", "S the speaker's window", "C light or dark",
                  "Esc all screens", "go on with PageDown"):
        assert words in told


# ---- widgets


def told(deck):
    return [one for one in ("Play. Which?", "That one.", "And now, which?")
            if inside(deck, one).is_visible()]


def test_a_text_after_a_widget_takes_the_place_of_the_one_above_it(deck):
    go(deck, 2)
    for expected in ("Play. Which?", "That one.", "And now, which?"):
        assert told(deck) == [expected] and deck.locator(".present .cnn-widget").is_visible()
        deck.keyboard.press("ArrowRight")
    assert place(deck) == 3
    deck.keyboard.press("ArrowLeft")
    assert place(deck) == 2 and told(deck) == ["And now, which?"]


def test_the_code_of_a_widget_is_below_it(deck):
    go(deck, 2)
    code, widget = deck.locator(".present .piece.making").bounding_box(), deck.locator(
        ".present .live").bounding_box()
    assert code["y"] >= widget["y"] + widget["height"]


ROOM = """() => {
    const place = document.querySelector('.present .live');
    const screen = place.closest('.screen');
    const zoom = Number(place.style.getPropertyValue('--zoom'));
    const small = [...place.querySelectorAll('.cnn-widget *')].filter((one) =>
        !one.closest('.cnn-grid, svg') && one.offsetParent
        && [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
        .map((one) => parseFloat(getComputedStyle(one).fontSize) * zoom);
    return { zoom, over: screen.scrollHeight - screen.clientHeight, least: Math.min(...small),
        scrolls: place.scrollHeight - place.clientHeight > 1, height: place.offsetHeight };
}"""


def test_a_widget_that_grows_becomes_smaller_then_scrolls_and_its_question_stays(deck):
    go(deck, 2)
    grow = """(height) => {
        const extra = document.querySelector('#extra') ?? document.createElement('div');
        extra.id = 'extra';
        extra.style.height = height;
        document.querySelector('.present .cnn-widget').append(extra);
    }"""
    seen = []
    for height in ("0", "80px", "900px", "0"):
        deck.evaluate(grow, height)
        settle(deck)
        seen.append(deck.evaluate(ROOM))
        assert told(deck) == ["Play. Which?"] and inside(deck, "Play. Which?").is_visible()
    start, more, most, end = seen
    assert all(one["over"] <= 0 and one["least"] >= 13.9 for one in seen), seen
    assert most["scrolls"] and not end["scrolls"] and start == end
    assert most["zoom"] <= more["zoom"] <= start["zoom"] and most["zoom"] < start["zoom"]


def test_a_widget_on_a_slide_is_alive_and_keeps_its_keys(deck):
    go(deck, 2)
    widget = deck.locator(".cnn-widget")
    sentence = widget.locator(".cnn-sentence")
    before = sentence.inner_text()
    widget.locator("[role=grid]").last.focus()
    deck.keyboard.press("ArrowRight")
    assert place(deck) == 2 and "(0, 1)" in sentence.inner_text() != before
    deck.keyboard.press("ArrowLeft")
    assert place(deck) == 2 and sentence.inner_text() == before
    deck.keyboard.press("Escape")
    deck.keyboard.press("ArrowRight")
    assert told(deck) == ["That one."]


def test_a_presenters_remote_turns_slides_even_from_a_widget(deck):
    go(deck, 2)
    deck.locator(".cnn-widget [role=grid]").last.focus()
    deck.keyboard.press("PageDown")
    assert place(deck) == 2 and told(deck) == ["That one."]
    deck.locator(".cnn-widget [role=grid]").last.focus()
    deck.keyboard.press("PageUp")
    assert place(deck) == 2 and told(deck) == ["Play. Which?"]
    deck.locator(".cnn-widget [role=grid]").last.focus()
    deck.keyboard.press("PageUp")
    assert place(deck) == 1


def test_a_widget_answers_the_mouse_where_it_is_drawn(deck):
    go(deck, 2)
    deck.locator(".cnn-widget [data-row='1'][data-column='2']").last.hover()
    assert "(1, 2)" in deck.locator(".cnn-sentence").inner_text()


def test_one_answer_of_a_quiz_is_open_at_a_time(deck):
    go(deck, 3)
    inside(deck, "One").focus()
    deck.keyboard.press("Space")
    inside(deck, "First answer.").wait_for(state="visible")
    assert place(deck) == 3
    inside(deck, "Two").click()
    inside(deck, "First answer.").wait_for(state="hidden")
    assert inside(deck, "Second answer.").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_c_changes_light_and_dark_of_slides_and_widgets(chromium, lecture, tmp_path, scheme):
    brightness = """(what) => {
        const one = document.querySelector(what);
        return Number(getComputedStyle(one).backgroundColor.match(/\\d+/)[0]);
    }"""
    with opened(chromium, lecture, tmp_path, color_scheme=scheme) as page:
        go(ready(page), 2)
        for light in (scheme == "light", scheme == "dark"):
            for what in (".reveal", ".cnn-widget"):
                assert (page.evaluate(brightness, what) > 128) == light
            page.keyboard.press("c")


def test_the_speakers_window_shows_notes_from_a_file(deck):
    with deck.context.expect_page() as window:
        deck.keyboard.press("s")
    speaker = window.value
    speaker.locator(".speaker-controls-notes").get_by_text("Greet them.").wait_for()
    assert len(speaker.frames) == 3
    assert not deck.locator("aside.notes").first.is_visible()


def test_every_screen_is_one_page_of_the_print(chromium, lecture, tmp_path):
    with opened(chromium, lecture, tmp_path, "?print-pdf") as page:
        page.locator("html[data-deck=ready]").wait_for()
        page.locator(".pdf-page").nth(3).wait_for()
        printed = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 4
    assert json.dumps([1024 * 0.75, 768 * 0.75])[1:4] in printed.decode("latin-1")
