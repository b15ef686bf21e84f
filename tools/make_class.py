"""Make a class that never was: notebooks right, wrong, untouched and broken, to try `report` on.

    python tools/make_class.py FOLDER [--students 180]
    time python3 -m course_lib report FOLDER --json marks.json --page marks.html

Every student hands in one exercise, in turn; the kinds take turns, too.
"""

import argparse
import copy
from pathlib import Path

import make_exercises as generator  # in this folder
from nbgrader_run import is_task, submissions

from course_lib.notebooks import cell_source, write_notebook

KINDS = ("right", "half", "untouched", "syntax error", "deleted", "endless task", "endless cell",
         "error", "wrong")


def spoil(notebook: dict, kind: str) -> dict:
    """Return a solved notebook with one thing wrong in the first task's cell."""
    made = copy.deepcopy(notebook)
    cell = next(cell for cell in made["cells"] if is_task(cell))
    source = cell_source(cell)
    name = source.partition("def ")[2].partition("(")[0]
    cell["source"] = {
        "syntax error": source + "\n    return (",
        "endless task": source + f"\n\ndef {name}(*_):\n    while True:\n        pass\n",
        "endless cell": "while True:\n    pass\n" + source,
        "error": source + f"\n\ndef {name}(*arguments):\n    return arguments[0][99]\n",
    }.get(kind, source)
    if kind == "deleted":
        made["cells"].remove(cell)
    return made


def notebook_of(exercise: str, kind: str) -> dict:
    """Return what a student of one kind hands in."""
    made = submissions(exercise)
    return made[kind] if kind in made else spoil(made["right"], kind)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tools/make_class.py",
                                     description=__doc__.partition("\n\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--students", type=int, default=180)
    arguments = parser.parse_args(argv)
    names = [path.stem for path in generator.solutions()]
    for number in range(arguments.students):
        exercise = names[number % len(names)]
        kind = KINDS[(number + number // len(names)) % len(KINDS)]
        who = f"student_{number:03}_{kind.replace(' ', '_')}"
        path = arguments.folder / who / exercise / f"{exercise}.ipynb"
        write_notebook(path, notebook_of(exercise, kind))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
