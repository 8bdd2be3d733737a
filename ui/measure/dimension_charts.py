"""Charts of the Dimensions page: one curve a reduction, along a logarithmic axis."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ui.charts.charts import Figure, Trace, framed
from ui.shell import theme

_LEAST_STEP = 1.6  # ratio of neighboring ticks, below which their texts would meet
# Written out: by itself Plotly would print a bare 2 and 5 between the decades.
_DECADES = [float(f"{m}e{e}") for e in range(-4, 6) for m in (1, 2, 5)]
_AROUND = 0.3  # of a decade
_LOG = {"type": "log", "tickvals": _DECADES, "ticktext": [f"{value:g}" for value in _DECADES]}


def curves(
    data: pd.DataFrame,
    title: str,
    *,
    columns: int,
    bytes_a_column: int,
    smaller: Sequence[int],
    unit: str = "",
    scale: float = 1,
    hover: str = "%{y:.4g}%{customdata[0]}",
    log: bool = False,
    height: int = 440,
) -> Figure:
    """One curve a reduction and a band of one standard deviation; all dimensions as a level line.

    Parameters
    ----------
    data : DataFrame
        reduction, dimensions, mean, std (NaN for none); then, in its order, what `hover` names as
        %{customdata[1]} and so on.
    title, unit : str
        Of the upright axis.
    columns, bytes_a_column : int
        Dimensions without reduction, and what each costs, for the axis.
    smaller : sequence of int
        How many times smaller embeddings are marked, as 10 and 100.
    scale : float
        Factor of mean and std.
    hover : str
        The tooltip's text after reduction and dimensions; customdata[0] is the
        deviation as ' ± 1.2', empty for a single seed.
    log : bool
        Whether the upright axis is logarithmic.
    """
    traces: list[Trace] = []
    shapes: list[dict[str, Any]] = []
    for name, rows in data.groupby("reduction", sort=False):
        fill, symbol, dash = theme.reduction_style(str(name))
        x, mean = rows["dimensions"], scale * rows["mean"]
        std = scale * rows["std"].fillna(0)
        if std.any():
            traces.append(_band(x, mean, std, fill, str(name)))
        if name == "none":
            shapes.append(_level(float(mean.iloc[0]), fill))
        spread = [
            "" if np.isnan(one) else f" ± {scale * one:.2g}" for one in rows["std"].astype(float)
        ]
        more = rows.drop(columns=["reduction", "dimensions", "mean", "std"])
        traces.append(
            {
                "type": "scatter",
                "name": "no reduction" if name == "none" else str(name),
                "mode": "lines+markers",
                "x": x.to_list(),
                "y": mean.to_list(),
                "legendgroup": str(name),
                "line": {"color": fill, "dash": dash, "width": 2.5},
                "marker": {"color": fill, "symbol": symbol, "size": 10, "line": {"width": 2.5}},
                "customdata": [list(row) for row in zip(spread, *more.to_numpy().T, strict=True)],
                "hovertemplate": f"{name}, %{{x}} dimensions: {hover}<extra></extra>",
            }
        )
    marks = [(columns / times, f"{times}× smaller") for times in smaller if columns >= times]
    shapes += [_upright(at) for at, _ in marks]
    ticks = _ticks(columns)
    return framed(
        traces,
        "dimensions, size of the embeddings",
        f"{title}, {unit}" if unit else title,
        height=height,
        shapes=shapes,
        annotations=[
            {
                "x": float(np.log10(at)),
                "y": 1,
                "yref": "paper",
                "text": text,
                "showarrow": False,
                "xanchor": "left",
                "yanchor": "top",
            }
            for at, text in marks
        ],
        xaxis={
            "type": "log",
            "tickvals": ticks,
            "ticktext": [f"{tick}<br>{theme.nbytes(tick * bytes_a_column)}" for tick in ticks],
        },
        yaxis=_logarithmic(scale * data["mean"]) if log else {},
    )


def _logarithmic(values: pd.Series) -> dict[str, Any]:
    """An axis that holds these values: Plotly's own would have no length around a single one."""
    known = values[values > 0]
    if not len(known):
        return _LOG
    return {**_LOG, "range": [np.log10(known.min()) - _AROUND, np.log10(known.max()) + _AROUND]}


def _band(x: pd.Series, mean: pd.Series, std: pd.Series, fill: str, name: str) -> Trace:
    return {
        "type": "scatter",
        "x": [*x, *x[::-1]],
        "y": [*(mean + std), *(mean - std)[::-1]],
        "fill": "toself",
        "fillcolor": fill,
        "opacity": 0.15,
        "line": {"width": 0},
        "mode": "lines",
        "hoverinfo": "skip",
        "showlegend": False,
        "legendgroup": name,
    }


def _level(y: float, fill: str) -> dict[str, Any]:
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": y,
        "y1": y,
        "line": {"width": 1.5, "color": fill},
    }


def _upright(x: float) -> dict[str, Any]:
    return {
        "type": "line",
        "x0": x,
        "x1": x,
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "line": {"width": 1.5, "dash": "dot", "color": theme.CLEAN},
    }


def _ticks(columns: int) -> list[int]:
    """Powers of four, so that bytes fit below them, and all dimensions."""
    powers = [4**i for i in range(columns.bit_length()) if 4**i * _LEAST_STEP < columns]
    return [*powers, columns]
