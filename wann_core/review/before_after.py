"""What the corrections change: WANN and logistic regression, fitted and judged before and after."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.judging.rows import LabeledRows, labeled_rows
from wann_core.datasets.dataset import LABELED, Dataset
from wann_core.errors import WannError
from wann_core.methods.folds import FOLDS
from wann_core.methods.metrics import paired_gain_interval, wilson_interval
from wann_core.methods.probes.out_of_fold import OutOfFold, best_C
from wann_core.neighbors.cache import neighbor_graph
from wann_core.neighbors.graph import NeighborGraph, nearest
from wann_core.progress import Progress
from wann_core.review.corrections import corrected
from wann_core.typing import Array

METHODS = ("WANN", "logistic regression")
WARNING = (
    "Both sets of labels serve as the truth here, and neither is: the given ones hold the errors "
    "that were looked for, the corrected ones still hold those that were not found. Rows were "
    "chosen for review because models doubted them, so agreement on corrected labels rises in part "
    "by construction. Only rows judged true by someone who saw no model show how much was gained."
)
_NEIGHBORS = 51
_QUERIES = 4096


def before_after(
    data: Dataset, verdicts: pd.DataFrame, *, progress: Progress | None = None
) -> pd.DataFrame:
    """Cross-validate both methods on given and on corrected labels, judged on each of them.

    All labeled rows take part, whatever their split. WANN lets the others vote on each row, none
    of whose reliabilities has seen that row's label; logistic regression answers in five folds,
    the same ones under both, with a C chosen for each set of labels. Corrected labels are
    fitted without the removed rows, and judged on the rows that are left.

    Parameters
    ----------
    data : Dataset
    verdicts : DataFrame
        As for `corrected`.
    progress : callable, optional
        `progress(done, total, text)`; may raise to stop.

    Returns
    -------
    DataFrame
        method, fitted ('given' or 'corrected'), judged ('given', 'corrected' and, where the data
        know them, 'true'), rows (judged), accuracy, low and high (95 % Wilson interval), gain over
        the same method fitted to the given labels on the same rows, and gain_low and gain_high
        (its paired 95 % interval); the gain of 'given' itself is missing. Show `WARNING` with it.

    Raises
    ------
    WannError
        If the verdicts do not fit the data, or too few rows or classes are left.
    """
    rows = labeled_rows(data)
    after = corrected(data, verdicts)
    labels = _flat(rows, data, after.labels)
    keep = _flat(rows, data, after.keep)
    if len(np.unique(labels[keep])) < 2:
        raise WannError("fewer than two classes are left after review.", "verdicts")
    answers = {
        "WANN": _wann(rows, labels, keep, progress),
        "logistic regression": _logistic(rows, labels, keep, progress),
    }
    judges = {"given": (rows.labels, np.ones(len(rows), bool)), "corrected": (labels, keep)}
    if data.truth_known and any(split.clean is not None for split in data.splits.values()):
        known = {n: np.full(len(s), s.clean is not None) for n, s in data.splits.items()}
        best = {name: split.true for name, split in data.splits.items()}
        judges["true"] = (_flat(rows, data, best), _flat(rows, data, known))
    return pd.DataFrame(
        [
            _judged(method, fitted, judge, answer, before, *judges[judge])
            for method, (before, changed) in answers.items()
            for judge in judges
            for fitted, answer in (("given", before), ("corrected", changed))
        ]
    )


def _judged(
    method: str, fitted: str, judge: str, answer: Array, before: Array, truth: Array, on: Array
) -> dict[str, Any]:
    right, base = (given[on] == truth[on] for given in (answer, before))
    low, high = wilson_interval(int(right.sum()), int(on.sum()))
    gain, half = paired_gain_interval(right, base) if fitted != "given" else (np.nan, np.nan)
    return {
        "method": method,
        "fitted": fitted,
        "judged": judge,
        "rows": int(on.sum()),
        "accuracy": float(right.mean()),
        "low": low,
        "high": high,
        "gain": gain,
        "gain_low": gain - half,
        "gain_high": gain + half,
    }


def _flat(rows: LabeledRows, data: Dataset, values: Mapping[str, Array]) -> Array:
    """Values of the splits in the order of the labeled rows."""
    names = [name for name in LABELED if name in data.splits]
    flat = np.concatenate([values[name][data.splits[name].y >= 0] for name in names])
    assert len(flat) == len(rows)
    return flat


def _logistic(
    rows: LabeledRows, labels: Array, keep: Array, progress: Progress | None
) -> tuple[Array, Array]:
    """Answers fitted to given and to corrected labels."""
    fits = OutOfFold(rows.X, rows.labels, len(rows.class_names), progress)
    for fold in range(FOLDS):
        fitted = fits.folds != fold
        if min(len(np.unique(rows.labels[fitted])), len(np.unique(labels[fitted & keep]))) < 2:
            raise WannError(
                "cross-validation needs rows of two classes in every fold, before and after "
                f"review; got {len(rows)} rows, {int(keep.sum())} of them kept.",
                "verdicts",
            )
    # The C that is best for one set may be far too small for classes of other sizes.
    C = best_C(rows.X[keep], labels[keep], fits.folds[keep], fits.n_classes, progress)
    again = OutOfFold(rows.X, labels, fits.n_classes, progress, C, fits.folds)
    return (
        fits.probabilities().argmax(axis=1),
        again.probabilities(keep.astype(np.float64)).argmax(axis=1),
    )


def _wann(
    rows: LabeledRows, labels: Array, keep: Array, progress: Progress | None
) -> tuple[Array, Array]:
    """Answers fitted to given and to corrected labels."""
    n_classes = len(rows.class_names)
    graph = neighbor_graph(rows.X, None, _NEIGHBORS, progress)
    before = Evidence(graph, rows.labels, n_classes)
    left = _without(graph, rows.X, keep, progress)
    after = dataclasses.replace(before, graph=left, labels=labels)
    return before.wann_votes, after.wann_votes


def _without(
    graph: NeighborGraph, X: Array, keep: Array, progress: Progress | None
) -> NeighborGraph:
    """The graph in which removed rows have neighbors but are nobody's.

    Only rows that had a removed neighbor are searched again.
    """
    kept = np.flatnonzero(keep)
    width = min(graph.train_ids.shape[1], len(kept) - 1)
    touched = np.flatnonzero(
        ~keep[graph.train_ids].all(axis=1) | (width < graph.train_ids.shape[1])
    )
    ids = graph.train_ids[:, :width].copy()
    distances = graph.train_distances[:, :width].copy()
    for start in range(0, len(touched), _QUERIES):
        asked = touched[start : start + _QUERIES]
        if progress is not None:
            progress(start, len(touched), "neighbors of removed rows")
        found, apart = nearest(X[asked], X[kept], width + 1)
        near = kept[found]
        # The row itself, if it is found, or else the last of the spare ones.
        own = near == asked[:, None]
        own[~own.any(axis=1), -1] = True
        shape = (len(asked), width)
        ids[asked], distances[asked] = near[~own].reshape(shape), apart[~own].reshape(shape)
    # Found as its neighbors were: what is replaced was searched exactly.
    return dataclasses.replace(graph, train_ids=ids, train_distances=distances, seconds=math.nan)
