"""The comparison, its statistics, and the verdict on negative transfer."""

from sterna.verdict._compare import compare
from sterna.verdict._comparison import Comparison
from sterna.verdict._single import fit_strategy, predict_file
from sterna.verdict._statistics import Interval, compare_paired
from sterna.verdict._words import Verdict

__all__ = ["Comparison", "Interval", "Verdict", "compare", "compare_paired", "fit_strategy", "predict_file"]
