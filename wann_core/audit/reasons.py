"""Why a label is doubted: evidence of its neighbors and the probe, in rows that can be shown."""

from dataclasses import dataclass

import numpy as np

from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.result import Audit
from wann_core.class_table import blocks
from wann_core.typing import Array


@dataclass(frozen=True, eq=False)
class Reasons:
    """What speaks for and against the given label of one row.

    Attributes
    ----------
    position : int
        Of the row in the audit's table; all other positions count in it, too.
    given : int
        Class id of its label.
    likely : ndarray of int64
        The other classes, most likely first.
    neighbors : int
        How many nearest rows were asked.
    agreeing, opposing : ndarray of int64
        Those labeled as the row, and as the first of `likely`, nearest first.
    probe_shares : tuple of float, or None
        Out-of-fold probability of `given` and of the first of `likely`; None without a probe.
    twins : ndarray of int64
        Its near-duplicates.
    remoteness : float
        Mean distance to its 10 nearest rows over the median of that: 1 is usual.
    """

    position: int
    given: int
    likely: Array
    neighbors: int
    agreeing: Array
    opposing: Array
    probe_shares: tuple[float, float] | None
    twins: Array
    remoteness: float


def best_others(evidence: Evidence) -> Array:
    """The likeliest other class than the given one of each row, shape (n,), int64.

    It is the predicted label wherever that differs from the given one.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> shares, labels = np.array([[0.6, 0.3, 0.1], [0.6, 0.3, 0.1]]), np.array([0, 2])
    >>> best_others(SimpleNamespace(shares=shares, labels=labels)).tolist()
    [1, 0]
    """
    best = np.empty(len(evidence.labels), np.int64)
    for rows in blocks(*evidence.shares.shape):
        others = np.array(evidence.shares[rows])
        others[np.arange(len(others)), evidence.labels[rows]] = -1
        best[rows] = others.argmax(axis=1)
    return best


def reasons(found: Audit, position: int, most_likely: int = 5) -> Reasons:
    """What speaks for and against the label of the row at `position` of the audit's table.

    Parameters
    ----------
    found : Audit
    position : int
    most_likely : int
        Length of `likely`, at most.
    """
    evidence, table = found.evidence, found.table
    given = int(evidence.labels[position])
    order = np.argsort(-evidence.shares[position], kind="stable")
    likely = order[order != given][:most_likely]
    near = evidence.ids[position].astype(np.int64)
    labels = evidence.labels[near]
    groups = table["near_duplicate_group"].to_numpy()
    group = int(groups[position])
    twins = np.flatnonzero(groups == group)
    shares = None
    if evidence.probe is not None:
        own = evidence.probe_shares[position]
        shares = float(own[given]), float(own[likely[0]])
    # The outlier score is 2^(-d / median d).
    outlier = max(float(table["outlier_score"].to_numpy()[position]), np.finfo(float).tiny)
    return Reasons(
        position=position,
        given=given,
        likely=likely,
        neighbors=len(near),
        agreeing=near[labels == given],
        opposing=near[labels == likely[0]],
        probe_shares=shares,
        twins=twins[twins != position] if group >= 0 else twins[:0],
        remoteness=-float(np.log2(outlier)),
    )
