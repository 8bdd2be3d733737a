"""Near-duplicates and outliers, from the neighbor graph of all rows."""

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from wann_core.errors import check_number
from wann_core.typing import Array

# Rows nearer than this share of the usual distance to the nearest neighbor are near-duplicates.
NEAR = 0.13
# Nearer than this share of that, rows are copies, which are grouped however many there are.
_SAME = 1e-3
_OUTLIER_NEIGHBORS = 10


def near_duplicates(ids: Array, distances: Array, near: float = NEAR) -> Array:
    """Group of near-duplicates of each row, counted from 0; -1 where there is none.

    The first row of a group is nearer to each of the others than `near` times the median distance
    (of those above 0) to the nearest neighbor. Rows that are only linked by a chain of such pairs
    are not grouped.

    Parameters
    ----------
    ids, distances : ndarray of shape (n, K)
        Neighbors of each row, nearest first, the row itself left out.
    near : float
        Larger groups more.

    Returns
    -------
    ndarray of shape (n,), int64

    Raises
    ------
    WannError
        If `near` is not above 0 and at most 1.

    References
    ----------
    The factor is cleanlab's, https://docs.cleanlab.ai (near-duplicate issues).

    Examples
    --------
    >>> near_duplicates(np.array([[1], [0], [1]]), np.array([[0.0], [0.0], [2.0]])).tolist()
    [0, 0, -1]
    """
    check_number("near", near, 0, 1)
    limit = near_limit(distances[:, 0], near)
    return group_pairs(len(ids), *near_pairs(ids, distances, limit), limit)


def near_limit(nearest: Array, near: float = NEAR) -> float:
    """Below which distance rows are near-duplicates, by the distances to the nearest neighbors."""
    apart = nearest[nearest > 0]
    return near * float(np.median(apart)) if len(apart) else 0.0


def near_pairs(ids: Array, distances: Array, limit: float) -> tuple[Array, Array, Array]:
    """Positions and neighbors of all pairs at most so far apart, and their distances."""
    rows, ranks = np.nonzero(distances <= limit)
    return rows, ids[rows, ranks], distances[rows, ranks]


def group_pairs(n: int, rows: Array, others: Array, distances: Array, limit: float) -> Array:
    """Groups of n rows, see `near_duplicates`, from `near_pairs`."""
    same = distances <= _SAME * limit
    copies, copy_of = connected_components(_links(n, rows[same], others[same]), directed=False)
    links = _links(copies, copy_of[rows], copy_of[others])
    links = (links + links.T).tocsr()
    group_of = np.full(copies, -1, np.int64)
    groups = 0
    # In the order of the rows, each first row of no group yet takes those near it.
    first = np.unique(copy_of, return_index=True)[1]
    several = (np.diff(links.indptr) > 0) | (np.bincount(copy_of, minlength=copies) > 1)
    for leader in copy_of[np.sort(first[several])].tolist():
        if group_of[leader] >= 0:
            continue
        members = links.indices[links.indptr[leader] : links.indptr[leader + 1]]
        group_of[leader] = group_of[members[group_of[members] < 0]] = groups
        groups += 1
    found = group_of[copy_of]
    # A row whose neighbors all went to other groups is left alone.
    sizes = np.bincount(found[found >= 0], minlength=groups)
    rank = np.where(sizes > 1, np.cumsum(sizes > 1) - 1, -1)
    return np.asarray(np.where(found >= 0, rank[found], -1) if groups else found)


def _links(n: int, rows: Array, others: Array) -> csr_matrix:
    """Pairs of rows as a matrix of shape (n, n)."""
    return csr_matrix((np.ones(len(rows), bool), (rows, others)), shape=(n, n))


def mixed_groups(groups: Array, values: Array) -> Array:
    """Which rows share a near-duplicate group with a row of another value; shape (n,), bool."""
    grouped = np.flatnonzero(groups >= 0)
    lowest = np.full(int(groups.max(initial=-1)) + 1, np.iinfo(np.int64).max)
    highest = np.full(len(lowest), np.iinfo(np.int64).min)
    np.minimum.at(lowest, groups[grouped], values[grouped])
    np.maximum.at(highest, groups[grouped], values[grouped])
    mixed = np.zeros(len(groups), bool)
    mixed[grouped] = lowest[groups[grouped]] < highest[groups[grouped]]
    return mixed


def outlier_score(distances: Array) -> Array:
    """2^(-d / median d), d the mean distance to the 10 nearest rows: 0.5 is usual, 0 far away.

    Shape (n,), float64, in [0, 1].
    """
    mean = outlier_distance(distances)
    return outlier_score_of(mean, float(np.median(mean)))


def outlier_distance(distances: Array) -> Array:
    """Mean distance to the 10 nearest rows, shape (n,), float64."""
    return np.asarray(distances[:, :_OUTLIER_NEIGHBORS].mean(axis=1, dtype=np.float64))


def outlier_score_of(mean: Array, usual: float) -> Array:
    """The same by `outlier_distance` and its median."""
    return np.asarray(np.exp2(-mean / usual) if usual > 0 else np.exp2(-mean))
