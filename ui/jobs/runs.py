"""Many runs as one job: started, watched, cancelled and gone on with; the store keeps them."""

import logging
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol

import streamlit as st

from ui.jobs import engine, jobs
from ui.shell import theme
from ui.shell.controls import describe_error
from ui.shell.settings import LABELS, Settings
from wann_core import datasets
from wann_core.experiments import grid
from wann_core.experiments.scenario import Scenario
from wann_core.experiments.sweep import run_sweep

_LOG = logging.getLogger(__name__)


class Plan(Protocol):
    """What is to be run; hashable, so that it names its job."""

    @property
    def base(self) -> Scenario:
        """What its runs have in common."""

    def in_words(self) -> str:
        """How many runs, and of what."""

    def scenarios(self) -> list[Scenario]:
        """All its runs."""


def page(
    kind: str,
    plan: Plan,
    settings: Settings,
    show: Callable[[list[dict[str, Any]]], None],
    hint: str,
    passed_over: Sequence[str] = (),
) -> None:
    """Run button, progress, Cancel and Go on; `show(records)` draws what there is.

    Parameters
    ----------
    kind : str
        First word of the job's key, and its source in the results store.
    plan : Plan
    settings : Settings
    show : callable
    hint : str
        What a press of Run is good for.
    passed_over : sequence of str
        Fields whose errors cost their own runs alone; any other ends the job.
    """
    job = find(kind, plan, settings)
    left, right = st.columns([1, 4] if job is None else [0.01, 5], vertical_alignment="center")
    if job is None:
        left.button(
            "Run",
            type="primary",
            width="stretch",
            on_click=start,
            args=(kind, plan, settings, passed_over),
        )
    right.caption(plan.in_words())
    if job is None:
        st.info(hint, icon=":material/play_arrow:")
        st.stop()

    def go_on(label: str) -> None:
        if st.button(label):
            jobs.registry().forget(_key(kind, plan, settings))
            start(kind, plan, settings, passed_over)
            st.rerun()

    live = job.state is jobs.State.RUNNING

    @st.fragment(run_every=0.5 if live else None)
    def results() -> None:
        if live and job.state is not jobs.State.RUNNING:
            st.rerun()  # the whole page: its button and this clock depend on the job
        _tell(job, f"cancel_{kind}")
        if job.state is jobs.State.CANCELLED:
            go_on("Go on")
        if job.partial:
            show(list(job.partial))
        if job.error is not None:
            go_on("Try again")
            engine.fail(settings, job.error)

    results()


def _tell(job: jobs.Job, cancel_key: str) -> None:
    """How far a job is, and what it could not do."""
    if job.state is jobs.State.RUNNING:
        jobs.bar(job, cancel_key)
    if job.state is jobs.State.CANCELLED:
        st.warning(f"Cancelled after {len(job.partial)} runs.", icon=":material/cancel:")
    for text, runs in job.about.copy().items():
        what = "1 run is" if runs == 1 else f"{runs} runs are"
        st.warning(f"{what} missing. {theme.plain(text)}", icon=":material/info:")


def start(kind: str, plan: Plan, settings: Settings, passed_over: Sequence[str] = ()) -> None:
    """Start the plan's job; asked again, the finished one answers."""
    missing: dict[str, int] = {}  # reasons, and the runs that they cost

    def work(job: jobs.Job) -> None:
        grid.warm_up()
        outcomes = run_sweep(
            plan.scenarios(),
            settings.roots,
            source=kind,
            progress=job.progress,
            warn=_LOG.warning,
        )
        for outcome in outcomes:
            if outcome.refused is None:
                job.partial.append(outcome.record)
            elif outcome.refused.field in passed_over:
                text = describe_error(outcome.refused, LABELS)
                missing[text] = missing.get(text, 0) + 1
            else:
                raise outcome.refused

    jobs.registry().start(_key(kind, plan, settings), work, about=missing)


def find(kind: str, plan: Plan, settings: Settings) -> jobs.Job | None:
    """The plan's job, if it was started."""
    return jobs.registry().find(_key(kind, plan, settings))


def _key(kind: str, plan: Plan, settings: Settings) -> Hashable:
    base = plan.base
    return kind, plan, datasets.fingerprint(base.dataset, base.backbone, *settings.roots)
