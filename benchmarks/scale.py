"""How the searches grow with the rows: time, recall and peak memory, and a whole audit.

`python -m benchmarks.scale measure RESULTS.json N METHOD [--columns 256]` measures one search of N
rows (METHOD: flat, auto, hnsw) beside a matrix product of a part of its shape; each in a process of
its own, so that peaks of memory are its own. `… database ROOT N` writes the same rows as a database
`mixture/synthetic` for `python -m wann_core audit`. `… report RESULTS.json docs/scale.md
docs/scale.svg` puts the table and the plot in their places.

The rows are a Gaussian mixture: 100 classes of 5 modes each, a spectrum that falls like that of
images' embeddings, and one label in five replaced by another.
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from wann_core.datasets import database
from wann_core.datasets.dataset import Split
from wann_core.flat import Flat
from wann_core.neighbors import NeighborGraph
from wann_core.reduction import normalize

CLASSES, MODES, NOISE, K = 100, 5, 0.2, 51
SAMPLE = 512
MARKS = "<!-- table -->", "<!-- end of table -->"
COLOURS = {"flat": "#0072b2", "auto": "#d55e00", "hnsw": "#009e73"}
NAMES = {"flat": "flat, exact", "auto": "chosen by measurement", "hnsw": "HNSW32"}
_BLOCK = 20_000


def mixture(rows: int, columns: int = 256) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows as float16, their given and their true labels; fewer rows are the first of more."""
    rng = np.random.default_rng(0)
    scale = (1 + np.arange(columns)) ** -0.65
    turn = np.linalg.qr(rng.standard_normal((columns, columns)))[0].astype(np.float32)
    classes = rng.standard_normal((CLASSES, 1, columns))
    centres = (0.7 * classes + 0.5 * rng.standard_normal((CLASSES, MODES, columns))) * scale
    X = np.empty((rows, columns), np.float16)
    given, true = np.empty(rows, np.int64), np.empty(rows, np.int64)
    for start in range(0, rows, _BLOCK):
        rng = np.random.default_rng(1 + start)
        y, mode = rng.integers(0, CLASSES, _BLOCK), rng.integers(0, MODES, _BLOCK)
        block = centres[y, mode] + rng.standard_normal((_BLOCK, columns), np.float32) * scale
        other = (y + rng.integers(1, CLASSES, _BLOCK)) % CLASSES
        wrong = rng.random(_BLOCK) < NOISE
        here = slice(start, min(start + _BLOCK, rows))
        count = here.stop - start
        X[here] = (block.astype(np.float32) @ turn)[:count]
        true[here], given[here] = y[:count], np.where(wrong, other, y)[:count]
    return X, given, true


def peak() -> float:
    """Peak resident memory of this process so far, MiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def product_seconds(X: np.ndarray, queries: int) -> float:
    """One matrix product of all rows with all rows, judged by some of them."""
    out = np.empty((queries, len(X)), np.float32)
    started = time.perf_counter()
    np.matmul(X[:queries], X.T, out=out)
    return (time.perf_counter() - started) * len(X) / queries


def hnsw(X: np.ndarray) -> np.ndarray:
    """The graph by faiss's HNSW with its usual settings and a wide search."""
    index = faiss.IndexHNSWFlat(X.shape[1], 32)
    index.hnsw.efSearch = 128
    index.add(X)
    return np.asarray(index.search(X, K + 1)[1])


def measure(path: Path, rows: int, method: str, columns: int) -> None:
    """Measure one search and add it to the results."""
    raw, _, _ = mixture(rows, columns)
    X = normalize(raw, raw[:1], "zscore")[0]
    del raw
    NeighborGraph.build(X[:2000], k=K)  # libraries and kernels are loaded
    before = peak()
    queries = max(1000, min(4000, 2 * 10**8 // rows))
    product = [product_seconds(X, min(queries, rows))]
    started = time.perf_counter()
    graph = None
    if method == "hnsw":
        found = hnsw(X)
    else:
        graph = NeighborGraph.build(X, k=K, search=method)
        found = graph.train_ids
    seconds = time.perf_counter() - started
    memory = peak()
    product.append(product_seconds(X, min(queries, rows)))
    sample = np.random.default_rng(5).choice(rows, SAMPLE, replace=False)
    exact, _ = Flat(X).search(X[sample], K, sample)
    recall = np.mean([np.isin(e, f).mean() for e, f in zip(exact, found[sample], strict=True)])
    entry = {
        "rows": rows, "columns": columns, "method": method, "seconds": seconds,
        "products": seconds / (sum(product) / 2), "recall": float(recall),
        "megabytes": memory, "before": before,
        "made": method if graph is None else graph.method,
        "claimed": None if graph is None else graph.recall,
        "certified": None if graph is None else graph.certified,
    }  # fmt: skip
    print(json.dumps(entry))
    known = json.loads(path.read_text()) if path.exists() else []
    path.write_text(json.dumps([*known, entry], indent=1))


def write_database(root: Path, rows: int) -> None:
    """The same rows as an embedding database without test rows."""
    X, given, true = mixture(rows)
    names = [f"class {c}" for c in range(CLASSES)]
    split = Split(X, given, np.arange(rows), true)
    print(database.write(root, "mixture", "synthetic", {"train": split}, names, {}))


def main() -> None:
    """Measure, write or report."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("measure")
    one.add_argument("results", type=Path)
    one.add_argument("rows", type=int)
    one.add_argument("method", choices=("flat", "auto", "hnsw"))
    one.add_argument("--columns", type=int, default=256)
    rows = commands.add_parser("database")
    rows.add_argument("root", type=Path)
    rows.add_argument("rows", type=int)
    told = commands.add_parser("report")
    told.add_argument("results", type=Path)
    told.add_argument("page", type=Path)
    told.add_argument("plot", type=Path)
    args = parser.parse_args()
    if args.command == "measure":
        measure(args.results, args.rows, args.method, args.columns)
    elif args.command == "database":
        write_database(args.root, args.rows)
    else:
        entries: list[dict[str, Any]] = json.loads(args.results.read_text())
        report(entries, args.page, args.plot)


if __name__ == "__main__":
    main()
