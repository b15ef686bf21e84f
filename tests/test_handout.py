"""`handout`: the zip of a class works unpacked, has the same bytes again, and no solution in it."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from course_lib import commands
from course_lib.commands import handout
from course_lib.commands.setup import FOLDER, SetupError
from course_lib.notebooks import cell_source

sys.path.insert(0, str(FOLDER / "tools"))

import make_exercises as generator

HIDDEN = re.compile(r"### BEGIN (SOLUTION|HIDDEN TESTS)\n(.*?)### END", re.DOTALL)


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """The zip of this course, as the command writes it."""
    path = tmp_path_factory.mktemp("handout") / "student.zip"
    assert handout.main(["--out", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def unpacked(packed):
    with zipfile.ZipFile(packed) as file:
        file.extractall(packed.parent)
    return packed.parent / handout.TOP


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A copy of the course with one solved exercise, small enough to spoil."""
    made = tmp_path / "course"
    for name in ("README.md", "pyproject.toml", "tools/make_exercises.py", "course_lib/conv.py",
                 "notebooks/00_start_here.ipynb", "tests/conftest.py", "tests/test_conv.py"):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(FOLDER / name, made / name)
    for kind in ("solutions", "exercises"):
        shutil.copytree(FOLDER / kind / "ex01_convolution", made / kind / "ex01_convolution")
    monkeypatch.setattr(handout, "FOLDER", made)
    return made


def names(path):
    with zipfile.ZipFile(path) as file:
        return [name.removeprefix(f"{handout.TOP}/") for name in file.namelist()]


def run(folder, *words):
    """Run Python in the unpacked folder with its library, not with the one that is installed."""
    own = {**os.environ, "PYTHONPATH": str(folder), "COURSE_FAST": "1"}
    done = subprocess.run([sys.executable, *words], cwd=folder, env=own, text=True,
                          encoding="utf-8", capture_output=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


# What is in it


def test_a_class_gets_lessons_exercises_and_library(packed):
    inside = names(packed)
    lessons = {f"notebooks/{path.name}" for path in (FOLDER / "notebooks").glob("[0-9]*.ipynb")}
    tasks = {path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("exercises/*/*.ipynb")}
    modules = {path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("course_lib/**/*.py")}
    static = {path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("course_lib/**/*.js")}
    assert lessons and tasks and static
    assert lessons | tasks | modules | static <= set(inside)
    assert {"README.md", "LICENSE", "LICENSE-text", "pyproject.toml", "environment.yml",
            "course_lib/assets/digits.npz", "tests/test_conv.py", "START.txt"} <= set(inside)


def test_and_nothing_else(packed):
    allowed = {"course_lib", "notebooks", "exercises", "recipes", "tests", "docs", "README.md",
               "START.txt", "CHANGELOG.md", "LICENSE", "LICENSE-text", "pyproject.toml",
               "environment.yml"}
    inside = names(packed)
    assert {name.split("/")[0] for name in inside} == allowed
    own = {f"tests/test_{name}.py" for name in handout.READ_IN_CLASS}
    tests = {name for name in inside if name.startswith("tests/")}
    assert tests == own | {"tests/conftest.py", "tests/oracle.py"}
    assert [name for name in inside if name.startswith("docs/")] == ["docs/sliding_kernel.png"]
    assert not [name for name in inside if "__pycache__" in name or "/." in name or "pyc" in name]


def test_what_lies_around_stays_here(course, tmp_path):
    for name in ("notebooks/.ipynb_checkpoints/01_convolution-checkpoint.ipynb", "answers.md",
                 "notebooks/my_notes.ipynb", "course_lib/__pycache__/conv.cpython-312.pyc",
                 "tests/test_check.py", ".venv/lib/x.py", "docs/instructors.md", ".git/config",
                 "course_lib/.conv.py.swp", "exercises/ex01_convolution/.DS_Store"):
        (course / name).parent.mkdir(parents=True, exist_ok=True)
        (course / name).write_text("{}", encoding="utf-8")
    assert handout.main(["--out", str(tmp_path / "a.zip")]) == 0
    assert names(tmp_path / "a.zip") == [
        "README.md", "START.txt", "course_lib/conv.py",
        "exercises/ex01_convolution/ex01_convolution.ipynb", "notebooks/00_start_here.ipynb",
        "pyproject.toml", "tests/conftest.py", "tests/test_conv.py",
    ]


def test_the_same_course_gives_the_same_bytes(packed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert handout.main(["--out", "deep/again.zip"]) == 0
    assert (tmp_path / "deep/again.zip").read_bytes() == packed.read_bytes()
    with zipfile.ZipFile(packed) as file:
        entries = file.infolist()
    assert [e.filename for e in entries] == sorted(e.filename for e in entries)
    assert {e.date_time for e in entries} == {(2020, 1, 1, 0, 0, 0)}
    assert {e.external_attr for e in entries} == {0o100644 << 16}


def test_dates_and_modes_of_files_do_not_count(course, tmp_path):
    handout.main(["--out", str(tmp_path / "a.zip")])
    os.utime(course / "README.md", (0, 0))
    (course / "README.md").chmod(0o600)
    handout.main(["--out", str(tmp_path / "b.zip")])
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


# Does it work where it is unpacked?


def test_the_commands_are_those_of_the_unpacked_folder(unpacked):
    code, output = run(unpacked, "-c", "import course_lib.conv as c; print(c.__file__)")
    assert code == 0 and Path(output.strip()).is_relative_to(unpacked)
    code, output = run(unpacked, "-m", "course_lib", "--help")
    assert code == 0 and re.search("^  lab .*\n  test ", output, re.MULTILINE)
    code, output = run(unpacked, "-m", "course_lib", "doctor")
    assert f"is not installed from {unpacked}" in output  # pip install -e . is setup's work
    assert f"can write in {unpacked}" in output and "Traceback" not in output


def test_test_runs_there_without_solutions(unpacked):
    line = "from course_lib.commands import test; raise SystemExit(test.main({}))"
    quick = ["-q", "-p", "no:cacheprovider", "course_lib/shapes.py", "tests/test_shapes.py",
             "exercises/ex01_convolution"]
    code, output = run(unpacked, "-c", line.format(quick))
    assert code == 0, output
    assert re.search(r"\d+ passed", output), output
    code, output = run(unpacked, "-c", line.format(["--collect-only", "-q"]))
    assert code == 0, output
    for part in ("tests/test_conv.py", "course_lib/conv.py", "notebooks/06_mnist.ipynb",
                 "exercises/ex01_convolution/ex01_convolution.ipynb"):
        assert f"\n{part}" in f"\n{output}"


def test_there_the_command_says_what_it_needs(unpacked):
    line = "from course_lib.commands import handout; raise SystemExit(handout.main({}))"
    code, output = run(unpacked, "-c", line.format(["--out", "x.zip"]))
    assert code == 1 and re.search("expected the course's repository with solutions/", output)
    assert not (unpacked / "x.zip").exists()


def test_no_link_of_the_readme_leads_nowhere(unpacked):
    text = (unpacked / "README.md").read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert len(links) > 20 and "](notebooks/06_mnist.ipynb)" in text and "solutions/" not in text
    assert [link for link in links if not (unpacked / link).exists()] == []


# No solution


def plain(name, text):
    """The lines of a text, of a notebook those of its cells, without indentation and blanks."""
    if name.endswith(".ipynb"):
        text = "\n".join(cell_source(cell) for cell in json.loads(text)["cells"])
    return "\n".join(line.strip() for line in text.split("\n") if line.strip())


def test_a_solution_would_be_seen():
    path = next(FOLDER.glob("solutions/ex01*/*.ipynb"))
    text = path.read_text(encoding="utf-8")
    assert "F, _, KH, KW = weight.shape\nOH = (H" in plain(path.name, text)


def test_no_line_of_a_solution_is_in_an_exercise_and_no_region_anywhere(packed):
    with zipfile.ZipFile(packed) as file:
        texts = {name: file.read(name).decode("utf-8", "replace") for name in file.namelist()}
    regions = 0
    for path in generator.solutions():
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        sources = [cell_source(cell) for cell in cells]
        opened = "\n".join(HIDDEN.sub("", source) for source in sources)
        exercise = texts[f"{handout.TOP}/exercises/{path.parent.name}/{path.name}"]
        for _, hidden in HIDDEN.findall("\n".join(sources)):
            regions += 1
            lines = [line.strip() for line in hidden.split("\n") if line.strip()]
            told = [line for line in lines if json.dumps(line, ensure_ascii=False)[1:-1] in exercise
                    and line not in opened]
            assert told == [], path.name
            whole = "\n".join(line for line in lines if not line.startswith("#"))
            if whole.count("\n") >= 3:  # shorter ones are formulas, which lessons print, too
                found = [name for name, text in texts.items() if whole in plain(name, text)]
                assert found == [], f"a solution of {path.name}"
    assert regions >= 2
    assert not [name for name, text in texts.items() if name.endswith(".ipynb")
                and re.search("BEGIN (SOLUTION|HIDDEN)", text)]


def refused(capsys, tmp_path, *words):
    path = tmp_path / "refused.zip"
    assert handout.main(["--out", str(path), *words]) == 1
    assert not path.exists() and list(tmp_path.glob("*unfinished")) == []
    said = capsys.readouterr()
    told = said.err.split("course handout: ")
    assert said.out == "" and len(told) == 2 and told[0] in ("", handout.FETCHING.format(14) + "\n")
    return said.err


def edit(path, change):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    change(notebook["cells"])
    path.write_text(json.dumps(notebook), encoding="utf-8")


def solve(cells):
    solution = json.loads(next(FOLDER.glob("solutions/ex01*/*.ipynb")).read_text(encoding="utf-8"))
    cells.append(next(cell for cell in solution["cells"] if "BEGIN SOLUTION" in cell_source(cell)))


def test_stale_exercises_are_refused(course, tmp_path, capsys):
    exercise = next(course.glob("exercises/*/*.ipynb"))
    edit(exercise, lambda cells: cells.pop())
    said = refused(capsys, tmp_path)
    assert re.search("not what solutions/ex01.* gives.*Run: python3 tools/make_ex", said, re.DOTALL)
    exercise.unlink()
    assert "not what" in refused(capsys, tmp_path)
    shutil.copytree(course / "solutions/ex01_convolution", course / "exercises/ex99_mine")
    assert "has no solution" in refused(capsys, tmp_path)


def test_a_solution_that_the_generator_refuses_is_refused(course, tmp_path, capsys):
    def spoil(cells):
        cell = next(cell for cell in cells if "END SOLUTION" in cell_source(cell))
        cell["source"] = cell_source(cell).replace("### END SOLUTION", "# end of solution")

    edit(next(course.glob("solutions/*/*.ipynb")), spoil)
    assert "a solution that the generator refuses: cell" in refused(capsys, tmp_path)


def test_a_solution_in_a_lesson_is_refused(course, tmp_path, capsys):
    edit(course / "notebooks/00_start_here.ipynb", solve)
    said = refused(capsys, tmp_path)
    assert re.search("00_start_here.ipynb holds the solution of .*begins with 'N, C, H, W", said)


def test_a_solution_in_the_library_is_found_at_any_indentation(course, tmp_path, capsys):
    cells = []
    solve(cells)
    body = cell_source(cells[0]).split("### BEGIN SOLUTION")[1].split("### END")[0]
    text = "\n\n".join(f"    {line}  " for line in body.split("\n"))
    (course / "course_lib/answers.py").write_text(text, encoding="utf-8")
    assert "course_lib/answers.py holds the solution" in refused(capsys, tmp_path)


def test_one_line_of_a_solution_in_its_exercise_is_refused(course, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(handout, "refuse_stale_exercises", lambda folder: None)
    exercise = next(course.glob("exercises/*/*.ipynb"))
    line = "y[n, f, i, j] = bias[f] + (window * weight[f]).sum()"
    edit(exercise, lambda cells: cells[1].update(source=f"if True:\n    {line}\n"))
    assert re.search(r"holds a line of its solution: 'y\[n, f, i, j\]", refused(capsys, tmp_path))


# Data and wheels


def test_with_data_brings_mnist(mnist, tmp_path, monkeypatch, capsys):
    path = tmp_path / "data.zip"
    assert handout.main(["--out", str(path), "--with-data"]) == 0
    assert re.search(r"MNIST \(\d+ MB\)", capsys.readouterr().out)
    with zipfile.ZipFile(path) as file:
        file.extractall(tmp_path)
        start = file.read(f"{handout.TOP}/START.txt").decode("utf-8")
    from course_lib.data import load_mnist

    again = load_mnist(tmp_path / handout.TOP / "mnist")
    assert (again.test_labels == mnist.test_labels).all() and len(again.train_images) == 60000
    assert 'COURSE_DATA="$PWD/mnist"' in start and "CC BY-SA 3.0" in start


def test_with_data_says_when_there_are_none(course, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    said = refused(capsys, tmp_path, "--with-data")
    assert "--with-data expected MNIST on this machine: " in said


def wheel(folder, requirement):
    """Write the smallest wheel that satisfies a requirement such as numpy>=1.26."""
    name, _, version = requirement.partition(">=")
    name = name.replace("-", "_")
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        inside = f"{name}-{version}.dist-info"
        file.writestr(f"{inside}/METADATA",
                      f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        file.writestr(f"{inside}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        file.writestr(f"{inside}/RECORD", "")


def test_with_wheels_brings_what_pip_finds(course, tmp_path, monkeypatch, capsys):
    pytest.importorskip("pip")
    text = (course / "pyproject.toml").read_text(encoding="utf-8")
    wanted = re.findall(r'^    "([a-z0-9-]+>=[0-9.]+)",$', text, re.MULTILINE) + ["setuptools>=77"]
    assert len(wanted) > 10
    index = tmp_path / "index"
    index.mkdir()
    for requirement in wanted:
        wheel(index, requirement)
    monkeypatch.delenv("PIP_CONSTRAINT", raising=False)  # CI pins what a stub index has not
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    path = tmp_path / "wheels.zip"
    assert handout.main(["--out", str(path), "--with-wheels"]) == 0
    wheels = [name for name in names(path) if name.startswith("wheels/")]
    assert len(wheels) == len(wanted) and "wheels/numpy-1.26-py3-none-any.whl" in wheels
    python = "Python {}.{}.{} or a later {}.{}, ".format(*sys.version_info[:3], *sys.version_info)
    assert f"{len(wanted)} wheels for {python}" in capsys.readouterr().out
    with zipfile.ZipFile(path) as file:
        start = file.read(f"{handout.TOP}/START.txt").decode("utf-8")
    assert python in start and 'PIP_FIND_LINKS="$PWD/wheels"' in start

    next(index.glob("numpy*")).unlink()
    said = refused(capsys, tmp_path, "--with-wheels")
    assert re.search("pip download failed.*numpy.*Check the network", said, re.DOTALL)


# The command line, and the guide that names it


def test_the_guide_is_short_and_names_commands_that_exist():
    text = (FOLDER / "docs/instructors.md").read_text(encoding="utf-8")
    named = set(re.findall(r"python3 -m course_lib (\w+)", text))
    assert {"handout", "slides", "site", "lab", "doctor"} <= named
    assert named <= set(commands.names())
    assert len(text.splitlines()) <= 380
    for lesson in (FOLDER / "notebooks").glob("[0-9]*.ipynb"):
        assert f"\n### {lesson.name.split('_')[0]}. " in text, f"no run-sheet for {lesson.name}"


def test_where_to_write(course, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        handout.main([])
    assert ended.value.code == 2
    assert handout.main(["--out", str(tmp_path / "student.tar")]) == 1
    assert "expected the name of a .zip file, got" in capsys.readouterr().err
    blocked = tmp_path / "file"
    blocked.write_text("no folder", encoding="utf-8")
    assert handout.main(["--out", str(blocked / "student.zip")]) == 1
    assert "course handout: " in capsys.readouterr().err


def test_it_needs_the_course(tmp_path, monkeypatch):
    monkeypatch.setattr(handout, "FOLDER", tmp_path)
    with pytest.raises(SetupError, match="handout needs a copy of the course's repository"):
        handout.main(["--out", str(tmp_path / "x.zip")])
