"""`python -m wann_core predict`, run in this process."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Command
from tests.helpers.pictures import write_photos
from tests.helpers.user_tables import write
from wann_core.datasets import load, tables
from wann_core.embedding.backbones import Pixels
from wann_core.embedding.embed import embed
from wann_core.experiments.run import run
from wann_core.experiments.scenario import Scenario


def test_table_of_rows(command: Command, tmp_path: Path) -> None:
    X = load("digits", "pixels").test.X
    ids = [f"row {i}" for i in range(len(X))]
    table = write(tmp_path / "new.parquet", {"embedding": X, "id": ids}, "parquet")
    out = tmp_path / "labels.csv"
    result = command(
        "predict",
        "--dataset",
        "digits",
        "--backbone",
        "pixels",
        "--input",
        table,
        "--out",
        out,
        "--method",
        "kNN",
        "--k",
        5,
    )
    assert result.status == 0
    assert "[kNN-5] 597 rows labeled" in result.out
    found = pd.read_csv(out)
    assert list(found["name"]) == ids
    assert list(found["class_id"]) == run(Scenario(method="kNN", k=5)).predictions.tolist()
    assert set(found["method"]) == {"kNN-5"}
    assert {"label", "confidence", "nearest_row", "nearest_reliability"} <= set(found.columns)


def test_rows_that_are_left_out_are_named(command: Command, tmp_path: Path) -> None:
    X = load("digits", "pixels").test.X[:6].copy()
    X[[1, 4], 3] = np.nan
    table = write(tmp_path / "new.parquet", {"embedding": X}, "parquet")
    out = tmp_path / "labels.csv"
    place = ("--dataset", "digits", "--backbone", "pixels")
    result = command("predict", *place, "--input", table, "--out", out)
    assert result.status == 0, result.err
    assert "left out: 2 rows hold NaN, infinity or nothing" in result.err
    assert "(rows 1 and 4; row 0 is the first)" in result.err
    assert pd.read_csv(out)["row"].tolist() == [0, 2, 3, 5]


def test_own_unlabeled_rows(command: Command, tmp_path: Path) -> None:
    data = load("digits", "pixels")
    X = np.concatenate([data.train.X, data.test.X[:5]])
    y = np.concatenate([data.train.y, np.full(5, -1)])
    source = write(tmp_path / "mine.npz", {"embeddings": X, "labels": y}, "npz")
    root = tmp_path / "database"
    tables.import_table(source, dataset="mine", backbone="b", database_root=root, split="none")
    out = tmp_path / "labels.csv"
    flags = ("predict", "--dataset", "mine", "--backbone", "b", "--database_root", root)
    assert command(*flags, "--out", out).status == 0
    found = pd.read_csv(out)
    assert list(found["row"]) == [1200, 1201, 1202, 1203, 1204]
    assert list(found["class_id"]) == run(Scenario()).predictions[:5].tolist()


def test_images_of_a_folder(command: Command, tmp_path: Path) -> None:
    images = write_photos(tmp_path / "photos", train=30, test=4)
    embed(images, Pixels(8), tmp_path / "database")
    folder = tmp_path / "photos" / "test"
    (folder / "broken.jpg").write_bytes(b"")
    out = tmp_path / "labels.csv"
    result = command(
        "predict",
        "--dataset",
        "photos",
        "--backbone",
        "pixels",
        "--database_root",
        tmp_path / "database",
        "--images",
        folder,
        "--out",
        out,
    )
    assert result.status == 0, result.err
    assert "left out: broken.jpg" in result.err
    found = pd.read_csv(out)
    assert list(found["name"]) == [f"{i:04}.jpg" for i in range(4)]
    assert set(found["label"]) <= {"even", "odd"}


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ((), "has no unlabeled rows"),
        (("--input", "missing.csv"), "does not exist"),
        (("--images", "missing"), "does not exist"),
        (("--kmin", "0"), "--kmin must be"),
    ],
)
def test_refusals_are_one_line_and_write_nothing(
    command: Command, tmp_path: Path, flags: tuple[str, ...], sentence: str
) -> None:
    out = tmp_path / "labels.csv"
    flags = tuple(str(tmp_path / f) if f.startswith("missing") else f for f in flags)
    result = command("predict", "--dataset", "digits", "--backbone", "pixels", "--out", out, *flags)
    assert result.status != 0
    assert sentence in result.err
    assert "Traceback" not in result.err
    assert not out.exists()


def test_result_needs_a_folder(command: Command, tmp_path: Path) -> None:
    result = command("predict", "--dataset", "digits", "--out", tmp_path / "no" / "labels.csv")
    assert result.status != 0
    assert "--out must be a file in an existing folder" in result.err
