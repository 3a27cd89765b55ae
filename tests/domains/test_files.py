"""Domains from files: what is read, and what is refused, naming domain and file."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from sterna import Domains

SOURCE = pd.DataFrame(
    {"age": [20.5, 31.0, 44.0, 52.5], "town": ["Ulm", "Bonn", "Ulm", "Köln"], "sick": ["no", "yes", "no", "yes"]}
)
TARGET = pd.DataFrame({"age": [21.0, 33.0, 40.5], "town": ["Ulm", "Bonn, old", "Bonn"], "sick": ["no", None, "yes"]})


def write(folder, source=SOURCE, target=TARGET, suffix=".csv", **options):
    paths = folder / f"a{suffix}", folder / f"t{suffix}"
    for path, table in zip(paths, (source, target), strict=True):
        table.to_parquet(path) if suffix == ".parquet" else table.to_csv(path, index=False, **options)
    return paths


def read(paths, label="sick", **options):
    return Domains.from_files(paths[:-1], paths[-1], label=label, **options)


def same(one, other):
    for left, right in zip(one.stack(), other.stack(), strict=True):
        pd.testing.assert_frame_equal(pd.DataFrame(left), pd.DataFrame(right))


@pytest.fixture
def expected():
    return Domains({"a": SOURCE}, {"t": TARGET}, label="sick")


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".csv", {}),
        (".csv", {"sep": ";"}),
        (".csv", {"sep": "\t"}),
        (".csv", {"sep": "|"}),
        (".tsv", {"sep": "\t"}),
        (".csv", {"encoding": "utf-8-sig"}),
        (".csv", {"quoting": 1}),
        (".csv", {"lineterminator": "\r\n"}),
        (".parquet", {}),
    ],
)
def test_files_give_what_tables_give(tmp_path, expected, suffix, options):
    paths = write(tmp_path, suffix=suffix, **options)
    domains = read(paths)
    same(domains, expected)
    assert [domain.name for domain in (*domains.sources, domains.target)] == ["a", "t"]
    assert domains.stack()[1].tolist() == ["no", "yes", "no", "yes", "no", None, "yes"]


def test_quoted_fields_hold_separators_quotes_and_line_ends(tmp_path):
    names = {"age": "age, years", "town": 'the "town"\nof birth', "sick": "is sick"}
    paths = write(tmp_path, SOURCE.rename(columns=names), TARGET.rename(columns=names))
    domains = read(paths, label="is sick")
    assert domains.columns == ["age, years", 'the "town"\nof birth']
    assert domains.target.X[names["town"]].tolist() == ["Ulm", "Bonn, old", "Bonn"]


def test_one_source_as_a_path_and_files_of_one_name(tmp_path, expected):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    SOURCE.to_csv(tmp_path / "a" / "data.csv", index=False)
    TARGET.to_csv(tmp_path / "b" / "data.csv", index=False)
    domains = Domains.from_files(str(tmp_path / "a" / "data.csv"), tmp_path / "b" / "data.csv", label="sick")
    same(domains, expected)
    assert domains.target.name == str(tmp_path / "b" / "data.csv")


def test_npz_arrays_and_sparse_matrices_of_every_format(tmp_path):
    X, y = np.eye(4, 3) + [[0, 0, 2]], np.array(["u", "v", "u", "v"])
    np.savez(tmp_path / "dense.npz", X=X, y=y)
    np.savez(tmp_path / "t.npz", X=X + 1)
    dense = Domains.from_files([tmp_path / "dense.npz"], tmp_path / "t.npz", label=None)
    assert dense.kind == "dense"
    np.testing.assert_array_equal(dense.sources[0].X, X)
    assert dense.sources[0].y.tolist() == y.tolist()
    for form in ("csr", "csc", "coo", "bsr", "dia"):
        path = tmp_path / f"{form}.npz"
        sparse.save_npz(path, sparse.coo_array(X).asformat(form))
        target = Domains({"a": (X, y)}, {"t": path}).target
        np.testing.assert_array_equal(target.X.toarray(), X)
        assert not target.labelled.any()
    rows = sparse.csr_array(X)
    np.savez(tmp_path / "parts.npz", data=rows.data, indices=rows.indices, indptr=rows.indptr, shape=rows.shape, y=y)
    parts = Domains({"a": tmp_path / "parts.npz"}, {"t": (X, None)})
    np.testing.assert_array_equal(parts.sources[0].X.toarray(), X)
    assert parts.sources[0].y.tolist() == y.tolist()


def cut(path, n_bytes=60):
    path.write_bytes(path.read_bytes()[:-n_bytes])


def test_cut_off_files(tmp_path):
    source, target = write(tmp_path, suffix=".parquet")
    cut(target)
    with pytest.raises(ValueError, match=r"^target 't': \S+t\.parquet cannot be read as parquet \(.*\); it may be cut off or"):
        read((source, target))
    rng = np.random.default_rng(0)
    np.savez_compressed(tmp_path / "t.npz", X=rng.normal(size=(200, 5)), y=rng.normal(size=200))
    cut(tmp_path / "t.npz", 3000)
    with pytest.raises(
        ValueError, match=r"^target 't': \S+t\.npz cannot be read as npz \(.*\); it may be cut off or of another"
    ):
        read((source, tmp_path / "t.npz"))


@pytest.mark.parametrize("at", [100, 1000, 4000])
def test_a_changed_byte_in_an_npz_file(tmp_path, at):
    rng = np.random.default_rng(0)
    np.savez_compressed(tmp_path / "a.npz", X=rng.normal(size=(200, 5)), y=rng.integers(0, 2, 200))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[at] ^= 0xFF
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"^source 'a': .*a\.npz "):
        Domains({"a": tmp_path / "a.npz"}, {"t": (rng.normal(size=(3, 5)), None)})


PICKLED = (
    "holds pickled Python objects, which are never loaded because they can run code; save plain arrays, text labels as "
    "np.where(pd.isna(y), '', y).astype(str), where '' is an unknown one"
)


def refused(path, sentence, **options):
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        Domains({"a": (np.eye(3), [0, 1, 0])}, {"t": path}, **options)
    assert str(caught.value) == sentence


def test_pickles_are_never_loaded(tmp_path):
    path = tmp_path / "t.npz"
    np.savez(path, X=np.eye(3), y=np.array(["u", "v", None], dtype=object))
    refused(path, f"target 't': {path} {PICKLED}")
    path.write_bytes(pickle.dumps({"X": [1]}))
    refused(path, f"target 't': {path} {PICKLED}")


def test_npz_files_that_hold_something_else(tmp_path):
    path = tmp_path / "t.npz"
    np.savez(path, features=np.eye(3), y=[0, 1, 0])
    refused(
        path,
        f"target 't': {path} holds features, y; an npz file needs X (or data, indices, indptr, shape of a sparse matrix) and y",
    )
    with path.open("wb") as file:
        np.save(file, np.eye(3))
    refused(path, f"target 't': {path} holds a single array; save X and y with np.savez(path, X=X, y=y)")
    np.savez(path, data=[1.0], indices=[7], indptr=[0, 1, 1, 1], shape=[3, 3])
    with pytest.raises(ValueError, match=r"^target 't': \S+ cannot be read as npz \(.*ind.*\); it may be"):
        Domains({"a": (np.eye(3), [0, 1, 0])}, {"t": path})


def test_paths_that_are_no_data(tmp_path):
    kinds = ".csv, .tsv, .parquet, .npz"
    path = tmp_path / "t.csv"
    refused(path, f"target 't': there is no file {path}; check its name and folder")
    path.touch()
    refused(path, f"target 't': the file {path} is empty; leave the domain out or write the file again")
    refused(tmp_path / "tt.csv", f"target 't': there is no file {tmp_path / 'tt.csv'}; is it t.csv?")
    refused(tmp_path, f"target 't': {tmp_path} is a folder; give a file of the kind {kinds}")
    path.rename(tmp_path / "t.xlsx")
    refused(tmp_path / "t.xlsx", f"target 't': {tmp_path / 't.xlsx'} ends in '.xlsx'; give a file of the kind {kinds}")


CSV = [
    ("x,x,y\n1,2,0\n", "has two columns named 'x'; rename one"),
    ('x;"x";y\n1;2;0\n', "has two columns named 'x'; rename one"),
    (
        "x,y\n1,5,0\n2,5,1\n",
        "has rows with more fields than its header has names (2); name every column, write decimal points instead of commas, and "
        "end no row with a separator",
    ),
]


@pytest.mark.parametrize(("text", "sentence"), CSV, ids=[text for text, _ in CSV])
def test_csv_files_that_would_be_misread(tmp_path, text, sentence):
    path = tmp_path / "t.csv"
    path.write_text(text)
    refused(path, f"target 't': {path} {sentence}", label="y")


def test_csv_rows_of_unequal_length_name_the_line(tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n1,0\n1,2,3,4\n")
    with pytest.raises(
        ValueError, match=r"^target 't': \S+t\.csv cannot be read as csv \(.*Expected 2 fields in line 3, saw 4\);"
    ):
        Domains({"a": pd.DataFrame({"x": [1, 2], "y": [0, 1]})}, {"t": tmp_path / "t.csv"}, label="y")


def test_separators_that_end_every_row_are_harmless(tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n7,0,\n8,1,\n")
    domains = Domains({"a": pd.DataFrame({"x": [1, 2], "y": [0, 1]})}, {"t": tmp_path / "t.csv"}, label="y")
    assert domains.target.X["x"].tolist() == [7, 8]
    assert domains.target.y.tolist() == [0, 1]


@pytest.mark.parametrize("text", ["x;y\n1,5;0\n2,5;1\n7;0\n", 'x,y\n"1,5",0\n"2,5",1\n'])
def test_decimal_commas(tmp_path, text):
    for name in ("a", "t"):
        (tmp_path / f"{name}.csv").write_text(text)
    with pytest.raises(ValueError, match=r"^column 'x' of source 'a' holds '1,5', a number with a comma; write decimal points"):
        read((tmp_path / "a.csv", tmp_path / "t.csv"), label="y")


def test_text_that_is_not_utf8(tmp_path, expected):
    source, target = write(tmp_path, encoding="latin-1")
    with pytest.raises(ValueError, match=r"^source 'a': \S+a\.csv is not UTF-8 text \(byte \d+\); save it as UTF-8$"):
        read((source, target))
    source, target = write(tmp_path, encoding="utf-16")
    with pytest.raises(ValueError, match=r"^source 'a': \S+a\.csv is not UTF-8 text \(byte 0\); save it as UTF-8$"):
        read((source, target))


def test_a_csv_of_a_header_alone_is_empty(tmp_path):
    paths = write(tmp_path, SOURCE.iloc[:0])
    with pytest.raises(ValueError, match=r"^source 'a' is empty: it has no rows; leave it out or check its file$"):
        read(paths)


def test_the_same_file_twice(tmp_path):
    source, target = write(tmp_path)
    with pytest.raises(ValueError, match=r"^the same file is given twice: .*; every domain needs its own$"):
        read((source, source, target))
    with pytest.raises(ValueError, match=r"^the same file is given twice: "):
        read((source, tmp_path / "." / "a.csv"))


def test_parquet_keeps_types_that_csv_loses(tmp_path):
    dates = pd.to_datetime(["2020-01-01", "2020-01-03", None, "2020-01-04"])
    source = SOURCE.assign(day=dates, n=pd.array([1, None, 3, 4], dtype="Int64"))
    target = source.assign(day=["2020-01-01", None, "2020-01-07", "2020-01-08"], n=[1.5, 2, 3, np.nan])
    X = read(write(tmp_path, source, target, suffix=".parquet")).stack()[0]
    assert X["day"].tolist()[:2] == [18262.0, 18264.0]
    assert X["n"].dtype == np.float64
