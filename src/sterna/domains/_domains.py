"""`Domains`: named sources and a target, checked, aligned and ready to be stacked."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from sterna.domains import _findings as checks
from sterna.domains._classes import class_findings
from sterna.domains._columns import align_tables, name_columns
from sterna.domains._findings import Finding
from sterna.domains._given import column_names, named_data, refuse_shapes, resolve_task, row_numbers
from sterna.domains._hashes import fingerprint
from sterna.domains._identifiers import identifiers
from sterna.domains._labels import as_quantities, common_labels, mask_labels
from sterna.domains._media import NOUNS, as_features, is_raw, read_raw
from sterna.domains._media_files import content_hash
from sterna.domains._media_findings import lone_classes, raw_findings, raw_fingerprint
from sterna.domains._read import near_column, read_domain
from sterna.domains._repeats import repeated_rows
from sterna.domains._stack import Array, clean_labels, domain_codes, is_labelled, rows_of, vstack


@dataclass(frozen=True)
class Domain:
    """One named domain.

    Attributes
    ----------
    name : str
    role : {"source", "target"}
    X : DataFrame, ndarray or csr_array of shape (n_samples, n_features), or ndarray of str of shape (n_samples,)
    y : ndarray of shape (n_samples,)
    labelled : ndarray of bool of shape (n_samples,)
        Which labels are known.
    """

    name: str
    role: str
    X: Any
    y: Array
    labelled: NDArray[np.bool_]

    @property
    def title(self) -> str:
        """How messages call it: "source 'a'"."""
        return f"{self.role} {self.name!r}"

    @property
    def known(self) -> Array:
        """The known labels in their natural type, shape (n_labelled,)."""
        return clean_labels(self.y[self.labelled])


class Domains:
    """Named source domains and one target domain.

    Parameters
    ----------
    source : mapping of str to data, or data
        Each value is `(X, y)`, a DataFrame (pandas, polars) or the path of a CSV, TSV, Parquet or npz file. X may be an array,
        a sparse matrix or a DataFrame of shape (n_samples, n_features). One source alone may be given without a name.
        Images and clips: a folder with one sub-folder a class (files beside them, or in a sub-folder "unlabelled", have no label),
        or `(paths, y)` with `modality`. None: no source, for strategies that need none.
    target : mapping of one str to data, or data
        As above; labels may be missing in part (None, NaN or '' in `y`, empty in a file) or altogether (`y=None`, no label column).
    label : str, default=None
        The label column of tables and files.
    task : {"classification", "regression"}, default=None
        None: inferred from the labels.
    drop : sequence of str, default=()
        Columns to leave out.
    keep : sequence of str, default=()
        Columns to keep although they look like identifiers or do not vary.
    text : str, default=None
        The column of tables and files whose text is a row; other columns are left out.
    modality : {"image", "audio", "text"}, default=None
        What X holds where it is an array of str (paths of files, or texts).
    skip_bad : bool, default=False
        Leave out files that cannot be read, each as a finding; otherwise the first one is an error.

    Attributes
    ----------
    sources : list of Domain
    target : Domain
    columns : list of str
        The feature columns, the same in every domain.
    task : str
    classes : ndarray of shape (n_classes,) or None
    kind : {"table", "dense", "sparse", "image", "audio", "text"}
        Of the last three X is a 1-D array of str: paths of files, or texts.
    origin : {"image", "audio", "text"} or None
        What the rows were before `encoded` made features of them.
    findings : list of Finding
        What the checks noticed and what was done about it, one sentence each.

    Notes
    -----
    The user's data are never written to. Columns are aligned by name; columns that a domain lacks, and identifiers, are left out
    and reported. Rows without a label are dropped from sources and kept, unlabelled, in the target.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna import Domains
    >>> rng = np.random.default_rng(0)
    >>> Xa, Xc = rng.normal(size=(6, 2)), rng.normal(size=(4, 2))
    >>> domains = Domains(source={"a": (Xa, [0, 1, 0, 1, 0, 1])}, target={"c": (Xc, [0, 1, None, None])})
    >>> domains
    Domains(classification; source 'a': 6 rows; target 'c': 4 rows, 2 labelled; 2 columns)
    >>> X, y, sample_domain = domains.stack()
    >>> y, sample_domain
    (array([ 0,  1,  0,  1,  0,  1,  0,  1, -1, -1]), array([ 1,  1,  1,  1,  1,  1, -2, -2, -2, -2]))
    """

    def __init__(
        self,
        source: Any,
        target: Any,
        *,
        label: str | None = None,
        task: str | None = None,
        drop: Sequence[str] = (),
        keep: Sequence[str] = (),
        text: str | None = None,
        modality: str | None = None,
        skip_bad: bool = False,
    ) -> None:
        if task not in (None, "classification", "regression"):
            raise ValueError(f"task is {task!r}; allowed are 'classification', 'regression' and None (inferred)")
        roles, data = named_data(source, target)
        label = None if label is None else str(label)
        self.findings: list[Finding] = []
        self.origin: str | None = None
        if is_raw(data, text, modality):
            if drop or keep:
                raise ValueError("drop and keep name columns of tables, but these rows are files or texts; leave them out")
            tables, given = self._read_raw(data, label, text, modality, skip_bad)
        else:
            tables, given = self._read_tables(data, label, column_names(drop), column_names(keep))
        labels = common_labels({title: _or_unknown(y, tables[title].shape[0]) for title, y in given.items()})
        known = clean_labels(np.concatenate([y[is_labelled(y)] for y in labels.values()]))
        self.task = resolve_task(task, known)
        self.classes: Array | None = np.unique(known) if self.task == "classification" else None
        if self.task == "regression":
            labels = {title: as_quantities(y) for title, y in labels.items()}
        domains = [
            Domain(name, role, tables[title], labels[title], is_labelled(labels[title]))
            for title, (name, role) in roles.items()
        ]
        self.sources = [self._labelled_rows(domain) for domain in domains[:-1]]
        self.target = domains[-1]
        self._check()

    def _read_tables(
        self, data: dict[str, Any], label: str | None, drop: set[str], keep: set[str]
    ) -> tuple[dict[str, Any], dict[str, Array | None]]:
        tables: dict[str, Any] = {}
        given: dict[str, Array | None] = {}
        for title, value in data.items():
            tables[title], given[title] = read_domain(title, value, label)
        self._note_unlabelled(tables, given, label)
        return self._align(tables, drop, keep), given

    def _read_raw(
        self, data: dict[str, Any], label: str | None, text: str | None, modality: str | None, skip_bad: bool
    ) -> tuple[dict[str, Any], dict[str, Array | None]]:
        self.kind, rows, found = read_raw(data, label=label, text=text, modality=modality, skip_bad=skip_bad)
        self.findings += found
        self.columns = [self.kind if text is None else text]
        items = dict.fromkeys(item for part in rows.values() for item in part.X.tolist())
        self._content = {item: content_hash(item, self.kind) for item in items}
        return {title: part.X for title, part in rows.items()}, {title: part.y for title, part in rows.items()}

    @classmethod
    def from_files(cls, source: Sequence[str | Path], target: str | Path, label: str | None, **options: Any) -> Self:
        """Read domains from files or folders, each named by its file's stem or its folder's name.

        Parameters
        ----------
        source : sequence of paths
            None where the strategy needs no source: an empty sequence.
        target : path
        label : str or None
        **options
            As in the constructor.

        Returns
        -------
        Domains
        """
        source = [source] if isinstance(source, str | Path) else list(source)
        paths = [Path(path) for path in (*source, target)]
        if len({path.resolve() for path in paths}) < len(paths):
            raise ValueError(f"the same file is given twice: {', '.join(map(str, paths))}; every domain needs its own")
        stems = [path.resolve().name if path.is_dir() else path.stem for path in paths]
        *names, target_name = stems if len(set(stems)) == len(stems) else map(str, paths)
        sources = dict(zip(names, paths[:-1], strict=True))
        return cls(sources or None, {target_name: paths[-1]}, label=label, **options)

    def _note_unlabelled(self, tables: dict[str, Any], given: dict[str, Array | None], label: str | None) -> None:
        title = list(tables)[-1]
        if label is None or given[title] is not None or not isinstance(tables[title], pd.DataFrame):
            return
        near = near_column(label, tables[title])
        hint = f" (did you mean {near!r}?)" if near else ""
        message = f"{title} has no column {label!r}{hint}; all its rows are taken as unlabelled"
        self.findings.append(Finding("unlabelled-target", title, label, message))

    def _align(self, tables: dict[str, Any], drop: set[str], keep: set[str]) -> dict[str, Any]:
        named = [title for title, X in tables.items() if isinstance(X, pd.DataFrame)]
        if named:
            odd = next((title for title in tables if title not in named), None)
            if odd is not None:
                raise ValueError(
                    f"{odd} is an array, but {named[0]} is a table with named columns; give all as tables or all as arrays"
                )
            return self._align_named(tables, drop, keep)
        refuse_shapes(tables)
        if any(not sparse.issparse(X) and X.dtype == object for X in tables.values()):
            return self._align_named({title: name_columns(title, X) for title, X in tables.items()}, drop, keep)
        if drop or keep:
            raise ValueError("drop and keep name columns, but the domains are arrays without names; give DataFrames")
        self.kind = "sparse" if any(sparse.issparse(X) for X in tables.values()) else "dense"
        if self.kind == "sparse":
            tables = {title: sparse.csr_array(X) for title, X in tables.items()}
        self.columns = [f"x{j}" for j in range(next(iter(tables.values())).shape[1])]
        for title, X in tables.items():
            checks.refuse_values(title, X, self.columns)
        return tables

    def _align_named(self, tables: dict[str, pd.DataFrame], drop: set[str], keep: set[str]) -> dict[str, pd.DataFrame]:
        everywhere = set().union(*(table.columns for table in tables.values()))
        unknown = sorted((drop | keep) - everywhere)
        if unknown:
            raise ValueError(
                f"drop or keep names the column {unknown[0]!r}, which no domain has; correct the name or leave it out"
            )
        tables, findings = align_tables({t: X.drop(columns=[c for c in X.columns if c in drop]) for t, X in tables.items()})
        for title, X in tables.items():
            checks.refuse_values(title, X, list(X.columns))
        named, ids = identifiers(tables, keep)
        tables = {title: X.drop(columns=named) for title, X in tables.items()}
        columns = list(next(iter(tables.values())).columns)
        useless, constant = checks.constant_columns(tables, columns)
        left_out = set(useless) - keep
        self.kind, self.columns = "table", [column for column in columns if column not in left_out]
        if not self.columns:
            raise ValueError(
                "no feature column is left after leaving out identifiers, constants and columns that are not shared; "
                "keep one by naming it in keep (on the command line: --keep), or name one as text (--text)"
            )
        tables = {title: X[self.columns] for title, X in tables.items()}
        missing = checks.missing_columns(tables)
        told = {(finding.domain, finding.column) for finding in missing}
        constant = [finding for finding in constant if (finding.domain, finding.column) not in told]
        self.findings += findings + ids + missing + constant
        return tables

    def _labelled_rows(self, domain: Domain) -> Domain:
        missing = int((~domain.labelled).sum())
        if missing == len(domain.y):
            raise ValueError(f"{domain.title} has no labels; a source must be labelled: give them, or leave it out")
        if not missing:
            return domain
        message = f"{missing} of {len(domain.y)} rows of {domain.title} have no label and are left out"
        self.findings.append(Finding("unlabelled-source", domain.title, None, message))
        rows = np.flatnonzero(domain.labelled)
        return Domain(domain.name, domain.role, rows_of(domain.X, rows), domain.known, np.ones(len(rows), dtype=bool))

    def _check(self) -> None:
        tables = {domain.title: domain.X for domain in (*self.sources, self.target)}
        known = {domain.title: domain.known for domain in (*self.sources, self.target)}
        if self.kind in NOUNS:
            self.findings += raw_findings(tables, {title: self._hashes(X) for title, X in tables.items()}, self.kind)
        else:
            if self.kind != "table":
                self.findings += checks.constant_columns(tables, self.columns)[1]
            self.findings += repeated_rows(tables, known, self.target.labelled)
        if self.task == "classification":
            self.findings += class_findings(known)
            self.findings += lone_classes(known) if self.kind in NOUNS else []

    def _hashes(self, X: Array) -> Array:
        return np.array([self._content[item] for item in X.tolist()], dtype=object)

    @property
    def rows_are(self) -> str:
        """What messages call the rows: "rows", or "photos", "clips", "texts"."""
        return NOUNS.get(self.origin or self.kind, "rows")

    def encoded(self, encoder: Any) -> Self:
        """The same domains with features in place of files or texts.

        Parameters
        ----------
        encoder : transformer
            Fitted; `transform` takes an array of str of shape (n_samples,) and gives numbers of shape (n_samples, n_features).

        Returns
        -------
        Domains
            Names, labels and findings are kept; `kind` is "dense" or "sparse", `origin` says what the rows were.
        """
        if self.kind not in NOUNS:
            raise ValueError(f"the domains are of the kind {self.kind!r}, which is features already; leave the encoder out")
        domains = [
            replace(domain, X=as_features(domain.title, len(domain.y), encoder.transform(domain.X)))
            for domain in (*self.sources, self.target)
        ]
        made = copy.copy(self)
        made.sources, made.target = domains[:-1], domains[-1]
        made.origin, made.kind = self.kind, "sparse" if sparse.issparse(domains[-1].X) else "dense"
        made.columns = [f"x{j}" for j in range(domains[-1].X.shape[1])]
        made.findings = [*self.findings]
        for domain in domains:
            checks.refuse_values(f"the encoded {domain.title}", domain.X, made.columns)
        return made

    def stack(self, target_rows: Any = None, labelled_rows: Any = None) -> tuple[Any, Array, Array]:
        """Stack all domains.

        Parameters
        ----------
        target_rows : array-like of int, default=None
            The rows of the target to take; None: all.
        labelled_rows : array-like of int, default=None
            The rows of the target whose labels are given away; None: all that are known. All others are masked.

        Returns
        -------
        X : DataFrame, ndarray or csr_array of shape (n_samples, n_features)
        y : ndarray of shape (n_samples,)
            Unlabelled rows hold NaN (floats), None (objects) or -1 (integers, where -1 is not a class).
        sample_domain : ndarray of int of shape (n_samples,)
            1, 2, ... for the sources in order, a negative integer for the target.
        """
        n_target = len(self.target.y)
        rows = np.arange(n_target) if target_rows is None else row_numbers("target_rows", target_rows, n_target)
        shown = self.target.labelled.copy()
        if labelled_rows is not None:
            shown[np.setdiff1d(np.arange(n_target), row_numbers("labelled_rows", labelled_rows, n_target))] = False
        X = vstack([domain.X for domain in self.sources] + [rows_of(self.target.X, rows)])
        X = (
            X.copy() if any(X is domain.X for domain in self.sources[:1]) else X
        )  # the user's own array where the target gives no row
        y = np.concatenate([domain.y for domain in self.sources] + [self.target.y[rows]])
        visible = np.concatenate([np.ones(self.n_source, dtype=bool), shown[rows]])
        codes = np.repeat(np.arange(1, len(self.sources) + 1), [len(domain.y) for domain in self.sources])
        sample_domain = np.concatenate([codes, np.full(len(rows), -(len(self.sources) + 1))])
        return X, mask_labels(y, visible, self.task, sample_domain > 0), sample_domain

    def split(self, values: Any, sample_domain: Any) -> dict[str, Any]:
        """Take stacked values apart again: the rows of each domain by name.

        Parameters
        ----------
        values : array-like, sparse matrix or DataFrame of shape (n_samples, ...)
        sample_domain : array-like of int of shape (n_samples,)
            As `stack` gives it; the rows may be a part, in any order.

        Returns
        -------
        dict of str to array, sparse matrix or DataFrame
        """
        values = values if hasattr(values, "shape") else np.asarray(values)
        codes = domain_codes(sample_domain, values.shape[0])
        names = {i + 1: domain.name for i, domain in enumerate(self.sources)} | {-(len(self.sources) + 1): self.target.name}
        strange = set(np.unique(codes).tolist()) - set(names)
        if strange:
            raise ValueError(f"sample_domain holds {min(strange)}; these domains have {', '.join(map(str, names))}")
        order = np.argsort(codes, kind="stable")
        starts, ends = (np.searchsorted(codes[order], list(names), side=side) for side in ("left", "right"))
        return {name: rows_of(values, order[a:b]) for name, a, b in zip(names.values(), starts, ends, strict=True)}

    @property
    def n_source(self) -> int:
        """The number of source rows."""
        return sum(len(domain.y) for domain in self.sources)

    def fingerprint(self, domain: Domain) -> str:
        """A SHA-256 of a domain's columns, values and labels, the same on every machine; of files it is their content that counts."""
        if self.kind in NOUNS:
            return raw_fingerprint(self.columns, self._hashes(domain.X), domain.y)
        return fingerprint(self.columns, domain.X, domain.y)

    def __repr__(self) -> str:
        parts = [f"{d.title}: {len(d.y)} {self.rows_are}" for d in self.sources]
        parts.append(f"{self.target.title}: {len(self.target.y)} {self.rows_are}, {int(self.target.labelled.sum())} labelled")
        columns = "" if self.kind in NOUNS else f"; {len(self.columns)} columns"
        return f"Domains({self.task}; {'; '.join(parts)}{columns})"


def _or_unknown(y: Array | None, n_rows: int) -> Array:
    return np.full(n_rows, np.nan) if y is None else y
