"""Tables put right before they are imported: rows left out, classes merged."""

from dataclasses import replace
from itertools import compress

import numpy as np

from wann_core.datasets.class_names import look_alike, merged
from wann_core.datasets.tables.table import Table
from wann_core.typing import Array


def drop_bad_rows(table: Table) -> Table:
    """Drop rows that hold NaN or infinity; the others keep their row numbers.

    Classes that only dropped rows had stay in `class_names`, so that class ids do not change.
    """
    keep: Array = np.logical_and.reduce(np.isfinite(table.X), axis=1)
    if keep.all():
        return table
    return replace(
        table,
        X=table.X[keep],
        y=table.y[keep],
        rows=table.rows[keep],
        clean=None if table.clean is None else table.clean[keep],
        split=None if table.split is None else table.split[keep],
        images=None if table.images is None else tuple(compress(table.images, keep)),
        ids=None if table.ids is None else tuple(compress(table.ids, keep)),
        more=None if table.more is None else table.more[keep].reset_index(drop=True),
    )


def merge_look_alikes(table: Table) -> Table:
    """Merge classes that differ only in spelling, under the commonest name."""
    counts = np.bincount(table.y[table.y >= 0], minlength=len(table.class_names))
    names, ids = merged(table.class_names, counts)
    if len(names) == len(table.class_names):
        return table
    return replace(
        table,
        y=ids[table.y],
        clean=None if table.clean is None else ids[table.clean],
        class_names=names,
        remarks=tuple(r for r in table.remarks if r not in look_alike(table.class_names)),
    )
