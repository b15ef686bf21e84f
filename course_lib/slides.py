"""An executed notebook -> its lecture: one reveal.js deck with speaker notes and live widgets.

Executes nothing and asks nothing of the network. Built of site.py; imported by commands/slides.py.
"""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from course_lib.notebooks import cell_source
from course_lib.site import (
    PICTURES, POLICY, Lesson, SiteError, is_beat, is_heading, is_question, markdown_html,
    output_html, plain_text, read_lesson, slide_type, source_html, views,
)
from course_lib.widgets import WIDGET_MIMETYPE, static_text, style_source

TYPES = ("slide", "subslide", "fragment", "-", "skip", "notes")

DECK = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}; frame-src 'self' file:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<main class="reveal">
<div class="slides">
{slides}
</div>
</main>
{scripts}
</body>
</html>
"""


@dataclass
class Slide:
    """One screen: its cells as (number in the notebook, cell), and the lecturer's words."""

    cells: list = field(default_factory=list)
    notes: list = field(default_factory=list)


def build_deck(notebook, folder) -> Path:
    """Write one notebook's deck, `NN_name.slides.html`, into `folder`; return its path.

    Raises SiteError naming the notebook where it is stale, or a cell that cannot be shown.
    """
    lesson = read_lesson(notebook)
    text = deck_page(lesson)
    path = Path(folder) / f"{lesson.path.stem}.slides.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def read_slides(lesson: Lesson) -> list[list[Slide]]:
    """Return the columns of a deck, each a list of slides, as the cells' slideshow metadata says.

    A slide opens a column, a subslide the next screen below; "-" and fragment stay on the screen;
    notes go to the lecturer; skip is left out.
    """
    columns = []
    for number, cell in enumerate(lesson.notebook["cells"], start=1):
        kind = slide_type(cell)
        if kind not in TYPES:
            raise SiteError(f"slides: {lesson.path}, cell {number}: expected a slide type of "
                            f"{', '.join(TYPES)}, got {kind!r}.")
        if kind == "skip" or not cell_source(cell).strip():
            continue
        if kind == "slide" or not columns:
            columns.append([Slide()])
        elif kind == "subslide":
            columns[-1].append(Slide())
        slide = columns[-1][-1]
        if kind == "notes":
            slide.notes.append((number, cell))
        else:
            slide.cells.append((number, cell))
    return columns


# ---------------------------------------------------------------- HTML


def deck_page(lesson: Lesson) -> str:
    """Return the whole HTML of one deck."""
    modules, columns = [], []
    for column in read_slides(lesson):
        screens = [slide_html(slide, lesson, modules) for slide in column]
        columns.append("<section>\n" + "\n".join(screens) + "\n</section>")
    style = "".join([*map(static_text, ("reveal/reveal.css", "page.css")), style_source(*modules),
                     static_text("deck.css")])
    return DECK.format(
        policy=POLICY, title=html.escape(plain_text(lesson.title)) + ": slides", style=style,
        slides="\n".join(columns), scripts=scripts(modules),
    )


class Piece(NamedTuple):
    """What stands on a screen from some step on: 0 at once, 1 after one key, and so on.

    kind: text, code, output, figure, live (a widget), told (a text above a widget, which the next
    one replaces), making (the folded code of a widget or a Beat).
    """

    html: str
    step: int
    kind: str

    def __str__(self) -> str:
        later = f' fragment" data-fragment-index="{self.step}' if self.step else ""
        return f'<div class="piece {self.kind}{later}">\n{self.html}</div>'


def slide_html(slide: Slide, lesson: Lesson, modules: list[str]) -> str:
    """Return one screen: its pieces, then the notes, which only the speaker's window shows.

    A widget keeps its place: all texts, also those that come later, stand above it.
    """
    folder, shown = lesson.path.parent, list(pieces(slide, lesson, modules))
    live = [k for k, piece in enumerate(shown) if piece.kind == "live"]
    if live:
        first = live[0]
        above = shown[:first] + [piece for piece in shown[first:] if piece.kind == "told"]
        below = [piece for piece in shown[first:] if piece.kind != "told"]
        shown = ['<div class="above">', *above, "</div>", *below]
    for number, cell in slide.notes:
        words = {**cell, "source": unfolded(cell_source(cell))}
        text = markdown_html(words, f"{lesson.path}, cell {number}", folder, set())
        shown.append(f'<aside class="notes">\n{text}</aside>')
    return '<section class="screen">\n' + "\n".join(map(str, shown)) + "\n</section>"


def pieces(slide: Slide, lesson: Lesson, modules: list[str]):
    """Yield every Piece of a screen. Each fragment of the notebook is a step.

    Where the notebook marks none, a question comes alone; one key later the code, one key later
    its output and the text that answers. A widget is there with its question; each text after it
    is a step, and so is a new question.
    """
    marked = any(slide_type(cell) == "fragment" for _, cell in slide.cells)
    asked, played, step, last, folder = False, False, 0, "", lesson.path.parent
    for number, cell in slide.cells:
        source, where = cell_source(cell), f"{lesson.path}, cell {number}"
        step += slide_type(cell) == "fragment"
        if cell["cell_type"] == "markdown":
            question = is_question(source)
            follows = question and step or played or asked and last == "question"
            step += bool(follows and not marked and not source.lstrip().startswith("<details"))
            asked, last = question, "question" if question else "text"
            text = f'<div class="text">\n{markdown_html(cell, where, folder, set())}</div>\n'
            goes = played or has_widget(slide) and not is_heading(source)
            yield Piece(text, step, "told" if goes else "text")
        elif cell["cell_type"] == "code":
            shown = [(output_html(output, where, modules, folder, set()), kind_of(output))
                     for output in cell.get("outputs", [])]
            kinds, waits = {kind for _, kind in shown}, asked and not marked
            hidden = kinds & {"live", "beat"}
            step += waits and not hidden and last != "code"
            if not hidden:
                yield Piece(source_html(cell), step, "code")
            step += waits and bool(shown) and "live" not in kinds
            for made, kind in shown:
                yield Piece(made, step, "figure" if kind == "beat" else kind)
            if hidden:
                yield Piece(folded(source_html(cell), max(hidden)), step, "making")
            played, last = played or "live" in kinds, "output" if shown else "code"


def kind_of(output: dict) -> str:
    """Return what an output is on a screen: live, beat, figure or output.

    >>> kind_of({"data": {"image/png": "…"}}), kind_of({"text": "13"})
    ('figure', 'output')
    """
    data = output.get("data", {})
    if WIDGET_MIMETYPE in data:
        return "live"
    if is_beat(data):
        return "beat"
    return "figure" if set(PICTURES) & set(data) else "output"


def has_widget(slide: Slide) -> bool:
    return any(kind_of(output) == "live" for _, cell in slide.cells
               for output in cell.get("outputs", []))


def folded(source: str, kind: str) -> str:
    """Return code behind one click: beside a widget or a Beat, nobody reads how it is made."""
    what = {"live": "widget", "beat": "picture"}[kind]
    return f'<details class="making"><summary>The code of this {what}</summary>\n{source}</details>'


def unfolded(markdown: str) -> str:
    """Return a note without the <details> that folds it in the notebook.

    >>> unfolded("<details><summary>For the lecturer</summary>\\n\\nAsk *first*.\\n</details>")
    'Ask *first*.'
    """
    opening = r"\A\s*<details[^>]*>\s*(?:<summary>.*?</summary>)?"
    words = re.sub(opening, "", markdown, flags=re.DOTALL)
    return words.strip() if words == markdown else re.sub(r"</details>\s*\Z", "", words).strip()


def scripts(modules: list[str]) -> str:
    """The widgets' views as text, reveal.js with its licence, and the module that starts all."""
    licence = static_text("reveal/LICENSE")
    reveal = re.sub(r"//# sourceMappingURL=.*", "", static_text("reveal/reveal.js"))
    module = "\n".join([notes_plugin(), static_text("host.js"), static_text("deck.js")])
    return "\n".join([
        *views(modules), f"<script>\n/*\n{licence}*/\n{reveal}</script>",
        f'<script type="module">\n{module}</script>',
    ])


def notes_plugin() -> str:
    """The notes plugin, whose two imports are written out: the speaker's window, and no markdown.

    >>> "import " in notes_plugin() or "</" in notes_plugin()
    False
    """
    window = json.dumps(static_text("reveal/speaker-view.html")).replace("<", "\\u003c")
    plugin = static_text("reveal/notes.js")
    plugin = re.sub(r"^import speakerViewHTML .*$", lambda _: f"const speakerViewHTML = {window};",
                    plugin, flags=re.MULTILINE)
    plugin = re.sub(r"^import \{ marked \} .*$", "const marked = (text) => text;", plugin,
                    flags=re.MULTILINE)
    return plugin.replace("export default Plugin;", "")
