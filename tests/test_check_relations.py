"""What a check says of wrong numbers that no mistake of its catalogue explains: only what is so."""

import re

import numpy as np
import pytest

from course_lib import check
from course_lib.check import relations
from course_lib.conv import conv2d


def pairs_of(change, shapes=((2, 3, 4, 5), (1, 2, 3, 3), (3, 1, 2, 6)), seed=0):
    rng = np.random.default_rng(seed)
    rights = [rng.normal(size=shape) * 3 for shape in shapes]
    return [(change(right), right, (right,)) for right in rights]


def swapped(y, a, b):
    return np.ascontiguousarray(np.swapaxes(y, a, b))


def spoiled(y, index):
    y = y.copy()
    y[index] += 1 + np.arange(y[index].size).reshape(y[index].shape)
    return y


@pytest.mark.parametrize("change, said", [
    (lambda y: -y, "minus the right answer"), (lambda y: 3 * y, "3 times the right answer"),
    (lambda y: y / 4, "0.25 times"), (lambda y: y * len(y), "N times the right answer"),
    (lambda y: y / len(y), "divided by N"), (lambda y: y * y.shape[3], "5 times in the one below"),
    (lambda y: y + 2, "too large by 2, in every case"), (lambda y: y - y.size, "too small by 120 "),
    (np.abs, "without its signs"), (lambda y: np.maximum(y, 0), "negative values set to 0"),
    (np.trunc, "fractions cut off"), (np.floor, "rounded down"), (np.round, "rounded to whole"),
    (lambda y: y[..., ::-1, :], "upside down"), (lambda y: y[..., ::-1], "mirror"),
    (lambda y: y[..., ::-1, ::-1], "180"), (np.square, "square"),
    (lambda y: y[::-1], "reverse order of its first axis"),
    (lambda y: swapped(y, 2, 3), "rows and columns exchanged"),
    (lambda y: swapped(y, 1, 3), "axis 1 is axis 3 of yours"),
    (lambda y: y.reshape(len(y), -1), "only the shape is not"),
    (lambda y: y[None], "only the shape is not"),
    (lambda y: y[..., :-1], "The last column is missing"),
    (lambda y: y[:, :, 1:], "The first row is missing"),
    (lambda y: np.concatenate([y, y[:, :1]], axis=1), "one channel too many, the last"),
    (lambda y: spoiled(y, np.s_[..., -1]), "Only values of the last column"),
    (lambda y: spoiled(y, np.s_[:, :, 0]), "Only values of the first row"),
    (lambda y: spoiled(y, np.s_[..., 1:]), "The first column is right, others are not"),
])
def test_a_relation_is_found(change, said):
    pairs = pairs_of(change)
    wrong = [n for n, (got, right, _) in enumerate(pairs)
             if got.shape != right.shape or not np.allclose(got, right)]
    assert said in relations.relation(pairs, wrong)


def test_the_border_is_found():
    def change(y):
        other = y + 7 * np.random.default_rng(1).normal(size=y.shape)
        other[..., 1:-1, 1:-1] = y[..., 1:-1, 1:-1]
        return other

    pairs = pairs_of(change, ((2, 3, 4, 5), (1, 2, 5, 4), (3, 1, 4, 6)))
    assert relations.relation(pairs, [0, 1, 2]) == "Only values at the border are wrong."


@pytest.mark.parametrize("seed", range(30))
def test_of_unrelated_numbers_nothing_is_said(seed):
    rng = np.random.default_rng([seed, 1])
    pairs = pairs_of(lambda y: rng.normal(size=y.shape), seed=seed)
    assert relations.relation(pairs, [0, 1, 2]) == ""
    numbers = [(np.array(rng.normal()), np.array(rng.normal()), (1,)) for _ in range(3)]
    assert relations.relation(numbers, [0, 1, 2]) == ""


def test_what_holds_in_one_case_only_is_not_said():
    pairs = pairs_of(lambda y: -y)
    pairs[1] = (pairs[1][1] * 2 + np.arange(3), *pairs[1][1:])
    assert relations.relation(pairs, [0, 1, 2]) == ""
    pairs = pairs_of(lambda y: y[..., ::-1])
    pairs[2] = (pairs[2][1], *pairs[2][1:])  # this one is right, and no mirror image of itself
    assert relations.relation(pairs, [0, 1]) == ""


def test_the_message_of_a_check_has_it_where_no_mistake_is_known(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress"))
    result = check.conv2d(lambda *a: 1.5 * conv2d(*a)[0])
    out = capsys.readouterr().out
    assert result.mistake is None
    assert re.search("values of y are wrong. In every case it is 1.5 times the right answer", out)


def test_nearly_right_is_no_multiple():
    """Once each, a gradient clipped a little was called "1 times the right answer"."""
    y = np.linspace(1, 2, 12)
    assert relations.relation([(y, y, ()), (1.0004 * y, y, ()), (1.0005 * y, y, ())], [1, 2]) == ""
    assert "1.5 times" in relations.relation([(1.5 * y, y, ()), (1.5 * y, y, ())], [0, 1])
