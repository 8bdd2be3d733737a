"""Products of a block of queries with all rows, of which only the best are written to memory.

Each thread multiplies panels of its own queries with tiles of the rows, and keeps what lies above
the least score that is worth keeping; no library's threads are involved.

Kernels that call each other stand in this file, but for the selection that all searches share:
numba's cache does not see that a function in another file has changed.
"""

import numba
import numpy as np

from wann_core.neighbors.microkernel import (
    BYTES,
    HEIGHT,
    WIDTH,
    lowest_bit,
    product,
    product_of_bytes,
)
from wann_core.neighbors.selection import keep_largest
from wann_core.parallel import in_slices
from wann_core.typing import Array

__all__ = ["BYTES", "HEIGHT", "QUERIES", "WIDTH", "half_norms", "scan", "scan_bytes"]

# Queries of one task: their panels fit into the second cache of a core when they are bytes, and
# make the packing of float32 rows, once a task, cheap.
QUERIES = 504
# One tile in this many is looked through first, so that most of the others hold nothing to keep.
_FIRST = 16
# Kept for each row wanted before the best are chosen.
_ROOM = 3


def scan(
    queries: Array, rows: Array, half: Array, wanted: int, sampled: bool = True
) -> tuple[Array, Array, Array]:
    """The rows nearest to each query by float32 products, on this thread alone.

    Parameters
    ----------
    queries : ndarray of shape (m, d), float32
    rows : ndarray of shape (n, d), float32
    half : ndarray of shape (⌈n / WIDTH⌉ · WIDTH,), float32
        See `half_norms`.
    wanted : int
        At least 1.
    sampled : bool
        Whether a sixteenth of the rows gives a first threshold. That is faster, but where these
        rows are nearer than others, fewer than `wanted` are found.

    Returns
    -------
    squares : ndarray of shape (m, c), float32
        Squared distances to within rounding: sums of d products, added one by one. In no order.
    ids : ndarray of shape (m, c), int32
        The rows; -1 after the last.
    outside : ndarray of shape (m,), float32
        No row that was left out is nearer than that, but for rounding.
    """
    found: tuple[Array, Array, Array] = _scan(
        queries, rows, half, _order(len(half) // WIDTH), sampled, wanted
    )
    return found


def half_norms(rows: Array) -> Array:
    """Half the squared norms of rows, negative, with -inf up to a multiple of `WIDTH`."""
    out = np.full(-(-len(rows) // WIDTH) * WIDTH, -np.inf, np.float32)
    in_slices(_half_norms, len(rows), rows, out)
    return out


def scan_bytes(
    queries: tuple[Array, Array, Array], rows: tuple[Array, Array, Array, Array], wanted: int
) -> tuple[Array, Array, Array]:
    """As `scan`, for rows of bytes times a factor each.

    Parameters
    ----------
    queries : tuple
        Bytes (m, 4 s) uint8, each 128 more than its value; factors (m,) float32; squared norms
        (m,) float64.
    rows : tuple
        Bytes in tiles (t, s, WIDTH) int32, four consecutive columns of a row in each number; -128
        times the sum of each row's bytes (t · WIDTH,) int32; factors and negative halves of squared
        norms (t · WIDTH,) float32, the latter -inf after the last row.
    wanted : int

    Returns
    -------
    squares : ndarray of shape (m, c), float32
        Sums are exact; each distance is rounded a few times.
    ids : ndarray of shape (m, c), int32
    outside : ndarray of shape (m,), float32
    """
    codes, factors, norms = queries
    found: tuple[Array, Array, Array] = _scan_bytes(
        codes.view(np.int32), factors, norms, *rows, _order(len(rows[0])), wanted
    )
    return found


def _order(tiles: int) -> Array:
    """The tiles, one in sixteen first."""
    every = np.arange(tiles)
    return np.concatenate([every[::_FIRST], every[every % _FIRST > 0]])


@numba.njit(nogil=True, cache=True)
def _half_norms(start, stop, rows, out):  # type: ignore[no-untyped-def]
    for row in range(start, stop):
        out[row] = -_square(rows[row]) / 2


@numba.njit(nogil=True, cache=True)
def _square(row):  # type: ignore[no-untyped-def]
    norm = 0.0
    for value in row:
        norm += np.float64(value) ** 2
    return norm


@numba.njit(nogil=True, cache=True)
def _scan(queries, rows, half, order, sampled, wanted):  # type: ignore[no-untyped-def]
    m, d = queries.shape
    panels, tile, norms = _panels(queries), _aligned(d), np.empty(m)
    values, kept, counts, least = _room_for(m, wanted)
    scores, masks = np.empty((HEIGHT, WIDTH), np.float32), np.empty(HEIGHT, np.uint32)
    to = scores.ctypes.data, masks.ctypes.data
    few, first = _few(wanted, len(order), sampled)
    for i, t in enumerate(order):
        if i == first:
            _cut_all(values, kept, counts, least, few)
        y, enough = t * WIDTH, few if i < first else wanted
        _pack(rows, y, tile)
        start = half[y:].ctypes.data
        for p in range(len(panels)):
            q = p * HEIGHT
            product(d, panels[p].ctypes.data, tile.ctypes.data, start, least[q:].ctypes.data, *to)
            _keep(scores, masks, q, y, enough, values, kept, counts, least)
    for q in range(m):
        norms[q] = _square(queries[q])
    return _distances(norms, values, kept, counts, least)


@numba.njit(nogil=True, cache=True)
def _scan_bytes(queries, units, norms, tiles, sums, factors, halves, order, wanted):  # type: ignore[no-untyped-def]
    m, steps = queries.shape
    panels = _panels(queries)
    values, kept, counts, least = _room_for(m, wanted)
    scores, masks = np.empty((HEIGHT, WIDTH), np.float32), np.empty(HEIGHT, np.uint32)
    to = scores.ctypes.data, masks.ctypes.data
    unit = np.zeros(len(least), np.float32)
    for q in range(m):
        unit[q] = units[q]
    few, first = _few(wanted, len(order), True)
    for i, t in enumerate(order):
        if i == first:
            _cut_all(values, kept, counts, least, few)
        y, enough = t * WIDTH, few if i < first else wanted
        tile, start = tiles[t].ctypes.data, sums[y:].ctypes.data
        scaled = factors[y:].ctypes.data, halves[y:].ctypes.data
        for p in range(len(panels)):
            q = p * HEIGHT
            asked, lowest, by = panels[p].ctypes.data, least[q:].ctypes.data, unit[q:].ctypes.data
            product_of_bytes(steps, asked, tile, start, lowest, to[0], to[1], by, *scaled)
            _keep(scores, masks, q, y, enough, values, kept, counts, least)
    return _distances(norms, values, kept, counts, least)


@numba.njit(nogil=True, cache=True)
def _few(wanted, tiles, sampled):  # type: ignore[no-untyped-def]
    """How many of the first tiles' best are kept, and how many tiles are looked through first.

    So many of the best should reach to below the best of all: three standard deviations more than
    their share.
    """
    share = wanted / _FIRST
    few = int(share + 3 * np.sqrt(share)) + 4
    if not sampled or few * 4 * _FIRST > tiles * WIDTH:
        return wanted, -1
    return few, -(-tiles // _FIRST)


@numba.njit(nogil=True, cache=True)
def _panels(queries):  # type: ignore[no-untyped-def]
    """Queries in panels of HEIGHT, transposed; zeros after the last."""
    m, columns = queries.shape
    panels = np.zeros((-(-m // HEIGHT), columns, HEIGHT), queries.dtype)
    for q in range(m):
        for f in range(columns):
            panels[q // HEIGHT, f, q % HEIGHT] = queries[q, f]
    return panels


@numba.njit(nogil=True, cache=True)
def _aligned(steps):  # type: ignore[no-untyped-def]
    """Room for a tile, from the start of a line of the cache on."""
    room = np.zeros(steps * WIDTH + 16, np.float32)
    first = (-room.ctypes.data % 64) // 4
    return room[first : first + steps * WIDTH].reshape(steps, WIDTH)


@numba.njit(nogil=True, cache=True)
def _pack(rows, first, tile):  # type: ignore[no-untyped-def]
    """Rows from `first` on as a tile. What is left of the last tile is multiplied, never kept."""
    count = min(WIDTH, len(rows) - first)
    for part in range(0, rows.shape[1], 16):
        for j in range(count):
            for f in range(part, min(part + 16, rows.shape[1])):
                tile[f, j] = rows[first + j, f]


@numba.njit(nogil=True, cache=True)
def _room_for(m, wanted):  # type: ignore[no-untyped-def]
    """Values and places kept for m queries, how many, and the least value worth keeping."""
    room = _ROOM * wanted + WIDTH
    least = np.full(-(-m // HEIGHT) * HEIGHT, -np.inf, np.float32)
    # Queries that only fill a panel keep nothing.
    least[m:] = np.inf
    return (
        np.empty((m, room), np.float32),
        np.empty((m, room), np.int32),
        np.zeros(m, np.int64),
        least,
    )


@numba.njit(nogil=True, cache=True)
def _keep(scores, masks, q, first, enough, values, kept, counts, least):  # type: ignore[no-untyped-def]
    """Append what the masks of a panel name to what its queries keep."""
    full = _ROOM * enough
    for r in range(HEIGHT):
        mask = masks[r]
        if mask:
            count = counts[q + r]
            while mask:
                j = lowest_bit(mask)
                values[q + r, count], kept[q + r, count] = scores[r, j], first + j
                count += 1
                mask &= mask - np.uint32(1)
            counts[q + r] = count
            if count > full:
                keep_largest(values, kept, counts, least, q + r, enough)


@numba.njit(nogil=True, cache=True)
def _cut_all(values, kept, counts, least, enough):  # type: ignore[no-untyped-def]
    for q in range(len(counts)):
        if counts[q] > enough:
            keep_largest(values, kept, counts, least, q, enough)


@numba.njit(nogil=True, cache=True)
def _distances(norms, values, kept, counts, least):  # type: ignore[no-untyped-def]
    """Make scores squared distances, and the least worth keeping the bound of all others."""
    outside = np.empty(len(norms), np.float32)
    for q in range(len(norms)):
        for j in range(counts[q]):
            values[q, j] = norms[q] - 2 * np.float64(values[q, j])
        kept[q, counts[q] :] = -1
        outside[q] = norms[q] - 2 * np.float64(least[q])
    return values, kept, outside
