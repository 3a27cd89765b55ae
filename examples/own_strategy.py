"""Your own strategy takes part in a comparison: 20 lines, no registration.

python examples/own_strategy.py
"""

import numpy as np

import sterna
from sterna.base import TransferEstimator


class ScaleMatch(TransferEstimator):
    """Give each source column the mean and the spread that it has in the target."""

    family = "mine"
    reference = "folklore"
    assumes = ("subspace",)
    accepts_sparse = False

    def __init__(self, estimator=None):
        self.estimator = estimator

    def _fit_domains(self, data):
        self.source_ = self._moments(data.X_source)
        self.target_ = self._moments(data.X_target)
        self.health_["largest_scale"] = float(np.max(self.target_[1] / self.source_[1]))
        # the labelled target rows are added there
        self._fit_final(self._map_source(data.X_source), data)

    def _moments(self, X):
        return X.mean(axis=0), X.std(axis=0) + 1e-9

    def _map_source(self, X):
        return (X - self.source_[0]) / self.source_[1] * self.target_[1] + self.target_[0]


def main():
    """A recalibrated sensor: the source has other units and another zero."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(800, 20))
    y = np.where(X @ rng.normal(size=20) > 0, "fault", "fine")
    labels = np.where(np.arange(200) < 60, y[600:], None)
    domains = sterna.Domains(
        source={"old sensor": (X[:600] * 10 + 40, y[:600])},
        target={"new sensor": (X[600:], labels)},
    )
    options = {"estimator": "linear", "n_repeats": 1, "n_jobs": 1}
    comparison = sterna.compare(domains, strategies=[ScaleMatch(), "CORAL"], **options)
    shown = ["family", "accuracy", "difference", "verdict", "adaptation"]
    print(comparison.table()[shown].round(3).to_string())
    print(comparison.verdict.sentence)
    print(comparison.adaptation.sentence)


if __name__ == "__main__":
    main()
