"""`ImageEncoder`: pictures to features of a frozen network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from sterna.encoders._base import Encoder
from sterna.encoders._cache import find_cache
from sterna.encoders._items import as_items, take
from sterna.encoders._network import NetworkEncoder
from sterna.encoders._views import random_view, view_key

Array = Any


class ImageEncoder(NetworkEncoder):
    """Give the features of a frozen, pretrained image network.

    The first thing to try with some hundred photos or fewer: each photo goes through the network once and its features stay on disk,
    so that any scikit-learn model and any shallow strategy works on folders of photos. Cannot help where the pretrained features do
    not tell the classes apart.

    Parameters
    ----------
    backbone : str or Module, default="mobilenetv2_100"
        See `sterna.backbones.load_backbone`.
    weights : path or state dict, default=None
        None: those that belong to the name, downloaded.
    batch_size : int, default=32
    n_views : int, default=1
        Augmented views that `transform_views` gives.
    precision : {"float32", "bfloat16"}, default="float32"
        "bfloat16" is faster on processors that have it, and errs by about 1 %.
    cache : FeatureCache, path or bool, default=None
        None and True: the default folder; False: no cache.
    device : str, default="auto"
    backbone_options : dict, default=None
        More arguments of `load_backbone`, for instance {"image_size": 96}.
    random_state : int, RandomState or None, default=None
        Of the views; None: the same views each time.
    progress : bool, default=None
        A progress bar; None: on a terminal.

    Attributes
    ----------
    n_features_out_ : int
    fingerprint_ : str
    weights_sha256_ : str or None
        Of the weights file.
    network_sha256_ : str
        Of the network's weights.

    Notes
    -----
    Batch normalisation is folded into the convolutions and the memory laid out by channel, which changes features by less than 1e-5
    of their size. A file saved by `sterna.save` holds the backbone's name and not its weights: it needs the same weights
    file, or the same download, when it is loaded; other weights are an error.

    Examples
    --------
    >>> from sterna.encoders import ImageEncoder
    >>> ImageEncoder("mobilenetv2_100", cache=False).get_params()["batch_size"]
    32
    """

    modality = "image"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Encoder._parameter_constraints,
        "n_views": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        backbone: Any = "mobilenetv2_100",
        weights: Any = None,
        *,
        batch_size: int = 32,
        n_views: int = 1,
        precision: str = "float32",
        cache: Any = None,
        device: str = "auto",
        backbone_options: Mapping[str, Any] | None = None,
        random_state: Any = None,
        progress: bool | None = None,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.batch_size = batch_size
        self.n_views = n_views
        self.precision = precision
        self.cache = cache
        self.device = device
        self.backbone_options = backbone_options
        self.random_state = random_state
        self.progress = progress

    def _fit_items(self, items: Any) -> None:
        super()._fit_items(items)
        self.seed_ = 0 if self.random_state is None else int(check_random_state(self.random_state).randint(2**31))

    def transform_views(self, X: Any) -> Array:
        """Give the features of augmented views: a random part of each picture, mirrored half of the time.

        Parameters
        ----------
        X : list, array, Series or one-column DataFrame of length n_samples

        Returns
        -------
        ndarray of shape (n_views, n_samples, n_features_out_), float32
            View v of a picture depends on the picture, v and `random_state` only.
        """
        check_is_fitted(self, "n_features_out_")
        items = as_items(X, self.modality)
        return np.stack([self._view(items, view) for view in range(self.n_views)])

    def _view(self, items: Any, view: int) -> Array:
        if len(items) == 0:
            return self._features(items)
        keys = [view_key(key, view, self.seed_) for key in self._keys(items)]

        def compute(rows: list[int]) -> Array:
            part = take(items, rows)
            return self._run(part, self._prepare_views(part, [keys[i] for i in rows]))

        cache = find_cache(self.cache)
        return compute(list(range(len(keys)))) if cache is None else cache.rows(self._folder(items), keys, compute)

    def _prepare_views(self, items: Any, keys: list[bytes]) -> Callable[[list[int]], Any]:
        backbone = self._make_runner().backbone

        def prepare(rows: list[int]) -> Any:
            from torch import cat

            # one by one, because `prepare` seeds a picture by its place in the batch
            views = [partial(_augment, key=keys[i], size=backbone.image_size) for i in rows]
            return cat([backbone.prepare(take(items, [i]), augment=view) for i, view in zip(rows, views, strict=True)])

        return prepare


def _augment(image: Any, rng: Any, key: bytes, size: int | None) -> Any:
    return random_view(image, key, size)
