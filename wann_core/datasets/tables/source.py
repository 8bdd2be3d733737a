"""What the readers of the three formats share: limits, columns as found, columns as read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wann_core.errors import WannError
from wann_core.typing import Array

Tick = Callable[[float, float], None]

SCALARS = ("number", "text", "empty")
EXAMPLES = 3
_EXAMPLE_LENGTH = 60


@dataclass(frozen=True)
class Limits:
    """The largest table that is read.

    Attributes
    ----------
    max_bytes : int
        Of the file, of what it unpacks to, and of the embeddings as float32, each.
    max_rows, max_columns : int
        Of the table; a list column counts as many columns as its lists are long.
    """

    max_bytes: int = 4 << 30
    max_rows: int = 2_000_000
    max_columns: int = 16_384

    def check(self, **sizes: int) -> None:
        """Raise `WannError` for the first of `bytes`, `rows` and `columns` that is too large."""
        for name, size in sizes.items():
            limit = getattr(self, f"max_{name}")
            if size > limit:
                raise WannError(
                    f"a table may have at most {limit:,} {name}, this one has {size:,}.", "path"
                )


LIMITS = Limits()


@dataclass(frozen=True)
class Column:
    """A column of a user's table, or an array of an .npz file.

    Attributes
    ----------
    name : str
    dtype : str
        For people to read.
    kind : {'number', 'text', 'list', 'empty', 'other'}
        'list' holds one list of numbers, or one row of an array, per row; 'empty' holds nothing in
        the rows looked at; 'other' is of no use here.
    examples : tuple of str
        The first values, shortened.
    width : int
        Numbers in a list; 1 in other kinds.
    """

    name: str
    dtype: str
    kind: str
    examples: tuple[str, ...]
    width: int = 1


@dataclass(frozen=True, eq=False)
class Coded:
    """A column of few or many different values: row i holds ``values[codes[i]]``, -1 nothing."""

    codes: Array
    values: Sequence[Any]

    @classmethod
    def of_arrow(cls, array: pa.ChunkedArray) -> "Coded":
        """Without unpacking repeated strings, which a small file may repeat without end."""
        if not pa.types.is_dictionary(array.type):
            array = array.dictionary_encode()
        whole = array.unify_dictionaries().combine_chunks()
        if isinstance(whole, pa.ChunkedArray):
            whole = pa.concat_arrays(whole.chunks)
        return cls(
            whole.indices.cast(pa.int64()).fill_null(-1).to_numpy(), whole.dictionary.to_pylist()
        )

    @classmethod
    def of_numpy(cls, array: Array) -> "Coded":
        """NaN counts as nothing, as everywhere."""
        values, codes = np.unique(array, return_inverse=True)
        return cls(codes.reshape(-1).astype(np.int64), values.tolist())

    def used(self) -> list[int]:
        """Positions of the values that some row holds, in ascending order."""
        return [int(code) for code in np.unique(self.codes) if code >= 0]


@dataclass(frozen=True, eq=False)
class Contents:
    """What was read: embeddings of shape (n, d), float32, and other columns by their name."""

    X: Array
    others: dict[str, Coded]


def shorten(value: Any) -> str:
    """A value for a preview: one line of at most 60 characters."""
    if isinstance(value, list):
        inner = ", ".join(map(str, value[:3]))
        return f"[{inner}, …]" if len(value) > 3 else f"[{inner}]"
    text = "" if value is None else str(value)[: _EXAMPLE_LENGTH + 1]
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= _EXAMPLE_LENGTH else text[: _EXAMPLE_LENGTH - 1] + "…"


def lists_to_rows(array: pa.Array, width: int, first: int, name: str) -> Array:
    """Lists of numbers as an array (n, width) of float32; NaN where a list or number is missing.

    Raises
    ------
    WannError
        If a list has another length; `first` is the row number of the first.
    """
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    lengths = pc.list_value_length(array).fill_null(0).to_numpy()
    wrong = np.flatnonzero((lengths != width) & (lengths != 0))
    if len(wrong):
        raise WannError(
            f"column {name!r} must hold lists of one length: {width} numbers in the first row, "
            f"{lengths[wrong[0]]} in row {first + wrong[0]} (counted from 0).",
            "embeddings",
        )
    rows = np.full((len(array), width), np.nan, dtype=np.float32)
    # Missing lists are left out of the flat numbers.
    rows[lengths == width] = to_float32(array.flatten()).reshape(-1, width)
    return rows


def to_float32(array: pa.Array) -> Array:
    """Numbers as float32; NaN where missing, infinite where too large."""
    if not pa.types.is_float16(array.type):
        array = array.cast(pa.float32(), safe=False)
    numbers: Array = array.to_numpy(zero_copy_only=False)
    return numbers.astype(np.float32, copy=False)
