from itertools import combinations

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import norm
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier

from sterna.measures import classifier_two_sample_test

BALANCED = RidgeClassifier(class_weight="balanced")


class Threshold:
    """Calls rows above 0 target rows; learns nothing."""

    def get_params(self, deep=True):
        return {}

    def fit(self, X, y):
        self.seen = len(X), set(y)
        return self

    def predict(self, X):
        return (X[:, 0] > 0).astype(int)


@pytest.mark.parametrize("shift", [0.0, 1.0])
@pytest.mark.parametrize("n_target", [6, 10])
def test_p_value_is_that_of_all_permutations(shift, n_target):
    """Of all ways to choose which held-out rows are the target's, the share with an accuracy as large."""
    rng = np.random.default_rng(4)
    X, Y = rng.normal(size=(10, 1)), rng.normal(size=(n_target, 1)) + shift
    result = classifier_two_sample_test(X, Y, classifier=Threshold(), random_state=0)
    order = np.random.RandomState(np.random.RandomState(0).randint(2**31 - 1))
    held_s = X[order.permutation(10)[:5]]
    order = np.random.RandomState(np.random.RandomState(0).randint(2**31 - 1))
    held_t = Y[order.permutation(n_target)[: n_target // 2]]
    called = np.concatenate([held_s, held_t])[:, 0] > 0

    def accuracy(target_rows):
        in_target = np.isin(np.arange(len(called)), target_rows)
        return (called[in_target].mean() + 1 - called[~in_target].mean()) / 2

    all_of_them = [accuracy(c) for c in combinations(range(len(called)), len(held_t))]
    assert result.accuracy == pytest.approx(accuracy(range(5, len(called))))
    assert result.value == pytest.approx(2 * result.accuracy - 1)
    assert result.p_value == pytest.approx(np.mean(np.array(all_of_them) >= result.accuracy - 1e-12))


def test_comes_near_the_papers_p_value_where_rows_are_many():
    rng = np.random.default_rng(1)
    source, target = rng.normal(size=(2000, 1)), rng.normal(size=(2000, 1)) + 0.1
    result = classifier_two_sample_test(source, target, classifier=LogisticRegression(), random_state=0)
    assert result.p_value == pytest.approx(norm.sf(result.accuracy, 0.5, np.sqrt(1 / (4 * 2000))), abs=0.02)
    assert 0.001 < result.p_value < 0.3  # where the two could differ


def test_p_values_keep_their_level_where_nothing_differs():
    p_values = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        pair = rng.normal(size=(60, 2)), rng.normal(size=(90, 2))
        p_values.append(classifier_two_sample_test(*pair, classifier=BALANCED, random_state=seed).p_value)
    assert np.mean(np.array(p_values) <= 0.05) <= 0.08
    assert np.mean(np.array(p_values) <= 0.5) == pytest.approx(0.45, abs=0.12)


@pytest.mark.parametrize("classifier", [None, LogisticRegression(), KNeighborsClassifier(15)])
def test_accuracy_is_that_of_the_best_rule_for_gaussians(classifier):
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(1500, 2)), rng.normal(size=(1500, 2)) + [2, 0]
    result = classifier_two_sample_test(source, target, classifier=classifier, random_state=0)
    assert result.accuracy == pytest.approx(norm.cdf(1), abs=0.03)
    assert result.p_value < 1e-10


def test_sizes_do_not_matter():
    rng = np.random.default_rng(0)
    few = classifier_two_sample_test(rng.normal(size=(1900, 2)), rng.normal(size=(100, 2)), random_state=0)
    assert few.value == pytest.approx(0.0, abs=0.2)
    apart = classifier_two_sample_test(rng.normal(size=(1900, 2)), rng.normal(size=(100, 2)) + [2, 0], random_state=0)
    assert apart.accuracy == pytest.approx(norm.cdf(1), abs=0.1)


def test_a_classifier_that_learns_nothing_is_at_chance():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(30, 2)), rng.normal(size=(70, 2)) + 9
    for strategy in ("most_frequent", "prior"):
        result = classifier_two_sample_test(source, target, classifier=DummyClassifier(strategy=strategy), random_state=0)
        assert (result.value, result.accuracy, result.p_value) == (0.0, 0.5, 1.0)


def test_trains_a_clone_on_the_other_half():
    classifier = Threshold()
    classifier_two_sample_test(np.ones((10, 1)), np.ones((20, 1)), classifier=classifier, test_fraction=0.3, random_state=0)
    assert not hasattr(classifier, "seen")


def test_takes_wide_sparse_rows():
    X = sparse.random(100, 3000, 0.01, random_state=0, format="csr")
    Y = sparse.random(80, 3000, 0.01, random_state=1, format="csr")
    words = sparse.csr_array((np.arange(3000) < 20).astype(float)[None].repeat(80, axis=0))
    assert classifier_two_sample_test(X, Y, random_state=0).p_value > 0.01
    assert classifier_two_sample_test(X, Y + words, random_state=0).p_value < 1e-6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test_fraction": 0}, "test_fraction is 0"),
        ({"test_fraction": 1.0}, r"test_fraction is 1\.0"),
        ({"classifier": "svm"}, "classifier is 'svm'"),
        ({"max_rows": 1}, "max_rows is 1"),
    ],
)
def test_bad_options_get_a_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        classifier_two_sample_test(np.ones((5, 1)), np.ones((5, 1)), **options)


def test_sparse_rows_without_any_value_are_at_chance():
    result = classifier_two_sample_test(sparse.csr_array((10, 600)), sparse.csr_array((8, 600)), random_state=0)
    assert (result.value, result.p_value) == (0.0, 1.0)
