"""Progress: the state of every task and how many checks it took, kept in the user's data folder.

Never in the working folder, and nothing leaves the machine. Standard library only.
"""

import json
import os
import sys
from pathlib import Path


def progress_file() -> Path:
    """Return where progress is kept: $COURSE_PROGRESS, else the user's data folder."""
    folder = os.environ.get("COURSE_PROGRESS")
    if folder:
        return Path(folder) / "progress.json"
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Application Support"
    else:
        base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "cnn-from-scratch-course" / "progress.json"


def read_progress(path: Path | None = None) -> dict:
    """Return {task id: {"state", "attempts"}}; a missing or broken file counts as empty."""
    try:
        path = progress_file() if path is None else path
        tasks = json.loads(path.read_text(encoding="utf-8"))["tasks"]
        return {
            str(name): {"state": str(task["state"]), "attempts": int(task["attempts"])}
            for name, task in tasks.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError):
        return {}


def remember(task: str, state: str) -> None:
    """Note one check of a task. Passed stays passed, and later checks are no attempts.

    A student never sees a failure to write.
    """
    tasks = read_progress()
    known = tasks.setdefault(task, {"state": "not attempted", "attempts": 0})
    if known["state"] == "passed":
        return
    if state != "not attempted":
        known.update(state=state, attempts=known["attempts"] + 1)
    try:
        write_progress(tasks, progress_file())
    except (OSError, RuntimeError):
        pass


def write_progress(tasks: dict, path: Path) -> None:
    """Write the file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.stem}.{os.getpid()}.unfinished")
    unfinished.write_text(json.dumps({"version": 1, "tasks": tasks}, indent=1), "utf-8")
    os.replace(unfinished, path)


def progress_lines(known: dict, ids: list[str]) -> list[str]:
    """Return the table: every task of an exercise that was begun, a line for each other one.

    >>> known = {"ex01/a": {"state": "passed", "attempts": 2}}
    >>> print("\\n".join(progress_lines(known, ["ex01/a", "ex01/b", "ex02/c"])))
    ex01/a                                       passed         2 attempts
    ex01/b                                       not attempted
    ex02: none of its 1 tasks checked yet
    1 of 3 tasks passed
    """
    exercises: dict[str, list[str]] = {}
    for name in [*ids, *(name for name in sorted(known) if name not in ids)]:
        exercises.setdefault(name.partition("/")[0], []).append(name)
    lines = []
    for exercise, tasks in sorted(exercises.items()):
        if not set(tasks) & set(known):
            lines.append(f"{exercise}: none of its {len(tasks)} tasks checked yet")
            continue
        for name in tasks:
            task = known.get(name, {"state": "not attempted", "attempts": 0})
            lines.append(f"{name:<44} {task['state']:<14} {attempts_text(task)}".rstrip())
    passed = sum(task["state"] == "passed" for task in known.values())
    return [*lines, f"{passed} of {sum(map(len, exercises.values()))} tasks passed"]


def attempts_text(task: dict) -> str:
    """Return "1 attempt", "3 attempts" or "": how many checks it took."""
    count = task.get("attempts") or 0
    return f"{count} attempt{'s' * (count != 1)}" if count else ""
