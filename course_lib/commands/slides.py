"""`python3 -m course_lib slides 01`: the deck of a lesson, with speaker notes and live widgets."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from course_lib.commands.site import LESSONS


def main(argv: list[str] | None = None) -> int:
    from course_lib.site import SiteError
    from course_lib.slides import build_deck

    parser = argparse.ArgumentParser(
        prog="python3 -m course_lib slides",
        description="Write the slides of a lesson as one file that needs no kernel and no network.",
        epilog="In the deck: arrow keys turn the slides, S opens the speaker's window, C changes "
               "light and dark, F fills the screen, ? lists all keys. Add ?print-pdf to its "
               "address and print for paper.",
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
