"""Arrays in .npz files: measured before a byte of them is unpacked, and never unpickled."""

import io
import math
import mmap
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import numpy as np

from wann_core.errors import WannError
from wann_core.storage.zip_files import check_directory
from wann_core.typing import Array

# Longer ones are not the header of an array of numbers or text.
MAX_HEADER = 10_000
MAX_ARRAYS = 16_384
# Of what a file unpacks to.
MAX_BYTES = 64 << 30
# A compressed array may grow by this factor; the first megabytes are free.
MAX_RATIO = 200
RATIO_FREE = 16 << 20
# The others are unpacked without bound: 4 KiB of bzip2 may become many megabytes in one call.
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

# An entry of the archive's directory takes 46 bytes and its name.
_DIRECTORY_BYTES = MAX_ARRAYS * 512
_PIECE = 1 << 24  # bytes
_LOCAL_HEADER = struct.Struct("<4s22xHH")
# What zipfile raises for damaged, encrypted or strangely packed files.
_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    OverflowError,
    MemoryError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Header:
    """The header of an array.

    Attributes
    ----------
    shape : tuple of int
    fortran_order : bool
    dtype : numpy.dtype
    nbytes : int
        Of the header, so that the values begin there.
    """

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[Any]
    nbytes: int


class Npz:
    """The arrays of one .npz file; a context manager.

    Parameters
    ----------
    path : Path
    field : str, optional
        The setting that an error belongs to.
    called : str, optional
        The file in messages; by default its name.
    max_bytes : int, optional
        Bound on what all arrays unpack to.

    Raises
    ------
    WannError
        From any call, and for whatever the bytes of the file are: not an .npz file, damaged,
        encrypted, packed in another way, larger than the bounds, or holding Python objects.
    """

    def __init__(
        self, path: Path, field: str = "path", called: str = "", max_bytes: int = MAX_BYTES
    ) -> None:
        self._field, self._called = field, called or path.name
        with _Sentence(self):
            self._file = path.open("rb")
        try:
            with _Sentence(self):
                check_directory(self._file, _DIRECTORY_BYTES)
                self._archive = zipfile.ZipFile(self._file)
                self._members = self._measured(max_bytes)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()
        self._file.close()

    @property
    def names(self) -> list[str]:
        """Names of the arrays, in the order of the file."""
        return list(self._members)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def header(self, name: str) -> Header:
        """Shape, order and dtype, once they are seen to agree with the size of the array."""
        with _Sentence(self), self._archive.open(self._member(name)) as member:
            return self._header(name, member)

    def first(self, name: str, rows: int) -> Array:
        """The first `rows` rows of an array in C order."""
        with _Sentence(self), self._archive.open(self._member(name)) as member:
            header = self._header(name, member)
            shape = (min(rows, header.shape[0]), *header.shape[1:])
            data = member.read(math.prod(shape) * header.dtype.itemsize)
            return np.frombuffer(data, header.dtype).reshape(shape)

    def read(self, name: str) -> Array:
        """A whole array; its checksum is compared."""
        with _Sentence(self), self._archive.open(self._member(name)) as member:
            header = self._header(name, member)
            values = np.empty(math.prod(header.shape), header.dtype)
            if not header.dtype.itemsize:
                return values.reshape(header.shape)
            left = values.view(np.uint8).data
            while len(left):
                piece = member.read(min(_PIECE, len(left)))
                if not piece:
                    raise self._error(f"array `{name}` is cut short")
                left[: len(piece)] = piece
                left = left[len(piece) :]
            # The checksum is compared at the end of the member.
            if member.read(1):
                raise self._error(f"array `{name}` is longer than its header states")
            found: Array = values.reshape(header.shape, order="F" if header.fortran_order else "C")
            return found

    def mapped(self, name: str, least_bytes: int) -> Array:
        """An array; as a read-only map of the file if it is large, in C order and not compressed.

        Its checksum is compared all the same.
        """
        info = self._member(name)
        header = self.header(name)
        plain = info.compress_type == zipfile.ZIP_STORED and not header.fortran_order
        if not plain or info.file_size < least_bytes:
            return self.read(name)
        with _Sentence(self):
            self._file.seek(info.header_offset)
            signature, named, extra = _LOCAL_HEADER.unpack(self._file.read(_LOCAL_HEADER.size))
            start = info.header_offset + _LOCAL_HEADER.size + named + extra
            memory = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
            view = memoryview(memory)[start : start + info.file_size]
            checksum = 0
            for piece in range(0, len(view), _PIECE):
                checksum = zlib.crc32(view[piece : piece + _PIECE], checksum)
            if signature != b"PK\3\4" or checksum != info.CRC:
                raise self._error(f"bad CRC-32 for array `{name}`")
            found = np.frombuffer(view[header.nbytes :], header.dtype).reshape(header.shape)
            return found

    def _member(self, name: str) -> zipfile.ZipInfo:
        if name not in self._members:
            raise WannError(f"{self._called!r} has no array `{name}`.", self._field)
        return self._members[name]

    def _header(self, name: str, member: IO[bytes]) -> Header:
        header = read_header(member)
        if header.dtype.hasobject:
            raise WannError(
                f"{self._called!r}: array `{name}` holds Python objects, pickled, which "
                "are never loaded; save it as numbers or text.",
                self._field,
            )
        left = self._members[name].file_size - header.nbytes
        if math.prod(header.shape) * header.dtype.itemsize != left:
            raise WannError(
                f"{self._called!r}: array `{name}` is cut short or its header is wrong "
                f"(shape {header.shape}, {left} bytes).",
                self._field,
            )
        return header

    def _measured(self, max_bytes: int) -> dict[str, zipfile.ZipInfo]:
        infos = self._archive.infolist()
        if len(infos) > MAX_ARRAYS:
            raise self._error(f"it holds more than {MAX_ARRAYS:,} arrays")
        names = [info.filename for info in infos]
        if len(set(names)) < len(names):
            raise self._error("it holds two arrays of the same name")
        # zipfile never unpacks more of a member than it declares.
        total = sum(info.file_size for info in infos)
        if total > max_bytes:
            raise self._error(f"it unpacks to {total:,}, where at most {max_bytes:,} bytes may be")
        for info in infos:
            if info.flag_bits & 1 or info.compress_type not in COMPRESSIONS:
                raise self._error(
                    f"{info.filename[:60]!r} must be stored or deflated and not encrypted, as "
                    "numpy.savez and numpy.savez_compressed write it"
                )
            if info.file_size > RATIO_FREE and info.file_size > MAX_RATIO * info.compress_size:
                raise self._error(
                    f"{info.filename[:60]!r} grows more than {MAX_RATIO} times when unpacked; "
                    "save it with numpy.savez, which does not compress"
                )
        arrays = [info for info in infos if info.filename.endswith(".npy")]
        return {info.filename.removesuffix(".npy"): info for info in arrays}

    def _error(self, reason: str) -> WannError:
        return WannError(f"{self._called!r} cannot be read as an .npz file: {reason}.", self._field)


class _Sentence:
    """Turns what a damaged file raises into one sentence."""

    def __init__(self, owner: Npz) -> None:
        self._owner = owner

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, WannError) or not isinstance(error, _UNREADABLE):
            return
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise self._owner._error(" ".join(reason.split())[:200].rstrip(".")) from error


def read_header(member: IO[bytes]) -> Header:
    """The header that an .npy array begins with.

    Raises
    ------
    ValueError
        If it is none, longer than `MAX_HEADER`, or of another form than numpy writes.
    """
    start = member.read(10)
    if start[:6] != b"\x93NUMPY" or len(start) < 10:
        raise ValueError("it holds something else than arrays")
    version, size = tuple(start[6:8]), int.from_bytes(start[8:10], "little")
    if version in ((2, 0), (3, 0)):
        # It may announce gigabytes; those are never read.
        rest = member.read(2)
        start, size = start + rest, int.from_bytes(start[8:10] + rest, "little")
    elif version != (1, 0):
        raise ValueError(f"array format {version} is unknown")
    if size > MAX_HEADER:
        raise ValueError(f"the header of an array is too long ({size:,} bytes)")
    text = member.read(size)
    # numpy's own parser wants the head of the first version for what is plain ASCII.
    ascii_head = io.BytesIO(size.to_bytes(2, "little") + text)
    try:
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(
            ascii_head, max_header_size=MAX_HEADER
        )
    # Python's tokenizer, its parser and numpy's dtypes raise many exceptions for strange text.
    except Exception as error:
        raise ValueError("the header of an array is damaged") from error
    if min(shape, default=0) < 0 or any(isinstance(size, bool) for size in shape):
        raise ValueError(f"an array is cut short or its header is wrong (shape {shape})")
    return Header(tuple(map(int, shape)), bool(fortran), dtype, len(start) + size)


def load(path: Path, wanted: Iterable[str]) -> dict[str, Array]:
    """Those of the wanted arrays that an .npz file holds.

    Raises
    ------
    WannError
        As `Npz` does.
    """
    with Npz(path) as arrays:
        return {name: arrays.read(name) for name in wanted if name in arrays}


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
