"""One label of many: a consensus of several annotators' labels and of the other rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wann_core.audit.annotators.agreement import Agreement, krippendorff
from wann_core.audit.annotators.annotations import Annotations, annotations_of
from wann_core.audit.annotators.crowd import Crowd, fit_crowd
from wann_core.audit.arrays import audit_labels
from wann_core.audit.result import Audit
from wann_core.errors import WannError, check_number
from wann_core.methods.metrics import wilson_interval
from wann_core.neighbors.graph import NeighborGraph
from wann_core.progress import Progress
from wann_core.typing import Array

# To label once more: annotators that are considered, and values of one table.
_ASKED = 20
_MOST_VALUES = 20_000_000


@dataclass(frozen=True, eq=False)
class Consensus:
    """Consensus label of each row, and quality of each annotator.

    Attributes
    ----------
    annotations : Annotations
    crowd : Crowd
        Probabilities of the true classes, and the annotators' confusions.
    names : sequence of str
        Names of the rows; '' where there are none.
    audit : Audit or None
        What judged the rows by each other: the audit of the labels of Dawid and Skene's model.
    """

    annotations: Annotations
    crowd: Crowd
    names: Sequence[str]
    audit: Audit | None

    @property
    def soft_labels(self) -> Array:
        """Probability of each class being the true one, shape (n, C), float64."""
        return self.crowd.posterior

    @cached_property
    def labels(self) -> Array:
        """Class id of the consensus of each row, shape (n,), int64."""
        return np.asarray(self.soft_labels.argmax(axis=1))

    @cached_property
    def agreement(self) -> Agreement:
        """Krippendorff's α over rows with at least two labels."""
        return krippendorff(self.annotations.counts)

    @property
    def expected_wrong(self) -> float:
        """Wrong consensus labels to expect, if the probabilities hold.

        Errors that annotators and embedding share stay unseen, so the true number may be higher.
        """
        return float((1 - self.soft_labels.max(axis=1)).sum())

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a sample, in the order given.

        Columns: position, name, consensus_label, probability, n_labels (how many it has),
        agreeing (how many are the consensus), majority_label ('' where there is none or a tie).
        """
        counts, everyone = self.annotations.counts, np.arange(self.annotations.rows)
        classes = np.asarray(self.annotations.class_names, object)
        most = counts.max(axis=1)
        tied = ((counts == most[:, None]).sum(axis=1) > 1) | (most == 0)
        return pd.DataFrame(
            {
                "position": everyone,
                "name": np.asarray(self.names, object),
                "consensus_label": classes[self.labels],
                "probability": self.soft_labels[everyone, self.labels],
                "n_labels": self.annotations.per_row,
                "agreeing": counts[everyone, self.labels].astype(np.int64),
                "majority_label": np.where(tied, "", classes[counts.argmax(axis=1)]),
            }
        )

    @cached_property
    def annotators(self) -> pd.DataFrame:
        """One row an annotator, worst first.

        Columns: annotator, n_labels, quality (probability that a label is right), low, high (95 %
        interval), expected_wrong, most_confused ('true → label' of the commonest wrong label).
        """
        given, own = self.annotations, self.crowd.own_probability
        size = len(given.annotators)
        labels = np.bincount(given.annotator, minlength=size)
        right = np.bincount(given.annotator, weights=own, minlength=size)
        unsure = np.bincount(given.annotator, weights=own * (1 - own), minlength=size)
        lines = []
        for j in range(size):
            quality = right[j] / labels[j]
            low, high = _interval(quality, float(labels[j]), unsure[j])
            lines.append((given.annotators[j], labels[j], quality, low, high, labels[j] - right[j]))
        names = ["annotator", "n_labels", "quality", "low", "high", "expected_wrong"]
        table = pd.DataFrame(lines, columns=names)
        table["most_confused"] = self._most_confused()
        return table.sort_values(["quality", "annotator"], kind="stable", ignore_index=True)

    def confusion(self, annotator: str) -> pd.DataFrame:
        """Probability of each label (columns) by true class (rows) of one annotator.

        Raises
        ------
        WannError
            If there is no such annotator.
        """
        if annotator not in self.annotations.annotators:
            listed = ", ".join(self.annotations.annotators[:10])
            raise WannError(f"`annotator` must be one of {listed}; got {annotator!r}.", "annotator")
        names = self.annotations.class_names
        values = self.crowd.confusion(self.annotations.annotators.index(annotator))
        return pd.DataFrame(values, index=pd.Index(names, name="true class"), columns=list(names))

    def label_again(self, rows: int = 100) -> pd.DataFrame:
        """Return the rows that gain most by one more label, and who should give it.

        Parameters
        ----------
        rows : int

        Returns
        -------
        DataFrame
            position, name, consensus_label, probability, n_labels, annotator ('' where the best
            annotators labeled the row already: anybody else), gain (by how much the probability of
            the consensus is expected to rise). Largest gain first.

        Raises
        ------
        WannError
            If `rows` is not a number from 1.
        """
        check_number("rows", rows, 1, whole=True)
        given, C = self.annotations, len(self.annotations.class_names)
        doubt = np.argsort(self.soft_labels.max(axis=1), kind="stable")
        at = doubt[: min(4 * rows, max(1, _MOST_VALUES // C**2))]
        quality = self.annotators.sort_values("quality", ascending=False)
        enough = quality[quality["n_labels"] >= 10]
        best = (enough if len(enough) else quality)["annotator"].head(_ASKED)
        gain, who = _gain(self.soft_labels[at], self.crowd.pool), np.full(len(at), "", object)
        for name in best:
            j = given.annotators.index(name)
            labeled = np.zeros(given.rows, bool)
            labeled[given.row[given.annotator == j]] = True
            free = ~labeled[at]
            offered = _gain(self.soft_labels[at], self.crowd.confusion(j))
            # A known annotator is preferred to anybody; among known ones, the larger gain.
            better = free & ((who == "") | (offered > gain))
            gain, who = np.where(better, offered, gain), np.where(better, name, who)
        columns = ["position", "name", "consensus_label", "probability", "n_labels"]
        found = self.table.iloc[at][columns].assign(annotator=who, gain=gain)
        return found.sort_values("gain", ascending=False, kind="stable", ignore_index=True)[:rows]

    def __repr__(self) -> str:
        given, found = self.annotations, self.agreement
        return (
            f"Consensus of {len(given):,} labels of {given.rows:,} rows by "
            f"{len(given.annotators):,} annotators in {len(given.class_names)} classes\n"
            f"agreement (Krippendorff's alpha) {found.alpha:.3f} ({found.low:.3f} to "
            f"{found.high:.3f}); about {self.expected_wrong:,.0f} consensus labels wrong"
        )

    def _most_confused(self) -> list[str]:
        given, C = self.annotations, len(self.annotations.class_names)
        true = self.labels[given.row]
        wrong = true != given.label
        key = (given.annotator[wrong] * C + true[wrong]) * C + given.label[wrong]
        pairs, counts = np.unique(key, return_counts=True)
        found = [""] * len(given.annotators)
        most = np.zeros(len(found), np.int64)
        for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
            j, rest = divmod(pair, C * C)
            if count > most[j]:
                most[j] = count
                found[j] = " → ".join(given.class_names[c] for c in divmod(rest, C))
        return found


def consensus(
    embeddings: Any,
    annotations: Any,
    *,
    class_names: Sequence[str] | None = None,
    ids: Sequence[Any] | None = None,
    groups: Any = None,
    pred_probs: npt.ArrayLike | None = None,
    graph: NeighborGraph | tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Consensus:
    """Combine several annotators' labels, using the embeddings as well.

    First comes Dawid and Skene's model of the labels alone. Its labels are audited: neighbors,
    discriminant and probe, none of which sees the row's own labels, give class shares. These, and
    the labels, then make the consensus; how much each weighs is found by predicting labels that
    are held out.

    Parameters
    ----------
    embeddings : array-like of shape (n, d), or None
        None: by the labels alone, which needs rows with several labels.
    annotations : DataFrame or array-like
        Wide: one row a sample, one column an annotator. Long: a data frame with the columns row
        (a position, or one of `ids`), annotator and label. Most may be missing (None, NaN, '').
        Where an annotator labeled a row twice, the last label counts.
    class_names : sequence of str, optional
        All classes in the order of their ids; by default those that occur.
    ids : sequence of length n, optional
        Names of the rows.
    groups, pred_probs, graph
        As in `audit_labels`.
    seed : int
    progress : callable, optional
        `progress(done, total, text)`; may raise to stop.

    Returns
    -------
    Consensus

    Raises
    ------
    WannError
        If there is no label, one annotator only, a label outside the classes or an unknown row;
        or if, without embeddings, no row has two labels.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["cat", "dog"], 30)
    >>> X = rng.normal(size=(60, 8)) + 4 * (y == "dog")[:, None]
    >>> given = pd.DataFrame({"ann": y, "bob": y, "eve": y[::-1]})
    >>> found = consensus(X, given)
    >>> found.annotators["annotator"][0], bool((found.table["consensus_label"] == y).all())
    ('eve', True)
    """
    rows = None if embeddings is None else len(embeddings)
    if ids is not None and rows is not None and len(ids) != rows:
        raise WannError(f"`ids` must have one entry a row ({rows:,}), got {len(ids):,}.", "ids")
    given = annotations_of(annotations, rows, class_names=class_names, ids=ids)
    alone = embeddings is None and pred_probs is None and graph is None
    if alone and given.per_row.max() < 2:
        raise WannError(
            "`annotations` must hold rows with several labels where there are no `embeddings`: "
            "nothing else shows which annotator is right.",
            "annotations",
        )
    crowd, found = fit_crowd(given, weigh=alone, seed=seed, progress=progress), None
    if not alone:
        first = crowd.posterior.argmax(axis=1)
        labels = [
            given.class_names[c] if some else None
            for c, some in zip(first.tolist(), (given.per_row > 0).tolist(), strict=True)
        ]
        found = audit_labels(
            embeddings,
            labels,
            class_names=given.class_names,
            ids=ids,
            groups=groups,
            pred_probs=pred_probs,
            graph=graph,
            seed=seed,
            progress=progress,
        )
        # Rows that nobody labeled have their labeled neighbors' mean.
        shares = found.soft_labels.copy()
        shares[found.everything.labeled] = found.evidence.first_shares
        crowd = fit_crowd(given, shares, seed=seed, progress=progress)
    names = [""] * given.rows if ids is None else [str(name) for name in ids]
    return Consensus(given, crowd, names, found)


def _interval(quality: float, labels: float, unsure: float) -> tuple[float, float]:
    """Wilson's interval of a share of right labels when which are right is known in part only.

    Labels count as fewer, by the information that is missing (Louis, Finding the Observed
    Information Matrix when Using the EM Algorithm, JRSS B 1982).
    """
    spread = max(quality * (1 - quality), 1e-12)
    known = max(labels - unsure / spread, 1.0)
    return wilson_interval(quality * known, known)


def _gain(posterior: Array, confusion: Array) -> Array:
    """By how much one more label is expected to raise the probability of the likeliest class."""
    best = (posterior[:, :, None] * confusion[None]).max(axis=1).sum(axis=1)
    return np.asarray(best - posterior.max(axis=1))
