"""Data sets that Hugging Face's datasets saved with `save_to_disk`."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from wann_core.errors import WannError

_ARROW_BYTES = 4 << 30
_ONE = "dataset_info.json"
_SPLITS = "dataset_dict.json"


def is_saved_to_disk(path: Path) -> bool:
    """Whether a folder is what `save_to_disk` of Hugging Face's datasets writes."""
    return any((path / name).is_file() for name in (_ONE, _SPLITS))


@contextmanager
def as_parquet(path: Path) -> Iterator[Path]:
    """Write a data set that `datasets` saved as one Parquet file, which is removed at the end.

    Yields
    ------
    Path

    Raises
    ------
    WannError
        If a file is no Arrow stream or larger than 4 GiB, or there is none.
    """
    if (path / _SPLITS).is_file():
        folders = [one for one in sorted(path.iterdir()) if (one / _ONE).is_file()]
    else:
        folders = [path]
    parts = []
    for folder in folders:
        for file in sorted(folder.glob("*.arrow")):
            if file.stat().st_size > _ARROW_BYTES:
                raise WannError(f"{file.name!r} must be at most 4 GiB.", "path")
            try:
                with pa.memory_map(str(file)) as source:
                    part = pa.ipc.open_stream(source).read_all()
            except (pa.ArrowException, OSError) as error:
                raise WannError(
                    f"{file.name!r} cannot be read as Arrow: {error}.", "path"
                ) from error
            if len(folders) > 1 and "split" not in part.column_names:
                part = part.append_column("split", pa.array([folder.name] * len(part)))
            parts.append(part)
    if not parts:
        raise WannError(f"{str(path)!r} holds no .arrow files of a saved data set.", "path")
    with tempfile.TemporaryDirectory(prefix="wann-") as folder_name:
        table = Path(folder_name) / f"{path.name}.parquet"
        pq.write_table(pa.concat_tables(parts, promote_options="default"), table)
        yield table
