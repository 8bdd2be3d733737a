"""A noise curve of 9 ratios × 4 methods × 5 seeds, after its graph was built.

Run `python -m benchmarks.curve DATABASE_ROOT DATASET BACKBONE` on a database of your own, or
without arguments on made data of 50,000 × 128 rows in 10 classes.
"""

import time
from pathlib import Path

from benchmarks._databases import named_or_made
from benchmarks.slider import make_database
from wann_core import Scenario, grid, prepare, run_all
from wann_core.methods.registry import BASELINES

RATIOS = [step / 10 for step in range(9)]
SEEDS = range(5)


def measure(root: Path, dataset: str, backbone: str) -> None:
    """Print seconds for each noise pattern."""
    for pattern in ("sym", "asym", "instance", "similar"):
        base = Scenario(dataset, backbone, noise_pattern=pattern, draw="exact")
        prepared = prepare(base, database_root=root)
        cases = grid(base, "noise_ratio", RATIOS, BASELINES, SEEDS)
        started = time.perf_counter()
        runs = sum(1 for _ in run_all(cases, database_root=root))
        seconds = time.perf_counter() - started
        rows = f"{len(prepared.labels):,} + {len(prepared.y_test):,} rows"
        print(f"{dataset}, {rows}, {pattern:9} {runs} runs in {seconds:6.1f} s")


def main() -> None:
    """Measure on the database named, or on one that is made."""
    named_or_made(measure, make_database)


if __name__ == "__main__":
    main()
