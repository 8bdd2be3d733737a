"""Columns of Arrow data as columns of a table: shared by Parquet, Feather and JSON lines."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import types

from wann_core.datasets.tables.source import (
    EXAMPLES,
    IMAGE,
    Column,
    Limits,
    Tick,
    lists_to_rows,
    shorten,
    to_floats,
)
from wann_core.typing import Array

# Read to find how long the lists are; the first may be missing.
FIRST_ROWS = 100
_BATCH_BYTES = 16 << 20


def columns_of(schema: Any, first: Any) -> tuple[Column, ...]:
    """The columns of a schema, with examples from the first rows where there are any."""
    classes = _class_labels(schema)
    found = (_column(field, first) for field in schema)
    return tuple(replace(c, classes=classes.get(c.name, ())) for c in found)


def batch_rows(width: int) -> int:
    """Rows read at a time, by the numbers in each."""
    return max(1, _BATCH_BYTES // (8 * width))


def filled(
    batches: Iterable[Any],
    rows: int,
    embeddings: Sequence[Column],
    wide: bool,
    limits: Limits,
    tick: Tick,
) -> Array:
    """The embeddings of all batches as one array.

    Raises
    ------
    ValueError
        If there are more or fewer rows than declared.
    WannError
        If lists differ in length, or the array is too large.
    """
    names = [column.name for column in embeddings]
    width = sum(column.width for column in embeddings)
    dtype = np.dtype(np.float64 if wide else np.float32)
    limits.check(rows=rows, columns=width, bytes=rows * width * dtype.itemsize)
    X = np.empty((rows, width), dtype)
    done = 0
    for batch in batches:
        if done + len(batch) > rows:
            raise ValueError("there are more rows than the file declares")
        part = X[done : done + len(batch)]
        if embeddings[0].kind == "list":
            lists_to_rows(batch.column(names[0]), part, done, names[0])
        else:
            for position, name in enumerate(names):
                part[:, position] = to_floats(batch.column(name))
        done += len(batch)
        tick(done, rows)
    if done < rows:
        raise ValueError("there are fewer rows than the file declares")
    return X


def _class_labels(schema: Any) -> dict[str, tuple[str, ...]]:
    """Names of the classes of columns, as Hugging Face's library writes them into a schema."""
    try:
        about = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = about.get("info", {}).get("features", {})
        named = {
            name: feature["names"]
            for name, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
        return {
            name: tuple(names)
            for name, names in named.items()
            if isinstance(names, list) and all(isinstance(n, str) and n.strip() for n in names)
        }
    except (ValueError, AttributeError, KeyError, RecursionError):
        return {}  # somebody else's note, without which the table is whole


def is_wide(schema: Any, names: Sequence[str]) -> bool:
    """Whether some of the columns hold numbers that float32 may not hold."""

    def wide(kind: Any) -> bool:
        kind = _storage(kind)
        kind = kind.value_type if types.is_list(kind) or hasattr(kind, "value_type") else kind
        return not (types.is_floating(kind) or types.is_integer(kind)) or kind.bit_width > (
            32 if types.is_floating(kind) else 16
        )

    return any(wide(schema.field(name).type) for name in names)


def is_string(kind: Any) -> bool:
    """Whether values are text, not as a dictionary."""
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _is_number(kind: Any) -> bool:
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def _storage(kind: Any) -> Any:
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def kind_of(kind: Any) -> str:
    """What a column of a type is of use for, see `Column`."""
    kind = _storage(kind)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return "list" if _is_number(kind.value_type) else "other"
    if types.is_dictionary(kind):
        kind = kind.value_type
        return "text" if is_string(kind) or types.is_integer(kind) else "other"
    if _is_number(kind):
        return "number"
    if types.is_null(kind):
        return "empty"
    if holds_images(kind):
        return IMAGE
    if types.is_timestamp(kind) or types.is_date(kind):
        return "date"
    return "text" if is_string(kind) or types.is_boolean(kind) else "other"


def holds_images(kind: Any) -> bool:
    """Whether values are the bytes of image files: alone, or beside a path as {bytes, path}."""
    if types.is_struct(kind):
        return any(field.name == "bytes" and _is_binary(field.type) for field in kind)
    return _is_binary(kind)


def _is_binary(kind: Any) -> bool:
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _column(field: Any, batch: Any) -> Column:
    kind, width = kind_of(field.type), 1
    values: list[Any] = []
    if kind not in ("other", IMAGE) and batch is not None:
        values = batch.column(field.name).to_pylist()
    if kind == "list":
        width = next((len(value) for value in values if value), 0)
    examples = tuple(map(shorten, values[:EXAMPLES]))
    dtype = "images" if kind == IMAGE else str(field.type)
    return Column(field.name, dtype, kind, examples, width)
