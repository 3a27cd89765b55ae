import numpy as np
import pytest

from sterna import Domains, all_strategies
from sterna.measures import allowed_strategies
from sterna.measures._situation import situation, suited_strategies

X = np.arange(40.0).reshape(20, 2) ** 1.1


def domains(source, target, n_sources=1, **options):
    return Domains(source={f"s{i}": (X, source) for i in range(n_sources)}, target={"t": (X + 0.5, target)}, **options)


YES_NO = ["yes", "no"] * 10


@pytest.mark.parametrize(
    ("target", "name", "space", "words"),
    [
        (YES_NO, "inductive", "same", "20 of 20 target rows are labelled"),
        (["yes"] + [None] * 19, "inductive", "same", "'no' not seen in the target yet"),
        (None, "transductive", "same", "no target row is labelled"),
        (["yes"] * 10 + ["maybe"] * 10, "inductive", "partial", "'maybe' in the target only"),
        (["yes"] * 20, "inductive", "partial", "'no' in the source only"),
        (["blue"] * 20, "inductive", "different", "no class in common"),
    ],
)
def test_situation_is_named_as_the_field_does(target, name, space, words):
    found = situation(domains(YES_NO, target))
    assert (found.name, found.label_space, found.feature_space) == (name, space, "same")
    assert words in found.sentence


def test_regression_has_no_classes():
    found = situation(domains(np.arange(20) + 0.5, None))
    assert (found.name, found.label_space) == ("transductive", "same")
    assert "the label is a number" in found.sentence


def test_columns_left_out_are_told():
    import pandas as pd

    source, target = pd.DataFrame(X, columns=["a", "b"]), pd.DataFrame(X, columns=["a", "c"])
    told = situation(Domains(source={"s": (source, YES_NO)}, target={"t": (target, None)})).sentence
    assert "the same 1 feature column in every domain (2 that not every domain has left out)" in told


@pytest.mark.parametrize("n_sources", [1, 2])
@pytest.mark.parametrize("target", [YES_NO, None])
def test_strategies_are_allowed_by_their_facts(target, n_sources):
    allowed = allowed_strategies(domains(YES_NO, target, n_sources))
    assert set(allowed) == set(all_strategies(deep=False))
    for name, strategy in all_strategies(deep=False).items():
        forbidden = (
            ("target labels" in strategy.needs and target is None)
            or ("several sources" in strategy.needs and n_sources == 1)
            or "shared rows" in strategy.needs
            or "classification" not in strategy.tasks
            or strategy.label_space == "different"
        )
        assert (allowed[name] is not None) == forbidden, name
    assert allowed["SourceOnly"] is None
    assert (allowed["TargetOnly"] is None) == (target is not None)


def test_no_class_in_common_forbids_what_shares_labels_with_the_source():
    allowed = allowed_strategies(domains(YES_NO, ["blue", "red"] * 10))
    assert allowed["SourceOnly"] == "needs classes in common"
    assert allowed["TargetOnly"] is None


def test_suited_strategies_assume_the_kind_and_are_allowed():
    allowed = allowed_strategies(domains(YES_NO, None))
    suited = suited_strategies(allowed, ["subspace", "none"])
    assert "CORAL" in suited["subspace"]
    assert suited_strategies(allowed, ["scale"])["scale"] == suited["subspace"]
    assert "none" not in suited
    for kind, names in suited.items():
        assert all(kind in all_strategies(deep=False)[name].assumes and allowed[name] is None for name in names)
