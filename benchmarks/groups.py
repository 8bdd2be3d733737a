"""How many wrong labels the audit estimates where whole groups are labeled, and what groups cost.

Run `python -m benchmarks.groups`, which draws made-up patients of several rows each, labels some of
them wrong as a whole, and prints a table; with `--write docs/audit_measured.md` it goes between
that page's marks. `--seconds ROWS` times the audit with and without groups instead, without a
probe, on rows of the database that `--database_root` holds (CIFAR-10 under tiny-darknet), ten rows
a group.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._results import show
from wann_core import datasets
from wann_core.audit import audit_labels

MARKS = "<!-- groups -->", "<!-- end of groups -->"
SEEDS = 6
# Groups, rows in each, classes, wrong groups, where these go, and how far apart groups of a class.
CASES: tuple[dict[str, Any], ...] = (
    {"groups": 40, "rows": 60, "classes": 4, "wrong": 4},
    {"groups": 100, "rows": 20, "classes": 4, "wrong": 0},
    {"groups": 100, "rows": 20, "classes": 4, "wrong": 10},
    {"groups": 100, "rows": 20, "classes": 5, "wrong": 5, "apart": 1.5},
    {"groups": 300, "rows": 10, "classes": 4, "wrong": 60, "to": "any"},
    {"groups": 300, "rows": 6, "classes": 10, "wrong": 15, "to": "any"},
    {"groups": 60, "rows": 20, "classes": 4, "wrong": 0, "apart": 1.5},
    {"groups": 60, "rows": 20, "classes": 4, "wrong": 3, "apart": 1.5},
    {"groups": 200, "rows": 12, "classes": 2, "wrong": 20},
    {"groups": 100, "rows": 20, "classes": 4, "wrong": 30, "to": "any"},
    {"groups": 100, "rows": 20, "classes": 4, "wrong": 30},
)


def patients(
    seed: int,
    groups: int,
    rows: int,
    classes: int,
    wrong: int,
    to: str = "next",
    apart: float = 1.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows, given labels, groups, and which labels are wrong."""
    rng = np.random.RandomState(seed)
    label = np.arange(groups) % classes
    centers = 1.2 * rng.randn(classes, 16)
    person = centers[label] + apart * rng.randn(groups, 16)
    patient = np.repeat(np.arange(groups), rows)
    X = (person[patient] + 0.3 * rng.randn(len(patient), 16)).astype(np.float32)
    shift = rng.randint(1, classes, groups) if to == "any" else np.ones(groups, np.int64)
    bad = np.isin(np.arange(groups), rng.permutation(groups)[:wrong])
    given = np.where(bad, (label + shift) % classes, label)
    return X, given[patient], patient, bad[patient]


def table() -> str:
    """Markdown: each kind of case with and without a probe, then how often the range held."""
    lines = [
        "| groups × rows | classes | wrong rows | go to | probe | estimate, mean "
        "(smallest to largest) | range holds the truth | wrong among as many first |",
        "|---|---|---|---|---|---|---|---|",
    ]
    held_all, off_all = [], []
    for case in CASES:
        for probe in (False, True):
            counts, held, first = [], [], []
            for seed in range(SEEDS):
                X, given, patient, wrong = patients(seed, **case)
                found = audit_labels(X, given, groups=patient, probe=probe)
                n, noise = int(wrong.sum()), found.noise
                counts.append(noise.count)
                held.append(noise.low <= n <= noise.high)
                off_all.append((noise.count - n) / noise.rows)
                first.append(wrong[found.issues.index[:n]].mean() if n else np.nan)
            held_all += held
            hits = f"{100 * np.mean(first):.0f} %" if n else "–"
            lines.append(
                f"| {case['groups']} × {case['rows']} | {case['classes']} | {n} "
                f"| {case.get('to', 'next')} | {'yes' if probe else 'no'} | {np.mean(counts):.0f} "
                f"({min(counts)} to {max(counts)}) | {sum(held)} of {SEEDS} | {hits} |"
            )
    lines += [
        "",
        f"All {len(held_all)}: the range holds the truth in {100 * np.mean(held_all):.0f} %, the "
        f"estimate is off by {100 * np.mean(off_all):+.1f} percentage points in the mean and by "
        f"{100 * np.abs(off_all).mean():.1f} by its absolute value.",
    ]
    return "\n".join(lines)


def seconds(rows: int, database_root: str) -> str:
    """Seconds of the audit with and without groups, the better of two turns each."""
    split = datasets.load("cifar10", "tiny-darknet", database_root, "none").train
    X, y = split.X[:rows], split.y[:rows]
    groups = np.arange(rows) // 10
    best = {"without": np.inf, "with": np.inf}
    for _ in range(2):
        for name, codes in (("without", None), ("with", groups)):
            # Other rows in each turn, so that no graph is taken from a cache.
            shifted = (X + np.float32(np.random.RandomState(time.time_ns() % 2**32).rand())).copy()
            started = time.perf_counter()
            audit_labels(shifted, y, groups=codes, probe=False)
            best[name] = min(best[name], time.perf_counter() - started)
    ratio = best["with"] / best["without"]
    return (
        f"{rows:,} rows: {best['without']:.1f} s without, {best['with']:.1f} s with ({ratio:.2f})"
    )


def main() -> None:
    """Print the table or the seconds, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--seconds", type=int, metavar="ROWS")
    parser.add_argument("--database_root", default="data/database")
    args = parser.parse_args()
    if args.seconds:
        print(seconds(args.seconds, args.database_root))
        return
    show(table(), args.write, MARKS)


if __name__ == "__main__":
    main()
