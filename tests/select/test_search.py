"""TransferSearch: what it chooses, what it reads, what it costs, and that a search that stops can go on."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.pruners import ThresholdPruner
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import StandardScaler

import sterna
from sterna.align import CORAL
from sterna.base import TransferEstimator
from sterna.baselines import Pooled, SourceOnly
from sterna.select import SourceFold, TargetFold, TransferSearch, importance_weights, information_maximisation

ALPHAS = [0.01, 0.1, 1.0, 5.0, 20.0, 60.0, 200.0, 1000.0]


def values(n_source=40, n_target=30, n_labelled=12, d=8, seed=0):
    """A linear law with noise, another slope in the target, so that neither none nor all shrinkage is best."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_source + n_target, d))
    sample_domain = np.repeat([1, -1], [n_source, n_target])
    slope = rng.normal(size=d)
    y = X @ slope * np.where(sample_domain > 0, 1.6, 1.0) + 1.5 * rng.normal(size=len(X))
    y[n_source + n_labelled :] = np.nan
    return X, y, sample_domain


def classes(n=60, n_labelled=0, seed=0, names=("cat", "dog")):
    """Two groups of rows, a little moved in the target."""
    rng = np.random.default_rng(seed)
    codes = np.tile([0, 1], n)
    sample_domain = np.repeat([1, -1], n)
    X = 1.5 * codes[:, None] * [1.0, 0.3, 0.0] + rng.normal(size=(2 * n, 3)) + 0.5 * (sample_domain < 0)[:, None]
    y = np.array(names, dtype=object)[codes]
    y[n + n_labelled :] = None
    return X, y, sample_domain


class Spy(TransferEstimator):
    """Ridge or logistic regression on all labelled rows that keeps count of its fits and of the labels that it got."""

    family = ""
    needs = frozenset()
    fits: list = []
    stop_at = None

    def __init__(self, estimator=None, level=0.0, cost=0.0):
        self.estimator = estimator
        self.level = level
        self.cost = cost

    _parameter_constraints = {}

    def _fit_domains(self, data):
        if Spy.stop_at is not None and len(Spy.fits) == Spy.stop_at:
            raise KeyboardInterrupt
        Spy.fits.append((self.level, data.X_target_labelled[:, 0].tolist(), data.y_target.tolist()))
        Clock.now += self.cost
        self._fit_final(data.X_source, data)
        if self.level < 0:
            raise RuntimeError("level is negative")


class Clock:
    now = 0.0


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(Spy, "fits", [])
    monkeypatch.setattr(Spy, "stop_at", None)
    monkeypatch.setattr(Clock, "now", 0.0)


def shown(search):
    """The trials without their times, comparable."""
    return [(row.number, row.state, row.value, repr(row.params), row.reason) for row in search.trials_.itertuples(index=False)]


# what it chooses


def ridge_by_hand(X, y, alpha):
    """Weights and intercept by the normal equations of centred rows."""
    mean, level = X.mean(axis=0), y.mean()
    w = np.linalg.solve((X - mean).T @ (X - mean) + alpha * np.eye(X.shape[1]), (X - mean).T @ (y - level))
    return w, level - mean @ w


def cross_validated(X, y, sample_domain, alpha, cv):
    scores = []
    for train, test in cv.split(X, y, sample_domain):
        rows = train[~np.isnan(y[train])]
        w, b = ridge_by_hand(X[rows], y[rows], alpha)
        scores.append(-np.sqrt(np.mean((X[test] @ w + b - y[test]) ** 2)))
    return np.mean(scores)


def test_all_of_a_finite_space_is_tried_and_scored_as_an_exhaustive_grid_is():
    X, y, sample_domain = values()
    cv = TargetFold(4, random_state=3)
    grid = {alpha: cross_validated(X, y, sample_domain, alpha, cv) for alpha in ALPHAS}
    search = TransferSearch(
        Pooled(Ridge()), {"estimator__alpha": ALPHAS}, cv=cv, n_trials=300, pruner=None, sampler="random", random_state=0
    ).fit(X, y, sample_domain=sample_domain)
    found = {row.params["estimator__alpha"]: row.value for row in search.trials_.itertuples()}
    assert found == pytest.approx(grid)
    best = max(grid, key=grid.get)
    assert best not in (ALPHAS[0], ALPHAS[-1])
    assert search.best_params_ == {"estimator__alpha": best}
    assert search.best_score_ == pytest.approx(grid[best])
    assert len(search.trials_) < 300, "it stops when all was tried"
    assert search.metric_ == "neg_root_mean_squared_error"
    assert search.n_splits_ == 4
    w, b = ridge_by_hand(X[~np.isnan(y)], y[~np.isnan(y)], best)
    np.testing.assert_allclose(search.predict(X), X @ w + b)


def test_the_optimum_of_a_continuous_parameter_is_found():
    X, y, sample_domain = values()
    cv = TargetFold(4, random_state=3)
    grid = [cross_validated(X, y, sample_domain, alpha, cv) for alpha in np.logspace(-2, 4, 60)]
    search = TransferSearch(
        Pooled(Ridge()), {"estimator__alpha": FloatDistribution(1e-2, 1e4, log=True)}, cv=cv, n_trials=30, random_state=0
    ).fit(X, y, sample_domain=sample_domain)
    assert search.best_score_ > max(grid) - 0.02 * (max(grid) - min(grid))


def test_without_target_labels_the_score_is_the_weighted_error_on_held_out_source_rows():
    X, y, sample_domain = classes(n_labelled=3)
    source, cv = sample_domain > 0, SourceFold(3, random_state=1)
    scaled = StandardScaler().fit_transform(X)
    seed = int(np.random.RandomState(5).randint(2**31 - 1))
    weights = np.full(len(y), np.nan)
    weights[source] = importance_weights(scaled[source], scaled[~source], random_state=seed)
    expected = []
    for C in (0.001, 1.0):
        scores = []
        for train, test in cv.split(X, y, sample_domain):
            rows = train[sample_domain[train] > 0]
            wrong = LogisticRegression(C=C).fit(X[rows], y[rows].astype(str)).predict(X[test]) != y[test]
            scores += [-np.average(wrong, weights=weights[test])]
        expected += [np.mean(scores)]
    search = TransferSearch(
        SourceOnly(LogisticRegression()), {"estimator__C": [0.001, 1.0]}, cv=cv, pruner=None, random_state=5
    ).fit(X, y, sample_domain=sample_domain)
    assert search.metric_ == "importance_weighted_validation"
    assert search.label_free_
    found = {row.params["estimator__C"]: row.value for row in search.trials_.itertuples()}
    assert [found[0.001], found[1.0]] == pytest.approx(expected)


def test_a_scorer_by_name_is_the_mean_over_folds_of_what_it_says():
    X, y, sample_domain = classes()
    cv = SourceFold(3, random_state=1)
    expected = []
    for train, _ in cv.split(X, y, sample_domain):
        rows = train[sample_domain[train] > 0]
        model = LogisticRegression(max_iter=1000).fit(X[rows], y[rows].astype(str))
        expected += [information_maximisation(model.predict_proba(X[sample_domain < 0]))]
    for scoring in ("information_maximisation", information_maximisation):
        search = TransferSearch(SourceOnly(), {"estimator": [None]}, scoring=scoring, cv=cv, random_state=0)
        assert search.fit(X, y, sample_domain=sample_domain).best_score_ == pytest.approx(np.mean(expected))


@pytest.mark.parametrize("name", list(sterna.all_scorers()))
def test_every_scorer_can_be_searched_by(name):
    X, y, sample_domain = classes()
    search = TransferSearch(CORAL(), {"estimator": [GaussianNB()]}, scoring=name, cv=2, random_state=0)
    search.fit(X, y, sample_domain=sample_domain)
    assert search.metric_ == name
    low, high = sterna.all_scorers()[name].bounds
    assert low <= search.best_score_ <= high


def test_regression_without_target_labels():
    X, y, sample_domain = values(n_labelled=0)
    search = TransferSearch(SourceOnly(Ridge()), {"estimator__alpha": [1.0, 1e6]}, random_state=0)
    search.fit(X, y, sample_domain=sample_domain)
    assert search.metric_ == "importance_weighted_validation"
    assert search.best_params_ == {"estimator__alpha": 1.0}
    assert search.trials_.set_index(search.trials_["params"].astype(str))["state"]["{'estimator__alpha': 1000000.0}"] == "void"


def test_weights_that_rest_on_few_rows_are_not_the_default():
    X, y, sample_domain = classes()
    X = X + 6.0 * (sample_domain < 0)[:, None]
    space = {"estimator__C": [1.0]}
    search = TransferSearch(CORAL(LogisticRegression()), space, cv=2, random_state=0).fit(X, y, sample_domain=sample_domain)
    assert search.metric_ == "information_maximisation"
    with pytest.raises(
        ValueError, match="'importance_weighted_validation' cannot tell models apart here: the weights say that"
    ):
        TransferSearch(SourceOnly(LogisticRegression()), space, scoring="importance_weighted_validation", random_state=0).fit(
            X, y, sample_domain=sample_domain
        )
    X, y, sample_domain = values(n_labelled=0)
    X = X + 6.0 * (sample_domain < 0)[:, None]
    search = TransferSearch(SourceOnly(Ridge()), {"estimator__alpha": [1.0]}, cv=2, random_state=0)
    assert search.fit(X, y, sample_domain=sample_domain).metric_ == "devn"


# what it reads


@pytest.mark.parametrize(("n_labelled", "metric"), [(7, "importance_weighted_validation"), (8, "accuracy")])
def test_eight_labels_are_enough(n_labelled, metric):
    X, y, sample_domain = classes(n_labelled=n_labelled)
    search = TransferSearch(Pooled(), {"estimator": [GaussianNB()]}, random_state=0).fit(X, y, sample_domain=sample_domain)
    assert search.metric_ == metric


@pytest.mark.parametrize("n_labelled", [0, 4, 20])
def test_labels_that_are_withheld_change_nothing(n_labelled):
    X, y, _ = classes(n_labelled=60)
    source = {"a": (X[:60], y[:60])}
    shown_by = []
    for truth in (y[60:], y[60:][::-1], np.repeat(["cat"], 60)):
        truth = np.concatenate([y[60 : 60 + n_labelled], truth[n_labelled:]])
        domains = sterna.Domains(source=source, target={"b": (X[60:], truth)})
        stack, labels, codes = domains.stack(labelled_rows=np.arange(n_labelled))
        search = TransferSearch(
            Pooled(LogisticRegression()) if n_labelled else SourceOnly(LogisticRegression()),
            {"estimator__C": FloatDistribution(1e-3, 10.0, log=True)},
            cv=2,
            n_trials=5,
            random_state=0,
        ).fit(stack, labels, sample_domain=codes)
        shown_by.append((shown(search), search.predict(X).tolist()))
    assert shown_by[0] == shown_by[1] == shown_by[2]


def test_no_fold_trains_on_what_it_tests():
    X, y, sample_domain = values()
    TransferSearch(Spy(Ridge()), {"level": [0.0]}, cv=3, random_state=0, refit=False).fit(X, y, sample_domain=sample_domain)
    labelled = dict(zip(X[40:52, 0], y[40:52], strict=True))
    assert len(Spy.fits) == 3
    missing = [set(labelled) - set(rows) for _, rows, _ in Spy.fits]
    assert sorted(x for fold in missing for x in fold) == sorted(labelled)
    for _, rows, known in Spy.fits:
        assert known == [labelled[x] for x in rows]


def test_rows_and_labels_are_not_written_to():
    X, y, sample_domain = classes(n_labelled=10)
    for array in (X, y, sample_domain):
        array.setflags(write=False)
    TransferSearch(CORAL(), {"estimator": [GaussianNB()]}, random_state=0).fit(X, y, sample_domain=sample_domain)


def test_labels_tables_and_matrices_of_other_kinds_give_the_same():
    from scipy import sparse

    X, y, sample_domain = classes(n_labelled=10)
    space = {"estimator__C": [0.01, 1.0, 5.0]}

    def scores(X, y, sample_domain):
        search = TransferSearch(Pooled(LogisticRegression()), space, cv=2, random_state=0).fit(
            X, y, sample_domain=sample_domain
        )
        return shown(search), len(search.classes_)

    expected = scores(X, y, sample_domain)
    codes = np.array([-1 if label is None else ["cat", "dog"].index(label) for label in y])
    words = np.where(sample_domain > 0, "source:a", "target")
    assert scores(X, codes, words) == expected
    assert scores(pd.DataFrame(X, columns=list("abc")), pd.Series(y), sample_domain) == expected
    assert scores(X.tolist(), y.tolist(), sample_domain.tolist()) == expected
    found, _ = scores(sparse.csr_matrix(X), y, sample_domain)
    assert [row[2] for row in found] == pytest.approx([row[2] for row in expected[0]])


# void and failed trials


def test_a_void_trial_is_worst_and_keeps_its_reason():
    X, y, sample_domain = classes()
    bad = DummyClassifier(strategy="constant", constant="cat")
    search = TransferSearch(
        SourceOnly(), {"estimator": [bad, GaussianNB()]}, scoring="entropy", cv=2, random_state=0, sampler="random", n_trials=12
    ).fit(X, y, sample_domain=sample_domain)
    states = {type(row.params["estimator"]).__name__: row for row in search.trials_.drop_duplicates("value").itertuples()}
    assert isinstance(search.best_params_["estimator"], GaussianNB)
    assert states["GaussianNB"].state == "complete"
    assert states["DummyClassifier"].state == "void"
    assert states["DummyClassifier"].value == -np.inf
    assert states["DummyClassifier"].reason == "predicts 'cat' for 100 % of the target, against 50 % in the source"


def test_a_model_that_lost_the_source_is_void():
    X, y, sample_domain = values(n_labelled=0)
    space = {"estimator__alpha": [1.0, 100.0]}
    search = TransferSearch(SourceOnly(Ridge()), space, random_state=0, n_trials=10).fit(X, y, sample_domain=sample_domain)
    reasons = search.trials_.loc[search.trials_["state"] == "void", "reason"]
    assert any("of the plain source model" in reason for reason in reasons)


def test_failed_trials_keep_their_reason_and_the_search_goes_on():
    X, y, sample_domain = values()
    search = TransferSearch(Spy(Ridge()), {"level": [-1.0, 1.0]}, sampler="random", n_trials=9, random_state=0)
    search.fit(X, y, sample_domain=sample_domain)
    failed = search.trials_[search.trials_["state"] == "failed"]
    assert failed["reason"].iloc[0] == "RuntimeError: level is negative"
    assert failed["value"].eq(-np.inf).all()
    assert search.best_params_ == {"level": 1.0}
    with pytest.raises(ValueError, match="none of 1 trials has a score; trial 0 is failed: RuntimeError: level is negative"):
        TransferSearch(Spy(Ridge()), {"level": [-1.0]}, random_state=0).fit(X, y, sample_domain=sample_domain)


# what it costs


def test_the_same_parameters_are_not_fitted_twice():
    X, y, sample_domain = values()
    space = {"level": [0.0, 1.0, 2.0], "estimator__alpha": [0.1, 10.0]}
    search = TransferSearch(Spy(Ridge()), space, cv=3, n_trials=5, pruner=None, refit=False, random_state=1, sampler="random")
    search.fit(X, y, sample_domain=sample_domain)
    n_different = search.trials_["params"].astype(str).nunique()
    assert n_different < len(search.trials_) == 5
    assert len(Spy.fits) == 3 * n_different
    repeated = search.trials_[search.trials_["reason"] != ""].iloc[0]
    assert repeated["reason"].startswith("the parameters of trial ")
    twin = search.trials_.iloc[int(repeated["reason"].split()[-1])]
    assert twin["value"] == repeated["value"]
    assert twin["params"] == repeated["params"]


@pytest.mark.parametrize("pruner", ["median", "halving"])
def test_pruning_saves_fits_and_finds_the_same(pruner):
    X, y, sample_domain = values(n_labelled=20)
    space = {"estimator__alpha": FloatDistribution(1e-2, 1e5, log=True)}
    counts, best = {}, {}
    for kind in (None, pruner):
        Spy.fits.clear()
        search = TransferSearch(Spy(Ridge()), space, sampler="random", pruner=kind, n_trials=15, refit=False, random_state=0)
        search.fit(X, y, sample_domain=sample_domain)
        counts[kind], best[kind] = len(Spy.fits), search.best_score_
        states = search.trials_["state"].value_counts()
        assert ("pruned" in states) == (kind is not None)
    assert counts[None] == 75
    assert counts[pruner] < 60
    assert best[pruner] > best[None] - 0.1
    pruned = search.trials_[search.trials_["state"] == "pruned"]
    assert pruned["reason"].str.fullmatch(r"pruned after \d of 5 folds").all()


def test_a_pruned_trial_is_worth_the_mean_of_its_folds():
    X, y, sample_domain = values(n_labelled=20)
    cv = TargetFold(5, random_state=1)
    search = TransferSearch(
        Pooled(Ridge()), {"estimator__alpha": FloatDistribution(1e-2, 1e5, log=True)}, cv=cv, n_trials=20, random_state=0
    ).fit(X, y, sample_domain=sample_domain)
    row = search.trials_[search.trials_["state"] == "pruned"].iloc[0]
    n_folds = int(row["reason"].split()[2])
    first = list(cv.split(X, y, sample_domain))[:n_folds]

    class First:
        def split(self, X, y, sample_domain):
            return first

    assert row["value"] == pytest.approx(cross_validated(X, y, sample_domain, row["params"]["estimator__alpha"], First()))


def test_a_pruner_that_gives_up_all_trials_is_named():
    search = TransferSearch(Pooled(Ridge()), {"estimator__alpha": [0.1, 1.0]}, pruner=ThresholdPruner(lower=2), random_state=0)
    with pytest.raises(
        ValueError, match="none of 2 trials has a score: the pruner gave up all of them before their last fold; give pruner=No"
    ):
        search.fit(*values())
    assert search.trials_["state"].tolist() == ["pruned"] * 2


def test_the_time_budget_holds_for_folds_and_for_the_last_fit(monkeypatch):
    monkeypatch.setattr("sterna.select._search_run.time.perf_counter", lambda: Clock.now)
    X, y, sample_domain = values()
    space = {"estimator__alpha": FloatDistribution(0.1, 10.0)}
    search = TransferSearch(Spy(Ridge(), cost=1.0), space, cv=3, time_budget=11.5, pruner=None, random_state=0)
    search.fit(X, y, sample_domain=sample_domain)
    assert Clock.now <= 11.5
    assert len(Spy.fits) == 11  # three trials, a fold of the fourth and the best
    assert search.trials_["state"].tolist() == ["complete"] * 3 + ["running"]
    assert search.trials_["seconds"].tolist()[:3] == [3.0] * 3
    with pytest.raises(ValueError, match=r"time_budget is 1\.5, in which no trial was finished; give more seconds"):
        clone(search).set_params(time_budget=1.5).fit(X, y, sample_domain=sample_domain)
    assert search.set_params(time_budget=None, n_trials=2).fit(X, y, sample_domain=sample_domain).trials_.shape == (2, 6)


# going on


SPACE = {"estimator__alpha": FloatDistribution(1e-2, 1e4, log=True), "level": IntDistribution(0, 3), "cost": [0, (1, 2), "a"]}


class Costless(Spy):
    def _fit_domains(self, data):
        self.__dict__["cost"] = 0.0
        super()._fit_domains(data)


def running(n_trials, storage=None, **options):
    options = {"random_state": 7} | options
    return TransferSearch(Costless(Ridge()), SPACE, cv=3, n_trials=n_trials, storage=storage, **options)


@pytest.fixture(scope="module")
def in_one_go():
    """The trials, and how many fits they took."""
    Spy.fits = []
    trials = shown(running(12).fit(*values()))
    assert {"complete", "pruned"} <= {state for _, state, *_ in trials}
    return trials, len(Spy.fits)


def test_a_search_that_stopped_is_the_search_that_did_not(in_one_go, tmp_path):
    path = tmp_path / "trials.jsonl"
    running(5, path).fit(*values())
    resumed = running(12, path).fit(*values())
    assert shown(resumed) == in_one_go[0]
    Spy.fits.clear()
    again = running(12, path, random_state=None).fit(*values())
    assert shown(again) == in_one_go[0]
    assert len(Spy.fits) == 1, "only the best is fitted"
    for line in path.read_text().splitlines():
        assert isinstance(json.loads(line), dict)


@pytest.mark.parametrize("stop_at", [0, 17])
def test_an_interrupt_leaves_what_is_finished_and_the_search_goes_on_from_the_fold(in_one_go, tmp_path, monkeypatch, stop_at):
    path = tmp_path / "trials.jsonl"
    search = running(12, path)
    monkeypatch.setattr(Spy, "stop_at", stop_at)
    with pytest.raises(KeyboardInterrupt):
        search.fit(*values())
    assert len(search.trials_) >= 1
    assert search.trials_["state"].iloc[-1] == "running"
    assert hasattr(search, "best_params_") == (stop_at > 0)
    with pytest.raises(AttributeError, match="the search was interrupted"):
        search.predict(values()[0])
    with path.open("ab") as file:  # a kill in the middle of a line
        file.write(b'{"op_code":4,"worker')
    monkeypatch.setattr(Spy, "stop_at", None)
    assert shown(running(12, path).fit(*values())) == in_one_go[0]
    assert len(Spy.fits) == in_one_go[1], "no fold was fitted twice"


def test_the_same_seed_gives_the_same_search_and_another_seed_another(in_one_go):
    assert shown(running(12).fit(*values())) == in_one_go[0]
    assert shown(running(12, random_state=8).fit(*values())) != in_one_go[0]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"space": {"level": [0, 1]}}, "space"),
        ({"random_state": 8}, "random state"),
        ({"estimator__estimator__fit_intercept": False}, "estimator"),
        ({"scoring": "r2"}, "scoring"),
        ({"cv": 4}, "cv"),
        ({"pruner": None}, "pruner"),
        ({"sampler": "random"}, "sampler"),
    ],
)
def test_the_trials_of_another_search_are_refused(tmp_path, changes, what):
    path = tmp_path / "trials.jsonl"
    running(1, path).fit(*values())
    with pytest.raises(
        ValueError, match=f"holds a search with another {what} under the name 'sterna'; give another storage or"
    ):
        running(1, path).set_params(**changes).fit(*values())
    assert len(running(1, path, study_name="other").set_params(**changes).fit(*values()).trials_) == 1


@pytest.mark.parametrize("part", [0, 1, 2])
def test_the_trials_of_other_data_are_refused(tmp_path, part):
    path = tmp_path / "trials.jsonl"
    running(1, path).fit(*values())
    stack = list(values())
    stack[part] = stack[part].copy()
    stack[part][0] = stack[part][0] + 1
    with pytest.raises(ValueError, match="holds a search with another data"):
        running(1, path).fit(*stack)


def test_a_file_that_another_search_has_is_refused_and_is_free_after_a_kill(in_one_go, tmp_path):
    path = tmp_path / "trials.jsonl"
    running(5, path).fit(*values())
    before = path.read_bytes()
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match=r"trials.jsonl' is in use by another search; wait for its end, or give another"):
            running(12, path).fit(*values())
        assert path.read_bytes() == before
    finally:
        holder.kill()
        holder.communicate()
    assert shown(running(12, path).fit(*values())) == in_one_go[0]


HOLDER = """
import sys, time
from pathlib import Path
from sterna.select._search_lock import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path):
    for content in ("a,b\n1,2", '{"name": 1}\n', "[1]"):
        path = tmp_path / "other"
        path.write_text(content)
        with pytest.raises(ValueError, match="holds something else than trials; give the path of another file"):
            running(1, path).fit(*values())
        assert path.read_text() == content
    for place in (tmp_path, tmp_path / "nowhere" / "file"):
        with pytest.raises(ValueError, match="a file cannot be there"):
            running(1, place).fit(*values())


# scikit-learn's conventions


def test_it_is_an_estimator_of_the_kind_that_it_searches():
    search = TransferSearch(Pooled(LogisticRegression()), {"estimator__C": [1.0]}, n_trials=3)
    assert is_classifier(search)
    assert is_regressor(TransferSearch(Pooled(Ridge()), {}))
    copy = clone(search)
    assert copy.get_params()["estimator__estimator__C"] == 1.0
    assert copy.estimator is not search.estimator
    assert hasattr(search, "predict_proba")
    assert not hasattr(TransferSearch(Pooled(Ridge()), {}), "predict_proba")
    assert "TransferSearch" not in sterna.all_strategies(deep=False)
    assert "TransferSearch" not in sterna.all_scorers()


def test_what_it_predicts_is_what_its_best_estimator_predicts():
    X, y, sample_domain = classes(n_labelled=12)
    model = sterna.make_pipeline(StandardScaler(), CORAL(LogisticRegression()))
    search = TransferSearch(
        model, {"coral__estimator__C": [0.1, 1.0], "standardscaler__with_mean": [True, False]}, random_state=0
    )
    assert search.fit(X, y, sample_domain=sample_domain) is search
    by_hand = clone(model).set_params(**search.best_params_).fit(X, y, sample_domain=sample_domain)
    np.testing.assert_allclose(search.predict_proba(X), by_hand.predict_proba(X))
    np.testing.assert_allclose(search.decision_function(X), by_hand.decision_function(X))
    assert search.predict(X).tolist() == by_hand.predict(X).tolist()
    assert search.classes_.tolist() == ["cat", "dog"]
    assert search.n_features_in_ == 3
    assert search.score(X[60:72], y[60:72].astype(str)) == by_hand.score(X[60:72], y[60:72].astype(str))
    assert search.set_params(scoring="mcc").fit(X, y, sample_domain=sample_domain).label_free_
    assert search.score(X[60:72], y[60:72].astype(str)) > 0.5


def test_without_refit_there_is_nothing_to_predict_with():
    search = TransferSearch(Pooled(Ridge()), {"estimator__alpha": [1.0]}, refit=False, random_state=0)
    search.fit(*values())
    assert not hasattr(search, "best_estimator_")
    with pytest.raises(AttributeError, match="refit is False"):
        search.predict(values()[0])


def test_a_random_state_that_is_none_is_seeded_and_one_that_is_set_is_kept():
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(n_estimators=2)
    search = TransferSearch(Pooled(forest), {"estimator__max_depth": [1, 2]}, cv=2, n_trials=2, random_state=0)
    first, second = (shown(clone(search).fit(*values())) for _ in range(2))
    assert first == second
    search.set_params(estimator__estimator__random_state=3).fit(*values())
    assert search.best_estimator_.get_params()["estimator__random_state"] == 3


def test_progress_is_a_line_for_each_trial(capsys):
    TransferSearch(Pooled(Ridge()), {"estimator__alpha": [1.0, 2.0]}, progress=True, random_state=0).fit(*values())
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("trial 1 of 50: -")
    assert "; best -" in lines[0]


# bad input


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"space": {}}, ValueError, "space is {}; give a dict of parameter names"),
        ({"space": [1]}, ValueError, "space is .* give a dict"),
        (
            {"space": {"estimator__alhpa": [1]}},
            ValueError,
            "names 'estimator__alhpa', which is no parameter of Pooled; allowed are est",
        ),
        (
            {"space": {"estimator__alpha": []}},
            ValueError,
            "space gives .* for 'estimator__alpha'; give a list of choices, or a dist",
        ),
        ({"space": {"estimator__alpha": "auto"}}, ValueError, "space gives 'auto' for 'estimator__alpha'"),
        ({"space": {"estimator__alpha": [1, 1.0]}}, ValueError, "space lists 1.0 twice for 'estimator__alpha'"),
        ({"n_trials": 0}, ValueError, "'n_trials' parameter .* Got 0"),
        ({"time_budget": 0}, ValueError, "'time_budget' parameter .* Got 0"),
        ({"time_budget": "5"}, ValueError, "'time_budget' parameter .* Got '5'"),
        ({"storage": 5}, ValueError, "'storage' parameter .* Got 5"),
        ({"sampler": "grid"}, ValueError, "'sampler' parameter .* Got 'grid'"),
        ({"pruner": "mean"}, ValueError, "pruner is 'mean'; give 'median', 'halving', None or one of optuna.pruners"),
        ({"scoring": "acuracy"}, ValueError, "acuracy"),
        ({"scoring": "mcc"}, ValueError, "'mcc' is for classification, but the task is regression"),
        ({"cv": 1}, ValueError, "n_splits is 1"),
        ({"cv": 13}, ValueError, "n_splits is 13, but there are 12 labelled target rows"),
        ({"cv": SourceFold(2)}, ValueError, r"cv tests row \d+ in fold 0, but this scoring tests labelled target rows alone"),
        ({"cv": [([0, 41], [41])]}, ValueError, "in fold 0 of cv row 41 is trained on and tested"),
        ({"cv": []}, ValueError, "cv gives no fold"),
        ({"cv": "five"}, TypeError, "cv is 'five'; give a number of folds, a splitter such as TargetFold, or pairs of rows"),
        (
            {"estimator": Ridge(), "space": {"alpha": [1.0]}},
            TypeError,
            r"estimator is a Ridge, whose fit takes no sample_domain; give",
        ),
    ],
)
def test_bad_parameters_get_a_sentence(changes, error, message):
    search = TransferSearch(Pooled(Ridge()), {"estimator__alpha": [1.0]}, random_state=0).set_params(**changes)
    with pytest.raises(error, match=message):
        search.fit(*values())


def test_parameters_of_a_part_that_is_none_get_a_hint():
    with pytest.raises(ValueError, match="estimator is None: give one to search over its parameters"):
        TransferSearch(Pooled(), {"estimator__C": [1.0]}).fit(*classes())
    search = TransferSearch(Pooled(), {"estimator": [LogisticRegression()], "estimator__C": [1.0]}, random_state=0)
    assert search.fit(*classes(n_labelled=8)).best_params_["estimator__C"] == 1.0


def test_bad_stacks_get_a_sentence():
    X, y, sample_domain = values(n_labelled=0)
    search = TransferSearch(Pooled(Ridge()), {"estimator__alpha": [1.0]}, random_state=0)
    with pytest.raises(ValueError, match="got no domains; give sample_domain"):
        search.fit(X, y)
    with pytest.raises(ValueError, match="y has 69 labels but X has 70 rows"):
        search.fit(X, y[1:], sample_domain=sample_domain)
    with pytest.raises(ValueError, match=r"\(0 are there\).*\(70 are labelled\); give both, or 8 labelled target rows"):
        search.fit(X, np.ones(70), sample_domain=np.ones(70))
    with pytest.raises(ValueError, match="'r2' is taken on labelled target rows, of which there are 0"):
        search.set_params(scoring="r2").fit(X, y, sample_domain=sample_domain)
    with pytest.raises(ValueError, match="y holds 'a', but Pooled is for regression; give numbers"):
        search.fit(X, np.array(["a"] * 70), sample_domain=sample_domain)


def test_optuna_is_asked_for_in_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(
        ModuleNotFoundError, match=r"^TransferSearch needs optuna; install it with pip install 'sterna\[search\]'$"
    ):
        TransferSearch(Pooled(Ridge()), {"estimator__alpha": [1.0]}).fit(*values())
