"""The Data page's way from a user's table of embeddings to a database."""

import hashlib
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ui import data_here, jobs, look
from ui.embedding_jobs import refuse
from ui.settings import Folders
from wann_core.datasets import tables
from wann_core.errors import WannError

_FORMATS = ("npz", "parquet", "csv")
_NONE = "none"
_AT_ONCE = 0.8  # seconds before a progress bar shows
_USES = {
    "label": "Label", "split": "Split", "clean_label": "True label, if known", "id": "Id",
    "image": "Image file",
}  # fmt: skip
_RULES = {
    "column": "As the split column says",
    "stratified": "Hold out 20 % of each class",
    "none": "None: judge each row by the others",
}


def show(folders: Folders) -> None:
    """Choose a file, say what its columns are, look at what is wrong, import."""
    done = st.session_state.get("_imported")
    if done:
        with st.container(border=True):
            dataset, backbone, text = done
            st.success(text, icon=":material/check_circle:")
            data_here.open_button(dataset, backbone, "open_imported")
    left, right = st.columns(2)
    upload = left.file_uploader("Upload a table", type=list(_FORMATS), key="table_file")
    typed = right.text_input(
        "or name a file on the server's machine", key="table_path", persist_state="session",
        placeholder="/path/to/embeddings.parquet",
    )  # fmt: skip
    if upload is None and not typed:
        st.info(
            "One row a sample: embeddings (a list column, or one column a dimension), a label, and "
            "if there are some a split, an id, an image file and a true label. An .npz holds the "
            "same as arrays `embeddings`, `labels`, …",
            icon=":material/table:",
        )
        return
    try:
        file = File.of(upload, typed)
        info = file.info()
        _columns_table(info)
        columns = _choose(info)
        table, problems = file.read(columns)
    except WannError as error:
        refuse(error, {"path": right})
        return
    _finish(table, problems, file.name, folders)


@dataclass(frozen=True)
class File:
    """A user's file; `token` changes when its content does."""

    name: str
    token: str
    path: Path | None
    upload: Any

    @classmethod
    def of(cls, upload: Any, typed: str) -> "File":
        """An uploaded file, or one on the server's machine."""
        if upload is not None:
            return cls(upload.name, upload.file_id, None, upload)
        path = Path(typed).expanduser()
        try:
            stat = path.stat()
        except OSError as error:
            raise WannError(f"{typed!r} cannot be read: {error.strerror}.", "path") from error
        return cls(path.name, f"{path} {stat.st_size} {stat.st_mtime_ns}", path, None)

    @contextmanager
    def on_disk(self) -> Iterator[Path]:
        """Where it lies; an upload does so only meanwhile."""
        if self.path is not None:
            yield self.path
            return
        with tempfile.NamedTemporaryFile() as file:
            file.write(self.upload.getbuffer())
            file.flush()
            yield Path(file.name)

    def info(self) -> tables.TableInfo:
        """What the columns are, looked at once."""
        token, info = st.session_state.get("_table_info", ("", None))
        if token != self.token:
            with self.on_disk() as path:
                info = tables.inspect(path)
            st.session_state["_table_info"] = self.token, info
        assert isinstance(info, tables.TableInfo)
        return info

    def read(self, columns: tables.Columns) -> tuple[tables.Table, list[tables.Problem]]:
        """The table and what is wrong with it, read in the background once for each choice."""
        key = ("table", self.token, columns)
        kept = st.session_state.get("_table")
        if kept is not None and kept[0] == key:
            return kept[1], kept[2]

        def work(job: jobs.Job) -> tuple[tables.Table, list[tables.Problem]]:
            with self.on_disk() as path:
                table = tables.read(path, columns, source=self.name, progress=job.progress)
            return table, tables.problems(table)

        job = jobs.registry().start(key, work)
        if not job.wait(_AT_ONCE):
            _watch(job)
            st.stop()
        jobs.registry().forget(key)
        if job.state is jobs.State.CANCELLED:
            st.info("Reading was cancelled.", icon=":material/cancel:")
            st.button("Read again")
            st.stop()
        if job.error is not None:
            raise job.error
        st.session_state["_table"] = (key, *job.result)
        return job.result[0], job.result[1]


@st.fragment(run_every=0.5)
def _watch(job: jobs.Job) -> None:
    if job.state is not jobs.State.RUNNING:
        st.rerun()
    jobs.bar(job, "cancel_table")


def _columns_table(info: tables.TableInfo) -> None:
    about = "" if info.exact else "about "
    st.markdown(
        f"Understood: {info.format}, {about}**{info.rows:,}** rows, "
        f"**{len(info.columns):,}** columns."
    )
    with st.expander("Columns", expanded=len(info.columns) <= 8):
        st.dataframe(
            pd.DataFrame(
                [
                    {
                        "column": column.name,
                        "type": column.dtype,
                        "numbers a row": column.width,
                        "first values": ", ".join(column.examples),
                    }
                    for column in info.columns
                ]
            ),
            hide_index=True,
            width="stretch",
        )


def _choose(info: tables.TableInfo) -> tables.Columns:
    """The column chooser; begins with what the names suggest."""
    guess = info.guess
    numbers = [column.name for column in info.columns if column.kind in ("number", "list")]
    embeddings = guess.embeddings
    if len(embeddings) > 8:
        st.markdown(
            f"Embeddings: the {len(embeddings):,} columns **{look.plain(embeddings[0])}** to "
            f"**{look.plain(embeddings[-1])}**."
        )
        change = st.toggle("Choose other columns", key=f"other_{_token(info)}")
    else:
        change = True
    if change:
        embeddings = tuple(
            st.multiselect("Embeddings", numbers, list(embeddings), key=f"emb_{_token(info)}")
        )
    names = [_NONE, *(column.name for column in info.columns if column.kind != "list")]
    chosen: dict[str, str | None] = {}
    for place, (use, label) in zip(st.columns(len(_USES)), _USES.items(), strict=True):
        first = getattr(guess, use) or _NONE
        picked = place.selectbox(
            label, names, names.index(first) if first in names else 0, key=f"{use}_{_token(info)}"
        )
        chosen[use] = None if picked == _NONE else picked
    return replace(guess, embeddings=embeddings, **chosen)


def _token(info: tables.TableInfo) -> str:
    """Tells the choosers of two files apart."""
    names = "\0".join(column.name for column in info.columns)
    return hashlib.sha256(f"{info.format}{info.rows}{names}".encode()).hexdigest()[:8]


def _finish(
    table: tables.Table, problems: list[tables.Problem], name: str, folders: Folders
) -> None:
    """What is wrong, how it is called and split, and the button that writes it."""
    labelled = table.y[table.y >= 0]
    st.markdown(
        f"**{len(table):,}** rows of **{table.X.shape[1]:,}** dimensions, {len(labelled):,} of "
        f"them with a label of **{len(table.class_names):,}** classes."
    )
    for problem in problems:
        show_it = st.error if problem.severity == "error" else st.warning
        show_it(look.plain(problem.text))
    bad = not np.isfinite(table.X).all()
    drop = bad and st.checkbox("Leave out the rows with NaN or infinity", key="drop_bad")
    places: dict[str, DeltaGenerator] = {}
    columns = st.columns(3)
    dataset = columns[0].text_input("Call the data set", _suggested(name), key=f"call_{name}")
    places["dataset"] = columns[0].empty()
    backbone = columns[1].text_input(
        "Backbone", "embeddings", key="import_backbone", persist_state="session",
        help="What made the embeddings, as far as you know; a name for them otherwise.",
    )  # fmt: skip
    places["backbone"] = columns[1].empty()
    rules = [rule for rule in _RULES if rule != "column" or table.split is not None]
    rule = columns[2].selectbox(
        "Test rows", rules, format_func=_RULES.__getitem__, key=f"rule_{len(rules)}"
    )
    places["split"] = columns[2].empty()
    images = None
    if table.images is not None:
        images = st.text_input(
            "Folder of the images", key="image_root", persist_state="session",
            help="The image column is read relative to it; leave it empty to do without pictures.",
        )  # fmt: skip
        places["image_root"] = st.empty()
    if not st.button("Import", type="primary"):
        return
    try:
        with st.spinner("Writing the database …"):
            tables.write_table(
                table, dataset=dataset, backbone=backbone, split=rule, drop_bad=drop,
                database_root=folders.database_root, image_root=images or None,
            )  # fmt: skip
    except WannError as error:
        refuse(error, places)
        return
    text = f"**{look.plain(dataset)}** is imported and can be used on every page."
    st.session_state["_imported"] = dataset, backbone, text
    st.session_state.pop("_table", None)
    st.rerun()


def _suggested(name: str) -> str:
    """A data set's name from a file's name: what is not allowed becomes '-'."""
    return re.sub(r"[^\w.+ -]+", "-", Path(name).stem).strip(". ") or "my-data"
