"""The map's positions: UMAP of the graph that is there, made once, placed test rows, cancel."""

import os
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial import Delaunay

from wann_core import Scenario, prepare
from wann_core.errors import WannError
from wann_core.experiments.prepared import PreparedData
from wann_core.explore import map, umap_process
from wann_core.explore.map import Layout, digest, pca_map, umap_map
from wann_core.neighbors.graph import NeighborGraph
from wann_core.typing import Array

NOISY = Scenario(noise_pattern="sym", noise_ratio=0.4, num_subsamples=400)

# UMAP's package misses TensorFlow when it is imported.
pytestmark = pytest.mark.filterwarnings("ignore::ImportWarning")


needs_umap = pytest.mark.skipif(find_spec("umap") is None, reason="umap-learn is not installed")


@pytest.fixture(scope="module")
def prepared() -> PreparedData:
    return prepare(NOISY)


@pytest.fixture(scope="module")
def start(prepared: PreparedData) -> Array:
    return pca_map(prepared.X_train, prepared.X_test).train


@pytest.fixture(scope="module")
def made(prepared: PreparedData, start: Array, umap_kernels: None) -> Layout:
    return umap_map(prepared.graph, start)


def forbidden(*_: object) -> None:
    raise AssertionError("fitted again")


def test_pca_map_is_the_projection_on_the_leading_directions(prepared: PreparedData) -> None:
    found = pca_map(prepared.X_train, prepared.X_test)
    mean = prepared.X_train.mean(axis=0)
    _, _, axes = np.linalg.svd(prepared.X_train - mean, full_matrices=False)
    for X, positions in ((prepared.X_train, found.train), (prepared.X_test, found.test)):
        expected = (X - mean) @ axes[:2].T
        signs = np.sign((expected * positions).sum(axis=0))
        np.testing.assert_allclose(positions, expected * signs, atol=1e-3)


def test_one_column_has_no_second_direction() -> None:
    found = pca_map(np.arange(5.0)[:, None], np.ones((1, 1)))
    assert found.train.shape == (5, 2)
    assert not found.train[:, 1].any()


@pytest.mark.slow
def test_layout_is_that_of_umap_given_the_same_neighbors(
    prepared: PreparedData, start: Array, made: Layout
) -> None:
    umap_process._umap()  # it keeps the kernels, which would be compiled here once more
    import umap

    parts = map._parts(prepared.graph)
    with pytest.warns(UserWarning, match="not an NNDescent object"):
        model = umap.UMAP(
            precomputed_knn=(parts["ids"], parts["distances"]),
            random_state=42,
            n_jobs=1,
            init=map._spread(start),
        ).fit(prepared.X_train)
    assert np.array_equal(made.train, model.embedding_)


@pytest.mark.slow
def test_start_from_one_place_is_driven_apart(umap_kernels: None) -> None:
    X = np.array([[0.0, 0], [0, 0], [1, 0], [5, 5], [5, 5]], np.float32)
    graph = NeighborGraph.build(X, X, k=51)
    parts = map._parts(graph)
    ids, distances = parts["ids"], parts["distances"]
    found = umap_process.fit(ids, distances, map._spread(np.zeros((5, 2))), 42)
    assert np.isfinite(found).all()
    assert len(np.unique(found, axis=0)) == 5
    assert np.isfinite(umap_process.place(found, ids, distances)).all()


@pytest.mark.slow
def test_test_rows_lie_inside_the_hull_of_their_neighbors(
    prepared: PreparedData, made: Layout
) -> None:
    ids = prepared.graph.test_ids
    assert ids is not None
    assert made.test.shape == (len(ids), 2)
    for position, near in zip(made.test, ids[:, : map.NEIGHBORS], strict=True):
        hull = made.train[near].astype(np.float64)
        center = hull.mean(axis=0)
        hull = center + (hull - center) * (1 + 1e-4)
        assert Delaunay(hull).find_simplex(position) >= 0


@pytest.mark.slow
def test_nearer_neighbors_weigh_more(made: Layout) -> None:
    ids = np.array([[0, 1, 2], [0, 1, 2]], np.int32)
    near, far = umap_process.place(made.train, ids, np.array([[0.1, 1, 2], [1, 1, 1.0]]))
    first = made.train[0]
    assert np.linalg.norm(near - first) < np.linalg.norm(far - first)
    np.testing.assert_allclose(far, made.train[:3].mean(axis=0), rtol=1e-4)


@needs_umap
def test_layout_is_made_once_whatever_the_labels(
    prepared: PreparedData, start: Array, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WANN_CACHE", str(tmp_path))
    fits = []

    def fitted(*_: object) -> Layout:
        fits.append(1)
        assert prepared.graph.test_ids is not None
        return Layout(start, np.zeros((len(prepared.graph.test_ids), 2), np.float32))

    monkeypatch.setattr(map, "fitted_layout", fitted)
    first = umap_map(prepared.graph, start)
    other = prepare(Scenario(noise_pattern="asym", noise_ratio=0.1, num_subsamples=400, k_max=21))
    again = umap_map(other.graph, start)
    assert fits == [1]
    assert np.array_equal(first.train, again.train)
    assert np.array_equal(first.test, again.test)
    (file,) = (tmp_path / "layouts").glob("*.npz")
    file.write_bytes(file.read_bytes()[:100])
    umap_map(prepared.graph, start)
    assert fits == [1, 1]


def test_digest_tells_geometries_apart_and_nothing_else() -> None:
    graph = prepare(Scenario()).graph
    assert digest(graph) == digest(prepare(Scenario(noise_pattern="sym", noise_ratio=0.3)).graph)
    assert digest(graph) == digest(prepare(Scenario(k=101, method="kNN")).graph)
    others = [Scenario(reduction="PCA"), Scenario(normalization="l2"), NOISY]
    noisy = [Scenario(noise_pattern="sym", noise_ratio=r, reduction="LDA") for r in (0.1, 0.2)]
    names = {digest(prepare(s).graph) for s in (*others, *noisy)} | {digest(graph)}
    assert len(names) == 6


@needs_umap
def test_cancel_ends_the_process_and_keeps_nothing(
    prepared: PreparedData, start: Array, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Stop(Exception):
        pass

    def progress(done: float, total: float, text: str) -> None:
        assert (done, total, text) == (0, 1, "starting UMAP")
        raise Stop

    started = []
    original = subprocess.Popen

    def watched(*args: Any, **kwargs: Any) -> Any:
        started.append(original(*args, **kwargs))
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", watched)
    monkeypatch.setenv("WANN_CACHE", str(tmp_path))
    with pytest.raises(Stop):
        umap_map(prepared.graph, start, progress)
    assert started[0].returncode == -9
    assert not list((tmp_path / "layouts").glob("*.npz"))
    assert not map._fitting.locked()


def test_failed_process_is_no_layout(tmp_path: Path) -> None:
    (tmp_path / "graph.npz").write_bytes(b"no graph")
    with pytest.raises(RuntimeError, match="UMAP failed"):
        map._run(tmp_path / "graph.npz", tmp_path / "map.npz", None)


def test_killed_process_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "dies.py"
    script.write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    monkeypatch.setattr(map.umap_process, "__file__", str(script))
    with pytest.raises(WannError, match="signal 9"):
        map._run(tmp_path / "graph.npz", tmp_path / "map.npz", None)


def test_progress_is_the_last_epoch_that_was_reported(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"")
    assert map._progress(log) == (0, 1, "starting UMAP")
    log.write_bytes(b"a warning of 3 4 things\n\r\n17 200\n\r\n18 200\n\r\n1")
    assert map._progress(log) == (18, 200, "laying out the map")


def test_kernels_are_kept_and_a_first_compilation_is_named(made: Layout, tmp_path: Path) -> None:
    kept = Path(os.environ["NUMBA_CACHE_DIR"]).rglob("umap_.*.nbi")
    names = {path.name.split("-")[0] for path in kept}
    assert {"umap_.smooth_knn_dist", "umap_.compute_membership_strengths"} <= names
    log = tmp_path / "log"
    steps = {"": "starting UMAP", "compiling\n": "compiling UMAP's kernels, once on this machine"}
    steps["\n3 500\n"] = "laying out the map"
    written = ""
    for step, text in steps.items():
        written += step
        log.write_text(written)
        assert map._progress(log)[2].startswith(text)
