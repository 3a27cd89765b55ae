import time
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from math import comb

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import chi2_contingency, hypergeom, ks_2samp

from sterna.measures import column_drift


def rows(drift):
    return {row["column"]: row for row in drift.to_dict("records")}


@pytest.mark.parametrize("sizes", [(40, 60), (300, 200), (3, 3)])
def test_numbers_equal_scipys_kolmogorov_smirnov(sizes):
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(sizes[0], 4)), rng.normal(size=(sizes[1], 4)) + [0, 0.3, 1, 5]
    source[:, 1], target[:, 1] = source[:, 1].round(1), target[:, 1].round(1)  # ties
    found = rows(column_drift(source, target))
    for j in range(4):
        exact = ks_2samp(source[:, j], target[:, j], method="exact")
        assert found[f"x{j}"]["statistic"] == pytest.approx(exact.statistic)
        # the asymptotic p-value is on the large side, but for very few rows
        assert exact.pvalue * 0.8 <= found[f"x{j}"]["p_value"] <= exact.pvalue * 3 + 0.12
        assert found[f"x{j}"]["source_mean"] == pytest.approx(source[:, j].mean())
        assert found[f"x{j}"]["target_mean"] == pytest.approx(target[:, j].mean())


def tails(a, b, m, n):
    """Twice the smaller tail of "a of m source rows and b of n target rows", by counting the choices of m of all rows."""
    ways = [comb(a + b, i) * comb(m + n - a - b, m - i) for i in range(min(a + b, m) + 1) if m - i <= m + n - a - b]
    first = max(0, m - (m + n - a - b))
    return float(min(1, 2 * Fraction(min(sum(ways[: a - first + 1]), sum(ways[a - first :])), comb(m + n, m))))


@pytest.mark.parametrize(("share", "sizes"), [(0.5, (200, 150)), (0.02, (60, 20)), (0.9, (30, 400))])
def test_two_values_have_the_exact_p_value(share, sizes):
    rng = np.random.default_rng(0)
    source, target = (rng.random((sizes[0], 1)) < 0.3).astype(float), (rng.random((sizes[1], 1)) < share).astype(float)
    found = rows(column_drift(source, target))["x0"]
    assert found["p_value"] == pytest.approx(tails(int(source.sum()), int(target.sum()), *sizes))
    assert found["statistic"] == pytest.approx(abs(source.mean() - target.mean()))
    words = [pd.DataFrame({"w": np.where(part[:, 0] > 0, "yes", "no")}) for part in (source, target)]
    assert rows(column_drift(*words))["w"]["p_value"] == pytest.approx(found["p_value"])


def test_rare_words_are_one_category_of_an_exact_test():
    source, target = pd.DataFrame({"w": list("a" * 300 + "bc" * 10)}), pd.DataFrame({"w": list("a" * 50 + "bbcd" * 2)})
    assert rows(column_drift(source, target))["w"]["p_value"] == pytest.approx(tails(300, 50, 320, 58))


def test_few_values_have_the_exact_p_value_at_their_cut():
    source, target = np.repeat([0.0, 1.0, 2.0], [100, 30, 20])[:, None], np.repeat([0.0, 1.0, 2.0], [5, 10, 5])[:, None]
    found = rows(column_drift(source, target))["x0"]
    assert found["statistic"] == pytest.approx(100 / 150 - 5 / 20)
    assert found["p_value"] == pytest.approx(2 * tails(100, 5, 150, 20))  # two cuts


@pytest.mark.parametrize("n_both", [500, 2000, 8000])
def test_rare_values_hold_a_level_that_corrections_for_many_columns_look_at(n_both):
    """The chance of each count of the target is known; that of a p-value of 1e-4 or less is 1e-4 at most."""
    m, n = 20_000, 500
    chance = hypergeom(m + n, n_both, n).pmf(np.arange(n + 1))
    counts = np.flatnonzero(chance > 1e-12)
    source, target = np.zeros((m, len(counts))), np.zeros((n, len(counts)))
    for j, count in enumerate(counts):
        source[: n_both - count, j], target[:count, j] = 1, 1
    p_value = column_drift(source, target).set_index("column")["p_value"][[f"x{j}" for j in range(len(counts))]].to_numpy()
    assert chance[counts][p_value <= 1e-4].sum() <= 1e-4


def test_categories_equal_scipys_chi_square_and_half_the_sum_of_differences():
    source = pd.DataFrame({"c": ["a"] * 50 + ["b"] * 30 + ["c"] * 20})
    target = pd.DataFrame({"c": ["a"] * 20 + ["b"] * 30 + ["c"] * 10})
    found = rows(column_drift(source, target))["c"]
    assert found["kind"] == "categorical"
    assert found["p_value"] == pytest.approx(chi2_contingency([[50, 30, 20], [20, 30, 10]]).pvalue)
    assert found["statistic"] == pytest.approx((abs(0.5 - 1 / 3) + abs(0.3 - 0.5) + abs(0.2 - 1 / 6)) / 2)
    assert np.isnan(found["source_mean"])


@pytest.mark.parametrize("values", [2, 5, 1000])
def test_p_values_hold_their_level_where_nothing_differs(values):
    rng = np.random.default_rng(0)
    source, target = rng.integers(values, size=(80, 2000)), rng.integers(values, size=(120, 2000))
    drift = column_drift(source, target)
    assert np.mean(drift["p_value"] <= 0.05) <= 0.065
    assert np.mean(drift["p_value"] <= 0.05) >= 0.01
    assert drift["drifted"].sum() <= 2


def test_category_p_values_hold_their_level_with_rare_ones():
    rng = np.random.default_rng(0)
    shares = np.array([0.5, 0.3, 0.1, 0.05, 0.03, 0.02])
    draws = [pd.DataFrame(rng.choice(list("abcdef"), size=(n, 150), p=shares)) for n in (40, 60)]
    p_values = column_drift(*draws)["p_value"]
    assert np.mean(p_values <= 0.1) == pytest.approx(0.1, abs=0.07)


def test_missing_values_are_a_difference():
    rng = np.random.default_rng(0)
    source = pd.DataFrame({"n": rng.normal(size=200), "t": rng.choice(["a", "b"], 200), "same": rng.normal(size=200)})
    target = pd.DataFrame({"n": rng.normal(size=200), "t": rng.choice(["a", "b"], 200), "same": rng.normal(size=200)})
    target.loc[:99, ["n", "t"]] = None
    found = rows(column_drift(source, target))
    for column in ("n", "t"):
        assert found[column]["drifted"]
        assert found[column]["target_missing"] == 0.5
        assert found[column]["statistic"] >= 0.45
    assert not found["same"]["drifted"]


def naive_psi(source, target, n_bins=10):
    """Bin by bin: each row is put into its bin by comparing it with the source's quantiles."""
    cuts = np.quantile(source, np.arange(1, n_bins) / n_bins, method="inverted_cdf")
    counts = [np.bincount([sum(value > cut for cut in cuts) for value in part], minlength=n_bins) for part in (source, target)]
    shares = [(count + 0.5) / (count.sum() + 0.5 * n_bins) for count in counts]
    return sum((q - p) * np.log(q / p) for p, q in zip(*shares, strict=True))


def test_stability_index_equals_a_loop_over_the_rows():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(97, 3)), rng.normal(size=(55, 3)) * [1, 2, 1] + [0.5, 0, 9]
    found, fewer = rows(column_drift(source, target)), rows(column_drift(source, target, n_bins=4))
    for j in range(3):
        assert found[f"x{j}"]["psi"] == pytest.approx(naive_psi(source[:, j], target[:, j]))
        assert fewer[f"x{j}"]["psi"] == pytest.approx(naive_psi(source[:, j], target[:, j], 4))


def test_stability_index_of_many_rows_is_the_divergence_both_ways():
    """log(q / p) sums to the two Kullback-Leibler divergences; with 200 bins of two Gaussians that is shift^2."""
    rng = np.random.default_rng(0)
    drift = column_drift(rng.normal(size=(100_000, 1)), rng.normal(size=(100_000, 1)) + 0.5, n_bins=200)
    assert drift["psi"][0] == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("as_words", [False, True])
def test_stability_index_of_few_values_is_by_value(as_words):
    source, target = np.repeat([0, 1, 7], [80, 15, 5]), np.repeat([0, 1, 7, 9], [10, 20, 5, 5])
    counts = np.array([[80, 15, 5, 0], [10, 20, 5, 5]])
    if not as_words:  # ten bins: 7 and 9 lie above the largest cut
        counts = np.array([[80, 15, 5], [10, 20, 10]])
    p, q = (counts + 0.5) / (counts + 0.5).sum(axis=1, keepdims=True)
    tables = [pd.DataFrame({"c": part.astype(str) if as_words else part}) for part in (source, target)]
    assert column_drift(*tables)["psi"][0] == pytest.approx(np.sum((q - p) * np.log(q / p)))


def test_stability_index_of_odd_columns():
    source = np.array([[1.0, 3.0, np.nan, np.nan], [1.0, 3.0, np.nan, 2.0]])
    target = np.array([[1.0, 2.0, np.nan, 1.0], [1.0, 2.0, np.nan, 2.0], [1.0, 2.0, np.nan, 2.0]])
    found = rows(column_drift(source, target))
    assert found["x0"]["psi"] == found["x2"]["psi"] == 0
    below = np.array([[0.5 / 3, 2.5 / 3], [3.5 / 4, 0.5 / 4]])  # all below the one value of the source
    assert found["x1"]["psi"] == pytest.approx(np.sum((below[1] - below[0]) * np.log(below[1] / below[0])))
    # a target row below the source's one value, one and two rows at it, one and none missing
    p, q = np.array([0.5, 1.5, 1.5]) / 3.5, np.array([1.5, 2.5, 0.5]) / 4.5
    assert found["x3"]["psi"] == pytest.approx(np.sum((q - p) * np.log(q / p)))


def test_stability_index_without_a_difference_is_as_the_docstring_says():
    rng = np.random.default_rng(0)
    drift = column_drift(rng.normal(size=(400, 500)), rng.normal(size=(250, 500)))
    assert drift["psi"].mean() == pytest.approx(9 * (1 / 400 + 1 / 250), rel=0.1)


def test_corrections_equal_their_definitions():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(50, 20)), rng.normal(size=(50, 20)) + np.linspace(0, 1, 20)
    drift = column_drift(source, target)
    p = np.sort(drift["p_value"])
    naive = {value: min(20 * p[j] / (j + 1) for j in range(i, 20)) for i, value in enumerate(p)}
    assert drift["q_value"].to_numpy() == pytest.approx([min(1, naive[value]) for value in drift["p_value"]])
    harmonic = np.sum(1 / np.arange(1, 21))
    stricter = column_drift(source, target, correction="by")
    assert stricter["q_value"].to_numpy() == pytest.approx([min(1, harmonic * naive[value]) for value in drift["p_value"]])
    assert 0 < stricter["drifted"].sum() < drift["drifted"].sum()


def test_bad_options_get_a_sentence():
    with pytest.raises(ValueError, match="correction is 'holm'; allowed are 'bh'"):
        column_drift(np.ones((3, 1)), np.ones((3, 1)), correction="holm")
    with pytest.raises(ValueError, match="n_bins is 1; give a whole number of 2 or more"):
        column_drift(np.ones((3, 1)), np.ones((3, 1)), n_bins=1)


def test_false_discoveries_are_few_and_the_drifted_are_found_and_first():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(200, 300)), rng.normal(size=(200, 300))
    target[:, :10] += 1
    drift = column_drift(source, target)
    assert {f"x{j}" for j in range(10)} == set(drift["column"][:10])
    assert drift["drifted"][:10].all()
    assert drift["drifted"][10:].sum() <= 2
    assert drift["statistic"].is_monotonic_decreasing
    assert np.all(drift["q_value"] >= drift["p_value"])


def test_sparse_equals_dense_and_is_quick_when_wide():
    rng = np.random.default_rng(0)
    parts = [
        sparse.random(n, 5000, density=0.02, random_state=rng, data_rvs=lambda k: rng.poisson(1, k) + 1.0) for n in (500, 700)
    ]
    start = time.perf_counter()
    wide = column_drift(sparse.csr_array(parts[0]), sparse.csr_matrix(parts[1]))
    assert time.perf_counter() - start < 10
    dense = column_drift(*(part.toarray()[:, :50] for part in parts))
    expected, found = rows(dense), rows(wide)
    for column, row in expected.items():
        assert found[column]["statistic"] == pytest.approx(row["statistic"])
        assert found[column]["p_value"] == pytest.approx(row["p_value"])
        assert found[column]["psi"] == pytest.approx(row["psi"])


def test_columns_are_matched_by_name_and_keep_it():
    source = pd.DataFrame({"a": np.arange(30.0), "b": ["x", "y", "z"] * 10})
    found = rows(column_drift(source, source[["b", "a"]]))
    assert set(found) == {"a", "b"}
    assert found["a"]["statistic"] == found["b"]["statistic"] == 0
    assert found["a"]["p_value"] == found["b"]["p_value"] == 1


def test_odd_columns_have_values():
    source = pd.DataFrame(
        {"void": [np.nan] * 5, "one": ["a"] * 5, "flag": [True, False, True, True, False], "mixed": [1, 2, 3, 4, 5]}
    )
    target = pd.DataFrame({"void": [np.nan] * 3, "one": ["a"] * 3, "flag": [True, True, True], "mixed": ["1", "2", "q"]})
    found = rows(column_drift(source, target))
    assert found["void"]["statistic"] == found["one"]["statistic"] == 0
    assert np.isnan(found["void"]["source_mean"])
    assert found["mixed"]["kind"] == "categorical"
    assert 0 < found["mixed"]["statistic"] <= 1
    assert column_drift(np.ones((1, 1)), np.zeros((1, 1)))["statistic"][0] == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1.0, 2.0, 3.0], [1, 2, 3]),
        ([1, None, 3.5], [1.0, np.nan, 3.5]),
        ([True, False, None], [True, False, None]),
        ([Decimal(1), Decimal(2), pd.NA], [1, 2, None]),
        ([None, None, None], [4, 5, 6]),
        ([date(2020, 1, 1), date(2021, 1, 1), None], pd.to_datetime(["2020-01-01", "2021-01-01", None])),
        ([timedelta(days=1), None], pd.to_timedelta(["1D", None])),
    ],
)
def test_numbers_in_a_column_of_objects_are_numbers(one, other):
    """The same values as objects and as pandas stores them do not differ, and what is missing is missing."""
    source, target = pd.DataFrame({"c": pd.Series(one * 5, dtype=object)}), pd.DataFrame({"c": list(other) * 5})
    found = rows(column_drift(source, target))["c"]
    assert found["kind"] == "numeric"
    void = all(pd.isna(value) for value in one)
    assert found["statistic"] == (1.0 if void else 0.0)
    assert rows(column_drift(source, source))["c"]["kind"] == "numeric"


def test_names_that_read_alike_are_two_columns():
    drift = column_drift(pd.DataFrame({1: [1.0, 2.0], "1": [3.0, 4.0]}), pd.DataFrame({1: [1.0, 2.0], "1": [5.0, 6.0]}))
    assert drift["statistic"].tolist() == [1.0, 0.0]


def test_dates_are_days_since_1970():
    days = np.array([0.0, 1.5, 400.25, -3.0])
    dates = pd.Timestamp("1970-01-01") + pd.to_timedelta(days, unit="D")
    for column in (dates, dates.tz_localize("UTC").tz_convert("Asia/Tokyo")):
        found = rows(column_drift(pd.DataFrame({"d": column}), pd.DataFrame({"d": dates + pd.Timedelta(days=1000)})))["d"]
        assert found["statistic"] == 1
        assert found["source_mean"] == pytest.approx(days.mean())
        assert found["target_mean"] == pytest.approx(days.mean() + 1000)
    against_numbers = rows(column_drift(pd.DataFrame({"d": dates}), pd.DataFrame({"d": days})))["d"]
    assert against_numbers["kind"] == "categorical"


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]}), "target_table lacks the column 'a'"),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1], "b": [1]}), "source_table lacks the column 'b'"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), pd.DataFrame({"a": [1]}), "two columns named 'a'"),
        (pd.DataFrame({"a": [1]}), np.ones((1, 1)), "one table has named columns"),
        (np.ones((3, 2)), np.ones((3, 4)), "source_table has 2 columns but target_table has 4"),
        (np.ones((0, 2)), np.ones((3, 2)), "source_table has 0 rows"),
        (np.ones(3), np.ones((3, 1)), r"shape \(3,\)"),
    ],
)
def test_bad_tables_get_a_sentence(source, target, message):
    with pytest.raises(ValueError, match=message):
        column_drift(source, target)
