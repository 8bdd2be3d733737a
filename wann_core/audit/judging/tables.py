"""Tables of all rows and classes: votes, weighted sums, and what uniform noise is fitted to."""

from collections.abc import Callable
from typing import Any

import numpy as np

from wann_core.class_table import Shares, blocks, class_table
from wann_core.parallel import in_slices
from wann_core.typing import Array

_LEAST_VOTE = 1e-3
# Tables of all rows and more classes than these have single precision.
_DOUBLE_CLASSES = 100


def uniform_noise_opinions(near: Shares, wann: Shares, fits: list[Shares | None]) -> list[Array]:
    """What `uniform_noise` is fitted to: probabilities of the fits there are, and votes.

    Votes of near rows count for what they add to those by η, and may be weighed against them; both
    together never speak for a class that has fewer. No vote of 51 is not no chance: shares of votes
    are at least a thousandth.
    """
    found = [np.asarray(fit) for fit in fits if fit is not None]
    nearest, all_ = (np.maximum(np.asarray(table), _LEAST_VOTE) for table in (near, wann))
    return [*found, nearest / all_, all_]


def vote_table(
    kernel: Callable[..., None], ids: Array, voters: Array, of_edges: Array, given: Array, C: int
) -> Shares:
    """Class shares (n, C) by a kernel of the neighbors' labels and a value (n, K) of each edge.

    Parameters
    ----------
    kernel : callable
        `edge_shares` or `near_shares`.
    ids : ndarray of shape (n, K)
        Places of the neighbors in `voters`.
    voters : ndarray of integer
        Labels.
    of_edges : ndarray of shape (n, K)
    given : ndarray of shape (n,), integer
        The rows' own labels, see `class_table`.
    C : int
        Classes.
    """
    dtype = precision(C)
    table: Shares = class_table(given, C, dtype)
    for rows in blocks(*table.shape):
        near, edges = ids[rows], of_edges[rows]
        block = np.zeros((len(near), C), dtype)
        in_slices(kernel, len(block), near, voters, edges, block)
        table[rows] = block
    return table


def mean_table(given: Array, n_classes: int, *parts: tuple[float, Shares | None]) -> Shares:
    """Weighted sum of tables."""
    dtype = precision(n_classes)
    total: Shares = class_table(given, n_classes, dtype)
    for rows in blocks(*total.shape):
        block = np.zeros((len(given[rows]), n_classes), dtype)
        for weight, part in parts:
            assert part is not None
            block += weight * part[rows]
        total[rows] = block
    return total


def precision(n_classes: int) -> type[np.floating[Any]]:
    """Dtype of tables of all rows and classes."""
    return np.float64 if n_classes <= _DOUBLE_CLASSES else np.float32
