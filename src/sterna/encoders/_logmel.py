"""Log-mel statistics of a clip: a filter bank over short spectra, its mean and deviation over time."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from scipy import fft, signal

_WINDOW, _HOP = 0.025, 0.010  # seconds
_FLOOR = 1e-10


def log_mel(clip: Any, rate: int, n_bands: int) -> Any:
    """Log energies of the mel bands in each frame.

    Parameters
    ----------
    clip : ndarray of shape (n_samples,)
    rate : int
        Samples per second.
    n_bands : int

    Returns
    -------
    ndarray of shape (n_frames, n_bands)
        In decibels, never under -100.

    Notes
    -----
    Hann windows of 25 ms each 10 ms, the power spectrum over the next power of two, triangles at equal distances on the mel scale
    2595 log10(1 + f / 700) from 0 to half the rate, each with a peak of 1. A clip shorter than a window is filled up with zeros.
    """
    length, hop = round(_WINDOW * rate), round(_HOP * rate)
    clip = np.pad(clip, (0, max(0, length - len(clip))))
    frames = np.lib.stride_tricks.sliding_window_view(clip, length)[::hop]
    window = signal.get_window("hann", length).astype(np.float32)
    n_fft = 1 << (length - 1).bit_length()
    power = np.abs(fft.rfft(frames * window, n_fft, axis=1)) ** 2 / n_fft
    return 10 * np.log10(np.maximum(power @ mel_filters(rate, n_fft, n_bands), _FLOOR))


@lru_cache(maxsize=8)
def mel_filters(rate: int, n_fft: int, n_bands: int) -> Any:
    """Triangular filters of shape (n_fft // 2 + 1, n_bands)."""
    top = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, n_bands + 2) / 2595) - 1)
    low, peak, high = edges[:-2], edges[1:-1], edges[2:]
    f = fft.rfftfreq(n_fft, 1 / rate)[:, None]
    filters = np.maximum(0, np.minimum((f - low) / (peak - low), (high - f) / (high - peak)))
    # a band narrower than a bin of the spectrum takes the bin that is nearest to it
    empty = np.flatnonzero(filters.sum(axis=0) == 0)
    filters[np.abs(f - peak[empty]).argmin(axis=0), empty] = 1.0
    return filters.astype(np.float32)


def log_mel_statistics(clip: Any, rate: int, n_bands: int) -> Any:
    """Mean and deviation over time of each band, shape (2 n_bands,)."""
    energies = log_mel(clip, rate, n_bands)
    return np.concatenate([energies.mean(axis=0), energies.std(axis=0)]).astype(np.float32)
