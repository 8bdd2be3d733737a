"""Reviewed labels as an embedding database that loads like any other."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wann_core.datasets import database, image_sources
from wann_core.datasets.dataset import Dataset, Split
from wann_core.datasets.images import labels_digest
from wann_core.datasets.sources import human_labels
from wann_core.errors import WannError
from wann_core.progress import Progress
from wann_core.review.corrections import Corrected, refuse_injected

# Entries of the new database's manifest.
_OWN = ("format", "dataset", "backbone", "class_names", "rows", "images", "review", "relabeled")


def write_cleaned(
    after: Corrected,
    database_root: str | Path,
    dataset: str,
    *,
    ledger: str = "",
    progress: Progress | None = None,
) -> Path:
    """Write the kept rows with their corrected labels, ids and names as a new data set.

    The manifest records where the rows come from, how many verdicts of each kind were applied, and
    where the images are, so that they are found as before.

    Parameters
    ----------
    after : Corrected
    database_root : path
        Where the new database goes; the manifest of the old one is taken over if it lies there too.
    dataset : str
        Name of the new one; the backbone keeps its own.
    ledger : str
        Name of the ledger's file, for the record.
    progress : callable, optional
        `progress(done, total, text)`; may raise to stop, which leaves nothing.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    WannError
        If no training row is left, a name is not allowed, there is a database already, or errors
        were injected into the labels.
    """
    data, splits = after.data, after.splits
    refuse_injected(data)
    if "train" not in splits:
        raise WannError("every training row was removed; none is left to write.", "verdicts")
    record = {
        "dataset": data.name,
        "ledger": ledger,
        "verdicts": dict(after.counts),
        "removed": {
            name: rows.ids[~after.keep[name]].tolist()
            for name, rows in data.splits.items()
            if name in after.keep and not after.keep[name].all()
        },
    }
    return write_version(data, splits, database_root, dataset, {"review": record}, progress)


def write_version(
    data: Dataset,
    splits: Mapping[str, Split],
    database_root: str | Path,
    dataset: str,
    record: Mapping[str, Any],
    progress: Progress | None = None,
) -> Path:
    """Write rows of a data set as a new one, with what is known of them and of their images.

    Parameters
    ----------
    data : Dataset
        Gives the class names, the backbone and the images.
    splits : mapping of str to Split
        Rows of `data`, perhaps under other labels.
    database_root, dataset, progress
        See `write_cleaned`.
    record : mapping
        JSON values that the manifest records besides.
    """
    base = human_labels.base(data.name) or data.name
    old = database.manifest(database.folder(database_root, base, data.backbone))
    details = {key: value for key, value in old.items() if key not in _OWN}
    images = _images(data) or old.get("images")
    if images:
        details["images"] = images
    return database.write(
        database_root,
        dataset,
        data.backbone,
        splits,
        data.class_names,
        {**details, **record},
        progress,
    )


def _images(data: Dataset) -> dict[str, Any] | None:
    """How the images are found again; None where there are none."""
    images = data.images
    if images is None:
        return None
    if images.origin.get("source") in image_sources.FILES:
        return dict(images.origin)
    # An array is recognized by its own labels, which the corrected ones no longer are.
    kept = {
        name: labels_digest(images.splits[name].labels)
        for name in data.splits
        if name in images.splits
    }
    return {**images.origin, "dataset": images.name, "labels": kept}
