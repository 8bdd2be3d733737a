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

from ui.charts import figure_files, plot, short_names
from ui.shell import theme as look
from wann_core.experiments.records import scenario_record, with_scenario
from wann_core.experiments.scenario import Scenario
from wann_core.storage.tables import to_csv

_DODGE = 0.3  # of the least gap between places, that all marks of a place take
_LEGEND_BESIDE_BUTTON = 330  # pixels of a legend that ends before the button for fullscreen

Figure = dict[str, Any]
Trace = dict[str, Any]

# Streamlit brings its own theme; Plotly's default would travel with every figure for nothing.
plotly.io.templates.default = "none"


def show(
    figure: Figure,
    reading: str,
    name: str,
    data: pd.DataFrame | Callable[[], pd.DataFrame],
    scenario: Scenario | None,
    label: str = "CSV",
    on_click: Callable[[int, int], None] | None = None,
    on_select: Callable[[list[dict[str, Any]]], None] | None = None,
    **config: Any,
) -> None:
    """Draw a chart, explain below it how to read it, and offer it as CSV, SVG and PNG.

    Parameters
    ----------
    on_click : callable, optional
        Called with row and column of the clicked cell of a heatmap, before the page runs again.
    on_select : callable, optional
        Called with the points selected by click, box or lasso, before the page runs again; with
        none when the selection was taken back.
    **config
        Further settings of Plotly's own behavior.
    """
    tools = ("select2d", "lasso2d") if on_select is None else ()
    config = {
        **config,
        "displaylogo": False,
        "toImageButtonOptions": {"format": "svg", "filename": f"wann-{name}"},
        "modeBarButtonsToRemove": [*tools, "autoScale2d", "sendChartToCloud"],
    }
    key = f"chart_{name}"

    if on_select is None:
        plot.draw(figure, key, config, reading, on_click)
    else:

        def selected() -> None:
            on_select(list(st.session_state[key]["selection"]["points"]))

        st.plotly_chart(figure, key=key, config=config, alt=reading, on_select=selected)
    st.caption(reading)
    with st.container(horizontal=True):
        download(name, data, scenario, label)
        figure_files.buttons(name, key, "" if scenario is None else _in_a_line(scenario))


def _in_a_line(scenario: Scenario) -> str:
    """All fields of a scenario that are set, as records name them."""
    record = scenario_record(scenario).items()
    return ", ".join(f"{name} {value}" for name, value in record if value is not None)


def download(
    name: str,
    data: pd.DataFrame | Callable[[], pd.DataFrame],
    scenario: Scenario | None,
    label: str = "CSV",
) -> None:
    """Offer rows as CSV, the whole scenario in each if there is one; made when asked for."""

    def content() -> str:
        rows = data() if callable(data) else data
        return to_csv(rows if scenario is None else with_scenario(rows, scenario))

    st.download_button(
        # Each of a page under a name of its own, also for those who hear it.
        f"CSV: {name.replace('-', ' ')}" if label == "CSV" else label,
        content,
        f"wann-{name}.csv",
        "text/csv",
        key=f"csv_{name}",
        icon=":material/download:",
        on_click="ignore",
    )


def accuracies(records: pd.DataFrame, title: str) -> Figure:
    """Score of each method with its interval, one line a method, from `report_record`s."""
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
    return framed(traces, title, "", legend=False, height=height)


def class_counts(data: pd.DataFrame) -> Figure:
    """Training rows of each class, by true (where it is known) and by given label."""
    traces = [
        {
            "type": "bar",
            "x": [look.charted(name) for name in data["class_name"]],
            "y": data[column].to_list(),
            "name": name,
            "marker": {"color": fill},
            "hovertemplate": f"%{{x}}: %{{y:,}} rows by {name}<extra></extra>",
        }
        for column, name, fill in (
            ("rows_clean", "true label", look.CLEAN),
            ("rows_given", "given label", look.FLIPPED),
        )
        if column in data
    ]
    return framed(traces, "class", "training rows", xaxis={"type": "category"})


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
        spread = [
            f"± {s:.2f} % ({n} seeds)" if n > 1 else "% (1 seed)"
            for s, n in zip(std, rows["seeds"], strict=True)
        ]
        traces.append(
            {
                **method_line(name),
                "x": x.to_list(),
                "y": mean.to_list(),
                "legendgroup": name,
                "customdata": spread,
                "hovertemplate": f"{name}, {axis_title} %{{x}}: %{{y:.2f}} %{{customdata}}"
                "<extra></extra>",
            }
        )
    return framed(traces, axis_title, f"{title}, %", height=460)


def gains(
    data: pd.DataFrame,
    axis: str,
    axis_title: str,
    title: str,
    reference: str,
    logarithmic: bool = False,
) -> Figure:
    """Paired difference of each method to a reference method with its interval.

    Marks of a place stand side by side, in the order of methods, so that no bar hides another.

    Parameters
    ----------
    data : DataFrame
        As `sweep.paired_gain` returns it.
    logarithmic : bool
        Whether the axis is to be.
    """
    methods = list(dict.fromkeys(data["method_name"]))
    places = np.unique(data[axis].astype(float))
    scale, back = (np.log, np.exp) if logarithmic else (np.asarray, np.asarray)
    step = float(np.diff(scale(places)).min(initial=np.inf))
    step = _DODGE * (step if np.isfinite(step) else 0) / max(len(methods), 1)
    shift = {name: step * (i - (len(methods) - 1) / 2) for i, name in enumerate(methods)}
    traces = [
        {
            **method_line(name),
            "x": back(scale(rows[axis].astype(float)) + shift[name]).tolist(),
            "y": (100 * rows["gain"]).to_list(),
            "error_y": {
                "type": "data",
                "array": (100 * (rows["high"] - rows["gain"])).to_list(),
                "width": 4,
            },
            "customdata": [
                [
                    f"points, {seeds} seeds"
                    if pd.isna(high)
                    else f"± {100 * (high - gain):.2f} points",
                    f"{place:g}",
                ]
                for gain, high, seeds, place in rows[["gain", "high", "seeds", axis]].itertuples(
                    index=False
                )
            ],
            "hovertemplate": f"{name}, {axis_title} %{{customdata[1]}}: %{{y:+.2f}} "
            "%{customdata[0]}"
            "<extra></extra>",
        }
        for name, rows in _by_method(data)
    ]
    zero = {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": 0,
        "y1": 0,
        "line": {"width": 1.5, "color": look.color(reference)},
    }
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
    """A figure with the frame that all share: titles, margins, legend above.

    Long names are shortened at the ticks and in the legend.
    """
    names = short_names.in_legend(trace["name"] for trace in traces if "name" in trace)
    traces = [
        {**trace, "name": names[trace["name"]]} if "name" in trace else trace for trace in traces
    ]
    entries = [t["name"] for t in traces if "name" in t and t.get("showlegend", True)]
    wide = legend and sum(40 + 7 * len(name) for name in entries) > _LEGEND_BESIDE_BUTTON
    return {
        "data": traces,
        "layout": {
            "height": height,
            "margin": {"l": 10, "r": 10, "t": 52 if wide else 30, "b": 10},
            "showlegend": legend,
            "legend": {
                "orientation": "h",
                "x": 0,
                "y": 1.02,
                "yanchor": "bottom",
                "traceorder": "normal",
            },
            "bargap": 0.25,
            "xaxis": {**short_names.axis(x, "x", traces), **(xaxis or {})},
            "yaxis": {**short_names.axis(y, "y", traces), **(yaxis or {})},
            **layout,
        },
    }
