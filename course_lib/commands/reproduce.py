"""Run the five published systems again: their numbers beside ours, with spread and interval.

    python3 -m course_lib reproduce s4
    python3 -m course_lib reproduce all --out results
    python3 -m course_lib reproduce s3 --full --executor processes --json

Words: s0 s1 s2 s3 s4 all. Options: --full --seeds --out --executor --workers --json

Without MNIST on this machine the embedded small digits are used, and a line says so. Exit status:
0 done, 1 the data or a run failed, 2 the command line is wrong, 130 interrupted by Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from pathlib import Path

from course_lib.commands import folder_to_write, some_name
from course_lib.experiments import report, trials
from course_lib.experiments.measure import (
    EXECUTORS, find_source, measure, open_executor, save, shortened,
)
from course_lib.experiments.systems import EXPERIMENTS

IMAGES = "s1_images"  # in --out: S1's folders of images


def main(words: list[str] | None = None) -> int:
    """Run `course reproduce` with the words that follow it; return the exit status."""
    arguments = _parser().parse_args(words)
    keys = list(EXPERIMENTS) if "all" in arguments.systems else dict.fromkeys(arguments.systems)
    stream = sys.stderr if arguments.json else sys.stdout
    try:
        run(list(keys), arguments, lambda line: print(line, file=stream, flush=True))
    except ImportError as error:
        print(f"course reproduce: --executor {arguments.executor} needs {error.name}: "
              "pip install 'cnn-from-scratch-course[cluster]'.", file=sys.stderr)
        return 1
    except (ValueError, OSError) as error:
        print(f"course reproduce: {error}", file=sys.stderr)
        return 1
    return 0


def run(keys: list[str], arguments: argparse.Namespace, say) -> None:
    """Measure, print, write."""
    out = folder_to_write("--out", arguments.out)
    if out and "s1" in keys:
        _check_is_ours(out / IMAGES)
    source, results = find_source(say), []
    with open_executor(arguments.executor, arguments.workers) as executor:
        for key in keys:
            result = measure(key, full=arguments.full, seeds=arguments.seeds, source=source,
                             executor=executor, progress=sys.stderr.isatty())
            say(report.text(result) + "\n")
            if out:
                say(f"wrote {', '.join(write(out, result))} into {out}\n")
            results.append(result)
    if arguments.json:
        print(json.dumps(shortened({result["experiment"]: result for result in results}),
                         allow_nan=False))


def write(out: Path, result: dict) -> list[str]:
    """KEY.json, KEY.txt, a picture and its text for every figure; for S1 its folders of images."""
    key = result["experiment"]
    save(result, out / f"{key}.json")
    (out / f"{key}.txt").write_text(report.text(result) + "\n", encoding="utf-8")
    written = [f"{key}.json", f"{key}.txt"]
    for name, picture in report.figures(result).items():
        picture.save(out / f"{key}_{name}.png")
        (out / f"{key}_{name}.alt.txt").write_text(picture.alt + "\n", encoding="utf-8")
        written.append(f"{key}_{name}.png")
    if key == "s1":
        shutil.rmtree(out / IMAGES, ignore_errors=True)  # of an earlier run, perhaps other digits
        trials.write_image_folders(out / IMAGES, report.source_of(result))
        written.append(f"{IMAGES}/")
    return written


def _check_is_ours(folder: Path) -> None:
    """What stands where S1's images go must be S1's images, for it will be replaced."""
    for path in folder.rglob("*"):
        if path.is_file() and not re.fullmatch(r"labels\.txt|(zero|one)_\d+\.png", path.name):
            raise FileExistsError(f"--out: {folder} is where S1's images go, and holds "
                                  f"{path.name}, which is none of them. Name another folder.")


def _count(word: str) -> int:
    if not (word.isascii() and word.isdigit() and 1 <= int(word) <= 10_000):
        raise argparse.ArgumentTypeError(f"expected a whole number, 1 to 10000, got {word!r}")
    return int(word)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="course reproduce", allow_abbrev=False,
        description="Run the five published systems again: their numbers beside ours.",
        epilog="\n".join(f"  {key}  {experiment.title}, by {experiment.author}"
                         for key, experiment in EXPERIMENTS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("systems", nargs="+", type=str.lower, choices=[*EXPERIMENTS, "all"],
                        metavar="SYSTEM", help="s0, s1, s2, s3, s4 or all")
    parser.add_argument("--full", action="store_true",
                        help="everything as published, and more seeds: hours, not minutes")
    parser.add_argument("--seeds", type=_count, metavar="N",
                        help="N runs of everything (without it each has its own number)")
    parser.add_argument("--out", metavar="DIR", type=some_name,
                        help="write tables, figures and JSON there")
    parser.add_argument("--executor", choices=EXECUTORS, default="serial",
                        help="where runs are done (the numbers are the same); dask needs the "
                             "extra `cluster` and joins DASK_SCHEDULER_ADDRESS where that is set")
    parser.add_argument("--workers", type=_count, metavar="N", help="how many at a time")
    parser.add_argument("--json", action="store_true",
                        help="one JSON object on stdout, all else on stderr")
    return parser
