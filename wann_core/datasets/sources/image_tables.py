"""Tables of a user's images: Hugging Face's metadata.csv and .jsonl, and other programs' own."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from wann_core.datasets.sources import peer_tables
from wann_core.datasets.sources.image_rows import FOLDERS, Image, csv_rows, label_of, text_of
from wann_core.datasets.tables.source import shorten
from wann_core.datasets.tables.values import class_of, several_a_row
from wann_core.errors import WannError
from wann_core.storage.tables import unescape_formula

_TABLES = ("metadata.csv", "metadata.jsonl")
_KNOWN = ("file_name", "split")
_LABEL_COLUMNS = ("label", "labels", "class", "category", "target")
_LISTED = 20


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
    if not images:
        images, remarks = peer_tables.read(root, files)
    if not images:
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
        text = label_of(f"{table!s}, row {i + 1}", label, row.get(label))
        if table.suffix == ".csv":
            text = unescape_formula(text)[-1]
        more = {name: value for name, value in row.items() if name not in (*_KNOWN, label)}
        unlabeled = part == "unlabelled"
        yield Image(file, "" if unlabeled else part, "" if unlabeled else text, more)


def _rows(table: Path) -> tuple[list[str], list[dict[str, Any]]]:
    """Names of the columns, and the rows, of a metadata file."""
    text = text_of(table)
    try:
        if table.suffix == ".csv":
            return csv_rows(table, text)
        rows = list(_json_rows(text))
        return list(dict.fromkeys(name for row in rows for name in row)), rows
    except (csv.Error, ValueError, RecursionError) as error:
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
    return top if "/" in file and top.lower() in FOLDERS else ""
