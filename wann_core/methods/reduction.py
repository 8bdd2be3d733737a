"""Normalization of embeddings and reduction of their dimension: PCA, LDA, fLDA."""

import copy
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from wann_core.errors import WannError, check_choice, check_number
from wann_core.typing import Array

NORMALIZATIONS = ("zscore", "l2", "none")
REDUCTIONS = ("PCA", "LDA", "fLDA")

PCA_SIZE = 200
# fLDA keeps rows that a neighborhood within these bounds explains, whatever bounds the votes use.
FLDA_K = (11, 51)
# Beyond these, squares overflow or vanish: of float64 in sums, of float32.
_LARGE = 2.0**450
_SMALL_SQUARE = 2.0**-60
_PCA_SEED = 4524234  # of the published system


def normalize(X_train: Array, X_test: Array, how: str) -> tuple[Array, Array]:
    """Bring both splits to the scale on which neighbors are searched.

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
        If `how` is unknown, or the values are too large or too small for it.
    """
    check_choice("normalization", how, NORMALIZATIONS)
    if how == "zscore":
        mean, scale = statistics(X_train)
        return scaled(X_train, mean, scale), scaled(X_test, mean, scale)
    if how == "l2":
        return _unit(X_train), _unit(X_test)
    _check_scale(X_train)
    return X_train.astype(np.float32), X_test.astype(np.float32)


def statistics(X: Array) -> tuple[Array, Array]:
    """What a z-score x → (x - mean) · scale needs, each of shape (d,), float64.

    `scale` is 1 / standard deviation, and 0 for a feature that is constant.

    Raises
    ------
    WannError
        If a feature's values lie so far apart, or so close together, that float64 cannot hold it.
    """
    low, high = X.min(axis=0).astype(np.float64), X.max(axis=0).astype(np.float64)
    constant = low == high
    largest = np.maximum(np.abs(low), np.abs(high))
    odd = ~constant & ((largest > _LARGE) | (largest < 1 / _LARGE))
    # Squares would overflow or vanish; to scale by powers of two is exact.
    shift = np.ldexp(1.0, np.where(odd, -np.frexp(largest)[1], 0).clip(-1000, 1000))
    if odd.any():
        blocks: Iterable[Array] = [block * shift for block in _blocks(X)]
        mean = np.sum([block.sum(axis=0) for block in blocks], axis=0) / len(X)
    else:
        blocks = _blocks(X)
        mean = X.mean(axis=0, dtype=np.float64)
    std = np.sqrt(sum(((block - mean) ** 2).sum(axis=0) for block in blocks) / len(X))
    # One factor a feature: rounding would leave a constant feature a tiny spread to divide by.
    scale = np.divide(1.0, std, out=np.zeros_like(std), where=~constant & (std > 0))
    with np.errstate(over="ignore"):
        mean, scale = mean / shift, scale * shift
        lost = odd & ~(np.isfinite(high - low) & np.isfinite(scale) & (scale > 0))
    if lost.any():
        j = int(np.flatnonzero(lost)[0])
        raise WannError(
            f"dimension {j} of the embeddings holds values from {low[j]:.4g} to {high[j]:.4g}, "
            "too large or too small for a z-score; rescale them.",
            "normalization",
        )
    return mean, scale


def _blocks(X: Array) -> Iterator[Array]:
    """Slices of rows, so that no float64 copy of the whole is ever made."""
    return (X[start : start + 4096] for start in range(0, len(X), 4096))


def scaled(X: Array, mean: Array, scale: Array) -> Array:
    """(X - mean) · scale as float32, a few rows at a time."""
    out = np.empty(X.shape, np.float32)
    for source, target in zip(_blocks(X), _blocks(out), strict=True):
        target[:] = (source - mean) * scale
    return out


def _check_scale(X: Array) -> None:
    """Refuse values whose squares underflow to zero in float32."""
    largest = max(abs(float(X.min(initial=0))), abs(float(X.max(initial=0))))
    if 0 < largest < _SMALL_SQUARE:
        raise WannError(
            f"the embeddings hold no value above {largest:.4g}: distances between them are zero in "
            "float32; take the z-score or l2 as normalization.",
            "normalization",
        )


def _unit(X: Array) -> Array:
    out = np.empty(X.shape, np.float32)
    for source, target in zip(_blocks(X), _blocks(out), strict=True):
        largest = np.abs(source).max(axis=1, keepdims=True, initial=0).astype(np.float64)
        odd = ((largest > 1 / _SMALL_SQUARE) | (largest < _SMALL_SQUARE)) & (largest > 0)
        # By powers of two, and only where squares would overflow or vanish.
        target[:] = np.ldexp(source, -np.frexp(largest)[1] * odd) if odd.any() else source
    norms = np.linalg.norm(out, axis=1, keepdims=True)
    out /= np.where(norms > 0, norms, 1)
    return out


@dataclass(frozen=True, eq=False)
class Reducer:
    """A fitted reduction; its leading columns are the reductions to fewer dimensions.

    Attributes
    ----------
    model : PCA or LinearDiscriminantAnalysis
    most : int
        Columns that it can give at most.
    seconds : float
        Wall time of the fit.
    """

    model: Any
    most: int
    seconds: float

    @property
    def nbytes(self) -> int:
        """Bytes of what was learned."""
        return sum(v.nbytes for v in vars(self.model).values() if isinstance(v, np.ndarray))

    def transform(self, X: Array, size: int | None = None) -> Array:
        """The leading `size` columns (by default all) of the projection of X, float32.

        Raises
        ------
        WannError
            If there are fewer columns.
        """
        check_number(
            "reduction_size", self.most if size is None else size, 1, self.most, whole=True
        )
        if isinstance(self.model, PCA):
            model = copy.copy(self.model)
            model.components_ = self.model.components_[:size]
            return _float32(model.transform(X))
        return _float32(self.model.transform(X)[:, :size])


def pca(X_train: Array, X_test: Array, size: int | None = None) -> tuple[Array, Array]:
    """Project on the leading principal components of the training rows.

    Parameters
    ----------
    X_train, X_test : ndarray of shape (n, d) and (m, d)
    size : int, optional
        Components; by default min(200, n, d), as published where that is 200.

    See Also
    --------
    fit_pca

    Returns
    -------
    X_train, X_test : ndarray with `size` columns, float32

    Raises
    ------
    WannError
        If there are fewer rows or columns than components.
    """
    reducer = fit_pca(X_train, published=size is None)
    return reducer.transform(X_train, size), reducer.transform(X_test, size)


def fit_pca(X_train: Array, *, published: bool) -> Reducer:
    """Principal components of rows, to be cut to any size.

    Parameters
    ----------
    X_train : ndarray of shape (n, d)
    published : bool
        The published min(200, n, d) components, by the solver that scikit-learn chooses: often a
        randomized one, whose components depend on how many are asked for.
        Otherwise all min(n, d), exact, by the eigenvectors of the covariance where there are ten
        times as many rows as columns, and else by SVD.

    Raises
    ------
    WannError
        If there are fewer than two rows.
    """
    if len(X_train) < 2:
        raise WannError(f"PCA needs at least 2 rows, got {len(X_train)}.", "reduction")
    started = time.perf_counter()
    n, d = X_train.shape
    if published:
        model = PCA(n_components=min(PCA_SIZE, n, d), random_state=_PCA_SEED)
    else:
        model = PCA(svd_solver="covariance_eigh" if n >= 10 * d else "full")
    model.fit(X_train)
    return Reducer(model, len(model.components_), time.perf_counter() - started)


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
    reducer = fit_lda(X_train, labels, fit_on=fit_on)
    return reducer.transform(X_train, size), reducer.transform(X_test, size)


def fit_lda(X_train: Array, labels: Array, *, fit_on: Array | None = None) -> Reducer:
    """Linear discriminants of labels, to be cut to any size; see `lda`.

    Raises
    ------
    WannError
        If the fitted rows hold fewer than two classes or no more rows than classes.
    """
    started = time.perf_counter()
    X_fit, y_fit = (X_train, labels) if fit_on is None else (X_train[fit_on], labels[fit_on])
    n_classes = len(np.unique(y_fit))
    if n_classes < 2 or len(y_fit) <= n_classes:
        kind = "LDA" if fit_on is None else "fLDA"
        raise WannError(
            f"reduction by {kind} needs at least 2 classes and more rows than classes to fit on, "
            f"got {len(y_fit)} rows of {n_classes} classes.",
            "reduction",
        )
    most = min(n_classes - 1, X_train.shape[1])
    with warnings.catch_warnings():
        # Constant or collinear features: the SVD solver drops them, which is what is wanted.
        warnings.filterwarnings("ignore", "Variables are collinear", UserWarning)
        try:
            model = LinearDiscriminantAnalysis(solver="svd").fit(X_fit, y_fit)
        except (IndexError, ValueError) as error:
            # Ways of saying that the spectrum is empty: scikit-learn's, older LAPACK's.
            if isinstance(error, ValueError) and "work array" not in str(error):
                raise
            raise WannError(
                "LDA needs rows that differ within their classes; these do not.", "reduction"
            ) from error
    return Reducer(model, most, time.perf_counter() - started)


def sizes(
    n_columns: int, n_classes: int, n_rows: int | None = None
) -> dict[str | None, tuple[int | None, ...]]:
    """Dimensions worth comparing under each reduction, for `sweep.dimension_grid`.

    Powers of two, 10 and 100 times fewer columns than there are, and all C - 1 discriminants.

    Parameters
    ----------
    n_columns, n_classes : int
        d and C.
    n_rows : int, optional
        Training rows, where there may be fewer than columns.

    Returns
    -------
    dict
        By reduction, ascending and below d; no reduction is None: (None,).

    Examples
    --------
    >>> sizes(64, 10)["PCA"]
    (1, 2, 4, 6, 8, 9, 16, 32)
    >>> sizes(64, 10)["LDA"]
    (1, 2, 4, 6, 8, 9)
    """
    powers = [2**i for i in range(n_columns.bit_length())]
    offered = sorted({*powers, n_columns // 10, n_columns // 100, n_classes - 1} - {0})
    found: dict[str | None, tuple[int | None, ...]] = {None: (None,)}
    for name in REDUCTIONS:
        most = min(n_columns - 1, n_columns if n_rows is None else n_rows)
        if name != "PCA":
            most = min(n_columns, n_classes - 1)
        found[name] = tuple(size for size in offered if size <= most)
    return found


def _float32(X: Array) -> Array:
    return np.ascontiguousarray(X, np.float32)
