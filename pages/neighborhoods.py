"""One sample, its neighbors, and how they vote."""

import streamlit as st

from ui.charts import charts
from ui.explore import neighborhood_charts, neighborhoods
from ui.jobs import engine
from ui.shell import header, settings, theme

header.show(
    "Neighborhoods", "Who votes on a single row, with what weight, and what comes of it.", "methods"
)
chosen = settings.sidebar()
prepared = engine.prepared(chosen)
chosen.show_realized(prepared)

sample = neighborhoods.choose(prepared, chosen.methods)
if sample is None:
    st.stop()

curve = neighborhoods.curve_table(sample)
votes = neighborhoods.vote_table(sample, chosen.methods)
colors = theme.class_colors(neighborhood_charts.drawn(votes, curve), besides=(theme.OTHERS,))
left, right = st.container(key="stacking_votes").columns([3, 5], gap="large")
with left:
    neighborhoods.facts(sample, chosen.methods)
with right:
    st.header("How each method votes")
    charts.show(
        neighborhood_charts.votes(votes, colors),
        "Each bar: the votes of one method, split by class. kNN counts its k nearest rows, ANN and "
        "WANN as many as the adaptive k of the nearest row; WANN weighs each by its reliability.",
        "votes",
        votes,
        prepared.scenario,
    )

table = neighborhoods.show_neighbors(sample)
charts.download("neighbors", table, prepared.scenario, "All neighbors, CSV")

st.header("Votes as the neighborhood grows")
charts.show(
    neighborhood_charts.share_curves(curve, sample.adaptive_k, colors),
    "Share of each class among the k nearest training rows: solid, every vote counts one; dotted, "
    "it counts its reliability. The upright line marks the k that ANN and WANN use here; up to 5 "
    "classes with the largest shares are drawn.",
    "share-curve",
    curve,
    prepared.scenario,
)
