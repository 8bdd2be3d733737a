"""Images that a source keeps in arrays, as memory maps under cache/images."""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from wann_core import store
from wann_core.datasets.images import ImageSplit
from wann_core.errors import WannError

Array = npt.NDArray[Any]

# A split's name, what writes its images as .npy, and its labels.
Part = tuple[str, Callable[[BinaryIO], object], Array]


def folder() -> Path:
    """Where the memory maps lie."""
    return store.cache_folder() / "images"


def mapped(
    files: Iterable[Path], splits: Iterable[str], read: Callable[[], Iterator[Part]]
) -> dict[str, ImageSplit]:
    """The splits of a source, unpacked by `read()` once for each state of its files.

    Memory stays small whatever the source holds, and the next time needs no library to read it.

    Raises
    ------
    WannError
        If what was read is not 8-bit images and one label each.
    """
    digest = hashlib.sha256()
    files = list(files)
    for path in files:
        stat = path.stat()
        digest.update(f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns} ".encode())
    place = folder() / digest.hexdigest()[:24]
    with store.locked(place.with_suffix(".lock")):
        if not place.is_dir():
            _unpack(place, read)
    found = {}
    for name in splits:
        pixels = np.load(place / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        labels = np.load(place / f"{name}-labels.npy", allow_pickle=False)
        colours = pixels.ndim == 3 or (pixels.ndim == 4 and pixels.shape[3] == 3)
        if pixels.dtype != np.uint8 or not colours or len(pixels) != len(labels):
            shutil.rmtree(place)
            raise WannError(
                f"{files[0]!s} must hold 8-bit grey or colour images and a label for each; split "
                f"{name!r} is {pixels.dtype} {pixels.shape} with {len(labels)} labels.",
                "dataset",
            )
        found[name] = ImageSplit(labels, place, pixels=pixels)
    return found


def _unpack(place: Path, read: Callable[[], Iterator[Part]]) -> None:
    draft = place.with_name(f".{place.name}")
    shutil.rmtree(draft, ignore_errors=True)  # what a killed process may have left
    draft.mkdir(parents=True)
    try:
        for name, write, labels in read():
            with (draft / f"{name}.npy").open("wb") as file:
                write(file)
            np.save(draft / f"{name}-labels.npy", labels.astype(np.int64).ravel())
        draft.replace(place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
