"""Pack what a class gets into one zip: lessons, exercises, library, and no solutions.

    python3 -m course_lib handout --out student.zip
    python3 -m course_lib handout --out student.zip --with-data --with-wheels

The same course gives the same bytes. A zip is written only if exercises/ is what solutions/ gives
and nothing of a solution is in it. Exit status: 0 written, 1 refused, 2 the command line is wrong.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

from course_lib.commands.setup import FOLDER, need_folder
from course_lib.notebooks import cell_source, read_notebook

TOP = "cnn-from-scratch"  # the one folder in the zip
CONTENTS = (  # everything else stays here: solutions, tools, what graders run, what git keeps
    "README.md", "CHANGELOG.md", "LICENSE*", "pyproject.toml", "environment.yml", "docs/*.png",
    "course_lib/**/*", "notebooks/[0-9]*.ipynb", "exercises/ex*/*", "recipes/*.txt",
    "tests/conftest.py", "tests/oracle.py",
)
READ_IN_CLASS = "shapes conv pool pointwise losses initializers layers model optim train".split()
STORED = {".gz", ".npz", ".png", ".whl"}  # compressed already
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
WHOLE = 4  # lines of code from which a solution's region is looked for in lessons and library

START = """Convolutional neural networks from scratch: a course in Jupyter notebooks

You need Python 3.11 or newer. Unpack this file, open a terminal in the folder {top}, and:

    python3 -m course_lib lab      opens the course in JupyterLab
    python3 -m course_lib test     runs every test and every notebook that is here

On Windows: py -m course_lib lab. The first call makes .venv here, in one to four minutes.
Lessons are in notebooks/, exercises in exercises/: work in those files, and hand them in as they
are named. If something is missing, python3 -m course_lib doctor says what, and the fix.
"""
WITH_DATA = """
MNIST is in mnist/ (Y. LeCun, C. Cortes, C. Burges; CC BY-SA 3.0). Before the commands above,
once in each terminal, so that nothing is downloaded:

    export COURSE_DATA="$PWD/mnist"                                      Linux, macOS
    $env:COURSE_DATA="$PWD\\mnist"                                        Windows (PowerShell)
"""
WITH_WHEELS = """
wheels/ holds the packages, for
{machine}.
With it the first call needs no network, after this line (the folder's path may hold no space):

    export PIP_NO_INDEX=1 PIP_FIND_LINKS="$PWD/wheels"                   Linux, macOS
    $env:PIP_NO_INDEX=1; $env:PIP_FIND_LINKS="$PWD\\wheels"               Windows (PowerShell)
"""
FETCHING = "pip fetches {} packages and what they need ..."


class HandoutError(ValueError):
    """The zip cannot be made, or must not be."""


def main(words: list[str] | None = None) -> int:
    """Write the zip and say what is in it."""
    need_folder("handout", FOLDER)
    arguments = parser().parse_args(words)
    try:
        with tempfile.TemporaryDirectory() as folder:
            for line in hand_out(arguments, FOLDER, Path(folder)):
                print(line)
    except (HandoutError, OSError) as error:
        print(f"course handout: {error}", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the command line: one name, and two wishes."""
    made = argparse.ArgumentParser(
        prog="course handout", formatter_class=argparse.RawDescriptionHelpFormatter,
        description=__doc__.partition("\n\n")[0],
        epilog="START.txt in the zip tells the class how to begin. Nothing is taken from other "
        "places\nof this folder: notes and solutions of yours stay here.",
    )
    made.add_argument("--out", type=Path, required=True, metavar="FILE.zip")
    made.add_argument("--with-data", action="store_true",
                      help="add MNIST (12 MB), from COURSE_DATA or your cache")
    made.add_argument("--with-wheels", action="store_true",
                      help="add every package (about 100 MB), fetched by pip, for this kind of "
                      "machine and this Python")
    return made


def hand_out(arguments: argparse.Namespace, folder: Path, scratch: Path) -> list[str]:
    """Check, pack and write; return the lines that say what was written."""
    refuse_stale_exercises(folder)
    packed = course_files(folder)
    refuse_solutions(packed, folder)
    start, parts = START.format(top=TOP), [f"{len(packed) + 1} files"]
    if arguments.with_data:
        data = mnist_files()
        packed.update(data)
        start, parts = start + WITH_DATA, [*parts, f"MNIST ({megabytes(data)})"]
    if arguments.with_wheels:
        wheels, machine = wheel_files(folder, scratch), kind_of_machine()
        packed.update(wheels)
        start += WITH_WHEELS.format(machine=machine)
        parts.append(f"{len(wheels)} wheels for {machine} ({megabytes(wheels)})")
    packed["START.txt"] = start.encode("utf-8")
    write_zip(arguments.out, packed)
    size = arguments.out.stat().st_size / 1e6
    return [f"{arguments.out}  {size:.1f} MB: {', '.join(parts)}",
            f"no line of {len(solution_regions(folder))} solution regions is in its exercises"]


def megabytes(files: dict[str, bytes]) -> str:
    """Return how much files hold, as people say it."""
    return f"{sum(map(len, files.values())) / 1e6:.0f} MB"


# What is packed


def course_files(folder: Path) -> dict[str, bytes]:
    """Return name -> bytes of what a class gets; the README without links that lead nowhere."""
    patterns = [*CONTENTS, *(f"tests/test_{name}.py" for name in READ_IN_CLASS)]
    packed = {}
    for pattern in patterns:
        for path in folder.glob(pattern):
            name = path.relative_to(folder)
            noise = path.suffix == ".pyc" or any(part[0] in "._" for part in name.parts[:-1])
            if path.is_file() and not noise and not path.name.startswith("."):
                packed[name.as_posix()] = path.read_bytes()
    readme = packed["README.md"].decode("utf-8")
    packed["README.md"] = without_dead_links(readme, set(packed)).encode("utf-8")
    return packed


def without_dead_links(text: str, names: set[str]) -> str:
    """Turn links to files that are not packed into their words.

    >>> without_dead_links("[ex01](exercises/a.ipynb), [its solution](solutions/a.ipynb)",
    ...                    {"exercises/a.ipynb"})
    '[ex01](exercises/a.ipynb), its solution'
    """
    folders = {name[:place] for name in names for place, sign in enumerate(name) if sign == "/"}

    def kept(link: re.Match) -> str:
        target = link[3].partition("#")[0].rstrip("/")
        alive = "://" in target or not target or target in names | folders
        return link[0] if alive else link[2]

    return LINK.sub(kept, text)


def mnist_files() -> dict[str, bytes]:
    """Return the four MNIST files under mnist/, after every byte of them was checked."""
    from course_lib.data import MNIST_FILES, DataError, load_mnist, mnist_folder

    try:
        load_mnist()
    except DataError as error:
        raise HandoutError(f"--with-data expected MNIST on this machine: {error}") from None
    place, _ = mnist_folder()
    spelled = [name for plain in MNIST_FILES for name in (plain, plain.replace("-idx", ".idx"))]
    found = [place / f"{name}{end}" for name in spelled for end in (".gz", "")]
    return {f"mnist/{path.name}": path.read_bytes() for path in found if path.is_file()}


def wheel_files(folder: Path, scratch: Path) -> dict[str, bytes]:
    """Return the wheels that `pip install -e .` needs, fetched by pip with the user's settings."""
    described = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = described["build-system"]["requires"] + described["project"]["dependencies"]
    pip = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check"]
    command = [*pip, "download", "--only-binary=:all:", "--dest", str(scratch), *wanted]
    print(FETCHING.format(len(wanted)), file=sys.stderr)
    done = subprocess.run(command, capture_output=True, text=True, errors="replace",
                          check=False)
    if done.returncode:
        last = "\n    ".join(done.stderr.strip().splitlines()[-6:])
        raise HandoutError(f"--with-wheels: pip download failed; its last lines:\n    {last}\n"
                           "Check the network, or leave --with-wheels out.")
    return {f"wheels/{path.name}": path.read_bytes() for path in scratch.glob("*.whl")}


def kind_of_machine() -> str:
    """Return what wheels fetched here fit: "Python 3.12.4 or a later 3.12, Linux x86_64"."""
    minor = "{}.{}".format(*sys.version_info)  # a package may ask for a patch release, too
    python = f"Python {platform.python_version()} or a later {minor}"
    return f"{python}, {platform.system()} {platform.machine()}"


# What must not be packed


def generator(folder: Path):
    """Return tools/make_exercises.py as a module; it knows what a solution's region is."""
    path = folder / "tools" / "make_exercises.py"
    if not path.is_file() or not (folder / "solutions").is_dir():
        raise HandoutError(f"expected the course's repository with solutions/ and tools/, and "
                           f"{folder} is not: only there can it be shown that no solution leaks.")
    before, described = list(sys.path), importlib.util.spec_from_file_location("generator", path)
    module = importlib.util.module_from_spec(described)
    try:
        described.loader.exec_module(module)
    finally:
        sys.path[:] = before
    return module


def refuse_stale_exercises(folder: Path) -> None:
    """Refuse where tools/make_exercises.py --check does."""
    tool = generator(folder)
    try:
        stale = tool.stale_exercises()
    except ValueError as error:
        raise HandoutError(f"a solution that the generator refuses: {error}") from None
    if stale:
        raise HandoutError("exercises/ is not what solutions/ gives:\n    " + "\n    ".join(stale)
                           + "\nRun: python3 tools/make_exercises.py, and look at what changed.")


def solution_regions(folder: Path) -> list[tuple[str, list[str], set[str]]]:
    """Return (exercise, the lines of one region, the open lines of that notebook) for each."""
    tool, regions = generator(folder), []
    for path in tool.solutions():
        name = tool.target_of(path).relative_to(folder).as_posix()
        hidden, opened = [], set()
        for cell in read_notebook(path)["cells"]:
            lines, code = cell_source(cell).split("\n"), cell["cell_type"] == "code"
            found = tool.find_regions("\n".join(lines), name) if code else []
            inside = {k for _, first, last in found for k in range(first, last + 1)}
            hidden += [lines[first + 1 : last] for _, first, last in found]
            opened |= {line.strip() for k, line in enumerate(lines) if k not in inside}
        regions += [(name, bare(lines), opened) for lines in hidden]
    return regions


def bare(lines: list[str]) -> list[str]:
    """Return lines of code without indentation, blank lines and comments."""
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


def readable_lines(name: str, content: bytes) -> list[str]:
    """Return the lines of a packed file, of a notebook those of its cells; [] for a picture."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return []
    if name.endswith(".ipynb"):
        text = "\n".join(cell_source(cell) for cell in json.loads(text)["cells"])
    return bare(text.splitlines())


def refuse_solutions(packed: dict[str, bytes], folder: Path) -> None:
    """Refuse a line of a solution in its exercise, and a whole region anywhere.

    Single lines such as `return y` stand in lessons and library too, which teach the same.
    """
    read = {name: readable_lines(name, content) for name, content in packed.items()}
    together = {name: "\n".join(["", *lines, ""]) for name, lines in read.items()}
    for exercise, region, opened in solution_regions(folder):
        told = (set(region) - opened) & set(read[exercise])
        if told:
            raise HandoutError(f"{exercise} holds a line of its solution: {min(told)!r}.")
        for name, text in together.items():
            if len(region) >= WHOLE and "\n".join(["", *region, ""]) in text:
                raise HandoutError(f"{name} holds the solution of {exercise} that begins with "
                                   f"{region[0]!r}.")


# The file


def write_zip(path: Path, packed: dict[str, bytes]) -> None:
    """Write the zip whole or not at all: names sorted, one date, one mode."""
    if path.suffix != ".zip":
        raise HandoutError(f"--out expected the name of a .zip file, got {path}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        with zipfile.ZipFile(unfinished, "w") as file:
            for name in sorted(packed):
                entry = zipfile.ZipInfo(f"{TOP}/{name}", date_time=(2020, 1, 1, 0, 0, 0))
                entry.create_system, entry.external_attr = 3, 0o100644 << 16
                stored = Path(name).suffix in STORED
                entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
                file.writestr(entry, packed[name])
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
