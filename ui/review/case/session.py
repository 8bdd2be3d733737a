"""What one browser session remembers of a review."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from ui.review.case.data import Case
from wann_core.typing import Array

_KEY = "_review"


@dataclass
class ReviewSession:
    """A session's place in a review; settings of controls lie under their own keys.

    Attributes
    ----------
    error, note : str
        To show once, on the next run of the page.
    heard : (str, int)
        Client of the deck, and the number of its last event that was served.
    focus_id, focus_turn : str, int
        Card that the deck is to go to, and how often that was asked for.
    prepared : dict
        Pages of cards whose pictures are known to be there or under way.
    turn : int
        Grows when the list of cards must be made again.
    listed_key : tuple
        Filters and turn that `listed` was made for.
    listed : ndarray of int64
        Cards of the list, as positions in the audit's table.
    listed_token : str
        Changes with the list.
    listed_case : Case or None
        Whose cards these are; kept so that its id stays its own.
    first : int
        Place in the list of the page's first card.
    target : int or None
        Row, as a position in the audit's table, whose page is to be shown next.
    ranking : (hashable, DataFrame) or None
        The order of another program's table, for the case of that key.
    reranked : (Case, DataFrame, Case) or None
        A case, the ranking, and the case in its order.
    taken : (hashable, int or None, str, str) or None
        Verdicts that were imported last: key of the case, operation, whose, text.
    """

    error: str = ""
    note: str = ""
    heard: tuple[str, int] = ("", 0)
    focus_id: str = ""
    focus_turn: int = 0
    prepared: dict[tuple[Hashable, bool, bytes], None] = field(default_factory=dict)
    turn: int = 0
    listed_key: tuple[Any, ...] = ()
    listed: Array = field(default_factory=lambda: np.empty(0, np.int64))
    listed_token: str = ""
    listed_case: Case | None = None
    first: int = 0
    target: int | None = None
    ranking: tuple[Hashable, pd.DataFrame] | None = None
    reranked: tuple[Case, pd.DataFrame, Case] | None = None
    taken: tuple[Hashable, int | None, str, str] | None = None

    def pop_error(self) -> str:
        """The error to show, once."""
        text, self.error = self.error, ""
        return text

    def pop_note(self) -> str:
        """The note to show, once."""
        text, self.note = self.note, ""
        return text

    def refresh(self) -> None:
        """Make the list of cards again, with the verdicts given since then."""
        self.turn += 1

    def focus(self, card: str) -> None:
        """Let the deck go to a card."""
        self.focus_id, self.focus_turn = card, self.focus_turn + 1


def session() -> ReviewSession:
    """The review state of the browser session that runs the page."""
    found: ReviewSession = st.session_state.setdefault(_KEY, ReviewSession())
    return found
