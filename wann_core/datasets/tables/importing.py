"""From a user's table to splits, and to an embedding database."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from wann_core.datasets import database
from wann_core.datasets.dataset import SPLITS, Split
from wann_core.datasets.tables.checks import missing_clean, problems, row_digests
from wann_core.datasets.tables.columns import Columns
from wann_core.datasets.tables.image_files import relative_names
from wann_core.datasets.tables.mending import drop_bad_rows
from wann_core.datasets.tables.packed_images import unpack
from wann_core.datasets.tables.reading import read
from wann_core.datasets.tables.source import LIMITS, Limits
from wann_core.datasets.tables.table import Table
from wann_core.errors import WannError, check_choice, check_number
from wann_core.progress import Progress
from wann_core.storage.files import draft_folder, move, remove_abandoned
from wann_core.typing import Array

SPLIT_RULES = ("column", "stratified", "none")
_DRAFT = ".images-"


def to_splits(
    table: Table, split: str, *, test_share: float = 0.2, seed: int = 0
) -> dict[str, Split]:
    """Assign rows to splits; those without a label are 'unlabelled' under every rule.

    Parameters
    ----------
    table : Table
    split : {'column', 'stratified', 'none'}
        'column': from the table's column. 'stratified': of each class, `test_share` of the rows go
        to test (rounded; at least one goes and one stays; a class of one row stays in train). Which
        ones depends on the embeddings and the seed alone, so that sorting the file changes nothing.
        'none': all in train; then each row is judged by the others.
    test_share : float
        Between 0.01 and 0.99; only for 'stratified'.
    seed : int
        At least 0; only for 'stratified'.

    Returns
    -------
    dict of str to Split
        In the order of the file. `ids` are row numbers in the file, 0 being the first row of data;
        `names` are the user's ids, else the names of the images.

    Raises
    ------
    WannError
        If an argument is out of range, the table has no split column, or no row is left for train.
    """
    check_choice("split", split, SPLIT_RULES)
    check_number("test_share", test_share, 0.01, 0.99)
    check_number("seed", seed, 0, 2**63 - 1, whole=True)
    place = np.full(len(table), "train", dtype="<U10")
    if split == "column":
        if table.split is None:
            raise WannError("the table has no split column; choose another split.", "split")
        place[:] = table.split
    elif split == "stratified":
        place[_test_rows(table, test_share, seed)] = "test"
    place[table.y < 0] = "unlabelled"
    if (place == "").any():
        row = table.rows[place == ""][0]
        raise WannError(f"row {row} (counted from 0) has a label but no split.", "split")
    if not (place == "train").any():
        raise WannError("no labeled row is in the split 'train'.", "split")
    return {name: _take(table, place == name) for name in SPLITS if (place == name).any()}


def _test_rows(table: Table, test_share: float, seed: int) -> Array:
    order = np.argsort(row_digests(table.X, salt=seed.to_bytes(8, "little")), kind="stable")
    chosen = []
    for c in range(len(table.class_names)):
        rows = order[table.y[order] == c]
        if len(rows) >= 2:
            chosen.append(rows[: min(max(round(test_share * len(rows)), 1), len(rows) - 1)])
    return np.concatenate(chosen) if chosen else np.array([], dtype=np.int64)


def _take(table: Table, rows: Array) -> Split:
    y = table.y[rows]
    clean = None if table.clean is None else table.clean[rows]
    # Known for all rows of a split, or of no use in it.
    if clean is not None and (clean < 0).any():
        if missing_clean(y, clean):
            raise WannError(
                "some rows of a split have a clean label and others none; fill that column or "
                "leave it out.",
                "clean_label",
            )
        clean = None
    names = table.ids or table.images
    kept = None if names is None else tuple(names[i] for i in np.flatnonzero(rows))
    more = None if table.more is None else table.more[rows].reset_index(drop=True)
    return Split(table.X[rows], y, table.rows[rows], clean, kept, more)


def import_table(
    path: str | Path,
    columns: Columns | None = None,
    *,
    dataset: str,
    backbone: str,
    database_root: str | Path,
    split: str,
    test_share: float = 0.2,
    seed: int = 0,
    drop_bad: bool = False,
    image_root: str | Path | None = None,
    source: str = "",
    limits: Limits = LIMITS,
    progress: Progress | None = None,
) -> Path:
    """Read, check and write a user's file as an embedding database: `read`, then `write_table`.

    Returns
    -------
    Path
        The database's folder.

    Raises
    ------
    WannError
        As `read` and `write_table` do; then nothing is written.
    """
    return write_table(
        read(path, columns, limits=limits, source=source, progress=progress),
        dataset=dataset,
        backbone=backbone,
        database_root=database_root,
        split=split,
        test_share=test_share,
        seed=seed,
        drop_bad=drop_bad,
        image_root=image_root,
        progress=progress,
    )


def write_table(
    table: Table,
    *,
    dataset: str,
    backbone: str,
    database_root: str | Path,
    split: str,
    test_share: float = 0.2,
    seed: int = 0,
    drop_bad: bool = False,
    image_root: str | Path | None = None,
    warn: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write a table as an embedding database, unless `problems` finds an error.

    Parameters
    ----------
    table : Table
    dataset, backbone : str
        Names to write it under.
    database_root : str or Path
    split, test_share, seed
        See `to_splits`.
    drop_bad : bool
        Leave rows out that hold NaN or infinity.
    image_root : str or Path, optional
        Folder of the images that the table names. Their names, relative to it, then become the
        names of the rows, and the manifest records the folder; images outside it are an error.
        Without it, images that lie in the table itself are stored beside the embeddings.
    warn : callable, optional
        Called with each warning of `problems`.
    progress : callable, optional
        `progress(done, total, text)`; may raise to stop, which leaves nothing.

    Returns
    -------
    Path
        The database's folder.

    Raises
    ------
    WannError
        If the table has an error, an argument is out of range, or the database exists.
    """
    place = database.folder(database_root, dataset, backbone)
    if place.exists():
        raise WannError(
            f"there is already a database of {dataset!r} under {backbone!r}; delete it first or "
            "choose another name.",
            "dataset",
        )
    if progress:
        progress(0, 1, "checking the table")
    kept = drop_bad_rows(table) if drop_bad else table
    for problem in problems(kept if split == "column" else _without_split(kept), image_root):
        if problem.severity == "error":
            raise WannError(problem.text, "table")
        if warn:
            warn(problem.text)
    details: dict[str, Any] = {
        "source": {
            "format": table.format,
            "file": table.source,
            "sha256": table.sha256,
            "columns": asdict(table.columns),
            "rows": len(table),
            "dropped_rows": np.setdiff1d(table.rows, kept.rows).tolist(),
        },
        "split": _rule(split, test_share, seed),
        "roles": table.columns.roles,
    }
    if image_root is not None:
        if kept.images is None:
            raise WannError("a folder of images needs an image column.", "image")
        details["images"] = {"source": "files", "root": str(Path(image_root).resolve())}
        kept = replace(kept, ids=relative_names(image_root, kept.images))
    with _own_images(kept if image_root is None else None, place, progress) as (folder, names):
        if folder is not None:
            details["images"] = {"source": "files", "root": str(place.resolve() / folder.name)}
            kept = replace(kept, ids=names)
        splits = to_splits(kept, split, test_share=test_share, seed=seed)
        written = database.write(
            database_root, dataset, backbone, splits, kept.class_names, details, progress
        )
        if folder is not None:
            move(folder, written / folder.name)
    return written


@contextmanager
def _own_images(
    table: Table | None, place: Path, progress: Progress | None
) -> Iterator[tuple[Path | None, tuple[str, ...]]]:
    """A folder that holds the images of a table, for as long as it is moved; their names there."""
    if table is None or table.images_in is None or table.columns.image is None:
        yield None, ()
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(place.parent, f"{_DRAFT}*")
    with draft_folder(place.parent, _DRAFT) as draft:
        folder = draft / "images"
        folder.mkdir()
        rows = table.rows.tolist()
        column = table.columns.image
        names = unpack(table.images_in, table.format, column, rows, folder, progress=progress)
        yield (folder, names) if any(names) else (None, ())


def _without_split(table: Table) -> Table:
    return replace(table, split=None)


def _rule(split: str, test_share: float, seed: int) -> Mapping[str, Any]:
    if split == "stratified":
        return {"rule": split, "test_share": test_share, "seed": seed}
    return {"rule": split}
