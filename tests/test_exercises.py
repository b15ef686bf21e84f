"""Exercises are what the generator makes of the solutions, and nothing of a solution is in them."""

import copy
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import execute
import make_exercises as generator

from course_lib.notebooks import cell_source, notebook_text, read_notebook

SOLUTIONS = generator.solutions()
NAMES = [path.stem for path in SOLUTIONS]
TASK = {"grade": False, "grade_id": "task", "locked": False, "schema_version": 3,
        "solution": True, "task": False}
TEST = {"grade": True, "grade_id": "test", "locked": True, "points": 2, "schema_version": 3,
        "solution": False, "task": False}
SOLVED = """\
def double(x):
    ### BEGIN SOLUTION
    y = 2 * x
    return y
    ### END SOLUTION
"""
TESTED = """\
double(3)
### BEGIN HIDDEN TESTS
assert double(2) == 4
### END HIDDEN TESTS
"""


def cell(source, kind="code", grading=None, name="a"):
    made = {"cell_type": kind, "id": name, "metadata": {}, "source": source}
    if kind == "code":
        made.update(outputs=[], execution_count=None)
    if grading is not None:
        made["metadata"]["nbgrader"] = dict(grading)
    return made


def notebook(*cells):
    return {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


# The folders


def test_there_are_exercises():
    assert SOLUTIONS and generator.main(["--check"]) == 0, generator.stale_exercises()


def test_a_stale_missing_or_left_over_exercise_is_noticed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(generator, "ROOT", tmp_path)
    solution = tmp_path / "solutions" / "ex01_a" / "ex01_a.ipynb"
    solution.parent.mkdir(parents=True)
    solution.write_text(notebook_text(notebook(cell(SOLVED, grading=TASK))), encoding="utf-8")
    assert generator.main(["--check"]) == 1
    assert "ex01_a.ipynb: not what solutions" in capsys.readouterr().out
    assert generator.main([]) == 0 and generator.main(["--check"]) == 0
    exercise = tmp_path / "exercises" / "ex01_a" / "ex01_a.ipynb"
    exercise.write_text(exercise.read_text().replace("YOUR CODE", "MY CODE"))
    assert generator.main(["--check"]) == 1
    solution.rename(solution.with_name("ex02_b.ipynb"))
    assert generator.main([]) == 1
    assert "expected exNN_topic/exNN_topic.ipynb" in capsys.readouterr().err
    solution.with_name("ex02_b.ipynb").unlink()
    assert generator.main(["--check"]) == 1
    assert "has no solution" in capsys.readouterr().out


@pytest.mark.parametrize("path", SOLUTIONS, ids=NAMES)
def test_no_line_of_a_solution_is_in_its_exercise(path):
    exercise = generator.target_of(path).read_text(encoding="utf-8")
    sources = [cell_source(c) for c in read_notebook(path)["cells"]]
    hidden = []
    for source in sources:
        for begin, end in (generator.MARKERS[:2], generator.MARKERS[2:]):
            for part in source.split(begin)[1:]:
                hidden += [line.strip() for line in part.split(end)[0].split("\n") if line.strip()]
    assert hidden
    for line in hidden:
        assert json.dumps(line, ensure_ascii=False)[1:-1] not in exercise
    assert "BEGIN " not in exercise and "HIDDEN" not in exercise and "SOLUTION" not in exercise


@pytest.mark.parametrize("path", SOLUTIONS, ids=NAMES)
def test_tasks_have_minutes_difficulty_and_three_hints(path):
    cells = read_notebook(path)["cells"]
    text = "\n".join(cell_source(c) for c in cells if c["cell_type"] == "markdown")
    tasks = [c for c in cells if c["metadata"].get("nbgrader", {}).get("solution")]
    assert tasks and text.count("difficulty") >= 1 + len(tasks) and "minutes" in text
    assert text.count("<summary>Hint") == 3 * len(tasks)
    assert text.count("<details>") == text.count("</details>")


def outputs_of(executed):
    return "".join(execute.joined(output.get("text", ""))
                   for c in executed["cells"] for output in c.get("outputs", []))


@pytest.mark.parametrize("path", SOLUTIONS, ids=NAMES)
def test_an_unsolved_exercise_runs_from_top_to_bottom(path, tmp_path):
    """In a real kernel: every check says "not attempted yet", nothing goes to stderr."""
    exercise = read_notebook(generator.target_of(path))
    executed = execute.run_cells(copy.deepcopy(exercise), tmp_path, timeout=120)
    assert outputs_of(executed).count("not attempted yet") == sum(
        c["metadata"].get("nbgrader", {}).get("grade", False) for c in exercise["cells"]
    )
    names = [output.get("name") for c in executed["cells"] for output in c.get("outputs", [])]
    assert "stderr" not in names
    assert list(tmp_path.iterdir()) == []


def test_checks_in_a_kernel_survive_what_students_write(tmp_path):
    """A kernel has threads, sockets and its own input(): the guard must hold there, too."""
    lines = {
        "loop": "def f(*a):\n    while True: pass",
        "exit": "import os\ndef f(*a): os._exit(0)",
        "quit": "def f(*a): quit()",
        "input": "def f(*a): return input()",
        "flood": "def f(*a): print('y' * 10**7); os.system('echo loud; echo louder >&2')",
        "patch": "import numpy as np\ndef f(*a): np.sum = None; return 1",
    }
    start = "from course_lib import check\ncheck.sandbox.SECONDS = 3"
    cells = [cell(start, name="start")]
    cells += [cell(f"{code}\ncheck.conv2d(f)", name=name) for name, code in lines.items()]
    cells.append(cell("print('alive', np.sum([1, 2]))", name="end"))
    executed = execute.run_cells(notebook(*cells), tmp_path, timeout=120)
    outputs = [c["outputs"] for c in executed["cells"][1:-1]]
    names = [{output.get("name") for output in some} for some in outputs]
    assert names == [{"stdout"}] * len(lines)
    said = [some[0]["text"].split("not yet: ")[1][:26] for some in outputs]
    assert said == [
        "it did not come back withi", "it ends Python itself (exi", "it ends Python itself (exi",
        "it asks for input(): all i", "it returns None: does it e", "y must be one NumPy array,",
    ]
    assert outputs_of({"cells": executed["cells"][-1:]}) == "alive 3\n"


# What the generator makes


def test_solutions_become_stubs_and_hidden_tests_go():
    solution = notebook(
        cell("# Title\n### A heading", "markdown", name="title"),
        cell(SOLVED, grading=TASK, name="task"),
        cell(TESTED, grading=TEST, name="test"),
        cell("print(1)", name="last"),
    )
    solution["cells"][3]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "1\n"}]
    solution["cells"][3]["execution_count"] = 3
    solution["metadata"]["course"] = {"code_hash": "of the solution"}
    before = copy.deepcopy(solution)
    exercise = generator.exercise_from(solution)
    assert solution == before
    title, task, test, last = exercise["cells"]
    assert [c["id"] for c in exercise["cells"]] == ["title", "task", "test", "last"]
    assert title == before["cells"][0]
    assert task["source"] == (
        "def double(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()\n"
    )
    assert test["source"] == "double(3)\n"
    assert last["outputs"] == [] and last["execution_count"] is None
    assert task["metadata"]["deletable"] is False and "editable" not in task["metadata"]
    assert test["metadata"]["deletable"] is False and test["metadata"]["editable"] is False
    assert set(task["metadata"]["nbgrader"]) == {*TASK, "cell_type", "checksum"}
    assert "course" not in exercise["metadata"]


def test_code_around_a_region_stays():
    source = SOLVED.replace("    ### BEGIN", "    x = float(x)\n    ### BEGIN")
    source = source.replace("    return y\n", "") + "    return y\n\n\nprint(double(1))"
    made = generator.student_source(source, TASK, "cell")
    assert made == ("def double(x):\n    x = float(x)\n    # YOUR CODE HERE\n"
                    "    raise NotImplementedError()\n    return y\n\n\nprint(double(1))")


RECORDED = [  # (source, grade, solution, locked, grade_id, points, what nbgrader 0.9.6 computes)
    ("def f():\n    pass", False, True, False, "f", None, "9b81cf7991b5e439fc10ed7271b945ed"),
    ("check.f(f)\n# é", True, False, True, "check_f", 4, "f1fc68892adba568ef648990a7252477"),
    ("print(1)", False, False, True, "read_only", None, "d5d6b2bee92db7608b3542af3c7a15e3"),
    ("assert f", True, False, True, "check_f", 2.5, "931258a103231e0efbd0203bca0f9a68"),
]


@pytest.mark.parametrize("source, grade, solution, locked, grade_id, points, expected", RECORDED)
def test_checksums_are_nbgraders(source, grade, solution, locked, grade_id, points, expected):
    grading = {"grade": grade, "solution": solution, "locked": locked, "grade_id": grade_id,
               "points": points}
    assert generator.checksum(source, "code", grading) == expected


@pytest.mark.parametrize("path", SOLUTIONS, ids=NAMES)
def test_nbgrader_makes_the_same_cells(path):
    """Where nbgrader is installed: its own preprocessors, in its own order."""
    preprocessors = pytest.importorskip("nbgrader.preprocessors", reason="nbgrader is optional")
    import nbformat

    made, resources = nbformat.read(path, 4), {}
    for name in ("LockCells", "ClearSolutions", "ClearOutput", "CheckCellMetadata",
                 "ComputeChecksums", "ClearHiddenTests", "ComputeChecksums"):
        made, resources = getattr(preprocessors, name)().preprocess(made, resources)
    ours = read_notebook(generator.target_of(path))
    assert json.loads(notebook_text(made))["cells"] == ours["cells"]


# What it refuses

MISUNDERSTOOD = {
    "misspelt": (SOLVED.replace("BEGIN SOLUTION", "BEGIN SOLUTON"), "expected a marker"),
    "lower case": (SOLVED.replace("### BEGIN", "### begin"), "expected a marker"),
    "two signs": (SOLVED.replace("### END", "## END"), "expected a marker"),
    "no blank": (SOLVED.replace("### END", "###END"), "expected a marker"),
    "a blank too many": (SOLVED.replace("### END", "###  END"), "expected a marker"),
    "more words": (SOLVED.replace("END SOLUTION", "END SOLUTION here"), "expected a marker"),
    "underscore": (SOLVED.replace("BEGIN SOLUTION", "BEGIN_SOLUTION"), "expected a marker"),
    "behind code": (SOLVED.replace("\n    ### BEGIN", "  ### BEGIN"), "expected a marker"),
    "another language": (SOLVED.replace("###", "//"), "expected a marker"),
    "mark scheme": (SOLVED + "### BEGIN MARK SCHEME\n", "expected a marker"),
    "blank behind": (SOLVED.replace("BEGIN SOLUTION", "BEGIN SOLUTION "), "alone on its line"),
    "tab": (SOLVED.replace("    ### BEGIN", "\t### BEGIN"), "expected"),
    "in a string": (SOLVED + 'text = """\n### BEGIN SOLUTION\n"""\n', "alone on its line"),
    "begin outdented": (SOLVED.replace("    ### BEGIN", "### BEGIN"), "indented by 4"),
    "begin indented": (SOLVED.replace("    ### BEGIN", "      ### BEGIN"), "indented by 4"),
    "end outdented": (SOLVED.replace("    ### END", "### END"), "indented by 4"),
    "end indented": (SOLVED.replace("    ### END", "        ### END"), "indented by 4"),
    "no end": (SOLVED.replace("    ### END SOLUTION\n", ""), "expected an end for ### BEGIN SOL"),
    "no begin": (SOLVED.replace("    ### BEGIN SOLUTION\n", ""), "expected markers in pairs"),
    "nested": (SOLVED.replace("    y =", "    ### BEGIN SOLUTION\n    y ="), "markers in pairs"),
    "other end": (SOLVED.replace("END SOLUTION", "END HIDDEN TESTS"), "expected markers in pairs"),
    "empty": ("### BEGIN SOLUTION\n\n### END SOLUTION", "expected code in the region"),
    "no region": ("def double(x):\n    return 2 * x\n", "expected ### BEGIN SOLUTION in this cell"),
    "tests in the task": (TESTED, "expected ### BEGIN SOLUTION in this cell"),
    "leaves the block": (SOLVED.replace("    return y", "print(1)"), "expected the region to hold"),
    "no Python": (SOLVED + "double(", "expected Python"),
    "no Python around it": (SOLVED + "double(1) double(2)\n", "expected Python without the reg"),
    "broken by the stub": (SOLVED + "  x = 1\n", "expected Python"),
}


@pytest.mark.parametrize("kind", MISUNDERSTOOD)
def test_markers_that_are_not_understood_are_refused(kind):
    source, message = MISUNDERSTOOD[kind]
    with pytest.raises(generator.MarkerError, match=message) as error:
        generator.exercise_from(notebook(cell(source, grading=TASK, name="the-task")))
    assert "cell 1 (id the-task)" in str(error.value)


REFUSED_CELLS = {
    "task without metadata": (cell(SOLVED), "expected no marker in a cell without nbgrader"),
    "tests without metadata": (cell(TESTED), "expected no marker in a cell without nbgrader"),
    "typo without metadata": (cell("x = 1\n### BEGIN SOLUTON\n"), "expected no marker in a cell"),
    "markdown": (cell(SOLVED, "markdown"), "expected no marker in markdown"),
    "markdown, lower case": (cell("### begin solution\n", "markdown"), "no marker in markdown"),
    "solution in a test": (cell(SOLVED, grading=TEST), "expected ### BEGIN HIDDEN TESTS"),
    "test without hidden tests": (cell("check()", grading=TEST), "expected ### BEGIN HIDDEN TESTS"),
    "no assert": (cell(TESTED.replace("assert ", ""), grading=TEST), "expected an assert"),
    "read only with a region": (cell(SOLVED, grading={**TASK, "solution": False}), "no region"),
    "old schema": (cell(SOLVED, grading={**TASK, "schema_version": 1}), "schema 3"),
    "no grade_id": (cell(SOLVED, grading={"solution": True, "schema_version": 3}), "grade_id"),
    "odd grade_id": (cell(SOLVED, grading={**TASK, "grade_id": "a task"}), "a grade_id of letters"),
    "task and test": (cell(SOLVED, grading={**TEST, "solution": True}), "got both in one cell"),
    "no points": (cell(TESTED, grading={**TEST, "points": None}), "expected points"),
    "unlocked test": (cell(TESTED, grading={**TEST, "locked": False}), "expected locked=True"),
    "locked task": (cell(SOLVED, grading={**TASK, "locked": True}), "expected locked=False"),
    "markdown task": (cell("Why?", "markdown", TASK), "expected a code cell"),
}


@pytest.mark.parametrize("kind", REFUSED_CELLS)
def test_cells_that_nbgrader_or_we_would_misread_are_refused(kind):
    refused, message = REFUSED_CELLS[kind]
    with pytest.raises(generator.MarkerError, match=message):
        generator.exercise_from(notebook(refused))


def test_two_cells_with_one_grade_id_and_cells_without_id_are_refused():
    twice = notebook(cell(SOLVED, grading=TASK, name="a"), cell(SOLVED, grading=TASK, name="b"))
    with pytest.raises(generator.MarkerError, match="that occurs once, got 'task'"):
        generator.exercise_from(twice)
    nameless = cell(SOLVED, grading=TASK)
    del nameless["id"]
    with pytest.raises(generator.MarkerError, match="expected a cell id, got none"):
        generator.exercise_from(notebook(nameless))


def test_a_refused_solution_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(generator, "ROOT", tmp_path)
    path = tmp_path / "solutions" / "ex01_a" / "ex01_a.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(notebook_text(notebook(cell(SOLVED))), encoding="utf-8")
    assert generator.main([]) == 1
    assert "expected no marker" in capsys.readouterr().err
    assert not (tmp_path / "exercises").exists()
