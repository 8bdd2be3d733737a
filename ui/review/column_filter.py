"""Cards of rows with one kind of issue, or one value of a column: a site, an annotator."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from ui.review import issue_list
from ui.review.data import Case
from ui.shell import theme
from wann_core.audit.metadata import slices_of
from wann_core.typing import Array

COLUMN, VALUE = "review_column", "review_value"
KEYS = (COLUMN, VALUE, issue_list.KEY)
_MOST_VALUES = 1_000


def draw(case: Case, changed: Callable[[], None]) -> None:
    """Draw the choices of an issue, a column and a value, as far as there are any."""
    issue_list.draw(case, changed)
    columns = case.data.columns
    if columns is None:
        return
    column = st.selectbox(
        "Column",
        [str(name) for name in columns],
        None,
        key=COLUMN,
        placeholder="any",
        on_change=_forget_value,
        args=(changed,),
        persist_state="session",
    )
    if column is None:
        return
    values = _values(columns, column)
    offered = values[:_MOST_VALUES]
    known = st.session_state.get(VALUE)
    if known is not None and known not in values:
        st.session_state[VALUE] = None
    elif known is not None and known not in offered:
        # Chosen in the table of causes.
        offered.append(known)
    st.selectbox(
        f"Value of {theme.plain(column)}",
        offered,
        None,
        key=VALUE,
        placeholder="any",
        on_change=changed,
        persist_state="session",
        help="Numbers and dates are in ranges."
        if len(values) <= _MOST_VALUES
        else f"The {_MOST_VALUES:,} commonest of {len(values):,}.",
    )


def asked() -> tuple[Any, ...]:
    """What is chosen, for the key of a list."""
    return tuple(st.session_state.get(key) for key in KEYS)


def mask(case: Case) -> Array:
    """Which rows have the chosen value and issue; all where none is chosen."""
    column, value, _ = asked()
    columns, kept = case.data.columns, issue_list.mask(case)
    if column is None or value is None or columns is None or column not in columns:
        return kept
    return np.asarray(kept & _texts(columns, column).eq(value).fillna(False).to_numpy(bool))


def _texts(columns: pd.DataFrame, column: str) -> "pd.Series[Any]":
    """The column's parts as the choice names them."""
    return slices_of(columns[column]).map(str, na_action="ignore")


def _values(columns: pd.DataFrame, column: str) -> list[str]:
    """All values, the commonest first."""
    return [str(value) for value in _texts(columns, column).value_counts().index]


def _forget_value(changed: Callable[[], None]) -> None:
    st.session_state[VALUE] = None
    changed()
