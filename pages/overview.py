"""What the current settings do to the labels, and what the methods make of them."""

import pandas as pd
import streamlit as st

from ui.charts import charts
from ui.explore import noise_curve, overview
from ui.jobs import engine
from ui.shell import glossary, header, sentences, settings, tour, truth
from wann_core.experiments import records

header.show(
    "WANN Explorer",
    "See what label noise does to nearest-neighbor classifiers on frozen embeddings, and find the "
    "doubtful labels in your own data.",
    "index",
)
chosen = settings.sidebar()
scenario = chosen.scenario
tour.show()
overview.show_doors()

curve_place, scores_place = st.columns([3, 2], gap="large")
if (curve := noise_curve.stored(chosen)) is not None:
    with curve_place:
        noise_curve.show(curve, chosen)
with scores_place if curve is not None else st.container():
    prepared = engine.prepared(chosen)
reports = engine.reports(chosen, prepared, chosen.methods)
chosen.show_realized(prepared)

with scores_place if noise_curve.applies(scenario) else st.container():
    overview.show_scores(reports)
    st.markdown(sentences.results(reports))
    overview.warn_of_majority(prepared)
    st.markdown(sentences.settings(prepared))
    for note in prepared.notes:
        st.warning(note, icon=":material/info:")
    with st.expander("What are these methods?"):
        st.markdown(glossary.explained(sentences.METHODS), unsafe_allow_html=True)
if curve is None and noise_curve.applies(scenario):
    with curve_place:
        noise_curve.show_computed(chosen, prepared)

table = pd.DataFrame([records.report_record(report) for report in reports])
left, right = st.columns(2, gap="large")
with left:
    st.header(truth.score(prepared))
    charts.show(
        charts.accuracies(table, overview.score_axis(prepared)),
        overview.score_reading(prepared),
        "accuracy",
        table,
        scenario,
    )
with right:
    overview.show_classes(prepared)
if prepared.truth_known:
    left, right = st.columns(2, gap="large")
    with left:
        overview.show_transitions(prepared)
    with right:
        overview.show_wrong_labels(prepared)
else:
    truth.tell_unknown(prepared)
charts.download(
    "training-rows", lambda: records.training_rows(prepared), scenario, "All training rows, CSV"
)
