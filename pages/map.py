"""All rows on a plane, for those who would rather look."""

import streamlit as st

from ui.charts import charts
from ui.explore import map_charts, map_jobs, map_selection, map_view
from ui.jobs import engine
from ui.pictures import selected_rows
from ui.shell import settings

st.title("Map")
chosen = settings.sidebar()
prepared = engine.prepared(chosen)
chosen.show_realized(prepared)

view = map_view.controls(chosen, prepared)
layout, positions = map_jobs.positions(view.layout, prepared)
points = map_view.points(view, prepared, positions)
if not len(points.places):
    st.info(f"No row is left: {map_view.narrow(view, prepared)}.", icon=":material/filter_alt_off:")
    st.button("Show all", on_click=map_view.show_all)
    st.stop()

selection = map_selection.current(prepared, (prepared.scenario, layout, view))
left, right = st.container(key="stacking_map").columns([3, 2], gap="large")
with left:
    if not map_view.is_whole(view):
        st.button("Whole map", icon=":material/zoom_out_map:", on_click=map_view.show_whole)
    charts.show(
        map_charts.figure(points, view.color, prepared, selection.places(prepared), selection.turn),
        map_view.reading(points, layout, view.color, map_charts.is_image(points)),
        "map",
        lambda: map_view.table(points, view.color),
        prepared.scenario,
        "These points, CSV",
        pick=("points", "box", "lasso"),
        on_pick=map_selection.picker(selection, points),
        scrollZoom=True,
        displayModeBar=True,
    )
with right:
    shown = map_selection.show(selection, prepared, points)
if shown is not None:
    selected_rows.listing(prepared, *shown, "map-selection")
