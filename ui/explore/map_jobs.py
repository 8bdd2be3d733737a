"""The layout of a map: PCA at once, UMAP in the background."""

import streamlit as st

from ui.jobs import jobs
from wann_core.errors import WannError
from wann_core.experiments.prepared import PreparedData
from wann_core.explore import map as layout
from wann_core.explore.map import Layout

_AT_ONCE = 0.5  # seconds in which a layout is here that lies on the disk


def positions(how: str, prepared: PreparedData) -> tuple[str, Layout]:
    """The layout asked for, or PCA as long as there is no other; and which of them it is.

    It depends on the neighbors alone, not on labels or votes: those find it again.
    """
    name = layout.digest(prepared.graph)

    def project(_: jobs.Job) -> Layout:
        return layout.pca_map(prepared.X_train, prepared.X_test)

    first = jobs.registry().start(("pca map", name), project)
    if not jobs.finished(first, "cancel_pca"):
        st.stop()
    if first.error is not None:
        jobs.show_internal_error(first.error)
        st.stop()
    start: Layout = first.result
    if how == "pca":
        return "pca", start

    def fit(job: jobs.Job) -> Layout:
        return layout.umap_map(prepared.graph, start.train, job.progress)

    key = ("umap", name)
    new = jobs.registry().find(key) is None
    job = jobs.registry().start(key, fit)
    if new:
        job.wait(_AT_ONCE)
    if job.state is jobs.State.DONE:
        return "umap", job.result
    _tell(job, key)
    return "pca", start


def _tell(job: jobs.Job, key: tuple[str, str]) -> None:
    """What has become of a layout that is not here."""
    if job.state is jobs.State.RUNNING:
        st.caption("PCA is shown while UMAP is made. It is made once for all labels and methods.")
        _watch(job)
        return
    if isinstance(job.error, WannError):
        st.warning(f"{job.error} PCA is shown instead.", icon=":material/error:")
    elif job.error is not None:
        jobs.show_internal_error(job.error)
        st.caption("PCA is shown instead.")
    else:
        st.info("UMAP was cancelled; PCA is shown instead.", icon=":material/cancel:")
    st.button("Start UMAP again", on_click=jobs.registry().forget, args=(key,))


@st.fragment(run_every=0.5)
def _watch(job: jobs.Job) -> None:
    if job.state is not jobs.State.RUNNING:
        st.rerun()
    jobs.bar(job, "cancel_umap")
