"""The catalogue of data sets, and one loader a source."""

from pathlib import Path

from wann_core.datasets import database, digits
from wann_core.datasets.dataset import Dataset
from wann_core.errors import WannError
from wann_core.store import SharedCache

BUILT_IN = ("digits", "pixels")
DATABASE_ROOT = "assets/database"

__all__ = ["BUILT_IN", "DATABASE_ROOT", "Dataset", "available", "fingerprint", "load"]

_loaded = SharedCache(max_bytes=1 << 30)


def available(database_root: str | Path = DATABASE_ROOT) -> list[tuple[str, str]]:
    """(dataset, backbone) pairs that `load` can serve: the built-in digits and the databases.

    Raises
    ------
    WannError
        If the database folder does not exist.
    """
    return [BUILT_IN, *(pair for pair in database.available(database_root) if pair != BUILT_IN)]


def fingerprint(
    dataset: str, backbone: str, database_root: str | Path
) -> tuple[tuple[str, int, int], ...]:
    """What changes when a data set's files do: their paths, sizes and times; empty if built in."""
    if (dataset, backbone) == BUILT_IN:
        return ()
    place = database.folder(database_root, dataset, backbone)
    stats = [(path, path.stat()) for path in sorted(place.glob("*.npz"))]
    return tuple((str(path.resolve()), stat.st_size, stat.st_mtime_ns) for path, stat in stats)


def load(dataset: str, backbone: str, database_root: str | Path = DATABASE_ROOT) -> Dataset:
    """The data set under a backbone; the same object as long as its files do not change.

    Raises
    ------
    WannError
        If it does not exist or its files are unusable.
    """
    if dataset == BUILT_IN[0] and backbone != BUILT_IN[1]:
        place = database.folder(database_root, dataset, backbone)
        if not place.is_dir():
            raise WannError(
                f"the built-in data set 'digits' has backbone 'pixels', got {backbone!r}.",
                "backbone",
            )
    key = (dataset, backbone, fingerprint(dataset, backbone, database_root))

    def read() -> tuple[Dataset, int]:
        if (dataset, backbone) == BUILT_IN:
            data = digits.load()
        else:
            data = database.load(database_root, dataset, backbone)
        return data, data.nbytes

    return _loaded.get(key, read)
