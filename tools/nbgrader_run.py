"""Run the real nbgrader over solutions/ and over right, half right, wrong and untouched notebooks.

    python tools/nbgrader_run.py                          compare all, grade ex03_pooling
    python tools/nbgrader_run.py ex03_pooling ex07_filters    grade these
    python tools/nbgrader_run.py --all                    grade every exercise (minutes)

Needs a package index: nbgrader goes into an environment of its own, in a temporary folder, beside
the packages of the Python that runs this file. What must hold: `generate_assignment` on solutions/
gives the cells of exercises/; a right notebook scores all points, one with only its first task
solved exactly that task's points, a wrong and an untouched one 0.
"""

import argparse
import copy
import csv
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

import make_exercises as generator  # in this folder

from course_lib.notebooks import cell_source, read_notebook, write_notebook

NBGRADER = "nbgrader>=0.9.5,<0.10"
CONFIG = 'c = get_config()\nc.CourseDirectory.course_id = "cnn"\n'
WRONG = "return 0  # wrong on purpose"
STUB = generator.STUB[1]


class NbgraderError(Exception):
    """nbgrader could not be installed or run, or did not do what it must."""


def run(words: list, folder: Path, environment: dict) -> str:
    """Run a program and return what it said; raise where it failed."""
    done = subprocess.run([str(word) for word in words], cwd=folder, env=environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        last = "\n    ".join(done.stdout.strip().splitlines()[-12:])
        raise NbgraderError(f"{' '.join(map(str, words[:4]))} failed:\n    {last}")
    return done.stdout


def make_environment(folder: Path) -> Path:
    """Return the Python of a new environment with our packages and nbgrader."""
    run([sys.executable, "-m", "venv", folder], folder.parent, dict(os.environ))
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    where = run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
                folder, dict(os.environ)).strip()
    ours = sysconfig.get_path("purelib")
    (Path(where) / "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", NBGRADER],
        folder, dict(os.environ))
    return python


def variables(python: Path, home: Path) -> dict:
    """Return the variables to run nbgrader with: its own programs first, nothing of the user's."""
    path = os.pathsep.join([str(python.parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "HOME": str(home), "COURSE_PROGRESS": str(home),
            "PYTHONPATH": str(generator.ROOT), "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1", "JUPYTER_CONFIG_DIR": str(home / "jupyter")}


# The notebooks that are handed in


def submissions(name: str) -> dict[str, dict]:
    """Return who -> notebook of one exercise."""
    solution = read_notebook(generator.ROOT / "solutions" / name / f"{name}.ipynb")
    exercise = read_notebook(generator.target_of(Path(name) / f"{name}.ipynb"))
    made = {"right": copy.deepcopy(exercise), "untouched": copy.deepcopy(exercise),
            "wrong": copy.deepcopy(exercise), "half": copy.deepcopy(exercise)}
    solved = {cell["id"]: cell_source(cell) for cell in solution["cells"]}
    tasks = [cell["id"] for cell in exercise["cells"] if is_task(cell)]
    for who, right in (("right", tasks), ("half", tasks[:1]), ("wrong", [])):
        for cell in made[who]["cells"]:
            if cell["id"] in right:
                cell["source"] = re.sub(r"(?m)^ *### (BEGIN|END) SOLUTION\n?", "",
                                        solved[cell["id"]])
            elif cell["id"] in tasks:
                cell["source"] = cell_source(cell).replace(STUB, WRONG)
    return made


def is_task(cell: dict) -> bool:
    return cell["metadata"].get("nbgrader", {}).get("solution", False)


def points(name: str) -> list[float]:
    """Return the points of each test of an exercise, in order."""
    cells = read_notebook(generator.target_of(Path(name) / f"{name}.ipynb"))["cells"]
    graded = [cell["metadata"].get("nbgrader", {}) for cell in cells]
    return [float(one["points"]) for one in graded if one.get("grade")]


# What nbgrader makes of them


def compare_assignments(python: Path, folder: Path, environment: dict, names: list[str]) -> None:
    """Raise where `generate_assignment` does not give the cells of exercises/."""
    for name in names:
        run([python, "-m", "nbgrader", "generate_assignment", name], folder, environment)
        made = read_notebook(folder / "release" / name / f"{name}.ipynb")["cells"]
        ours = read_notebook(generator.target_of(Path(name) / f"{name}.ipynb"))["cells"]
        for number, (theirs, our) in enumerate(zip(made, ours, strict=True), start=1):
            same = cell_source(theirs) == cell_source(our) and all(
                theirs[key] == our[key] for key in ("id", "cell_type", "metadata"))
            if not same:
                raise NbgraderError(f"{name}, cell {number}: generate_assignment gives another.")
        print(f"{name}: generate_assignment gives the {len(ours)} cells of our exercise")


def grade(python: Path, folder: Path, environment: dict, name: str) -> dict[str, float]:
    """Hand in, autograde, and return who -> score."""
    made = submissions(name)
    for who, notebook in made.items():
        write_notebook(folder / "submitted" / who / name / f"{name}.ipynb", notebook)
    run([python, "-m", "nbgrader", "autograde", name], folder, environment)
    run([python, "-m", "nbgrader", "export"], folder, environment)
    with open(folder / "grades.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["assignment"] == name]
    return {row["student_id"]: float(row["score"]) for row in rows if row["student_id"] in made}


def check_scores(name: str, scores: dict[str, float]) -> None:
    """Raise where full, part and zero are not what came out."""
    each = points(name)
    expected = {"right": sum(each), "half": each[0], "wrong": 0.0, "untouched": 0.0}
    said = ", ".join(f"{who} {scores.get(who)}" for who in expected)
    print(f"{name}: {said} of {sum(each)} points")
    if scores != expected:
        raise NbgraderError(f"{name}: expected {expected}, got {scores}.")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tools/nbgrader_run.py",
                                     description=__doc__.partition("\n\n")[0])
    parser.add_argument("names", nargs="*", help="exercises to grade")
    parser.add_argument("--all", action="store_true", help="grade every exercise")
    parser.add_argument("--python", type=Path, metavar="FILE",
                        help="a Python that has nbgrader and the course: nothing is installed")
    arguments = parser.parse_args(argv)
    known = [path.stem for path in generator.solutions()]
    names = known if arguments.all else arguments.names or ["ex03_pooling"]
    if set(names) - set(known):
        parser.error(f"expected names of {', '.join(known)}, got {set(names) - set(known)}.")
    start = time.monotonic()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "grading"
            folder.mkdir()
            python = arguments.python or make_environment(Path(scratch) / "environment")
            environment = variables(python.absolute(), Path(scratch))
            version = run([python, "-m", "nbgrader", "--version"], folder, environment).split()[-1]
            print(f"nbgrader {version}, ready after {time.monotonic() - start:.0f} s")
            (folder / "nbgrader_config.py").write_text(CONFIG)
            shutil.copytree(generator.ROOT / "solutions", folder / "source")
            compare_assignments(python, folder, environment, known)
            for name in names:
                check_scores(name, grade(python, folder, environment, name))
    except NbgraderError as error:
        print(f"nbgrader run: {error}", file=sys.stderr)
        return 1
    print(f"all as it must be, after {time.monotonic() - start:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
