"""How far annotators agree beyond chance."""

from typing import NamedTuple

import numpy as np

from wann_core.typing import Array

_DRAWS = 200


class Agreement(NamedTuple):
    """Krippendorff's α with its 95 % interval over rows; NaN where no row has two labels."""

    alpha: float
    low: float
    high: float
    rows: int  # with at least two labels


def krippendorff(counts: Array, seed: int = 0) -> Agreement:
    """Krippendorff's α for classes: 1 is perfect, 0 is chance.

    Parameters
    ----------
    counts : ndarray of shape (n, C)
        How many annotators gave a row each label.
    seed : int
        Of the bootstrap over rows.

    References
    ----------
    Krippendorff, Content Analysis, chapter 12 (nominal data, missing values); the interval is the
    percentile bootstrap over rows.

    Examples
    --------
    >>> counts = np.array([[2, 0], [2, 0], [1, 1], [0, 2]])
    >>> round(krippendorff(counts).alpha, 3)
    0.533
    """
    labels = counts.sum(axis=1)
    counts = counts[labels > 1].astype(np.float64)
    labels = labels[labels > 1]
    if not len(counts):
        return Agreement(np.nan, np.nan, np.nan, 0)
    unlike = (labels**2 - (counts**2).sum(axis=1)) / (labels - 1)
    rows = np.column_stack([unlike, counts])
    rng = np.random.default_rng(seed)
    even = np.full(len(rows), 1 / len(rows))
    drawn = [_alpha(rng.multinomial(len(rows), even) @ rows) for _ in range(_DRAWS)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Agreement(_alpha(rows.sum(axis=0)), float(low), float(high), len(rows))


def _alpha(sums: Array) -> float:
    """α from the observed disagreement and the labels of each class."""
    unlike, per_class = sums[0], sums[1:]
    total = per_class.sum()
    by_chance = total**2 - (per_class**2).sum()
    # One class only: there is nothing to disagree about.
    return float(1 - (total - 1) * unlike / by_chance) if by_chance > 0 else 1.0
