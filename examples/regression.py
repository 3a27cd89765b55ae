"""Regression, with and without target labels: the progression of diabetes in patients of 55 and older, from younger ones.

python examples/regression.py
"""

import sterna
from sterna.datasets import load_diabetes_by_age


def main():
    """First with 60 target labels, then with none: nothing can be proved then, and it is said so."""
    options = {"strategies": ["CORAL"], "estimator": "linear", "n_repeats": 1, "n_jobs": 1, "with_measure": False}
    for n_labelled in (60, 0):
        domains = load_diabetes_by_age(n_labelled)
        comparison = sterna.compare(domains, **options)
        print(f"{n_labelled} labels: {comparison.verdict.word}. {comparison.verdict.sentence}")
        print(f"model: {comparison.summary['best']['reason']}")
        print(f"first predictions: {comparison.best_estimator_.predict(domains.target.X[:3]).round(1)}\n")


if __name__ == "__main__":
    main()
