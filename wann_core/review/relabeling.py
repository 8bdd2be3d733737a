"""Another table of labels for embeddings that are there: a new version of a data set."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wann_core.datasets.dataset import Dataset
from wann_core.datasets.tables import Limits
from wann_core.datasets.tables.records import read_columns
from wann_core.errors import WannError
from wann_core.progress import Progress
from wann_core.review.exports.database import write_version
from wann_core.review.imports.kinds import LIMITS, as_utf8
from wann_core.review.matching import SEVERAL, Matcher
from wann_core.storage.tables import unescape_formula
from wann_core.typing import Array

_LABELS = ("label", "labels", "new_label", "consensus_label", "class", "target")
_NAMES = ("id", "name", "file", "file_name", "filename", "image", "image_path", "path")
_FEW = 5  # moves between classes that are listed by name


@dataclass(frozen=True, eq=False)
class Relabeled:
    """A data set under another table's labels.

    Attributes
    ----------
    data : Dataset
        The same rows; classes that are new come after those that were there.
    changes : DataFrame
        split, row, name, old_label and new_label of every row whose label is another now.
    listed : int
        Rows of the table that have a label.
    unchanged : int
        Rows that have the label that they had.
    untouched : int
        Labeled rows that the table does not name; they keep their labels.
    unmatched : mapping of str to int
        Rows of the table that fit no sample, by the reason.
    new_classes, empty_classes : tuple of str
        Classes that were not there, and those that no labeled row has any more.
    """

    data: Dataset
    changes: pd.DataFrame
    listed: int
    unchanged: int
    untouched: int
    unmatched: dict[str, int]
    new_classes: tuple[str, ...]
    empty_classes: tuple[str, ...]

    @property
    def text(self) -> str:
        """What changed, in sentences."""
        parts = [
            f"{self.listed:,} labels: {len(self.changes):,} changed",
            f"{self.unchanged:,} as before",
            f"{self.untouched:,} rows not in the table keep theirs",
        ]
        parts += [f"{n:,} left out ({why})" for why, n in self.unmatched.items()]
        pairs = zip(self.changes["old_label"], self.changes["new_label"], strict=True)
        moves = [f"{old} → {new} {n:,}" for (old, new), n in Counter(pairs).most_common(_FEW)]
        more = [f"Most often {', '.join(moves)}."] if moves else []
        more += [f"New classes: {', '.join(self.new_classes)}."] if self.new_classes else []
        more += [f"Without a row now: {', '.join(self.empty_classes)}."] * bool(self.empty_classes)
        return " ".join([", ".join(parts) + ".", *more])

    def write(
        self, database_root: str | Path, dataset: str, *, progress: Progress | None = None
    ) -> Path:
        """Write the data set as a new embedding database under another name; its folder.

        Raises
        ------
        WannError
            If nothing changed, a name is not allowed, or there is a database already.
        """
        if not len(self.changes):
            raise WannError("no label changed; there is nothing to write.", "labels")
        record = {
            "dataset": self.data.name,
            "changed": len(self.changes),
            "unmatched": dict(self.unmatched),
        }
        splits = self.data.splits
        return write_version(
            self.data, splits, database_root, dataset, {"relabeled": record}, progress
        )


def relabel(path: str | Path, data: Dataset, *, limits: Limits = LIMITS) -> Relabeled:
    """Put another table's labels on the rows of a data set, without embedding again.

    Parameters
    ----------
    path : path
        CSV or Parquet with a column of labels (label, new_label, consensus_label, class or target)
        and either split and row, or one of id, name, file, file_name, image and path: the row's
        own name, or a path that ends in it. Rows without a label are passed over. Labels are class
        names, new ones too; whole numbers are class ids where no class is called so.
    data : Dataset
    limits : Limits

    Raises
    ------
    WannError
        If a column is missing, or no row of the table fits.
    """
    with as_utf8(Path(path)) as (plain, _):
        found = read_columns(plain, ["split", "row", *_LABELS, *_NAMES], limits=limits)
    label = next((name for name in _LABELS if name in found), None)
    by_row = {"split", "row"} <= found.keys()
    name = next((name for name in _NAMES if name in found), None)
    if label is None or not (by_row or name):
        lacking = "label" if label is None else "id or file, or split and row"
        raise WannError(f"the table needs a column {lacking}.", "labels")
    listed = [i for i, text in enumerate(found[label]) if text]
    texts = [found[label][i] for i in listed]
    matcher = Matcher(data)
    if by_row:
        at = matcher.index.find(
            [found["split"][i] for i in listed], [_whole(found["row"][i]) for i in listed]
        )
        at = np.where(at < 0, -2, at)
    else:
        assert name is not None
        at = np.array([_place(matcher, found[name][i]) for i in listed], np.int64)
    unmatched = Counter[str]()
    unmatched["no such sample"] = int((at == -2).sum())
    unmatched["several samples of this name"] = int((at == SEVERAL).sum())
    fits = at >= 0
    places, lines = np.unique(at[fits], return_index=True)
    unmatched["the sample is there twice"] = int(fits.sum()) - len(places)
    if not len(places):
        raise WannError(f"no row of the table names a labeled row of {data.name!r}.", "labels")
    classes, codes = _classes(data, [texts[i] for i in np.flatnonzero(fits)[lines].tolist()])
    return _applied(matcher, classes, places, codes, len(listed), +unmatched)


def _applied(
    matcher: Matcher,
    classes: tuple[str, ...],
    places: Array,
    codes: Array,
    listed: int,
    unmatched: Counter[str],
) -> Relabeled:
    data, index = matcher.data, matcher.index
    names = np.asarray(classes, object)
    old = np.concatenate([data.splits[s].y[data.splits[s].y >= 0] for s in index.splits])
    new = old.copy()
    new[places] = codes
    changed = np.flatnonzero(new != old)
    changes = pd.DataFrame(
        {
            "split": np.asarray(index.splits, object)[index.split[changed]],
            "row": index.ids[changed],
            "name": [matcher.names[i] for i in changed.tolist()],
            "old_label": names[old[changed]],
            "new_label": names[new[changed]],
        }
    )
    splits: dict[str, Any] = {}
    for number, name in enumerate(index.splits):
        y = data.splits[name].y.copy()
        mine = index.split == number
        y[index.place[mine]] = new[mine]
        splits[name] = dataclasses.replace(data.splits[name], y=y)
    counts = np.bincount(new, minlength=len(classes))
    gone = (np.bincount(old, minlength=len(classes)) > 0) & (counts == 0)
    return Relabeled(
        dataclasses.replace(data, class_names=classes, **splits),
        changes,
        listed,
        len(places) - len(changed),
        len(old) - len(places),
        dict(unmatched),
        tuple(classes[data.n_classes :]),
        tuple(names[gone]),
    )


def _classes(data: Dataset, texts: Sequence[str]) -> tuple[tuple[str, ...], Array]:
    """All classes, and the class id of each label."""
    known = {name: i for i, name in enumerate(data.class_names)}
    plain = [next((t for t in unescape_formula(text) if t in known), text) for text in texts]
    ids = {text: _whole(text) for text in {*plain}}
    if not ids.keys() & known.keys() and all(0 <= i < len(known) for i in ids.values()):
        return data.class_names, np.array([ids[text] for text in plain], np.int64)
    for text in sorted({*plain} - known.keys()):
        known[text] = len(known)
    return tuple(known), np.array([known[text] for text in plain], np.int64)


def _place(matcher: Matcher, text: str) -> int:
    position = matcher.named(text)
    return -2 if position is None else position


def _whole(text: str) -> int:
    """A row id or a class id; -1 for what is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else -1
