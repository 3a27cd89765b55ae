"""Contracts of `Domains` for any number of domains, any storage and any kind of label."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from sterna import Domains
from sterna.domains._stack import take_apart

# five labels of each kind; the last kind is of quantities
LABELS = {
    "text": ["no", "yes", "maybe", "Äh, what?", " -1"],
    "bool": [True, False, True, False, True],
    "signs": [-1, 1, -1, 1, 1],
    "gaps": [7, -3, 1000000007, 2**53 + 1, 0],
    "whole floats": [1.0, 2.0, -5.0, 0.0, 9.0],
    "quantities": [0.5, -1.25, 1e9, 3.0, 0.0],
}
FORMS = ("float64", "float32", "int", "bool", "fortran", "lists", "csr", "csc", "coo", "pandas", "polars")
TABLES = ("pandas", "polars")

forms = st.sampled_from(FORMS)
kinds = st.sampled_from(sorted(LABELS))
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=40, deadline=None)


def in_form(X, form):
    """The rows `X`, small whole numbers that every form holds exactly."""
    if form in ("float64", "float32", "int", "bool"):
        return X.astype(form)
    makers = {
        "fortran": np.asfortranarray,
        "lists": np.ndarray.tolist,
        "csr": sparse.csr_array,
        "csc": sparse.csc_matrix,
        "coo": sparse.coo_array,
        "pandas": lambda X: pd.DataFrame(X, columns=list("abc")),
        "polars": lambda X: pl.DataFrame(X, schema=list("abc")),
    }
    return makers[form](X)


def make(seed, n_sources, form, kind, n_target=7, n_source=6, missing=0.3):
    """Random domains: a dict of sources, a target (X, y) and the rows behind them; target labels are None in part."""
    rng = np.random.default_rng(seed)
    values = LABELS[kind]
    high = 2 if form == "bool" else 9
    rows = [rng.integers(0, high, size=(n_source, 3)).astype(float) for _ in range(n_sources)]
    rows.append(rng.integers(0, high, size=(n_target, 3)).astype(float))
    # every class stands in the first source, so that classes do not hang on chance
    ys = [[values[i] for i in rng.integers(0, 5, n_source)] for _ in range(n_sources)]
    ys[0][:5] = values
    target_y = [values[i] if rng.random() > missing else None for i in rng.integers(0, 5, n_target)]
    data = {f"s{i}": (in_form(X, form), y) for i, (X, y) in enumerate(zip(rows, ys, strict=False))}
    return data, (in_form(rows[-1], form), target_y), rows, ys


def domains_of(source, target, kind, **options):
    # identifiers and constants stay, so that columns do not hang on chance
    keep = list("abc") if hasattr(target[0], "columns") else ()
    task = "regression" if kind == "quantities" else "classification"
    return Domains(source, {"target": target}, task=task, keep=keep, **options)


def dense(X):
    return X.toarray() if sparse.issparse(X) else np.asarray(X, dtype=float)


@few
@given(seed=seeds, n_sources=st.integers(1, 6), form=forms, kind=kinds)
def test_split_undoes_stack(seed, n_sources, form, kind):
    source, target, rows, ys = make(seed, n_sources, form, kind)
    domains = domains_of(source, target, kind)
    X, y, sample_domain = domains.stack()
    assert X.shape == (6 * n_sources + 7, 3)
    assert sample_domain.tolist() == [i + 1 for i in range(n_sources) for _ in range(6)] + [-(n_sources + 1)] * 7
    order = np.random.default_rng(seed).permutation(len(y))
    for each in (slice(None), order):
        codes = sample_domain[each]
        X_parts = domains.split(X.iloc[each] if isinstance(X, pd.DataFrame) else X[each], codes)
        y_parts = domains.split(y[each], codes)
        assert list(X_parts) == [*source, "target"]
        origin = domains.split(np.arange(len(y))[each], codes)
        for name, first, expected, labels in zip(X_parts, range(0, 99, 6), rows, [*ys, target[1]], strict=False):
            np.testing.assert_array_equal(dense(X_parts[name]), expected[origin[name] - first])
            known = [(row, labels[row - first]) for row in origin[name] if labels[row - first] is not None]
            assert [y[row] for row, _ in known] == [label for _, label in known]
            assert len(y_parts[name]) == len(labels)


@few
@given(seed=seeds, n_sources=st.integers(1, 3), form=forms, kind=kinds, data=st.data())
def test_hidden_labels_are_never_visible(seed, n_sources, form, kind, data):
    """Whatever stands in the hidden labels, the stack is the same, to the bit; and it says which rows are labelled."""
    source, (X, target_y), _, _ = make(seed, n_sources, form, kind)
    shown = sorted(data.draw(st.sets(st.integers(0, 6))))
    hidden = [row for row in range(7) if row not in shown]
    stacks = []
    for poison in (None, data.draw(st.permutations(LABELS[kind] + LABELS[kind]))):
        y = list(target_y)
        for row in hidden if poison is not None else ():
            y[row] = poison[row]
        domains = domains_of(source, (X, y), kind)
        stacks.append(domains.stack(labelled_rows=shown))
        by_mask = domains.stack(labelled_rows=np.isin(np.arange(7), shown))[1]
        pd.testing.assert_series_equal(pd.Series(by_mask), pd.Series(stacks[-1][1]))
    (_, y, sample_domain), (_, poisoned, _) = stacks
    assert y.dtype == poisoned.dtype
    pd.testing.assert_series_equal(pd.Series(y), pd.Series(poisoned))
    labelled = take_apart(np.zeros((len(y), 1)), y, sample_domain).labelled
    assert labelled.tolist() == [row in shown and target_y[row] is not None for row in range(7)]


@few
@given(seed=seeds, form=forms, kind=kinds, rows=st.lists(st.integers(0, 6), max_size=9), shown=st.sets(st.integers(0, 6)))
def test_target_rows_and_labelled_rows_are_numbers_of_target_rows(seed, form, kind, rows, shown):
    source, target, values, _ = make(seed, 2, form, kind)
    domains = domains_of(source, target, kind)
    X, y, sample_domain = domains.stack(target_rows=rows, labelled_rows=list(shown))
    assert X.shape[0] == len(y) == len(sample_domain) == 12 + len(rows)
    np.testing.assert_array_equal(dense(X)[12:], values[-1][rows])
    data = take_apart(np.zeros((len(y), 1)), y, sample_domain)
    expected = [row for row in rows if row in shown and target[1][row] is not None]
    assert data.y_target.tolist() == [target[1][row] for row in expected]
    assert data.y_source.tolist() == source["s0"][1] + source["s1"][1]


@few
@given(seed=seeds, form=st.sampled_from(TABLES), kind=kinds, orders=st.lists(st.permutations("abc"), min_size=2, max_size=2))
def test_the_order_of_source_columns_does_not_matter(seed, form, kind, orders):
    source, target, _, _ = make(seed, 2, form, kind)
    expected = domains_of(source, target, kind).stack()
    turned = {name: (X[order], y) for (name, (X, y)), order in zip(source.items(), orders, strict=True)}
    for left, right in zip(domains_of(turned, target, kind).stack(), expected, strict=True):
        pd.testing.assert_frame_equal(pd.DataFrame(left), pd.DataFrame(right))


def parts_of(X):
    """The arrays behind a matrix."""
    if sparse.issparse(X):
        return [getattr(X, name) for name in ("data", "indices", "indptr", "row", "col") if hasattr(X, name)]
    return [X] if isinstance(X, np.ndarray) else []


@few
@given(seed=seeds, n_sources=st.integers(1, 2), form=forms, kind=kinds, read_only=st.booleans())
def test_user_data_stay_bit_identical(seed, n_sources, form, kind, read_only):
    source, target, _, _ = make(seed, n_sources, form, kind)
    source = {name: (X, np.array(y)) for name, (X, y) in source.items()}
    if form == "csr":  # in the worst order, with a cell in two parts and a stored zero
        X, y = source["s0"]
        indices, data = np.r_[X.indices[::-1], 0, 0, 1], np.r_[X.data[::-1], 1.0, 2.0, 0.0]
        source["s0"] = sparse.csr_array((data, indices, [0, *np.linspace(1, len(data), 6).astype(int)]), shape=(6, 3)), y
    everything = [*source.values(), target]
    before = copy.deepcopy(everything)
    for X, y in everything if read_only else ():
        for part in (*parts_of(X), *parts_of(y)):
            part.setflags(write=False)
    domains = domains_of(source, target, kind)
    X, y, _ = domains.stack(labelled_rows=[0, 1])
    domains.fingerprint(domains.target)
    for changed in (X, y, *domains.stack(target_rows=[])):  # the stack is the user's to change
        for part in parts_of(changed):
            part[:] = part[0]
    for (X, y), (X_before, y_before) in zip(everything, before, strict=True):
        assert [part.tobytes() for part in parts_of(X)] == [part.tobytes() for part in parts_of(X_before)]
        assert list(y) == list(y_before)
        if form == "pandas":
            pd.testing.assert_frame_equal(X, X_before)
        if form == "polars":
            assert X.equals(X_before)


@few
@given(seed=seeds, one=forms, other=forms, kind=kinds)
def test_the_fingerprint_depends_on_values_only(seed, one, other, kind):
    if "bool" in (one, other) or (one in TABLES) != (other in TABLES) or is_sparse(one) != is_sparse(other):
        other = one = "csc" if is_sparse(one) else "fortran"
    prints = []
    for form in (one, other):
        source, target, _, _ = make(seed, 1, form, kind)
        domains = domains_of(source, target, kind)
        prints.append([domains.fingerprint(domain) for domain in (*domains.sources, domains.target)])
    assert prints[0] == prints[1]


def is_sparse(form):
    return form in ("csr", "csc", "coo")


@few
@given(seed=seeds, form=forms, kind=kinds, row=st.integers(0, 6), column=st.integers(0, 2))
def test_the_fingerprint_tells_one_changed_value_or_label(seed, form, kind, row, column):
    source, (X, y), rows, _ = make(seed, 1, form, kind)
    first = domains_of(source, (X, y), kind)
    changed = rows[-1].copy()
    changed[row, column] = 1 - changed[row, column]
    assert first.fingerprint(first.target) != prints_of(source, in_form(changed, form), y, kind)
    relabelled = [*y]
    relabelled[row] = None if y[row] is not None else LABELS[kind][0]
    assert first.fingerprint(first.target) != prints_of(source, X, relabelled, kind)


def prints_of(source, X, y, kind):
    domains = domains_of(source, (X, y), kind)
    return domains.fingerprint(domains.target)
