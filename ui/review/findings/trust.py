"""How far the audit can be trusted on these data: labels flipped on purpose and looked for."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from ui.charts import charts
from ui.jobs import jobs
from ui.jobs.panel import Panel
from ui.review.case.asked import SCORE_NAMES, Asked
from ui.review.case.data import Case
from ui.shell import theme
from ui.shell.controls import linked
from ui.shell.noise import pattern_titles
from wann_core.audit.reviewing.known_flips import KnownFlips, known_flips
from wann_core.audit.scores import DEFAULT_SCORE, SCORES

_LINES = {
    "combined": ("#D55E00", "solid"),
    "probe": ("#287058", "dashdot"),
    "neighbors": ("#1870F8", "dash"),
    "knn_share": ("#B048D0", "dot"),
}


def show(case: Case, asked: Asked) -> None:
    """Draw what to flip, the job, and what each score found."""
    st.markdown(
        "Flip some of these labels on purpose, look for them, and see how many each score finds. "
        "Your data and verdicts stay as they are."
    )
    left, middle, right = st.columns([3, 3, 2], vertical_alignment="bottom")
    ratio = linked(
        left.slider,
        "Labels to flip, %",
        key="flips",
        min_value=1,
        max_value=50,
        value=10,
    )
    titles = pattern_titles(matrix=False)
    pattern = linked(
        middle.selectbox,
        "How they flip",
        key="flip_how",
        options=list(titles),
        format_func=titles.__getitem__,
        help="The most similar class is the hardest: it is where people err.",
    )
    scores = [name for name in _LINES if name != "probe" or case.found.evidence.probe is not None]
    if case.found.score_name in SCORES and case.found.score_name not in scores:
        scores.append(case.found.score_name)
    key = ("flips", case.key, ratio, pattern, tuple(scores))

    def work(job: jobs.Job) -> KnownFlips:
        job.progress(0, 1, "flipping labels")
        return known_flips(
            case.found, ratio=ratio / 100, pattern=pattern, scores=scores, progress=job.progress
        )

    flips = Panel(
        "flips",
        key,
        work,
        f"Flipping labels of {asked.source.dataset}",
        canceled="Canceled. Press “Flip and measure” to start again.",
        again="",
    )
    right.button(
        "Flip and measure",
        type="primary",
        width="stretch",
        icon=":material/science:",
        on_click=flips.start,
        disabled=flips.busy,
    )
    found = flips.answer()
    if found is not None:
        _show(case, found)


def _show(case: Case, found: KnownFlips) -> None:
    flips = int(found.flipped.sum())
    # A ranking that came from elsewhere cannot be made again for other labels.
    best = case.found.score_name if case.found.score_name in SCORES else DEFAULT_SCORE
    at = found.curve[(found.curve["score"] == best) & (found.curve["n"] == flips)].iloc[0]
    st.markdown(
        f"**{flips:,}** labels were flipped. Of the {flips:,} rows that {_name(best)} doubts "
        f"most, **{theme.percent(at['precision'], 0)}** were among them. Labels that were wrong "
        "before count against this, so it is a lower bound."
    )
    left, right = st.columns(2, gap="large")
    with left:
        st.header("Precision and recall")
        charts.show(
            _curves(found.curve),
            "Each line: a score, from the head of its list to its end. Further up and right is "
            "better: more of the list is wrong (precision), more of what is wrong is on it "
            "(recall).",
            "known-flips",
            found.curve,
            None,
        )
    with right:
        st.header("What to expect of the real list")
        charts.show(
            _expected(case, found.expected),
            "Wrong labels expected among the first n rows, if they score as the flipped ones do; "
            "real mistakes sit on harder rows, so this is the better case. Gray: if all were.",
            "expected-errors",
            found.expected,
            None,
        )
    st.header("Class by class")
    table = found.per_class[found.per_class["score"] == best].drop(columns="score")
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            "flips": st.column_config.NumberColumn("labels flipped", format="localized"),
            **{
                name: st.column_config.ProgressColumn(
                    name, min_value=0, max_value=1, format="percent"
                )
                for name in ("precision", "recall")
            },
        },
    )
    st.caption(
        f"At n = {flips:,} by {_name(best)}. Recall: of the flipped labels of the class, how many "
        "were found. Precision: of the doubted rows that now have this label, how many were "
        "flipped."
    )
    charts.download("known-flips-by-class", found.per_class, None)


def _name(score: str) -> str:
    return {"combined": "the combined score", "probe": "the probe"}.get(
        score, f"“{SCORE_NAMES[score]}”"
    )


def _line(score: str) -> dict[str, Any]:
    color, dash = _LINES.get(score, ("#7A7F87", "dash"))
    return {
        "type": "scatter",
        "mode": "lines",
        "name": SCORE_NAMES[score],
        "line": {"color": color, "dash": dash, "width": 2.5},
    }


def _curves(curve: pd.DataFrame) -> charts.Figure:
    traces = [
        {
            **_line(str(score)),
            "x": (100 * rows["recall"]).to_list(),
            "y": (100 * rows["precision"]).to_list(),
            "customdata": rows[["n"]].to_numpy(),
            "hovertemplate": SCORE_NAMES[str(score)] + ", first %{customdata[0]:,} rows: precision "
            "%{y:.1f} %, recall %{x:.1f} %<extra></extra>",
        }
        for score, rows in curve.groupby("score", sort=False)
    ]
    return charts.framed(
        traces, "recall, %", "precision, %", yaxis={"range": [0, 103]}, xaxis={"range": [0, 103]}
    )


def _expected(case: Case, expected: pd.DataFrame) -> charts.Figure:
    # The list is read from its head: twice what looks wrong is more than anybody reviews.
    last = min(max(2 * case.found.noise.count, 100), len(case))
    shown = expected[expected["n"] <= last]
    traces = [
        {
            **_line(str(score)),
            "x": rows["n"].to_list(),
            "y": rows["errors"].to_list(),
            "hovertemplate": SCORE_NAMES[str(score)] + ": %{y:,.0f} wrong among the first %{x:,}"
            "<extra></extra>",
        }
        for score, rows in shown.groupby("score", sort=False)
    ]
    ends = np.array([0, shown["n"].max()])
    traces.append(
        {
            "type": "scatter",
            "mode": "lines",
            "name": "all wrong",
            "x": ends,
            "y": ends,
            "line": {"color": "#7D8794", "width": 1},
            "hoverinfo": "skip",
        }
    )
    return charts.framed(traces, "first rows of the list, n", "wrong labels expected")
