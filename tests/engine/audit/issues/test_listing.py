"""Every issue in one list: planted faults of each kind are found, and nothing else is."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter

from tests.helpers.blobs import blobs
from wann_core import WannError
from wann_core.audit.issues.image_faults import image_faults, image_properties
from wann_core.audit.issues.kinds import KINDS, IssueList
from wann_core.audit.issues.listing import list_issues
from wann_core.audit.label_audit import audit
from wann_core.datasets.dataset import Dataset, Split
from wann_core.datasets.images import ImageDataset, ImageSplit

ROWS, TEST = 200, 40
FAULTS = {"blank": 3, "tiny": 4, "dark": 5, "bright": 6, "blurred": 7, "unreadable": 8}


def photo(rng: np.random.Generator) -> Image.Image:
    coarse = rng.integers(20, 236, (12, 12, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((48, 48), Image.Resampling.BILINEAR)


def write_images(root: Path) -> list[str]:
    rng = np.random.default_rng(0)
    root.mkdir()
    for row in range(ROWS):
        image = photo(rng)
        if row == FAULTS["blank"]:
            image = Image.new("RGB", (48, 48), (90, 120, 60))
        elif row == FAULTS["tiny"]:
            image = image.resize((7, 7))
        elif row == FAULTS["dark"]:
            image = Image.eval(image, lambda value: value // 8)
        elif row == FAULTS["bright"]:
            image = Image.eval(image, lambda value: 255 - (255 - value) // 8)
        elif row == FAULTS["blurred"]:
            image = image.filter(ImageFilter.GaussianBlur(6))
        image.save(root / f"{row:03}.png")
    broken = root / f"{FAULTS['unreadable']:03}.png"
    broken.write_bytes(broken.read_bytes()[:100])
    return [f"{row:03}.png" for row in range(ROWS)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Blobs with photos; planted: one fault of each kind, in known rows."""
    root = tmp_path_factory.mktemp("issues") / "photos"
    files = write_images(root)
    X, y = blobs(ROWS + TEST + 20, apart=8.0)
    X[11], y[11] = X[10], y[10]  # a copy
    X[21], y[21] = X[20], (y[20] + 1) % 4  # under another label
    X[ROWS + 1], y[ROWS + 1] = X[30], y[30]  # in test, too
    X[40] *= 40
    X[-1] = X[50]  # a row without a label
    y[60] = (y[60] + 2) % 4  # a wrong label
    y[70], y[71] = 4, 5  # classes of a row each, the second called like another
    train = Split(X[:ROWS], y[:ROWS], np.arange(1000, 1000 + ROWS), None, files)
    test = Split(X[ROWS:-20], y[ROWS:-20], np.arange(TEST))
    none = Split(X[-20:], np.full(20, -1), np.arange(20))
    images = ImageDataset(
        "photos", {"train": ImageSplit(y[:ROWS], root, files)}, ("a", "b", "c", "d", "e", "A")
    )
    return Dataset(
        "photos",
        "none",
        images.class_names,
        train,
        test,
        unlabeled=none,
        open_images=lambda: images,
    )


@pytest.fixture(scope="module")
def found(data: Dataset) -> IssueList:
    return list_issues(data, audit(data, probe=False))


def rows(found: IssueList, kind: str) -> set[tuple[str, int]]:
    mine = found.of(kind)
    return set(zip(mine["split"], mine["row"], strict=True))


@pytest.mark.parametrize("kind", FAULTS)
def test_images(found: IssueList, kind: str) -> None:
    assert rows(found, kind) == {("train", 1000 + FAULTS[kind])}


def test_duplicates_and_what_is_left_of_them(found: IssueList) -> None:
    twins = {("train", 1010), ("train", 1011)}
    conflict = {("train", 1020), ("train", 1021)}
    leak = {("train", 1030), ("test", 1)}
    unlabeled = {("train", 1050), ("unlabelled", 19)}
    assert rows(found, "near_duplicate") == twins | conflict | leak | unlabeled
    assert rows(found, "duplicate_label") == conflict
    assert rows(found, "leak") == leak | unlabeled
    first = found.removable("leak")
    assert set(zip(first["split"], first["row"], strict=True)) == {("test", 1), ("unlabelled", 19)}
    kept = found.removable("leak", keep="test")
    assert ("train", 1030) in set(zip(kept["split"], kept["row"], strict=True))
    with pytest.raises(WannError, match="`kind` must be one of near_duplicate"):
        found.removable("label")
    with pytest.raises(WannError, match="`keep` must be 'first' or a split"):
        found.removable("leak", keep="none")


def test_labels_outliers_and_classes(found: IssueList) -> None:
    assert ("train", 1060) in rows(found, "label")
    assert rows(found, "outlier") == {("train", 1040)}
    assert rows(found, "small_class") == {("train", 1070), ("train", 1071)}
    alike = found.of("look_alike")
    assert (alike["row"].tolist(), alike["detail"].tolist()) == ([1071], ["as a"])
    counts = found.counts
    assert list(counts) == list(KINDS) and counts["outlier"] == 1
    assert sum(counts.values()) == len(found.table)


def test_odd_rows_of_one_kind_do_not_hide_each_other() -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 64)) + 4 * np.eye(4, 64)[np.arange(400) % 4] + 3.0
    X[:20] = 0.1 * (rng.standard_normal((20, 64)) + 4 * np.eye(8, 64)[7] - 3.0)  # short, all alike
    X[20] *= 60  # of the usual direction
    train = Split(X, np.arange(400) % 4, np.arange(400))
    data = Dataset("odd", "none", tuple("abcd"), train, None)
    assert rows(list_issues(data), "outlier") == {("train", row) for row in range(21)}
    # A row that is all zero has no direction.
    zero = np.where(np.arange(400)[:, None] == 30, 0, X)
    data = dataclasses.replace(data, train=dataclasses.replace(train, X=zero))
    assert ("train", 30) in rows(list_issues(data), "outlier")


def test_thresholds_and_images_that_became_no_rows(data: Dataset) -> None:
    skipped = [{"split": "train", "row": 7, "file": "x.png", "reason": "it is cut short"}]
    some = list_issues(data, thresholds={"outlier": 0.5}, images=False, skipped=skipped)
    assert some.counts["label"] == 0 and some.counts["outlier"] > 10
    assert some.of("unreadable")["name"].tolist() == ["x.png"]
    with pytest.raises(WannError, match="`thresholds` must be of outlier"):
        list_issues(data, thresholds={"odd": 1.0})
    other = dataclasses.replace(data, test=None)
    with pytest.raises(WannError, match="`audit` must be of this data set"):
        list_issues(data, audit(other, probe=False))


def test_what_many_images_are_is_no_fault() -> None:
    # X-rays are dark, digits are small.
    pixels = np.random.default_rng(0).integers(0, 40, (50, 9, 9), dtype=np.uint8)
    measured, thumbnails = image_properties(
        ImageSplit(np.zeros(50, int), Path(), None, pixels), range(50)
    )
    assert (measured["bright_end"] < 0.25).all()
    assert thumbnails.shape == (50, 432)
    assert not pd.DataFrame(image_faults(measured)).to_numpy().any()
