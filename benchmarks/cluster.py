"""An audit of partitions on a cluster of processes: seconds of each step, and memory.

`python -m benchmarks.cluster ROWS [--columns 256] [--partitions 8] [--workers 2] [--memory 1GiB]`
writes the rows of `benchmarks.scale` as Parquet to a temporary folder and audits them on that many
processes of one thread each; what exceeds their memory is spilled to disk, which is counted.
`--kill` kills one of them once half of the search is done.
"""

import argparse
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from distributed import Client, LocalCluster

from benchmarks.scale import mixture
from wann_core.audit.sharded.run import audit_partitions
from wann_core.datasets.tables import Columns

SEARCHES = ("searching neighbors in other groups", "searching neighbors, ")


def peak() -> float:
    """Peak resident memory of the process that runs this, MiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def used() -> float:
    """Seconds of the processor that this process has used."""
    return time.process_time()


def write(folder: Path, rows: int, columns: int, partitions: int) -> Iterator[int]:
    """Write the partitions; yields the wrong labels of each."""
    X, given, true = mixture(rows, columns)
    for number in range(partitions):
        part = slice(rows * number // partitions, rows * (number + 1) // partitions)
        flat = pa.array(X[part].ravel().astype("float32"))
        table = pa.table(
            {
                "embedding": pa.FixedSizeListArray.from_arrays(flat, columns),
                "label": pa.array([f"class {c}" for c in given[part].tolist()]),
            }
        )
        pq.write_table(table, folder / f"part-{number:04d}.parquet")
        yield int((given[part] != true[part]).sum())


class Steps:
    """Seconds of each step by the clock and of the workers' processors, and bytes on disk."""

    def __init__(self, client: Client, kill: bool) -> None:
        self.client, self.kill = client, kill
        self.spilled, self.text = 0.0, "compiled kernels"
        self.since, self.used = time.perf_counter(), dict[str, float]()

    def __call__(self, done: float, total: float, text: str) -> None:
        """Receive a report, as a progress callback does."""
        workers = self.client.scheduler_info(n_workers=-1)["workers"].values()
        disk = sum(w["metrics"].get("spilled_bytes", {}).get("disk", 0) for w in workers)
        self.spilled = max(self.spilled, disk)
        if text != self.text:
            self.close()
            self.text = text
        if self.kill and text.startswith(SEARCHES) and 2 * done >= total:
            self.kill = False
            victim = min(self.client.run(os.getpid).values())
            os.kill(victim, signal.SIGKILL)
            print(f"killed a worker after {done:g} of {total:g} parts of the search", flush=True)

    def close(self) -> None:
        """Print the step that ends."""
        # A worker that was just killed does not answer, and another one takes its place.
        by_worker = self.client.run(used, on_error="ignore")
        cpu = sum(now - self.used.get(worker, 0.0) for worker, now in by_worker.items())
        wall = time.perf_counter() - self.since
        print(f"{self.text:55} {wall:8.1f} s {cpu:8.1f} s of the processor", flush=True)
        self.since, self.used = time.perf_counter(), by_worker


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int)
    parser.add_argument("--columns", type=int, default=256)
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--memory", default="1GiB")
    parser.add_argument("--kill", action="store_true")
    args = parser.parse_args()
    # Threads of BLAS and kernels share the machine as the workers do.
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rows").mkdir()
        wrong = sum(write(folder / "rows", args.rows, args.columns, args.partitions))
        with (
            LocalCluster(
                args.workers,
                processes=True,
                threads_per_worker=1,
                memory_limit=args.memory,
                local_directory=name,
                dashboard_address=":0",
            ) as cluster,
            Client(cluster) as client,
        ):
            steps = Steps(client, args.kill)
            before = peak()
            started = time.perf_counter()
            found = audit_partitions(
                client,
                str(folder / "rows"),
                Columns(embeddings=("embedding",), label="label"),
                str(folder / "out"),
                progress=steps,
            ).summary
            steps.close()
            seconds = time.perf_counter() - started
            peaks = ", ".join(f"{mib:,.0f}" for mib in client.run(peak).values())
        print(f"{args.rows:,} × {args.columns}: {seconds:.0f} s; {found['search']}")
        print(f"{found['wrong']:,} estimated ({found['wrong_low']:,} to {found['wrong_high']:,})")
        print(f"{wrong:,} are wrong; peak MiB of the workers {peaks}; of the client's process, ")
        print(f"{before:,.0f} before and {peak():,.0f} after; spilled {steps.spilled / 2**20:,.0f}")


if __name__ == "__main__":
    main()
