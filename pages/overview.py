"""What the current settings do to the labels, and what the methods make of them."""

import pandas as pd
import streamlit as st

from ui.charts import charts
from ui.explore import overview
from ui.jobs import engine
from ui.shell import sentences, settings, theme, truth
from wann_core.experiments import records

st.title("Overview")
st.caption("What label noise does to nearest-neighbor classifiers on frozen embeddings.")
chosen = settings.sidebar()
scenario = chosen.scenario

prepared = engine.prepared(chosen)
reports = engine.reports(chosen, prepared, chosen.methods)
chosen.show_realized(prepared)

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

table = pd.DataFrame([records.report_record(report) for report in reports])
left, right = st.columns(2, gap="large")
with left:
    st.subheader(truth.score(prepared))
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
