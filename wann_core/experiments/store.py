"""Results of finished runs in an SQLite file, looked up before a run is repeated."""

import contextlib
import copy
import hashlib
import json
import platform
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from wann_core import datasets
from wann_core.errors import WannError
from wann_core.experiments import records
from wann_core.experiments.scenario import Scenario
from wann_core.paths import Roots, cache_folder
from wann_core.version import __version__, library_versions

T = TypeVar("T")

# Raised whenever the same scenario would give other numbers or other columns, so that old rows no
# longer answer.
_ENGINE_VERSION = 8
_WAIT_SECONDS = 30.0
_WRITE_SECONDS = 0.2
_FILE = "results.sqlite"
_SCORES = ("accuracy", "balanced_accuracy", "macro_f1")
# How the source of a run begins that was measured elsewhere.
IMPORTED = "import: "

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    key TEXT PRIMARY KEY,
    created TEXT NOT NULL,
    source TEXT NOT NULL,
    record TEXT NOT NULL,
    versions TEXT NOT NULL
)
"""


class StoreError(WannError):
    """The results store cannot be read or written; the message names its file."""


class ResultsStore:
    """The runs of this installation, shared by all its processes.

    A row that is damaged answers for no run; the others do.

    Parameters
    ----------
    path : path, optional
        The SQLite file; by default results.sqlite in the cache folder.

    Raises
    ------
    StoreError
        From every method: if the file is damaged, foreign, or cannot be read or written.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or cache_folder() / _FILE
        with self._open() as database:
            database.execute(_SCHEMA)
            others = database.execute(
                "SELECT COUNT(*) FROM sqlite_master WHERE (type, name) != ('table', 'runs') "
                "AND sql IS NOT NULL"
            ).fetchone()[0]
            # Views and triggers of others could answer anything, or never end.
            if others:
                raise StoreError(f"the results store {str(self.path)!r} is another database.")

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """One transaction on a connection of its own: threads and processes never share one."""
        # The rollback journal: in WAL mode, SQLite before 3.51.3 can corrupt a database that
        # several connections write.
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(sqlite3.connect(self.path, timeout=_WAIT_SECONDS)) as database:
                # One damaged text must not hide all others.
                database.text_factory = partial(str, encoding="utf-8", errors="replace")
                for step in ("journal_mode=DELETE", "synchronous=FULL", "trusted_schema=OFF"):
                    database.execute(f"PRAGMA {step}")
                with database:
                    yield database
        except (OSError, sqlite3.Error, OverflowError, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split())[:200].rstrip(".")
            raise StoreError(
                f"the results store {str(self.path)!r} cannot be used: {reason}."
            ) from error

    def find(
        self,
        scenarios: Sequence[Scenario],
        roots: Roots,
    ) -> dict[Scenario, dict[str, Any]]:
        """Look up the stored records of scenarios that were run before on the same files.

        Each has `stored_at` set to the time at which it was measured. A record that lacks a score
        answers for no run.
        """
        # Several scenarios may be one run, such as seeds where nothing is drawn.
        keys = _keys(scenarios, roots)
        found = {}
        with self._open() as database:
            for key, scenario in zip(keys, scenarios, strict=True):
                row = database.execute(
                    "SELECT record, created FROM runs WHERE key = ?", (key,)
                ).fetchone()
                record = None if row is None else _readable(*row)
                if record is not None and all(score in record for score in _SCORES):
                    asked = records.scenario_record(scenario)
                    asked |= {"method_name": scenario.method_name, "stored_at": row[1]}
                    found[scenario] = {**record, **asked}
        return found

    def add(
        self,
        runs: Sequence[tuple[Scenario, dict[str, Any]]],
        roots: Roots,
        source: str,
    ) -> None:
        """Store runs; one that is stored already stays unchanged, unless its row is damaged.

        Parameters
        ----------
        runs : sequence of (Scenario, dict)
            Each with its `records.report_record`.
        roots : Roots
            As they were run with.
        source : str
            What started them: 'compare', 'knn', …
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        versions = json.dumps(_versions())
        keys = _keys([scenario for scenario, _ in runs], roots)
        rows = [
            (key, now, source, json.dumps(record), versions)
            for key, (_, record) in zip(keys, runs, strict=True)
        ]
        with self._open() as database:
            for row in rows:
                there = database.execute(
                    "SELECT record, created FROM runs WHERE key = ?", row[:1]
                ).fetchone()
                if there is None or _readable(*there) is None:
                    database.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?)", row)

    def add_imported(self, runs: Sequence[tuple[Scenario, dict[str, Any]]], source: str) -> None:
        """Store results measured elsewhere; they are never used in place of a run.

        One from the same source that is there already is replaced.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        rows = []
        for scenario, record in runs:
            parts = [IMPORTED, source, records.scenario_record(scenario.canonical())]
            key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
            rows.append((key, now, f"{IMPORTED}{source}", json.dumps(record), "{}"))
        with self._open() as database:
            database.executemany("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?)", rows)

    def drop_imported(self) -> None:
        """Delete all imported results."""
        with self._open() as database:
            database.execute("DELETE FROM runs WHERE source LIKE ?", (f"{IMPORTED}%",))

    def records(self) -> list[dict[str, Any]]:
        """All runs, oldest first: created, source, the record and versions.

        Of a damaged row there is its source alone.
        """
        with self._open() as database:
            rows = database.execute(
                "SELECT created, source, record, versions FROM runs ORDER BY created, rowid"
            ).fetchall()
        found = []
        for created, source, text, made_by in rows:
            record, versions = _readable(text, created), _readable(made_by, source)
            if record is None or versions is None:
                found.append({"source": str(source)})
            else:
                found.append({"created": created, "source": source, **record, **versions})
        return found

    def table(self) -> pd.DataFrame:
        """The same as a table."""
        return pd.DataFrame(self.records())


class Keeper:
    """Writes finished runs to the results store, in batches of a moment.

    Each transaction waits for the disk; at most `_WRITE_SECONDS` of work go when the process is
    killed. One keeper serves one thread.

    Parameters
    ----------
    roots, source
        As in `ResultsStore.add`.
    warn : callable
        Told where the store cannot be used.
    """

    def __init__(
        self,
        roots: Roots,
        *,
        source: str,
        warn: Callable[[str], object],
    ) -> None:
        self._roots, self._source, self._warn = roots, source, warn
        # Named here: a process that runs tasks may have another cache folder.
        self._path = cache_folder() / _FILE
        self._runs: list[tuple[Scenario, dict[str, Any]]] = []
        self._written = time.monotonic()

    def add(self, runs: Sequence[tuple[Scenario, dict[str, Any]]]) -> None:
        """Keep runs, each with its record."""
        self._runs += runs
        if time.monotonic() - self._written > _WRITE_SECONDS:
            self.flush()

    def fresh(self) -> "Keeper":
        """One for another thread or process, with nothing to write yet."""
        other = copy.copy(self)
        other._runs = []
        return other

    def flush(self) -> None:
        """Write what is not written yet."""
        runs, self._runs = self._runs, []
        if runs:
            use_store(
                lambda kept: kept.add(runs, self._roots, self._source),
                self._warn,
                self._path,
            )
        self._written = time.monotonic()


def use_store(
    use: Callable[[ResultsStore], T], warn: Callable[[str], object], path: Path | None = None
) -> T | None:
    """Result of `use(store)`; None and a warning where the store fails.

    A run is worth more than its row: a full disk or a read-only folder must not cost it.
    """
    try:
        return use(ResultsStore(path))
    except (StoreError, OSError) as error:
        warn(str(error))
        return None


def _readable(text: Any, beside: Any) -> dict[str, Any] | None:
    """The record in a row of the store; None if it, or the text beside it, is damaged."""
    try:
        if not isinstance(text, str) or not isinstance(beside, str):
            return None
        found = json.loads(text)
        records.check_record(found)
    except (ValueError, RecursionError):
        return None
    return dict(found)


def _versions() -> dict[str, str]:
    libraries = {f"version_{name}": number for name, number in library_versions().items()}
    return {
        "version_wann": __version__,
        "version_python": platform.python_version(),
        **libraries,
    }


def _keys(scenarios: Sequence[Scenario], roots: Roots) -> list[str]:
    """Digests of all that determines the result: run, files and engine."""
    # Each database is looked at once, however many runs are asked for.
    files = {
        pair: datasets.fingerprint(*pair, *roots)
        for pair in {(scenario.dataset, scenario.backbone) for scenario in scenarios}
    }
    keys = []
    for scenario in scenarios:
        run = records.scenario_record(scenario.canonical())
        parts: list[Any] = [_ENGINE_VERSION, run, files[scenario.dataset, scenario.backbone]]
        # Another plug-in of the same name is another method.
        parts += [scenario.plugins] if scenario.plugins else []
        keys.append(hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest())
    return keys
