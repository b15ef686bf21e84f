"""How good is a recipe, and what does it cost? Accuracy and CPU seconds of recipes/*.txt on MNIST.

    python3 tools/judge_recipes.py --validation recipes/best.txt    # to choose one
    python3 tools/judge_recipes.py --seeds 0 1 2                    # to judge all, when chosen

--validation trains on 50,000 of the training images and judges on the other 10,000: a recipe is
chosen by that alone. Without it all 60,000 are learned from, and the 10,000 test images are read
once, after the last epoch. A seed draws the first weights, the shuffles and the shifts.
"""

import argparse
import os
import sys
import time
from pathlib import Path

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before NumPy is imported

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from course_lib import config
from course_lib.commands import train as command
from course_lib.data import load_mnist
from course_lib.train import evaluate, split_validation

SPLIT_SEED, HELD_OUT = 12345, 10_000  # one split for all recipes and seeds


def examples(validation: bool) -> command.Examples:
    """What to learn from and what to judge by."""
    digits = load_mnist()
    learn, judge = (digits.train_images, digits.train_labels), (digits.test_images,
                                                                digits.test_labels)
    if validation:
        *learn, judge = split_validation(*learn, HELD_OUT / len(learn[0]), SPLIT_SEED)
    return command.Examples("MNIST", tuple(learn), judge, [str(k) for k in range(10)])


def run(path: Path, seed: int, data: command.Examples) -> tuple[float, float, float]:
    """(accuracy, loss, CPU seconds of the training) of one recipe with one seed."""
    recipe = config.read(path)
    arguments = command._parse([])
    settings = command.choose_settings(arguments, recipe, data, seed)
    model = config.build(recipe, np.random.default_rng(seed))
    started = time.process_time()
    command.train(model, data, settings, None, lambda line: None)
    seconds = time.process_time() - started
    result = evaluate(model, *data.test)
    return result.accuracy, result.loss, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="*", type=Path,
                        default=sorted((ROOT / "recipes").glob("*.txt")))
    parser.add_argument("--validation", action="store_true")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    arguments = parser.parse_args()
    data = examples(arguments.validation)
    for path in arguments.recipes:
        accuracies, costs = [], []
        for seed in arguments.seeds:
            accuracy, loss, seconds = run(path, seed, data)
            accuracies.append(accuracy)
            costs.append(seconds)
            load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
            print(f"{path.name} seed {seed}: {100 * accuracy:.2f} %, loss {loss:.4f}, "
                  f"{seconds:.1f} CPU s{load}", flush=True)
        print(f"{path.name}: mean {100 * np.mean(accuracies):.2f} %, "
              f"{np.mean(costs):.1f} CPU s", flush=True)


if __name__ == "__main__":
    main()
