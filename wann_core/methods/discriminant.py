"""Linear discriminant analysis in closed form, every row judged by the other folds."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve

from wann_core.class_table import MOST_DENSE, Shares, block_rows, class_table
from wann_core.methods.folds import FOLDS, in_their_span
from wann_core.progress import Progress
from wann_core.typing import Array

_LEAST_SHRINKAGE = 0.05
_MOST_COLUMNS = 4096
_ROUNDING = 1e-4
_ROWS = 16_384  # at once


def serves(X: Array) -> bool:
    """Whether the covariance of this many columns is small enough to be solved for in seconds."""
    return bool(min(X.shape) <= _MOST_COLUMNS)


def discriminant_probabilities(
    X: Array,
    labels: Array,
    n_classes: int,
    folds: Array,
    *,
    weights: Array | None = None,
    progress: Progress | None = None,
) -> Shares:
    """Class probabilities of each row by a linear discriminant fitted to the other folds.

    Means and scatter are sums over rows, so that each fold's are the sums of all rows without its
    own: one pass over the rows serves all folds, and one system of d equations each.

    Parameters
    ----------
    X : ndarray of shape (n, d), float32
    labels : ndarray of shape (n,), integer
    n_classes : int
        C, the columns of the result.
    folds : ndarray of shape (n,), integer
        Fold of each row, from 0 to `FOLDS` - 1.
    weights : ndarray of shape (n,), optional
        Weight of each row in the fits.
    progress : callable, optional
        Called between parts; may raise to stop.

    Returns
    -------
    ndarray or ClassTable of shape (n, C), float32
        Rows sum to 1. They rank classes well and are overconfident.

    Notes
    -----
    The pooled covariance is shrunk toward a multiple of the identity by d / (n + d), at least by
    0.05: with fewer rows than that per column its small eigenvalues are those of chance.

    References
    ----------
    Fisher (1936); shrinkage toward a multiple of the identity: Friedman, Regularized Discriminant
    Analysis, JASA 1989.
    """
    X = in_their_span(X)
    center = X.mean(axis=0, dtype=np.float64).astype(np.float32)
    sums = discriminant_sums(X, labels, n_classes, folds, center, weights, progress)
    result: Shares = class_table(labels, n_classes)
    for fold in range(FOLDS):
        _report(progress, FOLDS + fold, "linear discriminant, fold by fold")
        discriminant_answers(X, np.flatnonzero(folds == fold), center, sums.without(fold), result)
    return result


@dataclass(frozen=True, eq=False)
class DiscriminantSums:
    """What a linear discriminant needs to know of its rows, fold by fold; parts may be added.

    Attributes
    ----------
    rows : int
        n.
    counts : ndarray of shape (FOLDS, C)
        Summed weights.
    sums : ndarray of shape (FOLDS, C, d)
        Weighted sums of the rows of each class, as differences from a common center.
    scatter : ndarray of shape (FOLDS, d, d)
        Weighted sums of their products.
    """

    rows: int
    counts: Array
    sums: Array
    scatter: Array

    def __add__(self, other: "DiscriminantSums") -> "DiscriminantSums":
        return DiscriminantSums(
            self.rows + other.rows,
            self.counts + other.counts,
            self.sums + other.sums,
            self.scatter + other.scatter,
        )

    def without(self, fold: int) -> tuple[Array, Array]:
        """Directions (d, C) and offsets (C,) of the discriminant fitted to all other folds."""
        d = self.scatter.shape[1]
        shrinkage = max(_LEAST_SHRINKAGE, d / (self.rows + d))
        all_scatter = self.scatter.sum(axis=0)
        size = self.counts.sum(axis=0) - self.counts[fold]
        total = max(float(size.sum()), 1e-12)
        sums = self.sums.sum(axis=0) - self.sums[fold]
        means = sums / np.maximum(size, 1e-12)[:, None]
        within = (all_scatter - self.scatter[fold] - (means.T * size) @ means) / total
        level = float(np.trace(within)) / d
        # Where the rows of a class are all alike, rounding is all that is left of their scatter.
        level = max(level, _ROUNDING * float(np.trace(all_scatter)) / (total * d), _ROUNDING)
        within = (1 - shrinkage) * within + shrinkage * level * np.eye(d)
        directions = solve(within, means.T, assume_a="pos")
        # A class without a row among the other folds cannot be answered.
        offset = np.log(np.maximum(size, 1e-12) / total) - (means * directions.T).sum(axis=1) / 2
        return directions.astype(np.float32), offset.astype(np.float32)


def discriminant_sums(
    X: Array,
    labels: Array,
    n_classes: int,
    folds: Array,
    center: Array,
    weights: Array | None = None,
    progress: Progress | None = None,
) -> DiscriminantSums:
    """The sums of some rows; arguments as `discriminant_probabilities` takes them."""
    n, d = X.shape
    w = np.ones(n, np.float32) if weights is None else weights.astype(np.float32)
    counts = np.zeros((FOLDS, n_classes))
    sums = np.zeros((FOLDS, n_classes, d))
    scatter = np.zeros((FOLDS, d, d))
    for fold in range(FOLDS):
        rows = np.flatnonzero(folds == fold)
        _report(progress, fold, "linear discriminant, sums")
        counts[fold] = np.bincount(labels[rows], weights=w[rows], minlength=n_classes)
        for start in range(0, len(rows), _ROWS):
            part = rows[start : start + _ROWS]
            centered = X[part] - center
            weighted = centered * w[part, None]
            # Rows of a class lie together, so that each class is one sum.
            order = np.argsort(labels[part], kind="stable")
            classes, first = np.unique(labels[part][order], return_index=True)
            sums[fold, classes] += np.add.reduceat(weighted[order], first, axis=0)
            scatter[fold] += weighted.T @ centered
    return DiscriminantSums(n, counts, sums, scatter)


def discriminant_answers(
    X: Array, rows: Array, center: Array, fitted: tuple[Array, Array], result: Shares
) -> None:
    """Fill in the class probabilities of some rows."""
    directions, offset = fitted
    n_classes = len(offset)
    step = _ROWS if n_classes <= MOST_DENSE else block_rows(n_classes)
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        odds = (X[part] - center) @ directions + offset
        odds -= odds.max(axis=1, keepdims=True)
        np.exp(odds, out=odds)
        odds /= odds.sum(axis=1, keepdims=True)
        result[part] = odds


def _report(progress: Progress | None, done: int, text: str) -> None:
    if progress is not None:
        progress(done, 2 * FOLDS, text)
