"""Default folders: embedding databases, raw data, caches and reviews.

In a checkout they lie in the project, installed as a package in the user's own folders.
"""

import os
from pathlib import Path
from typing import NamedTuple

_PROJECT = Path(__file__).resolve().parents[1]


def _folder(kind: str, in_checkout: Path) -> Path:
    """A folder of the project in a checkout, else one of the user's, as the platform has it."""
    if (_PROJECT / "app.py").is_file():
        return in_checkout
    import platformdirs

    return Path(getattr(platformdirs, f"user_{kind}_dir")("wann-explorer", appauthor=False))


_ASSETS = _folder("data", Path("assets"))
DATABASE_ROOT = os.environ.get("WANN_DATABASE_ROOT") or str(_ASSETS / "database")
DATASET_ROOT = os.environ.get("WANN_DATASET_ROOT") or str(_ASSETS / "data")
REVIEW_ROOT = str(_ASSETS / "reviews")
LOG_ROOT = str(_ASSETS / "logs")
CHECKPOINT_ROOT = str(_ASSETS / "ckpt")


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


def beside_checkout() -> list[Path]:
    """The folder that a checkout lies in, where people keep data; none where it is installed."""
    return [_PROJECT.parent] if (_PROJECT / "app.py").is_file() else []


def cache_folder() -> Path:
    """Folder for files that can be made again: `WANN_CACHE`, else `cache/` of the project.

    Installed as a package it is the user's cache folder.
    """
    named = os.environ.get("WANN_CACHE")
    return Path(named) if named else _folder("cache", _PROJECT / "cache")


def review_folder() -> Path:
    """Folder of the ledgers: `WANN_REVIEW_ROOT`, else `assets/reviews`."""
    return Path(os.environ.get("WANN_REVIEW_ROOT") or REVIEW_ROOT)
