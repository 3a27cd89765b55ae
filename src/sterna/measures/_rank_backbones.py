"""rank_features and rank_backbones: which representation of the target's rows tells its labels best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sterna.domains import Domains
from sterna.domains._encoding import encode_all, find_encoder
from sterna.domains._media import NOUNS
from sterna.domains._stack import rows_of
from sterna.measures._linear_probe import linear_probe
from sterna.measures._logme import logme
from sterna.measures._ranking import LEAST_LABELS, Ranking, ranking


def rank_features(
    features: Mapping[str, Any], y: Any, *, cv: int = 5, max_rows: int = 20_000, random_state: int | None = 0
) -> Ranking:
    """Rank representations of the same rows by a cross-validated linear probe, with LogME beside.

    Parameters
    ----------
    features : mapping of str to array-like of shape (n_samples, n_features)
        By name; row i is the same row of the target in each.
    y : array-like of shape (n_samples,)
        Classes, or values.
    cv : int, default=5
    max_rows : int, default=20_000
    random_state : int or None, default=0
        Draws rows and folds, the same for all.

    Returns
    -------
    Ranking

    Notes
    -----
    Differences are paired by rows; their intervals are Student's with Bonferroni's correction for all pairs, so that picking
    the first afterwards does not spoil them.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.measures import rank_features
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(2, size=200)
    >>> ranking = rank_features({"noise": rng.normal(size=(200, 2)), "good": y[:, None] + 0.3 * rng.normal(size=(200, 2))}, y)
    >>> ranking.candidates[0].name, ranking.resolved
    ('good', True)
    """
    if not features:
        raise ValueError("there is nothing to rank; give one representation or more, by name")
    seed = np.random.RandomState(random_state).randint(2**31 - 1)
    scores, other = {}, {}
    for name, X in features.items():
        try:
            scores[name] = linear_probe(X, y, cv=cv, max_rows=max_rows, random_state=seed).by_row
            other[name] = {"logme": logme(X, y)}
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    values = np.asarray(y).dtype.kind == "f" and bool(np.any(np.asarray(y) % 1))
    return ranking("R^2 of a linear probe" if values else "accuracy of a linear probe", scores, other)


def rank_backbones(
    domains: Domains, backbones: Sequence[str] | Mapping[str, Any], *, random_state: int = 0, progress: bool = False
) -> Ranking:
    """Rank pretrained networks by how well a linear model on their frozen features tells the target's labels.

    Parameters
    ----------
    domains : Domains
        Of files or texts; the labelled rows of the target are used, sources are not looked at.
    backbones : sequence of str, or mapping of str to encoder
        Names, "NAME=FILE" for weights in a file, or encoders by name.
    random_state : int, default=0
    progress : bool, default=False

    Returns
    -------
    Ranking
    """
    known = np.flatnonzero(domains.target.labelled)
    if len(known) < LEAST_LABELS:
        raise ValueError(f"{domains.target.title} has {len(known)} labels; ranking backbones needs eight or more")
    if domains.kind not in NOUNS:
        raise ValueError(
            "backbones are for images, clips and texts, but the domains are tables; use rank_sources, or rank_features for features"
        )
    given = backbones if isinstance(backbones, Mapping) else dict.fromkeys(backbones)
    features = {}
    for name, encoder in given.items():
        backbone, _, weights = name.partition("=")
        found = find_encoder(backbone if encoder is None else encoder, domains, weights or None)
        encoded, _ = encode_all(domains, found, progress)
        features[backbone if encoder is None else name] = rows_of(encoded.target.X, known)
    return rank_features(features, domains.target.known, random_state=random_state)
