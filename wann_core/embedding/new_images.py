"""Embedding images that belong to no database, by the backbone that made one."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from wann_core.datasets import BUILT_IN, database
from wann_core.datasets.images import ImageSplit
from wann_core.embedding import pipeline
from wann_core.embedding.backbones import PIXELS, Backbone, Pixels, load_backbone
from wann_core.embedding.embed import BATCH_SIZE
from wann_core.errors import WannError
from wann_core.progress import Progress
from wann_core.typing import Array


def backbone_of(
    dataset: str,
    backbone: str,
    databases: str | Path,
    *,
    weights: str | Path | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> Backbone:
    """The backbone that made a database, with the same weights and transform.

    Parameters
    ----------
    dataset, backbone, databases
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
    made = database.manifest(database.folder(databases, dataset, backbone))
    size = made.get("image_size")
    if backbone == PIXELS and size:
        return Pixels(tuple(size), str(made.get("transform", "RGB")).partition(",")[0])
    found = load_backbone(
        backbone,
        weights=weights,
        image_size=size[0] if size else None,
        device=device,
        precision="bfloat16" if made.get("precision") == "bfloat16" else "float32",
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
    done = 0

    def tick() -> None:
        if progress is not None:
            progress(done, len(images), "embedding images")

    with (
        pipeline.decoders(None) as pool,
        closing(pipeline.embedded(images, batches, backbone, pool, tick)) as made,
    ):
        for batch in made:
            unreadable |= batch.unreadable
            if len(batch.rows):
                rows.append(batch.rows)
                parts.append(batch.embeddings)
            done = batch.stop
            tick()
    X = np.concatenate(parts) if parts else np.empty((0, 0), np.float32)
    return np.concatenate(rows), X, unreadable
