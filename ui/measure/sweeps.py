"""The Sweeps page: a plan of many runs, and its job."""

import logging
import os
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from ui.jobs import jobs, panel
from ui.shell import theme
from ui.shell.controls import describe_error
from ui.shell.sentences import counted
from ui.shell.settings import Folders
from wann_core import datasets
from wann_core.errors import WannError
from wann_core.experiments import plan_file
from wann_core.experiments.plan_file import SweepPlan
from wann_core.experiments.scenario import Scenario
from wann_core.experiments.store import use_store
from wann_core.experiments.sweep import run_sweep
from wann_core.experiments.sweep_tasks import count_graphs, estimate_seconds

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Planned:
    """What a plan comes to here.

    Attributes
    ----------
    runs : list of Scenario
        Those whose data are here.
    todo : list of Scenario
        Of these, the ones that are not stored.
    missing : dict
        From `plan_file.missing`.
    seconds : float
        About how long the rest takes.
    graphs : int
        That the rest needs.
    """

    runs: list[Scenario]
    todo: list[Scenario]
    missing: dict[tuple[str, str], str]
    seconds: float
    graphs: int

    @property
    def stored(self) -> int:
        """Runs that are in the results store."""
        return len(self.runs) - len(self.todo)


@st.cache_resource(max_entries=4, show_spinner="Counting the runs …")
def _scenarios(toml: str) -> list[Scenario]:
    return plan_file.parse(toml).scenarios()


def planned(plan: SweepPlan, folders: Folders) -> Planned:
    """What the plan comes to; the page ends where it is out of range."""
    try:
        scenarios = _scenarios(plan.to_toml())
        missing = plan_file.missing(scenarios, folders.roots)
    except WannError as error:
        st.error(theme.plain(describe_error(error, {})), icon=":material/error:")
        st.stop()
    pairs = dict.fromkeys((s.dataset, s.backbone) for s in scenarios)
    prints = tuple(datasets.fingerprint(*p, *folders.roots) for p in pairs if p not in missing)
    path = use_store(lambda kept: kept.path, _LOG.warning)
    changed = path.stat().st_mtime_ns if path is not None else 0
    runs = [s for s in scenarios if (s.dataset, s.backbone) not in missing]
    todo, seconds, graphs = _todo(plan.to_toml(), prints, (path, changed), folders, runs)
    return Planned(runs, todo, missing, seconds, graphs)


@st.cache_resource(max_entries=4, show_spinner="Looking for stored runs …")
def _todo(
    toml: str,
    prints: tuple[Any, ...],
    kept: tuple[Any, ...],
    _folders: Folders,
    _runs: list[Scenario],
) -> tuple[list[Scenario], float, int]:
    """What of a plan is not stored, until the results store or the data change."""
    stored = use_store(lambda kept: kept.find(_runs, _folders.roots), _LOG.warning) or {}
    todo = [scenario for scenario in _runs if scenario not in stored]
    return todo, estimate_seconds(todo, _folders.roots.databases), count_graphs(todo)


def show_plan(planned: Planned) -> None:
    """Show what there is to do, and what cannot be done here."""
    if not planned.runs and not planned.missing:
        st.info("Linear probes take no reduction: choose “none”, too, or another method.")
    for sentence in planned.missing.values():
        st.warning(theme.plain(sentence), icon=":material/download:")
    cards = [
        (
            "Runs",
            len(planned.runs),
            "Every combination, once. What does not matter to a run makes no more of them: without "
            "noise a ratio, and for votes on all rows a seed, too. Linear probes take no "
            "reduction. Data that are not here are not counted.",
        ),
        (
            "Stored",
            planned.stored,
            "In the results store, on the same files and by the same engine, whoever started them.",
        ),
        ("To do", len(planned.todo), None),
        (
            "Graphs",
            planned.graphs,
            "Neighbor graphs to search. Noise, methods and k share one; a subsample, a long tail "
            "or a reduction needs its own.",
        ),
    ]
    row = st.container(horizontal=True, gap="large")
    for name, number, words in cards:
        row.metric(name, f"{number:,}", help=words, width="content")
    seconds = planned.seconds
    # An estimate is not worth two digits.
    about = "under 10 s" if seconds < 10 else jobs.duration(float(f"{seconds:.1g}"))
    row.metric(
        "Time, about",
        about if planned.todo else "–",
        help="Rough: minutes or hours, on this machine when it has nothing else to do.",
        width="content",
    )


def _key(plan: SweepPlan, folders: Folders) -> Hashable:
    return "sweep", plan.to_toml(), str(folders.roots.databases), str(folders.roots.data)


def find(plan: SweepPlan, folders: Folders) -> jobs.Job | None:
    """The plan's job, if it was started."""
    return jobs.registry().find(_key(plan, folders))


def start(plan: SweepPlan, folders: Folders, runs: list[Scenario]) -> None:
    """Start the job of a plan's runs; what is stored is not run again."""

    def work(job: jobs.Job) -> None:
        outcomes = run_sweep(
            runs,
            folders.roots,
            backend="threads",
            n_jobs=os.cpu_count() or 1,
            progress=job.progress,
            warn=_LOG.warning,
        )
        job.partial.extend(None if one.refused is None else str(one.refused) for one in outcomes)

    jobs.registry().restart(
        _key(plan, folders), work, title=f"Sweep of {counted(len(runs), 'run')}"
    )


def show_outcome(job: jobs.Job) -> None:
    """Show what has become of the job."""
    text = "Canceled. Finished runs are kept."
    if panel.outcome(job, "sweep", text):
        st.success(
            f"All runs have ended, in {jobs.duration(job.seconds)}.", icon=":material/check:"
        )
    refused = Counter(text for text in list(job.partial) if text is not None)
    for sentence, runs in refused.items():
        st.warning(
            theme.plain(f"{counted(runs, 'run')} refused: {sentence}"), icon=":material/block:"
        )
