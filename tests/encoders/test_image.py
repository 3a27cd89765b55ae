"""ImageEncoder against the backbone itself, without folding, threads or cache."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import sterna
from sterna.encoders import FeatureCache, ImageEncoder

torch = pytest.importorskip("torch")
Image = pytest.importorskip("PIL.Image")


def by_hand(network, paths):
    """Features of the network before its head, picture by picture in float64."""
    network = torch.nn.Sequential(*list(network)[:-1]).double()
    rows = []
    for path in paths:
        pixels = np.asarray(Image.open(path).convert("RGB"), dtype=np.float64) / 255
        with torch.no_grad():
            rows.append(network(torch.from_numpy(pixels.transpose(2, 0, 1)[None]))[0].numpy())
    return np.array(rows)


def shard_count(folder):
    return len(list(Path(folder).rglob("*.shard")))


def assert_close(got, expected):
    """Equal to 1e-6 of the length of each row."""
    length = np.linalg.norm(np.asarray(expected, dtype=np.float64), axis=-1, keepdims=True)
    assert np.abs((got - expected) / length).max() < 1e-6


@pytest.mark.parametrize("batch_size", [1, 3, 32])
@pytest.mark.parametrize("cached", [True, False])
def test_equals_the_network_by_hand(pictures, make_cnn, tmp_path, batch_size, cached):
    encoder = ImageEncoder(make_cnn(), batch_size=batch_size, cache=tmp_path / "c" if cached else False)
    got = encoder.fit_transform(pictures)
    assert got.dtype == np.float32
    assert got.shape == (10, 16)
    assert_close(got, by_hand(make_cnn(), pictures))
    assert np.array_equal(encoder.transform(pictures[::-1]), got[::-1]) or not cached
    assert shard_count(tmp_path / "c") == int(cached)


def test_the_given_network_is_not_changed(pictures, cnn):
    before = {name: value.clone() for name, value in cnn.state_dict().items()}
    cnn.train()
    ImageEncoder(cnn, cache=False).fit_transform(pictures)
    assert cnn.training
    assert all(torch.equal(value, before[name]) for name, value in cnn.state_dict().items())
    assert cnn[0].weight.is_contiguous()


def test_cached_rows_need_no_network(pictures, cnn, monkeypatch):
    encoder = ImageEncoder(cnn).fit(pictures)
    first = encoder.transform(pictures)
    monkeypatch.setattr(type(encoder), "_compute", lambda self, items: 1 / 0)
    assert np.array_equal(clone(encoder).fit(pictures).transform(pictures), first)
    with pytest.raises(ZeroDivisionError):
        clone(encoder).set_params(cache=False).fit(pictures).transform(pictures)


def test_features_follow_weights_precision_and_size(pictures, make_cnn, tmp_path):
    """What changes the features changes the fingerprint; what does not, does not."""

    def mark(network=None, **options):
        encoder = ImageEncoder(network or make_cnn(), cache=tmp_path, **options)
        return encoder.fit(pictures).fingerprint()

    other = make_cnn()
    other[2] = torch.nn.Tanh()  # the same weights, another function
    marks = [mark(), mark(make_cnn(1)), mark(precision="bfloat16"), mark(backbone_options={"image_size": 16}), mark(other)]
    assert len(set(marks)) == len(marks)
    assert mark(batch_size=3, n_views=4, random_state=0, progress=False) == marks[0]
    assert ImageEncoder(make_cnn()).fingerprint() == marks[0]


class Twice(torch.nn.Module):
    def forward(self, x):
        return x * 2


class Thrice(torch.nn.Module):
    def forward(self, x):
        return x * 3


def test_own_layers_of_equal_name_are_told_apart(pictures, make_cnn, tmp_path):
    first, second = make_cnn(), make_cnn()
    Thrice.__qualname__ = Thrice.__name__ = "Twice"
    first.insert(0, Twice())
    second.insert(0, Thrice())
    one, two = (ImageEncoder(network, cache=tmp_path).fit_transform(pictures) for network in (first, second))
    assert np.abs(one - two).max() > 0.01


def test_a_changed_file_is_computed_again(pictures, cnn, make_cnn):
    encoder = ImageEncoder(cnn).fit(pictures)
    before = encoder.transform(pictures)
    Path(pictures[3]).write_bytes(Path(pictures[4]).read_bytes())
    after = encoder.transform(pictures)
    assert np.array_equal(after[3], before[4])
    assert not np.array_equal(before[3], before[4])
    assert np.array_equal(np.delete(after, 3, 0), np.delete(before, 3, 0))


def test_equal_files_are_one_row(pictures, cnn, own_cache):
    got = ImageEncoder(cnn).fit_transform([pictures[0]] * 3 + [pictures[1]])
    assert np.array_equal(got[0], got[2])
    assert FeatureCache(own_cache).size()["rows"] == 2


def test_rows_in_every_form(pictures, cnn):
    encoder = ImageEncoder(cnn).fit(pictures)
    expected = encoder.transform(pictures)
    arrays = [np.asarray(Image.open(path)) for path in pictures]
    forms = {
        "array of str": np.array(pictures),
        "array of objects": np.array(pictures, dtype=object),
        "column": np.array(pictures, dtype=object)[:, None],
        "Series": pd.Series(pictures, index=range(5, 15)),
        "DataFrame": pd.DataFrame({"file": pictures}),
        "Paths": [Path(path) for path in pictures],
        "PIL": [Image.open(path) for path in pictures],
        "bytes": np.stack(arrays),
        "list of bytes": arrays,
        "floats": np.stack(arrays).transpose(0, 3, 1, 2).astype(np.float32) / 255,
    }
    for name, rows in forms.items():
        assert np.abs(encoder.transform(rows) - expected).max() < 1e-5, name
    assert encoder.transform([]).shape == (0, 16)


def test_views_are_decided_by_picture_number_and_seed(pictures, make_cnn, tmp_path):
    def views(rows, cache=False, **options):
        options = {"n_views": 3, "random_state": 0, **options}
        return ImageEncoder(make_cnn(), cache=cache, **options).fit(rows).transform_views(rows)

    first = views(pictures)
    assert first.shape == (3, 10, 16)
    assert_close(views(pictures[::-1], batch_size=3)[:, ::-1], first)
    for _ in range(2):
        assert_close(views(pictures, cache=tmp_path / "c"), first)
    assert shard_count(tmp_path / "c") == 3
    assert_close(views(pictures, n_views=2), first[:2])
    assert np.abs(first[0] - first[1]).max() > 1e-3
    assert np.abs(views(pictures, random_state=1) - first).max() > 1e-3
    clean = ImageEncoder(make_cnn(), cache=tmp_path / "c", n_views=3).fit_transform(pictures)
    assert np.abs(clean - first[0]).max() > 1e-3
    assert_close(clean, by_hand(make_cnn(), pictures))


def test_a_view_is_a_mirrored_part_of_the_picture():
    from sterna.encoders._views import random_box, random_view

    rng = np.random.default_rng(0)
    boxes = np.array([random_box((400, 300), rng) for _ in range(300)])
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    assert boxes.min() >= 0
    assert boxes[:, 2].max() <= 400
    assert boxes[:, 3].max() <= 300
    assert 0.34 < (width * height / 120000).min() < 0.4
    assert 0.74 < (width / height).min() < (width / height).max() < 1.35
    ramp = Image.fromarray(np.tile(np.arange(200, dtype=np.uint8), (200, 1)))
    falling = 0
    for i in range(200):
        pixels = np.asarray(random_view(ramp, bytes([i] * 32), 50), dtype=float)[25]
        assert np.all(np.diff(pixels) >= 0) or np.all(np.diff(pixels) <= 0)
        falling += pixels[0] > pixels[-1]
    assert 70 < falling < 130


def test_bad_rows_are_named(pictures, cnn, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(Path(pictures[0]).read_bytes()[:200])
    for cache in (None, False):
        encoder = ImageEncoder(cnn, cache=cache).fit(pictures)
        with pytest.raises(ValueError, match=r"broken\.png"):
            encoder.transform([*pictures, str(broken)])
        with pytest.raises(FileNotFoundError, match=r"absent\.png"):
            encoder.transform([*pictures, "absent.png"])
        with pytest.raises(ValueError, match="row 1 is 3"):
            encoder.transform([pictures[0], 3])
    with pytest.raises(ValueError, match="put it in a list"):
        encoder.transform(pictures[0])
    with pytest.raises(ValueError, match="2 columns"):
        encoder.transform(pd.DataFrame({"a": pictures, "b": pictures}))


def test_wrong_parameters(pictures, cnn):
    for options in ({"batch_size": 0}, {"precision": "float16"}, {"n_views": 0}, {"cache": 3}):
        with pytest.raises(ValueError, match=next(iter(options))):
            ImageEncoder(cnn, **options).fit(pictures)
    with pytest.raises(ValueError, match="allowed are 'auto'"):
        ImageEncoder(cnn, device="abacus").fit(pictures)
    with pytest.raises(ValueError, match="takes table"):
        ImageEncoder(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))).fit(pictures)
    with pytest.raises(FileNotFoundError, match=r"absent\.pt"):
        ImageEncoder("cifar_resnet20", weights="absent.pt").fit(pictures)


def save_weights(path, seed):
    from sterna.backbones import CifarResNet

    torch.manual_seed(seed)
    torch.save(CifarResNet(3).state_dict(), path)
    return path


def test_saved_with_its_pipeline_and_refuses_other_weights(pictures, tmp_path):
    weights = save_weights(tmp_path / "w.pt", 0)
    y = np.arange(10) % 2
    for given in (weights, torch.load(weights, weights_only=True)):
        model = make_pipeline(ImageEncoder("cifar_resnet20", weights=given, n_views=2), LogisticRegression(max_iter=1000))
        model.fit(pictures, y)
        loaded = sterna.load(sterna.save(model, tmp_path / "m.skops"))
        assert not any("torch" in type(value).__module__ for value in vars(loaded[0]).values())
        assert np.array_equal(loaded.predict_proba(pictures), model.predict_proba(pictures))
        loaded[0].set_params(cache=False)
        assert np.abs(loaded.predict_proba(pictures) - model.predict_proba(pictures)).max() < 1e-6
    path = sterna.save(
        make_pipeline(ImageEncoder("cifar_resnet20", weights=weights), LogisticRegression(max_iter=1000)).fit(pictures, y),
        tmp_path / "m.skops",
    )
    save_weights(weights, 1)
    with pytest.raises(ValueError, match=r"w\.pt has changed"):
        sterna.load(path).predict(pictures)


def test_a_network_of_ones_own_cannot_be_saved(pictures, cnn, tmp_path):
    model = make_pipeline(ImageEncoder(cnn), LogisticRegression(max_iter=1000)).fit(pictures, np.arange(10) % 2)
    with pytest.raises(ValueError, match="Sequential of your own"):
        sterna.save(model, tmp_path / "m.skops")
    assert not list(tmp_path.glob("*.skops"))


def test_scikit_learns_manners(pictures, cnn, tmp_path):
    encoder = ImageEncoder(cnn, batch_size=4, cache=str(tmp_path))
    assert clone(encoder).get_params()["batch_size"] == 4
    encoder.fit(pd.DataFrame({"file": pictures}))
    assert encoder.n_features_in_ == 1
    assert encoder.feature_names_in_.tolist() == ["file"]
    assert encoder.get_feature_names_out().tolist() == [f"imageencoder{i}" for i in range(16)]
    table = encoder.set_output(transform="pandas").transform(pictures)
    assert isinstance(table, pd.DataFrame)
    assert not encoder.learns_from_data
    with pytest.raises(ValueError, match="not fitted"):
        ImageEncoder(cnn).transform(pictures)


def test_joblib_workers_get_what_they_need(pictures, cnn):
    import pickle

    encoder = ImageEncoder(cnn, cache=False).fit(pictures)
    expected = encoder.transform(pictures)
    copy = pickle.loads(pickle.dumps(encoder))
    assert "_runner" not in vars(copy)
    assert np.array_equal(copy.transform(pictures), expected)


def test_bfloat16_is_near(pictures, make_cnn):
    exact = ImageEncoder(make_cnn(), cache=False).fit_transform(pictures)
    rough = ImageEncoder(make_cnn(), cache=False, precision="bfloat16").fit_transform(pictures)
    assert rough.dtype == np.float32
    assert 0 < np.abs(rough - exact).max() < 0.03 * np.abs(exact).max()


def test_mobilenet_on_photos(data_folder, tmp_path):
    """Real weights on 8 photos: ants and bees of ImageNet are what the network's own head says, and features are the backbone's."""
    pytest.importorskip("timm")
    from sterna.backbones import load_backbone

    with np.load(data_folder / "hymenoptera" / "hymenoptera256.npz") as held:
        chosen = [*np.flatnonzero(held["val_y"] == 0)[:4], *np.flatnonzero(held["val_y"] == 1)[:4]]
        offset, content = held["val_jpeg_offset"], held["val_jpeg"]
        files = [content[offset[i] : offset[i + 1]].tobytes() for i in chosen]
    paths = [tmp_path / f"{i}.jpg" for i in range(8)]
    for path, held in zip(paths, files, strict=True):
        path.write_bytes(held)
    given = {"weights": data_folder / "imagenet_weights" / "mobilenetv2_100_timm.pt"}
    extra = {"options": {"pad_type": "same"}}
    features = ImageEncoder("mobilenetv2_100", **given, backbone_options=extra).fit_transform(paths)
    assert features.shape == (8, 1280)
    backbone = load_backbone("mobilenetv2_100", **given, **extra).eval()
    with torch.no_grad():
        alone = np.concatenate([backbone(backbone.prepare([path])).numpy() for path in paths])
        scores = backbone.source_head(torch.from_numpy(features))[:, [310, 309]].numpy()
    assert_close(features, alone)
    ants, bees = (scores[:, 0] - scores[:, 1])[:4], (scores[:, 0] - scores[:, 1])[4:]
    assert ants.mean() > bees.mean()
