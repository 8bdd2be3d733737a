"""The .npz files of embedding databases, checked before and after they are loaded."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wann_core.datasets import row_columns
from wann_core.datasets.dataset import Split
from wann_core.datasets.images import UNLABELED
from wann_core.errors import WannError
from wann_core.storage import npz
from wann_core.typing import Array

MAX_CLASSES = 65_536
_MOST_ID = np.iinfo(np.int64).max
_FINITE_ROWS = 65_536
# Larger arrays that are stored as they are, not packed, are read where they lie.
_MAPPED_BYTES = 1 << 28
_OPTIONAL = ("ids", "clean_labels", "names")


def pack_names(names: Sequence[str]) -> Array:
    """Names as one array of bytes (UTF-8, NUL between them), which .npz stores without pickling.

    Raises
    ------
    WannError
        If a name holds NUL or is not valid text.
    """
    if any("\0" in name for name in names):
        raise WannError("a row's name must not hold the NUL character.")
    try:
        text = "\0".join(names).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        bad = next(name for name in names if error.object[error.start] in name)
        raise WannError(f"a row's name must be valid text, got {bad[:60]!a}.") from error
    return np.frombuffer(text, np.uint8)


def unpack_names(packed: Array) -> tuple[str, ...]:
    """The names that `pack_names` packed."""
    return tuple(packed.tobytes().decode("utf-8", "surrogateescape").split("\0"))


def read(path: Path) -> Split:
    """The rows of one file of a database, checked before and after they are loaded.

    Raises
    ------
    WannError
        If the file is damaged or its arrays do not fit together.
    """
    with npz.Npz(path, "dataset", str(path)) as arrays:
        X, y = arrays.mapped("embeddings", _MAPPED_BYTES), arrays.read("labels")
        more = {name: arrays.read(name) for name in _OPTIONAL if name in arrays}
        columns = (
            row_columns.unpacked(arrays, len(X), str(path)) if X.ndim == 2 and X.size else None
        )
    if X.ndim != 2 or not X.size or X.dtype not in (np.float16, np.float32, np.float64):
        raise WannError(
            f"{path!s}: `embeddings` must be float16, float32 or float64 of shape (n, d), "
            f"got {X.dtype} {X.shape}.",
            "dataset",
        )
    pieces = range(0, len(X), _FINITE_ROWS)
    bad = sum(
        int(np.count_nonzero(~np.isfinite(X[i : i + _FINITE_ROWS]).all(axis=1))) for i in pieces
    )
    if bad:
        raise WannError(
            f"{path!s}: `embeddings` must be finite, {bad} rows hold NaN or infinity.", "dataset"
        )
    y = _class_ids(path, "labels", y, len(X), UNLABELED if path.stem == "unlabelled" else 0)
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
    return Split(X, y, ids.astype(np.int64), clean, names, columns)


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
