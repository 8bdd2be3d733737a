"""Where a labeled row of a data set stands, by its split and row id."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from wann_core.datasets.dataset import Dataset
from wann_core.review.verdict import SPLITS
from wann_core.typing import Array


class RowIndex:
    """The labeled rows of train, val and test in one order, as an audit lists them.

    Parameters
    ----------
    data : Dataset

    Attributes
    ----------
    splits : tuple of str
        Names of the existing splits.
    split : ndarray of shape (n,), int64
        Place in `splits` of each row.
    place : ndarray of shape (n,), int64
        Position of each row in its split, where images and names are counted.
    ids : ndarray of shape (n,), int64
        Row id of each row in its split's source.

    Examples
    --------
    >>> from wann_core import datasets
    >>> index = RowIndex(datasets.load("digits", "pixels"))
    >>> index.find(["test", "test"], [int(index.ids[1200]), -5]).tolist()
    [1200, -1]
    """

    def __init__(self, data: Dataset) -> None:
        self.splits = tuple(name for name in SPLITS if name in data.splits)
        places = [np.flatnonzero(data.splits[name].y >= 0) for name in self.splits]
        self.place = np.concatenate(places)
        self.split = np.repeat(np.arange(len(places)), [len(p) for p in places])
        self.ids = np.concatenate(
            [data.splits[name].ids[p] for name, p in zip(self.splits, places, strict=True)]
        )
        self._order = np.lexsort((self.ids, self.split))
        self._bounds = np.searchsorted(self.split, np.arange(len(places) + 1))

    def __len__(self) -> int:
        return len(self.ids)

    def find(self, splits: Sequence[str] | Array, rows: npt.ArrayLike) -> Array:
        """Positions of rows, named by split and row id; -1 for those that are not there.

        Parameters
        ----------
        splits : sequence of str, length m
        rows : array-like of shape (m,), int64

        Returns
        -------
        ndarray of shape (m,), int64
        """
        asked, names = np.asarray(rows, np.int64), np.asarray(splits, object)
        found = np.full(len(asked), -1, np.int64)
        for number, name in enumerate(self.splits):
            mine = np.flatnonzero(names == name)
            order = self._order[self._bounds[number] : self._bounds[number + 1]]
            if len(mine) and len(order):
                near = np.searchsorted(self.ids[order], asked[mine])
                at = order[np.minimum(near, len(order) - 1)]
                found[mine] = np.where(self.ids[at] == asked[mine], at, -1)
        return found

    def locate(self, position: int) -> tuple[str, int]:
        """Split of a row and its position there."""
        return self.splits[self.split[position]], int(self.place[position])
