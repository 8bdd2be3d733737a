"""Belief in each row's given label, by a table of class shares."""

from dataclasses import dataclass

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

FLOOR = 0.01
TRUST = 0.5
ABSORBING_ROUNDS = 3
# Base-2 logarithm of the largest power of a posterior, and how often its interval is halved.
_MOST_LOG_POWER, _HALVINGS = 2.0, 10


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
    return posterior_of_ranking(shares, labels, anchor_transition(shares, labels, RANKING_ANCHORS))


def posterior_of_ranking(shares: Shares, labels: Array, T: Transition) -> Shares:
    """The same by the matrix that the anchors of all rows show."""
    # The matrix is an estimate: its square root trusts it half, on the scale of log-odds.
    return posterior_table(shares, labels, T, FLOOR, TRUST)


def with_mean_doubt(table: Array, labels: Array, rate: float) -> Array:
    """A posterior to the power that makes the mean probability of a wrong label the rate.

    Its rows sum to 1. The power lies within 1/4 and 4; no row's odds change their order.
    """
    with np.errstate(divide="ignore"):
        logs = np.log(table, dtype=np.float64)
    logs -= logs.max(axis=1, keepdims=True)

    def to_power(power: float) -> Array:
        found = np.exp(power * logs)
        found /= found.sum(axis=1, keepdims=True)
        return found

    low, high = -_MOST_LOG_POWER, _MOST_LOG_POWER
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        doubt = 1 - float(own_share(to_power(np.exp2(middle)), labels).mean())
        low, high = (middle, high) if doubt > rate else (low, middle)
    return np.asarray(to_power(np.exp2((low + high) / 2)), table.dtype)


def absorbed(shares: Shares, labels: Array) -> Array:
    """Posterior of the given class being true after a few rounds of EM for the transition matrix.

    Of many classes only the rates of wrong labels are found, not where they go.
    """
    n_classes = shares.shape[1]
    T, own = first_absorbing(n_classes), np.empty(len(labels))
    for _ in range(ABSORBING_ROUNDS):
        counts = AbsorbingCounts.none(n_classes)
        own = counts.add(shares, labels, T)
        T = counts.transition()
    return own


def first_absorbing(n_classes: int) -> Transition:
    """The matrix that EM begins with."""
    T = Transition(np.full(n_classes, 0.2), None)
    return Transition(T.rates, T.table) if n_classes <= MOST_PAIRS else T


@dataclass(eq=False)
class AbsorbingCounts:
    """What a round of EM counts: rows of each true class, rightly labeled ones, and pairs.

    Attributes
    ----------
    total, right : ndarray of shape (C,)
    joint : ndarray of shape (C, C), or None
        None of more than 256 classes.
    """

    total: Array
    right: Array
    joint: Array | None

    @classmethod
    def none(cls, n_classes: int) -> "AbsorbingCounts":
        """Counts of no row: one of each pair, as a prior."""
        joint = np.ones((n_classes, n_classes)) if n_classes <= MOST_PAIRS else None
        return cls(np.full(n_classes, float(n_classes)), np.ones(n_classes), joint)

    def add(self, shares: Shares, labels: Array, T: Transition) -> Array:
        """Count some rows; returns the posterior of their given classes, shape (n,)."""
        n_classes, own = shares.shape[1], np.empty(len(labels))
        for rows in blocks(*shares.shape):
            given = labels[rows]
            true = posterior(shares[rows], given, T, FLOOR)
            own[rows] = own_share(true, given)
            self.total += true.sum(axis=0)
            self.right += np.bincount(given, weights=own[rows], minlength=n_classes)
            if self.joint is not None:
                order = np.argsort(given, kind="stable")
                classes, first = np.unique(given[order], return_index=True)
                self.joint[:, classes] += np.add.reduceat(true[order], first, axis=0).T
        return own

    def transition(self) -> Transition:
        """The matrix that these counts show."""
        pairs = None if self.joint is None else self.joint / self.joint.sum(axis=1, keepdims=True)
        return Transition(1 - self.right / self.total, pairs)
