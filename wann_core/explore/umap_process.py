"""Run as a script: lays out a neighbor graph by UMAP and reports its progress on standard output.

A process of its own, because UMAP's compiled epochs hold the interpreter lock, a tenth of a second
and more each, under which all sessions of a server would stutter, and because only a process can be
stopped at any moment. It imports nothing of this project.
"""

import sys
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from numba.core import event
from numba.core.dispatcher import Dispatcher

# Of its own: the script must not import the project.
Array = npt.NDArray[Any]
_COMPILED_ANYWAY = 4  # kernels, small ones, that nothing keeps


def fit(ids: Array, distances: Array, start: Array, seed: int) -> Array:
    """What `umap.UMAP(precomputed_knn=…, init=start)` gives under its default parameters.

    Parameters
    ----------
    ids, distances : ndarray of shape (n, k)
        Nearest rows of each row, itself first; Euclidean distances.
    start : ndarray of shape (n, 2)
    seed : int
        Fixes the result, and so a single thread.

    Returns
    -------
    ndarray of shape (n, 2), float32
    """
    umap = _umap()
    random = np.random.RandomState(seed)
    # Given the neighbors, only the number of rows is read of the data.
    edges, _, _ = umap.fuzzy_simplicial_set(
        start, ids.shape[1], random, "euclidean", knn_indices=ids, knn_dists=distances
    )
    a, b = umap.find_ab_params(spread=1.0, min_dist=0.1)
    positions, _ = umap.simplicial_set_embedding(
        start,
        edges,
        n_components=2,
        initial_alpha=1.0,
        a=a,
        b=b,
        gamma=1.0,
        negative_sample_rate=5,
        n_epochs=None,
        init=start,
        random_state=random,
        metric="euclidean",
        metric_kwds={},
        densmap=False,
        densmap_kwds={},
        output_dens=False,
        tqdm_kwds={
            "disable": False,
            "file": sys.stdout,
            "bar_format": "\n{n} {total}\n",
            "miniters": 1,
        },
    )
    return np.asarray(positions, np.float32)


def place(positions: Array, ids: Array, distances: Array) -> Array:
    """Where further rows come to lie: the mean of their neighbors, weighted as UMAP does.

    It is where `UMAP.transform` starts from; the weights fall exponentially with the distance.

    Parameters
    ----------
    positions : ndarray of shape (n, 2)
        Of the rows that are laid out.
    ids, distances : ndarray of shape (m, k)
        Nearest of these for each further row, nearest first.

    Returns
    -------
    ndarray of shape (m, 2), float32
    """
    umap = _umap()
    distances = np.ascontiguousarray(distances, np.float32)
    scale, nearest = umap.smooth_knn_dist(distances, float(ids.shape[1]), local_connectivity=0.0)
    _, _, strengths, _ = umap.compute_membership_strengths(
        ids, distances, scale, nearest, bipartite=True
    )
    weights = strengths.reshape(ids.shape)
    weights = weights / weights.sum(axis=1, keepdims=True)
    return np.asarray(np.einsum("mk,mkc->mc", weights, positions[ids]), np.float32)


def _umap() -> Any:
    with warnings.catch_warnings():
        # It misses TensorFlow, for a variant that is not used here.
        warnings.simplefilter("ignore", ImportWarning)
        from umap import layouts, umap_
    # The slowest kernels to compile are those that umap-learn does not keep for the next process.
    for kernel in (*vars(umap_).values(), *vars(layouts).values()):
        if isinstance(kernel, Dispatcher) and not kernel.signatures:
            kernel.enable_caching()
    return umap_


class _Compilations(event.Listener):
    """Writes a line once more is compiled than at every start."""

    def __init__(self) -> None:
        self._count = 0

    def on_start(self, event: Any) -> None:
        self._count += 1
        if self._count == _COMPILED_ANYWAY + 1:
            print("compiling", flush=True)

    def on_end(self, event: Any) -> None: ...


def main(source: str, target: str) -> None:
    """Lay out the graph in the file `source` and write the positions to `target`."""
    event.register("numba:compile", _Compilations())  # type: ignore[no-untyped-call]
    with np.load(source, allow_pickle=False) as graph:
        train = fit(graph["ids"], graph["distances"], graph["start"], int(graph["seed"]))
        test = place(train, graph["test_ids"], graph["test_distances"])
    np.savez(target, train=train, test=test)


if __name__ == "__main__":
    main(*sys.argv[1:])
