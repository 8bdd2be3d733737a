"""What the corrections change: WANN and logistic regression on given and on corrected labels."""

from typing import Any

import pandas as pd
import streamlit as st

from ui.charts import charts
from ui.jobs import jobs
from ui.jobs.panel import Panel
from ui.review.case.asked import Asked
from ui.review.case.data import NO_VERDICT, Case
from ui.shell import theme
from wann_core.review.before_after import WARNING, before_after

_FITTED = {"given": theme.CLEAN, "corrected": theme.FLIPPED}


def show(case: Case, asked: Asked) -> None:
    """Draw the button, the job, and both accuracies under either set of labels."""
    states = case.states()
    if not (states.actions != NO_VERDICT).any():
        st.info(
            "There is no verdict yet, so nothing has changed. Judge some labels under “Review”.",
            icon=":material/rule:",
        )
        return
    st.markdown(
        "Fit WANN and logistic regression to the labels as they were given and as you corrected "
        "them, by cross-validation over all rows, and compare."
    )
    key = ("gain", case.key, str(case.ledger.path), states.version)

    def work(job: jobs.Job) -> pd.DataFrame:
        job.progress(0, 1, "preparing both sets of labels")
        return before_after(case.data, states.table, progress=job.progress)

    gain = Panel(
        "gain",
        key,
        work,
        f"Comparing labels of {asked.source.dataset}",
        canceled="Canceled. Press Compare to start again.",
        again="",
    )
    gain.offer("Compare", type="primary", icon=":material/balance:")
    table = gain.answer()
    if table is not None:
        _show(table)


def _show(table: pd.DataFrame) -> None:
    st.warning(WARNING, icon=":material/warning:")
    charts.show(
        _accuracies(table),
        "Mark: share of labels that a method finds, each row judged by a fit that has not seen it. "
        "Bar: 95 % Wilson interval. Gray rings: fitted to the given labels, purple: to the "
        "corrected ones.",
        "before-after",
        table,
        None,
    )
    st.dataframe(
        pd.DataFrame(
            {
                "method": table["method"],
                "fitted to": table["fitted"],
                "judged by": table["judged"],
                "rows": table["rows"],
                "accuracy, %": 100 * table["accuracy"],
                "gain, points": 100 * table["gain"],
                "from": 100 * table["gain_low"],
                "to": 100 * table["gain_high"],
            }
        ).style.format(
            {
                "rows": "{:,}",
                "accuracy, %": "{:.2f}",
                **dict.fromkeys(("gain, points", "from", "to"), "{:+.2f}"),
            },
            na_rep="–",
        ),
        hide_index=True,
    )
    st.caption(
        "Gain: over the same method fitted to the given labels, on the same rows, with its paired "
        "95 % interval."
    )


def _accuracies(table: pd.DataFrame) -> charts.Figure:
    traces: list[dict[str, Any]] = []
    for fitted, color in _FITTED.items():
        rows = table[table["fitted"] == fitted]
        accuracy = 100 * rows["accuracy"]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": f"fitted to {fitted} labels",
                "x": accuracy.to_list(),
                "y": (rows["method"] + ", by " + rows["judged"] + " labels").to_list(),
                "error_x": {
                    "type": "data",
                    "array": (100 * rows["high"] - accuracy).to_list(),
                    "arrayminus": (accuracy - 100 * rows["low"]).to_list(),
                    "thickness": 2,
                },
                "marker": {
                    "color": color,
                    # A ring, which the other mark does not hide where both are the same.
                    "symbol": "circle-open" if fitted == "given" else "diamond",
                    "size": 18 if fitted == "given" else 12,
                    "line": {"width": 2.5 if fitted == "given" else 0},
                },
                "hovertemplate": "%{y}: %{x:.2f} %<extra></extra>",
            }
        )
    # Both halves of a name on a line of their own: in one, both are cut.
    names = {name: name.replace(", ", ",<br>") for trace in traces for name in trace["y"]}
    yaxis = {"autorange": "reversed", "labelalias": names}
    height = 110 + 22 * len(table)
    return charts.framed(traces, "accuracy, %", "", height=height, yaxis=yaxis)
