"""Class probabilities of every row by a logistic regression that was not fitted to it."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from sklearn.linear_model import LogisticRegression

from wann_core.class_table import MOST_DENSE, Shares, class_table
from wann_core.errors import WannError
from wann_core.methods.folds import FOLDS, deal_folds, in_their_span
from wann_core.methods.probes.logistic import C_GRID, choose_C
from wann_core.methods.probes.softmax import (
    block_rows,
    choose_softmax_C,
    fit_softmax,
    softmax_probabilities,
)
from wann_core.parallel import each
from wann_core.progress import Progress
from wann_core.storage.disk_cache import digest_of, kept_fit
from wann_core.typing import Array

_ITERATIONS = 1000
# Probabilities need no more digits than this brings, and it halves the time.
_TOLERANCE = 1e-3
# Raised whenever the fits change, so that what was kept of others is left alone.
_FIT_VERSION = 2
_WORTH_KEEPING = 3e7


class Witness(Protocol):
    """Out-of-fold class probabilities, and the folds that they come of."""

    @property
    def folds(self) -> Array:
        """Fold of each row, shape (n,), int64."""

    def probabilities(self, weights: Array | None = None) -> Shares:
        """Return the probability of each class, shape (n, C), float32, rows weighted as asked."""

    def relabeled(self, labels: Array, progress: Progress | None = None) -> "Witness":
        """Return the same witness under other labels."""


def can_fit(labels: Array, folds: Array | None = None) -> bool:
    """Whether two classes have several rows, and each fit sees two classes; see `OutOfFold`."""
    counts = np.bincount(labels)
    enough = bool((counts >= 2).sum() >= 2)
    if folds is None or not enough:
        return enough
    places = folds * len(counts) + labels
    held_out = np.bincount(places, minlength=FOLDS * len(counts)).reshape(FOLDS, -1)
    return bool(((counts > held_out).sum(axis=1) >= 2).all())


class OutOfFold:
    """Five fits to four fifths of the rows each, as often as wanted with other weights.

    By scikit-learn's logistic regression up to 256 classes, see `fit_softmax` beyond.

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
        If a fold could not be fitted, see `can_fit`.
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
        if not can_fit(labels, folds):
            raise WannError(
                "a probe needs two classes of at least two rows, or groups, each, got "
                f"{len(labels)} rows in {len(np.unique(labels))} classes; judge without the probe.",
                "score",
            )
        self.labels, self.n_classes = labels, n_classes
        self.progress = progress
        self._given_folds = folds
        self.folds = deal_folds(labels) if folds is None else folds
        # Names what is fitted to these rows; empty where it costs less than to keep it.
        large = X.size * n_classes > _WORTH_KEEPING
        self._rows = (
            digest_of(f"{_FIT_VERSION} {n_classes}", X, labels, self.folds) if large else ""
        )
        self.X = in_their_span(X)
        self.C = float(self._kept("C", self._best_C)) if C is None else C

    def _best_C(self) -> Array:
        rows = self.X, self.labels, self.folds
        return np.array(best_C(*rows, self.n_classes, self.progress))

    def _kept(self, what: str, build: Callable[[], Array]) -> Array:
        return kept_fit(f"{self._rows}-{what}", build) if self._rows else build()

    def relabeled(self, labels: Array, progress: Progress | None = None) -> "OutOfFold":
        """The same rows, C and given folds under other labels."""
        return OutOfFold(self.X, labels, self.n_classes, progress, self.C, self._given_folds)

    def probabilities(self, weights: Array | None = None) -> Shares:
        """Probability of each given label, shape (n, C), float32, rows weighted as asked."""
        if self.n_classes > MOST_DENSE:
            return self._of_many_classes(weights)
        what = "even" if weights is None else digest_of("weights", weights)
        return self._kept(f"{self.C!r}-{what}", lambda: self._fit(weights))

    def _of_many_classes(self, weights: Array | None) -> Shares:
        """The same in blocks of rows. What is kept are coefficients, fold by fold."""
        shares: Shares = class_table(self.labels, self.n_classes)
        step = block_rows(self.n_classes)
        for fold in range(FOLDS):
            rows = np.flatnonzero(self.folds == fold)
            if not len(rows):
                continue
            found = self._coefficients(fold, None)
            if weights is not None:
                found = self._coefficients(fold, weights, found)
            for first in range(0, len(rows), step):
                part = rows[first : first + step]
                shares[part] = softmax_probabilities(self.X[part], found)
                self._report(fold + 1, FOLDS, "probabilities")
        return shares

    def _coefficients(self, fold: int, weights: Array | None, start: Array | None = None) -> Array:
        what = "even" if weights is None else digest_of("weights", weights)

        def fit() -> Array:
            return fit_softmax(
                self.X,
                self.labels,
                np.flatnonzero(self.folds != fold),
                self.n_classes,
                self.C,
                weights=weights,
                start=start,
                on_step=lambda step: self._report(fold, FOLDS, f"fold {fold + 1}, step {step}"),
            )

        return self._kept(f"{self.C!r}-{what}-{fold}", fit)

    def _report(self, done: int, total: int, text: str) -> None:
        if self.progress is not None:
            self.progress(done, total, f"logistic regression, {text}")

    def _fit(self, weights: Array | None) -> Array:
        shares = np.zeros((len(self.labels), self.n_classes), np.float32)

        def fit(fold: int) -> None:
            held_out = self.folds == fold
            if not held_out.any():
                return
            fitted = ~held_out
            model = LogisticRegression(C=self.C, max_iter=_ITERATIONS, tol=_TOLERANCE)
            model.fit(
                self.X[fitted],
                self.labels[fitted],
                sample_weight=None if weights is None else weights[fitted],
            )
            rows = np.flatnonzero(held_out)
            shares[np.ix_(rows, model.classes_)] = model.predict_proba(self.X[held_out])

        each(fit, range(FOLDS), lambda done: self._report(done, FOLDS, "fold by fold"))
        return shares


def best_C(
    X: Array, labels: Array, folds: Array, n_classes: int, progress: Progress | None = None
) -> float:
    """The C of best accuracy on the given labels; 1 where there are too few rows to choose by."""
    if n_classes <= MOST_DENSE:
        scores = choose_C(X, labels, np.ones(len(labels)), progress)
    else:

        def on_step(place: int) -> None:
            if progress is not None:
                progress(place, len(C_GRID), "logistic regression, choosing C")

        scores = choose_softmax_C(X, labels, folds, n_classes, C_GRID, on_step)
    return max(scores, key=lambda c: scores[c]) if scores else 1.0
