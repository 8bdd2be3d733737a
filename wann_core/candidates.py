"""Candidates of a search: the rows of least distance in a few columns, by one compiled kernel.

Small tiles of the matrix product are looked through while they lie in the cache, so that no
distance is written to memory. Each thread makes its own tiles by BLAS, which keeps products this
small to the thread that asks: threads never wait for one another, however busy the machine is.
"""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from wann_core.parallel import in_slices

Array = npt.NDArray[Any]

# Rows of a tile.
_ROWS = 64
# OpenBLAS leaves products of up to so many multiplications to one thread.
_TILE = 1 << 18
# Queries of one task: what they keep fits in the cache of a core.
_QUERIES = 128
# One tile in so many is looked through first, so that most of the others hold nothing to keep.
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
        What is left of the last tile can be nobody's neighbour.
    """
    n, columns = rows.shape
    out = np.zeros((-(-n // _ROWS), columns + 1, _ROWS), np.float32)
    for tile, first in zip(out, range(0, n, _ROWS), strict=True):
        part = rows[first : first + _ROWS]
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
    extended = np.ones((len(queries), tiled.shape[1]), np.float32)
    extended[:, :-1] = queries
    squares = np.empty((len(queries), wanted), np.float32)
    ids = np.empty((len(queries), wanted), np.int64)
    in_slices(_nearest, len(queries), extended, tiled, squares, ids, rows=_QUERIES)
    return squares, ids


@numba.njit(nogil=True, cache=True)
def _nearest(start, stop, queries, tiled, squares, ids):  # type: ignore[no-untyped-def]
    m, wanted = stop - start, ids.shape[1]
    room = max(_ROOM * wanted, wanted + _ROWS) + _ROWS
    values, kept = np.empty((m, room), np.float32), np.empty((m, room), np.int32)
    counts, least = np.zeros(m, np.int64), np.full(m, -np.inf, np.float32)
    n_tiles = len(tiled)
    # So many of the first tiles' best should reach to below the best of all: four standard
    # deviations more than their share. Where they do not, too few rows are kept, and that shows.
    share = wanted / _FIRST
    few = int(share + 4 * np.sqrt(share)) + 4
    ahead = _FIRST * 4 * few < n_tiles * _ROWS
    if ahead:
        _look(queries[start:stop], tiled, 0, _FIRST, 0, few, values, kept, counts, least)
        for q in range(m):
            _cut(values, kept, counts, least, q, few)
        _look(queries[start:stop], tiled, 0, 1, _FIRST, wanted, values, kept, counts, least)
    for q in range(m):
        if counts[q] < wanted:
            counts[q], least[q] = 0, -np.inf
            one = slice(q, q + 1)
            _look(
                queries[start + q : start + q + 1], tiled, 0, 1, 0, wanted, values[one], kept[one],
                counts[one], least[one],
            )  # fmt: skip
        _cut(values, kept, counts, least, q, wanted)
        order = np.argsort(-values[q, :wanted])
        norm = 0.0
        for f in range(queries.shape[1] - 1):
            norm += np.float64(queries[start + q, f]) ** 2
        for j in range(wanted):
            squares[start + q, j] = norm - 2 * np.float64(values[q, order[j]])
            ids[start + q, j] = kept[q, order[j]]


@numba.njit(nogil=True, cache=True)
def _look(  # type: ignore[no-untyped-def]
    queries, tiled, first, step, but, wanted, values, kept, counts, least
):
    """Keep what lies above each query's least in every `step`-th tile but every `but`-th."""
    m, columns = queries.shape
    at_once = max(1, _TILE // (_ROWS * columns))
    scores = np.empty((min(at_once, m), _ROWS), np.float32)
    full = values.shape[1] - _ROWS
    for t in range(first, len(tiled), step):
        if but and t % but == 0:
            continue
        for start in range(0, m, at_once):
            stop = min(start + at_once, m)
            np.dot(queries[start:stop], tiled[t], scores[: stop - start])
            for row in range(stop - start):
                # Counted in 32 bits, this becomes a few vector instructions.
                lowest, above = least[start + row], np.int32(0)
                for j in range(_ROWS):
                    above = np.int32(above + np.int32(scores[row, j] > lowest))
                if above:
                    q = start + row
                    _keep(scores, row, t * _ROWS, values, kept, counts, least, q)
                    if counts[q] > full:
                        _cut(values, kept, counts, least, q, wanted)


@numba.njit(nogil=True, cache=True)
def _keep(scores, row, first, values, kept, counts, least, q):  # type: ignore[no-untyped-def]
    """Append the scores of a row that lie above a query's least."""
    count, lowest = counts[q], least[q]
    for j in range(_ROWS):
        # Written always, counted where it is above: there is no branch to guess wrongly.
        values[q, count], kept[q, count] = scores[row, j], first + j
        count += scores[row, j] > lowest
    counts[q] = count


@numba.njit(nogil=True, cache=True)
def _cut(values, kept, counts, least, q, wanted):  # type: ignore[no-untyped-def]
    """Leave the `wanted` largest of a query's values, in any order (Hoare's selection, 1961)."""
    low, high = 0, counts[q] - 1
    while low < high:
        a, b, c = values[q, low], values[q, (low + high) // 2], values[q, high]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = low, high
        while i <= j:
            while values[q, i] > pivot:
                i += 1
            while values[q, j] < pivot:
                j -= 1
            if i <= j:
                values[q, i], values[q, j] = values[q, j], values[q, i]
                kept[q, i], kept[q, j] = kept[q, j], kept[q, i]
                i += 1
                j -= 1
        if wanted - 1 <= j:
            high = j
        elif wanted - 1 >= i:
            low = i
        else:
            break
    counts[q] = min(counts[q], wanted)
    lowest = values[q, 0]
    for j in range(1, counts[q]):
        lowest = min(lowest, values[q, j])
    least[q] = lowest
