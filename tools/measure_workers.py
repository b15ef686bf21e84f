"""How many times as fast several processes train as one, by the clock on the wall.

    OPENBLAS_NUM_THREADS=1 python3 tools/measure_workers.py [--count 2] [--batch 128 256]

Network A (conv8, pool, conv16, pool, dense10) on MNIST; a step draws its batch from the data set,
and moves the weights by plain SGD. Blocks of three kinds take turns: one process; the workers; and
as many programs that train apart, each a network of its own: more than these together no workers
can do here. Needs as many idle cores as processes: where the printed share of a core that one
process got is below 0.95 or so, only the best blocks mean something. Ends with 1 where the workers'
best block is less than 1.6 times that of one. COURSE_FUSED=0 measures without Numba.
"""

import argparse
import multiprocessing
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from course_lib import config, data, fast, losses, optim, workers  # noqa: E402
from course_lib.benchmark import NETS  # noqa: E402

FLOOR = 1.6


def new_model():
    return config.build(config.parse(NETS["A"], "A"), np.random.default_rng(0))


def step_of(model, compute, batch: int):
    """A function that trains on one more batch, the examples drawn at random."""
    digits, rng = data.load_mnist(), np.random.default_rng(0)
    optimizer = optim.SGD(model.parameters(), lr=0.01)

    def step():
        chosen = rng.integers(0, len(digits.train_images), batch)
        optimizer.zero_grad()
        compute(digits.train_images[chosen], digits.train_labels[chosen])
        optimizer.step()

    return step


def block(step, batch: int, seconds: float) -> tuple[float, float]:
    """(images a second of whole steps that take about so long, cores that this process had)."""
    step()  # back into the caches
    cpu, started, steps = time.process_time(), time.perf_counter(), 0
    while (passed := time.perf_counter() - started) < seconds:
        step()
        steps += 1
    return steps * batch / passed, (time.process_time() - cpu) / passed


def start_apart(step, batch: int):
    """Another process that runs a block whenever it is sent so many seconds; its pipe."""
    pipe, end = multiprocessing.Pipe()

    def serve():
        while True:
            end.send(block(step, batch, end.recv()))

    multiprocessing.get_context("fork").Process(target=serve, daemon=True).start()
    return pipe


def measure(batch: int, count: int, rounds: int, seconds: float) -> float:
    """Print one line; return the ratio of the best blocks of the workers and of one process."""
    model, shared, loss = new_model(), new_model(), losses.softmax_cross_entropy
    alone = step_of(model, fast.Trainer(model, loss), batch)
    alone()
    others = [start_apart(alone, batch) for _ in range(count - 1)]

    def apart() -> float:
        for pipe in others:
            pipe.send(seconds)
        return sum(rate for rate, _ in [block(alone, batch, seconds),
                                        *(pipe.recv() for pipe in others)])

    rows = []
    with workers.Pool(shared, loss, count) as compute:
        together = step_of(shared, compute, batch)
        for _ in range(rounds + 1):
            rate, share = block(alone, batch, seconds)
            rows.append((rate, block(together, batch, seconds)[0], apart(), share))
    columns = one, many, separate, shares = list(zip(*rows[1:]))  # the first round warms up
    cells = [f"{max(rates):7,.0f} {statistics.median(rates):7,.0f}" for rates in columns[:3]]
    ratios = [f"{max(rates) / max(one):5.2f} "
              f"{statistics.median(b / a for a, b in zip(one, rates)):6.2f}"
              for rates in (many, separate)]
    print(f"{batch:5}  {'  '.join(cells + ratios)}  {statistics.median(shares):5.2f}", flush=True)
    return max(many) / max(one)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2, help="processes")
    parser.add_argument("--batch", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=0.2, help="of a block")
    words = parser.parse_args(argv)
    print(f"images a second by the clock; {words.count} processes, {os.cpu_count()} cores, load "
          f"{os.getloadavg()[0]:.1f}; {'with' if fast.with_numba() else 'without'} Numba; "
          f"OPENBLAS_NUM_THREADS={os.environ.get('OPENBLAS_NUM_THREADS', 'not set')}\n"
          "       one process      workers          apart            workers/one   apart/one     "
          "core\n"
          "batch     best  median     best  median     best  median   best median   best median  "
          "share")
    ratios = [measure(batch, words.count, words.rounds, words.seconds) for batch in words.batch]
    return 0 if min(ratios) >= FLOOR else 1


if __name__ == "__main__":
    raise SystemExit(main())
