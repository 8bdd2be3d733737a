"""Search in two stages: candidates by their leading dimensions, ranked by their true distance.

The rows are rotated by PCA, so that a few leading dimensions hold most of each distance. The rest
of a row is summed up in its norm t: (t_x - t_y)² + the squared distance in the leading dimensions
is never above the true squared distance. A row is certified where this bound of its last candidate
lies beyond its k-th neighbor: nothing nearer can have been left out.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from wann_core.neighbors import candidates
from wann_core.neighbors.cells import Cells, CellTiles
from wann_core.neighbors.codes import by_nearness
from wann_core.neighbors.exact import Flat, Found, OnDone, empty, floats, own_ids
from wann_core.neighbors.ranking import Candidates, rank
from wann_core.typing import Array

_FIT_ROWS = 10_000
_BLOCK = 8192
# Uncertified rows are searched flat if they are no more than this share of all; else only the most
# doubtful ones are. Neighbors are missed in bulk by odd rows, which can be recognized.
_FEW, _DOUBTFUL = 0.02, 0.005
# Dimensions that decide who is near: all of them, of all queries, would take too much room.
_ORDERING = 16
# Queries searched at once: enough for many cores to share, few enough to report progress.
_AT_ONCE = 4096
# Of distances in the leading dimensions, as a share of squared norms.
_ROUNDING = 32 * float(np.finfo(np.float32).eps)
# Instead of squared distances of 0, by which nothing can be divided.
TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, eq=False)
class Rotation:
    """Leading principal directions of the training rows.

    Attributes
    ----------
    mean : ndarray of shape (d,), float64
    directions : ndarray of shape (d, p), float64
        Orthonormal columns, largest variance first.
    """

    mean: Array
    directions: Array

    @classmethod
    def fit(cls, train: Array, mean: Array, size: int) -> "Rotation":
        """The `size` leading directions, of 10,000 rows where there are more."""
        sample = train[:: -(-len(train) // _FIT_ROWS)] - mean
        d = train.shape[1]
        _, directions = eigh(sample.T @ sample, subset_by_index=(d - size, d - 1))
        return cls(mean, np.ascontiguousarray(directions[:, ::-1]))

    def project(self, rows: Array, size: int) -> Array:
        """Leading coordinates of each row and the norm of the rest, shape (m, size + 1), float32.

        Distances between such rows are lower bounds of the true ones.
        """
        out = np.empty((len(rows), size + 1), np.float32)
        for start in range(0, len(rows), _BLOCK):
            # In float64, so that the bound holds to within the rounding of one float32.
            moved = rows[start : start + _BLOCK] - self.mean
            leading = moved @ self.directions[:, :size]
            rest = np.einsum("ij,ij->i", moved, moved) - np.einsum("ij,ij->i", leading, leading)
            out[start : start + _BLOCK, :size] = leading
            out[start : start + _BLOCK, size] = np.sqrt(np.maximum(rest, 0.0))
        return out


def narrow(leading: Array, size: int) -> Array:
    """Rows of `Rotation.project` with fewer leading coordinates and the norm of all the rest."""
    out = np.empty((len(leading), size + 1), np.float32)
    for start in range(0, len(leading), _BLOCK):
        block = leading[start : start + _BLOCK]
        rest = block[:, size:].astype(np.float64)
        out[start : start + _BLOCK, :size] = block[:, :size]
        out[start : start + _BLOCK, size] = np.sqrt(np.einsum("ij,ij->i", rest, rest))
    return out


class TwoStage:
    """Search by leading dimensions, then by all.

    Parameters
    ----------
    flat : Flat
        The rows, and the search for what is left uncertified.
    rotation : Rotation
    leading : ndarray of shape (n, p + 1), float32
        The rows as `Rotation.project` gives them.
    wanted : int
        Candidates, rows whose true distance is computed, more than k.
    cells : Cells, optional
        Only cells within reach are looked through for candidates, see `CellTiles`; all rows are if
        there are no cells.
    reach : float
    """

    def __init__(
        self,
        flat: Flat,
        rotation: Rotation,
        leading: Array,
        wanted: int,
        cells: Cells | None = None,
        reach: float = np.inf,
    ) -> None:
        self.flat, self.rotation = flat, rotation
        self.candidates, self.size = wanted, leading.shape[1] - 1
        self.cells, self.reach = cells, reach
        self._tiles: Array | CellTiles = (
            candidates.tiles(leading) if cells is None else CellTiles(leading, cells)
        )

    def _nearest(self, batch: Array, wanted: int) -> tuple[Array, Array, Array]:
        """Leading coordinates of queries, and their candidates, see `candidates.nearest`."""
        if not isinstance(self._tiles, CellTiles):
            leading = self.rotation.project(batch, self.size)
            return leading, *candidates.nearest(leading, self._tiles, wanted)
        cells = self._tiles.cells
        wide = self.rotation.project(batch, cells.size)
        leading = narrow(wide, self.size)
        return leading, *self._tiles.nearest(leading, cells.distances(wide), self.reach, wanted)

    def search(
        self, queries: Array, k: int, own: Array | None = None, on_done: OnDone | None = None
    ) -> tuple[Found, Array]:
        """As `Flat.search`, and beside it which rows are certified, shape (m,), bool.

        Where few are not, these are searched flat, and all are certified then; else those are
        whose candidates reach least far beyond their k-th neighbor, in proportion. Within cells
        none is certified, and none searched again: nearer rows may lie in cells left out, of which
        the candidates know nothing.
        """
        found, certified = empty(len(queries), k), np.zeros(len(queries), np.bool_)
        reach = np.empty(len(queries))
        own = own_ids(own, slice(0, len(queries)))
        order = by_nearness(self.rotation.project(queries, min(self.size, _ORDERING)))
        n = len(self.flat.train)
        wanted = min(max(self.candidates, k + 1), n)
        step = _AT_ONCE
        for start in range(0, len(queries), step):
            part = order[start : start + step]
            batch = floats(queries[part])
            searched, bounds, among = self._nearest(batch, wanted)
            ids, squares = np.empty((len(part), k), np.int32), np.empty((len(part), k))
            certain = np.empty(len(part), np.bool_)
            norms = np.einsum("ij,ij->i", searched, searched, dtype=np.float64)
            near = Candidates(bounds, among, bounds[:, -1], norms, np.zeros(len(part)), _ROUNDING)
            rank(batch, self.flat.train, own[part], near, ids, squares, certain)
            found[0][part], found[1][part], certified[part] = ids, np.sqrt(squares), certain
            reach[part] = bounds[:, -1] / np.maximum(squares[:, -1], TINY)
            if on_done is not None:
                on_done(start + len(part))
        if self.cells is not None:
            return found, np.zeros(len(queries), np.bool_)
        rest = _doubtful(reach, certified)
        if len(rest):
            self._search_flat(rest, queries, k, own, found, on_done)
            certified[rest] = True
        return found, certified

    def _search_flat(
        self, rows: Array, queries: Array, k: int, own: Array, found: Found, on_done: OnDone | None
    ) -> None:
        def still(_: int) -> None:
            if on_done is not None:
                on_done(len(queries))

        found[0][rows], found[1][rows] = self.flat.search(queries[rows], k, own[rows], still)


def _doubtful(reach: Array, certified: Array) -> Array:
    """Rows to search flat: all that are uncertified if they are few, else those of least reach."""
    rest = np.flatnonzero(~certified)
    if len(rest) <= _FEW * len(reach):
        return rest
    order = np.argsort(reach[rest], kind="stable")
    return np.sort(rest[order[: math.ceil(_DOUBTFUL * len(reach))]])
