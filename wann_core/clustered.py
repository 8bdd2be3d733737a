"""Search in two stages within cells: only cells near a row's own are looked through at all.

An inverted file (Jégou et al., PAMI 2011) that serves a whole graph: rows of one cell look through
the same cells, so that their distances are one matrix product.
"""

from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from wann_core.flat import Flat, Found, Tell, empty, floats, own_ids, rank
from wann_core.two_stage import Rotation

Array = npt.NDArray[Any]

# Small cells exclude more; rows of a cell must be enough for an efficient product.
_CELL_ROWS = 1000
_FIT_ROWS_A_CELL = 100
_ROUNDS = 8
_SEED = 0
_BLOCK = 65_536
# A cell's rows are few for one call: below this many query values faiss leaves the matrix product
# for loops several times slower.
faiss.cvar.distance_compute_blas_threshold = 1000


@dataclass(frozen=True, eq=False)
class Cells:
    """A partition of the training rows by k-means.

    Attributes
    ----------
    centres : ndarray of shape (L, p + 1), float32
    of_row : ndarray of shape (n,), int32
        Cell of each training row.
    near : ndarray of shape (L, L), int32
        Cells by their distance from each cell, itself first.
    """

    centres: Array
    of_row: Array
    near: Array

    @property
    def size(self) -> int:
        """Leading dimensions p that the cells were made in."""
        return int(self.centres.shape[1]) - 1

    @classmethod
    def fit(cls, leading: Array) -> "Cells":
        """Cells of about 1,000 rows each."""
        n = len(leading)
        count = max(1, n // _CELL_ROWS)
        means = faiss.Kmeans(
            leading.shape[1], count, niter=_ROUNDS, seed=_SEED,
            max_points_per_centroid=_FIT_ROWS_A_CELL,
        )  # fmt: skip
        means.train(leading)
        centres = np.asarray(means.centroids)
        _, near = faiss.knn(centres, centres, count)
        return cls(centres, _nearest(leading, centres), near.astype(np.int32))


class Clustered:
    """Two-stage search of the cells nearest to each query's own.

    Parameters
    ----------
    flat : Flat
        The rows as they are.
    rotation : Rotation
    leading : ndarray of shape (n, p + 1), float32
        The rows as `Rotation.project` gives them.
    candidates : int
        Rows whose true distance is computed, more than k.
    cells : Cells
    probes : int
        Cells that are looked through, more where these hold too few rows.
    """

    def __init__(
        self,
        flat: Flat,
        rotation: Rotation,
        leading: Array,
        candidates: int,
        cells: Cells,
        probes: int,
    ) -> None:
        self.flat, self.rotation, self.candidates = flat, rotation, candidates
        self.cells, self.probes = cells, probes
        self.size = leading.shape[1] - 1
        self._order = np.argsort(cells.of_row, kind="stable")
        self._bounds = np.searchsorted(cells.of_row[self._order], np.arange(len(cells.centres) + 1))
        self._sorted = leading[self._order]

    def search(
        self, queries: Array, k: int, own: Array | None = None, tell: Tell | None = None
    ) -> tuple[Found, Array]:
        """As `TwoStage.search`; no row can be certified, as cells are left out unseen."""
        found, done = empty(len(queries), k), 0
        wanted = min(max(self.candidates, k + 1), len(self._order))
        cells = self._cells_of(queries, own_ids(own, slice(0, len(queries))))
        order = np.argsort(cells, kind="stable")
        bounds = np.searchsorted(cells[order], np.arange(len(self.cells.centres) + 1))
        for cell in range(len(self.cells.centres)):
            rows = order[bounds[cell] : bounds[cell + 1]]
            if not len(rows):
                continue
            self._search_cell(cell, rows, queries, own, wanted, found)
            done += len(rows)
            if tell is not None:
                tell(done)
        return found, np.zeros(len(queries), np.bool_)

    def _cells_of(self, queries: Array, own: Array) -> Array:
        cells = self.cells.of_row[np.maximum(own, 0)]
        others = np.flatnonzero(own < 0)
        for start in range(0, len(others), _BLOCK):
            part = others[start : start + _BLOCK]
            leading = self.rotation.project(floats(queries[part]), self.cells.size)
            cells[part] = _nearest(leading, self.cells.centres)
        return np.asarray(cells)

    def _search_cell(
        self, cell: int, rows: Array, queries: Array, own: Array | None, wanted: int, found: Found
    ) -> None:
        near, sizes = self.cells.near[cell], np.diff(self._bounds)
        probes = max(self.probes, 1 + int(np.searchsorted(np.cumsum(sizes[near]), wanted)))
        parts = [slice(self._bounds[c], self._bounds[c + 1]) for c in near[:probes]]
        pool = np.concatenate([self._sorted[part] for part in parts])
        pool_ids = np.concatenate([self._order[part] for part in parts])
        batch = floats(queries[rows])
        searched = self.rotation.project(batch, self.size)
        bounds, candidates = faiss.knn(searched, pool, wanted)
        ids, squares = (np.empty((len(rows), found[0].shape[1]), t) for t in (np.int32, np.float64))
        rank(
            np.arange(len(rows)), batch, self.flat.train,
            own_ids(None, slice(0, len(rows))) if own is None else own[rows], searched, bounds,
            pool_ids[candidates], ids, squares, np.empty(len(rows), np.bool_),
        )  # fmt: skip
        found[0][rows], found[1][rows] = ids, np.sqrt(squares)


def _nearest(leading: Array, centres: Array) -> Array:
    """The nearest centre of each row, shape (m,), int32."""
    blocks = range(0, len(leading), _BLOCK)
    cells = [faiss.knn(leading[b : b + _BLOCK], centres, 1)[1][:, 0] for b in blocks]
    return np.concatenate(cells).astype(np.int32)
