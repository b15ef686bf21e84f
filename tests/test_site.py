"""The page builder: what a page holds, what it refuses, and that it never executes anything."""

import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from browser import open_chromium, open_page
from conftest import need
from site_notebooks import code, markdown, notebook, shown, stream, write

from course_lib.commands.site import main
from course_lib.plots import show_images
from course_lib.site import SiteError, build_site, describe, link_html
from course_lib.widgets import SlidingKernel

TITLE = markdown("# 01. One & *two*\n\nYou slide\na kernel.\n\nAfter this you can\n\n"
                 "- add `x`\n- count\n  windows\n\n50 minutes.")
ATTACHED = {"b.png": {"image/png": "iVBORw=="}}
LESSONS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


class Page(HTMLParser):
    """Every tag of a page with its attributes, and the text between."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def build(tmp_path, *cells, name="01_try"):
    path = write(tmp_path / "in", name, notebook(*cells))
    build_site([path], tmp_path / "out")
    return Page((tmp_path / "out" / f"{name}.html").read_text(encoding="utf-8"))


def refuse(tmp_path, message, *cells):
    with pytest.raises(SiteError, match=message):
        build(tmp_path, *cells)
    assert not (tmp_path / "out").exists(), "nothing may be written where a page cannot be built"


# ---- what is on a page


def test_text_code_and_outputs_are_there_in_order(tmp_path):
    page = build(tmp_path, TITLE, code("print(1 < 2)  # really", stream("True\n")),
                 markdown("Seen."))
    text = re.sub(r"\s+", " ", page.text.split("Skip to the text")[1])
    assert re.search(r"01\. One & two .*add x .*print\(1 < 2\) # really True Seen\.", text)
    assert page.all("html")[0]["lang"] == "en" and page.all("title")


def test_all_kinds_of_outputs(tmp_path):
    def result(**data):
        data = {f"text/{kind}": text for kind, text in data.items()}
        return {"output_type": "display_data", "data": data, "metadata": {}}

    error = {"output_type": "error", "ename": "E", "evalue": "", "traceback": ["\x1b[31mE: no"]}
    page = build(tmp_path, code(
        "x", result(html="<table><tr><td>cell</td></tr></table>", plain="never seen"),
        result(plain="a <b> & c"), result(markdown="some *words*"), stream("\x1b[1mwarn", "stderr"),
        error))
    assert "cell" in page.text and "never seen" not in page.text and "\x1b" not in page.text
    for text in ("a <b> & c", "some words", "warn", "E: no"):
        assert text in page.text


def test_a_picture_carries_its_own_alt_text(tmp_path):
    picture = show_images(np.zeros((1, 1, 4, 4)), alt='A "black" square')
    page = build(tmp_path, code("picture", shown(picture)))
    (image,) = page.all("img")
    assert image["alt"] == 'A "black" square' and image["src"].startswith("data:image/png;base64,")
    assert "No description" not in page.text


def test_a_widget_keeps_state_and_still_and_its_module_comes_once(tmp_path):
    w = SlidingKernel(padding=1, position=(2, 3))
    page = build(tmp_path, code("w", shown(w)), code("w", shown(w)))
    assert [script["data-module"] for script in page.all("script") if "data-module" in script] == [
        "sliding_kernel"]
    assert len(page.all("img")) == 2 and all(image["alt"] for image in page.all("img"))
    written = (tmp_path / "out" / "01_try.html").read_text(encoding="utf-8")
    states = re.findall(r'<script type="application/json">(.*?)</script>', written)
    kept = json.loads(json.dumps(w.state()))
    assert [json.loads(state)["state"] for state in states] == [kept, kept]


def test_a_page_without_widgets_has_no_script(tmp_path):
    assert build(tmp_path, TITLE).all("script") == []


def test_the_state_of_a_widget_cannot_end_its_script(tmp_path):
    output = shown(SlidingKernel())
    output["data"]["application/vnd.course.widget+json"]["state"]["note"] = "</script><b>"
    build(tmp_path, code("w", output))
    assert "</script><b>" not in (tmp_path / "out" / "01_try.html").read_text(encoding="utf-8")


def test_nothing_on_a_page_comes_from_outside(tmp_path):
    page = build(tmp_path, TITLE, markdown("[a paper](https://example.org/paper)"),
                 code("w", shown(SlidingKernel())))
    loaded = [attributes.get("src", attributes.get("href", "")) for tag, attributes in page.tags
              if tag in ("img", "script", "link", "iframe", "source")]
    assert all(address == "" or address.startswith("data:") for address in loaded)
    assert {"href": "https://example.org/paper"} in page.all("a")
    policy = [m["content"] for m in page.all("meta") if m.get("http-equiv")]
    assert policy and "default-src 'none'" in policy[0]


def test_pictures_beside_and_attached_are_inlined(tmp_path):
    png = bytes.fromhex("89504e470d0a1a0a")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "map.png").write_bytes(png)
    attached = markdown("![b](attachment:b.png)", attachments=ATTACHED)
    page = build(tmp_path, markdown("![a map](map.png)"), attached)
    assert [image["src"] for image in page.all("img")] == [
        "data:image/png;base64,iVBORw0KGgo=", "data:image/png;base64,iVBORw=="]


def test_the_lecturers_notes_stay_out(tmp_path):
    notes = markdown("Ask them first.", metadata={"slideshow": {"slide_type": "notes"}})
    assert "Ask them" not in build(tmp_path, TITLE, notes).text


def test_the_hint_how_to_make_the_page_is_not_on_it(tmp_path):
    command = "`python3 -m course_lib site --out pages`."
    hint = f"This lesson as a page, with the widgets alive: {command}"
    page = build(tmp_path, TITLE, markdown(f"About 5 minutes. {hint} Then `go` on."))
    assert "About 5 minutes. Then go on." in page.text and "as a page" not in page.text
    for path in LESSONS:
        text = path.read_text(encoding="utf-8")
        assert "as a page" in text and command in text, path.name


@pytest.mark.parametrize("plain, note", [
    ("Beat: stride: <3>", "changes this picture. Here: stride: <3>."),
    ("Beat: A digit, blurred.", "changes this picture. A digit, blurred."),
])
def test_a_picture_that_a_control_changes_says_so(tmp_path, plain, note):
    still = shown(show_images(np.zeros((1, 1, 4, 4)), alt="A square"))
    still["data"]["text/plain"] = plain
    page = build(tmp_path, code("Beat(slider, screen)", still))
    assert f"In the notebook a control {note}" in page.text and ".." not in page.text


# ---- predict first, then see


class Folded(HTMLParser):
    """The words of a page outside answers and in each of them."""

    def __init__(self, text):
        super().__init__()
        self.seen, self.answers, self.deep = "", [], 0
        self.feed(re.sub(r"<(style|script).*?</\1>", "", text, flags=re.DOTALL))

    def handle_starttag(self, tag, attributes):
        if tag == "details":
            self.deep += 1
            if self.deep == 1 and ("class", "answer") in attributes:
                self.answers.append("")

    def handle_endtag(self, tag):
        self.deep -= tag == "details"

    def handle_data(self, data):
        if self.deep and self.answers:
            self.answers[-1] += data
        else:
            self.seen += data


def folded(tmp_path, *cells):
    build(tmp_path, *cells)
    page = Folded((tmp_path / "out" / "01_try.html").read_text(encoding="utf-8"))
    seen = page.seen.split("Show all answers")[-1].split("All lessons")[0]
    return " ".join(seen.split()), [" ".join(answer.split()[3:]) for answer in page.answers]


def test_what_answers_a_question_is_folded_and_code_is_not(tmp_path):
    seen, hidden = folded(
        tmp_path, TITLE, markdown("## Head"), markdown("How many?"), code("one", stream("1\n")),
        code("two", stream("2\n")), markdown("Three."), markdown("In all."), markdown("Why?"),
        code("x", stream("y")), markdown("Z."), markdown("## Recap"), code("r", stream("out")))
    assert seen.endswith("Head How many? one two Why? x Recap r out")
    assert hidden == ["1 2 Three. In all.", "y Z."]


def test_a_fold_ends_at_the_next_slide_and_begins_again_after_more_code(tmp_path):
    slide = {"slideshow": {"slide_type": "slide"}}
    seen, hidden = folded(
        tmp_path, TITLE, markdown("How?"), code("a", stream("1")), markdown("So."),
        code("b", stream("2")), markdown("New.", metadata=slide), code("c", stream("3")))
    assert seen.endswith("How? a b New. c 3") and hidden == ["1 So.", "2"]


def test_widgets_and_beats_stay_in_sight_and_so_does_the_question_after_them(tmp_path):
    still = shown(show_images(np.zeros((1, 1, 4, 4)), alt="A square"))
    still["data"]["text/plain"] = "Beat: stride: 3"
    seen, hidden = folded(
        tmp_path, TITLE, markdown("Play. Which?"), code("w", stream("no"), shown(SlidingKernel())),
        markdown("This."), markdown("And now?"),
        markdown("<details><summary>A</summary> B</details>"), markdown("Slide. Which?"), code("b", still), markdown("That."))
    assert hidden == ["no This.", "A B", "That."]
    assert re.search(r"Which\? w And now\? Slide. Which\? b In the notebook a control", seen)


def test_without_a_question_nothing_is_folded(tmp_path):
    page = build(tmp_path, TITLE, markdown("Text."), code("a", stream("1")))
    assert not page.all("details") and "Show all" not in page.text and not page.all("script")


ASKED = [TITLE, markdown("How?"), code("a", stream("one")), markdown("So."), markdown("Why?"),
         code("b", stream("second")), markdown("## Quiz\n\n<details><summary>1.</summary>\n\nYes."
                                          "\n\n</details>")]


@pytest.fixture(scope="module")
def chromium():
    with open_chromium(need("browser")) as browser:
        yield browser


def address(tmp_path, *cells, name="01_a"):
    path = write(tmp_path / "in", name, notebook(*cells))
    build_site([path], tmp_path / "out")
    return (tmp_path / "out" / f"{name}.html").as_uri()


def test_all_answers_open_at_once_and_the_page_remembers(chromium, tmp_path):
    with open_page(chromium, address(tmp_path, *ASKED)) as page:
        shown_now = page.locator("details[open]")
        box = page.get_by_label("Show all answers")
        assert page.locator("details").count() == 3 and shown_now.count() == 0
        page.locator("summary").first.focus()
        page.keyboard.press("Enter")
        assert page.get_by_text("So.").is_visible() and not page.get_by_text("second").is_visible()
        box.focus()
        page.keyboard.press("Space")
        assert shown_now.count() == 3 and page.get_by_text("second").is_visible()
        reload_until(page, box, True)
        assert shown_now.count() == 3
        box.uncheck()
        assert shown_now.count() == 0
        reload_until(page, box, False)
        assert shown_now.count() == 0


def reload_until(page, box, checked, tries=50):
    """Load the page again; the browser writes down what it remembers a moment later."""
    for _ in range(tries):
        page.reload()
        if box.is_checked() == checked:
            break
        page.wait_for_timeout(100)
    assert box.is_checked() == checked


def test_answers_open_without_scripts_and_without_storage(chromium, tmp_path):
    url = address(tmp_path, *ASKED)
    with open_page(chromium, url, java_script_enabled=False) as page:
        assert not page.get_by_label("Show all answers").is_visible()
        page.locator("summary").first.click()
        assert page.get_by_text("So.").is_visible()
    context = chromium.new_context()
    context.add_init_script("Object.defineProperty(window, 'localStorage', "
                            "{ get() { throw new Error('refused'); } })")
    page = context.new_page()
    page.goto(url)
    page.get_by_label("Show all answers").check()
    assert page.locator("details[open]").count() == 3
    context.close()


def test_answers_are_open_on_paper(chromium, tmp_path):
    with open_page(chromium, address(tmp_path, *ASKED)) as page:
        page.emulate_media(media="print")
        assert page.get_by_text("second").is_visible() and page.get_by_text("Yes.").is_visible()
        assert not page.get_by_text("Show all answers").is_visible()


# ---- nothing is cut off


LONG = "Conv2D(3, 8): expected images (N, 3, H, W), got (64, 1, 28, 28); " * 4
TABLE = "".join(f"layer {n}    {'7' * 60}    {n}\n" for n in range(3))


@pytest.mark.parametrize("width", [360, 1200])
def test_printed_words_wrap_and_what_scrolls_says_so(chromium, tmp_path, width):
    cells = [code("x = '" + "y" * 79 + "'  # 100 columns", stream(LONG), stream(TABLE))]
    cells[0]["outputs"].append({"output_type": "error", "ename": "E", "evalue": "",
                                "traceback": ["\x1b[31mE: " + LONG]})
    with open_page(chromium, address(tmp_path, *cells), width=width) as page:
        over = page.evaluate("""() => [...document.querySelectorAll('pre')].map((pre) =>
            pre.scrollWidth - pre.clientWidth > 1)""")
        assert over == [width == 360, False, width == 360, False]
        looks = page.evaluate("getComputedStyle(document.querySelector('pre')).background")
        assert looks.count("gradient") == 4 and "local" in looks
        assert page.evaluate("document.documentElement.scrollWidth") == width


def pixels(image):
    return image.evaluate("(one) => [one.clientWidth - 16, one.naturalWidth]")


def test_a_figure_is_as_wide_as_it_has_pixels_and_opens_on_a_telephone(chromium, tmp_path):
    figure = shown(show_images(np.eye(20)[[0] * 4].reshape(4, 4, 5), alt="Four small images"))
    url = address(tmp_path, code("f", figure))
    with open_page(chromium, url, width=1200) as page:
        width, natural = pixels(page.locator(".figure img"))
        assert width == natural > 400
        assert not page.get_by_role("button", name="Enlarge the figure").is_visible()
    with open_page(chromium, url, width=360, has_touch=True) as page:
        width, natural = pixels(page.locator(".figure img"))
        assert width < 330
        button = page.get_by_role("button", name="Enlarge the figure")
        dialog = page.locator("dialog")
        button.focus()
        page.keyboard.press("Enter")
        large = dialog.get_by_role("img", name="Four small images")
        assert dialog.is_visible() and large.evaluate("(one) => one.clientWidth") == natural
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        page.keyboard.press("Escape")
        assert not dialog.is_visible()
        assert page.evaluate("document.activeElement.className") == "enlarge"
        page.locator(".figure img").tap()
        assert dialog.is_visible()
        dialog.get_by_role("button", name="Close").tap()
        assert not dialog.is_visible()


def test_folded_markdown_is_kept(tmp_path):
    folded = "<details>\n<summary>Why?</summary>\n\nIt *slides*.\n\n</details>"
    page = build(tmp_path, markdown(folded))
    assert page.all("summary") and page.all("em")


def test_pages_are_linked_in_order(tmp_path):
    paths = [write(tmp_path / "in", name, notebook(markdown(f"# {name}")))
             for name in ("01_a", "02_b", "03_c")]
    build_site(paths, tmp_path / "out")
    links = {}
    for path in paths:
        page = Page((tmp_path / "out" / f"{path.stem}.html").read_text(encoding="utf-8"))
        links[path.stem] = {a.get("rel"): a["href"] for a in page.all("nav") + page.all("a")
                            if a.get("rel")}
    assert links == {"01_a": {"next": "02_b.html"},
                     "02_b": {"prev": "01_a.html", "next": "03_c.html"},
                     "03_c": {"prev": "02_b.html"}}


def test_the_index_lists_lessons_with_objectives(tmp_path):
    build(tmp_path, TITLE)
    page = Page((tmp_path / "out" / "index.html").read_text(encoding="utf-8"))
    text = re.sub(r"\s+", " ", page.text)
    assert {"href": "01_try.html"} in page.all("a")
    assert "01. One & two 50 min" in text and "You slide a kernel." in text
    assert "add x" in text and "count windows" in text


def test_describe_copes_with_a_bare_notebook():
    assert describe({"cells": []}, "07_bare") == ("07_bare", "", "", [])


@pytest.mark.parametrize("url, expected", [
    ("02_b.ipynb", '<a href="02_b.html">t</a>'),
    ("02_b.ipynb#why", '<a href="02_b.html#why">t</a>'),
    ("../notebooks/02_b.ipynb", '<a href="02_b.html">t</a>'),
    ("#here", '<a href="#here">t</a>'),
    ("https://example.org/?a=1&b=2", '<a href="https://example.org/?a=1&amp;b=2">t</a>'),
    ("../exercises/ex01/ex01.ipynb",
     't<span class="quiet"> (in the course folder: exercises/ex01/ex01.ipynb)</span>'),
])
def test_links(url, expected):
    assert link_html("t", url, {"02_b.html"}) == expected


# ---- formulas


def test_formulas_become_mathml(tmp_path):
    page = build(tmp_path, markdown(
        "In $a_1 < b$ and\n\n$$\\sum_{u,v} w_{u,v}$$\n\n"
        "$$\\begin{aligned} a &= b \\\\ c &= d \\end{aligned}$$\n\n`$not one$`"))
    assert [m["display"] for m in page.all("math")] == ["inline", "block", "block"]
    assert len(page.all("mtr")) == 2 and len(page.all("mtd")) == 4
    assert "$not one$" in page.text and "\\" not in page.text


def test_a_formula_that_cannot_be_shown_is_named(tmp_path):
    refuse(tmp_path, r"01_try.ipynb, cell 2: \\nonsense in the formula 'x \\\\nonsense y'",
           TITLE, markdown(r"Here $x \nonsense y$."))


# ---- what is refused


def test_stale_and_never_executed_notebooks_are_named(tmp_path):
    made = notebook(code("x = 1"))
    made["cells"][0]["source"] = "x = 2"
    path = write(tmp_path, "05_stale", made)
    with pytest.raises(SiteError, match="05_stale.ipynb: .*its code changed since .*execute.py"):
        build_site([path], tmp_path / "out")
    made["metadata"] = {}
    write(tmp_path, "05_stale", made)
    with pytest.raises(SiteError, match="05_stale.ipynb: .*it was never executed"):
        build_site([path], tmp_path / "out")


def test_changed_words_are_not_stale(tmp_path):
    made = notebook(markdown("old"), code("x = 1"))
    made["cells"][0]["source"] = "new words"
    build_site([write(tmp_path, "01_a", made)], tmp_path / "out")


def test_a_picture_without_words_is_refused(tmp_path):
    output = {"output_type": "display_data", "data": {"image/png": "iVBORw=="}, "metadata": {}}
    refuse(tmp_path, "01_try.ipynb, cell 1: a picture has no text .*Picture", code("x", output))
    refuse(tmp_path, r"cell 1: the picture attachment:b.png needs a text",
           markdown("![](attachment:b.png)", attachments=ATTACHED))


@pytest.mark.parametrize("url", ["https://example.org/a.png", "//example.org/a.png", "none.png",
                                 "attachment:none.png", "01_try.ipynb"])
def test_pictures_from_elsewhere_are_refused(tmp_path, url):
    refuse(tmp_path, f"cell 1: expected a picture beside the notebook.*got '{url}'",
           markdown(f"![words]({url})"))


def test_an_unknown_widget_is_refused(tmp_path):
    output = shown(SlidingKernel())
    output["data"]["application/vnd.course.widget+json"]["module"] = "../secret"
    refuse(tmp_path, "cell 1: .*expected the name of a view", code("w", output))


def test_no_notebook_is_no_site(tmp_path):
    with pytest.raises(SiteError, match="expected at least one notebook"):
        build_site([], tmp_path)


def test_two_notebooks_of_one_name_are_refused(tmp_path):
    paths = [write(tmp_path / folder, "01_a", notebook()) for folder in ("x", "y")]
    with pytest.raises(SiteError, match="would become one page"):
        build_site(paths, tmp_path / "out")


# ---- the command


def test_the_command_writes_and_lists(tmp_path, capsys):
    path = write(tmp_path, "01_a", notebook(TITLE))
    assert main(["--out", str(tmp_path / "out"), "--notebooks", str(path)]) == 0
    listed = capsys.readouterr().out
    assert "index.html" in listed and "01_a.html" in listed


@pytest.mark.parametrize("content, message", [
    (None, "No such file|cannot find"), ("[]", "expected a notebook"), ("{", "expected a notebook"),
])
def test_the_command_reports_what_is_no_notebook(tmp_path, capsys, content, message):
    path = tmp_path / "x.ipynb"
    if content is not None:
        path.write_text(content)
    assert main(["--out", str(tmp_path / "out"), "--notebooks", str(path)]) == 1
    assert re.search(f"x.ipynb.*{message}|{message}.*x.ipynb", capsys.readouterr().err)


def test_pages_are_the_same_every_time_and_nothing_is_executed(tmp_path, monkeypatch):
    cell = code("raise SystemExit", shown(SlidingKernel()))
    path = write(tmp_path, "01_a", notebook(TITLE, cell))

    def refused(*arguments, **options):
        raise AssertionError(f"the page builder started {arguments}")

    monkeypatch.setattr(subprocess, "Popen", refused)
    for name in ("one", "two"):
        build_site([path], tmp_path / name)
    one, two = ((tmp_path / name / "01_a.html").read_bytes() for name in ("one", "two"))
    assert one == two


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_lesson_becomes_a_page_of_moderate_size(path, tmp_path):
    (_, page) = build_site([path], tmp_path)
    text = page.read_text(encoding="utf-8")
    assert page.stat().st_size < 1_500_000
    assert "No description" not in text and "http-equiv" in text


# ---- on paper


def test_on_paper_widgets_are_stills_and_folded_text_is_open(chromium, tmp_path):
    folded = markdown("<details><summary>Why?</summary>\n\nBecause it slides.\n\n</details>")
    url = address(tmp_path, TITLE, folded, code("w", shown(SlidingKernel())))
    with open_page(chromium, url) as page:
        widget, still = page.locator(".cnn-widget"), page.locator(".course-widget > img")
        words = page.get_by_text("Because it slides.")
        widget.wait_for()
        assert still.count() == 0 and not words.is_visible()
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert still.is_visible() and not widget.is_visible() and words.is_visible()
        assert not page.locator("nav").first.is_visible()
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        page.emulate_media(media="screen")
        assert still.count() == 0 and widget.is_visible() and not words.is_visible()
