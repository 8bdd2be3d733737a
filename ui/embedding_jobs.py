"""Embedding in the background: what was asked, how far it is, what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ui import data_here, jobs, look
from ui.settings import Folders
from wann_core import backbones, embedding
from wann_core.datasets import image_folder, sources
from wann_core.datasets.images import ImageDataset
from wann_core.errors import WannError
from wann_core.neighbors import Progress

_KIND = "embed"


@dataclass(frozen=True)
class Request:
    """What to embed, and how."""

    dataset: str
    root: Path
    split: str | None
    backbone: str
    weights: str | None
    image_size: int | None
    dtype: str
    on_error: str
    device: str

    def open(self, progress: Progress) -> ImageDataset:
        """The images."""
        if self.split is None:
            return sources.open_images(self.dataset, self.root, progress=progress)
        return image_folder.open_images(self.root, self.dataset, split=self.split)

    def load(self, progress: Progress) -> backbones.Backbone:
        """The backbone."""
        progress(0, 1, f"loading {self.backbone}")
        return backbones.load_backbone(
            self.backbone,
            weights=self.weights,
            image_size=self.image_size,
            device=self.device,
            progress=progress,
        )

    def key(self, folders: Folders) -> tuple[str, str, str, str]:
        """The job's key: two requests for the same database are one job."""
        return _KIND, str(folders.database_root.resolve()), self.dataset, self.backbone


def watch(folders: Folders) -> None:
    """Every embedding that runs or has ended here, whichever tab has started it."""
    root = str(folders.database_root.resolve())
    found = [(key, job) for key, job in jobs.registry().of_kind(_KIND) if key[1] == root]
    live = any(job.state is jobs.State.RUNNING for _, job in found)

    @st.fragment(run_every=0.5 if live else None)
    def draw() -> None:
        for key, job in found:
            _show_job(key, job)
        if live and all(job.state is not jobs.State.RUNNING for _, job in found):
            st.rerun()

    draw()


def start(request: Request, folders: Folders) -> None:
    """Start it, or go on where it stopped."""

    def work(job: jobs.Job) -> embedding.Embedded:
        embedding.refuse_finished(folders.database_root, request.dataset, request.backbone)
        images = request.open(job.progress)
        return embedding.embed(
            images, request.load(job.progress), folders.database_root,
            dtype=request.dtype, on_error=request.on_error, progress=job.progress,
        )  # fmt: skip

    jobs.registry().restart(request.key(folders), work)


def estimate(request: Request) -> None:
    """Start to measure on a few images how long it will take."""

    def work(job: jobs.Job) -> tuple[int, float]:
        images = request.open(job.progress)
        backbone = request.load(job.progress)
        job.progress(0, 1, "embedding a few images")
        return len(images), embedding.estimate(images, backbone)

    jobs.registry().restart(("estimate", request), work)


def show_estimate(request: Request, places: Mapping[str, DeltaGenerator]) -> None:
    """How long it will take, once that is measured."""
    job = jobs.registry().find(("estimate", request))
    if job is None:
        return
    live = job.state is jobs.State.RUNNING

    @st.fragment(run_every=0.5 if live else None)
    def draw() -> None:
        if job.state is jobs.State.RUNNING:
            jobs.bar(job, "cancel_estimate")
        elif live:
            st.rerun()
        elif job.state is jobs.State.DONE:
            images, rate = job.result
            st.caption(
                f"{images:,} images at about {rate:.1f} a second: {jobs.duration(images / rate)}."
            )

    draw()
    if isinstance(job.error, WannError):
        refuse(job.error, places)


def _show_job(key: tuple[str, ...], job: jobs.Job) -> None:
    _, _, dataset, backbone = key
    what = f"**{look.plain(dataset)}** by **{look.plain(backbone)}**"
    with st.container(border=True):
        if job.state is jobs.State.RUNNING:
            st.markdown(f"Embedding {what}")
            jobs.bar(job, f"cancel_{dataset}_{backbone}")
            return
        if job.state is jobs.State.DONE:
            made: embedding.Embedded = job.result
            rows = ", ".join(f"{count:,} {split}" for split, count in made.rows.items())
            st.success(
                f"{what} is embedded: {rows} rows of {made.columns:,} dimensions in "
                f"{jobs.duration(job.seconds)}.",
                icon=":material/check_circle:",
            )
            if made.skipped:
                _skipped(made)
        elif job.state is jobs.State.CANCELLED:
            st.info(
                f"{what} was cancelled. What is embedded is kept: press Embed again to go on.",
                icon=":material/pause_circle:",
            )
        elif isinstance(job.error, WannError):
            st.error(f"{what}: {look.plain(str(job.error))}", icon=":material/error:")
        else:
            st.error(
                f"{what} went wrong inside the program ({type(job.error).__name__}). The server's "
                "log has the details.",
                icon=":material/error:",
            )
        with st.container(horizontal=True):
            if job.state is jobs.State.DONE:
                data_here.open_button(dataset, backbone, f"open_{dataset}_{backbone}")
            if st.button("Dismiss", key=f"dismiss_{dataset}_{backbone}"):
                jobs.registry().forget(key)
                st.rerun()


def _skipped(made: embedding.Embedded) -> None:
    with st.expander(f"{len(made.skipped):,} images could not be read and were left out"):
        table = pd.DataFrame(
            [{"split": s.split, "row": s.row, "file": s.file, "reason": s.reason}
             for s in made.skipped]
        )  # fmt: skip
        st.dataframe(table, hide_index=True, width="stretch")


def refuse(error: WannError, places: Mapping[str, DeltaGenerator]) -> None:
    """Show an error beside its control."""
    text = str(error)
    show = places[error.field].error if error.field in places else st.error
    show(look.plain(text[:1].upper() + text[1:]), icon=":material/error:")
