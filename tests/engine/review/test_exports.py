"""Reviewed labels for other programs, and as a database of their own."""

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
from PIL import Image

from tests.helpers.raw_sources import write_mnist
from wann_core import WannError, datasets
from wann_core.audit.label_audit import audit
from wann_core.datasets import database, image_sources
from wann_core.datasets.dataset import Dataset, Split
from wann_core.datasets.sources.image_folder import open_images
from wann_core.noise.known_errors import flip_for_practice
from wann_core.review.corrections import Corrected, corrected
from wann_core.review.exports import FORMATS, Bundle, Exported, Review, export
from wann_core.review.exports.class_folders import class_folders
from wann_core.review.exports.database import write_cleaned
from wann_core.review.exports.label_studio import (
    label_studio_config,
    label_studio_recipe,
    too_many,
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


NOTES = {0: "=a <b>hound</b>", 1: "too dark"}


def review(data: Dataset, root: Path, new: str = "dog") -> Ledger:
    """Training row 0 is a dog, row 1 goes, row 2 stays, row 3 is open."""
    ledger = ledger_of(data, root)
    given = data.class_names
    rows = [
        Verdict("train", row, given[data.train.y[row]], action, new, note=NOTES.get(row, ""))
        for row, action, new in (
            (0, "relabel", new),
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
def reviewed(data: Dataset, tmp_path: Path) -> Review:
    verdicts = review(data, tmp_path / "reviews").verdicts()
    return Review(data, verdicts, audit(data, probe=False))


@pytest.fixture
def after(reviewed: Review) -> Corrected:
    return reviewed.after


def test_labels_flipped_on_purpose_never_go_out_as_data(data: Dataset, tmp_path: Path) -> None:
    flipped = flip_for_practice(data, "sym", 0.2)
    verdicts = ledger_of(flipped, tmp_path / "reviews").verdicts()
    found = Review(flipped, verdicts, audit(flipped, probe=False))
    refused = set()
    for name, form in FORMATS.items():
        try:
            export(name, found)
        except WannError as error:
            assert "20 % sym of these labels were made wrong on purpose" in str(error)
            refused.add(name)
            assert form.refusal(flipped) == str(error)
    assert set(FORMATS) - refused == {"csv", "parquet", "labelstudio-interface"}
    for way in (
        lambda: write_cleaned(found.after, tmp_path / "db", "photos-cleaned"),
        lambda: class_folders(found),
    ):
        with pytest.raises(WannError, match="20 % sym of these labels were made wrong on purpose"):
            way()
    assert datasets.available(tmp_path / "db", tmp_path) == [
        ("digits", "pixels"),
        ("photos", "tiny"),
    ]
    table = pd.read_csv(io.BytesIO(made("csv", found).content))
    assert set(table["injected_errors"]) == {"20 % sym"}
    wrong = table["given_label"] != table["label_before_injection"]
    assert wrong.sum() == sum(int((s.y != s.clean).sum()) for s in flipped.splits.values()) == 8


def unjudged(data: Dataset) -> Review:
    return Review(data, Ledger("none.sqlite").verdicts())


def made(form: str, review: Review) -> Exported:
    found = export(form, review)
    assert isinstance(found, Exported)
    return found


def test_table_carries_the_verdicts(reviewed: Review, tmp_path: Path) -> None:
    ranked, table = reviewed.ranked_by.ranked(), reviewed.table
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
    assert (
        at.loc[("train", 0), "verdict_note"] == "=a <b>hound</b>"
        and table["verdict_note"].notna().sum() == 2
    )
    csv = made("csv", reviewed)
    read = pd.read_csv(io.BytesIO(csv.content))
    pd.testing.assert_frame_equal(read["label_score"].to_frame(), table["label_score"].to_frame())
    csv.write(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == csv.content


def test_a_report_for_people_shows_verdicts_and_notes(reviewed: Review) -> None:
    page = made("html", reviewed).content.decode()
    assert "<th>Verdict</th>" in page and "<img" in page
    assert "<td>relabel to dog" in page and "=a &lt;b&gt;hound&lt;/b&gt;" in page
    assert "too dark" in page and page.count('<span class="small">ada') == 4
    # An audit by itself has no verdicts.
    assert "<th>Verdict</th>" not in reviewed.ranked_by.html()


def test_parquet_holds_all_that_is_known_of_a_row(reviewed: Review, tmp_path: Path) -> None:
    table, data = reviewed.table, reviewed.data
    read = pd.read_parquet(io.BytesIO(made("parquet", reviewed).content))
    # What pandas before 3.0 reads is text of another type.
    rest = table.drop(columns="when")
    pd.testing.assert_frame_equal(read[list(rest)], rest, check_dtype=pd.__version__ >= "3")
    assert str(read["when"].dtype).startswith("datetime64") and read["when"].notna().sum() == 4
    assert (read["when"].dropna() <= pd.Timestamp.now("UTC")).all()
    at = read.set_index(["split", "row"])
    for split in ("train", "test"):
        for row, vector in enumerate(data.splits[split].X.astype(np.float32)):
            np.testing.assert_array_equal(at.loc[(split, row), "embedding"], vector)
    assert at.loc[("train", 0), "image"] == str((tmp_path / "photos/cat/02.png").resolve())
    labels = at["label"]
    assert labels["train", 0] == "dog" and labels["train", 2] == "cat"
    assert pd.isna(labels["train", 1])
    weight = at["weight"]
    assert (weight["train", 0], weight["train", 1], weight["train", 2]) == (1, 0, 1)
    rest = at[at["action"].isna()]
    np.testing.assert_allclose(rest["weight"], 1 - rest["chance_wrong"])
    wrong = reviewed.ranked_by.noise.count
    np.testing.assert_allclose(read["chance_wrong"].sum(), wrong, atol=1e-6)


def test_weights_are_those_of_the_parquet_in_the_order_of_the_source(reviewed: Review) -> None:
    csv = pd.read_csv(io.BytesIO(made("weights", reviewed).content))
    parquet = pd.read_parquet(io.BytesIO(made("parquet", reviewed).content))
    assert csv["split"].tolist() == ["train"] * 36 + ["test"] * 4
    assert csv["row"].tolist() == [*range(36), *range(4)]
    assert (csv["label"][0], csv["label_id"][0], csv["weight"][1]) == ("dog", 1, 0)
    both = csv.merge(parquet, on=["split", "row"], suffixes=("", "_parquet"))
    np.testing.assert_allclose(both["weight"], both["weight_parquet"], rtol=1e-12)
    with np.load(io.BytesIO(made("weights-npz", reviewed).content)) as arrays:
        assert arrays["label"].tolist() == csv["label"].tolist()
        np.testing.assert_allclose(arrays["weight"], csv["weight"], rtol=1e-12)


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


def split_photos(root: Path, class_names: tuple[str, str] = ("cat", "dog")) -> Dataset:
    """As `photos`, in folders of their splits; files are told apart by their one color."""
    names: dict[str, list[str]] = {"train": [], "test": []}
    for number in range(40):
        split = "test" if number % 10 == 0 else "train"
        file = f"{split}/{'cat' if number < 20 else 'dog'}/{number % 20:04}.png"
        path = root / "photos" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (3, 2), number).save(path, "PNG")
        names[split].append(file)
    splits = {}
    for split, files in names.items():
        y = np.array([int("/dog/" in file) for file in files])
        X = np.random.RandomState(0).randn(len(y), 4).astype(np.float32) + 4 * y[:, None]
        splits[split] = Split(X, y, np.arange(len(y)), names=files)
    details = {"images": {"source": "imagefolder", "root": str((root / "photos").resolve())}}
    database.write(root / "db", "photos", "tiny", splits, class_names, details)
    return datasets.load("photos", "tiny", root / "db", root)


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


@pytest.mark.parametrize("form", [name for name in FORMATS if name != "csv"])
def test_no_label_is_changed_in_files_that_programs_read(tmp_path: Path, form: str) -> None:
    data = split_photos(tmp_path, ("=cat", "-1"))
    reviewed = Review(
        data, review(data, tmp_path / "reviews", "-1").verdicts(), audit(data, probe=False)
    )
    found = export(form, reviewed)
    contents = found.files.values() if isinstance(found, Bundle) else [found.content]
    for content in contents:
        assert b"'=cat" not in content and b"'-1" not in content
    assert b"'=cat" in made("csv", reviewed).content


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


ODD = ["=cat/05.png", "../cat/06.png", "cat/0\n7.png", "/cat/08.png", "cat\\09.png", "-dog/00.png"]


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


@pytest.mark.parametrize("form", ["fiftyone", "metadata"])
def test_images_that_are_no_files_are_refused(form: str) -> None:
    data = datasets.load("digits", "pixels")
    with pytest.raises(WannError, match="are no files"):
        export(form, unjudged(data))


def test_ranked_formats_need_an_audit_and_unknown_ones_are_refused(data: Dataset) -> None:
    with pytest.raises(WannError, match="needs an audit"):
        export("csv", unjudged(data))
    with pytest.raises(WannError, match="`format` must be one of csv, "):
        export("xml", unjudged(data))
