"""The .npz files of embedding databases: read with every doubt, written piece by piece."""

import math
import mmap
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from wann_core.datasets.dataset import Split
from wann_core.datasets.images import UNLABELED
from wann_core.errors import WannError
from wann_core.typing import Array

MAX_CLASSES = 4096
# What zipfile and numpy raise for damaged, encrypted or strangely packed files.
_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    MemoryError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)
_MOST_ID = np.iinfo(np.int64).max
_PIECE = 1 << 24  # bytes
_FINITE_ROWS = 65_536
# Larger arrays that are stored as they are, not packed, are read where they lie.
_MAPPED_BYTES = 1 << 28
_LOCAL_HEADER = struct.Struct("<4s22xHH")


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


def read(path: Path) -> Split:
    """The rows of one file of a database, checked before and after they are loaded.

    Raises
    ------
    WannError
        If the file is damaged or its arrays do not fit together.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = set(archive.namelist())
            optional = ("ids", "clean_labels", "names")
            kept = [name for name in optional if f"{name}.npy" in members]
            for name in ("embeddings", "labels", *kept):
                _check_member(archive, name, path)
            X = _mapped(archive, "embeddings", path)
        with np.load(path, allow_pickle=False) as arrays:
            X, y = arrays["embeddings"] if X is None else X, arrays["labels"]
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


def read_header(member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype of the .npy array that a file object begins with."""
    version = np.lib.format.read_magic(member)
    read_it = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, _, dtype = read_it(member)
    return shape, dtype


def _check_member(archive: zipfile.ZipFile, name: str, path: Path) -> None:
    """Refuse an array whose header asks for more bytes than the file holds, or for objects."""
    try:
        info = archive.getinfo(f"{name}.npy")
    except KeyError:
        raise WannError(f"{path!s} has no array `{name}`.", "dataset") from None
    with archive.open(info) as member:
        shape, dtype = read_header(member)
        if dtype.hasobject:
            raise WannError(f"{path!s}: `{name}` holds Python objects, not numbers.", "dataset")
        if math.prod(shape) * dtype.itemsize != info.file_size - member.tell():
            raise WannError(
                f"{path!s}: `{name}` is cut short or its header is wrong "
                f"(shape {shape}, {info.file_size} bytes).",
                "dataset",
            )


def _mapped(archive: zipfile.ZipFile, name: str, path: Path) -> Array | None:
    """A large array as a read-only map of the file, its checksum compared; None for any other."""
    info = archive.getinfo(f"{name}.npy")
    if info.compress_type != zipfile.ZIP_STORED or info.file_size < _MAPPED_BYTES:
        return None
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        read_it = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read_it is None:
            return None
        shape, fortran_order, dtype = read_it(member)
        header = member.tell()
    if fortran_order:
        return None
    with path.open("rb") as file:
        file.seek(info.header_offset)
        signature, name_bytes, extra_bytes = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
        start = info.header_offset + _LOCAL_HEADER.size + name_bytes + extra_bytes
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    view = memoryview(memory)[start : start + info.file_size]
    checksum = 0
    for piece in range(0, len(view), _PIECE):
        checksum = zlib.crc32(view[piece : piece + _PIECE], checksum)
    if signature != b"PK\3\4" or checksum != info.CRC:
        raise zipfile.BadZipFile(f"bad CRC-32 for array `{name}`")
    found: Array = np.frombuffer(view[header:], dtype).reshape(shape)
    return found


def save(path: Path, arrays: Mapping[str, Array], tick: Callable[[int], None]) -> None:
    """As `np.savez` does, but piece by piece, so that somebody can watch and stop it."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            header = {
                "descr": np.lib.format.dtype_to_descr(array.dtype),
                "fortran_order": False,
                "shape": array.shape,
            }
            step = max(1, _PIECE * len(array) // max(array.nbytes, 1))
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array_header_1_0(member, header)
                for start in range(0, len(array), step):
                    piece = array[start : start + step]
                    member.write(piece.tobytes())
                    tick(piece.nbytes)
