"""All rows on a plane, for those who would rather look."""

import streamlit as st

from ui.charts import charts
from ui.explore.map import figures, hover, layouts, reviews, selections, views, windows
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

view = views.controls(chosen, prepared)
layout, positions = layouts.positions(view.layout, prepared)
reviewed = None
if view.color in (reviews.DOUBTFUL, reviews.VERDICT):
    reviewed = reviews.values(view.color, chosen, prepared)
    if reviewed is None:
        st.stop()
points = views.points(view, prepared, positions, reviewed)
if not len(points.places):
    st.info(f"No row is left: {views.narrow(view, prepared)}.", icon=":material/filter_alt_off:")
    st.button("Show all", on_click=views.show_all)
    st.stop()

token = f"{hash((prepared.scenario, layout, view))}"
selection = selections.current(prepared, (prepared.scenario, layout, view))
charts.show(
    figures.figure(points, view.color, prepared, selection.places(prepared), selection.turn),
    views.reading(
        points, layout, view.color, figures.is_image(points), views.rows(view, positions)
    ),
    "map",
    lambda: views.table(points, view.color),
    prepared.scenario,
    "These points, CSV",
    on_select=selections.picker(selection, points),
    scrollZoom=True,
    displayModeBar=True,
)
if not windows.is_whole(view.across, view.up):
    st.button("Whole map", icon=":material/zoom_out_map:", on_click=windows.show_whole)
hover.follow_zoom(points, len(positions.train) + len(positions.test))
hover.show(prepared, points, token)
shown = selections.show(selection, prepared, points)
if shown is not None:
    selected_rows.listing(prepared, *shown, "map-selection")
