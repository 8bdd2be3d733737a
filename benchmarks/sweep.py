"""A sweep one run after the other, over threads and over processes, in turn on one machine.

Run `python -m benchmarks.sweep DATABASE_ROOT DATASET BACKBONE` on a database of your own, or
without arguments on made data of 20,000 × 128 rows. Each contestant starts without graphs and
results, in a process of its own; what it takes to start is counted.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks._databases import write_clusters

ROWS, TEST_ROWS = 20_000, 2_000
ROUNDS = 2
CONTESTANTS = ("one by one", "threads", "processes")
PLANS = {
    "votes": """
seed = [1, 2, 3, 4, 5, 6]
method = ["kNN-11", "kNN-51", "ANN", "WANN"]
[[grid]]
num_subsamples = [2000, 5000]
noise_pattern = ["sym", "asym", "instance"]
noise_ratio = [0.2, 0.4]
""",
    "logistic regression": """
seed = [1, 2]
method = ["logreg", "logreg_reliability"]
[[grid]]
num_subsamples = 2000
noise_pattern = "sym"
noise_ratio = [0.2, 0.4]
""",
}


def sweep(plan: Path, contestant: str, root: str, pair: str) -> None:
    """One contestant, in a process of its own."""
    import dataclasses

    from wann_core.experiments.plan_file import read
    from wann_core.experiments.sweep import run_sweep
    from wann_core.paths import DEFAULT_ROOTS

    dataset, backbone = pair.rsplit("/", 1)
    runs = [
        dataclasses.replace(run, dataset=dataset, backbone=backbone)
        for run in read(plan).scenarios()
    ]
    cores = os.cpu_count() or 1
    alone = contestant == CONTESTANTS[0]
    parallel = {} if alone else {"backend": contestant, "n_jobs": cores}
    outcomes = list(run_sweep(runs, DEFAULT_ROOTS.replaced(database_root=root), **parallel))  # type: ignore[arg-type]
    print(len(outcomes), sum(outcome.record["accuracy"] for outcome in outcomes))


def measure(root: Path, pair: str) -> None:
    """Print the best seconds of each, and how much faster it is than one by one."""
    with tempfile.TemporaryDirectory() as name:
        for title, text in PLANS.items():
            plan = Path(name) / "plan.toml"
            plan.write_text(text)
            seconds: dict[str, list[float]] = {one: [] for one in CONTESTANTS}
            sums = set()
            for number in range(ROUNDS):
                for contestant in CONTESTANTS:
                    cache = Path(name) / f"{title} {contestant} {number}"
                    command = [sys.executable, "-m", "benchmarks.sweep", "--one", str(plan)]
                    started = time.perf_counter()
                    done = subprocess.run(
                        [*command, contestant, str(root), pair],
                        check=True,
                        text=True,
                        env=os.environ | {"WANN_CACHE": str(cache)},
                        stdout=subprocess.PIPE,
                    )
                    seconds[contestant].append(time.perf_counter() - started)
                    runs, total = done.stdout.split()
                    sums.add(round(float(total), 9))
            base = min(seconds[CONTESTANTS[0]])
            print(f"{title}: {runs} runs on {os.cpu_count()} cores, same scores: {len(sums) == 1}")
            for contestant, times in seconds.items():
                best = min(times)
                print(f"  {contestant:10} {best:6.1f} s  {base / best:4.2f} times as fast")


def main() -> None:
    """Measure on the database named, or on one that is made."""
    if sys.argv[1:2] == ["--one"]:
        sweep(Path(sys.argv[2]), *sys.argv[3:])
    elif len(sys.argv) == 4:
        measure(Path(sys.argv[1]), f"{sys.argv[2]}/{sys.argv[3]}")
    else:
        with tempfile.TemporaryDirectory() as name:
            write_clusters(Path(name), (ROWS, TEST_ROWS), columns=128, spread=4)
            measure(Path(name), "clusters/gauss")


if __name__ == "__main__":
    main()
