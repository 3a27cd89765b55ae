"""find_bad: exactly the rows that cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sterna.encoders import ImageEncoder, find_bad


def test_images(pictures, cnn, tmp_path):
    cut, other = tmp_path / "cut.png", tmp_path / "other.jpg"
    cut.write_bytes(Path(pictures[0]).read_bytes()[:-900])
    other.write_text("no image")
    array = np.zeros((4, 4, 3), dtype=np.uint8)
    items = [pictures[0], str(cut), array, other, "absent.png", None, Path(pictures[1])]
    found = dict(find_bad(items, "image"))
    assert list(found) == [1, 3, 4, 5]
    assert "cut.png" in found[1]
    assert "no image that Pillow knows" in found[3]
    assert "absent.png" in found[4]
    encoder = ImageEncoder(cnn, cache=False).fit(pictures)
    for row, item in enumerate(items[:2] + items[3:]):
        fits = row in (0, 5)
        if fits:
            encoder.transform([item])
        else:
            with pytest.raises((ValueError, OSError)):
                encoder.transform([item])


def test_texts():
    assert [row for row, _ in find_bad(["a", "", None, 3, float("nan"), "\ud800"], "text")] == [2, 3, 4, 5]


def test_clips(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    soundfile.write(tmp_path / "good.wav", np.zeros(100), 8000)
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 8000)
    (tmp_path / "text.wav").write_text("no sound")
    items = [tmp_path / "good.wav", tmp_path / "empty.wav", str(tmp_path / "text.wav"), "absent.wav", np.zeros(3), np.zeros(0)]
    found = dict(find_bad(items, "audio"))
    assert list(found) == [1, 2, 3, 5]
    assert "empty.wav holds no samples" in found[1]
    assert "text.wav" in found[2]


def test_wrong_modality():
    with pytest.raises(ValueError, match="allowed are 'image', 'text', 'audio'"):
        find_bad([], "video")
