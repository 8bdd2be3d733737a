"""An unfinished embedding database on disk: its plan, its lock, and what is embedded so far.

It is a folder `.<backbone>.partial` beside the place of the finished database. Shards follow one
another without a gap, so they alone determine the next row to embed. Files appear whole or not at
all.
"""

import contextlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import filelock
import numpy as np

from wann_core.datasets import database, npz_files, row_columns
from wann_core.datasets.images import ImageSplit
from wann_core.errors import WannError
from wann_core.storage import npz
from wann_core.storage.files import move, write_atomically
from wann_core.typing import Array

_PLAN = "plan.json"
_FINISHED = "finished"
# Marks shards that a finished database has made superfluous, once that is in its place.
_DONE = "done"
_ARRAYS = ("stop", "embeddings", "rows", "skipped")
# A date in each member would make two equal databases differ.
_NO_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Skipped:
    """An image that could not be read, and why."""

    split: str
    row: int
    file: str
    reason: str


@dataclass(frozen=True, eq=False)
class Shard:
    """Consecutive rows of a split: the embeddings of those that could be read, and the others.

    Attributes
    ----------
    stop : int
        The row after the last one.
    embeddings : ndarray of shape (n, d)
    rows : ndarray of shape (n,), int64
        Rows of the source that the embeddings belong to, ascending.
    skipped : tuple of Skipped
    """

    stop: int
    embeddings: Array
    rows: Array
    skipped: tuple[Skipped, ...]


def partial_folder(place: Path) -> Path:
    """Where what is not finished lies; `place` is the finished database's folder."""
    # Readers ignore names with a leading dot.
    return place.with_name(f".{place.name}.partial")


def sweep(place: Path) -> None:
    """Delete the shards that an interruption has left beside the database made of them."""
    if place.exists() and (partial_folder(place) / _DONE).exists():
        discard(place)


def discard(place: Path) -> None:
    """Delete what is unfinished.

    Raises
    ------
    WannError
        If somebody is writing it right now.
    """
    folder = partial_folder(place)
    if folder.is_dir():
        with locked(place):
            shutil.rmtree(folder)


@contextlib.contextmanager
def locked(place: Path) -> Iterator[Path]:
    """The unfinished folder, made if need be, for one writer at a time.

    Raises
    ------
    WannError
        At once, if there is another writer.
    """
    folder = partial_folder(place)
    # Beside the folder, which is deleted while the lock is held: not everywhere can that be done
    # to a file that is open.
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(_lock_file(place), thread_local=False)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise WannError(
            f"{str(place)!r} is being written by another process or job; wait for it to "
            "finish or stop it.",
            "dataset",
        ) from error
    try:
        folder.mkdir(exist_ok=True)
        yield folder
    finally:
        lock.release()


def is_locked(place: Path) -> bool:
    """Whether somebody is writing the database of this place right now."""
    if not _lock_file(place).exists():
        return False
    lock = filelock.FileLock(_lock_file(place), thread_local=False)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return True
    lock.release()
    return False


def _lock_file(place: Path) -> Path:
    return place.with_name(f".{place.name}.lock")


def progress(place: Path) -> dict[str, int]:
    """Rows of each split that an unfinished attempt has done, by the names of its shards."""
    rows: dict[str, int] = {}
    for path in sorted(partial_folder(place).glob("*-*.npz")):
        stop = npz.load(path, ["stop"]).get("stop")
        if stop is None or stop.size != 1 or stop.dtype.kind not in "iu":
            raise WannError(f"{path.name!r} lacks the number of rows that are done.", "dataset")
        rows[path.name.rpartition("-")[0]] = int(stop.item())
    return rows


def begin(folder: Path, plan: Mapping[str, Any]) -> None:
    """Start under a plan, or go on if it is the one that was begun.

    Raises
    ------
    WannError
        If another one was.
    """
    path = folder / _PLAN
    for leftover in folder.glob(".*"):
        leftover.unlink()
    (folder / _DONE).unlink(missing_ok=True)
    if (folder / _FINISHED).exists():
        shutil.rmtree(folder / _FINISHED)
    begun = _read_plan(path)
    # As JSON gives it back: tuples are lists there.
    wanted = json.loads(json.dumps(plan))
    if begun is None:
        text = json.dumps(plan, indent=1).encode()
        write_atomically(path, lambda file: _write_through(text, file))
    elif begun != wanted:
        names = [name for name in {**begun, **wanted} if begun.get(name) != wanted.get(name)]
        if "precision" in names:  # which implies autocast
            names = ["precision", *(n for n in names if n not in ("precision", "autocast"))]
        raise WannError(
            f"an unfinished attempt in {str(folder)!r} was begun with "
            f"{', '.join(_change(name, begun, wanted) for name in names)}; repeat it as it was "
            "begun, or discard it with --no-resume.",
            names[0],
        )


def plan_of(place: Path) -> dict[str, Any] | None:
    """The plan of an unfinished attempt; None where there is none."""
    return _read_plan(partial_folder(place) / _PLAN)


def _read_plan(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise WannError(
            f"the plan {str(path)!r} of an unfinished attempt is damaged; discard the attempt with "
            "--no-resume.",
            "resume",
        ) from error


def _change(name: str, begun: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    if name == "source":
        return "another list of images or labels"
    usual = "float32" if name == "precision" else None  # which plans do not name
    return f"another `{name}` ({begun.get(name, usual)!r}, now {wanted.get(name, usual)!r})"


def _write_through(text: bytes, file: BinaryIO) -> None:
    file.write(text)
    file.flush()
    os.fsync(file.fileno())


def write(folder: Path, split: str, start: int, shard: Shard) -> None:
    """Store what was embedded from row `start` on."""
    skipped = [[s.row, s.file, s.reason] for s in shard.skipped]
    arrays: dict[str, Any] = {
        "stop": np.int64(shard.stop),
        "embeddings": shard.embeddings,
        "rows": shard.rows,
        "skipped": np.frombuffer(json.dumps(skipped).encode(), np.uint8),
    }
    write_atomically(_path(folder, split, start), partial(_save, arrays))


def _save(arrays: dict[str, Any], file: BinaryIO) -> None:
    np.savez(file, allow_pickle=False, **arrays)
    file.flush()
    os.fsync(file.fileno())


def _path(folder: Path, split: str, start: int) -> Path:
    return folder / f"{split}-{start:012}.npz"


def stored(folder: Path, split: str) -> Iterator[Shard]:
    """The shards of a split in order, as far as none is damaged."""
    start = 0
    while (path := _path(folder, split, start)).is_file():
        try:
            shard = _shard(split, npz.load(path, _ARRAYS))
        except (WannError, KeyError, TypeError, ValueError, RecursionError):
            return  # what follows is embedded again, and replaces it
        if shard.stop <= start:
            return
        yield shard
        start = shard.stop


def _shard(split: str, arrays: Mapping[str, Array]) -> Shard:
    """A shard as it was written; any other exception than these means another one.

    Raises
    ------
    KeyError, TypeError, ValueError, RecursionError
        If the arrays are none of a shard.
    """
    embeddings, rows = arrays["embeddings"], arrays["rows"]
    skipped = [Skipped(split, *entry) for entry in json.loads(arrays["skipped"].tobytes())]
    fits = embeddings.ndim == 2 and embeddings.dtype.kind == "f" and rows.dtype.kind == "i"
    named = all(isinstance(s.row, int) and isinstance(s.file, str) for s in skipped)
    if not fits or not named or rows.shape != (len(embeddings),):
        raise ValueError("the arrays of a shard do not fit together")
    return Shard(int(arrays["stop"].item()), embeddings, rows, tuple(skipped))


def forget(folder: Path, split: str) -> None:
    """Delete the shards of a split."""
    for path in folder.glob(f"{split}-*.npz"):
        path.unlink()


def finish(
    folder: Path, place: Path, splits: Mapping[str, ImageSplit], record: Mapping[str, Any]
) -> None:
    """Make the database of the shards, put it in its place and delete them.

    Parameters
    ----------
    folder, place : Path
        The unfinished folder, and the database's.
    splits : mapping of str to ImageSplit
        Those that were embedded, every row of them.
    record : mapping
        The manifest's entries.

    Raises
    ------
    WannError
        If there is something at the place already.
    """
    finished = folder / _FINISHED
    finished.mkdir()
    for name, split in splits.items():
        with (finished / f"{name}.npz").open("wb") as file:
            write_split(file, folder, name, split)
            file.flush()
            os.fsync(file.fileno())
    text = json.dumps(record, indent=1, ensure_ascii=False).encode("utf-8", "surrogateescape")
    with (finished / database.MANIFEST).open("wb") as file:
        _write_through(text, file)
    (folder / _DONE).touch()
    try:
        move(finished, place)
    except OSError as error:
        if not place.exists():
            raise
        raise WannError(f"{str(place)!r} exists; delete it first.", "dataset") from error
    shutil.rmtree(folder)


def write_split(file: BinaryIO, folder: Path, name: str, split: ImageSplit) -> None:
    """One .npz, its embeddings passed on shard by shard."""
    rows: list[Array] = []
    columns, dtype = 0, np.dtype(np.float32)
    for shard in stored(folder, name):
        rows.append(shard.rows)
        if len(shard.rows):
            columns, dtype = shard.embeddings.shape[1], shard.embeddings.dtype
    ids = np.concatenate(rows)
    with zipfile.ZipFile(file, "w") as archive:
        with _member(archive, "embeddings") as member:
            header = {
                "descr": np.lib.format.dtype_to_descr(dtype),
                "fortran_order": False,
                "shape": (len(ids), columns),
            }
            np.lib.format.write_array_header_1_0(member, header)
            for shard in stored(folder, name):
                member.write(np.ascontiguousarray(shard.embeddings).data.cast("B"))
        arrays = {"labels": np.asarray(split.labels)[ids], "ids": ids}
        if split.files is not None:
            arrays["names"] = npz_files.pack_names([split.files[row] for row in ids])
        if split.columns is not None:
            arrays |= row_columns.packed(split.columns.iloc[ids])
        for key, array in arrays.items():
            with _member(archive, key) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _member(archive: zipfile.ZipFile, name: str) -> Any:
    info = zipfile.ZipInfo(f"{name}.npy", _NO_DATE)
    return archive.open(info, "w", force_zip64=True)
