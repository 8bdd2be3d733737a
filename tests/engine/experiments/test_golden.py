"""The command line against the published system's numbers, and against tests/reference.py."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Command
from tests.helpers import reference

METHODS = reference.METHODS
FLAGS = (
    "seed",
    "num_subsamples",
    "imbalance_ratio",
    "noise_pattern",
    "noise_ratio",
    "kmin",
    "kmax",
    "k",
    "dimensionality_reduction",
)


def run_case(
    command: Command, folder: Path, case: dict[str, Any], *where: object, method: str
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Training rows, predictions and log of one case under one method."""
    flags = [part for flag in FLAGS if flag in case for part in (f"--{flag}", case[flag])]
    train_csv, predictions_csv = folder / "train.csv", folder / "predictions.csv"
    result = command(
        "knn",
        "--experiment_name",
        "golden",
        "--output_root",
        folder / method,
        "--method",
        method,
        "--train_csv",
        train_csv,
        "--predictions_csv",
        predictions_csv,
        *where,
        *flags,
    )
    assert (result.status, result.err) == (0, "")
    (log,) = (folder / method).rglob("*.json")
    return pd.read_csv(train_csv), pd.read_csv(predictions_csv), json.loads(log.read_text())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", reference.CASES)
def test_command_equals_the_slow_reference(
    command: Command, database: Path, tmp_path: Path, name: str, method: str
) -> None:
    expected = json.loads(reference.EXPECTED.read_text())[name]
    where = ("--database_root", database, "--dataset", "small", "--backbone", "tiny")
    train, predictions, log = run_case(
        command, tmp_path, reference.CASES[name], *where, method=method
    )

    assert train["row"].tolist() == expected["rows"]
    assert train["label"].tolist() == expected["labels"]
    # Float rounding may swap two neighbors at nearly equal distance, once.
    assert np.count_nonzero(train["adaptive_k"] != expected["adaptive_k"]) <= 1
    assert np.count_nonzero(predictions["prediction"] != expected["predictions"][method]) <= 1
    assert log["accuracy"] == pytest.approx(expected["accuracy"][method], abs=1.001)


def test_stored_numbers_are_those_of_the_reference() -> None:
    """Whoever edits the reference must regenerate the file."""
    expected = json.loads(reference.EXPECTED.read_text())
    splits = reference.small_database()
    assert list(expected) == list(reference.CASES)
    assert reference.run(splits, reference.CASES["subsample"]) == expected["subsample"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("index", range(15))
def test_command_equals_the_published_numbers(
    command: Command, shared: Path, tmp_path: Path, index: int, method: str
) -> None:
    case = json.loads((shared / "golden" / "neighbours.json").read_text())[index]
    where = ("--database_root", shared / "data" / "database")
    names = ("--dataset", case["dataset"], "--backbone", "tiny-darknet")
    train, predictions, log = run_case(command, tmp_path, case, *where, *names, method=method)

    with np.load(shared / "golden" / "neighbours.npz") as arrays:
        expected = {
            name: arrays[f"{index}_{name}"] for name in ("rows", "labels", "adaptive_k", method)
        }
    assert np.array_equal(train["row"], expected["rows"])
    assert np.array_equal(train["label"], expected["labels"])
    assert np.mean(train["adaptive_k"] == expected["adaptive_k"]) >= 0.999
    assert np.mean(predictions["prediction"] == expected[method]) >= 0.999
    assert log["accuracy"] == pytest.approx(case["accuracy"][method], abs=0.1)
    assert log["train_rows"] == case["train_rows"]
    assert log["realised_noise"] == pytest.approx(case["realised_noise"], abs=1e-6)


def test_all_published_cases_are_run(shared: Path) -> None:
    assert len(json.loads((shared / "golden" / "neighbours.json").read_text())) == 15
