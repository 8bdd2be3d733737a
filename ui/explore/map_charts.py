"""The map as a chart: points, or an image of their density where they are too many."""

from typing import Any

import numpy as np

from ui.charts.charts import Figure, Trace
from ui.explore import map_colors
from ui.explore.map_colors import Kinds, Scale
from ui.explore.map_view import Points
from ui.shell import theme
from wann_core.experiments.prepared import PreparedData
from wann_core.typing import Array

_MOST_POINTS = 200_000
_CELLS = 128  # along each side of the density image
_MOST_TRACES = 100  # classes up to which each has a trace, whose name the tooltip shows
_HEIGHT = 630
_SIZES = ((50_000, 3), (10_000, 4), (2_000, 6))  # points from which a mark has this size


def figure(
    points: Points, color: str, prepared: PreparedData, highlighted: Array, turn: int
) -> Figure:
    """Chart of the points, or of their density beyond 200,000.

    Parameters
    ----------
    points : Points
    color : str
        As `View.color`.
    prepared : PreparedData
    highlighted : ndarray of int
        Places that stand out, the others fading; none fades where there are none.
    turn : int
        A figure of another turn has no selection of its own left in the browser.
    """
    axis: dict[str, Any] | None
    if is_image(points):
        traces, axis = _image(points, color, prepared)
    else:
        traces, axis = _marks(points, color, prepared, highlighted)
    x0, x1, y0, y1 = points.window
    bare = {
        "showticklabels": False,
        "ticks": "",
        "showgrid": False,
        "zeroline": False,
    }
    return {
        "data": traces,
        "layout": {
            "height": _HEIGHT,
            "margin": {"l": 5, "r": 5, "t": 30, "b": 5},
            "dragmode": "lasso",
            "hovermode": "closest",
            "selectionrevision": turn,
            "legend": {
                "orientation": "h",
                "x": 0,
                "y": -0.01,
                "yanchor": "top",
                "traceorder": "normal",
                "itemclick": False,
                "itemdoubleclick": False,
            },
            "xaxis": {**bare, "range": [x0, x1]},
            "yaxis": {**bare, "range": [y0, y1]},
            **({} if axis is None else {"coloraxis": axis}),
        },
    }


def is_image(points: Points) -> bool:
    """Whether there are too many points to draw each."""
    return len(points.places) > _MOST_POINTS


def cells(points: Points) -> Array:
    """Cell of the density image that each point lies in, shape (p,), int64."""
    x0, x1, y0, y1 = points.window
    share = (points.xy - [x0, y0]) / [x1 - x0 or 1, y1 - y0 or 1]
    column, row = np.clip((share * _CELLS).astype(np.int64), 0, _CELLS - 1).T
    return np.asarray(row * _CELLS + column)


def _marks(
    points: Points, color: str, prepared: PreparedData, highlighted: Array
) -> tuple[list[Trace], dict[str, Any] | None]:
    names = prepared.dataset.class_names
    test = points.places >= points.n_train
    tint, axis, entries = _tint(points, color, prepared)
    by_class = len(names) <= _MOST_TRACES
    palette = map_colors.of(color, prepared, points.focus) if color != "density" else None
    layer = np.zeros(len(test), np.int64)
    if isinstance(palette, Kinds) and palette.on_top:
        layer = np.isin(points.values, palette.on_top).astype(np.int64)
    group = np.stack([layer, test, points.observed if by_class else np.zeros_like(layer)])
    _, which = np.unique(group, axis=1, return_inverse=True)
    size = next((size for least, size in _SIZES if len(test) >= least), 8)
    custom = np.column_stack([points.places, points.rows])
    if not by_class:
        custom = np.column_stack([custom, points.observed])
    # Browsers know no whole numbers of 64 bits; as doubles, ids are exact up to 2 to the 53.
    small = custom.max(initial=0) <= np.iinfo(np.int32).max
    custom = custom.astype(np.int32 if small else np.float64)
    standing_out = np.isin(points.places, highlighted)
    traces: list[Trace] = []
    for part in np.split(np.argsort(which, kind="stable"), np.cumsum(np.bincount(which))[:-1]):
        of_test = bool(test[part[0]])
        label = names[points.observed[part[0]]] if by_class else "%{customdata[2]}"
        chosen = np.flatnonzero(standing_out[part]).tolist()
        traces.append(
            {
                "type": "scattergl",
                "mode": "markers",
                "x": points.xy[part, 0],
                "y": points.xy[part, 1],
                "customdata": custom[part],
                "marker": {
                    "size": size + 2 * of_test,
                    "symbol": "diamond" if of_test else "circle",
                    "opacity": 0.8,
                    "color": tint[part],
                    "coloraxis": "coloraxis",
                },
                "unselected": {"marker": {"opacity": 0.1}},
                "hovertemplate": f"{'test' if of_test else 'training'} row %{{customdata[1]}}<br>"
                f"{'class' if of_test else 'label'} {theme.charted(label) if by_class else label}"
                "<extra></extra>",
                "showlegend": False,
                **({"selectedpoints": chosen} if len(highlighted) else {}),
            }
        )
    return [*traces, *entries], axis


def _tint(
    points: Points, color: str, prepared: PreparedData
) -> tuple[Array, dict[str, Any], list[Trace]]:
    """Number behind the color of each point, the color axis, and traces for a legend."""
    if color == "density":
        in_cell = cells(points)
        rows = np.bincount(in_cell, minlength=_CELLS**2)
        scale = map_colors.density_scale(int(rows.max()))
        return np.log10(rows[in_cell]).astype(np.float32), scale.axis(), []
    palette = map_colors.of(color, prepared, points.focus)
    if isinstance(palette, Scale):
        values = map_colors.numbers(color, points.values)
        return values.astype(np.float32), palette.axis(), []
    steps, step = palette.scale()
    return step[points.values.astype(np.int64)], _stepped(steps), _legend(palette, points.values)


def _stepped(steps: list[list[Any]]) -> dict[str, Any]:
    return {"cmin": -0.5, "cmax": len(steps) / 2 - 0.5, "colorscale": steps, "showscale": False}


def _legend(kinds: Kinds, values: Array) -> list[Trace]:
    """Traces without points: the marks of the points have the colors of a scale."""
    present = [int(code) for code in np.unique(values)]
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "x": [None],
            "y": [None],
            "name": theme.charted(name),
            "marker": {"size": 10, "color": color},
            "hoverinfo": "skip",
        }
        for name, color in map_colors.legend(kinds, present)
    ]


def _image(
    points: Points, color: str, prepared: PreparedData
) -> tuple[list[Trace], dict[str, Any]]:
    """Heatmap of the most frequent kind, the mean, or the number of rows in each cell."""
    x0, x1, y0, y1 = points.window
    in_cell = cells(points)
    rows = np.bincount(in_cell, minlength=_CELLS**2)
    z = np.full(_CELLS**2, np.nan, np.float32)
    text: dict[str, Any] = {}
    what, entries = "", list[Trace]()
    palette = None if color == "density" else map_colors.of(color, prepared, points.focus)
    filled = np.flatnonzero(rows)
    if palette is None:
        scale = map_colors.density_scale(int(rows.max()))
        z[filled], axis = np.log10(rows[filled]), scale.axis()
    elif isinstance(palette, Scale):
        sums = np.bincount(in_cell, map_colors.numbers(color, points.values), _CELLS**2)
        z[filled], axis = sums[filled] / rows[filled], palette.axis()
        what = f"<br>mean {theme.charted(palette.title)} %{{z:.3g}}"
    else:
        codes = _most_frequent(in_cell, points.values.astype(np.int64))
        steps, step = palette.scale()
        z[filled], axis = step[codes], _stepped(steps)
        names = np.full(_CELLS**2, "", object)
        names[filled] = [theme.charted(palette.names[code])[:24] for code in codes]
        text = {"text": names.reshape(_CELLS, _CELLS).tolist()}
        what, entries = "<br>mostly %{text}", _legend(palette, points.values)
    ends = (np.arange(_CELLS) + 0.5) / _CELLS
    x, y = x0 + ends * (x1 - x0), y0 + ends * (y1 - y0)
    image = {
        "type": "heatmap",
        "x": x.astype(np.float32),
        "y": y.astype(np.float32),
        "z": z.reshape(_CELLS, _CELLS),
        "customdata": rows.reshape(_CELLS, _CELLS).astype(np.int32),
        "coloraxis": "coloraxis",
        "hovertemplate": f"%{{customdata:,}} rows{what}<extra></extra>",
        "showlegend": False,
        **text,
    }
    unseen = {"marker": {"opacity": 0}}
    # Nobody can select a cell of a heatmap; unseen marks in the cells can be.
    marks = {
        "type": "scattergl",
        "mode": "markers",
        "x": x[filled % _CELLS].astype(np.float32),
        "y": y[filled // _CELLS].astype(np.float32),
        "customdata": filled.astype(np.int32)[:, None],
        "marker": {"size": 6, "opacity": 0},
        "selected": unseen,
        "unselected": unseen,
        "hoverinfo": "skip",
        "showlegend": False,
    }
    return [image, marks, *entries], axis


def _most_frequent(in_cell: Array, codes: Array) -> Array:
    """The commonest code in each filled cell, in the order of cells; the lowest among equals."""
    most = int(codes.max()) + 1
    pairs, counts = np.unique(in_cell * most + codes, return_counts=True)
    cell, code = np.divmod(pairs, most)
    order = np.lexsort((code, -counts, cell))
    first = np.flatnonzero(np.diff(cell[order], prepend=-1))
    return np.asarray(code[order][first])
