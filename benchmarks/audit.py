"""Finding wrong labels, side by side with cleanlab on the same embeddings and labels.

Run `python -m benchmarks.audit DATABASE_ROOT DATASET_ROOT --results FILE.json [--only NAME …]`,
which measures what the file does not hold yet, and add `--write docs/audit_measured.md` to put the
table of all that it holds between that page's marks. It needs CIFAR-10's embeddings under backbone
'tiny-darknet', the labels of CIFAR-10N and MNIST's raw files; about a minute a row on two cores.

cleanlab gets what it makes for itself from features, the vote of the 10 nearest neighbors without
the row's own, and the very probabilities of our probe (out of five folds).
"""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from cleanlab.count import num_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks._results import show
from wann_core import datasets
from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.judging.neighbor_votes import NEIGHBORS
from wann_core.audit.judging.rows import LabeledRows, labeled_rows
from wann_core.audit.label_audit import judge
from wann_core.audit.scores import SCORES, score_labels
from wann_core.datasets.dataset import Dataset, Split
from wann_core.methods.probes.out_of_fold import OutOfFold
from wann_core.methods.voting import vote_shares
from wann_core.neighbors.cache import neighbor_graph
from wann_core.noise import patterns

CIFAR = ("cifar10", "tiny-darknet")
HUMAN = {"aggre": "aggre_label", "random1": "random_label1", "worse": "worse_label"}
NOISES = ("sym 0.2", "sym 0.4", "asym 0.3", "instance 0.3")
ROWS = [
    *(f"CIFAR-10N {name}" for name in HUMAN),
    *(f"CIFAR-10 {name}" for name in NOISES),
    *(f"MNIST {name}" for name in ("sym 0.2", "asym 0.3")),
    *(f"digits {name}" for name in NOISES),
]
CIFAR_ROWS, MNIST_ROWS = 20_000, 10_000
SEED = 7
NAMES = {"neighbors": "ours, without probe", "combined": "ours, with probe"}
MARKS = "<!-- table -->", "<!-- end of table -->"


def mnist(dataset_root: str, rows: int | None = MNIST_ROWS) -> Dataset:
    """The first rows of MNIST, their pixels as embeddings."""
    place = Path(dataset_root) / "mnist" / "MNIST" / "raw"
    pixels = np.frombuffer((place / "train-images-idx3-ubyte").read_bytes(), np.uint8, offset=16)
    labels = np.frombuffer((place / "train-labels-idx1-ubyte").read_bytes(), np.uint8, offset=8)
    X = pixels.reshape(-1, 784)[:rows].astype(np.float32)
    y = labels[:rows].astype(np.int64)
    names = tuple(str(c) for c in range(10))
    return Dataset("mnist", "pixels", names, Split(X, y, np.arange(len(y))), None)


def last_rows(data: Dataset, count: int = CIFAR_ROWS) -> Dataset:
    """The last training rows of CIFAR-10, none of which was there when scores were chosen."""
    rows, split = slice(-count, None), data.train
    clean = None if split.clean is None else split.clean[rows]
    train = Split(split.X[rows], split.y[rows], split.ids[rows], clean)
    return dataclasses.replace(data, train=train, test=None)


def load(row: str, roots: tuple[str, str]) -> tuple[LabeledRows, np.ndarray]:
    """Rows with the labels of a row of the table, and their true labels.

    All rows err, digits' test rows too.
    """
    source, name = row.split(" ", 1)
    if source == "CIFAR-10N":
        data = last_rows(datasets.load(f"cifar10-n/{HUMAN[name]}", CIFAR[1], *roots))
        return labeled_rows(data), data.train.true
    data = {
        "CIFAR-10": lambda: last_rows(datasets.load(*CIFAR, *roots)),
        "MNIST": lambda: mnist(roots[1]),
        "digits": lambda: datasets.load("digits", "pixels"),
    }[source]()
    rows = labeled_rows(data)
    pattern, ratio = name.split()
    raw = np.concatenate([split.X for split in data.splits.values()])
    noisy = patterns.add_noise(
        rows.labels,
        pattern,
        float(ratio),
        rng=np.random.RandomState(SEED),
        n_classes=10,
        dataset=data.name,
        X=raw,
        draw="reference" if pattern == "instance" else "exact",
    ).labels
    changed = {**vars(rows), "labels": noisy}
    return LabeledRows(**changed), rows.labels


def quality(score: np.ndarray, wrong: np.ndarray, listed: np.ndarray) -> dict[str, float]:
    """Ranking scores, and F1 of a list."""
    hits = (listed & wrong).sum()
    return {
        "AUROC": float(roc_auc_score(wrong, -score)),
        "AP": float(average_precision_score(wrong, -score)),
        "F1": float(2 * hits / (listed.sum() + wrong.sum())),
        "count": int(listed.sum()),
    }


def cleanlab(shares: np.ndarray, labels: np.ndarray, wrong: np.ndarray) -> dict[str, float]:
    """What cleanlab makes of shares: ranking and number; the number's lowest ranks are its list."""
    score = get_label_quality_scores(labels, shares)
    count = num_label_issues(labels, shares)
    listed = np.zeros(len(labels), bool)
    listed[np.argsort(score, kind="stable")[:count]] = True
    return quality(score, wrong, listed)


def ours(rows: LabeledRows, evidence: Evidence, wrong: np.ndarray) -> dict[str, float]:
    """Our audit's ranking and list."""
    found = judge(rows, evidence)
    table = found.table
    result = quality(table["label_score"].to_numpy(), wrong, table["is_label_issue"].to_numpy())
    return {**result, "low": found.noise.low, "high": found.noise.high}


def measure(row: str, roots: tuple[str, str]) -> dict[str, Any]:
    """One row of the table."""
    rows, true = load(row, roots)
    labels, wrong = rows.labels, rows.labels != true
    n_classes = len(rows.class_names)
    graph = neighbor_graph(rows.X, None, NEIGHBORS)
    result: dict[str, Any] = {"rows": len(rows), "wrong": int(wrong.sum())}
    ten = vote_shares(graph.train_ids, labels, 10, n_classes=n_classes)
    result["cleanlab kNN"] = cleanlab(ten, labels, wrong)
    result["neighbors"] = ours(rows, Evidence(graph, labels, n_classes, X=rows.X), wrong)
    with_probe = Evidence(graph, labels, n_classes, OutOfFold(rows.X, labels, n_classes), X=rows.X)
    shares = with_probe.probe_shares
    result["cleanlab LR"] = cleanlab(shares, labels, wrong)
    result["combined"] = ours(rows, with_probe, wrong)
    result["AP by score"] = {
        name: float(average_precision_score(wrong, -score_labels(with_probe, name)))
        for name in SCORES
    }
    return result


def table(results: dict[str, dict[str, Any]]) -> str:
    """Markdown of all rows; what loses to cleanlab is marked."""
    pairs = (("neighbors", "cleanlab kNN"), ("combined", "cleanlab LR"))
    lines = [
        "| labels | rows | wrong | method | AP | AUROC | F1 | number (from–to) | rate off by |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in (r for r in ROWS if r in results):
        found = results[row]
        for pair in pairs:
            a, b = (abs(found[p]["count"] - found["wrong"]) for p in pair)
            for method in pair:
                own, other = found[method], found[pair[method == pair[0]]]
                is_ours = method == pair[0]
                lost_ap, lost_f1 = (
                    " (lost)" if is_ours and own[score] <= other[score] else ""
                    for score in ("AP", "F1")
                )
                far = " (lost)" if is_ours and a >= b else ""
                span = f" ({own['low']:,}–{own['high']:,})" if is_ours else ""
                off = 100 * (own["count"] - found["wrong"]) / found["rows"]
                lines.append(
                    f"| {row} | {found['rows']:,} | {found['wrong']:,} "
                    f"| {NAMES.get(method, method)} | {own['AP']:.3f}{lost_ap} "
                    f"| {own['AUROC']:.3f} | {own['F1']:.3f}{lost_f1} "
                    f"| {own['count']:,}{span}{far} | {off:+.1f} pp |"
                )
    lines += ["", f"| AP by score | {' | '.join(SCORES)} |", "|---" * (len(SCORES) + 1) + "|"]
    for row in (r for r in ROWS if r in results):
        values = " | ".join(f"{results[row]['AP by score'][name]:.3f}" for name in SCORES)
        lines.append(f"| {row} | {values} |")
    return "\n".join(lines)


def main() -> None:
    """Measure what is asked, keep it, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database_root")
    parser.add_argument("dataset_root")
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--only", nargs="*", choices=ROWS, default=ROWS)
    parser.add_argument("--write", type=Path)
    args = parser.parse_args()
    results = json.loads(args.results.read_text()) if args.results.exists() else {}
    for row in args.only:
        if row not in results:
            results[row] = measure(row, (args.database_root, args.dataset_root))
            args.results.write_text(json.dumps(results, indent=1))
            print(row, json.dumps(results[row]), flush=True)
    show(table(results), args.write, MARKS)


if __name__ == "__main__":
    main()
