"""Which search a graph gets: the cheapest that finds what exact search does, on a sample."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wann_core.neighbors import candidates
from wann_core.neighbors.cells import Cells
from wann_core.neighbors.exact import Flat, Found, OnDone, floats
from wann_core.neighbors.ranking import SPARE
from wann_core.neighbors.two_stage import TINY, Rotation, TwoStage, narrow
from wann_core.typing import Array

SEARCHES = ("auto", "flat", "torch")

# Below this a flat search takes a few seconds.
_ROWS = 10_000
_VALUES = 10_000 * 256
_NARROWEST = 64
# With fewer rows than that, where bytes can prove which neighbors are exact, all other searches and
# what it costs to choose them save nothing.
_APPROXIMATED = 100_000
RECALL = 0.9999
_SIZES = (16, 32, 48, 64, 96, 128, 192)
# From this many rows on, at most this many dimensions are kept in memory beside them.
_MANY_ROWS, _WIDEST = 300_000, 128
# Share of the tolerable misses that cells, dimensions and candidates are chosen to make on one
# sample, as another one, which has the last word, differs by chance. Who fails chooses once more on
# both.
_MARGIN = 0.6
_ATTEMPTS = 2
_MOST_CANDIDATES = 10
# Costs in multiplications of a matrix product, measured on one core: of looking at a row beside
# multiplying it, of a candidate that is kept and sorted, and of each of its values when ranked.
_ROW_COST = 4
_CANDIDATE_COST = 16_000
_RANK_COST = 24
# The reach beyond what the sample needs, as spare candidates are beyond what it needs.
_SPARE_REACH = 1.02
# A row in a cell costs this many times what it does among all rows: 1.1 to 1.8, measured, and some
# more, as without cells the rows most in doubt are searched again.
_CELL_COST = 2.2
# The plan is made where it saves at least this share of a flat search.
_WORTHWHILE = 0.8
# One query in this many, at least and at most.
_CALIBRATING = (100, 128, 512)
_VERIFYING = (75, 256, 768)
_SEED = 0


@dataclass(frozen=True, eq=False)
class Queries:
    """What a graph asks for: neighbors of the training rows, and of test rows if there are any.

    Attributes
    ----------
    train : ndarray of shape (n, d)
    test : ndarray of shape (m, d) or None
    k : int
        At most n - 1.
    """

    train: Array
    test: Array | None
    k: int

    def __len__(self) -> int:
        return len(self.train) + (0 if self.test is None else len(self.test))

    def take(self, positions: Array) -> tuple[Array, Array]:
        """Rows at positions of training and test rows in one count, and their own ids or -1."""
        n = len(self.train)
        own = np.where(positions < n, positions, -1)
        rows = floats(self.train[positions[positions < n]])
        if self.test is not None:
            rows = np.concatenate([rows, floats(self.test[positions[positions >= n] - n])])
        return rows, own


@dataclass(frozen=True, eq=False)
class Sample:
    """Queries whose exact neighbors are known.

    Attributes
    ----------
    rows : ndarray of shape (s, d)
    own : ndarray of shape (s,), int64
    ids : ndarray of shape (s, k), int32
    """

    rows: Array
    own: Array
    ids: Array

    def joined(self, other: "Sample") -> "Sample":
        """Both."""
        fields = ("rows", "own", "ids")
        return Sample(*(np.concatenate([getattr(self, f), getattr(other, f)]) for f in fields))

    def recall(self, found: Array) -> float:
        """Share of the exact neighbors that were found."""
        both = zip(self.ids, found, strict=True)
        return sum(len(np.intersect1d(a, b)) for a, b in both) / self.ids.size


@dataclass(frozen=True, eq=False)
class Plan:
    """A search, and what it is known to find.

    Attributes
    ----------
    method : {'flat', 'two-stage', 'IVF'}
    searcher : TwoStage or None
        None for a flat search.
    recall : float
        Share of the exact neighbors that it found on a sample.
    sampled : int
        Queries of that sample; 0 for a flat search.
    """

    method: str = "flat"
    searcher: TwoStage | None = None
    recall: float = 1.0
    sampled: int = 0


def plan(flat: Flat, queries: Queries, on_done: OnDone | None = None) -> Plan:
    """Choose the cheapest search that reaches the recall, checked on a fresh sample.

    Parameters
    ----------
    flat : Flat
        The training rows, ready for exact search.
    queries : Queries
    on_done : callable, optional
        Told now and then; may raise to stop.
    """
    n, d = flat.train.shape
    small = n < _ROWS or n * d < _VALUES or d < _NARROWEST
    # Finding the directions costs about 10 d³.
    if small or 10 * d * d * d > 0.05 * n * len(queries) * d or queries.k * 4 > n:
        return Plan()
    if n < _APPROXIMATED and flat.has_codes(queries.train, queries.k, on_done):
        return Plan()
    drawn = np.random.default_rng(_SEED).permutation(len(queries))

    def fresh(used: int, share: tuple[int, int, int]) -> Sample:
        part, fewest, most = share
        rows = int(np.clip(len(queries) // part, fewest, most))
        return _sample(flat, queries, np.sort(drawn[used : used + rows]), on_done)

    known = fresh(0, _CALIBRATING)
    whole = _Space.of(flat)
    # Where cells fail, two stages over all rows may still do.
    for space in (whole, replace(whole, cells=None)):
        for _ in range(_ATTEMPTS):
            searcher = space.cheapest(known)
            if searcher is None:
                break
            sample = fresh(len(known.ids), _VERIFYING)
            (ids, _), _ = searcher.search(sample.rows, queries.k, sample.own)
            recall = sample.recall(ids)
            if recall >= RECALL:
                method = "two-stage" if searcher.cells is None else "IVF"
                return Plan(method, searcher, recall, len(ids))
            known = known.joined(sample)
        if searcher is None or searcher.cells is None:
            break
    return Plan()


def _sample(flat: Flat, queries: Queries, positions: Array, on_done: OnDone | None) -> Sample:
    rows, own = queries.take(positions)
    ids, _ = flat.search(rows, queries.k, own, on_done)
    return Sample(rows, own, ids)


@dataclass(frozen=True, eq=False)
class _Space:
    """The rows as they may be searched: rotated, and in cells."""

    flat: Flat
    rotation: Rotation
    leading: Array
    cells: Cells | None
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, flat: Flat) -> "_Space":
        n, d = flat.train.shape
        sizes = leading_sizes(d, n >= _MANY_ROWS)
        rotation = Rotation.fit(flat.train, flat.mean, sizes[-1])
        leading = rotation.project(flat.train, sizes[-1])
        return cls(flat, rotation, leading, Cells.fit(leading), sizes)

    def cheapest(self, sample: Sample) -> TwoStage | None:
        """The cheapest search that should reach its recall on other rows; None for flat search."""
        n, d = self.flat.train.shape
        asked = self.rotation.project(sample.rows, self.sizes[-1])
        k = sample.ids.shape[1]
        most = min(_MOST_CANDIDATES * (k + 1), n)
        cheapest = _WORTHWHILE * (n * (d + _ROW_COST) + (k + SPARE) * _CANDIDATE_COST)
        far = None if self.cells is None else self.cells.distances(asked)
        rows = float(n)
        best: tuple[Array, int, Cells | None, float] | None = None
        for size in self.sizes:
            if rows * (size + _ROW_COST) > cheapest:
                break
            leading = narrow(self.leading, size)
            squares, found = candidates.nearest(
                narrow(asked, size), candidates.tiles(leading), most
            )
            places = _places(found, sample.ids)
            last = np.sqrt(np.maximum(squares, TINY))
            for cells in dict.fromkeys((None, self.cells)):
                # Cells and candidates make half of the tolerable misses each.
                target = RECALL if cells is None else (1 + RECALL) / 2
                needed = int(_allowed(places, target))
                if needed > most:
                    continue
                wanted = min(most, max(needed, k + 1) + SPARE)
                cost, reach = n * (size + _ROW_COST), np.inf
                if cells is not None:
                    reach, rows = _within(cells, far / last[:, wanted - 1, None], sample, target)
                    cost = _CELL_COST * rows * (size + _ROW_COST)
                    cost += len(cells.rows) * (self.sizes[-1] + _ROW_COST)
                cost += wanted * (_CANDIDATE_COST + _RANK_COST * d)
                if cost < cheapest:
                    best, cheapest = (leading, wanted, cells, reach), cost
        return None if best is None else TwoStage(self.flat, self.rotation, *best)


def leading_sizes(columns: int, many: bool) -> tuple[int, ...]:
    """Numbers of leading dimensions worth trying, at most half of the columns.

    Examples
    --------
    >>> leading_sizes(64, False), leading_sizes(640, False)
    ((16, 32), (48, 64, 96, 128, 192))
    """
    # What must be held beside very many rows is bounded.
    most = min(columns // 2, _WIDEST if many else columns)
    fewest = min(columns // 16, _SIZES[-3])
    return tuple(size for size in _SIZES if fewest <= size <= most)


def _allowed(needed: Array, target: float) -> Any:
    """The smallest number that is enough for all but a tolerable share of the neighbors."""
    misses = int(_MARGIN * (1 - target) * needed.size)
    return np.sort(needed, axis=None)[-1 - misses]


def _within(cells: Cells, relative: Array, sample: Sample, target: float) -> tuple[float, float]:
    """How far queries must reach for cells, and how many rows are in those within reach.

    `relative` are the distances of the centers, as multiples of that of a query's last candidate.
    """
    needed = np.take_along_axis(relative, cells.of_row[sample.ids], axis=1)
    reach = _SPARE_REACH * float(_allowed(needed, target))
    return reach, float(((relative <= reach) @ cells.rows).mean())


def _places(found: Array, wanted: Array) -> Array:
    """At which place, counted from 1, each wanted id was found in its row; 2³¹ where nowhere."""
    places = np.empty(wanted.shape, np.int64)
    for row, (among, ids) in enumerate(zip(found, wanted, strict=True)):
        order = np.argsort(among)
        at = np.minimum(np.searchsorted(among, ids, sorter=order), len(among) - 1)
        places[row] = np.where(among[order[at]] == ids, order[at] + 1, 1 << 31)
    return places


def carry_out(
    chosen: Plan, flat: Flat, rows: Array, k: int, own: Array | None, on_done: OnDone | None
) -> tuple[Found, Array]:
    """What the planned search finds, and which rows are certified to be exact, (m,), bool."""
    if chosen.searcher is None:
        return flat.search(rows, k, own, on_done), np.ones(len(rows), np.bool_)
    return chosen.searcher.search(rows, k, own, on_done)
