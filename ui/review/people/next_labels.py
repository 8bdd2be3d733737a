"""What to label next, of a data set some of whose rows have no label."""

import pandas as pd
import streamlit as st

from ui.charts import charts
from ui.jobs import jobs
from ui.jobs.panel import Panel
from ui.review.case.data import Case
from wann_core.review.labeling import next_rows, unlabeled_rows

_MOST = 10_000


def show(case: Case) -> None:
    """Draw the choice of rows; nothing where every row has a label."""
    free = unlabeled_rows(case.data)
    if not free:
        return
    st.subheader("What to label next")
    st.caption(
        f"Rows without a label: {free:,}. Those that are uncertain, and unlike each other, bring "
        "the most."
    )
    n = int(
        st.number_input(
            "Rows to choose",
            1,
            min(free, _MOST),
            min(100, free),
            key="next_rows",
            persist_state="session",
        )
    )

    def work(job: jobs.Job) -> pd.DataFrame:
        job.progress(0, 1, "choosing rows")
        return next_rows(case.data, n, progress=job.progress)

    panel = Panel(
        "next_labels",
        ("next_labels", case.key, n),
        work,
        f"Rows of {case.data.name} to label next",
        canceled="Canceled. Press “Choose rows” to start again.",
        again="",
    )
    panel.offer("Choose rows", icon=":material/playlist_add_check:")
    found = panel.answer()
    if found is not None:
        st.dataframe(
            found,
            hide_index=True,
            column_config={
                name: st.column_config.NumberColumn(format="%.2f")
                for name in ("uncertainty", "cluster_weight")
            },
        )
        charts.download("label-next", found, None, "To label next, CSV")
