"""Compiled loops of the noise estimate, over rows start to stop."""

import numba
import numpy as np


@numba.njit(nogil=True, cache=True)
def wrong_if_uniform(start, stop, shares, labels, rates, floor, rounds, wrong):  # type: ignore[no-untyped-def]
    """Probability that each label is wrong, where wrong labels go to all other classes alike.

    The row's shares of given labels are unmixed by expectation and maximization over the classes
    that have any share; `rates` are those of wrong labels by true class. A row costs its shares
    other than zero, not C².
    """
    n_classes = shares.shape[1]
    each = rates / max(n_classes - 1, 1)
    every = each.sum()
    q = np.empty(n_classes)
    for i in range(start, stop):
        kept = np.flatnonzero(shares[i])
        for c in kept:
            q[c] = (shares[i, c] + 1.0 / n_classes) / (1.0 + len(kept) / n_classes)
        for _ in range(rounds):
            _unmix_uniform(kept, shares[i], rates, each, q)
        y = labels[i]
        own, others = floor, floor * (every - each[y])
        for c in kept:
            if c == y:
                own += q[c]
            else:
                others += q[c] * each[c]
        own *= 1.0 - rates[y]
        wrong[i] = others / (own + others + 1e-12)


@numba.njit(nogil=True, cache=True)
def _unmix_uniform(kept, shares, rates, each, q):  # type: ignore[no-untyped-def]
    """One round of expectation and maximization on the classes that have any share."""
    spread, total, mass = 0.0, 0.0, 1e-12
    for c in kept:
        spread += q[c] * each[c]
    for c in kept:
        total += shares[c] / (q[c] * (1.0 - rates[c]) + spread - q[c] * each[c] + 1e-9)
    for c in kept:
        ratio = shares[c] / (q[c] * (1.0 - rates[c]) + spread - q[c] * each[c] + 1e-9)
        q[c] *= ratio * (1.0 - rates[c]) + each[c] * (total - ratio)
        mass += q[c]
    for c in kept:
        q[c] /= mass
