"""Which training rows a scenario keeps: long tail and stratified subsample."""

from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from wann_core.errors import WannError, check_number
from wann_core.typing import Array


def check_imbalance(ratio: Any) -> None:
    """Raise `WannError` unless `ratio` is a number above 0 and at most 1."""
    check_number("imbalance_ratio", ratio, 0, 1)
    if ratio == 0:
        raise WannError(
            "`imbalance_ratio` must be above 0 and at most 1, got 0.", "imbalance_ratio"
        )


def long_tail(
    labels: Array, imbalance_ratio: float, rng: np.random.RandomState
) -> tuple[Array, list[str]]:
    """Rows of a long-tailed training set.

    Of C classes and n rows, the c-th class keeps int(int(n / C) · ρ^(c / (C - 1))) rows, drawn
    without replacement, class after class. Where the published system fails because a class has
    fewer rows than that, all of its rows are kept.

    Parameters
    ----------
    labels : ndarray of shape (n,), integer
        Clean class ids.
    imbalance_ratio : float
        ρ in (0, 1]: size of the last class over size of the first.
    rng : RandomState
        Advanced by one draw a class.

    Returns
    -------
    rows : ndarray, int64
        Kept rows, grouped by class.
    notes : list of str
        A sentence if classes could not give what was asked.

    Raises
    ------
    WannError
        If the ratio is out of range, or no row would be left.
    """
    check_imbalance(imbalance_ratio)
    classes = np.unique(labels)
    head = int(len(labels) / len(classes))
    kept, short = [], []
    for rank, c in enumerate(classes):
        rows = np.flatnonzero(labels == c)
        wanted = int(head * imbalance_ratio ** (rank / max(1, len(classes) - 1)))
        if wanted > len(rows):
            short.append(int(c))
        kept.append(rows[rng.choice(len(rows), min(wanted, len(rows)), replace=False)])
    rows = np.concatenate(kept)
    if not len(rows):
        raise WannError(
            f"`imbalance_ratio` = {imbalance_ratio} leaves no row of {len(labels)}.",
            "imbalance_ratio",
        )
    notes = []
    if short:
        notes.append(
            f"The long tail asks for more rows than {len(short)} of {len(classes)} classes have; "
            "they keep all they have."
        )
    return rows, notes


def subsample(labels: Array, size: int, seed: int) -> Array:
    """Rows of a stratified subsample, as scikit-learn's `train_test_split` draws them.

    Raises
    ------
    WannError
        If the size does not lie between the number of classes and n - classes, or a class has a
        single row.
    """
    check_number("num_subsamples", size, 1, whole=True)
    if size == len(labels):
        return np.arange(len(labels))
    try:
        rows, _ = train_test_split(
            np.arange(len(labels)), train_size=size, stratify=labels, random_state=seed
        )
    except ValueError as error:
        classes, counts = np.unique(labels, return_counts=True)
        if counts.min() < 2:
            reason = f"class {classes[counts.argmin()]} has a single row and cannot be stratified"
        else:
            reason = (
                f"it must be between {len(classes)} (one row a class) "
                f"and {len(labels) - len(classes)}, or {len(labels)} for all"
            )
        raise WannError(
            f"`num_subsamples` = {size} of {len(labels)} rows: {reason}.", "num_subsamples"
        ) from error
    return np.asarray(rows)
