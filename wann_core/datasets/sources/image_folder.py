"""A user's images: class folders, with or without a split, or a table of file names and labels."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from wann_core.datasets import row_columns
from wann_core.datasets.class_names import look_alike
from wann_core.datasets.dataset import SPLITS
from wann_core.datasets.images import UNLABELED, ImageDataset, ImageSplit
from wann_core.datasets.sources import image_tables
from wann_core.datasets.sources.image_rows import FOLDERS, Image
from wann_core.errors import WannError, check_choice, check_number
from wann_core.text import shown
from wann_core.typing import Array

SUFFIXES = frozenset(".jpg .jpeg .jfif .png .bmp .gif .tif .tiff .webp .ppm .pgm .pbm".split())
# Folders in folders.
MOST_FOLDERS = 64
_LISTED = 5
SPLIT_RULES = ("stratified", "none")


def open_images(
    root: Path, name: str, *, split: str = "stratified", test_share: float = 0.2, seed: int = 0
) -> ImageDataset:
    """The images below a folder.

    Understood are `<split>/<class>/…`, `<class>/…`, and a metadata.csv or metadata.jsonl (in
    `root` or in the folder of a split) with `file_name`, a label column and, if need be, `split`;
    and files of FiftyOne (labels.json, samples.json, labels.csv) or COCO with one class an image.
    `remarks` names what is left out.
    Classes are sorted by name. Images in a folder `unlabelled`, or with an empty label in the
    table, are kept without a label. Files are in the order of their paths.

    Parameters
    ----------
    root : Path
    name : str
        What the data set is called.
    split : {'stratified', 'none'}
        Where the images come without a split: a stratified one, or none at all.
    test_share : float
        Share of the test rows in a stratified split, in (0, 1).
    seed : int
        Of the stratified split.

    Raises
    ------
    WannError
        If there are no labeled training images, or a table cannot be understood.
    """
    check_choice("split", split, SPLIT_RULES)
    check_number("test_share", test_share, 0, 1)
    if not root.is_dir():
        if root.is_file():
            raise WannError(
                f"{str(root)!r} is a file, where a folder is needed. A table of labels lies in the "
                "folder of its images as metadata.csv, with columns file_name and label.",
                "dataset",
            )
        raise WannError(f"the folder {str(root)!r} does not exist.", "dataset")
    walk = _Walk(root)
    found, remarks = image_tables.read(root, walk.images)
    if not found:
        found = list(_from_folders(walk.images))
        remarks = walk.left_out(found)
    labels = sorted({image.label for image in found if image.label}, key=_natural)
    if not labels:
        raise WannError(
            f"{str(root)!r} holds no labeled images: one subfolder per class is needed, below "
            "train and test if there is a split, or a metadata.csv with file_name and label.",
            "dataset",
        )
    ids = {label: i for i, label in enumerate(labels)}
    files: dict[str, list[str]] = {part: [] for part in SPLITS}
    classes: dict[str, list[int]] = {part: [] for part in files}
    more: dict[str, list[Mapping[str, Any]]] = {part: [] for part in files}
    for image in found:
        part = (image.split or "train") if image.label else "unlabelled"
        files[part].append(image.file)
        classes[part].append(ids.get(image.label, UNLABELED))
        more[part].append(image.more)
    if not any(image.split for image in found if image.label) and split == "stratified":
        train, test = _stratified(np.array(classes["train"]), test_share, seed)
        for part, rows in (("test", test), ("train", train)):
            files[part], classes[part], more[part] = (
                [files["train"][i] for i in rows],
                [classes["train"][i] for i in rows],
                [more["train"][i] for i in rows],
            )
    if not files["train"]:
        raise WannError(f"{str(root)!r} holds no labeled training images.", "dataset")
    columns, said = _columns({part: more[part] for part in files if files[part]})
    remarks = (*remarks, *said)
    splits = {
        part: ImageSplit(
            np.array(classes[part], np.int64), root, files=files[part], columns=columns.get(part)
        )
        for part in files
        if files[part]
    }
    origin = {"source": "imagefolder", "root": str(root.resolve())}
    # Names of folders may be no text; what shows and stores class names needs some.
    names = tuple(shown(label) for label in labels)
    return ImageDataset(name, splits, names, origin, (*remarks, *look_alike(labels)))


def _columns(
    more: Mapping[str, Sequence[Mapping[str, Any]]],
) -> tuple[dict[str, pd.DataFrame], tuple[str, ...]]:
    """The further columns of each split, and what is to be said of them."""
    rows = [row for part in more.values() for row in part]
    names = list(dict.fromkeys(name for row in rows for name in row if name is not None))

    def content(name: str) -> tuple[Array, Sequence[Any]]:
        values = [row.get(name) for row in rows]
        plain = [v if isinstance(v, str | int | float | None) else json.dumps(v) for v in values]
        codes, distinct = pd.factorize(np.array(plain, object))
        return codes.astype(np.int64), list(distinct)

    frame, remarks = row_columns.framed(names, content, len(rows))
    if frame is None:
        return {}, remarks
    start, parts = 0, {}
    for part, mine in more.items():
        parts[part] = frame.iloc[start : start + len(mine)].reset_index(drop=True)
        start += len(mine)
    return parts, remarks


def list_images(root: Path) -> list[str]:
    """Paths of all images below a folder, relative to it, in order; hidden ones left out.

    Raises
    ------
    WannError
        If the folder does not exist or holds none.
    """
    if not root.is_dir():
        raise WannError(f"the folder {str(root)!r} does not exist.", "images")
    files = _Walk(root).images
    if not files:
        raise WannError(f"{str(root)!r} holds no images ({' '.join(sorted(SUFFIXES))}).", "images")
    return files


class _Walk:
    """All files below a folder; links are followed, unless they lead back to a folder above.

    Attributes
    ----------
    images, others, folders : list of str
        Paths of images, of other files, and of folders, relative to the root and in order; hidden
        ones left out.
    """

    def __init__(self, root: Path) -> None:
        self.images: list[str] = []
        self.others: list[str] = []
        self.folders: list[str] = []
        self._look(root, "", frozenset())
        for found in (self.images, self.others, self.folders):
            found.sort()

    def _look(self, folder: Path, prefix: str, above: frozenset[Path]) -> None:
        real = folder.resolve()
        if real in above:
            return
        if len(above) > MOST_FOLDERS:
            raise WannError(
                f"{prefix[:60]!r}… is more than {MOST_FOLDERS} folders deep.", "dataset"
            )
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if _is_folder(entry):
                    self.folders.append(prefix + entry.name)
                    self._look(Path(entry), f"{prefix}{entry.name}/", above | {real})
                elif Path(entry.name).suffix.lower() in SUFFIXES:
                    self.images.append(prefix + entry.name)
                else:
                    self.others.append(prefix + entry.name)

    def left_out(self, found: Sequence[Image]) -> tuple[str, ...]:
        """Sentences on what lies in class folders and is none of the images found."""
        remarks = []
        kinds = Counter(Path(file).suffix.lower() or "no suffix" for file in self.others)
        if kinds:
            listed = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common(_LISTED))
            remarks.append(
                f"files that are not an image of a kind read here, left out: {listed} "
                f"(first {self.others[0]!r})"
            )
        lost = sorted(set(self.images) - {image.file for image in found})
        if lost:
            remarks.append(
                f"images outside the folders of classes, left out: {len(lost):,} "
                f"(first {lost[0]!r})"
            )
        empty = [f for f in self.folders if not any(i.startswith(f + "/") for i in self.images)]
        # Of a folder and those in it, the uppermost.
        empty = [f for f in empty if f.rpartition("/")[0] not in empty]
        if empty:
            more = f" and {len(empty) - _LISTED:,} more" if len(empty) > _LISTED else ""
            names = ", ".join(map(repr, empty[:_LISTED]))
            remarks.append(f"folders without an image, left out: {names}{more}")
        return tuple(remarks)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links that lead to each other
        return False


def _from_folders(files: Sequence[str]) -> Iterator[Image]:
    # A folder 'train' of images, not of classes, is a class itself.
    by_split = any(
        FOLDERS.get(f.split("/")[0].lower()) == "train" for f in files if f.count("/") > 1
    )
    for file in files:
        top, *inner = file.split("/")
        part = FOLDERS.get(top.lower(), "") if by_split or top.lower() in _UNLABELED else ""
        if part == "unlabelled":
            yield Image(file, "", "")
        elif by_split and part and len(inner) > 1:
            yield Image(file, part, inner[0])
        elif not by_split and inner:
            yield Image(file, "", top)


_UNLABELED = frozenset(name for name, part in FOLDERS.items() if part == "unlabelled")


def _stratified(labels: Array, test_share: float, seed: int) -> tuple[Array, Array]:
    """Rows for training and test; a class with one image keeps it for training."""
    counts = np.bincount(labels)
    splittable = np.flatnonzero(counts[labels] > 1)
    classes = int((counts > 1).sum())
    size = max(classes, round(test_share * len(splittable)))
    if not classes or len(splittable) - size < classes:
        raise WannError(
            f"{len(labels)} images of {len(np.unique(labels))} classes are too few for a "
            f"stratified split with a test share of {test_share:g}; take no split.",
            "split",
        )
    rest, test = train_test_split(
        splittable, test_size=size, stratify=labels[splittable], random_state=seed
    )
    alone = np.flatnonzero(counts[labels] == 1)
    return np.sort(np.concatenate([rest, alone])), np.sort(test)


def _natural(label: str) -> tuple[int, Sequence[Any]]:
    """Whole numbers by value and first, all else by text."""
    return (0, [int(label), label]) if re.fullmatch("[0-9]{1,18}", label) else (1, [label])
