"""A user's images: class folders, with or without a split, or a table of file names and labels."""

import csv
import io
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from wann_core.datasets.images import UNLABELED, ImageDataset, ImageSplit
from wann_core.errors import WannError, check_choice, check_number
from wann_core.typing import Array

SUFFIXES = frozenset(".jpg .jpeg .jfif .png .bmp .gif .tif .tiff .webp .ppm .pgm .pbm".split())
SPLIT_RULES = ("stratified", "none")
_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "unlabelled": "unlabelled",
    "unlabeled": "unlabelled",
}
_TABLES = ("metadata.csv", "metadata.jsonl")
_LABEL_COLUMNS = ("label", "labels", "class", "category", "target")
_TABLE_BYTES = 1 << 28


@dataclass(frozen=True)
class _Image:
    """One image as its folder or table describes it; `split` and `label` may be empty."""

    file: str
    split: str
    label: str


def open_images(
    root: Path, name: str, *, split: str = "stratified", test_share: float = 0.2, seed: int = 0
) -> ImageDataset:
    """The images below a folder.

    Understood are `<split>/<class>/…`, `<class>/…`, and a metadata.csv or metadata.jsonl (in
    `root` or in the folder of a split) with `file_name`, a label column and, if need be, `split`.
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
            raise WannError(f"{str(root)!r} is a file, where a folder is needed.", "dataset")
        raise WannError(f"the folder {str(root)!r} does not exist.", "dataset")
    found = list(_from_table(root)) or list(_from_folders(root))
    labels = sorted({image.label for image in found if image.label}, key=_natural)
    if not labels:
        raise WannError(
            f"{str(root)!r} holds no labeled images: one subfolder per class is needed, below "
            "train and test if there is a split, or a metadata.csv with file_name and label.",
            "dataset",
        )
    ids = {label: i for i, label in enumerate(labels)}
    files: dict[str, list[str]] = {part: [] for part in ("train", "val", "test", "unlabelled")}
    classes: dict[str, list[int]] = {part: [] for part in files}
    for image in found:
        part = (image.split or "train") if image.label else "unlabelled"
        files[part].append(image.file)
        classes[part].append(ids.get(image.label, UNLABELED))
    if not any(image.split for image in found if image.label) and split == "stratified":
        train, test = _stratified(np.array(classes["train"]), test_share, seed)
        for part, rows in (("test", test), ("train", train)):
            files[part], classes[part] = (
                [files["train"][i] for i in rows],
                [classes["train"][i] for i in rows],
            )
    if not files["train"]:
        raise WannError(f"{str(root)!r} holds no labeled training images.", "dataset")
    splits = {
        part: ImageSplit(np.array(classes[part], np.int64), root, files=files[part])
        for part in files
        if files[part]
    }
    origin = {"source": "imagefolder", "root": str(root.resolve())}
    # Names of folders may be no text; what shows and stores class names needs some.
    names = tuple(label.encode("utf-8", "backslashreplace").decode() for label in labels)
    return ImageDataset(name, splits, names, origin)


def list_images(root: Path) -> list[str]:
    """Paths of all images below a folder, relative to it, in order; hidden ones left out.

    Raises
    ------
    WannError
        If the folder does not exist or holds none.
    """
    if not root.is_dir():
        raise WannError(f"the folder {str(root)!r} does not exist.", "images")
    files = sorted(_walk(root))
    if not files:
        raise WannError(f"{str(root)!r} holds no images ({' '.join(sorted(SUFFIXES))}).", "images")
    return files


def _walk(folder: Path, prefix: str = "", above: frozenset[Path] = frozenset()) -> Iterator[str]:
    """Paths of images; links are followed, unless they lead back to a folder above."""
    real = folder.resolve()
    if real in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                yield from _walk(Path(entry), f"{prefix}{entry.name}/", above | {real})
            elif Path(entry.name).suffix.lower() in SUFFIXES:
                yield prefix + entry.name


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links that lead to each other
        return False


def _from_folders(root: Path) -> Iterator[_Image]:
    files = sorted(_walk(root))
    # A folder 'train' of images, not of classes, is a class itself.
    by_split = any(
        _FOLDERS.get(f.split("/")[0].lower()) == "train" for f in files if f.count("/") > 1
    )
    for file in files:
        top, *inner = file.split("/")
        part = _FOLDERS.get(top.lower(), "") if by_split or top.lower() in _UNLABELED else ""
        if part == "unlabelled":
            yield _Image(file, "", "")
        elif by_split and part and len(inner) > 1:
            yield _Image(file, part, inner[0])
        elif not by_split and inner:
            yield _Image(file, "", top)


_UNLABELED = frozenset(name for name, part in _FOLDERS.items() if part == "unlabelled")


def _from_table(root: Path) -> Iterator[_Image]:
    """Images of every metadata file, in the order of their paths."""
    places = {"": root}
    for path in sorted(root.iterdir()):
        if path.is_dir() and path.name.lower() in _FOLDERS:
            places[path.name] = path
    images: list[_Image] = []
    seen: set[str] = set()
    for prefix, place in places.items():
        for table in _TABLES:
            if (place / table).is_file():
                images += _images(place / table, prefix, seen)
                break
    yield from sorted(images, key=lambda image: image.file)


def _images(table: Path, prefix: str, seen: set[str]) -> Iterator[_Image]:
    columns, rows = _rows(table)
    label = next((name for name in _LABEL_COLUMNS if name in columns), None)
    if "file_name" not in columns or label is None:
        raise WannError(
            f"{table!s} needs a column file_name and one of {', '.join(_LABEL_COLUMNS)}; "
            f"it has {', '.join(map(str, columns)) or 'none'}.",
            "dataset",
        )
    for i, row in enumerate(rows):
        named = str(row.get("file_name") or "").strip()
        file = (PurePosixPath(prefix) / named).as_posix()
        if not _inside(named) or file in seen:
            what = "is there twice" if file in seen else "is not a path inside its folder"
            raise WannError(f"{table!s}, row {i + 1}: {named[:200]!r} {what}.", "dataset")
        seen.add(file)
        asked = str(row.get("split") or "").strip()
        part = _FOLDERS.get((prefix or asked or _top(file)).lower(), "")
        if asked and not part:
            raise WannError(
                f"{table!s}, row {i + 1}: `split` must be train, val or test, got {asked[:50]!r}.",
                "dataset",
            )
        value = row.get(label)
        if isinstance(value, list | dict):
            raise WannError(
                f"{table!s}, row {i + 1}: `{label}` must be one label, got {str(value)[:50]}.",
                "dataset",
            )
        text = "" if value is None else str(value).strip()
        yield _Image(file, "", "") if part == "unlabelled" else _Image(file, part, text)


def _rows(table: Path) -> tuple[list[str], list[dict[str, Any]]]:
    """Names of the columns, and the rows, of a metadata file."""
    try:
        if table.stat().st_size > _TABLE_BYTES:
            raise WannError(f"{table!s} is larger than {_TABLE_BYTES >> 20} MiB.", "dataset")
        text = table.read_text(encoding="utf-8-sig")
        if table.suffix == ".csv":
            # Line breaks inside quotes are the reader's business.
            reader = csv.DictReader(io.StringIO(text, newline=""))
            rows = list(reader)
            return list(reader.fieldnames or ()), rows
        rows = list(_json_rows(text))
        return list(dict.fromkeys(name for row in rows for name in row)), rows
    except (OSError, UnicodeDecodeError, csv.Error, ValueError, RecursionError) as error:
        if isinstance(error, WannError):
            raise
        raise WannError(f"{table!s} cannot be read: {error}.", "dataset") from error


def _json_rows(text: str) -> Iterator[dict[str, Any]]:
    # Not `splitlines`: strings may hold what it takes for the end of a line.
    for i, line in enumerate(text.split("\n")):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ValueError(f"line {i + 1}: {error}") from error
            if not isinstance(row, dict):
                raise ValueError(f"line {i + 1} is not an object")
            yield row


def _inside(file: str) -> bool:
    path = Path(file)
    return (
        path.name != "" and not path.is_absolute() and ".." not in path.parts and "\0" not in file
    )


def _top(file: str) -> str:
    """The first folder of a path, if it names a split."""
    top = file.split("/")[0]
    return top if "/" in file and top.lower() in _FOLDERS else ""


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
