"""Review of an audit of partitions: verdicts on its most doubtful rows, and what comes of them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from wann_core.audit.sharded.output import (
    DOUBTFUL,
    MOST_DOUBTFUL,
    SUMMARY,
    SUMMARY_BYTES,
    checked_summary,
    damaged,
)
from wann_core.datasets.tables import Limits
from wann_core.datasets.tables.records import read_columns
from wann_core.errors import WannError
from wann_core.paths import review_folder
from wann_core.review.ledger import Ledger
from wann_core.review.verdict import Verdict
from wann_core.typing import Array

_LIMITS = Limits(max_bytes=1 << 30, max_rows=MOST_DOUBTFUL, max_columns=100)
_TEXT = ("partition", "name", "given_label", "predicted_label")
_NUMBERS = ("label_score", "given_share", "predicted_share", "reliability")
_WHOLE = ("row", "near_duplicate_group")
_FLAGS = ("is_label_issue",)
_COLUMNS = (*_TEXT, *_NUMBERS, *_WHOLE, *_FLAGS)
# A ledger knows a row by one number: its place takes this many bits, its partition the rest.
_ROW_BITS = 40
_SPLIT = "train"
_SCORE_NAME = "combined"
VERDICT = ("action", "new_label", "who", "when", "note")


@dataclass(frozen=True, eq=False)
class PartitionedReview:
    """The most doubtful rows of an audit of partitions, and the verdicts on them.

    Attributes
    ----------
    folder : Path
        What `wann audit --cluster` has written.
    summary : mapping
        What `summary.json` holds.
    table : DataFrame
        Most doubtful first: partition, row (its number in the partition's file), name, given_label,
        predicted_label, label_score, given_share, predicted_share, reliability, is_label_issue,
        near_duplicate_group.
    ledger : Ledger
        Of this result, wherever its folder lies.
    """

    folder: Path
    summary: Mapping[str, Any]
    table: pd.DataFrame
    ledger: Ledger
    numbers: Array

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(self.summary["class_names"])

    def judge(
        self, lines: Array, action: str, who: str, new: str | None = None, seen: int | None = None
    ) -> int:
        """Record a verdict on lines of the table, as one operation.

        Parameters
        ----------
        lines : ndarray of integer
        action : {'keep', 'relabel', 'remove', 'unsure'}
        who : str
        new : str, optional
            Class name, under 'relabel'; by default what is suggested for each row.
        seen : int, optional
            See `Ledger.record`.

        Returns
        -------
        int
            Rows that have a verdict now. To relabel as suggested leaves out those whose suggestion
            is the label they have.

        Raises
        ------
        WannError
            If no row is left, or a value is not allowed.
        JudgedMeanwhile
            As `Ledger.record` does.
        """
        rows, numbers = self.table.iloc[lines], self.numbers[lines]
        made = []
        for number, row in zip(numbers.tolist(), rows.to_dict("records"), strict=True):
            given, suggested = row["given_label"], row["predicted_label"]
            label = suggested if new is None else new
            if action == "relabel" and new is None and label == given:
                continue
            kept = action == "relabel" and label == given
            made.append(
                Verdict(
                    split=_SPLIT,
                    row=number,
                    given_label=given,
                    action="keep" if kept else action,
                    new_label=label if action == "relabel" and not kept else None,
                    id=f"{row['partition']}: {row['name'] or row['row']}"[-4096:],
                    score=row["label_score"],
                    score_name=_SCORE_NAME,
                    predicted_label=suggested,
                )
            )
        if not made:
            raise WannError("no other label is suggested for these rows.", "rows")
        self.ledger.record(made, who=who, seen=seen)
        return len(made)

    def reviewed(self) -> pd.DataFrame:
        """Return the table with the verdict in force beside each row; missing where there is none.

        Columns: those of `table`, then action, new_label, who, when, note.
        """
        verdicts = self.ledger.verdicts().set_index("row")[list(VERDICT)]
        beside = verdicts.reindex(self.numbers).set_index(self.table.index)
        return self.table.join(beside)


def open_review(folder: str | Path, review_root: str | Path | None = None) -> PartitionedReview:
    """Open the folder that `wann audit --cluster` has written, to review its most doubtful rows.

    Parameters
    ----------
    folder : path
        On this machine.
    review_root : path, optional
        Folder of the ledgers; by default `review_folder()`.

    Raises
    ------
    WannError
        If it holds no such result, or a damaged one.
    """
    folder = Path(folder)
    summary = _summary(folder)
    table, numbers = _table(folder, summary)
    digest = hashlib.blake2b(digest_size=12)
    for part in (summary["class_names"], numbers.tolist(), table["given_label"].tolist()):
        digest.update(json.dumps(part).encode())
    root = review_folder() if review_root is None else Path(review_root)
    name = quote(folder.resolve().name, safe="")[:100]
    ledger = Ledger(root / f"{name}-partitions-{digest.hexdigest()}.sqlite", summary["class_names"])
    return PartitionedReview(folder, summary, table, ledger, numbers)


def _summary(folder: Path) -> dict[str, Any]:
    path = folder / SUMMARY
    if not path.is_file():
        raise WannError(
            f"{str(folder)!r} holds no finished audit of partitions: it has no {SUMMARY}, which "
            "`wann audit --cluster … --out FOLDER` writes last.",
            "path",
        )
    try:
        if path.stat().st_size > SUMMARY_BYTES:
            raise damaged(folder, f"{SUMMARY} is larger than {SUMMARY_BYTES >> 20} MiB")
        return checked_summary(folder, path.read_bytes())
    except OSError as error:
        raise damaged(folder, f"{SUMMARY} cannot be read") from error


def _table(folder: Path, summary: Mapping[str, Any]) -> tuple[pd.DataFrame, Array]:
    """The rows, and the number of each in the ledger."""
    path = folder / DOUBTFUL
    if not path.is_file():
        raise damaged(folder, f"{DOUBTFUL} is missing")
    found = read_columns(path, _COLUMNS, limits=_LIMITS)
    missing = [name for name in _COLUMNS if name not in found]
    if missing:
        raise damaged(folder, f"{DOUBTFUL} lacks the column {missing[0]!r}")
    table = pd.DataFrame(found, columns=list(_COLUMNS))
    try:
        for names, kind in ((_NUMBERS, float), (_WHOLE, int)):
            for name in names:
                table[name] = np.array([kind(text) for text in found[name]])
    except (ValueError, OverflowError) as error:
        raise damaged(folder, f"a value of {name!r} is not a number") from error
    for name in _FLAGS:
        table[name] = [text.casefold() == "true" for text in found[name]]
    if not np.isfinite(table["label_score"]).all():
        raise damaged(folder, "a row has no score")
    used = set(table["given_label"]) | set(table["predicted_label"])
    if strange := used - set(summary["class_names"]):
        raise damaged(folder, f"{min(strange)[:80]!r} is not a class of {SUMMARY}")
    return table, _numbers(folder, table, _names(summary["partitions"]))


def _numbers(folder: Path, table: pd.DataFrame, names: Sequence[str]) -> Array:
    places = {name: place for place, name in enumerate(names)}
    if len(places) < len(names):
        raise damaged(folder, "two partitions have one name")
    known = table["partition"].map(places)
    if known.isna().any():
        raise damaged(folder, f"{DOUBTFUL} names a partition that {SUMMARY} does not")
    rows = table["row"].to_numpy(np.int64)
    if len(rows) and not (rows.min() >= 0 and rows.max() < 1 << _ROW_BITS):
        raise damaged(folder, "a row has no number")
    numbers = (known.to_numpy(np.int64) << _ROW_BITS) + rows
    if len(np.unique(numbers)) < len(numbers):
        raise damaged(folder, "a row is there twice")
    return np.asarray(numbers)


def _names(partitions: Sequence[Any]) -> list[str]:
    """What each partition is called in the table of the most doubtful rows."""
    names = []
    for one in partitions:
        name = one.get("name", Path(str(one.get("source"))).name) if isinstance(one, dict) else None
        names.append(name if isinstance(name, str) else "")
    return names
