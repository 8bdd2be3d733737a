import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

# Before NumPy reads it: threads of several processes that wait for the same cores cost as much as
# the tests.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import settings

from tests.helpers.reference import write_small_database
from wann_core.__main__ import main
from wann_core.explore.map import fitted_layout
from wann_core.neighbors.graph import NeighborGraph
from wann_core.storage.files import locked

# The same examples in every run, and no complaint about the first call of a kernel compiling it.
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("repeatable")


class CommandResult(NamedTuple):
    status: int
    out: str
    err: str


Command = Callable[..., CommandResult]


def pytest_xdist_auto_num_workers() -> int:
    """At least three processes: many tests wait, for a browser or a process that they kill."""
    return max(3, os.cpu_count() or 1)


# After the marks of the browser's tests are set.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with the browser's tests first, then those with slow ones, then the many small ones.

    Processes share what the browser's tests start, and at the end none is left alone with a file
    that takes a minute. While the first process compiles kernels for the browser's pages, the
    others embed images, which needs none.
    """
    browser, slow = (
        {item.path for item in items if item.get_closest_marker(mark)}
        for mark in ("browser", "slow")
    )
    compiles = min(browser, default=None)  # any of them: the fixture `browser` compiles first

    def turn(item: pytest.Item) -> tuple[bool, bool, bool, bool]:
        embeds = item.path in slow and item.path.parent.name == "embedding"
        return item.path != compiles, not embeds, item.path not in browser, item.path not in slow

    items.sort(key=turn)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their argument: what differs between two processes must not name a test."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session", autouse=True)
def _cache_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test writes into the project's own cache/ or assets/reviews/."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANN_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("WANN_REVIEW_ROOT", str(tmp_path_factory.mktemp("reviews")))
        yield


@pytest.fixture(autouse=True)
def _main_module_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page under test becomes `__main__`; a process that is spawned later would run it again."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database root that holds data set 'small' under backbone 'tiny'."""
    write_small_database(tmp_path / "database", "small", "tiny")
    return tmp_path / "database"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and expected numbers that may lie beside the project."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "golden").is_dir():
        pytest.skip("the shared folder with real data and published numbers is not here")
    return folder


@pytest.fixture
def command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Command:
    """Run the command line in this process: status, standard output, standard error.

    Each test has a cache folder of its own, so that no stored run answers for another test.
    """
    monkeypatch.setenv("WANN_CACHE", str(tmp_path / "cache"))

    def run(*argv: object) -> CommandResult:
        capsys.readouterr()
        try:
            status = main([str(arg) for arg in argv])
        except SystemExit as stop:  # argparse leaves this way
            assert isinstance(stop.code, int)
            status = stop.code
        captured = capsys.readouterr()
        return CommandResult(status, captured.out, captured.err)

    return run


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Shapes of the training rows of every graph that is built from here on."""
    shapes: list[tuple[int, ...]] = []
    original = NeighborGraph.build

    def counted(X_train: Any, *args: Any, **kwargs: Any) -> NeighborGraph:
        shapes.append(np.shape(X_train))
        return original(X_train, *args, **kwargs)

    monkeypatch.setattr(NeighborGraph, "build", counted)
    return shapes


@pytest.fixture(scope="session")
def umap_kernels() -> None:
    """Compile UMAP's kernels in one process, half a minute, before several want them."""
    if importlib.util.find_spec("umap") is None:
        pytest.skip("umap-learn is not installed")
    folder = Path(os.environ["NUMBA_CACHE_DIR"])
    compiled = folder / f"umap-{importlib.metadata.version('umap-learn')}-compiled"
    with locked(folder / "umap.lock"):
        if not compiled.exists():
            X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
            fitted_layout(NeighborGraph.build(X, X[:5], k=20), X[:, :2], None)
            compiled.touch()


@pytest.fixture(scope="session")
def small_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of timm's resnet10t, its head included, as a state dict."""
    from wann_core.torch_compat import prepare_torchvision

    prepare_torchvision()
    import timm
    import torch

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "resnet10t.pth"
    torch.save(timm.create_model("resnet10t").state_dict(), path)
    return path
