"""What the pointer does on the map: pictures of rows, and the part that it zooms to."""

from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from ui.explore.map import figures, windows
from ui.explore.map.views import Points
from ui.pictures import selected_rows
from wann_core.experiments.prepared import PreparedData
from wann_core.typing import Array

_KEY, _ASKED, _ZOOM, _CHART = "map_hover", "_map_hovered", "map_zoom", "chart_map"
_AHEAD = 12  # points beside the one that is pointed at, whose pictures come along
_IN_CELL = 6  # pictures of a cell of the density image
_CSS = """
.box { position: fixed; z-index: 1000; display: flex; gap: 0.4rem; pointer-events: none;
  background: var(--st-background-color); color: var(--st-text-color); padding: 0.4rem;
  border: 1px solid var(--st-border-color); border-radius: 0.5rem;
  box-shadow: 0 2px 10px rgb(0 0 0 / 0.3); font: 0.75rem/1.3 var(--st-font); }
.box[hidden] { display: none; }
figure { margin: 0; width: 7rem; text-align: center; overflow-wrap: anywhere;
  border-top: 4px solid var(--mark); }
.box:has(figure + figure) figure { width: 4.6rem; }
img { width: 100%; aspect-ratio: 1; object-fit: contain; image-rendering: pixelated; }
"""
_HERE = Path(__file__).parent
_pictures = st.components.v2.component(
    "wann_map_hover", css=_CSS, js=(_HERE / "hover.js").read_text(encoding="utf-8")
)
_zoom = st.components.v2.component(
    "wann_map_zoom", js=(_HERE / "zoom.js").read_text(encoding="utf-8")
)


def follow_zoom(points: Points, rows: int) -> None:
    """Where the whole map has too many rows for points, draw the part in view again.

    Parameters
    ----------
    points : Points
    rows : int
        Of the whole map.
    """
    if not figures.is_many(rows):
        return

    def zoomed() -> None:
        asked = st.session_state[_ZOOM].zoomed
        if asked:
            windows.show_part(np.array([asked["x"], asked["y"]], np.float64), points.square)

    _zoom(key=_ZOOM, data={"chart": _CHART}, on_zoomed_change=zoomed)


@st.fragment
def show(prepared: PreparedData, points: Points, token: str) -> None:
    """Show pictures beside the pointer; they come without the rest of the page.

    Parameters
    ----------
    prepared : PreparedData
    points : Points
    token : str
        Another one for other points.
    """

    def hovered() -> None:
        st.session_state[_ASKED] = st.session_state[_KEY].hovered

    _pictures(
        key=_KEY,
        data={
            "chart": _CHART,
            "token": token,
            "cards": _asked(prepared, points, token),
        },
        on_hovered_change=hovered,
    )


def _asked(prepared: PreparedData, points: Points, token: str) -> dict[str, list[Any]]:
    """Cards of the point or cell that was asked for, and of the points beside it."""
    asked = st.session_state.pop(_ASKED, None)
    if not asked or asked.get("token") != token:
        return {}
    at = np.array(asked["at"], np.float64)
    distance = ((points.xy - at) ** 2).sum(axis=1)
    most = min(_IN_CELL if figures.is_image(points) else 1 + _AHEAD, len(distance))
    near = np.argpartition(distance, most - 1)[:most]
    near = near[np.argsort(distance[near], kind="stable")]
    cards = _cards(prepared, points, near)
    if figures.is_image(points):
        return {str(asked["place"]): cards}
    return {str(place): [card] for place, card in zip(points.places[near], cards, strict=True)}


def _cards(prepared: PreparedData, points: Points, some: Array) -> list[Any]:
    """Picture and lines of these points, in their order."""
    places = points.places[some].astype(np.int64)
    test = places >= points.n_train
    made: dict[int, Any] = {}
    for split, mine in (("train", places[~test]), ("test", places[test])):
        if len(mine):
            positions = mine - points.n_train * (split == "test")
            items = selected_rows.items(prepared, split, positions)
            made |= dict(zip(mine.tolist(), items, strict=True))
    return [made[place] for place in places.tolist()]
