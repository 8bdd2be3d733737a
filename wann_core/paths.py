"""Default folders: embedding databases, raw data, caches and reviews."""

import os
from pathlib import Path
from typing import NamedTuple

DATABASE_ROOT = "assets/database"
DATASET_ROOT = "assets/data"
REVIEW_ROOT = "assets/reviews"


class Roots(NamedTuple):
    """The two folders that data sets are found in.

    Attributes
    ----------
    databases : Path
        Embedding databases, `<databases>/<dataset>/<backbone>/train.npz`.
    data : Path
        Raw data sets, human labels and images.
    """

    databases: Path
    data: Path

    def replaced(
        self, *, database_root: str | Path | None = None, dataset_root: str | Path | None = None
    ) -> "Roots":
        """Return these roots with the folders that are given in place of their own."""
        return Roots(
            self.databases if database_root is None else Path(database_root),
            self.data if dataset_root is None else Path(dataset_root),
        )


DEFAULT_ROOTS = Roots(Path(DATABASE_ROOT), Path(DATASET_ROOT))


def cache_folder() -> Path:
    """Folder for files that can be made again: `WANN_CACHE`, else `cache/` of the project."""
    named = os.environ.get("WANN_CACHE")
    return Path(named) if named else Path(__file__).resolve().parents[1] / "cache"


def review_folder() -> Path:
    """Folder of the ledgers: `WANN_REVIEW_ROOT`, else `assets/reviews`."""
    return Path(os.environ.get("WANN_REVIEW_ROOT") or REVIEW_ROOT)
