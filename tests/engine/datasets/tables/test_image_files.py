"""Hugging Face's metadata.csv and metadata.jsonl beside a user's images."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.engine.datasets.test_image_folder import refused, rows
from wann_core.datasets.sources.image_folder import open_images
from wann_core.storage.tables import to_csv

HEAD = "file_name,label,split\n"


def table(root: Path, text: str, name: str = "metadata.csv") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return root


def jsonl(*objects: Any) -> str:
    return "\n".join(json.dumps(o, ensure_ascii=False) for o in objects)


def opened(root: Path, **how: Any) -> dict[str, dict[str, str]]:
    return rows(open_images(root, "photos", **how))


EXPECTED = {
    "train": {"a.png": "cat", "d/b.png": "dog"},
    "test": {"c.png": "cat"},
    "unlabelled": {"d/e.png": ""},
}
OBJECTS = [
    {"file_name": "d/b.png", "label": "dog", "split": "train"},
    {"file_name": "c.png", "label": "cat", "split": "TEST"},
    {"file_name": "a.png", "label": "cat", "split": "train"},
    {"file_name": "d/e.png", "label": None, "split": "test"},
]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_csv(tmp_path: Path, mark: str, newline: str) -> None:
    text = HEAD + "d/b.png,dog,train\n c.png , cat ,TEST\n./a.png,cat,train\nd/e.png,,test\n"
    assert opened(table(tmp_path, mark + text.replace("\n", newline))) == EXPECTED


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_jsonl(tmp_path: Path, mark: str) -> None:
    text = mark + jsonl(*OBJECTS) + "\n\n"
    assert opened(table(tmp_path, text, "metadata.jsonl")) == EXPECTED


def test_a_label_may_first_come_later(tmp_path: Path) -> None:
    objects = [{"file_name": "e.png"}, {"file_name": "a.png", "label": "cat"}]
    table(tmp_path, jsonl(*objects), "metadata.jsonl")
    assert opened(tmp_path, split="none") == {
        "train": {"a.png": "cat"},
        "unlabelled": {"e.png": ""},
    }


@pytest.mark.parametrize("column", ["label", "labels", "class", "category", "target"])
def test_names_of_the_label_column(tmp_path: Path, column: str) -> None:
    table(tmp_path, f"other,{column},file_name\n1,cat,a.png\n2,dog,b.png\n")
    assert opened(tmp_path, split="none") == {"train": {"a.png": "cat", "b.png": "dog"}}


def test_line_breaks_inside_quotes_belong_to_the_text(tmp_path: Path) -> None:
    text = 'file_name,caption,label\na.png,"two\nlines",cat\nb.png,"one\r\n""more""",dog\n'
    assert opened(table(tmp_path, text), split="none")["train"] == {"a.png": "cat", "b.png": "dog"}


@pytest.mark.parametrize("break_", ["\u2028", "\x85", "\x0b", "\x1c"])
def test_what_only_looks_like_a_line_break_stays(tmp_path: Path, break_: str) -> None:
    table(tmp_path, f"file_name,caption,label\na.png,x{break_}y,cat\nb.png,,dog\n")
    assert set(opened(tmp_path, split="none")["train"]) == {"a.png", "b.png"}
    (tmp_path / "metadata.csv").unlink()
    objects = [{"file_name": "a.png", "label": f"x{break_}y"}, {"file_name": "b.png", "label": "z"}]
    table(tmp_path, jsonl(*objects), "metadata.jsonl")
    assert set(opened(tmp_path, split="none")["train"]) == {"a.png", "b.png"}


def test_numbers_are_classes_by_value(tmp_path: Path) -> None:
    objects = [{"file_name": f"{i}.png", "label": n} for i, n in enumerate([10, 9, 2, 0])]
    table(tmp_path, jsonl(*objects), "metadata.jsonl")
    images = open_images(tmp_path, "photos", split="none")
    assert images.class_names == ("0", "2", "9", "10")
    assert images.splits["train"].labels.tolist() == [3, 2, 1, 0]


def test_a_number_too_long_for_a_class_id_is_a_name(tmp_path: Path) -> None:
    table(tmp_path, f"file_name,label\na.png,{'9' * 5000}\nb.png,1\n")
    assert open_images(tmp_path, "photos", split="none").class_names == ("1", "9" * 5000)


def test_tables_in_the_folders_of_the_splits(tmp_path: Path) -> None:
    table(tmp_path, "file_name,label\nb.png,dog\na.png,cat\n", "train/metadata.csv")
    table(tmp_path, jsonl({"file_name": "a.png", "label": "dog"}), "test/metadata.jsonl")
    table(tmp_path, "file_name,label\nu.png,cat\n", "unlabeled/metadata.csv")
    table(tmp_path, "file_name,label\nx.png,cat\n", "other/metadata.csv")
    assert opened(tmp_path) == {
        "train": {"train/a.png": "cat", "train/b.png": "dog"},
        "test": {"test/a.png": "dog"},
        "unlabelled": {"unlabeled/u.png": ""},
    }


def test_splits_by_the_first_folder_of_the_path(tmp_path: Path) -> None:
    table(tmp_path, "file_name,label\ntrain/a.png,cat\ntest/b.png,cat\n")
    assert opened(tmp_path) == {"train": {"train/a.png": "cat"}, "test": {"test/b.png": "cat"}}


def test_rows_without_any_split_are_split(tmp_path: Path) -> None:
    lines = [f"{i:02}.png,{'ab'[i % 2]}" for i in range(20)]
    found = opened(table(tmp_path, "\n".join(["file_name,label", *lines])))
    assert (len(found["train"]), len(found["test"])) == (16, 4)
    assert sorted(found["test"].values()) == ["a", "a", "b", "b"]


def test_rows_of_an_unlabeled_split_have_no_label(tmp_path: Path) -> None:
    lines = [f"{i:02}.png,{'ab'[i % 2]}," for i in range(10)]
    found = opened(table(tmp_path, HEAD + "\n".join([*lines, "x.png,a,unlabelled"])))
    assert found["unlabelled"] == {"x.png": ""}
    assert (len(found["train"]), len(found["test"])) == (8, 2)


def test_the_table_counts_before_folders_and_csv_before_jsonl(tmp_path: Path) -> None:
    table(tmp_path, "file_name,label\na/1.png,x\na/2.png,y\n")
    table(tmp_path, jsonl({"file_name": "z.png", "label": "z"}), "metadata.jsonl")
    assert opened(tmp_path, split="none") == {"train": {"a/1.png": "x", "a/2.png": "y"}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it has none"),
        ("file_name,label\n", "no labeled images"),
        ("file,label\na.png,x\n", "it has file, label"),
        ("file_name,split\na.png,train\n", "one of label, labels"),
        ("file_name,label\na.png,x\n./a.png,x\n", "row 2: './a.png' is there twice"),
        ("file_name,label\na.png,x\n../b.png,x\n", "row 2: '../b.png' is not a path inside"),
        ("file_name,label\na/../../b.png,x\n", "is not a path inside"),
        ("file_name,label\n/etc/passwd,x\n", "'/etc/passwd' is not a path inside"),
        ("file_name,label\n,x\n", "row 1: '' is not a path inside"),
        ("file_name,label\n.,x\n", "is not a path inside"),
        (HEAD + "a.png,x,train\nb.png,x,maybe\n", "row 2: `split` must be train, val or test, got"),
        (HEAD + "a.png,x,test\n", "no labeled training images"),
        ("file_name,label\na.png,\n", "no labeled images"),
        ("file_name,label\na.png," + "x" * 200_000, "cannot be read"),
    ],
)
def test_tables_that_cannot_be_understood(tmp_path: Path, text: str, words: str) -> None:
    refused(table(tmp_path, text), words)


@pytest.mark.parametrize("name", ["/etc/passwd", "", "../a.png"])
def test_a_folder_before_the_name_excuses_nothing(tmp_path: Path, name: str) -> None:
    refused(table(tmp_path, f"file_name,label\n{name},x\n", "train/metadata.csv"), "inside")


def test_one_image_in_two_tables(tmp_path: Path) -> None:
    table(tmp_path, "file_name,label\ntrain/a.png,x\n")
    table(tmp_path, "file_name,label\na.png,y\n", "train/metadata.csv")
    refused(tmp_path, "'a.png' is there twice")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"file_name": "a.png", "label": "x"}\n[1]', "line 2 is not an object"),
        ('{"file_name": "a.png", "label": "x"}\n{"file', "line 2"),
        ("[" * 100_000, "cannot be read"),
        (jsonl({"file_name": "a.png", "label": ["x", "y"]}), "`label` must be one label"),
        (jsonl({"file_name": "a.png", "label": {"x": 1}}), "`label` must be one label"),
        (jsonl({"file_name": 5, "caption": "x"}), "it has file_name, caption"),
    ],
)
def test_jsonl_that_cannot_be_understood(tmp_path: Path, text: str, words: str) -> None:
    refused(table(tmp_path, text, "metadata.jsonl"), words)


def test_other_encodings_are_reported(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_bytes("file_name,label\na.png,x".encode("utf-16"))
    refused(tmp_path, "cannot be read")


def test_labels_that_were_guarded_against_spreadsheets_are_what_they_were(tmp_path: Path) -> None:
    frame = pd.DataFrame({"file_name": ["a.png", "b.png"], "label": ["+1", "-1"]})
    table(tmp_path, to_csv(frame))
    assert "'+1" in (tmp_path / "metadata.csv").read_text()
    assert open_images(tmp_path, "x", split="none").class_names == ("+1", "-1")
