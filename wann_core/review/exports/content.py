"""What an export is made of, and what comes of it."""

import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import pandas as pd

from wann_core.audit.result import Audit
from wann_core.datasets.dataset import Dataset
from wann_core.datasets.images import ImageSplit
from wann_core.errors import WannError
from wann_core.review.corrections import Corrected, corrected
from wann_core.review.rows import RowIndex
from wann_core.storage.files import write_atomically
from wann_core.typing import Array


@dataclass(frozen=True, eq=False)
class Review:
    """A reviewed data set: what every export starts from.

    Attributes
    ----------
    data : Dataset
    verdicts : DataFrame
        The verdicts in force, as `Ledger.verdicts` answers.
    audit : Audit, optional
        Ranks the rows; formats whose `ranked` is true need it.
    positions : ndarray of int64, optional
        Rows of the audit's table that ranked formats write, in this order; by default all, most
        doubtful first.
    """

    data: Dataset
    verdicts: pd.DataFrame
    audit: Audit | None = None
    positions: Array | None = None

    @cached_property
    def after(self) -> Corrected:
        """The labels after review."""
        return corrected(self.data, self.verdicts)

    @cached_property
    def index(self) -> RowIndex:
        """Where each row stands."""
        return RowIndex(self.data)

    @cached_property
    def table(self) -> pd.DataFrame:
        """The ranking with the verdict in force beside each row, see `review_table`.

        Labels that were made wrong on purpose are marked: `injected_errors` describes how, and
        `label_before_injection` what each was.
        """
        audit = self.ranked_by
        ranked = audit.ranked() if self.positions is None else audit.table.iloc[self.positions]
        table = review_table(ranked, self.verdicts, audit.score_name)
        table = with_columns(table, self.data.columns, self.index)
        if not self.data.injected:
            return table
        at = self.index.find(table["split"].to_numpy(object), table["row"].to_numpy())
        splits = [self.data.splits[name] for name in self.index.splits]
        before = np.concatenate([split.true[split.y >= 0] for split in splits])[at]
        names = np.array(self.data.class_names, dtype=object)
        return table.assign(
            injected_errors=self.data.injected, label_before_injection=names[before]
        )

    @property
    def ranked_by(self) -> Audit:
        """The audit.

        Raises
        ------
        WannError
            If there is none.
        """
        if self.audit is None:
            raise WannError("this format lists rows by doubt and needs an audit.", "format")
        return self.audit

    @cached_property
    def places(self) -> Array:
        """Position among all labeled rows (as in `index`) of each row of `table`."""
        return self.index.find(self.table["split"].to_numpy(object), self.table["row"].to_numpy())

    @cached_property
    def actions(self) -> dict[tuple[str, int], str]:
        """Action in force by split and row id."""
        columns = (self.verdicts[name].tolist() for name in ("split", "row", "action"))
        return {(split, row): action for split, row, action in zip(*columns, strict=True)}


@dataclass(frozen=True)
class Exported:
    """A file to be: its bytes, the rows in it, and how many rows could not go along.

    Those are of files whose name is not a safe relative path, or not unique in the format.
    """

    content: bytes
    rows: int
    left_out: int = 0

    def write(self, path: Path) -> None:
        """Write it whole or not at all."""
        write_atomically(path, lambda file: file.write(self.content))


@dataclass(frozen=True)
class Bundle:
    """Several small files to be, by their path in a folder, with '/' between folders."""

    files: Mapping[str, bytes]
    rows: int
    left_out: int = 0

    def write(self, folder: Path) -> None:
        """Write them into a folder, made if need be; nothing there is replaced.

        Raises
        ------
        WannError
            If one of the files is there already.
        """
        for name in self.files:
            if (folder / name).exists():
                raise WannError(
                    f"{str(folder / name)!r} is there already; move it away, or choose another "
                    "folder.",
                    "out",
                )
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Exported(content, 0).write(path)

    def zip(self) -> bytes:
        """The same as one zip file."""
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in self.files.items():
                archive.writestr(name, content)
        return file.getvalue()


class ImageRow(NamedTuple):
    """A row that keeps a label, and where its image is.

    Attributes
    ----------
    split : str
    place : int
        Position in the split.
    row : int
        Row id in the split's source.
    file : str
        Path of the image relative to `images.root`; '' where it is a row of an array.
    label, given : int
        Class id after review, and as given.
    action : str
        Verdict in force; '' where there is none.
    """

    split: str
    place: int
    row: int
    file: str
    label: int
    given: int
    action: str


def review_table(ranked: pd.DataFrame, verdicts: pd.DataFrame, score_name: str) -> pd.DataFrame:
    """A ranking with the verdict in force beside each row.

    Parameters
    ----------
    ranked : DataFrame
        With split and row; an audit's `ranked()`, all or a part of it.
    verdicts : DataFrame
        As `Ledger.verdicts` answers.
    score_name : str
        What gave `label_score`.

    Returns
    -------
    DataFrame
        The same rows and columns, and score_name, action, new_label, who, when and verdict_note;
        the last five are missing where nobody has judged, the note where there is none.
    """
    columns = ["split", "row", "action", "new_label", "who", "when", "note"]
    table = ranked.assign(score_name=score_name)
    judged = verdicts[columns].rename(columns={"note": "verdict_note"})
    return table.merge(judged, "left", on=["split", "row"], validate="one_to_one")


def with_columns(
    table: pd.DataFrame, columns: pd.DataFrame | None, index: RowIndex
) -> pd.DataFrame:
    """A table with the further columns of its rows; those called like one of its own get '_given'.

    Parameters
    ----------
    table : DataFrame
        With split and row.
    columns : DataFrame or None
        As `Dataset.columns`.
    index : RowIndex
    """
    if columns is None:
        return table
    at = index.find(table["split"].to_numpy(object), table["row"].to_numpy())
    found = columns.iloc[at].set_axis(table.index)
    text = [c for c in found if isinstance(found[c].dtype, pd.CategoricalDtype)]
    found = found.astype(dict.fromkeys(text, "object"))
    taken = {*table.columns, "label", "image", "embedding", "chance_wrong", "weight"}
    return table.join(found.rename(columns={c: f"{c}_given" for c in found if c in taken}))


def images_of(data: Dataset, split: str) -> ImageSplit | None:
    """The images of a split; None where there are none."""
    return data.images.splits.get(split) if data.images else None


def missing_images(data: Dataset) -> str:
    """Why the images of a data set cannot be exported; '' if they can."""
    if data.images is not None:
        return ""
    return f"the images of {data.name!r} are not known. {data.images_missing}".strip()


def missing_files(data: Dataset) -> str:
    """Why a format that names image files cannot serve a data set; '' if it can."""
    found = (images_of(data, name) for name in data.splits)
    if any(images is not None and images.files is not None for images in found):
        return ""
    why = data.images_missing or "They are rows of an array, or not known."
    return f"the images of {data.name!r} are not files. {why}"


def kept_images(review: Review) -> Iterator[ImageRow]:
    """Every row that has a label, was not removed, and has an image."""
    after = review.after
    for split, labels in after.labels.items():
        images = images_of(review.data, split)
        if images is None:
            continue
        own = review.data.splits[split]
        for place in np.flatnonzero(after.keep[split] & (own.y >= 0)).tolist():
            row = int(own.ids[place])
            yield ImageRow(
                split,
                place,
                row,
                "" if images.files is None else images.files[place],
                int(labels[place]),
                int(own.y[place]),
                review.actions.get((split, row), ""),
            )


def safe_path(file: str) -> bool:
    """Whether a name is a plain path inside its folder, for every program that reads it."""
    path = PurePosixPath(file)
    inside = path.name and not path.is_absolute() and ".." not in path.parts and "\\" not in file
    return bool(inside) and file.isprintable() and ":" not in file
