"""A chart that is updated in place when the figure changes.

Streamlit's own Plotly element takes a changed figure for a new element, and builds it from scratch.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import plotly
import plotly.io
import streamlit as st
from streamlit.components import v1

# Serves Plotly's own JavaScript from where it is installed: nothing comes from elsewhere.
_LIBRARY = v1.declare_component("plotly", path=str(Path(plotly.__file__).parent / "package_data"))
_component = st.components.v2.component(
    "wann_plot",
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def draw(
    figure: dict[str, Any],
    key: str,
    config: dict[str, Any],
    description: str,
    on_click: Callable[[int, int], None] | None = None,
) -> None:
    """Draw a figure, or update the one that the page shows under this key.

    Parameters
    ----------
    figure : dict
        In Plotly's own form; `layout.height` in pixels, the width is that of the place.
    key : str
    config : dict
        Settings of Plotly's own behavior.
    description : str
        Name of the chart for those who hear the page.
    on_click : callable, optional
        Called with row and column of the clicked cell of a heatmap, before the page runs again.
    """

    def clicked() -> None:
        cell = st.session_state[key].clicked
        if cell and on_click is not None:
            on_click(*cell)

    base = str(st.get_option("server.baseUrlPath")).strip("/")
    _component(
        key=key,
        data={
            "library": f"{base and '/'}{base}/component/{_LIBRARY.name}/plotly.min.js"
            f"?version={plotly.__version__}",
            "figure": plotly.io.to_json(figure, validate=False),
            "config": config,
            "description": description,
            "clickable": on_click is not None,
        },
        on_clicked_change=clicked,
    )
