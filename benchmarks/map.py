"""UMAP of the neighbor graph that is there, beside UMAP that searches for itself.

Run `python -m benchmarks.map [rows] [--dataset …] [--backbone …]` (default: 10,000 rows of the
embedding database cifar10/tiny-darknet under WANN_DATABASE_ROOT; a few minutes). Both are fitted in
one run on the same rows, compiled before, with one thread as their seed demands. Trustworthiness is
that of the 15 nearest in the plane (Venna and Kaski, 2001), on a sample of the rows.
"""

import argparse
import contextlib
import io
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import plotly.graph_objects as go
from sklearn.manifold import trustworthiness

from ui.explore.map import figures, views
from wann_core import Scenario, prepare
from wann_core.experiments.prepared import PreparedData
from wann_core.explore import map, point_values, umap_process
from wann_core.explore.map import Layout

SAMPLE = 5_000
REPEATS = 3
FIGURE_ROWS = 50_000
COLORS = ("observed", "flipped", "reliability", "density")


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Wall seconds of one call, and its result."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def payload(prepared: PreparedData, color: str) -> float:
    """Megabytes of the map's figure for 50,000 rows, existing ones repeated if need be."""
    at = np.resize(np.arange(len(prepared.labels)), FIGURE_ROWS)
    xy = np.random.default_rng(0).normal(size=(FIGURE_ROWS, 2)).astype(np.float32)
    ends = (float(xy.min()), float(xy.max()))
    values = at if color == "density" else point_values.values(prepared, "train", color)
    places = np.arange(FIGURE_ROWS, dtype=np.int32)
    points = views.Points(
        places,
        places,
        xy,
        prepared.labels[at],
        values[at],
        FIGURE_ROWS,
        (ends[0], ends[0], ends[1] - ends[0]),
        (*ends, *ends),
    )
    figure = figures.figure(points, color, prepared, np.empty(0, np.int64), 0)
    return len(go.Figure(figure).to_json()) / 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="?", default=10_000)
    parser.add_argument("--dataset", default="cifar10")
    parser.add_argument("--backbone", default="tiny-darknet")
    args = parser.parse_args()
    root = os.environ.get("WANN_DATABASE_ROOT", "database")
    scenario = Scenario(
        args.dataset, args.backbone, num_subsamples=args.rows, noise_pattern="sym", noise_ratio=0.4
    )
    search, prepared = timed(lambda: prepare(scenario, database_root=root))
    X, graph = prepared.X_train, prepared.graph
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)
        import umap

    def alone(rows: np.ndarray) -> Any:
        return umap.UMAP(random_state=42, n_jobs=1).fit_transform(rows)

    parts = map._parts(graph)
    start_seconds, start = timed(lambda: map.pca_map(X, prepared.X_test).train)

    def given() -> Any:
        first = map._spread(start)
        with contextlib.redirect_stdout(io.StringIO()):  # its epochs
            train = umap_process.fit(parts["ids"], parts["distances"], first, 42)
        umap_process.place(train, parts["test_ids"], parts["test_distances"])
        return train

    # Compiled, ours first, which takes from the disk what is there; also for more rows than UMAP
    # searches by brute force.
    given()
    alone(X[:5_000])
    own, theirs = [], []
    for _ in range(REPEATS if args.rows <= 10_000 else 1):  # in turns: load falls on both alike
        own.append(timed(given))
        theirs.append(timed(lambda: alone(X)))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WANN_CACHE"] = folder
        whole, made = timed(lambda: map.umap_map(graph, start))
        again, _ = timed(lambda: map.umap_map(graph, start))
    assert isinstance(made, Layout)
    assert np.array_equal(made.train, own[0][1])

    some = np.random.default_rng(0).choice(len(X), min(SAMPLE, len(X)), replace=False)

    def trust(positions: np.ndarray) -> float:
        return float(trustworthiness(X[some], positions[some], n_neighbors=15))

    fit = statistics.median(seconds for seconds, _ in own)
    other = statistics.median(seconds for seconds, _ in theirs)
    print(f"{args.dataset}/{args.backbone}, {len(X):,} rows × {X.shape[1]}, 2-D, seed 42")
    print(f"loading, graph of 51 neighbors   {search:8.2f} s   made for the votes in any case")
    print(f"PCA                               {start_seconds:8.2f} s   trust {trust(start):.4f}")
    print(f"UMAP of the graph, test rows too  {fit:8.2f} s   trust {trust(own[0][1]):.4f}")
    print(f"UMAP alone, no test rows          {other:8.2f} s   trust {trust(theirs[0][1]):.4f}")
    print(f"ratio                             {fit / other:8.2f}")
    print(f"in a process of its own, cold     {whole:8.2f} s   (imports, compiles, fits)")
    print(f"from the disk                     {1000 * again:8.2f} ms")
    for color in COLORS:
        size = payload(prepared, color)
        print(f"figure of {FIGURE_ROWS:,} points       {size:8.2f} MB  by {color}")


if __name__ == "__main__":
    main()
