"""How far a review has come, what it found, and whether it pays to go on."""

import numpy as np
import pandas as pd
import streamlit as st

from ui.charts import charts
from ui.jobs.jobs import duration
from ui.review.case.data import NO_VERDICT, Case, States
from ui.shell import theme
from wann_core.audit.reviewing.stopping import Outlook, outlook, running_precision
from wann_core.methods.metrics import wilson_interval
from wann_core.review.ledger import ACTIONS

_LATEST = 100  # verdicts that the pace is taken from
_FEWEST_GAPS = 4
_BREAK_SECONDS = 120.0


def ahead(case: Case, states: States) -> Outlook | None:
    """What the next rows are expected to bring; None before the first verdict."""
    if not (states.actions != NO_VERDICT).any():
        return None
    return outlook(case.ranked, case.rates, states.table)


def show(case: Case, states: States, next_rows: Outlook | None) -> None:
    """Draw it in a line."""
    found = case.found
    if next_rows is None:
        noise, trust = found.noise, found.evidence.trust
        text = (
            f"About **{noise.count:,}** of {noise.rows:,} labels look wrong ({noise.low:,} to "
            f"{noise.high:,}{', not to be trusted: see below' if trust == 'doubtful' else ''})"
        )
        if trust == "blind":
            text = "**The number of wrong labels is unknown here**, see below"
        st.markdown(f"{text}; the most doubtful stand first. Nothing is reviewed yet.")
        return
    left = _left(case, states, next_rows.factor)
    st.markdown(f"{counts(states)} {_truth(case, states)} {left}")


def show_outlook(next_rows: Outlook) -> None:
    """Say whether it pays to read on."""
    icon = ":material/flag:" if next_rows.stop else ":material/trending_flat:"
    st.caption(f"{icon} {next_rows.text}")


def _left(case: Case, states: States, factor: float) -> str:
    """Errors that are still to be found, and the time that takes at the present pace."""
    if case.found.evidence.trust == "blind":
        return ""
    left = states.actions[case.order] == NO_VERDICT
    errors = min(factor * float(case.rates[left].sum()), float(left.sum()))
    text = "About **1** error is left"
    if round(errors) != 1:
        text = f"About **{errors:,.0f}** errors are left"
    rows = int(left[: case.found.noise.count].sum())
    pace = seconds_per_verdict(states.table["when"])
    if rows and pace is not None:
        which = f"**{rows:,}** most doubtful rows take" if rows > 1 else "next row takes"
        text += f"; the {which} **{duration(rows * pace)}** at your pace ({pace:.1f} s a verdict)"
    return f"{text}."


def seconds_per_verdict(when: "pd.Series[str]") -> float | None:
    """Mean time between the latest verdicts, breaks left out; None before there are some.

    Parameters
    ----------
    when : Series of str
        When each was given, ISO 8601.
    """
    # Verdicts on many rows at once are one.
    latest = pd.to_datetime(when, format="ISO8601").drop_duplicates().sort_values().tail(_LATEST)
    gaps = latest.diff().dt.total_seconds().to_numpy()[1:]
    gaps = gaps[gaps <= _BREAK_SECONDS]
    return float(gaps.mean()) if len(gaps) >= _FEWEST_GAPS else None


def counts(states: States) -> str:
    """Verdicts by kind, and the share of errors among the sure ones, in Markdown."""
    found = {a: int((states.actions == i).sum()) for i, a in enumerate(ACTIONS)}
    wrong, sure = found["relabel"] + found["remove"], sum(found.values()) - found["unsure"]
    text = f"**{sum(found.values()):,}** reviewed"
    if sure:
        low, high = wilson_interval(wrong, sure)
        text += (
            f": **{wrong:,}** wrong ({theme.percent(wrong / sure, 0)}, 95 % interval "
            f"{100 * low:.0f} to {100 * high:.0f} %), {found['keep']:,} kept"
        )
    return text + (f", {found['unsure']:,} unsure." if found["unsure"] else ".")


def _truth(case: Case, states: States) -> str:
    """Under practice: how many verdicts restore the label before the injection."""
    if case.truth is None:
        return ""
    table, names = states.table, case.found.rows.class_names
    given, new, action = (table[c].tolist() for c in ("given_label", "new_label", "action"))
    sure = [(p, i) for p, i in states.places.items() if action[i] in ("keep", "relabel")]
    right = sum(
        names[case.truth[p]] == (given[i] if action[i] == "keep" else new[i]) for p, i in sure
    )
    if not sure:
        return ""
    return f"**{right:,}** of {len(sure):,} labels kept or given are those before the injection."


def show_curve(case: Case, states: States) -> None:
    """Draw the precision along the list, when somebody wants it."""
    if not st.toggle("Precision along the list", key="review_curve"):
        return
    table = running_precision(case.ranked, states.table)
    if table.empty:
        st.info("No label is judged wrong or kept yet.", icon=":material/show_chart:")
        return
    x = table["rank"].to_numpy()
    low, high = 100 * table["low"].to_numpy(), 100 * table["high"].to_numpy()
    color = theme.FLIPPED
    figure = charts.framed(
        [
            {
                "type": "scatter",
                "mode": "lines",
                "x": np.concatenate([x, x[::-1]]),
                "y": np.concatenate([high, low[::-1]]),
                "fill": "toself",
                "fillcolor": color,
                "opacity": 0.15,
                "line": {"width": 0},
                "hoverinfo": "skip",
            },
            {
                "type": "scatter",
                "mode": "lines+markers",
                "x": x,
                "y": 100 * table["precision"].to_numpy(),
                "line": {"color": color, "width": 2.5},
                "marker": {"color": color, "size": 5},
                "hovertemplate": "to rank %{x:,}: %{y:.1f} % wrong<extra></extra>",
            },
        ],
        "rank in the list",
        "judged wrong so far, %",
        legend=False,
        height=300,
        yaxis={"range": [0, 103]},
    )
    charts.show(
        figure,
        "Share of wrong labels among all that are judged up to a rank, by your own verdicts; band: "
        "95 % Wilson interval. It falls as the list gets less doubtful.",
        "review-precision",
        table,
        None,
    )
