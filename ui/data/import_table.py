"""The Data page's way from a user's table of embeddings to a database."""

import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ui.data import database_jobs
from ui.data.database_jobs import refuse
from ui.data.requests import Import
from ui.jobs import jobs
from ui.jobs.panel import Panel
from ui.shell import access, theme, uploads
from ui.shell.sentences import counted
from ui.shell.settings import Folders
from wann_core.datasets import tables
from wann_core.datasets.class_names import look_alike
from wann_core.datasets.tables.columns import kept_columns
from wann_core.errors import WannError

FORMATS = ("npz", "parquet", "csv", "feather", "jsonl")
_FILE = "table"
_NONE = "none"
_USES = {
    "label": "Label",
    "split": "Split",
    "clean_label": "True label, if known",
    "id": "Id",
    "image": "Image file",
}
_RULES = {
    "column": "From the split column",
    "stratified": "Hold out 20 % of each class",
    "none": "None: judge each row by the others",
}


def show(folders: Folders) -> Import | None:
    """Choose a file and its columns, check it, import it; return what was asked for."""
    _forget_imported(folders)
    file = uploads.choose("table", FORMATS, _FILE, "/path/to/embeddings.parquet")
    places: dict[str, DeltaGenerator] = {"path": st.empty()}
    if file is None:
        st.info(
            "A table holds one row a sample: its embedding (a list column, or one column a "
            "dimension), its label, and if there are some a split, an id, an image file and a true "
            "label. An .npz holds the same as arrays `embeddings`, `labels`, …",
            icon=":material/table:",
        )
        return None
    try:
        info = tables.inspect(file.path)
    except WannError as error:
        refuse(error, places)
        return None
    _columns_table(info)
    columns = _choose(info, places)
    key = ("table", file.token, columns)
    found = _read(file, columns, key, places)
    return None if found is None else _finish(*found, file.name, key, folders)


def _forget_imported(folders: Folders) -> None:
    """An empty page after an import that went well."""
    request = st.session_state.get("_import")
    if request is None:
        return
    job = database_jobs.find(request, folders)
    if job is not None and job.state is jobs.State.DONE:
        st.session_state.pop("_import")
        jobs.registry().forget(request.table)
        uploads.forget(_FILE)


Found = tuple[tables.Table, list[tables.Problem]]


def _read(
    file: uploads.File,
    columns: tables.Columns,
    key: tuple[str, str, tables.Columns],
    places: dict[str, DeltaGenerator],
) -> Found | None:
    """The table and what is wrong with it; read in the background, once for each choice."""

    def work(job: jobs.Job) -> Found:
        job.progress(0, 1, "reading the table")
        table = tables.read(file.path, columns, source=file.name, progress=job.progress)
        job.progress(0, 1, "checking the table")
        return table, tables.problems(table)

    reading = Panel(
        "table",
        key,
        work,
        f"Reading {file.name}",
        canceled="Reading was canceled.",
        again="Read again",
        refuse=lambda error: refuse(error, places),
    )
    reading.begin()
    return reading.answer()


def _columns_table(info: tables.TableInfo) -> None:
    about = "" if info.exact else "about "
    st.markdown(
        f"Understood: {info.format}, {about}{counted(info.rows, 'row')}, "
        f"{counted(len(info.columns), 'column')}."
        + (f" Read as: {theme.plain('; '.join(info.notes))}." if info.notes else "")
    )
    table = pd.DataFrame(
        [
            {
                "column": column.name,
                "type": column.dtype,
                "numbers a row": column.width,
                "first values": ", ".join(column.examples),
            }
            for column in info.columns
        ]
    )
    with st.expander("Columns", expanded=len(info.columns) <= 8):
        st.dataframe(
            table, hide_index=True, width="stretch", height="content" if len(table) <= 8 else 320
        )


def _choose(info: tables.TableInfo, places: dict[str, DeltaGenerator]) -> tables.Columns:
    """The column chooser; begins with what the names suggest."""
    guess = info.guess
    numbers = [column.name for column in info.columns if column.kind in ("number", "list")]
    embeddings = guess.embeddings
    if len(embeddings) > 8:
        st.markdown(
            f"Embeddings: the {len(embeddings):,} columns **{theme.plain(embeddings[0])}** to "
            f"**{theme.plain(embeddings[-1])}**."
        )
        change = st.toggle(
            "Choose other columns", key=f"other_{_token(info)}", persist_state="session"
        )
    else:
        change = True
    if change:
        picked = st.multiselect(
            "Embeddings",
            numbers,
            list(embeddings),
            key=f"emb_{_token(info)}",
            persist_state="session",
        )
        embeddings = tuple(picked)
    places["embeddings"] = st.empty()
    names = [_NONE, *(column.name for column in info.columns if column.kind != "list")]
    chosen: dict[str, str | None] = {}
    # Two rows of three: five beside each other cut names short in a narrow window.
    columns = [*st.columns(3), *st.columns(3)]
    for place, (use, label) in zip(columns, _USES.items(), strict=False):
        first = getattr(guess, use) or _NONE
        name = place.selectbox(
            label,
            names,
            names.index(first) if first in names else 0,
            key=f"{use}_{_token(info)}",
            persist_state="session",
        )
        places[use] = place.empty()
        chosen[use] = None if name == _NONE else name
    picked_columns = replace(guess, embeddings=embeddings, **chosen)  # type: ignore[arg-type]
    return _roles(info, picked_columns, places)


def _roles(
    info: tables.TableInfo, columns: tables.Columns, places: dict[str, DeltaGenerator]
) -> tables.Columns:
    """The further columns, which stay with the rows, and those that mean something."""
    further = [column.name for column in kept_columns(columns, info.columns)]
    if not further:
        return columns
    stay = "stays" if len(further) == 1 else "stay"
    with st.expander(f"{counted(len(further), 'further column')} {stay} with the rows"):
        st.caption(
            "They are shown on cards and in neighborhoods, filter rows and go into exports. Some "
            "can mean more:"
        )
        left, middle, right = st.columns(3)
        group = left.selectbox(
            "Group",
            further,
            None,
            key=f"group_{_token(info)}",
            placeholder=_NONE,
            persist_state="session",
            help="A patient, a video: rows of one group must not judge each other.",
        )
        text = middle.selectbox(
            "Text",
            further,
            further.index(columns.text) if columns.text in further else None,
            key=f"text_{_token(info)}",
            placeholder=_NONE,
            persist_state="session",
            help="The content of a row, shown where there is no image.",
        )
        who = right.multiselect(
            "Annotators' labels",
            further,
            key=f"annotators_{_token(info)}",
            placeholder=_NONE,
            persist_state="session",
            help="One column an annotator; the Label audit makes a consensus of them.",
        )
        for role in ("group", "text", "annotators"):
            places[role] = st.empty()
    return replace(columns, group=group, text=text, annotators=tuple(who))


def _token(info: tables.TableInfo) -> str:
    """Tells the choosers of two files apart, unless all that fits one fits the other."""
    columns = [(c.name, c.kind, c.width) for c in info.columns]
    return hashlib.sha256(f"{info.format}{info.rows}{columns}".encode()).hexdigest()[:8]


def _finish(
    table: tables.Table,
    problems: list[tables.Problem],
    name: str,
    key: tuple[str, str, tables.Columns],
    folders: Folders,
) -> Import | None:
    """What is wrong, how it is called and split, and the button that writes it."""
    labeled = int((table.y >= 0).sum())
    st.markdown(
        f"{counted(len(table), 'row')} of {counted(table.X.shape[1], 'dimension')}; {labeled:,} "
        f"have a label, of {counted(len(table.class_names), 'class')}."
    )
    bad = not np.isfinite(table.X).all()
    drop = bad and st.checkbox(
        "Leave out the rows with NaN or infinity", key="drop_bad", persist_state="session"
    )
    alike = any(look_alike(table.class_names))
    if alike and st.checkbox(
        "Merge classes that differ only in case, blanks or Unicode form",
        key="merge_alike",
        persist_state="session",
    ):
        table = tables.merge_look_alikes(table)
        problems = tables.problems(table)
    for problem in problems:
        show_it = st.error if problem.severity == "error" else st.warning
        show_it(theme.plain(f"{problem.text[:1].upper()}{problem.text[1:]}"))
    places: dict[str, DeltaGenerator] = {}
    columns = st.columns(3)
    dataset = columns[0].text_input(
        "Name of the data set",
        uploads.data_set_name(name),
        key=f"call_{name}",
        persist_state="session",
    )
    places["dataset"] = columns[0].empty()
    backbone = columns[1].text_input(
        "Backbone",
        "embeddings",
        key="import_backbone",
        persist_state="session",
        help="What made the embeddings, as far as you know; a name for them otherwise.",
    )
    places["backbone"] = columns[1].empty()
    rules = [rule for rule in _RULES if rule != "column" or table.split is not None]
    rule = columns[2].selectbox(
        "Test rows",
        rules,
        format_func=_RULES.__getitem__,
        key=f"rule_{len(rules)}",
        persist_state="session",
    )
    places["split"] = columns[2].empty()
    images = ""
    if table.images is not None:
        images = st.text_input(
            "Folder of the images",
            key="image_root",
            persist_state="session",
            help="The image column is read relative to it; leave it empty to do without pictures, "
            "or to take those that lie in the table itself.",
        )
        places["image_root"] = st.empty()
    try:
        root = str(access.typed_path(images, "image_root")) if images.strip() else None
    except WannError as error:
        refuse(error, places)
        return None
    request = Import(dataset.strip(), backbone.strip(), key, rule, drop, root)
    job = database_jobs.find(request, folders)
    busy = job is not None and job.state is jobs.State.RUNNING
    st.button(
        "Import", type="primary", disabled=busy, on_click=_start, args=(request, table, folders)
    )
    database_jobs.show(request, folders, places)
    return request


def _start(request: Import, table: tables.Table, folders: Folders) -> None:
    database_jobs.import_table(request, table, folders)
    st.session_state["_import"] = request
