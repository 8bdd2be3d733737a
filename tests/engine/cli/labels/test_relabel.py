"""Other labels by the command line."""

from pathlib import Path

import pandas as pd

from tests.conftest import Command
from tests.helpers.reviewed_photos import photos
from wann_core import datasets


def test_a_version_and_a_report_are_written(command: Command, tmp_path: Path) -> None:
    photos(tmp_path)
    (tmp_path / "labels.csv").write_text("file,label\ncat/02.png,dog\ncat/04.png,cat\n")
    roots = [f"--database_root={tmp_path / 'db'}", f"--dataset_root={tmp_path}"]
    base = ["relabel", tmp_path / "labels.csv", "--dataset=photos", "--backbone=tiny", *roots]
    report = tmp_path / "changes.csv"
    result = command(*base, "--dry-run", "--report", report)
    assert (result.status, result.err) == (0, "")
    assert "2 labels: 1 changed, 1 as before" in result.out and "no database" in result.out
    assert pd.read_csv(report)["new_label"].tolist() == ["dog"]
    without = command(*base)
    assert without.status == 2 and "--out" in without.err
    assert command(*base, "--out", "photos-v2").status == 0
    made = datasets.load("photos-v2", "tiny", tmp_path / "db", tmp_path)
    assert made.train.y[0] == 1 and len(made.train) == 36
