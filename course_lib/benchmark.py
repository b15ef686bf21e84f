"""Speed: images per CPU second of every engine, beside PyTorch where that is installed.

Everything that is compared runs in this one process, in blocks that take turns; the command
`bench` prints it. Imports whatever trains a network; PyTorch only inside functions.
"""

from __future__ import annotations

import importlib.util
import itertools
import math
import os
import statistics
import time
import tracemalloc
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Iterator, NamedTuple, Sequence

import numpy as np

from course_lib import config, data, fast, losses, optim
from course_lib.layers import Conv2D, Dense, Flatten, MaxPool2D, ReLU
from course_lib.machine import Cost, clocks, shortest_block, since, version_of
from course_lib.train import fit, make_compute, make_predict

NETS = {  # A is S4's, B the usual example of the frameworks, C is S1's with ten classes
    "A": """6
Input shape=1x28x28
Conv2D filters=8 kernel=3x3 padding=1 activation=relu
MaxPool2D pool=2x2
Conv2D filters=16 kernel=3x3 padding=1 activation=relu
MaxPool2D pool=2x2
Dense units=10 activation=softmax
""",
    "B": """6
Input shape=1x28x28
Conv2D filters=32 kernel=3x3 activation=relu
Conv2D filters=64 kernel=3x3 activation=relu
MaxPool2D pool=2x2
Dense units=128 activation=relu
Dense units=10 activation=softmax
""",
    "C": """5
Input shape=1x28x28
Conv2D filters=16 kernel=3x3 padding=1 activation=relu
MaxPool2D pool=2x2
Dense units=128 activation=relu
Dense units=10 activation=softmax
""",
}
LOOPS = {"formula": 1, "windows": 8}  # slow: at most so many images a step
LOOP_ROUNDS = 3  # and no more blocks than these, each at least a step long
TORCH = ("torch", "channels_last")
LAYOUT = ("fast", "fused")  # the fast layout, without and with Numba
ENGINES = ("formula", "windows", "vectorised", *LAYOUT, *TORCH)
MODES = ("training", "inference")
LR = 0.01  # of the plain SGD in every step
CHECKED_STEPS, TOLERANCE = 3, 1e-4  # training losses that must agree, and how well
RANDOM_IMAGES = 60_000  # where MNIST is not here: as many as it has


class Examples(NamedTuple):
    """images (N, 1, 28, 28) float32, labels (N,) int64, and where they come from."""

    images: np.ndarray
    labels: np.ndarray
    name: str


class Block(NamedTuple):
    """Steps that ran one after the other, and what they cost."""

    images: int
    steps: int
    cost: Cost


@dataclass
class Row:
    """One line of the table: images per CPU second in every block, and what belongs to it.

    flops: multiplications and additions of convolutions and dense layers for one image;
    deviation: the largest relative difference from the baseline's first training losses, or
    logits; peak_bytes: allocated at once during a step, beyond data and parameters (None: not
    measured); ratios: how many times as fast as the baseline, round by round.
    """

    net: str
    mode: str
    batch: int
    engine: str
    images_a_step: int
    flops: int
    blocks: list[Block]
    deviation: float | None = None
    peak_bytes: int | None = None
    baseline: str = ""
    ratios: tuple[float, ...] = ()
    ratio_best: float | None = None

    @property
    def rates(self) -> list[float]:
        return [block.images / block.cost.cpu for block in self.blocks]

    @property
    def median(self) -> float:
        return statistics.median(self.rates)

    @property
    def ratio_median(self) -> float:
        return statistics.median(self.ratios)

    def compare(self, baseline: "Row") -> None:
        """Note how many times as fast this row is: round by round, and best block by best block."""
        self.baseline = baseline.engine
        self.ratios = tuple(own / its for own, its in zip(self.rates, baseline.rates))
        self.ratio_best = max(self.rates) / max(baseline.rates)

    def facts(self, roof: float) -> dict:
        """Everything about the row in plain numbers; roof: the machine's FLOP/s."""
        told = {name: value for name, value in vars(self).items() if name != "blocks"}
        if self.deviation is not None and not math.isfinite(self.deviation):
            told["deviation"] = None  # JSON knows no NaN
        pages, steps = (sum(column) for column in zip(*((block.cost.pages, block.steps)
                                                        for block in self.blocks)))
        return told | {
            "rates": self.rates, "median": self.median, "low": min(self.rates),
            "high": max(self.rates), "ratio_median": self.ratio_median,
            "pages_a_step": pages / steps, "share_of_roof": max(self.rates) * self.flops / roof,
        }


# ---- who runs


class Runner:
    """One network under one engine; train(chosen) is one step of SGD on those images."""

    def __init__(self, net: str, engine: str, examples: Examples, batch: int):
        self.engine, self.examples = engine, examples
        self.images_a_step = min(batch, LOOPS.get(engine, batch))
        self.first: list[float] = []
        self.shuffled, self.in_order = (batches(len(examples.images), self.images_a_step, shuffle)
                                        for shuffle in (True, False))
        self.start(build(net))

    def start(self, model) -> None:
        """Take over the network with its first weights, which are the same for every engine."""
        self.model, self.optimizer = model, optim.SGD(model.parameters(), lr=LR)
        if self.engine in LAYOUT:
            chosen = {"fused": self.engine == "fused"}
            self.compute = fast.Trainer(model, losses.softmax_cross_entropy, **chosen)
            self.logits = fast.Predictor(model, **chosen)
        else:
            model.use_engine(self.engine)
            self.compute = make_compute(model, losses.softmax_cross_entropy, self.engine)
            self.logits = make_predict(model, self.engine)

    def train(self, chosen: np.ndarray) -> float:
        """Gather the batch, forward, loss, backward, SGD; returns the loss."""
        x, y = self.examples.images[chosen], self.examples.labels[chosen]
        self.optimizer.zero_grad()
        value, _ = self.compute(x, y)
        self.optimizer.step()
        return float(value)

    def predict(self, chosen: slice) -> np.ndarray:
        """Logits of images that lie one after the other."""
        return self.logits(self.examples.images[chosen], self.images_a_step)

    def step(self, mode: str) -> None:
        """One step of training, whose first losses are kept, or one batch of inference."""
        if mode == "inference":
            self.predict(next(self.in_order))
            return
        value = self.train(next(self.shuffled))
        if len(self.first) < CHECKED_STEPS:
            self.first.append(value)


class TorchRunner(Runner):
    """The same network in PyTorch, eager, one thread."""

    def start(self, model):
        import torch

        torch.set_num_threads(1)
        self.torch, self.model = torch, in_torch(model)
        last = self.engine == "channels_last"
        self.form = torch.channels_last if last else torch.contiguous_format
        self.model.to(memory_format=self.form)
        self.images = torch.from_numpy(self.examples.images)  # the same memory
        self.labels = torch.from_numpy(self.examples.labels)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=LR)

    def train(self, chosen):
        index = self.torch.from_numpy(chosen)
        x, y = self.images.index_select(0, index), self.labels[index]  # [index] copies slower
        x = x.to(memory_format=self.form)
        self.optimizer.zero_grad()
        loss = self.torch.nn.functional.cross_entropy(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    def predict(self, chosen):
        with self.torch.inference_mode():
            return self.model(self.images[chosen].to(memory_format=self.form)).numpy()


def in_torch(model):
    """A copy of a network of convolutions, max pools, ReLU and dense layers in PyTorch."""
    import torch
    from torch import nn

    def convert(layer):
        match layer:
            case Conv2D():
                (top, _), (left, _) = layer.padding  # in A, B and C the same on every side
                made = nn.Conv2d(layer.in_channels, layer.out_channels, layer.kernel_size,
                                 layer.stride, (top, left))
                weight = layer.weight.data
            case Dense():
                made = nn.Linear(layer.in_features, layer.out_features)
                weight = layer.weight.data.T
            case MaxPool2D():
                return nn.MaxPool2d(layer.kernel_size, layer.stride)
            case ReLU():
                return nn.ReLU()
            case Flatten():
                return nn.Flatten()
            case _:
                raise ValueError(f"in_torch: expected layers of the networks A, B and C, "
                                 f"got {layer!r}.")
        with torch.no_grad():
            made.weight.copy_(torch.tensor(weight))
            made.bias.copy_(torch.tensor(layer.bias.data))
        return made

    return nn.Sequential(*map(convert, model.layers))


def build(net: str):
    """The network A, B or C with the weights that every engine starts from."""
    return config.build(NETS[net], np.random.default_rng(0))


def make_runner(net: str, engine: str, examples: Examples, batch: int) -> Runner:
    """The runner of one engine."""
    return (TorchRunner if engine in TORCH else Runner)(net, engine, examples, batch)


def lacking(engine: str) -> str:
    """Why an engine cannot run here, "" if it can."""
    if engine in TORCH:
        return "" if importlib.util.find_spec("torch") else "PyTorch is not installed"
    if engine == "fused" and not fast.with_numba():
        return "no Numba" if version_of("numba") is None else "COURSE_FUSED=0 forbids it"
    return ""


def load_examples() -> Examples:
    """MNIST where it is, else random images: the speed is the same."""
    place, source = data.mnist_folder()
    try:
        digits = data.load_mnist()
        return Examples(digits.train_images, digits.train_labels, "MNIST")
    except data.DataError:
        if source == "COURSE_DATA":
            raise
    rng = np.random.default_rng(0)
    images = rng.random((RANDOM_IMAGES, 1, 28, 28), np.float32)
    return Examples(images, rng.integers(0, 10, RANDOM_IMAGES), "random images")


def batches(count: int, size: int, shuffle: bool) -> Iterator:
    """Batches of `size` of `count` images, epoch after epoch, the same in every call.

    Shuffled: arrays of places, to gather; else slices one after the other.
    """
    if size > count:
        raise ValueError(f"bench: expected batches of at most {count:,} images, all there are, "
                         f"got {size:,}.")
    rng = np.random.default_rng(1)
    while True:
        order = rng.permutation(count) if shuffle else None
        for start in range(0, count - size + 1, size):
            chosen = slice(start, start + size)
            yield order[chosen] if shuffle else chosen


# ---- measuring


def measure(net: str, mode: str, batch: int, engines: Sequence[str], examples: Examples,
            rounds: int = 6, seconds: float = 0.2, memory: bool = True) -> list[Row]:
    """Rows of one network, mode and batch size: every engine, in blocks that take turns.

    A block lasts at least `seconds` CPU seconds and one step. The baseline is PyTorch where it is
    among the engines, else "vectorised", else the first. Loops see few images (LOOPS).
    """
    runners = [make_runner(net, engine, examples, batch) for engine in engines]
    for runner in runners:
        if runner.engine not in LOOPS:  # loops have nothing to warm up, and no time for it
            for _ in range(CHECKED_STEPS):
                runner.step(mode)
    seconds = max(seconds, shortest_block())
    blocks = {engine: [] for engine in engines}
    for k in range(rounds):
        for runner in [*runners[k % len(runners):], *runners[:k % len(runners)]]:
            if runner.engine not in LOOPS or k < LOOP_ROUNDS:
                blocks[runner.engine].append(block(runner, mode, seconds))
    flops, base = flops_an_image(build(net), mode), baseline_of(engines)
    rows = [Row(net, mode, batch, runner.engine, runner.images_a_step, flops,
                blocks[runner.engine], deviation(runner, net, mode, base),
                peak_bytes(runner, mode) if memory else None) for runner in runners]
    for row in rows:
        row.compare(rows[list(engines).index(base)])
    return rows


def share_of_a_core(rows: Sequence[Row]) -> float:
    """CPU seconds by elapsed seconds of all blocks: below 1 where others took the core."""
    blocks = [block for row in rows for block in row.blocks]
    return (sum(block.cost.cpu for block in blocks)
            / sum(block.cost.elapsed for block in blocks))


def baseline_of(engines: Sequence[str]) -> str:
    """The engine that the others are compared with."""
    return next((name for name in ("torch", "vectorised") if name in engines), engines[0])


def block(runner: Runner, mode: str, seconds: float) -> Block:
    """Steps until `seconds` CPU seconds are over; one at least."""
    steps, start = 0, clocks()
    while time.process_time() - start.cpu < seconds or not steps:
        runner.step(mode)
        steps += 1
    return Block(steps * runner.images_a_step, steps, since(start))


def deviation(runner: Runner, net: str, mode: str, base: str) -> float:
    """The largest difference from the baseline's first numbers, relative to the largest of them.

    Both see the same first images with the same first weights.
    """
    if runner.engine == base:
        return 0.0
    other = make_runner(net, base, runner.examples, runner.images_a_step)
    own, its = first_numbers(runner, mode), first_numbers(other, mode)
    return float(np.abs(own - its).max() / np.abs(its).max())


def first_numbers(runner: Runner, mode: str) -> np.ndarray:
    """The losses of the first CHECKED_STEPS steps of training, or the first batch's logits."""
    if mode == "inference":
        return runner.predict(slice(0, runner.images_a_step))
    while len(runner.first) < CHECKED_STEPS:
        runner.step(mode)
    return np.array(runner.first)


def peak_bytes(runner: Runner, mode: str) -> int | None:
    """Bytes that one more step has allocated at once; None for loops (lists) and PyTorch.

    NumPy reports its arrays to tracemalloc, PyTorch does not.
    """
    if runner.engine in (*LOOPS, *TORCH):
        return None
    tracemalloc.start()
    try:
        runner.step(mode)
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        runner.step(mode)
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def flops_an_image(model, mode: str) -> int:
    """Multiplications and additions of convolutions and dense layers for one image.

    Backward computes dx and dweight, each as many as forward; the first layer's dx is not needed.
    """
    shapes = model.shapes((1, 28, 28))
    each = [layer.flops(shape) for layer, shape in zip(model.layers, shapes) if layer.parameters()]
    return sum(each) if mode == "inference" else 3 * sum(each) - each[0]


def measure_fit(net: str, batch: int, engine: str, examples: Examples,
                rounds: int = 6, seconds: float = 0.2) -> Row:
    """The whole `fit` (one epoch over some images) against the bare loop of the same steps."""
    runner = make_runner(net, engine, examples, batch)
    runner.step("training")
    images, _, cost = block(runner, "training", max(seconds, shortest_block()))
    steps = max(1, min(round(images / cost.cpu * seconds), len(examples.images)) // batch)
    some = Examples(*(part[: steps * batch] for part in examples[:2]), examples.name)
    runner.examples = some

    def whole(seed):
        fit(runner.model, some.images, some.labels, batch_size=batch, optimizer=runner.optimizer,
            engine="fast" if engine in LAYOUT else engine, seed=seed, progress=False)

    def bare(seed):
        for chosen in itertools.islice(batches(steps * batch, batch, True), steps):
            runner.train(chosen)

    blocks = {whole: [], bare: []}
    with numba_allowed(engine != "fast"):
        for k in range(rounds):
            for action in (whole, bare) if k % 2 else (bare, whole):
                start = clocks()
                action(k)
                blocks[action].append(Block(steps * batch, steps, since(start)))
    flops = flops_an_image(runner.model, "training")
    row, base = (Row(net, "fit", batch, name, batch, flops, blocks[action])
                 for name, action in ((engine, whole), ("bare loop", bare)))
    row.compare(base)
    return row


@contextmanager
def numba_allowed(yes: bool):
    """Let `fit` fuse or not: it decides by COURSE_FUSED."""
    before = os.environ.get("COURSE_FUSED")
    os.environ["COURSE_FUSED"] = "1" if yes else "0"
    try:
        yield
    finally:
        del os.environ["COURSE_FUSED"]
        os.environ.update({} if before is None else {"COURSE_FUSED": before})


class Rung(NamedTuple):
    """One step up the ladder of speed: training, images per CPU second, best block."""

    engine: str
    images_per_second: float


def ladder(examples: Examples, net: str = "A", batch: int = 32, rounds: int = 3,
           seconds: float = 0.1, engines: Sequence[str] | None = None) -> list[Rung]:
    """Every engine that can run here, from the printed sum to PyTorch: a row each, as it stands.

    Loops are timed on few images (LOOPS). Takes about ten seconds for net A.
    """
    engines = [engine for engine in engines or ENGINES if not lacking(engine)]
    rows = measure(net, "training", batch, engines, examples, rounds, seconds, memory=False)
    return [Rung(row.engine, max(row.rates)) for row in rows]
