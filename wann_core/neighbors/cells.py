"""Cells of rows that lie near each other: those far from a query need not be looked through.

An inverted file (Jégou et al., PAMI 2011) over the leading dimensions. How many cells a query looks
through is not fixed: it is those whose centers lie not much farther from it than the worst of the
candidates that it has found so far. In the midst of a cluster these are few, between clusters many.
"""

import functools
from dataclasses import dataclass

import faiss
import numba
import numpy as np

from wann_core.neighbors import candidates
from wann_core.parallel import in_slices
from wann_core.typing import Array

# Rows of a cell at least, and cells for each square root of the rows at most: looking for cells
# must cost less than looking through them.
_CELL_ROWS = 128
_CELLS = 2
_FIT_ROWS_A_CELL = 50
_ROUNDS = 8
_SEED = 0
_BLOCK = 65_536


@dataclass(frozen=True, eq=False)
class Cells:
    """A partition of the training rows by k-means.

    Attributes
    ----------
    centers : ndarray of shape (L, p + 1), float32
    of_row : ndarray of shape (n,), int32
        Cell of each training row.
    """

    centers: Array
    of_row: Array

    @property
    def size(self) -> int:
        """Leading dimensions p that the cells were made in."""
        return int(self.centers.shape[1]) - 1

    @classmethod
    def fit(cls, leading: Array) -> "Cells":
        """Cells of rows as `Rotation.project` gives them."""
        n = len(leading)
        count = max(1, int(min(n / _CELL_ROWS, _CELLS * n**0.5)))
        means = faiss.Kmeans(
            leading.shape[1],
            count,
            niter=_ROUNDS,
            seed=_SEED,
            max_points_per_centroid=_FIT_ROWS_A_CELL,
        )
        means.train(leading)
        centers = np.asarray(means.centroids)
        blocks = (leading[start : start + _BLOCK] for start in range(0, n, _BLOCK))
        of_row = np.concatenate([faiss.knn(block, centers, 1)[1][:, 0] for block in blocks])
        return cls(centers, of_row.astype(np.int32))

    @functools.cached_property
    def rows(self) -> Array:
        """How many rows each cell holds, shape (L,)."""
        return np.bincount(self.of_row, minlength=len(self.centers))

    def distances(self, leading: Array) -> Array:
        """How far each row is from each center, shape (m, L), float32, for rows as in `fit`."""
        out = leading @ self.centers.T
        norms = [np.einsum("ij,ij->i", rows, rows) for rows in (leading, self.centers)]
        in_slices(_distances, len(out), *norms, out, rows=candidates.QUERIES)
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
        bounds = np.searchsorted(cells.of_row[order], np.arange(len(cells.centers) + 1))
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
        """As `candidates.nearest_in_cells`, by ids of rows."""
        squares, places = candidates.nearest_in_cells(
            queries, self.tiled, self.first, distances, reach, wanted
        )
        return squares, self.rows[places]


@numba.njit(nogil=True, cache=True)
def _distances(start, stop, norms, center_norms, out):  # type: ignore[no-untyped-def]
    """Make products of rows and centers distances, in place."""
    for row in range(start, stop):
        for cell in range(out.shape[1]):
            square = norms[row] + center_norms[cell] - 2 * out[row, cell]
            out[row, cell] = np.sqrt(max(square, np.float32(0)))
