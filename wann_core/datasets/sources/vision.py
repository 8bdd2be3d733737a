"""MNIST, Fashion-MNIST, CIFAR-10 and CIFAR-100, as torchvision lays them out and reads them."""

import pickle
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from wann_core.datasets import catalog
from wann_core.datasets.images import ImageDataset
from wann_core.datasets.sources import arrays
from wann_core.errors import WannError
from wann_core.progress import Progress
from wann_core.storage.download import download
from wann_core.torch_compat import prepare_torchvision

_CLASSES = {
    "mnist": "MNIST",
    "fashion-mnist": "FashionMNIST",
    "cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
}
_IDX = tuple(
    f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
)
_FILES = {
    "mnist": ("MNIST/raw", _IDX),
    "fashion-mnist": ("FashionMNIST/raw", _IDX),
    "cifar10": (
        "cifar-10-batches-py",
        (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta"),
    ),
    "cifar100": ("cifar-100-python", ("train", "test", "meta")),
}


def files(name: str, root: Path) -> list[Path]:
    """Those of the data set's files that lie below torchvision's root."""
    place, names = _FILES[name]
    return [path for file in names if (path := root / place / file).is_file()]


def present(name: str, root: Path) -> bool:
    """Whether all of the data set's files lie below torchvision's root."""
    return len(files(name, root)) == len(_FILES[name][1])


def open_images(
    name: str, root: Path, *, fetch: bool, progress: Progress | None = None
) -> ImageDataset:
    """A data set below torchvision's root, fetched first where it is not there and `fetch` is set.

    Raises
    ------
    WannError
        If it is not there and cannot be fetched, or its files are damaged.
    """
    entry = catalog.lookup(name)
    # Some of the files alone: a download or its unpacking was stopped.
    if not present(name, root):
        if not fetch:
            raise WannError(f"{entry.title} is not in {str(root)!r}.", "dataset")
        _fetch(name, root, progress)
    read = partial(_read, name, root)
    splits = arrays.mapped(files(name, root), ("train", "test"), len(entry.class_names), read)
    origin = {"source": "torchvision", "root": str(root.resolve())}
    return ImageDataset(name, splits, entry.class_names, origin)


# What torchvision raises for files that are missing, damaged or of something else.
_UNREADABLE = (
    RuntimeError,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    AssertionError,
    pickle.UnpicklingError,
)


def _loader(name: str) -> Any:
    # Imported here: torch takes seconds, and an unpacked data set needs none of it.
    prepare_torchvision()
    from torchvision import datasets

    return getattr(datasets, _CLASSES[name])


def _read(name: str, root: Path) -> Iterator[arrays.Part]:
    loader = _loader(name)
    for split in ("train", "test"):
        try:
            data = loader(root, train=split == "train", download=False)
        except _UNREADABLE as error:
            raise WannError(
                f"{catalog.lookup(name).title} in {str(root)!r} is incomplete or damaged "
                f"({error}); remove its folder to have it downloaded again.",
                "dataset",
            ) from error
        pixels, labels = np.asarray(data.data), np.asarray(data.targets)
        yield split, partial(np.save, arr=pixels), labels


def _fetch(name: str, root: Path, progress: Progress | None) -> None:
    """Download with progress, then let torchvision unpack what it finds."""
    loader = _loader(name)
    from torchvision.datasets.utils import extract_archive

    home = catalog.lookup(name).home
    if name in ("mnist", "fashion-mnist"):
        raw = root / loader.__name__ / "raw"
        wanted = [
            ([f"{mirror}{file}" for mirror in loader.mirrors], raw / file, md5)
            for file, md5 in loader.resources
        ]
    else:
        wanted = [([loader.url], root / loader.filename, loader.tgz_md5)]
    for urls, path, md5 in wanted:
        way = f"get it from {home} and put it at {str(path)!r}."
        _first_of(urls, path, md5, way, progress)
        extract_archive(str(path), str(path.parent))


def _first_of(urls: list[str], path: Path, md5: str, way: str, progress: Progress | None) -> None:
    for url in urls[:-1]:
        try:
            return download(url, path, md5=md5, way=way, progress=progress)
        except WannError:
            continue  # the next mirror; the last one's failure is reported
    download(urls[-1], path, md5=md5, way=way, progress=progress)
