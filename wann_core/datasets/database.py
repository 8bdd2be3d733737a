"""Embedding databases on disk: `<root>/<dataset>/<backbone>/{train,test[,val,unlabelled]}.npz`.

Each file holds `embeddings` (n, d) and `labels` (n,) or (n, 1), as the published scripts write.
Ours may hold more: `ids` (n,), the rows of the source; `clean_labels` (n,); `names`, the source's
own names of the rows, packed by `pack_names`. `manifest.json` records where they come from.
"""

import json
import math
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wann_core.datasets.dataset import SPLITS, Dataset, Split
from wann_core.datasets.images import UNLABELLED
from wann_core.errors import WannError

Array = npt.NDArray[Any]

MANIFEST = "manifest.json"
MAX_CLASSES = 4096
# What zipfile and numpy raise for damaged, encrypted or strangely packed files.
_UNREADABLE = (
    OSError, EOFError, ValueError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
_MANIFEST_BYTES = 1 << 26
_MOST_ID = np.iinfo(np.int64).max


def folder(root: str | Path, dataset: str, backbone: str) -> Path:
    """Where a database lies.

    Raises
    ------
    WannError
        If a name would lead out of the root.
    """
    for field, name in (("dataset", dataset), ("backbone", backbone)):
        if not _allowed(name):
            raise WannError(
                f"`{field}` must be made of letters, digits, blanks, '.', '_', '-', '+' and "
                f"inner '/', got {name!r}.",
                field,
            )
    return Path(root) / dataset / backbone


def _allowed(name: str) -> bool:
    plain = re.fullmatch(r"[\w.+ -]+(/[\w.+ -]+)*", name)
    # A leading dot marks what is not finished.
    return bool(plain) and not any(part.startswith(".") for part in name.split("/"))


def available(root: str | Path) -> list[tuple[str, str]]:
    """The (dataset, backbone) pairs below a root that are complete.

    A database is complete if it has a train.npz, and a test.npz unless its manifest knows of none.

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
            if train.with_name("test.npz").is_file() or train.with_name(MANIFEST).is_file():
                place = train.parent.relative_to(root)
                pair = place.parent.as_posix(), place.name
                if all(map(_allowed, pair)):
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
    for needed in _needed(place, made):
        if not (place / f"{needed}.npz").is_file():
            raise WannError(
                f"no embedding database of data set {dataset!r} under backbone {backbone!r}: "
                f"{place / needed!s}.npz does not exist.",
                "dataset",
            )
    splits = {name: _read(place / f"{name}.npz") for name in splits_of(place)}
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
        unlabelled=splits.get("unlabelled"),
    )


def _needed(place: Path, made: Mapping[str, Any]) -> tuple[str, ...]:
    """Splits without which a database is not whole: those that its manifest counts the rows of."""
    if not (place / MANIFEST).is_file():
        return "train", "test"
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
        if len(names) > MAX_CLASSES:
            raise ValueError(f"it names more than {MAX_CLASSES} classes")
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
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".writing-") as temporary:
        draft = Path(temporary) / "database"
        draft.mkdir()
        for name, split in splits.items():
            arrays = {"embeddings": split.X, "labels": split.y, "ids": split.ids}
            if split.clean is not None:
                arrays["clean_labels"] = split.clean
            if split.names is not None:
                arrays["names"] = pack_names(split.names)
            np.savez(draft / f"{name}.npz", allow_pickle=False, **arrays)
        record = {
            "format": 1, "dataset": dataset, "backbone": backbone,
            "class_names": list(class_names),
            "rows": {name: len(split) for name, split in splits.items()}, **details,
        }  # fmt: skip
        text = json.dumps(record, indent=1, ensure_ascii=False)
        (draft / MANIFEST).write_text(text, encoding="utf-8", errors="surrogateescape")
        try:
            draft.replace(place)
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
            f"{place!s} is no embedding database: it holds other folders; they are kept.",
            "dataset",
        )
    shutil.rmtree(place)
    for parent in place.relative_to(root).parents[:-1]:
        if any((Path(root) / parent).iterdir()):
            break
        (Path(root) / parent).rmdir()


def pack_names(names: Sequence[str]) -> Array:
    """Names as one array of bytes (UTF-8, NUL between them), which .npz stores without pickling.

    Raises
    ------
    WannError
        If a name holds NUL.
    """
    if any("\0" in name for name in names):
        raise WannError("a row's name must not hold the NUL character.")
    text = "\0".join(names).encode("utf-8", "surrogateescape")
    return np.frombuffer(text, np.uint8)


def unpack_names(packed: Array) -> tuple[str, ...]:
    """The names that `pack_names` packed."""
    return tuple(packed.tobytes().decode("utf-8", "surrogateescape").split("\0"))


def _read(path: Path) -> Split:
    """The rows of one file, checked before and after they are loaded."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = set(archive.namelist())
            optional = ("ids", "clean_labels", "names")
            kept = [name for name in optional if f"{name}.npy" in members]
            for name in ("embeddings", "labels", *kept):
                _check_member(archive, name, path)
        with np.load(path, allow_pickle=False) as arrays:
            X, y = arrays["embeddings"], arrays["labels"]
            more = {name: arrays[name] for name in kept}
    except _UNREADABLE as error:
        if isinstance(error, WannError):
            raise
        raise WannError(f"{path!s} cannot be read as an .npz file: {error}.", "dataset") from error
    if X.ndim != 2 or not X.size or X.dtype not in (np.float16, np.float32, np.float64):
        raise WannError(
            f"{path!s}: `embeddings` must be float16, float32 or float64 of shape (n, d), "
            f"got {X.dtype} {X.shape}.",
            "dataset",
        )
    if not np.isfinite(X).all():
        bad = int(np.count_nonzero(~np.isfinite(X).all(axis=1)))
        raise WannError(
            f"{path!s}: `embeddings` must be finite, {bad} rows hold NaN or infinity.", "dataset"
        )
    y = _class_ids(path, "labels", y, len(X), UNLABELLED if path.stem == "unlabelled" else 0)
    ids = more.get("ids", np.arange(len(X)))
    whole = ids.dtype.kind in "iu" and ids.shape == (len(X),)
    if not whole or ids.min() < 0 or ids.max() > _MOST_ID or len(np.unique(ids)) != len(X):
        raise WannError(
            f"{path!s}: `ids` must be {len(X)} different whole numbers from 0.", "dataset"
        )
    clean = names = None
    if "clean_labels" in more:
        clean = _class_ids(path, "clean_labels", more["clean_labels"], len(X), 0)
    if "names" in more:
        names = unpack_names(more["names"])
        if len(names) != len(X):
            raise WannError(f"{path!s}: `names` must be {len(X)} names.", "dataset")
    return Split(X, y, ids.astype(np.int64), clean, names)


def _class_ids(path: Path, name: str, y: Array, rows: int, lowest: int) -> Array:
    if y.shape not in [(rows,), (rows, 1)]:
        raise WannError(
            f"{path!s}: `{name}` must be of shape ({rows},) or ({rows}, 1) "
            f"to match the embeddings, got {y.shape}.",
            "dataset",
        )
    y = y.ravel()
    whole = y.dtype.kind in "iu" or (y.dtype.kind == "f" and np.array_equal(y, np.round(y)))
    if not whole or y.min() < lowest or y.max() >= MAX_CLASSES:
        seen = f" from {y.min()} to {y.max()}" if y.dtype.kind in "iuf" else ""
        raise WannError(
            f"{path!s}: `{name}` must be class ids from {lowest} to at most {MAX_CLASSES - 1}, "
            f"got {y.dtype}{seen}.",
            "dataset",
        )
    return y.astype(np.int64)


def _check_member(archive: zipfile.ZipFile, name: str, path: Path) -> None:
    """Refuse an array whose header asks for more bytes than the file holds, or for objects."""
    try:
        info = archive.getinfo(f"{name}.npy")
    except KeyError:
        raise WannError(f"{path!s} has no array `{name}`.", "dataset") from None
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        read_header = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read_header(member)
        if dtype.hasobject:
            raise WannError(f"{path!s}: `{name}` holds Python objects, not numbers.", "dataset")
        if math.prod(shape) * dtype.itemsize != info.file_size - member.tell():
            raise WannError(
                f"{path!s}: `{name}` is cut short or its header is wrong "
                f"(shape {shape}, {info.file_size} bytes).",
                "dataset",
            )
