"""How far embeddings can be reduced, by PCA, LDA and fLDA: accuracy, adaptive k, time and space."""

from functools import partial

import streamlit as st

from ui.jobs import engine, runs
from ui.measure import dimension_results
from ui.measure import dimensions as dimension
from ui.shell import header, settings

header.show(
    "Dimensions",
    "How few dimensions will do: the same neighbor votes on embeddings reduced by PCA, by LDA "
    "(fitted to the noisy labels) and by fLDA (LDA on the labels that a neighborhood explains).",
    "methods",
)
chosen = settings.sidebar()
plan = dimension.controls(chosen, engine.dataset(chosen))
if plan is None:
    st.stop()

runs.page(
    "dimension",
    plan,
    chosen,
    partial(dimension_results.show, plan),
    "Press Run to see what smaller embeddings cost and what they save. The sidebar's reduction "
    "does not matter here; all its other settings stay as they are.",
    passed_over=("reduction", "reduction_size"),
)
