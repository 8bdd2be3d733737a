"""All issues of the data set: counts by kind, their cards, and what is removed at once."""

from typing import Any

import pandas as pd
import streamlit as st

from ui.charts import charts
from ui.review.cards import card_list, filters
from ui.review.case import issue_list
from ui.review.case.asked import Asked
from ui.review.case.data import NO_VERDICT, SPLITS, Case
from ui.review.case.session import session
from ui.shell import theme
from wann_core.audit.issues.kinds import KINDS, IssueList
from wann_core.errors import WannError

_TABLE = "issues_table"
_DUPLICATES = ("near_duplicate", "duplicate_label", "leak")


def show(case: Case, asked: Asked) -> None:
    """Draw the counts and what can be done about each kind."""
    panel = issue_list.panel(case)
    st.markdown(
        "Wrong labels, duplicates, leaks between splits, outliers, faulty images and odd classes "
        "in one list."
    )
    panel.offer("List all issues", type="primary", icon=":material/checklist:")
    if panel.answer() is None:
        return
    issue_list.thresholds(case)
    found = issue_list.known(case)
    assert found is not None
    _counts(found)
    _remove(case, asked, found)
    charts.download("issues", found.table, None, "All issues, CSV")


def _counts(found: IssueList) -> None:
    kinds = [kind for kind, rows in found.counts.items() if rows]
    if not kinds:
        st.success("No issue of any kind was found.", icon=":material/task_alt:")
        return

    def pick() -> None:
        rows: Any = st.session_state[_TABLE]["selection"]["rows"]
        if rows:
            filters.open_with({issue_list.KEY: kinds[rows[0]], card_list.SHOW: "all"})

    st.dataframe(
        pd.DataFrame(
            {
                "issue": [KINDS[kind][0] for kind in kinds],
                "rows": [found.counts[kind] for kind in kinds],
                "what it is": [KINDS[kind][1] for kind in kinds],
            }
        ),
        key=_TABLE,
        hide_index=True,
        on_select=pick,
        selection_mode="single-row",
        column_config={"rows": st.column_config.NumberColumn(format="localized")},
    )
    st.caption(
        "Select a line to see its cards; rows without a label have no card, but are in the CSV. A "
        "kind of image fault that more than a tenth of the images would have is taken for the "
        "nature of the data."
    )


def _remove(case: Case, asked: Asked, found: IssueList) -> None:
    kinds = [kind for kind in _DUPLICATES if found.counts[kind]]
    if not kinds:
        return
    st.subheader("Keep one of each group")
    left, middle, right = st.columns([3, 3, 2], vertical_alignment="bottom")
    kind = left.selectbox(
        "Duplicates", kinds, format_func=lambda k: KINDS[k][0], key="issues_remove"
    )
    splits = [name for name in SPLITS if name in case.data.splits]
    keep = middle.selectbox(
        "Keep the row of",
        ["first", *(splits if len(splits) > 1 else [])],
        format_func=lambda name: "the first split that has one" if name == "first" else name,
        key="issues_keep",
    )
    rest = found.removable(kind, keep)
    places = case.positions(rest["split"].to_numpy(object), rest["row"].to_numpy("int64"))
    labeled, states = places[places >= 0], case.states()
    todo = labeled[states.actions[labeled] == NO_VERDICT]

    def remove() -> None:
        verdicts = case.verdicts_on(todo, "remove")
        batch = f"keep one of each: {kind}"
        try:
            case.ledger.record(verdicts, who=asked.who, batch=batch, seen=states.version)
        except WannError as error:
            session().error = str(error)
        card_list.refresh()

    right.button(
        f"Remove {len(todo):,} row{'' if len(todo) == 1 else 's'}",
        on_click=remove,
        disabled=not len(todo),
        icon=":material/delete:",
        help="Verdicts “remove”, as one operation: undo on the Review part takes all back.",
    )
    if error := session().pop_error():
        st.error(theme.plain(error), icon=":material/error:")
    if judged := len(labeled) - len(todo):
        st.caption(f"{judged:,} {'has' if judged == 1 else 'have'} a verdict already; it stays.")
    if len(labeled) < len(rest):
        st.caption(
            f"{len(rest) - len(labeled):,} more have no label, so they cannot get a verdict; they "
            "are in the CSV."
        )
