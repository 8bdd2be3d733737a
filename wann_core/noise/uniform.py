"""Whether wrong labels are uniform over all other classes, and how many there are if so.

Class probabilities that have not seen a row's own label, of one or more sources, are multiplied,
each to the power of an unknown sharpness and with an unknown weight of each class, and mixed with
uniform noise; all of it is found by maximum likelihood of the given labels. Where the noise is
uniform this is nearly unbiased, as no rows have to be sure. Where it is not, a full transition
matrix explains the labels better than chance would, which a likelihood-ratio test shows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.special import expit

from wann_core.class_table import Shares
from wann_core.noise.human import sign_of_one_way
from wann_core.typing import Array

# A transition matrix is fitted for the test, which costs by rows, classes and rounds.
MOST_CLASSES = 32
_TEST_ROWS = 8_000
# The rate is fitted to as many rows as this; more would not change a tenth of a percent of them.
_FIT_ROWS = 100_000
# Logits of the noise to start from: it explains what a dull opinion does, so maxima may be several.
_STARTS = -3.0, -1.0, 0.0
# Of fits that differ by less log-likelihood (half the 95 % point of χ²) the one counts that has
# the surest rate: where sure opinions are all as sure, a low power is as likely as noise.
_AS_LIKELY = 1.92
# Where a fit to some rows found no noise at all, one to all rows starts from here.
_LEAST_LOGIT = -6.0
# A fit ends where a step gains less log-likelihood than this, the test where a round gains less
# than that, which moves its statistic by less than a tenth of a standard deviation.
_GAIN, _TEST_GAIN = 0.01, 0.5
_MOST_STEPS, _MOST_ROUNDS, _EM_STEPS = 60, 40, 3
# The damping of steps: at first, its factor after a step that gains or fails, and its end.
_DAMPING, _EASED, _FAILED, _MOST_DAMPING = 1e-2, 1 / 8, 8.0, 1e6
# How far another reading of few rows may be too high.
_BELOW = 0.05
# No row votes for itself, so that among few rows its label is rarer around it than around others:
# a negative power would read the label off that.
_LARGEST_POWER = 50.0
_LEAST_SHARE = 1e-5
_LEAST_RATE = 0.01
_LEAST = 1e-12
_Z_95 = 1.959963984540054
# Standard deviations of the test statistic over its mean: uniform noise is taken for granted up to
# the first, and excluded from the second. Where the test has little power both are less by _LOWER:
# there uniform noise stays below, as rates of rare errors cannot be negative, and so does other
# noise.
_UNIFORM, _NOT_UNIFORM, _LOWER = 2.0, 4.0, 2.0
# It has little with as few rows as these, or as few rows a parameter, and its full power with twice
# as many. Chosen on measured cases, docs/protocol.md.
_FEW_ROWS, _FEW_ROWS_PER_PARAMETER = 2_000, 15


@dataclass(frozen=True)
class UniformNoise:
    """Noise that is uniform over all other classes.

    Attributes
    ----------
    rate, low, high : float
        Share of wrong labels, and its 95 % interval by the likelihood, if noise is uniform.
    weight : float
        How far it may be: 1 where no transition matrix explains the labels better than chance
        would, 0 where one does.
    power : float
        Power of the test: 0 with few rows, 1 with many.
    one_way : float
        How far the wrong labels of each class go to one other class, by the transition matrix of
        the test: 0 is as those of people do, 1 is certain. 0 where nothing was tested.
    matrix_rate : float
        Share of wrong labels by that matrix.
    """

    rate: float
    low: float
    high: float
    weight: float
    power: float
    one_way: float = 0.0
    matrix_rate: float = 0.0


def uniform_noise(
    opinions: Sequence[Shares], labels: Array, within: tuple[float, float] = (0.0, 1.0)
) -> UniformNoise:
    """Fit uniform noise, and test it against a full transition matrix.

    Parameters
    ----------
    opinions : sequence of ndarray of shape (n, C)
        Class probabilities of each row, by sources that have not seen its own label. How sharp they
        are does not matter.
    labels : ndarray of shape (n,), integer
    within : tuple of float
        Rates that come into question by another reading, which errs upward where rows are few; any
        other has no weight, and is not tested.
    """
    n_classes = opinions[0].shape[1]
    if not 2 <= n_classes <= MOST_CLASSES:
        return UniformNoise(0.0, 0.0, 1.0, 0.0, 0.0)
    some = _Rows.of(opinions, labels, _TEST_ROWS)
    sources = len(opinions)
    fits = [_climb(some.uniform, some.start(x), sources, _GAIN, _MOST_STEPS) for x in _STARTS]
    largest = max(value for _, value in fits)
    alike = [fit for fit in fits if fit[1] > largest - _AS_LIKELY]
    best, largest = min(alike, key=lambda fit: some.deviation(fit[0]))
    rows, fit = some, best
    if len(labels) > _TEST_ROWS:
        rows = _Rows.of(opinions, labels, _FIT_ROWS)
        start = np.append(best[:-1], max(best[-1], _LEAST_LOGIT))
        fit, _ = _climb(rows.uniform, start, sources, _GAIN, _MOST_STEPS)
    rate, deviation = float(expit(fit[-1])), rows.deviation(fit)
    low, high = max(rate - _Z_95 * deviation, 0.0), min(rate + _Z_95 * deviation, 1.0)
    weight, power = 0.0, _power(len(labels), n_classes)
    one_way = matrix_rate = 0.0
    if within[0] - _BELOW * (1 - power) <= rate <= within[1]:
        above, flows = _test(some, best, largest)
        above += _LOWER * (1 - power)
        weight = float(np.clip((_NOT_UNIFORM - above) / (_NOT_UNIFORM - _UNIFORM), 0, 1))
        one_way = sign_of_one_way(flows)
        matrix_rate = float(flows.sum()) / len(some.labels)
    return UniformNoise(rate, low, high, weight, power, one_way, matrix_rate)


def powered(logs: Array, sharpness: float) -> Array:
    """Shares to a power, of their logarithms; rows sum to 1."""
    return _softmax(sharpness * logs)


def _softmax(q: Array) -> Array:
    """Of each row, in place."""
    q -= q.max(axis=1, keepdims=True)
    np.exp(q, out=q)
    q /= q.sum(axis=1, keepdims=True)
    return q


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows under the model q = softmax(Σ_s a_s log opinion_s + b), sorted by label.

    Parameters of a fit are flat: a (s,), b (C - 1,) of all classes but the first, and, for uniform
    noise, the logit of its rate.
    """

    logs: Array  # (s, n, C)
    labels: Array  # (n,)

    @classmethod
    def of(cls, opinions: Sequence[Shares], labels: Array, most: int) -> "_Rows":
        """Evenly spaced rows, at most `most`; sums by label are then sums of slices."""
        kept = np.arange(0, len(labels), -(-len(labels) // most))
        kept = kept[np.argsort(labels[kept], kind="stable")]
        logs = np.empty((len(opinions), len(kept), opinions[0].shape[1]))
        for opinion, out in zip(opinions, logs, strict=True):
            np.log(np.maximum(opinion[kept], _LEAST_SHARE, dtype=np.float64), out=out)
        return cls(logs, labels[kept])

    @property
    def n_classes(self) -> int:
        return int(self.logs.shape[2])

    def start(self, logit: float) -> Array:
        sources = len(self.logs)
        return np.concatenate(
            [np.full(sources, 1 / sources), np.zeros(self.n_classes - 1), [logit]]
        )

    def true(self, at: Array) -> Array:
        """Probability of each true class; (n, C)."""
        sources = len(self.logs)
        q = np.tensordot(at[:sources], self.logs, 1)
        q[:, 1:] += at[sources : sources + self.n_classes - 1]
        return _softmax(q)

    def slopes(self, by_class: Array, more: int) -> Array:
        """Slopes by a and b of what has these by the logits of q (n, C), and room for more."""
        sources = len(self.logs)
        slopes = np.empty((sources + self.n_classes - 1 + more, len(self.labels)))
        np.einsum("ic,sic->si", by_class, self.logs, out=slopes[:sources])
        slopes[sources : len(slopes) - more] = by_class.T[1:]
        return slopes

    def uniform(self, at: Array) -> tuple[float, Array]:
        """Log-likelihood under uniform noise, and its slopes of each row; (parameters, n)."""
        value, slopes, rate = self._uniform(at)
        slopes[-1] *= rate * (1 - rate)
        return value, slopes

    def deviation(self, at: Array) -> float:
        """Standard deviation of the rate, by the outer products of the rows' slopes."""
        _, slopes, _ = self._uniform(at)
        return float(np.sqrt(np.linalg.pinv(slopes @ slopes.T, hermitian=True)[-1, -1]))

    def _uniform(self, at: Array) -> tuple[float, Array, float]:
        """Log-likelihood, slopes by the rate itself, rate."""
        q, each = self.true(at), np.arange(len(self.labels))
        own, rate = q[each, self.labels], float(expit(at[-1]))
        other = (1 - own) / (self.n_classes - 1)
        likely = np.maximum((1 - rate) * own + rate * other, _LEAST)
        slope = (1 - rate - rate / (self.n_classes - 1)) / likely * own
        q *= -slope[:, None]
        q[each, self.labels] += slope
        slopes = self.slopes(q, 1)
        slopes[-1] = (other - own) / likely
        return float(np.log(likely).sum()), slopes, rate

    def under(self, T: Array, at: Array) -> tuple[float, Array]:
        """Log-likelihood under a transition matrix, and its slopes of each row."""
        q = self.true(at)
        true, likely = self._given_labels(q, T)
        return float(np.log(likely).sum()), self.slopes(true - q, 0)

    def joint(self, T: Array, at: Array) -> Array:
        """Expected rows of each true class (row) and given label; (C, C)."""
        true, _ = self._given_labels(self.true(at), T)
        classes, first = np.unique(self.labels, return_index=True)
        found = np.zeros(T.shape)
        found[:, classes] = np.add.reduceat(true, first, axis=0).T
        return found

    def _given_labels(self, q: Array, T: Array) -> tuple[Array, Array]:
        """Probability of each true class given the label, and how likely the label is."""
        true = q * T.T[self.labels]
        likely = np.maximum(true.sum(axis=1), _LEAST)
        true /= likely[:, None]
        return true, likely


def _climb(
    likelihood: Callable[[Array], tuple[float, Array]],
    at: Array,
    sources: int,
    gain: float,
    most: int,
) -> tuple[Array, float]:
    """Maximum by damped scoring steps (BHHH, with Levenberg and Marquardt's damping).

    The first parameters, the powers of the sources, stay within 0 and `_LARGEST_POWER`.
    """
    value, slopes = likelihood(at)
    damping = _DAMPING
    for _ in range(most):
        curved, steepest = slopes @ slopes.T, slopes.sum(axis=1)
        curved += np.diag(damping * np.diag(curved) + _LEAST)
        # A power at 0 that wants to be less stays there, and the others move as if it were not.
        free = np.ones(len(at), bool)
        free[:sources] = (at[:sources] > 0) | (steepest[:sources] > 0)
        there = at.copy()
        moved = np.linalg.lstsq(curved[np.ix_(free, free)], steepest[free], rcond=None)[0]
        there[free] += moved
        there[:sources] = np.clip(there[:sources], 0, _LARGEST_POWER)
        found, around = likelihood(there)
        gained = found - value
        if gained > 0:
            at, value, slopes = there, found, around
            # A short step gains little wherever it is made.
            if gained < gain and damping <= _DAMPING:
                break
            damping *= _EASED
        else:
            damping *= _FAILED
            if damping > _MOST_DAMPING:
                break
    return at, value


def _parameters(n_classes: int) -> int:
    """Of a transition matrix, beyond the one of uniform noise."""
    return n_classes * (n_classes - 1) - 1


def _power(rows: int, n_classes: int) -> float:
    few = max(_FEW_ROWS, _FEW_ROWS_PER_PARAMETER * _parameters(n_classes))
    return float(np.clip(rows / few - 1, 0, 1))


def _test(rows: _Rows, at: Array, largest: float) -> tuple[float, Array]:
    """Standard deviations by which a full matrix explains the labels better than chance would.

    `largest` is the log-likelihood of uniform noise. With it goes how many rows have each true
    class (row) and another given label; (C, C), 0 on the diagonal.
    """
    full, joint = _matrix_likelihood(rows, at[:-1], max(float(expit(at[-1])), _LEAST_RATE))
    chance = _parameters(rows.n_classes)
    above = (2 * max(full - largest, 0.0) - chance) / np.sqrt(2 * max(chance, 1))
    np.fill_diagonal(joint, 0)
    return float(above), joint


def _matrix_likelihood(rows: _Rows, at: Array, rate: float) -> tuple[float, Array]:
    """Largest log-likelihood of the labels under any transition matrix, and `_Rows.joint` there.

    The matrix by expectation and maximization, the rest by scoring steps, in turn.
    """
    n_classes = rows.n_classes
    T = np.full((n_classes, n_classes), rate / (n_classes - 1))
    np.fill_diagonal(T, 1 - rate)
    last = -np.inf
    for _ in range(_MOST_ROUNDS):
        for _ in range(_EM_STEPS):
            joint = rows.joint(T, at)
            T = joint / np.maximum(joint.sum(axis=1, keepdims=True), _LEAST)
        at, value = _climb(partial(rows.under, T), at, len(rows.logs), _TEST_GAIN, 1)
        if value - last < _TEST_GAIN:
            break
        last = value
    return value, joint
