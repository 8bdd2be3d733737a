"""How many given labels are wrong, and which class is mistaken for which.

Class shares around each row (of neighbors, of a classifier that never saw the row) mix two things:
how alike the classes look there, and how often labels are wrong. Rows whose shares are most sure of
a class, its anchors, look like no other class, so the labels found on them show the noise alone.
"""

from dataclasses import dataclass

import numpy as np

from wann_core.parallel import in_slices
from wann_core.typing import Array

# Share of the rows of each class that anchor it: the purest tenth ranks labels best; for the number
# of wrong ones human labels, which err on hard rows, need more. See docs/audit.md.
RANKING_ANCHORS = 0.1
COUNTING_ANCHORS = 0.3
_MOST_ANCHORS = 0.5
_FEWEST_ROWS = 50
# Differences between the wrong labels of a class count as real in so far as their variance exceeds
# this multiple of what chance alone would give.
_CHANCE = 4.0
_PRIOR = 0.1
_UNMIX_ROUNDS = 30
_UNMIX_ROWS = 2048
_FEW_CLASSES = 32
_FLOOR = 1e-3
# Rows at once, so that no second table of all rows and classes is held in between.
_BLOCK = 65_536
_Z_95 = 1.959963984540054


@dataclass(frozen=True, eq=False)
class NoiseEstimate:
    """What is known of the noise without knowing the true labels.

    Attributes
    ----------
    count : int
        Wrong labels.
    low, high : int
        Where the number may lie: from the posterior with the purest tenth of each class as anchors
        to the rate on its surest half, widened by the sampling error of 95 %. It says how much the
        answer hangs on what is taken for sure, and is no confidence interval.
    rows : int
        Labels judged.
    transition_matrix : ndarray of shape (C, C), float64
        Row = true class, column = given label; rows sum to 1.
    """

    count: int
    low: int
    high: int
    rows: int
    transition_matrix: Array

    @property
    def rate(self) -> float:
        """Share of the labels that are wrong, 0 to 1."""
        return self.count / self.rows


def estimate_noise(shares: Array, labels: Array) -> NoiseEstimate:
    """Estimate how many labels are wrong, and the transition matrix.

    The matrix T is read off the anchors, the surest three tenths of each class. The number is the
    mean of two readings, which mostly err to opposite sides: the rate of wrong labels on the
    anchors, carried over to all rows; and the sum over all rows of the posterior probability that
    another class than the given one is true, for which the shares of true classes are those that,
    mixed by T, give the shares of given labels. The matrix returned is the mean of the two as well.

    Parameters
    ----------
    shares : ndarray of shape (n, C)
        Probability of each given label at each row, by what has not seen the row's own label.
    labels : ndarray of shape (n,), integer
        Given class ids.

    References
    ----------
    Patrini et al., Making Deep Neural Networks Robust to Label Noise, CVPR 2017 (anchors);
    Northcutt et al., Confident Learning, JAIR 2021.
    """
    rows = len(labels)
    sure = np.bincount(shares.argmax(axis=1), minlength=shares.shape[1])
    purest = anchor_matrix(shares, labels, RANKING_ANCHORS)
    T = anchor_matrix(shares, labels, COUNTING_ANCHORS)
    widest = anchor_matrix(shares, labels, _MOST_ANCHORS)
    low, _ = _posterior_noise(shares, labels, purest)
    wrong, joint = _posterior_noise(shares, labels, T)
    high = float(sure @ (1 - np.diag(widest)))
    count = (wrong + float(sure @ (1 - np.diag(T)))) / 2

    def error(count: float) -> float:
        return _Z_95 * float(np.sqrt(count * (1 - count / rows) + 1))

    bounds = low, count, high
    lowest = max(0.0, min(b - error(b) for b in bounds))
    highest = min(float(rows), max(b + error(b) for b in bounds))
    return NoiseEstimate(round(count), round(lowest), round(highest), rows, (T + joint) / 2)


def anchor_matrix(shares: Array, labels: Array, part: float) -> Array:
    """Transition matrix (C, C) on the surest `part` of the rows that each class wins.

    Wrong labels of a class are spread evenly but for what its anchors show beyond chance.
    """
    n_classes = shares.shape[1]
    winner, sure = shares.argmax(axis=1), shares.max(axis=1)
    T = np.eye(n_classes)
    if n_classes < 2:
        return T
    for c in range(n_classes):
        rows = np.flatnonzero(winner == c)
        kept = max(int(part * len(rows)), min(len(rows), _FEWEST_ROWS))
        rows = rows[np.argsort(-sure[rows], kind="stable")[:kept]]
        counts = np.bincount(labels[rows], minlength=n_classes).astype(np.float64)
        n = max(counts.sum(), 1.0)
        rate = (n - counts[c] + _PRIOR) / (n + 2 * _PRIOR) if len(rows) else _PRIOR
        others = np.arange(n_classes) != c
        even = rate / (n_classes - 1)
        seen = counts[others] / n
        spread = float(((seen - even) ** 2).mean())
        chance = _CHANCE * even * (1 - even) / n
        trust = max(0.0, 1 - chance / spread) if spread > 0 else 0.0
        wrong = even + trust * (seen - even)
        T[c, others] = wrong * (rate / wrong.sum())
        T[c, c] = 1 - rate
    return T


def posterior(shares: Array, labels: Array, T: Array, floor: float) -> Array:
    """Probability of each true class given the label, shape (n, C).

    Proportional to (share + floor) · T[·, label]; rows sum to 1.
    """
    odds = np.empty(shares.shape)
    for start in range(0, len(labels), _BLOCK):
        rows = slice(start, start + _BLOCK)
        odds[rows] = (shares[rows] + floor) * T.T[labels[rows]] + 1e-7
        odds[rows] /= odds[rows].sum(axis=1, keepdims=True)
    return odds


def _posterior_noise(shares: Array, labels: Array, T: Array) -> tuple[float, Array]:
    """Expected number of wrong labels, and the transition matrix of all rows."""
    n_classes, wrong = len(T), 0.0
    joint = np.zeros((n_classes, n_classes))
    for start in range(0, len(labels), _BLOCK):
        given = labels[start : start + _BLOCK]
        true = posterior(_unmix(shares[start : start + _BLOCK], T), given, T, _FLOOR)
        wrong += float((1 - true[np.arange(len(given)), given]).sum())
        for c in range(n_classes):
            joint[c] += np.bincount(given, weights=true[:, c], minlength=n_classes)
    return wrong, joint / joint.sum(axis=1, keepdims=True)


def _unmix(shares: Array, T: Array) -> Array:
    """Distributions q (n, C) for which q T comes nearest to the shares, by EM."""
    q = np.empty(shares.shape)
    # All rounds on some rows, then on the next: they stay in the processor's cache. Products with
    # many classes are worth BLAS's own threads, which want all rows at once.
    rows = _UNMIX_ROWS if len(T) <= _FEW_CLASSES else len(shares)
    in_slices(_unmix_rows, len(shares), shares, T, q, rows=rows)
    return q


def _unmix_rows(start: int, stop: int, shares: Array, T: Array, result: Array) -> None:
    rows = shares[start:stop].astype(np.float64)
    q = rows + 1 / len(T)
    q /= q.sum(axis=1, keepdims=True)
    back = np.ascontiguousarray(T.T)
    ones = np.ones((len(T), 1))
    mixed, gain = np.empty_like(q), np.empty_like(q)
    for _ in range(_UNMIX_ROUNDS):
        np.matmul(q, T, out=mixed)
        mixed += 1e-9
        np.divide(rows, mixed, out=mixed)
        np.matmul(mixed, back, out=gain)
        q *= gain
        # A row without any vote keeps no mass.
        q /= np.maximum(q @ ones, 1e-12)
    result[start:stop] = q
