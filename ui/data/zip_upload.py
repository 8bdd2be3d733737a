"""The Data page's way from a zip file of images to a folder of this machine."""

from pathlib import Path

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ui.data.database_jobs import refuse
from ui.jobs import jobs
from ui.jobs.panel import Panel
from ui.shell import uploads
from ui.shell.sentences import counted
from ui.shell.settings import Folders
from wann_core.datasets import catalog, database
from wann_core.datasets.sources import archive
from wann_core.errors import WannError

_FILE = "images_zip"


def show(folders: Folders, places: dict[str, DeltaGenerator]) -> None:
    """Choose and unpack a zip file; from then on it is a folder on this machine."""
    file = uploads.choose("zip file", ("zip",), _FILE, "/path/to/images.zip")
    if file is None:
        st.info(
            "Choose a zip file that holds one subfolder per class.", icon=":material/folder_zip:"
        )
        return
    name = st.text_input(
        "Name of the data set",
        uploads.data_set_name(file.name),
        key=f"zip_name_{file.name}",
        persist_state="session",
        help="The images are unpacked into a folder of this name in the data folder.",
    )
    places["dataset"] = places["destination"] = st.empty()
    places["path"] = st.empty()
    try:
        place = _place(folders, name.strip())
    except WannError as error:
        refuse(error, places)
        return

    def work(job: jobs.Job) -> archive.Report:
        place.parent.mkdir(parents=True, exist_ok=True)
        return archive.unpack_images(file.path, place, progress=job.progress)

    unpacking = Panel(
        "unzip",
        ("unzip", place, file.token),
        work,
        f"Unpacking {file.name}",
        canceled="Unpacking was canceled; nothing is left of it.",
        again="",
        refuse=lambda error: refuse(error, places),
    )

    def unpack() -> None:
        unpacking.start()
        st.session_state["_unzipping"] = unpacking.key

    label = "Unpack" if unpacking.job is None else "Unpack again"
    if not unpacking.busy and not unpacking.done:
        st.button(label, type="primary", on_click=unpack)
    if unpacking.answer() is not None:
        st.rerun()  # to the folder


def _place(folders: Folders, name: str) -> Path:
    if name in catalog.ENTRIES:
        raise WannError(f"{name!r} is the name of a known data set; choose another.", "dataset")
    return database.folder(folders.roots.data, name, "images").parent


def take_unpacked() -> None:
    """Go on with the folder that a zip file has become."""
    key = st.session_state.get("_unzipping")
    job = jobs.registry().find(key) if key else None
    if job is not None and job.state is jobs.State.DONE:
        st.session_state.pop("_unzipping")
        jobs.registry().forget(key)
        uploads.forget(_FILE)
        st.session_state["source"] = "folder"
        st.session_state["embed_folder"] = str(job.result.folder)
        st.session_state["_unpacked"] = job.result
    report: archive.Report | None = st.session_state.get("_unpacked")
    if report is None:
        return
    if st.session_state.get("embed_folder") != str(report.folder):
        st.session_state.pop("_unpacked")
        return
    st.success(
        f"{counted(report.images, 'image')} ({report.nbytes / 1e6:.1f} MB) unpacked; name a "
        "backbone and press Embed.",
        icon=":material/folder_zip:",
    )
    if report.skipped:
        with st.expander(f"Entries of the zip file that were left out: {len(report.skipped):,}"):
            table = pd.DataFrame(report.skipped, columns=["entry", "reason"])
            st.dataframe(table, hide_index=True, width="stretch")
