"""Named columns of a user's table as text, whatever they are."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from wann_core.datasets.tables.formats import arrow_files, parquet, text
from wann_core.datasets.tables.reading import format_of, readable
from wann_core.datasets.tables.source import LIMITS, SCALARS, Coded, Column, Limits
from wann_core.errors import WannError


def read_columns(
    path: str | Path, names: Sequence[str], *, limits: Limits = LIMITS
) -> dict[str, list[str]]:
    """Those of the named columns that the file has, as text; '' where a value is missing.

    Parameters
    ----------
    path : path
        A CSV, Parquet, Feather or JSON lines file under any name.
    names : sequence of str
    limits : Limits

    Raises
    ------
    WannError
        If the file is none of them, damaged, or larger than the limits.
    """
    path = Path(path)
    form = format_of(path, limits)
    if form == "npz":
        raise _not_a_table()
    with readable(path, form):
        if form == "csv":
            found = _csv(path, names, limits)
        elif form == "parquet":
            found = _parquet(path, names, limits)
        else:
            table = arrow_files.read(path, form, limits)
            kept = _useful(arrow_files.describe(path, form, limits)[0], names)
            found = {name: table.column(name) for name in kept}
        return {name: _texts(column) for name, column in found.items()}


def column_names(path: Path, *, limits: Limits = LIMITS) -> list[str]:
    """Names of the columns of a file that `read_columns` reads."""
    form = format_of(path, limits)
    if form == "npz":
        raise _not_a_table()
    with readable(path, form):
        if form == "parquet":
            return [column.name for column in parquet.describe(path, limits)[0]]
        if form != "csv":
            return list(arrow_files.read(path, form, limits).column_names)
        return text.look(path, limits)[0].names


def _not_a_table() -> WannError:
    return WannError("the file must be a table of columns, this one is an .npz file.", "path")


def _csv(path: Path, names: Sequence[str], limits: Limits) -> dict[str, pa.ChunkedArray]:
    dialect = text.dialect_of(path, limits)
    kept = [name for name in names if name in dialect.names]
    types = {name: pa.dictionary(pa.int32(), pa.string()) for name in kept}
    parts, rows = [], 0
    for batch in text.batches(path, dialect, types) if kept else ():
        rows += len(batch)
        limits.check(rows=rows)
        parts.append(batch)
    table = pa.Table.from_batches(parts) if parts else None
    return {name: table.column(name) for name in kept} if table is not None else {}


def _parquet(path: Path, names: Sequence[str], limits: Limits) -> dict[str, pa.ChunkedArray]:
    kept = _useful(parquet.describe(path, limits)[0], names)
    with parquet.opened(path, kept) as file:
        table = file.read(columns=kept)
    return {name: table.column(name) for name in kept}


def _useful(columns: Sequence[Column], names: Sequence[str]) -> list[str]:
    useful = {column.name for column in columns if column.kind in SCALARS}
    return [name for name in names if name in useful]


def _texts(column: pa.ChunkedArray) -> list[str]:
    # Numbers and truth values first, as few different texts are many equal objects then.
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string())
    coded = Coded.of_arrow(column)
    values = ["" if value is None else str(value) for value in coded.values]
    values.append("")  # code -1 finds the last
    return [values[code] for code in coded.codes.tolist()]
