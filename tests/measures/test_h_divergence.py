import numpy as np
import pytest
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sterna.measures import h_divergence, proxy_a_distance


def gaussians(n, shift=0.0, spread=1.0, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 1)), spread * rng.normal(size=(n, 1)) + shift


@pytest.mark.parametrize("shift", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("classifier", [None, LogisticRegression(), LinearSVC()])
def test_of_shifted_gaussians_is_their_closed_form_for_all_classes_with_lines(shift, classifier):
    """The best classifier of all is a line, with error Phi(-shift / 2)."""
    values = [h_divergence(*gaussians(1500, shift, seed=seed), classifier=classifier, random_state=0) for seed in range(3)]
    assert np.mean(values) == pytest.approx(2 * (1 - 2 * norm.cdf(-shift / 2)), abs=0.08)


def test_of_spread_gaussians_depends_on_the_class():
    """All sets: twice the total variation; a threshold: twice the Kolmogorov-Smirnov distance, of which the fit sees little."""
    source, target = gaussians(2000, spread=3.0)
    edge = np.sqrt(2 * np.log(3) / (1 - 1 / 9))  # the densities cross here
    variation = 2 * (norm.cdf(edge) - norm.cdf(edge / 3))
    assert h_divergence(source, target, random_state=0) == pytest.approx(2 * variation, abs=0.1)
    stump = DecisionTreeClassifier(max_depth=1)
    assert h_divergence(source, target, classifier=stump, random_state=0) == pytest.approx(variation, abs=0.1)


def test_with_a_line_it_is_the_proxy_a_distance():
    source, target = gaussians(400, 1.0)
    line = LogisticRegression(C=0.1, class_weight="balanced", tol=1e-3)
    pooled = np.vstack([source, target])
    scaled = [(X - pooled.mean()) / pooled.std() for X in (source, target)]
    assert h_divergence(*scaled, classifier=line, random_state=3) == pytest.approx(
        proxy_a_distance(source, target, random_state=3), abs=0.02
    )


def test_is_an_estimate_from_below():
    """The classifier's error on its own rows would be 0 here, and the value 2, for a true divergence of 0."""
    tree = DecisionTreeClassifier(random_state=0)
    values = [h_divergence(*gaussians(200, seed=seed), classifier=tree, random_state=0) for seed in range(10)]
    assert np.mean(values) < 0.15


def test_sizes_do_not_matter():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(1900, 1)), rng.normal(size=(150, 1)) + 2
    trees = HistGradientBoostingClassifier(max_iter=20, max_leaf_nodes=4)
    for classifier in (None, LogisticRegression(), trees):
        value = h_divergence(source, target, classifier=classifier, random_state=0)
        assert value == pytest.approx(2 * (1 - 2 * norm.cdf(-1)), abs=0.25)


def test_bad_options_get_a_sentence():
    with pytest.raises(ValueError, match="classifier is 'tree'; give an estimator"):
        h_divergence(*gaussians(10), classifier="tree")
    with pytest.raises(ValueError, match="cv is 1; give a whole number of 2 or more"):
        h_divergence(*gaussians(10), cv=1)
