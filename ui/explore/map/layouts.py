"""The layout of a map: PCA at once, UMAP in the background."""

import streamlit as st

from ui.jobs import jobs
from ui.jobs.panel import Panel
from ui.shell import theme
from wann_core.experiments.prepared import PreparedData
from wann_core.explore import map as layout
from wann_core.explore.map import Layout

# With more rows, UMAP starts only when its button is pressed.
_MOST_BY_ITSELF = 200_000


def positions(how: str, prepared: PreparedData) -> tuple[str, Layout]:
    """The layout asked for, or PCA as long as there is no other; and which of them it is.

    It depends on the neighbors alone, not on labels or votes: those find it again.
    """
    name = layout.digest(prepared.graph)

    def project(_: jobs.Job) -> Layout:
        return layout.pca_map(prepared.X_train, prepared.X_test)

    projecting = Panel("pca", ("pca map", name), project, "Projecting the map")
    projecting.begin()
    start = projecting.answer()
    if start is None:
        st.stop()
    if how == "pca":
        return "pca", start

    def fit(job: jobs.Job) -> Layout:
        return layout.umap_map(prepared.graph, start.train, job.progress)

    fitting = Panel(
        "umap",
        ("umap", name),
        fit,
        "Fitting UMAP",
        canceled="UMAP was canceled; PCA is shown instead.",
        again="Start UMAP again",
        refuse=lambda error: st.warning(
            theme.plain(f"{error} PCA is shown instead."), icon=":material/error:"
        ),
        retry=False,
    )
    if fitting.job is None and _waits_for_button(prepared):
        st.caption(
            f"PCA is shown, as UMAP of {len(prepared.labels):,} rows takes long. It is made once "
            "for all labels and methods."
        )
        st.button("Fit UMAP", icon=":material/scatter_plot:", on_click=fitting.start)
        return "pca", start
    fitting.begin()
    made = fitting.answer()
    if made is not None:
        return "umap", made
    if fitting.busy:
        st.caption("PCA is shown while UMAP is made. It is made once for all labels and methods.")
    return "pca", start


def _waits_for_button(prepared: PreparedData) -> bool:
    return len(prepared.labels) > _MOST_BY_ITSELF and not layout.is_kept(prepared.graph)
