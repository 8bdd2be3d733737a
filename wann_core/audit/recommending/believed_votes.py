"""Neighbor votes that weigh distance and belief in the labels, chosen without clean labels."""

from typing import Literal

import numpy as np
import pandas as pd

from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.judging.kernels import edge_shares
from wann_core.audit.judging.neighbor_votes import NEIGHBORS
from wann_core.errors import WannError
from wann_core.methods.classifiers import NeighborVote
from wann_core.methods.voting import adaptive_k, vote
from wann_core.neighbors.graph import NeighborGraph
from wann_core.parallel import in_slices
from wann_core.typing import Array

BELIEFS = (0.0, 0.5, 1.0)
_K_MIN = 11


class BelievedNeighborsClassifier(NeighborVote):
    """Vote of the 51 nearest rows, weighted by distance and by the belief in their labels.

    A vote weighs exp(-d² / m²), d being its distance and m that of the middle voter, times the
    probability that its given label is right (by an audit of the training rows without a probe) to
    the power of `belief`.

    Parameters
    ----------
    belief : {'auto'} or float
        From 0, plain distance weights. 'auto' takes the one of 0, 0.5 and 1 whose leave-one-out
        answers have most of the audit's posterior; no clean label is needed for that.

    Attributes
    ----------
    classes_ : ndarray of shape (C,)
    belief_ : float
        The one that was taken.
    right_ : ndarray of shape (n,), float64
        Probability that each training label is right.
    agreement_ : Series
        What 'auto' chose by, see `vote_agreement`; empty otherwise.

    Notes
    -----
    Measured beside kNN-51 and WANN in docs/neighbor_votes.md.

    Examples
    --------
    >>> X = np.concatenate([np.zeros((30, 2)), np.ones((30, 2))]) + np.arange(60)[:, None] / 500
    >>> y = np.repeat(["a", "b"], 30)
    >>> y[3] = "b"
    >>> BelievedNeighborsClassifier().fit(X, y).predict([[0.01, 0.01]]).tolist()
    ['a']
    """

    def __init__(self, belief: float | Literal["auto"] = "auto") -> None:
        self.belief = belief

    def _check_parameters(self) -> None:
        number = isinstance(self.belief, int | float) and np.isfinite(self.belief)
        if self.belief != "auto" and (not number or float(self.belief) < 0):
            raise WannError(
                f"`belief` must be 'auto' or a number from 0, got {self.belief!r}.", "belief"
            )

    def _learn(self, graph: NeighborGraph | None) -> None:
        """Audit the training rows, and choose how far belief counts."""
        self.right_, self.agreement_ = np.ones(len(self._X)), pd.Series(dtype=np.float64)
        self.belief_ = 0.0 if self.belief == "auto" else float(self.belief)
        if len(self.classes_) == 1 or self.belief == 0:
            return
        X = np.ascontiguousarray(self._X, np.float32)
        if graph is None:
            graph = NeighborGraph.build(X, k=min(NEIGHBORS, len(X) - 1))
        evidence = Evidence(graph, self._codes, len(self.classes_), X=X)
        self.right_ = right_labels(evidence)
        if self.belief == "auto":
            self.agreement_ = vote_agreement(evidence)
            self.belief_ = max(BELIEFS, key=lambda b: self.agreement_[f"belief {b:g}"])

    def _most_voters(self) -> int:
        return min(NEIGHBORS, len(self._X) - 1)

    def _winners(self, ids: Array, distances: Array) -> Array:
        return np.asarray(self._shares(ids, distances).argmax(axis=1))

    def _shares(self, ids: Array, distances: Array) -> Array:
        ids, distances = ids[:, :NEIGHBORS], distances[:, :NEIGHBORS]
        weights = distance_weights(distances) * self.right_[ids] ** self.belief_
        return vote_shares_by(ids, self._codes, weights, len(self.classes_))


def vote_agreement(evidence: Evidence) -> "pd.Series[float]":
    """Rate each kind of vote by its agreement with the audit, without clean labels.

    Every training row is answered by the others. What counts is the audit's posterior of the
    answer, which knows the given label too: the higher its mean, the better the vote.

    Parameters
    ----------
    evidence : Evidence
        Of two classes or more.

    Returns
    -------
    Series
        Mean probability that the audit gives the answers, 0 to 1, best first, by kind of vote:
        'kNN-11', 'kNN-51', 'WANN' and 'belief 0', 'belief 0.5', 'belief 1' of
        `BelievedNeighborsClassifier`. It ranks them, and is not their accuracy.
    """
    ids, labels, C = evidence.ids, evidence.labels, evidence.n_classes
    near = distance_weights(evidence.graph.train_distances[:, :NEIGHBORS])
    right, most = right_labels(evidence), ids.shape[1]
    k = adaptive_k(ids, labels, min(_K_MIN, most), most)
    answers = {
        f"kNN-{_K_MIN}": vote(ids, labels, min(_K_MIN, most)),
        f"kNN-{NEIGHBORS}": vote(ids, labels, most),
        "WANN": vote(ids, labels, k[ids[:, 0]], weights=1.0 / k),
    }
    for belief in BELIEFS:
        shares = vote_shares_by(ids, labels, near * right[ids] ** belief, C)
        answers[f"belief {belief:g}"] = shares.argmax(axis=1)
    rows = np.arange(len(labels))
    found = {name: float(evidence.first_posterior[rows, a].mean()) for name, a in answers.items()}
    return pd.Series(found).sort_values(ascending=False, kind="stable")


def right_labels(evidence: Evidence) -> Array:
    """Probability that each given label is right."""
    own = evidence.first_posterior[np.arange(len(evidence.labels)), evidence.labels]
    return np.asarray(own, np.float64)


def distance_weights(distances: Array) -> Array:
    """Weights that fall with the distance, in units of the middle voter's."""
    middle = distances[:, (distances.shape[1] - 1) // 2, None].astype(np.float64)
    return np.exp(-((distances / np.maximum(middle, 1e-12)) ** 2))


def vote_shares_by(ids: Array, labels: Array, weights: Array, n_classes: int) -> Array:
    """Share of each class, shape (m, C), in votes that are weighted by edge, shape (m, K)."""
    shares = np.zeros((len(ids), n_classes))
    in_slices(edge_shares, len(ids), ids, labels, weights, shares)
    return shares
