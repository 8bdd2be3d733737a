"""Many runs as one job: started, watched, canceled, resumed; the store keeps them."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from ui.jobs import jobs, panel
from ui.jobs.plan import Plan
from ui.shell import theme
from ui.shell.controls import describe_error
from ui.shell.form import LABELS
from ui.shell.sentences import counted
from ui.shell.settings import Settings
from wann_core.errors import WannError
from wann_core.experiments import grid
from wann_core.experiments.store import use_store
from wann_core.experiments.sweep import run_sweep

_LOG = logging.getLogger(__name__)


def page(
    kind: str,
    plan: Plan,
    settings: Settings,
    show: Callable[[list[dict[str, Any]]], None],
    hint: str,
    passed_over: Sequence[str] = (),
) -> None:
    """Run button, progress and Cancel; `show(records)` draws what there is.

    What the results store has is there at once, as after a reload or by a link.

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
    runs = _panel(kind, plan, settings, passed_over)
    job = runs.job
    stored = [] if job is not None else _stored(plan, settings)
    if job is None:
        rest = len(plan.scenarios()) - len(stored)
        row = st.container(horizontal=True, vertical_alignment="center", gap="medium")
        if rest:
            label = run_label(rest, len(stored))
            row.button(label, type="primary", width=220, on_click=runs.start)
        row.caption(plan.in_words())
        if not stored:
            st.info(hint, icon=":material/play_arrow:")
            st.stop()
        show(stored)
        return
    st.caption(plan.in_words())

    def results() -> None:
        if job.state is jobs.State.RUNNING:
            panel.bar(job, kind)
        _show_remarks(job.about)
        if job.state is jobs.State.CANCELED:
            ended = len(job.partial)
            text = f"Canceled after {counted(ended, 'run')}."
            label = run_label(len(plan.scenarios()) - ended, ended)
            panel.outcome(job, kind, text, label=label, again=runs.start)
        if job.partial:
            show(list(job.partial))
        if job.error is not None:
            panel.outcome(job, kind, refuse=settings.refuse, label="Try again", again=runs.start)

    panel.follow(job, results)


def run_label(rest: int, ended: int, verb: str = "Run") -> str:
    """Name of the button that starts runs: how many are left, where some have ended."""
    return f"{verb} remaining {rest:,}" if rest and ended else verb


def _stored(plan: Plan, settings: Settings) -> list[dict[str, Any]]:
    """Those of the plan's runs that are in the results store, in the plan's order."""
    asked, roots = plan.scenarios(), settings.roots
    try:
        found = use_store(lambda kept: kept.find(asked, roots), _LOG.warning) or {}
    except WannError:
        return []  # a run of the plan reports what is wrong with the data
    return [found[scenario] for scenario in asked if scenario in found]


@dataclass
class _Remarks:
    """What a user should know of a job's runs.

    Attributes
    ----------
    missing : dict of str to int
        Reasons, and the runs that they cost.
    unkept : str
        Why the results store does not keep them; empty if it does.
    """

    missing: dict[str, int] = field(default_factory=dict)
    unkept: str = ""


def _show_remarks(remarks: _Remarks) -> None:
    for text, runs in remarks.missing.copy().items():
        what = "1 run is" if runs == 1 else f"{runs} runs are"
        st.warning(f"{what} missing. {theme.plain(text)}", icon=":material/info:")
    if remarks.unkept:
        st.warning(
            f"These results are not kept: {theme.plain(remarks.unkept)} Download them before you "
            "leave the page.",
            icon=":material/save_as:",
        )


def _panel(
    kind: str, plan: Plan, settings: Settings, passed_over: Sequence[str]
) -> panel.Panel[None]:
    """The plan's job; asked again, the finished one answers."""
    remarks = _Remarks()

    def warn(text: str) -> None:
        _LOG.warning(text)
        remarks.unkept = text

    def work(job: jobs.Job) -> None:
        grid.warm_up()
        outcomes = run_sweep(
            plan.scenarios(),
            settings.roots,
            source=kind,
            progress=job.progress,
            warn=warn,
        )
        for outcome in outcomes:
            if outcome.refused is None:
                job.partial.append(outcome.record)
            elif outcome.refused.field in passed_over:
                text = describe_error(outcome.refused, LABELS)
                remarks.missing[text] = remarks.missing.get(text, 0) + 1
            else:
                raise outcome.refused

    key = (kind, plan, settings.fingerprint)
    return panel.Panel(kind, key, work, f"Runs of {plan.base.dataset}", about=remarks)
