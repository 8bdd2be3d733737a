"""Logistic regression on the audit's posterior in place of the given labels."""

import numpy as np

from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.learning.audited import AuditedClassifier
from wann_core.methods.folds import FOLDS, deal_folds
from wann_core.methods.probes.logistic import C_GRID
from wann_core.methods.probes.softmax import fit_softmax, softmax_probabilities
from wann_core.typing import Array

_CHOOSING_ROWS = 5000
_SEED = 0


class PosteriorLogisticRegression(AuditedClassifier):
    """Multinomial logistic regression on soft labels: the audit's posterior of the true class.

    The posterior is that of an audit of the training rows without a probe: neighbors and linear
    discriminant, each row judged by the others, then its given label under the transition matrix
    found. C is the one of `C_GRID` whose answers have most of the posterior in 5-fold
    cross-validation, on 5,000 rows where there are more, tried upward until it falls.

    Attributes
    ----------
    classes_ : ndarray of shape (C,)
    C_ : float
        Inverse strength of the L2 penalty.
    posterior_ : ndarray of shape (n, C)
        The soft labels.
    coefficients_ : ndarray of shape (d + 1, C), float32
        The last line is the intercept.

    Notes
    -----
    Measured beside logistic regression on the given labels in docs/results.md.

    Examples
    --------
    >>> X = np.concatenate([np.zeros((30, 2)), np.ones((30, 2))]) + np.arange(60)[:, None] / 500
    >>> y = np.repeat(["a", "b"], 30)
    >>> y[3] = "b"
    >>> PosteriorLogisticRegression().fit(X, y).predict([[0.01, 0.01]]).tolist()
    ['a']
    """

    def _learn(self, X: Array, codes: Array, evidence: Evidence) -> None:
        self.posterior_ = np.asarray(evidence.first_posterior, np.float32)
        scores = posterior_by_C(X, self.posterior_, deal_folds(codes))
        self.C_ = max(scores, key=lambda C: scores[C])
        rows, n_classes = np.arange(len(X)), len(self.classes_)
        self.coefficients_ = fit_softmax(X, self.posterior_, rows, n_classes, self.C_)


def posterior_by_C(X: Array, posterior: Array, folds: Array) -> dict[float, float]:
    """Mean posterior of held-out answers by C, up to the first that is worse than one before."""
    chosen = np.random.RandomState(_SEED).permutation(len(X))[:_CHOOSING_ROWS]
    parts = [(chosen[folds[chosen] != f], chosen[folds[chosen] == f]) for f in range(FOLDS)]
    fits: list[Array | None] = [None] * FOLDS
    scores = dict[float, float]()
    for C in C_GRID:
        total = 0.0
        for fold, (fitted, held_out) in enumerate(parts):
            # Each fit starts from the one under the last C, which is close to it.
            found = fit_softmax(X, posterior, fitted, posterior.shape[1], C, start=fits[fold])
            fits[fold] = found
            answers = softmax_probabilities(X[held_out], found).argmax(axis=1)
            total += float(posterior[held_out, answers].sum())
        scores[C] = total / len(chosen)
        if scores[C] < max(scores.values()):
            break
    return scores
