"""One sample, its neighbours, and how they vote."""

import streamlit as st

from ui import charts, engine, look, neighbour_charts, neighbours, settings

st.title("Neighbourhoods")
chosen = settings.sidebar()
prepared = engine.prepared(chosen)
chosen.show_realised(prepared.noise_ratio)

sample = neighbours.choose(prepared, chosen.methods)
if sample is None:
    st.stop()

curve = neighbours.curve_table(sample)
colors = look.class_colors(neighbour_charts.by_share(curve))
left, right = st.container(key="stacking_votes").columns([3, 5], gap="large")
with left:
    neighbours.facts(sample, chosen.methods)
with right:
    st.subheader("How each method votes")
    votes = neighbours.vote_table(sample, chosen.methods)
    charts.show(
        neighbour_charts.votes(votes, colors),
        "Each bar: the votes of one method, split by class. kNN counts its k nearest rows, ANN and "
        "WANN as many as the adaptive k of the nearest row; WANN weighs each by its reliability.",
        "votes", votes, prepared.scenario,
    )  # fmt: skip

table = neighbours.show_neighbours(sample)
charts.download("neighbours", table, prepared.scenario, "All neighbours, CSV")

st.subheader("Votes as the neighbourhood grows")
charts.show(
    neighbour_charts.share_curves(curve, sample.adaptive_k, colors),
    "Share of each class among the k nearest training rows: solid, every vote counts one; dotted, "
    "it counts its reliability. The upright line marks the k that ANN and WANN use here; up to 5 "
    "classes with the largest shares are drawn.",
    "share-curve", curve, prepared.scenario,
)  # fmt: skip
