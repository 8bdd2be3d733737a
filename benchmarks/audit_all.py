"""Finding wrong labels among all rows of CIFAR-10, without a probe, and what Datalab takes for it.

Run `python -m benchmarks.audit_all DATABASE_ROOT DATASET_ROOT --results FILE.json [--only NAME …]
[--datalab]`, which measures what the file does not hold yet, and add `--write
docs/audit_measured.md` to put the tables between that page's marks. Training and test rows are
judged together, 60,000 in all. The search takes minutes once, a row seconds after it; `--datalab`
(needs `pip install 'cleanlab[datalab]'`) times Datalab on the first row named, minutes more.

Datalab's label check searches its own neighbors where it gets features, and takes no graph for
them. Given the votes of a graph's 10 nearest neighbors as probabilities, it searches nothing;
given the graph too, its other default checks do not either.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array, csr_matrix

from benchmarks._results import show
from benchmarks.audit import CIFAR, HUMAN, NOISES, SEED, cleanlab, ours
from wann_core import datasets
from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.judging.neighbor_votes import NEIGHBORS
from wann_core.audit.judging.rows import LabeledRows, labeled_rows
from wann_core.audit.label_audit import judge
from wann_core.audit.scores import score_labels
from wann_core.methods.voting import vote_shares
from wann_core.neighbors.cache import neighbor_graph
from wann_core.neighbors.graph import NeighborGraph
from wann_core.noise import patterns

ROWS = [*(f"CIFAR-10N {name}" for name in HUMAN), *(f"CIFAR-10 {name}" for name in NOISES)]
MARKS = "<!-- all rows -->", "<!-- end of all rows -->"


def load(row: str, roots: tuple[str, str]) -> tuple[LabeledRows, np.ndarray]:
    """All rows with the labels of a row of the table, and their true labels."""
    source, name = row.split(" ", 1)
    if source == "CIFAR-10N":
        data = datasets.load(f"cifar10-n/{HUMAN[name]}", CIFAR[1], *roots)
        return labeled_rows(data), np.concatenate([s.true for s in data.splits.values()])
    data = datasets.load(*CIFAR, *roots)
    rows = labeled_rows(data)
    pattern, ratio = name.split()
    noisy = patterns.add_noise(
        rows.labels,
        pattern,
        float(ratio),
        rng=np.random.RandomState(SEED),
        n_classes=10,
        dataset=data.name,
        X=np.concatenate([s.X for s in data.splits.values()]),
        draw="reference" if pattern == "instance" else "exact",
    ).labels
    return LabeledRows(**{**vars(rows), "labels": noisy}), rows.labels


def timed(act: Callable[[], object], repeats: int) -> dict[str, float]:
    """The fastest of some runs: seconds by the clock, and of the processor."""
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        act()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return {"seconds": min(walls), "processor": min(cpus)}


def measure(row: str, roots: tuple[str, str]) -> dict[str, Any]:
    """One row of the table."""
    rows, true = load(row, roots)
    labels, wrong = rows.labels, rows.labels != true
    graph = neighbor_graph(rows.X, None, NEIGHBORS)
    ten = vote_shares(graph.train_ids, labels, 10, n_classes=10)
    return {
        "rows": len(rows),
        "wrong": int(wrong.sum()),
        "cleanlab kNN": cleanlab(ten, labels, wrong),
        "neighbors": ours(rows, Evidence(graph, labels, 10, X=rows.X), wrong),
    }


def tiny() -> tuple[LabeledRows, Evidence]:
    """A few rows, to have everything loaded and compiled before the clock runs."""
    X = np.random.RandomState(0).randn(200, 4).astype(np.float32)
    labels = np.arange(200) % 2
    zeros = np.zeros(200, np.int64)
    rows = LabeledRows(X, labels, zeros, np.arange(200), [""] * 200, ("a", "b"))
    return rows, Evidence(NeighborGraph.build(X, k=NEIGHBORS), labels, 2)


def seconds(row: str, roots: tuple[str, str], known: dict[str, Any]) -> dict[str, Any]:
    """Seconds of ours and of Datalab's, those that are known already left out."""
    from cleanlab import Datalab

    rows, _ = load(row, roots)
    graph = neighbor_graph(rows.X, None, NEIGHBORS)
    ten = vote_shares(graph.train_ids, rows.labels, 10, n_classes=10)

    def run(**how: Any) -> None:
        lab = Datalab({"y": rows.labels.tolist()}, label_name="y", verbosity=0)
        lab.find_issues(**how)

    def fresh() -> Evidence:
        return Evidence(graph, rows.labels, 10, X=rows.X)

    judge(*tiny())  # kernels are compiled
    only = {"issue_types": {"label": {}}}
    acts: dict[str, tuple[Callable[[], object], int]] = {
        "ours, score alone": (lambda: score_labels(fresh(), "neighbors"), 5),
        "ours, whole table": (lambda: judge(rows, fresh()), 5),
        "Datalab, label from features": (lambda: run(features=rows.X, **only), 1),
        "Datalab, label from the graph's votes": (lambda: run(pred_probs=ten, **only), 5),
        "Datalab, all default checks, from the graph's votes and the graph": (
            lambda: run(pred_probs=ten, knn_graph=_sparse(graph)),
            2,
        ),
    }
    return {name: known[name] if name in known else timed(*act) for name, act in acts.items()}


def _sparse(graph: NeighborGraph) -> csr_matrix:
    """The 10 nearest neighbors of each row as Datalab takes them."""
    n = len(graph.train_ids)
    pointers = np.arange(0, 10 * n + 1, 10)
    near, apart = graph.train_ids[:, :10].ravel(), graph.train_distances[:, :10].ravel()
    return csr_matrix(csr_array((apart.astype(np.float64), near, pointers), shape=(n, n)))


def tables(results: dict[str, Any]) -> str:
    """Markdown of all rows, and of the seconds; what loses to cleanlab is marked."""
    lines = [
        "| labels, all rows | wrong | method | AP | AUROC | F1 | number (from–to) | rate off by |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in (r for r in ROWS if r in results):
        found = results[row]
        mine, other = found["neighbors"], found["cleanlab kNN"]
        for method, own in (("ours", mine), ("cleanlab kNN", other)):
            is_ours = own is mine
            lost = [
                " (lost)" if is_ours and mine[name] <= other[name] else ""
                for name in ("AP", "AUROC", "F1")
            ]
            far = [abs(each["count"] - found["wrong"]) for each in (mine, other)]
            span = f" ({own['low']:,}–{own['high']:,})" if is_ours else ""
            off = 100 * (own["count"] - found["wrong"]) / found["rows"]
            lines.append(
                f"| {row} | {found['wrong']:,} | {method} | {own['AP']:.3f}{lost[0]} "
                f"| {own['AUROC']:.3f}{lost[1]} | {own['F1']:.3f}{lost[2]} | {own['count']:,}{span}"
                f"{' (lost)' if is_ours and far[0] >= far[1] else ''} | {off:+.1f} pp |"
            )
    return "\n".join([*lines, *(_seconds(results) if "seconds" in results else ())])


def _seconds(results: dict[str, Any]) -> list[str]:
    timing = results["seconds"]
    base = timing["ours, score alone"]["processor"]
    lines = [
        "",
        f"| seconds on {timing['row']} | by the clock | of the processor "
        "| over our score (processor) |",
        "|---|---|---|---|",
    ]
    for name, found in timing.items():
        if name == "row":
            continue
        ratio = found["processor"] / base
        lines.append(
            f"| {name} | {found['seconds']:.2f} | {found['processor']:.2f} | {ratio:,.1f} × |"
        )
    return lines


def main() -> None:
    """Measure what is asked, keep it, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database_root")
    parser.add_argument("dataset_root")
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--only", nargs="*", choices=ROWS, default=ROWS)
    parser.add_argument("--datalab", action="store_true")
    parser.add_argument("--write", type=Path)
    args = parser.parse_args()
    roots = (args.database_root, args.dataset_root)
    results = json.loads(args.results.read_text()) if args.results.exists() else {}

    def keep(name: str, found: dict[str, Any]) -> None:
        results[name] = found
        args.results.write_text(json.dumps(results, indent=1))
        print(name, json.dumps(found), flush=True)

    for row in args.only:
        if row not in results:
            keep(row, measure(row, roots))
    if args.datalab:
        known = results.get("seconds", {})
        keep("seconds", {"row": args.only[0], **seconds(args.only[0], roots, known)})
    show(tables(results), args.write, MARKS)


if __name__ == "__main__":
    main()
