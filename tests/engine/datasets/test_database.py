"""Databases that are written and deleted, and what their manifests may say."""

import json
import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wann_core import datasets
from wann_core.datasets import Split, database, npz_files
from wann_core.errors import WannError

X = np.arange(12, dtype=np.float32).reshape(6, 2)
Y = np.arange(6) % 3


def split(**more: Any) -> Split:
    return Split(**{"X": X, "y": Y, "ids": np.arange(6), **more})


def write(root: Path, dataset: str = "mine", backbone: str = "tiny", **details: Any) -> Path:
    splits = {"train": split(), "test": split()}
    return database.write(root, dataset, backbone, splits, ("a", "b", "c"), details)


def refused(match: str, root: Path, dataset: str = "mine", field: str = "dataset") -> None:
    with pytest.raises(WannError, match=match) as caught:
        datasets.load(dataset, "tiny", root)
    assert "\n" not in str(caught.value)
    assert caught.value.field == field


def test_what_is_written_is_read(tmp_path: Path) -> None:
    names = ("ä/1.png", "b\n.png", os.fsdecode(b"\xff.png"), "", "e", "f")
    kept = {
        "train": split(ids=np.arange(6)[::-1] * 7, clean=Y[::-1], names=names),
        "test": split(X=X.astype(np.float16)),
        "val": split(X=X.astype(np.float64)),
        "unlabelled": split(y=np.full(6, -1)),
    }
    place = database.write(tmp_path, "a/b", "tiny+1", kept, ("x", "ÿ", "z"), {"more": [1]})
    assert place == tmp_path / "a/b" / "tiny+1"
    data = datasets.load("a/b", "tiny+1", tmp_path)
    assert list(data.splits) == ["train", "val", "test", "unlabelled"]
    for name, expected in kept.items():
        found = data.splits[name]
        for field in ("X", "y", "ids"):
            assert np.array_equal(getattr(found, field), getattr(expected, field))
        assert found.X.dtype == expected.X.dtype
    assert np.array_equal(data.train.clean, Y[::-1])
    assert data.train.names == names
    assert data.test is not None and data.test.names is None and data.test.clean is None
    assert data.class_names == ("x", "ÿ", "z")
    record = database.manifest(place)
    assert record["more"] == [1]
    assert record["rows"] == {"train": 6, "test": 6, "val": 6, "unlabelled": 6}
    assert datasets.available(tmp_path)[1:] == [("a/b", "tiny+1")]


def test_class_names_that_are_no_text_are_escaped(tmp_path: Path) -> None:
    odd = os.fsdecode(b"caf\xe9")
    splits = {"train": split(), "test": split()}
    database.write(tmp_path, "mine", "tiny", splits, ("a", odd, "c"), {})
    assert datasets.load("mine", "tiny", tmp_path).class_names == ("a", "caf\\udce9", "c")


def test_own_class_names_win_over_the_catalogs(tmp_path: Path) -> None:
    place = write(tmp_path, "cifar10")
    assert datasets.load("cifar10", "tiny", tmp_path).class_names == ("a", "b", "c")
    (place / database.MANIFEST).unlink()
    # Three classes are not those of CIFAR-10, whatever the folder is called.
    assert datasets.load("cifar10", "tiny", tmp_path).class_names == ("0", "1", "2")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    place = write(tmp_path, first=True)
    with pytest.raises(WannError, match="already a database of 'mine' under 'tiny'"):
        write(tmp_path, first=False)
    assert database.manifest(place)["first"]
    assert [path.name for path in place.parent.iterdir()] == ["tiny"]


@pytest.mark.parametrize("details", [{"x": object()}, {"x": {1, 2}}])
def test_failed_writing_leaves_no_database(tmp_path: Path, details: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        write(tmp_path, **details)
    assert not list((tmp_path / "mine").iterdir())
    splits = {"train": split(names=["a\0b"] * 6)}
    with pytest.raises(WannError, match="NUL"):
        database.write(tmp_path, "mine", "tiny", splits, ("a", "b", "c"), {})
    assert not list((tmp_path / "mine").iterdir())


def test_half_written_databases_are_not_seen(tmp_path: Path) -> None:
    seen = []

    def look(done: float, total: float, text: str) -> None:
        seen.append((datasets.available(tmp_path), (tmp_path / "mine" / "tiny").exists()))

    splits = {"train": split(), "test": split()}
    database.write(tmp_path, "mine", "tiny", splits, ("a", "b", "c"), {}, look)
    assert seen
    assert set(map(str, seen)) == {str(([datasets.BUILT_IN], False))}
    assert ("mine", "tiny") in datasets.available(tmp_path)


@pytest.mark.parametrize("name", ["../x", "/x", "", "a//b", ".x", "a/.x", "x\0", "a\\b"])
def test_names_lead_nowhere_else(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    write(root)
    write(tmp_path, "x")
    for dataset, backbone in ((name, "tiny"), ("mine", name)):
        with pytest.raises(WannError, match="must be made of letters"):
            write(root, dataset, backbone)
        with pytest.raises(WannError, match="must be made of letters"):
            database.delete(root, dataset, backbone)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["root", "x"]


def test_deleting_takes_one_database(tmp_path: Path) -> None:
    for dataset, backbone in (("a", "tiny"), ("a", "big"), ("b/c", "tiny"), ("b/d", "tiny")):
        write(tmp_path, dataset, backbone)
    database.delete(tmp_path, "a", "tiny")
    assert database.available(tmp_path) == [("a", "big"), ("b/c", "tiny"), ("b/d", "tiny")]
    database.delete(tmp_path, "a", "big")
    database.delete(tmp_path, "b/c", "tiny")
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_dir()) == ["b", "d", "tiny"]
    database.delete(tmp_path, "b/d", "tiny")
    assert tmp_path.is_dir()
    assert not list(tmp_path.iterdir())
    with pytest.raises(WannError, match="no database of 'a' under 'tiny'"):
        database.delete(tmp_path, "a", "tiny")


def test_deleting_keeps_what_holds_other_databases(tmp_path: Path) -> None:
    write(tmp_path, "a/b", "tiny")
    with pytest.raises(WannError, match="holds other folders"):
        database.delete(tmp_path, "a", "b")
    assert database.available(tmp_path) == [("a/b", "tiny")]


def test_deleting_follows_no_links(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    write(root, "real")
    write(outside, "real")
    (root / "out").symlink_to(outside / "real")
    (root / "alias").symlink_to(root / "real")
    (root / "mine").mkdir()
    (root / "mine" / "tiny").symlink_to(root / "real" / "tiny")
    for dataset in ("out", "alias", "mine"):
        with pytest.raises(WannError, match=r"is a link to .*; remove it by hand"):
            database.delete(root, dataset, "tiny")
    for place in (root, outside):
        assert datasets.load("real", "tiny", place).n_classes == 3
    # The root itself may be one.
    (tmp_path / "link").symlink_to(root)
    database.delete(tmp_path / "link", "real", "tiny")
    assert not (root / "real").exists()


HOSTILE = [
    b"",
    b"[]",
    b"{",
    b"\xff\xfe",
    b"null",
    b'{"class_names": "abc"}',
    b'{"class_names": [1, 2]}',
    b"[" * 200_000,
    json.dumps({"class_names": [str(i) for i in range(npz_files.MAX_CLASSES + 1)]}).encode(),
]


@pytest.mark.parametrize("content", HOSTILE, ids=range(len(HOSTILE)))
def test_manifests_of_something_else_are_reported(tmp_path: Path, content: bytes) -> None:
    (write(tmp_path) / database.MANIFEST).write_bytes(content)
    refused(r"manifest\.json cannot be read", tmp_path)


def test_too_large_a_manifest_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = write(tmp_path, padding="x" * 2_000_000)
    monkeypatch.setattr(database, "_MANIFEST_BYTES", 1 << 20)
    refused("larger than 1 MiB", tmp_path)
    assert place.is_dir()


@pytest.mark.parametrize("images", [[1], "text", 5, None, {"source": ["x"]}, {"root": 5}, {}])
@pytest.mark.parametrize("dataset", ["mine", "mnist"])
def test_odd_records_of_images_do_no_harm(tmp_path: Path, dataset: str, images: Any) -> None:
    write(tmp_path / "db", dataset, images=images, rows="many")
    data = datasets.load(dataset, "tiny", tmp_path / "db", tmp_path)
    assert data.image("train", 0) is None
    assert data.train.y.tolist() == Y.tolist()


@pytest.mark.parametrize("ids", [[0, 1, 2, 3, 4, 4], [-1, 0, 1, 2, 3, 4], [0.0] * 6, [0, 1]])
def test_row_ids_are_different_and_from_zero(tmp_path: Path, ids: list[Any]) -> None:
    place = write(tmp_path)
    np.savez(place / "train.npz", embeddings=X, labels=Y, ids=np.array(ids))
    refused("`ids` must be 6 different whole numbers from 0", tmp_path)


def test_row_ids_beyond_all_rows_are_reported(tmp_path: Path) -> None:
    ids = np.arange(6, dtype=np.uint64)
    ids[5] = 2**64 - 1
    np.savez(write(tmp_path) / "train.npz", embeddings=X, labels=Y, ids=ids)
    refused("`ids` must be", tmp_path)


def test_true_labels_and_names_fit_the_rows(tmp_path: Path) -> None:
    path = write(tmp_path) / "train.npz"
    np.savez(path, embeddings=X, labels=Y, clean_labels=Y - 1)
    refused("`clean_labels` must be class ids from 0", tmp_path)
    np.savez(path, embeddings=X, labels=Y, names=npz_files.pack_names(["a"] * 5))
    refused("`names` must be 6 names", tmp_path)
    np.savez(path, embeddings=X, labels=Y - 1)
    refused("`labels` must be class ids from 0", tmp_path)


def write_large(path: Path, **arrays: np.ndarray) -> None:
    np.savez(path, labels=np.arange(50) % 3, **arrays)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_large_arrays_are_mapped_where_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: type
) -> None:
    rows = np.random.RandomState(0).randn(50, 7).astype(dtype)
    path = tmp_path / "train.npz"
    write_large(path, embeddings=rows)
    read = npz_files.read(path).X
    monkeypatch.setattr(npz_files, "_MAPPED_BYTES", 1)
    mapped = npz_files.read(path).X
    assert mapped.dtype == dtype
    assert np.array_equal(mapped, read)
    assert np.array_equal(mapped, rows)
    assert not mapped.flags.writeable
    base = mapped
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base, memoryview)
    assert isinstance(base.obj, mmap.mmap)


@pytest.mark.parametrize("kind", ["packed", "in Fortran order"])
def test_what_cannot_be_mapped_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(npz_files, "_MAPPED_BYTES", 1)
    rows = np.random.RandomState(0).randn(50, 7)
    path = tmp_path / "train.npz"
    if kind == "packed":
        np.savez_compressed(path, embeddings=rows, labels=np.arange(50) % 3)
    else:
        write_large(path, embeddings=np.asfortranarray(rows))
    assert np.array_equal(npz_files.read(path).X, rows)


def test_mapped_arrays_are_checked_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npz_files, "_MAPPED_BYTES", 1)
    path = tmp_path / "train.npz"
    write_large(path, embeddings=np.random.RandomState(0).randn(50, 4000))
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"NUMPY", raw.index(b"embeddings.npy")) + 900_000] ^= 1
    path.write_bytes(raw)
    with pytest.raises(WannError, match="bad CRC-32 for array `embeddings`"):
        npz_files.read(path)


def test_mapped_rows_that_are_not_finite_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npz_files, "_FINITE_ROWS", 8)
    rows = np.random.RandomState(0).randn(50, 7)
    rows[[3, 11, 49], 2] = np.nan
    write_large(tmp_path / "train.npz", embeddings=rows)
    with pytest.raises(WannError, match="3 rows hold NaN"):
        npz_files.read(tmp_path / "train.npz")
