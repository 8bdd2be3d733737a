import io
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from tests.helpers import reference
from wann_core import datasets
from wann_core.datasets import catalog
from wann_core.errors import WannError


def test_digits_are_a_fixed_stratified_split() -> None:
    data, source = datasets.load("digits", "pixels"), load_digits()
    train, test = train_test_split(
        np.arange(1797), train_size=1200, stratify=source.target, random_state=0
    )
    for X, y, ids, expected in (
        (data.train.X, data.train.y, data.train.ids, np.sort(train)),
        (data.test.X, data.test.y, data.test.ids, np.sort(test)),
    ):
        assert np.array_equal(ids, expected)
        assert np.array_equal(X, source.data[ids])
        assert np.array_equal(y, source.target[ids])
    shares = np.bincount(source.target) * 1200 / 1797
    assert np.abs(np.bincount(data.train.y) - shares).max() < 1
    assert data.class_names == tuple("0123456789")
    assert data.n_classes == 10


def test_digits_have_their_images() -> None:
    data = datasets.load("digits", "pixels")
    for name, split in data.splits.items():
        for position in (0, 5, len(split) - 1):
            image = data.image(name, position)
            assert image is not None
            assert (image.mode, image.size) == ("L", (8, 8))
            pixels = np.asarray(image, np.float64) / 255 * 16
            assert np.array_equal(np.round(pixels).ravel(), split.X[position])


def test_arrays_are_shared_and_read_only() -> None:
    data = datasets.load("digits", "pixels")
    assert datasets.load("digits", "pixels") is data
    with pytest.raises(ValueError, match="read-only"):
        data.train.y[0] = 5
    assert data.nbytes > data.train.X.nbytes + data.test.X.nbytes


def save(root: Path, split: str = "train", name: str = "small/tiny", **arrays: Any) -> Path:
    """Write one file; what is not given is a valid array of 6 rows, 3 columns and 3 classes."""
    path = root / name / f"{split}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    valid = {
        "embeddings": np.arange(18, dtype=np.float32).reshape(6, 3),
        "labels": np.arange(6) % 3,
    }
    np.savez(path, **{k: v for k, v in {**valid, **arrays}.items() if v is not None})
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    save(tmp_path, "train")
    save(tmp_path, "test")
    return tmp_path


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
@pytest.mark.parametrize("label_type", [np.int64, np.uint8, np.int32, np.float32])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_database_is_read_as_it_is(
    tmp_path: Path, dtype: type, label_type: type, shape: tuple[int, ...]
) -> None:
    X, y = np.random.RandomState(0).randn(8, 3).astype(dtype), np.array([3, 0, 1, 2, 3, 1, 0, 2])
    for split in ("train", "test"):
        save(tmp_path, split, embeddings=X, labels=y.astype(label_type).reshape(shape))
    data = datasets.load("small", "tiny", tmp_path)
    for ours in (data.train.X, data.test.X):
        assert ours.dtype == dtype
        assert np.array_equal(ours, X)
    for labels in (data.train.y, data.test.y):
        assert (labels.dtype, labels.shape) == (np.int64, (8,))
        assert np.array_equal(labels, y)
    assert data.train.ids.tolist() == list(range(8))
    assert (data.name, data.backbone, data.n_classes) == ("small", "tiny", 4)
    assert data.images is None
    assert data.image("train", 0) is None


def test_classes_are_counted_over_both_splits(root: Path) -> None:
    save(root, "test", labels=np.array([0, 1, 2, 0, 1, 9]))
    assert datasets.load("small", "tiny", root).class_names == tuple("0123456789")


def test_cifar10_classes_have_names(root: Path) -> None:
    for split in ("train", "test"):
        save(root, split, "cifar10/tiny", embeddings=np.ones((10, 2)), labels=np.arange(10))
    names = datasets.load("cifar10", "tiny", root).class_names
    assert (names[0], names[9]) == ("airplane", "truck")


def header_only(shape: tuple[int, ...]) -> bytes:
    """The first bytes of an .npy file of that shape."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    return buffer.getvalue()


def ask_for_gigabytes(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("embeddings.npy", header_only((1 << 40, 1 << 10)) + bytes(64))
        archive.writestr("labels.npy", header_only((1 << 40,)) + bytes(64))


def write_npy(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.ones(3))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def flip_a_bit(path: Path) -> None:
    raw = path.read_bytes()
    at = raw.index(b"NUMPY") + 140
    path.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])


def flip_compressed_bits(path: Path) -> None:
    with np.load(path) as arrays:
        np.savez_compressed(path, **arrays)
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("embeddings.npy").header_offset
    raw = path.read_bytes()
    name_length, extra_length = struct.unpack("<HH", raw[start + 26 : start + 30])
    at = start + 30 + name_length + extra_length
    # 0xff begins a block of a type that does not exist.
    path.write_bytes(raw[:at] + b"\xff" + raw[at + 1 :])


def spoil_directory(path: Path, offset: int, value: int) -> None:
    raw = path.read_bytes()
    at = raw.index(b"PK\x01\x02") + offset
    path.write_bytes(raw[:at] + bytes([value]) + raw[at + 1 :])


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda path: path.unlink(), "train.npz does not exist"),
        (lambda path: path.write_bytes(b""), "cannot be read as an .npz file"),
        (lambda path: path.write_bytes(b"text"), "cannot be read as an .npz file"),
        (write_npy, "cannot be read as an .npz file"),
        (cut, "cannot be read as an .npz file"),
        (flip_a_bit, "cannot be read as an .npz file"),
        (ask_for_gigabytes, "`embeddings` is cut short or its header is wrong"),
        (flip_compressed_bits, "cannot be read as an .npz file"),
        (lambda path: spoil_directory(path, 10, 99), "cannot be read as an .npz file"),
        (lambda path: spoil_directory(path, 8, 1), "cannot be read as an .npz file"),
    ],
    ids="missing empty text npy cut bit gigabytes zlib method encrypted".split(),
)
def test_unreadable_files_are_refused_in_a_sentence(
    root: Path, spoil: Callable[[Path], object], sentence: str
) -> None:
    spoil(root / "small" / "tiny" / "train.npz")
    assert_refused(root, sentence)


def assert_refused(root: Path, sentence: str) -> None:
    with pytest.raises(WannError) as caught:
        datasets.load("small", "tiny", root)
    message = str(caught.value)
    assert sentence in message
    assert message.endswith(".")
    assert "\n" not in message
    assert caught.value.field == "dataset"


def test_without_test_rows_each_row_is_judged_by_the_others(root: Path) -> None:
    (root / "small" / "tiny" / "test.npz").unlink()
    assert ("small", "tiny") in datasets.available(root)
    data = datasets.load("small", "tiny", root)
    assert data.test is None and len(data.train) == 6


def test_a_namesake_of_a_known_data_set_keeps_its_own_classes(tmp_path: Path) -> None:
    for classes, names in ((3, ("0", "1", "2")), (10, catalog.CIFAR10)):
        X = np.arange(60, dtype=np.float32).reshape(20, 3)
        for split in ("train", "test"):
            save(tmp_path, split, "cifar10/tiny", embeddings=X, labels=np.arange(20) % classes)
        assert datasets.load("cifar10", "tiny", tmp_path).class_names == names
    save(tmp_path, "val", "cifar10/tiny", embeddings=X, labels=np.arange(20) % 10)
    assert datasets.load("cifar10", "tiny", tmp_path).class_names == tuple("0123456789")


NAN, INF = np.ones((6, 3), np.float16), np.ones((6, 3), np.float32)
NAN[4, 1], INF[2:4, 0] = np.nan, -np.inf
ids = "must be class ids from 0 to at most 65535"


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"embeddings": None}, "has no array `embeddings`"),
        ({"labels": None}, "has no array `labels`"),
        ({"labels": np.array([0, 1, 2, None, 1, 2], object)}, "`labels` holds Python objects"),
        ({"embeddings": np.full((6, 3), None)}, "`embeddings` holds Python objects"),
        ({"embeddings": np.ones((6, 3), int)}, "must be float16, float32 or float64"),
        ({"embeddings": np.ones((6, 3), complex)}, "must be float16, float32 or float64"),
        ({"embeddings": np.ones((6, 3, 1))}, "of shape (n, d), got float64 (6, 3, 1)"),
        ({"embeddings": np.ones((0, 3)), "labels": np.arange(0)}, "got float64 (0, 3)"),
        ({"embeddings": np.ones((6, 0))}, "got float64 (6, 0)"),
        ({"embeddings": NAN}, "must be finite, 1 rows hold NaN or infinity"),
        ({"embeddings": INF}, "must be finite, 2 rows hold NaN or infinity"),
        ({"labels": np.arange(5)}, "must be of shape (6,) or (6, 1)"),
        ({"labels": np.zeros((6, 2), int)}, "must be of shape (6,) or (6, 1)"),
        ({"labels": np.zeros((1, 6), int)}, "must be of shape (6,) or (6, 1)"),
        ({"labels": np.array([0, 1, 2, 1.5, 0, 1])}, ids),
        ({"labels": np.array([0, 1, 2, np.nan, 0, 1])}, ids),
        ({"labels": np.array([0, 1, 2, np.inf, 0, 1])}, ids),
        ({"labels": np.array([0, 1, 2, -1, 0, 1])}, ids),
        ({"labels": np.array([0, 1, 2, 65_536, 0, 1])}, ids),
        ({"labels": np.array([0, 1, 2, 2**64 - 1, 0, 1], np.uint64)}, ids),
        ({"labels": np.array([True, False] * 3)}, ids),
        ({"labels": np.array(["cat", "dog", "owl"] * 2)}, ids),
    ],
)
def test_unusable_arrays_are_refused_in_a_sentence(
    root: Path, arrays: dict[str, Any], sentence: str, split: str
) -> None:
    save(root, split, **arrays)
    assert_refused(root, sentence)


def test_splits_with_other_columns_are_refused(root: Path) -> None:
    save(root, "test", embeddings=np.ones((6, 4)))
    assert_refused(root, "train.npz has 3 columns, test.npz 4; they must agree")


@pytest.mark.parametrize(
    "name",
    [
        "../small",
        "..",
        "a/../small",
        "/small",
        "small/",
        "a//b",
        "",
        "small\n",
        "a\\b",
        "~/x\0",
    ],
)
@pytest.mark.parametrize("field", ["dataset", "backbone"])
def test_names_cannot_lead_out_of_the_root(root: Path, name: str, field: str) -> None:
    asked = {"dataset": "small", "backbone": "tiny", field: name}
    with pytest.raises(WannError, match=f"`{field}` must be made of letters") as caught:
        datasets.load(**asked, database_root=root / "small")
    assert caught.value.field == field
    assert "\n" not in str(caught.value)


def test_same_object_until_a_file_changes(root: Path) -> None:
    first = datasets.load("small", "tiny", root)
    assert datasets.load("small", "tiny", str(root)) is first
    # Same size, other content: only the time tells.
    path = save(root, "test", labels=np.array([2, 1, 0, 2, 1, 0]))
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    second = datasets.load("small", "tiny", root)
    assert second.test.y.tolist() == [2, 1, 0, 2, 1, 0]
    assert first.test.y.tolist() == [0, 1, 2, 0, 1, 2]


def test_two_roots_are_two_databases(tmp_path: Path) -> None:
    for name, X in (("one", np.zeros((6, 3))), ("two", np.ones((6, 3)))):
        for split in ("train", "test"):
            path = save(tmp_path / name, split, embeddings=X)
            os.utime(path, (0, 0))
    loaded = [datasets.load("small", "tiny", tmp_path / name) for name in ("one", "two")]
    assert [data.train.X[0, 0] for data in loaded] == [0, 1]


def test_available_lists_what_can_be_loaded(root: Path) -> None:
    for split in ("train", "test"):
        save(root, split, "cifar10-n/worse/tiny")
        save(root, split, "digits/other")
    save(root, "train", "no-test-split/tiny")
    pairs = datasets.available(root)
    assert pairs == [
        ("digits", "pixels"),
        ("cifar10-n/worse", "tiny"),
        ("digits", "other"),
        ("no-test-split", "tiny"),
        ("small", "tiny"),
    ]
    for dataset, backbone in pairs:
        assert datasets.load(dataset, backbone, root).name == dataset


def test_available_needs_a_folder(tmp_path: Path) -> None:
    with pytest.raises(WannError, match="does not exist") as caught:
        datasets.available(tmp_path / "nowhere")
    assert caught.value.field == "database_root"


def test_digits_under_another_backbone_are_refused(root: Path) -> None:
    with pytest.raises(WannError, match=r"has backbone 'pixels' only .*got 'tiny'") as caught:
        datasets.load("digits", "tiny", root)
    assert caught.value.field == "backbone"


@pytest.mark.parametrize(
    ("dataset", "backbone", "sentence"),
    [
        ("small", "vit", "'small' is there under --backbone tiny. To make it: "),
        ("nix", "tiny", " holds small. To make it: "),
        ("cifar10", "tiny", "embed --dataset cifar10 --backbone tiny --database_root "),
    ],
)
def test_missing_data_say_what_is_there_and_what_makes_them(
    root: Path, dataset: str, backbone: str, sentence: str
) -> None:
    with pytest.raises(WannError, match=r"train\.npz does not exist; ") as caught:
        datasets.load(dataset, backbone, root)
    assert caught.value.field == "dataset" and sentence in str(caught.value)


def test_small_database_of_the_tests_is_as_published(database: Path) -> None:
    with np.load(database / "small" / "tiny" / "train.npz") as arrays:
        assert (arrays["embeddings"].dtype, arrays["labels"].shape) == (np.float16, (400, 1))
    data = datasets.load("small", "tiny", database)
    assert data.n_classes == reference.N_CLASSES
    assert (data.train.X.shape, data.test.X.shape) == ((400, 16), (100, 16))
