"""Several reviewers: how far they agree, what a third person should settle, wrong corrections."""

import streamlit as st

from ui.charts import charts
from ui.review.data import Case
from ui.shell import theme
from wann_core.review.reviewers import reviewers

_SHOWN = 500


def show(case: Case) -> None:
    """Draw what verdicts of several people on the same rows say; a hint where there are none."""
    st.subheader("Reviewers")
    found = reviewers(case.ledger.history())
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
        st.markdown(
            f"Of **{found.corrections:,}** corrections that a second person judged, "
            f"**{found.wrong:,}** were overruled and {found.open:,} are open: between "
            f"{theme.percent(low)} and {theme.percent(high)} of corrections are wrong."
        )
    if len(found.disagreements):
        st.markdown("**To be settled by a third person**")
        st.dataframe(found.disagreements.head(_SHOWN), hide_index=True)
        charts.download("disagreements", found.disagreements, None, "Disagreements, CSV")
