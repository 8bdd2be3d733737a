"""Exact search: every distance by one matrix product, then the nearest ranked by true distance."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wann_core.neighbors import codes, scan
from wann_core.neighbors.ranking import EPSILON, SPARE, Candidates, rank_slice
from wann_core.neighbors.torch_scan import QUERIES, TorchScan
from wann_core.parallel import blas, in_blocks
from wann_core.typing import Array

# Ids and Euclidean distances, each of shape (m, k).
Found = tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]
# Called with how many queries of a search are done; may raise to stop it.
OnDone = Callable[[int], None]
# Rows as bytes, and how many of them to keep for a query.
_Coded = tuple[codes.CodedRows, int]

# Candidates are found by ‖x‖² + ‖y‖² - 2xy in float32, which can swap near ties. A few more than
# asked are fetched and ranked again by their true distance; where even the last candidate could
# hide a nearer row, more are fetched, up to `_MOST_SPARE`.
_MOST_SPARE = 4096
_FEW_ROUNDINGS = 8 * EPSILON
_CANDIDATES_AT_ONCE = 1 << 19
_BLOCK = 8192
# Rows and multiplications from which on codes may pay, and the share of a search that finding
# principal directions may cost.
_CODED_ROWS, _CODED_COST, _CODING = 4096, 5e10, 0.03
_SAMPLED = (400, 16, 96)


class Flat:
    """Training rows made ready for exact search, and beside them the same rows as they were given.

    Parameters
    ----------
    train : ndarray of shape (n, d)
        Finite numbers; float32 in C order is kept as it is, without a copy.
    by_torch : bool
        Whether torch finds the candidates, on a GPU where there is one. They are ranked here all
        the same, so that the answers are equal bit for bit, but where more rows lie at one distance
        than are looked at.
    """

    def __init__(self, train: Array, by_torch: bool = False) -> None:
        self.train = floats(train)
        self.mean = self.train.mean(axis=0, dtype=np.float64)
        sample = self.train[:: max(1, len(train) // 1000)].astype(np.float64)
        # ‖x‖² + ‖y‖² - 2xy loses its digits to an offset that all rows share; distances do not
        # change when it is taken away.
        far = float(self.mean @ self.mean) > float(sample.var(axis=0).sum())
        self.offset = self.mean if far else None
        self.searched = self.searchable(self.train)
        self.half = scan.half_norms(self.searched)
        self.elsewhere = TorchScan(self.searched) if by_torch else None
        self._codes: tuple[int, _Coded | None] | None = None

    def searchable(self, rows: Array) -> Array:
        """Rows as their products are computed: float32, without an offset."""
        if self.offset is None:
            return np.ascontiguousarray(rows, np.float32)
        moved = np.empty(rows.shape, np.float32)
        for start in range(0, len(rows), _BLOCK):
            moved[start : start + _BLOCK] = rows[start : start + _BLOCK] - self.offset
        return moved

    def search(
        self, queries: Array, k: int, own: Array | None = None, on_done: OnDone | None = None
    ) -> Found:
        """The k nearest rows of each query, exactly; equal distances: lowest id first.

        Parameters
        ----------
        queries : ndarray of shape (m, d)
        k : int
            At most n, or n - 1 with `own`.
        own : ndarray of shape (m,), optional
            The training row that each query is, and must not find.
        on_done : callable, optional
            Called with how many queries are done.
        """
        found = empty(len(queries), k)

        def put(rows: Array, ids: Array, squares: Array) -> None:
            found[0][rows], found[1][rows] = ids, np.sqrt(squares)

        own = own_ids(own, slice(0, len(queries)))
        search = _Search(self, queries, own, k, put, on_done)
        coded = self._coded(queries, own, k, search.report)
        if coded is not None:
            with blas.bounded(1):
                search.by_codes(*coded)
        search.by_products()
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
        found = np.empty((len(batch), k), np.int32), np.empty((len(batch), k))

        def put(rows: Array, ids: Array, squares: Array) -> None:
            found[0][rows], found[1][rows] = ids, squares

        _Search(self, batch, own, k, put, None).by_products()
        return found

    def has_codes(self, queries: Array, k: int, on_done: OnDone | None = None) -> bool:
        """Whether training rows, searched among themselves, are searched by bytes."""

        def report(done: int) -> None:
            if on_done is not None:
                on_done(done)

        return self._coded(queries, np.arange(len(queries)), k, report) is not None

    def _coded(self, queries: Array, own: Array, k: int, report: OnDone) -> _Coded | None:
        """Rows as bytes, where that is cheaper; they serve later searches for no more neighbors."""
        n, d = self.train.shape
        cost = float(len(queries)) * n * d
        if (
            self.elsewhere is not None
            or not scan.BYTES
            or n < _CODED_ROWS
            or d > codes.WIDEST
            or cost < _CODED_COST
        ):
            return None
        if self._codes is not None and k <= self._codes[0]:
            return self._codes[1]
        part, fewest, most = _SAMPLED
        size = int(np.clip(len(queries) // part, fewest, most))
        drawn = np.random.default_rng(0).choice(len(queries), size, replace=False)
        sample = floats(queries[drawn])
        _, squares = self.ranked(sample, own[drawn], k)
        report(0)
        # Finding the principal directions costs as much as products of this many pairs of rows.
        rotated = codes.ROTATION_COST * d * d < _CODING * len(queries) * n
        coded = None
        # On few rows and small matrices, threads of BLAS wait for each other longer than they work.
        with blas.bounded(1):
            chosen = codes.choose(
                self.train, self.mean, sample, np.sqrt(squares[:, -1]), k, rotated
            )
            if chosen is not None:
                project, wanted = chosen
                coded = codes.CodedRows(self.train, project, lambda _: report(0)), wanted
        self._codes = k, coded
        return coded


@dataclass(eq=False)
class _Search:
    """A search under way: which of its queries are done."""

    flat: Flat
    queries: Array
    own: Array
    k: int
    put: Callable[[Array, Array, Array], None]  # takes positions, ids and squared distances
    on_done: OnDone | None

    def __post_init__(self) -> None:
        self.complete = np.zeros(len(self.queries), np.bool_)
        self.excluded = bool((self.own >= 0).any())

    def report(self, done: int) -> None:
        """Report to the caller how many queries are done."""
        if self.on_done is not None:
            self.on_done(done)

    def by_codes(self, coded: codes.CodedRows, wanted: int) -> None:
        """Answer the queries whose neighbors bytes can prove."""

        def candidates(batch: Array, own: Array) -> Candidates:
            asked = coded.quantized(batch, own)
            bounds, ids, outside, slack = coded.nearest(asked, wanted)
            return Candidates(bounds, ids, outside, asked.squares, slack, _FEW_ROUNDINGS)

        self._block_by_block(coded.order(self.queries), candidates, scan.QUERIES, False)

    def by_products(self) -> None:
        """Answer all others by products in float32, with more and more candidates."""
        flat, spare = self.flat, SPARE
        n, d = flat.train.shape
        while not self.complete.all():
            wanted = min(self.k + self.excluded + spare, n)
            # Beyond the limit thousands of rows tie to within rounding: any of them will do.
            last = wanted == n or spare >= _MOST_SPARE
            # Where one round was not enough, a threshold from a part of the rows may be too high.
            sampled = spare == SPARE

            def candidates(
                batch: Array, own: Array, wanted: int = wanted, sampled: bool = sampled
            ) -> Candidates:
                searched = flat.searchable(batch)
                if flat.elsewhere is not None:
                    found = flat.elsewhere.scan(searched, wanted)
                else:
                    found = scan.scan(searched, flat.searched, flat.half, wanted, sampled)
                norms = np.einsum("ij,ij->i", searched, searched, dtype=np.float64)
                return Candidates(*found, norms, np.zeros(len(batch)), (d + 8) * EPSILON)

            rows = np.flatnonzero(~self.complete)
            most = scan.QUERIES if flat.elsewhere is None else QUERIES
            size = int(np.clip(_CANDIDATES_AT_ONCE // wanted, 1, most))
            self._block_by_block(rows, candidates, size, last)
            spare *= 8

    def _block_by_block(
        self,
        rows: Array,
        candidates: Callable[[Array, Array], Candidates],
        size: int,
        last: bool,
    ) -> None:
        def work(part: slice) -> None:
            chosen = rows[part]
            batch, own = floats(self.queries[chosen]), self.own[chosen]
            ids, squares = (
                np.empty((len(chosen), self.k), np.int32),
                np.empty((len(chosen), self.k)),
            )
            certain = np.empty(len(chosen), np.bool_)
            found = candidates(batch, own)
            rank_slice(0, len(chosen), batch, self.flat.train, own, found, ids, squares, certain)
            done = certain | last
            self.put(chosen[done], ids[done], squares[done])
            self.complete[chosen] = done

        before = len(self.complete) - len(rows)

        def report(stop: int) -> None:
            self.report(before + int(self.complete[rows[:stop]].sum()))

        in_blocks(work, len(rows), size, report)


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
