"""`python -m wann_core knn` and the store of results, a pipe, and a process of its own."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import Command, CommandResult
from tests.helpers.knn_logs import check_refusal, read_log
from tests.helpers.roots import ROOT
from wann_core import __version__
from wann_core.experiments.store import ResultsStore, StoreError


def test_same_run_is_answered_from_the_store(
    command: Command, knn_flags: list[str], tmp_path: Path, builds: list[tuple[int, ...]]
) -> None:
    first, log = command(*knn_flags), read_log(tmp_path)
    again = command(*knn_flags)
    assert "measured" not in first.out
    assert "measured" in again.out
    assert read_log(tmp_path) == log
    assert len(builds) == 1
    # Other files under the same name are another run.
    path = tmp_path / "database" / "small" / "tiny" / "test.npz"
    os.utime(path, (0, 0))
    assert "measured" not in command(*knn_flags).out


def test_rows_are_written_even_if_the_run_is_stored(
    command: Command, knn_flags: list[str], tmp_path: Path
) -> None:
    command(*knn_flags)
    command(*knn_flags, "--train_csv", tmp_path / "train.csv")
    assert len(pd.read_csv(tmp_path / "train.csv")) == 400


def test_stored_run_still_has_its_notes(command: Command, steep_tail: list[str]) -> None:
    first, again = command(*steep_tail).err, command(*steep_tail).err
    assert first == again and "long tail" in first


def test_run_is_worth_more_than_its_row_in_the_store(
    command: Command, knn_flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise StoreError("the results store cannot be used: attempt to write a readonly database.")

    monkeypatch.setattr(ResultsStore, "add", refuse)
    assert command(*knn_flags).status == 0
    assert "accuracy" in read_log(tmp_path)


def test_store_that_cannot_be_opened_costs_a_note_only(
    command: Command, knn_flags: list[str], tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    result = command(*knn_flags)
    assert result.status == 0
    assert result.err.startswith("note: the results store ")
    assert " cannot be used: " in result.err
    assert read_log(tmp_path)["train_rows"] == 400


def test_device_or_pipe_is_not_replaced_by_a_file(
    command: Command, knn_flags: list[str], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor() as pool:
        text = pool.submit((tmp_path / "pipe").read_text)
        command(*knn_flags, "--predictions_csv", tmp_path / "pipe")
        assert text.result(timeout=60).startswith("index,label,prediction,confidence\n0,")
    assert (tmp_path / "pipe").is_fifo()


def in_a_process(*argv: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wann_core", *map(str, argv)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
def test_as_a_program_it_is_silent_but_for_its_line(knn_flags: list[str], tmp_path: Path) -> None:
    result = in_a_process(*knn_flags, "--noise_pattern", "instance", "--noise_ratio", 0.3)
    assert (result.returncode, result.stderr) == (0, "")
    assert len(result.stdout.splitlines()) == 1
    assert read_log(tmp_path)["artificial_noise"] == {"pattern": "instance", "rate": 0.3}


@pytest.mark.slow
def test_as_a_program_it_refuses_with_status_2(knn_flags: list[str], tmp_path: Path) -> None:
    result = in_a_process(*knn_flags, "--k", "0")
    check_refusal(CommandResult(result.returncode, result.stdout, result.stderr), "--k must be")
    assert not (tmp_path / "logs").exists()


def test_version(command: Command) -> None:
    assert command("--version") == (0, f"{__version__}\n", "")
