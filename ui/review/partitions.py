"""Review of an audit of partitions: which folder, its doubtful rows, verdicts, files."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from ui.shell import access, theme
from ui.shell.controls import linked
from wann_core.audit.sharded.output import DOUBTFUL, SUMMARY
from wann_core.datasets.class_names import by_number, listed_order
from wann_core.errors import WannError
from wann_core.review.ledger_file import reading
from wann_core.review.partitioned import PartitionedReview, open_review
from wann_core.storage.tables import to_csv, to_parquet
from wann_core.text import visible
from wann_core.typing import Array

_PAGE = 100  # rows of the table at once
_SHOW = {"todo": "To do", "done": "Judged", "all": "All"}
_SHOWN = ("given_label", "predicted_label", "label_score", "predicted_share", "action", "new_label")


def chosen() -> PartitionedReview | None:
    """Draw the field for the folder; None, and perhaps an error below it, where there is none."""
    with st.sidebar.expander("Audit of partitions", icon=":material/stacks:"):
        typed = linked(
            st.text_input,
            "Folder that `wann audit --cluster` wrote",
            key="partitions",
            value="",
            placeholder="/path/to/result",
            help="On the machine of this app. Clear the field to return to the data set.",
        )
        if not typed.strip():
            return None
        try:
            folder = access.typed_path(typed)
            return _opened(str(folder), _stamp(folder))
        except WannError as error:
            st.error(theme.plain(str(error)), icon=":material/error:")
            return None


def _stamp(folder: Path) -> tuple[tuple[int, int], ...]:
    """Changes with the result's files."""
    found = [folder / name for name in (SUMMARY, DOUBTFUL)]
    stats = [path.stat() for path in found if path.is_file()]
    return tuple((one.st_size, one.st_mtime_ns) for one in stats)


@st.cache_resource(max_entries=4, show_spinner="Opening the audit …")
def _opened(folder: str, stamp: tuple[tuple[int, int], ...]) -> PartitionedReview:
    del stamp
    return open_review(folder)


def show(review: PartitionedReview, who: str) -> None:
    """Draw what was found, the rows to judge, and the files that come of it."""
    summary = review.summary
    st.markdown(
        f"About **{summary['wrong']:,}** of {summary['labels']:,} labels in "
        f"{len(summary['partitions']):,} partitions look wrong ({summary['wrong_low']:,} to "
        f"{summary['wrong_high']:,}); the {len(review.table):,} most doubtful are listed here."
    )
    for warning in summary["warnings"]:
        st.warning(theme.plain(warning), icon=":material/warning:")
    for note in summary["notes"]:
        st.caption(theme.plain(note))
    st.caption(
        "Pictures, neighbors and causes are not shown: the embeddings stayed with the workers. "
        "The files of the partitions in the folder hold every row."
    )

    @st.fragment
    def rows() -> None:
        try:
            _review(review, who)
        except WannError as error:
            st.error(theme.plain(str(error)), icon=":material/error:")

    rows()


def _review(review: PartitionedReview, who: str) -> None:
    seen = review.ledger.version()
    table = review.reviewed()
    places = _filtered(review, table)
    done = table["action"].value_counts()
    counted = ", ".join(f"{done[action]:,} {action}" for action in done.index) or "none yet"
    st.markdown(f"Verdicts: {counted}. Rows that fit the filter: **{len(places):,}**.")
    if error := st.session_state.pop("partitions_error", ""):
        st.error(theme.plain(error), icon=":material/error:")
    pages = max(-(-len(places) // _PAGE), 1)
    page = 1
    if pages > 1:
        page = st.number_input(f"Page, of {pages:,}", 1, pages, key="partitions_page", width=200)
    places = places[(page - 1) * _PAGE : page * _PAGE]
    shown = table.iloc[places][["partition", "row", "name", *_SHOWN]]
    shown = shown.fillna({"action": "", "new_label": ""})
    # A selection is of lines: another list has another key.
    key = f"partitions_rows_{zlib.crc32(places.tobytes())}_{seen}"
    event: Any = st.dataframe(
        shown.map(lambda cell: visible(cell) if isinstance(cell, str) else cell),
        hide_index=True,
        key=key,
        on_select="rerun",
        selection_mode="multi-row",
        column_config=_columns(),
    )
    _buttons(review, who, places[np.asarray(event.selection.rows, np.int64)], seen)
    _files(review, table)


def _columns() -> Any:
    number = st.column_config.NumberColumn
    return {
        "given_label": "given label",
        "predicted_label": "suggested",
        "label_score": number("score", format="%.3f", help="Low is doubtful."),
        "predicted_share": number(
            "votes for it",
            format="percent",
            help="Share of the neighbors' votes for the suggestion.",
        ),
        "action": "verdict",
        "new_label": "new label",
    }


def _filtered(review: PartitionedReview, table: pd.DataFrame) -> Array:
    """Draw the filters; lines of the table that fit, most doubtful first."""
    first, second, third, fourth, fifth = st.columns([3, 3, 3, 3, 3], vertical_alignment="bottom")
    show = first.segmented_control(
        "Show", list(_SHOW), default="todo", format_func=_SHOW.__getitem__, key="partitions_show"
    )
    kept = np.ones(len(table), bool)
    if show in ("todo", "done"):
        kept &= (table["action"].notna() == (show == "done")).to_numpy()
    for place, column, label in (
        (second, "given_label", "Given label"),
        (third, "predicted_label", "Suggested"),
        (fourth, "partition", "Partition"),
    ):
        options = sorted(review.table[column].unique(), key=by_number)
        wanted = place.multiselect(label, options, key=f"partitions_{column}", placeholder="any")
        if wanted:
            kept &= table[column].isin(wanted).to_numpy()
    part = fifth.text_input("Name contains", key="partitions_name").strip()
    if part:
        kept &= table["name"].str.contains(part, case=False, regex=False).to_numpy()
    return np.flatnonzero(kept)


def _buttons(review: PartitionedReview, who: str, lines: Array, seen: int) -> None:
    """Draw the verdicts on the selected lines, and the way back."""

    def judge(action: str, new: str | None = None) -> None:
        try:
            review.judge(lines, action, who, new, seen)
        except WannError as error:
            st.session_state["partitions_error"] = str(error)

    def undo() -> None:
        review.ledger.undo(who)

    none = not len(lines)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for title, action, icon in (
            ("Keep", "keep", "check"),
            ("Relabel as suggested", "relabel", "sell"),
            ("Remove", "remove", "delete"),
            ("Unsure", "unsure", "help"),
        ):
            st.button(
                title,
                key=f"partitions_{action}",
                icon=f":material/{icon}:",
                on_click=judge,
                args=(action,),
                disabled=none,
            )
        new = st.selectbox(
            "Another label",
            [review.class_names[c] for c in listed_order(review.class_names)],
            None,
            key="partitions_new",
            width=200,
        )
        st.button(
            "Relabel",
            key="partitions_relabel_to",
            icon=":material/edit:",
            on_click=judge,
            args=("relabel", new),
            disabled=none or new is None,
        )
        st.button(
            "Undo",
            key="partitions_undo",
            icon=":material/undo:",
            on_click=undo,
            disabled=review.ledger.undoable(who) is None,
        )
    if none:
        st.caption("Select rows at their left edge, then judge all of them at once.")


def _files(review: PartitionedReview, table: pd.DataFrame) -> None:
    """Offer the verdicts and the list."""
    judged = table[table["action"].notna()]
    with st.container(horizontal=True):
        for title, name, make, empty in (
            ("Verdicts, CSV", "verdicts.csv", lambda: to_csv(judged), judged.empty),
            ("Verdicts, Parquet", "verdicts.parquet", lambda: to_parquet(judged), judged.empty),
            ("All rows listed, CSV", "doubtful.csv", lambda: to_csv(table), False),
            ("Ledger", review.ledger.path.name, lambda: _bytes_of(review), judged.empty),
        ):
            st.download_button(
                title,
                make,
                name,
                key=f"partitions_file_{name.rpartition('.')[2]}_{title[:3]}",
                on_click="ignore",
                icon=":material/download:",
                disabled=bool(empty),
            )
    st.caption(
        "A row is known by its partition and its number in that file, counted from 0. CSV for "
        "people: text that a spreadsheet would run has an apostrophe before it."
    )


def _bytes_of(review: PartitionedReview) -> bytes:
    with reading(review.ledger.path) as database:
        return bytes(database.serialize())
