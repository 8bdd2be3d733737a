"""`wann issues`: a folder of images to a list, and what is refused."""

from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from tests.conftest import Command
from tests.helpers.pictures import write_photos


def test_a_folder_of_photos_and_its_database(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_photos(tmp_path / "raw", train=40, test=0)
    photos = tmp_path / "photos"
    for row, file in enumerate(sorted((tmp_path / "raw" / "train").iterdir())):
        place = photos / "ab"[row % 2] / file.name
        place.parent.mkdir(parents=True, exist_ok=True)
        file.rename(place)
    Image.new("RGB", (40, 40), (90, 90, 90)).save(photos / "a" / "0000.jpg")
    (photos / "b" / "0001.jpg").write_bytes(b"\xff\xd8\xff cut")
    out = tmp_path / "issues.csv"
    roots = ("--database_root", tmp_path / "db", "--backbone", "pixels")
    ran = command("issues", photos, *roots, "--out", out, "--no_probe")
    assert ran.status == 0, ran.err
    assert "unreadable image 1, blank image 1" in ran.out
    found = pd.read_csv(out).set_index("kind")
    assert found.loc["blank", "name"] == "a/0000.jpg"
    assert found.loc["unreadable", "name"] == "b/0001.jpg"
    # The same of the database that this has made, wherever the default folders are.
    monkeypatch.chdir(tmp_path / "db" / "photos" / "pixels")
    again = tmp_path / "again.csv"
    ran = command("issues", ".", "--out", again, "--no_probe")
    assert ran.status == 0, ran.err
    assert again.read_text() == out.read_text()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("photos", "--out", "x.txt"), "--out must end in .csv or .parquet"),
        (("photos", "--out", "no/x.csv"), "--out must be a file in an existing folder"),
        (("--out", "x.csv"), "name either a PATH or a --dataset"),
        ((__file__, "--out", "x.csv"), "must be a folder of images or a database"),
    ],
)
def test_what_is_refused(command: Command, flags: tuple[str, ...], says: str) -> None:
    ran = command("issues", *flags)
    assert (ran.status, says in ran.err) == (2, True), ran.err
