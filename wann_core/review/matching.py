"""Which sample of a data set a row of somebody's file is about."""

from dataclasses import replace

import numpy as np
import pandas as pd

from wann_core.datasets.dataset import Dataset
from wann_core.errors import WannError
from wann_core.review.verdict import SPLITS, Verdict


class Matcher:
    """Finds the sample that a row of a file is about."""

    def __init__(self, data: Dataset) -> None:
        self.data = data
        self.classes = {name: i for i, name in enumerate(data.class_names)}
        self.by_row: dict[tuple[str, int], int] = {}
        self.by_name: dict[str, tuple[str, int] | None] = {}
        for name in self._splits():
            split = data.splits[name]
            labeled = np.flatnonzero(split.y >= 0).tolist()
            ids = split.ids.tolist()
            self.by_row |= {(name, ids[place]): place for place in labeled}
            for place in labeled if split.names is not None else ():
                # A name of several rows tells none of them.
                key = shown(split.names[place]) if split.names is not None else ""
                self.by_name[key] = None if key in self.by_name else (name, place)

    def fit(self, verdict: Verdict) -> Verdict | str:
        """The verdict under our own names, or why it fits no sample."""
        at = self._place(verdict)
        if at is None:
            return "no such sample"
        split = self.data.splits[at[0]]
        name = shown(split.names[at[1]]) if split.names is not None else ""
        if (
            verdict.id
            and name
            and _unbroken(name) not in map(_unbroken, unescape_formula(verdict.id))
        ):
            return "another name"
        given = self.data.class_names[split.y[at[1]]]
        if given not in unescape_formula(verdict.given_label):
            return "another given label"
        new = verdict.new_label
        if new is not None:
            new = next((label for label in unescape_formula(new) if label in self.classes), None)
            if new is None or new == given:
                return "no class of the data set"
        row = int(split.ids[at[1]])
        return replace(verdict, split=at[0], row=row, id=name, given_label=given, new_label=new)

    def _place(self, verdict: Verdict) -> tuple[str, int] | None:
        if verdict.row < 0:
            return next(
                (self.by_name[n] for n in unescape_formula(verdict.id) if n in self.by_name), None
            )
        place = self.by_row.get((verdict.split, verdict.row))
        return None if place is None else (verdict.split, place)

    def class_id(self, text: str) -> int | None:
        """Class of a name, or of a class id where it is no name."""
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
            None for all of them, or the one split that has as many.
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
        parts = {name: self._samples(name) for name in self._splits()}
        if split is not None:
            if split not in parts:
                allowed = ", ".join(parts)
                raise WannError(f"`split` must be one of {allowed}; got {split!r}.", "split")
            return parts[split]
        if sum(map(len, parts.values())) == count:
            return pd.concat(parts.values(), ignore_index=True)
        fitting = [part for part in parts.values() if len(part) == count]
        if len(fitting) != 1:
            sizes = ", ".join(f"{name} {len(part):,}" for name, part in parts.items())
            raise WannError(
                f"the table has {count:,} rows, the data set {sizes}: say which split it is.",
                "split",
            )
        return fitting[0]

    def _samples(self, name: str) -> pd.DataFrame:
        split = self.data.splits[name]
        rows = np.flatnonzero(split.y >= 0)
        names = [""] * len(rows)
        if split.names is not None:
            names = [shown(split.names[row]) for row in rows.tolist()]
        columns = {"split": name, "row": split.ids[rows], "name": names}
        return pd.DataFrame({**columns, "given_label_id": split.y[rows]})

    def _splits(self) -> list[str]:
        return [name for name in SPLITS if name in self.data.splits]


def _unbroken(text: str) -> str:
    """A text with its lines ended as in our CSV."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def shown(name: str) -> str:
    """A name as tables show it."""
    return name.encode("utf-8", "backslashreplace").decode()


def unescape_formula(text: str) -> tuple[str, ...]:
    """A text and, where an apostrophe may only have kept it from being a formula, what follows."""
    return (text, text[1:]) if text[:1] == "'" and text[1:2] in tuple("=+-@\t\n") else (text,)
