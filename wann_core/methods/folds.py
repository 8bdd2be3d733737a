"""Folds of rows for out-of-fold predictions."""

import numpy as np

from wann_core.typing import Array

FOLDS = 5
_SEED = 0
_SPANNED = 5000  # beyond this many rows their products take too much room
_COLUMNS = 4096  # at once, as float64


def in_their_span(X: Array) -> Array:
    """The rows in the coordinates of the space that they span, (n, n), if it is small.

    Products of any two rows stay what they were, and a fit under an L2 penalty knows no more of
    them: its coefficients are combinations of rows. For a few hundred photos as bare pixels this
    is ten times faster.
    """
    rows, columns = X.shape
    if rows >= min(columns, _SPANNED):
        return X
    products = np.zeros((rows, rows))
    for start in range(0, columns, _COLUMNS):
        block = X[:, start : start + _COLUMNS].astype(np.float64)
        products += block @ block.T
    lengths, directions = np.linalg.eigh(products)
    spanned: Array = (directions * np.sqrt(lengths.clip(min=0))).astype(np.float32)
    return spanned


def deal_folds(labels: Array, seed: int = _SEED) -> Array:
    """Stratified fold of each row: the shuffled rows of each class are dealt in turn.

    Unlike scikit-learn's stratified folds this serves classes with fewer rows than folds too.
    """
    rng = np.random.RandomState(seed)
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    folds = np.empty(len(labels), np.int64)
    folds[order] = np.arange(len(labels)) % FOLDS
    return folds
