"""How far down the list is worth reading: the reviewer's own precision, and what is still to come.

Nothing here knows the true labels: a found error is a verdict 'relabel' or 'remove', and what has
not been read is expected by an estimate that is set right by what has been found.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import gamma
from sklearn.isotonic import IsotonicRegression

from wann_core.audit.result import Audit
from wann_core.audit.reviewing.known_flips import KnownFlips
from wann_core.errors import check_number
from wann_core.methods.metrics import wilson_interval
from wann_core.typing import Array

# The reviewer's finds count beside the estimate as if it had been borne out on this many errors.
_PRIOR_ERRORS = 4.0
# Finds far up the list hardly predict its rate where the reviewer is now.
_RECENT = 200


@dataclass(frozen=True)
class Outlook:
    """What the next rows of the list are expected to bring.

    Attributes
    ----------
    stop : bool
        Whether fewer errors are expected among the next rows than make them worth reading.
    rows : int
        Rows looked ahead, those that nobody has judged yet, in the order of the list.
    expected : float
        Wrong labels expected among them.
    low, high : float
        Where that number's mean lies with 95 %, as far as the estimate's shape holds.
    factor : float
        Errors found by the reviewer over errors that the estimate expected in the same rows, drawn
        to 1 while there are few.
    text : str
        The reasoning, for the reviewer.
    """

    stop: bool
    rows: int
    expected: float
    low: float
    high: float
    factor: float
    text: str


def running_precision(ranked: pd.DataFrame, verdicts: pd.DataFrame) -> pd.DataFrame:
    """Precision of the list so far, by the reviewer's own verdicts.

    Parameters
    ----------
    ranked : DataFrame
        The audit's table, most doubtful first; columns split and row.
    verdicts : DataFrame
        Columns split, row and action; 'unsure' counts neither way.

    Returns
    -------
    DataFrame
        One row a judged sample in the order of the list: rank (from 1), judged, errors (both so
        far), precision, low and high (its 95 % Wilson interval).
    """
    wrong = judged_wrong(ranked, verdicts)
    rank = np.flatnonzero(~np.isnan(wrong))
    errors = np.cumsum(wrong[rank]).astype(np.int64)
    judged = np.arange(1, len(rank) + 1)
    bounds = [wilson_interval(e, n) for e, n in zip(errors.tolist(), judged.tolist(), strict=True)]
    low, high = np.array(bounds).reshape(-1, 2).T
    return pd.DataFrame(
        {
            "rank": rank + 1,
            "judged": judged,
            "errors": errors,
            "precision": errors / np.maximum(judged, 1),
            "low": low,
            "high": high,
        }
    )


def error_rates(found: Audit, flips: KnownFlips | None = None) -> Array:
    """Probability that each label is wrong, in the order of `found.ranked()`; shape (n,).

    By the posterior that the given class is not the true one, scaled to the number of wrong labels
    that the audit estimates; or, where labels were flipped on purpose under the score that ranks
    the list, by how the flips lie along it, smoothed so that the rate falls.
    """
    n = len(found.table)
    if flips is not None and (flips.expected["score"] == found.score_name).any():
        curve = flips.expected[flips.expected["score"] == found.score_name]
        depths = np.concatenate([[0], curve["n"]])
        errors = np.concatenate([[0.0], curve["errors"]])
        rates = np.diff(np.interp(np.arange(n + 1), depths, errors))
        falling = IsotonicRegression(increasing=False).fit_transform(np.arange(n), rates)
        return np.asarray(np.clip(falling, 0, 1))
    labels = found.rows.labels
    wrong = 1 - found.evidence.unscaled_posterior[np.arange(n), labels]
    wrong = scaled(wrong, min(found.noise.count, n))
    return np.asarray(wrong[found.ranked().index])


def outlook(
    ranked: pd.DataFrame,
    rates: Array,
    verdicts: pd.DataFrame,
    *,
    ahead: int = 50,
    least: float = 5,
) -> Outlook:
    """What the next rows will bring, and whether they are worth reading.

    The estimate's rates are multiplied by a factor: errors found over errors expected among the
    last 200 judged rows of the list. The errors of a stretch are taken for Poisson-distributed
    about factor times rate, and the factor for gamma-distributed around 1 beforehand.

    Parameters
    ----------
    ranked, verdicts
        As for `running_precision`.
    rates : ndarray of shape (n,)
        See `error_rates`.
    ahead : int
        How many unjudged rows to look ahead.
    least : float
        The fewest errors among them that are worth the reading; where fewer rows are left, as many
        less.

    Raises
    ------
    WannError
        If a number is out of range.
    """
    check_number("ahead", ahead, 1, whole=True)
    check_number("least", least, 0, ahead)
    wrong = judged_wrong(ranked, verdicts)
    judged = np.flatnonzero(~np.isnan(wrong))
    recent = judged[-_RECENT:]
    found, hoped = float(wrong[recent].sum()), float(rates[recent].sum())
    shape, scale = _PRIOR_ERRORS + found, 1 / (_PRIOR_ERRORS + hoped)
    read = _positions(ranked, verdicts)
    rest = np.setdiff1d(np.arange(len(ranked)), read)[:ahead]
    mass = float(rates[rest].sum())
    factor = shape * scale
    low, high = (
        min(mass * float(factor), len(rest))
        for factor in gamma.ppf([0.025, 0.975], shape, 0, scale)
    )
    expected = min(mass * factor, float(len(rest)))
    worth = least * len(rest) / ahead
    stop = not len(rest) or expected < worth
    if not len(rest):
        text = "Every row has been judged."
    else:
        so_far = (
            f"Of the last {len(recent):,} judged rows of the list {found:,.0f} were wrong, where "
            f"the estimate expected {hoped:,.{_digits(hoped)}f}"
            if len(recent)
            else "Nothing has been judged yet, so this is the estimate alone"
        )
        digits = _digits(expected)  # of both ends, too
        text = (
            f"{so_far}. Of the next {len(rest):,} about {expected:,.{digits}f} "
            f"({low:,.{digits}f} to {high:,.{digits}f}) should be wrong: "
            f"{'fewer' if stop else 'no fewer'} than "
            f"{worth:.2g}, so reading on {'hardly pays' if stop else 'pays'}."
        )
    return Outlook(stop, len(rest), expected, low, high, factor, text)


def _digits(expected: float) -> int:
    """Decimals of an expected number of rows: they say something only while it is small."""
    return 0 if expected >= 10 else 1


def scaled(weights: Array, total: float) -> Array:
    """Weights times one factor, cut at 1, so that they sum to `total`."""
    low, high = 0.0, 1.0
    while np.minimum(weights * high, 1).sum() < total and high < 1e12:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if np.minimum(weights * middle, 1).sum() < total else (low, middle)
        )
    return np.asarray(np.minimum(weights * high, 1))


def _positions(ranked: pd.DataFrame, verdicts: pd.DataFrame) -> Array:
    """Places in the list of the rows that have a verdict, in the order of the verdicts."""
    places = _places(ranked, verdicts)
    return places[places >= 0]


def judged_wrong(ranked: pd.DataFrame, verdicts: pd.DataFrame) -> Array:
    """1 for a found error, 0 for a label kept, NaN for a row not judged; by place in the list."""
    sure = verdicts[verdicts["action"] != "unsure"]
    places = _places(ranked, sure)
    wrong = np.full(len(ranked), np.nan)
    there = places >= 0
    wrong[places[there]] = (sure["action"] != "keep").to_numpy()[there]
    return wrong


def _places(ranked: pd.DataFrame, verdicts: pd.DataFrame) -> Array:
    """Place in the list of each verdict's row, -1 where it is not in it."""
    # Verdicts are few beside rows: only rows that may have one are worth an index.
    some = np.flatnonzero(ranked["row"].isin(verdicts["row"]))
    index = pd.MultiIndex.from_frame(ranked[["split", "row"]].iloc[some])
    found = index.get_indexer(pd.MultiIndex.from_frame(verdicts[["split", "row"]]))
    return np.where(found >= 0, np.append(some, -1)[found], -1)
