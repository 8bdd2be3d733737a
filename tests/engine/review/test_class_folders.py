"""The cleaned images as folders: every file under its label, none lost, none replaced."""

import dataclasses
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.reviewed_photos import ODD, photos, review, split_photos, unjudged
from wann_core import WannError, datasets
from wann_core.datasets import database
from wann_core.datasets.dataset import Dataset, Split
from wann_core.datasets.sources.image_folder import open_images
from wann_core.review.exports import Review
from wann_core.review.exports.class_folders import RECORD, class_folders


def reviewed(data: Dataset, root: Path) -> Review:
    return Review(data, review(data, root / "reviews").verdicts())


def files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("way", ["copy", "link"])
def test_every_image_lies_under_its_label(tmp_path: Path, way: str) -> None:
    data = split_photos(tmp_path)
    plan = class_folders(reviewed(data, tmp_path))
    assert plan.text.startswith(
        "39 images in 4 class folders; 1 of them under a corrected label; 1 removed; "
    )
    out = tmp_path / "clean"
    text = plan.write(out, way)
    assert text.endswith("39 copied." if way == "copy" else "39 linked, 0 copied.")
    found = files(out) - {RECORD}
    assert len(found) == 39
    # Row 0 moved to the dogs, where its name is taken; row 1 is gone; row 2 stays.
    assert "train/dog/0001-0.png" in found and "train/cat/0001.png" not in found
    assert "train/cat/0002.png" not in found and "train/cat/0003.png" in found
    lines = [json.loads(line) for line in (out / RECORD).read_text().splitlines()]
    assert {line["file"] for line in lines} == found
    for line in lines:
        source = tmp_path / "photos" / line["source"]
        copy = out / line["file"]
        assert copy.read_bytes() == source.read_bytes()
        assert (way == "link") == copy.samefile(source)
        assert line["file"].split("/")[1] == line["label"]
    (moved,) = [line for line in lines if line["label"] != line["given_label"]]
    assert (moved["source"], moved["row"], moved["action"]) == ("train/cat/0001.png", 0, "relabel")
    images = open_images(out, "clean")
    assert {name: len(split) for name, split in images.splits.items()} == {"train": 35, "test": 4}
    assert not list(tmp_path.glob(".writing-*"))


def test_a_folder_among_the_class_folders_is_refused(tmp_path: Path) -> None:
    # It would be one more class at the next look into the source.
    for data in (photos(tmp_path / "plain"), split_photos(tmp_path / "split")):
        source = data.images.splits["train"].root  # type: ignore[union-attr]
        plan = class_folders(Review(data, review(data, source.parent / "reviews").verdicts()))
        before = files(source)
        (source.parent / "link").symlink_to(source)
        for out in (source / "clean", source / "cat" / "clean", source.parent / "link" / "clean"):
            with pytest.raises(WannError, match="`out` must lie outside the folder of the images"):
                plan.write(out)
        assert files(source) == before
        plan.write(source.parent / "clean")


def test_plain_class_folders_stay_plain(tmp_path: Path) -> None:
    plan = class_folders(reviewed(photos(tmp_path), tmp_path))
    assert {path.rpartition("/")[0] for path, _ in plan.placed} == {"cat", "dog"}
    paths = {row.file: path for path, row in plan.placed}
    assert paths["cat/02.png"] == "dog/02-0.png" and paths["cat/04.png"] == "cat/04.png"


def test_nothing_is_replaced_and_a_stopped_export_leaves_nothing(tmp_path: Path) -> None:
    plan = class_folders(reviewed(photos(tmp_path), tmp_path))
    out = tmp_path / "clean"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(WannError, match="a new or an empty folder"):
        plan.write(out)
    with pytest.raises(WannError, match="in an existing folder"):
        plan.write(tmp_path / "a" / "b")
    assert files(out) == {"mine.txt"}

    class Stopped(Exception):
        pass

    def stop(done: float, total: float, text: str) -> None:
        if done > 3:
            raise Stopped

    for write in (plan.write, plan.zip):
        with pytest.raises(Stopped):
            write(tmp_path / "half", progress=stop)
    assert not (tmp_path / "half").exists() and not list(tmp_path.glob(".writing-*"))


def test_the_zip_file_holds_the_same(tmp_path: Path) -> None:
    plan = class_folders(reviewed(split_photos(tmp_path), tmp_path))
    old = tmp_path / "photos/train/cat/0003.png"
    os.utime(old, (0, 0))  # zip files know no time before 1980
    plan.zip(tmp_path / "clean.zip")
    plan.write(tmp_path / "clean")
    with zipfile.ZipFile(tmp_path / "clean.zip") as archive:
        assert {*archive.namelist()} == files(tmp_path / "clean")
        for name in archive.namelist():
            assert archive.read(name) == (tmp_path / "clean" / name).read_bytes()


HOSTILE_CLASSES = ("../../up", "..", "a/b", "A\\B", "con", "Cat", "cat", " x. ", "é" * 300)


def test_no_path_is_made_of_a_name(tmp_path: Path) -> None:
    n = len(ODD)
    root = tmp_path / "photos"
    for name in ("=cat", "cat", "-dog"):
        (root / name).mkdir(parents=True)
    for file in (ODD[0], ODD[-1]):
        Image.new("L", (2, 2)).save(root / file)
    (tmp_path / "cat").mkdir()
    Image.new("L", (2, 2)).save(tmp_path / "cat" / "06.png")  # what '../cat/06.png' would reach
    X = np.random.RandomState(0).randn(n, 2)
    split = Split(X, np.arange(n), np.arange(n), names=ODD)
    details = {"images": {"source": "imagefolder", "root": str(root)}}
    database.write(tmp_path / "db", "odd", "tiny", {"train": split}, HOSTILE_CLASSES, details)
    data = datasets.load("odd", "tiny", tmp_path / "db", tmp_path)
    plan = class_folders(unjudged(data))
    assert [row.file for _, row in plan.placed] == [ODD[-1], ODD[0]]
    assert [path for path, _ in plan.placed] == ["Cat/00.png", "_.._up/05.png"]
    assert len(plan.left_out) == 4 and "4 left out" in plan.text
    plan.write(tmp_path / "clean")
    assert len(files(tmp_path / "clean")) == 3
    every = dataclasses.replace(plan, placed=())
    with pytest.raises(WannError, match="none is left to write"):
        every.write(tmp_path / "none")


def test_class_folders_differ_whatever_the_file_system() -> None:
    from wann_core.review.exports.class_folders import _folder_names

    names = _folder_names(HOSTILE_CLASSES)
    assert len({name.casefold() for name in names}) == len(names)
    for name in names:
        assert not {*name} & {*'/\\:*?"<>|'} and name.strip(" .") == name and name
        assert len(name.encode()) <= 220 and name.casefold() != "con"
    assert names[5:7] == ["Cat", "cat (class 6)"]


def test_a_file_that_is_gone_is_counted(tmp_path: Path) -> None:
    data = photos(tmp_path)
    (tmp_path / "photos" / "cat" / "07.png").unlink()
    plan = class_folders(reviewed(data, tmp_path))
    assert plan.left_out == ("cat/07.png",) and len(plan.placed) == 38


def test_rows_of_an_array_become_files(tmp_path: Path) -> None:
    data = datasets.load("digits", "pixels")
    few = dataclasses.replace(
        data,
        train=dataclasses.replace(
            data.train, X=data.train.X[:5], y=data.train.y[:5], ids=data.train.ids[:5]
        ),
        test=None,
    )
    plan = class_folders(unjudged(few))
    plan.write(tmp_path / "clean")
    for place in range(5):
        path = f"{few.class_names[few.train.y[place]]}/{few.train.ids[place]}.png"
        with Image.open(tmp_path / "clean" / path) as image:
            expected = few.image("train", place)
            assert expected is not None
            np.testing.assert_array_equal(np.asarray(image), np.asarray(expected))
