"""Evidence on each row's label: votes of neighbors, a linear discriminant, probes, and the noise.

No row's own label has part in what judges it: neither in the votes nor in the fits.
"""

import dataclasses
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wann_core.audit.judging.groups import mean_by_unit, noise_of_units
from wann_core.audit.judging.neighbor_votes import NeighborVotes
from wann_core.audit.judging.shares import (
    absorbed,
    posterior_of_ranking,
    ranking_posterior,
    with_mean_doubt,
)
from wann_core.audit.judging.soft_labels import fits_soft_labels, soft_label_probabilities
from wann_core.audit.judging.tables import mean_table, uniform_noise_opinions
from wann_core.audit.judging.trust import Trust, trust_of
from wann_core.class_table import ClassTable, Shares
from wann_core.methods.discriminant import discriminant_probabilities, serves
from wann_core.methods.folds import deal_folds
from wann_core.methods.probes.out_of_fold import Witness
from wann_core.noise.rate import HARDER, HARDER_BY_PROBE, NoiseEstimate, estimate_noise
from wann_core.noise.transition import RANKING_ANCHORS, anchor_transition, mean_transition
from wann_core.noise.uniform import MOST_CLASSES
from wann_core.progress import Progress
from wann_core.typing import Array

# All of this was chosen by measurement, see docs/audit_measured.md.
_PROBE_PART = 0.75
# With the linear discriminant beside them: probe and neighbors, or the neighbors alone.
_PROBE_PARTS = 0.4, 0.4, 0.2
DISCRIMINANT_PART = 0.7
COUNTING_PART = 0.5
# Of a regression on the posterior of these, with the probe and the neighbors, or the latter alone.
_SOFT_PARTS = 0.6, 0.2, 0.2
_SOFT_PART = 0.7


@dataclass(frozen=True, eq=False)
class Evidence(NeighborVotes):
    """What speaks for and against the given labels: votes, fits out of fold, and the noise found.

    Attributes
    ----------
    probe : Witness or None
        None where no probe is wanted.
    X : ndarray of shape (n, d), float32, or None
        The normalized embeddings, from which a linear discriminant is fitted out of fold; without
        them the neighbors, and the probe, stand alone.
    folds : ndarray of shape (n,), integer, or None
        Fold of each row in the discriminant's fits; the probe's by default.
    progress : callable, optional
        Called between the parts of the discriminant; may raise to stop.
    """

    probe: Witness | None = None
    X: Array | None = None
    folds: Array | None = None
    progress: Progress | None = None

    def with_probe(self, probe: Witness | None) -> "Evidence":
        """Return the same evidence with another probe, or none; nothing else is made again."""
        made = dataclasses.replace(
            self, probe=probe, folds=self._dealt if probe is None else self.folds
        )
        # What no probe has part in, but for the discriminant, whose folds may be the probe's.
        kept = {
            name for name, one in vars(NeighborVotes).items() if isinstance(one, cached_property)
        }
        if np.array_equal(self._dealt, made._dealt):
            kept.add("discriminant_shares")
        vars(made).update({name: found for name, found in vars(self).items() if name in kept})
        return made

    @property
    def _dealt(self) -> Array:
        """Fold of each row in the discriminant's fits."""
        if self.folds is not None:
            return self.folds
        return deal_folds(self.labels) if self.probe is None else self.probe.folds

    @cached_property
    def probe_shares(self) -> Shares:
        """Out-of-fold probabilities of a logistic regression on the given labels; (n, C)."""
        assert self.probe is not None
        return self.probe.probabilities()

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
        """The shares from which the number of wrong labels is estimated; (n, C).

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
    def unscaled_posterior(self) -> Shares:
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
        found = np.asarray(self.unscaled_posterior)
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
        """Probe, discriminant and neighbors, for the fit of uniform noise; each (n, C).

        None where there are too many classes for it.
        """
        if self.n_classes > MOST_CLASSES:
            return None
        fits = [None if self.probe is None else self.probe_shares, self.discriminant_shares]
        return uniform_noise_opinions(self.near_shares, self.wann_shares, fits)

    @cached_property
    def trust(self) -> Trust:
        """How far the estimated number of wrong labels can be trusted, see `trust_of`."""
        return trust_of(self.agreement, self.noise.rate, self.labels, self.n_classes)

    @property
    def separates_classes(self) -> bool:
        """Whether the embedding separates the classes."""
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
