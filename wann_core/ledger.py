"""What people decided about labels: every verdict and every undo, appended to one SQLite file."""

import contextlib
import hashlib
import json
import math
import numbers
import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import pandas as pd

from wann_core.datasets.dataset import Dataset
from wann_core.errors import WannError, check_choice, check_number

ACTIONS = ("keep", "relabel", "remove", "unsure")
REVIEW_ROOT = "assets/reviews"
SPLITS = ("train", "val", "test")

APPLICATION_ID = 0x57414E4E  # 'WANN'
SCHEMA_VERSION = 1
SCHEMA = (
    """CREATE TABLE operations (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('record', 'undo', 'redo')),
    target INTEGER REFERENCES operations,
    who TEXT NOT NULL,
    batch TEXT,
    time TEXT NOT NULL,
    CHECK ((kind = 'record') = (target IS NULL))
)""",
    """CREATE TABLE verdicts (
    operation INTEGER NOT NULL REFERENCES operations,
    split TEXT NOT NULL,
    row INTEGER NOT NULL,
    id TEXT NOT NULL,
    given_label TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('keep', 'relabel', 'remove', 'unsure')),
    new_label TEXT,
    score REAL,
    score_name TEXT NOT NULL,
    predicted_label TEXT,
    PRIMARY KEY (operation, split, row),
    CHECK ((action = 'relabel') = (new_label IS NOT NULL))
) WITHOUT ROWID""",
    "CREATE INDEX targets ON operations (target)",
    *(
        f"CREATE TRIGGER {table}_no_{what.lower()} BEFORE {what} ON {table} "
        "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        for table in ("operations", "verdicts")
        for what in ("UPDATE", "DELETE")
    ),
)  # fmt: skip
_WAIT_SECONDS = 30.0
_MOST_ROW = 2**63 - 1
_LONGEST = {"who": 200, "batch": 1000, "id": 4096, "score_name": 200}
_LONGEST_LABEL = 4096


@dataclass(frozen=True)
class Verdict:
    """What somebody decided about the label of one sample.

    Attributes
    ----------
    split : {'train', 'val', 'test'}
    row : int
        Row id in the split's source, as in the audit's table.
    given_label : str
        Class name that the sample had when it was judged.
    action : {'keep', 'relabel', 'remove', 'unsure'}
    new_label : str or None
        Class name, under 'relabel' only.
    id : str
        The source's own name of the row; '' where it has none.
    score : float or None
        How doubtful the label was, 0 to 1.
    score_name : str
        What gave the score.
    predicted_label : str or None
        Class name that was proposed.
    """

    split: str
    row: int
    given_label: str
    action: str
    new_label: str | None = None
    id: str = ""
    score: float | None = None
    score_name: str = ""
    predicted_label: str | None = None


class Operation(NamedTuple):
    """What can be undone or done again: its number, its samples, its name and its time (UTC)."""

    number: int
    rows: int
    batch: str | None
    when: str


_FIELDS = tuple(field.name for field in fields(Verdict))
_OPTIONAL = ("new_label", "id", "score", "score_name", "predicted_label")
_VERDICT = (
    "split", "row", "id", "given_label", "action", "new_label", "who", "when",
    "score", "score_name", "predicted_label",
)  # fmt: skip
_EVENT = (
    "operation", "event", "target", "batch", "who", "when", "split", "row", "id", "given_label",
    "action", "new_label", "score", "score_name", "predicted_label",
)  # fmt: skip
# An operation counts unless the last that was done to it is an undo. MAX() picks the other
# columns' row, as SQLite documents it.
_IN_FORCE = """
WITH last AS (
    SELECT target, kind, MAX(number) FROM operations WHERE target IS NOT NULL GROUP BY target
), in_force AS (
    SELECT o.number, o.who, o.time FROM operations o LEFT JOIN last ON last.target = o.number
    WHERE o.kind = 'record' AND (last.kind IS NULL OR last.kind = 'redo')
), current AS (
    SELECT MAX(v.operation) AS operation, v.split, v.row, v.id, v.given_label, v.action,
        v.new_label, f.who, f.time, v.score, v.score_name, v.predicted_label
    FROM verdicts v JOIN in_force f ON f.number = v.operation GROUP BY v.split, v.row
)
"""


def review_folder() -> Path:
    """The folder of all ledgers: `WANN_REVIEW_ROOT`, else `REVIEW_ROOT`."""
    return Path(os.environ.get("WANN_REVIEW_ROOT") or REVIEW_ROOT)


def ledger_of(data: Dataset, review_root: str | Path | None = None) -> "Ledger":
    """The ledger of a data set, shared by all backbones under which it has the same labels.

    Its file is named by the data set and a digest of its classes and of split, row, name and given
    label of every labelled sample, so that no verdict meets another label than it was made for.

    Parameters
    ----------
    data : Dataset
    review_root : path, optional
        By default `review_folder()`.
    """
    folder = review_folder() if review_root is None else Path(review_root)
    name = quote(data.name, safe="")[:100]
    return Ledger(folder / f"{name}-{_digest(data)}.sqlite", data.class_names)


def _digest(data: Dataset) -> str:
    digest = hashlib.blake2b(digest_size=12)
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
        self, rows: pd.DataFrame | Sequence[Verdict], *, who: str, batch: str | None = None
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

        Returns
        -------
        int
            Number of the operation.

        Raises
        ------
        WannError
            If there is no verdict, or a value is not allowed; its field names the value.
        """
        _check_text("who", who, _LONGEST["who"], empty=False)
        if batch is not None:
            _check_text("batch", batch, _LONGEST["batch"])
        values = self._checked(rows)
        with self._writing() as database:
            number = _append(database, "record", who, batch=batch)
            database.executemany(
                "INSERT INTO verdicts (operation, split, row, given_label, action, new_label, id, "
                "score, score_name, predicted_label) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                ((number, *row) for row in values),
            )
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
        with self._reading() as database:
            return _operation(database, _stacks(database, who)[0])

    def redoable(self, who: str) -> Operation | None:
        """What `redo` would do again."""
        with self._reading() as database:
            return _operation(database, _stacks(database, who)[1])

    def verdicts(self) -> pd.DataFrame:
        """The verdict in force of each sample: the last that is not undone, whoever made it.

        Returns
        -------
        DataFrame
            Columns split, row, id, given_label, action, new_label, who, when (UTC, ISO 8601),
            score, score_name, predicted_label; latest operation last. What is not known is missing.
        """
        with self._reading() as database:
            found = database.execute(
                f"{_IN_FORCE} SELECT split, row, id, given_label, action, new_label, who, time, "
                "score, score_name, predicted_label FROM current ORDER BY operation, split, row"
            ).fetchall()
        return _frame(found, _VERDICT)

    def history(self) -> pd.DataFrame:
        """All that ever happened, in order: one row a verdict, one an undo or redo.

        Returns
        -------
        DataFrame
            Columns operation (its number), event ('record', 'undo', 'redo'), target (number of
            the operation undone or done again), batch, who, when, and those of a verdict.
        """
        with self._reading() as database:
            found = database.execute(
                "SELECT o.number, o.kind, o.target, o.batch, o.who, o.time, v.split, v.row, v.id, "
                "v.given_label, v.action, v.new_label, v.score, v.score_name, v.predicted_label "
                "FROM operations o LEFT JOIN verdicts v ON v.operation = o.number "
                "ORDER BY o.number, v.split, v.row"
            ).fetchall()
        return _frame(found, _EVENT)

    def counts(self) -> dict[str, int]:
        """Samples by the action in force, in the order of `ACTIONS`."""
        with self._reading() as database:
            found = dict(
                database.execute(f"{_IN_FORCE} SELECT action, COUNT(*) FROM current GROUP BY 1")
            )
        return {action: found.get(action, 0) for action in ACTIONS}

    def version(self) -> int:
        """A number that grows with every change, by whatever process; 0 at first."""
        with self._reading() as database:
            return int(database.execute("SELECT MAX(number) FROM operations").fetchone()[0] or 0)

    def _step(self, kind: str, who: str) -> int | None:
        _check_text("who", who, _LONGEST["who"], empty=False)
        if not self.path.exists():
            return None
        with self._writing() as database:
            stack = _stacks(database, who)[kind == "redo"]
            if not stack:
                return None
            _append(database, kind, who, target=stack[-1])
            return stack[-1]

    def _checked(self, rows: pd.DataFrame | Sequence[Verdict]) -> list[tuple[Any, ...]]:
        """Values as they are stored."""
        verdicts = _of_frame(rows) if isinstance(rows, pd.DataFrame) else list(rows)
        if not verdicts:
            raise WannError("there must be at least one verdict, got none.", "rows")
        values = [_stored(verdict, self.class_names) for verdict in verdicts]
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

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one state; an empty ledger where there is no file yet."""
        if self.path.exists():
            # Writable, so that what a killed writer left half done can be rolled back.
            with self._open("rw", "BEGIN") as database:
                if is_ledger(database, self.path):
                    yield database
                    return
        with contextlib.closing(sqlite3.connect(":memory:")) as database:
            _create(database)
            yield database

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(self.path, error) from error
        # The rollback journal: in WAL mode, SQLite before 3.51.3 can corrupt a database that
        # several connections write. EXTRA is FULL, and holds when power fails just after.
        steps = ("PRAGMA journal_mode=DELETE", "PRAGMA synchronous=EXTRA", "BEGIN IMMEDIATE")
        with self._open("rwc", *steps) as database:
            if not is_ledger(database, self.path):
                _create(database)
            yield database

    @contextlib.contextmanager
    def _open(self, mode: str, *steps: str) -> Iterator[sqlite3.Connection]:
        """A transaction on a connection of its own: threads and processes never share one."""
        try:
            place = f"{self.path.absolute().as_uri()}?mode={mode}"
            database = sqlite3.connect(place, uri=True, timeout=_WAIT_SECONDS, isolation_level=None)
            # Without a commit, closing rolls back.
            with contextlib.closing(database):
                for step in steps:
                    database.execute(step)
                yield database
                database.execute("COMMIT")
        except sqlite3.Error as error:
            raise _unusable(self.path, error) from error


def _unusable(path: Path, error: Exception) -> WannError:
    return WannError(f"the ledger {str(path)!r} cannot be used: {error}.", "ledger")


def is_ledger(database: sqlite3.Connection, path: Path) -> bool:
    """Whether an open file is a ledger, with our tables and nothing else; False if it is empty.

    Raises
    ------
    WannError
        If it is something else, or of another version.
    """
    application = database.execute("PRAGMA application_id").fetchone()[0]
    version = database.execute("PRAGMA user_version").fetchone()[0]
    found = database.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL LIMIT 100")
    tables = {text for (text,) in found}
    if not (application or version or tables):
        return False
    if application == APPLICATION_ID and version != SCHEMA_VERSION:
        raise WannError(
            f"the ledger {str(path)!r} is of version {version}, this program knows "
            f"{SCHEMA_VERSION}; use the program that wrote it.",
            "ledger",
        )
    # Views and triggers of others could make a query answer anything.
    if application != APPLICATION_ID or tables != {*SCHEMA}:
        raise WannError(f"the file {str(path)!r} is no ledger of verdicts.", "ledger")
    return True


def _create(database: sqlite3.Connection) -> None:
    for statement in SCHEMA:
        database.execute(statement)
    database.execute(f"PRAGMA application_id={APPLICATION_ID}")
    database.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


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
            goal.append(source.pop())
    return done, undone


def _operation(database: sqlite3.Connection, stack: Sequence[int]) -> Operation | None:
    if not stack:
        return None
    batch, when, rows = database.execute(
        "SELECT batch, time, (SELECT COUNT(*) FROM verdicts WHERE operation = number) "
        "FROM operations WHERE number = ?",
        (stack[-1],),
    ).fetchone()
    return Operation(stack[-1], rows, batch, when)


def _frame(found: Sequence[tuple[Any, ...]], columns: Sequence[str]) -> pd.DataFrame:
    frame = pd.DataFrame(found, columns=list(columns))
    kinds = {"row": "Int64", "score": "float64", "operation": "int64", "target": "Int64"}
    kinds = {**dict.fromkeys(columns, "str"), **kinds}
    if columns is _VERDICT:
        kinds["row"] = "int64"
    return frame.astype({column: kinds[column] for column in columns})


def _of_frame(rows: pd.DataFrame) -> list[Verdict]:
    missing = [name for name in _FIELDS if name not in rows and name not in _OPTIONAL]
    if missing:
        raise WannError(f"verdicts need the columns {', '.join(missing)}.", missing[0])
    found = [name for name in _FIELDS if name in rows]
    defaults = {"id": "", "score_name": ""}
    columns = [
        [defaults.get(name) if value is None or value is pd.NA or value != value else value
         for value in rows[name].tolist()]
        for name in found
    ]  # fmt: skip
    return [
        Verdict(**dict(zip(found, values, strict=True))) for values in zip(*columns, strict=True)
    ]


def _stored(verdict: Verdict, class_names: Sequence[str]) -> tuple[Any, ...]:
    """A verdict's values as the table stores them, each one checked."""
    check_choice("split", verdict.split, SPLITS)
    check_number("row", verdict.row, 0, _MOST_ROW, whole=True)
    check_choice("action", verdict.action, ACTIONS)
    for name in ("id", "score_name"):
        _check_text(name, getattr(verdict, name), _LONGEST[name])
    _check_text("given_label", verdict.given_label, _LONGEST_LABEL)
    if verdict.predicted_label is not None:
        _check_text("predicted_label", verdict.predicted_label, _LONGEST_LABEL)
    if verdict.action == "relabel":
        _check_new_label(verdict, class_names)
    elif verdict.new_label is not None:
        raise WannError(
            f"`new_label` goes with the action relabel only, got {verdict.new_label!r} with "
            f"{verdict.action}.",
            "new_label",
        )
    score = verdict.score
    if score is not None:
        real = isinstance(score, numbers.Real) and not isinstance(score, bool)
        if not real or not math.isfinite(score):
            raise WannError(f"`score` must be a finite number, got {score!r}.", "score")
        score = float(score)
    return astuple(replace(verdict, row=int(verdict.row), score=score))


def _check_new_label(verdict: Verdict, class_names: Sequence[str]) -> None:
    if verdict.new_label is None:
        raise WannError("`new_label` must be a class under the action relabel, got none.",
                        "new_label")  # fmt: skip
    _check_text("new_label", verdict.new_label, _LONGEST_LABEL)
    if verdict.new_label == verdict.given_label:
        raise WannError(
            f"`new_label` must differ from the given label {verdict.given_label!r}; "
            "take the action keep.",
            "new_label",
        )
    if class_names and verdict.new_label not in class_names:
        few = ", ".join(class_names[:10]) + (", …" if len(class_names) > 10 else "")
        raise WannError(
            f"`new_label` must be a class of the data set ({few}), got {verdict.new_label!r}.",
            "new_label",
        )


def _check_text(name: str, value: Any, longest: int, *, empty: bool = True) -> None:
    if not isinstance(value, str) or len(value) > longest or not (empty or value.strip()):
        least = "" if empty else "non-empty "
        shown = repr(value) if not isinstance(value, str) else repr(value[:60])
        raise WannError(
            f"`{name}` must be {least}text of at most {longest} characters, got {shown}.", name
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise WannError(f"`{name}` must be valid text, got {value[:60]!r}.", name) from None
    if "\0" in value:
        raise WannError(f"`{name}` must not hold the NUL character.", name)
