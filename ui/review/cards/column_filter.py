"""Cards of rows with a word, one kind of issue, or one value of a column: a site, an annotator."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from ui.pictures import chosen_rows
from ui.pictures.chosen_rows import ChosenRows
from ui.review.case import issue_list
from ui.review.case.data import Case
from ui.shell import theme
from ui.shell.sentences import counted
from wann_core.audit.metadata import slices_of
from wann_core.typing import Array

TEXT, COLUMN, VALUE = "review_text", "review_column", "review_value"
CHOSEN = "chosen"  # by which a link asks for the rows that were selected on another page
KEYS = (TEXT, COLUMN, VALUE, issue_list.KEY, CHOSEN)
_MOST_VALUES = 1_000


def word(changed: Callable[[], None]) -> None:
    """Draw the field of a word that rows must have."""
    st.text_input(
        "Row number, name or text",
        None,
        max_chars=100,
        key=TEXT,
        placeholder="any",
        on_change=changed,
        persist_state="session",
    )


def draw(case: Case, changed: Callable[[], None]) -> None:
    """Draw the choices of an issue, a column and a value, as far as there are any."""
    issue_list.draw(case, changed)
    _draw_chosen(case, changed)
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


def asked(case: Case) -> tuple[Any, ...]:
    """What is chosen, for the key of a list."""
    rows = _offered(case)
    of_map = () if rows is None else tuple(ids.tobytes() for ids in rows.rows.values())
    return *(st.session_state.get(key) for key in KEYS), hash(of_map)


def mask(case: Case) -> Array:
    """Which rows have the chosen word, value and issue; all where none is chosen."""
    column, value = (st.session_state.get(key) for key in (COLUMN, VALUE))
    columns, kept = case.data.columns, issue_list.mask(case)
    rows = _offered(case)
    if st.session_state.get(CHOSEN) and rows is not None:
        kept &= _chosen(case, rows)
    if word := (st.session_state.get(TEXT) or "").strip():
        kept &= _with_word(case, word)
    if column is None or value is None or columns is None or column not in columns:
        return kept
    return np.asarray(kept & _texts(columns, column).eq(value).fillna(False).to_numpy(bool))


def _with_word(case: Case, word: str) -> Array:
    """Which rows have this number, or the word in their name or text, in whatever case."""
    found = [case.found.rows.rows == int(word)] if word.isdecimal() else []
    texts = [case.found.table["name"]]
    if case.data.columns is not None:
        texts += [case.data.columns[c] for c in case.data.roles.get("text", ())]
    for text in texts:
        known = text.astype(object).fillna("").astype(str)
        found.append(known.str.contains(word, case=False, regex=False).to_numpy())
    return np.asarray(np.logical_or.reduce(found), bool)


def _offered(case: Case) -> ChosenRows | None:
    return chosen_rows.offered((case.data.name, case.data.backbone))


def _draw_chosen(case: Case, changed: Callable[[], None]) -> None:
    """Draw the choice of the rows that were selected on the map, if there are any."""
    rows = _offered(case)
    if rows:
        st.toggle(
            f"Only the selection of the map ({counted(len(rows), 'row')})",
            key=CHOSEN,
            bind="query-params",
            persist_state="session",
            on_change=changed,
        )


def _chosen(case: Case, rows: ChosenRows) -> Array:
    kept = np.zeros(len(case), bool)
    for split, ids in rows.rows.items():
        places = case.positions(np.full(len(ids), split, object), ids)
        kept[places[places >= 0]] = True
    return kept


def _texts(columns: pd.DataFrame, column: str) -> "pd.Series[Any]":
    """The column's parts as the choice names them."""
    return slices_of(columns[column]).map(str, na_action="ignore")


def _values(columns: pd.DataFrame, column: str) -> list[str]:
    """All values, the commonest first."""
    return [str(value) for value in _texts(columns, column).value_counts().index]


def _forget_value(changed: Callable[[], None]) -> None:
    st.session_state[VALUE] = None
    changed()
