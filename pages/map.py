"""All rows on a plane, for those who would rather look."""

import streamlit as st

from ui.charts import charts
from ui.explore import (
    map_charts,
    map_hover,
    map_jobs,
    map_review,
    map_selection,
    map_view,
    map_window,
)
from ui.jobs import engine
from ui.pictures import selected_rows
from ui.shell import header, settings

header.show(
    "Map",
    "All rows on a plane, similar ones together: choose some to see what they are.",
    "methods",
)
chosen = settings.sidebar()
prepared = engine.prepared(chosen)
chosen.show_realized(prepared)

view = map_view.controls(chosen, prepared)
layout, positions = map_jobs.positions(view.layout, prepared)
reviewed = None
if view.color in (map_review.DOUBTFUL, map_review.VERDICT):
    reviewed = map_review.values(view.color, chosen, prepared)
    if reviewed is None:
        st.stop()
points = map_view.points(view, prepared, positions, reviewed)
if not len(points.places):
    st.info(f"No row is left: {map_view.narrow(view, prepared)}.", icon=":material/filter_alt_off:")
    st.button("Show all", on_click=map_view.show_all)
    st.stop()

token = f"{hash((prepared.scenario, layout, view))}"
selection = map_selection.current(prepared, (prepared.scenario, layout, view))
charts.show(
    map_charts.figure(points, view.color, prepared, selection.places(prepared), selection.turn),
    map_view.reading(
        points, layout, view.color, map_charts.is_image(points), map_view.rows(view, positions)
    ),
    "map",
    lambda: map_view.table(points, view.color),
    prepared.scenario,
    "These points, CSV",
    on_select=map_selection.picker(selection, points),
    scrollZoom=True,
    displayModeBar=True,
)
if not map_window.is_whole(view.across, view.up):
    st.button("Whole map", icon=":material/zoom_out_map:", on_click=map_window.show_whole)
map_hover.follow_zoom(points, len(positions.train) + len(positions.test))
map_hover.show(prepared, points, token)
shown = map_selection.show(selection, prepared, points)
if shown is not None:
    selected_rows.listing(prepared, *shown, "map-selection")
