"""What the benchmarks share: strategies by name, and means with intervals."""

from __future__ import annotations

import numpy as np
from scipy import stats

import sterna


def takes_base(name):
    """Whether a strategy is fitted on top of a base estimator."""
    return "estimator" in sterna.all_strategies(deep=False)[name]().get_params(deep=False)


def strategy_named(name, base=None, seed=0):
    """The strategy of this name at its defaults, with a base estimator and a seed where it takes them."""
    strategy = sterna.all_strategies(deep=False)[name]()
    known = strategy.get_params(deep=False)
    given = {"estimator": base, "random_state": seed}
    return strategy.set_params(**{key: value for key, value in given.items() if key in known and value is not None})


def interval(values, form=".1f"):
    """The mean and its 95 % interval by Student's t, as text; of one value there is no interval."""
    mean = np.mean(values)
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{mean:{form}} [{mean - half:{form}}, {mean + half:{form}}]"
