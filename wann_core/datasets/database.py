"""Embedding databases on disk: `<root>/<dataset>/<backbone>/{train,test[,val,unlabelled]}.npz`.

Each file holds `embeddings` (n, d) and `labels` (n,) or (n, 1), as the published scripts write.
Ours may hold more: `ids` (n,), the rows of the source; `clean_labels` (n,); `names`, the source's
own names of the rows, packed by `pack_names`; `columns`, what else is known of the rows, see
`row_columns`. `manifest.json` records where they come from.
"""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wann_core.datasets import npz_files, row_columns
from wann_core.datasets.dataset import SPLITS, Dataset, Split
from wann_core.errors import WannError
from wann_core.progress import Progress
from wann_core.storage import npz
from wann_core.storage.files import draft_folder, move, naming, remove_abandoned

MANIFEST = "manifest.json"
_MANIFEST_BYTES = 1 << 26
_DRAFT = ".writing-"


def folder(root: str | Path, dataset: str, backbone: str) -> Path:
    """Where a database lies.

    Raises
    ------
    WannError
        If a name would lead out of the root.
    """
    for field, name in (("dataset", dataset), ("backbone", backbone)):
        if not is_name(name):
            raise WannError(
                f"`{field}` must be made of letters, digits, blanks, '.', '_', '-', '+' and "
                f"inner '/', got {name!r}.",
                field,
            )
    return Path(root) / dataset / backbone


def is_name(name: str) -> bool:
    """Whether a data set or a backbone may be called so: no such name leads out of a root."""
    plain = re.fullmatch(r"[\w.+ -]+(/[\w.+ -]+)*", name)
    # A leading dot marks what is not finished.
    return bool(plain) and not any(part.startswith(".") for part in name.split("/"))


def available(root: str | Path) -> list[tuple[str, str]]:
    """The (dataset, backbone) pairs below a root that are complete.

    A database is complete if it has a train.npz: without test rows, each training row is judged
    by the others.

    Raises
    ------
    WannError
        If the root is not a folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise WannError(f"the database folder {str(root)!r} does not exist.", "database_root")
    pairs = []
    for pattern in ("*/*/train.npz", "*/*/*/train.npz"):
        for train in root.glob(pattern):
            place = train.parent.relative_to(root)
            pair = place.parent.as_posix(), place.name
            if all(map(is_name, pair)):
                pairs.append(pair)
    return sorted(pairs)


def load(root: str | Path, dataset: str, backbone: str) -> Dataset:
    """Read one database; its `name` is the data set's.

    Raises
    ------
    WannError
        If a file is missing or unreadable, arrays do not fit together, a value is NaN or
        infinite, or labels are not class ids from 0.
    """
    place = folder(root, dataset, backbone)
    made = manifest(place)
    for needed in _needed(made):
        if not (place / f"{needed}.npz").is_file():
            raise WannError(
                f"no embedding database of data set {dataset!r} under backbone {backbone!r}: "
                f"{place / needed!s}.npz does not exist.",
                "dataset",
            )
    splits = {name: npz_files.read(place / f"{name}.npz") for name in splits_of(place)}
    train = splits["train"]
    for name, split in splits.items():
        if split.X.shape[1] != train.X.shape[1]:
            raise WannError(
                f"{place!s}: train.npz has {train.X.shape[1]} columns, "
                f"{name}.npz {split.X.shape[1]}; they must agree.",
                "dataset",
            )
        if name != "unlabelled" and split.y.min() < 0:
            raise WannError(f"{place!s}: every row of {name}.npz needs a label.", "dataset")
    n_classes = 1 + max(int(split.true.max()) for split in splits.values())
    names = tuple(made.get("class_names", ()))
    if len(names) < n_classes:
        names = tuple(str(c) for c in range(n_classes))
    return Dataset(
        name=dataset,
        backbone=backbone,
        class_names=names,
        train=train,
        test=splits.get("test"),
        val=splits.get("val"),
        unlabeled=splits.get("unlabelled"),
        roles=row_columns.roles_of(made.get("roles"), train.columns),
    )


def _needed(made: Mapping[str, Any]) -> tuple[str, ...]:
    """Splits without which a database is not whole: 'train', and those its manifest counts."""
    rows = made.get("rows")
    return ("train", *(s for s in SPLITS[1:] if isinstance(rows, dict) and s in rows))


def splits_of(place: Path) -> tuple[str, ...]:
    """Names of the splits that lie in a database's folder."""
    return tuple(name for name in SPLITS if (place / f"{name}.npz").is_file())


def manifest(place: Path) -> dict[str, Any]:
    """What is recorded about a database; empty where there is no manifest.

    Raises
    ------
    WannError
        If the file is not a manifest.
    """
    path = place / MANIFEST
    if not path.is_file():
        return {}
    try:
        if path.stat().st_size > _MANIFEST_BYTES:
            raise ValueError(f"it is larger than {_MANIFEST_BYTES >> 20} MiB")
        record = json.loads(path.read_text(encoding="utf-8", errors="surrogateescape"))
        names = record.get("class_names", []) if isinstance(record, dict) else None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("it is not an object with a list of `class_names`")
        if len(names) > npz_files.MAX_CLASSES:
            raise ValueError(f"it names more than {npz_files.MAX_CLASSES} classes")
    except (OSError, ValueError, RecursionError) as error:
        raise WannError(f"{path!s} cannot be read: {error}.", "dataset") from error
    return dict(record)


def write(
    root: str | Path,
    dataset: str,
    backbone: str,
    splits: Mapping[str, Split],
    class_names: Sequence[str],
    details: Mapping[str, Any],
    progress: Progress | None = None,
) -> Path:
    """Write a new database, whole or not at all.

    Parameters
    ----------
    root, dataset, backbone
        Where; see `folder`.
    splits : mapping of str to Split
        'train', and any of 'val', 'test' and 'unlabelled'.
    class_names : sequence of str, length C
    details : mapping
        JSON values that the manifest records besides.
    progress : callable, optional
        `progress(done, total, text)`; may raise to stop, which leaves nothing.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    WannError
        If there is a database already.
    """
    place = folder(root, dataset, backbone)
    with naming(place):
        place.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(place.parent, f"{_DRAFT}*")
    total = sum(split.X.nbytes for split in splits.values())
    done = 0

    def tick(nbytes: int) -> None:
        nonlocal done
        done += nbytes
        if progress:
            progress(min(done, total), total, "writing the database")

    with naming(place), draft_folder(place.parent, _DRAFT) as temporary:
        draft = temporary / "database"
        draft.mkdir()
        for name, split in splits.items():
            arrays = {"embeddings": split.X, "labels": split.y, "ids": split.ids}
            if split.clean is not None:
                arrays["clean_labels"] = split.clean
            if split.names is not None:
                arrays["names"] = npz_files.pack_names(split.names)
            if split.columns is not None:
                arrays |= row_columns.packed(split.columns)
            npz.save(draft / f"{name}.npz", arrays, tick)
        record = {
            "format": 1,
            "dataset": dataset,
            "backbone": backbone,
            "class_names": list(class_names),
            "rows": {name: len(split) for name, split in splits.items()},
            **details,
        }
        text = json.dumps(record, indent=1, ensure_ascii=False)
        (draft / MANIFEST).write_text(text, encoding="utf-8", errors="surrogateescape")
        try:
            move(draft, place)
        except OSError as error:
            if not place.exists():
                raise
            raise WannError(
                f"there is already a database of {dataset!r} under {backbone!r}; delete it first "
                "or choose another name.",
                "dataset",
            ) from error
    return place


def delete(root: str | Path, dataset: str, backbone: str) -> None:
    """Remove a database, and its data set's folder if that is empty then.

    Raises
    ------
    WannError
        If there is none, it is reached over a link, or its folder holds other databases.
    """
    place = folder(root, dataset, backbone)
    if not place.is_dir():
        raise WannError(f"there is no database of {dataset!r} under {backbone!r}.", "dataset")
    if place.resolve() != Path(root).resolve() / dataset / backbone:
        raise WannError(
            f"{place!s} is a link to {place.resolve()!s}; remove it by hand.", "dataset"
        )
    if any(path.is_dir() for path in place.iterdir()):
        raise WannError(
            f"{place!s} is not an embedding database: it holds other folders; they are kept.",
            "dataset",
        )
    shutil.rmtree(place)
    for parent in place.relative_to(root).parents[:-1]:
        if any((Path(root) / parent).iterdir()):
            break
        (Path(root) / parent).rmdir()
