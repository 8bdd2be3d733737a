"""Verdicts are kept: whole, in order, for each to undo, through crashes and beside others."""

import contextlib
import dataclasses
import hashlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, tzinfo
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.helpers.blobs import noisy_blobs
from wann_core import WannError, datasets
from wann_core.audit.label_audit import audit
from wann_core.datasets.dataset import Dataset
from wann_core.review import ledger_file
from wann_core.review.ledger import (
    ACTIONS,
    JudgedMeanwhile,
    Ledger,
    Verdict,
    has_ledger,
    ledger_of,
    rows_in_force,
)

KEEP = Verdict("train", 3, "cat", "keep")
MOVE = Verdict("test", 3, "cat", "relabel", "dog", "a.png", 0.25, "combined", "dog", "a hound")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "reviews" / "pets.sqlite", ("cat", "dog"))


def test_a_ledger_is_found_by_the_whole_name(tmp_path: Path) -> None:
    data = datasets.load("digits", "pixels")
    other = ledger_of(dataclasses.replace(data, name="digits-cleaned"), tmp_path)
    other.record([Verdict("train", 3, "5", "keep")], who="ada")
    assert has_ledger("digits-cleaned", tmp_path)
    assert not has_ledger("digits", tmp_path)
    ledger_of(data, tmp_path).record([Verdict("train", 3, "5", "keep")], who="ada")
    assert has_ledger("digits", tmp_path)


def in_force(ledger: Ledger) -> dict[tuple[str, int], str]:
    found = ledger.verdicts()
    return {
        (s, r): a for s, r, a in zip(found["split"], found["row"], found["action"], strict=True)
    }


def test_a_verdict_is_kept_with_all_its_values(ledger: Ledger) -> None:
    assert ledger.record([KEEP, MOVE], who="ada", batch="first two") == 1
    found = Ledger(ledger.path).verdicts()
    assert list(found) == [
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
    ]
    moved, kept = (row for _, row in found.iterrows())
    assert {k: moved[k] for k in dataclasses.asdict(MOVE)} == dataclasses.asdict(MOVE)
    assert (moved["who"], moved["when"][-6:]) == ("ada", "+00:00")
    assert kept[["new_label", "score", "predicted_label", "note"]].isna().all()
    assert found["row"].dtype == np.int64
    assert list(ledger.history()["batch"]) == ["first two"] * 2


def test_empty_ledger_answers_and_makes_no_file(ledger: Ledger) -> None:
    assert list(ledger.verdicts()["split"]) == list(ledger.history()["event"]) == []
    assert (ledger.version(), ledger.undo("ada"), ledger.redoable("ada")) == (0, None, None)
    assert ledger.counts() == dict.fromkeys(ACTIONS, 0)
    assert not ledger.path.parent.exists()


def test_last_verdict_counts_whoever_made_it(ledger: Ledger) -> None:
    ledger.record([KEEP, MOVE], who="ada")
    ledger.record([dataclasses.replace(KEEP, action="remove")], who="bob")
    assert in_force(ledger) == {("train", 3): "remove", ("test", 3): "relabel"}
    assert ledger.counts() == {"keep": 0, "relabel": 1, "remove": 1, "unsure": 0}
    assert len(ledger.history()) == 3


def test_undo_and_redo_are_ones_own_and_only_appended(ledger: Ledger) -> None:
    bulk = [dataclasses.replace(KEEP, row=row) for row in range(5)]
    first = ledger.record(bulk, who="ada", batch="five")
    other = ledger.record([dataclasses.replace(KEEP, row=1, action="unsure")], who="bob")
    second = ledger.record([MOVE], who="ada")
    undoable = ledger.undoable("ada")
    assert undoable is not None and (undoable.number, undoable.rows) == (second, 1)
    assert (ledger.undo("ada"), ledger.undo("ada"), ledger.undo("ada")) == (second, first, None)
    assert in_force(ledger) == {("train", 1): "unsure"}
    again = ledger.redoable("ada")
    assert again is not None and (again.number, again.rows, again.batch) == (first, 5, "five")
    assert ledger.redo("ada") == first
    # Bob's verdict was made after the one that is there again.
    assert in_force(ledger) == {**{("train", r): "keep" for r in range(5)}, ("train", 1): "unsure"}
    assert ledger.undo("bob") == other
    assert in_force(ledger)[("train", 1)] == "keep"
    assert ledger.redo("bob") == other
    events = ledger.history().drop_duplicates("operation")
    assert list(events["event"]) == [*["record"] * 3, *["undo"] * 2, "redo", "undo", "redo"]
    assert list(events["target"].dropna()) == [second, first, first, other, other]


def test_new_verdict_drops_what_was_undone(ledger: Ledger) -> None:
    ledger.record([KEEP], who="ada")
    ledger.undo("ada")
    ledger.record([MOVE], who="ada")
    assert ledger.redo("ada") is None and ledger.redoable("ada") is None
    assert in_force(ledger) == {("test", 3): "relabel"}


def test_version_grows_with_every_change(ledger: Ledger) -> None:
    seen = [ledger.version()]
    other = Ledger(ledger.path)
    changes: list[Callable[[], object]] = [
        lambda: ledger.record([KEEP], who="ada"),
        lambda: ledger.undo("ada"),
        lambda: ledger.redo("ada"),
        lambda: ledger.record([MOVE], who="bob"),
    ]
    for change in changes:
        change()
        seen.append(other.version())
    assert seen == sorted({*seen})
    ledger.redo("ada")
    assert other.version() == seen[-1]


def test_audit_rows_are_recorded_as_they_are(tmp_path: Path) -> None:
    data = noisy_blobs(200)[0]
    table = audit(data, probe=False).ranked().head(20)
    rows = table.assign(
        action="relabel",
        new_label=table["predicted_label"],
        score=table["label_score"],
        id=table["name"],
    )
    rows["action"] = rows["action"].where(rows["new_label"] != rows["given_label"], "keep")
    rows["new_label"] = rows["new_label"].where(rows["action"] == "relabel")
    ledger = ledger_of(data, tmp_path)
    ledger.record(rows, who="ada")
    found = ledger.verdicts().set_index("row").loc[rows["row"]]
    np.testing.assert_array_equal(found["score"], rows["label_score"])
    assert (found["new_label"].fillna("") == rows["new_label"].fillna("").to_numpy()).all()
    # What was read can be recorded again, on another machine.
    copy = Ledger(tmp_path / "copy.sqlite")
    copy.record(ledger.verdicts(), who="bob")
    same = ["split", "row", "action", "new_label", "score"]
    pd.testing.assert_frame_equal(copy.verdicts()[same], ledger.verdicts()[same])


WRONG = {
    "split": ({"split": "unlabelled"}, "split", "must be one of train, val, test"),
    "row": ({"row": -1}, "row", "whole number between 0"),
    "row number": ({"row": 1.5}, "row", "whole number"),
    "action": ({"action": "burn"}, "action", "one of keep, relabel, remove, unsure"),
    "no new label": ({"action": "relabel"}, "new_label", "must be a class"),
    "same label": ({"action": "relabel", "new_label": "cat"}, "new_label", "take the action keep"),
    "other class": ({"action": "relabel", "new_label": "cow"}, "new_label", r"\(cat, dog\)"),
    "label kept": ({"new_label": "dog"}, "new_label", "goes with the action relabel only"),
    "score": ({"score": float("inf")}, "score", "finite number"),
    "NUL": ({"id": "a\0b"}, "id", "NUL"),
    "no text": ({"given_label": "\udcff"}, "given_label", "valid text"),
    "long": ({"score_name": "x" * 201}, "score_name", "at most 200"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_values_are_refused_whole(ledger: Ledger, case: str) -> None:
    change, field, message = WRONG[case]
    wrong = dataclasses.replace(KEEP, **change)  # type: ignore[arg-type]
    with pytest.raises(WannError, match=message) as error:
        ledger.record([MOVE, wrong], who="ada")
    assert error.value.field == field
    assert ledger.version() == 0


def test_wrong_operations_are_refused(ledger: Ledger) -> None:
    for rows, who, field in (
        ([], "ada", "rows"),
        ([KEEP, KEEP], "ada", "rows"),
        ([KEEP], " ", "who"),
    ):
        with pytest.raises(WannError) as error:
            ledger.record(rows, who=who)
        assert error.value.field == field
    with pytest.raises(WannError, match="need the columns split, given_label"):
        ledger.record(pd.DataFrame({"row": [1], "action": ["keep"]}), who="ada")


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


def test_a_blind_second_look_changes_nothing_in_force(ledger: Ledger) -> None:
    ledger.record([KEEP], who="ada")
    blind = dataclasses.replace(KEEP, action="remove", note="no cat")
    # It is no overruling, whatever came meanwhile.
    ledger.record([blind], who="bob", second_look=True, seen=0)
    assert in_force(ledger) == {("train", 3): "keep"}
    assert ledger.history()["second_look"].tolist() == [0, 1]
    assert ledger.history()["note"].tolist()[1] == "no cat"
    assert ledger.counts()["keep"] == 1 and ledger.counts()["remove"] == 0
    assert ledger.undo("bob") == 2
    with pytest.raises(WannError, match="`note` must be text of at most 2000 characters"):
        ledger.record([dataclasses.replace(KEEP, note="x" * 2001)], who="bob")


def test_a_clock_that_is_set_back_changes_no_order(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock(datetime):
        hour_of_day = 12

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Clock":
            cls.hour_of_day -= 1
            return cls(2026, 1, 2, cls.hour_of_day, tzinfo=tz)

    monkeypatch.setattr("wann_core.review.ledger.datetime", Clock)
    for action in ("keep", "remove", "unsure"):
        ledger.record([dataclasses.replace(KEEP, action=action)], who="ada")
    assert in_force(ledger) == {("train", 3): "unsure"}
    ledger.undo("ada")
    assert in_force(ledger) == {("train", 3): "remove"}
    when = ledger.history()["when"].tolist()
    assert when == sorted(when, reverse=True)  # the clock did go back


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


def test_rows_out_of_order_on_a_damaged_page_are_told(ledger: Ledger) -> None:
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
    "foreign": (foreign, "is no ledger of verdicts"),
    "newer": (newer, "is of version 3, this program knows 1 to 2"),
    "disguised": (disguised, "is no ledger of verdicts"),
    "damaged": (damaged, "cannot be used: database disk image is malformed"),
    "folder": (lambda path: path.mkdir(), "cannot be used: unable to open"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_told_in_a_sentence(tmp_path: Path, case: str) -> None:
    make, message = BROKEN[case]
    make(tmp_path / "ledger.sqlite")  # type: ignore[operator]
    ledger = Ledger(tmp_path / "ledger.sqlite")
    with pytest.raises(WannError, match=message) as error:
        ledger.verdicts()
    assert error.value.field == "ledger"
    with pytest.raises(WannError, match=message):
        ledger.record([dataclasses.replace(KEEP, row=1)], who="ada")


def test_empty_file_is_an_empty_ledger(ledger: Ledger) -> None:
    ledger.path.parent.mkdir()
    ledger.path.touch()
    assert ledger.version() == 0 and ledger.path.stat().st_size == 0
    ledger.record([KEEP], who="ada")
    assert ledger.version() == 1


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


# Writes batches of growing rows and tells each that is acknowledged; forks before, so that the
# libraries are loaded once for all that are killed.
WRITER = """
import os, sys
from wann_core.review.ledger import Ledger, Verdict
path, who = sys.argv[1], sys.argv[2]
while sys.stdin.readline():
    child = os.fork()
    if not child:
        ledger = Ledger(path)
        first = 10 * ledger.version()
        for i in range(10**6):
            size = 1 + (first + i) % 7
            rows = [Verdict("train", 10**6 * (who == "b") + 7 * (first + i) + r, "cat", "keep")
                    for r in range(size)]
            number = ledger.record(rows, who=who, batch=str(size))
            os.write(1, f"{number} {size}\\n".encode())
    os.write(1, f"child {child}\\n".encode())
    os.waitpid(child, 0)
    os.write(1, b"dead\\n")
"""


def _until(writer: subprocess.Popen[str], word: str, acknowledged: dict[int, int]) -> str:
    """Read what a writer says up to a line, and keep what was acknowledged before."""
    assert writer.stdout is not None
    for line in writer.stdout:
        if line.startswith(word):
            return line
        number, size = map(int, line.split())
        acknowledged[number] = size
    raise AssertionError("the writer ended")


@pytest.mark.slow
def test_killed_writers_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), who],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for who in "ab"
    ]
    chance, acknowledged = random.Random(0), dict[int, int]()
    # A busy machine acknowledges little before the kill: as many rounds as say something.
    for done in range(60):
        if done >= 8 and len(acknowledged) > 20:
            break
        for writer in writers:
            assert writer.stdin is not None
            print("go", file=writer.stdin, flush=True)
        children = [int(_until(w, "child", acknowledged).split()[1]) for w in writers]
        time.sleep(chance.uniform(0.02, 0.15))
        for child in children:
            os.kill(child, signal.SIGKILL)
        for writer in writers:
            _until(writer, "dead", acknowledged)
    for writer in writers:
        writer.communicate(timeout=60)
    history = Ledger(path).history()
    sizes = history.groupby("operation").size()
    assert len(acknowledged) > 20
    assert {number: int(sizes[number]) for number in acknowledged} == acknowledged
    # No half batch, acknowledged or not; numbers without a gap.
    batches = history.groupby("operation")["batch"].first().astype(int)
    assert (batches == sizes).all()
    assert list(sizes.index) == list(range(1, len(sizes) + 1))
    assert {*history["who"]} == {"a", "b"}
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


def test_who_has_not_seen_a_verdict_is_told_of_it_and_decides(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.sqlite", ("a", "b"))
    ledger.record([Verdict("train", 3, "a", "keep")], who="ann")
    seen = ledger.version()
    ledger.record([Verdict("train", 7, "a", "relabel", "b")], who="ann")
    mine = [Verdict("train", 7, "a", "keep"), Verdict("train", 8, "a", "keep")]
    with pytest.raises(JudgedMeanwhile, match=r"ann has judged train row 7 .* to 'b'") as caught:
        ledger.record(mine, who="bob", seen=seen)
    assert caught.value.found == [("train", 7, "ann", "relabel", "b")]
    assert len(ledger.verdicts()) == 2
    # What was there before, one's own, and what was taken back since, stand in nobody's way.
    ledger.record([Verdict("train", 3, "a", "unsure")], who="bob", seen=seen)
    ledger.record([Verdict("train", 7, "a", "keep")], who="ann", seen=seen)
    ledger.undo("ann")
    ledger.undo("ann")
    ledger.record(mine, who="bob", seen=seen)
    assert ledger.counts() == {"keep": 2, "relabel": 0, "remove": 0, "unsure": 1}


def _write_many(path: Path, person: int, count: int) -> None:
    ledger = Ledger(path)
    for row in range(count):
        ledger.record([Verdict("train", row, "a", "keep")], who=f"person {person}")


def test_people_who_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    people = [threading.Thread(target=_write_many, args=(path, one, 12)) for one in range(8)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    assert len(Ledger(path).history()) == 8 * 12


def test_a_long_wait_reports_and_can_be_stopped(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.sqlite")
    ledger.record([Verdict("train", 0, "a", "keep")], who="ann")
    told: list[str] = []

    def stop(done: float, total: float, text: str) -> None:
        told.append(text)
        raise KeyboardInterrupt

    with contextlib.closing(sqlite3.connect(ledger.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(KeyboardInterrupt):
            ledger.record([Verdict("train", 1, "a", "keep")], who="bob", progress=stop)
    assert told == ["waiting for others who write to the ledger"]
    ledger.record([Verdict("train", 1, "a", "keep")], who="bob", progress=stop)
    assert len(ledger.verdicts()) == 2
