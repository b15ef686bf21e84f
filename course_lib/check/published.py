"""What the checks of five published mistakes know: for each a repair, and a test that proves it.

A test is asked about five functions, some of them right: it must tell which. Only
`course_lib.check` imports this module; it uses the library's operations.
"""

import numpy as np

from course_lib.check.backprop_layers import ADDRESS, GATES, numbers
from course_lib.check.published_proofs import proof
from course_lib.check.tasks import Case, Mistake, Section, Task
from course_lib.losses import softmax_cross_entropy

EXERCISE = "ex11_reported_vs_measured"
HIDES = Section("11_reported_vs_measured", "Accuracy hides most bugs")
CHOICES = Section("11_reported_vs_measured", "A choice made on test images is not a result")
FROZEN = Section("05b_backpropagation_convolution", "In the wild: a first layer that never learned")
MAPS = Section("01_convolution", "From one number to a batch of maps")


def _repair(name, argument_names, reference, cases, mistakes, section, **rest):
    return Task(
        id=f"{EXERCISE}/repair_{name}", function_name=f"repaired_{name}",
        argument_names=argument_names, reference=reference, cases=cases, mistakes=mistakes,
        section=section, **rest,
    )


# 1: one step of training a network of two layers


def _gradients(x, labels, first, second):
    """Return (dfirst, dsecond, hidden, the gradient at hidden before ReLU's gate)."""
    hidden = np.maximum(x @ first, 0)
    _, dlogits = softmax_cross_entropy(hidden @ second, labels)
    dhidden = dlogits @ second.T
    return x.T @ (dhidden * (hidden > 0)), hidden.T @ dlogits, hidden, dhidden


def step(x, labels, first, second, lr):
    dfirst, dsecond, *_ = _gradients(x, labels, first, second)
    return first - lr * dfirst, second - lr * dsecond


def _moved(by_first, by_second, at=lambda lr, N: lr):
    """Return the variant that moves the layers by these multiples of −lr times the gradient."""

    def variant(x, labels, first, second, lr):
        dfirst, dsecond, *_ = _gradients(x, labels, first, second)
        lr = at(lr, len(x))
        return first - by_first * lr * dfirst, second - by_second * lr * dsecond

    return variant


def _with_first(change):
    """Return the variant whose dfirst is change(x, hidden, dhidden)."""

    def variant(x, labels, first, second, lr):
        _, dsecond, hidden, dhidden = _gradients(x, labels, first, second)
        return first - lr * change(x, hidden, dhidden), second - lr * dsecond

    return variant


def _second_first(x, labels, first, second, lr):
    moved = _moved(0, 1)(x, labels, first, second, lr)[1]
    hidden = np.maximum(x @ first, 0)
    _, dlogits = softmax_cross_entropy(hidden @ second, labels)
    return first - lr * (x.T @ (dlogits @ moved.T * (hidden > 0))), moved


def _forward_twice(x, labels, first, second, lr):
    """Move the second layer, then compute everything anew for the first."""
    moved = _moved(0, 1)(x, labels, first, second, lr)[1]
    return first - lr * _gradients(x, labels, first, moved)[0], moved


def _first_first(x, labels, first, second, lr):
    """Move the first layer, then compute everything anew for the second."""
    moved = step(x, labels, first, second, lr)[0]
    return moved, second - lr * _gradients(x, labels, moved, second)[1]


def _without_relu(gate):
    """Return the variant whose hidden values are x @ first itself."""

    def variant(x, labels, first, second, lr):
        hidden = x @ first
        _, dlogits = softmax_cross_entropy(hidden @ second, labels)
        dhidden = dlogits @ second.T * (hidden > 0 if gate else 1)
        return first - lr * (x.T @ dhidden), second - lr * (hidden.T @ dlogits)

    return variant


def _step_case(N, features, units, classes, seed, lr=0.5, dtype=np.float64):
    return Case((numbers((N, features), seed, dtype, 0.5), np.arange(seed, seed + N) % classes,
                 numbers((features, units), seed + 1, dtype, 0.5),
                 numbers((units, classes), seed + 2, dtype, 0.5), lr))


STEP = _repair(
    "step", ("x", "labels", "first", "second", "lr"), step,
    (
        Case((np.array([[1.0, 2]]), np.array([1]), np.array([[1.0, -1], [0.5, 1]]),
              np.array([[1.0, 0], [0, 2]]), 0.5)),
        _step_case(2, 3, 4, 3, 11), _step_case(5, 2, 6, 4, 14, 0.15),
        _step_case(7, 6, 3, 2, 17, 0.25, np.float32), _step_case(4, 4, 4, 4, 23, 1.0),
    ),
    (
        Mistake("first frozen", "the first layer still does not move: a step must change both.",
                _moved(0, 1), FROZEN),
        Mistake("last frozen", "now the first layer moves and the last does not: the loop ends one "
                "too early, or `return` stands inside it.", _moved(1, 0), FROZEN),
        Mistake("nothing moves", "neither layer moves: the loop has nothing to walk over, or "
                "changes copies that are not returned.", _moved(0, 0), FROZEN),
        Mistake("uphill", "a layer moves up the gradient: the step is minus lr times the gradient.",
                _moved(-1, -1), FROZEN, (_moved(-1, 1), _moved(1, -1))),
        Mistake("moved twice", "a layer moves twice as far as it should: is it updated inside the "
                "loop and once more outside?", _moved(2, 1), FROZEN,
                (_moved(1, 2), _moved(2, 2))),
        Mistake("lr forgotten", "the steps are not multiplied by lr.",
                _moved(1, 1, lambda lr, N: 1), FROZEN),
        Mistake("lr a constant", "the steps are multiplied by 0.5, whatever lr is: use the "
                "argument lr.", _moved(1, 1, lambda lr, N: 0.5), FROZEN),
        Mistake("divided by N again", "the steps are divided by the number of examples. The mean "
                "is taken once, in the loss, and its 1/N is in dlogits already.",
                _moved(1, 1, lambda lr, N: lr / N), GATES),
        Mistake("not averaged", "the steps are N times too long: the mean over the examples is "
                "lost.", _moved(1, 1, lambda lr, N: lr * N), GATES),
        Mistake("second moved first", "the first layer's gradient is computed with the second "
                "layer's new weights. All gradients belong to one moment: first all of them, "
                "then the step.", _second_first, FROZEN, (_forward_twice,)),
        Mistake("first moved first", "the second layer's gradient is computed with the first "
                "layer's new weights: are the gradients computed inside the loop? First all of "
                "them, then the step.", _first_first, FROZEN),
        Mistake("gate forgotten", "ReLU's gate is missing in the first layer's gradient: where "
                "hidden is 0, nothing flows back.",
                _with_first(lambda x, hidden, dhidden: x.T @ dhidden), GATES),
        Mistake("gate the wrong way round", "ReLU's gate is open where it should be closed.",
                _with_first(lambda x, hidden, dhidden: x.T @ (dhidden * (hidden <= 0))), GATES),
        Mistake("multiplied by hidden", "the first layer's gradient is multiplied by hidden itself "
                "instead of by ReLU's slope, which is 0 or 1.",
                _with_first(lambda x, hidden, dhidden: x.T @ (dhidden * hidden)), GATES),
        Mistake("gradients returned", "these are the gradients. Return the new weights.",
                lambda x, t, a, b, lr: _gradients(x, t, a, b)[:2], FROZEN),
        Mistake("steps returned", "these are the steps alone, −lr times the gradients. Return the "
                "new layers: the old ones and their steps, added.",
                lambda x, t, a, b, lr: tuple(-lr * g for g in _gradients(x, t, a, b)[:2]), FROZEN),
        Mistake("ReLU forgotten", "hidden is not set to 0 where it is negative: ReLU is missing "
                "on the way forward.", _without_relu(True), FROZEN, (_without_relu(False),)),
        Mistake("two steps", "it makes two steps, one after the other. Asked for is one.",
                lambda x, t, a, b, lr: step(x, t, *step(x, t, a, b, lr), lr), FROZEN),
        Mistake("swapped", "the two layers have changed places: return the first one first.",
                lambda *a: step(*a)[::-1], FROZEN),
    ),
    FROZEN, result_name=("new_first", "new_second"),
    shape_rule=("the shape of first, (features, units)", "the shape of second, (units, classes)"),
)


# 2: a convolution whose output has the layout of its input


def convolution(x, weight):
    (H, W, _), (KH, KW, _, F) = x.shape, weight.shape
    y = np.zeros((H - KH + 1, W - KW + 1, F), np.result_type(x, weight))
    for i, j in np.ndindex(*y.shape[:2]):
        y[i, j] = np.einsum("uvc,uvcf->f", x[i : i + KH, j : j + KW], weight)
    return y


def _moved_axes(*order):
    return lambda x, weight: convolution(x, weight).transpose(order)


def _reshaped(*order):
    def variant(x, weight):
        y = convolution(x, weight)
        return y.transpose(order).reshape(y.shape)
    return variant


def _one_channel(k):
    return lambda x, weight: convolution(x[:, :, [k]], weight[:, :, [k]])


def _swapped_loops(x, weight):
    """As loops read it: an IndexError unless there are as many filters as channels."""
    if weight.shape[2] != weight.shape[3]:
        raise IndexError("index is out of bounds")
    return convolution(x, weight.swapaxes(2, 3))


def _layout_case(x, weight, seed, dtype=np.float64):
    return Case((numbers(x, seed, dtype), numbers(weight, seed + 1, dtype, 0.5)))


LAYOUT = _repair(
    "layout", ("x", "weight"), convolution,
    (
        Case((np.array([[[1.0], [2]], [[3], [4]]]), np.array([[[[1.0, 10]]]]))),
        _layout_case((3, 4, 2), (2, 2, 2, 3), 31), _layout_case((6, 6, 1), (3, 3, 1, 4), 33),
        _layout_case((5, 7, 3), (2, 3, 3, 2), 36, np.float32),
        _layout_case((4, 3, 4), (1, 1, 4, 4), 39), _layout_case((4, 4, 2), (4, 4, 2, 3), 41),
    ),
    (
        Mistake("channels first", "the filters are still the first axis of y. It is the last one: "
                "y must be laid out as x is.", _moved_axes(2, 0, 1), MAPS),
        Mistake("reshaped", "y has the right shape and the numbers in the wrong places: reshape "
                "keeps the order in memory. Move the axis.", _reshaped(2, 0, 1), MAPS,
                (_reshaped(2, 1, 0),)),
        Mistake("rows and columns swapped", "rows and columns have changed places: swapping the "
                "first and the last axis is one move too many.", _moved_axes(1, 0, 2), MAPS),
        Mistake("filters in the middle", "the filters are the middle axis of y. They come last.",
                _moved_axes(0, 2, 1), MAPS, (_moved_axes(2, 1, 0), _moved_axes(1, 2, 0))),
        Mistake("kernel flipped", "the kernel is rotated by 180°. The rows and columns were right "
                "before; only the axes of y were not.",
                lambda x, w: convolution(x, w[::-1, ::-1]), MAPS),
        Mistake("one channel only", "only one channel of x is used. A filter has a slice for each "
                "channel, and their products are added.", _one_channel(-1), MAPS,
                (_one_channel(0),)),
        Mistake("channels averaged", "the channels are averaged. A filter adds them.",
                lambda x, w: convolution(x, w) / x.shape[2], MAPS),
        Mistake("window averaged", "the sum over the window is divided by its size.",
                lambda x, w: convolution(x, w) / w[..., 0].size, MAPS,
                (lambda x, w: convolution(x, w) / w[..., 0, 0].size,)),
        Mistake("one filter everywhere", "every map is that of one filter: the number of the "
                "filter is not used on one side.",
                lambda x, w: np.repeat(convolution(x, w)[..., -1:], w.shape[3], axis=2), MAPS,
                (lambda x, w: np.repeat(convolution(x, w)[..., :1], w.shape[3], axis=2),)),
        Mistake("filters added up", "the filters are added up to one map. Each has a map of its "
                "own.", lambda x, w: convolution(x, w).sum(axis=2, keepdims=True), MAPS,
                (lambda x, w: convolution(x, w).sum(axis=2),)),
        Mistake("one row too few", "the last row and column of y are missing: there are "
                "H − KH + 1 of them.", lambda x, w: convolution(x, w)[:-1, :-1], MAPS),
        Mistake("channels and filters swapped", "the last two indices of the weight have changed "
                "places: first the channel of x, then the filter.",
                lambda x, w: convolution(x, w.swapaxes(2, 3)), MAPS, (_swapped_loops,)),
    ),
    MAPS, result_name="y", shape_rule="(OH, OW, F), rows, columns, filters: laid out as x is",
    keeps_dtype=False,
)


# 3: an average pool whose gradient must keep its fractions


def _shared(dy, x, by=4.0, into=None, how=lambda share: share):
    dx = np.zeros(x.shape, dy.dtype if into is None else into)
    for i, j in np.ndindex(*dy.shape[2:]):
        dx[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = how(dy[:, :, i, j, None, None] / by)
    return dx


def _in_images_dtype(dy, x):
    with np.errstate(invalid="ignore"):
        return _shared(dy, x, into=x.dtype)


def _added_in_images_dtype(dy, x):
    dx = np.zeros_like(x)
    for i, j in np.ndindex(*dy.shape[2:]):
        dx[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] += dy[:, :, i, j, None, None] / 4
    return dx


def _one_corner(dy, x, by=1.0):
    dx = np.zeros(x.shape, dy.dtype)
    OH, OW = dy.shape[2:]
    dx[:, :, : 2 * OH : 2, : 2 * OW : 2] = dy / by
    return dx


def _to_the_largest(dy, x):
    """As a max pool does it."""
    dx = np.zeros(x.shape, dy.dtype)
    for n, c, i, j in np.ndindex(*dy.shape):
        window = x[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        dx[n, c, 2 * i + window.argmax() // 2, 2 * j + window.argmax() % 2] = dy[n, c, i, j]
    return dx


def _repeated(dy, x):
    return (dy / 4).repeat(2, axis=2).repeat(2, axis=3)


def _by_brightness(dy, x):
    return _shared(dy, x) * x.astype(dy.dtype)


def _pool_case(shape, seed, dtype, images=np.float64):
    N, C, H, W = shape
    x = np.abs(numbers(shape, seed + 1)).astype(images)
    return Case((numbers((N, C, H // 2, W // 2), seed, dtype, 0.5) + dtype(0.25), x))


FRACTIONS = _repair(
    "average", ("dy", "x"), _shared,
    (
        Case((np.array([[[[2.0]]]]), np.array([[[[9, 0], [3, 4]]]], np.uint8))),
        _pool_case((1, 1, 2, 4), 51, np.float64, np.uint8),
        _pool_case((1, 2, 5, 3), 53, np.float64, np.int64),
        _pool_case((2, 1, 4, 6), 56, np.float32, np.uint8),
        _pool_case((3, 2, 6, 5), 58, np.float32, np.float32),
        _pool_case((1, 1, 3, 2), 61, np.float64),
    ),
    (
        Mistake("fractions cut off", "the fractions are still cut off: on its way the gradient is "
                "stored in the images' dtype, whole numbers, and what is lost there no astype "
                "brings back. Make the array for it in the dtype of dy.", _in_images_dtype,
                ADDRESS),
        Mistake("added to whole numbers", "dx still has the images' dtype, and NumPy refuses to "
                "add fractions to whole numbers. Give dx the dtype of dy.",
                _added_in_images_dtype, ADDRESS),
        Mistake("rounded", "the shares are rounded to whole numbers. A share of 0.5 is 0.5.",
                lambda dy, x: _shared(dy, x, how=np.round), ADDRESS),
        Mistake("floor division", "the shares are divided with //, which rounds down.",
                lambda dy, x: _shared(dy, x, how=np.floor), ADDRESS),
        Mistake("not divided", "every pixel gets all of dy. Four share it.",
                lambda dy, x: _shared(dy, x, by=1.0), ADDRESS),
        Mistake("divided by two", "dy is divided by 2, the side of the window. Four pixels share "
                "it.", lambda dy, x: _shared(dy, x, by=2.0), ADDRESS),
        Mistake("divided twice", "dy is divided by 4 twice.",
                lambda dy, x: _shared(dy, x, by=16.0), ADDRESS),
        Mistake("one corner only", "only one pixel of each window gets a gradient. All four took "
                "part in the mean.", lambda dy, x: _one_corner(dy, x, 4.0), ADDRESS,
                (_one_corner, _to_the_largest, lambda dy, x: _to_the_largest(dy, x) / 4)),
        Mistake("last row missing", "where the windows do not fill the image, dx is too small. "
                "Pixels that no window read get 0.", _repeated, ADDRESS),
        Mistake("multiplied by x", "the gradient is multiplied by the pixels. A mean has the slope "
                "1/4 for every pixel, however bright.", _by_brightness, ADDRESS),
        Mistake("dy ignored", "dy is not used: the slope alone is not the gradient.",
                lambda dy, x: _shared(np.ones_like(dy), x), ADDRESS),
        Mistake("all zeros", "every gradient is 0.",
                lambda dy, x: np.zeros(x.shape, dy.dtype), ADDRESS),
    ),
    ADDRESS, result_name="dx", shape_rule="the shape of x, (N, C, H, W)",
)


# 4: the gradient of binary cross-entropy


def _sigmoid(z):
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)


def _usual_loss(z, p, t):
    """log(1 + exp(z)) − t z, without the large numbers that cancel: nudges of it can be trusted."""
    return (np.maximum(z, 0) - t * z + np.log1p(np.exp(-np.abs(z)))).mean()


def _bce(change=lambda p, t, N, z: (p - t) / N, loss=None):
    """Return the variant with dz = change(p, t, N, z), and perhaps another loss(z, p, t)."""
    def variant(z, t):
        p = _sigmoid(z)
        return (loss or _usual_loss)(z, p, t), change(p, t, len(z), z)

    return variant


def _clipped(least):
    """Return the loss that never sees a probability nearer to 0 or 1 than this."""
    def loss(z, p, t):
        p = np.clip(p, least, 1 - least)
        with np.errstate(divide="ignore", invalid="ignore"):
            return -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()
    return loss


def _slope(p):
    return p * (1 - p)


BCE = _repair(
    "bce", ("z", "t"), _bce(),
    (
        Case((np.array([-2.0]), np.array([1]))),
        Case((np.array([3.0, -1]), np.array([0, 0]))),
        Case((np.array([0.0, 6, -6, 2]), np.array([1, 0, 1, 1]))),
        Case((np.array([0.5, -0.5, 1.5], np.float32), np.array([0, 1, 1]))),
        Case((np.array([20.0, -20, 4, -4, 1]), np.array([0, 1, 1, 0, 1]))),
        Case((np.array([40.0, -40, 40]), np.array([0, 1, 1]))),
    ),
    (
        Mistake("slope kept", "the factor p(1 − p) is still there. In cross-entropy it cancels; "
                "where the network is wrong and sure, it is almost 0, and nothing is learned.",
                _bce(lambda p, t, N, z: (p - t) * _slope(p) / N), GATES,
                (_bce(lambda p, t, N, z: (p - t) * _slope(p)),)),
        Mistake("half of the slope kept", "half of the factor p(1 − p) is still there. In "
                "cross-entropy both halves cancel.",
                _bce(lambda p, t, N, z: (p - t) * p / N), GATES,
                (_bce(lambda p, t, N, z: (p - t) * (1 - p) / N),)),
        Mistake("swapped", "the two results have changed places: first the loss, then dz.",
                lambda z, t: _bce()(z, t)[::-1], GATES),
        Mistake("clipped", "the probability is clipped before its logarithm is taken: where the "
                "network is wrong and sure, the loss stops rising. log(1 + exp(z)) − t z needs "
                "no clipping, as np.logaddexp(0, z) - t * z.",
                _bce(loss=_clipped(1e-7)), GATES,
                tuple(_bce(loss=_clipped(10.0**-n)) for n in (2, 3, 4, 5, 6, *range(8, 16)))),
        Mistake("logarithm of 0", "for a network that is very sure, p is exactly 0 or 1 in "
                "floating point, and log(0) is infinite. The loss that was there needs no p.",
                _bce(loss=_clipped(0)), GATES),
        Mistake("p clipped in dz", "the probability is clipped before the difference is taken: "
                "the gradient of one that is sure is wrong then. p − t needs no clipping.",
                _bce(lambda p, t, N, z: (np.clip(p, 1e-3, 1 - 1e-3) - t) / N), GATES,
                tuple(_bce(lambda p, t, N, z, n=n: (np.clip(p, n, 1 - n) - t) / N,
                           loss=_clipped(n) if both else None)
                      for n in (1e-2, 1e-3) for both in (False, True))),
        Mistake("loss replaced", "now loss and gradient fit together, but it is another loss: the "
                "mean squared error. Keep the cross-entropy and repair its gradient.",
                _bce(lambda p, t, N, z: 2 * (p - t) * _slope(p) / N,
                     lambda z, p, t: ((p - t) ** 2).mean()), GATES,
                (_bce(lambda p, t, N, z: (p - t) * _slope(p) / N,
                      lambda z, p, t: ((p - t) ** 2).mean() / 2),)),
        Mistake("slope divided away twice", "this is the gradient with respect to the "
                "probabilities, (p − t) / (p(1 − p)). Asked for is the one with respect to z.",
                _bce(lambda p, t, N, z: (p - t) / _slope(p) / N), GATES,
                (_bce(lambda p, t, N, z: (p - t) / _slope(p)),)),
        Mistake("not divided by N", "the loss is a mean over N examples, and its gradient carries "
                "1/N.", _bce(lambda p, t, N, z: p - t), GATES),
        Mistake("only t divided by N", "only t is divided by N: division comes before "
                "subtraction. It is (p − t) / N, in brackets.",
                _bce(lambda p, t, N, z: p - t / N), GATES),
        Mistake("divided by N twice", "dz is divided by N twice.",
                _bce(lambda p, t, N, z: (p - t) / N**2), GATES),
        Mistake("sign", "all signs are wrong: it is p − t. Where t is 1, raising z lowers the "
                "loss.", _bce(lambda p, t, N, z: (t - p) / N), GATES),
        Mistake("truth missing", "the truth is missing: this is p.",
                _bce(lambda p, t, N, z: p / N), GATES, (_bce(lambda p, t, N, z: p),)),
        Mistake("only the ones", "only examples with t = 1 get a gradient. Those with t = 0 have "
                "the term (1 − t) log(1 − p).",
                _bce(lambda p, t, N, z: t * (p - 1) / N), GATES,
                (_bce(lambda p, t, N, z: t * (p - 1) / N,
                      lambda z, p, t: (t * np.logaddexp(0, -z)).mean()),)),
        Mistake("hard answers", "the probability is rounded to 0 or 1 before the difference is "
                "taken.", _bce(lambda p, t, N, z: ((p > 0.5) - t) / N), GATES,
                (_bce(lambda p, t, N, z: ((p >= 0.5) - t) / N),)),
        Mistake("logits for probabilities", "z is used where p belongs: the sigmoid is missing.",
                _bce(lambda p, t, N, z: (z - t) / N), GATES),
        Mistake("slope only", "this is the slope of the sigmoid alone.",
                _bce(lambda p, t, N, z: _slope(p) / N), GATES,
                (_bce(lambda p, t, N, z: _slope(p)),)),
        Mistake("loss summed", "the gradient is right, but the loss is a sum now. It is the mean.",
                _bce(loss=lambda z, p, t: (np.logaddexp(0, z) - t * z).sum()), GATES,
                (_bce(lambda p, t, N, z: p - t,
                      lambda z, p, t: (np.logaddexp(0, z) - t * z).sum()),)),
    ),
    GATES, result_name=("loss", "dz"), shape_rule=("a number", "the shape of z, (N,)"),
    keeps_dtype=False,
)


# 5: a study that chooses one of several settings


def study(validation, test):
    chosen = int(np.argmax(validation))
    return chosen, float(test[chosen])


def _study(choose, report=lambda v, t, k: t[k]):
    """Return the variant that chooses with choose(v, t) and reports report(v, t, chosen)."""

    def variant(validation, test):
        chosen = int(choose(validation, test))
        return chosen, float(report(validation, test, chosen))

    return variant


def _by_validation(v, t):
    return np.argmax(v)


def _by_test(v, t):
    return np.argmax(t)


STUDY = _repair(
    "study", ("validation", "test"), study,
    (
        Case((np.array([0.90, 0.94, 0.92]), np.array([0.93, 0.91, 0.89]))),
        Case((np.array([0.92, 0.95, 0.90, 0.91]), np.array([0.91, 0.92, 0.99, 0.90]))),
        Case((np.array([0.97, 0.93, 0.95, 0.94, 0.92]), np.array([0.96, 0.98, 0.97, 0.90, 0.91]))),
        Case((np.array([0.5, 0.6]), np.array([0.75, 0.7]))),
        Case((np.array([0.81, 0.82, 0.83, 0.84, 0.80, 0.79]),
              np.array([0.82, 0.86, 0.80, 0.81, 0.85, 0.78]))),
        Case((np.array([0.9012, 0.9034, 0.8951]), np.array([0.9578, 0.8123, 0.9036]))),
    ),
    (
        Mistake("chosen on the test set", "the setting is still chosen by its test score. Then the "
                "test images have taken part in the choice.",
                _study(_by_test), CHOICES),
        Mistake("best test score reported", "the setting is chosen on the validation images, but "
                "the score that is reported is the best of all test scores. Report that of the "
                "chosen setting.", _study(_by_validation, lambda v, t, k: t.max()), CHOICES),
        Mistake("validation score reported", "the score of the chosen setting on the validation "
                "images is reported. It was chosen for being high: report its test score.",
                _study(_by_validation, lambda v, t, k: v[k]), CHOICES),
        Mistake("chosen on test, reported on validation", "the two sets have changed places: "
                "choose on the validation images, report on the test images.",
                _study(_by_test, lambda v, t, k: v[k]), CHOICES),
        Mistake("chosen on both", "the test scores take part in the choice. The validation "
                "scores choose alone.", _study(lambda v, t: (v + t).argmax()), CHOICES,
                (_study(lambda v, t: np.maximum(v, t).argmax()),
                 _study(lambda v, t: np.minimum(v, t).argmax()),
                 *(_study(lambda v, t, n=n: (n * v + (1 - n) * t).argmax())
                   for n in (0.9, 0.8, 0.75, 0.7, 0.6)))),
        Mistake("rounded", "the score is rounded. Report it as it is.",
                _study(_by_validation, lambda v, t, k: round(float(t[k]), 2)), CHOICES,
                (_study(_by_validation, lambda v, t, k: round(float(t[k]), 3)),)),
        Mistake("mean of both reported", "the mean of validation and test score is reported. The "
                "validation score of a winner is too high: report the test score alone.",
                _study(_by_validation, lambda v, t, k: (v[k] + t[k]) / 2), CHOICES,
                (_study(lambda v, t: (v + t).argmax(), lambda v, t, k: (v[k] + t[k]) / 2),)),
        Mistake("mean of all settings", "the mean test score of all settings is reported. Report "
                "that of the chosen one.",
                _study(_by_validation, lambda v, t, k: t.mean()), CHOICES),
        Mistake("worst chosen", "the setting with the lowest validation score is chosen. These are "
                "accuracies, not losses.", _study(lambda v, t: v.argmin()), CHOICES),
        Mistake("no choice", "always the same setting is returned: nothing is chosen.",
                _study(lambda v, t: len(v) - 1), CHOICES, (_study(lambda v, t: 0),)),
        Mistake("counted from one", "chosen is one too large: places begin with 0.",
                lambda v, t: (study(v, t)[0] + 1, study(v, t)[1]), CHOICES),
        Mistake("swapped", "the two results have changed places: first which setting, then its "
                "score.", lambda v, t: study(v, t)[::-1], CHOICES),
        Mistake("percent", "the score is in percent. Report the fraction as it was given.",
                _study(_by_validation, lambda v, t, k: 100 * t[k]), CHOICES),
    ),
    CHOICES, result_name=("chosen", "reported"),
    shape_rule=("the place of the chosen setting", "its score"), keeps_dtype=False,
)


# Five tests that prove it: each is asked about five functions


def _repeated_whole(dy, x):
    dx = np.zeros(x.shape, dy.dtype)
    shares = _repeated(dy, x)
    dx[:, :, : shares.shape[2], : shares.shape[3]] = shares
    return dx


def _windows(x, weight):
    seen = np.lib.stride_tricks.sliding_window_view(x, weight.shape[:2], axis=(0, 1))
    return np.tensordot(seen, weight, axes=((3, 4, 2), (0, 1, 2)))


PROOFS = (
    proof(
        EXERCISE, "step", "step(x, labels, first, second, lr)", (step, _moved(1, 1)),
        (
            ("never moves the first layer, the published bug", _moved(0, 1),
             "Compare the first layer before and after."),
            ("never moves the last layer", _moved(1, 0), "Compare every layer."),
            ("walks uphill", _moved(-1, -1), "Moving is not enough: does the loss fall?"),
        ), HIDES,
    ),
    proof(
        EXERCISE, "layout", "convolution(x, weight)", (convolution, _windows),
        (
            ("puts the filters first, the published bug", _moved_axes(2, 0, 1),
             "Take sizes that are all different: with 6 filters on 6×6 maps nobody notices."),
            ("reshapes instead of moving the axis", _reshaped(2, 0, 1),
             "A shape is not enough, nor one number or a sum: compare all numbers, of an x whose "
             "pixels all differ."),
            ("swaps rows and columns", _moved_axes(1, 0, 2), "Take an image that is not square."),
        ), HIDES,
    ),
    proof(
        EXERCISE, "average", "backward(dy, x)", (_shared, _repeated_whole),
        (
            ("cuts the fractions off for whole-number images, the published bug", _in_images_dtype,
             "Give it images of integers and a dy that four does not divide, and compare closely."),
            ("gives every pixel half of dy", lambda dy, x: _shared(dy, x, by=2.0),
             "What goes in must come out: compare the sums."),
            ("gives all of dy to one corner", _one_corner,
             "The sum is right there: look at the single pixels."),
        ), HIDES,
    ),
    proof(
        EXERCISE, "bce", "loss(z, t)", (_bce(), _bce(lambda p, t, N, z: p / N - t / N)),
        (
            ("keeps the slope of the sigmoid, the published formula",
             _bce(lambda p, t, N, z: (p - t) * _slope(p) / N), "Nudge z and look at the loss."),
            ("forgets 1/N", _bce(lambda p, t, N, z: p - t), "Take more than one example."),
            ("cuts z off at ±3", _bce(lambda p, t, N, z: (_sigmoid(np.clip(z, -3, 3)) - t) / N),
             "Take some z beyond ±3, where a network is sure."),
        ), HIDES,
    ),
    proof(
        EXERCISE, "study", "study(validation, test)",
        (study, _study(lambda v, t: np.argsort(v)[-1])),
        (
            ("chooses by the test scores, as two published studies did", _study(_by_test),
             "Give it scores whose best places differ."),
            ("reports the validation score", _study(_by_validation, lambda v, t, k: v[k]),
             "Compare the score, too, with one that differs from the validation score."),
            ("reports the best test score of all",
             _study(_by_validation, lambda v, t, k: np.max(t)),
             "The score must be that of the chosen setting."),
            ("names another setting than the one whose score it reports",
             lambda v, t: (study(v, t)[0] - 1, study(v, t)[1]),
             "Look at the choice, too, not only at the score."),
        ), CHOICES,
    ),
)

REPAIRS = (STEP, LAYOUT, FRACTIONS, BCE, STUDY)
TASKS = tuple(task for pair in zip(PROOFS, REPAIRS, strict=True) for task in pair)
