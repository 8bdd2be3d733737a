"""How many given labels are wrong, and which class is mistaken for which.

Class shares around each row (of neighbors, of a classifier that never saw the row) mix two things:
how alike the classes look there, and how often labels are wrong. Rows whose shares are most sure of
a class, its anchors, look like no other class, so the labels found on them show the noise alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wann_core.class_table import Shares, blocks
from wann_core.noise.human import signs_of_people
from wann_core.noise.kernels import wrong_if_uniform
from wann_core.noise.transition import (
    RANKING_ANCHORS,
    Transition,
    anchors,
    posterior,
    surest,
)
from wann_core.noise.uniform import UniformNoise, uniform_noise
from wann_core.parallel import in_slices
from wann_core.typing import Array

# Where wrong labels go needs more anchors than how many there are.
_SPREAD_ANCHORS = 0.3
# A wrong label is not in its own neighborhood, which looks the purer for it: among a few surest
# rows there are too many of them. With this many rows of a class this no longer shows.
_COUNTED_ROWS = 75
_UNMIX_ROUNDS = 30
_UNMIX_ROWS = 2048
_FEW_CLASSES = 32
# Added to the share of each true class, a hundredth over all of many classes: a wrong label of one
# of a thousand is not likelier by it than by the noise.
_FLOOR, _FLOOR_OF_ALL = 1e-3, 1e-2
# Where people err between look-alike classes, they err more on hard rows: their odds of an error
# over all rows are this many times those that the readings below show, by neighbors and a
# discriminant, and by a probe, whose surer shares read less into hard rows. Chosen on CIFAR-10N's
# random2 and random3, docs/protocol.md.
HARDER, HARDER_BY_PROBE = 1.65, 1.9
_Z_95 = 1.959963984540054
# The range extends above the rate by these shares of the rows' ambiguity and of the rate, and below
# by that times _BELOW, as errors are mostly upward. Chosen on cases of docs/audit_measured.md.
_BY_AMBIGUITY = 0.15
_BY_RATE = 0.15
_BELOW = 1.7
# Of that, what is left where wrong labels are found to be uniform.
_IF_UNIFORM = 0.35
# Where the test for it has no power, this share of the range is that of any noise.
_IF_UNTESTED = 0.5
# Of few rows the other reading is named where it is larger by this share of the rows.
_NOTEWORTHY = 0.1
# Rows that lie among another class are taken for uniform noise: a percent of MNIST's pixels is.
_MISPLACED = 0.01


@dataclass(frozen=True, eq=False)
class NoiseEstimate:
    """Estimated label noise: number of wrong labels, range, transition matrix.

    Attributes
    ----------
    count : int
        Wrong labels.
    low, high : int
        A range that held the true number in at least 95 % of the measured cases, see
        docs/audit_measured.md. It is not a model's confidence interval: no model is known to hold.
    rows : int
        Labels judged.
    transition : Transition
        How they go wrong.
    human : float
        How far wrong labels look like those of people, who confuse look-alike classes in both
        directions: 0 is not at all, 1 is certain. The number is raised by it, as such errors
        are more frequent on hard rows than on the sure ones that show them.
    base : int
        Wrong labels before the number was raised.
    if_not_uniform : int or None
        Wrong labels if they are not uniform over all classes, where there are too few rows to tell
        and the number would be a good deal larger.
    """

    count: int
    low: int
    high: int
    rows: int
    transition: Transition
    human: float = 0.0
    base: int = 0
    if_not_uniform: int | None = None

    @property
    def rate(self) -> float:
        """Share of the labels that are wrong, 0 to 1."""
        return self.count / self.rows

    @property
    def notes(self) -> tuple[str, ...]:
        """What went into the number beyond what the rows show, in sentences."""
        found = []
        if self.human > 0:
            found.append(
                "The wrong labels look like those of people, who confuse look-alike classes in "
                f"both directions ({100 * self.human:.0f} % certain), and people err more on hard "
                "rows than on the sure ones that show it: the number was raised from "
                f"{self.base:,} to {self.count:,}."
            )
        if self.if_not_uniform is not None:
            found.append(
                "There are too few rows to tell classes that look alike from errors that go one "
                f"way: {self.count:,} labels are wrong if errors are uniform over all classes, "
                f"about {self.if_not_uniform:,} if most of each class go to one other. Judge the "
                "first rows of the list to see which holds."
            )
        return tuple(found)

    @property
    def transition_matrix(self) -> Array:
        """Row = true class, column = given label, rows sum to 1; see `Transition.table`."""
        return self.transition.table


def estimate_noise(
    shares: Shares,
    labels: Array,
    opinions: Sequence[Array] | None = None,
    harder: float = HARDER,
) -> NoiseEstimate:
    """Estimate how many labels are wrong, and the transition matrix.

    Where wrong labels are uniform over all other classes, by a test, the rate is that of
    `uniform_noise`.
    Elsewhere, or as far as the test cannot decide, the matrix T is read off the anchors, the surest
    tenth of each class, and the rate is the mean of two readings, which mostly err to opposite
    sides: that of wrong labels on the anchors; and the mean over all rows of the posterior
    probability that another class than the given one is true, for which the shares of true classes
    are those that, mixed by T, give the shares of given labels. Both take hard rows to be
    mislabeled as often as sure ones. Where wrong labels look like those of people, see
    `NoiseEstimate.human`, the odds are multiplied by up to `harder`.

    Parameters
    ----------
    shares : ndarray of shape (n, C)
        Probability of each given label at each row, by what has not seen the row's own label.
    labels : ndarray of shape (n,), integer
        Given class ids.
    opinions : sequence of ndarray of shape (n, C), optional
        Class probabilities by one or more sources, for the fit of uniform noise; by default the
        shares. Beyond 32 classes there is none.
    harder : float
        How many times the odds of an error are what the readings show, where people made them.

    References
    ----------
    Patrini et al., Making Deep Neural Networks Robust to Label Noise, CVPR 2017 (anchors);
    Northcutt et al., Confident Learning, JAIR 2021.
    """
    rows, n_classes = shares.shape
    winner, sure = surest(shares)
    wins = np.bincount(winner, minlength=n_classes)
    purest = anchors(winner, sure, labels, n_classes, RANKING_ANCHORS, _COUNTED_ROWS)
    on_anchors = float(wins @ purest.rates) / rows
    if purest.pairs is None:
        wrong = np.empty(rows)
        rates, floor = purest.rates, _floor(n_classes)
        for part in blocks(rows, n_classes):
            block, given, out = shares[part], labels[part], wrong[part]
            rest = block, given, rates, floor, _UNMIX_ROUNDS, out
            in_slices(wrong_if_uniform, len(block), *rest)
        everywhere, transition, human = float(wrong.mean()), purest, 0.0
    else:
        everywhere, joint, alike = _posterior_noise(shares, labels, purest)
        wide = anchors(winner, sure, labels, n_classes, _SPREAD_ANCHORS)
        wrong_seen = _SPREAD_ANCHORS * float(wins @ wide.rates)
        human = signs_of_people(wide.pairs, alike, wrong_seen)
        matrix = (wide.pairs + joint) / 2
        transition = Transition(1 - np.diag(matrix), matrix)
    base = (everywhere + on_anchors) / 2
    rate, ambiguity = _raised(base, human, harder), float(1 - sure.mean())
    within = _range(rate, base, rows, ambiguity)
    uniform = uniform_noise([shares] if opinions is None else opinions, labels, within=within)
    # What goes one way is not of people. Of few rows the readings above take too many for wrong,
    # and the matrix of the test takes too few.
    human *= 1 - uniform.one_way
    base += uniform.one_way * (1 - uniform.power) * (uniform.matrix_rate - base) / 2
    rate = _raised(base, human, harder)
    low, high = _range(rate, base, rows, ambiguity)
    weight = uniform.weight
    # What is not shown to be uniform may be of people, whatever the anchors look like.
    high = max(high, _raised(base, max(human, 1 - weight), harder) + high - rate)
    low, high = _mixed_range((low, high), _uniform_range(uniform, low - rate, high - rate), uniform)
    not_uniform, rate = rate, weight * uniform.rate + (1 - weight) * rate
    unknown = uniform.power < 1 and not_uniform - rate > _NOTEWORTHY
    return NoiseEstimate(
        count=round(rate * rows),
        low=round(max(low, 0.0) * rows),
        high=round(min(high, 1.0) * rows),
        rows=rows,
        transition=_mixed(transition, uniform.rate, weight),
        human=human * (1 - weight),
        base=round((weight * uniform.rate + (1 - weight) * base) * rows),
        if_not_uniform=round(not_uniform * rows) if unknown else None,
    )


def _raised(base: float, human: float, harder: float) -> float:
    """The rate with the odds of an error multiplied as far as people made them."""
    times = 1 + human * (harder - 1)
    return times * base / (1 - base + times * base)


def _uniform_range(uniform: UniformNoise, below: float, above: float) -> tuple[float, float]:
    """Interval of uniform noise, with a part of what the model cannot know, below and above."""
    down = np.linalg.norm([uniform.rate - uniform.low, _IF_UNIFORM * below, _MISPLACED])
    up = np.linalg.norm([uniform.high - uniform.rate, _IF_UNIFORM * above])
    return uniform.rate - float(down), uniform.rate + float(up)


def _mixed_range(
    other: tuple[float, float], narrow: tuple[float, float], uniform: UniformNoise
) -> tuple[float, float]:
    """Part of the range of uniform noise, and part of one where it is not known to be uniform.

    As far as the test has no power, noise that looks uniform may be other noise, and is where the
    matrix of the test goes one way.
    """
    either = min(other[0], narrow[0]), max(other[1], narrow[1])
    untested = max(_IF_UNTESTED, uniform.one_way) * (1 - uniform.power)
    low, high = (
        uniform.weight * ((1 - untested) * one + untested * wide) + (1 - uniform.weight) * rest
        for one, wide, rest in zip(narrow, either, other, strict=True)
    )
    return low, high


def _mixed(transition: Transition, rate: float, weight: float) -> Transition:
    """Part of the matrix, and part of one of uniform noise."""
    rates = weight * rate + (1 - weight) * transition.rates
    if transition.pairs is None or not weight:
        return Transition(rates, transition.pairs)
    n_classes = len(rates)
    uniform = np.full((n_classes, n_classes), rate / (n_classes - 1))
    np.fill_diagonal(uniform, 1 - rate)
    return Transition(rates, weight * uniform + (1 - weight) * transition.pairs)


def _floor(n_classes: int) -> float:
    return min(_FLOOR, _FLOOR_OF_ALL / n_classes)


def _range(rate: float, base: float, rows: int, ambiguity: float) -> tuple[float, float]:
    """Where the rate may lie: sampling error of the anchors, and what the model cannot know."""
    chance = max(base * (1 - base), 1 / rows) / (RANKING_ANCHORS * rows)
    half = np.sqrt(
        _Z_95**2 * chance + (_BY_AMBIGUITY * ambiguity) ** 2 + (_BY_RATE * min(base, 1 - base)) ** 2
    )
    return max(0.0, rate - _BELOW * half), min(1.0, rate + half)


def _posterior_noise(shares: Shares, labels: Array, T: Transition) -> tuple[float, Array, Array]:
    """Expected rate of wrong labels, transition matrix of all rows, and likeness of classes."""
    assert T.pairs is not None
    n_classes, wrong = len(T.rates), 0.0
    joint, alike = np.zeros((n_classes, n_classes)), np.zeros((n_classes, n_classes))
    for rows in blocks(*shares.shape):
        given = labels[rows]
        q = _unmix(shares[rows], T.pairs)
        alike += q.T @ q
        true = posterior(q, given, T, _floor(n_classes))
        wrong += float((1 - true[np.arange(len(given)), given]).sum())
        order = np.argsort(given, kind="stable")
        classes, first = np.unique(given[order], return_index=True)
        joint[:, classes] += np.add.reduceat(true[order], first, axis=0).T
    return wrong / len(labels), joint / joint.sum(axis=1, keepdims=True), alike


def _unmix(shares: Array, T: Array) -> Array:
    """Distributions q (n, C) for which q T comes nearest to the shares, by EM."""
    q = np.empty(shares.shape)
    # All rounds on some rows, then on the next: they stay in the processor's cache. Products with
    # many classes are worth BLAS's own threads, which want all rows at once.
    rows = _UNMIX_ROWS if len(T) <= _FEW_CLASSES else len(shares)
    in_slices(_unmix_rows, len(shares), shares, T, q, rows=rows)
    return q


def _unmix_rows(start: int, stop: int, shares: Array, T: Array, result: Array) -> None:
    rows = shares[start:stop].astype(np.float64)
    q = rows + 1 / len(T)
    q /= q.sum(axis=1, keepdims=True)
    back = np.ascontiguousarray(T.T)
    ones = np.ones((len(T), 1))
    mixed, gain = np.empty_like(q), np.empty_like(q)
    for _ in range(_UNMIX_ROUNDS):
        np.matmul(q, T, out=mixed)
        mixed += 1e-9
        np.divide(rows, mixed, out=mixed)
        np.matmul(mixed, back, out=gain)
        q *= gain
        # A row without any vote keeps no mass.
        q /= np.maximum(q @ ones, 1e-12)
    result[start:stop] = q
