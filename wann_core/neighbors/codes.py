"""Rows as bytes, whose distances bound the true ones from below, at a quarter of the cost.

A row is rotated (leading principal dimensions, mixed by a random rotation so that all columns are
of one scale) and rounded to multiples of its own step, 255 of them. How far that moves it is known,
and so is the norm of what the rotation leaves out: for rows x, y moved by e(x), e(y),

    ‖x - y‖ ≥ ‖codes of x - codes of y‖ - e(x) - e(y),

by the triangle inequality. Rows whose bound lies beyond the k-th neighbor so far need not be looked
at; where that holds for all that were left out, the neighbors are proven to be the exact ones.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import faiss
import numpy as np
from scipy.fft import dct
from scipy.linalg import eigh

from wann_core.neighbors import scan
from wann_core.parallel import in_blocks
from wann_core.typing import Array

_FIT_ROWS = 10_000
# Queries near each other share candidates, which are then still in the cache: queries are searched
# in groups of about this size, up to this many groups, by this many dimensions.
_GROUP, _GROUPS, _ORDERING = 128, 1000, 16
# Leading dimensions worth trying, beside all of them.
_SIZES = (64, 128, 192, 256, 384, 512, 768, 1024)
# Rows that estimate how many lie within a bound.
_COUNTED = 2048
# At most this many are kept for a query.
_MOST = 1024
# Principal directions of d columns cost this many times d³ multiplications.
ROTATION_COST = 80
# Costs on one core, in multiplications of float32 by a matrix product: of a row that is looked at
# and not kept, of one that is kept for a while, and of a distance, with what fetching it costs.
_LOOKED_AT = 13
_KEPT = 2500
_FETCHED, _VALUE = 3500, 10
# Sums of products of bytes must fit into 32 bits.
WIDEST = 32_768
# Codes are made where they save at least this share.
_WORTHWHILE = 0.8
_BLOCK = 4096
_SEED = 0
# Rounding of the rotation and of the norm of what it leaves out, in norms of a row.
_MOVED = 1e-6
# Rows that are moved farther than this many times the median are bounded one by one.
_FAR = 2.0
# Instead of a step of 0, by which nothing can be divided.
_TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, eq=False)
class Projection:
    """A rotation of rows, or leading dimensions of it and the norm of the rest.

    Distances between projected rows are never above those of the rows.

    Attributes
    ----------
    mean : ndarray of shape (d,), float64
        Taken away first.
    directions : ndarray of shape (d, q), float64, or None
        The leading dimensions, mixed; None for all columns as they are.
    rest : ndarray of shape (q,), float64, or None
        A unit vector orthogonal to the rows of `directions`, along which the norm of what they
        leave out is put; None where they leave nothing out.
    """

    mean: Array
    directions: Array | None
    rest: Array | None

    @property
    def columns(self) -> int:
        """Columns of projected rows."""
        return len(self.mean) if self.directions is None else self.directions.shape[1]

    def __call__(self, rows: Array) -> tuple[Array, Array]:
        """Projected rows, and the norms of the rows less the mean (m,), float64."""
        moved = rows - self.mean
        squares = np.einsum("ij,ij->i", moved, moved)
        if self.directions is None:
            return moved, np.sqrt(squares)
        mixed = moved @ self.directions
        if self.rest is not None:
            left = np.sqrt(np.maximum(squares - np.einsum("ij,ij->i", mixed, mixed), 0.0))
            mixed += left[:, None] * self.rest
        return mixed, np.sqrt(squares)


@dataclass(frozen=True, eq=False)
class Rotation:
    """Principal directions of the training rows, largest variance first.

    Attributes
    ----------
    mean : ndarray of shape (d,), float64
    directions : ndarray of shape (d, d), float64
    """

    mean: Array
    directions: Array

    @classmethod
    def fit(cls, rows: Array, mean: Array) -> "Rotation":
        """The directions of 10,000 rows where there are more."""
        sample = rows[:: -(-len(rows) // _FIT_ROWS)] - mean
        return cls(mean, eigh(sample.T @ sample)[1][:, ::-1])

    def projections(self) -> Iterator[Projection]:
        """Projections worth trying, fewest columns first."""
        d, rng = len(self.mean), np.random.default_rng(_SEED)
        for size in sorted({size for size in _SIZES if size < d} | {d}):
            columns = size + (size < d)
            # A rotation that spreads each dimension over all columns: a cosine transform of rows
            # whose signs are drawn.
            mix = dct(np.diag(rng.choice([-1.0, 1.0], columns)), norm="ortho")
            mixed = self.directions[:, :size] @ mix[:size]
            yield Projection(self.mean, mixed, mix[size] if size < d else None)


@dataclass(frozen=True, eq=False)
class Quantized:
    """Rows as bytes times a step each.

    Attributes
    ----------
    codes : ndarray of shape (m, 4 s), int8
        Zeros in the last columns.
    steps : ndarray of shape (m,), float32
    squares : ndarray of shape (m,), float64
        Squared norms of the codes times their steps.
    moved : ndarray of shape (m,), float64
        How far each row is from its codes, at most.
    """

    codes: Array
    steps: Array
    squares: Array
    moved: Array

    @classmethod
    def of(cls, project: Projection, rows: Array) -> "Quantized":
        """The codes of rows, at once: a block of them."""
        values, norms = project(rows)
        steps = np.maximum(np.abs(values).max(axis=1) / 127, _TINY).astype(np.float32)
        # The step is rounded to float32: 127 of them may be a little less than the largest value.
        rounded = np.clip(np.rint(values / steps[:, None]), -127, 127)
        codes = np.zeros((len(rows), -(-values.shape[1] // 4) * 4), np.int8)
        codes[:, : values.shape[1]] = rounded
        wide = steps.astype(np.float64)
        squares = np.einsum("ij,ij->i", rounded, rounded) * wide**2
        values -= rounded * wide[:, None]
        moved = np.sqrt(np.einsum("ij,ij->i", values, values)) + _MOVED * norms
        return cls(codes, steps, squares, moved)


class CodedRows:
    """Training rows as bytes, in tiles.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
    project : Projection
    report : callable
        Called now and then; may raise to stop.
    """

    def __init__(self, rows: Array, project: Projection, report: Callable[[int], None]) -> None:
        n, self.project = len(rows), project
        tiles = -(-n // scan.WIDTH)
        columns = -(-project.columns // 4)
        self.tiled = np.zeros((tiles, columns, scan.WIDTH), np.int32)
        self.sums = np.zeros(tiles * scan.WIDTH, np.int32)
        self.steps = np.zeros(tiles * scan.WIDTH, np.float32)
        self.squares, self.moved = np.empty(n), np.empty(n)
        in_blocks(lambda part: self._fill(rows, part.start, part.stop), n, _BLOCK, report)
        # The bound of rows that are moved by more than most is lowered one by one, as far as the
        # distance from any row may ask for.
        self.farthest = float(np.sqrt(self.squares.max()))
        self.most_moved = float(min(self.moved.max(), _FAR * np.median(self.moved)))
        more = np.maximum(self.moved - self.most_moved, 0.0)
        lowered = self.squares - 2 * more * (self.farthest + np.sqrt(self.squares))
        self.halves = np.full(len(self.steps), -np.inf, np.float32)
        self.halves[:n] = lowered / -2

    def _fill(self, rows: Array, start: int, stop: int) -> None:
        coded = Quantized.of(self.project, rows[start:stop])
        # _BLOCK is a multiple of the width of a tile.
        part = np.zeros(
            (-(-(stop - start) // scan.WIDTH) * scan.WIDTH, coded.codes.shape[1]), np.int8
        )
        part[: stop - start] = coded.codes
        tiles = part.view(np.int32).reshape(-1, scan.WIDTH, self.tiled.shape[1])
        first = start // scan.WIDTH
        self.tiled[first : first + len(tiles)] = tiles.transpose(0, 2, 1)
        self.sums[start:stop] = -128 * coded.codes.sum(axis=1, dtype=np.int32)
        self.steps[start:stop] = coded.steps
        self.squares[start:stop], self.moved[start:stop] = coded.squares, coded.moved

    def quantized(self, batch: Array, own: Array) -> Quantized:
        """Queries as bytes; those that are training rows, by their ids in `own`, are so already."""
        if (own >= 0).all():
            codes = self.tiled[own // scan.WIDTH, :, own % scan.WIDTH].view(np.int8)
            return Quantized(codes, self.steps[own], self.squares[own], self.moved[own])
        return Quantized.of(self.project, batch)

    def order(self, queries: Array) -> Array:
        """An order of queries in which those near each other, which share candidates, are close."""
        directions = self.project.directions
        if directions is None:
            return np.arange(len(queries))
        leading = np.empty((len(queries), min(_ORDERING, directions.shape[1])), np.float32)
        for start in range(0, len(queries), _BLOCK):
            part = slice(start, start + _BLOCK)
            leading[part] = (queries[part] - self.project.mean) @ directions[:, : leading.shape[1]]
        return by_nearness(leading)

    def nearest(self, queries: Quantized, wanted: int) -> tuple[Array, Array, Array, Array]:
        """Rows nearest to a block of queries by their codes, on this thread.

        Returns
        -------
        squares, ids, outside : ndarray
            See `scan.scan_bytes`.
        slack : ndarray of shape (m,), float64
            By how much the true distances may be smaller, at most.
        """
        codes = queries.codes.view(np.uint8) ^ np.uint8(128)
        asked = codes, queries.steps, queries.squares
        found = scan.scan_bytes(asked, (self.tiled, self.sums, self.steps, self.halves), wanted)
        slack = queries.moved + self.most_moved
        slack[np.sqrt(queries.squares) > self.farthest] = np.inf
        return *found, slack


def by_nearness(rows: Array) -> Array:
    """An order in which rows near each other follow each other.

    Parameters
    ----------
    rows : ndarray of shape (m, p), float32
        A few dimensions of them suffice.
    """
    groups = int(np.clip(len(rows) // _GROUP, 1, _GROUPS))
    _, nearest = faiss.knn(rows, np.ascontiguousarray(rows[:: -(-len(rows) // groups)]), 1)
    return np.argsort(nearest[:, 0], kind="stable")


def choose(
    rows: Array, mean: Array, sample: Array, farthest: Array, k: int, rotated: bool
) -> tuple[Projection, int] | None:
    """The cheapest codes by which a search finds exact neighbors; None where none are cheap.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Training rows.
    mean : ndarray of shape (d,), float64
    sample : ndarray of shape (s, d)
        A few of the queries.
    farthest : ndarray of shape (s,)
        Distances of their k-th neighbors.
    k : int
    rotated : bool
        Whether finding the principal directions is worth its while.

    Returns
    -------
    project : Projection
    wanted : int
        How many rows to keep for a query.
    """
    n, d = rows.shape
    counted = rows[:: -(-n // _COUNTED)]
    exact = n * d + k * (_KEPT + _FETCHED + _VALUE * d)
    best, cheapest = None, _WORTHWHILE * exact
    plain = Projection(mean, None, None)
    for project in (*(Rotation.fit(rows, mean).projections() if rotated else ()), plain):
        scanned = n * (project.columns / 4 + _LOOKED_AT)
        if scanned > cheapest:
            continue
        asked, among = (Quantized.of(project, part) for part in (sample, counted))
        reach = farthest + asked.moved + min(among.moved.max(), _FAR * np.median(among.moved))
        squares = asked.squares[:, None] + among.squares - 2 * _products(asked, among)
        within = k + (squares <= reach[:, None] ** 2).mean(axis=1) * n
        for wanted in np.minimum(np.quantile(within, (0.9, 0.98, 1)) * 1.2 + 16, _MOST):
            cost = scanned + wanted * _KEPT + (within > wanted).mean() * exact
            cost += np.minimum(within, wanted).mean() * (_FETCHED + _VALUE * d)
            if cost < cheapest:
                best, cheapest = (project, int(min(wanted, n))), cost
    return best


def _products(first: Quantized, second: Quantized) -> Array:
    """Products of two sets of rows, float32."""
    one, other = (part.codes * part.steps[:, None] for part in (first, second))
    return np.asarray(one @ other.T)
