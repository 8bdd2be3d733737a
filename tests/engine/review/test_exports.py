"""Reviewed labels for other programs, and as a database of their own."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.helpers.raw_sources import write_mnist
from wann_core import WannError, datasets
from wann_core.audit.label_audit import audit
from wann_core.datasets import database, image_sources
from wann_core.datasets.dataset import Dataset, Split
from wann_core.datasets.sources.image_folder import open_images
from wann_core.review.corrections import Corrected, corrected
from wann_core.review.export_database import write_cleaned
from wann_core.review.export_labels import (
    csv_of,
    fiftyone_labels,
    image_folder_metadata,
    label_studio_config,
    label_studio_tasks,
    parquet_of,
    review_table,
)
from wann_core.review.ledger import Ledger, Verdict, ledger_of

FILES = [f"{c}/{i:02}.png" for c in ("cat", "dog") for i in range(20)]


def photos(root: Path, files: list[str] = FILES, **manifest: object) -> Dataset:
    """A database of embedded photos, which lie in a folder; four are in test."""
    folder = root / "photos"
    for file in files:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (3, 2), int(file[-6:-4])).save(path, "PNG")
    y = np.array([int(file.startswith("dog")) for file in files])
    X = np.random.RandomState(0).randn(len(y), 4).astype(np.float32) + 4 * y[:, None]
    parts = {"train": slice(2, len(y) - 2), "test": np.r_[0:2, len(y) - 2 : len(y)]}
    splits = {
        name: Split(X[rows], y[rows], np.arange(len(y[rows])), names=list(np.array(files)[rows]))
        for name, rows in parts.items()
    }
    details = {"images": {"source": "imagefolder", "root": str(folder.resolve())}, **manifest}
    database.write(root / "db", "photos", "tiny", splits, ("cat", "dog"), details)
    return datasets.load("photos", "tiny", root / "db", root)


def review(data: Dataset, root: Path) -> Ledger:
    """Training row 0 is a dog, row 1 goes, row 2 stays, row 3 is open."""
    ledger = ledger_of(data, root)
    given = data.class_names
    rows = [
        Verdict("train", row, given[data.train.y[row]], action, new)
        for row, action, new in (
            (0, "relabel", "dog"),
            (1, "remove", None),
            (2, "keep", None),
            (3, "unsure", None),
        )
    ]
    ledger.record(rows, who="ada")
    return ledger


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return photos(tmp_path, weights="w", image_size=[2, 3])


@pytest.fixture
def after(data: Dataset, tmp_path: Path) -> Corrected:
    return corrected(data, review(data, tmp_path / "reviews").verdicts())


def verdicts(tmp_path: Path) -> pd.DataFrame:
    (path,) = (tmp_path / "reviews").glob("*.sqlite")
    return Ledger(path).verdicts()


def test_table_carries_the_verdicts(data: Dataset, after: Corrected, tmp_path: Path) -> None:
    ranked = audit(data, probe=False).ranked()
    table = review_table(ranked, verdicts(tmp_path), "neighbors")
    pd.testing.assert_frame_equal(table[list(ranked)], ranked.reset_index(drop=True))
    assert {"is_label_issue", "label_score", "given_label", "predicted_label"} <= set(table)
    at = table.set_index(["split", "row"])
    assert at.loc[("train", 0), ["action", "new_label", "who"]].tolist() == [
        "relabel",
        "dog",
        "ada",
    ]
    assert at.loc[("test", 0), ["action", "new_label", "who", "when"]].isna().all()
    assert table["action"].notna().sum() == 4
    read = pd.read_csv(io.BytesIO(csv_of(table).content))
    pd.testing.assert_frame_equal(read["label_score"].to_frame(), table["label_score"].to_frame())
    parquet = pd.read_parquet(io.BytesIO(parquet_of(table).content))
    pd.testing.assert_frame_equal(parquet, table)
    written = tmp_path / "out.csv"
    csv_of(table).write(written)
    assert written.read_bytes() == csv_of(table).content


def test_cleaned_database_loads_and_finds_its_images(after: Corrected, tmp_path: Path) -> None:
    place = write_cleaned(after, tmp_path / "db", "photos-cleaned", ledger="x.sqlite")
    made = json.loads((place / "manifest.json").read_text())
    assert (made["weights"], made["image_size"], made["dataset"]) == ("w", [2, 3], "photos-cleaned")
    assert made["review"] == {
        "dataset": "photos",
        "ledger": "x.sqlite",
        "removed": {"train": [1]},
        "verdicts": {"keep": 1, "relabel": 1, "remove": 1, "unsure": 1, "unreviewed": 36},
    }
    data = datasets.load("photos-cleaned", "tiny", tmp_path / "db", tmp_path)
    old = after.data
    assert data.train.ids.tolist() == [0, *range(2, 36)]
    assert data.train.y[0] == 1 and old.train.y[0] == 0
    np.testing.assert_array_equal(data.train.y[1:], old.train.y[2:])
    np.testing.assert_array_equal(data.train.X, np.delete(old.train.X, 1, axis=0))
    assert data.images_missing == ""
    image, before = data.image("train", 1), old.image("train", 2)
    assert image is not None and before is not None
    assert image.getpixel((0, 0)) == before.getpixel((0, 0)) == 4
    with pytest.raises(WannError, match="already a database"):
        write_cleaned(after, tmp_path / "db", "photos-cleaned")


def test_images_of_arrays_are_found_under_corrected_labels(tmp_path: Path) -> None:
    write_mnist(tmp_path / "raw" / "mnist")
    images = image_sources.open_images("mnist", tmp_path / "raw", download=False)
    splits = {
        name: Split(np.random.RandomState(0).randn(len(s), 3), s.labels, np.arange(len(s)))
        for name, s in images.splits.items()
    }
    details = {"images": dict(images.origin)}
    database.write(tmp_path / "db", "mnist", "tiny", splits, images.class_names, details)
    roots = tmp_path / "db", tmp_path / "raw"
    data = datasets.load("mnist", "tiny", *roots)
    given = data.class_names[data.train.y[0]]
    rows = [
        Verdict("train", 0, given, "relabel", data.class_names[(data.train.y[0] + 1) % 10]),
        Verdict("train", 1, data.class_names[data.train.y[1]], "remove"),
    ]
    ledger = ledger_of(data, tmp_path)
    ledger.record(rows, who="ada")
    write_cleaned(corrected(data, ledger.verdicts()), roots[0], "mine/mnist")
    cleaned = datasets.load("mine/mnist", "tiny", *roots)
    for place, before in ((0, 0), (1, 2)):
        image, expected = cleaned.image("train", place), data.image("train", before)
        assert image is not None and expected is not None
        np.testing.assert_array_equal(np.asarray(image), np.asarray(expected))
    # Cleaned once more, from the cleaned one.
    again = ledger_of(cleaned, tmp_path)
    again.record([Verdict("train", 2, cleaned.class_names[cleaned.train.y[1]], "remove")], who="a")
    write_cleaned(corrected(cleaned, again.verdicts()), roots[0], "twice")
    assert datasets.load("twice", "tiny", *roots).image("train", 1) is not None
    # Another file under the same name is noticed.
    place = roots[0] / "mine" / "mnist" / "tiny" / "manifest.json"
    made = json.loads(place.read_text())
    made["images"]["labels"]["train"] = "00"
    place.write_text(json.dumps(made))
    changed = datasets.load("mine/mnist", "tiny", *roots)
    assert changed.images is None and "do not belong" in changed.images_missing


def test_cleaned_digits_keep_their_pictures(tmp_path: Path) -> None:
    data = datasets.load("digits", "pixels")
    row = int(data.test.ids[5])  # type: ignore[union-attr]
    ledger = ledger_of(data, tmp_path)
    name = data.class_names[data.test.y[5]]  # type: ignore[union-attr]
    ledger.record([Verdict("test", row, name, "remove")], who="ada")
    write_cleaned(corrected(data, ledger.verdicts()), tmp_path, "digits-cleaned")
    cleaned = datasets.load("digits-cleaned", "pixels", tmp_path)
    image, expected = cleaned.image("test", 5), data.image("test", 6)
    assert cleaned.images_missing == "" and image is not None and expected is not None
    np.testing.assert_array_equal(np.asarray(image), np.asarray(expected))


def test_nothing_left_is_refused(data: Dataset, tmp_path: Path) -> None:
    rows = [
        Verdict("train", int(i), data.class_names[c], "remove")
        for i, c in zip(data.train.ids, data.train.y, strict=True)
    ]
    ledger = ledger_of(data, tmp_path / "reviews")
    ledger.record(rows, who="ada")
    with pytest.raises(WannError, match="every training row was removed"):
        write_cleaned(corrected(data, ledger.verdicts()), tmp_path / "db", "gone")
    assert not (tmp_path / "db" / "gone").exists()


def test_image_folder_reads_back_under_new_labels(after: Corrected, tmp_path: Path) -> None:
    exported = image_folder_metadata(after, verdicts(tmp_path))
    assert (exported.rows, exported.left_out) == (39, 0)
    table = pd.read_csv(io.BytesIO(exported.content), keep_default_na=False)
    assert list(table) == ["file_name", "label", "split", "original_label", "action"]
    assert table.iloc[0].tolist() == ["cat/02.png", "dog", "train", "cat", "relabel"]
    assert "cat/03.png" not in set(table["file_name"])
    exported.write(tmp_path / "photos" / "metadata.csv")
    images = open_images(tmp_path / "photos", "photos")
    train = images.splits["train"]
    found = dict(zip(train.files or (), train.labels.tolist(), strict=True))
    assert (found["cat/02.png"], found["cat/04.png"], len(found)) == (1, 0, 35)
    assert len(images.splits["test"]) == 4


ODD = ["=cat/05.png", "../cat/06.png", "cat/0\n7.png", "/cat/08.png", "cat\\09.png", "-dog/00.png"]


def test_unsafe_file_names_stay_behind(tmp_path: Path) -> None:
    X = np.random.RandomState(0).randn(7, 2)
    y = np.array([0, 0, 0, 0, 0, 1, 1])
    split = Split(X, y, np.arange(7), names=[*ODD, "dog/01.png"])
    (tmp_path / "photos").mkdir()
    details = {"images": {"source": "imagefolder", "root": str(tmp_path / "photos")}}
    database.write(tmp_path / "db", "odd", "tiny", {"train": split}, ("=cat", "dog"), details)
    data = datasets.load("odd", "tiny", tmp_path / "db", tmp_path)
    nothing = Ledger(tmp_path / "none.sqlite").verdicts()
    exported = image_folder_metadata(corrected(data, nothing), nothing)
    assert (exported.rows, exported.left_out) == (3, 4)
    lines = exported.content.decode().splitlines()
    assert lines[1].startswith("./=cat/05.png,'=cat,train,") and lines[2].startswith("./-dog/")
    labels = fiftyone_labels(corrected(data, nothing))
    assert (labels.rows, labels.left_out) == (3, 4)


def test_fiftyone_labels_name_paths_without_suffix(after: Corrected, tmp_path: Path) -> None:
    content = json.loads(fiftyone_labels(after).content)
    assert content["classes"] == ["cat", "dog"]
    assert len(content["labels"]) == 39
    assert content["labels"]["cat/02"] == 1 and content["labels"]["cat/04"] == 0
    assert "cat/03" not in content["labels"]


def test_fiftyone_cannot_tell_suffixes_apart(tmp_path: Path) -> None:
    data = photos(tmp_path, [*FILES, "dog/19.gif"])
    nothing = Ledger(tmp_path / "none.sqlite").verdicts()
    exported = fiftyone_labels(corrected(data, nothing))
    assert (exported.rows, exported.left_out) == (40, 1)


def test_label_studio_tasks_bring_predictions_and_verdicts(
    data: Dataset, after: Corrected, tmp_path: Path
) -> None:
    ranked = audit(data, probe=False).ranked()
    table = review_table(ranked, verdicts(tmp_path), "neighbors")
    exported = label_studio_tasks(data, table)
    assert (exported.rows, exported.left_out) == (40, 0)
    tasks = json.loads(exported.content)
    assert [t["data"]["row"] for t in tasks] == ranked["row"].tolist()
    by_row = {t["data"]["row"]: t for t in tasks if t["data"]["split"] == "train"}
    first = by_row[0]
    assert first["data"]["image"] == "/data/local-files/?d=cat/02.png"
    (prediction,) = first["predictions"]
    (choice,) = prediction["result"]
    of_row = ranked[(ranked["split"] == "train") & (ranked["row"] == 0)].iloc[0]
    assert choice["value"] == {"choices": [of_row["predicted_label"]]}
    assert (choice["from_name"], choice["to_name"], choice["type"]) == ("label", "image", "choices")
    assert prediction["model_version"] == "neighbors"
    assert prediction["score"] == of_row["predicted_share"]
    assert first["annotations"][0]["result"][0]["value"] == {"choices": ["dog"]}
    assert by_row[1]["annotations"] == [{"result": [], "was_cancelled": True}]
    assert by_row[2]["annotations"][0]["result"][0]["value"] == {"choices": ["cat"]}
    assert "annotations" not in by_row[3] and "annotations" not in by_row[4]
    config = label_studio_config(('a "b" <c>', "dog"))
    assert "&lt;c&gt;" in config and config.count("<Choice ") == 2


def test_label_studio_carries_rows_of_an_array() -> None:
    data = datasets.load("digits", "pixels")
    ranked = audit(data, probe=False).ranked()
    table = review_table(ranked.head(3), Ledger("none.sqlite").verdicts(), "neighbors")
    tasks = json.loads(label_studio_tasks(data, table).content)
    assert [t["data"]["image"][:22] for t in tasks] == ["data:image/png;base64,"] * 3
    many = review_table(
        pd.concat([ranked] * 2).assign(row=range(2 * len(ranked))),
        Ledger("none.sqlite").verdicts(),
        "neighbors",
    )
    with pytest.raises(WannError, match="at most 2,000 can, got 3,594"):
        label_studio_tasks(data, many)


def test_images_that_are_no_files_are_refused() -> None:
    data = datasets.load("digits", "pixels")
    nothing = Ledger("none.sqlite").verdicts()
    after = corrected(data, nothing)
    for export in (lambda: fiftyone_labels(after), lambda: image_folder_metadata(after, nothing)):
        with pytest.raises(WannError, match="are no files"):
            export()
