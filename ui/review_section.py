"""The cards to go through, and how far one has come."""

import streamlit as st

from ui import look, review_audit, review_deck, review_list
from ui.review_data import NO_VERDICT, Case
from wann_core.errors import WannError


def show(case: Case, asked: review_audit.Asked) -> None:
    """Draw filters, progress and the deck; verdicts draw this part alone anew."""

    @st.fragment
    def deck() -> None:
        try:
            _deck(case, asked)
        except WannError as error:
            st.error(look.plain(str(error)), icon=":material/error:")

    deck()


def _deck(case: Case, asked: review_audit.Asked) -> None:
    progress = st.empty()
    listing = review_list.controls(case)
    states = case.states()
    progress.markdown(_progress(case))
    error = st.session_state.pop("_review_error", "")
    if error:
        st.error(look.plain(error), icon=":material/error:")
    note = st.session_state.pop("_review_note", "")
    if note:
        st.toast(look.plain(note))
    if len(listing.positions):
        review_deck.show(case, listing, states, asked.who)
        st.caption(
            "Keys: K keep, R relabel as suggested, 1 to 5 relabel to the likeliest classes, X "
            "remove, U unsure, J and L (or arrows) to move, Z undo, Y redo. Purple speaks against "
            "the label, grey for it."
        )
    elif (states.actions != NO_VERDICT).all():
        st.success("Every label has a verdict.", icon=":material/task_alt:")
    else:
        st.info(
            "No card here: no row is left by these filters. Clear the filter, or choose another "
            "under “Show”.",
            icon=":material/filter_alt_off:",
        )


def _progress(case: Case) -> str:
    """How many are reviewed, and what came of it."""
    states = case.states()
    judged = states.actions != NO_VERDICT
    if not judged.any():
        return (
            f"**{case.found.noise.count:,}** labels look wrong; the most doubtful stand first. "
            "Nothing reviewed yet."
        )
    return f"**{int(judged.sum()):,}** reviewed."
