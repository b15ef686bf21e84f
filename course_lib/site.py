"""Executed notebooks -> self-contained pages: text, formulas, code, outputs, live widgets.

Executes nothing and asks nothing of the network. Imported by slides.py and commands/site.py.
"""

from __future__ import annotations

import base64
import html
import json
import re
from functools import partial
from pathlib import Path
from typing import NamedTuple

from course_lib.notebooks import cell_source, code_hash, joined, read_notebook
from course_lib.widgets import WIDGET_MIMETYPE, module_source, static_text, style_source

PNG = b"\x89PNG\r\n\x1a\n"
PICTURES = ("image/png", "image/jpeg", "image/svg+xml")
IMAGE_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg",
               ".svg": "image/svg+xml", ".gif": "image/gif"}

# On a page, the sentence that says how to make the page has no sense.
HINT = re.compile(r"[ \n]?This lesson as a page[^`]*`python3 -m course_lib site --out pages`\.?")

# What a page may load: itself. A browser that knows this refuses everything from outside.
POLICY = ("default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
          "script-src 'unsafe-inline' blob:; base-uri 'none'; form-action 'none'")

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the text</a>
{navigation_above}
<main id="main">
{body}
</main>
{navigation_below}
{scripts}
</body>
</html>
"""


# Without scripts it stays hidden, and each answer opens by itself.
SHOW_ALL = ('<p class="show-all" hidden><label><input type="checkbox"> Show all answers'
            "</label></p>")


class SiteError(ValueError):
    """A notebook that cannot become a page; the message names it and says what to change."""


class Lesson(NamedTuple):
    """One notebook and what its first cell says about it."""

    path: Path
    notebook: dict
    title: str
    purpose: str
    minutes: str
    objectives: list[str]

    @property
    def address(self) -> str:
        return f"{self.path.stem}.html"


def build_site(notebooks, folder) -> list[Path]:
    """Write one page a notebook and index.html into `folder`; return the paths written.

    Nothing is written unless every page could be built. Raises SiteError naming the notebook.
    """
    lessons = [read_lesson(path) for path in notebooks]
    if not lessons:
        raise SiteError("site: expected at least one notebook, found none in notebooks/.")
    names = [lesson.address for lesson in lessons]
    if len(set(names)) < len(names):
        raise SiteError(f"site: two notebooks would become one page among {', '.join(names)}.")
    pages = {"index.html": index_page(lessons)}
    for k, lesson in enumerate(lessons):
        before, after = lessons[k - 1:k], lessons[k + 1:k + 2]
        pages[lesson.address] = lesson_page(lesson, before, after, set(names))
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return [folder / name for name in pages]


# ---------------------------------------------------------------- reading


def read_lesson(path) -> Lesson:
    """Read one notebook, refuse it where its outputs are stale, and find title and objectives."""
    path = Path(path)
    try:
        notebook = read_notebook(path)
    except (OSError, ValueError) as error:
        raise SiteError(f"site: {error}") from None
    stamp = notebook.get("metadata", {}).get("course", {}).get("code_hash")
    if stamp != code_hash(notebook):
        reason = "it was never executed" if stamp is None else "its code changed since then"
        raise SiteError(
            f"site: {path}: expected outputs of the code as it is, but {reason}; "
            f"run: python tools/execute.py {path}"
        )
    return Lesson(path, notebook, *describe(notebook, path.stem))


def describe(notebook: dict, name: str) -> tuple[str, str, str, list[str]]:
    """Return (title, purpose, minutes, objectives) as the first markdown cells state them.

    >>> source = "# 01. Convolution\\n\\nOne sum.\\n\\nAfter this you can\\n\\n- add\\n- count\\n"
    >>> describe({"cells": [{"cell_type": "markdown", "source": source}]}, "01_convolution")
    ('01. Convolution', 'One sum.', '', ['add', 'count'])
    """
    markdown = [cell_source(c) for c in notebook["cells"] if c["cell_type"] == "markdown"]
    head = "\n\n".join(markdown[:2])
    title = re.search(r"^# +(.+)$", head, re.MULTILINE)
    rest = head[title.end():] if title else head
    purpose = re.match(r"\s*([^\s#<$*\-|][^\n]*(?:\n[^\s#\-*][^\n]*)*)", rest)
    bullet = r"^[ \t]*(?:[-*]|\d+[.)])[ \t]+"
    goals = re.search(rf"after this.*\n+((?:{bullet}.+\n?(?:  .+\n?)*)+)", rest, re.I | re.M)
    items = re.split(bullet, goals[1] if goals else "", flags=re.M)
    minutes = re.search(r"\b(\d+(?:\s*[+–-]\s*\d+)?)\s+min(?:utes|\b)", rest)
    return (
        title[1].strip() if title else name,
        " ".join(purpose[1].split()) if purpose else "",
        minutes[1] if minutes else "",
        [" ".join(item.split()) for item in items if item.strip()],
    )


# ---------------------------------------------------------------- pages


def lesson_page(lesson: Lesson, before, after, addresses: set[str]) -> str:
    """Return the whole HTML of one lesson; `before` and `after` are lists of 0 or 1 lessons."""
    modules = []
    body = "\n".join(parts(lesson, modules, addresses))
    steps = navigation(before, after)
    if "<details" in body:
        body = f"{SHOW_ALL}\n{body}"
    return PAGE.format(
        policy=POLICY, title=html.escape(plain_text(lesson.title)), style=style(*modules),
        navigation_above=steps.format("Lessons"), navigation_below=steps.format("Lessons, below"),
        body=body, scripts=scripts(modules, re.search('<details|class="output figure"', body)),
    )


def parts(lesson: Lesson, modules: list[str], addresses: set[str]):
    """Yield the HTML of a lesson piece by piece; what answers a question is folded behind it.

    After a question, code and widgets stay in sight. What the code printed and drew, and the text
    after it, wait behind "Show the answer", up to the next question, heading or slide.
    """
    asked, answer, folder = False, [], lesson.path.parent
    for number, cell in enumerate(lesson.notebook["cells"], start=1):
        kind, source = slide_type(cell), cell_source(cell)
        if kind == "notes" or not source.strip():
            continue  # the lecturer's words
        where = f"{lesson.path}, cell {number}"
        if cell["cell_type"] == "markdown":
            opens = is_question(source) or is_heading(source) or kind == "slide"
            asked = is_question(source) or asked and not opens
            text = markdown_html(cell, where, folder, addresses)
            text = f'<section class="text">\n{text}</section>'
            if asked and not opens:
                answer.append(text)
                continue
            yield from fold(answer)
            yield text
        elif cell["cell_type"] == "code":
            if any('class="text"' in part for part in answer):
                yield from fold(answer)  # the answer to the code before this one
            seen, folded = code_html(cell, where, modules, folder, addresses, asked)
            yield seen
            answer += folded
    yield from fold(answer)


def fold(answer: list[str]):
    """Yield the answer behind one click, and empty the list; nothing where there is none."""
    if answer:
        inside = "\n".join(answer)
        yield (f'<details class="answer">\n<summary>Show the answer</summary>\n{inside}\n'
               "</details>")
        answer.clear()


def is_question(markdown: str) -> bool:
    """Say whether the last thing in a markdown cell is a question.

    >>> is_question("Which is **larger?**"), is_question("Why? Because."), is_question("")
    (True, False, False)
    """
    return "<details" not in markdown and markdown.rstrip(" *_\n").endswith("?")


def is_heading(markdown: str) -> bool:
    """Say whether a markdown cell opens with a heading.

    >>> is_heading("## Quiz"), is_heading("#1 of 3"), is_heading("Text")
    (True, False, False)
    """
    return re.match(r"\s*#{1,6} ", markdown) is not None


def slide_type(cell: dict) -> str:
    """Return what the cell is in a lecture: slide, subslide, fragment, skip, notes, or - (goes on).

    >>> slide_type({"metadata": {"slideshow": {"slide_type": "notes"}}}), slide_type({})
    ('notes', '-')
    """
    return cell.get("metadata", {}).get("slideshow", {}).get("slide_type") or "-"


def index_page(lessons: list[Lesson]) -> str:
    """Return the HTML of the list of lessons: title, minutes, purpose, objectives, in order."""
    entries = []
    for lesson in lessons:
        convert = partial(inline_html, where=str(lesson.path))
        goals = "".join(f"<li>{convert(goal)}</li>" for goal in lesson.objectives)
        minutes = f' <span class="quiet">{lesson.minutes} min</span>' if lesson.minutes else ""
        entries.append(
            f'<li><h2><a href="{lesson.address}">{convert(lesson.title)}</a>{minutes}</h2>\n'
            f"<p>{convert(lesson.purpose)}</p>\n" + (f"<ul>{goals}</ul>" if goals else "") + "</li>"
        )
    body = ("<h1>Convolutional neural networks from scratch</h1>\n"
            "<p>Read the lessons in this order. The widgets compute in your browser: "
            "nothing has to be installed.</p>\n"
            f'<ol class="lessons">\n{"".join(entries)}\n</ol>')
    return PAGE.format(policy=POLICY, title="Convolutional neural networks from scratch",
                       style=style(), navigation_above="", navigation_below="", body=body,
                       scripts="")


def navigation(before, after) -> str:
    links = [f'<a rel="prev" href="{one.address}">← {html.escape(plain_text(one.title))}</a>'
             for one in before]
    links.append('<a href="index.html">All lessons</a>')
    links += [f'<a rel="next" href="{one.address}">{html.escape(plain_text(one.title))} →</a>'
              for one in after]
    return '<nav aria-label="{}">' + " ".join(links).replace("{", "&#123;").replace(
        "}", "&#125;") + "</nav>"


def plain_text(markdown: str) -> str:
    return re.sub(r"[`*$]", "", markdown)


def style(*modules: str) -> str:
    return static_text("page.css") + style_source(*modules)


def scripts(modules: list[str], acts=False) -> str:
    """All that a page needs: the views and the host that starts them; what opens and enlarges."""
    needed = ["host.js"] * bool(modules) + ["page.js"] * bool(acts)
    started = [f'<script type="module">\n{static_text(name)}</script>' for name in needed]
    return "\n".join([*views(modules), *started])


def views(modules: list[str]) -> list[str]:
    """Each view once, as text that the host turns into a module."""
    return [f'<script type="text/plain" data-module="{name}">\n{module_source(name)}\n</script>'
            for name in dict.fromkeys(modules)]


# ---------------------------------------------------------------- text and formulas


def markdown_html(cell: dict, where: str, folder: Path, addresses: set[str]) -> str:
    """Return one markdown cell as HTML: formulas as MathML, pictures inside the page."""
    from nbconvert.filters.markdown_mistune import MarkdownWithMath

    renderer = make_renderer(where, folder, cell.get("attachments", {}), addresses)
    return MarkdownWithMath(renderer=renderer)(HINT.sub("", cell_source(cell)))


def inline_html(markdown: str, where: str) -> str:
    """Return one line of markdown as HTML without a block around it; links become their text."""
    words = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", markdown)
    heading = markdown_html({"source": f"# {words}"}, where, Path(), set())  # "01." starts no list
    return re.sub(r"</?h1\b[^>]*>", "", heading).strip()


def make_renderer(where: str, folder: Path, attachments: dict, addresses: set[str]):
    from nbconvert.filters.markdown_mistune import IPythonRenderer

    class PageRenderer(IPythonRenderer):
        def inline_math(self, body):
            return formula(body, where, display="inline")

        def block_math(self, body):
            return formula(body, where, display="block")

        def latex_environment(self, name, body):
            return formula(rf"\begin{{{name}}}{body}\end{{{name}}}", where, display="block")

        def heading(self, text, level, **attributes):
            name = re.sub(r"[^a-z0-9]+", "-", re.sub(r"<[^>]*>", "", text).lower()).strip("-")
            return f'<h{level} id="{name}">{text}</h{level}>\n'

        def image(self, text, url, title=None):
            source = picture_source(url, where, folder, attachments)
            if not text.strip():
                raise SiteError(f"site: {where}: the picture {url} needs a text: ![text]({url}).")
            return f'<img src="{source}" alt="{html.escape(text)}">'

        def link(self, text, url, title=None):
            return link_html(text, url, addresses)

    return PageRenderer(escape=False)


def formula(latex: str, where: str, display: str) -> str:
    """Return LaTeX as MathML, which browsers draw without any script."""
    from latex2mathml.converter import convert

    aligned = r"\\(begin|end)\{(?:aligned|align|split|gathered)\*?\}"
    try:
        made = convert(re.sub(aligned, r"\\\1{align*}", latex).strip(), display=display)
    except Exception as error:  # the converter has many kinds of its own
        raise SiteError(
            f"site: {where}: cannot convert the formula {latex!r}: {error!r}."
        ) from None
    unknown = re.search(r"\\[A-Za-z]+|<mi>&</mi>", re.sub(r"&#x0005C;", r"\\", made))
    if unknown:
        raise SiteError(
            f"site: {where}: {unknown[0]} in the formula {latex!r} cannot be shown as MathML; "
            "write it with simpler commands."
        )
    return made.replace('display="block"', 'display="block" tabindex="0"')  # may be scrolled


def picture_source(url: str, where: str, folder: Path, attachments: dict) -> str:
    """Return the data: address of an attached or neighbouring picture; refuse one from outside."""
    if url.startswith("data:"):
        return url
    if url.startswith("attachment:") and (found := attachments.get(url[11:])):
        kind = next(iter(found))
        return f"data:{kind};base64,{joined(found[kind])}"
    file = folder / url
    if "//" in url or file.suffix.lower() not in IMAGE_TYPES or not file.is_file():
        raise SiteError(
            f"site: {where}: expected a picture beside the notebook or attached to it, got "
            f"{url!r}; a page loads nothing from outside."
        )
    return data_address(IMAGE_TYPES[file.suffix.lower()], file.read_bytes())


def data_address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def link_html(text: str, url: str, addresses: set[str]) -> str:
    """Point from notebook to page; a file of the course that has no page becomes its name."""
    file, _, anchor = url.partition("#")
    if re.match(r"[a-z]+:", url) or not file:
        return f'<a href="{html.escape(url)}">{text}</a>'
    page = f"{Path(file).stem}.html"
    if file.endswith((".ipynb", ".html")) and page in addresses | {"index.html"}:
        return f'<a href="{page}{"#" + anchor if anchor else ""}">{text}</a>'
    path = re.sub(r"^(\.\./)+", "", file)
    return f'{text}<span class="quiet"> (in the course folder: {html.escape(path)})</span>'


# ---------------------------------------------------------------- code and outputs


def code_html(cell: dict, where: str, modules: list, folder: Path, addresses: set[str],
              asked: bool) -> tuple[str, list[str]]:
    """Return one code cell with what is seen beside it, and what is folded after a question."""
    made = [(output_html(output, where, modules, folder, addresses), is_played(output))
            for output in cell.get("outputs", [])]
    seen = [text for text, played in made if played or not asked]
    folded = [text for text, played in made if asked and not played]
    inside = "\n".join([source_html(cell), *seen])
    return f'<section class="cell">\n{inside}\n</section>', folded


def is_played(output: dict) -> bool:
    """Say whether an output is there to be played with: a widget, or what stands for a Beat."""
    data = output.get("data", {})
    return WIDGET_MIMETYPE in data or is_beat(data)


def is_beat(data: dict) -> bool:
    return joined(data.get("text/plain", "")).startswith("Beat: ")


def source_html(cell: dict) -> str:
    """Return the source of one code cell, highlighted."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import get_lexer_by_name

    code = highlight(cell_source(cell), get_lexer_by_name("ipython3"), HtmlFormatter(nowrap=True))
    return f'<pre class="code" role="group" tabindex="0" aria-label="Code">{code}</pre>'


def output_html(output: dict, where: str, modules: list, folder: Path, addresses) -> str:
    """Return one output in the richest form that a page can show."""
    kind = output["output_type"]
    if kind == "stream":
        return text_html(joined(output["text"]), output["name"])
    if kind == "error":
        return text_html("\n".join(output["traceback"]), "stderr")
    data, metadata = output["data"], output.get("metadata", {})
    if WIDGET_MIMETYPE in data:
        return widget_html(data, metadata, modules, where)
    control = control_note(data, metadata)
    for mime in PICTURES:
        if mime in data:
            return picture_html(mime, data, metadata, where, control)
    if "text/html" in data:
        return f'<div class="output table">{joined(data["text/html"])}</div>{control}'
    if "text/markdown" in data or "text/latex" in data:
        cell = {"source": joined(data.get("text/markdown", data.get("text/latex")))}
        return f'<div class="output">{markdown_html(cell, where, folder, addresses)}</div>'
    return text_html(joined(data.get("text/plain", "")), "stdout")


def control_note(data: dict, metadata: dict) -> str:
    """Return what replaces the slider or menu of a Beat where no kernel runs.

    >>> beat = {"text/plain": "Beat: stride: 3"}
    >>> control_note(beat, {})[25:-4]
    'In the notebook a control changes this picture. Here: stride: 3.'
    >>> control_note(beat, {"image/png": {"beat": "overview"}})[25:-4]
    'In the notebook you can change this; here are all settings side by side.'
    >>> control_note({"text/plain": "<Figure>"}, {})
    ''
    """
    if not is_beat(data):
        return ""
    words = "In the notebook you can change this; here are all settings side by side."
    if metadata.get("image/png", {}).get("beat") != "overview":
        told = joined(data["text/plain"])[6:]
        told = told if told.endswith((".", "!", "?")) else f"Here: {told}."
        words = f"In the notebook a control changes this picture. {told}"
    return f'<p class="control quiet">{html.escape(words)}</p>'


def text_html(text: str, name: str) -> str:
    """Return printed text; a line of words wraps, a line in columns keeps its columns."""
    from nbconvert.filters import ansi2html

    made = ansi2html(text)
    if "\x1b" not in text:  # else a colour could begin on one line and end on another
        lines = made.splitlines(keepends=True)
        made = "".join(f'<span class="line{" columns" * kept}">{line}</span>'
                       for line, kept in zip(lines, columns(text.splitlines())))
    return (f'<pre class="output {name}" role="group" tabindex="0" aria-label="Output">'
            f"{made}</pre>")


def columns(lines: list[str]) -> list[bool]:
    """Say of each line whether it is one of a table: by itself, or for its neighbour's sake.

    >>> columns(["blur   3", "sharpen 4", "", "Done."])
    [True, True, False, False]
    """
    sure = [in_columns(line) for line in lines]
    return [sure[k] or any(sure[j] and len(line) <= 1.2 * len(lines[j])
                           for j in (k - 1, k + 1) if line and 0 <= j < len(lines))
            for k, line in enumerate(lines)]


def in_columns(line: str) -> bool:
    """Say whether the place of a word on its line means something: a table, or an array.

    >>> in_columns("conv   80"), in_columns(" [ 9.  2.]]"), in_columns("Error: got (2, 3).")
    (True, True, False)
    """
    return re.search(r"\S {2,}\S|^ *\[[\[ \d.-]|[─│|]", line) is not None


def picture_html(mime: str, data: dict, metadata: dict, where: str, note: str = "") -> str:
    """Return a figure with its written alt text, as wide as it has pixels, and a note below."""
    text = joined(data[mime])
    content = text.encode("utf-8") if mime == "image/svg+xml" else base64.b64decode(text)
    width = metadata.get(mime, {}).get("width")
    if content.startswith(PNG):
        width = int.from_bytes(content[16:20])
    image = image_html(mime, content, metadata, where, width)
    return f'<div class="output figure">{image}{note}</div>'


def image_html(mime: str, content: bytes, metadata: dict, where: str, width=None) -> str:
    """Return an <img> with its written alt text; a picture without one is an error."""
    alt = metadata.get(mime, {}).get("alt") or metadata.get("alt")
    if not alt:
        raise SiteError(
            f"site: {where}: a picture has no text for those who cannot see it; show it as a "
            "Picture(figure, alt) from course_lib.plots."
        )
    size = f' width="{int(width)}"' if width else ""
    return f'<img{size} src="{data_address(mime, content)}" alt="{html.escape(alt)}">'


def widget_html(data: dict, metadata: dict, modules: list, where: str) -> str:
    """Return the place of a widget: its still, until host.js has started the view in its stead."""
    page = data[WIDGET_MIMETYPE]
    try:
        module_source(page["module"])
    except ValueError as error:
        raise SiteError(f"site: {where}: {error}") from None
    modules.append(page["module"])
    content = base64.b64decode(joined(data["image/png"]))
    width = metadata.get("image/png", {}).get("width")
    still = image_html("image/png", content, metadata, where, width)
    state = json.dumps(page, ensure_ascii=False, sort_keys=True).replace("<", "\\u003c")
    return (f'<div class="output course-widget">{still}\n'
            f'<script type="application/json">{state}</script></div>')
