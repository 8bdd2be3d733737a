"""What people decided about labels: every verdict and every undo, appended to one SQLite file."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Sequence, Set
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import pandas as pd

from wann_core.datasets.dataset import Dataset
from wann_core.errors import WannError
from wann_core.paths import review_folder
from wann_core.progress import Progress
from wann_core.review.ledger_file import reading, writing
from wann_core.review.verdict import ACTIONS, FIELDS, SPLITS, Verdict, check_text, checked, of_frame
from wann_core.storage.tables import TEXT

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


class Operation(NamedTuple):
    """What can be undone or done again: its number, its samples, its name and its time (UTC)."""

    number: int
    rows: int
    batch: str | None
    when: str


class JudgedMeanwhile(WannError):
    """Somebody else has judged samples that a person was about to judge.

    Parameters
    ----------
    found : sequence of (str, int, str, str, str or None)
        Split, row, who, action and new label of each.
    """

    def __init__(self, found: Sequence[tuple[str, int, str, str, str | None]]) -> None:
        split, row, who, action, label = found[-1]
        verdict = f"relabel to {label!r}" if action == "relabel" else action
        more = f", and {len(found) - 1} more of these rows" if len(found) > 1 else ""
        super().__init__(
            f"{who} has judged {split} row {row} meanwhile ({verdict}){more}; nothing is recorded: "
            "look at it, and give your verdict again to overrule theirs.",
            "rows",
        )
        self.found = list(found)


_VERDICT = (
    "split",
    "row",
    "id",
    "given_label",
    "action",
    "new_label",
    "who",
    "when",
    "score",
    "score_name",
    "predicted_label",
    "note",
)
_EVENT = (
    "operation",
    "event",
    "target",
    "batch",
    "who",
    "when",
    "split",
    "row",
    "id",
    "given_label",
    "action",
    "new_label",
    "score",
    "score_name",
    "predicted_label",
    "note",
    "second_look",
)
# An operation counts unless the last that was done to it is an undo. MAX() picks the other
# columns' row, as SQLite documents it. Second looks are compared with what is in force.
_IN_FORCE = """
WITH last AS (
    SELECT target, kind, MAX(number) FROM operations WHERE target IS NOT NULL GROUP BY target
), in_force AS (
    SELECT o.number, o.who, o.time FROM operations o LEFT JOIN last ON last.target = o.number
    WHERE o.kind = 'record' AND (last.kind IS NULL OR last.kind = 'redo')
        AND o.number NOT IN (SELECT operation FROM second_looks)
), current AS (
    SELECT MAX(v.operation) AS operation, v.split, v.row, v.id, v.given_label, v.action,
        v.new_label, f.who, f.time, v.score, v.score_name, v.predicted_label
    FROM verdicts v JOIN in_force f ON f.number = v.operation GROUP BY v.split, v.row
)
"""


_WITH_NOTE = (
    "LEFT JOIN notes n ON n.operation = v.operation AND n.split = v.split AND n.row = v.row"
)
_STORED = FIELDS[:-1]  # all but the note, which lies in a table of its own


def ledger_of(data: Dataset, review_root: str | Path | None = None) -> "Ledger":
    """The ledger of a data set, shared by all backbones under which it has the same labels.

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
    """Verdicts of people about the labels of one data set; nothing is ever changed or deleted.

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
                _check_unseen(database, {row[:2] for row in values}, seen, who)
            number = _append(database, "record", who, batch=batch)
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
            return _operation(database, _stacks(database, who)[0])

    def redoable(self, who: str) -> Operation | None:
        """What `redo` would do again."""
        with reading(self.path) as database:
            return _operation(database, _stacks(database, who)[1])

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
            return _frame(list(rows_in_force(database)), _VERDICT)

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
                f"{_WITH_NOTE} ORDER BY o.number, v.split, v.row"
            ).fetchall()
        return _frame(found, _EVENT)

    def counts(self) -> dict[str, int]:
        """Samples by the action in force, in the order of `ACTIONS`."""
        with reading(self.path) as database:
            found = dict(
                database.execute(f"{_IN_FORCE} SELECT action, COUNT(*) FROM current GROUP BY 1")
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
            stack = _stacks(database, who)[kind == "redo"]
            if not stack:
                return None
            _append(database, kind, who, target=stack[-1])
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


def _check_unseen(
    database: sqlite3.Connection, samples: Set[tuple[str, int]], seen: int, who: str
) -> None:
    others = "SELECT 1 FROM operations WHERE number > ? AND who != ? LIMIT 1"
    if database.execute(others, (seen, who)).fetchone() is None:
        return  # as almost always: what is in force need not be looked up
    newer = database.execute(
        f"{_IN_FORCE} SELECT split, row, who, action, new_label FROM current "
        "WHERE operation > ? AND who != ? ORDER BY operation",
        (seen, who),
    ).fetchall()
    found = [row for row in newer if row[:2] in samples]
    if found:
        raise JudgedMeanwhile(found)


def rows_in_force(database: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """What `Ledger.verdicts` answers, row by row, of an open ledger."""
    yield from database.execute(
        f"{_IN_FORCE} SELECT v.split, v.row, id, given_label, action, new_label, who, time, score, "
        f"score_name, predicted_label, n.note FROM current v {_WITH_NOTE} "
        "ORDER BY v.operation, v.split, v.row"
    )


def _append(
    database: sqlite3.Connection,
    kind: str,
    who: str,
    *,
    target: int | None = None,
    batch: str | None = None,
) -> int:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    cursor = database.execute(
        "INSERT INTO operations (kind, target, who, batch, time) VALUES (?, ?, ?, ?, ?)",
        (kind, target, who, batch, now),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _stacks(database: sqlite3.Connection, who: str) -> tuple[list[int], list[int]]:
    """Numbers of a person's operations that are done, and of those undone; the last ones last."""
    done: list[int] = []
    undone: list[int] = []
    for number, kind in database.execute(
        "SELECT number, kind FROM operations WHERE who = ? ORDER BY number", (who,)
    ):
        if kind == "record":
            done.append(number)
            undone.clear()
        else:
            source, goal = (done, undone) if kind == "undo" else (undone, done)
            if not source:
                raise _damaged(f"operation {number} is a {str(kind)[:20]!r} of nothing")
            goal.append(source.pop())
    return done, undone


def _operation(database: sqlite3.Connection, stack: Sequence[int]) -> Operation | None:
    if not stack:
        return None
    found = database.execute(
        "SELECT batch, time, (SELECT COUNT(*) FROM verdicts WHERE operation = number) "
        "FROM operations WHERE number = ?",
        (stack[-1],),
    ).fetchone()
    if found is None:  # a broken tree: listed, and not found by its number
        raise _damaged(f"operation {stack[-1]} cannot be found")
    batch, when, rows = found
    if not isinstance(when, str) or not isinstance(batch, str | None):
        raise _damaged(f"operation {stack[-1]} has no time")
    return Operation(stack[-1], rows, batch, when)


def _frame(found: Sequence[tuple[Any, ...]], columns: Sequence[str]) -> pd.DataFrame:
    kinds = {
        "row": "Int64",
        "score": "float64",
        "operation": "int64",
        "target": "Int64",
        "second_look": "int64",
    }
    for place, column in enumerate(columns):
        # SQLite holds any type in any column, and pandas makes text of whatever it gets.
        plain = {**dict.fromkeys(kinds, int), "score": int | float}.get(column, str)
        if not all(row[place] is None or isinstance(row[place], plain) for row in found):
            raise _damaged(f"a value of {column!r} is of another type")
    kinds = {**dict.fromkeys(columns, TEXT), **kinds}
    if columns is _VERDICT:
        kinds["row"] = "int64"
    frame = pd.DataFrame(found, columns=list(columns))
    return frame.astype({column: kinds[column] for column in columns})


def _damaged(what: str) -> WannError:
    return WannError(f"the ledger is damaged: {what}; restore it from a backup.", "ledger")
