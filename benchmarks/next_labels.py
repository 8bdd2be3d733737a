"""Which rows to label next: accuracy after 200, 500 and 1,000 labels, by four ways to choose.

Run `python -m benchmarks.next_labels DATABASE_ROOT [--seeds 5]`; it needs CIFAR-10's embeddings
under backbone 'efficientnet-lite0-blocks'; three minutes on two cores. All start from the same
100 random labels; the labels are true; accuracy is that of logistic regression on 2,000 test rows.
"""

import argparse

import numpy as np
import pandas as pd
from cleanlab.multiannotator import get_active_learning_scores
from sklearn.linear_model import LogisticRegression

from wann_core import next_to_label
from wann_core.datasets import load

POOL, TEST, FIRST = 10_000, 2_000, 100
STEPS = (200, 500, 1000)
C = 0.01


def fit(X: np.ndarray, y: np.ndarray, rows: np.ndarray) -> LogisticRegression:
    """The classifier that chooses and that is judged."""
    return LogisticRegression(C=C, max_iter=300).fit(X[rows], y[rows])


def chosen(
    way: str, X: np.ndarray, y: np.ndarray, rows: np.ndarray, n: int, seed: int
) -> np.ndarray:
    """The next rows to label by each way."""
    rest = np.setdiff1d(np.arange(len(X)), rows)
    if way == "random":
        return np.random.default_rng(seed + n).choice(rest, n, replace=False)
    if way == "ours":
        labels = np.full(len(X), None, object)
        labels[rows] = y[rows]
        return next_to_label(X, labels, n, seed=seed)["position"].to_numpy()
    model = fit(X, y, rows)
    shares = model.predict_proba(X[rest])
    if way == "entropy":
        worth = -(shares * np.log(shares + 1e-12)).sum(axis=1)
        return rest[np.argsort(-worth, kind="stable")[:n]]
    codes = np.searchsorted(model.classes_, y[rows])
    given = pd.DataFrame({"a": codes})
    _, scores = get_active_learning_scores(given, model.predict_proba(X[rows]), shares)
    return rest[np.argsort(scores, kind="stable")[:n]]


def main() -> None:
    """Print mean accuracies with 95 % intervals over seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database_root")
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    data = load("cifar10", "efficientnet-lite0-blocks", args.database_root)
    assert data.test is not None
    X, X_test = data.train.X[:POOL].astype(float), data.test.X[:TEST].astype(float)
    center, scale = X.mean(axis=0), X.std(axis=0) + 1e-6
    X, X_test = (X - center) / scale, (X_test - center) / scale
    y, y_test = data.train.y[:POOL], data.test.y[:TEST]
    lines = []
    for seed in range(args.seeds):
        start = np.random.default_rng(seed).choice(len(X), min(FIRST, len(X) // 4), replace=False)
        for way in ("random", "entropy", "ActiveLab", "ours"):
            rows = start
            for step in STEPS:
                n = min(step, len(X)) - len(rows)
                rows = np.concatenate([rows, chosen(way, X, y, rows, n, seed)])
                right = (fit(X, y, rows).predict(X_test) == y_test).mean()
                lines.append((way, step, 100 * right))
    table = pd.DataFrame(lines, columns=["way", "labels", "accuracy"])
    groups = table.groupby(["way", "labels"], sort=False)["accuracy"]
    table = groups.agg(["mean", "std"]).reset_index()
    table["± (95 %)"] = 2.776 * table["std"].fillna(0) / args.seeds**0.5  # t of 4 degrees
    print(table.drop(columns="std").round(2).to_string(index=False))


if __name__ == "__main__":
    main()
