"""Ranks candidates by their true distance, and proves that no nearer row was left out."""

from typing import NamedTuple

import numba
import numpy as np

from wann_core.neighbors.microkernel import prefetch
from wann_core.neighbors.selection import PLACE, least_first, sort
from wann_core.parallel import in_slices
from wann_core.typing import Array

# Candidates more than asked that are looked at first.
SPARE = 8
EPSILON = float(np.finfo(np.float32).eps)
# Rows are fetched into the cache this many candidates ahead.
_AHEAD = 3


class Candidates(NamedTuple):
    """Rows that may be among the nearest of some queries.

    Attributes
    ----------
    bounds : ndarray of shape (m, c), float32
        Squared distances by which they were found.
    ids : ndarray of shape (m, c), integer
        -1 after the last.
    outside : ndarray of shape (m,), float32
        No row that was left out has a squared distance below that.
    norms : ndarray of shape (m,), float64
        Squared norms of the queries where these distances were computed.
    slack : ndarray of shape (m,), float64
        Largest amount by which a true distance may be smaller, but for rounding.
    rounding : float
        Of squared distances, as a share of the squared norms of query and row.
    """

    bounds: Array
    ids: Array
    outside: Array
    norms: Array
    slack: Array
    rounding: float


def rank(
    batch: Array,
    train: Array,
    own: Array,
    found: Candidates,
    ids: Array,
    squares: Array,
    complete: Array,
) -> None:
    """Fill in the nearest candidates of each query by their true distance, summed in float64.

    Distances in float32 first show for which of the candidates that is needed; those that
    their bounds exclude are not looked at.

    Parameters
    ----------
    batch, train : ndarray of shape (m, d) and (n, d), float32 or float64
        Queries and training rows as they were given.
    own : ndarray of shape (m,), integer
        See `own_ids`.
    found : Candidates
    ids, squares, complete : ndarray of shape (m, k), (m, k), float64, and (m,)
        The answers, distances squared. A row is complete if no row that was left out can be among
        its nearest; it is not, and its answers mean nothing, where fewer than k candidates count.
    """
    in_slices(rank_slice, len(batch), batch, train, own, found, ids, squares, complete, rows=128)


@numba.njit(nogil=True, cache=True)
def rank_slice(start, stop, batch, train, own, found, ids, squares, complete):  # type: ignore[no-untyped-def]
    """As `rank`, for the queries from `start` to before `stop`, on this thread alone."""
    bounds, candidates, outside, norms, slack, rounding = found
    k, n_candidates = ids.shape[1], candidates.shape[1]
    rough, keys = np.empty(n_candidates, np.float32), np.empty(n_candidates, np.int64)
    distances, rows = np.empty(n_candidates), np.empty(n_candidates, np.int64)
    for q in range(start, stop):
        reach = norms[q], slack[q], rounding
        n = _near(q, batch, train, own[q], bounds[q], candidates[q], reach, k, rough, keys)
        _sort(q, batch, train, candidates[q], k, rough, keys[:n], distances, rows)
        complete[q] = n >= k and _beyond(outside[q], reach, distances[k - 1])
        for j in range(min(n, k)):
            ids[q, j], squares[q, j] = rows[j], distances[j]


@numba.njit(nogil=True, cache=True)
def _near(q, batch, train, own, bounds, candidates, reach, k, rough, keys):  # type: ignore[no-untyped-def]
    """Distances in float32 of all candidates but those that their bounds exclude.

    Keys hold the bits of a distance above the place of a candidate: bits of numbers that are not
    negative are in the order of the numbers. Returns how many there are.
    """
    bits, count, n_columns = rough.view(np.int32), 0, train.shape[1]
    while count < len(candidates) and candidates[count] >= 0:
        rough[count] = max(bounds[count], np.float32(0))
        keys[count] = (np.int64(bits[count]) << 32) | count
        count += 1
    # The first give a distance that the k-th neighbor does not exceed; then come those that may be
    # nearer than that.
    n, first, farthest = 0, min(k + 1 + SPARE, count), np.inf
    least_first(keys, count, first)
    for at in range(count):
        if at == first and n >= k:
            sort(keys, n)
            farthest = np.float64(rough[keys[k - 1] & PLACE]) / _surely(n_columns)
        if at + _AHEAD < count:
            row = candidates[keys[at + _AHEAD] & PLACE]
            if not _beyond(bounds[keys[at + _AHEAD] & PLACE], reach, farthest):
                address = train.ctypes.data + row * train.strides[0]
                for line in range(0, train.strides[0], 64):
                    prefetch(address + line)
        c = keys[at] & PLACE
        if candidates[c] != own and not _beyond(bounds[c], reach, farthest):
            rough[c] = _rough_square(batch, q, train, candidates[c])
            keys[n] = (np.int64(bits[c]) << 32) | c
            n += 1
    sort(keys, n)
    return n


@numba.njit(nogil=True, cache=True)
def _sort(q, batch, train, candidates, k, rough, keys, distances, rows):  # type: ignore[no-untyped-def]
    """Put the k nearest first, by distances summed in float64; equal ones: lowest id first."""
    surely = _surely(train.shape[1])
    for found, key in enumerate(keys):
        c = key & PLACE
        if found >= k and distances[k - 1] < surely * rough[c] < np.inf:
            break
        i = candidates[c]
        d = _square(batch, q, train, i)
        # Insertion: the order is nearly right already.
        at = found
        while at > 0 and distances[at - 1] >= d:
            if distances[at - 1] == d and rows[at - 1] < i:
                break
            distances[at], rows[at] = distances[at - 1], rows[at - 1]
            at -= 1
        distances[at], rows[at] = d, i


@numba.njit(nogil=True, cache=True)
def _surely(n_columns):  # type: ignore[no-untyped-def]
    """What part of a distance in float32 the true one has at least.

    A difference, its square and sums of squares are each rounded once, all in one direction at
    worst.
    """
    return 1 - (n_columns + 4) * EPSILON


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
def _beyond(bound, reach, farthest):  # type: ignore[no-untyped-def]
    """Whether rows from this bound on are farther than a squared distance, whatever the rounding.

    A row nearer than that has a norm of at most ‖x‖ + d, which bounds the rounding.
    """
    norm, slack, rounding = reach
    largest = np.sqrt(norm) + np.sqrt(farthest) + slack
    least = bound - rounding * (norm + largest * largest)
    if not least > slack * slack:
        return False
    return (np.sqrt(least) - slack) ** 2 > farthest
