"""Which cards are listed, in which order, and the page of them that is shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import streamlit as st

from ui.review.cards import column_filter
from ui.review.case.data import NO_VERDICT, SPLITS, Case
from ui.review.case.session import session
from wann_core.audit.reviewing.reviewed_noise import sample_order
from wann_core.errors import WannError
from wann_core.review.ledger import ACTIONS
from wann_core.review.reviewers import to_look_at_again, to_settle
from wann_core.typing import Array

PAGE = 20
PEOPLE = ("second", "settle")  # lists that are another for each person
SHOW = "review_show"  # key of the control that chooses a list by its verdicts


@dataclass(frozen=True)
class Wanted:
    """What is listed.

    Attributes
    ----------
    show : str
        Rows by their verdict: 'todo', 'done', 'all', an action of the ledger, or one of `PEOPLE`.
    given, suggested : int or None
        Class ids.
    split : str or None
    most : float or None
        Highest score.
    sort : {'doubt', 'sure', 'row', 'sample'}
    asked : int or None
        Row that stands first, as a position in the audit's table.
    share : float
        Of the rows that others judged, under 'second'.
    """

    show: str = "todo"
    given: int | None = None
    suggested: int | None = None
    split: str | None = None
    most: float | None = None
    sort: str = "doubt"
    asked: int | None = None
    share: float = 0.0


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
        Verdicts on the rows on which people disagree, where these are listed.
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


def listing(case: Case, wanted: Wanted, who: str) -> Listing:
    """The list for `who`, made again only when something else is wanted or it is refreshed."""
    state = session()
    of_person = who if wanted.show in PEOPLE else None
    # The audit itself is part of the key: no list must outlive it.
    key = (id(case), state.turn, wanted, column_filter.asked(case), of_person)
    if state.listed_key != key:
        state.listed = find(case, wanted, who)
        state.listed_key, state.listed_case, state.first = key, case, 0
        state.listed_token = f"{state.turn} {hash(key)}"
    turn_to_target()
    token = state.listed_token
    found = opinions(case) if wanted.show == "settle" else {}
    return Listing(token, f"{token} {state.first}", state.listed, state.first, found)


def find(case: Case, wanted: Wanted, who: str = "") -> Array:
    """Positions of the wanted cards in the audit's table, in their order."""
    rows = case.found.rows
    kept = _by_verdict(wanted.show, case.states().actions)
    if wanted.most is not None:
        kept &= case.found.table["label_score"].to_numpy() <= wanted.most
    if wanted.given is not None:
        kept &= rows.labels == wanted.given
    if wanted.suggested is not None:
        kept &= case.suggested == wanted.suggested
    if wanted.split is not None:
        kept &= rows.splits == SPLITS.index(wanted.split)
    kept &= column_filter.mask(case)
    order = np.arange(len(case)) if wanted.sort == "row" else case.order
    if wanted.sort == "sample":
        order = order[sample_order(case.rates)]
    found = order[::-1] if wanted.sort == "sure" else order
    found = found[kept[found]]
    if wanted.asked is not None:
        found = np.concatenate([[wanted.asked], found[found != wanted.asked]])
    if wanted.show in PEOPLE:
        found = found[of_person(case, wanted, who)[found]]
    return np.asarray(found, np.int64)


def of_person(case: Case, wanted: Wanted, who: str) -> Array:
    """Which rows are one person's to look at again, or to settle."""
    found = case.reviewers()
    rows = (
        to_look_at_again(found.judgments, who, wanted.share)
        if wanted.show == "second"
        else to_settle(found, who)
    )
    kept = np.zeros(len(case), bool)
    at = case.positions(np.array([s for s, _ in rows], object), np.array([r for _, r in rows], int))
    kept[at[at >= 0]] = True
    return kept


def opinions(case: Case) -> dict[int, str]:
    """Verdicts on each row on which people disagree, by position."""
    rows = case.reviewers().disagreements
    at = case.positions(rows["split"].to_numpy(object), rows["row"].to_numpy(np.int64))
    return dict(zip(at.tolist(), rows["outcomes"], strict=True))


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
    shown = str(st.session_state.get(SHOW, "todo"))
    if shown in PEOPLE:
        raise WannError("these cards are judged one by one; nothing is recorded.")
    return state.listed[_by_verdict(shown, case.states().actions)[state.listed]]


def turn_page(by: int) -> None:
    """Go on, or back, in the list."""
    state = session()
    last = max(len(state.listed) - 1, 0) // PAGE * PAGE
    state.first = min(max(state.first + by * PAGE, 0), last)


def to_head() -> None:
    """Go to the first page of the list."""
    session().first = 0


def go_to(position: int) -> None:
    """Turn to the page of a row; one that the list lacks is looked for in a new list."""
    state = session()
    state.target = position
    if position not in state.listed:
        state.refresh()


def turn_to_target() -> None:
    """Turn to its page; where the filters leave it out, the list stays where it is."""
    state = session()
    if state.target is not None:
        places = np.flatnonzero(state.listed == state.target)
        state.first = int(places[0]) // PAGE * PAGE if len(places) else state.first
        state.target = None


def _by_verdict(show: str, actions: Array) -> Array:
    """Which rows have a verdict as asked for."""
    if show == "todo":
        return np.asarray(actions == NO_VERDICT)
    if show == "done":
        return np.asarray(actions != NO_VERDICT)
    return actions == ACTIONS.index(show) if show in ACTIONS else np.ones(len(actions), bool)
