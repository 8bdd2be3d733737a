import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.pictures import Entangled, arrays, write_photos
from tests.helpers.roots import ROOT
from wann_core.datasets import database
from wann_core.datasets.images import ImageDataset, ImageSplit
from wann_core.embedding import partial, pipeline
from wann_core.embedding.backbones import Pixels
from wann_core.embedding.embed import discard, embed, estimate
from wann_core.errors import WannError

PROJECT = ROOT


def contents(place: Path) -> dict[str, bytes]:
    """A database's files; of its manifest, all but the time."""
    found = {path.name: path.read_bytes() for path in place.glob("*.npz")}
    record = json.loads((place / "manifest.json").read_text())
    del record["created"]
    return {**found, "manifest.json": json.dumps(record).encode()}


def names(folder: Path) -> list[str]:
    """What lies in a folder, but for the empty files that processes lock."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


@pytest.fixture
def photos(tmp_path: Path) -> ImageDataset:
    return write_photos(tmp_path / "photos")


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every batch is a shard."""
    monkeypatch.setattr(pipeline, "SHARD_ROWS", 1)


class Stop(Exception):
    pass


class StopAfter:
    """A progress callback that stops the work at its n-th call."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def __call__(self, done: float, total: float, text: str) -> None:
        self.left -= 1
        if self.left < 0:
            raise Stop


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


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("calls", range(1, 9))
def test_stopped_at_any_batch_it_goes_on_and_ends_bit_equal(
    photos: ImageDataset, tmp_path: Path, calls: int
) -> None:
    whole = embed(photos, Entangled(), tmp_path / "whole", batch_size=4)
    with pytest.raises(Stop):
        embed(photos, Entangled(), tmp_path / "db", batch_size=4, progress=StopAfter(calls))
    assert database.available(tmp_path / "db") == []
    again = Entangled()
    told: list[float] = []
    resumed = embed(
        photos, again, tmp_path / "db", batch_size=4, progress=lambda d, n, t: told.append(d)
    )
    assert contents(resumed.folder) == contents(whole.folder)
    # Told at the start of each split and after each batch, which is embedded then.
    done = (4, 8, 12, 16, 20, 20, 24, 26)[calls - 1]
    assert told[0] == min(done, 20) and told[-1] == 26
    assert again.embedded == 26 - done
    assert names(resumed.folder.parent) == ["entangled"]


def test_what_is_done_is_kept_even_between_shards(photos: ImageDataset, tmp_path: Path) -> None:
    with pytest.raises(Stop):
        embed(photos, Entangled(), tmp_path, batch_size=4, progress=StopAfter(4))
    again = Entangled()
    embed(photos, again, tmp_path, batch_size=4)
    assert again.embedded == 26 - 16


SCRIPT = """
import sys
import time
from pathlib import Path
from tests.helpers.pictures import Entangled, write_photos, ImageDataset, ImageSplit
from wann_core.embedding import pipeline
from wann_core.embedding.embed import embed
from wann_core.embedding.backbones import load_backbone
import numpy as np
pipeline.SHARD_ROWS = 1
photos, root, weights = map(Path, sys.argv[1:])
splits = {}
for name in ("train", "test"):
    files = sorted(path.name for path in (photos / name).iterdir())
    splits[name] = ImageSplit(np.arange(len(files)) % 2, photos / name, files)
images = ImageDataset("photos", splits, ("even", "odd"))
if weights.suffix:
    backbone = load_backbone("resnet10t", weights=weights, image_size=64, device="cpu")
else:
    backbone = Entangled()
print("started", flush=True)
embed(images, backbone, root, batch_size=4, progress=lambda *_: time.sleep(0.02))
print("finished", flush=True)
"""


def started(photos: Path, root: Path, weights: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(photos), str(root), str(weights)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "started\n"
    return process


def kill_and_resume(folder: Path, delays: list[float], weights: Path, backbone: str) -> int:
    """Kill after each delay and start again, to the end; returns how often it was killed in time.

    Compares the result with that of a run in one go.
    """
    stopped = 0
    for delay in delays:
        with started(folder / "photos", folder / "killed", weights) as process:
            try:
                process.wait(delay)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                stopped += 1
    roots = ("killed", "whole") if stopped == len(delays) else ("whole",)
    for root in roots:
        with started(folder / "photos", folder / root, weights) as process:
            assert process.wait(60) == 0
    killed, whole = (folder / root / "photos" / backbone for root in ("killed", "whole"))
    assert contents(killed) == contents(whole)
    assert names(killed.parent) == [backbone]
    return stopped


@pytest.mark.slow
def test_killed_at_ten_random_moments_the_result_is_bit_equal(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", train=360, test=40)  # 100 batches take 2 s at least
    (tmp_path / "photos" / "train" / "0100.jpg").write_bytes(b"no image")
    moments = random.Random(int.from_bytes(os.urandom(4)))
    delays = [moments.uniform(0.0, 0.2) for _ in range(10)]
    assert kill_and_resume(tmp_path, delays, Path("none"), "entangled") == 10, delays


@pytest.mark.slow
def test_killed_model_of_timm_resumes_bit_equal(tmp_path: Path, small_weights: Path) -> None:
    write_photos(tmp_path / "photos", train=180, test=20)  # 50 batches take 1 s at least
    delays = [random.Random(os.urandom(4)).uniform(0.1, 0.5) for _ in range(2)]
    assert kill_and_resume(tmp_path, delays, small_weights, "resnet10t") == 2, delays


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("moment", ["write_split", "manifest", "rename", "sweep"])
def test_interrupted_while_it_finishes(
    photos: ImageDataset, tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = embed(photos, Entangled(), tmp_path / "whole", batch_size=4)

    def die(*args: Any) -> None:
        raise Stop

    with monkeypatch.context() as patch:
        if moment == "write_split":
            patch.setattr(partial, "write_split", die)
        elif moment == "manifest":
            patch.setattr(partial.json, "dumps", die_on_manifest(partial.json.dumps))
        elif moment == "rename":
            patch.setattr(Path, "replace", die_on_database(Path.replace))
        else:
            patch.setattr(partial.shutil, "rmtree", die)
        with pytest.raises(Stop):
            embed(photos, Entangled(), tmp_path / "db", batch_size=4)
    again = Entangled()
    if moment == "sweep":
        with pytest.raises(WannError, match="already"):
            embed(photos, again, tmp_path / "db", batch_size=4)
    else:
        embed(photos, again, tmp_path / "db", batch_size=4)
    assert again.embedded == 0
    assert contents(tmp_path / "db/photos/entangled") == contents(whole.folder)
    assert names(tmp_path / "db/photos") == ["entangled"]


def die_on_manifest(original: Any) -> Any:
    def dumps(value: Any, **kwargs: Any) -> Any:
        if isinstance(value, dict) and "created" in value:
            raise Stop
        return original(value, **kwargs)

    return dumps


def die_on_database(original: Any) -> Any:
    def replace(self: Path, target: Path) -> Any:
        if target.name == "entangled":
            raise Stop
        return original(self, target)

    return replace


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut", None])
def test_damaged_shard_is_embedded_again(
    photos: ImageDataset, tmp_path: Path, damage: bytes | None
) -> None:
    whole = embed(photos, Entangled(), tmp_path / "whole", batch_size=4)
    with pytest.raises(Stop):
        embed(photos, Entangled(), tmp_path / "db", batch_size=4, progress=StopAfter(4))
    second = sorted((tmp_path / "db/photos/.entangled.partial").glob("train-*.npz"))[1]
    if damage is None:  # one bit of an embedding: the checksum tells
        damage = bytearray(second.read_bytes())
        damage[len(damage) // 3] ^= 1
    second.write_bytes(damage)
    again = Entangled()
    resumed = embed(photos, again, tmp_path / "db", batch_size=4)
    assert again.embedded == 26 - 4
    assert contents(resumed.folder) == contents(whole.folder)


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


def test_another_process_is_kept_out_too(tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "photos", train=200)
    with started(tmp_path / "photos", tmp_path / "db", Path("none")) as process:
        while not (tmp_path / "db/photos/.entangled.partial/plan.json").exists():
            assert process.poll() is None
        with pytest.raises(WannError, match="is being written"):
            embed(photos, Entangled(), tmp_path / "db", batch_size=4)
        process.kill()
    embed(photos, Entangled(), tmp_path / "db", batch_size=4)  # the lock died with its holder


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


def test_workers_do_not_change_the_result(photos: ImageDataset, tmp_path: Path) -> None:
    results = [
        contents(embed(photos, Entangled(), tmp_path / str(n), batch_size=4, num_workers=n).folder)
        for n in (1, 7)
    ]
    assert results[0] == results[1]


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
