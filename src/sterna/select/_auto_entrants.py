"""Which strategies enter AutoTransfer's selection, over which base estimators."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from sterna.domains import Domains
from sterna.measures._situation import ASSUMED
from sterna.select._auto_race import Entrant
from sterna.select._candidates import FLOOR, assemble, named_estimator, select_strategies, takes_base

#: Families whose strategies also enter over a second base estimator: they fit it once or a few times.
QUICK = ("baselines", "align", "selftrain")
#: That base estimator, a smooth model beside lines and trees.
SECOND = "kernel"


def find_entrants(
    strategies: Any, domains: Domains, base: Any, kinds: Iterable[str], seed: int, *, kernel: bool
) -> tuple[list[Entrant], dict[str, str]]:
    """Those that suit by their facts, plain models first, then those that assume the kind of shift; and why the others do not.

    Parameters
    ----------
    strategies : iterable, mapping, "all" or None
        As in `select_strategies`.
    domains : Domains
    base : estimator
    kinds : iterable of str
        Of the shift.
    seed : int
    kernel : bool
        Whether those of quick families also enter over a kernel model.

    Returns
    -------
    entrants : list of Entrant
    skipped : dict of str to reason
    """
    chosen, skipped = select_strategies(strategies, domains, base)
    assumed = {ASSUMED.get(kind, kind) for kind in kinds}
    plain = {name for name, strategy in chosen.items() if strategy.family == "baselines"}
    order = sorted(chosen, key=lambda name: (name not in plain, not assumed & set(chosen[name].assumes)))
    make = functools.partial(assemble, kind=domains.kind, seed=seed)
    found = [Entrant(name, make(chosen[name], base), name in plain) for name in order if name != FLOOR]
    if kernel:
        second = named_estimator(SECOND, domains.task)
        found += [
            Entrant(f"{name} ({SECOND})", make(chosen[name], second), name in plain)
            for name in order
            if name != FLOOR and chosen[name].family in QUICK and takes_base(chosen[name])
        ]
    return found, skipped
