"""The linear-algebra methods on PyTorch tensors: the same as on numpy's arrays, and nothing of the features on the host."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from scipy.spatial.distance import pdist
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

import sterna
from sterna.align import CORAL, GFK, JDA, TCA, SubspaceAlignment
from sterna.align._mmd_projection import constrained_top
from sterna.align._spectrum import right_singular
from sterna.domains._arrays import median_distance_between
from tensors import dispatched, integer_labels, on_device, tensor, torch

pytestmark = pytest.mark.skipif(
    tuple(int(part) for part in sklearn.__version__.split(".")[:2]) < (1, 9),
    reason="LogisticRegression takes no tensors before 1.9",
)

BASE = LogisticRegression(C=1e-3, tol=1e-9, max_iter=10_000)  # far from flat: where it stops makes no difference
MODELS = {
    "CORAL": CORAL(BASE),
    "CORAL, means kept": CORAL(BASE, align_mean=False, regularization=0.1),
    "SubspaceAlignment": SubspaceAlignment(BASE),
    "SubspaceAlignment, 2 axes": SubspaceAlignment(BASE, n_components=2, standardize=False),
    "TCA": TCA(BASE),
    "TCA, primal": TCA(BASE, kernel="primal", n_components=3),
    "TCA, rbf": TCA(BASE, kernel="rbf", random_state=0),
    "TCA, landmarks": TCA(BASE, kernel="rbf", n_landmarks=20, standardize=False, random_state=0),
    "JDA": JDA(BASE, max_iter=2),
    "JDA, landmarks": JDA(BASE, max_iter=2, kernel="rbf", n_landmarks=20, random_state=0),
}
each_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


def make(small, dtype=np.float64, n_labelled=0, **shape):
    X, y, sample_domain = small(**shape).stack(n_labelled)
    return X.astype(dtype), integer_labels(y), sample_domain


def fit_both(model, X, y, sample_domain, largest):
    """The model on numpy's arrays, and on tensors that cannot be read on the host."""
    on_numpy = clone(model).fit(X, y, sample_domain=sample_domain)
    with on_device(largest):
        on_torch = clone(model).fit(tensor(X), tensor(y), sample_domain=tensor(sample_domain))
    return on_numpy, on_torch


@each_model
@pytest.mark.parametrize(
    ("dtype", "n_labelled", "atol"), [(np.float64, 0, 1e-6), (np.float64, 10, 1e-6), (np.float32, 0, 1e-4)]
)
@pytest.mark.filterwarnings("ignore::sterna.CollapseWarning")
def test_the_same_as_numpy_without_a_copy(small, model, dtype, n_labelled, atol):
    X, y, sample_domain = make(small, dtype, n_labelled, n_s=110, n_t=100)
    on_numpy, on_torch = fit_both(model, X, y, sample_domain, largest=99)
    T = tensor(X)
    with on_device(99):
        shown, probabilities = on_torch.represent(T), on_torch.predict_proba(T)
        labels, of_source = on_torch.predict(T), on_torch.predict(T, sample_domain=sample_domain, allow_source=True)
    assert {type(A) for A in (shown, probabilities, labels, of_source)} == {torch.Tensor}
    np.testing.assert_allclose(abs(shown.numpy()), abs(on_numpy.represent(X)), atol=atol)  # the sign of a direction is free
    np.testing.assert_allclose(probabilities.numpy(), on_numpy.predict_proba(X), atol=atol)
    np.testing.assert_array_equal(labels.numpy(), on_numpy.predict(X))
    expected = on_numpy.predict(X, sample_domain=sample_domain, allow_source=True)
    np.testing.assert_array_equal(of_source.numpy(), expected)
    expected = {name: on_numpy.health_[name] for name in on_torch.health_}  # numpy's rows are looked at more closely
    assert on_torch.health_ == pytest.approx(expected, rel=1e-4, abs=1e-9)
    np.testing.assert_array_equal(on_torch.classes_, on_numpy.classes_)


@each_model
@pytest.mark.filterwarnings("ignore::sterna.CollapseWarning")
def test_more_features_than_rows(small, model):
    X, y, sample_domain = make(small, d=80)
    on_numpy, on_torch = fit_both(model, X, y, sample_domain, largest=3 * 81)  # the coefficients of three classes
    with on_device(3 * 81):
        probabilities = on_torch.predict_proba(tensor(X))
    np.testing.assert_allclose(probabilities.numpy(), on_numpy.predict_proba(X), atol=1e-6)


def test_the_guard_notices_copies_and_other_devices():
    with on_device(3):
        for read in (np.asarray, torch.Tensor.cpu, torch.Tensor.tolist, np.from_dlpack):
            with pytest.raises(AssertionError, match=r"tensor of shape \(4,\)"):
                read(torch.ones(4, device="cpu"))
        assert torch.ones(4).is_meta


def test_regression(small):
    X, _, sample_domain = make(small, n_s=70, n_t=60)
    y = np.where(sample_domain > 0, X @ np.arange(5.0), np.nan)
    on_numpy = CORAL(Ridge(solver="svd")).fit(X, y, sample_domain=sample_domain)
    with dispatched():
        on_torch = CORAL(Ridge(solver="svd")).fit(tensor(X), tensor(y), sample_domain=sample_domain)
        predicted, score = on_torch.predict(tensor(X)), on_torch.score(tensor(X[:70]), tensor(y[:70]))
    np.testing.assert_allclose(predicted.numpy(), on_numpy.predict(X), atol=1e-6)
    assert score == pytest.approx(on_numpy.score(X[:70], y[:70]))


@pytest.mark.parametrize("model", [CORAL(BASE), JDA(BASE)], ids=["CORAL", "JDA"])
def test_labels_of_text_stay_with_numpy(small, model):
    X, y, sample_domain = make(small)
    names = np.where(y < 0, None, np.array(["a", "b", "c", "?"])[y])
    on_numpy = clone(model).fit(X, names, sample_domain=sample_domain)
    with on_device(23):
        predicted = clone(model).fit(tensor(X), names, sample_domain=sample_domain).predict(tensor(X))
    np.testing.assert_array_equal(predicted, on_numpy.predict(X))


def test_another_base_estimator_and_a_scaler_before(small):
    X, y, sample_domain = make(small, n_s=70, n_t=60)
    pipeline = sterna.make_pipeline(StandardScaler(), CORAL(LinearDiscriminantAnalysis(solver="svd")))
    expected = pipeline.fit(X, y, sample_domain=sample_domain).predict(X)
    with on_device(59):
        predicted = clone(pipeline).fit(tensor(X), y, sample_domain=sample_domain).predict(tensor(X))
    np.testing.assert_array_equal(predicted.numpy(), expected)


def test_without_domains_it_is_the_plain_base_estimator(small):
    X, y, sample_domain = make(small, np.float32)
    X, y = X[sample_domain > 0], y[sample_domain > 0]
    with on_device(29):
        probabilities = TCA().fit(tensor(X), tensor(y)).predict_proba(tensor(X))
        expected = LogisticRegression(max_iter=1000).fit(tensor(X), tensor(y)).predict_proba(tensor(X))
    assert torch.equal(probabilities, expected)


@pytest.mark.parametrize("cls", sterna.all_strategies(deep=False).values(), ids=lambda cls: cls.__name__)
def test_others_name_those_that_take_tensors(small, cls):
    able = [name for name, other in sterna.all_strategies(deep=False).items() if other.array_api]
    assert sorted(able) == ["CORAL", "JDA", "KMM", "SubspaceAlignment", "TCA"]
    if cls.array_api:
        return
    X, y, sample_domain = make(small)
    with dispatched(), pytest.raises(TypeError, match=f"{cls.__name__} takes numpy arrays.*{', '.join(sorted(able))}"):
        cls().fit(tensor(X), y, sample_domain=sample_domain)


def test_a_base_estimator_without_support_is_named(small):
    X, y, sample_domain = make(small)
    with dispatched(), pytest.raises(TypeError, match="RandomForestClassifier cannot be fitted on tensors; give CORAL"):
        CORAL(RandomForestClassifier()).fit(tensor(X), y, sample_domain=sample_domain)


@pytest.mark.parametrize("cls", [CORAL, GFK])
def test_without_dispatch_tensors_are_numpys(small, cls):
    X, y, sample_domain = make(small)
    expected = cls().fit(X, y, sample_domain=sample_domain).predict(X)
    predicted = cls().fit(tensor(X), tensor(y), sample_domain=tensor(sample_domain)).predict(tensor(X))
    assert type(predicted) is np.ndarray
    np.testing.assert_array_equal(predicted, expected)


def test_numpy_under_dispatch_is_numpy(small):
    X, y, sample_domain = make(small)
    with dispatched():
        probabilities = JDA().fit(X, tensor(y), sample_domain=tensor(sample_domain)).predict_proba(X)
    np.testing.assert_array_equal(probabilities, JDA().fit(X, y, sample_domain=sample_domain).predict_proba(X))


def test_rows_from_elsewhere_are_refused(small):
    X, y, sample_domain = make(small)
    with dispatched():
        model = TCA().fit(tensor(X), y, sample_domain=sample_domain)
        with pytest.raises(ValueError, match=r"TCA.predict\(\) must use the same namespace .* torch, device cpu; got numpy"):
            model.predict(X)
    with pytest.raises(ValueError, match=r"represent.*array_api_dispatch is off"):
        model.represent(tensor(X))


def test_a_model_can_be_moved_to_numpy_and_saved(small, tmp_path):
    move_estimator_to = pytest.importorskip("sklearn.utils._array_api").move_estimator_to
    X, y, sample_domain = make(small)
    with dispatched():
        model = TCA().fit(tensor(X), y, sample_domain=sample_domain)
        expected = model.predict_proba(tensor(X)).numpy()
        moved = move_estimator_to(model, xp=np, device="cpu")
    loaded = sterna.load(sterna.save(moved, tmp_path / "model.skops"))
    np.testing.assert_allclose(loaded.predict_proba(X), expected, atol=1e-12)


@pytest.mark.parametrize("shape", [(50, 8), (8, 50)])
@pytest.mark.parametrize("max_rank", [None, 3])
def test_singular_vectors(shape, max_rank):
    """Exact, and by the randomised range finder."""
    X = np.random.default_rng(0).normal(size=shape) * 0.5 ** np.arange(shape[1])
    vectors, values = right_singular(X, max_rank, np.random.RandomState(0))
    with on_device(0):
        found = right_singular(tensor(X), max_rank, np.random.RandomState(0))
    np.testing.assert_allclose(found[1].numpy(), values, rtol=1e-6)
    np.testing.assert_allclose(abs(found[0].numpy()), abs(vectors), atol=1e-4)


def test_leading_directions_of_a_large_problem():
    """Where numpy takes Lanczos steps."""
    rng = np.random.default_rng(0)
    B, E = np.diag(np.linspace(1, 9, 600)), rng.normal(size=(600, 2))
    B[:3, :3] += 5
    with on_device(0):
        found = constrained_top(tensor(B), tensor(E), 1.0, 4)
    np.testing.assert_allclose(abs(found.numpy()), abs(constrained_top(B, E, 1.0, 4)), atol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 40])
@pytest.mark.parametrize("alike", [0, 37])
def test_median_distance(n, alike, monkeypatch):
    """Also over several blocks of rows, and where most rows are equal."""
    monkeypatch.setattr("sterna.domains._arrays._ENTRIES", 500)
    rows = np.random.default_rng(0).normal(size=(n, 3)) + 100
    rows[:alike] = 100.0
    with on_device(0):
        found = median_distance_between(tensor(rows))
    distances = pdist(rows)
    expected = np.median(distances[distances > 0]) if distances.any() and alike else np.median(distances) if n > 1 else 1.0
    assert found == pytest.approx(expected or 1.0)
    assert median_distance_between(rows) == pytest.approx(expected or 1.0)
