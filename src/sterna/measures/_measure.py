"""measure: how far the domains are apart, and in what way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from sterna.domains import Domains
from sterna.domains._encoding import encode_all, find_encoder
from sterna.domains._stack import rows_of, vstack
from sterna.measures._checks import sample_rows
from sterna.measures._column_drift import column_drift
from sterna.measures._domain_auc import DomainAUC
from sterna.measures._domain_scores import domain_scores
from sterna.measures._gather import gather
from sterna.measures._kind import kinds
from sterna.measures._label_shift import LabelShift, label_shift
from sterna.measures._map import domain_map
from sterna.measures._mmd import MMD, mmd
from sterna.measures._overlap import Overlap
from sterna.measures._parameters import check_number
from sterna.measures._sample import Sample, draw
from sterna.measures._sentences import auc_text, number_text, p_text, sentences, share_text
from sterna.measures._situation import Situation, allowed_strategies, situation, suited_strategies

MAX_DRIFT_ROWS = 5000
MAX_SOURCES = 6


@dataclass(frozen=True)
class Measurement:
    """How far the domains are apart, and in what way.

    Attributes
    ----------
    situation : Situation
    classifier_auc : DomainAUC
    mmd : MMD
    overlap : Overlap
    drift : DataFrame of n_columns rows
        As `column_drift` gives.
    label_shift : LabelShift or None
        None without target labels.
    map : list of dict with keys domain, x, y
    map_axes : str
    kind : list of str
        The kinds of shift that the evidence is consistent with, the one that explains most first: "classes" (the class sets
        differ), "label", "covariate", "scale", "subspace", "support", "concept", or "none" alone.
    sentences : list of str
        The evidence in words.
    strategies : dict of str to str or None
        Every strategy, with the reason why the situation forbids it.
    suited : dict of str to list of str
        For each kind named the allowed strategies that are made for it, where there are any.
    """

    situation: Situation
    classifier_auc: DomainAUC
    mmd: MMD
    overlap: Overlap
    drift: pd.DataFrame
    label_shift: LabelShift | None
    map: list[dict[str, Any]]
    map_axes: str
    kind: list[str]
    sentences: list[str]
    strategies: dict[str, str | None]
    suited: dict[str, list[str]]

    def summary(self) -> dict[str, Any]:
        """What the report renders: the keys "situation" and "measure", plain JSON types only."""
        auc = self.classifier_auc
        measured = {
            "classifier_auc": {"mean": auc.value, "low": auc.low, "high": auc.high},
            "mmd": {"value": self.mmd.value, "p_value": self.mmd.p_value},
            "effective_sample_size": {"value": self.overlap.n_effective, "share": self.overlap.value},
            "drift": self._drift(),
            "label_shift": self._labels(),
            "map": self.map,
            "map_axes": self.map_axes,
            "kind": list(self.kind),
            "sentences": list(self.sentences),
        }
        return {"situation": self.situation.summary(), "measure": measured}

    def _drift(self) -> list[dict[str, Any]]:
        fields = ["column", "kind", "statistic", "p_value", "q_value", "drifted", "source_mean", "target_mean"]
        rows = [dict(zip(fields, row, strict=True)) for row in self.drift[fields].itertuples(index=False)]
        return [{name: _plain(value) for name, value in row.items()} for row in rows]

    def _labels(self) -> dict[str, Any] | None:
        shift = self.label_shift
        if shift is None:
            return None
        shares = shift.task == "classification"
        return {"p_value": shift.p_value, "source": shift.source if shares else {}, "target": shift.target if shares else {}}

    def __str__(self) -> str:
        share = f"{number_text(self.overlap.n_effective)} rows, {share_text(self.overlap.value)} of the source"
        lines = [
            self.situation.sentence,
            f"Kind of shift: {', '.join(self.kind)}",
            *(f"- {sentence}" for sentence in self.sentences),
            f"Domain classifier AUC: {auc_text(self.classifier_auc)}",
            f"MMD squared: {self.mmd.value:.4g} ({p_text(self.mmd.p_value)})",
            f"Effective sample size: {share}",
            f"Columns that differ: {int(self.drift['drifted'].sum())} of {len(self.drift)}",
        ]
        for row in self.drift[self.drift["drifted"]].head(5).to_dict("records"):
            means = "" if pd.isna(row["source_mean"]) else f", mean {row['source_mean']:.4g} -> {row['target_mean']:.4g}"
            lines.append(f"  {row['column']}: distance {row['statistic']:.2f}{means}")
        for kind, names in self.suited.items():
            more = f" and {len(names) - 8} more" if len(names) > 8 else ""
            lines.append(f"Strategies made for {kind} shift: {', '.join(names[:8])}{more}")
        return "\n".join(lines)


def measure(domains: Domains, encoder: Any = None, *, random_state: Any = 0, confidence: float = 0.95) -> Measurement:
    """Measure how far the domains are apart, and name the kind of shift.

    Parameters
    ----------
    domains : Domains
        Of the target's labels only those that are known are read. Several sources are taken together.
    encoder : transformer or str, default=None
        Of files and texts: what makes features of them, or the name of its backbone; None: the default of their kind.
    random_state : int, RandomState or None, default=0
        Draws rows, folds and permutations.
    confidence : float, default=0.95
        Of the intervals; the five tests that name a kind share 1 - confidence between them.

    Returns
    -------
    Measurement

    Notes
    -----
    At most 2000 rows of the sources and 2000 of the target are drawn (5000 each for `column_drift`), and preprocessed by
    `TablePreprocessor` fitted on both.

    The kind of shift is the simplest explanation that no test contradicts. With target labels: do the class sets differ; do the labels
    differ and rows of one label look alike (label shift; maximum mean discrepancy, permuted within labels); given the features, does
    the label not depend on the domain (covariate shift; generalised covariance measure of kernel ridge regressions); do rows of one
    label look alike once each column has the source's mean and spread (scale), or in a common subspace, found with half of the
    labelled rows, from which a source model predicts the target better (subspace); do most target rows lie beyond the source's
    (support); and where none of this is enough, the concept changed. Classes that differ come last where the other kinds explain them: a
    source without rows where they lie, or rows that lie alike and have other labels. Whether anything differs is asked by five
    tests, each at a fifth of the level: of the features by domain classifier, discrepancy and means along principal axes, of the
    labels, and of the relation. Without target labels only the
    features speak: a changed concept, new classes and a subspace cannot be known, and label, covariate shift and scale are told
    apart by what fits most simply. No test can tell a shift of the concept from extrapolation where the source has no rows.

    References
    ----------
    S. J. Pan, Q. Yang (2010), A survey on transfer learning, IEEE Transactions on Knowledge and Data Engineering 22.
    J. G. Moreno-Torres, T. Raeder, R. Alaiz-Rodriguez, N. V. Chawla, F. Herrera (2012), A unifying view on dataset shift in
    classification, Pattern Recognition 45.
    R. D. Shah, J. Peters (2020), The hardness of conditional independence testing and the generalised covariance measure,
    Annals of Statistics 48.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna import Domains
    >>> from sterna.measures import measure
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(size=(200, 3)), rng.normal(size=(200, 3)) + [1, 0, 0]
    >>> ys, yt = Xs[:, 0] + rng.normal(size=200), Xt[:, 0] + rng.normal(size=200)
    >>> measure(Domains(source={"a": (Xs, ys)}, target={"b": (Xt, yt)})).kind
    ['covariate']
    """
    check_number("confidence", confidence, 0.5, 1, "left", "give a number from 0.5 up to, but not including, 1")
    if not domains.sources:
        raise ValueError("the domains have no source; measure compares a source with the target: give one")
    domains = with_features(domains, encoder)
    for domain, n_rows in ((domains.sources[0], domains.n_source), (domains.target, len(domains.target.y))):
        if n_rows < 2:
            raise ValueError(f"{domain.title} has {n_rows} row; measure needs two rows or more on both sides")
    rng = check_random_state(random_state)
    sample = draw(domains, rng)
    distance = mmd(sample.X_source, sample.X_target, random_state=rng)
    scores = domain_scores(sample.X_source, sample.X_target, rng)
    drift = _drift(domains, 1 - confidence, rng)
    labels = _labels(domains, rng)
    found = gather(sample, scores, distance, labels, confidence, rng)
    named = kinds(found)
    words = sentences(found, named, drift, domains.classes, domains.n_source)
    names = np.array([domain.name for domain in domains.sources], dtype=object)[sample.source_ids]
    places, axes = domain_map(
        vstack([sample.X_source, sample.X_target]),
        np.concatenate([names, np.repeat(np.array([domains.target.name], dtype=object), sample.X_target.shape[0])]),
        rng.randint(2**31 - 1),
    )
    about = situation_of(domains)
    allowed = allowed_strategies(domains)
    return Measurement(
        situation=about,
        classifier_auc=found.auc,
        mmd=distance,
        overlap=Overlap.of(scores, domains.n_source),
        drift=drift,
        label_shift=labels,
        map=places,
        map_axes=axes,
        kind=named,
        sentences=words + _by_source(domains, sample, rng),
        strategies=allowed,
        suited=suited_strategies(allowed, named),
    )


def kind_of_shift(domains: Domains, *, max_rows: int = 500, confidence: float = 0.95, random_state: Any = 0) -> list[str]:
    """The kinds of shift as `measure` names them, on fewer rows and without all else: in a third of a second or so.

    Parameters
    ----------
    domains : Domains
        Of features.
    max_rows : int, default=500
        The rows of all sources, and of the target, that are drawn at most.
    confidence, random_state
        As in `measure`.

    Returns
    -------
    list of str
        Empty where a side has fewer than two rows.
    """
    if min(domains.n_source, len(domains.target.y)) < 2:
        return []
    rng = check_random_state(random_state)
    sample = draw(domains, rng, max_rows)
    distance = mmd(sample.X_source, sample.X_target, random_state=rng)
    scores = domain_scores(sample.X_source, sample.X_target, rng)
    return kinds(gather(sample, scores, distance, _labels(domains, rng), confidence, rng))


def situation_of(domains: Domains) -> Situation:
    """The situation, in words that fit the rows: photos, clips and texts have features, no columns.

    Parameters
    ----------
    domains : Domains

    Returns
    -------
    Situation
    """
    about = situation(domains)
    if domains.rows_are == "rows":
        return about
    n_columns = len(domains.columns)
    columns = f"the same {n_columns} feature {'column' if n_columns == 1 else 'columns'}"
    own = f"{domains.rows_are}, as {n_columns} features," if domains.origin else domains.rows_are
    return replace(about, sentence=about.sentence.replace(columns, own))


def with_features(domains: Domains, encoder: Any) -> Domains:
    """The domains with features in place of files and texts; tables as they are."""
    found = find_encoder(encoder, domains)
    return domains if found is None else encode_all(domains, found)[0]


def _plain(value: Any) -> Any:
    """A plain JSON value: six digits of a number, None for NaN."""
    if isinstance(value, float):
        return None if np.isnan(value) else float(f"{value:.6g}")
    return bool(value) if isinstance(value, np.bool_) else value


def _drift(domains: Domains, level: float, rng: Any) -> pd.DataFrame:
    chosen = sample_rows(domains.n_source, MAX_DRIFT_ROWS, rng)
    starts = np.cumsum([0, *(len(domain.y) for domain in domains.sources)])
    parts = [
        rows_of(domain.X, chosen[(chosen >= a) & (chosen < b)] - a)
        for domain, a, b in zip(domains.sources, starts[:-1], starts[1:], strict=True)
    ]
    rows = sample_rows(len(domains.target.y), MAX_DRIFT_ROWS, rng)
    drift = column_drift(vstack(parts), rows_of(domains.target.X, rows), level=level, random_state=rng)
    if domains.kind != "table":
        drift["column"] = drift["column"].map(
            dict(zip((f"x{j}" for j in range(len(domains.columns))), domains.columns, strict=True))
        )
    return drift


def _labels(domains: Domains, rng: Any) -> LabelShift | None:
    if not domains.target.labelled.any():
        return None
    source = np.concatenate([domain.known for domain in domains.sources])
    return label_shift(source, domains.target.known, task=domains.task, random_state=rng)


def _by_source(domains: Domains, sample: Sample, rng: Any) -> list[str]:
    """Which source is nearest to the target, where there are several."""
    if not 2 <= len(domains.sources) <= MAX_SOURCES:
        return []
    target = sample.X_target[sample_rows(sample.X_target.shape[0], 500, rng)]
    areas = {}
    for i, domain in enumerate(domains.sources):
        rows = np.flatnonzero(sample.source_ids == i)
        rows = rows[sample_rows(len(rows), 500, rng)]
        if len(rows) >= 2:
            areas[domain.name] = domain_scores(sample.X_source[rows], target, rng).auc()
    ranked = sorted(areas, key=lambda name: areas[name])
    listed = ", ".join(f"{name!r} (AUC {areas[name]:.2f})" for name in ranked)
    return [f"The sources by nearness to the target, nearest first: {listed}."]
