"""MNIST, CIFAR, MedMNIST and ANIMAL-10N from small files in their real formats."""

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.helpers import raw_sources as raw
from tests.helpers.roots import ROOT
from wann_core.datasets import catalog, image_sources
from wann_core.datasets.images import ImageDataset
from wann_core.errors import WannError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANN_CACHE", str(tmp_path / "cache"))


def opened(name: str, root: Path, **more: Any) -> ImageDataset:
    return image_sources.open_images(name, root, download=False, **more)


def refused(name: str, root: Path, *words: str) -> None:
    with pytest.raises(WannError) as caught:
        opened(name, root)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message
    assert caught.value.field == "dataset"


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_idx_files_are_read_in_torchvisions_layout(tmp_path: Path, name: str) -> None:
    assert not image_sources.present(name, tmp_path)
    raw.write_mnist(tmp_path / name, name)
    assert image_sources.present(name, tmp_path)
    images = opened(name, tmp_path)
    assert list(images.splits) == ["train", "test"]
    assert images.class_names == catalog.lookup(name).class_names
    for split, n, seed, modulus in (("train", 30, 0, 10), ("test", 20, 1, 7)):
        found = images.splits[split]
        assert np.array_equal(found.pixels, raw.gray(n, seed))
        assert found.labels.tolist() == [i % modulus for i in range(n)]
        assert found.labels.dtype == np.int64
    picture = images.splits["train"].open(7)
    assert (picture.mode, picture.size) == ("L", (28, 28))
    assert np.array_equal(np.asarray(picture), raw.gray(30, 0)[7])
    root = str((tmp_path / name).resolve())
    assert images.origin == {"source": "torchvision", "root": root}


@pytest.mark.parametrize(("name", "rows"), [("cifar10", 20), ("cifar100", 20)])
def test_cifar_pickles_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, rows: int
) -> None:
    raw.write_cifar(tmp_path / name, monkeypatch, name)
    images = opened(name, tmp_path)
    train, test = images.splits["train"], images.splits["test"]
    assert (len(train), len(test)) == (rows, 6)
    if name == "cifar10":
        assert train.labels.tolist() == [x for b in range(1, 6) for x in (b, 0, 9, 3)]
        second, test_seed = raw.cifar_pixels(4, 1)[1], 9
    else:
        assert train.labels.tolist() == list(range(80, 100))  # the fine ones
        second, test_seed = raw.cifar_pixels(20, 20)[1], 6
    # Stored plane by plane; an image is height × width × color.
    assert np.array_equal(np.asarray(train.open(1)), second.reshape(3, 32, 32).transpose(1, 2, 0))
    first = raw.cifar_pixels(6, test_seed)[0].reshape(3, 32, 32).transpose(1, 2, 0)
    assert np.array_equal(np.asarray(test.open(0)), first)
    assert images.class_names == catalog.lookup(name).class_names


def test_a_changed_cifar_batch_is_never_unpickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = raw.write_cifar(tmp_path / "cifar10", monkeypatch, "cifar10")
    touch = f"cos\nsystem\n(S'touch {tmp_path / 'x'}'\ntR."
    (place / "data_batch_3").write_bytes(touch.encode())
    refused("cifar10", tmp_path, "CIFAR-10", "incomplete or damaged", "remove its folder")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", ["cifar10", "mnist", "dermamnist_28", "animal-10n"])
def test_absent_data_are_reported(tmp_path: Path, name: str) -> None:
    refused(name, tmp_path, str(tmp_path))


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
FEW = raw.idx(np.zeros(29, np.uint8))


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        (IMAGES, raw.idx_files()[IMAGES][:-50], "incomplete or damaged"),
        (IMAGES, b"", "incomplete or damaged"),
        (IMAGES, b"\0\0\x08\x07", "incomplete or damaged"),
        (IMAGES, b"\0\0\x03\x03" + bytes(40), "incomplete or damaged"),
        (IMAGES, raw.gzipped(raw.idx_files()[IMAGES]), "incomplete or damaged"),
        (IMAGES, raw.idx_files()[LABELS], "incomplete or damaged"),
        (LABELS, b"\0\0", "incomplete or damaged"),
        (LABELS, FEW, "with 29 labels"),
        (LABELS, raw.idx(np.full(30, 10, np.uint8)), "class ids below 10"),
    ],
    ids="short empty header type gzip other cut-header few-labels class-id".split(),
)
def test_damaged_idx_files_are_reported(
    tmp_path: Path, file: str, content: bytes, words: str
) -> None:
    place = raw.write_mnist(tmp_path / "mnist")
    (place / file).write_bytes(content)
    for _ in range(2):  # what was read wrongly is not kept
        refused("mnist", tmp_path, words)
    (place / file).write_bytes(raw.idx_files()[file])
    assert len(opened("mnist", tmp_path)) == 50


@pytest.mark.parametrize("name", ["mnist", "cifar10", "cifar100"])
def test_some_of_the_files_are_not_the_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if name == "mnist":
        place = raw.write_mnist(tmp_path / name)
    else:
        place = raw.write_cifar(tmp_path / name, monkeypatch, name)
    for file in sorted(place.iterdir()):
        kept = file.read_bytes()
        file.unlink()
        assert not image_sources.present(name, tmp_path)
        refused(name, tmp_path, "is not in")
        file.write_bytes(kept)
    assert image_sources.present(name, tmp_path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(
    ("name", "file", "size"),
    [
        ("dermamnist_28", "dermamnist.npz", 28),
        ("dermamnist_64", "dermamnist_64.npz", 64),
        ("dermamnist", "dermamnist_224.npz", 224),
    ],
)
def test_medmnist_files_are_read(
    tmp_path: Path, name: str, file: str, size: int, save: Callable[..., None]
) -> None:
    arrays = raw.medmnist_arrays(size)
    save(tmp_path / file, **arrays)
    assert image_sources.present(name, tmp_path)
    images = opened(name, tmp_path)
    assert (images.name, list(images.splits)) == (name, ["train", "val", "test"])
    for split, found in images.splits.items():
        assert np.array_equal(found.pixels, arrays[f"{split}_images"])
        assert np.array_equal(found.labels, arrays[f"{split}_labels"].ravel())
        assert found.open(2).mode == "RGB"
    assert images.class_names == catalog.lookup("dermamnist").class_names
    assert opened("dermamnist", tmp_path, size=size).name == name


def test_gray_medmnist(tmp_path: Path) -> None:
    np.savez(tmp_path / "breastmnist.npz", **raw.medmnist_arrays(28, colors=False, classes=2))
    images = opened("breastmnist_28", tmp_path)
    assert images.splits["val"].open(0).mode == "L"


def test_sizes_are_medmnists_own(tmp_path: Path) -> None:
    for name, size in (("dermamnist", 32), ("mnist", 28)):
        with pytest.raises(WannError, match="`size`") as caught:
            opened(name, tmp_path, size=size)
        assert caught.value.field == "size"


OBJECTS = np.array([None, 1] * 7)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"val_images": None}, "val_images"),
        ({"test_labels": None}, "test_labels"),
        ({"train_labels": OBJECTS}, "is not a file of MedMNIST"),
        ({"train_images": OBJECTS}, "cannot be used"),
        ({"train_images": np.zeros((14, 28, 28))}, "8-bit gray or color images"),
        ({"train_images": np.zeros((14, 28, 28, 4), np.uint8)}, "8-bit gray or color"),
        ({"train_images": np.zeros((14, 28), np.uint8)}, "8-bit gray or color"),
        ({"train_labels": np.zeros((14, 3), np.uint8)}, "42 labels"),
        ({"train_labels": np.zeros(13, np.uint8)}, "13 labels"),
        ({"train_labels": np.full(14, 7)}, "class ids below 7"),
        ({"train_labels": np.full(14, -1)}, "class ids below 7"),
        ({"train_labels": np.full(14, np.nan)}, "class ids below 7"),
        ({"train_labels": np.array(["x"] * 14)}, "class ids below 7"),
    ],
)
def test_wrong_medmnist_arrays_are_reported(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    arrays = {**raw.medmnist_arrays(), **change}
    kept = {key: value for key, value in arrays.items() if value is not None}
    np.savez(tmp_path / "dermamnist.npz", **kept)
    refused("dermamnist_28", tmp_path, words, "dermamnist.npz")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.suffix == ".npy"]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-300])


def write_npy(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.ones(3))


def spoil(path: Path, offset: int, value: int) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + offset] = value
    path.write_bytes(bytes(content))


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(b"NUMPY") + 400] ^= 1
    path.write_bytes(bytes(content))


def shorten_an_image_array(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["test_images.npy"] = members["test_images.npy"][:-9]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"<html>"),
        write_npy,
        cut,
        flip_a_bit,
        lambda path: spoil(path, 10, 99),
        lambda path: spoil(path, 8, 1),
        shorten_an_image_array,
    ],
    ids="empty html npy cut bit method encrypted short-array".split(),
)
def test_damaged_medmnist_files_are_reported(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    path = tmp_path / "dermamnist.npz"
    np.savez(path, **raw.medmnist_arrays())
    damage(path)
    refused("dermamnist_28", tmp_path, "dermamnist.npz")
    np.savez(path, **raw.medmnist_arrays())
    assert len(opened("dermamnist_28", tmp_path)) == 25


def write_animals(root: Path, *names: str) -> Path:
    for name in names:
        path = root / "animal-10n" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (5, 4), (10 * len(name), 0, 0)).save(path, "JPEG")
    return root / "animal-10n"


def test_animal_10n_labels_are_in_the_names(tmp_path: Path) -> None:
    root = write_animals(
        tmp_path,
        "training/0_10.jpg",
        "training/9_2.jpg",
        "training/0_9.jpg",
        "testing/3_00001.jpg",
    )
    (root / "training" / ".DS_Store").write_bytes(b"hidden")
    images = opened("animal-10n", tmp_path)
    train = images.splits["train"]
    assert train.files == ["training/0_10.jpg", "training/0_9.jpg", "training/9_2.jpg"]
    assert train.labels.tolist() == [0, 0, 9]
    assert images.splits["test"].labels.tolist() == [3]
    with train.open(2) as image:
        assert image.size == (5, 4)
    assert images.origin == {"source": "animal-10n", "root": str(root.resolve())}
    assert images.class_names[9] == "guinea pig"


@pytest.mark.parametrize(
    "name", ["10_1.jpg", "cat_1.jpg", "7.jpg", "_1.jpg", "99999999999999999999_1.jpg", "Thumbs.db"]
)
def test_other_names_in_animal_10n_are_reported(tmp_path: Path, name: str) -> None:
    write_animals(tmp_path, "training/0_1.jpg", "testing/0_1.jpg", f"testing/{name}")
    refused("animal-10n", tmp_path, f"testing/{name} is not (1 such files)")


def test_animal_10n_needs_both_folders_with_images(tmp_path: Path) -> None:
    root = write_animals(tmp_path, "training/0_1.jpg")
    refused("animal-10n", tmp_path, "testing' does not exist", "home page")
    (root / "testing").mkdir()
    refused("animal-10n", tmp_path, "holds no images")


@pytest.mark.slow
def test_unpacked_data_need_no_torch(tmp_path: Path) -> None:
    raw.write_mnist(tmp_path / "mnist")
    opened("mnist", tmp_path)
    code = (
        "import sys; from wann_core.datasets import image_sources; "
        f"images = image_sources.open_images('mnist', {str(tmp_path)!r}, download=False); "
        "assert len(images) == 50; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_human_labels_have_no_images_of_their_own(tmp_path: Path) -> None:
    refused("cifar10-n/worse_label", tmp_path, "embed that one", "CIFAR-10_human.pt")


@pytest.mark.parametrize("name", ["../photos", "/etc", "", "a/../.."])
def test_folders_of_images_lie_below_the_root(tmp_path: Path, name: str) -> None:
    (tmp_path / "data").mkdir()
    refused(name, tmp_path / "data", "name of a folder")
