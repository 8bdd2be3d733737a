"""Databases in the making: what was asked, how far it is, what came of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ui.data import backbone_list
from ui.data.requests import Embedding, Import, Request
from ui.jobs import jobs, panel
from ui.shell import navigation, theme
from ui.shell.controls import describe_error
from ui.shell.settings import Folders
from wann_core.datasets import database, tables
from wann_core.embedding import backbones, inventory
from wann_core.embedding import embed as embedding
from wann_core.embedding.partial import Skipped
from wann_core.errors import WannError

_KIND = "make"
_LABELS = {
    "dataset": "Name of the data set",
    "backbone": "Backbone",
    "weights": "Weights file",
    "image_size": "Image size",
    "device": "Device",
    "precision": "Precision",
    "no-resume": "Delete …, under Installed data",
    "on_error": "Unreadable images",
    "split": "Test rows",
    "X": "Table",
}


@dataclass(frozen=True)
class Made:
    """What has become of a request."""

    rows: Mapping[str, int]
    columns: int
    skipped: tuple[Skipped, ...] = ()
    precision: str = "float32"


def embed(request: Embedding, folders: Folders) -> None:
    """Start it, or go on where it stopped."""

    def work(job: jobs.Job) -> Made:
        embedding.refuse_finished(folders.roots.databases, request.dataset, request.backbone)
        backbones.check_backbone(request.backbone)
        images = request.open(job.progress)
        made = embedding.embed(
            images,
            request.load(job.progress),
            folders.roots.databases,
            dtype=request.dtype,
            on_error=request.on_error,
            progress=job.progress,
        )
        record = database.manifest(made.folder)
        precision = str(record.get("precision", "float32"))
        return Made(made.rows, made.columns, made.skipped, precision)

    _start(request, folders, work)


def import_table(request: Import, table: tables.Table, folders: Folders) -> None:
    """Start to write a table that has been read."""

    def work(job: jobs.Job) -> Made:
        tables.write_table(
            table,
            dataset=request.dataset,
            backbone=request.backbone,
            split=request.split,
            drop_bad=request.drop_bad,
            image_root=request.image_root,
            database_root=folders.roots.databases,
            progress=job.progress,
        )
        made = inventory.database_of(folders.roots.databases, request.dataset, request.backbone)
        assert made is not None
        return Made(made.rows, made.columns)

    _start(request, folders, work)


def _start(request: Request, folders: Folders, work: Callable[[jobs.Job], Made]) -> None:
    # A refusal has served its turn once the same person asks again.
    last = st.session_state.get("_last_asked")
    before = jobs.registry().find(last) if last else None
    if before is not None and isinstance(before.error, WannError):
        jobs.registry().forget(last)
    key = st.session_state["_last_asked"] = _key(request, folders)
    doing = "Importing" if isinstance(request, Import) else "Embedding"
    title = f"{doing} {request.dataset} by {request.backbone}"
    jobs.registry().restart(key, work, request, title)


def _key(request: Request, folders: Folders) -> tuple[str, str, str, str]:
    """Two requests for the same database are one job."""
    return _KIND, str(folders.roots.databases.resolve()), request.dataset, request.backbone


def find(request: Request, folders: Folders) -> jobs.Job | None:
    """The job that makes the database of a request, if there is one."""
    return jobs.registry().find(_key(request, folders))


def show(request: Request, folders: Folders, places: Mapping[str, DeltaGenerator]) -> None:
    """Draw what has become of a request below its button, also after a reload of the page."""
    key, job = _key(request, folders), find(request, folders)
    if job is None:
        return

    if job.about == request and isinstance(job.error, WannError) and job.error.field in places:
        refuse(job.error, places)
        return

    def draw() -> None:
        _show_job(key, job)

    panel.follow(job, draw)


States = dict[tuple[str, ...], jobs.State]


def states(folders: Folders) -> States:
    """How far every database is that is being made here; take it before the page is drawn."""
    return {key: job.state for key, job in _found(folders)}


def _found(folders: Folders) -> list[tuple[tuple[str, ...], jobs.Job]]:
    root = str(folders.roots.databases.resolve())
    return [(key, job) for key, job in jobs.registry().of_kind(_KIND) if key[1] == root]


def watch(folders: Folders, before: States, shown: Request | None) -> None:
    """Every other database that is being made or has been, whichever tab has asked for it.

    Parameters
    ----------
    folders : Folders
    before : dict
        `states` as the rest of the page has seen them; it is drawn again when they change.
    shown : Request or None
        What the page asks for below: what has become of it stands there, not here.
    """
    beside = None if shown is None else _key(shown, folders)

    @st.fragment(run_every=0.5 if jobs.State.RUNNING in before.values() else None)
    def draw() -> None:
        if states(folders) != before:
            st.rerun()
        for key, job in reversed(_found(folders)):
            if key != beside:
                _show_job(key, job)

    draw()


def estimating(
    request: Embedding, folders: Folders, places: Mapping[str, DeltaGenerator]
) -> panel.Panel[tuple[int, float]]:
    """The job that measures on a few images how long a request will take."""

    def work(job: jobs.Job) -> tuple[int, float]:
        images = request.open(job.progress)
        backbone = embedding.settled(
            images, request.load(job.progress), folders.roots.databases, progress=job.progress
        )
        rate = embedding.estimate(images, backbone, progress=job.progress)
        precision = str(backbone.record.get("precision", "float32"))
        backbone_list.record_speed(request.backbone, rate, precision)
        return len(images), rate

    return panel.Panel(
        "estimate",
        ("estimate", request),
        work,
        f"Estimating the time for {request.dataset}",
        canceled="The estimate was canceled.",
        again="",
        refuse=lambda error: refuse(error, places),
    )


def show_estimate(measured: panel.Panel[tuple[int, float]]) -> None:
    """How long it will take, once that is measured."""
    answer = measured.answer()
    if answer is not None:
        images, rate = answer
        st.caption(
            f"{images:,} images at about {backbone_list.in_words(rate)} a second: "
            f"{jobs.duration(images / rate)}."
        )


def _show_job(key: tuple[str, ...], job: jobs.Job) -> None:
    _, _, dataset, backbone = key
    what = f"**{theme.plain(dataset)}** by **{theme.plain(backbone)}**"
    imported = isinstance(job.about, Import)
    name = "_".join(key[2:])
    if job.state is jobs.State.RUNNING:
        with st.container(border=True):
            st.markdown(f"{'Importing' if imported else 'Embedding'} {what}")
            panel.bar(job, name)
        return
    done = job.state is jobs.State.DONE
    text, *buttons = st.columns([7, 2, 1.4] if done else [8.6, 1.4], vertical_alignment="center")
    with text:
        _outcome(job, what, imported)
    if done:
        with buttons[0]:
            navigation.link_to_overview(dataset, backbone)
            navigation.link_to_audit(dataset, backbone)
    if buttons[-1].button("Dismiss", key=f"dismiss_{name}", width="stretch"):
        jobs.registry().forget(key)
        st.rerun()
    if done and job.result.skipped:
        _skipped(job.result)


def _outcome(job: jobs.Job, what: str, imported: bool) -> None:
    kept = "Nothing was written." if imported else "Press Embed again to go on from there."

    def show(error: WannError) -> None:
        text = theme.plain(describe_error(error, _LABELS))
        st.error(f"{what}: {text}", icon=":material/error:")

    if panel.outcome(job, what, f"{what} was canceled. {kept}", show):
        made: Made = job.result
        took = f", in {jobs.duration(job.seconds)}" if job.seconds >= 1 else ""
        half = "" if made.precision == "float32" else f", computed in {made.precision}"
        rows = ", ".join(f"{count:,} {split}" for split, count in made.rows.items())
        st.success(
            f"{what} is {'imported' if imported else 'embedded'}: {rows} rows of "
            f"{made.columns:,} dimensions{half}{took}.",
            icon=":material/check_circle:",
        )


def _skipped(made: Made) -> None:
    with st.expander(f"Images that could not be read and were left out: {len(made.skipped):,}"):
        table = pd.DataFrame(
            [
                {"split": s.split, "row": s.row, "file": s.file, "reason": s.reason}
                for s in made.skipped
            ]
        )
        st.dataframe(table, hide_index=True, width="stretch")


def refuse(error: WannError, places: Mapping[str, Any]) -> None:
    """Show an error beside its control."""
    show = places[error.field].error if error.field in places else st.error
    show(theme.plain(describe_error(error, _LABELS)), icon=":material/error:")
