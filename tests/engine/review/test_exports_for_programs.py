"""Reviewed labels for FiftyOne, Label Studio and folders of images."""

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from tests.helpers.reviewed_photos import (
    FILES,
    NOTES,
    ODD,
    made,
    photos,
    review,
    split_photos,
    unjudged,
)
from wann_core import WannError, datasets
from wann_core.audit.label_audit import audit
from wann_core.datasets import database
from wann_core.datasets.dataset import Split
from wann_core.datasets.sources.image_folder import open_images
from wann_core.review.exports import Bundle, Review, export
from wann_core.review.exports.label_studio import label_studio_config, label_studio_recipe, too_many


def test_one_metadata_file_where_there_are_no_split_folders(
    reviewed: Review, tmp_path: Path
) -> None:
    bundle = export("metadata", reviewed)
    assert isinstance(bundle, Bundle) and list(bundle.files) == ["metadata.csv"]
    assert (bundle.rows, bundle.left_out) == (39, 0)
    table = pd.read_csv(io.BytesIO(bundle.files["metadata.csv"]), keep_default_na=False)
    assert list(table) == ["file_name", "label", "split", "original_label", "action"]
    assert table.iloc[0].tolist() == ["cat/02.png", "dog", "train", "cat", "relabel"]
    assert "cat/03.png" not in set(table["file_name"])
    bundle.write(tmp_path / "photos")
    images = open_images(tmp_path / "photos", "photos")
    train = images.splits["train"]
    found = dict(zip(train.files or (), train.labels.tolist(), strict=True))
    assert (found["cat/02.png"], found["cat/04.png"], len(found)) == (1, 0, 35)
    assert len(images.splits["test"]) == 4
    with pytest.raises(WannError, match="is there already"):
        bundle.write(tmp_path / "photos")


def test_each_split_folder_gets_its_own_metadata(tmp_path: Path) -> None:
    data = split_photos(tmp_path, ("+1", "-1"))
    reviewed = Review(data, review(data, tmp_path / "reviews", "-1").verdicts())
    bundle = export("metadata", reviewed)
    assert isinstance(bundle, Bundle)
    assert sorted(bundle.files) == ["test/metadata.csv", "train/metadata.csv"]
    table = pd.read_csv(io.BytesIO(bundle.files["train/metadata.csv"]), dtype=str)
    assert table["file_name"][0] == "cat/0001.png"
    # No apostrophe of a spreadsheet's guard.
    assert set(table["label"]) == {"+1", "-1"} and table["label"][0] == "-1"
    bundle.write(tmp_path / "photos")
    images = open_images(tmp_path / "photos", "photos")
    assert {int(name) for name in images.class_names} == {1, -1}  # whole numbers, by value
    assert {name: len(split) for name, split in images.splits.items()} == {"train": 35, "test": 4}
    with zipfile.ZipFile(io.BytesIO(bundle.zip())) as archive:
        assert sorted(archive.namelist()) == sorted(bundle.files)


def test_unsafe_file_names_stay_behind(tmp_path: Path) -> None:
    X = np.random.RandomState(0).randn(7, 2)
    y = np.array([0, 0, 0, 0, 0, 1, 1])
    split = Split(X, y, np.arange(7), names=[*ODD, "dog/01.png"])
    (tmp_path / "photos").mkdir()
    details = {"images": {"source": "imagefolder", "root": str(tmp_path / "photos")}}
    database.write(tmp_path / "db", "odd", "tiny", {"train": split}, ("=cat", "dog"), details)
    data = datasets.load("odd", "tiny", tmp_path / "db", tmp_path)
    bundle = export("metadata", unjudged(data))
    assert isinstance(bundle, Bundle) and (bundle.rows, bundle.left_out) == (3, 4)
    lines = bundle.files["metadata.csv"].decode().splitlines()
    assert lines[1].startswith("./=cat/05.png,=cat,train,") and lines[2].startswith("./-dog/")
    labels = made("fiftyone", unjudged(data))
    assert (labels.rows, labels.left_out) == (3, 4)


def test_fields_for_fiftyone(tmp_path: Path) -> None:
    """The script is run by a stand-in for FiftyOne, which takes what it makes."""
    data = split_photos(tmp_path, ("+1", "-1"))
    verdicts = review(data, tmp_path / "reviews", "-1").verdicts()
    found = export("fiftyone-fields", Review(data, verdicts, audit(data, probe=False)))
    assert isinstance(found, Bundle) and found.rows == 40
    found.write(tmp_path / "fo")
    (tmp_path / "fiftyone.py").write_text(
        "import json\n"
        "Classification = dict\n"
        "Sample = dict\n"
        "class Dataset:\n"
        "    def __init__(self, name, **_): self.name = name\n"
        "    def add_samples(self, samples): self.samples = samples; print(json.dumps(samples))\n"
        "    def __len__(self): return len(self.samples)\n"
    )
    done = subprocess.run(
        [sys.executable, str(tmp_path / "fo" / "load_in_fiftyone.py")],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    samples = json.loads(done.stdout.splitlines()[0])
    by_verdict = {s["verdict"]: s for s in samples if s["verdict"]}
    assert by_verdict["relabel"]["ground_truth"] != by_verdict["relabel"]["original_label"]
    assert by_verdict["remove"]["ground_truth"] is None
    assert by_verdict["relabel"]["verdict_note"] == NOTES[0]
    assert by_verdict["keep"]["verdict_note"] is None
    labels = {s["original_label"]["label"] for s in samples}
    assert labels == {"+1", "-1"} and all(Path(s["filepath"]).is_file() for s in samples)
    assert [s["label_score"] for s in samples] == sorted(s["label_score"] for s in samples)


def test_fiftyone_labels_name_paths_without_suffix(reviewed: Review) -> None:
    content = json.loads(made("fiftyone", reviewed).content)
    assert content["classes"] == ["cat", "dog"]
    assert len(content["labels"]) == 39
    assert content["labels"]["cat/02"] == 1 and content["labels"]["cat/04"] == 0
    assert "cat/03" not in content["labels"]


def test_fiftyone_cannot_tell_suffixes_apart(tmp_path: Path) -> None:
    data = photos(tmp_path, [*FILES, "dog/19.gif"])
    found = made("fiftyone", unjudged(data))
    assert (found.rows, found.left_out) == (40, 1)


def test_label_studio_tasks_bring_predictions_and_verdicts(
    reviewed: Review, tmp_path: Path
) -> None:
    found = made("labelstudio", reviewed)
    assert (found.rows, found.left_out) == (40, 0)
    tasks = json.loads(found.content)
    ranked = reviewed.ranked_by.ranked()
    assert [t["data"]["row"] for t in tasks] == ranked["row"].tolist()
    by_row = {t["data"]["row"]: t for t in tasks if t["data"]["split"] == "train"}
    first = by_row[0]
    # Served from the folder above that of the images.
    assert first["data"]["image"] == "/data/local-files/?d=photos/cat/02.png"
    (prediction,) = first["predictions"]
    (choice,) = prediction["result"]
    of_row = ranked[(ranked["split"] == "train") & (ranked["row"] == 0)].iloc[0]
    assert choice["value"] == {"choices": [of_row["predicted_label"]]}
    assert (choice["from_name"], choice["to_name"], choice["type"]) == ("label", "image", "choices")
    assert prediction["model_version"] == "combined"
    # "Uncertainty sampling" asks for the lowest score first: the most doubtful label.
    scores = [task["predictions"][0]["score"] for task in tasks]
    assert scores == sorted(scores) and prediction["score"] == of_row["label_score"]
    assert first["annotations"][0]["result"][0]["value"] == {"choices": ["dog"]}
    assert by_row[1]["annotations"] == [{"result": [], "was_cancelled": True}]
    assert by_row[2]["annotations"][0]["result"][0]["value"] == {"choices": ["cat"]}
    assert "annotations" not in by_row[3] and "annotations" not in by_row[4]
    above = str(tmp_path.resolve())
    recipe = label_studio_recipe(reviewed.data)
    assert f"LOCAL_FILES_DOCUMENT_ROOT={above} " in recipe and f"{above}/photos " in recipe


def test_label_studio_s_interface_bounds_images_and_offers_to_remove() -> None:
    config = ElementTree.fromstring(label_studio_config(('a "b" <c>', "dog")))
    image = config.find("Image")
    assert image is not None and image.get("maxWidth") == "480px"
    choices = {c.get("name"): [x.get("value") for x in c] for c in config.iter("Choices")}
    assert choices == {"label": ['a "b" <c>', "dog"], "decision": ["remove", "unsure"]}


def test_label_studio_carries_rows_of_an_array() -> None:
    data = datasets.load("digits", "pixels")
    found = audit(data, probe=False)
    few = Review(data, unjudged(data).verdicts, found, np.arange(3))
    tasks = json.loads(made("labelstudio", few).content)
    assert [t["data"]["image"][:22] for t in tasks] == ["data:image/png;base64,"] * 3
    many = pd.concat([few.table.head(1)] * 2001)
    assert too_many(data, many.head(2000)) == ""
    assert "at most 2,000 can, got 2,001" in too_many(data, many)
