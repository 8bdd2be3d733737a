"""What is kept for the next question: objects in memory, neighbour graphs under cache/."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
import threading
import time
import warnings
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
import numpy.typing as npt

from wann_core.neighbors import NeighborGraph, Progress

T = TypeVar("T")
Array = npt.NDArray[Any]

# Raised whenever the search would answer or keep something else: old files are left alone.
_GRAPH_VERSION = 5
# Searches cheaper than this many multiplications (about a second) are not worth a file.
_WORTH_KEEPING = 3e10
_GRAPH_FOLDER_BYTES = 4 << 30
_FIT_FOLDER_BYTES = 1 << 30
# What nobody has written to for so long has no living writer.
_LEFT_SECONDS = 86_400.0


class SharedCache:
    """A bounded, thread-safe memory of costly objects, least recently used out first.

    Threads that ask for the same missing key wait for one of them to build it; other keys are
    served meanwhile.

    Parameters
    ----------
    max_bytes : int
        Bound on the sum of the sizes that the builders report; the newest object is kept even if
        it alone is larger.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._entries: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._building: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, build: Callable[[], tuple[T, int]]) -> T:
        """The object under `key`, made by `build() -> (object, bytes)` if it is not here."""
        with self._lock:
            if key in self._entries:
                known: T = self._hit(key)
                return known
            building = self._building.setdefault(key, threading.Lock())
        with building:
            with self._lock:
                if key in self._entries:
                    known = self._hit(key)
                    return known
            try:
                value, size = build()
                with self._lock:
                    self._entries[key] = (value, size)
                    while len(self._entries) > 1 and self._bytes() > self.max_bytes:
                        self._entries.popitem(last=False)
            finally:
                with self._lock:
                    self._building.pop(key, None)
            return value

    def _hit(self, key: Hashable) -> Any:
        self._entries.move_to_end(key)
        return self._entries[key][0]

    def _bytes(self) -> int:
        return sum(size for _, size in self._entries.values())

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()


def cache_folder() -> Path:
    """The folder for files that can be made again: `WANN_CACHE`, else cache/ of the project."""
    named = os.environ.get("WANN_CACHE")
    return Path(named) if named else Path(__file__).resolve().parents[1] / "cache"


def is_kept(train_rows: int, test_rows: int, columns: int) -> bool:
    """Whether a search of this size is costly enough for `neighbor_graph` to keep its graph."""
    return float(train_rows) * (train_rows + test_rows) * columns >= _WORTH_KEEPING


def neighbor_graph(
    X_train: Array,
    X_test: Array | None,
    k: int,
    progress: Progress | None = None,
    search: str = "auto",
) -> NeighborGraph:
    """`NeighborGraph.build`, answered from cache/graphs where the same arrays were searched before.

    The file's name is a digest of the arrays, so that it can never be stale. Files are written
    whole or not at all, two processes never search for the same one at once, and the folder is
    bounded. A cache that cannot be written costs a warning, not the graph.
    """
    if not is_kept(len(X_train), 0 if X_test is None else len(X_test), X_train.shape[1]):
        return NeighborGraph.build(X_train, X_test, k=k, search=search, progress=progress)
    path = cache_folder() / "graphs" / f"{_digest(X_train, X_test, k, search)}.npz"
    graph = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.with_suffix(".lock")):
            graph = _read_graph(path)
            if graph is None:
                graph = NeighborGraph.build(X_train, X_test, k=k, search=search, progress=progress)
                _write_graph(path, graph)
    except OSError as error:
        warnings.warn(f"the neighbour graph is not kept for the next time: {error}", stacklevel=2)
    return graph or NeighborGraph.build(X_train, X_test, k=k, search=search, progress=progress)


def _digest(X_train: Array, X_test: Array | None, k: int, search: str) -> str:
    arrays = (X_train,) if X_test is None else (X_train, X_test)
    return digest_of(f"{_GRAPH_VERSION} {k} {search}", *arrays)


def digest_of(text: str, *arrays: Array) -> str:
    """Hexadecimal digest of a text and of arrays, as a name under which to keep what they make."""
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(f"{text} {array.dtype} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def kept_fit(digest: str, build: Callable[[], Array]) -> Array:
    """What `build` makes, answered from cache/fits if it was made under that digest before.

    Files are written whole or not at all, and the folder is bounded. A cache that cannot be written
    costs a warning, not the array.
    """
    path = cache_folder() / "fits" / f"{digest}.npy"
    made = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.with_suffix(".lock")):
            made = _read_array(path)
            if made is None:
                made = build()
                write_atomically(path, partial(np.save, arr=made, allow_pickle=False))
                bound(path, _FIT_FOLDER_BYTES)
    except OSError as error:
        warnings.warn(f"a fit is not kept for the next time: {error}", stacklevel=2)
    return build() if made is None else made


def _read_array(path: Path) -> Array | None:
    try:
        array: Array = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        return None
    except (ValueError, EOFError):
        return None  # damaged: made again
    os.utime(path)
    return array


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, made if need be; other threads and processes wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


_ARRAYS = ("train_ids", "train_distances", "test_ids", "test_distances")
# What numpy and zipfile raise for files that are damaged, or of something else.
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, ValueError, KeyError, TypeError, EOFError, RuntimeError,
)  # fmt: skip
_MADE = {
    "seconds": float, "method": str, "recall": float, "recall_rows": int, "certified": float,
}  # fmt: skip


def _read_graph(path: Path) -> NeighborGraph | None:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in _ARRAYS if name in arrays}
            made = {name: kind(arrays[name][()]) for name, kind in _MADE.items()}
            graph = NeighborGraph(**found, **made)
    except FileNotFoundError:
        return None
    except _DAMAGED:
        return None  # damaged: made again
    os.utime(path)
    return graph


def _write_graph(path: Path, graph: NeighborGraph) -> None:
    found = {name: getattr(graph, name) for name in (*_ARRAYS, *_MADE)}
    arrays = {name: array for name, array in found.items() if array is not None}
    write_atomically(path, lambda file: np.savez(file, **arrays))
    bound(path, _GRAPH_FOLDER_BYTES)


def bound(path: Path, max_bytes: int) -> None:
    """Keep files like `path` beside it below a size, least recently used out; `path` stays.

    What killed writers have left there goes too.
    """
    sweep(path.parent, ".*.????????")
    files = path.parent.glob(f"*{path.suffix}")
    kept = sorted(files, key=lambda p: p.stat().st_mtime, reverse=True)
    size = 0
    for file in kept:
        size += file.stat().st_size
        if size > max_bytes and file != path:
            file.unlink(missing_ok=True)
            file.with_suffix(".lock").unlink(missing_ok=True)


def sweep(folder: Path, pattern: str) -> None:
    """Remove the files and folders of a pattern that nobody has written to for a day.

    Several processes may do so at once.
    """
    for path in folder.glob(pattern):
        try:
            written = max(one.lstat().st_mtime for one in (path, *path.rglob("*")))
        except FileNotFoundError:
            continue  # its writer, or another sweep, is at it
        if written > time.time() - _LEFT_SECONDS:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Fill a temporary file beside `path` and move it there: readers see all of it or nothing.

    What exists and is no plain file (a pipe, a terminal) is written to as it is.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as stream:
            write(stream)
        return
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    # The mask can only be read by setting it.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
