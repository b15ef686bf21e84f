"""Open JupyterLab on the course; further words go to JupyterLab as they are.

    python3 -m course_lib lab
    python3 -m course_lib lab --port 9000 notebooks/06_mnist.ipynb

It starts with the sidebars closed and without the question about Jupyter's news. Nothing is
written into the user's own settings, and what they have chosen there stays.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from course_lib.commands.setup import FOLDER, need_folder

NEWS = "@jupyterlab/apputils-extension:notification"
WORKSPACE = "default-37a8.jupyterlab-workspace"  # what JupyterLab calls the file of "default"
OTHER_FOLDER = {"--ServerApp.root_dir", "--notebook-dir", "--ServerApp.notebook_dir"}


def first_page(folder: Path = FOLDER) -> str:
    """Return the address to open on: the first lesson, or Lab itself where there is none."""
    lessons = sorted((folder / "notebooks").glob("[0-9]*.ipynb"))
    return f"/lab/tree/notebooks/{lessons[0].name}" if lessons else "/lab"


def arguments(words: list[str], folder: Path = FOLDER) -> list[str]:
    """Return JupyterLab's arguments: where to start and on what, then the user's words.

    Each is left out where the user gives it, and both where the user starts in another folder.
    """
    given = {word.partition("=")[0] for word in words}
    if given & OTHER_FOLDER:
        return words
    page = f"--LabApp.default_url={first_page(folder)}"
    start = [f"--ServerApp.root_dir={folder}"]
    return start + ([] if "--LabApp.default_url" in given else [page]) + words


def workspaces(words: list[str], place: Path | None = None) -> list[str]:
    """Return the argument for a workspace of the course's own, whose sidebars start closed.

    It lies in the environment of the course (`place`), not among the user's own, and keeps what
    the user opens later. No argument where there is no such environment, or the user names one.
    """
    environment = place or (Path(sys.prefix) if sys.prefix != sys.base_prefix else None)
    given = {word.partition("=")[0] for word in words}
    if environment is None or given & {*OTHER_FOLDER, "--LabApp.workspaces_dir"}:
        return []
    file = environment / "share" / "jupyter" / "lab" / "course-workspaces" / WORKSPACE
    closed = {"collapsed": True, "visible": True}
    layout = {"main": {"dock": None}, "left": closed, "right": closed}
    made = {"data": {"layout-restorer:data": layout}, "metadata": {"id": "default"}}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.write_text(json.dumps(made), encoding="utf-8")
    except OSError:  # somebody else's environment: JupyterLab starts as it always does
        return []
    return [f"--LabApp.workspaces_dir={file.parent}"]


def no_news(folder: Path) -> str:
    """Write a default that answers "Jupyter news?" with no; return the new JUPYTER_CONFIG_PATH."""
    file = folder / "labconfig" / "default_setting_overrides.json"
    file.parent.mkdir()
    file.write_text(json.dumps({NEWS: {"fetchNews": "false"}}), encoding="utf-8")
    return os.pathsep.join(filter(None, [str(folder), os.environ.get("JUPYTER_CONFIG_PATH")]))


def main(words: list[str]) -> int:
    """Run JupyterLab until it is stopped."""
    need_folder("lab", FOLDER)
    from jupyterlab.labapp import LabApp

    with tempfile.TemporaryDirectory() as folder:
        os.environ["JUPYTER_CONFIG_PATH"] = no_news(Path(folder))
        LabApp.launch_instance(argv=workspaces(words) + arguments(words))
    return 0
