"""The graph of a cluster against that of one machine."""

import os
import signal
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from distributed import Client

from tests.helpers.clusters import two_workers
from wann_core.errors import WannError
from wann_core.neighbors import cluster as sharded
from wann_core.neighbors.cluster import merge, sharded_graph
from wann_core.neighbors.graph import NeighborGraph
from wann_core.typing import Array

RNG = np.random.RandomState(0)
CROWD = RNG.randn(3, 6)[RNG.randint(0, 3, 900)]  # 300 rows tie with each
DATA = {
    "gaussian": (RNG.randn(900, 12), RNG.randn(70, 12)),
    "ties across shards": (RNG.randint(0, 3, (900, 4)), RNG.randint(0, 3, (70, 4))),
    "duplicates across shards": (CROWD, CROWD[:9]),
    "near ties": (CROWD + 1e-7 * RNG.randn(900, 6), CROWD[:9]),
    "offset": (RNG.randn(900, 8) + 1e4, RNG.randn(70, 8) + 1e4),
}
CUTS = (0, 1, 1, 40, 500, 900)  # one row, none, fewer than k, and more


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with two_workers() as connected:
        yield connected


def shards_of(rows: Array) -> list[Array]:
    return [rows[a:b] for a, b in pairwise(CUTS)]


def assert_same(found: NeighborGraph, expected: NeighborGraph) -> None:
    for name in ("train_ids", "train_distances", "test_ids", "test_distances"):
        one, other = getattr(found, name), getattr(expected, name)
        assert (one is None) == (other is None)
        if one is not None:
            assert one.dtype == other.dtype
            assert np.array_equal(one, other), name
    assert (found.method, found.recall) == ("flat", 1.0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", DATA)
def test_graph_is_that_of_one_machine(client: Client, name: str, dtype: type) -> None:
    train, test = (X.astype(dtype) for X in DATA[name])
    found = sharded_graph(client, shards_of(train), test, k=51)
    assert_same(found, NeighborGraph.build(train, test, k=51, search="flat"))


def test_without_test_rows_and_with_more_neighbors_than_rows(client: Client) -> None:
    train = DATA["gaussian"][0][:45].astype(np.float32)
    told: list[tuple[float, float]] = []
    found = sharded_graph(
        client, [train[:20], train[20:]], k=60, progress=lambda a, b, _: told.append((a, b))
    )
    assert_same(found, NeighborGraph.build(train, k=60, search="flat"))
    assert told[-1] == (45, 45)


def test_progress_may_stop_it(client: Client) -> None:
    def stop(done: float, total: float, text: str) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        sharded_graph(client, shards_of(DATA["gaussian"][0]), progress=stop)


def slow_rows(folder: str, number: int) -> Array:
    """Rows from a file; a mark tells that they were read by this process."""
    (Path(folder) / f"read-{number}-{os.getpid()}").touch()
    rows: Array = np.load(Path(folder) / f"{number}.npy")
    return rows


class FromFile:
    """A shard that only the workers read."""

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.number = str(folder), number

    def __call__(self) -> Array:
        return slow_rows(self.folder, self.number)


# The nanny tells of the worker that was killed.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_work_of_a_killed_worker_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharded, "_BATCH", 100)  # so that much is left to do
    train = RNG.randn(4000, 16).astype(np.float32)
    for number, part in enumerate(np.array_split(train, 4)):
        np.save(tmp_path / f"{number}.npy", part)
    shards = [FromFile(tmp_path, number) for number in range(4)]
    killed: list[float] = []
    with two_workers() as connected:
        pids = list(connected.run(os.getpid).values())

        def kill(done: float, total: float, text: str) -> None:
            if not killed:
                os.kill(pids[0], signal.SIGKILL)
                killed.append(done / total)

        found = sharded_graph(connected, shards, train[:3000], k=21, progress=kill)
        assert 0 < killed[0] < 0.5
    assert_same(found, NeighborGraph.build(train, train[:3000], k=21, search="flat"))
    assert list(tmp_path.glob(f"read-*-{pids[0]}")), "it had shards of its own"


@pytest.mark.parametrize(
    ("shards", "sentence"),
    [
        ([], "at least one shard"),
        ([np.zeros((1, 2))], "at least 2 training rows, got n_samples = 1"),
        ([np.zeros((3, 2)), np.zeros((3, 4))], "the same columns, got 2 of float64, 4 of float64"),
        ([np.zeros((3, 2)), np.zeros((3, 2), np.float32)], "the same columns"),
        ([np.zeros((3, 2)), np.full((3, 2), np.nan)], r"`shards\[1\]` must hold finite numbers"),
    ],
)
def test_refused_in_a_sentence(client: Client, shards: list[Array], sentence: str) -> None:
    with pytest.raises(WannError, match=sentence):
        sharded_graph(client, shards)


def test_without_dask_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(WannError, match=r"pip install 'wann-explorer\[cluster\]'"):
        sharded_graph(None, [np.zeros((3, 2))])  # type: ignore[arg-type]


def test_merge_looks_beyond_float32() -> None:
    near, nearer = np.array([[1.0 + 1e-12]]), np.array([[1.0]])
    ids, distances = merge([(np.array([[0]]), near), (np.array([[1]]), nearer)], 2)
    assert ids.tolist() == [[1, 0]]
    assert distances.dtype == np.float32
