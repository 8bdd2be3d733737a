"""Scores of how far a given label is to be believed: 1 is sure, 0 is doubtful.

No row's own label ever speaks for itself: not as a neighbor, not through the reliability of its
neighbors, and not in the fit of the probe that judges it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wann_core.audit.kernels import edge_shares, edge_votes, near_shares, reliability_without
from wann_core.errors import WannError
from wann_core.methods.probes.out_of_fold import Witness
from wann_core.methods.voting import adaptive_k
from wann_core.neighbors.graph import NeighborGraph
from wann_core.noise.rate import (
    RANKING_ANCHORS,
    NoiseEstimate,
    anchor_matrix,
    estimate_noise,
    posterior,
)
from wann_core.parallel import in_slices
from wann_core.typing import Array

# All of this was chosen by measurement, see docs/audit.md.
NEIGHBORS = 51
_K_MIN = 11
_SIMIFEAT_K = 10
_PROBE_PART = 0.75
_FLOOR = 0.01
_TRUST = 0.5
_ROUNDS = 3
# Below this agreement of the neighbors, an estimate above this share of what guessing would get
# wrong tells of the embedding rather than of the labels.
_FEWEST_AGREE = 0.34
_IMPLAUSIBLE = 0.55


@dataclass(frozen=True, eq=False)
class Evidence:
    """What speaks for and against the given labels.

    Attributes
    ----------
    graph : NeighborGraph
        Of all rows among each other.
    labels : ndarray of shape (n,), int64
        Given class ids.
    n_classes : int
        C.
    probe : Witness or None
        None where no probe is wanted.
    bounds : tuple of int
        k_min and k_max of the adaptive k; cut to the neighbors that there are, see `k_bounds`.
    """

    graph: NeighborGraph
    labels: Array
    n_classes: int
    probe: Witness | None = None
    bounds: tuple[int, int] = (_K_MIN, NEIGHBORS)

    @property
    def ids(self) -> Array:
        """Neighbors of each row, shape (n, K)."""
        return self.graph.train_ids[:, :NEIGHBORS]

    @property
    def k_bounds(self) -> tuple[int, int]:
        """Bounds of the adaptive k, cut to the neighbors that there are."""
        k_max = min(self.bounds[1], self.ids.shape[1])
        return min(self.bounds[0], k_max), k_max

    @cached_property
    def adaptive_k(self) -> Array:
        """Smallest neighborhood that explains each label, shape (n,), int32."""
        return adaptive_k(self.ids, self.labels, *self.k_bounds)

    @cached_property
    def reliabilities(self) -> Array:
        """η of each neighbor of each row, found without the row itself; shape (n, K), float64."""
        weights = np.empty(self.ids.shape)
        labels = self.labels.astype(np.int32)
        in_slices(
            reliability_without,
            len(labels),
            self.ids,
            self.graph.train_distances,
            labels,
            self.adaptive_k,
            *self.k_bounds,
            self.n_classes,
            weights,
            rows=512,
        )
        return weights

    @cached_property
    def wann_shares(self) -> Array:
        """η-weighted votes of the neighbors, each η found without the judged row; (n, C)."""
        return self._shares(self.reliabilities)

    @cached_property
    def wann_votes(self) -> Array:
        """What WANN answers for each row, fitted to all others; shape (n,), int64.

        As many neighbors vote as the adaptive k of the nearest one says, each with its η; equal
        sums go to the class met first.
        """
        votes = np.empty(len(self.labels), np.int64)
        in_slices(
            edge_votes,
            len(votes),
            self.ids,
            self.labels,
            self.reliabilities,
            self.n_classes,
            votes,
        )
        return votes

    @cached_property
    def near_shares(self) -> Array:
        """Votes of the neighbors, nearer ones weighing more (a Gaussian kernel); (n, C)."""
        shares = np.zeros((len(self.labels), self.n_classes))
        distances = self.graph.train_distances[:, :NEIGHBORS]
        in_slices(near_shares, len(shares), self.ids, self.labels, distances, shares)
        return shares

    @cached_property
    def probe_shares(self) -> Array:
        """Out-of-fold probabilities of a logistic regression on the given labels; (n, C)."""
        assert self.probe is not None
        return self.probe.probabilities()

    @cached_property
    def shares(self) -> Array:
        """The best shares that there are, of probe and neighbors or of neighbors alone; (n, C).

        The probe is fitted once more with each row weighted by how far the first fit believes its
        label.
        """
        if self.probe is None:
            return self.near_shares
        belief = _own(_absorb(self.probe_shares, self.labels), self.labels)
        again = self.probe.probabilities(belief / belief.mean())
        return _PROBE_PART * again + (1 - _PROBE_PART) * self.wann_shares

    @cached_property
    def posterior(self) -> Array:
        """Probability of each true class, given labels and noise; shape (n, C)."""
        return _posterior(self.shares, self.labels)

    @cached_property
    def noise(self) -> NoiseEstimate:
        """The estimate of how many labels are wrong."""
        return estimate_noise(self.shares, self.labels)

    @cached_property
    def agreement(self) -> float:
        """How far the votes of every other neighbor agree with those of the rest (Cohen's κ).

        1 is always, 0 is by chance. Noise alone lowers it little: both halves see the same classes.
        """
        votes = []
        for half in range(2):
            weights = np.zeros(self.ids.shape)
            weights[:, half::2] = 1
            votes.append(self._shares(weights).argmax(axis=1))
        a, b = (np.bincount(v, minlength=self.n_classes) / len(v) for v in votes)
        chance = float(a @ b)
        return (float((votes[0] == votes[1]).mean()) - chance) / (1 - chance) if chance < 1 else 1.0

    @property
    def tells_apart(self) -> bool:
        """Whether the embedding tells the classes apart, so that the noise estimate means much.

        It is denied where the neighbors of a row contradict each other and most labels look wrong.
        Nothing can tell that from labels that really are that bad; neither can the estimate.
        """
        shares = np.bincount(self.labels, minlength=self.n_classes) / len(self.labels)
        guessing = 1 - float(shares @ shares)
        return self.noise.rate < _IMPLAUSIBLE * guessing or self.agreement >= _FEWEST_AGREE

    def score(self, name: str) -> Array:
        """The score of that name, see `SCORES`; shape (n,), float64, in [0, 1].

        Raises
        ------
        WannError
            If it is unknown, or needs a probe where there is none.
        """
        if name not in SCORES:
            raise WannError(f"`score` must be one of {', '.join(SCORES)}; got {name!r}.", "score")
        if name == "probe" and self.probe is None:
            raise WannError("`score` 'probe' needs a probe, which was not wanted.", "score")
        clipped: Array = np.clip(SCORES[name](self), 0.0, 1.0)
        return clipped

    def _shares(self, weights: Array) -> Array:
        shares = np.zeros((len(self.labels), self.n_classes))
        in_slices(edge_shares, len(shares), self.ids, self.labels, weights, shares)
        return shares


def _own(shares: Array, labels: Array) -> Array:
    """The share of each row's given label."""
    return np.asarray(shares[np.arange(len(labels)), labels], np.float64)


def _best_other(shares: Array, labels: Array) -> Array:
    """The largest share of another label than the given one."""
    others = shares.copy()
    others[np.arange(len(labels)), labels] = -np.inf
    return np.asarray(others.max(axis=1), np.float64)


def _odds(shares: Array, labels: Array) -> Array:
    """Share of the given label in itself and its strongest rival."""
    own, rival = _own(shares, labels), np.maximum(_best_other(shares, labels), 0)
    total = own + rival
    odds: Array = np.divide(own, total, out=np.full_like(own, 0.5), where=total > 0)
    return odds


def _posterior(shares: Array, labels: Array) -> Array:
    # The matrix is an estimate: its square root trusts it half, on the scale of log-odds.
    T = anchor_matrix(shares, labels, RANKING_ANCHORS) ** _TRUST
    return posterior(shares, labels, T, _FLOOR)


def _absorb(shares: Array, labels: Array) -> Array:
    """Posterior of the true classes after a few rounds of EM for the transition matrix."""
    n_classes = shares.shape[1]
    T = np.full((n_classes, n_classes), 0.2 / max(n_classes - 1, 1))
    np.fill_diagonal(T, 0.8)
    for _ in range(_ROUNDS):
        true = posterior(shares, labels, T, _FLOOR)
        T = 1.0 + np.stack(
            [np.bincount(labels, weights=true[:, c], minlength=n_classes) for c in range(n_classes)]
        )
        T /= T.sum(axis=1, keepdims=True)
    return true


def _knn(evidence: Evidence, k: int) -> Array:
    weights = np.zeros(evidence.ids.shape)
    weights[:, :k] = 1
    return evidence._shares(weights)


def _simifeat_v(evidence: Evidence) -> Array:
    """Margin of the given label in the vote of the 10 nearest, below 0.5 where it loses."""
    shares = _knn(evidence, _SIMIFEAT_K)
    return (1 + _own(shares, evidence.labels) - _best_other(shares, evidence.labels)) / 2


def _simifeat_r(evidence: Evidence) -> Array:
    """Rank within the class by cosine of vote and label, 0.5 where its estimated noise ends."""
    labels, shares = evidence.labels, _knn(evidence, _SIMIFEAT_K)
    norms = np.maximum(np.linalg.norm(shares, axis=1), 1e-12)
    cosine = _own(shares, labels) / norms
    joint = evidence.noise.transition_matrix
    counts = np.bincount(labels, minlength=evidence.n_classes)
    # Column c of the joint, by Bayes: how many of those labeled c are of another class.
    true = np.linalg.lstsq(joint.T, counts.astype(np.float64), rcond=None)[0]
    right = np.diag(joint) * np.maximum(true, 0) / np.maximum(counts, 1)
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
    sums = np.bincount(labels, weights=_own(shares, labels), minlength=evidence.n_classes)
    return _odds(shares / np.maximum(sums / counts, 1e-6), labels)


def _neighbors(evidence: Evidence) -> Array:
    return _odds(_posterior(evidence.near_shares, evidence.labels), evidence.labels)


# 'combined' is the default: of probe and neighbors, or the same as 'neighbors' without a probe.
SCORES: dict[str, Callable[[Evidence], Array]] = {
    "combined": lambda e: _odds(e.posterior, e.labels),
    "neighbors": _neighbors,
    "probe": lambda e: _own(e.probe_shares, e.labels),
    "wann_share": lambda e: _own(e.wann_shares, e.labels),
    "knn_share": lambda e: _own(_knn(e, NEIGHBORS), e.labels),
    "confident": _confident,
    "simifeat_v": _simifeat_v,
    "simifeat_r": _simifeat_r,
    "eta": lambda e: 1.0 / e.adaptive_k,
}
DEFAULT_SCORE = "combined"
