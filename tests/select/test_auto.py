"""AutoTransfer: what it chooses, when it falls back, and that its parts compute what they say."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression, Ridge

import sterna
from sterna import AutoTransfer
from sterna.align import DomainStandardization
from sterna.base import TransferEstimator
from sterna.baselines import SourceOnly
from sterna.domains._stack import evenly_spread
from sterna.select import _auto_race as racing
from sterna.select._auto import _affordable
from sterna.select._auto_more_rows import judge_on_more_rows
from sterna.select._auto_race import Clock, Entrant, race
from sterna.select._auto_weights import (
    average_best,
    held_out_gain,
    label_likeness,
    likelihood_weights,
    mixture_weights,
    predicted_to_help,
    selection_weights,
)
from sterna.select._candidates import assemble, named_estimator
from sterna.select._search_stack import Stack
from sterna.select._temperature import at_temperature, fit_temperature
from sterna.verdict import _compare

FEW = ["CORAL", "DomainStandardization"]


def rescaled(n_labelled=0, n_source=90, n_target=70, seed=0, task="classification", names=None):
    """Another scale and place of all columns in the target; the rule is the same before."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_source + n_target, 4))
    signal = X @ [2.0, -1.0, 0.5, 0.0]
    y = signal + 0.1 * rng.normal(size=len(X)) if task == "regression" else (signal > 0).astype(int)
    y = y if names is None else np.asarray(names, dtype=object)[y]
    X[n_source:] = 5 * X[n_source:] + [3.0, -3.0, 3.0, 0.0]
    shown = y.astype(object)
    shown[n_source + n_labelled :] = None
    return X, shown if task == "classification" else shown.astype(float), np.repeat([1, -1], [n_source, n_target]), y


def fitted(strategies=FEW, estimator="linear", **options):
    X, shown, codes, y = rescaled(**options)
    model = AutoTransfer(estimator, strategies=strategies).fit(X, shown, sample_domain=codes)
    return model, X[codes < 0], y[codes < 0]


# the parts


def test_likelihoods_are_means_over_draws_of_the_rows():
    errors = np.random.default_rng(1).random((3, 20)) * [[0.6], [0.7], [1.8]]
    draws = np.random.default_rng(0).dirichlet(np.ones(20), 400)
    likelihoods = np.exp([[-20 * np.sum(draw * row) for row in errors] for draw in draws])
    naive = np.mean(likelihoods / likelihoods.sum(axis=1, keepdims=True), axis=0)
    assert likelihood_weights(errors, values=False) == pytest.approx(naive)


def test_likelihoods_need_rows_to_decide_and_rows_that_agree():
    even = np.repeat([[0.30], [0.35], [0.90]], 20, axis=1)  # all rows say the same: the likelihood itself
    naive = np.exp(-20 * np.array([0.30, 0.35, 0.90]))
    assert likelihood_weights(even, values=False) == pytest.approx(naive / naive.sum())
    assert likelihood_weights(np.repeat(even, 100, axis=1), values=False) == pytest.approx([1, 0, 0])
    # values: Gaussian errors of variance 4, so that the scale of the label does not matter
    gaussian = np.exp(-10 * np.array([4.0, 4.4]) / (2 * 4))
    errors = np.repeat([[4.0], [4.4]], 10, axis=1)
    assert likelihood_weights(errors, values=True) == pytest.approx(gaussian / gaussian.sum())
    assert likelihood_weights(1e6 * errors, values=True) == pytest.approx(gaussian / gaussian.sum())
    assert likelihood_weights(np.array([[0.0] * 10, [0.0] * 10, [1.0] * 10]), values=True) == pytest.approx([0.5, 0.5, 0])
    uneven = errors.copy()
    uneven[1] = [5.0, 39.0, *[0.0] * 8]  # the same mean, which one row makes
    assert likelihood_weights(uneven, values=True)[1] > gaussian[1] / gaussian.sum() + 0.1


def test_selection_picks_what_makes_the_mean_of_all_picked_best():
    residuals = np.random.default_rng(2).normal(size=(4, 15, 2)) * np.array([1.0, 1.1, 0.9, 3.0])[:, None, None]
    picked = np.zeros(4)
    for draw in np.random.default_rng(0).dirichlet(np.ones(15), 100):
        inside = []
        for _ in range(10):
            losses = [np.sum(draw * np.sum(np.mean(residuals[[*inside, k]], axis=0) ** 2, axis=1)) for k in range(4)]
            inside.append(int(np.argmin(losses)))
        picked += np.bincount(inside, minlength=4)
    assert selection_weights(residuals) == pytest.approx(picked / 1000)


def test_a_mixture_takes_strategies_whose_errors_cancel():
    noise = np.random.default_rng(0).normal(size=(1, 200, 1))
    residuals = np.concatenate([noise, -noise, 0.9 * noise])  # the third alone is the best
    weights = mixture_weights(residuals, values=True)
    assert weights.sum() == pytest.approx(1)
    assert weights[1] > 0.2
    assert np.sum(np.tensordot(weights, residuals, 1) ** 2) < 0.5 * np.sum(residuals[2] ** 2)
    alike = np.repeat(noise, 2, axis=0)
    assert mixture_weights(np.concatenate([alike, 30 * noise]), values=True)[2] == 0
    many = np.repeat(residuals, 60, axis=1)
    assert mixture_weights(many, values=True) == pytest.approx(
        mixture_weights(many[:, evenly_spread(12_000, 5000)], values=True)
    )


def test_the_gain_is_held_out_of_weights_and_of_the_choice_of_the_plain_model():
    rng = np.random.default_rng(0)
    predictions, expected = rng.random((3, 12, 2)), rng.random((12, 2))
    folds = [np.arange(0, 12, 3), np.arange(1, 12, 3), np.arange(2, 12, 3)]
    found = held_out_gain(predictions, [0, 2], expected, folds, values=False)
    for rows in folds:
        others = [i for i in range(12) if i not in rows]
        residuals = np.array([[predictions[k, i] - expected[i] for i in others] for k in range(3)])
        weights, losses = mixture_weights(residuals, values=False), np.sum(residuals**2, axis=2).mean(axis=1)
        best = min((0, 2), key=lambda k: losses[k])
        for i in rows:
            mixed = sum(weights[k] * predictions[k, i] for k in range(3))
            naive = sum((predictions[best, i] - expected[i]) ** 2) - sum((mixed - expected[i]) ** 2)
            assert found[i] == pytest.approx(naive)


def test_a_loss_within_its_error_is_no_reason_to_fall_back_but_a_clear_one_is():
    assert predicted_to_help(np.array([0.1, 0.2, -0.3, 0.1]))
    assert predicted_to_help(np.array([0.3, -0.3, 0.2, -0.25]))
    assert not predicted_to_help(np.array([-0.1, -0.2, -0.15, -0.1]))


def test_label_free_choice_averages_the_best_five_alike():
    def best(names):
        return average_best({name: {"a": float(name), "b": float(name)} for name in names})

    assert best("01234567") == dict.fromkeys("7654", 0.25)
    assert list(best([f"{k:02d}" for k in range(20)])) == ["19", "18", "17", "16", "15"]
    assert best("1234") == dict.fromkeys("432", 1 / 3)  # at least three
    assert best("1") == {"1": 1.0}


def test_each_view_has_one_vote_however_many_scores_it_has():
    many = {name: {"a": float(name), "b": float(name), "c": float(name)} for name in "12345678"}  # ranks 8 to 1
    one = {name: {"d": value} for name, value in zip("12345678", (4.5, 0, 1, 2, 3, 4, 5, 6), strict=True)}
    assert set(average_best(many, one)) == set("8765")  # sums of ranks 2, 4, 7, 9; "1" has 11
    one["1"]["d"] = 9.0  # 9, as "5"
    assert set(average_best(many, one)) == set("8761")


def test_values_count_as_their_distribution_is_near_the_sources():
    y = np.array([0.0, 2.0, 4.0, 6.0])
    moved = {"as it was": y[::-1], "by one": y + 1, "far": 3 * y + 20}
    # sorted values are paired: the mean distance is 0, 1 and the mean of 20, 24, 28, 32; one deviation is the root of 5
    naive = {name: 1 / (d / 5**0.5 + 0.1) for name, d in zip(moved, (0.0, 1.0, 26.0), strict=True)}
    assert label_likeness(moved, y) == pytest.approx({name: w / sum(naive.values()) for name, w in naive.items()})
    assert label_likeness({"a": np.ones(3), "b": np.zeros(3)}, np.ones(5))["a"] > 0.9  # one value only has no deviation


def test_temperature_is_that_of_a_grid_and_one_without_rows():
    rng = np.random.default_rng(0)
    proba = rng.dirichlet([0.3, 0.3, 0.3], 200)
    codes = np.array([rng.choice(3, p=p**0.5 / np.sum(p**0.5)) for p in proba])  # half as sure would be right
    grid = np.exp(np.linspace(-2, 2, 4001))
    losses = [-np.sum(np.log(at_temperature(proba, T)[np.arange(200), codes])) + np.log(T) ** 2 / 2 for T in grid]
    found = fit_temperature(proba, codes)
    assert found == pytest.approx(grid[int(np.argmin(losses))], rel=2e-3)
    assert 1.5 < found < 3
    assert fit_temperature(proba, codes, np.full(200, 7.0)) == pytest.approx(
        found, rel=1e-3
    )  # the scale of weights is no matter
    assert fit_temperature(np.empty((0, 3)), np.empty(0, dtype=int)) == 1.0
    assert at_temperature(proba, 5.0).sum(axis=1) == pytest.approx(np.ones(200))
    assert np.array_equal(at_temperature(proba, 5.0).argmax(axis=1), proba.argmax(axis=1))


def raced(losses, n_rows=100, plain=(), fail=(), clock=None):
    """A race of constant predictions, with how often each was run."""
    counts = dict.fromkeys(losses, 0)
    folds = [(np.empty(0, dtype=int), np.arange(k, n_rows, 5)) for k in range(5)]
    entrants = [Entrant(name, name, name in plain) for name in losses]

    def work(name, k):
        counts[name] += 1
        if name in fail:
            raise ValueError("cannot")
        return np.full((len(folds[k][1]), 1), losses[name])

    return race(entrants, folds, np.zeros((n_rows, 1)), work, clock or Clock(None), None), entrants, counts


def test_the_race_halves_and_keeps_plain_models():
    losses = {f"s{k:02d}": 1.0 + k for k in range(24)}
    alive, entrants, counts = raced(losses, plain=("s23",))
    # 24 run two folds, the better 12 and the plain one the third, 10 and it the others
    assert [entrant.name for entrant in alive] == [f"s{k:02d}" for k in range(10)] + ["s23"]
    assert counts["s00"] == counts["s23"] == 5
    assert counts["s20"] == 2
    assert sorted(counts.values()) == [2] * 11 + [3] * 2 + [5] * 11
    assert "left out after 40 labelled rows" in next(e for e in entrants if e.name == "s20").reason
    assert alive[0].loss == pytest.approx(1.0)


def test_few_rows_halve_nobody_before_there_are_forty():
    _, _, counts = raced({f"s{k:02d}": 1.0 + k for k in range(24)}, n_rows=40)
    assert set(counts.values()) == {5}


def test_a_failure_and_the_end_of_the_budget_are_reasons():
    alive, entrants, _ = raced({"a": 1.0, "b": 2.0}, fail=("b",))
    assert [entrant.name for entrant in alive] == ["a"]
    assert next(e for e in entrants if e.name == "b").reason == "failed: cannot"
    over = Clock(5.0, start=time.monotonic() - 10)
    alive, entrants, counts = raced({"a": 1.0, "b": 2.0}, plain=("a",), clock=over)
    assert counts["b"] == 0
    assert "budget" in next(e for e in entrants if e.name == "b").reason
    assert [entrant.name for entrant in alive] == ["a"]


def test_the_slowest_are_left_out_where_the_budget_is_short():
    entrants = [
        Entrant("plain", None, True, seconds=9.0),
        Entrant("quick", None, seconds=1.0),
        Entrant("slow", None, seconds=8.0),
    ]
    racing._leave_out_slow(entrants, Clock(25.0), n_later=1)
    assert [entrant.name for entrant in entrants if entrant.reason] == ["slow"]
    racing._leave_out_slow(entrants[:2], Clock(1.0), n_later=1)
    assert [entrant.name for entrant in entrants if not entrant.reason] == ["plain"]


def test_the_last_fit_is_on_as_many_rows_as_there_is_time_for():
    codes, y = np.repeat([1, -1], [9000, 6000]), np.r_[np.zeros(9000), np.full(6000, np.nan)]
    whole = Stack(np.zeros((15000, 1)), y, codes, codes > 0, False)
    part = whole.sample(3000, seed=0)
    entrants = [Entrant("chosen", None, seconds=4.0, weight=1.0), Entrant("other", None, seconds=99.0)]
    assert _affordable(whole, part, entrants, Clock(11.0), 0) is whole  # 15000 rows take 10 seconds
    assert len(_affordable(whole, part, entrants, Clock(5.0), 0).source) == pytest.approx(4500, abs=10)
    late = Clock(5.0, start=time.monotonic() - 9)
    assert len(_affordable(whole, part, entrants, late, 0).source) == 4000


def test_a_sample_keeps_labels_shares_and_rare_classes():
    y = np.array(["a"] * 600 + ["b"] * 299 + ["c"] + ["a", "b"] * 30 + [None] * 240, dtype=object)
    codes, known = np.repeat([1, -2], [900, 300]), np.array([label is not None for label in y])
    stack = Stack(np.arange(1200.0)[:, None], y, codes, known, True)
    few = stack.sample(90, seed=0)
    np.testing.assert_array_equal(few.y, y[few.X[:, 0].astype(int)])
    assert np.unique(few.labels(few.source), return_counts=True)[1].tolist() == [59, 30, 1]
    assert (len(few.labelled), len(few.target)) == (60, 150)
    assert stack.sample(900, seed=0) is stack


@pytest.mark.parametrize("n_labelled", [0, 40])
def test_many_rows_are_chosen_on_a_sample_and_fitted_on_all(monkeypatch, n_labelled):
    monkeypatch.setattr("sterna.select._auto.MAX_ROWS", 60)
    X, shown, codes, _ = rescaled(n_labelled, n_source=300, n_target=300)
    model = AutoTransfer("linear", strategies=["DomainStandardization"]).fit(X, shown, sample_domain=codes)
    inside = model.estimator_.models[list(model.weights_).index("DomainStandardization")]
    whole = assemble(DomainStandardization(), named_estimator("linear", "classification"), "table", 0)
    expected = whole.fit(X, shown, sample_domain=codes).predict_proba(X[codes < 0])
    np.testing.assert_allclose(inside.predict_proba(X[codes < 0]), expected)


class NeedsRows(ClassifierMixin, TransferEstimator):
    """Predicts the sign of the first column once it was fitted on many rows, else the other one."""

    def __init__(self, many=0, pause=0.0, fails=False):
        self.many, self.pause, self.fails = many, pause, fails

    def fit(self, X, y, sample_domain=None):
        time.sleep(self.pause)
        if self.fails and len(X) > self.many:
            raise ValueError("too many")
        self.classes_, self.right_ = np.array([0, 1]), self.many < len(X)
        return self

    def predict_proba(self, X):
        return np.eye(2)[((X[:, 0] > 0) == self.right_).astype(int)]


def judged_again(entrants, n_labelled=40, clock=None, n_all=900, n_sample=90):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2 * n_all, 2))
    y, codes = (X[:, 0] > 0).astype(int).astype(object), np.repeat([1, -1], n_all)
    known = (codes > 0) | (np.arange(2 * n_all) < n_all + n_labelled)
    y[~known] = None
    whole = Stack(X, y, codes, known, True)
    stack = whole.sample(n_sample, 3)
    truth = stack.labels(stack.labelled)
    parts = [(np.flatnonzero(np.arange(len(truth)) % 2 != k), np.flatnonzero(np.arange(len(truth)) % 2 == k)) for k in range(2)]
    for entrant in entrants:
        entrant.parts = [np.eye(2)[1 - truth[test]] for _, test in parts]
        entrant.loss = 2.0
    again = judge_on_more_rows(whole, stack, entrants, parts, np.eye(2)[truth], np.array([0, 1]), clock or Clock(None), None, 3)
    return again, whole, stack


@pytest.mark.parametrize("n_labelled", [40, 300])
def test_what_needs_rows_is_found_where_it_has_them(n_labelled):
    entrants = [
        Entrant("needs few", NeedsRows(2000)),
        Entrant("needs rows", NeedsRows(800)),
        Entrant("failed", NeedsRows(100, fails=True)),
    ]
    again, whole, stack = judged_again(entrants, n_labelled)
    assert [(entrant.name, entrant.loss) for entrant in again] == [("needs rows", 0.0), ("failed", 2.0), ("needs few", 2.0)]
    assert again[0].n_rows == again[2].n_rows == len(whole.sample(900, 3, len(stack.labelled)).y)
    assert again[1].n_rows == 0  # keeps what it was judged by
    assert {len(entrant.parts) for entrant in again} == {2}


def test_there_is_no_other_look_without_the_time_for_it():
    entrants = [Entrant("quick", NeedsRows(800), seconds=0.001), Entrant("slow", NeedsRows(800, pause=0.5), seconds=0.002)]
    again, _, _ = judged_again(entrants, clock=Clock(1.0))
    assert [(entrant.name, entrant.n_rows > 0) for entrant in again] == [("quick", True), ("slow", False)]
    for seconds in (10.0, 1e9):
        late = [Entrant("needs rows", NeedsRows(800), seconds=seconds)]
        assert judged_again(late, clock=Clock(60.0))[0][0].n_rows == 0


def test_a_smaller_sample_is_part_of_a_larger_one():
    codes = np.repeat([1, -1], [500, 300])
    y = np.r_[np.arange(500.0), np.arange(200.0), np.full(100, np.nan)]
    stack = Stack(np.arange(800.0)[:, None], y, codes, ~np.isnan(y), False)
    few, more = stack.sample(50, 1), stack.sample(300, 1, 50)
    assert set(few.X[:, 0]) < set(more.X[:, 0])
    np.testing.assert_array_equal(few.X[few.labelled], more.X[more.labelled])
    assert [len(side) for side in more.sides] == [300, 50, 100]


# the whole


def test_with_labels_it_transfers_where_that_helps():
    model, X, y = fitted(n_labelled=20)
    assert model.choice_.transfers
    assert model.choice_.method == "labels"
    plain = sterna.make_pipeline(sterna.domains.TablePreprocessor(fit_on="source"), SourceOnly(LogisticRegression()))
    Xall, shown, codes, _ = rescaled(n_labelled=20)
    assert model.score(X, y.astype(int)) > plain.fit(Xall, shown, sample_domain=codes).score(X, y.astype(int)) + 0.1
    assert sum(model.weights_.values()) == pytest.approx(1)
    assert model.predict_proba(X).sum(axis=1) == pytest.approx(np.ones(len(X)))


def test_an_unrelated_source_falls_back_to_the_target_alone():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(260, 3))
    y = (X[:, 0] > 0).astype(object)
    y[:100] = rng.permutation(y[:100])
    y[200:] = None
    model = AutoTransfer("linear", strategies=FEW).fit(X, y, sample_domain=np.repeat([1, -1], [100, 160]))
    assert model.weights_.get("TargetOnly", 0) > 0.9
    assert model.choice_.plain == "TargetOnly"


def test_without_labels_it_transfers_where_domains_differ_and_not_where_they_do_not():
    model, X, y = fitted(n_labelled=0)
    assert model.choice_.method == "label-free scores"
    assert model.choice_.transfers
    assert model.score(X, y.astype(int)) > 0.8
    X, shown, codes, _ = rescaled()
    X[codes < 0] = np.random.default_rng(1).normal(size=X[codes < 0].shape)
    same = AutoTransfer("linear", strategies=FEW).fit(X, shown, sample_domain=codes)
    assert same.weights_ == {"SourceOnly": 1.0}
    assert same.choice_.method == "no difference"
    assert not same.choice_.transfers


@pytest.mark.parametrize(("n_labelled", "least"), [(0, None), (5, None), (20, 0.9)])
def test_regression(n_labelled, least):
    model, X, y = fitted(n_labelled=n_labelled, task="regression", estimator=None)
    assert model.task_ == "regression"
    assert not hasattr(model, "predict_proba")
    found = model.score(X, y.astype(float))
    if least is None:  # the plain model is far off, as its predictions lie outside the range of the labels
        Xall, shown, codes, _ = rescaled(n_labelled=n_labelled, task="regression")
        least = SourceOnly(Ridge()).fit(Xall, shown, sample_domain=codes).score(X, y.astype(float))
    assert found > least


def related(change=None, n_labelled=0, seed=0):
    """Columns that hang together and a value; target rows chosen along them, measured in another way, or both alike."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(1200, 2))
    X = hidden @ rng.normal(size=(2, 6)) + 0.3 * rng.normal(size=(1200, 6))
    y = hidden[:, 0] + 0.2 * rng.normal(size=1200)
    target = hidden[:, 0] + 0.5 * rng.normal(size=1200) > 0.8 if change == "chosen" else rng.random(1200) < 0.3
    rows = np.concatenate([np.flatnonzero(~target)[:400], np.flatnonzero(target)[:200]])
    X, y, codes = X[rows].copy(), y[rows], np.repeat([1, -1], [400, 200])
    if change == "measured":
        X[codes < 0] = X[codes < 0] * rng.uniform(0.5, 2, 6) + rng.normal(size=6)
    shown = y.copy()
    shown[400 + n_labelled :] = np.nan
    return X, shown, codes, y


@pytest.mark.parametrize("n_labelled", [0, 3])
@pytest.mark.parametrize("classes", [False, True])
def test_without_labels_columns_are_mapped_only_where_they_changed(n_labelled, classes):
    names, plain = ["CORAL", "LinearMonge", "KMM", "DomainClassifierRatio"], "Pooled" if n_labelled else "SourceOnly"

    def choose(change):
        X, shown, codes, y = related(change, n_labelled)
        shown, y = (np.where(np.isnan(v), np.nan, v > 0) if classes else v for v in (shown, y))
        model = AutoTransfer("linear", strategies=names).fit(X, shown, sample_domain=codes)
        alone = SourceOnly(LogisticRegression() if classes else Ridge()).fit(X, shown, sample_domain=codes)
        return model, *(np.mean((m.predict(X[codes < 0]) - y[codes < 0]) ** 2) for m in (model, alone))

    chosen, *_ = choose("chosen")
    if not classes:  # the scores of classes tell a bad map
        assert set(chosen.weights_) <= {plain, "KMM", "DomainClassifierRatio"}
    assert "other rows were chosen" in chosen.explain()
    measured, error, of_source = choose("measured")
    assert set(measured.weights_) <= {plain, "CORAL", "LinearMonge"}
    assert measured.choice_.transfers
    assert error < of_source


def test_without_labels_who_contradicts_the_source_is_void_unless_columns_changed():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 2))
    y = (X[:, 0] > 0).astype(object)
    # the target has few of the lower class, the mean of which a map puts in the middle
    target = 300 + np.flatnonzero(X[300:, 0] > -1.2)
    rare = np.r_[:300, target[(X[target, 0] > 0.2) | (rng.random(len(target)) < 0.2)]]
    y[300:] = None
    codes = np.repeat([1, -1], [300, len(rare) - 300])
    model = AutoTransfer("linear", strategies=["DomainStandardization"]).fit(X[rare], y[rare], sample_domain=codes)
    assert model.weights_ == {"SourceOnly": 1.0}
    assert "contradicts SourceOnly on" in model.explain()
    X[300:] = 5 * X[300:] + 20
    model = AutoTransfer("linear", strategies=["DomainStandardization"]).fit(X[rare], y[rare], sample_domain=codes)
    assert "DomainStandardization" in model.weights_


def test_where_no_base_is_given_quick_strategies_enter_over_a_kernel_model_too():
    X, shown, codes, _ = rescaled(n_labelled=20)
    ring = np.where(np.sum(X[:, :2] ** 2, axis=1) > np.median(np.sum(X[:, :2] ** 2, axis=1)), "out", "in")
    shown = np.where(shown == None, None, ring.astype(object))  # noqa: E711
    model = AutoTransfer(strategies=["CORAL", "KMM"]).fit(X, shown, sample_domain=codes)
    names = set(model.results_["strategy"])
    assert {"SourceOnly (kernel)", "TargetOnly (kernel)", "Pooled (kernel)", "CORAL (kernel)"} < names
    assert "KMM (kernel)" not in names
    given = AutoTransfer("linear", strategies=["CORAL"]).fit(X, shown, sample_domain=codes)
    assert not any("kernel" in name for name in given.results_["strategy"])
    asked = AutoTransfer("linear", strategies=["CORAL"], kernel=True).fit(X, shown, sample_domain=codes)
    assert "CORAL (kernel)" in set(asked.results_["strategy"])
    assert "Base estimator: LogisticRegression, and a kernel model." in asked.explain()
    assert "accuracy" in model.explain()  # by which the base was chosen
    of_its_own = {"mine": sterna.align.CORAL(LogisticRegression())}
    own = AutoTransfer(strategies=of_its_own).fit(X, shown, sample_domain=codes)
    assert "mine (kernel)" not in set(own.results_["strategy"])


def test_rows_that_weights_leave_too_few_of_are_not_weighted():
    X, shown, codes, _ = related("chosen")
    few = np.r_[:60, 400:600]
    model = AutoTransfer("linear", strategies=["KMM"]).fit(X[few], shown[few], sample_domain=codes[few])
    assert model.weights_ == {"SourceOnly": 1.0}
    assert not model.choice_.transfers
    assert "effective held-out source rows" in model.explain()


def test_whole_numbers_are_quantities_where_there_are_many():
    X, shown, codes, y = rescaled(n_labelled=20, task="regression")
    model = AutoTransfer(strategies=FEW).fit(X, np.round(100 * shown), sample_domain=codes)
    assert model.task_ == "regression"
    assert model.score(X[codes < 0], 100 * y[codes < 0]) > 0.9


def test_names_of_classes_tables_and_several_sources():
    X, shown, codes, y = rescaled(n_labelled=20, names=["no", "yes"])
    codes[:40] = 2
    table = pd.DataFrame(X, columns=list("abcd")).assign(sex=np.where(X[:, 3] > 0, "f", "m"))
    model = AutoTransfer("linear", strategies=FEW).fit(table, shown, sample_domain=codes)
    assert set(model.predict(table[codes < 0])) <= {"no", "yes"}
    assert list(model.classes_) == ["no", "yes"]
    assert np.mean(model.predict(table[codes < 0]) == y[codes < 0]) > 0.8


def test_gaps_are_filled_in_arrays_as_in_tables():
    X, shown, codes, y = rescaled(n_labelled=20)
    X[np.random.default_rng(0).random(X.shape) < 0.05] = np.nan
    model = AutoTransfer("linear", strategies=FEW).fit(X, shown, sample_domain=codes)
    table = AutoTransfer("linear", strategies=FEW).fit(pd.DataFrame(X), shown, sample_domain=codes)
    assert model.predict_proba(X[codes < 0]) == pytest.approx(table.predict_proba(pd.DataFrame(X)[codes < 0]))
    assert np.mean(model.predict(X[codes < 0]) == y[codes < 0]) > 0.8
    whole = np.nan_to_num(X)
    later = AutoTransfer("linear", strategies=FEW).fit(whole.tolist(), shown, sample_domain=codes)
    expected = later.predict_proba(np.where(np.isnan(X), np.median(whole, axis=0), X))
    np.testing.assert_array_equal(later.predict_proba(X.tolist()), expected)


def test_sparse_rows():
    X, shown, codes, _ = rescaled(n_labelled=20)
    X = sparse.csr_array(np.where(np.abs(X) > 1, X, 0.0))
    model = AutoTransfer("linear", strategies=["KMM", "CORAL"]).fit(X, shown, sample_domain=codes)
    assert model.predict(X[np.flatnonzero(codes < 0)]).shape == (70,)


def test_same_seed_same_model_and_the_users_rows_are_left_as_they_are():
    X, shown, codes, _ = rescaled(n_labelled=20)
    before = X.copy(), shown.copy(), codes.copy()
    first, second = (AutoTransfer(strategies=FEW, random_state=3).fit(X, shown, sample_domain=codes) for _ in range(2))
    assert np.array_equal(first.predict_proba(X[codes < 0]), second.predict_proba(X[codes < 0]))
    assert first.explain() == second.explain()
    for then, now in zip(before, (X, shown, codes), strict=True):
        assert np.array_equal(then, now)


def test_processes_change_nothing():
    X, shown, codes, _ = rescaled(n_labelled=20)
    one, two = (AutoTransfer(strategies=FEW, n_jobs=n).fit(X, shown, sample_domain=codes) for n in (None, 2))
    assert one.weights_ == two.weights_


def test_a_saved_one_predicts_and_explains_alike(tmp_path):
    model, X, _ = fitted(n_labelled=20)
    loaded = sterna.load(sterna.save(model, tmp_path / "auto.skops"))
    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert loaded.explain() == model.explain()
    pd.testing.assert_frame_equal(loaded.results_, model.results_)


def test_source_rows_are_predicted_as_each_member_represents_them():
    X, shown, codes, _ = rescaled(n_labelled=20)
    model = AutoTransfer(LogisticRegression(), strategies=["DomainStandardization"]).fit(X, shown, sample_domain=codes)
    mixed = np.zeros((len(X), 2))
    for weight, member in zip(model.estimator_.weights, model.estimator_.models, strict=True):
        rows = member[:-1].transform(X)
        mixed += weight * member[-1].predict_proba(rows, sample_domain=codes, allow_source=True)
    found = model.predict_proba(X, sample_domain=codes, allow_source=True)
    assert found == pytest.approx(at_temperature(mixed, model.temperature_))
    with pytest.raises(ValueError, match="marked as source"):
        model.predict(X, sample_domain=codes)


def test_without_domains_it_is_its_base_estimator():
    X, _, codes, y = rescaled()
    rows = codes > 0
    model = AutoTransfer().fit(X[rows], y[rows].astype(int))
    alone = LogisticRegression(max_iter=2000).fit(X[rows], y[rows].astype(int))
    assert model.predict_proba(X[rows]) == pytest.approx(alone.predict_proba(X[rows]), abs=1e-6)
    assert "nothing to transfer" in model.explain()


def test_it_explains_every_strategy():
    model, _, _ = fitted(n_labelled=20, strategies=["CORAL", "KMM", "BBSE", "SimilarityWeighting"])
    told = model.explain()
    assert told.startswith("The mixture is handed over")
    assert all(name in told for name in model.results_["strategy"])
    assert (model.results_["reason"].ne("") | model.results_["loss"].notna()).all()


def test_unlabelled_whole_numbers_are_no_class_and_the_task_may_be_given():
    X, _, codes, _ = rescaled(n_source=600, n_target=300)
    y = np.arange(900) % 60
    shown = np.where(np.arange(900) < 620, y, -1)
    assert AutoTransfer("linear", strategies=[]).fit(X, shown, sample_domain=codes).task_ == "classification"
    values = AutoTransfer("linear", strategies=[], task="regression").fit(
        X, np.where(shown < 0, np.nan, y), sample_domain=codes
    )
    assert values.task_ == "regression"
    assert values.predict(X[:3]).dtype == float
    assert (
        AutoTransfer(Ridge(), strategies=[]).fit(X, np.where(shown < 0, np.nan, y % 3), sample_domain=codes).task_
        == "regression"
    )
    with pytest.raises(ValueError, match="Ridge is for regression, but the task is classification"):
        AutoTransfer(Ridge(), task="classification").fit(X, shown, sample_domain=codes)


def test_a_class_that_no_source_has_needs_labels_enough():
    X, shown, codes, y = rescaled()
    shown[100] = 9
    model = AutoTransfer("linear", strategies=FEW).fit(X, shown, sample_domain=codes)
    assert "too few labels to learn 9" in model.choice_.reason
    assert list(model.classes_) == [0, 1, 9]
    assert model.predict_proba(X[codes < 0])[:, 2].max() < 0.01
    assert np.mean(model.predict(X[codes < 0]) == y[codes < 0]) > 0.8


def test_few_source_rows_or_one_class():
    X, shown, codes, _ = rescaled(n_source=6)
    model = AutoTransfer("linear", strategies=FEW).fit(X, shown, sample_domain=codes)
    assert (model.choice_.method, model.weights_) == ("too few rows", {"SourceOnly": 1.0})
    shown[:6] = 1
    with pytest.raises(ValueError, match="all 6 labelled source rows are of the class 1; give rows of another class too"):
        model.fit(X, shown, sample_domain=codes)


class Doubled(sterna.align.CORAL):
    """Its probabilities are none."""

    def predict_proba(self, X, sample_domain=None, *, allow_source=False):
        return 2 * super().predict_proba(X, sample_domain, allow_source=allow_source)


def test_a_strategy_whose_probabilities_are_none_is_void():
    X, shown, codes, _ = rescaled()
    model = AutoTransfer("linear", strategies=[Doubled(), "DomainStandardization"]).fit(X, shown, sample_domain=codes)
    reasons = model.results_.set_index("strategy")["reason"]
    assert reasons["Doubled"] == "void: its probabilities are not finite, or do not sum to one"
    assert "DomainStandardization" in model.weights_


def test_probabilities_are_there_whatever_is_chosen():
    X, shown, codes, _ = rescaled(n_labelled=40)
    model = AutoTransfer("svm", strategies=["AdaptiveSVM", "DomainStandardization"]).fit(X, shown, sample_domain=codes)
    proba = model.predict_proba(X[codes < 0])
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    np.testing.assert_array_equal(model.classes_[proba.argmax(axis=1)], model.predict(X[codes < 0]))


class Sleeping(sterna.align.CORAL):
    """Takes its time."""

    def fit(self, X, y, sample_domain=None):
        time.sleep(1.2)
        return super().fit(X, y, sample_domain)


def test_a_slow_strategy_does_not_cost_the_quick_ones_their_place():
    X, shown, codes, _ = rescaled()
    model = AutoTransfer("linear", strategies=["CORAL", Sleeping()], budget=1.0)
    model.fit(X, shown, sample_domain=codes)
    assert "CORAL" in model.weights_
    assert "Sleeping" not in model.weights_
    assert "the budget left out 1 strategy" in model.choice_.reason


def test_strategies_that_are_judged_do_not_look_at_themselves(monkeypatch):
    X, shown, codes, _ = rescaled()
    looked = []
    monkeypatch.setattr(sterna.align.CORAL, "_check_classes", lambda self, *given: looked.append(self))
    AutoTransfer("linear", strategies=["CORAL"]).fit(X, shown, sample_domain=codes)
    assert not looked
    sterna.align.CORAL().fit(X, shown, sample_domain=codes)
    assert looked


def test_all_labels_known_or_classes_missing_in_the_target():
    X, _, codes, y = rescaled(n_target=40)
    y = y.astype(int)
    y[codes < 0] = 1
    model = AutoTransfer("linear", strategies=FEW).fit(X, y, sample_domain=codes)
    assert np.mean(model.predict(X[codes < 0]) == 1) > 0.9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"estimator": "tree"}, "estimator 'tree' is unknown"),
        ({"strategies": ["CORALL"]}, "strategy 'CORALL' is unknown"),
        ({"budget": 0}, "'budget' parameter"),
        ({"random_state": -1}, "'random_state' parameter"),
    ],
)
def test_bad_options_are_named(options, message):
    X, shown, codes, _ = rescaled()
    with pytest.raises(ValueError, match=message):
        AutoTransfer(**options).fit(X, shown, sample_domain=codes)


def test_bad_rows_are_named():
    X, shown, codes, _ = rescaled()
    with pytest.raises(ValueError, match="needs labelled source rows"):
        AutoTransfer(Ridge()).fit(X, np.ones(len(X)), sample_domain=-np.ones(len(X), dtype=int))
    with pytest.raises(ValueError, match="y has 160 entries and no label; AutoTransfer needs labelled source rows"):
        AutoTransfer().fit(X, np.full(len(X), np.nan), sample_domain=codes)
    with pytest.raises(ValueError, match="y has 0 entries and no label"):
        AutoTransfer().fit(np.empty((0, 3)), np.empty(0))
    with pytest.raises(ValueError, match="needs target rows"):
        AutoTransfer().fit(X[codes > 0], shown[codes > 0], sample_domain=codes[codes > 0])


def test_a_budget_is_kept():
    X, shown, codes, _ = rescaled(n_labelled=20)
    start = time.monotonic()
    model = AutoTransfer("linear", budget=1e-3).fit(X, shown, sample_domain=codes)
    assert time.monotonic() - start < 30
    assert model.results_["reason"].str.contains("budget").any()
    assert set(model.weights_) <= {"SourceOnly", "TargetOnly", "Pooled"}


def test_compare_takes_it_as_one_more_strategy(quick, pair):
    comparison = quick(pair("classification"), auto=True)
    rows = {row["name"]: row for row in comparison.summary["strategies"]}
    assert rows["AutoTransfer"]["family"] == "auto"
    assert rows["AutoTransfer"]["mean"] is not None
    assert "labels" in str(rows["AutoTransfer"]["health"])


def test_compare_keeps_the_parameters_that_it_was_given(pair):
    given = {"CORAL": sterna.align.CORAL(), "AutoTransfer": AutoTransfer(budget=7.0)}
    found = _compare._auto(given, pair("classification"), LogisticRegression())
    assert found.budget == 7.0
    assert list(found.strategies) == ["CORAL"]
    assert given["AutoTransfer"].strategies is None


@pytest.mark.parametrize("estimator", [None, "linear"])
def test_fit_leaves_it_the_choice_of_a_kernel_model_unless_a_base_is_asked_for(pair, estimator):
    model = sterna.verdict.fit_strategy(pair("classification"), "AutoTransfer", estimator=estimator)
    assert any("(kernel)" in name for name in model[-1].results_["strategy"]) is (estimator is None)


def test_compare_without_labels_scores_it_too(quick, pair):
    comparison = quick(pair("regression", n_labelled=0, shift=2.0), auto=True)
    assert "AutoTransfer" in {row["name"] for row in comparison.summary["strategies"]}
