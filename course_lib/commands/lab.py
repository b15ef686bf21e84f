"""Open JupyterLab on the course; further words go to JupyterLab as they are.

    python3 -m course_lib lab
    python3 -m course_lib lab --port 9000 notebooks/06_mnist.ipynb
"""

from __future__ import annotations

from pathlib import Path

from course_lib.commands.setup import FOLDER, need_folder

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


def main(words: list[str]) -> int:
    """Run JupyterLab until it is stopped."""
    need_folder("lab", FOLDER)
    from jupyterlab.labapp import LabApp

    LabApp.launch_instance(argv=arguments(words))
    return 0
