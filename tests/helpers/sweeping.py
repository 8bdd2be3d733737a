"""Runs a small sweep in a process of its own, for tests that kill it: see `test_sweep_run`."""

import sys

from wann_core.experiments.plan_file import read
from wann_core.experiments.sweep import run_sweep


def main() -> None:
    """Run the plan; a line for each run that this process made."""
    backend = {"backend": sys.argv[2], "n_jobs": 2} if len(sys.argv) > 2 else {}
    for outcome in run_sweep(read(sys.argv[1]).scenarios(), **backend):  # type: ignore[arg-type]
        print("stored" if "stored_at" in outcome.record else "ran", flush=True)


if __name__ == "__main__":
    main()
