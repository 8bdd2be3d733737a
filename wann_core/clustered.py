"""Cells of rows that lie near each other: those far from a query need not be looked through.

An inverted file (Jégou et al., PAMI 2011) over the leading dimensions. How many cells a query looks
through is not fixed: it is those whose centres lie not much farther from it than the worst of the
candidates that it has found so far. In the midst of a cluster these are few, between clusters many.
"""

import functools
from dataclasses import dataclass
from typing import Any

import faiss
import numba
import numpy as np
import numpy.typing as npt

from wann_core import candidates
from wann_core.parallel import in_slices

Array = npt.NDArray[Any]

# Rows of a cell at least, and cells for each square root of the rows at most: looking for cells
# must cost less than looking through them.
_CELL_ROWS = 128
_CELLS = 2
_FIT_ROWS_A_CELL = 50
_ROUNDS = 8
_SEED = 0
_BLOCK = 65_536
# A query looks through so many cells before it is told how far it reaches.
_CLOSE = 3
# Queries of one task: enough of them share a cell for their product to be efficient.
_QUERIES = 256


@dataclass(frozen=True, eq=False)
class Cells:
    """A partition of the training rows by k-means.

    Attributes
    ----------
    centres : ndarray of shape (L, p + 1), float32
    of_row : ndarray of shape (n,), int32
        Cell of each training row.
    """

    centres: Array
    of_row: Array

    @property
    def size(self) -> int:
        """Leading dimensions p that the cells were made in."""
        return int(self.centres.shape[1]) - 1

    @classmethod
    def fit(cls, leading: Array) -> "Cells":
        """Cells of rows as `Rotation.project` gives them."""
        n = len(leading)
        count = max(1, int(min(n / _CELL_ROWS, _CELLS * n**0.5)))
        means = faiss.Kmeans(
            leading.shape[1], count, niter=_ROUNDS, seed=_SEED,
            max_points_per_centroid=_FIT_ROWS_A_CELL,
        )  # fmt: skip
        means.train(leading)
        centres = np.asarray(means.centroids)
        blocks = (leading[start : start + _BLOCK] for start in range(0, n, _BLOCK))
        of_row = np.concatenate([faiss.knn(block, centres, 1)[1][:, 0] for block in blocks])
        return cls(centres, of_row.astype(np.int32))

    @functools.cached_property
    def rows(self) -> Array:
        """How many rows each cell holds, shape (L,)."""
        return np.bincount(self.of_row, minlength=len(self.centres))

    def distances(self, leading: Array) -> Array:
        """How far each row is from each centre, shape (m, L), float32, for rows as in `fit`."""
        out = leading @ self.centres.T
        norms = [np.einsum("ij,ij->i", rows, rows) for rows in (leading, self.centres)]
        in_slices(_distances, len(out), *norms, out, rows=_QUERIES)
        return out


class CellTiles:
    """Rows in tiles of which each holds rows of one cell.

    Parameters
    ----------
    leading : ndarray of shape (n, p + 1), float32
    cells : Cells
    """

    def __init__(self, leading: Array, cells: Cells) -> None:
        self.cells = cells
        order = np.argsort(cells.of_row, kind="stable")
        bounds = np.searchsorted(cells.of_row[order], np.arange(len(cells.centres) + 1))
        counts = -(-np.diff(bounds) // candidates.ROWS)
        self.first = np.concatenate([[0], np.cumsum(counts)])
        self.tiled = np.empty((self.first[-1], leading.shape[1] + 1, candidates.ROWS), np.float32)
        # What is left of a tile is never found.
        self.rows = np.full(self.first[-1] * candidates.ROWS, -1)
        for cell in range(len(counts)):
            rows = order[bounds[cell] : bounds[cell + 1]]
            if len(rows):
                tiles = slice(*self.first[cell : cell + 2])
                self.tiled[tiles] = candidates.tiles(leading[rows])
                at = tiles.start * candidates.ROWS
                self.rows[at : at + len(rows)] = rows

    def nearest(
        self, queries: Array, distances: Array, reach: float, wanted: int
    ) -> tuple[Array, Array]:
        """As `candidates.nearest`, but of cells within reach alone.

        Parameters
        ----------
        queries : ndarray of shape (m, p + 1), float32
        distances : ndarray of shape (m, L), float32
            Distances of the queries from the centres.
        reach : float
            A cell is looked through if its centre lies within so many times the distance of the
            last candidate.
        wanted : int
            At least 1, at most n.
        """
        squares = np.empty((len(queries), wanted), np.float32)
        ids = np.empty((len(queries), wanted), np.int64)
        in_slices(
            _nearest, len(queries), candidates.extended(queries), distances, reach, self.tiled,
            self.first, squares, ids, rows=_QUERIES,
        )  # fmt: skip
        return squares, self.rows[ids]


@numba.njit(nogil=True, cache=True)
def _distances(start, stop, norms, centre_norms, out):  # type: ignore[no-untyped-def]
    """Make products of rows and centres distances, in place."""
    for row in range(start, stop):
        for cell in range(out.shape[1]):
            square = norms[row] + centre_norms[cell] - 2 * out[row, cell]
            out[row, cell] = np.sqrt(max(square, np.float32(0)))


@numba.njit(nogil=True, cache=True)
def _nearest(  # type: ignore[no-untyped-def]
    start, stop, queries, distances, reach, tiled, first, squares, ids
):
    m, wanted = stop - start, ids.shape[1]
    values, kept, counts, least = candidates.room_for(m, wanted)
    part, which = np.empty((m, queries.shape[1]), np.float32), np.empty(m, np.int64)
    far = distances[start:stop]
    norms, close, together = np.empty(m), np.empty(m, far.dtype), np.zeros(far.shape[1])
    for q in range(m):
        close[q] = _close(far[q])
        together += far[q]
        norms[q] = candidates.squared_norm(queries[start + q])
    order = np.argsort(together)
    # A query's nearest cells tell how far its candidates are; only then is it known which others
    # are within reach.
    for beyond in (False, True):
        for cell in order:
            few = _asking(far[:, cell], beyond, close, reach, norms, least, which)
            if not few:
                continue
            for row in range(few):
                part[row] = queries[start + which[row]]
            for t in range(first[cell], first[cell + 1]):
                candidates.look_at(
                    tiled[t], t, part[:few], which[:few], wanted, values, kept, counts, least
                )
            _cut(2 * wanted, which[:few], values, kept, counts, least, wanted)
        _cut(wanted, np.arange(m), values, kept, counts, least, wanted)
    candidates.finish(start, queries, tiled, values, kept, counts, least, squares, ids)


@numba.njit(nogil=True, cache=True)
def _cut(above, which, values, kept, counts, least, wanted):  # type: ignore[no-untyped-def]
    """Leave the best of the queries for which so many are kept."""
    for q in which:
        if counts[q] >= above:
            candidates.cut(values, kept, counts, least, q, wanted)


@numba.njit(nogil=True, cache=True)
def _close(distances):  # type: ignore[no-untyped-def]
    """The few-th smallest distance."""
    nearest = distances[:_CLOSE].copy()
    farthest = nearest.max()
    for distance in distances[_CLOSE:]:
        if distance < farthest:
            nearest[nearest.argmax()] = distance
            farthest = nearest.max()
    return farthest


@numba.njit(nogil=True, cache=True)
def _asking(distances, beyond, close, reach, norms, least, which):  # type: ignore[no-untyped-def]
    """Put into `which` the queries that look through a cell; how many they are."""
    few = 0
    for q in range(len(distances)):
        asks = (distances[q] <= close[q]) != beyond
        if asks and beyond:
            # The least value worth keeping is that of the last candidate: xy - ‖y‖²/2.
            last = max(norms[q] - 2 * np.float64(least[q]), 0.0)
            asks = np.float64(distances[q]) ** 2 <= reach * reach * last
        if asks:
            which[few] = q
            few += 1
    return few
