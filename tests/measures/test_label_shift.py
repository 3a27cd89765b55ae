import numpy as np
import pytest
from scipy.stats import chi2_contingency, fisher_exact, ks_2samp

from sterna.measures import label_shift


def test_large_counts_equal_scipys_chi_square():
    source, target = np.repeat(["a", "b", "c"], [50, 30, 20]), np.repeat(["a", "b", "c"], [20, 30, 10])
    shift = label_shift(source, target)
    assert shift.test == "chi-square"
    assert shift.p_value == pytest.approx(chi2_contingency([[50, 30, 20], [20, 30, 10]]).pvalue)
    assert shift.source == {"a": 0.5, "b": 0.3, "c": 0.2}


def test_two_classes_with_small_counts_are_exact():
    shift = label_shift([0, 0, 0, 0, 1], [1, 1, 1, 1, 0])
    assert shift.test == "Fisher's exact"
    assert shift.p_value == pytest.approx(fisher_exact([[4, 1], [1, 4]])[1])


def test_many_classes_with_small_counts_equal_a_permutation_of_labels():
    source, target = np.repeat([1, 2, 3], [5, 3, 1]), np.repeat([1, 2, 3], [1, 2, 5])
    shift = label_shift(source, target)
    assert shift.test == "Monte Carlo chi-square"
    rng = np.random.default_rng(0)
    both = np.concatenate([source, target])

    def statistic(y):
        counts = np.array([[np.sum(part == c) for c in (1, 2, 3)] for part in (y[:9], y[9:])])
        return chi2_contingency(counts, correction=False).statistic

    drawn = [statistic(rng.permutation(both)) for _ in range(1000)]
    assert shift.p_value == pytest.approx(np.mean(np.array(drawn) >= statistic(both) - 1e-9), abs=0.03)


@pytest.mark.parametrize("n_target", [8, 200])
def test_level_where_nothing_differs(n_target):
    rng = np.random.default_rng(0)
    p_values = [
        label_shift(rng.choice(3, 100, p=[0.6, 0.3, 0.1]), rng.choice(3, n_target, p=[0.6, 0.3, 0.1]), random_state=0).p_value
        for _ in range(150)
    ]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.1


def test_numbers_equal_scipys_kolmogorov_smirnov():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=50), rng.normal(size=30) + 1
    shift = label_shift(source, target)
    assert (shift.value, shift.p_value) == pytest.approx(tuple(ks_2samp(source, target)))
    assert shift.target["mean"] == pytest.approx(target.mean())
    assert shift.task == "regression"


def test_unknown_labels_are_left_out():
    some = label_shift(np.array(["a", None, "b"], dtype=object), np.array(["a", "a", None], dtype=object))
    assert some.source == {"a": 0.5, "b": 0.5}
    assert some.target == {"a": 1.0, "b": 0.0}
    assert label_shift([0.5, np.nan, 1.5], [0.5, np.nan], task="regression").source["mean"] == 1.0


def test_one_class_and_one_row_have_values():
    assert label_shift(["a", "a"], ["a"]).p_value == 1.0
    assert label_shift(["a"], ["b"]).value == 1.0
    assert label_shift([1.5], [2.5]).p_value == 1.0


@pytest.mark.parametrize(
    ("source", "target", "options", "message"),
    [
        ([None, None], [1, 2], {}, "y_source holds no label"),
        (["a", "b"], [1, 2], {}, "write labels the same way"),
        (np.ones((3, 2)), [1, 2], {}, r"shape \(3, 2\)"),
        (["a", "b"], ["a"], {"task": "regression"}, "labels are text"),
        ([1, 2], [1], {"task": "ranking"}, "task is 'ranking'"),
    ],
)
def test_bad_labels_get_a_sentence(source, target, options, message):
    with pytest.raises(ValueError, match=message):
        label_shift(source, target, **options)
