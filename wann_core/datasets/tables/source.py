"""What the readers of all formats share: limits, columns as found, columns as read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wann_core.errors import WannError
from wann_core.storage.tables import unescape_formula
from wann_core.typing import Array

Tick = Callable[[float, float], None]

SCALARS = ("number", "text", "empty")
# The kind of a column whose values are image files themselves.
IMAGE = "image"
# What stays with a row.
KEPT = ("number", "text", "date", "empty")
EXAMPLES = 3
_EXAMPLE_LENGTH = 60
# Halves of the spread that a column may be away from zero: float32 keeps 16 bits of the spread.
_MOST_OFFSET = 256
_BLOCK_ROWS = 4096


@dataclass(frozen=True)
class Limits:
    """The largest table that is read.

    Attributes
    ----------
    max_bytes : int
        Of the file, of what it unpacks to, and of the embeddings as they are read, each.
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
    kind : {'number', 'text', 'date', 'list', 'image', 'empty', 'other'}
        'list' holds one list of numbers, or one row of an array, per row; 'image' the bytes of an
        image file; 'empty' holds nothing in the rows looked at; 'other' is of no use here.
    examples : tuple of str
        The first values, shortened.
    width : int
        Numbers in a list; 1 in other kinds.
    classes : tuple of str
        Names of the classes that numbers 0, 1, … stand for, where the file defines them.
    """

    name: str
    dtype: str
    kind: str
    examples: tuple[str, ...]
    width: int = 1
    classes: tuple[str, ...] = ()


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

    def unguarded(self) -> "Coded":
        """Without the apostrophe that keeps a text from being a formula in a spreadsheet."""
        plain = (unescape_formula(v)[-1] if isinstance(v, str) else v for v in self.values)
        return Coded(self.codes, tuple(plain))

    def used(self) -> list[int]:
        """Positions of the values that some row holds, in ascending order."""
        return [int(code) for code in np.unique(self.codes) if code >= 0]


@dataclass(frozen=True, eq=False)
class Contents:
    """What was read: embeddings of shape (n, d), float32 or float64, and others by their name."""

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


def lists_to_rows(array: pa.Array, out: Array, first: int, name: str) -> None:
    """Write lists of numbers into an array (n, width); NaN where a list or number is missing.

    Raises
    ------
    WannError
        If a list has another length; `first` is the row number of the first.
    """
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    width = out.shape[1]
    lengths = pc.list_value_length(array).fill_null(0).to_numpy()
    wrong = np.flatnonzero((lengths != width) & (lengths != 0))
    if len(wrong):
        raise WannError(
            f"column {name!r} must hold lists of one length: {width} numbers in the first row, "
            f"{lengths[wrong[0]]} in row {first + wrong[0]} (counted from 0).",
            "embeddings",
        )
    out[:] = np.nan
    # Missing lists are left out of the flat numbers.
    out[lengths == width] = to_floats(array.flatten()).reshape(-1, width)


def to_floats(array: pa.Array) -> Array:
    """Numbers as floats; NaN where missing."""
    kind = array.type
    if not pa.types.is_floating(kind):
        small = pa.types.is_integer(kind) and kind.bit_width <= 16
        array = array.cast(pa.float32() if small else pa.float64(), safe=False)
    numbers: Array = array.to_numpy(zero_copy_only=False)
    return numbers


def narrow(X: Array) -> Array:
    """Embeddings as float32 where that keeps rows distinct, else as they are.

    Kept as float64 are columns far from zero for their spread, and values beyond float32; they
    lose both when they are normalized.
    """
    if X.dtype != np.float64:
        return X.astype(np.float32, copy=False)
    low, high = np.full(X.shape[1], np.inf), np.full(X.shape[1], -np.inf)
    for start in range(0, len(X), _BLOCK_ROWS):
        block = X[start : start + _BLOCK_ROWS]
        finite = np.isfinite(block)
        np.minimum(low, np.where(finite, block, np.inf).min(axis=0), out=low)
        np.maximum(high, np.where(finite, block, -np.inf).max(axis=0), out=high)
    largest, spread, varies = np.maximum(np.abs(low), np.abs(high)), high / 2 - low / 2, high > low
    far = varies & (largest > _MOST_OFFSET * spread)
    lost = varies & (spread < np.finfo(np.float32).tiny)
    if (far | lost | (np.isfinite(largest) & (largest > np.finfo(np.float32).max))).any():
        return X
    return X.astype(np.float32)
