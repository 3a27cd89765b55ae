"""Frozen networks as scikit-learn transformers: files, texts and clips in, features out, kept in a cache on disk."""

from __future__ import annotations

from sterna.encoders._audio import AudioEncoder
from sterna.encoders._bad import find_bad
from sterna.encoders._cache import FeatureCache
from sterna.encoders._content import content_keys
from sterna.encoders._image import ImageEncoder
from sterna.encoders._text import TextEncoder
from sterna.encoders._words import WordVectors

__all__ = [
    "AudioEncoder",
    "FeatureCache",
    "ImageEncoder",
    "TextEncoder",
    "WordVectors",
    "content_keys",
    "find_bad",
]
