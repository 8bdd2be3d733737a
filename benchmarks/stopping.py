"""Whether the outlook of a review comes true: a reviewer who knows reads down CIFAR-10's ranking.

Run `python -m benchmarks.stopping DATABASE_ROOT DATASET_ROOT [--only NAME …]`; the rows are those
of `benchmarks.audit_all`, ranked without a probe. The search takes minutes once.
"""

import argparse

import numpy as np
import pandas as pd

from benchmarks.audit_all import ROWS, load
from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.judging.neighbor_votes import NEIGHBORS
from wann_core.audit.label_audit import judge
from wann_core.audit.reviewing.known_flips import known_flips
from wann_core.audit.reviewing.stopping import error_rates, outlook
from wann_core.neighbors.cache import neighbor_graph

DEPTHS = (0, 50, 200, 500, 1000, 2000, 3000, 5000, 8000, 12_000, 20_000)
AHEAD, LEAST = 200, 20


def measure(row: str, roots: tuple[str, str]) -> pd.DataFrame:
    """Errors among the next rows at each depth, as they came and as they were foreseen."""
    rows, true = load(row, roots)
    graph = neighbor_graph(rows.X, None, NEIGHBORS)
    found = judge(rows, Evidence(graph, rows.labels, 10), "neighbors")
    ranked = found.ranked()
    wrong = (rows.labels != true)[ranked.index]
    flips = known_flips(found, scores=["neighbors"])
    lines = []
    for source, rates in (
        ("posterior", error_rates(found)),
        ("known flips", error_rates(found, flips)),
    ):
        for depth in DEPTHS:
            action = np.where(wrong[:depth], "remove", "keep")
            read = ranked.head(depth)[["split", "row"]].assign(action=action)
            ahead = outlook(ranked, rates, read, ahead=AHEAD, least=LEAST)
            came = int(wrong[depth : depth + AHEAD].sum())
            lines.append((row, source, depth, came, ahead.expected, ahead.low, ahead.high))
    names = ["labels", "estimate", "read", "came", "expected", "low", "high"]
    return pd.DataFrame(lines, columns=names)


def main() -> None:
    """Print the tables and how often the range held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database_root")
    parser.add_argument("dataset_root")
    parser.add_argument("--only", nargs="*", choices=ROWS, default=ROWS)
    args = parser.parse_args()
    for row in args.only:
        table = measure(row, (args.database_root, args.dataset_root))
        held = table["came"].between(table["low"], table["high"])
        print(table.round(1).to_string(index=False))
        print(held.groupby(table["estimate"]).agg(["sum", "size"]).to_string(), flush=True)


if __name__ == "__main__":
    main()
