"""Columns of free text, which are no categories."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.api import types

from sterna.domains._stack import evenly_spread

#: Free text has so many words a value on average; names, addresses and categories mostly have fewer.
_WORDS = 4
#: And at least this share of its values differ.
_DIFFERENT = 0.5
#: Values whose words are counted.
_LOOKED_AT = 1000


def free_text(column: str, parts: list[pd.Series], left_out: bool) -> str | None:
    """Say that a column holds free text and what to do, or None where it does not.

    Parameters
    ----------
    column : str
    parts : list of Series
        The column in each domain.
    left_out : bool
        Whether the column is left out; otherwise it is taken as categories.

    Returns
    -------
    str or None
    """
    if types.is_numeric_dtype(parts[0]):
        return None
    texts = pd.concat(parts).dropna()
    looked_at = texts.iloc[evenly_spread(len(texts), _LOOKED_AT)].tolist()
    n_words = np.mean([len(text.split()) for text in looked_at]) if looked_at else 0
    n_different = texts.nunique() if n_words >= _WORDS else 0
    if len(texts) < 20 or n_different < _DIFFERENT * len(texts):
        return None
    fate = "left out" if left_out else "taken as categories"
    return (
        f"column {column!r} holds free text ({n_different} different values in {len(texts)} rows, {n_words:.0f} words each on "
        f"average); it is {fate}; name it as text={column!r} (on the command line: --text), or drop it"
    )
