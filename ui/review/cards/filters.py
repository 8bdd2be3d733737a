"""The controls that choose cards and their order, and a link to one row."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from ui.review.cards import column_filter
from ui.review.cards.card_list import SHOW, Listing, Wanted, listing, refresh
from ui.review.case.data import SPLITS, Case
from wann_core.datasets.class_names import listed_order

GIVEN, SUGGESTED = "review_given", "review_suggested"
_SHOW = {
    "todo": "To review",
    "done": "Reviewed",
    "keep": "Kept",
    "relabel": "Relabeled",
    "remove": "Removed",
    "unsure": "Unsure",
    "all": "All",
    "second": "Blind second look",
    "settle": "To settle: reviewers disagree",
}
_SORT = {
    "doubt": "Most doubtful first",
    "sure": "Least doubtful first",
    "row": "Order of rows",
    "sample": "Random sample, for the number of wrong labels",
}
_KEYS = (GIVEN, SUGGESTED, "review_split", "review_score", *column_filter.KEYS)


def controls(case: Case, who: str) -> Listing:
    """Draw the filters; the list that they leave for `who`."""
    names = case.found.rows.class_names
    column_filter.word(refresh)
    shown = _choose("Show", list(_SHOW), SHOW, index=0, format_func=_SHOW.__getitem__)
    share = 0
    if shown == "second":
        share = st.slider(
            "Share of the rows that others judged, %",
            5,
            100,
            20,
            5,
            key="review_share",
            on_change=refresh,
            persist_state="session",
            help="Rows are drawn at random. You do not see the first verdict, and it stays in "
            "force: where you disagree, a third person settles it.",
        )
    classes: dict[str, Any] = {"format_func": names.__getitem__, "placeholder": "any"}
    given = _choose("Given label", listed_order(names), GIVEN, **classes)
    suggested = _choose("Suggested label", listed_order(names), SUGGESTED, **classes)
    splits = [name for i, name in enumerate(SPLITS) if (case.found.rows.splits == i).any()]
    one = len(splits) < 2
    split = _choose("Split", splits, "review_split", placeholder="all", disabled=one)
    most = st.number_input(
        "Score of at most",
        0.0,
        1.0,
        None,
        step=0.05,
        key="review_score",
        format="%.3g",
        placeholder="any",
        on_change=refresh,
        persist_state="session",
        help="The lower the score, the more doubtful the label.",
    )
    sort = _choose("Sort", list(_SORT), "review_sort", index=0, format_func=_SORT.__getitem__)
    row = st.container(horizontal=True)
    row.button(
        "Refresh list",
        icon=":material/refresh:",
        on_click=refresh,
        key="review_refresh",
        help="Cards stay where they are while you judge them. This leaves out those that the "
        "filters no longer want.",
    )
    row.button(
        "Clear filters",
        icon=":material/filter_alt_off:",
        on_click=clear,
        key="review_clear",
        disabled=not narrowed(case),
    )
    column_filter.draw(case, refresh)
    asked = linked_row(case)
    wanted = Wanted(shown, given, suggested, split, most, sort, asked, share / 100)
    return listing(case, wanted, who)


def _choose(
    label: str, options: Sequence[Any], key: str, *, index: int | None = None, **how: Any
) -> Any:
    return st.selectbox(
        label, options, index, key=key, on_change=refresh, persist_state="session", **how
    )


def filter_pair(given: int | None, suggested: int | None) -> None:
    """Show cards of one pair of classes only; call it before the filters are drawn."""
    st.session_state[GIVEN], st.session_state[SUGGESTED] = given, suggested
    refresh()


def narrowed(case: Case) -> bool:
    """Whether filters leave cards out, or a link has put a row before the others."""
    chosen = any(st.session_state.get(key) not in (None, False) for key in _KEYS)
    return chosen or st.session_state.get(SHOW) != "todo" or linked_row(case) is not None


def clear() -> None:
    """Drop all filters and the row that a link asked for; a button's callback."""
    for key in _KEYS:
        st.session_state[key] = False if key == column_filter.CHOSEN else None
    st.session_state[SHOW] = "todo"
    for name in ("row", "split"):
        st.query_params.pop(name, None)
    refresh()


def open_with(chosen: Mapping[str, object]) -> None:
    """Show these filters' cards alone, on the part of the cards; a callback.

    Parameters
    ----------
    chosen : mapping of str to object
        Values of filters by their keys; all others are dropped.
    """
    clear()
    st.session_state.update(chosen)
    open_part("review")


def open_part(name: str) -> None:
    """Turn to a part of the page; a callback."""
    st.session_state["part"] = name


def linked_row(case: Case) -> int | None:
    """Where the row stands that the link asks for."""
    row = st.query_params.get("row", "")
    if not (row.isascii() and row.isdigit() and len(row) < 19):
        return None
    return case.position(st.query_params.get("split", SPLITS[0]), int(row))
