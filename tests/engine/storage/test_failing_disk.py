"""Every writer on a disk that is full or fails, at each call in turn: nothing of old is lost."""

import contextlib
import errno
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wann_core.datasets import database
from wann_core.datasets.dataset import Split
from wann_core.embedding import partial
from wann_core.errors import WannError
from wann_core.experiments.records import scenario_record
from wann_core.experiments.scenario import Scenario
from wann_core.experiments.store import ResultsStore
from wann_core.methods.probes.probe import Probe
from wann_core.paths import DEFAULT_ROOTS
from wann_core.review.exports.content import Exported
from wann_core.review.ledger import Ledger, Verdict
from wann_core.storage import disk_cache
from wann_core.storage.files import write_atomically

resource = pytest.importorskip("resource", reason="Windows has no bound on files")
_X = np.random.default_rng(0).normal(size=(200, 9)).astype(np.float32)


class Writer:
    """A writer of one file or folder, `path`; `state` is what must be there whole."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "kept.file"
        self.turn = 0

    def write(self) -> None:
        self.turn += 1
        write_atomically(self.path, lambda file: file.write(bytes([self.turn]) * 5000))

    def state(self) -> Any:
        return self.path.read_bytes() if self.path.exists() else None


class Database(Writer):
    def write(self) -> None:
        self.turn += 1
        splits = {"train": Split(_X, np.arange(200) % 3, np.arange(200))}
        self.path = self.path.with_name(f"b{self.turn}")
        database.write(
            self.path.parents[1], self.path.parent.name, self.path.name, splits, "abc", {}
        )

    def state(self) -> Any:
        # Where removing a draft fails, too, the next write removes it.
        parent = self.path.parent
        whole = [path for path in parent.iterdir() if path.name[0] != "."]
        return sorted(str(p.relative_to(parent)) for path in whole for p in path.rglob("*"))


class Shard(Writer):
    def write(self) -> None:
        self.path = self.path.parent / "train-000000000000.npz"
        shard = partial.Shard(200, _X, np.arange(200), [])
        partial.write(self.path.parent, "train", 0, shard)


class Checkpoint(Writer):
    def write(self) -> None:
        zeros = np.zeros(9)
        Probe(_X[:3], zeros[:3].astype("f4"), zeros, zeros, {}).save(self.path)


class Table(Writer):
    def write(self) -> None:
        self.turn += 1
        Exported(bytes([self.turn]) * 5000, 1).write(self.path)


class Verdicts(Writer):
    def write(self) -> None:
        self.turn += 1
        rows = [Verdict("train", row, "a", "keep") for row in range(200)]
        Ledger(self.path).record(rows, who=f"person {self.turn}")

    def state(self) -> Any:
        return Ledger(self.path).history().to_csv()


class Results(Writer):
    def write(self) -> None:
        self.turn += 1
        asked = Scenario(noise_pattern="sym", noise_ratio=0.3, seed=self.turn)
        run = asked, {**scenario_record(asked), "accuracy": 0.5, "notes": "x" * 5000}
        ResultsStore(self.path).add([run], DEFAULT_ROOTS, "test")

    def state(self) -> Any:
        return ResultsStore(self.path).table().to_csv()


WRITERS = (Writer, Database, Shard, Checkpoint, Table, Verdicts, Results)


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes, as on a disk that fills meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Disk:
    """A disk whose call number `at` to make, open or move a file fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, code: int) -> None:
        self.calls, self.at, self.code = 0, at, code
        for module, name in ((os, "open"), (os, "replace"), (os, "mkdir"), (io, "open")):
            monkeypatch.setattr(module, name, self._failing(getattr(module, name)))

    def _failing(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def made(path: Any, *args: Any, **options: Any) -> Any:
            self.calls += 1
            if self.calls - 1 == self.at:
                raise OSError(self.code, os.strerror(self.code), str(path))
            return call(path, *args, **options)

        return made


def told(error: BaseException, writer: Writer) -> None:
    """One sentence with the name of the file that was asked for."""
    text = f"{error}" if isinstance(error, WannError) else f"{error.strerror}: {error.filename}"  # type: ignore[attr-defined]
    assert "\n" not in text and writer.path.name in text, text


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("again", [False, True], ids=["first", "again"])
def test_a_disk_that_fills_costs_nothing_of_old(
    tmp_path: Path, kind: type[Writer], again: bool
) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    writer = kind(folder)
    if again:
        writer.write()
    failed = 0
    for size in (0, 1, 100, 1000, 4096, 6000, 12_000, 30_000):
        before = writer.state() if again else sorted(folder.rglob("*"))
        try:
            with largest_file(size):
                writer.write()
        except (OSError, WannError) as error:
            failed += 1
            told(error, writer)
            if again:
                assert writer.state() == before
                left = {path.name[:1] for path in folder.iterdir() if path != writer.path}
                assert "." not in left
    assert failed >= 3
    writer.write()
    assert writer.state()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("kind", [Writer, Database, Shard, Checkpoint, Table])
def test_each_call_fails_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Writer], code: int
) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    writer = kind(folder)
    writer.write()
    for at in range(40):
        before = writer.state()
        with monkeypatch.context() as patch:
            disk = Disk(patch, at, code)
            try:
                writer.write()
            except (OSError, WannError) as error:
                caught: BaseException | None = error
            else:
                caught = None
        if disk.calls <= at:
            break
        if caught is not None:
            told(caught, writer)
            assert writer.state() == before
    else:
        pytest.fail("it never ends")
    assert at > 0


def test_a_cache_that_cannot_be_kept_costs_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANN_CACHE", str(tmp_path))
    for size in (0, 100, 1000, 5000):
        with largest_file(size), pytest.warns(UserWarning, match="not kept for next time"):
            np.testing.assert_array_equal(disk_cache.kept_fit(f"x{size}", lambda: _X), _X)
    np.testing.assert_array_equal(disk_cache.kept_fit("x0", lambda: _X), _X)
    assert (tmp_path / "fits" / "x0.npy").stat().st_size > _X.nbytes


_KILLED = """
import sys, time
from pathlib import Path
import numpy as np
from wann_core.datasets import database
from wann_core.datasets.dataset import Split

def progress(*_):
    print("writing", flush=True)
    time.sleep(60)

X = np.zeros((200, 9), np.float32)
splits = {"train": Split(X, np.arange(200) % 3, np.arange(200))}
database.write(sys.argv[1], "d", "b", splits, "abc", {}, progress)
"""


def test_the_draft_of_a_killed_writer_goes_with_the_next_write(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline()
        (draft,) = (tmp_path / "d").iterdir()
        splits = {"train": Split(_X, np.arange(200) % 3, np.arange(200))}
        database.write(tmp_path, "d", "other", splits, "abc", {})
        assert draft.exists()  # its writer lives
        process.kill()
    deadline = time.monotonic() + 10
    while draft.exists() and time.monotonic() < deadline:
        database.write(tmp_path, "d", f"o{time.monotonic_ns()}", splits, "abc", {})
    assert not draft.exists()
