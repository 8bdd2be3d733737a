"""The searches of a neighbor graph and the votes, side by side with one matrix product.

Run `python -m benchmarks.neighbors [rows] [columns]` (default 50,000 × 1,024, about ten minutes on
two cores), or `… --database ROOT DATASET BACKBONE` on z-scored embeddings of your own. Searches are
measured turn by turn in several rounds, the chosen one on all training rows, whose order is part of
what makes it fast, the others on parts of them; the medians of their ratios to the mean of the
products just before and just after are printed: the clock of a machine changes from second to
second, and others may use it. What choosing the search costs is part of its time. Peak memory is
that of a process of its own.
"""

import argparse
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable

import faiss
import numpy as np
import torch

from wann_core import NeighborGraph, adaptive_k, datasets, vote
from wann_core.methods.reduction import normalize
from wann_core.neighbors.exact import Flat
from wann_core.neighbors.plan import Queries, plan

TEST_ROWS = 10_000
CLASSES = 10
K = 51
_BLOCK = 4096
PART = 6000
ROUNDS = 5
SAMPLE = 500


def clusters(rows: int, columns: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping Gaussian classes as float32 rows, and their labels."""
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(0).standard_normal((CLASSES, columns), np.float32)
    labels = rng.integers(0, CLASSES, rows)
    X = np.empty((rows, columns), np.float32)
    for start in range(0, rows, _BLOCK):  # no second copy that would hide the build's own peak
        block = labels[start : start + _BLOCK]
        X[start : start + _BLOCK] = rng.standard_normal((len(block), columns), np.float32)
        X[start : start + _BLOCK] += 0.3 * centers[block]
    return X, labels


def timed(work: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


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


def measure(X: np.ndarray, T: np.ndarray) -> None:
    """Print what each search costs and finds."""
    flat, total = Flat(X), len(X) + len(T)
    own = np.arange(PART)
    chosen = plan(flat, Queries(X, T, K))
    searcher = chosen.searcher or flat
    train, out = torch.from_numpy(X), torch.empty(PART, len(X))
    index = faiss.IndexHNSWFlat(X.shape[1], 32)
    index.hnsw.efSearch = 128
    built = timed(lambda: index.add(X))
    works: dict[str, tuple[int, Callable[[], object]]] = {
        "flat": (PART, lambda: flat.search(X[:PART], K, own)),
        "chosen": (len(X), lambda: searcher.search(X, K, np.arange(len(X)))),
        "choosing": (total, lambda: plan(flat, Queries(X, T, K))),
        "HNSW32": (PART, lambda: index.search(X[:PART], K + 1)),
    }
    products: list[float] = []

    def product() -> float:
        products.append(timed(lambda: torch.mm(train[:PART], train.T, out=out)) * total / PART)
        return products[-1]

    rounds = []
    for _ in range(ROUNDS):
        ratios, before = {}, product()
        for name, (rows, work) in works.items():
            seconds, after = timed(work) * total / rows, product()
            ratios[name], before = seconds / statistics.fmean((before, after)), after
        rounds.append(ratios)
    one = statistics.median(products)

    def ratio(*names: str) -> str:
        values = [sum(r[name] for name in names) for r in rounds]
        middle = statistics.median(values)
        return f"{middle * one:9.2f} s   {middle:5.2f} ({min(values):.2f} to {max(values):.2f})"

    sample = np.random.default_rng(1).choice(len(X), SAMPLE, replace=False)
    exact, _ = flat.search(X[sample], K, sample)

    def recall(found: np.ndarray) -> str:
        share = np.mean([np.isin(e, f).mean() for e, f in zip(exact, found, strict=True)])
        return f"recall {int(share * 1e5) / 1e5:.5f}"

    if chosen.searcher is None:
        found = exact
    else:
        (found, _), certified = chosen.searcher.search(X[sample], K, sample)
        certain = f", {100 * certified.mean():.0f} % certified"
        details = f"{chosen.searcher.size} dimensions, {chosen.searcher.candidates} candidates"
    spread = f"{min(products):.2f} to {max(products):.2f} s"
    print(f"× one sgemm of the search's shape: medians of {ROUNDS} rounds (least to most)")
    print(f"sgemm                            {one:9.2f} s    1.00, {spread}")
    print(f"flat search                      {ratio('flat')}, exact")
    print(f"chosen search, choosing included {ratio('chosen', 'choosing')}, {recall(found)}")
    if chosen.searcher is not None:
        print(f"    {chosen.method}: {details}{certain}; choosing alone {ratio('choosing')}")
    # The graph of faiss holds each row itself as its first neighbor.
    approximate = index.search(X[sample], K + 1)[1]
    print(f"HNSW32, without building it      {ratio('HNSW32')}, {recall(approximate)}")
    print(f"    building it                  {built:9.2f} s   {built / one:5.2f} (once)")


def measure_votes(X: np.ndarray, T: np.ndarray, labels: np.ndarray) -> None:
    """Print what adaptive k and votes cost on a graph that is there."""
    graph = NeighborGraph.build(X, T, k=K)
    assert graph.test_ids is not None

    def wann() -> None:
        k = adaptive_k(graph.train_ids, labels, 11, K)
        vote(graph.test_ids, labels, k[graph.test_ids[:, 0]], 1.0 / k)

    cold = timed(wann)
    alone = [timed(lambda: adaptive_k(graph.train_ids, labels, 11, K)) for _ in range(20)]
    warm = statistics.median(timed(wann) for _ in range(20))
    print(f"adaptive k + WANN vote, cold     {1000 * cold:9.1f} ms  first call in the process")
    print(
        f"adaptive k + WANN vote, warm     {1000 * warm:9.1f} ms  "
        f"(adaptive k alone {1000 * statistics.median(alone):.1f} ms)"
    )


def print_peak(rows: int, columns: int) -> None:
    """Measure and print the peak memory of a graph."""
    context = multiprocessing.get_context("spawn")
    answer: multiprocessing.Queue[tuple[int, int]] = context.Queue()
    worker = context.Process(target=peak_of_build, args=(rows, columns, answer))
    worker.start()
    peak, graph_bytes = answer.get()
    worker.join()
    inputs = (rows + TEST_ROWS) * columns * 4
    print(
        f"peak memory of inputs and build  {peak / 2**20:9.0f} MiB for inputs of "
        f"{inputs / 2**20:.0f} MiB and a graph of {graph_bytes / 2**20:.0f} MiB: "
        f"{(peak - graph_bytes) / inputs:.2f} × inputs + graph"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="?", default=50_000)
    parser.add_argument("columns", type=int, nargs="?", default=1024)
    parser.add_argument("--database", nargs=3, metavar=("ROOT", "DATASET", "BACKBONE"))
    args = parser.parse_args()
    if args.database:
        root, dataset, backbone = args.database
        data = datasets.load(dataset, backbone, root)
        assert data.test is not None
        X, T = normalize(data.train.X, data.test.X, "zscore")
        labels = data.train.y
    else:
        # First, while this process is small: a child takes over the peak of its parent.
        print_peak(args.rows, args.columns)
        X, labels = clusters(args.rows, args.columns, 1)
        T, _ = clusters(TEST_ROWS, args.columns, 2)
    print(f"{len(X):,} + {len(T):,} rows × {X.shape[1]:,}, k = {K}", flush=True)
    NeighborGraph.build(X[:2000], T[:100], k=K)
    measure(X, T)
    measure_votes(X, T, labels)


if __name__ == "__main__":
    main()
