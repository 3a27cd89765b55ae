"""`AudioEncoder`: clips to log-mel statistics, or to features of a frozen audio network."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from sterna.encoders._base import Encoder, digest
from sterna.encoders._clips import length_of, read_clip
from sterna.encoders._items import take
from sterna.encoders._logmel import log_mel_statistics
from sterna.encoders._network import NetworkEncoder
from sterna.encoders._progress import progress_bar

Array = Any
_LOG_MEL = "log-mel"


class AudioEncoder(NetworkEncoder):
    """Give the features of sound clips: statistics of their mel bands, or those of a frozen network.

    "log-mel" needs no network and no download, and says how loud each band is on average and how much that changes; enough
    for sounds that differ in their spectrum, not for what is said in long recordings. A network pretrained on sound is
    better there, at a cost of some hundred times the computation.

    Parameters
    ----------
    backbone : str or Module, default="log-mel"
        "log-mel", or a model of the transformers library.
    weights : path or state dict, default=None
        Of a network.
    sampling_rate : int, default=16000
        To which clips are brought for "log-mel"; arrays without a rate of their own are taken to have it. A network has its own.
    n_bands : int, default=64
        Mel bands for "log-mel".
    batch_size : int, default=32
    precision : {"float32", "bfloat16"}, default="float32"
    cache : FeatureCache, path or bool, default=None
        None and True: the default folder; False: no cache.
    device : str, default="auto"
    backbone_options : dict, default=None
        More arguments of `sterna.backbones.load_backbone`.
    random_state : int, RandomState or None, default=None
        Not used: nothing is random.
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
    Log-mel: Hann windows of 25 ms each 10 ms, energies in decibels (not under -100), mean and standard deviation over time. A
    network gets clips of one length together, because models without a mask would hear what is filled up.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.encoders import AudioEncoder
    >>> clip = np.sin(np.arange(16000) * 0.3).astype("float32")
    >>> AudioEncoder(cache=False).fit_transform([clip]).shape
    (1, 128)
    """

    modality = "audio"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Encoder._parameter_constraints,
        "sampling_rate": [Interval(Integral, 1000, None, closed="left")],
        "n_bands": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        backbone: Any = _LOG_MEL,
        weights: Any = None,
        *,
        sampling_rate: int = 16000,
        n_bands: int = 64,
        batch_size: int = 32,
        precision: str = "float32",
        cache: Any = None,
        device: str = "auto",
        backbone_options: Mapping[str, Any] | None = None,
        random_state: Any = None,
        progress: bool | None = None,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.sampling_rate = sampling_rate
        self.n_bands = n_bands
        self.batch_size = batch_size
        self.precision = precision
        self.cache = cache
        self.device = device
        self.backbone_options = backbone_options
        self.random_state = random_state
        self.progress = progress

    @property
    def _is_log_mel(self) -> bool:
        return isinstance(self.backbone, str) and self.backbone == _LOG_MEL

    def _fit_items(self, items: Any) -> None:
        if not self._is_log_mel:
            super()._fit_items(items)
            return
        if self.weights is not None:
            raise ValueError("weights belong to a network, but the backbone is 'log-mel'; name the network")
        self.weights_sha256_ = None
        self.n_features_out_ = 2 * self.n_bands
        self.fingerprint_ = self.fingerprint()

    def fingerprint(self) -> str:
        """A SHA-256 of all that the features depend on besides the row: weights, preprocessing, parameters."""
        if self._is_log_mel:
            return digest(_LOG_MEL, self.sampling_rate, self.n_bands)
        return super().fingerprint()

    def _folder(self, items: Any) -> str:
        return digest(self.fingerprint()) if self._is_log_mel else super()._folder(items)

    def _compute(self, items: Any) -> Array:
        if not self._is_log_mel:
            return self._compute_by_network(items)
        out = np.empty((len(items), self.n_features_out_), dtype=np.float32)
        with progress_bar("encoding audio rows", len(items), self.progress) as done:
            for i, item in enumerate(items):
                clip = read_clip(item, self.sampling_rate, f"row {i}")
                out[i] = log_mel_statistics(clip, self.sampling_rate, self.n_bands)
                done(1)
        return out

    def _compute_by_network(self, items: Any) -> Array:
        backbone = self._make_runner().backbone
        return self._run(items, lambda rows: backbone.prepare([read_clip(c, self._rate()) for c in take(items, rows)]))

    def _rate(self) -> int:
        """Samples per second that clips are brought to."""
        if self._is_log_mel:
            return self.sampling_rate
        extractor = getattr(self._make_runner().backbone.preprocessing, "extractor", None)
        return int(getattr(extractor, "sampling_rate", self.sampling_rate))

    def _batches(self, items: Any) -> list[list[int]]:
        """Clips of one length together."""
        groups: dict[tuple[int, int], list[int]] = {}
        for i, item in enumerate(items):
            groups.setdefault(length_of(item, self._rate()), []).append(i)
        return [batch for rows in groups.values() for batch in self._cut(rows)]
