"""The parts of the reliability page: finding the flips, and heatmaps whose cells open."""

import dataclasses

import numpy as np
import pandas as pd
import streamlit as st

from ui.charts import charts, heatmap_cell, heatmaps
from ui.explore import reliability_charts
from ui.jobs import engine, jobs
from ui.pictures import selected_rows
from ui.shell import sentences, theme
from ui.shell.controls import linked
from ui.shell.sentences import counted
from ui.shell.settings import Settings
from wann_core.experiments.prepared import PreparedData
from wann_core.explore import reliability
from wann_core.explore.detection import Detection, detection

RATIOS = tuple(round(0.05 * step, 2) for step in range(21))  # whatever the sidebar can set
_KINDS = {"all": "All labels", "clean": "Clean", "flipped": "Flipped"}


def find_flips(chosen: Settings, prepared: PreparedData) -> None:
    """ROC and precision–recall curves of the scores, or why there are none."""
    if not prepared.noise_ratio:
        st.info(sentences.NO_WRONG_LABELS, icon=":material/info:")
        return
    if prepared.noise_ratio == 1:
        st.info(
            "Every label is wrong, so there is nothing to separate. Choose a smaller noise "
            "ratio in the sidebar.",
            icon=":material/info:",
        )
        return

    def work(job: jobs.Job) -> Detection | None:
        job.progress(0, 1, "scoring the labels")
        return detection(prepared)

    key = ("detection", prepared.scenario.labeling(), prepared.k_bounds)
    found = engine.in_background(chosen, key, work, "Scoring the labels")
    if found is None:
        return
    with st.container(key="stacking_curves"):
        left, right = st.columns(2, gap="large")
    with left:
        charts.show(
            reliability_charts.roc(found),
            "Labels are listed from the most doubtful on. Each mark or bend is a threshold; labels "
            "scored alike are listed together, and a straight line between them is what their "
            "order at random gives. Dotted diagonal: guessing.",
            "roc",
            found.curves,
            prepared.scenario,
        )
    with right:
        areas = found.areas.assign(rows=found.rows, flips=found.flips, base_rate=found.base_rate)
        charts.show(
            reliability_charts.precision_recall(found),
            "Of the labels listed, how many are flipped, against how many of the flipped are "
            "listed. A step is as high as the precision at its end: nothing lies between "
            "thresholds. Dotted: precision of guessing.",
            "areas",
            areas,
            prepared.scenario,
            "AUROC and AP, CSV",
        )
    with st.expander("What are these scores?"):
        st.markdown(_SCORES)


_SCORES = """
| | what a label is judged by |
|---|---|
| **reliability η** | 1 / adaptive k within the bounds of the sidebar: few different values, so long steps |
| **vote share** | share of the given label in the votes of the 51 nearest other rows, each weighing its η, found without the judged row |
| **η × vote share** | the product of both |
| **audit's neighbors** | share of the given label among the same rows, nearer ones weighing more, corrected for the noise pattern that the labels themselves give away |

AUROC: chance that a flipped label looks more doubtful than a right one, ties counting half. AP: average precision, the mean
precision over all steps of recall; guessing has the base rate. Labels that are wrong without anyone knowing count as right.
"""  # noqa: E501


def of_pairs(prepared: PreparedData) -> None:
    """Mean reliability by true class and given label; a cell opens its rows."""
    names = prepared.dataset.class_names
    everyone = range(len(names))
    true = heatmap_cell.Axis("true", "True class", everyone, names)
    given = heatmap_cell.Axis("given", "Given label", everyone, names)
    row, column = heatmap_cell.choose(true, given)
    table = reliability.by_class_pair(prepared)
    values = table["reliability"].to_numpy().reshape(len(names), -1)
    _heatmap(
        prepared,
        values,
        true,
        given,
        row,
        column,
        "class-pairs",
        table,
        x="given label",
        hover="true %{y} → given %{x}: mean η %{z:.4f}",
        reading="Mean reliability η of the training rows of a true class (row) under a given label "
        "(column); empty: no row. Off the diagonal labels are wrong; faint (low η) is right "
        "there. Click a cell to see its rows.",
    )
    rows = np.ones(len(prepared.labels), bool)
    if row is not None:
        rows &= prepared.clean_labels == row
    if column is not None:
        rows &= prepared.labels == column
    what = _in_words(names, row, column)
    _show_rows(prepared, rows, what, "pair-rows", nothing=row is None and column is None)


def of_ratios(chosen: Settings, prepared: PreparedData) -> None:
    """Mean reliability by given label and noise ratio; a cell opens its rows at that ratio."""
    scenario = prepared.scenario
    if scenario.noise_pattern in (None, "matrix"):
        why = "An own matrix has no ratio" if scenario.noise_pattern else "No noise is added"
        st.info(f"{why}. Choose another noise pattern in the sidebar to see it grow.")
        return
    names = prepared.dataset.class_names
    label = heatmap_cell.Axis("label", "Given label", range(len(names)), names)
    at = heatmap_cell.Axis(
        "at_ratio", "Noise ratio of the cell", RATIOS, [f"{ratio:g}" for ratio in RATIOS]
    )
    kind = linked(
        st.segmented_control,
        "Rows",
        key="kind",
        options=list(_KINDS),
        default="all",
        format_func=_KINDS.__getitem__,
        required=True,
    )
    row, column = heatmap_cell.choose(label, at)
    table = _sweep(chosen, prepared)
    if table is None:
        return
    of_kind = table[table["kind"] == kind]
    wide = of_kind.pivot(index="given_label_id", columns="noise_ratio", values="reliability")
    _heatmap(
        prepared,
        wide.to_numpy(),
        label,
        at,
        row,
        column,
        "by-ratio",
        table,
        x="noise ratio",
        hover="given %{y}, noise ratio %{x}: mean η %{z:.4f}",
        reading="Mean reliability η of the training rows of a given label (row) under the noise "
        "ratio asked for (column), each drawn separately; empty: no row. Dotted: the ratio of the "
        "sidebar. Click a cell to see its rows.",
        mark=scenario.noise_ratio,
    )
    ratio = scenario.noise_ratio if column is None else column
    # Beside the sidebar's own, this is prepared in the background, too.
    there = engine.prepared(chosen, dataclasses.replace(scenario, noise_ratio=ratio))
    rows = reliability.of_kind(there, kind)
    if row is not None:
        rows = rows & (there.labels == row)
    what = f"{_in_words(names, None, row)}, noise ratio {ratio:g}"
    _show_rows(
        there, rows, what, "ratio-rows", nothing=row is None and column is None, ratio=f"{ratio:g}"
    )


def _sweep(chosen: Settings, prepared: PreparedData) -> pd.DataFrame | None:
    scenario = prepared.scenario
    roots = chosen.roots

    def work(job: jobs.Job) -> pd.DataFrame:
        return reliability.by_ratio(scenario, RATIOS, roots, progress=job.progress)

    if scenario.reduction in ("LDA", "fLDA") and not st.toggle(
        f"Search the neighbors again at {len(RATIOS)} noise ratios",
        key="sweep_reduced",
        help="LDA is fitted to the labels, so that each ratio has neighbors of its own.",
    ):
        return None
    every = dataclasses.replace(scenario.labeling(), noise_ratio=0.0)
    return engine.in_background(
        chosen, ("by ratio", every, prepared.k_bounds), work, "Measuring reliability by noise ratio"
    )


def _heatmap(
    prepared: PreparedData,
    values: np.ndarray,
    rows: heatmap_cell.Axis,
    columns: heatmap_cell.Axis,
    row: object,
    column: object,
    name: str,
    table: pd.DataFrame,
    *,
    x: str,
    hover: str,
    reading: str,
    mark: float | None = None,
) -> None:
    k_min, k_max = prepared.k_bounds
    low, high = (0 if k_min == k_max else 1 / k_max), 1 / k_min
    figure = heatmaps.heatmap(
        columns.names,
        rows.names,
        values,
        x,
        rows.label.lower(),
        hover=hover,
        unit="η",
        # The least reliable cell has a color of its own: an empty one has none.
        span=(low - 0.12 * (high - low), high),
        text="%.3f",
        height=reliability_charts.heights(len(rows.names)),
    )
    heatmap_cell.outline(figure, rows, columns, None, mark, "dot")
    heatmap_cell.outline(figure, rows, columns, row, column, "solid")
    charts.show(
        figure,
        reading,
        name,
        table,
        prepared.scenario,
        on_click=heatmap_cell.taker(rows, columns),
    )


def _in_words(names: tuple[str, ...], true: int | None, given: int | None) -> str:
    parts = []
    if true is not None:
        parts.append(f"true class **{theme.plain(names[true])}**")
    if given is not None:
        parts.append(f"given label **{theme.plain(names[given])}**")
    return ", ".join(parts) or "all labels"


def _show_rows(
    prepared: PreparedData,
    rows: np.ndarray,
    what: str,
    name: str,
    *,
    nothing: bool,
    **settings: str,
) -> None:
    if nothing:
        st.info("Click a cell, or choose above, to see its rows.", icon=":material/ads_click:")
        return
    found = np.flatnonzero(rows)
    if not len(found):
        st.info(f"There is no row here: {what}.")
        return
    found = found[np.argsort(prepared.reliability[found], kind="stable")]
    mean = prepared.reliability[found].mean()
    st.markdown(
        f"{counted(len(found), 'row')}, {what}: mean η {mean:.4f}. The least reliable come first."
    )
    selected_rows.show(prepared, "train", found, name, **settings)
