"""WassersteinBarycenterTransport: average the sources class by class, then carry the average to the target."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from sterna.domains._stack import Array, DomainData
from sterna.multisource._experts import members
from sterna.transport import OTMapping
from sterna.transport._problem import within_scale


class WassersteinBarycenterTransport(OTMapping):
    """Wasserstein barycentre transport: the barycentre of each class over the sources, carried to the target as one source.

    When to use it: several sources, each shifted or deformed in its own way, of which none alone resembles the target; the average
    of all is a cleaner source than the rows of all on one heap. When it cannot help: the sources follow different rules (labels
    are trusted: compare with `StackedExperts`), the class shares of the target differ much, or P(y | x) itself changed.

    Parameters
    ----------
    estimator : estimator, default=None
        The base estimator, a classifier; None is `LogisticRegression(max_iter=1000)`.
    support_size : int, default=500
        Rows of the barycentre over all classes, at most as many as the mean source has; one a class at least.
    max_iter : int, default=20
        Rounds of transport a class at most.
    solver : {"auto", "class-regularised", "sinkhorn", "emd", "group-lasso"}, default="auto"
        Of the transport to the target, as in `OTMapping`; "auto" is "class-regularised".
    entropic_regularization, class_regularization : float or "auto", default="auto"
        As in `OTMapping`.
    standardize : bool, default=True
        Measure distances with each feature over its standard deviation within domains. False where all share a unit.
    batch_size : int, "auto" or None, default="auto"
        Of the transport to the target, as in `OTMapping`.
    random_state : int, RandomState instance or None, default=None
        Draws the rows that the barycentres start from and are computed of, and the mini-batches.

    Attributes
    ----------
    barycenter_ : ndarray of shape (n_support, n_features)
    barycenter_labels_ : ndarray of shape (n_support,)
    carried_ : ndarray of shape (n_support, n_features)
        The barycentre after transport.
    source_ : ndarray of shape (n_support, n_features)
        The same as `barycenter_`.
    scale_ : ndarray of shape (n_features,)
        What features are divided by in the cost of the transport to the target.
    n_iter_ : int
        The most rounds of any class.
    estimator_ : estimator
    classes_ : ndarray of shape (n_classes,)
    health_ : dict
        `n_sources`; `n_support`; `n_iter`; `barycenter_converged`, whether atoms moved by less than 0.001 of the data's spread in
        the last round (a barycentre of samples may go on moving a little, without harm); and those of `OTMapping`.

    Notes
    -----
    The barycentre of class c minimises sum_k W_2^2(B, P_k(x | c)) / K_c over B of m_c rows of equal mass, over the K_c sources
    that have the class; fixed-point rounds X <- mean_k m_c T_k X_k with exact plans T_k (Cuturi and Doucet 2014, algorithm 2
    with free support and a full step), from rows drawn of all sources. m_c follows the mean of the sources' class shares. At most
    2 m_c rows of a class and source are used, drawn at random. Then labels are those of the classes, and the barycentre is
    carried to the target by barycentric projection (`OTMapping`, with its use of labelled target rows).

    Departures: Montesuma and Mboula keep classes together by a cost between labels in one barycentre, which with a large cost and
    equal class shares is one barycentre a class; transport to the target is class-regularised by default, and costs are
    standardised. Target rows stay as they are, so rows never seen need no map; source rows take the displacement of the
    nearest row of the barycentre. With targets of more than 4 million / `support_size` rows only a random 1000 or so of them
    enter the plan.

    Cost: K n_classes max_iter exact plans of m_c by 2 m_c rows, whatever n; memory O(support_size n_target) at most 2000^2.

    References
    ----------
    E. Montesuma, F. N. Mboula (2021), Wasserstein barycenter for multi-source domain adaptation, CVPR.
    M. Cuturi, A. Doucet (2014), Fast computation of Wasserstein barycenters, ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from sterna.multisource import WassersteinBarycenterTransport
    >>> rng = np.random.default_rng(0)
    >>> y = np.tile([0, 1], 90)
    >>> domain = np.repeat([1, 2, -3], 60)
    >>> X = np.array([[0.0, 0.0], [4.0, 0.0]])[y] + rng.normal(size=(180, 2))
    >>> X += np.array([[3.0, 0.0], [0.0, 0.0], [-3.0, 0.0], [-5.0, 5.0]])[np.select([domain == 1, domain == 2], [0, 2], 3)]
    >>> labels = np.where(domain > 0, y, -1)
    >>> model = WassersteinBarycenterTransport(random_state=0).fit(X, labels, sample_domain=domain)
    >>> bool(model.score(X[domain < 0], y[domain < 0]) > 0.9)
    True
    """

    compared_by_default = False
    family = "multisource"
    reference = "Montesuma and Mboula 2021"
    tasks = ("classification",)
    needs = frozenset({"source data", "target data", "several sources"})

    # OTMapping has them as parameters; here they are its defaults
    laplacian_regularization = 0.5
    marginal_relaxation = 1.0
    cost_normalization = "median"

    _parameter_constraints = {
        **{
            name: allowed
            for name, allowed in OTMapping._parameter_constraints.items()
            if name not in ("laplacian_regularization", "marginal_relaxation", "cost_normalization", "rank")
        },
        "support_size": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "solver": [StrOptions({"auto", "class-regularised", "sinkhorn", "emd", "group-lasso"})],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        support_size: int = 500,
        max_iter: int = 20,
        solver: str = "auto",
        entropic_regularization: float | str = "auto",
        class_regularization: float | str = "auto",
        standardize: bool = True,
        batch_size: int | str | None = "auto",
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.support_size = support_size
        self.max_iter = max_iter
        self.solver = solver
        self.entropic_regularization = entropic_regularization
        self.class_regularization = class_regularization
        self.standardize = standardize
        self.batch_size = batch_size
        self.random_state = random_state

    def _fit_plain(self, X: Any, y: Array) -> None:
        super()._fit_plain(X, y)
        self.n_iter_ = 1

    def _fit_domains(self, data: DomainData) -> None:
        rng = check_random_state(self.random_state)
        groups = list(members(data).values())
        scale = within_scale(data) if self.standardize else np.ones(data.X_source.shape[1])
        sizes = self._sizes(data, groups)
        parts, rounds, still = [], [], []
        for label, size in sizes.items():
            clouds = [data.X_source[rows[data.y_source[rows] == label]] / scale for rows in groups]
            atoms, n_iter, step = class_barycenter([cloud for cloud in clouds if len(cloud)], size, self.max_iter, rng)
            parts.append(atoms * scale)
            rounds.append(n_iter)
            still.append(step < 1e-3 * np.sqrt(data.X_source.shape[1]))
        self.barycenter_ = np.concatenate(parts).astype(np.result_type(data.X_source.dtype, np.float32))
        self.barycenter_labels_ = np.repeat(np.array(list(sizes)), list(sizes.values()))
        self.n_iter_ = max(rounds)
        self.health_ |= {
            "n_sources": len(groups),
            "n_support": len(self.barycenter_),
            "n_iter": self.n_iter_,
            "barycenter_converged": all(still),
        }
        ids = np.ones(len(self.barycenter_), dtype=np.int64)
        super()._fit_domains(replace(data, X_source=self.barycenter_, y_source=self.barycenter_labels_, source_ids=ids))

    def _sizes(self, data: DomainData, groups: list[Array]) -> dict[Any, int]:
        """How many rows of the barycentre each class of the sources gets."""
        classes = np.unique(data.y_source)
        total = min(self.support_size, round(len(data.y_source) / len(groups)))
        shares = np.mean([(data.y_source[rows, None] == classes).mean(axis=0) for rows in groups], axis=0)
        return {label: max(1, round(total * share)) for label, share in zip(classes, shares, strict=True)}


def class_barycenter(clouds: list[Array], size: int, max_iter: int, rng: np.random.RandomState) -> tuple[Array, int, float]:
    """The free-support Wasserstein barycentre of clouds of rows, all of equal weight.

    Parameters
    ----------
    clouds : list of ndarray of shape (n_rows, n_features)
    size : int
        The number of its rows.
    max_iter : int
    rng : RandomState

    Returns
    -------
    atoms : ndarray of shape (size, n_features), n_iter : int, step : float
        The root mean square move of a row in the last round.
    """
    import ot

    clouds = [np.asarray(cloud[rng.permutation(len(cloud))[: 2 * size]], dtype=np.float64) for cloud in clouds]
    heap = np.concatenate(clouds)
    center = heap.mean(axis=0)  # squared distances lose digits far from 0
    start = heap[rng.choice(len(heap), size, replace=size > len(heap))] - center
    evenly = [np.full(len(cloud), 1 / len(cloud)) for cloud in clouds]
    atoms, log = ot.lp.free_support_barycenter(
        [cloud - center for cloud in clouds], evenly, start, numItermax=max_iter, stopThr=1e-6 * size, log=True
    )
    moves = log["displacement_square_norms"]
    return atoms + center, len(moves), float(np.sqrt(moves[-1] / size))
