"""The SQLite file of a ledger: its tables, and transactions on it."""

import contextlib
import random
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from wann_core.errors import WannError
from wann_core.progress import Progress


def _append_only(*tables: str) -> tuple[str, ...]:
    """Triggers that refuse every change and deletion."""
    return tuple(
        f"CREATE TRIGGER {table}_no_{what.lower()} BEFORE {what} ON {table} "
        "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        for table in tables
        for what in ("UPDATE", "DELETE")
    )


_APPLICATION = 0x57414E4E  # 'WANN'
_VERSION = 2
_FIRST_SCHEMA = (
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
    given_label TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('keep', 'relabel', 'remove', 'unsure')),
    new_label TEXT,
    id TEXT NOT NULL,
    score REAL,
    score_name TEXT NOT NULL,
    predicted_label TEXT,
    PRIMARY KEY (operation, split, row),
    CHECK ((action = 'relabel') = (new_label IS NOT NULL))
) WITHOUT ROWID""",
    "CREATE INDEX targets ON operations (target)",
    *_append_only("operations", "verdicts"),
)
# Version 1 has no notes and no second looks. It is read as if they were empty, and gets them with
# the next verdict.
_NOTES = """TABLE notes (
    operation INTEGER NOT NULL,
    split TEXT NOT NULL,
    row INTEGER NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (operation, split, row)
) WITHOUT ROWID"""
_SECOND_LOOKS = "TABLE second_looks (operation INTEGER PRIMARY KEY)"
_SINCE_SECOND = (
    f"CREATE {_NOTES}",
    f"CREATE {_SECOND_LOOKS}",
    *_append_only("notes", "second_looks"),
)
_SCHEMA = (*_FIRST_SCHEMA, *_SINCE_SECOND)
# SQLite's own waiting doubles its pauses up to a tenth of a second: under load, those who have
# waited long come least often. Here all come equally often.
_PAUSE_SECONDS = 0.001, 0.008
_MOST_WAIT_SECONDS = 120.0
_REPORT_SECONDS = 0.5
# A read takes its lock with the first look.
_BEGIN_READING = ("BEGIN", "SELECT COUNT(*) FROM sqlite_master")
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that sees one state of a ledger; an empty one where there is no file yet.

    Raises
    ------
    WannError
        If the file is damaged, foreign or of another version.
    """
    if path.exists():
        # Writable, so that what a killed writer left half done can be rolled back.
        with _transaction(path, "mode=rw", *_BEGIN_READING) as database:
            if version := _version(database, path):
                _complete(database, version)
                yield database
                return
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        _create(database)
        yield database


@contextlib.contextmanager
def open_untrusted(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a file that came from elsewhere: nothing is written, no lock is taken.

    Raises
    ------
    WannError
        If the file is not a ledger.
    """
    steps = ("PRAGMA trusted_schema=OFF", "PRAGMA cell_size_check=ON", "BEGIN")
    with _transaction(path, "mode=ro&immutable=1", *steps) as database:
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1 << 20)
        version = _version(database, path)
        if not version:
            raise WannError(f"the file {path.name!r} is empty.", "ledger")
        _complete(database, version)
        yield database


@contextlib.contextmanager
def writing(path: Path, progress: Progress | None = None) -> Iterator[sqlite3.Connection]:
    """A transaction that no other process shares; the file is made if need be.

    While others write, `progress` is called some times and may raise to stop the wait.

    Raises
    ------
    WannError
        If the file cannot be written, is damaged, foreign or of another version.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(path, error) from error
    # The rollback journal: in WAL mode, SQLite before 3.51.3 can corrupt a database that several
    # connections write. EXTRA is FULL, and holds when power fails just after.
    steps = ("PRAGMA journal_mode=DELETE", "PRAGMA synchronous=EXTRA", "BEGIN IMMEDIATE")
    with _transaction(path, "mode=rwc", *steps, progress=progress) as database:
        version = _version(database, path)
        if not version:
            _create(database)
        elif version < _VERSION:
            _upgrade(database)
        yield database


@contextlib.contextmanager
def _transaction(
    path: Path, mode: str, *steps: str, progress: Progress | None = None
) -> Iterator[sqlite3.Connection]:
    """On a connection of its own: threads and processes never share one."""
    try:
        database = sqlite3.connect(
            f"{path.absolute().as_uri()}?{mode}",
            uri=True,
            timeout=0,
            isolation_level=None,
        )
        # Without a commit, closing rolls back.
        with contextlib.closing(database):
            for step in steps:
                _patiently(database, step, progress)
            yield database
            _patiently(database, "COMMIT", progress)
    except (sqlite3.Error, OverflowError, UnicodeDecodeError) as error:
        raise _unusable(path, error) from error


def _patiently(database: sqlite3.Connection, step: str, progress: Progress | None) -> None:
    """Carry out a step that may have to wait for others."""
    began = reported = time.monotonic()
    while True:
        try:
            database.execute(step).fetchall()
            return
        except sqlite3.OperationalError as error:
            now = time.monotonic()
            if error.sqlite_errorcode & 0xFF not in _BUSY or now - began > _MOST_WAIT_SECONDS:
                raise
        if progress is not None and now - reported > _REPORT_SECONDS:
            reported = now
            progress(0, 1, "waiting for others who write to the ledger")
        time.sleep(random.uniform(*_PAUSE_SECONDS))


def _unusable(path: Path, error: Exception) -> WannError:
    # SQLite quotes the schema, which has several lines.
    reason = " ".join(str(error).split())[:200].rstrip(".")
    return WannError(f"the ledger {str(path)!r} cannot be used: {reason}.", "ledger")


def _version(database: sqlite3.Connection, path: Path) -> int:
    """The version of an open file that has our tables and nothing else; 0 if it is empty."""
    application = database.execute("PRAGMA application_id").fetchone()[0]
    version = database.execute("PRAGMA user_version").fetchone()[0]
    found = database.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL LIMIT 100")
    tables = {text for (text,) in found}
    if not (application or version or tables):
        return 0
    schema = {1: _FIRST_SCHEMA, _VERSION: _SCHEMA}.get(version)
    if application == _APPLICATION and schema is None:
        raise WannError(
            f"the ledger {str(path)!r} is of version {version}, this program knows 1 to "
            f"{_VERSION}; use the program that wrote it.",
            "ledger",
        )
    # Views and triggers of others could make a query answer anything.
    if application != _APPLICATION or schema is None or tables != {*schema}:
        raise WannError(f"the file {str(path)!r} is not a ledger of verdicts.", "ledger")
    return int(version)


def _complete(database: sqlite3.Connection, version: int) -> None:
    """Give a ledger of an earlier version, for this connection, the tables that it lacks."""
    if version < _VERSION:
        for table in (_NOTES, _SECOND_LOOKS):
            database.execute(f"CREATE TEMPORARY {table}")


def _create(database: sqlite3.Connection) -> None:
    for statement in _FIRST_SCHEMA:
        database.execute(statement)
    database.execute(f"PRAGMA application_id={_APPLICATION}")
    _upgrade(database)


def _upgrade(database: sqlite3.Connection) -> None:
    for statement in _SINCE_SECOND:
        database.execute(statement)
    database.execute(f"PRAGMA user_version={_VERSION}")
