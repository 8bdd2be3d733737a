"""The scores by name: how far a given label is to be believed, 1 is sure, 0 is doubtful."""

from collections.abc import Callable

import numpy as np

from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.judging.neighbor_scores import near_vote_odds, own_vote_share
from wann_core.audit.judging.shares import best_other, odds, own_share
from wann_core.class_table import Shares, blocks
from wann_core.errors import WannError, check_choice
from wann_core.typing import Array

_SIMIFEAT_K = 10


def score_labels(evidence: Evidence, name: str) -> Array:
    """The score of that name, see `SCORES`; shape (n,), float64, in [0, 1].

    Raises
    ------
    WannError
        If it is unknown, or needs a probe where there is none.
    """
    check_choice("score", name, SCORES)
    if name == "probe" and evidence.probe is None:
        raise WannError("`score` 'probe' needs a probe, and there is none.", "score")
    clipped: Array = np.clip(SCORES[name](evidence), 0.0, 1.0)
    return clipped


def _knn(evidence: Evidence, k: int) -> Shares:
    weights = np.zeros(evidence.ids.shape)
    weights[:, :k] = 1
    return evidence.vote_shares(weights)


def _simifeat_v(evidence: Evidence) -> Array:
    """Margin of the given label in the vote of the 10 nearest, below 0.5 where it loses."""
    shares = _knn(evidence, _SIMIFEAT_K)
    return (1 + own_share(shares, evidence.labels) - best_other(shares, evidence.labels)) / 2


def _simifeat_r(evidence: Evidence) -> Array:
    """Rank within the class by cosine of vote and label, 0.5 where its estimated noise ends."""
    labels, shares = evidence.labels, _knn(evidence, _SIMIFEAT_K)
    norms = [np.linalg.norm(shares[rows], axis=1) for rows in blocks(*shares.shape)]
    cosine = own_share(shares, labels) / np.maximum(np.concatenate(norms), 1e-12)
    transition = evidence.noise.transition
    counts = np.bincount(labels, minlength=evidence.n_classes).astype(np.float64)
    # Column c of the joint, by Bayes: how many of those labeled c are of another class.
    true = transition.true_counts(counts)
    right = (1 - transition.rates) * np.maximum(true, 0) / np.maximum(counts, 1)
    wrong = np.clip(1 - right, 1e-6, 1 - 1e-6)
    score = np.empty(len(labels))
    for c in np.unique(labels):
        rows = np.flatnonzero(labels == c)
        # Equal cosines get their mean rank: the order of the rows must not matter.
        _, place, ties = np.unique(cosine[rows], return_inverse=True, return_counts=True)
        rank = ((np.cumsum(ties) - ties / 2) / len(rows))[place]
        below = 0.5 * rank / wrong[c]
        above = 0.5 + 0.5 * (rank - wrong[c]) / (1 - wrong[c])
        score[rows] = np.where(rank < wrong[c], below, above)
    return score


def _confident(evidence: Evidence) -> Array:
    """WANN shares over the mean share that each class gives to its own rows."""
    shares, labels = evidence.wann_shares, evidence.labels
    counts = np.maximum(np.bincount(labels, minlength=evidence.n_classes), 1)
    sums = np.bincount(labels, weights=own_share(shares, labels), minlength=evidence.n_classes)
    scale, scaled = np.maximum(sums / counts, 1e-6), np.empty(len(labels))
    for rows in blocks(*shares.shape):
        scaled[rows] = odds(shares[rows] / scale, labels[rows])
    return scaled


# 'combined' is the default: of probe and neighbors, or the same as 'neighbors' without a probe.
SCORES: dict[str, Callable[[Evidence], Array]] = {
    "combined": lambda e: odds(e.posterior, e.labels),
    "neighbors": near_vote_odds,
    "probe": lambda e: own_share(e.probe_shares, e.labels),
    "wann_share": lambda e: own_vote_share(e, e.neighbor_k),
    "knn_share": lambda e: own_vote_share(e, np.ones(e.ids.shape, np.uint8)),
    "confident": _confident,
    "simifeat_v": _simifeat_v,
    "simifeat_r": _simifeat_r,
    "eta": lambda e: 1.0 / e.adaptive_k,
}
DEFAULT_SCORE = "combined"
