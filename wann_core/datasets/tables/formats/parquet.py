"""User's tables as Parquet: the footer is measured first, then only the named columns are read."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wann_core.datasets.tables.formats import parquet_probe
from wann_core.datasets.tables.formats.arrow import (
    FIRST_ROWS,
    batch_rows,
    columns_of,
    filled,
    is_string,
    is_wide,
    kind_of,
)
from wann_core.datasets.tables.source import (
    IMAGE,
    Coded,
    Column,
    Contents,
    Limits,
    Tick,
    narrow,
)
from wann_core.errors import WannError

_PROBE_SECONDS = 60


def describe(path: Path, limits: Limits) -> tuple[tuple[Column, ...], int]:
    """The columns of the schema, and the rows that the footer declares."""
    with pq.ParquetFile(path, memory_map=True) as file:
        schema = file.schema_arrow
        limits.check(rows=file.metadata.num_rows, columns=len(schema))
        useful = [field.name for field in schema if kind_of(field.type) not in ("other", IMAGE)]
    if len(set(schema.names)) < len(schema.names):
        raise WannError("a table's columns must have different names.", "path")
    limits.check(bytes=unpacked_bytes(path, useful))
    with opened(path, useful) as file:
        batch = next(file.iter_batches(FIRST_ROWS, columns=useful), None)
        rows = file.metadata.num_rows
    return columns_of(schema, batch), rows


def load(
    path: Path,
    embeddings: Sequence[Column],
    others: Sequence[Column],
    limits: Limits,
    tick: Tick,
) -> Contents:
    """Read the named columns, once `describe` has measured the file; a few megabytes at a time."""
    names = [column.name for column in embeddings]
    with opened(path, [*names, *(column.name for column in others)]) as file:
        width = sum(column.width for column in embeddings)
        batches = file.iter_batches(batch_rows(width), columns=names)
        wide = is_wide(file.schema_arrow, names)
        X = filled(batches, file.metadata.num_rows, embeddings, wide, limits, tick)
        # `columns` also selects 'a.b' where 'a' is asked for; so pick by name.
        table = file.read(columns=[c.name for c in others if c.kind != IMAGE])
        coded = {
            c.name: _paths(file, c.name)
            if c.kind == IMAGE
            else Coded.of_arrow(table.column(c.name))
            for c in others
        }
    return Contents(narrow(X), coded)


def _paths(file: pq.ParquetFile, name: str) -> Coded:
    """The paths beside the images of a column, where it has some; the images are not unpacked."""
    kind = file.schema_arrow.field(name).type
    if not pa.types.is_struct(kind) or kind.get_field_index("path") < 0:
        return Coded(np.full(file.metadata.num_rows, -1), ())
    column = file.read(columns=[f"{name}.path"]).column(name)
    return Coded.of_arrow(pc.struct_field(column, "path"))


def opened(path: Path, names: Sequence[str]) -> pq.ParquetFile:
    """The file, its text as dictionaries: a small file may repeat a long text without end."""
    with pq.ParquetFile(path, memory_map=True) as file:
        schema = file.schema_arrow
    text = [field.name for field in schema if field.name in names and is_string(field.type)]
    return pq.ParquetFile(path, memory_map=True, read_dictionary=text)


def unpacked_bytes(path: Path, names: Sequence[str]) -> int:
    """What columns unpack to, measured in a process that a damaged footer may end."""
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
