"""The list of every issue of the audited data set, once its rows and images have been measured."""

from collections.abc import Callable, Mapping
from weakref import WeakKeyDictionary

import numpy as np
import streamlit as st

from ui.jobs import jobs
from ui.jobs.panel import Panel
from ui.review.case.data import Case
from wann_core.audit.issues.image_faults import THRESHOLDS as OF_IMAGES
from wann_core.audit.issues.kinds import KINDS, IssueList
from wann_core.audit.issues.listing import THRESHOLDS, list_issues
from wann_core.audit.issues.measure import Measurements, measure
from wann_core.typing import Array

KEY = "review_issue"
# Where the lines of a list stand in the audit's table.
_places: WeakKeyDictionary[IssueList, Array] = WeakKeyDictionary()
_KEPT = 16  # lists of other thresholds
# By kind: ends and step of its slider, and what is measured.
_SLIDERS: dict[str, tuple[float, float, float, str]] = {
    "outlier": (2.0, 8.0, 0.25, "Robust deviations from the usual distance; less lists more rows."),
    "small_class": (1.0, 50.0, 1.0, "Classes of fewer rows are listed."),
    "blank": (0.0, 0.2, 0.01, "Range of brightness, 0 to 1; more lists more images."),
    "tiny": (0.05, 1.0, 0.05, "Side in medians of the data set; more lists more images."),
    "dark": (0.05, 0.6, 0.01, "Brightness of the 99th percentile; more lists more images."),
    "bright": (0.05, 0.6, 0.01, "1 less brightness of the 1st percentile; more lists more images."),
    "blurred": (-8.0, -1.0, 0.25, "Robust deviations of detail; nearer to 0 lists more images."),
}


def panel(case: Case) -> Panel[Measurements]:
    """The job that all lists are made of: neighbors are searched, images opened and measured."""

    def work(job: jobs.Job) -> Measurements:
        job.progress(0, 1, "listing issues")
        return measure(case.data, progress=job.progress)

    return Panel(
        "issues",
        ("issues", case.key),
        work,
        f"Issues of {case.data.name}",
        canceled="Canceled. Press “List all issues” to start again.",
        again="",
    )


def known(case: Case) -> IssueList | None:
    """The list under the chosen thresholds, if rows and images have been measured."""
    made = panel(case)
    if made.job is None or not made.done:
        return None
    chosen = {kind: st.session_state.get(_key(kind)) for kind in _SLIDERS}
    limits = {kind: float(value) for kind, value in chosen.items() if value is not None}
    key = case.key, case.judgment, case.near, *limits.items()
    return _kept(key, case, made.job.result, limits)


@st.cache_resource(max_entries=_KEPT, show_spinner=False)
def _kept(
    key: tuple[object, ...], _case: Case, _measured: Measurements, _limits: Mapping[str, float]
) -> IssueList:
    del key
    return listed(_case, _measured, _limits)


def listed(case: Case, measured: Measurements, limits: Mapping[str, float]) -> IssueList:
    """The list as the page judges labels and duplicates, under some thresholds."""
    return list_issues(
        case.data,
        case.found,
        thresholds=dict(limits),
        near=case.near,
        skipped=case.skipped,
        measured=measured,
    )


def _key(kind: str) -> str:
    return f"issues_limit_{kind}"


def thresholds(case: Case) -> None:
    """Draw a slider for each kind that has a threshold; nothing is measured again."""
    kinds = [kind for kind in _SLIDERS if case.data.images is not None or kind in THRESHOLDS]
    with st.expander("Thresholds", icon=":material/tune:"):
        columns = st.columns(3)
        for place, kind in enumerate(kinds):
            low, high, step, what = _SLIDERS[kind]
            columns[place % 3].slider(
                KINDS[kind][0],
                low,
                high,
                {**THRESHOLDS, **OF_IMAGES}[kind],
                step,
                key=_key(kind),
                help=what,
                persist_state="session",
            )
        st.caption("How near a near-duplicate is, is set in the sidebar, as for the audit.")


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
