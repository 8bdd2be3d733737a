"""Near-duplicates and outliers, from the neighbor graph of all rows."""

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from wann_core.typing import Array

# Rows nearer than this share of the usual distance to the nearest neighbor are near-duplicates.
_NEAR = 0.13
_OUTLIER_NEIGHBORS = 10


def near_duplicates(ids: Array, distances: Array) -> Array:
    """Group of near-duplicates of each row, counted from 0; -1 where there is none.

    Two rows belong together if they are nearer than 0.13 of the median distance (of those above 0)
    to the nearest neighbor, or linked by such pairs.

    Parameters
    ----------
    ids, distances : ndarray of shape (n, K)
        Neighbors of each row, nearest first, the row itself left out.

    Returns
    -------
    ndarray of shape (n,), int64

    References
    ----------
    The factor is cleanlab's, https://docs.cleanlab.ai (near-duplicate issues).

    Examples
    --------
    >>> near_duplicates(np.array([[1], [0], [1]]), np.array([[0.0], [0.0], [2.0]])).tolist()
    [0, 0, -1]
    """
    n = len(ids)
    apart = distances[:, 0][distances[:, 0] > 0]
    limit = _NEAR * float(np.median(apart)) if len(apart) else 0.0
    rows, ranks = np.nonzero(distances <= limit)
    links = coo_matrix((np.ones(len(rows), bool), (rows, ids[rows, ranks])), shape=(n, n))
    _, component = connected_components(links, directed=False)
    sizes = np.bincount(component)
    grouped = sizes[component] > 1
    groups = np.full(n, -1, np.int64)
    # Numbered by first appearance, so that the numbers are few and stable.
    found, first = np.unique(component[grouped], return_index=True)
    rank = np.empty(len(sizes), np.int64)
    rank[found[np.argsort(first)]] = np.arange(len(found))
    groups[grouped] = rank[component[grouped]]
    return groups


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
    mean = distances[:, :_OUTLIER_NEIGHBORS].mean(axis=1, dtype=np.float64)
    usual = float(np.median(mean))
    return np.asarray(np.exp2(-mean / usual) if usual > 0 else np.exp2(-mean))
