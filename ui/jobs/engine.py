"""Engine calls as the pages need them: in the background, with errors beside their control."""

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import streamlit as st

from ui.jobs import jobs
from ui.shell.settings import Settings
from wann_core import datasets
from wann_core.errors import WannError
from wann_core.experiments.prepared import PreparedData, Report
from wann_core.experiments.run import classify, prepare
from wann_core.experiments.scenario import graph_neighbors

T = TypeVar("T")


def dataset(settings: Settings) -> datasets.Dataset:
    """The scenario's data set, read in the background."""
    place = (settings.scenario.dataset, settings.scenario.backbone)
    key = ("load", *place, _source(settings))
    registry = jobs.registry()

    def work(job: jobs.Job) -> None:
        job.progress(0, 1, "reading the data set")
        datasets.load(*place, *settings.roots)

    job = registry.start(key, work)
    if not jobs.finished(job, "cancel_load"):
        st.stop()
    registry.forget(key)  # the engine's own bounded cache holds it
    if job.error is not None:
        fail(settings, job.error)
    return datasets.load(*place, *settings.roots)


def _source(settings: Settings) -> tuple[tuple[str, int, int], ...]:
    scenario = settings.scenario
    try:
        return datasets.fingerprint(scenario.dataset, scenario.backbone, *settings.roots)
    except WannError as error:
        settings.refuse(error)
    except OSError as error:
        settings.refuse(WannError(f"the database cannot be read: {error}.", "dataset"))


def prepared(settings: Settings) -> PreparedData:
    """The scenario's rows, labels and neighbors.

    What takes longer runs as a job: the page shows progress and Cancel, ends here, and runs again
    when the job is done.
    """
    scenario, roots = settings.scenario, settings.roots
    key = ("prepare", _source(settings), scenario.labeling(), graph_neighbors(scenario))
    registry = jobs.registry()

    def work(job: jobs.Job) -> None:
        made = prepare(scenario, roots, progress=job.progress)
        # Unpacking images may take seconds: here, where a bar shows.
        _ = made.dataset.images

    job = registry.start(key, work)
    if not jobs.finished(job, "cancel_prepare"):
        st.caption(
            "Neighbors are searched once; later changes of noise, method or k only vote again. "
            "The first time after installation the program is also compiled, which may take half "
            "a minute."
        )
        st.stop()
    if job.state is jobs.State.CANCELLED:
        st.info("The preparation of this scenario was cancelled.", icon=":material/cancel:")
        st.button("Start again", on_click=registry.forget, args=(key,))
        st.stop()
    # The engine's own bounded cache holds the result; the job must not keep it alive.
    registry.forget(key)
    if job.error is not None:
        fail(settings, job.error)
    return prepare(scenario, roots)


def reports(settings: Settings, prepared: PreparedData, methods: tuple[str, ...]) -> list[Report]:
    """One report a method, named as in 'kNN-11', 'ANN', 'WANN'."""
    return [classify(prepared, settings.scenario.with_method(name)) for name in methods]


def in_background(
    settings: Settings, key: tuple[Any, ...], work: Callable[[jobs.Job], T]
) -> T | None:
    """What a job answers; None, and its progress or a button to start it again, until it has.

    Parameters
    ----------
    settings : Settings
    key : tuple
        Names the job: a word for its kind, then what the answer depends on beside the data.
    work : callable
    """
    scenario, registry = settings.scenario, jobs.registry()
    source = datasets.fingerprint(scenario.dataset, scenario.backbone, *settings.roots)
    key, cancel = (key[0], source, *key[1:]), f"cancel_{key[0]}"
    job = registry.start(key, work)
    if not jobs.finished(job, cancel):
        return None
    if job.state is jobs.State.CANCELLED:
        st.info("Cancelled.", icon=":material/cancel:")
        st.button("Start again", key=f"again_{key[0]}", on_click=registry.forget, args=(key,))
        return None
    if job.error is not None:
        registry.forget(key)
        fail(settings, job.error)
    answer: T = job.result
    return answer


def fail(settings: Settings, error: Exception) -> NoReturn:
    """Show an error and end the page: a request that cannot be served beside its control."""
    if isinstance(error, WannError):
        settings.refuse(error)
    jobs.show_internal_error(error)
    st.stop()
