import json
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from sterna import Domains
from sterna.measures import measure

PARTS = {
    "classifier_auc": {"mean", "low", "high"},
    "mmd": {"value", "p_value"},
    "effective_sample_size": {"value", "share"},
}
DRIFT = {"column", "kind", "statistic", "p_value", "q_value", "drifted", "source_mean", "target_mean"}


def table(rng, n, shift=0.0):
    X = pd.DataFrame({"age": rng.normal(50, 10, n) + 10 * shift, "sex": rng.choice(["f", "m"], n), "bp": rng.normal(120, 9, n)})
    X.loc[::7, "bp"] = np.nan
    return X.assign(ill=np.where(X["age"] + rng.normal(0, 5, n) > 50, "yes", "no"))


@pytest.fixture(scope="module")
def hospitals():
    rng = np.random.default_rng(0)
    target = table(rng, 150, 1.5)
    target.loc[60:, "ill"] = None
    return Domains(source={"a": table(rng, 200), "b": table(rng, 100, 1.0)}, target={"c": target}, label="ill")


def test_summary_is_what_the_report_renders(hospitals):
    summary = measure(hospitals).summary()
    assert set(summary) == {"situation", "measure"}
    assert set(summary["situation"]) == {"name", "label_space", "feature_space", "sentence"}
    measured = json.loads(json.dumps(summary["measure"], allow_nan=False))
    assert set(measured) == {*PARTS, "drift", "label_shift", "map", "map_axes", "kind", "sentences"}
    for key, fields in PARTS.items():
        assert set(measured[key]) == fields
    assert all(set(row) == DRIFT for row in measured["drift"])
    assert {row["column"]: row["kind"] for row in measured["drift"]} == {
        "age": "numeric",
        "bp": "numeric",
        "sex": "categorical",
    }
    assert set(measured["label_shift"]["source"]) == {"yes", "no"}
    assert [place["domain"] for place in measured["map"]] == ["a", "b", "c"]
    assert [len(place["x"]) for place in measured["map"]] == [len(place["y"]) for place in measured["map"]] == [200, 100, 150]


def test_words_name_columns_domains_and_strategies(hospitals):
    found = measure(hospitals)
    text = str(found)
    assert "Inductive transfer: 60 of 150 target rows are labelled" in text
    assert "'age'" in text
    assert "nearest first: 'b'" in text
    assert "Strategies made for covariate shift" in text
    assert found.drift["column"][0] == "age"


def test_same_seed_same_bytes(hospitals):
    first, second = (json.dumps(measure(hospitals, random_state=3).summary()) for _ in range(2))
    assert first == second


def test_labels_that_are_withheld_are_never_read():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(150, 3)), rng.normal(size=150)
    given = [
        measure(Domains(source={"a": (X, y)}, target={"b": (X + 0.5, hidden)})).summary()
        for hidden in (np.full(150, np.nan), np.full(150, None))
    ]
    assert given[0] == given[1]
    assert given[0]["measure"]["label_shift"] is None
    assert given[0]["situation"]["name"] == "transductive"


def test_user_arrays_are_unchanged():
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(80, 3)), np.arange(80) % 2, rng.normal(size=(80, 3)) + 1, np.arange(80) % 2]
    for array in arrays:
        array.setflags(write=False)
    measure(Domains(source={"a": (arrays[0], arrays[1])}, target={"b": (arrays[2], arrays[3])}))


def test_large_domains_are_drawn_from_and_few_labels_all_read():
    rng = np.random.default_rng(0)
    X, Xt = rng.normal(size=(30000, 3)), rng.normal(size=(30000, 3)) + [1, 0, 0]
    y, yt = X[:, 0] + rng.normal(size=30000), -3 * Xt[:, 0] + rng.normal(size=30000)
    yt[60:] = np.nan
    start = time.perf_counter()
    found = measure(Domains(source={"a": (X, y)}, target={"b": (Xt, yt)}))
    assert time.perf_counter() - start < 20
    assert {"covariate", "concept"} <= set(found.kind)
    assert any("60 labelled target rows" in sentence for sentence in found.sentences)
    assert found.overlap.n_effective == pytest.approx(30000 * found.overlap.value)
    assert max(len(place["x"]) for place in found.map) == 300


def test_sparse_rows():
    rng = np.random.default_rng(0)
    parts = [sparse.random(n, 200, density=0.05, random_state=rng, format="csr") for n in (200, 150)]
    y = [np.where(part[:, :20].sum(axis=1).A1 > 0.5, "up", "down") for part in map(sparse.csr_matrix, parts)]
    found = measure(Domains(source={"a": (parts[0], y[0])}, target={"b": (parts[1], y[1])}))
    assert found.kind == ["none"]
    assert "singular directions" in found.map_axes
    moved = sparse.hstack([parts[1][:, 100:], parts[1][:, :100] * 0]).tocsr()
    assert "covariate" in measure(Domains(source={"a": (parts[0], y[0])}, target={"b": (moved, None)})).kind


@pytest.mark.parametrize("n_columns", [1, 2])
def test_one_column_has_a_map(n_columns):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, n_columns))
    found = measure(Domains(source={"a": (X, X[:, 0])}, target={"b": (X + 1, None)}))
    assert len(found.map[0]["x"]) == len(found.map[0]["y"]) == 40


def fragile():
    rng = np.random.default_rng(0)
    X, two, y = rng.normal(size=(40, 3)), np.eye(3)[:2], np.array(["u", "v"] * 20)
    constant = np.hstack([X, np.ones((40, 1))])
    holes = np.where(rng.random((40, 3)) < 0.3, np.nan, X)
    yield "two rows each", (two, ["u", "v"]), (two + 1, ["u", "v"])
    yield "two source rows, labelled target", (two, ["u", "v"]), (X, y)
    yield "a constant column", (constant, y), (constant + 1, y)
    yield "all constant", (np.ones((40, 2)), y), (np.ones((40, 2)), y)
    yield "all constant and wide", (np.ones((40, 50)), y), (np.ones((40, 50)), y)
    yield "one class in the source", (X, np.full(40, "u")), (X, y)
    yield "one class in the target", (X, y), (X, np.full(40, "u"))
    yield "one class in both", (X, np.full(40, "u")), (X + 5, np.full(40, "u"))
    yield "other classes", (X, y), (X, np.array(["w", "z"] * 20))
    yield "missing values", (holes, y), (holes + 1, y)
    yield "the same rows", (X, y), (X, y)
    yield "a rare class", (X, np.array(["u"] * 39 + ["v"])), (X, np.array(["u"] * 39 + ["v"]))
    yield "every label another class", (X, np.arange(40).astype(str)), (X, np.arange(40).astype(str))
    yield "a constant number", (X, np.full(40, 1.5)), (X, np.full(40, 1.5))
    yield "float32", (X.astype(np.float32), y), (X.astype(np.float32), None)


@pytest.mark.parametrize(
    ("name", "source", "target"), list(fragile()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_fragile_domains_have_a_summary(name, source, target):
    task = "regression" if name == "a constant number" else None
    found = measure(Domains(source={"a": source}, target={"b": target}, task=task))
    json.dumps(found.summary(), allow_nan=False)
    assert found.kind
    assert all(sentence.endswith(".") for sentence in found.sentences)
    assert "nan" not in " ".join(found.sentences)


def test_one_row_gets_a_sentence():
    with pytest.raises(ValueError, match="target 'b' has 1 row; measure needs two rows or more"):
        measure(Domains(source={"a": (np.eye(3), [0, 1, 0])}, target={"b": (np.eye(3)[:1], None)}))


def test_a_confidence_of_one_is_refused():
    with pytest.raises(ValueError, match="confidence is 1"):
        measure(Domains(source={"a": (np.eye(3), [0, 1, 0])}, target={"b": (np.eye(3), None)}), confidence=1)


@pytest.fixture(scope="session")
def data():
    if "STERNA_DATA" not in os.environ:
        pytest.skip("STERNA_DATA does not name the folder of benchmark data")
    return Path(os.environ["STERNA_DATA"])


def test_instruments_differ_in_scale_and_not_in_concept(data):
    corn = np.load(data / "corn_nir" / "corn_nir.npz")
    y = corn["Y"][:, 0].astype(float)
    found = measure(Domains(source={"m5": (corn["m5"], y)}, target={"mp5": (corn["mp5"], y)}, task="regression"))
    assert found.kind[0] == "scale"
    assert not {"label", "concept", "none"} & set(found.kind)
    assert "CORAL" in found.suited["scale"]


def test_bicycle_hires_grew_while_the_weather_hardly_changed(data):
    hours = pd.read_parquet(data / "tabular_shift" / "bike_hour.parquet")
    years = [hours[hours["yr"] == year].reset_index(drop=True) for year in (0, 1)]
    years[1].loc[np.arange(len(years[1])) % 40 != 0, "cnt"] = np.nan
    drop = ["casual", "registered", "dteday", "instant"]
    found = measure(Domains(source={"2011": years[0]}, target={"2012": years[1]}, label="cnt", drop=drop, task="regression"))
    assert "concept" in found.kind
    assert "support" not in found.kind
    assert found.label_shift.target["mean"] > found.label_shift.source["mean"]
