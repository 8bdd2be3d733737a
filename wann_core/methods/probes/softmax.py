"""Multinomial logistic regression for many classes, in blocks of rows.

scikit-learn's holds two tables of all rows and classes in double precision, and takes hundreds of
steps where columns are correlated. Here the gradient is summed over blocks of rows, and L-BFGS
walks in coordinates in which the loss is about as curved in all directions: the curvature of a
softmax is at most XᵀX ⊗ (I - 11ᵀ/C) / 2.

References
----------
Böhning, Multinomial logistic regression algorithm, Annals of the Institute of Statistical
Mathematics 1992.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize

from wann_core.parallel import blas, in_blocks
from wann_core.typing import Array

# Scores of a block of rows: 16 MB, which are worth a product with many columns.
_BLOCK_VALUES = 1 << 22
_FEWEST_ROWS, _MOST_ROWS = 256, 8192
_SCATTER_ROWS = 16_384
# Steps and their curvature that L-BFGS remembers: each is as large as two tables of coefficients.
_REMEMBERED = 6
_STEPS = 100
# A step that lowers the mean loss by less than this share of it is the last.
_TOLERANCE = 1e-4
_SEED = 0
_FEWEST_CHOOSING, _CHOOSING_ROWS_A_CLASS = 5000, 20
# The score of a class of which no row counts.
_NEVER = np.float32(-1e30)


def fit_softmax(
    X: Array,
    labels: Array,
    rows: Array,
    n_classes: int,
    C: float,
    *,
    weights: Array | None = None,
    start: Array | None = None,
    on_step: Callable[[int], None] | None = None,
) -> Array:
    """Coefficients that minimize the log-loss of some rows under an L2 penalty.

    Parameters
    ----------
    X : ndarray of shape (n, d), float32
    labels : ndarray of shape (n,), integer, or of shape (n, n_classes), floating
        Class ids; or soft labels, the probability of each class, by which its log-loss counts.
    rows : ndarray of shape (m,), integer
        Positions of the rows to fit to.
    n_classes : int
    C : float
        Inverse strength of the penalty, as scikit-learn counts it.
    weights : ndarray of shape (n,), optional
        Weight of each row; 1 by default.
    start : ndarray of shape (d + 1, n_classes), optional
        Coefficients near the answer.
    on_step : callable, optional
        `on_step(step)`, called after each block of rows; may raise to stop.

    Returns
    -------
    ndarray of shape (d + 1, n_classes), float32
        The last line is the intercept. A class of which no row has a weight is never answered.
    """
    d = X.shape[1]
    w = np.ones(len(X), np.float32) if weights is None else weights.astype(np.float32)
    total = float(w[rows].sum(dtype=np.float64))
    penalty = 1 / (C * total)
    counts = _counts(labels[rows], w[rows], n_classes)
    absent = counts == 0
    steps = 0

    def report() -> None:
        if on_step is not None:
            on_step(steps)

    with blas.bounded(1):
        # W = R⁻¹ V, b = c √C: in V and c the loss is about as curved in all directions.
        scatter = _scatter(X, rows, w, report)
        R = cholesky(scatter / (total * n_classes) + penalty * np.eye(d))
        scale = n_classes**0.5

        def table(flat: Array) -> Array:
            made = np.empty((d + 1, n_classes))
            given = flat.reshape(d + 1, n_classes)
            made[:d] = solve_triangular(R, given[:d])
            made[d] = given[d] * scale
            made[d, absent] = _NEVER
            return made

        def loss(flat: Array) -> tuple[float, Array]:
            nonlocal steps
            steps += 1
            found = table(flat)
            value, gradient = _loss(X, labels, rows, w, found.astype(np.float32), report)
            gradient /= total
            gradient[:d] += penalty * found[:d]
            gradient[:d] = solve_triangular(R, gradient[:d], trans=1)
            gradient[d] *= scale
            return value / total + penalty / 2 * float((found[:d] ** 2).sum()), gradient.ravel()

        if start is None:
            begin = np.zeros((d + 1, n_classes))
            begin[d] = np.log(np.maximum(counts / total, 1 / total))
        else:
            begin = start.astype(np.float64)
            begin[d, absent] = 0
            begin[:d] = R @ begin[:d]
        begin[d] /= scale
        options = {"maxiter": _STEPS, "maxcor": _REMEMBERED, "ftol": _TOLERANCE, "gtol": 0}
        found = minimize(loss, begin.ravel(), jac=True, method="L-BFGS-B", options=options)
        return np.asarray(table(found.x), np.float32)


def block_rows(n_classes: int) -> int:
    """Rows of a block whose scores of all classes take a few megabytes."""
    return int(np.clip(_BLOCK_VALUES // n_classes, _FEWEST_ROWS, _MOST_ROWS))


def softmax_probabilities(X: Array, coefficients: Array) -> Array:
    """Probability of each class for some rows, shape (n, C), float32."""
    odds = X @ coefficients[:-1]
    odds += coefficients[-1]
    odds -= odds.max(axis=1, keepdims=True)
    np.exp(odds, out=odds)
    odds /= odds.sum(axis=1, keepdims=True)
    return np.asarray(odds)


def choose_softmax_C(
    X: Array,
    labels: Array,
    folds: Array,
    n_classes: int,
    grid: Sequence[float],
    on_step: Callable[[int], None] | None = None,
) -> dict[float, float]:
    """Accuracy on the given labels of one fold by C, up to the first that is worse than one before.

    Of many rows twenty a class are looked at, in the mean.

    Parameters
    ----------
    X, labels, n_classes
        As `fit_softmax` takes them.
    folds : ndarray of shape (n,), integer
        Rows of fold 0 are answered, the others are fitted to.
    grid : sequence of float
        Strongest penalty first: each fit starts from the last.
    on_step : callable, optional
        `on_step(place in the grid)`, called after each block of rows; may raise to stop.
    """
    chosen = np.random.RandomState(_SEED).permutation(len(labels))
    chosen = chosen[: max(_FEWEST_CHOOSING, _CHOOSING_ROWS_A_CLASS * n_classes)]
    fitted, held_out = chosen[folds[chosen] != 0], chosen[folds[chosen] == 0]
    found, scores = None, dict[float, float]()
    for place, C in enumerate(grid):

        def still(_: int, place: int = place) -> None:
            if on_step is not None:
                on_step(place)

        found = fit_softmax(X, labels, fitted, n_classes, C, start=found, on_step=still)
        right, step = 0, block_rows(n_classes)
        for first in range(0, len(held_out), step):
            part = held_out[first : first + step]
            odds = X[part] @ found[:-1] + found[-1]
            right += int((odds.argmax(axis=1) == labels[part]).sum())
        scores[C] = right / max(len(held_out), 1)
        if scores[C] < max(scores.values()):
            break
    return scores


def _counts(labels: Array, weights: Array, n_classes: int) -> Array:
    """Weight of each class, shape (C,), float64."""
    if labels.ndim == 1:
        return np.bincount(labels, weights=weights, minlength=n_classes)
    return np.asarray(weights @ labels, np.float64)


def _scatter(X: Array, rows: Array, w: Array, report: Callable[[], None]) -> Array:
    """Weighted sum of the products of columns, (d, d)."""
    total = np.zeros((X.shape[1], X.shape[1]))
    parts: dict[int, Array] = {}

    def work(part: slice) -> None:
        block = X[rows[part]]
        parts[part.stop] = block.T @ (block * w[rows[part], None])

    def take(stop: int) -> None:
        np.add(total, parts.pop(stop), out=total)
        report()

    in_blocks(work, len(rows), _SCATTER_ROWS, take)
    return total


def _loss(
    X: Array,
    labels: Array,
    rows: Array,
    w: Array,
    coefficients: Array,
    report: Callable[[], None],
) -> tuple[float, Array]:
    """Summed log-loss, and its gradient of shape (d + 1, C), float64."""
    d, n_classes = len(coefficients) - 1, coefficients.shape[1]
    gradient, losses = np.zeros((d + 1, n_classes)), []
    parts: dict[int, tuple[float, Array, Array]] = {}

    def work(part: slice) -> None:
        chosen = rows[part]
        block, given, weight = X[chosen], labels[chosen], w[chosen]
        each = np.arange(len(chosen))
        odds = block @ coefficients[:d]
        odds += coefficients[d]
        odds -= odds.max(axis=1, keepdims=True)
        if given.ndim == 1:
            own = odds[each, given].astype(np.float64)
        else:
            own = (odds * given).sum(axis=1, dtype=np.float64)
        np.exp(odds, out=odds)
        sums = odds.sum(axis=1)
        lost = float(((np.log(sums) - own) * weight).sum())
        odds *= (weight / sums)[:, None]
        if given.ndim == 1:
            odds[each, given] -= weight
        else:
            odds -= given * weight[:, None]
        parts[part.stop] = lost, block.T @ odds, odds.sum(axis=0, dtype=np.float64)

    # In the order of the rows, so that a sum is the same in each run.
    def take(stop: int) -> None:
        lost, slope, intercept = parts.pop(stop)
        losses.append(lost)
        np.add(gradient[:d], slope, out=gradient[:d])
        np.add(gradient[d], intercept, out=gradient[d])
        report()

    in_blocks(work, len(rows), block_rows(n_classes), take)
    return sum(losses), gradient
