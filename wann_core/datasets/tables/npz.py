"""User's tables as .npz: one array a column."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wann_core.datasets.tables.source import (
    EXAMPLES,
    Coded,
    Column,
    Contents,
    Limits,
    Tick,
    shorten,
)
from wann_core.errors import WannError
from wann_core.storage.npz import Header, Npz
from wann_core.typing import Array


def describe(path: Path, limits: Limits) -> tuple[tuple[Column, ...], int]:
    """The arrays of the file, and the rows of its largest array of two dimensions."""
    with _opened(path, limits) as arrays:
        headers = {name: arrays.header(name) for name in arrays.names}
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
        for done, column in enumerate([*embeddings, *others]):
            tick(done, len(embeddings) + len(others))
            array = file.read(column.name)
            arrays.append(array.ravel() if array.ndim == 2 and array.shape[1] == 1 else array)
    parts, rest = arrays[: len(embeddings)], arrays[len(embeddings) :]
    X = parts[0] if embeddings[0].kind == "list" else np.column_stack(parts)
    with np.errstate(over="ignore"):  # too large for float32: infinite, and reported as such
        X = X.astype(np.float32, copy=False)
    coded = {
        column.name: Coded.of_numpy(_decoded(array, column.name))
        for column, array in zip(others, rest, strict=True)
    }
    return Contents(np.ascontiguousarray(X), coded)


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
    return Column(name, f"{dtype.name} array, {size}{odd}", kind, examples, width)


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
