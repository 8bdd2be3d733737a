"""Rows that somebody selected on one page, for another page to show alone."""

from typing import NamedTuple

import streamlit as st

from wann_core.typing import Array

_KEY = "_chosen_rows"


class ChosenRows(NamedTuple):
    """Rows of a data set, by their ids in its own files.

    Attributes
    ----------
    source : tuple of str
        Data set and backbone.
    rows : dict of str to ndarray of int64
        Row ids of each split.
    """

    source: tuple[str, str]
    rows: dict[str, Array]

    def __len__(self) -> int:
        return sum(map(len, self.rows.values()))


def offer(source: tuple[str, str], rows: dict[str, Array]) -> None:
    """Keep rows for this session."""
    st.session_state[_KEY] = ChosenRows(source, rows)


def offered(source: tuple[str, str]) -> ChosenRows | None:
    """The rows of this data set that were kept last."""
    found = st.session_state.get(_KEY)
    return found if isinstance(found, ChosenRows) and found.source == source else None
