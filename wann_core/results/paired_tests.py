"""Paired differences of scores: t interval, t-test, Wilcoxon's signed-rank test."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import stdtr

from wann_core.typing import Array

# From how many seeds on a paired test may call two means level.
LEAST_SEEDS = 3
_ALPHA = 0.05


@dataclass(frozen=True)
class PairedTest:
    """Statistics of the paired differences of two selections.

    Attributes
    ----------
    n : int
        Pairs: runs that agree in seed and every other field.
    difference, low, high : float
        Mean of the second minus the first, with its 95 % t interval (NaN below two pairs).
    p_t, p_wilcoxon : float
        Two-sided; NaN where the test does not apply.
    """

    n: int
    difference: float
    low: float
    high: float
    p_t: float
    p_wilcoxon: float


def paired_test(differences: npt.ArrayLike) -> PairedTest:
    """Mean, t interval, t-test and Wilcoxon's signed-rank test of paired differences."""
    gain = _gains(differences)
    if not len(gain):
        return PairedTest(0, *[math.nan] * 5)
    mean, low, high = float(gain.mean()), math.nan, math.nan
    if len(gain) > 1 and np.ptp(gain) > 0:
        half = float(stats.t.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / math.sqrt(len(gain)))
        low, high = mean - half, mean + half
    some = len(gain) > 1 and np.any(gain)
    wilcoxon = float(stats.wilcoxon(gain).pvalue) if some else math.nan
    return PairedTest(len(gain), mean, low, high, _p_of_t(gain), wilcoxon)


def _gains(differences: npt.ArrayLike) -> Array:
    # 0.9 - 0.8 and 0.91 - 0.81 are equal up to rounding, and 0.8 - 0.7 and 0.7 - 0.8 share a rank.
    return np.round(np.asarray(differences, np.float64), 12)


def _p_of_t(gain: Array) -> float:
    # Without spread the seeds carry no information.
    if len(gain) < 2 or np.ptp(gain) == 0:
        return math.nan
    t = gain.mean() / (gain.std(ddof=1) / math.sqrt(len(gain)))
    # As `stats.ttest_1samp`, whose checks take longer than all else for a large table.
    return float(2 * stdtr(len(gain) - 1, -abs(t)))


def is_level(gain: Array) -> bool:
    """Whether at least three differences do not differ significantly from 0; NaN is left out."""
    gain = _gains(gain[~np.isnan(gain)])
    if len(gain) < LEAST_SEEDS:
        return False
    p = _p_of_t(gain)
    # Without spread there is no p: what every seed agrees on is not a draw.
    return not gain.any() if math.isnan(p) else p >= _ALPHA


def moments(scores: Array) -> tuple[Array, Array, Array]:
    """Mean, standard deviation (of n - 1) and number of the values in each column; NaN aside."""
    n = (~np.isnan(scores)).sum(axis=0)
    mean = np.divide(np.nansum(scores, axis=0), n, out=np.full(len(n), np.nan), where=n > 0)
    squares = np.nansum((scores - mean) ** 2, axis=0)
    std = np.sqrt(np.divide(squares, n - 1, out=np.full(len(n), np.nan), where=n > 1))
    return mean, std, n
