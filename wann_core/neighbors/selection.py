"""Selection of the best, in place, shared by the kernels of the searches."""

import numba

# The lower half of a key: the place of what it is the key of, below the bits of its rank.
PLACE = 0xFFFFFFFF


@numba.njit(nogil=True, cache=True)
def keep_largest(values, kept, counts, least, q, wanted):  # type: ignore[no-untyped-def]
    """Keep the `wanted` largest of a query's scores, in any order (Hoare's selection, 1961).

    Parameters
    ----------
    values : ndarray of shape (queries, room), float32
        Scores; changed in place.
    kept : ndarray of shape (queries, room), int
        Row of each score; moved with it.
    counts : ndarray of shape (queries,), int
        How many scores each query has; cut to `wanted`.
    least : ndarray of shape (queries,), float32
        Set to the smallest score that stays.
    q : int
        Which query.
    wanted : int
    """
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


@numba.njit(nogil=True, cache=True)
def least_first(keys, count, wanted):  # type: ignore[no-untyped-def]
    """Put the `wanted` least of the first `count` keys before the others, in any order.

    The same selection, of keys that carry their rows.

    Parameters
    ----------
    keys : ndarray of shape (room,), int64
        Changed in place.
    count, wanted : int
    """
    low, high = 0, count - 1
    while low < high:
        a, b, c = keys[low], keys[(low + high) // 2], keys[high]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = low, high
        while i <= j:
            while keys[i] < pivot:
                i += 1
            while keys[j] > pivot:
                j -= 1
            if i <= j:
                keys[i], keys[j] = keys[j], keys[i]
                i += 1
                j -= 1
        if wanted - 1 <= j:
            high = j
        elif wanted - 1 >= i:
            low = i
        else:
            break


@numba.njit(nogil=True, cache=True)
def sort(keys, count):  # type: ignore[no-untyped-def]
    """Sort the first `count` keys, smallest first (Shell, 1959; Ciura's gaps).

    As fast as a quicksort at some hundred keys, and compiled in a fraction of its time.

    Parameters
    ----------
    keys : ndarray of shape (room,), int64
        Changed in place.
    count : int
    """
    for gap in (701, 301, 132, 57, 23, 10, 4, 1):
        for i in range(gap, count):
            key, j = keys[i], i
            while j >= gap and keys[j - gap] > key:
                keys[j] = keys[j - gap]
                j -= gap
            keys[j] = key
