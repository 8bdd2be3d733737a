"""Files that are written whole or not at all, locks between processes, bounded folders."""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import filelock

from wann_core.progress import Progress

# What nobody has written to for so long has no living writer.
_ABANDONED_SECONDS = 86_400.0
_POLL_SECONDS = 0.2
_CLOCKS_DIFFER_SECONDS = 60.0  # of machines that share a disk
_RETRIES_ON_WINDOWS = (0.05, 0.1, 0.2, 0.4, 0.6, 0.7)
_RETRIES = _RETRIES_ON_WINDOWS if os.name == "nt" else ()
_WRITER = ".writer"  # in a draft, locked by who fills it


@contextlib.contextmanager
def locked(path: Path, progress: Progress | None = None) -> Iterator[None]:
    """Hold the lock file `path`; other threads and processes wait.

    While another holds it, `progress` is called some times a second and may raise to stop the
    wait.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path, thread_local=False)
    while True:
        try:
            lock.acquire(timeout=_POLL_SECONDS)
            break
        except filelock.Timeout:
            if progress is not None:
                progress(0, 1, "waiting for another process that makes the same")
    try:
        yield
    finally:
        lock.release()


def bound_folder(path: Path, max_bytes: int) -> None:
    """Keep files like `path` beside it below a size, least recently used out; `path` stays.

    Temporary files that killed writers have left there are removed, too.
    """
    remove_abandoned(path.parent, ".*.????????")
    now, found = time.time(), []
    for file in path.parent.glob(f"*{path.suffix}"):
        with contextlib.suppress(FileNotFoundError):  # another process bounds the folder, too
            state = file.stat()
            # What is of the future was used before the clock was set back: longest ago.
            used = 0.0 if state.st_mtime > now + _CLOCKS_DIFFER_SECONDS else state.st_mtime
            found.append((used, state.st_size, file))
    size = 0
    for _, own, file in sorted(found, key=lambda one: one[0], reverse=True):
        size += own
        if size > max_bytes and file != path:
            file.unlink(missing_ok=True)
            file.with_suffix(".lock").unlink(missing_ok=True)


def note_use(path: Path) -> None:
    """Make a file the latest used one for `bound_folder`."""
    with contextlib.suppress(FileNotFoundError):  # another process has just bounded the folder
        os.utime(path)


@contextlib.contextmanager
def draft_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A temporary folder; what a killed process leaves of it, `remove_abandoned` removes."""
    with (
        tempfile.TemporaryDirectory(
            dir=parent, prefix=prefix, ignore_cleanup_errors=True
        ) as temporary,
        filelock.FileLock(Path(temporary) / _WRITER, thread_local=False),
    ):
        yield Path(temporary)


def _has_lost_its_writer(path: Path) -> bool:
    """Whether a draft's process has ended; the system lets go of its lock then."""
    if not (path / _WRITER).is_file():
        return False
    try:
        with filelock.FileLock(path / _WRITER, timeout=0, thread_local=False):
            return True
    except (filelock.Timeout, OSError, NotImplementedError):
        return False


def remove_abandoned(folder: Path, pattern: str) -> None:
    """Remove drafts whose writer has ended, and what nobody has written to for a day.

    Several processes may do so at once.

    Parameters
    ----------
    folder : Path
    pattern : str
        Of the names of the files and folders.
    """
    for path in folder.glob(pattern):
        if _has_lost_its_writer(path):
            shutil.rmtree(path, ignore_errors=True)
            continue
        try:
            written = max(one.lstat().st_mtime for one in (path, *path.rglob("*")))
        except FileNotFoundError:
            continue  # its writer, or another process, is removing it
        if written > time.time() - _ABANDONED_SECONDS:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Fill a temporary file beside `path` and move it there: readers see all of it or nothing.

    What exists and is not a regular file (a pipe, a terminal) is written to in place.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as stream:
            write(stream)
        return
    with naming(path):
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
        try:
            with os.fdopen(handle, "wb") as file:
                write(file)
            Path(temporary).chmod(0o666 & ~_umask())
            move(Path(temporary), path)
        except BaseException:
            with contextlib.suppress(OSError):  # the first error is the one to raise
                Path(temporary).unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Give what a disk refuses the name of the file that was asked for, not of a temporary one."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.strerror is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def move(source: Path, target: Path) -> None:
    """Put a file or folder in the place of another, at once.

    Windows refuses while a reader has the old one open; then it is tried again for two seconds.

    Raises
    ------
    OSError
        If it cannot be done.
    """
    for wait in _RETRIES:
        try:
            source.replace(target)
            return
        except PermissionError:
            time.sleep(wait)
    source.replace(target)


def _umask() -> int:
    # The mask can only be read by setting it.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
