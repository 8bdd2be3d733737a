"""Class probabilities of every row by a logistic regression that was not fitted to it."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from wann_core.errors import WannError
from wann_core.neighbors import Progress
from wann_core.probing.logistic import choose_C

Array = npt.NDArray[Any]

FOLDS = 5
_SEED = 0
_ITERATIONS = 1000
# Probabilities need no more digits than this brings, and it halves the time.
_TOLERANCE = 1e-3


class OutOfFold:
    """Five fits to four fifths of the rows each, as often as wanted with other weights.

    Parameters
    ----------
    X : ndarray of shape (n, d), float32
    labels : ndarray of shape (n,), integer
        Given class ids.
    n_classes : int
        Columns of the answers.
    progress : callable, optional
        Told between fits; may raise to stop.
    C : float, optional
        Inverse strength of the L2 penalty; by default chosen once, see `choose_C`.
    folds : ndarray of shape (n,), integer, optional
        Fold of each row, from 0 to `FOLDS` - 1; by default dealt class by class.

    Raises
    ------
    WannError
        If there are no two classes of two rows at least, so that a fold could not be fitted.
    """

    def __init__(
        self,
        X: Array,
        labels: Array,
        n_classes: int,
        progress: Progress | None = None,
        C: float | None = None,
        folds: Array | None = None,
    ) -> None:
        if (np.bincount(labels) >= 2).sum() < 2:
            raise WannError(
                "a probe needs two classes of at least two rows each, got "
                f"{len(labels)} rows in {len(np.unique(labels))} classes.",
                "score",
            )
        self.X, self.labels, self.n_classes = X, labels, n_classes
        self.progress = progress
        self.folds = _deal(labels) if folds is None else folds
        if C is None:
            scores = choose_C(X, labels, np.ones(len(labels)), progress)
            C = max(scores, key=lambda c: scores[c]) if scores else 1.0
        self.C = C

    def relabelled(self, labels: Array, progress: Progress | None = None) -> "OutOfFold":
        """The same rows and C under other labels."""
        return OutOfFold(self.X, labels, self.n_classes, progress, self.C)

    def probabilities(self, weights: Array | None = None) -> Array:
        """Probability of each given label, shape (n, C), float32, rows weighted as asked."""
        shares = np.zeros((len(self.labels), self.n_classes), np.float32)
        for fold in range(FOLDS):
            if self.progress is not None:
                self.progress(fold, FOLDS, "logistic regression, fold by fold")
            held_out = self.folds == fold
            if not held_out.any():
                continue
            fitted = ~held_out
            model = LogisticRegression(C=self.C, max_iter=_ITERATIONS, tol=_TOLERANCE)
            model.fit(
                self.X[fitted],
                self.labels[fitted],
                sample_weight=None if weights is None else weights[fitted],
            )
            rows = np.flatnonzero(held_out)
            shares[np.ix_(rows, model.classes_)] = model.predict_proba(self.X[held_out])
        return shares


def _deal(labels: Array) -> Array:
    """The fold of each row: the rows of each class, shuffled, go round the folds in turn.

    Unlike scikit-learn's stratified folds this serves classes with fewer rows than folds too.
    """
    rng = np.random.RandomState(_SEED)
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    folds = np.empty(len(labels), np.int64)
    folds[order] = np.arange(len(labels)) % FOLDS
    return folds
