"""Labels after review: what the verdicts in force make of the given ones."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from wann_core.datasets.dataset import Dataset, Split
from wann_core.errors import WannError, check_choice
from wann_core.review.rows import RowIndex
from wann_core.review.verdict import ACTIONS, SPLITS
from wann_core.typing import Array


@dataclass(frozen=True, eq=False)
class Corrected:
    """A data set's labels after review.

    Attributes
    ----------
    data : Dataset
        As it was given.
    labels : mapping of str to ndarray of shape (n,), int64
        Class ids of each row of train, val and test; a removed row keeps the given one.
    keep : mapping of str to ndarray of shape (n,), bool
        False where the row was removed.
    counts : mapping of str to int
        Labeled samples by the action in force, in the order of `ACTIONS`, then 'unreviewed'.
    """

    data: Dataset
    labels: Mapping[str, Array]
    keep: Mapping[str, Array]
    counts: Mapping[str, int]

    @property
    def splits(self) -> dict[str, Split]:
        """The splits without their removed rows, under the corrected labels; empty ones left out.

        Rows without a label stay as they are.
        """
        found = {}
        for name, split in self.data.splits.items():
            if name not in self.labels:
                found[name] = split
            elif self.keep[name].any():
                rows = self.keep[name]
                found[name] = dataclasses.replace(
                    split,
                    X=split.X[rows],
                    y=self.labels[name][rows],
                    ids=split.ids[rows],
                    clean=None if split.clean is None else split.clean[rows],
                    names=None
                    if split.names is None
                    else tuple(split.names[row] for row in np.flatnonzero(rows).tolist()),
                    columns=None
                    if split.columns is None
                    else split.columns[rows].reset_index(drop=True),
                )
        return found


def corrected(data: Dataset, verdicts: pd.DataFrame) -> Corrected:
    """Apply verdicts to the given labels: relabel moves a label, remove drops a row.

    Parameters
    ----------
    data : Dataset
    verdicts : DataFrame
        One row a sample, with the columns split, row, given_label, action and new_label, as
        `Ledger.verdicts` answers. Rows under 'keep' and 'unsure' stay as they are.

    Raises
    ------
    WannError
        If a verdict is about a row that is not there, has another given label, or is judged twice;
        or a new label is not a class of the data set.
    """
    splits = {name: data.splits[name] for name in SPLITS if name in data.splits}
    labels = {name: split.y.copy() for name, split in splits.items()}
    labeled = sum(int((split.y >= 0).sum()) for split in splits.values())
    keep = {name: np.ones(len(split), bool) for name, split in splits.items()}
    classes = {name: i for i, name in enumerate(data.class_names)}
    counts = dict.fromkeys(ACTIONS, 0)
    columns = ("split", "row", "given_label", "action", "new_label")
    values = [verdicts[name].tolist() for name in columns]
    places = _places(data, verdicts)
    for place, split, row, given, action, new in zip(places, *values, strict=True):
        check_choice("action", action, ACTIONS)
        now = data.class_names[labels[split][place]]
        if given != now:
            raise WannError(
                f"the verdict on row {row} of {split} is about the label {given!r}; "
                f"the row has {now!r}.",
                "verdicts",
            )
        counts[action] += 1
        if action == "remove":
            keep[split][place] = False
        elif action == "relabel":
            if new not in classes:
                raise WannError(
                    f"the new label of row {row} of {split}, {new!r}, is not a class of the data "
                    "set.",
                    "new_label",
                )
            labels[split][place] = classes[new]
    return Corrected(data, labels, keep, {**counts, "unreviewed": labeled - sum(counts.values())})


def refuse_injected(data: Dataset) -> None:
    """Refuse to export labels that were made wrong on purpose as if they were the data's own.

    Raises
    ------
    WannError
        If errors were injected into the data set.
    """
    if data.injected:
        raise WannError(injected_reason(data), "injected")


def injected_reason(data: Dataset) -> str:
    """Why labels are not exported as data: they were made wrong on purpose; '' if they were not."""
    if not data.injected:
        return ""
    return (
        f"{data.injected} of these labels were made wrong on purpose, for training: they are not "
        "exported as data. Take the errors out to export the labels as they are."
    )


def _places(data: Dataset, verdicts: pd.DataFrame) -> list[int]:
    """Position in its split of each verdict's row."""
    index = RowIndex(data)
    named, rows = verdicts["split"].to_numpy(object), verdicts["row"].to_numpy(np.int64)
    found = index.find(named, rows)
    lost = np.flatnonzero(found < 0)
    if len(lost):
        raise WannError(
            f"{len(lost)} verdicts are about rows that the data set has no label of; the first is "
            f"row {rows[lost[0]]} of {named[lost[0]]}.",
            "verdicts",
        )
    if verdicts.duplicated(["split", "row"]).any():
        raise WannError("a sample may have one verdict in force, one has two.", "verdicts")
    return [int(place) for place in index.place[found]]
