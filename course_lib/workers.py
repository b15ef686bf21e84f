"""Several processes for one step: each computes the gradient of its part of the batch.

Linux only, and only where somebody asks for it. Imports fast, and what a network is made of.

    batch        images of part 0 | part 1 | ...   cut between the groups of batch norm
    processes    this one           forked ones    each a fast.Trainer, all on the same weights
    gradient     grad of part 0   + part 1 + ...   added in this order, whoever is ready first
"""

from __future__ import annotations

import copy
import gc
import math
import mmap
import multiprocessing
import pickle
import signal
import sys
import traceback
import warnings
from functools import partial

import numpy as np

from course_lib import fast
from course_lib.layers import BatchNorm2D, Dropout
from course_lib.shapes import as_integer

LINE = 64  # bytes of a cache line: no two arrays share one
PATIENCE = 2  # seconds to learn how a worker ended


class Pool:
    """compute(images, labels) -> (loss, logits), as fast.Trainer, in `count` processes.

        with Pool(model, loss, count=2) as compute:
            value, logits = compute(images, labels)

    The same numbers as one process, to rounding, dropout masks and running statistics included;
    the same count gives the same bits. This process is one of them, the others are forked at the
    first call, with the layers' settings of that moment. Until the block ends, the parameters'
    data are arrays in shared memory. Choose OPENBLAS_NUM_THREADS=1: one thread a process.
    fused: as in fast.Trainer.

    Raises ValueError where the batch cannot be cut: not on Linux; a loss that takes no
    `examples`; batch norm without group_size; a layer that the fast layout does not know.
    Raises ChildProcessError where a worker is lost: gradient, running statistics and the
    generators of dropout are then as they were before the call.
    """

    def __init__(self, model, loss, count: int = 2, fused: bool | None = None):
        self.model, self.loss, self.fused = model, loss, fused
        self.count = as_integer(count, "count", "workers.Pool")
        self.alone = fast.Trainer(model, loss, fused)
        self.numba = self.alone.numba
        if self.count > 1:
            check_can_cut(self.alone, loss)
        self.group = math.lcm(*(layer.group_size or 1 for layer in norms_of(model).values()))
        self.others, self.share, self.shapes = [], None, {}
        self.parameters, self.data, self.grads, self.batch = [], [], [], ()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *error) -> None:
        self.close()

    def __call__(self, images, labels):
        images, labels = np.asarray(images), np.asarray(labels)
        shapes = self.shapes_of(images, labels)
        if shapes is None:
            return self.alone(images, labels)
        rngs = rngs_of(self.model)
        draws = {place: math.prod(shapes[place]) for place in rngs}
        try:
            if not self.ready_for(images, labels):
                self.close()
                self.start(images, labels)
            parts = self.exchange(images, labels, rngs, draws)
        except BaseException:  # a lost worker, or Ctrl-C while others compute
            self.close()
            raise
        failed = [part for part in parts if isinstance(part, Exception)]
        if failed:
            self.alone(images, labels)  # fails too, and says it as without workers
            raise failed[0]
        self.add_up(parts)
        for place, rng in rngs.items():
            skip(rng, len(images) * draws[place])
        values, logits, _ = zip(*parts)
        return sum(values), np.concatenate(logits)

    def shapes_of(self, images, labels):
        """An example's shape before each layer; None: no batch to cut, as far as one can see.

        What is wrong with it, one process says best.
        """
        if (self.count == 1 or images.shape[:1] != labels.shape[:1] or not images.size
                or images.dtype.hasobject or labels.dtype.hasobject):
            return None
        example = images.shape[1:]
        if example not in self.shapes:
            try:
                self.shapes[example] = self.model.shapes(example)
            except ValueError:
                self.shapes[example] = None
        return self.shapes[example]

    def exchange(self, images, labels, rngs: dict, draws: dict) -> list:
        """Give every process its part, compute the first one here; (loss, logits, statistics)."""
        cuts = cut(len(images), self.count, self.group)
        busy = list(zip(self.others, cuts[1:]))
        for other, part in busy:
            for shared, array in zip(self.batch, (images, labels)):
                shared[part] = array[part]
            other.send((part, len(images), rngs, draws))
        first, rngs = cuts[0], copy.deepcopy(rngs)  # they move on where the whole step is done
        mine = attempt(self.share, images[first], labels[first], first, len(images), rngs, draws)
        return [mine, *(other.receive() for other, _ in busy)]

    def add_up(self, parts: list) -> None:
        """The parts' gradients into `grad`, their statistics into the running ones."""
        for parameter, *grads in zip(self.parameters, *self.grads[: len(parts)]):
            for grad in grads:
                parameter.grad += grad
        for place, layer in norms_of(self.model).items():
            groups = [statistics[place] for _, _, statistics in parts]
            layer.move_running(*(np.concatenate(column) for column in zip(*groups)))

    # ---- the processes

    def ready_for(self, images, labels) -> bool:
        """Do the workers run, with these parameters, and is there room for this batch?"""
        return (bool(self.others)
                and all(own.data is shared for own, shared in zip(self.parameters, self.data))
                and all(len(array) <= len(shared) and array.shape[1:] == shared.shape[1:]
                        and array.dtype == shared.dtype
                        for array, shared in zip((images, labels), self.batch)))

    def start(self, images, labels) -> None:
        """Put parameters, gradients and batch into shared memory, and fork."""
        self.parameters = parameters_of(self.model)
        self.data = shared_like(own.data for own in self.parameters)
        self.grads = [shared_like(self.data) for _ in range(self.count)]
        self.batch = shared_like((images, labels))
        for own, shared in zip(self.parameters, self.data):
            shared[...] = own.data
            own.data = shared
        self.share = Share(self.model, self.loss, self.data, self.fused)
        busy = len(cut(len(images), self.count, self.group))  # a process more would have no part
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:  # in a child Ctrl-C stays blocked: the parent gets it, and ends the child
            for place in range(1, busy):
                self.others.append(Worker(place, self))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self.share.add_to(self.grads[0])

    def close(self) -> None:
        """Make the parameters ordinary arrays again and end the workers."""
        for own, shared in zip(self.parameters, self.data):
            if own.data is shared:
                own.data = shared.copy()
        self.parameters, self.data, self.grads, self.batch = [], [], [], ()
        others, self.others = self.others, []
        for other in others:
            other.end()


class Worker:
    """A forked process, seen from the parent: a task goes in, a part comes out."""

    def __init__(self, place: int, pool: Pool):
        self.place, self.count = place, pool.count
        self.pipe, end = multiprocessing.Pipe()
        siblings = [*(other.pipe for other in pool.others), self.pipe]
        context = multiprocessing.get_context("fork")
        self.process = context.Process(target=serve, args=(pool, place, end, siblings), daemon=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads: it starts none
            self.process.start()
        end.close()

    def send(self, task) -> None:
        try:
            self.pipe.send(task)
        except OSError:
            raise self.lost() from None

    def receive(self):
        """Its part, or the exception that it met; ChildProcessError where it is gone."""
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            raise self.lost() from None

    def lost(self) -> ChildProcessError:
        self.process.join(PATIENCE)
        code = self.process.exitcode
        how = "closed its pipe" if code is None else f"ended with exit status {code}"
        if code is not None and code < 0:
            how = f"was ended by {signal.Signals(-code).name}"
        hint = " Was there too little memory?" if code == -signal.SIGKILL else ""
        return ChildProcessError(
            f"workers.Pool: worker {self.place} of {self.count - 1} {how} during a step; the "
            f"network is as it was after the step before.{hint} Go on from a checkpoint, or with "
            "fewer workers.")

    def end(self) -> None:
        """At once: it has nothing of its own that could be lost."""
        self.pipe.close()
        self.process.kill()
        self.process.join()


def serve(pool: Pool, place: int, pipe, siblings) -> None:
    """What a worker does: tasks in, parts out, until the parent closes the pipe or dies."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    gc.freeze()  # the parent's files and sockets are not ours to close
    for other in siblings:  # or the pipe of a dead parent would not end
        other.close()
    share, (images, labels) = pool.share, pool.batch
    share.add_to(pool.grads[place])
    try:
        while True:
            part, *rest = pipe.recv()
            pipe.send(attempt(share, images[part], labels[part], part, *rest))
    except (EOFError, OSError):
        return


def attempt(share: "Share", *task):
    """The share's part, or the exception instead, as one that travels through a pipe."""
    try:
        return share(*task)
    except Exception as error:  # noqa: BLE001  (whatever a loss raises)
        error.add_note(f"In a process of workers.Pool:\n{traceback.format_exc()}")
        try:
            return pickle.loads(pickle.dumps(error))
        except Exception:  # noqa: BLE001
            return RuntimeError(f"{type(error).__name__}: {error}")


class Share:
    """What one process computes: a copy of the network, on the parameters that all share."""

    def __init__(self, model, loss, data: list, fused: bool | None):
        self.model, self.loss, self.examples, self.statistics = copy.deepcopy(model), loss, 0, {}
        self.parameters = parameters_of(self.model)
        for own, array in zip(self.parameters, data):
            own.data = array
        for place, layer in norms_of(self.model).items():
            layer.move_running = partial(self.note_statistics, place)
        self.compute = fast.Trainer(self.model, self.loss_of_part, fused)

    def add_to(self, grads: list) -> None:
        """From now on the gradient goes there."""
        for own, grad in zip(self.parameters, grads):
            own.grad = grad

    def __call__(self, images, labels, part: slice, examples: int, rngs: dict, draws: dict):
        """(its summand of the loss, logits, statistics of its groups); its gradient into grads."""
        self.examples = examples
        for own in self.parameters:
            own.grad.fill(0)
        for place, rng in rngs.items():
            skip(rng, part.start * draws[place])
            self.model.layers[place].rng = rng
        value, logits = self.compute(images, labels)
        return value, logits, self.statistics

    def loss_of_part(self, logits, labels, examples: int | None = None):
        """The loss divided by the examples of the whole batch, so that parts add up."""
        return self.loss(logits, labels, examples=self.examples)

    def note_statistics(self, place: int, *groups) -> None:
        self.statistics[place] = groups


def check_can_cut(trainer: fast.Trainer, loss) -> None:
    """Refuse what needs the whole batch at once, or another system."""
    who, way_out = "workers.Pool", "or use one process."
    if sys.platform != "linux":
        raise ValueError(f"{who}: expected Linux, where a forked process shares memory, got "
                         f"{sys.platform}: use one process.")
    if not trainer.adds_up:
        name = getattr(loss, "__name__", repr(loss))
        raise ValueError(f"{who}: expected a loss whose parts add up, with an argument examples "
                         f"(the count to divide by), got {name}: see losses.hinge, {way_out}")
    for layer in (stage.layer for stage in trainer.stages if stage.whole_batch):
        if isinstance(layer, BatchNorm2D):
            raise ValueError(f"{who}: {layer!r} takes its statistics over the whole batch: give it "
                             f"group_size=32, {way_out}")
        raise ValueError(f"{who}: the fast layout does not know {layer!r}, which could need the "
                         f"whole batch: leave it out, {way_out}")


def cut(N: int, count: int, group: int) -> list[slice]:
    """range(N) in at most `count` consecutive parts, about equal, each of whole groups.

    >>> cut(100, 2, 1), cut(100, 2, 32)
    ([slice(0, 50, None), slice(50, 100, None)], [slice(0, 64, None), slice(64, 100, None)])
    """
    groups = -(-N // group)
    edges = [min(N, groups * k // count * group) for k in range(count + 1)]
    return [slice(start, stop) for start, stop in zip(edges, edges[1:]) if start < stop]


def skip(rng: np.random.Generator, count: int) -> None:
    """Leave out so many draws of rng.random()."""
    bits = rng.bit_generator
    if not isinstance(bits, (np.random.PCG64, np.random.PCG64DXSM)):
        rng.random(count)
        return
    half = {name: bits.state[name] for name in ("has_uint32", "uinteger")}
    bits.advance(count)  # forgets that half, which random() does not touch
    bits.state = bits.state | half


def shared_like(arrays) -> list[np.ndarray]:
    """Zeros of these shapes and types, in memory that forked processes share."""
    arrays = list(arrays)
    sizes = [-(-array.nbytes // LINE) * LINE for array in arrays]
    memory = mmap.mmap(-1, max(1, sum(sizes)))
    return [np.ndarray(array.shape, array.dtype, memory, sum(sizes[:k]))
            for k, array in enumerate(arrays)]


def parameters_of(model) -> list:
    """Every parameter once, also where two layers share it."""
    return list(dict.fromkeys(model.parameters().values()))


def norms_of(model) -> dict[int, BatchNorm2D]:
    return {place: layer for place, layer in enumerate(model.layers)
            if isinstance(layer, BatchNorm2D)}


def rngs_of(model) -> dict[int, np.random.Generator]:
    """The generators of dropout; each must have its own, or its draws depend on the others'."""
    rngs = {place: layer.rng for place, layer in enumerate(model.layers)
            if isinstance(layer, Dropout)}
    if len({id(rng.bit_generator) for rng in rngs.values()}) < len(rngs):
        raise ValueError("workers.Pool: expected a generator of its own in every Dropout, got one "
                         "in two places: set layer.rng = np.random.default_rng(k).")
    return rngs
