"""Which method, bounds of k and reduction to take, without clean labels."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import pandas as pd

from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.judging.groups import deal_by_group
from wann_core.audit.judging.shares import own_share, ranking_posterior
from wann_core.audit.judging.trust import Trust
from wann_core.audit.recommending.candidates import USUAL, Candidate, candidate_answers
from wann_core.class_table import Shares
from wann_core.errors import WannError, check_number
from wann_core.methods.folds import FOLDS, deal_folds
from wann_core.progress import Progress
from wann_core.typing import Array

ROWS = 12_000
# Folds are answered until this many rows are; answering more did not improve the choice.
_ANSWERED = 1_500
FEWEST_ROWS = 20
_Z_95 = 1.959963984540054


@dataclass(frozen=True, eq=False)
class Recommendation:
    """Methods ranked by the audit's posterior of their held-out predictions.

    Attributes
    ----------
    candidates : tuple of Candidate
        Best first.
    table : DataFrame
        A row a candidate, in the same order: name, method, k, k_min, k_max, belief, reduction,
        agreement (mean probability that the audit gives the answers, 0 to 1: it ranks methods and
        is not their accuracy, below which it lies by far under heavy noise), behind
        (what the best has more) and half_width of its 95 % interval, paired over the rows.
    answered, fitted : int
        Rows that were answered, and rows that each answer came from.
    trust : {'sound', 'doubtful', 'blind'}
        Of the audit, see `Evidence.trust`.
    """

    candidates: tuple[Candidate, ...]
    table: pd.DataFrame
    answered: int
    fitted: int
    trust: Trust

    @property
    def best(self) -> Candidate:
        """What we would choose."""
        return self.candidates[0]

    @property
    def ties(self) -> tuple[Candidate, ...]:
        """Other candidates that these rows cannot distinguish from the best."""
        near = (self.table["behind"] <= self.table["half_width"]).to_numpy()
        return tuple(one for one, is_near in zip(self.candidates, near, strict=True) if is_near)[1:]

    @property
    def text(self) -> str:
        """The choice, its reason, and how sure it is, in sentences."""
        sentence = (
            f"Without clean labels we would choose {self.best}: of {len(self.candidates)} methods "
            f"its answers agree most with the audit, on {self.answered:,} rows that it was not "
            "fitted to"
        )
        if USUAL in self.candidates and self.best != USUAL:
            usual = self.table.iloc[self.candidates.index(USUAL)]
            sentence += (
                f", {100 * usual['behind']:.1f} points (± {100 * usual['half_width']:.1f}) more "
                f"than those of {USUAL}"
            )
        ties, others = self.ties, len(self.candidates) - 1
        sure = (
            f"{len(ties)} of the {others} others cannot be distinguished from it, the nearest "
            f"being {ties[0]}."
            if ties
            else f"None of the {others} others is within chance of it."
        )
        if self.trust != "sound":
            sure += (
                f" The audit itself is {self.trust} on these embeddings: treat this as a guess "
                "until some labels have been checked."
            )
        return f"{sentence}. {sure}"


def recommend(
    evidence: Evidence, *, rows: int = ROWS, seed: int = 0, progress: Progress | None = None
) -> Recommendation:
    """Choose method, bounds of k and reduction for new rows, from noisy labels alone.

    A fifth of the rows at a time is answered by every candidate, fitted to the other rows and
    their given labels: the reduction too, as one that has seen a row's label flatters it. What
    counts is the audit's posterior of each answer, by the neighbors and the discriminant, and by
    the probe where the audit has one: the higher its mean, the better the method.

    Parameters
    ----------
    evidence : Evidence
        Of an audit of embeddings, `found.evidence`. With a probe logistic regression is a
        candidate, and the choice is better.
    rows : int
        Most rows that are drawn. More rows hardly change the order of the methods.
    seed : int
        Of the draw and the folds.
    progress : callable, optional
        `progress(done, total, text)`; may raise to stop.

    Returns
    -------
    Recommendation

    Raises
    ------
    WannError
        If the audit has no embeddings, or fewer than 20 rows.

    Notes
    -----
    It holds for new rows that are drawn as these are, and as far as the audit is right: a mistake
    that people always make in the same way is learned by all candidates and by the audit, and is
    no mistake to either. Measured in docs/neighbor_votes.md.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([0, 1], 60)
    >>> X = rng.normal(size=(120, 8)) + 4 * (y == 1)[:, None]
    >>> from wann_core.audit import audit_labels
    >>> recommend(audit_labels(X, y, probe=False).evidence).answered
    120
    """
    if evidence.X is None:
        raise WannError("a recommendation needs `embeddings`, the audit has none.", "embeddings")
    check_number("rows", rows, FEWEST_ROWS, whole=True)
    if len(evidence.labels) < FEWEST_ROWS:
        raise WannError(
            f"a recommendation needs at least {FEWEST_ROWS} rows, got {len(evidence.labels)}."
        )
    drawn = np.sort(np.random.RandomState(seed).permutation(len(evidence.labels))[:rows])
    labels = evidence.labels[drawn]
    if evidence.groups is None:
        folds = deal_folds(labels, seed)
    else:
        folds = deal_by_group(evidence.groups[drawn], labels, seed)
    tables = _posteriors(evidence)
    asked = _asked(folds)
    values: dict[Candidate, list[Array]] = {}
    for number, fold in enumerate(asked):
        test, train = drawn[folds == fold], drawn[folds != fold]

        def on_share(share: float, before: int = number) -> None:
            if progress is not None:
                progress(before + share, len(asked), "answers of every method")

        X, given = evidence.X, evidence.labels[train]
        found_votes = candidate_answers(X[train], given, X[test], evidence.n_classes, on_share)
        for candidate, votes in (*_by_probe(evidence, test), *found_votes):
            right = np.mean([own_share(table[test], votes) for table in tables], axis=0)
            values.setdefault(candidate, []).append(right)
    # What one fold could not have, a reduction of a class too few, none is judged by.
    whole = {c: np.concatenate(v) for c, v in values.items() if len(v) == len(asked)}
    if progress is not None:
        progress(1, 1, "answers of every method")
    table, order = _table(whole)
    answered = int(np.isin(folds, asked).sum())
    fitted = len(drawn) - int((folds == asked[0]).sum())
    return Recommendation(order, table, answered, fitted, evidence.trust)


def _asked(folds: Array) -> list[int]:
    """The folds that are answered: no more than it takes to answer `_ANSWERED` rows."""
    sizes = np.bincount(folds, minlength=FOLDS)
    before = np.cumsum(sizes) - sizes
    return [fold for fold in range(FOLDS) if sizes[fold] and before[fold] < _ANSWERED]


def _posteriors(evidence: Evidence) -> list[Shares]:
    """Probability of each true class by neighbors and discriminant, and by the probe."""
    if evidence.probe is None:
        return [evidence.first_posterior]
    alone = evidence.with_probe(None)
    by_probe = ranking_posterior(evidence.probe_shares, evidence.labels)
    return [alone.first_posterior, by_probe]


def _by_probe(evidence: Evidence, test: Array) -> list[tuple[Candidate, Array]]:
    """Logistic regression's answers, which were not fitted to the rows."""
    if evidence.probe is None:
        return []
    return [(Candidate("logreg"), np.asarray(evidence.probe_shares[test]).argmax(axis=1))]


def _table(values: dict[Candidate, Array]) -> tuple[pd.DataFrame, tuple[Candidate, ...]]:
    """Candidates, best first, and how far each is behind the best."""
    order = tuple(sorted(values, key=lambda one: -float(values[one].mean())))
    best = values[order[0]]
    gaps = [best - values[one] for one in order]
    rows = [
        {
            "name": str(one),
            **dataclasses.asdict(one),
            "agreement": float(values[one].mean()),
            "behind": float(gap.mean()),
            "half_width": _Z_95 * float(gap.std()) / np.sqrt(len(gap)),
        }
        for one, gap in zip(order, gaps, strict=True)
    ]
    table = pd.DataFrame(rows)
    whole = ["k", "k_min", "k_max"]
    return table.astype(dict.fromkeys(whole, "Int64")), order
