"""What to label next in a data set some of whose rows have no label."""

import numpy as np
import pandas as pd

from wann_core.audit.reviewing.next_labels import next_to_label
from wann_core.datasets.dataset import Dataset
from wann_core.errors import WannError
from wann_core.progress import Progress
from wann_core.text import shown

_KEPT_APART = "test"


def unlabeled_rows(data: Dataset) -> int:
    """How many rows outside of test have no label."""
    return sum(
        int((split.y < 0).sum()) for name, split in data.splits.items() if name != _KEPT_APART
    )


def next_rows(data: Dataset, n: int = 100, *, progress: Progress | None = None) -> pd.DataFrame:
    """Choose rows without a label by what their labels would bring, see `next_to_label`.

    Test rows teach nothing and are not chosen.

    Parameters
    ----------
    data : Dataset
    n : int
        Rows to choose; all where fewer have no label.
    progress : callable, optional
        Called between parts; may raise to stop.

    Returns
    -------
    DataFrame
        split, row (id), name ('' where there is none), uncertainty, likeliest_class,
        cluster_weight; the most valuable first.

    Raises
    ------
    WannError
        If every row has a label.
    """
    splits = {name: split for name, split in data.splits.items() if name != _KEPT_APART}
    free = unlabeled_rows(data)
    if not free:
        raise WannError(
            f"`dataset` {data.name!r} has no row without a label outside of test: there is nothing "
            "to label next.",
            "dataset",
        )
    names = np.array([*data.class_names, None], object)
    y = np.concatenate([split.y for split in splits.values()])
    X = np.concatenate([split.X for split in splits.values()])
    found = next_to_label(X, names[np.where(y < 0, -1, y)], min(n, free), progress=progress)
    at = found["position"].to_numpy()
    called = np.array(
        [shown(name) for s in splits.values() for name in (s.names or [""] * len(s))], object
    )
    table = pd.DataFrame(
        {
            "split": np.repeat(list(splits), [len(s) for s in splits.values()])[at],
            "row": np.concatenate([split.ids for split in splits.values()])[at],
            "name": called[at],
        }
    )
    return table.join(found.drop(columns="position"))
