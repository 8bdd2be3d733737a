"""The charts, and the frame each one stands in: how to read it, and its CSV."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from ui import look
from wann_core.export import to_csv, with_scenario
from wann_core.prepared import Prepared, Report
from wann_core.scenario import Scenario

_MOST_CURVES = 5
_MOST_NAMED = 12  # classes whose numbers fit into the cells of a heatmap


def show(
    figure: go.Figure, reading: str, name: str, data: pd.DataFrame, scenario: Scenario
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
    download(name, data, scenario)


def download(
    name: str, data: pd.DataFrame | Callable[[], pd.DataFrame], scenario: Scenario
) -> None:
    """Offer rows as CSV, the whole scenario in each; they are made when somebody asks for them."""

    def content() -> str:
        return to_csv(with_scenario(data() if callable(data) else data, scenario))

    st.download_button(
        "CSV", content, f"wann-{name}.csv", "text/csv",
        key=f"csv_{name}", icon=":material/download:", on_click="ignore",
    )  # fmt: skip


def accuracies(reports: Sequence[Report]) -> go.Figure:
    """Accuracy of each method with its interval, one line a method."""
    figure = go.Figure()
    for report in reversed(reports):
        name, metrics = report.scenario.method_name, report.metrics
        low, high = metrics.accuracy_interval
        figure.add_scatter(
            x=[100 * metrics.accuracy],
            y=[name],
            error_x={
                "type": "data",
                "array": [100 * (high - metrics.accuracy)],
                "arrayminus": [100 * (metrics.accuracy - low)],
                "thickness": 2,
            },
            mode="markers",
            marker={"color": look.color(name), "symbol": look.symbol(name), "size": 13},
            hovertemplate="%{y}: %{x:.2f} %<extra></extra>",
        )
    return _framed(figure, "accuracy on the test rows, %", "", height=60 + 52 * len(reports))


def class_counts(data: pd.DataFrame) -> go.Figure:
    """Training rows of each class, by true and by given label."""
    figure = go.Figure()
    for column, name, fill in (
        ("rows_clean", "true label", look.CLEAN),
        ("rows_given", "given label", look.FLIPPED),
    ):
        figure.add_bar(
            x=data["class_name"], y=data[column], name=name, marker_color=fill,
            hovertemplate=f"%{{x}}: %{{y:,}} rows by {name}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(type="category")
    return _framed(figure, "class", "training rows", legend=True)


def transitions(prepared: Prepared) -> go.Figure:
    """Heatmap of the realised transition matrix."""
    names, shares = prepared.dataset.class_names, 100 * prepared.transition_matrix
    figure = go.Figure()
    figure.add_heatmap(
        x=names, y=names, z=shares, zmin=0, zmax=100, colorscale=look.SHARES, xgap=1, ygap=1,
        colorbar={"title": "%", "thickness": 12},
        hovertemplate="true %{y} → given %{x}: %{z:.2f} %<extra></extra>",
    )  # fmt: skip
    if len(names) <= _MOST_NAMED:
        # As a trace of its own the text takes the theme's colour; a heatmap would choose one for
        # the opaque colour of each cell.
        figure.add_scatter(
            x=np.tile(names, len(names)), y=np.repeat(names, len(names)), mode="text",
            text=[f"{share:.0f}" if share >= 0.5 else "" for share in shares.ravel()],
            hoverinfo="skip",
        )  # fmt: skip
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    return _framed(figure, "given label", "true class")


def curves(data: pd.DataFrame, axis: str, axis_title: str, title: str) -> go.Figure:
    """One curve a method: mean over the seeds, and a band of one standard deviation.

    Parameters
    ----------
    data : DataFrame
        Columns `method_name`, the axis, 'mean' and 'std' (shares of 1), 'seeds'.
    """
    figure = go.Figure()
    for method, rows in data.groupby("method_name", sort=False):
        name, x = str(method), rows[axis]
        mean, std = 100 * rows["mean"], 100 * rows["std"].fillna(0)
        fill = look.color(name)
        figure.add_scatter(
            x=[*x, *x[::-1]], y=[*(mean + std), *(mean - std)[::-1]], fill="toself",
            fillcolor=fill, opacity=0.15, line={"width": 0}, mode="lines", hoverinfo="skip",
            showlegend=False, legendgroup=name,
        )  # fmt: skip
        figure.add_scatter(
            x=x, y=mean, name=name, legendgroup=name, mode="lines+markers",
            line={"color": fill, "dash": look.dash(name), "width": 2.5},
            marker={"symbol": look.symbol(name), "size": 9, "color": fill},
            customdata=list(zip(std, rows["seeds"], strict=True)),
            hovertemplate=f"{name}, {axis_title} %{{x}}: %{{y:.2f}} ± %{{customdata[0]:.2f}} % "
            f"({title}, %{{customdata[1]}} seeds)<extra></extra>",
        )  # fmt: skip
    return _framed(figure, axis_title, f"{title}, %", legend=True, height=460)


def gains(data: pd.DataFrame, axis: str, axis_title: str, title: str) -> go.Figure:
    """Paired difference of each method to kNN-11 with its interval.

    Parameters
    ----------
    data : DataFrame
        As `sweep.paired_gain` returns it.
    """
    figure = go.Figure()
    for method, rows in data.groupby("method_name", sort=False):
        name = str(method)
        figure.add_scatter(
            x=rows[axis], y=100 * rows["gain"], name=name, mode="lines+markers",
            error_y={"type": "data", "array": 100 * (rows["high"] - rows["gain"]), "width": 4},
            line={"color": look.color(name), "dash": look.dash(name), "width": 2.5},
            marker={"symbol": look.symbol(name), "size": 9, "color": look.color(name)},
            hovertemplate=f"{name}, {axis_title} %{{x}}: %{{y:+.2f}} points<extra></extra>",
        )  # fmt: skip
    figure.add_hline(y=0, line={"width": 1.5, "color": look.color("kNN-11")})
    return _framed(figure, axis_title, f"{title}: points over kNN-11", legend=True, height=460)


def votes(data: pd.DataFrame) -> go.Figure:
    """Stacked bars: the votes of each method by class.

    Parameters
    ----------
    data : DataFrame
        Columns method_name, class_id, class_name, share.
    """
    figure = go.Figure()
    for class_id, rows in data[data["share"] > 0].groupby("class_id"):
        name, fill = rows["class_name"].iloc[0], look.class_color(int(class_id))
        figure.add_bar(
            y=rows["method_name"], x=100 * rows["share"], name=name, orientation="h",
            marker_color=fill, insidetextfont={"color": look.text_on(fill)},
            text=[f"{name}: {100 * s:.0f} %" if s > 0.08 else "" for s in rows["share"]],
            textposition="inside", insidetextanchor="middle", textangle=0,
            hovertemplate=f"%{{y}}: %{{x:.1f}} % for {name}<extra></extra>",
        )  # fmt: skip
    methods = list(dict.fromkeys(data["method_name"]))
    figure.update_layout(barmode="stack", legend_traceorder="normal")
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=methods[::-1])
    figure.update_xaxes(range=[0, 100])
    height = 90 + 44 * len(methods)
    return _framed(figure, "share of the votes, %", "", legend=True, height=height)


def share_curves(data: pd.DataFrame, adaptive_k: int) -> go.Figure:
    """Share of the largest classes as k grows, plain and weighted.

    Parameters
    ----------
    data : DataFrame
        Columns k, class_id, class_name, share, weighted_share.
    """
    figure = go.Figure()
    largest = data.groupby("class_id")["share"].mean().nlargest(_MOST_CURVES).index
    for class_id in largest:
        rows = data[data["class_id"] == class_id]
        name, fill = rows["class_name"].iloc[0], look.class_color(int(class_id))
        for column, dash, kind in (
            ("share", "solid", "alike"),
            ("weighted_share", "dot", "weighed"),
        ):
            figure.add_scatter(
                x=rows["k"], y=100 * rows[column], mode="lines", name=name, legendgroup=name,
                showlegend=dash == "solid", line={"color": fill, "dash": dash, "width": 2.5},
                hovertemplate=f"{name}, k = %{{x}}: %{{y:.1f}} % ({kind})<extra></extra>",
            )  # fmt: skip
    figure.add_vline(x=adaptive_k, line={"width": 2, "dash": "dash", "color": look.color("WANN")})
    figure.add_annotation(
        x=adaptive_k, y=1, yref="paper", text=f"k = {adaptive_k}", showarrow=False, xanchor="left",
        yanchor="bottom",
    )  # fmt: skip
    figure.update_yaxes(range=[0, 102])
    return _framed(figure, "neighbours that vote, k", "share of the votes, %", legend=True)


def _framed(
    figure: go.Figure, x: str, y: str, *, legend: bool = False, height: int = 380
) -> go.Figure:
    layout: dict[str, Any] = {
        "height": height,
        "margin": {"l": 10, "r": 10, "t": 30, "b": 10},
        "showlegend": legend,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "xaxis_title": x,
        "yaxis_title": y,
        "bargap": 0.25,
    }
    return figure.update_layout(layout).update_xaxes(automargin=True).update_yaxes(automargin=True)
