"""Values of rows' columns as text."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

_VALUE = 200  # characters


def value_text(value: Any) -> str:
    """A value as a page shows it.

    Examples
    --------
    >>> value_text(0.123456789), value_text(pd.Timestamp("2024-02-01")), value_text(None)
    ('0.123457', '2024-02-01', '–')
    """
    if missing(value):
        return "–"
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    if isinstance(value, pd.Timestamp):
        return value.isoformat(" ").removesuffix(" 00:00:00")
    return cut(" ".join(str(value).split()), _VALUE)


def text_of(columns: pd.DataFrame | None, text: Sequence[str], position: int, most: int) -> str:
    """The content of a row, up to a number of characters; '' where no column holds it.

    Parameters
    ----------
    columns : DataFrame or None
        Of the rows.
    text : sequence of str
        Columns whose role is text; the first counts.
    position : int
    most : int
    """
    if columns is None or not text or text[0] not in columns:
        return ""
    value = columns[text[0]].iat[position]
    return "" if missing(value) else cut(str(value), most)


def cut(text: str, most: int) -> str:
    """Shorten a text to this many characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def missing(value: Any) -> bool:
    """Whether a cell holds nothing."""
    return value is None or value is pd.NaT or value != value
