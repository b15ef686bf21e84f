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


def _with_middle_0(turned):
    turned[1, 1] = 0
    return turned


def _step_by_step(turned, kernel, angle, places, wrap=True):
    """Move the first `places` numbers of the walk; kernel None: read what was written already."""
    for place in range(places):
        to = place + angle // 45
        turned[RING[to % 8 if wrap else min(to, 7)]] = (
            turned if kernel is None else kernel)[RING[place]]
    return turned


def _walk_without_return(kernel, angle):
    """walk[place + steps] for place 7 and 1 step: an IndexError."""
    if angle:
        raise IndexError("list index out of range")
    return kernel.copy()


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
                _middle_lost, TURN, (lambda k, a: _with_middle_0(_turned(k, -(a // 45))),)),
        Mistake("moved sideways", "the columns, or the rows, are moved as they are. The outer "
                "numbers go round the middle.", lambda k, a: np.roll(k, a // 45, axis=1), TURN,
                (lambda k, a: np.roll(k, a // 45, axis=0),)),
        Mistake("a place missing in the walk", "a place is missing in the walk: there are eight, "
                "the last of them (1, 0), left of the middle.",
                lambda k, a: _turned(k, a // 45, RING[:7]), TURN,
                (lambda k, a: _turned(k, a // 45, RING[1:]),)),
        Mistake("last number left behind", "the last number of the walk does not move. Does your "
                "loop end one step early?", lambda k, a: _step_by_step(k.copy(), k, a, 7), TURN),
        Mistake("written over", "numbers are written over before they are read: `kernel` and the "
                "result are one array. Make a copy first.",
                lambda k, a: _step_by_step(k.copy(), None, a, 8), TURN),
        Mistake("walk does not close", "behind the last place of the walk comes the first one "
                "again: (place + steps) % 8.", _walk_without_return, TURN,
                (lambda k, a: _step_by_step(k.copy(), k, a, 8, wrap=False),)),
        Mistake("one step for every angle", "every angle makes one step. 45° is one, 90° two, 135° "
                "three: angle // 45.", lambda k, a: _turned(k, int(a > 0)), TURN),
        Mistake("a step for 90°", "one step is taken for 90°. One step is 45°.",
                lambda k, a: _turned(k, a // 90), TURN),
        Mistake("edges stay", "only the corners move. Corners and edges take turns on the ring.",
                lambda k, a: _turned(k, a // 45, RING[::2]), TURN,
                (lambda k, a: _turned(k, a // 45, RING[1::2]),)),
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


def _quiet(variant, *arguments):
    with np.errstate(all="ignore"):
        return variant(*arguments)


def _by_square_of_sum(pattern):
    rest = pattern - pattern.mean()
    return rest / np.sqrt(rest.sum() ** 2)


def _divided_always(pattern):
    rest = pattern - pattern.mean()
    return _quiet(lambda: rest / _length(rest))


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
        Mistake("flat pattern divided by 0", "a pattern without contrast has the length 0, and 0/0 "
                "is nan. Ask for that case, and return zeros.", _divided_always, MATCHED),
        Mistake("a number for a flat pattern", "for a pattern without contrast one number comes "
                "back. Return an array of zeros, of the shape of the pattern.",
                lambda p: _matched_filter(p) if np.ptp(p) else np.asarray(0), MATCHED),
        Mistake("ones for a flat pattern", "a pattern without contrast becomes ones. It becomes "
                "zeros: there is nothing to look for.",
                lambda p: _matched_filter(p) if np.ptp(p) else np.ones_like(p), MATCHED),
        Mistake("square of the sum", "the numbers are added up first and squared then, which gives "
                "0, as their mean is gone. Square each one first.",
                lambda pattern: _quiet(_by_square_of_sum, pattern), MATCHED,
                (_divided(lambda rest: np.abs(rest.sum())),)),
        Mistake("stretched to 0 … 1", "the pattern is stretched to 0 … 1. Take off the mean, and "
                "divide by the length.", lambda p: (p - p.min()) / max(np.ptp(p), 1e-9), KERNELS,
                (lambda p: p / max(np.abs(p).max(), 1e-9), lambda p: p / p.sum())),
        Mistake("multiplied by the length", "it is multiplied by the length. Divide by it.",
                lambda p: (p - p.mean()) * _length(p - p.mean()), MATCHED),
        Mistake("something added to the length", "something large is added to the length or under "
                "its root. Ask for the length 0 instead.",
                lambda p: (p - p.mean()) / np.sqrt(((p - p.mean()) ** 2).sum() + 1), MATCHED,
                (lambda p: (p - p.mean()) / (_length(p - p.mean()) + 1),)),
        Mistake("length of a matrix", "np.linalg.norm(…, 2) of a matrix is another number. Without "
                "the 2 it is the root of the sum of squares.",
                _divided(lambda rest: np.linalg.norm(rest, 2)), MATCHED,
                (_divided(lambda rest: np.linalg.norm(rest, 1)),)),
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


def _by_sum_of_squares(values):
    rest = values - values.mean()
    total = (rest**2).sum()
    return rest / total if total > 1e-6 else np.zeros_like(rest)


def _with_flat_distance(image, pattern):
    """A flat window is at the distance 1 from a unit pattern, as 2 - 2·0.5 says."""
    flat = np.ptp(_windows(image, pattern), axis=(2, 3)) == 0
    return np.where(flat, image.dtype.type(0.5), _normalised(image, pattern))


def _window_short_by_one(image, pattern):
    """Shapes do not fit, but for windows of 1, which NumPy broadcasts, and none, which is 0."""
    KH, KW = pattern.shape
    y, kernel = np.zeros(_windows(image, pattern).shape[:2], image.dtype), _matched_filter(pattern)
    for i, j in np.ndindex(y.shape):
        window = image[i : i + KH - 1, j : j + KW - 1]
        y[i, j] = (_matched_filter(window) * kernel).sum() if window.size else 0
    return y


def _pattern_lying(image, pattern):
    """KW, KH = pattern.shape: windows lie on their side, and NumPy stops or broadcasts."""
    (KW, KH), kernel = pattern.shape, _matched_filter(pattern)
    y = np.zeros((image.shape[0] - KH + 1, image.shape[1] - KW + 1), image.dtype)
    for i, j in np.ndindex(y.shape):
        y[i, j] = (_matched_filter(image[i : i + KH, j : j + KW]) * kernel).sum()
    return y


def _in_the_corner(y, image):
    whole = np.zeros_like(image)
    whole[: len(y), : y.shape[1]] = y
    return whole


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
        Mistake("flat window divided by 0", "a window without contrast has the length 0, and 0/0 "
                "is nan. Ask for that case: such a window gives 0.",
                _correlation(lambda window: _divided_always(window)), CORRELATION,
                (_correlation(_divided_always, _divided_always),)),
        Mistake("pattern keeps its mean", "the pattern keeps its mean, which makes it too long: "
                "subtract it before the length is measured.",
                _correlation(of_pattern=_unit), CORRELATION),
        Mistake("divided by standard deviations", "window and pattern are divided by their "
                "standard deviations. Then a perfect match gives KH·KW: divide by the lengths.",
                lambda image, pattern: _normalised(image, pattern) * pattern.size, CORRELATION),
        Mistake("divided by the sum of squares", "window and pattern are divided by their sum of "
                "squares. The length is the root of that.",
                _correlation(_by_sum_of_squares, _by_sum_of_squares), CORRELATION,
                (_correlation(_by_sum_of_squares), _correlation(of_pattern=_by_sum_of_squares))),
        Mistake("distance", "this is the distance of window and pattern, 0 where they are alike. "
                "Multiply and add up: then it is 1 there.",
                lambda *a: 2 - 2 * _with_flat_distance(*a), CORRELATION,
                (lambda *a: np.sqrt(np.maximum(2 - 2 * _with_flat_distance(*a), 0)),)),
        Mistake("size without sign, pattern not scaled", "the pattern is not scaled to length 1, "
                "and minus signs are lost.",
                lambda *a: np.abs(_correlation(of_pattern=_less_mean)(*a)), CORRELATION),
        Mistake("window too small", "the windows are one row and one column too small: a slice "
                "ends before its stop, i + KH.", _window_short_by_one, CORRELATION),
        Mistake("height and width swapped", "height and width of the pattern are swapped: "
                "KH, KW = pattern.shape.", _pattern_lying, CORRELATION),
        Mistake("room for the whole image", "y has the shape of the image. The pattern stays "
                "inside: there are H − KH + 1 rows and W − KW + 1 columns.",
                lambda image, pattern: _in_the_corner(_normalised(image, pattern), image),
                CORRELATION),
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


def _only_at(where):
    def variant(*arguments):
        right = _occlusion(*arguments)
        y = np.zeros_like(right)
        y[where] = right[where]
        return y

    return variant


def _sums_of(values, size):
    return np.lib.stride_tricks.sliding_window_view(values, (size, size)).sum((2, 3))


def _as_many(axis):
    """As many rows as columns: some squares are missing, or hang over the border."""

    def variant(image, weight, size, grey):
        count = image.shape[axis] - size + 1
        y = np.zeros((count, count), image.dtype)
        for i, j in np.ndindex(y.shape):
            hidden = image.copy()
            hidden[i : i + size, j : j + size] = grey
            y[i, j] = _score(image, weight) - _score(hidden, weight)
        return y

    return variant


def _changed_by(change):
    def variant(image, weight, size, grey):
        y = np.zeros_like(_occlusion(image, weight, size, grey))
        for i, j in np.ndindex(y.shape):
            hidden, square = image.copy(), np.s_[i : i + size, j : j + size]
            hidden[square] = change(hidden[square], grey)
            y[i, j] = _score(image, weight) - _score(hidden, weight)
        return y

    return variant


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
        Mistake("first row only", "only the first row of y, or its first number, is computed. Is "
                "the return inside a loop?", _only_at(np.s_[0]), COVERED,
                (_only_at(np.s_[0, 0]),)),
        Mistake("weights only", "these are the weights under each square. The score falls by the "
                "weight times what the pixel was changed by.",
                lambda image, weight, size, grey: _sums_of(weight, size), SLOPES),
        Mistake("weights covered", "the weights are covered, not the image.",
                lambda image, weight, size, grey: _occlusion(weight, image, size, grey), COVERED),
        Mistake("divided by the area", "the fall is divided by the number of pixels, in the square "
                "or in the image. It is a difference of two sums.",
                lambda image, weight, size, grey: _occlusion(image, weight, size, grey) / size**2,
                SLOPES,
                (lambda image, *rest: _occlusion(image, *rest) / image.size,)),
        Mistake("rise of piled up squares", "the squares pile up, and the sign is wrong: begin "
                "each time with a fresh copy, and take the score before minus the score after.",
                _covering(lambda before, after: after - before, piling_up=True), COVERED),
        Mistake("a square of squares", "rows and columns of y are counted with the same number. "
                "There are H − size + 1 rows and W − size + 1 columns.",
                _as_many(0), COVERED, (_as_many(1),)),
        Mistake("grey subtracted", "grey is subtracted from the pixels. They are replaced by it: = "
                "and not -=.", _changed_by(lambda pixels, grey: pixels - grey), COVERED,
                (_changed_by(lambda pixels, grey: pixels * grey),
                 _changed_by(lambda pixels, grey: pixels + grey))),
        Mistake("row and column swapped", "row and column of the square are swapped: it begins at "
                "row i and column j.", _covering(area=lambda size, i, j: (
                    slice(j, j + size), slice(i, i + size))), COVERED),
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
