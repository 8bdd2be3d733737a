"""WANN and ANN under 100 pairs of bounds from one graph, beside 100 separate runs.

Run `python -m benchmarks.k_bounds DATABASE_ROOT DATASET BACKBONE` on a database of your own, or
without arguments on made data of 50,000 + 10,000 rows × 128 in 10 classes. The graph exists before
either clock starts. The separate runs are `prepare` and `classify` of both methods, as a sweep over
the bounds would call them. Both give the same accuracies, or this fails.
"""

import dataclasses
import itertools
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks._databases import named_or_made
from benchmarks.slider import make_database
from wann_core import Scenario, classify, prepare
from wann_core.experiments.k_grid import METHODS, k_grid

K_MINS, K_MAXS = range(1, 21, 2), range(33, 53, 2)  # 100 pairs
ALL = range(1, 52, 2)  # 351 pairs: whatever the sidebar can set
REPEATS = 3

Accuracies = dict[tuple[str, int, int], float]


def separate(root: Path, base: Scenario) -> Accuracies:
    """Accuracy of each method and pair, one run after the other."""
    found = {}
    for k_min, k_max in itertools.product(K_MINS, K_MAXS):
        asked = dataclasses.replace(base, k_min=k_min, k_max=k_max)
        prepared = prepare(asked, database_root=root)
        for method in METHODS:
            report = classify(prepared, asked.with_method(method))
            found[method, k_min, k_max] = report.metrics.accuracy
    return found


def at_once(root: Path, base: Scenario, k_mins: range, k_maxs: range) -> Accuracies:
    """The same from one grid."""
    table = k_grid(prepare(base, database_root=root), k_mins, k_maxs).bounds
    keys = zip(table["method_name"], table["k_min"], table["k_max"], strict=True)
    return dict(zip(keys, table["accuracy"], strict=True))


def fastest(work: Callable[[], Accuracies]) -> tuple[float, Accuracies]:
    """Seconds of the fastest of a few calls, and the answer."""
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        answer = work()
        seconds.append(time.perf_counter() - started)
    return min(seconds), answer


def measure(root: Path, dataset: str, backbone: str) -> None:
    """Print seconds and their ratio."""
    base = Scenario(dataset, backbone, noise_pattern="sym", noise_ratio=0.4, draw="exact")
    prepared = prepare(base, database_root=root)
    rows = f"{len(prepared.labels):,} + {len(prepared.y_test):,} rows"
    alone, expected = fastest(lambda: separate(root, base))
    together, found = fastest(lambda: at_once(root, base, K_MINS, K_MAXS))
    if found != expected:
        raise SystemExit("the grid and the separate runs disagree")
    every, _ = fastest(lambda: at_once(root, base, ALL, ALL))
    print(f"{dataset}, {rows}, fastest of {REPEATS}, WANN and ANN, equal accuracies")
    print(f"100 pairs, separate runs {alone:8.2f} s")
    print(f"100 pairs, one grid      {together:8.2f} s   {alone / together:.1f} times as fast")
    print(f"351 pairs, one grid      {every:8.2f} s")


def main() -> None:
    """Measure on the database named, or on one that is made."""
    named_or_made(measure, make_database)


if __name__ == "__main__":
    main()
