"""A source whose labels are shuffled gets little weight, costs little, and is not mistaken for the others."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from sterna.baselines import SourceOnly
from sterna.multisource import DistributionWeightedCombination, SimilarityWeighting, StackedExperts


@pytest.mark.parametrize("values", [False, True])
@pytest.mark.parametrize(
    ("strategy", "largest_weight", "largest_loss", "beats_pooling"),
    [
        (SimilarityWeighting, 0.2, 0.02, True),
        (StackedExperts, 0.1, 0.02, True),
        (DistributionWeightedCombination, 0.2, 0.03, False),
    ],
)
def test_one_source_with_shuffled_labels_does_little_harm(
    three_sources, strategy, largest_weight, largest_loss, beats_pooling, values
):
    base = Ridge() if values else None
    losses, gains = [], []
    for seed in range(4):
        X, y, domain, new, truth = three_sources(seed, shuffled=(2,), values=values)
        clean_X, clean_y, *_ = three_sources(seed, values=values)
        model = strategy(base).fit(X, y, sample_domain=domain)
        clean = strategy(base).fit(clean_X, clean_y, sample_domain=domain)
        assert model.health_.get("priors_from", "labels") == "labels"
        assert model.health_["source_weights"][2] < largest_weight
        assert not {1, 3} & set(model.health_["harmful_sources"])
        losses.append(clean.score(new, truth) - model.score(new, truth))
        gains.append(model.score(new, truth) - SourceOnly(base).fit(X, y, sample_domain=domain).score(new, truth))
    assert np.mean(losses) < largest_loss
    if beats_pooling:
        assert np.mean(gains) > (0.05 if values else -0.01)
