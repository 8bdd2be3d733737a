"""Labels that people gave: .pt files of torch, read without calling what they ask for."""

import io
import pickle
import tracemalloc
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wann_core import Scenario, datasets, run
from wann_core.datasets.sources import human_labels
from wann_core.errors import WannError
from wann_core.typing import Array

COLUMNS = ("aggre_label", "worse_label", "random_label1", "random_label2", "random_label3")
CLEAN = np.arange(40) % 10


def labels(**more: Any) -> dict[str, Any]:
    """As CIFAR-10's file; each column is wrong in other rows."""
    found: dict[str, Any] = {"clean_label": CLEAN.copy()}
    for i, column in enumerate(COLUMNS):
        found[column] = CLEAN.copy()
        found[column][: 4 * i + 4] = (CLEAN[: 4 * i + 4] + 1) % 10
    return {key: value for key, value in {**found, **more}.items() if value is not None}


def save(root: Path, content: Any, file: str = "CIFAR-10_human.pt", **how: Any) -> Path:
    import torch

    path = root / "raw" / "cifarn" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path, **how)
    return path


def write_base(root: Path, name: str = "cifar10", ids: Array | None = None, n: int = 40) -> None:
    place = root / "database" / name / "tiny"
    place.mkdir(parents=True, exist_ok=True)
    rows = np.arange(n) if ids is None else ids
    y = rows % (100 if name == "cifar100" else 10)
    X = np.random.default_rng(0).normal(size=(len(rows), 3)) + y[:, None]
    more = {} if ids is None else {"ids": ids}
    np.savez(place / "train.npz", embeddings=X, labels=y, **more)
    np.savez(place / "test.npz", embeddings=X[:12], labels=y[:12])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_base(tmp_path)
    save(tmp_path, labels())
    return tmp_path


def load(root: Path, name: str = "cifar10-n/worse_label") -> datasets.Dataset:
    return datasets.load(name, "tiny", root / "database", root / "raw")


def refused(root: Path, *words: str, name: str = "cifar10-n/worse_label") -> None:
    with pytest.raises(WannError) as caught:
        load(root, name)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message
    assert caught.value.field == "dataset"


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("column", COLUMNS)
def test_each_column_is_a_data_set(root: Path, column: str, zipped: bool) -> None:
    save(root, labels(), _use_new_zipfile_serialization=zipped)
    data = load(root, f"cifar10-n/{column}")
    assert data.name == f"cifar10-n/{column}"
    assert np.array_equal(data.train.y, labels()[column])
    assert data.train.clean is not None
    assert np.array_equal(data.train.clean, CLEAN)
    assert data.test is not None
    assert np.array_equal(data.test.y, CLEAN[:12])
    assert data.test.clean is None
    assert data.class_names[9] == "truck"
    assert np.array_equal(data.train.X, load(root, "cifar10").train.X)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.int32, np.int64])
def test_whole_numbers_of_any_size(root: Path, dtype: type) -> None:
    content = {key: value.astype(dtype) for key, value in labels().items()}
    save(root, content)
    assert np.array_equal(load(root).train.y, labels()["worse_label"])


def test_names_of_numpy_1_and_2(root: Path) -> None:
    """A file tells where numpy had its function when it was written."""
    path = save(root, labels(), _use_new_zipfile_serialization=False)
    new = path.read_bytes()
    assert b"numpy._core.multiarray" in new
    path.write_bytes(new.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert np.array_equal(load(root).train.y, labels()["worse_label"])


def test_cifar100(tmp_path: Path) -> None:
    write_base(tmp_path, "cifar100", n=300)
    clean = np.arange(300) % 100
    save(tmp_path, {"clean_label": clean, "noisy_label": clean[::-1].copy()}, "CIFAR-100_human.pt")
    data = load(tmp_path, "cifar100-n/noisy_label")
    assert np.array_equal(data.train.y, clean[::-1])
    assert data.class_names[:2] == ("apple", "aquarium_fish")


def test_rows_of_the_source_choose_the_labels(tmp_path: Path) -> None:
    ids = np.random.default_rng(1).permutation(40)[:25]
    write_base(tmp_path, ids=ids)
    save(tmp_path, labels())
    data = load(tmp_path)
    assert np.array_equal(data.train.y, labels()["worse_label"][ids])
    assert np.array_equal(data.train.clean, CLEAN[ids])
    assert np.array_equal(data.train.ids, ids)


SHUFFLED = np.random.default_rng(0).permutation(CLEAN)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"worse_label": None}, ["no whole numbers under 'worse_label'"]),
        ({"clean_label": None}, ["no whole numbers under 'clean_label'"]),
        ({"clean_label": SHUFFLED}, ["not in the order", f"{(SHUFFLED != CLEAN).sum()} of its 40"]),
        ({"clean_label": np.roll(CLEAN, 1)}, ["40 of its 40 clean labels differ"]),
        ({"worse_label": CLEAN[:39]}, ["40 clean and 39 given labels"]),
        ({"worse_label": CLEAN[:39], "clean_label": CLEAN[:39]}, ["reach to row 39"]),
        ({"worse_label": CLEAN + 1}, ["class ids below 10, got 1 to 10"]),
        ({"worse_label": CLEAN - 1}, ["class ids below 10, got -1 to 8"]),
        ({"worse_label": CLEAN.astype(float)}, ["whole-number arrays"]),
        ({"worse_label": CLEAN.reshape(-1, 1)}, ["no whole numbers"]),
        ({"worse_label": CLEAN[:0]}, ["whole-number arrays"]),
        ({"worse_label": [[1], [2, 3]]}, ["no whole numbers"]),
        ({"worse_label": "text"}, ["no whole numbers"]),
        ({"worse_label": np.array([None] * 40)}, ["CIFAR-10_human.pt"]),
    ],
)
def test_labels_that_do_not_fit_are_reported(
    root: Path, change: dict[str, Any], words: list[str]
) -> None:
    save(root, labels(**change))
    refused(root, "CIFAR-10_human.pt", *words)


@pytest.mark.parametrize("content", [[1, 2], CLEAN, None, {}, {"worse_label": {}}])
def test_files_of_something_else_are_reported(root: Path, content: Any) -> None:
    save(root, content)
    refused(root, "no whole numbers")


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        import os

        return os.system, (f"touch '{self.path}'",)


@pytest.mark.parametrize("how", ["zip", "legacy", "pickle"])
@pytest.mark.parametrize("nested", [False, True])
def test_nothing_in_a_file_is_called(root: Path, how: str, nested: bool) -> None:
    mark = root / "called"
    content = labels(worse_label=Hostile(mark)) if nested else Hostile(mark)
    path = save(root, content, _use_new_zipfile_serialization=how == "zip")
    if how == "pickle":
        path.write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(WannError, match="is not a file of human labels") as caught:
        load(root)
    assert "weights_only" not in str(caught.value)
    assert not mark.exists()


def test_a_small_file_cannot_ask_for_gigabytes(root: Path) -> None:
    """Encodings upon encodings double a text with each call; memo places and lengths may lie."""
    call = b"h\x01(h\x00X\x03\x00\x00\x00hextR"
    bombs = {
        "encode": b"\x80\x02c_codecs\nencode\nq\x01X\x08\x00\x00\x00aaaaaaaaq\x00" + call * 40,
        "memo": b"\x80\x02}r\xff\xff\xff\x7f",
        "bytes": b"\x80\x03B\xff\xff\xff\x7f",
        "bytearray": b"\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R",
        "steps": b"\x80\x02" + b"}0" * 4_000_000,
    }
    path = root / "raw" / "cifarn" / "CIFAR-10_human.pt"
    for content in bombs.values():
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data.pkl", content + b".")
            archive.writestr("archive/version", "3\n")
        tracemalloc.start()
        refused(root, "CIFAR-10_human.pt")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 200 << 20


def spoilt(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(change(path.read_bytes()))


def gigabytes() -> bytes:
    """A pickle of an array that asks for more memory than there is."""
    buffer = io.BytesIO()
    np_name = b"cnumpy._core.multiarray\n_reconstruct\n"
    buffer.write(b"\x80\x02" + np_name + b"cnumpy\nndarray\n(L1152921504606846976L\nt")
    buffer.write(b"U\x01b\x87R.")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "spoil",
    [
        spoilt(lambda raw: b""),
        spoilt(lambda raw: b"text"),
        spoilt(lambda raw: raw[:-400]),
        spoilt(lambda raw: raw[:200]),
        spoilt(lambda raw: gigabytes()),
        spoilt(lambda raw: raw.replace(b"clean_label", b"clean\xff\xfelabe")),
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids="empty text cut head gigabytes text-encoding folder".split(),
)
def test_damaged_files_are_reported(root: Path, spoil: Callable[[Path], object]) -> None:
    spoil(root / "raw" / "cifarn" / "CIFAR-10_human.pt")
    refused(root, "CIFAR-10_human.pt")


@pytest.mark.parametrize("zipped", [True, False])
def test_no_damage_brings_another_error(root: Path, zipped: bool) -> None:
    path = save(root, labels(), _use_new_zipfile_serialization=zipped)
    rng, whole = np.random.default_rng(0), path.read_bytes()
    for _ in range(150):
        raw = bytearray(whole)
        for at in rng.integers(0, min(len(raw), 900), 2):
            raw[at] = rng.integers(256)
        path.write_bytes(raw)
        try:
            given = human_labels.relabel(
                load(root, "cifar10"), "cifar10-n/worse_label", root / "raw"
            )
        except WannError as error:
            assert "\n" not in str(error)
        else:
            assert given.train.y.max() < 10


def test_too_large_files_are_not_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(human_labels, "_MOST_BYTES", 1 << 20)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was read"))
    path = root / "raw" / "cifarn" / "CIFAR-10_human.pt"
    path.write_bytes(bytes((1 << 20) + 1))
    refused(root, "larger than 1 MiB")
    # A zip may be small and hold much.
    np.savez_compressed(root / "bomb.npz", x=np.zeros(1 << 20))
    path.write_bytes((root / "bomb.npz").read_bytes())
    refused(root, "larger than 1 MiB")


def test_missing_file_and_column_are_reported(root: Path) -> None:
    for column in ("noisy_label", "", "clean_label", "worse_label/x"):
        refused(root, "must be one of cifar10-n/aggre_label", name=f"cifar10-n/{column}".strip("/"))
    (root / "raw" / "cifarn" / "CIFAR-10_human.pt").unlink()
    refused(root, "do not exist; get them from http://noisylabels.com")
    assert not [
        name for name, _ in datasets.available(root / "database", root / "raw") if "-n/" in name
    ]


def test_they_are_listed_for_each_backbone_of_their_base(root: Path) -> None:
    found = [name for name, b in datasets.available(root / "database", root / "raw") if b == "tiny"]
    assert found == sorted(["cifar10", *(f"cifar10-n/{column}" for column in COLUMNS)])


def test_changed_files_are_read_again(root: Path) -> None:
    first = load(root)
    assert load(root) is first
    save(root, labels(worse_label=CLEAN, more=CLEAN))
    assert np.array_equal(load(root).train.y, CLEAN)


def test_many_threads_read_at_once(root: Path) -> None:
    base = load(root, "cifar10")

    def read(i: int) -> bool:
        column = COLUMNS[i % 5]
        given = human_labels.relabel(base, f"cifar10-n/{column}", root / "raw")
        return np.array_equal(given.train.y, labels()[column])

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(read, range(60)))


def test_own_noise_is_counted_with_what_is_added(root: Path) -> None:
    place = {"database_root": root / "database", "dataset_root": root / "raw"}
    report = run(Scenario("cifar10-n/aggre_label", "tiny", method="kNN", k=3), **place)
    ready = report.prepared
    assert ready.noise_ratio == 0.1
    assert np.array_equal(ready.labels, labels()["aggre_label"])
    assert np.array_equal(ready.clean_labels, CLEAN)
    expected = np.eye(10)
    for c in range(4):
        expected[c, [c, c + 1]] = 0.75, 0.25
    np.testing.assert_allclose(ready.transition_matrix, expected)
    more = run(
        Scenario(
            "cifar10-n/aggre_label", "tiny", noise_pattern="sym", noise_ratio=0.5, draw="exact"
        ),
        **place,
    ).prepared
    assert more.noise_ratio == np.mean(more.labels != CLEAN)
    assert more.noise_ratio > 0.4
    for c in range(10):
        given = np.bincount(more.labels[c == CLEAN], minlength=10)
        np.testing.assert_allclose(more.transition_matrix[c], given / 4)


SHARES = {"aggre_label": 0.0901, "random_label1": 0.17234, "worse_label": 0.40208}


@pytest.mark.parametrize("column", SHARES)
def test_published_labels_have_their_published_noise(shared: Path, column: str) -> None:
    """And the accuracies come in the order of the noise, below those of clean labels."""
    place = {
        "database_root": shared / "data" / "database",
        "dataset_root": shared / "data" / "datasets",
    }
    data = datasets.load(f"cifar10-n/{column}", "tiny-darknet", **place)
    assert data.train.clean is not None
    assert np.mean(data.train.y != data.train.clean) == pytest.approx(SHARES[column], abs=1e-9)
    given = Scenario(f"cifar10-n/{column}", "tiny-darknet", num_subsamples=3000, method="kNN")
    report = run(given, **place)
    rows = report.prepared.row_ids
    assert report.prepared.noise_ratio == np.mean(data.train.y[rows] != data.train.clean[rows])
    assert abs(report.prepared.noise_ratio - SHARES[column]) < 0.03
    bounds = {
        "aggre_label": (0.55, 0.65),
        "random_label1": (0.53, 0.64),
        "worse_label": (0.42, 0.58),
    }
    assert bounds[column][0] < report.metrics.accuracy < bounds[column][1]
