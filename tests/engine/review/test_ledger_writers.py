"""Verdicts outlast writers that are killed, and others who write at once."""

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from wann_core.review.ledger import JudgedMeanwhile, Ledger, Verdict

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


def test_who_has_not_seen_a_verdict_is_shown_it_and_decides(tmp_path: Path) -> None:
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
