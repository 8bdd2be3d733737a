"""Where wrong labels come from: estimates by each column of the rows; a click shows the cards."""

from typing import Any

import pandas as pd
import streamlit as st

from ui.charts import charts
from ui.jobs import jobs
from ui.jobs.panel import Panel
from ui.review.cards import column_filter, filters
from ui.review.case.asked import Asked
from ui.review.case.data import Case
from wann_core.audit.metadata import OTHERS, doubt_by_metadata

_TABLE = "causes_table"
_SHOWN = 500


def show(case: Case, asked: Asked) -> None:
    """Draw the table of values, worst first."""
    columns = case.data.columns
    if columns is None:
        st.info(
            "Rows of this data set have no further columns. Annotator, month, site, device: import "
            "them with the table, or as columns of a folder's metadata.csv, and this part shows "
            "where wrong labels come from.",
            icon=":material/table_chart:",
        )
        return
    text = case.data.roles.get("text", ())
    wanted = [name for name in columns if name not in text]

    def work(job: jobs.Job) -> pd.DataFrame:
        job.progress(0, 1, "comparing the values of each column")
        return doubt_by_metadata(case.found, columns[wanted])

    key = ("causes", case.key, case.judgment)
    panel = Panel("causes", key, work, f"Columns of {asked.source.dataset}")
    panel.begin()
    found = panel.answer()
    if found is None:
        return
    alarms = int(found["alarm"].sum())
    st.markdown(
        f"**{alarms:,}** of {len(found):,} values have more wrong labels than other rows of the "
        "same given labels."
        if alarms
        else f"None of {len(found):,} values has more wrong labels than the other rows of the same "
        "given labels, beyond chance."
    )
    _draw(found.head(_SHOWN))
    st.caption(
        "Estimates, at least and at most with 95 % confidence; nobody has verified these labels. "
        "Odds ratio: odds of a wrong label over those elsewhere. p is one-sided and corrected for "
        "looking at all lines (Holm). "
        "Images of one site that are harder than the others raise its number, too: look at the "
        "cards before you blame anybody. Select a line to see its cards."
    )
    charts.download("wrong-labels-by-column", found, None)


def _draw(found: pd.DataFrame) -> None:
    table = pd.DataFrame(
        {
            "beyond chance": ["more wrong" if alarm else "" for alarm in found["alarm"]],
            "column": found["column"],
            "value": found["value"],
            "rows": found["rows"],
            "wrong, about": found["wrong"].round(),
            "at least": found["low"].round(),
            "at most": found["high"].round(),
            "wrong, %": 100 * found["wrong"] / found["rows"],
            "odds ratio": found["times"],
            "p": ["< 0.001" if p < 0.001 else f"{p:.3f}" for p in found["p_corrected"]],
        }
    )

    st.dataframe(
        table,
        key=_TABLE,
        hide_index=True,
        on_select=lambda: _pick(found),
        selection_mode="single-row",
        column_config={
            **{
                name: st.column_config.NumberColumn(format="localized")
                for name in ("rows", "wrong, about", "at least", "at most")
            },
            "wrong, %": st.column_config.NumberColumn(format="%.1f"),
            "odds ratio": st.column_config.NumberColumn(format="%.1f"),
            "p": st.column_config.TextColumn(alignment="right"),
        },
    )
    if len(found) == _SHOWN:
        st.caption(f"The first {_SHOWN:,} lines; the CSV has all.")


def _pick(found: pd.DataFrame) -> None:
    """Show the cards of the selected line, unless it stands for several values."""
    rows: Any = st.session_state[_TABLE]["selection"]["rows"]
    line = found.iloc[rows[0]] if rows else None
    if line is not None and line["value"] != OTHERS:
        filters.open_with(
            {column_filter.COLUMN: line["column"], column_filter.VALUE: line["value"]}
        )
