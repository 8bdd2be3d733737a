"""Which search a graph gets: the cheapest that finds what exact search does, on a sample."""

from dataclasses import dataclass, replace
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from wann_core import candidates
from wann_core.clustered import Cells, Clustered
from wann_core.flat import SPARE, Flat, Found, Tell, floats
from wann_core.two_stage import Rotation, TwoStage, narrow

Array = npt.NDArray[Any]

SEARCHES = ("auto", "flat")

# Below this a flat search takes a few seconds.
_ROWS = 10_000
_VALUES = 10_000 * 256
_NARROWEST = 64
# From here on cells are tried, whose recall a graph of so many rows may be content with.
_CLUSTERED_ROWS = 300_000
RECALL, CLUSTERED_RECALL = 0.9999, 0.999
_SIZES = (16, 32, 48, 64, 96, 128, 192)
# Share of the tolerable misses that cells, dimensions and candidates are chosen to make on one
# sample, as another one, which has the last word, differs by chance. Who fails chooses once more on
# both.
_MARGIN = 0.6
_ATTEMPTS = 2
_MOST_CANDIDATES = 10
_WIDEST_CLUSTERED = 128
# Costs in multiplications of a matrix product, measured on one core: of looking at a row beside
# multiplying it, of a candidate that is kept and sorted, and of each of its values when ranked.
_ROW_COST = 4
_CANDIDATE_COST = 16_000
_RANK_COST = 24
# A row in a cell costs so many times what it does among all rows.
_CELL_COST = 3
# The plan is made where it saves at least this share of a flat search.
_WORTHWHILE = 0.8
# One query in so many, at least and at most.
_CALIBRATING = (100, 128, 512)
_VERIFYING = (75, 256, 768)
_SEED = 0


@dataclass(frozen=True, eq=False)
class Queries:
    """What a graph asks for: neighbours of the training rows, and of test rows if there are any.

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
    """Queries whose exact neighbours are known.

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
        """Share of the exact neighbours that were found."""
        both = zip(self.ids, found, strict=True)
        return sum(len(np.intersect1d(a, b)) for a, b in both) / self.ids.size


@dataclass(frozen=True, eq=False)
class Plan:
    """A search, and what it is known to find.

    Attributes
    ----------
    method : {'flat', 'two-stage', 'IVF'}
    searcher : TwoStage, Clustered or None
        None for a flat search.
    recall : float
        Share of the exact neighbours that it found on a sample.
    sampled : int
        Queries of that sample; 0 for a flat search.
    """

    method: str = "flat"
    searcher: TwoStage | Clustered | None = None
    recall: float = 1.0
    sampled: int = 0


def plan(flat: Flat, queries: Queries, tell: Tell | None = None) -> Plan:
    """The cheapest search for so many rows that reaches the recall, checked on a fresh sample.

    Parameters
    ----------
    flat : Flat
        The training rows, ready for exact search.
    queries : Queries
    tell : callable, optional
        Told now and then; may raise to stop.
    """
    n, d = flat.train.shape
    small = n < _ROWS or n * d < _VALUES or d < _NARROWEST
    # Finding the directions costs about 10 d³.
    if small or 10 * d * d * d > 0.05 * n * len(queries) * d or queries.k * 4 > n:
        return Plan()
    drawn = np.random.default_rng(_SEED).permutation(len(queries))

    def fresh(used: int, share: tuple[int, int, int]) -> Sample:
        part, fewest, most = share
        rows = int(np.clip(len(queries) // part, fewest, most))
        return _sample(flat, queries, np.sort(drawn[used : used + rows]), tell)

    known = fresh(0, _CALIBRATING)
    space = _Space.of(flat)
    # Where cells fail, two stages over all rows may still do.
    spaces = [space] if space.cells is None else [space, replace(space, cells=None)]
    for space in spaces:
        for _ in range(_ATTEMPTS):
            made = space.cheapest(known)
            if made is None:
                break
            method, searcher = made
            sample = fresh(len(known.ids), _VERIFYING)
            (ids, _), _ = searcher.search(sample.rows, queries.k, sample.own)
            recall = sample.recall(ids)
            if recall >= (RECALL if method == "two-stage" else CLUSTERED_RECALL):
                return Plan(method, searcher, recall, len(ids))
            known = known.joined(sample)
    return Plan()


def _sample(flat: Flat, queries: Queries, positions: Array, tell: Tell | None) -> Sample:
    rows, own = queries.take(positions)
    ids, _ = flat.search(rows, queries.k, own, tell)
    return Sample(rows, own, ids)


@dataclass(frozen=True, eq=False)
class _Space:
    """The rows as they may be searched: rotated, and in cells where they are very many."""

    flat: Flat
    rotation: Rotation
    leading: Array
    cells: Cells | None
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, flat: Flat) -> "_Space":
        n, d = flat.train.shape
        clustered = n >= _CLUSTERED_ROWS
        sizes = leading_sizes(d, clustered)
        rotation = Rotation.fit(flat.train, flat.mean, sizes[-1])
        leading = rotation.project(flat.train, sizes[-1])
        return cls(flat, rotation, leading, Cells.fit(leading) if clustered else None, sizes)

    def cheapest(self, sample: Sample) -> tuple[str, TwoStage | Clustered] | None:
        """The cheapest search that should reach its recall on other rows; None for flat search."""
        n, d = self.flat.train.shape
        asked = self.rotation.project(sample.rows, self.sizes[-1])
        cells, probes, share = self.cells, 0, 1.0
        if cells is not None:
            probes = _probes(cells, asked, sample)
            share = _CELL_COST * probes / len(cells.near)
            if share > 1:
                cells, share = None, 1.0
        # Cells and candidates miss half of what may be missed each.
        target = RECALL if cells is None else (1 + CLUSTERED_RECALL) / 2
        kept = sample.ids.shape[1] + SPARE
        best, cheapest = None, _WORTHWHILE * (n * (d + _ROW_COST) + kept * _CANDIDATE_COST)
        for size in self.sizes:
            if share * n * (size + _ROW_COST) > cheapest:
                break
            at_size = narrow(self.leading, size)
            wanted = _candidates(at_size, narrow(asked, size), sample, target)
            if wanted is None:
                continue
            cost = share * n * (size + _ROW_COST) + wanted * (_CANDIDATE_COST + _RANK_COST * d)
            if cost < cheapest:
                best, cheapest = (at_size, wanted), cost
        if best is None:
            return None
        if cells is None:
            return "two-stage", TwoStage(self.flat, self.rotation, *best)
        return "IVF", Clustered(self.flat, self.rotation, *best, cells, probes)


def leading_sizes(columns: int, clustered: bool) -> tuple[int, ...]:
    """Numbers of leading dimensions worth trying, at most half of the columns.

    Examples
    --------
    >>> leading_sizes(64, False), leading_sizes(640, False)
    ((16, 32), (48, 64, 96, 128, 192))
    """
    # What must be held beside very many rows is bounded.
    most = min(columns // 2, _WIDEST_CLUSTERED if clustered else columns)
    fewest = min(columns // 16, _SIZES[-3])
    return tuple(size for size in _SIZES if fewest <= size <= most)


def _allowed(needed: Array, target: float) -> int:
    """The smallest number that is enough for all but a tolerable share of the neighbours."""
    misses = int(_MARGIN * (1 - target) * needed.size)
    return int(np.sort(needed, axis=None)[-1 - misses])


def _candidates(leading: Array, asked: Array, sample: Sample, target: float) -> int | None:
    """Candidates that leading dimensions need; None if they are too many."""
    k = sample.ids.shape[1]
    most = min(_MOST_CANDIDATES * (k + 1), len(leading))
    _, found = candidates.nearest(asked, candidates.tiles(leading), most)
    needed = _allowed(_places(found, sample.ids), target)
    return None if needed > most else min(most, max(needed, k + 1) + SPARE)


def _probes(cells: Cells, asked: Array, sample: Sample) -> int:
    """Cells that must be looked through for the neighbours of the sample to be in them."""
    _, own = faiss.knn(asked, cells.centres, 1)
    needed = _places(cells.near[own[:, 0]], cells.of_row[sample.ids])
    return _allowed(needed, (1 + CLUSTERED_RECALL) / 2)


def _places(found: Array, wanted: Array) -> Array:
    """At which place, counted from 1, each wanted id was found in its row; 2³¹ where nowhere."""
    places = np.empty(wanted.shape, np.int64)
    for row, (among, ids) in enumerate(zip(found, wanted, strict=True)):
        order = np.argsort(among)
        at = np.minimum(np.searchsorted(among, ids, sorter=order), len(among) - 1)
        places[row] = np.where(among[order[at]] == ids, order[at] + 1, 1 << 31)
    return places


def carry_out(
    chosen: Plan, flat: Flat, rows: Array, k: int, own: Array | None, tell: Tell | None
) -> tuple[Found, Array]:
    """What the planned search finds, and which rows are certified to be exact, (m,), bool."""
    if chosen.searcher is None:
        return flat.search(rows, k, own, tell), np.ones(len(rows), np.bool_)
    return chosen.searcher.search(rows, k, own, tell)
