"""Images that are unpacked into the cache, and images that belong to a database's rows."""

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.helpers import raw_sources as raw
from wann_core import datasets
from wann_core.datasets import image_sources
from wann_core.datasets.images import ImageSplit
from wann_core.datasets.sources import arrays
from wann_core.errors import WannError
from wann_core.typing import Array

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 4, 5, 3), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2, 0])


class Source:
    """A file, and how often it was read."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "source.bin"
        self.file.write_bytes(b"one")
        self.reads = 0
        self.pixels: Array = PIXELS

    def read(self) -> Iterator[arrays.Part]:
        self.reads += 1
        for name in ("train", "test"):
            yield name, partial(np.save, arr=self.pixels), LABELS

    def open(self) -> dict[str, ImageSplit]:
        return arrays.mapped([self.file], ("train", "test"), 3, self.read)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WANN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "images"


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path)


def same(found: dict[str, ImageSplit]) -> bool:
    return list(found) == ["train", "test"] and all(
        np.array_equal(part.pixels, PIXELS) and np.array_equal(part.labels, LABELS)
        for part in found.values()
    )


def unpacked(cache: Path) -> Path:
    (place,) = [path for path in cache.iterdir() if path.is_dir()]
    return place


def test_second_opening_reads_nothing(source: Source, cache: Path) -> None:
    for _ in range(3):
        found = source.open()
        assert same(found)
        assert isinstance(found["train"].pixels, np.memmap)
        assert not found["train"].pixels.flags.writeable
    assert source.reads == 1
    assert not list(cache.glob(".*"))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("file", ["train.npy", "test.npy", "train-labels.npy", "test-labels.npy"])
@pytest.mark.parametrize(
    "damage",
    [
        Path.unlink,
        cut,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no"),
        lambda path: np.save(path, PIXELS[:3]),
        lambda path: np.save(path, np.full(7, 3)),
        lambda path: np.save(path, np.array([None])),
    ],
    ids="gone cut empty text shorter other-values objects".split(),
)
def test_what_is_damaged_in_the_cache_is_made_again(
    source: Source, cache: Path, file: str, damage: Callable[[Path], object]
) -> None:
    source.open()
    damage(unpacked(cache) / file)
    assert same(source.open())
    assert source.reads == 2
    assert same(source.open())
    assert source.reads == 2


def test_changed_files_are_read_again(source: Source) -> None:
    source.open()
    source.file.write_bytes(b"other")
    source.open()
    stat = source.file.stat()
    os.utime(source.file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    source.pixels = PIXELS[:, ::-1]
    assert np.array_equal(source.open()["test"].pixels, PIXELS[:, ::-1])
    assert source.reads == 3


def test_leftovers_of_a_killed_process_do_no_harm(source: Source, cache: Path) -> None:
    source.open()
    place = unpacked(cache)
    draft = place.with_name(f".{place.name}")
    place.rename(draft)
    cut(draft / "train.npy")
    (draft / "stray.npy").write_bytes(b"half")
    assert same(source.open())
    assert not draft.exists()
    assert not (place / "stray.npy").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, WannError("damaged"), KeyError("x")])
def test_failed_reading_leaves_nothing(source: Source, cache: Path, error: Any) -> None:
    def fail() -> Iterator[arrays.Part]:
        yield "train", partial(np.save, arr=PIXELS), LABELS
        raise error

    with pytest.raises(error if isinstance(error, type) else type(error)):
        arrays.mapped([source.file], ("train", "test"), 3, fail)
    assert not [path for path in cache.iterdir() if path.is_dir()]
    assert same(source.open())


def test_threads_read_once(source: Source) -> None:
    start, read = threading.Barrier(6), source.read

    def slowly() -> Iterator[arrays.Part]:
        for part in read():
            threading.Event().wait(0.05)
            yield part

    source.read = slowly  # type: ignore[method-assign]

    def ask(_: int) -> bool:
        start.wait()
        return same(source.open())

    with ThreadPoolExecutor(6) as threads:
        assert all(threads.map(ask, range(6)))
    assert source.reads == 1


def test_cache_that_cannot_be_written_is_reported(source: Source, cache: Path) -> None:
    cache.parent.write_text("a file where the folder should be")
    with pytest.raises(WannError, match="cannot be unpacked into"):
        source.open()


def test_parts_need_a_label_for_each_row(tmp_path: Path) -> None:
    for more in ({"files": ["a", "b"]}, {"pixels": PIXELS}, {}):
        with pytest.raises(WannError, match="for each label"):
            ImageSplit(np.arange(3), tmp_path, **more)
    split = ImageSplit(np.arange(3), tmp_path, files=["../x.png", "/etc/x.png", "a.png"])
    for row in (0, 1):
        with pytest.raises(ValueError, match="does not lie in the folder"):
            split.open(row)
    with pytest.raises(FileNotFoundError):
        split.open(2)


def write_rows(root: Path, name: str, images: dict[str, ImageSplit], ids: Array) -> None:
    """A database of these rows of a source, with no manifest, as the published scripts do."""
    place = root / name / "tiny"
    place.mkdir(parents=True, exist_ok=True)
    for split, part in images.items():
        rows = ids if split == "train" else np.arange(len(part))
        np.savez(
            place / f"{split}.npz",
            embeddings=np.ones((len(rows), 2)),
            labels=part.labels[rows],
            ids=rows,
        )


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    raw.write_mnist(tmp_path / "data" / "mnist")
    images = image_sources.open_images("mnist", tmp_path / "data", download=False)
    write_rows(tmp_path / "db", "mnist", dict(images.splits), np.array([29, 3, 17]))
    return tmp_path


def load(root: Path, name: str = "mnist") -> datasets.Dataset:
    return datasets.load(name, "tiny", root / "db", root / "data")


def test_rows_of_arrays_are_found_by_their_ids(mnist: Path) -> None:
    data = load(mnist)
    assert data.images_missing == ""
    for position, row in enumerate([29, 3, 17]):
        image = data.image("train", position)
        assert image is not None
        assert np.array_equal(np.asarray(image), raw.gray(30, 0)[row])
    assert np.array_equal(np.asarray(data.image("test", 4)), raw.gray(20, 1)[4])
    assert data.image("val", 0) is None


@pytest.mark.parametrize("change", ["label", "row"])
def test_images_of_other_rows_are_refused(mnist: Path, change: str) -> None:
    path = mnist / "db" / "mnist" / "tiny" / "train.npz"
    ids = np.array([29, 3, 17])
    labels = ids % 10
    if change == "label":
        labels[1] += 1
    else:
        ids[2] = 30
    np.savez(path, embeddings=np.ones((3, 2)), labels=labels, ids=ids)
    data = load(mnist)
    assert data.image("train", 0) is None
    assert "the labels of split 'train' differ" in data.images_missing


def test_no_images_are_missing_where_none_are_promised(mnist: Path) -> None:
    shutil.rmtree(mnist / "data")
    data = load(mnist)
    assert (data.images, data.images_missing) == (None, "")


def test_moved_arrays_are_looked_for_and_then_reported(mnist: Path) -> None:
    origin = {"source": "torchvision", "root": str(mnist / "before" / "mnist")}
    manifest = mnist / "db" / "mnist" / "tiny" / "manifest.json"
    manifest.write_text(json.dumps({"images": origin}))
    assert load(mnist).image("train", 0) is not None
    (mnist / "data").rename(mnist / "before")
    os.utime(manifest, (0, 0))
    # What is recorded comes first: other images lie where it would be looked for else.
    others = raw.write_mnist(mnist / "data" / "mnist")
    (others / "train-labels-idx1-ubyte").write_bytes(raw.idx(np.zeros(30, np.uint8)))
    assert load(mnist).image("train", 0) is not None
    shutil.rmtree(mnist / "data")
    (mnist / "before").rename(mnist / "after")
    os.utime(manifest, (1, 1))
    data = load(mnist)
    assert data.image("train", 0) is None
    assert f"no longer in '{mnist / 'before' / 'mnist'}'" in data.images_missing


def test_human_labels_show_the_images_of_their_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    raw.write_cifar(tmp_path / "data" / "cifar10", monkeypatch, "cifar10")
    images = image_sources.open_images("cifar10", tmp_path / "data", download=False)
    write_rows(tmp_path / "db", "cifar10", dict(images.splits), np.arange(20))
    clean = images.splits["train"].labels
    (tmp_path / "data" / "cifarn").mkdir()
    torch.save(
        {"clean_label": clean, "worse_label": (clean + 1) % 10},
        tmp_path / "data" / "cifarn" / "CIFAR-10_human.pt",
    )
    data = load(tmp_path, "cifar10-n/worse_label")
    assert data.images_missing == ""
    expected = raw.cifar_pixels(4, 1)[3].reshape(3, 32, 32).transpose(1, 2, 0)
    assert np.array_equal(np.asarray(data.image("train", 3)), expected)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A database that names the files of its rows."""
    from wann_core.datasets import Split, database

    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(4):
        Image.new("L", (i + 1, 2)).save(folder / f"{i}.png")
    splits = {
        "train": Split(
            np.ones((3, 2)),
            np.array([0, 1, 0]),
            np.array([2, 1, 0]),
            names=["2.png", "1.png", "../x.png"],
        ),
        "test": Split(np.ones((1, 2)), np.array([1]), np.array([0])),
    }
    origin = {"source": "imagefolder", "root": str(folder)}
    database.write(tmp_path / "db", "birds", "tiny", splits, ("a", "b"), {"images": origin})
    return tmp_path


def test_rows_of_files_are_found_by_their_names(photos: Path) -> None:
    data = load(photos, "birds")
    for position, width in ((0, 3), (1, 2)):
        image = data.image("train", position)
        assert image is not None
        with image:
            assert image.width == width
    with pytest.raises(ValueError, match="does not lie in the folder"):
        data.image("train", 2)
    assert data.image("test", 0) is None  # its rows have no names
    (photos / "photos" / "2.png").unlink()
    with pytest.raises(WannError, match="the file does not exist"):
        data.image("train", 0)


def test_moved_folder_is_reported(photos: Path) -> None:
    (photos / "photos").rename(photos / "elsewhere")
    data = load(photos, "birds")
    assert data.image("train", 0) is None
    assert f"'{photos / 'photos'}', does not exist" in data.images_missing
    assert data.train.y.tolist() == [0, 1, 0]


def test_record_without_a_folder_is_reported(photos: Path) -> None:
    manifest = photos / "db" / "birds" / "tiny" / "manifest.json"
    manifest.write_text('{"images": {"source": "files"}}')
    assert "'', does not exist" in load(photos, "birds").images_missing


def test_medmnist_is_found_where_it_was(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    np.savez(tmp_path / "before" / "dermamnist_64.npz", **raw.medmnist_arrays(64))
    images = image_sources.open_images("dermamnist_64", tmp_path / "before", download=False)
    write_rows(tmp_path / "db", "dermamnist_64", dict(images.splits), np.arange(14))
    manifest = tmp_path / "db" / "dermamnist_64" / "tiny" / "manifest.json"
    manifest.write_text(json.dumps({"images": images.origin}))
    image = load(tmp_path, "dermamnist_64").image("val", 2)
    assert image is not None
    assert image.size == (64, 64)
