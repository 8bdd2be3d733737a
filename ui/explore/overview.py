"""The parts of the overview: what is measured, and what noise did to the labels."""

import numpy as np
import pandas as pd
import streamlit as st

from ui.charts import charts, heatmaps
from ui.pictures import thumbnails
from ui.shell import sentences, theme
from wann_core.experiments import records
from wann_core.experiments.prepared import PreparedData

_SOME = 16


def _judged(prepared: PreparedData) -> str:
    return "training" if prepared.leave_one_out else "test"


def score_axis(prepared: PreparedData) -> str:
    """Title of the axis of scores."""
    kind = _judged(prepared)
    if prepared.test_truth_known:
        return f"accuracy on the {kind} rows, %"
    return f"agreement with the given {kind} labels, %"


def score_reading(prepared: PreparedData) -> str:
    """How to read the scores."""
    kind = _judged(prepared)
    what = (
        f"share of the clean {kind} labels that a method finds"
        if prepared.test_truth_known
        else f"share of the {kind} rows on which a method agrees with the given label, which "
        "nobody has verified"
    )
    return (
        f"Mark: {what}. Bar: 95 % Wilson interval, the doubt that finitely many rows leave; it "
        "says nothing of another draw of the noise."
    )


def show_classes(prepared: PreparedData) -> None:
    """Draw the rows of each class by their labels."""
    st.subheader("Classes before and after" if prepared.truth_known else "Classes")
    counts = records.class_counts(prepared)
    charts.show(
        charts.class_counts(counts),
        "Training rows of each class by their true label and by the label that the methods see."
        if prepared.truth_known
        else "Training rows of each class by their given label.",
        "class-counts",
        counts,
        prepared.scenario,
    )


def show_transitions(prepared: PreparedData) -> None:
    """Draw which class was labeled as which."""
    st.subheader("Where labels went")
    charts.show(
        heatmaps.transitions(prepared),
        "Row: the true class. Column: the label given to it, in percent of the row; shares from "
        "10 on are written out. A clean data set has 100 on the diagonal.",
        "transitions",
        records.transitions(prepared),
        prepared.scenario,
    )


def show_wrong_labels(prepared: PreparedData) -> None:
    """Draw some rows with wrong labels, or say that there are none."""
    st.subheader("Some wrong labels")
    flipped = np.flatnonzero(prepared.labels != prepared.clean_labels)
    names = prepared.dataset.class_names
    if not len(flipped):
        st.info(sentences.NO_WRONG_LABELS)
        return
    some = np.random.default_rng(prepared.scenario.seed).permutation(flipped)[:_SOME]
    if prepared.dataset.images is not None:
        thumbnails.grid(
            [thumbnails.of_sample(prepared.dataset, "train", i) for i in prepared.rows[some]],
            [f"{names[prepared.clean_labels[i]]} → {names[prepared.labels[i]]}" for i in some],
        )
    else:
        table = pd.DataFrame(
            {
                "row": prepared.row_ids[some],
                "true class": [theme.plain(names[c]) for c in prepared.clean_labels[some]],
                "given label": [theme.plain(names[c]) for c in prepared.labels[some]],
                "reliability": [f"1/{k}" for k in prepared.adaptive_k[some]],
            }
        )
        st.table(table.set_index("row"))
    st.caption(f"{len(some)} of {len(flipped):,} wrong labels at random: true class → given label.")
