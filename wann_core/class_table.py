"""Tables of all rows and classes; of many classes only the likeliest of each row are kept."""

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from wann_core.parallel import in_slices
from wann_core.typing import Array

# Up to this many classes a table is a plain array.
MOST_DENSE = 256
# More than the 51 neighbors of a row have classes: their votes are kept exactly.
KEPT = 64
# Values at once, so that no second table of all rows and classes is held in between.
_BLOCK_VALUES = 1 << 20


class ClassTable:
    """Shares of many classes, shape (n, C): the 64 largest of each row, and its given label's.

    The rest of a row is spread evenly over its other classes. It is written and read in blocks of
    rows as an array is: ``table[rows] = block``, ``table[rows]``; ``table[rows, columns]`` with two
    index arrays reads single values.

    Parameters
    ----------
    labels : ndarray of shape (n,), integer
        Given class ids, whose shares are kept whatever they are.
    n_classes : int
        C, more than 65.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, labels: Array, n_classes: int) -> None:
        self.shape = len(labels), n_classes
        self._labels = labels
        # A table takes 400 bytes a row; an audit holds several.
        self._ids = np.zeros((len(labels), KEPT), self._id_type)
        self._values = np.zeros((len(labels), KEPT), np.float32)
        self._own = np.zeros(len(labels), np.float32)
        self._rest = np.zeros(len(labels), np.float32)

    @property
    def _id_type(self) -> type[np.integer[Any]]:
        return np.uint16 if self.shape[1] <= 1 << 16 else np.int32

    def __len__(self) -> int:
        return self.shape[0]

    def __setitem__(self, rows: "slice | Array", block: Array) -> None:
        labels, n = self._labels[rows], len(block)
        ids, values = np.empty((n, KEPT), self._id_type), np.empty((n, KEPT), np.float32)
        own, rest = np.empty(n, np.float32), np.empty(n, np.float32)
        in_slices(_compress, n, block, labels, ids, values, own, rest)
        self._ids[rows], self._values[rows] = ids, values
        self._own[rows], self._rest[rows] = own, rest

    def __getitem__(self, index: Any) -> Array:
        if isinstance(index, tuple):
            return self._at(*index)
        if np.ndim(index) == 0 and not isinstance(index, slice):
            return np.asarray(self[np.array([index])][0])
        ids, values = self._ids[index], self._values[index]
        block = np.empty((len(ids), self.shape[1]), self.dtype)
        labels, own, rest = self._labels[index], self._own[index], self._rest[index]
        in_slices(_expand, len(ids), ids, values, labels, own, rest, block)
        return block

    def _at(self, rows: Array, columns: Array) -> Array:
        rows, columns = np.broadcast_arrays(rows, columns)
        found = self._ids[rows] == columns[..., None]
        values = np.where(
            found.any(axis=-1), (self._values[rows] * found).sum(axis=-1), self._rest[rows]
        )
        return np.asarray(np.where(columns == self._labels[rows], self._own[rows], values))

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        return self[:].astype(self.dtype if dtype is None else dtype)

    def only(self, rows: Array) -> "ClassTable":
        """The table of some rows, by a mask or positions."""
        table = ClassTable(self._labels[rows], self.shape[1])
        table._ids, table._values = self._ids[rows], self._values[rows]
        table._own, table._rest = self._own[rows], self._rest[rows]
        return table

    def argmax(self, axis: int) -> Array:
        """The class with the largest share of each row, shape (n,), int64."""
        assert axis == 1
        return self._ids[:, 0].astype(np.int64)


Shares = Array | ClassTable


def class_table(labels: Array, n_classes: int, dtype: npt.DTypeLike = np.float32) -> Any:
    """An empty table of all rows and classes, to be filled block by block.

    Returns
    -------
    ndarray or ClassTable
        Of shape (n, C); a `ClassTable`, in single precision, beyond 256 classes.
    """
    if n_classes > MOST_DENSE:
        return ClassTable(labels, n_classes)
    return np.empty((len(labels), n_classes), dtype)


def small_ids(labels: Array, n_classes: int) -> Array:
    """Class ids in one byte each where that is enough, else in four."""
    # They are read at random places: of one byte each, a million lie in a core's own cache.
    kind: type[np.integer[Any]] = np.uint8 if n_classes <= 256 else np.int32
    return np.ascontiguousarray(labels, kind)


def joined(tables: Sequence[Any]) -> Any:
    """One table of the rows of several, one after the other."""
    if not isinstance(tables[0], ClassTable):
        return np.concatenate(tables)
    whole = ClassTable(np.concatenate([t._labels for t in tables]), tables[0].shape[1])
    for name in ("_ids", "_values", "_own", "_rest"):
        setattr(whole, name, np.concatenate([getattr(table, name) for table in tables]))
    return whole


def blocks(n: int, n_classes: int) -> list[slice]:
    """Slices of rows whose table of all classes takes a few megabytes."""
    size = block_rows(n_classes)
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def block_rows(n_classes: int) -> int:
    """Rows of such a slice."""
    return max(1, _BLOCK_VALUES // n_classes)


@numba.njit(nogil=True, cache=True)
def _compress(start, stop, block, labels, ids, values, own, rest):  # type: ignore[no-untyped-def]
    """Keep the largest values of a row, largest first; of equal ones the first classes."""
    n_classes, kept = block.shape[1], ids.shape[1]
    for i in range(start, stop):
        total = 0.0
        for c in range(kept):
            ids[i, c], values[i, c] = c, block[i, c]
        for place in range(kept // 2 - 1, -1, -1):
            _sink(ids[i], values[i], place, kept)
        for c in range(kept, n_classes):
            if block[i, c] > values[i, 0]:
                ids[i, 0], values[i, 0] = c, block[i, c]
                _sink(ids[i], values[i], 0, kept)
        for c in range(n_classes):
            total += block[i, c]
        for last in range(kept - 1, 0, -1):
            total -= values[i, 0]
            ids[i, 0], ids[i, last] = ids[i, last], ids[i, 0]
            values[i, 0], values[i, last] = values[i, last], values[i, 0]
            _sink(ids[i], values[i], 0, last)
        total -= values[i, 0]
        own[i] = block[i, labels[i]]
        others = n_classes - kept
        if not (ids[i] == labels[i]).any():
            total -= own[i]
            others -= 1
        rest[i] = max(total, 0.0) / others


@numba.njit(nogil=True, cache=True)
def _sink(ids, values, place, size):  # type: ignore[no-untyped-def]
    """Restore a heap whose root is its least value; of equal ones the last class."""
    while True:
        least = place
        for child in (2 * place + 1, 2 * place + 2):
            if child < size and (
                values[child] < values[least]
                or (values[child] == values[least] and ids[child] > ids[least])
            ):
                least = child
        if least == place:
            return
        ids[place], ids[least] = ids[least], ids[place]
        values[place], values[least] = values[least], values[place]
        place = least


@numba.njit(nogil=True, cache=True)
def _expand(start, stop, ids, values, labels, own, rest, block):  # type: ignore[no-untyped-def]
    """The rows with all their classes."""
    for i in range(start, stop):
        block[i, :] = rest[i]
        for j in range(ids.shape[1]):
            block[i, ids[i, j]] = values[i, j]
        block[i, labels[i]] = own[i]
