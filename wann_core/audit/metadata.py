"""Where wrong labels come from: estimates by annotator, month, site or any other column."""

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import chi2, norm, pearson3

from wann_core.audit.result import Audit
from wann_core.errors import WannError
from wann_core.noise.rate import NoiseEstimate
from wann_core.typing import Array

OTHERS = "(other values)"
ALARM = 0.05
_FEWEST_ROWS = 10
_MOST_VALUES = 1_000
_WHOLE_NUMBERS, _RANGES = 20, 10
_MOST_MONTHS = 60
_FLOOR = 1e-6
_MOST_TIMES = 1e4
_NORMAL = 1e-3  # below this skewness


def doubt_by_metadata(audit: Audit, columns: pd.DataFrame) -> pd.DataFrame:
    """Estimate wrong labels for each value of each metadata column, worst first.

    A value is compared with the other rows of the same given labels, so that nobody is blamed for
    having been given the hard classes.

    Parameters
    ----------
    audit : Audit
    columns : DataFrame
        One row a labeled row, in the order of `audit.table`, as in `Dataset.columns`. Dates count
        by month, numbers of many values by tenths; values of fewer than ten rows count together.

    Returns
    -------
    DataFrame
        column, value, rows (that can be judged), wrong (estimated number), low and high (its 95 %
        interval), times (odds of a wrong label over the odds elsewhere), p_value (one-sided: more
        wrong labels than elsewhere), p_corrected (Holm, over all lines), alarm (p_corrected below
        0.05).

    Raises
    ------
    WannError
        If there is not one row a labeled row.

    Notes
    -----
    The p-value is that of a permutation of the rows among those of the same given label; its
    distribution is Pearson's type III of the same mean, variance and skewness (Berry, Mielke). The
    number is the maximum-likelihood estimate under other odds of an error (Saerens, Latinne,
    Decaestecker, Adjusting the Outputs of a Classifier to New a Priori Probabilities, Neural
    Computation 2002); the interval is that of its likelihood ratio. It takes the audit's
    probabilities for calibrated, up to the estimated number of wrong labels.
    """
    table = audit.table
    if len(columns) != len(table):
        raise WannError(
            f"`columns` must have one row a labeled row ({len(table):,}), got {len(columns):,}.",
            "columns",
        )
    # The estimate is of the rows that can be judged.
    judged = audit.evidence.judgeable
    labels = audit.rows.labels[judged]
    doubt = 1 - audit.weights[audit.everything.labeled][judged]
    wrong = _calibrated(doubt, audit.noise.rate)
    usual = _by_class(wrong, labels)
    lines: list[dict[str, Any]] = []
    for name in columns:
        values = slices_of(columns[name])[judged]
        codes, known = pd.factorize(_few(values))
        # A single value cannot be compared with others.
        if len(known) < 2:
            continue
        p_values = _p_values(wrong, labels, codes, len(known))
        for code, value in enumerate(known):
            mine = codes == code
            found = _estimate(wrong[mine], usual[mine], audit.noise)
            lines.append(
                {
                    "column": str(name),
                    "value": str(value),
                    "rows": int(mine.sum()),
                    **found,
                    "p_value": p_values[code],
                }
            )
    names = ["column", "value", "rows", "wrong", "low", "high", "times", "p_value"]
    result = pd.DataFrame(lines, columns=names)
    result["p_corrected"] = _holm(result["p_value"].to_numpy(float))
    result["alarm"] = result["p_corrected"] < ALARM
    return result.sort_values(["p_value", "times"], ascending=[True, False], ignore_index=True)


def slices_of(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """A column in parts of which each may have many rows: dates by month, numbers by tenths.

    Examples
    --------
    >>> slices_of(pd.Series(pd.to_datetime(["2024-02-01", "2024-02-28", "2024-05-01"]))).tolist()
    ['2024-02', '2024-02', '2024-05']
    """
    if values.dtype.kind == "M":
        months = values.dt.strftime("%Y-%m")
        count = months.nunique()
        form = "%Y" if count > _MOST_MONTHS else "%Y-%m" if count > 1 else "%Y-%m-%d"
        return pd.Series(values.dt.strftime(form))
    if pd.api.types.is_bool_dtype(values.dtype) or not pd.api.types.is_numeric_dtype(values.dtype):
        return values.astype(object).where(values.notna(), None)
    if values.nunique() <= _WHOLE_NUMBERS:
        return values.map(lambda v: None if v != v else f"{v:.6g}")
    edges = np.unique(np.nanquantile(values.to_numpy(float), np.linspace(0, 1, _RANGES + 1)))
    if len(edges) < 2:
        return values.map(lambda v: None if v != v else f"{v:.6g}")
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    names = np.array([f"{a:.4g} to {b:.4g}" for a, b in pairwise(edges)])
    named = pd.Series(names.astype(object)[place], index=values.index)
    return named.where(values.notna(), None)


def _few(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """The column with values of few rows as one; missing ones stay missing."""
    counts = values.value_counts()
    kept = set(counts.index[counts >= _FEWEST_ROWS][:_MOST_VALUES])
    few = values.notna() & ~values.isin(kept)
    # Where hardly any are left over, they are nothing to compare.
    return values.astype(object).mask(few, OTHERS if few.sum() >= _FEWEST_ROWS else None)


def _calibrated(wrong: Array, rate: float) -> Array:
    """Probabilities whose mean is the estimated rate, by other odds for all."""
    wrong = np.clip(wrong, _FLOOR, 1 - _FLOOR)
    rate = min(max(rate, _FLOOR), 1 - _FLOOR)

    def over(log_times: float) -> float:
        return float(_shifted(wrong, np.exp(log_times)).mean() - rate)

    ends = -np.log(_MOST_TIMES), np.log(_MOST_TIMES)
    if over(ends[0]) > 0 or over(ends[1]) < 0:
        return wrong
    return _shifted(wrong, float(np.exp(brentq(over, *ends))))


def _shifted(wrong: Array, times: float) -> Array:
    shifted: Array = wrong * times / (1 - wrong + wrong * times)
    return shifted


def _by_class(wrong: Array, labels: Array) -> Array:
    """Mean over the rows of the same given label."""
    counts = np.maximum(np.bincount(labels), 1)
    means: Array = (np.bincount(labels, weights=wrong) / counts)[labels]
    return means


def _estimate(wrong: Array, usual: Array, noise: NoiseEstimate) -> dict[str, float]:
    """Number of wrong labels under the likeliest odds, and its interval.

    Half of the interval's width is made of chance and of the range of the whole number, in squares.
    """

    def likelihood(log_times: float) -> float:
        times = np.exp(log_times)
        return float((np.log(1 - wrong + times * wrong) - np.log(1 - usual + times * usual)).sum())

    grid = np.linspace(-np.log(_MOST_TIMES), np.log(_MOST_TIMES), 369)
    heights = np.array([likelihood(x) for x in grid])
    inside = heights >= heights.max() - chi2.ppf(0.95, 1) / 2
    best = float(np.exp(grid[heights.argmax()]))
    low, high = (float(np.exp(grid[np.flatnonzero(inside)[end]])) for end in (0, -1))
    number = float(_shifted(wrong, best).sum())
    below = number - float(_shifted(wrong, low).sum())
    above = float(_shifted(wrong, high).sum()) - number
    count = max(noise.count, 1)
    below = float(np.hypot(below, number * (1 - noise.low / count)))
    above = float(np.hypot(above, number * (noise.high / count - 1)))
    return {
        "wrong": number,
        "low": max(number - below, 0.0),
        "high": min(number + above, float(len(wrong))),
        "times": best,
    }


def _p_values(wrong: Array, labels: Array, codes: Array, values: int) -> Array:
    """One-sided p-value of each value's sum under permutation within the given labels."""
    known = codes >= 0
    wrong, labels, codes = wrong[known], labels[known], codes[known]
    shape = values, int(labels.max()) + 1
    n = np.zeros(shape)
    np.add.at(n, (codes, labels), 1)
    sums = np.bincount(codes, weights=wrong, minlength=values)
    N = n.sum(axis=0)
    safe = np.maximum(N, 1)
    mean = np.bincount(labels, weights=wrong, minlength=shape[1]) / safe
    apart = wrong - mean[labels]
    second = np.bincount(labels, weights=apart**2, minlength=shape[1]) / safe
    third = np.bincount(labels, weights=apart**3, minlength=shape[1]) / safe
    # Moments of a sum of n of N values drawn without replacement.
    variance = (n * (N - n) / np.maximum(N - 1, 1) * second).sum(axis=1)
    cubed = n * (N - n) * (N - 2 * n) / np.maximum((N - 1) * (N - 2), 1) * third
    spread = np.sqrt(np.maximum(variance, 1e-30))
    z = (sums - n @ mean) / spread
    skewness = cubed.sum(axis=1) / spread**3
    tail = [
        norm.sf(a) if abs(skew) < _NORMAL else pearson3.sf(a, skew)
        for a, skew in zip(z.tolist(), skewness.tolist(), strict=True)
    ]
    return np.where(variance > 1e-12, tail, 1.0)


def _holm(p: Array) -> Array:
    """Holm's correction for as many tests as there are."""
    order = np.argsort(p, kind="stable")
    raised = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    corrected = np.empty(len(p))
    corrected[order] = raised
    return corrected
