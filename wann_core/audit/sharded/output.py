"""A partitioned result: one Parquet file a partition, the most doubtful rows, and a summary."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from wann_core.audit.label_audit import NOT_JUDGED
from wann_core.audit.result import doubt_order
from wann_core.audit.sharded.parts import Part, is_local, storage_of
from wann_core.errors import WannError
from wann_core.storage.files import write_atomically
from wann_core.storage.tables import to_parquet
from wann_core.text import shown
from wann_core.typing import Array

SUMMARY, DOUBTFUL = "summary.json", "doubtful.parquet"
FORMAT = 1
# Rows that are read at once by whoever reviews.
MOST_DOUBTFUL = 100_000
SUMMARY_BYTES = 1 << 26
# What the summary must hold to be read: names and their kinds.
_HELD: Mapping[str, type | tuple[type, ...]] = {
    "labels": int,
    "wrong": int,
    "wrong_low": int,
    "wrong_high": int,
    "warnings": list,
    "notes": list,
    "class_names": list,
    "partitions": list,
}


@dataclass(frozen=True, eq=False)
class PartitionedAudit:
    """The result of an audit of partitions, as it lies in a folder.

    Attributes
    ----------
    folder : str
        Where it lies, a path or an address.
    summary : mapping
        What `summary.json` holds.
    """

    folder: str
    summary: Mapping[str, Any]

    def doubtful(self, rows: int | None = None) -> pd.DataFrame:
        """Return the most doubtful rows of all partitions, most doubtful first.

        Parameters
        ----------
        rows : int, optional
            How many; by default all that are kept together, at most 100,000.
        """
        table = _read(self.folder, DOUBTFUL)
        return table if rows is None else table.head(rows)

    def partition(self, number: int) -> pd.DataFrame:
        """Return all rows of one partition, in its order."""
        return _read(self.folder, str(self.summary["partitions"][number]["result"]))


def open_partitioned(folder: str | Path) -> PartitionedAudit:
    """Open the folder that `wann audit --cluster` has written.

    Raises
    ------
    WannError
        If it holds no such result.
    """
    system, path = storage_of(str(folder))
    try:
        if system.size(f"{path}/{SUMMARY}") > SUMMARY_BYTES:
            raise damaged(folder, f"{SUMMARY} is larger than {SUMMARY_BYTES >> 20} MiB")
        content = system.cat_file(f"{path}/{SUMMARY}")
    except OSError as error:
        raise WannError(f"{str(folder)!r} holds no audit of partitions.", "path") from error
    return PartitionedAudit(str(folder), checked_summary(folder, content))


def checked_summary(folder: str | Path, content: bytes) -> dict[str, Any]:
    """The contents of a result's summary.

    Raises
    ------
    WannError
        If it is damaged, or of another version.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise damaged(folder, f"{SUMMARY} cannot be read") from error
    if not isinstance(found, dict) or "format" not in found:
        raise damaged(folder, f"{SUMMARY} is of something else")
    if found["format"] != FORMAT:
        raise WannError(f"{str(folder)!r} was written by another version.", "path")
    for name, kind in _HELD.items():
        if not isinstance(found.get(name), kind):
            raise damaged(folder, f"{SUMMARY} lacks {name!r}")
    texts = [*found["class_names"], *found["warnings"], *found["notes"]]
    if not found["class_names"] or not all(isinstance(text, str) for text in texts):
        raise damaged(folder, f"{SUMMARY} names no classes")
    return found


def damaged(folder: str | Path, what: str) -> WannError:
    """The error of a result that is not as it was written."""
    return WannError(
        f"{str(folder)!r} holds a damaged audit of partitions: {what}; write it again with "
        "`wann audit --cluster`.",
        "path",
    )


def table_of(
    part: Part, labels: Array, columns: Mapping[str, Array], class_names: Sequence[str]
) -> pd.DataFrame:
    """The result of a partition, with the columns that the audit of one machine has."""
    names = np.asarray(class_names, object)
    predicted = columns["predicted_label_id"]
    return pd.DataFrame(
        {
            "row": part.rows,
            "name": [shown(name) for name in part.names],
            "given_label": names[labels],
            "predicted_label": names[predicted],
            "given_label_id": labels.astype(np.int64),
            "predicted_label_id": predicted,
            "label_score": columns["label_score"],
            "is_label_issue": columns["is_label_issue"],
            "reliability": 1.0 / columns["adaptive_k"],
            "adaptive_k": columns["adaptive_k"].astype(np.int32),
            "given_share": columns["given_share"],
            "predicted_share": columns["predicted_share"],
            "same_class_distance": columns["same_class_distance"],
            "near_duplicate_group": columns["near_duplicate_group"],
            "near_duplicate_conflict": columns["near_duplicate_conflict"],
            "outlier_score": columns["outlier_score"],
            "judgeable": columns["judgeable"],
            "note": np.where(columns["judgeable"], "", NOT_JUDGED),
        }
    )


def result_name(number: int) -> str:
    """File of a partition's result."""
    return f"part-{number:05d}.parquet"


def partition_names(sources: Sequence[str]) -> list[str]:
    """What to call each partition: its file's name, or its path below what all have in common.

    Examples
    --------
    >>> partition_names(["/rows/day=1/part-0.parquet", "/rows/day=2/part-0.parquet"])
    ['day=1/part-0.parquet', 'day=2/part-0.parquet']
    """
    names = [Path(source).name for source in sources]
    if len(set(names)) == len(names):
        return names
    common = os.path.commonpath(sources)
    return [Path(source).relative_to(common).as_posix() for source in sources]


def write_part(folder: str, number: int, name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Write a partition's result; returns its most doubtful rows."""
    write(folder, result_name(number), to_parquet(table))
    ranked = table.iloc[doubt_order(table["label_score"], table["given_share"])]
    ranked = ranked[ranked["judgeable"]].head(MOST_DOUBTFUL)
    ranked.insert(0, "partition", name)
    return ranked


def most_doubtful(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The most doubtful rows of some partitions, of those of each."""
    table = pd.concat(parts, ignore_index=True)
    order = doubt_order(table["label_score"], table["given_share"])[:MOST_DOUBTFUL]
    return table.iloc[order]


def write_doubtful(folder: str, table: pd.DataFrame) -> int:
    """Write the most doubtful rows of all partitions; returns how many."""
    write(folder, DOUBTFUL, to_parquet(table))
    return len(table)


def write_summary(folder: str, summary: Mapping[str, Any]) -> None:
    """Write what is known of all partitions; last, so that a result with a summary is whole."""
    content = json.dumps({"format": FORMAT, **summary}, indent=1)
    write(folder, SUMMARY, content.encode())


def write(folder: str, name: str, content: bytes) -> None:
    """Write a file whole, on this machine or in the storage that the address names."""
    system, path = storage_of(folder)
    if is_local(system):
        write_atomically(Path(path) / name, lambda file: file.write(content))
    else:
        system.pipe_file(f"{path}/{name}", content)


def prepared(folder: str) -> str:
    """The address of an empty folder for a result, made if need be.

    Raises
    ------
    WannError
        If there is something in it, or it cannot be made.
    """
    try:
        system, path = storage_of(folder)
        system.makedirs(path, exist_ok=True)
        held = system.ls(path, detail=False)
    except (OSError, ValueError, ImportError) as error:
        raise WannError(f"`out` {folder!r} cannot be written: {error}.", "out") from error
    if held:
        raise WannError(f"`out` must be an empty or new folder, got {folder!r}.", "out")
    return str(system.unstrip_protocol(path))


def _read(folder: str, name: str) -> pd.DataFrame:
    system, path = storage_of(folder)
    with system.open(f"{path}/{name}") as file:
        table: pd.DataFrame = pq.read_table(file).to_pandas()
        return table
