"""Exact search: every distance by one matrix product, then the nearest ranked by true distance."""

from collections.abc import Callable

import faiss
import numba
import numpy as np
import numpy.typing as npt

from wann_core.parallel import in_slices
from wann_core.typing import Array

# Ids and Euclidean distances, each of shape (m, k).
Found = tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]
# Told how many queries of a search are done; may raise to stop it.
Tell = Callable[[int], None]

# One call to faiss takes about this many multiplications, and so many queries that its matrix
# product stays efficient: progress is reported, and a search can be stopped, within a second.
_CALL_COST = 4e10
_CALL_ROWS = (256, 4096)
# Below this many query values faiss 1.15 leaves the matrix product for slower loops.
_BLAS_VALUES = 128_000
# faiss finds neighbors by ‖x‖² + ‖y‖² - 2xy in float32, which can swap near ties. A few candidates
# more than asked are fetched and ranked again by their true distance; where even the last candidate
# could hide a nearer row, more are fetched, up to `_MOST_SPARE`.
SPARE = 8
_MOST_SPARE = 4096
_EPSILON = float(np.finfo(np.float32).eps)
_ROUNDING = 32 * _EPSILON
_CANDIDATES_AT_ONCE = 1 << 23
_BLOCK = 8192


class Flat:
    """Training rows made ready for faiss, and beside them the same rows as they were given.

    Parameters
    ----------
    train : ndarray of shape (n, d)
        Finite numbers; float32 in C order is kept as it is, without a copy.
    """

    def __init__(self, train: Array) -> None:
        self.train = floats(train)
        self.mean = self.train.mean(axis=0, dtype=np.float64)
        sample = self.train[:: max(1, len(train) // 1000)].astype(np.float64)
        # ‖x‖² + ‖y‖² - 2xy loses its digits to an offset that all rows share; distances do not
        # change when it is taken away.
        far = float(self.mean @ self.mean) > float(sample.var(axis=0).sum())
        self.offset = self.mean if far else None
        self.searched = self._searchable(self.train)

    def _searchable(self, rows: Array) -> Array:
        if self.offset is None:
            return np.ascontiguousarray(rows, np.float32)
        moved = np.empty(rows.shape, np.float32)
        for start in range(0, len(rows), _BLOCK):
            moved[start : start + _BLOCK] = rows[start : start + _BLOCK] - self.offset
        return moved

    def search(
        self, queries: Array, k: int, own: Array | None = None, tell: Tell | None = None
    ) -> Found:
        """The k nearest rows of each query, exactly; equal distances: lowest id first.

        Parameters
        ----------
        queries : ndarray of shape (m, d)
        k : int
            At most n, or n - 1 with `own`.
        own : ndarray of shape (m,), optional
            The training row that each query is, and must not find.
        tell : callable, optional
            Told how many queries are done.
        """
        found = empty(len(queries), k)
        step = rows_at_once(self.train.size, self.train.shape[1])
        for start in range(0, len(queries), step):
            part = slice(start, min(start + step, len(queries)))
            batch = floats(queries[part])
            found[0][part], squares = self.ranked(batch, own_ids(own, part), k)
            found[1][part] = np.sqrt(squares)
            if tell is not None:
                tell(part.stop)
        return found

    def ranked(self, batch: Array, own: Array, k: int) -> tuple[Array, Array]:
        """Ids and squared distances of the k nearest rows of a few queries.

        Parameters
        ----------
        batch : ndarray of shape (b, d), float32 or float64
        own : ndarray of shape (b,), integer
            See `own_ids`.
        k : int
            At least 1.

        Returns
        -------
        ids : ndarray of shape (b, k), int32
        squares : ndarray of shape (b, k), float64
        """
        ids, squares = np.empty((len(batch), k), np.int32), np.empty((len(batch), k))
        searched = self._searchable(batch)
        complete = np.zeros(len(batch), np.bool_)
        excluded = bool((own >= 0).any())
        spare, rows = SPARE, np.arange(len(batch))
        while len(rows):
            wanted = min(k + excluded + spare, len(self.train))
            at_once = max(1, _CANDIDATES_AT_ONCE // wanted)
            for part in (rows[i : i + at_once] for i in range(0, len(rows), at_once)):
                rough, candidates = faiss.knn(searched[part], self.searched, wanted)
                rank(
                    part,
                    batch,
                    self.train,
                    own,
                    searched,
                    rough,
                    candidates,
                    ids,
                    squares,
                    complete,
                )
            # Beyond the limit thousands of rows tie to within rounding: any of them will do.
            last_round = wanted == len(self.train) or spare >= _MOST_SPARE
            rows = rows[:0] if last_round else rows[~complete[rows]]
            spare *= 8
        return ids, squares


def rows_at_once(size: int, columns: int) -> int:
    """Queries of one call to faiss that searches `size` values in rows of `columns`."""
    fewest, most = _CALL_ROWS
    fewest = max(fewest, min(1024, _BLAS_VALUES // columns + 1))
    return int(np.clip(_CALL_COST / size, fewest, most))


def empty(rows: int, k: int) -> Found:
    """Room for what a search finds."""
    return np.empty((rows, k), np.int32), np.empty((rows, k), np.float32)


def own_ids(own: Array | None, part: slice) -> Array:
    """The ids that queries must not find; -1 where there is none."""
    return np.full(part.stop - part.start, -1) if own is None else own[part]


def floats(rows: Array) -> Array:
    """The same values as float32 where that is exact, else float64, copied only if need be."""
    exact = np.float32 if rows.dtype in (np.float16, np.float32, np.bool_) else np.float64
    return np.ascontiguousarray(rows, exact)


def rank(
    rows: Array,
    batch: Array,
    train: Array,
    own: Array,
    searched: Array,
    bounds: Array,
    candidates: Array,
    ids: Array,
    squares: Array,
    complete: Array,
) -> None:
    """Fill in the nearest candidates of each row by their true distance, accumulated in float64.

    Distances in float32 tell first for which of the candidates that is worth its while.

    Parameters
    ----------
    rows : ndarray of shape (r,), int64
        Positions in `batch` that the candidates belong to.
    batch, train : ndarray of shape (b, d) and (n, d), float32 or float64
        Queries and training rows as they were given.
    own : ndarray of shape (b,), integer
        See `own_ids`.
    searched : ndarray of shape (b, p), float32
        The queries as faiss saw them.
    bounds, candidates : ndarray of shape (r, c)
        What faiss answered, nearest first: squared distances, which but for rounding are not above
        the true ones, and ids (-1 where there is none). At least k of them must count.
    ids, squares, complete : ndarray of shape (b, k), (b, k), float64, and (b,)
        The answers, distances squared. A row is complete if no row that faiss left out can be
        among its nearest.
    """
    in_slices(
        _rank,
        len(rows),
        rows,
        batch,
        train,
        own,
        searched,
        bounds,
        candidates,
        ids,
        squares,
        complete,
        rows=128,
    )


@numba.njit(nogil=True, cache=True)
def _rank(  # type: ignore[no-untyped-def]
    start, stop, rows, batch, train, own, searched, bounds, candidates, ids, squares, complete
):
    k, n_columns, n_candidates = ids.shape[1], train.shape[1], candidates.shape[1]
    # A difference, its square and sums of squares are each rounded once, all in one direction at
    # worst.
    surely = 1 - (n_columns + 4) * _EPSILON
    rough, keys = np.empty(n_candidates, np.float32), np.empty(n_candidates, np.int64)
    bits = rough.view(np.int32)
    order_d = np.empty(n_candidates)
    order_i = np.empty(n_candidates, np.int64)
    for q in range(start, stop):
        row, n = rows[q], 0
        for c in range(n_candidates):
            i = candidates[q, c]
            if i >= 0 and i != own[row]:
                rough[c] = _rough_square(batch, row, train, i)
                # Bits of numbers that are not negative are in the order of the numbers.
                keys[n] = (np.int64(bits[c]) << 32) | c
                n += 1
        keys[:n].sort()
        for found, key in enumerate(keys[:n]):
            c = key & 0xFFFFFFFF
            if found >= k and order_d[k - 1] < surely * rough[c] < np.inf:
                break
            i, d = candidates[q, c], _square(batch, row, train, candidates[q, c])
            # Insertion: the order is nearly right already.
            at = found
            while at > 0 and order_d[at - 1] >= d:
                if order_d[at - 1] == d and order_i[at - 1] < i:
                    break
                order_d[at], order_i[at] = order_d[at - 1], order_i[at - 1]
                at -= 1
            order_d[at], order_i[at] = d, i
        for j in range(k):
            ids[row, j] = order_i[j]
            squares[row, j] = order_d[j]
        norm = 0.0
        for f in range(searched.shape[1]):
            norm += np.float64(searched[row, f]) ** 2
        complete[row] = _beyond(bounds[q, n_candidates - 1], norm, order_d[k - 1])


@numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _rough_square(batch, row, train, i):  # type: ignore[no-untyped-def]
    """Squared distance accumulated in float32."""
    square = np.float32(0)
    for f in range(train.shape[1]):
        difference = np.float32(batch[row, f] - train[i, f])
        square += difference * difference
    return square


@numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _square(batch, row, train, i):  # type: ignore[no-untyped-def]
    """Squared distance accumulated in float64."""
    square = 0.0
    for f in range(train.shape[1]):
        difference = np.float64(batch[row, f]) - np.float64(train[i, f])
        square += difference * difference
    return square


@numba.njit(nogil=True, cache=True)
def _beyond(bound, norm, farthest):  # type: ignore[no-untyped-def]
    """Whether rows from this bound on are farther than the k-th of a query, whatever the rounding.

    A row nearer than the k-th has a norm of at most ‖x‖ + d_k, which bounds the rounding.
    """
    reach = np.sqrt(norm) + np.sqrt(farthest)
    return bound - _ROUNDING * (norm + reach * reach) > farthest
