"""Label noise: wrong labels in place of clean ones, by the patterns of the registry."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wann_core.errors import WannError, check_choice, check_number
from wann_core.noise.matrix import matrix_rows, parse_matrix
from wann_core.noise.registry import ALL_PATTERNS, PATTERNS
from wann_core.noise.request import DRAWS, NoiseRequest
from wann_core.registry import check_name
from wann_core.typing import Array

__all__ = [
    "DRAWS",
    "PATTERNS",
    "NoisyLabels",
    "add_noise",
    "compare",
    "matrix_rows",
    "parse_matrix",
]


class NoisyLabels(NamedTuple):
    """Labels after noise, and the realized changes.

    Attributes
    ----------
    labels : ndarray of shape (n,), int64
    ratio : float
        Share of the labels that changed.
    transition_matrix : ndarray of shape (C, C), float64
        Realized: row = clean class, column = given label; rows sum to 1 (a class without rows
        keeps itself).
    """

    labels: Array
    ratio: float
    transition_matrix: Array


def add_noise(
    labels: Array,
    pattern: str | None,
    ratio: float = 0.0,
    *,
    rng: np.random.RandomState,
    n_classes: int | None = None,
    draw: str = "reference",
    dataset: str = "",
    X: Array | None = None,
    matrix: npt.ArrayLike | None = None,
) -> NoisyLabels:
    """Add label noise by a noise pattern.

    Parameters
    ----------
    labels : ndarray of shape (n,), integer
        Clean class ids from 0. Never modified.
    pattern : {'sym', 'asym', 'instance', 'similar', 'matrix', None} or str
        How labels go wrong: None changes nothing; any other name is one that was registered.
    ratio : float
        ε in [0, 1]. Under 'asym' and 'similar' the rate within each class that flips; not used
        under 'matrix'.
    rng : RandomState
        Source of every draw, in the published order.
    n_classes : int, optional
        C; by default the largest label + 1.
    draw : {'reference', 'exact'}
        'reference' equals the published draws bit for bit (each class pair truncated to a whole
        number of rows; every instance flipped by its own coin, also at ε = 0, where about 8 % of
        them flip). 'exact' flips each class pair's expected number to within one row and ε of all
        rows to within one row in total; under 'instance' the round(εn) rows most likely to flip,
        each to its likeliest wrong class. A registered pattern draws in its own way.
    dataset : str
        Chooses the published asymmetric map; any other name gets c → c + 1.
    X : ndarray of shape (n, d), optional
        Embeddings before normalization; needed by 'instance' and 'similar'.
    matrix : array-like of shape (C, C), optional
        The transition matrix of pattern 'matrix': entry (r, t) is the probability that class r is
        labeled t.

    Returns
    -------
    NoisyLabels

    Raises
    ------
    WannError
        If an argument is missing or out of range, or a registered pattern fails.

    References
    ----------
    Xia et al., Part-dependent Label Noise, NeurIPS 2020 (instance noise).

    Examples
    --------
    >>> clean = np.repeat(np.arange(3), 10)
    >>> rng = np.random.RandomState(0)
    >>> add_noise(clean, "sym", 0.2, rng=rng, draw="exact").ratio
    0.2
    """
    labels = np.asarray(labels, np.int64)
    if labels.ndim != 1 or not len(labels) or labels.min() < 0:
        raise WannError("`labels` must be one or more class ids from 0.")
    found = int(labels.max()) + 1
    classes = found if n_classes is None else n_classes
    check_number("n_classes", classes, found, whole=True)
    check_choice("draw", draw, DRAWS)
    if pattern is None:
        return compare(labels, labels, classes)
    check_name("noise_pattern", pattern, ALL_PATTERNS)
    check_number("noise_ratio", ratio, 0, 1)
    chosen = ALL_PATTERNS[pattern]
    missing = X is None and chosen.needs_embeddings
    if missing or (X is not None and len(X) != len(labels)):
        raise WannError(f"noise pattern {pattern!r} needs `X`, one row a label ({len(labels)}).")
    asked = NoiseRequest(labels, ratio, rng, classes, draw, dataset, X, matrix)
    return compare(labels, chosen.flip(asked), classes)


def compare(clean: Array, noisy: Array, n_classes: int) -> NoisyLabels:
    """Measure the noise in given labels against known clean ones; class ids below C."""
    counts = np.bincount(clean * n_classes + noisy, minlength=n_classes**2)
    counts = counts.reshape(n_classes, n_classes).astype(np.float64)
    counts[np.diag_indices(n_classes)] += counts.sum(axis=1) == 0
    return NoisyLabels(
        noisy, float((clean != noisy).mean()), counts / counts.sum(axis=1, keepdims=True)
    )
