"""Images that a source keeps in arrays, as memory maps under cache/images."""

import contextlib
import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from wann_core.datasets.images import ImageSplit
from wann_core.errors import WannError
from wann_core.paths import cache_folder
from wann_core.storage.files import locked, move, remove_abandoned
from wann_core.typing import Array

# A split's name, what writes its images as .npy, and its labels.
Part = tuple[str, Callable[[BinaryIO], object], Array]

# What numpy raises for .npy files that are gone, cut short or of something else.
_DAMAGED = (FileNotFoundError, ValueError, EOFError)


def folder() -> Path:
    """Where the memory maps lie."""
    return cache_folder() / "images"


def mapped(
    files: Iterable[Path],
    splits: Iterable[str],
    n_classes: int,
    read: Callable[[], Iterator[Part]],
) -> dict[str, ImageSplit]:
    """The splits of a source, unpacked by `read()` once for each state of its files.

    Memory stays small whatever the source holds, and the next time needs no library to read it.
    What is damaged in the cache is unpacked again.

    Raises
    ------
    WannError
        If what was read is not 8-bit images and one class id each, or cannot be unpacked.
    """
    digest = hashlib.sha256()
    files = list(files)
    for path in files:
        stat = path.stat()
        digest.update(f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns} ".encode())
    place = folder() / digest.hexdigest()[:24]
    try:
        with locked(place.with_suffix(".lock")):
            if place.is_dir():
                with contextlib.suppress(*_DAMAGED):
                    return _opened(place, splits, n_classes)
                shutil.rmtree(place)
            _unpack(place, read)
            try:
                return _opened(place, splits, n_classes)
            except _DAMAGED as error:
                shutil.rmtree(place)
                raise WannError(f"{files[0]!s} cannot be used: {error}.", "dataset") from error
    except OSError as error:
        raise WannError(
            f"{files[0]!s} cannot be unpacked into {str(folder())!r}: {error}.", "dataset"
        ) from error


def _opened(place: Path, splits: Iterable[str], n_classes: int) -> dict[str, ImageSplit]:
    found = {}
    for name in splits:
        pixels = np.load(place / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        labels = np.load(place / f"{name}-labels.npy", allow_pickle=False)
        colors = pixels.ndim == 3 or (pixels.ndim == 4 and pixels.shape[3] == 3)
        if pixels.dtype != np.uint8 or not colors or labels.shape != pixels.shape[:1]:
            raise ValueError(
                "it must hold 8-bit gray or color images and a label for each; split "
                f"{name!r} is {pixels.dtype} {pixels.shape} with {len(labels)} labels"
            )
        if labels.dtype.kind not in "iu" or not np.isin(labels, range(n_classes)).all():
            raise ValueError(f"the labels of split {name!r} must be class ids below {n_classes}")
        found[name] = ImageSplit(labels.astype(np.int64), place, pixels=pixels)
    return found


def _unpack(place: Path, read: Callable[[], Iterator[Part]]) -> None:
    remove_abandoned(place.parent, ".*")
    draft = place.with_name(f".{place.name}")
    shutil.rmtree(draft, ignore_errors=True)  # what a killed process may have left
    draft.mkdir(parents=True)
    try:
        for name, write, labels in read():
            with (draft / f"{name}.npy").open("wb") as file:
                write(file)
            np.save(draft / f"{name}-labels.npy", labels.ravel())
        move(draft, place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
