"""What a ledger's tables answer: verdicts in force, operations, what others judged meanwhile."""

import sqlite3
from collections.abc import Iterator, Sequence, Set
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pandas as pd

from wann_core.errors import WannError
from wann_core.storage.tables import TEXT

_LABEL = ("split", "row", "id", "given_label", "action", "new_label")
_SUGGESTION = ("score", "score_name", "predicted_label", "note")
VERDICT = (*_LABEL, "who", "when", *_SUGGESTION)
EVENT = (
    *("operation", "event", "target", "batch", "who", "when"),
    *_LABEL,
    *_SUGGESTION,
    "second_look",
)
# An operation counts unless the last that was done to it is an undo. MAX() picks the other
# columns' row, as SQLite documents it. Second looks are compared with what is in force.
IN_FORCE = """
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
WITH_NOTE = "LEFT JOIN notes n ON n.operation = v.operation AND n.split = v.split AND n.row = v.row"


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


def check_unseen(
    database: sqlite3.Connection, samples: Set[tuple[str, int]], seen: int, who: str
) -> None:
    """Raise `JudgedMeanwhile` if others have judged these samples after operation `seen`."""
    others = "SELECT 1 FROM operations WHERE number > ? AND who != ? LIMIT 1"
    if database.execute(others, (seen, who)).fetchone() is None:
        return  # as almost always: what is in force need not be looked up
    newer = database.execute(
        f"{IN_FORCE} SELECT split, row, who, action, new_label FROM current "
        "WHERE operation > ? AND who != ? ORDER BY operation",
        (seen, who),
    ).fetchall()
    found = [row for row in newer if row[:2] in samples]
    if found:
        raise JudgedMeanwhile(found)


def rows_in_force(database: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """What `Ledger.verdicts` answers, row by row, of an open ledger."""
    yield from database.execute(
        f"{IN_FORCE} SELECT v.split, v.row, id, given_label, action, new_label, who, time, score, "
        f"score_name, predicted_label, n.note FROM current v {WITH_NOTE} "
        "ORDER BY v.operation, v.split, v.row"
    )


def append(
    database: sqlite3.Connection,
    kind: str,
    who: str,
    *,
    target: int | None = None,
    batch: str | None = None,
) -> int:
    """Add an operation and return its number."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    cursor = database.execute(
        "INSERT INTO operations (kind, target, who, batch, time) VALUES (?, ?, ?, ?, ?)",
        (kind, target, who, batch, now),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def stacks(database: sqlite3.Connection, who: str) -> tuple[list[int], list[int]]:
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
                raise damaged(f"operation {number} is a {str(kind)[:20]!r} of nothing")
            goal.append(source.pop())
    return done, undone


def operation(database: sqlite3.Connection, stack: Sequence[int]) -> Operation | None:
    """The last operation of a stack; None of an empty one."""
    if not stack:
        return None
    found = database.execute(
        "SELECT batch, time, (SELECT COUNT(*) FROM verdicts WHERE operation = number) "
        "FROM operations WHERE number = ?",
        (stack[-1],),
    ).fetchone()
    if found is None:  # a broken tree: listed, and not found by its number
        raise damaged(f"operation {stack[-1]} cannot be found")
    batch, when, rows = found
    if not isinstance(when, str) or not isinstance(batch, str | None):
        raise damaged(f"operation {stack[-1]} has no time")
    return Operation(stack[-1], rows, batch, when)


def frame(found: Sequence[tuple[Any, ...]], columns: Sequence[str]) -> pd.DataFrame:
    """A table of rows, whose values are checked, as SQLite holds any type in any column."""
    kinds = {
        "row": "Int64",
        "score": "float64",
        "operation": "int64",
        "target": "Int64",
        "second_look": "int64",
    }
    for place, column in enumerate(columns):
        # Pandas makes text of whatever it gets.
        plain = {**dict.fromkeys(kinds, int), "score": int | float}.get(column, str)
        if not all(row[place] is None or isinstance(row[place], plain) for row in found):
            raise damaged(f"a value of {column!r} is of another type")
    kinds = {**dict.fromkeys(columns, TEXT), **kinds}
    if columns is VERDICT:
        kinds["row"] = "int64"
    frame = pd.DataFrame(found, columns=list(columns))
    return frame.astype({column: kinds[column] for column in columns})


def damaged(what: str) -> WannError:
    """The error of a ledger that holds what none writes."""
    return WannError(f"the ledger is damaged: {what}; restore it from a backup.", "ledger")
