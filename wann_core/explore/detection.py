"""Detection of wrong labels by reliability and votes, where the true labels are known."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.scores import score_labels
from wann_core.experiments.prepared import PreparedData
from wann_core.parallel import in_slices
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
    if evidence.k_bounds == prepared.k_bounds:
        evidence = evidence.with_adaptive_k(prepared.adaptive_k)
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
    scored = list(beliefs(prepared).items())
    found: list[tuple[dict[str, object], pd.DataFrame]] = [({}, pd.DataFrame())] * len(scored)

    def measure(start: int, stop: int) -> None:
        for i in range(start, stop):
            found[i] = areas_and_curve(*scored[i], flipped)

    in_slices(measure, len(scored), rows=1)
    areas, curves = zip(*found, strict=True)
    table = pd.concat(curves, ignore_index=True)
    return Detection(len(flipped), flips, pd.DataFrame(areas), table)


def areas_and_curve(
    name: str, belief: Array, flipped: Array
) -> tuple[dict[str, object], pd.DataFrame]:
    """One score's parts of `Detection.areas` and `Detection.curves`.

    Parameters
    ----------
    name : str
    belief : ndarray of shape (n,), float
        Low is doubtful.
    flipped : ndarray of shape (n,), bool
        Some, not all.
    """
    ranked = np.sort(belief)
    # Labels scored alike are listed together: up to the last of each value.
    ends = np.flatnonzero(np.concatenate([ranked[1:] != ranked[:-1], [True]]))
    listed = ends + 1
    # Values alone are sorted several times as fast as rows by their values.
    finds = np.searchsorted(np.sort(belief[flipped]), ranked[ends], "right")
    right = listed - finds
    recall, false_rate, precision = finds / finds[-1], right / right[-1], finds / listed
    found, passed = np.diff(finds, prepend=0), np.diff(right, prepend=0)
    areas: dict[str, object] = {
        "score": name,
        # Whole numbers: twice the flipped that come before each right label, ties counting half.
        "auroc": float((passed * (2 * finds - found)).sum() / (2 * finds[-1] * right[-1])),
        "average_precision": float((found * precision).sum() / finds[-1]),
    }
    kept = _thinned(recall, false_rate)
    points = {
        "belief": ranked[ends],
        "listed": listed,
        "recall": recall,
        "precision": precision,
        "false_positive_rate": false_rate,
    }
    nothing = {"belief": np.nan, "listed": 0, "recall": 0.0, "precision": np.nan}
    start = {"score": name, **nothing, "false_positive_rate": 0.0}
    table = pd.DataFrame({"score": name} | {key: of[kept] for key, of in points.items()})
    return areas, pd.concat([pd.DataFrame([start]), table], ignore_index=True)


def _thinned(recall: Array, false_rate: Array) -> Array:
    """Indices of the curve points to keep: first, last, and evenly spaced along both axes."""
    last = len(recall) - 1
    if last < 2 * _POINTS:
        return np.arange(last + 1)
    steps = np.linspace(0, 1, _POINTS)
    found = [np.searchsorted(rates, steps) for rates in (recall, false_rate)]
    return np.unique(np.minimum(np.concatenate([[0, last], *found]), last))
