"""Whether columns changed, and who is not believed where they did not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from sterna.select._contradiction import columns_changed, contradictions


def groups(n=300, seed=0):
    """Two groups far apart, and which is which."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    return rng.normal(size=(n, 3)) + 8 * y[:, None] * [1, 0, 0], y


def test_who_contradicts_often_is_doubted_unless_it_names_groups():
    X, y = groups()
    noise = (X[:, 1] > 0).astype(int)  # no group of the target
    near = np.where(np.arange(300) < 50, 1 - noise, noise)
    found = contradictions({"plain": noise, "near": near, "other": 1 - noise, "groups": y}, "plain", X, 2, 0)
    assert found == {"other": "contradicts plain on 100 % of the target rows, although no column changed"}
    # the other way round it is the source's model that names groups
    found = contradictions({"plain": y, "noise": noise, "mirrored": 1 - y}, "plain", X, 2, 0)
    assert set(found) == {"noise", "mirrored"}


def test_names_sparse_rows_constant_columns_and_few_rows():
    X, y = groups()
    names = np.array(["no", "yes"], dtype=object)
    X = np.column_stack([np.where(np.abs(X) > 1, X, 0.0), np.ones(300)])
    predicted = {"plain": names[y], "other": names[1 - y]}
    for rows in (X, sparse.csr_array(X)):
        assert set(contradictions(predicted, "plain", rows, 2, 0)) == {"other"}
    short = {name: labels[:3] for name, labels in predicted.items()}
    assert set(contradictions(short, "plain", X[:3], 2, 0)) == {"other"}
    assert contradictions({"plain": names[y]}, "plain", np.ones((300, 2)), 2, 0) == {}


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
