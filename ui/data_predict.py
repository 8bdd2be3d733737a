"""The Data page's labels for rows that have none."""

import pandas as pd
import streamlit as st

from ui import charts, data_import, jobs
from ui.embedding_jobs import refuse
from ui.settings import Folders
from wann_core import datasets
from wann_core.datasets import inventory, tables
from wann_core.errors import WannError
from wann_core.predict import predict
from wann_core.scenario import BASELINES, Scenario

_SOURCES = {"own": "The data set's unlabelled rows", "file": "A table of embeddings"}
_SHOWN = 1000


def show(folders: Folders) -> None:
    """Choose who votes and on what; labels with confidence, and a CSV."""
    stored = [one for one in inventory.databases(folders.database_root) if one.state == "ready"]
    if not stored:
        st.info(
            "Labels come from the training rows of an embedding database, and there is none yet: "
            "make one with “Embed images” or “Import embeddings”.",
            icon=":material/label:",
        )
        return
    left, middle, right = st.columns(3)
    one = left.selectbox(
        "Training rows of", stored, format_func=lambda one: f"{one.dataset} · {one.backbone}",
        key="vote_from",
    )  # fmt: skip
    method = middle.selectbox("Method", BASELINES, len(BASELINES) - 1, key="vote_method")
    own = one.rows.get("unlabelled", 0)
    source = right.selectbox(
        "Rows to label", list(_SOURCES), 0 if own else 1, format_func=_SOURCES.__getitem__,
        key=f"vote_on_{bool(own)}",
    )  # fmt: skip
    file = None
    if source == "file":
        file = _file()
        if file is None:
            return
    elif not own:
        st.info(f"{one.dataset} has no unlabelled rows.", icon=":material/label_off:")
        return
    scenario = Scenario(one.dataset, one.backbone).with_method(method)
    key = ("predict", scenario, str(folders.database_root), file.token if file else "")

    def work(job: jobs.Job) -> pd.DataFrame:
        if file is None:
            rows = datasets.load(one.dataset, one.backbone, **folders.roots).unlabelled
            assert rows is not None
            numbers, names, X = rows.ids, rows.names, rows.X
        else:
            with file.on_disk() as path:
                table = tables.drop_bad_rows(
                    tables.read(path, source=file.name, progress=job.progress)
                )
            numbers, names, X = table.rows, table.ids or table.images, table.X
        found = predict(scenario, X, **folders.roots, progress=job.progress)
        about = pd.DataFrame({"row": numbers, "name": names or [""] * len(numbers)})
        return pd.concat([about, found], axis=1)

    registry = jobs.registry()
    job = registry.find(key)
    st.button(
        "Label them", type="primary", on_click=registry.restart, args=(key, work),
        disabled=job is not None and job.state is jobs.State.RUNNING,
    )  # fmt: skip
    if job is not None:
        _show_job(job, scenario)


def _file() -> "data_import.File | None":
    upload = st.file_uploader("Table (.npz, .parquet, .csv)", key="vote_file")
    typed = st.text_input("or a file on the server's machine", key="vote_path")
    if upload is None and not typed:
        return None
    try:
        return data_import.File.of(upload, typed)
    except WannError as error:
        refuse(error, {})
        return None


def _show_job(job: jobs.Job, scenario: Scenario) -> None:
    live = job.state is jobs.State.RUNNING

    @st.fragment(run_every=0.5 if live else None)
    def bar() -> None:
        if job.state is jobs.State.RUNNING:
            jobs.bar(job, "cancel_predict")
        elif live:
            st.rerun()

    bar()
    if job.state is jobs.State.CANCELLED:
        st.info("Cancelled.", icon=":material/cancel:")
    elif isinstance(job.error, WannError):
        refuse(job.error, {})
    elif job.error is not None:
        st.error(f"This went wrong inside the program ({type(job.error).__name__}).")
    elif job.state is jobs.State.DONE:
        found: pd.DataFrame = job.result
        st.dataframe(
            found.head(_SHOWN), hide_index=True, width="stretch",
            column_config={
                "confidence": st.column_config.ProgressColumn(min_value=0, max_value=1),
            },
        )  # fmt: skip
        st.caption(
            "Confidence: share of the votes that the label won. Reliability: of the nearest "
            f"training row's own label, 1 / adaptive k.{_more(len(found))}"
        )
        charts.download("labels", found, scenario, "Labels, CSV")


def _more(rows: int) -> str:
    return f" The first {_SHOWN:,} of {rows:,} rows; the CSV holds all." if rows > _SHOWN else ""
