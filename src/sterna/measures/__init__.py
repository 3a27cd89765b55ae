"""How far the domains are apart, and in what way."""

from sterna.measures._column_drift import column_drift
from sterna.measures._domain_auc import domain_auc
from sterna.measures._label_shift import label_shift
from sterna.measures._measure import Measurement, measure
from sterna.measures._mmd import mmd
from sterna.measures._overlap import overlap
from sterna.measures._situation import allowed_strategies

__all__ = ["Measurement", "allowed_strategies", "column_drift", "domain_auc", "label_shift", "measure", "mmd", "overlap"]
