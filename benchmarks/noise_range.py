"""How far the estimated number of wrong labels is off, and how often its range holds the truth.

Run `python -m benchmarks.noise_range DATABASE_ROOT DATASET_ROOT --results FILE.jsonl`, which
measures the cases that the file does not hold yet, without a probe, and prints two tables. The
cases are data sets (CIFAR-10 under two backbones, MNIST as pixels, digits) × patterns × ratios ×
sizes of subsample × 10 or 4 classes, in a shuffled order, so that a part of them is a fair sample.
The labels of CIFAR-10N named aggre, random1 and worse are not among them: nothing was chosen on
these.
"""

import functools
import itertools
import random
from typing import Any

import numpy as np

from benchmarks._results import arguments, measure_missing
from benchmarks.audit import mnist
from wann_core import datasets
from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.judging.neighbor_votes import NEIGHBORS
from wann_core.methods.reduction import normalize
from wann_core.neighbors.graph import NeighborGraph
from wann_core.noise.patterns import add_noise

BACKBONES = ("tiny-darknet", "efficientnet-lite0-blocks")
HUMAN = {"random2": "random_label2", "random3": "random_label3"}
DRAWN = (
    "clean",
    "sym 0.05",
    "sym 0.1",
    "sym 0.2",
    "sym 0.4",
    "sym 0.6",
    "asym 0.2",
    "asym 0.4",
    "instance 0.2",
    "instance 0.4",
)
# Rows, and the first of them.
PARTS = ((1_000, 0), (2_000, 10_000), (5_000, 20_000), (2_500, 30_000), (10_000, 40_000))
FOUR = np.array([0, 2, 4, 6])
LARGE = 4_000
SEED = 2


def cases() -> list[tuple[str, int, int, int, str]]:
    """Data, rows, first row, classes and labels of each case."""
    found = []
    for (rows, first), classes in itertools.product(PARTS, (10, 4)):
        found += [(b, rows, first, classes, s) for b in BACKBONES for s in (*HUMAN, *DRAWN)]
        found += [("mnist", rows, first, classes, s) for s in DRAWN]
    found += [("digits", 1_797, 0, classes, s) for classes in (10, 4) for s in DRAWN]
    random.Random(SEED).shuffle(found)
    return found


@functools.lru_cache(maxsize=8)
def load(
    source: str, labels: str, roots: tuple[str, str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings, given and true labels of all training rows."""
    if source == "mnist":
        data = mnist(roots[1], None)
    elif source == "digits":
        data = datasets.load("digits", "pixels")
    else:
        name = f"cifar10-n/{HUMAN[labels]}" if labels in HUMAN else "cifar10"
        data = datasets.load(name, source, *roots)
    splits = data.splits.values() if source == "digits" else [data.train]
    X, given, true = (
        np.concatenate([getattr(split, name) for split in splits]) for name in ("X", "y", "true")
    )
    return X, given, true


def labeled(
    case: tuple[str, int, int, int, str], roots: tuple[str, str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Z-scored rows, given and true labels of a case."""
    source, rows, first, n_classes, labels = case
    X, given, true = (part[first : first + rows] for part in load(source, labels, roots))
    if n_classes == 4:
        kept = np.isin(true, FOUR) & np.isin(given, FOUR)
        X = X[kept]
        given, true = (np.searchsorted(FOUR, part[kept]) for part in (given, true))
    X = normalize(X.astype(np.float32), X[:1].astype(np.float32), "zscore")[0]
    if " " in labels:
        pattern, ratio = labels.split()
        name = "cifar10" if source in BACKBONES else source
        given = add_noise(
            true,
            pattern,
            float(ratio),
            rng=np.random.RandomState(first + rows),
            X=X,
            n_classes=n_classes,
            dataset=name if n_classes == 10 else "some",
            draw="reference" if pattern == "instance" else "exact",
        ).labels
    return X, given, true


def measure(case: tuple[str, int, int, int, str], roots: tuple[str, str]) -> dict[str, Any]:
    """One case."""
    X, given, true = labeled(case, roots)
    n_classes = case[3]
    noise = Evidence(NeighborGraph.build(X, k=NEIGHBORS), given, n_classes, X=X).noise
    return {
        "case": list(case),
        "rows": len(X),
        "wrong": int((given != true).sum()),
        "count": noise.count,
        "low": noise.low,
        "high": noise.high,
        "human": noise.human,
    }


def table(results: list[dict[str, Any]]) -> str:
    """Markdown: errors by labels and size, then how often the range holds the truth."""
    lines = [
        "| labels | rows | cases | true rate | estimate off by, mean | by its absolute value |",
        "|---|---|---|---|---|---|",
    ]
    groups: dict[tuple[str, bool], list[dict[str, Any]]] = {}
    for found in results:
        groups.setdefault((found["case"][4], found["rows"] >= LARGE), []).append(found)
    for (labels, large), some in sorted(groups.items()):
        rate = np.array([f["wrong"] / f["rows"] for f in some])
        off = np.array([(f["count"] - f["wrong"]) / f["rows"] for f in some])
        lines.append(
            f"| {labels} | {'4,000 and more' if large else 'fewer'} | {len(some)} "
            f"| {100 * rate.mean():.1f} % | {100 * off.mean():+.1f} pp "
            f"| {100 * np.abs(off).mean():.1f} pp |"
        )
    lines += ["", "| rows | cases | range holds the truth | median width |", "|---|---|---|---|"]
    for name, some in (
        ("all", results),
        ("4,000 and more", [f for f in results if f["rows"] >= LARGE]),
    ):
        if not some:
            continue
        held = np.mean([f["low"] <= f["wrong"] <= f["high"] for f in some])
        width = np.median([(f["high"] - f["low"]) / f["rows"] for f in some])
        lines.append(f"| {name} | {len(some)} | {100 * held:.1f} % | {100 * width:.1f} pp |")
    return "\n".join(lines)


def main() -> None:
    """Measure what is lacking and print the tables."""
    args = arguments(__doc__, page=False).parse_args()
    roots = (args.database_root, args.dataset_root)
    results = measure_missing(
        args.results,
        cases()[: args.most],
        lambda found: tuple(found["case"]),
        lambda case: measure(case, roots),
    )
    print(table(results))


if __name__ == "__main__":
    main()
