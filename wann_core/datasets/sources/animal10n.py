"""ANIMAL-10N: `{training,testing}/<label>_<id>.jpg`.

References
----------
Song et al., SELFIE: Refurbishing Unclean Samples for Robust Deep Learning, ICML 2019.
"""

import re
from pathlib import Path

import numpy as np

from wann_core.datasets import catalog
from wann_core.datasets.images import ImageDataset, ImageSplit
from wann_core.errors import WannError

_FOLDERS = {"train": "training", "test": "testing"}


def open_images(root: Path) -> ImageDataset:
    """The two splits, files in the order of their names as in the published scripts.

    Raises
    ------
    WannError
        If a folder is missing or empty, or a file's name does not begin with a class id.
    """
    names = catalog.lookup("animal-10n").class_names
    splits = {}
    for split, folder in _FOLDERS.items():
        place = root / folder
        if not place.is_dir():
            way = catalog.lookup("animal-10n").way
            raise WannError(f"{str(place)!r} does not exist. {way}", "dataset")
        files = sorted(
            path.name
            for path in place.iterdir()
            if not path.name.startswith(".") and path.is_file()
        )
        found = [re.match(r"(\d{1,9})_", file) for file in files]
        labels = np.array([int(m[1]) if m else -1 for m in found], np.int64)
        wrong = np.flatnonzero((labels < 0) | (labels >= len(names)))
        if len(wrong):
            raise WannError(
                f"files of ANIMAL-10N are named <label from 0 to {len(names) - 1}>_<id>.jpg; "
                f"{folder}/{files[wrong[0]]} is not ({len(wrong)} such files).",
                "dataset",
            )
        if not files:
            raise WannError(f"{str(place)!r} holds no images.", "dataset")
        splits[split] = ImageSplit(labels, root, files=[f"{folder}/{file}" for file in files])
    return ImageDataset(
        "animal-10n", splits, names, {"source": "animal-10n", "root": str(root.resolve())}
    )
