"""The cards to go through, and how far one has come."""

import streamlit as st

from ui.pictures import thumbnails
from ui.review.cards import card as review_cards
from ui.review.cards import card_list, filters
from ui.review.cards import deck as review_deck
from ui.review.case.asked import Asked
from ui.review.case.data import NO_VERDICT, SPLITS, Case
from ui.review.case.session import session
from ui.review.findings import progress as review_progress
from ui.review.findings import read_by_eye, summary
from ui.shell import theme
from wann_core.errors import WannError


def show(case: Case, asked: Asked) -> None:
    """Draw progress, filters and the deck, and below it the estimate for the whole data set.

    A verdict redraws progress and deck only.
    """

    @st.fragment
    def deck() -> None:
        try:
            _deck(case, asked)
        except WannError as error:
            st.error(theme.plain(str(error)), icon=":material/error:")

    deck()
    st.header("The whole data set")
    summary.show(case)
    read_by_eye.show(case)


def _deck(case: Case, asked: Asked) -> None:
    row = st.container(horizontal=True, vertical_alignment="center")
    progress = row.container()
    with row.popover("Filter and sort", icon=":material/filter_alt:"):
        listing = filters.controls(case, asked.who)
    states = case.states()
    ahead = review_progress.ahead(case, states)
    with progress:
        review_progress.show(case, states, ahead)
    _show_link(case)
    state = session()
    if error := state.pop_error():
        st.error(theme.plain(error), icon=":material/error:")
    if note := state.pop_note():
        st.toast(theme.plain(note))
    if len(listing.positions):
        blind = st.session_state.get(card_list.SHOW) == "second"
        if blind:
            st.info(
                "A blind second look: others have judged these rows, and you do not see how. Their "
                "verdicts stay in force; where you disagree, a third person settles it.",
                icon=":material/visibility_off:",
            )
        seen = case.blind_states(asked.who) if blind else states
        review_deck.show(case, listing, seen, asked.who, blind)
        st.caption(
            "Keys: K keep, R relabel as suggested, 1 to 5 relabel to the likeliest classes, X "
            "remove, U unsure, J and L (or arrows) to move, Z undo, Y redo, N note; in the list of "
            "classes Enter takes what you typed. 3 → 8: given label 3, 8 is suggested. Purple "
            "speaks against the given label, gray for it."
        )
        thumbnails.explain(case.data)
        if ahead is not None:
            review_progress.show_outlook(ahead)
        review_progress.show_curve(case, states)
    elif (states.actions != NO_VERDICT).all():
        st.success("Every label has a verdict.", icon=":material/task_alt:")
    else:
        st.info(
            "No card here: no row is left by these filters. Clear the filter, or choose another "
            "under “Show”.",
            icon=":material/filter_alt_off:",
        )
    if ahead is not None and st.button(
        "Before and after, and export",
        icon=":material/output:",
        on_click=filters.open_part,
        args=("export",),
    ):
        st.rerun()


def _show_link(case: Case) -> None:
    """Show what has become of a row that a link asks for."""
    row = st.query_params.get("row")
    if row is None:
        return
    asked = filters.linked_row(case)
    split = st.query_params.get("split", SPLITS[0])
    if asked is None:
        st.warning(
            theme.plain(f"The link asks for {split} row {row[:20]}, which has no label here.")
        )
    else:
        st.caption(
            f"{theme.plain(review_cards.where(case, asked))}, asked for by the link, stands first."
        )
