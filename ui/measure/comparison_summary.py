"""A comparison on one page, as an HTML file that needs no network."""

import pandas as pd
import streamlit as st

from ui.jobs.plan import Plan
from ui.shell import theme
from wann_core.experiments.records import scenario_record
from wann_core.methods.metrics import METRICS
from wann_core.results.html_summary import Curves, comparison_html

AXIS_TITLES = {
    "noise_ratio": "noise ratio asked for",
    "imbalance_ratio": "imbalance, last class over first (1: none)",
    "num_subsamples": "training rows",
}
_DASHES = {
    "solid": "",
    "dot": "2 4",
    "dash": "8 5",
    "longdash": "14 6",
    "dashdot": "8 4 2 4",
    "longdashdot": "14 4 2 4",
}


def download(
    plan: Plan, metric: str, table: pd.DataFrame, gain: pd.DataFrame, against: str
) -> None:
    """Offer the page; it is made when asked for.

    Parameters
    ----------
    plan : Plan
    metric : str
    table, gain : DataFrame
        As `grid.summary` and `grid.paired_gain` return them; without a gain there is no chart.
    against : str
        The reference of the gain.
    """
    st.download_button(
        "Summary, HTML",
        lambda: summary(plan, metric, table, gain, against),
        "wann-comparison.html",
        "text/html",
        key="summary_compare",
        icon=":material/description:",
        on_click="ignore",
    )


def summary(plan: Plan, metric: str, table: pd.DataFrame, gain: pd.DataFrame, against: str) -> str:
    """The page, see `download`."""
    title, axis = METRICS[metric], AXIS_TITLES[plan.axis]
    scale = {
        "logarithmic": plan.axis != "noise_ratio",
        "falling": plan.axis == "imbalance_ratio",
    }
    spread = 100 * table["std"]
    drawn = pd.DataFrame({"method_name": table["method_name"], "x": table[plan.axis]})
    mean = drawn.assign(y=100 * table["mean"])
    mean = mean.assign(low=mean["y"] - spread, high=mean["y"] + spread)
    note = "Mark: mean over the seeds. Bar: one standard deviation between seeds."
    curves = [Curves(title, axis, f"{title}, %", mean, note, **scale)]
    if len(gain):
        gained = 100 * gain[["gain", "low", "high"]].set_axis(["y", "low", "high"], axis=1)
        gained = gained.assign(method_name=gain["method_name"], x=gain[plan.axis])
        note = (
            f"Difference to {against} on the same rows and labels. Bar: 95 % t interval over the "
            "seeds."
        )
        heading = f"Gain over {against}"
        curves.append(Curves(heading, axis, "points", gained, note, zero=True, **scale))
    record = scenario_record(plan.base)
    settings = {k: v for k, v in record.items() if k not in ("method", "seed", plan.axis)}
    seeds = ", ".join(map(str, plan.seeds))
    styles = {
        name: (theme.color(name), _DASHES[theme.dash(name)]) for name in set(table["method_name"])
    }
    return comparison_html(
        f"{plan.base.dataset}: {title.lower()} along {axis}",
        settings | {"seeds": seeds},
        curves,
        table.rename(columns={plan.axis: "x"}),
        [f"{title}, %: mean ± standard deviation over the seeds; the best mean is bold."],
        styles,
    )
