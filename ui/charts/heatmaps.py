"""Heatmaps."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ui.charts.charts import Figure, Trace, framed
from ui.shell import theme

_LEAST_NAMED = 10  # percent from which a cell has its number: each costs the browser time
_MOST_GAPS = 30  # classes up to which a gap between the cells leaves enough of them
_MOST_NAMED = 12  # classes whose numbers fit into the cells of a heatmap


def height_of(classes: int) -> int:
    """Height in pixels of a heatmap of classes by classes, in half of the page's width."""
    return 380 if classes <= _MOST_NAMED else 560


def transitions(
    names: Sequence[str], matrix: npt.NDArray[Any], least: float = _LEAST_NAMED
) -> Figure:
    """Heatmap of a transition matrix, shares from `least` percent on written out."""
    shares = 100 * matrix
    return heatmap(
        names,
        names,
        shares,
        "given label",
        "true class",
        hover="true %{y} → given %{x}: %{z:.2f} %",
        unit="%",
        span=(0, 100),
        text="%.0f",
        least=least,
        height=height_of(len(names)),
    )


def written(classes: int, least: float) -> str:
    """Part of a sentence on which shares stand in the cells, where there is room for them."""
    return f"; shares from {least:g} on are written out" if classes <= _MOST_NAMED else ""


def heatmap(
    columns: Sequence[str],
    rows: Sequence[str],
    values: npt.NDArray[Any],
    x: str,
    y: str,
    *,
    hover: str,
    unit: str,
    span: tuple[float, float] | None = None,
    text: str = "",
    least: float = 0,
    height: int = 380,
) -> Figure:
    """Heatmap with the first row on top.

    Parameters
    ----------
    columns, rows : sequence of str
        Names of the cells.
    values : ndarray of shape (rows, columns)
        NaN leaves a cell empty.
    x, y, hover, unit : str
        Titles of the axes, Plotly's template of the tooltip, title of the color bar.
    span : pair of float, optional
        Values of the first and the last color; by default those of the data.
    text : str, optional
        Printf format of what is written into cells, as long as their number leaves room for it.
    least : float, optional
        Value from which it is written.
    """
    columns, rows = ([theme.charted(name) for name in names] for names in (columns, rows))
    gap = 1 if len(columns) <= _MOST_GAPS else 0
    traces: list[Trace] = [
        {
            "type": "heatmap",
            "x": columns,
            "y": rows,
            "z": np.asarray(values, np.float32),
            "colorscale": theme.SHARES,
            "xgap": gap,
            "ygap": gap,
            "colorbar": {"title": {"text": unit}, "thickness": 12},
            "hovertemplate": f"{hover}<extra></extra>",
            "hovertemplatefallback": "–",
            **({} if span is None else {"zmin": span[0], "zmax": span[1]}),
        }
    ]
    if text and len(columns) <= _MOST_NAMED:
        # As a trace of its own the text takes the theme's color; a heatmap would choose one for
        # the opaque color of each cell.
        at, across = np.nonzero(values >= least)
        traces.append(
            {
                "type": "scatter",
                "x": [columns[c] for c in across],
                "y": [rows[r] for r in at],
                "mode": "text",
                "text": [text % value for value in values[at, across]],
                "hoverinfo": "skip",
            }
        )
    return framed(
        traces,
        x,
        y,
        legend=False,
        height=height,
        # Ranges of their own, or the texts would widen them.
        xaxis={"type": "category", "showgrid": False, "range": [-0.5, len(columns) - 0.5]},
        yaxis={"type": "category", "showgrid": False, "range": [len(rows) - 0.5, -0.5]},
    )
