"""Which strategies take part: decided by facts; and the base estimator, chosen without the target's labels."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

import sterna
from sterna.align import CORAL
from sterna.base import takes_weights
from sterna.baselines import Pooled, TargetOnly
from sterna.select import _candidates
from sterna.select._candidates import assemble, base_estimator, select_strategies, why_not


def test_all_that_apply_take_part_and_all_others_have_a_reason(pair):
    for task in ("classification", "regression"):
        strategies, skipped = select_strategies("all", pair(task), base_estimator("linear", pair(task), 0)[0])
        assert set(strategies) | set(skipped) == set(sterna.all_strategies(deep=False))
        assert not set(strategies) & set(skipped)
        assert {"TargetOnly", "SourceOnly", "Pooled", "Constant", "CORAL"} <= set(strategies)
        assert all(task in strategy.tasks for strategy in strategies.values())
        for name, reason in skipped.items():
            assert reason.startswith(("is for ", "needs ")), (name, reason)
        usual, unusual = select_strategies(None, pair(task), base_estimator("linear", pair(task), 0)[0])
        assert set(usual) < set(strategies)
        assert all(s.compared_by_default or s.family == "baselines" for s in usual.values())
        assert set(usual) | set(unusual) == set(strategies) | set(skipped)


class Fussy(TargetOnly):
    """A strategy whose facts are set by each test."""

    needs = frozenset()


@pytest.mark.parametrize(
    ("facts", "options", "reason"),
    [
        ({"tasks": ("regression",)}, {}, "is for regression only"),
        ({"needs": {"target labels"}}, {"n_labelled": 0}, "needs target labels"),
        ({"needs": {"target labels"}}, {"n_labelled": 1}, None),
        ({"needs": {"several sources"}}, {}, "needs two or more sources"),
        ({"needs": {"several sources"}}, {"n_sources": 2}, None),
        ({"needs": {"shared rows"}}, {}, "needs rows measured in both domains"),
        ({"label_space": "different"}, {}, "is for domains with different classes"),
        ({"needs": {"source data", "target data"}}, {}, None),
    ],
)
def test_facts_decide(pair, monkeypatch, facts, options, reason):
    for name, value in facts.items():
        monkeypatch.setattr(Fussy, name, value)
    assert why_not(Fussy(), pair(**options), LogisticRegression()) == reason
    strategies, skipped = select_strategies([Fussy], pair(**options), LogisticRegression())
    assert ("Fussy" in strategies) == (reason is None)
    assert skipped.get("Fussy") == reason


def test_no_strategy_is_known_by_name():
    """Services read facts; only the plain baselines, which the protocol rests on, are imported, and not here."""
    source = inspect.getsource(_candidates)
    assert not [name for name in sterna.all_strategies(deep=False) if f'"{name}"' in source or f"'{name}'" in source]


@pytest.mark.parametrize("base", [KNeighborsClassifier(), SVC()])
def test_a_base_without_weights_leads_to_skipped_strategies_never_to_failing_ones(pair, quick, base):
    comparison = quick(pair(n_source=40, n_target=24), strategies="all", estimator=base, n_splits=3)
    entries = {entry["name"]: entry for entry in comparison.summary["strategies"]}
    for name, cls in sterna.all_strategies(deep=False).items():
        if {"several sources", "shared rows"} & cls.needs:
            assert entries[name]["reason"].startswith("needs ")
        elif "classification" in cls.tasks and "sample weights" in cls.needs:
            assert (entries[name]["mean"] is None) != takes_weights(base)
            if not takes_weights(base):
                assert (
                    entries[name]["reason"] == "needs a base estimator with sample_weight, which KNeighborsClassifier has not"
                )
        elif "probabilities" in cls.needs and not hasattr(base, "predict_proba"):
            assert entries[name]["reason"] == "needs a base estimator with predict_proba, which SVC has not"
        elif "classification" in cls.tasks:
            assert entries[name]["reason"] is None, (name, entries[name]["reason"])


def test_a_strategy_with_its_own_base_does_not_need_the_common_one(pair):
    weighted = next(name for name, cls in sterna.all_strategies("reweight").items() if "sample weights" in cls.needs)
    own = sterna.all_strategies(deep=False)[weighted](estimator=LogisticRegression())
    if "classification" not in own.tasks:
        pytest.skip("a regressor")
    assert why_not(own, pair(), KNeighborsClassifier()) is None
    assert "sample_weight" in why_not(type(own)(), pair(), KNeighborsClassifier())


@pytest.mark.parametrize(
    ("given", "meant"), [("Corall", "CORAL"), ("coral", "CORAL"), ("target_only", "TargetOnly"), ("pooling", "Pooled")]
)
def test_unknown_names_give_near_names(pair, given, meant):
    with pytest.raises(ValueError, match=rf"'{given}' is unknown; did you mean .*{meant}"):
        select_strategies([given], pair(), LogisticRegression())


def test_every_way_to_name_strategies(pair):
    domains, base = pair(), LogisticRegression()
    for chosen in (["CORAL"], "CORAL", [CORAL], [CORAL()], (name for name in ["CORAL"]), {"CORAL": CORAL()}, ["CORAL", CORAL]):
        strategies, _ = select_strategies(chosen, domains, base)
        assert isinstance(strategies["CORAL"], CORAL)
        assert set(strategies) == {"CORAL", "Constant", "Pooled", "SourceOnly", "TargetOnly"}
    strategies, _ = select_strategies({"weak": CORAL(regularization=10.0), "strong": CORAL(regularization=0.1)}, domains, base)
    assert [strategies[name].regularization for name in ("weak", "strong")] == [10.0, 0.1]


@pytest.mark.parametrize(
    ("chosen", "error", "message"),
    [
        ([CORAL(), CORAL(regularization=2.0)], ValueError, "two strategies are called CORAL; name them"),
        ([LogisticRegression()], TypeError, "'LogisticRegression' is a LogisticRegression, which is no strategy"),
        ({"mine": 3}, TypeError, "'mine' is a int, which is no strategy"),
        ({"a/b": CORAL()}, ValueError, "leave out /"),
        ({"../../b": CORAL()}, ValueError, "leave out /"),
        ({"": CORAL()}, ValueError, "part of a file's name"),
        ({"(best plain baseline)": CORAL()}, ValueError, "at its start"),
        ({"TargetOnly": Pooled()}, ValueError, "a Pooled is called 'TargetOnly', which is a plain baseline"),
    ],
)
def test_what_cannot_take_part_is_refused(pair, chosen, error, message):
    with pytest.raises(error, match=message):
        select_strategies(chosen, pair(), LogisticRegression())


def test_the_base_estimator_is_chosen_without_reading_a_target_label(pair):
    """Also not by way of the target's rows: any target gives the same choice and the same scores."""
    domains, poisoned = pair(n_source=200), pair(n_source=200)
    y = poisoned.target.y
    y[:] = np.random.default_rng(0).permutation(y)
    poisoned.target.X[:] = 1e6
    first, second = base_estimator(None, domains, 0), base_estimator(None, poisoned, 0)
    assert first[1] == second[1]
    assert repr(first[0]) == repr(second[0])
    assert "cross-validation on the source" in first[1]


def test_a_rule_that_is_not_linear_gets_a_forest():
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(300, 2)), rng.normal(size=(30, 2))
    domains = sterna.Domains({"a": (Xs, Xs[:, 0] * Xs[:, 1] > 0)}, {"t": (Xt, None)})
    assert isinstance(base_estimator(None, domains, 0)[0], RandomForestClassifier)


@pytest.mark.parametrize("labels", [["yes"] * 60, ["yes"] * 59 + ["no"], ["yes", "no"], ["a", "b", "c"] * 3 + ["d"] * 51])
def test_sources_that_cannot_be_cross_validated_have_a_base_too(pair, labels):
    X = pair().sources[0].X[: len(labels)]
    domains = sterna.Domains({"a": (X, labels)}, {"t": (X[:30], None)}, task="classification")
    model, reason = base_estimator(None, domains, 0)
    assert isinstance(model, LogisticRegression | RandomForestClassifier)
    assert reason


def test_named_and_given_base_estimators(pair):
    assert base_estimator("forest", pair("regression"), 0)[0].__class__.__name__ == "RandomForestRegressor"
    given = Ridge(3.0)
    model, reason = base_estimator(given, pair("regression"), 0)
    assert model is not given
    assert model.alpha == 3.0
    assert reason == "as given"
    with pytest.raises(ValueError, match="'boosting' does not take sparse rows, which these are; choose linear"):
        base_estimator("boosting", pair(kind="sparse"), 0)
    assert "wide" in base_estimator(None, pair(kind="sparse"), 0)[1]
    with pytest.raises(ValueError, match="'lasso' is unknown; allowed are linear, forest, boosting, knn, svm"):
        base_estimator("lasso", pair(), 0)
    with pytest.raises(ValueError, match="Ridge does not fit the task, which is classification"):
        base_estimator(Ridge(), pair(), 0)


def test_everything_random_is_seeded_but_for_what_has_its_own_seed():
    own = CORAL(RandomForestClassifier(random_state=7))
    assert assemble(own, LogisticRegression(), "dense", 3)[-1].estimator.random_state == 7
    assert own.estimator.random_state == 7
    common = assemble(CORAL(), RandomForestClassifier(), "dense", 3)[-1]
    assert common.estimator.random_state == 3
    assert assemble(CORAL(), RandomForestClassifier(), "dense", 4)[-1].estimator.random_state == 4


def test_strategies_of_one_domain_get_a_preprocessing_of_that_domain():
    for name, cls in sterna.all_strategies("baselines").items():
        assert assemble(cls(), LogisticRegression(), "dense", 0)[0].fit_on == cls.trains_on, name


def test_a_network_takes_the_encoders_backbone_unless_it_names_its_own():
    from types import SimpleNamespace

    from sklearn.base import BaseEstimator

    from sterna.select._candidates import with_backbone

    class Network(BaseEstimator):
        takes_raw = True

        def __init__(self, backbone="default", weights=None):
            self.backbone = backbone
            self.weights = weights

    encoder = SimpleNamespace(backbone="resnet18", weights="w.pt")
    plain, own = Network(), Network("mine")
    assert with_backbone(plain, encoder).get_params() == {"backbone": "resnet18", "weights": "w.pt"}
    assert plain.backbone == "default"
    assert with_backbone(own, encoder) is own
    assert with_backbone(plain, None) is plain
    assert with_backbone(LogisticRegression(), encoder).get_params() == LogisticRegression().get_params()
