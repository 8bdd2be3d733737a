"""Labels for new rows, or new images, by the votes of a scenario's training rows."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wann_core.datasets import BUILT_IN, Split, database
from wann_core.datasets.images import UNLABELED, ImageSplit
from wann_core.embedding import pipeline
from wann_core.embedding.backbones import PIXELS, Backbone, Pixels, load_backbone
from wann_core.embedding.embed import BATCH_SIZE
from wann_core.errors import WannError
from wann_core.experiments.prepared import add_labels, make_geometry
from wann_core.experiments.scenario import Scenario, cast_votes, graph_neighbors, prepare
from wann_core.methods.voting import vote_shares
from wann_core.neighbors.graph import NeighborGraph, as_matrix, nearest
from wann_core.paths import DATABASE_ROOT, DATASET_ROOT
from wann_core.progress import Progress
from wann_core.typing import Array


def predict(
    scenario: Scenario,
    X: npt.ArrayLike,
    *,
    database_root: str | Path = DATABASE_ROOT,
    dataset_root: str | Path = DATASET_ROOT,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Label rows that no data set holds, as the scenario's method labels its test rows.

    Parameters
    ----------
    scenario : Scenario
        Its noise and reduction apply to the training rows as ever; 'None' of both for real use.
    X : array-like of shape (m, d)
        Embeddings by the scenario's backbone, before any normalization.
    database_root, dataset_root, progress
        As in `prepare`.

    Returns
    -------
    DataFrame of m rows
        class_id; label, the class's name; confidence, its share of the votes (0 to 1);
        nearest_row, the row id of the nearest training row; nearest_distance, Euclidean after
        normalization and reduction; nearest_reliability, that row's η.

    Raises
    ------
    WannError
        As `prepare` does, or if the columns are not those of the training rows.
    """
    new = as_matrix(X, "X")
    known = prepare(
        scenario, database_root=database_root, dataset_root=dataset_root, progress=progress
    )
    columns = known.dataset.train.X.shape[1]
    if new.shape[1] != columns:
        raise WannError(
            f"`X` must have the {columns} columns of the embeddings by "
            f"{scenario.backbone!r}, got {new.shape[1]}.",
            "X",
        )
    k = graph_neighbors(scenario)
    nobody = np.full(len(new), UNLABELED)
    data = dataclasses.replace(known.dataset, test=Split(new, nobody, np.arange(len(new))))
    base = make_geometry(data, scenario.geometry())

    def with_new(train: NeighborGraph, X_train: Array, X_new: Array) -> NeighborGraph:
        found = nearest(X_new, X_train, k)
        return dataclasses.replace(train, test_ids=found[0], test_distances=found[1])

    def base_graph() -> NeighborGraph:
        # Under LDA and fLDA the known graph is that of the reduced rows.
        plain = dataclasses.replace(scenario, reduction=None, reduction_size=None)
        same = scenario.reduction not in ("LDA", "fLDA")
        of_base = (
            known
            if same
            else prepare(
                plain, database_root=database_root, dataset_root=dataset_root, progress=progress
            )
        )
        return with_new(of_base.graph, base.X_train, base.X_test)

    def search(X_train: Array, X_new: Array) -> NeighborGraph:
        return with_new(known.graph, X_train, X_new)

    prepared = add_labels(data, scenario.labeling(), base, base_graph, search)
    prepared = dataclasses.replace(prepared, scenario=scenario)
    predictions, voters = cast_votes(prepared, scenario)
    ids, distances = prepared.graph.test_ids, prepared.graph.test_distances
    assert ids is not None and distances is not None
    weights = prepared.reliability if scenario.method == "WANN" else None
    shares = vote_shares(ids, prepared.labels, voters, weights)
    closest = ids[:, 0]
    return pd.DataFrame(
        {
            "class_id": predictions,
            "label": np.array(data.class_names, dtype=object)[predictions],
            "confidence": shares[np.arange(len(ids)), predictions],
            "nearest_row": prepared.row_ids[closest],
            "nearest_distance": distances[:, 0],
            "nearest_reliability": prepared.reliability[closest],
        }
    )


def backbone_of(
    dataset: str,
    backbone: str,
    database_root: str | Path,
    *,
    weights: str | Path | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> Backbone:
    """The backbone that made a database, with the same weights and transform.

    Parameters
    ----------
    dataset, backbone, database_root
        Which database; one without a manifest gets the backbone as timm has it.
    weights, device, progress
        As in `load_backbone`.

    Raises
    ------
    WannError
        If the backbone cannot be had, or is not the one of the manifest.
    """
    if (dataset, backbone) == BUILT_IN:
        raise WannError(
            "new images cannot be compared with the built-in digits; embed a data set first.",
            "dataset",
        )
    made = database.manifest(database.folder(database_root, dataset, backbone))
    size = made.get("image_size")
    if backbone == PIXELS and size:
        return Pixels(tuple(size), str(made.get("transform", "RGB")).partition(",")[0])
    found = load_backbone(
        backbone,
        weights=weights,
        image_size=size[0] if size else None,
        device=device,
        progress=progress,
    )
    for what in ("weights", "transform"):
        if made.get(what) is not None and made[what] != _like(made[what], found.record[what]):
            raise WannError(
                f"the {what} of {backbone!r} are not those that made the database: it records "
                f"{made[what]}, this is {found.record[what]}.",
                "weights",
            )
    return found


def _like(recorded: Any, ours: Any) -> Any:
    """Ours, but under the recorded name: weights are known by their digest."""
    if isinstance(recorded, dict) and isinstance(ours, dict):
        return {**ours, "name": recorded.get("name")}
    return ours


def embed_images(
    images: ImageSplit, backbone: Backbone, *, progress: Progress | None = None
) -> tuple[Array, Array, Mapping[int, str]]:
    """Embed images into memory.

    Returns
    -------
    rows : ndarray of shape (n,), int64
        Those that could be read.
    X : ndarray of shape (n, d), float32
    unreadable : mapping of int to str
        The others, and why.
    """
    order = np.arange(len(images))
    batches = [order[i : i + BATCH_SIZE] for i in range(0, len(order), BATCH_SIZE)]
    rows, parts, unreadable = [order[:0]], [], dict[int, str]()
    with pipeline.decoders(None) as pool:
        for batch in pipeline.embedded(images, batches, backbone, pool):
            unreadable |= batch.unreadable
            if len(batch.rows):
                rows.append(batch.rows)
                parts.append(batch.embeddings)
            if progress is not None:
                progress(batch.stop, len(images), "embedding images")
    X = np.concatenate(parts) if parts else np.empty((0, 0), np.float32)
    return np.concatenate(rows), X, unreadable
