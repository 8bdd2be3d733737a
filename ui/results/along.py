"""The Results page: scores along an axis."""

import pandas as pd
import streamlit as st

from ui.charts import charts
from ui.results.results import Chosen, metric, of_newest, ordered
from ui.results.views import explain_parts, title_of
from ui.shell.controls import linked
from wann_core.experiments import grid
from wann_core.methods.metrics import METRICS
from wann_core.results import table as results_table
from wann_core.results.table import FIELDS

# Axes of a chart: title, column of the number ('' for names), field that it stands in for.
_AXES = {
    "noise_ratio": ("Noise ratio", "noise ratio asked for", "noise"),
    "imbalance_ratio": ("Imbalance", "imbalance, last class over first (1: none)", "imbalance"),
    "num_subsamples": ("Training rows", "training rows", "rows"),
    "reduction_size": ("Dimensions", "dimensions after the reduction", "reduction"),
    **{
        field: (FIELDS[field], FIELDS[field].lower(), field)
        for field in ("noise", "dataset", "backbone", "reduction", "normalization")
    },
}
_NAMES = ("noise", "dataset", "backbone", "reduction", "normalization")


def show(chosen: Chosen) -> None:
    """Scores along an axis, one line a method, as on Compare."""
    runs = chosen.table
    left, middle = st.columns(2)
    axis = linked(
        left.selectbox,
        "Along",
        key="along",
        options=list(_AXES),
        format_func=lambda name: _AXES[name][0],
    )
    score = metric(middle)
    placed = _placed(runs[runs[score].notna()] if score in runs else runs[:0], axis)
    if placed.empty:
        st.info("None of these runs has a place on this axis. Choose another one.")
        return
    parts = results_table.divide(placed, ("method",))
    names = [title_of(part) or "all" for part, _ in parts]
    part, shown = parts[0]
    if len(parts) > 1:
        of_all = [part for part, _ in parts]
        explain_parts(of_all, "chart")
        newest = of_newest(of_all, placed)
        which = linked(st.selectbox, "Chart", key="which", options=names, index=newest)
        part, shown = parts[names.index(which)]
    shown = _in_order(shown)
    summed = grid.summary(shown.assign(method_name=shown["method"]), "place", score)
    title = _AXES[axis][1]
    figure = charts.curves(summed, "place", title, METRICS[score])
    if axis in _NAMES:
        figure["layout"]["xaxis"] |= {
            "type": "category",
            "categoryorder": "array",
            "categoryarray": ordered(set(shown["place"]), axis),
        }
    elif axis != "noise_ratio":
        values = sorted(set(shown["place"]))
        figure["layout"]["xaxis"] |= {"type": "log", "tickvals": values}
        if axis == "imbalance_ratio":
            figure["layout"]["xaxis"] |= {"autorange": "reversed"}
    charts.show(
        figure,
        "Line: mean over the seeds. Band: one standard deviation between seeds. Where there is no "
        f"band there is one seed.{_unequal(summed)}",
        "results-chart",
        summed.rename(columns={"place": axis}).assign(score=score, **part),
        None,
    )


def _unequal(summed: pd.DataFrame) -> str:
    """A sentence where methods were run on different numbers of seeds."""
    seeds = summed.groupby("place")["seeds"]
    if (seeds.min() == seeds.max()).all():
        return ""
    return (
        " Methods have different numbers of seeds here (point at a mark to read them): the table "
        "compares them on common ones."
    )


def _placed(runs: pd.DataFrame, axis: str) -> pd.DataFrame:
    """The runs that have a place on an axis, which no longer divides them."""
    field = _AXES[axis][2]
    if axis in _NAMES:
        return runs.assign(place=runs[axis], **{axis: ""})
    if axis == "noise_ratio":
        runs = runs[runs["noise_pattern"] != "matrix"]  # an own matrix has no ratio
        # Runs without noise stand at 0 of every pattern.
        pattern = runs["noise_pattern"].where(runs["noise_pattern"] != "none", "")
        place = runs[axis].astype(float).where(pattern != "", 0.0)
        return runs.assign(place=place, noise=pattern)
    if axis == "imbalance_ratio":
        return runs.assign(place=runs[axis].astype(float).fillna(1.0), **{field: ""})
    if axis == "num_subsamples":
        rows = runs[axis].astype(float)
        if "train_rows" in runs:
            rows = rows.fillna(runs["train_rows"])
        placed = runs.assign(place=rows, **{field: ""}).dropna(subset="place")
        # As many rows as there are is all of them: one run, under two names.
        return placed.drop_duplicates([*FIELDS, "seed", "place"], keep="last")
    runs = runs[runs[axis].notna()]
    kind = runs[field].str.partition(" ")[0] if len(runs) else runs[field]
    return runs.assign(place=runs[axis].astype(float), **{field: kind})


def _in_order(runs: pd.DataFrame) -> pd.DataFrame:
    """Methods in their usual order, which the legend follows."""
    methods = {name: i for i, name in enumerate(ordered(set(runs["method"]), "method"))}
    return runs.sort_values("method", key=lambda names: names.map(methods), kind="stable")
