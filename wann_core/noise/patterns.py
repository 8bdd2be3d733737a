"""Label noise: symmetric, asymmetric, instance-dependent, to the most similar class, own matrix."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import truncnorm

from wann_core.errors import WannError, check_choice, check_number
from wann_core.typing import Array

PATTERNS = ("sym", "asym", "instance", "similar", "matrix")
DRAWS = ("reference", "exact")

# Published asymmetric maps (class → class it is mistaken for).
_ASYMMETRIC = {
    "cifar10": {9: 1, 2: 0, 3: 5, 5: 3, 4: 7},
    "mnist": {7: 1, 2: 7, 5: 6, 6: 5, 3: 8},
    "cifar100": {c: c // 5 * 5 + (c + 1) % 5 for c in range(100)},
    "dermamnist": {c: (c + 1) % 7 for c in range(7)},
}


class NoisyLabels(NamedTuple):
    """Labels after noise, and what really happened to them.

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
    """Replace labels by wrong ones.

    Parameters
    ----------
    labels : ndarray of shape (n,), integer
        Clean class ids from 0. Never modified.
    pattern : {'sym', 'asym', 'instance', 'similar', 'matrix', None}
        How labels go wrong; None changes nothing.
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
        each to its likeliest wrong class.
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
        If an argument is missing or out of range.

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
    check_choice("noise_pattern", pattern, PATTERNS)
    check_number("noise_ratio", ratio, 0, 1)
    if pattern in ("instance", "similar") and (X is None or len(X) != len(labels)):
        raise WannError(f"noise pattern {pattern!r} needs `X`, one row a label ({len(labels)}).")
    if pattern == "instance":
        assert X is not None
        noisy = _instance(labels, X, ratio, rng, found if draw == "reference" else classes, draw)
    else:
        # The published symmetric draws spread over the classes up to the highest that occurs.
        size = found if draw == "reference" and pattern == "sym" else classes
        T = expected_matrix(
            pattern, ratio, size, dataset=dataset, matrix=matrix, labels=labels, X=X
        )
        flip = _flip_reference if draw == "reference" else _flip_exact
        noisy = flip(labels, T, rng)
    return compare(labels, noisy, classes)


def expected_matrix(
    pattern: str,
    ratio: float,
    n_classes: int,
    *,
    dataset: str = "",
    matrix: npt.ArrayLike | None = None,
    labels: Array | None = None,
    X: Array | None = None,
) -> Array:
    """The transition matrix T that a class-conditional pattern asks for, of shape (C, C)."""
    if pattern == "matrix":
        return check_matrix(matrix, n_classes)
    T = np.eye(n_classes) * (1 - ratio)
    if pattern == "sym":
        if n_classes < 2:
            raise WannError("symmetric noise needs at least 2 classes, got 1.", "noise_pattern")
        return np.asarray(T + (1 - np.eye(n_classes)) * ratio / (n_classes - 1))
    if pattern == "asym":
        targets = _ASYMMETRIC.get(dataset, {c: (c + 1) % n_classes for c in range(n_classes)})
    else:
        assert labels is not None and X is not None
        targets = nearest_classes(X, labels)
    T = np.eye(n_classes)
    for source, target in targets.items():
        if source != target and max(source, target) < n_classes:
            T[source, source], T[source, target] = 1 - ratio, ratio
    return T


def nearest_classes(X: Array, labels: Array) -> dict[int, int]:
    """For each class that has rows, the other class whose mean embedding is nearest."""
    classes = np.unique(labels)
    if len(classes) < 2:
        return {}
    means = np.stack([X[labels == c].mean(axis=0, dtype=np.float64) for c in classes])
    squared = ((means[:, None] - means[None]) ** 2).sum(axis=2)
    np.fill_diagonal(squared, np.inf)
    return {int(c): int(classes[t]) for c, t in zip(classes, squared.argmin(axis=1), strict=True)}


def check_matrix(matrix: npt.ArrayLike | None, n_classes: int) -> Array:
    """The user's transition matrix as float64, or `WannError` saying what is wrong with it."""
    name = "transition_matrix"
    if matrix is None:
        raise WannError(f"noise pattern 'matrix' needs a `{name}`.", name)
    try:
        T = np.asarray(matrix, np.float64)
    except (TypeError, ValueError) as error:
        raise WannError(f"`{name}` must hold numbers only, {n_classes} a row.", name) from error
    if T.shape != (n_classes, n_classes):
        raise WannError(
            f"`{name}` must be {n_classes} × {n_classes} (clean class × given label), "
            f"got {' × '.join(map(str, T.shape))}.",
            name,
        )
    if not np.isfinite(T).all() or T.min() < 0 or T.max() > 1:
        raise WannError(f"`{name}` must hold probabilities between 0 and 1.", name)
    sums = T.sum(axis=1)
    if not np.allclose(sums, 1, atol=1e-6):
        worst = int(np.abs(sums - 1).argmax())
        raise WannError(
            f"each row of `{name}` must sum to 1; row {worst} sums to {sums[worst]:.6g}.", name
        )
    return T


def _flip_reference(labels: Array, T: Array, rng: np.random.RandomState) -> Array:
    noisy = labels.copy()
    for source in range(len(T)):
        pool = np.flatnonzero(labels == source)
        counts = (T[source] * len(pool)).astype(int)
        for target, count in enumerate(counts):
            # No draw at all where nothing flips: `choice` would advance the generator.
            if target != source and count:
                chosen = rng.choice(pool, count, replace=False)
                pool = np.setdiff1d(pool, chosen)
                noisy[chosen] = target
    return noisy


def _flip_exact(labels: Array, T: Array, rng: np.random.RandomState) -> Array:
    """Flip every class pair's expected number, rounded so that class and grand totals fit too.

    Systematic rounding: the running sum of the expected counts, pair after pair in random order,
    is rounded, and each pair gets the difference. A pair, a class (whose pairs follow each other)
    and the whole then all lie within one row of their expectation.
    """
    noisy = labels.copy()
    running = 0.0
    for source in rng.permutation(len(T)):
        rows = rng.permutation(np.flatnonzero(labels == source))
        targets = rng.permutation(np.delete(np.arange(len(T)), source))
        sums: Array = running + np.append(0.0, np.cumsum(T[source, targets] * len(rows)))
        # Nine digits, so that 0.5 + 1/3 + 1/3 + 1/3 is 1.5.
        sums = np.round(np.minimum(sums, running + len(rows)), 9)
        counts = np.diff(np.floor(sums + 0.5)).astype(int)
        noisy[rows[: counts.sum()]] = np.repeat(targets, counts)
        running = float(sums[-1])
    return noisy


def _instance(
    labels: Array, X: Array, ratio: float, rng: np.random.RandomState, n_classes: int, draw: str
) -> Array:
    if n_classes < 2:
        raise WannError("instance noise needs at least 2 classes, got 1.", "noise_pattern")
    spread = 0.1
    rates = truncnorm.rvs(
        -ratio / spread,
        (1 - ratio) / spread,
        loc=ratio,
        scale=spread,
        size=len(labels),
        random_state=rng,
    )
    W = rng.randn(n_classes, X.shape[1], n_classes)
    P: Array = np.empty((len(labels), n_classes))
    for c in np.unique(labels):
        rows = np.flatnonzero(labels == c)
        scores = X[rows].astype(np.float64) @ W[c]
        scores[:, c] = -np.inf
        scores -= scores.max(axis=1, keepdims=True)
        odds = np.exp(scores)
        P[rows] = rates[rows, None] * (odds / odds.sum(axis=1, keepdims=True))
        P[rows, c] += 1 - rates[rows]
    if draw == "reference":
        cumulative = P.cumsum(axis=1)
        cumulative /= cumulative[:, -1:]
        u = rng.random_sample(len(labels))
        return np.asarray((cumulative <= u[:, None]).sum(axis=1))
    noisy = labels.copy()
    rows = np.arange(len(labels))
    stay = P[rows, labels].copy()
    P[rows, labels] = -1
    chosen = np.argsort(stay, kind="stable")[: round(ratio * len(labels))]
    noisy[chosen] = P[chosen].argmax(axis=1)
    return noisy


def compare(clean: Array, noisy: Array, n_classes: int) -> NoisyLabels:
    """What the noise in given labels is, where the clean ones are known; both class ids below C."""
    counts = np.bincount(clean * n_classes + noisy, minlength=n_classes**2)
    counts = counts.reshape(n_classes, n_classes).astype(np.float64)
    counts[np.diag_indices(n_classes)] += counts.sum(axis=1) == 0
    return NoisyLabels(
        noisy, float((clean != noisy).mean()), counts / counts.sum(axis=1, keepdims=True)
    )


def matrix_rows(matrix: npt.ArrayLike) -> tuple[tuple[float, ...], ...]:
    """A matrix as nested tuples, so that a frozen, hashable scenario can hold it.

    Raises
    ------
    WannError
        If it is not a table of numbers.
    """
    name = "transition_matrix"
    try:
        table = np.asarray(matrix, np.float64)
    except (TypeError, ValueError) as error:
        raise WannError(f"`{name}` must be a table of numbers.", name) from error
    if table.ndim != 2:
        raise WannError(f"`{name}` must be a table of rows and columns.", name)
    return tuple(tuple(row) for row in table.tolist())


def parse_matrix(text: str) -> tuple[tuple[float, ...], ...]:
    """A matrix from CSV text: numbers separated by commas, a line a row, no heading.

    Raises
    ------
    WannError
        If it is not a table of numbers.

    Examples
    --------
    >>> parse_matrix("0.9,0.1\\n0,1")
    ((0.9, 0.1), (0.0, 1.0))
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise WannError("`transition_matrix` is empty.", "transition_matrix")
    try:
        return matrix_rows(np.loadtxt(lines, delimiter=",", ndmin=2))
    except WannError:
        raise
    except ValueError as error:
        raise WannError(
            f"`transition_matrix` cannot be read: {error}.", "transition_matrix"
        ) from error
