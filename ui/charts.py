"""The charts, and the frame each one stands in: how to read it, and its CSV.

Figures are plain dictionaries in Plotly's own form: building them through Plotly's objects would
cost more than the votes that they show.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.io
import streamlit as st

from ui import look
from wann_core.export import to_csv, with_scenario
from wann_core.prepared import Prepared
from wann_core.scenario import Scenario

Figure = dict[str, Any]
Trace = dict[str, Any]

# Streamlit brings its own theme; Plotly's default would travel with every figure for nothing.
plotly.io.templates.default = "none"

_LEAST_NAMED = 10  # percent from which a cell has its number: each costs the browser time
_MOST_GAPS = 30  # classes up to which a gap between the cells leaves enough of them
_MOST_NAMED = 12  # classes whose numbers fit into the cells of a heatmap


def show(
    figure: Figure,
    reading: str,
    name: str,
    data: pd.DataFrame | Callable[[], pd.DataFrame],
    scenario: Scenario | None,
    label: str = "CSV",
    pick: Sequence[Literal["points", "box", "lasso"]] = (),
    on_pick: Callable[[list[dict[str, Any]]], None] | None = None,
    **config: Any,
) -> list[dict[str, Any]]:
    """Draw a chart, say below it how to read it, and offer its numbers as CSV.

    The camera in the chart's own bar saves it as SVG.

    Parameters
    ----------
    pick : sequence of {'points', 'box', 'lasso'}
        How its points can be selected; the page then runs again.
    on_pick : callable, optional
        Called with the points, before the page runs again; with none when the selection was taken
        back.
    **config
        Further settings of Plotly's own behaviour.

    Returns
    -------
    list of dict
        The selected points, as Plotly names their parts.
    """
    tools = ("select2d", "lasso2d") if not {"box", "lasso"} & set(pick) else ()
    config = {
        **config,
        "displaylogo": False,
        "toImageButtonOptions": {"format": "svg", "filename": f"wann-{name}"},
        "modeBarButtonsToRemove": [*tools, "autoScale2d"],
    }
    key = f"chart_{name}"

    def picked() -> None:
        if on_pick is not None:
            on_pick(list(st.session_state[key]["selection"]["points"]))

    options: dict[str, Any] = {"on_select": picked, "selection_mode": pick} if pick else {}
    event = st.plotly_chart(figure, key=key, config=config, alt=reading, **options)
    st.caption(reading)
    download(name, data, scenario, label)
    return list(event["selection"]["points"]) if pick else []


def download(
    name: str,
    data: pd.DataFrame | Callable[[], pd.DataFrame],
    scenario: Scenario | None,
    label: str = "CSV",
) -> None:
    """Offer rows as CSV, the whole scenario in each; they are made when somebody asks for them.

    Without a scenario the rows tell of their own.
    """

    def content() -> str:
        rows = data() if callable(data) else data
        return to_csv(rows if scenario is None else with_scenario(rows, scenario))

    st.download_button(
        label, content, f"wann-{name}.csv", "text/csv",
        key=f"csv_{name}", icon=":material/download:", on_click="ignore",
    )  # fmt: skip


def accuracies(records: pd.DataFrame) -> Figure:
    """Accuracy of each method with its interval, one line a method, from `report_record`s."""
    traces = []
    for record in records.iloc[::-1].to_dict("records"):
        name, accuracy = record["method_name"], record["accuracy"]
        bar = {
            "type": "data",
            "array": [100 * (record["accuracy_high"] - accuracy)],
            "arrayminus": [100 * (accuracy - record["accuracy_low"])],
            "thickness": 2,
        }
        traces.append(
            {
                "type": "scatter",
                "x": [100 * accuracy],
                "y": [name],
                "error_x": bar,
                "mode": "markers",
                "marker": {"color": look.color(name), "symbol": look.symbol(name), "size": 13},
                "hovertemplate": "%{y}: %{x:.2f} %<extra></extra>",
            }
        )
    height = 60 + max(52 - 2 * len(records), 24) * len(records)
    return framed(traces, "accuracy on the test rows, %", "", legend=False, height=height)


def class_counts(data: pd.DataFrame) -> Figure:
    """Training rows of each class, by true and by given label."""
    traces = [
        {
            "type": "bar",
            "x": data["class_name"].to_list(),
            "y": data[column].to_list(),
            "name": name,
            "marker": {"color": fill},
            "hovertemplate": f"%{{x}}: %{{y:,}} rows by {name}<extra></extra>",
        }
        for column, name, fill in (
            ("rows_clean", "true label", look.CLEAN),
            ("rows_given", "given label", look.FLIPPED),
        )
    ]
    return framed(traces, "class", "training rows", xaxis={"type": "category"})


def transitions(prepared: Prepared) -> Figure:
    """Heatmap of the realised transition matrix."""
    names, shares = list(prepared.dataset.class_names), 100 * prepared.transition_matrix
    return heatmap(
        names, names, shares, "given label", "true class",
        hover="true %{y} → given %{x}: %{z:.2f} %", unit="%", span=(0, 100),
        text=np.where(shares >= _LEAST_NAMED, np.char.mod("%.0f", shares), ""),
    )  # fmt: skip


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
        Titles of the axes, Plotly's template of the tooltip, title of the colour bar.
    span : pair of float, optional
        Values of the first and the last colour; by default those of the data.
    text : ndarray of str, shape of values, optional
        What is written into the cells, as long as their number leaves room for it.
    clickable : bool
        Whether a click selects a cell: its point carries (row, column) as customdata, to be read
        from what `show(..., pick=("points",))` returns.
    """
    gap = 1 if len(columns) <= _MOST_GAPS else 0
    traces: list[Trace] = [
        {
            "type": "heatmap",
            "x": list(columns),
            "y": list(rows),
            "z": np.asarray(values, np.float32),
            "colorscale": look.SHARES,
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
        # As a trace of its own the text takes the theme's colour; a heatmap would choose one for
        # the opaque colour of each cell.
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
        traces, x, y, legend=False, height=height,
        # Ranges of their own, or the texts would widen them.
        xaxis={"type": "category", "showgrid": False, "range": [-0.5, len(columns) - 0.5]},
        yaxis={"type": "category", "showgrid": False, "range": [len(rows) - 0.5, -0.5]},
        # Whatever the size of a cell, the nearest centre is the one of the cell itself.
        **({"hoverdistance": -1} if clickable else {}),
    )  # fmt: skip


def _cells(
    columns: Sequence[str],
    rows: Sequence[str],
    values: npt.NDArray[Any],
    text: npt.NDArray[Any] | None,
    hover: str,
) -> Trace:
    """The texts of all cells, most of them empty, for Plotly lets nobody select a cell itself.

    Not markers: those within the radius of a mark count as equally near, and each costs the
    browser an element, be it seen or not.
    """
    at, across = (i.ravel() for i in np.indices(values.shape))
    form = re.search(r"%{z:?([^}]*)}", hover)
    shown = [
        format(value, form[1] if form else "") if np.isfinite(value) else "–"
        for value in values.ravel().tolist()
    ]
    # A selection would fade the texts of all other cells; the style sheet sets their true colour.
    same = {"textfont": {"color": "#808080"}}
    return {
        "type": "scatter",
        "x": [columns[c] for c in across],
        "y": [rows[r] for r in at],
        "mode": "text",
        "text": [""] * len(at) if text is None else text.ravel().tolist(),
        "selected": same,
        "unselected": same,
        "customdata": list(zip(at.tolist(), across.tolist(), shown, strict=True)),
        "hovertemplate": f"{re.sub(r'%{z[^}]*}', '%{customdata[2]}', hover)}<extra></extra>",
        "showlegend": False,
    }


def curves(data: pd.DataFrame, axis: str, axis_title: str, title: str) -> Figure:
    """One curve a method: mean over the seeds, and a band of one standard deviation.

    Parameters
    ----------
    data : DataFrame
        As `sweep.summary` returns it.
    """
    traces: list[Trace] = []
    for name, rows in _by_method(data):
        x, mean, std = rows[axis], 100 * rows["mean"], 100 * rows["std"].fillna(0)
        traces.append(
            {
                "type": "scatter",
                "x": [*x, *x[::-1]],
                "y": [*(mean + std), *(mean - std)[::-1]],
                "fill": "toself",
                "fillcolor": look.color(name),
                "opacity": 0.15,
                "line": {"width": 0},
                "mode": "lines",
                "hoverinfo": "skip",
                "showlegend": False,
                "legendgroup": name,
            }
        )
        hover = f"{name}, {axis_title} %{{x}}: %{{y:.2f}} ± %{{customdata[0]:.2f}} %"
        traces.append(
            {
                **method_line(name),
                "x": x.to_list(),
                "y": mean.to_list(),
                "legendgroup": name,
                "customdata": np.column_stack([std, rows["seeds"]]),
                "hovertemplate": f"{hover} (%{{customdata[1]}} seeds)<extra></extra>",
            }
        )
    return framed(traces, axis_title, f"{title}, %", height=460)


def gains(data: pd.DataFrame, axis: str, axis_title: str, title: str, reference: str) -> Figure:
    """Paired difference of each method to a reference method with its interval.

    Parameters
    ----------
    data : DataFrame
        As `sweep.paired_gain` returns it.
    """
    traces = [
        {
            **method_line(name),
            "x": rows[axis].to_list(),
            "y": (100 * rows["gain"]).to_list(),
            "error_y": {
                "type": "data",
                "array": (100 * (rows["high"] - rows["gain"])).to_list(),
                "width": 4,
            },
            "hovertemplate": f"{name}, {axis_title} %{{x}}: %{{y:+.2f}} points<extra></extra>",
        }
        for name, rows in _by_method(data)
    ]
    zero = {
        "type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 0, "y1": 0,
        "line": {"width": 1.5, "color": look.color(reference)},
    }  # fmt: skip
    return framed(
        traces, axis_title, f"{title}: points over {reference}", height=460, shapes=[zero]
    )


def _by_method(data: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    return ((str(name), rows) for name, rows in data.groupby("method_name", sort=False))


def method_line(name: str) -> Trace:
    """Line and marks of a method, the same in every chart."""
    fill = look.color(name)
    return {
        "type": "scatter",
        "name": name,
        "mode": "lines+markers",
        "line": {"color": fill, "dash": look.dash(name), "width": 2.5},
        "marker": {"color": fill, "symbol": look.symbol(name), "size": 9},
    }


def framed(
    traces: Sequence[Trace],
    x: str,
    y: str,
    *,
    legend: bool = True,
    height: int = 380,
    xaxis: dict[str, Any] | None = None,
    yaxis: dict[str, Any] | None = None,
    **layout: Any,
) -> Figure:
    """A figure with the frame that all share: titles, margins, legend above."""
    return {
        "data": list(traces),
        "layout": {
            "height": height,
            "margin": {"l": 10, "r": 10, "t": 30, "b": 10},
            "showlegend": legend,
            "legend": {
                "orientation": "h",
                "x": 0,
                "y": 1.02,
                "yanchor": "bottom",
                "traceorder": "normal",
            },
            "bargap": 0.25,
            "xaxis": {"title": {"text": x}, "automargin": True, **(xaxis or {})},
            "yaxis": {"title": {"text": y}, "automargin": True, **(yaxis or {})},
            **layout,
        },
    }
