"""Heatmaps, and how a click finds a cell of one."""

import re
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
        text=np.where(shares >= least, np.char.mod("%.0f", shares), ""),
        height=height_of(len(names)),
    )


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
    text: npt.NDArray[Any] | None = None,
    clickable: bool = False,
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
    text : ndarray of str, shape of values, optional
        What is written into the cells, as long as their number leaves room for it.
    clickable : bool
        Whether a click chooses a cell: its point carries (row, column) as customdata, to be read
        by `show(..., on_click=…)`.
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
            **({} if span is None else {"zmin": span[0], "zmax": span[1]}),
        }
    ]
    written = None
    if text is not None and len(columns) <= _MOST_NAMED:
        written = np.asarray(text)
    if clickable:
        traces.append(_cells(columns, rows, np.asarray(values), written, hover))
    elif written is not None:
        # As a trace of its own the text takes the theme's color; a heatmap would choose one for
        # the opaque color of each cell.
        at, across = np.nonzero(written != "")
        traces.append(
            {
                "type": "scatter",
                "x": [columns[c] for c in across],
                "y": [rows[r] for r in at],
                "mode": "text",
                "text": written[at, across].tolist(),
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
        # Whatever the size of a cell, the nearest center is the one of the cell itself.
        **({"hoverdistance": -1, "dragmode": "pan"} if clickable else {}),
    )


def _cells(
    columns: Sequence[str],
    rows: Sequence[str],
    values: npt.NDArray[Any],
    text: npt.NDArray[Any] | None,
    hover: str,
) -> Trace:
    """The texts of all cells, most of them empty: a cell itself carries no customdata.

    Not markers: those within the radius of a mark count as equally near, and each costs the
    browser an element, be it seen or not.
    """
    at, across = (i.ravel().tolist() for i in np.indices(values.shape))
    form = re.search(r"%{z:?([^}]*)}", hover)
    shown = [
        format(value, form[1] if form else "") if np.isfinite(value) else "–"
        for value in values.ravel().tolist()
    ]
    return {
        "type": "scatter",
        "x": [columns[c] for c in across],
        "y": [rows[r] for r in at],
        "mode": "text",
        "text": [""] * len(at) if text is None else text.ravel().tolist(),
        "customdata": list(zip(at, across, shown, strict=True)),
        "hovertemplate": f"{re.sub(r'%{z[^}]*}', '%{customdata[2]}', hover)}<extra></extra>",
        "showlegend": False,
    }
