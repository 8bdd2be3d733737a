"""A tour of five steps at the first visit; the browser remembers that it was seen."""

from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent
STEPS = (
    "Move **Noise ratio** in the settings: the line in the curve and the cards follow.",
    "**Neighborhoods** shows who votes on a single row, and with what weight.",
    "**Map** lays out all rows; draw around some to see them, color them by what is doubted.",
    "**Compare** repeats the curve over several draws, and **Results** keeps every run.",
    "**Data** takes your own images or embeddings; **Label audit** finds their doubtful labels.",
)
_component = st.components.v2.component(
    "wann_tour",
    css=(_HERE / "tour.css").read_text(encoding="utf-8"),
    js=(_HERE / "tour.js").read_text(encoding="utf-8"),
)


def show() -> None:
    """Draw the tour, unless this browser has seen it or skipped it."""
    _component(key="tour", data={"steps": list(STEPS)})
