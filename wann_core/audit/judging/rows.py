"""The rows that an audit judges, and all rows that it was given."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from wann_core.audit.judging.duplicates import outlier_score
from wann_core.datasets import Dataset
from wann_core.datasets.dataset import LABELED
from wann_core.errors import WannError
from wann_core.methods.reduction import normalize
from wann_core.neighbors.cache import neighbor_graph
from wann_core.typing import Array

_OUTLIER_NEIGHBORS = 10


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
class AllRows:
    """All rows that an audit was given, also those without a label.

    Attributes
    ----------
    X : ndarray of shape (n, d), or None
        Embeddings as they were given; None where there are none.
    names : sequence of str
        '' where there is none.
    labeled : ndarray of shape (m,), int64
        Positions of the rows that are judged, in their order.
    """

    X: Array | None
    names: Sequence[str]
    labeled: Array

    def __len__(self) -> int:
        return len(self.names)

    def outliers(self) -> pd.DataFrame:
        """Rank the rows by their distance from all others, farthest first.

        Returns
        -------
        DataFrame
            position, name, outlier_score: 2^(-d / median d), d the mean distance to the 10 nearest
            rows; 0.5 is usual, 0 is far away.

        Raises
        ------
        WannError
            If there are no embeddings, or fewer than two rows.
        """
        if self.X is None:
            raise WannError("outliers need `embeddings`, got none.", "embeddings")
        X, _ = normalize(self.X, self.X[:1], "zscore")
        graph = neighbor_graph(X, None, _OUTLIER_NEIGHBORS)
        scores = outlier_score(graph.train_distances)
        order = np.argsort(scores, kind="stable")
        return pd.DataFrame(
            {
                "position": order,
                "name": np.asarray(self.names, object)[order],
                "outlier_score": scores[order],
            }
        )


def labeled_rows(data: Dataset) -> LabeledRows:
    """The rows of all splits that have a label, z-scored together.

    Raises
    ------
    WannError
        If there are fewer than three of them, or all of one class.
    """
    found = [(i, data.splits[name]) for i, name in enumerate(LABELED) if name in data.splits]
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
