"""Compiled loops of the audit's scores, over the neighbors of rows start to stop."""

import numba
import numpy as np

# How fast the weight of a neighbor falls with its distance: chosen by measurement, docs/audit.md.
_STEEP = 2.0
# Distances from either side may differ in their last digit.
_NEARLY = 1.00001


@numba.njit(nogil=True, cache=True)
def edge_shares(start, stop, ids, labels, weights, shares):  # type: ignore[no-untyped-def]
    """Share of each class among the neighbors of a row, weighted by edge."""
    for i in range(start, stop):
        total = 0.0
        for j in range(ids.shape[1]):
            shares[i, labels[ids[i, j]]] += weights[i, j]
            total += weights[i, j]
        if total > 0.0:
            for c in range(shares.shape[1]):
                shares[i, c] /= total


@numba.njit(nogil=True, cache=True)
def near_shares(start, stop, ids, labels, distances, shares):  # type: ignore[no-untyped-def]
    """The same with weights that fall with the distance, in units of the farthest."""
    last = ids.shape[1] - 1
    for i in range(start, stop):
        farthest = np.float64(distances[i, last])
        steep = -_STEEP / (farthest * farthest) if farthest > 0.0 else 0.0
        total = 0.0
        for j in range(last + 1):
            d = np.float64(distances[i, j])
            weight = np.exp(steep * d * d)
            shares[i, labels[ids[i, j]]] += weight
            total += weight
        for c in range(shares.shape[1]):
            shares[i, c] /= total


@numba.njit(nogil=True, cache=True)
def edge_votes(start, stop, ids, labels, weights, n_classes, votes):  # type: ignore[no-untyped-def]
    """Class with the largest weight among the voters of a row; ties: the nearest of them."""
    sums = np.zeros(n_classes)
    for i in range(start, stop):
        voters = min(round(1.0 / weights[i, 0]), ids.shape[1])
        for j in range(voters):
            sums[labels[ids[i, j]]] += weights[i, j]
        leader, most = labels[ids[i, 0]], -1.0
        for j in range(voters):
            c = labels[ids[i, j]]
            if sums[c] > most:
                leader, most = c, sums[c]
        votes[i] = leader
        for j in range(voters):
            sums[labels[ids[i, j]]] = 0.0


@numba.njit(nogil=True, cache=True)
def k_without(j, own, ids, labels, k_min, k_max, counts):  # type: ignore[no-untyped-def]
    """Adaptive k of row j without its neighbor at `own`; `counts` comes and goes as zeros."""
    leader, most, at, seen, chosen = -1, 0, 0, 0, k_max
    for k in range(k_min, k_max, 2):
        while seen < k and at < ids.shape[1]:
            # The row in question is skipped, so that the next neighbor takes its vote.
            if at != own:
                c = labels[ids[j, at]]
                counts[c] += 1
                if counts[c] > most or (counts[c] == most and c < leader):
                    leader, most = c, counts[c]
                seen += 1
            at += 1
        if leader == labels[j]:
            chosen = k
            break
    for b in range(at):
        counts[labels[ids[j, b]]] = 0
    return chosen


@numba.njit(nogil=True, cache=True)
def last_tried(k_min, k_max):  # type: ignore[no-untyped-def]
    """The largest k that the search for the adaptive k tries; 0 where it tries none."""
    return k_max - 1 - (k_max - 1 - k_min) % 2 if k_max > k_min else 0


@numba.njit(nogil=True, cache=True)
def k_without_each(  # type: ignore[no-untyped-def]
    start, stop, ids, labels, adaptive_k, k_min, k_max, n_classes, without, changes
):
    """Adaptive k without each neighbor that was looked at; 0 where it stays as it is.

    `changes` tells the rows that have others than 0; `without` comes as zeros, whole numbers of
    one byte.
    """
    counts = np.zeros(n_classes, np.int32)
    last = last_tried(k_min, k_max)
    for j in range(start, stop):
        changes[j] = False
        looked_at = min(adaptive_k[j], last)
        if looked_at == k_min and _leads_anyway(j, ids, labels, k_min, counts):
            continue
        for m in range(looked_at):
            other = k_without(j, m, ids, labels, k_min, k_max, counts)
            if other != adaptive_k[j]:
                without[j, m] = other
                changes[j] = True


@numba.njit(nogil=True, cache=True)
def _leads_anyway(j, ids, labels, k, counts):  # type: ignore[no-untyped-def]
    """Whether the label of row j leads its k nearest by more than one neighbor can change."""
    for m in range(k):
        counts[labels[ids[j, m]]] += 1
    own, rival = counts[labels[j]], 0
    for m in range(k):
        c = labels[ids[j, m]]
        if c != labels[j]:
            rival = max(rival, counts[c])
    for m in range(k):
        counts[labels[ids[j, m]]] = 0
    return own - rival > 2


@numba.njit(nogil=True, cache=True)
def reliability_without(  # type: ignore[no-untyped-def]
    start, stop, ids, distances, adaptive_k, k_min, k_max, without, changes, weights
):
    """Reliability of each neighbor of a row, found without that row as its neighbor."""
    last = last_tried(k_min, k_max)
    for i in range(start, stop):
        for m in range(ids.shape[1]):
            j = ids[i, m]
            k = adaptive_k[j]
            # Most rows keep their k whatever neighbor is left out; theirs are not fetched.
            if changes[j]:
                looked_at = min(adaptive_k[j], last)
                # Row i is as far from j as j from i: farther than the last voter, it is none.
                if distances[i, m] <= distances[j, looked_at - 1] * _NEARLY:
                    for own in range(looked_at):
                        if ids[j, own] == i:
                            if without[j, own]:
                                k = without[j, own]
                            break
            weights[i, m] = 1.0 / k
