"""Marginalised stacked denoising autoencoder: features that make up for those that were blanked out."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array, hstack, issparse
from sklearn.base import is_classifier
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import Interval

from sterna.align._base import Aligner
from sterna.align._scale import scaled
from sterna.align._spectrum import pooled_deviation
from sterna.domains._stack import Array, DomainData

_BLOCK = 4_000_000  # hidden values computed at once
_RIDGE = 1e-5  # of the published code, here relative to each entry of the diagonal
_PROBABILITIES = (0.5, 0.6, 0.7, 0.8, 0.9)  # tried where the noise is chosen by cross-validation
_MAX_LAYERS = 5


class MSDA(Aligner):
    """Marginalised stacked denoising autoencoder: learn, without labels, to restore features that were set to zero.

    A feature that only the source has is thus written in terms of those that both domains have. Each layer is linear with a
    tanh, found in closed form as if every row had been corrupted infinitely often; the base estimator sees the input and all
    layers.

    When to use it: many sparse features that stand in for each other (words, n-grams, codes), many unlabelled rows, and a
    linear base estimator. When it cannot help: few features, or features that say nothing about each other; the relation
    between features and label differs.

    Parameters
    ----------
    estimator : estimator, default=None
        The base estimator; None is `LogisticRegression(max_iter=1000)`. With more columns than rows its penalty matters:
        choose it by cross-validation on the source.
    noise_probability : float, default=0.5
        With which each feature is set to zero. None: chosen from 0.5, 0.6, ..., 0.9 by cross-validation of the base estimator
        on the source's labels.
    n_layers : int, default=5
        None: chosen from 1 to 5 in the same way.
    n_pivots : int, default=1000
        Outputs of a layer. With more features than that, the `n_pivots` features that are non-zero most often are restored
        from random subsets of about as many features each, and these restorations are averaged.
    keep_input : bool, default=True
        Whether the base estimator also sees the (scaled) input. Without it the result is dense.
    align_mean : bool, default=True
        Restore features within each domain and give every layer the same mean in both, see Notes. False: the paper's form.
    standardize : bool, default=True
        Dense rows: centre every feature (with `align_mean`, by its domain's mean) and divide it by its standard deviation.
        Sparse rows: divide it by the root mean square of its entries that are not zero, so that 0/1 indicators stay as they
        are.
    random_state : int, RandomState instance or None, default=None
        Of the choice of subsets, and of the pivots among features that are non-zero equally often.

    Attributes
    ----------
    components_ : list of ndarray of shape (n_inputs, n_outputs)
        The maps of the layers; of the first, with subsets: their average.
    source_intercepts_, target_intercepts_ : list of ndarray of shape (n_outputs,)
        Equal without `align_mean`.
    pivots_ : ndarray of int of shape (n_outputs,)
        The features that the first layer restores.
    noise_probability_ : float
    source_mean_, target_mean_, scale_ : ndarray of shape (n_features,)
        Taken off the rows, which are then divided by `scale_`; zero for sparse rows.
    estimator_ : estimator
    classes_ : ndarray of shape (n_classes,)
        Classifiers only.
    health_ : dict
        `n_layers`, `noise_probability`, `n_subsets`; `restored`: the share of the pivots' mean square over up to 1000 target
        rows that the first layer (before tanh) restores without noise.

    Notes
    -----
    The minimiser of E ||x - W x~||^2 is W = E[P] E[Q]^-1, x~ being x with a constant 1 that is never corrupted:
    S = X^T X, q = (1 - p, ..., 1 - p, 1), E[P]_ij = S_ij q_j, E[Q]_ij = S_ij q_i q_j and E[Q]_ii = S_ii q_i. A layer gives
    tanh(W h). Many features: the paper's form for high-dimensional data, with one random partition of the features as
    subsets. The default noise and depth are those of the features that Ganin et al. (2016) call mSDA; the paper chooses both
    on the source, as None does. All source and target rows are used alike, several sources as one; labels are not.

    What differs most within the stack is often the domain itself; layer by layer a map that restores the domain is all that
    is left. So with `align_mean` each domain has its own constant (W then restores deviations from the domain's mean), and the
    outputs are moved to a common mean before tanh. This assumes that the class shares are about the same.

    Departures: this one; features are scaled, the ridge of 1e-5 is relative to the diagonal, hidden values are float32. With
    sparse rows the first layer costs sparse products only and the result is a sparse matrix whose hidden part is full. New
    rows are mapped as training rows are. Time O(n d m) for the first layer, O(n m^2 + m^3) for each other, m outputs; memory: 4 n m bytes
    beside the rows while the maps are learned, 4 d m for the first map, and 4 n m bytes a layer (8 if sparse) for the result.

    References
    ----------
    M. Chen, Z. Xu, K. Q. Weinberger, F. Sha (2012), Marginalized denoising autoencoders for domain adaptation, ICML.
    Y. Ganin et al. (2016), Domain-adversarial training of neural networks, JMLR 17(59).

    Examples
    --------
    Each domain has words of its own; few are shared:

    >>> import numpy as np
    >>> from sterna.align import MSDA
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(2, size=800)
    >>> X = (rng.random((800, 66)) < np.where(y[:, None] == 1, 0.35, 0.15)).astype(float)
    >>> X[:400, :30] = X[400:, 30:60] = 0
    >>> model = MSDA(n_layers=3).fit(X, np.r_[y[:400], np.full(400, -1)], sample_domain=np.repeat([1, -2], 400))
    >>> model.score(X[400:], y[400:]) > 0.7
    True
    """

    reference = "Chen, Xu, Weinberger and Sha 2012"
    assumes = ("covariate", "subspace")
    accepts_sparse = True

    _parameter_constraints = {
        **Aligner._parameter_constraints,
        "noise_probability": [Interval(Real, 0, 1, closed="neither"), None],
        "n_layers": [Interval(Integral, 1, None, closed="left"), None],
        "n_pivots": [Interval(Integral, 1, None, closed="left")],
        "keep_input": ["boolean"],
        "align_mean": ["boolean"],
        "standardize": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        noise_probability: float | None = 0.5,
        n_layers: int | None = 5,
        n_pivots: int = 1000,
        keep_input: bool = True,
        align_mean: bool = True,
        standardize: bool = True,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.noise_probability = noise_probability
        self.n_layers = n_layers
        self.n_pivots = n_pivots
        self.keep_input = keep_input
        self.align_mean = align_mean
        self.standardize = standardize
        self.random_state = random_state

    def _align(self, data: DomainData) -> None:
        rng = check_random_state(self.random_state)
        self._learn_scale(data)
        subsets = self._choose_subsets(data, rng)
        parts = [scaled(data.X_source, self.source_mean_, self.scale_), scaled(data.X_target, self.target_mean_, self.scale_)]
        probability, n_layers = self.noise_probability, self.n_layers
        if probability is None or n_layers is None:
            probability, n_layers = self._choose(parts, subsets, data.y_source, rng)
        self.noise_probability_ = float(probability)
        self._learn_layers(parts, subsets, self.noise_probability_, n_layers)
        self.health_.update(n_layers=n_layers, noise_probability=self.noise_probability_, n_subsets=len(subsets))
        self.health_["restored"] = self._restored(parts[1][:1000])

    def _choose(self, parts: list[Any], subsets: list[Array], y: Array, rng: np.random.RandomState) -> tuple[float, int]:
        """The noise and depth with the best cross-validated score on the source; the first of equals."""
        probabilities = _PROBABILITIES if self.noise_probability is None else (self.noise_probability,)
        depths = range(1, _MAX_LAYERS + 1) if self.n_layers is None else (self.n_layers,)
        folds = _folds(y, is_classifier(self), rng)
        best = -np.inf, probabilities[0], max(depths)
        for probability in probabilities if folds is not None else ():
            self._learn_layers(parts, subsets, probability, max(depths))
            hidden = list(self._hidden(parts[0], self.source_intercepts_))
            for depth in depths:
                joined = self._joined(parts[0], hidden[:depth])
                score = float(np.mean(cross_val_score(self._base_estimator(), joined, y, cv=folds)))
                best = max(best, (score, probability, depth), key=lambda found: found[0])
        return best[1], best[2]

    def _learn_scale(self, data: DomainData) -> None:
        """Sets the means and scale_; sparse rows are not centred."""
        d = data.X_source.shape[1]
        self.source_mean_, self.target_mean_, self.scale_ = np.zeros(d), np.zeros(d), np.ones(d)
        if not self.standardize:
            return
        if not issparse(data.X_source):
            self.source_mean_, self.scale_ = pooled_deviation(data.X_source, data.X_target)
            self.target_mean_ = self.source_mean_
            if self.align_mean:
                self.source_mean_, self.target_mean_, self.scale_ = _within(data.X_source, data.X_target)
            return
        squares, counts = np.zeros(d), np.zeros(d)
        for X in (data.X_source, data.X_target):
            squares += np.bincount(X.indices, X.data.astype(np.float64) ** 2, minlength=d)
            counts += np.bincount(X.indices, X.data != 0, minlength=d)
        self.scale_ = np.sqrt(np.divide(squares, counts, out=np.ones(d), where=squares > 0))

    def _choose_subsets(self, data: DomainData, rng: np.random.RandomState) -> list[Array]:
        """A random partition of the features, one part while there are no more than `n_pivots`; sets pivots_."""
        d = data.X_source.shape[1]
        counts = np.sum([np.asarray((X != 0).sum(axis=0)).ravel() for X in (data.X_source, data.X_target)], axis=0)
        order = rng.permutation(d)
        self.pivots_ = np.sort(order[np.argsort(-counts[order], kind="stable")[: self.n_pivots]])
        return [np.sort(part) for part in np.array_split(order, -(-d // self.n_pivots))]

    def _learn_layers(self, parts: list[Any], subsets: list[Array], probability: float, n_layers: int) -> None:
        """Sets components_ and the intercepts; the hidden rows of one layer are held at a time."""
        first = np.empty((parts[0].shape[1], len(self.pivots_)), dtype=np.float32)
        intercepts = np.zeros((2, len(self.pivots_)))
        for subset in subsets:
            W, b = self._layer(parts, subset, self.pivots_, probability)
            first[subset] = W / len(subsets)
            intercepts += b / len(subsets)
        self.components_ = [first]
        self.source_intercepts_, self.target_intercepts_ = ([b.astype(np.float32)] for b in intercepts)
        hidden = [self._forward(X, 0, b) for X, b in zip(parts, self._intercepts(), strict=True)]
        every = np.arange(len(self.pivots_))
        for layer in range(1, n_layers):
            W, intercepts = self._layer(hidden, every, every, probability)
            self.components_.append(W.astype(np.float32))
            for b, kept in zip(intercepts, self._intercepts(), strict=True):
                kept.append(b.astype(np.float32))
            if layer < n_layers - 1:
                for H, kept in zip(hidden, self._intercepts(), strict=True):
                    self._forward(H, layer, kept, out=H)

    def _intercepts(self) -> tuple[list[Array], list[Array]]:
        return self.source_intercepts_, self.target_intercepts_

    def _layer(self, parts: list[Any], inputs: Array, outputs: Array, probability: float) -> tuple[Array, Array]:
        """The map of a layer, shape (n_inputs, n_outputs), and its intercepts in source and target, (2, n_outputs)."""
        sizes = np.array([X.shape[0] for X in parts])
        scatter, cross, sums, output_sums = _moments(parts, inputs, outputs)
        if not self.align_mean:
            sums, output_sums = (total.sum(axis=1, keepdims=True) for total in (sums, output_sums))
            W, b = denoising_map(scatter, cross, sums, output_sums, sizes.sum(keepdims=True), probability)
            return W, np.repeat(b, 2, axis=0)
        W, b = denoising_map(scatter, cross, sums, output_sums, sizes, probability)
        shifts = (sums / sizes).T @ W  # (2, n_outputs)
        return W, sizes / sizes.sum() @ (shifts + b) - shifts

    def _forward(self, X: Any, layer: int, intercepts: list[Array], out: Array | None = None) -> Array:
        """The outputs of a layer, block by block, so that `out` may be `X`; shape (n_samples, n_outputs), float32."""
        W, b = self.components_[layer], intercepts[layer]
        result = np.empty((X.shape[0], len(b)), dtype=np.float32) if out is None else out
        for block in gen_batches(X.shape[0], max(1, _BLOCK // len(b))):
            result[block] = np.tanh(X[block].astype(np.float32) @ W + b)
        return result

    def _hidden(self, X: Any, intercepts: list[Array]) -> Iterator[Array]:
        for layer in range(len(intercepts)):
            X = self._forward(X, layer, intercepts)
            yield X

    def _joined(self, X: Any, hidden: list[Array]) -> Any:
        """The scaled input, if kept, beside the hidden layers, in the kind and precision of the input."""
        if not self.keep_input:
            return np.concatenate(hidden, axis=1, dtype=X.dtype)
        if issparse(X):
            return csr_array(hstack([X, *hidden], format="csr", dtype=X.dtype))
        return np.concatenate([X, *hidden], axis=1, dtype=X.dtype)

    def _restored(self, X: Any) -> float:
        pivots = X[:, self.pivots_].toarray() if issparse(X) else X[:, self.pivots_]
        total = float(np.sum(pivots.astype(np.float64) ** 2))
        error = float(np.sum((X @ self.components_[0] + self.target_intercepts_[0] - pivots) ** 2))
        return 1 - error / total if total else 1.0

    def _map_source(self, X: Any) -> Any:
        X = scaled(X, self.source_mean_, self.scale_)
        return self._joined(X, list(self._hidden(X, self.source_intercepts_)))

    def _map_target(self, X: Any) -> Any:
        X = scaled(X, self.target_mean_, self.scale_)
        return self._joined(X, list(self._hidden(X, self.target_intercepts_)))


def denoising_map(
    scatter: Array, cross: Array, sums: Array, output_sums: Array, sizes: Array, probability: float
) -> tuple[Array, Array]:
    """The linear map that restores outputs best from inputs each set to zero with this probability: E[Q]^-1 E[P]^T.

    Parameters
    ----------
    scatter : ndarray of shape (n_inputs, n_inputs)
        Sums over the rows of products of inputs.
    cross : ndarray of shape (n_inputs, n_outputs)
        The same of inputs and outputs.
    sums : ndarray of shape (n_inputs, n_groups)
        Sums of the inputs over each group of rows that has a constant of its own; the paper has one group.
    output_sums : ndarray of shape (n_outputs, n_groups)
    sizes : ndarray of shape (n_groups,)
    probability : float

    Returns
    -------
    weights : ndarray of shape (n_inputs, n_outputs)
    intercepts : ndarray of shape (n_groups, n_outputs)
    """
    kept, squares, k = 1 - probability, scatter.diagonal(), len(sums)
    Q = np.zeros((k + len(sizes), k + len(sizes)))
    np.multiply(scatter, kept**2, out=Q[:k, :k])
    Q[:k, k:], Q[k:, :k] = kept * sums, kept * sums.T
    # An input that is always zero has no say: any positive entry gives it the weight zero.
    np.fill_diagonal(Q, np.append(np.where(squares > 0, kept * squares * (1 + _RIDGE), 1.0), sizes))
    P = np.vstack([kept * cross, output_sums.T])
    solution = cho_solve(cho_factor(Q, lower=True, overwrite_a=True, check_finite=False), P, overwrite_b=True)
    return solution[:k], solution[k:]


def _moments(parts: list[Any], inputs: Array, outputs: Array) -> tuple[Array, Array, Array, Array]:
    """Sums over all rows of products of inputs, and of inputs and outputs; sums over each part of inputs, and of outputs."""
    scatter, cross = np.zeros((len(inputs), len(inputs))), np.zeros((len(inputs), len(outputs)))
    sums, output_sums = np.zeros((len(inputs), len(parts))), np.zeros((len(outputs), len(parts)))
    alike = np.array_equal(inputs, outputs)
    for i, X in enumerate(parts):
        for block in gen_batches(X.shape[0], max(1, _BLOCK // len(inputs))):
            Z, Y = X[block][:, inputs], X[block][:, outputs]
            scatter += (Z.T @ Z).toarray() if issparse(Z) else Z.T @ Z
            if not alike:
                cross += (Z.T @ Y).toarray() if issparse(Z) else Z.T @ Y
            sums[:, i] += Z.sum(axis=0, dtype=np.float64)
            output_sums[:, i] += Y.sum(axis=0, dtype=np.float64)
    return scatter, scatter if alike else cross, sums, output_sums


def _within(X_source: Array, X_target: Array) -> tuple[Array, Array, Array]:
    """The means of both domains, and the standard deviation about them; that of a constant feature is given as 1."""
    parts = (X_source, X_target)
    means = [X.mean(axis=0, dtype=np.float64) for X in parts]
    variance = sum(len(X) * X.var(axis=0, dtype=np.float64) for X in parts) / sum(map(len, parts))
    constant = np.sqrt(variance) <= 10 * np.finfo(np.float64).eps * np.maximum(*np.abs(means))
    return means[0], means[1], np.where(constant, 1.0, np.sqrt(variance))


def _folds(y: Array, classify: bool, rng: np.random.RandomState) -> KFold | StratifiedKFold | None:
    """Three folds; None where there are too few rows, or a class has."""
    if classify and min(np.unique(y, return_counts=True)[1]) >= 3:
        return StratifiedKFold(3, shuffle=True, random_state=rng)
    return KFold(3, shuffle=True, random_state=rng) if not classify and len(y) >= 9 else None
