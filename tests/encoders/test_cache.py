"""The cache: what it gives equals what was computed, whatever happens to its files."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from sterna.encoders import FeatureCache, content_keys


class Counting:
    """Features of texts by a rule, and how many rows were computed."""

    def __init__(self, texts):
        self.texts = texts
        self.computed = []

    def __call__(self, rows):
        self.computed += [self.texts[i] for i in rows]
        return np.array([feature(self.texts[i]) for i in rows], dtype=np.float32)


def feature(text):
    return [len(text), sum(map(ord, text)), 1.0]


def shards(folder):
    return sorted(folder.rglob("*.shard"))


def test_equals_what_is_computed_and_computes_each_content_once(tmp_path):
    texts = ["a", "bb", "a", "ccc", "bb"]
    compute = Counting(texts)
    got = FeatureCache(tmp_path).rows("f", content_keys(texts), compute)
    assert np.array_equal(got, [feature(text) for text in texts])
    assert compute.computed == ["a", "bb", "ccc"]
    again = Counting(["ccc", "d", "a"])
    got = FeatureCache(tmp_path).rows("f", content_keys(again.texts), again)
    assert np.array_equal(got, [feature(text) for text in again.texts])
    assert again.computed == ["d"]
    assert FeatureCache(tmp_path).size() == {"fingerprints": 1, "rows": 4, "bytes": 4 * 3 * 4}


def test_each_call_writes_one_shard_and_long_ones_write_as_they_go(tmp_path):
    texts = [str(i) for i in range(10)]
    FeatureCache(tmp_path).rows("one", content_keys(texts), Counting(texts))
    assert len(shards(tmp_path)) == 1
    FeatureCache(tmp_path).rows("many", content_keys(texts), Counting(texts), chunk=4)
    assert len(shards(tmp_path)) == 1 + 3

    class Stops(Counting):
        def __call__(self, rows):
            if len(self.computed) >= 4:
                raise KeyboardInterrupt
            return super().__call__(rows)

    with pytest.raises(KeyboardInterrupt):
        FeatureCache(tmp_path).rows("stopped", content_keys(texts), Stops(texts), chunk=4)
    rest = Counting(texts)
    FeatureCache(tmp_path).rows("stopped", content_keys(texts), rest)
    assert rest.computed == texts[4:]


def test_fingerprints_are_kept_apart(tmp_path):
    cache = FeatureCache(tmp_path)
    cache.rows("one", content_keys(["a"]), lambda rows: np.zeros((1, 2), dtype=np.float32))
    got = cache.rows("two", content_keys(["a"]), lambda rows: np.ones((1, 3), dtype=np.float32))
    assert np.array_equal(got, np.ones((1, 3)))
    cache.clear("one")
    assert cache.size()["fingerprints"] == 1
    with pytest.raises(ValueError, match="cannot name a folder"):
        cache.rows("../two", content_keys(["a"]), lambda rows: np.ones((1, 3)))


@pytest.mark.parametrize("shape", [(), (3,), (2, 4, 5)])
def test_rows_of_any_shape(tmp_path, shape):
    """A frozen prefix gives maps, not vectors."""
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(6, *shape)).astype(np.float32)
    keys = content_keys(list(maps))
    cache = FeatureCache(tmp_path)
    assert np.array_equal(cache.rows("maps", keys, lambda rows: maps[rows]), maps)
    assert np.array_equal(cache.rows("maps", keys[::-1], lambda rows: 1 / 0), maps[::-1])


def test_half_written_and_foreign_files_are_computed_again(tmp_path):
    texts = [f"text {i}" for i in range(20)]
    keys = content_keys(texts)
    expected = [feature(text) for text in texts]
    FeatureCache(tmp_path).rows("f", keys, Counting(texts))
    (whole,) = shards(tmp_path)
    content = whole.read_bytes()
    for n_bytes in (0, 1, 60, 128 + 100, 128 + 640, 128 + 640 + 50, len(content) - 1):
        whole.write_bytes(content[:n_bytes])
        assert np.array_equal(FeatureCache(tmp_path).rows("f", keys, Counting(texts)), expected)
        for path in shards(tmp_path):
            path.unlink()
    foreign = {"a.shard": b"hello", "b.shard": content + b"more", "c.txt": b"x", ".part": b"y"}
    for name, held in foreign.items():
        (whole.parent / name).write_bytes(held)
    np.save(whole.parent / "d.npy", np.zeros(3))
    (whole.parent / "d.npy").rename(whole.parent / "d.shard")
    with (whole.parent / "e.shard").open("wb") as file:
        np.save(file, np.array([{"an": "object"}], dtype=object), allow_pickle=True)
    (whole.parent / "f.shard").mkdir()
    compute = Counting(texts)
    assert np.array_equal(FeatureCache(tmp_path).rows("f", keys, compute), expected)
    assert compute.computed == texts


def test_a_whole_file_of_another_width_is_passed_over(tmp_path):
    texts = ["a", "b", "c"]
    FeatureCache(tmp_path).rows("f", content_keys(texts), Counting(texts))
    FeatureCache(tmp_path).rows("g", content_keys(["x"]), lambda rows: np.zeros((1, 7), dtype=np.float32))
    FeatureCache(tmp_path).rows("f", content_keys(["d"]), Counting(["d"]))
    other = next(path for path in shards(tmp_path) if path.parent.name == "g")
    home = next(path for path in shards(tmp_path) if path.parent.name == "f").parent
    (home / "0.shard").write_bytes(other.read_bytes())
    got = FeatureCache(tmp_path).rows("f", content_keys(["x", "a"]), Counting(["x", "a"]))
    assert np.array_equal(got, [feature("x"), feature("a")])


_WRITER = """
    import sys
    import numpy as np
    from sterna.encoders import FeatureCache, content_keys
    folder, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    for start in range(first, last, 5):
        texts = [f"text {i}" for i in range(start, start + 10)]
        rule = lambda rows: np.array([[len(texts[i]), sum(map(ord, texts[i])), 1.0] for i in rows], dtype=np.float32)
        got = FeatureCache(folder).rows("f", content_keys(texts), rule)
        assert np.array_equal(got, rule(range(10)))
        print(start, flush=True)
"""


def start_writer(folder, first, last):
    command = [sys.executable, "-c", textwrap.dedent(_WRITER), str(folder), str(first), str(last)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_write_at_once(tmp_path):
    writers = [start_writer(tmp_path, 0, 60), start_writer(tmp_path, 30, 90)]
    for writer in writers:
        _, errors = writer.communicate(timeout=120)
        assert writer.returncode == 0, errors
    texts = [f"text {i}" for i in range(95)]
    got = FeatureCache(tmp_path).rows("f", content_keys(texts), lambda rows: 1 / 0)
    assert np.array_equal(got, [feature(text) for text in texts])
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("delay", [0.0, 0.005, 0.02])
def test_a_killed_writer_leaves_nothing_wrong(tmp_path, delay):
    writer = start_writer(tmp_path, 0, 100000)
    writer.stdout.readline()
    time.sleep(delay)
    os.kill(writer.pid, signal.SIGKILL)
    writer.communicate()
    assert len(list(tmp_path.rglob("*.part"))) <= 1
    texts = [f"text {i}" for i in range(1000)]
    compute = Counting(texts)
    got = FeatureCache(tmp_path).rows("f", content_keys(texts), compute)
    assert np.array_equal(got, [feature(text) for text in texts])
    assert "text 0" not in compute.computed


def test_threads_share_one_cache(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    cache = FeatureCache(tmp_path)
    texts = [f"text {i}" for i in range(60)]

    def read(start):
        part = texts[start : start + 20]
        return np.array_equal(cache.rows("f", content_keys(part), Counting(part)), [feature(text) for text in part])

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(read, [0, 10, 20, 30, 40] * 4))


def test_old_leftovers_are_removed_and_fresh_ones_kept(tmp_path):
    home = tmp_path / "features" / "f"
    home.mkdir(parents=True)
    for name in ("old.part", "fresh.part"):
        (home / name).write_bytes(b"half")
    os.utime(home / "old.part", (1, 1))
    FeatureCache(tmp_path).rows("f", content_keys(["a"]), Counting(["a"]))
    assert [path.name for path in home.glob("*.part")] == ["fresh.part"]


def test_a_folder_that_cannot_be_written_is_a_warning(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.warns(UserWarning, match="cannot be written"):
        got = FeatureCache(tmp_path / "file").rows("f", content_keys(["a"]), Counting(["a"]))
    assert np.array_equal(got, [feature("a")])


def test_default_folder_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("STERNA_CACHE", str(tmp_path / "s"))
    assert FeatureCache().path == tmp_path / "s"
    monkeypatch.delenv("STERNA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert FeatureCache().path == tmp_path / "x" / "sterna"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert FeatureCache().path == tmp_path / ".cache" / "sterna"


def test_keys_are_of_the_content(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"same")
    two.write_bytes(b"same")
    assert content_keys([one]) == content_keys([two]) == content_keys([str(one)], files=True)
    assert content_keys([str(one)]) != content_keys([one])
    two.write_bytes(b"other")
    assert content_keys([one]) != content_keys([two])
    array = np.arange(6.0)
    different = [
        array,
        array.astype(np.float32),
        array.reshape(2, 3),
        array + 0.5,
        (array, 8000),
        (array, 16000),
        "text",
        "texts",
    ]
    keys = content_keys(different)
    assert len(set(keys)) == len(different)
    assert {len(key) for key in keys} == {hashlib.sha256().digest_size}
    assert content_keys([array[::2]]) == content_keys([array[::2].copy()])
    with pytest.raises(FileNotFoundError, match=r"row 1: .*absent"):
        content_keys([one, tmp_path / "absent"])
    with pytest.raises(ValueError, match="row 0"):
        content_keys([tmp_path])
