"""User's tables as .npz: one array a column."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from wann_core.datasets.tables.columns import SPLIT_WORDS
from wann_core.datasets.tables.source import (
    EXAMPLES,
    Coded,
    Column,
    Contents,
    Limits,
    Tick,
    narrow,
    shorten,
)
from wann_core.errors import WannError
from wann_core.storage.npz import Header, Npz
from wann_core.typing import Array

_USES = {
    **dict.fromkeys(("x", "embeddings", "embedding", "features", "emb"), "X"),
    **dict.fromkeys(("y", "labels", "label", "targets", "target"), "y"),
}


def describe(path: Path, limits: Limits) -> tuple[tuple[Column, ...], int]:
    """The arrays of the file, and the rows of its largest array of two dimensions."""
    with _opened(path, limits) as arrays:
        headers = {name: arrays.header(name) for name in arrays.names}
        parts = _parts(headers)
        if parts:
            return _columns_of_parts(arrays, headers, parts, limits)
        tables = [h.shape for h in headers.values() if _is_table(h)]
        rows = max(tables, key=math.prod, default=(0,))[0]
        limits.check(rows=rows, columns=max((shape[1] for shape in tables), default=0))
        columns = tuple(_column(arrays, name, headers[name], rows) for name in headers)
    return columns, rows


def load(
    path: Path,
    embeddings: Sequence[Column],
    others: Sequence[Column],
    limits: Limits,
    tick: Tick,
) -> Contents:
    """Read the named arrays."""
    with _opened(path, limits) as file:
        arrays = []
        given = _parts({name: file.header(name) for name in file.names})
        for done, column in enumerate([*embeddings, *others]):
            tick(done, len(embeddings) + len(others))
            array = _read_parts(file, given, column.name) if given else file.read(column.name)
            arrays.append(array.ravel() if array.ndim == 2 and array.shape[1] == 1 else array)
    parts, rest = arrays[: len(embeddings)], arrays[len(embeddings) :]
    X = parts[0] if embeddings[0].kind == "list" else np.column_stack(parts)
    small = (X.dtype.kind == "f" and X.dtype.itemsize <= 4) or X.dtype.itemsize <= 2
    X = narrow(X.astype(np.float32 if small else np.float64, copy=False))
    coded = {
        column.name: Coded.of_numpy(_decoded(array, column.name))
        for column, array in zip(others, rest, strict=True)
    }
    return Contents(np.ascontiguousarray(X), coded)


def _parts(headers: Mapping[str, Header]) -> dict[str, dict[str, str]]:
    """The arrays of each use and split, where they are called as in scikit-learn's examples.

    As in {'X': {'train': 'X_train', 'test': 'X_test'}, 'y': {…}}; empty where they are not.
    """
    found: dict[str, dict[str, str]] = {"X": {}, "y": {}}
    for name in headers:
        first, _, split = name.rpartition("_")
        use = _USES.get(first.lower())
        word = SPLIT_WORDS.get(split.lower())
        if use and word:
            found[use].setdefault(word, name)
    X, y = found["X"], found["y"]
    shapes = [headers[name].shape for name in X.values()]
    fits = all(_is_table(headers[name]) for name in X.values())
    if not fits or len({shape[1:] for shape in shapes}) != 1 or len(X) < 2 or X.keys() != y.keys():
        return {}
    one_each = all(math.prod(headers[y[s]].shape) == headers[X[s]].shape[0] for s in X)
    return {use: {s: found[use][s] for s in X} for use in found} if one_each else {}


def _columns_of_parts(
    arrays: Npz,
    headers: Mapping[str, Header],
    parts: Mapping[str, Mapping[str, str]],
    limits: Limits,
) -> tuple[tuple[Column, ...], int]:
    X, y = parts["X"], parts["y"]
    rows = sum(headers[name].shape[0] for name in X.values())
    first = headers[next(iter(X.values()))]
    limits.check(rows=rows, columns=first.shape[1])
    label = next(iter(y.values()))
    kind = _column(arrays, label, headers[label], headers[label].shape[0])
    return (
        Column("X", f"{first.dtype.name}: {', '.join(X.values())}", "list", (), first.shape[1]),
        Column("y", f"{kind.dtype}: {', '.join(y.values())}", kind.kind, kind.examples),
        Column("split", "by the names of the arrays", "text", tuple(X)),
    ), rows


def _read_parts(file: Npz, parts: Mapping[str, Mapping[str, str]], column: str) -> Array:
    if column == "split":
        names = parts["X"].items()
        return np.concatenate([np.full(file.header(n).shape[0], split) for split, n in names])
    found = [file.read(name) for name in parts[column].values()]
    return np.concatenate(found if column == "X" else [array.ravel() for array in found])


def _opened(path: Path, limits: Limits) -> Npz:
    arrays = Npz(path, max_bytes=limits.max_bytes)
    limits.check(columns=len(arrays.names))
    return arrays


def _is_table(header: Header) -> bool:
    return len(header.shape) == 2 and header.shape[1] > 1 and header.dtype.kind in "fiu"


def _column(arrays: Npz, name: str, header: Header, rows: int) -> Column:
    shape, dtype = header.shape, header.dtype
    flat = len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)
    kind = "other"
    if shape[:1] == (rows,) and dtype.itemsize:
        if _is_table(header):
            kind = "list"
        elif flat and dtype.kind in "fiubSU":
            kind = "number" if dtype.kind in "fiu" else "text"
    width = shape[1] if kind == "list" else 1
    examples: tuple[str, ...] = ()
    if kind != "other" and not (header.fortran_order and width > 1):
        first = arrays.first(name, EXAMPLES)
        values = first if width > 1 else first.ravel()
        examples = tuple(map(shorten, _decoded(values, name).tolist()))
    size = " × ".join(map(str, shape))
    odd = "" if shape[:1] == (rows,) else f", not one row for each of {rows}"
    held = "text" if dtype.kind in "SU" else dtype.name
    return Column(name, f"{held} array, {size}{odd}", kind, examples, width)


def _decoded(array: Array, name: str) -> Array:
    """Text of any kind as valid text; numbers as they are."""
    if array.dtype.kind == "U":
        # numpy trusts the code points of a file, Python breaks on those that do not exist.
        points = np.ascontiguousarray(array).view(
            np.dtype(np.uint32).newbyteorder(array.dtype.byteorder)
        )
        if points.max(initial=0) > 0x10FFFF:
            raise WannError(f"array {name!r} must hold valid text.", "path")
    if array.dtype.kind != "S":
        return array
    try:
        return np.char.decode(array, "utf-8")
    except UnicodeDecodeError as error:
        raise WannError(f"array {name!r} must hold UTF-8 text: {error}.", "path") from error
