"""Tables put right before they are imported: rows left out, classes merged."""

from collections import defaultdict
from dataclasses import replace
from itertools import compress

import numpy as np

from wann_core.datasets.tables.table import Table
from wann_core.datasets.tables.values import look_alike, spelling
from wann_core.typing import Array


def drop_bad_rows(table: Table) -> Table:
    """The table without the rows that hold NaN or infinity; the others keep their row numbers.

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
    )


def merge_look_alikes(table: Table) -> Table:
    """The table with classes that differ only in their spelling as one, by the commonest name."""
    counts = np.bincount(table.y[table.y >= 0], minlength=len(table.class_names))
    groups: dict[str, list[int]] = defaultdict(list)
    for c in np.argsort(-counts, kind="stable").tolist():
        groups[spelling(table.class_names[c])].append(c)
    kept = sorted(group[0] for group in groups.values())
    if len(kept) == len(table.class_names):
        return table
    names = tuple(table.class_names[c] for c in kept)
    target = np.full(len(table.class_names) + 1, -1)  # class -1 finds the last
    for group in groups.values():
        target[group] = kept.index(group[0])
    return replace(
        table,
        y=target[table.y],
        clean=None if table.clean is None else target[table.clean],
        class_names=names,
        remarks=tuple(r for r in table.remarks if r not in look_alike(table.class_names)),
    )
