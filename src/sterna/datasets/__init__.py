"""Data to try things on: real sets that come with scikit-learn, split into domains along something that really differs."""

from sterna.datasets._bundled import load_diabetes_by_age, load_digits_by_stroke

__all__ = ["load_diabetes_by_age", "load_digits_by_stroke"]
