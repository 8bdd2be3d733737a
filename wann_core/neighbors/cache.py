"""Neighbor graphs kept under cache/graphs, by the digest of the arrays that were searched."""

from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from wann_core.neighbors.graph import NeighborGraph
from wann_core.paths import cache_folder
from wann_core.progress import Progress
from wann_core.storage import npz
from wann_core.storage.disk_cache import digest_of, kept
from wann_core.typing import Array

# Raised whenever the search would answer or keep something else: old files are left alone.
_GRAPH_VERSION = 5
# Searches cheaper than this many multiplications (about a second) are not worth a file.
_WORTH_KEEPING = 3e10
_FOLDER_BYTES = 4 << 30

_ARRAYS = ("train_ids", "train_distances", "test_ids", "test_distances")
_FACTS: dict[str, type] = {
    "seconds": float,
    "method": str,
    "recall": float,
    "recall_rows": int,
    "certified": float,
}


def is_kept(train_rows: int, test_rows: int, columns: int) -> bool:
    """Whether a search of this size is costly enough for `neighbor_graph` to keep its graph."""
    return float(train_rows) * (train_rows + test_rows) * columns >= _WORTH_KEEPING


def neighbor_graph(
    X_train: Array,
    X_test: Array | None,
    k: int,
    progress: Progress | None = None,
    search: str = "auto",
) -> NeighborGraph:
    """`NeighborGraph.build`, from cache/graphs where the same arrays were searched before."""

    def build() -> NeighborGraph:
        return NeighborGraph.build(X_train, X_test, k=k, search=search, progress=progress)

    if not is_kept(len(X_train), 0 if X_test is None else len(X_test), X_train.shape[1]):
        return build()
    arrays = (X_train,) if X_test is None else (X_train, X_test)
    # Both exact searches find the same.
    kind = "flat" if search == "torch" else search
    digest = digest_of(f"{_GRAPH_VERSION} {k} {kind}", *arrays)
    path = cache_folder() / "graphs" / f"{digest}.npz"
    shape = (len(X_train), None if X_test is None else len(X_test), k)
    read = partial(_read, shape=shape)
    return kept(path, read, build, _write, max_bytes=_FOLDER_BYTES, progress=progress)


def _read(path: Path, shape: tuple[int, int | None, int]) -> NeighborGraph:
    """Read a graph of this many training rows, test rows and neighbors; raises for any other."""
    train, test, k = shape
    arrays = npz.load(path, (*_ARRAYS, *_FACTS))
    found: dict[str, Any] = {name: arrays[name] for name in _ARRAYS if name in arrays}
    facts = {name: kind(arrays[name].item()) for name, kind in _FACTS.items()}
    wanted = {"train": (train, min(k, train - 1))}
    if test is not None:
        wanted["test"] = (test, min(k, train))
    shapes = {name: array.shape for name, array in found.items()}
    if shapes != {f"{s}_{a}": size for s, size in wanted.items() for a in ("ids", "distances")}:
        raise ValueError(f"not the graph that was asked for: {shapes}")
    return NeighborGraph(**found, **facts)


def _write(graph: NeighborGraph, file: BinaryIO) -> None:
    found: dict[str, Any] = {name: getattr(graph, name) for name in (*_ARRAYS, *_FACTS)}
    np.savez(file, **{name: value for name, value in found.items() if value is not None})
