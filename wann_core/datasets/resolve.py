"""From the name of a data set and a backbone to its rows."""

import dataclasses
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from wann_core.datasets import catalog, database, image_sources, missing
from wann_core.datasets.dataset import Dataset
from wann_core.datasets.images import ImageDataset, ImageSplit, labels_digest
from wann_core.datasets.sources import digits, human_labels
from wann_core.errors import WannError
from wann_core.paths import DATABASE_ROOT, DATASET_ROOT, Roots
from wann_core.progress import Progress
from wann_core.storage.memory_cache import SharedCache

BUILT_IN = ("digits", "pixels")

# Path, size and time of change of each file.
Fingerprint = tuple[tuple[str, int, int], ...]


_loaded = SharedCache(max_bytes=1 << 30)


def available(
    database_root: str | Path = DATABASE_ROOT, dataset_root: str | Path = DATASET_ROOT
) -> list[tuple[str, str]]:
    """List the (dataset, backbone) pairs that `load` can open.

    The built-in digits, the databases, and the human labels of those that have some.

    Raises
    ------
    WannError
        If the database folder does not exist.
    """
    found = [pair for pair in database.available(database_root) if pair != BUILT_IN]
    human = [
        (name, backbone)
        for name in human_labels.available(dataset_root)
        for base, backbone in found
        if base == human_labels.base(name)
    ]
    return [BUILT_IN, *sorted({*found, *human})]


def fingerprint(
    dataset: str,
    backbone: str,
    database_root: str | Path = DATABASE_ROOT,
    dataset_root: str | Path = DATASET_ROOT,
) -> Fingerprint:
    """Return paths, sizes and times of a data set's files; empty if built in."""
    if (dataset, backbone) == BUILT_IN:
        return ()
    base = _base(dataset, backbone, database_root) or dataset
    place = database.folder(database_root, base, backbone)
    paths = [*sorted(place.glob("*.npz")), *place.glob(database.MANIFEST)]
    if base != dataset:
        paths.append(human_labels.path(dataset, dataset_root))
    stats = [(path, path.stat()) for path in paths if path.exists()]
    return tuple((str(path.resolve()), stat.st_size, stat.st_mtime_ns) for path, stat in stats)


def load(
    dataset: str,
    backbone: str,
    database_root: str | Path = DATABASE_ROOT,
    dataset_root: str | Path = DATASET_ROOT,
    progress: Progress | None = None,
) -> Dataset:
    """Load a data set under a backbone; cached as long as its files do not change.

    Parameters
    ----------
    dataset, backbone : str
        'digits' under 'pixels', an embedding database, or the human labels of one, as in
        'cifar10-n/worse_label'.
    database_root, dataset_root : path
        Where embedding databases, and raw data and human labels, lie.
    progress : callable, optional
        `progress(done, total, text)`, called while another thread reads the same; may raise to stop
        the wait.

    Raises
    ------
    WannError
        If it does not exist or its files are unusable.
    """
    roots = Roots(Path(database_root), Path(dataset_root))
    return load_with_fingerprint(dataset, backbone, roots, progress)[0]


def load_with_fingerprint(
    dataset: str, backbone: str, roots: Roots, progress: Progress | None = None
) -> tuple[Dataset, Fingerprint]:
    """`load` and `fingerprint` in one look at the files."""
    if dataset == BUILT_IN[0] and backbone != BUILT_IN[1]:
        place = database.folder(roots.databases, dataset, backbone)
        if not place.is_dir():
            raise WannError(
                f"the built-in data set 'digits' has backbone 'pixels' only (--backbone pixels), "
                f"got {backbone!r}.",
                "backbone",
            )
    files = fingerprint(dataset, backbone, *roots)
    key = (dataset, backbone, str(roots.data), files)

    def read() -> tuple[Dataset, int]:
        data = digits.load() if (dataset, backbone) == BUILT_IN else _read(dataset, backbone, roots)
        return data, data.nbytes

    return _loaded.get(key, read, progress), files


def _base(dataset: str, backbone: str, database_root: str | Path) -> str:
    """The data set whose embeddings get human labels; '' where the asked one has its own."""
    own = database.folder(database_root, dataset, backbone)
    return "" if (own / "train.npz").is_file() else human_labels.base(dataset)


def _read(dataset: str, backbone: str, roots: Roots) -> Dataset:
    base = _base(dataset, backbone, roots.databases)
    place = database.folder(roots.databases, base or dataset, backbone)
    if not (place / "train.npz").is_file():
        raise missing.refusal(dataset, backbone, roots)
    data = database.load(roots.databases, base or dataset, backbone)
    made = database.manifest(place)
    images = made.get("images")
    origin = images if isinstance(images, dict) else None
    # Without a manifest, a database may be a known data set, if its name and its classes are.
    entry = None if made else catalog.ENTRIES.get(data.name)
    if entry is not None and not _may_be(entry, data):
        entry = None
    if entry is not None:
        data = dataclasses.replace(data, class_names=entry.class_names)
    if origin is not None or entry is not None:
        find = partial(_find_images, data, origin, roots.data)
        data = dataclasses.replace(data, open_images=find)
    data = dataclasses.replace(data, benchmark=_is_benchmark(data, made))
    return human_labels.relabel(data, dataset, roots.data) if base else data


def _may_be(entry: catalog.Entry, data: Dataset) -> bool:
    """Whether a database has the classes of a known data set, and no more rows than it."""
    same = data.n_classes == len(entry.class_names)
    return same and all(
        name in entry.rows and len(split) <= entry.rows[name] for name, split in data.splits.items()
    )


def _is_benchmark(data: Dataset, made: Mapping[str, Any]) -> bool:
    """Whether a database holds a known data set under the labels that its authors verified.

    One with a manifest must come from that data set's own files, and not from a review of it.
    """
    entry = catalog.ENTRIES.get(data.name)
    if entry is None or entry.noisy or not _may_be(entry, data):
        return False
    images = made.get("images")
    own = isinstance(images, dict) and images.get("source") == entry.source
    return not made or (own and "review" not in made)


def _find_images(
    data: Dataset, origin: Mapping[str, Any] | None, dataset_root: str | Path
) -> ImageDataset | None:
    """The images of a database's rows: from the manifest's path, or by the catalog's name."""
    if origin and origin.get("source") in image_sources.FILES:
        recorded = str(origin.get("root", ""))
        root = Path(recorded)
        if not recorded or not root.is_dir():
            raise WannError(f"the folder of the images, {recorded!r}, does not exist.")
        splits = {
            name: ImageSplit(split.y, root, files=split.names)
            for name, split in data.splits.items()
            if split.names is not None
        }
        return ImageDataset(data.name, splits, data.class_names, origin)
    # A database of corrected labels names the source, and a digest of the labels there.
    named = (origin or {}).get("dataset")
    digests = (origin or {}).get("labels")
    known = named if isinstance(named, str) else data.name
    images = image_sources.find(known, origin, dataset_root)
    if images is None:
        return None
    for part, split in data.splits.items():
        source = images.splits.get(part)
        same = source is not None and int(split.ids.max()) < len(source)
        if source is not None and same:
            if isinstance(digests, dict):
                same = labels_digest(source.labels) == digests.get(part)
            else:
                same = np.array_equal(source.labels[split.ids], split.y)
        if not same:
            raise WannError(
                f"the images of {data.name!r} do not belong to this database: the labels of split "
                f"{part!r} differ."
            )
    return images
