"""Sizes are tested by counting windows, receptive fields by changing pixels, doors by messages."""

import numpy as np
import pytest
from conftest import need
from oracle import count_windows, pair, random_case

from course_lib import shapes
from course_lib.conv import conv2d
from course_lib.doors import as_floats, check_gradient, check_images, nested_shape
from course_lib.shapes import (
    ShapeError, as_integer, as_pair, output_size, receptive_field, resolve_padding,
    resolve_windows, same_padding,
)


def test_a_shape_error_is_a_value_error():
    assert issubclass(ShapeError, ValueError)


def test_output_size_counts_the_windows():
    for size in range(1, 9):
        for kernel in range(1, 6):
            for stride in range(1, 5):
                for before, after in ((0, 0), (1, 1), (2, 2), (0, 1), (3, 1)):
                    windows = count_windows(size + before + after, kernel, stride)
                    if windows:
                        assert output_size(size, kernel, stride, (before, after)) == windows
                        if before == after:
                            assert output_size(size, kernel, stride, before) == windows
    assert output_size(5, 3) == 3


def test_random_windows_are_resolved_as_counted(rng):
    for _ in range(300):
        case = random_case(rng)
        where = resolve_windows(case.size, case.kernel_size, case.stride, case.padding)
        assert where.kernel_size == pair(case.kernel_size)
        assert where.stride == pair(case.stride)
        assert where.padding == case.zeros
        assert where.output == tuple(
            count_windows(n + sum(zeros), k, s)
            for n, k, s, zeros in zip(case.size, where.kernel_size, where.stride, case.zeros)
        )
        numbers = (*where.output, *where.kernel_size, *where.stride, *sum(where.padding, ()))
        assert all(type(number) is int for number in numbers)


def test_defaults_are_stride_1_and_no_padding():
    assert resolve_windows((4, 6), 3) == ((2, 4), (3, 3), (1, 1), ((0, 0), (0, 0)))


def test_same_gives_ceil_and_puts_the_odd_zero_after():
    for size in range(1, 12):
        for kernel in range(1, 8):
            for stride in range(1, 5):
                before, after = same_padding(size, kernel, stride)
                assert 0 <= after - before <= 1
                assert count_windows(size + before + after, kernel, stride) == -(-size // stride)


@pytest.mark.filterwarnings("ignore:Using padding=.same.")
def test_same_is_pytorchs_same_at_stride_1(rng):
    torch = need("torch")
    for kernel in ((1, 1), (2, 3), (4, 5), (3, 2), (5, 1)):
        x, weight = rng.standard_normal((2, 1, 5, 7)), rng.standard_normal((1, 1, *kernel))
        expected = torch.nn.functional.conv2d(
            torch.tensor(x), torch.tensor(weight), padding="same"
        )
        np.testing.assert_allclose(conv2d(x, weight, padding="same")[0], expected, atol=1e-12)


def test_numpy_integers_become_python_ones():
    assert all(type(n) is int for n in as_pair((np.int64(2), np.uint8(3)), "stride"))
    assert type(as_integer(np.int32(4), "n")) is int
    where = resolve_windows((5, 6), np.int64(3), np.int32(2), np.int16(1))
    assert type(where.output[0]) is int and where == resolve_windows((5, 6), 3, 2, 1)


def test_lists_are_pairs_too():
    assert as_pair([2, 1], "stride") == (2, 1)
    assert resolve_padding([[0, 1], [2, 3]], (5, 5), (1, 1), (1, 1)) == ((0, 1), (2, 3))
    assert output_size(5, 3, 1, [1, 0]) == 4


@pytest.mark.parametrize("layers", [
    [], [(3, 1)], [(3, 1), (3, 1)], [(3, 2), (2, 2), (3, 1)], [(1, 3), (2, 1)], [(2, 3), (3, 2)],
])
def test_receptive_field_is_what_one_output_depends_on(layers):
    size = 60
    changed = []
    for pixel in range(size):
        x = np.zeros((1, 1, 1, size))
        x[..., pixel] = 1
        for kernel, stride in layers:
            x, _ = conv2d(x, np.ones((1, 1, 1, kernel)), stride=(1, stride))
        changed.append(x[0, 0, 0, 0] != 0)
    # holes where the stride is longer than the kernel lie inside the field
    assert receptive_field(layers) == max(np.flatnonzero(changed)) + 1


def test_keep_padding_waits_for_the_size_only_with_same():
    assert shapes.keep_padding("same", "") == "same"
    assert shapes.keep_padding("valid", "") == ((0, 0), (0, 0))
    assert shapes.keep_padding((1, 2), "") == ((1, 1), (2, 2))


def test_nested_shape_reads_arrays_and_lists():
    assert nested_shape(np.zeros((2, 0, 3))) == (2, 0, 3)
    assert nested_shape([[[1, 2, 3]], [[4, 5, 6]]]) == (2, 1, 3)
    assert nested_shape([]) == (0,) and nested_shape(((1, 2),)) == (1, 2)
    assert nested_shape(3.0) == ()


@pytest.mark.parametrize("given, expected", [
    ([np.float32], np.float32), ([np.float64], np.float64), ([np.float16], np.float32),
    ([np.int64], np.float64), ([np.uint8], np.float64), ([bool], np.float64),
    ([np.float32, np.float64], np.float64), ([np.float32, np.int8], np.float64),
    ([np.float32, np.float16], np.float32),
])
def test_one_floating_type_for_all(given, expected):
    arrays = [np.ones((2, 3), dtype) for dtype in given]
    for array in as_floats(*arrays, None)[:-1]:
        assert array.dtype == expected
    assert as_floats(*arrays, None)[-1] is None


def test_floats_are_not_copied_and_lists_are_read():
    x = np.ones(3, np.float32)
    assert as_floats(x)[0] is x
    assert as_floats([[1, 2]])[0].tolist() == [[1.0, 2.0]]


def windows(size=(5, 6), kernel_size=3, stride=1, padding=0, who="conv2d"):
    return lambda: resolve_windows(size, kernel_size, stride, padding, who)


@pytest.mark.parametrize("call, message", [
    (windows(stride=0), r"^conv2d: stride must be a whole number, at least 1, got 0\.$"),
    (windows(stride=(1, -2)), r"stride must be a whole number, at least 1, got -2"),
    (windows(stride=1.0), r"stride must be a whole number, at least 1, got 1\.0"),
    (windows(stride=True), r"stride must be a whole number, at least 1, got True"),
    (windows(stride="2"), r"stride must be a whole number, at least 1, got '2'"),
    (windows(stride=None), r"stride must be a whole number, at least 1, got None"),
    (windows(stride=(1, 2, 3)), r"stride must be a whole number or a pair .* got \(1, 2, 3\)"),
    (windows(kernel_size=0), r"kernel_size must be a whole number, at least 1, got 0"),
    (windows(kernel_size=(3, 0)), r"kernel_size must be a whole number, at least 1, got 0"),
    (windows(kernel_size=2.5), r"kernel_size must be .* got 2\.5"),
    (windows(padding=-1), r"padding must be a whole number, at least 0, got -1"),
    (windows(padding=(0, -3)), r"padding must be a whole number, at least 0, got -3"),
    (windows(padding=0.5), r"padding must be a whole number, at least 0, got 0\.5"),
    (windows(padding=False), r"padding must be a whole number, at least 0, got False"),
    (windows(padding=None), r"padding must be a whole number, at least 0, got None"),
    (windows(padding="full"),
     r"padding must be a whole number, a pair, 'valid' or 'same', got 'full'"),
    (windows(padding=(1, 2, 3)), r"padding must be a whole number or a pair .* got \(1, 2, 3\)"),
    (windows(padding=((1, 1), (1, 1), (1, 1))),
     r"padding must be \(\(top, bottom\), \(left, right\)\), got \(\(1, 1\), \(1, 1\), \(1, 1\)\)"),
    (windows(padding=((0, -1), (0, 0))), r"padding \(top, bottom\) must be .* 0, got -1"),
    (windows(padding=((0, 0), (1, 1.5))), r"padding \(left, right\) must be .* 0, got 1\.5"),
    (windows(kernel_size=6),
     r"the kernel, 6x6, is larger than the padded image, 5x6 \(image 5x6, padding \(\(0, 0\), "
     r"\(0, 0\)\)\): use a smaller kernel or more padding"),
    (windows(kernel_size=(2, 9), padding=1), r"kernel, 2x9, .* padded image, 7x8 \(image 5x6"),
    (windows(kernel_size=(6, 2)), r"the kernel, 6x2, is larger than the padded image, 5x6"),
    (windows(who="", stride=0), r"^stride must be"),
    (lambda: output_size(2, 3), r"output_size: the kernel, 3, is larger than .* axis, 2: use"),
    (lambda: output_size(1, 4, 1, 1), r"the kernel, 4, is larger than the padded axis, 3"),
    (lambda: output_size(5, 3, 0), r"output_size: stride must be .* at least 1, got 0"),
    (lambda: output_size(5, 0), r"output_size: kernel_size must be .* at least 1, got 0"),
    (lambda: output_size(5, 3, 1, -1), r"output_size: padding must be .* at least 0, got -1"),
    (lambda: check_images(np.zeros((1, 28, 28)), "conv2d", 3),
     r"conv2d: expected images \(N, 3, H, W\), got \(1, 28, 28\): .* x\[None\]"),
    (lambda: check_images(np.zeros((64, 1, 28, 28)), "conv2d", 3),
     r"^conv2d: expected images \(N, 3, H, W\), got \(64, 1, 28, 28\)\.$"),
    (lambda: check_images(np.zeros((4, 5)), "pool"), r"images \(N, C, H, W\), got \(4, 5\)"),
    (lambda: check_images([[1.0, 2.0]], "pool"), r"images \(N, C, H, W\), got \(1, 2\)"),
    (lambda: check_images(np.zeros((2, 3, 0, 5)), "pool"),
     r"without an empty axis, got \(2, 3, 0, 5\)"),
    (lambda: check_gradient(np.zeros((2, 1)), (1, 2), "relu"),
     r"relu: the upstream gradient dy must have the output's shape \(1, 2\), got \(2, 1\)"),
])
def test_wrong_sizes_are_refused(call, message):
    with pytest.raises(ShapeError, match=message):
        call()


@pytest.mark.parametrize("array, got", [
    (np.zeros(2, complex), "complex128"), (np.array(["a"]), "<U1"), (np.array([{}]), "object"),
    (np.zeros(2, "datetime64[s]"), r"datetime64\[s\]"),
])
def test_only_real_numbers_are_accepted(array, got):
    with pytest.raises(ValueError, match=f"^conv2d: expected real numbers .* got {got}"):
        as_floats(np.zeros(3), array, who="conv2d")


def test_a_batch_may_be_empty_and_images_are_described():
    assert check_images(np.zeros((0, 3, 4, 5)), "conv2d", 3) == (0, 3, 4, 5)
    assert check_images([[[[1, 2]]]], "conv2d") == (1, 1, 1, 2)
