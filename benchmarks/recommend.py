"""What is recommended without clean labels, beside the best in hindsight.

Run `python -m benchmarks.recommend DATABASE_ROOT DATASET_ROOT --results FILE.jsonl`, which measures
the conditions that the file does not hold yet, and add `--write docs/neighbor_votes.md` to put the
tables between that page's marks. It takes 2,500 training rows of CIFAR-10 from 30,000 on under two
backbones, 2,500 of MNIST as pixels from 30,000 on, and the built-in digits. Methods and the
posterior that judges them were chosen on rows 0 to 6,000 of CIFAR-10.
"""

import functools
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks._results import arguments, measure_missing, show
from benchmarks.audit import HUMAN, mnist
from benchmarks.backbones import BACKBONES
from benchmarks.votes import LABELS
from wann_core import datasets
from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.judging.neighbor_votes import NEIGHBORS
from wann_core.audit.recommending.candidates import USUAL, Candidate, candidate_answers
from wann_core.audit.recommending.recommendation import Recommendation, recommend
from wann_core.methods.probes.out_of_fold import OutOfFold
from wann_core.methods.reduction import normalize
from wann_core.neighbors.graph import NeighborGraph
from wann_core.noise.patterns import add_noise

FIRST, ROWS, TEST_ROWS = 30_000, 2_500, 5_000
DRAWN = ("clean", "sym 0.3", "asym 0.3", "instance 0.3")
CONDITIONS = [
    *((source, labels) for source in BACKBONES for labels in LABELS),
    *((source, labels) for source in ("mnist", "digits") for labels in DRAWN),
]
SEED = 17
MARKS = "<!-- recommend -->", "<!-- end of recommend -->"


@functools.lru_cache(maxsize=1)
def rows_of(source: str, roots: tuple[str, str]) -> tuple[np.ndarray, ...]:
    """Z-scored training rows, their true labels, test rows and their labels."""
    part = slice(FIRST, FIRST + ROWS)
    if source == "mnist":
        split = mnist(roots[1], None).train
        X, y, T, answers = split.X[part], split.y[part], split.X[-TEST_ROWS:], split.y[-TEST_ROWS:]
    else:
        digits = source == "digits"
        data = datasets.load(
            "digits" if digits else "cifar10", "pixels" if digits else source, *roots
        )
        assert data.test is not None
        part = slice(None) if digits else part
        X, y, T, answers = data.train.X[part], data.train.y[part], data.test.X, data.test.y
        T, answers = T[:TEST_ROWS], answers[:TEST_ROWS]
    X, T = normalize(X.astype(np.float32), T.astype(np.float32), "zscore")
    return X, y, T, answers


def given_labels(source: str, name: str, roots: tuple[str, str]) -> np.ndarray:
    """Labels of a condition."""
    X, true, _, _ = rows_of(source, roots)
    if name == "clean":
        return true
    if name in HUMAN:
        human = datasets.load(f"cifar10-n/{HUMAN[name]}", source, *roots)
        return human.train.y[FIRST : FIRST + ROWS]
    pattern, ratio = name.split()
    return add_noise(
        true,
        pattern,
        float(ratio),
        rng=np.random.RandomState(SEED),
        X=X,
        n_classes=10,
        dataset=source if source in ("mnist", "digits") else "cifar10",
        draw="reference" if pattern == "instance" else "exact",
    ).labels


def measure(source: str, name: str, roots: tuple[str, str]) -> dict[str, Any]:
    """Test accuracy of every candidate, and what is recommended."""
    X, true, T, answers = rows_of(source, roots)
    given = given_labels(source, name, roots)
    wrong = float((given != true).mean())
    # As cross-validation chose on other rows, see `backbones`.
    C = 0.01 if wrong < 0.19 else 0.001
    fits = OutOfFold(X, given, 10, C=C)
    evidence = Evidence(NeighborGraph.build(X, k=NEIGHBORS), given, 10, fits, X=X)
    found = recommend(evidence)
    accuracy = {
        str(candidate): float((votes == answers).mean())
        for candidate, votes in candidate_answers(X, given, T, 10)
    }
    whole = LogisticRegression(C=C, tol=1e-3, max_iter=1000).fit(X, given)
    accuracy[str(Candidate("logreg"))] = float((whole.predict(T) == answers).mean())
    return {
        "source": source,
        "labels": name,
        "wrong": wrong,
        "accuracy": accuracy,
        "picked": str(found.best),
        "ties": len(found.ties),
        "votes": best_of(found, lambda one: one.method != "logreg"),
        "built_in": best_of(found, lambda one: one.method != "believed-kNN"),
        "WANN": best_of(found, lambda one: one.method == "WANN"),
    }


def best_of(found: Recommendation, wanted: Any) -> str:
    """The best of some candidates."""
    return next(str(one) for one in found.candidates if wanted(one))


def regrets(found: dict[str, Any]) -> dict[str, float]:
    """Points behind the best in hindsight, by what was chosen among."""
    accuracy = found["accuracy"]
    votes = [value for name, value in accuracy.items() if name != "logreg"]
    built_in = [value for name, value in accuracy.items() if "belief" not in name]
    wann = [value for name, value in accuracy.items() if name.startswith("WANN")]
    pairs = {
        "all methods": (accuracy.values(), found["picked"]),
        "built-in methods": (built_in, found["built_in"]),
        "votes": (votes, found["votes"]),
        "WANN's bounds and reduction": (wann, found["WANN"]),
        "no choice: WANN 11 to 51": (accuracy.values(), str(USUAL)),
    }
    return {title: 100 * (max(of) - accuracy[name]) for title, (of, name) in pairs.items()}


def table(results: list[dict[str, Any]]) -> str:
    """Markdown: a row a condition, then the regrets."""
    lines = [
        "| data | labels | wrong | WANN, k 11 to 51 | recommended | its accuracy "
        "| best in hindsight | its accuracy | regret | others within chance |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for found in results:
        accuracy, picked = found["accuracy"], found["picked"]
        best = max(accuracy, key=accuracy.__getitem__)
        lines.append(
            f"| {found['source']} | {found['labels']} | {100 * found['wrong']:.1f} % "
            f"| {100 * accuracy[str(USUAL)]:.1f} | {picked} | {100 * accuracy[picked]:.1f} "
            f"| {best} | {100 * accuracy[best]:.1f} "
            f"| {100 * (accuracy[best] - accuracy[picked]):.2f} | {found['ties']} |"
        )
    of = [regrets(found) for found in results]
    lines += [
        "",
        "| chosen among | regret, median | mean | worst | worst in |",
        "|---|---|---|---|---|",
    ]
    for title in of[0]:
        values = np.array([one[title] for one in of])
        worst = results[int(values.argmax())]
        lines.append(
            f"| {title} | {np.median(values):.2f} | {values.mean():.2f} | {values.max():.2f} "
            f"| {worst['source']}, {worst['labels']} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure what is lacking, print the tables, write the page."""
    args = arguments(__doc__).parse_args()
    roots = (args.database_root, args.dataset_root)
    results = measure_missing(
        args.results,
        CONDITIONS[: args.most],
        lambda found: (found["source"], found["labels"]),
        lambda case: measure(*case, roots),
    )
    results.sort(key=lambda found: CONDITIONS.index((found["source"], found["labels"])))
    show(table(results), args.write, MARKS)


if __name__ == "__main__":
    main()
