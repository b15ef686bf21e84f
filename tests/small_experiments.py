"""The five experiments, made so small that tests can run all of them."""

from dataclasses import replace

from course_lib.experiments import systems


def small(trial):
    """The same trial on a few images, for at most three epochs."""
    options = dict(trial.options)
    if "images" in options:
        options["images"] = options["images"] | {"train": 24, "test": 20}
    if "epochs" in options:
        options["epochs"] = min(3, options["epochs"])
    if "steps" in options:
        options["steps"] = 1
    return replace(trial, options=options, full={}, seeds=1, full_seeds=1)


def shrink(monkeypatch, *keys):
    """Let EXPERIMENTS hold small experiments till the end of the test."""
    for key in keys or systems.EXPERIMENTS:
        experiment = systems.EXPERIMENTS[key]
        monkeypatch.setitem(systems.EXPERIMENTS, key, replace(
            experiment, trials=tuple(map(small, experiment.trials))))
