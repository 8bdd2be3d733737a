"""New rows get the labels that the engine gives to test rows."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.pictures import arrays, write_photos
from wann_core import datasets
from wann_core.datasets import database
from wann_core.datasets.images import UNLABELED, ImageSplit
from wann_core.embedding.backbones import Pixels, load_backbone
from wann_core.embedding.embed import embed
from wann_core.embedding.new_images import backbone_of, embed_images
from wann_core.errors import WannError
from wann_core.experiments.predict import predict
from wann_core.experiments.run import run
from wann_core.experiments.scenario import Scenario
from wann_core.methods.registry import BASELINES

REDUCTIONS = (None, "PCA", "LDA", "fLDA")


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("method", BASELINES)
def test_test_rows_get_the_predictions_of_a_run(method: str, reduction: str | None) -> None:
    scenario = Scenario(
        noise_pattern="sym", noise_ratio=0.3, num_subsamples=400, reduction=reduction
    ).with_method(method)
    report = run(scenario)
    data = datasets.load("digits", "pixels")
    found = predict(scenario, data.test.X)
    assert np.array_equal(found["class_id"], report.predictions)
    assert list(found["label"]) == [data.class_names[c] for c in report.predictions]
    prepared = report.prepared
    nearest = prepared.graph.test_ids[:, 0]
    assert np.array_equal(found["nearest_row"], prepared.row_ids[nearest])
    np.testing.assert_allclose(found["nearest_reliability"], prepared.reliability[nearest])
    assert found["confidence"].between(0, 1).all()
    # A vote is won with at least the share that ten classes leave.
    assert found["confidence"].min() >= 0.1


def test_confidence_is_the_share_of_the_votes() -> None:
    scenario = Scenario(noise_pattern="sym", noise_ratio=0.3).with_method("kNN-11")
    report = run(scenario)
    found = predict(scenario, datasets.load("digits", "pixels").test.X)
    prepared = report.prepared
    votes = prepared.labels[prepared.graph.test_ids[:, :11]] == report.predictions[:, None]
    np.testing.assert_allclose(found["confidence"], votes.mean(axis=1))


def test_one_row_alone_gets_what_it_gets_among_others() -> None:
    X = datasets.load("digits", "pixels").test.X
    together = predict(Scenario(), X[:20])
    alone = predict(Scenario(), X[7:8])
    assert together.iloc[7]["label"] == alone.iloc[0]["label"]
    assert together.iloc[7]["nearest_row"] == alone.iloc[0]["nearest_row"]


@pytest.mark.parametrize(
    ("X", "sentence"),
    [
        (np.zeros((3, 63)), "must have the 64 columns"),
        (np.zeros(64), "`X`"),
        (np.full((2, 64), np.nan), "`X`"),
    ],
)
def test_rows_that_do_not_fit_are_refused(X: np.ndarray, sentence: str) -> None:
    with pytest.raises(WannError, match=sentence) as caught:
        predict(Scenario(), X)
    assert caught.value.field == "X"


def unlabeled(root: Path, files: list[str]) -> ImageSplit:
    return ImageSplit(np.full(len(files), UNLABELED), root, files)


def test_unreadable_images_are_reported_and_the_others_kept(tmp_path: Path) -> None:
    images = write_photos(tmp_path / "photos", train=5, test=1)
    root, files = images.splits["train"].root, list(images.splits["train"].files or ())
    whole = embed_images(unlabeled(root, files), Pixels(8))[1]
    (root / files[1]).write_bytes(b"")
    (root / files[3]).write_text("not an image")
    told: list[float] = []
    rows, X, unreadable = embed_images(
        unlabeled(root, files), Pixels(8), progress=lambda done, total, text: told.append(done)
    )
    assert rows.tolist() == [0, 2, 4]
    assert np.array_equal(X, whole[rows])
    assert sorted(unreadable) == [1, 3]
    assert told[-1] == 5


def test_nothing_readable_is_no_row(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    rows, X, unreadable = embed_images(unlabeled(tmp_path, ["a.jpg"]), Pixels(8))
    assert (len(rows), len(X), list(unreadable)) == (0, 0, [0])


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3)], ids=["gray", "RGB"])
def test_pixels_of_a_database_are_those_of_new_images(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    images = arrays(40, shape)
    embed(images, Pixels(), tmp_path / "database")
    backbone = backbone_of("arrays", "pixels", tmp_path / "database")
    folder = tmp_path / "new"
    folder.mkdir()
    pixels = images.splits["train"].pixels
    assert pixels is not None
    for row in range(3):
        Image.fromarray(pixels[row]).save(folder / f"{row}.png")
    _, X, _ = embed_images(unlabeled(folder, ["0.png", "1.png", "2.png"]), backbone)
    stored = database.load(tmp_path / "database", "arrays", "pixels").train.X
    assert np.array_equal(X, stored[:3])


def test_other_weights_than_the_database_was_made_with_are_refused(
    tmp_path: Path, small_weights: Path
) -> None:
    images = write_photos(tmp_path / "photos", train=4, test=2)
    backbone = load_backbone("resnet10t", weights=small_weights, image_size=32, device="cpu")
    place = embed(images, backbone, tmp_path / "database").folder
    same = backbone_of("photos", "resnet10t", tmp_path / "database", weights=small_weights)
    assert same.record["image_size"] == backbone.record["image_size"]
    renamed = tmp_path / "renamed.pth"
    renamed.write_bytes(small_weights.read_bytes())
    backbone_of("photos", "resnet10t", tmp_path / "database", weights=renamed)
    made = json.loads((place / "manifest.json").read_text())
    made["weights"]["sha256"] = "0" * 64
    (place / "manifest.json").write_text(json.dumps(made))
    with pytest.raises(WannError, match="weights of 'resnet10t' are not those") as caught:
        backbone_of("photos", "resnet10t", tmp_path / "database", weights=small_weights)
    assert caught.value.field == "weights"


def test_the_built_in_digits_take_no_images(tmp_path: Path) -> None:
    with pytest.raises(WannError, match="built-in digits"):
        backbone_of("digits", "pixels", tmp_path)
