"""A user's images: class folders in every layout, and tables of file names and labels."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from wann_core.datasets.images import ImageDataset
from wann_core.datasets.sources.image_folder import list_images, open_images
from wann_core.errors import WannError


def write(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (3, 2)).save(path, "PNG")
    return root


def rows(images: ImageDataset) -> dict[str, dict[str, str]]:
    """{split: {file: class name, or '' without one}}."""
    return {
        split: {
            file: images.class_names[label] if label >= 0 else ""
            for file, label in zip(part.files or (), part.labels.tolist(), strict=True)
        }
        for split, part in images.splits.items()
    }


def refused(root: Path, *words: str, field: str = "dataset", **how: Any) -> None:
    with pytest.raises(WannError) as caught:
        open_images(root, "photos", **how)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message
    assert caught.value.field == field


def test_folders_of_splits_and_classes(tmp_path: Path) -> None:
    write(
        tmp_path,
        "train/cat/b.png",
        "train/cat/a.JPG",
        "train/dog/deep/er/c.jpeg",
        "test/dog/d.PNG",
        "test/cat/e.tiff",
        "validation/cat/f.webp",
        "unlabeled/g/h.png",
        "unlabeled/i.png",
        "train/.hidden/j.png",
        "train/cat/.k.png",
        "train/cat/._a.JPG",
    )
    (tmp_path / "train" / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "train" / "empty").mkdir()
    images = open_images(tmp_path, "photos")
    assert rows(images) == {
        "train": {
            "train/cat/a.JPG": "cat",
            "train/cat/b.png": "cat",
            "train/dog/deep/er/c.jpeg": "dog",
        },
        "val": {"validation/cat/f.webp": "cat"},
        "test": {"test/cat/e.tiff": "cat", "test/dog/d.PNG": "dog"},
        "unlabelled": {"unlabeled/g/h.png": "", "unlabeled/i.png": ""},
    }
    assert list(images.splits) == ["train", "val", "test", "unlabelled"]
    assert images.class_names == ("cat", "dog")
    assert images.name == "photos"
    assert images.origin == {"source": "imagefolder", "root": str(tmp_path.resolve())}
    with images.splits["test"].open(1) as image:
        assert image.size == (3, 2)


def test_a_split_without_test_rows_stays_as_it_is(tmp_path: Path) -> None:
    write(tmp_path, "Train/a/1.png", "Train/b/2.png", "dev/a/3.png")
    assert {s: len(p) for s, p in open_images(tmp_path, "x").splits.items()} == {
        "train": 2,
        "val": 1,
    }


def many(root: Path, counts: dict[str, int]) -> Path:
    return write(root, *(f"{c}/{i:02}.png" for c, n in counts.items() for i in range(n)))


def test_classes_without_a_split_are_split_by_class(tmp_path: Path) -> None:
    many(tmp_path, {"cat": 20, "dog": 10, "owl": 1, "test": 10})
    images = open_images(tmp_path, "photos", test_share=0.3)
    found = rows(images)
    assert Counter(found["test"].values()) == {"cat": 6, "dog": 3, "test": 3}
    assert Counter(found["train"].values()) == {"cat": 14, "dog": 7, "test": 7, "owl": 1}
    assert not set(found["train"]) & set(found["test"])
    for part in images.splits.values():
        assert list(part.files or ()) == sorted(part.files or ())
    assert images.class_names == ("cat", "dog", "owl", "test")
    assert rows(open_images(tmp_path, "photos", test_share=0.3)) == found
    assert rows(open_images(tmp_path, "photos", test_share=0.3, seed=1)) != found
    whole = rows(open_images(tmp_path, "photos", split="none"))
    assert list(whole) == ["train"]
    assert len(whole["train"]) == 41


def test_an_unlabeled_folder_beside_classes(tmp_path: Path) -> None:
    many(tmp_path, {"a": 4, "b": 4, "Unlabeled": 3})
    found = rows(open_images(tmp_path, "photos"))
    assert set(found["unlabelled"].values()) == {""}
    assert len(found["unlabelled"]) == 3
    assert len(found["train"]) + len(found["test"]) == 8


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    many(tmp_path, {"car": 5, "train": 5})
    assert open_images(tmp_path, "photos").class_names == ("car", "train")


def test_numeric_classes_are_in_the_order_of_their_values(tmp_path: Path) -> None:
    many(tmp_path, {"10": 2, "9": 2, "2": 2, "b": 2, "a": 2, "02": 2})
    assert open_images(tmp_path, "photos").class_names == ("02", "2", "9", "10", "a", "b")


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    root = many(tmp_path / "root", {"a": 3, "b": 3})
    write(tmp_path / "elsewhere", "x.png")
    (root / "c").symlink_to(tmp_path / "elsewhere")
    (root / "a" / "up").symlink_to(root)
    (root / "a" / "across").symlink_to(root / "b")
    (root / "b" / "across").symlink_to(root / "a")
    (root / "b" / "itself").symlink_to(root / "b" / "itself")
    (root / "b" / "itself.png").symlink_to(root / "b" / "itself.png")
    files = list_images(root)
    assert "c/x.png" in files
    assert "a/across/01.png" in files
    assert len(files) == len(set(files)) < 20


def test_odd_bytes_in_a_class_name_become_text(tmp_path: Path) -> None:
    many(tmp_path, {"fine": 2, os.fsdecode(b"caf\xe9"): 2})
    images = open_images(tmp_path, "photos", split="none")
    assert images.class_names == ("caf\\udce9", "fine")
    with images.splits["train"].open(0) as image:
        assert image.size == (3, 2)


def test_too_few_images_for_a_split(tmp_path: Path) -> None:
    many(tmp_path, {"a": 1, "b": 1})
    refused(tmp_path, "2 images of 2 classes are too few", "take no split", field="split")
    assert len(open_images(tmp_path, "photos", split="none")) == 2
    write(tmp_path, "a/9.png")
    refused(tmp_path, "test share of 0.9", test_share=0.9, field="split")


@pytest.mark.parametrize("names", [[], ["loose.png"], ["unlabeled/a.png"], ["unlabeled/x/a.png"]])
def test_folders_without_classes_are_reported(tmp_path: Path, names: list[str]) -> None:
    refused(write(tmp_path, *names), "no labeled images", "metadata.csv")


def test_settings_are_checked(tmp_path: Path) -> None:
    refused(tmp_path / "gone", "does not exist")
    (tmp_path / "table.csv").write_text("")
    refused(tmp_path / "table.csv", "is a file")
    refused(tmp_path, "`split`", split="random", field="split")
    refused(tmp_path, "`test_share`", test_share=1.5, field="test_share")


def test_list_of_images(tmp_path: Path) -> None:
    write(tmp_path, "b/1.GIF", "a.jfif", ".c.png")
    assert list_images(tmp_path) == ["a.jfif", "b/1.GIF"]
    for root in (tmp_path / "gone", tmp_path / "b" / "1.GIF"):
        with pytest.raises(WannError, match="does not exist"):
            list_images(root)
    (tmp_path / "none").mkdir()
    with pytest.raises(WannError, match="holds no images"):
        list_images(tmp_path / "none")
