"""The Data page's labels for rows that have none."""

from typing import Any

import pandas as pd
import streamlit as st

from ui.charts import charts
from ui.data import database_jobs
from ui.data.import_table import FORMATS
from ui.jobs import jobs
from ui.jobs.panel import Panel
from ui.shell import theme, uploads
from ui.shell.sentences import counted
from ui.shell.settings import Folders
from wann_core import datasets
from wann_core.datasets import BUILT_IN, tables
from wann_core.embedding import inventory
from wann_core.errors import WannError
from wann_core.experiments.predict import predict
from wann_core.experiments.scenario import Scenario
from wann_core.methods.registry import BASELINES

_SOURCES = {"own": "The data set's unlabeled rows", "file": "A table of embeddings"}
_SHOWN = 1000


def show(folders: Folders) -> None:
    """Choose who votes and on what; labels with confidence, and a CSV."""
    places: dict[str, Any] = {}
    left, middle, right = st.columns(3)
    pair = left.selectbox(
        "Training rows of",
        _pairs(folders),
        format_func=" · ".join,
        key="vote_from",
        persist_state="session",
    )
    places["dataset"] = left.empty()
    method = middle.selectbox(
        "Method", BASELINES, len(BASELINES) - 1, key="vote_method", persist_state="session"
    )
    source = right.selectbox(
        "Rows to label",
        list(_SOURCES),
        format_func=_SOURCES.__getitem__,
        key="vote_on",
        persist_state="session",
    )
    file = None
    if source == "file":
        file = uploads.choose("table", FORMATS, "vote", "/path/to/new-rows.parquet")
        places["X"] = places["path"] = places["embeddings"] = st.empty()
        if file is None:
            st.info(
                "A table holds one row a sample: its embedding by the same backbone, and if there "
                "is one an id.",
                icon=":material/table:",
            )
            return
    elif not _unlabeled(folders, pair):
        st.info(
            f"{pair[0]} has no unlabeled rows. Name a table of new rows instead, under “Rows to "
            "label”.",
            icon=":material/label_off:",
        )
        return
    scenario = Scenario(*pair).with_method(method)
    try:
        made = datasets.fingerprint(*pair, *folders.roots)
    except WannError as error:
        database_jobs.refuse(error, places)
        return
    key = ("predict", scenario, made, file.token if file else "")

    def work(job: jobs.Job) -> tuple[pd.DataFrame, str]:
        numbers, names, X, lost = _rows(pair, file, folders, job)
        found = predict(scenario, X, folders.roots, progress=job.progress)
        about = pd.DataFrame({"row": numbers, "name": names or [""] * len(numbers)})
        return pd.concat([about, found], axis=1), lost

    labeling = Panel(
        "predict",
        key,
        work,
        f"Labeling rows by {pair[0]}",
        canceled="Labeling was canceled.",
        again="",
        refuse=lambda error: database_jobs.refuse(error, places),
    )
    st.button("Label them", type="primary", on_click=labeling.start, disabled=labeling.busy)
    found = labeling.answer()
    if found is not None:
        _show(*found, scenario)


def _pairs(folders: Folders) -> list[tuple[str, str]]:
    try:
        return datasets.available(*folders.roots)
    except WannError:
        return [BUILT_IN]


def _unlabeled(folders: Folders, pair: tuple[str, str]) -> int:
    stored = inventory.database_of(folders.roots.databases, *pair)
    return stored.rows.get("unlabelled", 0) if stored else 0


def _rows(
    pair: tuple[str, str], file: uploads.File | None, folders: Folders, job: jobs.Job
) -> tuple[Any, Any, Any, str]:
    """Number, name and embedding of each row to label, and what is left out."""
    if file is not None:
        table = tables.read(file.path, source=file.name, progress=job.progress)
        lost = tables.left_out(table)
        table = tables.drop_bad_rows(table)
        return table.rows, table.ids or table.images, table.X, lost
    job.progress(0, 1, "loading the data set")
    rows = datasets.load(*pair, *folders.roots, job.progress).unlabeled
    if rows is None:
        raise WannError(f"{pair[0]!r} has no unlabeled rows.", "dataset")
    return rows.ids, rows.names, rows.X, ""


def _show(found: pd.DataFrame, lost: str, scenario: Scenario) -> None:
    if lost:
        st.warning(f"Left out: {theme.plain(lost)}.", icon=":material/warning:")
    shown = found.head(_SHOWN)
    if not shown["name"].any():
        shown = shown.drop(columns="name")
    st.dataframe(
        shown.drop(columns="class_id"),
        hide_index=True,
        width="stretch",
        column_config={
            "confidence": st.column_config.ProgressColumn(
                "confidence", min_value=0, max_value=1, format="percent"
            ),
            "nearest_row": "nearest training row",
            "nearest_distance": st.column_config.NumberColumn("its distance", format="%.3g"),
            "nearest_reliability": st.column_config.NumberColumn("its reliability", format="%.3f"),
        },
    )
    st.caption(
        f"{counted(len(found), 'row')} labeled by {scenario.method_name}. Confidence: the share "
        "of the votes that the label won. Reliability: of the nearest training row's own label, 1 "
        f"/ adaptive k.{_more(len(found))}"
    )
    charts.download("labels", found, scenario, "Labels, CSV")


def _more(rows: int) -> str:
    return f" The first {_SHOWN:,} of {rows:,} rows; the CSV holds all." if rows > _SHOWN else ""
