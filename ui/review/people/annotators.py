"""Several annotators: one label of many, how good each of them is, what to label once more."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from ui.charts import charts, heatmaps
from ui.jobs import jobs
from ui.jobs.panel import Panel
from ui.review.case.asked import Asked
from ui.review.case.data import Case
from ui.review.people import next_labels, reviewers
from ui.shell import theme, uploads
from wann_core.audit.annotators.consensus import Consensus
from wann_core.datasets.dataset import Dataset, row_names
from wann_core.noise.transition import MOST_PAIRS
from wann_core.review.annotations import annotators_of, consensus_of

_SUFFIXES = ("csv", "parquet")
_AGAIN = 100


def show(case: Case, asked: Asked) -> None:
    """Draw the consensus of annotators, the agreement of reviewers, and what to label next."""
    _consensus(case, asked)
    reviewers.show(case, asked.who)
    next_labels.show(case)


def _consensus(case: Case, asked: Asked) -> None:
    """Draw where labels come from, the job, and what was found."""
    data = case.data
    st.markdown(
        "Where several people labeled the same rows, their labels and the embeddings together show "
        "the likeliest label of each row, and how often each person is right."
    )
    known = annotators_of(data)
    file = None
    if known:
        st.caption(f"Columns of annotators: {theme.plain(', '.join(known[:20]))}.")
    else:
        example = row_names(data)[0]
        st.caption(
            "A table of the columns row, annotator and label, one line a label; row is the name of "
            f"the row, as in “{theme.plain(example)}”. Or import a table with annotators' columns."
        )
        file = uploads.choose("table of labels", _SUFFIXES, "annotations", "/path/to/labels.csv")
    if not known and file is None:
        return
    token = "" if file is None else file.token

    def work(job: jobs.Job) -> Consensus:
        job.progress(0, 1, "reading the labels")
        return consensus_of(data, None if file is None else file.path, progress=job.progress)

    panel = Panel(
        "consensus",
        ("consensus", case.key, token),
        work,
        f"Consensus of {asked.source.dataset}",
        canceled="Canceled. Press “Find the consensus” to start again.",
        again="",
    )
    panel.offer("Find the consensus", type="primary", icon=":material/groups:")
    found = panel.answer()
    if found is not None:
        _show(found, data)


def _show(found: Consensus, data: Dataset) -> None:
    agreement = found.agreement
    table = found.table
    differs = (table["majority_label"] != table["consensus_label"]) & (
        table["majority_label"] != ""
    )
    theme.cards(
        [
            (
                "Labels",
                f"{len(found.annotations):,}",
                f"by {len(found.annotations.annotators):,} annotators",
            ),
            (
                "Agreement (Krippendorff's α)",
                f"{agreement.alpha:.2f}" if agreement.rows else "–",
                f"from {agreement.low:.2f} to {agreement.high:.2f}"
                if agreement.rows
                else "no row has two labels",
            ),
            (
                "Consensus wrong, about",
                f"{found.expected_wrong:,.0f}",
                "if probabilities are right",
            ),
            (
                "Against the majority",
                f"{int(differs.sum()):,}",
                "rows by consensus",
            ),
        ]
    )
    left, right = st.columns(2, gap="large")
    with left:
        st.header("Annotators")
        _annotators(found.annotators)
    with right:
        st.header("Confusion")
        _confusion(found, found.annotators["annotator"].tolist())
    st.header("Rows to label again")
    again = found.label_again(_AGAIN)
    st.dataframe(
        again,
        hide_index=True,
        column_config={
            "position": None,
            "name": "row",
            "consensus_label": "consensus",
            "probability": st.column_config.NumberColumn(format="%.2f"),
            "n_labels": "labels so far",
            "gain": st.column_config.NumberColumn(format="%.3f"),
            "annotator": st.column_config.TextColumn(
                "ask", help="Who should give it; empty: anybody who has not labeled the row."
            ),
        },
    )
    st.caption("Gain: by how much the probability of the consensus is expected to rise.")
    with st.container(horizontal=True):
        charts.download("consensus", table, None, "Consensus labels, CSV")
        charts.download("annotators", found.annotators, None, "Annotators, CSV")
        charts.download("label-again", again, None, "Rows to label again, CSV")
    st.caption(
        f"“wann relabel consensus.csv --dataset {theme.plain(data.name)} --out NAME” makes a new "
        "version of the data set under the consensus labels."
    )


def _annotators(table: pd.DataFrame) -> None:
    st.dataframe(
        pd.DataFrame(
            {
                "annotator": table["annotator"],
                "labels": table["n_labels"],
                "right, %": 100 * table["quality"],
                "from": 100 * table["low"],
                "to": 100 * table["high"],
                "most confused": table["most_confused"],
            }
        ),
        hide_index=True,
        column_config={
            "labels": st.column_config.NumberColumn(format="localized"),
            **{
                name: st.column_config.NumberColumn(format="%.1f")
                for name in ("right, %", "from", "to")
            },
        },
    )
    st.caption(
        "Worst first. Intervals (95 %) cover chance, not what people and embedding both get wrong."
    )


def _confusion(found: Consensus, annotators: Sequence[str]) -> None:
    if len(found.annotations.class_names) > MOST_PAIRS:
        st.caption(f"Of more than {MOST_PAIRS} classes there is no picture of all pairs.")
        return
    who = st.selectbox("Annotator", list(annotators), key="confusion_of")
    shares = 100 * found.confusion(who)
    names = list(found.annotations.class_names)
    charts.show(
        heatmaps.heatmap(
            names,
            names,
            shares.to_numpy(),
            "label given",
            "true class",
            hover="true %{y}, labeled %{x}: %{z:.1f} %",
            unit="%",
            span=(0, 100),
            text="%.0f",
            least=1,
        ),
        "Row: the true class. Column: the label given to it, in percent; drawn toward the average "
        "of all annotators where there are few labels.",
        "annotator-confusion",
        shares.reset_index(),
        None,
    )
