"""`python3 -m course_lib site`: every executed lesson as a page with live widgets."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

LESSONS = Path(__file__).resolve().parents[2] / "notebooks"


def main(argv: list[str] | None = None) -> int:
    from course_lib.site import SiteError, build_site

    parser = argparse.ArgumentParser(
        prog="python3 -m course_lib site",
        description="Write each executed lesson as one page that needs no kernel and no network.",
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder to write into")
    parser.add_argument("--notebooks", type=Path, nargs="+", metavar="FILE",
                        help="these notebooks, in this order, instead of every lesson")
    arguments = parser.parse_args(argv)
    try:
        written = build_site(arguments.notebooks or sorted(LESSONS.glob("*.ipynb")), arguments.out)
    except SiteError as error:
        print(error, file=sys.stderr)
        return 1
    for path in written:
        print(f"{path}  {path.stat().st_size / 1000:.0f} kB")
    return 0
