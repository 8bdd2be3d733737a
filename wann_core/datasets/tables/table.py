"""What a user's file was understood to be, and what was read of it."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from wann_core.datasets.tables.columns import Columns
from wann_core.datasets.tables.source import Column
from wann_core.typing import Array


@dataclass(frozen=True)
class TableInfo:
    """Format and columns of a file, as recognized before it is read.

    Attributes
    ----------
    format : {'npz', 'parquet', 'feather', 'jsonl', 'csv'}
    columns : tuple of Column
        In the order of the file.
    rows : int
    exact : bool
        Whether `rows` is what the file declares or holds, or an estimate (large CSV files).
    guess : Columns
        The likeliest choice of columns; its `embeddings` are empty if there is none.
    notes : tuple of str
        How the file was understood where that is not as usual.
    """

    format: str
    columns: tuple[Column, ...]
    rows: int
    exact: bool
    guess: Columns
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Table:
    """The chosen columns of a user's file.

    Attributes
    ----------
    X : ndarray of shape (n, d), float32, or float64 where float32 would make different rows equal
        Embeddings; perhaps NaN or infinite, which `problems` reports.
    y : ndarray of shape (n,), int64
        Class ids; -1 where there is no label.
    class_names : tuple of str, length C
        Numbers in numerical, other labels in lexicographical order.
    rows : ndarray of shape (n,), int64
        Row numbers in the file: 0 is the first row of data.
    clean : ndarray of shape (n,), int64, or None
        Clean class ids; -1 where there is none.
    split : ndarray of shape (n,), str, or None
        'train', 'val', 'test', or '' where the file has none.
    images, ids : tuple of str, or None
        '' where there is none.
    columns : Columns
        What was read; the embeddings in their natural order.
    format, source, sha256 : str
        Format, name and digest of the file.
    images_in : Path or None
        The file, where its image column holds the images themselves; `images` are then the paths
        beside them.
    remarks : tuple of str
        What was understood in one of several ways, and why there are no labels.
    more : DataFrame of n rows, or None
        Further columns of the rows, see `row_columns`.
    """

    X: Array
    y: Array
    class_names: tuple[str, ...]
    rows: Array
    clean: Array | None
    split: Array | None
    images: tuple[str, ...] | None
    ids: tuple[str, ...] | None
    columns: Columns
    format: str
    source: str
    sha256: str
    remarks: tuple[str, ...] = ()
    images_in: Path | None = None
    more: pd.DataFrame | None = None

    def __len__(self) -> int:
        return len(self.y)
