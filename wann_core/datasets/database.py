"""Embedding databases on disk: `<root>/<dataset>/<backbone>/{train,test[,val]}.npz`."""

import math
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wann_core.datasets.dataset import Dataset
from wann_core.errors import WannError

Array = npt.NDArray[Any]

MAX_CLASSES = 4096
# What zipfile and numpy raise for damaged, encrypted or strangely packed files.
_UNREADABLE = (
    OSError, EOFError, ValueError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip

_CIFAR10 = tuple("airplane automobile bird cat deer dog frog horse ship truck".split())
_CLASS_NAMES: dict[str, tuple[str, ...]] = {"cifar10": _CIFAR10, "cifar10-n": _CIFAR10}


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
    return bool(re.fullmatch(r"[\w.+ -]+(/[\w.+ -]+)*", name)) and ".." not in name.split("/")


def available(root: str | Path) -> list[tuple[str, str]]:
    """The (dataset, backbone) pairs below a root that have a train.npz and a test.npz.

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
            if train.with_name("test.npz").is_file():
                place = train.parent.relative_to(root)
                pair = place.parent.as_posix(), place.name
                if all(map(_allowed, pair)):
                    pairs.append(pair)
    return sorted(pairs)


def load(root: str | Path, dataset: str, backbone: str) -> Dataset:
    """Read one database.

    Raises
    ------
    WannError
        If a file is missing or unreadable, arrays do not fit together, a value is NaN or
        infinite, or labels are not class ids from 0.
    """
    place = folder(root, dataset, backbone)
    for split in ("train", "test"):
        if not (place / f"{split}.npz").is_file():
            raise WannError(
                f"no embedding database of data set {dataset!r} under backbone {backbone!r}: "
                f"{place / split!s}.npz does not exist.",
                "dataset",
            )
    X_train, y_train = _read(place / "train.npz")
    X_test, y_test = _read(place / "test.npz")
    if X_train.shape[1] != X_test.shape[1]:
        raise WannError(
            f"{place!s}: train.npz has {X_train.shape[1]} columns, "
            f"test.npz {X_test.shape[1]}; they must agree.",
            "dataset",
        )
    n_classes = int(max(y_train.max(), y_test.max())) + 1
    names = _CLASS_NAMES.get(dataset.split("/")[0], ())
    if len(names) != n_classes:
        names = tuple(str(c) for c in range(n_classes))
    return Dataset(
        name=dataset,
        backbone=backbone,
        X_train=X_train,
        y_train=y_train,
        train_ids=np.arange(len(y_train)),
        X_test=X_test,
        y_test=y_test,
        test_ids=np.arange(len(y_test)),
        class_names=names,
    )


def _read(path: Path) -> tuple[Array, Array]:
    """Embeddings (n, d) and labels (n,) of one file, checked before and after they are loaded."""
    try:
        with zipfile.ZipFile(path) as archive:
            for name in ("embeddings", "labels"):
                _check_member(archive, name, path)
        with np.load(path, allow_pickle=False) as arrays:
            X, y = arrays["embeddings"], arrays["labels"]
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
    if y.shape not in [(len(X),), (len(X), 1)]:
        raise WannError(
            f"{path!s}: `labels` must be of shape ({len(X)},) or ({len(X)}, 1) "
            f"to match the embeddings, got {y.shape}.",
            "dataset",
        )
    if not np.isfinite(X).all():
        bad = int(np.count_nonzero(~np.isfinite(X).all(axis=1)))
        raise WannError(
            f"{path!s}: `embeddings` must be finite, {bad} rows hold NaN or infinity.", "dataset"
        )
    y = y.ravel()
    whole = y.dtype.kind in "iu" or (y.dtype.kind == "f" and np.array_equal(y, np.round(y)))
    if not whole or y.min() < 0 or y.max() >= MAX_CLASSES:
        seen = f" from {y.min()} to {y.max()}" if y.dtype.kind in "iuf" else ""
        raise WannError(
            f"{path!s}: `labels` must be class ids from 0 to at most {MAX_CLASSES - 1}, "
            f"got {y.dtype}{seen}.",
            "dataset",
        )
    return X, y.astype(np.int64)


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
