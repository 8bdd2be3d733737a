"""What a review leaves: tables, files for other programs, a cleaned database."""

from collections.abc import Callable, Hashable
from pathlib import Path

import pandas as pd
import streamlit as st

from ui.jobs import jobs
from ui.review import imports
from ui.review.audit import Asked
from ui.review.data import NO_VERDICT, Case, States
from ui.shell import navigation, theme
from ui.shell.controls import describe_error
from wann_core.errors import WannError
from wann_core.review import export_labels
from wann_core.review.corrections import Corrected, corrected
from wann_core.review.export_database import write_cleaned
from wann_core.review.ledger_file import reading

_ROWS = {
    "all": "All rows",
    "doubtful": "Those that look wrong or are reviewed",
    "reviewed": "Reviewed rows only",
}


def show(case: Case, asked: Asked) -> None:
    """Draw the ways out, and the way in."""
    states = case.states()
    try:
        after = corrected(case.data, states.table)
    except WannError as error:
        st.error(theme.plain(str(error)), icon=":material/error:")
        return
    st.markdown(_what_is_there(after))
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Files")
        _files(case, states, after)
    with right:
        st.subheader("A cleaned database")
        _cleaned(case, states, after, asked)
        st.subheader("Verdicts from elsewhere")
        imports.show(case)


def _what_is_there(after: Corrected) -> str:
    c = after.counts
    return (
        f"**{c['relabel']:,}** labels are corrected, **{c['remove']:,}** rows removed, "
        f"**{c['keep']:,}** labels kept on purpose; **{c['unsure']:,}** are unsure and "
        f"**{c['unreviewed']:,}** unreviewed: these stay as they were given."
    )


def _files(case: Case, states: States, after: Corrected) -> None:
    scope = st.selectbox(
        "Rows in tables and tasks",
        list(_ROWS),
        key="export_rows",
        format_func=_ROWS.__getitem__,
        persist_state="session",
    )
    positions = _chosen(case, states, scope)

    def table() -> pd.DataFrame:
        ranked = case.found.table.iloc[positions]
        return export_labels.review_table(ranked, states.table, case.found.score_name)

    no_files = "" if _of_files(case) else "The images of this data set are not files in a folder."
    no_images = "" if case.data.images is not None else "There are no images to show in tasks."
    files: list[tuple[str, str, str, Callable[[], bytes], str]] = [
        (
            "Table as CSV",
            "review.csv",
            "One row a sample: labels, score, evidence, verdict.",
            lambda: export_labels.csv_of(table()).content,
            "",
        ),
        (
            "Table as Parquet",
            "review.parquet",
            "The same, with types.",
            lambda: export_labels.parquet_of(table()).content,
            "",
        ),
        (
            "ImageFolder metadata",
            "metadata.csv",
            "metadata.csv: corrected labels beside the image files, as Hugging Face's datasets "
            "read it. All rows but the removed ones.",
            lambda: export_labels.image_folder_metadata(after, states.table).content,
            no_files,
        ),
        (
            "FiftyOne labels",
            "labels.json",
            "labels.json for FiftyOneImageClassificationDataset. All rows but the removed ones.",
            lambda: export_labels.fiftyone_labels(after).content,
            no_files,
        ),
        (
            "Label Studio tasks",
            "label-studio.json",
            "JSON: suggestions as predictions, verdicts as annotations.",
            lambda: export_labels.label_studio_tasks(case.data, table()).content,
            no_images or _too_many(case, len(positions)),
        ),
        (
            "Label Studio interface",
            "label-studio.xml",
            "XML: the labeling interface for them.",
            lambda: export_labels.label_studio_config(case.data.class_names).encode(),
            "",
        ),
        (
            "Ledger",
            f"{case.ledger.path.name}",
            "SQLite: every verdict and every undo, to go on elsewhere.",
            lambda: _bytes_of(case.ledger.path),
            "" if states.version else "There is no verdict yet.",
        ),
    ]
    for label, name, what, content, reason in files:
        button, text = st.columns([5, 6], vertical_alignment="center")
        button.download_button(
            label,
            content if not reason else b"",
            name,
            key=f"export_{label}",
            on_click="ignore",
            icon=":material/download:",
            width="stretch",
            disabled=bool(reason),
        )
        text.caption(theme.plain(reason or what))
    st.caption(
        "Files whose name is no plain path inside their folder are left out of the image formats."
    )


def _chosen(case: Case, states: States, scope: str) -> pd.Index:
    """Positions in the audit's table, most doubtful first."""
    order = case.order
    reviewed = states.actions[order] != NO_VERDICT
    if scope == "reviewed":
        return order[reviewed]
    if scope == "doubtful":
        return order[reviewed | case.found.table["is_label_issue"].to_numpy()[order]]
    return order


def _of_files(case: Case) -> bool:
    images = case.data.images
    return images is not None and any(split.files is not None for split in images.splits.values())


def _too_many(case: Case, rows: int) -> str:
    if _of_files(case) or rows <= export_labels.MOST_EMBEDDED:
        return ""
    return (
        f"Images of an array travel inside the tasks: at most {export_labels.MOST_EMBEDDED:,} rows "
        f"can, {rows:,} are chosen."
    )


def _bytes_of(path: Path) -> bytes:
    """A copy of the ledger's file as one moment saw it, whoever writes to it meanwhile."""
    with reading(path) as database:
        return bytes(database.serialize())


def _cleaned(case: Case, states: States, after: Corrected, asked: Asked) -> None:
    name = st.text_input(
        "Name of the new data set",
        f"{asked.source.dataset}-cleaned".replace("/", "-"),
        key=f"cleaned_name_{asked.source.dataset}",
        persist_state="session",
        help="It is written into the database folder as train.npz, test.npz and a manifest, with "
        "corrected labels and without removed rows.",
    )
    place = st.empty()
    root = asked.source.roots.databases
    key: Hashable = ("cleaned", str(root.resolve()), name.strip(), case.data.backbone)

    def work(job: jobs.Job) -> Path:
        return write_cleaned(
            after, root, name.strip(), ledger=case.ledger.path.name, progress=job.progress
        )

    job = jobs.registry().find(key)
    ended = job is not None and jobs.finished(job, "cancel_cleaned")
    st.button(
        "Write the database",
        type="primary",
        icon=":material/database:",
        on_click=jobs.registry().restart,
        args=(key, work),
        disabled=not name.strip() or (job is not None and not ended),
    )
    if job is None or not ended:
        return
    if job.state is jobs.State.CANCELLED:
        st.info("Cancelled; nothing was written.", icon=":material/cancel:")
    elif isinstance(job.error, WannError):
        labels = {"dataset": "Name of the new data set"}
        place.error(theme.plain(describe_error(job.error, labels)), icon=":material/error:")
    elif isinstance(job.error, OSError):
        place.error(theme.plain(f"{job.error.strerror}: {job.error.filename}."))
    elif job.error is not None:
        jobs.show_internal_error(job.error)
    else:
        st.success(
            f"**{theme.plain(name.strip())}** is written, under {theme.plain(case.data.backbone)}.",
            icon=":material/check_circle:",
        )
        navigation.link_to_overview(name.strip(), case.data.backbone)
