"""The comparison, its statistics, and the verdict on negative transfer."""

from sterna.verdict._compare import compare
from sterna.verdict._comparison import Comparison
from sterna.verdict._metrics import METRICS, Metric, find_metric
from sterna.verdict._single import fit_strategy, predict_file
from sterna.verdict._statistics import Interval, compare_paired
from sterna.verdict._words import Verdict, amount, spelled_gap

__all__ = [
    "METRICS",
    "Comparison",
    "Interval",
    "Metric",
    "Verdict",
    "amount",
    "compare",
    "compare_paired",
    "find_metric",
    "fit_strategy",
    "predict_file",
    "spelled_gap",
]
