"""The cleaned images: class folders as a zip file, or in a folder of the server."""

import tempfile
import weakref
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import streamlit as st

from ui.jobs import jobs
from ui.review.data import Case
from ui.shell import theme
from ui.shell.controls import describe_error, typed_path
from wann_core.errors import WannError
from wann_core.review.corrections import injected_reason
from wann_core.review.exports import Review
from wann_core.review.exports.class_folders import ClassFolders, class_folders

_MOST_ZIP = 1 << 30  # bytes that pass through the server's memory on the way to the browser
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
        job = _job("Make a zip file", ("zip", *key), lambda job: _Zip(plan, job))
        if job is not None and job.error is None and job.result is not None:
            st.download_button(
                "Download the zip file",
                job.result.path.read_bytes,
                f"{case.data.name.replace('/', '-')}-cleaned.zip",
                on_click="ignore",
                icon=":material/download:",
            )
    else:
        st.caption("Too large for a zip file here; write a folder.")
    typed = st.text_input(
        "or a new folder on the machine of this app",
        key="clean_folder",
        persist_state="session",
        placeholder="/path/to/clean",
    )
    way = st.segmented_control(
        "Images become",
        list(_WAYS),
        default="copy",
        required=True,
        key="clean_way",
        format_func=_WAYS.__getitem__,
        help="Hard links take no room, and changing an image changes both.",
    )
    if typed.strip():
        folder = typed_path(typed)
        job = _job(
            "Write the folder",
            ("clean-folder", *key, str(folder), way),
            lambda job: plan.write(folder, way, progress=job.progress),
        )
        if job is not None and job.error is None and job.result is not None:
            st.success(theme.plain(job.result), icon=":material/check_circle:")


def _plan(case: Case, review: Review, version: int) -> ClassFolders | None:
    """What would be written; None while files are looked at, and where that cannot be told."""

    def work(job: jobs.Job) -> ClassFolders:
        job.progress(0, 1, "looking at the images")
        return class_folders(review)

    key = ("clean-plan", case.key, str(case.ledger.path), version)
    job = jobs.registry().start(key, work)
    if not jobs.finished(job, "cancel_plan"):
        return None
    if job.error is not None:
        _explain(job)
    return job.result


def _job(title: str, key: Hashable, work: Callable[[jobs.Job], Any]) -> jobs.Job | None:
    """A button that starts a job, and the job when it has ended well or badly."""
    job = jobs.registry().find(key)
    ended = job is not None and jobs.finished(job, f"cancel_{title}")
    st.button(
        title,
        on_click=jobs.registry().restart,
        args=(key, work),
        disabled=job is not None and not ended,
        icon=":material/folder_copy:",
    )
    if job is None or not ended:
        return None
    if job.state is jobs.State.CANCELLED:
        st.info("Cancelled; nothing was written.", icon=":material/cancel:")
    elif job.error is not None:
        _explain(job)
    return job


def _explain(job: jobs.Job) -> None:
    if isinstance(job.error, WannError):
        st.error(theme.plain(describe_error(job.error, {})), icon=":material/error:")
    elif isinstance(job.error, OSError):
        st.error(theme.plain(f"{job.error.strerror}: {job.error.filename}."))
    elif job.error is not None:
        jobs.show_internal_error(job.error)
