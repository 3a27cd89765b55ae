"""Rows that stand twice, fingerprints, and domains of many rows, columns or names."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from sterna import Domains
from sterna.domains._hashes import row_hashes

LEAK = "if they are the same cases, the source has seen the test: remove them from it"


def rows(form):
    """Eight source rows and six of the target; target rows 1, 4 and 5 stand in the source, row 5 repeats row 4."""
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(8, 3)), rng.normal(size=(6, 3))
    source[:, 0], target[:, 0] = 0.0, [-0.0, 0.0, 0.0, -0.0, 0.0, 0.0]
    target[1], target[4], target[5] = source[7], source[2], source[2]
    source[7, 2] = target[1, 2] = np.nan if form in ("dense", "table") else 0.25
    if form == "sparse":
        # the same rows in another storage: unsorted, a stored zero, a cell in two parts
        other = sparse.coo_array(target)
        row, column = (
            np.r_[part, extra][::-1] for part, extra in zip((other.row, other.col), ([1, 1, 2], [2, 2, 0]), strict=True)
        )
        stored = sparse.csr_array((np.r_[other.data, 0.5, -0.5, 0.0][::-1], (row, column)), shape=(6, 3))
        return sparse.csr_array(source), stored
    if form == "table":
        words = [["u", "v", None, "u", "v", "u", "v", None], ["u", None, "v", "u", None, None]]
        tables = [pd.DataFrame(X).assign(word=word) for X, word in zip((source, target), words, strict=True)]
        return tables[0], tables[1].astype({"word": "category"})
    return source, target


@pytest.mark.parametrize("form", ["dense", "sparse", "table"])
def test_rows_in_both_domains_are_reported(form):
    source, target = rows(form)
    found = Domains({"a": (source, [0, 1] * 4)}, {"t": (target, None)}, keep=["0"] if form == "table" else ()).findings
    told = {finding.code: finding.message for finding in found}
    assert told["leakage"] == f"3 of 6 rows of target 't' also stand in source 'a' (first: row 1); {LEAK}"
    assert told["duplicate"] == (
        "1 of 6 rows of target 't' repeat another of its rows; repeats may fall on both sides of a split"
    )


def test_leakage_is_found_in_each_source_whatever_the_order_of_columns():
    rng = np.random.default_rng(0)
    target = pd.DataFrame(rng.normal(size=(5, 2)), columns=["u", "v"]).assign(case_id=range(5))
    clean = pd.DataFrame(rng.normal(size=(30, 2)), columns=["u", "v"]).assign(case_id=range(30))
    leaky = pd.concat([clean + 1, target.assign(case_id=99)], ignore_index=True)[["v", "case_id", "u"]]
    leaky["case_id"] = range(35)
    y = [0, 1] * 15
    domains = Domains({"a": (clean, y), "b": (leaky, [*y, 0, 1, 0, 1, 0])}, {"t": (target, None)})
    assert [f.message for f in domains.findings if f.code == "leakage"] == [
        f"5 of 5 rows of target 't' also stand in source 'b' (first: row 0); {LEAK}"
    ]


def coarse(n, seed=0):
    """Rows of few values: three in four repeat another."""
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.binomial(k, 0.3, n) for k in (20, 12, 6, 3)]).astype(float)


def told_rows(domains):
    return {f.code: f.message for f in domains.findings if f.code in ("leakage", "duplicate")}


@pytest.mark.parametrize("n_target", [150, 4000])
def test_rows_that_are_alike_by_chance_are_not_told(n_target):
    X, Z = coarse(3000), coarse(n_target, 1)
    assert len(np.unique(np.concatenate([X, Z]), axis=0)) < 0.5 * len(X)
    assert told_rows(Domains({"a": (X, X[:, 0] > 5), "b": (X + [[2, 0, 0, 0]], X[:, 0] > 5)}, {"t": (Z, None)})) == {}


def test_copies_among_rows_that_are_alike_are_told():
    X, Z = coarse(3000), coarse(3000, 1)
    found = told_rows(Domains({"a": (np.concatenate([X, Z[::2]]), np.arange(4500) % 2)}, {"t": (Z, None)}))
    assert list(found) == ["leakage"]
    Z[:, 0] += np.random.default_rng(2).integers(0, 200, 3000)
    assert told_rows(Domains({"a": (X, np.arange(3000) % 2)}, {"t": (Z, None)})) == {}
    assert len(np.unique(Z, axis=0)) < 2900
    found = told_rows(Domains({"a": (X, np.arange(3000) % 2)}, {"t": (np.concatenate([Z, Z[::4]]), None)}))
    assert list(found) == ["duplicate"]


def test_copies_are_found_in_a_source_that_repeats_itself():
    X, Z = (np.random.default_rng(i).normal(size=(1000, 3)) for i in range(2))
    source = np.concatenate([X, X[:100], Z[:60]])
    found = told_rows(Domains({"a": (source, np.arange(1160) % 2)}, {"t": (Z, None)}))
    assert found == {"leakage": f"60 of 1000 rows of target 't' also stand in source 'a' (first: row 0); {LEAK}"}


def test_rows_with_other_labels_are_no_copies():
    X = coarse(400)
    rng = np.random.default_rng(0)
    y, z = rng.normal(size=(2, 400))
    assert told_rows(Domains({"a": (X, y)}, {"t": (X, z)})) == {}
    z[7:27] = y[7:27]
    found = told_rows(Domains({"a": (X, y)}, {"t": (X, z)}))
    assert found == {"leakage": f"20 of 400 rows of target 't' also stand in source 'a' (first: row 7); {LEAK}"}
    words = np.where(y > 0, "yes", "no")
    X = rng.normal(size=(400, 2))
    assert told_rows(Domains({"a": (X, words)}, {"t": (X, np.where(y > 0, "no", "yes"))})) == {}
    assert "400 of 400 rows" in told_rows(Domains({"a": (X, words)}, {"t": (X, words)}))["leakage"]


def test_rows_that_are_alike_but_not_equal_have_other_hashes():
    """All pairs of 30,000 rows of few small numbers, which differ in few bits, against exact equality."""
    X = np.random.default_rng(0).integers(-4, 5, size=(30_000, 6)).astype(float)
    n_different = len(np.unique(X, axis=0))
    assert len(np.unique(row_hashes(X))) == n_different
    assert len(np.unique(row_hashes(sparse.csr_array(X)))) == n_different
    assert len(np.unique(row_hashes(np.array([[1.0, 2.0], [2.0, 1.0], [1.0, 1.0], [2.0, 2.0]])))) == 4


SCRIPT = """
import numpy as np, pandas as pd
from scipy import sparse
from sterna import Domains
X = np.random.default_rng(0).normal(size=(6, 3))
X[2, 1] = np.nan
table = pd.DataFrame(X, columns=["a", "b", "c"]).assign(word=["u", "v", None, "é", "u", "v"])
for form in (X, sparse.csr_array(np.nan_to_num(X)), table):
    for y in (["no", "yes"] * 3, [0, 1] * 3, [0.5, 1.25, 7, 8, 9, 10]):
        domains = Domains({"s": (form, y)}, {"t": (form, None)})
        print(domains.fingerprint(domains.sources[0]), domains.fingerprint(domains.target))
"""


def test_fingerprints_are_the_same_in_another_process(capsys):
    environment = os.environ | {"PYTHONHASHSEED": "1"}
    other = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, env=environment)
    exec(SCRIPT, {})
    ours = capsys.readouterr().out
    assert other.stdout == ours
    assert len(set(ours.split())) == 3 * (3 + 1)  # each source, and a target of each form


def test_fingerprints_know_one_zero_and_one_missing_value():
    found = set()
    for zero, missing in ((0.0, np.nan), (-0.0, -np.nan)):
        X = np.array([[zero, 1.0], [2.0, missing]])
        for form in (X, pd.DataFrame(X, columns=["u", "v"])):
            domains = Domains({"a": (form, [0, 1])}, {"t": (form, None)}, keep=["u"] if form is not X else ())
            found.add((domains.kind, domains.fingerprint(domains.target)))
            assert any(finding.code == "leakage" for finding in domains.findings)
    assert len(found) == 2


def test_fingerprints_do_not_confuse_labels_and_names():
    X = np.eye(2)
    pairs = [(["u\nv", "w"], ["u", "v\nw"]), (["1", "2"], [1, 2]), (["None", "v"], [None, "v"])]
    for one, other in pairs:
        found = []
        for y in (one, other):
            domains = Domains({"a": (X, [*y[1:], *y[1:]])}, {"t": (X, y)}, task="classification")
            found.append(domains.fingerprint(domains.target))
        assert found[0] != found[1]


def seconds(function):
    """CPU time of this process. Limits are several times what is usual: a loop over pairs of columns or rows takes minutes."""
    start = time.process_time()
    function()
    return time.process_time() - start


def test_wide_tables_are_fast():
    rng = np.random.default_rng(0)
    names = [f"c{j}" for j in range(5000)]
    tables = [pd.DataFrame(rng.normal(size=(2000, 5000)), columns=names).assign(y=rng.integers(0, 2, 2000)) for _ in range(2)]
    assert seconds(lambda: Domains({"a": tables[0]}, {"t": tables[1][[*names[::-1], "y"]]}, label="y").stack()) < 15


def test_many_rows_are_fast():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(300_000, 10)) for _ in range(2)]
    y = rng.integers(0, 3, 300_000)
    assert seconds(lambda: Domains({"a": (X[0], y)}, {"t": (X[1], None)}).stack()) < 10
    words = rng.choice(["u", "v", "w"], 300_000)
    tables = [pd.DataFrame(part).assign(word=words, y=y.astype(str)) for part in X]
    assert seconds(lambda: Domains({"a": tables[0]}, {"t": tables[1]}, label="y").stack()) < 15


def test_many_domains_classes_and_lacking_columns_are_fast():
    rng = np.random.default_rng(0)
    sources = {f"s{i}": (rng.normal(size=(20, 5)), [f"class {i} {j % 5}" for j in range(20)]) for i in range(1000)}
    assert seconds(lambda: Domains(sources, {"t": (rng.normal(size=(20, 5)), None)}).stack()) < 15
    lacking = {
        f"s{i}": (pd.DataFrame(rng.normal(size=(4, 60)), columns=[f"c{i}_{j}" if j else "c" for j in range(60)]), [0, 1, 0, 1])
        for i in range(60)
    }
    assert seconds(lambda: Domains(lacking, {"t": (pd.DataFrame({"c": [1.0, 2.0]}), None)})) < 4
