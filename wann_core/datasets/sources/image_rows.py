"""Rows of tables about images: what all readers of them share."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
_SEPARATORS = ",;\t|"
_TABLE_BYTES = 1 << 28


@dataclass(frozen=True)
class Image:
    """One image as its folder or table describes it; `split` and `label` may be empty.

    `more` holds the values of further columns of the table by their names.
    """

    file: str
    split: str
    label: str
    more: Mapping[str, Any] = field(default_factory=dict)


def label_of(where: str, column: str, value: Any) -> str:
    """A value as the text of a label; '' where it means none."""
    if isinstance(value, list | dict):
        raise WannError(f"{where}: `{column}` must be one label, got {str(value)[:50]}.", "dataset")
    text = "" if value is None else str(value).strip()
    return "" if text.casefold() == "nan" else text


def text_of(table: Path) -> str:
    """The text of a file of bounded size."""
    try:
        if table.stat().st_size > _TABLE_BYTES:
            raise WannError(f"{table!s} is larger than {_TABLE_BYTES >> 20} MiB.", "dataset")
        return table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise WannError(
            f"{table!s} cannot be read: {error} (it must be UTF-8).", "dataset"
        ) from error


def json_of(table: Path) -> Any:
    """The content of a JSON file of bounded size."""
    try:
        return json.loads(text_of(table))
    except (ValueError, RecursionError) as error:
        if isinstance(error, WannError):
            raise
        raise WannError(f"{table!s} cannot be read: {error}.", "dataset") from error


def csv_rows(table: Path, text: str) -> tuple[list[str], list[dict[str, Any]]]:
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
