"""Transition matrices, read off the rows that are surest of each class."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wann_core.class_table import MOST_DENSE, Shares, blocks, class_table, small_ids
from wann_core.errors import WannError
from wann_core.typing import Array

# Share of the rows of each class that anchor it, for the number of wrong labels and their ranking.
RANKING_ANCHORS = 0.1
_FEWEST_ROWS = 50
# Differences between the wrong labels of a class count as real in so far as their variance exceeds
# this multiple of what chance alone would give.
_CHANCE = 4.0
_PRIOR = 0.1
# Up to this many classes, where wrong labels go is estimated for each pair; a pair has no rows to
# speak of beyond. A table of more classes than the last is not made at all.
MOST_PAIRS = MOST_DENSE
_MOST_TABLE = 4096


@dataclass(frozen=True, eq=False)
class Transition:
    """How labels go wrong: a transition matrix, or its diagonal where there are many classes.

    Attributes
    ----------
    rates : ndarray of shape (C,), float64
        Share of wrong labels of each true class.
    pairs : ndarray of shape (C, C), float64, or None
        Row = true class, column = given label; rows sum to 1. None beyond 256 classes: wrong labels
        then go to all other classes alike.
    """

    rates: Array
    pairs: Array | None

    def given(self, labels: Array, power: float = 1.0) -> Array:
        """Probability of each row's given label under each true class, shape (n, C)."""
        if self.pairs is not None:
            return np.asarray((self.pairs**power).T[labels])
        uniform = (self.rates / max(len(self.rates) - 1, 1)) ** power
        block = np.repeat(uniform[None], len(labels), axis=0)
        block[np.arange(len(labels)), labels] = (1 - self.rates[labels]) ** power
        return block

    def true_counts(self, given: Array) -> Array:
        """How many rows of each true class make the `given` counts of labels; shape (C,)."""
        if self.pairs is not None:
            return np.asarray(np.linalg.lstsq(self.pairs.T, given, rcond=None)[0])
        # Every class gets `spread`, what all classes give away uniformly, but its own part.
        uniform = self.rates / max(len(self.rates) - 1, 1)
        own = np.maximum(1 - self.rates - uniform, 1e-6)
        spread = float((uniform * given / own).sum() / (1 + (uniform / own).sum()))
        return np.asarray((given - spread) / own)

    @cached_property
    def table(self) -> Array:
        """The matrix as a whole, shape (C, C).

        Raises
        ------
        WannError
            If there are more than 4,096 classes.
        """
        if self.pairs is not None:
            return self.pairs
        classes = len(self.rates)
        if classes > _MOST_TABLE:
            raise WannError(
                f"a transition matrix is made of at most {_MOST_TABLE:,} classes, "
                f"got {classes:,}; read the rate of each class instead."
            )
        whole = np.repeat(self.rates[:, None] / (classes - 1), classes, axis=1)
        np.fill_diagonal(whole, 1 - self.rates)
        return whole


def mean_transition(first: Transition, second: Transition) -> Transition:
    """The mean of two matrices; its diagonal only, where either has no more."""
    rates = (first.rates + second.rates) / 2
    if first.pairs is None or second.pairs is None:
        return Transition(rates, None)
    return Transition(rates, (first.pairs + second.pairs) / 2)


def anchor_transition(shares: Shares, labels: Array, part: float) -> Transition:
    """How labels go wrong on the surest `part` of the rows that each class wins.

    Wrong labels of a class are spread uniformly but for what its anchors show beyond chance.
    """
    winner, sure = surest(shares)
    return anchors(winner, sure, labels, shares.shape[1], part)


def posterior(shares: Array, labels: Array, T: Transition, floor: float, power: float = 1) -> Array:
    """Probability of each true class given the label, shape (n, C), of the dtype of the shares.

    Proportional to (share + floor) · T[·, label] ** power; rows sum to 1.
    """
    odds = (shares + floor) * T.given(labels, power) + 1e-7
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), shares.dtype)


def posterior_table(
    shares: Shares, labels: Array, T: Transition, floor: float, power: float
) -> Shares:
    """The same for a table of all rows, block by block."""
    table: Shares = class_table(labels, shares.shape[1], shares.dtype)
    for rows in blocks(*shares.shape):
        table[rows] = posterior(shares[rows], labels[rows], T, floor, power)
    return table


def surest(shares: Shares) -> tuple[Array, Array]:
    """The class with the largest share of each row, and that share."""
    winner = np.asarray(shares.argmax(axis=1))
    return winner, shares[np.arange(len(shares)), winner].astype(np.float64)


def anchors(
    winner: Array,
    sure: Array,
    labels: Array,
    n_classes: int,
    part: float,
    fewest: int = _FEWEST_ROWS,
) -> Transition:
    """The same from the class that each row is surest of, and how sure it is."""
    rates = np.zeros(n_classes)
    T = np.eye(n_classes) if n_classes <= MOST_PAIRS else None
    if n_classes < 2:
        return Transition(rates, T)
    order = np.argsort(small_ids(winner, n_classes), kind="stable")
    ends = np.cumsum(np.bincount(winner, minlength=n_classes))
    for c in range(n_classes):
        won = order[(ends[c - 1] if c else 0) : ends[c]]
        rows = _largest(sure, won, max(int(part * len(won)), min(len(won), fewest)))
        right = float((labels[rows] == c).sum())
        n = max(float(len(rows)), 1.0)
        rates[c] = rate = (n - right + _PRIOR) / (n + 2 * _PRIOR) if len(rows) else _PRIOR
        if T is None:
            continue
        counts = np.bincount(labels[rows], minlength=n_classes).astype(np.float64)
        others = np.arange(n_classes) != c
        uniform = rate / (n_classes - 1)
        seen = counts[others] / n
        spread = float(((seen - uniform) ** 2).mean())
        chance = _CHANCE * uniform * (1 - uniform) / n
        trust = max(0.0, 1 - chance / spread) if spread > 0 else 0.0
        wrong = uniform + trust * (seen - uniform)
        T[c, others] = wrong * (rate / wrong.sum())
        T[c, c] = 1 - rate
    return Transition(rates, T)


def _largest(values: Array, rows: Array, count: int) -> Array:
    """As many of the rows, those with the largest values; of equal ones the first."""
    if count >= len(rows):
        return rows
    here = values[rows]
    least = np.partition(here, len(here) - count)[len(here) - count]
    above = rows[here > least]
    return np.concatenate([above, rows[here == least][: count - len(above)]])
