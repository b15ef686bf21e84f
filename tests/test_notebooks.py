"""Every committed notebook: executed, clean, fresh; every lesson: the anatomy of CURRICULUM."""

import ast
import copy
import json
import re
import sys
from itertools import pairwise, takewhile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import execute

from course_lib.notebooks import (
    PRIVATE_PATH,
    WIDGET_VIEW,
    cell_source,
    code_cells,
    code_hash,
    notebook_text,
    output_faults,
    read_notebook,
    write_notebook,
)


def found_in(folder):
    paths = sorted((ROOT / folder).rglob("*.ipynb"))
    return [path for path in paths if ".ipynb_checkpoints" not in path.parts]


LESSONS, SOLUTIONS, EXERCISES = map(found_in, ("notebooks", "solutions", "exercises"))
PARTIAL = {}  # lesson -> why it is not whole yet
COURSE_WIDGET = "application/vnd.course.widget+json"


def name(path):
    return path.stem


# Committed notebooks


@pytest.mark.parametrize("path", LESSONS + SOLUTIONS, ids=name)
def test_notebooks_are_executed_clean_and_fresh(path):
    notebook = read_notebook(path)
    assert output_faults(notebook, execute.machine_folders()) == []
    assert any(cell["outputs"] for _, cell in code_cells(notebook))


@pytest.mark.parametrize("path", LESSONS + SOLUTIONS, ids=name)
def test_committed_numbers_are_those_of_mnist(path):
    printed = "".join(str(output) for _, cell in code_cells(read_notebook(path))
                      for output in cell["outputs"])
    assert "small digits" not in printed, "executed without MNIST: set COURSE_DATA, execute again"


@pytest.mark.parametrize("path", EXERCISES, ids=name)
def test_exercises_carry_no_outputs(path):
    for cell in read_notebook(path)["cells"]:
        assert not cell.get("outputs") and cell.get("execution_count") is None


@pytest.mark.parametrize("path", LESSONS + SOLUTIONS + EXERCISES, ids=name)
def test_notebooks_are_stored_in_one_form_with_ids_that_occur_once(path):
    notebook = read_notebook(path)
    assert path.read_text(encoding="utf-8") == notebook_text(notebook)
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids) and notebook["nbformat_minor"] >= 5


@pytest.mark.parametrize("path", LESSONS + SOLUTIONS + EXERCISES, ids=name)
def test_links_between_files_lead_somewhere(path):
    for cell in read_notebook(path)["cells"]:
        if cell["cell_type"] == "markdown":
            for target in re.findall(r"\]\(([^)#\s]+)", cell_source(cell)):
                if "://" not in target and not target.startswith(("attachment:", "mailto:")):
                    assert (path.parent / target).exists(), f"{cell['id']}: {target}"


@pytest.mark.parametrize("path", LESSONS, ids=name)
def test_lessons_follow_the_anatomy(path):
    number = path.stem[:2]
    exercise = any((ROOT / "exercises").glob(f"ex{number}_*"))
    faults = lesson_faults(read_notebook(path), exercise)
    if path.stem in PARTIAL:
        faults = [fault for fault in faults if fault.kind not in OF_A_WHOLE_LESSON]
    assert faults == []


def test_partial_lessons_are_there_and_still_partial():
    for stem in PARTIAL:
        path = ROOT / "notebooks" / f"{stem}.ipynb"
        if path.exists():
            faults = lesson_faults(read_notebook(path))
            assert any(fault.kind in OF_A_WHOLE_LESSON for fault in faults), f"{stem} is whole now"


# The anatomy of a lesson, as far as a program can see it. Each fault says its kind and the cell.

CLOSING = ("in the wild", "quiz", "recap")
OF_A_WHOLE_LESSON = {"sections", "beats", "in the wild", "quiz", "recap", "exercise link", "notes"}
SLIDES = {"slide", "subslide", "fragment", "skip", "notes", "-"}
HIDDEN_TAGS = {"hide-input", "hide-cell", "hide_input", "remove-cell", "remove-input"}


class Fault(str):
    """A sentence that knows its kind."""

    def __new__(cls, kind, sentence):
        fault = super().__new__(cls, f"{kind}: {sentence}")
        fault.kind = kind
        return fault


def lesson_faults(notebook, exercise=True):
    """Return what is missing from a lesson; `exercise` says whether there is one to link to."""
    cells = notebook["cells"]
    return [
        *opening_faults(cells), *heading_faults(cells), *section_faults(cells),
        *closing_faults(cells, exercise), *code_faults(cells), *figure_faults(cells),
        *slide_faults(cells),
    ]


def is_markdown(cell):
    return cell["cell_type"] == "markdown"


def slide_type(cell):
    return cell["metadata"].get("slideshow", {}).get("slide_type")


def is_question(cell):
    if not is_markdown(cell) or slide_type(cell) == "notes" or "<details" in cell_source(cell):
        return False
    return cell_source(cell).rstrip(" *_\n").endswith("?")


def is_beat(place, cells):
    """Say whether a question stands there that code answers, before the next question."""
    if not is_question(cells[place]):
        return False
    later = takewhile(lambda cell: not is_question(cell), cells[place + 1:])
    return any(not is_markdown(cell) for cell in later)


def headings(cells):
    """Yield (cell number, level, text) of every heading outside fenced code."""
    for number, cell in enumerate(cells, start=1):
        if is_markdown(cell):
            text = re.sub(r"```.*?```", "", cell_source(cell), flags=re.DOTALL)
            for marks, title in re.findall(r"^(#{1,6}) +(.+)$", text, flags=re.MULTILINE):
                yield number, len(marks), title.strip()


def sections(cells):
    """Return [(title of a ## heading, its cells)]; the heading's cell is the first of them."""
    starts = [(number - 1, title) for number, level, title in headings(cells) if level == 2]
    ends = [start for start, _ in starts[1:]] + [len(cells)]
    return [(title, cells[start:end]) for (start, title), end in zip(starts, ends, strict=True)]


def lines_of_text(cell):
    """Return the lines of a markdown cell without blank ones and displayed formulas."""
    text = re.sub(r"\$\$.*?\$\$", "", cell_source(cell), flags=re.DOTALL)
    return [line for line in text.split("\n") if line.strip()]


def is_closing(title):
    return title.lower().startswith(CLOSING)


def opening_faults(cells):
    title = cell_source(cells[0]) if is_markdown(cells[0]) else ""
    if not re.match(r"# \d\d[a-z]?\. \S", title):
        yield Fault("title", "expected the first cell to begin with '# NN. Title'.")
    objectives = title.lower().partition("after this")[2]
    count = len(re.findall(r"^\s*(?:[-*]|\d\.) ", objectives, flags=re.MULTILINE))
    if not 1 <= count <= 4:
        yield Fault("objectives", f"expected 'After this you can' with 1 to 4 points, got {count}.")
    for word, what in (("minutes", "the minutes"), ("before", "what to know before"),
                       ("page", "where the page with live widgets is")):
        if word not in title.lower():
            yield Fault("opening", f"expected {what} in the first cell.")
    code = [cell_source(cell) for cell in cells if not is_markdown(cell)]
    if not code or len(code[0].strip().split("\n")) > 8:
        yield Fault("set-up", "expected a first code cell of at most 8 lines.")


def heading_faults(cells):
    found = list(headings(cells))
    if [level for _, level, _ in found].count(1) != 1:
        yield Fault("headings", "expected exactly one # heading.")
    for (_, before, _), (number, level, title) in pairwise(found):
        if level > before + 1:
            yield Fault("headings", f"cell {number}: '{title}' skips a level.")
    for number, level, title in found:
        if level == 2 and not is_closing(title) and len(title.split()) < 3:
            yield Fault("headings", f"cell {number}: '{title}' is neither a claim nor a question.")


def section_faults(cells):
    parts = [(title, part) for title, part in sections(cells) if not is_closing(title)]
    if not 2 <= len(parts) <= 4:
        yield Fault("sections", f"expected 2 to 4, got {len(parts)}.")
    for title, part in parts:
        beats = sum(map(is_beat, range(len(part)), [part] * len(part)))
        if not 4 <= beats <= 7:
            yield Fault("beats", f"'{title}': expected 4 to 7 questions, got {beats}.")
        asked = False
        for cell in part:
            asked = asked or is_question(cell)
            if not is_markdown(cell) and not asked:
                yield Fault("question", f"'{title}': no question before the code of {cell['id']}.")
            elif is_markdown(cell) and not is_question(cell):
                asked = False if slide_type(cell) != "notes" else asked
            if is_question(cell) and len(lines_of_text(cell)) > 4:
                yield Fault("question", f"{cell['id']}: expected at most 4 lines.")


def closing_faults(cells, exercise):
    closing = {title.lower(): part for title, part in sections(cells) if is_closing(title)}
    parts = {word: [part for title, part in closing.items() if title.startswith(word)]
             for word in CLOSING}
    for word, found in parts.items():
        if len(found) != 1:
            yield Fault(word, f"expected one section '## {word.capitalize()}', got {len(found)}.")
    text = {word: "\n".join(cell_source(cell) for part in found for cell in part)
            for word, found in parts.items()}
    if all(is_markdown(cell) for part in parts["in the wild"] for cell in part):
        yield Fault("in the wild", "expected the cell that shows the mistake.")
    items = text["quiz"].count("<details")
    if not 4 <= items <= 6 or items != text["quiz"].count("</details>"):
        yield Fault("quiz", f"expected 4 to 6 folded items, got {items}.")
    bullets = re.findall(r"^- ", text["recap"], flags=re.MULTILINE)
    if len(bullets) < 3 or "|---" not in text["recap"]:
        yield Fault("recap", "expected three bullets and a table of new words.")
    if exercise and not re.search(r"\]\([^)]*exercises/ex\d\d", text["recap"]):
        yield Fault("exercise link", "expected a link to the exercise in the recap.")


def code_faults(cells):
    run = 0
    for cell in cells:
        run = 0 if is_markdown(cell) else run + 1
        if is_markdown(cell):
            continue
        lines = cell_source(cell).strip().split("\n")
        if run > 2:
            yield Fault("code", f"{cell['id']}: more than two code cells in a row.")
        if len(lines) > 12 or max(map(len, lines)) > 100:
            yield Fault("code", f"{cell['id']}: expected at most 12 lines of 100 columns, got "
                        f"{len(lines)} of {max(map(len, lines))}.")
        tags = set(cell["metadata"].get("tags", []))
        if tags & HIDDEN_TAGS or cell["metadata"].get("jupyter", {}).get("source_hidden"):
            yield Fault("code", f"{cell['id']}: expected no hidden cell.")
        if not cell["outputs"] and not only_defines(cell_source(cell)):
            yield Fault("code", f"{cell['id']}: expected something to see.")


def only_defines(source):
    """Say whether a cell imports or defines and shows nothing: assignments alone do not count."""
    kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    return any(isinstance(statement, kinds) for statement in ast.parse(source).body)


def figure_faults(cells):
    for position, cell in enumerate(cells):
        for output in cell.get("outputs", []):
            data, metadata = output.get("data", {}), output.get("metadata", {})
            figure = "image/png" in data and COURSE_WIDGET not in data
            if figure and not metadata.get("image/png", {}).get("alt"):
                yield Fault("figure", f"{cell['id']}: a figure without alt text.")
            after = [one for one in cells[position + 1:] if slide_type(one) != "notes"][:2]
            if COURSE_WIDGET in data and not any(map(is_question, after)):
                yield Fault("widget", f"{cell['id']}: expected a question after the widget.")


def slide_faults(cells):
    for cell in cells:
        if slide_type(cell) not in SLIDES:
            yield Fault("slides", f"{cell['id']}: expected slideshow metadata.")
    if not any(slide_type(cell) == "notes" for cell in cells):
        yield Fault("notes", "expected speaker notes.")


# The anatomy test itself: a good lesson has no fault, and each thing taken away is one


def lesson():
    """Return a small lesson with everything in its place."""
    made = []

    def add(kind, source, slide="-", **more):
        cell = {"cell_type": kind, "id": f"c{len(made)}", "source": source,
                "metadata": {"slideshow": {"slide_type": slide}}, **more}
        made.append(cell)

    shown = [{"output_type": "stream", "name": "stdout", "text": "1\n"}]
    add("markdown", "# 03. Pooling\n\nLess is enough.\n\nAfter this you can\n- pool\n- unpool\n\n"
        "40 minutes. Before: lesson 02. As a page: ...", "slide")
    add("code", "import numpy as np", "skip", outputs=[])
    for section in ("A map can be half as wide", "What is lost?"):
        add("markdown", f"## {section}", "slide")
        for beat in range(4):
            add("markdown", f"What will be printed {beat}?")
            add("code", "print(1)", outputs=shown)
            add("markdown", "We saw 1.")
        add("markdown", "For the lecturer", "notes")
    add("markdown", "## In the wild: ties counted twice\n\nWhat does this print?", "slide")
    add("code", "print(1)", outputs=shown)
    add("markdown", "## Quiz\n" + "<details><summary>Why?</summary>Because.</details>\n" * 4)
    add("markdown", "## Recap\n- a\n- b\n- c\n\n| word | meaning |\n|---|---|\n| pool | less |\n\n"
        "[Exercise](../exercises/ex03_pooling/ex03_pooling.ipynb)")
    return {"cells": made, "metadata": {}}


def test_a_lesson_with_everything_has_no_fault():
    assert lesson_faults(lesson()) == []
    without = json.loads(json.dumps(lesson()).replace("exercises/", "elsewhere/"))
    assert lesson_faults(without, exercise=False) == []
    assert [fault.kind for fault in lesson_faults(without)] == ["exercise link"]


FIGURE = {"output_type": "display_data", "data": {"image/png": "x"}, "metadata": {}}
WIDGET = {"output_type": "display_data", "data": {COURSE_WIDGET: {}}, "metadata": {}}
SPOILED = {  # what is changed in which cell -> the kind of fault; None takes the cell out
    "no number": (0, {"source": "# Pooling"}, "title"),
    "five objectives": (0, {"source": "# 03. A\nAfter this you can\n" + "- x\n" * 5}, "objectives"),
    "no minutes": (0, {"source": "# 03. A\nAfter this you can\n- x\n before, page"}, "opening"),
    "long set-up": (1, {"source": "import a\n" * 9}, "set-up"),
    "second title": (2, {"source": "# 04. Another"}, "headings"),
    "level skipped": (3, {"source": "#### Deep\nWhat now?"}, "headings"),
    "a topic": (2, {"source": "## Pooling"}, "headings"),
    "one section": (2, {"source": "No heading"}, "sections"),
    "three beats": (3, {"source": "## A section of its own?"}, "beats"),
    "no question": (3, {"source": "Look at this."}, "question"),
    "long question": (3, {"source": "a\n" * 4 + "b?"}, "question"),
    "13 lines": (4, {"source": "print(1)\n" * 13}, "code"),
    "101 columns": (4, {"source": "print(" + "1" * 94 + ")"}, "code"),
    "three in a row": (5, {"cell_type": "code", "source": "print(1)", "outputs": [FIGURE]}, "code"),
    "hidden": (4, {"metadata": {"tags": ["hide-input"]}}, "code"),
    "nothing to see": (4, {"outputs": []}, "code"),
    "no alt text": (4, {"outputs": [FIGURE]}, "figure"),
    "no question after it": (4, {"outputs": [WIDGET], "source": "w"}, None),
    "no slide": (5, {"metadata": {}}, "slides"),
    "wild without code": (-3, {"cell_type": "markdown"}, "in the wild"),
    "no wild": (-4, {"source": "## Another claim here?"}, "in the wild"),
    "three items": (-2, {"source": "## Quiz\n" + "<details>a</details>" * 3}, "quiz"),
    "no quiz": (-2, {"source": "Questions"}, "quiz"),
    "two bullets": (-1, {"source": "## Recap\n- a\n- b\n|---|\n(exercises/ex03)"}, "recap"),
    "no words": (-1, {"source": "## Recap\n- a\n- b\n- c\n(exercises/ex03)"}, "recap"),
    "no link": (-1, {"source": "## Recap\n- a\n- b\n- c\n|---|\n"}, "exercise link"),
}


@pytest.mark.parametrize("change", SPOILED)
def test_what_is_missing_from_a_lesson_is_found(change):
    position, edit, kind = SPOILED[change]
    spoiled = lesson()
    spoiled["cells"][position].update(edit)
    if change == "three in a row":
        spoiled["cells"][6].update(cell_type="code", source="print(1)", outputs=[FIGURE])
    kinds = {fault.kind for fault in lesson_faults(spoiled)}
    assert (kind or "question") in kinds or (kind is None and "widget" not in kinds)


def test_a_widget_without_a_question_after_it_is_found():
    spoiled = lesson()
    spoiled["cells"][-3]["outputs"] = [WIDGET]
    assert [fault.kind for fault in lesson_faults(spoiled)] == ["widget"]


def test_speaker_notes_are_asked_for():
    spoiled = lesson()
    for cell in spoiled["cells"]:
        cell["metadata"] = {"slideshow": {"slide_type": "-"}}
    assert "notes" in {fault.kind for fault in lesson_faults(spoiled)}


# The helpers: hash, form, what outputs must not hold


def one_cell(source, outputs=(), count=1, **metadata):
    cell = {"cell_type": "code", "id": "a", "source": source, "metadata": {},
            "outputs": list(outputs), "execution_count": count}
    made = {"cells": [cell], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    made["metadata"].setdefault("course", {"code_hash": code_hash(made)})
    return made


def stream(text):
    return {"output_type": "stream", "name": "stdout", "text": text}


def test_the_code_hash_changes_with_code_only():
    first = one_cell("x = 1", [stream("1")])
    assert code_hash(first) == code_hash(one_cell(["x = ", "1"], count=7))
    assert code_hash(first) != code_hash(one_cell("x = 2"))
    noted = copy.deepcopy(first)
    noted["cells"].insert(0, {"cell_type": "markdown", "id": "b", "source": "text", "metadata": {}})
    assert code_hash(noted) == code_hash(first)
    split = {"cells": first["cells"] + one_cell("y = 1")["cells"]}
    assert code_hash(split) != code_hash(one_cell("x = 1\ny = 1"))


FAULTY = {
    "never executed": (one_cell("x", course={}), "never executed by tools/execute.py"),
    "stale": (one_cell("x", course={"code_hash": "0"}), "the code hash is stale"),
    "widget state": (one_cell("x", widgets={}), "metadata holds widget state"),
    "no count": (one_cell("x", count=None), "executed as None, expected 1"),
    "out of order": (one_cell("x", count=2), "executed as 2, expected 1"),
    "error": (one_cell("x", [{"output_type": "error", "ename": "IndexError"}]), "in IndexError"),
    "widget view": (one_cell("x", [{"output_type": "display_data", "data": {WIDGET_VIEW: {}}}]),
                    "holds a widget view"),
    "path": (one_cell("x", [stream("in /home/anna/course/x.py")]), "the path /home/anna"),
    "kernel path": (one_cell("x", [stream(["/tmp/ipykernel_7/1.py:2: W"])]), "the path /tmp/"),
    "Windows path": (one_cell("x", [stream("C:\\Users\\anna")]), "the path C:"),
    "address": (one_cell("x", [stream("<object object at 0x7f0011223344>")]), "memory address"),
    "in HTML": (one_cell("x", [{"output_type": "display_data",
                                "data": {"text/html": ["<b>/Users/anna/x</b>"]}}]), "/Users/anna"),
    "in state": (one_cell("x", [{"output_type": "display_data",
                                 "data": {COURSE_WIDGET: {"a": "/home/me"}}}]), "/home/me"),
    "traceback": (one_cell("x", [{"output_type": "error", "traceback": ["File /root/a.py"]}]),
                  "the path /root/a.py"),
}


@pytest.mark.parametrize("kind", FAULTY)
def test_what_a_committed_notebook_must_not_have_is_found(kind):
    notebook, sentence = FAULTY[kind]
    assert any(sentence in fault for fault in output_faults(notebook)), output_faults(notebook)


def test_a_clean_notebook_has_no_fault_and_given_folders_are_looked_for():
    clean = one_cell("x", [stream("see https://example.org/home/x and data/mnist, 3/4\n")])
    assert output_faults(clean) == []
    assert output_faults(one_cell("x", [stream("in /elsewhere/a")]), ["/elsewhere"]) != []
    assert not PRIVATE_PATH.search("a/tmp/b ./usr/x")


def test_a_file_that_is_no_notebook_is_refused(tmp_path):
    for content in ("", "[]", "{}", '{"cells": 3}'):
        (tmp_path / "a.ipynb").write_text(content)
        with pytest.raises(ValueError, match="a.ipynb: expected a notebook"):
            read_notebook(tmp_path / "a.ipynb")


def test_writing_is_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.ipynb"
    write_notebook(path, one_cell("x = 1\ny = 'é'"))
    first = path.read_bytes()
    assert read_notebook(path)["cells"][0]["source"] == ["x = 1\n", "y = 'é'"]
    write_notebook(path, read_notebook(path))
    assert path.read_bytes() == first and b"\r" not in first and first.endswith(b"}\n")
    with pytest.raises(TypeError):
        write_notebook(path, one_cell("x", [{"output_type": "stream", "text": object()}]))
    assert path.read_bytes() == first and [p.name for p in tmp_path.iterdir()] == ["a.ipynb"]


# tools/execute.py


def written(tmp_path, *sources, name="a.ipynb"):
    cells = []
    for number, source in enumerate(sources):
        cells += one_cell(source, count=None)["cells"]
        cells[-1]["id"] = f"cell-{number}"
    path = tmp_path / name
    write_notebook(path, {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    return path


SHOW = """\
import os, sys
from ipywidgets import IntSlider
for step in range(5):
    print("out", step)
    print("\\r", step, end="", file=sys.stderr)
print(os.environ.get("COURSE_FAST"), os.environ["OPENBLAS_NUM_THREADS"])
print(os.path.basename(os.getcwd()), hash("a"))
IntSlider(value=3)"""


def test_two_executions_give_the_same_bytes(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_FAST", "1")
    path = written(tmp_path, SHOW, "import sys\nassert sys.executable == " + repr(sys.executable))
    assert execute.main([str(path)]) == 0
    first = path.read_bytes()
    assert execute.main([str(path)]) == 0
    assert path.read_bytes() == first
    notebook = read_notebook(path)
    assert output_faults(notebook) == [] and execute.main(["--check", str(path)]) == 0
    assert "fresh" in capsys.readouterr().out
    out, err, slider = notebook["cells"][0]["outputs"]
    assert (out["name"], err["name"]) == ("stdout", "stderr") and err["text"] == [" 4"]
    assert out["text"][:6] == [*(f"out {step}\n" for step in range(5)), "None 1\n"]
    assert out["text"][6].startswith(tmp_path.name)
    assert slider["data"] == {"text/plain": ["IntSlider(value=3)"]}
    assert [cell["id"] for cell in notebook["cells"]] == ["cell-0", "cell-1"]
    assert "version" not in notebook["metadata"]["language_info"]
    assert set(notebook["metadata"]) == {"course", "kernelspec", "language_info"}


@pytest.mark.parametrize("source, message", [
    ("print('so far')\n1 / 0", "cell 2 (id cell-1) failed"),
    ("import os; os._exit(3)", "cell 2 (id cell-1) failed:\nKernel died"),
    ("import os; print(os.getcwd())", "cell 2 (id cell-1): an output holds the path"),
    ("print(object())", "an output holds the memory address"),
])
def test_a_notebook_that_cannot_be_published_is_left_alone(source, message, tmp_path, capsys):
    path = written(tmp_path, "x = 1", source)
    before = path.read_bytes()
    assert execute.main([str(path)]) == 1
    out = capsys.readouterr().out
    assert message in out and (source[:5] != "print" or "ZeroDivisionError" in out or "0x" in out)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["a.ipynb"]


def test_a_stale_notebook_is_reported_not_executed(tmp_path, capsys):
    path = written(tmp_path, "x = 1")
    before = path.read_bytes()
    assert execute.main(["--check", str(path)]) == 1
    assert "never executed" in capsys.readouterr().out and path.read_bytes() == before


def test_streams_are_merged_between_other_outputs_only():
    pieces = [{**stream("E"), "name": "stderr"}, stream("a"), stream("b\n"), FIGURE, stream("c")]
    merged = execute.merge_streams(pieces)
    assert [(o.get("name"), o.get("text")) for o in merged] == [
        ("stdout", "ab\n"), ("stderr", "E"), (None, None), ("stdout", "c"),
    ]
