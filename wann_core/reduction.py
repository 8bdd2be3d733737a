"""Normalisation of embeddings and reduction of their dimension: PCA, LDA, fLDA."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from wann_core.errors import WannError, check_choice, check_number

Array = npt.NDArray[Any]

NORMALIZATIONS = ("zscore", "l2", "none")
REDUCTIONS = ("PCA", "LDA", "fLDA")

PCA_SIZE = 200
# fLDA keeps rows that a neighbourhood within these bounds explains, whatever bounds the votes use.
FLDA_K = (11, 51)
_PCA_SEED = 4524234  # of the published system


def normalize(X_train: Array, X_test: Array, how: str) -> tuple[Array, Array]:
    """Bring both splits to the scale on which neighbours are searched.

    Parameters
    ----------
    X_train, X_test : ndarray of shape (n, d) and (m, d)
        Embeddings of any float type. Never modified.
    how : {'zscore', 'l2', 'none'}
        'zscore': the training rows' mean and standard deviation; a feature that is constant over
        them becomes zero. 'l2': rows of unit length (a zero row stays zero).

    Returns
    -------
    X_train, X_test : ndarray, float32

    Raises
    ------
    WannError
        If `how` is unknown.
    """
    check_choice("normalization", how, NORMALIZATIONS)
    if how == "zscore":
        mean, scale = statistics(X_train)
        return _scaled(X_train, mean, scale), _scaled(X_test, mean, scale)
    if how == "l2":
        return _unit(X_train), _unit(X_test)
    return X_train.astype(np.float32), X_test.astype(np.float32)


def statistics(X: Array) -> tuple[Array, Array]:
    """What a z-score x → (x - mean) · scale needs, each of shape (d,), float64.

    `scale` is 1 / standard deviation, and 0 for a feature that is constant.
    """
    mean = X.mean(axis=0, dtype=np.float64)
    std = np.sqrt(sum(((b - mean) ** 2).sum(axis=0) for b in _blocks(X)) / len(X))
    constant = X.min(axis=0) == X.max(axis=0)
    # One factor a feature: rounding would leave a constant feature a tiny spread to divide by.
    return mean, np.divide(1.0, std, out=np.zeros_like(std), where=~constant & (std > 0))


def _blocks(X: Array) -> Iterator[Array]:
    """Slices of rows, so that no float64 copy of the whole is ever made."""
    return (X[start : start + 4096] for start in range(0, len(X), 4096))


def _scaled(X: Array, mean: Array, scale: Array) -> Array:
    out = np.empty(X.shape, np.float32)
    for source, target in zip(_blocks(X), _blocks(out), strict=True):
        target[:] = (source - mean) * scale
    return out


def _unit(X: Array) -> Array:
    out = X.astype(np.float32)
    norms = np.linalg.norm(out, axis=1, keepdims=True)
    out /= np.where(norms > 0, norms, 1)
    return out


def pca(X_train: Array, X_test: Array, size: int | None = None) -> tuple[Array, Array]:
    """Project on the leading principal components of the training rows.

    Parameters
    ----------
    X_train, X_test : ndarray of shape (n, d) and (m, d)
    size : int, optional
        Components; by default min(200, n, d), as published where that is 200.

    Returns
    -------
    X_train, X_test : ndarray with `size` columns, float32

    Raises
    ------
    WannError
        If there are fewer rows or columns than components.
    """
    if len(X_train) < 2:
        raise WannError(f"PCA needs at least 2 rows, got {len(X_train)}.", "reduction")
    most = min(X_train.shape)
    components = min(PCA_SIZE, most) if size is None else size
    check_number("reduction_size", components, 1, most, whole=True)
    model = PCA(n_components=components, random_state=_PCA_SEED).fit(X_train)
    return _float32(model.transform(X_train)), _float32(model.transform(X_test))


def lda(
    X_train: Array,
    labels: Array,
    X_test: Array,
    size: int | None = None,
    *,
    fit_on: Array | None = None,
) -> tuple[Array, Array]:
    """Project on the linear discriminants of the (noisy) labels.

    Parameters
    ----------
    X_train, X_test : ndarray of shape (n, d) and (m, d)
    labels : ndarray of shape (n,), integer
    size : int, optional
        Discriminants; by default all, min(C - 1, d).
    fit_on : ndarray of shape (n,), bool, optional
        Rows to fit on; all rows are transformed. fLDA fits on the rows with adaptive k < 51.

    Returns
    -------
    X_train, X_test : ndarray, float32

    Raises
    ------
    WannError
        If the fitted rows hold fewer than two classes or no more rows than classes, or `size` is
        out of range.
    """
    X_fit, y_fit = (X_train, labels) if fit_on is None else (X_train[fit_on], labels[fit_on])
    n_classes = len(np.unique(y_fit))
    if n_classes < 2 or len(y_fit) <= n_classes:
        kind = "LDA" if fit_on is None else "fLDA"
        raise WannError(
            f"{kind} needs at least 2 classes and more rows than classes to fit on, "
            f"got {len(y_fit)} rows of {n_classes} classes.",
            "reduction",
        )
    most = min(n_classes - 1, X_train.shape[1])
    check_number("reduction_size", most if size is None else size, 1, most, whole=True)
    with warnings.catch_warnings():
        # Constant or collinear features: the SVD solver drops them, which is what is wanted.
        warnings.filterwarnings("ignore", "Variables are collinear", UserWarning)
        try:
            model = LinearDiscriminantAnalysis(solver="svd", n_components=size).fit(X_fit, y_fit)
        except IndexError as error:  # its way of saying that the spectrum is empty
            raise WannError(
                "LDA needs rows that differ within their classes; these do not.", "reduction"
            ) from error
    return _float32(model.transform(X_train)), _float32(model.transform(X_test))


def _float32(X: Array) -> Array:
    return np.ascontiguousarray(X, np.float32)
