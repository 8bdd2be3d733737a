"""The cleaned images: class folders as a zip file, or in a folder of the server."""

import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import streamlit as st

from ui.jobs import jobs
from ui.jobs.panel import Panel, show_refusal
from ui.review.case.data import Case
from ui.shell import access, theme
from ui.shell.controls import describe_error
from wann_core.errors import WannError
from wann_core.review.corrections import injected_reason
from wann_core.review.exports import Review
from wann_core.review.exports.class_folders import ClassFolders, class_folders

T = TypeVar("T")

_MOST_ZIP = 1 << 30  # bytes that pass through the server's memory on the way to the browser
_FOLDER = "New folder on the machine of this app"
_WAYS = {"copy": "Copies", "link": "Hard links"}


class _Zip:
    """A zip file on its way to the browser; it goes when nobody holds this object any more."""

    def __init__(self, plan: ClassFolders, job: jobs.Job) -> None:
        folder = tempfile.TemporaryDirectory(prefix="wann-images-", ignore_cleanup_errors=True)
        weakref.finalize(self, folder.cleanup)
        self.path = Path(folder.name) / "images.zip"
        plan.zip(self.path, progress=job.progress)


def show(case: Case, review: Review, version: int) -> None:
    """Draw what would be written, and both ways to get it."""
    if case.data.images is None:
        st.caption(theme.plain(f"There are no images here. {case.data.images_missing}".strip()))
        return
    if case.data.injected:
        st.info(injected_reason(case.data), icon=":material/school:")
        return
    plan = _plan(case, review, version)
    if plan is None:
        return
    st.markdown(theme.plain(plan.text))
    key = (case.key, str(case.ledger.path), version)
    if plan.nbytes <= _MOST_ZIP:
        made = _made("Make a zip file", ("zip", *key), lambda job: _Zip(plan, job))
        if made is not None:
            st.download_button(
                "Download the zip file",
                made.path.read_bytes,
                f"{case.data.name.replace('/', '-')}-cleaned.zip",
                on_click="ignore",
                icon=":material/download:",
            )
    else:
        st.caption("Too large for a zip file here; write a folder.")
    typed = st.text_input(
        _FOLDER,
        key="clean_folder",
        persist_state="session",
        placeholder="/path/to/clean",
        help="It must not exist yet, or be empty.",
    )
    place = st.empty()
    way = st.segmented_control(
        "Images become",
        list(_WAYS),
        default="copy",
        required=True,
        key="clean_way",
        format_func=_WAYS.__getitem__,
        help="Hard links take no room, and changing an image changes both.",
    )

    def refuse(error: WannError) -> None:
        place.error(theme.plain(describe_error(error, {"out": _FOLDER})), icon=":material/error:")

    folder = Path()
    if typed.strip():
        try:
            folder = access.typed_path(typed)
        except WannError as error:
            refuse(error)
            return
    written = _made(
        "Write the folder",
        ("clean-folder", *key, str(folder), way),
        lambda job: plan.write(folder, way, progress=job.progress),
        ready=bool(typed.strip()),
        refuse=refuse,
    )
    if written is not None:
        st.success(theme.plain(written), icon=":material/check_circle:")


def _plan(case: Case, review: Review, version: int) -> ClassFolders | None:
    """What would be written; None while files are looked at, and where that is unknown."""

    def work(job: jobs.Job) -> ClassFolders:
        job.progress(0, 1, "looking at the images")
        return class_folders(review)

    key = ("clean-plan", case.key, str(case.ledger.path), version)
    looking = Panel("clean_plan", key, work, "Looking at the images")
    looking.begin()
    return looking.answer()


def _made(
    title: str,
    key: tuple[Any, ...],
    work: Callable[[jobs.Job], T],
    ready: bool = True,
    refuse: Callable[[WannError], Any] = show_refusal,
) -> T | None:
    """What the job of a button has made, once it has."""
    panel = Panel(
        title, key, work, title, canceled="Canceled; nothing was written.", again="", refuse=refuse
    )
    st.button(
        title,
        on_click=panel.start,
        disabled=panel.busy or not ready,
        icon=":material/folder_copy:",
    )
    return panel.answer()
