"""The comparison of methods along one axis: its controls, charts and tables."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ui.charts import charts
from ui.jobs import engine
from ui.jobs.plan import Plan
from ui.measure import comparison_summary, probe_results, probes
from ui.measure.comparison_summary import AXIS_TITLES
from ui.shell import navigation, noise, truth
from ui.shell.controls import linked
from ui.shell.settings import IMBALANCES, Settings
from wann_core.errors import WannError
from wann_core.experiments import grid
from wann_core.experiments.scenario import Scenario
from wann_core.methods import sampling
from wann_core.methods.metrics import METRICS
from wann_core.methods.probes import LOSSES
from wann_core.methods.registry import BASELINES, TRAINED

_AXES = {
    "noise_ratio": "Noise ratio",
    "imbalance_ratio": "Imbalance",
    "num_subsamples": "Training rows",
}
_ROWS = (100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)


def records_of(plan: Plan, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Finished runs as a table, with the axis as a column without gaps."""
    frame = pd.DataFrame(rows)
    if plan.axis == "imbalance_ratio":
        frame[plan.axis] = frame[plan.axis].astype(float).fillna(1.0)
    order = pd.Series({name: i for i, name in enumerate(plan.methods)})
    return frame.sort_values("method_name", key=lambda names: names.map(order), kind="stable")


def controls(settings: Settings) -> Plan | None:
    """Draw the page's own settings; None, and a hint, where nothing is left to compare."""
    left, middle, right = st.columns([2, 3, 2], gap="medium")
    base = settings.scenario
    axis = linked(
        left.selectbox,
        "Compare along",
        key="axis",
        options=list(_AXES),
        format_func=_AXES.__getitem__,
    )
    values = _values(middle, axis, settings)
    n_seeds = linked(
        right.slider,
        "Seeds",
        key="seeds",
        min_value=1,
        max_value=10,
        value=3,
        help="Draws to average over.",
    )
    # Under another k of kNN the choice starts over, with that method in it.
    extra = len(settings.methods) - len(BASELINES)
    methods = linked(
        st.pills,
        "Methods",
        key=f"methods_{base.k}" if extra else "methods",
        options=(*settings.methods, *TRAINED),
        default=list(settings.methods),
        selection_mode="multi",
        help="Votes of neighbors; then linear probes by their loss, logistic regression and "
        "other classifiers: these take longer.",
    )
    if any(name in LOSSES for name in methods):
        base = dataclasses.replace(base, probe=probes.training(settings))
    if not values or not methods:
        st.info("Choose at least one value and one method.", icon=":material/tune:")
        return None
    if axis == "noise_ratio" and base.noise_pattern in (None, "matrix"):
        st.info(
            "Choose a noise pattern with a ratio in the sidebar to compare along the noise ratio.",
            icon=":material/arrow_back:",
        )
        noise.offer_symmetric(base.dataset)
        return None
    seeds = tuple(range(base.seed, base.seed + n_seeds))
    # What the axis sets is not part of the plan: moving that control keeps the results.
    base = dataclasses.replace(base, **{axis: getattr(Scenario(), axis)})
    chosen = tuple(name for name in (*settings.methods, *TRAINED) if name in methods)
    return Plan(base, chosen, seeds, axis, values)


def _values(place: Any, axis: str, settings: Settings) -> tuple[float, ...]:
    if axis == "noise_ratio":
        low, high = linked(
            place.slider,
            "Noise ratios, in steps of 0.1",
            key="ratios",
            min_value=0.0,
            max_value=1.0,
            value=(0.0, 0.8),
            step=0.1,
        )
        return tuple(step / 10 for step in range(round(10 * low), round(10 * high) + 1))
    if axis == "imbalance_ratio":
        chosen = linked(
            place.multiselect,
            "Imbalances",
            key="imbalances",
            options=IMBALANCES,
            default=IMBALANCES[:-2],
            format_func=lambda rho: "none" if rho == 1 else f"{rho:g}",
        )
        return tuple(sorted(chosen, reverse=True))
    scenario = settings.scenario
    labels = engine.dataset(settings).train.y
    try:
        if scenario.imbalance_ratio is not None:
            kept = sampling.long_tail(labels, scenario.imbalance_ratio, np.random.RandomState(0))
            labels = labels[kept[0]]
    except WannError as error:
        settings.refuse(error)
    rows = len(labels)
    sizes = [size for size in _ROWS if size < rows] + [rows]
    chosen = linked(
        place.multiselect, "Training rows", key="sizes", options=sizes, default=sizes[-5:]
    )
    return tuple(sorted(chosen))


def show(plan: Plan, rows: list[dict[str, Any]]) -> None:
    """Curves, gains and a table of the runs that have finished."""
    # Above both charts, which so stand at one height.
    controls = st.columns(2, gap="large")
    metric = linked(
        controls[0].selectbox,
        "Score",
        key="metric",
        options=list(METRICS),
        format_func=METRICS.__getitem__,
    )
    ended, title = records_of(plan, rows), METRICS[metric]
    records = grid.on_common_seeds(ended, [plan.axis])
    table = grid.summary(records, plan.axis, metric).dropna(subset="mean")
    if table.empty:
        st.info("This score needs at least three classes. Choose another one.")
        return
    left, right = st.columns(2, gap="large")
    with left:
        st.header(title)
        figure = charts.curves(table, plan.axis, AXIS_TITLES[plan.axis], title)
        charts.show(
            _scaled(figure, plan),
            "Line: mean over the seeds. Band: one standard deviation between seeds, which draw the "
            "noise again, and the rows where not all are kept.",
            "compare",
            ended,
            plan.base,
            "All runs, CSV",
        )
    with right:
        references = [name for name in ("kNN-11", "kNN-51") if name in plan.methods]
        against, gain = "", records[:0]
        if len(plan.methods) > 1 and references:
            against, gain = _show_gain(plan, records, metric, references, controls[1])
        else:
            st.info("Choose kNN-11 or kNN-51 and another method to see their paired difference.")
    st.dataframe(_pivot(table, plan.axis), width="stretch")
    stored = sum("stored_at" in row for row in rows)
    origin = f" {stored} of {len(rows)} runs came from the results store." if stored else ""
    tail = (
        " Head, middle and tail are thirds of the classes by training rows; without imbalance "
        "these hardly differ."
        if metric.startswith("recall_") and plan.axis != "imbalance_ratio"
        else ""
    )
    st.caption(
        f"{title}, %: mean ± standard deviation over {common_seeds(records, ended)}; the best mean "
        "is bold."
        f"{tail}{origin}"
    )
    truth.explain_records(records)
    probe_results.warn_of_unconverged(records)
    with st.container(horizontal=True):
        charts.download("compare-table", table, plan.base, "Table, CSV")
        comparison_summary.download(plan, metric, table, gain, against)
    asked = {"f_dataset": plan.base.dataset, "f_backbone": plan.base.backbone}
    navigation.link(
        "results", "LaTeX and paired tests in Results", ":material/table_chart:", **asked
    )


def common_seeds(records: pd.DataFrame, ended: pd.DataFrame) -> str:
    """How many seeds means are over, and what was left out to have the same ones everywhere."""
    count = records["seed"].nunique()
    text = "1 seed" if count == 1 else f"the same {count} seeds"
    if left_out := len(ended) - len(records):
        text += f" (runs left out, since others have no such seed yet: {left_out})"
    return text


def _show_gain(
    plan: Plan, records: pd.DataFrame, metric: str, against: Sequence[str], place: DeltaGenerator
) -> tuple[str, pd.DataFrame]:
    """Draw the gain over a reference; that, and the numbers."""
    reference = linked(
        place.segmented_control,
        "Gain over",
        key="against",
        options=against,
        default=against[0],
        required=True,
        help="kNN-51 shows what WANN adds to many voters; kNN-11 is the usual kNN.",
    )
    st.header(f"Gain over {reference}")
    gain = grid.paired_gain(records, plan.axis, metric, reference)
    if gain.empty:
        st.caption("No two runs on the same rows and labels have ended yet.")
        return reference, gain
    figure = charts.gains(
        gain,
        plan.axis,
        AXIS_TITLES[plan.axis],
        METRICS[metric],
        reference,
        plan.axis != "noise_ratio",
    )
    charts.show(
        _scaled(figure, plan),
        f"Difference to {reference} on the same rows and labels, in percentage points. Bar: 95 % t "
        "interval over the seeds; where it crosses 0 there is no clear difference. It covers the "
        "draws, not the finite test set, and is missing where all seeds agree.",
        "gain",
        gain,
        plan.base,
    )
    return reference, gain


def _scaled(figure: charts.Figure, plan: Plan) -> charts.Figure:
    """Ratios of sizes as equal steps."""
    if plan.axis != "noise_ratio":
        figure["layout"]["xaxis"] |= {"type": "log", "tickvals": plan.values}
    if plan.axis == "imbalance_ratio":
        figure["layout"]["xaxis"] |= {"autorange": "reversed"}
    return figure


def _pivot(table: pd.DataFrame, axis: str) -> Any:
    """Methods down, values across, each cell 'mean ± std'."""
    cells = [
        f"{100 * mean:.2f}" + (f" ± {100 * std:.2f}" if seeds > 1 else "")
        for mean, std, seeds in zip(table["mean"], table["std"], table["seeds"], strict=True)
    ]
    methods = list(dict.fromkeys(table["method_name"]))
    wide = table.assign(cell=cells).pivot(index="method_name", columns=axis, values="cell")
    wide.index.name = "method"
    best = table["mean"] == table.groupby(axis)["mean"].transform("max")
    winners = set(zip(table.loc[best, "method_name"], table.loc[best, axis], strict=True))

    def bold(column: "pd.Series[str]") -> list[str]:
        won = [(method, column.name) in winners for method in column.index]
        return ["font-weight: bold" if one else "" for one in won]

    return wide.loc[methods].style.apply(bold).format_index(lambda value: f"{value:g}", axis=1)
