"""Candidates of a search: the rows of least distance in a few columns, by one compiled kernel.

Small tiles of the matrix product are looked through while they lie in the cache, so that no
distance is written to memory. Each thread makes its own tiles by BLAS, which keeps products this
small to the thread that asks: threads never wait for one another, however busy the machine is.
"""

import numba
import numpy as np

from wann_core.neighbors.selection import PLACE, keep_largest, sort
from wann_core.parallel import in_slices
from wann_core.typing import Array

# Rows of a tile.
ROWS = 64
# OpenBLAS leaves products of up to this many multiplications to one thread.
_TILE = 1 << 18
# Queries of one task: what they keep fits in the cache of a core.
QUERIES = 128
# Within cells more, so that enough of them share a cell for their product to be efficient.
_IN_CELLS = 256
# A query looks through this many cells before its reach is known.
_CLOSE = 3
# One tile in this many is looked through first, so that most of the others hold nothing to keep.
_FIRST = 16
# Kept for each candidate wanted before the best are chosen.
_ROOM = 3


def tiles(rows: Array) -> Array:
    """Rows in tiles of 64, transposed, with half their squared norms, negative, below.

    The product of queries that end in 1 with such a tile is greatest where the distance is least:
    xy - ‖y‖²/2 = (‖x‖² - ‖x - y‖²) / 2.

    Parameters
    ----------
    rows : ndarray of shape (n, p), float32

    Returns
    -------
    ndarray of shape (⌈n / 64⌉, p + 1, 64), float32
        What is left of the last tile can be nobody's neighbor.
    """
    n, columns = rows.shape
    out = np.zeros((-(-n // ROWS), columns + 1, ROWS), np.float32)
    for tile, first in zip(out, range(0, n, ROWS), strict=True):
        part = rows[first : first + ROWS]
        tile[:-1, : len(part)] = part.T
        tile[-1, : len(part)] = np.einsum("ij,ij->i", part, part, dtype=np.float64) / -2
        tile[-1, len(part) :] = -np.inf
    return out


def nearest(queries: Array, tiled: Array, wanted: int) -> tuple[Array, Array]:
    """The rows nearest to each query by float32 distances, nearest first.

    Parameters
    ----------
    queries : ndarray of shape (m, p), float32
    tiled : ndarray of shape (⌈n / 64⌉, p + 1, 64), float32
        See `tiles`.
    wanted : int
        At least 1, at most n.

    Returns
    -------
    squares : ndarray of shape (m, wanted), float32
        Squared distances to within the rounding of float32. But for that, none of the other rows
        lies nearer than the last.
    ids : ndarray of shape (m, wanted), int64
    """
    squares = np.empty((len(queries), wanted), np.float32)
    ids = np.empty((len(queries), wanted), np.int64)
    in_slices(_nearest, len(queries), _extended(queries), tiled, squares, ids, rows=QUERIES)
    return squares, ids


def nearest_in_cells(
    queries: Array, tiled: Array, first: Array, distances: Array, reach: float, wanted: int
) -> tuple[Array, Array]:
    """As `nearest`, but of cells within reach alone.

    Parameters
    ----------
    queries : ndarray of shape (m, p), float32
    tiled : ndarray of shape (t, p + 1, 64), float32
        Tiles of cells, see `tiles`.
    first : ndarray of shape (L + 1,), int64
        The tiles of cell c are those from first[c] on, before first[c + 1].
    distances : ndarray of shape (m, L), float32
        Distances of the queries from the centers of the cells.
    reach : float
        A cell is looked through if its center lies within this many times the distance of the last
        candidate.
    wanted : int
        At least 1, at most the rows in all cells.

    Returns
    -------
    squares : ndarray of shape (m, wanted), float32
    places : ndarray of shape (m, wanted), int64
        Place j of tile t is 64 t + j.
    """
    squares = np.empty((len(queries), wanted), np.float32)
    places = np.empty((len(queries), wanted), np.int64)
    in_slices(
        _nearest_in_cells,
        len(queries),
        _extended(queries),
        distances,
        reach,
        tiled,
        first,
        squares,
        places,
        rows=_IN_CELLS,
    )
    return squares, places


def _extended(queries: Array) -> Array:
    """Queries that end in 1, ready for the product with tiles."""
    return np.column_stack([queries, np.ones(len(queries), queries.dtype)])


@numba.njit(nogil=True, cache=True)
def _nearest(start, stop, queries, tiled, squares, ids):  # type: ignore[no-untyped-def]
    m, wanted = stop - start, ids.shape[1]
    values, kept, counts, least = _room_for(m, wanted)
    n_tiles, every = len(tiled), np.arange(m)
    # So many of the first tiles' best should reach to below the best of all: four standard
    # deviations more than their share. Where they do not, too few rows are kept, and that shows.
    share = wanted / _FIRST
    few = int(share + 4 * np.sqrt(share)) + 4
    if _FIRST * 4 * few < n_tiles * ROWS:
        part = queries[start:stop]
        for t in range(0, n_tiles, _FIRST):
            _look_at(tiled[t], t, part, every, few, values, kept, counts, least)
        for q in range(m):
            keep_largest(values, kept, counts, least, q, few)
        for t in range(n_tiles):
            if t % _FIRST:
                _look_at(tiled[t], t, part, every, wanted, values, kept, counts, least)
    _finish(start, queries, tiled, values, kept, counts, least, squares, ids)


@numba.njit(nogil=True, cache=True)
def _nearest_in_cells(  # type: ignore[no-untyped-def]
    start, stop, queries, distances, reach, tiled, first, squares, ids
):
    m, wanted = stop - start, ids.shape[1]
    values, kept, counts, least = _room_for(m, wanted)
    part, which = np.empty((m, queries.shape[1]), np.float32), np.empty(m, np.int64)
    far = distances[start:stop]
    norms, close, together = np.empty(m), np.empty(m, far.dtype), np.zeros(far.shape[1])
    for q in range(m):
        close[q] = _close(far[q])
        together += far[q]
        norms[q] = _squared_norm(queries[start + q])
    order = np.argsort(together)
    # A query's nearest cells show how far its candidates are; only then is it known which others
    # are within reach.
    for beyond in (False, True):
        for cell in order:
            few = _asking(far[:, cell], beyond, close, reach, norms, least, which)
            if not few:
                continue
            for row in range(few):
                part[row] = queries[start + which[row]]
            for t in range(first[cell], first[cell + 1]):
                _look_at(tiled[t], t, part[:few], which[:few], wanted, values, kept, counts, least)
            _cut_at(2 * wanted, which[:few], values, kept, counts, least, wanted)
        _cut_at(wanted, np.arange(m), values, kept, counts, least, wanted)
    _finish(start, queries, tiled, values, kept, counts, least, squares, ids)


@numba.njit(nogil=True, cache=True)
def _cut_at(above, which, values, kept, counts, least, wanted):  # type: ignore[no-untyped-def]
    """Keep only the best candidates of queries that hold too many."""
    for q in which:
        if counts[q] >= above:
            keep_largest(values, kept, counts, least, q, wanted)


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


@numba.njit(nogil=True, cache=True)
def _room_for(m, wanted):  # type: ignore[no-untyped-def]
    """Values and places kept for m queries, how many, and the least value worth keeping."""
    room = max(_ROOM * wanted, wanted + ROWS) + ROWS
    return (
        np.empty((m, room), np.float32),
        np.empty((m, room), np.int32),
        np.zeros(m, np.int64),
        np.full(m, -np.inf, np.float32),
    )


@numba.njit(nogil=True, cache=True)
def _look_at(  # type: ignore[no-untyped-def]
    tile, t, queries, which, wanted, values, kept, counts, least
):
    """Keep what lies above each query's least in tile number t; `which` of all they are."""
    m, columns = queries.shape
    at_once = max(1, _TILE // (ROWS * columns))
    scores = np.empty((min(at_once, m), ROWS), np.float32)
    full = values.shape[1] - ROWS
    for start in range(0, m, at_once):
        stop = min(start + at_once, m)
        np.dot(queries[start:stop], tile, scores[: stop - start])
        for row in range(stop - start):
            # Counted in 32 bits, this becomes a few vector instructions.
            lowest, above = least[which[start + row]], np.int32(0)
            for j in range(ROWS):
                above = np.int32(above + np.int32(scores[row, j] > lowest))
            if above:
                q = which[start + row]
                _keep(scores, row, t * ROWS, values, kept, counts, least, q)
                if counts[q] > full:
                    keep_largest(values, kept, counts, least, q, wanted)


@numba.njit(nogil=True, cache=True)
def _finish(  # type: ignore[no-untyped-def]
    start, queries, tiled, values, kept, counts, least, squares, ids
):
    """Answer with the best of what was kept; where that is too little, look at every tile."""
    wanted = ids.shape[1]
    near, keys = np.empty(wanted, np.float32), np.empty(wanted, np.int64)
    # Bits of numbers that are not negative are in the order of the numbers.
    bits = near.view(np.int32)
    for q in range(len(counts)):
        if counts[q] < wanted:
            counts[q], least[q] = 0, -np.inf
            one, which = queries[start + q : start + q + 1], np.full(1, q)
            for t in range(len(tiled)):
                _look_at(tiled[t], t, one, which, wanted, values, kept, counts, least)
        keep_largest(values, kept, counts, least, q, wanted)
        norm = _squared_norm(queries[start + q])
        for j in range(wanted):
            near[j] = max(norm - 2 * np.float64(values[q, j]), 0.0)
            keys[j] = (np.int64(bits[j]) << 32) | j
        sort(keys, wanted)
        for j in range(wanted):
            place = keys[j] & PLACE
            squares[start + q, j], ids[start + q, j] = near[place], kept[q, place]


@numba.njit(nogil=True, cache=True)
def _squared_norm(query):  # type: ignore[no-untyped-def]
    """Squared norm of a query that ends in 1, that 1 left out."""
    norm = 0.0
    for f in range(len(query) - 1):
        norm += np.float64(query[f]) ** 2
    return norm


@numba.njit(nogil=True, cache=True)
def _keep(scores, row, first, values, kept, counts, least, q):  # type: ignore[no-untyped-def]
    """Append the scores of a row that lie above a query's least."""
    count, lowest = counts[q], least[q]
    for j in range(ROWS):
        # Written always, counted where it is above: there is no branch to guess wrongly.
        values[q, count], kept[q, count] = scores[row, j], first + j
        count += scores[row, j] > lowest
    counts[q] = count
