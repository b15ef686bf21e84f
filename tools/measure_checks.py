"""What a check of a right answer costs: CPU time of the kernel and of its children.

    python3 tools/measure_checks.py [TASK ...] [--rounds 15] [--json]

Every task is answered with its own reference, so that almost all of the time is the check's: the
fork, two calls a case, the comparison, the state put back. Rounds of all tasks take turns with a
loop of pure Python, and a task is told as milliseconds (median, best) and as how many loops its
best check costs: that ratio says the same on a slow machine. In a kernel that holds more memory
a fork costs more: start this in a process of its own.
"""

import argparse
import contextlib
import io
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from course_lib import check  # noqa: E402


def loop():
    """Work for the interpreter: some 10 ms."""
    total = 0
    for number in range(200_000):
        total += number
    return total


def cpu_seconds(function, *arguments) -> float:
    """CPU seconds of this process and of its children that ended meanwhile."""
    def spent():
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.process_time() + children.ru_utime + children.ru_stime

    start = spent()
    function(*arguments)
    return spent() - start


def judge(name: str) -> None:
    """Check the reference of a task; say nothing."""
    with contextlib.redirect_stdout(io.StringIO()):
        result = getattr(check, name)(check.TASKS[name].reference)
    if not result.passed:
        raise SystemExit(f"{name}: its own reference does not pass: {result.message}")


def measure(names: list[str], rounds: int) -> dict[str, dict[str, float]]:
    """Name -> median and best in milliseconds, and the best as so many loops."""
    for name in names:
        judge(name)  # whatever the first check imports
    loops, times = [], {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            loops.append(cpu_seconds(loop))
            times[name].append(cpu_seconds(judge, name))
    return {name: {"median": 1000 * statistics.median(seconds), "best": 1000 * min(seconds),
                   "loops": min(seconds) / min(loops)} for name, seconds in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tasks", nargs="*", metavar="TASK", help="as in check.TASK; all of them")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if unknown := sorted(set(options.tasks) - set(check.TASKS)):
        parser.error(f"no such task: {', '.join(unknown)}; there are {', '.join(check.TASKS)}")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["COURSE_PROGRESS"] = folder  # these are nobody's attempts
        costs = measure(options.tasks or list(check.TASKS), options.rounds)
    if options.json:
        print(json.dumps(costs))
        return
    print("task                          median ms   best ms   loops")
    for name, cost in costs.items():
        print(f"{name:30}{cost['median']:9.1f}{cost['best']:10.1f}{cost['loops']:8.1f}")


if __name__ == "__main__":
    main()
