"""The parts of the overview: what is measured, and what noise did to the labels."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from ui.charts import charts, heatmaps
from ui.charts.short_names import apart
from ui.pictures import thumbnails
from ui.shell import navigation, sentences, theme
from wann_core.experiments import records
from wann_core.experiments.prepared import PreparedData, Report

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
        "does not cover another draw of the noise."
    )


def show_doors() -> None:
    """Draw the two ways into the app."""
    explore, check = st.columns(2, gap="medium")
    with explore.container(border=True, height="stretch"):
        navigation.link("neighborhoods", "**Explore label noise**", ":material/workspaces:")
        st.caption(
            "Move the noise ratio in the settings and see how four classifiers hold up. Then step "
            "into the neighborhood of a single label and see who votes for what."
        )
    with check.container(border=True, height="stretch"):
        navigation.link("data", "**Check my labels**", ":material/troubleshoot:", task="embed")
        st.caption(
            "Bring image folders or embeddings, see which labels are doubtful and why, review "
            "them by key, and export the cleaned data."
        )
        navigation.link_to_example()


def show_scores(reports: Sequence[Report]) -> None:
    """Draw a card for each method."""
    theme.cards(
        [
            (
                report.scenario.method_name,
                theme.percent(report.metrics.accuracy),
                "95 % interval {:.1f} to {:.1f}".format(
                    *(100 * bound for bound in report.metrics.accuracy_interval)
                ),
            )
            for report in reports
        ]
    )


def warn_of_majority(prepared: PreparedData) -> None:
    """Say why all methods fall where a wrong label is more frequent than the true one."""
    given, right = prepared.transition_matrix, np.diag(prepared.transition_matrix)
    lost = int((given.max(axis=1) > right).sum())
    if prepared.truth_known and lost:
        st.info(
            f"In {lost} of {len(right)} classes one wrong label is now more frequent than the true "
            "one. No method that sees only these labels can know which is which: all of them fall, "
            "and more neighbors follow the wrong majority more surely.",
            icon=":material/trending_down:",
        )


def show_classes(prepared: PreparedData) -> None:
    """Draw the rows of each class by their labels."""
    st.header("Classes before and after" if prepared.truth_known else "Classes")
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
    st.header("Where labels went")
    names = prepared.dataset.class_names
    charts.show(
        heatmaps.transitions(names, prepared.transition_matrix),
        "Row: the true class. Column: the label given to it, in percent of the row"
        f"{heatmaps.written(len(names), 10)}. A clean data set has 100 on the diagonal.",
        "transitions",
        records.transitions(prepared),
        prepared.scenario,
    )


def show_wrong_labels(prepared: PreparedData) -> None:
    """Show rows whose labels are wrong, or a note where no label is."""
    st.header("Some wrong labels")
    flipped = np.flatnonzero(prepared.labels != prepared.clean_labels)
    names = prepared.dataset.class_names
    if not len(flipped):
        st.info(sentences.NO_WRONG_LABELS)
        return
    some = np.random.default_rng(prepared.scenario.seed).permutation(flipped)[:_SOME]
    short = apart(names)
    if prepared.dataset.images is not None:
        pairs = [(names[prepared.clean_labels[i]], names[prepared.labels[i]]) for i in some]
        thumbnails.grid(
            [thumbnails.of_sample(prepared.dataset, "train", i) for i in prepared.rows[some]],
            [f"{short[true]} → {short[given]}" for true, given in pairs],
            [f"{true} → {given}" for true, given in pairs],
        )
    else:
        table = pd.DataFrame(
            {
                "row": prepared.row_ids[some],
                "true class": [theme.plain(short[names[c]]) for c in prepared.clean_labels[some]],
                "given label": [theme.plain(short[names[c]]) for c in prepared.labels[some]],
                "reliability": [f"1/{k}" for k in prepared.adaptive_k[some]],
            }
        )
        st.table(table.set_index("row"))
    st.caption(f"{len(some)} of {len(flipped):,} wrong labels at random: true class → given label.")
