import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Command
from tests.helpers.pictures import write_photos
from tests.helpers.roots import ROOT
from wann_core.cli import embed as embed_command
from wann_core.cli.shared.terminal import Progress
from wann_core.datasets import database

PROJECT = ROOT


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data set root with a folder of photos in the classes 'even' and 'odd'."""
    photos = write_photos(tmp_path / "flat", train=24, test=8)
    for name, split in photos.splits.items():
        for row, file in enumerate(split.files or ()):
            folder = tmp_path / "data" / "photos" / name / photos.class_names[row % 2]
            folder.mkdir(parents=True, exist_ok=True)
            (split.root / file).rename(folder / file)
    return tmp_path / "data"


@pytest.fixture
def flags(root: Path, tmp_path: Path) -> list[object]:
    return [
        "embed",
        "--dataset",
        "photos",
        "--dataset_root",
        root,
        "--database_root",
        tmp_path / "db",
    ]


def test_pixels_of_a_folder(command: Command, flags: list[object], tmp_path: Path) -> None:
    done = command(*flags, "--backbone", "pixels", "--image_size", 8)
    assert done.status == 0 and done.err == ""
    place = tmp_path / "db" / "photos" / "pixels"
    assert done.out == f"24 train, 8 test rows × 192 columns -> {place}\n"
    data = database.load(tmp_path / "db", "photos", "pixels")
    assert data.class_names == ("even", "odd") and data.train.X.shape == (24, 192)


def test_knn_runs_on_what_it_wrote(command: Command, flags: list[object], tmp_path: Path) -> None:
    command(*flags, "--backbone", "pixels", "--image_size", 8)
    done = command(
        "knn",
        "--experiment_name",
        "demo",
        "--dataset",
        "photos",
        "--backbone",
        "pixels",
        "--database_root",
        tmp_path / "db",
        "--output_root",
        tmp_path / "logs",
        "--method",
        "kNN",
        "--k",
        5,
    )
    assert done.status == 0 and "[kNN] Agreement with the given labels" in done.out


@pytest.mark.slow
def test_every_flag_reaches_the_engine(
    command: Command, flags: list[object], tmp_path: Path, small_weights: Path
) -> None:
    done = command(
        *flags,
        "--backbone",
        "resnet10t",
        "--weights",
        small_weights,
        "--image_size",
        64,
        "--batch_size",
        5,
        "--seed",
        1,
        "--device",
        "cpu",
        "--num_workers",
        2,
        "--dtype",
        "float16",
        "--resume",
        "--on_error",
        "fail",
        "--autocast",
    )
    assert done.status == 0 and done.err == ""
    record = json.loads((tmp_path / "db/photos/resnet10t/manifest.json").read_text())
    assert record["batch_size"] == 5 and record["dtype"] == "float16"
    assert record["image_size"] == [64, 64] and record["autocast"] is True
    assert record["weights"]["name"] == "resnet10t.pth" and record["device"] == "cpu"
    X = database.load(tmp_path / "db", "photos", "resnet10t").train.X
    assert X.dtype == np.float16 and X.shape == (24, 512)


def test_estimate_comes_before_a_long_run(
    command: Command, flags: list[object], small_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed_command, "_WORTH_ESTIMATING", 1)
    done = command(
        *flags, "--backbone", "resnet10t", "--weights", small_weights, "--image_size", 32
    )
    assert done.status == 0
    assert done.err.startswith("32 images at about ") and " a second: " in done.err


def test_images_left_out_are_listed(
    command: Command, flags: list[object], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed_command, "_LISTED", 2)
    bad = sorted((root / "photos" / "train" / "odd").iterdir())[:3]
    for path in bad:
        path.write_bytes(b"")
    done = command(*flags, "--backbone", "pixels")
    assert done.status == 0 and "21 train, 8 test rows" in done.out
    assert ", 3 left out -> " in done.out
    assert done.err.splitlines() == [
        f"left out of train: {bad[0]} (the file is empty)",
        f"left out of train: {bad[1]} (the file is empty)",
        "1 more are listed in its manifest.json",
    ]


def test_on_error_fail_is_one_line(command: Command, flags: list[object], root: Path) -> None:
    bad = root / "photos" / "train" / "odd" / "0001.jpg"
    content = bad.read_bytes()
    bad.write_bytes(b"")
    done = command(*flags, "--backbone", "pixels", "--on_error", "fail")
    assert done.status == 2 and done.out == ""
    assert str(bad) in done.err and done.err.count("\n") == 1
    bad.write_bytes(content)
    assert command(*flags, "--backbone", "pixels", "--on_error", "fail").status == 0


def test_finished_database_is_refused_before_anything_is_loaded(
    command: Command, flags: list[object], tmp_path: Path
) -> None:
    (tmp_path / "db" / "photos" / "resnet18").mkdir(parents=True)
    done = command(*flags, "--backbone", "resnet18", "--weights", "missing.pth")
    assert done.status == 2 and "already" in done.err


def test_another_plan_goes_only_after_no_resume(
    command: Command, flags: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def stop(*args: object) -> None:
            raise KeyboardInterrupt

        patch.setattr("wann_core.embedding.partial.finish", stop)
        assert command(*flags, "--backbone", "pixels").status == 130
    refused = command(*flags, "--backbone", "pixels", "--batch_size", 7)
    assert refused.status == 2 and "--no-resume" in refused.err
    assert refused.err.count("\n") == 1
    again = command(*flags, "--backbone", "pixels", "--batch_size", 7, "--no-resume")
    assert again.status == 0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["--dataset", "nothing"], "the name of the data set is appended to --dataset_root"),
        (["--backbone", "resnet181"], "resnet18"),
        (["--backbone", "pixels", "--weights", "x.pth"], "no weights"),
        (["--backbone", "pixels", "--batch_size", "0"], "batch_size"),
        (["--backbone", "pixels", "--num_workers", "0"], "num_workers"),
        (["--backbone", "pixels", "--image_size", "-1"], "image_size"),
        (["--backbone", "pixels", "--size", "28"], "size"),
        (["--backbone", "pixels", "--dtype", "int8"], "--dtype"),
        (["--backbone", "../up", "--weights", __file__], "backbone"),
    ],
)
def test_wrong_input_is_one_line(
    command: Command,
    flags: list[object],
    wrong: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    done = command(*flags, *wrong)
    assert done.status == 2 and done.out == ""
    assert words in done.err and done.err.count("\n") == 1
    assert not list((tmp_path / "db").glob("*/*.npz"))


@pytest.mark.slow
def test_progress_is_drawn_on_a_terminal_only(flags: list[object], tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    script = (
        "import sys, time\n"
        "from wann_core.embedding.backbones import Pixels\n"
        "original = Pixels.embed\n"
        "def slow(self, batch): time.sleep(0.3); return original(self, batch)\n"
        "Pixels.embed = slow\n"
        "from wann_core.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    arguments = [*map(str, flags), "--backbone", "pixels", "--batch_size", "4"]
    subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=PROJECT,
        stderr=follower,
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=60,
    )
    os.close(follower)
    drawn = os.read(leader, 10_000).decode()
    os.close(leader)
    assert "\rembedding train, 1" in drawn and " images/s: " in drawn and " s left" in drawn
    assert drawn.rstrip().endswith("left") and "100%" in drawn


def test_time_left_counts_from_where_it_went_on(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    progress(800, 1000, "work")
    progress.started -= 10
    progress(900, 1000, "work")
    assert capsys.readouterr().err.startswith("\rwork: 90%, 10 s left")
