"""One submitted notebook, judged in a process of its own: `python -m course_lib.check.submission`.

Every cell is tried in the sandbox before it counts: a syntax error, an exit or an endless loop
costs what that cell defines and nothing else. Imports the checks.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import linecache
import os
import re
import sys
import tempfile
from pathlib import Path

from course_lib.check import TASKS, in_child, judge, sandbox
from course_lib.notebooks import cell_source, code_cells, read_notebook

SECONDS_A_CELL = 10
MEMORY, FILE = 2**32, 2**26  # bytes that the process may map, and may write into one file


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
    for number, cell in code_cells(notebook):
        if cell.get("metadata", {}).get("nbgrader", {}).get("grade"):
            continue
        source = re.sub(r"(?m)^\s*[%!].*$", "pass", cell_source(cell))  # magics and shell lines
        problem = run_cell(source, f"<cell {number + 1}>", space)
        if problem:
            problems.append((source, problem))
    return space, problems


def run_cell(source: str, name: str, space: dict) -> str:
    """Run a cell as far as it goes, first in the sandbox and then in `space`; say what stopped it.

    An error ends a cell where it happens, as in a notebook; an endless loop or an exit leaves
    nothing of it.
    """
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    try:
        parts = [compile(ast.Module([part], []), name, "exec") for part in ast.parse(source).body]
    except (SyntaxError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    (answer, *_), _ = sandbox.call(lambda: execute(parts, dict(space)), [()], SECONDS_A_CELL)
    if answer.how != "returned":
        return answer.detail or answer.how
    done, problem = answer.value
    (answer, *_) = sandbox.call_here(lambda: execute(parts[:done], space), [()], SECONDS_A_CELL)
    return problem if answer.how == "returned" else answer.detail or answer.how


def execute(parts: list, space: dict) -> tuple[int, str]:
    """Run the statements of a cell; return (how many ran, the error of the next one)."""
    for done, part in enumerate(parts):
        try:
            exec(part, space)
        except Exception as error:  # noqa: BLE001  (whatever a student's cell raises)
            return done, f"{type(error).__name__}: {error}"
    return len(parts), ""


def judge_task(task, space: dict, problems: list[tuple[str, str]]) -> dict:
    """Return the state of one task, the id of a recognised mistake, and the whole message."""
    told = {"task": task.id, "mistake": None, "kind": ""}
    if task.function_name not in space:
        why = [problem for source, problem in problems if f"def {task.function_name}" in source]
        message = f"{task.function_name} is not there: " + (
            f"its cell does not run ({why[0]})." if why else "its cell is gone.")
        return {**told, "state": "missing", "message": message}
    with contextlib.redirect_stdout(io.StringIO()):
        result = judge(task, space[task.function_name])
    return {**told, "state": result.state, "mistake": result.mistake, "kind": result.kind,
            "message": result.message}


def limit_this_process() -> None:
    """Limit what a cell may take that misbehaves outside the sandbox only."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for which, wanted in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, FILE),
                          (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(which)[1]
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):  # macOS knows no limit of memory
            resource.setrlimit(which, (soft, hard))
    if in_child.can_fork():
        in_child.set_limits(in_child.mark(os.getpid()))  # `report` finds by it what is left over


def main() -> int:
    """Read a path and a word that nobody else knows, each a line; print the word and the verdict.

    The word shows that the line is ours, and not a cell's; so does leaving at once.
    """
    path, word = Path(sys.stdin.readline().rstrip("\n")), sys.stdin.readline().strip()
    write, leave, home = os.write, os._exit, os.getcwd()
    with tempfile.TemporaryDirectory() as elsewhere:  # the teacher's own progress stays as it is
        os.environ["COURSE_PROGRESS"] = elsewhere
        os.chdir(elsewhere)
        limit_this_process()
        verdict = judge_submission(path)
        os.chdir(home)
    message = f"\n{word} {json.dumps(verdict)}\n".encode("ascii")
    while message:
        message = message[write(1, message) :]
    leave(0)


if __name__ == "__main__":
    sys.exit(main())
