"""Detection of wrong labels by reliability and votes, where the true labels are known."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.scores import score_labels
from wann_core.experiments.prepared import PreparedData
from wann_core.typing import Array

SCORES = ("eta", "vote_share", "eta_share", "neighbors")

_POINTS = 300  # of a drawn curve, along either axis


@dataclass(frozen=True, eq=False)
class Detection:
    """Curves and areas of each score's detection of flipped labels.

    Attributes
    ----------
    rows, flips : int
        Training rows, and those among them whose label is not the clean one.
    areas : DataFrame
        score, auroc (chance that a flipped label scores below a right one, ties half), average
        precision (Σ precision × step of recall over all thresholds): from all rows.
    curves : DataFrame
        score, belief, listed, recall, precision, false_positive_rate: of the `listed` labels
        scored at or below `belief`. Labels scored alike are listed together. The first row of a
        score lists none. Of long curves some hundred points are kept.
    """

    rows: int
    flips: int
    areas: pd.DataFrame
    curves: pd.DataFrame

    @property
    def base_rate(self) -> float:
        """Share of flipped labels: the precision of guessing."""
        return self.flips / self.rows


def beliefs(prepared: PreparedData) -> dict[str, Array]:
    """Scores of the given training labels by each method: low is doubtful.

    Returns
    -------
    dict of ndarray of shape (n,), float64
        'eta': reliability η = 1 / adaptive k under the scenario's bounds. 'vote_share': share of
        the given label in the η-weighted votes of the 51 nearest other rows, each η found without
        the judged row. 'eta_share': η × vote share. 'neighbors': what the audit makes of the same
        neighbors, nearer ones weighing more and corrected for the noise found.
    """
    evidence = Evidence(
        prepared.graph, prepared.labels, prepared.dataset.n_classes, bounds=prepared.k_bounds
    )
    eta, share = prepared.reliability, score_labels(evidence, "wann_share")
    return {
        "eta": eta,
        "vote_share": share,
        "eta_share": eta * share,
        "neighbors": score_labels(evidence, "neighbors"),
    }


def detection(prepared: PreparedData) -> Detection | None:
    """Curves and areas of every score; None unless there are right and wrong labels both.

    Labels that are wrong without anyone knowing count as right ones.
    """
    flipped = prepared.labels != prepared.clean_labels
    flips = int(flipped.sum())
    if flips in (0, len(flipped)):
        return None
    areas, curves = [], []
    for name, belief in beliefs(prepared).items():
        areas.append(
            {
                "score": name,
                "auroc": roc_auc_score(flipped, -belief),
                "average_precision": average_precision_score(flipped, -belief),
            }
        )
        curves.append(curve(name, belief, flipped))
    table = pd.concat(curves, ignore_index=True)
    return Detection(len(flipped), flips, pd.DataFrame(areas), table)


def curve(name: str, belief: Array, flipped: Array) -> pd.DataFrame:
    """One score's part of `Detection.curves`.

    Parameters
    ----------
    name : str
    belief : ndarray of shape (n,), float
        Low is doubtful.
    flipped : ndarray of shape (n,), bool
        Some, not all.
    """
    # The first point, where nothing is listed, is added below.
    false_rate, recall, thresholds = (
        points[1:] for points in roc_curve(flipped, -belief, drop_intermediate=False)
    )
    finds = np.rint(recall * flipped.sum())
    listed = finds + np.rint(false_rate * (~flipped).sum())
    kept = _thinned(recall, false_rate)
    table = pd.DataFrame(
        {
            "score": name,
            "belief": -thresholds[kept],
            "listed": listed[kept].astype(np.int64),
            "recall": recall[kept],
            "precision": finds[kept] / listed[kept],
            "false_positive_rate": false_rate[kept],
        }
    )
    nothing = {"score": name, "belief": np.nan, "listed": 0, "recall": 0.0, "precision": np.nan}
    start = pd.DataFrame([{**nothing, "false_positive_rate": 0.0}])
    return pd.concat([start, table], ignore_index=True)


def _thinned(recall: Array, false_rate: Array) -> Array:
    """Indices of the curve points to keep: first, last, and evenly spaced along both axes."""
    last = len(recall) - 1
    if last < 2 * _POINTS:
        return np.arange(last + 1)
    steps = np.linspace(0, 1, _POINTS)
    found = [np.searchsorted(rates, steps) for rates in (recall, false_rate)]
    return np.unique(np.minimum(np.concatenate([[0, last], *found]), last))
