"""How the searches grow with the rows: time, recall and peak memory, and a whole audit.

`python -m benchmarks.scale measure RESULTS.json N METHOD [--columns 256]` measures one search of N
rows (METHOD: flat, auto, hnsw) beside a matrix product of a part of its shape; each in a process of
its own, so that peaks of memory are its own. `… database ROOT N` writes the same rows as a database
`mixture/synthetic` for `python -m wann_core audit`; `--columns 768 --classes 1000 --noise 0.1` make
them as wide as ImageNet's and as many classes. `… report RESULTS.json docs/scale.md docs/scale.svg`
puts the table and the plot in their places.

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

from benchmarks._results import write_between
from wann_core.datasets import database
from wann_core.datasets.dataset import Split
from wann_core.methods.reduction import normalize
from wann_core.neighbors.exact import Flat
from wann_core.neighbors.graph import NeighborGraph

CLASSES, MODES, NOISE, K = 100, 5, 0.2, 51
SAMPLE = 512
FLAT_COST = 2 * 10**9  # distances of a flat search that is timed on a part of its queries
MARKS = "<!-- table -->", "<!-- end of table -->"
COLORS = {"flat": "#0072b2", "auto": "#d55e00", "hnsw": "#009e73"}
NAMES = {"flat": "flat, exact", "auto": "chosen by measurement", "hnsw": "HNSW32"}
_BLOCK = 20_000


def mixture(
    rows: int, columns: int = 256, n_classes: int = CLASSES, noise: float = NOISE
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows as float16, their given and their true labels; fewer rows are the first of more."""
    rng = np.random.default_rng(0)
    scale = (1 + np.arange(columns)) ** -0.65
    turn = np.linalg.qr(rng.standard_normal((columns, columns)))[0].astype(np.float32)
    classes = rng.standard_normal((n_classes, 1, columns))
    centers = (1.5 * classes + rng.standard_normal((n_classes, MODES, columns))) * scale
    X = np.empty((rows, columns), np.float16)
    given, true = np.empty(rows, np.int64), np.empty(rows, np.int64)
    for start in range(0, rows, _BLOCK):
        rng = np.random.default_rng(1 + start)
        y, mode = rng.integers(0, n_classes, _BLOCK), rng.integers(0, MODES, _BLOCK)
        block = centers[y, mode] + rng.standard_normal((_BLOCK, columns), np.float32) * scale
        other = (y + rng.integers(1, n_classes, _BLOCK)) % n_classes
        wrong = rng.random(_BLOCK) < noise
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
    sample = np.random.default_rng(5).choice(rows, SAMPLE, replace=False)
    part = min(rows, max(SAMPLE, FLAT_COST // rows)) if method == "flat" else rows
    if method == "hnsw":
        found = hnsw(X)[sample]
    elif part < rows:  # its time is that of its queries, one by one
        Flat(X).search(X[:part], K, np.arange(part))
        found = None
    else:
        graph = NeighborGraph.build(X, k=K, search=method)
        found = graph.train_ids[sample]
    seconds = (time.perf_counter() - started) * rows / part
    memory = peak()
    product.append(product_seconds(X, min(queries, rows)))
    exact, _ = Flat(X).search(X[sample], K, sample)
    recall = 1.0
    if found is not None:
        recall = np.mean([np.isin(e, f).mean() for e, f in zip(exact, found, strict=True)])
    entry = {
        "rows": rows,
        "columns": columns,
        "method": method,
        "seconds": seconds,
        "products": seconds / (sum(product) / 2),
        "recall": float(recall),
        "part": part,
        "megabytes": memory,
        "before": before,
        "made": method if graph is None else graph.method,
        "claimed": None if graph is None else graph.recall,
        "certified": None if graph is None else graph.certified,
    }
    print(json.dumps(entry))
    known = json.loads(path.read_text()) if path.exists() else []
    path.write_text(json.dumps([*known, entry], indent=1))


def write_database(root: Path, rows: int, columns: int, n_classes: int, noise: float) -> None:
    """The same rows as an embedding database without test rows."""
    X, given, true = mixture(rows, columns, n_classes, noise)
    names = [f"class {c}" for c in range(n_classes)]
    split = Split(X, given, np.arange(rows), true)
    print(database.write(root, "mixture", "synthetic", {"train": split}, names, {}))


def report(entries: list[dict[str, Any]], page: Path, plot: Path) -> None:
    """Put the table between the page's marks, and draw the plot."""
    entries = sorted(entries, key=lambda e: (e["rows"], list(NAMES).index(e["method"])))
    lines = [
        "| rows | search | seconds | × one matrix product | recall | certified | peak memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for e in entries:
        name = NAMES[e["method"]]
        if e["method"] == "auto":
            name = f"chosen: {e['made']}"
        ratio = "" if e["products"] is None else f"{e['products']:.2f}"
        timed = "" if e["part"] == e["rows"] else "†"
        certified = "" if e["certified"] is None else f"{100 * e['certified']:.0f} %"
        lines.append(
            f"| {e['rows']:,} | {name} | {e['seconds']:,.1f}{timed} | {ratio} | "
            f"{int(e['recall'] * 1e5) / 1e5:.5f} | {certified} | {e['megabytes']:,.0f} MiB |"
        )
    write_between(page, MARKS, "\n".join(lines))
    plot.write_text(drawing(entries), encoding="utf-8")


def drawing(entries: list[dict[str, Any]]) -> str:
    """Seconds over rows, both on logarithmic axes, as SVG."""
    width, height, left, right, top, bottom = 640, 400, 64, 170, 16, 48
    rows, seconds = [e["rows"] for e in entries], [e["seconds"] for e in entries]
    low_x, high_x = np.log10(min(rows)), np.log10(max(rows))
    low_y, high_y = np.floor(np.log10(min(seconds))), np.ceil(np.log10(max(seconds)))

    def x(value: float) -> float:
        share = (np.log10(value) - low_x) / (high_x - low_x)
        return float(left + share * (width - left - right))

    def y(value: float) -> float:
        share = (np.log10(value) - low_y) / (high_y - low_y)
        return float(height - bottom - share * (height - top - bottom))

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for power in range(int(low_y), int(high_y) + 1):
        at = y(10.0**power)
        parts.append(
            f'<path d="M{left} {at:.1f}H{width - right}" stroke="#dddddd"/>'
            f'<text x="{left - 8}" y="{at + 4:.1f}" text-anchor="end">{10.0**power:g}</text>'
        )
    for count in sorted(set(rows)):
        parts.append(
            f'<path d="M{x(count):.1f} {top}V{height - bottom}" stroke="#eeeeee"/>'
            f'<text x="{x(count):.1f}" y="{height - bottom + 18}" text-anchor="middle">'
            f"{count:,}</text>"
        )
    parts.append(
        f'<text x="{(left + width - right) / 2}" y="{height - 8}" text-anchor="middle">rows</text>'
        f'<text transform="translate(16 {height / 2}) rotate(-90)" text-anchor="middle">'
        "seconds</text>"
    )
    for method, name in NAMES.items():
        here = [(e["rows"], e["seconds"]) for e in entries if e["method"] == method]
        if not here:
            continue
        color = COLORS[method]
        line = "L".join(f"{x(n):.1f} {y(s):.1f}" for n, s in here)
        dots = "".join(f'<circle cx="{x(n):.1f}" cy="{y(s):.1f}" r="4"/>' for n, s in here)
        parts.append(
            f'<path d="M{line}" fill="none" stroke="{color}" stroke-width="2"/>'
            f'<g fill="{color}">{dots}</g><text x="{x(here[-1][0]) + 10:.1f}" '
            f'y="{y(here[-1][1]) + 4:.1f}" fill="{color}">{name}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


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
    rows.add_argument("--columns", type=int, default=256)
    rows.add_argument("--classes", type=int, default=CLASSES)
    rows.add_argument("--noise", type=float, default=NOISE, help="share of wrong labels")
    reporting = commands.add_parser("report")
    reporting.add_argument("results", type=Path)
    reporting.add_argument("page", type=Path)
    reporting.add_argument("plot", type=Path)
    args = parser.parse_args()
    if args.command == "measure":
        measure(args.results, args.rows, args.method, args.columns)
    elif args.command == "database":
        write_database(args.root, args.rows, args.columns, args.classes, args.noise)
    else:
        entries: list[dict[str, Any]] = json.loads(args.results.read_text())
        report(entries, args.page, args.plot)


if __name__ == "__main__":
    main()
