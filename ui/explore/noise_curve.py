"""Scores against the noise ratio: the picture that opens the dashboard."""

import dataclasses
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from ui.charts import charts
from ui.jobs import engine, jobs
from ui.shell import theme, truth
from ui.shell.noise import DEFAULT_DRAW
from ui.shell.settings import Settings
from wann_core.experiments.prepared import PreparedData
from wann_core.experiments.run import classify_all, prepare
from wann_core.experiments.scenario import Scenario
from wann_core.methods.registry import BASELINES
from wann_core.paths import Roots
from wann_core.progress import Progress

# `python -m docs.make_noise_curve` writes it: a first visit must not wait for compilers.
FILE = Path(__file__).with_name("noise_curve.csv")
DEFAULT = Scenario(noise_pattern="sym", draw=DEFAULT_DRAW)
_RATIOS = tuple(step / 20 for step in range(21))


def compute(
    scenario: Scenario, roots: Roots, methods: Sequence[str], progress: Progress
) -> pd.DataFrame:
    """Score the methods at noise ratios from 0 to 1: noise_ratio, method_name, accuracy."""
    rows = []
    for step, ratio in enumerate(_RATIOS):
        progress(step, len(_RATIOS), "voting along the noise ratio")
        prepared = prepare(dataclasses.replace(scenario, noise_ratio=ratio), roots)
        asked = [prepared.scenario.with_method(name) for name in methods]
        reports = classify_all(prepared, asked)
        rows += [(ratio, r.scenario.method_name, r.metrics.accuracy) for r in reports]
    return pd.DataFrame(rows, columns=["noise_ratio", "method_name", "accuracy"])


def applies(scenario: Scenario) -> bool:
    """Whether the settings have such a curve, and one that asks for no search per ratio."""
    return scenario.noise_pattern not in (None, "matrix") and scenario.reduction not in (
        "LDA",
        "fLDA",
    )


def stored(chosen: Settings) -> pd.DataFrame | None:
    """The curve of the settings that the app opens with; None for all others."""
    return _read() if _along(chosen) == DEFAULT and chosen.methods == BASELINES else None


def show_computed(chosen: Settings, prepared: PreparedData) -> None:
    """Draw the curve of these settings, or the progress of its computation."""
    along, methods, roots = _along(chosen), chosen.methods, chosen.roots

    def work(job: jobs.Job) -> pd.DataFrame:
        return compute(along, roots, methods, job.progress)

    key = ("noise curve", along, methods)
    table = engine.in_background(chosen, key, work, f"Noise ratios of {along.dataset}")
    if table is not None:
        show(table, chosen, prepared)


def show(table: pd.DataFrame, chosen: Settings, prepared: PreparedData | None = None) -> None:
    """Draw the curve, with a marker at the ratio of the settings."""
    scenario = chosen.scenario
    known = prepared is None or prepared.test_truth_known
    what = "accuracy" if known else "agreement with the given labels"
    st.header(f"{what.capitalize()} against noise ratio")
    charts.show(
        _figure(table, scenario.noise_ratio, what),
        f"One draw (seed {scenario.seed}) at each ratio, in steps of 5 %. The line and the marks "
        "stand at the noise ratio of the settings." + (f" {truth.SCORES}" if not known else ""),
        "noise-curve",
        table,
        _along(chosen),
    )


def _along(chosen: Settings) -> Scenario:
    """The settings without the ratio, and without the additional k, which they do not use."""
    default = Scenario()
    return dataclasses.replace(
        chosen.scenario, noise_ratio=default.noise_ratio, k=default.k, method=default.method
    )


@cache
def _read() -> pd.DataFrame:
    return pd.read_csv(FILE)


def _figure(table: pd.DataFrame, ratio: float, what: str) -> charts.Figure:
    traces: list[dict[str, Any]] = []
    for name, rows in table.groupby("method_name", sort=False):
        line = {
            **charts.method_line(str(name)),
            "hovertemplate": f"{name} at %{{x:.0f}} % noise: %{{y:.1f}} %<extra></extra>",
        }
        at = rows[(rows["noise_ratio"] - ratio).abs() < 1e-9]
        for part, mode in ((rows, "lines"), (at, "markers")):
            xy = {
                "x": (100 * part["noise_ratio"]).to_list(),
                "y": (100 * part["accuracy"]).to_list(),
            }
            traces.append({**line, **xy, "mode": mode, "showlegend": mode == "lines"})
    marker = {
        "type": "line",
        "x0": 100 * ratio,
        "x1": 100 * ratio,
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "line": {"width": 2, "dash": "dot", "color": theme.CLEAN},
    }
    return charts.framed(
        traces,
        "noise ratio, %",
        f"{what}, %",
        height=360,
        xaxis={"range": [-1, 101], "dtick": 20},
        yaxis={"range": [0, 102]},
        shapes=[marker],
    )
