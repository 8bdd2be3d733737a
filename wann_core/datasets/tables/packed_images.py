"""Images that lie in a table itself, as Hugging Face's {bytes, path}: unpacked to files."""

import io
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image, UnidentifiedImageError

from wann_core.datasets.images import FORMATS
from wann_core.datasets.tables.formats import arrow_files, parquet
from wann_core.datasets.tables.source import LIMITS, Limits
from wann_core.progress import Progress

_BATCH_ROWS = 64
_SUFFIXES = {"JPEG": ".jpg", "TIFF": ".tif"}


def unpack(
    path: Path,
    form: str,
    column: str,
    rows: Iterable[int],
    folder: Path,
    *,
    limits: Limits = LIMITS,
    progress: Progress | None = None,
) -> tuple[str, ...]:
    """Write the images of some rows into a folder; the name of each file, '' where there is none.

    Files are called by the row's number and what their content is, never by a path of the table.

    Parameters
    ----------
    path : Path
    form : {'parquet', 'feather'}
    column : str
    rows : iterable of int
        In ascending order.
    folder : Path
        It exists.
    limits : Limits
        Of what is unpacked.
    progress : callable, optional
        `progress(done, total, text)`; may raise to stop.
    """
    wanted = list(rows)
    names: dict[int, str] = {}
    kept, total, done, size = set(wanted), max(wanted, default=0) + 1, 0, 0
    for values in _batches(path, form, column, limits):
        for content in values.to_pylist():
            if done in kept and content:
                size += len(content)
                limits.check(bytes=size)
                suffix = _suffix(content)
                if suffix:
                    names[done] = f"{done}{suffix}"
                    (folder / names[done]).write_bytes(content)
            done += 1
        if progress:
            progress(min(done, total), total, "writing the images of the table")
    return tuple(names.get(row, "") for row in wanted)


def _batches(path: Path, form: str, column: str, limits: Limits) -> Iterator[Any]:
    if form == "feather":
        chunks = arrow_files.read(path, form, limits).column(column).chunks
        yield from map(_bytes, chunks)
        return
    limits.check(bytes=parquet.unpacked_bytes(path, [column]))
    with pq.ParquetFile(path, memory_map=True) as file:
        for batch in file.iter_batches(_BATCH_ROWS, columns=[column]):
            yield _bytes(batch.column(column))


def _bytes(values: Any) -> Any:
    return pc.struct_field(values, "bytes") if pa.types.is_struct(values.type) else values


def _suffix(content: bytes) -> str:
    """The ending of an image's name; '' for what is not an image of a kind read here."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # nothing is decoded
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                found = image.format or ""
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError):
        return ""
    return _SUFFIXES.get(found, f".{found.lower()}")
