"""The commands: one module each with `main(words) -> exit status`; its first line is its help.

Standard library only, for this runs before anything is installed; imports a command when called.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import importlib
import os
import re
import sys
from pathlib import Path

from course_lib.commands import setup

FIRST = ("lab", "test", "train", "data", "doctor", "setup")
WITHOUT_ENVIRONMENT = ("doctor", "setup")  # the one never makes it, the other does nothing else
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
HELP = {"-h", "--help"}
USAGE = """usage: python3 -m course_lib COMMAND ...      (Windows: py -m course_lib COMMAND ...)
       course COMMAND ...                     (once installed)

commands:"""


def names() -> list[str]:
    """Return the commands, the everyday ones first: every module of this folder is one."""
    found = {path.stem for path in Path(__file__).parent.glob("[!_]*.py")}
    return [name for name in FIRST if name in found] + sorted(found - set(FIRST))


def summary(name: str) -> str:
    """Return the first line of a command's docstring, as a line of the list of commands."""
    line = re.sub("^`[^`]*`: ", "", opening(name).partition("\n")[0])
    return line[:1].upper() + line[1:]


def opening(name: str) -> str:
    """Return a command's docstring, read without importing the command."""
    source = Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
    return ast.get_docstring(ast.parse(source)) or ""


def usage() -> str:
    """Return what `course --help` prints."""
    return "\n".join([USAGE, *(f"  {name:10}{summary(name)}" for name in names())])


def unknown(word: str) -> str:
    """Return the message for a word that is no command, with the nearest one that is."""
    near = difflib.get_close_matches(word, names(), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"course: no command {word!r}.{hint} Commands: {', '.join(names())}."


def one_blas_thread() -> None:
    """Ask NumPy's BLAS for one thread, unless the user chose; call it before NumPy is imported.

    Two threads on a busy two-core machine were 13 times slower than one.
    """
    for variable in THREADS:
        os.environ.setdefault(variable, "1")


def some_name(word: str) -> str:
    """An option's name of a file or folder: an empty one is a shell variable that nobody set."""
    if not word:
        raise argparse.ArgumentTypeError("expected a name, got nothing (an empty variable?)")
    return word


def folder_to_write(option: str, name: str | None) -> Path | None:
    """Make the folder before the work: one that cannot be written is found out early."""
    if name is None:
        return None
    folder = Path(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise NotADirectoryError(f"{option} {folder}: expected a folder, and a file is there. Name "
                                 "another one.") from None
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{option} {folder}: cannot be written. Name another folder.")
    return folder


def check_file_to_write(option: str, name: str | None) -> None:
    """The same for a file: it may be new, its folder is there."""
    if name is None:
        return
    path = Path(name)
    if path.is_dir():
        raise IsADirectoryError(f"{option} {path}: expected a file, and a folder is there.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{option} {path}: there is no folder {path.parent}. Make it "
                                "first.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise PermissionError(f"{option} {path}: cannot be written. Name another file.")


def explain(name: str, words: list[str]) -> int:
    """Print a command's help, in whatever environment; nothing is made or installed for it.

    By the command itself where the course's packages are, else what opens its source.
    """
    lacking = [] if name in WITHOUT_ENVIRONMENT else setup.shortfalls()
    if lacking and setup.state() == "ready":
        return setup.hand_over(setup.venv_python(), words)
    if name not in WITHOUT_ENVIRONMENT and not (lacking and name == "lab"):  # lab writes files
        try:
            return importlib.import_module(f"course_lib.commands.{name}").main(words[1:]) or 0
        except ImportError as error:
            lacking = lacking or [f"not installed: {error.name}"]
    print(opening(name))
    if lacking:
        print(f"\nThis is the short form, as this Python ({sys.executable}) cannot run the course:")
        print("\n".join(f"  - {sentence}" for sentence in lacking))
        print("`python3 -m course_lib doctor` says what to do.")
    return 0


def run(words: list[str]) -> int:
    """Run `words[0]` with the other words, in the course's environment; return its exit status."""
    if not words or words[0] in HELP | {"help"}:
        print(usage())
        return 0 if words else 2
    name, *rest = words
    if name not in names():
        print(unknown(name), file=sys.stderr)
        return 2
    try:
        if HELP & set(rest):
            return explain(name, words)
        if name not in WITHOUT_ENVIRONMENT:
            one_blas_thread()
            python = setup.environment()
            if python is not None:
                return setup.hand_over(python, words)
        return importlib.import_module(f"course_lib.commands.{name}").main(rest) or 0
    except setup.SetupError as error:
        print(f"course: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print("\ncourse: interrupted.", file=sys.stderr)
        return 130
