"""True classes and annotators' errors from labels of several annotators and what else is known.

Dawid and Skene's model with three changes: the class shares that other rows give take the place of
one prior for all rows; an annotator's confusion is drawn toward that of all, whose errors are
scaled by the annotator's own rate; and shares and labels get weights, since annotators err alike
on hard rows. The weights are those under which labels that are held out are predicted best.

References
----------
Dawid and Skene, Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm,
Journal of the Royal Statistical Society C, 1979.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from wann_core.audit.annotators.annotations import Annotations
from wann_core.progress import Progress
from wann_core.typing import Array

_FLOOR = 1e-3  # no class is impossible
_ITERATIONS = 40
_CLOSE = 1e-3
_ROUNDS = 3
_HELD_OUT = 20_000
# Labels of the prior: each class's own, all others together, those of all annotators to one.
_RIGHT, _WRONG, _POOLED = 2.0, 0.5, 10.0
_RATE = 2.0
_MOST_WRONG = 0.95
_SEARCH = {"maxiter": 60, "xatol": 0.01, "fatol": 1e-6}


@dataclass(frozen=True, eq=False)
class Crowd:
    """Annotators' errors, and the true classes that follow from them.

    Attributes
    ----------
    table : Annotations
    posterior : ndarray of shape (n, C), float64
        Probability of each class being the true one.
    pool : ndarray of shape (C, C), float64
        Confusion of all annotators together: row = true class, column = label.
    """

    table: Annotations
    posterior: Array
    pool: Array

    @cached_property
    def own_probability(self) -> Array:
        """Probability that each label is right, shape (m,)."""
        return np.asarray(self.posterior[self.table.row, self.table.label])

    def confusion(self, annotator: int) -> Array:
        """Confusion of one annotator, drawn toward that of all; (C, C), rows sum to 1."""
        mine = self.table.annotator == annotator
        n_classes = len(self.pool)
        counts = np.zeros((n_classes, n_classes))
        np.add.at(counts.T, self.table.label[mine], self.posterior[self.table.row[mine]])
        wrong = 1 - np.diag(self.pool)
        expected = counts.sum(axis=1) @ wrong
        rate = (counts.sum() - np.trace(counts) + _RATE) / (expected + _RATE)
        base = _scaled(self.pool, np.minimum(wrong * rate, _MOST_WRONG))
        return np.asarray((_POOLED * base + counts) / (_POOLED + counts.sum(axis=1, keepdims=True)))


def fit_crowd(
    table: Annotations,
    shares: Array | None = None,
    *,
    weigh: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
) -> Crowd:
    """Fit annotators' confusions and true classes by EM.

    Parameters
    ----------
    table : Annotations
    shares : ndarray of shape (n, C), optional
        Class shares of each row in which its own labels have no part; by default the frequency of
        the classes stands for all rows.
    weigh : bool
        Whether weights of labels and shares are sought; else both are 1.
    seed : int
        Draws the labels that are held out where there are more than 20,000.
    progress : callable, optional
        Called between rounds; may raise to stop.
    """
    model = _Model(table, shares)
    weights = np.ones(2)
    rounds = _ROUNDS if weigh else 0
    rng = np.random.default_rng(seed)
    held_out = np.arange(len(table))
    if len(table) > _HELD_OUT:
        held_out = rng.choice(len(table), _HELD_OUT, replace=False)
    for done in range(rounds):
        if progress is not None:
            progress(done, rounds + 1, "annotators' errors and true classes")
        model.fit(weights)
        weights = model.best_weights(weights, held_out)
    posterior = model.fit(weights)
    return Crowd(table, posterior, model.pool)


class _Model:
    """EM on sparse tables: an annotator and a label that it uses are one column."""

    def __init__(self, table: Annotations, shares: Array | None) -> None:
        self.table, self.n_classes = table, len(table.class_names)
        key = table.annotator * self.n_classes + table.label
        pairs, self.pair = np.unique(key, return_inverse=True)
        self.who, self.what = np.divmod(pairs, self.n_classes)
        shape = table.rows, len(pairs)
        self.used = csr_matrix((np.ones(len(table)), (table.row, self.pair)), shape=shape)
        self.log_shares = None if shares is None else np.log(np.asarray(shares) + _FLOOR)
        votes = table.counts + _FLOOR
        self.posterior: Array = votes / votes.sum(axis=1, keepdims=True)
        if shares is not None:
            self.posterior = _softmax(self.log_shares + np.log(self.posterior))
        self.pool = np.eye(self.n_classes)
        self.log_likelihood = np.zeros((len(pairs), self.n_classes))

    def fit(self, weights: Array) -> Array:
        """Repeat both steps until nothing moves; returns the posterior."""
        for _ in range(_ITERATIONS):
            self._maximize()
            new = _softmax(self._log_odds(weights))
            moved = float(np.abs(new - self.posterior).max())
            self.posterior = new
            if moved < _CLOSE:
                break
        return self.posterior

    def _maximize(self) -> None:
        counts = self.used.T @ self.posterior  # (pairs, true class)
        C = self.n_classes
        pool = np.full((C, C), _WRONG / max(C - 1, 1))
        np.fill_diagonal(pool, _RIGHT)
        np.add.at(pool.T, self.what, counts)
        self.pool = pool / pool.sum(axis=1, keepdims=True)
        per_class = np.zeros((len(self.table.annotators), C))
        np.add.at(per_class, self.who, counts)
        right = np.bincount(
            self.who,
            weights=counts[np.arange(len(counts)), self.what],
            minlength=len(per_class),
        )
        wrong = 1 - np.diag(self.pool)
        rate = (per_class.sum(axis=1) - right + _RATE) / (per_class @ wrong + _RATE)
        errs = np.minimum(wrong * rate[:, None], _MOST_WRONG)  # (annotators, true class)
        base = self.pool.T[self.what] * (errs / wrong)[self.who]
        own = np.arange(len(base))
        base[own, self.what] = 1 - errs[self.who, self.what]
        likelihood = (_POOLED * base + counts) / (_POOLED + per_class[self.who])
        self.log_likelihood = np.log(likelihood)

    def _log_prior(self, weight: float) -> Array:
        if self.log_shares is None:
            return np.asarray(np.log(self.posterior.mean(axis=0) + 1e-12)[None])
        return np.asarray(weight * self.log_shares)

    def _log_odds(self, weights: Array) -> Array:
        label_weight, share_weight = weights
        evidence = self.used @ self.log_likelihood
        return np.asarray(self._log_prior(share_weight) + label_weight * evidence)

    def best_weights(self, weights: Array, held_out: Array) -> Array:
        """Weights under which a label is predicted best by the other labels and the shares."""
        rows, mine = self.table.row[held_out], self.log_likelihood[self.pair[held_out]]
        # Products of sparse rows, once for all trials of the search.
        others = np.asarray((self.used @ self.log_likelihood)[rows] - mine)
        likelihood = np.exp(mine)
        prior = self._log_prior(1.0)
        prior = prior if self.log_shares is None else prior[rows]

        def loss(log_weights: Array) -> float:
            label_weight, share_weight = np.exp(log_weights)
            share_weight = 1.0 if self.log_shares is None else share_weight
            true = _softmax(share_weight * prior + label_weight * others)
            fit = np.log((true * likelihood).sum(axis=1)).mean()
            # A weight that the labels do not determine is 1.
            return float(-fit + (log_weights**2).sum() / len(rows))

        found = minimize(loss, np.log(weights), method="Nelder-Mead", options=_SEARCH)
        best: Array = np.exp(found.x)
        return best


def _scaled(pool: Array, errs: Array) -> Array:
    """The confusion of all with other shares of errors."""
    wrong = 1 - np.diag(pool)
    scaled: Array = pool * (errs / wrong)[:, None]
    np.fill_diagonal(scaled, 1 - errs)
    return scaled


def _softmax(scores: Array) -> Array:
    odds: Array = np.exp(scores - scores.max(axis=1, keepdims=True))
    odds /= odds.sum(axis=1, keepdims=True)
    return odds
