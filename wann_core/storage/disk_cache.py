"""Results on disk under the digest of what made them, so that none can be stale."""

import hashlib
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np

from wann_core.paths import cache_folder
from wann_core.progress import Progress
from wann_core.storage.files import bound_folder, locked, note_use, write_atomically
from wann_core.typing import Array

T = TypeVar("T")

_FIT_FOLDER_BYTES = 1 << 30
_DIGEST_BYTES = 16


def kept(
    path: Path,
    read: Callable[[Path], T],
    build: Callable[[], T],
    write: Callable[[T, BinaryIO], object],
    *,
    max_bytes: int,
    progress: Progress | None = None,
) -> T:
    """Return what a cache file holds; where it is missing or damaged, build it and keep it.

    Files are written whole or not at all, two processes never build the same one at once, and the
    folder is bounded. A cache that cannot be written costs a warning, not the result.

    Parameters
    ----------
    path : Path
        Its name is a digest of all that decides the result.
    read : callable
        `read(path)`; whatever it raises means a file to be made again.
    build : callable
        `build()`.
    write : callable
        `write(result, file)`.
    max_bytes : int
        Bound on the folder.
    progress : callable, optional
        Called while another process builds the same; may raise to stop the wait.
    """
    made: list[T] = []
    try:
        with locked(path.with_suffix(".lock"), progress):
            found = _found(path, read)
            if found is not None:
                return found
            made.append(build())
            write_atomically(path, lambda file: write(made[0], file))
            bound_folder(path, max_bytes)
    except OSError as error:
        if not made:
            made.append(build())
        folder = path.parent.name
        warnings.warn(f"{folder}: the result is not kept for next time: {error}", stacklevel=3)
    return made[0]


def _found(path: Path, read: Callable[[Path], T]) -> T | None:
    if not path.exists():
        return None
    try:
        found = read(path)
    except Exception:
        # Any byte of a cache file may be damaged, and a parser may raise anything: made again.
        return None
    note_use(path)
    return found


def digest_of(text: str, *arrays: Array) -> str:
    """Hexadecimal digest of a text and of arrays, as a name under which to keep what they make."""
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(f"{text} {array.dtype} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def kept_fit(digest: str, build: Callable[[], Array], progress: Progress | None = None) -> Array:
    """Return the array that `build()` makes, from cache/fits if it was made before."""
    path = cache_folder() / "fits" / f"{digest}.npy"
    bound = _FIT_FOLDER_BYTES
    return kept(path, _read_fit, build, _write_fit, max_bytes=bound, progress=progress)


def _write_fit(array: Array, file: BinaryIO) -> None:
    """As .npy, and after it a digest of it: a changed bit must not become another probability."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    content = buffer.getbuffer()
    file.write(content)
    file.write(hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest())


def _read_fit(path: Path) -> Array:
    content = path.read_bytes()
    whole, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    if hashlib.blake2b(whole, digest_size=_DIGEST_BYTES).digest() != digest:
        raise ValueError("damaged")
    array: Array = np.load(io.BytesIO(whole), allow_pickle=False)
    return array
