"""Verdicts and rankings that were made elsewhere: ledgers, tables, other programs' exports."""

import dataclasses

import numpy as np
import streamlit as st

from ui.jobs import jobs
from ui.jobs.panel import Panel, show_refusal
from ui.review.cards import card_list
from ui.review.case.data import SPLITS, Case
from ui.review.case.session import session
from ui.shell import theme, uploads
from ui.shell.sentences import counted
from wann_core.errors import WannError
from wann_core.review.imports import Incoming, Kind, Ranking, import_verdicts, read_incoming

_SUFFIXES = ("sqlite", "csv", "tsv", "txt", "parquet", "json", "xlsx")
_UPLOAD = "import_verdicts"
_GIVEN = {"": "what has as many rows", "all": "all labeled rows"}


def show(case: Case) -> None:
    """Draw what to read, and what was found in it."""
    _show_taken(case)
    st.caption(
        "A ledger, a table of ours (also saved by Excel or LibreOffice), Label Studio's JSON, "
        "JSON-MIN or CSV, FiftyOne's labels.json, or cleanlab's table of label issues. The kind "
        "of a file is detected from its content."
    )
    file = uploads.choose("file", _SUFFIXES, _UPLOAD, "/path/to/verdicts.parquet")
    if session().ranking is not None:
        st.caption("The cards stand in the order of another program's table.")
        st.button("Back to our order", on_click=_drop_ranking, icon=":material/undo:")
    if file is not None:
        _read(case, file)


def _read(case: Case, file: uploads.File) -> None:
    split = st.session_state.get("import_split") or None
    key = ("look", file.token, split, case.key, case.ledger.version())

    def work(job: jobs.Job) -> tuple[Kind, Incoming | Ranking]:
        job.progress(0, 1, "reading the file")
        return read_incoming(file.path, case.data, case.ledger, split=split, source=file.name)

    def refuse(error: WannError) -> None:
        if error.field == "split" or split is not None:
            _choose_split(case)
        show_refusal(error)

    reading = Panel(
        "import",
        key,
        work,
        f"Reading {file.name}",
        canceled="Reading was canceled.",
        again="Read again",
        refuse=refuse,
    )
    reading.begin()
    answer = reading.answer()
    if answer is None:
        return
    kind, found = answer
    if isinstance(found, Ranking) and split is not None:
        _choose_split(case)
    st.caption(f"Recognized as {theme.plain(kind.title)}.")
    if isinstance(found, Ranking):
        _offer_ranking(case, found)
    else:
        _offer_verdicts(case, found)


def _choose_split(case: Case) -> None:
    splits = [name for name in SPLITS if name in case.data.splits]
    st.selectbox(
        "Rows that cleanlab was given",
        [*_GIVEN, *splits],
        key="import_split",
        format_func=lambda name: _GIVEN.get(name, name),
        help="The table's index counts these rows.",
    )


def _offer_verdicts(case: Case, found: Incoming) -> None:
    st.markdown(theme.plain(found.text))
    overrule = bool(found.conflicts) and st.toggle(
        f"Overrule verdicts here that differ ({len(found.conflicts):,})",
        key="import_overrule",
    )
    count = len(found.new) + (len(found.conflicts) if overrule else 0)

    def take() -> None:
        number = import_verdicts(found, case.ledger, overrule=overrule)
        text = f"{counted(count, 'verdict')} taken from {found.source}."
        session().taken = case.key, number, found.who, text
        uploads.forget(_UPLOAD)
        card_list.refresh()

    st.button(
        f"Take over {counted(count, 'verdict')}",
        on_click=take,
        disabled=not count,
        icon=":material/playlist_add:",
    )


def _show_taken(case: Case) -> None:
    """What was taken over last, with the way back as long as there is one."""
    taken = session().taken
    if taken is None or taken[0] != case.key:
        return
    key, number, who, text = taken
    last = case.ledger.undoable(who)
    if number is not None and (last is None or last.number != number):
        return

    def undo() -> None:
        case.ledger.undo(who)
        session().taken = key, None, who, f"Taken back: {text}"
        card_list.refresh()

    with st.container(horizontal=True, vertical_alignment="center"):
        st.success(theme.plain(text), icon=":material/check_circle:")
        if number is None:
            session().taken = None
        else:
            st.button("Undo", on_click=undo, key="import_undo", icon=":material/undo:")


def _offer_ranking(case: Case, found: Ranking) -> None:
    st.markdown(theme.plain(found.text))

    def take() -> None:
        session().ranking = case.key, found.table
        card_list.refresh()

    st.button("Review in this order", on_click=take, icon=":material/sort:")


def _drop_ranking() -> None:
    session().ranking = None
    card_list.refresh()


def reranked(case: Case) -> Case:
    """The case in another table's order, if that is asked for; the evidence stays ours."""
    state = session()
    if state.ranking is None or state.ranking[0] != case.key:
        return case
    ranking = state.ranking[1]
    known = state.reranked
    if known is not None and known[0] is case and known[1] is ranking:
        return known[2]
    table = case.found.table.copy()
    places = case.positions(ranking["split"].to_numpy(object), ranking["row"].to_numpy(np.int64))
    # Rows that the other program was not given are doubted least.
    score, issue = np.ones(len(table)), np.zeros(len(table), bool)
    score[places] = ranking["label_score"].to_numpy()
    issue[places] = ranking["is_label_issue"].to_numpy()
    table["label_score"], table["is_label_issue"] = score, issue
    found = dataclasses.replace(case.found, table=table, score_name="cleanlab")
    made = dataclasses.replace(case, found=found)
    state.reranked = case, ranking, made
    return made
