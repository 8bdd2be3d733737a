"""A folder of class folders of images, as an embedding database."""

import argparse
import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from wann_core.cli.shared.terminal import note
from wann_core.datasets import Dataset, catalog, database, load
from wann_core.datasets.images import ImageDataset
from wann_core.datasets.sources import image_folder
from wann_core.embedding import backbones
from wann_core.embedding import embed as embedding
from wann_core.embedding import weights as weights_files
from wann_core.errors import WannError
from wann_core.progress import Progress


def embedded(
    path: Path, args: argparse.Namespace, progress: Progress | None
) -> tuple[Path, Dataset]:
    """Embed the images of a folder, unless that was done before.

    Returns
    -------
    place : Path
        Of the database.
    data : Dataset
        The database, read.

    Raises
    ------
    WannError
        If the folder holds no images in class folders, or they cannot be embedded.
    """
    place = path.resolve()
    images = image_folder.open_images(place, place.name)
    if args.merge_alike:
        images = images.merge_look_alikes()
    for remark in images.remarks:
        note(remark)
    name, is_there = _database_of(images, place, args)
    folder = database.folder(args.database_root, name, args.backbone)
    if not is_there:
        backbone = backbones.load_backbone(args.backbone, weights=args.weights, progress=progress)
        note(f"embedding {len(images):,} images by {args.backbone} -> {folder}")
        named = replace(images, name=name)
        made = embedding.embed(named, backbone, args.database_root, progress=progress)
        for image in made.skipped[:5]:
            note(f"left out of {image.split}: {image.file} ({image.reason})")
        if len(made.skipped) > 5:
            note(f"{len(made.skipped) - 5:,} more are left out")
    else:
        _check_weights(folder, args.weights)
        note(f"embeddings of {folder} are taken; delete that folder to embed again")
    return folder, load(name, args.backbone, args.database_root, place.parent)


def _check_weights(folder: Path, weights: str | None) -> None:
    """Refuse embeddings that other weights have made than those that were asked for."""
    recorded = database.manifest(folder).get("weights") or {}
    if weights is None or recorded.get("sha256") == weights_files.sha256(Path(weights)):
        return
    raise WannError(
        f"{str(folder)!r} was embedded by other weights ({recorded.get('name', 'unknown')}) than "
        f"{Path(weights).name!r}; move it away, or leave `weights` out to take it.",
        "weights",
    )


def _database_of(images: ImageDataset, place: Path, args: argparse.Namespace) -> tuple[str, bool]:
    """Name of the database of a folder in its present state, and whether it is there.

    It is called as the folder is; or, where that is the name of something else, or the folder has
    changed since it was embedded, by that name and a digest of what is in the folder.
    """
    listed = {
        (split, part.where(row), images.class_names[label] if label >= 0 else "")
        for split, part in images.splits.items()
        for row, label in enumerate(part.labels.tolist())
    }
    content = repr((str(place), sorted(listed))).encode("utf-8", "backslashreplace")
    digest = hashlib.blake2b(content, digest_size=4).hexdigest()
    plain = re.sub(r"[^\w.+ -]", "_", place.name).lstrip(".") or "photos"
    for name in (plain, f"{plain}-{digest}"):
        folder = database.folder(args.database_root, name, args.backbone)
        if name in catalog.ENTRIES:
            continue
        if not (folder / "train.npz").is_file():
            return name, False
        made = database.manifest(folder)
        if made.get("images") == images.origin:
            # The digest identifies the folder's content, the plain name does not.
            if name != plain or _holds(args, name, made, listed):
                return name, True
            note(f"the folder is not as it was when {folder} was embedded")
    raise WannError(f"{str(folder)!r} is of another folder; move it away.", "path")


def _holds(
    args: argparse.Namespace, name: str, made: Mapping[str, Any], listed: set[tuple[str, str, str]]
) -> bool:
    """Whether a database has these splits, files and labels, but for images that it left out."""
    data = database.load(args.database_root, name, args.backbone)
    names = (*data.class_names, "")  # label -1 finds the last
    stored = {
        (split, file, names[label])
        for split, rows in data.splits.items()
        for file, label in zip(rows.names or (), rows.y.tolist(), strict=False)
    }
    skipped = {(one["split"], one["file"]) for one in made.get("skipped", ())}
    return stored == {one for one in listed if one[:2] not in skipped}
