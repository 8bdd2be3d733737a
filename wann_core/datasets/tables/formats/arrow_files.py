"""User's tables as Feather (Arrow IPC) files or JSON lines: small files that unpack to a table."""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from wann_core.datasets.tables.formats.arrow import (
    FIRST_ROWS,
    batch_rows,
    columns_of,
    filled,
    is_wide,
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

# A row must fit into a block.
_BLOCK = 8 << 20
_FILE_HEAD = 8
_PREFIX = struct.Struct("<q")


def describe(path: Path, form: str, limits: Limits) -> tuple[tuple[Column, ...], int]:
    """The columns and the rows of a file of form 'feather' or 'jsonl'."""
    table = read(path, form, limits)
    limits.check(rows=len(table), columns=len(table.schema))
    first = next(iter(table.slice(0, FIRST_ROWS).combine_chunks().to_batches()), None)
    return columns_of(table.schema, first), len(table)


def load(
    path: Path,
    form: str,
    embeddings: Sequence[Column],
    others: Sequence[Column],
    limits: Limits,
    tick: Tick,
) -> Contents:
    """Read the named columns."""
    table = read(path, form, limits)
    names = [column.name for column in embeddings]
    rows = batch_rows(sum(column.width for column in embeddings))
    batches = table.select(names).to_batches(max_chunksize=rows)
    X = filled(batches, len(table), embeddings, is_wide(table.schema, names), limits, tick)
    return Contents(narrow(X), {c.name: _coded(table.column(c.name), c) for c in others})


def _coded(values: Any, column: Column) -> Coded:
    if column.kind != IMAGE:
        return Coded.of_arrow(values)
    if not pa.types.is_struct(values.type) or values.type.get_field_index("path") < 0:
        return Coded(np.full(len(values), -1), ())
    return Coded.of_arrow(pc.struct_field(values, "path"))


def read(path: Path, form: str, limits: Limits) -> pa.Table:
    """The whole table, once it is known what it unpacks to.

    Raises
    ------
    WannError
        If it is too large.
    ValueError, OSError, ArrowException
        If it is damaged.
    """
    if form == "jsonl":
        options = pa.json.ReadOptions(block_size=_BLOCK)
        with path.open("rb") as file:
            table = pa.json.read_json(file, options)
    else:
        with pa.memory_map(str(path)) as source:
            limits.check(bytes=sum(_unpacked(source)))
            table = pa.ipc.open_file(source).read_all()
        table.validate(full=True)
    if len(set(table.column_names)) < len(table.column_names):
        raise ValueError("its columns must have different names")
    return table


def _unpacked(source: Any) -> Iterator[int]:
    """Bytes of each buffer of a file once it is unpacked, none of which is unpacked for it."""
    source.seek(_FILE_HEAD)
    for message in pa.ipc.MessageReader.open_stream(source):
        body = message.body
        if body is None:
            continue
        for start, size, packed in _buffers(memoryview(message.metadata)):
            if not 0 <= start <= start + size <= body.size:
                raise ValueError("a buffer lies outside the file")
            whole = size
            if packed and size >= _PREFIX.size:
                # The length comes first; -1 marks a buffer that did not get smaller.
                (stated,) = _PREFIX.unpack_from(memoryview(body), start)
                whole = max(size, stated)
            yield whole


def _buffers(metadata: memoryview) -> Iterator[tuple[int, int, bool]]:
    """Start, size and whether it is packed, of each buffer that a message's metadata names.

    The metadata are a flatbuffer, of which only this much is read:
    Message(1: type of header, 2: header) → [DictionaryBatch(1: data) →] RecordBatch(2: buffers,
    3: compression).
    """
    message = _Table.root(metadata)
    kind = message.byte(1)
    if kind not in (2, 3):  # a schema
        return
    batch = message.table(2)
    if kind == 2 and batch is not None:
        batch = batch.table(1)
    if batch is None:
        raise ValueError("a message without its header")
    packed = batch.table(3) is not None
    for position in batch.structs(2, 16):
        start, size = struct.unpack_from("<qq", metadata, position)
        yield start, size, packed


class _Table:
    """A table of a flatbuffer: its fields by number; struct.error where it is damaged."""

    def __init__(self, data: memoryview, position: int) -> None:
        self.data, self.position = data, position
        self.fields = position - struct.unpack_from("<i", data, position)[0]
        self.size = struct.unpack_from("<H", data, self.fields)[0]

    @classmethod
    def root(cls, data: memoryview) -> "_Table":
        return cls(data, struct.unpack_from("<I", data, 0)[0])

    def _at(self, field: int) -> int | None:
        entry = 4 + 2 * field
        if entry + 2 > self.size:
            return None
        offset = struct.unpack_from("<H", self.data, self.fields + entry)[0]
        return self.position + offset if offset else None

    def byte(self, field: int) -> int:
        at = self._at(field)
        return 0 if at is None else self.data[at]

    def _target(self, field: int) -> int | None:
        at = self._at(field)
        return None if at is None else at + struct.unpack_from("<I", self.data, at)[0]

    def table(self, field: int) -> "_Table | None":
        at = self._target(field)
        return None if at is None else _Table(self.data, at)

    def structs(self, field: int, size: int) -> Iterator[int]:
        at = self._target(field)
        if at is not None:
            (count,) = struct.unpack_from("<I", self.data, at)
            yield from range(at + 4, at + 4 + count * size, size)
