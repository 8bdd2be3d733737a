"""The neighbor graph: one search, reused by every vote."""

import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wann_core.errors import WannError, check_choice, check_number
from wann_core.neighbors import candidates, codes, scan
from wann_core.neighbors.exact import Flat, Found, floats
from wann_core.neighbors.plan import SEARCHES, Plan, Queries, carry_out, plan
from wann_core.typing import Array

Progress = Callable[[float, float, str], None]


@dataclass(frozen=True)
class NeighborGraph:
    """Nearest training rows of every training row and, if given, of every test row.

    Attributes
    ----------
    train_ids : ndarray of shape (n, min(k, n - 1)), int32
        Neighbors of each training row, nearest first, the row itself left out by its index;
        exact duplicates of it are kept. Equal distances: lowest id first.
    train_distances : ndarray of the same shape, float32
        Their Euclidean distances (not squared).
    test_ids, test_distances : ndarray of shape (m, min(k, n)) or None
        The same for the test rows.
    seconds : float
        Wall time of the search, its kernel loaded; NaN where it is not known.
    method : {'flat', 'two-stage', 'IVF'}
        How it was searched, see docs/scale.md. Flat search is exact.
    recall : float
        Share of the exact neighbors that the same search found for a sample of the rows.
    recall_rows : int
        Rows of that sample; 0 for a flat search, where nothing is to be measured.
    certified : float
        Share of the rows whose neighbors are proven to be the exact ones.
    """

    train_ids: Array
    train_distances: Array
    test_ids: Array | None = None
    test_distances: Array | None = None
    seconds: float = math.nan
    method: str = "flat"
    recall: float = 1.0
    recall_rows: int = 0
    certified: float = 1.0

    @classmethod
    def build(
        cls,
        X_train: npt.ArrayLike,
        X_test: npt.ArrayLike | None = None,
        *,
        k: int = 51,
        search: str = "auto",
        progress: Progress | None = None,
    ) -> "NeighborGraph":
        """Search the k nearest training rows of all rows.

        Parameters
        ----------
        X_train : array-like of shape (n, d)
            Embeddings of any float type; float32 in C order is searched in place, without a copy.
        X_test : array-like of shape (m, d), optional
        k : int
            Neighbors a row; cut to n - 1 for training rows and to n for test rows.
        search : {'auto', 'flat', 'torch'}
            'flat' compares all rows with all rows and is exact; 'torch' does the same by torch's
            products, on a GPU where there is one, with the same answers. 'auto' takes a faster
            search where that saves time and finds, on a sample, 0.9999 of the exact neighbors or
            more; few rows are always searched flat.
        progress : callable, optional
            Called as `progress(rows done, rows in all, text)`; may raise to stop the search.

        Returns
        -------
        NeighborGraph

        Raises
        ------
        WannError
            If there are fewer than two training rows, a value is NaN or infinite, the numbers of
            columns differ, or `search` is unknown.

        Examples
        --------
        >>> graph = NeighborGraph.build([[0.0], [1.0], [3.0]], [[0.9]], k=2)
        >>> graph.train_ids.tolist(), graph.test_ids.tolist()
        ([[1, 2], [0, 2], [1, 0]], [[1, 0]])
        """
        check_number("k", k, 1, whole=True)
        train = as_matrix(X_train, "X_train")
        _load_kernel(floats(train[:0]).dtype)
        started = time.perf_counter()
        test = None if X_test is None else as_matrix(X_test, "X_test")
        if len(train) < 2:
            raise WannError(
                f"a neighbor graph needs at least 2 training rows, got n_samples = {len(train)}."
            )
        if test is not None and test.shape[1] != train.shape[1]:
            raise WannError(
                f"`X_test` must have the {train.shape[1]} columns of `X_train`, "
                f"got {test.shape[1]}."
            )
        check_choice("search", search, SEARCHES)
        k_train = min(k, len(train) - 1)
        total = len(train) + (0 if test is None else len(test))
        report = _SearchProgress(progress, total)
        flat = Flat(train, by_torch=search == "torch")
        chosen = Plan()
        if search == "auto":
            chosen = plan(flat, Queries(train, test, k_train), report.planning)
        own = np.arange(len(train))
        found, certain = carry_out(chosen, flat, train, k_train, own, report.searching(0))
        tested: tuple[Array | None, Array | None] = None, None
        if test is not None:
            tested, sure = carry_out(
                chosen, flat, test, min(k, len(train)), None, report.searching(len(train))
            )
            certain = np.concatenate([certain, sure])
        made = _made(chosen, certain)
        return cls(*found, *tested, seconds=time.perf_counter() - started, **made)

    @property
    def description(self) -> str:
        """How it was searched, see `describe`."""
        return describe(self.method, self.recall, self.recall_rows)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        arrays = (self.train_ids, self.train_distances, self.test_ids, self.test_distances)
        return sum(array.nbytes for array in arrays if array is not None)


def describe(method: str, recall: float, recall_rows: int) -> str:
    """A search, described as a text.

    Examples
    --------
    >>> describe("flat", 1.0, 0), describe("two-stage", 0.99996, 768)
    ('exact search', 'two-stage search, recall 0.9999 on 768 rows')
    """
    if method == "flat":
        return "exact search"
    # Cut, not rounded: a neighbor that is missed must not become none.
    digits = int(recall * 10_000) / 10_000
    return f"{method} search, recall {digits:.4f} on {recall_rows:,} rows"


def _made(chosen: Plan, certain: Array) -> dict[str, Any]:
    """How a graph was made, as its fields."""
    return {
        "method": chosen.method,
        "recall": chosen.recall,
        "recall_rows": chosen.sampled,
        "certified": float(certain.mean()),
    }


class _SearchProgress:
    """A caller's progress, in the terms of a search."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress, self.total = progress, total

    def planning(self, _: int) -> None:
        if self.progress is not None:
            self.progress(0, self.total, "picking the fastest neighbor search (once per data set)")

    def searching(self, before: int) -> Callable[[int], None]:
        def on_done(done: int) -> None:
            if self.progress is not None:
                self.progress(before + done, self.total, "searching neighbors")

        return on_done


def nearest(X_query: npt.ArrayLike, X_train: npt.ArrayLike, k: int) -> Found:
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
    return Flat(train).search(query, min(k, len(train)))


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


@functools.cache
def _load_kernel(dtype: np.dtype[Any]) -> None:
    """Compile the kernels or read them from disk, which may take a second, before a clock runs."""
    rows = np.zeros((2, 1), dtype)
    Flat(rows).search(rows, 1, np.arange(2))
    few = np.zeros((2, 1), np.float32)
    candidates.nearest(few, candidates.tiles(few), 1)
    if scan.BYTES:
        coded = codes.CodedRows(few, codes.Projection(np.zeros(1), None, None), lambda _: None)
        coded.nearest(coded.quantized(few, np.arange(2)), 1)
