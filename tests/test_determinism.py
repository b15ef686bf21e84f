"""The same seed, two processes, one BLAS thread: the same bytes of weights and history."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def train(seed, engine):
    """Train a network with everything random in it; return hashes and the history."""
    from course_lib.data import make_lines
    from course_lib.layers import (
        BatchNorm2D, Conv2D, Dense, Dropout, Flatten, MaxPool2D, ReLU, Softmax,
    )
    from course_lib.model import Sequential
    from course_lib.train import fit

    images, labels = make_lines(np.random.default_rng(0), count=60)
    rng = np.random.default_rng(seed)
    model = Sequential([
        Conv2D(1, 3, 3, padding="same", rng=rng), BatchNorm2D(3), ReLU(), MaxPool2D(2),
        Dropout(0.2), Flatten(), Dense(48, 10, rng=rng), ReLU(), Dropout(0.5),
        Dense(10, 2, rng=rng), Softmax(),
    ])
    history = fit(model, images, labels, epochs=2, batch_size=16, optimizer="adam",
                  schedule="one_cycle", lr=0.01, validation=0.25, augment=1, seed=seed,
                  engine=engine, progress=False)
    told = history.to_dict()
    assert told.pop("seconds") and {array.dtype for array in model.state().values()} == {
        np.dtype(np.float32)}
    return {
        "weights": {name: hashlib.sha256(array.tobytes()).hexdigest()
                    for name, array in model.state().items()},
        "history": told,
        "probabilities": hashlib.sha256(model.predict_proba(images).tobytes()).hexdigest(),
    }


def in_a_process(seed, engine, hash_seed):
    """Run `train` in a fresh interpreter with one thread."""
    here = Path(__file__).parent
    environment = os.environ | {name: "1" for name in THREADS} | {"PYTHONHASHSEED": hash_seed}
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(here), *(path for path in sys.path if path)])
    program = (f"import json, test_determinism as t; "
               f"print(json.dumps(t.train({seed}, {engine!r})))")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          env=environment, cwd=here.parent, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("engine", ["vectorised", "windows"])
def test_two_processes_give_the_same_bytes(engine):
    first, second = (in_a_process(3, engine, hash_seed) for hash_seed in ("1", "2"))
    assert first == second
    assert len(first["history"]["step_loss"]) == 6 and len(first["weights"]) == 10


def test_another_seed_gives_other_bytes():
    one, two = train(3, "vectorised"), train(4, "vectorised")
    assert one["weights"].keys() == two["weights"].keys()
    assert one["weights"]["0.weight"] != two["weights"]["0.weight"]
    assert one["history"] != two["history"]


def test_an_earlier_run_leaves_nothing_behind():
    """Nothing global: neither NumPy's own generator nor a run before changes a run."""
    alone = train(5, "vectorised")
    np.random.seed(0)
    np.random.random(7)
    train(6, "vectorised")
    assert train(5, "vectorised") == alone
