"""Tables of a user's images: Hugging Face's metadata.csv and .jsonl, FiftyOne's labels.json."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from wann_core.datasets.tables.source import shorten
from wann_core.datasets.tables.values import class_of, several_a_row
from wann_core.errors import WannError

FOLDERS = {
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
_SEPARATORS = ",;\t|"
_LABEL_COLUMNS = ("label", "labels", "class", "category", "target")
_TABLE_BYTES = 1 << 28
_FIFTYONE = "labels.json"
_LISTED = 20
_MOST_JSON, _HEAD_BYTES = 20, 1 << 20


@dataclass(frozen=True)
class Image:
    """One image as its folder or table describes it; `split` and `label` may be empty."""

    file: str
    split: str
    label: str


def read(root: Path, files: Sequence[str]) -> tuple[list[Image], tuple[str, ...]]:
    """The images that tables in a folder name, in the order of their paths; empty without tables.

    Parameters
    ----------
    root : Path
    files : sequence of str
        All images in the folder.

    Returns
    -------
    images : list of Image
    remarks : tuple of str
        What was left out, or understood in one of several ways, as sentences.

    Raises
    ------
    WannError
        If a table cannot be understood, or is that of another program's data set.
    """
    images, remarks = list(_of_metadata(root)), tuple[str, ...]()
    if not images and (root / _FIFTYONE).is_file():
        images, remarks = _of_fiftyone(root, files)
    if not images:
        _refuse_others(root)
        return [], ()
    images, unsure = _as_classes(images)
    others = set(files) - {image.file for image in images}
    if others:
        text = f"images that no table names, left out: {len(others):,} (first {min(others)!r})"
        remarks = (*remarks, text)
    return sorted(images, key=lambda image: image.file), (*remarks, *unsure)


def _as_classes(images: Sequence[Image]) -> tuple[list[Image], tuple[str, ...]]:
    """Labels as names of classes, by the rule of every table."""
    names, remarks = class_of(image.label for image in images if image.label)
    found = [replace(i, label=names[i.label] or "") if i.label else i for i in images]
    return found, (*remarks, *several_a_row(sorted({i.label for i in found if i.label})))


def _of_metadata(root: Path) -> Iterator[Image]:
    """Images of every metadata file."""
    places = {"": root}
    for path in sorted(root.iterdir()):
        if path.is_dir() and path.name.lower() in FOLDERS:
            places[path.name] = path
    seen: set[str] = set()
    for prefix, place in places.items():
        for table in _TABLES:
            if (place / table).is_file():
                yield from _images(place / table, prefix, seen)
                break


def _of_fiftyone(root: Path, files: Sequence[str]) -> tuple[list[Image], tuple[str, ...]]:
    """Images of a FiftyOneImageClassificationDataset: labels.json beside a folder data."""
    table = root / _FIFTYONE
    content = _json(table)
    labels = content.get("labels") if isinstance(content, dict) else None
    if not isinstance(labels, dict) or "classes" not in content:
        _refuse_json(table, content)
        return [], ()
    classes, images, known = content["classes"], [], dict[str, str]()
    for file in files:
        if file.startswith("data/"):
            inner = file.removeprefix("data/")
            stem = str(PurePosixPath(inner).with_suffix(""))
            if stem in labels and stem in known:
                twice = f"{table!s}: {stem!r} means both {known[stem]!r} and {file!r}."
                raise WannError(twice, "dataset")
            known[stem] = file
            value = labels.get(stem, labels.get(inner))
            images.append(Image(file, "", _class_of_index(table, value, classes)))
    named = {i.removeprefix("data/") for i in known.values()}
    gone = [key for key in labels if key not in known and key not in named]
    remarks = [f"read by FiftyOne's {_FIFTYONE}"]
    if gone:
        remarks.append(f"labels of images that are not there: {len(gone):,} (first {gone[0]!r})")
    return images, tuple(remarks)


def _class_of_index(table: Path, value: Any, classes: Any) -> str:
    if isinstance(classes, list) and isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value < len(classes):
            raise WannError(
                f"{table!s}: class {value} is not one of its {len(classes)} classes.", "dataset"
            )
        return str(classes[value])
    return _label(str(table), "labels", value)


def _refuse_others(root: Path) -> None:
    """Refuse by name what another program would read, and class folders would misread."""
    names = {path.name for path in root.iterdir()}
    if {"metadata.json", "samples.json"} <= names:
        raise _other(root, "a FiftyOneDataset")
    if "labels.csv" in names and "data" in names:
        raise _other(root, "a FiftyOne CSVDataset")
    for name in sorted(names):
        if name.endswith((".yaml", ".yml")) and {"images", "labels"} & names:
            raise _other(root, "a data set of YOLO (boxes)")
    if "obj.names" in names or ("classes.txt" in names and "labels" in names):
        raise _other(root, "a data set of YOLO (boxes)")
    if {"Annotations", "JPEGImages"} <= names:
        raise _other(root, "a data set of Pascal VOC (boxes)")
    for folder in (root, root / "annotations"):
        for path in sorted(folder.glob("*.json"))[:_MOST_JSON]:
            with path.open("rb") as file:
                head = file.read(_HEAD_BYTES)
            # COCO files may be large; their names of parts stand in the beginning or nowhere.
            if b'"images"' in head and (b'"annotations"' in head or b'"file_name"' in head):
                raise _other(root, "a data set of COCO (boxes)")


def _refuse_json(table: Path, content: Any) -> None:
    if isinstance(content, dict) and {"images", "annotations"} <= content.keys():
        raise _other(table.parent, "a data set of COCO (boxes)")


def _other(root: Path, what: str) -> WannError:
    return WannError(
        f"{str(root)!r} is {what}, which is not read here: one subfolder per class is needed, or a "
        "metadata.csv with file_name and label (FiftyOne exports ImageClassificationDirectoryTree "
        "and FiftyOneImageClassificationDataset).",
        "dataset",
    )


def _images(table: Path, prefix: str, seen: set[str]) -> Iterator[Image]:
    columns, rows = _rows(table)
    label = next((name for name in _LABEL_COLUMNS if name in columns), None)
    if "file_name" not in columns or label is None:
        raise WannError(
            f"{table!s} needs a column file_name and one of {', '.join(_LABEL_COLUMNS)}; "
            f"it has {', '.join(map(shorten, columns[:_LISTED])) or 'none'}.",
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
        part = FOLDERS.get((prefix or asked or _top(file)).lower(), "")
        if asked and not part:
            raise WannError(
                f"{table!s}, row {i + 1}: `split` must be train, val or test, got {asked[:50]!r}.",
                "dataset",
            )
        text = _label(f"{table!s}, row {i + 1}", label, row.get(label))
        yield Image(file, "", "") if part == "unlabelled" else Image(file, part, text)


def _label(where: str, column: str, value: Any) -> str:
    """A value as the text of a label; '' where it means none."""
    if isinstance(value, list | dict):
        raise WannError(f"{where}: `{column}` must be one label, got {str(value)[:50]}.", "dataset")
    text = "" if value is None else str(value).strip()
    return "" if text.casefold() == "nan" else text


def _rows(table: Path) -> tuple[list[str], list[dict[str, Any]]]:
    """Names of the columns, and the rows, of a metadata file."""
    text = _text(table)
    try:
        if table.suffix == ".csv":
            return _csv_rows(table, text)
        rows = list(_json_rows(text))
        return list(dict.fromkeys(name for row in rows for name in row)), rows
    except (csv.Error, ValueError, RecursionError) as error:
        if isinstance(error, WannError):
            raise
        raise WannError(f"{table!s} cannot be read: {error}.", "dataset") from error


def _text(table: Path) -> str:
    try:
        if table.stat().st_size > _TABLE_BYTES:
            raise WannError(f"{table!s} is larger than {_TABLE_BYTES >> 20} MiB.", "dataset")
        return table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise WannError(
            f"{table!s} cannot be read: {error} (it must be UTF-8).", "dataset"
        ) from error


def _json(table: Path) -> Any:
    try:
        return json.loads(_text(table))
    except (ValueError, RecursionError) as error:
        if isinstance(error, WannError):
            raise
        raise WannError(f"{table!s} cannot be read: {error}.", "dataset") from error


def _csv_rows(table: Path, text: str) -> tuple[list[str], list[dict[str, Any]]]:
    """Rows of as many fields as there are columns."""
    separator = max(_SEPARATORS, key=text.partition("\n")[0].count)
    # Line breaks inside quotes are the reader's business.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    columns = next(reader, [])
    if len(set(columns)) < len(columns):
        raise WannError(f"{table!s} has two columns of the same name.", "dataset")
    rows = []
    for fields in reader:
        if fields and len(fields) != len(columns):
            raise WannError(
                f"{table!s}, line {reader.line_num}: {len(fields)} fields, where the header names "
                f"{len(columns)} columns.",
                "dataset",
            )
        if fields:
            rows.append(dict(zip(columns, fields, strict=True)))
    return columns, rows


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
    return top if "/" in file and top.lower() in FOLDERS else ""
