"""The charts, and the frame each one stands in: how to read it, and its CSV.

Figures are plain dictionaries in Plotly's own form: building them through Plotly's objects would
cost more than the votes that they show.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
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

_MOST_CURVES = 5
_LEAST_NAMED = 10  # percent from which a cell has its number: each costs the browser time
_MOST_GAPS = 30  # classes up to which a gap between the cells leaves enough of them
_MOST_NAMED = 12  # classes whose numbers fit into the cells of a heatmap


def show(
    figure: Figure,
    reading: str,
    name: str,
    data: pd.DataFrame,
    scenario: Scenario,
    label: str = "CSV",
) -> None:
    """Draw a chart, say below it how to read it, and offer its numbers as CSV.

    The camera in the chart's own bar saves it as SVG.
    """
    config = {
        "displaylogo": False,
        "toImageButtonOptions": {"format": "svg", "filename": f"wann-{name}"},
        "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
    }
    st.plotly_chart(figure, key=f"chart_{name}", config=config, alt=reading)
    st.caption(reading)
    download(name, data, scenario, label)


def download(
    name: str,
    data: pd.DataFrame | Callable[[], pd.DataFrame],
    scenario: Scenario,
    label: str = "CSV",
) -> None:
    """Offer rows as CSV, the whole scenario in each; they are made when somebody asks for them."""

    def content() -> str:
        return to_csv(with_scenario(data() if callable(data) else data, scenario))

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
    gap = 1 if len(names) <= _MOST_GAPS else 0
    traces: list[Trace] = [
        {
            "type": "heatmap",
            "x": names,
            "y": names,
            "z": shares,
            "zmin": 0,
            "zmax": 100,
            "colorscale": look.SHARES,
            "xgap": gap,
            "ygap": gap,
            "colorbar": {"title": {"text": "%"}, "thickness": 12},
            "hovertemplate": "true %{y} → given %{x}: %{z:.2f} %<extra></extra>",
        }
    ]
    if len(names) <= _MOST_NAMED:
        # As a trace of its own the text takes the theme's colour; a heatmap would choose one for
        # the opaque colour of each cell.
        rows, columns = np.nonzero(shares >= _LEAST_NAMED)
        traces.append(
            {
                "type": "scatter",
                "x": [names[c] for c in columns],
                "y": [names[r] for r in rows],
                "mode": "text",
                "text": [f"{share:.0f}" for share in shares[rows, columns]],
                "hoverinfo": "skip",
            }
        )
    return framed(
        traces, "given label", "true class", legend=False,
        xaxis={"type": "category", "showgrid": False},
        yaxis={"type": "category", "showgrid": False, "autorange": "reversed"},
    )  # fmt: skip


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


def votes(data: pd.DataFrame) -> Figure:
    """Stacked bars: the votes of each method by class.

    Parameters
    ----------
    data : DataFrame
        Columns method_name, class_id, class_name, share.
    """
    methods = list(dict.fromkeys(data["method_name"]))
    traces = []
    for class_id, rows in data[data["share"] > 0].groupby("class_id"):
        name, fill = rows["class_name"].iloc[0], look.class_color(int(class_id))
        label = f"class {name}:" if name.isdigit() else f"{name}:"
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "y": rows["method_name"].to_list(),
                "x": (100 * rows["share"]).to_list(),
                "name": name,
                "marker": {"color": fill},
                "insidetextfont": {"color": look.text_on(fill)},
                "text": [f"{label} {100 * s:.0f} %" if s > 0.1 else "" for s in rows["share"]],
                "textposition": "inside",
                "insidetextanchor": "middle",
                "textangle": 0,
                "hovertemplate": f"%{{y}}: %{{x:.1f}} % for {name}<extra></extra>",
            }
        )
    return framed(
        traces, "share of the votes, %", "", height=90 + 44 * len(methods), barmode="stack",
        xaxis={"range": [0, 100]},
        yaxis={"type": "category", "categoryorder": "array", "categoryarray": methods[::-1]},
    )  # fmt: skip


def share_curves(data: pd.DataFrame, adaptive_k: int) -> Figure:
    """Share of the largest classes as k grows, plain and weighted.

    Parameters
    ----------
    data : DataFrame
        Columns k, class_id, class_name, share, weighted_share.
    """
    traces = []
    means = data.groupby("class_id")[["share", "weighted_share"]].mean().max(axis=1)
    for class_id in means[means > 0].nlargest(_MOST_CURVES).index:
        rows = data[data["class_id"] == class_id]
        name, fill = rows["class_name"].iloc[0], look.class_color(int(class_id))
        for column, dash, kind in (
            ("share", "solid", "equal votes"),
            ("weighted_share", "dot", "weighted"),
        ):
            traces.append(
                {
                    "type": "scatter",
                    "x": rows["k"].to_list(),
                    "y": (100 * rows[column]).to_list(),
                    "mode": "lines",
                    "name": name,
                    "legendgroup": name,
                    "showlegend": dash == "solid",
                    "line": {"color": fill, "dash": dash, "width": 2.5},
                    "hovertemplate": f"{name}, k = %{{x}}: %{{y:.1f}} % ({kind})<extra></extra>",
                }
            )
    upright = {
        "type": "line", "x0": adaptive_k, "x1": adaptive_k, "yref": "paper", "y0": 0, "y1": 1,
        "line": {"width": 2, "dash": "dash", "color": look.color("WANN")},
    }  # fmt: skip
    label = {
        "x": adaptive_k, "y": 1, "yref": "paper", "text": f"k = {adaptive_k}",
        "showarrow": False, "xanchor": "left", "yanchor": "bottom",
    }  # fmt: skip
    return framed(
        traces, "neighbours that vote, k", "share of the votes, %",
        shapes=[upright], annotations=[label], yaxis={"range": [0, 102]},
    )  # fmt: skip


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
