"""The ledger's labels by the command line, in every format."""

import json
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import Command
from tests.helpers.reviewed_photos import photos, review
from wann_core import datasets


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
    ]


COUNTS = "1 keep, 1 relabel, 1 remove, 1 unsure, 36 unreviewed"


@pytest.mark.parametrize(
    ("form", "rows"),
    [
        ("csv", 40),
        ("parquet", 40),
        ("fiftyone", 39),
        ("labelstudio", 40),
        ("weights", 40),
        ("metadata", 39),
    ],
)
def test_every_format_is_written(
    command: Command, base: list[str], tmp_path: Path, form: str, rows: int
) -> None:
    out = tmp_path / "out"
    faster = [] if form in ("fiftyone", "metadata") else ["--no_probe"]
    result = command(*base, "--format", form, "--out", out, *faster)
    assert (result.status, result.err) == (0, "")
    line, *more = result.out.splitlines()
    assert line == f"[{form}] {COUNTS}; {rows} rows -> {out}"
    assert bool(more) == (form == "labelstudio")  # how Label Studio is set up
    if form == "metadata":
        out /= "metadata.csv"
    if form in ("fiftyone", "labelstudio"):
        content = json.loads(out.read_text())
        assert len(content["labels"] if form == "fiftyone" else content) == rows
    else:
        table = pd.read_parquet(out) if form == "parquet" else pd.read_csv(out)
        assert len(table) == rows
        assert form == "weights" or (table["action"] == "relabel").sum() == 1


def test_images_are_written_as_a_folder(command: Command, base: list[str], tmp_path: Path) -> None:
    flags = [*base, "--format", "imagefolder", "--out", tmp_path / "clean"]
    what = "39 images in 2 class folders; 1 of them under a corrected label; 1 removed; 0.0 MB"
    result = command(*flags, "--dry-run")
    assert result.out == f"[imagefolder] {COUNTS}; dry run, nothing is written: {what}.\n"
    assert not (tmp_path / "clean").exists()
    result = command(*flags, "--images", "link")
    assert result.out == (
        f"[imagefolder] {COUNTS}; {what}; 39 linked, 0 copied. -> {tmp_path / 'clean'}\n"
    )
    assert len(list((tmp_path / "clean").glob("*/*.png"))) == 39
    again = command(*flags)
    assert again.status == 2 and "a new or an empty folder" in again.err
    command(*base, "--format", "imagefolder", "--out", tmp_path / "clean.zip")
    with zipfile.ZipFile(tmp_path / "clean.zip") as archive:
        assert len(archive.namelist()) == 40


def test_a_file_as_out_is_the_metadata_alone(
    command: Command, base: list[str], tmp_path: Path
) -> None:
    result = command(*base, "--format", "imagefolder", "--out", tmp_path / "metadata.csv")
    assert len(pd.read_csv(tmp_path / "metadata.csv")) == 39 and result.err == ""


def test_label_studio_s_interface_is_written(
    command: Command, base: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "label-studio.xml"
    command(*base, "--format", "labelstudio-interface", "--out", out)
    assert '<Choice value="cat"/>' in out.read_text()


def test_database_is_written_under_its_new_name(
    command: Command, base: list[str], tmp_path: Path
) -> None:
    result = command(*base, "--format", "npz", "--out", "photos-cleaned")
    assert result.out == f"[npz] {COUNTS} -> {tmp_path / 'db' / 'photos-cleaned' / 'tiny'}\n"
    assert len(datasets.load("photos-cleaned", "tiny", tmp_path / "db", tmp_path).train) == 35
    again = command(*base, "--format", "npz", "--out", "photos-cleaned")
    assert again.status == 2 and "already a database" in again.err


WRONG = {
    "folder": (["--format", "csv", "--out", "nowhere/x.csv"], "--out must be a file in"),
    "ending": (["--format", "csv", "--out", "x.parquet"], "--out must end in .csv or have no"),
    "folder with an ending": (
        ["--format", "fiftyone-fields", "--out", "x.json"],
        "--out must end in .zip or have no ending, got 'x.json'",
    ),
    "images with an ending": (
        ["--format", "imagefolder", "--out", "x.html"],
        "--out must end in .zip, .csv or have no ending, got 'x.html'",
    ),
    "links": (
        ["--format", "csv", "--images", "link", "--out", "x.csv"],
        "--images has no effect with --format csv and this --out; leave it out.",
    ),
    "links in a file": (
        ["--format", "imagefolder", "--images", "link", "--out", "x.zip"],
        "--images has no effect with",
    ),
    "dry run of a database": (["--format", "npz", "--dry_run", "--out", "x"], "--dry_run has no"),
    "dry run of a file": (
        ["--format", "imagefolder", "--dry_run", "--out", "x.csv"],
        "--dry_run has no effect with",
    ),
    "nothing to rank": (["--format", "metadata", "--no_probe", "--out", "x"], "--no_probe has no"),
    "format": (["--format", "xml", "--out", "x"], "--format: invalid choice: 'xml'"),
    "name": (["--format", "npz", "--out", "../up"], "`--out` must, for npz, be the name of a new"),
    "npz file": (["--format", "npz", "--out", "x/y.npz"], "no file: letters, digits"),
    "files": (
        ["--dataset", "digits", "--backbone", "pixels", "--format", "fiftyone", "--out", "x"],
        "are not files",
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
    assert not list(tmp_path.glob("x*"))


def test_an_audit_counts_the_verdicts(command: Command, base: list[str]) -> None:
    words = ["audit", *base[1:], "--no_probe", "--json"]
    reviewed = json.loads(command(*words).out)["after_review"]
    assert (reviewed["judged"], reviewed["found"], reviewed["rows"]) == (3, 2, 40)
    assert reviewed["low"] >= 2
    said = command(*words[:-1], "--fail_above", "1").out
    assert "review: With 3 verdicts" in said
    words[words.index("--review_root") + 1] += "-of-nobody"
    assert json.loads(command(*words).out)["after_review"] is None
