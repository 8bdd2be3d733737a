"""Group a sweep's runs into tasks, and track their progress."""

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wann_core.datasets import BUILT_IN
from wann_core.datasets.sources import human_labels
from wann_core.embedding import inventory
from wann_core.experiments.scenario import Scenario, graph_neighbors
from wann_core.methods.probes import LOSSES
from wann_core.methods.registry import LOGISTIC, TRAINED
from wann_core.neighbors.cache import is_kept
from wann_core.paths import DATABASE_ROOT
from wann_core.progress import Progress

# Votes in one task; what is trained costs more than all of them.
_TASK_RUNS = 16
# Rough costs of a trained run, a search and a task's own start, in votes.
_TRAINED, _SEARCH, _START = 100, 100, 20


@dataclass(frozen=True)
class Tasks:
    """Runs grouped into tasks.

    Attributes
    ----------
    runs : list of list of Scenario
    graphs : dict of Scenario to int
        The geometries whose graphs are large enough to be kept on disk, with the neighbors that
        they must hold: to be searched before the tasks, each of which may then read them.
    """

    runs: list[list[Scenario]]
    graphs: dict[Scenario, int]

    @classmethod
    def of(
        cls,
        scenarios: Sequence[Scenario],
        database_root: str | Path = DATABASE_ROOT,
        *,
        one_memory: bool,
    ) -> "Tasks":
        """Group the runs of a sweep.

        All votes on one geometry are one task, so that no graph is searched twice, unless tasks can
        share the graph: in `one_memory`, or on disk.
        """
        from wann_core.experiments.probe_runs import batches

        probes = [s for s in scenarios if s.method in LOSSES]
        made = [[probes[i] for i in batch] for batch in batches(probes)]
        groups: dict[Scenario, dict[Scenario, list[Scenario]]] = {}
        for scenario in (s for s in scenarios if s.method not in LOSSES):
            labeling = scenario.labeling()
            # What is fitted to the labels searches by itself.
            searched = labeling if scenario.reduction == "LDA" else scenario.geometry()
            groups.setdefault(searched, {}).setdefault(labeling, []).append(scenario)
        graphs: dict[Scenario, int] = {}
        for searched, labelings in groups.items():
            large = is_large(searched, database_root)
            if large and searched.reduction != "LDA":
                votes = [s for one in labelings.values() for s in one]
                graphs[searched] = max(map(graph_neighbors, votes))
            runs = list(labelings.values())
            made += _portions(runs) if large or one_memory else [[s for one in runs for s in one]]
        return cls(made, graphs)


def _portions(labelings: list[list[Scenario]]) -> list[list[Scenario]]:
    """Collect labelings until a task is large enough."""
    made: list[list[Scenario]] = []
    room = 0
    for runs in labelings:
        if room <= 0:
            made.append([])
            room = _TASK_RUNS
        made[-1] += runs
        room -= sum(_TASK_RUNS if s.method in TRAINED else 1 for s in runs)
    return made


def count_graphs(scenarios: Sequence[Scenario]) -> int:
    """Neighbor graphs that scenarios need: one a geometry, and one a labeling under LDA, fLDA."""
    searched = set()
    for scenario in scenarios:
        if scenario.method not in LOSSES:
            fitted = scenario.reduction in ("LDA", "fLDA")
            searched |= {scenario.labeling()} if fitted else set()
            searched |= set() if scenario.reduction == "LDA" else {scenario.geometry()}
    return len(searched)


def is_large(scenario: Scenario, database_root: str | Path = DATABASE_ROOT) -> bool:
    """Whether a scenario's graph is kept on disk, judged by the headers of its files."""
    rows, test_rows, columns = size_of(scenario.dataset, scenario.backbone, database_root)
    rows = min(rows, scenario.num_subsamples or rows)
    return is_kept(rows, test_rows, columns)


def size_of(
    dataset: str, backbone: str, database_root: str | Path = DATABASE_ROOT
) -> tuple[int, int, int]:
    """Training rows, test rows and columns of a database; zeros where there is none."""
    if (dataset, backbone) == BUILT_IN:
        return 1200, 597, 64
    name = human_labels.base(dataset) or dataset
    found = inventory.database_of(database_root, name, backbone)
    if found is None or found.state != "ready":
        return 0, 0, 0
    return found.rows.get("train", 0), found.rows.get("test", 0), found.columns


# Rough figures of one core: multiplications a second of a search; seconds a row of a vote; seconds
# a row and column of training a probe, and logistic regression with its choice of C.
_SEARCHED, _VOTE, _PROBE, _REGRESSION = 2e10, 1.5e-6, 3e-7, 1e-6


def estimate_seconds(
    scenarios: Sequence[Scenario], database_root: str | Path = DATABASE_ROOT
) -> float:
    """Estimate a sweep's seconds on this machine, without stored results.

    Distinguishes minutes from hours: data, caches and other work on the machine decide the rest.
    """
    sizes: dict[tuple[str, str], tuple[int, int, int]] = {}
    searched: set[Scenario] = set()
    seconds = 0.0
    for scenario in scenarios:
        pair = scenario.dataset, scenario.backbone
        if pair not in sizes:
            sizes[pair] = size_of(*pair, database_root)
        rows, test_rows, columns = sizes[pair]
        rows = min(rows, scenario.num_subsamples or rows)
        if scenario.method in LOSSES:
            seconds += _PROBE * rows * columns
            continue
        key = scenario.labeling() if scenario.reduction in ("LDA", "fLDA") else scenario.geometry()
        if key not in searched:
            searched.add(key)
            seconds += rows * (rows + test_rows) * columns / _SEARCHED
        costly = scenario.method in LOGISTIC
        seconds += _REGRESSION * rows * columns if costly else _VOTE * (rows + test_rows)
    return seconds / (os.cpu_count() or 1)


class Part:
    """The progress callback of one task."""

    def __init__(self, meter: "Meter", number: int) -> None:
        self._meter, self._number = meter, number

    def __call__(self, done: float, total: float, text: str) -> None:
        """Report the task's progress; raises what stops the sweep."""
        # Tasks count their own runs; the meter counts those of all.
        what = text.partition(": ")[2] if self._number < len(self._meter.runs) else text
        self._meter.report(self._number, done / total if total else 0.0, what)

    def count(self) -> None:
        """Count a finished run."""
        self._meter.ended += 1

    def done(self) -> None:
        """Mark the task as finished."""
        self._meter.ended += self._meter.runs[self._number]
        self._meter.report(self._number, 1.0, "")


class Stopped(Exception):
    """Raised in running tasks of a canceled sweep."""


class Meter:
    """Progress of a sweep, summed over its tasks.

    Parameters
    ----------
    tasks : sequence of sequence of Scenario
    graphs : int
        Searches that come before them; their parts count on from the tasks'.
    progress : callable or None
        Called by one thread at a time; may raise to stop.
    """

    def __init__(
        self, tasks: Sequence[Sequence[Scenario]], graphs: int, progress: Progress | None
    ) -> None:
        self.runs = [len(task) for task in tasks]
        self.ended = 0
        costs = [_START + sum(_TRAINED if s.method in TRAINED else 1 for s in t) for t in tasks]
        self._weights = [*costs, *[_SEARCH] * graphs]
        self._shares = [0.0] * len(self._weights)
        self._progress = progress
        self._stopped = False
        self._reason: BaseException | None = None
        self._lock = threading.Lock()

    def part(self, number: int) -> Part:
        """The callback of a task, or of a search after them."""
        return Part(self, number)

    def report(self, number: int, share: float, what: str) -> None:
        """Record one part's progress and report the total."""
        with self._lock:
            if self._stopped:
                raise Stopped
            self._shares[number] = max(share, self._shares[number])
            if self._progress is None:
                return
            done = sum(w * s for w, s in zip(self._weights, self._shares, strict=True))
            ended = f"{self.ended:,} of {sum(self.runs):,} runs have ended"
            try:
                self._progress(done, sum(self._weights), f"{ended}: {what}" if what else ended)
            except BaseException as reason:
                self._stopped, self._reason = True, reason
                raise

    def stop(self) -> None:
        """Stop running tasks at their next report."""
        self._stopped = True

    @contextlib.contextmanager
    def reasoned(self) -> Iterator[None]:
        """Raise the original error, even if a task that it stopped ends first."""
        try:
            yield
        except Stopped:
            if self._reason is None:
                raise
            raise self._reason from None
