"""What the checks of ex07 know: kernels that ask a question, and squares that hide an answer.

A mistake is a deliberately wrong variant of the task's function with the sentence that a student
reads who makes it. Only `course_lib.check` imports this module; it imports only NumPy and tasks.
"""

import numpy as np

from course_lib.check.tasks import Case, Mistake, Section, Task, small_numbers

KERNELS = Section("07_what_filters_learn", "A kernel is a question that you can write")
SLOPES = Section("07_what_filters_learn", "The gradient can also point at the image")
TURN = Section("ex07_filters", "7.2 Write the function: `my_oriented_edge`")
MATCHED = Section("ex07_filters", "7.3 Write the function: `my_matched_filter`")
CORRELATION = Section("ex07_filters", "7.4 Write the function: `my_normalised_correlation`")
COVERED = Section("ex07_filters", "7.5 Repair a bug: `my_occlusion`")


def numbers(shape, start: int, scale: float = 1.0, dtype=np.float64) -> np.ndarray:
    """Return an array of small numbers, the same everywhere."""
    return (small_numbers(int(np.prod(shape)), start).reshape(shape) * scale).astype(dtype)


# A kernel, turned

RING = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))  # clockwise


def _turned(kernel, steps, ring=RING):
    """Move the numbers on the ring by so many places; the middle stays."""
    rows, columns = np.transpose(ring)
    turned = kernel.copy()
    turned[rows, columns] = np.roll(kernel[rows, columns], steps)
    return turned


def _oriented_edge(kernel, angle):
    return _turned(kernel, angle // 45)


def _quarter_turns_only(kernel, angle):
    return np.rot90(kernel, -(angle // 90))


def _quarter_for_each_step(kernel, angle):
    return np.rot90(kernel, -(angle // 45))


def _reading_order(kernel, angle):
    return np.roll(kernel, angle // 45)


def _ring_by_rows(kernel, angle):
    """Roll the eight outer numbers as they are read, row by row."""
    return _turned(kernel, angle // 45, [(i, j) for i in range(3) for j in range(3) if i * j != 1])


def _middle_lost(kernel, angle):
    turned = _oriented_edge(kernel, angle)
    turned[1, 1] = 0
    return turned


def _corners_stay(kernel, angle):
    turned = _oriented_edge(kernel, angle)
    turned[::2, ::2] = kernel[::2, ::2]
    return turned


def _prewitt(kernel, angle):
    """The lesson's kernels, whichever was given."""
    edge = np.array([[-1, 0, 1]] * 3, kernel.dtype)
    return _oriented_edge(edge, angle)


def _transposed_first(kernel, angle):
    return _oriented_edge(kernel.T, angle)


ORIENTED_EDGE = Task(
    id="ex07_filters/oriented_edge",
    function_name="my_oriented_edge",
    argument_names=("kernel", "angle"),
    result_name="turned",
    reference=_oriented_edge,
    cases=(
        Case((np.array([[-1.0, 0, 1]] * 3), 0)),
        Case((np.array([[-1.0, 0, 1]] * 3), 45)),
        Case((np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]), 90)),
        Case((np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]), 135)),
        Case((np.array([[-3.0, -3, 5], [-3, 0, 5], [-3, -3, 5]]), 45)),
        Case((np.array([[1, 2, 3], [8, -36, 4], [7, 6, 5]], np.float32), 135)),
        Case((numbers((3, 3), 7, 0.5), 90)),
        Case((numbers((3, 3), 4, 0.25) + 1, 45)),
    ),
    mistakes=(
        Mistake("wrong way", "the kernel is turned the other way round. Here it turns clockwise, "
                "as seen with row 0 at the top.", lambda k, a: _turned(k, -(a // 45)), TURN),
        Mistake("one step too many", "the kernel is turned 45° too far: at 0° it stays as it is.",
                lambda k, a: _turned(k, a // 45 + 1), TURN),
        Mistake("one step too few", "the kernel is turned 45° too little.",
                lambda k, a: _turned(k, a // 45 - 1), TURN),
        Mistake("angle as steps", "the angle is used as the number of steps. One step is 45°.",
                lambda k, a: _turned(k, a), TURN),
        Mistake("two steps for one", "the kernel is turned twice as far as it should be.",
                lambda k, a: _turned(k, 2 * (a // 45)), TURN, (_quarter_for_each_step,)),
        Mistake("quarter turns only", "45° and 135° are cut down to whole quarter turns. Move the "
                "eight outer numbers, one place for each 45°.", _quarter_turns_only, TURN,
                (lambda k, a: np.rot90(k, a // 90),)),
        Mistake("rolled row by row", "the numbers move on in reading order, the middle with them. "
                "They should go round the middle.", _reading_order, TURN),
        Mistake("ring read row by row", "the outer numbers are moved in reading order. List their "
                "places as a walk round the middle.", _ring_by_rows, TURN),
        Mistake("middle lost", "the number in the middle is lost: it stays where it is.",
                _middle_lost, TURN),
        Mistake("corners stay", "the corners do not move. Corners and edges take turns on the "
                "ring.", _corners_stay, TURN),
        Mistake("not turned", "the kernel comes back as it was.", lambda k, a: k.copy(), TURN),
        Mistake("transposed", "rows and columns are swapped before the turn, also at 0°.",
                _transposed_first, TURN),
        Mistake("written out", "these are the lesson's four kernels, whichever kernel comes in. "
                "Turn the one that is given.", _prewitt, KERNELS),
        Mistake("sign changed", "the turn is right, but every number has the wrong sign: light "
                "and dark have changed places.", lambda k, a: -_oriented_edge(k, a), KERNELS),
    ),
    section=TURN,
    shape_rule="(3, 3)",
)


# A pattern becomes its detector


def _unit(values):
    """Divide by the length; what has no length stays 0."""
    length = np.sqrt((values**2).sum())
    return values / length if length > 1e-6 else np.zeros_like(values)


def _matched_filter(pattern):
    return _unit(pattern - pattern.mean())


def _divided(by, less=np.mean):
    """Return the variant (pattern - less(pattern)) / by(what is left); 0 where that is 0."""

    def variant(pattern):
        rest = pattern - less(pattern)
        length = by(rest)
        return rest / length if abs(length) > 1e-6 else np.zeros_like(rest)

    return variant


def _length(values):
    return np.sqrt((values**2).sum())


def _length_of_the_pattern(pattern):
    rest = pattern - pattern.mean()
    return rest / _length(pattern) if _length(pattern) else rest


def _flat_kept(pattern):
    """Without contrast, the pattern is left as it is."""
    return _matched_filter(pattern) if np.ptp(pattern) else pattern.copy()


MATCHED_FILTER = Task(
    id="ex07_filters/matched_filter",
    function_name="my_matched_filter",
    argument_names=("pattern",),
    result_name="kernel",
    reference=_matched_filter,
    cases=(
        Case((np.array([[0.0, 2.0], [0.0, 2.0]]),)),
        Case((np.array([[3.0, 0.0, 1.0], [2.0, 4.0, 2.0]]),)),
        Case((np.full((2, 3), 4.0),)),
        Case((numbers((4, 3), 5, 0.5),)),
        Case((numbers((3, 5), 8, 0.25, np.float32) + np.float32(1),)),
        Case((numbers((1, 6), 9),)),
    ),
    mistakes=(
        Mistake("mean not taken off", "the mean is not subtracted: this kernel also answers to "
                "plain brightness. Its numbers must add up to 0.", _unit, KERNELS),
        Mistake("not scaled", "the mean is gone, but the length is not 1: divide by the root of "
                "the sum of squares.", lambda pattern: pattern - pattern.mean(), MATCHED),
        Mistake("divided by the sum of squares", "it is divided by the sum of squares. The length "
                "is the root of that.", _divided(lambda rest: (rest**2).sum()), MATCHED),
        Mistake("divided by the sum of sizes", "it is divided by the sum of |values|. The length "
                "is the root of the sum of squares.", _divided(lambda rest: np.abs(rest).sum()),
                MATCHED),
        Mistake("divided by the largest", "it is divided by the largest value. The length is the "
                "root of the sum of squares.", _divided(lambda rest: rest.max()), MATCHED,
                (_divided(lambda rest: np.abs(rest).max()),)),
        Mistake("divided by the standard deviation", "it is divided by the standard deviation. "
                "Then the mean square is 1; here the sum of squares is.",
                _divided(lambda rest: rest.std()), MATCHED,
                (_divided(lambda rest: rest.std(ddof=1)),)),
        Mistake("length of the pattern", "the length is that of the pattern with its mean. First "
                "take the mean off, then measure the length.", _length_of_the_pattern, MATCHED),
        Mistake("mean of each row", "each row loses its own mean. It is one mean, of all numbers.",
                _divided(_length, lambda p: p.mean(axis=1, keepdims=True)), MATCHED),
        Mistake("mean of each column", "each column loses its own mean: mean(axis=0). It is one "
                "mean, of all numbers.",
                _divided(_length, lambda p: p.mean(axis=0, keepdims=True)), MATCHED),
        Mistake("median", "the median is subtracted, not the mean: the numbers must add up to 0.",
                _divided(_length, np.median), MATCHED),
        Mistake("smallest taken off", "the smallest number is subtracted, not the mean.",
                _divided(_length, np.min), MATCHED),
        Mistake("sum taken off", "the sum is subtracted, not the mean.",
                _divided(_length, np.sum), MATCHED),
        Mistake("turned by 180°", "the kernel is rotated by 180°. The layer does not flip it, so "
                "neither should you.", lambda p: _matched_filter(p)[::-1, ::-1], MATCHED),
        Mistake("sign changed", "the sign is wrong: bright should be positive.",
                lambda p: -_matched_filter(p), KERNELS),
        Mistake("flat pattern kept", "a pattern without contrast comes back as it is. Take off the "
                "mean: zeros are left.", _flat_kept, MATCHED),
    ),
    section=MATCHED,
    shape_rule="the shape of pattern",
)


# Looking for a pattern, whatever the light


def _windows(image, pattern):
    return np.lib.stride_tricks.sliding_window_view(image, pattern.shape)


def _correlation(of_window=_matched_filter, of_pattern=_matched_filter):
    """Return the function that multiplies window and pattern, each made ready by its own rule."""

    def correlate(image, pattern):
        windows, kernel = _windows(image, pattern), of_pattern(pattern)
        y = np.zeros(windows.shape[:2], image.dtype)
        for i, j in np.ndindex(y.shape):
            y[i, j] = (of_window(windows[i, j]) * kernel).sum()
        return y

    return correlate


_normalised = _correlation()


def _less_mean(values):
    return values - values.mean()


def _by_whole_image(image, pattern):
    """The image loses its mean and gets length 1 as a whole, its windows do not."""
    return _correlation(lambda window: window)(_matched_filter(image), pattern)


def _less_mean_of_image(image, pattern):
    return _correlation(_unit)(image - image.mean(), pattern)


def _same_size(image, pattern):
    (above, left), (KH, KW) = ((size - 1) // 2 for size in pattern.shape), pattern.shape
    sides = ((above, KH - 1 - above), (left, KW - 1 - left))
    return _normalised(np.pad(image, sides), pattern)


def _last_missing(image, pattern):
    return _normalised(image, pattern)[:-1, :-1]


def _last_zero(image, pattern):
    y = _normalised(image, pattern)
    y[-1], y[:, -1] = 0, 0
    return y


def _side_by_side(image, pattern):
    """Windows next to each other, not one pixel on."""
    KH, KW = pattern.shape
    return _normalised(image, pattern)[::KH, ::KW]


def _whole_answers(image, pattern):
    return np.trunc(_normalised(image, pattern))


def _correlation_case(image, pattern, start, scale=1.0, dtype=np.float64):
    return Case((numbers(image, start, scale, dtype), numbers(pattern, start + 3, scale, dtype)))


def _with_a_flat_corner():
    image = numbers((5, 6), 3)
    image[:3, :3] = 2
    return Case((image, np.array([[1.0, 2.0], [0.0, 5.0]])))


NORMALISED_CORRELATION = Task(
    id="ex07_filters/normalised_correlation",
    function_name="my_normalised_correlation",
    argument_names=("image", "pattern"),
    result_name="y",
    reference=_normalised,
    cases=(
        Case((np.array([[0.0, 2.0, 4.0], [3.0, 1.0, 4.0], [0.0, 5.0, 2.0]]),
              np.array([[0.0, 1.0], [3.0, 2.0]]))),
        _correlation_case((3, 4), (2, 2), 4),
        _correlation_case((4, 3), (2, 3), 5),
        _with_a_flat_corner(),
        _correlation_case((5, 7), (3, 2), 7, 0.5),
        _correlation_case((6, 5), (1, 3), 9, 0.25),
        _correlation_case((8, 7), (3, 4), 2, 0.25, np.float32),
        _correlation_case((3, 4), (3, 4), 8),
    ),
    mistakes=(
        Mistake("windows not scaled", "the windows are not scaled to length 1: bright windows win. "
                "Each window needs its own length.", _correlation(_less_mean), CORRELATION),
        Mistake("pattern not scaled", "the pattern is not scaled to length 1.",
                _correlation(of_pattern=_less_mean), CORRELATION,
                (_correlation(of_pattern=np.copy),)),
        Mistake("nothing scaled", "neither the windows nor the pattern are scaled to length 1.",
                _correlation(_less_mean, _less_mean), CORRELATION),
        Mistake("plain correlation", "this is the plain sum of products. Patch and window each "
                "lose their mean and get length 1 first.", _correlation(np.copy, np.copy),
                CORRELATION),
        Mistake("means not taken off", "neither mean is subtracted, only the lengths are 1: plain "
                "brightness counts as likeness.", _correlation(_unit, _unit), KERNELS),
        Mistake("windows keep their mean", "the windows keep their mean, which makes them too "
                "long: subtract it before the length is measured.", _correlation(_unit),
                CORRELATION),
        Mistake("mean of the image", "every window loses the mean of the whole image. Each has its "
                "own.", _less_mean_of_image, CORRELATION),
        Mistake("scaled as a whole", "the image is scaled as a whole. Each window has its own mean "
                "and length.", _by_whole_image, CORRELATION),
        Mistake("pattern rotated", "the pattern is rotated by 180°: it slides as it is.",
                _correlation(of_pattern=lambda p: _matched_filter(p)[::-1, ::-1]), KERNELS),
        Mistake("size of the answer", "minus signs are lost. −1 says: the same pattern, light and "
                "dark exchanged.", lambda *a: np.abs(_normalised(*a)), CORRELATION),
        Mistake("negative cut off", "negative answers are set to 0; they say that light and dark "
                "are exchanged.", lambda *a: np.maximum(_normalised(*a), 0), CORRELATION),
        Mistake("squared", "the answers are squared.", lambda *a: _normalised(*a) ** 2,
                CORRELATION),
        Mistake("mean of products", "the products are averaged. Add them up: then a perfect match "
                "gives 1.", lambda image, pattern: _normalised(image, pattern) / pattern.size,
                CORRELATION),
        Mistake("last row and column missing", "the last row and column of y are missing: there "
                "are H − KH + 1 rows.", _last_missing, CORRELATION),
        Mistake("last row and column left zero", "the last row and column of y are never computed. "
                "Do your loops end one step early?", _last_zero, CORRELATION),
        Mistake("windows side by side", "the windows stand next to each other. Move on by one "
                "pixel.", _side_by_side, CORRELATION),
        Mistake("padded", "the image is padded with zeros, so that y is as large as it. Here the "
                "pattern stays inside.", _same_size, CORRELATION),
        Mistake("output transposed", "rows and columns of y are swapped.",
                lambda *a: _normalised(*a).T, CORRELATION),
        Mistake("whole numbers", "the digits after the decimal point are lost, which leaves "
                "zeros: is y made with dtype=int, or is nothing written into it?",
                _whole_answers, CORRELATION),
    ),
    section=CORRELATION,
    shape_rule="(OH, OW) = (H - KH + 1, W - KW + 1)",
)


# What does the score need?


def _score(image, weight):
    return (image * weight).sum()


def _covering(change=lambda before, after: before - after, area=lambda size, i, j: (
              slice(i, i + size), slice(j, j + size)), fill=lambda grey: grey, piling_up=False):
    """Return the occlusion with another rule for the fall, the square, its grey, or the start."""

    def occlude(image, weight, size, grey):
        y = np.zeros((image.shape[0] - size + 1, image.shape[1] - size + 1), image.dtype)
        before, hidden = _score(image, weight), image.copy()
        for i, j in np.ndindex(y.shape):
            hidden = hidden if piling_up else image.copy()
            hidden[area(size, i, j)] = fill(grey)
            y[i, j] = change(before, _score(hidden, weight))
        return y

    return occlude


_occlusion = _covering()


def _outside_covered(image, weight, size, grey):
    """All but the square is covered."""
    y = np.zeros((image.shape[0] - size + 1, image.shape[1] - size + 1), image.dtype)
    for i, j in np.ndindex(y.shape):
        hidden = np.full_like(image, grey)
        square = slice(i, i + size), slice(j, j + size)
        hidden[square] = image[square]
        y[i, j] = _score(image, weight) - _score(hidden, weight)
    return y


def _restored_at_each_row(image, weight, size, grey):
    y = np.zeros((image.shape[0] - size + 1, image.shape[1] - size + 1), image.dtype)
    for i in range(len(y)):
        hidden = image.copy()
        for j in range(len(y[0])):
            hidden[i : i + size, j : j + size] = grey
            y[i, j] = _score(image, weight) - _score(hidden, weight)
    return y


def _fall_since_the_last(image, weight, size, grey):
    """Squares pile up, and each is compared with the one before."""
    y = _covering(piling_up=True)(image, weight, size, grey)
    return np.diff(y.ravel(), prepend=0).reshape(y.shape)


def _nothing_falls(image, weight, size, grey):
    """hidden = image: the score before is taken of the covered image, too."""
    return np.zeros_like(_occlusion(image, weight, size, grey))


def _no_last_square(*arguments):
    return _occlusion(*arguments)[:-1, :-1]


def _occlusion_left_zero(*arguments):
    y = _occlusion(*arguments)
    y[-1], y[:, -1] = 0, 0
    return y


def _occlusion_side_by_side(image, weight, size, grey):
    return _occlusion(image, weight, size, grey)[::size, ::size]


def _occlusion_case(shape, size, grey, start, scale=0.5, dtype=np.float64):
    image = np.abs(numbers(shape, start, scale, dtype))
    return Case((image, numbers(shape, start + 5, scale, dtype), size, grey))


OCCLUSION = Task(
    id="ex07_filters/occlusion",
    function_name="my_occlusion",
    argument_names=("image", "weight", "size", "grey"),
    result_name="y",
    reference=_occlusion,
    cases=(
        Case((np.array([[1.0, 2.0, 0.0], [4.0, 3.0, 1.0]]),
              np.array([[1.0, -1.0, 2.0], [3.0, 0.0, 1.0]]), 1, 0.5)),
        _occlusion_case((3, 4), 2, 0.5, 4),
        _occlusion_case((4, 3), 2, 0.0, 7),
        _occlusion_case((5, 7), 3, 0.5, 3),
        _occlusion_case((6, 5), 2, 0.25, 8, 0.25, np.float32),
        _occlusion_case((3, 4), 3, 1.0, 2),
    ),
    mistakes=(
        Mistake("squares pile up", "the squares pile up: what was covered once stays covered. "
                "Begin each time with a fresh copy of the image.",
                _covering(piling_up=True), COVERED),
        Mistake("squares pile up in a row", "the squares of one row pile up. A fresh copy is "
                "needed for each square, not for each row.", _restored_at_each_row, COVERED),
        Mistake("since the last", "each score is compared with that of the square before. Compare "
                "it with the image that is not covered.", _fall_since_the_last, COVERED),
        Mistake("rise", "the sign is wrong: y is the fall, the score before minus the score "
                "after.", _covering(lambda before, after: after - before), SLOPES),
        Mistake("score after", "these are the scores of the covered images. The fall is the score "
                "before minus them.", _covering(lambda before, after: after), SLOPES),
        Mistake("size of the fall", "minus signs are lost. Where the score rises, the fall is "
                "negative.", _covering(lambda before, after: abs(before - after)), SLOPES),
        Mistake("negative cut off", "negative falls are set to 0. A square can also hide what "
                "spoke against the class.",
                _covering(lambda before, after: max(before - after, 0)), SLOPES),
        Mistake("nothing falls", "every fall is 0: is `hidden` a second name for the image, not a "
                "copy? Or is nothing written into y?", _nothing_falls, COVERED),
        Mistake("black", "the squares are 0 instead of `grey`.", _covering(fill=lambda grey: 0),
                COVERED),
        Mistake("white", "the squares are 1 instead of `grey`.", _covering(fill=lambda grey: 1),
                COVERED),
        Mistake("one pixel", "only one pixel is covered, whatever `size` says.",
                _covering(area=lambda size, i, j: (i, j)), COVERED),
        Mistake("square too large", "the square is one row and one column too large: a slice ends "
                "before its stop, i + size.",
                _covering(area=lambda size, i, j: (slice(i, i + size + 1), slice(j, j + size + 1))),
                COVERED),
        Mistake("square too small", "the square is one row and one column too small: a slice ends "
                "before its stop, i + size.",
                _covering(area=lambda size, i, j: (slice(i, i + size - 1), slice(j, j + size - 1))),
                COVERED),
        Mistake("outside covered", "everything but the square is covered.", _outside_covered,
                COVERED),
        Mistake("last row and column missing", "the last row and column of y are missing: there "
                "are H − size + 1 rows.", _no_last_square, COVERED),
        Mistake("last row and column left zero", "the last row and column of y are never computed. "
                "Do your loops end one step early?", _occlusion_left_zero, COVERED),
        Mistake("squares side by side", "the squares stand next to each other. Move on by one "
                "pixel.", _occlusion_side_by_side, COVERED),
    ),
    section=COVERED,
    shape_rule="(H - size + 1, W - size + 1)",
)

TASKS = (ORIENTED_EDGE, MATCHED_FILTER, NORMALISED_CORRELATION, OCCLUSION)
