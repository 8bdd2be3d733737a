"""How many labels are wrong, once somebody has judged some of them.

The head of the ranked list, judged row by row, is counted. What lies below is estimated from the
verdicts there: the audit's chances of an error, by rank, are corrected by a smooth curve on the
scale of log-odds, as far as verdicts ask for it.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from wann_core.audit.result import Audit
from wann_core.audit.reviewing.stopping import error_rates, judged_wrong, scaled
from wann_core.errors import check_number
from wann_core.typing import Array

# The head of the list is judged down to where this share of its rows has a verdict. It does not
# speak for the rest: the surest errors are as the estimate expects them whatever lies below.
_JUDGED_PART = 0.9
# Fewer verdicts below the head than these leave the estimate's own range, where it is narrower.
_FEW = 30
# Shares of the rows, most doubtful first, where the correcting curve has its knots; how far it may
# bend there (standard deviation of log-odds), and over how many knots it is smooth. Chosen on
# measured cases, docs/audit_measured.md.
_KNOTS = np.array([0, 0.01, 0.03, 0.08, 0.15, 0.25, 0.4, 0.6, 0.8, 1.0])
_BENDS, _SMOOTH = 0.8, 3.0
# Standard deviation of the shift of all log-odds at least, where the estimate's range is narrow.
_LEAST_SHIFT, _MOST_SHIFT = 0.3, 4.0
# No row is quite sure, and where nothing looks wrong something may be.
_CLIP = 2e-4, 1 - 2e-3
_LEAST_RATE, _LEAST_OF_HIGH = 2e-3, 1 / 8
# The curve is taken for normally distributed, which it is not quite.
_WIDER = 1.1
_BINS, _DRAWS, _STEPS, _SEED = 200, 2000, 60, 0
_Z_95 = 1.959963984540054


@dataclass(frozen=True)
class ReviewedNoise:
    """Estimated number of wrong labels, by an audit and verdicts on some rows.

    Attributes
    ----------
    count, low, high : int
        Wrong labels, and their range. Without verdicts below the head of the list it is the
        estimate's own; with some, a 95 % interval as far as the judged rows of a rank are like the
        others of that rank. Verdicts on rows chosen otherwise (as of one class) break that.
    rows : int
        Labels.
    judged, found : int
        Verdicts that count, and those of them that found an error. 'unsure' does not count.
    sampled : int
        Verdicts below the head, from which the rest is estimated.
    more : int or None
        How many more verdicts on rows of `sample_order` would halve the range; None where even
        judging every row would be needed.
    """

    count: int
    low: int
    high: int
    rows: int
    judged: int
    found: int
    sampled: int
    more: int | None

    @property
    def text(self) -> str:
        """The number and what would sharpen it, in sentences."""
        of_sample = (
            f", {self.sampled:,} of them below the head of the list"
            if 0 < self.sampled < self.judged
            else ""
        )
        halve = (
            "Only judging nearly every row would halve the range."
            if self.more is None
            else f"About {self.more:,} more verdicts on a random sample would halve the range."
        )
        return (
            f"With {self.judged:,} verdicts{of_sample}: about {self.count:,} of {self.rows:,} "
            f"labels are wrong ({self.low:,} to {self.high:,}). {halve}"
        )


def noise_after_review(found: Audit, verdicts: pd.DataFrame) -> ReviewedNoise:
    """Estimate how many labels are wrong from an audit and from verdicts.

    Parameters
    ----------
    found : Audit
    verdicts : DataFrame
        Columns split, row and action, as `Ledger.verdicts` gives them.

    Returns
    -------
    ReviewedNoise

    Notes
    -----
    The rows are a head that is judged nearly whole, which is counted, and the rest. The log-odds of
    an error, by rank, are the audit's plus a Gaussian process over the rank (a shift of all, as
    wide as the estimate's range, and bends of 0.8); the rest's verdicts fit it (Laplace's
    approximation, weighted by the exact likelihood), and the rest's errors are drawn from it.
    """
    ranked = found.ranked()
    chances = _chances(error_rates(found), found)
    wrong = judged_wrong(ranked, verdicts)
    return _after(chances, wrong, found.noise.count, found.noise.low, found.noise.high)


def sample_order(rates: Array, seed: int = _SEED) -> Array:
    """Return the random order of review that narrows the range of the noise estimate most.

    Every row's chance to come early is proportional to the standard deviation of its being wrong,
    which is the best allocation over the ranks (Neyman, 1934).

    Parameters
    ----------
    rates : ndarray of shape (n,)
        Probability that each label is wrong, see `error_rates`.
    seed : int
        Of the draw.

    Returns
    -------
    ndarray of shape (n,), int64
        Places in `rates`.

    Raises
    ------
    WannError
        If the seed is not a whole number from 0.

    References
    ----------
    Efraimidis and Spirakis, Weighted random sampling with a reservoir, 2006.

    Examples
    --------
    >>> sorted(sample_order(np.array([0.9, 0.5, 0.0])).tolist())
    [0, 1, 2]
    """
    check_number("seed", seed, 0, whole=True)
    chances = np.clip(rates, *_CLIP)
    # A generator that draws no noise anywhere: flips of the same seed would come first, or last.
    draws = np.random.default_rng(seed).exponential(size=len(chances))
    return np.asarray(np.argsort(draws / np.sqrt(chances * (1 - chances)), kind="stable"))


def _chances(rates: Array, found: Audit) -> Array:
    """Rates that leave room for an error everywhere."""
    n = len(rates)
    least = max(_LEAST_RATE * n, _LEAST_OF_HIGH * found.noise.high)
    if found.noise.count < least:
        own = found.evidence.unscaled_posterior[np.arange(n), found.rows.labels]
        rates = scaled((1 - own)[found.ranked().index], least)
    return np.asarray(np.clip(rates, *_CLIP))


def _after(chances: Array, wrong: Array, count: int, low: int, high: int) -> ReviewedNoise:
    n = len(chances)
    judged = ~np.isnan(wrong)
    # The longest head of which nearly all is judged.
    parts = np.cumsum(judged) / np.arange(1, n + 1)
    whole = np.flatnonzero(parts >= _JUDGED_PART)
    head = int(whole[-1]) + 1 if len(whole) else 0
    errors, everything = int(np.nansum(wrong)), int(judged.sum())
    left = np.flatnonzero(~judged)
    most = errors + len(left)
    shifts = [_shift(logit(chances), total) for total in (low, high)]
    # By the estimate alone. Finds above expectation in the head do not extend to the rest, whose
    # chances sum to the rest of the estimate; finds below it take errors away.
    missing = min(errors - float(chances[judged].sum()), 0.0)
    rest_low, rest_high = (errors + expit(logit(chances[left]) + s).sum() for s in shifts)
    bottom = max(errors, min(low, rest_low)) if everything else low
    top = max(errors, min(high, rest_high)) if everything else high
    middle = float(np.clip(count + missing, bottom, top))
    tail = np.flatnonzero(judged[head:]) + head
    spread = max((shifts[1] - max(shifts[0], -_MOST_SHIFT)) / (2 * _Z_95), _LEAST_SHIFT)
    curve = _Curve(chances, spread)
    curve.fit(tail, wrong[tail])
    if len(tail):
        mean, below, above = curve.total(left)
        if len(tail) >= _FEW or above - below < top - bottom:
            # Where no error was found there may be none, and where all are wrong no label right.
            below = max(below, 0.0) if wrong[tail].any() else 0.0
            above = float(len(left)) if wrong[tail].all() else above
            middle, bottom, top = errors + mean, errors + below, errors + above
    bottom, top = int(np.floor(bottom)), min(int(np.ceil(top)), most)
    return ReviewedNoise(
        count=round(min(max(middle, bottom), top)),
        low=bottom,
        high=top,
        rows=n,
        judged=everything,
        found=errors,
        sampled=len(tail),
        more=curve.needed(left, (top - bottom) / 4),
    )


def _shift(odds: Array, total: float) -> float:
    """The shift of all log-odds at which the expected number of errors is the given one."""
    low, high = -12.0, 12.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if expit(odds + middle).sum() < total else (low, middle)
    return (low + high) / 2


class _Curve:
    """Correction of log-odds over the rank, and its uncertainty."""

    def __init__(self, chances: Array, spread: float) -> None:
        n, knots = len(chances), len(_KNOTS)
        self.odds = logit(chances)
        place = np.interp(np.arange(n) / max(n - 1, 1), _KNOTS, np.arange(knots))
        before = np.minimum(place.astype(np.int64), knots - 2)
        self.hats = np.zeros((n, knots))
        self.hats[np.arange(n), before] = 1 - (place - before)
        self.hats[np.arange(n), before + 1] = place - before
        apart = np.abs(np.arange(knots)[:, None] - np.arange(knots))
        self.precision = np.linalg.inv(spread**2 + _BENDS**2 * np.exp(-apart / _SMOOTH))
        self.values = np.zeros(knots)
        self.information = self.precision
        self.judged, self.wrong = np.zeros(0, np.int64), np.zeros(0)

    def fit(self, judged: Array, wrong: Array) -> None:
        """Fit it to verdicts (Newton's method with bounded steps)."""
        self.judged, self.wrong = judged, wrong
        hats, odds = self.hats[judged], self.odds[judged]
        for _ in range(_STEPS):
            p = expit(odds + hats @ self.values)
            slope = hats.T @ (wrong - p) - self.precision @ self.values
            self.information = (hats * (p * (1 - p))[:, None]).T @ hats + self.precision
            step = np.linalg.solve(self.information, slope)
            step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
            self.values = self.values + step
            if np.abs(step).max() < 1e-8:
                return

    def total(self, rows: Array) -> tuple[float, float, float]:
        """Errors among these rows: their mean, and the ends of the 95 % interval."""
        rng = np.random.RandomState(_SEED)
        n, knots = self.hats.shape
        root = np.linalg.cholesky(np.linalg.inv(self.information))
        off = rng.randn(_DRAWS, knots) @ root.T
        draws = self.values + off
        bins = np.arange(n) * min(_BINS, n) // n
        sizes = np.bincount(bins)
        odds = np.bincount(bins, weights=self.odds) / sizes
        hats = np.stack([np.bincount(bins, weights=hat) for hat in self.hats.T], axis=1)
        p = expit(odds + draws @ (hats / sizes[:, None]).T)
        tried = np.bincount(bins[self.judged], minlength=len(sizes))
        found = np.bincount(bins[self.judged], weights=self.wrong, minlength=len(sizes))
        logs = np.log(p + 1e-12) @ found + np.log(1 - p + 1e-12) @ (tried - found)
        logs -= 0.5 * ((draws @ self.precision) * draws).sum(axis=1)
        logs += 0.5 * ((off @ self.information) * off).sum(axis=1)
        weights = np.exp(logs - logs.max())
        weights /= weights.sum()
        counts = np.bincount(bins[rows], minlength=len(sizes))
        means, noise = p @ counts, np.sqrt((p * (1 - p)) @ counts)
        few = means < 30
        totals = means + noise * rng.randn(_DRAWS)
        totals[few] = rng.poisson(means[few])
        mean = float(weights @ means)
        order = np.argsort(totals)
        at = np.searchsorted(np.cumsum(weights[order]), [0.025, 0.975])
        low, high = totals[order][np.minimum(at, _DRAWS - 1)]
        return mean, mean + _WIDER * float(low - mean), mean + _WIDER * float(high - mean)

    def needed(self, rows: Array, half: float) -> int | None:
        """How many more verdicts, drawn as by `sample_order`, make the interval half as wide."""
        if not len(rows):
            return None
        p = expit(self.odds[rows] + self.hats[rows] @ self.values)
        variance = p * (1 - p)
        share = np.sqrt(variance) / np.sqrt(variance).sum()
        slope = self.hats[rows].T @ variance
        gain = (self.hats[rows] * (share * variance)[:, None]).T @ self.hats[rows]

        def width(more: float) -> float:
            unsure = slope @ np.linalg.solve(self.information + more * gain, slope)
            # What is judged is known.
            rest = max(variance.sum() - more * float(share @ variance), 0.0)
            return _WIDER * _Z_95 * float(np.sqrt(unsure * (1 - more / len(rows)) ** 2 + rest))

        low, high = 0.0, float(len(rows))
        if width(0.5 * high) > half:
            return None
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if width(middle) > half else (low, middle)
        return int(np.ceil(high))
