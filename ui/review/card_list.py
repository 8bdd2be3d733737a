"""Which cards are shown, in which order: filters, pages, and a link to one row."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import streamlit as st

from ui.review import column_filter
from ui.review.data import NO_VERDICT, SPLITS, Case
from ui.review.session import session
from wann_core.audit.reviewed_noise import sample_order
from wann_core.errors import WannError
from wann_core.review.ledger import ACTIONS
from wann_core.review.reviewers import to_look_at_again, to_settle
from wann_core.typing import Array

PAGE = 20
PEOPLE = ("second", "settle")  # lists that are another for each person
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
_SHARE = "review_share"
_SORT = {
    "doubt": "Most doubtful first",
    "sure": "Least doubtful first",
    "row": "Order of rows",
    "sample": "Random sample, for the number of wrong labels",
}
_FILTERS = (
    "review_given",
    "review_suggested",
    "review_split",
    "review_score",
    *column_filter.KEYS,
)


class Listing(NamedTuple):
    """Cards to go through.

    Attributes
    ----------
    token : str
        Another one for another list.
    page : str
        Another one for another page of it.
    positions : ndarray of int64
        Of all its cards, in the audit's table; fixed until a filter is changed, so that cards stay
        where they are while they are judged.
    first : int
        Place of the page's first card.
    opinions : mapping of int to str
        What people say of the rows on which they disagree, where these are listed.
    """

    token: str
    page: str
    positions: Array
    first: int
    opinions: Mapping[int, str] = {}

    @property
    def shown(self) -> Array:
        """The cards of this page."""
        return self.positions[self.first : self.first + PAGE]

    @property
    def ahead(self) -> Array:
        """The cards of the next page."""
        return self.positions[self.first + PAGE : self.first + 2 * PAGE]


def controls(case: Case, who: str) -> Listing:
    """Draw the filters; the list that they leave for `who`."""
    names = case.found.rows.class_names
    classes = range(len(names))
    shown = st.selectbox(
        "Show",
        list(_SHOW),
        key="review_show",
        format_func=_SHOW.__getitem__,
        on_change=refresh,
        persist_state="session",
    )
    share = 0
    if shown == "second":
        share = st.slider(
            "Share of the rows that others judged, %",
            5,
            100,
            20,
            5,
            key=_SHARE,
            on_change=refresh,
            persist_state="session",
            help="Rows are drawn at random. You do not see the first verdict, and it stays in "
            "force: where you disagree, a third person settles it.",
        )
    of_given = st.selectbox(
        "Given label",
        classes,
        None,
        key="review_given",
        format_func=names.__getitem__,
        placeholder="any",
        on_change=refresh,
        persist_state="session",
    )
    of_suggested = st.selectbox(
        "Suggested label",
        classes,
        None,
        key="review_suggested",
        format_func=names.__getitem__,
        placeholder="any",
        on_change=refresh,
        persist_state="session",
    )
    splits = [name for i, name in enumerate(SPLITS) if (case.found.rows.splits == i).any()]
    split = st.selectbox(
        "Split",
        splits,
        None,
        key="review_split",
        placeholder="all",
        on_change=refresh,
        persist_state="session",
        disabled=len(splits) < 2,
    )
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
    sort = st.selectbox(
        "Sort",
        list(_SORT),
        key="review_sort",
        format_func=_SORT.__getitem__,
        on_change=refresh,
        persist_state="session",
    )
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
    state = session()
    # The audit itself is part of the key: no list must outlive it.
    key = (
        id(case),
        state.turn,
        shown,
        of_given,
        of_suggested,
        split,
        most,
        sort,
        asked,
        column_filter.asked(case),
        *((who, share) if shown in PEOPLE else ()),
    )
    if state.listed_key != key:
        state.listed = _found(case, shown, of_given, of_suggested, split, most, sort, asked)
        if shown in PEOPLE:
            state.listed = state.listed[_of_people(case, shown, who, share / 100)[state.listed]]
        state.listed_key, state.listed_case, state.first = key, case, 0
        state.listed_token = f"{state.turn} {hash(key)}"
    _turn_to_target()
    token = state.listed_token
    opinions = _opinions(case) if shown == "settle" else {}
    return Listing(token, f"{token} {state.first}", state.listed, state.first, opinions)


def refresh() -> None:
    """Make the list again, with the verdicts given since then."""
    session().refresh()


def still_wanted(case: Case, token: str) -> Array:
    """The cards of the list on which there has been no verdict since that takes them out of it.

    Raises
    ------
    WannError
        If the list is another one by now.
    """
    state = session()
    if state.listed_case is not case or state.listed_token != token:
        raise WannError("the list of cards has changed; nothing is recorded. Select again.")
    shown = str(st.session_state.get("review_show", "todo"))
    if shown in PEOPLE:
        raise WannError("these cards are judged one by one; nothing is recorded.")
    return state.listed[_wanted(shown, case.states().actions)[state.listed]]


def turn_page(by: int) -> None:
    """Go on, or back, in the list."""
    state = session()
    last = max(len(state.listed) - 1, 0) // PAGE * PAGE
    state.first = min(max(state.first + by * PAGE, 0), last)


def go_to(position: int) -> None:
    """Turn to the page of a row; one that the list lacks is looked for in a new list."""
    state = session()
    state.target = position
    if position not in state.listed:
        state.refresh()


def _turn_to_target() -> None:
    """Turn to its page; where the filters leave it out, the list stays where it is."""
    state = session()
    if state.target is not None:
        places = np.flatnonzero(state.listed == state.target)
        state.first = int(places[0]) // PAGE * PAGE if len(places) else state.first
        state.target = None


def filter_pair(given: int | None, suggested: int | None) -> None:
    """Show cards of one pair of classes only; call it before the filters are drawn."""
    st.session_state["review_given"], st.session_state["review_suggested"] = given, suggested
    refresh()


def narrowed(case: Case) -> bool:
    """Whether filters leave cards out, or a link has put a row before the others."""
    chosen = any(st.session_state.get(key) not in (None, False) for key in _FILTERS)
    return chosen or st.session_state.get("review_show") != "todo" or linked_row(case) is not None


def clear() -> None:
    """Drop all filters and the row that a link asked for; a button's callback."""
    for key in _FILTERS:
        st.session_state[key] = False if key == column_filter.CHOSEN else None
    st.session_state["review_show"] = "todo"
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


def _of_people(case: Case, shown: str, who: str, share: float) -> Array:
    """Which rows are one person's to look at again, or to settle."""
    found = case.reviewers()
    rows = (
        to_look_at_again(found.judgments, who, share)
        if shown == "second"
        else to_settle(found, who)
    )
    kept = np.zeros(len(case), bool)
    at = case.positions(np.array([s for s, _ in rows], object), np.array([r for _, r in rows], int))
    kept[at[at >= 0]] = True
    return kept


def _opinions(case: Case) -> dict[int, str]:
    rows = case.reviewers().disagreements
    at = case.positions(rows["split"].to_numpy(object), rows["row"].to_numpy(np.int64))
    return dict(zip(at.tolist(), rows["outcomes"], strict=True))


def _found(
    case: Case,
    show: str,
    given: int | None,
    suggested: int | None,
    split: str | None,
    most: float | None,
    sort: str,
    asked: int | None,
) -> Array:
    rows = case.found.rows
    kept = _wanted(show, case.states().actions)
    if most is not None:
        kept &= case.found.table["label_score"].to_numpy() <= most
    if given is not None:
        kept &= rows.labels == given
    if suggested is not None:
        kept &= case.suggested == suggested
    if split is not None:
        kept &= rows.splits == SPLITS.index(split)
    kept &= column_filter.mask(case)
    order = np.arange(len(case)) if sort == "row" else case.order
    if sort == "sample":
        order = order[sample_order(case.rates)]
    found = order[::-1] if sort == "sure" else order
    found = found[kept[found]]
    if asked is not None:
        found = np.concatenate([[asked], found[found != asked]])
    return np.asarray(found, np.int64)


def _wanted(show: str, actions: Array) -> Array:
    """Which rows have a verdict as asked for."""
    if show == "todo":
        return np.asarray(actions == NO_VERDICT)
    if show == "done":
        return np.asarray(actions != NO_VERDICT)
    return actions == ACTIONS.index(show) if show in ACTIONS else np.ones(len(actions), bool)
