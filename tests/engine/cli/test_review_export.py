"""The ledger's labels by the command line, in every format."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import CommandResult
from tests.engine.review.test_exports import photos, review
from wann_core import datasets

Command = Callable[..., CommandResult]


@pytest.fixture
def base(tmp_path: Path) -> list[str]:
    """Flags that name the photos and their ledger."""
    review(photos(tmp_path), tmp_path / "reviews")
    return [
        "review-export",
        "--dataset",
        "photos",
        "--backbone",
        "tiny",
        "--database_root",
        str(tmp_path / "db"),
        "--dataset_root",
        str(tmp_path),
        "--review_root",
        str(tmp_path / "reviews"),
        "--no_probe",
    ]


COUNTS = "1 keep, 1 relabel, 1 remove, 1 unsure, 36 unreviewed"


@pytest.mark.parametrize(
    ("form", "rows"),
    [("csv", 40), ("parquet", 40), ("imagefolder", 39), ("fiftyone", 39), ("labelstudio", 40)],
)
def test_every_format_is_written(
    command: Command, base: list[str], tmp_path: Path, form: str, rows: int
) -> None:
    out = tmp_path / "out"
    result = command(*base, "--format", form, "--out", out)
    assert (result.status, result.err) == (0, "")
    assert result.out == f"[{form}] {COUNTS}; {rows} rows -> {out}\n"
    if form in ("fiftyone", "labelstudio"):
        content = json.loads(out.read_text())
        assert len(content["labels"] if form == "fiftyone" else content) == rows
    else:
        table = pd.read_parquet(out) if form == "parquet" else pd.read_csv(out)
        assert len(table) == rows and (table["action"] == "relabel").sum() == 1


def test_database_is_written_under_its_new_name(
    command: Command, base: list[str], tmp_path: Path
) -> None:
    result = command(*base, "--format", "npz", "--out", "photos-cleaned")
    assert result.out == f"[npz] {COUNTS} -> {tmp_path / 'db' / 'photos-cleaned' / 'tiny'}\n"
    assert len(datasets.load("photos-cleaned", "tiny", tmp_path / "db", tmp_path).train) == 35
    again = command(*base, "--format", "npz", "--out", "photos-cleaned")
    assert again.status == 2 and "already a database" in again.err


WRONG = {
    "folder": (["--format", "csv", "--out", "nowhere/x.csv"], "`out` must be a file in"),
    "format": (["--format", "xml", "--out", "x"], "--format: invalid choice: 'xml'"),
    "name": (["--format", "npz", "--out", "../up"], "`--out` must, for npz, be the name of a new"),
    "npz file": (["--format", "npz", "--out", "x/y.npz"], "no file: letters, digits"),
    "files": (
        ["--dataset", "digits", "--backbone", "pixels", "--format", "fiftyone", "--out", "x"],
        "are no files",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_refused_in_a_sentence(
    command: Command, base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.chdir(tmp_path)
    flags, message = WRONG[case]
    result = command(*base, *flags)
    assert result.status == 2
    assert message in result.err and len(result.err.splitlines()) == 1
    assert not (tmp_path / "x").exists()
