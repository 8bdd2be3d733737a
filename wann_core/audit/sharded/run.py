"""The audit of partitions on a Dask cluster, from files to files."""

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from wann_core.audit.judging.duplicates import NEAR
from wann_core.audit.judging.neighbor_votes import NEIGHBORS
from wann_core.audit.judging.shares import ABSORBING_ROUNDS, first_absorbing
from wann_core.audit.judging.trust import warnings
from wann_core.audit.sharded import columns, output, parts, tasks, votes
from wann_core.audit.sharded.output import PartitionedAudit
from wann_core.datasets.tables import Columns
from wann_core.datasets.tables.values import class_of
from wann_core.errors import WannError, check_choice
from wann_core.neighbors.cluster import require_dask, shard_graphs
from wann_core.neighbors.cluster_cells import grouped_graph
from wann_core.neighbors.graph import describe
from wann_core.progress import Progress

if TYPE_CHECKING:
    from distributed import Client, Future

# Of one more dimension the discriminant is left out, see `serves`.
_MOST_COLUMNS = 4096
_MOST_ROWS = 2**31 - 1
_TICK_SECONDS = 1.0
# From this many rows on they are grouped by nearness.
GROUPED_ROWS = 100_000


def audit_partitions(
    client: "Client",
    pattern: str,
    chosen: Columns,
    out: str,
    *,
    search: str = "auto",
    seed: int = 0,
    progress: Progress | None = None,
) -> PartitionedAudit:
    """Judge every label of a table in partitions by the other rows, without a probe.

    The regression on soft labels that an audit on one machine adds is left out, too.

    The workers read the partitions, search, vote and write; the client sees a few numbers of each
    partition. Work of a worker that is lost is done again on another one.

    Parameters
    ----------
    client : distributed.Client
        Of the cluster, whose workers reach the files by the same addresses.
    pattern : str
        A folder, or a path with wildcards, on this machine or in a storage that fsspec knows.
    chosen : Columns
        What is what in each partition.
    out : str
        A new or empty folder for the result.
    search : {'auto', 'flat'}
        'flat' compares all rows with all rows. 'auto' does so below 100,000 rows; of more, rows are
        grouped by nearness, and only groups within reach are looked through, as long as a recall of
        0.9999 is measured.
    seed : int
        Deals the folds of the discriminant.
    progress : callable, optional
        `progress(done, total, text)`; may raise to stop.

    Returns
    -------
    PartitionedAudit

    Raises
    ------
    WannError
        If Dask is not installed, a partition cannot be read, or there are too few rows or classes.
    """
    require_dask()
    check_choice("search", search, ("auto", "flat"))
    sources = parts.partitions(pattern)
    folder = output.prepared(out)
    run = _Run(client, progress)
    try:
        return _audited(run, sources, chosen, folder, search, seed)
    except BaseException:
        run.cancel()
        raise


@dataclass(eq=False)
class _Run:
    """Submits tasks and waits for them."""

    client: "Client"
    progress: Progress | None
    # Held by nobody but who needs them, so that the cluster forgets what is no longer needed.
    live: "weakref.WeakSet[Future[Any]]" = field(default_factory=weakref.WeakSet)

    def task(self, work: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        future = self.client.submit(work, *arguments, pure=False)
        self.live.add(future)
        return future

    def each(self, work: Callable[..., Any], *lists: Sequence[Any]) -> "list[Future[Any]]":
        """One task for each shard."""
        return [self.task(work, *some) for some in zip(*lists, strict=True)]

    def together(self, work: Callable[..., Any], futures: "Sequence[Future[Any]]") -> Any:
        """One result of all, by a task for each two of them: none holds more than that."""
        found = list(futures)
        while len(found) > 1:
            pairs = [found[i : i + 2] for i in range(0, len(found), 2)]
            found = [self.task(work, pair) if len(pair) > 1 else pair[0] for pair in pairs]
        return found[0]

    def wait(self, futures: "Sequence[Future[Any]]", text: str) -> None:
        """Until all are done; progress is called every second, and may raise."""
        distributed, waiting = require_dask(), set(futures)
        while waiting:
            try:
                done, waiting = distributed.wait(
                    waiting, timeout=_TICK_SECONDS, return_when="FIRST_COMPLETED"
                )
            except TimeoutError:
                done = ()
            for future in done:
                if future.status == "error":
                    future.result()
            if self.progress is not None:
                count = len(futures)
                self.progress(count - len(waiting), count, f"{text}, on the cluster")

    def watch(self, futures: "Sequence[Future[Any]]", text: str) -> None:
        """The same of tasks that others have submitted."""
        self.live.update(futures)
        self.wait(futures, text)

    def results(self, futures: "Sequence[Future[Any]]", text: str) -> list[Any]:
        """What small tasks answer."""
        self.wait(futures, text)
        found: list[Any] = self.client.gather(list(futures))  # type: ignore[no-untyped-call]
        return found

    def cancel(self) -> None:
        """Give up all that is under way."""
        waiting = [future for future in self.live if future.status == "pending"]
        if waiting:
            self.client.cancel(waiting)  # type: ignore[no-untyped-call]


@dataclass(eq=False)
class _Shards:
    """Rows on the workers, and what is known of them; one entry a shard."""

    X: "list[Future[Any]]"
    rows: "list[Future[Any]]"  # their numbers among all rows, rising
    labels: "Future[Any]"  # of all rows, as one column
    n: int
    n_classes: int


def _audited(
    run: _Run, sources: list[str], chosen: Columns, folder: str, search: str, seed: int
) -> PartitionedAudit:
    read = [run.task(parts.read_part, source, chosen) for source in sources]
    known = run.results(run.each(parts.facts, read), "reading partitions")
    names = _classes(known)
    place = {name: i for i, name in enumerate(names)}
    meaning = [[place.get(name, -1) for name in one.class_names] for one in known]
    raw = run.each(parts.class_column, read, meaning)
    read = run.each(parts.without_unlabeled, read, raw)
    given = run.each(parts.class_column, read, meaning)
    sizes = run.results(run.each(len, given), "reading partitions")
    starts = np.concatenate([[0], np.cumsum(sizes)])
    n = int(starts[-1])
    _check(known, n, len(names))
    X = _scaled(run, read)
    named = run.each(parts.without_embeddings, read)
    run.wait([*X, *named], "scaling")
    del read, raw
    rows = [run.task(np.arange, int(a), int(b)) for a, b in pairwise(starts)]
    labels = run.task(columns.assembled, rows, given, n)
    shards, graph, description = _searched(run, _Shards(X, rows, labels, n, len(names)), search)
    del X
    found = _judged(run, shards, graph, seed)
    if shards.rows is not rows:
        own = [run.task(tasks.put_back, shards.rows, found.columns, one) for one in rows]
    else:
        own = found.columns
    tables = [
        run.task(tasks.table, part, labels_of, columns_of, names)
        for part, labels_of, columns_of in zip(named, given, own, strict=True)
    ]
    numbers, called = list(range(len(sources))), output.partition_names(sources)
    best = run.each(output.write_part, [folder] * len(sources), numbers, called, tables)
    run.wait(best, "writing the result")
    first = run.together(output.most_doubtful, best)
    written = run.task(output.write_doubtful, folder, first)
    doubtful = run.results([written], "writing the result")[0]
    noise, facts = found.noise, found.facts
    summary = {
        "labels": noise.rows,
        "wrong": noise.count,
        "wrong_low": noise.low,
        "wrong_high": noise.high,
        "rate": noise.rate,
        "not_judged": n - noise.rows,
        "trust": facts["trust"],
        "warnings": list(
            warnings(facts["trust"], facts["agreement"], noise.rate, facts["clusters"])
        ),
        "notes": list(noise.notes),
        "search": description,
        "class_names": list(names),
        "rates_of_classes": noise.transition.rates.tolist(),
        "doubtful": doubtful,
        "left_out": sum(one.left_out for one in known),
        "partitions": [
            {"source": source, "name": called[i], "result": output.result_name(i), "rows": size}
            for i, (source, size) in enumerate(zip(sources, sizes, strict=True))
        ],
    }
    output.write_summary(folder, summary)
    return output.open_partitioned(folder)


def _searched(run: _Run, shards: _Shards, search: str) -> "tuple[_Shards, list[Future[Any]], str]":
    """The graph of the shards, or of groups that took their place, and how it was searched."""
    k = min(NEIGHBORS, shards.n - 1)
    if search == "auto" and shards.n >= GROUPED_ROWS and len(shards.X) > 1:
        groups = grouped_graph(run.client, shards.X, shards.rows, shards.n, k, run.watch)
        if groups is not None:
            description = describe("grouped", groups.recall, groups.sampled)
            return replace(shards, X=groups.X, rows=groups.rows), groups.graph, description
    graph = shard_graphs(run.client, shards.X, k)
    run.watch(graph, "searching neighbors")
    return shards, graph, describe("flat", 1.0, 0)


def _classes(known: Sequence[parts.PartFacts]) -> tuple[str, ...]:
    """All classes in their order, numbers by value."""
    given = dict.fromkeys(name for one in known for name in one.class_names)
    meant, _ = class_of(given)
    return tuple(dict.fromkeys(name for name in meant.values() if name is not None))


def _check(known: Sequence[parts.PartFacts], n: int, n_classes: int) -> None:
    widths = sorted({one.columns for one in known if one.rows})
    if len(widths) > 1:
        found = ", ".join(map(str, widths))
        raise WannError(f"all partitions must have the same dimensions, got {found}.", "path")
    if n < 3 or n_classes < 2:
        raise WannError(
            f"an audit needs at least 3 labeled rows of 2 classes, got {n} of {n_classes}.", "path"
        )
    if n > _MOST_ROWS:
        raise WannError(f"an audit takes at most {_MOST_ROWS:,} rows, got {n:,}.", "path")


def _scaled(run: _Run, read: "list[Future[Any]]") -> "list[Future[Any]]":
    """The rows z-scored by the mean and deviation of all."""
    whole = run.together(parts.added, run.each(parts.sums, read))
    squared = run.each(parts.squares, read, [whole] * len(read))
    scale = run.task(parts.scale_of, whole, squared)
    return run.each(parts.z_scored, read, [scale] * len(read))


@dataclass(frozen=True, eq=False)
class _Judged:
    noise: Any
    facts: dict[str, Any]
    columns: "list[Future[Any]]"  # of each shard, a dict of columns


def _judged(run: _Run, shards: _Shards, graph: "list[Future[Any]]", seed: int) -> _Judged:
    """Votes, discriminants, scores and the number of wrong labels."""
    count, C, n = len(shards.X), shards.n_classes, shards.n

    def same(value: Any) -> list[Any]:
        return [value] * count

    local = run.each(votes.local_of, shards.rows, graph, same(shards.labels))
    reliable = run.each(votes.reliable, local, same(C))
    adaptive = run.each(tasks.adaptive, reliable)
    k = run.task(columns.assembled, shards.rows, adaptive, n)
    owner = run.task(columns.owners, shards.rows, n)
    sent = run.each(votes.by_owner, reliable, same(owner), same(count))
    received = [[run.task(tasks.item, one, shard) for one in sent] for shard in range(count)]
    weights = run.each(votes.weights_of, local, same(k), received)
    voted = run.each(votes.votes_of, local, weights, same(C))
    run.wait(voted, "counting votes")
    first = again = same(None)
    width = int(run.results([run.task(tasks.width, shards.X[0])], "counting votes")[0])
    if min(n, width) <= _MOST_COLUMNS:
        first, again = _discriminants(run, shards, local, seed)
    shares = run.each(votes.ranking_shares, voted, again, local)
    run.wait(shares, "linear discriminants")
    sure = run.task(columns.named, shards.rows, run.each(votes.surest_of, shares), n)
    T = run.task(columns.ranking_transition, sure, shards.labels, C)
    judgeable = run.task(tasks.spoken_for, shards.labels, C)
    scored = run.each(votes.judged_rows, shares, local, voted, same(T), same(judgeable))
    kept = run.each(columns.counted, shards.rows, same(n), same(C))
    numbers = run.each(tasks.take, shards.rows, kept)
    counting = run.each(votes.counting_shares, voted, first, local, kept)
    opinions = run.each(tasks.opinions, voted, first, kept)
    noise = run.task(columns.noise_of, numbers, counting, opinions, shards.labels, judgeable)
    run.wait([*scored, noise], "scoring labels")
    spaced = run.each(votes.spacing, local)
    space = run.task(columns.named, shards.rows, spaced, n)
    limit = run.task(columns.limit_of, space, NEAR)
    pairs = run.each(votes.pairs_of, local, same(limit))
    ranks = run.task(columns.named, shards.rows, run.each(tasks.ranks, scored), n)
    halves = run.each(tasks.halves, voted)
    whole = run.task(columns.finished, ranks, space, pairs, limit, shards.labels, noise, halves)
    facts, estimate = run.results([run.task(columns.facts_of, whole), noise], "ranking the rows")
    own = run.each(tasks.own, shards.rows, same(whole), scored, adaptive)
    return _Judged(estimate, facts, own)


def _discriminants(
    run: _Run, shards: _Shards, local: "list[Future[Any]]", seed: int
) -> "tuple[list[Any], list[Any]]":
    """Out-of-fold answers, and those of a second fit that weighs rows by the first."""
    count, C = len(shards.X), shards.n_classes

    def same(value: Any) -> list[Any]:
        return [value] * count

    folds = run.task(columns.folds_of, shards.labels, seed)
    center = run.task(parts.total_of, run.each(parts.row_sum, shards.X))

    def answers(*weights: Sequence[Any]) -> "list[Future[Any]]":
        rest = same(folds), same(center), same(C)
        sums = run.each(votes.scatter_of, shards.X, local, *rest, *weights)
        fits = run.task(votes.fits_of, run.together(parts.added, sums))
        given = same(folds), same(center), same(fits), same(C)
        return run.each(votes.answers_of, shards.X, local, *given)

    first = answers()
    T: Any = first_absorbing(C)
    for _ in range(ABSORBING_ROUNDS):
        counted = run.each(votes.absorb, first, local, same(T))
        T = run.task(votes.absorbing_transition, run.each(tasks.item, counted, same(0)))
    belief = run.each(tasks.item, counted, same(1))
    mean = run.task(tasks.mean, run.each(votes.belief_sum, belief))
    return first, answers(belief, same(mean))
