"""Engine calls as the pages need them: in the background, with errors beside their control."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import streamlit as st

from ui.jobs import jobs
from ui.jobs.panel import Panel
from ui.shell.settings import Settings
from wann_core import datasets
from wann_core.experiments.prepared import PreparedData, Report
from wann_core.experiments.run import classify_all, prepare
from wann_core.experiments.scenario import Scenario, graph_neighbors

T = TypeVar("T")


def dataset(settings: Settings) -> datasets.Dataset:
    """The scenario's data set, read in the background; the page ends here until it is there."""
    place = (settings.scenario.dataset, settings.scenario.backbone)

    def work(job: jobs.Job) -> datasets.Dataset:
        job.progress(0, 1, "reading the data set")
        return datasets.load(*place, *settings.roots, job.progress)

    key = ("load", *place, settings.fingerprint)
    return _needed(
        Panel("load", key, work, f"Reading {_name(settings.scenario)}", refuse=settings.refuse)
    )


def prepared(settings: Settings, scenario: Scenario | None = None) -> PreparedData:
    """Rows, labels and neighbors of the sidebar's scenario, or of another one on the same data.

    What takes longer runs as a job: the page shows progress and Cancel, ends here, and runs again
    when the job is done. The neighbors are a job of their own, which outlives a change of noise,
    method or k; a change that asks for other neighbors cancels it.
    """
    chosen = settings.scenario if scenario is None else scenario
    name = "prepare" if scenario is None else "prepare_other"
    by_labels = chosen.reduction in ("LDA", "fLDA")
    rows = chosen.labeling() if by_labels else chosen.geometry()
    _needed(_preparation(settings, rows, graph_neighbors(chosen), f"{name}_rows", _there), _HINT)
    panel = _preparation(settings, chosen.labeling(), graph_neighbors(chosen), name, _itself)
    made = dataclasses.replace(_needed(panel, _HINT), scenario=chosen)
    # The engine's own bounded caches hold it.
    panel.forget()
    return made


_HINT = "Neighbors are searched once; later changes of noise, method or k only vote again."


def _there(made: PreparedData) -> bool:
    """The neighbors lie in the engine's cache, which is bounded: the job must not hold them."""
    return True


def _itself(made: PreparedData) -> PreparedData:
    return made


def _preparation(
    settings: Settings,
    scenario: Scenario,
    graph_k: int,
    name: str,
    answer: Callable[[PreparedData], T],
) -> Panel[T]:
    def work(job: jobs.Job) -> T:
        job.progress(0, 1, "reading the data set")
        made = prepare(scenario, settings.roots, progress=job.progress)
        # Unpacking images may take seconds: here, where a bar shows.
        _ = made.dataset.images
        return answer(made)

    return Panel(
        name,
        ("prepare" if answer is _itself else "rows", settings.fingerprint, scenario, graph_k),
        work,
        f"Preparing {_name(scenario)}",
        canceled="The preparation of this scenario was canceled.",
        refuse=settings.refuse,
    )


def _needed(panel: Panel[T], hint: str = "") -> T:
    """What a job has made; the page ends here until it has."""
    panel.begin()
    made = panel.answer()
    if made is None:
        if hint and panel.busy:
            st.caption(hint)
        st.stop()
    return made


def _name(scenario: Scenario) -> str:
    return f"{scenario.dataset} / {scenario.backbone}"


def reports(settings: Settings, prepared: PreparedData, methods: tuple[str, ...]) -> list[Report]:
    """One report a method, named as in 'kNN-11', 'ANN', 'WANN'."""
    return classify_all(prepared, [settings.scenario.with_method(name) for name in methods])


def in_background(
    settings: Settings, key: tuple[Any, ...], work: Callable[[jobs.Job], T], title: str
) -> T | None:
    """What a job answers; None, and its progress or a button to start it again, until it has.

    Parameters
    ----------
    settings : Settings
    key : tuple
        Names the job: a word for its kind, then what the answer depends on beside the data.
    work : callable
    title : str
        What it does, for the list of running jobs.
    """
    panel = Panel(
        key[0].replace(" ", "_"),
        (key[0], settings.fingerprint, *key[1:]),
        work,
        title,
        refuse=settings.refuse,
    )
    panel.begin()
    return panel.answer()
