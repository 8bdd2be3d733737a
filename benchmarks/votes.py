"""Kinds of neighbor votes under two backbones, and the choice between them without clean labels.

Run `python -m benchmarks.votes DATABASE_ROOT DATASET_ROOT --results FILE.jsonl`, and add `--write
docs/neighbor_votes.md` to put the table between that page's marks. Votes were chosen on rows 0 to
10,000 of CIFAR-10; by default it takes 20,000 rows from 30,000 on, under other draws.
"""

import functools
from typing import Any

import numpy as np

from benchmarks._results import arguments, measure_missing, show
from benchmarks.audit import HUMAN
from benchmarks.backbones import BACKBONES
from wann_core import datasets
from wann_core.audit.judging.neighbor_votes import NEIGHBORS
from wann_core.audit.recommending.believed_votes import BelievedNeighborsClassifier
from wann_core.methods.metrics import paired_gain_interval
from wann_core.methods.reduction import normalize
from wann_core.methods.voting import adaptive_k, vote
from wann_core.neighbors.graph import NeighborGraph
from wann_core.noise.patterns import add_noise

LABELS = (
    "clean",
    "aggre",
    "random1",
    "worse",
    "sym 0.05",
    "sym 0.3",
    "sym 0.5",
    "asym 0.1",
    "asym 0.3",
    "instance 0.1",
    "instance 0.3",
)
VOTES = ("kNN-11", "kNN-51", "WANN", "belief 0", "belief 0.5", "belief 1", "belief auto")
SEED = 11
MARKS = "<!-- votes -->", "<!-- end of votes -->"


@functools.lru_cache(maxsize=1)
def prepared(
    backbone: str, rows: int, first: int, roots: tuple[str, str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, NeighborGraph]:
    """Z-scored training rows, their true labels, test rows and labels, graph."""
    data = datasets.load("cifar10", backbone, *roots)
    assert data.test is not None
    part = slice(first, first + rows)
    X, T = normalize(data.train.X[part], data.test.X, "zscore")
    graph = NeighborGraph.build(X, T, k=NEIGHBORS)
    return X, data.train.y[part], T, data.test.y, graph


def measure(
    backbone: str, name: str, rows: int, first: int, roots: tuple[str, str]
) -> dict[str, Any]:
    """Accuracies, gains over the better of kNN-51 and WANN, and what would be recommended."""
    X, true, T, answers, graph = prepared(backbone, rows, first, roots)
    given = true
    if name in HUMAN:
        human = datasets.load(f"cifar10-n/{HUMAN[name]}", backbone, *roots)
        given = human.train.y[first : first + rows]
    elif name != "clean":
        pattern, ratio = name.split()
        given = add_noise(
            true,
            pattern,
            float(ratio),
            rng=np.random.RandomState(SEED),
            X=X,
            n_classes=10,
            dataset="cifar10",
            draw="reference" if pattern == "instance" else "exact",
        ).labels
    assert graph.test_ids is not None
    k = adaptive_k(graph.train_ids, given)
    found = {
        "kNN-11": vote(graph.test_ids, given, 11),
        "kNN-51": vote(graph.test_ids, given, NEIGHBORS),
        "WANN": vote(graph.test_ids, given, k[graph.test_ids[:, 0]], weights=1.0 / k),
    }
    model = BelievedNeighborsClassifier().fit(X, given, graph=graph)
    found["belief auto"] = model.predict(T, graph)
    for belief in (0.0, 0.5, 1.0):
        model.belief_ = belief
        found[f"belief {belief:g}"] = model.predict(T, graph)
    right = {title: one == answers for title, one in found.items()}
    better = max(("kNN-51", "WANN"), key=lambda title: right[title].mean())
    return {
        "bb": backbone,
        "labels": name,
        "wrong": float((given != true).mean()),
        "accuracy": {title: float(100 * one.mean()) for title, one in right.items()},
        "gain": {
            title: interval(right[title], right[better]) for title in ("belief 0", "belief auto")
        },
        "recommended": model.agreement_.index[0],
    }


def interval(right: np.ndarray, other: np.ndarray) -> list[float]:
    """Ends of the 95 % interval of a gain, in points."""
    gain, half = paired_gain_interval(right, other)
    return [100 * (gain - half), 100 * (gain + half)]


def table(results: list[dict[str, Any]]) -> str:
    """Markdown: accuracies, then worst cases."""
    lines = [
        f"| backbone | labels | wrong | {' | '.join(VOTES)} "
        "| belief 0 less the better of kNN-51 and WANN | belief auto less it | recommended |",
        f"|---|---|---|{'---|' * (len(VOTES) + 3)}",
    ]
    for found in results:
        best = max(found["accuracy"].values())
        cells = [found["bb"], found["labels"], f"{100 * found['wrong']:.1f} %"]
        for title in VOTES:
            value = found["accuracy"][title]
            cells.append(f"**{value:.1f}**" if value == best else f"{value:.1f}")
        for title in ("belief 0", "belief auto"):
            low, high = found["gain"][title]
            cells.append(f"{low:+.1f} to {high:+.1f}")
        lines.append(f"| {' | '.join([*cells, found['recommended']])} |")
    regrets = np.array(
        [max(f["accuracy"].values()) - f["accuracy"][f["recommended"]] for f in results]
    )
    lines += [
        "",
        f"Recommended without clean labels: {np.median(regrets):.2f} points behind the best in "
        f"hindsight in the median of these {len(results)} conditions, {regrets.max():.2f} at most.",
    ]
    for title in ("belief 0", "belief auto"):
        gains = [
            f["accuracy"][title] - max(f["accuracy"]["kNN-51"], f["accuracy"]["WANN"])
            for f in results
        ]
        worse = sum(f["gain"][title][1] < 0 for f in results)
        better = sum(f["gain"][title][0] > 0 for f in results)
        lines.append("")
        lines.append(
            f"{title} less the better of kNN-51 and WANN: {min(gains):+.2f} to {max(gains):+.2f} "
            f"points, {np.mean(gains):+.2f} in the mean; significantly better in {better}, worse "
            f"in {worse} of {len(results)}."
        )
    return "\n".join(lines)


def main() -> None:
    """Measure what is lacking, print the table, write the page."""
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=30_000)
    args = parser.parse_args()
    roots = (args.database_root, args.dataset_root)
    results = measure_missing(
        args.results,
        [(backbone, name) for backbone in BACKBONES for name in LABELS][: args.most],
        lambda found: (found["bb"], found["labels"]),
        lambda case: measure(*case, args.rows, args.first, roots),
    )
    show(table(results), args.write, MARKS)


if __name__ == "__main__":
    main()
