"""Look at this machine and say what the course would trip over, with the fix for each.

Standard library only, and nothing is made or changed: it runs where nothing else does.
"""

from __future__ import annotations

import os
import platform
import shutil
import site
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from course_lib.commands import THREADS, setup
from course_lib.commands.setup import FOLDER, SetupError

MNIST = [
    f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
]
FRONT_ENDS = {"anywidget": "anywidget", "jupyterlab_widgets": "@jupyter-widgets/jupyterlab-manager"}
NOT_READY = {
    "none": "is not made yet",
    "unfinished": "is not finished",
    "other": "was made for another Python or another place",
    "older": "is older than pyproject.toml",
}
GIGABYTE = 1e9
NEW_ENVIRONMENT, WORK = 1.0, 0.2  # gigabytes that must be free before and after the set-up


class Finding(NamedTuple):
    """One line of the report: `mark` is "ok", "note" (works, but know it) or "problem"."""

    mark: str
    what: str
    fix: str = ""

    def __str__(self) -> str:
        lines = [f"{self.mark:8} {self.what}"] + ([f"fix: {self.fix}"] if self.fix else [])
        return "\n         ".join(lines)


class Environment(NamedTuple):
    """The environment that the commands would use: its name, folder and module search path."""

    name: str
    prefix: Path
    path: list[str] | None  # None: the running Python's own


def find_environment(folder: Path = FOLDER) -> Environment | None:
    """Return the environment that a command would run in, or None if it is still to be made."""
    if not setup.shortfalls(folder) or setup.environment_kind():
        return Environment("this Python", Path(sys.prefix), None)
    if setup.state(folder) in ("ready", "foreign"):
        venv = folder / ".venv"
        inside = [*venv.glob("lib/python3*/site-packages"), *venv.glob("Lib/site-packages")]
        return Environment(".venv", venv, [str(packages) for packages in inside])
    return None


def check_environment(folder: Path = FOLDER) -> Iterator[Finding]:
    """Look at Python, at the environment, and at the version of every package in it."""
    running = f"Python {platform.python_version()} on {platform.system()}"
    yield Finding("ok", f"{running} at {sys.prefix}")
    found = find_environment(folder)
    if found is None:
        if setup.can_make_environments():
            state = NOT_READY[setup.state(folder)]
            yield Finding("ok", f".venv {state}; the next command makes it, in a minute")
        else:
            yield Finding("problem", "this Python cannot make .venv", setup.no_venv_line())
        return
    lacking = setup.shortfalls(folder, found.path)
    fix = setup.install_line(folder)
    if found.path:
        fix = "remove the folder .venv, then run: python3 -m course_lib setup"
    listed = (f"{name} {version}" for name, version in setup.versions(folder, found.path).items())
    if lacking:
        yield Finding("problem", f"{found.name} is not ready: {'; '.join(lacking)}", fix)
    else:
        yield Finding("ok", f"{found.name} has all packages: {', '.join(listed)}")


def check_widgets(folder: Path = FOLDER) -> Iterator[Finding]:
    """Look for the browser's half of the widgets, which JupyterLab loads from share/jupyter."""
    found = find_environment(folder)
    if found is None or None in setup.versions(folder, found.path).values():
        return
    roots = [found.prefix]
    if found.path is None:
        roots += [Path(sysconfig.get_path("data")), Path(site.getuserbase())]
    for package, extension in FRONT_ENDS.items():
        places = [root / "share/jupyter/labextensions" / extension for root in roots]
        if any((place / "package.json").exists() for place in places):
            yield Finding("ok", f"widgets: JupyterLab will find {extension}")
        else:
            fix = f"install {package} again in that environment: pip install --force-reinstall"
            yield Finding("problem", f"widgets stay blank: no {places[0]}", f"{fix} {package}")


def check_fused(folder: Path = FOLDER) -> Iterator[Finding]:
    """Say whether the fast engine will use Numba, which is optional."""
    found = find_environment(folder)
    if found is None:
        return
    path = sys.path if found.path is None else found.path
    versions = [one.version for one in metadata.distributions(name="numba", path=path)]
    if not versions:
        yield Finding("ok", "fast engine: NumPy alone; optional, faster: pip install numba")
    elif os.environ.get("COURSE_FUSED", "1") == "0":
        yield Finding("note", "fast engine: NumPy alone, as COURSE_FUSED=0 says", "unset it")
    else:
        yield Finding("ok", f"fast engine: with Numba {versions[0]} (COURSE_FUSED=0: without)")


def cache_folder() -> Path:
    """Return the course's folder for downloads: data.cache_folder() without its imports."""
    name, home = setup.COURSE, Path.home()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local"
        return Path(local, name, name, "Cache")
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / name
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache", name)


def lies_in(place: Path, name: str) -> bool:
    """Say whether an MNIST file is there: plain or .gz, under either of its usual names."""
    names = (name, name.replace("-idx", ".idx"))
    return any((place / f"{name}{end}").is_file() for name in names for end in ("", ".gz"))


def check_data() -> Iterator[Finding]:
    """Look for the four MNIST files in COURSE_DATA, else in the cache."""
    chosen = os.environ.get("COURSE_DATA")
    place = Path(chosen).expanduser() if chosen else cache_folder() / "mnist"
    absent = [name for name in MNIST if not lies_in(place, name)]
    if chosen and not place.is_absolute():
        fix = "give it as an absolute path: every notebook runs in its own folder"
        yield Finding("problem", f"COURSE_DATA={chosen} is a relative path", fix)
    elif chosen and absent:
        fix = "put the files there, or unset COURSE_DATA and run: python3 -m course_lib data"
        yield Finding("problem", f"COURSE_DATA={chosen} lacks {', '.join(absent)}", fix)
    elif absent:
        fix = "python3 -m course_lib data (11 MB); until then lessons use small real digits"
        yield Finding("note", f"MNIST is not in {place}", fix)
    else:
        yield Finding("ok", f"MNIST is in {place}")


def check_writing(folder: Path = FOLDER) -> Iterator[Finding]:
    """Try to write in the course's folder and in the one for temporary files."""
    for place in (folder, Path(tempfile.gettempdir())):
        try:
            with tempfile.TemporaryFile(dir=place) as file:
                file.write(b"a line")
        except OSError as error:
            fix = "copy the course to a folder of your own, and work there"
            yield Finding("problem", f"cannot write in {place}: {error.strerror}", fix)
        else:
            yield Finding("ok", f"can write in {place}")


def check_disk(folder: Path = FOLDER) -> Iterator[Finding]:
    """Compare the free disk space with what the course still needs."""
    free = shutil.disk_usage(folder).free / GIGABYTE
    needed = WORK if find_environment(folder) else NEW_ENVIRONMENT
    if free < needed:
        what = f"{free:.1f} GB free on the disk of {folder}; the course needs {needed} GB"
        yield Finding("problem", what, "remove files, or move the course to a larger disk")
    else:
        yield Finding("ok", f"{free:.1f} GB free on the disk of {folder}")


def check_threads() -> Iterator[Finding]:
    """Look for variables that give NumPy's BLAS more than one thread."""
    chosen = {name: os.environ[name] for name in THREADS if os.environ.get(name, "1") != "1"}
    for name, value in chosen.items():
        fix = f"unset {name} (the course then takes 1), unless you measured that more is faster"
        yield Finding("note", f"{name}={value}: small networks usually run slower so", fix)
    if not chosen:
        yield Finding("ok", "NumPy's BLAS will use one thread")


def findings(folder: Path = FOLDER) -> Iterator[Finding]:
    """Run every check, in the order in which things can go wrong."""
    if (folder / "pyproject.toml").exists():
        for check in (check_environment, check_widgets, check_fused, check_writing, check_disk):
            yield from check(folder)
    else:
        yield Finding("note", f"{folder} is no copy of the course: train and data run, not lab")
    yield from check_data()
    yield from check_threads()


def main(words: list[str]) -> int:
    """Print one line for each finding; return 1 if there is a problem."""
    if words:
        raise SetupError(f"doctor takes no words, got {' '.join(words)!r}", code=2)
    problems = 0
    for finding in findings():
        print(finding)
        problems += finding.mark == "problem"
    print(f"{problems} problem(s) to fix first." if problems else "The course can run here.")
    return 1 if problems else 0
