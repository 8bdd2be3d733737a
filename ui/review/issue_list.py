"""The list of every issue of the audited data set, once it has been made."""

from collections.abc import Callable
from weakref import WeakKeyDictionary

import numpy as np
import streamlit as st

from ui.jobs import jobs
from ui.jobs.panel import Panel
from ui.review.data import Case
from wann_core.audit.issues.kinds import KINDS, IssueList
from wann_core.audit.issues.listing import list_issues
from wann_core.typing import Array

KEY = "review_issue"
# Where the lines of a list stand in the audit's table.
_places: WeakKeyDictionary[IssueList, Array] = WeakKeyDictionary()


def panel(case: Case) -> Panel[IssueList]:
    """The job that makes it: images are opened and measured."""

    def work(job: jobs.Job) -> IssueList:
        job.progress(0, 1, "listing issues")
        return list_issues(
            case.data, case.found, near=case.near, skipped=case.skipped, progress=job.progress
        )

    return Panel(
        "issues",
        ("issues", case.key, case.judgment, case.near),
        work,
        f"Issues of {case.data.name}",
        cancelled="Cancelled. Press “List all issues” to start again.",
        again="",
    )


def known(case: Case) -> IssueList | None:
    """The list, if it has been made."""
    job = panel(case).job
    if job is None or job.state is not jobs.State.DONE:
        return None
    found: IssueList = job.result
    return found


def kinds_of(case: Case, positions: Array) -> dict[int, list[str]]:
    """Kinds of issues of these rows, by position, as far as the list has been made."""
    found = known(case)
    if found is None:
        return {}
    places = _positions(case, found)
    lines = np.flatnonzero(np.isin(places, positions))
    kinds: dict[int, list[str]] = {}
    for place, kind in zip(places[lines], found.table["kind"].iloc[lines], strict=True):
        kinds.setdefault(int(place), []).append(kind)
    return kinds


def _positions(case: Case, found: IssueList) -> Array:
    """Where each line stands in the audit's table, -1 for rows without a label."""
    if found not in _places:
        table = found.table
        splits, rows = table["split"].to_numpy(object), table["row"].to_numpy(np.int64)
        _places[found] = case.positions(splits, rows)
    return _places[found]


def draw(case: Case, changed: Callable[[], None]) -> None:
    """Draw the choice of a kind of issue for the cards; nothing before the list is made."""
    found = known(case)
    if found is None:
        return
    counts = {kind: rows for kind, rows in found.counts.items() if rows}
    st.selectbox(
        "Issue",
        list(counts),
        None,
        key=KEY,
        format_func=lambda kind: f"{KINDS[kind][0]} ({counts[kind]:,})",
        placeholder="any",
        on_change=changed,
        persist_state="session",
    )


def mask(case: Case) -> Array:
    """Which rows have the chosen kind of issue; all where none is chosen."""
    kind, found = st.session_state.get(KEY), known(case)
    kept = np.ones(len(case), bool)
    if kind is None or found is None:
        return kept
    places = _positions(case, found)[(found.table["kind"] == kind).to_numpy()]
    kept[:] = False
    kept[places[places >= 0]] = True
    return kept
