"""The Results page: what the results store holds, and which of it is looked at."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from ui.shell import navigation, theme, truth
from ui.shell.controls import linked
from ui.shell.sentences import counted
from wann_core.experiments.store import IMPORTED, ResultsStore, use_store
from wann_core.methods.metrics import METRICS
from wann_core.results import table as results_table
from wann_core.results.table import FIELDS, Runs

_LOG = logging.getLogger(__name__)

_SOURCE = "Started by"
_AGES = {"ever": "Ever", "hour": "Last hour", "day": "Last 24 hours", "week": "Last 7 days"}
_SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}


@dataclass(frozen=True, eq=False)
class Chosen:
    """The runs that pass the filters.

    Attributes
    ----------
    table : DataFrame
        As in `Runs`.
    token : str
        Changes when they do.
    """

    table: pd.DataFrame
    token: str


def load() -> tuple[Runs, str]:
    """All runs, and a text that changes when they do; read again when the store has changed."""
    navigation.enter()
    theme.apply()
    path = use_store(lambda kept: kept.path, _LOG.warning)
    if path is None:
        st.error("The results store cannot be read; the server's log has the reason.")
        st.stop()
    stat = path.stat()
    token = f"{path} {stat.st_mtime_ns} {stat.st_size}"
    return _read(path, token), token


@st.cache_resource(max_entries=2, show_spinner="Reading the results store …")
def _read(_path: Path, token: str) -> Runs:
    return results_table.describe(ResultsStore(_path).records())


def filtered(found: Runs, token: str) -> Chosen:
    """Draw the filters in the sidebar; the runs that pass them."""
    table = found.table
    if table.empty:
        return Chosen(table, token)
    mask = pd.Series(True, table.index)
    with st.sidebar:
        st.header("Which runs")
        for field in FIELDS:
            mask &= _filter(table, field, FIELDS[field], f"f_{field}")
        mask &= _filter(table, "source", _SOURCE, "f_source")
        age = linked(
            st.selectbox,
            "Measured",
            key="f_age",
            options=list(_AGES),
            format_func=_AGES.__getitem__,
        )
    if age in _SPANS:
        since = (datetime.now(UTC) - _SPANS[age]).isoformat(timespec="seconds")
        mask &= table["created"] >= since
    passed = hashlib.sha256(mask.to_numpy().tobytes()).hexdigest()
    return Chosen(table[mask], f"{token} {passed}")


def _filter(table: pd.DataFrame, column: str, label: str, key: str) -> "pd.Series[bool]":
    """One filter, where there is a choice; a run to which a field does not matter passes it."""
    values = set(table[column]) - {""}
    everything = pd.Series(True, table.index)
    if len(values) < 2 and not st.query_params.get_all(key):
        return everything
    options = ordered(values, column)
    chosen = linked(
        st.multiselect,
        label,
        key=key,
        options=options,
        placeholder="all",
        format_func=lambda value: value,
    )
    return table[column].isin([*chosen, ""]) if chosen else everything


def ordered(values: Any, field: str) -> list[str]:
    """The values of a field as every view lists them."""
    return (
        results_table.method_order(sorted(values))
        if field == "method"
        else results_table.order(sorted(values))
    )


def show_counts(found: Runs, passed: Chosen, *, empty: bool) -> None:
    """Show how many runs there are; with `empty`, end the page where there are none to show."""
    chosen = passed.table
    if found.unreadable:
        st.warning(f"Rows of the results store that hold no run: {found.unreadable:,}.")
    for name, runs in found.unknown.items():
        st.info(
            f"{counted(runs, 'run')} of {theme.plain(name)} not shown: it is not registered here. "
            "Name its plug-in in WANN_PLUGINS and start the server again.",
            icon=":material/extension_off:",
        )
    if found.table.empty and empty:
        st.info(
            "No runs yet: start some on Compare or Sweeps, or import logs of the published code.",
            icon=":material/play_arrow:",
        )
        navigation.link("compare", "Compare", ":material/show_chart:")
        navigation.link("sweeps", "Sweeps", ":material/playlist_play:")
        st.stop()
    if found.table.empty:
        return
    older = (
        f" Older runs of the same settings, left out: {found.replaced:,}; files, or the engine, "
        "have changed since."
        if found.replaced
        else ""
    )
    imported = int(chosen["origin"].str.startswith(IMPORTED).sum())
    brought = f", {imported:,} of them imported" if imported else ""
    st.caption(f"{len(chosen):,} of {len(found.table):,} runs{brought}.{older}")
    truth.explain_records(chosen)
    if chosen.empty and empty:
        st.info("No run passes all filters. Loosen one in the sidebar.", icon=":material/tune:")
        st.stop()


def metric(place: Any) -> str:
    """The control of the score."""
    chosen: str = linked(
        place.selectbox,
        "Score",
        key="score",
        options=list(METRICS),
        format_func=METRICS.__getitem__,
    )
    return chosen


def of_newest(parts: Sequence[dict[str, str]], runs: pd.DataFrame) -> int:
    """Which of the parts holds the run that was measured last: what somebody looks for first."""
    newest = runs.iloc[int(runs["created"].astype(str).to_numpy(object).argmax())]
    found = (
        i
        for i, part in enumerate(parts)
        if all(newest[field] in (value, "") for field, value in part.items())
    )
    return next(found, 0)


def in_words(part: dict[str, str]) -> str:
    """What the runs of a part have in common that others do not."""
    return ", ".join(f"{FIELDS[f].lower()}: {value or 'none'}" for f, value in part.items())
