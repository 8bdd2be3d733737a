"""Labels of several annotators, as a wide or a long table, in one form."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from wann_core.audit.user_arrays import on_host, shape_of
from wann_core.audit.user_labels import class_ids
from wann_core.errors import WannError
from wann_core.typing import Array

LONG = ("row", "annotator", "label")
# Tables of rows, or annotators, by classes are held in memory as float64.
_MOST_VALUES = 1 << 27
_MOST_CLASSES = 4096


@dataclass(frozen=True, eq=False)
class Annotations:
    """Who labeled which row how; one entry a label, by row and annotator.

    Attributes
    ----------
    row, annotator, label : ndarray of shape (m,), int64
        Position of the row, number of the annotator, class id.
    rows : int
        n, with those that nobody labeled.
    annotators, class_names : tuple of str
    repeated : int
        Labels left out because the same annotator labeled the same row later in the table.
    """

    row: Array
    annotator: Array
    label: Array
    rows: int
    annotators: tuple[str, ...]
    class_names: tuple[str, ...]
    repeated: int = 0

    def __len__(self) -> int:
        return len(self.row)

    @cached_property
    def counts(self) -> Array:
        """How many annotators gave a row each label, shape (n, C), float64."""
        ones = np.ones(len(self))
        shape = self.rows, len(self.class_names)
        return np.asarray(csr_matrix((ones, (self.row, self.label)), shape=shape).todense())

    @cached_property
    def per_row(self) -> Array:
        """Labels of each row, shape (n,), int64."""
        return np.bincount(self.row, minlength=self.rows)


def annotations_of(
    given: Any,
    rows: int | None,
    *,
    class_names: Sequence[str] | None = None,
    ids: Sequence[Any] | None = None,
) -> Annotations:
    """Read a wide or a long table of labels.

    Parameters
    ----------
    given : DataFrame or array-like
        Long: a data frame with the columns row, annotator and label. Wide: one row a sample, one
        column an annotator. None, NaN and empty text mean no label.
    rows : int or None
        How many there are, if that is known from elsewhere.
    class_names : sequence of str, optional
        All classes in the order of their ids; by default those that occur.
    ids : sequence, optional
        Names of the rows, by which a long table names them; positions from 0 by default.

    Raises
    ------
    WannError
        If there is no label, one annotator only, a label outside the classes, an unknown row, or
        more rows or classes than fit into memory.
    """
    if isinstance(given, pd.DataFrame) and set(LONG) <= set(given.columns):
        row, annotator, values, rows, names = _long(given, rows, ids)
    else:
        row, annotator, values, rows, names = _wide(given, rows)
    try:
        label, classes = class_ids(values, class_names)
    except WannError as error:
        raise WannError(str(error).replace("`labels`", "`annotations`"), "annotations") from error
    if len(classes) > _MOST_CLASSES or max(rows, len(names)) * len(classes) > _MOST_VALUES:
        raise WannError(
            f"`annotations` may hold at most {_MOST_CLASSES:,} different labels, and rows × labels "
            f"at most {_MOST_VALUES:,}, got {len(classes):,} labels of {rows:,} rows; is a column "
            "of ids or free text among them?",
            "annotations",
        )
    there = label >= 0
    row, annotator, label = row[there], annotator[there], label[there]
    # The last label of a row by the same annotator counts.
    order = np.lexsort((np.arange(len(row)), annotator, row))
    row, annotator, label = row[order], annotator[order], label[order]
    last = np.ones(len(row), bool)
    last[:-1] = (row[1:] != row[:-1]) | (annotator[1:] != annotator[:-1])
    present, number = np.unique(annotator[last], return_inverse=True)
    if len(present) < 2:
        raise WannError(
            "`annotations` must hold labels of at least 2 annotators, got "
            f"{len(present)}; `audit_labels` judges the labels of one.",
            "annotations",
        )
    return Annotations(
        row[last],
        number.astype(np.int64),
        label[last],
        rows,
        tuple(names[i] for i in present.tolist()),
        classes,
        int((~last).sum()),
    )


def _wide(given: Any, rows: int | None) -> tuple[Array, Array, pd.Series, int, list[str]]:
    given = on_host(given)
    frame = given if isinstance(given, pd.DataFrame) else None
    if frame is None:
        shape = shape_of(given, "annotations")
        if len(shape) != 2:
            raise WannError(
                "`annotations` must be a table with one column an annotator, or a data frame with "
                f"the columns {', '.join(LONG)}; got an array of shape {shape}.",
                "annotations",
            )
        frame = pd.DataFrame(given)
        frame.columns = pd.Index([f"annotator {i + 1}" for i in range(frame.shape[1])])
    if rows is not None and len(frame) != rows:
        raise WannError(
            f"`annotations` must have one row an embedding ({rows:,}), got {len(frame):,}; a long "
            f"table has the columns {', '.join(LONG)}.",
            "annotations",
        )
    n, columns = frame.shape
    parts = [pd.Series(frame.iloc[:, j].to_numpy(object)) for j in range(columns)]
    values = _plain(pd.concat(parts, ignore_index=True) if parts else pd.Series([], dtype=object))
    names = [str(column) for column in frame.columns]
    if len(set(names)) < len(names):
        raise WannError("`annotations` must have columns of different names.", "annotations")
    row = np.tile(np.arange(n), columns)
    return row, np.repeat(np.arange(columns), n), values, n, names


def _long(
    frame: pd.DataFrame, rows: int | None, ids: Sequence[Any] | None
) -> tuple[Array, Array, pd.Series, int, list[str]]:
    frame = frame.reset_index(drop=True)
    who, names = pd.factorize(frame["annotator"].map(_name), sort=True)
    values = _plain(frame["label"])
    if (nobody := np.flatnonzero((who < 0) & values.notna().to_numpy())).size:
        raise WannError(
            "`annotations` must name the annotator of each label; the label in line "
            f"{nobody[0]:,} (counted from 0) has none.",
            "annotations",
        )
    if ids is None:
        number = pd.to_numeric(frame["row"], errors="coerce").to_numpy(np.float64, na_value=np.nan)
        whole = np.isfinite(number) & (number >= 0) & (number % 1 == 0)
        whole &= number < (rows if rows is not None else _MOST_VALUES)
        row = np.where(whole, number, -1).astype(np.int64)
        rows = rows if rows is not None else int(row.max(initial=-1)) + 1
    else:
        known = {_name(name) or "": i for i, name in enumerate(ids)}
        if len(known) != len(ids):
            raise WannError("`ids` must differ from each other to be named in a table.", "ids")
        rows = len(ids)
        row = np.array([known.get(_name(one) or "", -1) for one in frame["row"]], np.int64)
    if (unknown := np.flatnonzero(row < 0)).size:
        allowed = f"positions from 0 to {rows - 1:,}" if ids is None else "among `ids`"
        raise WannError(
            f"`annotations` must name rows by {allowed}, got {_name(frame['row'][unknown[0]])!r} "
            f"in line "
            f"{unknown[0]:,} (counted from 0); {len(unknown):,} of {len(row):,} lines fit no row.",
            "annotations",
        )
    return row, np.maximum(who, 0).astype(np.int64), values, rows, [str(name) for name in names]


def _plain(values: pd.Series) -> pd.Series:
    """Labels with empty text as missing."""
    values = values.astype(object)
    blank = values.map(lambda value: isinstance(value, str) and not value.strip())
    return values.mask(blank.astype(bool), None)


def _name(value: Any) -> str | None:
    """Numbers as they are written in a table: 7 and 7.0 are the same."""
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return None
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip() or None
