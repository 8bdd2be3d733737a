"""Evidence on the labels of one shard's rows; the same numbers as `Evidence` on one machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from wann_core.audit.judging.duplicates import near_pairs, outlier_distance
from wann_core.audit.judging.evidence import COUNTING_PART, DISCRIMINANT_PART
from wann_core.audit.judging.kernels import edge_shares, k_without_each, near_shares
from wann_core.audit.judging.neighbor_votes import K_MIN, NEIGHBORS
from wann_core.audit.judging.shares import AbsorbingCounts, odds, own_share, posterior_of_ranking
from wann_core.audit.judging.tables import mean_table, vote_table
from wann_core.class_table import Shares, class_table
from wann_core.methods.discriminant import (
    DiscriminantSums,
    discriminant_answers,
    discriminant_sums,
)
from wann_core.methods.folds import FOLDS
from wann_core.methods.vote_kernels import adaptive_k_of_rows
from wann_core.neighbors.exact import Found
from wann_core.noise.transition import Transition, surest
from wann_core.parallel import in_slices
from wann_core.typing import Array


@dataclass(frozen=True, eq=False)
class Local:
    """A shard's rows and their neighbors, numbered from 0.

    Attributes
    ----------
    known : ndarray of shape (m,), int64
        Row numbers among all rows: the shard's own first, rising, then other neighbors.
    labels : ndarray of shape (m,), int64
        Their given classes.
    ids : ndarray of shape (n, K), int32
        Neighbors of the shard's own rows, by their places in `known`.
    distances : ndarray of shape (n, K), float32
    """

    known: Array
    labels: Array
    ids: Array
    distances: Array

    @property
    def own(self) -> Array:
        """Given classes of the shard's own rows."""
        return self.labels[: len(self.ids)]

    @property
    def k_bounds(self) -> tuple[int, int]:
        """Bounds of the adaptive k, as `NeighborVotes` has them."""
        k_max = min(NEIGHBORS, self.ids.shape[1])
        return min(K_MIN, k_max), k_max


def local_of(rows: Array, found: Found, labels: Array) -> Local:
    """The shard with these row numbers, of a graph by row numbers and the labels of all rows."""
    ids, distances = found
    others = np.setdiff1d(ids, rows)
    known = np.concatenate([rows, others]).astype(np.int64)
    order = np.argsort(known)
    places = order[np.searchsorted(known, ids, sorter=order)].astype(np.int32)
    return Local(known, labels[known].astype(np.int64), places, distances)


@dataclass(frozen=True, eq=False)
class Reliable:
    """The adaptive k of a shard's rows, and what it would be without one of their neighbors.

    Attributes
    ----------
    k : ndarray of shape (n,), int32
    judged, voter, without : ndarray of shape (e,)
        Where the neighbor `judged` of a row `voter` decides its k: the row numbers of both, and the
        k of the voter without that neighbor.
    """

    k: Array
    judged: Array
    voter: Array
    without: Array


def reliable(shard: Local, n_classes: int) -> Reliable:
    """Adaptive k of each row, and without each of its neighbors where that differs."""
    k_min, k_max = shard.k_bounds
    n = len(shard.ids)
    k = np.empty(n, np.int32)
    in_slices(adaptive_k_of_rows, n, shard.ids, shard.labels, k_min, k_max, n_classes, k)
    without, changes = np.zeros(shard.ids.shape, np.uint8), np.empty(n, np.bool_)
    rest = shard.ids, shard.labels, k, k_min, k_max, n_classes, without, changes
    in_slices(k_without_each, n, *rest, rows=512)
    row, rank = np.nonzero(without)
    return Reliable(k, shard.known[shard.ids[row, rank]], shard.known[row], without[row, rank])


def by_owner(found: Reliable, owner: Array, shards: int) -> list[tuple[Array, Array, Array]]:
    """What each shard must know of other shards' voters: (judged, voter, without)."""
    owners = owner[found.judged]
    order = np.argsort(owners, kind="stable")
    bounds = np.searchsorted(owners[order], np.arange(shards + 1))
    parts = (order[a:b] for a, b in pairwise(bounds))
    return [(found.judged[p], found.voter[p], found.without[p]) for p in parts]


def weights_of(shard: Local, k: Array, known: Sequence[tuple[Array, Array, Array]]) -> Array:
    """η of each neighbor of each row, found without the row itself; (n, K), float64."""
    n = len(shard.ids)
    weights = 1.0 / k[shard.known][shard.ids]
    rows = shard.known[:n]
    for judged, voter, without in known:
        at = np.searchsorted(rows, judged)
        same = shard.known[shard.ids[at]] == voter[:, None]
        place, rank = np.nonzero(same)
        weights[at[place], rank] = 1.0 / without[place]
    return np.asarray(weights)


@dataclass(frozen=True, eq=False)
class Votes:
    """Votes of a shard's neighbors.

    Attributes
    ----------
    near : ndarray or ClassTable of shape (n, C)
        Nearer ones weigh more.
    wann : ndarray or ClassTable of shape (n, C)
        Weighted by η.
    alike : int
        Rows whose even and odd neighbors vote for the same class.
    halves : tuple of two ndarrays of shape (C,)
        How many rows each class has of either half.
    """

    near: Shares
    wann: Shares
    alike: int
    halves: tuple[Array, Array]


def votes_of(shard: Local, weights: Array, n_classes: int) -> Votes:
    """Count the votes."""
    ids, labels, own = shard.ids, shard.labels, shard.own
    halves = []
    for half in range(2):
        even = np.zeros(ids.shape)
        even[:, half::2] = 1
        halves.append(vote_table(edge_shares, ids, labels, even, own, n_classes).argmax(axis=1))
    first, second = (np.bincount(votes, minlength=n_classes) for votes in halves)
    return Votes(
        vote_table(near_shares, ids, labels, shard.distances, own, n_classes),
        vote_table(edge_shares, ids, labels, weights, own, n_classes),
        int((halves[0] == halves[1]).sum()),
        (first, second),
    )


def belief_sum(belief: Array) -> tuple[int, float]:
    """Rows, and how far their labels are believed together."""
    return len(belief), float(belief.sum())


def scatter_of(
    X: Array,
    shard: Local,
    folds: Array,
    center: Array,
    n_classes: int,
    belief: Array | None = None,
    mean: float = 1.0,
) -> DiscriminantSums:
    """A shard's part of the sums of a linear discriminant."""
    weights = None if belief is None else belief / mean
    rows = folds[shard.known[: len(X)]]
    return discriminant_sums(X, shard.own, n_classes, rows, center, weights)


def fits_of(sums: DiscriminantSums) -> list[tuple[Array, Array]]:
    """The discriminants of all folds."""
    return [sums.without(fold) for fold in range(FOLDS)]


def answers_of(
    X: Array,
    shard: Local,
    folds: Array,
    center: Array,
    fits: Sequence[tuple[Array, Array]],
    n_classes: int,
) -> Shares:
    """Out-of-fold class probabilities of a shard's rows, by the discriminant."""
    shares: Shares = class_table(shard.own, n_classes)
    rows = folds[shard.known[: len(X)]]
    for fold, fitted in enumerate(fits):
        discriminant_answers(X, np.flatnonzero(rows == fold), center, fitted, shares)
    return shares


def absorb(shares: Shares, shard: Local, T: Transition) -> tuple[AbsorbingCounts, Array]:
    """A shard's counts of a round of EM, and how far its labels are believed."""
    counts = AbsorbingCounts.none(shares.shape[1])
    belief = counts.add(shares, shard.own, T)
    return counts, belief


def absorbing_transition(counts: Sequence[AbsorbingCounts]) -> Transition:
    """The matrix after a round, by the counts of all shards."""
    total, prior = (AbsorbingCounts.none(len(counts[0].total)) for _ in range(2))
    for part in counts:
        total.total += part.total - prior.total
        total.right += part.right - prior.right
        if total.joint is not None and part.joint is not None and prior.joint is not None:
            total.joint += part.joint - prior.joint
    return total.transition()


def ranking_shares(votes: Votes, again: Shares | None, shard: Local) -> Shares:
    """The shares that rank the labels, see `Evidence.first_shares`."""
    if again is None:
        return votes.near
    parts = (DISCRIMINANT_PART, again), (1 - DISCRIMINANT_PART, votes.near)
    return mean_table(shard.own, again.shape[1], *parts)


def counting_shares(votes: Votes, first: Shares | None, shard: Local, rows: Array) -> Shares:
    """The shares of some rows from which the number of wrong labels is estimated."""
    part = taken(votes.near, rows)
    if first is None:
        return part
    parts = (COUNTING_PART, taken(first, rows)), (1 - COUNTING_PART, part)
    return mean_table(shard.own[rows], first.shape[1], *parts)


def taken(table: Shares, rows: Array) -> Shares:
    """Some rows of a table."""
    return table[rows] if isinstance(table, np.ndarray) else table.only(rows)


def surest_of(shares: Shares) -> dict[str, Array]:
    """The likeliest class of each row, and its share."""
    winner, sure = surest(shares)
    return {"winner": winner.astype(np.int32), "sure": sure}


def judged_rows(
    shares: Shares, shard: Local, votes: Votes, T: Transition, judgeable: Array
) -> dict[str, Array]:
    """Columns of the result that need no other rows."""
    own, everyone = shard.own, np.arange(len(shard.ids))
    predicted = np.asarray(shares.argmax(axis=1), np.int64)
    scores = np.clip(odds(posterior_of_ranking(shares, own, T), own), 0.0, 1.0)
    spoken_for = judgeable[own]
    predicted[~spoken_for], scores[~spoken_for] = own[~spoken_for], np.nan
    same = own[:, None] == shard.labels[shard.ids]
    first = same.argmax(axis=1)
    distance = shard.distances[everyone, first].astype(np.float64)
    return {
        "predicted_label_id": predicted,
        "label_score": scores,
        "given_share": own_share(votes.wann, own),
        "predicted_share": own_share(votes.wann, predicted),
        "same_class_distance": np.where(same[everyone, first], distance, np.nan),
        "judgeable": spoken_for,
    }


def spacing(shard: Local) -> dict[str, Array]:
    """Distances of each row from those near it, and its three nearest."""
    links = shard.known[shard.ids[:, :3]]
    return {
        "nearest": shard.distances[:, 0],
        "apart": outlier_distance(shard.distances),
        "links": links,
    }


def pairs_of(shard: Local, limit: float) -> tuple[Any, Any, Any]:
    """Pairs of near-duplicates by row numbers, and their distances."""
    rows, others, distances = near_pairs(shard.ids, shard.distances, limit)
    return shard.known[rows], shard.known[others], distances
