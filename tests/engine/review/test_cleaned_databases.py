"""Reviewed labels as a database of their own, which finds its images."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.raw_sources import write_mnist
from wann_core import WannError, datasets
from wann_core.datasets import database, image_sources
from wann_core.datasets.dataset import Dataset, Split
from wann_core.review.corrections import Corrected, corrected
from wann_core.review.exports import Review
from wann_core.review.exports.database import write_cleaned
from wann_core.review.ledger import Verdict, ledger_of


@pytest.fixture
def after(reviewed: Review) -> Corrected:
    return reviewed.after


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
