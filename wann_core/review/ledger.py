"""What people decided about labels: every verdict and every undo, appended to one SQLite file."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from wann_core.datasets.dataset import Dataset
from wann_core.errors import WannError
from wann_core.paths import review_folder
from wann_core.progress import Progress
from wann_core.review import ledger_rows
from wann_core.review.ledger_file import reading, writing
from wann_core.review.ledger_rows import JudgedMeanwhile, Operation
from wann_core.review.verdict import ACTIONS, FIELDS, SPLITS, Verdict, check_text, checked, of_frame

__all__ = [
    "ACTIONS",
    "JudgedMeanwhile",
    "Ledger",
    "Operation",
    "Verdict",
    "has_ledger",
    "ledger_of",
]

_LONGEST = {"who": 200, "batch": 1000}
_DIGEST_BYTES = 12


_STORED = FIELDS[:-1]  # all but the note, which lies in a table of its own


def ledger_of(data: Dataset, review_root: str | Path | None = None) -> "Ledger":
    """Return the ledger of a data set, shared by all backbones with the same labels.

    Its file is named by the data set and a digest of its classes and of split, row, name and given
    label of every labeled sample, so that no verdict meets another label than it was made for.

    Parameters
    ----------
    data : Dataset
    review_root : path, optional
        By default `review_folder()`.
    """
    folder = review_folder() if review_root is None else Path(review_root)
    name = quote(data.name, safe="")[:100]
    return Ledger(folder / f"{name}-{_digest(data)}.sqlite", data.class_names)


def has_ledger(dataset: str, review_root: str | Path | None = None) -> bool:
    """Whether labels of a data set of this very name have been judged before."""
    folder = review_folder() if review_root is None else Path(review_root)
    pattern = f"{quote(dataset, safe='')[:100]}-{'[0-9a-f]' * 2 * _DIGEST_BYTES}.sqlite"
    return any(folder.glob(pattern))


def _digest(data: Dataset) -> str:
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    digest.update(json.dumps(data.class_names).encode())
    for name in SPLITS:
        split = data.splits.get(name)
        if split is None:
            continue
        order = np.argsort(split.ids, kind="stable")
        order = order[split.y[order] >= 0]
        digest.update(f"{name} {len(order)} ".encode())
        digest.update(split.ids[order].astype("<i8").tobytes())
        digest.update(split.y[order].astype("<i8").tobytes())
        if split.names is not None:
            names = "\0".join(split.names[row] for row in order.tolist())
            digest.update(names.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


class Ledger:
    """Append-only store of people's verdicts on the labels of one data set.

    The file is made by the first verdict. Several processes may write at once; what has been
    acknowledged survives a crash, and an operation is there whole or not at all.

    Parameters
    ----------
    path : path
        The SQLite file.
    class_names : sequence of str
        Allowed new labels; none are refused if it is empty.

    Raises
    ------
    WannError
        From every method: if the file is damaged, foreign, of a newer version, or cannot be used.
    """

    def __init__(self, path: str | Path, class_names: Sequence[str] = ()) -> None:
        self.path = Path(path)
        self.class_names = tuple(class_names)

    def record(
        self,
        rows: pd.DataFrame | Sequence[Verdict],
        *,
        who: str,
        batch: str | None = None,
        seen: int | None = None,
        second_look: bool = False,
        progress: Progress | None = None,
    ) -> int:
        """Append verdicts as one operation, all or none; what its author undid is gone for good.

        Parameters
        ----------
        rows : DataFrame or sequence of Verdict
            Each sample once; columns as `Verdict` has fields, the optional ones may be missing.
        who : str
            Whose verdicts they are.
        batch : str, optional
            What to call the operation.
        seen : int, optional
            The `version` that the person has seen: a verdict of somebody else that came later is
            not overruled unseen.
        second_look : bool
            Whether the person judged without knowing the verdict in force: that one stays in force,
            and `reviewers` compares the two.
        progress : callable, optional
            Called about once a second while others write; may raise to stop the wait.

        Returns
        -------
        int
            Number of the operation.

        Raises
        ------
        WannError
            If there is no verdict, or a value is not allowed; its field names the value.
        JudgedMeanwhile
            If somebody else has judged one of the samples since `seen`; nothing is recorded.
        """
        check_text("who", who, _LONGEST["who"], empty=False)
        if batch is not None:
            check_text("batch", batch, _LONGEST["batch"])
        values = self._checked(rows)
        with writing(self.path, progress) as database:
            if seen is not None and not second_look:
                ledger_rows.check_unseen(database, {row[:2] for row in values}, seen, who)
            number = ledger_rows.append(database, "record", who, batch=batch)
            database.executemany(
                f"INSERT INTO verdicts (operation, {', '.join(_STORED)}) "
                f"VALUES (?{', ?' * len(_STORED)})",
                ((number, *row[:-1]) for row in values),
            )
            database.executemany(
                "INSERT INTO notes (operation, split, row, note) VALUES (?, ?, ?, ?)",
                ((number, *row[:2], row[-1]) for row in values if row[-1]),
            )
            if second_look:
                database.execute("INSERT INTO second_looks VALUES (?)", (number,))
        return number

    def undo(self, who: str) -> int | None:
        """Take back that person's last operation; its number, None if there is none."""
        return self._step("undo", who)

    def redo(self, who: str) -> int | None:
        """Do again what that person undid last; its number, None if there is none.

        It counts from when it was recorded: a verdict that somebody made since stays in force.
        """
        return self._step("redo", who)

    def undoable(self, who: str) -> Operation | None:
        """What `undo` would take back."""
        with reading(self.path) as database:
            return ledger_rows.operation(database, ledger_rows.stacks(database, who)[0])

    def redoable(self, who: str) -> Operation | None:
        """What `redo` would do again."""
        with reading(self.path) as database:
            return ledger_rows.operation(database, ledger_rows.stacks(database, who)[1])

    def verdicts(self) -> pd.DataFrame:
        """The verdict in force of each sample: the last that is not undone, whoever made it.

        Returns
        -------
        DataFrame
            Columns split, row, id, given_label, action, new_label, who, when (UTC, ISO 8601),
            score, score_name, predicted_label, note; latest operation last. What is not known is
            missing.
        """
        with reading(self.path) as database:
            return ledger_rows.frame(list(ledger_rows.rows_in_force(database)), ledger_rows.VERDICT)

    def history(self) -> pd.DataFrame:
        """All that ever happened, in order: one row a verdict, one an undo or redo.

        Returns
        -------
        DataFrame
            Columns operation (its number), event ('record', 'undo', 'redo'), target (number of
            the operation undone or done again), batch, who, when, those of a verdict, and
            second_look (1 or 0).
        """
        with reading(self.path) as database:
            found = database.execute(
                "SELECT o.number, o.kind, o.target, o.batch, o.who, o.time, v.split, v.row, v.id, "
                "v.given_label, v.action, v.new_label, v.score, v.score_name, v.predicted_label, "
                "n.note, o.number IN (SELECT operation FROM second_looks) "
                "FROM operations o LEFT JOIN verdicts v ON v.operation = o.number "
                f"{ledger_rows.WITH_NOTE} ORDER BY o.number, v.split, v.row"
            ).fetchall()
        return ledger_rows.frame(found, ledger_rows.EVENT)

    def counts(self) -> dict[str, int]:
        """Samples by the action in force, in the order of `ACTIONS`."""
        with reading(self.path) as database:
            found = dict(
                database.execute(
                    f"{ledger_rows.IN_FORCE} SELECT action, COUNT(*) FROM current GROUP BY 1"
                )
            )
        return {action: found.get(action, 0) for action in ACTIONS}

    def version(self) -> int:
        """A number that grows with every change, by whatever process; 0 at first."""
        with reading(self.path) as database:
            return int(database.execute("SELECT MAX(number) FROM operations").fetchone()[0] or 0)

    def _step(self, kind: str, who: str) -> int | None:
        check_text("who", who, _LONGEST["who"], empty=False)
        if not self.path.exists():
            return None
        with writing(self.path) as database:
            stack = ledger_rows.stacks(database, who)[kind == "redo"]
            if not stack:
                return None
            ledger_rows.append(database, kind, who, target=stack[-1])
            return stack[-1]

    def _checked(self, rows: pd.DataFrame | Sequence[Verdict]) -> list[tuple[Any, ...]]:
        """Values as they are stored."""
        verdicts = of_frame(rows) if isinstance(rows, pd.DataFrame) else list(rows)
        if not verdicts:
            raise WannError("there must be at least one verdict, got none.", "rows")
        values = [checked(verdict, self.class_names) for verdict in verdicts]
        seen: set[tuple[str, int]] = set()
        for verdict in values:
            if verdict[:2] in seen:
                raise WannError(
                    "an operation may judge each sample once, "
                    f"got row {verdict[1]} of {verdict[0]} twice.",
                    "rows",
                )
            seen.add(verdict[:2])
        return values
