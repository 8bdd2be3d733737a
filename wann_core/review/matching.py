"""Which sample of a data set a row of somebody's file is about."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from wann_core.datasets.dataset import Dataset
from wann_core.errors import WannError, check_choice
from wann_core.review.rows import RowIndex
from wann_core.review.verdict import Verdict
from wann_core.storage.tables import unescape_formula
from wann_core.text import shown

ALL = "all"
SEVERAL = -1


@dataclass(frozen=True)
class Answer:
    """What a file holds about one sample.

    Attributes
    ----------
    verdict : Verdict
        From the file alone: row -1 where the sample is identified by `id`, and given_label ''
        where the file does not name the label that was judged.
    who : str
        Who gave it; '' where the file does not name anyone.
    label : str or None
        The label that the sample has in the file, where it holds nothing else: keep or relabel is
        then derived from the given label.
    silent : bool
        Whether a label that agrees with ours is no verdict, as in a list of all rows.
    """

    verdict: Verdict
    who: str = ""
    label: str | None = None
    silent: bool = False


class Matcher:
    """Finds the sample that a row of a file is about."""

    def __init__(self, data: Dataset) -> None:
        self.data = data
        self.index = RowIndex(data)
        self.classes = {name: i for i, name in enumerate(data.class_names)}

    @cached_property
    def names(self) -> list[str]:
        """Name of each labeled row as tables show it; '' where there is none."""
        found = []
        for position in range(len(self.index)):
            split, place = self.index.locate(position)
            own = self.data.splits[split].names
            found.append("" if own is None else shown(own[place]))
        return found

    def fit(self, answer: Answer) -> Verdict | str:
        """The verdict under our own names, or why it fits no sample."""
        verdict = answer.verdict
        position = self.position(verdict)
        if position is None:
            return "no such sample"
        if position == SEVERAL:
            return "several samples of this name"
        split, place = self.index.locate(position)
        name = self.names[position]
        if verdict.row >= 0 and verdict.id and name and not _same_name(name, verdict.id):
            return "another name"
        given = self.data.class_names[self.data.splits[split].y[place]]
        if verdict.given_label and given not in unescape_formula(verdict.given_label):
            return "another given label"
        asked = verdict.new_label if answer.label is None else answer.label
        new = None
        if asked is not None:
            new = next((label for label in unescape_formula(asked) if label in self.classes), None)
            if new is None or (answer.label is None and new == given):
                return "no class of the data set"
        action = verdict.action
        if answer.label is not None:
            action, new = ("keep", None) if new == given else ("relabel", new)
        row = int(self.index.ids[position])
        return replace(
            verdict, split=split, row=row, id=name, given_label=given, action=action, new_label=new
        )

    def position(self, verdict: Verdict) -> int | None:
        """Where the sample stands among the labeled rows; None if it is not there, or `SEVERAL`."""
        if verdict.row < 0:
            return self.named(verdict.id)
        found = int(self.index.find([verdict.split], [verdict.row])[0])
        return None if found < 0 else found

    def named(self, text: str) -> int | None:
        """The sample of a name, of a path that ends in its name, or of either without a suffix.

        `SEVERAL` for a name shared by several, None for a name of no sample.
        """
        for name in unescape_formula(text):
            parts = name.split("/")
            for start in range(len(parts)):
                tail = "/".join(parts[start:])
                for known in (self._by_name, self._by_stem):
                    if tail in known:
                        return known[tail]
            if len(parts) == 1 and name in self._by_base:
                return self._by_base[name]
        return None

    @cached_property
    def _by_name(self) -> dict[str, int]:
        return _unique(self.names)

    @cached_property
    def _by_stem(self) -> dict[str, int]:
        return _unique(str(PurePosixPath(n).with_suffix("")) if n else "" for n in self.names)

    @cached_property
    def _by_base(self) -> dict[str, int]:
        return _unique(PurePosixPath(name).stem if name else "" for name in self.names)

    def class_id(self, text: str) -> int | None:
        """Class of a name, or of a class id where the text is not a name."""
        for label in unescape_formula(text):
            if label in self.classes:
                return self.classes[label]
        try:
            number = float(text)
        except ValueError:
            return None
        inside = number.is_integer() and 0 <= number < len(self.data.class_names)
        return int(number) if inside else None

    def samples(self, split: str | None, count: int) -> pd.DataFrame:
        """The labeled rows that a list of `count` rows is about, in their order.

        Parameters
        ----------
        split : str or None
            One split, or 'all' of them; None to take what has as many rows.
        count : int

        Returns
        -------
        DataFrame
            split, row, name, given_label_id.

        Raises
        ------
        WannError
            If there is no such split, or not just one of as many rows.
        """
        everything = self._samples()
        sizes = {name: int((everything["split"] == name).sum()) for name in self.index.splits}
        if split is None:
            fitting = [name for name, size in sizes.items() if size == count]
            split = ALL if len(everything) == count else fitting[0] if len(fitting) == 1 else None
        if split is None:
            listed = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
            raise WannError(
                f"the table has {count:,} rows, the data set {listed}: name the split.",
                "split",
            )
        if split == ALL:
            return everything
        check_choice("split", split, (*sizes, ALL))
        return everything[everything["split"] == split].reset_index(drop=True)

    def _samples(self) -> pd.DataFrame:
        index = self.index
        given = [self.data.splits[name].y for name in index.splits]
        labels = np.concatenate([y[y >= 0] for y in given])
        splits = np.asarray(index.splits, object)[index.split]
        columns = {"split": splits, "row": index.ids, "name": self.names}
        return pd.DataFrame({**columns, "given_label_id": labels})


def _unique(names: Iterable[str]) -> dict[str, int]:
    """Position of each name; `SEVERAL` for a name of several samples."""
    found: dict[str, int] = {}
    for position, name in enumerate(names):
        if name:
            found[name] = SEVERAL if name in found else position
    return found


def _same_name(name: str, text: str) -> bool:
    names = [_unbroken(part) for part in unescape_formula(text)]
    # A spreadsheet that saves in Windows-1252 writes '?' for each character that this lacks.
    lossy = name.encode("cp1252", "replace").decode("cp1252")
    return _unbroken(name) in names or _unbroken(lossy) in names


def _unbroken(text: str) -> str:
    """A text with its lines ended as in our CSV."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
