"""`TablePreprocessor`: fitted on stacked domains, the same for a table however it is laid out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sterna import Domains
from sterna.align import CORAL
from sterna.domains import TablePreprocessor


def raw(n=40, seed=0, towns=("Ulm", "Bonn", None)):
    rng = np.random.default_rng(seed)
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 400, n), unit="D")
    return pd.DataFrame(
        {
            "age": np.where(rng.random(n) < 0.2, np.nan, rng.normal(40, 9, n)),
            "town": pd.Series(rng.choice(np.array(towns, dtype=object), n), dtype=object),
            "ward": pd.Categorical(rng.integers(1, 4, n)),
            "day": days.to_series(index=range(n)).where(rng.random(n) < 0.9),
            "on": pd.array(rng.choice([True, False, None], n), dtype="boolean"),
            "sick": rng.choice(["no", "yes"], n),
        }
    )


@pytest.fixture
def domains():
    return Domains({"a": raw()}, {"t": raw(30, 1, ("Ulm", "Köln"))}, label="sick")


@pytest.fixture
def fitted(domains):
    return TablePreprocessor().fit(domains.stack()[0])


def test_numbers_are_imputed_and_scaled_and_categories_of_both_domains_known(domains, fitted):
    X = domains.stack()[0]
    Z = fitted.transform(X)
    names = list(fitted.get_feature_names_out())
    assert names[:3] == ["age", "day", "on"]
    assert names[3:] == ["town_(missing)", "town_Bonn", "town_Köln", "town_Ulm", "ward_1", "ward_2", "ward_3"]
    assert Z.shape == (70, 10)
    np.testing.assert_allclose(Z[:, :3].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(Z[:, :3].std(axis=0), 1)
    age = X["age"].fillna(X["age"].median())
    np.testing.assert_allclose(Z[:, 0], (age - age.mean()) / age.std(ddof=0))
    words = X["town"].fillna("(missing)")
    for name in ("(missing)", "Bonn", "Köln", "Ulm"):
        assert Z[:, names.index(f"town_{name}")].tolist() == (words == name).tolist()


LAYOUTS = {
    "as it was read": lambda table: table,
    "another order, more columns, another index": lambda table: table.assign(more=1, xray="q")[
        ["xray", "sick", "on", "ward", "more", "town", "age", "day"]
    ].set_index(pd.RangeIndex(100, 130)),
    "dates as text, categories as numbers, booleans as objects": lambda table: table.assign(
        day=table["day"].dt.strftime("%Y-%m-%d"),
        ward=table["ward"].astype(int),
        on=table["on"].astype(object),
        age=table["age"].astype(str),
    ),
    "categorical and nullable": lambda table: table.assign(
        town=table["town"].astype("category"), age=table["age"].astype("Float64"), ward=table["ward"].astype("Int64")
    ),
    "polars": pl.from_pandas,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_raw_table_gives_what_the_stack_gives(domains, fitted, layout):
    """The table that a person predicts on, never aligned by `Domains`, is brought to the kinds fitted on."""
    table = raw(30, 1, ("Ulm", "Köln"))
    table["age"] = table["age"].fillna(40.5)
    domains = Domains({"a": raw()}, {"t": table}, label="sick")
    fitted = TablePreprocessor().fit(domains.stack()[0])
    given = LAYOUTS[layout](table)
    # pandas 2 reads numbers written as text to the last bit but one
    np.testing.assert_allclose(fitted.transform(given), fitted.transform(domains.target.X), rtol=1e-13)


def test_the_order_of_rows_of_other_tables_plays_no_part(domains, fitted):
    """Also one row alone, and a table in which a column has no value."""
    X = domains.target.X
    np.testing.assert_array_equal(fitted.transform(X.iloc[[3]]), fitted.transform(X)[[3]])
    empty = X.assign(age=None, town=None)
    names = list(fitted.get_feature_names_out())
    Z = fitted.transform(empty)
    assert np.ptp(Z[:, 0]) == 0
    assert (Z[:, names.index("town_(missing)")] == 1).all()


def test_a_category_never_seen_is_none_of_the_known_ones(domains, fitted):
    Z = fitted.transform(domains.target.X.assign(town="Rom", ward=9))
    assert (Z[:, 3:] == 0).all()
    assert np.isfinite(Z).all()


def test_rare_categories_stand_together():
    table = pd.DataFrame({"word": [f"w{i}" for i in range(50)] * 2 + ["often"] * 9})
    fitted = TablePreprocessor(max_categories=5).fit(table)
    Z = fitted.transform(table)
    assert Z.shape == (109, 5)
    np.testing.assert_array_equal(Z.sum(axis=1), 1)
    assert fitted.transform(pd.DataFrame({"word": ["never seen"]})).sum() == 1  # one of the rare ones


def test_a_pipeline_on_raw_tables_predicts_alike_whatever_the_layout(domains):
    X, y, sample_domain = domains.stack()
    Z = TablePreprocessor().fit(X)
    model = CORAL(LogisticRegression()).fit(Z.transform(X), y, sample_domain=sample_domain)
    table = raw(30, 7)
    expected = model.predict_proba(Z.transform(table))
    np.testing.assert_array_equal(model.predict_proba(Z.transform(table[table.columns[::-1]].assign(z=0))), expected)
    plain = make_pipeline(TablePreprocessor(), LogisticRegression()).fit(X, y)
    assert plain.predict(table).shape == (30,)


def test_missing_values_in_dense_arrays():
    X = np.array([[1.0, np.nan], [np.nan, 2.0], [3.0, 4.0], [5.0, 9.0]])
    domains = Domains({"a": (X, [0, 1, 0, 1])}, {"t": (X + 0.5, None)})
    assert domains.kind == "dense"
    stacked = domains.stack()[0]
    assert np.isnan(stacked).sum() == 4
    Z = TablePreprocessor().fit_transform(stacked)
    assert np.isfinite(Z).all()
    filled = np.where(np.isnan(stacked), np.nanmedian(stacked, axis=0), stacked)
    np.testing.assert_allclose(Z, (filled - filled.mean(axis=0)) / filled.std(axis=0))


def test_a_column_without_a_value_is_kept_as_zeros():
    X = np.array([[1.0, np.nan], [2.0, np.nan]])
    assert TablePreprocessor().fit_transform(X)[:, 1].tolist() == [0, 0]
    table = pd.DataFrame({"u": [1.0, 2.0], "v": [None, None]})
    assert TablePreprocessor().fit_transform(table)[:, 1].tolist() == [0, 0]


@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csc_matrix, sparse.coo_array])
def test_sparse_matrices_stay_sparse_or_are_reduced(form):
    rng = np.random.default_rng(0)
    X = sparse.csr_array(rng.normal(size=(30, 8)) * (rng.random((30, 8)) < 0.3))
    fitted = TablePreprocessor().fit(form(X))
    Z = fitted.transform(form(X))
    assert sparse.issparse(Z)
    top = abs(X).max(axis=0).toarray().ravel()
    np.testing.assert_allclose(Z.toarray(), X.toarray() / np.where(top == 0, 1, top))
    np.testing.assert_allclose(fitted.transform(X.toarray()).toarray(), Z.toarray())
    assert list(fitted.get_feature_names_out()) == [f"x{j}" for j in range(8)]
    reduced = TablePreprocessor(n_components=3).fit(form(X))
    assert reduced.transform(form(X)).shape == (30, 3)
    assert len(reduced.get_feature_names_out()) == 3
    assert TablePreprocessor(n_components=99).fit_transform(form(X)).shape == (30, 7)
    assert TablePreprocessor(n_components=99).fit_transform(form(X.tocsc()[:, [0]])).shape == (30, 1)
    np.testing.assert_array_equal(reduced.transform(X), clone(reduced).fit(X).transform(X))


def test_arrays_fitted_on_take_tables_lists_and_sparse_rows():
    X = np.array([[1.0, 2.0], [3.0, 5.0], [4.0, 4.0]])
    fitted = TablePreprocessor().fit(X.tolist())
    for given in (X, X.tolist(), pd.DataFrame(X), sparse.csr_array(X), pl.DataFrame(X), X.astype(object)):
        np.testing.assert_allclose(fitted.transform(given), fitted.transform(X))
    assert fitted.transform(X.astype(np.float32)).dtype == np.float32
    assert not hasattr(fitted, "feature_names_in_")
    words = [["u", 1], ["v", 2.5], [None, 3]]
    assert TablePreprocessor().fit(words).transform([["v", 2.5]]).shape == (1, 4)


def test_fit_on_reads_the_rows_of_one_side_only():
    X = pd.DataFrame({"x": [0.0, 2.0, 100.0, 102.0, 9.0], "w": ["u", "v", "p", "q", "r"]})
    y, sample_domain = np.array([0, 1, 0, 1, -1]), ["source", "source", "target", "target", "target"]
    source = TablePreprocessor(fit_on="source").fit(X, y, sample_domain=sample_domain)
    assert list(source.get_feature_names_out()) == ["x", "w_u", "w_v"]
    assert source.transform(X)[:, 0].tolist() == [-1, 1, 99, 101, 8]
    target = TablePreprocessor(fit_on="target").fit(X, y, sample_domain=sample_domain)
    assert list(target.get_feature_names_out()) == ["x", "w_p", "w_q"]
    assert target.transform(X)[2:4, 0].tolist() == [-1, 1]
    with pytest.raises(ValueError, match=r"^fit_on is 'both'; allowed are 'all', 'source' and 'target'$"):
        TablePreprocessor(fit_on="both").fit(X)


def test_clone_and_parameters():
    preprocessor = TablePreprocessor(max_categories=4, n_components=2, random_state=3)
    assert preprocessor.get_params() == {"max_categories": 4, "n_components": 2, "fit_on": "all", "random_state": 3}
    assert clone(preprocessor.fit(raw())).get_params() == preprocessor.get_params()
    refitted = preprocessor.fit(np.eye(3))
    assert not hasattr(refitted, "feature_names_in_")
    assert refitted.transform(np.eye(3)).shape == (3, 3)


def test_the_users_data_are_not_written_to():
    table = raw()
    before = table.copy(deep=True)
    TablePreprocessor().fit(table).transform(table)
    pd.testing.assert_frame_equal(table, before)
    for X in (np.array([[1.0, np.nan], [2.0, 5.0]]), sparse.csr_array(np.eye(3))):
        for part in [X.data, X.indices, X.indptr] if sparse.issparse(X) else [X]:
            part.setflags(write=False)
        TablePreprocessor().fit(X).transform(X)


REFUSED = [
    (
        lambda X: X.drop(columns="age"),
        "X lacks the column 'age', which the preprocessing was fitted on; give a table that has it",
    ),
    (
        lambda X: X[["on"]],
        "X lacks the column 'age', and 3 more, which the preprocessing was fitted on; give a table that has it",
    ),
    (
        lambda X: X.assign(age="old"),
        "column 'age' is numeric in the rows fitted on but text in X: 'old' in row 0; write the same kind of value in every "
        "domain, or drop the column",
    ),
    (
        lambda X: X.assign(age="40,5"),
        "column 'age' of X holds '40,5', a number with a comma; write decimal points and no thousands separators (pandas: "
        "read_csv(..., decimal=','))",
    ),
    (
        lambda X: X.assign(age=np.inf),
        "column 'age' of X holds inf in row 0, beyond what can be computed with (1e+100); correct it, or write it as a missing "
        "value",
    ),
    (
        lambda X: np.eye(5),
        "the preprocessing was fitted on a table with named columns, but X is ndarray; give a DataFrame",
    ),
    (lambda X: pd.concat([X, X[["age"]]], axis=1), "X has two columns named 'age'; rename one"),
    (
        lambda X: X.assign(town=[[1]] * len(X)),
        "column 'town' of X holds a list in row 0; allowed are numbers, text, dates and booleans: write it as one of them, or "
        "drop the column",
    ),
]


@pytest.mark.parametrize(("change", "sentence"), REFUSED, ids=[sentence[:50] for _, sentence in REFUSED])
def test_rows_that_do_not_fit_are_refused(domains, fitted, change, sentence):
    with pytest.raises(ValueError) as caught:
        fitted.transform(change(domains.target.X))
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("X", "sentence"),
    [
        (np.ones((2, 3)), "X has 3 columns, but the preprocessing was fitted on 2; give the same features"),
        (
            np.array([[1, np.inf]]),
            "column 'x1' of X holds inf in row 0, beyond what can be computed with (1e+100); correct it, or write it as a missing "
            "value",
        ),
        (np.ones(2), "X has the shape (2,); give an X of shape (n_samples, n_features), a DataFrame or a file"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(X, sentence):
    fitted = TablePreprocessor().fit(np.eye(2))
    with pytest.raises(ValueError) as caught:
        fitted.transform(X)
    assert str(caught.value) == sentence


def test_missing_values_of_sparse_rows_are_refused():
    X = sparse.csr_array([[1.0, 0.0], [0.0, np.nan]])
    with pytest.raises(
        ValueError, match=r"^column 'x1' of X holds a missing value \(NaN\) in row 1, which a sparse matrix cannot"
    ):
        TablePreprocessor().fit(X)
