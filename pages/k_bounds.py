"""Which bounds of the adaptive k serve these data, and what a choice among them is worth."""

import streamlit as st

from ui.jobs import engine
from ui.measure import k_bounds
from ui.shell import header, settings, truth

header.show(
    "k bounds",
    "ANN and WANN under every pair of bounds of the adaptive k, from one neighbor graph.",
    "methods",
)
chosen = settings.sidebar()
prepared = engine.prepared(chosen)
chosen.show_realized(prepared)
truth.explain_scores(prepared.dataset)
for note in prepared.notes:
    st.warning(note, icon=":material/info:")

grid = k_bounds.measure(chosen, prepared)
if grid is None:
    st.stop()
with st.container(key="stacking_bounds"):
    left, right = st.columns([6, 5], gap="large")
with left:
    st.header("Bounds of the adaptive k")
    method, pair = k_bounds.show_grid(prepared, grid)
with right:
    st.header("The chosen bounds")
    k_bounds.show_chosen(grid, pair)
    st.header("kNN for comparison")
    k_bounds.show_knn(prepared, grid)
k_bounds.show_bounds(prepared, grid, method)
