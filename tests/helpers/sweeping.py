"""A small sweep in a process of its own, for a test that kills it: see `test_sweep`."""

from multiprocessing.connection import Connection
from pathlib import Path

from wann_core.experiments.plan_file import read
from wann_core.experiments.sweep import run_sweep


def sweep(sender: Connection, plan: Path, backend: str) -> None:
    """Run the plan; a word for each run that this process made."""
    for outcome in run_sweep(read(plan).scenarios(), backend=backend, n_jobs=2):
        sender.send("stored" if "stored_at" in outcome.record else "ran")
