"""Which labels of a data set look wrong, how sure that is, and how many there are."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from wann_core.audit.judging.duplicates import NEAR, mixed_groups, near_duplicates, outlier_score
from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.judging.groups import deal_by_group, graph_without_groups, group_codes
from wann_core.audit.judging.neighbor_votes import NEIGHBORS
from wann_core.audit.judging.rows import AllRows, LabeledRows, labeled_rows
from wann_core.audit.result import Audit, doubt_order
from wann_core.audit.scores import DEFAULT_SCORE, SCORES, score_labels
from wann_core.datasets import Dataset
from wann_core.datasets.dataset import LABELED
from wann_core.errors import WannError, check_choice
from wann_core.methods.probes.out_of_fold import OutOfFold, can_fit
from wann_core.neighbors.cache import neighbor_graph
from wann_core.neighbors.graph import NeighborGraph
from wann_core.progress import Progress
from wann_core.text import shown
from wann_core.typing import Array

NOT_JUDGED = "not judged: no other row or group has this label"


def audit(
    data: Dataset,
    *,
    score: str = DEFAULT_SCORE,
    probe: bool = True,
    search: str = "auto",
    near: float = NEAR,
    groups: Any = None,
    progress: Progress | None = None,
    preview: Callable[[Audit], object] | None = None,
) -> Audit:
    """Audit the labels of a data set; each row is judged by the other rows.

    Parameters
    ----------
    data : Dataset
        Rows without a label are left out.
    score : str
        One of `SCORES`: what ranks the labels.
    probe : bool
        Whether logistic regression, fitted out of fold, may speak too. It takes longer and finds
        more. Folds are drawn by the order of the rows; all else does not depend on it. Where no
        two classes have several rows none can be fitted, and a note of the audit says so.
    search : {'auto', 'flat', 'torch'}
        See `NeighborGraph.build`.
    near : float
        Rows nearer than this share of the usual distance are near-duplicates, see
        `near_duplicates`.
    groups : array-like, optional
        Group of each labeled row of train, val and test, in this order; see `audit_labels`.
    progress : callable, optional
        `progress(done, total, text)`; may raise to stop.
    preview : callable, optional
        Called as `preview(found)` before the probe is fitted, with the audit that goes by the
        neighbors alone, as without `probe`. Not called where there will be none.

    Returns
    -------
    Audit
        Its table has the columns split, row, name, given_label, predicted_label (names),
        given_label_id, predicted_label_id, label_score (0 to 1, low is doubtful), is_label_issue,
        reliability (η = 1 / adaptive k), adaptive_k, given_share and predicted_share (η-weighted
        votes, 0 to 1), same_class_distance (NaN if none of the 51 nearest rows is of the class),
        near_duplicate_group (-1 for none), near_duplicate_conflict (another label in the group),
        in_train_and_test (near-duplicates in different splits), outlier_score (0 is far from all),
        judgeable (False for the only row of a class, or the only group, which no other row can
        speak for: it has no score, and is not counted), note (why a row is not judged, else '').
        The issues are the `noise.count` most doubtful rows; where groups are judged as a whole,
        those groups of which at least half are among them.

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
    n_classes = len(rows.class_names)
    codes = folds = None
    if groups is None:
        graph = neighbor_graph(rows.X, None, NEIGHBORS, progress, search)
    else:
        codes = group_codes(groups, len(rows))
        folds = deal_by_group(codes, rows.labels)
        graph = graph_without_groups(rows.X, codes, NEIGHBORS, progress, search)
    evidence = Evidence(
        graph, rows.labels, n_classes, X=rows.X, folds=folds, progress=progress, groups=codes
    )
    if not probe or not can_fit(rows.labels, folds):
        return judge(rows, evidence, score, near)
    if preview is not None:
        preview(judge(rows, evidence, DEFAULT_SCORE if score == "probe" else score, near))
    fits = OutOfFold(rows.X, rows.labels, n_classes, progress, folds=folds)
    return judge(rows, evidence.with_probe(fits), score, near)


def judge(
    rows: LabeledRows, evidence: Evidence, score: str = DEFAULT_SCORE, near: float = NEAR
) -> Audit:
    """The audit of rows whose evidence is there."""
    labels = rows.labels
    scores, noise = score_labels(evidence, score), evidence.noise
    # By the others alone: the row's own label has no influence on it.
    predicted = np.asarray(evidence.shares.argmax(axis=1))
    judgeable = evidence.judgeable
    predicted[~judgeable], scores[~judgeable] = labels[~judgeable], np.nan
    everyone, shares = np.arange(len(labels)), evidence.wann_shares
    given_share = shares[everyone, labels]
    issues = np.zeros(len(labels), bool)
    issues[doubt_order(scores, given_share)[: noise.count]] = True
    if evidence.units is not None:
        # What is judged as a whole is flagged as a whole.
        flagged = np.bincount(evidence.units, weights=issues) / np.bincount(evidence.units)
        issues = flagged[evidence.units] >= 0.5
    graph = evidence.graph
    groups = near_duplicates(graph.train_ids, graph.train_distances, near)
    names = np.asarray(rows.class_names, object)
    table = pd.DataFrame(
        {
            "split": np.asarray(LABELED, object)[rows.splits],
            "row": rows.rows,
            # Names of files may be no text, which tables cannot hold.
            "name": [shown(name) for name in rows.names],
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
            "judgeable": judgeable,
            "note": np.where(judgeable, "", NOT_JUDGED),
        }
    )
    everything = AllRows(rows.X, rows.names, np.arange(len(rows)))
    return Audit(table, noise, rows, evidence, score, everything)


def _same_class_distance(graph: NeighborGraph, labels: Array) -> Array:
    """Distance to the nearest neighbor of the same given class; NaN where there is none."""
    same = labels[graph.train_ids] == labels[:, None]
    first = same.argmax(axis=1)
    everyone = np.arange(len(labels))
    distance = graph.train_distances[everyone, first].astype(np.float64)
    return np.where(same[everyone, first], distance, np.nan)
