"""What the checks of ex06 know: batches, steps, an epoch, and how well a classifier does.

A mistake is a deliberately wrong variant of the task's function with the sentence that a student
reads who makes it. Only `course_lib.check` imports this module; it imports only NumPy and tasks.
"""

import numpy as np

from course_lib.check.tasks import Case, Mistake, Section, Task, small_numbers

DATA = Section("06_mnist", "Sixty thousand digits are one array")
CHECKS = Section("06_mnist", "Three cheap checks find most bugs")
EPOCHS = Section("06_mnist", "Four epochs over sixty thousand images")
SPREAD = Section("06_mnist", "A number without its spread is half a number")
BATCHES = Section("ex06_mnist", "6.2 Write the function: `my_batch_means`")
STEP = Section("ex06_mnist", "6.3 Fill one line: `my_sgd_step`")
EPOCH = Section("ex06_mnist", "6.4 Repair a bug: `my_one_epoch`")
ACCURACY = Section("ex06_mnist", "6.5 Write the function: `my_accuracy`")
INTERVAL = Section("ex06_mnist", "6.6 Write the function: `my_wilson`")
CONFUSED = Section("ex06_mnist", "6.7 Write the function: `my_confusion_matrix`")
MOMENTUM = Section("ex06_mnist", "6.9 Extend: `my_momentum_step`")


def numbers(shape, start: int, scale: float = 1.0, dtype=np.float64) -> np.ndarray:
    """Return an array of small numbers, the same everywhere."""
    return (small_numbers(int(np.prod(shape)), start).reshape(shape) * scale).astype(dtype)


def shuffled(count: int, step: int) -> np.ndarray:
    """Return 0..count-1 in an order that is not its own inverse; step shares no factor with count.

    >>> shuffled(5, 2).tolist()
    [1, 3, 0, 2, 4]
    """
    return (np.arange(count) * step + 1) % count


# Batches: the mean of each


def _batches(order, batch_size):
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def _mean(values):
    """Return the mean, nan of no values, without NumPy's warning."""
    return values.mean() if len(values) else np.nan


def _means(x, places):
    return np.array([_mean(x[chosen]) for chosen in places])


def _batch_means(x, order, batch_size):
    return _means(x, _batches(order, batch_size))


def _order_ignored(x, order, batch_size):
    return _batch_means(x, np.arange(len(x)), batch_size)


def _order_inverted(x, order, batch_size):
    return _batch_means(x, np.argsort(order), batch_size)


def _last_dropped(x, order, batch_size):
    return _batch_means(x, order, batch_size)[: len(x) // batch_size]


def _always_by_batch_size(x, order, batch_size):
    return np.array([x[chosen].sum() / batch_size for chosen in _batches(order, batch_size)])


def _sums(x, order, batch_size):
    return np.array([x[chosen].sum() for chosen in _batches(order, batch_size)])


def _starts_shuffled(x, order, batch_size):
    """x[order[start] : order[start] + batch_size]: neighbours, not a mixed batch."""
    starts = order[::batch_size]
    return np.array([_mean(x[start : start + batch_size]) for start in starts])


def _running(x, order, batch_size):
    stops = np.arange(0, len(x), batch_size) + batch_size
    return _means(x, [order[:stop] for stop in stops])


def _stop_moved_by(by):
    """Return the variant whose batches are order[start : start + batch_size + by]."""

    def variant(x, order, batch_size):
        starts = range(0, len(x), batch_size)
        return _means(x, [order[start : max(start + batch_size + by, 0)] for start in starts])

    return variant


def _every_so_many(x, order, batch_size):
    steps = -(-len(x) // batch_size)
    return _means(x, [order[step::steps] for step in range(steps)])


def _so_many_batches(x, order, batch_size):
    return _means(x, np.array_split(order, batch_size))


def _split_evenly(x, order, batch_size):
    return _means(x, np.array_split(order, -(-len(x) // batch_size)))


def _without_last_start(x, order, batch_size):
    """range(0, count - batch_size, batch_size)."""
    starts = range(0, len(x) - batch_size, batch_size)
    return _means(x, [order[start : start + batch_size] for start in starts])


def _one_step_on(x, order, batch_size):
    """Start at 0, 1, 2, ... instead of 0, batch_size, 2*batch_size, ..."""
    steps = -(-len(x) // batch_size)
    return _means(x, [order[step : step + batch_size] for step in range(steps)])


def _a_batch_for_each(x, order, batch_size):
    return _means(x, [order[start : start + batch_size] for start in range(len(x))])


def _places_averaged(x, order, batch_size):
    return _batch_means(np.arange(len(x)), order, batch_size)


def _one_more(x, order, batch_size):
    """count // batch_size + 1 places; where that is one too many, the last stays 0."""
    means = _batch_means(x, order, batch_size)
    return np.append(means, 0) if len(x) % batch_size == 0 else means


def _shuffled_anew(x, order, batch_size):
    return _batch_means(x, np.random.default_rng(0).permutation(len(x)), batch_size)


def _of_each_batch(number):
    def variant(x, order, batch_size):
        return np.array([number(x[chosen]) for chosen in _batches(order, batch_size)])

    return variant


def _whole_means(x, order, batch_size):
    return _batch_means(x, order, batch_size).astype(int)


BATCH_MEANS = Task(
    id="ex06_mnist/batch_means",
    function_name="my_batch_means",
    argument_names=("x", "order", "batch_size"),
    result_name="means",
    reference=_batch_means,
    cases=(
        Case((np.array([4.0, 9.0, 1.0, 3.0]), np.array([3, 0, 1, 2]), 2)),
        Case((np.array([1.0, 5.0, 3.0]), np.array([1, 2, 0]), 2)),
        Case((numbers(7, 5, 0.5), shuffled(7, 3), 3)),
        Case((numbers(6, 9), shuffled(6, 5), 4)),
        Case((numbers(5, 8), shuffled(5, 3), 5)),
        Case((numbers(20, 4, 0.37, np.float32), shuffled(20, 7), 6)),
        Case((numbers(33, 6, 0.37), shuffled(33, 5), 8)),
    ),
    mistakes=(
        Mistake("order ignored", "the examples are taken in the order in which they lie, not in "
                "the given one. The batch is x[order[start:stop]].", _order_ignored, DATA),
        Mistake("order inverted", "the order is read backwards: order[0] is the place in x of the "
                "first example to take, not the turn of x[0].", _order_inverted, BATCHES),
        Mistake("last batch dropped", "the last, smaller batch is missing. Examples that do not "
                "fill a batch are learned from, too.", _last_dropped, DATA),
        Mistake("always divided by batch_size", "the last batch's sum is divided by batch_size "
                "although it has fewer examples.", _always_by_batch_size, DATA),
        Mistake("sums", "these are the sums of the batches. Divide by the number of examples in "
                "the batch.", _sums, DATA),
        Mistake("starts shuffled", "each batch holds neighbours, from x[order[start]] on. Shuffle "
                "the examples, not the places where batches begin.", _starts_shuffled, DATA),
        Mistake("running mean", "each number is the mean of all examples so far. Does something "
                "have to be empty again when a batch begins?", _running, BATCHES),
        Mistake("one too few", "every batch is one example short. A slice ends before its stop: "
                "write start : start + batch_size.", _stop_moved_by(-1), BATCHES),
        Mistake("one too many", "every batch also holds the first example of the next. A slice "
                "ends before its stop: start + batch_size.", _stop_moved_by(1), BATCHES),
        Mistake("every so many", "each batch takes every so many examples of the order. A batch "
                "is batch_size neighbours in it.", _every_so_many, BATCHES),
        Mistake("split evenly", "the batches are made equally large. All but the last have "
                "batch_size examples, and the last has what is left.", _split_evenly, BATCHES),
        Mistake("last start missing", "the loop over the starts ends one batch too early: it goes "
                "up to the number of examples.", _without_last_start, BATCHES),
        Mistake("batch_size batches", "there are batch_size batches. batch_size says how many "
                "examples are in one.", _so_many_batches, BATCHES),
        Mistake("one step on", "the batches overlap: each begins one example after the last one. "
                "The next begins batch_size later.", _one_step_on, BATCHES),
        Mistake("a batch for each example", "there is a batch for each example. range(0, count, "
                "batch_size) has one start for each batch.", _a_batch_for_each, BATCHES),
        Mistake("places averaged", "the means are those of the numbers in `order`, not of the "
                "examples at these places: look them up in x.", _places_averaged, BATCHES),
        Mistake("empty batch", "where the batches come out even, an empty one follows. "
                "count // batch_size + 1 is one too many there.", _one_more, DATA),
        Mistake("batches that come out even", "reshape(-1, batch_size) needs batches that come out "
                "even. The last one may be smaller: cut slices of `order`.",
                lambda x, order, size: x[order].reshape(-1, size).mean(axis=1), DATA,
                (lambda x, order, size: x.reshape(-1, size).mean(axis=1),)),
        Mistake("first batch only", "only the first batch's mean comes back. Is the return inside "
                "the loop?", lambda *a: _batch_means(*a)[:1], BATCHES),
        Mistake("first batch missing", "the first batch is missing: the starts begin with 0.",
                lambda *a: _batch_means(*a)[1:], BATCHES),
        Mistake("order reversed", "the order is gone through from its end. order[0] comes first.",
                lambda x, order, size: _batch_means(x, order[::-1], size), BATCHES),
        Mistake("one mean for all", "this is one mean of all examples. Each batch has its own.",
                lambda x, order, size: np.asarray(x.mean()), BATCHES,
                (lambda x, order, size: np.full(-(-len(x) // size), x.mean()),)),
        Mistake("shuffled anew", "the examples are shuffled once more, in another order. Use the "
                "one that is given.", _shuffled_anew, BATCHES),
        Mistake("another number of the batch", "this is the largest number, the middle one or the "
                "first of each batch, not the mean.", _of_each_batch(np.max), BATCHES,
                (_of_each_batch(np.median), _of_each_batch(np.min),
                 _of_each_batch(lambda batch: batch[0]))),
        Mistake("order ignored and one too few", "the examples are taken as they lie, and every "
                "batch is one short. The batch is x[order[start : start + batch_size]].",
                lambda x, order, size: _stop_moved_by(-1)(x, np.arange(len(x)), size), BATCHES,
                (lambda x, order, size: _stop_moved_by(1)(x, np.arange(len(x)), size),)),
        Mistake("whole numbers", "the digits after the decimal point are lost: is the array made "
                "with dtype=int, or the division //?", _whole_means, BATCHES,
                (lambda *a: np.floor(_batch_means(*a)),)),
    ),
    section=BATCHES,
    shape_rule="one number a batch, so (steps,) with steps = ceil(count / batch_size)",
    keeps_dtype=False,
)


# One step downhill


def _sgd_step(weight, dweight, lr):
    return weight - lr * dweight


SGD_STEP = Task(
    id="ex06_mnist/sgd_step",
    function_name="my_sgd_step",
    argument_names=("weight", "dweight", "lr"),
    result_name="stepped",
    reference=_sgd_step,
    cases=(
        Case((np.array([1.0, 2.0]), np.array([4.0, -2.0]), 0.5)),
        Case((numbers(3, 7), numbers(3, 9) + 5, 0.1)),
        Case((numbers((2, 3), 2), numbers((2, 3), 4), 2.0)),
        Case((numbers((3, 2), 4, 0.25, np.float32), numbers((3, 2), 1, 0.5, np.float32), 0.25)),
        Case((numbers((2, 1, 3, 2), 6), numbers((2, 1, 3, 2), 3), 0.01)),
    ),
    mistakes=(
        Mistake("uphill", "the step goes uphill: the gradient points to where the loss grows, so "
                "subtract it.", lambda w, g, lr: w + lr * g, CHECKS,
                (lambda w, g, lr: w + g,)),
        Mistake("lr forgotten", "the learning rate is not used: the step is lr times the gradient.",
                lambda w, g, lr: w - g, STEP),
        Mistake("divided by lr", "the gradient is divided by the learning rate. A small rate makes "
                "a small step: multiply.", lambda w, g, lr: w - g / lr, STEP),
        Mistake("step only", "this is the step, not the weight after it.",
                lambda w, g, lr: lr * g, STEP, (lambda w, g, lr: -lr * g,)),
        Mistake("weight scaled", "the weight is multiplied by the learning rate, too. Only the "
                "gradient is.", lambda w, g, lr: lr * (w - g), STEP,
                (lambda w, g, lr: lr * w - g,)),
        Mistake("gradient minus weight", "weight and step have changed places: it is the weight "
                "minus the step.", lambda w, g, lr: lr * g - w, STEP),
        Mistake("sign only", "every weight moves by the same amount: the gradient's sign is used, "
                "its size is lost.", lambda w, g, lr: w - lr * np.sign(g), STEP),
        Mistake("mean gradient", "every weight moves by the mean of the gradient. Each has its "
                "own.", lambda w, g, lr: w - lr * g.mean(), STEP,
                (lambda w, g, lr: w - lr * g.sum(),)),
        Mistake("lr subtracted", "the learning rate is subtracted. It multiplies the gradient.",
                lambda w, g, lr: w - lr - g, STEP, (lambda w, g, lr: w - lr + g,
                                                    lambda w, g, lr: w - (lr + g))),
        Mistake("brackets", "the brackets are in the wrong place: first lr times the gradient, "
                "then the subtraction.", lambda w, g, lr: (w - lr) * g, STEP),
        Mistake("decay", "the weight itself is in the gradient: that is weight decay. The plain "
                "step uses dweight alone.", lambda w, g, lr: w - lr * (g + w), STEP,
                (lambda w, g, lr: w * (1 - lr) - lr * g, lambda w, g, lr: w - lr * (g - w))),
        Mistake("unit length", "every step has the same length: the gradient is divided by its "
                "root of the sum of squares. Take it as it is.",
                lambda w, g, lr: w - lr * g / np.linalg.norm(g), STEP,
                (lambda w, g, lr: w - lr * g / np.abs(g).max(),)),
        Mistake("sign of the gradient lost", "all weights go down: the gradient's sign is lost. "
                "Where it is negative the weight goes up.",
                lambda w, g, lr: w - lr * np.abs(g), STEP),
        Mistake("lr squared", "the learning rate is used twice.",
                lambda w, g, lr: w - lr * lr * g, STEP),
        Mistake("two steps", "the step is twice as long: lr times the gradient, once.",
                lambda w, g, lr: w - 2 * lr * g, STEP, (lambda w, g, lr: w - lr * g / 2,)),
        Mistake("exchanged", "weight and gradient have changed places.",
                lambda w, g, lr: g - lr * w, STEP),
        Mistake("whole numbers", "the digits after the decimal point are lost: int(...) and "
                "dtype=int keep whole numbers only.",
                lambda w, g, lr: np.trunc(w - lr * g), STEP),
        Mistake("divided again", "the gradient is divided by its length. The loss has already "
                "taken the mean over the batch.", lambda w, g, lr: w - lr * g / len(g), STEP,
                (lambda w, g, lr: w - lr * g / g.size,)),
        Mistake("multiplied", "the step is a share of the weight. It is subtracted as it is, so "
                "that a weight of 0 moves, too.", lambda w, g, lr: w * (1 - lr * g), STEP),
        Mistake("not moved", "the weight comes back as it was: return the new one.",
                lambda w, g, lr: w, STEP),
    ),
    section=STEP,
    shape_rule="the shape of weight",
)


def _momentum_step(weight, dweight, velocity, lr, momentum):
    velocity = momentum * velocity + dweight
    return weight - lr * velocity, velocity


def _momentum(step=lambda w, old, new, g, lr: w - lr * new,
              velocity=lambda v, g, lr, m: m * v + g,
              kept=lambda old, new: new):
    """Return the variant with another rule for the step, the velocity, or what is kept of it."""

    def variant(w, g, v, lr, m):
        new = velocity(v, g, lr, m)
        return step(w, v, new, g, lr), kept(v, new)

    return variant


def _momentum_case(shape, start, lr, momentum, scale=1.0, dtype=np.float64):
    arrays = [numbers(shape, start + 3 * n, scale, dtype) for n in range(3)]
    return Case((arrays[0], arrays[1] + dtype(5), arrays[2], lr, momentum))


MOMENTUM_STEP = Task(
    id="ex06_mnist/momentum_step",
    function_name="my_momentum_step",
    argument_names=("weight", "dweight", "velocity", "lr", "momentum"),
    result_name=("stepped", "velocity"),
    reference=_momentum_step,
    cases=(
        Case((np.array([1.0, 2.0]), np.array([4.0, -2.0]), np.array([2.0, 2.0]), 0.5, 0.5)),
        _momentum_case(3, 5, 0.1, 0.9),
        _momentum_case(2, 9, 0.1, 0.0),
        _momentum_case((2, 3), 7, 0.25, 0.5),
        _momentum_case((3, 1, 2, 3), 2, 0.5, 0.75, 0.25, np.float32),
    ),
    mistakes=(
        Mistake("uphill", "the step goes uphill: subtract lr times the velocity.",
                _momentum(step=lambda w, old, new, g, lr: w + lr * new), MOMENTUM),
        Mistake("lr forgotten", "the learning rate is not used: the step is lr times the velocity.",
                _momentum(step=lambda w, old, new, g, lr: w - new), MOMENTUM),
        Mistake("without momentum", "the step is the plain one: it uses the gradient where the new "
                "velocity belongs.",
                _momentum(step=lambda w, old, new, g, lr: w - lr * g), MOMENTUM,
                (_momentum(velocity=lambda v, g, lr, m: g),
                 _momentum(step=lambda w, old, new, g, lr: w - lr * g, kept=lambda o, n: o))),
        Mistake("old velocity", "the step uses the velocity of before. First the velocity, then "
                "the step with the new one.",
                _momentum(step=lambda w, old, new, g, lr: w - lr * old), MOMENTUM),
        Mistake("velocity not kept", "the weight is right, but the velocity comes back as it was. "
                "The next step needs the new one.", _momentum(kept=lambda o, n: o), MOMENTUM),
        Mistake("lr in the velocity", "the learning rate is inside the velocity. Some books do "
                "so, but then it changes when lr does; here it comes in with the step.",
                _momentum(lambda w, old, new, g, lr: w - new,
                          lambda v, g, lr, m: m * v + lr * g), MOMENTUM),
        Mistake("lr twice", "the learning rate is used twice, in the velocity and in the step.",
                _momentum(velocity=lambda v, g, lr, m: m * v + lr * g), MOMENTUM),
        Mistake("running mean", "the gradient is multiplied by 1 − momentum. That makes a running "
                "mean; here the gradients add up.",
                _momentum(velocity=lambda v, g, lr, m: m * v + (1 - m) * g), MOMENTUM),
        Mistake("momentum at the gradient", "momentum multiplies the gradient. It is the old "
                "velocity that fades.", _momentum(velocity=lambda v, g, lr, m: v + m * g),
                MOMENTUM),
        Mistake("nothing fades", "the old velocity does not fade: multiply it by momentum.",
                _momentum(velocity=lambda v, g, lr, m: v + g), MOMENTUM),
        Mistake("gradient subtracted", "the velocity subtracts the gradient. The minus sign is in "
                "the step, once.", _momentum(velocity=lambda v, g, lr, m: m * v - g), MOMENTUM,
                (_momentum(lambda w, old, new, g, lr: w + lr * new,
                           lambda v, g, lr, m: m * v - g),)),
        Mistake("step only", "the first result is the step, not the weight after it.",
                _momentum(step=lambda w, old, new, g, lr: lr * new), MOMENTUM,
                (_momentum(step=lambda w, old, new, g, lr: -lr * new),)),
        Mistake("other sign", "the velocity holds the minus and the learning rate, and is added: "
                "some books do so. Here the velocity adds gradients up, and the step subtracts.",
                _momentum(lambda w, old, new, g, lr: w + new,
                          lambda v, g, lr, m: m * v - lr * g), MOMENTUM,
                (_momentum(lambda w, old, new, g, lr: w + new, lambda v, g, lr, m: m * v - g),)),
        Mistake("looked ahead", "the step goes on by momentum once more: that is Nesterov's. The "
                "plain one is lr times the velocity.", lambda w, g, v, lr, m: (
                    w - lr * (g + m * (m * v + g)), m * v + g), MOMENTUM),
        Mistake("momentum at both", "momentum multiplies the gradient, too. Only the old velocity "
                "fades.", _momentum(velocity=lambda v, g, lr, m: m * (v + g)), MOMENTUM),
        Mistake("momentum at the weight", "momentum multiplies the weight. It is the old velocity "
                "that fades.", lambda w, g, v, lr, m: (m * w - lr * (v + g), v + g), MOMENTUM,
                (lambda w, g, v, lr, m: (m * w - lr * (m * v + g), m * v + g),)),
        Mistake("lr and momentum exchanged", "the learning rate and momentum have changed places.",
                lambda w, g, v, lr, m: _momentum_step(w, g, v, m, lr), MOMENTUM),
        Mistake("lr forgotten, velocity not kept", "the learning rate is not used, and the "
                "velocity comes back as it was.",
                _momentum(lambda w, old, new, g, lr: w - new, kept=lambda o, n: o), MOMENTUM),
        Mistake("uphill by the old velocity", "the step goes uphill, and uses the velocity of "
                "before. First the velocity, then subtract lr times the new one.",
                _momentum(step=lambda w, old, new, g, lr: w + lr * old), MOMENTUM),
        Mistake("results swapped", "the two results have changed places: first the weight, then "
                "the velocity.", lambda *a: _momentum_step(*a)[::-1], MOMENTUM),
    ),
    section=MOMENTUM,
    shape_rule=("the shape of weight", "the shape of weight"),
)


# One epoch


def _gradient(weight, x, targets, count=None):
    """Return dweight of the loss: half the mean of (x @ weight - targets)²."""
    return x.T @ (x @ weight - targets) / (count or len(x))


def _one_epoch(weight, x, targets, order, batch_size, lr):
    for chosen in _batches(order, batch_size):
        weight = weight - lr * _gradient(weight, x[chosen], targets[chosen])
    return weight


def _epoch_in(order_of_x, order_of_targets):
    """Return the variant that shuffles x and targets as the two functions of `order` say."""

    def variant(weight, x, targets, order, *rest):
        x, targets = x[order_of_x(order)], targets[order_of_targets(order)]
        return _one_epoch(weight, x, targets, np.arange(len(x)), *rest)

    return variant


def _as_given(order):
    return order


def _as_it_lies(order):
    return np.arange(len(order))


def _epoch_without_rest(weight, x, targets, order, batch_size, lr):
    whole = len(order) // batch_size * batch_size
    return _one_epoch(weight, x, targets, order[:whole], batch_size, lr)


def _epoch_by_batch_size(weight, x, targets, order, batch_size, lr):
    for chosen in _batches(order, batch_size):
        weight = weight - lr * _gradient(weight, x[chosen], targets[chosen], batch_size)
    return weight


def _epoch_by_count(weight, x, targets, order, batch_size, lr):
    for chosen in _batches(order, batch_size):
        weight = weight - lr * _gradient(weight, x[chosen], targets[chosen], len(x))
    return weight


def _epoch_of_sums(weight, x, targets, order, batch_size, lr):
    for chosen in _batches(order, batch_size):
        weight = weight - lr * _gradient(weight, x[chosen], targets[chosen], 1)
    return weight


def _epoch_uphill(weight, x, targets, order, batch_size, lr):
    return _one_epoch(weight, x, targets, order, batch_size, -lr)


def _epoch_without_lr(weight, x, targets, order, batch_size, lr):
    return _one_epoch(weight, x, targets, order, batch_size, 1)


def _epoch_from_the_start(weight, x, targets, order, batch_size, lr):
    """All gradients are taken at the first weight."""
    gradients = [_gradient(weight, x[chosen], targets[chosen])
                 for chosen in _batches(order, batch_size)]
    return weight - lr * sum(gradients)


def _epoch_of_the_last(weight, x, targets, order, batch_size, lr):
    return _one_epoch(weight, x, targets, _batches(order, batch_size)[-1], batch_size, lr)


def _epoch_of_the_first(weight, x, targets, order, batch_size, lr):
    return _one_epoch(weight, x, targets, order[:batch_size], batch_size, lr)


def _epoch_on_all(weight, x, targets, order, batch_size, lr):
    for _ in _batches(order, batch_size):
        weight = weight - lr * _gradient(weight, x, targets)
    return weight


def _epoch_piling_up(weight, x, targets, order, batch_size, lr):
    """grad += without ever setting it to 0."""
    total = 0
    for chosen in _batches(order, batch_size):
        total = total + _gradient(weight, x[chosen], targets[chosen])
        weight = weight - lr * total
    return weight


def _epoch_by(gradient):
    """Return the epoch whose steps follow gradient(error, x of the batch)."""

    def variant(weight, x, targets, order, batch_size, lr):
        for chosen in _batches(order, batch_size):
            error = x[chosen] @ weight - targets[chosen]
            weight = weight - lr * gradient(error, x[chosen])
        return weight

    return variant


def _epoch_without_the_last(weight, x, targets, order, batch_size, lr):
    """range(0, count - batch_size, batch_size)."""
    starts = len(range(0, len(x) - batch_size, batch_size))
    return _one_epoch(weight, x, targets, order[: starts * batch_size], batch_size, lr)


def _epoch_not_moved(weight, x, targets, order, batch_size, lr):
    return weight


def _epoch_case(count, width, step, batch_size, lr, scale=0.5, dtype=np.float64):
    x = numbers((count, width), count + width, scale, dtype)
    targets = numbers(count, 3 * count + width, scale, dtype)
    return Case((numbers(width, count, scale, dtype), x, targets, shuffled(count, step),
                 batch_size, lr))


ONE_EPOCH = Task(
    id="ex06_mnist/one_epoch",
    function_name="my_one_epoch",
    argument_names=("weight", "x", "targets", "order", "batch_size", "lr"),
    result_name="weight",
    reference=_one_epoch,
    cases=(
        Case((np.array([1.0]), np.array([[1.0], [2.0], [3.0]]), np.array([5.0, 0.0, 1.0]),
              np.array([1, 2, 0]), 1, 0.5)),
        _epoch_case(4, 2, 3, 2, 0.5),
        _epoch_case(5, 2, 3, 2, 0.25),
        _epoch_case(3, 2, 2, 5, 0.5),
        _epoch_case(7, 3, 3, 3, 0.25, 0.25, np.float32),
        _epoch_case(11, 4, 5, 4, 0.1),
    ),
    mistakes=(
        Mistake("targets not shuffled", "the examples are shuffled and their targets are not: each "
                "example is judged by another one's target.",
                _epoch_in(_as_given, _as_it_lies), DATA),
        Mistake("examples not shuffled", "the targets are shuffled and the examples are not: each "
                "example is judged by another one's target.",
                _epoch_in(_as_it_lies, _as_given), DATA),
        Mistake("order ignored", "the examples are taken as they lie: `order` is not used.",
                _epoch_in(_as_it_lies, _as_it_lies), DATA),
        Mistake("last batch dropped", "the last, smaller batch makes no step.",
                _epoch_without_rest, DATA),
        Mistake("always divided by batch_size", "the last batch's gradient is divided by "
                "batch_size although it has fewer examples.", _epoch_by_batch_size, DATA),
        Mistake("divided by all", "each batch's gradient is divided by the number of all examples. "
                "The mean is over the batch.", _epoch_by_count, DATA),
        Mistake("sums", "the gradients of a batch are added up. The loss is a mean, so divide by "
                "the number of examples in the batch.", _epoch_of_sums, DATA),
        Mistake("uphill", "the steps go uphill: subtract lr times the gradient.",
                _epoch_uphill, CHECKS),
        Mistake("lr forgotten", "the learning rate is not used.", _epoch_without_lr, EPOCHS),
        Mistake("all from the start", "all gradients are taken at the first weight. Each batch "
                "begins where the last step ended.", _epoch_from_the_start, EPOCH),
        Mistake("last step only", "only the last batch's step is left: every step begins at the "
                "first weight again.", _epoch_of_the_last, EPOCH),
        Mistake("first step only", "only the first batch makes a step: is the return inside the "
                "loop?", _epoch_of_the_first, EPOCH),
        Mistake("all examples in each step", "each step uses all examples. It should see its "
                "batch only.", _epoch_on_all, DATA),
        Mistake("gradients pile up", "the gradients of earlier batches are still in the sum: "
                "forget them before the next batch.", _epoch_piling_up, DATA),
        Mistake("twice the gradient", "the gradient is twice as large. The loss is *half* the mean "
                "square, so the 2 of the derivative cancels.",
                lambda w, x, t, order, size, lr: _one_epoch(w, x, t, order, size, 2 * lr), EPOCH,
                (lambda w, x, t, order, size, lr: _one_epoch(w, x, t, order, size, lr / 2),)),
        Mistake("two epochs", "the examples are gone through twice. One epoch is one pass.",
                lambda w, *rest: _one_epoch(_one_epoch(w, *rest), *rest), EPOCH),
        Mistake("one example a step", "each example makes a step of its own: `batch_size` is not "
                "used.", lambda w, x, t, order, size, lr: _one_epoch(w, x, t, order, 1, lr),
                EPOCH),
        Mistake("order reversed", "the order is gone through from its end. order[0] comes first.",
                lambda w, x, t, order, *rest: _one_epoch(w, x, t, order[::-1], *rest), EPOCH),
        Mistake("divided by the inputs", "the gradient is divided by the number of inputs, D. The "
                "mean is over the examples of the batch.",
                _epoch_by(lambda error, x: x.T @ error / x.shape[1]), EPOCH),
        Mistake("error not times x", "the error alone is the step, for every weight. Multiply it "
                "by the input of that weight: x transposed, times the error.",
                _epoch_by(lambda error, x: error.mean() + 0 * x[0]), EPOCH,
                (_epoch_by(lambda error, x: error.sum() + 0 * x[0]),)),
        Mistake("sign of the error lost", "the sign of the error or of the gradient is lost: all "
                "weights go down.",
                _epoch_by(lambda error, x: np.abs(x.T @ error) / len(x)), EPOCH,
                (_epoch_by(lambda error, x: x.T @ np.abs(error) / len(x)),)),
        Mistake("uphill, targets not shuffled", "the targets are not shuffled with the examples, "
                "and the steps go uphill.",
                lambda w, x, t, order, size, lr: _epoch_in(_as_given, _as_it_lies)(
                    w, x, t, order, size, -lr), EPOCH),
        Mistake("full batches but the last", "the loop over the batches ends one batch early.",
                _epoch_without_the_last, DATA),
        Mistake("not moved", "the weight comes back as it was: no step was made.",
                _epoch_not_moved, EPOCH),
    ),
    section=EPOCH,
    shape_rule="the shape of weight, (D,)",
)


# How well a classifier does


def _accuracy(logits, labels):
    return float((logits.argmax(axis=1) == labels).mean())


def _argmax_of_images(logits, labels):
    """argmax(axis=0) gives one number for each class: a ValueError unless K = N or N = 1."""
    return float(np.equal(logits.argmax(axis=0), labels).mean())


def _mean_of_classes(logits, labels):
    hits = logits.argmax(axis=1) == labels
    return float(np.mean([hits[labels == k].mean() for k in np.unique(labels)]))


def _one_in_two_best(logits, labels):
    return float((logits.argsort(axis=1)[:, -2:] == labels[:, None]).any(axis=1).mean())


def _logit_above_zero(logits, labels):
    return float((logits[np.arange(len(labels)), labels] > 0).mean())


ACCURACY_TASK = Task(
    id="ex06_mnist/accuracy",
    function_name="my_accuracy",
    argument_names=("logits", "labels"),
    result_name="accuracy",
    reference=_accuracy,
    cases=(
        Case((np.array([[2.0, 5.0, 1.0], [4.0, 0.0, -3.0], [0.0, 1.0, 2.0], [7.0, 6.0, 8.0]]),
              np.array([1, 0, 1, 2]))),
        Case((np.array([[-1.0, -2.0], [-5.0, -3.0], [-2.0, -4.0]]), np.array([0, 0, 1]))),
        Case((np.array([[0.5, 2.0, -1.0], [3.0, 1.0, 2.0], [0.0, -2.0, 1.0]]),
              np.array([1, 0, 1]))),
        Case((np.array([[1.0, -1.0]]), np.array([1]))),
        Case((np.array([[3.0, 1.0, 2.0, -4.0]] * 5, np.float32), np.array([0, 0, 2, 0, 2]))),
        Case((numbers((30, 7), 8) + np.arange(7) / 10, np.arange(30) * 5 % 7)),
    ),
    mistakes=(
        Mistake("wrong axis", "the largest number is looked for down the images (axis 0). Classes "
                "lie along axis 1.", _argmax_of_images, SPREAD),
        Mistake("percent", "this is in percent. Accuracy is a fraction from 0 to 1.",
                lambda *a: 100 * _accuracy(*a), SPREAD,
                (lambda *a: round(100 * _accuracy(*a)), lambda *a: round(100 * _accuracy(*a), 1),
                 lambda *a: round(100 * _accuracy(*a), 2))),
        Mistake("one for each image", "this says of each image whether it is right. Return their "
                "mean, one number.", lambda z, t: z.argmax(axis=1) == t, ACCURACY,
                (lambda z, t: 1.0 * (z.argmax(axis=1) == t),)),
        Mistake("count", "this is the number of right answers: divide by the number of images.",
                lambda z, t: _accuracy(z, t) * len(t), SPREAD),
        Mistake("error rate", "this is the share of wrong answers.",
                lambda *a: 1 - _accuracy(*a), SPREAD,
                (lambda *a: 100 * (1 - _accuracy(*a)),
                 lambda z, t: (1 - _accuracy(z, t)) * len(t))),
        Mistake("classes counted from 1", "the answers are compared with another class: argmax "
                "counts from 0, as the labels do.",
                lambda z, t: float((z.argmax(axis=1) + 1 == t).mean()), ACCURACY,
                (lambda z, t: float((z.argmax(axis=1) == t + 1).mean()),)),
        Mistake("first image only", "only the first image is judged, or the last one. Is the "
                "return inside the loop?",
                lambda z, t: float(z[0].argmax() == t[0]) / len(t), ACCURACY,
                (lambda z, t: float(z[0].argmax() == t[0]),
                 lambda z, t: float(z[-1].argmax() == t[-1]),
                 lambda z, t: float(z[-1].argmax() == t[-1]) / len(t))),
        Mistake("divided by another number", "the number of right answers is divided by one more "
                "or one less than the number of images.",
                lambda z, t: _accuracy(z, t) * len(t) / (len(t) + 1), ACCURACY,
                (lambda z, t: _accuracy(z, t) * len(t) / max(len(t) - 1, 1),)),
        Mistake("each logit judged", "every logit is judged by itself, above 0 or not. An image "
                "has one answer, the class with the largest logit.",
                lambda z, t: float(((z > 0) == np.eye(z.shape[1])[t]).mean()), ACCURACY,
                (lambda z, t: float(((z > 0.5) == np.eye(z.shape[1])[t]).mean()),)),
        Mistake("rounded", "the fraction is rounded. Leave its digits.",
                lambda *a: round(_accuracy(*a), 1), ACCURACY,
                (lambda *a: round(_accuracy(*a), 2), lambda *a: round(_accuracy(*a), 3))),
        Mistake("smallest logit", "the class with the smallest logit is taken. The answer is the "
                "one with the largest.",
                lambda z, t: float((z.argmin(axis=1) == t).mean()), ACCURACY),
        Mistake("size of the logit", "the minus signs of the logits are lost: a logit of −5 is "
                "less than one of −3.", lambda z, t: _accuracy(np.abs(z), t), ACCURACY),
        Mistake("divided by classes", "the number of right answers is divided by the number of "
                "classes, not of images.",
                lambda z, t: _accuracy(z, t) * len(t) / z.shape[1], SPREAD),
        Mistake("divided by all logits", "the number of right answers is divided by the number of "
                "all logits, N·K. Divide by the number of images.",
                lambda z, t: _accuracy(z, t) / z.shape[1], SPREAD),
        Mistake("mean over classes", "each class counts the same here, however many images it "
                "has. Each image counts once.", _mean_of_classes, SPREAD),
        Mistake("one of the two best", "the right class may also be second here. Only the largest "
                "logit counts.", _one_in_two_best, ACCURACY),
        Mistake("logit above 0", "an image counts as right where the logit of its class is above "
                "a fixed number. It must be the largest of its row.", _logit_above_zero, ACCURACY,
                (lambda z, t: _logit_above_zero(z - 0.5, t),)),
        Mistake("values compared", "the labels are compared with the largest logits themselves. "
                "argmax gives their places.",
                lambda z, t: float((z.max(axis=1) == t).mean()), ACCURACY),
        Mistake("one answer for all", "one class is answered for all images: argmax without an "
                "axis looks at the whole array at once.",
                lambda z, t: float((z.argmax() == t).mean()), ACCURACY),
        Mistake("whole number", "it is 0 wherever not all images are right: is the fraction "
                "cut to a whole number, or is a comparison never true?",
                lambda *a: int(_accuracy(*a)), ACCURACY, (lambda *a: round(_accuracy(*a)),)),
    ),
    section=ACCURACY,
    shape_rule="a fraction from 0 to 1",
    keeps_dtype=False,
)


# Its interval


def _ends(p, n, z=1.96, top=2, inside=4, shrink=None, **changes):
    """Return Wilson's interval; top and inside are its 2 and 4, shrink its 1 + z²/n."""
    centre, half = _centre_and_half(p, n, z, top, inside, shrink, **changes)
    return centre - half, centre + half


def _centre_and_half(p, n, z=1.96, top=2, inside=4, shrink=None, centre_moved_by=None,
                     under_root=None, spread=lambda p, n: p * (1 - p) / n, size=lambda v: v):
    """centre_moved_by, under_root(z, n): z²/2n and z²/4n²; spread(p, n): p(1−p)/n."""
    shrink = 1 + z * z / n if shrink is None else shrink
    moved = centre_moved_by(z, n) if centre_moved_by else z * z / (top * n) if top else 0
    second = under_root(z, n) if under_root else z * z / (inside * n * n) if inside else 0
    with np.errstate(invalid="ignore"):
        return (p + moved) / shrink, z * np.sqrt(size(spread(p, n) + second)) / shrink


def _product(of_p):
    return lambda correct, n: _ends(correct / n, n, spread=lambda p, n: of_p(p) / n)


def _centre_not_shrunk(correct, n):
    centre, half = _centre_and_half(correct / n, n)
    return centre * (1 + 1.96**2 / n) - half, centre * (1 + 1.96**2 / n) + half


def _with_root_of(p, n, z=1.96):
    centre, half = _centre_and_half(p, n)
    return centre - half / np.sqrt(z), centre + half / np.sqrt(z)


def _wilson(correct, n):
    return _ends(correct / n, n)


def _interval(**changes):
    """Return the variant with other constants in the formula."""

    def variant(correct, n):
        return _ends(correct / n, n, **changes)

    return variant


def _half_width_times(factor):
    def variant(correct, n):
        low, high = _wilson(correct, n)
        centre, half = (low + high) / 2, (high - low) / 2
        return centre - factor * half, centre + factor * half

    return variant


def _plus_four(correct, n):
    """Agresti and Coull: two right and two wrong answers more, then the plain formula."""
    return _ends((correct + 2) / (n + 4), n + 4, top=0, inside=0, shrink=1)


def _half_not_shrunk(correct, n):
    low, high = _wilson(correct, n)
    centre, half = (low + high) / 2, (high - low) / 2 * (1 + 1.96**2 / n)
    return centre - half, centre + half


def _centre_not_moved(correct, n):
    low, high = _wilson(correct, n)
    half = (high - low) / 2
    return correct / n - half, correct / n + half


WILSON = Task(
    id="ex06_mnist/wilson",
    function_name="my_wilson",
    argument_names=("correct", "n"),
    result_name=("low", "high"),
    reference=_wilson,
    cases=(
        Case((np.array([195]), 200)),
        Case((np.array([25, 20, 0]), 25)),
        Case((np.array([1, 2, 3]), 3)),
        Case((np.array([0, 1]), 1)),
        Case((np.array([30, 50, 60, 97]), 100)),
        Case((np.array([9830, 9790]), 10000)),
    ),
    mistakes=(
        Mistake("plain interval", "this is the plain interval p ± z·sqrt(p(1−p)/n). It claims "
                "certainty from 25 right of 25.", _interval(top=0, inside=0, shrink=1), SPREAD),
        Mistake("swapped", "low and high have changed places.",
                lambda *a: _wilson(*a)[::-1], INTERVAL,
                tuple(lambda correct, n, z=z: _ends(correct / n, n, z=z)[::-1]
                      for z in (1.0, 1.645, 2.0, 2.576))),
        Mistake("centre and half", "these are the centre and the half width. Return centre − half "
                "and centre + half.", lambda correct, n: _centre_and_half(correct / n, n),
                INTERVAL),
        Mistake("brackets of 2n", "z²/2n is computed as z²/2·n. Put the denominator in brackets: "
                "z * z / (2 * n).", _interval(centre_moved_by=lambda z, n: z * z / 2 * n), INTERVAL,
                (_interval(centre_moved_by=lambda z, n: z * z / 2 * n,
                           under_root=lambda z, n: z * z / 4 * n**2),)),
        Mistake("brackets of 4n²", "z²/4n² is computed as z²/4·n². Put the denominator in "
                "brackets: z * z / (4 * n * n).",
                _interval(under_root=lambda z, n: z * z / 4 * n**2),
                INTERVAL),
        Mistake("counts for shares", "p is the number of right answers. It is their share, "
                "correct / n.", lambda correct, n: _ends(correct, n, size=np.abs), INTERVAL,
                (lambda correct, n: _ends(correct, n),)),
        Mistake("z missing in the half width", "the half width is not multiplied by z.",
                _half_width_times(1 / 1.96), INTERVAL),
        Mistake("z not squared", "in 1 + z²/n the z is not squared.",
                lambda correct, n: _ends(correct / n, n, shrink=1 + 1.96 / n), INTERVAL),
        Mistake("root of z too", "z is under the root. It stands in front of it.",
                lambda correct, n: _with_root_of(correct / n, n), INTERVAL),
        Mistake("another product", "under the root stands another product than p·(1 − p).",
                _product(lambda p: p * (1 + p)), INTERVAL,
                (_product(lambda p: p * p), _product(lambda p: (1 - p) ** 2),
                 _product(lambda p: p), _product(lambda p: 1 - p))),
        Mistake("brackets of p", "p * 1 - p is p − p, or what / n leaves of it: 1 − p needs its "
                "brackets.", lambda correct, n: _ends(
                    correct / n, n, spread=lambda p, n: p * 1 - p / n), INTERVAL,
                (_product(lambda p: p * 1 - p),)),
        Mistake("centre not divided", "the centre is not divided by 1 + z²/n. Both parts are.",
                _centre_not_shrunk, INTERVAL),
        Mistake("rounded", "the ends are rounded. Leave their digits.",
                lambda *a: tuple(end.round(2) for end in _wilson(*a)), INTERVAL,
                (lambda *a: tuple(end.round(3) for end in _wilson(*a)),)),
        Mistake("percent", "these are percent. The ends are fractions from 0 to 1.",
                lambda *a: tuple(100 * end for end in _wilson(*a)), INTERVAL),
        Mistake("errors", "this is the interval of the wrong answers: p is the share of right "
                "ones.", lambda correct, n: _wilson(n - correct, n), INTERVAL),
        Mistake("z forgotten", "the interval is that of z = 1, for 68 %. For 95 %, z is 1.96.",
                _interval(z=1.0), INTERVAL),
        Mistake("another z", "the interval is for another probability than 95 %: z is 1.96.",
                _interval(z=1.645), INTERVAL, (_interval(z=2.576), _interval(z=3.0),
                                               _interval(z=2.0), _interval(z=0.95))),
        Mistake("not divided", "neither the centre nor the half width is divided by 1 + z²/n.",
                _interval(shrink=1), INTERVAL),
        Mistake("half width not divided", "the half width is not divided by 1 + z²/n. Both parts "
                "are.", _half_not_shrunk, INTERVAL),
        Mistake("centre not moved", "the centre is p itself. It is (p + z²/2n) / (1 + z²/n), a "
                "little nearer to one half.", _centre_not_moved, INTERVAL),
        Mistake("centre too high", "z²/n is added to p where z²/2n belongs: half as much.",
                _interval(top=1), INTERVAL),
        Mistake("centre too low", "nothing is added to p before the division: the centre is "
                "(p + z²/2n) / (1 + z²/n).", _interval(top=0), INTERVAL),
        Mistake("second term missing", "z²/4n² is missing under the root.",
                _interval(inside=0), INTERVAL),
        Mistake("second term too large", "the second term under the root is too large: it is "
                "z²/4n², with a 4 and with n squared.", _interval(inside=1), INTERVAL,
                (lambda correct, n: _ends(correct / n, n, inside=4 / n),
                 lambda correct, n: _ends(correct / n, n, inside=2))),
        Mistake("plus four", "this is the “plus four” interval, a good one, but another. The one "
                "asked for is Wilson's.", _plus_four, INTERVAL),
        Mistake("twice as wide", "the interval is twice as wide as it should be.",
                _half_width_times(2), INTERVAL),
        Mistake("half as wide", "the interval is half as wide as it should be: the half width "
                "goes to each side.", _half_width_times(0.5), INTERVAL),
        Mistake("root forgotten", "the root is missing: half = z·sqrt(...) / (1 + z²/n).",
                lambda correct, n: _without_root(correct / n, n), INTERVAL),
    ),
    section=INTERVAL,
    shape_rule=("one number for each of correct, (M,)", "one number for each of correct, (M,)"),
    keeps_dtype=False,
)


def _without_root(p, n, z=1.96):
    centre, shrink = (p + z * z / (2 * n)) / (1 + z * z / n), 1 + z * z / n
    half = z * (p * (1 - p) / n + z * z / (4 * n * n)) / shrink
    return centre - half, centre + half


# Who is taken for whom


def _confusion_matrix(labels, predicted, classes):
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def _counted_once(labels, predicted, classes):
    return np.minimum(_confusion_matrix(labels, predicted, classes), 1)


def _as_many_as_seen(labels, predicted, classes):
    seen = max(labels.max(), predicted.max()) + 1
    return _confusion_matrix(labels, predicted, classes)[:seen, :seen]


def _from_class_one(labels, predicted, classes):
    return _confusion_matrix((labels - 1) % classes, (predicted - 1) % classes, classes)


def _too_far_by_one(labels, predicted, classes):
    if max(labels.max(), predicted.max()) + 1 >= classes:
        raise IndexError("index is out of bounds")
    return _confusion_matrix(labels + 1, predicted + 1, classes)


def _rows_of_shares(labels, predicted, classes):
    counts = _confusion_matrix(labels, predicted, classes)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def _columns_of_shares(labels, predicted, classes):
    counts = _confusion_matrix(labels, predicted, classes)
    return counts / np.maximum(counts.sum(axis=0, keepdims=True), 1)


def _one_class_too_few(labels, predicted, classes):
    """counts[t - 1, p - 1] in a table of classes - 1: −1 is the last row, and it fits."""
    counts = np.zeros((classes - 1, classes - 1))
    np.add.at(counts, (labels - 1, predicted - 1), 1)
    return counts


def _diagonal_only(labels, predicted, classes):
    return np.diag(np.diag(_confusion_matrix(labels, predicted, classes)))


def _mistakes_only(*arguments):
    return _confusion_matrix(*arguments) - _diagonal_only(*arguments)


def _both_ways(*arguments):
    counts = _confusion_matrix(*arguments)
    return counts + counts.T


CONFUSION_MATRIX = Task(
    id="ex06_mnist/confusion_matrix",
    function_name="my_confusion_matrix",
    argument_names=("labels", "predicted", "classes"),
    result_name="counts",
    reference=_confusion_matrix,
    cases=(
        Case((np.array([0, 1, 1]), np.array([0, 1, 0]), 2)),
        Case((np.array([2, 0, 2, 2, 1]), np.array([2, 1, 0, 0, 1]), 3)),
        Case((np.array([0, 2, 0, 0]), np.array([2, 1, 2, 2]), 4)),
        Case((np.array([1]), np.array([0]), 3)),
        Case((np.arange(40) * 3 % 5, np.arange(40) * 7 % 4, 6)),
        Case((np.arange(200) * 7 % 10, (np.arange(200) * 7 % 10 + (np.arange(200) % 9 == 0)) % 10,
              10)),
    ),
    mistakes=(
        Mistake("transposed", "rows and columns are swapped: the row is the true class, the "
                "column the answer.", lambda t, p, k: _confusion_matrix(p, t, k), SPREAD),
        Mistake("counted once", "each pair is counted once at most. Add 1 for every image; "
                "counts[labels, predicted] += 1 adds only one for all equal pairs.",
                _counted_once, CONFUSED, (lambda *a: _counted_once(*a).T,)),
        Mistake("as many classes as seen", "the matrix has only as many rows as classes were seen. "
                "It has `classes` rows and columns, empty ones too.", _as_many_as_seen, CONFUSED),
        Mistake("classes from 1", "every count is one row and one column too far up: classes "
                "begin with 0.", _from_class_one, CONFUSED),
        Mistake("one too far", "every count is one row and one column too far down: class 0 is "
                "row 0.", _too_far_by_one, CONFUSED),
        Mistake("shares of the row", "each row is divided by its sum. Asked for are the counts.",
                _rows_of_shares, SPREAD),
        Mistake("shares of all", "the counts are divided by the number of images. Asked for are "
                "the counts.", lambda t, p, k: _confusion_matrix(t, p, k) / len(t), SPREAD),
        Mistake("diagonal only", "only the right answers are counted. The mistakes are what the "
                "matrix is for.", _diagonal_only, SPREAD),
        Mistake("mistakes only", "the right answers are missing: they are the diagonal.",
                _mistakes_only, SPREAD),
        Mistake("answers ignored", "each image is counted at its true class in both directions. "
                "The column is the answer.", lambda t, p, k: _confusion_matrix(t, t, k), SPREAD),
        Mistake("labels ignored", "each image is counted at its answer in both directions. The row "
                "is the true class.", lambda t, p, k: _confusion_matrix(p, p, k), SPREAD),
        Mistake("both ways", "each image is counted in its own cell and in the mirrored one.",
                _both_ways, CONFUSED),
        Mistake("one long row", "the counts stand in one long row. Cut it into `classes` rows: "
                "reshape(classes, classes).",
                lambda t, p, k: _confusion_matrix(t, p, k).ravel(), CONFUSED),
        Mistake("whole rows", "a whole row or column is counted up for each image. It adds 1 in "
                "one place, row truth and column answer. And [[0] * k] * k is one list k times, "
                "not k lists.",
                lambda t, p, k: np.repeat(np.bincount(t, minlength=k)[:, None], k, axis=1),
                CONFUSED, (lambda t, p, k: np.repeat(np.bincount(p, minlength=k)[None], k, axis=0),
                           lambda t, p, k: np.bincount(t, minlength=k))),
        Mistake("shares of the column", "each column is divided by its sum. Asked for are the "
                "counts.", _columns_of_shares, SPREAD),
        Mistake("as many numbers as seen", "np.bincount gives as many numbers as the largest one "
                "asks for: minlength=classes**2 makes it a whole table.",
                lambda t, p, k: np.bincount(t * k + p).reshape(k, k), CONFUSED),
        Mistake("all pairs", "every label is paired with every answer. Image n has the pair "
                "labels[n], predicted[n]: go through both side by side, with zip.",
                lambda t, p, k: np.outer(np.bincount(t, minlength=k), np.bincount(p, minlength=k)),
                CONFUSED),
        Mistake("first image only", "only the first image is counted. Is the return inside the "
                "loop?", lambda t, p, k: _confusion_matrix(t[:1], p[:1], k), CONFUSED),
        Mistake("mistakes only, transposed", "only the mistakes are counted, at the answer's row. "
                "Count every image, in the row of its true class.",
                lambda *a: _mistakes_only(*a).T, CONFUSED),
        Mistake("one class too few", "the matrix has one row and one column too few: classes are "
                "counted from 0, so there are `classes` of them.",
                lambda t, p, k: _confusion_matrix((t - 1) % (k - 1), (p - 1) % (k - 1), k - 1)
                if k > 2 else np.array([[len(t)]]), CONFUSED,
                (lambda t, p, k: _one_class_too_few(t, p, k),)),
        Mistake("counted twice", "each image is counted twice.",
                lambda *a: 2 * _confusion_matrix(*a), CONFUSED),
        Mistake("begun with ones", "every count is too large by one. Begin with zeros.",
                lambda *a: _confusion_matrix(*a) + 1, CONFUSED),
        Mistake("last image forgotten", "the last image is not counted.",
                lambda t, p, k: _confusion_matrix(t[:-1], p[:-1], k), CONFUSED),
        Mistake("first image forgotten", "the first image is not counted: places begin with 0.",
                lambda t, p, k: _confusion_matrix(t[1:], p[1:], k), CONFUSED),
        Mistake("all zeros", "every count is 0: the array was made, but nothing was counted.",
                lambda t, p, k: np.zeros((k, k)), CONFUSED),
    ),
    section=CONFUSED,
    shape_rule="(classes, classes): a row for each true class, a column for each answer",
    keeps_dtype=False,
)

TASKS = (BATCH_MEANS, SGD_STEP, ONE_EPOCH, ACCURACY_TASK, WILSON, CONFUSION_MATRIX, MOMENTUM_STEP)
