"""What is wrong with a user's table, found before anything is written."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wann_core.datasets.dataset import SPLITS
from wann_core.datasets.tables.image_files import unfit_images
from wann_core.datasets.tables.mending import drop_bad_rows
from wann_core.datasets.tables.table import Table
from wann_core.text import first_few
from wann_core.typing import Array

# Below this the default neighborhoods, of up to 51 rows, hold much of the table.
FEW_ROWS = 100
_LISTED = 5


@dataclass(frozen=True)
class Problem:
    """One problem of a table.

    Attributes
    ----------
    severity : {'error', 'warning'}
        A table with errors is not imported.
    text : str
        One sentence; row numbers count rows of data from 0.
    """

    severity: str
    text: str


def problems(table: Table, image_root: str | Path | None = None) -> list[Problem]:
    """List the problems of a table, errors first.

    Parameters
    ----------
    table : Table
    image_root : str or Path, optional
        Folder of the images that the table names; without it they are not looked for.

    Returns
    -------
    list of Problem
    """
    sound = drop_bad_rows(table)
    found = [
        *_embedding_problems(table, sound),
        *_duplicates(sound),
        *_label_problems(table),
        *_clean_problems(table),
        *_split_problems(table),
        *_id_problems(table),
        *_image_problems(table, image_root),
    ]
    return sorted(found, key=lambda problem: problem.severity)


def left_out(table: Table) -> str:
    """Say how many rows `drop_bad_rows` leaves out, and which; '' if none."""
    bad = np.setdiff1d(table.rows, drop_bad_rows(table).rows)
    if not len(bad):
        return ""
    return (
        f"{_count(len(bad), 'row holds', 'rows hold')} NaN, infinity or nothing in the embeddings "
        f"({_rows(bad)}; row 0 is the first)"
    )


def row_digests(X: Array, salt: bytes = b"") -> Array:
    """A number of 64 bits for each row, equal for equal rows (0 and -0 are equal)."""
    digests = (
        hashlib.blake2b((row + 0.0).tobytes(), digest_size=8, salt=salt).digest() for row in X
    )
    return np.frombuffer(b"".join(digests), dtype=np.uint64)


def missing_clean(y: Array, clean: Array) -> int:
    """Labeled rows without a clean label, if other labeled rows have one."""
    of_labeled = clean[y >= 0]
    lacking = int(np.count_nonzero(of_labeled < 0))
    return lacking if lacking < len(of_labeled) else 0


def _error(text: str) -> Problem:
    return Problem("error", text)


def _warning(text: str) -> Problem:
    return Problem("warning", text)


def _rows(rows: Array) -> str:
    """How a message lists rows: 'row 3', 'rows 3 and 5', 'rows 3, 5, 7, 9, 11 and 20 more'."""
    named = [str(row) for row in rows[:_LISTED]]
    if len(rows) > _LISTED:
        named = [", ".join(named), f"{len(rows) - _LISTED:,} more"]
    head, last = named[:-1], named[-1]
    return f"row {last}" if not head else f"rows {', '.join(head)} and {last}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _embedding_problems(table: Table, sound: Table) -> list[Problem]:
    found = []
    bad = np.setdiff1d(table.rows, sound.rows)
    if len(bad):
        found.append(
            _error(
                f"{_count(len(bad), 'row holds', 'rows hold')} NaN, infinity or nothing in "
                f"the embeddings ({_rows(bad)}); they can be dropped.",
            )
        )
    good = sound.X
    if len(good) == 0:
        return [*found, _error("no row has a complete embedding.")]
    if len(good) < FEW_ROWS:
        found.append(
            _warning(
                f"{_count(len(good), 'row is', 'rows are')} few: neighborhoods of 11 to 51 rows "
                f"want {FEW_ROWS} or more.",
            )
        )
    constant = np.flatnonzero((good == good[0]).all(axis=0))
    if len(constant) and len(good) > 1:
        names = table.columns.embeddings
        shown = [repr(names[c]) if len(names) > 1 else f"number {c}" for c in constant]
        found.append(
            _warning(
                f"{_count(len(constant), 'dimension is', 'dimensions are')} the same in all rows "
                f"({first_few(shown, _LISTED)}).",
            )
        )
    return found


def _duplicates(table: Table) -> list[Problem]:
    _, first, group = np.unique(row_digests(table.X), return_index=True, return_inverse=True)
    group = group.reshape(-1)
    copies = np.setdiff1d(np.arange(len(group)), first)
    found = []
    if len(copies):
        found.append(
            _warning(
                f"{_count(len(copies), 'row repeats', 'rows repeat')} the embedding of an earlier "
                f"row ({_rows(table.rows[copies])}).",
            )
        )
    labeled = table.y >= 0
    mixed = _groups_with_several(group[labeled], table.y[labeled])
    if mixed:
        found.append(
            _warning(
                f"{_count(mixed, 'embedding occurs', 'embeddings occur')} with different labels.",
            )
        )
    if table.split is not None:
        sides = table.split == "test"
        known = labeled & np.isin(table.split, ["train", "test"])
        shared = _groups_with_several(group[known], sides[known])
        if shared:
            found.append(
                _warning(
                    f"{_count(shared, 'embedding is', 'embeddings are')} both in train and in "
                    "test, which flatters every result.",
                )
            )
    return found


def _groups_with_several(group: Array, value: Array) -> int:
    pairs = np.unique(np.stack([group, value.astype(np.int64)]), axis=1)
    return int(np.count_nonzero(np.bincount(pairs[0]) > 1)) if pairs.size else 0


def _label_problems(table: Table) -> list[Problem]:
    labeled = table.y[table.y >= 0]
    if len(labeled) == 0:
        why = f": {'; '.join(table.remarks)}" if table.remarks else ""
        return [_error(f"no row has a label{why}.")]
    found = [_warning(f"{remark}.") for remark in table.remarks]
    without = len(table) - len(labeled)
    if without:
        found.append(
            _warning(
                f"{_count(without, 'row has', 'rows have')} no label and can only be predicted.",
            )
        )
    counts = np.bincount(labeled, minlength=len(table.class_names))
    if np.count_nonzero(counts) == 1:
        name = table.class_names[int(labeled[0])]
        found.append(_error(f"all labels are {name!r}; two classes are needed at least."))
    rare = np.flatnonzero(counts < 2)
    if len(rare):
        shown = first_few(rare, _LISTED, lambda c: repr(table.class_names[c]))
        found.append(
            _warning(
                f"{_count(len(rare), 'class has', 'classes have')} fewer than 2 rows with that "
                f"label ({shown}); a stratified split leaves such rows in train.",
            )
        )
    return found


def _clean_problems(table: Table) -> list[Problem]:
    if table.clean is None:
        return []
    split = np.zeros(len(table)) if table.split is None else table.split
    lacking = sum(
        missing_clean(table.y[split == name], table.clean[split == name])
        for name in np.unique(split)
    )
    if not lacking:
        return []
    return [
        _error(
            f"{_count(lacking, 'row has', 'rows have')} a label but no clean label, while others "
            "have one; fill that column or leave it out.",
        )
    ]


def _split_problems(table: Table) -> list[Problem]:
    if table.split is None:
        return []
    found = []
    lost = (table.split == "") & (table.y >= 0)
    if lost.any():
        found.append(
            _error(
                f"{_count(int(lost.sum()), 'row has', 'rows have')} a label but no split "
                f"({_rows(table.rows[lost])}).",
            )
        )
    seen = {name: set(table.y[(table.split == name) & (table.y >= 0)].tolist()) for name in SPLITS}
    if not seen["train"]:
        found.append(_error("no labeled row is in the split 'train'."))
    for name in ("val", "test"):
        unknown = sorted(seen[name] - seen["train"])
        if seen["train"] and unknown:
            shown = first_few(unknown, _LISTED, lambda c: repr(table.class_names[c]))
            found.append(
                _warning(
                    f"{_count(len(unknown), 'class is', 'classes are')} in {name} but never in "
                    f"train ({shown}).",
                )
            )
    return found


def _id_problems(table: Table) -> list[Problem]:
    if table.ids is None:
        return []
    given = [name for name in table.ids if name]
    found = []
    repeated = len(given) - len(set(given))
    if repeated:
        found.append(_warning(f"{_count(repeated, 'id repeats', 'ids repeat')} an earlier one."))
    if len(given) < len(table):
        number = len(table) - len(given)
        found.append(_warning(f"{_count(number, 'row has', 'rows have')} no id."))
    return found


def _image_problems(table: Table, image_root: str | Path | None) -> list[Problem]:
    if table.images is None or image_root is None:
        return []
    if not Path(image_root).is_dir():
        return [_error(f"the folder of images {str(image_root)!r} does not exist.")]
    outside, missing = (table.rows[places] for places in unfit_images(image_root, table.images))
    where = f"the folder {str(image_root)!r}"
    found = []
    if len(outside):
        count = _count(len(outside), "image lies", "images lie")
        found.append(_error(f"{count} outside {where} ({_rows(outside)})."))
    if len(missing):
        count = _count(len(missing), "image is", "images are")
        found.append(_warning(f"{count} not in {where} ({_rows(missing)})."))
    return found
