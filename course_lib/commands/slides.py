"""`python3 -m course_lib slides 01`: the deck of a lesson, with speaker notes and live widgets."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from course_lib.commands.site import LESSONS

KEYS = """keys in the deck:
  Right, Down, Space, PageDown   on: the next screen, or what this one still hides
  Left, Up, PageUp               back
  S                              the speaker's window, with the notes
  C                              light or dark
  Esc                            all screens at a glance, and back
  F, ?                           the whole display; all keys
After a click in a widget, arrows and Space belong to the widget: go on with PageDown, or press
Esc first. For paper, add ?print-pdf to the deck's address and print it."""


def main(argv: list[str] | None = None) -> int:
    from course_lib.site import SiteError
    from course_lib.slides import build_deck

    parser = argparse.ArgumentParser(
        prog="python3 -m course_lib slides",
        description="Write the slides of a lesson as one file that needs no kernel and no network.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=KEYS,
    )
    parser.add_argument("lessons", nargs="+", metavar="NN",
                        help="the lesson's number, 01 for example, or a notebook")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write into")
    arguments = parser.parse_args(argv)
    try:
        for path in [find_lesson(word) for word in arguments.lessons]:
            deck = build_deck(path, arguments.out)
            print(f"{deck}  {deck.stat().st_size / 1000:.0f} kB")
    except SiteError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def find_lesson(word: str) -> Path:
    """Return the notebook that a number or a file name means; SiteError lists what there is."""
    from course_lib.site import SiteError

    if word.endswith(".ipynb"):
        return Path(word)
    found = sorted(LESSONS.glob(f"{word.zfill(2)}*.ipynb"))
    if len(found) != 1:
        there = ", ".join(path.stem for path in sorted(LESSONS.glob("*.ipynb")))
        raise SiteError(f"slides: expected the number of one lesson, got {word!r}; "
                        f"there are: {there}.")
    return found[0]
