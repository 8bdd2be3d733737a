"""Noise that depends on the row itself."""

import numpy as np
from scipy.stats import truncnorm

from wann_core.errors import WannError
from wann_core.noise.request import NoiseRequest
from wann_core.typing import Array


def instance(asked: NoiseRequest) -> Array:
    """Flip each label by a chance, and to a class, that depend on the row's embedding.

    References
    ----------
    Xia et al., Part-dependent Label Noise, NeurIPS 2020.
    """
    assert asked.X is not None
    labels, X, ratio, rng, draw = asked.labels, asked.X, asked.ratio, asked.rng, asked.draw
    n_classes = asked.found if draw == "reference" else asked.n_classes
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
        # The published code goes on to draw 1,000 rows that it does not use: a probe's validation
        # rows come after them.
        rng.choice(len(labels), 1000)
        return np.asarray((cumulative <= u[:, None]).sum(axis=1))
    noisy = labels.copy()
    rows = np.arange(len(labels))
    stay = P[rows, labels].copy()
    P[rows, labels] = -1
    chosen = np.argsort(stay, kind="stable")[: round(ratio * len(labels))]
    noisy[chosen] = P[chosen].argmax(axis=1)
    return noisy
