"""The space of a search: parameter names to Optuna's distributions, and what was suggested back to values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import has_fit_parameter

#: What Optuna stores as it is; other choices are stored by what they are written as.
_PLAIN = (bool, int, float, str, type(None))


@dataclass(frozen=True)
class Space:
    """What may be tried.

    Attributes
    ----------
    distributions : dict of str to optuna distribution
        By parameter name, in the order of the names.
    choices : dict of str to dict of str to value
        Of the parameters whose choices are no plain values: the choice by what it is stored as.
    """

    distributions: dict[str, Any]
    choices: dict[str, dict[str, Any]]

    def values(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters of a trial as the estimator takes them."""
        return {name: self.choices[name][stored[name]] if name in self.choices else stored[name] for name in stored}

    @property
    def n_points(self) -> float:
        """The number of different parameters there are; infinite where one is continuous."""
        return math.prod(_n_values(distribution) for distribution in self.distributions.values())

    def described(self) -> dict[str, str]:
        """The distributions as text, to tell spaces apart."""
        return {name: repr(distribution) for name, distribution in self.distributions.items()}

    def suggest(self, trial: Any, name: str) -> None:
        """Have a trial draw one parameter, unless it holds it already."""
        d = self.distributions[name]
        if hasattr(d, "choices"):
            trial.suggest_categorical(name, d.choices)
        elif isinstance(d.low, int):
            trial.suggest_int(name, d.low, d.high, step=d.step, log=d.log)
        else:
            trial.suggest_float(name, d.low, d.high, step=d.step, log=d.log)


def require_strategy(estimator: Any) -> None:
    """Refuse what cannot be fitted over stacked domains."""
    if not has_fit_parameter(estimator, "sample_domain"):
        name = type(estimator).__name__
        raise TypeError(
            f"estimator is a {name}, whose fit takes no sample_domain; give a strategy, for instance sterna.baselines.Pooled({name}()), "
            "or a pipeline by sterna.make_pipeline"
        )


def read_space(space: Any, estimator: Any) -> Space:
    """Check a space against the parameters of the estimator.

    Parameters
    ----------
    space : mapping of str to optuna distribution or sequence of choices
    estimator : estimator

    Returns
    -------
    Space
    """
    from optuna.distributions import BaseDistribution, CategoricalDistribution

    if not isinstance(space, Mapping) or not space:
        raise ValueError(f"space is {space!r}; give a dict of parameter names to lists of choices or Optuna's distributions")
    _refuse_unknown(space, estimator)
    distributions: dict[str, Any] = {}
    choices: dict[str, dict[str, Any]] = {}
    for name in sorted(space):
        given = space[name]
        if isinstance(given, BaseDistribution):
            distributions[name] = given
            continue
        labelled = _labelled(name, given)
        distributions[name] = CategoricalDistribution(tuple(labelled))
        if any(label is not value for label, value in labelled.items()):
            choices[name] = labelled
    return Space(distributions, choices)


def _refuse_unknown(space: Mapping[str, Any], estimator: Any) -> None:
    known = estimator.get_params(deep=True)
    for name in space:
        # the parameters of a part that is itself chosen are not there yet
        chosen = isinstance(name, str) and any(name.startswith(f"{other}__") for other in space)
        if name not in known and not chosen:
            unset = [
                part for part in ("estimator", "training") if known.get(part, 0) is None and str(name).startswith(f"{part}__")
            ]
            hint = f"; {unset[0]} is None: give one to search over its parameters" if unset else ""
            raise ValueError(
                f"space names {name!r}, which is no parameter of {type(estimator).__name__}; allowed are {', '.join(sorted(known))}{hint}"
            )


def _labelled(name: str, given: Any) -> dict[Any, Any]:
    """The choices of a parameter by what they are stored as."""
    if isinstance(given, np.ndarray) and given.ndim == 1:
        given = given.tolist()
    if not isinstance(given, list | tuple) or not given:
        raise ValueError(
            f"space gives {given!r} for {name!r}; give a list of choices, or a distribution such as "
            "optuna.distributions.FloatDistribution(1e-3, 1e3, log=True)"
        )
    values = [value.item() if isinstance(value, np.generic) else value for value in given]
    plain = all(isinstance(value, _PLAIN) for value in values)
    labels = values if plain else [text_of(value) for value in values]
    for i, label in enumerate(labels):
        if label in labels[:i]:
            raise ValueError(f"space lists {label!r} twice for {name!r}; give each choice once")
    return dict(zip(labels, values, strict=True))


def _n_values(distribution: Any) -> float:
    if hasattr(distribution, "choices"):
        return len(distribution.choices)
    if distribution.low == distribution.high:
        return 1
    if distribution.step is None:
        return math.inf
    return math.floor((distribution.high - distribution.low) / distribution.step + 1e-9) + 1


def text_of(value: Any) -> str:
    """What a value is written as, without the addresses of objects."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))
