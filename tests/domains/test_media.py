"""Folders of images and clips, and columns of text, as domains."""

from __future__ import annotations

import hashlib
import wave
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sterna import Domains

Image = pytest.importorskip("PIL.Image", reason="needs Pillow")


def photos(folder: Path, classes: dict[str, int], seed: int, size: int = 8) -> Path:
    """A folder with so many random photos of each class ("" for no class)."""
    rng = np.random.default_rng(seed)
    for name, count in classes.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            Image.fromarray(rng.integers(0, 255, (size, size, 3), dtype=np.uint8)).save(folder / name / f"{i}.png")
    return folder


def clip(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(np.random.default_rng(seed).integers(-999, 999, 80).astype("<i2").tobytes())


@pytest.fixture
def folders(tmp_path):
    source = photos(tmp_path / "web", {"cat": 4, "dog": 3}, 0)
    return source, photos(tmp_path / "phone", {"cat": 2, "dog": 2, "unlabelled": 2, "": 1}, 1)


def test_sub_folders_are_classes_and_the_others_have_no_label(folders):
    domains = Domains.from_files([folders[0]], folders[1], None)
    assert (domains.kind, domains.columns, domains.task) == ("image", ["image"], "classification")
    assert domains.classes.tolist() == ["cat", "dog"]
    expected = {str(path): path.parent.name for path in folders[1].rglob("*.png")}
    for path, label in zip(domains.target.X, domains.target.y, strict=True):
        assert label == (expected[path] if expected[path] in ("cat", "dog") else None)
    assert domains.target.labelled.sum() == 4
    assert repr(domains) == "Domains(classification; source 'web': 7 photos; target 'phone': 7 photos, 4 labelled)"
    X, _, sample_domain = domains.stack()
    parts = domains.split(X, sample_domain)
    assert X.shape == (14,)
    assert parts["web"].tolist() == domains.sources[0].X.tolist()
    assert parts["phone"].tolist() == domains.target.X.tolist()


def test_the_fingerprint_is_of_the_content_not_of_the_place(folders, tmp_path):
    moved = photos(tmp_path / "elsewhere" / "phone", {"cat": 2, "dog": 2, "unlabelled": 2, "": 1}, 1)
    changed = photos(tmp_path / "changed" / "phone", {"cat": 2, "dog": 2, "unlabelled": 2, "": 1}, 2)
    one, same, other = (Domains.from_files([folders[0]], target, None) for target in (folders[1], moved, changed))
    assert one.fingerprint(one.target) == same.fingerprint(same.target) != other.fingerprint(other.target)


def test_leakage_and_repeats_are_found_by_content(folders):
    shared = (folders[0] / "cat" / "0.png").read_bytes()
    for name in ("a.png", "b.png"):
        (folders[1] / "cat" / name).write_bytes(shared)
    found = {f.code: f.message for f in Domains.from_files([folders[0]], folders[1], None).findings}
    digests = [hashlib.sha256(path.read_bytes()).digest() for path in folders[1].rglob("*.png")]
    assert digests.count(hashlib.sha256(shared).digest()) == 2
    assert found["leakage"].startswith("2 of 9 photos of target 'phone' also stand in source 'web' (first: ")
    assert found["duplicate"].startswith("1 of 9 photos of target 'phone' repeat another of them")
    assert found["duplicate"].endswith("b.png); repeats may fall on both sides of a split")


def test_a_class_with_one_example_is_named(folders):
    photos(folders[1], {"fox": 1}, 5)
    messages = [f.message for f in Domains.from_files([folders[0]], folders[1], None).findings]
    assert "the class 'fox' has one example in target 'phone'; it cannot be both learned from and tested on" in messages


@pytest.mark.parametrize("damage", ["cut", "noise", "empty"])
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_bad_images_are_named_or_left_out(folders, damage, suffix):
    path = folders[1] / "cat" / f"bad.{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[: len(whole) // 2], "noise": b"no image at all", "empty": b""}[damage])
    with pytest.raises(ValueError, match=rf"target 'phone': .*bad\.{suffix} cannot be read .*skip_bad=True"):
        Domains.from_files([folders[0]], folders[1], None)
    domains = Domains.from_files([folders[0]], folders[1], None, skip_bad=True)
    assert len(domains.target.y) == len(domains.target.X) == 7
    assert [f.code for f in domains.findings if str(path) in f.message] == ["bad-file"]


def test_clips(tmp_path):
    pytest.importorskip("soundfile", reason="needs soundfile")
    for i in range(8):
        clip(tmp_path / ("a" if i < 4 else "b") / ("yes" if i % 2 else "no") / f"{i}.wav", i)
    domains = Domains.from_files([tmp_path / "a"], tmp_path / "b", None)
    assert (domains.kind, len(domains.target.y), domains.rows_are) == ("audio", 4, "clips")
    (tmp_path / "b" / "no" / "x.wav").write_bytes(b"RIFF1234MP3 ")
    with pytest.raises(ValueError, match=r"x\.wav cannot be read"):
        Domains.from_files([tmp_path / "a"], tmp_path / "b", None)


def test_folders_that_cannot_be_used(folders, tmp_path):
    clip(tmp_path / "clips" / "cat" / "1.wav", 0)
    with pytest.raises(ValueError, match="source 'clips' holds clips but target 'phone' holds photos"):
        Domains.from_files([tmp_path / "clips"], folders[1], None)
    clip(folders[1] / "cat" / "1.wav", 0)
    with pytest.raises(ValueError, match="holds 7 images and 1 clips; put each kind in a folder of its own"):
        Domains.from_files([folders[0]], folders[1], None)
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match="none holds no image"):
        Domains.from_files([folders[0]], tmp_path / "none", None)
    with pytest.raises(ValueError, match="source 'a' is an array, but another domain is a folder"):
        Domains({"a": (np.eye(3), [0, 1, 0])}, {"t": folders[0]})


def texts(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    words = np.array(["good", "bad", "food", "slow", "kind"])
    reviews = [f"{seed} {i} " + " ".join(rng.choice(words, 4)) for i in range(n)]
    return pd.DataFrame({"review": reviews, "stars": rng.integers(1, 6, n), "y": ["pos", "neg"] * (n // 2)})


def test_a_text_column(tmp_path):
    texts(6, 0).to_csv(tmp_path / "a.csv", index=False)
    target = texts(6, 1)
    target.loc[0, "review"] = None
    domains = Domains({"a": tmp_path / "a.csv"}, {"b": target}, label="y", text="review")
    assert (domains.kind, domains.columns) == ("text", ["review"])
    assert domains.target.X.tolist() == ["", *target["review"].tolist()[1:]]
    assert domains.target.y.tolist() == target["y"].tolist()
    messages = [finding.message for finding in domains.findings]
    assert "1 column of source 'a' besides the text 'review' ('stars') is left out" in messages
    assert any(m.startswith("1 of 6 texts of target 'b' are empty (first: row 0)") for m in messages)


def test_texts_as_arrays_and_their_refusals():
    a, b = texts(6, 0), texts(6, 1)
    domains = Domains(
        {"a": (a["review"].tolist(), a["y"])},
        {"b": (b["review"].to_numpy(dtype=object), None)},
        modality="text",
    )
    assert domains.sources[0].X.tolist() == a["review"].tolist()
    assert not domains.target.labelled.any()
    with pytest.raises(ValueError, match="has no text column 'reviw'"):
        Domains({"a": a}, {"b": b}, label="y", text="reviw")
    with pytest.raises(ValueError, match="'stars' of source 'a' holds numbers, not text"):
        Domains({"a": a}, {"b": b}, label="y", text="stars")
    with pytest.raises(ValueError, match="holds a int in row 0"):
        Domains({"a": ([1, 2], [0, 1])}, {"b": (["x", "y"], None)}, modality="text")
    with pytest.raises(ValueError, match="modality is 'video'"):
        Domains({"a": a}, {"b": b}, modality="video")
    with pytest.raises(ValueError, match="drop and keep name columns"):
        Domains({"a": a}, {"b": b}, label="y", text="review", drop=["stars"])


def test_text_that_is_not_utf8_names_the_file(tmp_path):
    (tmp_path / "a.csv").write_bytes("review,y\ncafé,pos\nbar,neg\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"a\.csv is not UTF-8 text .*save it as UTF-8"):
        Domains({"a": tmp_path / "a.csv"}, {"b": texts(4, 0)}, label="y", text="review")


class Lengths:
    """A transformer: length of the path's name, and the file's size."""

    def transform(self, X):
        return np.array([[len(Path(path).name), Path(path).stat().st_size] for path in X])


def test_encoded_domains_keep_all_but_the_rows(folders):
    raw = Domains.from_files([folders[0]], folders[1], None)
    made = raw.encoded(Lengths())
    assert (made.kind, made.origin, raw.origin, raw.kind) == ("dense", "image", None, "image")
    sizes = [Path(path).stat().st_size for path in raw.target.X]
    assert made.target.X[:, 1].tolist() == sizes
    assert made.target.y is raw.target.y
    assert made.findings == raw.findings
    with pytest.raises(ValueError, match="features already"):
        made.encoded(Lengths())


def test_no_source(folders):
    domains = Domains.from_files([], folders[1], None)
    X, _, sample_domain = domains.stack()
    assert (domains.sources, domains.n_source, len(X), set(sample_domain.tolist())) == ([], 0, 7, {-1})
