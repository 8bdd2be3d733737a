"""How many labels are wrong where labels belong to groups: one opinion a group, not one a row.

The surest rows of a class, which `estimate_noise` counts on, are a handful of groups here. What is
left of the data is a mixture of two kinds of group, fitted with all that is not known of it
averaged over: so few groups determine no single fit.
"""

import numpy as np
from scipy.special import ndtr

from wann_core.class_table import blocks
from wann_core.noise.rate import NoiseEstimate
from wann_core.noise.transition import MOST_PAIRS, Transition, anchors, surest
from wann_core.noise.uniform import powered
from wann_core.typing import Array

# Exponents on the shares, uniform on the scale of their logarithm, and rates of wrong groups.
_SHARPNESS = np.geomspace(0.1, 8, 16)
_RATES = np.concatenate([[0.0], np.geomspace(1e-3, 0.9, 60)])
_LEAST_SHARE = 1e-4
# The range allows for this share of the rate beyond the mixture's own uncertainty, as the mixture
# is a simplification. Chosen on made-up groups, see docs/audit_measured.md.
_BY_RATE = 0.2
_PLACES = 2001


def estimate_group_noise(shares: Array, labels: Array, sizes: Array) -> NoiseEstimate:
    """Estimate how many rows stand in groups whose one label is wrong.

    A group's label y is drawn from q, its shares to the power of an unknown sharpness t, or, with
    an unknown probability ε, from what is not the true class: of all other classes alike, or of
    those that most groups of the class go to. All t, ε and both kinds are weighed by how likely
    they make the labels (t uniform on a log scale, ε on [0, 0.9]).

    Parameters
    ----------
    shares : ndarray of shape (g, C)
        Of each group, by what has not seen it.
    labels : ndarray of shape (g,), integer
    sizes : ndarray of shape (g,), integer
        Rows of each group.

    Returns
    -------
    NoiseEstimate
        In rows. The range is that of the mixture, widened by a fifth of the rate.
    """
    n, n_classes = shares.shape
    rows = int(sizes.sum())
    spreads: list[Array | None] = [None]
    if 2 < n_classes <= MOST_PAIRS:
        spreads.append(_spread(shares, labels))
    grid = (len(spreads), len(_SHARPNESS), len(_RATES))
    likely, mean, variance = np.zeros(grid), np.zeros(grid), np.zeros(grid)
    for part in blocks(n, max(n_classes, len(_RATES))):
        size, logs = sizes[part].astype(np.float64), _logs(shares[part])
        for i, sharpness in enumerate(_SHARPNESS):
            own, others = _sharpened(logs, labels[part], sharpness, spreads)
            for m, other in enumerate(others):
                wrong = _RATES[:, None] * other
                total = np.maximum((1 - _RATES)[:, None] * own + wrong, 1e-12)
                wrong /= total
                likely[m, i] += np.log(total).sum(axis=1)
                mean[m, i] += wrong @ size
                variance[m, i] += (wrong * (1 - wrong)) @ size**2
    weights = np.exp(likely - likely.max()) * np.gradient(_RATES)
    weights /= weights.sum()
    count = float((weights * mean).sum())
    low, high = _interval(weights, mean, variance, rows)
    best = np.unravel_index(weights.argmax(), grid)
    sharpness, rate = float(_SHARPNESS[best[1]]), max(count / rows, 1 / rows)
    transition = _transition(shares, labels, sizes, sharpness, rate, spreads[best[0]])
    return NoiseEstimate(round(count), round(low), round(high), rows, transition)


def _spread(shares: Array, labels: Array) -> Array:
    """Where wrong labels of each class go, by the groups that its shares win; rows sum to 1."""
    winner, sure = surest(shares)
    pairs = anchors(winner, sure, labels, shares.shape[1], 1.0).pairs
    assert pairs is not None
    spread = pairs.copy()
    np.fill_diagonal(spread, 0)
    return np.asarray(spread / spread.sum(axis=1, keepdims=True))


def _logs(shares: Array) -> Array:
    return np.log(np.maximum(shares, _LEAST_SHARE, dtype=np.float64))


def _sharpened(
    logs: Array, labels: Array, sharpness: float, spreads: list[Array | None]
) -> tuple[Array, list[Array]]:
    """Probability of each given label if right, and if wrong under each kind of spread."""
    q, each = powered(logs, sharpness), np.arange(len(labels))
    own = q[each, labels]
    others = [
        (1 - own) / (q.shape[1] - 1)
        if spread is None
        else np.einsum("gc,cg->g", q, spread[:, labels])
        for spread in spreads
    ]
    return own, others


def _interval(weights: Array, mean: Array, variance: Array, rows: int) -> tuple[float, float]:
    """The 2.5 and 97.5 % points of the count: a mixture of normals over the grid."""
    spread = np.sqrt(variance + (_BY_RATE * np.minimum(mean, rows - mean)) ** 2 + 0.25)
    likely = weights > 1e-6
    places = np.linspace(0, rows, _PLACES)
    below = ndtr((places[:, None] - mean[likely]) / spread[likely]) @ weights[likely]
    low, high = np.interp([0.025, 0.975], below, places)
    return float(low), float(high)


def _transition(
    shares: Array, labels: Array, sizes: Array, sharpness: float, rate: float, spread: Array | None
) -> Transition:
    """Rows that go from each likely true class to each given label."""
    n_classes = shares.shape[1]
    pairs = np.eye(n_classes) * 1e-9 if n_classes <= MOST_PAIRS else None
    total, right = np.full(n_classes, 1e-9), np.full(n_classes, 1e-9)
    for part in blocks(*shares.shape):
        given, each = labels[part], np.arange(len(labels[part]))
        true = powered(_logs(shares[part]), sharpness)
        own = true[each, given] * (1 - rate)
        true *= rate / (n_classes - 1) if spread is None else rate * spread[:, given].T
        true[each, given] = own
        true *= (sizes[part] / np.maximum(true.sum(axis=1), 1e-12))[:, None]
        total += true.sum(axis=0)
        np.add.at(right, given, true[each, given])
        if pairs is not None:
            np.add.at(pairs.T, given, true)
    if pairs is not None:
        pairs /= pairs.sum(axis=1, keepdims=True)
        return Transition(1 - np.diag(pairs), pairs)
    return Transition(1 - right / total, None)
