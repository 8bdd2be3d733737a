"""The Results page: two selections of runs that differ in one field, pair by pair."""

import math

import pandas as pd
import streamlit as st

from ui.charts import charts, short_names
from ui.results.results import Chosen, metric, ordered
from ui.shell import theme
from ui.shell.controls import linked
from wann_core.methods.metrics import METRICS
from wann_core.methods.probes import LOSSES
from wann_core.results import table
from wann_core.results.paired_tests import PairedTest, paired_test
from wann_core.results.table import FIELDS

# Fewer pairs cannot reach 5 % in a two-sided signed-rank test.
_LEAST_WILCOXON = 6
_OFTEN_DECIDED = ("backbone", "draw")  # by the data set, by the noise
_MOST_LINES = 40
_LINE = 34  # characters of a condition, beside a chart of full width


def show(chosen: Chosen) -> None:
    """Choose a field and two of its values; differences of runs that agree in all else."""
    runs = chosen.table
    choices = {f: ordered(set(runs[f]) - {""}, f) for f in FIELDS}
    fields = [field for field, values in choices.items() if len(values) > 1]
    if not fields:
        st.info(
            "These runs differ in their seeds alone. Two methods, or two data sets, could be "
            "compared.",
            icon=":material/tune:",
        )
        return
    columns = st.columns(4)
    start = fields.index("method") if "method" in fields else 0
    field = linked(
        columns[0].selectbox,
        "Compare by",
        key="by",
        options=fields,
        index=start,
        format_func=FIELDS.__getitem__,
    )
    values = choices[field]
    first = linked(columns[1].selectbox, "First", key=f"first_{field}", options=values)
    second = linked(
        columns[2].selectbox,
        "Second",
        key=f"second_{field}",
        options=values,
        index=len(values) - 1,
    )
    score = metric(columns[3])
    if first == second:
        st.info("Choose two different ones.", icon=":material/tune:")
        return
    found = _compared(chosen.token, field, first, second, score, runs)
    if found is None:
        st.info(
            f"No run with {theme.plain(first)} has a partner with {theme.plain(second)} that "
            "agrees in seed and every other field.",
            icon=":material/link_off:",
        )
        return
    test, conditions = found
    _verdict(test, len(conditions), field, first, second, score)
    _chart(conditions, first, second, score)


@st.cache_resource(max_entries=8, show_spinner="Comparing pair by pair …")
def _compared(
    token: str, field: str, first: str, second: str, score: str, _runs: pd.DataFrame
) -> tuple[PairedTest, pd.DataFrame] | None:
    """The test over all pairs, and one line a condition; None where there is no pair."""
    if score not in _runs:
        return None
    pairs = table.pair(_runs, field, first, second, score)
    return None if pairs.empty else (paired_test(pairs["difference"]), _conditions(pairs))


def _verdict(
    test: PairedTest, conditions: int, field: str, first: str, second: str, score: str
) -> None:
    # One below the other in a narrow window, by the style sheet.
    cards = st.container(key="stacking_test").columns(4)
    cards[0].metric("Pairs", f"{test.n:,}")
    cards[1].metric("Mean difference, points", f"{100 * test.difference:+.2f}")
    interval = "–"
    if not math.isnan(test.low):
        interval = f"{100 * test.low:+.2f} to {100 * test.high:+.2f}"
    cards[2].metric("95 % t interval", interval)
    cards[3].metric("p: t-test, Wilcoxon", f"{_p(test.p_t)}, {_p(test.p_wilcoxon)}")
    words = METRICS[score].lower()
    if conditions > 1:
        words += f", on average over these {conditions} conditions,"
    st.markdown(_in_words(test, first, second, words))
    mixed = (
        f" The pairs come from {conditions} conditions, which are not a random sample of all: the "
        "overall test speaks of these; the lines below, of each."
        if conditions > 1
        else ""
    )
    st.caption(
        "A pair agrees in its seed and in every field but the one compared"
        f"{_alike(field, first, second)}. The tests cover the draws, not the finite test set, "
        f"which all seeds share.{mixed}"
    )


def _alike(field: str, first: str, second: str) -> str:
    """What both runs of a pair have seen."""
    if field == "method":
        probes = [name.partition(" ")[0] in LOSSES for name in (first, second)]
        if any(probes) and not all(probes):
            return "; a linear probe keeps some of the rows to validate"
    same = ("method", "normalization", "reduction", "search")
    return ", so both saw the same rows and labels" if field in same else ""


def _in_words(test: PairedTest, first: str, second: str, score: str) -> str:
    one, other = f"**{theme.plain(first)}**", f"**{theme.plain(second)}**"
    if test.n < 2:
        return f"One pair is not evidence: run more seeds to compare {other} with {one}."
    if math.isnan(test.p_t):
        return f"All pairs differ by {100 * test.difference:+.2f} points: the seeds change nothing."
    few = ""
    if test.n < _LEAST_WILCOXON:
        least = 2 / 2**test.n
        few = (
            f" With {test.n} pairs Wilcoxon's p cannot fall below {least:.2g}, and the t-test "
            "leans on normal differences: more seeds would give more certainty."
        )
    if test.p_t >= 0.05:
        return f"{other} is not distinguished from {one} by these pairs.{few}"
    verb = "gains" if test.difference > 0 else "loses"
    gain = 100 * abs(test.difference)
    return f"{other} {verb} {gain:.2f} points of {score} against {one}.{few}"


def _p(value: float) -> str:
    if math.isnan(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _keys(pairs: pd.DataFrame) -> list[str]:
    """Fields in which the pairs differ; without any, the data set."""
    found = [f for f in FIELDS if f in pairs and pairs[f].nunique() > 1]
    return found or [next(f for f in FIELDS if f in pairs)]


def _telling(pairs: pd.DataFrame, keys: list[str]) -> list[str]:
    """The fields that name a condition: not how it was made, where the others decide that."""
    kept: list[str] = []
    for key in keys:
        decided = kept and pairs.groupby(kept, dropna=False)[key].nunique().max() == 1
        if not (decided and key in _OFTEN_DECIDED):
            kept.append(key)
    return kept


def _conditions(pairs: pd.DataFrame) -> pd.DataFrame:
    """One line a condition: its name, its mean difference and interval."""
    keys, lines = _keys(pairs), list[dict[str, object]]()
    telling = _telling(pairs, keys)
    for values, some in pairs.groupby(keys, sort=False):
        test = paired_test(some["difference"])
        found = dict(zip(keys, values, strict=True))
        named = {key: str(found[key]) for key in telling if found[key]}
        # Of all that there may be none of, noise alone is looked for.
        there = [name for key, name in named.items() if key == "noise" or name != "none"]
        lines.append(
            {
                **found,
                "condition": ", ".join(there or named.values()) or "all",
                "pairs": test.n,
                "first": some["first"].mean(),
                "second": some["second"].mean(),
                "difference": test.difference,
                "low": test.low,
                "high": test.high,
                "p_t": test.p_t,
                "p_wilcoxon": test.p_wilcoxon,
            }
        )
    made = pd.DataFrame(lines)
    place = {name: i for i, name in enumerate(table.order(made["condition"]))}
    return made.sort_values("condition", key=lambda names: names.map(place), ignore_index=True)


def _chart(conditions: pd.DataFrame, first: str, second: str, score: str) -> None:
    shown = conditions.head(_MOST_LINES).iloc[::-1]
    bar = 100 * (shown["high"] - shown["difference"])
    trace = {
        "type": "scatter",
        "x": (100 * shown["difference"]).to_list(),
        "y": shown["condition"].to_list(),
        "error_x": {"type": "data", "array": bar.fillna(0).to_list(), "thickness": 2},
        "mode": "markers",
        "marker": {"color": theme.color(second), "symbol": theme.symbol(second), "size": 12},
        "customdata": shown["pairs"].to_list(),
        "hovertemplate": "%{y}: %{x:+.2f} points, %{customdata} pairs<extra></extra>",
    }
    zero = {
        "type": "line",
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "x0": 0,
        "x1": 0,
        "line": {"width": 1.5, "color": theme.CLEAN},
    }
    figure = charts.framed(
        [trace],
        f"{METRICS[score]}: {second} minus {first}, points",
        "",
        legend=False,
        height=110 + 34 * len(shown),
        shapes=[zero],
        yaxis={
            "type": "category",
            "labelalias": short_names.aliases(shown["condition"], _LINE),
        },
    )
    more = len(conditions) - len(shown)
    charts.show(
        figure,
        "Mark: mean difference of the pairs of a condition. Bar: 95 % t interval over its seeds; "
        "where it crosses 0, or is missing, there is no clear difference."
        + (f" {more} more conditions are in the CSV." if more else ""),
        "results-pairs",
        conditions.assign(first_is=first, second_is=second, score=score),
        None,
    )
