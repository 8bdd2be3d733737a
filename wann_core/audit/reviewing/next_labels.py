"""Which rows without a label to label next: uncertain ones, and not all of one kind."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import LogisticRegression

from wann_core.audit.user_arrays import check_same_order, matrix_of
from wann_core.audit.user_labels import class_ids
from wann_core.errors import WannError, check_number
from wann_core.methods.folds import in_their_span
from wann_core.methods.probes.logistic import choose_C
from wann_core.methods.reduction import normalize
from wann_core.parallel import blas
from wann_core.progress import Progress
from wann_core.typing import Array

_ITERATIONS = 500
# Rows that are sure still count a little, so that clusters cover all that is there.
_SURE = 0.05
_ROWS_PER_CLUSTER = 50


def next_to_label(
    embeddings: Any,
    labels: Any,
    n: int = 100,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Choose the unlabeled rows that are most worth labeling.

    A logistic regression on the existing labels measures how unsure it is of each row (1 less
    the difference of its two largest probabilities). The rows without a label are clustered into
    n clusters, unsure rows weighing more; of each cluster the row nearest to its center is chosen.

    Parameters
    ----------
    embeddings : array-like of shape (m, d)
    labels : array-like of shape (m,)
        None, NaN and NaT mean that a row has no label.
    n : int
        Rows to choose.
    seed : int
        Of the clusters.
    progress : callable, optional
        Called between parts; may raise to stop.

    Returns
    -------
    DataFrame
        position, uncertainty (0 to 1), likeliest_class ('' where fewer than two classes have
        labels), cluster_weight (the sum of uncertainties that the row stands for); largest
        cluster_weight first.

    Raises
    ------
    WannError
        If every row has a label, or fewer than `n` have none.

    References
    ----------
    Zhdanov, Diverse Mini-Batch Active Learning, 2019.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["a", "b", None], 30)
    >>> X = rng.normal(size=(90, 4)) + np.repeat([[0], [6], [3]], 30, axis=0)
    >>> found = next_to_label(X, y, 5)
    >>> len(found), bool((found["position"] >= 60).all())
    (5, True)
    """
    check_same_order(embeddings, labels)
    y, names = class_ids(labels)
    X = matrix_of(embeddings, "embeddings", len(y))
    new = np.flatnonzero(y < 0)
    if not len(new):
        raise WannError("`labels` must lack some: every row has a label.", "labels")
    check_number("n", n, 1, len(new), whole=True)
    X = in_their_span(normalize(X, X[:1], "zscore")[0])
    unsure, likely = _unsure(X, y, new, progress)
    if progress is not None:
        progress(1, 2, "clustering the rows without a label")
    weights = unsure + _SURE
    clusters = MiniBatchKMeans(
        n,
        random_state=seed,
        n_init=1,
        batch_size=max(1024, min(len(new), 10 * n)),
        init_size=min(len(new), max(3 * n, 1024)),
        max_iter=_ROWS_PER_CLUSTER,
    )
    with blas.bounded(1):
        own = clusters.fit(X[new], sample_weight=weights).predict(X[new])
    apart = ((X[new] - clusters.cluster_centers_[own]) ** 2).sum(axis=1)
    order = np.lexsort((apart, own))
    first = order[np.unique(own[order], return_index=True)[1]]
    stands_for = np.bincount(own, weights=weights, minlength=n)[own[first]]
    if len(first) < n:  # empty clusters: the most uncertain rows that are left
        rest = np.setdiff1d(np.arange(len(new)), first)
        more = rest[np.argsort(-unsure[rest], kind="stable")][: n - len(first)]
        first = np.concatenate([first, more])
        stands_for = np.concatenate([stands_for, weights[more]])
    table = pd.DataFrame(
        {
            "position": new[first],
            "uncertainty": unsure[first],
            "likeliest_class": np.array([*names, ""], object)[likely[first]],
            "cluster_weight": stands_for,
        }
    )
    return table.sort_values("cluster_weight", ascending=False, kind="stable", ignore_index=True)


def _unsure(X: Array, y: Array, new: Array, progress: Progress | None) -> tuple[Array, Array]:
    """How unsure the labels leave each row, and its likeliest class; -1 where nobody knows."""
    known = np.flatnonzero(y >= 0)
    if len(np.unique(y[known])) < 2:
        return np.ones(len(new)), np.full(len(new), -1)
    scores = choose_C(X[known], y[known], np.ones(len(known)), progress)
    C = max(scores, key=lambda c: scores[c]) if scores else 1.0
    with blas.bounded(1):
        model = LogisticRegression(C=C, max_iter=_ITERATIONS).fit(X[known], y[known])
    shares = model.predict_proba(X[new])
    two = np.partition(shares, -2, axis=1)[:, -2:]
    likely: Array = model.classes_[shares.argmax(axis=1)]
    return np.asarray(1 - (two[:, 1] - two[:, 0])), likely
