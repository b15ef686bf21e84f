"""An executed notebook -> its lecture: one reveal.js deck with speaker notes and live widgets.

Executes nothing and asks nothing of the network. Built of site.py; imported by commands/slides.py.
"""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from course_lib.notebooks import cell_source
from course_lib.site import (
    POLICY, Lesson, SiteError, markdown_html, output_html, plain_text, read_lesson, slide_type,
    source_html, views,
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


def slide_html(slide: Slide, lesson: Lesson, modules: list[str]) -> str:
    """Return one screen: its pieces, then the notes, which only the speaker's window shows."""
    folder = lesson.path.parent
    shown = []
    for piece, step in pieces(slide, lesson, modules):
        later = f' fragment" data-fragment-index="{step}' if step else ""
        shown.append(f'<div class="piece{later}">\n{piece}</div>')
    for number, cell in slide.notes:
        words = {**cell, "source": unfolded(cell_source(cell))}
        text = markdown_html(words, f"{lesson.path}, cell {number}", folder, set())
        shown.append(f'<aside class="notes">\n{text}</aside>')
    return '<section class="screen">\n' + "\n".join(shown) + "\n</section>"


def pieces(slide: Slide, lesson: Lesson, modules: list[str]):
    """Yield (HTML, step) of all that stands on a screen; what has step 0 is there at once.

    Each fragment is a step. Where a notebook marks none, a question waits for its answer: first
    the question and the code, one key later the output and what was seen. A widget waits for
    nothing: it is there to be played with before the answer.
    """
    marked = any(slide_type(cell) == "fragment" for _, cell in slide.cells)
    step, asked, folder = 0, False, lesson.path.parent
    for number, cell in slide.cells:
        where = f"{lesson.path}, cell {number}"
        step += slide_type(cell) == "fragment"
        if cell["cell_type"] == "markdown":
            asked = is_question(cell_source(cell))
            yield f'<div class="text">\n{markdown_html(cell, where, folder, set())}</div>\n', step
        elif cell["cell_type"] == "code":
            outputs = cell.get("outputs", [])
            live = any(WIDGET_MIMETYPE in output.get("data", {}) for output in outputs)
            yield folded(source_html(cell)) if live else source_html(cell), step
            answer = bool(asked and outputs and not marked)
            step += answer and not live
            for output in outputs:
                yield output_html(output, where, modules, folder, set()), step
            step += answer and live
            asked = asked and not outputs


def is_question(markdown: str) -> bool:
    """Say whether the last thing in a markdown cell is a question.

    >>> is_question("Which is **larger?**"), is_question("Why? Because."), is_question("")
    (True, False, False)
    """
    return markdown.rstrip(" *_\n").endswith("?")


def folded(source: str) -> str:
    """Return code behind one click: on a screen with a widget, the widget needs the room."""
    return f'<details class="making"><summary>The code of this widget</summary>\n{source}</details>'


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
