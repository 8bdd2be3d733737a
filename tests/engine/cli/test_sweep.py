"""`python -m wann_core sweep`: what it says, runs, writes and refuses."""

import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import Command

PLAN = """
seed = [1, 2]
method = ["kNN-11", "WANN", "ce"]
num_epochs = 2
[[grid]]
noise_pattern = ["none", "sym"]
noise_ratio = 0.4
[[grid]]
dataset = ["cifar10", "cifar10-n/worse_label"]
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    return path


@pytest.mark.parametrize("flags", [("--jobs", 1), ("--backend", "threads", "--jobs", 2)])
def test_a_plan_becomes_a_table_and_a_second_run_measures_nothing(
    command: Command, plan: Path, tmp_path: Path, flags: tuple[object, ...]
) -> None:
    out = tmp_path / "table.csv"
    result = command("sweep", plan, *flags, "--out", out)
    assert result.status == 0
    assert "10 runs, 0 of them stored; to do: 10 runs on 1 neighbor graphs" in result.out
    assert (
        "left out: cifar10 / pixels is not embedded here: python -m wann_core embed" in result.err
    )
    assert "left out: cifar10-n/worse_label" in result.err
    rows = pd.read_csv(out)
    assert len(rows) == 10
    mean = 100 * rows[(rows["method"] == "WANN") & (rows["noise_ratio"] == 0.4)]["accuracy"].mean()
    line = next(line for line in result.out.splitlines() if line.startswith("WANN"))
    assert f"{mean:.2f} ± " in line
    again = command("sweep", plan, *flags)
    assert "10 runs, 10 of them stored; to do: 0 runs" in again.out
    assert line in again.out


def test_another_backbone_takes_the_place_of_the_plans(
    command: Command, plan: Path, database: Path
) -> None:
    plan.write_text(PLAN.replace('["cifar10", "cifar10-n/worse_label"]', '"small"'))
    result = command("sweep", plan, "--backbone", "tiny", "--database_root", database, "--jobs", 1)
    assert result.status == 0
    assert "digits is built in with backbone pixels" in result.err
    assert "WANN" in result.out


def test_runs_that_are_refused_are_counted(command: Command, plan: Path) -> None:
    plan.write_text('[[grid]]\nnum_subsamples = [100, 5000]\nmethod = ["WANN", "ANN"]')
    result = command("sweep", plan, "--jobs", 1)
    assert result.status == 0
    assert "2 runs refused: `num_subsamples` = 5000 of 1200 rows" in result.err
    plan.write_text("[[grid]]\nnum_subsamples = 5000")
    result = command("sweep", plan, "--jobs", 1)
    assert (result.status, result.err.splitlines()[-1]) == (
        2,
        "python -m wann_core sweep: no run could be made.",
    )


@pytest.mark.parametrize(
    ("text", "flags", "sentence"),
    [
        ("[[grid]]\nseeds = 1", (), "`seeds` is not a key of a plan"),
        ('[[grid]]\ndataset = "nothing"', (), "none of the data of"),
        (PLAN, ("--jobs", 0), "--jobs must be a whole number"),
        (PLAN, ("--out", "/dev/null/no/all.csv"), "--out must be a file in an existing folder"),
        (PLAN, ("--cluster", "tcp://127.0.0.1:1"), "there is no dask scheduler"),
        (PLAN, ("--cluster", "nonsense://x"), "there is no dask scheduler"),
    ],
)
def test_bad_requests_are_one_sentence(
    command: Command,
    plan: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    flags: tuple[object, ...],
    sentence: str,
) -> None:
    if "--cluster" in flags:
        pytest.importorskip("distributed")
        monkeypatch.setattr("wann_core.cli.sweep._CONNECT_SECONDS", 1)
    plan.write_text(text)
    result = command("sweep", plan, *flags)
    assert result.status == 2
    assert sentence in result.err.splitlines()[-1]


def test_a_cluster_without_dask_says_how_to_get_it(
    command: Command, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = command("sweep", plan, "--cluster", "tcp://127.0.0.1:8786")
    assert result.status == 2
    assert "pip install 'wann-explorer[cluster]'" in result.err
