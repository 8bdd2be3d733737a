"""Compiled loops of the audit's scores, over the neighbors of rows start to stop."""

import math

import numba
import numpy as np

# How fast the weight of a neighbor falls with its distance: measured, docs/audit_measured.md.
_STEEP = 2.0
# Distances from either side may differ in their last digit.
_NEARLY = 1.00001
_INVERSE = tuple(1 / math.factorial(n) for n in range(12))
# Whose neighbors may be left out for the given label to lead: all, all but its own, those of none;
# else those of one class, by its id.
_NONE, _OWN, _OTHERS = -1, -2, -3


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
def own_shares(start, stop, ids, labels, k, shares):  # type: ignore[no-untyped-def]
    """What `edge_shares` finds for the label of each row by weights 1 / k, without its table."""
    weights = np.zeros(256)  # k is of one byte
    for i in range(1, 256):
        weights[i] = 1.0 / i
    for i in range(start, stop):
        own, total = shares.dtype.type(0.0), 0.0
        for j in range(ids.shape[1]):
            weight = weights[k[i, j]]
            # Rounded as in a table of this precision.
            own = shares.dtype.type(own + (weight if labels[ids[i, j]] == labels[i] else 0.0))
            total += weight
        shares[i] = own / total if total > 0.0 else own


@numba.njit(nogil=True, cache=True)
def near_shares(start, stop, ids, labels, distances, shares):  # type: ignore[no-untyped-def]
    """The same as `edge_shares` with weights that fall with the distance, see `_near`."""
    weights, classes = np.empty(ids.shape[1]), np.empty(ids.shape[1] + 1, np.int32)
    for i in range(start, stop):
        _near(i, ids, labels, distances, weights, shares[i], classes)


@numba.njit(nogil=True, cache=True)
def near_surest(start, stop, ids, labels, distances, shares, winner, sure):  # type: ignore[no-untyped-def]
    """Class with the largest of the `near_shares` of each row, and that share; ties: lowest id.

    `shares`, of shape (C,), sets the precision.
    """
    weights, classes = np.empty(ids.shape[1]), np.empty(ids.shape[1] + 1, np.int32)
    shares = np.zeros_like(shares)
    for i in range(start, stop):
        found = _near(i, ids, labels, distances, weights, shares, classes)
        leader = classes[0]
        for c in classes[1:found]:
            if shares[c] > shares[leader] or (shares[c] == shares[leader] and c < leader):
                leader = c
        winner[i], sure[i] = leader, shares[leader]
        for c in classes[:found]:
            shares[c] = 0.0


@numba.njit(nogil=True, cache=True)
def near_odds(  # type: ignore[no-untyped-def]
    start, stop, ids, labels, distances, shares, floor, given, strongest, result
):
    """Odds of the given label against its strongest rival, by `near_shares` and a transition.

    A class is as likely as (share + floor) · given[label, class] + 1e-7. `strongest` has the
    largest of this that another class reaches without any vote. `shares` as in `near_surest`.
    """
    weights, classes = np.empty(ids.shape[1]), np.empty(ids.shape[1] + 1, np.int32)
    shares = np.zeros_like(shares)
    for i in range(start, stop):
        found = _near(i, ids, labels, distances, weights, shares, classes)
        label, rival = labels[i], strongest[labels[i]]
        own = (shares[label] + floor) * given[label, label] + 1e-7
        for c in classes[:found]:
            if c != label:
                rival = max(rival, (shares[c] + floor) * given[label, c] + 1e-7)
            shares[c] = 0.0
        result[i] = own / (own + rival)


@numba.njit(nogil=True, cache=True)
def _near(i, ids, labels, distances, weights, shares, classes):  # type: ignore[no-untyped-def]
    """Shares of the classes of row i; weights fall with the distance, in units of the farthest.

    `weights` has a place for each neighbor, `classes` one more, `shares` comes as zeros; returns
    how many of the `classes` have a share.
    """
    last, found = ids.shape[1] - 1, 0
    farthest = np.float64(distances[i, last])
    eighth = -_STEEP / 8 / (farthest * farthest) if farthest > 0.0 else 0.0
    # As one of an eighth to the eighth power, an exponential is twelve terms in double precision:
    # without a call of a function several are computed at once.
    for j in range(last + 1):
        d = np.float64(distances[i, j])
        x = eighth * d * d
        term = x * (x * (x * (x * _INVERSE[11] + _INVERSE[10]) + _INVERSE[9]) + _INVERSE[8])
        term = x * (x * (x * (x * (term + _INVERSE[7]) + _INVERSE[6]) + _INVERSE[5]) + _INVERSE[4])
        term = x * (x * (x * (term + _INVERSE[3]) + 0.5) + 1.0) + 1.0
        term *= term
        term *= term
        weights[j] = term * term
    total = 0.0
    for j in range(last + 1):
        c = labels[ids[i, j]]
        classes[found] = c  # written over unless it is new: no branch to guess wrong
        found += shares[c] == 0.0
        shares[c] += weights[j]
        total += weights[j]
    for c in classes[:found]:
        shares[c] /= total
    return found


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
def last_tried(k_min, k_max):  # type: ignore[no-untyped-def]
    """The largest k that the search for the adaptive k tries; 0 where it tries none."""
    return k_max - 1 - (k_max - 1 - k_min) % 2 if k_max > k_min else 0


@numba.njit(nogil=True, cache=True)
def k_without_each(  # type: ignore[no-untyped-def]
    start, stop, ids, labels, adaptive_k, k_min, k_max, n_classes, without, changes
):
    """Adaptive k without each neighbor that was looked at; 0 where it stays as it is.

    `changes` marks the rows that have others than 0; `without` comes as zeros, whole numbers of
    one byte.
    """
    # Without a neighbor of class c among them, the first k of the others are the first k + 1 of all
    # with a vote of c less: so it depends on its class, and one pass over the neighbors answers for
    # all of them. Classes are ranked by their votes, ties by the lower id, in one number.
    rank = np.arange(n_classes, 0, -1)
    from_k = np.full(n_classes, k_max, np.int32)
    rivals = np.empty(len(range(k_min, k_max, 2)), np.int32)
    near = np.empty(ids.shape[1], np.int32)
    last = last_tried(k_min, k_max)
    for j in range(start, stop):
        looked_at = min(adaptive_k[j], last)
        tried = _find_rivals(j, ids, labels, k_min, looked_at, rank, near, rivals)
        changes[j] = tried > 0 and _k_by_class(
            labels[j],
            adaptive_k[j],
            k_min,
            k_max,
            near[:looked_at],
            rivals[:tried],
            from_k,
            without[j],
        )


@numba.njit(nogil=True, cache=True)
def _find_rivals(j, ids, labels, k_min, looked_at, rank, near, rivals):  # type: ignore[no-untyped-def]
    """Whom the label of row j needs to be left out to lead, at each k that is tried.

    Returns how many were tried; 0 where no row but keeps its k, whoever is left out: that is so of
    most. `rank` comes and goes as the ranks of classes without votes.
    """
    own, vote, tried, seen, moved = labels[j], len(rank) + 1, 0, 0, False
    first, second = -1, -1
    while tried < len(rivals):
        k = k_min + 2 * tried
        while seen <= k and seen < ids.shape[1]:
            c = near[seen] = labels[ids[j, seen]]
            rank[c] += vote
            if c != own:
                first, second = _two_best(c, first, second, rank)
            seen += 1
        tried += 1
        if first < 0 or rank[own] - vote > rank[first]:
            rivals[tried - 1] = _NONE
            if k >= looked_at:
                moved = tried > 1
                break
        elif rank[own] > rank[first]:
            rivals[tried - 1] = _OWN
        elif rank[own] > rank[first] - vote and (second < 0 or rank[own] > rank[second]):
            rivals[tried - 1] = first
        else:
            rivals[tried - 1] = _OTHERS
        moved |= rivals[tried - 1] != _OTHERS
        if tried == 1 and not moved and _too_few(own, j, ids, labels, seen, rank, first):
            break
    for at in range(seen):
        rank[near[at]] = len(rank) - near[at]
    return tried if moved else 0


@numba.njit(nogil=True, cache=True)
def _too_few(own, j, ids, labels, seen, rank, first):  # type: ignore[no-untyped-def]
    """Whether all votes for the own label, seen or not, are too few for the rival of now.

    At a larger k the best rival has no fewer votes: so it is with most wrong labels.
    """
    votes = rank[own] // (len(rank) + 1)
    for at in range(seen, ids.shape[1]):
        votes += labels[ids[j, at]] == own
    return votes + 1 < rank[first] // (len(rank) + 1)


@numba.njit(nogil=True, cache=True)
def _two_best(c, first, second, rank):  # type: ignore[no-untyped-def]
    """The two classes with the highest ranks, after that of c has grown."""
    if c == first or first < 0 or rank[c] > rank[first]:
        return c, (second if c == first else first)
    if second < 0 or rank[c] > rank[second]:
        return first, c
    return first, second


@numba.njit(nogil=True, cache=True)
def _k_by_class(own, k, k_min, k_max, near, rivals, from_k, without):  # type: ignore[no-untyped-def]
    """Adaptive k of a row without each of its neighbors, where it differs; whether any does.

    `from_k` comes and goes with `k_max` for each class.
    """
    changes, step, own_k, other_k = False, len(rivals) - 1, k_max, k_max
    for m in range(len(near) - 1, -1, -1):
        # With the neighbor at m itself left out, only what is tried beyond it can have changed.
        while step >= 0 and k_min + 2 * step > m:
            if rivals[step] == _NONE:
                own_k = other_k = k_min + 2 * step
            elif rivals[step] == _OWN:
                other_k = k_min + 2 * step
            elif rivals[step] != _OTHERS:
                from_k[rivals[step]] = k_min + 2 * step
            step -= 1
        chosen = own_k if near[m] == own else min(from_k[near[m]], other_k)
        if chosen != k:
            without[m], changes = chosen, True
    for c in rivals:
        if c >= 0:
            from_k[c] = k_max
    return changes


@numba.njit(nogil=True, cache=True)
def neighbor_k(  # type: ignore[no-untyped-def]
    start, stop, ids, distances, adaptive_k, k_min, k_max, without, changes, result
):
    """Adaptive k of each neighbor of a row, found without that row as its neighbor."""
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
            result[i, m] = k
