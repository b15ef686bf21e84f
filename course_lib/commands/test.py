"""Run every test, doctest and notebook; further words go to pytest as they are.

    python3 -m course_lib test
    python3 -m course_lib test -k conv -x
    python3 -m course_lib test notebooks/01_convolution.ipynb

pytest runs in the course's folder; without paths it takes `testpaths` of pyproject.toml.
"""

from __future__ import annotations

import os

from course_lib.commands.setup import FOLDER, need_folder

NOTEBOOKS = ("--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=120")


def main(words: list[str]) -> int:
    """Run pytest once over everything; return its exit status (5, no test found, included)."""
    need_folder("test", FOLDER)
    import pytest

    os.environ["COURSE_FAST"] = "1"  # notebooks train briefly
    os.chdir(FOLDER)
    return int(pytest.main([*NOTEBOOKS, *words]))
