"""`report`: a folder of submissions, some of them broken or unfriendly, judged task by task."""

import json
import os
import re
from pathlib import Path

import pytest

from course_lib.commands import report
from course_lib.notebooks import cell_source, read_notebook, write_notebook

ROOT = Path(__file__).parents[1]
SOLVED = ROOT / "solutions" / "ex01_convolution" / "ex01_convolution.ipynb"
UNTOUCHED = ROOT / "exercises" / "ex01_convolution" / "ex01_convolution.ipynb"
TASK = "ex01_convolution/conv2d"


def submit(path, change=lambda source: source, keep=lambda cell: True, start=SOLVED):
    """Write a submission: the solution (or the exercise) with the student's cells changed."""
    notebook = read_notebook(start)
    notebook["cells"] = [cell for cell in notebook["cells"] if keep(cell)]
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and "def my_conv2d" in cell_source(cell):
            cell["source"] = change(cell_source(cell))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_notebook(path, notebook)


FORGED = """

import atexit, json, os, sys, threading
def shout(*arguments):
    tasks = [{"task": "ex01_convolution/conv2d", "state": "passed", "mistake": None, "kind": "",
              "message": "forged"}]
    for word in ("course submission: ", sys.argv[-1], "0" * 32):
        os.write(1, f"\\n{word} {json.dumps({'exercise': 'ex01', 'tasks': tasks})}\\n".encode())
atexit.register(shout)
shout()
os.chdir("/")
os.environ["COURSE_PROGRESS"] = "/"
def my_conv2d(*arguments):
    return 0
"""


def not_the_function(cell):
    return "def my_conv2d" not in cell_source(cell)


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("submitted")
    name = "ex01_convolution.ipynb"
    submit(folder / "anna" / name)
    submit(folder / "bert" / name, lambda s: s.replace("weight[f])", "weight[f][:, ::-1, ::-1])"))
    submit(folder / "carla" / name, start=UNTOUCHED)
    submit(folder / "dora" / name, keep=not_the_function)
    submit(folder / "emil" / name, lambda s: s.replace("return y", "return y ("))
    submit(folder / "fritz" / name, lambda s: "while True: pass\n" + s)
    submit(folder / "gerd" / name, lambda s: "import os\nos._exit(0)\n" + s)
    submit(folder / "hanna" / name, lambda s: "%matplotlib inline\n!ls\nprint('x' * 10**6)\n" + s)
    submit(folder / "ida" / name, lambda s: s.replace("return y", "while True: pass"))
    submit(folder / "jan_ex01_convolution.ipynb", lambda s: "import numpy as np\n"
           "np.zeros = lambda *a, **k: 1 / 0\n" + s)
    (folder / "kai").mkdir()
    (folder / "kai" / name).write_text("not a notebook", encoding="utf-8")
    submit(folder / "lena" / name, lambda s: s + "\nmy_conv2d(1)\n")
    submit(folder / "mara" / name, lambda s: s + FORGED)
    submit(folder / "nils" / name, lambda s: s + "\nimport subprocess, sys\n"
           "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(63.5)'],\n"
           "                     start_new_session=True)\n")
    submit(folder / "olga" / name, lambda s: s.replace("return y", "return y[0, 0, 0, 99]"))
    progress = {"tasks": {TASK: {"state": "passed", "attempts": 4}}}
    (folder / "anna" / "progress.json").write_text(json.dumps(progress))
    (folder / ".ipynb_checkpoints").mkdir()
    submit(folder / ".ipynb_checkpoints" / name)
    before = {path: path.read_bytes() for path in folder.rglob("*.ipynb")}
    out = folder.parent / "marks.json", folder.parent / "marks.html"
    status = report.main([str(folder), "--json", str(out[0]), "--page", str(out[1])])
    assert {path: path.read_bytes() for path in folder.rglob("*.ipynb")} == before
    return status, json.loads(out[0].read_text()), out[1].read_text()


EXPECTED = {
    "anna": ("passed", "passed"), "bert": ("failed", "rotated"),
    "carla": ("not attempted", "not attempted yet"), "dora": ("missing", "its cell is gone"),
    "emil": ("missing", "its cell does not run (SyntaxError"),
    "fritz": ("missing", "its cell does not run (too slow"),
    "gerd": ("missing", "its cell does not run ("),
    "lena": ("passed", "passed"), "mara": ("failed", "must be one NumPy array"),
    "nils": ("passed", "passed"), "olga": ("failed", "the size of axis 3 is 2"),
    "hanna": ("passed", "passed"), "ida": ("failed", "did not come back"),
}


@pytest.mark.parametrize("student", EXPECTED)
def test_each_submission_gets_its_own_verdict(judged, student):
    (one,) = [entry for entry in judged[1] if entry["student"] == student]
    (task,) = [task for task in one["tasks"] if task["task"] == TASK]
    state, words = EXPECTED[student]
    assert task["state"] == state
    assert words in task["message"] or words in str(task["mistake"])


def test_what_cannot_be_read_is_named_and_costs_nobody_else(judged):
    status, entries, _ = judged
    assert status == 1
    (kai,) = [entry for entry in entries if entry["student"] == "kai"]
    assert "no verdict" in kai["error"] and len(entries) == 15
    assert {entry["student"] for entry in entries} >= {"jan_ex01_convolution"}


def test_the_page_shows_every_task_and_escapes(judged):
    page = judged[2]
    assert page.count("<tr><td>") == 1 + 15 and "ex01_convolution/conv2d" in page
    assert "<td>passed</td><td>4</td>" in page and "1 × kernel rotated" in page
    assert not re.search(r"src=|https?://", page)


def test_attempts_are_those_that_were_handed_in(judged):
    _, entries, _ = judged
    known = {entry["student"]: entry["tasks"][0]["attempts"] for entry in entries
             if "tasks" in entry}
    assert known.pop("anna") == 4 and set(known.values()) == {None}


def test_the_text_has_state_attempts_mistake_and_a_summary(judged):
    _, entries, _ = judged
    lines = report.table(entries)
    [anna] = [line for line in lines if line.startswith("anna ")]
    assert anna.split() == ["anna", TASK, "passed", "4"]
    [olga] = [line for line in lines if line.startswith("olga ")]
    assert olga.endswith("failed            (IndexError)")
    first, last = report.summary(entries)
    assert first.startswith(TASK) and "6 passed, 4 failed, 4 missing" not in first
    states = [entry["tasks"][0]["state"] for entry in entries if "tasks" in entry]
    for state in set(states):
        assert f"{states.count(state)} {state}" in first
    assert "4.0 attempts on average" in first and "1 x kernel rotated" in first
    assert last == f"15 notebooks, {states.count('passed')} of {len(states)} tasks passed"


def test_what_a_cell_starts_does_not_go_on(judged):
    left = [name for name in filter(str.isdigit, os.listdir("/proc"))
            if b"63.5" in read(f"/proc/{name}/cmdline")]
    assert left == []


def read(path):
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def test_of_your_own_exercises_the_attempts_are_known(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path))
    (tmp_path / "progress.json").write_text(json.dumps(
        {"tasks": {TASK: {"state": "failed", "attempts": 7}}}))
    assert report.attempts(UNTOUCHED, UNTOUCHED.parents[1]) == {TASK: 7}
    assert report.attempts(SOLVED, SOLVED.parents[1]) == {}


def test_an_empty_folder_is_said(tmp_path, capsys):
    assert report.main([str(tmp_path)]) == 1
    assert "no notebook in" in capsys.readouterr().err
