"""Whether columns changed, and who is not believed where they did not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from sterna.select._contradiction import Groups, columns_changed, contradictions


def groups(n=300, seed=0):
    """Two groups far apart, and which is which."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    return rng.normal(size=(n, 3)) + 8 * y[:, None] * [1, 0, 0], y


def doubted(predicted, X, seed=0):
    return contradictions(predicted, "plain", Groups.of(X, 4, seed), seed)


def test_who_contradicts_often_is_doubted_unless_it_names_groups():
    X, y = groups()
    noise = (X[:, 1] > 0).astype(int)  # no group of the target
    near = np.where(np.arange(300) < 50, 1 - noise, noise)
    found = doubted({"plain": noise, "near": near, "other": 1 - noise, "groups": y}, X)
    assert found == {"other": "contradicts plain on 100 % of the target rows, although no column changed"}
    # the other way round it is the source's model that names groups
    found = doubted({"plain": y, "noise": noise, "mirrored": 1 - y}, X)
    assert set(found) == {"noise", "mirrored"}


def test_names_sparse_rows_constant_columns_and_few_rows():
    X, y = groups()
    names = np.array(["no", "yes"], dtype=object)
    X = np.column_stack([np.where(np.abs(X) > 1, X, 0.0), np.ones(300)])
    predicted = {"plain": names[y], "other": names[1 - y]}
    for rows in (X, sparse.csr_array(X)):
        assert set(doubted(predicted, rows)) == {"other"}
    short = {name: labels[:3] for name, labels in predicted.items()}
    assert set(doubted(short, X[:3])) == {"other"}
    assert doubted({"plain": names[y]}, np.ones((300, 2))) == {}


def test_a_gain_within_its_standard_error_is_no_reason_to_believe():
    """Three rows in four with their group is better than two in three of few rows by chance only; of many it is better."""
    for n, believed in ((40, False), (4000, True)):
        X, y = groups(n)
        some = np.random.default_rng(1).random(n)
        plain, other = (np.where(some < share, y, 1 - y) for share in (0.34, 0.72))
        assert (doubted({"plain": plain, "other": other}, X) == {}) is believed


def test_halves_have_the_standard_error_of_the_whole():
    y = groups(600)[1]
    noisy = np.where(np.random.default_rng(0).random(600) < 0.3, 1 - y, y)
    whole = Groups(y, 2)
    rng = np.random.default_rng(2)
    halves = [whole.agreement(noisy, rng.permutation(600)[:300]) for _ in range(300)]
    samples = []
    for seed in range(200):
        fresh = groups(600, seed + 9)[1]
        noisy = np.where(np.random.default_rng(seed).random(600) < 0.3, 1 - fresh, fresh)
        samples.append(Groups(fresh, 2).agreement(noisy))
    assert np.std(halves) == pytest.approx(np.std(samples), rel=0.3)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda Z: Z, False),
        (lambda Z: Z[Z[:, 0] > 0.5], False),  # chosen
        (lambda Z: 3 * Z + 5, True),  # another unit
        (lambda Z: Z * [1, -1, 1], True),  # in place, but columns fit each other no more
    ],
)
def test_columns_changed(change, expected):
    rng = np.random.default_rng(0)
    X, Z = (
        hidden @ np.array([[1.0, 1.0, -1.0]]) + 0.3 * rng.normal(size=(len(hidden), 3))
        for hidden in rng.normal(size=(2, 500, 1))
    )
    assert columns_changed(X, change(Z), 0) is expected
    assert columns_changed(X[:3], change(Z), 0) is False  # nothing can be compared


def test_a_few_of_many_columns_in_another_unit_are_a_change():
    rng = np.random.default_rng(0)
    X, Z = rng.exponential(size=(2, 300, 80))
    X[:, :3], Z[:, :3] = 1000 + 200 * rng.normal(size=(2, 300, 3))
    assert columns_changed(X, Z, 0) is False
    Z[:, :2] *= 0.0929  # of two columns it cannot be told whether one of them chose the rows
    assert columns_changed(X, Z, 0) is False
    Z[:, 2] *= 0.0929
    assert columns_changed(X, Z, 0) is True
