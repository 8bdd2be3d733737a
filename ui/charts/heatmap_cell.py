"""The chosen cell of a heatmap: a click sets it, or two select boxes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from ui.charts.charts import Figure
from ui.shell.controls import linked
from wann_core.datasets.class_names import listed_order


@dataclass(frozen=True)
class Axis:
    """Rows or columns of a heatmap.

    Attributes
    ----------
    key : str
        Of the select box, and its query parameter where it is one of the page's.
    label : str
    values : sequence
        What is chosen, in the order of the heatmap.
    names : sequence of str
        How each is shown.
    """

    key: str
    label: str
    values: Sequence[Any]
    names: Sequence[str]

    def choose(self, place: Any) -> Any:
        """Draw the select box; None for none."""
        shown = dict(zip(self.values, self.names, strict=True))
        return linked(
            place.selectbox,
            self.label,
            key=self.key,
            options=[self.values[i] for i in listed_order(tuple(self.names))],
            index=None,
            format_func=shown.__getitem__,
            placeholder="any",
        )


def choose(rows: Axis, columns: Axis) -> tuple[Any, Any]:
    """Draw two select boxes side by side; the chosen value of each, or None."""
    left, right = st.columns(2)
    return rows.choose(left), columns.choose(right)


def taker(rows: Axis, columns: Axis) -> Callable[[int, int], None]:
    """For `charts.show(on_click=…)`: choose the cell that was clicked."""

    def take(row: int, column: int) -> None:
        st.session_state[rows.key] = rows.values[row]
        st.session_state[columns.key] = columns.values[column]

    return take


def outline(figure: Figure, rows: Axis, columns: Axis, row: Any, column: Any, dash: str) -> None:
    """Draw a line around a cell, or around all of a row or column where the other is None."""
    if (row is None and column is None) or not _on(rows, row) or not _on(columns, column):
        return
    across, down = _span(columns, column), _span(rows, row)
    shape = {
        "type": "rect",
        "x0": across[0],
        "x1": across[1],
        "y0": down[0],
        "y1": down[1],
        "line": {"width": 2.5, "dash": dash, "color": "#B34700"},
    }
    figure["layout"].setdefault("shapes", []).append(shape)


def _on(axis: Axis, value: Any) -> bool:
    return value is None or value in axis.values


def _span(axis: Axis, value: Any) -> tuple[float, float]:
    if value is None:
        return -0.5, len(axis.values) - 0.5
    place = list(axis.values).index(value)
    return place - 0.5, place + 0.5
