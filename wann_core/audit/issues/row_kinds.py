"""Which issues a row of an audit has."""

import numpy as np
import pandas as pd

from wann_core.typing import Array

_MARKS = {
    "label": "is_label_issue",
    "duplicate_label": "near_duplicate_conflict",
    "leak": "in_train_and_test",
}


def row_kinds(table: pd.DataFrame) -> Array:
    """Kinds of issues of each row of an audit's table, as in 'label, near_duplicate'.

    Shape (n,), of text; '' where there is none. `list_issues` has the kinds that need the images
    and the classes, too.

    Examples
    --------
    >>> columns = {"near_duplicate_group": [0, -1], "is_label_issue": [True, False]}
    >>> columns |= dict.fromkeys(("near_duplicate_conflict", "in_train_and_test"), [False, False])
    >>> row_kinds(pd.DataFrame(columns)).tolist()
    ['label, near_duplicate', '']
    """
    found = {kind: table[column].to_numpy(bool) for kind, column in _MARKS.items()}
    found["near_duplicate"] = table["near_duplicate_group"].to_numpy() >= 0
    order = ("label", "near_duplicate", "duplicate_label", "leak")
    lists = zip(*(found[kind].tolist() for kind in order), strict=True)
    joined = [", ".join(np.array(order)[list(marks)]) for marks in lists]
    return np.array(joined, object)
