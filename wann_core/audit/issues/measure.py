"""What issues are judged by, measured once: neighbors of all rows, properties of images."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from wann_core.audit.issues.image_faults import image_properties, robust_deviations
from wann_core.audit.judging.duplicates import near_duplicates
from wann_core.datasets.dataset import Dataset
from wann_core.methods.reduction import normalize
from wann_core.neighbors.cache import neighbor_graph
from wann_core.progress import Progress
from wann_core.text import shown
from wann_core.typing import Array

# More than a few odd images that look alike: they must not hide each other.
_NEIGHBORS = 51
# Fewer columns are a table's, each in a unit of its own, and not an embedding.
_EMBEDDING = 50
# Vectors are usually of about one length; less than this share of spread means nothing.
_LEAST_SPREAD = 0.02
# Thumbnails of length 1 nearer than this are copies: their correlation is above 0.99.
_SAME_LOOK = 0.14


class Rows:
    """All rows of a data set, one after the other."""

    def __init__(self, data: Dataset) -> None:
        self.data = data
        splits = data.splits
        self.split = np.repeat(np.array(list(splits), object), [len(s) for s in splits.values()])
        self.place = np.concatenate([np.arange(len(s)) for s in splits.values()])
        self.ids = np.concatenate([s.ids for s in splits.values()])
        self.y = np.concatenate([s.y for s in splits.values()])
        self.names = np.array(
            [shown(name) for s in splits.values() for name in (s.names or [""] * len(s))],
            object,
        )
        self.labeled = np.flatnonzero(self.y >= 0)
        classes = np.array([*data.class_names, ""], object)
        self.labels = classes[self.y]

    def lines(
        self,
        kind: str,
        at: Array,
        severity: Any = 1.0,
        group: Any = -1,
        detail: Any = "",
    ) -> pd.DataFrame:
        """Issues of rows."""
        return pd.DataFrame(
            {
                "kind": kind,
                "split": self.split[at],
                "row": self.ids[at],
                "name": self.names[at],
                "label": self.labels[at],
                "severity": np.broadcast_to(np.asarray(severity, float), len(at)),
                "group": np.broadcast_to(np.asarray(group, np.int64), len(at)),
                "detail": np.broadcast_to(np.asarray(detail, object), len(at)),
            }
        )


@dataclass(frozen=True, eq=False)
class Measurements:
    """What issues are judged by, before any threshold.

    Attributes
    ----------
    ids : ndarray of shape (n, k), int64
        Nearest rows of each row, nearest first; of all splits, one after the other.
    distances : ndarray of shape (n, k), float32
    remoteness : ndarray of shape (n,), float64
        How far each row is from all others, in robust deviations, see `remoteness`.
    properties : DataFrame
        Of the images, see `image_properties`; empty where there are none.
    places : ndarray of int64
        Row of each image.
    looks : ndarray of shape (n,), int64
        Group of the images that look the same; -1 for the others.
    """

    ids: Array
    distances: Array
    remoteness: Array
    properties: pd.DataFrame
    places: Array
    looks: Array


def measure(
    data: Dataset, *, images: bool = True, progress: Progress | None = None
) -> Measurements:
    """Search the neighbors and open the images of a data set, once for all thresholds.

    Parameters
    ----------
    data : Dataset
    images : bool
        Whether images are opened and measured.
    progress : callable, optional
    """
    rows = Rows(data)
    n = len(rows.y)
    properties, places, looks = pd.DataFrame(), np.empty(0, np.int64), np.full(n, -1)
    if images and data.images is not None:
        properties, places, looks = _measured_images(rows, progress)
    X = np.concatenate([split.X for split in data.splits.values()])
    if n < 3:
        none = np.empty((n, 0), np.int64)
        return Measurements(none, none.astype(np.float32), np.zeros(n), properties, places, looks)
    graph = neighbor_graph(normalize(X, X[:1], "zscore")[0], None, _NEIGHBORS, progress)
    far = remoteness(X, graph.train_distances, progress)
    return Measurements(graph.train_ids, graph.train_distances, far, properties, places, looks)


def _measured_images(rows: Rows, progress: Progress | None) -> tuple[pd.DataFrame, Array, Array]:
    """Properties of images, the rows that they are of, and groups of those that look the same."""
    images = rows.data.images
    assert images is not None
    parts: list[pd.DataFrame] = []
    looks: list[Array] = []
    places: list[Array] = []
    for name in rows.data.splits:
        source = images.splits.get(name)
        if source is None:
            continue
        mine = np.flatnonzero(rows.split == name)
        # Files are named row by row; arrays hold all rows of the source.
        at = rows.place[mine] if source.files is not None else rows.ids[mine]
        table, thumbnails = image_properties(source, at, progress)
        parts.append(table)
        looks.append(thumbnails)
        places.append(mine)
    groups = np.full(len(rows.y), -1)
    if not parts:
        return pd.DataFrame(), np.empty(0, np.int64), groups
    where = np.concatenate(places)
    groups[where] = _same_look(np.concatenate(looks), progress)
    return pd.concat(parts, ignore_index=True), where, groups


def _same_look(thumbnails: Array, progress: Progress | None) -> Array:
    """Groups of images that look the same from afar; -1 for the others."""
    groups = np.full(len(thumbnails), -1)
    seen = np.flatnonzero(thumbnails.any(axis=1))
    if len(seen) > 2:
        graph = neighbor_graph(thumbnails[seen], None, min(10, len(seen) - 1), progress)
        nearest = graph.train_distances[:, 0]
        apart = nearest[nearest > 0]
        near = min(_SAME_LOOK / float(np.median(apart)), 1.0) if len(apart) else 1.0
        groups[seen] = near_duplicates(graph.train_ids, graph.train_distances, near)
    return groups


def remoteness(X: Array, distances: Array, progress: Progress | None = None) -> Array:
    """How far each row is from the others, in robust deviations from the median.

    Of embeddings (50 dimensions or more) by direction: the log of the distance, on the unit sphere,
    to the 51st nearest row. The distance to a near one would miss 20 odd images that look alike,
    and lengths differ for reasons of their own (noise and dark images have short vectors); a length
    counts half. Of tables with fewer columns by the distances that are given.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    distances : ndarray of shape (n, k)
        To the nearest rows, of standardized columns, nearest first.
    progress : callable, optional

    Returns
    -------
    ndarray of shape (n,), float64

    References
    ----------
    Sun et al., Out-of-Distribution Detection with Deep Nearest Neighbors, ICML 2022.
    """
    if X.shape[1] < _EMBEDDING:
        return _deviations(distances[:, -1])
    lengths = np.linalg.norm(X.astype(np.float64), axis=1)
    graph = neighbor_graph(normalize(X, X[:1], "l2")[0], None, _NEIGHBORS, progress)
    by_length = np.abs(_deviations(lengths, _LEAST_SPREAD)) / 2
    return np.maximum(_deviations(graph.train_distances[:, -1]), by_length)


def _deviations(values: Array, least: float = 1e-6) -> Array:
    """Of the logarithms; `least` is the smallest spread."""
    logs = np.log(np.maximum(values.astype(np.float64), 1e-12))
    return robust_deviations(logs, least)
