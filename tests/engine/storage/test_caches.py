import dataclasses
import os
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.roots import ROOT
from wann_core.methods.probes import out_of_fold
from wann_core.neighbors import cache
from wann_core.neighbors.cache import neighbor_graph
from wann_core.neighbors.graph import NeighborGraph
from wann_core.storage import disk_cache
from wann_core.storage.disk_cache import digest_of, kept_fit
from wann_core.storage.files import bound_folder, note_use, write_atomically

X = np.random.RandomState(0).randn(40, 4).astype(np.float32)
X_TEST = np.random.RandomState(1).randn(10, 4).astype(np.float32)


@pytest.fixture
def graphs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of kept graphs, where even small ones are kept."""
    monkeypatch.setenv("WANN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_WORTH_KEEPING", 0)
    return tmp_path / "cache" / "graphs"


def assert_equal(a: NeighborGraph, b: NeighborGraph) -> None:
    for name in ("train_ids", "train_distances", "test_ids", "test_distances"):
        assert np.array_equal(getattr(a, name), getattr(b, name))
        assert getattr(a, name).dtype == getattr(b, name).dtype


def test_graph_is_read_back(graphs: Path, builds: list[tuple[int, ...]]) -> None:
    first = neighbor_graph(X, X_TEST, 5)
    assert_equal(neighbor_graph(X.copy(), X_TEST.copy(), 5), first)
    assert_equal(first, NeighborGraph.build(X, X_TEST, k=5))
    assert len(builds) == 2  # one of them by the line above
    assert len(list(graphs.glob("*.npz"))) == 1


def test_how_a_graph_was_made_is_kept_with_it(
    graphs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = NeighborGraph.build(X, X_TEST, k=5)
    made = dataclasses.replace(
        made, method="two-stage", recall=0.99991, recall_rows=768, certified=0.25
    )
    monkeypatch.setattr(NeighborGraph, "build", lambda *_, **__: made)
    neighbor_graph(X, X_TEST, 5)
    monkeypatch.undo()
    monkeypatch.setenv("WANN_CACHE", str(graphs.parent))
    monkeypatch.setattr(cache, "_WORTH_KEEPING", 0)
    kept = neighbor_graph(X, X_TEST, 5)
    assert_equal(kept, made)
    assert (kept.method, kept.recall, kept.recall_rows, kept.certified) == (
        "two-stage",
        0.99991,
        768,
        0.25,
    )
    assert kept.description == "two-stage search, recall 0.9999 on 768 rows"


def test_exact_search_is_not_answered_by_a_faster_one(
    graphs: Path, builds: list[tuple[int, ...]]
) -> None:
    neighbor_graph(X, X_TEST, 5)
    assert neighbor_graph(X, X_TEST, 5, search="flat").method == "flat"
    neighbor_graph(X, X_TEST, 5, search="flat")
    assert len(builds) == 2


@pytest.mark.parametrize("change", ["one training value", "one test value", "k", "shape", "split"])
def test_anything_else_is_searched(
    graphs: Path, builds: list[tuple[int, ...]], change: str
) -> None:
    neighbor_graph(X, X_TEST, 5)
    train, test, k = X.copy(), X_TEST.copy(), 5
    if change == "one training value":
        train[7, 2] += 1e-6
    elif change == "one test value":
        test[7, 2] += 1e-6
    elif change == "k":
        k = 6
    elif change == "shape":  # the same numbers in the same order, here and below
        train, test = X.reshape(80, 2), X_TEST.reshape(20, 2)
    else:
        train, test = np.vstack([X, X_TEST[:1]]), X_TEST[1:]
    assert_equal(neighbor_graph(train, test, k), NeighborGraph.build(train, test, k=k))
    assert len(builds) == 3


def test_cheap_graphs_are_not_kept(graphs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_WORTH_KEEPING", 1e9)
    neighbor_graph(X, X_TEST, 5)
    assert not graphs.exists()


def damage(raw: bytes, how: str) -> bytes:
    if how == "method":  # the compression method in the directory at the end
        at = raw.rindex(b"PK\x01\x02") + 10
        return raw[:at] + b"\x63" + raw[at + 1 :]
    inside = raw.index(b"NUMPY") + 300  # among the numbers of the first array
    return {
        "empty": b"",
        "cut short": raw[:inside],
        "not a zip": b"something else",
        "one bit flipped": raw[:inside] + bytes([raw[inside] ^ 1]) + raw[inside + 1 :],
    }[how]


# numpy leaves the file of a damaged archive to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "how",
    [
        "empty",
        "cut short",
        "not a zip",
        "one bit flipped",
        "method",
    ],
)
def test_damaged_file_is_made_again(graphs: Path, builds: list[tuple[int, ...]], how: str) -> None:
    first = neighbor_graph(X, X_TEST, 5)
    (file,) = graphs.glob("*.npz")
    file.write_bytes(damage(file.read_bytes(), how))
    assert_equal(neighbor_graph(X, X_TEST, 5), first)
    assert zipfile.is_zipfile(file)
    assert_equal(neighbor_graph(X, X_TEST, 5), first)
    assert len(builds) == 2


def test_file_of_something_else_is_made_again(graphs: Path, builds: list[tuple[int, ...]]) -> None:
    neighbor_graph(X, X_TEST, 5)
    (file,) = graphs.glob("*.npz")
    np.savez(file, other=np.zeros(3))
    neighbor_graph(X, X_TEST, 5)
    assert len(builds) == 2


def test_cache_that_cannot_be_written_costs_a_warning_only(
    graphs: Path, builds: list[tuple[int, ...]]
) -> None:
    graphs.parent.write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="graphs: the result is not kept for next time"):
        graph = neighbor_graph(X, X_TEST, 5)
    assert len(builds) == 1
    assert_equal(graph, NeighborGraph.build(X, X_TEST, k=5))


def test_full_disk_does_not_cost_a_second_search(
    graphs: Path, builds: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk_cache, "write_atomically", full)
    with pytest.warns(UserWarning, match="No space left"):
        neighbor_graph(X, X_TEST, 5)
    assert len(builds) == 1


def test_a_stopped_search_leaves_no_file(graphs: Path) -> None:
    def stop(done: float, total: float, text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        neighbor_graph(X, X_TEST, 5, progress=stop)
    assert not list(graphs.glob("*.npz"))
    assert not list(graphs.glob(".*"))


def test_folder_of_graphs_is_bounded_oldest_use_first(
    graphs: Path, builds: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for k in (3, 4, 5):
        neighbor_graph(X, X_TEST, k)
    files = sorted(graphs.glob("*.npz"), key=lambda path: path.stat().st_size)
    for age, file in zip((30, 10, 20), files, strict=True):  # k = 3 is the oldest, then 5
        os.utime(file, (time.time() - age, time.time() - age))
    neighbor_graph(X, X_TEST, 3)  # used: now the latest
    assert len(builds) == 3
    monkeypatch.setattr(cache, "_FOLDER_BYTES", 3.5 * files[-1].stat().st_size)
    neighbor_graph(X, X_TEST, 6)
    kept = set(graphs.glob("*.npz"))
    assert files[2] not in kept
    assert len(kept) == 3
    assert not files[2].with_suffix(".lock").exists()


SERVER = """
import random, sys, warnings
from pathlib import Path
import numpy as np
from wann_core.storage.disk_cache import kept
warnings.simplefilter("error")
folder, rng = Path(sys.argv[1]), random.Random(sys.argv[2])
def build(key):
    return np.full(250, key)
def read(path):
    made = np.load(path)
    assert len(made) == 250
    return made
for _ in range(150):
    key = rng.randrange(12)
    path = folder / f"{key}.npy"
    made = kept(path, read, lambda: build(key), lambda a, f: np.save(f, a), max_bytes=8_000)
    assert (made == key).all()
"""


def test_two_servers_on_one_bounded_cache_get_what_they_asked_for(tmp_path: Path) -> None:
    # Room for three of twelve files: each removes what the other is about to read.
    command = [sys.executable, "-c", SERVER, str(tmp_path)]
    servers = [
        subprocess.Popen([*command, seed], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for seed in "12"
    ]
    errors = [server.communicate(timeout=60)[1] for server in servers]
    assert [server.returncode for server in servers] == [0, 0], errors
    assert sum(file.stat().st_size for file in tmp_path.glob("*.npy")) <= 8_000 + 2_200


def test_a_clock_set_back_keeps_the_bound_and_what_is_used_now(tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.bin" for name in "abcd"]
    for age, file in enumerate(files):
        file.write_bytes(bytes(100))
        os.utime(file, (time.time() + 3600 - age,) * 2)  # of before the clock was set back
    note_use(files[3])
    now = tmp_path / "now.bin"
    now.write_bytes(bytes(100))
    bound_folder(now, 350)
    assert now.exists() and len(list(tmp_path.glob("*.bin"))) == 3
    note_use(tmp_path / "gone.bin")


def test_what_killed_writers_left_goes_with_the_next_write(graphs: Path) -> None:
    graphs.mkdir(parents=True)
    old = time.time() - 2 * 86_400
    left, fresh = (graphs / f".{'a' * 32}.npz.abcdefg{i}" for i in range(2))
    lock = graphs / f"{'b' * 32}.lock"
    draft = graphs / ".folder.abcdefgh"
    draft.mkdir()
    busy = graphs / ".folder.busybusy"
    busy.mkdir()
    for path in (left, fresh, lock, draft / "part", busy / "part"):
        path.touch()
    for path in (left, lock, draft / "part", draft, busy):
        os.utime(path, (old, old))
    neighbor_graph(X, X_TEST, 5)
    assert not left.exists() and not draft.exists()
    assert fresh.exists() and lock.exists() and (busy / "part").exists()


def test_readers_and_writers_of_one_graph_all_get_the_whole_of_it(graphs: Path) -> None:
    expected = NeighborGraph.build(X, X_TEST, k=5)
    with ThreadPoolExecutor(8) as threads:
        for graph in threads.map(lambda _: neighbor_graph(X, X_TEST, 5), range(24)):
            assert_equal(graph, expected)


def test_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    write_atomically(path, lambda file: file.write(b"one"))
    write_atomically(path, lambda file: file.write(b"two"))
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("there_before", [False, True])
def test_failed_write_leaves_nothing_behind(tmp_path: Path, there_before: bool) -> None:
    path = tmp_path / "x.txt"
    if there_before:
        path.write_bytes(b"before")

    def fail(file: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, fail)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == ([b"before"] if there_before else [])


def test_written_file_has_the_usual_rights(tmp_path: Path) -> None:
    # A temporary file is private; what it becomes must not be.
    write_atomically(tmp_path / "ours", lambda file: file.write(b""))
    (tmp_path / "usual").touch()
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_long_names_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 250)
    write_atomically(path, lambda file: file.write(b"fine"))
    assert path.read_bytes() == b"fine"


def test_a_fit_is_made_once_and_a_damaged_file_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANN_CACHE", str(tmp_path / "cache"))
    made: list[int] = []

    def build() -> np.ndarray:
        made.append(1)
        return np.arange(3.0)

    digest = digest_of("text", np.arange(2))
    for _ in range(2):
        np.testing.assert_array_equal(kept_fit(digest, build), np.arange(3.0))
    assert len(made) == 1
    (tmp_path / "cache" / "fits" / f"{digest}.npy").write_bytes(b"no array")
    np.testing.assert_array_equal(kept_fit(digest, build), np.arange(3.0))
    assert len(made) == 2
    assert digest_of("text", np.arange(3)) != digest != digest_of("other", np.arange(2))


def test_a_large_fit_is_not_made_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WANN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(out_of_fold, "_WORTH_KEEPING", 0)
    rng = np.random.default_rng(0)
    X, labels = rng.normal(size=(60, 4)).astype(np.float32), np.arange(60) % 3
    first = out_of_fold.OutOfFold(X, labels, 3)
    weights = rng.random(60)
    answers = first.probabilities(), first.probabilities(weights)

    def fail(*args: object, **options: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr(out_of_fold, "LogisticRegression", fail)
    monkeypatch.setattr(out_of_fold, "choose_C", fail)
    again = out_of_fold.OutOfFold(X, labels, 3)
    assert again.C == first.C
    np.testing.assert_array_equal(again.probabilities(), answers[0])
    np.testing.assert_array_equal(again.probabilities(weights), answers[1])
    with pytest.raises(AssertionError, match="fitted again"):
        out_of_fold.OutOfFold(X, (labels + 1) % 3, 3)
