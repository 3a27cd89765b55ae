"""Direct and piecewise direct standardisation against refits without each sample, and on instruments that distort."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge

import sterna
from sterna import CollapseWarning
from sterna.align import DirectStandardization, PiecewiseDirectStandardization
from sterna.align._shared_rows import ridge_by_leave_one_out
from sterna.baselines import SourceOnly

BOTH = pytest.mark.parametrize("strategy", [DirectStandardization, PiecewiseDirectStandardization])


def spectra(seed=0, n=80, d=60, n_shared=15, classify=False):
    """Mixtures of three peaks on two instruments: the second is shifted, stretched and offset. The stack, and new rows."""
    rng = np.random.default_rng(seed)
    amounts, axis = rng.random((n + 100, 3)), np.arange(d)

    def measured(shift, gain, offset):
        peaks = np.exp(-(((axis - shift - np.array([[12], [30], [45]])) / 6) ** 2))
        return gain * amounts @ peaks + offset + 1e-3 * rng.normal(size=(n + 100, d))

    first, second = measured(0, 1, 0), measured(1.5, 1.2, 0.3)
    y = amounts @ [1.0, -2.0, 0.5]
    y = (y > np.median(y)).astype(float) if classify else y
    X = np.vstack([first[:n], second[:n_shared]])
    stack = {
        "X": X,
        "y": np.r_[y[:n], np.full(n_shared, np.nan)],
        "sample_domain": np.repeat([1, -2], [n, n_shared]),
        "sample_id": np.r_[0:n, 0:n_shared],
    }
    return stack, second[n:], y[n:]


@pytest.mark.parametrize("shape", [(12, 30, 4), (30, 5, 1), (12, 30, 1)])
def test_leave_one_out_equals_leaving_one_out(shape):
    n, d, n_outputs = shape
    rng = np.random.default_rng(0)
    B = rng.normal(size=(n, d)) + 3
    D = B @ rng.normal(size=(d, n_outputs)) + rng.normal(size=(n, n_outputs))
    directions, loadings, penalty, errors = ridge_by_leave_one_out(B, D)
    alpha = penalty * np.linalg.svd(B - B.mean(axis=0), compute_uv=False)[0] ** 2
    for i in range(0, n, 5):
        rest = np.delete(np.arange(n), i)
        # the closed form leaves the row out of the fit with the mean of all rows taken off: the intercept is refitted too
        model = Ridge(alpha, solver="svd").fit(B[rest], D[rest])
        np.testing.assert_allclose(errors[i], D[i] - np.ravel(model.predict(B[[i]])), rtol=1e-4, atol=1e-6)
    model = Ridge(alpha, solver="svd").fit(B, D)
    np.testing.assert_allclose(directions @ loadings, model.coef_.reshape(n_outputs, d).T, atol=1e-6)


def test_noise_has_the_mean_alone():
    rng = np.random.default_rng(1)
    B, D = rng.normal(size=(40, 30)), np.repeat(rng.normal(size=(40, 1)), 2, axis=1)
    _, loadings, penalty, _ = ridge_by_leave_one_out(B, D)
    assert penalty > 1
    assert abs(loadings).max() < 0.5


@BOTH
@pytest.mark.parametrize("classify", [True, False])
def test_cures_another_instrument(strategy, classify):
    base = LogisticRegression(C=100) if classify else Ridge(1e-3)
    for seed in range(2):
        stack, new, truth = spectra(seed, classify=classify)
        model = strategy(base).fit(**stack)
        plain = SourceOnly(base).fit(stack["X"], stack["y"], sample_domain=stack["sample_domain"])
        assert model.score(new, truth) > (0.9 if classify else 0.97)
        assert model.score(new, truth) > plain.score(new, truth) + (0.03 if classify else 0.1)
        assert model.health_["difference_after"] < 0.2 * model.health_["difference_before"]


def test_piecewise_needs_fewer_samples():
    """Neighbouring features and an offset that no sample tells apart from the rest: windows learn what the whole cannot."""
    wins = 0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        Z = np.cumsum(rng.normal(size=(200, 80)), axis=1)  # rough curves of high rank
        other = np.roll(Z, 1, axis=1) * np.linspace(0.5, 2, 80)
        X, sample_domain, sample_id = np.vstack([Z[:100], other[:12]]), np.repeat([1, -2], [100, 12]), np.r_[0:100, 0:12]
        y = np.r_[Z[:100, 40], np.full(12, np.nan)]
        scores = [
            strategy(LinearRegression())
            .fit(X, y, sample_domain=sample_domain, sample_id=sample_id)
            .score(other[100:], Z[100:, 40])
            for strategy in (PiecewiseDirectStandardization, DirectStandardization)
        ]
        wins += scores[0] > max(scores[1], 0.9)
    assert wins == 3


def test_window_and_band():
    stack, new, _ = spectra()
    model = PiecewiseDirectStandardization(Ridge(), half_window=2).fit(**stack)
    dense = model.coefficients_.toarray()
    i, j = np.indices(dense.shape)
    assert not dense[abs(i - j) > 2].any()
    source, target = stack["X"][:15], stack["X"][80:]
    directions, loadings, _, _ = ridge_by_leave_one_out(target[:, 18:23], (source - target)[:, [20]])
    expected = new[:, 20] + ((new - target.mean(axis=0))[:, 18:23] @ directions @ loadings)[:, 0]
    np.testing.assert_allclose(model._map_target(new)[:, 20], expected + (source - target)[:, 20].mean())
    wide = PiecewiseDirectStandardization(Ridge(), half_window=1000).fit(**stack)
    assert wide.half_window_ == 59


@BOTH
def test_what_counts_as_shared(strategy):
    """Order, kind and repeats of the ids do not matter; None, NaN and ids of one domain are not shared; several sources."""
    stack, new, _ = spectra(n=40)
    expected = strategy(Ridge()).fit(**stack).predict(new)
    words = np.array([f"sample {i}" if i < 15 else None for i in stack["sample_id"]], dtype=object)
    order = np.random.default_rng(0).permutation(len(words))
    shuffled = {key: value[order] for key, value in (stack | {"sample_id": words}).items()}
    model = strategy(Ridge()).fit(**shuffled)
    assert model.n_shared_ == model.health_["n_shared_rows"] == 15
    np.testing.assert_allclose(model.predict(new), expected, atol=1e-6)
    numbers = np.where(stack["sample_id"] < 15, stack["sample_id"], np.nan)
    np.testing.assert_allclose(strategy(Ridge()).fit(**(stack | {"sample_id": numbers})).predict(new), expected, atol=1e-6)
    twice = {key: np.concatenate([value, value[-15:]]) for key, value in stack.items()}
    twice["X"][-15:] += 0.01
    twice["X"][-30:-15] -= 0.01
    np.testing.assert_allclose(strategy(Ridge()).fit(**twice).predict(new), expected, atol=1e-6)
    unlabelled = stack | {"y": np.where(np.arange(55) < 5, np.nan, stack["y"])}
    assert strategy(Ridge()).fit(**unlabelled).n_shared_ == 15
    sources = stack | {"sample_domain": np.where(np.arange(55) % 2 == 0, 3, 1) * np.where(np.arange(55) < 40, 1, -1)}
    np.testing.assert_allclose(strategy(Ridge()).fit(**sources).predict(new), expected, atol=1e-6)


@BOTH
def test_refusals_say_what_to_do(strategy):
    stack, _, _ = spectra()
    with pytest.raises(ValueError, match="pass sample_id"):
        strategy(Ridge()).fit(stack["X"], stack["y"], sample_domain=stack["sample_domain"])
    with pytest.raises(ValueError, match="has 2 ids in both"):
        strategy(Ridge()).fit(**(stack | {"sample_id": np.r_[0:80, 78:93]}))
    with pytest.raises(ValueError, match="has shape"):
        strategy(Ridge()).fit(**(stack | {"sample_id": [1, 2]}))


@BOTH
def test_shared_samples_keep_their_labels(strategy):
    """The base is also trained on the shared samples as the map, learned without each, gives them."""
    stack, _, _ = spectra(n=20, n_shared=6, classify=True)
    names = np.where(stack["y"] == 1, "high", "low").astype(object)
    names[20:] = None
    seen = []

    class Recorder(LogisticRegression):
        def fit(self, X, y):
            seen.append((X, y))
            return super().fit(X, y)

    for use in (True, False):
        strategy(Recorder(), use_shared_labels=use).fit(**(stack | {"y": names}))
    (X, y), (plain, _) = (rows for rows in seen if len(rows[0]) >= 20)  # the others look for doubts, on some of the rows
    assert X.shape[0] == 26
    np.testing.assert_array_equal(plain, stack["X"][:20])
    np.testing.assert_array_equal(y, np.r_[names[:20], names[:6]])
    assert abs(X[20:] - plain[:6]).max() < 0.5 * abs(stack["X"][20:] - plain[:6]).max()
    rest = {key: np.delete(value, 22, axis=0) for key, value in (stack | {"y": names}).items()}
    if strategy is DirectStandardization:
        without = strategy(LogisticRegression()).fit(**rest)
        np.testing.assert_allclose(without._map_target(stack["X"][[22]])[0], X[22], atol=0.02)


@BOTH
def test_labelled_target_rows_join(strategy):
    stack, new, truth = spectra(n=20, n_shared=15)
    y = stack["y"].copy()
    y[-15:] = y[:15] + 100
    moved = strategy(Ridge()).fit(**(stack | {"y": y})).predict(new)
    assert np.mean(moved) > np.mean(truth) + 20


@BOTH
def test_travels_by_routing_and_is_saved(strategy, tmp_path):
    stack, new, _ = spectra()
    X, y = stack.pop("X"), stack.pop("y")
    expected = strategy(Ridge()).fit(X, y, **stack).predict(new)
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = sklearn.pipeline.make_pipeline(sklearn.preprocessing.FunctionTransformer(), strategy(Ridge())).fit(
            X, y, **stack
        )
        np.testing.assert_allclose(pipeline.predict(new), expected)
    model = strategy(Ridge()).fit(X, y, **stack)
    sterna.save(model, tmp_path / "model")
    np.testing.assert_allclose(sterna.load(tmp_path / "model").predict(new), expected)


@pytest.mark.parametrize("frame", [True, False])
def test_no_column_in_common(frame):
    """The target measures other things; the shared rows tell how they go together. Units do not matter."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        Z = rng.normal(size=(300, 4))
        first = Z @ rng.normal(size=(4, 6)) + 0.05 * rng.normal(size=(300, 6))
        second = (Z @ rng.normal(size=(4, 5)) + 0.05 * rng.normal(size=(300, 5))) * [1, 1e3, 1e-3, 1, 7] + 5
        X = np.full((320, 11), np.nan)
        X[:200, :6], X[200:, 6:] = first[:200], second[180:]
        y = np.r_[Z[:200, 0] > 0.3, np.full(120, np.nan)]
        if frame:
            X = pd.DataFrame(X, columns=list("abcdefghijk"))
        sample_domain, sample_id = np.repeat([1, -2], [200, 120]), np.r_[0:200, 180:300]
        model = DirectStandardization().fit(X, y, sample_domain=sample_domain, sample_id=sample_id)
        assert model.estimator_.n_features_in_ == 6
        assert model.score(X[220:], Z[200:, 0] > 0.3) > 0.9
        assert model.predict(X, sample_domain, allow_source=True).shape == (320,)
        np.testing.assert_array_equal(
            model.predict(X[:200], sample_domain[:200], allow_source=True), model.estimator_.predict(first[:200])
        )
        if frame:
            anything = X[220:].assign(a=1e9)
            np.testing.assert_array_equal(model.predict(anything), model.predict(X[220:]))


def test_some_columns_in_common():
    """A column that both have starts as measured; one that only the target has is an input, one that only the source has an output."""
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(100, 3))
    X = np.full((110, 4), np.nan)
    X[:90, :3], X[90:, 1], X[90:, 2], X[90:, 3] = Z[:90], Z[80:, 1], Z[80:, 2] + 5, Z[80:, 0] * 2
    y, sample_domain = np.r_[Z[:90].sum(axis=1), np.full(20, np.nan)], np.repeat([1, -2], [90, 20])
    model = DirectStandardization(Ridge(1e-3)).fit(X, y, sample_domain=sample_domain, sample_id=np.r_[0:90, 80:100])
    np.testing.assert_allclose(model._map_target(np.nan_to_num(X[100:])), Z[90:], atol=0.05)
    assert model.score(X[100:], Z[90:].sum(axis=1)) > 0.99


@BOTH
def test_wrong_ids_are_noticed(strategy):
    stack, _, _ = spectra(n_shared=30)
    stack["sample_id"][80:] = np.random.default_rng(0).permutation(30)
    with pytest.warns(CollapseWarning, match="check sample_id"):
        strategy(Ridge()).fit(**stack)


@BOTH
def test_single_missing_values_are_refused(strategy):
    stack, _, _ = spectra()
    X = stack["X"].copy()
    X[3, 7] = np.nan
    with pytest.raises(ValueError, match="column 7 is NaN in some rows"):
        strategy(Ridge()).fit(**(stack | {"X": X}))
    X[:80, 7] = np.nan
    if strategy is PiecewiseDirectStandardization:
        with pytest.raises(ValueError, match="the same columns"):
            strategy(Ridge()).fit(**(stack | {"X": X}))


@BOTH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fragile_inputs(strategy, dtype):
    """Three shared samples, two of them equal, constant features; the arrays are not written to."""
    stack, new, _ = spectra(n_shared=3)
    X = stack["X"].astype(dtype)
    X[:, :8], X[81], X[1] = 7e3, X[80], X[0]
    new[:, :8] = 7e3
    for array in (X, stack["y"], stack["sample_id"]):
        array.setflags(write=False)
    model = strategy(Ridge()).fit(**(stack | {"X": X}))
    assert np.isfinite(model.predict(new)).all()
    np.testing.assert_array_equal(clone(model).fit(**(stack | {"X": X})).predict(new), model.predict(new))
