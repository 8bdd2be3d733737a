"""Results of the reductions: curves, a sentence on the paper's sizes, and a table."""

from typing import Any

import pandas as pd
import streamlit as st

from ui.charts import charts
from ui.jobs.plan import Plan
from ui.measure import dimension_charts
from ui.measure.comparison import common_seeds
from ui.measure.dimensions import NONE, SMALLER, records_of
from ui.shell import theme, truth
from ui.shell.controls import linked
from wann_core.experiments import grid
from wann_core.methods.metrics import METRICS

_ROWS = {
    "adaptive_k_mean": "All rows",
    "adaptive_k_right": "Right labels",
    "adaptive_k_wrong": "Wrong labels",
}
_COSTS = ["reduce_seconds", "search_seconds", "vote_seconds"]
_TIMES = (
    "%{y:.3g} s<br>reduction %{customdata[1]:.3g} s, search %{customdata[2]:.3g} s, "
    "votes %{customdata[3]:.3g} s"
)


def show(plan: Plan, rows: list[dict[str, Any]]) -> None:
    """Charts, sentences and a table of the runs that have finished."""
    ended = records_of(plan, rows)
    records = grid.on_common_seeds(ended, ["reduction", "dimensions"])
    place = st.container(key="stacking_dimension")
    left, middle, right = place.columns([4, 2, 4], gap="medium")
    method = linked(
        left.segmented_control,
        "Method",
        key="of",
        options=plan.methods,
        default="WANN",
        required=True,
    )
    metric = linked(
        middle.selectbox,
        "Score",
        key="metric",
        options=list(METRICS),
        format_func=METRICS.__getitem__,
    )
    of_rows = linked(
        right.segmented_control,
        "Adaptive k of training rows",
        key="k_of",
        options=list(_ROWS) if "adaptive_k_right" in records else ["adaptive_k_mean"],
        default="adaptive_k_mean",
        format_func=_ROWS.__getitem__,
        required=True,
    )
    shown = records[records["method_name"] == method]
    table = grid.summary(shown, "dimensions", metric, by="reduction").dropna(subset="mean")
    if table.empty:
        if not shown.empty:
            st.info("This score needs at least three classes. Choose another one.")
        return
    axis: dict[str, Any] = {
        "columns": plan.columns,
        "bytes_a_column": 4 * int(records["train_rows"].iloc[0]),
        "smaller": SMALLER,
    }
    st.markdown(in_words(plan, table, method, METRICS[metric].lower(), axis["bytes_a_column"]))
    left, right = st.container(key="stacking_curves").columns(2, gap="large")
    with left:
        st.header(f"{METRICS[metric]} of {method}")
        figure = dimension_charts.curves(
            table.drop(columns="seeds"), METRICS[metric].lower(), unit="%", scale=100, **axis
        )
        marked = " and ".join(str(times) for times in SMALLER if plan.columns >= times)
        dotted = f" Dotted: embeddings {marked} times smaller." if marked else ""
        charts.show(
            figure,
            "Mark: mean over the seeds; band: one standard deviation between them. Level line: "
            f"without reduction.{dotted}",
            "dimensions",
            ended,
            plan.base,
            "All runs, CSV",
        )
    with right:
        _show_adaptive_k(shown, plan, axis, of_rows)
    truth.explain_records(records)
    _show_costs(shown, plan, axis, method)
    _show_table(plan, records, metric, common_seeds(records, ended))


def _show_adaptive_k(shown: pd.DataFrame, plan: Plan, axis: dict[str, Any], column: str) -> None:
    st.header(f"Mean adaptive k, {_ROWS[column].lower()}")
    table = grid.summary(shown, "dimensions", column, by="reduction").dropna(subset="mean")
    if table.empty:
        st.info("No training row has a label that is known to be wrong.")
        return
    figure = dimension_charts.curves(table.drop(columns="seeds"), "mean adaptive k", **axis)
    charts.show(
        figure,
        "The neighborhood that a label needs until its majority agrees, from k_min, where the "
        "nearest agree, to k_max, where none does."
        + (
            " Right labels should need few rows, wrong ones many: the further apart, the less a "
            "wrong label's vote counts."
            if "adaptive_k_right" in shown
            else ""
        ),
        "dimensions-adaptive-k",
        table,
        plan.base,
    )


def _show_costs(shown: pd.DataFrame, plan: Plan, axis: dict[str, Any], method: str) -> None:
    st.header("Time")
    parts = shown.assign(mean=shown[_COSTS].sum(axis=1, skipna=False))
    by = parts.groupby(["reduction", "dimensions"], sort=False)
    # The median: a run that met a busy moment, or loaded a kernel, does not measure the method.
    costs = by[["mean", *_COSTS]].median().reset_index().assign(std=float("nan"))
    figure = dimension_charts.curves(
        costs[["reduction", "dimensions", "mean", "std", *_COSTS]],
        "reduction, search and votes",
        unit="s",
        hover=_TIMES,
        log=True,
        height=360,
        **axis,
    )
    stored = shown.get("stored_at", pd.Series(dtype=object)).dropna()
    origin = (
        f" **The times of {len(stored)} of {len(shown)} runs were not taken now but stored** with "
        f"the runs, {_between(stored)}."
        if len(stored)
        else ""
    )
    charts.show(
        figure,
        f"Seconds on this machine, median over the seeds: fitting and applying the reduction, "
        f"searching the neighbors of all training and test rows, and the votes of {method}. A fit "
        "or search that several runs share counts in each. fLDA searches at full dimension first, "
        f"to learn which labels to trust: it saves space, not time.{origin}",
        "dimensions-time",
        costs.drop(columns="std").rename(columns={"mean": "seconds"}),
        plan.base,
    )


def _between(times: "pd.Series[str]") -> str:
    first, last = (str(time)[:16].replace("T", " ") for time in (times.min(), times.max()))
    return f"at {first} UTC" if first == last else f"from {first} to {last} UTC"


def in_words(plan: Plan, table: pd.DataFrame, method: str, score: str, bytes_a_column: int) -> str:
    """What is left of the score in the paper's 10 and 100 times smaller embeddings, in Markdown."""
    whole = table.loc[table["reduction"] == NONE, "mean"]
    lines = []
    if len(whole):
        size = theme.nbytes(plan.columns * bytes_a_column)
        lines.append(
            f"All {plan.columns:,} dimensions ({size}): {method} has "
            f"**{theme.percent(whole.iloc[0])}** {score}."
        )
    for times in SMALLER:
        most = plan.columns // times
        fit = table[(table["dimensions"] <= most) & (table["reduction"] != NONE)]
        if fit.empty:
            continue
        largest = fit.loc[fit.groupby("reduction", sort=False)["dimensions"].idxmax()]
        each = ", ".join(
            f"{row['reduction']} **{theme.percent(row['mean'])}** at {row['dimensions']}"
            for row in largest.to_dict("records")
        )
        size = theme.nbytes(most * bytes_a_column)
        lines.append(f"{times}× smaller (at most {most} dimensions, {size}): {each}.")
    return "  \n".join(lines)


def _show_table(plan: Plan, records: pd.DataFrame, metric: str, seeds: str) -> None:
    st.header("All methods")
    means, deviations = table_of(plan, records, metric)
    methods = [name for name in plan.methods if name in means]
    cells = means.assign(
        **{
            name: [
                f"{mean:.2f}" + ("" if pd.isna(deviation) else f" ± {deviation:.2f}")
                for mean, deviation in zip(means[name], deviations[name], strict=True)
            ]
            for name in methods
        }
    )
    best = means[methods].eq(means[methods].max(axis=1), axis=0).to_dict("index")

    def bold(row: "pd.Series[Any]") -> list[str]:
        won = best[row.name]
        return ["font-weight: bold" if won.get(name, False) else "" for name in row.index]

    formats: dict[Any, Any] = {
        "times smaller": "{:.3g}",
        "MB": "{:.3g}",
        "mean adaptive k": "{:.1f}",
        "reduction, s": "{:.3g}",
        "search, s": "{:.3g}",
    }
    st.dataframe(cells.style.apply(bold, axis=1).format(formats), hide_index=True, width="stretch")
    st.caption(
        f"{METRICS[metric]}, %: mean ± standard deviation over {seeds}; the best mean of each "
        "row is bold. MB: the training embeddings as float32. Seconds: medians."
    )
    spread = deviations.add_prefix("deviation ")
    charts.download("dimensions-table", means.join(spread), plan.base, "Table, CSV")


def table_of(plan: Plan, records: pd.DataFrame, metric: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row a reduction and size: space, time and each method's mean in percent; deviations."""
    keys = ["reduction", "dimensions"]
    by_method = records.groupby([*keys, "method_name"], sort=False)[metric]
    scores = {name: 100 * by_method.agg(name).unstack() for name in ("mean", "std")}
    by_size = records.groupby(keys, sort=False)
    costs = by_size[["reduce_seconds", "search_seconds"]].median()
    size = by_size["embedding_bytes"].first()
    means = pd.DataFrame(
        {
            "times smaller": plan.columns / size.index.get_level_values("dimensions"),
            "MB": size / 1e6,
            **{name: scores["mean"][name] for name in plan.methods if name in scores["mean"]},
            "mean adaptive k": by_size["adaptive_k_mean"].mean(),
            "reduction, s": costs["reduce_seconds"],
            "search, s": costs["search_seconds"],
        },
        index=size.index,
    ).reset_index()
    return means, scores["std"].reindex(size.index).reset_index(drop=True)
