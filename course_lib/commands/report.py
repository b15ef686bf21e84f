"""Check a folder of submitted exercises: who passed which task, and which mistake it was.

    python3 -m course_lib report submitted
    python3 -m course_lib report submitted --json marks.json --page marks.html
    python3 -m course_lib report exercises              your own, with your attempts

FOLDER holds notebooks, or a folder with notebooks for each student. Each notebook is run in a
fresh process with limits; nothing leaves the machine, and no notebook is changed. Attempts are
known of your own exercises, and where a progress.json (check.progress("progress.json")) lies
beside a notebook. Exit status: 0 all were judged, 1 none was found or some could not be read.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from course_lib.commands.setup import FOLDER

SECONDS = 180  # for one notebook
STATES = ("passed", "failed", "missing", "not attempted")
STYLE = """:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { margin: 1.5rem; } table { border-collapse: collapse; margin-bottom: 2rem; }
caption { text-align: left; font-weight: bold; }
th, td { border: 1px solid; padding: 0.3rem 0.6rem; text-align: left; vertical-align: top; }
pre { white-space: pre-wrap; max-width: 60rem; }"""
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Exercises</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{style}</style></head><body>
<h1>Exercises</h1>
{tables}
</body></html>
"""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python3 -m course_lib report", description=__doc__.partition("\n\n")[0],
        epilog=__doc__.rpartition("\n\n")[2], allow_abbrev=False)
    parser.add_argument("folder", type=Path, help="where the notebooks are")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything, as JSON")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write a page with all messages")
    arguments = parser.parse_args(argv)
    found = submissions(arguments.folder)
    if not found:
        print(f"course report: no notebook in {arguments.folder}; expected files *.ipynb, or a "
              "folder with them for each student.", file=sys.stderr)
        return 1
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        judged = list(pool.map(lambda one: entry(*one, arguments.folder), found))
    print("\n".join([*table(judged), "", *summary(judged)]))
    if arguments.json:
        arguments.json.write_text(json.dumps(judged, indent=1) + "\n", encoding="utf-8")
    if arguments.page:
        arguments.page.write_text(page(judged), encoding="utf-8")
    return int(any("error" in one for one in judged))


def submissions(folder: Path) -> list[tuple[str, Path]]:
    """Return (student, notebook), in order; the student is the folder inside `folder`, or the file.

    Checkpoints of JupyterLab are left out.
    """
    found = []
    for path in sorted(folder.rglob("*.ipynb")):
        inside = path.relative_to(folder).parts
        if ".ipynb_checkpoints" not in inside:
            found.append((inside[0] if len(inside) > 1 else path.stem, path))
    return found


def entry(student: str, path: Path, folder: Path) -> dict:
    """Return all that is said of one notebook: student, notebook, verdict, attempts."""
    verdict, known = judge(path), attempts(path, folder)
    for task in verdict.get("tasks", []):
        task["attempts"] = known.get(task["task"])
    return {"student": student, "notebook": str(path), **verdict}


def attempts(path: Path, folder: Path) -> dict[str, int]:
    """Return task -> number of checks until it was passed, as far as that is written down."""
    from course_lib.check.attempts import progress_file, read_progress

    if (FOLDER / "exercises") in path.resolve().parents:
        files = [progress_file()]
    else:
        inside = path.relative_to(folder).parts[:-1]
        files = [folder.joinpath(*inside[:depth], "progress.json")
                 for depth in range(len(inside), 0, -1)]
    for file in files:
        if known := read_progress(file):
            return {name: task["attempts"] for name, task in known.items()}
    return {}


def judge(path: Path) -> dict:
    """Return {"exercise", "tasks"} of one notebook, or {"error"} where there is no verdict."""
    command = [sys.executable, "-m", "course_lib.check.submission"]
    word = secrets.token_hex(16)
    own = {**os.environ, "MPLBACKEND": "Agg", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=errors,
                                   start_new_session=True, env=own)
        try:
            process.communicate(f"{path.resolve()}\n{word}\n".encode(), timeout=SECONDS)
        except subprocess.TimeoutExpired:
            return {"error": f"no verdict within {SECONDS} seconds."}
        except BrokenPipeError:
            pass
        finally:
            end(process)
        lines, problems = last_lines(out), last_lines(errors)
    verdicts = [line for line in lines if line.startswith(word)]
    if not verdicts:
        why = next((line for line in reversed(problems) if line.strip()),
                   f"exit status {process.returncode}")
        return {"error": f"no verdict: {why}"}
    return json.loads(verdicts[-1][len(word):])


def end(process: subprocess.Popen) -> None:
    """End a process and what it started and left behind."""
    from course_lib.check import in_child

    if hasattr(os, "killpg"):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
    process.kill()
    process.wait()
    if in_child.can_fork():
        in_child.kill_marked(in_child.mark(process.pid), os.getpid())


def last_lines(file) -> list[str]:
    """Return the lines in the last megabytes of a file."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 2**22))
    return file.read().decode("utf-8", "replace").splitlines()


# Showing it


def table(judged: list[dict]) -> list[str]:
    """Return the report as lines of text: a line a task, with attempts and the mistake."""
    lines = []
    for one in judged:
        if "error" in one:
            lines.append(f"{one['student']:24} {Path(one['notebook']).name}: {one['error']}")
            continue
        for task in one["tasks"]:
            count = "" if task["attempts"] is None else str(task["attempts"])
            mistake = said(task)
            lines.append(f"{one['student']:24} {task['task']:44} {task['state']:13} {count:>3} "
                         f"{mistake}".rstrip())
    return lines


def said(task: dict) -> str:
    """Return the recognised mistake of a task, or what kind of failure it was."""
    if task["state"] != "failed":
        return ""
    return task["mistake"] or f"({task['kind']})"


def summary(judged: list[dict]) -> list[str]:
    """Return the report by task: how many are in which state, and the commonest mistakes."""
    tasks = by_task(judged)
    lines = []
    for name, several in tasks.items():
        states = Counter(task["state"] for task in several)
        counts = ", ".join(f"{states[state]} {state}" for state in STATES if states[state])
        known = [task["attempts"] for task in several if task["attempts"]]
        tries = f"; {sum(known) / len(known):.1f} attempts on average" if known else ""
        common = ", ".join(f"{count} x {what}" for what, count in mistakes(several))
        lines.append(f"{name:44} {counts}{tries}{': ' if common else ''}{common}")
    right = sum(task["state"] == "passed" for several in tasks.values() for task in several)
    count = sum(map(len, tasks.values()))
    notebooks = f"{len(judged)} notebook" + "s" * (len(judged) != 1)
    return [*lines, f"{notebooks}, {right} of {count} tasks passed"]


def by_task(judged: list[dict]) -> dict[str, list[dict]]:
    """Return task id -> what was said of it in each notebook."""
    tasks: dict[str, list[dict]] = {}
    for one in judged:
        for task in one.get("tasks", []):
            tasks.setdefault(task["task"], []).append(task)
    return dict(sorted(tasks.items()))


def mistakes(several: list[dict]) -> list[tuple[str, int]]:
    """Return the five commonest mistakes of one task and how many made them."""
    return Counter(filter(None, map(said, several))).most_common(5)


def page(judged: list[dict]) -> str:
    """Return the report as one page: by task, then by student with what was said, folded."""
    first = [[name, *(str(sum(task["state"] == state for task in several)) for state in STATES),
              ", ".join(f"{count} × {what}" for what, count in mistakes(several))]
             for name, several in by_task(judged).items()]
    rows = []
    for one in judged:
        for task in one.get("tasks") or [nothing(one)]:
            count = "" if task["attempts"] is None else str(task["attempts"])
            rows.append([one["student"], task["task"], task["state"], count, task["message"]])
    tables = [html_table("By task", ["task", *STATES, "commonest mistakes"], first),
              html_table(summary(judged)[-1],
                         ["student", "task", "state", "attempts", "what was said"], rows, fold=4)]
    return PAGE.format(style=STYLE, tables="\n".join(tables))


def nothing(one: dict) -> dict:
    """Return the row of a notebook without a verdict."""
    return {"task": Path(one["notebook"]).name, "state": "no verdict", "attempts": None,
            "message": one["error"]}


def html_table(caption: str, heads: list[str], rows: list[list[str]], fold: int = -1) -> str:
    """Return a table; cells of column `fold` are folded to their first line."""
    lines = [f"<table><caption>{html.escape(caption)}</caption>", "<thead><tr>"]
    lines += [f'<th scope="col">{html.escape(head)}</th>' for head in heads]
    lines.append("</tr></thead>\n<tbody>")
    for row in rows:
        cells = [html.escape(text) for text in row]
        if fold >= 0:
            begins = cells[fold].partition("\n")[0]
            cells[fold] = (f"<details><summary>{begins}</summary><pre>{cells[fold]}</pre>"
                           "</details>")
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return "\n".join([*lines, "</tbody></table>"])
