"""Wherever embedding is stopped or killed, it goes on and ends bit equal."""

import os
import random
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.embedding_process import start
from tests.helpers.embedding_runs import Stop, StopAfter, contents, names
from tests.helpers.pictures import Entangled, write_photos
from wann_core.datasets import database
from wann_core.datasets.images import ImageDataset
from wann_core.embedding import partial, pipeline
from wann_core.embedding.embed import embed
from wann_core.errors import WannError


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every batch is a shard."""
    monkeypatch.setattr(pipeline, "SHARD_ROWS", 1)


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


def kill_and_resume(folder: Path, delays: list[float], weights: Path | None, backbone: str) -> int:
    """Kill after each delay and start again, to the end; returns how often it was killed in time.

    Compares the result with that of a run in one go.
    """
    stopped = 0
    for delay in delays:
        process = start(folder / "photos", folder / "killed", weights)
        process.join(delay)
        stopped += process.is_alive()
        process.kill()
        process.join()
    roots = ("killed", "whole") if stopped == len(delays) else ("whole",)
    for root in roots:
        process = start(folder / "photos", folder / root, weights)
        process.join(60)
        assert process.exitcode == 0
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
    assert kill_and_resume(tmp_path, delays, None, "entangled") == 10, delays


@pytest.mark.slow
def test_killed_model_of_timm_resumes_bit_equal(tmp_path: Path, small_weights: Path) -> None:
    write_photos(tmp_path / "photos", train=180, test=20)  # 50 batches take 1 s at least
    delays = [random.Random(os.urandom(4)).uniform(0.1, 0.5)]
    assert kill_and_resume(tmp_path, delays, small_weights, "resnet10t") == 1, delays


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


def test_another_process_is_kept_out_too(tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "photos", train=200)
    process = start(tmp_path / "photos", tmp_path / "db", None)
    while not (tmp_path / "db/photos/.entangled.partial/plan.json").exists():
        assert process.is_alive()
    with pytest.raises(WannError, match="is being written"):
        embed(photos, Entangled(), tmp_path / "db", batch_size=4)
    process.kill()
    process.join()
    embed(photos, Entangled(), tmp_path / "db", batch_size=4)  # the lock died with its holder


def test_workers_do_not_change_the_result(photos: ImageDataset, tmp_path: Path) -> None:
    results = [
        contents(embed(photos, Entangled(), tmp_path / str(n), batch_size=4, num_workers=n).folder)
        for n in (1, 7)
    ]
    assert results[0] == results[1]
