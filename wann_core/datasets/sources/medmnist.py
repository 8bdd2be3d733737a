"""MedMNIST's flat data sets with one label an image, at 28, 64, 128 or 224 pixels."""

import contextlib
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from wann_core.datasets import catalog
from wann_core.datasets.dataset import LABELED
from wann_core.datasets.images import ImageDataset
from wann_core.datasets.sources import arrays
from wann_core.errors import WannError, check_installed
from wann_core.progress import Progress
from wann_core.storage.download import download
from wann_core.torch_compat import prepare_torchvision

# What zipfile and numpy raise for damaged, encrypted or strangely packed files.
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    ValueError,
    KeyError,
    EOFError,
    RuntimeError,
    MemoryError,
)


def flag_and_size(name: str) -> tuple[str, int]:
    """'dermamnist_64' as ('dermamnist', 64); without a size 224, as in the published scripts."""
    flag, _, size = name.partition("_")
    return flag, int(size or 224)


def file(name: str, root: Path) -> Path:
    """The data set's .npz, named as medmnist names it."""
    flag, size = flag_and_size(name)
    return root / (f"{flag}.npz" if size == 28 else f"{flag}_{size}.npz")


def open_images(
    name: str, root: Path, *, fetch: bool, progress: Progress | None = None
) -> ImageDataset:
    """A data set whose file lies in `root`, fetched first where it is not there and `fetch` is set.

    Raises
    ------
    WannError
        If it is not there and cannot be fetched, or its file is damaged.
    """
    path = file(name, root)
    if not path.is_file():
        if not fetch:
            raise WannError(f"{path!s} does not exist.", "dataset")
        _fetch(name, path, progress)
    names = catalog.lookup(name).class_names
    splits = arrays.mapped([path], LABELED, len(names), partial(_read, path))
    origin = {"source": "medmnist", "root": str(root.resolve())}
    return ImageDataset(name, splits, names, origin)


def _read(path: Path) -> Iterator[arrays.Part]:
    with _reading(path), zipfile.ZipFile(path) as archive:
        for split in LABELED:
            with archive.open(f"{split}_labels.npy") as member:
                labels = np.lib.format.read_array(member, allow_pickle=False)
            yield split, partial(_copy, path, archive, f"{split}_images.npy"), labels


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        if isinstance(error, WannError):
            raise
        raise WannError(
            f"{path!s} is not a file of MedMNIST ({error}); remove it to have it downloaded again.",
            "dataset",
        ) from error


def _copy(path: Path, archive: zipfile.ZipFile, member: str, target: BinaryIO) -> None:
    """The images can be larger than memory: their .npy is copied as it is."""
    with _reading(path), archive.open(member) as source:
        shutil.copyfileobj(source, target, 1 << 22)


def _fetch(name: str, path: Path, progress: Progress | None) -> None:
    # Imported here: it takes torch and seconds, and is only asked for addresses.
    check_installed("what fetches MedMNIST", "medmnist")
    prepare_torchvision()
    from medmnist import INFO

    flag, size = flag_and_size(name)
    suffix = "" if size == 28 else f"_{size}"
    info = INFO[flag]
    present = [str(s) for s in catalog.MEDMNIST_SIZES if file(f"{flag}_{s}", path.parent).is_file()]
    smaller = f", or choose --size {' or '.join(present)}, which is there" if present else ""
    download(
        info[f"url{suffix}"],
        path,
        md5=info[f"MD5{suffix}"],
        way=f"get it from {catalog.lookup(name).home} and put it at {str(path)!r}{smaller}.",
        progress=progress,
    )
