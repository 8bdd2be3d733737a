"""How the methods hold up along noise, imbalance or training rows, over several seeds."""

from functools import partial

import streamlit as st

from ui.jobs import runs
from ui.measure import comparison, recommendation
from ui.shell import header, settings

header.show(
    "Compare",
    "How the methods hold up along noise, imbalance or training rows, averaged over draws.",
    "methods",
)
chosen = settings.sidebar()
plan = comparison.controls(chosen)
if plan is None:
    st.stop()
recommendation.show(chosen)

runs.page(
    "compare",
    plan,
    chosen,
    partial(comparison.show, plan),
    "Press Run to see how the methods hold up. All settings of the sidebar but the one compared "
    "stay as they are along the way.",
)
