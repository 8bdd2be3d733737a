"""The neighbour graph and the votes, side by side with one matrix product of the same shape.

Run `python -m benchmarks.neighbors [rows] [columns]` (default 50,000 × 1,024, about ten minutes on
two cores). Everything is measured in one run on the same data, so that the ratios hold on any
machine; peak memory is that of a process of its own.
"""

import argparse
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors

from wann_core import NeighborGraph, adaptive_k, vote

TEST_ROWS = 10_000
CLASSES = 10
K = 51
_BLOCK = 4096


def clusters(rows: int, columns: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping Gaussian classes as float32 rows, and their labels."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((CLASSES, columns), np.float32)
    labels = rng.integers(0, CLASSES, rows)
    X = np.empty((rows, columns), np.float32)
    for start in range(0, rows, _BLOCK):  # no second copy that would hide the build's own peak
        block = labels[start : start + _BLOCK]
        X[start : start + _BLOCK] = rng.standard_normal((len(block), columns), np.float32)
        X[start : start + _BLOCK] += 0.3 * centres[block]
    return X, labels


def timed(work: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def product(train: torch.Tensor, queries: torch.Tensor) -> None:
    """All inner products of the search, block by block so that the result fits into memory."""
    out = torch.empty(_BLOCK, len(train))
    for start in range(0, len(queries), _BLOCK):
        block = queries[start : start + _BLOCK]
        torch.mm(block, train.T, out=out[: len(block)])


def peak_of_build(
    rows: int, columns: int, result: "multiprocessing.Queue[tuple[int, int]]"
) -> None:
    """Peak resident bytes of inputs, build and graph together, and the bytes of the graph."""
    unit = 1 if sys.platform == "darwin" else 1024
    small = np.random.default_rng(0).standard_normal((2000, 64), np.float32)
    NeighborGraph.build(small, k=K)  # libraries and kernels are loaded, threads started
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    X, _ = clusters(rows, columns, 1)
    T, _ = clusters(TEST_ROWS, columns, 2)
    graph = NeighborGraph.build(X, T, k=K)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    result.put((after - before, graph.nbytes))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="?", default=50_000)
    parser.add_argument("columns", type=int, nargs="?", default=1024)
    args = parser.parse_args()
    # First, while this process is small: a child takes over the peak of its parent.
    context = multiprocessing.get_context("spawn")
    answer: multiprocessing.Queue[tuple[int, int]] = context.Queue()
    worker = context.Process(target=peak_of_build, args=(args.rows, args.columns, answer))
    worker.start()
    peak, graph_bytes = answer.get()
    worker.join()

    X, labels = clusters(args.rows, args.columns, 1)
    T, _ = clusters(TEST_ROWS, args.columns, 2)
    NeighborGraph.build(X[:2000], T[:100], k=K)

    train, queries = torch.from_numpy(X), torch.from_numpy(np.concatenate([X, T]))
    sgemm = [timed(lambda: product(train, queries))]
    graphs = []
    build = timed(lambda: graphs.append(NeighborGraph.build(X, T, k=K)))
    sgemm.append(timed(lambda: product(train, queries)))
    graph, one = graphs[0], statistics.mean(sgemm)
    assert graph.test_ids is not None

    def wann() -> None:
        k = adaptive_k(graph.train_ids, labels, 11, K)
        vote(graph.test_ids, labels, k[graph.test_ids[:, 0]], 1.0 / k)

    cold = timed(wann)
    warm_k = statistics.median(
        timed(lambda: adaptive_k(graph.train_ids, labels, 11, K)) for _ in range(20)
    )
    warm = statistics.median(timed(wann) for _ in range(20))

    def sklearn_search() -> None:
        search = NearestNeighbors(n_neighbors=K + 1, algorithm="brute").fit(X)
        search.kneighbors(X)
        search.kneighbors(T)

    other = timed(sklearn_search)
    inputs = X.nbytes + T.nbytes

    print(f"{args.rows:,} + {TEST_ROWS:,} rows × {args.columns:,}, k = {K}, {CLASSES} classes")
    print(
        f"one sgemm of the search's shape  {one:9.2f} s   1.00 ({min(sgemm):.2f}, {max(sgemm):.2f})"
    )
    print(f"neighbour graph                  {build:9.2f} s   {build / one:.2f} × sgemm")
    print(f"scikit-learn NearestNeighbors    {other:9.2f} s   {other / one:.2f} × sgemm")
    print(f"adaptive k + WANN vote, cold     {1000 * cold:9.1f} ms  first call in the process")
    print(
        f"adaptive k + WANN vote, warm     {1000 * warm:9.1f} ms  {one / warm:,.0f} × cheaper than "
        f"the sgemm (adaptive k alone {1000 * warm_k:.1f} ms)"
    )
    print(
        f"peak memory of inputs and build  {peak / 2**20:9.0f} MiB for inputs of "
        f"{inputs / 2**20:.0f} MiB and a graph of {graph_bytes / 2**20:.0f} MiB: "
        f"{(peak - graph_bytes) / inputs:.2f} × inputs + graph"
    )


if __name__ == "__main__":
    main()
