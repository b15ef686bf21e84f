"""Notebooks as plain dictionaries: read, write, hash, and say what is wrong with their outputs.

Standard library only. The tools, the tests and the page builder import it; lessons never do.
"""

import hashlib
import json
import os
import re
from pathlib import Path

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

# What a path of somebody's machine looks like; a path in a web address is none.
PRIVATE_PATH = re.compile(
    r"(?<![\w./:])(?:/(?:home|Users|root|tmp|private|mnt|srv|opt|var|usr)/[\w.-]+"
    r"|[A-Za-z]:\\\\?(?:Users|Temp|Windows|Program)[\w\\.-]*)"
)
MEMORY_ADDRESS = re.compile(r"\bat 0x[0-9A-Fa-f]{6,}")


def read_notebook(path) -> dict:
    """Return the notebook at `path` as a dictionary, or say which file is no notebook.

    >>> read_notebook("README.md")
    Traceback (most recent call last):
    ...
    ValueError: README.md: expected a notebook (JSON with a list of cells), got other data.
    """
    try:
        notebook = json.loads(Path(path).read_text(encoding="utf-8"))
        if isinstance(notebook["cells"], list):
            return notebook
    except (ValueError, KeyError, TypeError):
        pass
    raise ValueError(f"{path}: expected a notebook (JSON with a list of cells), got other data.")


def notebook_text(notebook: dict) -> str:
    """Return the form in which notebooks are stored: sorted keys, lists of lines."""
    stored = json.loads(json.dumps(notebook))
    for cell in stored["cells"]:
        cell["source"] = cell_source(cell).splitlines(keepends=True)
        for output in cell.get("outputs", []):
            _split_lines(output)
    return json.dumps(stored, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def write_notebook(path, notebook: dict) -> None:
    """Write `notebook` to `path` whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.write_text(notebook_text(notebook), encoding="utf-8", newline="\n")
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def joined(text) -> str:
    """Return text that a notebook stores as one string or as a list of lines.

    >>> joined(["a\\n", "b"]) == joined("a\\nb")
    True
    """
    return "".join(text) if isinstance(text, list) else str(text)


def cell_source(cell: dict) -> str:
    """Return the source of a cell as one string."""
    return joined(cell["source"])


def code_cells(notebook: dict) -> list[tuple[int, dict]]:
    """Return (position in the notebook, cell) of every code cell that is not empty."""
    return [
        (position, cell)
        for position, cell in enumerate(notebook["cells"])
        if cell["cell_type"] == "code" and cell_source(cell).strip()
    ]


def code_hash(notebook: dict) -> str:
    """Return the sha256 of the code cells' sources, joined by a line with a form feed.

    Markdown, outputs and metadata do not count: only a change of code makes outputs stale.
    >>> one = {"cells": [{"cell_type": "code", "source": "x = 1"}]}
    >>> same = {"cells": [{"cell_type": "code", "source": ["x = 1"]}]}
    >>> code_hash(one) == code_hash(same), code_hash(one)[:8]
    (True, '8ff436de')
    """
    sources = [cell_source(c) for c in notebook["cells"] if c["cell_type"] == "code"]
    return hashlib.sha256("\n\f\n".join(sources).encode("utf-8")).hexdigest()


def output_text(output: dict) -> str:
    """Return everything in one output that people read: streams, text and HTML, tracebacks."""
    parts = [joined(output.get("text", "")), "\n".join(output.get("traceback", []))]
    for mime, value in output.get("data", {}).items():
        if mime.startswith("text/") or mime == "image/svg+xml":
            parts.append(joined(value))
        elif not mime.startswith("image/"):
            parts.append(json.dumps(value, ensure_ascii=False))
    return "\n".join(part for part in parts if part)


def machine_traces(output: dict, folders=()) -> list[str]:
    """Return what ties an output to one machine or one run: absolute paths, memory addresses.

    `folders` are further absolute paths that must not appear.
    """
    text = output_text(output)
    paths = [f"the path {found}" for found in PRIVATE_PATH.findall(text)]
    paths += [f"the path {folder}" for folder in map(str, folders) if folder in text]
    addresses = [f"the memory address '{found}'" for found in MEMORY_ADDRESS.findall(text)]
    return list(dict.fromkeys(paths + addresses))


def output_faults(notebook: dict, folders=()) -> list[str]:
    """Return one sentence for each thing that a committed, executed notebook must not have.

    `folders` are absolute paths of this machine (the checkout, say) to look for in the outputs.
    """
    faults = []
    stamp = notebook.get("metadata", {}).get("course", {}).get("code_hash")
    if stamp is None:
        faults.append("it was never executed by tools/execute.py (no code hash).")
    elif stamp != code_hash(notebook):
        faults.append("its code changed after it was executed (the code hash is stale).")
    if "widgets" in notebook.get("metadata", {}):
        faults.append("its metadata holds widget state.")
    for count, (position, cell) in enumerate(code_cells(notebook), start=1):
        faults += [f"cell {position + 1}: {fault}" for fault in _cell_faults(cell, count, folders)]
    return faults


def _cell_faults(cell: dict, count: int, folders) -> list[str]:
    """Return the faults of one code cell that should have been executed as number `count`."""
    faults = []
    if cell.get("execution_count") != count:
        faults.append(f"executed as {cell.get('execution_count')}, expected {count}.")
    for output in cell.get("outputs", []):
        if output["output_type"] == "error":
            faults.append(f"it ended in {output.get('ename', 'an error')}.")
        if WIDGET_VIEW in output.get("data", {}):
            faults.append("an output holds a widget view.")
        faults += [f"an output holds {trace}." for trace in machine_traces(output, folders)]
    return faults


def _split_lines(output: dict) -> None:
    """Turn the long strings of one output into lists of lines, as Jupyter stores them."""
    if isinstance(output.get("text"), str):
        output["text"] = output["text"].splitlines(keepends=True)
    for mime, value in output.get("data", {}).items():
        if isinstance(value, str) and not mime.endswith("json"):
            output["data"][mime] = value.splitlines(keepends=True)
