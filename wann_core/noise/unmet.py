"""Noise that differs from what was asked for: amount and direction."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from wann_core.noise.class_conditional import flipping_classes
from wann_core.noise.matrix import check_matrix
from wann_core.text import first_few
from wann_core.typing import Array

# The published draw rounds every pair of classes down, which may take all of the noise.
_TOLERATED = 0.02
_COINS = 3.0  # standard deviations of as many coins as there are rows
_NAMED = 3


def unmet(
    given: Array,
    noisy: Array,
    pattern: str | None,
    ratio: float,
    *,
    draw: str,
    dataset: str,
    class_names: Sequence[str],
    matrix: npt.ArrayLike | None = None,
) -> str:
    """Say in which ways added noise is not what was asked for; '' where it is.

    Parameters
    ----------
    given, noisy : ndarray of shape (n,), int64
        Labels before and after.
    pattern, ratio, draw, dataset, matrix
        As `add_noise` was asked.
    class_names : sequence of str, length C

    Examples
    --------
    >>> before, names = np.repeat([0, 2], 50), ("ant", "bee", "cow")
    >>> after = before.copy()
    >>> after[:20] = 1
    >>> unmet(before, after, "asym", 0.4, draw="exact", dataset="", class_names=names)
    '20.00 % of the labels changed, not the 40.00 % asked for; 20 went to a class that no row has (bee)'
    """  # noqa: E501
    if pattern is None:
        return ""
    changed, n = given != noisy, len(given)
    share = float(changed.mean())
    asked = _asked(given, pattern, ratio, dataset, len(class_names), matrix)
    parts = []
    if abs(share - asked) > _granularity(n, asked, pattern, draw, len(np.unique(given))) + 1e-9:
        why = " as the published draw rounds down" if draw == "reference" and share < asked else ""
        parts.append(
            f"{100 * share:.2f} % of the labels changed, not the {100 * asked:.2f} % asked for{why}"
        )
    nowhere = noisy[changed & ~np.isin(noisy, given)]
    if len(nowhere):
        empty = np.unique(nowhere)
        kind = "a class" if len(empty) == 1 else "classes"
        names = first_few(empty, _NAMED, class_names.__getitem__)
        parts.append(f"{len(nowhere):,} went to {kind} that no row has ({names})")
    return "; ".join(parts)


def _asked(
    given: Array,
    pattern: str,
    ratio: float,
    dataset: str,
    n_classes: int,
    matrix: npt.ArrayLike | None,
) -> float:
    """Share of all labels that a pattern is meant to change."""
    if pattern == "matrix":
        return float(1 - np.diag(check_matrix(matrix, n_classes))[given].mean())
    if pattern == "asym":
        return ratio * float(np.isin(given, flipping_classes(dataset, n_classes)).mean())
    return ratio


def _granularity(n: int, asked: float, pattern: str, draw: str, classes: int) -> float:
    """By how much a draw may miss what is asked for."""
    if draw == "exact":
        return 1 / n
    if pattern == "instance":
        return max(_TOLERATED / 2, _COINS * math.sqrt(asked * (1 - asked) / n))
    return min(classes * (classes - 1) / n, _TOLERATED)
