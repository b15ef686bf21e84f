"""Measure how many images a CPU second each engine trains and classifies, PyTorch beside them.

    python3 -m course_lib bench
    python3 -m course_lib bench --short
    python3 -m course_lib bench --nets A,C --batches 32,128 --json speed.json --plot speed.png

Options: --nets --batches --engines --training --inference --rounds --seconds --short --json --plot
--tuned-malloc --both-mallocs

All engines compute in one process and one thread, in blocks that take turns; a rate is images per
CPU second of the process, so that other programs disturb little. Engines: formula, windows,
vectorised, fast, fused, torch, channels_last. Networks: A conv 8, pool, conv 16, pool, dense 10;
B conv 32, conv 64, pool, dense 128, dense 10; C conv 16, pool, dense 128, dense 10.

Exit status: 0 measured, 1 an engine computes something else than the others (the first training
losses differ), a file cannot be read or written, or more than one thread computes, 2 the command
line is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from course_lib import benchmark, machine
from course_lib.benchmark import LOOPS, MODES, NETS, TOLERANCE, Row
from course_lib.commands import THREADS, check_file_to_write, some_name
from course_lib.data import DataError

BATCHES = (8, 32, 64, 128, 256)
SHORT = {"nets": ("A",), "batches": (32,), "rounds": 4, "seconds": 0.1}
FIT_BATCH = 64  # the size, or the next that is measured, at which `fit` is compared
MALLOC = {"MALLOC_TRIM_THRESHOLD_": str(2**30), "MALLOC_MMAP_THRESHOLD_": str(2**30)}
NAMES = {"torch": "PyTorch", "channels_last": "PyTorch channels_last"}
WIDTH = 100  # columns of the text
BUSY_LOAD, IDLE_SHARE = 0.5, 0.9  # of the cores when it starts; CPU seconds of one that it got


def main(words: list[str] | None = None) -> int:
    """Run `course bench` with the words that follow it; return the exit status."""
    words = sys.argv[2:] if words is None else list(words)
    arguments = parse(words)
    settings = wanted_settings(arguments)
    if any(os.environ.get(name) != value for name, value in settings.items()):
        return again(words, settings)
    out = sys.stderr if arguments.json == "-" else sys.stdout
    try:
        return run(arguments, words, lambda line="": print(line, file=out, flush=True))
    except (DataError, OSError, machine.ThreadsError) as error:
        print(f"course bench: {error}", file=sys.stderr)
        return 1


def wanted_settings(arguments) -> dict[str, str]:
    """Variables that count only when the process starts: threads, and malloc's thresholds."""
    return dict.fromkeys(THREADS, "1") | (MALLOC if arguments.tuned_malloc else {})


def again(words: list[str], settings: dict[str, str]) -> int:
    """Run the same words in a process that starts with these variables; its exit status."""
    command = [sys.executable, "-m", "course_lib", "bench", *words]
    with subprocess.Popen(command, env=os.environ | settings) as child:
        while True:
            with contextlib.suppress(KeyboardInterrupt):  # the child got it too, and says so
                return child.wait()


def run(arguments: argparse.Namespace, words: list[str], say) -> int:
    """Measure, print, write."""
    engines = [name for name in arguments.engines if not benchmark.lacking(name)]
    check_file_to_write("--json", None if arguments.json == "-" else arguments.json)
    check_file_to_write("--plot", arguments.plot)
    examples = benchmark.load_examples()
    if max(arguments.batches) > len(examples.images):
        print(f"course bench: --batches: expected at most {len(examples.images):,}, all images "
              f"that are here, got {max(arguments.batches):,}", file=sys.stderr)
        return 2
    report = about(arguments, engines)
    say_head(report, arguments, say)
    report["data"] = examples.name
    say(f"Images: {examples.name}.")
    rows, roof = [], report["roof"]["sgemm_flops_per_second"]
    for net in arguments.nets:
        for mode in arguments.modes:
            say_group(net, mode, rows_baseline(engines), say)
            for batch in arguments.batches:
                group = measure(net, mode, batch, engines, arguments, examples)
                for row in group:
                    say(line_of(row, roof))
                rows += group
    if "training" in arguments.modes:
        rows += measure_fits(engines, arguments, examples, say)
    report["rows"] = [row.facts(roof) | {"malloc": report["malloc"]} for row in rows]
    say_foot(report, rows, say)
    if arguments.both_mallocs:
        other = tuned(words, say)
        report["rows"] += other["rows"]
        report["wrong"] += other["wrong"]
    write(report, arguments, say)
    return 1 if report["wrong"] else 0


# ---- measuring


def measure(net, mode, batch, engines, arguments, examples) -> list[Row]:
    """One group of rows; loops only at the smallest size, since they see few images anyway."""
    some = [name for name in engines if name not in LOOPS or batch == min(arguments.batches)]
    return some and benchmark.measure(net, mode, batch, some, examples, arguments.rounds,
                             arguments.seconds)


def measure_fits(engines, arguments, examples, say) -> list[Row]:
    """Whole `fit` against the bare loop, for the course's own engines that are no loops."""
    batch = min(arguments.batches, key=lambda size: abs(size - FIT_BATCH))
    say(f"\nThe whole fit against the bare loop of the same steps (batch {batch}): "
        "rate, ratio")
    rows = []
    for net in arguments.nets:
        for engine in engines:
            if engine not in LOOPS and engine not in benchmark.TORCH:
                row = benchmark.measure_fit(net, batch, engine, examples, arguments.rounds,
                                            arguments.seconds)
                say(f"  {net}  {engine:12}{row.median:9,.0f}   median {row.ratio_median:.2f}   "
                    f"best {row.ratio_best:.2f}")
                rows.append(row)
    return rows


def rows_baseline(engines) -> str:
    return NAMES.get(base := benchmark.baseline_of(engines), base)


def tuned(words: list[str], say) -> dict:
    """The report of the same once more, in a process that keeps the memory it freed."""
    say("\nThe same with malloc's thresholds raised (--tuned-malloc):\n")
    kept = without(words, "--both-mallocs", "--json", "--plot")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tuned.json")
        command = [sys.executable, "-m", "course_lib", "bench", *kept, "--tuned-malloc",
                   "--json", str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8",
                              env=os.environ | MALLOC) as child:
            for line in child.stdout:
                if str(path) not in line:
                    say(line.rstrip("\n"))
        if not path.exists():
            raise ChildProcessError(f"{' '.join(command)} failed: exit status {child.returncode}")
        return json.loads(path.read_text(encoding="utf-8"))


def without(words: list[str], *options: str) -> list[str]:
    """The words less these options and, but for a plain switch, the value behind each."""
    kept, skip = [], False
    for word in words:
        name, equals, _ = word.partition("=")
        if not skip and name not in options:
            kept.append(word)
        skip = not skip and name in options and not equals and name != "--both-mallocs"
    return kept


# ---- what is printed and written


def about(arguments, engines) -> dict:
    """The report so far: how it is measured, and on what."""
    absent = {name: benchmark.lacking(name) for name in arguments.engines
              if name not in engines}
    return {"machine": machine.facts(), "load_at_start": machine.load_average(),
            "rounds": arguments.rounds, "block_seconds": arguments.seconds,
            "engines": engines, "absent": absent,
            "malloc": "tuned" if arguments.tuned_malloc else "system",
            "malloc_settings": {name: os.environ.get(name) for name in MALLOC},
            "malloc_keeps_freed_memory": machine.keeps_freed_memory(),
            "roof": machine.measure_roof()}


def say_head(report: dict, arguments, say) -> None:
    """How it is measured, and on what machine."""
    facts, roof = report["machine"], report["roof"]
    say(f"Images per CPU second of this process, one thread; {arguments.rounds} rounds of blocks "
        f"of {arguments.seconds:g} s that take turns.")
    versions = [f"{name} {facts[key] or 'not installed'}" for name, key in
                (("NumPy", "numpy"), ("PyTorch", "torch"), ("Numba", "numba"))]
    kernel = f", kernel {facts['blas_kernel']}" if facts["blas_kernel"] else ""
    say(f"{facts['cpu']}, {facts['cores']} cores; Python {facts['python']}")
    say(f"{', '.join(versions)}")
    say(f"BLAS {facts['blas']}{kernel}")
    say(f"sgemm of {roof['sgemm_size']}x{roof['sgemm_size']} matrices "
        f"{roof['sgemm_flops_per_second'] / 1e9:.0f} GFLOP/s; copying memory "
        f"{roof['copy_bytes_per_second'] / 1e9:.1f} GB/s read and written")
    thresholds = "trim and mmap thresholds at 1 GiB" if arguments.tuned_malloc else "as it is"
    kept = "are" if report["malloc_keeps_freed_memory"] else "are not"
    say(f"malloc: {thresholds}; 64 MiB that were freed {kept} used again without asking the system")
    for engine, reason in report["absent"].items():
        say(f"Not measured: {NAMES.get(engine, engine)} ({reason}).")


def say_group(net: str, mode: str, baseline: str, say) -> None:
    """The heading above the rows of one network and mode."""
    model = benchmark.build(net)
    layers = "-".join(short(layer) for layer in model.layers if short(layer))
    flops = benchmark.flops_an_image(model, mode)
    say(f"\n{net}, {mode}: {layers}; {flops / 1e6:.2f} MFLOP an image")
    say(f"{'':28}{'images per CPU second':>28}  {'/ ' + baseline:>15}{'of':>9}{'memory':>12}")
    say(f"batch  {'engine':21}{'median':>9}{'(least to most)':>20} {'median':>8}{'best':>7}"
        f"{'sgemm':>9}{'of a step':>12}")


def short(layer) -> str:
    """A layer in one word, as in conv8-relu-pool; "" for flatten."""
    kind = type(layer).__name__
    count = getattr(layer, "out_channels", getattr(layer, "out_features", ""))
    names = {"Conv2D": "conv", "MaxPool2D": "pool", "Dense": "dense", "ReLU": "relu"}
    return f"{names.get(kind, '')}{count}"


def line_of(row: Row, roof: float) -> str:
    """One row of the table, at most WIDTH columns."""
    facts = row.facts(roof)
    name = NAMES.get(row.engine, row.engine)
    if row.engine in LOOPS:
        name += f" ({row.images_a_step} image{'s' if row.images_a_step > 1 else ''})"
    between = f"({number(facts['low'])} to {number(facts['high'])})"
    memory = "-" if row.peak_bytes is None else f"{row.peak_bytes / 2**20:.1f} MiB"
    return (f"{row.batch:5}  {name:21}{number(row.median):>9}{between:>20} "
            f"{ratio_words(row.ratio_median):>8}{ratio_words(row.ratio_best):>7}"
            f"{100 * facts['share_of_roof']:>7.2g} %{memory:>12}")


def number(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def ratio_words(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio >= 0.095 else f"{ratio:.1g}"


def say_foot(report: dict, rows: list[Row], say) -> None:
    """What to know about the figures, and whether all engines computed the same."""
    say()
    say("median: of the blocks, or of each round's ratio; best: best block by best block; of "
        "sgemm: best")
    say("block's share of the FLOP/s above; memory: most that NumPy held at once in a step, "
        "without data")
    say("and weights (PyTorch's: not measured).")
    for engine, most in LOOPS.items():
        if engine in report["engines"]:
            say(f"{engine}: only at the smallest batch size, on at most {most} image"
                f"{'s' if most > 1 else ''} a step, {benchmark.LOOP_ROUNDS} blocks.")
    checked = [row for row in rows if row.deviation is not None]
    wrong = [row for row in checked if not row.deviation <= TOLERANCE]
    base = rows_baseline(report["engines"])
    report["wrong"] = [[row.net, row.mode, row.batch, row.engine] for row in wrong]
    for row in wrong:
        say(f"WRONG: {row.net}, {row.mode}, batch {row.batch}: {row.engine} and {base} compute "
            f"different things (relative difference {row.deviation:.1e}).")
    if checked and not wrong:
        most = max(row.deviation for row in checked)
        say(f"All engines compute the same: the first {benchmark.CHECKED_STEPS} training losses "
            "and the first logits differ")
        say(f"from {base}'s by {most:.0e} of their size at most.")
    say_load(report, rows, say)


def say_load(report: dict, rows: list[Row], say) -> None:
    """How busy the machine was, with a warning where that may show in the figures."""
    report["load_at_end"] = machine.load_average()
    report["share_of_a_core"] = share = benchmark.share_of_a_core(rows)
    start, end = report["load_at_start"], report["load_at_end"]
    if start is not None:
        say(f"Load average {start:.1f} at the start, {end:.1f} at the end.")
    say(f"This process got {100 * share:.0f} % of a core.")
    report["busy"] = share < IDLE_SHARE or (
        start is not None and start > BUSY_LOAD * (os.cpu_count() or 1))
    if report["busy"]:
        say("WARNING: other programs used this machine. They share its caches and its memory: "
            "trust the")
        say("ratios of this table (blocks take turns), not its rates.")


def write(report: dict, arguments, say) -> None:
    """--json and --plot."""
    if arguments.json == "-":
        print(json.dumps(report, allow_nan=False))
    elif arguments.json:
        text = json.dumps(report, indent=1, allow_nan=False) + "\n"
        Path(arguments.json).write_text(text, encoding="utf-8")
        say(f"wrote {arguments.json}")
    if arguments.plot:
        from course_lib import plots  # matplotlib is slow to import

        plots.show_speeds(panels(report["rows"])).save(arguments.plot)
        say(f"wrote {arguments.plot}")


def panels(rows: list[dict]) -> dict:
    """{panel: {engine: [(batch, median, least, most), ...]}} for the figure; no loops."""
    found: dict = {}
    for row in rows:
        if row["mode"] in MODES and row["engine"] not in LOOPS:
            malloc = ", malloc tuned" if row["malloc"] == "tuned" else ""
            panel = found.setdefault(f"{row['net']}, {row['mode']}{malloc}", {})
            points = panel.setdefault(NAMES.get(row["engine"], row["engine"]), [])
            points.append((row["batch"], row["median"], row["low"], row["high"]))
    return found


# ---- the command line


def parse(words: list[str]) -> argparse.Namespace:
    """The options, every default filled in."""
    parser = argparse.ArgumentParser(prog="course bench", allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description=__doc__)
    parser.add_argument("--nets", type=several(str, NETS), help="of A,B,C; default all")
    parser.add_argument("--batches", type=several(int), metavar="N,N", help="images a step; "
                        "default 8,32,64,128,256")
    parser.add_argument("--engines", type=several(str, benchmark.ENGINES), metavar="NAME,NAME",
                        default=benchmark.ENGINES, help="default all that can run here")
    parser.add_argument("--training", action="store_true", help="only training")
    parser.add_argument("--inference", action="store_true", help="only inference")
    parser.add_argument("--rounds", type=positive(int), metavar="N", help="default 6")
    parser.add_argument("--seconds", type=positive(float), metavar="S",
                        help="CPU seconds of a block; default 0.2")
    parser.add_argument("--short", action="store_true",
                        help="net A, batch 32, short blocks: half a minute")
    parser.add_argument("--json", metavar="FILE", type=some_name, help="write everything; - for "
                        "stdout, and the table then goes to stderr")
    parser.add_argument("--plot", metavar="FILE.png", type=png, help="draw rates by batch size")
    parser.add_argument("--tuned-malloc", action="store_true",
                        help="with glibc's trim and mmap thresholds raised (Linux)")
    parser.add_argument("--both-mallocs", action="store_true", help="as it is, then so")
    arguments = parser.parse_args(words)
    if (arguments.tuned_malloc or arguments.both_mallocs) and not sys.platform.startswith("linux"):
        parser.error("--tuned-malloc sets thresholds of glibc's malloc, which Linux has")
    if arguments.tuned_malloc and arguments.both_mallocs:
        parser.error("expected --tuned-malloc or --both-mallocs, got both")
    usual = {"nets": tuple(NETS), "batches": BATCHES, "rounds": 6, "seconds": 0.2}
    for name, value in (usual | (SHORT if arguments.short else {})).items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    chosen = [mode for mode in MODES if getattr(arguments, mode)]
    arguments.modes = chosen or list(MODES)
    if all(map(benchmark.lacking, arguments.engines)):
        reasons = {benchmark.lacking(name) for name in arguments.engines}
        parser.error(f"none of these engines can run here: {', '.join(sorted(reasons))}")
    return arguments


def several(kind, known=None):
    """Read "A,B" into a tuple of known values, or of numbers above 0; the order is kept."""
    def read(text: str) -> tuple:
        words = list(dict.fromkeys(word.strip() for word in text.split(",")))
        if known is not None:
            wrong = [word for word in words if word not in known]
            if wrong:
                raise argparse.ArgumentTypeError(
                    f"expected names of {', '.join(known)}, with commas between, got {wrong[0]!r}")
            return tuple(words)
        return tuple(map(positive(kind), words))

    return read


def positive(kind):
    """Read a finite number above 0."""
    def read(word: str):
        try:
            value = kind(word)
            if 0 < value < 1e9:
                return value
        except ValueError:
            pass
        what = "a whole number, 1 or more" if kind is int else "a number above 0"
        raise argparse.ArgumentTypeError(f"expected {what}, got {word!r}")

    return read


def png(word: str) -> str:
    if not word.lower().endswith(".png"):
        raise argparse.ArgumentTypeError(f"expected a path that ends in .png, got {word!r}")
    return word
