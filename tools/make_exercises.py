"""Make the exercises from the solutions: solutions/exNN_topic/ -> exercises/exNN_topic/.

    python tools/make_exercises.py             write exercises/
    python tools/make_exercises.py --check     write nothing, fail if exercises/ is stale

Solution regions become nbgrader's stub, hidden tests go, outputs go; nbgrader's metadata and
checksums (schema 3) are what its own `generate_assignment` would write. A marker that is not
exactly right is refused: guessing would hand the solution to the class.
"""

import argparse
import ast
import hashlib
import io
import re
import sys
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from course_lib.notebooks import (
    cell_source,
    notebook_text,
    read_notebook,
    write_notebook,
)

BEGIN_SOLUTION, END_SOLUTION = "### BEGIN SOLUTION", "### END SOLUTION"
BEGIN_TESTS, END_TESTS = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"
MARKERS = (BEGIN_SOLUTION, END_SOLUTION, BEGIN_TESTS, END_TESTS)
STUB = ("# YOUR CODE HERE", "raise NotImplementedError()")

# Whatever reads like a marker: three number signs, or a comment with begin/end and a marker's noun.
LIKE_A_MARKER = re.compile(
    r"^\s*###|^\s*#.*\b(begin|end)\b.*\b(solu|hidden|test|mark)|\b(BEGIN|END)[\s_-]+(SOL|HID|MARK)",
    re.IGNORECASE,
)
NBGRADER_KEYS = ("grade", "grade_id", "locked", "points", "schema_version", "solution", "task")
GRADE_ID = re.compile(r"[A-Za-z0-9_.-]+")


class MarkerError(ValueError):
    """A solution notebook holds something that the generator does not understand."""


def exercise_from(solution: dict) -> dict:
    """Return the exercise notebook of a solution notebook."""
    exercise = {**solution, "cells": [], "metadata": dict(solution["metadata"])}
    exercise["metadata"].pop("course", None)  # the hash of the solution's outputs
    exercise["metadata"].pop("widgets", None)
    grade_ids: set[str] = set()
    for number, cell in enumerate(solution["cells"], start=1):
        where = f"cell {number} (id {cell.get('id')})"
        if "id" not in cell:
            raise MarkerError(f"{where}: expected a cell id, got none; run tools/execute.py first.")
        exercise["cells"].append(exercise_cell(cell, where, grade_ids))
    return exercise


def exercise_cell(cell: dict, where: str, grade_ids: set[str]) -> dict:
    """Return one cell as students get it."""
    source = cell_source(cell)
    made = {**cell, "metadata": dict(cell["metadata"])}
    grading = cell["metadata"].get("nbgrader")
    if cell["cell_type"] == "code":
        made.update(outputs=[], execution_count=None)
        for noise in ("execution", "collapsed", "scrolled"):
            made["metadata"].pop(noise, None)
    else:
        refuse_markers_outside_code(source, where)
    if grading is None:
        if cell["cell_type"] == "code":
            refuse_any_marker(source, where, "a cell without nbgrader metadata")
        return made
    check_grading(grading, cell["cell_type"], where, grade_ids)
    if cell["cell_type"] == "code":
        made["source"] = student_source(source, grading, where)
    made["metadata"].update(lock_of(grading))
    made["metadata"]["nbgrader"] = {
        **{key: grading[key] for key in NBGRADER_KEYS if key in grading},
        "cell_type": cell["cell_type"],
        "checksum": checksum(cell_source(made), cell["cell_type"], grading),
    }
    return made


def checksum(source: str, cell_type: str, grading: dict) -> str:
    """Return the md5 that nbgrader keeps to see whether a student changed a cell."""
    grade, solution = bool(grading["grade"]), bool(grading["solution"])
    parts = [source, cell_type, str(grade), str(solution), str(is_locked(grading))]
    parts.append(grading["grade_id"])
    if grade:
        parts.append(str(float(grading["points"])))
    return hashlib.md5("".join(parts).encode("utf-8"), usedforsecurity=False).hexdigest()


def is_locked(grading: dict) -> bool:
    """Say whether nbgrader overwrites the cell before it grades: tests are, solutions are not."""
    if grading["solution"]:
        return False
    return True if grading["grade"] else bool(grading["locked"])


def lock_of(grading: dict) -> dict:
    """Return the metadata with which nbgrader keeps cells from being deleted or edited."""
    if grading["solution"]:
        return {"deletable": False}
    if is_locked(grading):
        return {"deletable": False, "editable": False}
    return {}


def check_grading(grading: dict, cell_type: str, where: str, grade_ids: set[str]) -> None:
    """Refuse nbgrader metadata that we, or nbgrader, would misread."""
    missing = [key for key in ("grade", "grade_id", "locked", "solution") if key not in grading]
    if missing or grading.get("schema_version") != 3:
        raise MarkerError(
            f"{where}: expected nbgrader metadata of schema 3 with grade, grade_id, locked and "
            f"solution, got {sorted(grading)} with schema {grading.get('schema_version')}."
        )
    grade_id = grading["grade_id"]
    if not isinstance(grade_id, str) or not GRADE_ID.fullmatch(grade_id) or grade_id in grade_ids:
        raise MarkerError(
            f"{where}: expected a grade_id of letters, digits, _ . - that occurs once, "
            f"got {grade_id!r}."
        )
    grade_ids.add(grade_id)
    if grading.get("task") or (cell_type != "code" and (grading["grade"] or grading["solution"])):
        raise MarkerError(f"{where}: expected a code cell as task, got {cell_type}.")
    if grading["grade"] and not isinstance(grading.get("points"), (int, float)):
        raise MarkerError(f"{where}: expected points for a test, got {grading.get('points')}.")
    if grading["grade"] and grading["solution"]:
        raise MarkerError(f"{where}: expected a solution or a graded test, got both in one cell.")
    if grading["grade"] != grading["locked"]:
        raise MarkerError(
            f"{where}: expected locked={grading['grade']} (graded cells are locked, others are "
            f"not), got {grading['locked']}."
        )


# Markers


def student_source(source: str, grading: dict, where: str) -> str:
    """Return the source of a graded or solution cell without what students must not see."""
    regions = find_regions(source, where)
    kinds = {begin for begin, _, _ in regions}
    wanted = {BEGIN_SOLUTION} if grading["solution"] else {BEGIN_TESTS}
    if kinds != wanted and (grading["solution"] or grading["grade"]):
        raise MarkerError(
            f"{where}: expected {', '.join(wanted)} in this cell and no other region, "
            f"got {', '.join(sorted(kinds)) or 'none'}."
        )
    if not (grading["solution"] or grading["grade"]) and kinds:
        raise MarkerError(f"{where}: expected no region in a cell that is neither, got {kinds}.")
    lines, made, position = source.split("\n"), [], 0
    for begin, first, last in regions:
        made += lines[position:first]
        if begin == BEGIN_SOLUTION:
            made += [indentation(lines[first]) + line for line in STUB]
        elif "assert" not in "\n".join(lines[first:last]):
            raise MarkerError(
                f"{where}: expected an assert in the hidden tests (without one nbgrader gives "
                "everybody full marks), got none."
            )
        position = last + 1
    text = "\n".join(made + lines[position:])
    refuse_what_is_no_python(text, where)
    return text


def find_regions(source: str, where: str) -> list[tuple[str, int, int]]:
    """Return (begin marker, its line, the line of its end marker), or refuse the cell."""
    lines = source.split("\n")
    comments = comment_lines(source, where)
    regions: list[tuple[str, int, int]] = []
    opened: tuple[str, int] | None = None
    for number, line in enumerate(lines):
        place = f"{where}, line {number + 1}"
        if line.strip() not in MARKERS:
            if LIKE_A_MARKER.search(line):
                raise MarkerError(f"{place}: expected a marker, one of {MARKERS}, got {line!r}.")
            continue
        marker = line.strip()
        if number not in comments or line != line.rstrip() or "\t" in line:
            raise MarkerError(f"{place}: expected {marker} alone on its line as a comment.")
        if opened is None and marker in (BEGIN_SOLUTION, BEGIN_TESTS):
            opened = marker, number
        elif opened is not None and marker == opened[0].replace("BEGIN", "END"):
            check_region(lines, opened[1], number, where)
            regions.append((*opened, number))
            opened = None
        else:
            inside = f"inside {opened[0]}" if opened else "outside any region"
            raise MarkerError(f"{place}: expected markers in pairs, got {marker} {inside}.")
    if opened is not None:
        raise MarkerError(f"{where}: expected an end for {opened[0]}, got none.")
    return regions


def check_region(lines: list[str], first: int, last: int, where: str) -> None:
    """Refuse an empty region and one whose markers are not indented as what they enclose."""
    inside = [line for line in lines[first + 1 : last] if line.strip()]
    if not inside:
        raise MarkerError(f"{where}, line {first + 1}: expected code in the region, got none.")
    indent = indentation(lines[first])
    expected = indentation(inside[0])
    if indent != expected or indentation(lines[last]) != expected:
        raise MarkerError(
            f"{where}, line {first + 1}: expected both markers indented by {len(expected)} as the "
            f"code between them, got {len(indent)} and {len(indentation(lines[last]))}."
        )
    outside = [line for line in inside if len(indentation(line)) < len(expected)]
    if outside and not outside[0].lstrip().startswith((")", "]", "}", "#")):
        raise MarkerError(
            f"{where}: expected the region to hold one block, got {outside[0]!r} outside it."
        )


def indentation(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" "))]


def comment_lines(source: str, where: str) -> set[int]:
    """Return the numbers of the lines that are a comment and nothing else (no string's inside)."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError) as error:
        raise MarkerError(f"{where}: expected Python, got {error}.") from None
    return {
        token.start[0] - 1
        for token in tokens
        if token.type == tokenize.COMMENT and not token.line[: token.start[1]].strip()
    }


def refuse_what_is_no_python(text: str, where: str) -> None:
    """Refuse a cell that would not even run unsolved; magics have no place in a task."""
    try:
        ast.parse(text)
    except SyntaxError as error:
        raise MarkerError(f"{where}: expected Python without the region, got {error}.") from None


def refuse_any_marker(source: str, where: str, place: str) -> None:
    for line in source.split("\n"):
        if LIKE_A_MARKER.search(line):
            raise MarkerError(f"{where}: expected no marker in {place}, got {line!r}.")


def refuse_markers_outside_code(source: str, where: str) -> None:
    """Refuse a marker in markdown; there '### ' is a heading and fine."""
    for line in source.split("\n"):
        if re.search(r"\b(BEGIN|END)[\s_-]+(SOL|HID|MARK)", line, re.IGNORECASE):
            raise MarkerError(f"{where}: expected no marker in markdown, got {line!r}.")


# Folders


def solutions() -> list[Path]:
    """Return every solution notebook, and refuse one whose name or folder is not exNN_topic."""
    found = sorted((ROOT / "solutions").glob("*/*.ipynb"))
    for path in found:
        if not re.fullmatch(r"ex\d\d[a-z]?_\w+", path.stem) or path.stem != path.parent.name:
            raise MarkerError(f"{path.relative_to(ROOT)}: expected exNN_topic/exNN_topic.ipynb.")
    return found


def target_of(solution: Path) -> Path:
    return ROOT / "exercises" / solution.parent.name / solution.name


def stale_exercises() -> list[str]:
    """Return one line for each exercise that is not what the generator makes now."""
    stale, wanted = [], set()
    for path in solutions():
        target = target_of(path)
        wanted.add(target)
        text = notebook_text(exercise_from(read_notebook(path)))
        if not target.exists() or target.read_bytes() != text.encode("utf-8"):
            stale.append(f"{target.relative_to(ROOT)}: not what {path.relative_to(ROOT)} gives.")
    for path in sorted((ROOT / "exercises").rglob("*.ipynb")):
        if path not in wanted and ".ipynb_checkpoints" not in path.parts:
            stale.append(f"{path.relative_to(ROOT)}: has no solution.")
    return stale


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tools/make_exercises.py")
    parser.add_argument("--check", action="store_true", help="write nothing, fail if stale")
    arguments = parser.parse_args(argv)
    try:
        if arguments.check:
            stale = stale_exercises()
            print("\n".join(stale) or "exercises/ is what solutions/ gives.")
            return 1 if stale else 0
        for path in solutions():
            write_notebook(target_of(path), exercise_from(read_notebook(path)))
            print(target_of(path).relative_to(ROOT))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
