"""Make `.venv`, the course's Python environment; the other commands do it by themselves.

Standard library only; imports nothing of the course. The other commands ask it which Python to
use: this one if it has the course installed from this folder; else `.venv` beside pyproject.toml.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

FOLDER = Path(__file__).resolve().parents[2]
COURSE = "cnn-from-scratch-course"
UNFINISHED = "set-up not finished\n"

IN_AN_ENVIRONMENT = """the course is not ready in {kind} that you are in ({prefix}):
{lacking}
Install it there:
    {line}
or {way} and run the same command again: the course then makes its own, .venv."""
NO_VENV = """this Python ({executable}) cannot make environments: its ensurepip is missing.
On Debian and Ubuntu one line helps:
    {line}"""
CANNOT_WRITE = """cannot write {venv}: {error}
Close programs that use it, or copy the course to a folder of your own and run the command there."""
PIP_FAILED = """{what} failed (exit status {code}). Its last lines:
{lines}
What to try: {fix}"""
PIP_FIXES = (
    ("no space left", "free some disk space (about 1 GB is needed), then run the command again."),
    ("certificate", "a proxy replaces certificates here: set PIP_CERT to its .pem file."),
    (
        "connection|name resolution|timed out|no matching distribution|could not find a version",
        "check the network (behind a proxy set HTTPS_PROXY), then run the command again.",
    ),
    ("permission denied|access is denied", "close programs that use .venv, then run it again."),
)


class SetupError(Exception):
    """The environment cannot be made or used; `code` is the exit status that says so."""

    def __init__(self, message: str, code: int = 1):
        super().__init__(message)
        self.code = code


def need_folder(command: str, folder: Path = FOLDER) -> None:
    """Refuse a command that works on the course's files where there is only the library."""
    if not (folder / "pyproject.toml").exists():
        raise SetupError(f"{command} needs a copy of the course's repository; {folder} is none.")


# Is the course installed, from this folder, with everything it needs?


def requirements(folder: Path = FOLDER) -> dict[str, str]:
    """Return package -> lowest version, as pyproject.toml has them: "numpy>=1.26"."""
    import tomllib  # new in Python 3.11

    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return dict(line.split(">=") for line in project["dependencies"])


def release(version: str) -> tuple[int, ...]:
    """Return a version's numbers, which compare as versions do.

    >>> release("2.10.1rc1") > release("2.9")
    True
    """
    return tuple(int(number) for number in re.match(r"[\d.]+", version)[0].strip(".").split("."))


def installed_from(folder: Path, path: list[str] | None = None) -> bool:
    """Say whether the course is installed from `folder`, so that edits count at once (`pip -e`).

    The *.egg-info that an installation leaves in the folder itself proves nothing.
    """
    for found in importlib.metadata.distributions(name=COURSE, path=path or sys.path):
        origin = json.loads(found.read_text("direct_url.json") or "{}")
        if origin.get("dir_info", {}).get("editable"):
            source = Path(url2pathname(urlsplit(origin["url"]).path))
            if source.exists() and source.samefile(folder):
                return True
    return False


def versions(folder: Path = FOLDER, path: list[str] | None = None) -> dict[str, str | None]:
    """Return package -> installed version (None: not installed), for each requirement."""
    found = {}
    for name in requirements(folder):
        packages = importlib.metadata.distributions(name=name, path=path or sys.path)
        found[name] = next((package.version for package in packages), None)
    return found


def shortfalls(folder: Path = FOLDER, path: list[str] | None = None) -> list[str]:
    """Return what an environment lacks, a sentence each; [] when the course can run in it."""
    lacking = [] if installed_from(folder, path) else [f"{COURSE} is not installed from {folder}"]
    least, found = requirements(folder), versions(folder, path)
    missing = [name for name, version in found.items() if version is None]
    if missing:
        lacking.append(f"not installed: {', '.join(missing)}")
    for name, version in found.items():
        if version is not None and release(version) < release(least[name]):
            lacking.append(f"{name} is {version}, and the course needs {least[name]} or newer")
    return lacking


# Which Python runs a command?


def environment_kind(prefix: str = sys.prefix, base_prefix: str = sys.base_prefix) -> str | None:
    """Name the kind of environment the running Python is in; None for a plain Python.

    conda's base counts as a plain Python: nobody should install a course into it.
    """
    if prefix != base_prefix:
        return "the virtual environment"
    if Path(prefix, "conda-meta").is_dir() and not Path(prefix, "condabin").is_dir():
        return "the conda environment"
    return None


def install_line(folder: Path = FOLDER) -> str:
    """Return the command that installs the course into the environment of the running Python."""
    if importlib.util.find_spec("pip"):
        return f'"{sys.executable}" -m pip install -e "{folder}"'
    return f'uv pip install --python "{sys.executable}" -e "{folder}"'


def environment(folder: Path = FOLDER) -> Path | None:
    """Return the Python that should run the course, made if need be; None: the running one.

    The running one if the course is installed in it from `folder` with all it needs, or if there
    is no course folder (installed from a wheel); never a change to an environment of the user's.
    """
    if not (folder / "pyproject.toml").exists():
        return None
    lacking = shortfalls(folder)
    if not lacking:
        return None
    kind = environment_kind()
    if kind:
        facts = {"kind": kind, "prefix": sys.prefix, "line": install_line(folder)}
        own = Path(sys.prefix) == folder / ".venv"
        facts["way"] = "remove that folder" if own else "leave that environment"
        facts["lacking"] = "\n".join(f"  - {sentence}" for sentence in lacking)
        raise SetupError(IN_AN_ENVIRONMENT.format(**facts), code=2)
    return make(folder)


def hand_over(python: Path, words: list[str]) -> int:
    """Run the same words with another Python: become it on POSIX, wait for it on Windows."""
    command = [str(python), "-m", "course_lib", *words]
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "posix":
        os.execv(command[0], command)
    with subprocess.Popen(command) as child:
        while True:
            with contextlib.suppress(KeyboardInterrupt):  # the child got it too, and decides
                return child.wait()


# Making .venv: under a lock, stamped last.


def venv_python(folder: Path = FOLDER) -> Path:
    """Return where the Python of `.venv` lies."""
    return folder / ".venv" / ("bin/python" if os.name == "posix" else "Scripts/python.exe")


def wanted_stamp(folder: Path = FOLDER) -> str:
    """Return what a finished `.venv` says it was made from and for; one fact a line."""
    made_from = hashlib.sha256((folder / "pyproject.toml").read_bytes()).hexdigest()
    major, minor = sys.version_info[:2]
    return f"pyproject.toml {made_from}\nPython {major}.{minor}\n{folder}\n"


def state(folder: Path = FOLDER) -> str:
    """Return "none", "foreign", "unfinished", "other", "older" or "ready".

    foreign: not made here, by `uv` or by hand; other: made for another Python or in another
    place; older: made from an earlier pyproject.toml, so that pip needs only add to it.
    """
    stamp = folder / ".venv" / "course-stamp.txt"
    if not stamp.exists():
        filled = stamp.parent.is_dir() and any(stamp.parent.iterdir())
        return "foreign" if filled else "none"
    have, want = stamp.read_text(encoding="utf-8"), wanted_stamp(folder)
    if have == UNFINISHED:
        return "unfinished"
    if have.partition("\n")[2] != want.partition("\n")[2] or not venv_python(folder).exists():
        return "other"
    return "ready" if have == want else "older"


def make(folder: Path = FOLDER) -> Path:
    """Make `.venv` if it is not ready; return its Python."""
    if state(folder) != "ready":
        try:
            with only_one(folder / ".venv.lock") as lock:
                install(folder, lock)
        except OSError as error:
            raise SetupError(CANNOT_WRITE.format(venv=folder / ".venv", error=error)) from error
    return venv_python(folder)


def install(folder: Path, lock: int) -> None:
    """Bring `.venv` from whatever state it is in to "ready"; the caller holds the lock."""
    was = state(folder)
    if was == "ready":
        return  # another process made it while this one waited
    if was == "foreign":
        if venv_python(folder).exists():
            return  # asked to run the command, it looks at itself and says what it lacks
        raise SetupError(f"{folder / '.venv'} has no Python and was not made here: remove it.")
    if was != "older" and not can_make_environments():
        raise SetupError(NO_VENV.format(executable=sys.executable, line=no_venv_line()))
    start, stamp = time.monotonic(), folder / ".venv" / "course-stamp.txt"
    say({"none": "making .venv", "older": "bringing .venv up to date"}.get(was, "remaking .venv"))
    if was in ("unfinished", "other"):
        discard(folder / ".venv")
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(UNFINISHED, encoding="utf-8")
    if was != "older":
        run([sys.executable, "-m", "venv", str(stamp.parent)], lock)
    say(f"installing JupyterLab, NumPy and {len(requirements(folder)) - 2} more; a minute or so")
    pip = [str(venv_python(folder)), "-m", "pip", "--no-input", "--disable-pip-version-check"]
    run([*pip, "install", "-e", str(folder)], lock)
    stamp.write_text(wanted_stamp(folder), encoding="utf-8")
    say(f"ready after {time.monotonic() - start:.0f} s")


def can_make_environments() -> bool:
    """Say whether `python -m venv` can work: a bare Debian leaves out its second half."""
    return importlib.util.find_spec("ensurepip") is not None


def no_venv_line() -> str:
    """Return the command that adds what a bare Debian or Ubuntu leaves out."""
    return "sudo apt install python{}.{}-venv".format(*sys.version_info[:2])


def discard(venv: Path) -> None:
    """Remove an environment; renamed first, so that half of one never looks like one."""
    old = venv.with_name(".venv-old")
    if old.exists():
        shutil.rmtree(old)
    venv.rename(old)
    shutil.rmtree(old)


def say(words: str) -> None:
    """Tell on stderr how far the set-up is."""
    print(f"course: {words}", file=sys.stderr, flush=True)


def run(command: list[str], lock: int) -> None:
    """Run one step with its output kept back; when it fails, show the end of it and a fix.

    The step inherits the lock: were this process killed, nobody starts before the step has ended.
    """
    settings = {"pass_fds": (lock,)} if os.name == "posix" else {}
    settings["env"] = {**os.environ, "PIP_USER": "0"}  # --user in pip's settings would refuse
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
    lines = []
    with subprocess.Popen(command, text=True, errors="replace", **pipes, **settings) as child:
        try:
            lines.extend(child.stdout)
        except BaseException:
            child.terminate()
            raise
    if child.returncode:
        raise SetupError(explain(" ".join(command), child.returncode, lines), child.returncode)


def explain(what: str, code: int, lines: list[str]) -> str:
    """Return the message for a step that failed: its last lines and what to try."""
    output = "".join(lines)
    fixes = (fix for pattern, fix in PIP_FIXES if re.search(pattern, output, re.IGNORECASE))
    fix = next(fixes, "run that line by hand to see all of it.")
    tail = "".join(f"    {line.rstrip()}\n" for line in lines[-12:])
    return PIP_FAILED.format(what=what, code=code, lines=tail, fix=fix)


@contextlib.contextmanager
def only_one(path: Path) -> Iterator[int]:
    """Hold a lock on the file `path`; the system lets go of it when its last holder ends."""
    with path.open("a") as file:
        waiting = False
        while not grab(file.fileno()):
            if not waiting:
                say("another process is making .venv; waiting for it")
            waiting = True
            time.sleep(0.2)
        yield file.fileno()


def grab(lock: int) -> bool:
    """Take the lock on an open file if it is free, without waiting; say whether it worked."""
    try:
        if os.name == "posix":
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            os.lseek(lock, 0, os.SEEK_SET)
            msvcrt.locking(lock, msvcrt.LK_NBLCK, 1)
    except (BlockingIOError, PermissionError):
        return False
    return True


def main(words: list[str]) -> int:
    """Make the environment, and say how to go on."""
    if words:
        raise SetupError(f"setup takes no words, got {' '.join(words)!r}", code=2)
    python = environment()
    if python is not None:
        return hand_over(python, ["setup"])  # it looks at itself once more
    print(f"The course runs with {sys.executable}. Next: python3 -m course_lib lab")
    return 0
