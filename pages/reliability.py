"""How reliable the labels are, and how well that finds the wrong ones."""

import streamlit as st

from ui.charts import charts
from ui.explore import eta_picture, reliability, reliability_charts
from ui.jobs import engine
from ui.shell import header, settings, truth
from wann_core.explore.reliability import adaptive_k_by_class, distribution

header.show(
    "Reliability",
    "η = 1 / adaptive k: how small a neighborhood explains a training label.",
    "reliability",
)
eta_picture.show()
chosen = settings.sidebar()
prepared = engine.prepared(chosen)
chosen.show_realized(prepared)
k_min, k_max = prepared.k_bounds
if k_min == k_max:
    st.warning(
        f"k_min and k_max are both {k_min}: every label has the same reliability. Move them apart "
        "in the sidebar to compare labels.",
        icon=":material/info:",
    )

with st.container(key="stacking_labels"):
    left, right = st.columns(2, gap="large")
with left:
    known = prepared.truth_known
    st.header("Clean and flipped labels" if known else "Reliability of the labels")
    shares = distribution(prepared)
    charts.show(
        reliability_charts.distribution(shares),
        f"Bars of a color add up to 100 %. First, 1/{k_max}: no neighborhood below {k_max} rows "
        f"has the label as its majority. Last, 1/{k_min}: the smallest neighborhood has.",
        "reliability",
        shares,
        prepared.scenario,
    )
with right:
    st.header("Adaptive k by class")
    by_class = adaptive_k_by_class(prepared)
    charts.show(
        reliability_charts.by_class(by_class, k_min, k_max),
        "Each column: the training rows of one given label, by the neighbors it takes to explain "
        f"it. Brown: k = {k_max}, which no smaller neighborhood explains.",
        "adaptive-k",
        by_class,
        prepared.scenario,
    )

if prepared.truth_known:
    st.header("How well scores find the flipped labels")
    reliability.find_flips(chosen, prepared)
    st.header("By true class and given label")
    reliability.of_pairs(prepared)
else:
    truth.tell_unknown(prepared)
st.header("As the noise grows")
reliability.of_ratios(chosen, prepared)
