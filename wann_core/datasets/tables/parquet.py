"""User's tables as Parquet: the footer is measured first, then only the named columns are read."""

import json
import subprocess
import sys
from collections.abc import Sequence
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
    shorten,
    to_float32,
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
    with _open(path, useful) as file:
        batch = next(file.iter_batches(_FIRST_ROWS, columns=useful), None)
        rows = file.metadata.num_rows
    return tuple(_column(field, batch) for field in schema), rows


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
    with _open(path, [*names, *rest]) as file:
        rows = file.metadata.num_rows
        limits.check(rows=rows, columns=width, bytes=rows * width * 4)
        X = np.empty((rows, width), dtype=np.float32)
        done = 0
        for batch in file.iter_batches(max(1, _BATCH_BYTES // (8 * width)), columns=names):
            if done + len(batch) > rows:
                raise ValueError("there are more rows than the footer declares")
            part = X[done : done + len(batch)]
            if embeddings[0].kind == "list":
                part[:] = lists_to_rows(batch.column(names[0]), width, done, names[0])
            else:
                for position, name in enumerate(names):
                    part[:, position] = to_float32(batch.column(name))
            done += len(batch)
            tick(done, rows)
        if done < rows:
            raise ValueError("there are fewer rows than the footer declares")
        # `columns` also selects 'a.b' where 'a' is asked for; so pick by name.
        table = file.read(columns=rest)
        coded = {name: Coded.of_arrow(table.column(name)) for name in rest}
    return Contents(X, coded)


def _open(path: Path, names: Sequence[str]) -> pq.ParquetFile:
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
