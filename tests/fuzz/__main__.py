"""`python -m tests.fuzz --inputs N`: damaged files of every format, loaded or refused by name."""

import argparse
import resource
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

from tests.fuzz.formats import FORMATS
from tests.fuzz.run import fuzz


def main() -> int:
    """Print a line a format; the status is 1 if there was any other outcome."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=2000, help="of each format")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--format", choices=FORMATS, action="append", help="by default all")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for name in args.format or FORMATS:
            started = time.perf_counter()
            found = list(fuzz(name, args.inputs, args.seed, Path(folder)))
            counts = Counter(o if o in ("loaded", "refused") else "other" for o, *_ in found)
            slowest = max((seconds for _, seconds, _ in found), default=0.0)
            took = time.perf_counter() - started
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
            print(
                f"{name}: {dict(counts)}, slowest {slowest:.2f} s, {took:.0f} s in all, "
                f"peak memory of all so far {peak:,} MiB",
                flush=True,
            )
            for outcome, _, number in found:
                if outcome not in ("loaded", "refused"):
                    print(f"  seed {args.seed}, input {number}: {outcome[:300]}")
            failed |= counts["other"] > 0 or slowest > 10
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
