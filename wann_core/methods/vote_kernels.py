"""Compiled loops of the votes, over rows start to stop of a neighbor graph."""

import numba
import numpy as np


@numba.njit(nogil=True, cache=True)
def adaptive_k_of_rows(start, stop, ids, labels, k_min, k_max, n_classes, result):  # type: ignore[no-untyped-def]
    """Adaptive k of rows start to stop; labels of further rows may follow those of the rows."""
    counts = np.zeros(n_classes, np.int32)
    for i in range(start, stop):
        # Counts only grow, so the leader (most votes, then lowest id) can be kept up to date
        # vote by vote instead of searching all classes at every k.
        leader, most, seen, chosen = -1, 0, 0, k_max
        for k in range(k_min, k_max, 2):
            while seen < k:
                c = labels[ids[i, seen]]
                counts[c] += 1
                if counts[c] > most or (counts[c] == most and c < leader):
                    leader, most = c, counts[c]
                seen += 1
            if leader == labels[i]:
                chosen = k
                break
        result[i] = chosen
        for j in range(seen):
            counts[labels[ids[i, j]]] = 0


@numba.njit(nogil=True, cache=True)
def count_votes(start, stop, ids, labels, ks, n_classes, result):  # type: ignore[no-untyped-def]
    """Class with the most votes of rows start to stop; ties: the lowest id.

    By several k, each of shape (n,), in one pass over the neighbors; a row of `result` for each.
    """
    counts = np.zeros(n_classes, np.int32)
    stops = np.empty(len(ks), ks.dtype)
    for i in range(start, stop):
        for m in range(len(ks)):
            # In rising order: there are few.
            at = m
            while at > 0 and stops[at - 1] > ks[m, i]:
                stops[at] = stops[at - 1]
                at -= 1
            stops[at] = ks[m, i]
        leader, most, seen = -1, 0, 0
        for k in stops:
            for j in range(seen, k):
                c = labels[ids[i, j]]
                counts[c] += 1
                if counts[c] > most or (counts[c] == most and c < leader):
                    leader, most = c, counts[c]
            for m in range(len(ks)):
                if ks[m, i] == k:
                    result[m, i] = leader
            seen = k
        for j in range(seen):
            counts[labels[ids[i, j]]] = 0


@numba.njit(nogil=True, cache=True)
def weigh_votes(start, stop, ids, labels, k, weights, n_classes, result):  # type: ignore[no-untyped-def]
    """Class with the largest weight of rows start to stop; ties: the class met first."""
    sums = np.zeros(n_classes)
    for i in range(start, stop):
        for j in range(k[i]):
            sums[labels[ids[i, j]]] += weights[ids[i, j]]
        leader, most = labels[ids[i, 0]], -1.0
        for j in range(k[i]):
            c = labels[ids[i, j]]
            if sums[c] > most:
                leader, most = c, sums[c]
        result[i] = leader
        for j in range(k[i]):
            sums[labels[ids[i, j]]] = 0.0


@numba.njit(nogil=True, cache=True)
def winning_shares(start, stop, ids, labels, k, weights, n_classes, result):  # type: ignore[no-untyped-def]
    """Largest share of a class; 0 where no voter weighs anything."""
    sums = np.zeros(n_classes)
    for i in range(start, stop):
        total, most = 0.0, 0.0
        for j in range(k[i]):
            sums[labels[ids[i, j]]] += weights[ids[i, j]]
            total += weights[ids[i, j]]
        for j in range(k[i]):
            most = max(most, sums[labels[ids[i, j]]])
            sums[labels[ids[i, j]]] = 0.0
        result[i] = most / total if total > 0.0 else 0.0


@numba.njit(nogil=True, cache=True)
def supports(start, stop, ids, labels, observed, k, result):  # type: ignore[no-untyped-def]
    """Share of the k nearest with the label observed on the row."""
    for i in range(start, stop):
        alike = 0
        for j in range(k):
            alike += labels[ids[i, j]] == observed[i]
        result[i] = alike / k


@numba.njit(nogil=True, cache=True)
def sum_shares(start, stop, ids, labels, k, weights, shares):  # type: ignore[no-untyped-def]
    """Share of each class; `shares` comes as zeros."""
    for i in range(start, stop):
        total = 0.0
        for j in range(k[i]):
            shares[i, labels[ids[i, j]]] += weights[ids[i, j]]
            total += weights[ids[i, j]]
        if total > 0.0:
            for c in range(shares.shape[1]):
                shares[i, c] /= total
