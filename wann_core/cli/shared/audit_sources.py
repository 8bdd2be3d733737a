"""The target of `wann audit PATH`: its kind detected from its content, then audited."""

import argparse
import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wann_core.audit import Audit, audit, audit_labels
from wann_core.cli.shared import columns, flags
from wann_core.cli.shared.embedded_folder import embedded
from wann_core.cli.shared.terminal import note
from wann_core.datasets import BUILT_IN, Dataset, database, load
from wann_core.datasets.class_names import look_alike
from wann_core.datasets.tables import merge_look_alikes, read
from wann_core.datasets.tables.formats.saved_to_disk import as_parquet, is_saved_to_disk
from wann_core.errors import WannError
from wann_core.progress import Progress
from wann_core.text import first_few
from wann_core.typing import Array

_DATABASE = "train.npz"
# Flags of databases, and where they do nothing.
OF_DATABASES = ("backbone", "database_root", "dataset_root")
IN_TABLE = "on a table, which holds embeddings itself"


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


def named_path(args: argparse.Namespace) -> Path | None:
    """PATH of the command line, None where it names a data set.

    Raises
    ------
    WannError
        If it names both or neither.
    """
    if (args.path is None) == (args.dataset is None):
        raise WannError("name either a PATH or a `dataset`.", "dataset")
    return None if args.path is None else Path(args.path)


def named_database(args: argparse.Namespace) -> Dataset | Path:
    """Load the database that PATH or --dataset names.

    Returns
    -------
    Dataset or Path
        The path where it is not a database.

    Raises
    ------
    WannError
        If both or neither are named, or the database cannot be read.
    """
    path = named_path(args)
    if path is None:
        return load(args.dataset, args.backbone, *flags.roots(args))
    return database_at(path, args) if _is_database(path) else path


def audit_named(args: argparse.Namespace, progress: Progress | None) -> Audited:
    """Audit what PATH or --dataset names.

    Raises
    ------
    WannError
        If both or neither are named, or it cannot be audited.
    """
    path = named_path(args)
    if path is not None:
        return audit_path(path, args, progress)
    flags.refuse_unused(args, "with --dataset, which names embeddings", "weights")
    columns.refuse(args, f"the data set {args.dataset!r}")
    data = load(args.dataset, args.backbone, *flags.roots(args))
    place = database.folder(args.database_root, data.name, data.backbone)
    return _data(data, place, args, progress)


def audit_path(path: Path, args: argparse.Namespace, progress: Progress | None) -> Audited:
    """Audit a table, an embedding database, a data set of Hugging Face, or a folder of images.

    Raises
    ------
    WannError
        If it is none of these, or cannot be audited.
    """
    if not path.exists():
        raise WannError(f"`path` {str(path)!r} does not exist.", "path")
    if path.is_file():
        return _table(path, args, progress)
    if not is_saved_to_disk(path):
        columns.refuse(args, f"the folder {str(path)!r}")
    if _is_database(path):
        return _data(database_at(path, args), path.resolve(), args, progress)
    if is_saved_to_disk(path):
        with as_parquet(path) as table:
            return _table(table, args, progress)
    flags.refuse_unused(args, "on a folder of images, which lies where it is", "dataset_root")
    if args.group is not None:
        raise WannError("`group` names a column; a folder of images has none.", "group")
    place, data = embedded(path, args, progress)
    return _data(data, place, args, progress)


def _is_database(path: Path) -> bool:
    return (path / _DATABASE).is_file()


def database_at(path: Path, args: argparse.Namespace) -> Dataset:
    """Load the embedding database that a folder is, its images included.

    Raises
    ------
    WannError
        If its files are unusable, its folders are not called as data sets and backbones are, or a
        flag names another database.
    """
    flags.refuse_unused(
        args, "on a PATH that is a database", "backbone", "database_root", "weights"
    )
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
    flags.refuse_unused(args, IN_TABLE, *OF_DATABASES, "weights", "review_root")
    chosen = dataclasses.replace(columns.chosen(path, args), group=args.group)
    table = read(path, chosen, progress=progress)
    if args.merge_alike:
        table = merge_look_alikes(table)
    for remark in table.remarks:
        note(remark)
    if chosen.label is None:
        raise columns.not_understood(path, "label")
    finite = np.isfinite(table.X).all(axis=1)
    if not finite.all():
        left = table.rows[~finite]
        rows = first_few(left, 5)
        note(f"left out, as they hold NaN or infinity: {len(left):,} of the rows, {rows}")
    kept = np.flatnonzero(finite)
    names = table.ids or table.images or [str(row) for row in table.rows]
    groups = None
    if table.more is not None and table.columns.group is not None:
        groups = table.more[table.columns.group].to_numpy(object)[kept]
    y = table.y[kept]
    found = audit_labels(
        table.X[kept],
        [None if label < 0 else table.class_names[label] for label in y.tolist()],
        class_names=table.class_names,
        ids=[names[row] for row in kept.tolist()],
        groups=groups,
        score=args.score,
        probe=not args.no_probe,
        search=args.search,
        progress=progress,
    )
    return Audited(found, "these embeddings")
