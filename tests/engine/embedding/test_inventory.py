"""What lies on the machine is listed without reading more than headers."""

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.pictures import Entangled, write_photos
from wann_core.datasets import database
from wann_core.datasets.dataset import Split
from wann_core.datasets.sources import arrays
from wann_core.embedding import inventory, partial
from wann_core.embedding.embed import embed
from wann_core.errors import WannError
from wann_core.paths import cache_folder


def split(n: int, d: int = 3) -> Split:
    X = np.random.default_rng(n).normal(size=(n, d)).astype(np.float32)
    return Split(X, np.arange(n) % 2, np.arange(n))


def stop_after(rows: int):
    def progress(done: float, total: float, text: str) -> None:
        if done >= rows:
            raise KeyboardInterrupt

    return progress


def test_no_folder_holds_nothing(tmp_path: Path) -> None:
    assert inventory.databases(tmp_path / "nowhere") == []
    assert inventory.database_of(tmp_path / "nowhere", "a", "b") is None


def test_finished_databases(tmp_path: Path) -> None:
    database.write(tmp_path, "b/c", "net", {"train": split(6), "unlabelled": split(2)}, "xy", {})
    database.write(tmp_path, "a", "net", {"train": split(4), "test": split(3)}, "xy", {})
    first, second = inventory.databases(tmp_path)
    assert (first.dataset, first.backbone, first.state) == ("a", "net", "ready")
    assert (first.rows, first.columns, first.classes) == ({"train": 4, "test": 3}, 3, 2)
    assert first.nbytes == sum(f.stat().st_size for f in (tmp_path / "a" / "net").iterdir())
    assert (second.dataset, second.rows) == ("b/c", {"train": 6, "unlabelled": 2})
    assert inventory.database_of(tmp_path, "b/c", "net") == second


def test_unfinished_one_tells_how_far_it_is(tmp_path: Path) -> None:
    images = write_photos(tmp_path / "photos")
    with pytest.raises(KeyboardInterrupt):
        embed(images, Entangled(), tmp_path / "db", batch_size=4, progress=stop_after(8))
    (found,) = inventory.databases(tmp_path / "db")
    assert (found.dataset, found.backbone, found.state) == ("photos", "entangled", "unfinished")
    assert found.rows == {"train": 8}
    assert inventory.database_of(tmp_path / "db", "photos", "entangled") == found
    with partial.locked(tmp_path / "db" / "photos" / "entangled"):
        assert inventory.databases(tmp_path / "db")[0].state == "being written"


def test_damaged_one_is_listed_with_the_reason(tmp_path: Path) -> None:
    place = database.write(tmp_path, "a", "net", {"train": split(4), "test": split(3)}, "xy", {})
    (place / "test.npz").write_bytes(b"cut short")
    (found,) = inventory.databases(tmp_path)
    assert found.state == "damaged"
    assert found.remark


def test_a_name_leads_nowhere_else(tmp_path: Path) -> None:
    with pytest.raises(WannError, match="`dataset` must be made of"):
        inventory.database_of(tmp_path, "../x", "net")


def test_caches_are_measured_and_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANN_CACHE", str(tmp_path))
    assert set(inventory.caches().values()) == {0}
    for folder in (cache_folder() / "graphs", arrays.folder() / "deep"):
        folder.mkdir(parents=True)
        (folder / "file.npz").write_bytes(b"12345")
    lock = cache_folder() / "graphs" / "file.lock"
    lock.touch()
    name = arrays.folder().name
    assert inventory.caches() == {"graphs": 5, "fits": 0, name: 5}
    inventory.clear("graphs")
    assert inventory.caches() == {"graphs": 0, "fits": 0, name: 5}
    assert lock.exists()
    inventory.clear(name)
    assert inventory.caches()[name] == 0
    with pytest.raises(WannError, match="`cache` must be one of"):
        inventory.clear("..")
