"""Default folders: embedding databases, raw data, caches and reviews."""

import os
from dataclasses import dataclass
from pathlib import Path

DATABASE_ROOT = "assets/database"
DATASET_ROOT = "assets/data"
REVIEW_ROOT = "assets/reviews"


@dataclass(frozen=True)
class Roots:
    """The two folders that data sets are found in.

    Attributes
    ----------
    databases : path
        Embedding databases, `<databases>/<dataset>/<backbone>/train.npz`.
    data : path
        Raw data sets, human labels and images.
    """

    databases: str | Path = DATABASE_ROOT
    data: str | Path = DATASET_ROOT


def cache_folder() -> Path:
    """Folder for files that can be made again: `WANN_CACHE`, else `cache/` of the project."""
    named = os.environ.get("WANN_CACHE")
    return Path(named) if named else Path(__file__).resolve().parents[1] / "cache"


def review_folder() -> Path:
    """Folder of the ledgers: `WANN_REVIEW_ROOT`, else `assets/reviews`."""
    return Path(os.environ.get("WANN_REVIEW_ROOT") or REVIEW_ROOT)
