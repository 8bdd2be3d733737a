"""User's tables as .npz: one array a column, never unpickled, measured before it is unpacked."""

import math
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

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
from wann_core.typing import Array

_MAX_HEADER = 10_000
# The others are unpacked without bound: 4 KiB of bzip2 may become many megabytes in one call.
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def describe(path: Path, limits: Limits) -> tuple[tuple[Column, ...], int]:
    """The arrays of the file, and the rows of its largest array of two dimensions."""
    with zipfile.ZipFile(path) as archive:
        headers = {name: _header(archive, name) for name in _members(archive, limits)}
        tables = [shape for shape, _, dtype in headers.values() if _is_table(shape, dtype)]
        rows = max(tables, key=math.prod, default=(0,))[0]
        limits.check(rows=rows, columns=max((shape[1] for shape in tables), default=0))
        columns = tuple(_column(archive, name, *headers[name], rows) for name in headers)
    return columns, rows


def load(
    path: Path,
    embeddings: Sequence[Column],
    others: Sequence[Column],
    limits: Limits,
    tick: Tick,
) -> Contents:
    """Read the named arrays."""
    with zipfile.ZipFile(path) as archive:
        _members(archive, limits)
        arrays = []
        for done, column in enumerate([*embeddings, *others]):
            tick(done, len(embeddings) + len(others))
            arrays.append(_read(archive, column.name))
    parts, rest = arrays[: len(embeddings)], arrays[len(embeddings) :]
    X = parts[0] if embeddings[0].kind == "list" else np.column_stack(parts)
    with np.errstate(over="ignore"):  # too large for float32: infinite, and reported as such
        X = X.astype(np.float32, copy=False)
    coded = {
        column.name: Coded.of_numpy(_decoded(array, column.name))
        for column, array in zip(others, rest, strict=True)
    }
    return Contents(np.ascontiguousarray(X), coded)


def _members(archive: zipfile.ZipFile, limits: Limits) -> list[str]:
    """Names of the arrays; refused if the archive is no plain .npz or too large."""
    infos = archive.infolist()
    names = [info.filename.removesuffix(".npy") for info in infos]
    if len(set(names)) < len(names):
        raise WannError("the .npz file holds two arrays of the same name.", "path")
    for info in infos:
        if info.flag_bits & 1 or info.compress_type not in _COMPRESSIONS:
            raise WannError(
                f"array {info.filename!r} must be stored or deflated and not encrypted, as "
                "numpy.savez and numpy.savez_compressed write it.",
                "path",
            )
    # zipfile never unpacks more of a member than it declares.
    limits.check(bytes=sum(info.file_size for info in infos), columns=len(names))
    return [n for n, info in zip(names, infos, strict=True) if info.filename.endswith(".npy")]


def _read_header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(member)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(member, max_header_size=_MAX_HEADER)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(member, max_header_size=_MAX_HEADER)
    raise ValueError(f"array format {version} is unknown")


def _header(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, column order and dtype, once they are seen to agree with the member's size."""
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as member:
        # Format 2 may announce a header of gigabytes, which numpy would read before it measures.
        start = member.read(12)
        if start[6:7] == b"\2" and struct.unpack("<I", start[8:12])[0] > _MAX_HEADER:
            raise ValueError(f"the header of array {name!r} is too long")
    with archive.open(info) as member:
        shape, fortran, dtype = _read_header(member)
        left = info.file_size - member.tell()
    if dtype.hasobject:
        raise WannError(
            f"array {name!r} holds pickled Python objects, which are never loaded; save it as "
            "numbers or text.",
            "path",
        )
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != left:
        raise WannError(
            f"array {name!r} is cut short or its header is wrong (shape {shape}, {left} bytes).",
            "path",
        )
    return shape, fortran, dtype


def _read(archive: zipfile.ZipFile, name: str) -> Array:
    _header(archive, name)
    with archive.open(f"{name}.npy") as member:
        array: Array = np.lib.format.read_array(
            member, allow_pickle=False, max_header_size=_MAX_HEADER
        )
    return array.ravel() if array.ndim == 2 and array.shape[1] == 1 else array


def _is_table(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    return len(shape) == 2 and shape[1] > 1 and dtype.kind in "fiu"


def _column(
    archive: zipfile.ZipFile,
    name: str,
    shape: tuple[int, ...],
    fortran: bool,
    dtype: np.dtype[Any],
    rows: int,
) -> Column:
    flat = len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)
    kind = "other"
    if shape[:1] == (rows,) and dtype.itemsize:
        if _is_table(shape, dtype):
            kind = "list"
        elif flat and dtype.kind in "fiubSU":
            kind = "number" if dtype.kind in "fiu" else "text"
    width = shape[1] if kind == "list" else 1
    examples: tuple[str, ...] = ()
    if kind != "other" and not (fortran and width > 1):
        count = min(EXAMPLES, rows)
        with archive.open(f"{name}.npy") as member:
            _read_header(member)
            first = np.frombuffer(member.read(count * width * dtype.itemsize), dtype)
        values = first if width == 1 else first.reshape(count, width)
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
