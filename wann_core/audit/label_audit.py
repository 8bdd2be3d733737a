"""Which labels of a data set look wrong, how sure that is, and how many there are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from wann_core.audit.duplicates import mixed_groups, near_duplicates, outlier_score
from wann_core.audit.evidence import DEFAULT_SCORE, NEIGHBORS, SCORES, Evidence
from wann_core.datasets import Dataset
from wann_core.errors import WannError, check_choice
from wann_core.methods.probes.out_of_fold import OutOfFold
from wann_core.methods.reduction import normalize
from wann_core.neighbors.cache import neighbor_graph
from wann_core.neighbors.graph import NeighborGraph
from wann_core.noise.rate import NoiseEstimate
from wann_core.progress import Progress
from wann_core.typing import Array

_SPLITS = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class LabeledRows:
    """All labeled rows of a data set: train, val and test together.

    Attributes
    ----------
    X : ndarray of shape (n, d), float32
        Normalized embeddings.
    labels : ndarray of shape (n,), int64
        Given class ids.
    splits : ndarray of shape (n,), int64
        Which of 'train', 'val' and 'test' a row belongs to: 0, 1 or 2.
    rows : ndarray of shape (n,), int64
        Row ids in their split's source.
    names : sequence of str
        File or id of each row; '' where the source has none.
    class_names : tuple of str, length C
    """

    X: Array
    labels: Array
    splits: Array
    rows: Array
    names: Sequence[str]
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Audit:
    """What an audit found.

    Attributes
    ----------
    table : DataFrame
        One row a sample in the order of the source, see `audit`.
    noise : NoiseEstimate
        How many labels are wrong.
    rows : LabeledRows
    evidence : Evidence
        What the scores were made of; further scores by `evidence.score(name)`.
    score_name : str
        The score that ranks the table.
    """

    table: pd.DataFrame
    noise: NoiseEstimate
    rows: LabeledRows
    evidence: Evidence
    score_name: str

    def ranked(self) -> pd.DataFrame:
        """The table, most doubtful label first."""
        return self.table.iloc[doubt_order(self.table["label_score"], self.table["given_share"])]


def audit(
    data: Dataset,
    *,
    score: str = DEFAULT_SCORE,
    probe: bool = True,
    search: str = "auto",
    progress: Progress | None = None,
) -> Audit:
    """Judge every given label of a data set by the other rows.

    Parameters
    ----------
    data : Dataset
        Rows without a label are left out.
    score : str
        One of `SCORES`: what ranks the labels.
    probe : bool
        Whether logistic regression, fitted out of fold, may speak too. It takes longer and finds
        more. Folds are drawn by the order of the rows; all else does not depend on it.
    search : {'auto', 'flat'}
        See `NeighborGraph.build`.
    progress : callable, optional
        `progress(done, total, text)`; may raise to stop.

    Returns
    -------
    Audit
        Its table has the columns split, row, name, given_label, predicted_label (names),
        given_label_id, predicted_label_id, label_score (0 to 1, low is doubtful), is_label_issue,
        reliability (η = 1 / adaptive k), adaptive_k, given_share and predicted_share (η-weighted
        votes, 0 to 1), same_class_distance (NaN if none of the 51 nearest rows is of the class),
        near_duplicate_group (-1 for none), near_duplicate_conflict (another label in the group),
        in_train_and_test (near-duplicates in different splits), outlier_score (0 is far from all).
        The issues are the `noise.count` most doubtful rows.

    Raises
    ------
    WannError
        If there are fewer than three labeled rows or two classes, or a score is unknown or needs
        the probe that is not wanted.
    """
    check_choice("score", score, SCORES)
    if score == "probe" and not probe:
        raise WannError("`score` 'probe' cannot be had without a probe.", "score")
    rows = labeled_rows(data)
    graph = neighbor_graph(rows.X, None, NEIGHBORS, progress, search)
    n_classes = len(rows.class_names)
    try:
        fits = OutOfFold(rows.X, rows.labels, n_classes, progress) if probe else None
    except WannError as error:
        reason = str(error).rstrip(".")
        raise WannError(f"{reason}; --no_probe lets the neighbors judge alone.", "probe") from error
    return judge(rows, Evidence(graph, rows.labels, n_classes, fits), score)


def judge(rows: LabeledRows, evidence: Evidence, score: str = DEFAULT_SCORE) -> Audit:
    """The audit of rows whose evidence is there."""
    labels = rows.labels
    scores, noise = evidence.score(score), evidence.noise
    # What the others say, on which the row's own label has no influence.
    predicted = evidence.shares.argmax(axis=1)
    everyone, shares = np.arange(len(labels)), evidence.wann_shares
    given_share = shares[everyone, labels]
    issues = np.zeros(len(labels), bool)
    issues[doubt_order(scores, given_share)[: noise.count]] = True
    graph = evidence.graph
    groups = near_duplicates(graph.train_ids, graph.train_distances)
    names = np.asarray(rows.class_names, object)
    table = pd.DataFrame(
        {
            "split": np.asarray(_SPLITS, object)[rows.splits],
            "row": rows.rows,
            # Names of files may be no text, which tables cannot hold.
            "name": [name.encode("utf-8", "backslashreplace").decode() for name in rows.names],
            "given_label": names[labels],
            "predicted_label": names[predicted],
            "given_label_id": labels,
            "predicted_label_id": predicted,
            "label_score": scores,
            "is_label_issue": issues,
            "reliability": 1.0 / evidence.adaptive_k,
            "adaptive_k": evidence.adaptive_k,
            "given_share": given_share,
            "predicted_share": shares[everyone, predicted],
            "same_class_distance": _same_class_distance(graph, labels),
            "near_duplicate_group": groups,
            "near_duplicate_conflict": mixed_groups(groups, labels),
            "in_train_and_test": mixed_groups(groups, rows.splits),
            "outlier_score": outlier_score(graph.train_distances),
        }
    )
    return Audit(table, noise, rows, evidence, score)


def labeled_rows(data: Dataset) -> LabeledRows:
    """The rows of all splits that have a label, z-scored together.

    Raises
    ------
    WannError
        If there are fewer than three of them, or all of one class.
    """
    found = [(i, data.splits[name]) for i, name in enumerate(_SPLITS) if name in data.splits]
    kept = [np.flatnonzero(split.y >= 0) for _, split in found]
    labels = np.concatenate([s.y[r] for (_, s), r in zip(found, kept, strict=True)])
    classes = len(np.unique(labels))
    if len(labels) < 3 or classes < 2:
        raise WannError(
            "an audit needs at least 3 labeled rows of 2 classes, "
            f"got {len(labels)} of {classes}; choose other data, or label rows of another class.",
            "dataset",
        )
    parts = [s.X if len(r) == len(s.X) else s.X[r] for (_, s), r in zip(found, kept, strict=True)]
    raw = parts[0] if len(parts) == 1 else np.concatenate(parts)
    names: list[str] = []
    for (_, split), rows in zip(found, kept, strict=True):
        own = split.names
        names += [""] * len(rows) if own is None else [own[row] for row in rows.tolist()]
    return LabeledRows(
        X=normalize(raw, raw[:1], "zscore")[0],
        labels=labels,
        splits=np.concatenate([np.full(len(r), i) for (i, _), r in zip(found, kept, strict=True)]),
        rows=np.concatenate([s.ids[r] for (_, s), r in zip(found, kept, strict=True)]),
        names=names,
        class_names=data.class_names,
    )


def doubt_order(scores: npt.ArrayLike, given_share: npt.ArrayLike) -> Array:
    """Positions by falling doubt: lowest score, then lowest share of the label, then first row."""
    return np.lexsort((np.asarray(given_share), np.asarray(scores)))


def _same_class_distance(graph: NeighborGraph, labels: Array) -> Array:
    """Distance to the nearest neighbor of the same given class; NaN where there is none."""
    same = labels[graph.train_ids] == labels[:, None]
    first = same.argmax(axis=1)
    everyone = np.arange(len(labels))
    distance = graph.train_distances[everyone, first].astype(np.float64)
    return np.where(same[everyone, first], distance, np.nan)
