"""What is left out of a folder of images is counted and named; nothing is guessed in silence."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.engine.datasets.test_image_folder import refused, rows, write
from wann_core.datasets.sources.image_folder import open_images


def remarks(root: Path) -> str:
    return " | ".join(open_images(root, "photos", split="none").remarks)


def test_other_files_and_empty_folders_are_named(tmp_path: Path) -> None:
    write(tmp_path, "a/0.jpg", "b/0.jpg", "loose.png")
    for name in ("c/0.heic", "c/1.HEIC", "a/notes.txt", "d/.keep", "a/README"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    text = remarks(tmp_path)
    assert "2 .heic, 1 .txt, 1 no suffix" in text or "2 .heic, 1 no suffix, 1 .txt" in text
    assert "folders without an image, left out: 'c', 'd'" in text
    assert "images outside the folders of classes, left out: 1 (first 'loose.png')" in text
    assert remarks(write(tmp_path / "plain", "a/0.jpg", "b/1.jpg")) == ""


def test_look_alike_folders_are_named(tmp_path: Path) -> None:
    write(tmp_path, "caf\xe9/0.jpg", "cafe\u0301/0.jpg", "tea/0.jpg")
    assert "'cafe\\u0301', 'caf\\xe9' differ only" in remarks(tmp_path)
    merged = open_images(tmp_path, "x", split="none").merge_look_alikes()
    assert (merged.class_names, merged.remarks) == (("cafe\u0301", "tea"), ())
    assert merged.splits["train"].labels.tolist() == [0, 0, 1]


def test_images_that_no_table_names_are_counted(tmp_path: Path) -> None:
    write(tmp_path, "0.jpg", "1.jpg", "2.jpg")
    (tmp_path / "metadata.csv").write_text("file_name,label\n0.jpg,a\n1.jpg,b\n")
    assert "no table names, left out: 1 (first '2.jpg')" in remarks(tmp_path)


@pytest.mark.parametrize(("line", "fields"), [("1.jpg,a,b", 3), ("1.jpg", 1)])
def test_a_row_of_other_length_is_refused_with_its_line(
    tmp_path: Path, line: str, fields: int
) -> None:
    (tmp_path / "metadata.csv").write_text(f"file_name,label\n0.jpg,a\n\n{line}\n2.jpg,b\n")
    refused(tmp_path, f"line 4: {fields} fields, where the header names 2 columns")


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["3.0", "1", "2"], ["3", "1", "2"]),
        (["-1", "0", "1"], ["", "0", "1"]),
        (["nan", "a", "b"], ["", "a", "b"]),
        (["NA", "0", "1"], ["", "0", "1"]),
        (["NA", "a", "b"], ["NA", "a", "b"]),
        (["007", "7", "8"], ["007", "7", "8"]),
    ],
)
def test_labels_mean_what_they_mean_in_tables(
    tmp_path: Path, form: str, labels: list[str], expected: list[str]
) -> None:
    if form == "csv":
        text = "\n".join(["file_name;label", *(f"{i}.jpg;{x}" for i, x in enumerate(labels))])
    else:
        values: list[Any] = [float(x) if x == "nan" or "." in x else x for x in labels]
        text = "\n".join(
            json.dumps({"file_name": f"{i}.jpg", "label": x}) for i, x in enumerate(values)
        )
    (tmp_path / f"metadata.{form}").write_text(text)
    found = rows(open_images(tmp_path, "photos", split="none"))
    by_file = {file: name for part in found.values() for file, name in part.items()}
    assert [by_file[f"{i}.jpg"] for i in range(3)] == expected


@pytest.mark.parametrize("by_index", [False, True])
def test_labels_of_fiftyone(tmp_path: Path, by_index: bool) -> None:
    write(tmp_path, "data/a.jpg", "data/b.c.png", "data/d.jpg")
    labels: dict[str, Any] = {"a": "cat", "b.c": "dog", "gone": "cat"}
    if by_index:
        labels = {name: ["cat", "dog"].index(label) for name, label in labels.items()}
    content = {"classes": ["cat", "dog"] if by_index else None, "labels": labels}
    (tmp_path / "labels.json").write_text(json.dumps(content))
    images = open_images(tmp_path, "photos", split="none")
    assert rows(images) == {
        "train": {"data/a.jpg": "cat", "data/b.c.png": "dog"},
        "unlabelled": {"data/d.jpg": ""},
    }
    assert "labels of images that are not there: 1 (first 'gone')" in " ".join(images.remarks)
    write(tmp_path, "data/a.png")
    refused(tmp_path, "'a' means both")


_CAT = {"_cls": "Classification", "label": "cat"}


def coco(labels: list[tuple[int, int]]) -> dict[str, Any]:
    """A COCO file of images 1 and 2, with (image, class) pairs."""
    return {
        "images": [{"id": 1, "file_name": "0.jpg"}, {"id": 2, "file_name": "1.jpg"}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [{"image_id": image, "category_id": label} for image, label in labels],
    }


SAMPLES = {
    "samples": [
        {"filepath": "data/a.jpg", "tags": ["validation", "x"], "ground_truth": _CAT, "p": _CAT},
        {"filepath": "/elsewhere/data/b.jpg", "tags": [], "ground_truth": {**_CAT, "label": "dog"}},
        {"filepath": "data/c.jpg", "tags": ["train"], "ground_truth": None},
        {"filepath": "data/gone.jpg", "tags": [], "ground_truth": _CAT},
    ]
}
CSV = """filepath,tags,ground_truth.label
a.jpg,"validation,x",cat
b.jpg,,dog
c.jpg,train,
gone.jpg,,cat
"""


@pytest.mark.parametrize(
    ("name", "text"), [("samples.json", json.dumps(SAMPLES)), ("labels.csv", CSV)]
)
def test_data_sets_of_fiftyone(tmp_path: Path, name: str, text: str) -> None:
    write(tmp_path, "data/a.jpg", "data/b.jpg", "data/c.jpg", "data/d.jpg")
    (tmp_path / name).write_text(text)
    images = open_images(tmp_path, "photos")
    assert rows(images) == {
        "train": {"data/b.jpg": "dog"},
        "val": {"data/a.jpg": "cat"},
        "unlabelled": {"data/c.jpg": ""},
    }
    told = " ".join(images.remarks)
    assert "read by FiftyOne's" in told and "not there: 1" in told and "'data/d.jpg'" in told


@pytest.mark.parametrize(
    ("table", "folder"),
    [
        ("labels.json", "data"),
        ("annotations/instances_train2017.json", "images/train2017"),
        ("train/_annotations.coco.json", "train"),
        ("result.json", "images"),
    ],
)
def test_coco_with_one_class_an_image(tmp_path: Path, table: str, folder: str) -> None:
    write(tmp_path, f"{folder}/0.jpg", f"{folder}/1.jpg", f"{folder}/2.jpg")
    (tmp_path / table).parent.mkdir(exist_ok=True)
    (tmp_path / table).write_text(json.dumps(coco([(1, 2), (2, 1), (1, 2)])))
    images = open_images(tmp_path, "photos", split="none")
    assert rows(images) == {"train": {f"{folder}/0.jpg": "dog", f"{folder}/1.jpg": "cat"}}
    assert "one class an image" in images.remarks[0] and f"{folder}/2.jpg" in images.remarks[1]


def test_a_name_that_may_mean_two_files_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "x/0.jpg", "y/0.jpg", "y/1.jpg")
    (tmp_path / "labels.json").write_text(json.dumps(coco([(1, 1), (2, 2)])))
    refused(tmp_path, "'0.jpg' may be 'x/0.jpg' or 'y/0.jpg'")


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({"metadata.json": "{}", "samples.json": "{}"}, "a FiftyOneDataset"),
        ({"samples.json": json.dumps({"samples": [{"a": {}}]})}, "one Classification.*none"),
        ({"samples.json": json.dumps({"samples": [{"a": _CAT, "b": _CAT}]})}, "several: 'a', 'b'"),
        ({"labels.csv": "filepath\n0.jpg\n"}, "a FiftyOne CSVDataset.*fields="),
        ({"labels.csv": "filepath,label\n"}, "labels.csv.*names no image"),
        ({"labels.csv": "filepath,a.label,b.label\n0.jpg,c,d\n"}, "a FiftyOne CSVDataset"),
        ({"labels.json": '{"images": [], "annotations": [], "categories": []}'}, "COCO"),
        ({"labels.json": '{"images": [{"id": 1}], "annotations": []}'}, "not a complete COCO file"),
        ({"labels.json": json.dumps(coco([(1, 1), (1, 2)]))}, "COCO.*several classes in 1 of 2"),
        ({"annotations/train.json": '{"images": [], "annotations": []}'}, "COCO"),
        ({"dataset.yaml": "train: images", "images/train/0.txt": ""}, "YOLO"),
        ({"obj.names": "cat"}, "YOLO"),
        ({"Annotations/0.xml": "", "JPEGImages/0.txt": ""}, "Pascal VOC"),
    ],
)
def test_data_sets_of_other_programs_are_refused_by_name(
    tmp_path: Path, files: dict[str, str], what: str
) -> None:
    write(tmp_path, "data/0.jpg", "data/1.jpg")
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    refused(tmp_path, *what.split(".*"))


def test_a_header_of_several_lines_is_reported_in_one(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text('"file_\n\u202ename",label\n0.png,a\n')
    refused(tmp_path, "it has file_  name, label")
