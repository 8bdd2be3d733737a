"""Charts as files: SVG and PNG, drawn by the browser, with the settings below the picture."""

from pathlib import Path

import streamlit as st

from wann_core.version import __version__

_CSS = """
.files { display: flex; gap: 0.5rem; }
button { font-size: 0.875rem; font-family: var(--st-font); color: var(--st-text-color);
  cursor: pointer;
  background: var(--st-background-color); border: 1px solid var(--st-border-color);
  border-radius: var(--st-button-radius, 0.5rem); padding: 0.25rem 0.75rem; min-height: 2.5rem; }
button:hover, button:focus-visible { color: var(--st-primary-color);
  border-color: var(--st-primary-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); }
"""
_component = st.components.v2.component(
    "wann_figure_files",
    css=_CSS,
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
)


def buttons(name: str, chart: str, settings: str) -> None:
    """Draw the buttons that save a chart.

    Parameters
    ----------
    name : str
        Of the files.
    chart : str
        Key of the chart's element.
    settings : str
        What the chart is of, beside the controls that the address names.
    """
    data = {"name": name, "chart": chart, "settings": settings, "version": __version__}
    _component(key=f"files_{name}", data=data, width="content")
