"""What neighbors, a linear discriminant and a probe say of each row's label.

No row's own label ever speaks for itself: not as a neighbor, not through the reliability of its
neighbors, and not in the fit of the probe that judges it.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wann_core.audit.judging.groups import judgeable, mean_by_unit, noise_of_units, units_of
from wann_core.audit.judging.kernels import (
    edge_shares,
    edge_votes,
    k_without_each,
    near_shares,
    neighbor_k,
)
from wann_core.audit.judging.shares import (
    absorbed,
    posterior_of_ranking,
    ranking_posterior,
    with_mean_doubt,
)
from wann_core.audit.judging.soft_labels import fits_soft_labels, soft_label_probabilities
from wann_core.audit.judging.tables import even_noise_opinions, mean_table, vote_table
from wann_core.audit.judging.trust import Clusters, Trust, agreement, clusters, trust_of
from wann_core.class_table import ClassTable, Shares, small_ids
from wann_core.errors import WannError
from wann_core.methods.discriminant import discriminant_probabilities, serves
from wann_core.methods.folds import deal_folds
from wann_core.methods.probes.out_of_fold import Witness
from wann_core.methods.voting import adaptive_k
from wann_core.neighbors.graph import NeighborGraph
from wann_core.noise.even import MOST_CLASSES
from wann_core.noise.rate import HARDER, HARDER_BY_PROBE, NoiseEstimate, estimate_noise
from wann_core.noise.transition import RANKING_ANCHORS, anchor_transition, mean_transition
from wann_core.parallel import in_slices
from wann_core.progress import Progress
from wann_core.typing import Array

# All of this was chosen by measurement, see docs/audit.md.
NEIGHBORS = 51
K_MIN = 11
_PROBE_PART = 0.75
# With the linear discriminant beside them: probe and neighbors, or the neighbors alone.
_PROBE_PARTS = 0.4, 0.4, 0.2
DISCRIMINANT_PART = 0.7
COUNTING_PART = 0.5
# Of a regression on the posterior of these, with the probe and the neighbors, or the latter alone.
_SOFT_PARTS = 0.6, 0.2, 0.2
_SOFT_PART = 0.7
# What no probe has part in, but for the discriminant, whose folds may be the probe's.
_WITHOUT_PROBE = (
    "codes",
    "adaptive_k",
    "neighbor_k",
    "wann_shares",
    "wann_votes",
    "near_shares",
    "judgeable",
    "units",
    "agreement",
    "clusters",
)


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
        k_min and k_max of the adaptive k; cut to the number of neighbors, see `k_bounds`.
    X : ndarray of shape (n, d), float32, or None
        The normalized embeddings, from which a linear discriminant is fitted out of fold; without
        them the neighbors, and the probe, stand alone.
    folds : ndarray of shape (n,), integer, or None
        Fold of each row in the discriminant's fits; the probe's by default.
    progress : callable, optional
        Called between the parts of the discriminant; may raise to stop.
    groups : ndarray of shape (n,), int64, or None
        Group of each row, whose rows the graph does not link and the folds do not part. A group
        that bears one label throughout is judged as a whole.
    """

    graph: NeighborGraph
    labels: Array
    n_classes: int
    probe: Witness | None = None
    bounds: tuple[int, int] = (K_MIN, NEIGHBORS)
    X: Array | None = None
    folds: Array | None = None
    progress: Progress | None = None
    groups: Array | None = None

    def with_probe(self, probe: Witness | None) -> "Evidence":
        """Return the same evidence with another probe, or none; nothing else is made again."""
        made = dataclasses.replace(
            self, probe=probe, folds=self._dealt if probe is None else self.folds
        )
        same = np.array_equal(self._dealt, made._dealt)
        kept = (*_WITHOUT_PROBE, *(("discriminant_shares",) if same else ()))
        made.__dict__.update({name: self.__dict__[name] for name in kept if name in self.__dict__})
        return made

    @property
    def _dealt(self) -> Array:
        """Fold of each row in the discriminant's fits."""
        if self.folds is not None:
            return self.folds
        return deal_folds(self.labels) if self.probe is None else self.probe.folds

    @property
    def ids(self) -> Array:
        """Neighbors of each row, shape (n, K)."""
        return self.graph.train_ids[:, :NEIGHBORS]

    @property
    def k_bounds(self) -> tuple[int, int]:
        """Bounds of the adaptive k, cut to the number of neighbors."""
        k_max = min(self.bounds[1], self.ids.shape[1])
        return min(self.bounds[0], k_max), k_max

    @cached_property
    def codes(self) -> Array:
        """The labels in few bytes, as the votes read them at random places; shape (n,)."""
        return small_ids(self.labels, self.n_classes)

    @cached_property
    def adaptive_k(self) -> Array:
        """Smallest neighborhood that explains each label, shape (n,), int32."""
        return adaptive_k(self.ids, self.labels, *self.k_bounds)

    @cached_property
    def neighbor_k(self) -> Array:
        """Adaptive k of each neighbor of each row, found without the row; shape (n, K), uint8."""
        ids, k, bounds, n = self.ids, self.adaptive_k, self.k_bounds, len(self.labels)
        without, changes = np.zeros(ids.shape, np.uint8), np.empty(n, np.bool_)
        asked = ids, self.codes, k, *bounds, self.n_classes, without, changes
        in_slices(k_without_each, n, *asked, rows=512)
        result = np.empty(ids.shape, np.uint8)
        rest = ids, self.graph.train_distances, k, *bounds, without, changes, result
        in_slices(neighbor_k, n, *rest, rows=512)
        return result

    @property
    def reliabilities(self) -> Array:
        """η of each neighbor of each row, found without the row itself; shape (n, K), float64."""
        return np.asarray(1.0 / self.neighbor_k)

    @cached_property
    def wann_shares(self) -> Shares:
        """η-weighted votes of the neighbors, each η found without the judged row; (n, C)."""
        return self.vote_shares(self.reliabilities)

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
            self.codes,
            self.reliabilities,
            self.n_classes,
            votes,
        )
        return votes

    @cached_property
    def near_shares(self) -> Shares:
        """Votes of the neighbors, nearer ones weighing more (a Gaussian kernel); (n, C)."""
        distances = self.graph.train_distances[:, :NEIGHBORS]
        return self._votes(near_shares, distances)

    @cached_property
    def probe_shares(self) -> Shares:
        """Out-of-fold probabilities of a logistic regression on the given labels; (n, C)."""
        assert self.probe is not None
        return self.probe.probabilities()

    @cached_property
    def judgeable(self) -> Array:
        """Whether another row, or group, has the same label and can speak for it; (n,), bool.

        Raises
        ------
        WannError
            If that is so of none.
        """
        found = judgeable(self.labels, self.groups, self.n_classes)
        if not found.any():
            kind, field = ("row", "") if self.groups is None else ("group", "groups")
            raise WannError(
                f"no label can be judged: every class is found in one {kind} only, and no other "
                f"{kind} can speak for it.",
                field,
            )
        return found

    @cached_property
    def discriminant_shares(self) -> Shares | None:
        """Out-of-fold probabilities of a linear discriminant, (n, C); None without embeddings."""
        return self._discriminant(None)

    @cached_property
    def second_probe_shares(self) -> Shares:
        """The probe's, fitted with each row weighted by how far the first believes its label."""
        assert self.probe is not None
        return self.probe.probabilities(self._belief(self.probe_shares))

    @cached_property
    def units(self) -> Array | None:
        """What is judged as a whole: the number of each row's unit, shape (n,), int64, from 0.

        A group of several rows that bears one label throughout is a unit, as is every other row.
        None where no group is.
        """
        return None if self.groups is None else units_of(self.groups, self.labels)

    @cached_property
    def first_shares(self) -> Shares:
        """Shares by what was fitted to given labels; (n, C).

        Of the neighbors, of a linear discriminant where there are embeddings, and of the probe
        where one is wanted. Probe and discriminant are fitted once more with each row weighted by
        how far the first fit believes its label. Rows of a group that is judged as a whole have
        its mean.
        """
        if self.units is None:
            return self._row_shares()
        means = mean_by_unit(np.asarray(self._row_shares()), self.units)
        return np.asarray(means[self.units])

    def _row_shares(self) -> Shares:
        first = self.discriminant_shares
        if self.probe is None:
            if first is None:
                return self.near_shares
            again = self._discriminant(self._belief(first))
            return self._mean((DISCRIMINANT_PART, again), (1 - DISCRIMINANT_PART, self.near_shares))
        if first is None:
            return self._probe_and_neighbors()
        again = self._discriminant(self._belief(self.probe_shares))
        parts = self.second_probe_shares, again, self.wann_shares
        return self._mean(*zip(_PROBE_PARTS, parts, strict=True))

    @cached_property
    def first_posterior(self) -> Shares:
        """Probability of each true class by the first shares, given the labels; (n, C)."""
        return ranking_posterior(self.first_shares, self.labels)

    @cached_property
    def soft_label_shares(self) -> Array | None:
        """Out-of-fold probabilities of a logistic regression on soft labels; (n, C).

        These are the posterior by the first shares under the noise that was found. None
        without embeddings, where groups are judged as a whole, and where it would take minutes,
        see `fits_soft_labels`.
        """
        if self.X is None or self.units is not None or not serves(self.X):
            return None
        if not fits_soft_labels(self.X, self.n_classes):
            return None
        soft = self._posterior_by(self.first_shares)
        return soft_label_probabilities(self.X, np.asarray(soft), self._dealt, self.progress)

    @cached_property
    def shares(self) -> Shares:
        """Best available shares, which rank the labels; (n, C).

        Of the regression on soft labels, the neighbors, and the probe where one is wanted; the
        first shares where that regression cannot be had.
        """
        soft = self.soft_label_shares
        if soft is None:
            return self.first_shares
        if self.probe is None:
            return self._mean((_SOFT_PART, soft), (1 - _SOFT_PART, self.near_shares))
        parts = soft, self.second_probe_shares, self.near_shares
        return self._mean(*zip(_SOFT_PARTS, parts, strict=True))

    @cached_property
    def counting_shares(self) -> Shares:
        """The shares that tell how many labels are wrong; (n, C).

        The estimate wants shares that are not drawn to the given labels' own view twice: of probe
        and neighbors, or of the plain discriminant and neighbors.
        """
        first = self.discriminant_shares
        if first is None:
            return self.first_shares
        if self.probe is None:
            return self._mean((COUNTING_PART, first), (1 - COUNTING_PART, self.near_shares))
        return self._probe_and_neighbors()

    @cached_property
    def ranking_posterior(self) -> Shares:
        """The posterior before its power is set: by the best shares and the noise; (n, C)."""
        if self.soft_label_shares is None:
            return self.first_posterior
        return self._posterior_by(self.shares)

    @cached_property
    def posterior(self) -> Shares:
        """Probability of each true class, given labels and noise; shape (n, C).

        With the regression on soft labels it is as sharp as makes the mean probability of a wrong
        label the estimated rate.
        """
        if self.soft_label_shares is None:
            return self.first_posterior
        found = np.asarray(self.ranking_posterior)
        return with_mean_doubt(found, self.labels, self.noise.rate)

    def _posterior_by(self, shares: Shares) -> Shares:
        """Under the mean of the estimated noise and what the anchors of these shares show.

        Either may miss noise that the other sees.
        """
        shown = anchor_transition(shares, self.labels, RANKING_ANCHORS)
        T = mean_transition(self.noise.transition, shown)
        return posterior_of_ranking(shares, self.labels, T)

    @cached_property
    def noise(self) -> NoiseEstimate:
        """The estimate of how many labels are wrong; rows that cannot be judged are left out."""
        if self.units is not None:
            # Of all shares the discriminant's are drawn least to what few groups have in common.
            first = self.discriminant_shares
            shares = self.counting_shares if first is None else first
            return noise_of_units(np.asarray(shares), self.labels, self.units, self.judgeable)
        shares, opinions, judged = self.counting_shares, self.opinions, self.judgeable
        harder = HARDER if self.probe is None else HARDER_BY_PROBE
        if judged.all():
            return estimate_noise(shares, self.labels, opinions, harder)
        shares = shares.only(judged) if isinstance(shares, ClassTable) else shares[judged]
        opinions = None if opinions is None else [opinion[judged] for opinion in opinions]
        return estimate_noise(shares, self.labels[judged], opinions, harder)

    @property
    def opinions(self) -> list[Array] | None:
        """Probe, discriminant and neighbors, for the fit of even noise; each (n, C).

        None where there are too many classes for it.
        """
        if self.n_classes > MOST_CLASSES:
            return None
        fits = [None if self.probe is None else self.probe_shares, self.discriminant_shares]
        return even_noise_opinions(self.near_shares, self.wann_shares, fits)

    @cached_property
    def agreement(self) -> float:
        """How far the two halves of each row's neighbors vote alike, see `trust.agreement`."""
        votes: list[Array] = []
        for half in range(2):
            weights = np.zeros(self.ids.shape)
            weights[:, half::2] = 1
            votes.append(self.vote_shares(weights).argmax(axis=1))
        return agreement(votes[0], votes[1], self.n_classes)

    @cached_property
    def clusters(self) -> Clusters:
        """Clusters whose rows have no neighbor outside, so that they vote for themselves."""
        return clusters(self.ids, self.labels, self.n_classes)

    @cached_property
    def trust(self) -> Trust:
        """How far the estimated number of wrong labels can be trusted, see `trust_of`."""
        return trust_of(self.agreement, self.noise.rate, self.labels, self.n_classes)

    @property
    def tells_apart(self) -> bool:
        """Whether the embedding tells the classes apart."""
        return self.trust != "blind"

    def _mean(self, *parts: tuple[float, Shares | None]) -> Shares:
        return mean_table(self.labels, self.n_classes, *parts)

    def _probe_and_neighbors(self) -> Shares:
        parts = (_PROBE_PART, self.second_probe_shares), (1 - _PROBE_PART, self.wann_shares)
        return self._mean(*parts)

    def _discriminant(self, weights: Array | None) -> Shares | None:
        if self.X is None or not serves(self.X):
            return None
        return discriminant_probabilities(
            self.X,
            self.labels,
            self.n_classes,
            self._dealt,
            weights=weights,
            progress=self.progress,
        )

    def _belief(self, shares: Shares) -> Array:
        """How far each label is believed, with mean 1, to weight a second fit by."""
        belief = absorbed(shares, self.labels)
        return np.asarray(belief / belief.mean())

    def vote_shares(self, weights: Array) -> Shares:
        """Share of each class among the neighbors, weighted by edge (n, K); shape (n, C)."""
        return self._votes(edge_shares, weights)

    def _votes(self, kernel: Callable[..., None], of_edges: Array) -> Shares:
        """Class shares by a kernel of the neighbors' labels and a value (n, K) of each edge."""
        return vote_table(kernel, self.ids, self.codes, of_edges, self.labels, self.n_classes)
