"""The audit of plain arrays: embeddings, labels, and whatever else a user has about the rows."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.judging.groups import deal_by_group, graph_without_groups, group_codes
from wann_core.audit.judging.neighbor_votes import NEIGHBORS
from wann_core.audit.judging.probabilities import GivenProbabilities, probabilities_of
from wann_core.audit.judging.rows import AllRows, LabeledRows
from wann_core.audit.label_audit import judge
from wann_core.audit.result import Audit
from wann_core.audit.scores import DEFAULT_SCORE, SCORES
from wann_core.audit.user_arrays import check_same_order, listed, matrix_of, on_host
from wann_core.audit.user_labels import class_ids
from wann_core.errors import WannError, check_choice, check_number
from wann_core.methods.folds import deal_folds
from wann_core.methods.probes.out_of_fold import OutOfFold, Witness, can_fit
from wann_core.methods.reduction import normalize
from wann_core.neighbors.cache import neighbor_graph
from wann_core.neighbors.graph import NeighborGraph
from wann_core.progress import Progress
from wann_core.typing import Array

# The entry of a table where there is no neighbor.
_NO_NEIGHBORS = {
    "reliability": np.nan,
    "adaptive_k": np.nan,
    "same_class_distance": np.nan,
    "near_duplicate_group": -1,
    "near_duplicate_conflict": False,
    "in_train_and_test": False,
    "outlier_score": np.nan,
}


def audit_labels(
    embeddings: Any,
    labels: Any,
    *,
    pred_probs: npt.ArrayLike | None = None,
    graph: NeighborGraph | tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    ids: Sequence[Any] | None = None,
    class_names: Sequence[str] | None = None,
    groups: Any = None,
    score: str = DEFAULT_SCORE,
    probe: bool = True,
    seed: int = 0,
    search: str = "auto",
    progress: Progress | None = None,
) -> Audit:
    """Audit labels given as arrays; each row is judged by the other rows.

    Parameters
    ----------
    embeddings : array-like of shape (n, d), or None
        One row a sample: an array, a data frame, a column of lists or a torch tensor of finite
        numbers. None where `pred_probs` or `graph` speak alone.
    labels : array-like of shape (n,)
        Labels of any type: text, numbers (with gaps, too), booleans. None, NaN and NaT mean that
        a row has no label; it is not judged, but has an outlier score, weight 0 and soft labels.
    pred_probs : array-like of shape (n, C), optional
        Out-of-fold probabilities of your own model, columns in the order of `class_names` (a data
        frame's columns may be called so, in any order). They take the place of the probe that is
        fitted here.
    graph : NeighborGraph or (ids, distances), optional
        Neighbors of the labeled rows among each other, nearest first, each row itself left out;
        51 a row are used. By default they are searched.
    ids : sequence of length n, optional
        Names of the rows, shown in the tables; by default their positions.
    class_names : sequence of str, optional
        All classes, in the order of their ids. Integer labels below C count as ids, unless they
        are names themselves. By default the labels that occur: numbers by value, text by letter.
    groups : array-like of shape (n,), optional
        Patient, video, annotator's session…: rows of one group never judge each other, neither as
        neighbors nor through a probe that was fitted to them. A group of several rows that bears
        one label throughout is judged as a whole: its rows have one score, and count together.
        Missing values: a group of its own.
    score : str
        One of `SCORES`.
    probe : bool
        Whether logistic regression, fitted out of fold, may speak, too. Where no two classes have
        several rows, or groups, none can be fitted, and a note of the audit says so.
    seed : int
        Deals the folds of the probe.
    search : {'auto', 'flat', 'torch'}
        How neighbors are searched, where no graph is given.
    progress : callable, optional
        `progress(done, total, text)`; may raise to stop.

    Returns
    -------
    Audit

    Raises
    ------
    WannError
        If shapes do not fit, a number is not finite, there are fewer than three labeled rows or
        two classes, or neither embeddings, probabilities nor a graph are given.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["cat", "dog"], 30)
    >>> X = rng.normal(size=(60, 8)) + 4 * (y == "dog")[:, None]
    >>> given = y.copy()
    >>> given[3] = "dog"
    >>> found = audit_labels(X, given)
    >>> int(found.issues.index[0]), found.issues.iloc[0]["predicted_label"]
    (3, 'cat')
    """
    check_choice("score", score, SCORES)
    check_number("seed", seed, 0, 2**32 - 1, whole=True)
    if embeddings is None and pred_probs is None and graph is None:
        raise WannError(
            "an audit needs `embeddings`, `pred_probs` or a `graph`, got none of them.",
            "embeddings",
        )
    check_same_order(embeddings, labels)
    y, names = class_ids(labels, class_names)
    X = None if embeddings is None else matrix_of(embeddings, "embeddings", len(y))
    names_of_rows = _ids(ids, len(y))
    kept = np.flatnonzero(y >= 0)
    classes = len(np.unique(y[kept]))
    if len(kept) < 3 or classes < 2:
        raise WannError(
            f"an audit needs at least 3 labeled rows of 2 classes, got {len(kept)} of {classes} "
            f"class{'' if classes == 1 else 'es'}; `find_outliers` takes rows without labels.",
            "labels",
        )
    if classes == len(kept):
        raise WannError(
            f"`labels` must repeat, got {classes:,} different ones in {len(kept):,} rows; are they "
            "ids or measured values?",
            "labels",
        )
    given = None
    if pred_probs is not None:
        pred_probs = on_host(pred_probs)
        given = probabilities_of(pred_probs, len(y), names)[kept]
    near = X if X is not None else (None if pred_probs is None else _as_positions(pred_probs))
    rows = LabeledRows(
        X=np.zeros((len(kept), 0), np.float32) if near is None else _normalized(near, kept),
        labels=y[kept],
        splits=np.zeros(len(kept), np.int64),
        rows=kept,
        names=[names_of_rows[i] for i in kept.tolist()],
        class_names=names,
    )
    codes = None if groups is None else group_codes(groups, len(y))[kept]
    searched = _graph(graph, rows.X, codes, len(kept), progress, search)
    folds = (
        deal_folds(rows.labels, seed) if codes is None else deal_by_group(codes, rows.labels, seed)
    )
    witness: Witness | None = None
    if given is not None:
        witness = GivenProbabilities(given, folds)
    elif probe and X is not None and can_fit(rows.labels, folds):
        witness = OutOfFold(rows.X, rows.labels, len(names), progress, folds=folds)
    evidence = Evidence(
        searched,
        rows.labels,
        len(names),
        witness,
        X=None if X is None else rows.X,
        folds=folds,
        progress=progress,
        groups=codes,
    )
    found = judge(rows, evidence, score)
    table = found.table
    if X is None and graph is None:
        # Rows of like probabilities are not near-duplicates, nor those far from others outliers.
        table = table.assign(**_NO_NEIGHBORS)
    return replace(found, table=table, everything=AllRows(X, names_of_rows, kept))


def find_outliers(embeddings: Any, *, ids: Sequence[Any] | None = None) -> pd.DataFrame:
    """Rank rows without labels by their distance from all others, farthest first.

    Parameters
    ----------
    embeddings : array-like of shape (n, d)
    ids : sequence of length n, optional
        Names of the rows.

    Returns
    -------
    DataFrame
        position, name, outlier_score (0.5 is usual, 0 is far away).

    Raises
    ------
    WannError
        If the embeddings are not a table of finite numbers.
    """
    X = matrix_of(embeddings, "embeddings", None)
    if len(X) < 2:
        raise WannError(f"`embeddings` must have at least 2 rows, got {len(X)}.", "embeddings")
    return AllRows(X, _ids(ids, len(X)), np.arange(0)).outliers()


def _graph(
    graph: NeighborGraph | tuple[npt.ArrayLike, npt.ArrayLike] | None,
    X: Array,
    codes: Array | None,
    rows: int,
    progress: Progress | None,
    search: str,
) -> NeighborGraph:
    if graph is None:
        if codes is None:
            return neighbor_graph(X, None, NEIGHBORS, progress, search)
        return graph_without_groups(X, codes, NEIGHBORS, progress, search)
    if not isinstance(graph, NeighborGraph):
        if not isinstance(graph, Sequence) or len(graph) != 2:
            raise WannError(
                "`graph` must be a NeighborGraph or a pair (ids, distances), got "
                f"{type(graph).__name__}.",
                "graph",
            )
        ids, distances = (np.asarray(part) for part in graph)
        graph = NeighborGraph(ids.astype(np.int32), distances.astype(np.float32))
    ids = graph.train_ids
    everyone = np.arange(rows)[:, None]
    if ids.ndim != 2 or len(ids) != rows or ids.shape != graph.train_distances.shape:
        raise WannError(
            f"`graph` must hold ids and distances of the {rows:,} labeled rows, got shapes "
            f"{ids.shape} and {graph.train_distances.shape}.",
            "graph",
        )
    if ids.shape[1] < 1 or ids.min() < 0 or ids.max() >= rows or (ids == everyone).any():
        raise WannError(
            f"`graph` must name other rows by positions from 0 to {rows - 1:,}, no row itself.",
            "graph",
        )
    if codes is not None and (codes[ids] == codes[:, None]).any():
        raise WannError("`graph` must not link rows of one group of `groups`.", "graph")
    return graph


def _as_positions(pred_probs: npt.ArrayLike) -> Array:
    """Probabilities as points: the Euclidean distance of their roots is Hellinger's."""
    roots: Array = np.sqrt(np.asarray(pred_probs, np.float64).clip(min=0)).astype(np.float32)
    return roots


def _normalized(X: Array, kept: Array) -> Array:
    raw = X if len(kept) == len(X) else X[kept]
    return normalize(raw, raw[:1], "zscore")[0]


def _ids(ids: Sequence[Any] | None, rows: int) -> list[str]:
    if ids is None:
        return [""] * rows
    found = listed(ids, "ids")
    if len(found) != rows:
        raise WannError(f"`ids` must have one entry a label ({rows:,}), got {len(found):,}.", "ids")
    return found
