"""Votes of each row's neighbors on its label.

No row's own label has part in them: not as a neighbor, and not through the reliability of its
neighbors.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import numpy as np

from wann_core.audit.judging.groups import judgeable, units_of
from wann_core.audit.judging.kernels import (
    edge_shares,
    edge_votes,
    k_without_each,
    near_shares,
    neighbor_k,
)
from wann_core.audit.judging.tables import vote_table
from wann_core.audit.judging.trust import Clusters, agreement, clusters
from wann_core.class_table import Shares, small_ids
from wann_core.errors import WannError
from wann_core.methods.voting import adaptive_k
from wann_core.neighbors.graph import NeighborGraph
from wann_core.parallel import in_slices
from wann_core.typing import Array

NEIGHBORS = 51
K_MIN = 11


@dataclass(frozen=True, eq=False)
class NeighborVotes:
    """How the neighbors of each row vote on its label.

    Attributes
    ----------
    graph : NeighborGraph
        Of all rows among each other.
    labels : ndarray of shape (n,), int64
        Given class ids.
    n_classes : int
        C.
    bounds : tuple of int
        k_min and k_max of the adaptive k; cut to the number of neighbors, see `k_bounds`.
    groups : ndarray of shape (n,), int64, or None
        Group of each row, whose rows the graph does not link. A group that bears one label
        throughout is judged as a whole.
    """

    graph: NeighborGraph
    labels: Array
    n_classes: int
    bounds: tuple[int, int] = field(default=(K_MIN, NEIGHBORS), kw_only=True)
    groups: Array | None = field(default=None, kw_only=True)

    def with_adaptive_k(self, k: Array) -> Self:
        """Return the same with the adaptive k of these labels, which has been found before."""
        made = dataclasses.replace(self)
        vars(made)["adaptive_k"] = k
        return made

    @property
    def ids(self) -> Array:
        """Neighbors of each row, shape (n, K)."""
        return self.graph.train_ids[:, :NEIGHBORS]

    @property
    def k_bounds(self) -> tuple[int, int]:
        """Bounds of the adaptive k, cut to the number of neighbors."""
        k_max = min(self.bounds[1], self.ids.shape[1])
        return min(self.bounds[0], k_max), k_max

    @cached_property
    def codes(self) -> Array:
        """The labels in few bytes, as the votes read them at random places; shape (n,)."""
        return small_ids(self.labels, self.n_classes)

    @cached_property
    def adaptive_k(self) -> Array:
        """Smallest neighborhood that explains each label, shape (n,), int32."""
        return adaptive_k(self.ids, self.labels, *self.k_bounds)

    @cached_property
    def neighbor_k(self) -> Array:
        """Adaptive k of each neighbor of each row, found without the row; shape (n, K), uint8."""
        ids, k, bounds, n = self.ids, self.adaptive_k, self.k_bounds, len(self.labels)
        without, changes = np.zeros(ids.shape, np.uint8), np.empty(n, np.bool_)
        asked = ids, self.codes, k, *bounds, self.n_classes, without, changes
        in_slices(k_without_each, n, *asked, rows=512)
        result = np.empty(ids.shape, np.uint8)
        rest = ids, self.graph.train_distances, k, *bounds, without, changes, result
        in_slices(neighbor_k, n, *rest, rows=512)
        return result

    @property
    def reliabilities(self) -> Array:
        """η of each neighbor of each row, found without the row itself; shape (n, K), float64."""
        return np.asarray(1.0 / self.neighbor_k)

    @cached_property
    def wann_shares(self) -> Shares:
        """η-weighted votes of the neighbors, each η found without the judged row; (n, C)."""
        return self.vote_shares(self.reliabilities)

    @cached_property
    def wann_votes(self) -> Array:
        """What WANN answers for each row, fitted to all others; shape (n,), int64.

        As many neighbors vote as the adaptive k of the nearest one, each with its η; equal
        sums go to the class met first.
        """
        votes = np.empty(len(self.labels), np.int64)
        in_slices(
            edge_votes,
            len(votes),
            self.ids,
            self.codes,
            self.reliabilities,
            self.n_classes,
            votes,
        )
        return votes

    @cached_property
    def near_shares(self) -> Shares:
        """Votes of the neighbors, nearer ones weighing more (a Gaussian kernel); (n, C)."""
        distances = self.graph.train_distances[:, :NEIGHBORS]
        return self._votes(near_shares, distances)

    @cached_property
    def judgeable(self) -> Array:
        """Whether another row, or group, has the same label and can speak for it; (n,), bool.

        Raises
        ------
        WannError
            If that is so of none.
        """
        found = judgeable(self.labels, self.groups, self.n_classes)
        if not found.any():
            kind, field = ("row", "") if self.groups is None else ("group", "groups")
            raise WannError(
                f"no label can be judged: every class is found in one {kind} only, and no other "
                f"{kind} can speak for it.",
                field,
            )
        return found

    @cached_property
    def units(self) -> Array | None:
        """What is judged as a whole: the number of each row's unit, shape (n,), int64, from 0.

        A group of several rows that bears one label throughout is a unit, as is every other row.
        None where no group is.
        """
        return None if self.groups is None else units_of(self.groups, self.labels)

    @cached_property
    def agreement(self) -> float:
        """How far the two halves of each row's neighbors vote alike, see `trust.agreement`."""
        votes: list[Array] = []
        for half in range(2):
            weights = np.zeros(self.ids.shape)
            weights[:, half::2] = 1
            votes.append(self.vote_shares(weights).argmax(axis=1))
        return agreement(votes[0], votes[1], self.n_classes)

    @cached_property
    def clusters(self) -> Clusters:
        """Clusters whose rows have no neighbor outside, so that they vote for themselves."""
        return clusters(self.ids, self.labels, self.n_classes)

    def vote_shares(self, weights: Array) -> Shares:
        """Share of each class among the neighbors, weighted by edge (n, K); shape (n, C)."""
        return self._votes(edge_shares, weights)

    def _votes(self, kernel: Callable[..., None], of_edges: Array) -> Shares:
        """Class shares by a kernel of the neighbors' labels and a value (n, K) of each edge."""
        return vote_table(kernel, self.ids, self.codes, of_edges, self.labels, self.n_classes)
