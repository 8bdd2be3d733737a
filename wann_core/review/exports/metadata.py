"""`metadata.csv` of an image folder, as Hugging Face's datasets and our own loader read it."""

from collections import defaultdict
from typing import Any

import pandas as pd

from wann_core.datasets.tables.columns import SPLIT_WORDS
from wann_core.errors import WannError
from wann_core.review.exports.content import (
    Bundle,
    ImageRow,
    Review,
    kept_images,
    missing_files,
    safe_path,
)
from wann_core.storage.tables import to_plain_csv

NAME = "metadata.csv"
_COLUMNS = ["file_name", "label", "split", "original_label", "action"]


def metadata_files(review: Review) -> Bundle:
    """A metadata.csv for each split folder, or one for the whole where there are none.

    They go into the folder of the images. Columns are file_name (relative to the file's own
    folder), label, split, original_label and action; removed rows and rows without a label are not
    in it. Hugging Face reads a metadata.csv of a folder with split folders only inside each of
    them.

    Raises
    ------
    WannError
        If the images are not files.
    """
    rows, left_out = _safe_rows(review)
    top = split_folders(rows)
    tables: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        folder, _, inner = row.file.partition("/") if top else ("", "", row.file)
        tables[f"{folder}/{NAME}" if folder else NAME].append(_line(review, row, inner))
    files = {name: _csv(lines) for name, lines in sorted(tables.items())} or {NAME: _csv([])}
    return Bundle(files, len(rows), left_out)


def whole_metadata(review: Review) -> Bundle:
    """One metadata.csv for the folder above all splits, which our own loader reads."""
    rows, left_out = _safe_rows(review)
    return Bundle({NAME: _csv([_line(review, row, row.file) for row in rows])}, len(rows), left_out)


def split_folders(rows: list[ImageRow]) -> bool:
    """Whether every file lies in a folder that is named by its split."""
    tops = ((row.file.partition("/"), row.split) for row in rows)
    return bool(rows) and all(
        inner and SPLIT_WORDS.get(top.lower()) == split for (top, _, inner), split in tops
    )


def _safe_rows(review: Review) -> tuple[list[ImageRow], int]:
    reason = missing_files(review.data)
    if reason:
        raise WannError(reason, "format")
    found = [row for row in kept_images(review) if row.file]
    safe = [row for row in found if safe_path(row.file)]
    return safe, len(found) - len(safe)


def _line(review: Review, row: ImageRow, file: str) -> dict[str, Any]:
    names = review.data.class_names
    return {
        # A spreadsheet would run a name like '=x.png'; the path stays the same.
        "file_name": file if file[0] not in "=+-@" else f"./{file}",
        "label": names[row.label],
        "split": row.split,
        "original_label": names[row.given],
        "action": row.action,
    }


def _csv(lines: list[dict[str, Any]]) -> bytes:
    return to_plain_csv(pd.DataFrame(lines, columns=_COLUMNS)).encode()
