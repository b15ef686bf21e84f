"""Download MNIST into your cache, verify it, and say where it lies.

Exit status: 0 every byte is right, 1 something is missing or damaged, 2 the command line is wrong.
"""

from __future__ import annotations

import argparse
import sys


def main(words: list[str] | None = None) -> int:
    """Run `course data` with the words that follow it; return the exit status."""
    arguments = _parser().parse_args(words)
    from course_lib.data import DataError, load_mnist, mnist_folder

    try:
        digits = load_mnist(arguments.folder, download=not arguments.check)
    except DataError as error:
        print(f"course data: {error}", file=sys.stderr)
        return 1
    place, source = mnist_folder(arguments.folder)
    named = " (named by COURSE_DATA)" if source == "COURSE_DATA" else ""
    train, test = len(digits.train_labels), len(digits.test_labels)
    print(f"MNIST: {train:,} training and {test:,} test images, verified, in {place}{named}")
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog="course data",
        description="Download MNIST (11 MB), verify every byte, and say where it lies.",
        epilog="Without --folder: the folder that COURSE_DATA names (never written to), "
        "else your cache.",
    )
    parser.add_argument("--check", action="store_true", help="only verify, download nothing")
    parser.add_argument("--folder", metavar="DIR", help="look there and download to there")
    return parser
