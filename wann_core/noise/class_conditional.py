"""Noise that depends on the clean class alone: a transition matrix, and its draws."""

import numpy as np

from wann_core.errors import WannError
from wann_core.noise.matrix import check_matrix
from wann_core.noise.request import NoiseRequest
from wann_core.typing import Array

# Published asymmetric maps (class → class it is mistaken for).
_ASYMMETRIC = {
    "cifar10": {9: 1, 2: 0, 3: 5, 5: 3, 4: 7},
    "mnist": {7: 1, 2: 7, 5: 6, 6: 5, 3: 8},
    "cifar100": {c: c // 5 * 5 + (c + 1) % 5 for c in range(100)},
    "dermamnist": {c: (c + 1) % 7 for c in range(7)},
}


def symmetric(asked: NoiseRequest) -> Array:
    """Spread wrong labels uniformly over the other classes."""
    # The published draws spread over the classes up to the highest that occurs.
    n_classes = asked.n_classes if asked.draw == "exact" else asked.found
    if n_classes < 2:
        raise WannError("symmetric noise needs at least 2 classes, got 1.", "noise_pattern")
    T = np.eye(n_classes) * (1 - asked.ratio)
    return _flip(asked, T + (1 - np.eye(n_classes)) * asked.ratio / (n_classes - 1))


def asymmetric(asked: NoiseRequest) -> Array:
    """Move each class to one set class: a published map, or c → c + 1."""
    onward = {c: (c + 1) % asked.n_classes for c in range(asked.n_classes)}
    return _flip(asked, _to_one(asked, _ASYMMETRIC.get(asked.dataset, onward)))


def flipping_classes(dataset: str, n_classes: int) -> list[int]:
    """The classes that asymmetric noise moves: those of a published map, or all."""
    return list(_ASYMMETRIC.get(dataset, range(n_classes)))


def similar(asked: NoiseRequest) -> Array:
    """Move each class to the one whose mean embedding is nearest."""
    assert asked.X is not None
    return _flip(asked, _to_one(asked, nearest_classes(asked.X, asked.labels)))


def own_matrix(asked: NoiseRequest) -> Array:
    """Move labels by the user's transition matrix."""
    return _flip(asked, check_matrix(asked.matrix, asked.n_classes))


def _to_one(asked: NoiseRequest, targets: dict[int, int]) -> Array:
    """The transition matrix that moves a share of each class to its target."""
    T = np.eye(asked.n_classes)
    for source, target in targets.items():
        if source != target and max(source, target) < asked.n_classes:
            T[source, source], T[source, target] = 1 - asked.ratio, asked.ratio
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


def _flip(asked: NoiseRequest, T: Array) -> Array:
    flip = _flip_reference if asked.draw == "reference" else _flip_exact
    return flip(asked.labels, T, asked.rng)


def _flip_reference(labels: Array, T: Array, rng: np.random.RandomState) -> Array:
    noisy = labels.copy()
    for source in range(len(T)):
        pool = np.flatnonzero(labels == source)
        counts = (T[source] * len(pool)).astype(int)
        for target, count in enumerate(counts):
            # No draw at all where nothing flips: `choice` would advance the generator.
            if target != source and count:
                chosen = rng.choice(len(pool), count, replace=False)
                noisy[pool[chosen]] = target
                pool = np.delete(pool, chosen)
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
