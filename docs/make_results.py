"""Writes docs/results.md: every method on one data set under clean, injected and human label noise.

Run `python -m docs.make_results DATABASE_ROOT DATASET_ROOT [--dataset cifar10] [--backbone NAME]`.
Runs are kept in the results store, so that a script that was stopped goes on where it was.
"""

import argparse
import dataclasses
import sys
import time
from pathlib import Path

import pandas as pd

from wann_core import Scenario, run_all
from wann_core.experiments.records import report_record
from wann_core.experiments.store import ResultsStore
from wann_core.methods.metrics import wilson_interval
from wann_core.paths import Roots

OUTPUT = Path(__file__).with_name("results.md")
SEEDS = (0, 1, 2)
METHODS = (
    "kNN-11",
    "kNN-51",
    "ANN",
    "WANN",
    "ce",
    "gce",
    "elr",
    "anl_ce",
    "logreg",
    "logreg_reliability",
    "logreg_clean",
)
INJECTED = (
    ("clean", None, 0.0),
    ("sym 0.2", "sym", 0.2),
    ("sym 0.4", "sym", 0.4),
    ("sym 0.6", "sym", 0.6),
    ("asym 0.2", "asym", 0.2),
    ("asym 0.4", "asym", 0.4),
    ("instance 0.4", "instance", 0.4),
)
HUMAN = (("aggre", "aggre_label"), ("random1", "random_label1"), ("worse", "worse_label"))

TEXT = """# Results

Accuracy on the {test_rows:,} test rows in percent, mean ± standard deviation over {seeds} seeds;
data set {dataset}, backbone {backbone}, {train_rows:,} training rows. **Bold**: the best mean of a
line, and what a test set of this size cannot tell from it (within the lower half of its 95 %
interval).

{table}

{wins}

Seconds a run on {cores} cores ({machine}), the neighbor graph not counted; probes of a condition
train together, and each counts its share:

{seconds}

- kNN, ANN, WANN: z-scored embeddings, adaptive k within 11..51. Noise draws as published.
- ce, gce, elr, anl_ce: linear probes as published (Adam 1e-4, batch 128, at most 100 epochs,
  patience 5 on noisy validation labels, 15 % of the rows held out for them).
- logreg: multinomial logistic regression on all rows, C by cross-validation on noisy labels;
  logreg_reliability weights rows by 1 / adaptive k, logreg_clean drops rows with adaptive k = 51.
- Lines named 10N are human labels (CIFAR-10N). Where nothing is drawn, votes and logistic
  regression do not vary.
- One small backbone; with another the order may differ.

Written by `python -m docs.make_results`.
"""


def conditions(dataset: str, backbone: str) -> dict[str, Scenario]:
    """Scenarios by the name of their line."""
    made = {
        name: Scenario(dataset, backbone, noise_pattern=pattern, noise_ratio=ratio)
        for name, pattern, ratio in INJECTED
    }
    human = {f"10N {name}": Scenario(f"{dataset}-n/{column}", backbone) for name, column in HUMAN}
    return {**made, **human}


def measure(base: Scenario, roots: Roots) -> pd.DataFrame:
    """Records of every method and seed, from the results store as far as they are there."""
    store = ResultsStore()
    cases = [
        dataclasses.replace(base, seed=seed).with_method(method)
        for method in METHODS
        for seed in SEEDS
    ]
    # Seeds that change nothing are one run.
    todo = [c for c in dict.fromkeys(c.canonical() for c in cases) if not store.find([c], roots)]
    started = time.monotonic()
    for scenario, report in zip(todo, run_all(todo, roots), strict=True):
        store.add([(scenario, report_record(report))], source="results", roots=roots)
        print(
            f"{base.dataset} {base.noise_pattern} {base.noise_ratio} {scenario.method_name} "
            f"seed {scenario.seed}: {100 * report.metrics.accuracy:.2f} "
            f"({time.monotonic() - started:.0f} s)",
            file=sys.stderr,
            flush=True,
        )
    found = store.find(cases, roots)
    return pd.DataFrame([found[case] for case in cases])


def write(records: pd.DataFrame, dataset: str, backbone: str, machine: str, cores: int) -> str:
    """The page's text."""
    grouped = records.groupby(["condition", "method_name"], sort=False)["accuracy"]
    means, spreads = 100 * grouped.mean(), 100 * grouped.std()
    lines = ["| labels | wrong | " + " | ".join(METHODS) + " |", "|---" * (len(METHODS) + 2) + "|"]
    wins: dict[str, int] = dict.fromkeys(METHODS, 0)
    test_rows = int(records["test_rows"].iloc[0])
    for condition, rows in records.groupby("condition", sort=False):
        best = means[condition].max()
        low, _ = wilson_interval(best / 100 * test_rows, test_rows)
        cells = [str(condition), f"{100 * rows['realised_noise'].mean():.1f} %"]
        for method in METHODS:
            mean, spread = means[condition, method], spreads[condition, method]
            text = f"{mean:.1f} ± {spread:.1f}" if spread > 0 else f"{mean:.1f}"
            cells.append(f"**{text}**" if mean >= 100 * low else text)
            wins[method] += mean >= 100 * low
        lines.append("| " + " | ".join(cells) + " |")
    winners = sorted((m for m in METHODS if wins[m]), key=lambda m: -wins[m])
    said = ", ".join(f"{m} {wins[m]}" for m in winners)
    seconds = records.groupby("method_name", sort=False)["vote_seconds"].median()
    times = ["| " + " | ".join(METHODS) + " |", "|---" * len(METHODS) + "|"]
    times.append("| " + " | ".join(f"{seconds[m]:.2g}" for m in METHODS) + " |")
    return TEXT.format(
        test_rows=test_rows,
        train_rows=int(records.loc[records["method_name"] == "WANN", "train_rows"].iloc[0]),
        seeds=len(SEEDS),
        dataset=dataset,
        backbone=backbone,
        table="\n".join(lines),
        wins=f"Bold in how many of the {records['condition'].nunique()} lines: {said}.",
        seconds="\n".join(times),
        machine=machine,
        cores=cores,
    )


def main() -> None:
    """Measure what is missing and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database_root")
    parser.add_argument("dataset_root")
    parser.add_argument("--dataset", default="cifar10")
    parser.add_argument("--backbone", default="tiny-darknet")
    parser.add_argument("--machine", default="median, other work beside it", help="a remark")
    parser.add_argument("--cores", type=int, default=2)
    args = parser.parse_args()
    roots = Roots(Path(args.database_root), Path(args.dataset_root))
    tables = [
        measure(base, roots).assign(condition=name)
        for name, base in conditions(args.dataset, args.backbone).items()
    ]
    OUTPUT.write_text(
        write(pd.concat(tables), args.dataset, args.backbone, args.machine, args.cores)
    )


if __name__ == "__main__":
    main()
