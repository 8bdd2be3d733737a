"""How an audit without a probe grows with the classes: time, memory, estimated wrong labels.

`python -m benchmarks.many_classes [--rows 20000] [--columns 64] [--classes 10 100 1000 10000]`
audits Gaussian classes of which one label in ten is replaced by another, each number of classes in
a process of its own, and prints the processor's seconds as a multiple of those of 100 classes.
"""

import argparse
import resource
import subprocess
import sys
import time

import numpy as np

from wann_core import audit_labels

NOISE, SPREAD = 0.1, 0.5


def measure(rows: int, columns: int, classes: int) -> None:
    """Print true and estimated wrong labels, the range, seconds and peak memory in MiB."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, classes, rows)
    centers = rng.standard_normal((classes, columns), np.float32)
    X = centers[true] + SPREAD * rng.standard_normal((rows, columns), np.float32)
    other = (true + rng.integers(1, classes, rows)) % classes
    given = np.where(rng.random(rows) < NOISE, other, true)
    audit_labels(X[:200], given[:200] % 2, probe=False)  # compiled kernels are loaded
    started = time.process_time()
    found = audit_labels(X, given, class_names=[str(c) for c in range(classes)], probe=False)
    seconds = time.process_time() - started
    noise, peak = found.noise, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1024 if sys.platform == "darwin" else 1
    print((given != true).sum(), noise.count, noise.low, noise.high, seconds, peak / unit / 1024)


def main() -> None:
    """Measure each number of classes in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--columns", type=int, default=64)
    parser.add_argument("--classes", type=int, nargs="+", default=[100, 10, 1_000, 10_000])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one is not None:
        measure(args.rows, args.columns, args.one)
        return
    print("classes  wrong  estimated  from  to  seconds  of the first  MiB")
    first = None
    for classes in args.classes:
        options = ["--rows", str(args.rows), "--columns", str(args.columns), "--one", str(classes)]
        command = [sys.executable, "-m", "benchmarks.many_classes", *options]
        line = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        seconds = float(line[4])
        first = first or seconds
        counts = "  ".join(f"{int(n):,}" for n in line[:4])
        print(f"{classes:,}  {counts}  {seconds:.1f}  {seconds / first:.2f}  {float(line[5]):,.0f}")


if __name__ == "__main__":
    main()
