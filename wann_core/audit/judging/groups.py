"""Rows that belong together and must not judge each other: patients, videos, near-copies."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from wann_core.errors import WannError
from wann_core.methods.folds import FOLDS
from wann_core.neighbors.cache import neighbor_graph
from wann_core.neighbors.graph import NeighborGraph, nearest
from wann_core.noise.group_rate import estimate_group_noise
from wann_core.noise.rate import NoiseEstimate
from wann_core.progress import Progress
from wann_core.typing import Array

# Rows of groups up to this size are searched among all rows with this many spare neighbors; larger
# groups are searched against the other rows, one exact search each.
_SPARE = 64
_LEAST_SHARE = 1e-4


def group_codes(groups: Any, rows: int) -> Array:
    """Number the groups from 0; a missing value is a group of its own.

    Raises
    ------
    WannError
        If there is not one value a row, or all rows are of one group.

    Examples
    --------
    >>> group_codes(["p1", None, "p1", None], 4).tolist()
    [0, 1, 0, 2]
    """
    if hasattr(groups, "detach"):  # a torch tensor
        groups = groups.detach().cpu().numpy()
    values = pd.Series(groups).reset_index(drop=True)
    if len(values) != rows:
        raise WannError(
            f"`groups` must have one value a row ({rows:,}), got {len(values):,}.", "groups"
        )
    codes, uniques = pd.factorize(values)
    alone = np.flatnonzero(codes < 0)
    codes[alone] = len(uniques) + np.arange(len(alone))
    # Numbered by first appearance, as the docstring's example shows.
    _, first, codes = np.unique(codes, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    found: Array = rank[codes]
    if rows and found.max() == 0 and rows > 1:
        raise WannError(
            "`groups` must name at least 2 groups: rows of one group do not judge each other, and "
            "here all rows are of one.",
            "groups",
        )
    return found


def graph_without_groups(
    X: Array, codes: Array, k: int, progress: Progress | None = None, search: str = "auto"
) -> NeighborGraph:
    """Search the k nearest rows of each row among those of other groups.

    Parameters
    ----------
    X : ndarray of shape (n, d), float32
    codes : ndarray of shape (n,), int64
        Group of each row.
    k : int
    progress : callable, optional
    search : {'auto', 'flat', 'torch'}
        See `NeighborGraph.build`.

    Returns
    -------
    NeighborGraph
        Of as many neighbors as the row with the fewest rows outside its group has, at most k.
    """
    sizes = np.bincount(codes)
    others = len(X) - int(sizes.max())
    k = min(k, others)
    spare = min(_SPARE, int(sizes.max()) - 1)
    graph = neighbor_graph(X, None, k + spare, progress, search)
    ids, distances = _outside(graph, codes, k)
    large = np.flatnonzero(sizes > spare + 1)
    for done, group in enumerate(large.tolist()):
        own = np.flatnonzero(codes == group)
        rest = np.flatnonzero(codes != group)
        if progress is not None:
            progress(done, len(large), "searching neighbors outside large groups")
        found, apart = nearest(X[own], X[rest], k)
        ids[own], distances[own] = rest[found], apart
    return NeighborGraph(
        ids,
        distances,
        seconds=graph.seconds,
        method=graph.method,
        recall=graph.recall,
        recall_rows=graph.recall_rows,
        certified=graph.certified,
    )


def _outside(graph: NeighborGraph, codes: Array, k: int) -> tuple[Array, Array]:
    """The first k neighbors of other groups; rows that have fewer are filled in by the caller."""
    same = codes[graph.train_ids] == codes[:, None]
    # A stable sort moves the rows of the own group behind all others, which stay in their order.
    order = np.argsort(same, axis=1, kind="stable")[:, :k]
    ids = np.take_along_axis(graph.train_ids, order, axis=1)
    return ids, np.take_along_axis(graph.train_distances, order, axis=1)


def judgeable(labels: Array, codes: Array | None, n_classes: int) -> Array:
    """Whether the class of each row has another row: of another group, where there are `codes`.

    Examples
    --------
    >>> judgeable(np.array([0, 0, 1, 1]), np.array([5, 5, 6, 7]), 2).tolist()
    [False, False, True, True]
    """
    speakers = labels
    if codes is not None:
        speakers = np.unique(np.stack([labels, codes]), axis=1)[0]
    return np.asarray(np.bincount(speakers, minlength=n_classes)[labels] > 1)


def units_of(codes: Array, labels: Array) -> Array | None:
    """Number what is judged as a whole: each group of one label throughout, and every other row.

    Parameters
    ----------
    codes, labels : ndarray of shape (n,), int64

    Returns
    -------
    ndarray of shape (n,), int64, or None
        From 0. None where no group of several rows bears one label.

    Examples
    --------
    >>> units_of(np.array([0, 0, 1, 1]), np.array([2, 2, 0, 1])).tolist()
    [0, 0, 1, 2]
    """
    groups = int(codes.max(initial=-1)) + 1
    sizes = np.bincount(codes, minlength=groups)
    lowest = np.full(groups, np.iinfo(np.int64).max)
    highest = np.full(groups, -1)
    np.minimum.at(lowest, codes, labels)
    np.maximum.at(highest, codes, labels)
    whole = (sizes > 1) & (lowest == highest)
    if not whole.any():
        return None
    alone = groups + np.arange(len(codes))
    units: Array = np.unique(np.where(whole[codes], codes, alone), return_inverse=True)[1]
    return units


def mean_by_unit(shares: Array, units: Array) -> Array:
    """Geometric mean of the shares of each unit's rows, (units, C), of their dtype; rows sum to 1.

    Opinions on the same thing are pooled on the scale of log-odds.
    """
    order = np.argsort(units, kind="stable")
    sizes = np.bincount(units)
    first = np.cumsum(sizes) - sizes
    means = np.empty((len(sizes), shares.shape[1]), shares.dtype)
    for c in range(shares.shape[1]):
        logs = np.log(np.maximum(shares[order, c], _LEAST_SHARE, dtype=np.float64))
        means[:, c] = np.exp(np.add.reduceat(logs, first) / sizes)
    return np.asarray(means / means.sum(axis=1, keepdims=True))


def noise_of_units(shares: Array, labels: Array, units: Array, judged: Array) -> NoiseEstimate:
    """How many of the judged rows have a wrong label: each unit is one opinion, however large.

    Parameters
    ----------
    shares : ndarray of shape (n, C)
    labels, units : ndarray of shape (n,), int64
    judged : ndarray of shape (n,), bool
    """
    _, first, numbers, sizes = np.unique(
        units[judged], return_index=True, return_inverse=True, return_counts=True
    )
    means = mean_by_unit(shares[judged], numbers)
    return estimate_group_noise(means, labels[judged][first], sizes)


def deal_by_group(codes: Array, labels: Array, seed: int = 0) -> Array:
    """Deal whole groups to folds, so that each fold has its share of every class.

    Large groups are dealt first, each to the fold that lacks most of its commonest class.

    Parameters
    ----------
    codes, labels : ndarray of shape (n,), int64
    seed : int
        Order of groups of equal size.

    Returns
    -------
    ndarray of shape (n,), int64
        Fold of each row, from 0 to `FOLDS` - 1.
    """
    sizes = np.bincount(codes)
    shape = len(sizes), int(labels.max()) + 1
    joint = csr_matrix((np.ones(len(codes), np.int64), (codes, labels)), shape=shape)
    common = np.asarray(joint.argmax(axis=1)).ravel()
    shuffled = np.random.RandomState(seed).permutation(len(sizes))
    order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    held = np.zeros((FOLDS, shape[1]), np.int64)
    totals = np.zeros(FOLDS, np.int64)
    fold_of = np.empty(len(sizes), np.int64)
    for group in order.tolist():
        fold = int(np.lexsort((totals, held[:, common[group]]))[0])
        fold_of[group] = fold
        start, stop = joint.indptr[group], joint.indptr[group + 1]
        held[fold, joint.indices[start:stop]] += joint.data[start:stop]
        totals[fold] += sizes[group]
    dealt: Array = fold_of[codes]
    return dealt
