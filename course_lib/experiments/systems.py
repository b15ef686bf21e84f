"""The five published systems as data: network, images, training, and the numbers they report.

No code: a Trial names a kind of run (see trials) and its options, a Row sets a published number
beside what its runs gave. Imports nothing of the course.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import pi


@dataclass(frozen=True)
class Trial:
    """One kind of run, done once for each seed; `full` changes options under --full."""

    name: str
    options: dict
    kind: str = "train"
    seeds: int = 3
    full: dict = field(default_factory=dict)
    full_seeds: int | None = None
    only_full: bool = False
    first_seed: int = 0


@dataclass(frozen=True)
class Row:
    """One line of the table: what the runs of `trial` gave for `metric`, after `epoch` (-1: last).

    published: the reported number (None: none is), taken on `count` images where it is a share.
    better: which direction is better, +1 or -1; 0 where the number is no success.
    against: the trial whose runs of the same seeds are subtracted, to say what a change is worth.
    """

    label: str
    trial: str
    metric: str = "test_accuracy"
    epoch: int = -1
    published: float | None = None
    count: int | None = None
    better: int = 1
    scale: float = 1.0
    against: str | None = None


@dataclass(frozen=True)
class Experiment:
    """A published system. choices: what it does not state and how we chose; figures: see report."""

    key: str
    title: str
    author: str
    trials: tuple[Trial, ...]
    tables: dict[str, tuple[Row, ...]]
    choices: tuple[str, ...]
    images: str = ""  # what it is trained on, where that is no data set


def table(label: str, trial: str, metric: str, values: dict, **options) -> tuple[Row, ...]:
    """A row for each {epoch: published number}."""
    return tuple(Row(label.format(epoch), trial, metric, epoch, value, **options)
                 for epoch, value in values.items())


# ---- S0

S0_NETWORK = """4
Input shape=1x28x28
Conv2D filters=1 kernel=3x3 activation=relu
MaxPool2D pool=2x2
Dense units=1 activation=sigmoid
"""
S0_IMAGES = {"classes": 2, "train": 100}
S0_RUN = {"network": S0_NETWORK, "images": S0_IMAGES, "lr": 0.01, "epochs": 10}
FROZEN = ["first layer frozen"]

S0 = Experiment(
    "s0", "S0: one filter, zeros against ones, in pure Python", "Bui Tuan Minh",
    trials=(
        *(Trial(f"pure Python, {epochs} epochs", S0_RUN | {
            "epochs": epochs, "engine": "formula", "mistakes": FROZEN, "judge": False,
            "keep": ["all"]}, seeds=3, full_seeds=5, first_seed=10 * epochs)
          for epochs in (3, 5, 10)),
        Trial("kernel frozen", S0_RUN | {"mistakes": FROZEN, "judge": False,
                                         "keep": ["all", "kernels"]}, seeds=20),
        Trial("kernel trained", S0_RUN | {"judge": False, "keep": ["all", "kernels"]}, seeds=20),
        *(Trial(f"kernel frozen, lr {lr:g}", S0_RUN | {
            "lr": lr, "mistakes": FROZEN, "judge": False, "keep": ["all"]}, seeds=10)
          for lr in (0.001, 0.1)),
        Trial("brightness", {"images": S0_IMAGES}, "brightness", seeds=20),
        Trial("brightness of the centre", {"images": S0_IMAGES, "centre": 4}, "brightness",
              seeds=20),
        Trial("engines", {"network": S0_NETWORK, "images": S0_IMAGES, "lr": 0.01, "batch": 1,
                          "steps": 10}, "engines", seeds=3),
    ),
    tables={
        "Frozen or trained kernel, judged on all zeros and ones it never saw": (
            Row("kernel frozen, as published", "kernel frozen", "all_accuracy"),
            Row("kernel trained", "kernel trained", "all_accuracy", against="kernel frozen"),
            Row("no learning: threshold of mean brightness", "brightness", "all_accuracy"),
            Row("no learning: brightness of the 4x4 centre", "brightness of the centre",
                "all_accuracy"),
        ),
        "What its own measure says: accuracy on the 100 training images": (
            *table("frozen, epoch {}", "kernel frozen", "accuracy", {3: None, 5: None, 10: None}),
            *table("trained, epoch {}", "kernel trained", "accuracy", {3: None, 5: None, 10: None}),
        ),
        "What the unstated learning rate does (frozen kernel, all zeros and ones)": tuple(
            Row(f"lr {lr}", name, "all_accuracy") for lr, name in (
                ("0.001", "kernel frozen, lr 0.001"), ("0.01", "kernel frozen"),
                ("0.1", "kernel frozen, lr 0.1"))),
        "Pure Python against the quickest rung": (
            Row("largest difference of losses and weights", "engines", "difference", better=0),
            Row("pure Python, CPU ms an image", "engines", "formula_seconds", better=0, scale=1e3),
            Row("quickest rung, CPU ms an image", "engines", "quick_seconds", better=0, scale=1e3),
        ),
    },
    choices=(
        "Not stated there, chosen here: a 3x3 kernel with stride 1 and He's weights, a 2x2 pool "
        "with stride 2, lr 0.01, one image a step, 100 random training images for each seed.",
        "It reports two figures and no numbers, and has no test images: the accuracy on all zeros "
        "and ones of the test set is ours.",
        "That its kernel is never trained is read from its text, which updates dense weights only.",
    ),
)

# ---- S1

S1_NETWORK = """5
Input shape=1x28x28
Conv2D filters=16 kernel=3x3 stride=1
 padding=same activation=relu
MaxPool2D pool=2x2 stride=2
Dense units=128 activation=relu
Dense units=2 activation=softmax
"""
LOGISTIC = """2
Input shape=1x28x28
Dense units=2 activation=softmax
"""
S1_IMAGES = {"name": "folders", "classes": 2}
S1_RUN = {"network": S1_NETWORK, "images": S1_IMAGES, "lr": 0.01, "epochs": 10}
S1_SECONDS = {5: 92.0, 10: 207.0, 20: 514.0, 50: 1247.0}

S1 = Experiment(
    "s1", "S1: a network from a text file, zeros against ones from image folders",
    "Bach Nguyen Vu",
    trials=(
        *(Trial(f"lr {lr:g}", S1_RUN | {"lr": lr, "keep": ["all", "confusion"]}, seeds=seeds,
                full_seeds=10) for lr, seeds in ((0.001, 3), (0.01, 3), (0.2, 10))),
        Trial("logistic regression", S1_RUN | {"network": LOGISTIC,
                                               "keep": ["all", "confusion"]}, seeds=10),
        Trial("time", S1_RUN | {"epochs": 50, "judge": False}, seeds=3),
        Trial("pure Python", {"network": S1_NETWORK, "images": S1_IMAGES, "lr": 0.01, "batch": 1,
                              "steps": 2}, "engines", seeds=3, full={"steps": 200}),
    ),
    tables={
        "Accuracy on the evaluation folder, 10 epochs": (
            Row("lr 0.01, its best", "lr 0.01", published=1.0, count=25),
            Row("lr 0.001", "lr 0.001"), Row("lr 0.2", "lr 0.2"),
            Row("baseline: logistic regression", "logistic regression"),
        ),
        "The same networks on all zeros and ones of the test set": (
            Row("lr 0.01", "lr 0.01", "all_accuracy"), Row("lr 0.001", "lr 0.001", "all_accuracy"),
            Row("lr 0.2", "lr 0.2", "all_accuracy"),
            Row("baseline: logistic regression", "logistic regression", "all_accuracy"),
            Row("precision for 0, lr 0.01", "lr 0.01", "all_precision_0"),
            Row("recall for 0, lr 0.01", "lr 0.01", "all_recall_0"),
            Row("precision for 1, lr 0.01", "lr 0.01", "all_precision_1"),
            Row("recall for 1, lr 0.01", "lr 0.01", "all_recall_1"),
        ),
        "Seconds of training, quickest rung (CPU, one core)": table(
            "{} epochs", "time", "epoch_seconds", S1_SECONDS, better=-1),
        "Seconds of training, pure Python: a few images timed, scaled to 200 an epoch": tuple(
            Row(f"{epochs} epochs, scaled", "pure Python", "formula_seconds", published=seconds,
                better=-1, scale=200.0 * epochs) for epochs, seconds in S1_SECONDS.items()),
        "Pure Python against the quickest rung": (
            Row("largest difference of losses and weights", "pure Python", "difference", better=0),
        ),
    },
    choices=(
        "Not stated there, chosen here: one image a step, He's weights, the first 100 zeros and "
        "the first 100 ones of the training file; 25 evaluation images in all (25 or 25 of each "
        "is not clear), the first zeros and ones of the test file.",
        "Its seconds are of its own machine and by stop-watch; ours are CPU seconds of this one. "
        "Each run of 50 epochs is read at 5, 10, 20 and 50. Time spent on judging is left out. "
        "Why pure Python takes longer here than there is not known: another machine, another "
        "interpreter or less work for each image are hypotheses.",
    ),
)

# ---- S2

S2_NETWORK = """4
Input shape=1x8x8
Conv2D filters=4 kernel=3x3 activation=relu
MaxPool2D pool=2x2
Dense units=2 activation=softmax
"""
S2_FRAMEWORK_NETWORK = """4
Input shape=1x8x8
Conv2D filters=16 kernel=3x3 padding=1 activation=relu
MaxPool2D pool=2x2
Dense units=2 activation=softmax
"""
S2_IMAGES = {"name": "lines", "train": 200, "test": 40}
S2_RUN = {"network": S2_NETWORK, "images": S2_IMAGES, "lr": 0.005, "epochs": 15,
          "keep": ["kernels"]}
TIES = ["ties doubled"]

S2 = Experiment(
    "s2", "S2: vertical against horizontal lines, and the same network in PyTorch", "Wasil Zafar",
    trials=(
        Trial("right", S2_RUN, seeds=10, full_seeds=50),
        Trial("ties doubled, as published", S2_RUN | {"mistakes": TIES}, seeds=10, full_seeds=50),
        Trial("filters frozen", S2_RUN | {"mistakes": FROZEN}, seeds=10, full_seeds=50),
        *(Trial(f"gradient with ties doubled, {pixels}", {
            "network": S2_NETWORK, "mistakes": TIES, "pixels": pixels}, "gradient_error", seeds=10)
          for pixels in ("lines", "random")),
        Trial("PyTorch, its NumPy network", {"network": S2_NETWORK, "images": S2_IMAGES,
                                             "batch": 40}, "pytorch", seeds=3),
        Trial("PyTorch, its framework network", {"network": S2_FRAMEWORK_NETWORK,
                                                 "images": S2_IMAGES, "batch": 40},
              "pytorch", seeds=3),
    ),
    tables={
        "Lines task: accuracy on 40 test images, 15 epochs": (
            Row("right", "right"),
            Row("ties doubled, as published", "ties doubled, as published", against="right"),
            Row("filters frozen", "filters frozen", against="right"),
            *table("right, after epoch {}", "right", "test_accuracy",
                   {epoch: None for epoch in (3, 6, 9, 12, 15)}),
            *table("right, loss of epoch {}", "right", "loss",
                   {epoch: None for epoch in (3, 6, 9, 12, 15)}, better=-1),
        ),
        "What the filters learn: mean best |cosine| with four edges, two lines": (
            Row("edges, first weights", "right", "edges_begun", better=0),
            Row("edges, learned", "right", "edges_ended", better=0),
            Row("lines, first weights", "right", "lines_begun", better=0),
            Row("lines, learned", "right", "lines_ended", better=0),
        ),
        "Its pool gradient (all ties): error of the first layer's gradient": (
            Row("on lines without noise", "gradient with ties doubled, lines", "error", better=0),
            Row("on random images", "gradient with ties doubled, random", "error", better=0),
        ),
        "The same weights in PyTorch: largest relative difference, float64": tuple(
            Row(f"{what}, {name}", f"PyTorch, its {name} network", what, better=0)
            for name in ("NumPy", "framework") for what in ("logits", "loss", "gradients")),
    },
    choices=(
        "Not stated there, chosen here: the line replaces the noise and spans the image. No test "
        "accuracy is printed there that could stand beside ours.",
        "Its 'direct comparison' shows another network in the framework (16 filters, padding 1) "
        "than in NumPy (4 filters): both are compared here, each with its own twin.",
    ),
    images="lines, drawn at random",
)

# ---- S3

S3_NETWORK = """4
Input shape=1x28x28
Conv2D filters=8 kernel=3x3{}
MaxPool2D pool=2x2
Dense units=10 activation=softmax
"""
S3_PLAIN = S3_NETWORK.format(" bias=false")
S3_RELU = S3_NETWORK.format(" bias=false activation=relu")
S3_RIGHT = S3_NETWORK.format(" activation=relu")
S3_IMAGES = {"train": 10_000, "test": 2_000}
S3_RUN = {"network": S3_PLAIN, "images": S3_IMAGES, "lr": 0.01, "epochs": 3, "keep": ["all"]}
S3_LADDER = {  # one repair at a time
    "as published": {"mistakes": FROZEN + TIES},
    "+ first layer updated": {"mistakes": TIES},
    "+ one winner a tie": {},
    "+ ReLU": {"network": S3_RELU},
    "+ bias, all repaired": {"network": S3_RIGHT},
}
S3_ALONE = {  # only one repair
    "only ReLU": {"mistakes": FROZEN + TIES, "network": S3_RELU},
    "only bias": {"mistakes": FROZEN + TIES, "network": S3_NETWORK.format("")},
    "only one winner a tie": {"mistakes": FROZEN},
}
S3_PUBLISHED = {  # lr: {epochs: (train accuracy, test accuracy)}
    0.001: {2: (0.9069, 0.9130), 3: (0.9234, 0.9205)},
    0.01: {2: (0.9446, 0.9385), 3: (0.9645, 0.9450)},
    0.1: {2: (0.9460, 0.9400), 3: (0.9706, 0.9380)},
}
S3_WHOLE = {"images": {"pick": "first"}, "epochs": 3}
S3_ENDS = {"as published": S3_LADDER["as published"], "repaired": S3_LADDER["+ bias, all repaired"]}


def s3_grid(losses: tuple[str, ...]) -> tuple[Trial, ...]:
    """All 60,000 images: each loss and rate, as published and repaired."""
    return tuple(Trial(f"60,000, {loss}, {name}, lr {lr:g}", S3_RUN | S3_WHOLE | options | {
        "lr": lr, "loss": loss}, only_full=True)
        for loss in losses for name, options in S3_ENDS.items() for lr in S3_PUBLISHED)


def s3_rows(trial: str, rates) -> tuple[Row, ...]:
    """The published grid beside one family of trials; {} in its name is the learning rate."""
    return tuple(
        Row(f"{epochs} epochs, lr {lr:g}: {part}", trial.format(f"{lr:g}"), metric, epochs,
            S3_PUBLISHED[lr][epochs][index], 2_000 if part == "test" else None)
        for lr in rates for epochs in (2, 3)
        for index, part, metric in ((0, "train", "accuracy"), (1, "test", "test_accuracy")))


S3 = Experiment(
    "s3", "S3: ten digits, one image at a time, with its mistakes and without", "a blog, 2026",
    trials=(
        *(Trial(name, S3_RUN | options)
          for name, options in (S3_LADDER | S3_ALONE).items()),
        *(Trial(f"hinge, {name}", S3_RUN | options | {"loss": "hinge"})
          for name, options in S3_ENDS.items()),
        *s3_grid(("cross_entropy", "hinge")),
    ),
    tables={
        "Its table at lr 0.01, beside 10,000 images as published": s3_rows("as published", [0.01]),
        "Its table at lr 0.01, beside 10,000 images repaired": s3_rows("+ bias, all repaired",
                                                                       [0.01]),
        "One repair at a time: accuracy on all test images after 3 epochs": tuple(
            Row(name, name, "all_accuracy", against=before)
            for name, before in zip(S3_LADDER, [None, *S3_LADDER])),
        "One repair alone, the other mistakes left in": tuple(
            Row(name, name, "all_accuracy", against="as published") for name in S3_ALONE),
        "Hinge (sum over the wrong classes) instead of cross-entropy": tuple(
            Row(f"hinge, {name}", f"hinge, {name}", "all_accuracy") for name in S3_ENDS),
        **{f"Its table beside all 60,000 images, {name}, {loss}": s3_rows(
            f"60,000, {loss}, {name}, lr {{}}", S3_PUBLISHED)
           for loss in ("cross_entropy", "hinge") for name in S3_ENDS},
    },
    choices=(
        "Not stated there, chosen here: 8 filters of 3x3, a 2x2 max pool, He's weights, random "
        "images for each seed; all its test scores are multiples of 1/2000, so it is taken to "
        "have 2,000 test images. What its training accuracy is taken on is not stated: ours is "
        "the mean over the epoch, while the weights moved.",
        "Which hinge is meant is not stated: ours sums over the wrong classes. Its grid was made "
        "with cross-entropy; under hinge its numbers stand there for orientation.",
        "Each run of 3 epochs is read at 2 and at 3: at a constant rate, the first two epochs of a "
        "longer run are a run of two.",
        "Because its network and number of images are not stated, the cause of any gap to its "
        "numbers is a hypothesis; what each mistake costs is measured.",
    ),
)

# ---- S4

S4_NETWORK = """6
Input shape=1x28x28
Conv2D filters=8 kernel=3x3 activation=relu
MaxPool2D pool=2x2
Conv2D filters=16 kernel=3x3 activation=relu
MaxPool2D pool=2x2
Dense units=10 activation=softmax
"""
S4_PADDED = S4_NETWORK.replace("kernel=3x3", "kernel=3x3 padding=1")
S4_IMAGES = {"train": 1_000, "test": 200}
S4_FIRST = S4_IMAGES | {"pick": "first"}
S4_RUN = {"network": S4_NETWORK, "images": S4_IMAGES, "lr": 0.03, "batch": 8, "epochs": 5}
S4_LOSS = {1: 0.82, 2: 0.40, 3: 0.22, 4: 0.15, 5: 0.12}
S4_ACCURACY = {1: 0.910, 2: 0.950, 3: 0.960, 4: 0.965, 5: 0.975}
S4_SINES = {
    "alpha 1, gamma 0.1": {"alpha": 1.0, "gamma": 0.1},
    "alpha 1, gamma 0.5": {"alpha": 1.0, "gamma": 0.5},
    "alpha 12.9898, gamma 0.1": {"alpha": 12.9898, "gamma": 0.1},
    "alpha 0.01, gamma 0.1": {"alpha": 0.01, "gamma": 0.1},
    "alpha pi, gamma 0.1": {"alpha": pi, "gamma": 0.1},
    "alpha 2pi/9, gamma 0.1": {"alpha": 2 * pi / 9, "gamma": 0.1},
}
S4_HIDDEN = {  # mistakes that its accuracy would have to show
    "right": {},
    "ties doubled": {"mistakes": TIES},
    "first layer frozen": {"mistakes": FROZEN},
    "no conv bias gradient": {"mistakes": ["no conv bias gradient"]},
    "no ReLU backward": {"mistakes": ["no ReLU backward"]},
    "gradient to the whole window": {"mistakes": ["gradient to the whole window"]},
    "dX with the kernel unturned": {"mistakes": ["dX with the kernel unturned"]},
    "gradient not divided by the batch": {"summed": True},
}

S4 = Experiment(
    "s4", "S4: two blocks in pure Python, 1,000 training and 200 test images", "Dang Vu Son Tung",
    trials=(
        Trial("random subsets", S4_RUN | {"keep": ["slices", "predictions"]}, seeds=20),
        Trial("the first 1,000 and 200", S4_RUN | {"images": S4_FIRST, "keep": ["slices"]},
              seeds=10),
        Trial("padding 1", S4_RUN | {"network": S4_PADDED, "keep": ["all"]}, seeds=10),
        *(Trial(f"lr {lr:g}", S4_RUN | {"lr": lr, "keep": ["all"]}, seeds=5, full_seeds=20)
          for lr in (0.06, 0.1)),
        *(Trial(f"sine, {name}", S4_RUN | {"images": S4_FIRST, "init": constants, "keep": ["all"]},
                seeds=3, full_seeds=10) for name, constants in S4_SINES.items()),
        *(Trial(f"hidden: {name}", S4_RUN | options | {"judge": False, "keep": ["all"]}, seeds=3,
                full_seeds=10) for name, options in S4_HIDDEN.items()),
        Trial("engines", {"network": S4_NETWORK, "images": S4_FIRST, "lr": 0.03, "batch": 8,
                          "steps": 3}, "engines", seeds=3),
        Trial("pure Python, whole", S4_RUN | {"images": S4_FIRST, "engine": "formula",
                                              "judge": False, "keep": ["all"]},
              seeds=1, only_full=True),
    ),
    tables={
        "Its table, beside 20 random subsets": (
            *table("epoch {}, test accuracy", "random subsets", "test_accuracy", S4_ACCURACY,
                   count=200),
            *table("epoch {}, loss", "random subsets", "loss", S4_LOSS, better=-1)),
        "Its table, beside the first 1,000 and 200 of the files": (
            *table("epoch {}, test accuracy", "the first 1,000 and 200", "test_accuracy",
                   S4_ACCURACY, count=200),
            *table("epoch {}, loss", "the first 1,000 and 200", "loss", S4_LOSS, better=-1)),
        "How lucky is a test set of 200? The same networks on all test images": (
            Row("all test images, random subsets", "random subsets", "all_accuracy"),
            Row("worst slice of 200 of one network", "random subsets", "worst_slice"),
            Row("best slice of 200 of one network", "random subsets", "best_slice",
                published=0.975, count=200),
            Row("all test images, the first 1,000", "the first 1,000 and 200", "all_accuracy"),
        ),
        "What is not stated: padding and learning rate in doubt": (
            *(Row(f"padding 1, epoch {epoch}", "padding 1", "test_accuracy", epoch,
                  S4_ACCURACY[epoch], 200) for epoch in (1, 5)),
            *(row for lr in (0.06, 0.1) for epoch in (1, 5) for row in (
                Row(f"lr {lr:g}, epoch {epoch}", f"lr {lr:g}", "test_accuracy", epoch,
                    S4_ACCURACY[epoch], 200),
                Row(f"lr {lr:g}, loss of epoch {epoch}", f"lr {lr:g}", "loss", epoch,
                    S4_LOSS[epoch], better=-1))),
        ),
        "Its sine initialiser, whose constants are not stated (first 1,000 and 200)": tuple(
            Row(name, f"sine, {name}", published=0.975, count=200) for name in S4_SINES),
        "Which mistakes does accuracy hide? All test images after 5 epochs": tuple(
            Row(name, f"hidden: {name}", "all_accuracy",
                against="hidden: right" if name != "right" else None) for name in S4_HIDDEN),
        "Pure Python against the quickest rung": (
            Row("largest difference of losses and weights", "engines", "difference", better=0),
            Row("pure Python, CPU ms an image", "engines", "formula_seconds", better=0, scale=1e3),
            Row("quickest rung, CPU ms an image", "engines", "quick_seconds", better=0, scale=1e3),
            Row("pure Python, all 5 epochs: CPU s", "pure Python, whole", "epoch_seconds",
                better=0),
            Row("pure Python, all 5 epochs: all test images", "pure Python, whole",
                "all_accuracy"),
        ),
    },
    choices=(
        "Not stated there, chosen here: no padding (28-26-13-11-5, 400 inputs of the dense layer, "
        "5,258 parameters), He's weights where nothing else is said, NumPy's shuffling (how it "
        "shuffles without `random` is not stated).",
        "Which 1,000 and which 200 images is not stated: random ones for each seed, and the first.",
    ),
)

EXPERIMENTS = {experiment.key: experiment for experiment in (S0, S1, S2, S3, S4)}
