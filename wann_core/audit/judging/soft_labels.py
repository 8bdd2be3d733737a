"""Class probabilities by a logistic regression on soft labels that was not fitted to the row."""

from functools import partial

import numpy as np

from wann_core.class_table import MOST_DENSE
from wann_core.methods.folds import FOLDS, in_their_span
from wann_core.methods.probes.softmax import fit_softmax, softmax_probabilities
from wann_core.progress import Progress
from wann_core.storage.disk_cache import digest_of, kept_fit
from wann_core.typing import Array

# Inverse strengths of the L2 penalty, for z-scored columns. The first serves hundreds of columns,
# from 1,000 rows to 50,000: within 0.003 and 0.03 average precision moves by 0.004 in the mean
# (docs/protocol.md). Few columns or rows need a weaker one, which then lowers the loss on rows held
# out by more than this share of it.
_C_GRID, _WORTH_IT = (0.01, 0.1, 1.0, 10.0), 0.1
_LEAST = 1e-6
# Rows times columns times (columns + classes times the steps of a fit): a minute of one core.
_MOST_WORK, _STEPS = 5e11, 64
_WORTH_KEEPING = 3e7
_FIT_VERSION = 2


def fits_soft_labels(X: Array, n_classes: int) -> bool:
    """Whether the regression on soft labels takes no more than about a minute of one core."""
    rows, columns = X.shape
    columns = min(rows, columns)
    work = float(rows) * columns * (columns + _STEPS * n_classes)
    return n_classes <= MOST_DENSE and work <= _MOST_WORK


def soft_label_probabilities(
    X: Array, soft: Array, folds: Array, progress: Progress | None = None
) -> Array:
    """Class probabilities of each row by a regression fitted to the soft labels of other folds.

    Parameters
    ----------
    X : ndarray of shape (n, d), float32
        Z-scored embeddings.
    soft : ndarray of shape (n, C)
        Probability of each class being the true one.
    folds : ndarray of shape (n,), integer
        Fold of each row, from 0 to `FOLDS` - 1.
    progress : callable, optional
        Called between steps; may raise to stop.

    Returns
    -------
    ndarray of shape (n, C), float32
        Rows sum to 1.
    """
    n_classes, soft = soft.shape[1], np.asarray(soft, np.float32)

    def build() -> Array:
        rows, result = in_their_span(X), soft.copy()
        C, start = _C_GRID[0], None
        for fold in range(FOLDS):
            held_out = folds == fold
            if not held_out.any() or held_out.all():
                continue

            def on_step(step: int, fold: int = fold) -> None:
                if progress is not None:
                    text = f"regression on soft labels, fold {fold + 1}, step {step}"
                    progress(fold, FOLDS, text)

            fitted = np.flatnonzero(~held_out)
            fit = partial(fit_softmax, rows, soft, fitted, n_classes, on_step=on_step)
            if start is None:
                start = fit(C)
                lost = _log_loss(softmax_probabilities(rows[held_out], start), soft[held_out])
                for weaker in _C_GRID[1:]:
                    start = fit(weaker, start=start)
                    answers = softmax_probabilities(rows[held_out], start)
                    before, lost = lost, _log_loss(answers, soft[held_out])
                    if lost > (1 - _WORTH_IT) * before:
                        break
                    C = weaker
            found = fit(C)
            result[held_out] = softmax_probabilities(rows[held_out], found)
        return result

    if X.size * n_classes <= _WORTH_KEEPING:
        return build()
    name = digest_of(f"soft labels {_FIT_VERSION}", X, soft, folds)
    return kept_fit(name, build, progress)


def _log_loss(probabilities: Array, soft: Array) -> float:
    """By which the answers fall short of the soft labels (Kullback and Leibler), in the mean."""
    logs = np.log(np.maximum(soft, _LEAST)) - np.log(np.maximum(probabilities, _LEAST))
    return float((soft * logs).sum(axis=1).mean())
