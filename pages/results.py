"""Every run that was kept: filtered, averaged over seeds, drawn, compared, exported."""

import streamlit as st

from ui.jobs import panel
from ui.results import along, compare, import_logs, results, views
from ui.shell import header
from ui.shell.controls import linked

_VIEWS = {
    "table": ("Table", views.table),
    "chart": ("Chart", along.show),
    "compare": ("Compare two", compare.show),
    "runs": ("All runs", views.runs),
    "import": ("Import logs", import_logs.show),
}

header.show("Results", "All stored runs as tables, charts and LaTeX, with paired tests.", "results")
found, token = results.load()
view = linked(
    st.segmented_control,
    "View",
    key="view",
    options=list(_VIEWS),
    default="table",
    format_func=lambda name: _VIEWS[name][0],
    required=True,
    label_visibility="collapsed",
)
chosen = results.filtered(found, token)
results.show_counts(found, chosen, empty=view != "import")
try:
    _VIEWS[view][1](chosen)
except Exception as error:
    panel.show_internal_error(error, logged=False)
