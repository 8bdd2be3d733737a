"""The map: training and test rows on a plane, by PCA or by UMAP of the neighbor graph."""

import contextlib
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import warnings
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from wann_core.errors import WannError, check_installed
from wann_core.explore import umap_process
from wann_core.neighbors.graph import NeighborGraph
from wann_core.paths import cache_folder
from wann_core.progress import Progress
from wann_core.storage import npz
from wann_core.storage.files import bound_folder, locked, note_use, write_atomically
from wann_core.typing import Array

NEIGHBORS = 15  # of UMAP's own default; the row itself counts as one
_SEED = 42
# Raised whenever the same graph would be laid out otherwise.
_VERSION = 1
_FOLDER_BYTES = 256 << 20
_LOOK_EVERY = 0.2  # seconds between two looks at the process and at a wish to stop
# Each fit fills a core and some memory: one at a time.
_fitting = threading.Lock()
# By the identity of the graph, which is not hashable.
_digests: dict[int, tuple[weakref.ref[NeighborGraph], str]] = {}


@dataclass(frozen=True, eq=False)
class Layout:
    """Positions on a plane; the axes have no unit.

    Attributes
    ----------
    train, test : ndarray of shape (n, 2) and (m, 2), float32
    """

    train: Array
    test: Array


def pca_map(X_train: Array, X_test: Array) -> Layout:
    """Project on the two leading principal components of the training rows.

    Parameters
    ----------
    X_train, X_test : ndarray of shape (n, d) and (m, d)

    Returns
    -------
    Layout
        With a second coordinate of 0 where there is but one component.
    """
    size = min(2, *X_train.shape)
    model = PCA(n_components=size, random_state=_SEED).fit(X_train)
    return Layout(_plane(model.transform(X_train)), _plane(model.transform(X_test)))


def umap_map(graph: NeighborGraph, start: Array, progress: Progress | None = None) -> Layout:
    """Lay the rows out by UMAP (McInnes et al., 2018) of a graph that exists already.

    UMAP's defaults, on the nearest 14 neighbors and the row itself, from an informative start,
    which keeps the arrangement at large (Kobak and Linderman, Nature Biotechnology 2021). A test
    row lies at the mean of its 15 nearest training rows, weighted as UMAP weighs them.

    The layout is kept in cache/layouts under the digest of the neighbors that it is made of:
    equal geometries are never fitted twice, whatever the labels.

    Parameters
    ----------
    graph : NeighborGraph
        With test neighbors.
    start : ndarray of shape (n, 2)
        Such as the PCA map.
    progress : callable, optional
        `progress(done, total, text)`, called some times a second; may raise to stop.

    Returns
    -------
    Layout

    Raises
    ------
    WannError
        If umap-learn is not installed, or somebody or the system ended the process.
    """
    path = _path(graph)
    rows = len(graph.train_ids), 0 if graph.test_ids is None else len(graph.test_ids)
    made = _read(path, rows)
    if made is not None:
        return made
    check_installed("UMAP", "umap")
    with _one_at_a_time(progress):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with locked(path.with_suffix(".lock"), progress):
                made = _read(path, rows) or fitted_layout(graph, start, progress)
                _write(path, made)
        except OSError as error:
            text = f"the layout is not kept for the next time: {error}"
            warnings.warn(text, stacklevel=2)
        return made or fitted_layout(graph, start, progress)


def is_kept(graph: NeighborGraph) -> bool:
    """Whether the layout of a graph lies on the disk."""
    return _path(graph).is_file()


def _path(graph: NeighborGraph) -> Path:
    return cache_folder() / "layouts" / f"{digest(graph)}.npz"


def digest(graph: NeighborGraph) -> str:
    """Digest of a layout's input: the nearest neighbors and their distances.

    It is made once for each graph: of a million rows it takes a fifth of a second.
    """
    place = id(graph)
    known = _digests.get(place)
    if known is None or known[0]() is not graph:
        kept = weakref.ref(graph, lambda _: _digests.pop(place, None))
        known = _digests[place] = kept, _digest(graph)
    return known[1]


def _digest(graph: NeighborGraph) -> str:
    result = hashlib.blake2b(f"{_VERSION} {_SEED}".encode(), digest_size=16)
    for array in _parts(graph).values():
        result.update(f"{array.dtype} {array.shape} ".encode())
        result.update(array.data)
    return result.hexdigest()


def _parts(graph: NeighborGraph) -> dict[str, Array]:
    """Part of the graph that the layout uses."""
    assert graph.test_ids is not None and graph.test_distances is not None
    others = NEIGHBORS - 1
    ids, distances = graph.train_ids[:, :others], graph.train_distances[:, :others]
    own = np.arange(len(ids), dtype=ids.dtype)[:, None]
    parts = {
        "ids": np.hstack([own, ids]),
        "distances": np.hstack([np.zeros_like(distances[:, :1]), distances]),
        "test_ids": graph.test_ids[:, :NEIGHBORS],
        "test_distances": graph.test_distances[:, :NEIGHBORS],
    }
    if graph.test_ids is graph.train_ids:  # no test rows: the training rows stand in for them
        parts |= {"test_ids": ids[:0], "test_distances": distances[:0]}
    return {name: np.ascontiguousarray(array) for name, array in parts.items()}


def fitted_layout(graph: NeighborGraph, start: Array, progress: Progress | None) -> Layout:
    """Lay a graph out by UMAP, in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="wann-map-") as folder:
        source, target = Path(folder, "graph.npz"), Path(folder, "layout.npz")
        inputs: dict[str, Any] = {**_parts(graph), "start": _spread(start), "seed": _SEED}
        np.savez(source, **inputs)
        _run(source, target, progress)
        made = _read(target, (len(inputs["ids"]), len(inputs["test_ids"])))
    assert made is not None
    return made if len(made.test) else Layout(made.train, made.train)


def _spread(start: Array) -> Array:
    """The start with largest coordinate 10 and a little noise, as UMAP treats its own.

    No two rows may lie at one place, from where nothing would drive them apart.
    """
    noise = np.random.RandomState(_SEED).normal(scale=1e-4, size=start.shape)
    largest = np.abs(start).max()
    return (10 * start / (largest or 1) + noise).astype(np.float32)


def _run(source: Path, target: Path, progress: Progress | None) -> None:
    """Run the fit in a process, which ends at once when `progress` raises."""
    # With every package that this process has, but without the modules beside the script.
    command = [sys.executable, "-P", str(Path(umap_process.__file__)), str(source), str(target)]
    compiled = str(cache_folder() / "compiled")
    log = source.with_name("log")
    with log.open("w+b") as lines:
        process = subprocess.Popen(
            command,
            stdout=lines,
            stderr=subprocess.STDOUT,
            env={"NUMBA_CACHE_DIR": compiled, **os.environ},
        )
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_LOOK_EVERY)
                if progress is not None:
                    progress(*_progress(log))
                if process.returncode is not None:
                    break
        finally:
            process.kill()
            process.wait()
    if process.returncode < 0:
        text = f"UMAP's process was ended from outside (signal {-process.returncode})"
        raise WannError(f"{text}, perhaps for want of memory.")
    if process.returncode:
        raise RuntimeError(f"UMAP failed:\n{log.read_text()[-2000:]}")


def _progress(log: Path) -> tuple[float, float, str]:
    """Epochs done, epochs in all, and what is being done, from what the process wrote last."""
    with log.open("rb") as lines:
        lines.seek(max(log.stat().st_size - 200, 0))
        written = lines.read()
    epochs = re.findall(rb"^(\d+) (\d+)\r?$", written, re.MULTILINE)
    if epochs:
        done, total = epochs[-1]
        return float(done), float(total), "laying out the map"
    if b"compiling" in written:
        return 0, 1, "compiling UMAP's kernels, once on this machine; a minute or so"
    return 0, 1, "starting UMAP"


@contextlib.contextmanager
def _one_at_a_time(progress: Progress | None) -> Iterator[None]:
    while not _fitting.acquire(timeout=_LOOK_EVERY):
        if progress is not None:
            progress(0, 1, "waiting for another map")
    try:
        yield
    finally:
        _fitting.release()


def _plane(X: Array) -> Array:
    return np.pad(X, ((0, 0), (0, 2 - X.shape[1]))).astype(np.float32)


def _read(path: Path, rows: tuple[int, int]) -> Layout | None:
    """Read the layout of this many training and test rows; None if there is none."""
    if not path.is_file():
        return None
    try:
        arrays = npz.load(path, ("train", "test"))
        made = Layout(arrays["train"], arrays["test"])
    except (WannError, KeyError):
        return None  # damaged: made again
    if [part.shape for part in (made.train, made.test)] != [(n, 2) for n in rows]:
        return None
    note_use(path)
    return made


def _write(path: Path, made: Layout) -> None:
    write_atomically(path, lambda file: np.savez(file, train=made.train, test=made.test))
    bound_folder(path, _FOLDER_BYTES)
