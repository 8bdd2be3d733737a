"""The map as a chart: points, or an image of their density where they are too many."""

from typing import Any

import numpy as np

from ui.charts import short_names
from ui.charts.charts import Figure, Trace
from ui.explore.map import colors, labels
from ui.explore.map.colors import Kinds, Scale
from ui.explore.map.views import BY_CLASS, Points
from ui.shell import theme
from wann_core.experiments.prepared import PreparedData
from wann_core.typing import Array

# Without a graphics card a browser takes some ten microseconds a point and frame.
_MOST_POINTS = 30_000
_PIXELS = 384  # along each side of the image of more points
_CELLS = 128  # along each side, of what is pointed at or selected in it
_MOST_TRACES = 100  # classes up to which each has a trace, whose name the tooltip shows
_HEIGHT = 630
_UNSEEN = "rgba(0, 0, 0, 0)"
# Plotly's numbers of symbols, which take less room than names; an open one has 100 more.
_NUMBERS = {
    f"{name}{'-open' * opened}": number + 100 * opened
    for name, number in {
        "circle": 0,
        "square": 1,
        "cross": 3,
        "triangle-up": 5,
        "triangle-down": 6,
        "hexagon": 14,
        "star": 17,
    }.items()
    for opened in (False, True)
}
_SIZES = ((10_000, 4), (2_000, 6))  # points from which a mark has this size


def figure(
    points: Points, color: str, prepared: PreparedData, highlighted: Array, turn: int
) -> Figure:
    """Chart of the points, or of their density where they are too many.

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
            "annotations": _names(points, color, prepared),
            "xaxis": {**bare, "range": [x0, x1]},
            "yaxis": {**bare, "range": [y0, y1]},
            **({} if axis is None else {"coloraxis": axis}),
        },
    }


def _names(points: Points, color: str, prepared: PreparedData) -> list[dict[str, Any]]:
    """Names of classes on the map, where these have the colors."""
    palette = colors.of(color, prepared, points.focus) if color in BY_CLASS else None
    return labels.annotations(points, palette) if isinstance(palette, Kinds) else []


def is_image(points: Points) -> bool:
    """Whether there are too many points to draw each."""
    return is_many(len(points.places))


def is_many(rows: int) -> bool:
    """Whether this number of rows is drawn as a density."""
    return rows > _MOST_POINTS


def cells(points: Points, side: int = _CELLS) -> Array:
    """Cell of the window that each point lies in, shape (p,), int64; `side` to a side."""
    x0, x1, y0, y1 = points.window
    share = (points.xy - [x0, y0]) / [x1 - x0 or 1, y1 - y0 or 1]
    column, row = np.clip((share * side).astype(np.int64), 0, side - 1).T
    return np.asarray(row * side + column)


def _marks(
    points: Points, color: str, prepared: PreparedData, highlighted: Array
) -> tuple[list[Trace], dict[str, Any] | None]:
    names = prepared.dataset.class_names
    test = points.places >= points.n_train
    tint, axis, entries = _tint(points, color, prepared)
    by_class = len(names) <= _MOST_TRACES
    palette = colors.of(color, prepared, points.focus) if color != "density" else None
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
                    "symbol": _symbols(palette, points.values, part, of_test),
                    "opacity": 0.85,
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


def _symbols(palette: Kinds | Scale | None, values: Array, part: Array, of_test: bool) -> Any:
    """Plotly's symbol of all marks, or the number of each mark's; those of test rows are open."""
    opened = "-open" if of_test else ""
    if not isinstance(palette, Kinds):
        return f"circle{opened}"
    codes, which = np.unique(values[part].astype(np.int64), return_inverse=True)
    names = [f"{palette.symbol(int(code))}{opened}" for code in codes]
    if len(set(names)) == 1:
        return names[0]
    return np.array([_NUMBERS[name] for name in names], np.uint8)[which]


def _tint(
    points: Points, color: str, prepared: PreparedData
) -> tuple[Array, dict[str, Any], list[Trace]]:
    """Number behind the color of each point, the color axis, and traces for a legend."""
    if color == "density":
        in_cell = cells(points)
        rows = np.bincount(in_cell, minlength=_CELLS**2)
        scale = colors.density_scale(int(rows.max()))
        return np.log10(rows[in_cell]).astype(np.float32), scale.axis(), []
    palette = colors.of(color, prepared, points.focus)
    if isinstance(palette, Scale):
        values = colors.numbers(color, points.values)
        return values.astype(np.float32), palette.axis(), []
    steps, step = palette.scale()
    return (
        step[points.values.astype(np.int64)],
        _stepped(steps),
        _legend(palette, points.values, shapes=True),
    )


def _stepped(steps: list[list[Any]]) -> dict[str, Any]:
    return {"cmin": -0.5, "cmax": len(steps) / 2 - 0.5, "colorscale": steps, "showscale": False}


def _legend(kinds: Kinds, values: Array, *, shapes: bool) -> list[Trace]:
    """Traces without points: the marks of the points have the colors of a scale."""
    present = [int(code) for code in np.unique(values)]
    entries = colors.legend(kinds, present)
    names = short_names.in_legend(theme.charted(name) for name, *_ in entries)
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "x": [None],
            "y": [None],
            "name": names[theme.charted(name)],
            "marker": {"size": 10, "color": color, "symbol": symbol if shapes else "circle"},
            "hoverinfo": "skip",
        }
        for name, color, symbol in entries
    ]


def _image(
    points: Points, color: str, prepared: PreparedData
) -> tuple[list[Trace], dict[str, Any]]:
    """Heatmap of the most frequent kind, the mean, or the number of rows in each cell."""
    palette = None if color == "density" else colors.of(color, prepared, points.focus)
    rows, found = _summed(points, color, palette, _PIXELS)
    filled, entries = np.flatnonzero(rows), list[Trace]()
    if isinstance(palette, Kinds):
        steps, step = palette.scale()
        # Of one byte: the first step is an empty cell's.
        z = np.zeros(_PIXELS**2, np.uint8)
        z[filled], entries = 1 + step[found], _legend(palette, points.values, shapes=False)
        n = len(steps) // 2
        shifted = [[(1 + n * end) / (n + 1), tint] for end, tint in steps]
        axis = _stepped([[0, _UNSEEN], [1 / (n + 1), _UNSEEN], *shifted])
    else:
        z = np.full(_PIXELS**2, np.nan, np.float32)
        scale = palette or colors.density_scale(int(rows.max()))
        z[filled], axis = found, scale.axis()
    x, y = _middles(points, _PIXELS)
    image = {
        "type": "heatmap",
        "x": x,
        "y": y,
        "z": z.reshape(_PIXELS, _PIXELS),
        "coloraxis": "coloraxis",
        "hoverinfo": "skip",
        "showlegend": False,
    }
    return [image, _targets(points, color, palette), *entries], axis


def _targets(points: Points, color: str, palette: Kinds | Scale | None) -> Trace:
    """Unseen marks in the cells: nobody can select a cell of a heatmap."""
    rows, found = _summed(points, color, palette, _CELLS)
    filled = np.flatnonzero(rows)
    hover = [f"{count:,} rows" for count in rows[filled].tolist()]
    if isinstance(palette, Kinds):
        names = [theme.charted(name)[:24] for name in palette.names]
        hover = [f"{t}<br>mostly {names[c]}" for t, c in zip(hover, found.tolist(), strict=True)]
    elif palette is not None:
        title = theme.charted(palette.title)
        hover = [f"{t}<br>mean {title} {m:.3g}" for t, m in zip(hover, found.tolist(), strict=True)]
    x, y = _middles(points, _CELLS)
    unseen = {"marker": {"opacity": 0}}
    return {
        "type": "scattergl",
        "mode": "markers",
        "x": x[filled % _CELLS],
        "y": y[filled // _CELLS],
        "customdata": filled.astype(np.int32)[:, None],
        "text": hover,
        "marker": {"size": 1, "opacity": 0},
        "selected": unseen,
        "unselected": unseen,
        "hovertemplate": "%{text}<extra></extra>",
        "showlegend": False,
    }


def _summed(
    points: Points, color: str, palette: Kinds | Scale | None, side: int
) -> tuple[Array, Array]:
    """Rows of each cell; of each filled one the commonest code, the mean, or their logarithm."""
    in_cell = cells(points, side)
    rows = np.bincount(in_cell, minlength=side**2)
    filled = np.flatnonzero(rows)
    if palette is None:
        return rows, np.log10(rows[filled])
    if isinstance(palette, Scale):
        sums = np.bincount(in_cell, colors.numbers(color, points.values), side**2)
        return rows, sums[filled] / rows[filled]
    return rows, _most_frequent(in_cell, points.values.astype(np.int64))


def _middles(points: Points, side: int) -> tuple[Array, Array]:
    x0, x1, y0, y1 = points.window
    ends = (np.arange(side, dtype=np.float32) + 0.5) / side
    return x0 + ends * (x1 - x0), y0 + ends * (y1 - y0)


def _most_frequent(in_cell: Array, codes: Array) -> Array:
    """The commonest code in each filled cell, in the order of cells; the lowest among equals."""
    most = int(codes.max()) + 1
    pairs, counts = np.unique(in_cell * most + codes, return_counts=True)
    cell, code = np.divmod(pairs, most)
    order = np.lexsort((code, -counts, cell))
    first = np.flatnonzero(np.diff(cell[order], prepend=-1))
    return np.asarray(code[order][first])
