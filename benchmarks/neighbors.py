"""The searches of a neighbor graph and the votes, side by side with one matrix product.

Run `python -m benchmarks.neighbors [rows] [columns]` (default 50,000 × 1,024, about ten minutes on
two cores), or `… --database ROOT DATASET BACKBONE` on z-scored embeddings of your own. Whole graphs
are measured turn by turn in several rounds, choosing included; the medians of their ratios to the
mean of the products just before and just after are printed, because the clock of a machine changes
from second to second. The product is that of the fastest of numpy, torch and scipy. On a machine
that others use, seconds of the processor (second column) are more reliable: the product's are those
of one thread, as threads of BLAS spin while they wait. Peak memory is that of a process of its own.
`benchmarks.approximate` measures indexes of other libraries.
"""

import argparse
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.linalg.blas import sgemm
from threadpoolctl import threadpool_info, threadpool_limits

from wann_core import NeighborGraph, adaptive_k, datasets, vote
from wann_core.methods.reduction import normalize
from wann_core.neighbors import scan
from wann_core.neighbors.exact import Flat

TEST_ROWS = 10_000
CLASSES = 10
K = 51
_BLOCK = 4096
PART = 6000
ROUNDS = 5


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


def print_kernels() -> None:
    """Print which kernels each library's matrix product runs."""
    for library in threadpool_info():
        if library["user_api"] == "blas":
            name = Path(library["filepath"]).parent.name
            kernel = f"{library['internal_api']} {library['version']}, {library['architecture']}"
            print(f"{name:32} {kernel}, {library['num_threads']} threads")
    capability = torch.backends.cpu.get_cpu_capability()
    mkl = "MKL" if torch.backends.mkl.is_available() else "its own BLAS"
    print(f"{'torch':32} {mkl}, {capability}, {torch.get_num_threads()} threads")
    kernel = "bytes, AVX-512 VNNI" if scan.BYTES else "float32"
    print(f"{'exact search':32} {kernel}, panels of {scan.HEIGHT} × {scan.WIDTH}")


class Products:
    """One matrix product of a graph's shape, by the fastest library, judged by a part of it."""

    def __init__(self, X: np.ndarray, total: int) -> None:
        rows = min(PART, len(X))
        self.scale = total / rows
        out = np.empty((rows, len(X)), np.float32)
        train, room = torch.from_numpy(X), torch.from_numpy(out)
        self.works: dict[str, Callable[[], object]] = {
            "numpy": lambda: np.matmul(X[:rows], X.T, out=out),
            "torch": lambda: torch.mm(train[:rows], train.T, out=room),
            "scipy": lambda: sgemm(1.0, X.T, X[:rows].T, trans_a=1),
        }
        self.seconds = {
            name: min(timed(work) for _ in range(3)) * self.scale
            for name, work in self.works.items()
        }
        self.fastest = min(self.seconds, key=lambda name: self.seconds[name])

    def __call__(self) -> np.ndarray:
        """Seconds by the clock, and of the processor."""
        work = self.works[self.fastest]
        wall = timed(work)
        with threadpool_limits(1):
            threads = torch.get_num_threads()
            torch.set_num_threads(1)
            started = time.process_time()
            work()
            used = time.process_time() - started
            torch.set_num_threads(threads)
        return np.array([wall, used]) * self.scale


def measure(X: np.ndarray, T: np.ndarray) -> None:
    """Print what whole graphs cost."""
    product = Products(X, len(X) + len(T))
    each = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in product.seconds.items())
    print(f"one sgemm of the graph's shape: {each}; × {product.fastest}'s from here on")
    graphs: dict[str, NeighborGraph] = {}

    def build(search: str) -> None:
        graphs[search] = NeighborGraph.build(X, T, k=K, search=search)

    works: dict[str, Callable[[], object]] = {
        "exact": lambda: build("flat"),
        "its choice of codes": lambda: Flat(X).has_codes(X, K),
        "auto": lambda: build("auto"),
    }
    ratios: dict[str, list[np.ndarray]] = {name: [] for name in works}
    before = product()
    for _ in range(ROUNDS):
        for name, work in works.items():
            started = time.process_time()
            wall = timed(work)
            used = time.process_time() - started
            after = product()
            ratios[name].append(np.array([wall, used]) * 2 / (before + after))
            before = after
    print(f"medians of {ROUNDS} rounds (least to most)        by the clock   of the processor")
    for name, values in ratios.items():
        low, middle, high = np.quantile(values, (0, 0.5, 1), axis=0)
        columns = [f"{middle[i]:5.2f} ({low[i]:.2f} to {high[i]:.2f})" for i in range(2)]
        print(f"{name:40} {'   '.join(columns)}")
    exact, auto = graphs["flat"].train_ids, graphs["auto"].train_ids
    same = np.mean([np.isin(e, f).mean() for e, f in zip(exact[::50], auto[::50], strict=True)])
    print(f"auto: {graphs['auto'].description}; {int(same * 1e5) / 1e5:.5f} of the exact ones")


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
    print_kernels()
    measure(X, T)
    measure_votes(X, T, labels)


if __name__ == "__main__":
    main()
