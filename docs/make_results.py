"""Measure every method under two backbones and on MNIST, and write the tables of docs/results.md.

Run `python -m docs.make_results DATABASE_ROOT DATASET_ROOT --results FILE.jsonl`. The file keeps,
for each run, which test rows were right: a script that was stopped goes on where it was, and
differences are paired. `--write` puts the tables between the page's marks; `--most N` stops after
N conditions.

Rows and draws are those of the seeds in `SEEDS`. Everything that is fitted is measured on 5,000
training rows, the votes of neighbors also on all of them.
"""

import argparse
import base64
import dataclasses
import itertools
import runpy
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks._results import arguments, keep, kept, write_between
from docs.results_tables import TABLES
from wann_core import ProbeSettings, Scenario, run_all
from wann_core.methods.registry import BASELINES
from wann_core.paths import Roots
from wann_core.typing import Array

PAGE = Path(__file__).with_name("results.md")
NEIGHBOR_METHODS = Path(__file__).parents[1] / "examples" / "neighbor_methods.py"
SEEDS = (0, 1, 2)
SOURCES = (
    ("cifar10", "tiny-darknet"),
    ("cifar10", "efficientnet-lite0-blocks"),
    ("mnist", "pixels"),
)
SOME_ROWS = 5000
METHODS = (
    *BASELINES,
    "distance-kNN",
    "ce",
    "gce",
    "co_teaching",
    "logreg",
    "logreg_reliability",
    "logreg_posterior",
)
NOISE: dict[str, dict[str, Any]] = {
    "clean": {},
    **{
        f"{pattern} {ratio}": {"noise_pattern": pattern, "noise_ratio": ratio}
        for pattern, ratio in (
            ("sym", 0.2),
            ("sym", 0.4),
            ("sym", 0.6),
            ("asym", 0.2),
            ("asym", 0.4),
            ("instance", 0.2),
            ("instance", 0.4),
        )
    },
}
HUMAN = {"aggre": "aggre_label", "random1": "random_label1", "worse": "worse_label"}
# The last class has a hundredth of the first one's rows.
TAIL = {f"tail, {name}": {"imbalance_ratio": 0.01, **NOISE[name]} for name in ("clean", "sym 0.4")}
FITTED = ("clean", "sym 0.2", "sym 0.4", "sym 0.6", "asym 0.4", "instance 0.4")
# Which labels at which number of training rows; `None` is all rows.
SIZES = {
    "5,000": (SOME_ROWS, (*FITTED, "aggre", "worse", "tail, sym 0.4"), METHODS),
    "500": (500, ("clean", "sym 0.4", "worse"), METHODS),
    "all": (None, (*NOISE, *HUMAN, *TAIL), BASELINES),
}
# MNIST stands for an easy data set.
OF_MNIST = ("clean", "sym 0.4", "asym 0.4")


class Condition(NamedTuple):
    """What is measured: where, on how many rows, under which labels."""

    source: tuple[str, str]
    rows: str
    labels: str
    scenario: Scenario
    methods: tuple[str, ...]


def conditions() -> Iterator[Condition]:
    """All conditions, the backbones side by side."""
    for rows, (count, names, methods) in SIZES.items():
        for name, source in itertools.product(names, SOURCES):
            if source[0] != "mnist" or (rows == "5,000" and name in OF_MNIST):
                yield Condition(source, rows, name, scenario_of(source, count, name), methods)


def scenario_of(source: tuple[str, str], rows: int | None, labels: str) -> Scenario:
    """The scenario of a condition, its method left open."""
    dataset, backbone = source
    if labels in HUMAN:
        dataset = f"{dataset}-n/{HUMAN[labels]}"
    changes = {**NOISE, **TAIL}.get(labels, {})
    # The published settings hardly move a probe of few rows.
    probe = ProbeSettings() if rows is None else ProbeSettings.suited_to(rows)
    return Scenario(dataset, backbone, num_subsamples=rows, probe=probe, **changes)


def measure(condition: Condition, results: list[dict[str, Any]], path: Path, roots: Roots) -> None:
    """Run what is lacking of a condition, and keep it."""
    place = {
        "data": condition.source[0],
        "backbone": condition.source[1],
        "rows": condition.rows,
        "labels": condition.labels,
    }
    known = {
        (found["seed"], found["method"])
        for found in results
        if all(found[key] == value for key, value in place.items())
    }
    for seed in SEEDS:
        base = dataclasses.replace(condition.scenario, seed=seed)
        # Seeds that change nothing are one run.
        todo = [
            scenario
            for method in condition.methods
            if (seed, method) not in known
            and ((scenario := base.with_method(method)).is_drawn or seed == SEEDS[0])
        ]
        started = time.monotonic()
        for scenario, report in zip(todo, run_all(todo, roots), strict=True):
            right = report.predictions == report.prepared.y_test
            found = {
                **place,
                "seed": seed,
                "method": scenario.method_name,
                "wrong": float(report.prepared.noise_ratio),
                "train_rows": len(report.prepared.labels),
                "test_rows": len(right),
                "right": base64.b85encode(np.packbits(right).tobytes()).decode(),
                "seconds": float(report.seconds),
            }
            results.append(keep(path, found))
            print(
                f"{' '.join(place.values())} seed {seed} {scenario.method_name}: "
                f"{100 * right.mean():.2f} ({time.monotonic() - started:.0f} s)",
                file=sys.stderr,
                flush=True,
            )


def rights(found: dict[str, Any]) -> Array:
    """Which test rows a kept run got right, shape (m,), bool."""
    bits = np.frombuffer(base64.b85decode(found["right"]), np.uint8)
    return np.unpackbits(bits)[: found["test_rows"]].astype(bool)


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = arguments(__doc__, page=False)
    parser.add_argument("--write", action="store_true", help="write the tables into the page")
    parser.add_argument("--sizes", nargs="+", default=["5,000", "500", "all"], metavar="ROWS")
    return parser.parse_args()


def main() -> None:
    """Measure what is lacking, and print or write the tables."""
    args = parsed()
    runpy.run_path(str(NEIGHBOR_METHODS))
    results = kept(args.results)
    roots = Roots(Path(args.database_root), Path(args.dataset_root))
    for condition in itertools.islice(
        (one for one in conditions() if one.rows in args.sizes), args.most
    ):
        measure(condition, results, args.results, roots)
    # A file may hold conditions and methods of an earlier version.
    runs = [
        {**found, "right": rights(found)}
        for found in results
        if found["labels"] in SIZES[found["rows"]][1] and found["method"] in METHODS
    ]
    for name, make in TABLES.items():
        text = make(runs)
        print(f"{name}\n\n{text}\n")
        if args.write:
            write_between(PAGE, (f"<!-- {name} -->", f"<!-- end of {name} -->"), text)


if __name__ == "__main__":
    main()
