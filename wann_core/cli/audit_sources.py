"""What `wann audit PATH` is pointed at: told by its content, and audited."""

import argparse
import hashlib
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from wann_core.audit import Audit, audit, audit_labels
from wann_core.cli import columns
from wann_core.datasets import BUILT_IN, Dataset, catalog, database, load
from wann_core.datasets.class_names import look_alike
from wann_core.datasets.images import ImageDataset
from wann_core.datasets.sources import image_folder
from wann_core.datasets.tables import merge_look_alikes, read
from wann_core.datasets.tables.records import read_columns
from wann_core.embedding import backbones
from wann_core.embedding import embed as embedding
from wann_core.embedding import weights as weights_files
from wann_core.errors import WannError
from wann_core.paths import Roots
from wann_core.progress import Progress
from wann_core.typing import Array

_ARROW_BYTES = 4 << 30
_DATABASE = "train.npz"
_SAVED_TO_DISK = ("dataset_info.json", "dataset_dict.json")


@dataclass(frozen=True, eq=False)
class Audited:
    """An audit, and what it was made of.

    Attributes
    ----------
    found : Audit
    backbone : str
        What made the embeddings, as far as that is known.
    data : Dataset or None
        None where a table was audited.
    place : Path or None
        The database's folder, or where it would lie.
    """

    found: Audit
    backbone: str
    data: Dataset | None = None
    place: Path | None = None


def audit_path(path: Path, args: argparse.Namespace, progress: Progress | None) -> Audited:
    """Audit a table, an embedding database, a data set of Hugging Face, or a folder of images.

    Raises
    ------
    WannError
        If it is none of these, or cannot be audited.
    """
    if not path.exists():
        raise WannError(f"`path` {str(path)!r} does not exist.", "path")
    if args.weights is not None and not _of_images(path):
        raise WannError(f"`weights` embed a folder of images; {str(path)!r} is none.", "weights")
    if path.is_file():
        return _table(path, args, progress)
    if (path / _DATABASE).is_file():
        return _data(database_at(path, args), path.resolve(), args, progress)
    if any((path / name).is_file() for name in _SAVED_TO_DISK):
        with _saved_to_disk(path) as table:
            return _table(table, args, progress)
    if args.group is not None:
        raise WannError("`group` names a column; a folder of images has none.", "group")
    return _images(path, args, progress)


def _of_images(path: Path) -> bool:
    known = (_DATABASE, *_SAVED_TO_DISK)
    return path.is_dir() and not any((path / name).is_file() for name in known)


def audit_data(args: argparse.Namespace, roots: Roots, progress: Progress | None) -> Audited:
    """Audit a data set by its name."""
    if args.weights is not None:
        raise WannError("`weights` embed a folder of images; `dataset` names none.", "weights")
    data = load(args.dataset, args.backbone, *roots)
    place = database.folder(roots.databases, data.name, data.backbone)
    return _data(data, place, args, progress)


def database_at(path: Path, args: argparse.Namespace) -> Dataset:
    """Load the embedding database that a folder is, its images included.

    Raises
    ------
    WannError
        If its files are unusable, or its folders are not called as data sets and backbones are.
    """
    place = path.resolve()
    root, dataset, backbone = place.parent.parent, place.parent.name, place.name
    if (dataset, backbone) == BUILT_IN:
        # By these names `load` has the digits of scikit-learn, whatever the folder holds.
        return database.load(root, dataset, backbone)
    return load(dataset, backbone, root, args.dataset_root)


def _data(
    data: Dataset, place: Path, args: argparse.Namespace, progress: Progress | None
) -> Audited:
    if args.merge_alike and look_alike(data.class_names):
        raise WannError(
            "`merge_alike` is for tables and folders of images: the classes of a database are "
            "merged where it is written, by wann import or wann embed.",
            "merge_alike",
        )
    found = audit(
        data,
        score=args.score,
        probe=not args.no_probe,
        search=args.search,
        groups=None if args.group is None else _column(data, args.group),
        progress=progress,
    )
    return Audited(found, data.backbone, data, place)


def _column(data: Dataset, name: str) -> Array:
    """The values of a column that the database keeps."""
    if data.columns is None or name not in data.columns:
        kept = [] if data.columns is None else [str(column) for column in data.columns]
        raise WannError(
            f"`group` must be a column of the data set: {', '.join(kept) or 'it has none'}; got "
            f"{name!r}.",
            "group",
        )
    return np.asarray(data.columns[name].astype(object))


def _table(path: Path, args: argparse.Namespace, progress: Progress | None) -> Audited:
    chosen = columns.chosen(path, args)
    table = read(path, chosen, progress=progress)
    if args.merge_alike:
        table = merge_look_alikes(table)
    for remark in table.remarks:
        _note(remark)
    finite = np.isfinite(table.X).all(axis=1)
    if not finite.all():
        left = np.flatnonzero(~finite)
        rows = ", ".join(str(row) for row in table.rows[left[:5]])
        more = ", …" if len(left) > 5 else ""
        _note(f"{len(left):,} rows hold NaN or infinity and are left out: {rows}{more}")
    kept = np.flatnonzero(finite)
    names = table.ids or table.images or [str(row) for row in table.rows]
    groups = None
    if args.group is not None:
        read_groups = read_columns(path, [args.group])
        if args.group not in read_groups:
            raise WannError(f"`group` {args.group!r} is not a column of {path.name!r}.", "group")
        values = np.asarray(read_groups[args.group], object)[table.rows][kept]
        groups = [value or None for value in values]
    y = table.y[kept]
    found = audit_labels(
        table.X[kept],
        [None if label < 0 else table.class_names[label] for label in y.tolist()],
        class_names=table.class_names,
        ids=[names[row] for row in kept.tolist()],
        groups=groups,
        score=args.score,
        probe=not args.no_probe,
        progress=progress,
    )
    return Audited(found, "these embeddings")


def _images(path: Path, args: argparse.Namespace, progress: Progress | None) -> Audited:
    """Embed the images, unless that was done before, and audit the database."""
    place = path.resolve()
    images = image_folder.open_images(place, place.name)
    if args.merge_alike:
        images = images.merge_look_alikes()
    for remark in images.remarks:
        _note(remark)
    name, embedded = _database_of(images, place, args)
    folder = database.folder(args.database_root, name, args.backbone)
    if not embedded:
        backbone = backbones.load_backbone(args.backbone, weights=args.weights, progress=progress)
        _note(f"embedding {len(images):,} images by {args.backbone} -> {folder}")
        named = replace(images, name=name)
        made = embedding.embed(named, backbone, args.database_root, progress=progress)
        for image in made.skipped[:5]:
            _note(f"left out of {image.split}: {image.file} ({image.reason})")
        if len(made.skipped) > 5:
            _note(f"{len(made.skipped) - 5:,} more are left out")
    else:
        _check_weights(folder, args.weights)
        _note(f"embeddings of {folder} are taken; delete that folder to embed again")
    data = load(name, args.backbone, args.database_root, place.parent)
    return _data(data, folder, args, progress)


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
        if not (folder / _DATABASE).is_file():
            return name, False
        made = database.manifest(folder)
        if made.get("images") == images.origin:
            # The digest says what was in the folder, the plain name does not.
            if name != plain or _holds(args, name, made, listed):
                return name, True
            _note(f"the folder is not as it was when {folder} was embedded")
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


@contextmanager
def _saved_to_disk(path: Path) -> Iterator[Path]:
    """A data set that `datasets` saved with `save_to_disk`, as one Parquet file."""
    if (path / "dataset_dict.json").is_file():
        folders = [one for one in sorted(path.iterdir()) if (one / "dataset_info.json").is_file()]
    else:
        folders = [path]
    parts = []
    for folder in folders:
        for file in sorted(folder.glob("*.arrow")):
            if file.stat().st_size > _ARROW_BYTES:
                raise WannError(f"{file.name!r} must be at most 4 GiB.", "path")
            try:
                with pa.memory_map(str(file)) as source:
                    part = pa.ipc.open_stream(source).read_all()
            except (pa.ArrowException, OSError) as error:
                raise WannError(
                    f"{file.name!r} cannot be read as Arrow: {error}.", "path"
                ) from error
            if len(folders) > 1 and "split" not in part.column_names:
                part = part.append_column("split", pa.array([folder.name] * len(part)))
            parts.append(part)
    if not parts:
        raise WannError(f"{str(path)!r} holds no .arrow files of a saved data set.", "path")
    with tempfile.TemporaryDirectory(prefix="wann-") as folder_name:
        table = Path(folder_name) / f"{path.name}.parquet"
        pq.write_table(pa.concat_tables(parts, promote_options="default"), table)
        yield table


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)
