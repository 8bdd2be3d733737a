"""Every run that was kept: filtered, averaged over seeds, drawn, compared, taken home."""

import streamlit as st

from ui import jobs, result_compare, result_import, result_views, results
from ui.controls import linked

_VIEWS = {
    "table": ("Table", result_views.table),
    "chart": ("Chart", result_views.chart),
    "compare": ("Compare two", result_compare.show),
    "runs": ("All runs", result_views.runs),
    "import": ("Import logs", result_import.show),
}

st.title("Results")
found, token = results.load()
view = linked(
    st.segmented_control, "View", key="view", options=list(_VIEWS), default="table",
    format_func=lambda name: _VIEWS[name][0], required=True, label_visibility="collapsed",
)  # fmt: skip
chosen = results.filtered(found, token)
results.tell(found, chosen, empty=view != "import")
try:
    _VIEWS[view][1](chosen)
except Exception as error:
    jobs.went_wrong(error, logged=False)
