"""Partitions of a table, read and scaled by the workers that keep them."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from wann_core.datasets.tables import Columns, read
from wann_core.datasets.tables.columns import natural
from wann_core.errors import WannError
from wann_core.methods.reduction import scaled
from wann_core.neighbors.cluster import require_dask
from wann_core.typing import Array

_ROWS = 4096
_SUFFIXES = (".parquet", ".feather", ".csv", ".jsonl", ".npz")
# Squares of larger values, and of smaller ones, may not fit into float64.
_LARGE = 2.0**450


@dataclass(frozen=True, eq=False)
class Part:
    """The labeled rows of a partition whose embeddings are finite.

    Attributes
    ----------
    X : ndarray of shape (n, d)
    labels : ndarray of shape (n,), int64
        Ids in `class_names`.
    class_names : tuple of str
        Of this partition.
    rows : ndarray of shape (n,), int64
        Row numbers in the file.
    names : list of str
        File, id or row number of each row.
    left_out : int
        Rows with NaN or infinity.
    """

    X: Array
    labels: Array
    class_names: tuple[str, ...]
    rows: Array
    names: list[str]
    left_out: int


@dataclass(frozen=True)
class PartFacts:
    """What the client needs to know of a partition."""

    rows: int
    columns: int
    class_names: tuple[str, ...]
    left_out: int


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over rows for a z-score; parts may be added."""

    rows: int
    low: Array
    high: Array
    total: Array

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.rows + other.rows,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            self.total + other.total,
        )


def storage_of(address: str) -> tuple[Any, str]:
    """What reads and writes an address, and the path in it."""
    require_dask()
    import fsspec  # comes with Dask

    system, path = fsspec.core.url_to_fs(address)
    return system, str(path)


def is_local(system: Any) -> bool:
    """Whether a storage is this machine's files."""
    return "file" in np.atleast_1d(system.protocol).tolist()


def partitions(pattern: str) -> list[str]:
    """Addresses of the files that a pattern or a folder names, in natural order.

    Raises
    ------
    WannError
        If there are none, or the storage cannot be reached.
    """
    try:
        system, path = storage_of(pattern)
        if any(mark in path for mark in "*?["):
            found = system.glob(path)
        elif system.isdir(path):
            found = [one for one in system.ls(path, detail=False) if one.endswith(_SUFFIXES)]
        else:
            found = [path] if system.exists(path) else []
    except (OSError, ValueError, ImportError) as error:
        raise WannError(f"`path` {pattern!r} cannot be read: {error}.", "path") from error
    if not found:
        raise WannError(f"`path` {pattern!r} names no file.", "path")
    return [str(system.unstrip_protocol(one)) for one in sorted(found, key=natural)]


@contextmanager
def local_copy(address: str) -> Iterator[Path]:
    """The file itself where it lies on this machine, else a copy that is deleted afterwards."""
    system, path = storage_of(address)
    if is_local(system):
        yield Path(path)
        return
    with tempfile.TemporaryDirectory(prefix="wann-part-") as folder:
        copy = Path(folder) / "part"
        system.get_file(path, str(copy))
        yield copy


def read_part(address: str, columns: Columns) -> Part:
    """Read a partition."""
    with local_copy(address) as path:
        table = read(path, columns, source=Path(address).name)
    finite = np.isfinite(table.X).all(axis=1)
    kept = np.flatnonzero(finite & (table.y >= 0))
    names = table.ids or table.images or [str(row) for row in table.rows.tolist()]
    return Part(
        X=table.X[kept],
        labels=table.y[kept],
        class_names=table.class_names,
        rows=table.rows[kept],
        names=[names[row] for row in kept.tolist()],
        left_out=int((~finite).sum()),
    )


def facts(part: Part) -> PartFacts:
    """What the client needs to know."""
    return PartFacts(len(part.X), part.X.shape[1], part.class_names, part.left_out)


def class_column(part: Part, ids: Sequence[int]) -> Array:
    """Class ids of the rows among those of all partitions; -1 where they mean no label."""
    return np.asarray(ids, np.int32)[part.labels] if len(ids) else np.empty(0, np.int32)


def without_embeddings(part: Part) -> Part:
    """What of a partition is needed to name its rows."""
    return replace(part, X=part.X[:, :0].copy())


def without_unlabeled(part: Part, labels: Array) -> Part:
    """The part without rows whose label means none beside those of other partitions."""
    kept = np.flatnonzero(labels >= 0)
    if len(kept) == len(labels):
        return part
    return replace(
        part,
        X=part.X[kept],
        labels=part.labels[kept],
        rows=part.rows[kept],
        names=[part.names[row] for row in kept.tolist()],
    )


def sums(part: Part) -> Sums:
    """Extremes and sums of each column."""
    X = part.X
    infinite = np.full(X.shape[1], np.inf)
    low, high = (X.min(axis=0), X.max(axis=0)) if len(X) else (infinite, -infinite)
    total = X.sum(axis=0, dtype=np.float64)
    return Sums(len(X), np.asarray(low, np.float64), np.asarray(high, np.float64), total)


def squares(part: Part, whole: Sums) -> Array:
    """Summed squared differences from the mean of all rows, shape (d,), float64."""
    mean, out = whole.total / whole.rows, np.zeros(part.X.shape[1])
    for start in range(0, len(part.X), _ROWS):
        moved = part.X[start : start + _ROWS] - mean
        out += np.square(moved, out=moved).sum(axis=0)
    return out


def scale_of(whole: Sums, squared: Sequence[Array]) -> tuple[Array, Array]:
    """Mean and factor of a z-score, as `statistics` gives them for rows on one machine.

    Raises
    ------
    WannError
        If values are too large or too small for it.
    """
    largest = np.maximum(np.abs(whole.low), np.abs(whole.high))
    constant = whole.low == whole.high
    odd = ~constant & ((largest > _LARGE) | (largest < 1 / _LARGE))
    if odd.any():
        raise WannError(
            f"dimension {int(odd.argmax())} of the embeddings holds values too large or too small "
            "for a z-score; rescale them.",
            "path",
        )
    std = np.sqrt(np.sum(squared, axis=0) / whole.rows)
    scale = np.divide(1.0, std, out=np.zeros_like(std), where=~constant & (std > 0))
    return whole.total / whole.rows, scale


def z_scored(part: Part, scale: tuple[Array, Array]) -> Array:
    """The rows as they are searched, float32."""
    return scaled(part.X, *scale)


def added(parts: Sequence[Any]) -> Any:
    """Sum of partial sums."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def total_of(columns: Sequence[Array]) -> Array:
    """Mean of the rows, (d,), float32, by (rows, sum) of each part."""
    rows = sum(n for n, _ in columns)
    return np.asarray(sum(total for _, total in columns) / rows, np.float32)


def row_sum(X: Array) -> tuple[int, Array]:
    """Number of rows and their sum."""
    return len(X), X.sum(axis=0, dtype=np.float64)
