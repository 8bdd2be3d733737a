"""What a table of class shares says of each row's given label."""

import numpy as np

from wann_core.class_table import Shares, blocks
from wann_core.noise.transition import (
    MOST_PAIRS,
    RANKING_ANCHORS,
    Transition,
    anchor_transition,
    posterior,
    posterior_table,
)
from wann_core.typing import Array

_FLOOR = 0.01
_TRUST = 0.5
_ROUNDS = 3


def own_share(shares: Shares, labels: Array) -> Array:
    """The share of each row's given label."""
    return np.asarray(shares[np.arange(len(labels)), labels], np.float64)


def best_other(shares: Shares, labels: Array) -> Array:
    """The largest share of another label than the given one."""
    best = np.empty(len(labels))
    for rows in blocks(*shares.shape):
        others = shares[rows].copy()
        others[np.arange(len(others)), labels[rows]] = -np.inf
        best[rows] = others.max(axis=1)
    return best


def odds(shares: Shares, labels: Array) -> Array:
    """Share of the given label in itself and its strongest rival."""
    own, rival = own_share(shares, labels), np.maximum(best_other(shares, labels), 0)
    total = own + rival
    odds: Array = np.divide(own, total, out=np.full_like(own, 0.5), where=total > 0)
    return odds


def ranking_posterior(shares: Shares, labels: Array) -> Shares:
    """Probability of each true class by which labels are ranked, shape (n, C)."""
    # The matrix is an estimate: its square root trusts it half, on the scale of log-odds.
    T = anchor_transition(shares, labels, RANKING_ANCHORS)
    return posterior_table(shares, labels, T, _FLOOR, _TRUST)


def absorbed(shares: Shares, labels: Array) -> Array:
    """Posterior of the given class being true after a few rounds of EM for the transition matrix.

    Of many classes only the rates of wrong labels are found, not where they go.
    """
    n_classes = shares.shape[1]
    T = Transition(np.full(n_classes, 0.2), None)
    if n_classes <= MOST_PAIRS:
        T = Transition(T.rates, T.table)
    own = np.empty(len(labels))
    for _ in range(_ROUNDS):
        joint = np.ones((n_classes, n_classes)) if T.pairs is not None else None
        total, right = np.full(n_classes, float(n_classes)), np.ones(n_classes)
        for rows in blocks(*shares.shape):
            given = labels[rows]
            true = posterior(shares[rows], given, T, _FLOOR)
            own[rows] = own_share(true, given)
            total += true.sum(axis=0)
            right += np.bincount(given, weights=own[rows], minlength=n_classes)
            if joint is not None:
                order = np.argsort(given, kind="stable")
                classes, first = np.unique(given[order], return_index=True)
                joint[:, classes] += np.add.reduceat(true[order], first, axis=0).T
        pairs = None if joint is None else joint / joint.sum(axis=1, keepdims=True)
        T = Transition(1 - right / total, pairs)
    return own
