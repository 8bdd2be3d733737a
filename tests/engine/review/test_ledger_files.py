"""Files of ledgers: where they lie, of which versions, and which are broken."""

import contextlib
import dataclasses
import hashlib
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.blobs import noisy_blobs
from tests.helpers.ledgers import KEEP, MOVE, in_force
from wann_core import WannError, datasets
from wann_core.datasets.dataset import Dataset
from wann_core.review import ledger_file
from wann_core.review.ledger import Ledger, Verdict, has_ledger, ledger_of
from wann_core.review.ledger_rows import rows_in_force


def test_a_ledger_is_found_by_the_whole_name(tmp_path: Path) -> None:
    data = datasets.load("digits", "pixels")
    other = ledger_of(dataclasses.replace(data, name="digits-cleaned"), tmp_path)
    other.record([Verdict("train", 3, "5", "keep")], who="ada")
    assert has_ledger("digits-cleaned", tmp_path)
    assert not has_ledger("digits", tmp_path)
    ledger_of(data, tmp_path).record([Verdict("train", 3, "5", "keep")], who="ada")
    assert has_ledger("digits", tmp_path)


def test_each_labeling_has_its_own_file(tmp_path: Path) -> None:
    data = noisy_blobs(100)[0]
    path = ledger_of(data, tmp_path).path

    def other(**changes: object) -> Path:
        return ledger_of(dataclasses.replace(data, **changes), tmp_path).path  # type: ignore[arg-type]

    flipped = data.train.y.copy()
    flipped[0] = (flipped[0] + 1) % 4
    embedded = dataclasses.replace(data.train, X=data.train.X * 2)
    assert other(backbone="other", train=embedded) == path
    assert other(train=dataclasses.replace(data.train, y=flipped)) != path
    assert other(train=dataclasses.replace(data.train, ids=data.train.ids + 1)) != path
    assert other(train=dataclasses.replace(data.train, names=["x"] * 100)) != path
    assert other(train=dataclasses.replace(data.train, clean=flipped)) == path
    assert other(test=data.train) != path
    assert other(class_names=tuple("abce")) != path
    outside = other(name="../../etc/passwd")
    assert outside.parent == tmp_path and ".." not in outside.parts
    assert other(name="ü" * 300).name != "" and len(other(name="ü" * 300).name) < 200
    reordered = np.argsort(np.random.RandomState(0).rand(100))
    shuffled = dataclasses.replace(
        data.train,
        X=data.train.X[reordered],
        y=data.train.y[reordered],
        ids=data.train.ids[reordered],
    )
    assert other(train=shuffled) == path


def test_folder_is_the_users_and_can_be_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data: Dataset = datasets.load("digits", "pixels")
    monkeypatch.setenv("WANN_REVIEW_ROOT", str(tmp_path / "mine"))
    assert ledger_of(data).path.parent == tmp_path / "mine"
    monkeypatch.delenv("WANN_REVIEW_ROOT")
    assert ledger_of(data).path.parent == Path("assets/reviews")


def test_nothing_can_be_changed_or_deleted(ledger: Ledger) -> None:
    ledger.record([dataclasses.replace(KEEP, note="clear")], who="ada", second_look=True)
    database = sqlite3.connect(ledger.path)
    for statement in (
        "UPDATE verdicts SET action = 'remove'",
        "DELETE FROM verdicts",
        "UPDATE operations SET who = 'bob'",
        "DELETE FROM operations",
        "UPDATE notes SET note = ''",
        "DELETE FROM second_looks",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            database.execute(statement)
    database.close()


def test_empty_file_is_an_empty_ledger(ledger: Ledger) -> None:
    ledger.path.parent.mkdir()
    ledger.path.touch()
    assert ledger.version() == 0 and ledger.path.stat().st_size == 0
    ledger.record([KEEP], who="ada")
    assert ledger.version() == 1


def first_version(path: Path) -> None:
    """A ledger as it was written before there were notes."""
    database = sqlite3.connect(path)
    for statement in ledger_file._FIRST_SCHEMA:
        database.execute(statement)
    database.execute("PRAGMA application_id=0x57414E4E")
    database.execute("PRAGMA user_version=1")
    database.execute("INSERT INTO operations VALUES (1, 'record', NULL, 'ada', NULL, '2026')")
    database.execute(
        "INSERT INTO verdicts VALUES (1, 'train', 3, 'cat', 'keep', NULL, '', NULL, '', NULL)"
    )
    database.commit()
    database.close()


def test_a_ledger_of_the_first_version_is_read_and_gets_notes_with_the_next_verdict(
    ledger: Ledger, tmp_path: Path
) -> None:
    # Old files hold these very statements.
    text = "".join(ledger_file._FIRST_SCHEMA)
    assert hashlib.sha256(text.encode()).hexdigest().startswith("0404367f285ba577")
    ledger.path.parent.mkdir()
    first_version(ledger.path)
    before = ledger.path.read_bytes()
    assert in_force(ledger) == {("train", 3): "keep"} and len(ledger.history()) == 1
    with ledger_file.open_untrusted(ledger.path) as database:
        assert len(list(rows_in_force(database))) == 1
    assert ledger.path.read_bytes() == before
    ledger.record([MOVE], who="bob")
    assert in_force(ledger) == {("train", 3): "keep", ("test", 3): "relabel"}
    assert ledger.verdicts()["note"].fillna("").tolist() == ["", "a hound"]
    assert ledger.undo("ada") == 1 and len(in_force(ledger)) == 1


def foreign(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE operations (number INTEGER)")
    database.close()


def newer(path: Path) -> None:
    Ledger(path).record([KEEP], who="ada")
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version=3")
    database.close()


def disguised(path: Path) -> None:
    Ledger(path).record([KEEP], who="ada")
    database = sqlite3.connect(path)
    database.execute("CREATE VIEW more AS SELECT 1")
    database.close()


def damaged(path: Path) -> None:
    Ledger(path).record([dataclasses.replace(KEEP, row=r) for r in range(2000)], who="ada")
    content = bytearray(path.read_bytes())
    content[8192:] = b"\x5a" * (len(content) - 8192)
    path.write_bytes(content)


def test_rows_out_of_order_on_a_damaged_page_are_reported(ledger: Ledger) -> None:
    for row in range(3):
        ledger.record([dataclasses.replace(KEEP, row=row)], who="ada")
    with contextlib.closing(sqlite3.connect(ledger.path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = database.execute("PRAGMA page_size").fetchone()
        found = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'operations'")
        (page,) = found.fetchone()
    content = bytearray(ledger.path.read_bytes())
    first = (page - 1) * size + 8  # where the page lists its rows, two bytes each
    content[first : first + 6] = np.frombuffer(content, ">u2", 3, first)[::-1].tobytes()
    ledger.path.write_bytes(content)
    with pytest.raises(WannError, match="damaged: operation 1 cannot be found"):
        ledger.undoable("ada")


BROKEN = {
    "text": (lambda path: path.write_text("who, what\n" * 100), "cannot be used: file is not"),
    "foreign": (foreign, "is not a ledger of verdicts"),
    "newer": (newer, "is of version 3, this program knows 1 to 2"),
    "disguised": (disguised, "is not a ledger of verdicts"),
    "damaged": (damaged, "cannot be used: database disk image is malformed"),
    "folder": (lambda path: path.mkdir(), "cannot be used: unable to open"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_reported_in_a_sentence(tmp_path: Path, case: str) -> None:
    make, message = BROKEN[case]
    make(tmp_path / "ledger.sqlite")  # type: ignore[operator]
    ledger = Ledger(tmp_path / "ledger.sqlite")
    with pytest.raises(WannError, match=message) as error:
        ledger.verdicts()
    assert error.value.field == "ledger"
    with pytest.raises(WannError, match=message):
        ledger.record([dataclasses.replace(KEEP, row=1)], who="ada")
