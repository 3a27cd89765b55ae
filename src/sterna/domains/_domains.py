"""`Domains`: named sources and a target, checked, aligned and ready to be stacked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from sterna.domains import _findings as checks
from sterna.domains._columns import align_tables, identifiers
from sterna.domains._findings import Finding
from sterna.domains._labels import common_labels, infer_task, mask_labels
from sterna.domains._read import read_domain
from sterna.domains._stack import Array, is_labelled, vstack


@dataclass(frozen=True)
class Domain:
    """One named domain: `X` of shape (n_samples, n_features), `y` of shape (n_samples,), and which labels are known."""

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
        """The known labels, shape (n_labelled,)."""
        return self.y[self.labelled]


class Domains:
    """Named source domains and one target domain.

    Parameters
    ----------
    source : mapping of str to data, or data
        Each value is `(X, y)`, a DataFrame (pandas, polars) or the path of a CSV, TSV, Parquet or npz file. X may be an array,
        a sparse matrix or a DataFrame of shape (n_samples, n_features). One source alone may be given without a name.
    target : mapping of one str to data, or data
        As above; labels may be missing in part (None or NaN in `y`, empty in a file) or altogether (`y=None`, no label column).
    label : str, default=None
        The label column of tables and files.
    task : {"classification", "regression"}, default=None
        None: inferred from the labels.
    drop : sequence of str, default=()
        Columns to leave out.
    keep : sequence of str, default=()
        Columns to keep although they look like identifiers.

    Attributes
    ----------
    sources : list of Domain
    target : Domain
    columns : list of str
        The feature columns, the same in every domain.
    task : str
    classes : ndarray of shape (n_classes,) or None
    kind : {"table", "dense", "sparse"}
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
    ) -> None:
        if task not in (None, "classification", "regression"):
            raise ValueError(f"task is {task!r}; allowed are 'classification', 'regression' and None (inferred)")
        named = _named(source, "source")
        named_target = _named(target, "target")
        if len(named_target) != 1:
            raise ValueError(f"target holds {len(named_target)} domains ({', '.join(named_target)}); give exactly one")
        target_name = next(iter(named_target))
        if target_name in named:
            raise ValueError(f"the name {target_name!r} stands for a source and for the target; give them different names")
        roles = {f"source {name!r}": (name, "source") for name in named} | {f"target {target_name!r}": (target_name, "target")}
        data = [*named.values(), named_target[target_name]]
        tables: dict[str, Any] = {}
        given: dict[str, Array | None] = {}
        for title, value in zip(roles, data, strict=True):
            tables[title], given[title] = read_domain(title, value, label)
        self.findings: list[Finding] = []
        tables = self._align(tables, drop, keep)
        labels = common_labels({title: _or_unknown(y, tables[title].shape[0]) for title, y in given.items()})
        domains = [
            Domain(name, role, tables[title], labels[title], is_labelled(labels[title]))
            for title, (name, role) in roles.items()
        ]
        self.sources = [self._labelled_rows(domain) for domain in domains[:-1]]
        self.target = domains[-1]
        known = np.concatenate([domain.known for domain in (*self.sources, self.target) if len(domain.known)])
        self.task = task or infer_task(known)
        if self.task == "regression" and known.dtype.kind not in "fiub":
            raise ValueError(f"task is 'regression', but the labels are text (first: {known[0]!r}); give numbers")
        self.classes: Array | None = np.unique(known) if self.task == "classification" else None
        self._check()

    @classmethod
    def from_files(cls, source: Sequence[str | Path], target: str | Path, label: str | None, **options: Any) -> Self:
        """Read domains from files, each named by its file's stem.

        Parameters
        ----------
        source : sequence of paths
        target : path
        label : str or None
        **options
            As in the constructor.

        Returns
        -------
        Domains
        """
        stems = [Path(path).stem for path in source]
        names = stems if len({*stems, Path(target).stem}) == len(stems) + 1 else [str(path) for path in source]
        target_name = Path(target).stem if names is stems else str(target)
        if len(set(names)) < len(names):
            raise ValueError(f"the same source file is given twice: {', '.join(names)}")
        return cls(dict(zip(names, source, strict=True)), {target_name: target}, label=label, **options)

    def _align(self, tables: dict[str, Any], drop: Sequence[str], keep: Sequence[str]) -> dict[str, Any]:
        is_table = {title: isinstance(X, pd.DataFrame) for title, X in tables.items()}
        if any(is_table.values()):
            odd = [title for title, table in is_table.items() if not table]
            if odd:
                raise ValueError(
                    f"{odd[0]} is an array but other domains are tables with named columns; give all as tables or all as arrays"
                )
            return self._align_named(tables, drop, keep)
        target = list(tables)[-1]
        for title, X in tables.items():
            if X.shape[1] != tables[target].shape[1]:
                raise ValueError(
                    f"{title} has {X.shape[1]} columns but {target} has {tables[target].shape[1]}; they must be the same features"
                )
        self.kind = "sparse" if any(sparse.issparse(X) for X in tables.values()) else "dense"
        self.columns = [f"x{j}" for j in range(tables[target].shape[1])]
        for title, X in tables.items():
            checks.refuse_values(title, X, self.columns)
        return {title: sparse.csr_array(X) for title, X in tables.items()} if self.kind == "sparse" else tables

    def _align_named(
        self, tables: dict[str, pd.DataFrame], drop: Sequence[str], keep: Sequence[str]
    ) -> dict[str, pd.DataFrame]:
        everywhere = set().union(*(map(str, table.columns) for table in tables.values()))
        for column in (*drop, *keep):
            if column not in everywhere:
                raise ValueError(f"drop or keep names the column {column!r}, which no domain has")
        tables, findings = align_tables(
            {t: X.drop(columns=[c for c in X.columns if str(c) in drop]) for t, X in tables.items()}
        )
        self.findings = findings + identifiers(tables, keep)
        ids = {finding.column for finding in self.findings if finding.code == "id-like"}
        tables = {title: X.drop(columns=[*ids]) for title, X in tables.items()}
        for title, X in tables.items():
            checks.refuse_values(title, X, list(X.columns))
        self.findings += checks.missing_columns(tables)
        useless, constant = checks.constant_columns(tables, list(tables[title].columns))
        self.findings += constant
        self.kind, self.columns = "table", [c for c in tables[title].columns if c not in useless or c in keep]
        if not self.columns:
            raise ValueError(
                "no feature column is left after leaving out identifiers, constants and columns that are not shared"
            )
        return {title: X[self.columns] for title, X in tables.items()}

    def _labelled_rows(self, domain: Domain) -> Domain:
        missing = int((~domain.labelled).sum())
        if missing == len(domain.y):
            raise ValueError(f"{domain.title} has no labels; a source must be labelled")
        if not missing:
            return domain
        message = f"{missing} of {len(domain.y)} rows of {domain.title} have no label and are left out"
        self.findings.append(Finding("unlabelled-source", domain.title, None, message))
        rows = np.flatnonzero(domain.labelled)
        return Domain(domain.name, domain.role, _rows(domain.X, rows), domain.known, np.ones(len(rows), dtype=bool))

    def _check(self) -> None:
        tables = {domain.title: domain.X for domain in (*self.sources, self.target)}
        if self.kind != "table":
            self.findings += checks.constant_columns(tables, self.columns)[1]
        self.findings += checks.repeated_rows(tables, self.target.title)
        if self.task == "classification":
            self.findings += checks.class_findings({d.title: d.known for d in (*self.sources, self.target)})

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
        rows = np.arange(len(self.target.y)) if target_rows is None else np.asarray(target_rows, dtype=int)
        shown = self.target.labelled.copy()
        if labelled_rows is not None:
            shown[:] = False
            shown[np.asarray(labelled_rows, dtype=int)] = True
            shown &= self.target.labelled
        X = vstack([domain.X for domain in self.sources] + [_rows(self.target.X, rows)])
        y = np.concatenate([domain.y for domain in self.sources] + [self.target.y[rows]])
        visible = np.concatenate([np.ones(self.n_source, dtype=bool), shown[rows]])
        codes = np.repeat(np.arange(1, len(self.sources) + 1), [len(domain.y) for domain in self.sources])
        sample_domain = np.concatenate([codes, np.full(len(rows), -(len(self.sources) + 1))])
        return X, mask_labels(y, visible, self.task), sample_domain

    def split(self, values: Any, sample_domain: Any) -> dict[str, Any]:
        """Take stacked values apart again: the rows of each domain by name."""
        names = {i + 1: domain.name for i, domain in enumerate(self.sources)} | {-(len(self.sources) + 1): self.target.name}
        codes = np.asarray(sample_domain)
        return {name: _rows(values, np.flatnonzero(codes == code)) for code, name in names.items()}

    @property
    def n_source(self) -> int:
        """The number of source rows."""
        return sum(len(domain.y) for domain in self.sources)

    def fingerprint(self, domain: Domain) -> str:
        """A SHA-256 of a domain's columns, values and labels, the same on every machine."""
        digest = hashlib.sha256("\n".join(self.columns).encode())
        if isinstance(domain.X, pd.DataFrame):
            digest.update(pd.util.hash_pandas_object(domain.X, index=False).to_numpy().tobytes())
        elif sparse.issparse(domain.X):
            for part in (domain.X.data, domain.X.indices, domain.X.indptr):
                digest.update(np.ascontiguousarray(part).astype("<f8").tobytes())
        else:
            digest.update(np.ascontiguousarray(domain.X).astype("<f8").tobytes())
        digest.update("\n".join(map(str, domain.y.tolist())).encode())
        return digest.hexdigest()

    def __repr__(self) -> str:
        parts = [f"{d.title}: {len(d.y)} rows" for d in self.sources]
        parts.append(f"{self.target.title}: {len(self.target.y)} rows, {int(self.target.labelled.sum())} labelled")
        return f"Domains({self.task}; {'; '.join(parts)}; {len(self.columns)} columns)"


def _or_unknown(y: Array | None, n_rows: int) -> Array:
    return np.full(n_rows, np.nan) if y is None else y


def _named(data: Any, default: str) -> dict[str, Any]:
    if not isinstance(data, Mapping):
        return {default: data}
    if not data:
        raise ValueError(f"{default} names no domain; give at least one, for instance {default}={{'a': (X, y)}}")
    return {str(name): value for name, value in data.items()}


def _rows(X: Any, rows: Array) -> Any:
    return X.iloc[rows] if isinstance(X, pd.DataFrame | pd.Series) else X[rows]
