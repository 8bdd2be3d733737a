"""The parts of the k bounds page: the grid of bounds, kNN beside it, and the pair chosen."""

import numpy as np
import pandas as pd
import streamlit as st

from ui.charts import charts, heatmap_cell, heatmaps
from ui.jobs import engine, jobs
from ui.shell import theme, truth
from ui.shell.controls import linked
from ui.shell.settings import Settings
from wann_core.experiments.k_grid import METHODS, KGrid, k_grid
from wann_core.experiments.prepared import PreparedData

_ODD = range(1, 52, 2)  # the steps of the sidebar
_LOWEST = 0.1  # share of the pairs that may be below the first color
_BASELINES = {"kNN-11": 11, "kNN-51": 51}


def measure(chosen: Settings, prepared: PreparedData) -> KGrid | None:
    """The accuracies of all bounds; None while they are being made."""
    own = prepared.scenario.k_min, prepared.scenario.k_max
    values = sorted({*_ODD, *own})

    def work(job: jobs.Job) -> KGrid:
        return k_grid(prepared, values, values, progress=job.progress)

    key = ("k bounds", prepared.scenario.labeling(), own)
    return engine.in_background(chosen, key, work, "Measuring k bounds")


def show_grid(prepared: PreparedData, grid: KGrid) -> tuple[str, pd.Series | None]:
    """Draw the heatmap; the method, and the row of the pair chosen in it."""
    method = linked(
        st.segmented_control,
        "Method",
        key="grid_method",
        options=list(METHODS),
        default=METHODS[0],
        required=True,
    )
    values = sorted(grid.bounds["k_min"].unique().tolist())
    names = [str(k) for k in values]
    lows = heatmap_cell.Axis("at_k_min", "k_min", values, names)
    highs = heatmap_cell.Axis("at_k_max", "k_max", values, names)
    row, column = heatmap_cell.choose(lows, highs)
    rows = grid.bounds[grid.bounds["method_name"] == method]
    wide = 100 * rows.pivot(index="k_min", columns="k_max", values="accuracy").to_numpy()
    figure = heatmaps.heatmap(
        names,
        names,
        wide,
        "largest neighborhood tried, k_max",
        "smallest neighborhood tried, k_min",
        hover="k_min %{y}, k_max %{x}: %{z:.2f} %",
        unit="%",
        height=560,
    )
    _stretch(figure, wide)
    best = grid.best(method)
    figure["data"] += [
        _mark(grid.present, "present bounds", "circle-open", method),
        _mark((best.iloc[0]["k_min"], best.iloc[0]["k_max"]), "best on these rows", "star", method),
    ]
    figure["layout"]["showlegend"] = True
    heatmap_cell.outline(figure, lows, highs, row, column, "solid")
    charts.show(
        figure,
        f"{truth.score(prepared)}: {method} under each pair of bounds, odd values; the lowest "
        "tenth of the pairs share the faintest color. Circle: the bounds of the sidebar. Star: the "
        "best pair on these rows. Click a cell to compare its bounds with the present ones, or to "
        "take them.",
        "k-bounds",
        grid.bounds,
        prepared.scenario,
        on_click=heatmap_cell.taker(lows, highs),
    )
    if row is None or column is None:
        return method, None
    found = rows[(rows["k_min"] == row) & (rows["k_max"] == column)]
    if not len(found):
        st.warning(f"k_min = {row} is above k_max = {column}: choose a pair above the diagonal.")
        return method, None
    return method, found.iloc[0]


def _stretch(figure: charts.Figure, values: np.ndarray) -> None:
    """Give the colors to the upper nine tenths of the pairs; the lowest are all equally faint."""
    low, high = float(np.nanquantile(values, _LOWEST)), float(np.nanmax(values))
    trace = figure["data"][0]
    trace["z"] = np.maximum(values, low).astype(np.float32)
    # No cell is as faint as none at all.
    trace |= {"zmin": low - 0.12 * max(high - low, 0.1), "zmax": high}


def _mark(pair: tuple[int, int], name: str, symbol: str, method: str) -> charts.Trace:
    # A click on the mark is one on the cell.
    return {
        "type": "scatter",
        "name": name,
        "x": [str(pair[1])],
        "y": [str(pair[0])],
        "mode": "markers",
        "marker": {
            "symbol": symbol,
            "size": 13,
            "color": theme.color(method),
            "line": {"width": 3 if symbol.endswith("open") else 0, "color": theme.color(method)},
        },
        "cliponaxis": False,  # whole in the outermost cell, too
        "hoverinfo": "skip",
    }


def show_knn(prepared: PreparedData, grid: KGrid) -> None:
    """Score of kNN against k, ANN and WANN under the present bounds as lines."""
    fill = theme.CLEAN
    percent = 100 * grid.knn[["accuracy", "accuracy_low", "accuracy_high"]]
    k = grid.knn["k"].to_list()
    traces: list[charts.Trace] = [
        {
            "type": "scatter",
            "x": [*k, *k[::-1]],
            "y": [*percent["accuracy_high"], *percent["accuracy_low"][::-1]],
            "fill": "toself",
            "fillcolor": fill,
            "opacity": 0.18,
            "line": {"width": 0},
            "mode": "lines",
            "hoverinfo": "skip",
            "showlegend": False,
        },
        {
            "type": "scatter",
            "name": "kNN",
            "x": k,
            "y": percent["accuracy"].to_list(),
            "mode": "lines",
            "line": {"color": fill, "width": 2.5},
            "hovertemplate": "kNN, k = %{x}: %{y:.2f} %<extra></extra>",
        },
    ]
    for name in ("ANN", "WANN"):
        value = 100 * present(grid, name)["accuracy"]
        hover = {"hovertemplate": f"{name}: %{{y:.2f}} %<extra></extra>"}
        ends = {"x": [k[0], k[-1]], "y": [value, value], "mode": "lines"}
        traces.append({**charts.method_line(name), **ends, **hover})
    for name, place in _BASELINES.items():
        if place <= len(k):
            one = {"x": [place], "y": [percent["accuracy"].iloc[place - 1]], "mode": "markers"}
            hover = {"hovertemplate": f"{name}: %{{y:.2f}} %<extra></extra>"}
            traces.append({**charts.method_line(name), **one, **hover})
    charts.show(
        charts.framed(
            traces,
            "neighbors that vote, k",
            f"{truth.score(prepared).lower()}, %",
            height=430,
            xaxis={"tickvals": [1, 11, 21, 31, 41, 51]},
        ),
        f"{truth.score(prepared)}: kNN against its k, with the 95 % Wilson interval; ANN and WANN "
        "under the bounds of the sidebar as lines, on the same rows.",
        "knn-by-k",
        grid.knn,
        prepared.scenario,
    )


def present(grid: KGrid, method: str) -> pd.Series:
    """The row of a method under the scenario's own bounds."""
    k_min, k_max = grid.present
    b = grid.bounds
    found = b[(b["method_name"] == method) & (b["k_min"] == k_min) & (b["k_max"] == k_max)]
    return found.iloc[0]


def show_bounds(prepared: PreparedData, grid: KGrid, method: str) -> None:
    """Show present and best bounds as a sentence, and how far to trust the choice."""
    now, best = present(grid, method), grid.best(method)
    first = best.iloc[0]
    ties = f" ({len(best)} pairs share this)" if len(best) > 1 else ""
    k_min, k_max = grid.present
    st.markdown(
        f"**Present bounds**, {k_min} to {k_max}: {method} finds {_accuracy(now)}.  \n"
        f"**Best of {int((grid.bounds['method_name'] == method).sum())} pairs**, {first['k_min']} "
        f"to {first['k_max']}{ties}: {_accuracy(first)}, {_difference(first)}."
    )
    gain, half = grid.chosen_apart[method]
    judged = "rows, each judged by the others," if prepared.leave_one_out else "test rows"
    st.warning(
        f"The best pair was chosen on the very {judged} that judge it: its score is optimistic. "
        "Chosen on a random half of them and judged on the other half, the best "
        f"bounds change it by {_points(gain, half)} against the present ones.",
        icon=":material/balance:",
    )


def show_chosen(grid: KGrid, pair: pd.Series | None) -> None:
    """The chosen pair against the present one, and a button that takes it."""
    if pair is None:
        st.info("Click a cell, or choose both bounds above it.", icon=":material/ads_click:")
        return
    k_min, k_max = int(pair["k_min"]), int(pair["k_max"])
    if (k_min, k_max) == grid.present:
        st.markdown(f"**Chosen**, {k_min} to {k_max}: the present bounds.")
        return
    st.markdown(f"**Chosen**, {k_min} to {k_max}: {_accuracy(pair)}, {_difference(pair)}.")
    st.button(
        f"Use k_min = {k_min}, k_max = {k_max}",
        key="use_bounds",
        type="primary",
        icon=":material/check:",
        on_click=_take,
        args=(k_min, k_max),
    )


def _take(k_min: int, k_max: int) -> None:
    st.session_state["bounds"] = (k_min, k_max)


def _accuracy(row: pd.Series) -> str:
    low, high = 100 * row["accuracy_low"], 100 * row["accuracy_high"]
    return f"{theme.percent(row['accuracy'], 2)} (95 % interval {low:.2f} to {high:.2f})"


def _difference(row: pd.Series) -> str:
    return f"{_points(row['gain'], row['gain_half'])} against the present bounds"


def _points(gain: float, half: float) -> str:
    clear = "" if abs(gain) > half else ", no clear difference"
    return f"{100 * gain:+.2f} ± {100 * half:.2f} points (paired 95 % interval{clear})"
