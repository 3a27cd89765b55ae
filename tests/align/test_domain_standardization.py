"""DomainStandardization against scikit-learn's StandardScaler, domain by domain."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array, issparse
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from sterna.align import DomainStandardization
from sterna.baselines import SourceOnly


class Recorder(LogisticRegression):
    """Keeps what it was trained on."""

    def fit(self, X, y):
        self.seen_ = X
        return super().fit(X, y)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("n_sources", [1, 3])
def test_every_domain_by_its_own_scaler(small, sparse, n_sources):
    case = small()
    X, y, sample_domain = case.stack()
    X[abs(X) < 0.3] = 0
    sample_domain[: len(case.Xs)] = np.arange(len(case.Xs)) % n_sources + 1
    model = DomainStandardization(Recorder(max_iter=1000)).fit(csr_array(X) if sparse else X, y, sample_domain=sample_domain)
    expected = np.empty_like(X)
    for code in np.unique(sample_domain):
        rows = sample_domain == code
        expected[rows] = StandardScaler(with_mean=not sparse).fit_transform(X[rows])
    seen, target = model.estimator_.seen_, model.represent(csr_array(case.Xt) if sparse else X[len(case.ys) :])
    assert issparse(seen) == sparse
    np.testing.assert_allclose(seen.toarray() if sparse else seen, expected[: len(case.ys)], atol=1e-10)
    if not sparse:
        np.testing.assert_allclose(target, expected[len(case.ys) :], atol=1e-10)


def test_source_rows_on_request(small):
    case = small()
    model = case.fit(DomainStandardization(Recorder()))
    np.testing.assert_allclose(model._map_source(case.Xs), model.estimator_.seen_)


def test_cures_offsets_and_units(small):
    for seed in range(4):
        case = small(seed, n_s=300, n_t=300)
        units = np.random.default_rng(seed).lognormal(0, 2, size=5)
        moved = type(case)(case.Xs, case.ys, case.Xt * units + 50, case.yt)
        assert moved.score(DomainStandardization()) > moved.score(SourceOnly()) + 0.2


def test_health_measures_the_shift(case):
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(2, 5000, 2))
    model = case(Xs, Xs[:, 0], 4 * Xt + 12, Xt[:, 0]).fit(DomainStandardization(Ridge()))
    assert model.health_["mean_shift"] == pytest.approx(3, rel=0.05)
    assert model.health_["largest_scale_ratio"] == pytest.approx(4, rel=0.05)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_features_and_few_rows(small, dtype):
    """A feature that is constant in one domain, or in both."""
    case = small(n_s=10, n_t=10)
    Xs, Xt = (np.column_stack([X, np.full(len(X), 7.1e3), X[:, 0]]).astype(dtype) for X in (case.Xs, case.Xt))
    Xt[:, 6] = -3.3
    model = type(case)(Xs, case.ys, Xt, case.yt).fit(DomainStandardization())
    mapped = model.represent(Xt)
    assert mapped.dtype == dtype
    assert abs(mapped[:, 5:]).max() < 1e-3
    np.testing.assert_allclose(model.target_scale_[6], Xs[:, 6].std(), rtol=1e-5)
    assert np.isfinite(model.predict_proba(Xt)).all()


def test_one_target_row(small):
    case = small(n_t=3).first(30)
    one = type(case)(case.Xs, case.ys, case.Xt[:1], case.yt[:1])
    assert np.isfinite(one.fit(DomainStandardization()).predict_proba(case.Xt)).all()


def test_the_mean_of_equal_values_may_be_rounded():
    """A column that is constant in the target, whose deviation is computed as 2e-15, has no scale there."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    X[150:, 1] = 0.7
    y = np.append(X[:150, 0], np.full(150, np.nan))
    model = DomainStandardization(Ridge()).fit(X, y, sample_domain=np.repeat([1, -1], 150))
    assert model.target_scale_[1] == model.source_scale_[0, 1]
    assert np.abs(model.predict([[0.0, 7.0]])).max() < 100
