"""Rows on a Dask cluster grouped by nearness: of other groups only those within reach are searched.

As within one machine, see `cells`: a row looks through a group where the center of one of its cells
lies not much farther from it than the worst neighbor that it has found in its own group. How much
farther is chosen on rows whose exact neighbors are known, and the recall measured on other such
rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wann_core.neighbors.exact import Flat, Found
from wann_core.neighbors.graph import NeighborGraph
from wann_core.neighbors.plan import RECALL
from wann_core.typing import Array

if TYPE_CHECKING:
    from distributed import Client, Future

# Cells of a group, and rows of each by which they are found.
_CELLS, _FIT_ROWS = 16, 64
_ROUNDS = 8
# Rows whose exact neighbors choose the reach, and others that measure the recall.
_SAMPLE = 768
# The reach beyond what all rows of the sample need.
_SPARE_REACH = 1.05
# Where rows look through more of the other groups than this, all are searched by all.
_WORTHWHILE = 0.5
_SEED = 0


@dataclass(frozen=True, eq=False)
class Grouping:
    """Cells, and the group that each belongs to.

    Attributes
    ----------
    centers : ndarray of shape (L, d), float32
    group_of : ndarray of shape (L,), int64
    """

    centers: Array
    group_of: Array

    @classmethod
    def fit(cls, samples: Sequence[Array], groups: int) -> "Grouping":
        """Cells by k-means, in groups of about as many rows that lie near each other."""
        import faiss

        rows = np.concatenate(samples)
        count = max(groups, min(_CELLS * groups, len(rows) // 4))
        means = faiss.Kmeans(rows.shape[1], count, niter=_ROUNDS, seed=_SEED)
        means.train(rows)
        centers = np.asarray(means.centroids, np.float32)
        sizes = np.bincount(faiss.knn(rows, centers, 1)[1][:, 0], minlength=count)
        return cls(centers, bisected(centers, sizes, groups))

    def of_rows(self, X: Array) -> Array:
        """Group of each row, shape (n,), int64."""
        import faiss

        if not len(X):
            return np.empty(0, np.int64)
        return np.asarray(self.group_of[faiss.knn(X, self.centers, 1)[1][:, 0]])

    def distances(self, X: Array, groups: int) -> Array:
        """How far each row is from the nearest center of each group, (n, groups), float32."""
        import faiss

        far = np.sqrt(np.maximum(faiss.pairwise_distances(X, self.centers), 0))
        order = np.argsort(self.group_of, kind="stable")
        first = np.searchsorted(self.group_of[order], np.arange(groups))
        return np.asarray(np.minimum.reduceat(far[:, order], first, axis=1))


def bisected(centers: Array, sizes: Array, groups: int) -> Array:
    """Group of each cell: halves along the longest axis, as often as it takes; shape (L,)."""
    group_of, parts = np.empty(len(centers), np.int64), [(np.arange(len(centers)), 0, groups)]
    while parts:
        cells, first, count = parts.pop()
        if count == 1:
            group_of[cells] = first
            continue
        moved = centers[cells] - centers[cells].mean(axis=0)
        along = moved @ np.linalg.svd(moved, full_matrices=False)[2][0]
        order = cells[np.argsort(along, kind="stable")]
        left = count // 2
        rows = np.cumsum(sizes[order])
        at = int(np.searchsorted(rows, rows[-1] * left / count)) + 1
        at = int(np.clip(at, left, len(order) - (count - left)))
        parts += [(order[:at], first, left), (order[at:], first + left, count - left)]
    return group_of


@dataclass(eq=False)
class Groups:
    """Rows on the workers, by group; one entry each.

    Attributes
    ----------
    X : list of Future of ndarray of shape (n_g, d), float32
    rows : list of Future of ndarray of shape (n_g,), int64
        Their numbers among all rows, rising.
    graph : list of Future of (ids, distances)
        As of `shard_graphs`.
    recall : float
        Share of the exact neighbors that were found for `sampled` rows.
    sampled : int
    """

    X: "list[Future[Any]]"
    rows: "list[Future[Any]]"
    graph: "list[Future[Any]]"
    recall: float
    sampled: int


def grouped_graph(
    client: "Client",
    X: "Sequence[Future[Any]]",
    rows: "Sequence[Future[Any]]",
    n: int,
    k: int,
    wait: "Callable[[Sequence[Future[Any]], str], None]",
) -> Groups | None:
    """Regroup rows by nearness and search within reach; None where that saves little or misses.

    Parameters
    ----------
    client : distributed.Client
    X, rows : sequence of Future
        Rows of each shard, float32, and their numbers among all n rows, rising from shard to shard.
    n, k : int
    wait : callable
        `wait(futures, text)` returns when all are done; may raise to stop.
    """
    count = len(X)

    def each(work: Any, *lists: Sequence[Any]) -> "list[Future[Any]]":
        return [client.submit(work, *some, pure=False) for some in zip(*lists, strict=True)]

    def same(value: Any) -> list[Any]:
        return [value] * count

    drawn = np.random.default_rng(_SEED).permutation(n)
    fit = np.sort(drawn[: min(n, _FIT_ROWS * _CELLS * count)])
    samples = each(_picked, X, rows, same(fit))
    grouping = client.submit(Grouping.fit, samples, count, pure=False)
    near, numbers = _regrouped(client, X, rows, grouping, count)
    wait([*near, *numbers], "grouping rows by nearness")
    found = each(_within, near, numbers, same(k))
    wait(found, "searching neighbors within groups")
    sample = np.sort(drawn[:: max(1, n // (2 * _SAMPLE))][: 2 * _SAMPLE])
    known = _Sample.of(client, near, numbers, found, sample, k)
    chosen, fresh = np.arange(0, len(sample), 2), np.arange(1, len(sample), 2)
    far = client.submit(_distances, grouping, known.rows, count, pure=False)
    asked = client.submit(
        _reach, known.exact, known.own_found, known.groups, far, chosen, pure=False
    )
    wait([asked], "choosing how far to look")
    reach, share = asked.result()
    if share > _WORTHWHILE:
        return None
    wanted = each(_visits, near, found, same(grouping), same(reach), range(count), same(count))
    counts = client.gather(each(_counts, wanted))  # type: ignore[no-untyped-call]
    merged = []
    for g in range(count):
        answers = []
        for h in np.flatnonzero(counts[g]).tolist():
            queries = client.submit(_asking, near[g], wanted[g], h, pure=False)
            answers.append(client.submit(_answered, queries, near[h], numbers[h], k, pure=False))
        merged.append(client.submit(_merged, found[g], answers, pure=False))
    wait(merged, "searching neighbors in other groups")
    after = _Sample.found(client, numbers, merged, sample)
    recall = client.submit(_recall, known.exact, after, fresh, pure=False).result()
    if recall < RECALL:
        return None
    return Groups(near, numbers, merged, float(recall), len(fresh))


def _regrouped(
    client: "Client",
    X: "Sequence[Future[Any]]",
    rows: "Sequence[Future[Any]]",
    grouping: "Future[Any]",
    groups: int,
) -> "tuple[list[Future[Any]], list[Future[Any]]]":
    """The rows of each group and their numbers, in their order.

    Piece by piece, a task for each shard and group: none holds more than a shard or a group.
    """
    of = [client.submit(Grouping.of_rows, grouping, shard, pure=False) for shard in X]

    def dealt(columns: "Sequence[Future[Any]]") -> "list[Future[Any]]":
        return [
            client.submit(
                np.concatenate,
                [
                    client.submit(_of_group, column, found, group, pure=False)
                    for column, found in zip(columns, of, strict=True)
                ],
                pure=False,
            )
            for group in range(groups)
        ]

    return dealt(X), dealt(rows)


@dataclass(frozen=True, eq=False)
class _Sample:
    """Rows whose exact neighbors are known, on a worker; each a future."""

    rows: Any
    exact: Any
    own_found: Any
    groups: Any

    @classmethod
    def of(
        cls,
        client: "Client",
        near: "list[Future[Any]]",
        numbers: "list[Future[Any]]",
        found: "list[Future[Any]]",
        sample: Array,
        k: int,
    ) -> "_Sample":
        picked = [
            client.submit(_picked, X, rows, sample, pure=False)
            for X, rows in zip(near, numbers, strict=True)
        ]
        place = [client.submit(_places, rows, sample, pure=False) for rows in numbers]
        asked = client.submit(_ordered, picked, place, pure=False)
        answers = [
            client.submit(_exact, X, rows, asked, sample, k, pure=False)
            for X, rows in zip(near, numbers, strict=True)
        ]
        return cls(
            asked,
            client.submit(_nearest, answers, k, pure=False),
            cls.found(client, numbers, found, sample),
            client.submit(_group_of, answers, k, pure=False),
        )

    @staticmethod
    def found(
        client: "Client", numbers: "list[Future[Any]]", graph: "list[Future[Any]]", sample: Array
    ) -> Any:
        """A graph's answers on the sample."""
        parts = [
            client.submit(_graph_rows, found, rows, sample, pure=False)
            for found, rows in zip(graph, numbers, strict=True)
        ]
        place = [client.submit(_places, rows, sample, pure=False) for rows in numbers]
        return client.submit(_ordered_found, parts, place, pure=False)


def _picked(X: Array, rows: Array, wanted: Array) -> Array:
    """Those of the rows whose numbers are wanted."""
    return np.asarray(X[np.isin(rows, wanted)])


def _places(rows: Array, wanted: Array) -> Array:
    """At which places of `wanted` these rows stand."""
    return np.searchsorted(wanted, rows[np.isin(rows, wanted)])


def _ordered(parts: Sequence[Array], places: Sequence[Array]) -> Array:
    """Rows of all groups in the order of the sample."""
    return np.asarray(np.concatenate(parts)[np.argsort(np.concatenate(places))])


def _ordered_found(parts: Sequence[Found], places: Sequence[Array]) -> Found:
    order = np.argsort(np.concatenate(places))
    ids, distances = (np.concatenate([part[i] for part in parts])[order] for i in range(2))
    return ids, distances


def _graph_rows(found: Found, rows: Array, wanted: Array) -> Found:
    kept = np.isin(rows, wanted)
    return found[0][kept], found[1][kept]


def _of_group(column: Array, groups: Array, group: int) -> Array:
    """What of a shard belongs to a group."""
    return np.asarray(column[groups == group])


def _within(X: Array, rows: Array, k: int) -> Found:
    """Neighbors in the own group; fewer than k where it is small: then infinitely far."""
    ids = np.zeros((len(X), k), np.int32)
    distances = np.full((len(X), k), np.inf, np.float32)
    if len(X) > 1:
        graph = NeighborGraph.build(X, k=k)
        width = graph.train_ids.shape[1]
        ids[:, :width], distances[:, :width] = rows[graph.train_ids], graph.train_distances
    return ids, distances


def _exact(X: Array, rows: Array, asked: Array, numbers: Array, k: int) -> tuple[Array, Array]:
    """The nearest rows of a group, for rows of any group: numbers and squared distances."""
    own = np.full(len(asked), -1)
    at = np.minimum(np.searchsorted(rows, numbers), max(len(rows) - 1, 0))
    if len(rows):
        own = np.where(rows[at] == numbers, at, -1)
    found = min(k, len(rows) - 1)
    if found < 1:
        return np.empty((len(asked), 0), np.int64), np.empty((len(asked), 0))
    ids, squares = Flat(X).ranked(asked, own, found)
    return rows[ids], squares


def _nearest(answers: Sequence[tuple[Array, Array]], k: int) -> Array:
    """Numbers of the k nearest rows of all groups; equal: lowest first."""
    return _best(answers, k)[0]


def _group_of(answers: Sequence[tuple[Array, Array]], k: int) -> Array:
    """The groups that they are of."""
    return _best(answers, k)[1]


def _best(answers: Sequence[tuple[Array, Array]], k: int) -> tuple[Array, Array]:
    ids = np.concatenate([ids for ids, _ in answers], axis=1)
    squares = np.concatenate([squares for _, squares in answers], axis=1)
    of = np.repeat(np.arange(len(answers)), [ids.shape[1] for ids, _ in answers])
    order = np.lexsort((ids, squares), axis=1)[:, :k]
    return np.take_along_axis(ids, order, axis=1), of[order]


def _distances(grouping: Grouping, rows: Array, groups: int) -> Array:
    return grouping.distances(rows, groups)


def _reach(
    exact: Array, own: Found, groups: Array, far: Array, chosen: Array
) -> tuple[float, float]:
    """How far rows must reach, and the share of other groups that they then look through."""
    last = np.maximum(own[1][:, -1], np.finfo(np.float32).tiny)
    relative = far / last[:, None]
    # What is in the own group is found in any case.
    missing = ~(exact[:, :, None] == own[0][:, None, :]).any(axis=2)
    needed = np.where(missing, np.take_along_axis(relative, groups, axis=1), 0.0)[chosen]
    reach = _SPARE_REACH * float(needed.max())
    return reach, float((relative[chosen] <= reach).mean())


def _visits(
    X: Array, found: Found, grouping: Grouping, reach: float, own: int, groups: int
) -> Array:
    """Which rows look through which other group, (n_g, groups), bool."""
    if not len(X):
        return np.zeros((0, groups), bool)
    within = grouping.distances(X, groups) <= reach * found[1][:, -1:]
    within[:, own] = False
    return np.asarray(within)


def _counts(wanted: Array) -> Array:
    return np.asarray(wanted.sum(axis=0))


def _asking(X: Array, wanted: Array, group: int) -> tuple[Array, Array]:
    rows = np.flatnonzero(wanted[:, group])
    return rows, X[rows]


def _answered(
    asked: tuple[Array, Array], X: Array, rows: Array, k: int
) -> tuple[Array, Array, Array]:
    """Places of the rows that asked, and what this group answers."""
    places, queries = asked
    ids, distances = Flat(X).search(queries, min(k, len(X)))
    return places, rows[ids], distances


def _merged(found: Found, answers: Sequence[tuple[Array, Array, Array]]) -> Found:
    """The nearest of what the own and other groups answer; equal: lowest first."""
    ids, distances = found[0].copy(), found[1].copy()
    k = ids.shape[1]
    for places, others, far in answers:
        both = np.concatenate([ids[places], others], axis=1)
        apart = np.concatenate([distances[places], far], axis=1)
        order = np.lexsort((both, apart), axis=1)[:, :k]
        ids[places] = np.take_along_axis(both, order, axis=1)
        distances[places] = np.take_along_axis(apart, order, axis=1)
    return ids, distances


def _recall(exact: Array, found: Found, rows: Array) -> float:
    """Share of the exact neighbors that were found."""
    return float((exact[rows][:, :, None] == found[0][rows][:, None, :]).any(axis=2).mean())
