"""The rows that somebody chose on the map; they outlive its colors, filters and layout."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import streamlit as st

from ui.explore.map import figures, windows
from ui.explore.map.views import Points
from ui.pictures import chosen_rows, selected_rows
from ui.shell import navigation
from ui.shell.sentences import counted
from wann_core.experiments.prepared import PreparedData
from wann_core.typing import Array

_CHART = "chart_map"
_PICTURES = 15
_PARTS = {"train": "Training rows", "test": "Test rows"}


@dataclass
class Selection:
    """Selection by their ids in the data set's own files, so that any view finds them again.

    Attributes
    ----------
    source : tuple of str
        Data set and backbone that they belong to.
    rows : dict
        Row ids of each split.
    turn : int
        How often the selection was cleared.
    drawn : object
        What the chart showed last.
    highlighted : dict
        The rows that stand out in it by its own making. A selection made in the chart is drawn by
        the browser, which would lose it if the figure changed.
    """

    source: tuple[str, str]
    rows: dict[str, Array] = field(default_factory=dict)
    turn: int = 0
    drawn: object = None
    highlighted: dict[str, Array] = field(default_factory=dict)

    def places(self, prepared: PreparedData) -> Array:
        """Places of the highlighted rows, as `Points` counts them."""
        return _places(_found(self.highlighted, prepared), len(prepared.row_ids))

    def clear(self) -> None:
        """Choose nothing."""
        self.rows, self.highlighted = {}, {}
        self.turn += 1


def current(prepared: PreparedData, drawn: object) -> Selection:
    """The selection of this session; `drawn` is all that decides what the chart shows."""
    source = (prepared.dataset.name, prepared.dataset.backbone)
    kept = st.session_state.get("_map_selection")
    if not isinstance(kept, Selection) or kept.source != source:
        kept = Selection(source)
    st.session_state["_map_selection"] = kept
    # Another figure, or the same one on a page that was left meanwhile: the browser knows nothing.
    if kept.drawn != drawn or _CHART not in st.session_state:
        kept.drawn, kept.highlighted = drawn, kept.rows
    return kept


def picker(selection: Selection, points: Points) -> Callable[[list[dict[str, Any]]], None]:
    """What to do when points were chosen in the chart, or the choice was taken back."""

    def picked(marks: list[dict[str, Any]]) -> None:
        # The browser gives rows of a typed array as objects.
        first = np.array([mark["customdata"]["0"] for mark in marks], np.int64)
        if figures.is_image(points):
            chosen = np.isin(figures.cells(points), first)
        else:
            chosen = np.isin(points.places, first)
        test = points.places >= points.n_train
        selection.rows = {"train": points.rows[chosen & ~test], "test": points.rows[chosen & test]}

    return picked


def show(selection: Selection, prepared: PreparedData, points: Points) -> tuple[str, Array] | None:
    """How many rows are chosen and what they look like; a hint where there are none.

    Returns
    -------
    (str, ndarray of int) or None
        Split and positions of the rows that are shown.
    """
    found = {part: at for part, at in _found(selection.rows, prepared).items() if len(at)}
    st.header("Selection")
    if not found:
        st.info(
            "Draw around points with the mouse to see their rows. The bar above the chart has a "
            "box too; its crossed arrows let you move the map and choose single points.",
            icon=":material/lasso_select:",
        )
        return None
    _buttons(selection, found, points)
    part = next(iter(found))
    if len(found) > 1:
        part = st.segmented_control(
            "Of which",
            list(found),
            default=part,
            key="map_part",
            required=True,
            format_func=lambda name: f"{_PARTS[name]} ({len(found[name]):,})",
        )
    else:
        st.caption(f"{_PARTS[part]}: {len(found[part]):,}")
    selected_rows.pictures(prepared, part, found[part], "map-selection", _PICTURES)
    return part, found[part]


def _buttons(selection: Selection, found: dict[str, Array], points: Points) -> None:
    zoom, review, clear = st.columns(3)
    shown = points.xy[np.isin(points.places, _places(found, points.n_train))]
    zoom.button(
        "Zoom to them",
        icon=":material/zoom_in:",
        width="stretch",
        disabled=not len(shown),
        on_click=windows.zoom,
        args=(shown, points.square),
    )
    with review:
        chosen_rows.offer(selection.source, selection.rows)
        navigation.link(
            "label_audit",
            f"Review {counted(sum(map(len, selection.rows.values())), 'row')}",
            ":material/rule:",
            chosen="true",
        )
    clear.button(
        "Clear selection", icon=":material/close:", width="stretch", on_click=selection.clear
    )


def _found(rows: dict[str, Array], prepared: PreparedData) -> dict[str, Array]:
    """Positions of these rows in their split, as far as the scenario has them."""
    ids = {"train": prepared.row_ids, "test": prepared.test_ids}
    return {part: np.flatnonzero(np.isin(ids[part], rows.get(part, ()))) for part in ids}


def _places(found: dict[str, Array], n_train: int) -> Array:
    """Positions as `Points` counts them: test rows after training rows."""
    return np.concatenate([at + n_train * (part == "test") for part, at in found.items()])
