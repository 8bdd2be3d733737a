"""What the current settings do to the labels, and what the methods make of them."""

import numpy as np
import pandas as pd
import streamlit as st

from ui.charts import charts, heatmaps
from ui.jobs import engine
from ui.pictures import thumbnails
from ui.shell import sentences, settings, theme
from wann_core.experiments import records

st.title("Overview")
st.caption("What wrong labels do to nearest-neighbor classifiers on frozen embeddings.")
chosen = settings.sidebar()
scenario = chosen.scenario

prepared = engine.prepared(chosen)
reports = engine.reports(chosen, prepared, chosen.methods)
chosen.show_realized(prepared.noise_ratio)

# Show
st.markdown(sentences.settings(prepared))
for note in prepared.notes:
    st.warning(note, icon=":material/info:")
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

st.markdown(sentences.results(reports))
with st.expander("What are these methods?"):
    st.markdown(sentences.METHODS)

judged = "training" if prepared.leave_one_out else "test"
scores = pd.DataFrame([records.report_record(report) for report in reports])
left, right = st.columns(2, gap="large")
with left:
    st.subheader("Accuracy")
    charts.show(
        charts.accuracies(scores, judged),
        f"Mark: share of the clean {judged} labels that a method finds. Bar: 95 % Wilson interval, "
        "the doubt that finitely many rows leave; it says nothing of another draw of the noise.",
        "accuracy",
        scores,
        scenario,
    )
with right:
    st.subheader("Classes before and after")
    counts = records.class_counts(prepared)
    charts.show(
        charts.class_counts(counts),
        "Training rows of each class by their true label and by the label that the methods see.",
        "class-counts",
        counts,
        scenario,
    )

left, right = st.columns(2, gap="large")
with left:
    st.subheader("Where labels went")
    charts.show(
        heatmaps.transitions(prepared),
        "Row: the true class. Column: the label given to it, in percent of the row; shares from "
        "10 on are written out. A clean data set has 100 on the diagonal.",
        "transitions",
        records.transitions(prepared),
        scenario,
    )
with right:
    st.subheader("Some wrong labels")
    flipped = np.flatnonzero(prepared.labels != prepared.clean_labels)
    names = prepared.dataset.class_names
    if not len(flipped):
        st.info(sentences.no_wrong_labels(prepared))
    else:
        some = np.random.default_rng(scenario.seed).permutation(flipped)[:16]
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
        st.caption(
            f"{len(some)} of {len(flipped):,} wrong labels at random: true class → given label."
        )
    charts.download(
        "training-rows", lambda: records.training_rows(prepared), scenario, "All training rows, CSV"
    )
