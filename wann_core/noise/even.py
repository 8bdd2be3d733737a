"""Whether wrong labels go evenly to all other classes, and how many there are if so.

Class probabilities that have not seen a row's own label, to the power of a sharpness that is fitted
along, are mixed with even noise; both are found by maximum likelihood of the given labels. Where
the noise is even this is nearly unbiased, as no rows have to be sure. Where it is not, a full
transition matrix explains the labels better than chance would, which a likelihood-ratio test shows.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from wann_core.class_table import Shares
from wann_core.typing import Array

# A transition matrix is fitted for the test, which costs by rows, classes and rounds.
MOST_CLASSES = 32
_TEST_ROWS = 8_000
_ROUNDS = 30
_SHARPNESS = np.geomspace(0.5, 10, 14)
_AROUND = (0.7, 0.85, 1.0, 1.2, 1.45, 1.75)
_RATES = np.concatenate([[0.0], np.geomspace(1e-3, 0.97, 240)])
_BINS = 400
_LEAST_SHARE = 1e-5
_LEAST = 1e-12
# Half the 95 % point of χ² with one degree of freedom.
_DROP = 1.920729
# Standard deviations of the test statistic over its mean: even noise is taken for granted up to the
# first, which chance exceeds in a fortieth of the cases, and excluded from the second.
_EVEN, _UNEVEN = 2.0, 4.0
# With fewer rows than the first a parameter the test has no power; it counts in full from twice.
_ROWS_PER_PARAMETER = 15


@dataclass(frozen=True)
class EvenNoise:
    """Noise that goes evenly to all other classes.

    Attributes
    ----------
    rate, low, high : float
        Share of wrong labels, and its 95 % interval by the profile likelihood, if noise is even.
    weight : float
        How far it may be: 1 where no transition matrix explains the labels better than chance
        would, 0 where one does, or where there are too few rows to tell.
    """

    rate: float
    low: float
    high: float
    weight: float


def even_noise(
    shares: Shares, labels: Array, within: tuple[float, float] = (0.0, 1.0)
) -> EvenNoise:
    """Fit even noise, and test it against a full transition matrix.

    Parameters
    ----------
    shares : ndarray of shape (n, C)
        Class probabilities of each row, by what has not seen its own label. How sharp they are does
        not matter.
    labels : ndarray of shape (n,), integer
    within : tuple of float
        Rates that come into question; any other has no weight, and is not tested.
    """
    n_classes = shares.shape[1]
    if not 2 <= n_classes <= MOST_CLASSES:
        return EvenNoise(0.0, 0.0, 1.0, 0.0)
    logs = _logs(np.asarray(shares))
    sharpness, profile, largest = _fit(logs, labels)
    inside = np.flatnonzero(profile >= profile.max() - _DROP)
    scale = (n_classes - 1) / n_classes
    low, high = _RATES[max(inside[0] - 1, 0)], _RATES[min(inside[-1] + 1, len(_RATES) - 1)]
    rate, weight = _peak(profile) * scale, 0.0
    if within[0] <= rate <= within[1]:
        weight = _weight(logs, labels, sharpness, largest)
    return EvenNoise(rate, float(low * scale), float(high * scale), weight)


def _peak(profile: Array) -> float:
    """Where the profile is largest, between the places of the grid by a parabola."""
    best = int(profile.argmax())
    if not 0 < best < len(profile) - 1:
        return float(_RATES[best])
    before, at, after = profile[best - 1 : best + 2]
    bend = before - 2 * at + after
    step = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return float(np.interp(best + step, np.arange(len(_RATES)), _RATES))


def _logs(shares: Array) -> Array:
    return np.log(np.maximum(shares, _LEAST_SHARE, dtype=np.float64))


def powered(logs: Array, sharpness: float) -> Array:
    """Shares to a power, of their logarithms; rows sum to 1."""
    q = sharpness * (logs - logs.max(axis=1, keepdims=True))
    np.exp(q, out=q)
    return np.asarray(q / q.sum(axis=1, keepdims=True))


def _fit(logs: Array, labels: Array) -> tuple[float, Array, float]:
    """Sharpness, the log-likelihood of each of `_RATES` at its best sharpness, and the largest."""
    known: dict[float, Array] = {}

    def negative(log_sharpness: float) -> float:
        sharpness = float(np.exp(log_sharpness))
        known[sharpness] = _likelihood(powered(logs, sharpness), labels)
        return -float(known[sharpness].max())

    tried = [negative(float(np.log(s))) for s in _SHARPNESS]
    # Several maxima are usual: noise explains what a dull opinion does, too.
    at = int(np.argmin(tried))
    ends = _SHARPNESS[max(at - 1, 0)], _SHARPNESS[min(at + 1, len(tried) - 1)]
    minimize_scalar(
        negative, bounds=np.log(ends), method="bounded", options={"maxiter": 10, "xatol": 1e-2}
    )
    profile = np.max(list(known.values()), axis=0)
    sharpness = max(known, key=lambda s: known[s].max())
    return sharpness, np.asarray(profile), float(profile.max())


def _likelihood(q: Array, labels: Array) -> Array:
    """Log-likelihood of the labels under each of `_RATES`, rows binned by their own share."""
    own = np.maximum(q[np.arange(len(labels)), labels], _LEAST)
    logs = np.log(own)
    places = np.minimum((logs / np.log(_LEAST) * _BINS).astype(np.int64), _BINS - 1)
    counts = np.bincount(places, minlength=_BINS)
    means = np.bincount(places, weights=own, minlength=_BINS) / np.maximum(counts, 1)
    mixed = (1 - _RATES) * means[:, None] + _RATES / q.shape[1]
    return np.asarray(counts @ np.log(np.maximum(mixed, _LEAST)))


def _weight(logs: Array, labels: Array, sharpness: float, largest: float) -> float:
    """Of even noise, by the likelihood ratio of a full transition matrix on some of the rows.

    `largest` is the likelihood of even noise on all rows.
    """
    n_classes = logs.shape[1]
    parameters = n_classes * (n_classes - 1) - 1
    power = float(np.clip(len(labels) / (_ROWS_PER_PARAMETER * max(parameters, 1)) - 1, 0, 1))
    if not power:
        return 0.0
    step = -(-len(labels) // _TEST_ROWS)
    # Rows by label, so that sums by label are sums of slices.
    kept = np.arange(0, len(labels), step)
    kept = kept[np.argsort(labels[kept], kind="stable")]
    logs, labels = logs[kept], labels[kept]
    even = largest if step == 1 else _fit(logs, labels)[2]
    classes, first = np.unique(labels, return_index=True)
    full = max(_matrix_likelihood(logs, labels, classes, first, sharpness * a) for a in _AROUND)
    z = (2 * max(full - even, 0.0) - parameters) / np.sqrt(2 * parameters)
    return power * float(np.clip((_UNEVEN - z) / (_UNEVEN - _EVEN), 0, 1))


def _matrix_likelihood(
    logs: Array, labels: Array, classes: Array, first: Array, sharpness: float
) -> float:
    """Largest log-likelihood of the labels under any transition matrix, by EM."""
    q = powered(logs, sharpness)
    n_classes = q.shape[1]
    T = 0.9 * np.eye(n_classes) + 0.1 / n_classes
    for _ in range(_ROUNDS):
        true = q * T.T[labels]
        true /= np.maximum(true.sum(axis=1, keepdims=True), _LEAST)
        joint = np.zeros((n_classes, n_classes))
        joint[:, classes] = np.add.reduceat(true, first, axis=0).T
        T = joint / np.maximum(joint.sum(axis=1, keepdims=True), _LEAST)
    return float(np.log(np.maximum((q * T.T[labels]).sum(axis=1), _LEAST)).sum())
