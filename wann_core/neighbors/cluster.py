"""The exact neighbor graph of rows that lie in shards on the workers of a Dask cluster.

Each worker keeps its shards and answers every batch of queries with its own best k; the answers are
merged by the float64 distances that the single-machine graph ranks by, so that both graphs are the
same bit for bit. Needs `pip install 'wann-explorer[cluster]'`.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wann_core.errors import WannError, check_installed, check_number
from wann_core.neighbors.exact import Flat, Found, empty, floats
from wann_core.neighbors.graph import NeighborGraph, as_matrix
from wann_core.progress import Progress
from wann_core.typing import Array

if TYPE_CHECKING:
    from distributed import Client, Future

# Makes the rows of one shard, on the worker that keeps them.
Loader = Callable[[], npt.ArrayLike]

# Queries of one task: few enough that lost work is soon done again.
_BATCH = 8192
_BATCH_BYTES = 8 << 20


def sharded_graph(
    client: "Client",
    shards: Sequence[npt.ArrayLike | Loader],
    X_test: npt.ArrayLike | None = None,
    *,
    k: int = 51,
    progress: Progress | None = None,
) -> NeighborGraph:
    """Search the k nearest training rows of all rows exactly, on a Dask cluster.

    Work of a worker that is lost is done again on another one.

    Parameters
    ----------
    client : distributed.Client
        Of the cluster.
    shards : sequence of array-like of shape (n_i, d), or of callables
        The training rows, one shard after the other; together n rows. A callable is run on the
        worker that keeps its shard, and again wherever the shard is read again: data that are
        larger than this machine never pass through it.
    X_test : array-like of shape (m, d), optional
    k : int
        Neighbors a row; cut to n - 1 for training rows and to n for test rows.
    progress : callable, optional
        `progress(rows done, rows in all, text)`; may raise to stop.

    Returns
    -------
    NeighborGraph
        As `NeighborGraph.build(…, search='flat')` of all rows on one machine.

    Raises
    ------
    WannError
        If Dask is not installed, a shard is not a finite table of numbers, columns or types differ,
        or there are fewer than two training rows.
    """
    check_number("k", k, 1, whole=True)
    distributed = require_dask()
    test = None if X_test is None else floats(as_matrix(X_test, "X_test"))
    placed = _Placed.on(client, shards)
    if test is not None and test.shape[1] != placed.columns:
        raise WannError(
            f"`X_test` must have the {placed.columns} columns of the shards, got {test.shape[1]}."
        )
    n, m = int(placed.starts[-1]), 0 if test is None else len(test)
    found = {"train": empty(n, min(k, n - 1)), "test": empty(m, min(k, n))}
    tasks = placed.train_tasks(min(k, n - 1))
    if test is not None:
        tasks |= placed.test_tasks(test, min(k, n))
    done = 0
    try:
        for future, (ids, distances) in distributed.as_completed(list(tasks), with_results=True):
            split, part = tasks[future]
            found[split][0][part], found[split][1][part] = ids, distances
            future.release()
            done += len(ids)
            if progress is not None:
                progress(done, n + m, "searching neighbors on the cluster")
    except BaseException:
        # What these depend on goes with them. Named beside them, it may be gone already, over which
        # Dask's scheduler drops the client.
        client.cancel([*tasks])  # type: ignore[no-untyped-call]
        raise
    return NeighborGraph(*found["train"], *(() if test is None else found["test"]))


def shard_graphs(client: "Client", shards: "Sequence[Future[Any]]", k: int) -> "list[Future[Any]]":
    """The same graph shard by shard: ids (n_i, k) in all rows and distances, left on the workers.

    Parameters
    ----------
    client : distributed.Client
    shards : sequence of Future of ndarray of shape (n_i, d), float32
        One shard after the other.
    k : int
        At most n - 1.
    """
    placed = _Placed.of(client, list(shards))
    parts: list[list[Future[Any]]] = [[] for _ in shards]
    for future, (_, rows) in placed.train_tasks(k).items():
        parts[int(np.searchsorted(placed.starts, rows.start, side="right")) - 1].append(future)
    return [client.submit(_joined, found, k, pure=False) for found in parts]


def require_dask() -> Any:
    """The package `distributed`, or `WannError` with the way to install it."""
    check_installed("a cluster", "distributed", field="cluster")
    import distributed

    return distributed


@dataclass(frozen=True, eq=False)
class _Placed:
    """Shards on their workers: the rows, and the rows ready to be searched."""

    client: "Client"
    rows: "list[Future[Any]]"
    kept: "list[Future[Any]]"
    starts: Array  # of each shard among all rows, and where the last one ends
    columns: int

    @classmethod
    def on(cls, client: "Client", shards: Sequence[npt.ArrayLike | Loader]) -> "_Placed":
        if not shards:
            raise WannError("`shards` must hold at least one shard, got none.", "shards")
        with warnings.catch_warnings():
            # Shards that are given as arrays travel with their tasks, to be there if a worker dies.
            warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
            rows = [client.submit(_load, shard, i, pure=False) for i, shard in enumerate(shards)]
        return cls.of(client, rows)

    @classmethod
    def of(cls, client: "Client", rows: "list[Future[Any]]") -> "_Placed":
        """Of rows that are on the workers."""
        kept = [client.submit(_ready, shard, pure=False) for shard in rows]
        asked = [client.submit(_shape, shard, pure=False) for shard in rows]
        shapes = client.gather(asked)  # type: ignore[no-untyped-call]
        kinds = {(columns, kind) for _, columns, kind in shapes}
        if len(kinds) > 1:
            found = ", ".join(sorted(f"{columns} of {kind}" for columns, kind in kinds))
            raise WannError(f"all shards must have the same columns, got {found}.", "shards")
        starts = np.concatenate([[0], np.cumsum([size for size, _, _ in shapes])])
        if starts[-1] < 2:
            raise WannError(
                f"a neighbor graph needs at least 2 training rows, got n_samples = {starts[-1]}."
            )
        return cls(client, rows, kept, starts, shapes[0][1])

    @property
    def step(self) -> int:
        """Queries of one task."""
        return max(1, min(_BATCH, _BATCH_BYTES // (8 * self.columns)))

    def train_tasks(self, k: int) -> "dict[Future[Any], tuple[str, slice]]":
        """The tasks that find the neighbors of the shards' own rows, and of which they are."""
        tasks = {}
        for shard, start, end in zip(self.rows, self.starts, self.starts[1:], strict=False):
            for first in range(0, int(end - start), self.step):
                last = min(first + self.step, int(end - start))
                batch = self.client.submit(_rows, shard, first, last, pure=False)
                own = slice(int(start) + first, int(start) + last)
                tasks[self._merged(batch, own, k)] = ("train", own)
        return tasks

    def test_tasks(self, test: Array, k: int) -> "dict[Future[Any], tuple[str, slice]]":
        """The same for other rows."""
        tasks = {}
        for first in range(0, len(test), self.step):
            part = slice(first, min(first + self.step, len(test)))
            # With the task, not scattered: what is scattered dies with its worker.
            batch = self.client.submit(np.array, test[part], pure=False)
            tasks[self._merged(batch, None, k)] = ("test", part)
        return tasks

    def _merged(self, batch: "Future[Any]", own: slice | None, k: int) -> "Future[Any]":
        """The task that merges what each shard answers to a batch."""
        answers = [
            self.client.submit(_answer, shard, batch, int(start), own, k, pure=False)
            for shard, start in zip(self.kept, self.starts, strict=False)
        ]
        return self.client.submit(merge, answers, k, pure=False)


def _load(shard: npt.ArrayLike | Loader, number: int) -> Array:
    """The rows of a shard, on its worker."""
    return floats(as_matrix(shard() if callable(shard) else shard, f"shards[{number}]"))


def _ready(rows: Array) -> Flat | None:
    """A shard ready to be searched; None if it is empty."""
    return Flat(rows) if len(rows) else None


def _joined(found: Sequence[Found], k: int) -> Found:
    """What is found for the batches of a shard."""
    if not found:
        return empty(0, k)
    return np.concatenate([ids for ids, _ in found]), np.concatenate([far for _, far in found])


def _shape(rows: Array) -> tuple[int, int, str]:
    return len(rows), rows.shape[1], rows.dtype.name


def _rows(rows: Array, start: int, stop: int) -> Array:
    return rows[start:stop]


def _answer(
    shard: Flat | None, batch: Array, start: int, own: slice | None, k: int
) -> tuple[Array, Array]:
    """Ids in all rows and squared distances of the nearest rows of one shard, (b, at most k)."""
    size = 0 if shard is None else len(shard.train)
    own_here = np.full(len(batch), -1)
    if own is not None and start <= own.start < start + size:
        own_here = np.arange(own.start, own.stop) - start
        size -= 1
    found = min(k, size)
    if shard is None or not found:
        return np.empty((len(batch), 0), np.int64), np.empty((len(batch), 0))
    ids, squares = shard.ranked(batch, own_here, found)
    return ids.astype(np.int64) + start, squares


def merge(answers: Sequence[tuple[Array, Array]], k: int) -> Found:
    """The k nearest of what several shards answer to the same queries; equal: lowest id first.

    Parameters
    ----------
    answers : sequence of (ids, squares), each of shape (b, k_i), int64 and float64
        Squared distances: faiss's heaps merge in float32, in which rows tie that do not.
    k : int

    Examples
    --------
    >>> one = np.array([[0, 2]]), np.array([[1.0, 4.0]])
    >>> ids, distances = merge([one, (np.array([[5, 7]]), np.array([[1.0, 2.25]]))], 3)
    >>> ids.tolist(), distances.tolist()
    ([[0, 5, 7]], [[1.0, 1.0, 1.5]])
    """
    ids = np.concatenate([ids for ids, _ in answers], axis=1)
    squares = np.concatenate([squares for _, squares in answers], axis=1)
    order = np.lexsort((ids, squares), axis=1)[:, :k]
    nearest = np.take_along_axis(squares, order, axis=1)
    merged = np.take_along_axis(ids, order, axis=1)
    return merged.astype(np.int32), np.sqrt(nearest).astype(np.float32)
