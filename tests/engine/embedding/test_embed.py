"""What a finished database holds, and what embedding it costs and refuses."""

import itertools
import json
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.pictures import Entangled, arrays, write_photos
from wann_core.datasets import database
from wann_core.datasets.images import ImageDataset, ImageSplit
from wann_core.embedding import pipeline
from wann_core.embedding.backbones import Pixels
from wann_core.embedding.embed import embed, estimate
from wann_core.errors import WannError


def test_database_holds_embeddings_labels_rows_and_files(
    photos: ImageDataset, tmp_path: Path
) -> None:
    result = embed(photos, Pixels(8), tmp_path / "db", batch_size=4)
    assert result.rows == {"train": 20, "test": 6} and result.columns == 192
    data = database.load(tmp_path / "db", "photos", "pixels")
    assert data.test is not None and data.class_names == ("even", "odd")
    for name, split in data.splits.items():
        source = photos.splits[name]
        np.testing.assert_array_equal(split.ids, np.arange(len(source)))
        np.testing.assert_array_equal(split.y, source.labels)
        assert split.names == tuple(source.files or ())
        for row in range(len(source)):
            with source.open(row) as image:
                small = np.asarray(image.convert("RGB").resize((8, 8), resample=2))
            expected = np.float32(small.ravel()) / np.float32(255)
            np.testing.assert_array_equal(split.X[row], expected)
    with np.load(result.folder / "train.npz", allow_pickle=False) as raw:
        assert list(raw) == ["embeddings", "labels", "ids", "names"]
    with zipfile.ZipFile(result.folder / "train.npz") as archive:  # the same bytes at any time
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_manifest_says_how_it_was_made(photos: ImageDataset, tmp_path: Path) -> None:
    result = embed(photos, Pixels(8), tmp_path / "db", dtype="float16")
    record = json.loads((result.folder / "manifest.json").read_text())
    assert record["format"] == 1 and record["dataset"] == "photos"
    assert record["backbone"] == "pixels" and record["class_names"] == ["even", "odd"]
    assert record["images"] == {"source": "test"} and record["weights"] is None
    assert record["image_size"] == [8, 8] and "bilinear" in record["transform"]
    assert record["dtype"] == "float16" and record["skipped"] == []
    assert record["rows"] == {"train": 20, "test": 6}
    assert set(record["libraries"]) == {"numpy", "pillow"} and record["created"]


def test_float16_is_the_rounded_float32(photos: ImageDataset, tmp_path: Path) -> None:
    embed(photos, Pixels(8), tmp_path / "full")
    embed(photos, Pixels(8), tmp_path / "half", dtype="float16")
    full = database.load(tmp_path / "full", "photos", "pixels").train.X
    half = database.load(tmp_path / "half", "photos", "pixels").train.X
    assert half.dtype == np.float16
    np.testing.assert_array_equal(half, full.astype(np.float16))


@pytest.mark.parametrize("value", [1e6, np.nan])
def test_values_that_cannot_be_stored_are_refused(tmp_path: Path, value: float) -> None:
    class Broken(Entangled):
        def embed(self, batch: np.ndarray) -> np.ndarray:
            return np.full((len(batch), 2), value, np.float32)

    with pytest.raises(WannError, match="float16"):
        embed(arrays(4), Broken(), tmp_path, dtype="float16")


def test_split_without_files_has_no_names_and_unlabeled_rows_stay(tmp_path: Path) -> None:
    images = arrays(10)
    more = ImageSplit(np.full(3, -1), Path(), pixels=np.zeros((3, 4, 4), np.uint8))
    both = ImageDataset("arrays", {**images.splits, "unlabelled": more}, images.class_names)
    embed(both, Pixels(), tmp_path)
    data = database.load(tmp_path, "arrays", "pixels")
    assert data.train.names is None and data.train.X.shape == (10, 16)
    assert data.unlabeled is not None and (data.unlabeled.y == -1).all()


def test_look_ahead_is_bounded(tmp_path: Path) -> None:
    class Watched(Entangled):
        most = 0

        def embed(self, batch: np.ndarray) -> np.ndarray:
            self.most = max(self.most, self.prepared - self.embedded)
            return super().embed(batch)

    backbone = Watched(seconds=0.01)
    embed(arrays(400), backbone, tmp_path, batch_size=4)
    assert 4 < backbone.most <= 4 * 4  # one embedded, at most three decoded meanwhile


def test_memory_does_not_grow_with_the_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "SHARD_ROWS", 64)
    images = arrays(1600, (32, 32, 3))
    row = 32 * 32 * 3 * 4
    tracemalloc.start()
    result = embed(images, Pixels(), tmp_path, batch_size=16)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.rows == {"train": 1600}
    assert peak < 400 * row, f"{peak / row:.0f} rows at once"


def test_progress_counts_all_splits_and_tells_the_rate(
    photos: ImageDataset, tmp_path: Path
) -> None:
    told: list[tuple[float, float, str]] = []
    embed(photos, Entangled(), tmp_path, batch_size=8, progress=lambda *a: told.append(a))
    assert [done for done, _, _ in told] == [0, 8, 16, 20, 20, 26]
    assert {total for _, total, _ in told} == {26}
    assert told[1][2].startswith("embedding train, ") and told[1][2].endswith(" images/s")
    assert told[-1][2].startswith("embedding test, ")


def test_estimate_is_of_the_right_order(tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "photos", train=200, test=0)
    rate = estimate(photos, Entangled(seconds=0.05), batch_size=4)
    assert 20 < rate < 81  # 80 a second at most


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"num_workers": 0}, "num_workers"),
        ({"dtype": "int8"}, "dtype"),
        ({"on_error": "ignore"}, "on_error"),
    ],
)
def test_wrong_arguments(tmp_path: Path, wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(WannError, match=field) as refused:
        embed(arrays(4), Pixels(), tmp_path / "db", **wrong)
    assert refused.value.field == field


def test_a_source_needs_training_images_and_an_allowed_name(tmp_path: Path) -> None:
    empty = ImageDataset("none", {"train": arrays(0).splits["train"]}, ())
    with pytest.raises(WannError, match="no training images"):
        embed(empty, Pixels(), tmp_path)
    with pytest.raises(WannError, match="no training images"):
        estimate(empty, Pixels())
    outside = ImageDataset("../up", arrays(4).splits, ("a", "b"))
    with pytest.raises(WannError, match="dataset"):
        embed(outside, Pixels(), tmp_path)
    digits = ImageDataset("digits", arrays(4).splits, ("a", "b"))
    with pytest.raises(WannError, match="built in"):
        embed(digits, Pixels(), tmp_path)


def test_many_splits_share_no_rows(tmp_path: Path) -> None:
    sizes = {"train": 7, "val": 3, "test": 5, "unlabelled": 2}
    splits = {
        name: arrays(size, seed=seed).splits["train"]
        for seed, (name, size) in enumerate(sizes.items())
    }
    embed(ImageDataset("arrays", splits, ("a", "b")), Pixels(), tmp_path, batch_size=2)
    data = database.load(tmp_path, "arrays", "pixels")
    assert {name: len(split) for name, split in data.splits.items()} == sizes
    for one, other in itertools.combinations(data.splits.values(), 2):
        assert not {row.tobytes() for row in one.X} & {row.tobytes() for row in other.X}
