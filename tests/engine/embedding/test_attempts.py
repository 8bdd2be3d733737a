"""What becomes of an unfinished attempt, of a finished database, and of a second writer."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.embedding_runs import Stop, StopAfter, contents, names
from tests.helpers.pictures import Entangled, arrays
from wann_core.datasets import database
from wann_core.datasets.images import ImageDataset, ImageSplit
from wann_core.embedding.backbones import Pixels
from wann_core.embedding.embed import discard, embed
from wann_core.errors import WannError


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"batch_size": 5}, "`batch_size` (4, now 5)"),
        ({"dtype": "float16"}, "`dtype` ('float32', now 'float16')"),
        ({"backbone": Pixels(9)}, "`image_size` ([8, 8], now [9, 9])"),
        ({"images": "labels"}, "another list of images or labels"),
        ({"images": "files"}, "another list of images or labels"),
    ],
)
def test_unfinished_attempt_under_another_plan_is_refused(
    photos: ImageDataset, tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    first: dict[str, Any] = {"images": photos, "backbone": Pixels(8), "batch_size": 4}
    with pytest.raises(Stop):
        embed(**first, database_root=tmp_path, progress=StopAfter(3))
    train = photos.splits["train"]
    other = {
        "labels": ImageSplit(1 - train.labels, train.root, train.files),
        "files": ImageSplit(train.labels, train.root, (train.files or [])[::-1]),
    }
    if "images" in change:
        splits = {**photos.splits, "train": other[change["images"]]}
        change = {"images": ImageDataset("photos", splits, photos.class_names)}
    with pytest.raises(WannError) as refused:
        embed(**{**first, **change}, database_root=tmp_path)
    assert named in str(refused.value) and "--no-resume" in str(refused.value)
    assert "\n" not in str(refused.value)
    embed(**first, database_root=tmp_path)  # nothing was lost


def test_changed_pixels_of_an_array_are_another_plan(tmp_path: Path) -> None:
    with pytest.raises(Stop):
        embed(arrays(50), Pixels(), tmp_path, progress=StopAfter(1))
    with pytest.raises(WannError, match="another list"):
        embed(arrays(50, seed=1), Pixels(), tmp_path)


def test_without_resume_an_attempt_is_discarded(photos: ImageDataset, tmp_path: Path) -> None:
    with pytest.raises(Stop):
        embed(photos, Entangled(), tmp_path, batch_size=4, progress=StopAfter(4))
    again = Entangled()
    embed(photos, again, tmp_path, batch_size=8, resume=False)
    assert again.embedded == 26


def test_discard_leaves_nothing(photos: ImageDataset, tmp_path: Path) -> None:
    with pytest.raises(Stop):
        embed(photos, Entangled(), tmp_path / "db", batch_size=4, progress=StopAfter(4))
    discard(tmp_path / "db", "photos", "entangled")
    discard(tmp_path / "db", "photos", "entangled")
    assert names(tmp_path / "db" / "photos") == []


def test_finished_database_is_never_overwritten(photos: ImageDataset, tmp_path: Path) -> None:
    result = embed(photos, Pixels(8), tmp_path)
    before = contents(result.folder)
    for resume in (True, False):
        with pytest.raises(WannError, match="already") as refused:
            embed(photos, Pixels(9), tmp_path, resume=resume)
        assert refused.value.field == "database_root"
    assert contents(result.folder) == before


def test_second_writer_is_refused_at_once(photos: ImageDataset, tmp_path: Path) -> None:
    inside, leave = threading.Event(), threading.Event()

    class Waiting(Entangled):
        def embed(self, batch: np.ndarray) -> np.ndarray:
            inside.set()
            assert leave.wait(30)
            return super().embed(batch)

    first = threading.Thread(target=embed, args=(photos, Waiting(), tmp_path))
    first.start()
    assert inside.wait(30)
    try:
        for attempt in (
            lambda: embed(photos, Entangled(), tmp_path),
            lambda: embed(photos, Entangled(), tmp_path, resume=False),
            lambda: discard(tmp_path, "photos", "entangled"),
        ):
            with pytest.raises(WannError, match="is being written"):
                attempt()
    finally:
        leave.set()
        first.join()
    assert database.load(tmp_path, "photos", "entangled").train.X.shape == (20, 192)
