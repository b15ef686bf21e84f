"""What holds for every task of every exercise: its pointers lead somewhere, a stub is no answer.

That each mistake is named, and answers as students write them, is in the files of the topics.
"""

import re
from pathlib import Path

import pytest

from course_lib import check
from course_lib.notebooks import cell_source, read_notebook

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", check.TASKS)
def test_every_pointer_leads_to_a_heading_and_every_sentence_is_one(name):
    task = check.TASKS[name]
    least = 12 if name.startswith(("conv2d", "max_pool2d", "avg_pool2d")) else 8
    assert len({mistake.id for mistake in task.mistakes}) == len(task.mistakes) >= least
    for place in {thing.section for thing in (task, *task.mistakes)}:
        folder = f"solutions/{place.notebook}" if place.notebook.startswith("ex") else "notebooks"
        cells = read_notebook(ROOT / folder / f"{place.notebook}.ipynb")["cells"]
        assert f"## {place.heading}" in "\n".join(map(cell_source, cells)).split("\n")
    for mistake in task.mistakes:
        assert mistake.sentence[-1] in ".?"
        assert not re.match("[A-Z][a-z]+ ", mistake.sentence)  # it goes on after "not yet: "


@pytest.mark.parametrize("name", check.TASKS)
def test_a_stub_is_not_attempted_and_a_hard_coded_answer_no_solution(name, capfd):
    task = check.TASKS[name]
    right = task.reference(*task.cases[0].arguments)

    def stub(*arguments):
        raise NotImplementedError

    assert getattr(check, name)(stub).state == "not attempted"
    assert capfd.readouterr().out == f"{task.function_name}: not attempted yet.\n"
    assert not getattr(check, name)(lambda *arguments: right).passed
    assert getattr(check, name)(task.reference).passed
