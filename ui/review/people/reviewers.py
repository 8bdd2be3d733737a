"""Several reviewers: how far they agree, what a third person should settle, wrong corrections."""

import streamlit as st

from ui.charts import charts
from ui.review.cards import card_list, filters
from ui.review.case.data import Case
from ui.shell import theme
from wann_core.review.reviewers import to_look_at_again, to_settle

_SHOWN = 500


def show(case: Case, who: str) -> None:
    """Draw how far several people's verdicts on the same rows agree, and what `who` can add."""
    st.subheader("Reviewers")
    found = case.reviewers()
    _second_look(case, who)
    if not len(found.agreement):
        st.caption(
            "No row has verdicts of two people. Where a second person judges some rows again, this "
            "shows how far they agree, and how many corrections are wrong themselves."
        )
        return
    st.dataframe(
        found.agreement.rename(columns={"kappa": "κ"}),
        hide_index=True,
        column_config={"κ": st.column_config.NumberColumn(format="%.2f")},
    )
    st.caption("κ (Cohen): 1 is perfect agreement, 0 is chance. “Unsure” does not count.")
    if found.corrections:
        low, high = found.wrong_interval
        judged = "had a blind second look" if found.blind else "a second person judged"
        st.markdown(
            f"Of **{found.corrections:,}** corrections that {judged}, "
            f"**{found.wrong:,}** were overruled and {found.open:,} are open: between "
            f"{theme.percent(low)} and {theme.percent(high)} of corrections are wrong."
        )
        if not found.blind:
            st.caption(
                "The second person may have seen the first verdict, or chosen the rows: a blind "
                "second look gives a fair share."
            )
    if len(found.disagreements):
        st.markdown("**To be settled by a third person**")
        st.dataframe(found.disagreements.head(_SHOWN), hide_index=True)
        charts.download("disagreements", found.disagreements, None, "Disagreements, CSV")


def _second_look(case: Case, who: str) -> None:
    """Draw the ways to the cards that `who` can judge for a second or third time."""
    found = case.reviewers()
    rows, open_rows = len(to_look_at_again(found.judgments, who, 1)), len(to_settle(found, who))
    row = st.container(horizontal=True, vertical_alignment="center")
    row.button(
        "Blind second look",
        icon=":material/visibility_off:",
        on_click=filters.open_with,
        args=({card_list.SHOW: "second"},),
        disabled=not rows,
        help="Judge a random share of the rows that one other person has judged, without seeing "
        "how. It changes no label.",
    )
    row.button(
        "Settle disagreements",
        icon=":material/gavel:",
        on_click=filters.open_with,
        args=({card_list.SHOW: "settle"},),
        disabled=not open_rows,
        help="Judge the rows on which two others disagree; your verdict is in force.",
    )
    row.caption(
        f"Rows with one other person's verdict: {rows:,}; waiting for a third: {open_rows:,}."
    )
