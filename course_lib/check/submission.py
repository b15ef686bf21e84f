"""One submitted notebook, judged in a process of its own: `python -m course_lib.check.submission`.

Every cell is tried in the sandbox before it counts: a syntax error, an exit or an endless loop
costs what that cell defines and nothing else. Imports the checks.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
import tempfile
from pathlib import Path

from course_lib.check import TASKS, judge, sandbox
from course_lib.notebooks import cell_source, code_cells, read_notebook

SECONDS_A_CELL = 5
FINAL = "course submission: "  # begins the line that carries the verdict


def exercise_of(path: Path, notebook: dict) -> str | None:
    """Return which exercise a notebook is: by its name, else by the ids of its graded cells.

    >>> exercise_of(Path("Anna_ex01_convolution (2).ipynb"), {"cells": []})
    'ex01_convolution'
    """
    known = sorted({task.id.partition("/")[0] for task in TASKS.values()})
    by_name = [name for name in known if name in path.stem]
    if by_name:
        return by_name[0]
    ids = {cell.get("metadata", {}).get("nbgrader", {}).get("grade_id")
           for cell in notebook["cells"]}
    by_task = [task.id.partition("/")[0] for task in TASKS.values() if task.function_name in ids]
    return by_task[0] if by_task else None


def judge_submission(path: Path) -> dict:
    """Run a notebook's cells and check what they define; return what is said of every task."""
    notebook = read_notebook(path)
    exercise = exercise_of(path, notebook)
    if exercise is None:
        raise ValueError(f"{path}: no exercise of this course: expected a name such as "
                         "ex01_convolution.ipynb, or its graded cells.")
    space, problems = run_cells(notebook)
    tasks = [task for task in TASKS.values() if task.id.startswith(exercise + "/")]
    return {"exercise": exercise,
            "tasks": [judge_task(task, space, problems) for task in tasks]}


def run_cells(notebook: dict) -> tuple[dict, list[tuple[str, str]]]:
    """Return what all cells but the checks define, and (source, problem) of those that failed."""
    space, problems = {"__name__": "__main__"}, []
    for _, cell in code_cells(notebook):
        if cell.get("metadata", {}).get("nbgrader", {}).get("grade"):
            continue
        source = re.sub(r"(?m)^\s*[%!].*$", "pass", cell_source(cell))  # magics and shell lines
        answers, _ = sandbox.call(lambda code: exec(code, dict(space)), [(source,)],
                                  SECONDS_A_CELL)
        if answers[0].how == "returned":
            with contextlib.redirect_stdout(io.StringIO()):
                exec(source, space)
        else:
            problems.append((source, answers[0].detail or answers[0].how))
    return space, problems


def judge_task(task, space: dict, problems: list[tuple[str, str]]) -> dict:
    """Return the state of one task, the id of a recognised mistake, and the whole message."""
    told = {"task": task.id, "mistake": None}
    if task.function_name not in space:
        why = [problem for source, problem in problems if f"def {task.function_name}" in source]
        message = f"{task.function_name} is not there: " + (
            f"its cell does not run ({why[0]})." if why else "its cell is gone.")
        return {**told, "state": "missing", "message": message}
    with contextlib.redirect_stdout(io.StringIO()):
        result = judge(task, space[task.function_name])
    return {**told, "state": result.state, "mistake": result.mistake, "message": result.message}


def main(words: list[str]) -> int:
    with tempfile.TemporaryDirectory() as elsewhere:  # the teacher's own progress stays as it is
        os.environ["COURSE_PROGRESS"] = elsewhere
        verdict = judge_submission(Path(words[0]))
    print("\n" + FINAL + json.dumps(verdict))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
