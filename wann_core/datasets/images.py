"""Images of a data set as its source stores them: files in folders, or rows of an array."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from wann_core.datasets.class_names import look_alike, merged
from wann_core.errors import WannError
from wann_core.typing import Array

UNLABELED = -1
# No other format is tried: one of Pillow's readers starts a program of its own.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM")


@dataclass(frozen=True, eq=False)
class ImageSplit:
    """The images of one split, in the source's own order.

    Attributes
    ----------
    labels : ndarray of shape (n,), int64
        Class ids; -1 where there is no label.
    root : Path
        Folder of the files.
    files : sequence of str, or None
        Path of each image relative to `root`, with '/' between folders.
    pixels : ndarray of shape (n, height, width) or (n, height, width, 3), uint8, or None
        The images themselves where the source is an array; usually a memory map.
    columns : DataFrame of n rows, or None
        Further columns of a table of the images, see `row_columns`.
    """

    labels: Array
    root: Path
    files: Sequence[str] | None = None
    pixels: Array | None = None
    columns: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        rows = self.files if self.files is not None else self.pixels
        if rows is None or len(rows) != len(self.labels):
            raise WannError("a split needs one file, or one array row, for each label.")

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, row: int) -> str:
        """How a message names an image: its file, or its row in the source's array."""
        return f"row {row}" if self.files is None else self.files[row]

    def open(self, row: int) -> Image.Image:
        """The image as stored: any mode and size, not turned upright, not decoded yet.

        Pages and models take `wann_core.datasets.decoding.decode` instead.

        Raises
        ------
        OSError, ValueError, SyntaxError, Image.DecompressionBombError
            And others, out of Pillow's readers; decoding may raise them later.
        """
        if self.pixels is not None:
            return Image.fromarray(np.ascontiguousarray(self.pixels[row]))
        assert self.files is not None
        path = Path(self.files[row])
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{str(path)!r} does not lie in the folder of the images")
        return Image.open(self.root / path, formats=FORMATS)


def labels_digest(labels: Array) -> str:
    """Digest that identifies a source's labels."""
    return hashlib.blake2b(labels.astype("<i8").tobytes(), digest_size=16).hexdigest()


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """All splits of a source of images.

    Attributes
    ----------
    name : str
        Of the data set, as in 'mnist' or the name that a user chose.
    splits : mapping of str to ImageSplit
        Some of 'train', 'val', 'test' and 'unlabelled', in this order; 'train' is always there.
    class_names : tuple of str, length C
    origin : mapping
        JSON values from which the source can be opened again, as in
        ``{"source": "imagefolder", "root": "/data/birds"}``.
    remarks : tuple of str
        What was left out, or understood in one of several ways: sentences without a full stop.
    """

    name: str
    splits: Mapping[str, ImageSplit]
    class_names: tuple[str, ...]
    origin: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Images of all splits."""
        return sum(map(len, self.splits.values()))

    def merge_look_alikes(self) -> "ImageDataset":
        """The same images, classes that differ in their spelling only as one."""
        labels = np.concatenate([split.labels for split in self.splits.values()])
        counts = np.bincount(labels[labels >= 0], minlength=len(self.class_names))
        names, ids = merged(self.class_names, counts)
        if len(names) == len(self.class_names):
            return self
        return replace(
            self,
            splits={
                s: replace(split, labels=ids[split.labels]) for s, split in self.splits.items()
            },
            class_names=names,
            remarks=tuple(r for r in self.remarks if r not in look_alike(self.class_names)),
        )
