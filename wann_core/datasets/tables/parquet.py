"""User's tables as Parquet: the footer is measured first, then only the named columns are read."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from wann_core.datasets.tables import parquet_probe
from wann_core.datasets.tables.source import (
    EXAMPLES,
    Coded,
    Column,
    Contents,
    Limits,
    Tick,
    lists_to_rows,
    narrow,
    shorten,
    to_floats,
)
from wann_core.errors import WannError

# Looked at to tell how long the lists are; the first may be missing.
_FIRST_ROWS = 100
_BATCH_BYTES = 16 << 20
_PROBE_SECONDS = 60


def describe(path: Path, limits: Limits) -> tuple[tuple[Column, ...], int]:
    """The columns of the schema, and the rows that the footer declares."""
    with pq.ParquetFile(path, memory_map=True) as file:
        schema = file.schema_arrow
        limits.check(rows=file.metadata.num_rows, columns=len(schema))
        useful = [field.name for field in schema if _kind(field.type) != "other"]
    if len(set(schema.names)) < len(schema.names):
        raise WannError("a table's columns must have different names.", "path")
    limits.check(bytes=_unpacked_bytes(path, useful))
    with opened(path, useful) as file:
        batch = next(file.iter_batches(_FIRST_ROWS, columns=useful), None)
        rows = file.metadata.num_rows
    classes = _class_labels(schema)
    found = (_column(field, batch) for field in schema)
    return tuple(replace(c, classes=classes.get(c.name, ())) for c in found), rows


def load(
    path: Path,
    embeddings: Sequence[Column],
    others: Sequence[Column],
    limits: Limits,
    tick: Tick,
) -> Contents:
    """Read the named columns, once `describe` has measured the file; a few megabytes at a time."""
    names = [column.name for column in embeddings]
    rest = [column.name for column in others]
    width = sum(column.width for column in embeddings)
    with opened(path, [*names, *rest]) as file:
        rows = file.metadata.num_rows
        dtype = np.dtype(np.float64 if _is_wide(file.schema_arrow, names) else np.float32)
        limits.check(rows=rows, columns=width, bytes=rows * width * dtype.itemsize)
        X = np.empty((rows, width), dtype)
        done = 0
        for batch in file.iter_batches(max(1, _BATCH_BYTES // (8 * width)), columns=names):
            if done + len(batch) > rows:
                raise ValueError("there are more rows than the footer declares")
            part = X[done : done + len(batch)]
            if embeddings[0].kind == "list":
                lists_to_rows(batch.column(names[0]), part, done, names[0])
            else:
                for position, name in enumerate(names):
                    part[:, position] = to_floats(batch.column(name))
            done += len(batch)
            tick(done, rows)
        if done < rows:
            raise ValueError("there are fewer rows than the footer declares")
        # `columns` also selects 'a.b' where 'a' is asked for; so pick by name.
        table = file.read(columns=rest)
        coded = {name: Coded.of_arrow(table.column(name)) for name in rest}
    return Contents(narrow(X), coded)


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


def _is_wide(schema: Any, names: Sequence[str]) -> bool:
    """Whether some of the columns hold numbers that float32 may not hold."""

    def wide(kind: Any) -> bool:
        kind = _storage(kind)
        kind = kind.value_type if types.is_list(kind) or hasattr(kind, "value_type") else kind
        return not (types.is_floating(kind) or types.is_integer(kind)) or kind.bit_width > (
            32 if types.is_floating(kind) else 16
        )

    return any(wide(schema.field(name).type) for name in names)


def opened(path: Path, names: Sequence[str]) -> pq.ParquetFile:
    """The file, its text as dictionaries: a small file may repeat a long text without end."""
    with pq.ParquetFile(path, memory_map=True) as file:
        schema = file.schema_arrow
    text = [field.name for field in schema if field.name in names and _is_string(field.type)]
    return pq.ParquetFile(path, memory_map=True, read_dictionary=text)


def _unpacked_bytes(path: Path, names: Sequence[str]) -> int:
    probe = subprocess.run(
        [sys.executable, "-I", str(Path(parquet_probe.__file__)), str(path.resolve())],
        input=json.dumps(names),
        capture_output=True,
        text=True,
        timeout=_PROBE_SECONDS,
        check=False,
    )
    if probe.returncode:
        raise ValueError("its footer is damaged")
    return int(probe.stdout)


def _is_string(kind: Any) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _is_number(kind: Any) -> bool:
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def _storage(kind: Any) -> Any:
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def _kind(kind: Any) -> str:
    kind = _storage(kind)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return "list" if _is_number(kind.value_type) else "other"
    if types.is_dictionary(kind):
        kind = kind.value_type
        return "text" if _is_string(kind) or types.is_integer(kind) else "other"
    if _is_number(kind):
        return "number"
    if types.is_null(kind):
        return "empty"
    return "text" if _is_string(kind) or types.is_boolean(kind) else "other"


def _column(field: Any, batch: Any) -> Column:
    kind, width = _kind(field.type), 1
    values: list[Any] = []
    if kind != "other" and batch is not None:
        values = batch.column(field.name).to_pylist()
    if kind == "list":
        width = next((len(value) for value in values if value), 0)
    examples = tuple(map(shorten, values[:EXAMPLES]))
    return Column(field.name, str(field.type), kind, examples, width)
