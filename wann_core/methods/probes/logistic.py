"""Multinomial logistic regression on the noisy labels, to convergence.

Plain, with rows weighted by their reliability, or on those rows only that their neighbors explain.

References
----------
Zhu, Zhang, Hu, Scott: Label Noise: Ignorance Is Bliss, NeurIPS 2024 (NI-ERM: a linear classifier on
frozen features, fitted to the noisy labels as they are).
"""

import time
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from wann_core.errors import WannError
from wann_core.parallel import blas, each
from wann_core.progress import Progress
from wann_core.typing import Array

C_GRID = tuple(10.0**exponent for exponent in range(-5, 2))
_CV_ROWS = 5000
_PRECISE_ROWS = 1000
_FOLDS = 5
_ITERATIONS = 2000
_SEED = 0  # of the rows and folds that choose C


@dataclass(frozen=True, eq=False)
class LogisticFit:
    """Predictions of logistic regression for the test rows, and how it was fitted.

    Attributes
    ----------
    predictions : ndarray of shape (m,), int64
    confidence : ndarray of shape (m,), float64
        Probability of the predicted class.
    C : float
        Inverse strength of the L2 penalty, as scikit-learn counts it.
    cv_accuracy : dict of float to float
        Cross-validated accuracy on noisy labels by C; empty where there were too few rows.
    rows : int
        Rows that it was fitted to.
    iterations : int
    seconds : float
        Wall time, choice of C included.
    """

    predictions: Array
    confidence: Array
    C: float
    cv_accuracy: dict[float, float]
    rows: int
    iterations: int
    seconds: float


def fit_logistic(
    X: Array,
    y: Array,
    X_test: Array,
    weights: Array | None = None,
    progress: Progress | None = None,
) -> LogisticFit:
    """Fit to noisy labels and predict the test rows.

    C is the one of `C_GRID` with the best accuracy on noisy labels in 5-fold cross-validation, on
    5,000 rows where there are more; the last fit uses all rows. Greater C are tried as long as the
    accuracy does not fall.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    y : ndarray of shape (n,), int64
    X_test : ndarray of shape (m, d)
    weights : ndarray of shape (n,), optional
        Weights of the rows; 1 by default.
    progress : callable, optional
        Called between fits; may raise to stop.

    Raises
    ------
    WannError
        If `y` holds fewer than two classes.
    """
    started = time.perf_counter()
    if len(np.unique(y)) < 2:
        raise WannError(
            f"logistic regression needs rows of two classes at least, got {len(y)} rows in "
            f"{len(np.unique(y))}.",
            "method",
        )
    weights = np.ones(len(y)) if weights is None else weights
    scores = choose_C(X, y, weights, progress)
    C = max(scores, key=lambda c: scores[c]) if scores else 1.0
    if progress is not None:
        progress(len(C_GRID), len(C_GRID) + 1, "logistic regression on all rows")
    with blas.bounded(1):
        model = LogisticRegression(C=C, max_iter=_ITERATIONS).fit(X, y, sample_weight=weights)
    shares = model.predict_proba(X_test)
    return LogisticFit(
        predictions=model.classes_[shares.argmax(axis=1)].astype(np.int64),
        confidence=shares.max(axis=1),
        C=C,
        cv_accuracy=scores,
        rows=len(y),
        iterations=int(model.n_iter_.max()),
        seconds=time.perf_counter() - started,
    )


def choose_C(
    X: Array, y: Array, weights: Array, progress: Progress | None = None
) -> dict[float, float]:
    """Cross-validated accuracy by C, up to the first that is worse than one before.

    Classes with fewer rows than folds sit out.
    """
    rows = np.random.RandomState(_SEED).permutation(len(y))[:_CV_ROWS]
    classes, counts = np.unique(y[rows], return_counts=True)
    rows = rows[np.isin(y[rows], classes[counts >= _FOLDS])]
    if (counts >= _FOLDS).sum() < 2:
        return {}
    # In single precision the line search of a fit that starts from the last one's end can stop at
    # the rounding of the loss, which is reported as a failure. Few rows cost no more in double.
    precise = np.float64 if len(rows) <= _PRECISE_ROWS else X.dtype
    X, y, weights = X[rows].astype(precise, copy=False), y[rows], weights[rows]
    folds = list(StratifiedKFold(_FOLDS).split(X, y))
    # Each fit starts from the one under the last C, which is close to it.
    models = [LogisticRegression(max_iter=_ITERATIONS, warm_start=True) for _ in folds]

    def accuracy(i: int, C: float) -> float:
        def right(fold: int) -> int:
            train, held_out = folds[fold]
            model = models[fold].set_params(C=C)
            model.fit(X[train], y[train], sample_weight=weights[train])
            return int((model.predict(X[held_out]) == y[held_out]).sum())

        def on_done(done: int) -> None:
            if progress is not None:
                text = f"logistic regression, cross-validation of C = {C:g}"
                progress(i + done / _FOLDS, len(C_GRID) + 1, text)

        return sum(each(right, range(_FOLDS), on_done)) / len(y)

    scores: dict[float, float] = {}
    for i, C in enumerate(C_GRID):
        scores[C] = accuracy(i, C)
        # Weak penalties take longest to fit, and past the peak there is nothing to find.
        if scores[C] < max(scores.values()):
            break
    return scores
