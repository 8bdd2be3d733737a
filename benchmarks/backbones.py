"""The audit under two backbones, with and without the probe: ranking and number of wrong labels.

Run `python -m benchmarks.backbones DATABASE_ROOT DATASET_ROOT --results FILE.jsonl`, which measures
the rows that the file does not hold yet, and add `--write docs/audit_measured.md` to put the table
between that page's marks. It takes the last 20,000 training rows of CIFAR-10; the first search and
each logistic regression take a minute. C of the regression is 0.01 below 19 % noise and 0.001
above, as cross-validation chose on the first 10,000 rows.
"""

import functools
import time
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks._results import arguments, measure_missing, show
from benchmarks.audit import CIFAR_ROWS, HUMAN, last_rows
from wann_core import datasets
from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.judging.neighbor_votes import NEIGHBORS
from wann_core.audit.scores import score_labels
from wann_core.methods.probes.out_of_fold import OutOfFold
from wann_core.methods.reduction import normalize
from wann_core.neighbors.cache import neighbor_graph
from wann_core.neighbors.graph import NeighborGraph
from wann_core.noise.patterns import add_noise

BACKBONES = ("tiny-darknet", "efficientnet-lite0-blocks")
LABELS = (
    "random1",
    "aggre",
    "worse",
    "random3",
    "clean",
    "sym 0.05",
    "sym 0.2",
    "sym 0.4",
    "asym 0.3",
    "instance 0.3",
)
COLUMNS = {**HUMAN, "random3": "random_label3"}
SEED = 7
MARKS = "<!-- backbones -->", "<!-- end of backbones -->"


@functools.lru_cache(maxsize=1)
def embedded(
    backbone: str, roots: tuple[str, str], rows: int = CIFAR_ROWS
) -> tuple[np.ndarray, np.ndarray, NeighborGraph]:
    """Z-scored rows, true labels and graph."""
    split = last_rows(datasets.load("cifar10", backbone, *roots), rows).train
    X = normalize(split.X, split.X[:1], "zscore")[0]
    return X, split.y, neighbor_graph(X, None, NEIGHBORS)


def labels_of(
    backbone: str,
    name: str,
    X: np.ndarray,
    true: np.ndarray,
    roots: tuple[str, str],
    rows: int = CIFAR_ROWS,
) -> np.ndarray:
    """Given labels of a row of the table."""
    if name == "clean":
        return true
    if name in COLUMNS:
        human = datasets.load(f"cifar10-n/{COLUMNS[name]}", backbone, *roots)
        return last_rows(human, rows).train.y
    pattern, ratio = name.split()
    return add_noise(
        true,
        pattern,
        float(ratio),
        rng=np.random.RandomState(SEED),
        X=X,
        n_classes=10,
        dataset="cifar10",
        draw="reference" if pattern == "instance" else "exact",
    ).labels


def measure(backbone: str, name: str, roots: tuple[str, str]) -> dict[str, Any]:
    """One row."""
    X, true, graph = embedded(backbone, roots)
    given = labels_of(backbone, name, X, true, roots)
    wrong = given != true
    result = {"bb": backbone, "sp": name, "wrong": int(wrong.sum())}
    alone = Evidence(graph, given, 10, X=X)
    result["np"] = judged(alone, wrong)
    fits = OutOfFold(X, given, 10, C=0.01 if wrong.mean() < 0.19 else 0.001)
    probe = Evidence(graph, given, 10, fits, X=X)
    result["p"] = judged(probe, wrong)
    if wrong.any():
        result["old_np_AP"] = average_precision_score(wrong, -score_labels(alone, "neighbors"))
        result["LR_AP"] = average_precision_score(wrong, -score_labels(probe, "probe"))
    return result


def judged(evidence: Evidence, wrong: np.ndarray) -> dict[str, float]:
    """Number, range and ranking."""
    started = time.perf_counter()
    noise = evidence.noise
    found = {"count": noise.count, "low": noise.low, "high": noise.high, "human": noise.human}
    if wrong.any():
        score = -score_labels(evidence, "combined")
        found |= {
            "AP": average_precision_score(wrong, score),
            "AUROC": roc_auc_score(wrong, score),
        }
    return {**found, "s": time.perf_counter() - started}


def table(results: list[dict[str, Any]]) -> str:
    """Markdown of all rows; a number off by more than a tenth, or outside its range, is marked."""
    lines = [
        "| backbone | labels | wrong | AP neighbors alone | AP without probe | AP probe alone "
        "| AP with probe | number without probe (range) | with probe (range) |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for found in results:
        wrong = found["wrong"]
        aps = [
            f"{ap:.3f}" if ap is not None else "–"
            for ap in (
                found.get("old_np_AP"),
                found["np"].get("AP"),
                found.get("LR_AP"),
                found["p"].get("AP"),
            )
        ]
        numbers = []
        for kind in ("np", "p"):
            own = found[kind]
            text = f"{own['count']:,} ({own['low']:,}–{own['high']:,})"
            if wrong:
                off = own["count"] / wrong - 1
                text += f" {100 * off:+.0f} %"
                text += " (off)" if abs(off) > 0.1 else ""
            text += "" if own["low"] <= wrong <= own["high"] else " (missed)"
            numbers.append(text)
        cells = [found["bb"], found["sp"], f"{wrong:,}", *aps, *numbers]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure what is lacking, print the table, write the page."""
    args = arguments(__doc__).parse_args()
    roots = (args.database_root, args.dataset_root)
    results = measure_missing(
        args.results,
        [(backbone, name) for backbone in BACKBONES for name in LABELS][: args.most],
        lambda found: (found["bb"], found["sp"]),
        lambda case: measure(*case, roots),
    )
    show(table(results), args.write, MARKS)


if __name__ == "__main__":
    main()
