"""Indexes of other libraries beside the searches of a neighbor graph, at equal recall.

`python -m benchmarks.approximate ROOT DATASET BACKBONE [--recall 0.9999] [--rows N]` builds the
graph of all training rows by each library that is installed: faiss (HNSW, IVF, RaBitQ with its
candidates ranked again), hnswlib, usearch and PyNNDescent. Each search gets wider until it reaches
the recall on 1,000 rows, or gives up. Times are of building and searching all rows, by the clock
and of the processor; a product of all rows with all rows is timed beside each.
"""

import argparse
import importlib.util
import os
import time
from collections.abc import Callable, Iterator

import faiss
import numpy as np

from benchmarks.neighbors import K, Products
from wann_core import NeighborGraph, datasets
from wann_core.methods.reduction import normalize
from wann_core.neighbors.exact import Flat

SAMPLE = 1000
# Answers the rows of one batch: ids of K + 1 neighbors, the row itself among them.
Search = Callable[[np.ndarray], np.ndarray]
# Names a library's index and its searches, each wider than the one before.
Index = tuple[str, Callable[[], Iterator[tuple[str, Search]]]]


def indexes(X: np.ndarray) -> Iterator[Index]:
    """Those that are installed; calling the second part builds the index."""
    n, d = X.shape
    lists = int(4 * n**0.5)

    def hnsw() -> Iterator[tuple[str, Search]]:
        index = faiss.IndexHNSWFlat(d, 32)
        index.add(X)
        for ef in (64, 128, 256, 512, 1024):
            index.hnsw.efSearch = ef
            yield f"efSearch {ef}", lambda rows: index.search(rows, K + 1)[1]

    def ivf() -> Iterator[tuple[str, Search]]:
        index = faiss.index_factory(d, f"IVF{lists},Flat")
        index.train(X)
        index.add(X)
        for probes in (8, 16, 32, 64, 128, 256, 512):
            index.nprobe = probes
            yield f"{probes} of {lists} lists", lambda rows: index.search(rows, K + 1)[1]

    def rabitq() -> Iterator[tuple[str, Search]]:
        index = faiss.index_factory(d, f"RR,IVF{lists},RaBitQ,Refine(Flat)")
        index.train(X)
        index.add(X)
        inner = faiss.extract_index_ivf(index.base_index)
        for probes, factor in ((32, 8), (64, 16), (128, 16), (256, 32), (512, 32)):
            inner.nprobe, index.k_factor = probes, factor
            name = f"{probes} of {lists} lists, {factor} × k candidates"
            yield name, lambda rows: index.search(rows, K + 1)[1]

    yield "faiss HNSW32", hnsw
    yield "faiss IVF", ivf
    yield "faiss RaBitQ", rabitq
    if importlib.util.find_spec("hnswlib"):
        yield "hnswlib", lambda: _hnswlib(X)
    if importlib.util.find_spec("usearch"):
        yield "usearch", lambda: _usearch(X)
    if importlib.util.find_spec("pynndescent"):
        yield "PyNNDescent", lambda: _pynndescent(X)


def _hnswlib(X: np.ndarray) -> Iterator[tuple[str, Search]]:
    import hnswlib

    index = hnswlib.Index("l2", X.shape[1])
    index.init_index(len(X), ef_construction=200, M=32)
    index.add_items(X)
    for ef in (64, 128, 256, 512, 1024):
        index.set_ef(ef)
        yield f"ef {ef}", lambda rows: index.knn_query(rows, K + 1)[0]


def _usearch(X: np.ndarray) -> Iterator[tuple[str, Search]]:
    from usearch.index import Index as UsearchIndex

    index = UsearchIndex(ndim=X.shape[1], metric="l2sq", connectivity=32, expansion_add=200)
    index.add(np.arange(len(X)), X)
    for ef in (64, 128, 256, 512, 1024):
        index.expansion_search = ef
        yield f"expansion {ef}", lambda rows: np.asarray(index.search(rows, K + 1).keys)


def _pynndescent(X: np.ndarray) -> Iterator[tuple[str, Search]]:
    from pynndescent import NNDescent

    index = NNDescent(X, n_neighbors=K + 1, random_state=0)
    index.prepare()
    for epsilon in (0.1, 0.2, 0.3, 0.5):
        yield f"epsilon {epsilon}", lambda rows: index.query(rows, K + 1, epsilon=epsilon)[0]  # noqa: B023


def recall(found: np.ndarray, exact: np.ndarray) -> float:
    """Share of the exact neighbors that were found."""
    return float(np.mean([np.isin(e, f).mean() for e, f in zip(exact, found, strict=True)]))


def measure(X: np.ndarray, name: str, work: Callable[[], str], product: Products) -> None:
    """Print what one graph costs, in products of all rows with all rows."""
    before, started, wall = product(), time.process_time(), time.perf_counter()
    text = work()
    took = np.array([time.perf_counter() - wall, time.process_time() - started])
    ratio = took * 2 / (before + product())
    print(f"{name:24} {ratio[0]:6.2f} {ratio[1]:6.2f}   {text}", flush=True)


def other(X: np.ndarray, index: Index, target: float, exact: np.ndarray, some: np.ndarray) -> str:
    """Build an index, and search all rows as soon as some of them reach the recall."""
    for settings, search in index[1]():
        reached = recall(search(X[some]), exact)
        if reached >= target:
            search(X)
            return f"{settings}, recall {int(reached * 1e5) / 1e5:.5f}"
    return f"gave up: {settings}, recall {int(reached * 1e5) / 1e5:.5f}, not all rows searched"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("root", "dataset", "backbone"):
        parser.add_argument(name)
    parser.add_argument("--recall", type=float, default=0.9999)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--only", help="part of an index's name")
    args = parser.parse_args()
    data = datasets.load(args.dataset, args.backbone, args.root)
    train = data.train.X[: args.rows]
    X = normalize(train, train[:1], "zscore")[0]
    NeighborGraph.build(X[:2000], k=K)
    some = np.random.default_rng(3).choice(len(X), min(SAMPLE, len(X)), replace=False)
    exact, _ = Flat(X).search(X[some], K, some)
    product = Products(X, len(X))
    print(f"{len(X):,} × {X.shape[1]:,}, k = {K}, {os.cpu_count()} processors")
    print("× one product of all rows: by the clock, of the processor")
    for search in ("flat", "auto"):

        def ours(search: str = search) -> str:
            graph = NeighborGraph.build(X, k=K, search=search)
            return f"{graph.description}, recall {recall(graph.train_ids[some], exact):.5f}"

        measure(X, f"this engine, {search}", ours, product)
    for index in indexes(X):
        if args.only is None or args.only in index[0]:
            measure(X, index[0], lambda i=index: other(X, i, args.recall, exact, some), product)


if __name__ == "__main__":
    main()
