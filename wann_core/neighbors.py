"""The exact neighbour graph: one search, reused by every vote."""

import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import faiss
import numba
import numpy as np
import numpy.typing as npt

from wann_core.errors import WannError, check_number
from wann_core.parallel import in_slices

Progress = Callable[[float, float, str], None]
Array = npt.NDArray[Any]

# One call to faiss takes about this many multiplications, and so many queries that its matrix
# product stays efficient: progress is reported, and a search can be stopped, within a second.
_CALL_COST = 1e10
_CALL_ROWS = (256, 4096)
# Below this many query values faiss 1.15 leaves the matrix product for slower loops.
_BLAS_VALUES = 128_000
# faiss finds neighbours by ‖x‖² + ‖y‖² - 2xy in float32, which can swap near ties. A few candidates
# more than asked are fetched and ranked again by their true distance; where even the last candidate
# could hide a nearer row, more are fetched, up to `_MOST_SPARE`.
_SPARE = 8
_MOST_SPARE = 4096
_ROUNDING = 64 * float(np.finfo(np.float32).eps) / 2
_CANDIDATES_AT_ONCE = 1 << 23


@dataclass(frozen=True)
class NeighborGraph:
    """The nearest training rows of every training row and, where given, of every test row.

    Attributes
    ----------
    train_ids : ndarray of shape (n, min(k, n - 1)), int32
        Neighbours of each training row, nearest first, the row itself left out by its index;
        exact duplicates of it are kept. Equal distances: lowest id first.
    train_distances : ndarray of the same shape, float32
        Their Euclidean distances (not squared).
    test_ids, test_distances : ndarray of shape (m, min(k, n)) or None
        The same for the test rows.
    seconds : float
        Wall time of the search, its kernel loaded; NaN where it is not known.
    """

    train_ids: Array
    train_distances: Array
    test_ids: Array | None = None
    test_distances: Array | None = None
    seconds: float = math.nan

    @classmethod
    def build(
        cls,
        X_train: npt.ArrayLike,
        X_test: npt.ArrayLike | None = None,
        *,
        k: int = 51,
        progress: Progress | None = None,
    ) -> "NeighborGraph":
        """Search the k nearest training rows of all rows, exactly.

        Parameters
        ----------
        X_train : array-like of shape (n, d)
            Embeddings of any float type; float32 in C order is searched in place, without a copy.
        X_test : array-like of shape (m, d), optional
        k : int
            Neighbours a row; cut to n - 1 for training rows and to n for test rows.
        progress : callable, optional
            Called as `progress(rows done, rows in all, text)`; may raise to stop the search.

        Returns
        -------
        NeighborGraph

        Raises
        ------
        WannError
            If there are fewer than two training rows, a value is NaN or infinite, or the numbers
            of columns differ.

        Examples
        --------
        >>> graph = NeighborGraph.build([[0.0], [1.0], [3.0]], [[0.9]], k=2)
        >>> graph.train_ids.tolist(), graph.test_ids.tolist()
        ([[1, 2], [0, 2], [1, 0]], [[1, 0]])
        """
        check_number("k", k, 1, whole=True)
        train = as_matrix(X_train, "X_train")
        _load_kernel(_floats(train[:0]).dtype)
        started = time.perf_counter()
        test = None if X_test is None else as_matrix(X_test, "X_test")
        if len(train) < 2:
            raise WannError(
                f"a neighbour graph needs at least 2 training rows, got n_samples = {len(train)}."
            )
        if test is not None and test.shape[1] != train.shape[1]:
            raise WannError(
                f"`X_test` must have the {train.shape[1]} columns of `X_train`, "
                f"got {test.shape[1]}."
            )
        total = len(train) + (0 if test is None else len(test))
        space = _Space(train)
        found = space.search(train, min(k, len(train) - 1), True, progress, 0, total)
        tested: tuple[Array | None, Array | None] = None, None
        if test is not None:
            tested = space.search(test, k, False, progress, len(train), total)
        return cls(*found, *tested, seconds=time.perf_counter() - started)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        arrays = (self.train_ids, self.train_distances, self.test_ids, self.test_distances)
        return sum(array.nbytes for array in arrays if array is not None)


def nearest(
    X_query: npt.ArrayLike, X_train: npt.ArrayLike, k: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """The min(k, n) nearest training rows of each query, exactly.

    Returns
    -------
    ids : ndarray of shape (m, min(k, n)), int32
    distances : ndarray of the same shape, float32, Euclidean

    Raises
    ------
    WannError
        As `NeighborGraph.build` does.
    """
    check_number("k", k, 1, whole=True)
    train, query = as_matrix(X_train, "X_train"), as_matrix(X_query, "X_query")
    if query.shape[1] != train.shape[1]:
        raise WannError(
            f"`X_query` must have the {train.shape[1]} columns of `X_train`, got {query.shape[1]}."
        )
    return _Space(train).search(query, k, False, None, 0, len(query))


def as_matrix(X: npt.ArrayLike, name: str) -> Array:
    """A finite two-dimensional array of numbers, or `WannError`."""
    array = np.asarray(X)
    if array.ndim != 2 or array.shape[1] == 0 or array.dtype.kind not in "fiub":
        raise WannError(
            f"`{name}` must be a table of numbers (rows, columns), "
            f"got {array.dtype} of shape {array.shape}.",
            name,
        )
    # Squared distances of larger values would overflow float32.
    if array.size and not (float(array.min()) > -1e15 and float(array.max()) < 1e15):
        text = f"`{name}` must hold finite numbers below 1e15, got NaN, infinity or more."
        raise WannError(text, name)
    return array


class _Space:
    """Training rows made ready for faiss, and beside them the same rows as they were given."""

    def __init__(self, train: Array) -> None:
        self.train = _floats(train)
        mean = self.train.mean(axis=0, dtype=np.float64)
        sample = self.train[:: max(1, len(train) // 1000)].astype(np.float64)
        # ‖x‖² + ‖y‖² - 2xy loses its digits to an offset that all rows share; distances do not
        # change when it is taken away.
        self.offset = mean if float(mean @ mean) > float(sample.var(axis=0).sum()) else None
        self.searched = self._searchable(self.train)

    def _searchable(self, rows: Array) -> Array:
        moved = rows if self.offset is None else rows - self.offset
        return np.ascontiguousarray(moved, np.float32)

    def search(
        self,
        queries: Array,
        k: int,
        exclude_self: bool,
        progress: Progress | None,
        done: int,
        total: int,
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Exact k nearest rows of each query; with `exclude_self` query i is training row i."""
        k = min(k, len(self.train))
        ids = np.empty((len(queries), k), np.int32)
        distances = np.empty((len(queries), k), np.float32)
        fewest, most = _CALL_ROWS
        fewest = max(fewest, min(1024, _BLAS_VALUES // self.train.shape[1] + 1))
        step = int(np.clip(_CALL_COST / self.train.size, fewest, most))
        for start in range(0, len(queries), step):
            batch = _floats(queries[start : start + step])
            own_ids = np.arange(start, start + len(batch)) if exclude_self else None
            out = slice(start, start + len(batch))
            self._search_batch(batch, own_ids, ids[out], distances[out])
            if progress is not None:
                progress(done + start + len(batch), total, "searching neighbours")
        return ids, distances

    def _search_batch(
        self, batch: Array, own_ids: Array | None, ids: Array, distances: Array
    ) -> None:
        searched = self._searchable(batch)
        own = np.full(len(batch), -1) if own_ids is None else own_ids
        complete = np.zeros(len(batch), np.bool_)
        spare, rows = _SPARE, np.arange(len(batch))
        while len(rows):
            wanted = min(ids.shape[1] + (own_ids is not None) + spare, len(self.train))
            at_once = max(1, _CANDIDATES_AT_ONCE // wanted)
            for part in (rows[i : i + at_once] for i in range(0, len(rows), at_once)):
                rough, candidates = faiss.knn(searched[part], self.searched, wanted)
                in_slices(
                    _rank, len(part), part, batch, self.train, own, searched, rough, candidates,
                    ids, distances, complete, rows=128,
                )  # fmt: skip
            # Beyond the limit thousands of rows tie to within rounding: any of them will do.
            last_round = wanted == len(self.train) or spare >= _MOST_SPARE
            rows = rows[:0] if last_round else rows[~complete[rows]]
            spare *= 8


@functools.cache
def _load_kernel(dtype: np.dtype[Any]) -> None:
    """Compile the kernel or read it from disk, which may take a second, before a clock runs."""
    rows = np.zeros((2, 1), dtype)
    _Space(rows).search(rows, 1, True, None, 0, len(rows))


def _floats(rows: Array) -> Array:
    """The same values as float32 where that is exact, else float64, copied only if need be."""
    exact = np.float32 if rows.dtype in (np.float16, np.float32, np.bool_) else np.float64
    return np.ascontiguousarray(rows, exact)


@numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _rank(  # type: ignore[no-untyped-def]
    start, stop, rows, batch, train, own, searched, rough, candidates, ids, distances, complete
):
    k, n_columns, n_candidates = ids.shape[1], train.shape[1], candidates.shape[1]
    order_d = np.empty(n_candidates)
    order_i = np.empty(n_candidates, np.int64)
    for q in range(start, stop):
        row = rows[q]
        found = 0
        for c in range(n_candidates):
            i = candidates[q, c]
            if i < 0 or i == own[row]:
                continue
            d = 0.0
            for f in range(n_columns):
                difference = np.float64(batch[row, f]) - np.float64(train[i, f])
                d += difference * difference
            # Insertion: faiss's order is nearly right already.
            at = found
            while at > 0 and order_d[at - 1] >= d:
                if order_d[at - 1] == d and order_i[at - 1] < i:
                    break
                order_d[at], order_i[at] = order_d[at - 1], order_i[at - 1]
                at -= 1
            order_d[at], order_i[at] = d, i
            found += 1
        for j in range(k):
            ids[row, j] = order_i[j]
            distances[row, j] = np.sqrt(order_d[j])
        # A row that faiss left out is at least as far as its last candidate, but for rounding;
        # one nearer than our k-th has a norm of at most ‖x‖ + d_k.
        norm = 0.0
        for f in range(n_columns):
            norm += np.float64(searched[row, f]) ** 2
        reach = np.sqrt(norm) + np.sqrt(order_d[k - 1])
        slack = _ROUNDING * (norm + reach * reach)
        complete[row] = rough[q, n_candidates - 1] - slack > order_d[k - 1]
