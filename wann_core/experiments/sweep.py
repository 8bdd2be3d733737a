"""Run scenarios over threads, processes or a cluster; each finished run is stored at once."""

import contextlib
import dataclasses
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import cloudpickle
import joblib
from joblib.parallel import get_active_backend
from threadpoolctl import threadpool_limits

from wann_core import plugins
from wann_core.errors import WannError, check_choice, check_number
from wann_core.experiments import grid, records
from wann_core.experiments.run import prepare
from wann_core.experiments.scenario import Scenario
from wann_core.experiments.store import Keeper, use_store
from wann_core.experiments.sweep_tasks import Meter, Part, Tasks
from wann_core.methods.registry import TRAINED
from wann_core.parallel import blas
from wann_core.paths import DEFAULT_ROOTS, Roots
from wann_core.progress import Progress

_LOG = logging.getLogger(__name__)

BACKENDS = {"threads": "threading", "processes": "loky"}
# joblib's backends that share this machine's cache folder.
_HERE = ("SequentialBackend", "ThreadingBackend", "LokyBackend")


class Outcome(NamedTuple):
    """Result or error of one run.

    Attributes
    ----------
    scenario : Scenario
        As it was asked for.
    record : dict
        Its `records.report_record`; with `stored_at` if an earlier run answered, and empty if it
        was refused.
    refused : WannError or None
        Why the data cannot serve it.
    """

    scenario: Scenario
    record: dict[str, Any]
    refused: WannError | None = None


def run_sweep(
    scenarios: Sequence[Scenario],
    roots: Roots = DEFAULT_ROOTS,
    *,
    backend: str | None = None,
    n_jobs: int = 1,
    source: str = "sweep",
    progress: Progress | None = None,
    warn: Callable[[str], object] = _LOG.warning,
) -> Iterator[Outcome]:
    """Run scenarios, reuse stored results, and store each run as soon as it ends.

    Scenarios that are one run are run once. A graph is built once for all that vote on it: large
    graphs first, on all cores, for the tasks to read; small ones in the task that all their runs
    belong to. A sweep that was stopped, or killed, goes on where it was when it is asked again.

    Parameters
    ----------
    scenarios : sequence of Scenario
    roots : Roots
        As in `prepare`.
    backend : {'threads', 'processes'}, optional
        Where tasks run; by default as set by `joblib.parallel_config`, such as on a dask cluster,
        and one after the other where that was not called.
    n_jobs : int
        Tasks at once under `backend`; each gets its share of the cores for BLAS and OpenMP.
    source : str
        What the results store writes down as having started the runs.
    progress : callable, optional
        `progress(done, total, text)`; may raise to stop. Called from worker threads too, one at a
        time; with other processes, after each task.
    warn : callable
        Told where the results store cannot be used.

    Yields
    ------
    Outcome
        One a scenario, in the order in which they end.

    Raises
    ------
    WannError
        If `backend` or `n_jobs` is out of range. A scenario that the data cannot serve does not
        stop the others; its outcome holds the error.
    """
    if backend is not None:
        check_choice("backend", backend, BACKENDS)
    check_number("n_jobs", n_jobs, 1, 4096, whole=True)
    stored = use_store(lambda kept: kept.find(scenarios, roots), warn) or {}
    for scenario, record in stored.items():
        yield Outcome(scenario, record)
    asked: dict[Scenario, list[Scenario]] = {}
    for scenario in dict.fromkeys(scenarios):
        if scenario not in stored:
            asked.setdefault(scenario.canonical(), []).append(scenario)
    keeper = Keeper(roots, source=source, warn=warn)
    todo = list(asked)
    for outcome in _run(todo, roots, backend, n_jobs, keeper, progress) if todo else ():
        for scenario in asked[outcome.scenario]:
            record = outcome.record and {
                **outcome.record,
                **records.scenario_record(scenario),
                "method_name": scenario.method_name,
            }
            yield Outcome(scenario, record, outcome.refused)


def _run(
    todo: list[Scenario],
    roots: Roots,
    backend: str | None,
    n_jobs: int,
    keeper: Keeper,
    progress: Progress | None,
) -> Iterator[Outcome]:
    with contextlib.ExitStack() as stack:
        if backend is not None:
            inner = {"inner_max_num_threads": _cores(n_jobs)} if backend == "processes" else {}
            chosen = joblib.parallel_config(backend=BACKENDS[backend], n_jobs=n_jobs, **inner)
            stack.enter_context(chosen)
        active, n_jobs = get_active_backend()
        here = type(active).__name__ in _HERE
        threads = getattr(active, "supports_sharedmem", False)
        if here and joblib.effective_n_jobs(n_jobs) == 1:
            yield from _work(todo, roots, keeper, Meter([todo], 0, progress).part(0))
            return
        tasks = Tasks.of(todo, roots.databases, one_memory=threads)
        graphs = tasks.graphs if here else {}
        meter = Meter(tasks.runs, len(graphs), progress)
        stack.enter_context(meter.reasoned())
        stack.callback(meter.stop)
        for i, (geometry, neighbors) in enumerate(graphs.items()):
            asked = dataclasses.replace(geometry, method="kNN", k=neighbors)
            # What cannot be prepared is refused run by run, with its reason.
            with contextlib.suppress(WannError):
                prepare(asked, roots, progress=meter.part(len(tasks.runs) + i))
        if threads:
            stack.enter_context(blas.bounded(_cores(n_jobs)))
        known = None if threads else _carried()
        calls = (
            joblib.delayed(_task)(
                i,
                runs,
                roots,
                keeper.fresh() if here else None,
                meter.part(i) if threads else None,
                _cores(n_jobs) if here else None,
                known,
            )
            for i, runs in enumerate(tasks.runs)
        )
        results = joblib.Parallel(return_as="generator_unordered")(calls)
        stack.callback(_close, results)
        for i, outcomes in results:
            if not here:
                # Another machine has a results store of its own.
                keeper.add([(o.scenario, o.record) for o in outcomes if o.record])
                keeper.flush()
            yield from outcomes
            if not threads:
                meter.part(i).done()


def _close(results: Any) -> None:
    """Stop the running tasks; joblib would warn about the lost work."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        results.close()


def _cores(n_jobs: int) -> int:
    """Memory that each of this many tasks may take."""
    return max(1, (os.cpu_count() or 1) // int(joblib.effective_n_jobs(n_jobs)))


def _carried() -> plugins.Carried:
    """The plug-ins of this process, for others.

    Raises
    ------
    WannError
        If they cannot be sent.
    """
    known = plugins.carried()
    try:
        cloudpickle.dumps(known.entries)
    except Exception as error:
        names = ", ".join(entry.name for _, entry in known.entries)
        raise WannError(
            f"what this session registered ({names}) cannot be sent to other processes: {error}; "
            "put it into a file and name that in WANN_PLUGINS."
        ) from error
    return known


def _task(
    number: int,
    runs: list[Scenario],
    roots: Roots,
    keeper: Keeper | None,
    part: Part | None,
    cores: int | None,
    known: plugins.Carried | None,
) -> tuple[int, list[Outcome]]:
    """One task in a thread or process of its own."""
    if known is not None:
        plugins.adopt(known)
    # Of OpenMP each thread has its own number.
    with threadpool_limits(cores, user_api="openmp"):
        return number, list(_work(runs, roots, keeper, part))


def _work(
    runs: Sequence[Scenario], roots: Roots, keeper: Keeper | None, part: Part | None
) -> Iterator[Outcome]:
    """Run one scenario after the other and store each result."""
    task = _Runs(runs, keeper, part)
    try:
        while task.left:
            try:
                for report in grid.run_all(task.left, roots, progress=part, on_error=task.refuse):
                    yield from task.end(report)
            except WannError as error:
                # Whose fault it is shows alone: probes train together.
                yield from task.run_first(roots, error)
            yield from task.end()
    finally:
        if keeper is not None:
            keeper.flush()


class _Runs:
    """The runs of one task that are left, and the outcomes that are not reported yet."""

    def __init__(self, runs: Sequence[Scenario], keeper: Keeper | None, part: Part | None) -> None:
        self.left = list(runs)
        self._keeper, self._part = keeper, part
        self._refused: list[Outcome] = []

    def refuse(self, _: Scenario, error: WannError) -> None:
        """Record an error for the first remaining run."""
        self._refused.append(Outcome(self.left.pop(0), {}, error))
        self._count()

    def end(self, report: Any = None) -> list[Outcome]:
        """Outcomes of the refused runs, and of the first remaining one if it has a report."""
        ended, self._refused = self._refused, []
        if report is not None:
            outcome = Outcome(self.left.pop(0), records.report_record(report))
            self._keep(outcome)
            self._count()
            ended.append(outcome)
        return ended

    def run_first(self, roots: Roots, error: WannError) -> list[Outcome]:
        """Run the first remaining one alone, after an error of the batch."""
        if len(self.left) == 1:
            self.refuse(self.left[0], error)
            return self.end()
        try:
            (report,) = grid.run_all(self.left[:1], roots, progress=self._part)
        except WannError as own:
            self.refuse(self.left[0], own)
            return self.end()
        return self.end(report)

    def _keep(self, outcome: Outcome) -> None:
        if self._keeper is None:
            return
        self._keeper.add([(outcome.scenario, outcome.record)])
        # Votes on the same labels follow within milliseconds; anything else may take long.
        labels = outcome.scenario.labeling()
        if not self.left or self.left[0].method in TRAINED or self.left[0].labeling() != labels:
            self._keeper.flush()

    def _count(self) -> None:
        if self._part is not None:
            self._part.count()
