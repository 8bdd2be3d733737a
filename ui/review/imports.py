"""Verdicts and rankings that were made elsewhere: another ledger, a table, cleanlab's issues."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from ui.jobs import jobs
from ui.review import card_list
from ui.review.data import Case
from ui.shell import theme, uploads
from ui.shell.controls import describe_error
from wann_core.errors import WannError
from wann_core.review.import_cleanlab import read_cleanlab
from wann_core.review.imports import Incoming, import_verdicts, read_verdicts

_KINDS = {"verdicts": "Verdicts: a ledger or a table", "cleanlab": "cleanlab's label issues"}
_SUFFIXES = {"verdicts": ("sqlite", "csv", "parquet"), "cleanlab": ("csv", "parquet")}
_RANKING = "_review_ranking"
_TAKEN = "_review_imported"


def show(case: Case) -> None:
    """Draw what to read, and what was found in it."""
    kind = st.segmented_control(
        "What to read",
        list(_KINDS),
        default="verdicts",
        key="import_kind",
        required=True,
        format_func=_KINDS.__getitem__,
        persist_state="session",
        label_visibility="collapsed",
    )
    _tell_taken(case)
    file = uploads.choose("file", _SUFFIXES[kind], f"import_{kind}", "/path/to/verdicts.parquet")
    if kind == "cleanlab" and _RANKING in st.session_state:
        st.caption("The cards stand in cleanlab's order.")
        st.button("Back to our order", on_click=_drop_ranking, icon=":material/undo:")
    if file is not None:
        _read(case, kind, file)


def _read(case: Case, kind: str, file: uploads.File) -> None:
    key = ("look", kind, file.token, case.key, case.ledger.version())

    def work(job: jobs.Job) -> Any:
        job.progress(0, 1, "reading the file")
        if kind == "cleanlab":
            return read_cleanlab(file.path, case.data)
        return read_verdicts(file.path, case.data, case.ledger, source=file.name)

    job = jobs.registry().start(key, work)
    if not jobs.finished(job, "cancel_import"):
        return
    if isinstance(job.error, WannError):
        st.error(theme.plain(describe_error(job.error, {})), icon=":material/error:")
    elif job.error is not None:
        jobs.show_internal_error(job.error)
    elif job.state is jobs.State.CANCELLED:
        st.info("Reading was cancelled.", icon=":material/cancel:")
    elif kind == "cleanlab":
        _offer_ranking(case, *job.result)
    else:
        _offer_verdicts(case, job.result)


def _offer_verdicts(case: Case, found: Incoming) -> None:
    st.markdown(theme.plain(found.text))
    overrule = bool(found.conflicts) and st.toggle(
        f"Let them overrule the {len(found.conflicts):,} verdicts here that differ",
        key="import_overrule",
    )
    count = len(found.new) + (len(found.conflicts) if overrule else 0)

    def take() -> None:
        number = import_verdicts(found, case.ledger, overrule=overrule)
        text = f"{count:,} verdicts taken from {found.source}."
        st.session_state[_TAKEN] = (case.key, number, found.who, text)
        uploads.forget("import_verdicts")
        card_list.refresh()

    st.button(
        f"Take over {count:,} verdicts",
        on_click=take,
        disabled=not count,
        icon=":material/playlist_add:",
    )


def _tell_taken(case: Case) -> None:
    """What was taken over last, with the way back as long as there is one."""
    key, number, who, text = st.session_state.get(_TAKEN, (None, None, "", ""))
    if key != case.key:
        return
    last = case.ledger.undoable(who)
    if number is not None and (last is None or last.number != number):
        return

    def undo() -> None:
        case.ledger.undo(who)
        st.session_state[_TAKEN] = (key, None, who, f"Taken back: {text}")
        card_list.refresh()

    with st.container(horizontal=True, vertical_alignment="center"):
        st.success(theme.plain(text), icon=":material/check_circle:")
        if number is None:
            st.session_state.pop(_TAKEN)
        else:
            st.button("Undo", on_click=undo, key="import_undo", icon=":material/undo:")


def _offer_ranking(case: Case, table: pd.DataFrame, text: str) -> None:
    st.markdown(theme.plain(text))

    def take() -> None:
        st.session_state[_RANKING] = (case.key, table)
        card_list.refresh()

    st.button("Review in this order", on_click=take, icon=":material/sort:")


def _drop_ranking() -> None:
    st.session_state.pop(_RANKING, None)
    card_list.refresh()


def reranked(case: Case) -> Case:
    """The case in cleanlab's order, if somebody has asked for that; the evidence stays ours."""
    key, ranking = st.session_state.get(_RANKING, (None, None))
    if key != case.key:
        return case
    known = st.session_state.get("_review_reranked")
    if known is not None and known[0] is case and known[1] is ranking:
        return known[2]
    table = case.found.table.copy()
    pairs = zip(ranking["split"], ranking["row"].tolist(), strict=True)
    places = np.array([case.position(split, row) for split, row in pairs])
    # Rows that cleanlab was not given are doubted least.
    score, issue = np.ones(len(table)), np.zeros(len(table), bool)
    score[places] = ranking["label_score"].to_numpy()
    issue[places] = ranking["is_label_issue"].to_numpy()
    table["label_score"], table["is_label_issue"] = score, issue
    found = dataclasses.replace(case.found, table=table, score_name="cleanlab")
    made = dataclasses.replace(case, found=found)
    st.session_state["_review_reranked"] = (case, ranking, made)
    return made
