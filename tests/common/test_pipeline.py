"""Pipelines over stacked domains, alone and inside scikit-learn's model selection."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import sterna
from sterna.align import CORAL
from sterna.baselines import Pooled, TargetOnly
from sterna.domains import TablePreprocessor


def make_stack(seed=0, n_source=60, n_target=40):
    """Two domains of other scale and place, all labelled, and splits that evaluate target rows only."""
    rng = np.random.default_rng(seed)
    Xs, Xt = rng.normal(size=(n_source, 3)), 10 * rng.normal(size=(n_target, 3)) + 5
    ys, yt = Xs @ [2.0, -1.0, 0.5] > 0, (Xt - 5) @ [2.0, -1.0, 0.5] > 0
    X, y = np.vstack([Xs, Xt]), np.concatenate([ys, yt])
    source = np.arange(n_source)
    parts = np.array_split(np.arange(n_source, n_source + n_target), 3)
    splits = [(np.concatenate([source, *parts[:k], *parts[k + 1 :]]), parts[k]) for k in range(3)]
    return X, y, np.repeat([1, -2], [n_source, n_target]), splits


def test_a_scaler_sees_the_rows_of_both_domains():
    X, y, sample_domain, _ = make_stack()
    model = sterna.make_pipeline(StandardScaler(), CORAL()).fit(X, y, sample_domain=sample_domain)
    np.testing.assert_allclose(model[0].mean_, X.mean(axis=0))
    by_hand = CORAL().fit(StandardScaler().fit_transform(X), y, sample_domain=sample_domain)
    scaled = StandardScaler().fit(X).transform(X[60:])
    np.testing.assert_array_equal(model.predict(X[60:]), by_hand.predict(scaled))
    np.testing.assert_array_equal(model.predict_proba(X[60:]), by_hand.predict_proba(scaled))


def test_every_step_that_takes_sample_domain_gets_it():
    X, y, sample_domain, _ = make_stack()
    model = sterna.make_pipeline(TablePreprocessor(fit_on="target"), PCA(2), "passthrough", TargetOnly())
    model.fit(X, y, sample_domain=sample_domain)
    np.testing.assert_allclose(model[0].pipeline_[-1].mean_, X[60:].mean(axis=0))
    assert model.predict(X[60:]).shape == (40,)


def test_pipelines_nest():
    X, y, sample_domain, _ = make_stack()
    inner = sterna.make_pipeline(TablePreprocessor(), CORAL())
    nested = sterna.make_pipeline(PCA(3), inner).fit(X, y, sample_domain=sample_domain)
    flat = sterna.make_pipeline(PCA(3), TablePreprocessor(), CORAL()).fit(X, y, sample_domain=sample_domain)
    np.testing.assert_array_equal(nested.predict(X[60:]), flat.predict(X[60:]))


def test_without_sample_domain_it_is_a_plain_pipeline():
    X, y, _, _ = make_stack()
    ours = sterna.make_pipeline(StandardScaler(), CORAL()).fit(X, y)
    assert not ours[-1].adapted_
    plain = Pipeline([("scale", StandardScaler()), ("model", ours[-1].estimator_.__class__(max_iter=1000))]).fit(X, y)
    np.testing.assert_array_equal(ours.predict(X), plain.predict(X))


def test_methods_of_the_last_step_are_offered_where_it_has_them():
    from sklearn.svm import LinearSVC

    model = sterna.make_pipeline(StandardScaler(), CORAL(LinearSVC()))
    assert not hasattr(model, "predict_proba")
    assert hasattr(model, "decision_function")
    assert hasattr(sterna.make_pipeline(StandardScaler(), CORAL()), "predict_proba")


def test_sample_domain_at_prediction():
    X, y, sample_domain, _ = make_stack()
    model = sterna.make_pipeline(StandardScaler(), CORAL()).fit(X, y, sample_domain=sample_domain)
    np.testing.assert_array_equal(model.predict(X[60:], sample_domain=sample_domain[60:]), model.predict(X[60:]))
    with pytest.raises(ValueError, match="60 of 100 rows are marked as source"):
        model.predict(X, sample_domain=sample_domain)
    both = model.predict(X, sample_domain=sample_domain, allow_source=True)
    np.testing.assert_array_equal(both[60:], model.predict(X[60:]))
    assert np.mean(both[:60] == y[:60]) > 0.9


def test_a_wrong_sample_domain_is_refused_in_a_sentence():
    X, y, sample_domain, _ = make_stack()
    with pytest.raises(ValueError, match=r"sample_domain has shape \(40,\), but X has 100 rows"):
        sterna.make_pipeline(StandardScaler(), CORAL()).fit(X, y, sample_domain=sample_domain[60:])


def test_clone_and_parameters():
    model = sterna.make_pipeline(StandardScaler(), CORAL(regularization=0.3))
    copy = clone(model)
    assert type(copy) is sterna.TransferPipeline
    assert copy.get_params()["coral__regularization"] == 0.3
    assert copy.set_params(coral__regularization=2.0)[-1].regularization == 2.0
    assert model[-1].regularization == 0.3
    assert type(model[:1]) is sterna.TransferPipeline


def test_parameters_of_steps_reach_them():
    X, y, sample_domain, _ = make_stack()
    weights = np.r_[np.zeros(60), np.ones(40)]
    model = sterna.make_pipeline(StandardScaler(), Pooled())
    model.fit(X, y, sample_domain=sample_domain, standardscaler__sample_weight=weights)
    np.testing.assert_allclose(model[0].mean_, X[60:].mean(axis=0))


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("scoring", [None, "accuracy"])
@pytest.mark.parametrize(
    ("model", "parameter"),
    [(sterna.make_pipeline(StandardScaler(), CORAL()), "coral__regularization"), (CORAL(), "regularization")],
    ids=["pipeline", "strategy"],
)
def test_inside_scikit_learns_model_selection(model, parameter, scoring, routing):
    X, y, sample_domain, splits = make_stack()
    expected = []
    for train, test in splits:
        fitted = clone(model).fit(X[train], y[train], sample_domain=sample_domain[train])
        expected.append(np.mean(fitted.predict(X[test]) == y[test]))
    with sklearn.config_context(enable_metadata_routing=routing):
        options = {"cv": splits, "scoring": scoring, "error_score": "raise"}
        scores = cross_validate(model, X, y, params={"sample_domain": sample_domain}, **options)["test_score"]
        search = GridSearchCV(model, {parameter: [0.1, 1.0, 10.0]}, **options).fit(X, y, sample_domain=sample_domain)
        predicted = search.predict(X[60:])
    np.testing.assert_allclose(scores, expected)
    best = clone(model).set_params(**search.best_params_).fit(X, y, sample_domain=sample_domain)
    np.testing.assert_array_equal(predicted, best.predict(X[60:]))


def test_cross_val_predict():
    X, y, sample_domain, splits = make_stack()
    everything = [(train, test) for train, test in splits] + [(np.arange(60, 100), np.arange(60))]
    model = sterna.make_pipeline(StandardScaler(), Pooled())
    with pytest.raises(ValueError, match="needs labelled source rows"):
        cross_val_predict(model, X, y, cv=everything, params={"sample_domain": sample_domain})


def test_importing_or_fitting_does_not_switch_routing_on():
    code = (
        "import sklearn, sterna, numpy as np\n"
        "from sklearn.preprocessing import StandardScaler\n"
        "model = sterna.make_pipeline(StandardScaler(), sterna.align.CORAL())\n"
        "X = np.arange(8.0).reshape(-1, 1)\n"
        "model.fit(X, [0, 1] * 4, sample_domain=[1] * 4 + [-2] * 4).predict(X)\n"
        "import sterna.cli, sterna.verdict\n"
        "print(sklearn.get_config()['enable_metadata_routing'])\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"


def test_fitting_leaves_the_users_routing_as_it_is():
    X, y, sample_domain, _ = make_stack()
    for routing in (True, False):
        with sklearn.config_context(enable_metadata_routing=routing):
            sterna.make_pipeline(StandardScaler(), CORAL()).fit(X, y, sample_domain=sample_domain)
            assert sklearn.get_config()["enable_metadata_routing"] == routing
