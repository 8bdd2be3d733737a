"""Adaptive k and the kNN / ANN / WANN votes on neighbor ids."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from wann_core.class_table import small_ids
from wann_core.errors import WannError, check_number
from wann_core.methods.vote_kernels import (
    adaptive_k_of_rows,
    count_votes,
    sum_shares,
    supports,
    weigh_votes,
    winning_shares,
)
from wann_core.parallel import in_slices

IntArray = npt.NDArray[np.integer[Any]]
FloatArray = npt.NDArray[np.floating[Any]]


def adaptive_k(train_ids: IntArray, labels: IntArray, k_min: int = 11, k_max: int = 51) -> IntArray:
    """Return the smallest k whose neighborhood agrees with each training label.

    The values k_min, k_min + 2, … < k_max are tried in turn; the first whose majority vote (ties:
    lowest class id) equals the row's own label is taken, and k_max if none does. The reliability
    of the label is η = 1 / k.

    Parameters
    ----------
    train_ids : ndarray of shape (n, K), integer
        Neighbors of each training row, nearest first, the row itself left out.
        K must reach the largest value tried.
    labels : ndarray of shape (n,), integer
        Class ids from 0, possibly noisy.
    k_min, k_max : int
        Bounds, 1 <= k_min <= k_max.

    Returns
    -------
    ndarray of shape (n,), int32

    Raises
    ------
    WannError
        If a bound is out of range, or ids and labels do not fit together.

    References
    ----------
    Di Salvo et al., An Embedding is Worth a Thousand Noisy Labels, TMLR 2025, section 3.

    Examples
    --------
    >>> ids = np.array([[1, 2, 3], [0, 2, 3], [3, 1, 0], [2, 1, 0]])
    >>> adaptive_k(ids, np.array([0, 0, 1, 1]), k_min=1, k_max=3).tolist()
    [1, 1, 1, 1]
    """
    check_number("k_max", k_max, 1, whole=True)
    check_number("k_min", k_min, 1, k_max, whole=True)
    ids, labels, n_classes = _check(train_ids, labels)
    if len(ids) != len(labels):
        raise WannError(f"`train_ids` must have a row per label ({len(labels)}), got {len(ids)}.")
    tried = range(k_min, k_max, 2)
    if tried and tried[-1] > ids.shape[1]:
        raise WannError(
            f"`k_max` = {k_max} needs {tried[-1]} neighbors a row, `train_ids` has {ids.shape[1]}.",
            "k_max",
        )
    result = np.empty(len(ids), np.int32)
    in_slices(adaptive_k_of_rows, len(ids), ids, labels, k_min, k_max, n_classes, result)
    return result


def vote(
    test_ids: IntArray,
    labels: IntArray,
    k: int | IntArray,
    weights: FloatArray | None = None,
) -> IntArray:
    """Return the class with the most votes among the k nearest training rows.

    Parameters
    ----------
    test_ids : ndarray of shape (m, K), integer
        Training neighbors of each row, nearest first.
    labels : ndarray of shape (n,), integer
        Class ids of the training rows, from 0.
    k : int or ndarray of shape (m,)
        Neighbors that vote, 1 <= k <= K.
    weights : ndarray of shape (n,), optional
        Weight of each training row's vote. Without weights every vote counts one and ties go to
        the lowest class id; with weights the sums are float64, accumulated from nearest to
        farthest, and ties go to the class met first.

    Returns
    -------
    ndarray of shape (m,), int64

    Raises
    ------
    WannError
        If an argument is out of range or shapes do not fit together.

    Examples
    --------
    >>> ids, labels = np.array([[0, 1, 2]]), np.array([2, 1, 1])
    >>> vote(ids, labels, 3), vote(ids, labels, 3, weights=np.array([1.0, 0.4, 0.4]))
    (array([1]), array([2]))
    """
    return votes(test_ids, labels, [(k, weights)])[0]


def votes(
    test_ids: IntArray,
    labels: IntArray,
    ballots: Sequence[tuple[int | IntArray, FloatArray | None]],
) -> list[IntArray]:
    """Each `vote` of several by the same neighbors and labels, in one pass over the neighbors.

    Parameters
    ----------
    test_ids, labels : ndarray
        As for `vote`.
    ballots : sequence of (k, weights)
        As for `vote`.

    Returns
    -------
    list of ndarray of shape (m,), int64

    Raises
    ------
    WannError
        As `vote` does.
    """
    ids, labels, n_classes = _check(test_ids, labels)
    checked = [
        (_check_k(k, ids), None if w is None else _check_weights(w, labels)) for k, w in ballots
    ]
    plain, weighted = [k for k, w in checked if w is None], [b for b in checked if b[1] is not None]
    ks = np.stack(plain) if plain else np.empty((0, len(ids)), np.int32)
    counted, weighed = (np.empty((len(some), len(ids)), np.int64) for some in (plain, weighted))

    def cast(start: int, stop: int) -> None:
        if plain:
            count_votes(start, stop, ids, labels, ks, n_classes, counted)
        for (k, w), result in zip(weighted, weighed, strict=True):
            weigh_votes(start, stop, ids, labels, k, w, n_classes, result)

    in_slices(cast, len(ids))
    counts, sums = iter(counted), iter(weighed)
    return [next(counts if w is None else sums) for _, w in checked]


def vote_shares(
    test_ids: IntArray,
    labels: IntArray,
    k: int | IntArray,
    weights: FloatArray | None = None,
    n_classes: int | None = None,
) -> FloatArray:
    """Return the share of each class in the votes of the k nearest training rows.

    Parameters
    ----------
    test_ids, labels, k, weights
        As for `vote`.
    n_classes : int, optional
        Columns of the result; by default the largest label + 1.

    Returns
    -------
    ndarray of shape (m, n_classes), float64
        Rows sum to 1; a row all of whose voters weigh nothing is all zero.

    Raises
    ------
    WannError
        If an argument is out of range or shapes do not fit together.
    """
    ids, labels, found = _check(test_ids, labels)
    columns = found if n_classes is None else n_classes
    check_number("n_classes", columns, found, whole=True)
    k_rows = _check_k(k, ids)
    w = np.ones(len(labels)) if weights is None else _check_weights(weights, labels)
    shares = np.zeros((len(ids), columns))
    in_slices(sum_shares, len(ids), ids, labels, k_rows, w, shares)
    return shares


def winning_share(
    test_ids: IntArray,
    labels: IntArray,
    k: int | IntArray,
    weights: FloatArray | None = None,
) -> FloatArray:
    """The largest of each row's `vote_shares`, shape (m,), float64, without a table of them."""
    ids, labels, n_classes = _check(test_ids, labels)
    k_rows = _check_k(k, ids)
    w = np.ones(len(labels)) if weights is None else _check_weights(weights, labels)
    result = np.empty(len(ids))
    in_slices(winning_shares, len(ids), ids, labels, k_rows, w, n_classes, result)
    return result


def support(ids: IntArray, labels: IntArray, observed: IntArray, k: int) -> FloatArray:
    """Share of the k nearest training rows with the row's own label, shape (m,), float64.

    Parameters
    ----------
    ids, labels : ndarray
        As `test_ids` and `labels` of `vote`.
    observed : ndarray of shape (m,), integer
        The rows' own labels.
    k : int
        1 <= k <= K.

    Raises
    ------
    WannError
        If an argument is out of range or shapes do not fit together.
    """
    ids, codes, _ = _check(ids, labels)
    _check_k(k, ids)
    if np.shape(observed) != (len(ids),):
        raise WannError(f"`observed` must have a label per row ({len(ids)}).", "observed")
    result = np.empty(len(ids))
    in_slices(supports, len(ids), ids, codes, np.asarray(observed, np.int64), k, result)
    return result


def _check(ids: IntArray, labels: IntArray) -> tuple[IntArray, IntArray, int]:
    """Bring ids and labels into the kernels' form; a wrong id would read foreign memory."""
    ids, labels = np.asarray(ids), np.asarray(labels)
    if ids.ndim != 2 or ids.shape[1] == 0 or ids.dtype.kind not in "iu":
        raise WannError(f"neighbor ids must be integers (rows, k), got {ids.dtype} {ids.shape}.")
    if labels.ndim != 1 or not len(labels) or labels.dtype.kind not in "iu":
        raise WannError(f"`labels` must be integers (n,), got {labels.dtype} {labels.shape}.")
    if ids.size and (ids.min() < 0 or ids.max() >= len(labels)):
        raise WannError(
            f"neighbor ids must lie in 0..{len(labels) - 1}, got {ids.min()}..{ids.max()}."
        )
    if labels.min() < 0 or labels.max() >= 1 << 24:
        raise WannError(
            f"`labels` must be class ids from 0 to {(1 << 24) - 1}, "
            f"got {labels.min()}..{labels.max()}."
        )
    n_classes = int(labels.max()) + 1
    return np.ascontiguousarray(ids, np.int32), small_ids(labels, n_classes), n_classes


def _check_k(k: int | IntArray, ids: IntArray) -> IntArray:
    k = np.asarray(k)
    if k.dtype.kind not in "iu" or k.shape not in [(), (len(ids),)]:
        raise WannError(
            f"`k` must be one whole number or one a row ({len(ids)}), got {k.dtype} {k.shape}.", "k"
        )
    if k.size and (k.min() < 1 or k.max() > ids.shape[1]):
        raise WannError(f"`k` must be between 1 and {ids.shape[1]}, got {k.min()}..{k.max()}.", "k")
    return np.ascontiguousarray(np.broadcast_to(k, len(ids)), np.int32)


def _check_weights(weights: FloatArray, labels: IntArray) -> FloatArray:
    w = np.ascontiguousarray(weights, np.float64)
    if w.shape != labels.shape or not np.isfinite(w).all() or w.min() < 0:
        raise WannError(
            f"`weights` must be {len(labels)} finite numbers, none below 0, got shape {w.shape}."
        )
    return w
