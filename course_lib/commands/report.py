"""Check a folder of submitted exercises: who passed which task, and which mistake it was.

    python3 -m course_lib report submitted
    python3 -m course_lib report submitted --json marks.json --page marks.html

FOLDER holds notebooks, or a folder with notebooks for each student. Each notebook is run in a
fresh process with a time limit; nothing leaves the machine, and no notebook is changed. Exit
status: 0 all were judged, 1 none was found or some could not be read.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SECONDS = 180  # for one notebook
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Report</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }}
body {{ margin: 1.5rem; }} table {{ border-collapse: collapse; }}
th, td {{ border: 1px solid; padding: 0.3rem 0.6rem; text-align: left; vertical-align: top; }}
pre {{ white-space: pre-wrap; max-width: 60rem; }}
</style></head><body>
<h1>{title}</h1>
<table><caption>{caption}</caption>
<thead><tr><th scope="col">student</th><th scope="col">task</th><th scope="col">state</th>
<th scope="col">what was said</th></tr></thead>
<tbody>
{rows}
</tbody></table></body></html>
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
        judged = list(pool.map(lambda one: {"student": one[0], "notebook": str(one[1]),
                                            **judge(one[1])}, found))
    print("\n".join(table(judged)))
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


def judge(path: Path) -> dict:
    """Return {"exercise", "tasks"} of one notebook, or {"error"} where there is no verdict."""
    command = [sys.executable, "-m", "course_lib.check.submission", str(path.resolve())]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS,
                              stdin=subprocess.DEVNULL, check=False)
    except subprocess.TimeoutExpired:
        return {"error": f"no verdict within {SECONDS} seconds."}
    final = "course submission: "
    lines = [line for line in done.stdout.splitlines() if line.startswith(final)]
    if not lines:
        why = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        return {"error": f"no verdict: {why}"}
    return json.loads(lines[-1][len(final):])


def table(judged: list[dict]) -> list[str]:
    """Return the report as lines of text: a line a task, with the mistake that was recognised."""
    lines = []
    for one in judged:
        if "error" in one:
            lines.append(f"{one['student']:24} {Path(one['notebook']).name}: {one['error']}")
            continue
        for task in one["tasks"]:
            mistake = f": {task['mistake']}" if task["mistake"] else ""
            lines.append(f"{one['student']:24} {task['task']:44} {task['state']}{mistake}")
    right = sum(task["state"] == "passed" for one in judged for task in one.get("tasks", []))
    count = sum(len(one.get("tasks", [])) for one in judged)
    notebooks = f"{len(judged)} notebook" + "s" * (len(judged) != 1)
    return [*lines, f"{notebooks}, {right} of {count} tasks passed"]


def page(judged: list[dict]) -> str:
    """Return the report as one page; what was said is folded."""
    rows = []
    for one in judged:
        tasks = one.get("tasks") or [{"task": Path(one["notebook"]).name, "state": "no verdict",
                                      "message": one["error"]}]
        for task in tasks:
            cells = [f"<td>{html.escape(text)}</td>"
                     for text in (one["student"], task["task"], task["state"])]
            said = html.escape(task["message"])
            first = said.splitlines()[0] if said else ""
            cells.append(f"<td><details><summary>{first}</summary><pre>{said}</pre></details></td>")
            rows.append(f"<tr>{''.join(cells)}</tr>")
    return PAGE.format(title="Exercises", caption=html.escape(table(judged)[-1]),
                       rows="\n".join(rows))
